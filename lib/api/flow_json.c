/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/flows.h"

#include "base/sl_addr.h"

#define NS_PER_TENTH 100000000u

static const char *
direction_name(uint32_t direction)
{
	return direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound";
}

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
both_ways_json(const uint64_t counts[2])
{
	return json_pack("{s:I, s:I}", "outbound", (json_int_t)counts[SLUICE_DIRECTION_OUTBOUND],
		"inbound", (json_int_t)counts[SLUICE_DIRECTION_INBOUND]);
}

/* --- One flow. --- */

/* The VIDs of the tags, outermost first. */
static json_t *
vlan_json(uint32_t domain)
{
	json_t *list = json_array();

	if ((domain >> 12 & 0xfff) != 0)
		api_append(&list, json_integer(domain >> 12 & 0xfff));
	if ((domain & 0xfff) != 0)
		api_append(&list, json_integer(domain & 0xfff));
	return list;
}

static const char *
filter_key(const struct sl_policy *policy, uint64_t id)
{
	const struct sl_object *filter =
		id != 0 ? sl_policy_find_id(policy, SL_OBJECT_FILTER, id) : NULL;

	return filter != NULL ? filter->key : NULL;
}

/* Tenths of seconds are as much as anybody needs to know. */
static json_t *
seconds_json(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t tenths = to_ns > from_ns ? (to_ns - from_ns) / NS_PER_TENTH : 0;

	return json_real((double)tenths / 10);
}

static void
add_ends(json_t **json, const struct sl_flow_view *view)
{
	const struct sl_flow_key *key = &view->key;
	bool is_wildcard = (view->flags & SL_FLOW_WILDCARD) != 0;

	api_set(json, "ip_version", json_integer(key->ip_version));
	api_set(json, "protocol", json_integer(key->protocol));
	api_set(json, "local", address_json(key->ip_version, key->local));
	api_set(json, "local_port", json_integer(key->local_port));
	api_set(json, "remote",
		is_wildcard ? json_null() : address_json(key->ip_version, key->remote));
	api_set(json, "remote_port", json_integer(key->remote_port));
	api_set(json, "vlan", vlan_json(key->domain));
	api_set(json, "zone", json_integer(key->domain >> 24));
}

static void
add_state(json_t **json, const struct sl_flow_view *view)
{
	api_set(json, "class", json_string(sl_flow_class_name((enum sl_flow_class)view->class)));
	api_set(json, "tcp_state",
		view->tcp_state != SL_TCP_NONE
			? json_string(sl_tcp_state_name((enum sl_tcp_state)view->tcp_state))
			: json_null());
	api_set(json, "end",
		view->end != SL_FLOW_END_NONE
			? json_string(sl_flow_end_name((enum sl_flow_end)view->end))
			: json_null());
	api_set(json, "established", json_boolean(view->flags & SL_FLOW_ESTABLISHED));
	api_set(json, "replied", json_boolean(view->flags & SL_FLOW_REPLIED));
	api_set(json, "midstream", json_boolean(view->flags & SL_FLOW_MIDSTREAM));
	api_set(json, "pended", json_boolean(view->flags & SL_FLOW_PENDED));
	api_set(json, "revoked", json_boolean(view->flags & SL_FLOW_REVOKED));
	api_set(json, "imported", json_boolean(view->flags & SL_FLOW_IMPORTED));
}

json_t *
api_flow_json(const struct sl_policy *policy, const struct sl_flow_view *view, uint64_t now_ns)
{
	const char *filter = filter_key(policy, view->filter_id);
	json_t *json = json_pack("{s:o, s:s, s:i}", "id", api_u64_json(view->id), "direction",
		direction_name(view->flags & SL_FLOW_OUTBOUND ? SLUICE_DIRECTION_OUTBOUND
							      : SLUICE_DIRECTION_INBOUND),
		"worker", (int)sl_flow_id_worker(view->id));

	add_ends(&json, view);
	add_state(&json, view);
	api_set(&json, "packets", both_ways_json(view->packets));
	api_set(&json, "bytes", both_ways_json(view->bytes));
	api_set(&json, "since", api_time_json(view->since_ns));
	api_set(&json, "last", api_time_json(view->last_ns));
	api_set(&json, "age_s", seconds_json(view->since_ns, now_ns));
	api_set(&json, "idle_s", seconds_json(view->last_ns, now_ns));
	/* One that waits for a callout ends when that does not answer, not for want of packets. */
	api_set(&json, "expires_in_s",
		view->flags & SL_FLOW_PENDED ? json_null() : seconds_json(now_ns, view->over_ns));
	api_set(&json, "revision", api_u64_json(view->revision));
	api_set(&json, "filter", filter != NULL ? json_string(filter) : json_null());
	return json;
}

