/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* stats and layers: what the packet path did. */

static void
print_drops(const struct ctl *ctl, const json_t *drops)
{
	struct ctl_table table;
	const json_t *value;
	const char *name;

	ctl_table_init(&table, "DROPPED FOR", ">PACKETS", NULL);
	json_object_foreach((json_t *)(uintptr_t)drops, name, value) {
		ctl_table_add(&table, name);
		ctl_table_addf(&table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	}
	ctl_table_print(&table, ctl, "nothing was dropped");
}

static void
print_layers(const struct ctl *ctl, const json_t *layers)
{
	static const char *const members[] = {
		"permit", "block", "veto", "absorb", "ignored_override"};
	struct ctl_table table;
	const json_t *value;
	const char *name;

	ctl_table_init(&table, "LAYER", ">PERMIT", ">BLOCK", ">VETO", ">ABSORB", ">IGNORED", NULL);
	json_object_foreach((json_t *)(uintptr_t)layers, name, value) {
		ctl_table_add(&table, name);
		for (size_t i = 0; i < SL_ARRAY_LEN(members); i++)
			ctl_table_add(&table, ctl_text(value, members[i]));
	}
	ctl_table_print(&table, ctl, "no layer was visited");
}

static void
print_link_stats(const struct ctl *ctl, const json_t *links)
{
	static const char *const directions[] = {"inbound", "outbound"};
	struct ctl_table table;
	const json_t *link;
	const char *name;

	ctl_table_init(&table, "LINK", "DIRECTION", ">RX PACKETS", ">TX PACKETS", ">DROPPED", NULL);
	json_object_foreach((json_t *)(uintptr_t)links, name, link) {
		for (size_t i = 0; i < SL_ARRAY_LEN(directions); i++) {
			const json_t *stats = json_object_get(link, directions[i]);

			ctl_table_add(&table, name);
			ctl_table_add(&table, directions[i]);
			ctl_table_add(&table, ctl_text(stats, "rx_packets"));
			ctl_table_add(&table, ctl_text(stats, "tx_packets"));
			ctl_table_add(&table, ctl_text(stats, "dropped"));
		}
	}
	ctl_table_print(&table, ctl, "no links");
}

static void
print_workers(const struct ctl *ctl, const json_t *workers)
{
	struct ctl_table table;
	const json_t *worker;
	size_t i;

	ctl_table_init(&table, ">WORKER", ">CPU", "RUNNING", "POLL", ">REVISION", ">BURSTS",
		">EMPTY POLLS", ">BUSY", NULL);
	json_array_foreach(workers, i, worker) {
		ctl_table_add(&table, ctl_text(worker, "worker"));
		ctl_table_add(&table, ctl_text(worker, "cpu"));
		ctl_table_add(&table, ctl_text(worker, "running"));
		ctl_table_add(&table, ctl_text(worker, "poll"));
		ctl_table_add(&table, ctl_text(worker, "revision"));
		ctl_table_add(&table, ctl_text(worker, "bursts"));
		ctl_table_add(&table, ctl_text(worker, "empty_polls"));
		ctl_table_addf(&table, "%.1f %%",
			100 * json_number_value(json_object_get(worker, "busy_ratio")));
	}
	ctl_table_print(&table, ctl, "no workers");
}

static void
show_stats(const struct ctl *ctl, const json_t *stats, void *ctx)
{
	const json_t *replies = json_object_get(stats, "replies");
	const json_t *events = json_object_get(stats, "events");

	(void)ctx;
	print_link_stats(ctl, json_object_get(stats, "links"));
	putchar('\n');
	print_drops(ctl, json_object_get(stats, "drops"));
	putchar('\n');
	print_layers(ctl, json_object_get(stats, "layers"));
	putchar('\n');
	print_workers(ctl, json_object_get(stats, "workers"));
	putchar('\n');
	ctl_line("replies of callouts: %s sent, %s suppressed, %s refused",
		ctl_text(replies, "sent"), ctl_text(replies, "suppressed"),
		ctl_text(replies, "refused"));
	ctl_line("events: last %s, kept from %s, lost %s", ctl_text(events, "last"),
		ctl_text(events, "kept_from"), ctl_text(events, "lost"));
	ctl_line("since %s UTC", ctl_time(stats, "since", "-"));
}

int
ctl_stats(struct ctl *ctl, int argc, char **argv)
{
	ctl_parse_args(ctl, NULL, "Shows counters of links, drops, layers and workers.", argc, argv,
		0, 0, NULL);
	return ctl_call_and_show(
		ctl, &(struct ctl_request){.method = "GET", .path = "/v1/stats"}, show_stats, NULL);
}

/* --- Layers. --- */

static void
print_fields(const struct ctl *ctl, const json_t *layer)
{
	struct ctl_table table;
	const json_t *field;
	size_t i;

	ctl_table_init(&table, "FIELD", "TYPE", ">INDEX", NULL);
	json_array_foreach(json_object_get(layer, "fields"), i, field) {
		ctl_table_add(&table, ctl_text(field, "field"));
		ctl_table_add(&table, ctl_text(field, "type"));
		ctl_table_add(&table, ctl_text(field, "id"));
	}
	ctl_table_print(&table, ctl, "no fields");
}

/* What was compiled, a line a fact; times and the daemon's own names for people. */
static void
print_program(const json_t *program)
{
	const json_t *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)program, name, value) {
		char label[32];

		if (strcmp(name, "build_ns") == 0)
			continue;
		snprintf(label, sizeof(label), "%s", name);
		for (char *at = strchr(label, '_'); at != NULL; at = strchr(at, '_'))
			*at = ' ';
		ctl_line("  %-21s %s", label, ctl_text(program, name));
	}
	ctl_line("  %-21s %.2f", "build ms", (double)ctl_number(program, "build_ns") / 1e6);
}

