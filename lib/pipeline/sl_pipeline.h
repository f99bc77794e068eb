/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_PIPELINE_H
#define SL_PIPELINE_PIPELINE_H

/*
 * The pipeline: from received frames to verdicts, one burst and one policy at a time.
 *
 * Order.   Parse; then the layers of the packet's direction in the order of WFP section 1.4, each only
 *          when it has filters; a block ends the packet and runs the discard twin; a packet that every
 *          layer permitted may leave.  Packets the parser refuses visit the Ethernet-level layers that
 *          come before IP, are dropped there, and run the twin of the IP packet layer.
 * Twins.   Inspect what was dropped.  A block there suppresses the replies that callouts queued for
 *          the packet; nothing else follows from it.
 * Same     code in the daemon, the replay tool and the benchmarks; it knows no device and no mbuf.
 * Threads. One pipeline per worker; everything after sl_pipeline_new is packet time.
 */

#include "base/sl_mpsc.h"
#include "base/sl_ring.h"
#include "callout/sl_callout.h"
#include "classifier/sl_classify.h"
#include "flow/sl_flow.h"
#include "flow/sl_fragment.h"
#include "packet/sl_packet.h"
#include "telemetry/sl_counters.h"
#include "telemetry/sl_event.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_PIPELINE_BURST_MAX 64u

enum sl_engine {
	SL_ENGINE_COMPILED,
	SL_ENGINE_REFERENCE,
	SL_ENGINE_CHECK /* both; a difference blocks the packet and is reported */
};

/* GET /v1/engine `mode`. */
enum sl_mode {
	SL_MODE_INLINE,
	/*
	 * Judges, counts and reports as inline does, and lets everything pass that a port can send:
	 * packets the parser refuses too, because a monitor must not change the traffic.  Replies of
	 * callouts do not leave.  What would have been dropped is counted in `would_drop`.
	 */
	SL_MODE_MONITOR,
	SL_MODE_BYPASS, /* forwards without looking: no layers, no parser, no events */
	SL_MODE_BLOCK   /* drops everything, with events */
};

enum sl_link_side {
	SL_SIDE_INSIDE,
	SL_SIDE_OUTSIDE
};

/* One direction of one link, as a worker serves it. */
struct sl_path {
	uint32_t link; /* index */
	enum sluice_direction direction;
	enum sl_link_type link_type;
	struct sl_meta_ports ports;
	uint8_t flow_zone; /* 0..255: paths of one zone share flows; part of the keys */
};

/* What happens to a packet besides the verdicts of arbitration. */
enum sl_outcome_action {
	/* SL_VERDICT_BLOCK, SL_VERDICT_PERMIT, SL_VERDICT_ABSORB, then: */
	SL_OUTCOME_HELD =
		3, /* a fragment, or its flow waits for a callout: its owner keeps it until sl_pipeline_releases names it */
	SL_OUTCOME_HANDED /* sl_pipeline_releases only: to be given to another worker, with the flags of its frame */
};

/* What became of a packet. In mode monitor it is permitted, and the rest says what would have been. */
struct sl_outcome {
	uint8_t action; /* enum sl_verdict_action or enum sl_outcome_action */
	uint8_t reason; /* enum sl_reason; NONE when every layer permitted */
	uint8_t layer;  /* enum sluice_layer that decided, valid when has_layer */
	uint8_t has_layer;
	uint32_t rank; /* filter at that layer; SL_RANK_NONE: none */
};

/* Called by SL_ENGINE_CHECK at the first difference of a burst. */
typedef void sl_pipeline_difference_fn(void *ctx, const struct sl_layer_program *layer,
	const struct sl_meta *meta, uint32_t packet, const uint32_t *compiled, uint32_t n_compiled,
	const uint32_t *reference, uint32_t n_reference);

/*
 * The worker that has the flow of a packet which came in by `path`.  Packet time; called for datagrams that were put
 * together from fragments, unless another worker has handed them over for good: those with SL_FRAME_VIEWED and without
 * SL_FRAME_ANSWER.  `*flags`, 0 before: what else than VIEWED the fragments are to have when they are handed over.
 */
typedef uint32_t sl_pipeline_owner_fn(void *ctx, uint32_t path, const struct sl_frame *frame,
	const struct sl_meta *meta, uint32_t *flags);

