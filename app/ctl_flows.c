/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_flows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* flows: connections as workers see them; show, count or end them. */

#define SHOWN_USUAL    100
#define WATCH_USUAL_MS 2000
#define OPTION_FIRST   256
#define OPTION_ALL     512

/* In the order of argp_options; the parameters of /v1/flows. */
static const char *const parameters[] = {"protocol", "ip_version", "local", "remote", "local_port",
	"remote_port", "port", "state", "class", "direction", "filter", "vlan", "pended"};

#define N_PARAMETERS SL_ARRAY_LEN(parameters)

static const struct argp_option argp_options[] = {
	{"protocol", OPTION_FIRST, "NAME", 0, "Only this protocol: tcp, udp, icmp ... or a number",
		0},
	{"ip-version", OPTION_FIRST + 1, "4|6", 0, "Only this version of IP", 0},
	{"local", OPTION_FIRST + 2, "PREFIX", 0, "Only inside hosts of this address or prefix", 0},
	{"remote", OPTION_FIRST + 3, "PREFIX", 0, "Only outside hosts of this address or prefix",
		0},
	{"local-port", OPTION_FIRST + 4, "PORT", 0, "Only this port inside", 0},
	{"remote-port", OPTION_FIRST + 5, "PORT", 0, "Only this port outside", 0},
	{"port", OPTION_FIRST + 6, "PORT", 0, "Only this port, at either end", 0},
	{"state", OPTION_FIRST + 7, "STATE", 0, "Only TCP in this state, such as established", 0},
	{"class", OPTION_FIRST + 8, "CLASS", 0, "Only this class, such as udp or tcp_syn", 0},
	{"direction", OPTION_FIRST + 9, "DIRECTION", 0, "Only flows opened inbound or outbound", 0},
	{"filter", OPTION_FIRST + 10, "KEY", 0, "Only flows that this filter authorised", 0},
	{"vlan", OPTION_FIRST + 11, "VID", 0, "Only this outermost VLAN; 0: untagged", 0},
	{"pended", OPTION_FIRST + 12, NULL, 0, "Only flows that wait for a callout's answer", 0},
	{"all", OPTION_ALL, NULL, 0, "With kill: every flow", 0},
	{"number", 'n', "N", 0, "Show at most N flows (100)", 0},
	{"watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL,
		"Show them again every SECONDS (2), until interrupted", 0},
	{0},
};

struct options {
	const char *values[N_PARAMETERS];
	bool has_filters;
	bool all;
	size_t n;
	uint32_t watch_ms; /* 0: show them once */
	const char *verb;  /* NULL: list */
	char **rest;       /* arguments behind the verb */
	size_t n_rest;
};

static size_t
read_n(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long long n = strtoull(arg, &end, 10);

	if (arg[0] < '0' || arg[0] > '9' || *end != '\0' || n == 0)
		argp_error(state, "the number of flows is 1 or more, not %s", arg);
	return (size_t)n;
}

/* "2", "0.5" */
static uint32_t
read_interval(const char *arg, struct argp_state *state)
{
	char *end;
	double seconds = strtod(arg, &end);

	if (arg[0] < '0' || arg[0] > '9' || *end != '\0' || seconds < 0.1 || seconds > 3600)
		argp_error(state, "the interval is 0.1 to 3600 seconds, not %s", arg);
	return (uint32_t)(seconds * 1000);
}

/* "--watch 5" is meant as "--watch=5": no verb begins with a digit. */
static bool
is_interval(const struct options *options, const char *arg)
{
	return options->watch_ms != 0 && options->verb == NULL && arg[0] >= '0' && arg[0] <= '9';
}

