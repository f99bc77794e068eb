/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define NOW    (1000 * SECOND)

static int
set_up(void **state)
{
	struct fixture *f;

	if (fixture_set_up_booted(state) != 0)
		return -1;
	f = *state;
	return fake_plane_keep_flows(f->fake, 4096, NOW) ? 0 : -1;
}

/* 192.0.2.1:`local_port` and 198.51.100.9:80, TCP. */
static struct sl_flow_key
make_key(uint16_t local_port)
{
	struct sl_flow_key key = {
		.local = {192, 0, 2, 1},
		.remote = {198, 51, 100, 9},
		.local_port = local_port,
		.remote_port = 80,
		.domain = 1u << 24 | 100u << 12,
		.protocol = 6,
		.ip_version = 4,
	};

	return key;
}

static struct sl_flow *
add_flow(struct fixture *f, uint32_t worker, uint16_t local_port)
{
	struct sl_flow_table *table = fake_plane_flows(f->fake, worker);
	struct sl_flow_key key = make_key(local_port);
	struct sl_flow *flow;
	uint64_t hash;

	sl_flow_hash(table, &key, 1, &hash);
	flow = sl_flow_add(table, &key, hash, SL_FLOW_TCP_ESTABLISHED, NOW);
	assert_non_null(flow);
	flow->flags |= SL_FLOW_OUTBOUND;
	flow->tcp.state = SL_TCP_ESTABLISHED;
	sl_flow_count(flow, SLUICE_DIRECTION_OUTBOUND, 60, sl_flow_clock(table, NOW));
	return flow;
}

static uint64_t
id_of(struct fixture *f, uint32_t worker, const struct sl_flow *flow)
{
	return sl_flow_id(fake_plane_flows(f->fake, worker), flow);
}

/* --- Which flows are wanted. --- */

/* A flow from inside to 198.51.100.9:80 over VLAN 100. */
static struct sl_flow_view
make_view(void)
{
	struct sl_flow_view view = {
		.key = make_key(40000),
		.flags = SL_FLOW_OUTBOUND,
		.class = SL_FLOW_TCP_ESTABLISHED,
		.tcp_state = SL_TCP_ESTABLISHED,
		.filter_id = 7,
	};

	return view;
}

static void
test_wanted_one_by_one(void **state)
{
	static const struct {
		struct sl_flow_wanted wanted;
		bool fits;
	} cases[] = {
		{{.has = 0}, true},
		{{.has = SL_FLOW_WANTS_PROTOCOL, .protocol = 6}, true},
		{{.has = SL_FLOW_WANTS_PROTOCOL, .protocol = 17}, false},
		{{.has = SL_FLOW_WANTS_IP_VERSION, .ip_version = 4}, true},
		{{.has = SL_FLOW_WANTS_IP_VERSION, .ip_version = 6}, false},
		{{.has = SL_FLOW_WANTS_LOCAL, .local = {192, 0, 2, 77}, .local_bits = 24}, true},
		{{.has = SL_FLOW_WANTS_LOCAL, .local = {192, 0, 2, 77}, .local_bits = 32}, false},
		{{.has = SL_FLOW_WANTS_LOCAL, .local = {10}, .local_bits = 0}, true},
		{{.has = SL_FLOW_WANTS_REMOTE, .remote = {198, 51, 100, 8}, .remote_bits = 31},
			true},
		{{.has = SL_FLOW_WANTS_REMOTE, .remote = {192, 0, 2, 1}, .remote_bits = 32}, false},
		{{.has = SL_FLOW_WANTS_LOCAL_PORT, .local_port = 40000}, true},
		{{.has = SL_FLOW_WANTS_LOCAL_PORT, .local_port = 80}, false},
		{{.has = SL_FLOW_WANTS_REMOTE_PORT, .remote_port = 80}, true},
		{{.has = SL_FLOW_WANTS_REMOTE_PORT, .remote_port = 40000}, false},
		{{.has = SL_FLOW_WANTS_PORT, .port = 80}, true},
		{{.has = SL_FLOW_WANTS_PORT, .port = 40000}, true},
		{{.has = SL_FLOW_WANTS_PORT, .port = 443}, false},
		{{.has = SL_FLOW_WANTS_TCP_STATE, .tcp_state = SL_TCP_ESTABLISHED}, true},
		{{.has = SL_FLOW_WANTS_TCP_STATE, .tcp_state = SL_TCP_SYN_SENT}, false},
		{{.has = SL_FLOW_WANTS_CLASS, .class = SL_FLOW_TCP_ESTABLISHED}, true},
		{{.has = SL_FLOW_WANTS_CLASS, .class = SL_FLOW_UDP}, false},
		{{.has = SL_FLOW_WANTS_DIRECTION, .direction = SLUICE_DIRECTION_OUTBOUND}, true},
		{{.has = SL_FLOW_WANTS_DIRECTION, .direction = SLUICE_DIRECTION_INBOUND}, false},
		{{.has = SL_FLOW_WANTS_FILTER, .filter_id = 7}, true},
		{{.has = SL_FLOW_WANTS_FILTER, .filter_id = 0}, false},
		{{.has = SL_FLOW_WANTS_VLAN, .vlan = 100}, true},
		{{.has = SL_FLOW_WANTS_VLAN, .vlan = 0}, false},
		{{.has = SL_FLOW_WANTS_PENDED, .is_pended = false}, true},
		{{.has = SL_FLOW_WANTS_PENDED, .is_pended = true}, false},
		{{.has = SL_FLOW_WANTS_PROTOCOL | SL_FLOW_WANTS_PORT, .protocol = 6, .port = 443},
			false},
	};
	struct sl_flow_view view = make_view();

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		if (sl_flow_is_wanted(&view, &cases[i].wanted) != cases[i].fits)
			fail_msg("case %zu is not %d", i, cases[i].fits);
	}
}

