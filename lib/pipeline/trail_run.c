/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: which way the packets of a flow take. */
#include "pipeline/trail.h"

#include "pipeline/pipeline.h"

#include <string.h>

#define ETHERNET_SIZE 14u
#define MAC_SIZE      6u
#define VLAN_SIZE     4u

/* The header as it came, if resets can be given the same: Ethernet II with up to two tags, or none at all. */
static void
note_header(
	struct sl_trail_header *header, const struct sl_frame *frame, const struct sl_meta *meta)
{
	const bool has_ethernet = (meta->meta_flags & SL_META_HAS_ETHERNET) != 0;
	const uint32_t n = has_ethernet ? ETHERNET_SIZE + meta->vlan_n * VLAN_SIZE : 0;

	header->n = 0;
	if (meta->l3_offset != n || n > SL_TRAIL_HEADER_MAX || n > frame->contiguous)
		return;
	memcpy(header->bytes, frame->bytes, n);
	header->n = (uint8_t)(n + 1);
}

void
sl_trail_note(struct sl_trails *trails, uint32_t flow, const struct sl_burst *burst,
	uint32_t packet, bool has_header)
{
	const enum sluice_direction direction = burst->path->direction;

	if (trails->last == NULL)
		return;
	trails->last[flow][direction] = (uint8_t)(burst->path - trails->paths + 1);
	if (trails->headers != NULL && has_header)
		note_header(&trails->headers[flow][direction], &burst->frames[packet],
			&burst->metas[packet]);
}

/* The path that packets of a direction, or before there were any those of the other one, came by; NULL: unknown. */
static const struct sl_path *
last_path(const struct sl_trails *trails, uint32_t flow, enum sluice_direction direction)
{
	const uint8_t *last = trails->last[flow];
	const uint8_t one = last[direction] != 0 ? last[direction] : last[!direction];

	return one == 0 ? NULL : &trails->paths[one - 1];
}

bool
sl_trail_parts(const struct sl_trails *trails, uint32_t flow, const struct sl_path *path)
{
	const struct sl_path *last = last_path(trails, flow, path->direction);

	return last != NULL && last->link != path->link;
}

/* The other direction of a path. */
static const struct sl_path *
find_way_back(const struct sl_trails *trails, const struct sl_path *path)
{
	for (uint32_t i = 0; i < trails->n_paths; i++) {
		const struct sl_path *other = &trails->paths[i];

		if (other->link == path->link && other->link_type == path->link_type &&
			other->flow_zone == path->flow_zone && other->direction != path->direction)
			return other;
	}
	return NULL;
}

const struct sl_path *
sl_trail_path(const struct sl_trails *trails, uint32_t flow, uint8_t zone,
	enum sluice_direction direction)
{
	const struct sl_path *path = NULL;

	if (trails->last != NULL)
		path = last_path(trails, flow, direction);
	if (path != NULL && path->direction != direction)
		path = find_way_back(trails, path);
	return path != NULL ? path : trails->zones[direction][zone];
}

int
sl_trail_header(const struct sl_trails *trails, uint32_t flow, enum sluice_direction direction,
	uint8_t bytes[SL_TRAIL_HEADER_MAX])
{
	const struct sl_trail_header *header = &trails->headers[flow][direction];
	uint8_t sender[MAC_SIZE];

	if (header->n > 0) {
		memcpy(bytes, header->bytes, header->n - 1u);
		return header->n - 1;
	}
	header = &trails->headers[flow][!direction];
	if (header->n == 0)
		return -1;
	if (header->n == 1)
		return 0;
	memcpy(bytes, header->bytes, header->n - 1u);
	/* Who received that one sends this one. */
	memcpy(sender, bytes, MAC_SIZE);
	memcpy(bytes, bytes + MAC_SIZE, MAC_SIZE);
	memcpy(bytes + MAC_SIZE, sender, MAC_SIZE);
	return header->n - 1;
}
