/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/sl_layer.h"

#include <string.h>

/* A named bit of a flags field. */
struct flag {
	enum sluice_field field;
	const char *name;
	uint32_t bit;
};

static const struct {
	const char *name;
	bool is_address;
} fields[SLUICE_FIELD_COUNT] = {
#define X(id, text, type) {text, SLUICE_TYPE_##type == SLUICE_TYPE_IP_ADDRESS},
#include "sdk/sluice_fields.def"
#undef X
};

/* WFP sections 2.5, 2.6 and 2.7; RFC 9293 section 3.1 and RFC 3168 for TCP. */
static const struct flag flags[] = {
	{SLUICE_FIELD_FLAGS, "is_loopback", SLUICE_CONDITION_FLAG_IS_LOOPBACK},
	{SLUICE_FIELD_FLAGS, "is_reauthorize", SLUICE_CONDITION_FLAG_IS_REAUTHORIZE},
	{SLUICE_FIELD_FLAGS, "is_fragment", SLUICE_CONDITION_FLAG_IS_FRAGMENT},
	{SLUICE_FIELD_FLAGS, "requires_ale_classify", SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY},
	{SLUICE_FIELD_FLAGS, "is_reassembled", SLUICE_CONDITION_FLAG_IS_REASSEMBLED},
	{SLUICE_FIELD_FLAGS, "is_injected", SLUICE_CONDITION_FLAG_IS_INJECTED},
	{SLUICE_FIELD_FLAGS, "is_tunnelled", SLUICE_CONDITION_FLAG_IS_TUNNELLED},
	{SLUICE_FIELD_FLAGS, "is_malformed_tolerated",
		SLUICE_CONDITION_FLAG_IS_MALFORMED_TOLERATED},
	{SLUICE_FIELD_FLAGS, "is_midstream", SLUICE_CONDITION_FLAG_IS_MIDSTREAM},
	{SLUICE_FIELD_L2_FLAGS, "native_ethernet", SLUICE_L2_FLAG_NATIVE_ETHERNET},
	{SLUICE_FIELD_L2_FLAGS, "malformed_packet", SLUICE_L2_FLAG_MALFORMED_PACKET},
	{SLUICE_FIELD_L2_FLAGS, "if_connector_present", SLUICE_L2_FLAG_IF_CONNECTOR_PRESENT},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "policy_change", 0x1},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "new_arrival_interface", 0x2},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "new_nexthop_interface", 0x4},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "profile_crossing", 0x8},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "classify_completion", 0x10},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "mid_stream_inspection", 0x40},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "new_inbound_mcast_bcast_packet", 0x100},
	{SLUICE_FIELD_REAUTHORIZE_REASON, "check_offload", 0x10000},
	{SLUICE_FIELD_X_TCP_FLAGS, "fin", 0x01},
	{SLUICE_FIELD_X_TCP_FLAGS, "syn", 0x02},
	{SLUICE_FIELD_X_TCP_FLAGS, "rst", 0x04},
	{SLUICE_FIELD_X_TCP_FLAGS, "psh", 0x08},
	{SLUICE_FIELD_X_TCP_FLAGS, "ack", 0x10},
	{SLUICE_FIELD_X_TCP_FLAGS, "urg", 0x20},
	{SLUICE_FIELD_X_TCP_FLAGS, "ece", 0x40},
	{SLUICE_FIELD_X_TCP_FLAGS, "cwr", 0x80},
	{SLUICE_FIELD_X_IP_OPTIONS, "record_route", SLUICE_IP_OPTION_RECORD_ROUTE},
	{SLUICE_FIELD_X_IP_OPTIONS, "timestamp", SLUICE_IP_OPTION_TIMESTAMP},
	{SLUICE_FIELD_X_IP_OPTIONS, "security", SLUICE_IP_OPTION_SECURITY},
	{SLUICE_FIELD_X_IP_OPTIONS, "lsrr", SLUICE_IP_OPTION_LSRR},
	{SLUICE_FIELD_X_IP_OPTIONS, "ssrr", SLUICE_IP_OPTION_SSRR},
	{SLUICE_FIELD_X_IP_OPTIONS, "stream_id", SLUICE_IP_OPTION_STREAM_ID},
	{SLUICE_FIELD_X_IP_OPTIONS, "router_alert", SLUICE_IP_OPTION_ROUTER_ALERT},
	{SLUICE_FIELD_X_IP_OPTIONS, "other", SLUICE_IP_OPTION_OTHER},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "hop_by_hop", SLUICE_IP6_EXT_HOP_BY_HOP},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "routing", SLUICE_IP6_EXT_ROUTING},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "fragment", SLUICE_IP6_EXT_FRAGMENT},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "ah", SLUICE_IP6_EXT_AH},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "destination", SLUICE_IP6_EXT_DESTINATION},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "mobility", SLUICE_IP6_EXT_MOBILITY},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "hip", SLUICE_IP6_EXT_HIP},
	{SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, "shim6", SLUICE_IP6_EXT_SHIM6},
};

const struct sl_layer *
sl_layer_find(const char *name)
{
	uint32_t n;
	const struct sl_layer *const *list = sl_layer_list(&n);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(list[i]->name, name) == 0)
			return list[i];
	return NULL;
}

