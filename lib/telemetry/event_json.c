/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events as JSON text.  Every string is a key, a name of ours or an address, none of which can hold a
 * character that JSON would want escaped.
 */
#include "base/sl_addr.h"
#include "base/sl_clock.h"
#include "telemetry/sl_event.h"

#include <string.h>

#define PROTOCOL_ICMP  1
#define PROTOCOL_ICMP6 58
#define VLAN_VID_MASK  0xfff

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
add_verdict(struct sl_buf *buf, const struct sl_event_entry *entry)
{
	const struct sl_event *event = &entry->event;
	const struct sl_layer *layer = event->has_layer ? sl_layer_by_id(event->layer) : NULL;

	add_name(buf, "direction",
		event->direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound");
	add_name(buf, "layer", layer == NULL ? NULL : layer->name);
	add_name(buf, "sublayer", entry->sublayer);
	add_name(buf, "filter", entry->filter);
	if (event->filter_id != 0)
		sl_buf_printf(buf, ",\"filter_id\":%llu", (unsigned long long)event->filter_id);
	add_name(buf, "reason", sl_reason_name(event->reason));
	sl_buf_printf(buf, ",\"veto\":%s,\"monitor\":%s", bool_text(event->is_veto),
		bool_text(event->is_monitor));
}

static void
add_frame(struct sl_buf *buf, const struct sl_event *event)
{
	char mac[SL_MAC_TEXT_MAX];

	sl_buf_printf(buf, ",\"link\":%u,\"worker\":%u,\"length\":%u", event->link, event->worker,
		event->frame_len);
	if (event->has_macs) {
		add_name(buf, "eth_src", sl_addr_format_mac(event->mac_src, mac));
		add_name(buf, "eth_dst", sl_addr_format_mac(event->mac_dst, mac));
	}
	if (event->ether_type != 0)
		sl_buf_printf(buf, ",\"eth_type\":%u", event->ether_type);
	if (event->has_vlan)
		sl_buf_printf(buf, ",\"vlan\":%u", event->vlan_tci & VLAN_VID_MASK);
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
	sl_buf_printf(buf, ",\"ip_version\":%u", event->ip_version);
	add_address(buf, "ip_src", event->ip_version, event->ip_src);
	add_address(buf, "ip_dst", event->ip_version, event->ip_dst);
	sl_buf_printf(buf, ",\"ip_protocol\":%u,\"fragment\":%s", event->protocol,
		bool_text(event->is_fragment));
	if (event->has_ports)
		sl_buf_printf(buf, ",\"%s\":%u,\"%s\":%u", is_icmp ? "icmp_type" : "src_port",
			event->src_port, is_icmp ? "icmp_code" : "dst_port", event->dst_port);
	if (event->has_tcp_flags)
		sl_buf_printf(buf, ",\"tcp_flags\":%u", event->tcp_flags);
}

static void
add_decisions(struct sl_buf *buf, const struct sl_event_entry *entry)
{
	const struct sl_event *event = &entry->event;
	const struct sl_event_decision *decision;

	sl_buf_add_text(buf, ",\"decisions\":[");
	for (uint32_t i = 0; i < event->n_decisions && i < SL_EVENT_DECISIONS_MAX; i++) {
		decision = &event->decisions[i];
		sl_buf_printf(buf, "%s{\"sublayer_weight\":%u", i == 0 ? "" : ",",
			decision->sublayer_weight);
		add_name(buf, "sublayer", entry->decision_sublayers[i]);
		add_name(buf, "filter", entry->decisions[i]);
		add_name(buf, "action", sl_action_name(decision->returned));
		add_name(buf, "effect", sl_effect_name(decision->effect));
		sl_buf_printf(buf, ",\"hard\":%s}", bool_text(decision->is_hard));
	}
	sl_buf_add_char(buf, ']');
}

void
sl_event_format_json(const struct sl_event_entry *entry, struct sl_buf *buf)
{
	char time[SL_TIME_TEXT_MAX];

	sl_buf_printf(buf, "{\"id\":%llu,\"time\":\"%s\",\"type\":\"%s\",\"revision\":%llu",
		(unsigned long long)entry->id, sl_time_format(entry->event.time_ns, time),
		sl_event_type_name(entry->event.type), (unsigned long long)entry->event.revision);
	add_verdict(buf, entry);
	add_frame(buf, &entry->event);
	add_packet(buf, &entry->event);
	add_decisions(buf, entry);
	sl_buf_add_char(buf, '}');
}
