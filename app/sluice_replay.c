/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include "document/sl_document.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_MAX   (2 * SL_PIPELINE_BURST_MAX) /* drained after every burst */
#define N_PATHS      (2u * SL_LINK_COUNT)
#define PORT_INSIDE  1u /* interface indices of the first link */
#define PORT_OUTSIDE 2u
#define ETHERNET     6u /* interface type (RFC 2863) */

/* The first difference between the engines. */
struct difference {
	bool is_found;
	uint32_t packet;
	const struct sl_layer_program *layer;
	uint32_t *ranks[2]; /* compiled, reference */
	uint32_t n_ranks[2];
};

struct replay {
	struct replay_options options;
	struct sl_callout_registry *registry;
	struct app_policy policy;
	struct sl_counters *counters;
	struct sl_ring *events; /* NULL: nobody asked for them */
	struct sl_pipeline *pipeline;
	struct replay_input input;
	struct replay_output output;
	struct difference difference;
	char port_names[2][64]; /* inside, outside */
	struct sl_blob port_blobs[2];
	struct replay_packet packets[SL_PIPELINE_BURST_MAX];
	uint32_t n; /* packets waiting to be judged: all of one path */
};

/* --- Set-up. --- */

static void
warn_of_plugin(void *ctx, const struct sl_error *err)
{
	(void)ctx;
	replay_warn("%s%s%s", err->where, err->where[0] == '\0' ? "" : ": ", err->text);
}

static int
load_plugins_of(struct replay *replay, const char *dir)
{
	struct sl_error err;

	if (sl_callout_load_dir(replay->registry, dir, warn_of_plugin, NULL, &err) == 0)
		return 0;
	return replay_fail("--plugins: %s: %s", dir, err.text);
}

