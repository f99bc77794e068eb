/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_flow_table.h"

#include "bench_median.h"
#include "bench_random.h"
#include "flow/sl_flow.h"

#include <rte_cycles.h>
#include <rte_hash.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BURST    32u
#define SLICE    32768u /* lookups of a turn */
#define DUE_WORK 128u   /* what the pipeline gives a burst */
#define DUE_MAX  64u
#define DUE_MANY (1u << 20) /* calls whose time is kept */
#define START_NS UINT64_C(1700000000000000000)
#define HOURS_NS UINT64_C(36000000000000)

/* A key for rte_hash, filled up to a length that it compares with vectors. */
struct padded {
	struct sl_flow_key key;
	uint32_t zero;
};

struct bench {
	uint32_t n_flows;
	struct sl_flow_table *table;
	struct rte_hash *peer;
	/* One turn's questions. */
	struct sl_flow_key *keys;
	struct padded *padded;
	const void **pointers;
	struct bench_random random;
	uint64_t n_missed;
};

/* The i-th flow: three of four IPv4, most TCP, few servers, many clients. */
static void
make_key(struct sl_flow_key *key, uint32_t i)
{
	uint32_t client = i >> 4, server = i % 251;

	memset(key, 0, sizeof(*key));
	key->ip_version = i % 4 == 3 ? 6 : 4;
	key->protocol = i % 8 < 6 ? 6 : 17;
	key->local[key->ip_version == 6 ? 15 : 3] = (uint8_t)server;
	key->local[0] = 10;
	memcpy(key->remote + (key->ip_version == 6 ? 8 : 0), &client, sizeof(client));
	key->local_port = 443;
	key->remote_port = (uint16_t)(32768 + (i & 15) * 1021);
}

static uint64_t
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long long size = 0, resident = 0;

	if (file != NULL) {
		if (fscanf(file, "%llu %llu", &size, &resident) != 2)
			resident = 0;
		fclose(file);
	}
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t
thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* How often this thread had to make way for another. */
static long
switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static double
seconds_since(uint64_t cycles)
{
	return (double)(rte_rdtsc() - cycles) / (double)rte_get_tsc_hz();
}

/* --- Setting up. --- */

static int
no_memory(uint32_t n_flows, struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_NO_MEMORY, "", "no memory for %u flows", n_flows);
}

/* All but the table. */
static int
bench_init(struct bench *bench, uint32_t n_flows, struct sl_error *err)
{
	const struct rte_hash_parameters parameters = {.name = "bench_flow_table",
		.entries = n_flows + n_flows / 8 + 64,
		.key_len = sizeof(struct padded)};

	*bench = (struct bench){.n_flows = n_flows, .random = bench_random_seed(n_flows)};
	bench->keys = calloc(SLICE, sizeof(*bench->keys));
	bench->padded = calloc(SLICE, sizeof(*bench->padded));
	bench->pointers = calloc(SLICE, sizeof(*bench->pointers));
	bench->peer = rte_hash_create(&parameters);
	if (bench->keys == NULL || bench->padded == NULL || bench->pointers == NULL ||
		bench->peer == NULL)
		return no_memory(n_flows, err);
	for (uint32_t i = 0; i < SLICE; i++)
		bench->pointers[i] = &bench->padded[i];
	return 0;
}

static int
new_table(struct bench *bench, struct sl_error *err)
{
	struct sl_flow_config config;

	if (sl_flow_config_init(&config) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "no random numbers");
	config.max = bench->n_flows;
	config.contexts = 0;
	if (sl_flow_table_new(&config, 0, START_NS, &bench->table) != 0)
		return no_memory(bench->n_flows, err);
	return 0;
}

static void
bench_fini(struct bench *bench)
{
	sl_flow_table_free(bench->table);
	rte_hash_free(bench->peer);
	free(bench->pointers);
	free(bench->padded);
	free(bench->keys);
}

/* --- Filling. --- */

/* Openings as a worker has them: a burst is looked for in vain, then added. */
static void
add_burst(struct bench *bench, uint32_t from, uint32_t n)
{
	struct sl_flow_key keys[BURST];
	struct sl_flow *flows[BURST];
	uint64_t hashes[BURST];

	for (uint32_t i = 0; i < n; i++)
		make_key(&keys[i], from + i);
	sl_flow_hash(bench->table, keys, n, hashes);
	sl_flow_find(bench->table, keys, hashes, n, flows);
	for (uint32_t i = 0; i < n; i++)
		bench->n_missed += flows[i] != NULL ||
			sl_flow_add(bench->table, &keys[i], hashes[i],
				keys[i].protocol == 6 ? SL_FLOW_TCP_SYN : SL_FLOW_UDP,
				START_NS) == NULL;
}

static double
fill_table(struct bench *bench)
{
	uint64_t begin = rte_rdtsc();

	for (uint32_t at = 0; at < bench->n_flows; at += BURST)
		add_burst(bench, at, SL_MIN(BURST, bench->n_flows - at));
	return bench->n_flows / seconds_since(begin);
}

