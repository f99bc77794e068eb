/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the daemon is and does: version, status, mode, ports, links, plugins. */

static void
show_version(const struct ctl *ctl, const json_t *version, void *ctx)
{
	(void)ctl;
	(void)ctx;
	ctl_line("sluiced %s, callout ABI %s", ctl_text(version, "version"),
		ctl_text(version, "callout_abi"));
}

int
ctl_version(struct ctl *ctl, int argc, char **argv)
{
	ctl_parse_args(ctl, NULL, "Shows the versions of this program and of the daemon.", argc,
		argv, 0, 0, NULL);
	if (!ctl->json)
		ctl_line("sluicectl %s", SLUICE_VERSION);
	fflush(stdout);
	return ctl_call_and_show(ctl, &(struct ctl_request){.method = "GET", .path = "/v1/version"},
		show_version, NULL);
}

/* --- Status. --- */

static void
print_progress(const char *what, const json_t *progress)
{
	const char *phase = ctl_text(progress, "phase");

	if (strcmp(phase, "idle") == 0)
		return;
	ctl_line("%-9s %s, %s of %s filters, for %.0f ms", what, phase,
		ctl_text(progress, "filters_done"), ctl_text(progress, "filters_total"),
		(double)ctl_number(progress, "running_ns") / 1e6);
}

/* A line for what is under way, and one for what waits. */
static void
print_build(const json_t *build)
{
	print_progress("building", json_object_get(build, "commit"));
	print_progress("folding", json_object_get(build, "fold"));
	if (ctl_number(build, "filters_beside") > 0 || ctl_number(build, "filters_dead") > 0)
		ctl_line("unfolded  %s filters beside the compiled form, %s dead in it",
			ctl_text(build, "filters_beside"), ctl_text(build, "filters_dead"));
}

static void
print_engine(const json_t *engine, const json_t *ready)
{
	const json_t *compiled = json_object_get(engine, "compiled");
	const json_t *count;
	const char *type;

	ctl_line("sluiced %s, %s since %s UTC, mode %s", ctl_text(engine, "version"),
		ctl_text(engine, "state"), ctl_time(engine, "started", "-"),
		ctl_text(engine, "mode"));
	ctl_line("policy    revision %s, in force on %s of %s workers", ctl_text(ready, "revision"),
		ctl_text(ready, "workers_current"), ctl_text(ready, "workers"));
	ctl_line("compiled  %s filters into %s bytes in %.2f ms", ctl_text(compiled, "filters"),
		ctl_text(compiled, "bytes"), (double)ctl_number(compiled, "build_ns") / 1e6);
	print_build(json_object_get(engine, "build"));
	fputs("objects  ", stdout);
	json_object_foreach((json_t *)(uintptr_t)json_object_get(engine, "objects"), type, count)
		ctl_printf(" %s %" JSON_INTEGER_FORMAT, type, json_integer_value(count));
	putchar('\n');
}

int
ctl_status(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_answer engine, ready = {0};
	json_t *both;
	bool is_ready;
	int rc;

	ctl_parse_args(ctl, NULL,
		"Shows what the daemon is doing. The exit status is 0 when the policy is in force "
		"on every "
		"worker, and 1 when it is not yet.",
		argc, argv, 0, 0, NULL);
	rc = ctl_get(ctl, "/v1/engine", &engine);
	if (rc == CTL_OK)
		/* Not ready is an answer here, not a refusal. */
		rc = ctl_call(ctl,
			&(struct ctl_request){.method = "GET", .path = "/v1/ready", .quiet = true},
			&ready);
	is_ready = rc == CTL_OK;
	if (ready.json != NULL && ctl->json) {
		both = json_pack("{s:O, s:O}", "engine", engine.json, "ready", ready.json);
		ctl_print_json(ctl, both);
		json_decref(both);
	} else if (ready.json != NULL) {
		print_engine(engine.json, ready.json);
	}
	ctl_answer_fini(&ready);
	ctl_answer_fini(&engine);
	return is_ready ? CTL_OK : rc;
}

static void
show_mode(const struct ctl *ctl, const json_t *engine, void *ctx)
{
	(void)ctl;
	(void)ctx;
	ctl_line("%s", ctl_text(engine, "mode"));
}

