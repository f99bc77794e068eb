/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include "sdk/sluice_callout.h"

#include <stdio.h>
#include <string.h>

void
api_engine_version(struct api_request *request, struct api_reply *reply)
{
	(void)request;
	api_reply_json(reply, 200,
		json_pack("{s:s, s:s, s:[s], s:i}", "name", "sluice", "version", SLUICE_VERSION,
			"api", "v1", "callout_abi", (int)SLUICE_ABI_VERSION));
}

void
api_engine_health(struct api_request *request, struct api_reply *reply)
{
	(void)request;
	api_reply_json(reply, 200, json_pack("{s:s}", "status", "ok"));
}

void
api_engine_ready(struct api_request *request, struct api_reply *reply)
{
	uint32_t n_current;
	uint32_t n_workers;
	bool is_ready = sl_control_ready(request->control, &n_current, &n_workers);

	is_ready = is_ready && n_current == n_workers;
	if (!is_ready)
		snprintf(reply->retry_after, sizeof(reply->retry_after), "1");
	api_reply_json(reply, is_ready ? 200 : 503,
		json_pack("{s:b, s:s, s:i, s:i, s:o}", "ready", is_ready, "status",
			is_ready ? "ready" : "not ready", "workers_current", (int)n_current,
			"workers", (int)n_workers, "revision",
			api_u64_json(sl_control_revision(request->control))));
}

static json_t *
objects_json(const struct sl_policy *policy)
{
	json_t *json = json_object();

	for (int type = 0; type < SL_OBJECT_TYPE_COUNT; type++)
		api_set(&json, sl_object_type_plural((enum sl_object_type)type),
			json_integer((json_int_t)sl_policy_len(policy, (enum sl_object_type)type)));
	return json;
}

static json_t *
progress_json(const struct sl_build_progress *progress)
{
	return json_pack("{s:s, s:I, s:I, s:I}", "phase", sl_build_phase_name(progress->phase),
		"filters_done", (json_int_t)progress->n_done, "filters_total",
		(json_int_t)progress->n_total, "running_ns", (json_int_t)progress->running_ns);
}

static json_t *
build_json(struct sl_control *control)
{
	struct sl_build_info info;

	sl_control_build(control, &info);
	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "commit",
		progress_json(&info.commit), "fold", progress_json(&info.fold), "superseded",
		(json_int_t)info.n_superseded, "folded", (json_int_t)info.n_folds, "filters_beside",
		(json_int_t)info.n_filters_beside, "filters_dead", (json_int_t)info.n_filters_dead,
		"held_bytes", (json_int_t)info.held_bytes);
}

void
api_engine_get(struct api_request *request, struct api_reply *reply)
{
	struct sl_control *control = request->control;
	const struct sl_plane *plane = sl_control_plane(control);
	struct sl_view view;
	uint64_t start_ns = sl_control_start_ns(control);
	uint32_t n_current;
	uint32_t n_workers;
	bool is_ready = sl_control_ready(control, &n_current, &n_workers);

	sl_control_view_get(control, &view);
	api_reply_json(reply, 200,
		json_pack("{s:s, s:s, s:o, s:o, s:{s:b, s:b}, s:o, s:o, s:{s:I, s:I, s:I}, s:o, "
			  "s:i, s:i}",
			"state", is_ready ? "running" : "starting", "mode",
			sl_mode_name(sl_control_mode(control)), "revision",
			api_u64_json(view.revision), "started", api_time_json(start_ns), "options",
			"collect_net_events", sl_control_events_enabled(control), "flow_events",
			sl_control_flow_events(control), "version", json_string(SLUICE_VERSION),
			"objects", objects_json(view.policy), "compiled", "filters",
			(json_int_t)(view.snapshot != NULL ? view.snapshot->n_filters : 0), "bytes",
			(json_int_t)(view.snapshot != NULL ? view.snapshot->memory_bytes : 0),
			"build_ns",
			(json_int_t)(view.snapshot != NULL ? view.snapshot->build_ns : 0), "build",
			build_json(control), "workers", (int)n_workers, "links",
			plane != NULL ? (int)plane->ops->n_links(plane->ctx) : 0));
	sl_control_view_put(control, &view);
}

