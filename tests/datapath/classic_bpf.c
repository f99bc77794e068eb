/* SPDX-License-Identifier: BSD-3-Clause */
#include "classic_bpf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

/* A load beyond the frame ends the program with 0. */
static bool
load(const struct classic_bpf_frame *frame, uint32_t at, uint16_t size, uint32_t *value)
{
	const uint32_t n = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;

	if ((int32_t)at == SKF_AD_OFF + SKF_AD_PROTOCOL) {
		*value = frame->protocol;
		return true;
	}
	if ((int32_t)at < 0) {
		assert_in_range((int32_t)at - SKF_NET_OFF, 0, 4096);
		at += frame->net - (uint32_t)SKF_NET_OFF;
	}
	if (at > frame->length || frame->length - at < n)
		return false;
	*value = 0;
	for (uint32_t i = 0; i < n; i++)
		*value = *value << 8 | frame->bytes[at + i];
	return true;
}

static uint32_t
compute(uint16_t operation, uint32_t a, uint32_t operand)
{
	switch (operation) {
	case BPF_ADD:
		return a + operand;
	case BPF_SUB:
		return a - operand;
	case BPF_MUL:
		return a * operand;
	case BPF_AND:
		return a & operand;
	case BPF_XOR:
		return a ^ operand;
	case BPF_LSH:
		return a << operand;
	case BPF_RSH:
		return a >> operand;
	default:
		fail_msg("operation %x", operation);
		return 0;
	}
}

static bool
holds(uint16_t comparison, uint32_t a, uint32_t operand)
{
	switch (comparison) {
	case BPF_JEQ:
		return a == operand;
	case BPF_JGE:
		return a >= operand;
	case BPF_JSET:
		return (a & operand) != 0;
	default:
		fail_msg("comparison %x", comparison);
		return false;
	}
}

uint32_t
classic_bpf_run(
	const struct sock_filter *program, uint32_t n, const struct classic_bpf_frame *frame)
{
	uint32_t a = 0, x = 0, memory[BPF_MEMWORDS];

	for (uint32_t at = 0; at < n; at++) {
		const struct sock_filter *step = &program[at];
		uint32_t operand = (step->code & BPF_X) != 0 ? x : step->k;

		switch (step->code) {
		case BPF_LD | BPF_IMM:
			a = step->k;
			break;
		case BPF_LD | BPF_MEM:
			a = memory[step->k];
			break;
		case BPF_LD | BPF_W | BPF_LEN:
			a = frame->length;
			break;
		case BPF_LDX | BPF_MEM:
			x = memory[step->k];
			break;
		case BPF_ST:
			memory[step->k] = a;
			break;
		case BPF_LD | BPF_ABS | BPF_W:
		case BPF_LD | BPF_ABS | BPF_H:
		case BPF_LD | BPF_ABS | BPF_B:
			if (!load(frame, step->k, BPF_SIZE(step->code), &a))
				return 0;
			break;
		case BPF_LD | BPF_IND | BPF_W:
		case BPF_LD | BPF_IND | BPF_H:
		case BPF_LD | BPF_IND | BPF_B:
			if (!load(frame, x + step->k, BPF_SIZE(step->code), &a))
				return 0;
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_MISC | BPF_TXA:
			a = x;
			break;
		case BPF_JMP | BPF_JA:
			at += step->k;
			break;
		case BPF_RET | BPF_A:
			return a;
		case BPF_RET | BPF_K:
			return step->k;
		default:
			if (BPF_CLASS(step->code) == BPF_JMP) {
				at += holds(BPF_OP(step->code), a, operand) ? step->jt : step->jf;
				break;
			}
			assert_int_equal(BPF_CLASS(step->code), BPF_ALU);
			a = compute(BPF_OP(step->code), a, operand);
		}
	}
	fail_msg("the program has no end");
	return 0;
}
