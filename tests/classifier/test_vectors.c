/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <ctype.h>

/*
 * The test vectors of WFP section 4.9, in the notation they have there, each through the compiler,
 * both engines and arbitration:
 *
 *   S10: P, B | S5: cT(BLOCK!)
 *
 * Sublayers with their weights, filters by descending weight.  P permit, P! hard permit, B block;
 * cT, cU, cI a terminating, unknown or inspection callout and what it returns (0: it leaves
 * everything untouched); ! it clears the right, +ABSORB it takes the packet over; ?reg it is not
 * registered, ?reg+P and the filter permits then; ?flow it is skipped for want of a flow context;
 * (nm) does not match.
 */

#define LAYER "inbound_transport_v4"

struct vector {
	int number;
	const char *config;
	const char *result; /* "PERMIT soft", "BLOCK hard", "ABSORB" ... */
	int by;             /* weight of the credited sublayer; -1: nobody */
	enum sl_reason reason;
	int calls; /* callouts called */
};

/* clang-format off */
static const struct vector vectors[] = {
	{1, "", "PERMIT", -1, SL_REASON_NONE, 0},
	{2, "S10: B(nm)", "PERMIT", -1, SL_REASON_NONE, 0},
	{3, "S10: P", "PERMIT soft", 10, SL_REASON_NONE, 0},
	{4, "S10: B", "BLOCK hard", 10, SL_REASON_FILTER, 0},
	{5, "S10: P, B", "PERMIT soft", 10, SL_REASON_NONE, 0},
	{6, "S10: B, P!", "BLOCK hard", 10, SL_REASON_FILTER, 0},
	{7, "S10: P | S5: B", "BLOCK hard", 5, SL_REASON_FILTER, 0},
	{8, "S10: B | S5: P", "BLOCK hard", 10, SL_REASON_FILTER, 0},
	{9, "S10: P! | S5: B", "PERMIT hard", 10, SL_REASON_NONE, 0},
	{10, "S10: B | S5: P!", "BLOCK hard", 10, SL_REASON_FILTER, 0},
	{11, "S10: P | S5: P! | S1: B", "PERMIT hard", 5, SL_REASON_NONE, 0},
	{12, "S10: P! | S5: cT(BLOCK)", "BLOCK hard", 5, SL_REASON_VETO, 1},
	{13, "S10: P! | S5: cU(BLOCK)", "BLOCK hard", 5, SL_REASON_VETO, 1},
	{14, "S10: P! | S5: cI(BLOCK)", "PERMIT hard", 10, SL_REASON_NONE, 1},
	{15, "S10: P! | S5: cT(PERMIT) | S1: B", "PERMIT hard", 10, SL_REASON_NONE, 1},
	{16, "S10: P! | S5: cT(0)", "PERMIT hard", 10, SL_REASON_NONE, 1},
	{17, "S10: cT(0)", "BLOCK soft", 10, SL_REASON_FILTER, 1},
	{18, "S10: cT(CONTINUE)", "BLOCK soft", 10, SL_REASON_FILTER, 1},
	{19, "S10: cU(CONTINUE), B", "BLOCK hard", 10, SL_REASON_FILTER, 1},
	{20, "S10: cU(CONTINUE), P | S5: B", "BLOCK hard", 5, SL_REASON_FILTER, 1},
	{21, "S10: cI(BLOCK), P", "PERMIT soft", 10, SL_REASON_NONE, 1},
	{22, "S10: cT(BLOCK) | S5: P", "PERMIT soft", 5, SL_REASON_NONE, 1},
	{23, "S10: cT(BLOCK!) | S5: P!", "BLOCK hard", 10, SL_REASON_FILTER, 1},
	{24, "S10: cT(BLOCK) | S5: cT(PERMIT) | S1: B(nm)", "PERMIT soft", 5, SL_REASON_NONE, 2},
	{25, "S10: cT(BLOCK) | S5: P | S1: B", "BLOCK hard", 1, SL_REASON_FILTER, 1},
	{26, "S10: cT(PERMIT!) | S5: B", "PERMIT hard", 10, SL_REASON_NONE, 1},
	{27, "S10: cT(PERMIT) | S5: B", "BLOCK hard", 5, SL_REASON_FILTER, 1},
	{28, "S10: cT(PERMIT)?reg", "BLOCK hard", 10, SL_REASON_CALLOUT_UNREGISTERED, 0},
	{29, "S10: cT(PERMIT)?reg+P | S5: B", "BLOCK hard", 5, SL_REASON_FILTER, 0},
	{30, "S10: cI(BLOCK)?reg, P", "PERMIT soft", 10, SL_REASON_NONE, 0},
	{31, "S10: cU(PERMIT)?reg", "BLOCK hard", 10, SL_REASON_CALLOUT_UNREGISTERED, 0},
	{32, "S10: P! | S5: cT(PERMIT)?reg", "PERMIT hard", 10, SL_REASON_NONE, 0},
	{33, "S10: cT(BLOCK)?flow, P", "PERMIT soft", 10, SL_REASON_NONE, 0},
	{34, "S10: cT(BLOCK+ABSORB) | S5: cI(0)", "ABSORB hard", 10, SL_REASON_ABSORBED, 1},
	{35, "S10: P! | S5: cT(BLOCK+ABSORB)", "BLOCK hard", 5, SL_REASON_VETO, 1},
	{36, "S10: B | S5: cI(PERMIT)", "BLOCK hard", 10, SL_REASON_FILTER, 1},
	{37, "S10: B | S5: cT(PERMIT)", "BLOCK hard", 10, SL_REASON_FILTER, 1},
	{38, "S10: B=5, P=5", "BLOCK hard", 10, SL_REASON_FILTER, 0},
	{39, "S10: B(nm) | S5: P", "PERMIT soft", 5, SL_REASON_NONE, 0},
	{41, "S10: P! | S5: cT(BLOCK) | S1: P!", "BLOCK hard", 5, SL_REASON_VETO, 1},
	/* Beyond the list: corners that its prose decides. */
	{0, "S10: P! | S5: cT(CONTINUE)", "BLOCK hard", 5, SL_REASON_VETO, 1},
	{0, "S10: P! | S5: cU(CONTINUE), B", "PERMIT hard", 10, SL_REASON_NONE, 1},
	{0, "S10: P! | S5: cU(0)", "PERMIT hard", 10, SL_REASON_NONE, 1},
	{0, "S10: P! | S5: cT(PERMIT)?reg+P", "PERMIT hard", 10, SL_REASON_NONE, 0},
	{0, "S10: cT(BLOCK) | S5: cT(BLOCK!) | S1: P!", "BLOCK hard", 5, SL_REASON_FILTER, 2},
	{0, "S10: cT(BLOCK) | S5: cT(BLOCK)", "BLOCK soft", 10, SL_REASON_FILTER, 2},
	{0, "S10: P | S5: P", "PERMIT soft", 10, SL_REASON_NONE, 0},
	{0, "S10: B | S5: cT(BLOCK+ABSORB)", "BLOCK hard", 10, SL_REASON_FILTER, 1},
	{0, "S10: cI(BLOCK+ABSORB), P", "PERMIT soft", 10, SL_REASON_NONE, 1},
	{0, "S10: cU(PERMIT+ABSORB)", "PERMIT soft", 10, SL_REASON_NONE, 1},
	{0, "S10: cT(PERMIT), cT(BLOCK)", "PERMIT soft", 10, SL_REASON_NONE, 1},
	{0, "S10: P, cT(BLOCK)", "PERMIT soft", 10, SL_REASON_NONE, 0},
	{0, "S10: P | S5: cT(BLOCK+ABSORB) | S1: B", "ABSORB hard", 5, SL_REASON_ABSORBED, 1},
	{0, "S10: cU(BLOCK!), P | S5: cU(PERMIT)", "BLOCK hard", 10, SL_REASON_FILTER, 2},
};

