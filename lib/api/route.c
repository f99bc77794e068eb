/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

static const char *const none[] = {NULL};
static const char *const dry[] = {"dry_run", NULL};
static const char *const list[] = {"limit", "cursor", "provider", "name", NULL};
static const char *const list_callouts[] = {
	"limit", "cursor", "provider", "name", "layer", "plugin", NULL};
static const char *const list_filters[] = {"limit", "cursor", "provider", "name", "layer",
	"sublayer", "callout", "action", "stats", NULL};
static const char *const one_filter[] = {"stats", NULL};
static const char *const page[] = {"limit", "cursor", NULL};
static const char *const policy_get[] = {"provider", NULL};
static const char *const policy_put[] = {"provider", "dry_run", NULL};
static const char *const events[] = {"since", "limit", "filter", "layer", "reason", "type", NULL};

#define FLOW_FILTERS                                                                               \
	"protocol", "ip_version", "local", "remote", "local_port", "remote_port", "port", "state", \
		"class", "direction", "filter", "vlan", "pended"
static const char *const flows_list[] = {"limit", "cursor", FLOW_FILTERS, NULL};
static const char *const flows_delete[] = {"all", FLOW_FILTERS, NULL};

#define SERVER API_LANE_SERVER
#define READ   API_LANE_READ
#define CHANGE API_LANE_CHANGE

#define OBJECTS(name, type, list_queries, get_queries)                                     \
	{API_GET, READ, "/v1/" name, list_queries, api_objects_list, type},                \
		{API_POST, CHANGE, "/v1/" name, dry, api_objects_post, type},              \
		{API_GET, READ, "/v1/" name "/{key}", get_queries, api_objects_get, type}, \
		{API_PUT, CHANGE, "/v1/" name "/{key}", dry, api_objects_put, type},       \
	{                                                                                  \
		API_DELETE, CHANGE, "/v1/" name "/{key}", dry, api_objects_delete, type    \
	}

/* The one list of resources. */
const struct api_route api_routes[] = {
	{API_GET, SERVER, "/v1/version", none, api_engine_version, 0},
	{API_GET, SERVER, "/v1/health", none, api_engine_health, 0},
	{API_GET, SERVER, "/v1/ready", none, api_engine_ready, 0},
	{API_GET, SERVER, "/v1/openapi.json", none, api_openapi_get, 0},
	{API_GET, SERVER, "/v1/engine", none, api_engine_get, 0},
	{API_PATCH, SERVER, "/v1/engine", none, api_engine_patch, 0},
	{API_GET, SERVER, "/v1/layers", page, api_layers_list, 0},
	{API_GET, SERVER, "/v1/layers/{key}", none, api_layers_get, 0},
	OBJECTS("providers", SL_OBJECT_PROVIDER, list, none),
	OBJECTS("sublayers", SL_OBJECT_SUBLAYER, list, none),
	OBJECTS("provider_contexts", SL_OBJECT_PROVIDER_CONTEXT, list, none),
	OBJECTS("sets", SL_OBJECT_SET, list, none),
	OBJECTS("callouts", SL_OBJECT_CALLOUT, list_callouts, none),
	OBJECTS("filters", SL_OBJECT_FILTER, list_filters, one_filter),
	{API_GET, READ, "/v1/filters/{key}/stats", none, api_filter_stats_get, 0},
	{API_GET, READ, "/v1/sets/{key}/elements", page, api_elements_get, 0},
	{API_PUT, CHANGE, "/v1/sets/{key}/elements", dry, api_elements_put, 0},
	{API_POST, CHANGE, "/v1/sets/{key}/elements", dry, api_elements_post, 0},
	{API_DELETE, CHANGE, "/v1/sets/{key}/elements", dry, api_elements_delete, 0},
	{API_GET, READ, "/v1/policy", policy_get, api_policy_get, 0},
	{API_PUT, CHANGE, "/v1/policy", policy_put, api_policy_put, 0},
	{API_POST, READ, "/v1/explain", none, api_explain_post, 0},
	{API_GET, READ, "/v1/events", events, api_events_get, 0},
	{API_GET, READ, "/v1/flows", flows_list, api_flows_list, 0},
	{API_DELETE, CHANGE, "/v1/flows", flows_delete, api_flows_delete, 0},
	{API_GET, READ, "/v1/flows/stats", none, api_flows_stats, 0},
	{API_GET, READ, "/v1/flows/{key}", none, api_flows_get, 0},
	{API_DELETE, CHANGE, "/v1/flows/{key}", none, api_flows_delete_one, 0},
	{API_GET, SERVER, "/v1/stats", none, api_stats_get, 0},
	{API_GET, SERVER, "/v1/ports", none, api_ports_list, 0},
	{API_GET, SERVER, "/v1/ports/{key}", none, api_ports_get, 0},
	{API_GET, SERVER, "/v1/links", none, api_links_list, 0},
	{API_GET, SERVER, "/v1/links/{key}", none, api_links_get, 0},
	{API_GET, READ, "/v1/plugins", none, api_plugins_list, 0},
	{API_GET, READ, "/v1/plugins/{key}", none, api_plugins_get, 0},
	{API_POST, CHANGE, "/v1/plugins", none, api_plugins_post, 0},
	{API_DELETE, CHANGE, "/v1/plugins/{key}", none, api_plugins_delete, 0},
};
const size_t api_routes_n = SL_ARRAY_LEN(api_routes);

