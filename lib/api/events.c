/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/flows.h"

#include "base/sl_addr.h"

#include <stdlib.h>
#include <string.h>

/* GET /v1/events: net events after a given one, oldest first. */

#define LIMIT_MAX     10000
#define LIMIT_DEFAULT 100
#define CHUNK         64

/* --- One event. --- */

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

/* Unlike elsewhere, "none" is a reason: that of packets that were let through. */
static void
add_reason(json_t **json, enum sl_reason reason)
{
	api_set(json, "reason", json_string(sl_reason_name(reason)));
	api_set(json, "meaning", json_string(sl_reason_meaning(reason)));
	api_set(json, "reason_kind", api_reason_kind_json(reason));
}

static json_t *
decisions_json(const struct sl_event_entry *entry)
{
	json_t *list = json_array();

	for (uint8_t i = 0; i < entry->event.n_decisions && i < SL_EVENT_DECISIONS_MAX; i++) {
		const struct sl_event_decision *d = &entry->event.decisions[i];

		api_append(&list,
			json_pack("{s:s, s:s, s:s, s:s, s:s}", "sublayer",
				entry->decision_sublayers[i], "filter", entry->decisions[i],
				"action", sl_action_name((enum sluice_action)d->returned), "right",
				d->is_hard ? "hard" : "soft", "effect",
				sl_effect_name((enum sl_effect)d->effect)));
	}
	return list;
}

static void
add_frame(json_t **json, const struct sl_event *event)
{
	char text[SL_MAC_TEXT_MAX];

	if (event->has_macs) {
		api_set(json, "mac_source", json_string(sl_addr_format_mac(event->mac_src, text)));
		api_set(json, "mac_destination",
			json_string(sl_addr_format_mac(event->mac_dst, text)));
	}
	if (event->ether_type != 0)
		api_set(json, "ether_type", json_integer(event->ether_type));
	if (event->has_vlan)
		api_set(json, "vlan_id", json_integer(event->vlan_tci));
	api_set(json, "length", json_integer(event->frame_len));
}

static void
add_transport(json_t **json, const struct sl_event *event)
{
	bool is_icmp = event->protocol == 1 || event->protocol == 58;

	if (event->has_ports) {
		api_set(json, is_icmp ? "icmp_type" : "source_port", json_integer(event->src_port));
		api_set(json, is_icmp ? "icmp_code" : "destination_port",
			json_integer(event->dst_port));
	}
	if (event->has_tcp_flags) {
		api_set(json, "tcp_flags", json_integer(event->tcp_flags));
		api_set(json, "tcp_flags_names",
			api_flags_json(SLUICE_FIELD_X_TCP_FLAGS, event->tcp_flags));
	}
}

static void
add_packet(json_t **json, const struct sl_event *event)
{
	if (event->ip_version == 0)
		return;
	api_set(json, "ip_version", json_integer(event->ip_version));
	api_set(json, "ip_protocol", json_integer(event->protocol));
	api_set(json, "ip_source", address_json(event->ip_version, event->ip_src));
	api_set(json, "ip_destination", address_json(event->ip_version, event->ip_dst));
	api_set(json, "fragment", json_boolean(event->is_fragment));
	add_transport(json, event);
}

static const char *
layer_of(const struct sl_event *event)
{
	return event->has_layer ? sl_layer_by_id((enum sluice_layer)event->layer)->name : NULL;
}

static const char *
text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static json_t *
event_json(const struct sl_plane *plane, const struct sl_event_entry *entry)
{
	const struct sl_event *event = &entry->event;
	struct sl_link_info link = {.name = ""};
	json_t *json;

	if (plane != NULL && event->link < plane->ops->n_links(plane->ctx))
		plane->ops->link_info(plane->ctx, event->link, &link);
	json = json_pack("{s:I, s:o, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:o, s:b, s:b, s:o}", "id",
		(json_int_t)entry->id, "time", api_time_json(event->time_ns), "type",
		sl_event_type_name((enum sl_event_type)event->type), "direction",
		event->direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound", "link",
		link.name, "layer", layer_of(event), "sublayer", text_or_null(entry->sublayer),
		"filter", text_or_null(entry->filter), "revision", api_u64_json(event->revision),
		"veto", event->is_veto != 0, "monitor", event->is_monitor != 0, "decisions",
		decisions_json(entry));
	add_reason(&json, (enum sl_reason)event->reason);
	add_frame(&json, event);
	add_packet(&json, event);
	api_flow_add_event(&json, event);
	return json;
}

/* --- The list. --- */

/* What the list is asked to be limited to; NULL or COUNT: any. */
struct wanted {
	const char *filter;
	const char *layer;
	enum sl_reason reason;
	enum sl_event_type type;
};

