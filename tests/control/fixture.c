/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_WORKERS 2u
#define START_NS  UINT64_C(1000000000)

static uint64_t
now(void *ctx)
{
	const struct fixture *f = ctx;

	return f->now_ns;
}

/* --- Life. --- */

int
fixture_set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sl_error err;

	sl_document_setup();
	if (f == NULL || sl_callout_registry_new(N_WORKERS, &f->registry) != 0)
		return -1;
	f->fake = fake_plane_new(N_WORKERS, 0);
	if (f->fake == NULL)
		return -1;
	f->now_ns = START_NS;
	f->clock = (struct sl_clock){.now_ns = now, .ctx = f};
	f->config = (struct sl_control_config){.plane = fake_plane_ops(f->fake),
		.registry = f->registry,
		.clock = &f->clock,
		.event_log_max = 64};
	*state = f;
	return sl_control_new(&f->config, &f->control, &err);
}

int
fixture_set_up_booted(void **state)
{
	struct fixture *f;

	if (fixture_set_up(state) != 0)
		return -1;
	f = *state;
	return sl_control_boot(f->control, &f->problems);
}

static void
forget_last(struct fixture *f)
{
	sl_problems_fini(&f->problems);
	sl_commit_report_fini(&f->report);
}

int
fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	fake_plane_stop(f->fake);
	forget_last(f);
	sl_control_free(f->control);
	fake_plane_free(f->fake);
	sl_callout_registry_free(f->registry);
	free(f);
	return 0;
}

void
fixture_restart(struct fixture *f)
{
	struct sl_error err;

	sl_control_free(f->control);
	assert_int_equal(sl_control_new(&f->config, &f->control, &err), 0);
}

/* --- JSON. --- */

char *
fixture_json_text(const char *json)
{
	char *text = strdup(json);

	assert_non_null(text);
	for (char *at = text; *at != '\0'; at++) {
		if (*at == '\'')
			*at = '"';
	}
	return text;
}

json_t *
fixture_json(const char *json)
{
	char *text = fixture_json_text(json);
	struct sl_error err = {0};
	json_t *out = NULL;

	if (sl_json_load(text, strlen(text), 0, &out, &err) != 0)
		fail_msg("%s: %s", json, err.text);
	free(text);
	return out;
}

/* --- Changes. --- */

static int
change(struct fixture *f, sl_control_edit_fn *edit, void *ctx)
{
	forget_last(f);
	return sl_control_change(
		f->control, edit, ctx, f->flags, f->if_revision, &f->problems, &f->report);
}

int
fixture_put_part(struct fixture *f, const char *provider, const char *json)
{
	json_t *document = fixture_json(json);
	struct sl_edit_policy edit = {.document = document,
		.lifetime = SL_LIFETIME_PERSISTENT,
		.origin = SL_ORIGIN_API,
		.provider = provider};
	int rc = change(f, sl_control_edit_policy, &edit);

	json_decref(document);
	return rc;
}

int
fixture_put_policy(struct fixture *f, const char *json)
{
	return fixture_put_part(f, NULL, json);
}

static int
put(struct fixture *f, enum sl_object_type type, const char *json, bool must_be_new)
{
	struct sl_edit_object edit = {.must_be_new = must_be_new};
	struct sl_problems problems = {0};
	json_t *body = fixture_json(json);
	int rc;

	edit.object = sl_document_read_object(
		type, body, "", SL_LIFETIME_PERSISTENT, SL_ORIGIN_API, &problems);
	if (edit.object == NULL)
		fail_msg("%s: %s", json, problems.n > 0 ? problems.list[0].detail : "?");
	rc = change(f, sl_control_edit_put, &edit);
	sl_object_put(edit.object);
	json_decref(body);
	return rc;
}

int
fixture_put(struct fixture *f, enum sl_object_type type, const char *json)
{
	return put(f, type, json, false);
}

int
fixture_post(struct fixture *f, enum sl_object_type type, const char *json)
{
	return put(f, type, json, true);
}