static void
take_argument(struct options *options, char *arg, struct argp_state *state)
{
	if (is_interval(options, arg))
		options->watch_ms = read_interval(arg, state);
	else if (options->verb == NULL)
		options->verb = arg;
	else
		options->rest[options->n_rest++] = arg;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	if (key >= OPTION_FIRST && key < OPTION_FIRST + (int)N_PARAMETERS) {
		options->values[key - OPTION_FIRST] = arg != NULL ? arg : "1";
		options->has_filters = true;
		return 0;
	}
	switch (key) {
	case OPTION_ALL:
		options->all = true;
		return 0;
	case 'n':
		options->n = read_n(arg, state);
		return 0;
	case 'w':
		options->watch_ms = arg != NULL ? read_interval(arg, state) : WATCH_USUAL_MS;
		return 0;
	case ARGP_KEY_ARG:
		take_argument(options, arg, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "/v1/flows" with the filters. NULL: out of memory. To be freed. */
static char *
path_with_filters(const struct options *options)
{
	char *path = ctl_path("flows", NULL);

	for (size_t i = 0; i < N_PARAMETERS; i++)
		ctl_path_add(&path, parameters[i], options->values[i]);
	return path;
}

/* --- List, show, stats. --- */

static int
list_once(struct ctl *ctl, const char *path, size_t n_max)
{
	json_t *list;
	int rc = ctl_list_first(ctl, path, n_max, &list);

	if (rc != CTL_OK)
		return rc;
	if (ctl->json)
		ctl_print_json(ctl, list);
	else
		ctl_flows_show_list(ctl, list);
	json_decref(list);
	return CTL_OK;
}

static int
list_flows(struct ctl *ctl, const struct options *options)
{
	char *path;
	int rc;

	if (options->all)
		return ctl_fail("--all goes with kill");
	path = path_with_filters(options);
	if (path == NULL)
		return ctl_fail("not enough memory");
	rc = options->watch_ms != 0 ? ctl_flows_watch(ctl, path, options->n, options->watch_ms)
				    : list_once(ctl, path, options->n);
	free(path);
	return rc;
}

static int
get_and_show(struct ctl *ctl, const char *key, ctl_show_fn *show)
{
	struct ctl_request request = {.method = "GET"};
	char *path = ctl_path("flows", key);
	int rc;

	if (path == NULL)
		return ctl_fail("not enough memory");
	request.path = path;
	rc = ctl_call_and_show(ctl, &request, show, NULL);
	free(path);
	return rc;
}

static int
show_flow(struct ctl *ctl, const struct options *options)
{
	if (options->n_rest != 1 || options->has_filters)
		return ctl_fail("flows show takes the id of one flow");
	return get_and_show(ctl, options->rest[0], ctl_flows_show_one);
}

static int
show_stats(struct ctl *ctl, const struct options *options)
{
	if (options->n_rest != 0 || options->has_filters)
		return ctl_fail("flows stats takes no arguments");
	return get_and_show(ctl, "stats", ctl_flows_show_stats);
}

/* --- Kill. --- */

static void
show_killed(const struct ctl *ctl, const json_t *answer, void *ctx)
{
	(void)ctl;
	(void)ctx;
	ctl_line(ctl_number(answer, "killed") == 1 ? "%s flow is ended" : "%s flows are ended",
		ctl_text(answer, "killed"));
}

static int
kill_one(struct ctl *ctl, const char *id)
{
	struct ctl_request request = {.method = "DELETE"};
	char *path = ctl_path("flows", id);
	int rc;

	if (path == NULL)
		return ctl_fail("not enough memory");
	request.path = path;
	rc = ctl_call_and_show(ctl, &request, NULL, NULL);
	if (rc == CTL_OK && !ctl->json)
		ctl_line("flow %s is ended", id);
	free(path);
	return rc;
}

/* Goes on behind one that is gone; the status is that of the first that failed. */
static int
kill_ids(struct ctl *ctl, const struct options *options)
{
	int status = CTL_OK;

	for (size_t i = 0; i < options->n_rest; i++) {
		int rc = kill_one(ctl, options->rest[i]);

		if (status == CTL_OK)
			status = rc;
	}
	return status;
}

static int
kill_wanted(struct ctl *ctl, const struct options *options)
{
	struct ctl_request request = {.method = "DELETE"};
	char *path = path_with_filters(options);
	int rc;

	if (options->all)
		ctl_path_add(&path, "all", "1");
	if (path == NULL)
		return ctl_fail("not enough memory");
	request.path = path;
	rc = ctl_call_and_show(ctl, &request, show_killed, NULL);
	free(path);
	return rc;
}

static int
kill_flows(struct ctl *ctl, const struct options *options)
{
	const int n = (options->n_rest > 0) + options->has_filters + options->all;

	if (n != 1)
		return ctl_fail("flows kill takes ids, or filters, or --all");
	return options->n_rest > 0 ? kill_ids(ctl, options) : kill_wanted(ctl, options);
}

/* --- Events. --- */

static void
show_events(const struct ctl *ctl, const json_t *engine, void *ctx)
{
	const json_t *on = json_object_get(json_object_get(engine, "options"), "flow_events");

	(void)ctl;
	(void)ctx;
	puts(json_is_true(on) ? "on" : "off");
}

static int
switch_events(struct ctl *ctl, const struct options *options)
{
	struct ctl_request request = {.method = "GET", .path = "/v1/engine"};
	const char *word = options->n_rest == 1 ? options->rest[0] : "";

	if (options->n_rest > 1 || options->has_filters ||
		(options->n_rest == 1 && strcmp(word, "on") != 0 && strcmp(word, "off") != 0))
		return ctl_fail("flows events takes nothing, on or off");
	if (options->n_rest == 1) {
		request.method = "PATCH";
		request.body = strcmp(word, "on") == 0 ? "{\"options\":{\"flow_events\":true}}"
						       : "{\"options\":{\"flow_events\":false}}";
		request.len = strlen(request.body);
	}
	return ctl_call_and_show(ctl, &request, show_events, NULL);
}

static int
run(struct ctl *ctl, const struct options *options)
{
	static const struct {
		const char *verb;
		int (*run)(struct ctl *ctl, const struct options *options);
	} verbs[] = {
		{"show", show_flow},
		{"kill", kill_flows},
		{"stats", show_stats},
		{"events", switch_events},
	};

	if (options->verb == NULL)
		return list_flows(ctl, options);
	if (options->watch_ms != 0)
		return ctl_fail("--watch goes with the list");
	for (size_t i = 0; i < SL_ARRAY_LEN(verbs); i++) {
		if (strcmp(options->verb, verbs[i].verb) == 0)
			return verbs[i].run(ctl, options);
	}
	return ctl_fail("flows takes show, kill, stats, events or nothing, not %s", options->verb);
}

int
ctl_flows(struct ctl *ctl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "\nshow ID\nkill {ID... | FILTERS | --all}\nstats\nevents [on | off]",
		.doc = "Lists flows, shows one, ends some, counts them all, or switches their net "
		       "events.",
	};
	struct options options = {.n = SHOWN_USUAL};
	int rc;

	options.rest = calloc((size_t)argc, sizeof(*options.rest));
	if (options.rest == NULL)
		return ctl_fail("not enough memory");
	ctl_parse(ctl, &argp, argc, argv, &options);
	rc = run(ctl, &options);
	free(options.rest);
	return rc;
}
