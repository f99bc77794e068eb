/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SLUICE_CALLOUT_H
#define SLUICE_CALLOUT_H

/*
 * Callout ABI: everything a callout plugin may use, and nothing else.
 *
 * A plugin is one shared object exporting one constant, `sluice_callout`, made with
 * SLUICE_CALLOUT_DEFINE.  It links no Sluice and no DPDK library: it reaches the host through the
 * `struct sluice_host` given to load, so the same object runs in the daemon, in the replay tool and
 * under a mock in a unit test.
 *
 * The functions of WFP section 6.2:
 *   classify   packet time, on any worker, concurrently with itself.  It must not block, allocate,
 *              log, make a system call or keep a pointer it was given.
 *   notify     control thread.  A filter that names the callout is being added (a non-zero return
 *              refuses the filter and thereby the whole commit) or has been deleted (no worker uses
 *              it any more; the return value is ignored).  Every ADD that returned 0 is followed by
 *              exactly one DELETE with the context it stored, at the latest before unload; classify is
 *              only called for a filter between the two.  May block and allocate.
 *   load, unload   control thread, once each.
 *   flow_delete    packet time: a context that the callout associated with a flow is gone, because it was
 *              removed, the flow has ended, or the plugin is about to be unloaded.  Called exactly once for
 *              each context, on the worker of the flow; when workers have stopped, on the thread that
 *              stopped them.  Every context is gone before unload.
 *
 * The file must belong to root or to the user of the daemon and be writable by nobody else.  A host
 * refuses an object whose version or structure sizes differ from its own, and says both.
 *
 * Rules for classify (WFP section 6.3): write `action` only when `rights` has
 * SLUICE_RIGHT_ACTION_WRITE, except to veto; on BLOCK clear the right, so that lower sublayers cannot
 * undo it; on PERMIT leave it unless the filter has SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT; CONTINUE
 * when undecided.
 */

#include "sluice_types.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Add a line here for each bump, saying which layout changed.
 *   1: first version.
 *   2: struct sluice_callout has flow_delete at its end; struct sluice_host has services for flows.
 *   3: struct sluice_metadata has completion at its end; struct sluice_host has pend, complete and json_string.
 */
#define SLUICE_ABI_VERSION 3u

#define SLUICE_FIELDS_MAX 64 /* more than any layer has */

#define SLUICE_RIGHT_ACTION_WRITE 0x1u

/* Bytes from the start of a frame that packet_read is sure to reach. */
#define SLUICE_PACKET_WINDOW 2048u

/* Flags in classify_out. */
#define SLUICE_CLASSIFY_OUT_FLAG_ABSORB 0x1u /* with BLOCK: drop without event and discard twin */

/* Flags of the filter a callout is called for. */
#define SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT             0x08u
#define SLUICE_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED 0x10u

/*
 * Flags of a callout (FWPS_CALLOUT_FLAG).  CONDITIONAL_ON_FLOW: a filter that names it is passed over unless
 * the packet's flow has a context of the callout for that layer; only at ALE layers, where flows begin and end,
 * is it asked all the same.
 */
#define SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW 0x1u

/* One value of the classify vector. `type` EMPTY: the packet has no such value. */
struct sluice_value {
	uint32_t type; /* enum sluice_data_type, a single type */
	uint32_t size; /* bytes of `bytes` that count, for BYTE_ARRAY and BYTE_BLOB */
	union {
		uint64_t number;      /* UINT8 .. UINT64, host order */
		const uint8_t *bytes; /* BYTE_ARRAY6, BYTE_ARRAY16 (network order), BYTE_BLOB */
	};
};

/* Which members of sluice_metadata are valid (WFP section 1.8). */
#define SLUICE_METADATA_DISCARD_REASON              0x00000001u
#define SLUICE_METADATA_FLOW_HANDLE                 0x00000002u
#define SLUICE_METADATA_IP_HEADER_SIZE              0x00000004u
#define SLUICE_METADATA_SOURCE_INTERFACE_INDEX      0x00000100u
#define SLUICE_METADATA_DESTINATION_INTERFACE_INDEX 0x00000200u
#define SLUICE_METADATA_TRANSPORT_HEADER_SIZE       0x00000400u
#define SLUICE_METADATA_FRAGMENT_DATA               0x00001000u
#define SLUICE_METADATA_COMPLETION_HANDLE           0x00004000u /* no member: pend may be called */
#define SLUICE_METADATA_PACKET_DIRECTION            0x00040000u
#define SLUICE_METADATA_L2_HEADER_SIZE              0x01000000u
#define SLUICE_METADATA_ICMP_ID_AND_SEQUENCE        0x02000000u
#define SLUICE_METADATA_VLAN_STACK                  0x04000000u
#define SLUICE_METADATA_COMPLETION                  0x08000000u

