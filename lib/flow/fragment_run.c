/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: a fragment arrives. */
#include "flow/fragment.h"

#include <string.h>

#define IP6_SIZE         40u
#define SNAP_SIZE        8u
#define ETHERNET_SIZE    14u
#define VLAN_SIZE        4u
#define PAYLOAD_SIZE_MAX 65535u /* IPv6: behind its fixed header */

/* --- What arrives. --- */

static void
read_vids(const struct sl_frame *frame, const struct sl_meta *meta, struct sl_fragment_key *key)
{
	uint32_t n = 0;

	if (meta->vlan_n == 0)
		return;
	n = sl_packet_vlans(frame, meta, key->vids, SL_PACKET_VLANS_MAX);
	n = SL_MIN(n, SL_PACKET_VLANS_MAX);
	for (uint32_t i = 0; i < n; i++)
		key->vids[i] &= SL_VLAN_VID_MASK;
	key->n_vids = (uint8_t)n;
}

static void
read_key(const struct sl_frame *frame, const struct sl_meta *meta, uint32_t path,
	struct sl_fragment_key *key)
{
	memset(key, 0, sizeof(*key));
	key->id = meta->frag_id;
	key->path = path;
	key->ip_version = meta->ip_version;
	if (meta->ip_version == 4) {
		memcpy(key->src, &meta->ip4_src, sizeof(meta->ip4_src));
		memcpy(key->dst, &meta->ip4_dst, sizeof(meta->ip4_dst));
		key->protocol = meta->protocol;
	} else {
		memcpy(key->src, meta->ip6_src, sizeof(meta->ip6_src));
		memcpy(key->dst, meta->ip6_dst, sizeof(meta->ip6_dst));
	}
	read_vids(frame, meta, key);
}

static bool
read_arrival(const struct sl_frame *frame, const struct sl_meta *meta, uint32_t path,
	struct sl_arrival *arrival)
{
	const struct sl_fragment_place *place = &arrival->place;
	uint32_t readable = SL_MIN(frame->contiguous, frame->length);

	if (!sl_packet_fragment(frame, meta, &arrival->place))
		return false;
	read_key(frame, meta, path, &arrival->key);
	arrival->frame = frame;
	arrival->meta = meta;
	arrival->offset = meta->frag_offset;
	arrival->end = meta->frag_offset + place->payload_len;
	arrival->is_last = (meta->meta_flags & SL_META_MORE_FRAGMENTS) == 0;
	arrival->copied = 0;
	if (readable > place->payload_at)
		arrival->copied = SL_MIN(place->payload_len, readable - place->payload_at);
	return true;
}

/* --- Whether it fits to what is there. --- */

static const uint8_t *
payload_of(const struct sl_arrival *arrival)
{
	return arrival->frame->bytes + arrival->place.payload_at;
}

/* True when this very fragment is there: the same bytes at the same place, as far as they can be read. */
static bool
is_duplicate(struct sl_fragments *fragments, const struct sl_datagram *datagram,
	const struct sl_arrival *arrival)
{
	const struct sl_fragment *fragment;
	uint32_t copied;

	LIST_FOREACH(
		fragment, sl_fragments_starting(fragments, datagram, arrival->offset), by_start) {
		if (fragment->serial != datagram->serial || fragment->offset != arrival->offset)
			continue;
		copied = SL_MIN(fragment->copied, arrival->copied);
		return fragment->size == arrival->place.payload_len &&
			fragment->is_last == arrival->is_last &&
			sl_spot_equals(fragment->spot, payload_of(arrival), copied);
	}
	return false;
}

/* Bytes of the IP packet that are no payload but limited with it (IPv6: without its fixed header). */
static uint32_t
head_bytes(const struct sl_datagram *datagram, const struct sl_arrival *arrival)
{
	uint32_t size = 0;

	if (arrival->offset == 0)
		size = arrival->place.head_end - arrival->meta->l3_offset;
	else if (datagram->head.size > 0)
		size = datagram->head.size - datagram->head.l3;
	if (size > 0 && datagram->key.ip_version == 6)
		size -= IP6_SIZE;
	return size;
}

/* An end before something that is there, or something behind the end. */
static bool
is_end_wrong(const struct sl_datagram *datagram, const struct sl_arrival *arrival)
{
	if (arrival->is_last)
		return datagram->end != 0 || arrival->end <= datagram->reach;
	return datagram->end != 0 && arrival->end >= datagram->end;
}

static enum sl_reason
check(struct sl_fragments *fragments, const struct sl_datagram *datagram,
	const struct sl_arrival *arrival)
{
	uint32_t reach = SL_MAX(datagram->reach, arrival->end);

	if (head_bytes(datagram, arrival) + reach > PAYLOAD_SIZE_MAX)
		return SL_REASON_FRAG_TOO_LONG;
	if (sl_datagram_has_any(datagram, arrival->offset, arrival->end)) {
		if (is_duplicate(fragments, datagram, arrival))
			return SL_REASON_FRAG_DUPLICATE;
		if (arrival->is_last && datagram->end != 0 && arrival->end != datagram->end)
			return SL_REASON_FRAG_INCONSISTENT;
		return SL_REASON_FRAG_OVERLAP;
	}
	return is_end_wrong(datagram, arrival) ? SL_REASON_FRAG_INCONSISTENT : SL_REASON_NONE;
}

/* --- Taking it. --- */