static bool
find_reason(const char *name, enum sl_reason *reason)
{
	for (*reason = SL_REASON_NONE; *reason < SL_REASON_COUNT; (*reason)++)
		if (name != NULL && strcmp(sl_reason_name(*reason), name) == 0)
			return true;
	return name == NULL;
}

static bool
find_type(const char *name, enum sl_event_type *type)
{
	for (*type = 0; *type < SL_EVENT_TYPE_COUNT; (*type)++)
		if (name != NULL && strcmp(sl_event_type_name(*type), name) == 0)
			return true;
	return name == NULL;
}

/* A misspelt name must not look like an appliance where nothing happens. */
static bool
read_wanted(struct api_request *request, struct wanted *wanted, struct api_reply *reply)
{
	const char *reason = api_request_query(request, "reason");
	const char *type = api_request_query(request, "type");

	wanted->filter = api_request_query(request, "filter");
	wanted->layer = api_request_query(request, "layer");
	if (wanted->layer != NULL && sl_layer_find(wanted->layer) == NULL)
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"there is no layer \"%.80s\"; /v1/layers lists them", wanted->layer);
	else if (!find_reason(reason, &wanted->reason))
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"there is no reason \"%.80s\"; /v1/openapi.json lists them", reason);
	else if (!find_type(type, &wanted->type))
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"there is no event type \"%.80s\"; allowed: classify_drop, "
			"classify_drop_mac, parser_drop, classify_allow, flow_new, "
			"flow_established, flow_closed",
			type);
	else
		return true;
	return false;
}

static bool
passes(const struct wanted *wanted, const struct sl_event_entry *entry)
{
	const char *layer = layer_of(&entry->event);

	return (wanted->filter == NULL || strcmp(wanted->filter, entry->filter) == 0) &&
		(wanted->layer == NULL || (layer != NULL && strcmp(wanted->layer, layer) == 0)) &&
		(wanted->reason == SL_REASON_COUNT || wanted->reason == entry->event.reason) &&
		(wanted->type == SL_EVENT_TYPE_COUNT || wanted->type == entry->event.type);
}

struct event_list {
	json_t *items;
	uint64_t since; /* the newest entry that was looked at */
	uint64_t first, last, lost;
};

/* Collects up to `limit` entries; those that are not wanted are passed over for good. */
static void
collect(struct api_request *request, const struct wanted *wanted, uint64_t limit,
	struct sl_event_entry *entries, struct event_list *list)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	uint32_t n;

	do {
		n = sl_control_events(request->control, list->since, entries, CHUNK, &list->first,
			&list->last, &list->lost);
		for (uint32_t i = 0; i < n && json_array_size(list->items) < limit; i++) {
			list->since = entries[i].id;
			if (passes(wanted, &entries[i]))
				api_append(&list->items, event_json(plane, &entries[i]));
			if (list->items == NULL)
				return;
		}
	} while (n > 0 && json_array_size(list->items) < limit);
}

static void
list_events(struct api_request *request, const struct wanted *wanted, uint64_t since,
	uint64_t limit, struct api_reply *reply)
{
	struct sl_event_entry *entries = calloc(CHUNK, sizeof(*entries));
	struct event_list list = {.items = json_array(), .since = since};
	bool is_gap;

	if (entries == NULL) {
		json_decref(list.items);
		api_reply_json(reply, 507, NULL);
		return;
	}
	sl_control_events(
		request->control, UINT64_MAX, NULL, 0, &list.first, &list.last, &list.lost);
	/* Ids start again with the daemon: whoever asks from before that gets everything since. */
	is_gap = since > list.last;
	if (is_gap)
		list.since = 0;
	collect(request, wanted, limit, entries, &list);
	free(entries);
	is_gap = is_gap || (since > 0 && list.first > since + 1);
	api_reply_json(reply, 200,
		json_pack("{s:o, s:I, s:I, s:I, s:I, s:b}", "items", list.items, "next_since",
			(json_int_t)list.since, "first", (json_int_t)list.first, "last",
			(json_int_t)list.last, "lost", (json_int_t)list.lost, "gap", is_gap));
}

void
api_events_get(struct api_request *request, struct api_reply *reply)
{
	const char *accept =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Accept");
	struct wanted wanted;
	uint64_t since;
	uint64_t limit;

	if (accept != NULL && strstr(accept, "text/event-stream") != NULL &&
		strstr(accept, "json") == NULL && strstr(accept, "*/*") == NULL)
		api_reply_problem(reply, SL_ERR_NOT_ACCEPTABLE,
			"events come as application/json; poll with since=");
	else if (api_request_number(request, "since", 0, INT64_MAX, 0, &since, reply) &&
		api_request_number(request, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, reply) &&
		read_wanted(request, &wanted, reply))
		list_events(request, &wanted, since, limit, reply);
}
