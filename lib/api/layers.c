/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

/* The catalogue of layers: fields with their types, what is in force, what it costs, what it did. */

#define LIMIT_MAX 1000
#define FACTS_MAX 32

static const char *const status_names[] = {
	[SL_LAYER_WORKING] = "working",
	[SL_LAYER_FLOW] = "not_supported",
	[SL_LAYER_MEANINGLESS] = "incompatible",
};

static const char *const orientation_names[] = {
	[SL_ORIENTATION_INBOUND] = "inbound",
	[SL_ORIENTATION_OUTBOUND] = "outbound",
	[SL_ORIENTATION_FORWARD] = "forward",
};

static json_t *
flags_json(enum sluice_field field)
{
	json_t *flags = json_array();
	const char *name;
	uint32_t bit;

	for (uint32_t i = 0; (name = sl_flag_name(field, i, &bit)) != NULL; i++)
		api_append(&flags, json_pack("{s:s, s:I}", "name", name, "bit", (json_int_t)bit));
	return flags;
}

static json_t *
fields_json(const struct sl_layer *layer)
{
	json_t *fields = json_array();

	for (uint8_t i = 0; i < layer->n_fields; i++) {
		const struct sl_layer_field *f = &layer->fields[i];
		json_t *json;
		uint32_t bit;

		if (!f->available)
			continue;
		json = json_pack("{s:s, s:s, s:i}", "field", sl_field_name(f->field), "type",
			sl_type_name(f->type), "id", (int)i);
		if (sl_flag_name(f->field, 0, &bit) != NULL)
			api_set(&json, "flags", flags_json(f->field));
		api_append(&fields, json);
	}
	return fields;
}

static json_t *
program_json(const struct sl_layer_program *program)
{
	struct sl_program_fact facts[FACTS_MAX];
	json_t *json;
	uint32_t n;

	if (program == NULL)
		return json_null();
	json = json_object();
	n = sl_program_facts(program, facts, FACTS_MAX);
	for (uint32_t i = 0; i < n; i++)
		api_set(&json, facts[i].name, json_string(facts[i].text));
	api_set(&json, "sublayers", json_integer((json_int_t)program->n_sublayers));
	api_set(&json, "bytes", json_integer((json_int_t)program->memory_bytes));
	api_set(&json, "build_ns", json_integer((json_int_t)program->build_ns));
	return json;
}

static json_t *
layer_json(const struct sl_layer *layer, const struct sl_view *view, const struct sl_counters *sum,
	bool whole)
{
	const struct sl_layer_program *program =
		view->snapshot != NULL ? view->snapshot->layers[layer->id] : NULL;
	const struct sl_layer_counter *counter = &sum->layers[layer->id];
	json_t *json = json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:I}", "key", layer->name, "id",
		(int)layer->id, "status", status_names[layer->status], "description", layer->why,
		"orientation", orientation_names[layer->orientation], "ip_version",
		(int)layer->ip_version, "filters",
		(json_int_t)(program != NULL ? program->n_filters : 0));

	if (json == NULL)
		return NULL;
	api_set(&json, "discard_twin",
		layer->twin != NULL ? json_string(layer->twin->name) : json_null());
	api_set(&json, "statistics",
		json_pack("{s:I, s:I, s:I, s:I, s:I}", "permit", (json_int_t)counter->permit,
			"block", (json_int_t)counter->block, "veto", (json_int_t)counter->veto,
			"absorb", (json_int_t)counter->absorb, "ignored_override",
			(json_int_t)counter->ignored_override));
	api_set(&json, "fields", fields_json(layer));
	if (layer->status == SL_LAYER_WORKING)
		api_set(&json, "default_sublayer", json_string("universal"));
	if (whole)
		api_set(&json, "program", program_json(program));
	return json;
}

void
api_layers_list(struct api_request *request, struct api_reply *reply)
{
	const struct sl_layer *const *layers;
	struct sl_counters sum = {0};
	struct sl_view view;
	json_t *items = json_array();
	uint64_t limit;
	uint64_t cursor;
	uint32_t n;

	if (!api_request_number(request, "limit", 1, LIMIT_MAX, LIMIT_MAX, &limit, reply) ||
		!api_request_number(request, "cursor", 0, LIMIT_MAX, 0, &cursor, reply)) {
		json_decref(items);
		return;
	}
	layers = sl_layer_list(&n);
	sl_control_counters(request->control, &sum);
	sl_control_view_get(request->control, &view);
	for (uint64_t i = cursor; i < n && i - cursor < limit; i++)
		api_append(&items, layer_json(layers[i], &view, &sum, false));
	sl_control_view_put(request->control, &view);
	api_reply_json(reply, 200,
		json_pack("{s:o, s:o, s:I}", "items", items, "next_cursor",
			cursor + limit < n ? api_u64_json(cursor + limit) : json_null(), "total",
			(json_int_t)n));
}

void
api_layers_get(struct api_request *request, struct api_reply *reply)
{
	const struct sl_layer *layer = sl_layer_find(request->key);
	struct sl_counters sum = {0};
	struct sl_view view;

	if (layer == NULL) {
		api_reply_problem(reply, SL_ERR_LAYER_NOT_FOUND,
			"there is no layer \"%.100s\"; /v1/layers lists them", request->key);
		return;
	}
	sl_control_counters(request->control, &sum);
	sl_control_view_get(request->control, &view);
	api_reply_json(reply, 200, layer_json(layer, &view, &sum, true));
	sl_control_view_put(request->control, &view);
}
