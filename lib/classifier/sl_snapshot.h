/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_SNAPSHOT_H
#define SL_CLASSIFIER_SNAPSHOT_H

/*
 * Snapshot: one policy revision, compiled; everything a worker needs to judge packets.
 *
 * What.    For each layer that has filters, its program: the filters in arbitration order and the
 *          compiled form that finds the matching ones.  Layers without filters have no program and
 *          are not visited.
 * Order.   Arbitration order is sublayer weight descending (equal weights: older sublayer first),
 *          effective weight descending, run-time id ascending (WFP sections 3.4, 4.5).
 * Rank.    A filter's number in its layer program.  Filters that were there when the layer was
 *          compiled are numbered in arbitration order; what was added since is numbered as it came,
 *          and the numbers of what was removed stay empty.  So ranks say nothing about order:
 *          sl_filter_walk goes through a layer in arbitration order, and match lists are in it.
 * Threads. Built and freed by control threads; immutable once published, read by any worker between
 *          its quiescent states.  Layer programs count their users atomically, so that a control
 *          thread may fold one while others make and free snapshots.
 * Memory.  A snapshot holds references on the objects it was made of and shares the programs of
 *          layers that did not change with its predecessor.
 */

#include "base/sl_error.h"
#include "classifier/sl_meta.h"
#include "policy/sl_policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_RANK_NONE UINT32_MAX
/* Matches of one packet at one layer: one terminal per sublayer and every callout filter. */
#define SL_MATCHES_MAX 65536u

/* Private to the classifier. */
struct sl_program; /* compiled form of a layer */
struct sl_overlay; /* what changed since */
struct sl_store;   /* what versions of a layer share */

/* A filter as arbitration needs it; 8 bytes. */
struct sl_filter_hot {
	uint32_t counter;  /* index of its counters; they survive revisions */
	uint16_t sublayer; /* index in sl_layer_program.sublayers */
	uint8_t action;    /* enum sl_hot_action */
	/*
	 * SL_FILTER_CLEAR_ACTION_RIGHT, SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED and, private to the
	 * classifier, SL_HOT_ASKS_REASSEMBLED and SL_HOT_ASKS_PACKET.
	 */
	uint8_t flags;
};

/* An IP packet layer's filter whose answer may depend on the flag is_reassembled. */
#define SL_HOT_ASKS_REASSEMBLED 0x01u
/* A filter at an ALE layer that authorises, with a condition on what each packet of a flow has of its own. */
#define SL_HOT_ASKS_PACKET 0x02u

enum sl_hot_action {
	SL_HOT_BLOCK, /* zero is the safe one */
	SL_HOT_PERMIT,
	/* These may continue: the match list goes on behind them. */
	SL_HOT_CALLOUT_TERMINATING,
	SL_HOT_CALLOUT_UNKNOWN,
	SL_HOT_CALLOUT_INSPECTION
};

/* What the host binds to a filter when it is compiled. */
struct sl_filter_binding {
	uint32_t counter;
	void *callout;    /* of the callout room; NULL: not registered */
	uint64_t context; /* what the callout's notify stored */
};

/* The rest of a filter, for callouts, events and explain. */
struct sl_filter_run {
	const struct sl_filter *object;
	const struct sl_provider_context *provider_context; /* or NULL */
	const struct sl_set *const *sets; /* by condition; NULL: no condition names a set */
	struct sl_filter_binding binding;
	uint64_t id;
	uint64_t weight; /* effective */
	/*
	 * Differs from that of every other filter, and of this one after any change of it, of its provider
	 * context or of its binding, as long as each snapshot is compiled with its predecessor; no other
	 * filter ever has it.  A change of a set that a condition names is none: whether a packet still
	 * matches shows in its match list.
	 */
	uint64_t stamp;
};