/*
 * A multicast or broadcast packet from inside has opened its flow, or kept it open, and is about to leave: whoever
 * answers `key`'s local end within the time-out of such flows may.  Packet time.
 */
typedef void sl_pipeline_asked_fn(void *ctx, const struct sl_flow_key *key);

struct sl_pipeline_options {
	uint32_t worker;
	uint32_t n_paths;             /* 1 .. 2 * SL_COUNTERS_LINKS_MAX */
	const struct sl_path *paths;  /* copied */
	struct sl_counters *counters; /* borrowed */
	struct sl_ring *events;       /* of struct sl_event; borrowed; NULL: no events */
	uint64_t event_rate;          /* events a second; 0: no limit */
	enum sl_engine engine;
	sl_pipeline_difference_fn *difference; /* CHECK only */
	void *difference_ctx;
	const struct sl_flow_config
		*flows; /* this worker's share; copied; NULL: neither flows nor fragments */
	sl_pipeline_owner_fn *owner; /* NULL: every flow is this worker's */
	void *owner_ctx;
	sl_pipeline_asked_fn *asked; /* NULL: nobody wants to know */
	void *asked_ctx;
	struct sl_ring
		*commands; /* of struct sl_flow_command, to this worker; borrowed; NULL: none */
	struct sl_mpsc *
		completions; /* sl_callout_completions of this worker; borrowed; NULL: callouts cannot pend */
	uint64_t now_ns; /* when the flow table's clock begins */
};

/* What control asks a worker to do with its flows. */
struct sl_flow_command {
	uint32_t type; /* enum sl_flow_command_type */
	uint32_t reserved;
	uint64_t id; /* KILL: of the flow; FORGET: the address of a struct sl_plugin */
};

enum sl_flow_command_type {
	SL_FLOW_COMMAND_KILL,      /* end it as the policy would: SL_FLOW_END_ADMIN */
	SL_FLOW_COMMAND_EVENTS_ON, /* make flow events */
	SL_FLOW_COMMAND_EVENTS_OFF,
	/*
	 * Take the contexts of a plugin that is about to be unloaded out of all flows, a part a round: until
	 * sl_callout_contexts says 0.  One plugin at a time.
	 */
	SL_FLOW_COMMAND_FORGET
};

/* A packet that was held, a fragment or one whose flow waited for a callout, and is let go. */
struct sl_release {
	struct sl_held held;       /* owner and path */
	struct sl_outcome outcome; /* PERMIT: send it; HANDED: give it to `worker`; else free it */
	uint32_t worker;
};

struct sl_pipeline; /* opaque */

/* --- Control thread. --- */

/* 0, -EINVAL (n_paths, worker) or -ENOMEM. The caller frees with sl_pipeline_free. */
int
sl_pipeline_new(const struct sl_pipeline_options *options, struct sl_pipeline **out) SL_MUST_CHECK;
/* Callouts must still be loaded: those with contexts of flows are told that they are gone. NULL is allowed. */
void sl_pipeline_free(struct sl_pipeline *pipeline);

/* --- Packet time. --- */

/*
 * Judges frames[0 .. n-1] (n at most SL_PIPELINE_BURST_MAX) of path `path` against one snapshot, which may
 * be NULL: then everything is blocked with NO_POLICY, in every mode.  Fills outcomes[0 .. n-1], counts
 * filters, layers, reasons and replies that were suppressed or refused, makes events.
 * Link counters, worker cycles, replies sent and device reasons belong to the caller.
 */
void sl_pipeline_run(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint32_t path, const struct sl_frame frames[], uint32_t n,
	uint64_t now_ns, struct sl_outcome outcomes[]);

/*
 * Does what time asks for, when no packets come: ages flows and fragments, obeys commands, sweeps, takes answers of
 * callouts.  Call it once a round, whether packets came or not; it does a bounded amount of work (sl_pipeline_run does
 * the same amount, but for the answers).
 * Replies and releases are as those of a burst; its replies answer no packet.
 */
void sl_pipeline_tick(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint64_t now_ns);
/* Lets every fragment go, and everything that waits for callouts with its flow; other flows stay: before a stop. */
void sl_pipeline_drain(struct sl_pipeline *pipeline, uint64_t now_ns);
/*
 * The clock that `now_ns` is of was set forward by `step_ns`, or back: no time has passed for flows.  Fragments
 * that wait are let go as by sl_pipeline_drain; flows that wait for callouts go on waiting.  Call it before the first run or tick with the new time.
 */
