/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/flows.h"

#include "base/sl_addr.h"

#include <stdlib.h>
#include <string.h>

/* Which flows a query wants.  Filters that contradict each other are refused: nothing could pass them. */

static const struct {
	const char *name;
	uint8_t number;
	bool has_ports;
} protocols[] = {
	{"icmp", 1, false},
	{"tcp", 6, true},
	{"udp", 17, true},
	{"dccp", 33, true},
	{"gre", 47, false},
	{"esp", 50, false},
	{"icmp6", 58, false},
	{"sctp", 132, true},
	{"udplite", 136, true},
};

bool
api_flow_parse_protocol(const char *text, uint8_t *protocol)
{
	uint64_t number;

	for (size_t i = 0; i < SL_ARRAY_LEN(protocols); i++) {
		if (strcmp(text, protocols[i].name) == 0) {
			*protocol = protocols[i].number;
			return true;
		}
	}
	if (!api_parse_number(text, 0, UINT8_MAX, &number))
		return false;
	*protocol = (uint8_t)number;
	return true;
}

static bool
has_ports(uint8_t protocol)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].has_ports;
	return false;
}

struct query {
	struct api_request *request;
	struct api_reply *reply;
	struct sl_flow_wanted *wanted;
};

static bool
read_number(struct query *query, const char *name, uint64_t min, uint64_t max, uint32_t want,
	uint16_t *value)
{
	uint64_t number;

	if (api_request_query(query->request, name) == NULL)
		return true;
	if (!api_request_number(query->request, name, min, max, 0, &number, query->reply))
		return false;
	*value = (uint16_t)number;
	query->wanted->has |= want;
	return true;
}

static bool
read_protocol(struct query *query)
{
	const char *text = api_request_query(query->request, "protocol");

	if (text == NULL)
		return true;
	if (!api_flow_parse_protocol(text, &query->wanted->protocol)) {
		api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
			"query parameter protocol is \"%.40s\"; allowed: 0 to 255, icmp, tcp, udp, "
			"dccp, gre, esp, icmp6, sctp, udplite",
			text);
		return false;
	}
	query->wanted->has |= SL_FLOW_WANTS_PROTOCOL;
	return true;
}

static bool
read_version(struct query *query)
{
	uint16_t version = 0;
	bool ok = read_number(query, "ip_version", 4, 6, SL_FLOW_WANTS_IP_VERSION, &version);

	if (ok && version == 5) {
		api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
			"query parameter ip_version is \"5\"; allowed: 4, 6");
		return false;
	}
	query->wanted->ip_version = (uint8_t)version;
	return ok;
}

/* The IP version of a prefix, 0 when it is none. IPv4 addresses become the first four bytes. */
static uint8_t
parse_prefix(const char *text, uint8_t address[16], uint8_t *bits)
{
	uint32_t v4;

	if (sl_addr_parse_prefix_v4(text, &v4, bits) == 0) {
		v4 = __builtin_bswap32(v4);
		memcpy(address, &v4, sizeof(v4));
		return 4;
	}
	return sl_addr_parse_prefix_v6(text, address, bits) == 0 ? 6 : 0;
}

static bool
read_address(
	struct query *query, const char *name, uint32_t want, uint8_t address[16], uint8_t *bits)
{
	const char *text = api_request_query(query->request, name);
	struct sl_flow_wanted *wanted = query->wanted;
	uint8_t version;

	if (text == NULL)
		return true;
	version = parse_prefix(text, address, bits);
	if (version == 0) {
		api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
			"query parameter %s is \"%.60s\"; allowed: an address or a prefix such as "
			"192.0.2.0/24 or 2001:db8::/32",
			name, text);
		return false;
	}
	if ((wanted->has & SL_FLOW_WANTS_IP_VERSION) != 0 && wanted->ip_version != version) {
		api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
			"query parameter %s is IPv%u, and another parameter asks for IPv%u: no "
			"flow "
			"is both",
			name, version, wanted->ip_version);
		return false;
	}
	wanted->ip_version = version;
	wanted->has |= want | SL_FLOW_WANTS_IP_VERSION;
	return true;
}

typedef const char *name_fn(unsigned int i);

static const char *
class_name(unsigned int i)
{
	return sl_flow_class_name((enum sl_flow_class)i);
}

static const char *
state_name(unsigned int i)
{
	return sl_tcp_state_name((enum sl_tcp_state)i);
}

static const char *
direction_name(unsigned int i)
{
	return i == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound";
}

/* A name of a list, `first` to `end` - 1. */
static bool
read_name(struct query *query, const char *parameter, name_fn *name, unsigned int first,
	unsigned int end, uint32_t want, uint8_t *value)
{
	const char *text = api_request_query(query->request, parameter);
	struct sl_buf allowed = {0};

	if (text == NULL)
		return true;
	for (unsigned int i = first; i < end; i++) {
		if (strcmp(text, name(i)) == 0) {
			*value = (uint8_t)i;
			query->wanted->has |= want;
			sl_buf_fini(&allowed);
			return true;
		}
		sl_buf_printf(&allowed, "%s%s", i > first ? ", " : "", name(i));
	}
	api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
		"query parameter %s is \"%.40s\"; allowed: %s", parameter, text,
		sl_buf_text(&allowed));
	sl_buf_fini(&allowed);
	return false;
}