struct sluice_metadata {
	uint64_t valid;             /* SLUICE_METADATA_*; test the bit before reading a member */
	uint64_t flow_handle;       /* of the packet's flow: unique in the process, never 0 */
	uint64_t discard_filter_id; /* run-time id of the filter that blocked; 0: not a filter */
	const char *discard_reason; /* name of the reason, e.g. "filter", "ip4_bad_header_length" */
	uint64_t time_ns;           /* always valid: reception time, since 1970-01-01 UTC */
	uint64_t policy_revision;   /* always valid */
	uint32_t source_interface_index;      /* port the packet came in by */
	uint32_t destination_interface_index; /* port it would leave by */
	/* enum sluice_direction; at ALE layers only on a reauthorisation, where it may differ from the layer's */
	uint32_t packet_direction;
	uint32_t l2_header_size;        /* bytes before the IP header */
	uint32_t ip_header_size;        /* bytes, options and extension headers included */
	uint32_t transport_header_size; /* bytes */
	uint32_t fragment_identification;
	uint16_t fragment_offset; /* bytes */
	uint16_t fragment_length; /* bytes of this fragment's payload */
	uint16_t icmp_id;
	uint16_t icmp_sequence;
	uint16_t vlan_n; /* tags in the frame, the first 4 of them below, outermost first */
	uint16_t vlan_tci[4];
	uint16_t reserved[3];
	uint64_t completion; /* what complete was given, when this classify follows from it */
};

/* A packet as a callout sees it; valid during classify only. Use the host's functions. */
struct sluice_packet;

/* The filter a callout is called for. Valid during the call only. */
struct sluice_filter {
	const char *key;      /* the filter's key; notify only, NULL at packet time */
	uint64_t id;          /* run-time id, unique among filters; not stable over restarts */
	uint64_t weight;      /* effective weight */
	uint64_t raw_context; /* the filter's rawContext; 0 when it has a provider context */
	uint64_t context;     /* what notify stored for this filter */
	const char *provider_context; /* JSON text of the provider context's data, or NULL */
	size_t provider_context_len;  /* bytes of it without the NUL */
	uint32_t layer;               /* enum sluice_layer */
	uint32_t action;              /* enum sluice_action: the filter's */
	uint32_t flags;               /* SLUICE_FILTER_FLAG_* */
	uint32_t sublayer_weight;     /* 0..65535; packet time only */
};

struct sluice_classify_in {
	uint32_t size;                      /* bytes of this structure in the host */
	uint32_t layer;                     /* enum sluice_layer */
	uint32_t n_values;                  /* length of `values` */
	uint32_t worker;                    /* 0 .. host->n_workers_max - 1 */
	const struct sluice_value *values;  /* WFP's inFixedValues: indexed as WFP appendix A */
	const struct sluice_metadata *meta; /* WFP's inMetaValues */
	struct sluice_packet *packet;       /* WFP's layerData; NULL where there is none */
	const struct sluice_filter *filter;
	uint64_t flow_context; /* of this callout, for the packet's flow and this layer; 0: none */
	void *callout;         /* what load stored */
};

struct sluice_classify_out {
	uint32_t action; /* enum sluice_action; SLUICE_ACTION_UNTOUCHED on entry */
	uint32_t rights; /* SLUICE_RIGHT_ACTION_WRITE when the callout may decide */
	uint32_t flags;  /* SLUICE_CLASSIFY_OUT_FLAG_* */
	uint32_t reserved;
};

enum sluice_notify_type {
	SLUICE_NOTIFY_ADD_FILTER = 0,
	SLUICE_NOTIFY_DELETE_FILTER = 1
	/* Unknown types must be answered with 0. */
};

/*
 * Services lent to a plugin.  The structure grows only at its end: check `size` before using a member
 * that a later minor version added.  Packet services are for classify only, on the packet given to it.  Where
 * there is none (NULL: flows that are looked at without a packet, as at ale_endpoint_closure) they do nothing: length
 * and bytes read are 0, packet_reply answers -1, count counts nothing, flow_* answer -2.
 */
struct sluice_host {
	uint32_t abi_version;   /* SLUICE_ABI_VERSION of the host */
	uint32_t size;          /* bytes of this structure in the host */
	const char *version;    /* "0.1.0" of the host program */
	uint32_t n_workers_max; /* upper bound of sluice_classify_in.worker, exclusive */
	uint32_t reserved;

