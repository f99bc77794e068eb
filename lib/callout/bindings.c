/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/bindings.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 16u

/* Filters are heap objects: the low bits of their addresses say nothing. */
static size_t
bucket_of(const struct sl_filter *filter, size_t n_buckets)
{
	uint64_t hash = (uint64_t)(uintptr_t)filter * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 32) & (n_buckets - 1);
}

static void
link_in(struct binding **buckets, size_t n_buckets, struct binding *binding)
{
	struct binding **head = &buckets[bucket_of(binding->filter, n_buckets)];

	binding->next = *head;
	*head = binding;
}

static int
grow(struct bindings *bindings)
{
	size_t n_buckets = bindings->n_buckets == 0 ? BUCKETS_MIN : bindings->n_buckets * 2;
	struct binding **buckets = calloc(n_buckets, sizeof(struct binding *));

	if (buckets == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < bindings->n_buckets; i++) {
		struct binding *binding = bindings->buckets[i];

		while (binding != NULL) {
			struct binding *next = binding->next;

			link_in(buckets, n_buckets, binding);
			binding = next;
		}
	}
	free(bindings->buckets);
	bindings->buckets = buckets;
	bindings->n_buckets = n_buckets;
	return 0;
}

int
sl_callout_bindings_add(
	struct bindings *bindings, const struct sl_filter *filter, uint64_t context, bool is_told)
{
	struct binding *binding;

	if (bindings->n == bindings->n_buckets && grow(bindings) != 0)
		return -ENOMEM;
	binding = malloc(sizeof(*binding));
	if (binding == NULL)
		return -ENOMEM;
	*binding = (struct binding){.filter = filter, .context = context, .is_told = is_told};
	link_in(bindings->buckets, bindings->n_buckets, binding);
	bindings->n++;
	return 0;
}

bool
sl_callout_bindings_remove(
	struct bindings *bindings, const struct sl_filter *filter, uint64_t context, bool *was_told)
{
	struct binding **at;

	if (bindings->n_buckets == 0)
		return false;
	at = &bindings->buckets[bucket_of(filter, bindings->n_buckets)];
	for (; *at != NULL; at = &(*at)->next) {
		struct binding *binding = *at;

		if (binding->filter != filter || binding->context != context)
			continue;
		*was_told = binding->is_told;
		*at = binding->next;
		free(binding);
		bindings->n--;
		return true;
	}
	return false;
}

void
sl_callout_bindings_each(const struct bindings *bindings, sl_callout_bindings_fn *fn, void *ctx)
{
	for (size_t i = 0; i < bindings->n_buckets; i++) {
		for (struct binding *b = bindings->buckets[i]; b != NULL; b = b->next)
			fn(ctx, b);
	}
}

void
sl_callout_bindings_fini(struct bindings *bindings)
{
	for (size_t i = 0; i < bindings->n_buckets; i++) {
		struct binding *binding = bindings->buckets[i];

		while (binding != NULL) {
			struct binding *next = binding->next;

			free(binding);
			binding = next;
		}
	}
	free(bindings->buckets);
	*bindings = (struct bindings){0};
}