const struct sl_layer_field *
sl_layer_field_by_id(const struct sl_layer *layer, enum sluice_field field, uint8_t *index)
{
	for (uint8_t i = 0; i < layer->n_fields; i++) {
		if (layer->fields[i].field != field)
			continue;
		if (!layer->fields[i].available)
			return NULL;
		if (index != NULL)
			*index = i;
		return &layer->fields[i];
	}
	return NULL;
}

bool
sl_layer_has_flow(const struct sl_layer *layer)
{
	return sl_layer_field_by_id(layer, SLUICE_FIELD_X_MIDSTREAM, NULL) != NULL;
}

/*
 * The first of two fields that the layer has: local and remote here, source and destination there.
 */
static const struct sl_layer_field *
either_field(const struct sl_layer *layer, enum sluice_field one, enum sluice_field other,
	uint8_t *index)
{
	const struct sl_layer_field *field = sl_layer_field_by_id(layer, one, index);

	return field != NULL ? field : sl_layer_field_by_id(layer, other, index);
}

const struct sl_layer_field *
sl_layer_field_find(const struct sl_layer *layer, const char *name, uint8_t *index)
{
	for (uint8_t i = 0; i < layer->n_fields; i++)
		if (strcmp(fields[layer->fields[i].field].name, name) == 0)
			return sl_layer_field_by_id(layer, layer->fields[i].field, index);
	if (strcmp(name, fields[SLUICE_FIELD_ICMP_TYPE].name) == 0)
		return either_field(
			layer, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_FIELD_IP_SOURCE_PORT, index);
	if (strcmp(name, fields[SLUICE_FIELD_ICMP_CODE].name) == 0)
		return either_field(layer, SLUICE_FIELD_IP_REMOTE_PORT,
			SLUICE_FIELD_IP_DESTINATION_PORT, index);
	return NULL;
}

void
sl_layer_list_fields(const struct sl_layer *layer, struct sl_buf *text)
{
	const char *separator = "";

	for (uint8_t i = 0; i < layer->n_fields; i++) {
		if (!layer->fields[i].available)
			continue;
		sl_buf_printf(text, "%s%s", separator, fields[layer->fields[i].field].name);
		separator = ", ";
	}
}

const char *
sl_field_name(enum sluice_field field)
{
	if ((unsigned int)field >= SLUICE_FIELD_COUNT || field == SLUICE_FIELD_NONE)
		return NULL;
	return fields[field].name;
}

bool
sl_field_is_address(enum sluice_field field)
{
	return (unsigned int)field < SLUICE_FIELD_COUNT && fields[field].is_address;
}

const char *
sl_type_name(enum sluice_data_type type)
{
	switch (type) {
	case SLUICE_TYPE_EMPTY:
		return "empty";
	case SLUICE_TYPE_UINT8:
		return "uint8";
	case SLUICE_TYPE_UINT16:
		return "uint16";
	case SLUICE_TYPE_UINT32:
		return "uint32";
	case SLUICE_TYPE_UINT64:
		return "uint64";
	case SLUICE_TYPE_BYTE_ARRAY16:
		return "byte_array16";
	case SLUICE_TYPE_BYTE_BLOB:
		return "byte_blob";
	case SLUICE_TYPE_BYTE_ARRAY6:
		return "byte_array6";
	case SLUICE_TYPE_IP_ADDRESS:
		return "ip_address";
	case SLUICE_TYPE_V4_ADDR_MASK:
		return "v4_addr_mask";
	case SLUICE_TYPE_V6_ADDR_MASK:
		return "v6_addr_mask";
	case SLUICE_TYPE_RANGE:
		return "range";
	case SLUICE_TYPE_SET:
		return "set";
	case SLUICE_TYPE_SINGLE_DATA_TYPE_MAX:
		break;
	}
	return NULL;
}

const char *
sl_action_name(enum sluice_action action)
{
	switch (action) {
	case SLUICE_ACTION_UNTOUCHED:
		return "untouched";
	case SLUICE_ACTION_NONE:
		return "none";
	case SLUICE_ACTION_NONE_NO_MATCH:
		return "none_no_match";
	case SLUICE_ACTION_BLOCK:
		return "block";
	case SLUICE_ACTION_PERMIT:
		return "permit";
	case SLUICE_ACTION_CONTINUE:
		return "continue";
	case SLUICE_ACTION_CALLOUT_UNKNOWN:
		return "callout_unknown";
	case SLUICE_ACTION_CALLOUT_TERMINATING:
		return "callout_terminating";
	case SLUICE_ACTION_CALLOUT_INSPECTION:
		return "callout_inspection";
	}
	return NULL;
}

const char *
sl_flag_name(enum sluice_field field, uint32_t i, uint32_t *bit)
{
	for (size_t k = 0; k < SL_ARRAY_LEN(flags); k++) {
		if (flags[k].field != field || i-- > 0)
			continue;
		*bit = flags[k].bit;
		return flags[k].name;
	}
	return NULL;
}

bool
sl_flag_find(enum sluice_field field, const char *name, uint32_t *bit)
{
	for (size_t k = 0; k < SL_ARRAY_LEN(flags); k++) {
		if (flags[k].field != field || strcmp(flags[k].name, name) != 0)
			continue;
		*bit = flags[k].bit;
		return true;
	}
	return false;
}