/*
 * Vectors at layers with flow state.  That a block closes the connection, and suppresses the reject, is for the
 * pipeline to do.
 */
static const struct {
	const char *layer;
	struct vector vector;
} with_flow[] = {
	{"ale_flow_established_v4", {48, "S10: cT(BLOCK)", "BLOCK soft", 10, SL_REASON_FILTER, 1}},
	{"ale_flow_established_v4", {48, "S10: cT(BLOCK!) | S5: P!", "BLOCK hard", 10, SL_REASON_FILTER, 1}},
	{"ale_auth_recv_accept_v4_discard", {49, "S10: B", "BLOCK hard", 10, SL_REASON_FILTER, 0}},
	{"ale_auth_recv_accept_v4_discard", {49, "S10: B(nm)", "PERMIT", -1, SL_REASON_NONE, 0}},
};

/* clang-format on */

/* Vectors at layers that take no filters yet. */
static const struct {
	int number;
	const char *what;
} waiting[] = {
	{47, "stream: an inspection callout allows 10 bytes, then a block"},
};

/* --- Reading the notation. --- */

struct reader {
	const char *at;
	struct sl_policy *policy;
	const char *layer;
	char sublayer[32];
	unsigned int n_filters;
};

static bool
take(struct reader *r, const char *text)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
	if (strncmp(r->at, text, strlen(text)) != 0)
		return false;
	r->at += strlen(text);
	return true;
}

