/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments are judged as the packet that was never split. */
#include "fragment_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A filter that blocks what it matches; `layer_v6` is its layer for IPv6. */
struct rule {
	enum sluice_layer layer, layer_v6;
	enum sluice_field field;
	enum sluice_data_type type;
	uint64_t number;
};

static const struct rule rules[] = {
	{SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_LAYER_INBOUND_TRANSPORT_V6,
		SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 53},
	{SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_LAYER_INBOUND_TRANSPORT_V6,
		SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 8},
	{SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6,
		SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 17},
	{SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6,
		SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 80},
	{SLUICE_LAYER_DATAGRAM_DATA_V4, SLUICE_LAYER_DATAGRAM_DATA_V6, SLUICE_FIELD_IP_LOCAL_PORT,
		SLUICE_TYPE_UINT16, 53},
	{SLUICE_LAYER_STREAM_PACKET_V4, SLUICE_LAYER_STREAM_PACKET_V6, SLUICE_FIELD_IP_REMOTE_PORT,
		SLUICE_TYPE_UINT16, 1234},
};

static const struct cutter_plan plans[] = {
	{.ip_version = 4, .protocol = 17},
	{.ip_version = 4, .protocol = 6, .n_options = 8},
	{.ip_version = 4, .protocol = 1},
	{.ip_version = 4, .protocol = 200},
	{.ip_version = 6, .protocol = 17, .n_before = 3},
	{.ip_version = 6, .protocol = 6, .has_after = true},
	{.ip_version = 6, .protocol = 58, .n_before = 1},
	{.ip_version = 6, .protocol = 200},
};

static struct bench *
bench_with_rule(const struct rule *rule, const struct cutter_plan *base)
{
	struct bench *bench = bench_new();
	struct cutter_plan plan = *base;
	struct sl_filter *filter =
		fixture_filter(base->ip_version == 4 ? rule->layer : rule->layer_v6, "rule", NULL);

	plan.n_payload = 1500;
	plan.src = 0x0a000002;
	cutter_make(&bench->whole, &plan);
	bench->flows.max = 64;
	bench_pipeline(bench);
	fixture_condition(filter, rule->field, SL_MATCH_EQUAL, rule->type, rule->number);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_add(&bench->fixture, filter);
	fixture_compile(&bench->fixture);
	return bench;
}

/* What becomes of the packet in one piece. */
static struct sl_outcome
judge_whole(const struct rule *rule, const struct cutter_plan *plan)
{
	struct bench *bench = bench_with_rule(rule, plan);
	struct sl_outcome outcome;

	bench->frames[0] = (struct sl_frame){
		.bytes = bench->whole.bytes,
		.contiguous = bench->whole.length,
		.length = bench->whole.length,
	};
	bench->n = 1;
	bench_run(bench, PATH_IN);
	outcome = bench->outcomes[0];
	bench_free(bench);
	return outcome;
}

static void
test_same_verdict(void **state)
{
	const struct sl_release *releases;
	uint32_t n, n_blocked = 0, n_permitted = 0;
	struct sl_outcome whole;
	struct bench *bench;

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(rules) * SL_ARRAY_LEN(plans); i++) {
		const struct rule *rule = &rules[i / SL_ARRAY_LEN(plans)];
		const struct cutter_plan *plan = &plans[i % SL_ARRAY_LEN(plans)];

		whole = judge_whole(rule, plan);
		bench = bench_with_rule(rule, plan);
		bench_push(bench, 800, bench->whole.n - 800, true);
		bench_push(bench, 0, 800, false);
		bench_run(bench, PATH_IN);
		bench_expect_held(bench, 2);
		releases = sl_pipeline_releases(bench->fixture.pipeline, &n);
		assert_int_equal(n, 2);
		for (uint32_t j = 0; j < n; j++)
			assert_memory_equal(&releases[j].outcome, &whole, sizeof(whole));
		n_blocked += whole.action == SL_VERDICT_BLOCK;
		n_permitted += whole.action == SL_VERDICT_PERMIT;
		bench_free(bench);
	}
	assert_true(n_blocked >= 2 * SL_ARRAY_LEN(rules) - 1);
	assert_true(n_permitted > n_blocked);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
