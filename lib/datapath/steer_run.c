/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/steer.h"

#include "datapath/steer_mix.h"

#include <rte_ethdev.h>
#include <rte_thash.h>

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define VLAN_TYPE_OLD 0x9100u
#define TYPE_MIN      0x600u /* smaller: the length of an 802.3 frame */
#define IP4_HEADER    20u
#define IP4_FRAGMENT  0x3fffu
#define IP4_GROUPS \
	224u /* first bytes of multicast and broadcast addresses, and of none that is unicast */
#define IP6_HEADER    40u
#define IP6_GROUPS    0xffu
#define ICMP6_QUERIES 128u /* ICMPv6: errors are below (RFC 4443 2.1) */
#define ICMP_QUENCH   4u
#define WORDS_MAX     9u
#define END_FACTOR    0x9e3779b97f4a7c15u /* 2^64 over the golden ratio */
#define PORTS_SIZE    4u

/* Repeats 16 bits, so that source and destination may be exchanged. */
const uint8_t steer_rss_key[STEER_KEY_BYTES] = {0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
	0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d,
	0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
	0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a};

static uint16_t
read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t
read32(const uint8_t *at)
{
	return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static bool
has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

uint32_t
steer_hash(const struct sl_flow_key *key)
{
	uint32_t hash = 0, n_bytes = key->ip_version == 4 ? 4 : 16;

	for (uint32_t i = 0; i < n_bytes; i += 4)
		hash = steer_mix(hash, read32(key->local + i) + read32(key->remote + i));
	if (has_ports(key->protocol))
		hash = steer_mix(hash, (uint32_t)key->local_port + key->remote_port);
	return hash;
}

/* Whether the NIC takes the ports of such packets into its hash. */
static bool
rss_has_ports(const struct steer *steer, const struct sl_flow_key *key)
{
	bool is_ip4 = key->ip_version == 4;

	switch (key->protocol) {
	case IPPROTO_TCP:
		return (steer->rss_types &
			       (is_ip4 ? RTE_ETH_RSS_NONFRAG_IPV4_TCP
				       : RTE_ETH_RSS_NONFRAG_IPV6_TCP)) != 0;
	case IPPROTO_UDP:
		return (steer->rss_types &
			       (is_ip4 ? RTE_ETH_RSS_NONFRAG_IPV4_UDP
				       : RTE_ETH_RSS_NONFRAG_IPV6_UDP)) != 0;
	case IPPROTO_SCTP:
		return (steer->rss_types &
			       (is_ip4 ? RTE_ETH_RSS_NONFRAG_IPV4_SCTP
				       : RTE_ETH_RSS_NONFRAG_IPV6_SCTP)) != 0;
	default:
		return false;
	}
}

static uint32_t
rss_queue(const struct steer *steer, const struct sl_flow_key *key)
{
	uint32_t words[WORDS_MAX], n = 0, n_bytes = key->ip_version == 4 ? 4 : 16;

	for (uint32_t i = 0; i < n_bytes; i += 4)
		words[n++] = read32(key->local + i);
	for (uint32_t i = 0; i < n_bytes; i += 4)
		words[n++] = read32(key->remote + i);
	if (rss_has_ports(steer, key))
		words[n++] = (uint32_t)key->local_port << 16 | key->remote_port;
	return steer->places[rte_softrss(words, n, steer_rss_key) & (steer->n_places - 1)];
}

/* --- Local ends. --- */

static uint64_t
mix_end(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * END_FACTOR;
	return hash ^ hash >> 32;
}

static uint64_t
hash_end(const uint8_t *address, uint32_t n_bytes, uint8_t protocol, uint16_t port)
{
	uint64_t hash = (uint64_t)n_bytes << 32 | (uint64_t)protocol << 16 | port;

	for (uint32_t i = 0; i < n_bytes; i += 4)
		hash = mix_end(hash, read32(address + i));
	return hash;
}

uint64_t
steer_end_hash(const struct sl_flow_key *key)
{
	return hash_end(key->local, key->ip_version == 4 ? 4 : 16, key->protocol,
		has_ports(key->protocol) ? key->local_port : 0);
}

uint32_t
steer_worker(const struct steer *steer, const struct sl_flow_key *key)
{
	if (steer->n_queues <= 1)
		return steer_worker_of(steer, 0);
	if (steer->kind == STEER_RSS)
		return steer_worker_of(steer, rss_queue(steer, key));
	return steer_worker_of(steer, steer_hash(key) % steer->n_queues);
}

/* The key of the flow that a packet belongs to, or is an error about; zones take no part in steering. */
static bool
key_of(const struct steer *steer, const struct sl_frame *frame, const struct sl_meta *meta,
	struct sl_flow_key *key)
{
	bool has_seq;
	uint32_t seq;

	if ((meta->meta_flags & SL_META_IS_ICMP_ERROR) != 0)
		return sl_flow_key_of_error(frame, meta, 0, key, &seq, &has_seq);
	if (!sl_flow_key_of(meta, 0, key))
		return false;
	if (steer->has_questions && meta->direction == SLUICE_DIRECTION_OUTBOUND &&
		meta->dst_address_type >= SLUICE_NL_MULTICAST && meta->protocol != IPPROTO_TCP)
		sl_flow_key_wildcard(key);
	return true;
}

uint32_t
steer_worker_of_packet(
	const struct steer *steer, const struct sl_frame *frame, const struct sl_meta *meta)
{
	struct sl_flow_key key;

	if (!key_of(steer, frame, meta, &key))
		return steer_worker_of(steer, 0);
	return steer_worker(steer, &key);
}

/* --- What wire cannot see. --- */

static bool
is_vlan(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD || type == VLAN_TYPE_OLD;
}

/* Those that carry the packet they are about (RFC 792). */
static bool
is_icmp_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_QUENCH || type == ICMP_REDIRECT ||
		type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/* `n` bytes from the IP header on. What is too short is refused later, by whichever worker. */
static bool
is_plain_ip4(const uint8_t *ip, uint32_t n, bool asks)
{
	uint32_t size;

	if (n < IP4_HEADER)
		return true;
	if (asks && ip[16] >= IP4_GROUPS && ip[9] != IPPROTO_TCP)
		return (read16(ip + 6) & IP4_FRAGMENT) != 0;
	if ((read16(ip + 6) & IP4_FRAGMENT) != 0 || ip[9] != IPPROTO_ICMP)
		return true;
	size = (ip[0] & 0xfu) * 4;
	return size >= n || !is_icmp_error(ip[size]);
}

static bool
is_plain_ip6(const uint8_t *ip, uint32_t n, bool asks)
{
	if (n <= IP6_HEADER)
		return true;
	if (asks && ip[24] == IP6_GROUPS && ip[6] != IPPROTO_TCP)
		return false;
	return has_ports(ip[6]) || (ip[6] == IPPROTO_ICMPV6 && ip[IP6_HEADER] >= ICMP6_QUERIES);
}

/* Where the IP header begins, or what else is behind the tags; 0: the frame ends before. */
static inline uint32_t
pass_tags(const struct sl_frame *frame, uint16_t *type, uint32_t *n_tags)
{
	uint32_t at = ETH_HLEN;

	*n_tags = 0;
	if (frame->contiguous < at)
		return 0;
	*type = read16(frame->bytes + at - 2);
	while (is_vlan(*type) && *n_tags < SL_PACKET_VLANS_MAX) {
		at += 4;
		++*n_tags;
		if (frame->contiguous < at)
			return 0;
		*type = read16(frame->bytes + at - 2);
	}
	return at;
}

bool
steer_is_plain(const struct steer *steer, const struct sl_frame *frame, bool is_outbound)
{
	const bool asks = is_outbound && steer->has_questions;
	uint32_t n_tags, at;
	uint16_t type;

	at = pass_tags(frame, &type, &n_tags);
	if (at == 0)
		return true;
	/* NICs differ in what they see behind several tags. */
	if (steer->kind == STEER_SOFTWARE || type < TYPE_MIN ||
		(n_tags > 1 && steer->kind == STEER_RSS))
		return false;
	if (type == ETH_P_IP)
		return is_plain_ip4(frame->bytes + at, frame->contiguous - at, asks);
	if (type == ETH_P_IPV6)
		return is_plain_ip6(frame->bytes + at, frame->contiguous - at, asks);
	return true;
}

/* --- Where answers go. --- */

/* Of the bytes of an address and `n` bytes of what is behind the IP header. */
static bool
see_transport(const uint8_t *address, uint32_t n_bytes, uint8_t protocol, const uint8_t *transport,
	uint32_t n, uint64_t *hash)
{
	const bool is_with_ports = has_ports(protocol);

	if (protocol == IPPROTO_TCP || (is_with_ports && n < PORTS_SIZE))
		return false;
	*hash = hash_end(address, n_bytes, protocol, is_with_ports ? read16(transport + 2) : 0);
	return true;
}

bool
steer_see_end(const struct sl_frame *frame, uint64_t *hash)
{
	uint32_t n_tags, at, n, size;
	const uint8_t *ip;
	uint16_t type;

	at = pass_tags(frame, &type, &n_tags);
	if (at == 0)
		return false;
	ip = frame->bytes + at;
	n = frame->contiguous - at;
	if (type == ETH_P_IP && n >= IP4_HEADER && (read16(ip + 6) & IP4_FRAGMENT) == 0) {
		size = SL_MIN((ip[0] & 0xfu) * 4, n);
		return see_transport(ip + 16, 4, ip[9], ip + size, n - size, hash);
	}
	if (type != ETH_P_IPV6 || n < IP6_HEADER || (!has_ports(ip[6]) && ip[6] != IPPROTO_ICMPV6))
		return false;
	return see_transport(ip + 24, 16, ip[6], ip + IP6_HEADER, n - IP6_HEADER, hash);
}

/* Fragments of a datagram meet by what all of them have. */
static uint32_t
worker_of_fragment(const struct steer *steer, const struct sl_meta *meta)
{
	struct sl_flow_key key = {.ip_version = meta->ip_version};

	if (meta->ip_version == 4) {
		uint32_t ends[] = {htonl(meta->ip4_src), htonl(meta->ip4_dst)};

		memcpy(key.local, &ends[0], sizeof(ends[0]));
		memcpy(key.remote, &ends[1], sizeof(ends[1]));
	} else {
		memcpy(key.local, meta->ip6_src, sizeof(meta->ip6_src));
		memcpy(key.remote, meta->ip6_dst, sizeof(meta->ip6_dst));
	}
	return steer_worker(steer, &key);
}

uint32_t
steer_worker_of_frame(const struct steer *steer, const struct sl_frame *frame, struct sl_meta *meta,
	uint32_t here)
{
	struct sl_flow_key key;

	sl_packet_parse(SL_LINK_ETHERNET, frame, 1, &meta);
	if (meta->reason != SL_REASON_NONE)
		return here;
	if ((meta->meta_flags & SL_META_IS_FRAGMENT) != 0)
		return steer->kind == STEER_SOFTWARE ? worker_of_fragment(steer, meta) : here;
	return key_of(steer, frame, meta, &key) ? steer_worker(steer, &key) : here;
}
