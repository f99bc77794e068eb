/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_SLUICE_REPLAY_H
#define APP_SLUICE_REPLAY_H

/*
 * sluice-replay: captures through the packet path of the daemon.
 *
 * sluice_replay.c          the run
 * sluice_replay_options.c  what the command line says
 * sluice_replay_policy.c   plugins, and the policies that are in force one after another
 * sluice_replay_judge.c    bursts, the clock, and fragments that are held
 * sluice_replay_path.c     the link's paths, and how flows are kept
 * sluice_replay_input.c    packets of one or two captures in the order of time
 * sluice_replay_output.c   verdicts, metadata, events, what left
 *
 * Functions that return int return 0 or a positive value when they could, and -1 after they have said
 * on standard error what went wrong.
 */

#include "app_policy.h"
#include "base/sl_compiler.h"
#include "packet/sl_packet.h"
#include "pipeline/sl_pipeline.h"

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define REPLAY_PLUGIN_DIRS_MAX 16
#define REPLAY_INPUTS_MAX      2
#define REPLAY_POLICIES_MAX    64

/* Exit codes. */
enum {
	REPLAY_DONE = 0,
	REPLAY_DIFFERENCE = 1,
	REPLAY_BAD = 2
};

/* "sluice-replay: TEXT" on standard error. Returns -1. */
int replay_fail(const char *format, ...) SL_PRINTF(1, 2);
void replay_warn(const char *format, ...) SL_PRINTF(1, 2);

/* Says every problem with a file ("FILE: /pointer: detail") and forgets it. */
void replay_say_problems(const char *path, struct sl_problems *problems);

/* --- Options. --- */

struct replay_prefix {
	uint8_t ip_version;
	uint8_t len;
	uint32_t v4; /* host order */
	uint8_t v6[16];
};

/* When a policy comes into force. */
struct replay_change {
	bool is_relative; /* to the first packet */
	uint64_t time_ns;
	const char *path;
};

struct replay_options {
	const char *policy;
	struct replay_change changes[REPLAY_POLICIES_MAX - 1]; /* as they were given */
	uint32_t n_changes;
	const char *flows;                      /* NULL: everything as it is without a file */
	enum sl_flow_tcp_checksum tcp_checksum; /* valid when has_tcp_checksum */
	bool has_tcp_checksum;
	const char *in;
	const char *inside_pcap;
	const char *outside_pcap;
	struct replay_prefix *inside; /* NULL: --inside was not given */
	uint32_t n_inside;
	const char *permitted;
	const char *verdicts;
	const char *metadata;
	const char *events;
	const char *plugin_dirs[REPLAY_PLUGIN_DIRS_MAX];
	uint32_t n_plugin_dirs;
	const char *link; /* name of the link in interface names */
	enum sl_engine engine;
	uint32_t burst; /* packets judged at a time */
	bool has_flow_events;
	bool is_quiet;
};

/*
 * 0; 1: the caller has been answered (--help, --version) and the program is done; -1.  Strings are
 * argv's; replay_options_fini frees the rest.
 */
int replay_options_read(struct replay_options *options, int argc, char **argv) SL_MUST_CHECK;
void replay_options_fini(struct replay_options *options);

/* --- Input. --- */

/* A packet of a capture. `bytes` belong to it and are used again for the next one. */
struct replay_packet {
	uint64_t n;       /* from 1, over all captures */
	uint64_t time_ns; /* since 1970-01-01 UTC */
	enum sluice_direction direction;
	enum sl_link_type link_type;
	struct pcap_pkthdr header; /* its ts counts nanoseconds */
	uint8_t *bytes;
	uint32_t room;
	struct replay_packet *next;        /* of all packets there are */
	struct replay_packet *next_unused; /* of those that wait to be read into */
};

struct replay_capture {
	const char *path;
	pcap_t *pcap;
	enum sl_link_type link_type;
	int datalink;
	enum sluice_direction direction; /* of its packets, unless that is asked of their source */
	bool is_nano;                    /* the file has nanoseconds */
	struct pcap_pkthdr *header;      /* of the packet read ahead; NULL: there is none */
	const uint8_t *data;
};

struct replay_input {
	const struct replay_options *options;
	struct replay_capture captures[REPLAY_INPUTS_MAX];
	uint32_t n;
	bool is_broken;      /* a capture could not be read to its end, which has been said */
	bool by_source;      /* directions come from the packets' sources */
	uint64_t n_packets;  /* handed out */
	struct sl_meta meta; /* for looking at sources */
};

int
replay_input_open(struct replay_input *input, const struct replay_options *options) SL_MUST_CHECK;
/* The time of the packet that comes first; 0 when there is none. */
uint64_t replay_input_start_ns(struct replay_input *input);
/* 1: `*packet` is the next one; 0: there are no more; -1. */
int replay_input_next(struct replay_input *input, struct replay_packet *packet) SL_MUST_CHECK;
void replay_input_close(struct replay_input *input);

/* --- Policies. --- */

