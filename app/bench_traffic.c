/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_traffic.h"

#include "bench_engine.h"
#include "bench_random.h"

#include <stdlib.h>
#include <string.h>

#define POOL_MAX       65536u
#define POOL_MAX_LARGE 4096u
#define LARGE_SET      20000u
#define TRIES_A_MISS   50u   /* fewer misses than one of so many headers: give up ... */
#define TRIES_MIN      4096u /* ... when so many were drawn */

/* Protocols of headers where a rule takes any. */
static const uint8_t protocols[] = {6, 17, 1, 47};

bool
bench_traffic_parse(const char *name, enum bench_traffic *traffic)
{
	static const char *const names[] = {"uniform", "zipf", "corner"};

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*traffic = (enum bench_traffic)i;
			return true;
		}
	}
	return false;
}

/* --- Points of rules. --- */

/* The bits behind the prefix: random, or all 0, or all 1. */
static void
pick_address(struct bench_random *random, const uint8_t prefix[16], uint32_t len, uint32_t bits,
	bool is_corner, uint8_t out[16])
{
	uint8_t fill = bench_random_below(random, 2) == 0 ? 0 : 0xff;

	memcpy(out, prefix, 16);
	for (uint32_t byte = len / 8; byte < bits / 8; byte++) {
		uint8_t open = byte == len / 8 ? (uint8_t)(0xff >> len % 8) : 0xff;
		uint8_t value = is_corner ? fill : (uint8_t)bench_random_next(random);

		out[byte] |= value & open;
	}
}

static uint16_t
pick_port(struct bench_random *random, const uint16_t range[2], bool is_corner)
{
	if (is_corner)
		return range[bench_random_below(random, 2)];
	return (uint16_t)bench_random_between(random, range[0], range[1]);
}

static void
pick_header(struct bench_random *random, const struct bench_rule *rule, bool is_v6, bool is_corner,
	struct bench_header *header)
{
	uint32_t bits = is_v6 ? 128 : 32;

	pick_address(random, rule->src, rule->src_len, bits, is_corner, header->src);
	pick_address(random, rule->dst, rule->dst_len, bits, is_corner, header->dst);
	header->src_port = pick_port(random, rule->src_port, is_corner);
	header->dst_port = pick_port(random, rule->dst_port, is_corner);
	if (rule->has_protocol)
		header->protocol = rule->protocol;
	else if (is_corner)
		header->protocol = bench_random_below(random, 2) == 0 ? 0 : 255;
	else
		header->protocol = protocols[bench_random_below(random, SL_ARRAY_LEN(protocols))];
}

/* --- Which rule. --- */

/* Rules in random order, the i-th with a share of 1 / (i + 1). */
struct zipf {
	uint32_t *rules;
	double *sums; /* of the shares up to and including this one */
	size_t n;
};

static void
zipf_fini(struct zipf *zipf)
{
	free(zipf->rules);
	free(zipf->sums);
}

static int
zipf_init(struct zipf *zipf, size_t n, struct bench_random *random)
{
	double sum = 0;

	zipf->n = n;
	zipf->rules = calloc(n, sizeof(*zipf->rules));
	zipf->sums = calloc(n, sizeof(*zipf->sums));
	if (zipf->rules == NULL || zipf->sums == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint32_t other = bench_random_below(random, i + 1);

		zipf->rules[i] = zipf->rules[other];
		zipf->rules[other] = (uint32_t)i;
		sum += 1 / (double)(i + 1);
		zipf->sums[i] = sum;
	}
	return 0;
}

