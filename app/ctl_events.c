/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* events: what was dropped and who decided it, as it happens. */

#define PAGE            1000
#define NEWEST_USUAL    20
#define POLL_INTERVAL_S 1

struct options {
	const char *layer, *filter, *reason, *type;
	uint64_t since;
	uint64_t newest; /* how many of the newest, when `since` is not given */
	bool has_since;
	bool follows;
};

enum {
	OPTION_LAYER = 256,
	OPTION_FILTER,
	OPTION_REASON,
	OPTION_TYPE,
	OPTION_SINCE
};

static const struct argp_option argp_options[] = {
	{"follow", 'f', NULL, 0, "Go on: show events as they come, until interrupted", 0},
	{"newest", 'n', "N", 0, "Begin with the newest N events (20)", 0},
	{"since", OPTION_SINCE, "ID", 0, "Begin behind this event; 0 is the oldest kept", 0},
	{"layer", OPTION_LAYER, "LAYER", 0, "Only events of this layer", 0},
	{"filter", OPTION_FILTER, "KEY", 0, "Only events of this filter", 0},
	{"reason", OPTION_REASON, "REASON", 0, "Only events with this reason", 0},
	{"type", OPTION_TYPE, "TYPE", 0, "Only events of this type", 0},
	{0},
};

static uint64_t
read_number(const char *arg, struct argp_state *state)
{
	char *end;
	uint64_t number = strtoull(arg, &end, 10);

	if (arg[0] < '0' || arg[0] > '9' || *end != '\0')
		argp_error(state, "not a number: %s", arg);
	return number;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'f':
		options->follows = true;
		return 0;
	case 'n':
		options->newest = read_number(arg, state);
		return 0;
	case OPTION_SINCE:
		options->since = read_number(arg, state);
		options->has_since = true;
		return 0;
	case OPTION_LAYER:
		options->layer = arg;
		return 0;
	case OPTION_FILTER:
		options->filter = arg;
		return 0;
	case OPTION_REASON:
		options->reason = arg;
		return 0;
	case OPTION_TYPE:
		options->type = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument %s", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- One event on a line. --- */

static const char *
protocol_name(uint64_t protocol)
{
	switch (protocol) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 58:
		return "icmp6";
	case 132:
		return "sctp";
	default:
		return NULL;
	}
}

static void
print_tcp_flags(uint64_t flags)
{
	static const char letters[] = "FSRPAUEC";

	putchar(' ');
	for (int i = 0; i < 8; i++) {
		if ((flags >> i & 1) != 0)
			putchar(letters[i]);
	}
}

/* "203.0.113.9:4000 > 192.0.2.1:23 tcp S", or the MAC addresses of what is not IP. */
static void
print_packet(const json_t *event)
{
	const char *name = protocol_name(ctl_number(event, "ip_protocol"));

	if (json_object_get(event, "ip_version") == NULL) {
		ctl_printf("%s > %s", ctl_text(event, "mac_source"),
			ctl_text(event, "mac_destination"));
		if (json_object_get(event, "ether_type") != NULL)
			ctl_printf(
				" ethertype 0x%04x", (unsigned int)ctl_number(event, "ether_type"));
		return;
	}
	if (json_object_get(event, "source_port") != NULL)
		ctl_printf("%s %s > %s %s", ctl_text(event, "ip_source"),
			ctl_text(event, "source_port"), ctl_text(event, "ip_destination"),
			ctl_text(event, "destination_port"));
	else
		ctl_printf(
			"%s > %s", ctl_text(event, "ip_source"), ctl_text(event, "ip_destination"));
	if (name != NULL)
		ctl_printf(" %s", name);
	else
		ctl_printf(" protocol %s", ctl_text(event, "ip_protocol"));
	if (json_object_get(event, "icmp_type") != NULL)
		ctl_printf(" %s/%s", ctl_text(event, "icmp_type"), ctl_text(event, "icmp_code"));
	if (json_object_get(event, "tcp_flags") != NULL)
		print_tcp_flags(ctl_number(event, "tcp_flags"));
	if (json_is_true(json_object_get(event, "fragment")))
		fputs(" fragment", stdout);
}