static void
test_wanted_pended(void **state)
{
	struct sl_flow_wanted wanted = {.has = SL_FLOW_WANTS_PENDED, .is_pended = true};
	struct sl_flow_view view = make_view();

	(void)state;
	view.flags |= SL_FLOW_PENDED;
	assert_true(sl_flow_is_wanted(&view, &wanted));
	wanted.is_pended = false;
	assert_false(sl_flow_is_wanted(&view, &wanted));
}

/* What stands in place of ports in keys of ICMP is none. */
static void
test_wanted_ports_are_ports(void **state)
{
	const struct sl_flow_wanted wanted = {.has = SL_FLOW_WANTS_PORT, .port = 8};
	struct sl_flow_view view = make_view();

	(void)state;
	view.key.remote_port = 8;
	assert_true(sl_flow_is_wanted(&view, &wanted));
	view.key.protocol = 1;
	assert_false(sl_flow_is_wanted(&view, &wanted));
}

/* --- Lists. --- */

static void
test_pages_have_every_flow_once(void **state)
{
	static const struct sl_flow_wanted all;
	struct fixture *f = *state;
	struct sl_flow_cursor cursor = {0};
	struct sl_flow_view views[7];
	uint8_t seen[200] = {0};
	bool is_end = false;
	uint32_t n_pages = 0;

	for (uint16_t i = 0; i < 200; i++)
		add_flow(f, i % 2, i);
	for (; !is_end; n_pages++) {
		uint32_t n = sl_control_flows(f->control, &all, &cursor, views, 7, &is_end);

		assert_true(n == 7 || is_end || n > 0);
		for (uint32_t i = 0; i < n; i++)
			seen[views[i].key.local_port]++;
		assert_true(n_pages < 100);
	}
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(seen[i], 1);
}

static void
test_list_of_the_wanted(void **state)
{
	const struct sl_flow_wanted wanted = {.has = SL_FLOW_WANTS_LOCAL_PORT, .local_port = 33};
	struct fixture *f = *state;
	struct sl_flow_cursor cursor = {0};
	struct sl_flow_view views[4];
	bool is_end;

	for (uint16_t i = 0; i < 100; i++)
		add_flow(f, i % 2, i);
	assert_int_equal(sl_control_flows(f->control, &wanted, &cursor, views, 4, &is_end), 1);
	assert_true(is_end);
	assert_int_equal(views[0].key.local_port, 33);
	assert_int_equal(sl_flow_id_worker(views[0].id), 1);
	assert_int_equal(views[0].packets[SLUICE_DIRECTION_OUTBOUND], 1);
	assert_int_equal(views[0].bytes[SLUICE_DIRECTION_OUTBOUND], 60);
}

