/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_mpsc.h"
#include "callout/sl_callout.h"
#include "flow/make.h"
#include "recorder.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Decisions that callouts put off: where they may, what stands, who may complete, and who sees the answer. */

#define AUTH     SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4
#define WORKERS  3u
#define WORKER   2u
#define ROOM     4u /* operations that may be begun */
#define NO_TOKEN UINT64_C(0xdead)

/* What the callout does while it is called, and what the host said. */
static struct {
	bool pends;
	uint32_t n_times;
	int rc; /* of the last time */
	uint64_t token;
} doing;

struct fixture {
	struct sl_callout_registry *registry;
	struct sluice_callout callout;
	struct sluice_callout other;
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
	struct sl_flow *flow;
};

static void
do_pend(const struct sluice_classify_in *in)
{
	doing.token = NO_TOKEN;
	for (uint32_t i = 0; doing.pends && i < doing.n_times; i++)
		doing.rc = recorder.host->pend(in->packet, &doing.token);
}

static int
set_up(void **state)
{
	static const struct sl_meta_ports no_ports;
	static struct fixture fixture;
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	memset(&doing, 0, sizeof(doing));
	doing.n_times = 1;
	f->callout = recorder_start("recorder");
	recorder.during = do_pend;
	assert_int_equal(sl_callout_registry_new(WORKERS, &f->registry), 0);
	assert_int_equal(sl_callout_register(f->registry, &f->callout, NULL), 0);
	f->plugin = sl_callout_plugin(f->registry, "recorder");
	f->filter = recorder_filter("f", AUTH, SLUICE_ACTION_CALLOUT_TERMINATING);
	f->run = (struct sl_filter_run){.object = f->filter, .binding.callout = f->plugin};
	f->hot.action = SL_HOT_CALLOUT_TERMINATING;
	f->program = (struct sl_layer_program){.layer = f->filter->layer,
		.hot = &f->hot,
		.filters = &f->run,
		.sublayers = &f->sublayer};
	sl_meta_setup(&f->meta, SLUICE_DIRECTION_INBOUND, &no_ports);
	f->frame = (struct sl_frame){.bytes = f->bytes, .contiguous = 60, .length = 60};
	f->env = (struct sl_callout_env){.frame = &f->frame,
		.packet = 5,
		.worker = WORKER,
		.flows = make_table(1000),
		.n_pends_max = ROOM};
	f->flow = make_add(f->env.flows, 0, SL_FLOW_UDP, MAKE_START_NS);
	assert_non_null(f->flow);
	f->meta.flow.entry = f->flow;
	f->meta.flow.id = sl_flow_id(f->env.flows, f->flow);
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

/* Calls the callout, which answers so. */
static enum sl_invoke_status
call(struct fixture *f, uint32_t rights, struct sluice_classify_out answer)
{
	struct sluice_classify_out out = {.rights = rights};

	recorder.answer = answer;
	return sl_callout_invoke(&f->env, &f->program, 0, &f->meta, &out);
}

static void
call_absorb(struct fixture *f)
{
	assert_int_equal(call(f, SLUICE_RIGHT_ACTION_WRITE,
				 (struct sluice_classify_out){.action = SLUICE_ACTION_BLOCK,
					 .flags = SLUICE_CLASSIFY_OUT_FLAG_ABSORB}),
		SL_INVOKE_CALLED);
}

/* What pend says when the callout absorbs the packet. */
static int
pend(struct fixture *f)
{
	doing.pends = true;
	doing.rc = -9999;
	call_absorb(f);
	doing.pends = false;
	return doing.rc;
}

static bool
had_handle(void)
{
	return (recorder.meta.valid & SLUICE_METADATA_COMPLETION_HANDLE) != 0;
}

static void
test_pend(void **state)
{
	struct fixture *f = *state;
	struct sl_plugin_info info;

	assert_int_equal(pend(f), 0);
	assert_true(had_handle());
	assert_true(doing.token == f->meta.flow.id);
	assert_true(doing.token == recorder.meta.flow_handle);
	assert_true(f->env.pended == UINT64_C(1) << 5);
	assert_ptr_equal(f->env.pended_by[5], f->plugin);
	assert_int_equal(f->env.n_pends_refused, 0);
	assert_int_equal(sl_callout_contexts(f->plugin), 1);
	f->env.packet = 63;
	assert_int_equal(pend(f), 0);
	assert_true(f->env.pended == (UINT64_C(1) << 63 | UINT64_C(1) << 5));
	assert_int_equal(sl_callout_contexts(f->plugin), 2);
	sl_callout_pend_ended(&f->env, f->plugin);
	assert_int_equal(sl_callout_contexts(f->plugin), 1);
	sl_callout_pend_ended(&f->env, f->plugin);
	assert_int_equal(sl_callout_contexts(f->plugin), 0);
	assert_true(sl_callout_info(f->registry, 0, &info));
	assert_int_equal(info.pends, 2);
	assert_int_equal(info.completions, 0);
}

static void
assert_not_here(struct fixture *f)
{
	assert_int_equal(pend(f), -1);
	assert_false(had_handle());
	assert_true(doing.token == NO_TOKEN);
	assert_true(f->env.pended == 0);
	assert_int_equal(sl_callout_contexts(f->plugin), 0);
	assert_int_equal(f->env.n_pends_refused, 0);
}

static void
test_not_here(void **state)
{
	struct fixture *f = *state;

	/* At a layer where none may, or beyond what fits. */
	f->env.n_pends_max = 0;
	assert_not_here(f);
	f->env.n_pends_max = ROOM;
	/* A discard twin only looks on. */
	f->env.is_discard = true;
	assert_not_here(f);
	f->env.is_discard = false;
	/* No flow. */
	f->meta.flow.entry = NULL;
	assert_not_here(f);
	f->meta.flow.entry = f->flow;
	/* Judged anew. */
	f->meta.flow.flags = SLUICE_CONDITION_FLAG_IS_REAUTHORIZE;
	assert_not_here(f);
	f->meta.flow.flags = 0;
	/* An answer is being judged, whoever gave it. */
	f->env.completed_by = f->plugin;
	assert_not_here(f);
	f->env.completed_by = NULL;
	assert_int_equal(pend(f), 0);
}

/* Without a packet there is nothing to hold. */
static void
test_no_packet(void **state)
{
	struct fixture *f = *state;

	f->env.frame = NULL;
	assert_int_equal(pend(f), -1);
	assert_null(recorder.in.packet);
	assert_true(f->env.pended == 0);
}

static void
test_twice(void **state)
{
	struct fixture *f = *state;

	doing.n_times = 2;
	assert_int_equal(pend(f), -17);
	assert_true(doing.token == f->meta.flow.id);
	/* The first one stands, and was one. */
	assert_true(f->env.pended == UINT64_C(1) << 5);
	assert_int_equal(sl_callout_contexts(f->plugin), 1);
}

static void
test_no_room(void **state)
{
	struct fixture *f = *state;

	for (f->env.packet = 0; f->env.packet < ROOM; f->env.packet++)
		assert_int_equal(pend(f), 0);
	assert_int_equal(pend(f), -105);
	assert_int_equal(f->env.n_pends_refused, 1);
	assert_true(f->env.pended == (1u << ROOM) - 1);
	assert_int_equal(sl_callout_contexts(f->plugin), ROOM);
}

/* Any answer but a block that absorbs makes the pend void. */
static void
test_void(void **state)
{
	static const struct {
		struct sluice_classify_out answer;
		uint32_t rights;
		enum sl_hot_action action;
	} answers[] = {
		{{.action = SLUICE_ACTION_BLOCK}, 1, SL_HOT_CALLOUT_TERMINATING},
		{{.action = SLUICE_ACTION_PERMIT, .flags = SLUICE_CLASSIFY_OUT_FLAG_ABSORB}, 1,
			SL_HOT_CALLOUT_TERMINATING},
		{{.action = SLUICE_ACTION_CONTINUE, .flags = SLUICE_CLASSIFY_OUT_FLAG_ABSORB}, 1,
			SL_HOT_CALLOUT_UNKNOWN},
		/* Who only looks on cannot absorb, and who has no right only vetoes. */
		{{.action = SLUICE_ACTION_BLOCK, .flags = SLUICE_CLASSIFY_OUT_FLAG_ABSORB}, 1,
			SL_HOT_CALLOUT_INSPECTION},
		{{.action = SLUICE_ACTION_BLOCK, .flags = SLUICE_CLASSIFY_OUT_FLAG_ABSORB}, 0,
			SL_HOT_CALLOUT_TERMINATING},
	};
	struct fixture *f = *state;

	doing.pends = true;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(answers); i++) {
		f->hot.action = (uint8_t)answers[i].action;
		assert_int_equal(call(f, answers[i].rights, answers[i].answer), SL_INVOKE_CALLED);
		assert_int_equal(doing.rc, 0);
		assert_true(f->env.pended == 0);
		assert_int_equal(f->env.n_pends_refused, i + 1);
		assert_int_equal(sl_callout_contexts(f->plugin), 0);
	}
}

