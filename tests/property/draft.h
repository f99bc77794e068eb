/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_DRAFT_H
#define TESTS_PROPERTY_DRAFT_H

/* Filters written condition by condition, in terms of numbers whatever the field's type. */

#include "generate.h"

/* A filter with an exact weight in "sublayerNUMBER" that permits or blocks, without conditions. */
struct sl_filter *draft_new(struct generator *g, uint32_t sublayer, uint64_t weight);
/* Makes its action a callout's, which lets the list go on. */
void draft_callout(struct sl_filter *filter, enum sluice_action action);
/* Appends a condition, which the filter then owns. */
void draft_when(struct sl_filter *filter, struct sl_condition condition);
/* Finishes the filter and adds it to the policy. */
void draft_add(struct generator *g, struct sl_filter *filter);

/* --- Conditions. Values are cut to the field's width. --- */

/* Matches of one value: EQUAL, NOT_EQUAL, the orders and flags. */
struct sl_condition
cond_scalar(const struct sl_layer_field *field, enum sl_match match, u128 value);
/* Ends in any order. A MAC address takes no ranges: EQUAL to `a`. */
struct sl_condition cond_range(const struct sl_layer_field *field, u128 a, u128 b);
/* The values that share the first `len` bits: a prefix of an address, else a range. */
struct sl_condition cond_prefix(const struct sl_layer_field *field, u128 value, uint32_t len);
/* EMPTY, or with NOT_EQUAL any value. */
struct sl_condition cond_empty(const struct sl_layer_field *field, enum sl_match match);
struct sl_condition
cond_text(const struct sl_layer_field *field, enum sl_match match, const char *text);
/* `key` names a set whose type fits the field. */
struct sl_condition
cond_set(const struct sl_layer_field *field, enum sl_match match, const char *key);

/* --- Fields. --- */

/* Bits of a field's values; 0 for texts. */
uint32_t field_bits(const struct generator *g, const struct sl_layer_field *field);
/*
 * A random field that packets have values of, with at least `bits`, and ordered (no MAC address);
 * one with fewer bits when the layer has none so wide.
 */
const struct sl_layer_field *field_ordered(struct generator *g, uint32_t bits);
/* The same, but never `other`'s slot again when there is a choice. */
const struct sl_layer_field *
field_beside(struct generator *g, uint32_t bits, const struct sl_layer_field *other);
/* A random text field, or NULL. */
const struct sl_layer_field *field_text(struct generator *g);

#endif
