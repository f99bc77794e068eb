/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"
#include "control/equal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Edits of a set's elements.  A set's list is sorted, so that adding is a merge and removing a walk:
 * linear in the set however many elements come and go.
 */

/* --- Copies of a set. --- */

static bool
copy_text(char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = strdup(from);
	return *to != NULL;
}

/* A set like `from`, with no elements yet. NULL: out of memory. */
static struct sl_set *
set_like(const struct sl_set *from)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_SET);
	const struct sl_object *old = &from->object;

	if (object == NULL)
		return NULL;
	object->lifetime = old->lifetime;
	object->origin = old->origin;
	sl_set_of(object)->set_type = from->set_type;
	if (copy_text(&object->key, old->key) && copy_text(&object->name, old->name) &&
		copy_text(&object->description, old->description) &&
		copy_text(&object->provider, old->provider) &&
		copy_text(&object->provider_data, old->provider_data))
		return sl_set_of(object);
	sl_object_put(object);
	return NULL;
}

/* A set like `from` with room for `n` elements. */
static struct sl_set *
set_with_room(const struct sl_set *from, size_t n)
{
	struct sl_set *set = set_like(from);

	if (set == NULL || n == 0)
		return set;
	set->elements = reallocarray(NULL, n, sizeof(*set->elements));
	if (set->elements != NULL)
		return set;
	sl_object_put(&set->object);
	return NULL;
}

static int
compare_elements(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_set_range));
}

/* --- The three changes. Each gives a set to be finished, or NULL with problems added. --- */

struct elements {
	const struct sl_edit_elements *edit;
	const struct sl_set *old;
	struct sl_problems *problems;
};

static const char *
pointer_of(const struct sl_edit_elements *edit)
{
	return edit->pointer != NULL ? edit->pointer : "";
}

/* The elements of the request, in its order. */
static struct sl_set *
read_request(const struct elements *run)
{
	struct sl_set *set = set_like(run->old);

	if (set == NULL) {
		sl_control_no_memory(run->problems);
		return NULL;
	}
	if (sl_document_read_elements(
		    set, run->edit->elements, pointer_of(run->edit), run->problems))
		return set;
	sl_object_put(&set->object);
	return NULL;
}

/* Checks, sorts, and drops duplicates. False: problems were added. */
static bool
finish(const struct elements *run, struct sl_set *set)
{
	return sl_object_finish(&set->object, pointer_of(run->edit), run->problems);
}

static struct sl_set *
replace_all(const struct elements *run)
{
	return read_request(run);
}

static void
merge(const struct sl_set *a, const struct sl_set *b, struct sl_set *out)
{
	size_t i = 0;
	size_t k = 0;

	while (i < a->n_elements || k < b->n_elements) {
		int order = 0;

		if (i == a->n_elements)
			order = 1;
		else if (k == b->n_elements)
			order = -1;
		else
			order = compare_elements(&a->elements[i], &b->elements[k]);
		out->elements[out->n_elements++] = order <= 0 ? a->elements[i] : b->elements[k];
		i += order <= 0;
		k += order >= 0;
	}
}

static struct sl_set *
add_some(const struct elements *run)
{
	struct sl_set *request = read_request(run);
	struct sl_set *set = NULL;

	if (request == NULL)
		return NULL;
	if (finish(run, request)) {
		set = set_with_room(run->old, run->old->n_elements + request->n_elements);
		if (set == NULL)
			sl_control_no_memory(run->problems);
		else
			merge(run->old, request, set);
	}
	sl_object_put(&request->object);
	return set;
}

static void
refuse_absent(const struct elements *run, size_t i)
{
	const json_t *element = json_array_get(run->edit->elements, i);
	char pointer[128];

	snprintf(pointer, sizeof(pointer), "%s/%zu", pointer_of(run->edit), i);
	if (json_is_string(element))
		sl_problems_add(run->problems, SL_ERR_NOT_FOUND, pointer,
			"\"%.80s\" is no element of the set \"%s\"", json_string_value(element),
			run->old->object.key);
	else
		sl_problems_add(run->problems, SL_ERR_NOT_FOUND, pointer,
			"%lld is no element of the set \"%s\"",
			(long long)json_integer_value(element), run->old->object.key);
}

/* Marks what is to go. False: some of it is not there. */
static bool
mark(const struct elements *run, const struct sl_set *request, bool *gone)
{
	const struct sl_set *old = run->old;
	bool ok = true;

	for (size_t i = 0; i < request->n_elements; i++) {
		const struct sl_set_range *found = NULL;

		if (old->n_elements > 0)
			found = bsearch(&request->elements[i], old->elements, old->n_elements,
				sizeof(*old->elements), compare_elements);
		if (found != NULL) {
			gone[found - old->elements] = true;
			continue;
		}
		refuse_absent(run, i);
		ok = false;
	}
	return ok;
}

static struct sl_set *
remove_some(const struct elements *run)
{
	const struct sl_set *old = run->old;
	struct sl_set *request = read_request(run);
	struct sl_set *set = NULL;
	bool *gone;

	if (request == NULL)
		return NULL;
	gone = calloc(old->n_elements + 1, sizeof(*gone));
	if (gone == NULL) {
		sl_control_no_memory(run->problems);
	} else if (mark(run, request, gone)) {
		set = set_with_room(old, old->n_elements);
		if (set == NULL)
			sl_control_no_memory(run->problems);
		for (size_t i = 0; set != NULL && i < old->n_elements; i++) {
			if (!gone[i])
				set->elements[set->n_elements++] = old->elements[i];
		}
	}
	free(gone);
	sl_object_put(&request->object);
	return set;
}

/* --- The edit. --- */

static struct sl_set *
make_set(const struct elements *run)
{
	switch (run->edit->change) {
	case SL_ELEMENTS_REPLACE:
		return replace_all(run);
	case SL_ELEMENTS_ADD:
		return add_some(run);
	case SL_ELEMENTS_REMOVE:
		return remove_some(run);
	}
	return NULL;
}

int
sl_control_edit_elements(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	const struct sl_edit_elements *edit = ctx;
	const struct sl_object *old = sl_policy_find(policy, SL_OBJECT_SET, edit->set);
	struct elements run = {.edit = edit, .problems = problems};
	struct sl_error err = {0};
	size_t first = problems->n;
	struct sl_set *set;
	int rc;

	if (old == NULL) {
		sl_problems_add(
			problems, SL_ERR_SET_NOT_FOUND, "", "there is no set \"%.80s\"", edit->set);
		return -sl_err_errno(SL_ERR_SET_NOT_FOUND);
	}
	run.old = sl_set_of(old);
	set = make_set(&run);
	if (set == NULL)
		return sl_control_errno(problems, first);
	rc = finish(&run, set) ? 0 : sl_control_errno(problems, first);
	if (rc == 0 && !sl_control_object_equal(old, &set->object)) {
		rc = sl_policy_put(policy, &set->object, &err);
		if (rc == 0)
			return SL_EDIT_CHECKED;
		sl_control_fail(problems, &err, rc);
	}
	sl_object_put(&set->object);
	return rc != 0 ? rc : SL_EDIT_CHECKED;
}