struct sl_sublayer_run {
	const struct sl_sublayer *object;
	uint32_t first;     /* rank of its first filter when the layer was compiled */
	uint32_t n_filters; /* 0 only when they were removed after the layer was compiled */
	uint32_t n_callouts;
	uint16_t weight;
	uint16_t place;          /* among the layer's sublayers, in arbitration order */
	bool has_callouts;       /* at least one callout filter here */
	bool has_callouts_below; /* ... or in a sublayer after this one (WFP section 4.6) */
};

struct sl_layer_program {
	const struct sl_layer *layer;
	const struct sl_filter_hot *hot;     /* by rank */
	const struct sl_filter_run *filters; /* by rank */
	const struct sl_sublayer_run
		*sublayers; /* in arbitration order when compiled, then as they came */
	uint32_t n_filters; /* in force; ranks may be higher */
	uint32_t n_sublayers;
	uint32_t n_ask_reassembled; /* filters with SL_HOT_ASKS_REASSEMBLED */
	uint32_t n_ask_packet;      /* filters with SL_HOT_ASKS_PACKET */
	uint32_t matches_max;       /* longest match list of one packet */
	bool has_callouts;
	const struct sl_program *program;
	const struct sl_overlay
		*overlay; /* NULL: nothing has changed since the layer was compiled */
	struct sl_store *store;
	uint32_t n_refs; /* users: snapshots and sl_layer_get; atomic */
	size_t memory_bytes;
	uint64_t build_ns; /* of the last compilation of the whole layer */
};

struct sl_snapshot {
	uint64_t revision;
	const struct sl_layer_program *layers[SLUICE_LAYER_COUNT]; /* NULL: no filters */
	uint32_t n_filters;
	size_t memory_bytes;
	uint64_t build_ns;
	/*
	 * By layer: the revision (its low 32 bits, never 0) that last changed anything there, also when it has no
	 * filters now.  A fold changes none.  What was judged under the same number needs no new judgement.
	 */
	uint32_t generations[SLUICE_LAYER_COUNT];
	bool needs_state; /* a layer with flow state, or its twin, has filters */
	/*
	 * A layer that sees whole datagrams only has filters (transport, ICMP errors, those with flow state,
	 * and their twins), or a filter at an IP packet layer asks for the flag is_reassembled.
	 */
	bool needs_whole;
	uint64_t stamp; /* private: the last one that was given to a filter */
};

/* Compiled forms. TABLES falls back on trees where tables would become too large. */
enum sl_structure {
	SL_STRUCTURE_AUTO,
	SL_STRUCTURE_TREES,
	SL_STRUCTURE_TABLES
};

/* What compiling asks its owner. Called on the compiling thread. */
struct sl_compile_host {
	/*
	 * Binds a filter: counter index, callout and context.  0, or a negative errno with `err`
	 * filled (such as CALLOUT_NOTIFICATION_FAILED), which fails the compilation.  Called once
	 * per compilation for every filter, layer by layer in arbitration order, also for those
	 * whose program turns out to be shared; with changes given, for new filters alone.
	 */
	int (*bind)(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
		struct sl_error *err);
	/* Progress: filters done of all. May be NULL. False stops with BUSY. */
	bool (*progress)(void *ctx, size_t done, size_t total);
	void *ctx;
	/* Bytes of compiled programs; 0: no limit. Beyond it: NO_MEMORY, with need and have. */
	size_t memory_max;
	/* The compiled form; AUTO chooses what is faster, the others are for tests and comparisons. */
	enum sl_structure structure;
};

/* A filter that came, went, or was replaced by another of the same key. */
struct sl_filter_change {
	const struct sl_filter *old; /* NULL: it was added */
	const struct sl_filter *now; /* NULL: it was removed */
};

/*
 * How a policy differs from the one that the previous snapshot was compiled from.  A filter that is
 * not named is the same object in both.
 */
struct sl_changes {
	const struct sl_filter_change *filters;
	size_t n;
	/*
	 * Something besides filters may have changed: sublayers, sets, contexts, what `bind` says.
	 * Everything is compared then.
	 */
	bool others;
};

