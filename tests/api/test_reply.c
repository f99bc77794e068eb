/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The body of a rendered reply, read back. */
static json_t *
body_of(struct api_reply *reply)
{
	json_t *json;

	api_reply_render(reply);
	assert_null(reply->json);
	json = json_loadb(reply->text, reply->text_len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	return json;
}

static void
check_problem(struct api_reply *reply, int status, const char *code, const char *detail)
{
	json_t *json = body_of(reply);

	assert_int_equal(reply->status, status);
	assert_string_equal(reply->content_type, "application/problem+json");
	assert_int_equal(json_integer_value(json_object_get(json, "status")), status);
	assert_string_equal(json_string_value(json_object_get(json, "code")), code);
	assert_string_equal(json_string_value(json_object_get(json, "detail")), detail);
	assert_string_equal(json_string_value(json_object_get(json, "type")), "about:blank");
	assert_true(strlen(json_string_value(json_object_get(json, "title"))) > 0);
	json_decref(json);
}

static void
test_problem(void **state)
{
	struct api_reply reply = {.location = "/v1/filters/x"};

	(void)state;
	api_reply_problem(&reply, SL_ERR_FILTER_NOT_FOUND, "there is no filter \"%s\"", "x\n\"");
	check_problem(&reply, 404, "filter_not_found", "there is no filter \"x\n\"\"");
	assert_string_equal(reply.location, "");
	assert_string_equal(reply.retry_after, "");
	api_reply_fini(&reply);

	api_reply_problem(&reply, SL_ERR_BUSY, "busy");
	check_problem(&reply, 503, "busy", "busy");
	assert_string_equal(reply.retry_after, "1");
	api_reply_fini(&reply);
}

/* What clients send is quoted whatever it is. */
static void
test_broken_text(void **state)
{
	struct api_reply reply = {0};

	(void)state;
	api_reply_problem(&reply, SL_ERR_NOT_FOUND, "no %s", "\xff\xfe");
	check_problem(&reply, 404, "not_found", "no ??");
	api_reply_fini(&reply);
	api_reply_problem(&reply, SL_ERR_NOT_FOUND, "no %.3s", "ab\xc3\xa9");
	check_problem(&reply, 404, "not_found", "no ab?");
	api_reply_fini(&reply);
}

static void
test_error(void **state)
{
	struct sl_error err = {.code = SL_ERR_CONFIGURATION, .where = "/api/socket", .text = "no"};
	struct api_reply reply = {0};
	json_t *json;

	(void)state;
	api_reply_error(&reply, &err);
	json = body_of(&reply);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(json, "errors"), 0), "pointer")),
		"/api/socket");
	json_decref(json);
	api_reply_fini(&reply);
	/* A place that is no pointer is no fault of the body. */
	memcpy(err.where, "file", sizeof("file"));
	api_reply_error(&reply, &err);
	json = body_of(&reply);
	assert_null(json_object_get(json, "errors"));
	json_decref(json);
	api_reply_fini(&reply);
}

static void
test_problems(void **state)
{
	struct sl_problems problems = {0};
	struct api_reply reply = {0};
	json_t *json;

	(void)state;
	sl_problems_add(&problems, SL_ERR_SUBLAYER_NOT_FOUND, "/sublayer", "there is none");
	api_reply_problems(&reply, &problems, false);
	check_problem(&reply, 404, "sublayer_not_found", "there is none");
	api_reply_fini(&reply);
	/* In a body, a reference to nothing is a fault of the body. */
	api_reply_problems(&reply, &problems, true);
	check_problem(&reply, 422, "sublayer_not_found", "there is none");
	api_reply_fini(&reply);

	sl_problems_add(&problems, SL_ERR_RESERVED, "/colour", "unknown");
	api_reply_problems(&reply, &problems, true);
	json = body_of(&reply);
	assert_string_equal(
		json_string_value(json_object_get(json, "detail")), "there is none (and 1 more)");
	assert_int_equal(json_array_size(json_object_get(json, "errors")), 2);
	json_decref(json);
	api_reply_fini(&reply);
	sl_problems_fini(&problems);

	/* Problems that found no room are problems still. */
	problems.n_total = 1;
	api_reply_problems(&reply, &problems, true);
	assert_int_equal(reply.status, 507);
	api_reply_fini(&reply);
	problems.n_total = 0;
	api_reply_problems(&reply, &problems, true);
	assert_int_equal(reply.status, 500);
	api_reply_fini(&reply);
}

