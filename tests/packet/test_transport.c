/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IN  SLUICE_DIRECTION_INBOUND
#define OUT SLUICE_DIRECTION_OUTBOUND

static void
test_local_is_the_inside(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("tcp", IN, &meta);
	assert_int_equal(meta.src_port, 1000);
	assert_int_equal(meta.dst_port, 80);
	assert_int_equal(meta.local_port, 80);
	assert_int_equal(meta.remote_port, 1000);
	workbench_sample("tcp", OUT, &meta);
	assert_int_equal(meta.src_port, 1000);
	assert_int_equal(meta.dst_port, 80);
	assert_int_equal(meta.local_port, 1000);
	assert_int_equal(meta.remote_port, 80);
}

static void
test_tcp(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("tcp", IN, &meta);
	assert_int_equal(meta.protocol, 6);
	assert_int_equal(meta.tcp_flags, 0x18);
	assert_int_equal(meta.l4_len, 20);
	assert_int_equal(meta.payload_offset, 54);
	assert_int_equal(meta.payload_len, 10);
	workbench_sample("tcp_syn_options", IN, &meta);
	assert_int_equal(meta.l4_len, 40);
	assert_int_equal(meta.payload_len, 3);
	workbench_sample("tcp_ip6", IN, &meta);
	assert_int_equal(meta.l4_len, 24);
	assert_int_equal(meta.tcp_flags, 2);
	workbench_sample("udp", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_TCP_FLAGS));
}

static void
test_tcp_faults_keep_ports(void **state)
{
	static const char *const names[] = {
		"tcp_data_offset_4", "tcp_data_offset_15", "tcp_option_of_0"};
	struct sl_meta meta;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		workbench_sample(names[i], IN, &meta);
		assert_true(sl_meta_has(&meta, SL_SLOT_TCP_FLAGS));
		assert_int_equal(meta.dst_port, 80);
	}
	workbench_sample("tcp_cut", IN, &meta);
	assert_int_equal(meta.dst_port, 80);
	assert_int_equal(meta.tcp_flags, 0x18);
	workbench_sample("ip4_fragment_tiny", IN, &meta);
	assert_true(sl_meta_has(&meta, SL_SLOT_DST_PORT));
	workbench_sample("sctp_cut", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_DST_PORT));
}

static void
test_payload_beyond_contiguous_bytes(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("tcp_jumbo_frame", IN, &meta);

	(void)state;
	assert_int_equal(meta.payload_len, 8960);
	/* Only the headers need to be contiguous. */
	assert_null(workbench_parse(SL_LINK_ETHERNET, IN, build->bytes, 54, build->len, &meta));
	assert_int_equal(meta.reason, SL_REASON_NONE);
	assert_int_equal(meta.payload_len, 8960);
	assert_null(workbench_parse(SL_LINK_ETHERNET, IN, build->bytes, 53, build->len, &meta));
	assert_int_equal(meta.reason, SL_REASON_HEADER_BEYOND_WINDOW);
	assert_int_equal(meta.protocol, 6);
}

static void
test_udp_length_ends_payload(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("udp", IN, &meta);
	assert_int_equal(meta.payload_len, 10);
	workbench_sample("udp_length_inner", IN, &meta);
	assert_int_equal(meta.payload_len, 4);
	workbench_sample("udp_length_0", IN, &meta);
	assert_int_equal(meta.dst_port, 53);
}

static void
test_sctp(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("sctp", IN, &meta);
	assert_int_equal(meta.src_port, 38412);
	assert_int_equal(meta.l4_len, 12);
	assert_int_equal(meta.payload_len, 20);
	assert_false(sl_meta_has(&meta, SL_SLOT_TCP_FLAGS));
}

static void
test_tunnels_are_marked(void **state)
{
	static const char *const tunnels[] = {
		"udp_vxlan", "udp_geneve", "gre", "gre_pptp", "ip_in_ip", "ip6_in_ip"};
	struct sl_meta meta;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(tunnels); i++) {
		workbench_sample(tunnels[i], IN, &meta);
		assert_true(meta.meta_flags & SL_META_IS_TUNNEL);
	}
	assert_int_equal(meta.protocol, 41);
	assert_int_equal(meta.ip_version, 4); /* the outer header is what is described */
	workbench_sample("udp", IN, &meta);
	assert_false(meta.meta_flags & SL_META_IS_TUNNEL);
	workbench_sample("gre_all_members", IN, &meta);
	assert_int_equal(meta.l4_len, 16);
	assert_int_equal(meta.payload_len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local_is_the_inside),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_tcp_faults_keep_ports),
		cmocka_unit_test(test_payload_beyond_contiguous_bytes),
		cmocka_unit_test(test_udp_length_ends_payload),
		cmocka_unit_test(test_sctp),
		cmocka_unit_test(test_tunnels_are_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
