/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

#define LAYER "inbound_transport_v4"

static struct sl_policy *
new_policy(void)
{
	struct sl_policy *policy = sl_policy_new();

	assert_non_null(policy);
	return policy;
}

static struct sl_object *
block(const char *key)
{
	return &make_filter(key, LAYER, SLUICE_ACTION_BLOCK)->object;
}

/* The call must fail that way, and say why. */
static void
assert_fails(int rc, const struct sl_error *err, enum sl_err code, const char *text)
{
	assert_int_equal(rc, -sl_err_errno(code));
	assert_string_equal(sl_err_name(err->code), sl_err_name(code));
	if (strstr(err->text, text) == NULL) {
		print_error("\"%s\" is not in: %s\n", text, err->text);
		fail();
	}
}

static void
test_builtin_sublayers(void **state)
{
	static const struct {
		const char *key;
		uint16_t weight;
	} rows[] = {{"system", 65535}, {"antispoof", 61440}, {"firewall", 36864},
		{"universal", 32768}, {"inspection", 0}};
	struct sl_policy *policy = new_policy();
	size_t n;
	struct sl_object *const *list = sl_policy_list(policy, SL_OBJECT_SUBLAYER, &n);

	(void)state;
	assert_int_equal(n, SL_ARRAY_LEN(rows));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(list[i]->key, rows[i].key);
		assert_int_equal(sl_sublayer_of(list[i])->weight, rows[i].weight);
		assert_int_equal(list[i]->lifetime, SL_LIFETIME_BUILTIN);
		assert_int_equal(list[i]->origin, SL_ORIGIN_ENGINE);
		assert_int_equal(list[i]->id, i + 1);
		assert_ptr_equal(sl_policy_find(policy, SL_OBJECT_SUBLAYER, rows[i].key), list[i]);
	}
	for (int t = 0; t < SL_OBJECT_TYPE_COUNT; t++)
		assert_int_equal(sl_policy_len(policy, (enum sl_object_type)t),
			t == SL_OBJECT_SUBLAYER ? SL_ARRAY_LEN(rows) : 0);
	sl_policy_free(policy);
	sl_policy_free(NULL);
}

/* Appendix E, rows 2 and 3. */
static void
test_add(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_object *again = block("a");
	struct sl_error err;

	(void)state;
	add(policy, block("a"));
	finish(again);
	assert_fails(sl_policy_add(policy, again, &err), &err, SL_ERR_ALREADY_EXISTS,
		"there is a filter with the key \"a\" already");
	assert_string_equal(err.where, "/key");
	sl_object_put(again);
	add(policy, &make_sublayer("a", 7)->object);
	again = &make_sublayer("universal", 7)->object;
	finish(again);
	assert_fails(sl_policy_add(policy, again, NULL), &err, SL_ERR_ALREADY_EXISTS, "already");
	sl_object_put(again);
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_FILTER), 1);
	assert_ptr_not_equal(sl_policy_find(policy, SL_OBJECT_FILTER, "a"),
		sl_policy_find(policy, SL_OBJECT_SUBLAYER, "a"));
	assert_null(sl_policy_find(policy, SL_OBJECT_CALLOUT, "a"));
	sl_policy_free(policy);
}

