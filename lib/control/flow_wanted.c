/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sl_control.h"

#include "base/sl_addr.h"

#include <string.h>

#define PROTOCOL_TCP     6
#define PROTOCOL_UDP     17
#define PROTOCOL_DCCP    33
#define PROTOCOL_SCTP    132
#define PROTOCOL_UDPLITE 136

static bool
has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_DCCP ||
		protocol == PROTOCOL_SCTP || protocol == PROTOCOL_UDPLITE;
}

/* IPv4 addresses are the first four of the bytes, so both families compare alike. */
static bool
addresses_fit(const struct sl_flow_key *key, const struct sl_flow_wanted *wanted)
{
	if ((wanted->has & SL_FLOW_WANTS_LOCAL) &&
		!sl_addr_match_v6(key->local, wanted->local, wanted->local_bits))
		return false;
	return !(wanted->has & SL_FLOW_WANTS_REMOTE) ||
		sl_addr_match_v6(key->remote, wanted->remote, wanted->remote_bits);
}

static bool
ports_fit(const struct sl_flow_key *key, const struct sl_flow_wanted *wanted)
{
	const uint32_t ports =
		SL_FLOW_WANTS_LOCAL_PORT | SL_FLOW_WANTS_REMOTE_PORT | SL_FLOW_WANTS_PORT;

	if ((wanted->has & ports) == 0)
		return true;
	if (!has_ports(key->protocol))
		return false;
	if ((wanted->has & SL_FLOW_WANTS_LOCAL_PORT) && key->local_port != wanted->local_port)
		return false;
	if ((wanted->has & SL_FLOW_WANTS_REMOTE_PORT) && key->remote_port != wanted->remote_port)
		return false;
	return !(wanted->has & SL_FLOW_WANTS_PORT) || key->local_port == wanted->port ||
		key->remote_port == wanted->port;
}

static bool
key_fits(const struct sl_flow_key *key, const struct sl_flow_wanted *wanted)
{
	if ((wanted->has & SL_FLOW_WANTS_PROTOCOL) && key->protocol != wanted->protocol)
		return false;
	if ((wanted->has & SL_FLOW_WANTS_IP_VERSION) && key->ip_version != wanted->ip_version)
		return false;
	if ((wanted->has & SL_FLOW_WANTS_VLAN) && (key->domain >> 12 & 0xfff) != wanted->vlan)
		return false;
	return addresses_fit(key, wanted) && ports_fit(key, wanted);
}

static bool
state_fits(const struct sl_flow_view *view, const struct sl_flow_wanted *wanted)
{
	uint8_t opened = view->flags & SL_FLOW_OUTBOUND ? SLUICE_DIRECTION_OUTBOUND
							: SLUICE_DIRECTION_INBOUND;

	if ((wanted->has & SL_FLOW_WANTS_TCP_STATE) && view->tcp_state != wanted->tcp_state)
		return false;
	if ((wanted->has & SL_FLOW_WANTS_CLASS) && view->class != wanted->class)
		return false;
	if ((wanted->has & SL_FLOW_WANTS_DIRECTION) && opened != wanted->direction)
		return false;
	if ((wanted->has & SL_FLOW_WANTS_PENDED) &&
		((view->flags & SL_FLOW_PENDED) != 0) != wanted->is_pended)
		return false;
	return !(wanted->has & SL_FLOW_WANTS_FILTER) || view->filter_id == wanted->filter_id;
}

bool
sl_flow_is_wanted(const struct sl_flow_view *view, const struct sl_flow_wanted *wanted)
{
	return wanted->has == 0 || (key_fits(&view->key, wanted) && state_fits(view, wanted));
}
