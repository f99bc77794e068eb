/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"
#include "packet/workbench.h"

#include "packet/fast_run.h"
#include "packet/sl_glance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ROUNDS 200000

static bool
is_taken(const char *sample)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample(sample, SLUICE_DIRECTION_INBOUND, &meta);
	struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};

	return sl_parse_fast(&frame, &meta);
}

static void
test_takes_common_packets(void **state)
{
	(void)state;
	assert_true(is_taken("udp"));
	assert_true(is_taken("tcp"));
	assert_true(is_taken("tcp_timestamps"));
	assert_true(is_taken("tcp_syn_options"));
	assert_true(is_taken("tcp_jumbo_frame"));
	assert_true(is_taken("ip4_padded"));
	assert_true(is_taken("udp_vxlan"));
}

static void
test_leaves_all_others(void **state)
{
	static const char *const names[] = {"tagged", "snap_ip", "ip4_all_options",
		"ip4_fragment_first_udp", "ip4_fragment_last", "ip6_plain", "icmp_echo", "sctp"};
	const struct sample *sample;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++)
		assert_false(is_taken(names[i]));
	for (uint32_t i = 0; (sample = sample_get(i)) != NULL; i++)
		if (sample->link == SL_LINK_ETHERNET && sample->reason != SL_REASON_NONE)
			assert_false(is_taken(sample->name));
}

/*
 * Packets one step away from what the path takes: the workbench compares each with the full parser.
 * SLUICE_SEED repeats a run.
 */
static void
test_agrees_with_the_full_parser(void **state)
{
	static const uint8_t interesting[] = {0, 1, 5, 6, 17, 20, 28, 0x40, 0x45, 0x50, 0x80, 0xff};
	static const char *const names[] = {"udp", "tcp", "tcp_timestamps", "ip4_padded"};
	const char *text = getenv("SLUICE_SEED");
	unsigned int seed =
		text != NULL ? (unsigned int)strtoul(text, NULL, 0) : (unsigned int)time(NULL);
	unsigned int first_seed = seed;
	uint32_t n_fast = 0;
	struct sl_meta meta;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const struct sl_build *build =
			workbench_sample(names[i % 4], SLUICE_DIRECTION_OUTBOUND, &meta);
		struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
		uint32_t at = (uint32_t)rand_r(&seed) % SL_MIN(build->len, 70);
		const char *fault;

		build->bytes[at] = rand_r(&seed) % 2
			? (uint8_t)rand_r(&seed)
			: interesting[(size_t)rand_r(&seed) % sizeof(interesting)];
		if (rand_r(&seed) % 2)
			sl_build_ip4_checksum(build->bytes + 14);
		if (rand_r(&seed) % 8 == 0)
			frame.contiguous = (uint32_t)rand_r(&seed) % (build->len + 1);
		n_fast += sl_parse_fast(&frame, &meta);
		fault = workbench_parse(
			SL_LINK_ETHERNET, i % 2, build->bytes, frame.contiguous, build->len, &meta);
		if (fault != NULL)
			fail_msg("SLUICE_SEED=%u, round %d: %s", first_seed, i, fault);
	}
	/* Both ways must have been gone often. */
	assert_in_range(n_fast, ROUNDS / 20, ROUNDS - ROUNDS / 20);
}

static void
compare_glance(const struct sl_glance *glance, const struct sl_meta *meta, const uint8_t *bytes)
{
	assert_int_equal(meta->reason, SL_REASON_NONE);
	assert_int_equal(meta->ip_version, 4);
	assert_int_equal(meta->vlan_n, 0);
	assert_int_equal(meta->meta_flags & (SL_META_IS_FRAGMENT | SL_META_IS_ICMP_ERROR), 0);
	assert_int_equal(meta->l4_offset, SL_GLANCE_L4);
	assert_memory_equal(&glance->src, bytes + 26, 4);
	assert_memory_equal(&glance->dst, bytes + 30, 4);
	assert_int_equal(glance->src_port, meta->src_port);
	assert_int_equal(glance->dst_port, meta->dst_port);
	assert_int_equal(glance->protocol, meta->protocol);
	assert_int_equal(glance->payload_len, meta->payload_len);
	assert_int_equal(glance->is_tcp, meta->protocol == 6);
	assert_int_equal(glance->tcp_flags, meta->protocol == 6 ? meta->tcp_flags : 0);
}

/* What a glance takes, the full parser finds no fault in, and says the same of; what it leaves is named. */
static void
test_glance(void **state)
{
	static const char *const names[] = {"udp", "tcp", "tcp_timestamps", "ip4_padded",
		"ip4_all_options", "tagged", "ip4_fragment_first_udp", "icmp_echo", "ip6_plain"};
	unsigned int seed = 1;
	uint32_t n_taken = 0, n_kin = 0;
	struct sl_meta meta;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const struct sl_build *build = workbench_sample(
			names[(size_t)i % SL_ARRAY_LEN(names)], SLUICE_DIRECTION_INBOUND, &meta);
		struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
		struct sl_meta *metas = &meta;
		struct sl_glance_sets sets;
		struct sl_glance glance;

		if (rand_r(&seed) % 2)
			build->bytes[(uint32_t)rand_r(&seed) % SL_MIN(build->len, 70)] =
				(uint8_t)rand_r(&seed);
		if (rand_r(&seed) % 2)
			sl_build_ip4_checksum(build->bytes + 14);
		if (rand_r(&seed) % 8 == 0)
			frame.contiguous = (uint32_t)rand_r(&seed) % (build->len + 1);
		sl_packet_glance(&frame, 1, &glance, &sets);
		sl_packet_parse(SL_LINK_ETHERNET, &frame, 1, &metas);
		if ((sets.tcp | sets.udp) != 0) {
			compare_glance(&glance, &meta, build->bytes);
			assert_int_equal(sets.tcp, glance.is_tcp);
			assert_int_equal(sets.kin, 0);
			n_taken++;
		} else if (meta.reason == SL_REASON_NONE && meta.ip_version == 4 &&
			meta.vlan_n == 0 && meta.ether_type == 0x0800 &&
			(meta.protocol == 6 || meta.protocol == 17)) {
			assert_int_equal(sets.kin, 1);
			n_kin++;
		}
	}
	assert_true(n_taken > ROUNDS / 10);
	assert_true(n_kin > ROUNDS / 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_common_packets),
		cmocka_unit_test(test_leaves_all_others),
		cmocka_unit_test(test_agrees_with_the_full_parser),
		cmocka_unit_test(test_glance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
