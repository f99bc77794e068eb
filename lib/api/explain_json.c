/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/explain.h"

#include "base/sl_addr.h"

#include <string.h>

/* Filters per layer that are listed although they did not match; the rest is counted. */
#define MISSES_MAX 1000

struct walk {
	const struct sl_meta *meta;
	json_t *layers;    /* all */
	json_t *layer;     /* the one being walked; borrowed from `layers` */
	json_t *sublayers; /* of that layer; borrowed */
	json_t *sublayer;  /* borrowed */
	json_t *filters;   /* of that sublayer; borrowed */
	const struct sl_layer_program *program;
	uint32_t sublayer_index;
	uint32_t n_misses;
	bool engines_agree;
};

static const char *const verdict_names[] = {
	[SL_VERDICT_BLOCK] = "block",
	[SL_VERDICT_PERMIT] = "permit",
	[SL_VERDICT_ABSORB] = "absorb",
};

json_t *
explain_value_json(
	const struct sl_layer_field *field, const struct sl_meta *meta, enum sl_slot slot)
{
	const uint8_t *at;
	const struct sl_blob *blob;
	char text[SL_V6_TEXT_MAX];

	if (!sl_meta_has(meta, slot))
		return json_null();
	at = (const uint8_t *)meta + sl_slot_info[slot].offset;
	if (sl_slot_info[slot].kind == SL_SLOT_KIND_BLOB) {
		memcpy(&blob, at, sizeof(blob));
		return json_stringn((const char *)blob->bytes, blob->len);
	}
	if (field->type == SLUICE_TYPE_BYTE_ARRAY6)
		return json_string(sl_addr_format_mac(at, text));
	if (field->type == SLUICE_TYPE_BYTE_ARRAY16)
		return json_string(sl_addr_format_v6(at, text));
	if (slot == SL_SLOT_IP4_SRC || slot == SL_SLOT_IP4_DST || slot == SL_SLOT_EMB_IP4_REMOTE)
		return json_string(sl_addr_format_v4((uint32_t)sl_meta_number(meta, slot), text));
	return json_integer((json_int_t)sl_meta_number(meta, slot));
}

/* The filter's conditions on one field, as its document says them. */
static json_t *
wanted_json(const struct sl_filter *filter, enum sluice_field field)
{
	json_t *object = sl_document_write_object(&filter->object, false);
	const json_t *conditions = json_object_get(object, "conditions");
	json_t *wanted = json_array();

	for (size_t i = 0; i < json_array_size(conditions) && i < filter->n_conditions; i++)
		if (filter->conditions[i].field == field)
			json_array_append(wanted, json_array_get(conditions, i));
	json_decref(object);
	return wanted;
}

static json_t *
miss_json(const struct walk *walk, const struct sl_filter *filter, const struct sl_near_miss *miss)
{
	const struct sl_layer_field *field =
		sl_layer_field_by_id(walk->program->layer, miss->field, NULL);

	return json_pack("{s:s, s:o, s:o, s:i, s:i}", "field", sl_field_name(miss->field), "found",
		field != NULL ? explain_value_json(field, walk->meta,
					sl_meta_slot(walk->program->layer, miss->field))
			      : json_null(),
		"wanted", wanted_json(filter, miss->field), "failed", (int)miss->n_failed,
		"conditions", (int)miss->n_groups);
}

static json_t *
running_json(const struct walk *walk, const struct sl_trace_step *step)
{
	if (step->running_rank == SL_RANK_NONE && step->running == SL_VERDICT_PERMIT)
		return json_null();
	return json_pack("{s:s, s:s, s:s*}", "action", verdict_names[step->running], "right",
		step->running_is_hard ? "hard" : "soft", "filter",
		step->running_rank != SL_RANK_NONE
			? walk->program->filters[step->running_rank].object->object.key
			: NULL);
}

