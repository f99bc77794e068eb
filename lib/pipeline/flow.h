/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_FLOW_H
#define SL_PIPELINE_FLOW_H

/*
 * The flow step: where packets meet their flows (WFP section 7).
 *
 * Waves.   The packets of a burst are met in order.  What needs the judgement of a layer - a first packet, a
 *          flow that a later policy has not judged, a flow that is about to be established - is gathered, its
 *          flow is PENDING, and later packets of such a flow wait.  At the end of a wave each layer judges
 *          what was gathered for it at once; those that waited make the next wave.  So packets of a flow are
 *          met in order, each once, and a layer sees batches.
 * Entries. Whoever removes a flow calls sl_flow_forget first, so that no packet of the burst keeps it.
 * Threads. Packet time, one worker, but for sl_flows_new and sl_flows_free.
 */

#include "pipeline/pipeline.h"
#include "pipeline/trail.h"

#include <string.h>

struct sl_park_answer; /* park.h */

/* Where a flow is authorised: by IP version and by who opened it. */
enum sl_auth {
	SL_AUTH_RECV_ACCEPT_V4,
	SL_AUTH_CONNECT_V4,
	SL_AUTH_RECV_ACCEPT_V6,
	SL_AUTH_CONNECT_V6,
	SL_AUTH_COUNT
};

#define SL_TCP_SYN     0x02u
#define SL_TCP_ACK     0x10u
#define SL_TCP_CONTROL 0x07u /* FIN, SYN, RST: what opens and ends connections */
#define SL_TCP_OPENING 0x17u /* FIN, SYN, RST, ACK: of these a first segment has SYN alone */

#define SL_FLOW_RESETS_MAX 4u /* frames that end one connection */

#define SL_REFUSALS 1024u /* a power of two */

/* A first packet that was blocked: what must be the same for the answer to be the same. */
struct sl_refusal_packet {
	struct sl_flow_key key;
	uint32_t path;
	uint32_t packet_length;
	uint32_t ip_options;
	uint32_t ip6_extensions;
	uint32_t flags;
	uint16_t local_port; /* of ICMP messages the type and code, which the key does not have */
	uint16_t remote_port;
	uint8_t tcp_flags;
	uint8_t dscp;
	uint8_t ttl;
	uint8_t auth; /* enum sl_auth */
};

struct sl_refusal {
	struct sl_refusal_packet packet;
	uint32_t rank;
	uint64_t until_ns; /* 0: empty */
	uint64_t epoch;    /* of the snapshot */
	uint32_t ranks[SL_AUTH_RANKS_MAX];
	uint8_t n_ranks;
	uint8_t reason;
};

/* The flow step of one burst. Sets are of packets. */
struct sl_flow_step {
	struct sl_burst *burst;
	uint64_t members;
	uint64_t special; /* ICMP errors */
	uint64_t odd;     /* and packets that come by another link than their flow did so far */
	uint64_t tcp;     /* packets whose flow is of TCP */
	uint64_t stale;   /* what was found has gone: find again */
	uint64_t opened; /* bits of hashes of flows that came since the packets' flows were found */
	uint64_t stopped;
	uint64_t dropped;   /* of those, by no layer: shown to the twin of the transport layer */
	uint64_t untracked; /* judged as first packets, without a flow */
	/* Of a wave. */
	uint64_t waiting;
	uint64_t opening;
	uint64_t judging; /* reauthorisation */
	uint64_t establishing;
	bool is_full; /* a first packet waits for room, and all behind it with it */

	uint32_t now_ms;
	uint32_t fresh_ms; /* no flow is over that had a packet since */
	bool is_enforced;
	bool has_links;   /* the zone has several links */
	uint8_t tcp_mode; /* enum sl_flow_tcp */
	uint8_t checksum; /* enum sl_flow_tcp_checksum: IGNORE where TCP's state costs no packet its way */
	uint16_t odd_flags; /* of a flow whose packets do not just pass ... */
	uint16_t odd_value; /* ... unless they have this value */
	uint16_t
		unanswered; /* of OUTBOUND and REPLIED, those of a flow that this burst is the first answer to */
	uint32_t generations[SL_AUTH_COUNT];
	struct sl_auth_answer answer;
	/* The flow has waited for this, and is judged by the packet at hand; NULL: it is not so. */
	const struct sl_park_answer *completing;

