/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/lint.h"

#include "policy/overlap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX   1000
#define NEIGHBOURS_MAX 32 /* filters of one weight that a filter is compared with */

/* A filter among those it competes with. */
struct entry {
	const struct sl_filter *filter;
	const struct sl_object *sublayer;
	uint64_t hash; /* of its conditions */
	size_t rank;   /* in arbitration order */
	struct sl_interval hull;
};

void
sl_lint_report(struct sl_lint_run *run, const char *code, const struct sl_object *object,
	const char *format, ...)
{
	struct sl_lint lint = {.code = code, .object = object};
	va_list args;

	if (run->n_left == 0)
		return;
	run->n_left--;
	va_start(args, format);
	vsnprintf(lint.detail, sizeof(lint.detail), format, args);
	va_end(args);
	run->fn(run->ctx, &lint);
}

/* --- Sublayers. --- */

static int
compare_sublayers(const void *a, const void *b)
{
	const struct sl_object *left = *(struct sl_object *const *)a;
	const struct sl_object *right = *(struct sl_object *const *)b;
	uint16_t weight_left = sl_sublayer_of(left)->weight;
	uint16_t weight_right = sl_sublayer_of(right)->weight;

	if (weight_left != weight_right)
		return weight_left < weight_right ? 1 : -1;
	return (left->id > right->id) - (left->id < right->id);
}

static void
lint_sublayers(struct sl_lint_run *run)
{
	const size_t n = sl_policy_len(run->policy, SL_OBJECT_SUBLAYER);
	struct sl_object *object = sl_policy_next(run->policy, SL_OBJECT_SUBLAYER, 0);
	struct sl_object **sorted = calloc(n, sizeof(struct sl_object *));

	if (sorted == NULL)
		return;
	for (size_t i = 0; object != NULL; i++) {
		sorted[i] = object;
		object = sl_policy_next(run->policy, SL_OBJECT_SUBLAYER, object->id);
	}
	qsort(sorted, n, sizeof(struct sl_object *), compare_sublayers);
	for (size_t i = 1; i < n; i++) {
		uint16_t weight = sl_sublayer_of(sorted[i])->weight;

		if (weight == sl_sublayer_of(sorted[i - 1])->weight)
			sl_lint_report(run, "sublayer_weight_tie", sorted[i],
				"sublayers \"%s\" and \"%s\" have the same weight %u; the older, "
				"\"%s\", is evaluated first",
				sorted[i - 1]->key, sorted[i]->key, weight, sorted[i - 1]->key);
	}
	free(sorted);
}

/* --- Filters against their neighbours. --- */

static bool
is_same_bucket(const struct entry *a, const struct entry *b)
{
	return a->filter->layer == b->filter->layer && a->sublayer == b->sublayer;
}

static int
compare_buckets(const struct entry *a, const struct entry *b)
{
	if (a->filter->layer != b->filter->layer)
		return a->filter->layer->id < b->filter->layer->id ? -1 : 1;
	if (a->sublayer != b->sublayer)
		return a->sublayer->id < b->sublayer->id ? -1 : 1;
	return 0;
}

/* Arbitration order within a sublayer: heavier first, then older (WFP section 3.4). */
static int
compare_order(const void *a, const void *b)
{
	const struct entry *left = a;
	const struct entry *right = b;
	int bucket = compare_buckets(left, right);

	if (bucket != 0)
		return bucket;
	if (left->filter->effective_weight != right->filter->effective_weight)
		return left->filter->effective_weight < right->filter->effective_weight ? 1 : -1;
	return left->filter->object.id < right->filter->object.id ? -1 : 1;
}

static int
compare_hash(const void *a, const void *b)
{
	const struct entry *left = a;
	const struct entry *right = b;
	int bucket = compare_buckets(left, right);

	if (bucket != 0)
		return bucket;
	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->rank < right->rank ? -1 : 1;
}