/*
 * Keeps the headers of the first fragment.  Those of IP in 802.3 are kept as of Ethernet II: their type, the
 * last two bytes of SNAP, follows the addresses and tags, and the length and the rest of LLC are left out.
 */
static void
put_head(struct sl_fragments *fragments, struct sl_datagram *datagram,
	const struct sl_arrival *arrival)
{
	const struct sl_meta *meta = arrival->meta;
	const uint8_t *bytes = arrival->frame->bytes;
	uint32_t l2_end = meta->l3_offset, left_out = 0;
	struct sl_datagram_head *head = &datagram->head;
	struct sl_spot second;

	if ((meta->meta_flags & SL_META_HAS_ETHERNET) != 0 &&
		meta->l3_offset == ETHERNET_SIZE + meta->vlan_n * VLAN_SIZE + SNAP_SIZE)
		left_out = SNAP_SIZE;
	l2_end -= left_out + 2 * (left_out != 0);
	sl_datagram_put(fragments, datagram, bytes, l2_end, &head->spot);
	sl_datagram_put(fragments, datagram, bytes + l2_end + left_out,
		arrival->place.head_end - l2_end - left_out, &second);
	if (l2_end == 0)
		head->spot = second;
	head->size = arrival->place.head_end - left_out;
	head->l3 = meta->l3_offset - left_out;
	if (datagram->key.ip_version == 6) {
		head->named_at = arrival->place.named_at - left_out;
		head->next = bytes[arrival->place.head_end];
	}
}

static struct sl_fragment *
take_slot(struct sl_fragments *fragments, struct sl_datagram *datagram,
	const struct sl_arrival *arrival)
{
	struct sl_fragment *fragment = STAILQ_FIRST(&fragments->free_fragments);

	STAILQ_REMOVE_HEAD(&fragments->free_fragments, next);
	fragment->held = (struct sl_held){
		.frame = *arrival->frame,
		.path = arrival->key.path,
	};
	fragment->serial = datagram->serial;
	fragment->offset = arrival->offset;
	fragment->size = arrival->place.payload_len;
	fragment->copied = arrival->copied;
	fragment->is_last = arrival->is_last;
	LIST_INSERT_HEAD(
		sl_fragments_starting(fragments, datagram, arrival->offset), fragment, by_start);
	STAILQ_INSERT_TAIL(&datagram->fragments, fragment, next);
	sl_fragments_add_held(fragments, 1);
	return fragment;
}

/* False: there is no room. */
static bool
hold(struct sl_fragments *fragments, struct sl_datagram *datagram, const struct sl_arrival *arrival)
{
	uint32_t head_size = arrival->offset == 0 ? arrival->place.head_end : 0;
	uint32_t n_chunks = sl_datagram_chunks_for(datagram, head_size + arrival->copied);
	struct sl_fragment *fragment;

	if (!sl_fragments_make_room(fragments, datagram, n_chunks))
		return false;
	if (datagram->n == 0 || arrival->offset == 0)
		datagram->meta = *arrival->meta;
	if (arrival->offset == 0)
		put_head(fragments, datagram, arrival);
	fragment = take_slot(fragments, datagram, arrival);
	sl_datagram_put(fragments, datagram, payload_of(arrival), arrival->copied, &fragment->spot);
	sl_datagram_mark(datagram, arrival->offset, arrival->end);
	datagram->n++;
	datagram->received += fragment->size;
	datagram->reach = SL_MAX(datagram->reach, arrival->end);
	if (arrival->is_last)
		datagram->end = arrival->end;
	return true;
}

static enum sl_fragment_answer
drop(enum sl_reason why, enum sl_reason *reason)
{
	*reason = why;
	return SL_FRAGMENT_DROPPED;
}

enum sl_fragment_answer
sl_fragments_add(struct sl_fragments *fragments, const struct sl_frame *frame,
	const struct sl_meta *meta, uint32_t path, uint64_t now_ns, enum sl_reason *reason,
	struct sl_datagram **out)
{
	struct sl_datagram *datagram;
	struct sl_arrival arrival;
	enum sl_reason fault;

	*reason = SL_REASON_NONE;
	if (!read_arrival(frame, meta, path, &arrival))
		return drop(SL_REASON_FRAG_INCONSISTENT, reason);
	datagram = sl_datagram_find(fragments, &arrival.key, now_ns);
	if (datagram == NULL)
		datagram = sl_datagram_begin(fragments, &arrival.key, now_ns);
	if (datagram == NULL)
		return drop(SL_REASON_FRAG_TABLE_FULL, reason);
	if (datagram->state == SL_DATAGRAM_ENDED)
		return drop(SL_REASON_FRAG_ENDED, reason);
	fault = check(fragments, datagram, &arrival);
	if (fault == SL_REASON_FRAG_DUPLICATE)
		return drop(fault, reason);
	if (fault == SL_REASON_NONE && !hold(fragments, datagram, &arrival))
		fault = SL_REASON_FRAG_TABLE_FULL;
	if (fault != SL_REASON_NONE) {
		sl_datagram_end(fragments, datagram, fault, true);
		return drop(fault, reason);
	}
	if (datagram->end == 0 || datagram->received != datagram->end)
		return SL_FRAGMENT_HELD;
	sl_datagram_complete(fragments, datagram);
	*out = datagram;
	return SL_FRAGMENT_COMPLETE;
}
