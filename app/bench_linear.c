/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_engine.h"

#include "base/sl_clock.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* The plain scan: every rule in order until one matches. Right by inspection, and the judge of the others. */

struct linear_rule {
	uint64_t src[2], src_mask[2]; /* host order, high half first */
	uint64_t dst[2], dst_mask[2];
	uint16_t src_port[2], dst_port[2];
	uint8_t protocol, protocol_mask;
	uint32_t place; /* in the set */
};

struct linear {
	struct linear_rule *rules; /* sublayer after sublayer */
	size_t n;
	size_t ends[BENCH_SUBLAYERS_MAX]; /* of each sublayer's rules */
	uint32_t n_sublayers;
	const struct bench_trace *trace;
	double build_s;
	uint32_t found[BENCH_BURST_MAX * BENCH_SUBLAYERS_MAX];
};

static void
split(const uint8_t address[16], uint64_t halves[2])
{
	for (int i = 0; i < 2; i++) {
		memcpy(&halves[i], address + 8 * i, 8);
		halves[i] = be64toh(halves[i]);
	}
}

static void
mask_of(uint8_t len, uint64_t mask[2])
{
	mask[0] = len == 0 ? 0 : ~UINT64_C(0) << (len < 64 ? 64 - len : 0);
	mask[1] = len <= 64 ? 0 : ~UINT64_C(0) << (128 - len);
}

static void
set_rule(struct linear_rule *to, const struct bench_rule *from, size_t place)
{
	split(from->src, to->src);
	split(from->dst, to->dst);
	mask_of(from->src_len, to->src_mask);
	mask_of(from->dst_len, to->dst_mask);
	memcpy(to->src_port, from->src_port, sizeof(to->src_port));
	memcpy(to->dst_port, from->dst_port, sizeof(to->dst_port));
	to->protocol_mask = from->has_protocol ? 0xff : 0;
	to->protocol = from->protocol & to->protocol_mask;
	to->place = (uint32_t)place;
}

static int
build(const struct bench_case *given, const char *variant, void **state, struct sl_error *err)
{
	uint64_t start = sl_clock_monotonic_ns();
	struct linear *linear = calloc(1, sizeof(*linear));
	size_t n = 0;

	(void)variant;
	if (linear != NULL)
		linear->rules = calloc(given->rules->n, sizeof(*linear->rules));
	if (linear == NULL || linear->rules == NULL) {
		free(linear);
		return sl_error_set(err, SL_ERR_NO_MEMORY, "linear", "not enough memory");
	}
	linear->n = given->rules->n;
	linear->n_sublayers = given->n_sublayers;
	linear->trace = given->trace;
	for (uint32_t s = 0; s < given->n_sublayers; s++) {
		for (size_t i = s; i < given->rules->n; i += given->n_sublayers)
			set_rule(&linear->rules[n++], &given->rules->list[i], i);
		linear->ends[s] = n;
	}
	linear->build_s = (double)(sl_clock_monotonic_ns() - start) / 1e9;
	*state = linear;
	return 0;
}

static bool
matches(const struct linear_rule *r, const uint64_t src[2], const uint64_t dst[2],
	const struct bench_header *h)
{
	return (src[0] & r->src_mask[0]) == r->src[0] && (dst[0] & r->dst_mask[0]) == r->dst[0] &&
		h->dst_port >= r->dst_port[0] && h->dst_port <= r->dst_port[1] &&
		h->src_port >= r->src_port[0] && h->src_port <= r->src_port[1] &&
		(h->protocol & r->protocol_mask) == r->protocol &&
		(src[1] & r->src_mask[1]) == r->src[1] && (dst[1] & r->dst_mask[1]) == r->dst[1];
}

static void
classify_one(const struct linear *linear, const struct bench_header *header, uint32_t found[])
{
	uint64_t src[2];
	uint64_t dst[2];
	size_t rule = 0;

	split(header->src, src);
	split(header->dst, dst);
	for (uint32_t s = 0; s < linear->n_sublayers; s++) {
		while (rule < linear->ends[s] && !matches(&linear->rules[rule], src, dst, header))
			rule++;
		found[s] = rule < linear->ends[s] ? linear->rules[rule].place : BENCH_NO_RULE;
		rule = linear->ends[s];
	}
}

static void
classify(void *state, size_t first, uint32_t n)
{
	struct linear *linear = state;

	for (uint32_t i = 0; i < n; i++)
		classify_one(linear, &linear->trace->list[first + i],
			&linear->found[i * linear->n_sublayers]);
}

static void
answers(const void *state, uint32_t n, uint32_t out[])
{
	const struct linear *linear = state;

	memcpy(out, linear->found, (size_t)n * linear->n_sublayers * sizeof(*out));
}

static void
facts(const void *state, struct bench_engine_facts *out)
{
	const struct linear *linear = state;

	*out = (struct bench_engine_facts){
		.build_s = linear->build_s, .memory = linear->n * sizeof(struct linear_rule)};
}

static void
release(void *state)
{
	struct linear *linear = state;

	if (linear != NULL)
		free(linear->rules);
	free(linear);
}

const struct bench_engine_ops bench_engine_linear = {
	.name = "linear",
	.build = build,
	.classify = classify,
	.answers = answers,
	.facts = facts,
	.free = release,
};
