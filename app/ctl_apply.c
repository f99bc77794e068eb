/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <inttypes.h>
#include <stdlib.h>

/* apply: a whole policy document at once. */

#define SHOWN_MAX 20 /* changes listed of each kind, unless all are asked for */

struct options {
	const char *file;
	const char *provider;
	bool is_dry_run;
	bool shows_all;
};

static const struct argp_option argp_options[] = {
	{"dry-run", 'n', NULL, 0, "Say what would change, and change nothing", 0},
	{"provider", 'p', "KEY", 0, "The document replaces this provider's objects only", 0},
	{"all", 'a', NULL, 0, "List every change, not the first 20 of each kind", 0},
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'n':
		options->is_dry_run = true;
		return 0;
	case 'p':
		options->provider = arg;
		return 0;
	case 'a':
		options->shows_all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (options->file != NULL)
			argp_error(state, "one FILE at a time: %s", arg);
		options->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->file == NULL)
			argp_error(state, "FILE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
print_changes(const struct options *options, const json_t *diff, const char *kind, char sign)
{
	const json_t *list = json_object_get(diff, kind);
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (i == SHOWN_MAX && !options->shows_all) {
			printf("%c ... and %zu more\n", sign, json_array_size(list) - i);
			break;
		}
		if (json_is_string(item))
			ctl_line("%c %s", sign, json_string_value(item));
	}
}

static void
show_report(const struct ctl *ctl, const json_t *report, void *ctx)
{
	const struct options *options = ctx;
	const json_t *compile = json_object_get(report, "compile");
	const json_t *diff = json_object_get(report, "diff");
	const json_t *lint;
	size_t i;

	(void)ctl;
	print_changes(options, diff, "removed", '-');
	print_changes(options, diff, "changed", '~');
	print_changes(options, diff, "added", '+');
	json_array_foreach(json_object_get(report, "lint"), i, lint) {
		ctl_line("warning: %s: %s", ctl_text(lint, "code"), ctl_text(lint, "detail"));
	}
	ctl_line("%s revision %s: %zu added, %zu changed, %zu removed; %" PRIu64
		 " filters compiled into %" PRIu64 " bytes in %.2f ms",
		options->is_dry_run ? "dry run, still" : "in force:", ctl_text(report, "revision"),
		json_array_size(json_object_get(diff, "added")),
		json_array_size(json_object_get(diff, "changed")),
		json_array_size(json_object_get(diff, "removed")), ctl_number(compile, "filters"),
		ctl_number(compile, "bytes"), (double)ctl_number(compile, "compile_ns") / 1e6);
}

static int
apply(struct ctl *ctl, struct options *options, const char *text, size_t len)
{
	struct ctl_request request = {.method = "PUT", .body = text, .len = len};
	char *path = ctl_path("policy", NULL);
	int rc;

	ctl_path_add(&path, "provider", options->provider);
	if (options->is_dry_run)
		ctl_path_add(&path, "dry_run", "1");
	if (path == NULL)
		return ctl_fail("not enough memory");
	request.path = path;
	rc = ctl_call_and_show(ctl, &request, show_report, options);
	free(path);
	return rc;
}

int
ctl_apply(struct ctl *ctl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "FILE",
		.doc = "Replaces the policy by the document in FILE, or on standard input for "
		       "\"-\": all of it or "
		       "nothing.",
	};
	struct options options = {0};
	char *text;
	size_t len;
	int rc;

	ctl_parse(ctl, &argp, argc, argv, &options);
	rc = ctl_read_file(options.file, &text, &len);
	if (rc != CTL_OK)
		return rc;
	rc = apply(ctl, &options, text, len);
	free(text);
	return rc;
}
