/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

#define LAYER "inbound_transport_v4"

/* A policy with one sound object of every type, and a filter that refers to all of them. */
struct fixture {
	struct sl_policy *policy;
	struct sl_filter *filter; /* not yet in the policy */
};

static struct fixture
setup(void)
{
	struct fixture fixture = {.policy = sl_policy_new()};
	struct sl_set *set = sl_set_of(make_object(SL_OBJECT_SET, "hosts"));
	struct sl_filter *filter;

	assert_non_null(fixture.policy);
	set->set_type = SL_SET_V4_PREFIX;
	add(fixture.policy, make_object(SL_OBJECT_PROVIDER, "acme"));
	add(fixture.policy, &make_sublayer("edge", 100)->object);
	add(fixture.policy, make_context("limits"));
	add(fixture.policy, &set->object);
	add(fixture.policy, &make_callout("count", LAYER)->object);
	filter = make_filter("f", LAYER, SLUICE_ACTION_CALLOUT_TERMINATING);
	filter->object.provider = make_text("acme");
	filter->sublayer = make_text("edge");
	filter->callout = make_text("count");
	filter->provider_context = make_text("limits");
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "hosts");
	fixture.filter = filter;
	return fixture;
}

static void
replace(char **text, const char *with)
{
	free(*text);
	*text = make_text(with);
}

/* Adds the filter, checks the policy, and expects one fault or, with SL_ERR_OK, none. */
static void
expect(struct fixture *fixture, enum sl_err code, const char *pointer, const char *text)
{
	struct sl_problems problems = {0};

	add(fixture->policy, &fixture->filter->object);
	assert_int_equal(
		sl_policy_check(fixture->policy, NULL, NULL, &problems), code == SL_ERR_OK);
	if (problems.n_total != (code == SL_ERR_OK ? 0 : 1))
		for (size_t i = 0; i < problems.n; i++)
			print_error("%s: %s: %s\n", problems.list[i].pointer,
				sl_err_name(problems.list[i].code), problems.list[i].detail);
	assert_int_equal(problems.n_total, code == SL_ERR_OK ? 0 : 1);
	if (code != SL_ERR_OK) {
		assert_string_equal(sl_err_name(problems.list[0].code), sl_err_name(code));
		assert_string_equal(problems.list[0].pointer, pointer);
		if (strstr(problems.list[0].detail, text) == NULL) {
			print_error("\"%s\" is not in: %s\n", text, problems.list[0].detail);
			fail();
		}
	}
	sl_problems_fini(&problems);
	sl_policy_free(fixture->policy);
}

static size_t
count_faults(const struct fixture *fixture, const struct sl_object *object)
{
	struct sl_problems problems = {0};
	const bool is_right =
		sl_policy_check_object(fixture->policy, object, NULL, NULL, &problems);
	const size_t n = problems.n_total;

	assert_int_equal(is_right, n == 0);
	sl_problems_fini(&problems);
	return n;
}

/* Only the object's own references count. */
static void
test_one_object(void **state)
{
	struct fixture fixture = setup();
	struct sl_filter *other = make_filter("g", LAYER, SLUICE_ACTION_BLOCK);

	(void)state;
	replace(&fixture.filter->sublayer, "no");
	replace(&fixture.filter->provider_context, "no");
	add(fixture.policy, &fixture.filter->object);
	add(fixture.policy, &other->object);
	assert_int_equal(count_faults(&fixture, &fixture.filter->object), 2);
	assert_int_equal(count_faults(&fixture, &other->object), 0);
	assert_int_equal(
		count_faults(&fixture, sl_policy_find(fixture.policy, SL_OBJECT_SET, "hosts")), 0);
	sl_policy_free(fixture.policy);
}

/* Appendix E, row 4, and sets. */
static void
test_missing(void **state)
{
	struct fixture fixture = setup();

	(void)state;
	expect(&fixture, SL_ERR_OK, NULL, NULL);
	fixture = setup();
	replace(&fixture.filter->object.provider, "no");
	expect(&fixture, SL_ERR_PROVIDER_NOT_FOUND, "/filters/f/provider",
		"there is no provider \"no\"; there are \"acme\"");
	fixture = setup();
	replace(&fixture.filter->sublayer, "no");
	expect(&fixture, SL_ERR_SUBLAYER_NOT_FOUND, "/filters/f/sublayer",
		"there is no sublayer \"no\"; there are \"system\", \"antispoof\", \"firewall\", "
		"\"universal\", \"inspection\", \"edge\"");
	fixture = setup();
	replace(&fixture.filter->callout, "no");
	expect(&fixture, SL_ERR_CALLOUT_NOT_FOUND, "/filters/f/action/callout", "\"count\"");
	fixture = setup();
	replace(&fixture.filter->provider_context, "no");
	expect(&fixture, SL_ERR_PROVIDER_CONTEXT_NOT_FOUND, "/filters/f/provider_context",
		"\"limits\"");
	fixture = setup();
	replace(&fixture.filter->conditions[1].value.text, "no");
	expect(&fixture, SL_ERR_SET_NOT_FOUND, "/filters/f/conditions/1/value", "\"hosts\"");
}