struct replay_policies {
	struct sl_callout_registry *registry;
	struct app_policy list[REPLAY_POLICIES_MAX];
	uint64_t from_ns[REPLAY_POLICIES_MAX];
	uint32_t n;
	uint32_t now; /* which of them is in force */
};

/* Loads plugins and every policy; says what is wrong with any of them. */
int replay_policies_load(
	struct replay_policies *policies, const struct replay_options *options) SL_MUST_CHECK;
/* Says when each is in force; `start_ns` is the first packet's time. */
int replay_policies_schedule(struct replay_policies *policies, const struct replay_options *options,
	uint64_t start_ns) SL_MUST_CHECK;
void replay_policies_free(struct replay_policies *policies);

/* --- Output. --- */

struct replay_output {
	const struct replay_options *options;
	const struct app_policy *policy; /* in force */
	FILE *verdicts;                  /* each NULL when not asked for */
	FILE *metadata;
	FILE *events;
	pcap_t *dead;
	pcap_dumper_t *permitted;
	bool is_nano; /* what left is written with nanoseconds */
	uint64_t n_events;
	uint64_t n_permitted;
	uint64_t n_blocked;
	uint64_t n_absorbed;
	uint64_t n_replies;
	uint64_t n_replies_lost; /* to captures without Ethernet headers */
	uint64_t reasons[SL_REASON_COUNT];
};

int replay_output_open(struct replay_output *output, const struct replay_options *options,
	const struct app_policy *policy, const struct replay_input *input) SL_MUST_CHECK;
/* What the parser saw of a packet. */
int replay_output_metadata(struct replay_output *output, const struct replay_packet *packet,
	const struct sl_frame *frame, const struct sl_meta *meta) SL_MUST_CHECK;
/* A packet that has been decided about. */
void replay_output_verdict(struct replay_output *output, const struct replay_packet *packet,
	const struct sl_outcome *outcome);
/* A frame sent in answer to `packet`, or at `now_ns` without one (NULL). */
void replay_output_reply(struct replay_output *output, const struct replay_packet *packet,
	uint64_t now_ns, const struct sl_reply *reply);
/* What a ring of events holds. */
int replay_output_events(struct replay_output *output, struct sl_ring *events) SL_MUST_CHECK;
/* Writes out what is pending and closes; says what did not fit. */
int replay_output_close(struct replay_output *output) SL_MUST_CHECK;
/* One line on standard error. */
void replay_output_summary(const struct replay_output *output);

/* --- Paths and flows. --- */

/* Every direction and link type is a path of the one link: its index says which. */
#define REPLAY_PATHS (2u * SL_LINK_COUNT)

/* What paths point to. */
struct replay_ports {
	char names[2][64]; /* by enum sl_link_side */
	struct sl_blob blobs[2];
};

uint32_t replay_path_index(enum sluice_direction direction, enum sl_link_type link_type);
enum sl_link_type replay_path_link_type(uint32_t path);
/* Names the ports after their link, and makes all paths between them. */
void
replay_paths_make(struct replay_ports *ports, const char *link, struct sl_path paths[REPLAY_PATHS]);
/* How flows are kept: what --flows and --flow-events say, and a hash key that is always the same. */
int replay_flows_read(
	const struct replay_options *options, struct sl_flow_config *config) SL_MUST_CHECK;

/* --- Judging. --- */

/* The first difference between the engines. */
struct replay_difference {
	bool is_found;
	uint32_t packet;
	const struct sl_layer_program *layer;
	uint32_t *ranks[2]; /* compiled, reference */
	uint32_t n_ranks[2];
};

struct replay_judge {
	const struct replay_options *options;
	struct replay_policies *policies;
	struct replay_output *output;
	struct replay_ports ports;
	struct sl_counters *counters;
	struct sl_ring *events; /* NULL: nobody asked for them */
	struct sl_pipeline *pipeline;
	struct replay_difference difference;
	uint64_t now_ns;
	struct replay_packet *all;
	struct replay_packet *unused;
	struct replay_packet *packets[SL_PIPELINE_BURST_MAX];
	uint32_t n; /* packets waiting to be judged: of one path and one millisecond */
};

int replay_judge_init(struct replay_judge *judge, const struct replay_options *options,
	struct replay_policies *policies, struct replay_output *output,
	uint64_t start_ns) SL_MUST_CHECK;
void replay_judge_fini(struct replay_judge *judge);
/* A packet to read into; replay_judge_packet takes it over. NULL: no memory, which has been said. */
struct replay_packet *replay_judge_take(struct replay_judge *judge);
void replay_judge_give_back(struct replay_judge *judge, struct replay_packet *packet);
/* REPLAY_DONE, REPLAY_DIFFERENCE or REPLAY_BAD, both. */
int replay_judge_packet(struct replay_judge *judge, struct replay_packet *packet) SL_MUST_CHECK;
/* What still waits, and what is still held. */
int replay_judge_end(struct replay_judge *judge) SL_MUST_CHECK;

#endif