int
fixture_delete(struct fixture *f, enum sl_object_type type, const char *key)
{
	struct sl_edit_delete edit = {.type = type, .key = key};

	return change(f, sl_control_edit_delete, &edit);
}

int
fixture_elements(struct fixture *f, const char *set, enum sl_elements_change what, const char *json)
{
	json_t *elements = fixture_json(json);
	struct sl_edit_elements edit = {.set = set, .change = what, .elements = elements};
	int rc = change(f, sl_control_edit_elements, &edit);

	json_decref(elements);
	return rc;
}

/* --- Looking. --- */

void
fixture_assert_problem(struct fixture *f, enum sl_err code, const char *pointer, const char *words)
{
	for (size_t i = 0; i < f->problems.n; i++) {
		const struct sl_problem *problem = &f->problems.list[i];

		if (problem->code == code && strcmp(problem->pointer, pointer) == 0 &&
			strstr(problem->detail, words) != NULL)
			return;
	}
	for (size_t i = 0; i < f->problems.n; i++)
		print_error("found %s at \"%s\": %s\n", sl_err_name(f->problems.list[i].code),
			f->problems.list[i].pointer, f->problems.list[i].detail);
	fail_msg("no %s at \"%s\" with \"%s\"", sl_err_name(code), pointer, words);
}

/* Sections without objects are left out. */
static void
drop_empty(json_t *document)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(document, next, name, value) {
		if (json_is_array(value) && json_array_size(value) == 0)
			json_object_del(document, name);
	}
}

void
fixture_assert_policy(struct fixture *f, const char *json)
{
	json_t *wanted = fixture_json(json);
	struct sl_view view;
	json_t *found;

	sl_control_view_get(f->control, &view);
	found = sl_document_write(view.policy, NULL, false);
	sl_control_view_put(f->control, &view);
	assert_non_null(found);
	drop_empty(found);
	if (!json_equal(wanted, found)) {
		char *text = json_dumps(found, JSON_INDENT(1));

		print_error("found %s\n", text);
		free(text);
		fail_msg("it is not %s", json);
	}
	json_decref(found);
	json_decref(wanted);
}

void
fixture_assert_unchanged(struct fixture *f, const struct sl_view *view)
{
	struct sl_view now_in_force;

	sl_control_view_get(f->control, &now_in_force);
	assert_ptr_equal(now_in_force.policy, view->policy);
	assert_ptr_equal(now_in_force.snapshot, view->snapshot);
	assert_int_equal(now_in_force.revision, view->revision);
	assert_ptr_equal(fake_plane_snapshot(f->fake), view->snapshot);
	sl_control_view_put(f->control, &now_in_force);
}

void
fixture_assert_keys(char *const *list, size_t n, const char *keys)
{
	char *copy = strdup(keys);
	size_t n_wanted = 0;
	char *rest = NULL;

	for (char *key = strtok_r(copy, " ", &rest); key != NULL;
		key = strtok_r(NULL, " ", &rest)) {
		size_t i = 0;

		while (i < n && strcmp(list[i], key) != 0)
			i++;
		if (i == n)
			fail_msg("\"%s\" is missing", key);
		n_wanted++;
	}
	free(copy);
	for (size_t i = 0; n != n_wanted && i < n; i++)
		print_error("found %s\n", list[i]);
	assert_int_equal(n, n_wanted);
}

const struct sl_object *
fixture_find(struct fixture *f, enum sl_object_type type, const char *key)
{
	const struct sl_object *object;
	struct sl_view view;

	sl_control_view_get(f->control, &view);
	object = sl_policy_find(view.policy, type, key);
	sl_control_view_put(f->control, &view);
	return object;
}

const struct sl_filter *
fixture_filter(struct fixture *f, const char *key)
{
	const struct sl_object *object = fixture_find(f, SL_OBJECT_FILTER, key);

	return object != NULL ? sl_filter_of(object) : NULL;
}
