/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/explain.h"

#include "base/sl_addr.h"

#include <stdlib.h>
#include <string.h>

/* --- Values. --- */

static bool
is_v4_address(enum sl_slot slot)
{
	return slot == SL_SLOT_IP4_SRC || slot == SL_SLOT_IP4_DST || slot == SL_SLOT_EMB_IP4_REMOTE;
}

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
	if (is_v4_address(slot))
		return json_string(sl_addr_format_v4((uint32_t)sl_meta_number(meta, slot), text));
	return json_integer((json_int_t)sl_meta_number(meta, slot));
}

bool
explain_add_value(json_t *json, const char *name, const struct sl_layer_field *field,
	const struct sl_meta *meta, enum sl_slot slot)
{
	char names_name[64];
	json_t *names = NULL;

	if (sl_meta_has(meta, slot) && sl_slot_info[slot].kind == SL_SLOT_KIND_NUMBER)
		names = api_flags_json(field->field, sl_meta_number(meta, slot));
	snprintf(names_name, sizeof(names_name), "%s_names", name);
	return json_object_set_new(json, name, explain_value_json(field, meta, slot)) == 0 &&
		(names == NULL || json_object_set_new(json, names_name, names) == 0);
}

/* --- Misses. --- */

/* The conditions on one field, as the document says them. */
static json_t *
wanted_json(const struct sl_filter *filter, const json_t *conditions, enum sluice_field field)
{
	json_t *wanted = json_array();

	for (size_t i = 0; i < json_array_size(conditions) && i < filter->n_conditions; i++)
		if (filter->conditions[i].field == field)
			api_append(&wanted, json_incref(json_array_get(conditions, i)));
	return wanted;
}

static void
add_dump(struct sl_buf *text, const json_t *value)
{
	char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	sl_buf_add_text(text, dump != NULL ? dump : "?");
	free(dump);
}

/* "ip_local_port is 23; wanted equal 80 or range [90,99]" */
static void
add_why(struct sl_buf *text, const json_t *failure)
{
	const json_t *found = json_object_get(failure, "found");
	const json_t *names = json_object_get(failure, "found_names");
	const json_t *condition;
	size_t i;

	sl_buf_printf(text, "%s%s is ", text->len > 0 ? ", and " : "",
		json_string_value(json_object_get(failure, "field")));
	if (json_is_null(found))
		sl_buf_add_text(text, "EMPTY");
	else
		add_dump(text, names != NULL ? names : found);
	sl_buf_add_text(text, "; wanted");
	json_array_foreach(json_object_get(failure, "wanted"), i, condition) {
		sl_buf_printf(text, "%s %s ", i > 0 ? " or" : "",
			json_string_value(json_object_get(condition, "match")));
		add_dump(text, json_object_get(condition, "value"));
	}
}

static json_t *
failure_json(const struct sl_layer *layer, const struct sl_meta *meta,
	const struct sl_filter *filter, const json_t *conditions, enum sluice_field id)
{
	const struct sl_layer_field *field = sl_layer_field_by_id(layer, id, NULL);
	json_t *json = json_pack("{s:s, s:o}", "field", sl_field_name(id), "wanted",
		wanted_json(filter, conditions, id));

	if (json != NULL && field != NULL &&
		explain_add_value(json, "found", field, meta, sl_meta_slot(layer, id)))
		return json;
	json_decref(json);
	return NULL;
}

