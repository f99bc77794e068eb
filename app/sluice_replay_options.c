/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include "base/sl_addr.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static const char usage[] =
	"usage: sluice-replay --policy POLICY.json --inside CIDR[,CIDR...] --in FILE [options]\n"
	"       sluice-replay --policy POLICY.json --inside-pcap FILE --outside-pcap FILE "
	"[options]\n"
	"\n"
	"Runs captures through the packet path of the appliance and says what became of each "
	"packet.\n"
	"\n"
	"  --policy FILE        policy document that is in force\n"
	"  --policy-at TIME=FILE  policy that takes its place at a time: +SECONDS after the first "
	"packet,\n"
	"                       or 2026-01-02T03:04:05Z; may be given several times\n"
	"  --flows FILE         how flows and fragments are kept: \"flows\" of a configuration\n"
	"  --tcp-checksum WHICH segments whose checksum is verified: control, all or ignore "
	"(default,\n"
	"                       because captures may hold what a network card has yet to "
	"complete)\n"
	"  --in FILE            capture of a wire: packets from --inside are outbound, others "
	"inbound\n"
	"  --inside CIDRS       networks of the inside, separated by commas\n"
	"  --inside-pcap FILE   what arrived at the inside port\n"
	"  --outside-pcap FILE  what arrived at the outside port; both are merged in the order of "
	"time\n"
	"  --permitted FILE     writes what left, as pcap: permitted packets, and replies of "
	"callouts\n"
	"  --verdicts FILE      writes one JSON line a packet: what became of it, and why\n"
	"  --metadata FILE      writes one JSON line a packet: what the parser saw\n"
	"  --events FILE        writes net events as JSON lines\n"
	"  --flow-events        flows that begin and end, too\n"
	"  --engine ENGINE      compiled (default), reference, or check: both, stops at a "
	"difference\n"
	"  --plugins DIR        loads every plugin of a directory; may be given several times\n"
	"                       (default: callouts/ beside this program, or the installed ones)\n"
	"  --link NAME          name of the link, whose ports are NAME.inside and NAME.outside "
	"(wan)\n"
	"  --burst N            packets judged at a time, 1 to 64, at the time of the first one "
	"(1)\n"
	"  --quiet              no summary on standard error\n"
	"  --help, --version\n"
	"\n"
	"Captures are pcap or pcapng, of Ethernet, raw IP or Linux cooked link type. FILE may be - "
	"for\n"
	"standard input or output.\n"
	"Exit status: 0 done, 1 the engines differ (--engine check), 2 usage or bad input.\n";

enum option_id {
	OPTION_POLICY = 256,
	OPTION_POLICY_AT,
	OPTION_FLOWS,
	OPTION_FLOW_EVENTS,
	OPTION_TCP_CHECKSUM,
	OPTION_IN,
	OPTION_INSIDE,
	OPTION_INSIDE_PCAP,
	OPTION_OUTSIDE_PCAP,
	OPTION_PERMITTED,
	OPTION_VERDICTS,
	OPTION_METADATA,
	OPTION_EVENTS,
	OPTION_ENGINE,
	OPTION_PLUGINS,
	OPTION_LINK,
	OPTION_BURST,
	OPTION_QUIET,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{"policy", required_argument, NULL, OPTION_POLICY},
	{"policy-at", required_argument, NULL, OPTION_POLICY_AT},
	{"flows", required_argument, NULL, OPTION_FLOWS},
	{"flow-events", no_argument, NULL, OPTION_FLOW_EVENTS},
	{"tcp-checksum", required_argument, NULL, OPTION_TCP_CHECKSUM},
	{"in", required_argument, NULL, OPTION_IN},
	{"inside", required_argument, NULL, OPTION_INSIDE},
	{"inside-pcap", required_argument, NULL, OPTION_INSIDE_PCAP},
	{"outside-pcap", required_argument, NULL, OPTION_OUTSIDE_PCAP},
	{"permitted", required_argument, NULL, OPTION_PERMITTED},
	{"verdicts", required_argument, NULL, OPTION_VERDICTS},
	{"metadata", required_argument, NULL, OPTION_METADATA},
	{"events", required_argument, NULL, OPTION_EVENTS},
	{"engine", required_argument, NULL, OPTION_ENGINE},
	{"plugins", required_argument, NULL, OPTION_PLUGINS},
	{"link", required_argument, NULL, OPTION_LINK},
	{"burst", required_argument, NULL, OPTION_BURST},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static void SL_PRINTF(2, 0) say(const char *before, const char *format, va_list args)
{
	fprintf(stderr, "sluice-replay: %s", before);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int
replay_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args);
	va_end(args);
	return -1;
}

