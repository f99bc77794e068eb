/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_ARBITRATE_H
#define SL_CLASSIFIER_ARBITRATE_H

/*
 * Arbitration: from the match list of one packet at one layer to its verdict (WFP section 4).
 *
 * Inside a sublayer the first PERMIT or BLOCK decides; across sublayers results merge by the rights
 * rule; callouts are called with the running right and their answers normalised.  Layers do not
 * influence each other.
 *
 * Threads. Packet time, any worker.  The only call out is `invoke`.
 */

#include "classifier/sl_classify.h"
#include "sdk/sluice_callout.h"

enum sl_verdict_action {
	SL_VERDICT_BLOCK, /* zero is the safe one */
	SL_VERDICT_PERMIT,
	SL_VERDICT_ABSORB
};

enum sl_invoke_status {
	SL_INVOKE_CALLED,
	SL_INVOKE_UNREGISTERED,
	SL_INVOKE_SKIPPED /* conditional on a flow context that is not there */
};

struct sl_verdict {
	uint32_t rank;  /* filter that is credited; SL_RANK_NONE: nothing matched */
	uint8_t action; /* enum sl_verdict_action */
	/* enum sl_reason: NONE, or FILTER, VETO, CALLOUT_UNREGISTERED, ABSORBED. */
	uint8_t reason;
	bool is_hard;        /* the right is cleared */
	bool by_callout;     /* a callout spoke, not the engine in its place */
	uint16_t n_ignored;  /* callouts' permits that came without the right; saturates */
	bool absorb_refused; /* a block came with ABSORB, without the right or where none may */
};

/* What a matched filter did; for explain, events and tests. */
enum sl_effect {
	SL_EFFECT_CONTINUED, /* inspection, or undecided */
	SL_EFFECT_SKIPPED,   /* unregistered inspection callout, or no flow context */
	SL_EFFECT_DECIDED,   /* first to decide */
	SL_EFFECT_OVERRODE,  /* changed the running result */
	SL_EFFECT_HARDENED,  /* same action, took the right away */
	SL_EFFECT_AGREED,    /* same action, nothing changed */
	SL_EFFECT_IGNORED,   /* right absent */
	SL_EFFECT_VETOED,
	SL_EFFECT_ABSORBED,
	SL_EFFECT_COUNT
};

struct sl_trace_step {
	uint32_t rank;
	uint32_t returned; /* enum sluice_action after normalisation; CONTINUE when undecided */
	uint8_t effect;    /* enum sl_effect */
	uint8_t running;   /* enum sl_verdict_action; PERMIT with rank NONE: nothing yet */
	bool running_is_hard;
	uint32_t running_rank;
};

/* Steps in order; `n` counts all, of which the first `n_max` are kept. */
struct sl_trace {
	struct sl_trace_step *steps;
	uint32_t n_max;
	uint32_t n;
};

/* Calls the filter's callout. `out` is preloaded: UNTOUCHED, the running right. */
typedef enum sl_invoke_status sl_invoke_fn(void *ctx, const struct sl_layer_program *layer,
	uint32_t rank, const struct sl_meta *meta, struct sluice_classify_out *out);

struct sl_arbitration {
	sl_invoke_fn *invoke; /* NULL: every callout is unregistered */
	void *ctx;
	struct sl_trace *trace; /* or NULL */
	uint32_t *hits;         /* receives the ranks that were reached, or NULL */
	uint32_t n_hits;        /* output: how many were, whether `hits` is NULL or not */
};

/*
 * Judges one packet. `ranks` is its match list.  `hits` needs room for `n_ranks`.
 *
 * Reached are all matches but those behind a callout that decided their sublayer, and those below
 * one that absorbed.  Once nothing can change any more the rest is not played through (WFP section
 * 4.6), which neither hits nor verdict show; a trace has every step.
 */
void sl_arbitrate(const struct sl_layer_program *layer, const uint32_t *ranks, uint32_t n_ranks,
	const struct sl_meta *meta, struct sl_arbitration *arbitration, struct sl_verdict *verdict);

const char *sl_effect_name(enum sl_effect effect);

#endif