static unsigned int
take_number(struct reader *r)
{
	char *end;
	const unsigned long number = strtoul(r->at, &end, 10);

	assert_ptr_not_equal(r->at, end);
	r->at = end;
	return (unsigned int)number;
}

static void
read_sublayer(struct reader *r)
{
	unsigned int weight;

	assert_true(take(r, "S"));
	weight = take_number(r);
	assert_true(take(r, ":"));
	snprintf(r->sublayer, sizeof(r->sublayer), "s%u", weight);
	add(r->policy, &make_sublayer(r->sublayer, (uint16_t)weight)->object);
}

static uint64_t
read_answer(struct reader *r)
{
	uint64_t behaviour = 0;

	assert_true(take(r, "("));
	if (take(r, "BLOCK"))
		behaviour = SLUICE_ACTION_BLOCK;
	else if (take(r, "PERMIT"))
		behaviour = SLUICE_ACTION_PERMIT;
	else if (take(r, "CONTINUE"))
		behaviour = SLUICE_ACTION_CONTINUE;
	else
		assert_true(take(r, "0"));
	if (take(r, "!"))
		behaviour |= MOCK_CLEAR_RIGHT;
	if (take(r, "+ABSORB"))
		behaviour |= MOCK_ABSORB;
	assert_true(take(r, ")"));
	if (take(r, "?reg"))
		behaviour |= MOCK_UNREGISTERED;
	if (take(r, "?flow"))
		behaviour |= MOCK_SKIPPED;
	return behaviour;
}

static void
read_callout(struct reader *r, struct sl_filter *filter)
{
	if (take(r, "T"))
		filter->action = SLUICE_ACTION_CALLOUT_TERMINATING;
	else if (take(r, "U"))
		filter->action = SLUICE_ACTION_CALLOUT_UNKNOWN;
	else if (take(r, "I"))
		filter->action = SLUICE_ACTION_CALLOUT_INSPECTION;
	else
		fail_msg("which callout? %s", r->at);
	filter->callout = make_text("mock");
	filter->raw_context = read_answer(r);
	if (take(r, "+P"))
		filter->flags |= SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED;
}

static void
read_filter(struct reader *r)
{
	char key[16];
	struct sl_filter *filter;

	snprintf(key, sizeof(key), "f%u", r->n_filters);
	filter = make_filter(key, r->layer, SLUICE_ACTION_BLOCK);
	filter->sublayer = make_text(r->sublayer);
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = 100 - r->n_filters++;
	if (take(r, "c"))
		read_callout(r, filter);
	else if (take(r, "P"))
		filter->action = SLUICE_ACTION_PERMIT;
	else
		assert_true(take(r, "B"));
	if (take(r, "!"))
		filter->flags |= SL_FILTER_CLEAR_ACTION_RIGHT;
	if (take(r, "="))
		filter->weight = take_number(r);
	if (take(r, "(nm)"))
		make_number(
			filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 17);
	add(r->policy, &filter->object);
}

static struct sl_policy *
read_config(const char *config, const char *layer)
{
	struct reader r = {.at = config, .policy = sl_policy_new(), .layer = layer};

	assert_non_null(r.policy);
	add(r.policy, &make_callout("mock", layer)->object);
	while (*r.at != '\0') {
		read_sublayer(&r);
		do
			read_filter(&r);
		while (take(&r, ","));
		if (!take(&r, "|"))
			assert_int_equal(*r.at, '\0');
	}
	return r.policy;
}

/* --- Running. --- */

