/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_FRAGMENT_H
#define SL_FLOW_FRAGMENT_H

/*
 * Fragments: held until their datagram is whole, judged as one, sent as they came (WFP section 1.6).
 *
 * Key.     Addresses, identification, for IPv4 the protocol (RFC 791; RFC 8200 leaves it out), VLAN tags and
 *          path: fragments of different links never meet.
 * Judged   is what leaves: payloads are kept without overlaps, so the datagram that is judged is the one that
 *          any receiver puts together.  An exact duplicate is dropped alone; any other overlap, two ends, an
 *          end before what is there, or more than 65,535 bytes end the whole datagram (RFC 5722).  Later
 *          fragments of a datagram that was ended are dropped until its time is over.
 * Memory.  Everything is there when sl_fragments_new returns.  What fills up gives its oldest: too many
 *          datagrams of one source the oldest of that source, otherwise the oldest of all.
 * Threads. Packet time and one worker, but for new, free and the counts.
 */

#include "base/sl_compiler.h"
#include "classifier/sl_reason.h"
#include "flow/sl_flow_config.h"
#include "packet/sl_packet.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_DATAGRAM_MAX    65535u                   /* bytes of an IP packet, header included */
#define SL_DATAGRAM_BUFFER (SL_DATAGRAM_MAX + 256u) /* and the link-layer header in front of it */

/* A fragment in custody: what its owner needs to send or free it. */
struct sl_held {
	struct sl_frame frame; /* `bytes` may no longer be read */
	uint32_t path;
	uint8_t reason; /* enum sl_reason: why it is dropped; NONE while nobody said so */
};

struct sl_fragments; /* opaque */
struct sl_datagram;  /* opaque */

/* Fragments of one datagram that are let go together. */
struct sl_departure {
	const struct sl_datagram *datagram; /* may be looked at until another fragment is added */
	uint32_t n;
	uint8_t reason;   /* enum sl_reason */
	uint64_t note[2]; /* the caller's: zero, and what it writes comes with each of them */
};

enum sl_fragment_answer {
	SL_FRAGMENT_HELD,
	SL_FRAGMENT_COMPLETE, /* held, and the last that was missing */
	SL_FRAGMENT_DROPPED   /* not held: `*reason` */
};

/* --- Control thread. --- */

/* 0, -EINVAL (a limit of 0), -ENOMEM. */
int sl_fragments_new(const struct sl_fragment_config *config, const uint64_t hash_key[2],
	struct sl_fragments **out) SL_MUST_CHECK;
/* Nothing may be held. NULL is allowed. */
void sl_fragments_free(struct sl_fragments *fragments);

/* --- Packet time. --- */

/*
 * Takes a fragment (SL_META_IS_FRAGMENT) that every layer of single fragments has permitted.  Its payload is
 * copied as far as it is contiguous; the frame stays the caller's to send or free, and comes back by
 * sl_fragments_let_go.  On COMPLETE `*datagram` is the datagram, until sl_datagram_release.
 *
 * Other fragments may be let go by the same call: those of a datagram that this one ended, or that gave way
 * to it.
 */
enum sl_fragment_answer sl_fragments_add(struct sl_fragments *fragments,
	const struct sl_frame *frame, const struct sl_meta *meta, uint32_t path, uint64_t now_ns,
	enum sl_reason *reason, struct sl_datagram **datagram);
/*
 * Writes the whole packet: the link-layer header and the IP header of the first fragment, as if it had never
 * been split (lengths, checksum and next header set right, no fragment header), and the payload.  `buffer`
 * has SL_DATAGRAM_BUFFER bytes.  `frame` is then that packet, with what of it could be copied as `contiguous`.
 * IP in 802.3 (SNAP), whose length field ends at 1,500, becomes Ethernet II.
 */
void sl_datagram_join(const struct sl_datagram *datagram, uint8_t *buffer, struct sl_frame *frame);
uint32_t sl_datagram_path(const struct sl_datagram *datagram);
/* Metadata of the fragment with offset 0, or until that has come of the one that came first; for reports. */
const struct sl_meta *sl_datagram_meta(const struct sl_datagram *datagram);
/* Lets all of its fragments go, with `reason` (NONE: to be sent), and forgets it. */
void sl_datagram_release(
	struct sl_fragments *fragments, struct sl_datagram *datagram, enum sl_reason reason);
/* Ends datagrams whose time is over (FRAG_TIMEOUT), up to `work` of them. */
void sl_fragments_age(struct sl_fragments *fragments, uint64_t now_ns, uint32_t work);
/* Lets everything go, with `reason`. */
void sl_fragments_flush(struct sl_fragments *fragments, enum sl_reason reason);
/*
 * What has been let go and not yet been named by this function, in its order; NULL: nothing.  Call until then after
 * every call above.
 */
struct sl_departure *sl_fragments_departure(struct sl_fragments *fragments);
/*
 * The next fragment let go, in the order that they must be sent, and its departure's note; false: there is none.
 * It need not be called until then at once, so that a caller may have little to do at a time, but for every 64 that
 * are added at least 64 times: until they are fetched they keep their places.
 */
bool sl_fragments_let_go(struct sl_fragments *fragments, struct sl_held *held, uint64_t note[2]);

/* True when there is nothing that could age or be let go. */
bool sl_fragments_is_idle(const struct sl_fragments *fragments);
/* Incomplete datagrams, and fragments held; any thread. */
uint32_t sl_fragments_datagrams(const struct sl_fragments *fragments);
uint32_t sl_fragments_held(const struct sl_fragments *fragments);

#endif