static void
fill_peer(struct bench *bench)
{
	struct padded padded = {.zero = 0};

	for (uint32_t i = 0; i < bench->n_flows; i++) {
		make_key(&padded.key, i);
		bench->n_missed += rte_hash_add_key(bench->peer, &padded) < 0;
	}
}

/* --- Looking up. --- */

static void
make_questions(struct bench *bench)
{
	for (uint32_t i = 0; i < SLICE; i++) {
		make_key(&bench->keys[i],
			(uint32_t)(bench_random_next(&bench->random) % bench->n_flows));
		bench->padded[i].key = bench->keys[i];
	}
}

static double
ask_table(struct bench *bench)
{
	uint64_t begin = rte_rdtsc();
	struct sl_flow *flows[BURST];
	uint64_t hashes[BURST];

	for (uint32_t at = 0; at < SLICE; at += BURST) {
		sl_flow_hash(bench->table, bench->keys + at, BURST, hashes);
		sl_flow_find(bench->table, bench->keys + at, hashes, BURST, flows);
		for (uint32_t i = 0; i < BURST; i++)
			bench->n_missed += flows[i] == NULL;
	}
	return seconds_since(begin) * 1e9 / SLICE;
}

static double
ask_peer(struct bench *bench)
{
	uint64_t begin = rte_rdtsc();
	int32_t positions[BURST];

	for (uint32_t at = 0; at < SLICE; at += BURST) {
		rte_hash_lookup_bulk(bench->peer, bench->pointers + at, BURST, positions);
		for (uint32_t i = 0; i < BURST; i++)
			bench->n_missed += positions[i] < 0;
	}
	return seconds_since(begin) * 1e9 / SLICE;
}

static void
ask(struct bench *bench, uint32_t n_turns, struct bench_flow_table *out)
{
	double *values = calloc(3 * (size_t)n_turns, sizeof(*values));

	if (values == NULL)
		return;
	for (uint32_t turn = 0; turn < n_turns; turn++) {
		double ours, peers;

		make_questions(bench);
		/* Who goes first finds less in the caches, so they change places. */
		ours = turn % 2 == 0 ? ask_table(bench) : 0;
		peers = ask_peer(bench);
		ours = turn % 2 == 0 ? ours : ask_table(bench);
		values[turn] = ours;
		values[n_turns + turn] = peers;
		values[2 * n_turns + turn] = ours / peers;
	}
	out->lookup_ns = bench_median(values, n_turns);
	out->peer_ns = bench_median(values + n_turns, n_turns);
	out->ratio = bench_median(values + 2 * n_turns, n_turns);
	free(values);
}

/* --- Ending. --- */

/*
 * All flows are over at once.  The time of each call that names them is taken, not that of removing them, and not
 * when another process had the CPU meanwhile: its traces in the caches would be taken for ours.
 */
static void
end_all(struct bench *bench, struct bench_flow_table *out)
{
	double *us = calloc(DUE_MANY, sizeof(*us));
	struct sl_flow *due[DUE_MAX];
	uint32_t n_calls = 0, n;

	if (us == NULL)
		return;
	while (sl_flow_table_count(bench->table) > 0) {
		long n_switches = switches();
		uint64_t begin = thread_ns();
		double spent;

		n = sl_flow_due(bench->table, START_NS + HOURS_NS, DUE_WORK, due, DUE_MAX);
		spent = (double)(thread_ns() - begin) / 1e3;
		if (n_calls < DUE_MANY && switches() == n_switches)
			us[n_calls++] = spent;
		for (uint32_t i = 0; i < n; i++)
			sl_flow_remove(bench->table, due[i]);
	}
	bench_sort(us, n_calls);
	out->due_us = n_calls == 0 ? 0 : us[n_calls - 1];
	out->due_most_us = bench_percentile(us, n_calls, 99.9);
	free(us);
}

int
bench_flow_table_measure(
	uint32_t n_flows, uint32_t n_turns, struct bench_flow_table *out, struct sl_error *err)
{
	struct bench bench = {0};
	uint64_t before;
	int rc;

	*out = (struct bench_flow_table){.n_flows = n_flows};
	rc = bench_init(&bench, n_flows, err);
	before = resident_bytes();
	if (rc == 0)
		rc = new_table(&bench, err);
	if (rc == 0) {
		out->adds = fill_table(&bench);
		out->bytes = (double)(resident_bytes() - before) / n_flows;
		out->bytes_stated = (double)sl_flow_table_bytes(bench.table) / n_flows;
		fill_peer(&bench);
		ask(&bench, n_turns, out);
		end_all(&bench, out);
	}
	if (rc == 0 && bench.n_missed > 0)
		rc = sl_error_set(err, SL_ERR_INTERNAL, "", "%llu of the flows were not found",
			(unsigned long long)bench.n_missed);
	bench_fini(&bench);
	return rc;
}
