/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_DATAPATH_LAB_H
#define TESTS_DATAPATH_LAB_H

/*
 * A laboratory for the datapath: capture files made and compared, policies compiled without a management
 * core, and each experiment in a process of its own, because DPDK starts only once in a process.
 */

#include "callout/sl_callout.h"
#include "classifier/sl_snapshot.h"
#include "datapath/sl_datapath.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* In a child: ends it with a message when the condition does not hold. */
#define LAB_CHECK(condition)                                                                    \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                               \
		}                                                                               \
	} while (0)

#define LAB_EQUAL(a, b)                                                                            \
	do {                                                                                       \
		uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);                                   \
		if (a_ != b_) {                                                                    \
			fprintf(stderr, "%s:%d: %s is %llu, %s is %llu\n", __FILE__, __LINE__, #a, \
				(unsigned long long)a_, #b, (unsigned long long)b_);               \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

typedef void lab_experiment_fn(void);
/* Runs an experiment in a child, with a folder for its files, and says whether it held. */
bool lab_run(lab_experiment_fn *experiment);

/* "FOLDER/name", in the experiment's folder and one of a few buffers used in turn. */
const char *lab_path(const char *name);

/* Makes packet i of a capture in `frame` (16 KiB); returns its length. */
typedef uint32_t lab_packet_fn(uint32_t i, uint8_t *frame);
/* UDP over IPv4 from 10.0.0.1 to 10.0.0.2, ports 1000 + i % 1000 to 2000 + i % 5, `payload` bytes. */
uint32_t lab_udp(uint32_t i, uint32_t payload, uint8_t *frame);
/*
 * Frame i of a capture of such datagrams in `n_parts` fragments each, one after the other; every one carries `part`
 * bytes, a multiple of 8.
 */
uint32_t lab_fragment(uint32_t i, uint32_t n_parts, uint32_t part, uint8_t *frame);
void lab_write_pcap(const char *path, uint32_t n, lab_packet_fn *packet);
/* How many packets of the capture are the ones `packet` makes and `wanted` (NULL: all) wants, in order; -1: others. */
typedef bool lab_wanted_fn(uint32_t i);
int lab_compare_pcap(const char *path, uint32_t n, lab_packet_fn *packet, lab_wanted_fn *wanted);

/* A datapath of one link with the given devices, not started. */
struct sl_datapath *lab_datapath(const char *inside, const char *outside, uint32_t n_workers);
/* One that keeps flows and fragments as told. */
struct sl_datapath *lab_datapath_of_flows(const char *inside, const char *outside,
	uint32_t n_workers, const struct sl_flow_config *flows);
/* The same with callouts that may put decisions off. */
struct sl_datapath *
lab_datapath_of_callouts(const char *inside, const char *outside, uint32_t n_workers,
	const struct sl_flow_config *flows, const struct sl_callout_registry *registry);
/* Waits until workers have received and judged `n` packets altogether, 10 s at most. */
void lab_await_received(struct sl_datapath *datapath, uint64_t n);
/* Sum over workers. */
void lab_sum(struct sl_datapath *datapath, struct sl_counters *sum);
/* Packet buffers in use of link 0. */
uint32_t lab_buffers(void);

/* Compiles a policy document. Callouts are bound to plugins of `registry` (may be NULL). */
struct sl_snapshot *
lab_compile(const char *document, uint64_t revision, struct sl_callout_registry *registry);

#endif