static void
test_ids_and_order(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_error err;
	struct sl_object *const *list;
	size_t n;

	(void)state;
	add(policy, block("c"));
	add(policy, block("a"));
	add(policy, block("b"));
	assert_int_equal(sl_policy_delete(policy, SL_OBJECT_FILTER, "a", &err), 0);
	add(policy, block("a"));
	list = sl_policy_list(policy, SL_OBJECT_FILTER, &n);
	assert_int_equal(n, 3);
	assert_string_equal(list[0]->key, "c");
	assert_string_equal(list[1]->key, "b");
	assert_string_equal(list[2]->key, "a");
	assert_int_equal(list[0]->id, 1);
	assert_int_equal(list[1]->id, 3);
	assert_int_equal(list[2]->id, 4); /* ids are not used again */
	assert_ptr_equal(sl_policy_find_id(policy, SL_OBJECT_FILTER, 3), list[1]);
	assert_null(sl_policy_find_id(policy, SL_OBJECT_FILTER, 2));
	assert_null(sl_policy_find_id(policy, SL_OBJECT_FILTER, 5));
	assert_null(sl_policy_find_id(policy, SL_OBJECT_FILTER, 0));
	assert_ptr_equal(sl_policy_next(policy, SL_OBJECT_FILTER, 0), list[0]);
	assert_ptr_equal(sl_policy_next(policy, SL_OBJECT_FILTER, 1), list[1]);
	assert_ptr_equal(sl_policy_next(policy, SL_OBJECT_FILTER, 2), list[1]);
	assert_null(sl_policy_next(policy, SL_OBJECT_FILTER, 4));
	assert_null(sl_policy_next(policy, SL_OBJECT_FILTER, UINT64_MAX));
	assert_null(sl_policy_next(policy, SL_OBJECT_SET, 0));
	assert_ptr_equal(sl_policy_list(policy, SL_OBJECT_FILTER, &n), list);
	assert_int_equal(sl_policy_delete(policy, SL_OBJECT_FILTER, "b", &err), 0);
	list = sl_policy_list(policy, SL_OBJECT_FILTER, &n);
	assert_int_equal(n, 2);
	assert_string_equal(list[1]->key, "a");
	sl_policy_free(policy);
}

/* Writes "-a:1 +b:4 =c:2 ", keys with their ids. */
static int
write_difference(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	const struct sl_object *object = after != NULL ? after : before;
	char *text = ctx;
	char sign = '=';

	if (before == NULL)
		sign = '+';
	else if (after == NULL)
		sign = '-';
	else
		assert_ptr_not_equal(before, after);
	snprintf(text + strlen(text), 64, "%c%s:%d ", sign, object->key, (int)object->id);
	return 0;
}

static void
assert_diff(const struct sl_policy *before, const struct sl_policy *after, const char *wanted)
{
	char text[1024] = "";

	assert_int_equal(
		sl_policy_diff(before, after, SL_OBJECT_FILTER, write_difference, text), 0);
	assert_string_equal(text, wanted);
	assert_int_equal(sl_policy_is_same(before, after, SL_OBJECT_FILTER), wanted[0] == '\0');
	assert_true(sl_policy_is_same(before, after, SL_OBJECT_SUBLAYER));
}

static void
test_diff(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_object *changed = block("c");
	struct sl_policy *clone;
	struct sl_error err;

	(void)state;
	add(policy, block("a"));
	add(policy, block("b"));
	add(policy, block("c"));
	clone = sl_policy_clone(policy);
	assert_non_null(clone);
	assert_diff(policy, clone, "");
	assert_int_equal(sl_policy_delete(clone, SL_OBJECT_FILTER, "a", &err), 0);
	finish(changed);
	assert_int_equal(sl_policy_put(clone, changed, &err), 0);
	add(clone, block("a"));
	assert_diff(policy, clone, "-a:1 =c:3 +a:4 ");
	assert_diff(clone, policy, "+a:1 =c:3 -a:4 ");
	/* What was done and undone is no difference. */
	assert_int_equal(sl_policy_delete(policy, SL_OBJECT_FILTER, "b", &err), 0);
	assert_int_equal(sl_policy_delete(clone, SL_OBJECT_FILTER, "b", &err), 0);
	assert_int_equal(sl_policy_delete(clone, SL_OBJECT_FILTER, "a", &err), 0);
	assert_diff(policy, clone, "-a:1 =c:3 ");
	sl_policy_free(clone);
	sl_policy_free(policy);
}

static void
test_put(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_object *changed = block("a");
	struct sl_object *builtin = &make_sublayer("system", 3)->object;
	struct sl_error err;
	struct sl_object *const *list;
	size_t n;

	(void)state;
	add(policy, block("a"));
	add(policy, block("b"));
	finish(changed);
	assert_int_equal(sl_policy_put(policy, changed, &err), 0);
	list = sl_policy_list(policy, SL_OBJECT_FILTER, &n);
	assert_int_equal(n, 2);
	assert_ptr_equal(list[0], changed);
	assert_int_equal(changed->id, 1);
	assert_ptr_equal(sl_policy_find(policy, SL_OBJECT_FILTER, "a"), changed);
	changed = block("new");
	finish(changed);
	assert_int_equal(sl_policy_put(policy, changed, &err), 0);
	assert_int_equal(changed->id, 3);
	finish(builtin);
	assert_fails(sl_policy_put(policy, builtin, &err), &err, SL_ERR_BUILTIN_OBJECT,
		"sublayer \"system\" is built in");
	sl_object_put(builtin);
	sl_policy_free(policy);
}

