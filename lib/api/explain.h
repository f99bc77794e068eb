/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef API_EXPLAIN_H
#define API_EXPLAIN_H

/* From the pipeline's walk to the JSON of an explanation. */

#include "api/api.h"

/* A path with the storage its port names need. */
struct explain_path {
	struct sl_path path;
	struct sl_blob arrival;
	struct sl_blob nexthop;
	char arrival_text[SL_PORT_NAME_MAX];
	char nexthop_text[SL_PORT_NAME_MAX];
};

void explain_reply_packet(struct api_request *request, const struct explain_path *path,
	const struct sl_frame *frame, struct api_reply *reply);
void explain_reply_layer(struct api_request *request, const struct sl_layer *layer,
	const struct sl_meta *meta, struct api_reply *reply);

/* The value of a slot as JSON; null when EMPTY. */
json_t *explain_value_json(
	const struct sl_layer_field *field, const struct sl_meta *meta, enum sl_slot slot);

#endif