void sl_pipeline_step_clock(struct sl_pipeline *pipeline, int64_t step_ns, uint64_t now_ns);
/*
 * What was held and the last run, tick or drain let go, in the order in which they must be sent; valid until the next
 * one.  They are counted as dropped when they are; sending them is the caller's.
 */
const struct sl_release *sl_pipeline_releases(const struct sl_pipeline *pipeline, uint32_t *n);
/*
 * Whether an inbound packet that is not TCP would go with a flow of this worker: one with its key, or what a question to a
 * group has opened for answers of anybody.
 */
bool sl_pipeline_knows(const struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	const struct sl_flow_key *key, uint64_t now_ns);
/* This worker's flows; NULL: none are kept. Any thread may use what sl_flow.h allows any thread. */
struct sl_flow_table *sl_pipeline_flows(const struct sl_pipeline *pipeline);
const struct sl_fragments *sl_pipeline_fragments(const struct sl_pipeline *pipeline);

/*
 * Frames that the last run or tick has made: those of callouts, and resets of connections that were revoked.  Each
 * is to be sent out of the port that packets of its path come in by, or of the other one when `is_onward`.  Valid until
 * the next run, tick or drain; none in other modes than inline.
 */
const struct sl_reply *sl_pipeline_replies(const struct sl_pipeline *pipeline, uint32_t *n);
/*
 * Metadata of packet i of the last burst, whose frames must still be there; valid until the next run.  Left over
 * from an earlier burst in mode bypass.
 */
const struct sl_meta *sl_pipeline_meta(const struct sl_pipeline *pipeline, uint32_t i);

/* --- Control time: explain. --- */

/* What is taken for known of the packet's flow. */
enum sl_explain_flow {
	SL_EXPLAIN_FLOW_NEW, /* it is the first packet: authorised at the ALE layer of its direction */
	SL_EXPLAIN_FLOW_ESTABLISHED, /* a further packet, in the direction in which the flow was opened */
	SL_EXPLAIN_FLOW_REPLY        /* a further packet in the other direction */
};

enum sl_explain_step_type {
	SL_EXPLAIN_LAYER,  /* a layer is visited: layer, program */
	SL_EXPLAIN_FILTER, /* a filter of it: rank, matched, miss, and when matched what it did */
	SL_EXPLAIN_VERDICT /* the layer's verdict */
};

struct sl_explain_step {
	enum sl_explain_step_type type;
	const struct sl_layer *layer;
	const struct sl_layer_program *program; /* NULL: the layer has no filters */
	uint32_t rank;
	bool matched;
	bool reached; /* false: an earlier filter of its sublayer had decided */
	struct sl_near_miss miss;
	struct sl_trace_step trace; /* matched and reached */
	struct sl_verdict verdict;  /* VERDICT */
	bool engines_agree;         /* VERDICT: compiled and reference gave the same match list */
};
typedef void sl_explain_fn(void *ctx, const struct sl_explain_step *step);

/*
 * Walks one frame through every layer it would visit, in order: LAYER, its FILTERs, VERDICT.  A layer
 * without filters has no FILTER steps; a discard twin is walked when it has filters.  Without a snapshot
 * (NULL) there are no steps.  Callouts are not called: each is reported as it
 * would be asked, and taken to continue (inspection, unknown) or to permit softly (terminating);
 * unregistered ones behave as they do.  No counters, no events, no replies.  Allocates.
 * `meta` receives the parser's view.  0 or -ENOMEM.
 */
int sl_pipeline_explain(const struct sl_snapshot *snapshot, const struct sl_path *path,
	const struct sl_frame *frame, enum sl_explain_flow flow, sl_explain_fn *fn, void *ctx,
	struct sl_meta *meta, struct sl_outcome *outcome) SL_MUST_CHECK;
/* The same for one layer and given metadata. */
int sl_pipeline_explain_layer(const struct sl_snapshot *snapshot, const struct sl_layer *layer,
	const struct sl_meta *meta, sl_explain_fn *fn, void *ctx,
	struct sl_outcome *outcome) SL_MUST_CHECK;

/* "inline"; never NULL. */
const char *sl_mode_name(enum sl_mode mode);
/* False for an unknown name. */
bool sl_mode_find(const char *name, enum sl_mode *mode);

#endif
