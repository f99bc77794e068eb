/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

#define REFERRERS_NAMED 10 /* in the text of IN_USE */

static bool
same(const char *reference, const char *key)
{
	return reference != NULL && strcmp(reference, key) == 0;
}

static bool
uses_set(const struct sl_filter *filter, const char *key)
{
	for (size_t i = 0; i < filter->n_conditions; i++)
		if (filter->conditions[i].value.type == SLUICE_TYPE_SET &&
			same(filter->conditions[i].value.text, key))
			return true;
	return false;
}

/* True when `object`, a filter, refers to the object of that type and key. */
static bool
filter_refers(const struct sl_object *object, enum sl_object_type type, const char *key)
{
	const struct sl_filter *filter = sl_filter_of(object);

	switch (type) {
	case SL_OBJECT_SUBLAYER:
		return same(filter->sublayer, key);
	case SL_OBJECT_PROVIDER_CONTEXT:
		return same(filter->provider_context, key);
	case SL_OBJECT_SET:
		return uses_set(filter, key);
	case SL_OBJECT_CALLOUT:
		return same(filter->callout, key);
	default:
		return false;
	}
}

void
sl_policy_referrers(const struct sl_policy *policy, enum sl_object_type type, const char *key,
	sl_policy_referrer_fn *fn, void *ctx)
{
	if (type == SL_OBJECT_FILTER)
		return; /* nothing refers to filters, which are the many */
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		const enum sl_object_type from = (enum sl_object_type)t;
		const struct sl_object *object;

		/* Everything may have a provider; only filters refer to anything else. */
		if (type != SL_OBJECT_PROVIDER && from != SL_OBJECT_FILTER)
			continue;
		object = sl_policy_next(policy, from, 0);
		for (; object != NULL; object = sl_policy_next(policy, from, object->id)) {
			bool refers = type == SL_OBJECT_PROVIDER ? same(object->provider, key)
								 : filter_refers(object, type, key);

			if (refers && !fn(ctx, object))
				return;
		}
	}
}

/* The referrers of an object, in words. */
struct users {
	char text[270]; /* with key and count it fits an error text */
	size_t len;
	size_t n;
	size_t n_named;
};

static bool
add_user(void *ctx, const struct sl_object *referrer)
{
	struct users *users = ctx;
	char one[100];
	size_t len;

	users->n++;
	if (users->n_named < users->n - 1 || users->n_named == REFERRERS_NAMED)
		return true;
	len = (size_t)snprintf(one, sizeof(one), "%s%s \"%s\"", users->n_named > 0 ? ", " : "",
		sl_object_type_name(referrer->type), referrer->key);
	if (users->len + len >= sizeof(users->text))
		return true;
	memcpy(users->text + users->len, one, len + 1);
	users->len += len;
	users->n_named++;
	return true;
}

int
sl_policy_check_unused(
	const struct sl_policy *policy, const struct sl_object *object, struct sl_error *err)
{
	struct users users = {0};
	char more[40] = "";

	sl_policy_referrers(policy, object->type, object->key, add_user, &users);
	if (users.n == 0)
		return 0;
	if (users.n > users.n_named)
		snprintf(more, sizeof(more), " and %zu more", users.n - users.n_named);
	return sl_error_set(err, SL_ERR_IN_USE, "", "%s \"%s\" is in use by %s%s",
		sl_object_type_name(object->type), object->key, users.text, more);
}
