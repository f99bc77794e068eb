/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/steer.h"

#include "datapath/steer_mix.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stddef.h>

/* Cells of the program's memory. */
enum cell {
	CELL_L3,   /* where the IP header begins */
	CELL_HASH, /* so far */
	CELL_WORD,
	CELL_TYPE
};

#define VLAN_TYPE_OLD 0x9100u /* of stacked tags before IEEE 802.1ad */
#define TAG_BYTES     4u
#define IP4_FRAGMENT  0x3fffu /* more-fragments flag and offset */
#define IP6_HEADER    40u

struct writer {
	struct sock_filter *program;
	uint32_t n;
};

static void
emit(struct writer *writer, uint16_t code, uint32_t k)
{
	writer->program[writer->n++] = (struct sock_filter){.code = code, .k = k};
}

/* Goes `then` or `otherwise` instructions on, besides the next. */
static void
emit_if(struct writer *writer, uint16_t code, uint32_t k, uint8_t then, uint8_t otherwise)
{
	writer->program[writer->n++] = (struct sock_filter){
		.code = (uint16_t)(BPF_JMP | code), .jt = then, .jf = otherwise, .k = k};
}

/* A jump whose way is not known yet; returns its place. */
static uint32_t
emit_jump(struct writer *writer)
{
	emit(writer, BPF_JMP | BPF_JA, 0);
	return writer->n - 1;
}

/* That jump goes to the next instruction to be written. */
static void
land(struct writer *writer, uint32_t jump)
{
	writer->program[jump].k = writer->n - jump - 1;
}

/* Accumulator = number at `at` behind the IP header's start, which is put into the index register. */
static void
emit_load(struct writer *writer, uint16_t size, uint32_t at)
{
	emit(writer, BPF_LDX | BPF_MEM, CELL_L3);
	emit(writer, (uint16_t)(BPF_LD | BPF_IND | size), at);
}

/* Mixes the accumulator into the hash, as steer_mix does. */
static void
emit_mix(struct writer *writer)
{
	emit(writer, BPF_LDX | BPF_MEM, CELL_HASH);
	emit(writer, BPF_ALU | BPF_XOR | BPF_X, 0);
	emit(writer, BPF_ALU | BPF_MUL | BPF_K, STEER_FACTOR);
	emit(writer, BPF_MISC | BPF_TAX, 0);
	emit(writer, BPF_ALU | BPF_RSH | BPF_K, STEER_SHIFT);
	emit(writer, BPF_ALU | BPF_XOR | BPF_X, 0);
	emit(writer, BPF_ST, CELL_HASH);
}

/* Mixes the sum of two numbers behind the IP header's start, of both ends. */
static void
emit_mix_pair(struct writer *writer, uint16_t size, uint32_t one, uint32_t other)
{
	emit_load(writer, size, one);
	emit(writer, BPF_ST, CELL_WORD);
	emit_load(writer, size, other);
	emit(writer, BPF_LDX | BPF_MEM, CELL_WORD);
	emit(writer, BPF_ALU | BPF_ADD | BPF_X, 0);
	emit_mix(writer);
}

/* Mixes the ports where CELL_L3 now says; ends the program. */
static void
emit_ports_and_end(struct writer *writer)
{
	emit_mix_pair(writer, BPF_H, 0, 2);
	emit(writer, BPF_LD | BPF_MEM, CELL_HASH);
	emit(writer, BPF_RET | BPF_A, 0);
}

/* Ends the program when the accumulator is no protocol with ports. */
static void
emit_end_without_ports(struct writer *writer)
{
	emit_if(writer, BPF_JEQ | BPF_K, IPPROTO_TCP, 4, 0);
	emit_if(writer, BPF_JEQ | BPF_K, IPPROTO_UDP, 3, 0);
	emit_if(writer, BPF_JEQ | BPF_K, IPPROTO_SCTP, 2, 0);
	emit(writer, BPF_LD | BPF_MEM, CELL_HASH);
	emit(writer, BPF_RET | BPF_A, 0);
}