static void
begin_layer(struct walk *walk, const struct sl_explain_step *step)
{
	walk->program = step->program;
	walk->sublayer = NULL;
	walk->sublayer_index = UINT32_MAX;
	walk->n_misses = 0;
	walk->sublayers = json_array();
	walk->layer = json_pack("{s:s, s:I, s:o}", "layer", step->layer->name, "filters",
		(json_int_t)(step->program != NULL ? step->program->n_filters : 0), "sublayers",
		walk->sublayers);
	json_array_append_new(walk->layers, walk->layer);
}

static void
begin_sublayer(struct walk *walk, uint32_t index)
{
	const struct sl_sublayer_run *run = &walk->program->sublayers[index];

	walk->sublayer_index = index;
	walk->filters = json_array();
	walk->sublayer = json_pack("{s:s, s:i, s:o, s:n}", "sublayer", run->object->object.key,
		"weight", (int)run->weight, "filters", walk->filters, "running_after");
	json_array_append_new(walk->sublayers, walk->sublayer);
}

static void
add_filter(struct walk *walk, const struct sl_explain_step *step)
{
	const struct sl_filter *filter = walk->program->filters[step->rank].object;
	uint32_t sublayer = walk->program->hot[step->rank].sublayer;
	json_t *json;

	if (sublayer != walk->sublayer_index)
		begin_sublayer(walk, sublayer);
	if (!step->matched && walk->n_misses++ >= MISSES_MAX)
		return;
	json = json_pack("{s:s, s:s, s:s, s:o, s:b, s:s*}", "filter", filter->object.key, "name",
		filter->object.name, "action", sl_action_name(filter->action), "weight",
		api_u64_json(filter->effective_weight), "matched", step->matched, "callout",
		filter->callout);
	if (!step->matched) {
		json_object_set_new(json, "near_miss", miss_json(walk, filter, &step->miss));
	} else if (!step->reached) {
		json_object_set_new(
			json, "effect", json_string("not reached: its sublayer had decided"));
	} else {
		json_object_set_new(json, "returned",
			json_string(sl_action_name((enum sluice_action)step->trace.returned)));
		json_object_set_new(json, "effect",
			json_string(sl_effect_name((enum sl_effect)step->trace.effect)));
		json_object_set_new(json, "running", running_json(walk, &step->trace));
		json_object_set_new(
			walk->sublayer, "running_after", running_json(walk, &step->trace));
	}
	json_array_append_new(walk->filters, json);
}

static json_t *
decided_json(const struct sl_layer_program *program, uint32_t rank, bool is_hard)
{
	const struct sl_filter *filter;

	if (program == NULL || rank == SL_RANK_NONE)
		return json_null();
	filter = program->filters[rank].object;
	return json_pack("{s:s, s:s, s:s}", "sublayer", filter->sublayer, "filter",
		filter->object.key, "right", is_hard ? "hard" : "soft");
}

static void
end_layer(struct walk *walk, const struct sl_explain_step *step)
{
	json_object_set_new(
		walk->layer, "verdict", json_string(verdict_names[step->verdict.action]));
	json_object_set_new(walk->layer, "reason",
		step->verdict.action == SL_VERDICT_PERMIT
			? json_null()
			: json_string(sl_reason_name((enum sl_reason)step->verdict.reason)));
	json_object_set_new(walk->layer, "decided_by",
		decided_json(step->program, step->verdict.rank, step->verdict.is_hard));
	json_object_set_new(walk->layer, "engines_agree", json_boolean(step->engines_agree));
	if (walk->n_misses > MISSES_MAX)
		json_object_set_new(walk->layer, "misses_not_listed",
			json_integer(walk->n_misses - MISSES_MAX));
	walk->engines_agree = walk->engines_agree && step->engines_agree;
}

static void
on_step(void *ctx, const struct sl_explain_step *step)
{
	struct walk *walk = ctx;

	switch (step->type) {
	case SL_EXPLAIN_LAYER:
		begin_layer(walk, step);
		break;
	case SL_EXPLAIN_FILTER:
		add_filter(walk, step);
		break;
	case SL_EXPLAIN_VERDICT:
		end_layer(walk, step);
		break;
	}
}

