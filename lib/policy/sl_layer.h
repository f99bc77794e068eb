/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_LAYER_H
#define SL_POLICY_LAYER_H

/*
 * Layers and fields as data: the schema that validation, the compiler, explain and GET /v1/layers
 * are driven by (WFP sections 1.2, 1.3, 1.5, 1.10 and appendix A).
 *
 * Threads. Constant tables; any thread, any time.
 */

#include "base/sl_buf.h"
#include "base/sl_compiler.h"
#include "sdk/sluice_types.h"

#include <stdbool.h>
#include <stdint.h>

enum sl_layer_status {
	SL_LAYER_WORKING,    /* takes filters and is visited */
	SL_LAYER_FLOW,       /* needs the byte stream of a flow: refuses with layer_not_supported */
	SL_LAYER_MEANINGLESS /* nothing on a wire is like it: refuses with incompatible_layer */
};

enum sl_orientation {
	SL_ORIENTATION_INBOUND,  /* local = destination */
	SL_ORIENTATION_OUTBOUND, /* local = source */
	SL_ORIENTATION_FORWARD   /* source and destination, or decided per packet */
};

/* One field of one layer; its index in the layer is WFP's FWPS field id. */
struct sl_layer_field {
	enum sluice_field field;
	enum sluice_data_type type; /* resolved: IP_ADDRESS is UINT32 or BYTE_ARRAY16 here */
	bool available; /* false: nothing on a wire gives it a value; conditions are refused */
};

/*
 * Slots of the automatic weight (WFP section 3.3), most important first; width in bits.  The last
 * slot has the field NONE: it takes all fields without a slot of their own.
 */
struct sl_weight_slot {
	enum sluice_field field;
	uint8_t width;
};

struct sl_layer {
	enum sluice_layer id;
	const char *name;
	uint8_t ip_version; /* 4, 6; 0 below IP */
	enum sl_layer_status status;
	enum sl_orientation orientation;
	bool is_discard;                     /* a discard twin */
	const struct sl_layer *twin;         /* its discard twin, or NULL */
	const struct sl_layer_field *fields; /* NULL when it has none */
	uint8_t n_fields;
	const struct sl_weight_slot *weight_slots;
	uint8_t n_weight_slots;
	/* For the operator, without full stop: what the layer sees, or why it takes no filters. */
	const char *why;
};

/* NULL when there is no such layer. The name is without prefix, lower case. */
const struct sl_layer *sl_layer_find(const char *name);
const struct sl_layer *sl_layer_by_id(enum sluice_layer id);
/* All layers in the order of their ids; `*n` receives how many. */
const struct sl_layer *const *sl_layer_list(uint32_t *n);
/*
 * True for layers that are about flows, or packets of a flow, discard twins included: ALE, stream, stream packet
 * and datagram data.  They are those with the field x_midstream.
 */
bool sl_layer_has_flow(const struct sl_layer *layer);

/*
 * The layer's field by name or id, NULL when the layer has no such field or it is not available.
 * "icmp_type" and "icmp_code" name the local (source) and remote (destination) port fields where
 * the layer has those and no fields of their own (WFP section 1.5, traps).  `index` may be NULL;
 * `*index` is untouched when there is no field.
 */
const struct sl_layer_field *
sl_layer_field_find(const struct sl_layer *layer, const char *name, uint8_t *index);
const struct sl_layer_field *
sl_layer_field_by_id(const struct sl_layer *layer, enum sluice_field field, uint8_t *index);
/* Adds the names of the available fields, "a, b, c", for texts that say what is allowed. */
void sl_layer_list_fields(const struct sl_layer *layer, struct sl_buf *text);

/* Names without prefix, lower case; NULL or false for unknown ones. */
const char *sl_field_name(enum sluice_field field);
/* True for IP addresses: their values may be prefixes, and their UINT32 is not a plain number. */
bool sl_field_is_address(enum sluice_field field);
const char *sl_type_name(enum sluice_data_type type);
const char *sl_action_name(enum sluice_action action);

/*
 * Names of the bits of a flags field (FLAGS, L2_FLAGS, X_TCP_FLAGS, X_IP_OPTIONS,
 * X_IP6_EXTENSION_HEADERS, REAUTHORIZE_REASON): the i-th named bit, or NULL past the last.
 */
const char *sl_flag_name(enum sluice_field field, uint32_t i, uint32_t *bit);
/* The bit of a flag's name; false when the field has no such flag. */
bool sl_flag_find(enum sluice_field field, const char *name, uint32_t *bit);

#endif