	/*
	 * Control thread: one log line, which names the plugin.  `level` 0 error, 1 warning, 2 notice,
	 * 3 info, 4 debug.  `host` is the one given to load.
	 */
	void (*log)(const struct sluice_host *host, int level, const char *text);
	/*
	 * Control thread, in load or notify, before returning non-zero: why.  The text (ASCII, the first
	 * 255 bytes) is copied into the error that the operator sees.
	 */
	void (*refuse)(const struct sluice_host *host, const char *text);
	/*
	 * Control thread, and the plugin's own: an integer member of a JSON object such as a provider context's
	 * data.
	 * 0; -2 (no such member), -22 (not an integer, out of [min, max], or not an object).
	 */
	int (*json_integer)(
		const char *json, const char *member, int64_t min, int64_t max, int64_t *out);
	/*
	 * Control thread, and the plugin's own: are all members of a JSON object among `allowed`, a list that
	 * ends in NULL?  0; -2 and the name of the first that is not in `other` (of `size` bytes, cut to fit;
	 * may be NULL), -22 (not an object).
	 */
	int (*json_strict)(const char *json, const char *const *allowed, char *other, size_t size);
	/*
	 * Any time: the index of a field in the values of a layer (enum sluice_field, enum sluice_layer);
	 * -2 when the layer has no such field.  It never changes while the host runs: ask once, in notify.
	 */
	int (*field_index)(uint32_t layer, uint32_t field);

	/* Packet time: bytes of the whole frame as received, link-layer header included. */
	uint32_t (*packet_length)(const struct sluice_packet *packet);
	/*
	 * Packet time: copies up to `length` bytes from `offset`; returns how many there were.  Bytes
	 * beyond SLUICE_PACKET_WINDOW may be out of reach.
	 */
	uint32_t (*packet_read)(
		const struct sluice_packet *packet, uint32_t offset, void *to, uint32_t length);
	/*
	 * Packet time: queues a new frame (copied; link-layer header included, without FCS; 14..1514
	 * bytes) to leave by the port that `packet` came in by, unless a discard twin blocks.  It is not
	 * classified.  0, -1 (not at a discard twin), -22 (size), or -105 when the queue is full (counted).
	 */
	int (*packet_reply)(struct sluice_packet *packet, const void *frame, uint32_t length);
	/* Packet time: named counter of the plugin, 0..15, shown at /v1/plugins. Adds `n`. */
	void (*count)(struct sluice_packet *packet, uint32_t counter, uint64_t n);

	/*
	 * Packet time: contexts of flows (WFP section 6.4), one for each flow, layer and callout.  A context
	 * is a number of the callout's choice, not 0, that comes as `flow_context` with every later call for
	 * a packet of that flow at that layer.  Usually associated at ale_flow_established.
	 *
	 * flow_associate: `layer` is a data layer (inbound and outbound transport, stream packet, datagram
	 * data; enum sluice_layer, no discard twin) of the flow's IP version.  0; -2: the packet has no flow;
	 * -17: there is a context already; -22: no such layer, context 0, or the callout has no flow_delete;
	 * -105: no room, which the operator sets (`flows.contexts`).
	 * flow_remove: 0, and flow_delete has been called; -2: there is none.
	 * flow_abort: the flow ends as if an operator killed it, after the packets that are being judged; what
	 * is said about this packet still holds.  0; -2: the packet has no flow; -105: too many at once.
	 */
	int (*flow_associate)(struct sluice_packet *packet, uint32_t layer, uint64_t context);
	int (*flow_remove)(struct sluice_packet *packet, uint32_t layer);
	int (*flow_abort)(struct sluice_packet *packet);

