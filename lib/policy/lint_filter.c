/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/interval.h"
#include "policy/lint.h"
#include "policy/overlap.h"

#include <stdlib.h>

/*
 * One filter by itself.  Conditions on one field are alternatives, which makes two negations hold
 * for everything: port != 80 or port != 443 (WFP section 2.3).
 */

/* The conditions of a filter on one field. */
struct group {
	const struct sl_filter *filter;
	const struct sl_layer_field *field;
	size_t n;
	struct sl_interval *spans; /* of those that are intervals; room for two each */
	size_t n_spans;
	bool may_hold; /* one of them can be satisfied */
};

/* The largest value that packets have; smaller than the type's for fields of odd width. */
static sl_u128
largest_value(const struct sl_layer_field *field)
{
	switch (field->field) {
	case SLUICE_FIELD_X_VLAN_VID:
		return 4095;
	case SLUICE_FIELD_X_DSCP:
		return 63;
	case SLUICE_FIELD_DIRECTION:
		return 1;
	default:
		return sl_u128_max(sl_type_bits(field->type));
	}
}

static bool
is_empty_set(const struct sl_policy *policy, const struct sl_condition *condition)
{
	const struct sl_object *set;

	if (condition->match != SL_MATCH_IN_SET)
		return false;
	set = sl_policy_find(policy, SL_OBJECT_SET, condition->value.text);
	return set != NULL && sl_set_of(set)->n_ranges == 0;
}

static void
add_condition(
	struct group *group, const struct sl_policy *policy, const struct sl_condition *condition)
{
	sl_u128 largest = largest_value(group->field);
	struct sl_interval span[2];
	unsigned int n;
	enum sl_shape shape = sl_condition_intervals(condition, group->field->type, span, &n);

	group->n++;
	if (shape == SL_SHAPE_ABSENT) {
		group->may_hold = true;
	} else if (shape == SL_SHAPE_UNKNOWN) {
		bool is_impossible = is_empty_set(policy, condition) ||
			(condition->match == SL_MATCH_FLAGS_ANY_SET &&
				condition->value.low.number == 0);

		group->may_hold = group->may_hold || !is_impossible;
	}
	for (unsigned int i = 0; i < n; i++) {
		group->may_hold = group->may_hold || span[i].low <= largest;
		group->spans[group->n_spans++] = span[i];
	}
}

static int
compare_low(const void *a, const void *b)
{
	const struct sl_interval *left = a;
	const struct sl_interval *right = b;

	return (left->low > right->low) - (left->low < right->low);
}

/* True when the intervals together leave no value out. */
static bool
covers_all(struct group *group)
{
	sl_u128 largest = largest_value(group->field);
	sl_u128 next = 0; /* the smallest value not covered yet */

	qsort(group->spans, group->n_spans, sizeof(*group->spans), compare_low);
	for (size_t i = 0; i < group->n_spans && group->spans[i].low <= next; i++) {
		if (group->spans[i].high >= largest)
			return true;
		next = SL_MAX(next, group->spans[i].high + 1);
	}
	return false;
}

static bool
is_negation(const struct sl_condition *condition, enum sluice_field field)
{
	return condition->field == field && condition->value.type != SLUICE_TYPE_EMPTY &&
		(condition->match == SL_MATCH_NOT_EQUAL ||
			condition->match == SL_MATCH_NOT_SUFFIX ||
			condition->match == SL_MATCH_FLAGS_NONE_SET);
}

/* True when two negations, of texts or of flags, cannot fail together or only for odd packets. */
static bool
has_two_negations(const struct group *group)
{
	const struct sl_condition *first = NULL;

	for (size_t i = 0; i < group->filter->n_conditions; i++) {
		const struct sl_condition *condition = &group->filter->conditions[i];

		if (!is_negation(condition, group->field->field))
			continue;
		if (first == NULL)
			first = condition;
		else if (condition->match == SL_MATCH_FLAGS_NONE_SET &&
			first->match == SL_MATCH_FLAGS_NONE_SET)
			return condition->value.low.number != first->value.low.number;
		else if (condition->value.type == SLUICE_TYPE_BYTE_BLOB &&
			sl_texts_exclude(first, condition))
			return true;
	}
	return false;
}

/* Flags that ask for nothing: all of none, none of none. */
static bool
asks_nothing(const struct group *group)
{
	for (size_t i = 0; i < group->filter->n_conditions; i++) {
		const struct sl_condition *condition = &group->filter->conditions[i];

		if (condition->field == group->field->field &&
			(condition->match == SL_MATCH_FLAGS_ALL_SET ||
				condition->match == SL_MATCH_FLAGS_NONE_SET) &&
			condition->value.low.number == 0)
			return true;
	}
	return false;
}

static void
judge_group(struct sl_lint_run *run, struct group *group)
{
	const struct sl_object *object = &group->filter->object;
	const char *name = sl_field_name(group->field->field);

	if (!group->may_hold)
		sl_lint_report(run, "never_match", object,
			"no packet has a value of \"%s\" that this filter asks for", name);
	else if (asks_nothing(group))
		sl_lint_report(run, "tautology", object,
			"a condition on \"%s\" asks for no flag at all and always holds", name);
	else if (group->n > 1 && (has_two_negations(group) || covers_all(group)))
		sl_lint_report(run, "tautology", object,
			"the %zu conditions on \"%s\" are alternatives, and one of them holds for "
			"every value; to exclude several values use not_in_set or a filter each",
			group->n, name);
}

void
sl_lint_filter(struct sl_lint_run *run, const struct sl_filter *filter)
{
	bool seen[SLUICE_FIELD_COUNT] = {false};
	struct sl_interval *spans;

	if (filter->n_conditions == 0)
		return;
	spans = calloc(filter->n_conditions * 2, sizeof(*spans));
	if (spans == NULL)
		return;
	for (size_t i = 0; i < filter->n_conditions; i++) {
		enum sluice_field field = filter->conditions[i].field;
		struct group group = {.filter = filter, .spans = spans};

		group.field = sl_layer_field_by_id(filter->layer, field, NULL);
		if (seen[field] || group.field == NULL)
			continue;
		seen[field] = true;
		for (size_t k = i; k < filter->n_conditions; k++)
			if (filter->conditions[k].field == field)
				add_condition(&group, run->policy, &filter->conditions[k]);
		judge_group(run, &group);
	}
	free(spans);
}