void
replay_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("warning: ", format, args);
	va_end(args);
}

/* "FILE: /pointer: detail"; a fault of the text itself has its place in the file for a pointer. */
static void
print_problem(const char *path, const struct sl_problem *problem)
{
	if (strncmp(problem->pointer, path, strlen(path)) == 0)
		fprintf(stderr, "%s: %s\n", problem->pointer, problem->detail);
	else
		fprintf(stderr, "%s: %s%s%s\n", path, problem->pointer,
			problem->pointer[0] == '\0' ? "" : ": ", problem->detail);
}

void
replay_say_problems(const char *path, struct sl_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		print_problem(path, &problems->list[i]);
	if (problems->n_total > problems->n)
		fprintf(stderr, "%s: and %zu more\n", path, problems->n_total - problems->n);
	sl_problems_fini(problems);
}

static int
read_prefix(const char *text, struct replay_prefix *prefix)
{
	memset(prefix, 0, sizeof(*prefix));
	if (sl_addr_parse_prefix_v4(text, &prefix->v4, &prefix->len) == 0) {
		prefix->ip_version = 4;
		return 0;
	}
	if (sl_addr_parse_prefix_v6(text, prefix->v6, &prefix->len) == 0) {
		prefix->ip_version = 6;
		return 0;
	}
	return replay_fail(
		"--inside: \"%s\" is no network; give 10.0.0.0/8 or 2001:db8::/32", text);
}

/* A list of networks; giving the option again adds to it. */
static int
read_inside(struct replay_options *options, const char *list)
{
	char *copy = strdup(list), *rest = copy, *text;
	struct replay_prefix *inside;
	int rc = copy == NULL ? replay_fail("out of memory") : 0;

	while (rc == 0 && (text = strsep(&rest, ",")) != NULL) {
		inside = realloc(options->inside, (options->n_inside + 1) * sizeof(*inside));
		if (inside == NULL) {
			rc = replay_fail("out of memory");
			break;
		}
		options->inside = inside;
		rc = read_prefix(text, &inside[options->n_inside]);
		if (rc == 0)
			options->n_inside++;
	}
	free(copy);
	return rc;
}

static int
read_tcp_checksum(struct replay_options *options, const char *text)
{
	static const char *const names[] = {
		[SL_FLOW_CHECKSUM_CONTROL] = "control",
		[SL_FLOW_CHECKSUM_ALL] = "all",
		[SL_FLOW_CHECKSUM_IGNORE] = "ignore",
	};

	for (unsigned int i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			options->tcp_checksum = i;
			options->has_tcp_checksum = true;
			return 0;
		}
	}
	return replay_fail("--tcp-checksum: \"%s\" is not control, all or ignore", text);
}

static int
read_engine(struct replay_options *options, const char *text)
{
	static const char *const names[] = {
		[SL_ENGINE_COMPILED] = "compiled",
		[SL_ENGINE_REFERENCE] = "reference",
		[SL_ENGINE_CHECK] = "check",
	};

	for (unsigned int i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			options->engine = i;
			return 0;
		}
	}
	return replay_fail(
		"--engine: \"%s\" is no engine; give compiled, reference or check", text);
}

static int
read_burst(struct replay_options *options, const char *text)
{
	unsigned long value;
	char *end;

	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < 1 ||
		value > SL_PIPELINE_BURST_MAX)
		return replay_fail("--burst: \"%s\" is not a number from 1 to %u", text,
			SL_PIPELINE_BURST_MAX);
	options->burst = (uint32_t)value;
	return 0;
}

static int
read_plugins(struct replay_options *options, const char *text)
{
	if (options->n_plugin_dirs == REPLAY_PLUGIN_DIRS_MAX)
		return replay_fail("--plugins: more than %u directories", REPLAY_PLUGIN_DIRS_MAX);
	options->plugin_dirs[options->n_plugin_dirs++] = text;
	return 0;
}

static int
read_link(struct replay_options *options, const char *text)
{
	/* "NAME.outside" is a port's name, of at most 63 bytes. */
	if (text[0] == '\0' || strlen(text) > 55)
		return replay_fail("--link: a name has 1 to 55 bytes, \"%s\" has not", text);
	options->link = text;
	return 0;
}

/* Digits behind a point, as nanoseconds. Returns what follows them. */
static const char *
read_fraction(const char *text, uint64_t *ns)
{
	uint64_t unit = NS_PER_S;

	*ns = 0;
	if (*text != '.')
		return text;
	for (text++; *text >= '0' && *text <= '9'; text++) {
		unit /= 10;
		*ns += (uint64_t)(*text - '0') * unit;
	}
	return text;
}

