/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets of connections that are ended against their will (`flows.reject`). */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shape web = {.protocol = 6,
	.local_port = 40000,
	.remote_port = 80,
	.seq = 1001,
	.ack = 5001,
	.flags = ACK};

/* A reset as it leaves. */
struct reset {
	uint32_t path;
	bool is_onward;
	uint32_t src;
	uint16_t src_port;
	uint16_t dst_port;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
};

static const struct reset to_outside = {PATH_OUT, true, HOST_IN, 40000, 80, 1001, 5001, RST | ACK};
static const struct reset to_inside = {PATH_IN, true, HOST_OUT, 80, 40000, 5001, 1001, RST | ACK};

static void
start(struct fixture *fixture, bool has_reject)
{
	struct sl_flow_config config;

	flow_config(&config);
	config.reject = has_reject;
	fixture_init_flows(fixture, SL_ENGINE_CHECK, 0, &config);
	fixture_compile(fixture);
}

static uint32_t
be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Reply i, whose IP header is at `l3`. */
static void
expect_at(const struct fixture *fixture, uint32_t i, uint32_t l3, const struct reset *reset)
{
	uint32_t n;
	const struct sl_reply *reply = &sl_pipeline_replies(fixture->pipeline, &n)[i];
	const uint8_t *ip = reply->bytes + l3, *tcp = ip + 20;

	assert_true(i < n);
	assert_int_equal(reply->path, reset->path);
	assert_int_equal(reply->is_onward, reset->is_onward);
	assert_int_equal(reply->length, l3 + 40);
	assert_int_equal(be32(ip + 12), reset->src);
	assert_int_equal(be32(ip + 16), reset->src == HOST_IN ? HOST_OUT : HOST_IN);
	assert_int_equal(tcp[0] << 8 | tcp[1], reset->src_port);
	assert_int_equal(tcp[2] << 8 | tcp[3], reset->dst_port);
	assert_int_equal(be32(tcp + 4), reset->seq);
	assert_int_equal(be32(tcp + 8), reset->ack);
	assert_int_equal(tcp[13], reset->flags);
}

static void
expect(const struct fixture *fixture, uint32_t i, const struct reset *reset)
{
	expect_at(fixture, i, 14, reset);
}

static void
expect_n(const struct fixture *fixture, uint32_t n)
{
	uint32_t got;

	sl_pipeline_replies(fixture->pipeline, &got);
	assert_int_equal(got, n);
}

static void
tick(struct fixture *fixture, enum sl_mode mode)
{
	sl_pipeline_tick(fixture->pipeline, fixture->snapshot, mode, fixture->now_ns);
}

/* Has the one flow there is killed by the next tick. */
static void
kill_only(struct fixture *fixture)
{
	struct sl_flow_command command = {.type = SL_FLOW_COMMAND_KILL};
	struct sl_flow_view view;

	flow_only(fixture, &view);
	command.id = view.id;
	assert_true(sl_ring_put(fixture->commands, &command));
}

static void
killed_connections_are_reset(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, true);
	shape_connect(&fixture, &web);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 2);
	expect(&fixture, 0, &to_outside);
	expect(&fixture, 1, &to_inside);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 0);
	assert_int_equal(fixture.counters->worker.replies_refused, 0);
	fixture_fini(&fixture);
}

/* Data on its way: its receiver expects one of two numbers. */
static void
both_numbers_are_tried(void **state)
{
	struct reset reset = to_outside;
	struct shape data = web;
	struct fixture fixture;

	(void)state;
	start(&fixture, true);
	shape_connect(&fixture, &web);
	data.payload = 100;
	assert_int_equal(shape_send(&fixture, &data), SL_REASON_NONE);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 3);
	expect(&fixture, 0, &reset);
	reset.seq = 1101;
	expect(&fixture, 1, &reset);
	reset = to_inside;
	reset.ack = 1101;
	expect(&fixture, 2, &reset);
	fixture_fini(&fixture);
}

/* An opener waits for what acknowledges its SYN; what its peer would send is known by the SYN alone. */
static void
half_open_connections_are_reset(void **state)
{
	struct reset reset = {PATH_OUT, true, HOST_IN, 40000, 80, 1001, 0, RST};
	struct shape syn = web;
	struct fixture fixture;
	const struct sl_reply *replies;
	struct packet packet;
	uint32_t n;

	(void)state;
	start(&fixture, true);
	syn.flags = SYN;
	syn.seq = 1000;
	syn.ack = 0;
	assert_int_equal(shape_send(&fixture, &syn), SL_REASON_NONE);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 2);
	expect(&fixture, 0, &reset);
	reset = to_inside;
	reset.seq = 0;
	expect(&fixture, 1, &reset);
	/* No packet came from there: addresses are those of an answer. */
	shape_build(&packet, &syn);
	replies = sl_pipeline_replies(fixture.pipeline, &n);
	assert_memory_equal(replies[0].bytes, packet.bytes, 14);
	assert_memory_equal(replies[1].bytes, packet.bytes + 6, 6);
	assert_memory_equal(replies[1].bytes + 6, packet.bytes, 6);
	fixture_fini(&fixture);
}

static void
tags_are_kept(void **state)
{
	struct shape tagged = web;
	struct fixture fixture;
	const struct sl_reply *replies;
	uint32_t n;

	(void)state;
	start(&fixture, true);
	tagged.vlan = 77;
	shape_connect(&fixture, &tagged);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 2);
	expect_at(&fixture, 0, 18, &to_outside);
	expect_at(&fixture, 1, 18, &to_inside);
	replies = sl_pipeline_replies(fixture.pipeline, &n);
	assert_memory_equal(replies[0].bytes + 12, "\x81\x00\x00\x4d\x08\x00", 6);
	fixture_fini(&fixture);
}