/* Appendix E, row 21. */
static void
test_delete(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_error err;

	(void)state;
	add(policy, block("a"));
	assert_fails(sl_policy_delete(policy, SL_OBJECT_FILTER, "b", &err), &err,
		SL_ERR_FILTER_NOT_FOUND, "there is no filter \"b\"");
	assert_fails(sl_policy_delete(policy, SL_OBJECT_SET, "a", &err), &err, SL_ERR_SET_NOT_FOUND,
		"there is no set \"a\"");
	assert_fails(sl_policy_delete(policy, SL_OBJECT_SUBLAYER, "universal", &err), &err,
		SL_ERR_BUILTIN_OBJECT, "sublayer \"universal\" is built in");
	assert_int_equal(sl_policy_delete(policy, SL_OBJECT_FILTER, "a", NULL), 0);
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_FILTER), 0);
	assert_null(sl_policy_find(policy, SL_OBJECT_FILTER, "a"));
	sl_policy_free(policy);
}

/* A filter that refers to one object of every type. */
static struct sl_filter *
make_referrer(const char *key)
{
	struct sl_filter *filter = make_filter(key, LAYER, SLUICE_ACTION_CALLOUT_TERMINATING);

	filter->object.provider = make_text("p");
	filter->sublayer = make_text("edge");
	filter->callout = make_text("c");
	filter->provider_context = make_text("x");
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "s");
	return filter;
}

static void
add_targets(struct sl_policy *policy)
{
	add(policy, make_object(SL_OBJECT_PROVIDER, "p"));
	add(policy, &make_sublayer("edge", 100)->object);
	add(policy, make_context("x"));
	add(policy, make_object(SL_OBJECT_SET, "s"));
	add(policy, &make_callout("c", LAYER)->object);
}

/* Appendix E, row 20, for every type of reference. */
static void
test_in_use(void **state)
{
	static const struct {
		enum sl_object_type type;
		const char *key;
		const char *name;
	} rows[] = {
		{SL_OBJECT_PROVIDER, "p", "provider \"p\""},
		{SL_OBJECT_SUBLAYER, "edge", "sublayer \"edge\""},
		{SL_OBJECT_PROVIDER_CONTEXT, "x", "provider_context \"x\""},
		{SL_OBJECT_SET, "s", "set \"s\""},
		{SL_OBJECT_CALLOUT, "c", "callout \"c\""},
	};
	struct sl_policy *policy = new_policy();
	struct sl_error err;
	char text[100];

	(void)state;
	add_targets(policy);
	add(policy, &make_referrer("f")->object);
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "%s is in use by filter \"f\"", rows[i].name);
		assert_fails(sl_policy_delete(policy, rows[i].type, rows[i].key, &err), &err,
			SL_ERR_IN_USE, text);
		assert_non_null(sl_policy_find(policy, rows[i].type, rows[i].key));
	}
	assert_int_equal(sl_policy_delete(policy, SL_OBJECT_FILTER, "f", &err), 0);
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++)
		assert_int_equal(sl_policy_delete(policy, rows[i].type, rows[i].key, &err), 0);
	sl_policy_free(policy);
}

static void
test_in_use_names_ten(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_error err;
	char key[80];

	(void)state;
	add_targets(policy);
	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof(key), "f%d", i);
		add(policy, &make_referrer(key)->object);
	}
	assert_fails(sl_policy_delete(policy, SL_OBJECT_CALLOUT, "c", &err), &err, SL_ERR_IN_USE,
		"in use by filter \"f0\", filter \"f1\", filter \"f2\", filter \"f3\", "
		"filter \"f4\", filter \"f5\", filter \"f6\", filter \"f7\", filter \"f8\", "
		"filter \"f9\" and 2 more");
	sl_policy_free(policy);

	/* Keys of full length: fewer are named, the count stays true. */
	policy = new_policy();
	add_targets(policy);
	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof(key), "%064d", i);
		add(policy, &make_referrer(key)->object);
	}
	assert_fails(sl_policy_delete(policy, SL_OBJECT_CALLOUT, "c", &err), &err, SL_ERR_IN_USE,
		"and 9 more");
	sl_policy_free(policy);
}

