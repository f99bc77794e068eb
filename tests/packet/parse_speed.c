/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nanoseconds a packet, by kind: batches of 32 packets that stay in the cache, best of several rounds.
 * Run with `meson test --benchmark`.
 */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BATCH   32u
#define BATCHES 20000u
#define ROUNDS  7

struct load {
	uint8_t bytes[BATCH][4096];
	struct sl_frame frames[BATCH];
	struct sl_meta metas[BATCH];
	struct sl_meta *pointers[BATCH];
};

static double
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Packets of one kind that differ in their addresses and ports, as traffic does. */
static void
fill(struct load *load, const char *name)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample(name, SLUICE_DIRECTION_INBOUND, &meta);
	uint32_t len = SL_MAX(build->len, 60); /* without FCS: the shortest on a wire */

	for (uint32_t i = 0; i < BATCH; i++) {
		uint8_t *bytes = load->bytes[i];

		memcpy(bytes, build->bytes, build->len);
		memset(bytes + build->len, 0, len - build->len);
		if (meta.ip_version == 4) {
			bytes[meta.l3_offset + 15] = (uint8_t)i;
			sl_build_ip4_checksum(bytes + meta.l3_offset);
		}
		load->frames[i] = (struct sl_frame){bytes, len, len, NULL, 0};
		workbench_meta(&load->metas[i], SLUICE_DIRECTION_INBOUND);
		load->pointers[i] = &load->metas[i];
	}
}

static double
measure(struct load *load)
{
	double start = now_ns();

	for (uint32_t i = 0; i < BATCHES; i++) {
		sl_packet_parse(SL_LINK_ETHERNET, load->frames, BATCH, load->pointers);
		__asm__ volatile("" : : "r"(load->metas) : "memory");
	}
	return (now_ns() - start) / BATCHES / BATCH;
}

int
main(void)
{
	static const char *const names[] = {"udp", "tcp", "tcp_timestamps", "tcp_syn_options",
		"tagged", "ip4_all_options", "icmp_echo", "icmp_unreachable", "ip6_plain",
		"tcp_ip6", "ip6_all_extensions", "ip6_chain_of_150", "ip6_longest_extension",
		"arp"};
	static struct load load;

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		double best = 1e9;

		fill(&load, names[i]);
		for (int round = 0; round < ROUNDS; round++)
			best = SL_MIN(best, measure(&load));
		printf("%-24s %8.1f ns\n", names[i], best);
	}
	return 0;
}
