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

/* The members that a list is asked to be limited to; NULL: any. */
struct wanted {
	const char *provider, *name, *sublayer, *callout, *plugin;
	const char *layer, *action;
	bool is_any; /* no limit at all */
};

static bool
is_action(const char *name)
{
	static const enum sluice_action actions[] = {SLUICE_ACTION_PERMIT, SLUICE_ACTION_BLOCK,
		SLUICE_ACTION_CALLOUT_TERMINATING, SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CALLOUT_UNKNOWN};

	for (size_t i = 0; i < SL_ARRAY_LEN(actions); i++)
		if (strcmp(sl_action_name(actions[i]), name) == 0)
			return true;
	return false;
}

/* Objects come and go, so that a list of those of an unknown one is empty; names of ours do not. */
static bool
read_wanted(struct api_request *request, struct wanted *wanted, struct api_reply *reply)
{
	*wanted = (struct wanted){
		.provider = api_request_query(request, "provider"),
		.name = api_request_query(request, "name"),
		.sublayer = api_request_query(request, "sublayer"),
		.callout = api_request_query(request, "callout"),
		.plugin = api_request_query(request, "plugin"),
		.layer = api_request_query(request, "layer"),
		.action = api_request_query(request, "action"),
	};
	wanted->is_any = wanted->provider == NULL && wanted->name == NULL &&
		wanted->sublayer == NULL && wanted->callout == NULL && wanted->plugin == NULL &&
		wanted->layer == NULL && wanted->action == NULL;
	if (wanted->layer != NULL && sl_layer_find(wanted->layer) == NULL) {
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"there is no layer \"%.80s\"; /v1/layers lists them", wanted->layer);
		return false;
	}
	if (wanted->action != NULL && !is_action(wanted->action)) {
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"\"%.40s\" is no action of a filter; allowed: permit, block, "
			"callout_terminating, callout_inspection, callout_unknown",
			wanted->action);
		return false;
	}
	return true;
}

static bool
same(const char *wanted, const char *found)
{
	return wanted == NULL || (found != NULL && strcmp(wanted, found) == 0);
}

static bool
passes(const struct wanted *wanted, const struct sl_object *object)
{
	const struct sl_filter *filter;
	const struct sl_callout_object *callout;

	if (wanted->is_any)
		return true;
	if (!same(wanted->provider, object->provider) || !same(wanted->name, object->name))
		return false;
	if (object->type == SL_OBJECT_FILTER) {
		filter = sl_filter_of(object);
		return same(wanted->layer, filter->layer->name) &&
			same(wanted->sublayer, filter->sublayer) &&
			same(wanted->callout, filter->callout) &&
			same(wanted->action, sl_action_name(filter->action));
	}
	if (object->type == SL_OBJECT_CALLOUT) {
		callout = sl_callout_object_of(object);
		return same(wanted->layer, callout->layer->name) &&
			same(wanted->plugin, callout->plugin);
	}
	return true;
}

static json_t *
object_json(struct api_request *request, const struct sl_object *object, bool with_stats)
{
	json_t *json = sl_document_write_object(object, true);

	if (json != NULL && with_stats && object->type == SL_OBJECT_FILTER)
		api_set(&json, "stats", api_filter_stats_json(request->control, object->key));
	return json;
}

struct list_page {
	json_t *items;
	uint64_t cursor; /* in: of the page before; out: of this one */
	uint64_t limit;
	size_t n_passed; /* of all objects */
	bool has_more;
};

static void
fill_page(struct api_request *request, const struct sl_policy *policy, const struct wanted *wanted,
	bool with_stats, struct list_page *page)
{
	const enum sl_object_type type = (enum sl_object_type)request->route->type;
	const uint64_t cursor = page->cursor;
	const struct sl_object *object;

	/* What comes before the page is counted, unless everything is. */
	object = sl_policy_next(policy, type, wanted->is_any ? cursor : 0);
	for (; object != NULL && !(wanted->is_any && page->has_more);
		object = sl_policy_next(policy, type, object->id)) {
		if (!passes(wanted, object))
			continue;
		page->n_passed++;
		if (object->id <= cursor)
			continue;
		page->has_more = json_array_size(page->items) == page->limit;
		if (page->has_more)
			continue;
		api_append(&page->items, object_json(request, object, with_stats));
		if (page->items == NULL)
			return;
		page->cursor = object->id;
	}
	if (wanted->is_any)
		page->n_passed = sl_policy_len(policy, type);
}

void
api_objects_list(struct api_request *request, struct api_reply *reply)
{
	struct list_page page = {0};
	struct wanted wanted;
	struct sl_view view;
	bool with_stats;

	if (!api_request_number(
		    request, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &page.limit, reply) ||
		!api_request_number(request, "cursor", 0, UINT64_MAX, 0, &page.cursor, reply) ||
		!api_request_flag(request, "stats", &with_stats, reply) ||
		!read_wanted(request, &wanted, reply))
		return;
	page.items = json_array();
	sl_control_view_get(request->control, &view);
	fill_page(request, view.policy, &wanted, with_stats, &page);
	sl_control_view_put(request->control, &view);
	api_reply_json(reply, 200,
		json_pack("{s:o, s:o, s:I}", "items", page.items, "next_cursor",
			page.has_more ? api_u64_json(page.cursor) : json_null(), "total",
			(json_int_t)page.n_passed));
}

/*
 * Answers with the object as it is in force now, or as it was put when another change has taken it away
 * since.
 */
static void
reply_object(struct api_request *request, const char *key, const struct sl_object *put, int status,
	struct api_reply *reply)
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
		object = put;
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
	reply_object(request, request->key, NULL, 200, reply);
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
		if (edit.was_new)
			snprintf(reply->location, sizeof(reply->location), "/v1/%s/%s",
				sl_object_type_plural(type), key);
		reply_object(request, key, edit.object, edit.was_new ? 201 : 200, reply);
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

	if (json == NULL)
		return;
	key = json_object_get(json, "key");
	if (json_is_string(key) && strcmp(json_string_value(key), request->key) != 0) {
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"the body's key \"%.80s\" is not the path's \"%.80s\"",
			json_string_value(key), request->key);
		return;
	}
	/* No copy: one that memory cut short would be another object, perhaps one with fewer conditions. */
	if (json_is_object(json) && (key == NULL || json_is_null(key)) &&
		json_object_set_new(request->json, "key", json_string(request->key)) != 0)
		api_reply_problem(reply, SL_ERR_NO_MEMORY, "not enough memory for the body");
	else
		put_object(request, json, false, reply);
}

struct referrers {
	json_t *list;
};

static bool
add_referrer(void *ctx, const struct sl_object *referrer)
{
	struct referrers *referrers = ctx;

	api_append(&referrers->list,
		json_sprintf("%s/%s", sl_object_type_plural(referrer->type), referrer->key));
	return referrers->list != NULL && json_array_size(referrers->list) < LIMIT_MAX;
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
