/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Elements of a set: whole, added, removed; as JSON or one a line as text/plain. */

#define LIMIT_MAX 1000000

static bool
wants_text(struct api_request *request)
{
	const char *accept =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Accept");

	return accept != NULL && strncasecmp(accept, "text/plain", 10) == 0;
}

static json_t *
elements_slice(const json_t *all, size_t from, size_t limit)
{
	json_t *slice = json_array();

	for (size_t i = from; i < json_array_size(all) && i - from < limit; i++)
		json_array_append(slice, json_array_get(all, i));
	return slice;
}

/* One a line, as a JSON string that server.c must not quote: the text is handed over as the body. */
static void
reply_text(const json_t *elements, struct api_reply *reply)
{
	struct sl_buf text = {0};
	size_t i;
	json_t *element;

	json_array_foreach((json_t *)(uintptr_t)elements, i, element)
		sl_buf_printf(&text, "%s\n", json_string_value(element));
	reply->owned_text = sl_buf_take(&text);
	reply->text = reply->owned_text != NULL ? reply->owned_text : "";
	reply->text_len = strlen(reply->text);
	reply->content_type = "text/plain; charset=utf-8";
	reply->status = 200;
}

void
api_elements_get(struct api_request *request, struct api_reply *reply)
{
	const struct sl_object *object;
	struct sl_view view;
	json_t *all = NULL;
	uint64_t limit;
	uint64_t cursor;
	size_t n;

	if (!api_request_number(request, "limit", 1, LIMIT_MAX, LIMIT_MAX, &limit, reply) ||
		!api_request_number(request, "cursor", 0, UINT32_MAX, 0, &cursor, reply))
		return;
	sl_control_view_get(request->control, &view);
	object = sl_policy_find(view.policy, SL_OBJECT_SET, request->key);
	if (object != NULL)
		all = sl_document_write_elements(sl_set_of(object));
	sl_control_view_put(request->control, &view);
	if (object == NULL) {
		api_reply_problem(
			reply, SL_ERR_SET_NOT_FOUND, "there is no set \"%.100s\"", request->key);
		return;
	}
	n = json_array_size(all);
	if (wants_text(request))
		reply_text(all, reply);
	else
		api_reply_json(reply, 200,
			json_pack("{s:o, s:o, s:I}", "elements", elements_slice(all, cursor, limit),
				"next_cursor",
				n > cursor + limit ? api_u64_json(cursor + limit) : json_null(),
				"total", (json_int_t)n));
	json_decref(all);
}

/* Lines of a text body as an array; empty lines and those that begin with '#' are not elements. */
static json_t *
text_elements(const struct sl_buf *body)
{
	json_t *elements = json_array();
	const char *at = body->data;
	const char *end = body->data + body->len;

	while (at != NULL && at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const char *next = stop != NULL ? stop + 1 : end;
		size_t len = (size_t)((stop != NULL ? stop : end) - at);

		while (len > 0 && strchr(" \t\r", at[len - 1]) != NULL)
			len--;
		if (len > 0 && *at != '#' &&
			json_array_append_new(elements, json_stringn(at, len)) != 0) {
			json_decref(elements);
			return NULL;
		}
		at = next;
	}
	return elements;
}

static json_t *
body_elements(struct api_request *request, struct api_reply *reply)
{
	const char *type =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Type");
	const json_t *json;
	json_t *elements;

	if (type != NULL && strncasecmp(type, "text/plain", 10) == 0) {
		elements = text_elements(&request->body);
		if (elements == NULL)
			api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
				"the body is not UTF-8 text, one element a line");
		return elements;
	}
	json = api_request_json(request, reply);
	if (json == NULL)
		return NULL;
	if (json_is_object(json) && json_object_size(json) == 1 &&
		json_object_get(json, "elements") != NULL)
		json = json_object_get(json, "elements");
	if (!json_is_array(json)) {
		api_reply_problem(reply, SL_ERR_TYPE_MISMATCH,
			"the body is not an array of elements (or {\"elements\": [...]}, or "
			"text/plain, one a line)");
		return NULL;
	}
	return json_incref((json_t *)(uintptr_t)json);
}

static void
change(struct api_request *request, enum sl_elements_change what, struct api_reply *reply)
{
	struct sl_edit_elements edit = {.set = request->key, .change = what};
	json_t *elements = body_elements(request, reply);
	struct sl_view view;
	bool is_dry_run;
	bool exists;

	if (elements == NULL)
		return;
	sl_control_view_get(request->control, &view);
	exists = sl_policy_find(view.policy, SL_OBJECT_SET, request->key) != NULL;
	sl_control_view_put(request->control, &view);
	edit.elements = elements;
	if (!exists)
		api_reply_problem(
			reply, SL_ERR_SET_NOT_FOUND, "there is no set \"%.100s\"", request->key);
	else
		api_commit(request, sl_control_edit_elements, &edit, true, &is_dry_run, reply);
	json_decref(elements);
}

void
api_elements_put(struct api_request *request, struct api_reply *reply)
{
	change(request, SL_ELEMENTS_REPLACE, reply);
}

void
api_elements_post(struct api_request *request, struct api_reply *reply)
{
	change(request, SL_ELEMENTS_ADD, reply);
}

void
api_elements_delete(struct api_request *request, struct api_reply *reply)
{
	change(request, SL_ELEMENTS_REMOVE, reply);
}