static void
callouts_abort_with_resets(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, true);
	shape_connect(&fixture, &web);
	fixture_add_mock(&fixture, STREAM, "abort", "system", SLUICE_ACTION_CALLOUT_UNKNOWN,
		SLUICE_ACTION_CONTINUE | MOCK_ABORT);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	expect_n(&fixture, 2);
	expect(&fixture, 0, &to_outside);
	expect(&fixture, 1, &to_inside);
	fixture_fini(&fixture);
}

static void
the_sweep_resets(void **state)
{
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.reject = true;
	config.reauth = SL_FLOW_REAUTH_SWEEP;
	fixture_init_flows(&fixture, SL_ENGINE_CHECK, 0, &config);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(counted(&fixture)->revoked, 1);
	expect_n(&fixture, 2);
	expect(&fixture, 0, &to_outside);
	expect(&fixture, 1, &to_inside);
	fixture_fini(&fixture);
}

/* Whoever goes on is told by his own number; nobody answers a reset. */
static void
who_goes_on_is_reset(void **state)
{
	const struct reset again = {PATH_OUT, false, HOST_OUT, 80, 40000, 7777, 1101, RST | ACK};
	struct fixture fixture;
	struct shape rest = web;

	(void)state;
	start(&fixture, true);
	shape_connect(&fixture, &web);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	rest.ack = 7777;
	rest.payload = 100;
	assert_int_equal(shape_send(&fixture, &rest), SL_REASON_FLOW_REVOKED);
	expect_n(&fixture, 1);
	expect(&fixture, 0, &again);
	rest.flags = RST;
	assert_int_equal(shape_send(&fixture, &rest), SL_REASON_FLOW_REVOKED);
	expect_n(&fixture, 0);
	fixture_fini(&fixture);
}

/* Without `reject`, in mode monitor, and to conversations without connections nothing is sent. */
static void
others_are_not_reset(void **state)
{
	const struct shape dns = {.local_port = 4000, .remote_port = 53};
	struct fixture fixture;

	(void)state;
	start(&fixture, false);
	shape_connect(&fixture, &web);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 0);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FLOW_REVOKED);
	expect_n(&fixture, 0);
	fixture_fini(&fixture);

	start(&fixture, true);
	shape_connect(&fixture, &web);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_MONITOR);
	expect_n(&fixture, 0);
	assert_int_equal(fixture.counters->worker.replies_suppressed, 2);
	fixture_fini(&fixture);

	start(&fixture, true);
	assert_int_equal(shape_send(&fixture, &dns), SL_REASON_NONE);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 1);
	fixture_fini(&fixture);
}

/* Of flows that were kept over a restart no header is known until packets have come. */
static void
imported_flows_need_packets(void **state)
{
	struct sl_flow_saved saved;
	struct fixture fixture;
	uint32_t at = 0;

	(void)state;
	start(&fixture, true);
	shape_connect(&fixture, &web);
	assert_int_equal(sl_flow_save(sl_pipeline_flows(fixture.pipeline), &at, &saved, 1), 1);
	fixture_fini(&fixture);
	start(&fixture, true);
	assert_int_equal(
		sl_flow_load(sl_pipeline_flows(fixture.pipeline), &saved, fixture.now_ns), 0);
	kill_only(&fixture);
	tick(&fixture, SL_MODE_INLINE);
	expect_n(&fixture, 0);
	assert_int_equal(fixture.counters->worker.replies_refused, 2);
	fixture_fini(&fixture);
}

/* More connections than resets fit into one round: the rest is killed in the next one. */
static void
kills_wait_for_room(void **state)
{
	struct sl_flow_command command = {.type = SL_FLOW_COMMAND_KILL};
	struct sl_flow_view views[31];
	struct shape shape = web;
	struct fixture fixture;
	uint32_t at = 0, n, n_resets = 0;

	(void)state;
	start(&fixture, true);
	for (uint16_t i = 0; i < 31; i++) {
		shape.local_port = 40000 + i;
		shape.payload = 0;
		shape_connect(&fixture, &shape);
		shape.payload = 10;
		assert_int_equal(shape_send(&fixture, &shape), SL_REASON_NONE);
	}
	assert_int_equal(sl_flow_list(sl_pipeline_flows(fixture.pipeline), &at, views, 31), 31);
	for (uint32_t i = 0; i < 31; i++) {
		command.id = views[i].id;
		assert_true(sl_ring_put(fixture.commands, &command));
	}
	for (uint32_t i = 0; i < 2; i++) {
		tick(&fixture, SL_MODE_INLINE);
		sl_pipeline_replies(fixture.pipeline, &n);
		assert_in_range(n, 30, 64);
		n_resets += n;
	}
	assert_int_equal(n_resets, 31 * 3);
	assert_int_equal(fixture.counters->worker.replies_refused, 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 31);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_connections_are_reset),
		cmocka_unit_test(both_numbers_are_tried),
		cmocka_unit_test(half_open_connections_are_reset),
		cmocka_unit_test(tags_are_kept),
		cmocka_unit_test(callouts_abort_with_resets),
		cmocka_unit_test(the_sweep_resets),
		cmocka_unit_test(who_goes_on_is_reset),
		cmocka_unit_test(others_are_not_reset),
		cmocka_unit_test(imported_flows_need_packets),
		cmocka_unit_test(kills_wait_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
