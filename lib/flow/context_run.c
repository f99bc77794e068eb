/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/table.h"

#include <errno.h>

/* Contexts of callouts: all of a flow's are in one chain, perhaps among those of others. */

static uint32_t *
chain_of(const struct sl_flow_table *table, uint32_t flow)
{
	uint32_t hash = flow * 2654435761u;

	return &table->chains[(uint64_t)hash * table->n_contexts >> 32];
}

/* The link to a flow's context for that callout and layer; callout NULL: to any. NULL: there is none. */
static uint32_t *
search(const struct sl_flow_table *table, const struct sl_flow *flow, const void *callout,
	uint8_t layer)
{
	uint32_t index = flow_index(table, flow);
	uint32_t *link;

	if ((flow->flags & SL_FLOW_HAS_CONTEXTS) == 0)
		return NULL;
	for (link = chain_of(table, index); *link != 0; link = &table->contexts[*link - 1].next) {
		const struct flow_context *context = &table->contexts[*link - 1];

		if (context->flow == index &&
			(callout == NULL ||
				(context->callout == callout && context->layer == layer)))
			return link;
	}
	return NULL;
}

int
sl_flow_context_add(
	struct sl_flow_table *table, struct sl_flow *flow, const struct sl_flow_context *context)
{
	uint32_t number = table->free_context;
	struct flow_context *place;
	uint32_t *chain;

	if (context->value == 0 || context->callout == NULL)
		return -EINVAL;
	if (search(table, flow, context->callout, context->layer) != NULL)
		return -EEXIST;
	if (number == 0)
		return -ENOSPC;
	place = &table->contexts[number - 1];
	chain = chain_of(table, flow_index(table, flow));
	table->free_context = place->next;
	*place = (struct flow_context){.callout = context->callout,
		.value = context->value,
		.next = *chain,
		.flow = flow_index(table, flow),
		.layer = context->layer};
	*chain = number;
	sl_flow_set_flags(flow, SL_FLOW_HAS_CONTEXTS, 0);
	return 0;
}

uint64_t
sl_flow_context_get(const struct sl_flow_table *table, const struct sl_flow *flow,
	const void *callout, uint8_t layer)
{
	const uint32_t *link = search(table, flow, callout, layer);

	return link == NULL ? 0 : table->contexts[*link - 1].value;
}

/* Takes out the one that `*link` is the number of. */
static void
take(struct sl_flow_table *table, struct sl_flow *flow, uint32_t *link,
	struct sl_flow_context *context)
{
	uint32_t number = *link;
	struct flow_context *place = &table->contexts[number - 1];

	*context = (struct sl_flow_context){
		.callout = place->callout, .value = place->value, .layer = place->layer};
	*link = place->next;
	place->callout = NULL;
	place->next = table->free_context;
	table->free_context = number;
	if (search(table, flow, NULL, 0) == NULL)
		sl_flow_set_flags(flow, 0, SL_FLOW_HAS_CONTEXTS);
}

bool
sl_flow_context_take(struct sl_flow_table *table, struct sl_flow *flow, const void *callout,
	uint8_t layer, struct sl_flow_context *context)
{
	uint32_t *link = callout == NULL ? NULL : search(table, flow, callout, layer);

	if (link == NULL)
		return false;
	take(table, flow, link, context);
	return true;
}

bool
sl_flow_context_take_any(
	struct sl_flow_table *table, struct sl_flow *flow, struct sl_flow_context *context)
{
	uint32_t *link = search(table, flow, NULL, 0);

	if (link == NULL)
		return false;
	take(table, flow, link, context);
	return true;
}

bool
sl_flow_context_drain(struct sl_flow_table *table, const void *callout, uint32_t *at,
	uint32_t *work, struct sl_flow_context *context)
{
	for (; *at<table->n_contexts && * work> 0; (*at)++, (*work)--) {
		const struct flow_context *place = &table->contexts[*at];
		struct sl_flow *flow = &table->entries[place->flow];

		if (place->callout == NULL || (callout != NULL && place->callout != callout))
			continue;
		return sl_flow_context_take(table, flow, place->callout, place->layer, context);
	}
	if (*at >= table->n_contexts)
		*at = SL_FLOW_LIST_END;
	return false;
}