struct seen {
	size_t n;
	size_t n_max;
	char text[200];
};

static bool
see(void *ctx, const struct sl_object *referrer)
{
	struct seen *seen = ctx;

	strcat(seen->text, referrer->key);
	return ++seen->n < seen->n_max;
}

static void
test_referrers(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_sublayer *sublayer = make_sublayer("mine", 5);
	struct sl_callout_object *callout = make_callout("own", LAYER);
	struct seen seen = {.n_max = 99};

	(void)state;
	add_targets(policy);
	add(policy, &make_referrer("f1")->object);
	sublayer->object.provider = make_text("p");
	add(policy, &sublayer->object);
	callout->object.provider = make_text("p");
	add(policy, &callout->object);
	add(policy, &make_referrer("f2")->object);
	add(policy, block("f3"));
	sl_policy_referrers(policy, SL_OBJECT_PROVIDER, "p", see, &seen);
	assert_string_equal(seen.text, "mineownf1f2");
	seen = (struct seen){.n_max = 1};
	sl_policy_referrers(policy, SL_OBJECT_SET, "s", see, &seen);
	assert_string_equal(seen.text, "f1");
	seen = (struct seen){.n_max = 99};
	sl_policy_referrers(policy, SL_OBJECT_SUBLAYER, "universal", see, &seen);
	assert_string_equal(seen.text, "f3");
	seen = (struct seen){.n_max = 99};
	sl_policy_referrers(policy, SL_OBJECT_FILTER, "f1", see, &seen);
	sl_policy_referrers(policy, SL_OBJECT_SUBLAYER, "mine", see, &seen);
	assert_int_equal(seen.n, 0);
	sl_policy_free(policy);
}

static void
test_remove(void **state)
{
	struct sl_policy *policy = new_policy();

	(void)state;
	add_targets(policy);
	add(policy, &make_referrer("f")->object);
	sl_policy_remove(policy, SL_OBJECT_SUBLAYER, "edge"); /* in use, and nobody asks */
	assert_null(sl_policy_find(policy, SL_OBJECT_SUBLAYER, "edge"));
	sl_policy_remove(policy, SL_OBJECT_SUBLAYER, "edge");
	sl_policy_remove(policy, SL_OBJECT_SUBLAYER, "system");
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_SUBLAYER), 5);
	sl_policy_free(policy);
}

static bool
has_even_id(void *ctx, const struct sl_object *object)
{
	(void)ctx;
	return object->id % 2 == 0;
}

static void
test_remove_if(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_policy *before;
	struct sl_object *const *list;
	char key[16];
	size_t n;

	(void)state;
	for (int i = 1; i <= 9; i++) {
		snprintf(key, sizeof(key), "f%d", i);
		add(policy, block(key));
	}
	before = sl_policy_clone(policy);
	assert_non_null(before);
	sl_policy_remove_if(policy, SL_OBJECT_FILTER, has_even_id, NULL);
	list = sl_policy_list(policy, SL_OBJECT_FILTER, &n);
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i]->id, 2 * i + 1);
	assert_null(sl_policy_find(policy, SL_OBJECT_FILTER, "f4"));
	assert_non_null(sl_policy_find(policy, SL_OBJECT_FILTER, "f5"));
	assert_int_equal(sl_policy_len(before, SL_OBJECT_FILTER), 9);
	sl_policy_remove_if(policy, SL_OBJECT_FILTER, NULL, NULL);
	sl_policy_remove_if(policy, SL_OBJECT_SUBLAYER, NULL, NULL);
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_FILTER), 0);
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_SUBLAYER), 5);
	sl_policy_free(policy);
	sl_policy_free(before);
}

