/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"
#include "control/spy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * Every change once for every allocation that it makes, which fails: either nothing has changed and the
 * reason is told, or the allocation was one that the change can do without.  The linker leads the
 * allocations of our own code here (meson.build).
 */

/* Allocations until the one that fails; 0: none will, or it has. */
static struct {
	unsigned long countdown;
	bool has_failed;
} fault;

static bool
must_fail(void)
{
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	fault.has_failed = true;
	return true;
}

#define WRAP(type, name, parameters, arguments)                      \
	type __real_##name parameters;                               \
	type __wrap_##name parameters;                               \
	type __wrap_##name parameters                                \
	{                                                            \
		return must_fail() ? NULL : __real_##name arguments; \
	}

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(void *, reallocarray, (void *old, size_t n, size_t size), (old, n, size))
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(char *, strdup, (const char *text), (text))
WRAP(char *, strndup, (const char *text, size_t n), (text, n))

/* --- The bench. --- */

struct bench {
	struct fixture *f;
	char path[64];
	const char *paths[1];
	json_t *before;
	json_t *after;
	json_t *part;
	json_t *elements;
};

#define FILTER(key, layer, action)                                                               \
	"{'key':'" key "','name':'N','layer':'" layer "','sublayer':'s','conditions':[{'field':" \
	"'ip_remote_address','match':'in_set','value':'b'},{'field':'ip_protocol','match':"      \
	"'equal','value':6}],'action':" action "}"
#define SPIED(key, number)                                                                       \
	"{'key':'" key "','name':'N','layer':'inbound_transport_v4','description':'" number "'," \
	"'provider_context':'x','action':{'type':'callout_inspection','callout':'c'}}"
#define COMMON                                                                               \
	"{'providers':[{'key':'p','name':'P'}],"                                             \
	"'sublayers':[{'key':'s','name':'S','weight':9},{'key':'t','name':'T','weight':9}]," \
	"'callouts':[{'key':'c','name':'C','layer':'inbound_transport_v4','plugin':'spy'}]," \
	"'sets':[{'key':'b','name':'B','type':'v4_prefix','elements':['192.0.2.0/24']}],"

static const char before_text[] = COMMON
	"'provider_contexts':[{'key':'x','name':'X','data':{'number':1}}],"
	"'filters':[" FILTER("a", "inbound_transport_v4", "'block'") "," FILTER("b",
		"inbound_transport_v4", "'permit'") "," SPIED("k", "1") "," SPIED("l", "1") "]}";

/* Something of everything: new, gone, changed, moved, and another context for a plugin's filter. */
static const char after_text[] =
	COMMON "'provider_contexts':[{'key':'x','name':'X','data':{'number':2}}],"
	       "'filters':[" FILTER("n", "outbound_transport_v4", "'permit'") "," FILTER("b",
		       "inbound_transport_v4", "'permit'") "," FILTER("a", "inbound_transport_v4",
		       "'block'") "," SPIED("k", "2") "," SPIED("m", "1") "]}";

static int
set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct sl_error err;
	void *fixture;
	FILE *file;
	int fd;

	if (bench == NULL || fixture_set_up(&fixture) != 0)
		return -1;
	bench->f = fixture;
	strcpy(bench->path, "/tmp/test_control_memory.XXXXXX");
	fd = mkstemp(bench->path);
	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	bench->before = fixture_json(before_text);
	bench->after = fixture_json(after_text);
	bench->part = fixture_json("{'filters':[{'key':'o','name':'O','provider':'p',"
				   "'layer':'inbound_transport_v4','action':'block'}]}");
	bench->elements = fixture_json("['198.51.100.0/24','192.0.2.0/24']");
	if (file == NULL || json_dumpf(bench->after, file, 0) != 0 || fclose(file) != 0)
		return -1;
	bench->paths[0] = bench->path;
	bench->f->config.policy_files = bench->paths;
	bench->f->config.n_policy_files = 1;
	fixture_restart(bench->f);
	*state = bench;
	return sl_control_plugin_register(bench->f->control, &spy_callout, &err);
}