static bool
is_directory(const char *path)
{
	struct stat stat_of;

	return stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

/* The plugins that belong to this program: beside it in a build folder, else where they are installed. */
static bool
find_plugins(char dir[PATH_MAX])
{
	static const char *const beside[] = {"callouts", "../callouts"};
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[SL_MAX(len, 0)] = '\0';
	for (size_t i = 0; len > 0 && i < SL_ARRAY_LEN(beside); i++) {
		char copy[PATH_MAX];

		memcpy(copy, exe, sizeof(copy));
		if (snprintf(dir, PATH_MAX, "%s/%s", dirname(copy), beside[i]) < PATH_MAX &&
			is_directory(dir))
			return true;
	}
	snprintf(dir, PATH_MAX, "%s", SLUICE_CALLOUT_DIR);
	return is_directory(dir);
}

static int
load_plugins(struct replay *replay)
{
	const struct replay_options *options = &replay->options;
	char dir[PATH_MAX];

	if (sl_callout_registry_new(1, &replay->registry) != 0)
		return replay_fail("out of memory");
	for (uint32_t i = 0; i < options->n_plugin_dirs; i++) {
		if (load_plugins_of(replay, options->plugin_dirs[i]) != 0)
			return -1;
	}
	if (options->n_plugin_dirs == 0 && find_plugins(dir))
		return load_plugins_of(replay, dir);
	return 0;
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

static int
load_policy(struct replay *replay)
{
	const char *path = replay->options.policy;
	const struct sl_callout_object *callout;
	struct sl_problems problems = {0};
	int rc;

	rc = app_policy_load(&replay->policy, path, replay->registry, &problems);
	for (size_t i = 0; i < problems.n; i++)
		print_problem(path, &problems.list[i]);
	if (problems.n_total > problems.n)
		fprintf(stderr, "%s: and %zu more\n", path, problems.n_total - problems.n);
	sl_problems_fini(&problems);
	if (rc != 0)
		return -1;
	for (size_t i = 0; (callout = app_policy_missing_plugin(&replay->policy, i)) != NULL; i++)
		replay_warn("%s: callout \"%s\" names the plugin \"%s\", which is not loaded: its "
			    "filters fail closed",
			path, callout->object.key, callout->plugin);
	return 0;
}

static void
name_ports(struct replay *replay)
{
	static const char *const sides[] = {
		[SL_SIDE_INSIDE] = "inside",
		[SL_SIDE_OUTSIDE] = "outside",
	};

	for (uint32_t i = 0; i < 2; i++) {
		snprintf(replay->port_names[i], sizeof(replay->port_names[i]), "%s.%s",
			replay->options.link, sides[i]);
		replay->port_blobs[i].bytes = (const uint8_t *)replay->port_names[i];
		replay->port_blobs[i].len = (uint32_t)strlen(replay->port_names[i]);
	}
}

/* Every direction and link type is a path of the one link: its index says which. */
static uint32_t
path_index(enum sluice_direction direction, enum sl_link_type link_type)
{
	return (uint32_t)direction * SL_LINK_COUNT + (uint32_t)link_type;
}

static void
make_path(const struct replay *replay, enum sluice_direction direction, enum sl_link_type link_type,
	struct sl_path *path)
{
	bool is_inbound = direction == SLUICE_DIRECTION_INBOUND;
	uint32_t arrival = is_inbound ? PORT_OUTSIDE : PORT_INSIDE;
	uint32_t nexthop = is_inbound ? PORT_INSIDE : PORT_OUTSIDE;

	*path = (struct sl_path){
		.direction = direction,
		.link_type = link_type,
		.ports =
			{
				.arrival_luid = arrival,
				.nexthop_luid = nexthop,
				.arrival_index = arrival,
				.nexthop_index = nexthop,
				.interface_type = ETHERNET,
				.arrival_name = &replay->port_blobs[is_inbound],
				.nexthop_name = &replay->port_blobs[!is_inbound],
			},
	};
}

static void
on_difference(void *ctx, const struct sl_layer_program *layer, const struct sl_meta *meta,
	uint32_t packet, const uint32_t *compiled, uint32_t n_compiled, const uint32_t *reference,
	uint32_t n_reference)
{
	const uint32_t *const ranks[2] = {compiled, reference};
	const uint32_t n_ranks[2] = {n_compiled, n_reference};
	struct difference *difference = ctx;

	(void)meta;
	if (difference->is_found)
		return;
	difference->is_found = true;
	difference->packet = packet;
	difference->layer = layer;
	for (int i = 0; i < 2; i++) {
		difference->ranks[i] = calloc(SL_MAX(n_ranks[i], 1), sizeof(uint32_t));
		difference->n_ranks[i] = difference->ranks[i] == NULL ? 0 : n_ranks[i];
		if (difference->ranks[i] != NULL)
			memcpy(difference->ranks[i], ranks[i], n_ranks[i] * sizeof(uint32_t));
	}
}

static int
make_pipeline(struct replay *replay)
{
	struct sl_path paths[N_PATHS];
	struct sl_pipeline_options options = {
		.n_paths = N_PATHS,
		.paths = paths,
		.engine = replay->options.engine,
		.difference = on_difference,
		.difference_ctx = &replay->difference,
	};

	name_ports(replay);
	for (unsigned int link_type = 0; link_type < SL_LINK_COUNT; link_type++) {
		make_path(replay, SLUICE_DIRECTION_INBOUND, link_type,
			&paths[path_index(SLUICE_DIRECTION_INBOUND, link_type)]);
		make_path(replay, SLUICE_DIRECTION_OUTBOUND, link_type,
			&paths[path_index(SLUICE_DIRECTION_OUTBOUND, link_type)]);
	}
	if (sl_counters_new(&replay->counters) != 0)
		return replay_fail("out of memory");
	if (replay->options.events != NULL &&
		sl_ring_new(EVENTS_MAX, sizeof(struct sl_event), &replay->events) != 0)
		return replay_fail("out of memory");
	options.counters = replay->counters;
	options.events = replay->events;
	if (sl_pipeline_new(&options, &replay->pipeline) != 0)
		return replay_fail("out of memory");
	return 0;
}

/* --- The run. --- */

static void
print_difference(const struct replay *replay)
{
	static const char *const engines[2] = {"compiled", "reference"};
	const struct difference *difference = &replay->difference;
	const struct sl_filter *filter;

	fprintf(stderr, "sluice-replay: packet %llu: the engines differ at %s\n",
		(unsigned long long)replay->packets[difference->packet].n,
		difference->layer->layer->name);
	for (int i = 0; i < 2; i++) {
		fprintf(stderr, "  %s:", engines[i]);
		for (uint32_t at = 0; at < difference->n_ranks[i]; at++) {
			filter = difference->layer->filters[difference->ranks[i][at]].object;
			fprintf(stderr, " %s/%s", filter->sublayer, filter->object.key);
		}
		fprintf(stderr, "%s\n", difference->n_ranks[i] == 0 ? " no filter" : "");
	}
}

static int
write_burst(struct replay *replay, const struct sl_frame *frames, const struct sl_outcome *outcomes)
{
	const struct sl_reply *replies;
	const struct replay_packet *packet;
	uint32_t n_replies, at = 0;

	replies = sl_pipeline_replies(replay->pipeline, &n_replies);
	for (uint32_t i = 0; i < replay->n; i++) {
		packet = &replay->packets[i];
		if (replay_output_packet(&replay->output, packet, &frames[i],
			    sl_pipeline_meta(replay->pipeline, i), &outcomes[i]) != 0)
			return -1;
	}
	for (; at < n_replies; at++)
		replay_output_reply(
			&replay->output, &replay->packets[replies[at].packet], &replies[at]);
	if (replay->events != NULL)
		return replay_output_events(&replay->output, replay->events);
	return 0;
}

/* Judges the packets that wait. REPLAY_DONE, REPLAY_DIFFERENCE or REPLAY_BAD. */
static int
judge(struct replay *replay)
{
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	const struct replay_packet *first = &replay->packets[0];

	if (replay->n == 0)
		return REPLAY_DONE;
	for (uint32_t i = 0; i < replay->n; i++)
		frames[i] = (struct sl_frame){
			.bytes = replay->packets[i].bytes,
			.contiguous = replay->packets[i].header.caplen,
			.length = replay->packets[i].header.len,
			.owner = &replay->packets[i],
		};
	sl_pipeline_run(replay->pipeline, replay->policy.snapshot, SL_MODE_INLINE,
		path_index(first->direction, first->link_type), frames, replay->n, first->time_ns,
		outcomes);
	if (write_burst(replay, frames, outcomes) != 0)
		return REPLAY_BAD;
	if (replay->difference.is_found) {
		print_difference(replay);
		return REPLAY_DIFFERENCE;
	}
	replay->n = 0;
	return REPLAY_DONE;
}

/* The packet just read goes to the front when those before it had to be judged without it. */
static void
move_to_front(struct replay *replay, uint32_t from)
{
	struct replay_packet packet = replay->packets[0];

	if (from == 0)
		return;
	replay->packets[0] = replay->packets[from];
	replay->packets[from] = packet;
}

static bool
is_same_path(const struct replay_packet *a, const struct replay_packet *b)
{
	return a->direction == b->direction && a->link_type == b->link_type;
}

static int
run(struct replay *replay)
{
	struct replay_packet *next;
	int rc = REPLAY_DONE, got;

	while (rc == REPLAY_DONE) {
		next = &replay->packets[replay->n];
		got = replay_input_next(&replay->input, next);
		if (got <= 0) {
			rc = judge(replay);
			return got < 0 ? REPLAY_BAD : rc;
		}
		if (replay->n > 0 && !is_same_path(next, &replay->packets[0])) {
			uint32_t at = replay->n;

			rc = judge(replay);
			move_to_front(replay, at);
		}
		replay->n++;
		if (rc == REPLAY_DONE && replay->n == replay->options.burst)
			rc = judge(replay);
	}
	return rc;
}

static int
set_up(struct replay *replay)
{
	if (load_plugins(replay) != 0 || load_policy(replay) != 0 ||
		replay_input_open(&replay->input, &replay->options) != 0 ||
		make_pipeline(replay) != 0)
		return -1;
	return replay_output_open(
		&replay->output, &replay->options, &replay->policy, &replay->input);
}

static void
tear_down(struct replay *replay)
{
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++)
		free(replay->packets[i].bytes);
	for (int i = 0; i < 2; i++)
		free(replay->difference.ranks[i]);
	replay_input_close(&replay->input);
	sl_pipeline_free(replay->pipeline);
	sl_ring_free(replay->events);
	sl_counters_free(replay->counters);
	app_policy_free(&replay->policy);
	sl_callout_registry_free(replay->registry);
	replay_options_fini(&replay->options);
}

int
main(int argc, char **argv)
{
	struct replay replay = {0};
	int rc;

	rc = replay_options_read(&replay.options, argc, argv);
	if (rc != 0) {
		replay_options_fini(&replay.options);
		return rc > 0 ? REPLAY_DONE : REPLAY_BAD;
	}
	sl_document_setup();
	replay.output.options = &replay.options;
	rc = set_up(&replay) == 0 ? run(&replay) : REPLAY_BAD;
	if (replay_output_close(&replay.output) != 0)
		rc = REPLAY_BAD;
	if (rc != REPLAY_BAD && !replay.options.is_quiet)
		replay_output_summary(&replay.output);
	tear_down(&replay);
	return rc;
}