static void
test_render(void **state)
{
	struct api_reply reply = {0};
	struct sl_buf text = {0};

	(void)state;
	api_reply_render(&reply);
	assert_int_equal(reply.status, 204);
	assert_null(reply.text);

	reply.status = 0;
	api_reply_json(&reply, 201, json_pack("{s:i}", "a", 1));
	api_reply_json(&reply, 200, json_pack("{s:i}", "b", 2)); /* the later one counts */
	api_reply_render(&reply);
	assert_string_equal(reply.text, "{\"b\":2}");
	assert_int_equal(reply.text_len, 7);
	api_reply_fini(&reply);

	api_reply_buf(&reply, 200, &text, "text/plain");
	api_reply_render(&reply);
	assert_int_equal(reply.text_len, 0);
	assert_non_null(reply.text);
	assert_int_equal(reply.status, 200);
	api_reply_fini(&reply);
}

/* --- Without memory. --- */

static void *
no_malloc(size_t size)
{
	(void)size;
	return NULL;
}

static void
check_no_memory(struct api_reply *reply)
{
	api_reply_render(reply);
	json_set_alloc_funcs(malloc, free);
	check_problem(reply, 507, "no_memory", "not enough memory for the answer");
	api_reply_fini(reply);
}

static void
test_no_memory(void **state)
{
	struct api_reply reply = {0};
	struct sl_buf text = {.failed = true};
	json_t *list = json_array();

	(void)state;
	json_set_alloc_funcs(no_malloc, free);
	api_reply_problem(&reply, SL_ERR_FILTER_NOT_FOUND, "there is no filter");
	check_no_memory(&reply);

	json_set_alloc_funcs(no_malloc, free);
	api_reply_json(&reply, 200, json_pack("{s:i}", "a", 1));
	check_no_memory(&reply);

	api_reply_buf(&reply, 200, &text, NULL);
	check_no_memory(&reply);

	/* A list with a part missing is no list. */
	api_append(&list, json_integer(1));
	assert_int_equal(json_array_size(list), 1);
	json_set_alloc_funcs(no_malloc, free);
	api_append(&list, json_integer(2));
	json_set_alloc_funcs(malloc, free);
	assert_null(list);
	api_append(&list, json_integer(3));
	assert_null(list);
	list = json_object();
	json_set_alloc_funcs(no_malloc, free);
	api_set(&list, "a", json_true());
	json_set_alloc_funcs(malloc, free);
	assert_null(list);
	api_add_reason(&list, SL_REASON_FILTER);
	assert_null(list);
}

/* --- Pieces. --- */

static void
test_pieces(void **state)
{
	json_t *json;

	(void)state;
	json = api_u64_json(UINT64_MAX);
	assert_string_equal(json_string_value(json), "18446744073709551615");
	json_decref(json);
	json = api_time_json(0);
	assert_true(json_is_null(json));
	json = api_time_json(1);
	assert_string_equal(json_string_value(json), "1970-01-01T00:00:00.000000Z");
	json_decref(json);
	assert_null(api_flags_json(SLUICE_FIELD_IP_PROTOCOL, 6));
	json = api_flags_json(SLUICE_FIELD_X_TCP_FLAGS, 0x12);
	assert_int_equal(json_array_size(json), 2);
	assert_string_equal(json_string_value(json_array_get(json, 0)), "syn");
	assert_string_equal(json_string_value(json_array_get(json, 1)), "ack");
	json_decref(json);
}

static void
test_reason(void **state)
{
	json_t *json = json_object();

	(void)state;
	api_add_reason(&json, SL_REASON_NONE);
	assert_true(json_is_null(json_object_get(json, "reason")));
	assert_true(json_is_null(json_object_get(json, "meaning")));
	assert_true(json_is_null(json_object_get(json, "reason_kind")));
	api_add_reason(&json, SL_REASON_IP4_TRUNCATED);
	assert_string_equal(json_string_value(json_object_get(json, "reason")), "ip4_truncated");
	assert_string_equal(
		json_string_value(json_object_get(json, "meaning")), "shorter than an IPv4 header");
	assert_string_equal(json_string_value(json_object_get(json, "reason_kind")), "malformed");
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_problem),
		cmocka_unit_test(test_broken_text),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_render),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
