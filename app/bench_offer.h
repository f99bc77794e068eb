/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_OFFER_H
#define APP_BENCH_OFFER_H

/*
 * Packets offered to the running appliance at a steady pace, each of them accounted for.
 *
 * Pace.    A thread puts frames into the receive ring of the outside port (BENCH_OFFER_DEVICE).  What is due and
 *          finds no room waits, up to BENCH_OFFER_QUEUE packets in all, as in the descriptors of a NIC; what is due
 *          beyond that is missed, and counted: as excused when the worker, which must never wait, had to wait for its
 *          CPU (the kernel's schedstat).  When the thread itself comes late it offers less.
 * Account. Packets are numbered.  A callback of the inside port sees what leaves, in the order in which it was
 *          offered: a number that is skipped was dropped.
 * Verdict. Packets note which revision of the policy was in use when they were offered; when their fate is known, a
 *          later one may be.  It must be what one of those says.  An odd revision blocks switched hosts.
 * Threads. Control thread, but for the callback and the thread that offers.
 */

#include "base/sl_error.h"
#include "bench_flow_frames.h"

#include <stdint.h>

#define BENCH_OFFER_DEVICE "vdev:net_ring0"
#define BENCH_OFFER_QUEUE  8192u

struct bench_offer; /* opaque */

/* All since the beginning. */
struct bench_offer_account {
	uint64_t n_offered; /* put into the ring */
	uint64_t n_missed;  /* due when the queue was full */
	uint64_t n_excused; /* the same, while the machine gave the worker's CPU to others */
	uint64_t n_left;
	uint64_t n_dropped;   /* did not leave */
	uint64_t n_misjudged; /* left or dropped against every policy that may have been asked */
};

/*
 * Makes ready to offer the frames in turn.  `is_switched[i]`: frame i is of a host that odd
 * revisions block.  Both are borrowed.  The datapath runs, its inside port is `inside`.  0 or the fault.
 */
int bench_offer_start(const struct bench_flow_frames *frames, const uint8_t *is_switched,
	const char *inside, struct bench_offer **out, struct sl_error *err) SL_MUST_CHECK;
#define BENCH_OFFER_UNPACED (-1.0)
/* Packets a second from now on, 0 at first; UNPACED: as fast as they are taken. */
void bench_offer_pace(struct bench_offer *offer, double rate);
/* Before a revision is published; and when no worker uses an earlier one. */
void bench_offer_publishing(struct bench_offer *offer, uint64_t revision);
void bench_offer_published(struct bench_offer *offer, uint64_t revision);
/* Stops offering, and waits until everything that was offered has been taken. The account is then complete. */
void bench_offer_stop(struct bench_offer *offer);
/* While it runs, packets on their way are in none of the members but n_offered. */
struct bench_offer_account bench_offer_read(const struct bench_offer *offer);
/* Stopped, and the datapath still runs. NULL is allowed. */
void bench_offer_free(struct bench_offer *offer);

#endif