/* Cursors come from clients: whatever they say, the list ends. */
static void
test_cursors_beyond_the_end(void **state)
{
	static const struct sl_flow_cursor beyond[] = {
		{0, 1u << 30}, {1, SL_FLOW_LIST_END - 1}, {2, 0}, {UINT32_MAX, UINT32_MAX}};
	static const struct sl_flow_wanted all;
	struct fixture *f = *state;
	struct sl_flow_view views[4];
	bool is_end;

	add_flow(f, 0, 1);
	for (size_t i = 0; i < SL_ARRAY_LEN(beyond); i++) {
		struct sl_flow_cursor cursor = beyond[i];

		assert_int_equal(sl_control_flows(f->control, &all, &cursor, views, 4, &is_end), 0);
		assert_true(is_end);
	}
}

static void
test_plane_without_flows(void **state)
{
	static const struct sl_flow_wanted all;
	struct fixture *f = *state;
	struct sl_flow_cursor cursor = {0};
	struct sl_flow_stats stats;
	struct sl_flow_view view;
	struct sl_error err;
	uint64_t n;
	bool is_end;

	assert_int_equal(sl_control_flows(f->control, &all, &cursor, &view, 1, &is_end), 0);
	assert_true(is_end);
	assert_false(sl_control_flow(f->control, 1, &view));
	assert_int_equal(sl_control_flow_kill(f->control, 1, &err), -ENOENT);
	assert_int_equal(sl_control_flows_kill(f->control, &all, &n, &err), 0);
	assert_int_equal(n, 0);
	sl_control_flow_stats(f->control, &stats);
	assert_int_equal(stats.max, 0);
	assert_true(stats.is_whole);
	assert_int_equal(stats.pressure, 16);
}

/* --- One flow, and its end. --- */

static void
test_one_flow(void **state)
{
	struct fixture *f = *state;
	struct sl_flow *flow = add_flow(f, 1, 7);
	uint64_t id = id_of(f, 1, flow);
	struct sl_flow_view view;

	assert_true(sl_control_flow(f->control, id, &view));
	assert_int_equal(view.id, id);
	assert_int_equal(view.key.local_port, 7);
	assert_int_equal(view.tcp_state, SL_TCP_ESTABLISHED);
	sl_flow_remove(fake_plane_flows(f->fake, 1), flow);
	assert_false(sl_control_flow(f->control, id, &view));
	assert_false(sl_control_flow(f->control, UINT64_MAX, &view));
	assert_false(sl_control_flow(f->control, 0, &view));
}

static void
test_kill_one(void **state)
{
	struct fixture *f = *state;
	uint64_t id = id_of(f, 1, add_flow(f, 1, 7));
	uint64_t other = id_of(f, 0, add_flow(f, 0, 8));
	struct sl_flow_view view;
	struct sl_error err;

	assert_int_equal(sl_control_flow_kill(f->control, id, &err), 0);
	assert_true(sl_control_flow(f->control, id, &view));
	assert_true(view.flags & SL_FLOW_REVOKED);
	assert_int_equal(view.end, SL_FLOW_END_ADMIN);
	assert_true(sl_control_flow(f->control, other, &view));
	assert_false(view.flags & SL_FLOW_REVOKED);
	/* It has been ended. */
	assert_int_equal(sl_control_flow_kill(f->control, id, &err), -ENOENT);
	assert_int_equal(err.code, SL_ERR_NOT_FOUND);
}

