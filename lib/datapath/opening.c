/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/opening.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#define NET(at)      ((uint32_t)(SKF_NET_OFF + (at))) /* from the IP header's first byte on */
#define TCP_FLAGS    13
#define TCP_NEED     14u /* bytes of TCP with its flags */
#define IP4_SIZE     20u
#define IP6_SIZE     40u
#define IP4_FRAGMENT 0x3fffu /* more-fragments flag and offset */
#define SYN          0x02u
#define SYN_AND_ACK  0x12u
#define OUT          0xffu /* a jump to the end, which is not known yet */

struct writer {
	struct sock_filter *program;
	uint32_t n;
};

static void
emit(struct writer *writer, uint16_t code, uint32_t k)
{
	writer->program[writer->n++] = (struct sock_filter){.code = code, .k = k};
}

/* Goes on when the accumulator is so, else by `otherwise`. */
static void
emit_need(struct writer *writer, uint16_t code, uint32_t k, uint8_t otherwise)
{
	writer->program[writer->n++] =
		(struct sock_filter){.code = (uint16_t)(BPF_JMP | code), .jf = otherwise, .k = k};
}

static void
emit_ip4(struct writer *writer)
{
	emit(writer, BPF_LD | BPF_W | BPF_LEN, 0);
	emit_need(writer, BPF_JGE, ETH_HLEN + IP4_SIZE + TCP_NEED, OUT);
	emit(writer, BPF_LD | BPF_B | BPF_ABS, NET(9));
	emit_need(writer, BPF_JEQ, IPPROTO_TCP, OUT);
	emit(writer, BPF_LD | BPF_H | BPF_ABS, NET(6));
	emit(writer, BPF_ALU | BPF_AND | BPF_K, IP4_FRAGMENT);
	emit_need(writer, BPF_JEQ, 0, OUT);
	/* The header's length is in its first byte, in words. */
	emit(writer, BPF_LD | BPF_B | BPF_ABS, NET(0));
	emit(writer, BPF_ALU | BPF_AND | BPF_K, 0xf);
	emit(writer, BPF_ALU | BPF_LSH | BPF_K, 2);
	/* The flags must be there, then the index register is that length. */
	emit(writer, BPF_ALU | BPF_ADD | BPF_K, ETH_HLEN + TCP_NEED);
	emit(writer, BPF_MISC | BPF_TAX, 0);
	emit(writer, BPF_LD | BPF_W | BPF_LEN, 0);
	emit_need(writer, BPF_JGE | BPF_X, 0, OUT);
	emit(writer, BPF_MISC | BPF_TXA, 0);
	emit(writer, BPF_ALU | BPF_SUB | BPF_K, ETH_HLEN + TCP_NEED);
	emit(writer, BPF_MISC | BPF_TAX, 0);
	emit(writer, BPF_LD | BPF_B | BPF_IND, NET(TCP_FLAGS));
}

static void
emit_ip6(struct writer *writer)
{
	emit_need(writer, BPF_JEQ, ETH_P_IPV6, OUT);
	emit(writer, BPF_LD | BPF_W | BPF_LEN, 0);
	emit_need(writer, BPF_JGE, ETH_HLEN + IP6_SIZE + TCP_NEED, OUT);
	emit(writer, BPF_LD | BPF_B | BPF_ABS, NET(6));
	emit_need(writer, BPF_JEQ, IPPROTO_TCP, OUT);
	emit(writer, BPF_LD | BPF_B | BPF_ABS, NET(IP6_SIZE + TCP_FLAGS));
}

/* A byte that is not there would end the program with "not taken", so lengths are asked first. */
uint32_t
opening_program(bool is_wanted, struct sock_filter program[OPENING_PROGRAM_MAX])
{
	struct writer writer = {.program = program};
	uint32_t to_ip6, to_flags;

	emit(&writer, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
	to_ip6 = writer.n;
	emit_need(&writer, BPF_JEQ, ETH_P_IP, 0);
	emit_ip4(&writer);
	to_flags = writer.n;
	emit(&writer, BPF_JMP | BPF_JA, 0);
	program[to_ip6].jf = (uint8_t)(writer.n - to_ip6 - 1);
	emit_ip6(&writer);
	program[to_flags].k = writer.n - to_flags - 1;
	emit(&writer, BPF_ALU | BPF_AND | BPF_K, SYN_AND_ACK);
	emit_need(&writer, BPF_JEQ, SYN, OUT);
	emit(&writer, BPF_RET | BPF_K, is_wanted ? UINT32_MAX : 0);
	for (uint32_t i = 0; i < writer.n; i++) {
		if (BPF_CLASS(program[i].code) == BPF_JMP && program[i].jf == OUT)
			program[i].jf = (uint8_t)(writer.n - i - 1);
	}
	emit(&writer, BPF_RET | BPF_K, is_wanted ? 0 : UINT32_MAX);
	return writer.n;
}
