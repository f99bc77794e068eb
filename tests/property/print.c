/* SPDX-License-Identifier: BSD-3-Clause */
#include "print.h"

#include <stdio.h>

static void
print_bytes(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%02x", bytes[i]);
}

static void
print_scalar(enum sl_slot slot, const union sl_scalar *scalar)
{
	if (slot != SL_SLOT_NONE && sl_slot_info[slot].kind == SL_SLOT_KIND_BYTES)
		print_bytes(scalar->bytes, sl_slot_info[slot].size);
	else
		fprintf(stderr, "%llu", (unsigned long long)scalar->number);
}

static void
print_condition(const struct sl_layer *layer, const struct sl_condition *condition)
{
	const struct sl_condition_value *value = &condition->value;
	const enum sl_slot slot = sl_meta_slot(layer, condition->field);

	fprintf(stderr, "    %s %s ", sl_field_name(condition->field),
		sl_match_name(condition->match));
	if (value->type == SLUICE_TYPE_EMPTY) {
		fprintf(stderr, "EMPTY\n");
		return;
	}
	if (value->text != NULL) {
		fprintf(stderr, "\"%s\"\n", value->text);
		return;
	}
	print_scalar(slot, &value->low);
	if (value->type == SLUICE_TYPE_V6_ADDR_MASK)
		fprintf(stderr, "/%u", value->prefix_len);
	else if (value->type == SLUICE_TYPE_V4_ADDR_MASK || value->type == SLUICE_TYPE_RANGE)
		fprintf(stderr, " .. "), print_scalar(slot, &value->high);
	fprintf(stderr, "\n");
}

void
print_filter(const struct sl_filter *filter)
{
	fprintf(stderr, "  %s: id %llu, sublayer %s, weight %llu, action %s\n", filter->object.key,
		(unsigned long long)filter->object.id, filter->sublayer,
		(unsigned long long)filter->effective_weight, sl_action_name(filter->action));
	for (size_t i = 0; i < filter->n_conditions; i++)
		print_condition(filter->layer, &filter->conditions[i]);
}

void
print_meta(const struct sl_layer *layer, const struct sl_meta *meta)
{
	for (uint32_t i = 0; i < layer->n_fields; i++) {
		const enum sl_slot slot = sl_meta_slot(layer, layer->fields[i].field);
		const struct sl_slot_info *info = &sl_slot_info[slot == SL_SLOT_NONE ? 0 : slot];
		const uint8_t *at = (const uint8_t *)meta + info->offset;
		const struct sl_blob *blob;

		if (slot == SL_SLOT_NONE)
			continue;
		fprintf(stderr, "  %s = ", sl_field_name(layer->fields[i].field));
		if (!sl_meta_has(meta, slot)) {
			fprintf(stderr, "EMPTY");
		} else if (info->kind == SL_SLOT_KIND_NUMBER) {
			fprintf(stderr, "%llu", (unsigned long long)sl_meta_number(meta, slot));
		} else if (info->kind == SL_SLOT_KIND_BYTES) {
			print_bytes(at, info->size);
		} else {
			memcpy(&blob, at, sizeof(blob));
			fprintf(stderr, "\"%.*s\"", (int)blob->len, (const char *)blob->bytes);
		}
		fprintf(stderr, "\n");
	}
}