static const char *
verdict_text(const struct sl_verdict *verdict)
{
	static const char *const texts[][2] = {
		[SL_VERDICT_BLOCK] = {"BLOCK soft", "BLOCK hard"},
		[SL_VERDICT_PERMIT] = {"PERMIT soft", "PERMIT hard"},
		[SL_VERDICT_ABSORB] = {"ABSORB soft", "ABSORB hard"},
	};

	if (verdict->rank == SL_RANK_NONE)
		return "PERMIT";
	return texts[verdict->action][verdict->is_hard];
}

static int
credited_weight(const struct sl_layer_program *layer, const struct sl_verdict *verdict)
{
	if (verdict->rank == SL_RANK_NONE)
		return -1;
	return layer->sublayers[layer->hot[verdict->rank].sublayer].weight;
}

static void
expect(const struct vector *vector, const struct sl_layer_program *layer,
	const struct sl_verdict *verdict, const struct mock *mock)
{
	const int by = layer == NULL ? -1 : credited_weight(layer, verdict);

	if (strcmp(verdict_text(verdict), vector->result) != 0 || by != vector->by ||
		verdict->reason != vector->reason || (int)mock->n != vector->calls)
		fail_msg("vector %d, %s: %s by %d, %s, %u calls", vector->number, vector->config,
			verdict_text(verdict), by, sl_reason_name(verdict->reason), mock->n);
}

/* Once as packets are judged, once with everything watched: the verdict is the same. */
static void
judge(const struct vector *vector, const struct sl_layer_program *layer,
	const struct sl_matches *matches, uint32_t n)
{
	struct sl_trace_step steps[16];
	uint32_t hits[2][16];
	struct mock mocks[2] = {0};
	struct sl_trace trace = {.steps = steps, .n_max = 16};
	struct sl_arbitration fast = {.invoke = mock_invoke, .ctx = &mocks[0], .hits = hits[0]};
	struct sl_arbitration traced = {
		.invoke = mock_invoke, .ctx = &mocks[1], .hits = hits[1], .trace = &trace};
	struct sl_meta meta;
	struct sl_verdict verdict;

	rig_meta(&meta);
	sl_arbitrate(layer, matches->ranks, n, &meta, &fast, &verdict);
	expect(vector, layer, &verdict, &mocks[0]);
	sl_arbitrate(layer, matches->ranks, n, &meta, &traced, &verdict);
	expect(vector, layer, &verdict, &mocks[1]);
	assert_int_equal(fast.n_hits, traced.n_hits);
	assert_memory_equal(hits[0], hits[1], fast.n_hits * sizeof(hits[0][0]));
	assert_int_equal(trace.n, traced.n_hits);
	assert_memory_equal(mocks[0].rights, mocks[1].rights, sizeof(mocks[0].rights));
}

static void
run(const struct vector *vector, const char *name)
{
	struct sl_policy *policy = read_config(vector->config, name);
	struct sl_snapshot *snapshot = rig_compile(policy, NULL);
	const struct sl_layer_program *layer = snapshot->layers[sl_layer_find(name)->id];
	struct sl_matches matches;
	struct sl_meta meta;

	rig_meta(&meta);
	assert_int_equal(sl_matches_init(&matches), 0);
	if (layer != NULL) {
		judge(vector, layer, &matches, rig_classify(layer, &meta, &matches));
	} else {
		/* A layer without filters is not visited: a permit by nobody. */
		assert_int_equal(vector->by, -1);
		assert_string_equal(vector->result, "PERMIT");
	}
	sl_matches_fini(&matches);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

static void
test_arbitration(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(vectors); i++)
		run(&vectors[i], LAYER);
	for (size_t i = 0; i < SL_ARRAY_LEN(with_flow); i++)
		run(&with_flow[i].vector, with_flow[i].layer);
}

static void
test_waiting(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(waiting); i++)
		print_message("waiting for the byte stream: vector %d, %s\n", waiting[i].number,
			waiting[i].what);
	print_message("%zu of 50 vectors wait\n", SL_ARRAY_LEN(waiting));
	assert_int_equal(sl_layer_find("stream_v4")->status, SL_LAYER_FLOW);
}

/* --- Vectors about conditions: one block filter at a layer, one packet. --- */

static struct sl_filter *
block_at(const char *layer)
{
	return make_filter("f", layer, SLUICE_ACTION_BLOCK);
}

