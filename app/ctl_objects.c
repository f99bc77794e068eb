/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

/* get, put and delete: any resource by its path, and objects by type and key. */

/* What a list of a type shows besides key and name. */
static const struct type {
	const char *name; /* as in paths */
	const char *single;
	const char *columns[3]; /* members */
} types[] = {
	{"providers", "provider", {"service_name", NULL, NULL}},
	{"sublayers", "sublayer", {"weight", "provider", "origin"}},
	{"provider_contexts", "provider_context", {"provider", "origin", NULL}},
	{"callouts", "callout", {"layer", "plugin", "provider"}},
	{"filters", "filter", {"layer", "sublayer", "effective_weight"}},
	{"sets", "set", {"type", "provider", "origin"}},
};

static const struct type *
find_type(const char *name)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, name) == 0 || strcmp(types[i].single, name) == 0)
			return &types[i];
	}
	return NULL;
}

/* The path of what was named: "/v1/..." itself, a type and a key, or a resource such as "engine" or "filters/web". */
static char *
path_of(const char *what, const char *key)
{
	const struct type *type = find_type(what);

	if (what[0] == '/')
		return strdup(what);
	return ctl_path(type != NULL ? type->name : what, key);
}

static void
show_list(const struct ctl *ctl, const json_t *list, void *ctx)
{
	const struct type *type = ctx;
	struct ctl_table table;
	const json_t *item;
	size_t i;

	ctl_table_init(&table, "KEY", "NAME", NULL);
	for (size_t c = 0; c < SL_ARRAY_LEN(type->columns) && type->columns[c] != NULL; c++)
		table.titles[table.n_columns++] = type->columns[c];
	json_array_foreach(json_object_get(list, "items"), i, item) {
		ctl_table_add(&table, ctl_text(item, "key"));
		ctl_table_add(&table, ctl_text(item, "name"));
		for (size_t c = 2; c < table.n_columns; c++)
			ctl_table_add(&table, ctl_text(item, table.titles[c]));
	}
	ctl_table_print(&table, ctl, "none");
}

int
ctl_get_command(struct ctl *ctl, int argc, char **argv)
{
	const char *args[2] = {NULL, NULL};
	const struct type *type;
	char *path;
	int rc;

	ctl_parse_args(ctl, "PATH | TYPE [KEY]",
		"Shows a resource. TYPE is providers, sublayers, provider_contexts, callouts, "
		"filters, sets, "
		"or the name of another resource such as engine, policy or layers.",
		argc, argv, 1, 2, args);
	type = find_type(args[0]);
	path = path_of(args[0], args[1]);
	if (path == NULL)
		return ctl_fail("not enough memory");
	if (type != NULL && args[1] == NULL)
		rc = ctl_list_and_show(ctl, path, show_list, (void *)(uintptr_t)type);
	else /* As JSON in any case: it is the form in which it would be put. */
		rc = ctl_call_and_show(
			ctl, &(struct ctl_request){.method = "GET", .path = path}, NULL, NULL);
	free(path);
	return rc;
}

/* --- Changes. --- */

struct change {
	const char *args[3];
	int n_args;
	bool is_dry_run;
};

static const struct argp_option change_options[] = {
	{"dry-run", 'n', NULL, 0, "Say what would change, and change nothing", 0},
	{0},
};

static error_t
parse_change(int key, char *arg, struct argp_state *state)
{
	struct change *change = state->input;

	switch (key) {
	case 'n':
		change->is_dry_run = true;
		return 0;
	case ARGP_KEY_ARG:
		if (change->n_args == 3)
			argp_error(state, "too many arguments: %s", arg);
		change->args[change->n_args++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "put filters/web FILE" has one argument less than "put filters web FILE". */
static char *
changed_path(const struct change *change, int n_more)
{
	const bool is_path = change->n_args > 0 && strchr(change->args[0], '/') != NULL;
	char *path;

	if (change->n_args != (is_path ? 1 : 2) + n_more) {
		ctl_fail("wrong number of arguments; --help shows how it is used");
		return NULL;
	}
	path = path_of(change->args[0], is_path ? NULL : change->args[1]);
	if (change->is_dry_run)
		ctl_path_add(&path, "dry_run", "1");
	if (path == NULL)
		ctl_fail("not enough memory");
	return path;
}

int
ctl_put(struct ctl *ctl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = change_options,
		.parser = parse_change,
		.args_doc = "TYPE KEY FILE\nTYPE/KEY FILE",
		.doc = "Creates or replaces an object with the JSON of FILE, or of standard input "
		       "for \"-\".",
	};
	struct change change = {.n_args = 0};
	struct ctl_request request = {.method = "PUT"};
	char *path, *text = NULL;
	int rc;

	ctl_parse(ctl, &argp, argc, argv, &change);
	path = changed_path(&change, 1);
	if (path == NULL)
		return CTL_USAGE;
	rc = ctl_read_file(change.args[change.n_args - 1], &text, &request.len);
	request.path = path;
	request.body = text;
	if (rc == CTL_OK)
		rc = ctl_call_and_show(ctl, &request, NULL, NULL);
	free(text);
	free(path);
	return rc;
}

int
ctl_delete(struct ctl *ctl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = change_options,
		.parser = parse_change,
		.args_doc = "TYPE KEY\nTYPE/KEY",
		.doc = "Deletes an object that nothing refers to.",
	};
	struct change change = {.n_args = 0};
	char *path;
	int rc;

	ctl_parse(ctl, &argp, argc, argv, &change);
	path = changed_path(&change, 0);
	if (path == NULL)
		return CTL_USAGE;
	rc = ctl_call_and_show(
		ctl, &(struct ctl_request){.method = "DELETE", .path = path}, NULL, NULL);
	free(path);
	return rc;
}