/* The values that filters of the packet's own layers can test, by field. */
static json_t *
packet_json(const struct sl_meta *meta)
{
	const char *name = meta->ip_version == 4 ? "ingress_vswitch_transport_v4"
		: meta->ip_version == 6          ? "ingress_vswitch_transport_v6"
						 : "ingress_vswitch_ethernet";
	const struct sl_layer *layer = sl_layer_find(name);
	json_t *json = json_object();

	for (uint8_t i = 0; i < layer->n_fields; i++) {
		const struct sl_layer_field *f = &layer->fields[i];
		enum sl_slot slot = f->available ? sl_meta_slot(layer, f->field) : SL_SLOT_NONE;

		if (sl_meta_has(meta, slot))
			json_object_set_new(
				json, sl_field_name(f->field), explain_value_json(f, meta, slot));
	}
	json_object_set_new(json, "frame_length", json_integer(meta->frame_len));
	return json;
}

static json_t *
answer_json(const struct walk *walk, const struct sl_view *view, const struct sl_outcome *outcome)
{
	const struct sl_layer_program *program = outcome->has_layer && view->snapshot != NULL
		? view->snapshot->layers[outcome->layer]
		: NULL;
	const struct sl_filter *filter = program != NULL && outcome->rank != SL_RANK_NONE
		? program->filters[outcome->rank].object
		: NULL;

	return json_pack("{s:o, s:s, s:s?, s:s?, s:s?, s:s?, s:b, s:O}", "revision",
		api_u64_json(view->revision), "verdict", verdict_names[outcome->action], "reason",
		outcome->reason != SL_REASON_NONE ? sl_reason_name((enum sl_reason)outcome->reason)
						  : NULL,
		"layer",
		outcome->has_layer ? sl_layer_by_id((enum sluice_layer)outcome->layer)->name : NULL,
		"sublayer", filter != NULL ? filter->sublayer : NULL, "filter",
		filter != NULL ? filter->object.key : NULL, "engines_agree", walk->engines_agree,
		"layers", walk->layers);
}

void
explain_reply_packet(struct api_request *request, const struct explain_path *path,
	const struct sl_frame *frame, struct api_reply *reply)
{
	struct walk walk = {.layers = json_array(), .engines_agree = true};
	struct sl_outcome outcome;
	struct sl_meta meta;
	struct sl_view view;
	json_t *json;
	int rc;

	sl_meta_setup(&meta, path->path.direction, &path->path.ports);
	walk.meta = &meta;
	sl_control_view_get(request->control, &view);
	rc = sl_pipeline_explain(
		view.snapshot, &path->path, frame, on_step, &walk, &meta, &outcome);
	json = rc == 0 ? answer_json(&walk, &view, &outcome) : NULL;
	if (json != NULL) {
		json_object_set_new(json, "direction",
			json_string(path->path.direction == SLUICE_DIRECTION_INBOUND ? "inbound"
										     : "outbound"));
		json_object_set_new(json, "packet", packet_json(&meta));
	}
	sl_control_view_put(request->control, &view);
	json_decref(walk.layers);
	api_reply_json(reply, 200, json);
}

void
explain_reply_layer(struct api_request *request, const struct sl_layer *layer,
	const struct sl_meta *meta, struct api_reply *reply)
{
	struct walk walk = {.meta = meta, .layers = json_array(), .engines_agree = true};
	struct sl_outcome outcome;
	struct sl_view view;
	json_t *json;
	int rc;

	sl_control_view_get(request->control, &view);
	rc = sl_pipeline_explain_layer(view.snapshot, layer, meta, on_step, &walk, &outcome);
	json = rc == 0 ? answer_json(&walk, &view, &outcome) : NULL;
	sl_control_view_put(request->control, &view);
	json_decref(walk.layers);
	api_reply_json(reply, 200, json);
}
