/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"
#include "control/spy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Plugins that keep contexts for flows are unloaded when no flow has one. Nobody waits: sleeping is left out. */

#define NOW UINT64_C(1000000000000)

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

int
__wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	return 0;
}

static int
set_up(void **state)
{
	struct fixture *f;
	struct sl_error err;

	if (fixture_set_up_booted(state) != 0)
		return -1;
	f = *state;
	if (!fake_plane_keep_flows(f->fake, 4096, NOW) ||
		sl_control_plugin_register(f->control, &spy_callout, &err) != 0)
		return -1;
	return fixture_put_policy(f,
		"{'callouts':[{'key':'c','name':'C','layer':'stream_packet_v4','plugin':'spy'}],"
		"'filters':[{'key':'f','name':'N','layer':'stream_packet_v4','action':"
		"{'type':'callout_inspection','callout':'c'}}]}");
}

static struct sl_flow *
add_flow(struct fixture *f, uint32_t worker, uint16_t local_port)
{
	struct sl_flow_table *table = fake_plane_flows(f->fake, worker);
	const struct sl_flow_key key = {
		.local_port = local_port, .protocol = 6, .ip_version = 4, .remote_port = 80};
	struct sl_flow *flow;
	uint64_t hash;

	sl_flow_hash(table, &key, 1, &hash);
	flow = sl_flow_add(table, &key, hash, SL_FLOW_TCP_SYN, NOW);
	assert_non_null(flow);
	return flow;
}

/* A packet of the flow comes to the filter, as a worker would show it. */
static void
show_packet(struct fixture *f, uint32_t worker, struct sl_flow *flow)
{
	const struct sl_snapshot *snapshot = fake_plane_snapshot(f->fake);
	const uint8_t bytes[60] = {0};
	const struct sl_frame frame = {.bytes = bytes, .contiguous = 60, .length = 60};
	struct sl_callout_env env = {
		.frame = &frame, .worker = worker, .flows = fake_plane_flows(f->fake, worker)};
	struct sluice_classify_out out = {.rights = SLUICE_RIGHT_ACTION_WRITE};
	struct sl_meta meta;

	memset(&meta, 0, sizeof(meta));
	meta.flow.entry = flow;
	meta.flow.id = sl_flow_id(env.flows, flow);
	assert_int_equal(sl_callout_invoke(&env, snapshot->layers[SLUICE_LAYER_STREAM_PACKET_V4], 0,
				 &meta, &out),
		SL_INVOKE_CALLED);
}

/* Five flows of two workers with a context each. */
static void
associate(struct fixture *f)
{
	const uint64_t before = spy.n_associated;

	for (uint16_t i = 0; i < 5; i++)
		show_packet(f, i % 2, add_flow(f, i % 2, i));
	assert_int_equal(spy.n_associated - before, 5);
}

static void
test_unload_takes_contexts_out(void **state)
{
	const uint64_t before = spy.n_gone;
	struct fixture *f = *state;
	struct sl_error err = {0};

	associate(f);
	assert_int_equal(sl_control_plugin_unload(f->control, "spy", &err), 0);
	assert_int_equal(spy.n_gone - before, 5);
	assert_int_equal(spy.n_strange, 0);
	assert_int_equal(spy.n_loaded, spy.n_unloaded);
}

/* The plugin stays loaded and bound when flows do not let go of it. */
static void
test_unload_is_refused(void **state)
{
	const uint64_t before = spy.n_gone;
	struct fixture *f = *state;
	struct sl_plugin_info info;
	struct sl_error err = {0};
	char text[4096];

	associate(f);
	fake_plane_forget_none(f->fake, true);
	assert_int_not_equal(sl_control_plugin_unload(f->control, "spy", &err), 0);
	assert_int_equal(err.code, SL_ERR_BUSY);
	assert_non_null(strstr(err.text, "flows still have 5 contexts of the plugin"));
	assert_true(sl_control_plugin_info(f->control, 0, &info, text));
	assert_int_equal(info.state, SL_PLUGIN_LOADED);
	assert_int_equal(info.contexts, 5);
	assert_non_null(fake_plane_filter(f->fake, "f")->binding.callout);
	assert_int_equal(spy.n_gone, before);

	fake_plane_refuse_commands(f->fake, true);
	assert_int_not_equal(sl_control_plugin_unload(f->control, "spy", &err), 0);
	assert_int_equal(err.code, SL_ERR_TIMEOUT);
	assert_non_null(fake_plane_filter(f->fake, "f")->binding.callout);
	fake_plane_refuse_commands(f->fake, false);
	fake_plane_forget_none(f->fake, false);
	assert_int_equal(sl_control_plugin_unload(f->control, "spy", &err), 0);
	assert_int_equal(spy.n_gone - before, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_unload_takes_contexts_out, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_unload_is_refused, set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
