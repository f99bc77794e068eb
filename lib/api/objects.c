/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include "base/sl_uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The six kinds of policy objects share one set of handlers: list, create, read, replace, delete.
 *
 * Lists come in creation order.  The cursor is the run-time id of the last object of the page before, so
 * pages neither repeat nor skip objects that were there all the time.
 */

#define LIMIT_MAX     1000
#define LIMIT_DEFAULT 100

static bool
same(const char *wanted, const char *found)
{
	return wanted == NULL || (found != NULL && strcmp(wanted, found) == 0);
}

static bool
passes(const struct api_request *request, const struct sl_object *object)
{
	const struct sl_filter *filter;
	const struct sl_callout_object *callout;

	if (!same(api_request_query(request, "provider"), object->provider) ||
		!same(api_request_query(request, "name"), object->name))
		return false;
	if (object->type == SL_OBJECT_FILTER) {
		filter = sl_filter_of(object);
		return same(api_request_query(request, "layer"), filter->layer->name) &&
			same(api_request_query(request, "sublayer"), filter->sublayer) &&
			same(api_request_query(request, "callout"), filter->callout) &&
			same(api_request_query(request, "action"), sl_action_name(filter->action));
	}
	if (object->type == SL_OBJECT_CALLOUT) {
		callout = sl_callout_object_of(object);
		return same(api_request_query(request, "layer"), callout->layer->name) &&
			same(api_request_query(request, "plugin"), callout->plugin);
	}
	return true;
}

static json_t *
object_json(struct api_request *request, const struct sl_object *object, bool with_stats)
{
	json_t *json = sl_document_write_object(object, true);

	if (json != NULL && with_stats && object->type == SL_OBJECT_FILTER)
		json_object_set_new(
			json, "stats", api_filter_stats_json(request->control, object->key));
	return json;
}

void
api_objects_list(struct api_request *request, struct api_reply *reply)
{
	struct sl_view view;
	struct sl_object *const *objects;
	json_t *items = json_array();
	json_t *next = json_null();
	uint64_t limit;
	uint64_t cursor;
	size_t n;
	size_t n_passed = 0;
	bool with_stats;

	if (!api_request_number(request, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, reply) ||
		!api_request_number(request, "cursor", 0, UINT64_MAX, 0, &cursor, reply) ||
		!api_request_flag(request, "stats", &with_stats, reply)) {
		json_decref(items);
		return;
	}
	sl_control_view_get(request->control, &view);
	objects = sl_policy_list(view.policy, (enum sl_object_type)request->route->type, &n);
	for (size_t i = 0; i < n; i++) {
		if (!passes(request, objects[i]))
			continue;
		n_passed++;
		if (objects[i]->id <= cursor)
			continue;
		if (json_array_size(items) < limit) {
			json_array_append_new(items, object_json(request, objects[i], with_stats));
			if (json_array_size(items) == limit)
				cursor = objects[i]->id;
		} else if (json_is_null(next)) {
			next = api_u64_json(cursor);
			cursor = UINT64_MAX;
		}
	}
	sl_control_view_put(request->control, &view);
	api_reply_json(reply, 200,
		json_pack("{s:o, s:o, s:I}", "items", items, "next_cursor", next, "total",
			(json_int_t)n_passed));
}

/* Answers with the object as it is in force now. */
static void
reply_object(struct api_request *request, const char *key, int status, struct api_reply *reply)
{
	enum sl_object_type type = (enum sl_object_type)request->route->type;
	const struct sl_object *object;
	struct sl_view view;
	bool with_stats;

	if (!api_request_flag(request, "stats", &with_stats, reply))
		return;
	sl_control_view_get(request->control, &view);
	object = sl_policy_find(view.policy, type, key);
	if (object == NULL)
		api_reply_problem(reply, sl_object_type_not_found(type),
			"there is no %s \"%.100s\"", sl_object_type_name(type), key);
	else
		api_reply_json(reply, status, object_json(request, object, with_stats));
	sl_control_view_put(request->control, &view);
}

void
api_objects_get(struct api_request *request, struct api_reply *reply)
{
	reply_object(request, request->key, 200, reply);
}

/* Commits a body's object; `key` is the path's, or NULL for POST. */
static void
put_object(
	struct api_request *request, const json_t *json, bool must_be_new, struct api_reply *reply)
{
	enum sl_object_type type = (enum sl_object_type)request->route->type;
	struct sl_problems problems = {0};
	struct sl_edit_object edit = {.must_be_new = must_be_new};
	char key[SL_KEY_LEN_MAX + 1];
	bool is_dry_run;

	edit.object = sl_document_read_object(
		type, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems);
	if (edit.object == NULL) {
		api_reply_problems(reply, &problems, true);
		sl_problems_fini(&problems);
		return;
	}
	snprintf(key, sizeof(key), "%s", edit.object->key);
	if (api_commit(request, sl_control_edit_put, &edit, true, &is_dry_run, reply) &&
		!is_dry_run) {
		reply_object(request, key, edit.was_new ? 201 : 200, reply);
		if (edit.was_new)
			snprintf(reply->location, sizeof(reply->location), "/v1/%s/%s",
				sl_object_type_plural(type), key);
	}
	sl_object_put(edit.object);
	sl_problems_fini(&problems);
}

void
api_objects_post(struct api_request *request, struct api_reply *reply)
{
	const json_t *json = api_request_json(request, reply);

	if (json != NULL)
		put_object(request, json, true, reply);
}

void
api_objects_put(struct api_request *request, struct api_reply *reply)
{
	const json_t *json = api_request_json(request, reply);
	const json_t *key;
	json_t *copy;

	if (json == NULL)
		return;
	key = json_object_get(json, "key");
	if (json_is_string(key) && strcmp(json_string_value(key), request->key) != 0) {
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"the body's key \"%.80s\" is not the path's \"%.80s\"",
			json_string_value(key), request->key);
		return;
	}
	copy = json_copy(request->json);
	if (copy != NULL && json_is_object(copy) && key == NULL)
		json_object_set_new(copy, "key", json_string(request->key));
	put_object(request, copy, false, reply);
	json_decref(copy);
}

struct referrers {
	json_t *list;
};

static bool
add_referrer(void *ctx, const struct sl_object *referrer)
{
	struct referrers *referrers = ctx;

	json_array_append_new(referrers->list,
		json_sprintf("%s/%s", sl_object_type_plural(referrer->type), referrer->key));
	return json_array_size(referrers->list) < LIMIT_MAX;
}

/* Names everything that stands in the way of a delete. */
static void
add_referrers(struct api_request *request, struct api_reply *reply)
{
	struct referrers referrers = {.list = json_array()};
	struct sl_view view;

	sl_control_view_get(request->control, &view);
	sl_policy_referrers(view.policy, (enum sl_object_type)request->route->type, request->key,
		add_referrer, &referrers);
	sl_control_view_put(request->control, &view);
	json_object_set_new(reply->json, "referrers", referrers.list);
}

void
api_objects_delete(struct api_request *request, struct api_reply *reply)
{
	struct sl_edit_delete edit = {(enum sl_object_type)request->route->type, request->key};
	const char *code;
	bool is_dry_run;

	if (api_commit(request, sl_control_edit_delete, &edit, false, &is_dry_run, reply))
		return;
	code = json_string_value(json_object_get(reply->json, "code"));
	if (code != NULL && strcmp(code, sl_err_name(SL_ERR_IN_USE)) == 0)
		add_referrers(request, reply);
}
