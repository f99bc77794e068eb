/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

#define LAYER "inbound_transport_v4"

/* What lint says, as lines of "code key". */
struct findings {
	size_t n;
	char text[2000];
};

static void
note(void *ctx, const struct sl_lint *lint)
{
	struct findings *findings = ctx;
	char line[200];

	assert_true(strlen(lint->detail) > 10);
	findings->n++;
	snprintf(line, sizeof(line), "%s %s\n", lint->code, lint->object->key);
	if (strlen(findings->text) + strlen(line) < sizeof(findings->text))
		strcat(findings->text, line);
}

/* Lints and frees the policy. */
static void
expect(struct sl_policy *policy, const char *text)
{
	struct findings findings = {0};

	sl_policy_lint(policy, note, &findings);
	assert_string_equal(findings.text, text);
	sl_policy_free(policy);
}

/* A policy with the one filter in question. */
static struct sl_policy *
with(struct sl_filter *filter)
{
	struct sl_policy *policy = sl_policy_new();

	assert_non_null(policy);
	add(policy, &filter->object);
	return policy;
}

static struct sl_filter *
filter_at(const char *key, const char *layer)
{
	return make_filter(key, layer, SLUICE_ACTION_BLOCK);
}

static void
port(struct sl_filter *filter, enum sl_match match, uint64_t number)
{
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, match, SLUICE_TYPE_UINT16, number);
}

/* Conditions on ports, up to three, and what is said about them. */
static void
test_ports(void **state)
{
	static const struct {
		struct {
			enum sl_match match;
			uint64_t number;
		} conditions[3];
		size_t n;
		const char *text;
	} rows[] = {
		{{{SL_MATCH_EQUAL, 80}, {SL_MATCH_EQUAL, 443}}, 2, ""},
		{{{SL_MATCH_NOT_EQUAL, 80}}, 1, ""},
		{{{SL_MATCH_NOT_EQUAL, 80}, {SL_MATCH_NOT_EQUAL, 443}}, 2, "tautology f\n"},
		{{{SL_MATCH_NOT_EQUAL, 80}, {SL_MATCH_NOT_EQUAL, 80}}, 2, ""},
		{{{SL_MATCH_NOT_EQUAL, 80}, {SL_MATCH_EQUAL, 80}}, 2, "tautology f\n"},
		{{{SL_MATCH_LESS, 100}, {SL_MATCH_GREATER_OR_EQUAL, 100}}, 2, "tautology f\n"},
		{{{SL_MATCH_LESS, 100}, {SL_MATCH_GREATER, 100}}, 2, ""},
		{{{SL_MATCH_LESS, 100}, {SL_MATCH_GREATER, 100}, {SL_MATCH_EQUAL, 100}}, 3,
			"tautology f\n"},
		{{{SL_MATCH_GREATER_OR_EQUAL, 0}}, 1, ""}, /* a way to say that there is a port */
		{{{SL_MATCH_LESS, 0}}, 1, "never_match f\n"},
		{{{SL_MATCH_GREATER, 65535}}, 1, "never_match f\n"},
		{{{SL_MATCH_GREATER, 65535}, {SL_MATCH_EQUAL, 5}}, 2, ""},
		{{{SL_MATCH_FLAGS_ANY_SET, 0}}, 1, "never_match f\n"},
		{{{SL_MATCH_FLAGS_ANY_SET, 1}}, 1, ""},
		{{{SL_MATCH_FLAGS_ALL_SET, 0}}, 1, "tautology f\n"},
		{{{SL_MATCH_FLAGS_NONE_SET, 0}}, 1, "tautology f\n"},
		{{{SL_MATCH_FLAGS_NONE_SET, 1}, {SL_MATCH_FLAGS_NONE_SET, 2}}, 2, "tautology f\n"},
		{{{SL_MATCH_FLAGS_NONE_SET, 1}, {SL_MATCH_FLAGS_ALL_SET, 2}}, 2, ""},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct sl_filter *filter = filter_at("f", LAYER);

		for (size_t k = 0; k < rows[i].n; k++)
			port(filter, rows[i].conditions[k].match, rows[i].conditions[k].number);
		expect(with(filter), rows[i].text);
	}
}

