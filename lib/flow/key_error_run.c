/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/key_run.h"

#include <string.h>

/*
 * The flow that an ICMP error is about.  The parser has walked the embedded headers; what it kept is used
 * here, and what it had no slot for is read from the frame: addresses, TCP's sequence number, ICMP's
 * identifier.
 *
 * Errors go to who sent the packet (RFC 1122 section 3.2.2, RFC 4443 section 2.4).  One that goes to
 * another host than the one that its embedded packet names as sender is not about a flow of that host.
 */

#define IP4_SIZE  20u
#define IP6_SIZE  40u
#define ICMP_SIZE 8u

/* Bytes of the frame that may be read and belong to the IP packet. */
static uint32_t
readable(const struct sl_frame *frame, const struct sl_meta *meta)
{
	uint64_t end = (uint64_t)meta->payload_offset + meta->payload_len;

	return (uint32_t)SL_MIN(end, frame->contiguous);
}

static uint32_t
be32(const uint8_t *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return ntohl(number);
}

/* Source and destination in the embedded header; false: they are not there, or the error went to another. */
static bool
put_addresses4(
	const uint8_t *ip, const struct sl_meta *meta, bool is_inbound, struct sl_flow_key *key)
{
	memcpy(key->local, is_inbound ? ip + 12 : ip + 16, 4);
	memcpy(key->remote, is_inbound ? ip + 16 : ip + 12, 4);
	return be32(ip + 12) == meta->ip4_dst;
}

static bool
put_addresses6(
	const uint8_t *ip, const struct sl_meta *meta, bool is_inbound, struct sl_flow_key *key)
{
	memcpy(key->local, is_inbound ? ip + 8 : ip + 24, 16);
	memcpy(key->remote, is_inbound ? ip + 24 : ip + 8, 16);
	return memcmp(ip + 8, meta->ip6_dst, 16) == 0;
}

static bool
put_addresses(const struct sl_frame *frame, const struct sl_meta *meta, struct sl_flow_key *key)
{
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;
	const uint8_t *ip = frame->bytes + meta->payload_offset;
	uint32_t size = meta->ip_version == 4 ? IP4_SIZE : IP6_SIZE;

	if (meta->payload_offset + size > readable(frame, meta))
		return false;
	return meta->ip_version == 4 ? put_addresses4(ip, meta, is_inbound, key)
				     : put_addresses6(ip, meta, is_inbound, key);
}

/* `at` is where the embedded transport header is. */
static bool
put_icmp(const struct sl_frame *frame, const struct sl_meta *meta, uint32_t at,
	struct sl_flow_key *key)
{
	const uint8_t *icmp = frame->bytes + at;
	/* What the error is about went the other way. */
	const bool is_inbound = meta->direction != SLUICE_DIRECTION_INBOUND;

	if (at == 0 || at + ICMP_SIZE > readable(frame, meta))
		return false;
	/* No error is sent because of an error, so no flow is what this is about. */
	if (flow_icmp_is_error(key->ip_version, icmp[0]))
		return false;
	flow_key_put_icmp(key, icmp[0], icmp[1], (uint16_t)(icmp[4] << 8 | icmp[5]), is_inbound);
	return true;
}

bool
sl_flow_key_of_error(const struct sl_frame *frame, const struct sl_meta *meta, uint8_t zone,
	struct sl_flow_key *key, uint32_t *seq, bool *has_seq)
{
	uint32_t at = meta->emb_l4_offset;

	*has_seq = false;
	if ((meta->meta_flags & SL_META_IS_ICMP_ERROR) == 0 ||
		(meta->present & SL_PRESENT(EMB_PROTOCOL)) == 0)
		return false;
	memset(key, 0, sizeof(*key));
	key->domain = flow_domain(meta, zone);
	key->protocol = meta->emb_protocol;
	key->ip_version = meta->ip_version;
	if (!put_addresses(frame, meta, key))
		return false;
	if (flow_is_icmp(key->protocol, key->ip_version))
		return put_icmp(frame, meta, at, key);
	if (!flow_has_ports(key->protocol))
		return true;
	if ((meta->present & SL_PRESENT(EMB_LOCAL_PORT)) == 0)
		return false;
	key->local_port = meta->emb_local_port;
	key->remote_port = meta->emb_remote_port;
	if (key->protocol == IPPROTO_TCP && at + 8 <= readable(frame, meta)) {
		*seq = be32(frame->bytes + at + 4);
		*has_seq = true;
	}
	return true;
}
