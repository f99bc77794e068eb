/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/interval.h"

sl_u128
sl_u128_read(const uint8_t *bytes, unsigned int n)
{
	sl_u128 number = 0;

	for (unsigned int i = 0; i < n; i++)
		number = number << 8 | bytes[i];
	return number;
}

unsigned int
sl_type_bits(enum sluice_data_type type)
{
	switch (type) {
	case SLUICE_TYPE_UINT8:
		return 8;
	case SLUICE_TYPE_UINT16:
		return 16;
	case SLUICE_TYPE_UINT32:
		return 32;
	case SLUICE_TYPE_UINT64:
		return 64;
	case SLUICE_TYPE_BYTE_ARRAY6:
		return 48;
	case SLUICE_TYPE_BYTE_ARRAY16:
		return 128;
	default:
		return 0;
	}
}

sl_u128
sl_u128_max(unsigned int bits)
{
	return bits == 0 ? 0 : ~(sl_u128)0 >> (128 - bits);
}

unsigned int
sl_u128_bit_len(sl_u128 number)
{
	uint64_t high = (uint64_t)(number >> 64);
	uint64_t low = (uint64_t)number;

	if (high != 0)
		return 128 - (unsigned int)__builtin_clzll(high);
	return low == 0 ? 0 : 64 - (unsigned int)__builtin_clzll(low);
}

sl_u128
sl_scalar_number(enum sluice_data_type type, const union sl_scalar *scalar)
{
	if (type == SLUICE_TYPE_BYTE_ARRAY16)
		return sl_u128_read(scalar->bytes, 16);
	if (type == SLUICE_TYPE_BYTE_ARRAY6)
		return sl_u128_read(scalar->bytes, 6);
	return scalar->number;
}

/* The values that EQUAL or RANGE means; the value is a scalar, a prefix or a range. */
static struct sl_interval
value_interval(const struct sl_condition_value *value, enum sluice_data_type type)
{
	struct sl_interval span;

	switch (value->type) {
	case SLUICE_TYPE_V4_ADDR_MASK:
		span.low = value->low.number & value->high.number;
		span.high = span.low | (~value->high.number & UINT32_MAX);
		break;
	case SLUICE_TYPE_V6_ADDR_MASK:
		span.high = sl_u128_max(128u - value->prefix_len);
		span.low = sl_u128_read(value->low.bytes, 16) & ~span.high;
		span.high |= span.low;
		break;
	case SLUICE_TYPE_RANGE:
		span.low = sl_scalar_number(type, &value->low);
		span.high = sl_scalar_number(type, &value->high);
		break;
	default:
		span.low = sl_scalar_number(type, &value->low);
		span.high = span.low;
		break;
	}
	return span;
}

/* Everything of 0..max outside `span`. */
static unsigned int
complement(struct sl_interval span, sl_u128 max, struct sl_interval out[2])
{
	unsigned int n = 0;

	if (span.low > 0)
		out[n++] = (struct sl_interval){0, span.low - 1};
	if (span.high < max)
		out[n++] = (struct sl_interval){span.high + 1, max};
	return n;
}

/* A comparison with EMPTY: EQUAL is absence, NOT_EQUAL any value at all. */
static enum sl_shape
empty_shape(enum sl_match match, unsigned int bits, struct sl_interval out[2], unsigned int *n)
{
	if (match == SL_MATCH_EQUAL)
		return SL_SHAPE_ABSENT;
	if (bits == 0)
		return SL_SHAPE_UNKNOWN;
	out[0] = (struct sl_interval){0, sl_u128_max(bits)};
	*n = 1;
	return SL_SHAPE_INTERVALS;
}

/* One interval, or none when the comparison can never hold. */
static unsigned int
one(bool holds, sl_u128 low, sl_u128 high, struct sl_interval out[2])
{
	if (holds)
		out[0] = (struct sl_interval){low, high};
	return holds ? 1 : 0;
}

enum sl_shape
sl_condition_intervals(const struct sl_condition *condition, enum sluice_data_type type,
	struct sl_interval out[2], unsigned int *n)
{
	unsigned int bits = sl_type_bits(type);
	sl_u128 max = sl_u128_max(bits);
	struct sl_interval span;

	*n = 0;
	if (condition->value.type == SLUICE_TYPE_EMPTY)
		return empty_shape(condition->match, bits, out, n);
	if (bits == 0 || condition->value.type == SLUICE_TYPE_SET)
		return SL_SHAPE_UNKNOWN;
	span = value_interval(&condition->value, type);
	switch (condition->match) {
	case SL_MATCH_EQUAL:
	case SL_MATCH_RANGE:
		*n = one(true, span.low, span.high, out);
		break;
	case SL_MATCH_NOT_EQUAL:
		*n = complement(span, max, out);
		break;
	case SL_MATCH_GREATER:
		*n = one(span.high < max, span.high + 1, max, out);
		break;
	case SL_MATCH_GREATER_OR_EQUAL:
		*n = one(true, span.low, max, out);
		break;
	case SL_MATCH_LESS:
		*n = one(span.low > 0, 0, span.low - 1, out);
		break;
	case SL_MATCH_LESS_OR_EQUAL:
		*n = one(true, 0, span.high, out);
		break;
	default:
		return SL_SHAPE_UNKNOWN;
	}
	return SL_SHAPE_INTERVALS;
}
