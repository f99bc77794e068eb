/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/explain.h"

/* Filters of a layer that are listed although they did not match, of each kind; the rest is counted. */
#define MISSES_MAX 1000

static const char *const verdict_names[] = {
	[SL_VERDICT_BLOCK] = "block",
	[SL_VERDICT_PERMIT] = "permit",
	[SL_VERDICT_ABSORB] = "absorb",
};

/* Takes `value` over. */
static void
put(struct explain_walk *walk, json_t *json, const char *name, json_t *value)
{
	if (json_object_set_new(json, name, value) != 0)
		walk->failed = true;
}

static void
append(struct explain_walk *walk, json_t *list, json_t *item)
{
	if (json_array_append_new(list, item) != 0)
		walk->failed = true;
}

void
explain_walk_init(
	struct explain_walk *walk, const struct sl_policy *policy, const struct sl_meta *meta)
{
	*walk = (struct explain_walk){
		.policy = policy,
		.meta = meta,
		.layers = json_array(),
		.permitted = json_array(),
		.assumed = json_array(),
		.engines_agree = true,
	};
	walk->failed = walk->layers == NULL || walk->permitted == NULL || walk->assumed == NULL;
}

void
explain_walk_fini(struct explain_walk *walk)
{
	json_decref(walk->layers);
	json_decref(walk->permitted);
	json_decref(walk->assumed);
	json_decref(walk->decided_by);
	json_decref(walk->running);
}

/* --- A layer begins. --- */

static void
begin_layer(struct explain_walk *walk, const struct sl_explain_step *step)
{
	walk->program = step->program;
	walk->sublayer = NULL;
	walk->sublayer_index = UINT32_MAX;
	walk->n_near = 0;
	walk->n_far = 0;
	json_decref(walk->running);
	walk->running = json_null();
	walk->sublayers = json_array();
	walk->layer = json_pack("{s:s, s:b, s:I, s:o}", "layer", step->layer->name, "discard",
		step->layer->is_discard, "filters",
		(json_int_t)(step->program != NULL ? step->program->n_filters : 0), "sublayers",
		walk->sublayers);
	append(walk, walk->layers, walk->layer);
}

/* The running result goes on from the sublayer before. */
static void
begin_sublayer(struct explain_walk *walk, uint32_t index)
{
	const struct sl_sublayer_run *run = &walk->program->sublayers[index];

	walk->sublayer_index = index;
	walk->filters = json_array();
	walk->sublayer = json_pack("{s:s, s:i, s:I, s:o, s:O}", "sublayer", run->object->object.key,
		"weight", (int)run->weight, "n_filters", (json_int_t)run->n_filters, "filters",
		walk->filters, "running_after", walk->running);
	append(walk, walk->sublayers, walk->sublayer);
}

/* --- Filters. --- */

static json_t *
running_json(const struct explain_walk *walk, const struct sl_trace_step *step)
{
	if (step->running_rank == SL_RANK_NONE && step->running == SL_VERDICT_PERMIT)
		return json_null();
	return json_pack("{s:s, s:s, s:s?}", "action", verdict_names[step->running], "right",
		step->running_is_hard ? "hard" : "soft", "filter",
		step->running_rank != SL_RANK_NONE
			? walk->program->filters[step->running_rank].object->object.key
			: NULL);
}

/* What comes of a filter whose callout is not loaded (WFP section 4.4). */
static const char *
would_unloaded(const struct sl_filter *filter)
{
	if (filter->action == SLUICE_ACTION_CALLOUT_INSPECTION)
		return "the plugin is not loaded: the filter is skipped";
	if ((filter->flags & SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED) != 0)
		return "the plugin is not loaded: the filter permits, because its flags say so";
	return "the plugin is not loaded: the filter blocks";
}

static const char *
would_loaded(const struct sl_filter *filter)
{
	switch (filter->action) {
	case SLUICE_ACTION_CALLOUT_INSPECTION:
		return "the plugin would see the packet and decide nothing";
	case SLUICE_ACTION_CALLOUT_TERMINATING:
		return "the plugin would decide; here it is taken to permit, which others may "
		       "override";
	default:
		return "the plugin might decide; here it is taken to continue";
	}
}

/* The plugin behind a callout, NULL when the object is gone. */
static const char *
plugin_of(const struct explain_walk *walk, const struct sl_filter *filter)
{
	const struct sl_object *object =
		sl_policy_find(walk->policy, SL_OBJECT_CALLOUT, filter->callout);

	return object != NULL ? sl_callout_object_of(object)->plugin : NULL;
}

static void
add_callout(struct explain_walk *walk, json_t *json, const struct sl_explain_step *step)
{
	const struct sl_filter_run *run = &walk->program->filters[step->rank];
	const struct sl_filter *filter = run->object;
	const struct sl_plugin *binding = run->binding.callout;
	const char *plugin = plugin_of(walk, filter);
	bool is_loaded = binding != NULL && sl_callout_is_loaded(binding);
	bool is_assumed;

	put(walk, json, "callout", json_string(filter->callout));
	put(walk, json, "plugin", plugin != NULL ? json_string(plugin) : json_null());
	put(walk, json, "plugin_loaded", json_boolean(is_loaded));
	if (!step->matched || !step->reached)
		return;
	is_assumed = is_loaded && filter->action != SLUICE_ACTION_CALLOUT_INSPECTION;
	put(walk, json, "would",
		json_string(is_loaded ? would_loaded(filter) : would_unloaded(filter)));
	put(walk, json, "assumed", json_boolean(is_assumed));
	if (is_assumed)
		append(walk, walk->assumed, json_string(filter->object.key));
}