	/* By packet. */
	struct sl_glance glances[SL_PIPELINE_BURST_MAX]; /* of those that may go along */
	struct sl_flow *found[SL_PIPELINE_BURST_MAX];
	uint64_t hashes[SL_PIPELINE_BURST_MAX];
	struct sl_flow_key keys[SL_PIPELINE_BURST_MAX];
};

/* Flows of one pipeline. */
struct sl_flows {
	struct sl_flow_table *table;
	struct sl_flow_config config;
	uint32_t fresh_ms;           /* no time-out is shorter */
	uint64_t wildcards_until_ns; /* later there is no flow opened by multicast or broadcast */
	sl_pipeline_asked_fn *asked; /* NULL: nobody wants to know */
	void *asked_ctx;
	bool has_events;
	struct sl_ring *commands;        /* NULL: none */
	const struct sl_plugin *leaving; /* its contexts are being taken out; NULL: none */
	uint32_t leaving_at;
	uint32_t sweep_at;
	uint64_t swept; /* places looked at since the policy changed */
	struct sl_trails trails;

	/* Whether packets of a direction may go along with their flows unseen by any layer, see along_run.c. */
	bool may_go_along[2];
	uint8_t along_pause; /* bursts for which it is not tried, because few of the last one did */

	const struct sl_snapshot *snapshot; /* of the last burst */
	uint64_t revision;
	uint64_t epoch; /* one more for each other snapshot */
	struct sl_refusal *refusals;

	struct sl_flow_step step;
	/* Flows seen without a packet. */
	struct sl_meta *metas; /* SL_PIPELINE_BURST_MAX */
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
};

/* --- Control thread. --- */

/* `paths` are the pipeline's own. 0, -EINVAL, -ENOMEM. `*out` is NULL when the configuration keeps no flows. */
int sl_flows_new(const struct sl_pipeline_options *options, const struct sl_path *paths,
	struct sl_flows **out) SL_MUST_CHECK;
/* NULL is allowed. */
void sl_flows_free(struct sl_flows *flows);

/* --- The step. --- */

/* Finds the flows of `members`, IP packets that the parser accepts and no fragments, before any of them is met. */
void sl_flow_step_find(struct sl_burst *burst, uint64_t members);
/* Meets those of them that are still on their way; returns those that stop here. */
uint64_t sl_flow_step_run(struct sl_burst *burst, uint64_t members);
/*
 * Marks those that an ALE layer is going to see, for the inbound transport layers; false: these have no
 * filters, and nothing is marked.  And takes the mark away.
 */
bool sl_flow_step_announce(struct sl_burst *burst, uint64_t members);
void sl_flow_step_unannounce(struct sl_burst *burst, uint64_t members);
/* Fragments that go one by one: judged as first packets each time; returns those that stop. */
uint64_t sl_flow_judge_untracked(struct sl_burst *burst, uint64_t members);

/*
 * Before anything else of a burst of an Ethernet link: lets those of its first n packets go whose flows are known and
 * which no layer, and nobody else, wants to see; returns them.  The others' metadata are made.
 */
uint64_t sl_flow_go_along(struct sl_burst *burst, uint32_t n);
/* True when no layer is going to see the packets of a direction that may go along. */
bool sl_flow_is_unseen(const struct sl_snapshot *snapshot, enum sluice_direction direction);

/* --- Parts of the step. --- */

/* Begins a step with these packets. */
void sl_flow_step_start(struct sl_flow_step *step, struct sl_burst *burst, uint64_t members);

/* Those of the first n packets that come by another link than packets of the flow that was found for them did so far. */
uint64_t sl_flow_find_strayed(const struct sl_flow_step *step, uint32_t n);
/* Opens a flow with a packet that has none. */
void sl_flow_open(struct sl_flow_step *step, uint32_t packet);
/*
 * Who opened a connection that is picked up: the end with an ephemeral port; otherwise the one without a
 * well-known port; otherwise the sender of what is seen first, or of a SYN-ACK the receiver.
 */
bool sl_flow_guess_is_outbound(const struct sl_meta *meta);
/*
 * Drops a TCP segment that no receiver takes, before it can change a state; true when it did.  `flow` is the one
 * that it would belong to, NULL when it would be the first of one.
 */
