/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry/sl_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static uint32_t
take_many(struct sl_event_limit *limit, uint64_t now_ns, uint32_t n)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < n; i++)
		taken += sl_event_limit_take(limit, now_ns);
	return taken;
}

static void
test_limit_burst_then_rate(void **state)
{
	struct sl_event_limit limit;

	(void)state;
	sl_event_limit_init(&limit, 100, 10);
	assert_int_equal(take_many(&limit, 5 * SECOND, 50), 10);
	assert_int_equal(take_many(&limit, 5 * SECOND + SECOND / 20, 50), 5);
	assert_int_equal(take_many(&limit, 5 * SECOND + SECOND / 20 + 9999999, 50), 0);
	assert_int_equal(take_many(&limit, 5 * SECOND + SECOND / 20 + 10000000, 50), 1);
	/* However long it was quiet, the burst is the most that can come at once. */
	assert_int_equal(take_many(&limit, 5000000 * SECOND, 50), 10);
}

static void
test_limit_zero_rate_is_none(void **state)
{
	struct sl_event_limit limit;

	(void)state;
	sl_event_limit_init(&limit, 0, 1);
	assert_int_equal(take_many(&limit, 1, 1000), 1000);
}

static void
test_limit_extremes(void **state)
{
	struct sl_event_limit limit;

	(void)state;
	sl_event_limit_init(&limit, 1, 0);
	assert_int_equal(take_many(&limit, SECOND, 10), 1);
	sl_event_limit_init(&limit, 1, UINT64_MAX);
	assert_int_equal(take_many(&limit, UINT64_MAX, 10), 10);
	sl_event_limit_init(&limit, UINT64_MAX, 1);
	assert_int_equal(take_many(&limit, 1, 10), 10);
}

static void
test_limit_clock_steps_back(void **state)
{
	struct sl_event_limit limit;

	(void)state;
	sl_event_limit_init(&limit, 10, 2);
	assert_int_equal(take_many(&limit, 100 * SECOND, 5), 2);
	assert_int_equal(take_many(&limit, 50 * SECOND, 5), 0);
	assert_int_equal(take_many(&limit, 50 * SECOND + SECOND / 10, 5), 1);
}

static void
test_type_names(void **state)
{
	(void)state;
	assert_string_equal(sl_event_type_name(SL_EVENT_CLASSIFY_DROP), "classify_drop");
	assert_string_equal(sl_event_type_name(SL_EVENT_CLASSIFY_ALLOW), "classify_allow");
	assert_string_equal(sl_event_type_name(SL_EVENT_TYPE_COUNT), "unknown");
}

static void
test_from_meta_v4(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	static const uint8_t source[4] = {192, 0, 2, 1};
	struct sl_meta meta = {0};
	struct sl_event event;

	(void)state;
	memset(&event, 0xaa, sizeof(event));
	meta.present = SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST) | SL_PRESENT(PROTOCOL) |
		SL_PRESENT(SRC_PORT) | SL_PRESENT(DST_PORT) | SL_PRESENT(TCP_FLAGS) |
		SL_PRESENT(MAC_SRC) | SL_PRESENT(MAC_DST) | SL_PRESENT(ETHER_TYPE) |
		SL_PRESENT(VLAN_TCI);
	meta.ip4_src = 0xc0000201;
	meta.ip4_dst = 0xc6336401;
	meta.protocol = 6;
	meta.src_port = 1234;
	meta.dst_port = 80;
	meta.tcp_flags = 2;
	memcpy(meta.mac_src, mac, sizeof(mac));
	meta.ether_type = 0x800;
	meta.vlan_tci = 0x2064;
	meta.frame_len = 64;
	meta.direction = SLUICE_DIRECTION_INBOUND;
	meta.meta_flags = SL_META_IS_FRAGMENT;
	sl_event_from_meta(&event, &meta);
	assert_int_equal(event.ip_version, 4);
	assert_memory_equal(event.ip_src, source, sizeof(source));
	assert_int_equal(event.protocol, 6);
	assert_int_equal(event.has_ports, 1);
	assert_int_equal(event.src_port, 1234);
	assert_int_equal(event.dst_port, 80);
	assert_int_equal(event.tcp_flags, 2);
	assert_int_equal(event.has_macs, 1);
	assert_memory_equal(event.mac_src, mac, sizeof(mac));
	assert_int_equal(event.ether_type, 0x800);
	assert_int_equal(event.vlan_tci, 0x2064);
	assert_int_equal(event.frame_len, 64);
	assert_int_equal(event.direction, SLUICE_DIRECTION_INBOUND);
	assert_int_equal(event.is_fragment, 1);
	assert_int_equal(event.filter_id, 0);
	assert_int_equal(event.n_decisions, 0);
}

