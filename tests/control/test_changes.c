/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"
#include "control/spy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * What the classifier is told to have changed, for every kind of edit.  The linker leads the calls of the
 * compiler through the test (meson.build).
 */

/*
 * The last call: "+new =replaced -gone others", filters by ascending id; "nothing": an empty list; "all":
 * none; "": no call.
 */
static struct {
	char text[256];
	size_t len;
} last;

static void
note(char sign, const struct sl_filter *filter)
{
	last.len += (size_t)snprintf(last.text + last.len, sizeof(last.text) - last.len, "%s%c%s",
		last.len > 0 ? " " : "", sign, filter->object.key);
	assert_true(last.len < sizeof(last.text));
}

static void
note_all(const struct sl_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct sl_filter_change *change = &changes->filters[i];

		assert_true(change->old != NULL || change->now != NULL);
		assert_ptr_not_equal(change->old, change->now);
		if (change->old == NULL)
			note('+', change->now);
		else if (change->now == NULL)
			note('-', change->old);
		else
			note('=', change->now);
	}
	if (changes->others)
		last.len += (size_t)snprintf(last.text + last.len, sizeof(last.text) - last.len,
			"%sothers", last.len > 0 ? " " : "");
}

int __real_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err);
int __wrap_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err);

int
__wrap_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err)
{
	memset(&last, 0, sizeof(last));
	if (changes != NULL)
		note_all(changes);
	else
		snprintf(last.text, sizeof(last.text), "all");
	if (last.text[0] == '\0')
		snprintf(last.text, sizeof(last.text), "nothing");
	return __real_sl_snapshot_compile(policy, revision, previous, changes, host, out, err);
}

/* The last change was made, and told so. */
static void
assert_told(int rc, const char *wanted)
{
	assert_int_equal(rc, 0);
	assert_string_equal(last.text, wanted);
	memset(&last, 0, sizeof(last));
}

#define FILTER(key, action) \
	"{'key':'" key "','name':'N','layer':'inbound_transport_v4','action':'" action "'}"
#define OWNED(key)                                                                   \
	"{'key':'" key "','name':'N','provider':'p','layer':'inbound_transport_v4'," \
	"'action':'block'}"

static void
test_one_filter(void **state)
{
	struct fixture *f = *state;

	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("a", "block")), "+a");
	assert_told(fixture_post(f, SL_OBJECT_FILTER, FILTER("b", "block")), "+b");
	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("a", "permit")), "=a");
	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("a", "permit")), "");
	assert_told(fixture_delete(f, SL_OBJECT_FILTER, "a"), "-a");
	f->flags = SL_CHANGE_DRY_RUN;
	assert_told(fixture_delete(f, SL_OBJECT_FILTER, "b"), "all");
	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("b", "permit")), "all");
	f->flags = 0;
	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("c", "block")), "+c");
}

static void
test_whole_policies(void **state)
{
	struct fixture *f = *state;

	assert_told(fixture_put_policy(
			    f, "{'filters':[" FILTER("a", "block") "," FILTER("b", "block") "]}"),
		"+a +b");
	assert_told(fixture_put_policy(
			    f, "{'filters':[" FILTER("a", "permit") "," FILTER("c", "block") "]}"),
		"=a -b +c");
	/* The later of two equals is made anew when they change places. */
	assert_told(fixture_put_policy(
			    f, "{'filters':[" FILTER("c", "block") "," FILTER("a", "permit") "]}"),
		"-a +a");
	assert_told(fixture_put_policy(f, "{}"), "-c -a");
}

static void
test_a_part_of_the_policy(void **state)
{
	struct fixture *f = *state;

	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("mine", "block")), "+mine");
	/* A provider is nothing to the classifier. */
	assert_told(fixture_put_part(f, "p",
			    "{'providers':[{'key':'p','name':'P'}],'filters':[" OWNED("a") "]}"),
		"+a");
	assert_told(fixture_put_part(f, "p", "{'filters':[" OWNED("b") "]}"), "-a +b");
	assert_told(fixture_put(f, SL_OBJECT_PROVIDER, "{'key':'p','name':'Another'}"), "nothing");
}

static void
test_what_filters_refer_to(void **state)
{
	struct fixture *f = *state;

	/* Nothing refers yet to what is new. */
	assert_told(
		fixture_put(f, SL_OBJECT_SUBLAYER, "{'key':'s','name':'S','weight':9}"), "nothing");
	assert_told(
		fixture_put(f, SL_OBJECT_SET,
			"{'key':'b','name':'B','type':'v4_prefix','elements':['192.0.2.0/24']}"),
		"nothing");
	assert_told(
		fixture_put(f, SL_OBJECT_FILTER,
			"{'key':'a','name':'A','layer':'inbound_transport_v4','sublayer':'s',"
			"'conditions':[{'field':'ip_remote_address','match':'in_set','value':'b'}],"
			"'action':'block'}"),
		"+a");
	assert_told(fixture_elements(f, "b", SL_ELEMENTS_ADD, "['198.51.100.0/24']"), "others");
	assert_told(fixture_elements(f, "b", SL_ELEMENTS_ADD, "['198.51.100.0/24']"), "");
	assert_told(
		fixture_put(f, SL_OBJECT_SUBLAYER, "{'key':'s','name':'S','weight':8}"), "others");
	assert_told(fixture_put_policy(f, "{}"), "-a");
}

/* The later of two equals is made anew when they change places, and its filters stay what they are. */
static void
test_objects_made_anew(void **state)
{
	static const char filters[] =
		"'filters':[{'key':'a','name':'A','layer':'inbound_transport_v4',"
		"'sublayer':'s','action':'permit'}]}";
	struct fixture *f = *state;
	char text[512];

	snprintf(text, sizeof(text),
		"{'sublayers':[{'key':'t','name':'T','weight':8},{'key':'s','name':'S','weight':8}]"
		",%s",
		filters);
	assert_told(fixture_put_policy(f, text), "+a");
	snprintf(text, sizeof(text),
		"{'sublayers':[{'key':'s','name':'S','weight':8},{'key':'t','name':'T','weight':8}]"
		",%s",
		filters);
	assert_told(fixture_put_policy(f, text), "others");
}

/* What a plugin is bound to cannot be told by objects. */
static void
test_plugins(void **state)
{
	struct fixture *f = *state;
	struct sl_error err;

	assert_told(fixture_put_policy(f,
			    "{'callouts':[{'key':'c','name':'C','layer':'inbound_transport_v4',"
			    "'plugin':'spy'}],'filters':[{'key':'k','name':'K','layer':"
			    "'inbound_transport_v4','action':{'type':'callout_inspection',"
			    "'callout':'c'}}]}"),
		"+k");
	assert_told(sl_control_plugin_register(f->control, &spy_callout, &err), "all");
	assert_told(sl_control_plugin_unload(f->control, "spy", &err), "all");
}

static void
test_the_first_revision(void **state)
{
	struct fixture *f = *state;

	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("a", "block")), "all");
	assert_told(fixture_put(f, SL_OBJECT_FILTER, FILTER("b", "block")), "+b");
}

static int
set_up(void **state)
{
	int rc = fixture_set_up_booted(state);

	memset(&last, 0, sizeof(last));
	return rc;
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_one_filter),
		BOOTED(test_whole_policies),
		BOOTED(test_a_part_of_the_policy),
		BOOTED(test_what_filters_refer_to),
		BOOTED(test_objects_made_anew),
		BOOTED(test_plugins),
		cmocka_unit_test_setup_teardown(
			test_the_first_revision, fixture_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
