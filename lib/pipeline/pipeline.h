/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_PRIVATE_H
#define SL_PIPELINE_PRIVATE_H

/*
 * Inside of the pipeline: one worker's state, and the state of one burst.
 *
 * Packets of a burst are numbered; a set of packets is a 64-bit mask.
 */

#include "pipeline/order.h"
#include "pipeline/sl_pipeline.h"

#include <stdbool.h>
#include <stdint.h>

_Static_assert(SL_PIPELINE_BURST_MAX <= 64, "a set of packets is a 64-bit mask");

#define SL_PIPELINE_TRACE_MAX 64u /* steps kept of a packet that gets an event */

struct sl_flows;      /* flow.h */
struct sl_park;       /* park.h */
struct sl_reassembly; /* fragments.h */

struct sl_pipeline {
	struct sl_counters *counters;
	struct sl_ring *events; /* NULL: none */
	struct sl_event_limit limit;
	uint8_t worker;
	enum sl_engine engine;
	sl_pipeline_difference_fn *difference;
	void *difference_ctx;

	struct sl_matches matches;
	struct sl_matches reference; /* CHECK only */
	uint32_t *hits;              /* of one packet; SL_MATCHES_MAX */
	struct sl_callout_env env;
	struct sl_trace_step steps[SL_PIPELINE_TRACE_MAX];

	uint32_t n_paths;
	struct sl_path *paths;
	struct sl_meta *metas;       /* SL_PIPELINE_BURST_MAX a path */
	struct sl_meta **meta_list;  /* their addresses, as the parser takes them */
	struct sl_meta *const *last; /* those of the last burst */
	const struct sl_frame *last_frames;
	enum sl_link_type last_link;
	uint64_t unparsed;                /* packets of the last burst that went without metadata */
	struct sl_flows *flows;           /* NULL: none are kept */
	struct sl_reassembly *reassembly; /* NULL: fragments are not held */
	struct sl_park *park;             /* NULL: callouts cannot put decisions off */
	uint32_t n_releases;
	struct sl_release *releases; /* as many as can be held at the end of a burst */
};

/* One burst on its way; lives on the stack of sl_pipeline_run. */
struct sl_burst {
	struct sl_pipeline *pipeline;
	const struct sl_snapshot *snapshot;
	const struct sl_path *path;
	const struct sl_frame *frames; /* NULL: flows without packets are looked at */
	struct sl_meta *metas;
	struct sl_outcome *outcomes;
	uint64_t *reasons; /* the counters of what is dropped or, in mode monitor, would be */
	uint64_t now_ns;
	uint64_t suppressed;  /* packets whose replies a discard twin suppressed */
	uint32_t first_reply; /* those before are of other packets */
	bool is_monitor;
	bool is_silent;    /* nothing is reported: no packet asks */
	bool has_reported; /* a difference */
};

/* What stopped a packet. */
struct sl_stop {
	uint32_t packet;
	uint8_t action; /* enum sl_verdict_action: BLOCK or ABSORB */
	uint8_t reason; /* enum sl_reason */
	uint32_t rank;
	const struct sl_layer_program *program; /* NULL: no layer did */
	const uint32_t *ranks;                  /* its match list at that layer */
	uint32_t n_ranks;
	struct sl_trace *trace; /* what the filters did; NULL: not recorded */
};

/* More of a match list than this is not kept. */
#define SL_AUTH_RANKS_MAX 8u

/* What an ALE layer says of packets besides the verdict. */
struct sl_auth_answer {
	bool is_reauthorization;
	/* No packet asks: nobody is called, and what is not blocked, which the next packet will ask again, counts nothing. */
	bool is_sweep;
	uint64_t afresh; /* are judged whatever signature they had: by another link than before */
	uint64_t unaffected; /* have the signature that they had: nobody was asked */
	uint32_t signature
		[SL_PIPELINE_BURST_MAX];      /* before: the one it had; after: the one it has */
	uint32_t rank[SL_PIPELINE_BURST_MAX]; /* filter that permitted */
	/* The match lists of those that are blocked. */
	uint32_t n_ranks[SL_PIPELINE_BURST_MAX];
	uint32_t ranks[SL_PIPELINE_BURST_MAX][SL_AUTH_RANKS_MAX];
};

/* --- Packet time. --- */

/*
 * Takes the packets of `alive` through the visits first .. end-1 of their direction's order; returns those
 * that go on.  `sets` are those of sl_pipeline_sort.
 */
uint64_t sl_pipeline_visit_some(struct sl_burst *burst, const uint64_t sets[SL_ORDER_CLASS_COUNT],
	uint32_t first, uint32_t end, uint64_t alive);
/* Sorts packets 0 .. n-1 into sets, one a class; returns those that the parser refuses. */
uint64_t
sl_pipeline_sort(const struct sl_burst *burst, uint32_t n, uint64_t sets[SL_ORDER_CLASS_COUNT]);
/*
 * The part of the way on which packets are whole: the transport, flow and data layers, and those between
 * them, up to visit `end`; returns those that go on.
 */
uint64_t sl_pipeline_judge_whole(struct sl_burst *burst, const uint64_t sets[SL_ORDER_CLASS_COUNT],
	uint32_t end, uint64_t alive);
/*
 * Classifies and judges `members` at one layer, counts, and runs the discard twin for those blocked;
 * returns those that stop here.
 */
uint64_t
sl_pipeline_visit(struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members);
/* The same at an ALE layer that authorises: `answer` tells more. */
uint64_t sl_pipeline_visit_auth(struct sl_burst *burst, const struct sl_layer_program *program,
	uint64_t members, struct sl_auth_answer *answer);
/* Shows flows that have ended to the closure layer, where nothing can be stopped. */
void sl_pipeline_visit_closure(
	struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members);
/* Shows packets that have been dropped to a discard twin, whose block suppresses their replies. */
void sl_pipeline_visit_twin(
	struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members);
/* Ends a packet's way: outcome, counters, event. */
void sl_pipeline_stop(struct sl_burst *burst, const struct sl_stop *stop);
/* Ends the way of `members` for a reason of no layer. */
void sl_pipeline_stop_all(struct sl_burst *burst, uint64_t members, enum sl_reason reason);
/* Shows packets that are dropped for a reason of no layer to the discard twin of the IP packet layer. */
void sl_pipeline_show_refused(struct sl_burst *burst, uint64_t members);
/* Takes out the burst's replies that shall not leave, keeping the order of the rest. */
void sl_pipeline_sweep_replies(struct sl_burst *burst);
/* Ends the way of `members` for what the parser found, twins included. */
void sl_pipeline_refuse(struct sl_burst *burst, uint64_t members);

#endif