static int
compare_hull(const void *a, const void *b)
{
	const struct entry *left = a;
	const struct entry *right = b;

	if (left->hull.low != right->hull.low)
		return left->hull.low < right->hull.low ? -1 : 1;
	return left->rank < right->rank ? -1 : 1;
}

static bool
decides(const struct sl_filter *filter)
{
	return filter->action == SLUICE_ACTION_BLOCK || filter->action == SLUICE_ACTION_PERMIT;
}

/* True when it matters which of two overlapping filters comes first. */
static bool
acts_differently(const struct sl_filter *a, const struct sl_filter *b)
{
	if (a->action == SLUICE_ACTION_CALLOUT_INSPECTION ||
		b->action == SLUICE_ACTION_CALLOUT_INSPECTION)
		return false;
	if (a->action != b->action || ((a->flags ^ b->flags) & SL_FILTER_CLEAR_ACTION_RIGHT) != 0)
		return true;
	return a->callout != NULL && strcmp(a->callout, b->callout) != 0;
}

static void
report_tie(struct sl_lint_run *run, const struct entry *a, const struct entry *b)
{
	const struct sl_filter *first = a->rank < b->rank ? a->filter : b->filter;
	const struct sl_filter *second = first == a->filter ? b->filter : a->filter;

	sl_lint_report(run, "tie_conflict", &second->object,
		"same weight as filter \"%s\" in sublayer \"%s\", overlapping conditions, yet "
		"\"%s\" "
		"here and \"%s\" there; the older, \"%s\", comes first",
		first->object.key, a->sublayer->key, sl_action_name(second->action),
		sl_action_name(first->action), first->object.key);
}

/* Filters of one bucket and weight, sorted by where their hulls begin. */
static void
lint_tie(struct sl_lint_run *run, struct entry *entries, size_t n)
{
	const struct sl_layer *layer = entries->filter->layer;
	const struct sl_layer_field *field =
		sl_layer_field_by_id(layer, layer->weight_slots[0].field, NULL);

	if (field == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		entries[i].hull = sl_filter_hull(entries[i].filter, field);
	qsort(entries, n, sizeof(*entries), compare_hull);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n && k <= i + NEIGHBOURS_MAX; k++) {
			if (entries[k].hull.low > entries[i].hull.high)
				break;
			if (acts_differently(entries[i].filter, entries[k].filter) &&
				sl_filters_overlap(entries[i].filter, entries[k].filter))
				report_tie(run, &entries[i], &entries[k]);
		}
		if (run->n_left == 0)
			return;
	}
}

/* The entries come in arbitration order and leave shuffled within ties. */
static void
lint_ties(struct sl_lint_run *run, struct entry *entries, size_t n)
{
	size_t begin = 0;

	for (size_t i = 1; i <= n; i++) {
		if (i < n && is_same_bucket(&entries[begin], &entries[i]) &&
			entries[begin].filter->effective_weight ==
				entries[i].filter->effective_weight)
			continue;
		if (i - begin > 1)
			lint_tie(run, &entries[begin], i - begin);
		begin = i;
	}
}

/* A filter without conditions decides everything that comes to it: nothing behind it is reached. */
static void
lint_match_all(struct sl_lint_run *run, const struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sl_filter *filter = entries[i].filter;
		size_t end = i + 1;

		if (filter->n_conditions > 0 || !decides(filter))
			continue;
		while (end < n && is_same_bucket(&entries[i], &entries[end]))
			end++;
		if (end > i + 1)
			sl_lint_report(run, "shadowed", &entries[i + 1].filter->object,
				"filter \"%s\" has no conditions and comes first in sublayer "
				"\"%s\": this filter and %zu after it are never reached",
				filter->object.key, entries[i].sublayer->key, end - i - 2);
		i = end - 1;
	}
}

