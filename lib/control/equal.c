/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/equal.h"

#include <string.h>

static bool
text_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool
bytes_equal(const void *a, size_t n_a, const void *b, size_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a) == 0);
}

static bool
scalar_equal(enum sluice_data_type type, const union sl_scalar *a, const union sl_scalar *b)
{
	switch (type) {
	case SLUICE_TYPE_BYTE_ARRAY6:
		return memcmp(a->bytes, b->bytes, 6) == 0;
	case SLUICE_TYPE_BYTE_ARRAY16:
		return memcmp(a->bytes, b->bytes, 16) == 0;
	default:
		return a->number == b->number;
	}
}

static bool
value_equal(const struct sl_condition_value *a, const struct sl_condition_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case SLUICE_TYPE_EMPTY:
		return true;
	case SLUICE_TYPE_V4_ADDR_MASK:
		return a->low.number == b->low.number && a->high.number == b->high.number;
	case SLUICE_TYPE_V6_ADDR_MASK:
		return a->prefix_len == b->prefix_len &&
			scalar_equal(SLUICE_TYPE_BYTE_ARRAY16, &a->low, &b->low);
	case SLUICE_TYPE_RANGE:
		return a->range_type == b->range_type &&
			scalar_equal(a->range_type, &a->low, &b->low) &&
			scalar_equal(a->range_type, &a->high, &b->high);
	case SLUICE_TYPE_BYTE_BLOB:
	case SLUICE_TYPE_SET:
		return bytes_equal(a->text, a->text_len, b->text, b->text_len);
	default:
		return scalar_equal(a->type, &a->low, &b->low);
	}
}

/* Conditions are compared in the order written: the document shows that order. */
static bool
conditions_equal(const struct sl_filter *a, const struct sl_filter *b)
{
	if (a->n_conditions != b->n_conditions)
		return false;
	for (size_t i = 0; i < a->n_conditions; i++) {
		const struct sl_condition *left = &a->conditions[i];
		const struct sl_condition *right = &b->conditions[i];

		if (left->field != right->field || left->match != right->match ||
			!value_equal(&left->value, &right->value))
			return false;
	}
	return true;
}

static bool
filter_equal(const struct sl_filter *a, const struct sl_filter *b)
{
	return a->layer == b->layer && text_equal(a->sublayer, b->sublayer) &&
		a->weight_kind == b->weight_kind && a->weight == b->weight &&
		a->effective_weight == b->effective_weight && a->action == b->action &&
		text_equal(a->callout, b->callout) && a->flags == b->flags &&
		a->raw_context == b->raw_context &&
		text_equal(a->provider_context, b->provider_context) && conditions_equal(a, b);
}

static bool
set_equal(const struct sl_set *a, const struct sl_set *b)
{
	return a->set_type == b->set_type &&
		bytes_equal(a->elements, a->n_elements * sizeof(*a->elements), b->elements,
			b->n_elements * sizeof(*b->elements));
}

static bool
context_equal(const struct sl_provider_context *a, const struct sl_provider_context *b)
{
	return bytes_equal(a->data, a->data_len, b->data, b->data_len);
}

static bool
callout_equal(const struct sl_callout_object *a, const struct sl_callout_object *b)
{
	return a->layer == b->layer && text_equal(a->plugin, b->plugin);
}

static bool
members_equal(const struct sl_object *a, const struct sl_object *b)
{
	switch (a->type) {
	case SL_OBJECT_PROVIDER:
		return text_equal(sl_provider_of(a)->service_name, sl_provider_of(b)->service_name);
	case SL_OBJECT_SUBLAYER:
		return sl_sublayer_of(a)->weight == sl_sublayer_of(b)->weight;
	case SL_OBJECT_PROVIDER_CONTEXT:
		return context_equal(sl_provider_context_of(a), sl_provider_context_of(b));
	case SL_OBJECT_SET:
		return set_equal(sl_set_of(a), sl_set_of(b));
	case SL_OBJECT_CALLOUT:
		return callout_equal(sl_callout_object_of(a), sl_callout_object_of(b));
	case SL_OBJECT_FILTER:
		return filter_equal(sl_filter_of(a), sl_filter_of(b));
	case SL_OBJECT_TYPE_COUNT:
		break;
	}
	return false;
}

bool
sl_control_object_equal(const struct sl_object *a, const struct sl_object *b)
{
	return a == b ||
		(a->type == b->type && a->lifetime == b->lifetime && text_equal(a->key, b->key) &&
			text_equal(a->name, b->name) &&
			text_equal(a->description, b->description) &&
			text_equal(a->provider, b->provider) &&
			text_equal(a->provider_data, b->provider_data) && members_equal(a, b));
}
