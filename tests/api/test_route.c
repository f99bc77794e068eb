/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name;
	enum api_method method;
} methods[] = {
	{"get", API_GET},
	{"put", API_PUT},
	{"post", API_POST},
	{"delete", API_DELETE},
	{"patch", API_PATCH},
};

static const char *
method_name(enum api_method method)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(methods); i++)
		if (methods[i].method == method)
			return methods[i].name;
	return NULL;
}

static void
test_methods(void **state)
{
	enum api_method method;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(methods); i++) {
		char name[8] = "";

		for (size_t k = 0; methods[i].name[k] != '\0'; k++)
			name[k] = (char)toupper((unsigned char)methods[i].name[k]);
		assert_true(api_method_find(name, &method));
		assert_int_equal(method, methods[i].method);
		assert_false(api_method_find(methods[i].name, &method));
	}
	assert_false(api_method_find("", &method));
	assert_false(api_method_find("GETS", &method));
}

static void
test_keys(void **state)
{
	const struct api_route *route;
	char path[400];
	char key[256];
	char allow[64];

	(void)state;
	route = api_route_match(API_GET, "/v1/filters/no-telnet", key, allow);
	assert_non_null(route);
	assert_string_equal(route->path, "/v1/filters/{key}");
	assert_string_equal(key, "no-telnet");
	route = api_route_match(API_GET, "/v1/filters/no-telnet/stats", key, allow);
	assert_non_null(route);
	assert_string_equal(route->path, "/v1/filters/{key}/stats");
	assert_string_equal(key, "no-telnet");
	route = api_route_match(API_GET, "/v1/version", key, allow);
	assert_non_null(route);
	assert_string_equal(key, "");

	/* A path of its own is no key of another. */
	route = api_route_match(API_GET, "/v1/flows/stats", key, allow);
	assert_non_null(route);
	assert_string_equal(route->path, "/v1/flows/stats");
	assert_null(api_route_match(API_DELETE, "/v1/flows/stats", key, allow));
	assert_string_equal(allow, "GET");
	route = api_route_match(API_DELETE, "/v1/flows/7", key, allow);
	assert_non_null(route);
	assert_string_equal(key, "7");

	snprintf(path, sizeof(path), "/v1/filters/%0255d", 0);
	assert_non_null(api_route_match(API_GET, path, key, allow));
	assert_int_equal(strlen(key), 255);
	snprintf(path, sizeof(path), "/v1/filters/%0256d", 0);
	assert_null(api_route_match(API_GET, path, key, allow));
	assert_string_equal(allow, "");
}

static void
test_nothing(void **state)
{
	static const char *const paths[] = {"", "/", "v1/version", "/v1", "/v1/", "/v1/versions",
		"/v1/version/", "/v1/filters/", "/v1/filters//stats", "/v1/filters/a/b",
		"/v1/filters/a/stats/", "/v1/sets/elements/", "//v1/version", "/V1/version"};
	char key[256];
	char allow[64];

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(paths); i++) {
		assert_null(api_route_match(API_GET, paths[i], key, allow));
		assert_string_equal(allow, "");
	}
}

static void
test_allow(void **state)
{
	char key[256];
	char allow[64];

	(void)state;
	assert_null(api_route_match(API_DELETE, "/v1/version", key, allow));
	assert_string_equal(allow, "GET");
	assert_null(api_route_match(API_PATCH, "/v1/filters/a", key, allow));
	assert_string_equal(allow, "GET, PUT, DELETE");
	assert_null(api_route_match(API_PATCH, "/v1/sets/a/elements", key, allow));
	assert_string_equal(allow, "GET, PUT, POST, DELETE");
}

/* What waits for commits or grows with the policy must not run on the server's thread. */
static void
test_lanes(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_routes_n; i++) {
		const struct api_route *route = &api_routes[i];

		assert_in_range(route->lane, API_LANE_SERVER, API_LANE_CHANGE);
		if (route->handler == api_explain_post)
			assert_int_equal(route->lane, API_LANE_READ);
		else if (route->method != API_GET && route->method != API_PATCH)
			assert_int_equal(route->lane, API_LANE_CHANGE);
		else if (route->handler == api_policy_get || route->handler == api_objects_list)
			assert_int_equal(route->lane, API_LANE_READ);
	}
}

/* --- The contract. --- */

/* "#/components/parameters/limit" to what it names. */
static const json_t *
resolve(const json_t *document, const json_t *parameter)
{
	const char *ref = json_string_value(json_object_get(parameter, "$ref"));
	const json_t *components = json_object_get(document, "components");

	assert_non_null(ref);
	return json_object_get(json_object_get(components, "parameters"), strrchr(ref, '/') + 1);
}

static bool
is_in(const char *const *list, const char *name)
{
	while (*list != NULL && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

/* The query parameters of a route are those of its operation. */
static void
compare_queries(const json_t *document, const json_t *operation, const struct api_route *route)
{
	const json_t *parameter;
	size_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(operation, "parameters"), i, parameter) {
		const json_t *found = resolve(document, parameter);

		assert_non_null(found);
		if (strcmp(json_string_value(json_object_get(found, "in")), "query") != 0)
			continue;
		assert_true(
			is_in(route->queries, json_string_value(json_object_get(found, "name"))));
		n++;
	}
	for (i = 0; route->queries[i] != NULL; i++)
		;
	assert_int_equal(i, n);
}

static void
test_contract(void **state)
{
	json_t *document = json_loadb(api_openapi_text, api_openapi_len, 0, NULL);
	const json_t *paths = json_object_get(document, "paths");
	const char *path;
	json_t *operations;
	size_t n = 0;

	(void)state;
	assert_non_null(document);
	for (size_t i = 0; i < api_routes_n; i++) {
		const struct api_route *route = &api_routes[i];
		const json_t *operation = json_object_get(
			json_object_get(paths, route->path), method_name(route->method));

		if (operation == NULL)
			print_error("%s %s is not in the contract\n", method_name(route->method),
				route->path);
		assert_non_null(operation);
		compare_queries(document, operation, route);
	}
	json_object_foreach((json_t *)(uintptr_t)paths, path, operations)
		n += json_object_size(operations);
	assert_int_equal(n, api_routes_n);
	json_decref(document);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_lanes),
		cmocka_unit_test(test_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