bool sl_flow_drop_corrupt(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow);
/* The flow that was found passes a further TCP segment; false: the packet's way is decided. */
bool sl_flow_track(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow);
/* An ICMP error and the flow that it is about, or NULL. */
void sl_flow_relate(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow);
/* Counts a packet that goes with its flow. */
void sl_flow_ride(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow);
/* Judges what a wave has gathered. */
void sl_flow_authorize(struct sl_flow_step *step);
void sl_flow_reauthorize(struct sl_flow_step *step);
/* Judges a flow that has been portrayed as packet 0; true: it is authorised. */
bool sl_flow_authorize_unseen(struct sl_flow_step *step, struct sl_flow *flow);
void sl_flow_establish(struct sl_flow_step *step);
/* True when somebody may object to the flow's being established. */
bool sl_flow_has_judge_of_established(const struct sl_flow_step *step, const struct sl_flow *flow);
/* Notes that the flow is established, by this packet. */
void sl_flow_confirm(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow);
/* Why the flow is to be judged anew (WFP section 2.7): SLUICE_REAUTHORIZE_*; 0: it is not. */
uint32_t sl_flow_reasons(const struct sl_flow_step *step, const struct sl_flow *flow);
/* True when the flow need not wait for a layer to be judged anew; it has been then. */
bool sl_flow_is_unaffected(struct sl_flow_step *step, struct sl_flow *flow);
/* Ends the way of a packet for a reason of no layer. */
void sl_flow_drop(struct sl_flow_step *step, uint32_t packet, enum sl_reason reason);

/* --- What flow layers see. --- */

/* Shows what follows of a flow to the layers; see struct sl_meta_flow. `flow` may be NULL. */
void sl_flow_dress(struct sl_meta *meta, const struct sl_flow *flow, uint32_t flags,
	uint32_t reauthorize_reason);
/* Takes away what sl_flow_dress has shown, but for the flow. */
void sl_flow_undress(struct sl_meta *meta);
/* Visits a flow layer with packets that have been dressed; returns those that stop. */
uint64_t sl_flow_visit(struct sl_burst *burst, const struct sl_layer_program *program,
	uint64_t members, struct sl_auth_answer *answer);
/* The same at the discard twin of a flow layer. */
void
sl_flow_show_twin(struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members);
/* Visits stream packet or datagram data. */
uint64_t sl_flow_visit_data(
	struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members);
/* The metadata of a flow without a packet. Local is the destination; `is_connect`: the source. */
void sl_flow_portray(const struct sl_flows *flows, const struct sl_flow *flow, bool is_connect,
	struct sl_meta *meta);
/* The same by a path that it is known to pass. */
void sl_flow_portray_on(const struct sl_path *path, const struct sl_flow *flow, bool is_connect,
	struct sl_meta *meta);
/* Fills in ids of flows, for callouts and events. */
void sl_flow_name(struct sl_burst *burst, uint64_t members);
/* The type of the ICMP message that opened a flow. */
void sl_flow_set_icmp_type(struct sl_flow *flow, const struct sl_meta *meta);

/* --- The end of flows. --- */

/* Shows flows to the closure layer, deletes their contexts, reports them; `end` is set. They stay in the table. */
void sl_flow_close(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	uint64_t now_ns, struct sl_flow *const flows[], uint32_t n);
/* No packet of the burst has the flow any more. */
void sl_flow_forget(struct sl_flow_step *step, const struct sl_flow *flow);
/* Takes a flow out of the table that was never authorised, or has been closed. */
void sl_flow_discard(struct sl_pipeline *pipeline, struct sl_flow *flow);
/* Closes a flow and takes it out. */
void sl_flow_end(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	struct sl_flow *flow, enum sl_flow_end otherwise);
/* Closes a flow; of TCP a place stays that drops the rest. */
void sl_flow_revoke(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	uint64_t now_ns, struct sl_flow *flow, enum sl_flow_end end);
/* Resets both ends of the connection whose packet revoked it. */
void sl_flow_reject(struct sl_burst *burst, uint32_t packet);
/* Resets who goes on with a connection that was revoked, when `reject` asks for it. */
void sl_flow_reject_rest(struct sl_burst *burst, uint32_t packet);
/* Resets both ends of a connection that is about to be revoked without a packet, when `reject` asks for it. */
void sl_flow_reset(struct sl_pipeline *pipeline, const struct sl_flow *flow);