/*
 * Compiles a checked policy.  `revision` is higher than that of `previous`, which may be NULL; programs of layers whose filters, sublayers,
 * sets, contexts and bindings are the same objects as there are shared.  Filters with
 * SL_FILTER_DISABLED are left out.
 *
 * `changes` may be NULL: everything is compared with `previous`, and `bind` is asked for every
 * filter.  Given, and without `others`, a few changed filters are put beside the compiled form of
 * their layer in microseconds, and `bind` is asked for those that are new alone.
 *
 * 0 and `*out`, which sl_snapshot_free frees; or a negative errno with `err` filled and nothing
 * kept: what `bind` said, OUT_OF_BOUNDS when a packet could match more than SL_MATCHES_MAX filters of
 * a layer (the text names need and limit), NO_MEMORY, BUSY.
 */
int sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out,
	struct sl_error *err) SL_MUST_CHECK;
/* NULL is allowed. No worker may use it any more. */
void sl_snapshot_free(struct sl_snapshot *snapshot);

/* --- Folding: compiling anew a layer that has changed a lot, beside everything else. --- */

/*
 * True when a layer has so many changes beside its compiled form that it should be folded; then
 * `*layer` is the one that needs it most.
 */
bool sl_snapshot_wants_fold(const struct sl_snapshot *snapshot, enum sluice_layer *layer);

/* One more user. Any control thread that knows of one. */
const struct sl_layer_program *sl_layer_get(const struct sl_layer_program *layer);
/* Frees it with its last user. NULL is allowed. Any control thread. */
void sl_layer_put(const struct sl_layer_program *layer);

/*
 * Compiles a layer's filters anew, with the bindings they have: `host->bind` is not asked, `progress`
 * may stop it, `memory_max` is for this program alone.  The caller is a user of `layer` meanwhile;
 * any thread.
 *
 * 0 and `*folded` with the caller as its user; NO_MEMORY, BUSY.
 */
int sl_layer_fold(const struct sl_layer_program *layer, const struct sl_compile_host *host,
	const struct sl_layer_program **folded, struct sl_error *err) SL_MUST_CHECK;

/*
 * The snapshot `current` with `folded`, which was made from `from`, in the place of its program for
 * that layer; what changed between `from` and that program is applied to it.  The revision stays,
 * and bindings are those of `current`.  The caller is a user of `from` and `folded`, and stays it.
 *
 * 0 and `*out`, which sl_snapshot_free frees; BUSY when the program in `current` did not come from
 * `from` by changes alone, so that `folded` is of no use; NO_MEMORY.
 */
int sl_snapshot_with_fold(const struct sl_snapshot *current, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, struct sl_snapshot **out,
	struct sl_error *err) SL_MUST_CHECK;

/* --- Looking into a program. --- */

/*
 * A number for a match list that is another one, but for one chance in 2^32, when another filter is in it, one of
 * them has changed, or their order has.  Packet time.
 */
uint32_t
sl_layer_signature(const struct sl_layer_program *layer, const uint32_t *ranks, uint32_t n_ranks);

/* Goes through the filters of a layer in arbitration order. Begin with only `layer` set. */
struct sl_filter_walk {
	const struct sl_layer_program *layer;
	uint32_t at[4]; /* where it is; private to the walk */
};
/* True and the next filter's rank, or false behind the last. */
bool sl_filter_walk_next(struct sl_filter_walk *walk, uint32_t *rank);

/*
 * What was built for a layer and why, for GET /v1/layers: name and value pairs.  "structure" and "reason"
 * come first.
 */
struct sl_program_fact {
	char name[32]; /* "structure", "reason", "depth", "expected_ns", "leaf_max" ... */
	char text[96];
};
/* Up to `n_max` facts; returns how many were stored. 32 are enough. */
uint32_t sl_program_facts(
	const struct sl_layer_program *layer, struct sl_program_fact *facts, uint32_t n_max);

#endif