/* What others say about the same packet, or about others of the burst, leaves an operation alone. */
static void
test_void_is_ones_own(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pend(f), 0);
	f->env.packet = 6;
	assert_int_equal(call(f, 1, (struct sluice_classify_out){.action = SLUICE_ACTION_PERMIT}),
		SL_INVOKE_CALLED);
	f->env.packet = 5;
	f->env.pended_by[5] = (const struct sl_plugin *)f;
	assert_int_equal(call(f, 1, (struct sluice_classify_out){.action = SLUICE_ACTION_PERMIT}),
		SL_INVOKE_CALLED);
	assert_true(f->env.pended == UINT64_C(1) << 5);
	assert_int_equal(f->env.n_pends_refused, 0);
	assert_int_equal(sl_callout_contexts(f->plugin), 1);
}

/* --- Answers. --- */

/* A token of a flow of that worker; workers begin at 0. */
static uint64_t
token_of(uint32_t worker)
{
	struct sl_flow_config config;
	struct sl_flow_table *table;
	struct sl_flow *flow;
	uint64_t token;

	make_config(&config, 10);
	assert_int_equal(sl_flow_table_new(&config, worker, MAKE_START_NS, &table), 0);
	flow = make_add(table, 0, SL_FLOW_UDP, MAKE_START_NS);
	assert_non_null(flow);
	token = sl_flow_id(table, flow);
	sl_flow_table_free(table);
	assert_int_equal(sl_flow_id_worker(token), worker);
	return token;
}