/* The entries are sorted by hash, within a hash by rank. */
static void
lint_twins(struct sl_lint_run *run, const struct entry *entries, size_t n)
{
	size_t first = 0;

	for (size_t i = 1; i < n; i++) {
		if (!is_same_bucket(&entries[first], &entries[i]) ||
			entries[first].hash != entries[i].hash || !decides(entries[first].filter)) {
			first = i;
			continue;
		}
		/* Filters without conditions were reported with everything behind them. */
		if (entries[i].filter->n_conditions > 0 &&
			sl_filters_same_conditions(entries[first].filter, entries[i].filter))
			sl_lint_report(run, "shadowed", &entries[i].filter->object,
				"filter \"%s\" has the same conditions and comes first in sublayer "
				"\"%s\"",
				entries[first].filter->object.key, entries[i].sublayer->key);
	}
}

/* The layer of IPv6 that authorises what this one does for IPv4; NULL: it is no such layer. */
static const struct sl_layer *
sibling_of(const struct sl_layer *layer)
{
	switch (layer->id) {
	case SLUICE_LAYER_ALE_AUTH_CONNECT_V4:
		return sl_layer_by_id(SLUICE_LAYER_ALE_AUTH_CONNECT_V6);
	case SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4:
		return sl_layer_by_id(SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6);
	default:
		return NULL;
	}
}

/* Who denies all other flows over IPv4 and says nothing about IPv6 has not denied much (WFP section 7.6). */
static void
lint_families(struct sl_lint_run *run, const struct entry *entries, size_t n)
{
	bool is_used[SLUICE_LAYER_COUNT] = {false};

	for (size_t i = 0; i < n; i++)
		is_used[entries[i].filter->layer->id] = true;
	for (size_t i = 0; i < n; i++) {
		const struct sl_filter *filter = entries[i].filter;
		const struct sl_layer *sibling = sibling_of(filter->layer);

		if (sibling == NULL || is_used[sibling->id] || filter->n_conditions > 0 ||
			filter->action != SLUICE_ACTION_BLOCK)
			continue;
		sl_lint_report(run, "ipv4_only", &filter->object,
			"blocks every other flow over IPv4, and \"%s\" has no filters: over IPv6 "
			"everything passes there",
			sibling->name);
		is_used[sibling->id] = true;
	}
}

/* All filters whose sublayer exists, in arbitration order; NULL when out of memory. */
static struct entry *
collect(const struct sl_policy *policy, size_t *n_entries)
{
	const size_t n = sl_policy_len(policy, SL_OBJECT_FILTER);
	const struct sl_object *object = sl_policy_next(policy, SL_OBJECT_FILTER, 0);
	struct entry *entries = calloc(n > 0 ? n : 1, sizeof(*entries));

	*n_entries = 0;
	if (entries == NULL)
		return NULL;
	for (; object != NULL; object = sl_policy_next(policy, SL_OBJECT_FILTER, object->id)) {
		const struct sl_filter *filter = sl_filter_of(object);
		const struct sl_object *sublayer =
			sl_policy_find(policy, SL_OBJECT_SUBLAYER, filter->sublayer);

		if (sublayer == NULL)
			continue;
		entries[(*n_entries)++] = (struct entry){.filter = filter,
			.sublayer = sublayer,
			.hash = sl_filter_hash_conditions(filter)};
	}
	qsort(entries, *n_entries, sizeof(*entries), compare_order);
	for (size_t i = 0; i < *n_entries; i++)
		entries[i].rank = i;
	return entries;
}

void
sl_policy_lint(const struct sl_policy *policy, sl_policy_lint_fn *fn, void *ctx)
{
	struct sl_lint_run run = {.policy = policy, .fn = fn, .ctx = ctx, .n_left = FINDINGS_MAX};
	struct entry *entries;
	size_t n;

	lint_sublayers(&run);
	entries = collect(policy, &n);
	if (entries == NULL)
		return;
	for (size_t i = 0; i < n && run.n_left > 0; i++)
		sl_lint_filter(&run, entries[i].filter);
	lint_match_all(&run, entries, n);
	lint_families(&run, entries, n);
	lint_ties(&run, entries, n);
	qsort(entries, n, sizeof(*entries), compare_hash);
	lint_twins(&run, entries, n);
	free(entries);
}
