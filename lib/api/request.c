/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <string.h>
#include <strings.h>

const char *
api_request_query(const struct api_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static const char *
header(const struct api_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static bool
has_query(const struct api_request *request, const char *name)
{
	const char *value;
	size_t len;

	return MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name,
		       strlen(name), &value, &len) == MHD_YES;
}

bool
api_request_flag(
	struct api_request *request, const char *name, bool *value, struct api_reply *reply)
{
	const char *text = api_request_query(request, name);

	*value = false;
	if (!has_query(request, name) || api_parse_flag(text != NULL ? text : "", value))
		return true;
	api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
		"query parameter %s is \"%.40s\"; allowed: 0, 1, true, false", name, text);
	return false;
}

bool
api_request_number(struct api_request *request, const char *name, uint64_t min, uint64_t max,
	uint64_t absent, uint64_t *value, struct api_reply *reply)
{
	const char *text = api_request_query(request, name);

	*value = absent;
	if (!has_query(request, name))
		return true;
	if (text != NULL && api_parse_number(text, min, max, value))
		return true;
	api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
		"query parameter %s is \"%.40s\"; allowed: an integer from %llu to %llu", name,
		text != NULL ? text : "", (unsigned long long)min, (unsigned long long)max);
	return false;
}

static bool
is_json_type(const char *type)
{
	size_t len = type == NULL ? 0 : strcspn(type, "; \t");

	return len == 0 || (len == 16 && strncasecmp(type, "application/json", len) == 0) ||
		(len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0) ||
		/* What curl -d says when nobody told it otherwise. */
		(len == 33 && strncasecmp(type, "application/x-www-form-urlencoded", len) == 0);
}

const json_t *
api_request_json(struct api_request *request, struct api_reply *reply)
{
	const char *type = header(request, "Content-Type");
	struct sl_error err;

	if (request->json != NULL)
		return request->json;
	if (!is_json_type(type)) {
		api_reply_problem(reply, SL_ERR_UNSUPPORTED_MEDIA_TYPE,
			"Content-Type is \"%.80s\"; allowed: application/json", type);
		return NULL;
	}
	if (request->body.len == 0) {
		api_reply_problem(
			reply, SL_ERR_SYNTAX, "the request needs a body: a JSON document");
		return NULL;
	}
	if (sl_json_load(request->body.data, request->body.len,
		    request->api->config.request_memory_max, &request->json, &err) != 0) {
		request->json = NULL;
		api_reply_error(reply, &err);
		return NULL;
	}
	sl_buf_fini(&request->body);
	return request->json;
}

bool
api_request_if_match(struct api_request *request, uint64_t *revision, struct api_reply *reply)
{
	const char *text = header(request, "If-Match");

	*revision = 0;
	if (text == NULL || api_parse_revision(text, revision))
		return true;
	api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
		"If-Match is \"%.40s\"; allowed: a policy revision in quotes, such as \"42\"",
		text);
	return false;
}
