/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* filters: what is in force, in the order in which it is asked, with what it caught. */

struct options {
	const char *layer, *sublayer, *provider, *callout, *action;
	bool by_hits;
	bool only_hit;
};

enum {
	OPTION_LAYER = 256,
	OPTION_SUBLAYER,
	OPTION_PROVIDER,
	OPTION_CALLOUT,
	OPTION_ACTION
};

static const struct argp_option argp_options[] = {
	{"layer", OPTION_LAYER, "LAYER", 0, "Only filters at this layer", 0},
	{"sublayer", OPTION_SUBLAYER, "KEY", 0, "Only filters in this sublayer", 0},
	{"provider", OPTION_PROVIDER, "KEY", 0, "Only filters of this provider", 0},
	{"callout", OPTION_CALLOUT, "KEY", 0, "Only filters that name this callout", 0},
	{"action", OPTION_ACTION, "ACTION", 0, "Only filters with this action, such as block", 0},
	{"hit", 'h' + 256, NULL, 0, "Only filters that matched packets", 0},
	{"by-hits", 'b', NULL, 0, "Most packets first, instead of the order of evaluation", 0},
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case OPTION_LAYER:
		options->layer = arg;
		return 0;
	case OPTION_SUBLAYER:
		options->sublayer = arg;
		return 0;
	case OPTION_PROVIDER:
		options->provider = arg;
		return 0;
	case OPTION_CALLOUT:
		options->callout = arg;
		return 0;
	case OPTION_ACTION:
		options->action = arg;
		return 0;
	case 'h' + 256:
		options->only_hit = true;
		return 0;
	case 'b':
		options->by_hits = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument %s", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- Order. --- */

/* One filter with what it is sorted by. */
struct row {
	const json_t *filter;
	const char *layer;
	uint64_t sublayer_weight;
	uint64_t sublayer_id;
	uint64_t weight;
	uint64_t id;
	uint64_t packets;
};

static int
compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Layers by name; within, as WFP evaluates: sublayer weight, older sublayer, weight, older filter. */
static int
by_evaluation(const void *left, const void *right)
{
	const struct row *a = left, *b = right;
	int order = strcmp(a->layer, b->layer);

	if (order == 0)
		order = compare(b->sublayer_weight, a->sublayer_weight);
	if (order == 0)
		order = compare(a->sublayer_id, b->sublayer_id);
	if (order == 0)
		order = compare(b->weight, a->weight);
	return order != 0 ? order : compare(a->id, b->id);
}

static int
by_hits(const void *left, const void *right)
{
	const struct row *a = left, *b = right;
	int order = compare(b->packets, a->packets);

	return order != 0 ? order : by_evaluation(left, right);
}

/* Sublayers by key. */
static json_t *
index_of(const json_t *list)
{
	json_t *index = json_object();
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(list, "items"), i, item)
		json_object_set(index, ctl_text(item, "key"), item);
	return index;
}

static void
read_row(struct row *row, const json_t *filter, const json_t *sublayers)
{
	const json_t *sublayer = json_object_get(sublayers, ctl_text(filter, "sublayer"));

	*row = (struct row){
		.filter = filter,
		.layer = ctl_text(filter, "layer"),
		.sublayer_weight = ctl_number(sublayer, "weight"),
		.sublayer_id = ctl_number(sublayer, "id"),
		.weight = ctl_number(filter, "effective_weight"),
		.id = ctl_number(filter, "id"),
		.packets = ctl_number(json_object_get(filter, "stats"), "packets"),
	};
}

/* --- Table. --- */

/* "block", "permit!" for a hard one, "ratelimit?" and the callout for a callout. */
static void
add_action(struct ctl_table *table, const json_t *filter)
{
	const json_t *action = json_object_get(filter, "action");
	const json_t *flag;
	bool is_hard = false;
	size_t i;

	json_array_foreach(json_object_get(filter, "flags"), i, flag)
		is_hard = is_hard || strcmp(json_string_value(flag), "clear_action_right") == 0;
	if (json_is_object(action))
		ctl_table_addf(table, "%s %s%s", ctl_text(action, "type"),
			ctl_text(action, "callout"), is_hard ? " (hard)" : "");
	else
		ctl_table_addf(table, "%s%s", ctl_text(filter, "action"), is_hard ? " (hard)" : "");
}

static void
add_row(struct ctl_table *table, const struct row *row)
{
	const json_t *stats = json_object_get(row->filter, "stats");

	ctl_table_add(table, row->layer);
	ctl_table_addf(
		table, "%s (%" PRIu64 ")", ctl_text(row->filter, "sublayer"), row->sublayer_weight);
	ctl_table_addf(table, "%" PRIu64, row->weight);
	ctl_table_add(table, ctl_text(row->filter, "key"));
	add_action(table, row->filter);
	ctl_table_addf(table, "%" PRIu64, row->packets);
	ctl_table_addf(table, "%" PRIu64, ctl_number(stats, "bytes"));
	ctl_table_add(table, ctl_time(stats, "last_hit", "never"));
	ctl_table_add(table, ctl_text(row->filter, "name"));
}

static int
print_filters(const struct ctl *ctl, const struct options *options, const json_t *filters,
	const json_t *sublayers)
{
	const json_t *items = json_object_get(filters, "items");
	struct row *rows = calloc(json_array_size(items) + 1, sizeof(*rows));
	json_t *index = index_of(sublayers);
	struct ctl_table table;
	const json_t *item;
	size_t i, n = 0;

	if (rows == NULL) {
		json_decref(index);
		return ctl_fail("not enough memory");
	}
	json_array_foreach(items, i, item) {
		read_row(&rows[n], item, index);
		if (rows[n].packets > 0 || !options->only_hit)
			n++;
	}
	qsort(rows, n, sizeof(*rows), options->by_hits ? by_hits : by_evaluation);
	ctl_table_init(&table, "LAYER", "SUBLAYER", ">WEIGHT", "FILTER", "ACTION", ">PACKETS",
		">BYTES", "LAST HIT (UTC)", "NAME", NULL);
	for (i = 0; i < n; i++)
		add_row(&table, &rows[i]);
	ctl_table_print(&table, ctl, "no filters");
	json_decref(index);
	free(rows);
	return CTL_OK;
}

int
ctl_filters(struct ctl *ctl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Lists filters in the order in which they are evaluated, with what they "
		       "matched.",
	};
	struct options options = {0};
	json_t *filters = NULL, *sublayers = NULL;
	char *path;
	int rc;

	ctl_parse(ctl, &argp, argc, argv, &options);
	path = ctl_path("filters", NULL);
	ctl_path_add(&path, "stats", "1");
	ctl_path_add(&path, "layer", options.layer);
	ctl_path_add(&path, "sublayer", options.sublayer);
	ctl_path_add(&path, "provider", options.provider);
	ctl_path_add(&path, "callout", options.callout);
	ctl_path_add(&path, "action", options.action);
	if (path == NULL)
		return ctl_fail("not enough memory");
	rc = ctl_list(ctl, path, &filters);
	if (rc == CTL_OK && ctl->json) {
		ctl_print_json(ctl, filters);
	} else if (rc == CTL_OK) {
		rc = ctl_list(ctl, "/v1/sublayers", &sublayers);
		if (rc == CTL_OK)
			rc = print_filters(ctl, &options, filters, sublayers);
	}
	json_decref(sublayers);
	json_decref(filters);
	free(path);
	return rc;
}
