/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_GROUP_H
#define SL_CLASSIFIER_GROUP_H

/*
 * Groups: a filter's conditions on one field, which are alternatives (WFP section 2.3), brought to
 * one form: may the field be absent, and which values may it have.
 *
 * Values are ranges.  Where ranges cannot say it all (flags, texts, big sets) they hold at least
 * every value that matches, and `is_exact` is false: the conditions must be tested once more.
 */

#include "classifier/ranges.h"
#include "classifier/sl_snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of more ranges is looked up in a table of its own. */
#define SL_GROUP_SET_RANGES_MAX 16

struct sl_group {
	enum sluice_field field;
	enum sl_slot slot; /* NONE: never has a value */
	bool accepts_absent;
	bool is_exact;
	struct sl_ranges present; /* merged */
};

/* A filter's groups that restrict it. Zero-initialise, use for one filter after the other, fini. */
struct sl_groups {
	struct sl_group list[SLUICE_FIELD_COUNT];
	uint32_t n;
	uint32_t n_used;                   /* members of `list` that own memory */
	bool never;                        /* no packet can match: some group accepts nothing */
	uint8_t index[SLUICE_FIELD_COUNT]; /* place of a field's group, plus one */
};

/* Replaces what was there by the groups of a filter at `layer`. 0 or -ENOMEM. */
int sl_groups_build(struct sl_groups *groups, const struct sl_layer *layer,
	const struct sl_filter_run *run) SL_MUST_CHECK;
void sl_groups_fini(struct sl_groups *groups);

/*
 * Adds the values that a condition without EMPTY, flags or a set accepts in a slot of numbers or
 * bytes.
 */
void sl_condition_ranges(
	struct sl_ranges *ranges, enum sl_slot slot, const struct sl_condition *condition);

static inline bool
sl_match_is_flags(enum sl_match match)
{
	return match == SL_MATCH_FLAGS_ALL_SET || match == SL_MATCH_FLAGS_ANY_SET ||
		match == SL_MATCH_FLAGS_NONE_SET;
}

#endif
