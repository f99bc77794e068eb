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
#define IP6_HEADER    40u
#define ICMP6_QUERIES 128u /* ICMPv6: errors are below (RFC 4443 2.1) */
#define ICMP_QUENCH   4u
#define WORDS_MAX     9u

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
key_of(const struct sl_frame *frame, const struct sl_meta *meta, struct sl_flow_key *key)
{
	bool has_seq;
	uint32_t seq;

	if ((meta->meta_flags & SL_META_IS_ICMP_ERROR) != 0)
		return sl_flow_key_of_error(frame, meta, 0, key, &seq, &has_seq);
	return sl_flow_key_of(meta, 0, key);
}

uint32_t
steer_worker_of_packet(
	const struct steer *steer, const struct sl_frame *frame, const struct sl_meta *meta)
{
	struct sl_flow_key key;

	if (!key_of(frame, meta, &key))
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
is_plain_ip4(const uint8_t *ip, uint32_t n)
{
	uint32_t size;

	if (n < IP4_HEADER || (read16(ip + 6) & IP4_FRAGMENT) != 0 || ip[9] != IPPROTO_ICMP)
		return true;
	size = (ip[0] & 0xfu) * 4;
	return size >= n || !is_icmp_error(ip[size]);
}

static bool
is_plain_ip6(const uint8_t *ip, uint32_t n)
{
	if (n <= IP6_HEADER || has_ports(ip[6]))
		return true;
	return ip[6] == IPPROTO_ICMPV6 && ip[IP6_HEADER] >= ICMP6_QUERIES;
}

bool
steer_is_plain(const struct steer *steer, const struct sl_frame *frame)
{
	uint32_t at = ETH_HLEN;
	uint16_t type;

	if (frame->contiguous < at)
		return true;
	type = read16(frame->bytes + at - 2);
	for (uint32_t i = 0; is_vlan(type) && i < SL_PACKET_VLANS_MAX; i++) {
		at += 4;
		/* NICs differ in what they see behind several tags. */
		if (frame->contiguous < at || (i > 0 && steer->kind == STEER_RSS))
			return frame->contiguous < at;
		type = read16(frame->bytes + at - 2);
	}
	if (steer->kind == STEER_SOFTWARE || type < TYPE_MIN)
		return false;
	if (type == ETH_P_IP)
		return is_plain_ip4(frame->bytes + at, frame->contiguous - at);
	if (type == ETH_P_IPV6)
		return is_plain_ip6(frame->bytes + at, frame->contiguous - at);
	return true;
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
	return key_of(frame, meta, &key) ? steer_worker(steer, &key) : here;
}