static void
test_kill_the_wanted(void **state)
{
	const struct sl_flow_wanted wanted = {.has = SL_FLOW_WANTS_LOCAL_PORT, .local_port = 50};
	static const struct sl_flow_wanted all;
	struct fixture *f = *state;
	struct sl_error err;
	uint64_t n;

	for (uint16_t i = 0; i < 300; i++)
		add_flow(f, i % 2, i);
	assert_int_equal(sl_control_flows_kill(f->control, &wanted, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(sl_control_flows_kill(f->control, &all, &n, &err), 0);
	assert_int_equal(n, 299);
	assert_int_equal(sl_control_flows_kill(f->control, &all, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void
test_events_switch(void **state)
{
	struct fixture *f = *state;
	struct sl_error err;

	assert_false(sl_control_flow_events(f->control));
	assert_int_equal(sl_control_set_flow_events(f->control, true, &err), 0);
	assert_true(fake_plane_flow_events(f->fake, 0));
	assert_true(fake_plane_flow_events(f->fake, 1));
	assert_true(sl_control_flow_events(f->control));
	fake_plane_refuse_commands(f->fake, true);
	assert_int_equal(sl_control_set_flow_events(f->control, false, &err), -EAGAIN);
	assert_int_equal(err.code, SL_ERR_BUSY);
	assert_true(sl_control_flow_events(f->control));
	fake_plane_refuse_commands(f->fake, false);
	assert_int_equal(sl_control_set_flow_events(f->control, false, &err), 0);
	assert_false(fake_plane_flow_events(f->fake, 1));
}

static void
test_statistics(void **state)
{
	struct fixture *f = *state;
	struct sl_flow_stats stats;
	struct sl_error err;

	for (uint16_t i = 0; i < 10; i++)
		add_flow(f, i % 2, i);
	assert_int_equal(
		sl_control_flow_kill(f->control, id_of(f, 0, add_flow(f, 0, 99)), &err), 0);
	sl_control_flow_stats(f->control, &stats);
	assert_int_equal(stats.n, 11);
	assert_int_equal(stats.max, 8192);
	assert_int_equal(stats.classes[SL_FLOW_TCP_ESTABLISHED], 10);
	assert_int_equal(stats.classes[SL_FLOW_ENDED], 1);
	assert_int_equal(stats.classes[SL_FLOW_UDP], 0);
	assert_true(stats.is_whole);
	assert_true(stats.bytes >= (size_t)8192 * sizeof(struct sl_flow));
	assert_int_equal(stats.pressure, 16);
}

/* Nobody stops a worker: its flows come and go while they are read. */
static void
test_beside_running_workers(void **state)
{
	static const struct sl_flow_wanted all;
	struct fixture *f = *state;
	struct sl_flow_stats stats;
	struct sl_error err;
	uint64_t n_listed = 0;
	uint64_t n_killed = 0;

	assert_true(fake_plane_start(f->fake, NULL, NULL));
	fake_plane_wait_bursts(f->fake, 2);
	for (int round = 0; round < 50; round++) {
		struct sl_flow_cursor cursor = {0};
		struct sl_flow_view views[16];
		bool is_end;
		uint64_t n;

		assert_int_equal(sl_control_set_flow_events(f->control, round % 2 == 0, &err), 0);
		n = sl_control_flows(f->control, &all, &cursor, views, 16, &is_end);
		assert_true(is_end && n <= 2 * FAKE_FRAMES);
		for (uint64_t i = 0; i < n; i++) {
			assert_in_range(views[i].key.local_port, FAKE_FIRST_PORT,
				FAKE_FIRST_PORT + FAKE_FRAMES - 1);
			assert_int_equal(views[i].key.protocol, 17);
		}
		n_listed += n;
		assert_int_equal(sl_control_flows_kill(f->control, &all, &n, &err), 0);
		n_killed += n;
		sl_control_flow_stats(f->control, &stats);
		assert_true(stats.n <= 2 * FAKE_FRAMES);
		sl_control_tick(f->control);
	}
	assert_true(n_listed > 0);
	assert_true(n_killed > 0);
	fake_plane_stop(f->fake);
}

#define FLOWS(test)  cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
#define BOOTED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_booted, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted_one_by_one),
		cmocka_unit_test(test_wanted_pended),
		cmocka_unit_test(test_wanted_ports_are_ports),
		FLOWS(test_pages_have_every_flow_once),
		FLOWS(test_list_of_the_wanted),
		FLOWS(test_cursors_beyond_the_end),
		BOOTED(test_plane_without_flows),
		FLOWS(test_one_flow),
		FLOWS(test_kill_one),
		FLOWS(test_kill_the_wanted),
		FLOWS(test_events_switch),
		FLOWS(test_statistics),
		FLOWS(test_beside_running_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