/* Bytes left over in slots that are not present do not leak into events. */
static void
test_from_meta_empty(void **state)
{
	struct sl_meta meta;
	struct sl_event event;

	(void)state;
	memset(&meta, 0x55, sizeof(meta));
	meta.present = 0;
	meta.direction = SLUICE_DIRECTION_OUTBOUND;
	sl_event_from_meta(&event, &meta);
	assert_int_equal(event.ip_version, 0);
	assert_int_equal(event.ip_src[0], 0);
	assert_int_equal(event.has_ports, 0);
	assert_int_equal(event.src_port, 0);
	assert_int_equal(event.has_macs, 0);
	assert_int_equal(event.ether_type, 0);
	assert_int_equal(event.has_vlan, 0);
	assert_int_equal(event.has_tcp_flags, 0);
}

static void
test_from_meta_v6(void **state)
{
	struct sl_meta meta = {0};
	struct sl_event event;

	(void)state;
	meta.present = SL_PRESENT(IP6_SRC) | SL_PRESENT(IP6_DST);
	meta.ip6_src[0] = 0x20;
	meta.ip6_dst[15] = 1;
	sl_event_from_meta(&event, &meta);
	assert_int_equal(event.ip_version, 6);
	assert_memory_equal(event.ip_src, meta.ip6_src, 16);
	assert_memory_equal(event.ip_dst, meta.ip6_dst, 16);
}

/* The reason belongs to visits of layers that show it; the flow to the packet. */
static void
test_from_meta_flow(void **state)
{
	struct sl_meta meta = {0};
	struct sl_event event;

	(void)state;
	meta.flow.id = 77;
	meta.flow.reauthorize_reason = SLUICE_REAUTHORIZE_POLICY_CHANGE;
	sl_event_from_meta(&event, &meta);
	assert_int_equal(event.flow_id, 77);
	assert_int_equal(event.reauthorize_reason, 0);
	meta.present = SL_PRESENT(REAUTHORIZE_REASON);
	sl_event_from_meta(&event, &meta);
	assert_int_equal(event.reauthorize_reason, SLUICE_REAUTHORIZE_POLICY_CHANGE);
}

static void
test_events_of_flows(void **state)
{
	static const enum sl_event_type of_flows[] = {
		SL_EVENT_FLOW_NEW, SL_EVENT_FLOW_ESTABLISHED, SL_EVENT_FLOW_CLOSED};
	struct sl_event event = {.time_ns = 5 * SECOND, .flow_since_ns = 3 * SECOND};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(of_flows); i++) {
		event.type = (uint8_t)of_flows[i];
		assert_true(sl_event_is_of_flow(&event));
	}
	event.type = SL_EVENT_CLASSIFY_DROP;
	assert_false(sl_event_is_of_flow(&event));
	assert_int_equal(sl_event_duration_ms(&event), 2000);
	event.flow_since_ns = event.time_ns + 1;
	assert_int_equal(sl_event_duration_ms(&event), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_burst_then_rate),
		cmocka_unit_test(test_limit_zero_rate_is_none),
		cmocka_unit_test(test_limit_extremes),
		cmocka_unit_test(test_limit_clock_steps_back),
		cmocka_unit_test(test_type_names),
		cmocka_unit_test(test_from_meta_v4),
		cmocka_unit_test(test_from_meta_empty),
		cmocka_unit_test(test_from_meta_v6),
		cmocka_unit_test(test_from_meta_flow),
		cmocka_unit_test(test_events_of_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
