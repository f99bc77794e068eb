/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_TELEMETRY_EVENT_H
#define SL_TELEMETRY_EVENT_H

/*
 * Net events: what happened to a packet and who decided it (WFP section 5.9).
 *
 * A worker makes a record of fixed size and puts it into its ring; the control side drains the rings
 * into one numbered log.  A full ring or an exhausted rate never delays a packet: the event is not made
 * and is counted.
 *
 * Threads. sl_event_log functions: control threads under the owner's lock.
 */

#include "base/sl_buf.h"
#include "base/sl_compiler.h"
#include "base/sl_ring.h"
#include "classifier/sl_arbitrate.h"
#include "classifier/sl_meta.h"
#include "policy/sl_policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_EVENT_DECISIONS_MAX 6 /* sublayers reported */

enum sl_event_type {
	SL_EVENT_CLASSIFY_DROP,     /* IP packet blocked by policy */
	SL_EVENT_CLASSIFY_DROP_MAC, /* frame blocked at a layer below IP */
	SL_EVENT_PARSER_DROP,       /* malformed or refused */
	SL_EVENT_CLASSIFY_ALLOW,
	/* Flows; only made while somebody asked for them. */
	SL_EVENT_FLOW_NEW, /* authorised */
	SL_EVENT_FLOW_ESTABLISHED,
	SL_EVENT_FLOW_CLOSED, /* with its counters, and why in `flow_end` */
	SL_EVENT_TYPE_COUNT
};

/* What one sublayer did. Filters are named by run-time id; control turns it into the key. */
struct sl_event_decision {
	uint64_t filter_id;
	uint32_t returned; /* enum sluice_action */
	uint8_t effect;    /* enum sl_effect */
	uint8_t is_hard;
	uint16_t sublayer_weight;
};

struct sl_event {
	uint64_t time_ns;
	uint64_t revision;
	uint64_t filter_id; /* credited filter; 0: none */
	uint8_t type;       /* enum sl_event_type */
	uint8_t reason;     /* enum sl_reason */
	uint8_t layer;      /* enum sluice_layer, valid when has_layer */
	uint8_t has_layer;
	uint8_t direction; /* enum sluice_direction */
	uint8_t link;      /* index of the link */
	uint8_t worker;
	uint8_t ip_version; /* 4, 6, 0 */
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t has_ports; /* for ICMP: source port the type, destination port the code */
	uint8_t has_vlan;
	uint8_t is_fragment;
	uint8_t is_veto;
	uint8_t n_decisions;
	uint8_t has_macs;
	uint8_t has_tcp_flags;
	uint8_t is_monitor; /* the packet left all the same: mode monitor */
	uint32_t frame_len;
	uint16_t src_port;
	uint16_t dst_port;
	uint16_t ether_type; /* 0: none */
	uint16_t vlan_tci;
	uint8_t mac_src[6];
	uint8_t mac_dst[6];
	uint8_t ip_src[16]; /* v4: the first four bytes, network order */
	uint8_t ip_dst[16];
	/* Of the packet's flow; 0 without one. */
	uint64_t flow_id;
	uint64_t flow_packets[2]; /* by enum sluice_direction */
	uint64_t flow_bytes[2];
	uint64_t flow_since_ns;
	uint32_t reauthorize_reason; /* WFP section 2.7; 0: not a reauthorisation */
	uint8_t flow_end;            /* enum sl_flow_end */
	uint8_t flow_direction;      /* enum sluice_direction: who opened it */
	uint8_t is_midstream;
	uint8_t flow_reserved;
	struct sl_event_decision decisions[SL_EVENT_DECISIONS_MAX];
};

/* "classify_drop"; never NULL. */
const char *sl_event_type_name(enum sl_event_type type);
/* True for events of flows, which have the members flow_*. */
bool sl_event_is_of_flow(const struct sl_event *event);
/* How old the flow was, for events of flows. */
uint64_t sl_event_duration_ms(const struct sl_event *event);

/* --- Packet time: a pure function. --- */

/*
 * Zeroes the event and fills the packet's part of it from its metadata, the id of its flow included, and the
 * reason of a reauthorisation while a layer that shows it is visited.
 */
void sl_event_from_meta(struct sl_event *event, const struct sl_meta *meta);

/* --- Packet time: one worker's source of events. --- */

/* Token bucket over time: credit grows by a nanosecond a nanosecond, an event costs `interval_ns`. */
struct sl_event_limit {
	uint64_t interval_ns; /* 0: no limit */
	uint64_t credit_max_ns;
	uint64_t credit_ns;
	uint64_t last_ns; /* when credit was last added */
};

/*
 * At most `rate` events a second (0: no limit) after a first burst of `burst` (at least 1 is taken);
 * rates above 10^9 are no limit.
 */
void sl_event_limit_init(struct sl_event_limit *limit, uint64_t rate, uint64_t burst);
/* True: make the event.  A clock that steps back earns nothing and counts on from there. */
bool sl_event_limit_take(struct sl_event_limit *limit, uint64_t now_ns);

/* --- Control: the numbered log. --- */

/* An event with its place in the log and its names resolved. */
struct sl_event_entry {
	uint64_t id; /* from 1, no gaps */
	struct sl_event event;
	char filter[65]; /* key, "" when there is none */
	char sublayer[65];
	char decisions[SL_EVENT_DECISIONS_MAX][65]; /* keys of the deciding filters */
	char decision_sublayers[SL_EVENT_DECISIONS_MAX][65];
};

struct sl_event_log; /* opaque: the newest `n_max` entries */

/* `n_max` from 1. 0, -EINVAL or -ENOMEM. */
int sl_event_log_new(size_t n_max, struct sl_event_log **out) SL_MUST_CHECK;
/* NULL is allowed. */
void sl_event_log_free(struct sl_event_log *log);
/* The entry to fill for the next event, zeroed but for its id; the oldest one gives way. Never NULL. */
struct sl_event_entry *sl_event_log_next(struct sl_event_log *log);
/* The oldest entry with an id above `since`; NULL: none. Borrowed until the next sl_event_log_next. */
const struct sl_event_entry *sl_event_log_after(const struct sl_event_log *log, uint64_t since);
uint64_t sl_event_log_first_id(const struct sl_event_log *log); /* oldest kept; 0: empty */
uint64_t sl_event_log_last_id(const struct sl_event_log *log);

/*
 * Fills the keys of an entry from the run-time ids of its event: names of filters that are no longer in
 * `policy` stay empty.
 */
void sl_event_resolve(struct sl_event_entry *entry, const struct sl_policy *policy);
/*
 * Adds the entry as one JSON object on one line, without line end, with the members of GET /v1/events.
 * `link` is the name of the event's link, NULL when there is none.
 */
void sl_event_format_json(const struct sl_event_entry *entry, const char *link, struct sl_buf *buf);

#endif