/* Providers of everything else. */
static void
test_missing_provider(void **state)
{
	static const enum sl_object_type types[] = {
		SL_OBJECT_SUBLAYER, SL_OBJECT_PROVIDER_CONTEXT, SL_OBJECT_SET, SL_OBJECT_CALLOUT};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(types); i++) {
		struct fixture fixture = setup();
		struct sl_object *object = types[i] == SL_OBJECT_CALLOUT
			? &make_callout("x", LAYER)->object
			: types[i] == SL_OBJECT_PROVIDER_CONTEXT ? make_context("x")
								 : make_object(types[i], "x");
		char pointer[64];

		object->provider = make_text("no");
		add(fixture.policy, object);
		snprintf(pointer, sizeof(pointer), "/%s/x/provider",
			sl_object_type_plural(types[i]));
		expect(&fixture, SL_ERR_PROVIDER_NOT_FOUND, pointer, "\"acme\"");
	}
}

/* Appendix E, row 14. */
static void
test_callout_of_another_layer(void **state)
{
	struct fixture fixture = setup();

	(void)state;
	add(fixture.policy, &make_callout("other", "inbound_transport_v6")->object);
	replace(&fixture.filter->callout, "other");
	expect(&fixture, SL_ERR_INCOMPATIBLE_LAYER, "/filters/f/action/callout",
		"callout \"other\" is for layer \"inbound_transport_v6\", this filter is at "
		"\"inbound_transport_v4\"");
}

static void
test_set_of_another_type(void **state)
{
	struct fixture fixture = setup();
	struct sl_set *set = sl_set_of(make_object(SL_OBJECT_SET, "ports"));

	(void)state;
	set->set_type = SL_SET_UINT16;
	add(fixture.policy, &set->object);
	replace(&fixture.filter->conditions[1].value.text, "ports");
	expect(&fixture, SL_ERR_TYPE_MISMATCH, "/filters/f/conditions/1/value",
		"set \"ports\" holds uint16, \"ip_remote_address\" takes a set of v4_prefix");
}

/* One reference from a filter to an object, of given lifetimes and providers. */
static void
check_lifetimes(enum sl_object_type type, enum sl_lifetime from, enum sl_lifetime to,
	const char *from_provider, const char *to_provider, bool is_right)
{
	static const char *const members[SL_OBJECT_TYPE_COUNT] = {
		[SL_OBJECT_PROVIDER] = "/filters/f/provider",
		[SL_OBJECT_SUBLAYER] = "/filters/f/sublayer",
		[SL_OBJECT_PROVIDER_CONTEXT] = "/filters/f/provider_context",
		[SL_OBJECT_SET] = "/filters/f/conditions/1/value",
		[SL_OBJECT_CALLOUT] = "/filters/f/action/callout",
	};
	struct fixture fixture = setup();

	for (int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		size_t n;
		struct sl_object *const *list =
			sl_policy_list(fixture.policy, (enum sl_object_type)t, &n);

		/* Everything lives long enough, but for the one in question. */
		for (size_t i = 0; i < n; i++)
			if (list[i]->lifetime != SL_LIFETIME_BUILTIN)
				list[i]->lifetime = SL_LIFETIME_BUILTIN;
		if (t == (int)type) {
			list[n - 1]->lifetime = to;
			if (to_provider != NULL)
				list[n - 1]->provider = make_text(to_provider);
		}
	}
	if (to_provider != NULL && strcmp(to_provider, "other") == 0) {
		struct sl_object *other = make_object(SL_OBJECT_PROVIDER, "other");

		other->lifetime = SL_LIFETIME_BUILTIN;
		add(fixture.policy, other);
	}
	fixture.filter->object.lifetime = from;
	if (from_provider == NULL) {
		free(fixture.filter->object.provider);
		fixture.filter->object.provider = NULL;
	}
	expect(&fixture, is_right ? SL_ERR_OK : SL_ERR_LIFETIME_MISMATCH, members[type],
		"refers to the");
}