json_t *
explain_miss_json(const struct sl_layer *layer, const struct sl_meta *meta,
	const struct sl_filter *filter, const struct sl_near_miss *miss)
{
	uint32_t n = SL_MIN(miss->n_failed, SL_NEAR_MISS_FIELDS_MAX);
	json_t *object = sl_document_write_object(&filter->object, false);
	const json_t *conditions = json_object_get(object, "conditions");
	json_t *failures = json_array();
	struct sl_buf why = {0};
	const json_t *first;
	json_t *json;

	for (uint32_t i = 0; i < n; i++) {
		api_append(
			&failures, failure_json(layer, meta, filter, conditions, miss->fields[i]));
		if (failures != NULL)
			add_why(&why, json_array_get(failures, i));
	}
	first = json_array_get(failures, 0);
	json = json_pack("{s:O, s:O, s:O, s:i, s:i, s:s, s:O}", "field",
		json_object_get(first, "field"), "found", json_object_get(first, "found"), "wanted",
		json_object_get(first, "wanted"), "failed", (int)miss->n_failed, "conditions",
		(int)miss->n_groups, "why", sl_buf_text(&why), "failures", failures);
	sl_buf_fini(&why);
	json_decref(failures);
	json_decref(object);
	return json;
}

/* --- The packet. --- */

/* The layers whose fields together are what can be told of a packet; of a name that two have, the first. */
static const char *const packet_layers[SL_ORIENTATION_OUTBOUND + 1][3][5] = {
	[SL_ORIENTATION_INBOUND] =
		{
			{"inbound_mac_frame_ethernet", "ingress_vswitch_ethernet"},
			{"inbound_transport_v4", "inbound_ippacket_v4",
				"ingress_vswitch_transport_v4", "inbound_mac_frame_ethernet",
				"ingress_vswitch_ethernet"},
			{"inbound_transport_v6", "inbound_ippacket_v6",
				"ingress_vswitch_transport_v6", "inbound_mac_frame_ethernet",
				"ingress_vswitch_ethernet"},
		},
	[SL_ORIENTATION_OUTBOUND] =
		{
			{"outbound_mac_frame_ethernet", "ingress_vswitch_ethernet"},
			{"outbound_transport_v4", "outbound_ippacket_v4",
				"ingress_vswitch_transport_v4", "outbound_mac_frame_ethernet",
				"ingress_vswitch_ethernet"},
			{"outbound_transport_v6", "outbound_ippacket_v6",
				"ingress_vswitch_transport_v6", "outbound_mac_frame_ethernet",
				"ingress_vswitch_ethernet"},
		},
};

static bool
add_fields(json_t *json, const struct sl_layer *layer, const struct sl_meta *meta)
{
	for (uint8_t i = 0; i < layer->n_fields; i++) {
		const struct sl_layer_field *f = &layer->fields[i];
		enum sl_slot slot = f->available ? sl_meta_slot(layer, f->field) : SL_SLOT_NONE;
		const char *name = sl_field_name(f->field);

		if (sl_meta_has(meta, slot) && json_object_get(json, name) == NULL &&
			!explain_add_value(json, name, f, meta, slot))
			return false;
	}
	return true;
}

static json_t *
fragment_json(const struct sl_meta *meta)
{
	if ((meta->meta_flags & SL_META_IS_FRAGMENT) == 0)
		return json_null();
	return json_pack("{s:i, s:b, s:I}", "offset", (int)meta->frag_offset, "more",
		(meta->meta_flags & SL_META_MORE_FRAGMENTS) != 0, "id", (json_int_t)meta->frag_id);
}

json_t *
explain_packet_json(const struct sl_meta *meta)
{
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;
	int version = meta->ip_version == 4 ? 1 : meta->ip_version == 6 ? 2 : 0;
	const char *const *names = packet_layers[is_inbound ? SL_ORIENTATION_INBOUND
							    : SL_ORIENTATION_OUTBOUND][version];
	json_t *json = json_pack("{s:I, s:o, s:o, s:b}", "frame_length",
		(json_int_t)meta->frame_len, "ip_version",
		meta->ip_version != 0 ? json_integer(meta->ip_version) : json_null(), "fragment",
		fragment_json(meta), "tunnel", (meta->meta_flags & SL_META_IS_TUNNEL) != 0);

	for (size_t i = 0; json != NULL && i < 5 && names[i] != NULL; i++) {
		if (!add_fields(json, sl_layer_find(names[i]), meta)) {
			json_decref(json);
			json = NULL;
		}
	}
	return json;
}
