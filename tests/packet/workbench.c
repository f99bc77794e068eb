/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/workbench.h"

#include "packet/parse.h"
#include "packet/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PORTS                                                                   \
	(SL_PRESENT(SRC_PORT) | SL_PRESENT(DST_PORT) | SL_PRESENT(LOCAL_PORT) | \
		SL_PRESENT(REMOTE_PORT))
#define IP4  (SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST))
#define IP6  (SL_PRESENT(IP6_SRC) | SL_PRESENT(IP6_DST))
#define VLAN (SL_PRESENT(VLAN_TCI) | SL_PRESENT(VLAN_VID))
#define FLOW                                                                      \
	(SL_PRESENT(FLAGS_FLOW) | SL_PRESENT(CONNECTION_DIRECTION) |              \
		SL_PRESENT(REAUTHORIZE_REASON) | SL_PRESENT(ORIGINAL_ICMP_TYPE) | \
		SL_PRESENT(MIDSTREAM) | SL_PRESENT(ALE_ARRIVAL_LUID) |            \
		SL_PRESENT(ALE_ARRIVAL_INDEX) | SL_PRESENT(ALE_NEXTHOP_LUID) |    \
		SL_PRESENT(ALE_NEXTHOP_INDEX) | SL_PRESENT(ALE_NEXTHOP_SUB_INTERFACE))
#define MAC                                                                     \
	(SL_PRESENT(MAC_SRC) | SL_PRESENT(MAC_DST) | SL_PRESENT(MAC_SRC_TYPE) | \
		SL_PRESENT(MAC_DST_TYPE))

static const struct sl_blob port_name = {(const uint8_t *)"port", 4};

void
workbench_meta(struct sl_meta *meta, enum sluice_direction direction)
{
	const struct sl_meta_ports ports = {
		.arrival_luid = 0x1122334455667788,
		.arrival_index = 7,
		.nexthop_luid = 8,
		.nexthop_index = 8,
		.interface_type = 6,
		.arrival_name = &port_name,
		.nexthop_name = &port_name,
	};

	/* What an earlier packet might have left must not show. */
	memset(meta, 0xa5, sizeof(*meta));
	sl_meta_setup(meta, direction, &ports);
	meta->reason = SL_REASON_FILTER;
	meta->l2_flags = 0xffffffff;
	meta->meta_flags = 0xff;
	meta->present = ~(uint64_t)0 >> (64 - SL_SLOT_COUNT);
	memset(&meta->flow, 0xa5, sizeof(meta->flow));
}

/* All bits of a group or none. */
static bool
is_split(uint64_t present, uint64_t group)
{
	return (present & group) != 0 && (present & group) != group;
}

static const char *
fault_of_presence(const struct sl_meta *meta)
{
	uint64_t present = meta->present;

	if ((present & SL_PRESENT_PORTS) != SL_PRESENT_PORTS)
		return "constants of the link stay present";
	if ((present & FLOW) != 0)
		return "slots of flows are not the parser's";
	if (is_split(present, PORTS) || is_split(present, IP4) || is_split(present, IP6) ||
		is_split(present, VLAN) || is_split(present, MAC))
		return "slots of a group are present together";
	if (((present & IP4) != 0) != (meta->ip_version == 4) ||
		((present & IP6) != 0) != (meta->ip_version == 6))
		return "addresses are those of the version";
	if ((present & IP6) && (present & (SL_PRESENT(IP_OPTIONS) | SL_PRESENT(EMB_IP4_REMOTE))))
		return "IPv6 has no IPv4 slots";
	if ((present & IP4) &&
		(present & (SL_PRESENT(IP6_EXTENSIONS) | SL_PRESENT(EMB_IP6_REMOTE))))
		return "IPv4 has no IPv6 slots";
	if ((present & VLAN) != 0 && meta->vlan_n == 0)
		return "untagged frames have no tag";
	if ((present & PORTS) && !(present & SL_PRESENT(PROTOCOL)))
		return "ports belong to a protocol";
	if ((present & SL_PRESENT(TCP_FLAGS)) && meta->protocol != 6)
		return "TCP flags belong to TCP";
	if ((present & PORTS) && meta->meta_flags & SL_META_LATER_FRAGMENT)
		return "later fragments have no ports";
	return NULL;
}

static const char *
fault_of_values(const struct sl_meta *meta)
{
	static const struct sl_meta_flow no_flow;
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;
	bool is_icmp = sl_meta_has(meta, SL_SLOT_ICMP_TYPE);
	bool is_malformed = sl_reason_kind(meta->reason) == SL_REASON_KIND_MALFORMED;

	if (meta->reason >= SL_REASON_COUNT ||
		(meta->reason != SL_REASON_NONE && !is_malformed &&
			sl_reason_kind(meta->reason) != SL_REASON_KIND_REFUSED))
		return "the reason is one of the parser's";
	if (((meta->l2_flags & SLUICE_L2_FLAG_MALFORMED_PACKET) != 0) != is_malformed)
		return "malformed packets are marked";
	if (is_icmp &&
		(meta->local_port != meta->icmp_type || meta->remote_port != meta->icmp_code ||
			meta->src_port != meta->icmp_type || meta->dst_port != meta->icmp_code))
		return "ICMP's type and code are in the ports";
	if (sl_meta_has(meta, SL_SLOT_SRC_PORT) && !is_icmp &&
		(meta->local_port != (is_inbound ? meta->dst_port : meta->src_port) ||
			meta->remote_port != (is_inbound ? meta->src_port : meta->dst_port)))
		return "local is the inside";
	if ((meta->flags_ip != 0) != ((meta->meta_flags & SL_META_IS_FRAGMENT) != 0))
		return "fragments are flagged";
	if (meta->vlan_n > SL_PACKET_VLANS_MAX)
		return "tags are limited";
	if (memcmp(&meta->flow, &no_flow, sizeof(no_flow)) != 0)
		return "a packet has met no flow yet";
	return NULL;
}

