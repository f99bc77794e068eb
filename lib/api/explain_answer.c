/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/explain.h"

#include <string.h>

static const char *const verdict_names[] = {
	[SL_VERDICT_BLOCK] = "block",
	[SL_VERDICT_PERMIT] = "permit",
	[SL_VERDICT_ABSORB] = "absorb",
	[SL_OUTCOME_HELD] = "held",
};

/* The filter an outcome credits, NULL when there is none. */
static const struct sl_filter *
filter_of(const struct sl_view *view, const struct sl_outcome *outcome)
{
	const struct sl_layer_program *program = outcome->has_layer && view->snapshot != NULL
		? view->snapshot->layers[outcome->layer]
		: NULL;

	if (program == NULL || outcome->rank == SL_RANK_NONE)
		return NULL;
	return program->filters[outcome->rank].object;
}

/* --- In words. --- */

static const char *
text_of(const json_t *json, const char *name)
{
	return json_string_value(json_object_get(json, name));
}

static void
say_block(struct sl_buf *text, const struct sl_outcome *outcome, const struct sl_filter *filter)
{
	sl_buf_printf(text, "%s at %s",
		outcome->action == SL_VERDICT_ABSORB ? "Absorbed" : "Blocked",
		sl_layer_by_id((enum sluice_layer)outcome->layer)->name);
	if (filter != NULL)
		sl_buf_printf(text, " by filter \"%s\" (%s) of sublayer \"%s\"", filter->object.key,
			filter->object.name, filter->sublayer);
	if (outcome->reason != SL_REASON_FILTER)
		sl_buf_printf(text, ": %s", sl_reason_meaning((enum sl_reason)outcome->reason));
	sl_buf_add_char(text, '.');
}

static void
say_permit(struct sl_buf *text, const json_t *permitted)
{
	const json_t *first = json_array_get(permitted, 0);
	size_t n = json_array_size(permitted);

	if (n == 0) {
		sl_buf_add_text(
			text, "Permitted: no filter decides, and what nobody blocks is permitted.");
		return;
	}
	sl_buf_printf(text, "Permitted by filter \"%s\" of sublayer \"%s\" at %s",
		text_of(first, "filter"), text_of(first, "sublayer"), text_of(first, "layer"));
	if (n > 1)
		sl_buf_printf(text, " and by filters at %zu more layer%s", n - 1, n > 2 ? "s" : "");
	sl_buf_add_text(text, "; no layer blocks it.");
}

static void
say_mode(struct sl_buf *text, enum sl_mode mode)
{
	switch (mode) {
	case SL_MODE_INLINE:
		break;
	case SL_MODE_MONITOR:
		sl_buf_add_text(
			text, " The engine is in mode monitor: the packet is forwarded anyway.");
		break;
	case SL_MODE_BYPASS:
		sl_buf_add_text(text,
			" The engine is in mode bypass: packets are forwarded without a look.");
		break;
	case SL_MODE_BLOCK:
		sl_buf_add_text(
			text, " The engine is in mode block: every packet is dropped anyway.");
		break;
	}
}

static json_t *
summary_json(const struct explain_walk *walk, const struct sl_outcome *outcome,
	const struct sl_filter *filter, enum sl_mode mode)
{
	struct sl_buf text = {0};
	json_t *json;

	if (outcome->action == SL_VERDICT_PERMIT)
		say_permit(&text, walk->permitted);
	else if (outcome->has_layer)
		say_block(&text, outcome, filter);
	else if (outcome->action == SL_OUTCOME_HELD)
		sl_buf_add_text(&text,
			"Held until the other fragments of its datagram are there; the layers that "
			"follow see it whole.");
	else
		sl_buf_printf(&text, "Dropped without regard to filters: %s (%s).",
			sl_reason_meaning((enum sl_reason)outcome->reason),
			sl_reason_name((enum sl_reason)outcome->reason));
	if (json_array_size(walk->assumed) > 0)
		sl_buf_add_text(&text,
			" No callout was asked: the filters in \"assumed\" may decide otherwise.");
	if (!walk->engines_agree)
		sl_buf_add_text(&text,
			" The compiled and the reference classifier disagree; packets go by the "
			"compiled one.");
	say_mode(&text, mode);
	json = text.failed ? NULL : json_string(sl_buf_text(&text));
	sl_buf_fini(&text);
	return json;
}