int
ctl_mode(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_request request = {.method = "GET", .path = "/v1/engine"};
	const char *mode = NULL;
	char *text = NULL;
	json_t *body;
	int rc;

	ctl_parse_args(ctl, "[inline | monitor | bypass | block]",
		"Shows or sets the mode: inline judges; monitor judges and lets pass; bypass lets "
		"pass "
		"unseen; block lets nothing pass.",
		argc, argv, 0, 1, &mode);
	if (mode != NULL) {
		body = json_pack("{s:s}", "mode", mode);
		text = json_dumps(body, JSON_COMPACT);
		json_decref(body);
		if (text == NULL)
			return ctl_fail("%s is not a mode", mode);
		request.method = "PATCH";
		request.body = text;
		request.len = strlen(text);
	}
	rc = ctl_call_and_show(ctl, &request, show_mode, NULL);
	free(text);
	return rc;
}

/* --- Ports and links. --- */

static void
show_ports(const struct ctl *ctl, const json_t *list, void *ctx)
{
	struct ctl_table table;
	const json_t *port;
	size_t i;

	(void)ctx;
	ctl_table_init(&table, "PORT", "DEVICE", "STATE", "MAC", ">MTU", ">MBIT/S", ">RX PACKETS",
		">TX PACKETS", ">MISSED", ">ERRORS", "FAULT", NULL);
	json_array_foreach(json_object_get(list, "items"), i, port) {
		const json_t *stats = json_object_get(port, "statistics");

		ctl_table_add(&table, ctl_text(port, "key"));
		ctl_table_add(&table, ctl_text(port, "device"));
		ctl_table_add(&table, ctl_text(port, "state"));
		ctl_table_add(&table, ctl_text(port, "mac"));
		ctl_table_add(&table, ctl_text(port, "mtu"));
		ctl_table_add(&table, ctl_text(port, "speed_mbps"));
		ctl_table_add(&table, ctl_text(stats, "rx_packets"));
		ctl_table_add(&table, ctl_text(stats, "tx_packets"));
		ctl_table_addf(&table, "%" PRIu64,
			ctl_number(stats, "rx_missed") + ctl_number(stats, "rx_no_buffer"));
		ctl_table_addf(&table, "%" PRIu64,
			ctl_number(stats, "rx_errors") + ctl_number(stats, "tx_errors"));
		ctl_table_add(&table, ctl_text(port, "fault"));
	}
	ctl_table_print(&table, ctl, "no ports");
}

int
ctl_ports(struct ctl *ctl, int argc, char **argv)
{
	ctl_parse_args(ctl, NULL, "Lists the ports.", argc, argv, 0, 0, NULL);
	return ctl_call_and_show(
		ctl, &(struct ctl_request){.method = "GET", .path = "/v1/ports"}, show_ports, NULL);
}

static void
add_link(struct ctl_table *table, const json_t *link, const char *direction)
{
	const json_t *stats = json_object_get(json_object_get(link, "statistics"), direction);

	ctl_table_add(table, ctl_text(link, "key"));
	ctl_table_add(table, ctl_text(link, "state"));
	ctl_table_add(table, direction);
	ctl_table_add(table, ctl_text(stats, "rx_packets"));
	ctl_table_add(table, ctl_text(stats, "rx_bytes"));
	ctl_table_add(table, ctl_text(stats, "tx_packets"));
	ctl_table_add(table, ctl_text(stats, "tx_bytes"));
	ctl_table_add(table, ctl_text(stats, "dropped"));
}

static void
show_links(const struct ctl *ctl, const json_t *list, void *ctx)
{
	struct ctl_table table;
	const json_t *link;
	size_t i;

	(void)ctx;
	ctl_table_init(&table, "LINK", "STATE", "DIRECTION", ">RX PACKETS", ">RX BYTES",
		">TX PACKETS", ">TX BYTES", ">DROPPED", NULL);
	json_array_foreach(json_object_get(list, "items"), i, link) {
		add_link(&table, link, "inbound");
		add_link(&table, link, "outbound");
	}
	ctl_table_print(&table, ctl, "no links");
}

