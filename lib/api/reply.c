/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static json_t *
problem_json(enum sl_err code, int status, const char *detail)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
		sl_err_meaning(code), "status", status, "code", sl_err_name(code), "detail",
		detail);
}

static void
put_problem(struct api_reply *reply, json_t *json, int status)
{
	json_decref(reply->json);
	reply->json = json;
	reply->status = status;
	reply->content_type = "application/problem+json";
	if (status == 503)
		snprintf(reply->retry_after, sizeof(reply->retry_after), "1");
}

void
api_reply_problem(struct api_reply *reply, enum sl_err code, const char *format, ...)
{
	char detail[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	put_problem(reply, problem_json(code, sl_err_http_status(code), detail),
		sl_err_http_status(code));
}

void
api_reply_error(struct api_reply *reply, const struct sl_error *err)
{
	int status = sl_err_http_status(err->code);
	json_t *json = problem_json(err->code, status, err->text);

	if (json != NULL && err->where[0] == '/')
		json_object_set_new(json, "errors",
			json_pack("[{s:s, s:s, s:s}]", "pointer", err->where, "code",
				sl_err_name(err->code), "detail", err->text));
	put_problem(reply, json, status);
}

void
api_reply_problems(struct api_reply *reply, const struct sl_problems *problems, bool in_body)
{
	json_t *errors = json_array();
	json_t *json;
	int status;
	char detail[512];

	if (problems->n == 0) {
		json_decref(errors);
		api_reply_problem(
			reply, SL_ERR_INTERNAL, "the request failed and no reason was given");
		return;
	}
	status = sl_err_http_status(problems->list[0].code);
	if (in_body && status == 404)
		status = 422;
	for (size_t i = 0; i < problems->n; i++) {
		const struct sl_problem *p = &problems->list[i];

		json_array_append_new(errors,
			json_pack("{s:s, s:s, s:s}", "pointer", p->pointer, "code",
				sl_err_name(p->code), "detail", p->detail));
	}
	if (problems->n_total == 1)
		snprintf(detail, sizeof(detail), "%s", problems->list[0].detail);
	else
		snprintf(detail, sizeof(detail), "%s (and %zu more)", problems->list[0].detail,
			problems->n_total - 1);
	json = problem_json(problems->list[0].code, status, detail);
	if (json == NULL)
		json_decref(errors);
	else
		json_object_set_new(json, "errors", errors);
	put_problem(reply, json, status);
}

void
api_reply_json(struct api_reply *reply, int status, json_t *json)
{
	if (json == NULL) {
		api_reply_problem(reply, SL_ERR_NO_MEMORY, "not enough memory for the answer");
		return;
	}
	json_decref(reply->json);
	reply->json = json;
	reply->status = status;
}

json_t *
api_time_json(uint64_t ns)
{
	char text[SL_TIME_TEXT_MAX];

	return ns == 0 ? json_null() : json_string(sl_time_format(ns, text));
}

json_t *
api_u64_json(uint64_t number)
{
	return json_sprintf("%llu", (unsigned long long)number);
}
