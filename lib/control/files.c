/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"
#include "control/reconcile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Policy files.  All files of the configuration form one document, in the order they are named: their
 * arrays are joined, so that a file may refer to what any other says, and faults are led back to the
 * file and the place they come from.
 */

/* How many objects of each type one file has. */
struct part {
	const char *path;
	size_t n[SL_OBJECT_TYPE_COUNT];
};

struct files {
	json_t *document; /* the files joined */
	struct part *parts;
	uint32_t n_parts;
};

/* --- Faults. --- */

static void
fault_in_file(struct sl_problems *problems, enum sl_err code, const char *pointer, const char *path,
	const char *detail)
{
	sl_problems_add(problems, code, pointer, "%s: %s", path, detail);
}

/* The type of "/filters/7/...", and what follows its name. */
static bool
parse_pointer(const char *pointer, enum sl_object_type *type, const char **rest)
{
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		const char *name = sl_object_type_plural((enum sl_object_type)t);
		size_t len = strlen(name);

		if (pointer[0] != '/' || strncmp(pointer + 1, name, len) != 0 ||
			pointer[len + 1] != '/')
			continue;
		*type = (enum sl_object_type)t;
		*rest = pointer + len + 2;
		return true;
	}
	return false;
}

/* The file that has the object number `*index` of a type; `*index` becomes its number there. */
static const char *
find_file(const struct files *files, enum sl_object_type type, size_t *index)
{
	for (uint32_t i = 0; i < files->n_parts; i++) {
		if (*index < files->parts[i].n[type])
			return files->parts[i].path;
		*index -= files->parts[i].n[type];
	}
	return NULL;
}

/* A fault of the joined document, told where the file has it. */
static void
fault_in_document(
	const struct files *files, const struct sl_problem *problem, struct sl_problems *problems)
{
	const char *path = NULL;
	enum sl_object_type type;
	struct sl_buf pointer = {0};
	const char *rest;
	char *end = NULL;
	size_t index;

	if (parse_pointer(problem->pointer, &type, &rest) && isdigit((unsigned char)*rest)) {
		index = strtoul(rest, &end, 10);
		path = find_file(files, type, &index);
	}
	if (path == NULL) {
		fault_in_file(
			problems, problem->code, problem->pointer, "policy files", problem->detail);
		return;
	}
	sl_buf_printf(&pointer, "/%s/%zu%s", sl_object_type_plural(type), index, end);
	fault_in_file(problems, problem->code, sl_buf_text(&pointer), path, problem->detail);
	sl_buf_fini(&pointer);
}

/* --- Reading. --- */

/* Checks everything but the arrays of objects: that it is an object, and its other members. */
static int
check_form(const char *path, json_t *json, struct sl_problems *problems)
{
	json_t *rest = json_is_object(json) ? json_copy(json) : json_incref(json);
	struct sl_policy *nothing = sl_policy_new();
	struct sl_problems faults = {0};
	bool ok;

	for (unsigned int t = 0; rest != NULL && t < SL_OBJECT_TYPE_COUNT; t++) {
		const char *name = sl_object_type_plural((enum sl_object_type)t);

		if (json_is_array(json_object_get(rest, name)))
			json_object_del(rest, name);
	}
	ok = rest != NULL && nothing != NULL;
	if (!ok)
		sl_control_no_memory(problems);
	else
		ok = sl_document_read(
			nothing, rest, SL_LIFETIME_PERSISTENT, SL_ORIGIN_FILE, &faults);
	for (size_t i = 0; i < faults.n; i++)
		fault_in_file(problems, faults.list[i].code, faults.list[i].pointer, path,
			faults.list[i].detail);
	sl_problems_fini(&faults);
	sl_policy_free(nothing);
	json_decref(rest);
	return ok ? 0 : -EINVAL;
}

static int
append(json_t *document, const char *name, json_t *list, size_t *n)
{
	json_t *all = json_object_get(document, name);

	*n = json_array_size(list);
	if (*n == 0)
		return 0;
	if (all == NULL) {
		all = json_array();
		if (json_object_set_new(document, name, all) != 0)
			return -ENOMEM;
	}
	return json_array_extend(all, list) == 0 ? 0 : -ENOMEM;
}

static int
join(struct files *files, struct part *part, json_t *json, struct sl_problems *problems)
{
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		const char *name = sl_object_type_plural((enum sl_object_type)t);

		if (append(files->document, name, json_object_get(json, name), &part->n[t]) != 0)
			return sl_control_no_memory(problems);
	}
	return 0;
}

static int
read_file(struct files *files, const char *path, size_t memory_max, struct sl_problems *problems)
{
	struct part *part = &files->parts[files->n_parts];
	struct sl_error err = {0};
	json_t *json = NULL;
	int rc = sl_json_load_file(path, memory_max, &json, &err);

	if (rc != 0) {
		/* The place is "FILE" or "FILE:LINE:COLUMN". */
		fault_in_file(
			problems, err.code, "", err.where[0] != '\0' ? err.where : path, err.text);
		return rc;
	}
	part->path = path;
	rc = check_form(path, json, problems);
	if (rc == 0)
		rc = join(files, part, json, problems);
	if (rc == 0)
		files->n_parts++;
	json_decref(json);
	return rc;
}

static void
files_fini(struct files *files)
{
	json_decref(files->document);
	free(files->parts);
}

/* Reads all files, also those behind a faulty one: their authors want to know too. */
static int
read_files(const struct sl_control *control, struct files *files, struct sl_problems *problems)
{
	int rc = 0;

	files->document = json_object();
	files->parts = calloc(control->n_policy_files + 1, sizeof(*files->parts));
	if (files->document == NULL || files->parts == NULL)
		return sl_control_no_memory(problems);
	for (uint32_t i = 0; i < control->n_policy_files; i++) {
		int one = read_file(
			files, control->policy_files[i], control->json_memory_max, problems);

		rc = rc != 0 ? rc : one;
	}
	return rc;
}

/* --- The edit. --- */

static int
edit_files(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	const struct files *files = ctx;
	struct scope scope = {.files_only = true};
	struct sl_problems faults = {0};
	struct sl_policy *fresh = sl_policy_new();
	int rc = 0;

	if (fresh == NULL)
		return sl_control_no_memory(problems);
	/* Files stand on their own: at boot there is nothing else to refer to. */
	if (!sl_document_read(
		    fresh, files->document, SL_LIFETIME_PERSISTENT, SL_ORIGIN_FILE, &faults)) {
		sl_policy_free(fresh);
		rc = sl_control_errno(&faults, 0);
	}
	for (size_t i = 0; i < faults.n; i++)
		fault_in_document(files, &faults.list[i], problems);
	problems->n_total += faults.n_total - faults.n;
	sl_problems_fini(&faults);
	return rc != 0 ? rc : sl_control_reconcile(policy, fresh, &scope, problems);
}

int
sl_control_reload(struct sl_control *control, struct sl_problems *problems)
{
	struct files files = {0};
	int rc = read_files(control, &files, problems);

	if (rc == 0)
		rc = sl_control_change(control, edit_files, &files, 0, 0, problems, NULL);
	files_fini(&files);
	return rc;
}

int
sl_control_boot(struct sl_control *control, struct sl_problems *problems)
{
	/* The first commit puts a policy in force even when it is an empty one. */
	return sl_control_reload(control, problems);
}
