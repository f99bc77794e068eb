/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/sl_callout.h"
#include "flow/make.h"
#include "recorder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Contexts that a callout keeps for flows: associated, seen, removed, and gone exactly once. */

#define DATA  SLUICE_LAYER_STREAM_PACKET_V4
#define OTHER SLUICE_LAYER_INBOUND_TRANSPORT_V4

enum service {
	NOTHING,
	ASSOCIATE,
	REMOVE,
	ABORT
};

/* What the callout does while it is called, and what the host said. */
static struct {
	enum service service;
	uint32_t layer;
	uint64_t context;
	int rc;
	uint32_t gone_before; /* contexts that were gone when the service was asked for */
} doing;

struct fixture {
	struct sl_callout_registry *registry;
	struct sluice_callout callout;
	struct sl_plugin *plugin;
	struct sl_filter *filter;
	struct sl_filter_run run;
	struct sl_filter_hot hot;
	struct sl_sublayer_run sublayer;
	struct sl_layer_program program;
	struct sl_meta meta;
	struct sl_frame frame;
	uint8_t bytes[60];
	struct sl_callout_env env;
};

static void
do_service(const struct sluice_classify_in *in)
{
	const struct sluice_host *host = recorder.host;

	doing.gone_before = recorder.n_gone;
	if (doing.service == ASSOCIATE)
		doing.rc = host->flow_associate(in->packet, doing.layer, doing.context);
	else if (doing.service == REMOVE)
		doing.rc = host->flow_remove(in->packet, doing.layer);
	else if (doing.service == ABORT)
		doing.rc = host->flow_abort(in->packet);
}

static int
set_up(void **state)
{
	static const struct sl_meta_ports no_ports;
	static struct fixture fixture;
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	f->callout = recorder_start("recorder");
	recorder.during = do_service;
	recorder.answer.action = SLUICE_ACTION_PERMIT;
	assert_int_equal(sl_callout_registry_new(3, &f->registry), 0);
	assert_int_equal(sl_callout_register(f->registry, &f->callout, NULL), 0);
	f->plugin = sl_callout_plugin(f->registry, "recorder");
	f->filter = recorder_filter("f", DATA, SLUICE_ACTION_CALLOUT_UNKNOWN);
	f->run = (struct sl_filter_run){.object = f->filter, .binding.callout = f->plugin};
	f->hot.action = SL_HOT_CALLOUT_UNKNOWN;
	f->program = (struct sl_layer_program){.layer = f->filter->layer,
		.hot = &f->hot,
		.filters = &f->run,
		.sublayers = &f->sublayer};
	sl_meta_setup(&f->meta, SLUICE_DIRECTION_INBOUND, &no_ports);
	f->frame = (struct sl_frame){.bytes = f->bytes, .contiguous = 60, .length = 60};
	f->env =
		(struct sl_callout_env){.frame = &f->frame, .worker = 2, .flows = make_table(1000)};
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	sl_callout_registry_free(f->registry);
	sl_flow_table_free(f->env.flows);
	sl_object_put(&f->filter->object);
	return 0;
}

/* A flow of the table: even numbers IPv4, odd ones IPv6. */
static struct sl_flow *
flow_of(struct fixture *f, uint32_t i)
{
	struct sl_flow *flow = make_add(f->env.flows, i, SL_FLOW_UDP, MAKE_START_NS);

	assert_non_null(flow);
	return flow;
}

static void
aim(struct fixture *f, struct sl_flow *flow)
{
	f->meta.flow.entry = flow;
	f->meta.flow.id = flow == NULL ? 0 : sl_flow_id(f->env.flows, flow);
}

/* Calls the callout for a packet of a flow at a layer; what it is to do there has been set. */
static enum sl_invoke_status
call(struct fixture *f, struct sl_flow *flow, enum sluice_layer layer)
{
	struct sluice_classify_out out = {.rights = SLUICE_RIGHT_ACTION_WRITE};

	aim(f, flow);
	f->program.layer = sl_layer_by_id(layer);
	return sl_callout_invoke(&f->env, &f->program, 0, &f->meta, &out);
}

/* What the host says when the callout asks for a service at a packet of a flow. */
static int
ask(struct fixture *f, struct sl_flow *flow, enum service service, uint32_t layer, uint64_t context)
{
	doing.service = service;
	doing.layer = layer;
	doing.context = context;
	doing.rc = -9999;
	assert_int_equal(call(f, flow, SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4), SL_INVOKE_CALLED);
	doing.service = NOTHING;
	return doing.rc;
}

/* The context that comes with a packet at a layer. */
static uint64_t
context_at(struct fixture *f, struct sl_flow *flow, enum sluice_layer layer)
{
	assert_int_equal(call(f, flow, layer), SL_INVOKE_CALLED);
	return recorder.in.flow_context;
}

