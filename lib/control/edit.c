/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"
#include "control/equal.h"
#include "control/reconcile.h"

#include <errno.h>
#include <string.h>

/* --- One object. --- */

/* The object of the request is the whole document: its faults are told from there. */
static const char *
pointer_of_request(void *ctx, const struct sl_object *object)
{
	return object == ctx ? "" : NULL;
}

static int
refuse_existing(const struct sl_object *object, struct sl_problems *problems)
{
	sl_problems_add(problems, SL_ERR_ALREADY_EXISTS, "/key",
		"there is a %s with the key \"%s\" already", sl_object_type_name(object->type),
		object->key);
	return -sl_err_errno(SL_ERR_ALREADY_EXISTS);
}

int
sl_control_edit_put(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	struct sl_edit_object *edit = ctx;
	struct sl_object *object = edit->object;
	const struct sl_object *old = sl_policy_find(policy, object->type, object->key);
	struct sl_error err = {0};
	size_t first = problems->n;
	bool is_whole;
	int rc;

	edit->was_new = old == NULL;
	if (old != NULL && edit->must_be_new)
		return refuse_existing(old, problems);
	if (old != NULL && sl_control_object_equal(old, object))
		return SL_EDIT_CHECKED;
	rc = sl_policy_put(policy, sl_object_get(object), &err);
	if (rc != 0) {
		sl_object_put(object);
		return sl_control_fail(problems, &err, rc);
	}
	/* Nothing refers to a filter, nor yet to what is new. */
	if (edit->was_new || object->type == SL_OBJECT_FILTER)
		is_whole = sl_policy_check_object(
			policy, object, pointer_of_request, object, problems);
	else
		is_whole = sl_policy_check(policy, pointer_of_request, object, problems);
	return is_whole ? SL_EDIT_CHECKED : sl_control_errno(problems, first);
}

int
sl_control_edit_delete(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	const struct sl_edit_delete *edit = ctx;
	struct sl_error err = {0};
	int rc = sl_policy_delete(policy, edit->type, edit->key, &err);

	/* Nothing refers to what may be deleted: the rest is as consistent as it was. */
	return rc != 0 ? sl_control_fail(problems, &err, rc) : SL_EDIT_CHECKED;
}

/* --- A whole policy, or a provider's part of one. --- */

static bool
is_owned(enum sl_object_type type, const json_t *object, const char *provider)
{
	const json_t *owner =
		json_object_get(object, type == SL_OBJECT_PROVIDER ? "key" : "provider");

	return json_is_string(owner) && strcmp(json_string_value(owner), provider) == 0;
}

/* Every object of the document must be the provider's. What is no object is for the reader to refuse. */
static size_t
check_owner(const json_t *document, const char *provider, struct sl_problems *problems)
{
	size_t n_faults = 0;

	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		enum sl_object_type type = (enum sl_object_type)t;
		const char *member = sl_object_type_plural(type);
		const json_t *list = json_object_get(document, member);

		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *object = json_array_get(list, i);
			char pointer[128];

			if (!json_is_object(object) || is_owned(type, object, provider))
				continue;
			snprintf(pointer, sizeof(pointer), "/%s/%zu", member, i);
			sl_problems_add(problems, SL_ERR_INVALID_PARAMETER, pointer,
				"this is not an object of the provider \"%.80s\", whose objects "
				"alone are replaced",
				provider);
			n_faults++;
		}
	}
	return n_faults;
}

static bool
choose(void *ctx, const struct sl_object *object)
{
	return sl_control_scope_has(ctx, object);
}

/* A document that does not speak of providers leaves the provider itself alone. */
static bool
keeps_provider(const struct sl_edit_policy *edit, enum sl_object_type type)
{
	return type == SL_OBJECT_PROVIDER &&
		json_object_get(edit->document, sl_object_type_plural(type)) == NULL;
}

/* What the document is read on top of: nothing, or everything that is not the provider's. */
static struct sl_policy *
base_policy(const struct sl_policy *policy, const struct sl_edit_policy *edit, struct scope *scope)
{
	struct sl_policy *base;

	if (edit->provider == NULL)
		return sl_policy_new();
	base = sl_policy_clone(policy);
	for (unsigned int t = 0; base != NULL && t < SL_OBJECT_TYPE_COUNT; t++) {
		enum sl_object_type type = (enum sl_object_type)t;

		if (!keeps_provider(edit, type))
			sl_policy_remove_if(base, type, choose, scope);
	}
	return base;
}

static int
check_provider(const struct sl_policy *policy, const struct sl_edit_policy *edit,
	struct sl_problems *problems)
{
	if (edit->provider == NULL)
		return 0;
	if (check_owner(edit->document, edit->provider, problems) > 0)
		return -sl_err_errno(SL_ERR_INVALID_PARAMETER);
	if (sl_policy_find(policy, SL_OBJECT_PROVIDER, edit->provider) != NULL ||
		json_array_size(json_object_get(edit->document, "providers")) > 0)
		return 0;
	sl_problems_add(problems, SL_ERR_PROVIDER_NOT_FOUND, "",
		"there is no provider \"%.80s\", and the document does not make it",
		edit->provider);
	return -sl_err_errno(SL_ERR_PROVIDER_NOT_FOUND);
}

int
sl_control_edit_policy(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	const struct sl_edit_policy *edit = ctx;
	struct scope scope = {.provider = edit->provider};
	size_t first = problems->n;
	struct sl_policy *fresh;
	int rc = check_provider(policy, edit, problems);

	if (rc != 0)
		return rc;
	fresh = base_policy(policy, edit, &scope);
	if (fresh == NULL)
		return sl_control_no_memory(problems);
	if (!sl_document_read(fresh, edit->document, edit->lifetime, edit->origin, problems)) {
		sl_policy_free(fresh);
		return sl_control_errno(problems, first);
	}
	return sl_control_reconcile(policy, fresh, &scope, problems);
}