	/*
	 * Packet time, in classify, where `meta->valid` has SLUICE_METADATA_COMPLETION_HANDLE: at ale_auth_connect and
	 * ale_auth_recv_accept, for a first packet.  The decision is put off (WFP section 6.6): the callout then answers
	 * BLOCK with SLUICE_CLASSIFY_OUT_FLAG_ABSORB and clears the right; any other answer makes the pend void.
	 * `*token` names the operation; it is the flow's handle.  The first packets of the flow are held, as many as
	 * the operator allows, and nothing of it passes until complete is called or the time is over.  0; -1: not
	 * here; -17: this packet has been pended; -105: too many at once, decide now.
	 */
	int (*pend)(struct sluice_packet *packet, uint64_t *token);
	/*
	 * Any time, any thread, also a plugin's own; never waits.  Exactly once for each token.  The flow is judged at
	 * its layer once more, by the policy that is then in force, on the flow's worker: the flags have
	 * IS_REAUTHORIZE, the reason is CLASSIFY_COMPLETION, and `meta->completion` is `answer`, whose meaning is the
	 * callout's.  The callout must decide then: it cannot pend again.  When nobody completes in time, the flow
	 * is judged as if the callout were not registered (SLUICE_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED).  `host` is
	 * the one given to load.  0; -2: no such token; -105: too many at once, try again.  A token whose
	 * operation has ended meanwhile is ignored.
	 */
	int (*complete)(const struct sluice_host *host, uint64_t token, uint64_t answer);
	/*
	 * Control thread, and the plugin's own: a string member of a JSON object, escapes resolved,
	 * NUL-terminated.  0; -2 (no such member), -22 (not a string, more than `size` bytes with its NUL, has a
	 * NUL in it, or not an object).
	 */
	int (*json_string)(const char *json, const char *member, char *out, size_t size);
};

/* 0 and `*callout` for later calls, or non-zero to refuse the load. */
typedef int sluice_load_fn(const struct sluice_host *host, void **callout);
typedef void sluice_unload_fn(void *callout);
typedef void
sluice_classify_fn(const struct sluice_classify_in *in, struct sluice_classify_out *out);
/*
 * On ADD the callout may store a value in `filter->context`, which then comes with every call for the
 * filter; nothing else of `filter` may be written.  `sublayer_weight` is 0 in notify.
 */
typedef int
sluice_notify_fn(void *callout, enum sluice_notify_type type, struct sluice_filter *filter);

/* `worker` is the flow's, as in struct sluice_classify_in; `layer` and `flow_context` as they were associated. */
typedef void
sluice_flow_delete_fn(void *callout, uint32_t worker, uint32_t layer, uint64_t flow_context);

/* The one thing a plugin exports. */
struct sluice_callout {
	uint32_t abi_version;      /* SLUICE_ABI_VERSION the object was built with */
	uint32_t size;             /* bytes of this structure at build time */
	uint32_t classify_in_size; /* sizeof(struct sluice_classify_in) at build time */
	uint32_t metadata_size;    /* sizeof(struct sluice_metadata) at build time */
	uint32_t filter_size;      /* sizeof(struct sluice_filter) at build time */
	uint32_t flags;            /* SLUICE_CALLOUT_FLAG_* */
	const char *name;          /* what a policy calls it: [a-z0-9][a-z0-9._-]{0,63} */
	const char *
		version; /* of the plugin, shown to the operator: ASCII, at most 63 bytes; or NULL */
	const char *description;      /* one line of ASCII, at most 255 bytes; or NULL */
	sluice_load_fn *load;         /* or NULL */
	sluice_unload_fn *unload;     /* or NULL */
	sluice_classify_fn *classify; /* required */
	sluice_notify_fn *notify;     /* or NULL */
	const char *const *counters;  /* [a-z0-9_]{1,31}, NULL-terminated, at most 16; or NULL */
	/* Required of a callout with contexts or the flag CONDITIONAL_ON_FLOW; or NULL. */
	sluice_flow_delete_fn *flow_delete;
};

#define SLUICE_CALLOUT_DEFINE(...)                                                                \
	__attribute__((visibility("default"))) extern const struct sluice_callout sluice_callout; \
	const struct sluice_callout sluice_callout = {                                            \
		.abi_version = SLUICE_ABI_VERSION,                                                \
		.size = sizeof(struct sluice_callout),                                            \
		.classify_in_size = sizeof(struct sluice_classify_in),                            \
		.metadata_size = sizeof(struct sluice_metadata),                                  \
		.filter_size = sizeof(struct sluice_filter),                                      \
		__VA_ARGS__,                                                                      \
	}

/* Tripwires, compiled into both sides: bump SLUICE_ABI_VERSION when one of these fires. */
_Static_assert(sizeof(struct sluice_value) == 16, "ABI layout changed: sluice_value");
_Static_assert(sizeof(struct sluice_metadata) == 112, "ABI layout changed: sluice_metadata");
_Static_assert(sizeof(struct sluice_filter) == 72, "ABI layout changed: sluice_filter");
_Static_assert(sizeof(struct sluice_classify_in) == 64, "ABI layout changed: sluice_classify_in");
_Static_assert(sizeof(struct sluice_classify_out) == 16, "ABI layout changed: sluice_classify_out");
_Static_assert(sizeof(struct sluice_callout) == 96, "ABI layout changed: sluice_callout");
_Static_assert(sizeof(struct sluice_host) == 144, "ABI layout changed: sluice_host");

#endif