static void
test_odd_widths(void **state)
{
	struct sl_filter *filter = filter_at("f", LAYER);

	(void)state;
	make_number(filter, SLUICE_FIELD_X_VLAN_VID, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 4096);
	expect(with(filter), "never_match f\n");
	filter = filter_at("f", LAYER);
	make_number(filter, SLUICE_FIELD_X_DSCP, SL_MATCH_GREATER, SLUICE_TYPE_UINT8, 63);
	expect(with(filter), "never_match f\n");
	filter = filter_at("f", LAYER);
	make_number(filter, SLUICE_FIELD_X_VLAN_VID, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 4095);
	make_number(filter, SLUICE_FIELD_X_DSCP, SL_MATCH_GREATER, SLUICE_TYPE_UINT8, 62);
	expect(with(filter), "");
}

static void
test_texts(void **state)
{
	static const struct {
		enum sl_match match[2];
		const char *text[2];
		const char *said;
	} rows[] = {
		{{SL_MATCH_NOT_EQUAL, SL_MATCH_NOT_EQUAL}, {"eth0", "eth1"}, "tautology f\n"},
		{{SL_MATCH_NOT_EQUAL, SL_MATCH_NOT_EQUAL}, {"eth0", "eth0"}, ""},
		{{SL_MATCH_NOT_SUFFIX, SL_MATCH_NOT_SUFFIX}, {"eth0", "eth1"}, "tautology f\n"},
		{{SL_MATCH_NOT_SUFFIX, SL_MATCH_NOT_SUFFIX}, {"0", "eth0"}, ""},
		{{SL_MATCH_NOT_SUFFIX, SL_MATCH_NOT_EQUAL}, {"0", "eth0"}, ""},
		{{SL_MATCH_NOT_SUFFIX, SL_MATCH_NOT_EQUAL}, {"1", "eth0"}, "tautology f\n"},
		{{SL_MATCH_NOT_EQUAL, SL_MATCH_NOT_SUFFIX}, {"eth0", "1"}, "tautology f\n"},
		{{SL_MATCH_EQUAL, SL_MATCH_SUFFIX}, {"eth0", "1"}, ""},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct sl_filter *filter = filter_at("f", "ingress_vswitch_ethernet");

		for (int k = 0; k < 2; k++)
			make_blob(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID,
				rows[i].match[k], rows[i].text[k]);
		expect(with(filter), rows[i].said);
	}
}

static void
test_addresses(void **state)
{
	static const uint8_t half[16] = {0x80};
	static const uint8_t zero[16] = {0};
	struct sl_filter *filter = filter_at("f", "inbound_transport_v6");

	(void)state;
	make_v6_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, half, 1);
	expect(with(filter), "");
	filter = filter_at("f", "inbound_transport_v6");
	make_v6_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, half, 1);
	make_v6_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, zero, 1);
	expect(with(filter), "tautology f\n");
	filter = filter_at("f", LAYER);
	make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_NOT_EQUAL, 0, 0);
	expect(with(filter), "never_match f\n");
	filter = filter_at("f", LAYER);
	make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0, 0);
	expect(with(filter), ""); /* any address: a common way to write it */
	filter = filter_at("f", LAYER);
	make_condition(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
	port(filter, SL_MATCH_LESS, 0);
	expect(with(filter), ""); /* absence is possible */
	filter = filter_at("f", LAYER);
	make_condition(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_EMPTY);
	port(filter, SL_MATCH_EQUAL, 80);
	expect(with(filter), "tautology f\n");
}

static void
test_empty_sets(void **state)
{
	static const enum sl_match matches[] = {SL_MATCH_IN_SET, SL_MATCH_NOT_IN_SET};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(matches); i++) {
		struct sl_policy *policy = sl_policy_new();
		struct sl_set *set = sl_set_of(make_object(SL_OBJECT_SET, "s"));
		struct sl_filter *filter = filter_at("f", LAYER);

		set->set_type = SL_SET_V4_PREFIX;
		add(policy, &set->object);
		make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, matches[i], "s");
		add(policy, &filter->object);
		expect(policy, matches[i] == SL_MATCH_IN_SET ? "never_match f\n" : "");
	}
}

