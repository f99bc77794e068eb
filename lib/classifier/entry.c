/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Order. --- */

/* Higher weight first, then the older object. */
static int
compare_weights(uint64_t weight_a, uint64_t id_a, uint64_t weight_b, uint64_t id_b)
{
	if (weight_a != weight_b)
		return weight_a > weight_b ? -1 : 1;
	return (id_a > id_b) - (id_a < id_b);
}

int
sl_ranked_compare(const struct sl_ranked *a, const struct sl_ranked *b)
{
	const int order = compare_weights(a->sublayer->weight, a->sublayer->object.id,
		b->sublayer->weight, b->sublayer->object.id);

	if (order != 0)
		return order;
	return compare_weights(a->filter->effective_weight, a->filter->object.id,
		b->filter->effective_weight, b->filter->object.id);
}

static int
compare(const void *a, const void *b)
{
	return sl_ranked_compare(a, b);
}

void
sl_ranked_sort(struct sl_ranked *list, uint32_t n)
{
	qsort(list, n, sizeof(*list), compare);
}

/* --- References. --- */

static enum sl_hot_action
hot_action(enum sluice_action action)
{
	switch (action) {
	case SLUICE_ACTION_PERMIT:
		return SL_HOT_PERMIT;
	case SLUICE_ACTION_CALLOUT_TERMINATING:
		return SL_HOT_CALLOUT_TERMINATING;
	case SLUICE_ACTION_CALLOUT_UNKNOWN:
		return SL_HOT_CALLOUT_UNKNOWN;
	case SLUICE_ACTION_CALLOUT_INSPECTION:
		return SL_HOT_CALLOUT_INSPECTION;
	default:
		return SL_HOT_BLOCK;
	}
}

static int
dangling(struct sl_error *err, const struct sl_filter *filter, const char *what, const char *key)
{
	return sl_error_set(err, SL_ERR_INTERNAL, NULL,
		"filter %s refers to %s %s, which does not exist", filter->object.key, what, key);
}

static bool
names_set(const struct sl_condition *condition)
{
	return condition->value.type == SLUICE_TYPE_SET;
}

/* Room for a filter's sets, put into `run`. */
static int
add_sets(const struct sl_entry_maker *maker, struct sl_filter_run *run, const struct sl_set ***sets)
{
	*sets = calloc(run->object->n_conditions, sizeof(**sets));
	run->sets = *sets;
	if (*sets == NULL)
		return sl_error_set(maker->err, SL_ERR_NO_MEMORY, NULL, "out of memory");
	return 0;
}

/* Finds the sets that a filter's conditions name. */
static int
resolve_sets(const struct sl_entry_maker *maker, struct sl_filter_run *run)
{
	const struct sl_filter *filter = run->object;
	const struct sl_set **sets;
	size_t first = 0;

	while (first < filter->n_conditions && !names_set(&filter->conditions[first]))
		first++;
	if (first == filter->n_conditions)
		return 0;
	if (add_sets(maker, run, &sets) != 0)
		return -ENOMEM;
	for (size_t i = first; i < filter->n_conditions; i++) {
		const char *key = filter->conditions[i].value.text;
		const struct sl_object *set;

		if (!names_set(&filter->conditions[i]))
			continue;
		set = sl_policy_find(maker->policy, SL_OBJECT_SET, key);
		if (set == NULL)
			return dangling(maker->err, filter, "set", key);
		sets[i] = sl_set_of(sl_object_get(set));
	}
	return 0;
}

static int
resolve_context(const struct sl_entry_maker *maker, struct sl_filter_run *run)
{
	const char *key = run->object->provider_context;
	const struct sl_object *context;

	if (key == NULL)
		return 0;
	context = sl_policy_find(maker->policy, SL_OBJECT_PROVIDER_CONTEXT, key);
	if (context == NULL)
		return dangling(maker->err, run->object, "provider context", key);
	run->provider_context = sl_provider_context_of(sl_object_get(context));
	return 0;
}

/* From the policy and the host. */
static int
resolve(const struct sl_entry_maker *maker, struct sl_filter_run *run)
{
	int rc = resolve_context(maker, run);

	if (rc == 0)
		rc = resolve_sets(maker, run);
	if (rc == 0)
		rc = maker->host->bind(maker->host->ctx, run->object, &run->binding, maker->err);
	run->stamp = ++*maker->stamp;
	return rc;
}

/* From another entry of the filter. */
static int
take_over(const struct sl_entry_maker *maker, const struct sl_filter_run *from,
	struct sl_filter_run *run)
{
	const struct sl_set **sets;