static void
show_layer(const struct ctl *ctl, const json_t *layer, void *ctx)
{
	const json_t *program = json_object_get(layer, "program");
	const json_t *stats = json_object_get(layer, "statistics");

	(void)ctx;
	ctl_line("%s: %s, %s", ctl_text(layer, "key"), ctl_text(layer, "status"),
		ctl_text(layer, "description"));
	ctl_line("discard twin %s; %s filters; %s permitted, %s blocked",
		ctl_text(layer, "discard_twin"), ctl_text(layer, "filters"),
		ctl_text(stats, "permit"), ctl_text(stats, "block"));
	if (json_is_object(program))
		print_program(program);
	putchar('\n');
	print_fields(ctl, layer);
}

static void
show_layers(const struct ctl *ctl, const json_t *list, void *ctx)
{
	struct ctl_table table;
	const json_t *layer;
	size_t i;

	(void)ctx;
	ctl_table_init(&table, "LAYER", "STATUS", ">FILTERS", ">PERMIT", ">BLOCK", ">VETO", NULL);
	json_array_foreach(json_object_get(list, "items"), i, layer) {
		const json_t *stats = json_object_get(layer, "statistics");

		ctl_table_add(&table, ctl_text(layer, "key"));
		ctl_table_add(&table, ctl_text(layer, "status"));
		ctl_table_add(&table, ctl_text(layer, "filters"));
		ctl_table_add(&table, ctl_text(stats, "permit"));
		ctl_table_add(&table, ctl_text(stats, "block"));
		ctl_table_add(&table, ctl_text(stats, "veto"));
	}
	ctl_table_print(&table, ctl, "no layers");
}

int
ctl_layers(struct ctl *ctl, int argc, char **argv)
{
	const char *key = NULL;
	char *path;
	int rc;

	ctl_parse_args(ctl, "[LAYER]",
		"Lists the layers, or shows one: what was compiled for it and why, and its fields.",
		argc, argv, 0, 1, &key);
	if (key == NULL)
		return ctl_list_and_show(ctl, "/v1/layers", show_layers, NULL);
	path = ctl_path("layers", key);
	if (path == NULL)
		return ctl_fail("not enough memory");
	rc = ctl_call_and_show(
		ctl, &(struct ctl_request){.method = "GET", .path = path}, show_layer, NULL);
	free(path);
	return rc;
}