static void
test_sublayer_weights(void **state)
{
	struct sl_policy *policy = sl_policy_new();

	(void)state;
	add(policy, &make_sublayer("one", 100)->object);
	add(policy, &make_sublayer("two", 36864)->object); /* as firewall has */
	add(policy, &make_sublayer("three", 100)->object);
	expect(policy, "sublayer_weight_tie two\nsublayer_weight_tie three\n");
}

/* Two filters of exact weight 5; differences are made by the caller. */
struct pair {
	struct sl_filter *one;
	struct sl_filter *two;
};

static struct pair
make_pair(enum sluice_action action)
{
	struct pair pair = {
		.one = filter_at("one", LAYER), .two = make_filter("two", LAYER, action)};

	pair.one->weight_kind = SL_WEIGHT_EXACT;
	pair.one->weight = 5;
	pair.two->weight_kind = SL_WEIGHT_EXACT;
	pair.two->weight = 5;
	return pair;
}

static struct sl_policy *
with_pair(const struct pair *pair)
{
	struct sl_policy *policy = with(pair->one);

	add(policy, &pair->two->object);
	return policy;
}

static void
test_ties(void **state)
{
	struct pair pair = make_pair(SLUICE_ACTION_PERMIT);

	(void)state;
	make_v4_prefix(pair.one, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a000000, 8);
	make_v4_prefix(pair.two, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a0b0000, 16);
	expect(with_pair(&pair), "tie_conflict two\n");

	pair = make_pair(SLUICE_ACTION_PERMIT); /* other networks */
	make_v4_prefix(pair.one, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a000000, 16);
	make_v4_prefix(pair.two, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a0b0000, 16);
	expect(with_pair(&pair), "");

	pair = make_pair(SLUICE_ACTION_BLOCK); /* the same action */
	port(pair.one, SL_MATCH_EQUAL, 80);
	port(pair.two, SL_MATCH_LESS, 100);
	expect(with_pair(&pair), "");

	pair = make_pair(SLUICE_ACTION_PERMIT); /* a field that only one asks about */
	port(pair.one, SL_MATCH_EQUAL, 80);
	make_number(pair.two, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	expect(with_pair(&pair), "tie_conflict two\n");

	pair = make_pair(SLUICE_ACTION_PERMIT); /* a port, and no port */
	port(pair.one, SL_MATCH_EQUAL, 80);
	make_condition(pair.two, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
	expect(with_pair(&pair), "");

	pair = make_pair(SLUICE_ACTION_PERMIT); /* other weights */
	pair.two->weight = 6;
	port(pair.one, SL_MATCH_EQUAL, 80);
	port(pair.two, SL_MATCH_LESS, 100);
	expect(with_pair(&pair), "");

	pair = make_pair(SLUICE_ACTION_PERMIT); /* other sublayers */
	pair.two->sublayer = make_text("firewall");
	port(pair.one, SL_MATCH_EQUAL, 80);
	port(pair.two, SL_MATCH_LESS, 100);
	expect(with_pair(&pair), "");

	pair = make_pair(SLUICE_ACTION_CALLOUT_INSPECTION); /* decides nothing */
	pair.two->callout = make_text("c");
	expect(with_pair(&pair), "shadowed two\n");
}

static void
test_hard_and_soft_tie(void **state)
{
	struct pair pair = make_pair(SLUICE_ACTION_PERMIT);

	(void)state;
	pair.one->action = SLUICE_ACTION_PERMIT;
	pair.two->flags = SL_FILTER_CLEAR_ACTION_RIGHT;
	port(pair.one, SL_MATCH_EQUAL, 80);
	port(pair.two, SL_MATCH_LESS, 100);
	expect(with_pair(&pair), "tie_conflict two\n");
}

/* Two filters of different weight; the heavier one is the younger. */
static struct pair
make_ordered_pair(void)
{
	struct pair pair = make_pair(SLUICE_ACTION_PERMIT);

	pair.two->weight = 9;
	return pair;
}

static void
test_shadows(void **state)
{
	struct pair pair = make_ordered_pair();

	(void)state;
	port(pair.one, SL_MATCH_EQUAL, 80); /* nothing passes a filter without conditions */
	expect(with_pair(&pair), "shadowed one\n");

	pair = make_ordered_pair();
	port(pair.two, SL_MATCH_EQUAL, 80); /* but it may stand last */
	expect(with_pair(&pair), "");

	pair = make_ordered_pair(); /* the same conditions in another order */
	port(pair.one, SL_MATCH_EQUAL, 80);
	make_number(pair.one, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	make_number(pair.two, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	port(pair.two, SL_MATCH_EQUAL, 80);
	expect(with_pair(&pair), "shadowed one\n");

	pair = make_ordered_pair(); /* not quite the same */
	port(pair.one, SL_MATCH_EQUAL, 80);
	port(pair.two, SL_MATCH_EQUAL, 81);
	expect(with_pair(&pair), "");

	pair = make_ordered_pair(); /* the first may pass packets on */
	port(pair.one, SL_MATCH_EQUAL, 80);
	port(pair.two, SL_MATCH_EQUAL, 80);
	pair.two->action = SLUICE_ACTION_CALLOUT_UNKNOWN;
	pair.two->callout = make_text("c");
	expect(with_pair(&pair), "");
}

/* A long tie: work and findings are bounded. */
static void
test_bounds(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct findings findings = {0};
	char key[16];

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		struct sl_filter *filter;

		snprintf(key, sizeof(key), "f%u", i);
		filter = make_filter(
			key, LAYER, i % 2 == 0 ? SLUICE_ACTION_BLOCK : SLUICE_ACTION_PERMIT);
		filter->weight_kind = SL_WEIGHT_EXACT;
		port(filter, SL_MATCH_GREATER, i);
		add(policy, &filter->object);
	}
	sl_policy_lint(policy, note, &findings);
	assert_int_equal(findings.n, 1000);
	sl_policy_free(policy);
}

/* A default of denial for flows of one family alone. */
static void
test_families(void **state)
{
	static const struct {
		const char *layer;
		const char *other; /* a permit there, or NULL */
		bool has_condition;
		const char *text;
	} rows[] = {
		{"ale_auth_recv_accept_v4", NULL, false, "ipv4_only f\n"},
		{"ale_auth_connect_v4", "ale_auth_recv_accept_v6", false, "ipv4_only f\n"},
		{"ale_auth_recv_accept_v4", "ale_auth_recv_accept_v6", false, ""},
		{"ale_auth_recv_accept_v4", NULL, true, ""},
		{"ale_auth_recv_accept_v6", NULL, false, ""},
		{"inbound_transport_v4", NULL, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct sl_filter *filter = filter_at("f", rows[i].layer);
		struct sl_policy *policy;

		if (rows[i].has_condition)
			port(filter, SL_MATCH_EQUAL, 80);
		policy = with(filter);
		if (rows[i].other != NULL)
			add(policy, &make_filter("o", rows[i].other, SLUICE_ACTION_PERMIT)->object);
		expect(policy, rows[i].text);
	}
	expect(with(make_filter("f", "ale_auth_connect_v4", SLUICE_ACTION_PERMIT)), "");
}

/* Several sublayers deny: that is said once. */
static void
test_families_once(void **state)
{
	struct sl_policy *policy = with(filter_at("f", "ale_auth_connect_v4"));
	struct sl_filter *filter = filter_at("g", "ale_auth_connect_v4");

	(void)state;
	filter->sublayer = make_text("low");
	add(policy, &make_sublayer("low", 1)->object);
	add(policy, &filter->object);
	expect(policy, "ipv4_only f\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_odd_widths),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_empty_sets),
		cmocka_unit_test(test_sublayer_weights),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_hard_and_soft_tie),
		cmocka_unit_test(test_shadows),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_families_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
