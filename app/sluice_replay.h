/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_SLUICE_REPLAY_H
#define APP_SLUICE_REPLAY_H

/*
 * sluice-replay: captures through the packet path of the daemon.
 *
 * sluice_replay.c          the run
 * sluice_replay_options.c  what the command line says
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

/* Exit codes. */
enum {
	REPLAY_DONE = 0,
	REPLAY_DIFFERENCE = 1,
	REPLAY_BAD = 2
};

/* "sluice-replay: TEXT" on standard error. Returns -1. */
int replay_fail(const char *format, ...) SL_PRINTF(1, 2);
void replay_warn(const char *format, ...) SL_PRINTF(1, 2);

/* --- Options. --- */

struct replay_prefix {
	uint8_t ip_version;
	uint8_t len;
	uint32_t v4; /* host order */
	uint8_t v6[16];
};

struct replay_options {
	const char *policy;
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
/* 1: `*packet` is the next one; 0: there are no more; -1. */
int replay_input_next(struct replay_input *input, struct replay_packet *packet) SL_MUST_CHECK;
void replay_input_close(struct replay_input *input);

/* --- Output. --- */

struct replay_output {
	const struct replay_options *options;
	const struct app_policy *policy;
	FILE *verdicts; /* each NULL when not asked for */
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
/* One judged packet. `frame` and `meta` are what the pipeline saw. */
int replay_output_packet(struct replay_output *output, const struct replay_packet *packet,
	const struct sl_frame *frame, const struct sl_meta *meta,
	const struct sl_outcome *outcome) SL_MUST_CHECK;
/* A frame that a callout sent in answer to `packet`. */
void replay_output_reply(struct replay_output *output, const struct replay_packet *packet,
	const struct sl_reply *reply);
/* What a ring of events holds. */
int replay_output_events(struct replay_output *output, struct sl_ring *events) SL_MUST_CHECK;
/* Writes out what is pending and closes; says what did not fit. */
int replay_output_close(struct replay_output *output) SL_MUST_CHECK;
/* One line on standard error. */
void replay_output_summary(const struct replay_output *output);

#endif
