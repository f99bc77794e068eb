/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events as JSON text.  Every string is a key, a name of ours or an address, none of which can hold a
 * character that JSON would want escaped.
 */
#include "base/sl_addr.h"
#include "base/sl_clock.h"
#include "flow/sl_flow.h"
#include "telemetry/sl_event.h"

#include <string.h>

#define PROTOCOL_ICMP  1
#define PROTOCOL_ICMP6 58

static void
add_name(struct sl_buf *buf, const char *member, const char *name)
{
	if (name == NULL || name[0] == '\0')
		sl_buf_printf(buf, ",\"%s\":null", member);
	else
		sl_buf_printf(buf, ",\"%s\":\"%s\"", member, name);
}

static const char *
bool_text(bool value)
{
	return value ? "true" : "false";
}

static void
add_verdict(struct sl_buf *buf, const struct sl_event_entry *entry, const char *link)
{
	const struct sl_event *event = &entry->event;
	const struct sl_layer *layer = event->has_layer ? sl_layer_by_id(event->layer) : NULL;

	add_name(buf, "direction",
		event->direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound");
	add_name(buf, "link", link);
	add_name(buf, "reason", sl_reason_name(event->reason));
	add_name(buf, "layer", layer == NULL ? NULL : layer->name);
	add_name(buf, "sublayer", entry->sublayer);
	add_name(buf, "filter", entry->filter);
	sl_buf_printf(buf, ",\"revision\":\"%llu\",\"veto\":%s,\"monitor\":%s",
		(unsigned long long)event->revision, bool_text(event->is_veto),
		bool_text(event->is_monitor));
}

static void
add_frame(struct sl_buf *buf, const struct sl_event *event)
{
	char mac[SL_MAC_TEXT_MAX];

	if (event->has_macs) {
		add_name(buf, "mac_source", sl_addr_format_mac(event->mac_src, mac));
		add_name(buf, "mac_destination", sl_addr_format_mac(event->mac_dst, mac));
	}
	if (event->ether_type != 0)
		sl_buf_printf(buf, ",\"ether_type\":%u", event->ether_type);
	if (event->has_vlan)
		sl_buf_printf(buf, ",\"vlan_id\":%u", event->vlan_tci);
	sl_buf_printf(buf, ",\"length\":%u", event->frame_len);
}

static void
add_address(struct sl_buf *buf, const char *member, uint8_t ip_version, const uint8_t address[16])
{
	char v4[SL_V4_TEXT_MAX], v6[SL_V6_TEXT_MAX];
	uint32_t be;

	memcpy(&be, address, sizeof(be));
	add_name(buf, member,
		ip_version == 4 ? sl_addr_format_v4(__builtin_bswap32(be), v4)
				: sl_addr_format_v6(address, v6));
}

static void
add_packet(struct sl_buf *buf, const struct sl_event *event)
{
	bool is_icmp = event->protocol == PROTOCOL_ICMP || event->protocol == PROTOCOL_ICMP6;

	if (event->ip_version == 0)
		return;
	sl_buf_printf(
		buf, ",\"ip_version\":%u,\"ip_protocol\":%u", event->ip_version, event->protocol);
	add_address(buf, "ip_source", event->ip_version, event->ip_src);
	add_address(buf, "ip_destination", event->ip_version, event->ip_dst);
	sl_buf_printf(buf, ",\"fragment\":%s", bool_text(event->is_fragment));
	if (event->has_ports)
		sl_buf_printf(buf, ",\"%s\":%u,\"%s\":%u", is_icmp ? "icmp_type" : "source_port",
			event->src_port, is_icmp ? "icmp_code" : "destination_port",
			event->dst_port);
	if (event->has_tcp_flags)
		sl_buf_printf(buf, ",\"tcp_flags\":%u", event->tcp_flags);
}

static void
add_reauthorize(struct sl_buf *buf, uint32_t reason)
{
	bool is_first = true;
	const char *name;
	uint32_t bit;

	sl_buf_add_text(buf, ",\"reauthorize_reason\":[");
	for (uint32_t i = 0;
		(name = sl_flag_name(SLUICE_FIELD_REAUTHORIZE_REASON, i, &bit)) != NULL; i++) {
		if ((reason & bit) == 0)
			continue;
		sl_buf_printf(buf, "%s\"%s\"", is_first ? "" : ",", name);
		is_first = false;
	}
	sl_buf_add_char(buf, ']');
}

static void
add_both_ways(struct sl_buf *buf, const char *member, const uint64_t counts[2])
{
	sl_buf_printf(buf, ",\"%s\":{\"outbound\":%llu,\"inbound\":%llu}", member,
		(unsigned long long)counts[SLUICE_DIRECTION_OUTBOUND],
		(unsigned long long)counts[SLUICE_DIRECTION_INBOUND]);
}

/* What events of a flow say besides its id. */
static void
add_flow_life(struct sl_buf *buf, const struct sl_event *event)
{
	char time[SL_TIME_TEXT_MAX];

	add_name(buf, "opened",
		event->flow_direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound");
	sl_buf_printf(buf, ",\"midstream\":%s", bool_text(event->is_midstream));
	add_name(buf, "since", sl_time_format(event->flow_since_ns, time));
	sl_buf_printf(
		buf, ",\"duration_ms\":%llu", (unsigned long long)sl_event_duration_ms(event));
	add_both_ways(buf, "packets", event->flow_packets);
	add_both_ways(buf, "bytes", event->flow_bytes);
	if (event->type == SL_EVENT_FLOW_CLOSED)
		add_name(buf, "end", sl_flow_end_name((enum sl_flow_end)event->flow_end));
}

static void
add_flow(struct sl_buf *buf, const struct sl_event *event)
{
	if (event->flow_id != 0)
		sl_buf_printf(buf, ",\"flow\":\"%llu\"", (unsigned long long)event->flow_id);
	if (sl_event_is_of_flow(event))
		add_flow_life(buf, event);
	if (event->reauthorize_reason != 0)
		add_reauthorize(buf, event->reauthorize_reason);
}

static void
add_decisions(struct sl_buf *buf, const struct sl_event_entry *entry)
{
	const struct sl_event *event = &entry->event;
	const struct sl_event_decision *decision;

	sl_buf_add_text(buf, ",\"decisions\":[");
	for (uint32_t i = 0; i < event->n_decisions && i < SL_EVENT_DECISIONS_MAX; i++) {
		decision = &event->decisions[i];
		sl_buf_printf(buf, "%s{\"sublayer\":\"%s\",\"filter\":\"%s\"", i == 0 ? "" : ",",
			entry->decision_sublayers[i], entry->decisions[i]);
		add_name(buf, "action", sl_action_name(decision->returned));
		add_name(buf, "right", decision->is_hard ? "hard" : "soft");
		add_name(buf, "effect", sl_effect_name(decision->effect));
		sl_buf_add_char(buf, '}');
	}
	sl_buf_add_char(buf, ']');
}

void
sl_event_format_json(const struct sl_event_entry *entry, const char *link, struct sl_buf *buf)
{
	char time[SL_TIME_TEXT_MAX];

	sl_buf_printf(buf, "{\"id\":%llu,\"time\":\"%s\",\"type\":\"%s\"",
		(unsigned long long)entry->id, sl_time_format(entry->event.time_ns, time),
		sl_event_type_name(entry->event.type));
	add_verdict(buf, entry, link);
	add_frame(buf, &entry->event);
	add_packet(buf, &entry->event);
	add_flow(buf, &entry->event);
	add_decisions(buf, entry);
	sl_buf_add_char(buf, '}');
}
