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
check_type(const char *sample, uint16_t type, uint16_t code)
{
	struct sl_meta meta;

	for (int direction = 0; direction < 2; direction++) {
		workbench_sample(sample, direction, &meta);
		assert_int_equal(meta.icmp_type, type);
		assert_int_equal(meta.icmp_code, code);
		/* Whichever way: the type is the local port, the code the remote one. */
		assert_int_equal(meta.local_port, type);
		assert_int_equal(meta.remote_port, code);
		assert_int_equal(meta.src_port, type);
		assert_int_equal(meta.dst_port, code);
		assert_true(sl_meta_has(&meta, SL_SLOT_LOCAL_PORT));
	}
}

static void
test_type_and_code(void **state)
{
	(void)state;
	check_type("icmp_echo", 8, 0);
	check_type("icmp_unreachable", 3, 3);
	check_type("icmp6_echo", 129, 0);
	check_type("icmp6_neighbour_solicitation", 135, 0);
}

static void
test_echo(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("icmp_echo", IN, &meta);
	assert_int_equal(meta.icmp_id, 0x1234);
	assert_int_equal(meta.icmp_sequence, 7);
	assert_int_equal(meta.payload_len, 56);
	assert_false(meta.meta_flags & SL_META_IS_ICMP_ERROR);
	workbench_sample("icmp6_echo", IN, &meta);
	assert_int_equal(meta.icmp_id, 0x1234);
	assert_int_equal(meta.icmp_sequence, 7);
	workbench_sample("icmp6_neighbour_solicitation", IN, &meta);
	assert_int_equal(meta.icmp_id, 0);
	assert_false(meta.meta_flags & SL_META_IS_ICMP_ERROR);
}

static void
test_foreign_version(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("icmp6_in_ip4", IN, &meta);
	assert_int_equal(meta.protocol, 58);
	assert_false(sl_meta_has(&meta, SL_SLOT_ICMP_TYPE));
	assert_false(sl_meta_has(&meta, SL_SLOT_LOCAL_PORT));
}

/* The datagram inside went from 198.51.100.2 port 4000 to 8.8.8.8 port 53. */
static void
test_embedded_in_an_inbound_error(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("icmp_unreachable", IN, &meta);
	assert_true(meta.meta_flags & SL_META_IS_ICMP_ERROR);
	assert_int_equal(meta.emb_protocol, 17);
	assert_int_equal(meta.emb_ip4_remote, 0x08080808);
	assert_int_equal(meta.emb_local_address_type, SLUICE_NL_UNICAST);
	assert_int_equal(meta.emb_local_port, 4000);
	assert_int_equal(meta.emb_remote_port, 53);
	assert_true(sl_meta_has(&meta, SL_SLOT_EMB_LOCAL_PORT));
}

static void
test_embedded_in_an_outbound_error(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("icmp_time_exceeded_whole", OUT, &meta);
	assert_int_equal(meta.emb_ip4_remote, SAMPLE_DST4);
	assert_int_equal(meta.emb_local_port, 53);
	assert_int_equal(meta.emb_remote_port, 4000);
}

static void
test_embedded_that_is_not_all_there(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("icmp_redirect_short", IN, &meta); /* 3 bytes of UDP */
	assert_int_equal(meta.emb_ip4_remote, 0x08080808);
	assert_true(sl_meta_has(&meta, SL_SLOT_EMB_PROTOCOL));
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_LOCAL_PORT));

	workbench_sample("icmp_quench_empty", IN, &meta);
	assert_true(meta.meta_flags & SL_META_IS_ICMP_ERROR);
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_PROTOCOL));
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_IP4_REMOTE));

	workbench_sample("icmp_problem_spoilt", IN, &meta); /* version 9 */
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_PROTOCOL));
}

static void
test_embedded_ip6(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("icmp6_too_big", IN, &meta);
	assert_true(meta.meta_flags & SL_META_IS_ICMP_ERROR);
	assert_memory_equal(meta.emb_ip6_remote, sample_ip6[0], 16);
	assert_int_equal(meta.emb_protocol, 6); /* behind its extension headers */
	assert_int_equal(meta.emb_local_port, 4000);
	assert_int_equal(meta.emb_remote_port, 80);

	workbench_sample("icmp6_unreachable_chain_cut", OUT, &meta);
	assert_memory_equal(meta.emb_ip6_remote, sample_ip6[1], 16);
	assert_true(sl_meta_has(&meta, SL_SLOT_EMB_LOCAL_ADDRESS_TYPE));
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_PROTOCOL));

	workbench_sample("icmp6_problem_header_cut", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_IP6_REMOTE));
}

/* A later fragment in an error has no ports, and an embedded echo has its type and code there. */
static void
test_embedded_kinds(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("icmp_time_exceeded_whole", IN, &meta);
	uint8_t *embedded = build->bytes + 34 + 8;

	(void)state;
	embedded[9] = 1;
	workbench_parse_build(SL_LINK_ETHERNET, build, &meta);
	assert_int_equal(meta.emb_local_port, 4000 >> 8);
	assert_int_equal(meta.emb_remote_port, 4000 & 0xff);
	embedded[9] = 47;
	workbench_parse_build(SL_LINK_ETHERNET, build, &meta);
	assert_int_equal(meta.emb_protocol, 47);
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_LOCAL_PORT));
	embedded[9] = 17;
	embedded[7] = 1;
	workbench_parse_build(SL_LINK_ETHERNET, build, &meta);
	assert_int_equal(meta.emb_protocol, 17);
	assert_false(sl_meta_has(&meta, SL_SLOT_EMB_LOCAL_PORT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_type_and_code),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_foreign_version),
		cmocka_unit_test(test_embedded_in_an_inbound_error),
		cmocka_unit_test(test_embedded_in_an_outbound_error),
		cmocka_unit_test(test_embedded_that_is_not_all_there),
		cmocka_unit_test(test_embedded_ip6),
		cmocka_unit_test(test_embedded_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