static void
test_associate(void **state)
{
	struct fixture *f = *state;
	struct sl_flow *flow = flow_of(f, 0);
	struct sl_flow *other = flow_of(f, 2);

	assert_int_equal(context_at(f, flow, DATA), 0);
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 4711), 0);
	assert_int_equal(context_at(f, flow, DATA), 4711);
	/* One for each flow and layer. */
	assert_int_equal(context_at(f, flow, OTHER), 0);
	assert_int_equal(context_at(f, other, DATA), 0);
	assert_int_equal(context_at(f, NULL, DATA), 0);
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 4712), -17);
	assert_int_equal(ask(f, flow, ASSOCIATE, OTHER, 4713), 0);
	assert_int_equal(context_at(f, flow, OTHER), 4713);
	assert_int_equal(context_at(f, flow, DATA), 4711);
	assert_int_equal(sl_callout_contexts(f->plugin), 2);
	assert_int_equal(recorder.n_gone, 0);
}

static void
test_associate_refused(void **state)
{
	static const uint32_t no_data_layers[] = {SLUICE_LAYER_INBOUND_IPPACKET_V4,
		SLUICE_LAYER_INBOUND_TRANSPORT_V4_DISCARD, SLUICE_LAYER_DATAGRAM_DATA_V4_DISCARD,
		SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4, SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V4,
		SLUICE_LAYER_INBOUND_ICMP_ERROR_V4, SLUICE_LAYER_STREAM_V4, 79, 80, 256 + DATA,
		UINT32_MAX};
	struct fixture *f = *state;
	struct sl_flow *flow = flow_of(f, 0);
	struct sl_flow *flow6 = flow_of(f, 1);

	for (size_t i = 0; i < SL_ARRAY_LEN(no_data_layers); i++)
		assert_int_equal(ask(f, flow, ASSOCIATE, no_data_layers[i], 1), -22);
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 0), -22);
	assert_int_equal(ask(f, NULL, ASSOCIATE, DATA, 1), -2);
	/* The layer is of the flow's family. */
	assert_int_equal(ask(f, flow6, ASSOCIATE, DATA, 1), -22);
	assert_int_equal(ask(f, flow, ASSOCIATE, SLUICE_LAYER_DATAGRAM_DATA_V6, 1), -22);
	assert_int_equal(ask(f, flow6, ASSOCIATE, SLUICE_LAYER_DATAGRAM_DATA_V6, 1), 0);
	f->callout.flow_delete = NULL;
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 1), -22);
}

static void
test_no_room(void **state)
{
	struct fixture *f = *state;

	/* Tables of tests have room for 64. */
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(ask(f, flow_of(f, 2 * i), ASSOCIATE, DATA, i + 1), 0);
	assert_int_equal(ask(f, flow_of(f, 500), ASSOCIATE, DATA, 1), -105);
	assert_int_equal(sl_callout_contexts(f->plugin), 64);
}

static void
test_without_flows(void **state)
{
	struct fixture *f = *state;
	struct sl_flow_table *table = f->env.flows;
	struct sl_flow *flow = flow_of(f, 0);

	aim(f, flow);
	f->env.flows = NULL;
	doing.service = ASSOCIATE;
	doing.layer = DATA;
	doing.context = 1;
	f->program.layer = sl_layer_by_id(DATA);
	assert_int_equal(sl_callout_invoke(&f->env, &f->program, 0, &f->meta,
				 &(struct sluice_classify_out){.rights = 1}),
		SL_INVOKE_CALLED);
	assert_int_equal(doing.rc, -2);
	assert_int_equal(recorder.in.flow_context, 0);
	doing.service = NOTHING;
	f->env.flows = table;
}

static void
test_remove(void **state)
{
	struct fixture *f = *state;
	struct sl_flow *flow = flow_of(f, 0);

	assert_int_equal(ask(f, flow, REMOVE, DATA, 0), -2);
	assert_int_equal(ask(f, NULL, REMOVE, DATA, 0), -2);
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 7), 0);
	assert_int_equal(ask(f, flow, REMOVE, OTHER, 0), -2);
	assert_int_equal(ask(f, flow, REMOVE, 256 + DATA, 0), -2);
	assert_int_equal(ask(f, flow, REMOVE, DATA, 0), 0);
	assert_int_equal(doing.gone_before, 0);
	assert_int_equal(recorder.n_gone, 1);
	assert_int_equal(recorder.gone_worker, 2);
	assert_int_equal(recorder.gone_layer, DATA);
	assert_int_equal(recorder.gone_context, 7);
	assert_int_equal(sl_callout_contexts(f->plugin), 0);
	assert_int_equal(ask(f, flow, REMOVE, DATA, 0), -2);
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 8), 0);
	assert_int_equal(context_at(f, flow, DATA), 8);
}

static void
test_abort(void **state)
{
	struct fixture *f = *state;
	struct sl_flow *flow = flow_of(f, 0);

	assert_int_equal(ask(f, NULL, ABORT, 0, 0), -2);
	assert_int_equal(f->env.n_aborts, 0);
	assert_int_equal(ask(f, flow, ABORT, 0, 0), 0);
	assert_int_equal(f->env.n_aborts, 1);
	assert_true(f->env.aborts[0] == sl_flow_id(f->env.flows, flow));
	for (uint32_t i = 1; i < SL_CALLOUT_ABORTS_MAX; i++)
		assert_int_equal(ask(f, flow, ABORT, 0, 0), 0);
	assert_int_equal(ask(f, flow, ABORT, 0, 0), -105);
	assert_int_equal(f->env.n_aborts, SL_CALLOUT_ABORTS_MAX);
}

