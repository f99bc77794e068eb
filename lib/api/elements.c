/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Elements of a set: whole, added, removed; as JSON or one a line as text/plain. */

#define LIMIT_MAX    1000000
#define ELEMENT_COST 112 /* bytes that jansson and malloc add to a text in an array */

static bool
wants_text(struct api_request *request)
{
	const char *accept =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Accept");

	return accept != NULL && strncasecmp(accept, "text/plain", 10) == 0;
}

static void
add_element(struct sl_buf *text, const json_t *element)
{
	char number[24];

	if (json_is_string(element)) {
		sl_buf_add_text(text, json_string_value(element));
		return;
	}
	(void)snprintf(
		number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(element));
	sl_buf_add_text(text, number);
}

/* One a line. */
static void
reply_text(const json_t *elements, struct api_reply *reply)
{
	struct sl_buf text = {0};
	size_t i;
	json_t *element;

	json_array_foreach((json_t *)(uintptr_t)elements, i, element) {
		add_element(&text, element);
		sl_buf_add_char(&text, '\n');
	}
	api_reply_buf(reply, 200, &text, "text/plain; charset=utf-8");
}

/* A page of a set's elements; `*n` receives how many there are in all. */
static json_t *
write_page(const struct sl_set *set, uint64_t cursor, uint64_t limit, uint64_t *n)
{
	struct sl_set page = *set;

	*n = set->n_elements;
	cursor = SL_MIN(cursor, *n);
	page.elements = set->elements != NULL ? set->elements + cursor : NULL;
	page.n_elements = (size_t)SL_MIN(limit, *n - cursor);
	return sl_document_write_elements(&page);
}

void
api_elements_get(struct api_request *request, struct api_reply *reply)
{
	const struct sl_object *object;
	struct sl_view view;
	json_t *page = NULL;
	uint64_t limit;
	uint64_t cursor;
	uint64_t n = 0;

	if (!api_request_number(request, "limit", 1, LIMIT_MAX, LIMIT_MAX, &limit, reply) ||
		!api_request_number(request, "cursor", 0, UINT32_MAX, 0, &cursor, reply))
		return;
	sl_control_view_get(request->control, &view);
	object = sl_policy_find(view.policy, SL_OBJECT_SET, request->key);
	if (object == NULL)
		api_reply_problem(
			reply, SL_ERR_SET_NOT_FOUND, "there is no set \"%.100s\"", request->key);
	else
		page = write_page(sl_set_of(object), cursor, limit, &n);
	sl_control_view_put(request->control, &view);
	if (reply->status != 0)
		return;
	if (page != NULL && wants_text(request))
		reply_text(page, reply);
	else
		api_reply_json(reply, 200,
			json_pack("{s:O, s:o, s:I}", "elements", page, "next_cursor",
				n > cursor + limit ? api_u64_json(cursor + limit) : json_null(),
				"total", (json_int_t)n));
	json_decref(page);
}

/* --- Text bodies. --- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next line that is not empty and no comment, without blanks around it. False: none is left. */
static bool
next_line(const char **at, const char *end, const char **line, size_t *len)
{
	while (*at < end) {
		const char *stop = memchr(*at, '\n', (size_t)(end - *at));
		const char *from = *at;

		if (stop == NULL)
			stop = end;
		*at = stop < end ? stop + 1 : end;
		while (from < stop && is_blank(*from))
			from++;
		while (stop > from && is_blank(stop[-1]))
			stop--;
		if (from == stop || *from == '#')
			continue;
		*line = from;
		*len = (size_t)(stop - from);
		return true;
	}
	return false;
}

/*
 * Lines as an array of texts, under the limit that JSON has: `*cost` receives the bytes of memory, which
 * are beyond `max` when that is why there is no array.
 */
static json_t *
read_lines(const char *text, size_t size, size_t max, size_t *cost)
{
	json_t *elements = json_array();
	const char *at = text;
	const char *line;
	size_t len;

	*cost = 0;
	while (next_line(&at, text + size, &line, &len)) {
		*cost += len + ELEMENT_COST;
		if (*cost <= max && memchr(line, '\0', len) == NULL &&
			json_array_append_new(elements, json_stringn(line, len)) == 0)
			continue;
		json_decref(elements);
		return NULL;
	}
	return elements;
}

static json_t *
text_elements(struct api_request *request, struct api_reply *reply)
{
	size_t max = request->api->config.request_memory_max;
	size_t cost;
	json_t *elements = read_lines(sl_buf_text(&request->body), request->body.len, max, &cost);

	if (elements == NULL && cost > max)
		api_reply_problem(reply, SL_ERR_TOO_LARGE,
			"the lines need more than the %zu bytes of memory that one request may use",
			max);
	else if (elements == NULL)
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"the body is not UTF-8 text, one element a line");
	return elements;
}

static json_t *
body_elements(struct api_request *request, struct api_reply *reply)
{
	const char *type =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Type");
	const json_t *json;

	if (type != NULL && strncasecmp(type, "text/plain", 10) == 0)
		return text_elements(request, reply);
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