/* --- Time. --- */

/* Another snapshot than that of the last burst forgets what was refused, and begins a sweep. */
void sl_flow_notice(struct sl_flows *flows, const struct sl_snapshot *snapshot);
/* Does what was asked for: by commands, by callouts, by a plugin's leaving.  In every mode; bounded. */
void
sl_flow_obey(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns);
/* Ages and sweeps: a bounded amount of work. Only while packets are judged: others leave no trace in flows. */
void
sl_flow_tend(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns);
/* Judges some of the flows that no packet has come for since the policy changed. */
void sl_flow_sweep_some(
	struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns);

/* --- Questions to groups. --- */

/*
 * What multicast or broadcast from `key`'s local end has opened, for an inbound packet that has no flow of its own; NULL: nothing
 * that gives rights.
 */
struct sl_flow *sl_flow_find_question(const struct sl_flows *flows,
	const struct sl_snapshot *snapshot, const struct sl_flow_key *key, uint64_t now_ns);
/* Such a flow goes on for its time-out, and is answered until then. */
void sl_flow_note_question(struct sl_flows *flows, const struct sl_flow *flow, uint64_t now_ns);

/* --- Memory of refusals. --- */

/* Answers a first packet that was blocked a moment ago; false: it is not known. */
bool sl_refusal_repeat(struct sl_flow_step *step, uint32_t packet, enum sl_auth auth);
/* Remembers a block that no callout had a part in. */
void sl_refusal_remember(struct sl_flow_step *step, uint32_t packet, enum sl_auth auth);

/* --- Events. --- */

void
sl_flow_report(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	enum sl_event_type type, const struct sl_meta *meta, const struct sl_flow *flow);

/* --- Small things. --- */

#define SL_FLOW_NO_SIGNATURE 0u /* sl_layer_signature of an empty match list */

extern const uint8_t sl_auth_layers[SL_AUTH_COUNT]; /* enum sluice_layer */

static inline enum sl_auth
sl_auth_at(bool is_outbound, uint8_t ip_version)
{
	return (enum sl_auth)((is_outbound ? 1u : 0u) | (ip_version == 6 ? 2u : 0u));
}

static inline enum sl_auth
sl_auth_of(const struct sl_flow *flow)
{
	return sl_auth_at((flow->flags & SL_FLOW_OUTBOUND) != 0, flow->key.ip_version);
}

/* An IPv4 address of a key, in host order. */
static inline uint32_t
sl_flow_ip4(const uint8_t bytes[16])
{
	uint32_t be;

	memcpy(&be, bytes, sizeof(be));
	return __builtin_bswap32(be);
}

static inline bool
sl_flow_is_tcp(const struct sl_flow *flow)
{
	return flow->key.protocol == 6;
}

/* True for a flow about whose next packet nothing is to be decided but what TCP says. */
static SL_ALWAYS_INLINE bool
sl_flow_is_plain(const struct sl_flow_step *step, const struct sl_flow *flow)
{
	return flow != NULL && (flow->flags & step->odd_flags) == step->odd_value &&
		(flow->flags & (SL_FLOW_OUTBOUND | SL_FLOW_REPLIED)) != step->unanswered &&
		flow->generation == step->generations[sl_auth_of(flow)] &&
		step->now_ms - flow->last_ms < step->fresh_ms;
}

/* What a multicast or broadcast packet from inside opens takes answers of every remote host. */
static inline bool
sl_flow_is_wildcard(const struct sl_flow_step *step, const struct sl_meta *meta)
{
	return meta->direction == SLUICE_DIRECTION_OUTBOUND &&
		meta->dst_address_type >= SLUICE_NL_MULTICAST && meta->protocol != 6 &&
		step->burst->pipeline->flows->config.multicast == SL_FLOW_MULTICAST_ALLOW;
}

static inline struct sl_flow_counter *
sl_flow_counters(const struct sl_flow_step *step)
{
	return &step->burst->pipeline->counters->flows;
}

#endif