/* "  flow 17 opened outbound: 12/10 packets, 900/8100 bytes, 3.2 s, fin" */
static void
print_flow(const json_t *event)
{
	const json_t *packets = json_object_get(event, "packets");
	const json_t *bytes = json_object_get(event, "bytes");

	ctl_printf("  flow %s opened %s", ctl_text(event, "flow"), ctl_text(event, "opened"));
	if (json_object_get(event, "end") == NULL)
		return;
	ctl_printf(": %s/%s packets, %s/%s bytes out/in, %.1f s, %s", ctl_text(packets, "outbound"),
		ctl_text(packets, "inbound"), ctl_text(bytes, "outbound"),
		ctl_text(bytes, "inbound"), (double)ctl_number(event, "duration_ms") / 1000,
		ctl_text(event, "end"));
}

static void
print_event(const struct ctl *ctl, const json_t *event)
{
	if (ctl->json) {
		ctl_print_json(ctl, event);
		return;
	}
	ctl_printf("%s %s %s %s  ", ctl_time(event, "time", "-"), ctl_text(event, "link"),
		ctl_text(event, "direction"), ctl_text(event, "type"));
	print_packet(event);
	if (json_object_get(event, "opened") != NULL)
		print_flow(event);
	else
		ctl_printf("  %s", ctl_text(event, "reason"));
	if (json_is_string(json_object_get(event, "layer")))
		ctl_printf(" at %s", ctl_text(event, "layer"));
	if (json_is_string(json_object_get(event, "filter")))
		ctl_printf(" by %s", ctl_text(event, "filter"));
	putchar('\n');
}

/* --- Asking. --- */

static int
ask(struct ctl *ctl, const struct options *options, uint64_t since, uint64_t limit,
	struct ctl_answer *answer)
{
	char *path = ctl_path("events", NULL);
	char number[24];
	int rc;

	snprintf(number, sizeof(number), "%" PRIu64, since);
	ctl_path_add(&path, "since", number);
	snprintf(number, sizeof(number), "%" PRIu64, limit);
	ctl_path_add(&path, "limit", number);
	ctl_path_add(&path, "layer", options->layer);
	ctl_path_add(&path, "filter", options->filter);
	ctl_path_add(&path, "reason", options->reason);
	ctl_path_add(&path, "type", options->type);
	if (path == NULL)
		return ctl_fail("not enough memory");
	rc = ctl_get(ctl, path, answer);
	free(path);
	return rc;
}

/* Where to begin: behind the event that is followed by as many as are wanted. */
static int
find_start(struct ctl *ctl, struct options *options)
{
	const struct options any = {0};
	struct ctl_answer answer;
	uint64_t last;
	int rc;

	if (options->has_since)
		return CTL_OK;
	rc = ask(ctl, &any, 0, 1, &answer);
	if (rc == CTL_OK) {
		last = ctl_number(answer.json, "last");
		options->since = last > options->newest ? last - options->newest : 0;
	}
	ctl_answer_fini(&answer);
	return rc;
}

/* The next page; `*n` receives how many events it had. */
static int
show_page(struct ctl *ctl, struct options *options, size_t *n)
{
	struct ctl_answer answer;
	const json_t *event;
	uint64_t first;
	size_t i;
	int rc = ask(ctl, options, options->since, PAGE, &answer);

	if (rc == CTL_OK) {
		first = ctl_number(answer.json, "first");
		if (json_is_true(json_object_get(answer.json, "gap")))
			fprintf(stderr,
				"sluicectl: events %" PRIu64 " to %" PRIu64 " are no longer kept\n",
				options->since + 1, first - 1);
		json_array_foreach(json_object_get(answer.json, "items"), i, event)
			print_event(ctl, event);
		*n = json_array_size(json_object_get(answer.json, "items"));
		options->since = ctl_number(answer.json, "next_since");
		fflush(stdout);
	}
	ctl_answer_fini(&answer);
	return rc;
}

int
ctl_events(struct ctl *ctl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Shows net events, oldest first. With -j each is a JSON document on a line "
		       "of its own.",
	};
	struct options options = {.newest = NEWEST_USUAL};
	size_t n = 0;
	int rc;

	ctl_parse(ctl, &argp, argc, argv, &options);
	rc = find_start(ctl, &options);
	while (rc == CTL_OK) {
		rc = show_page(ctl, &options, &n);
		if (rc == CTL_OK && n < PAGE) {
			if (!options.follows)
				break;
			sleep(POLL_INTERVAL_S);
		}
	}
	return rc;
}