static int
tear_down(void **state)
{
	struct bench *bench = *state;
	void *fixture = bench->f;
	int rc;

	unlink(bench->path);
	json_decref(bench->before);
	json_decref(bench->after);
	json_decref(bench->part);
	json_decref(bench->elements);
	free(bench);
	rc = fixture_tear_down(&fixture);
	return spy.n_added == spy.n_deleted && spy.n_loaded == spy.n_unloaded ? rc : -1;
}

static int
put(struct bench *bench, const json_t *document, const char *provider, struct sl_problems *problems,
	struct sl_commit_report *report)
{
	struct sl_edit_policy edit = {.document = document,
		.lifetime = SL_LIFETIME_PERSISTENT,
		.origin = SL_ORIGIN_API,
		.provider = provider};

	return sl_control_change(
		bench->f->control, sl_control_edit_policy, &edit, 0, 0, problems, report);
}

/* One change; 0, or an error with problems added. */
typedef int
change_fn(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report);

/* What must be as it was when a change was refused. */
struct mark {
	struct sl_view view;
	uint32_t n_bound; /* filters that the plugin holds */
};

/* The policy in force: "filters/KEY" and what the document says of it, whatever the order. */
static json_t *
write_policy(struct bench *bench)
{
	json_t *all = json_object();
	struct sl_view view;

	sl_control_view_get(bench->f->control, &view);
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		enum sl_object_type type = (enum sl_object_type)t;
		struct sl_object *const *list;
		char name[128];
		size_t n;

		list = sl_policy_list(view.policy, type, &n);
		for (size_t i = 0; i < n; i++) {
			snprintf(name, sizeof(name), "%s/%s", sl_object_type_plural(type),
				list[i]->key);
			assert_int_equal(json_object_set_new(all, name,
						 sl_document_write_object(list[i], false)),
				0);
		}
	}
	sl_control_view_put(bench->f->control, &view);
	return all;
}

/* Whatever it could do without, a change that says it was made was made whole. */
static void
assert_policy(struct bench *bench, const json_t *wanted)
{
	json_t *found = write_policy(bench);

	assert_true(json_equal(found, wanted));
	json_decref(found);
}

static void
try(struct bench *bench, change_fn *change, unsigned long nth, const json_t *wanted)
{
	struct sl_problems problems = {0};
	struct sl_commit_report report = {0};
	struct mark mark = {.n_bound = spy.n_added - spy.n_deleted};
	int rc;

	sl_control_view_get(bench->f->control, &mark.view);
	fault.has_failed = false;
	fault.countdown = nth;
	rc = change(bench, &problems, &report);
	fault.countdown = 0;
	if (rc == 0) {
		assert_policy(bench, wanted);
	} else {
		assert_true(fault.has_failed);
		assert_true(problems.n_total > 0);
		fixture_assert_unchanged(bench->f, &mark.view);
		assert_int_equal(spy.n_added - spy.n_deleted, mark.n_bound);
	}
	sl_control_view_put(bench->f->control, &mark.view);
	sl_problems_fini(&problems);
	sl_commit_report_fini(&report);
}

/* What the change makes of the policy when nothing fails. */
static json_t *
rehearse(struct bench *bench, change_fn *change)
{
	struct sl_problems problems = {0};
	struct sl_commit_report report = {0};

	assert_int_equal(put(bench, bench->before, NULL, &problems, NULL), 0);
	assert_int_equal(change(bench, &problems, &report), 0);
	sl_commit_report_fini(&report);
	return write_policy(bench);
}

/* Until the change makes fewer allocations than would have to fail. */
static void
try_all(struct bench *bench, change_fn *change)
{
	json_t *wanted = rehearse(bench, change);
	unsigned long n = 0;

	do {
		struct sl_problems problems = {0};

		assert_int_equal(put(bench, bench->before, NULL, &problems, NULL), 0);
		try(bench, change, ++n, wanted);
	} while (fault.has_failed);
	assert_true(n > 10);
	json_decref(wanted);
}

/* --- Changes. --- */

static int
replace_policy(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report)
{
	return put(bench, bench->after, NULL, problems, report);
}

static int
replace_part(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report)
{
	return put(bench, bench->part, "p", problems, report);
}