static const char *
fault_of_bounds(const struct sl_frame *frame, const struct sl_meta *meta)
{
	uint32_t readable = SL_MIN(SL_MIN(frame->contiguous, frame->length), SL_PACKET_HEADERS_MAX);

	if (meta->frame_len != frame->length)
		return "the frame's length is kept";
	if (meta->l3_offset > readable || meta->l4_offset > readable ||
		meta->payload_offset > readable)
		return "headers lie in the window";
	if (meta->l4_offset != 0 && meta->l4_offset < meta->l3_offset)
		return "headers follow each other";
	if (meta->l4_offset + meta->l4_len > readable)
		return "the transport header lies in the window";
	if (meta->payload_offset + meta->payload_len > frame->length)
		return "payload lies in the frame";
	return NULL;
}

/* The fast path takes a packet only if the full parser writes the same. */
static const char *
fault_of_fast_path(enum sl_link_type link, const struct sl_frame *frame, const struct sl_meta *meta)
{
	struct sl_meta full = *meta;

	sl_parse_any(link, frame, &full);
	if (full.present != meta->present || workbench_difference(meta, &full) != NULL)
		return "both paths write the same slots";
	if (full.reason != meta->reason || full.meta_flags != meta->meta_flags ||
		full.l3_offset != meta->l3_offset || full.l4_offset != meta->l4_offset ||
		full.l4_len != meta->l4_len || full.payload_offset != meta->payload_offset ||
		full.payload_len != meta->payload_len || full.vlan_n != meta->vlan_n ||
		full.ip_version != meta->ip_version || full.frag_id != meta->frag_id ||
		full.frag_offset != meta->frag_offset || full.ip6_header_n != meta->ip6_header_n ||
		full.icmp_id != meta->icmp_id || full.icmp_sequence != meta->icmp_sequence ||
		full.frame_len != meta->frame_len)
		return "both paths write the same beside the slots";
	return NULL;
}

const char *
workbench_fault(enum sl_link_type link, const struct sl_frame *frame, const struct sl_meta *meta)
{
	const char *fault = fault_of_presence(meta);
	uint8_t numbers[256];
	uint16_t tcis[SL_PACKET_VLANS_MAX];

	if (fault == NULL)
		fault = fault_of_values(meta);
	if (fault == NULL)
		fault = fault_of_bounds(frame, meta);
	if (fault == NULL)
		fault = fault_of_fast_path(link, frame, meta);
	if (fault == NULL &&
		sl_packet_ip6_chain(frame, meta, numbers, sizeof(numbers)) !=
			(meta->ip_version == 6 ? meta->ip6_header_n : 0u))
		fault = "the chain can be walked again";
	if (fault == NULL &&
		sl_packet_vlans(frame, meta, tcis, SL_PACKET_VLANS_MAX) != meta->vlan_n)
		fault = "the tags can be read again";
	return fault;
}

const char *
workbench_difference(const struct sl_meta *part, const struct sl_meta *whole)
{
	static const char *const names[] = {
#define X(name, member, kind, bytes) #name,
		SL_META_SLOTS(X)
#undef X
	};

	for (uint32_t i = 0; i < SL_SLOT_COUNT; i++) {
		const struct sl_slot_info *slot = &sl_slot_info[i];

		if (!sl_meta_has(part, i))
			continue;
		/* Marks of a fault found behind a cut do differ, and say so themselves. */
		if (i == SL_SLOT_L2_FLAGS && part->reason != whole->reason)
			continue;
		if (!sl_meta_has(whole, i) ||
			memcmp((const uint8_t *)part + slot->offset,
				(const uint8_t *)whole + slot->offset, slot->size) != 0)
			return names[i];
	}
	return NULL;
}

const char *
workbench_parse(enum sl_link_type link, enum sluice_direction direction, const uint8_t *bytes,
	uint32_t contiguous, uint32_t length, struct sl_meta *meta)
{
	uint8_t *copy = malloc(contiguous > 0 ? contiguous : 1);
	struct sl_frame frame = {.bytes = copy, .contiguous = contiguous, .length = length};
	const char *fault;

	if (copy == NULL)
		return "memory";
	memcpy(copy, bytes, contiguous);
	workbench_meta(meta, direction);
	sl_packet_parse(link, &frame, 1, &meta);
	fault = workbench_fault(link, &frame, meta);
	free(copy);
	return fault;
}

void
workbench_parse_build(enum sl_link_type link, const struct sl_build *build, struct sl_meta *meta)
{
	const char *fault;

	assert_false(build->is_full);
	fault = workbench_parse(
		link, SLUICE_DIRECTION_INBOUND, build->bytes, build->len, build->len, meta);
	if (fault != NULL)
		fail_msg("rule broken: %s", fault);
}

const struct sl_build *
workbench_sample(const char *name, enum sluice_direction direction, struct sl_meta *meta)
{
	static uint8_t bytes[WORKBENCH_FRAME_MAX];
	static struct sl_build build;
	const struct sample *sample = NULL;
	const char *fault;

	for (uint32_t i = 0; (sample = sample_get(i)) != NULL; i++)
		if (strcmp(sample->name, name) == 0)
			break;
	if (sample == NULL)
		fail_msg("no sample is called %s", name);
	sl_build_init(&build, bytes, sizeof(bytes));
	sample->make(&build);
	assert_false(build.is_full);
	fault = workbench_parse(sample->link, direction, bytes, build.len, build.len, meta);
	if (fault != NULL)
		fail_msg("%s: rule broken: %s", name, fault);
	return &build;
}