/* --- As data. --- */

static json_t *
answer_json(struct api_request *request, const struct explain_walk *walk,
	const struct sl_view *view, const struct sl_outcome *outcome)
{
	const struct sl_filter *filter = filter_of(view, outcome);
	enum sl_mode mode = sl_control_mode(request->control);
	json_t *json;

	if (walk->failed)
		return NULL;
	json = json_pack("{s:o, s:o, s:s, s:s, s:s?, s:s?, s:s?, s:O?, s:O, s:O, s:b, s:O}",
		"summary", summary_json(walk, outcome, filter, mode), "revision",
		api_u64_json(view->revision), "mode", sl_mode_name(mode), "verdict",
		verdict_names[outcome->action], "layer",
		outcome->has_layer ? sl_layer_by_id((enum sluice_layer)outcome->layer)->name : NULL,
		"sublayer", filter != NULL ? filter->sublayer : NULL, "filter",
		filter != NULL ? filter->object.key : NULL, "decided_by", walk->decided_by,
		"permitted_by", walk->permitted, "assumed", walk->assumed, "engines_agree",
		walk->engines_agree, "layers", walk->layers);
	api_add_reason(&json, (enum sl_reason)outcome->reason);
	return json;
}

static bool
add_packet(json_t *json, struct api_request *request, const struct explain_path *path,
	const struct sl_meta *meta)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_link_info link = {.name = ""};
	bool is_inbound = path->path.direction == SLUICE_DIRECTION_INBOUND;

	if (plane != NULL && path->path.link < plane->ops->n_links(plane->ctx))
		plane->ops->link_info(plane->ctx, path->path.link, &link);
	return json_object_set_new(
		       json, "direction", json_string(is_inbound ? "inbound" : "outbound")) == 0 &&
		json_object_set_new(json, "link",
			link.name[0] != '\0' ? json_string(link.name) : json_null()) == 0 &&
		json_object_set_new(json, "packet", explain_packet_json(meta)) == 0;
}

void
explain_reply_packet(struct api_request *request, const struct explain_path *path,
	const struct sl_frame *frame, enum sl_explain_flow flow, struct api_reply *reply)
{
	struct explain_walk walk;
	struct sl_outcome outcome;
	struct sl_meta meta;
	struct sl_view view;
	json_t *json = NULL;

	sl_meta_setup(&meta, path->path.direction, &path->path.ports);
	sl_control_view_get(request->control, &view);
	explain_walk_init(&walk, view.policy, &meta);
	if (sl_pipeline_explain(view.snapshot, &path->path, frame, flow, explain_walk_step, &walk,
		    &meta, &outcome) == 0)
		json = answer_json(request, &walk, &view, &outcome);
	if (json != NULL && !add_packet(json, request, path, &meta)) {
		json_decref(json);
		json = NULL;
	}
	sl_control_view_put(request->control, &view);
	explain_walk_fini(&walk);
	api_reply_json(reply, 200, json);
}

void
explain_reply_layer(struct api_request *request, const struct sl_layer *layer,
	const struct sl_meta *meta, struct api_reply *reply)
{
	struct explain_walk walk;
	struct sl_outcome outcome;
	struct sl_view view;
	json_t *json = NULL;

	sl_control_view_get(request->control, &view);
	explain_walk_init(&walk, view.policy, meta);
	if (sl_pipeline_explain_layer(
		    view.snapshot, layer, meta, explain_walk_step, &walk, &outcome) == 0)
		json = answer_json(request, &walk, &view, &outcome);
	sl_control_view_put(request->control, &view);
	explain_walk_fini(&walk);
	api_reply_json(reply, 200, json);
}
