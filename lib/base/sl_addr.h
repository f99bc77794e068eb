/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_ADDR_H
#define SL_BASE_ADDR_H

/*
 * Addresses and prefixes as text and as numbers.
 *
 * IPv4 addresses are host-order uint32_t everywhere in Sluice; IPv6 addresses are 16 bytes and MAC
 * addresses 6 bytes in network order (WFP section 1.1).
 * Parsers take the whole string: leading or trailing characters, leading zeros in an octet and empty
 * strings are refused.  They return 0, or -EINVAL and leave the output untouched.
 */

#include "base/sl_compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_V4_TEXT_MAX  16 /* "255.255.255.255" and NUL */
#define SL_V6_TEXT_MAX  46 /* as INET6_ADDRSTRLEN */
#define SL_MAC_TEXT_MAX 18 /* "aa:bb:cc:dd:ee:ff" and NUL */

int sl_addr_parse_v4(const char *text, uint32_t *addr) SL_MUST_CHECK;
int sl_addr_parse_v6(const char *text, uint8_t addr[16]) SL_MUST_CHECK;
/* Six pairs of hexadecimal digits, all separated by ':' or all by '-'. */
int sl_addr_parse_mac(const char *text, uint8_t mac[6]) SL_MUST_CHECK;
/*
 * "ADDRESS/LENGTH" with LENGTH 0..32 or 0..128, or a bare address (LENGTH 32 or 128).  For v4 also
 * "ADDRESS/MASK" in dotted form.  -ERANGE: the length is out of range or the mask is not contiguous.
 * Bits of the address beyond the length are kept as given.
 */
int sl_addr_parse_prefix_v4(const char *text, uint32_t *addr, uint8_t *prefix_len) SL_MUST_CHECK;
int sl_addr_parse_prefix_v6(const char *text, uint8_t addr[16], uint8_t *prefix_len) SL_MUST_CHECK;

/* Texts in their canonical form (RFC 5952 for v6). Return `text`. */
char *sl_addr_format_v4(uint32_t addr, char text[SL_V4_TEXT_MAX]);
char *sl_addr_format_v6(const uint8_t addr[16], char text[SL_V6_TEXT_MAX]);
char *sl_addr_format_mac(const uint8_t mac[6], char text[SL_MAC_TEXT_MAX]);

/* The mask of a prefix length 0..32. */
static inline uint32_t
sl_addr_mask_v4(unsigned int prefix_len)
{
	return prefix_len == 0 ? 0 : ~(uint32_t)0 << (32 - prefix_len);
}

/* True when the first `prefix_len` (0..128) bits are equal. */
bool sl_addr_match_v6(const uint8_t a[16], const uint8_t b[16], unsigned int prefix_len);

#endif