/* What a PATCH asks for; checked whole before anything is set. */
struct engine_patch {
	bool has_mode, has_events, has_flow_events;
	enum sl_mode mode;
	bool events, flow_events;
};

static void
refuse_member(
	struct sl_problems *problems, const char *place, const char *name, const char *allowed)
{
	char pointer[64];

	/* Slashes and tildes would need escapes: then the place alone must do. */
	snprintf(pointer, sizeof(pointer), "%s/%.40s", place, name);
	sl_problems_add(problems, SL_ERR_RESERVED, strpbrk(name, "/~") == NULL ? pointer : place,
		"unknown member \"%.40s\"; allowed: %s", name, allowed);
}

static void
read_option(const char *name, const json_t *value, bool *has, bool *option,
	struct sl_problems *problems)
{
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/options/%s", name);
	if (!json_is_boolean(value))
		sl_problems_add(
			problems, SL_ERR_TYPE_MISMATCH, pointer, "%s is not true or false", name);
	*has = true;
	*option = json_is_true(value);
}

static void
read_options(const json_t *options, struct engine_patch *patch, struct sl_problems *problems)
{
	const char *name;
	json_t *value;

	if (!json_is_object(options)) {
		sl_problems_add(
			problems, SL_ERR_TYPE_MISMATCH, "/options", "options is not an object");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)options, name, value) {
		if (strcmp(name, "collect_net_events") == 0)
			read_option(name, value, &patch->has_events, &patch->events, problems);
		else if (strcmp(name, "flow_events") == 0)
			read_option(name, value, &patch->has_flow_events, &patch->flow_events,
				problems);
		else
			refuse_member(
				problems, "/options", name, "collect_net_events, flow_events");
	}
}

static void
read_patch(const json_t *json, struct engine_patch *patch, struct sl_problems *problems)
{
	const char *name;
	json_t *value;

	if (!json_is_object(json)) {
		sl_problems_add(problems, SL_ERR_TYPE_MISMATCH, "", "the body is not an object");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)json, name, value) {
		if (strcmp(name, "mode") == 0) {
			patch->has_mode = json_is_string(value) &&
				sl_mode_find(json_string_value(value), &patch->mode);
			if (!patch->has_mode)
				sl_problems_add(problems, SL_ERR_INVALID_ENUMERATOR, "/mode",
					"mode is not one of inline, monitor, bypass, block");
		} else if (strcmp(name, "options") == 0) {
			read_options(value, patch, problems);
		} else {
			refuse_member(problems, "", name, "mode, options");
		}
	}
}

/* What can fail comes first: it changes nothing then. */
static void
apply_patch(struct api_request *request, const struct engine_patch *patch, struct api_reply *reply)
{
	struct sl_error err;

	if (patch->has_flow_events &&
		sl_control_set_flow_events(request->control, patch->flow_events, &err) != 0) {
		api_reply_error(reply, &err);
		return;
	}
	if (patch->has_mode)
		sl_control_set_mode(request->control, patch->mode);
	if (patch->has_events)
		sl_control_set_events_enabled(request->control, patch->events);
	api_engine_get(request, reply);
}

void
api_engine_patch(struct api_request *request, struct api_reply *reply)
{
	const json_t *json = api_request_json(request, reply);
	struct engine_patch patch = {0};
	struct sl_problems problems = {0};

	if (json == NULL)
		return;
	read_patch(json, &patch, &problems);
	if (problems.n_total > 0)
		api_reply_problems(reply, &problems, true);
	else
		apply_patch(request, &patch, reply);
	sl_problems_fini(&problems);
}
