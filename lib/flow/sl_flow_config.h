/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_CONFIG_H
#define SL_FLOW_CONFIG_H

/*
 * How flows and fragments are kept: the configuration's `flows`, the same for daemon, replay and benchmarks.
 * Numbers are per process unless they say otherwise; the datapath divides them among workers.
 */

#include <stdbool.h>
#include <stdint.h>

/* Each class has a time-out of its own (WFP section 7.1). */
enum sl_flow_class {
	SL_FLOW_TCP_SYN,         /* 30 s; before the handshake is complete */
	SL_FLOW_TCP_ESTABLISHED, /* 3600 s */
	SL_FLOW_TCP_FIN,         /* 30 s; one side has closed */
	SL_FLOW_TCP_TIME_WAIT,   /* 30 s; both have */
	SL_FLOW_TCP_RST,         /* 5 s */
	SL_FLOW_UDP,             /* 60 s; either direction refreshes */
	SL_FLOW_ICMP,            /* 60 s */
	SL_FLOW_SCTP,            /* 60 s */
	SL_FLOW_OTHER,           /* 60 s */
	SL_FLOW_MULTICAST,       /* 4 s; only what goes out refreshes */
	SL_FLOW_ENDED, /* 30 s; a revoked flow's place, so that the rest of it does not open a new one */
	SL_FLOW_CLASS_COUNT
};

/* When state may cost a packet its way. Flows are recorded all the same. */
enum sl_flow_enforce {
	SL_FLOW_ENFORCE_AUTO, /* while the policy has a filter at a layer with flow state */
	SL_FLOW_ENFORCE_ALWAYS,
	SL_FLOW_ENFORCE_NEVER
};

enum sl_flow_on_full {
	SL_FLOW_FULL_BLOCK,
	SL_FLOW_FULL_PERMIT_UNTRACKED /* judged at the ALE layers as a first packet, each time */
};

enum sl_flow_tcp {
	SL_FLOW_TCP_STRICT, /* sequence numbers, windows and states are checked */
	SL_FLOW_TCP_LOOSE   /* states are followed, nothing is dropped for them */
};

/* Which segments must have a right checksum before state is asked or changed; where TCP is STRICT and enforced. */
enum sl_flow_tcp_checksum {
	SL_FLOW_CHECKSUM_CONTROL, /* SYN, FIN and RST, and the first one of a connection */
	SL_FLOW_CHECKSUM_ALL,
	SL_FLOW_CHECKSUM_IGNORE
};

/* TCP that begins in the middle (WFP section 7.2). */
enum sl_flow_midstream {
	SL_FLOW_MIDSTREAM_ADOPT,
	SL_FLOW_MIDSTREAM_DROP
};

enum sl_flow_icmp_errors {
	SL_FLOW_ICMP_RELATED, /* one that belongs to no flow is dropped, where state is enforced */
	SL_FLOW_ICMP_ANY
};

enum sl_flow_reauth {
	SL_FLOW_REAUTH_LAZY, /* at a flow's next packet */
	SL_FLOW_REAUTH_SWEEP /* and for idle flows by and by */
};

enum sl_flow_multicast {
	SL_FLOW_MULTICAST_ALLOW,
	SL_FLOW_MULTICAST_DENY /* answers to multicast need a permit of their own (WFP section 7.7) */
};

/* Whether fragments are put together before the transport layers. */
enum sl_fragment_reassemble {
	/* While the policy has a filter at the transport layers or above, or flow state is always enforced. */
	SL_FRAGMENT_REASSEMBLE_AUTO,
	SL_FRAGMENT_REASSEMBLE_ALWAYS,
	SL_FRAGMENT_REASSEMBLE_NEVER /* fragments pass one by one, the later ones without ports */
};

struct sl_fragment_config {
	enum sl_fragment_reassemble reassemble;
	uint32_t datagrams;  /* incomplete ones at a time; 4,096 */
	uint32_t held;       /* fragments held at a time; 8,192 */
	uint32_t per_source; /* incomplete datagrams of one source address; 64 */
	uint32_t timeout_ms; /* from the first fragment; 30,000 */
	uint64_t bytes;      /* memory for their payloads; 16 MiB */
};

/* Decisions that callouts put off (WFP section 6.6). */
struct sl_pend_config {
	/* Flows that wait for a callout's answer at a time; 1,024, at most 65,536; 0: none may. */
	uint32_t max;
	uint32_t packets;    /* of one flow that are held meanwhile; 8, at most 64; 0: none */
	uint32_t bytes;      /* of frames that are held of one flow; 16,384, at most 1 MiB */
	uint32_t frames;     /* that are held of all flows together; 0: `max` times `packets` */
	uint32_t timeout_ms; /* then the flow is judged without the callout; 30,000 */
};

struct sl_flow_config {
	/* Flows; 262,144.  0: none; under a policy that needs flow state no IP packet passes then. */
	uint32_t max;
	uint32_t contexts; /* contexts of callouts; 65,536 */
	enum sl_flow_enforce enforce;
	enum sl_flow_on_full on_full;
	enum sl_flow_tcp tcp;
	enum sl_flow_tcp_checksum tcp_checksum;
	enum sl_flow_midstream midstream;
	enum sl_flow_icmp_errors icmp_errors;
	enum sl_flow_reauth reauth;
	enum sl_flow_multicast multicast;
	/*
	 * TCP flows that are ended against their will - by a policy, an administrator, a callout - are reset at both
	 * ends.  48 bytes more a flow.
	 */
	bool reject;
	bool events; /* net events of flows from the start */
	uint32_t timeout_ms[SL_FLOW_CLASS_COUNT];
	uint64_t hash_key[2]; /* secret; sl_flow_config_init draws it */
	struct sl_fragment_config fragments;
	struct sl_pend_config pend;
};

/* The values named above, and a hash key from the kernel's random numbers. 0 or a negative errno. */
int sl_flow_config_init(struct sl_flow_config *config);
/* The share of one of `n_workers`: numbers divided, rounded up. */
void sl_flow_config_share(
	const struct sl_flow_config *config, uint32_t n_workers, struct sl_flow_config *share);

#endif
