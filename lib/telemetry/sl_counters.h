/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_TELEMETRY_COUNTERS_H
#define SL_TELEMETRY_COUNTERS_H

/*
 * Counters: one set per worker, written by that worker alone, summed by whoever reads.
 *
 * Filters. Counters belong to a filter's key, not to its compiled place: control gives a key an index for
 *          as long as the key exists and zeroes the index in every worker before it is used again.  The
 *          array is address space reserved for the maximum; pages come into being when a filter hits.
 * Threads. `*_add` packet time, owning worker only.  Reading is allowed from any thread at any time:
 *          each number is read whole (relaxed atomics), numbers of one record may be a burst apart.
 */

#include "base/sl_compiler.h"
#include "classifier/sl_reason.h"
#include "flow/sl_flow.h"
#include "sdk/sluice_types.h"

#include <stddef.h>
#include <stdint.h>

#define SL_COUNTERS_FILTERS_MAX 4194304u
#define SL_COUNTERS_LINKS_MAX   64u

struct sl_filter_counter {
	uint64_t packets;
	uint64_t bytes;       /* frame bytes */
	uint64_t last_hit_ns; /* since 1970-01-01 UTC; 0: never */
};

struct sl_layer_counter {
	uint64_t permit; /* classifies that ended so; packets that visited the layer */
	uint64_t block;
	uint64_t veto;
	uint64_t absorb;
	uint64_t ignored_override; /* answers of callouts and filters that came without the right */
};

/* Per link and direction of travel. */
struct sl_link_counter {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t dropped; /* for every reason together */
};

struct sl_worker_counter {
	uint64_t bursts;            /* polls that brought packets */
	uint64_t empty_polls;       /* polls that brought none */
	uint64_t busy_cycles;       /* TSC cycles spent on bursts */
	uint64_t idle_cycles;       /* TSC cycles spent polling in vain or sleeping */
	uint64_t events_suppressed; /* net events not made: rate limit */
	uint64_t replies_sent;
	uint64_t replies_suppressed; /* by a discard twin */
	uint64_t replies_refused;    /* queue full or no buffer */
};

/* Flows and fragments of a worker (WFP section 5.10). */
struct sl_flow_counter {
	uint64_t opened[2]; /* authorised, by enum sluice_direction of the first packet */
	uint64_t established;
	uint64_t ended[SL_FLOW_END_COUNT]; /* by enum sl_flow_end */
	uint64_t midstream;                /* of those opened, picked up without a handshake */
	uint64_t blocked;                  /* first packets that the ALE layers blocked */
	uint64_t blocked_again;            /* of those, answered from the memory of refusals */
	uint64_t refused;                  /* first packets without room, blocked */
	uint64_t untracked;    /* first packets without room, or probes at their bound, permitted */
	uint64_t reauthorized; /* judged anew and permitted */
	uint64_t revoked;      /* judged anew and blocked */
	uint64_t unaffected;   /* the policy changed, what it says of them did not */
	uint64_t icmp_related; /* ICMP errors that belong to a flow */
	uint64_t datagrams;    /* put together from fragments */
	uint64_t fragments;    /* that came */
	uint64_t handed_over;  /* packets given to the worker that has their flow */
	uint64_t context_refused;  /* contexts of callouts without room */
	uint64_t pended;           /* flows whose decision a callout put off */
	uint64_t pend_ended;       /* of those, for whatever reason: the rest waits now */
	uint64_t completed;        /* of those that ended, by the callout's answer */
	uint64_t pend_timeouts;    /* of those that ended, for want of an answer */
	uint64_t pend_refused;     /* without room, or not absorbed */
	uint64_t completions_late; /* answers for flows that no longer waited */
};

struct sl_counters {
	struct sl_filter_counter *filters; /* SL_COUNTERS_FILTERS_MAX, lazily backed */
	struct sl_layer_counter layers[SLUICE_LAYER_COUNT];
	uint64_t reasons[SL_REASON_COUNT]; /* packets dropped, by reason */
	/* Packets that left although policy or parser said no, by reason: mode monitor. */
	uint64_t would_drop[SL_REASON_COUNT];
	struct sl_link_counter links[SL_COUNTERS_LINKS_MAX][2]; /* [link][enum sluice_direction] */
	struct sl_worker_counter worker;
	struct sl_flow_counter flows;
} SL_CACHE_ALIGNED;

/* --- Control thread. --- */

/* 0 or -ENOMEM. */
int sl_counters_new(struct sl_counters **out) SL_MUST_CHECK;
void sl_counters_free(struct sl_counters *counters);
/* Zeroes one filter's record; no worker may be using the index. */
void sl_counters_reset_filter(struct sl_counters *counters, uint32_t index);

/* Adds what `counters` holds now to `*sum`; last_hit is the later of both. */
void sl_counters_sum_filter(
	const struct sl_counters *counters, uint32_t index, struct sl_filter_counter *sum);
/* Adds everything but the filters to `*sum` (whose `filters` is not touched). */
void sl_counters_sum(const struct sl_counters *counters, struct sl_counters *sum);

/* --- Packet time, owning worker. --- */

static inline void
sl_counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t
sl_counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void
sl_counters_hit(struct sl_counters *counters, uint32_t index, uint32_t bytes, uint64_t now_ns)
{
	struct sl_filter_counter *filter = &counters->filters[index];

	sl_counter_add(&filter->packets, 1);
	sl_counter_add(&filter->bytes, bytes);
	__atomic_store_n(&filter->last_hit_ns, now_ns, __ATOMIC_RELAXED);
}

#endif
