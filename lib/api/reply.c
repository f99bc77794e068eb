/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include "base/sl_utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is said when there is not even memory to say something else. */
static const char no_memory[] =
	"{\"type\":\"about:blank\",\"title\":\"not enough memory\",\"status\":507,"
	"\"code\":\"no_memory\",\"detail\":\"not enough memory for the answer\"}";

static json_t *
problem_json(enum sl_err code, int status, const char *detail)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
		sl_err_meaning(code), "status", status, "code", sl_err_name(code), "detail",
		detail);
}

void
api_reply_fini(struct api_reply *reply)
{
	json_decref(reply->json);
	free(reply->owned_text);
	*reply = (struct api_reply){0};
}

/* Puts a problem in the place of whatever body was there. Takes `json` over; NULL: no memory. */
static void
put_problem(struct api_reply *reply, json_t *json, int status)
{
	json_decref(reply->json);
	free(reply->owned_text);
	reply->owned_text = NULL;
	reply->json = json;
	reply->text = json == NULL ? no_memory : NULL;
	reply->text_len = json == NULL ? sizeof(no_memory) - 1 : 0;
	reply->status = json == NULL ? 507 : status;
	reply->content_type = "application/problem+json";
	reply->location[0] = '\0';
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
	/* It quotes the client, perhaps cut inside a character. */
	sl_utf8_mend(detail);
	put_problem(reply, problem_json(code, sl_err_http_status(code), detail),
		sl_err_http_status(code));
}

static json_t *
fault_json(const char *pointer, enum sl_err code, const char *detail)
{
	return json_pack(
		"{s:s, s:s, s:s}", "pointer", pointer, "code", sl_err_name(code), "detail", detail);
}

void
api_reply_error(struct api_reply *reply, const struct sl_error *err)
{
	int status = sl_err_http_status(err->code);
	json_t *json = problem_json(err->code, status, err->text);

	if (json != NULL && err->where[0] == '/')
		json_object_set_new(json, "errors",
			json_pack("[o]", fault_json(err->where, err->code, err->text)));
	put_problem(reply, json, status);
}

static json_t *
faults_json(const struct sl_problems *problems)
{
	json_t *errors = json_array();

	for (size_t i = 0; i < problems->n; i++) {
		const struct sl_problem *p = &problems->list[i];

		api_append(&errors, fault_json(p->pointer, p->code, p->detail));
	}
	return errors;
}

void
api_reply_problems(struct api_reply *reply, const struct sl_problems *problems, bool in_body)
{
	struct sl_buf detail = {0};
	json_t *json;
	int status;

	if (problems->n == 0) {
		api_reply_problem(reply, problems->n_total > 0 ? SL_ERR_NO_MEMORY : SL_ERR_INTERNAL,
			"the request failed and no reason could be kept");
		return;
	}
	status = sl_err_http_status(problems->list[0].code);
	if (in_body && status == 404)
		status = 422;
	sl_buf_add_text(&detail, problems->list[0].detail);
	if (problems->n_total > 1)
		sl_buf_printf(&detail, " (and %zu more)", problems->n_total - 1);
	json = problem_json(problems->list[0].code, status, sl_buf_text(&detail));
	sl_buf_fini(&detail);
	if (json != NULL)
		json_object_set_new(json, "errors", faults_json(problems));
	put_problem(reply, json, status);
}

void
api_reply_json(struct api_reply *reply, int status, json_t *json)
{
	if (json == NULL) {
		put_problem(reply, NULL, 507);
		return;
	}
	json_decref(reply->json);
	reply->json = json;
	reply->status = status;
}

void
api_reply_buf(struct api_reply *reply, int status, struct sl_buf *buf, const char *content_type)
{
	size_t len = buf->len;
	char *text = sl_buf_take(buf);

	if (text == NULL) {
		put_problem(reply, NULL, 507);
		return;
	}
	free(reply->owned_text);
	reply->owned_text = text;
	reply->text = text;
	reply->text_len = len;
	reply->content_type = content_type;
	reply->status = status;
}

/* For json_dump_callback. */
static int
add_text(const char *text, size_t size, void *ctx)
{
	struct sl_buf *buf = ctx;

	sl_buf_add(buf, text, size);
	return buf->failed ? -1 : 0;
}

void
api_reply_render(struct api_reply *reply)
{
	struct sl_buf buf = {0};
	json_t *json = reply->json;

	if (json != NULL) {
		reply->json = NULL;
		if (json_dump_callback(json, add_text, &buf, JSON_COMPACT) != 0)
			buf.failed = true;
		json_decref(json);
		api_reply_buf(reply, reply->status, &buf, reply->content_type);
	}
	if (reply->status == 0)
		reply->status = reply->text != NULL ? 200 : 204;
}