static const struct {
	const char *name;
	enum api_method method;
} methods[] = {
	{"GET", API_GET},
	{"PUT", API_PUT},
	{"POST", API_POST},
	{"DELETE", API_DELETE},
	{"PATCH", API_PATCH},
};

bool
api_method_find(const char *name, enum api_method *method)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(methods); i++) {
		if (strcmp(name, methods[i].name) == 0) {
			*method = methods[i].method;
			return true;
		}
	}
	return false;
}

/* Matches a path; the piece in place of {key} is copied out. */
static bool
match_path(const char *pattern, const char *path, char key[256])
{
	const char *brace = strchr(pattern, '{');
	size_t head;
	size_t key_len;

	key[0] = '\0';
	if (brace == NULL)
		return strcmp(pattern, path) == 0;
	head = (size_t)(brace - pattern);
	if (strncmp(pattern, path, head) != 0)
		return false;
	key_len = strcspn(path + head, "/");
	if (key_len == 0 || key_len >= 256 ||
		strcmp(strchr(brace, '}') + 1, path + head + key_len) != 0)
		return false;
	memcpy(key, path + head, key_len);
	key[key_len] = '\0';
	return true;
}

static void
add_allowed(char allow[64], enum api_method method)
{
	size_t len = strlen(allow);

	for (size_t i = 0; i < SL_ARRAY_LEN(methods); i++)
		if (methods[i].method == method)
			snprintf(allow + len, 64 - len, "%s%s", len > 0 ? ", " : "",
				methods[i].name);
}

/* A path that is in the table as it stands is never the key of another. */
static bool
is_literal(const char *path)
{
	for (size_t i = 0; i < api_routes_n; i++)
		if (strcmp(api_routes[i].path, path) == 0)
			return true;
	return false;
}

const struct api_route *
api_route_match(enum api_method method, const char *path, char key[256], char allow[64])
{
	bool literal = is_literal(path);

	allow[0] = '\0';
	for (size_t i = 0; i < api_routes_n; i++) {
		if (!match_path(api_routes[i].path, path, key) || (literal && key[0] != '\0'))
			continue;
		if (api_routes[i].method == method)
			return &api_routes[i];
		add_allowed(allow, api_routes[i].method);
	}
	return NULL;
}

struct query_check {
	const struct api_route *route;
	struct api_reply *reply;
	unsigned int seen; /* bit i: queries[i] came */
	bool ok;
};

static void
refuse_query(struct query_check *check, const char *name)
{
	struct sl_buf allowed = {0};

	for (const char *const *q = check->route->queries; *q != NULL; q++)
		sl_buf_printf(&allowed, "%s%s", allowed.len > 0 ? ", " : "", *q);
	api_reply_problem(check->reply, SL_ERR_INVALID_PARAMETER,
		"unknown query parameter \"%.40s\"; allowed: %s", name,
		allowed.len > 0 ? sl_buf_text(&allowed) : "none");
	sl_buf_fini(&allowed);
}

static enum MHD_Result
check_query(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct query_check *check = ctx;
	const char *const *queries = check->route->queries;
	unsigned int i = 0;

	(void)kind;
	(void)value;
	while (queries[i] != NULL && strcmp(queries[i], name) != 0)
		i++;
	check->ok = queries[i] != NULL && (check->seen >> i & 1) == 0;
	if (queries[i] == NULL)
		refuse_query(check, name);
	else if (!check->ok)
		api_reply_problem(check->reply, SL_ERR_INVALID_PARAMETER,
			"query parameter %s is given more than once", name);
	check->seen |= 1u << i;
	return check->ok ? MHD_YES : MHD_NO;
}

const struct api_route *
api_route_find(struct api_request *request, const char *path, struct api_reply *reply)
{
	struct query_check check = {.reply = reply, .ok = true};

	check.route = api_route_match(request->method, path, request->key, reply->allow);
	if (check.route == NULL && reply->allow[0] != '\0')
		api_reply_problem(
			reply, SL_ERR_METHOD_NOT_ALLOWED, "%.200s takes %s", path, reply->allow);
	else if (check.route == NULL)
		api_reply_problem(reply, SL_ERR_NOT_FOUND,
			"no resource %.200s; /v1/openapi.json lists them", path);
	if (check.route == NULL)
		return NULL;
	reply->allow[0] = '\0';
	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_query, &check);
	return check.ok ? check.route : NULL;
}
