/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order of the help. */
static const struct ctl_command commands[] = {
	{"status", "what the daemon is doing; fails until it is ready", ctl_status},
	{"apply", "replace the policy by a document", ctl_apply},
	{"filters", "filters in order, with what they matched", ctl_filters},
	{"explain", "what would become of a packet, and why", ctl_explain},
	{"events", "what was dropped, and who decided it", ctl_events},
	{"flows", "connections; show, count or end them", ctl_flows},
	{"get", "show an object or any resource", ctl_get_command},
	{"put", "create or replace an object", ctl_put},
	{"delete", "delete an object", ctl_delete},
	{"layers", "layers, or what was compiled for one, and its fields", ctl_layers},
	{"stats", "counters of links, drops, layers, workers", ctl_stats},
	{"ports", "ports and their devices", ctl_ports},
	{"links", "links and their traffic", ctl_links},
	{"plugins", "callout plugins; load or unload one", ctl_plugins},
	{"mode", "show or set inline, monitor, bypass, block", ctl_mode},
	{"version", "versions of this program and the daemon", ctl_version},
};

static const struct argp_option common_options[] = {
	{"socket", 's', "PATH", 0, "The daemon's socket (" CTL_SOCKET_DEFAULT ", or SLUICE_SOCKET)",
		10},
	{"json", 'j', NULL, 0, "Print the daemon's JSON", 10},
	{0},
};

static error_t
parse_common(int key, char *arg, struct argp_state *state)
{
	struct ctl *ctl = state->input;

	switch (key) {
	case 's':
		ctl->socket = arg;
		return 0;
	case 'j':
		ctl->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common = {.options = common_options, .parser = parse_common};

/* --- Arguments of a command. --- */

/* A command's own parser with the common options beside it. */
struct command_input {
	struct ctl *ctl;
	const struct argp *argp;
	void *input;
};

static error_t
parse_command(int key, char *arg, struct argp_state *state)
{
	struct command_input *command = state->input;
	(void)arg;

	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = command->input;
	state->child_inputs[1] = command->ctl;
	return 0;
}

void
ctl_parse(struct ctl *ctl, const struct argp *argp, int argc, char **argv, void *input)
{
	/* The whole says what it is for and how it is called; a child that said it too would repeat it. */
	const struct argp own = {.options = argp->options, .parser = argp->parser};
	const struct argp_child children[] = {{&own, 0, NULL, 0}, {&common, 0, NULL, 0}, {0}};
	const struct argp whole = {.parser = parse_command,
		.args_doc = argp->args_doc,
		.doc = argp->doc,
		.children = children};
	struct command_input command = {.ctl = ctl, .argp = argp, .input = input};

	argp_parse(&whole, argc, argv, 0, NULL, &command);
}

struct plain_input {
	const char **args;
	int n, n_min, n_max;
};

static error_t
parse_plain(int key, char *arg, struct argp_state *state)
{
	struct plain_input *plain = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (plain->n == plain->n_max)
			argp_error(state, "unexpected argument %s", arg);
		plain->args[plain->n++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (plain->n < plain->n_min)
			argp_error(state, "an argument is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
ctl_parse_args(struct ctl *ctl, const char *args_doc, const char *doc, int argc, char **argv,
	int n_min, int n_max, const char **args)
{
	const struct argp argp = {.parser = parse_plain, .args_doc = args_doc, .doc = doc};
	struct plain_input plain = {.args = args, .n_min = n_min, .n_max = n_max};

	ctl_parse(ctl, &argp, argc, argv, &plain);
	return plain.n;
}

/* --- The program. --- */

/* Where the command's name stands among the arguments. */
struct program_input {
	struct ctl *ctl;
	int command_at; /* 0: there is none */
};

static error_t
parse_program(int key, char *arg, struct argp_state *state)
{
	struct program_input *program = state->input;
	(void)arg;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = program->ctl;
		return 0;
	case ARGP_KEY_ARG:
		/* The rest belongs to the command. */
		program->command_at = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command? --help lists them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The list of commands at the end of the help, from the one table. To be freed. */
static char *
commands_help(int key, const char *text, void *input)
{
	char *help = NULL;
	size_t size;
	FILE *file;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	file = open_memstream(&help, &size);
	if (file == NULL)
		return NULL;
	fputs("Commands (each has a --help of its own):\n", file);
	for (size_t i = 0; i < SL_ARRAY_LEN(commands); i++)
		fprintf(file, "  %-9s %s\n", commands[i].name, commands[i].help);
	fputs("\nExit status: 0 done, 1 the daemon refused, 2 usage or unreadable input, 3 no "
	      "daemon.",
		file);
	fclose(file);
	return help;
}

static const struct ctl_command *
find_command(const char *name)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* The command sees its arguments behind a name of two words, for its messages. */
static int
run_command(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *command = find_command(argv[0]);
	char name[64];
	int rc;

	if (command == NULL)
		return ctl_fail("there is no command %s; --help lists them", argv[0]);
	snprintf(name, sizeof(name), "sluicectl %s", command->name);
	argv[0] = name;
	rc = command->run(ctl, argc, argv);
	/* A full disk or a closed pipe must not pass for success. */
	if (fflush(stdout) != 0 || ferror(stdout))
		return errno == EPIPE ? rc : ctl_fail("standard output: %s", strerror(errno));
	return rc;
}

int
main(int argc, char **argv)
{
	const struct argp_child children[] = {{&common, 0, NULL, 0}, {0}};
	const struct argp argp = {
		.parser = parse_program,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = "Controls sluiced, the inline packet filter, over its socket.\v.",
		.children = children,
		.help_filter = commands_help,
	};
	const char *socket = getenv("SLUICE_SOCKET");
	struct ctl ctl = {
		.socket = socket != NULL ? socket : CTL_SOCKET_DEFAULT,
		.is_terminal = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL,
	};
	struct program_input program = {.ctl = &ctl};
	int rc;

	setlocale(LC_CTYPE, "");
	argp_program_version = "sluicectl " SLUICE_VERSION;
	argp_err_exit_status = CTL_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &program);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = run_command(&ctl, argc - program.command_at, argv + program.command_at);
	ctl_disconnect(&ctl);
	curl_global_cleanup();
	return rc;
}