	run->binding = from->binding;
	run->stamp = from->stamp;
	if (from->provider_context != NULL)
		run->provider_context =
			sl_provider_context_of(sl_object_get(&from->provider_context->object));
	if (from->sets == NULL)
		return 0;
	if (add_sets(maker, run, &sets) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < run->object->n_conditions; i++) {
		if (from->sets[i] != NULL)
			sets[i] = sl_set_of(sl_object_get(&from->sets[i]->object));
	}
	return 0;
}

/*
 * True when a condition's answer may depend on the flag is_reassembled.  Matches that are not about single bits
 * are not looked into.
 */
static bool
asks_reassembled(const struct sl_condition *condition)
{
	switch (condition->match) {
	case SL_MATCH_FLAGS_ALL_SET:
	case SL_MATCH_FLAGS_ANY_SET:
	case SL_MATCH_FLAGS_NONE_SET:
		return (condition->value.low.number & SLUICE_CONDITION_FLAG_IS_REASSEMBLED) != 0;
	default:
		return true;
	}
}

/* True for a condition on what cannot be told of a flow without one of its packets. */
static bool
asks_packet(const struct sl_condition *condition)
{
	switch (condition->field) {
	case SLUICE_FIELD_X_DSCP:
	case SLUICE_FIELD_X_TTL:
	case SLUICE_FIELD_X_PACKET_LENGTH:
	case SLUICE_FIELD_X_IP_OPTIONS:
	case SLUICE_FIELD_X_IP6_EXTENSION_HEADERS:
	case SLUICE_FIELD_X_TCP_FLAGS:
		return true;
	case SLUICE_FIELD_FLAGS:
		return asks_reassembled(condition);
	default:
		return false;
	}
}

static bool
is_auth_layer(const struct sl_layer *layer)
{
	return layer->id >= SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4 &&
		layer->id <= SLUICE_LAYER_ALE_AUTH_CONNECT_V6_DISCARD;
}

static uint8_t
hot_flags(const struct sl_filter *filter)
{
	const bool is_ippacket = filter->layer->id <= SLUICE_LAYER_OUTBOUND_IPPACKET_V6_DISCARD;
	const bool is_auth = is_auth_layer(filter->layer);
	uint8_t flags = (uint8_t)(filter->flags &
		(SL_FILTER_CLEAR_ACTION_RIGHT | SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED));

	for (size_t i = 0; (is_ippacket || is_auth) && i < filter->n_conditions; i++) {
		const struct sl_condition *condition = &filter->conditions[i];

		if (is_ippacket && condition->field == SLUICE_FIELD_FLAGS &&
			asks_reassembled(condition))
			flags |= SL_HOT_ASKS_REASSEMBLED;
		if (is_auth && asks_packet(condition))
			flags |= SL_HOT_ASKS_PACKET;
	}
	return flags;
}

int
sl_entry_make(const struct sl_entry_maker *maker, const struct sl_ranked *ranked, uint16_t sublayer,
	struct sl_filter_hot *hot, struct sl_filter_run *run)
{
	const struct sl_filter *filter = ranked->filter;
	int rc;

	*run = (struct sl_filter_run){.object = sl_filter_of(sl_object_get(&filter->object)),
		.id = filter->object.id,
		.weight = filter->effective_weight};
	rc = ranked->from != NULL ? take_over(maker, ranked->from, run) : resolve(maker, run);
	if (rc != 0) {
		sl_entry_put(run);
		return rc;
	}
	*hot = (struct sl_filter_hot){.counter = run->binding.counter,
		.sublayer = sublayer,
		.action = (uint8_t)hot_action(filter->action),
		.flags = hot_flags(filter)};
	return 0;
}

static void
put(const struct sl_object *object)
{
	sl_object_put((struct sl_object *)(uintptr_t)object);
}

void
sl_entry_put(const struct sl_filter_run *run)
{
	if (run->sets != NULL) {
		for (size_t i = 0; i < run->object->n_conditions; i++) {
			if (run->sets[i] != NULL)
				put(&run->sets[i]->object);
		}
		free((void *)(uintptr_t)run->sets);
	}
	if (run->provider_context != NULL)
		put(&run->provider_context->object);
	put(&run->object->object);
}

/* Objects never change, and a program holds on to its own: the same address is the same object. */
bool
sl_entry_acts_same(const struct sl_filter_run *a, const struct sl_filter_run *b)
{
	return a->object == b->object && a->provider_context == b->provider_context &&
		a->binding.counter == b->binding.counter &&
		a->binding.callout == b->binding.callout &&
		a->binding.context == b->binding.context;
}

bool
sl_entry_is_same(const struct sl_filter_run *a, const struct sl_filter_run *b)
{
	if (!sl_entry_acts_same(a, b) || (a->sets == NULL) != (b->sets == NULL))
		return false;
	return a->sets == NULL ||
		memcmp(a->sets, b->sets, a->object->n_conditions * sizeof(*a->sets)) == 0;
}
