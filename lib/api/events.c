/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include "base/sl_addr.h"

#include <stdlib.h>
#include <string.h>

/* GET /v1/events: net events after a given one, oldest first. */

#define LIMIT_MAX     10000
#define LIMIT_DEFAULT 100
#define CHUNK         64

static json_t *
address_json(uint8_t ip_version, const uint8_t address[16])
{
	char text[SL_V6_TEXT_MAX];

	if (ip_version == 4)
		return json_string(sl_addr_format_v4((uint32_t)address[0] << 24 |
				(uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3],
			text));
	return json_string(sl_addr_format_v6(address, text));
}

static json_t *
decisions_json(const struct sl_event_entry *entry)
{
	json_t *list = json_array();

	for (uint8_t i = 0; i < entry->event.n_decisions && i < SL_EVENT_DECISIONS_MAX; i++) {
		const struct sl_event_decision *d = &entry->event.decisions[i];

		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:s}", "sublayer",
				entry->decision_sublayers[i], "filter", entry->decisions[i],
				"action", sl_action_name((enum sluice_action)d->returned), "right",
				d->is_hard ? "hard" : "soft", "effect",
				sl_effect_name((enum sl_effect)d->effect)));
	}
	return list;
}

static void
add_packet(json_t *json, const struct sl_event *event)
{
	char text[SL_MAC_TEXT_MAX];

	json_object_set_new(
		json, "mac_source", json_string(sl_addr_format_mac(event->mac_src, text)));
	json_object_set_new(
		json, "mac_destination", json_string(sl_addr_format_mac(event->mac_dst, text)));
	if (event->ether_type != 0)
		json_object_set_new(json, "ether_type", json_integer(event->ether_type));
	if (event->has_vlan)
		json_object_set_new(json, "vlan_id", json_integer(event->vlan_tci));
	json_object_set_new(json, "length", json_integer(event->frame_len));
	if (event->ip_version == 0)
		return;
	json_object_set_new(json, "ip_version", json_integer(event->ip_version));
	json_object_set_new(json, "ip_protocol", json_integer(event->protocol));
	json_object_set_new(json, "ip_source", address_json(event->ip_version, event->ip_src));
	json_object_set_new(json, "ip_destination", address_json(event->ip_version, event->ip_dst));
	json_object_set_new(json, "fragment", json_boolean(event->is_fragment));
	if (!event->has_ports)
		return;
	if (event->protocol == 1 || event->protocol == 58) {
		json_object_set_new(json, "icmp_type", json_integer(event->src_port));
		json_object_set_new(json, "icmp_code", json_integer(event->dst_port));
		return;
	}
	json_object_set_new(json, "source_port", json_integer(event->src_port));
	json_object_set_new(json, "destination_port", json_integer(event->dst_port));
	if (event->protocol == 6)
		json_object_set_new(json, "tcp_flags", json_integer(event->tcp_flags));
}

static const char *
layer_of(const struct sl_event *event)
{
	return event->has_layer ? sl_layer_by_id((enum sluice_layer)event->layer)->name : NULL;
}

static json_t *
event_json(const struct sl_plane *plane, const struct sl_event_entry *entry)
{
	const struct sl_event *event = &entry->event;
	struct sl_link_info link = {.name = ""};
	json_t *json;

	if (plane != NULL && event->link < plane->ops->n_links(plane->ctx))
		plane->ops->link_info(plane->ctx, event->link, &link);
	json = json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:o, s:b, s:o}", "id",
		(json_int_t)entry->id, "time", api_time_json(event->time_ns), "type",
		sl_event_type_name((enum sl_event_type)event->type), "direction",
		event->direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound", "link",
		link.name, "reason", sl_reason_name((enum sl_reason)event->reason), "layer",
		layer_of(event), "sublayer", entry->sublayer[0] != '\0' ? entry->sublayer : NULL,
		"filter", entry->filter[0] != '\0' ? entry->filter : NULL, "revision",
		api_u64_json(event->revision), "veto", event->is_veto != 0, "decisions",
		decisions_json(entry));
	if (json != NULL)
		add_packet(json, event);
	return json;
}

static bool
passes(const struct api_request *request, const struct sl_event_entry *entry)
{
	const char *filter = api_request_query(request, "filter");
	const char *layer = api_request_query(request, "layer");
	const char *reason = api_request_query(request, "reason");
	const char *type = api_request_query(request, "type");
	const char *at = layer_of(&entry->event);

	return (filter == NULL || strcmp(filter, entry->filter) == 0) &&
		(layer == NULL || (at != NULL && strcmp(layer, at) == 0)) &&
		(reason == NULL ||
			strcmp(reason, sl_reason_name((enum sl_reason)entry->event.reason)) == 0) &&
		(type == NULL ||
			strcmp(type, sl_event_type_name((enum sl_event_type)entry->event.type)) ==
				0);
}

void
api_events_get(struct api_request *request, struct api_reply *reply)
{
	const char *accept =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Accept");
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_event_entry *entries;
	json_t *items;
	uint64_t since;
	uint64_t asked;
	uint64_t limit;
	uint64_t first = 0;
	uint64_t last = 0;
	uint64_t lost = 0;
	uint32_t n;

	if (accept != NULL && strstr(accept, "text/event-stream") != NULL &&
		strstr(accept, "json") == NULL) {
		api_reply_problem(reply, SL_ERR_NOT_ACCEPTABLE,
			"events come as application/json; poll with since=");
		return;
	}
	if (!api_request_number(request, "since", 0, UINT64_MAX, 0, &since, reply) ||
		!api_request_number(request, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, reply))
		return;
	entries = calloc(CHUNK, sizeof(*entries));
	items = json_array();
	asked = since;
	do {
		n = entries == NULL ? 0
				    : sl_control_events(request->control, since, entries, CHUNK,
					      &first, &last, &lost);
		for (uint32_t i = 0; i < n && json_array_size(items) < limit; i++) {
			since = entries[i].id;
			if (passes(request, &entries[i]))
				json_array_append_new(items, event_json(plane, &entries[i]));
		}
	} while (n > 0 && json_array_size(items) < limit);
	free(entries);
	api_reply_json(reply, 200,
		json_pack("{s:o, s:I, s:I, s:I, s:I, s:b}", "items", items, "next_since",
			(json_int_t)since, "first", (json_int_t)first, "last", (json_int_t)last,
			"lost", (json_int_t)lost, "gap", asked > 0 && first > asked + 1));
}