/* A misspelt key must not look like a filter that authorised nothing. */
static bool
read_filter(struct query *query, const struct sl_policy *policy)
{
	const char *key = api_request_query(query->request, "filter");
	const struct sl_object *filter;

	if (key == NULL)
		return true;
	filter = sl_policy_find(policy, SL_OBJECT_FILTER, key);
	if (filter == NULL) {
		api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
			"there is no filter \"%.80s\"; /v1/filters lists them", key);
		return false;
	}
	query->wanted->filter_id = filter->id;
	query->wanted->has |= SL_FLOW_WANTS_FILTER;
	return true;
}

static bool
read_pended(struct query *query)
{
	struct sl_flow_wanted *wanted = query->wanted;

	if (!api_request_flag(query->request, "pended", &wanted->is_pended, query->reply))
		return false;
	/* Without a value it is true, as every flag is. */
	if (wanted->is_pended || api_request_query(query->request, "pended") != NULL)
		wanted->has |= SL_FLOW_WANTS_PENDED;
	return true;
}

static bool
read_ports(struct query *query)
{
	struct sl_flow_wanted *wanted = query->wanted;

	return read_number(query, "local_port", 0, UINT16_MAX, SL_FLOW_WANTS_LOCAL_PORT,
		       &wanted->local_port) &&
		read_number(query, "remote_port", 0, UINT16_MAX, SL_FLOW_WANTS_REMOTE_PORT,
			&wanted->remote_port) &&
		read_number(query, "port", 0, UINT16_MAX, SL_FLOW_WANTS_PORT, &wanted->port);
}

static bool
read_states(struct query *query)
{
	struct sl_flow_wanted *wanted = query->wanted;

	return read_name(query, "state", state_name, SL_TCP_NONE + 1, SL_TCP_STATE_COUNT,
		       SL_FLOW_WANTS_TCP_STATE, &wanted->tcp_state) &&
		read_name(query, "class", class_name, 0, SL_FLOW_CLASS_COUNT, SL_FLOW_WANTS_CLASS,
			&wanted->class) &&
		read_name(query, "direction", direction_name, 0, 2, SL_FLOW_WANTS_DIRECTION,
			&wanted->direction);
}

static bool
agrees(struct query *query)
{
	const struct sl_flow_wanted *wanted = query->wanted;
	const uint32_t ports =
		SL_FLOW_WANTS_LOCAL_PORT | SL_FLOW_WANTS_REMOTE_PORT | SL_FLOW_WANTS_PORT;

	if ((wanted->has & SL_FLOW_WANTS_PROTOCOL) == 0)
		return true;
	if ((wanted->has & SL_FLOW_WANTS_TCP_STATE) != 0 && wanted->protocol != 6)
		api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
			"query parameter state is one of TCP, and protocol asks for protocol %u",
			wanted->protocol);
	else if ((wanted->has & ports) != 0 && !has_ports(wanted->protocol))
		api_reply_problem(query->reply, SL_ERR_INVALID_PARAMETER,
			"a port is asked for, and protocol %u has none", wanted->protocol);
	else
		return true;
	return false;
}

bool
api_flow_query(struct api_request *request, const struct sl_policy *policy,
	struct sl_flow_wanted *wanted, struct api_reply *reply)
{
	struct query query = {.request = request, .reply = reply, .wanted = wanted};

	*wanted = (struct sl_flow_wanted){0};
	return read_protocol(&query) && read_version(&query) &&
		read_address(
			&query, "local", SL_FLOW_WANTS_LOCAL, wanted->local, &wanted->local_bits) &&
		read_address(&query, "remote", SL_FLOW_WANTS_REMOTE, wanted->remote,
			&wanted->remote_bits) &&
		read_ports(&query) && read_states(&query) && read_filter(&query, policy) &&
		read_number(&query, "vlan", 0, 4095, SL_FLOW_WANTS_VLAN, &wanted->vlan) &&
		read_pended(&query) && agrees(&query);
}

/* --- Cursors. --- */

bool
api_flow_parse_cursor(const char *text, uint32_t n_workers, struct sl_flow_cursor *cursor)
{
	const char *dot = strchr(text, '.');
	char worker[12];
	uint64_t numbers[2];

	if (dot == NULL || (size_t)(dot - text) >= sizeof(worker))
		return false;
	memcpy(worker, text, (size_t)(dot - text));
	worker[dot - text] = '\0';
	if (n_workers == 0 || !api_parse_number(worker, 0, n_workers - 1, &numbers[0]) ||
		!api_parse_number(dot + 1, 0, SL_FLOW_LIST_END - 1, &numbers[1]))
		return false;
	*cursor = (struct sl_flow_cursor){
		.worker = (uint32_t)numbers[0], .place = (uint32_t)numbers[1]};
	return true;
}

bool
api_flow_cursor(struct api_request *request, struct sl_flow_cursor *cursor, struct api_reply *reply)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	const char *text = api_request_query(request, "cursor");
	uint32_t n_workers = plane != NULL ? plane->ops->n_workers(plane->ctx) : 0;

	*cursor = (struct sl_flow_cursor){0};
	if (text == NULL || api_flow_parse_cursor(text, n_workers, cursor))
		return true;
	api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
		"query parameter cursor is \"%.40s\"; allowed: next_cursor of the page before",
		text);
	return false;
}