static void
test_complete(void **state)
{
	struct fixture *f = *state;
	struct sl_completion completion;
	struct sl_plugin_info info;

	for (uint32_t worker = 0; worker < WORKERS; worker++) {
		const uint64_t token = token_of(worker);

		assert_int_equal(recorder.host->complete(recorder.host, token, 70 + worker), 0);
		for (uint32_t other = 0; other < WORKERS; other++) {
			struct sl_mpsc *queue = sl_callout_completions(f->registry, other);

			assert_int_equal(sl_mpsc_get(queue, &completion), other == worker);
		}
		assert_true(completion.token == token);
		assert_int_equal(completion.answer, 70 + worker);
		assert_ptr_equal(completion.plugin, f->plugin);
	}
	assert_null(sl_callout_completions(f->registry, WORKERS));
	assert_true(sl_callout_info(f->registry, 0, &info));
	assert_int_equal(info.completions, WORKERS);
}

static void
test_complete_refused(void **state)
{
	struct fixture *f = *state;
	const uint64_t token = token_of(0);
	struct sl_plugin_info info;
	uint64_t n = 0;

	assert_int_equal(recorder.host->complete(recorder.host, 0, 1), -2);
	assert_int_equal(recorder.host->complete(recorder.host, token_of(WORKERS), 1), -2);
	assert_int_equal(recorder.host->complete(recorder.host, UINT64_MAX, 1), -2);
	while (recorder.host->complete(recorder.host, token, 1) == 0)
		assert_in_range(++n, 1, 1 << 20);
	assert_int_equal(recorder.host->complete(recorder.host, token, 1), -105);
	/* One worker that does not get there is no other's trouble. */
	assert_int_equal(recorder.host->complete(recorder.host, token_of(1), 1), 0);
	assert_true(sl_callout_info(f->registry, 0, &info));
	assert_int_equal(info.completions, n + 1);
}

static bool
had_completion(void)
{
	return (recorder.meta.valid & SLUICE_METADATA_COMPLETION) != 0;
}

/* The same code under another name, which the recorder belongs to from now on. */
static void
register_other(struct fixture *f)
{
	f->other = f->callout;
	f->other.name = "other";
	assert_int_equal(sl_callout_register(f->registry, &f->other, NULL), 0);
}

/* The answer is shown to the callout that gave it. */
static void
test_who_sees_the_answer(void **state)
{
	struct fixture *f = *state;
	const struct sl_plugin *plugin;

	register_other(f);
	plugin = sl_callout_plugin(f->registry, "other");
	f->env.completion = 4711;
	call_absorb(f);
	assert_false(had_completion());
	f->env.completed_by = plugin;
	call_absorb(f);
	assert_false(had_completion());
	assert_true(recorder.meta.completion == 0);
	f->env.completed_by = f->plugin;
	call_absorb(f);
	assert_true(had_completion());
	assert_int_equal(recorder.meta.completion, 4711);
}

