/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments with a wrong checksum: no receiver takes them, so they change nothing where state is enforced. */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PSH         0x08u
#define CHECKSUM_AT (14 + 20 + 16)

static const struct shape web = {.protocol = 6,
	.local_port = 40000,
	.remote_port = 80,
	.seq = 1001,
	.ack = 5001,
	.flags = ACK};

static void
init(struct fixture *fixture, enum sl_flow_tcp_checksum checksum, enum sl_flow_enforce enforce,
	enum sl_flow_tcp tcp)
{
	struct sl_flow_config config;

	flow_config(&config);
	config.tcp_checksum = checksum;
	config.enforce = enforce;
	config.tcp = tcp;
	fixture_init_flows(fixture, SL_ENGINE_CHECK, 0, &config);
}

/* Sends a segment whose checksum is wrong by one bit; `flags` are what the device says of it. */
static enum sl_reason
send_corrupt(struct fixture *fixture, const struct shape *shape, uint32_t flags)
{
	struct sl_outcome outcome;
	struct packet packet;

	shape_build(&packet, shape);
	packet.bytes[CHECKSUM_AT] ^= 0x40;
	packet.frame.flags = flags;
	fixture_run(fixture, shape->is_inbound ? PATH_IN : PATH_OUT, &packet.frame, 1, &outcome);
	return outcome.reason;
}

/* The next segment of an end of the connection. */
static struct shape
segment(bool is_inbound, uint8_t flags, uint16_t payload)
{
	struct shape shape = web;

	shape.is_inbound = is_inbound;
	shape.seq = is_inbound ? web.ack : web.seq;
	shape.ack = is_inbound ? web.seq : web.ack;
	shape.flags = flags;
	shape.payload = payload;
	return shape;
}

/* Nothing of the flow has changed since `before`. */
static void
expect_same(const struct fixture *fixture, const struct sl_flow_view *before)
{
	struct sl_flow_view now;

	flow_only(fixture, &now);
	assert_int_equal(now.class, before->class);
	assert_int_equal(now.flags, before->flags);
	assert_int_equal(now.tcp_state, before->tcp_state);
	assert_memory_equal(now.packets, before->packets, sizeof(now.packets));
}

/* What would end, reopen or close the connection, from either side. */
static void
live_connections_stay(void **state)
{
	static const uint8_t flags[] = {RST, RST | ACK, FIN | ACK, FIN | PSH | ACK, SYN, SYN | ACK};
	struct sl_flow_view before;
	struct fixture fixture;
	struct shape shape;

	(void)state;
	init(&fixture, SL_FLOW_CHECKSUM_CONTROL, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	flow_only(&fixture, &before);
	for (uint32_t i = 0; i < 2 * SL_ARRAY_LEN(flags); i++) {
		shape = segment(i % 2 == 0, flags[i / 2], i % 3 == 0 ? 9 : 0);
		assert_int_equal(send_corrupt(&fixture, &shape, 0), SL_REASON_TCP_BAD_CHECKSUM);
		expect_same(&fixture, &before);
	}
	assert_int_equal(
		fixture.counters->reasons[SL_REASON_TCP_BAD_CHECKSUM], 2 * SL_ARRAY_LEN(flags));
	/* The same with right checksums. */
	shape = segment(true, RST, 0);
	assert_int_equal(shape_send(&fixture, &shape), SL_REASON_NONE);
	flow_only(&fixture, &before);
	assert_int_equal(before.class, SL_FLOW_TCP_RST);
	fixture_fini(&fixture);
}

/* Of data the sum is not asked for, unless of all. */
static void
data_is_asked_for_on_demand(void **state)
{
	const struct shape data = segment(false, PSH | ACK, 100);
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_CHECKSUM_CONTROL, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	assert_int_equal(send_corrupt(&fixture, &data, 0), SL_REASON_NONE);
	fixture_fini(&fixture);
	init(&fixture, SL_FLOW_CHECKSUM_ALL, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(send_corrupt(&fixture, &data, 0), SL_REASON_TCP_BAD_CHECKSUM);
	assert_int_equal(shape_send(&fixture, &data), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* Nor is a connection begun, whatever begins it. */
static void
first_segments_open_nothing(void **state)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK};
	struct fixture fixture;
	struct shape shape;

	(void)state;
	init(&fixture, SL_FLOW_CHECKSUM_CONTROL, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	for (uint32_t i = 0; i < SL_ARRAY_LEN(flags); i++) {
		shape = segment(false, flags[i], 0);
		assert_int_equal(send_corrupt(&fixture, &shape, 0), SL_REASON_TCP_BAD_CHECKSUM);
		assert_int_equal(flows_live(&fixture), 0);
	}
	shape = segment(false, ACK, 0);
	assert_int_equal(shape_send(&fixture, &shape), SL_REASON_NONE);
	assert_int_equal(flows_live(&fixture), 1);
	fixture_fini(&fixture);
}

/* The place of a revoked connection is not cleared by a SYN that nobody takes. */
static void
revoked_connections_stay(void **state)
{
	struct shape syn = segment(false, SYN, 0);
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_CHECKSUM_CONTROL, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FILTER);
	fixture_remove(&fixture, "no");
	fixture_commit(&fixture);
	assert_int_equal(send_corrupt(&fixture, &syn, 0), SL_REASON_TCP_BAD_CHECKSUM);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FLOW_REVOKED);
	assert_int_equal(shape_send(&fixture, &syn), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* Passes, and ends the connection, as it did without a look at checksums. */
static void
check_unasked(enum sl_flow_tcp_checksum checksum, enum sl_flow_enforce enforce,
	enum sl_flow_tcp tcp, uint32_t flags)
{
	const struct shape rst = segment(true, RST, 0);
	struct sl_flow_view view;
	struct fixture fixture;

	init(&fixture, checksum, enforce, tcp);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	assert_int_equal(send_corrupt(&fixture, &rst, flags), SL_REASON_NONE);
	flow_only(&fixture, &view);
	assert_int_equal(view.class, SL_FLOW_TCP_RST);
	fixture_fini(&fixture);
}

static void
where_nobody_asks(void **state)
{
	(void)state;
	check_unasked(SL_FLOW_CHECKSUM_IGNORE, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_STRICT, 0);
	check_unasked(SL_FLOW_CHECKSUM_ALL, SL_FLOW_ENFORCE_NEVER, SL_FLOW_TCP_STRICT, 0);
	check_unasked(SL_FLOW_CHECKSUM_ALL, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_LOOSE, 0);
	/* The device knows: the sum is made later, or was right. */
	check_unasked(SL_FLOW_CHECKSUM_CONTROL, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_TCP_STRICT,
		SL_FRAME_CHECKED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_connections_stay),
		cmocka_unit_test(data_is_asked_for_on_demand),
		cmocka_unit_test(first_segments_open_nothing),
		cmocka_unit_test(revoked_connections_stay),
		cmocka_unit_test(where_nobody_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
