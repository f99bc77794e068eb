/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include <stdlib.h>
#include <string.h>

/*
 * The clock is the capture's.  It never steps back, and where packets are far apart it goes in steps while there
 * is something that ages, so that flows and datagrams end when their time is over and not with the next packet.
 */

#define EVENTS_MAX 1024u /* drained after every burst */
#define NS_PER_MS  UINT64_C(1000000)
#define STEP_NS    (100 * NS_PER_MS)

/* --- Life. --- */

static void
on_difference(void *ctx, const struct sl_layer_program *layer, const struct sl_meta *meta,
	uint32_t packet, const uint32_t *compiled, uint32_t n_compiled, const uint32_t *reference,
	uint32_t n_reference)
{
	const uint32_t *const ranks[2] = {compiled, reference};
	const uint32_t n_ranks[2] = {n_compiled, n_reference};
	struct replay_difference *difference = ctx;

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

int
replay_judge_init(struct replay_judge *judge, const struct replay_options *options,
	struct replay_policies *policies, struct replay_output *output, uint64_t start_ns)
{
	struct sl_path paths[REPLAY_PATHS];
	struct sl_flow_config flows;
	struct sl_pipeline_options pipeline = {
		.n_paths = REPLAY_PATHS,
		.paths = paths,
		.engine = options->engine,
		.difference = on_difference,
		.difference_ctx = &judge->difference,
		.flows = &flows,
		.completions = sl_callout_completions(policies->registry, 0),
		.now_ns = start_ns,
	};

	*judge = (struct replay_judge){
		.options = options, .policies = policies, .output = output, .now_ns = start_ns};
	replay_paths_make(&judge->ports, options->link, paths);
	if (replay_flows_read(options, &flows) != 0)
		return -1;
	if (sl_counters_new(&judge->counters) != 0)
		return replay_fail("out of memory");
	if (options->events != NULL &&
		sl_ring_new(EVENTS_MAX, sizeof(struct sl_event), &judge->events) != 0)
		return replay_fail("out of memory");
	pipeline.counters = judge->counters;
	pipeline.events = judge->events;
	if (sl_pipeline_new(&pipeline, &judge->pipeline) != 0)
		return replay_fail("no memory for %u flows", flows.max);
	return 0;
}

void
replay_judge_fini(struct replay_judge *judge)
{
	struct replay_packet *packet;

	while ((packet = judge->all) != NULL) {
		judge->all = packet->next;
		free(packet->bytes);
		free(packet);
	}
	for (int i = 0; i < 2; i++)
		free(judge->difference.ranks[i]);
	sl_pipeline_free(judge->pipeline);
	sl_ring_free(judge->events);
	sl_counters_free(judge->counters);
}

struct replay_packet *
replay_judge_take(struct replay_judge *judge)
{
	struct replay_packet *packet = judge->unused;

	if (packet != NULL) {
		judge->unused = packet->next_unused;
		return packet;
	}
	packet = calloc(1, sizeof(*packet));
	if (packet == NULL) {
		replay_fail("out of memory");
		return NULL;
	}
	packet->next = judge->all;
	judge->all = packet;
	return packet;
}

void
replay_judge_give_back(struct replay_judge *judge, struct replay_packet *packet)
{
	packet->next_unused = judge->unused;
	judge->unused = packet;
}

/* --- What the pipeline says. --- */

static int
say_difference(const struct replay_judge *judge)
{
	static const char *const engines[2] = {"compiled", "reference"};
	const struct replay_difference *difference = &judge->difference;
	const struct sl_filter *filter;

	if (!difference->is_found)
		return REPLAY_DONE;
	if (difference->packet < judge->n)
		replay_fail("packet %llu: the engines differ at %s",
			(unsigned long long)judge->packets[difference->packet]->n,
			difference->layer->layer->name);
	else
		replay_fail("the engines differ at %s", difference->layer->layer->name);
	for (int i = 0; i < 2; i++) {
		fprintf(stderr, "  %s:", engines[i]);
		for (uint32_t at = 0; at < difference->n_ranks[i]; at++) {
			filter = difference->layer->filters[difference->ranks[i][at]].object;
			fprintf(stderr, " %s/%s", filter->sublayer, filter->object.key);
		}
		fprintf(stderr, "%s\n", difference->n_ranks[i] == 0 ? " no filter" : "");
	}
	return REPLAY_DIFFERENCE;
}

static void
write_replies(struct replay_judge *judge)
{
	const struct sl_reply *replies;
	uint32_t n_replies;

	replies = sl_pipeline_replies(judge->pipeline, &n_replies);
	for (uint32_t i = 0; i < n_replies; i++) {
		bool is_answer = replies[i].packet < judge->n;

		replay_output_reply(judge->output,
			is_answer ? judge->packets[replies[i].packet] : NULL, judge->now_ns,
			&replies[i]);
	}
}

/* Fragments that were let go: packets of this burst and of earlier ones. Returns how many. */
static uint32_t
write_releases(struct replay_judge *judge)
{
	const struct sl_release *releases;
	uint32_t n;

	releases = sl_pipeline_releases(judge->pipeline, &n);
	for (uint32_t i = 0; i < n; i++)
		replay_output_verdict(
			judge->output, releases[i].held.frame.owner, &releases[i].outcome);
	return n;
}

static void
forget_released(struct replay_judge *judge)
{
	const struct sl_release *releases;
	uint32_t n;

	releases = sl_pipeline_releases(judge->pipeline, &n);
	for (uint32_t i = 0; i < n; i++)
		replay_judge_give_back(judge, releases[i].held.frame.owner);
}

static int
write_events(struct replay_judge *judge)
{
	if (judge->events == NULL)
		return REPLAY_DONE;
	return replay_output_events(judge->output, judge->events) == 0 ? REPLAY_DONE : REPLAY_BAD;
}

/* After a tick or a drain. `*n` is the number of fragments that were let go. */
static int
write_tick(struct replay_judge *judge, uint32_t *n)
{
	*n = write_releases(judge);
	write_replies(judge);
	forget_released(judge);
	if (write_events(judge) != REPLAY_DONE)
		return REPLAY_BAD;
	return say_difference(judge);
}

/* --- The clock. --- */

static const struct sl_snapshot *
in_force(const struct replay_judge *judge)
{
	return judge->policies->list[judge->policies->now].snapshot;
}

static uint32_t
count_flows(const struct replay_judge *judge)
{
	const struct sl_flow_table *flows = sl_pipeline_flows(judge->pipeline);

	return flows == NULL ? 0 : sl_flow_table_count(flows);
}

static bool
has_age(const struct replay_judge *judge)
{
	const struct sl_fragments *fragments = sl_pipeline_fragments(judge->pipeline);

	return count_flows(judge) > 0 ||
		(fragments != NULL && sl_fragments_datagrams(fragments) > 0);
}

/* Everything that is over at this time, however much that is. */
static int
tick(struct replay_judge *judge, uint64_t now_ns)
{
	uint32_t n_flows, n_releases;
	int rc;

	judge->now_ns = now_ns;
	do {
		n_flows = count_flows(judge);
		sl_pipeline_tick(judge->pipeline, in_force(judge), SL_MODE_INLINE, now_ns);
		rc = write_tick(judge, &n_releases);
	} while (rc == REPLAY_DONE && (n_releases > 0 || count_flows(judge) < n_flows));
	return rc;
}

static int
advance(struct replay_judge *judge, uint64_t now_ns)
{
	int rc = REPLAY_DONE;

	while (rc == REPLAY_DONE && judge->now_ns + STEP_NS < now_ns && has_age(judge))
		rc = tick(judge, judge->now_ns + STEP_NS);
	if (rc == REPLAY_DONE)
		rc = tick(judge, SL_MAX(judge->now_ns, now_ns));
	return rc;
}

/* The same with the policies that come into force until then. */
static int
advance_policies(struct replay_judge *judge, uint64_t now_ns)
{
	struct replay_policies *policies = judge->policies;
	int rc = REPLAY_DONE;

	while (rc == REPLAY_DONE && policies->now + 1 < policies->n &&
		policies->from_ns[policies->now + 1] <= now_ns) {
		rc = advance(judge, policies->from_ns[policies->now + 1]);
		judge->output->policy = &policies->list[++policies->now];
	}
	return rc == REPLAY_DONE ? advance(judge, now_ns) : rc;
}

/* --- Bursts. --- */

static int
write_burst(struct replay_judge *judge, const struct sl_frame frames[],
	const struct sl_outcome outcomes[])
{
	for (uint32_t i = 0; i < judge->n; i++) {
		if (replay_output_metadata(judge->output, judge->packets[i], &frames[i],
			    sl_pipeline_meta(judge->pipeline, i)) != 0)
			return REPLAY_BAD;
		if (outcomes[i].action != SL_OUTCOME_HELD)
			replay_output_verdict(judge->output, judge->packets[i], &outcomes[i]);
	}
	write_releases(judge);
	write_replies(judge);
	if (write_events(judge) != REPLAY_DONE)
		return REPLAY_BAD;
	if (judge->difference.is_found)
		return say_difference(judge);
	for (uint32_t i = 0; i < judge->n; i++) {
		if (outcomes[i].action != SL_OUTCOME_HELD)
			replay_judge_give_back(judge, judge->packets[i]);
	}
	judge->n = 0;
	forget_released(judge);
	return REPLAY_DONE;
}

/* Judges the packets that wait. */
static int
judge_burst(struct replay_judge *judge)
{
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	const struct replay_packet *first = judge->packets[0];
	uint32_t n = judge->n;
	int rc;

	if (n == 0)
		return REPLAY_DONE;
	/* What comes before them answers none of them. */
	judge->n = 0;
	rc = advance_policies(judge, first->time_ns);
	judge->n = n;
	if (rc != REPLAY_DONE)
		return rc;
	for (uint32_t i = 0; i < n; i++)
		frames[i] = (struct sl_frame){
			.bytes = judge->packets[i]->bytes,
			.contiguous = judge->packets[i]->header.caplen,
			.length = judge->packets[i]->header.len,
			.owner = judge->packets[i],
		};
	sl_pipeline_run(judge->pipeline, in_force(judge), SL_MODE_INLINE,
		replay_path_index(first->direction, first->link_type), frames, n, judge->now_ns,
		outcomes);
	return write_burst(judge, frames, outcomes);
}

/*
 * Packets of one path and one millisecond may be judged together: flows tell no shorter times apart, and no
 * policy comes into force between them.
 */
static bool
may_wait_with(const struct replay_judge *judge, const struct replay_packet *packet)
{
	const struct replay_policies *policies = judge->policies;
	const struct replay_packet *first = judge->packets[0];
	const uint32_t next = policies->now + 1;

	if (judge->n == 0)
		return true;
	return packet->direction == first->direction && packet->link_type == first->link_type &&
		packet->time_ns / NS_PER_MS == first->time_ns / NS_PER_MS &&
		(next == policies->n || packet->time_ns < policies->from_ns[next]);
}

int
replay_judge_packet(struct replay_judge *judge, struct replay_packet *packet)
{
	int rc = REPLAY_DONE;

	if (!may_wait_with(judge, packet))
		rc = judge_burst(judge);
	if (rc != REPLAY_DONE) {
		replay_judge_give_back(judge, packet);
		return rc;
	}
	judge->packets[judge->n++] = packet;
	return judge->n == judge->options->burst ? judge_burst(judge) : REPLAY_DONE;
}

int
replay_judge_end(struct replay_judge *judge)
{
	uint32_t n_releases;
	int rc = judge_burst(judge);

	/* A callout may have answered for one of the last packets. */
	if (rc == REPLAY_DONE)
		rc = tick(judge, judge->now_ns);
	if (rc != REPLAY_DONE)
		return rc;
	sl_pipeline_drain(judge->pipeline, judge->now_ns);
	return write_tick(judge, &n_releases);
}