static size_t
zipf_pick(const struct zipf *zipf, struct bench_random *random)
{
	double wanted = bench_random_unit(random) * zipf->sums[zipf->n - 1];
	size_t low = 0;
	size_t high = zipf->n - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (zipf->sums[middle] > wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return zipf->rules[low];
}

/* --- Headers that match nothing. --- */

static void
draw_any(struct bench_random *random, bool is_v6, bool any_protocol, struct bench_header *header)
{
	size_t len = is_v6 ? 16 : 4;

	memset(header, 0, sizeof(*header));
	for (size_t i = 0; i < len; i++) {
		header->src[i] = (uint8_t)bench_random_next(random);
		header->dst[i] = (uint8_t)bench_random_next(random);
	}
	if (is_v6) {
		/* Global unicast addresses (RFC 4291): others would be told apart by their first bits. */
		header->src[0] = 0x20 | (header->src[0] & 0x1f);
		header->dst[0] = 0x20 | (header->dst[0] & 0x1f);
	}
	header->src_port = (uint16_t)bench_random_next(random);
	header->dst_port = (uint16_t)bench_random_next(random);
	header->protocol = any_protocol
		? (uint8_t)bench_random_next(random)
		: protocols[bench_random_below(random, SL_ARRAY_LEN(protocols))];
}

/* Fills the pool, batch by batch, with what the scan finds nothing for. Returns how many there are. */
static size_t
fill_pool(struct bench_random *random, const struct bench_rules *rules, void *linear,
	const struct bench_trace *drawn, bool any_protocol, struct bench_header *pool,
	size_t n_pool)
{
	uint32_t answers[BENCH_BURST_MAX];
	size_t n_drawn = 0;
	size_t n = 0;

	while (n < n_pool && (n_drawn < TRIES_MIN || n * TRIES_A_MISS > n_drawn)) {
		for (size_t i = 0; i < drawn->n; i++)
			draw_any(random, rules->is_v6, any_protocol, &drawn->list[i]);
		n_drawn += drawn->n;
		bench_engine_linear.classify(linear, 0, (uint32_t)drawn->n);
		bench_engine_linear.answers(linear, (uint32_t)drawn->n, answers);
		for (size_t i = 0; i < drawn->n && n < n_pool; i++)
			if (answers[i] == BENCH_NO_RULE)
				pool[n++] = drawn->list[i];
	}
	return n;
}

int
bench_traffic_add_misses(const struct bench_rules *rules, uint32_t percent, uint64_t seed,
	struct bench_trace *trace, struct sl_error *err)
{
	struct bench_random random = bench_random_seed(seed ^ UINT64_C(0x6d6973736573));
	size_t n_pool = SL_MIN(trace->n, rules->n > LARGE_SET ? POOL_MAX_LARGE : POOL_MAX);
	struct bench_header *pool = calloc(n_pool, sizeof(*pool));
	struct bench_header list[BENCH_BURST_MAX];
	const struct bench_trace drawn = {list, BENCH_BURST_MAX};
	const struct bench_case given = {rules, &drawn, 1, BENCH_SIMD_BEST};
	void *linear = NULL;
	int rc = pool == NULL ? sl_error_set(err, SL_ERR_NO_MEMORY, "--misses", "not enough memory")
			      : bench_engine_linear.build(&given, NULL, &linear, err);

	/* Where rules take all of the usual protocols from anywhere, there are others still. */
	if (rc == 0 && fill_pool(&random, rules, linear, &drawn, false, pool, n_pool) < n_pool &&
		fill_pool(&random, rules, linear, &drawn, true, pool, n_pool) < n_pool)
		rc = sl_error_set(err, SL_ERR_OUT_OF_BOUNDS, "--misses",
			"fewer than 1 of %u random headers match no rule of this set",
			TRIES_A_MISS);
	for (size_t i = 0; rc == 0 && i < trace->n; i++)
		if (bench_random_percent(&random, percent))
			trace->list[i] = pool[bench_random_below(&random, n_pool)];
	bench_engine_linear.free(linear);
	free(pool);
	return rc;
}

/* --- Traces. --- */

int
bench_traffic_make(const struct bench_rules *rules, const struct bench_traffic_spec *spec,
	struct bench_trace *trace, struct sl_error *err)
{
	struct bench_random random = bench_random_seed(spec->seed ^ UINT64_C(0x74726163650a));
	struct zipf zipf = {0};
	int rc = 0;

	memset(trace, 0, sizeof(*trace));
	trace->list = calloc(spec->n_headers, sizeof(*trace->list));
	trace->n = spec->n_headers;
	if (trace->list == NULL ||
		(spec->traffic == BENCH_TRAFFIC_ZIPF && zipf_init(&zipf, rules->n, &random) != 0))
		rc = sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory for the trace");
	for (size_t i = 0; rc == 0 && i < trace->n; i++) {
		size_t rule = spec->traffic == BENCH_TRAFFIC_ZIPF
			? zipf_pick(&zipf, &random)
			: bench_random_below(&random, rules->n);

		pick_header(&random, &rules->list[rule], rules->is_v6,
			spec->traffic == BENCH_TRAFFIC_CORNER, &trace->list[i]);
	}
	zipf_fini(&zipf);
	if (rc == 0 && spec->misses > 0)
		rc = bench_traffic_add_misses(rules, spec->misses, spec->seed, trace, err);
	if (rc != 0)
		bench_trace_fini(trace);
	return rc;
}
