/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_FRAGMENTS_H
#define SL_PIPELINE_FRAGMENTS_H

/*
 * Fragments on their way through the layers (WFP section 1.6): each is shown to the layers of frames and of single
 * packets and then held; what they are fragments of is shown to the layers of whole packets; then all of them
 * leave or none.
 *
 * Held     while a filter asks for whole packets, or always, as the configuration says.  When that changes, or
 *          the mode does, what is held goes as if it had not been: nobody waits for what nobody asks for.
 * Released are so many at a time as a burst has time for, in the order in which they were let go.
 * Monitor  lets fragments pass at once and holds copies, so that it knows what inline would do.
 */

#include "pipeline/pipeline.h"

/* A fragment that left at once: only its copy is held. Private to this part. */
#define SL_FRAME_LEFT 0x80000000u

/* A datagram that the burst has completed. */
struct sl_complete {
	struct sl_datagram *datagram;
	uint32_t flags; /* SL_FRAME_VIEWED and SL_FRAME_ANSWER, as its last fragment has them */
};

struct sl_reassembly {
	struct sl_fragments *table;
	enum sl_fragment_reassemble reassemble;
	sl_pipeline_owner_fn *owner;
	void *owner_ctx;
	bool is_on; /* fragments are held */
	uint8_t mode;
	uint32_t n_complete;
	struct sl_complete complete[SL_PIPELINE_BURST_MAX];
	uint32_t n_leaving;   /* have been let go and not been released */
	uint32_t n_released;  /* of this burst */
	struct sl_meta *meta; /* of a datagram */
	uint8_t *buffer;      /* SL_DATAGRAM_BUFFER */
};

/* --- Control thread. --- */

/* 0, -EINVAL or -ENOMEM; `*out` is NULL where the options ask for none. */
int sl_reassembly_new(const struct sl_pipeline_options *options, struct sl_reassembly **out);
/* What is held is forgotten. NULL is allowed. */
void sl_reassembly_free(struct sl_reassembly *reassembly);

/* --- Packet time; every function does nothing in a pipeline without reassembly. --- */

/* Begins a burst or a tick: notices another mode or policy. */
void sl_reassembly_start(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint64_t now_ns);
/* The fragments of a burst that the layers of single fragments have seen on another worker. */
uint64_t sl_reassembly_viewed(const struct sl_burst *burst, uint64_t fragments);
/*
 * Takes the fragments among `alive`, which have come as far as the layers of whole packets, through the rest of the
 * layers that see single ones and holds what is left of them.  Returns them: none goes on with the others.
 */
uint64_t sl_reassembly_take(
	struct sl_burst *burst, const uint64_t sets[SL_ORDER_CLASS_COUNT], uint64_t alive);
/* Judges what the burst has completed. Behind everything else of the burst. */
void sl_reassembly_finish(struct sl_burst *burst);
/* Ends what is too old, and releases what has been let go. Last of all in a burst or a tick. */
void sl_reassembly_age(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint64_t now_ns);
/* Lets everything go that is not complete. */
void sl_reassembly_drain(struct sl_pipeline *pipeline, uint64_t now_ns);

#endif