static void
add_result(struct explain_walk *walk, json_t *json, const struct sl_trace_step *trace)
{
	put(walk, json, "returned",
		json_string(sl_action_name((enum sluice_action)trace->returned)));
	put(walk, json, "effect", json_string(sl_effect_name((enum sl_effect)trace->effect)));
	json_decref(walk->running);
	walk->running = running_json(walk, trace);
	put(walk, json, "running", json_incref(walk->running));
	put(walk, walk->sublayer, "running_after", json_incref(walk->running));
}

/* Misses by one field are what an operator looks for; they are not crowded out by the others. */
static bool
is_listed(struct explain_walk *walk, const struct sl_explain_step *step)
{
	if (step->matched)
		return true;
	if (step->miss.n_failed == 1)
		return walk->n_near++ < MISSES_MAX;
	return walk->n_far++ < MISSES_MAX;
}

static void
add_filter(struct explain_walk *walk, const struct sl_explain_step *step)
{
	const struct sl_filter *filter = walk->program->filters[step->rank].object;
	uint32_t sublayer = walk->program->hot[step->rank].sublayer;
	json_t *json;

	if (sublayer != walk->sublayer_index)
		begin_sublayer(walk, sublayer);
	if (!is_listed(walk, step))
		return;
	json = json_pack("{s:s, s:s, s:s, s:o, s:b}", "filter", filter->object.key, "name",
		filter->object.name, "action", sl_action_name(filter->action), "weight",
		api_u64_json(filter->effective_weight), "matched", step->matched);
	if (sl_action_is_callout(filter->action))
		add_callout(walk, json, step);
	if (!step->matched)
		put(walk, json, "near_miss",
			explain_miss_json(walk->program->layer, walk->meta, filter, &step->miss));
	else if (!step->reached)
		put(walk, json, "effect", json_string("not reached: its sublayer had decided"));
	else
		add_result(walk, json, &step->trace);
	append(walk, walk->filters, json);
}

/* --- A layer ends. --- */

/* `layer` is the layer's name, or NULL to leave it out. */
static json_t *
decided_json(const struct sl_explain_step *step, const char *layer)
{
	const struct sl_filter *filter;
	json_t *json;

	if (step->program == NULL || step->verdict.rank == SL_RANK_NONE)
		return json_null();
	filter = step->program->filters[step->verdict.rank].object;
	json = json_pack("{s:s, s:s, s:s}", "sublayer", filter->sublayer, "filter",
		filter->object.key, "right", step->verdict.is_hard ? "hard" : "soft");
	if (layer != NULL)
		api_set(&json, "layer", json_string(layer));
	return json;
}

/* Keeps the decision for the whole answer; that of a discard twin decides nothing. */
static void
keep_decision(struct explain_walk *walk, const struct sl_explain_step *step)
{
	json_t *whole = decided_json(step, step->layer->name);

	if (json_is_null(whole) || step->layer->is_discard) {
		json_decref(whole);
		return;
	}
	walk->failed = walk->failed || whole == NULL;
	if (step->verdict.action == SL_VERDICT_PERMIT) {
		append(walk, walk->permitted, whole);
		return;
	}
	json_decref(walk->decided_by);
	walk->decided_by = whole;
}

static void
end_layer(struct explain_walk *walk, const struct sl_explain_step *step)
{
	enum sl_reason reason = step->verdict.action == SL_VERDICT_PERMIT
		? SL_REASON_NONE
		: (enum sl_reason)step->verdict.reason;
	uint32_t n_unlisted = (walk->n_near > MISSES_MAX ? walk->n_near - MISSES_MAX : 0) +
		(walk->n_far > MISSES_MAX ? walk->n_far - MISSES_MAX : 0);

	put(walk, walk->layer, "verdict", json_string(verdict_names[step->verdict.action]));
	put(walk, walk->layer, "reason", api_reason_json(reason));
	put(walk, walk->layer, "meaning", api_meaning_json(reason));
	put(walk, walk->layer, "reason_kind", api_reason_kind_json(reason));
	put(walk, walk->layer, "decided_by", decided_json(step, NULL));
	put(walk, walk->layer, "engines_agree", json_boolean(step->engines_agree));
	put(walk, walk->layer, "misses_not_listed", json_integer(n_unlisted));
	keep_decision(walk, step);
	walk->engines_agree = walk->engines_agree && step->engines_agree;
}

void
explain_walk_step(void *ctx, const struct sl_explain_step *step)
{
	struct explain_walk *walk = ctx;

	/* A part that could not be made is no part to add to. */
	if (walk->failed)
		return;
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