/* The action of the only filter's layer for a packet. Takes the filter over. */
static enum sl_verdict_action
verdict_of(struct sl_filter *filter, const struct sl_meta *meta)
{
	const enum sluice_layer id = filter->layer->id;
	struct sl_policy *policy = sl_policy_new();
	struct sl_arbitration arbitration = {0};
	struct sl_verdict verdict;
	struct sl_snapshot *snapshot;
	struct sl_matches matches;
	uint32_t n;

	assert_non_null(policy);
	add(policy, &filter->object);
	snapshot = rig_compile(policy, NULL);
	assert_int_equal(sl_matches_init(&matches), 0);
	n = rig_classify(snapshot->layers[id], meta, &matches);
	sl_arbitrate(snapshot->layers[id], matches.ranks, n, meta, &arbitration, &verdict);
	sl_matches_fini(&matches);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
	return verdict.action;
}

static void
test_layers_are_independent(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_filter *permit = make_filter("a", "inbound_ippacket_v4", SLUICE_ACTION_PERMIT);
	struct sl_filter *block = make_filter("b", LAYER, SLUICE_ACTION_BLOCK);
	const enum sluice_layer ids[] = {permit->layer->id, block->layer->id};
	struct sl_arbitration arbitration = {0};
	struct sl_snapshot *snapshot;
	struct sl_verdict verdicts[2];
	struct sl_meta meta;
	const uint32_t rank = 0;

	(void)state;
	permit->flags = SL_FILTER_CLEAR_ACTION_RIGHT;
	add(policy, &permit->object);
	add(policy, &block->object);
	snapshot = rig_compile(policy, NULL);
	rig_meta(&meta);
	for (int i = 0; i < 2; i++)
		sl_arbitrate(snapshot->layers[ids[i]], &rank, 1, &meta, &arbitration, &verdicts[i]);
	assert_int_equal(verdicts[0].action, SL_VERDICT_PERMIT); /* vector 40 */
	assert_true(verdicts[0].is_hard);
	assert_int_equal(verdicts[1].action, SL_VERDICT_BLOCK);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

static void
test_conditions(void **state)
{
	struct sl_filter *filter;
	struct sl_meta meta;

	(void)state;
	rig_meta(&meta);
	filter = block_at(LAYER); /* 42: OR within a field */
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 80);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 443);
	meta.local_port = 443;
	assert_int_equal(verdict_of(filter, &meta), SL_VERDICT_BLOCK);

	filter = block_at(LAYER); /* 43: AND across fields */
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 80);
	meta.local_port = 80;
	meta.protocol = 17;
	assert_int_equal(verdict_of(filter, &meta), SL_VERDICT_PERMIT);
}

static void
test_empty(void **state)
{
	struct sl_filter *filter;
	struct sl_meta meta;

	(void)state;
	rig_meta(&meta);
	filter = block_at("inbound_mac_frame_ethernet"); /* 44 */
	make_condition(filter, SLUICE_FIELD_VLAN_ID, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
	assert_int_equal(verdict_of(filter, &meta), SL_VERDICT_BLOCK);

	filter = block_at("inbound_mac_frame_ethernet"); /* 45 */
	make_number(filter, SLUICE_FIELD_VLAN_ID, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_UINT16, 100);
	assert_int_equal(verdict_of(filter, &meta), SL_VERDICT_PERMIT);
}

/* 46, with the one text that a stateless packet has. */
static void
test_suffix(void **state)
{
	struct sl_filter *filter = block_at("ingress_vswitch_ethernet");
	const struct sl_blob name = {(const uint8_t *)"www.evil.com", 12};
	struct sl_meta meta;

	(void)state;
	rig_meta(&meta);
	meta.ports.arrival_name = &name;
	make_blob(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SL_MATCH_SUFFIX, ".evil.com");
	assert_int_equal(verdict_of(filter, &meta), SL_VERDICT_BLOCK);
}

/* 50: what a provider's stopped service disables is as if it were not there. */
static void
test_disabled(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_filter *filter = block_at(LAYER);
	struct sl_snapshot *snapshot;

	(void)state;
	finish(&filter->object);
	filter->flags |= SL_FILTER_DISABLED;
	assert_int_equal(sl_policy_add(policy, &filter->object, NULL), 0);
	snapshot = rig_compile(policy, NULL);
	assert_null(snapshot->layers[sl_layer_find(LAYER)->id]);
	assert_int_equal(snapshot->n_filters, 0);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arbitration),
		cmocka_unit_test(test_layers_are_independent),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_suffix),
		cmocka_unit_test(test_disabled),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