/* What happens to a clone stays in the clone, and ids go on where they were. */
static void
test_clone(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_policy *clone;
	struct sl_object *changed = block("a");
	struct sl_error err;

	(void)state;
	add(policy, block("a"));
	add(policy, block("b"));
	clone = sl_policy_clone(policy);
	assert_non_null(clone);
	assert_ptr_equal(sl_policy_find(clone, SL_OBJECT_FILTER, "a"),
		sl_policy_find(policy, SL_OBJECT_FILTER, "a"));
	finish(changed);
	assert_int_equal(sl_policy_put(clone, changed, &err), 0);
	assert_int_equal(sl_policy_delete(clone, SL_OBJECT_FILTER, "b", &err), 0);
	add(clone, block("c"));
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_FILTER), 2);
	assert_ptr_not_equal(sl_policy_find(policy, SL_OBJECT_FILTER, "a"), changed);
	assert_non_null(sl_policy_find(policy, SL_OBJECT_FILTER, "b"));
	assert_null(sl_policy_find(policy, SL_OBJECT_FILTER, "c"));
	assert_int_equal(sl_policy_len(clone, SL_OBJECT_FILTER), 2);
	assert_ptr_equal(sl_policy_find(clone, SL_OBJECT_FILTER, "a"), changed);
	assert_int_equal(changed->id, 1);
	assert_int_equal(sl_policy_find(clone, SL_OBJECT_FILTER, "c")->id, 3);
	/* The original may go first; what the clone shares with it stays. */
	sl_policy_free(policy);
	assert_non_null(sl_policy_find(clone, SL_OBJECT_SUBLAYER, "universal"));
	assert_string_equal(sl_policy_find(clone, SL_OBJECT_FILTER, "c")->name, "c");
	sl_policy_free(clone);
}

static void
test_change_of_original_after_clone(void **state)
{
	struct sl_policy *policy = new_policy();
	struct sl_policy *clone;

	(void)state;
	add(policy, block("a"));
	clone = sl_policy_clone(policy);
	sl_policy_remove(policy, SL_OBJECT_FILTER, "a");
	assert_non_null(sl_policy_find(clone, SL_OBJECT_FILTER, "a"));
	sl_policy_free(clone);
	sl_policy_free(policy);
}

static void
fill(struct sl_policy *policy, enum sl_object_type type, size_t n)
{
	char key[16];

	for (size_t i = sl_policy_len(policy, type); i < n; i++) {
		struct sl_object *object;

		snprintf(key, sizeof(key), "k%zu", i);
		if (type == SL_OBJECT_CALLOUT)
			object = &make_callout(key, LAYER)->object;
		else
			object = make_object(type, key);
		add(policy, object);
	}
}

static void
test_limits(void **state)
{
	static const struct {
		enum sl_object_type type;
		size_t max;
		enum sl_err code;
	} rows[] = {
		{SL_OBJECT_SUBLAYER, SL_POLICY_SUBLAYERS_MAX, SL_ERR_TOO_MANY_SUBLAYERS},
		{SL_OBJECT_CALLOUT, SL_POLICY_CALLOUTS_MAX, SL_ERR_TOO_MANY_CALLOUTS},
		{SL_OBJECT_PROVIDER, SL_POLICY_OBJECTS_MAX, SL_ERR_TOO_LARGE},
	};
	struct sl_policy *policy = new_policy();

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct sl_object *more = rows[i].type == SL_OBJECT_CALLOUT
			? &make_callout("more", LAYER)->object
			: make_object(rows[i].type, "more");
		struct sl_object *changed = rows[i].type == SL_OBJECT_CALLOUT
			? &make_callout("k7", LAYER)->object
			: make_object(rows[i].type, "k7");
		struct sl_error err;

		fill(policy, rows[i].type, rows[i].max);
		finish(more);
		assert_fails(
			sl_policy_add(policy, more, &err), &err, rows[i].code, "that is the limit");
		assert_fails(
			sl_policy_put(policy, more, &err), &err, rows[i].code, "that is the limit");
		sl_object_put(more);
		finish(changed);
		assert_int_equal(sl_policy_put(policy, changed, &err), 0);
		assert_int_equal(sl_policy_len(policy, rows[i].type), rows[i].max);
	}
	sl_policy_free(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtin_sublayers),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_ids_and_order),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_in_use_names_ten),
		cmocka_unit_test(test_referrers),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_remove_if),
		cmocka_unit_test(test_clone),
		cmocka_unit_test(test_change_of_original_after_clone),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
