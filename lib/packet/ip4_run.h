/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_IP4_RUN_H
#define SL_PACKET_IP4_RUN_H

/* What the fast path and the full parser share about IPv4. */

#include "packet/cursor_run.h"

#define SL_IP4_SIZE 20u /* bytes of the header without options */

/* Slots of the fixed header. */
#define SL_IP4_FIXED_PRESENT                                                                   \
	(SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST) | SL_PRESENT(PROTOCOL) | SL_PRESENT(DSCP) | \
		SL_PRESENT(TTL) | SL_PRESENT(PACKET_LENGTH) | SL_PRESENT(FLAGS_IP) |           \
		SL_PRESENT(FLAGS_TRANSPORT) | SL_PRESENT(SRC_ADDRESS_TYPE) |                   \
		SL_PRESENT(DST_ADDRESS_TYPE))

static SL_ALWAYS_INLINE uint32_t
sl_ip4_word(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/*
 * True when a sum of 32-bit words is that of a right checksum: its ones' complement sum of 16-bit words is
 * 0xffff (RFC 1071), so the sum is a multiple of that. Zero it cannot be: the version, or the protocol, is in it.
 */
static SL_ALWAYS_INLINE bool
sl_ip4_sum_is_good(uint64_t sum)
{
	return sum % 0xffff == 0;
}

/* `size` is a multiple of 4 and at least 20. */
static SL_ALWAYS_INLINE bool
sl_ip4_checksum_is_good(const uint8_t *ip, uint32_t size)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < size; i += 4)
		sum += sl_ip4_word(ip + i);
	return sl_ip4_sum_is_good(sum);
}

#endif