/* WFP section 5.4, the table; appendix E, rows 18 and 19. */
static void
test_lifetimes(void **state)
{
	static const struct {
		enum sl_lifetime from;
		enum sl_lifetime to;
		bool is_right;
	} rows[] = {
		{SL_LIFETIME_DYNAMIC, SL_LIFETIME_DYNAMIC, true},
		{SL_LIFETIME_DYNAMIC, SL_LIFETIME_STATIC, true},
		{SL_LIFETIME_DYNAMIC, SL_LIFETIME_PERSISTENT, true},
		{SL_LIFETIME_DYNAMIC, SL_LIFETIME_BUILTIN, true},
		{SL_LIFETIME_STATIC, SL_LIFETIME_DYNAMIC, false},
		{SL_LIFETIME_STATIC, SL_LIFETIME_STATIC, true},
		{SL_LIFETIME_STATIC, SL_LIFETIME_PERSISTENT, true},
		{SL_LIFETIME_STATIC, SL_LIFETIME_BUILTIN, true},
		{SL_LIFETIME_PERSISTENT, SL_LIFETIME_DYNAMIC, false},
		{SL_LIFETIME_PERSISTENT, SL_LIFETIME_STATIC, false},
		{SL_LIFETIME_PERSISTENT, SL_LIFETIME_PERSISTENT, true},
		{SL_LIFETIME_PERSISTENT, SL_LIFETIME_BUILTIN, true},
	};
	static const enum sl_object_type types[] = {SL_OBJECT_PROVIDER, SL_OBJECT_SUBLAYER,
		SL_OBJECT_PROVIDER_CONTEXT, SL_OBJECT_SET, SL_OBJECT_CALLOUT};

	(void)state;
	for (size_t t = 0; t < SL_ARRAY_LEN(types); t++)
		for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++)
			check_lifetimes(
				types[t], rows[i].from, rows[i].to, "acme", NULL, rows[i].is_right);
}

/* A persistent object may not depend on another provider's; nobody's objects are everybody's. */
static void
test_persistent_providers(void **state)
{
	static const struct {
		enum sl_lifetime lifetime;
		const char *from;
		const char *to;
		bool is_right;
	} rows[] = {
		{SL_LIFETIME_PERSISTENT, "acme", "acme", true},
		{SL_LIFETIME_PERSISTENT, "acme", "other", false},
		{SL_LIFETIME_PERSISTENT, "acme", NULL, true},
		{SL_LIFETIME_PERSISTENT, NULL, NULL, true},
		{SL_LIFETIME_PERSISTENT, NULL, "acme", true},
		{SL_LIFETIME_STATIC, "acme", "other", true},
		{SL_LIFETIME_DYNAMIC, "acme", "other", true},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++)
		check_lifetimes(SL_OBJECT_CALLOUT, rows[i].lifetime, SL_LIFETIME_PERSISTENT,
			rows[i].from, rows[i].to, rows[i].is_right);
}

/* Places of objects in a document: filters by number, everything else by key. */
static const char *
pointer_of(void *ctx, const struct sl_object *object)
{
	char *text = ctx;

	if (object->type != SL_OBJECT_FILTER)
		return NULL;
	snprintf(text, 32, "/filters/%llu", (unsigned long long)object->id - 1);
	return text;
}

static void
test_all_faults_are_told(void **state)
{
	static const char *const pointers[] = {"/sublayers/lost/provider", "/filters/0/provider",
		"/filters/0/sublayer", "/filters/0/conditions/1/value", "/filters/0/action/callout",
		"/filters/0/provider_context", "/filters/1/sublayer"};
	struct fixture fixture = setup();
	struct sl_problems problems = {0};
	struct sl_object *object = &make_sublayer("lost", 3)->object;
	struct sl_filter *second = make_filter("g", LAYER, SLUICE_ACTION_BLOCK);
	char text[32];

	(void)state;
	object->provider = make_text("no");
	add(fixture.policy, object);
	replace(&fixture.filter->object.provider, "no");
	replace(&fixture.filter->sublayer, "no");
	replace(&fixture.filter->callout, "no");
	replace(&fixture.filter->provider_context, "no");
	replace(&fixture.filter->conditions[1].value.text, "no");
	add(fixture.policy, &fixture.filter->object);
	second->sublayer = make_text("no");
	add(fixture.policy, &second->object);
	assert_false(sl_policy_check(fixture.policy, pointer_of, text, &problems));
	assert_int_equal(problems.n_total, SL_ARRAY_LEN(pointers));
	for (size_t i = 0; i < problems.n; i++)
		assert_string_equal(problems.list[i].pointer, pointers[i]);
	sl_problems_fini(&problems);
	sl_policy_free(fixture.policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_object),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_missing_provider),
		cmocka_unit_test(test_callout_of_another_layer),
		cmocka_unit_test(test_set_of_another_type),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_persistent_providers),
		cmocka_unit_test(test_all_faults_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