/* Each host knows whose it is: nobody can answer in another's name. */
static void
test_answers_bear_a_name(void **state)
{
	struct fixture *f = *state;
	const struct sluice_host *host = recorder.host;
	struct sl_completion completion;

	register_other(f);
	assert_ptr_not_equal(recorder.host, host);
	assert_int_equal(recorder.host->complete(recorder.host, f->meta.flow.id, 1), 0);
	assert_true(
		sl_mpsc_get(sl_callout_completions(f->registry, sl_flow_id_worker(f->meta.flow.id)),
			&completion));
	assert_ptr_equal(completion.plugin, sl_callout_plugin(f->registry, "other"));
	assert_ptr_not_equal(completion.plugin, f->plugin);
}

/* Who did not answer in time is passed over as if it were not there, and nobody else is. */
static void
test_overdue(void **state)
{
	struct fixture *f = *state;
	struct sluice_classify_out out = {.rights = SLUICE_RIGHT_ACTION_WRITE};

	f->env.overdue = f->plugin;
	recorder.in.size = 0;
	assert_int_equal(
		sl_callout_invoke(&f->env, &f->program, 0, &f->meta, &out), SL_INVOKE_UNREGISTERED);
	assert_int_equal(out.action, SLUICE_ACTION_UNTOUCHED);
	assert_int_equal(recorder.in.size, 0);
	f->env.overdue = (const struct sl_plugin *)f;
	assert_int_equal(
		sl_callout_invoke(&f->env, &f->program, 0, &f->meta, &out), SL_INVOKE_CALLED);
	assert_int_not_equal(recorder.in.size, 0);
}

/* A plugin stays while there is anything that it may still be asked for. */
static void
test_unload_waits(void **state)
{
	struct fixture *f = *state;
	struct sl_plugin *plugin;
	struct sl_error err;

	assert_int_equal(pend(f), 0);
	assert_int_equal(sl_callout_unpublish(f->registry, "recorder", &plugin, &err), -EAGAIN);
	assert_int_equal(err.code, SL_ERR_BUSY);
	assert_true(sl_callout_is_loaded(f->plugin));
	sl_callout_pend_ended(&f->env, f->plugin);
	assert_int_equal(sl_callout_unpublish(f->registry, "recorder", &plugin, &err), 0);
	sl_callout_unload_finish(f->registry, plugin);
}

/* --- Threads of a plugin's own. --- */

#define TOKENS 2000u

struct answerer {
	pthread_t thread;
	const struct sluice_host *host;
	uint64_t token;
};

static void *
answer_all(void *arg)
{
	const struct answerer *answerer = arg;

	for (uint64_t i = 0; i < TOKENS; i++) {
		while (answerer->host->complete(answerer->host, answerer->token, i) == -105)
			sched_yield();
	}
	return NULL;
}

static void
test_answers_from_threads(void **state)
{
	struct fixture *f = *state;
	struct answerer answerers[2];
	struct sl_mpsc *queue = sl_callout_completions(f->registry, 1);
	uint64_t next[2] = {0};
	struct sl_completion completion;

	for (uint32_t i = 0; i < 2; i++) {
		answerers[i] = (struct answerer){.host = recorder.host, .token = token_of(1) + i};
		assert_int_equal(
			pthread_create(&answerers[i].thread, NULL, answer_all, &answerers[i]), 0);
	}
	while (next[0] + next[1] < 2 * TOKENS) {
		if (!sl_mpsc_get(queue, &completion)) {
			sched_yield();
			continue;
		}
		for (uint32_t i = 0; i < 2; i++) {
			if (completion.token == answerers[i].token)
				assert_int_equal(completion.answer, next[i]++);
		}
	}
	for (uint32_t i = 0; i < 2; i++)
		pthread_join(answerers[i].thread, NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_pend),
		TEST(test_not_here),
		TEST(test_no_packet),
		TEST(test_twice),
		TEST(test_no_room),
		TEST(test_void),
		TEST(test_void_is_ones_own),
		TEST(test_complete),
		TEST(test_complete_refused),
		TEST(test_who_sees_the_answer),
		TEST(test_answers_bear_a_name),
		TEST(test_overdue),
		TEST(test_unload_waits),
		TEST(test_answers_from_threads),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