/* Passes tags: the kernel takes the outermost off, others are in front of the IP header. */
static void
emit_tags(struct writer *writer)
{
	uint32_t exits[SL_PACKET_VLANS_MAX];

	emit(writer, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
	emit(writer, BPF_ST, CELL_TYPE);
	for (uint32_t i = 0; i < SL_PACKET_VLANS_MAX; i++) {
		emit_if(writer, BPF_JEQ | BPF_K, ETH_P_8021Q, 3, 0);
		emit_if(writer, BPF_JEQ | BPF_K, ETH_P_8021AD, 2, 0);
		emit_if(writer, BPF_JEQ | BPF_K, VLAN_TYPE_OLD, 1, 0);
		exits[i] = emit_jump(writer);
		emit_load(writer, BPF_H, 2);
		emit(writer, BPF_ST, CELL_TYPE);
		emit(writer, BPF_MISC | BPF_TXA, 0);
		emit(writer, BPF_ALU | BPF_ADD | BPF_K, TAG_BYTES);
		emit(writer, BPF_ST, CELL_L3);
		emit(writer, BPF_LD | BPF_MEM, CELL_TYPE);
	}
	for (uint32_t i = 0; i < SL_PACKET_VLANS_MAX; i++)
		land(writer, exits[i]);
}

static void
emit_ip4(struct writer *writer)
{
	emit_mix_pair(writer, BPF_W, 12, 16);
	emit_load(writer, BPF_H, 6);
	emit_if(writer, BPF_JSET | BPF_K, IP4_FRAGMENT, 0, 2);
	emit(writer, BPF_LD | BPF_MEM, CELL_HASH);
	emit(writer, BPF_RET | BPF_A, 0);
	emit_load(writer, BPF_B, 9);
	emit_end_without_ports(writer);
	/* The header's length is in its first byte, in words. */
	emit_load(writer, BPF_B, 0);
	emit(writer, BPF_ALU | BPF_AND | BPF_K, 0xf);
	emit(writer, BPF_ALU | BPF_LSH | BPF_K, 2);
	emit(writer, BPF_ALU | BPF_ADD | BPF_X, 0);
	emit(writer, BPF_ST, CELL_L3);
	emit_ports_and_end(writer);
}

static void
emit_ip6(struct writer *writer)
{
	for (uint32_t at = 8; at < 24; at += 4)
		emit_mix_pair(writer, BPF_W, at, at + 16);
	emit_load(writer, BPF_B, 6);
	emit_end_without_ports(writer);
	emit(writer, BPF_LD | BPF_MEM, CELL_L3);
	emit(writer, BPF_ALU | BPF_ADD | BPF_K, IP6_HEADER);
	emit(writer, BPF_ST, CELL_L3);
	emit_ports_and_end(writer);
}

uint32_t
steer_program(struct sock_filter program[STEER_PROGRAM_MAX])
{
	struct writer writer = {.program = program};
	uint32_t to_ip6, to_end;

	/* Memory cells are not zero at the start. */
	emit(&writer, BPF_LD | BPF_IMM, 0);
	emit(&writer, BPF_ST, CELL_L3);
	emit(&writer, BPF_ST, CELL_HASH);
	emit_tags(&writer);
	emit_if(&writer, BPF_JEQ | BPF_K, ETH_P_IP, 3, 0);
	emit_if(&writer, BPF_JEQ | BPF_K, ETH_P_IPV6, 1, 0);
	to_end = emit_jump(&writer);
	to_ip6 = emit_jump(&writer);
	emit_ip4(&writer);
	land(&writer, to_ip6);
	emit_ip6(&writer);
	land(&writer, to_end);
	emit(&writer, BPF_RET | BPF_K, 0);
	return writer.n;
}