/* "+12.5", or "2026-01-02T03:04:05.5Z". Returns what follows, NULL when it is neither. */
static const char *
read_time(const char *text, struct replay_change *change)
{
	struct tm tm = {0};
	uint64_t fraction;
	char *end;

	change->is_relative = *text == '+';
	if (change->is_relative) {
		if (text[1] < '0' || text[1] > '9' || strspn(text + 1, "0123456789") > 9)
			return NULL;
		change->time_ns = strtoull(text + 1, &end, 10) * NS_PER_S;
		text = read_fraction(end, &fraction);
		change->time_ns += fraction;
		return text;
	}
	text = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (text == NULL || timegm(&tm) < 0)
		return NULL;
	text = read_fraction(text, &fraction);
	change->time_ns = (uint64_t)timegm(&tm) * NS_PER_S + fraction;
	return *text == 'Z' ? text + 1 : NULL;
}

static int
read_change(struct replay_options *options, const char *text)
{
	struct replay_change *change = &options->changes[options->n_changes];
	const char *rest;

	if (options->n_changes == SL_ARRAY_LEN(options->changes))
		return replay_fail(
			"--policy-at: more than %zu policies", SL_ARRAY_LEN(options->changes));
	rest = read_time(text, change);
	if (rest == NULL || rest[0] != '=' || rest[1] == '\0')
		return replay_fail("--policy-at: \"%s\" is not TIME=FILE with a time like +12.5 "
				   "or 2026-01-02T03:04:05.5Z",
			text);
	change->path = rest + 1;
	options->n_changes++;
	return 0;
}

/* Where an option's text goes unchanged; NULL for the others. */
static const char **
text_option(struct replay_options *options, enum option_id id)
{
	switch (id) {
	case OPTION_POLICY:
		return &options->policy;
	case OPTION_IN:
		return &options->in;
	case OPTION_INSIDE_PCAP:
		return &options->inside_pcap;
	case OPTION_OUTSIDE_PCAP:
		return &options->outside_pcap;
	case OPTION_PERMITTED:
		return &options->permitted;
	case OPTION_VERDICTS:
		return &options->verdicts;
	case OPTION_METADATA:
		return &options->metadata;
	case OPTION_EVENTS:
		return &options->events;
	case OPTION_FLOWS:
		return &options->flows;
	default:
		return NULL;
	}
}

static int
read_option(struct replay_options *options, enum option_id id, const char *text)
{
	const char **member = text_option(options, id);

	if (member != NULL) {
		*member = text;
		return 0;
	}
	switch (id) {
	case OPTION_POLICY_AT:
		return read_change(options, text);
	case OPTION_FLOW_EVENTS:
		options->has_flow_events = true;
		return 0;
	case OPTION_TCP_CHECKSUM:
		return read_tcp_checksum(options, text);
	case OPTION_INSIDE:
		return read_inside(options, text);
	case OPTION_ENGINE:
		return read_engine(options, text);
	case OPTION_PLUGINS:
		return read_plugins(options, text);
	case OPTION_LINK:
		return read_link(options, text);
	case OPTION_BURST:
		return read_burst(options, text);
	case OPTION_QUIET:
		options->is_quiet = true;
		return 0;
	case OPTION_HELP:
		fputs(usage, stdout);
		return 1;
	case OPTION_VERSION:
		puts("sluice-replay " SLUICE_VERSION);
		return 1;
	default: /* getopt has said which option it does not know */
		fputs("Try sluice-replay --help.\n", stderr);
		return -1;
	}
}

/* What options ask for together. */
static int
check_options(const struct replay_options *options)
{
	bool has_ports = options->inside_pcap != NULL || options->outside_pcap != NULL;

	if (options->policy == NULL)
		return replay_fail("--policy is missing; try --help");
	if (options->in != NULL && has_ports)
		return replay_fail("--in and --inside-pcap or --outside-pcap exclude each other");
	if (options->in == NULL && !has_ports)
		return replay_fail("no capture: give --in, or --inside-pcap and --outside-pcap");
	if (options->in != NULL && options->n_inside == 0)
		return replay_fail("--in needs --inside to tell directions");
	if (options->has_flow_events && options->events == NULL)
		return replay_fail("--flow-events needs --events to write them to");
	return 0;
}

int
replay_options_read(struct replay_options *options, int argc, char **argv)
{
	int id, rc;

	*options = (struct replay_options){.link = "wan", .burst = 1};
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		rc = read_option(options, (enum option_id)id, optarg);
		if (rc != 0)
			return rc;
	}
	if (optind < argc)
		return replay_fail("\"%s\" is not an option; try --help", argv[optind]);
	return check_options(options);
}

void
replay_options_fini(struct replay_options *options)
{
	free(options->inside);
}
