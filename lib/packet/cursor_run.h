/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_CURSOR_RUN_H
#define SL_PACKET_CURSOR_RUN_H

/*
 * Where the parser stands in a packet, and the only ways to ask for bytes.
 *
 * Two ends matter.  `end` is where the current layer ends on the wire, as the lengths in the headers
 * say; `stop` is how far bytes may be read.  A header that crosses `end` is a fault of the packet; one
 * that crosses `stop` only lies beyond the window.  at <= stop <= end always holds.
 */

#include "packet/sl_packet.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sl_cursor {
	const uint8_t *bytes;   /* first byte of the frame */
	uint32_t at;            /* offset of the next header */
	uint32_t end;           /* offset behind the current layer, on the wire */
	uint32_t stop;          /* min(end, readable) */
	uint32_t readable;      /* bytes that may be read: at most SL_PACKET_HEADERS_MAX */
	bool is_first_fragment; /* headers may continue in later fragments */
	bool is_jumbogram;      /* IPv6 payload length comes from a jumbo option (RFC 2675) */
};

static SL_ALWAYS_INLINE uint16_t
sl_be16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return __builtin_bswap16(v);
}

static SL_ALWAYS_INLINE uint32_t
sl_be32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return __builtin_bswap32(v);
}

/* True when `n` bytes from the cursor belong to the layer and may be read. */
static SL_ALWAYS_INLINE bool
sl_cursor_has(const struct sl_cursor *c, uint32_t n)
{
	return n <= c->stop - c->at;
}

/* Bytes of the current layer from the cursor on. */
static SL_ALWAYS_INLINE uint32_t
sl_cursor_left(const struct sl_cursor *c)
{
	return c->end - c->at;
}

static SL_ALWAYS_INLINE const uint8_t *
sl_cursor_bytes(const struct sl_cursor *c)
{
	return c->bytes + c->at;
}

/* Shortens the layer to `n` bytes from `from`, which is not behind the cursor plus what is left. */
static SL_ALWAYS_INLINE void
sl_cursor_limit(struct sl_cursor *c, uint32_t from, uint32_t n)
{
	c->end = from + n;
	c->stop = SL_MIN(c->end, c->readable);
}

/* Names the packet's fault; the first one stays. */
static SL_ALWAYS_INLINE void
sl_fault(struct sl_meta *meta, enum sl_reason reason)
{
	if (meta->reason == SL_REASON_NONE)
		meta->reason = (uint8_t)reason;
}

/* `n` bytes were asked for and are not there: `reason`, unless only the window is too short. */
static inline void
sl_fault_lack(const struct sl_cursor *c, struct sl_meta *meta, uint32_t n, enum sl_reason reason)
{
	sl_fault(meta, n <= sl_cursor_left(c) ? SL_REASON_HEADER_BEYOND_WINDOW : reason);
}

/* NL_ADDRESS_TYPE of an address. A subnet's broadcast address cannot be told from a host's here. */
static SL_ALWAYS_INLINE uint8_t
sl_ip4_address_type(uint32_t address)
{
	if (SL_UNLIKELY(address >= 0xe0000000u)) {
		if (address < 0xf0000000u)
			return SLUICE_NL_MULTICAST;
		return address == 0xffffffffu ? SLUICE_NL_BROADCAST : SLUICE_NL_UNICAST;
	}
	return address == 0 ? SLUICE_NL_UNSPECIFIED : SLUICE_NL_UNICAST;
}

static inline uint8_t
sl_ip6_address_type(const uint8_t address[16])
{
	uint64_t halves[2];

	if (address[0] == 0xff)
		return SLUICE_NL_MULTICAST;
	memcpy(halves, address, sizeof(halves));
	return (halves[0] | halves[1]) == 0 ? SLUICE_NL_UNSPECIFIED : SLUICE_NL_UNICAST;
}

/* DL_ADDRESS_TYPE of a MAC address. */
static SL_ALWAYS_INLINE uint8_t
sl_mac_address_type(const uint8_t mac[6])
{
	if (SL_LIKELY((mac[0] & 1) == 0))
		return SLUICE_DL_UNICAST;
	return sl_be32(mac) == 0xffffffffu && sl_be16(mac + 4) == 0xffff ? SLUICE_DL_BROADCAST
									 : SLUICE_DL_MULTICAST;
}

#endif
