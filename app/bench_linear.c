/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_engine.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The plain scan: every rule in order until one matches. Right by inspection, and the judge of the others. */

struct linear_rule {
	uint64_t src[2], src_mask[2]; /* host order, high half first */
	uint64_t dst[2], dst_mask[2];
	uint16_t src_port[2], dst_port[2];
	uint8_t protocol, protocol_mask;
};

struct linear {
	struct linear_rule *rules;
	size_t n;
	const struct bench_trace *trace;
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

static int
build(const struct bench_rules *rules, const struct bench_trace *trace, void **state,
	struct sl_error *err)
{
	struct linear *linear = calloc(1, sizeof(*linear));

	if (linear != NULL)
		linear->rules = calloc(rules->n, sizeof(*linear->rules));
	if (linear == NULL || linear->rules == NULL) {
		free(linear);
		return sl_error_set(err, SL_ERR_NO_MEMORY, "linear", "not enough memory");
	}
	linear->n = rules->n;
	linear->trace = trace;
	for (size_t i = 0; i < rules->n; i++) {
		const struct bench_rule *from = &rules->list[i];
		struct linear_rule *to = &linear->rules[i];

		split(from->src, to->src);
		split(from->dst, to->dst);
		mask_of(from->src_len, to->src_mask);
		mask_of(from->dst_len, to->dst_mask);
		memcpy(to->src_port, from->src_port, sizeof(to->src_port));
		memcpy(to->dst_port, from->dst_port, sizeof(to->dst_port));
		to->protocol_mask = from->has_protocol ? 0xff : 0;
		to->protocol = from->protocol & to->protocol_mask;
	}
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
classify(void *state, size_t first, uint32_t n, uint32_t answers[])
{
	const struct linear *linear = state;

	for (uint32_t i = 0; i < n; i++) {
		const struct bench_header *header = &linear->trace->list[first + i];
		uint64_t src[2];
		uint64_t dst[2];
		size_t rule = 0;

		split(header->src, src);
		split(header->dst, dst);
		while (rule < linear->n && !matches(&linear->rules[rule], src, dst, header))
			rule++;
		answers[i] = rule < linear->n ? (uint32_t)rule : BENCH_NO_RULE;
	}
}

static size_t
memory(const void *state)
{
	return ((const struct linear *)state)->n * sizeof(struct linear_rule);
}

static void
release(void *state)
{
	struct linear *linear = state;

	if (linear != NULL)
		free(linear->rules);
	free(linear);
}

const struct bench_engine_ops bench_engine_linear = {"linear", build, classify, memory, release};