static void
test_flow_end(void **state)
{
	struct fixture *f = *state;
	struct sl_flow *flow = flow_of(f, 0);
	struct sl_flow *other = flow_of(f, 2);

	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 10), 0);
	assert_int_equal(ask(f, flow, ASSOCIATE, OTHER, 20), 0);
	assert_int_equal(ask(f, other, ASSOCIATE, DATA, 40), 0);
	sl_callout_flow_end(&f->env, flow);
	assert_int_equal(recorder.n_gone, 2);
	assert_int_equal(recorder.gone_sum, 30);
	sl_callout_flow_end(&f->env, flow);
	assert_int_equal(recorder.n_gone, 2);
	assert_int_equal(sl_callout_contexts(f->plugin), 1);
	sl_callout_flow_end(&f->env, other);
	assert_int_equal(recorder.gone_sum, 70);
}

/* The callout is asked for flows that it has chosen alone. */
static void
test_conditional(void **state)
{
	struct fixture *f = *state;
	struct sl_flow *flow = flow_of(f, 0);

	f->callout.flags = SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW;
	assert_int_equal(call(f, flow, DATA), SL_INVOKE_SKIPPED);
	assert_int_equal(call(f, NULL, DATA), SL_INVOKE_SKIPPED);
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 3), 0);
	assert_int_equal(call(f, flow, DATA), SL_INVOKE_CALLED);
	assert_int_equal(call(f, flow, OTHER), SL_INVOKE_SKIPPED);
	sl_callout_flow_end(&f->env, flow);
	assert_int_equal(call(f, flow, DATA), SL_INVOKE_SKIPPED);
}

/* --- Unloading. --- */

/* Forgets, a few places at a time; returns how many rounds it took. */
static uint32_t
forget(struct fixture *f, const struct sl_plugin *plugin, uint32_t work)
{
	uint32_t at = 0;
	uint32_t n = 0;

	for (; at != SL_FLOW_LIST_END; n++) {
		const uint32_t before = recorder.n_gone;

		sl_callout_flows_forget(&f->env, plugin, &at, work);
		assert_in_range(recorder.n_gone - before, 0, work);
		assert_in_range(n, 0, 100);
	}
	return n;
}

static void
test_unload_waits_for_contexts(void **state)
{
	struct fixture *f = *state;
	struct sl_plugin *plugin;
	struct sl_error err;

	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(ask(f, flow_of(f, 2 * i), ASSOCIATE, DATA, i + 1), 0);
	assert_int_equal(sl_callout_unpublish(f->registry, "recorder", &plugin, &err), -EAGAIN);
	assert_int_equal(err.code, SL_ERR_BUSY);
	assert_non_null(strstr(err.text, "flows have 20 contexts of the plugin"));
	assert_true(sl_callout_is_loaded(f->plugin));
	assert_true(forget(f, f->plugin, 8) >= 64 / 8);
	assert_int_equal(recorder.n_gone, 20);
	assert_int_equal(recorder.gone_sum, 20 * 21 / 2);
	assert_int_equal(sl_callout_contexts(f->plugin), 0);
	assert_int_equal(sl_callout_unpublish(f->registry, "recorder", &plugin, &err), 0);
	sl_callout_unload_finish(f->registry, plugin);
	assert_int_equal(recorder.n_unloads, 1);
}

static void
test_forget_only_one_plugin(void **state)
{
	struct fixture *f = *state;
	static struct sluice_callout second;
	struct sl_plugin *other;
	struct sl_flow *flow = flow_of(f, 0);

	second = f->callout;
	second.name = "second";
	assert_int_equal(sl_callout_register(f->registry, &second, NULL), 0);
	other = sl_callout_plugin(f->registry, "second");
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 1), 0);
	f->run.binding.callout = other;
	assert_int_equal(ask(f, flow, ASSOCIATE, DATA, 2), 0);
	assert_int_equal(context_at(f, flow, DATA), 2);
	forget(f, f->plugin, 1000);
	assert_int_equal(recorder.gone_sum, 1);
	assert_int_equal(sl_callout_contexts(other), 1);
	assert_int_equal(context_at(f, flow, DATA), 2);
	forget(f, NULL, 1000);
	assert_int_equal(recorder.gone_sum, 3);
	assert_int_equal(sl_callout_contexts(other), 0);
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_associate),
		TEST(test_associate_refused),
		TEST(test_no_room),
		TEST(test_without_flows),
		TEST(test_remove),
		TEST(test_abort),
		TEST(test_flow_end),
		TEST(test_conditional),
		TEST(test_unload_waits_for_contexts),
		TEST(test_forget_only_one_plugin),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