int
ctl_links(struct ctl *ctl, int argc, char **argv)
{
	ctl_parse_args(ctl, NULL, "Lists the links.", argc, argv, 0, 0, NULL);
	return ctl_call_and_show(
		ctl, &(struct ctl_request){.method = "GET", .path = "/v1/links"}, show_links, NULL);
}

/* --- Plugins. --- */

static void
print_plugin(const json_t *plugin)
{
	const json_t *stats = json_object_get(plugin, "statistics");
	const json_t *value;
	const char *name;

	ctl_line("%s %s: %s", ctl_text(plugin, "key"), ctl_text(plugin, "version"),
		ctl_text(plugin, "state"));
	if (json_object_get(plugin, "fault") != NULL)
		ctl_line("  refused: %s", ctl_text(plugin, "fault"));
	else
		ctl_line("  %s", ctl_text(plugin, "description"));
	ctl_line("  %s calls, %s permits, %s blocks, %s continues", ctl_text(stats, "calls"),
		ctl_text(stats, "permits"), ctl_text(stats, "blocks"),
		ctl_text(stats, "continues"));
	if (ctl_number(stats, "pends") > 0)
		ctl_line("  %s decisions put off, %s answered", ctl_text(stats, "pends"),
			ctl_text(stats, "completions"));
	json_object_foreach((json_t *)(uintptr_t)json_object_get(plugin, "counters"), name, value)
		ctl_printf("  %s %" JSON_INTEGER_FORMAT, name, json_integer_value(value));
	if (json_object_size(json_object_get(plugin, "counters")) > 0)
		putchar('\n');
	ctl_line("  %s", ctl_text(plugin, "path"));
}

static void
show_plugin(const struct ctl *ctl, const json_t *plugin, void *ctx)
{
	(void)ctl;
	(void)ctx;
	print_plugin(plugin);
}

static void
show_plugins(const struct ctl *ctl, const json_t *list, void *ctx)
{
	const json_t *plugin;
	size_t i;

	(void)ctl;
	(void)ctx;
	json_array_foreach(json_object_get(list, "items"), i, plugin)
		print_plugin(plugin);
	if (json_array_size(json_object_get(list, "items")) == 0)
		puts("no plugins");
}

/*
 * The daemon opens the file, from wherever it runs.  Links in the path are left as they are: it is for
 * the daemon to refuse them.
 */
static char *
load_body(const char *file)
{
	char *folder = file[0] != '/' ? getcwd(NULL, 0) : NULL;
	json_t *body = folder != NULL ? json_pack("{s:s++}", "path", folder, "/", file)
				      : json_pack("{s:s}", "path", file);
	char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	free(folder);
	return text;
}

int
ctl_plugins(struct ctl *ctl, int argc, char **argv)
{
	const char *args[2] = {NULL, NULL};
	char *text = NULL;
	int rc;

	ctl_parse_args(ctl, "[load FILE | unload NAME]",
		"Lists callout plugins with what they counted, loads one, or unloads one.", argc,
		argv, 0, 2, args);
	if (args[0] == NULL)
		return ctl_call_and_show(ctl,
			&(struct ctl_request){.method = "GET", .path = "/v1/plugins"}, show_plugins,
			NULL);
	if (args[1] != NULL && strcmp(args[0], "load") == 0) {
		text = load_body(args[1]);
		if (text == NULL)
			return ctl_fail("%s is not a path", args[1]);
		rc = ctl_call_and_show(ctl,
			&(struct ctl_request){.method = "POST",
				.path = "/v1/plugins",
				.body = text,
				.len = strlen(text)},
			show_plugin, NULL);
	} else if (args[1] != NULL && strcmp(args[0], "unload") == 0) {
		text = ctl_path("plugins", args[1]);
		if (text == NULL)
			return ctl_fail("not enough memory");
		rc = ctl_call_and_show(ctl, &(struct ctl_request){.method = "DELETE", .path = text},
			show_plugin, NULL);
	} else {
		return ctl_fail("plugins takes nothing, load FILE, or unload NAME");
	}
	free(text);
	return rc;
}