static int
reload(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report)
{
	(void)report;
	return sl_control_reload(bench->f->control, problems);
}

static int
delete_filter(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report)
{
	struct sl_edit_delete edit = {.type = SL_OBJECT_FILTER, .key = "k"};

	return sl_control_change(
		bench->f->control, sl_control_edit_delete, &edit, 0, 0, problems, report);
}

static int
add_elements(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report)
{
	struct sl_edit_elements edit = {
		.set = "b", .change = SL_ELEMENTS_ADD, .elements = bench->elements};

	return sl_control_change(
		bench->f->control, sl_control_edit_elements, &edit, 0, 0, problems, report);
}

static int
remove_elements(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report)
{
	struct sl_edit_elements edit = {
		.set = "b", .change = SL_ELEMENTS_REMOVE, .elements = bench->elements};

	return sl_control_change(
		bench->f->control, sl_control_edit_elements, &edit, 0, 0, problems, report);
}

/* Plugins are told of one error, not of problems. */
static int
unload_plugin(struct bench *bench, struct sl_problems *problems, struct sl_commit_report *report)
{
	struct sl_error err = {0};
	int rc = sl_control_plugin_unload(bench->f->control, "spy", &err);

	(void)report;
	if (rc != 0)
		sl_problems_add(problems, err.code, "", "%s", err.text);
	return rc;
}

static void
test_replacing_the_policy(void **state)
{
	try_all(*state, replace_policy);
}

static void
test_replacing_a_part(void **state)
{
	try_all(*state, replace_part);
}

static void
test_reloading(void **state)
{
	try_all(*state, reload);
}

static void
test_deleting(void **state)
{
	try_all(*state, delete_filter);
}

static void
test_adding_elements(void **state)
{
	try_all(*state, add_elements);
}

static void
test_removing_elements(void **state)
{
	struct bench *bench = *state;

	json_array_remove(bench->elements, 0);
	try_all(bench, remove_elements);
}

static void
test_unloading_and_loading_a_plugin(void **state)
{
	struct bench *bench = *state;
	struct sl_problems problems = {0};
	struct sl_error err = {0};
	unsigned long n = 0;
	json_t *written;
	int rc;

	assert_int_equal(put(bench, bench->before, NULL, &problems, NULL), 0);
	written = write_policy(bench);
	do {
		uint32_t n_bound = spy.n_added - spy.n_deleted;

		try(bench, unload_plugin, ++n, written);
		/* Refused: it is still there with its filters. */
		if (spy.n_loaded != spy.n_unloaded)
			assert_int_equal(spy.n_added - spy.n_deleted, n_bound);
	} while (spy.n_loaded != spy.n_unloaded);
	assert_true(n > 3);
	n = 0;
	do {
		fault.has_failed = false;
		fault.countdown = ++n;
		rc = sl_control_plugin_register(bench->f->control, &spy_callout, &err);
		fault.countdown = 0;
		if (rc != 0)
			assert_int_equal(spy.n_added, spy.n_deleted);
	} while (rc != 0);
	assert_true(n > 3);
	assert_int_equal(spy.n_added - spy.n_deleted, 2);
	assert_policy(bench, written);
	json_decref(written);
}

static void
test_beginning(void **state)
{
	struct bench *bench = *state;
	struct sl_control *control = NULL;
	struct sl_error err = {0};
	int rc;

	bench->f->config.plane = NULL;
	for (unsigned long n = 1;; n++) {
		fault.has_failed = false;
		fault.countdown = n;
		rc = sl_control_new(&bench->f->config, &control, &err);
		fault.countdown = 0;
		if (rc == 0)
			break;
		assert_true(fault.has_failed);
		assert_int_equal(err.code, SL_ERR_NO_MEMORY);
	}
	sl_control_free(control);
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BENCH(test_replacing_the_policy),
		ON_BENCH(test_replacing_a_part),
		ON_BENCH(test_reloading),
		ON_BENCH(test_deleting),
		ON_BENCH(test_adding_elements),
		ON_BENCH(test_removing_elements),
		ON_BENCH(test_unloading_and_loading_a_plugin),
		ON_BENCH(test_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