json_t *
api_flow_cursor_json(const struct sl_flow_cursor *cursor)
{
	return json_sprintf("%u.%u", cursor->worker, cursor->place);
}

/* --- Statistics. --- */

static json_t *
ends_json(const uint64_t ended[SL_FLOW_END_COUNT])
{
	json_t *json = json_object();

	for (unsigned int i = SL_FLOW_END_NONE + 1; i < SL_FLOW_END_COUNT; i++)
		api_set(&json, sl_flow_end_name((enum sl_flow_end)i),
			json_integer((json_int_t)ended[i]));
	return json;
}

/* Numbers of other threads: one that ended may be known before it is known to have begun. */
static json_t *
pend_json(const struct sl_flow_counter *counters)
{
	const uint64_t ended = SL_MIN(counters->pend_ended, counters->pended);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "pended", (json_int_t)counters->pended,
		"waiting", (json_int_t)(counters->pended - ended), "completed",
		(json_int_t)counters->completed, "timeouts", (json_int_t)counters->pend_timeouts,
		"refused", (json_int_t)counters->pend_refused, "late",
		(json_int_t)counters->completions_late);
}

json_t *
api_flow_counters_json(const struct sl_flow_counter *counters)
{
	const struct {
		const char *name;
		uint64_t value;
	} list[] = {
		{"established", counters->established},
		{"midstream", counters->midstream},
		{"blocked", counters->blocked},
		{"blocked_again", counters->blocked_again},
		{"refused", counters->refused},
		{"untracked", counters->untracked},
		{"reauthorized", counters->reauthorized},
		{"revoked", counters->revoked},
		{"unaffected", counters->unaffected},
		{"icmp_related", counters->icmp_related},
		{"datagrams", counters->datagrams},
		{"fragments", counters->fragments},
		{"handed_over", counters->handed_over},
		{"context_refused", counters->context_refused},
	};
	json_t *json = json_pack("{s:o, s:o, s:o}", "opened", both_ways_json(counters->opened),
		"ended", ends_json(counters->ended), "pend", pend_json(counters));

	for (size_t i = 0; i < SL_ARRAY_LEN(list); i++)
		api_set(&json, list[i].name, json_integer((json_int_t)list[i].value));
	return json;
}

static json_t *
classes_json(const uint64_t classes[SL_FLOW_CLASS_COUNT])
{
	json_t *json = json_object();

	for (unsigned int i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		api_set(&json, sl_flow_class_name((enum sl_flow_class)i),
			json_integer((json_int_t)classes[i]));
	return json;
}

json_t *
api_flow_stats_json(const struct sl_flow_stats *stats, const struct sl_flow_counter *counters)
{
	return json_pack("{s:I, s:I, s:I, s:f, s:o, s:b, s:{s:I, s:I}, s:o}", "flows",
		(json_int_t)stats->n, "max", (json_int_t)stats->max, "bytes",
		(json_int_t)stats->bytes, "timeouts_shortened_to", (double)stats->pressure / 16,
		"classes", classes_json(stats->classes), "classes_whole", stats->is_whole,
		"fragments", "datagrams", (json_int_t)stats->datagrams, "held",
		(json_int_t)stats->held, "counters", api_flow_counters_json(counters));
}

/* --- Events. --- */

static void
add_life(json_t **json, const struct sl_event *event)
{
	api_set(json, "opened", json_string(direction_name(event->flow_direction)));
	api_set(json, "midstream", json_boolean(event->is_midstream));
	api_set(json, "since", api_time_json(event->flow_since_ns));
	api_set(json, "duration_ms", json_integer((json_int_t)sl_event_duration_ms(event)));
	api_set(json, "packets", both_ways_json(event->flow_packets));
	api_set(json, "bytes", both_ways_json(event->flow_bytes));
	if (event->type == SL_EVENT_FLOW_CLOSED)
		api_set(json, "end",
			json_string(sl_flow_end_name((enum sl_flow_end)event->flow_end)));
}

void
api_flow_add_event(json_t **json, const struct sl_event *event)
{
	if (event->flow_id != 0)
		api_set(json, "flow", api_u64_json(event->flow_id));
	if (sl_event_is_of_flow(event))
		add_life(json, event);
	if (event->reauthorize_reason != 0)
		api_set(json, "reauthorize_reason",
			api_flags_json(SLUICE_FIELD_REAUTHORIZE_REASON, event->reauthorize_reason));
}
