/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef API_EXPLAIN_H
#define API_EXPLAIN_H

/*
 * POST /v1/explain in three steps: explain.c reads the question, explain_walk.c turns the steps of the
 * pipeline into JSON, explain_answer.c says what came of it.  explain_value.c writes values and conditions.
 */

#include "api/api.h"

/* A path with the storage its port names need. */
struct explain_path {
	struct sl_path path;
	struct sl_blob arrival;
	struct sl_blob nexthop;
	char arrival_text[SL_PORT_NAME_MAX];
	char nexthop_text[SL_PORT_NAME_MAX];
};

/* --- The walk. --- */

struct explain_walk {
	const struct sl_policy *policy;
	const struct sl_meta *meta;
	json_t *layers;     /* all that were visited */
	json_t *permitted;  /* decisions of the layers where a filter permitted */
	json_t *assumed;    /* keys of filters whose callout was not asked */
	json_t *decided_by; /* of the layer that did not permit; NULL: none */
	bool engines_agree;
	bool failed; /* out of memory: parts are missing */

	/* Of the layer being walked; borrowed but for `running`. */
	const struct sl_layer_program *program;
	json_t *layer;
	json_t *sublayers;
	json_t *sublayer;
	json_t *filters;
	json_t *running; /* the result after the last filter; owned */
	uint32_t sublayer_index;
	uint32_t n_near; /* misses by one field */
	uint32_t n_far;  /* by more */
};

/* Policy and metadata are borrowed. */
void explain_walk_init(
	struct explain_walk *walk, const struct sl_policy *policy, const struct sl_meta *meta);
void explain_walk_fini(struct explain_walk *walk);
/* An sl_explain_fn; `ctx` is a struct explain_walk. */
void explain_walk_step(void *ctx, const struct sl_explain_step *step);

/* --- The answer. --- */

void explain_reply_packet(struct api_request *request, const struct explain_path *path,
	const struct sl_frame *frame, enum sl_explain_flow flow, struct api_reply *reply);
void explain_reply_layer(struct api_request *request, const struct sl_layer *layer,
	const struct sl_meta *meta, struct api_reply *reply);

/* --- Values. --- */

/* The value of a slot as JSON; null when EMPTY. */
json_t *explain_value_json(
	const struct sl_layer_field *field, const struct sl_meta *meta, enum sl_slot slot);
/* Adds a field's value and, for flags, "NAME_names". False: out of memory. */
bool explain_add_value(json_t *json, const char *name, const struct sl_layer_field *field,
	const struct sl_meta *meta, enum sl_slot slot);
/*
 * Why a filter does not match: {"field", "found", "wanted", "failed", "conditions", "failures", "why"}.
 * NULL: out of memory.
 */
json_t *explain_miss_json(const struct sl_layer *layer, const struct sl_meta *meta,
	const struct sl_filter *filter, const struct sl_near_miss *miss);
/* What filters can test of the packet. NULL: out of memory. */
json_t *explain_packet_json(const struct sl_meta *meta);

#endif
