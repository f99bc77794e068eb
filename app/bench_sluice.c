/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_engine.h"
#include "bench_policy.h"

#include "classifier/sl_classify.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Our own engine, as a worker uses it: metadata in, match lists out.
 *
 * A worker classifies packets whose metadata its parser has just written, so that it is in the first
 * levels of the cache.  A trace of full structures, 256 bytes each, would instead be streamed in from
 * memory, four lines a header, where the other engines read keys of 40 bytes.  All that the rules ask
 * for is in the first line of the structure; the structures of consecutive headers therefore lie one
 * line apart, each overlapping the next three.  What stands behind the first line is then some other
 * header's, and harmless: no presence bit says that it has a value.  That way all engines read a similar
 * number of bytes a header.
 */

#define LINE 64u

#define IN_FIRST_LINE(member) \
	(offsetof(struct sl_meta, member) + sizeof(((struct sl_meta *)NULL)->member) <= LINE)

_Static_assert(IN_FIRST_LINE(present) && IN_FIRST_LINE(ip4_src) && IN_FIRST_LINE(ip4_dst) &&
		IN_FIRST_LINE(ip6_src) && IN_FIRST_LINE(ip6_dst) && IN_FIRST_LINE(local_port) &&
		IN_FIRST_LINE(remote_port) && IN_FIRST_LINE(src_port) && IN_FIRST_LINE(dst_port) &&
		IN_FIRST_LINE(protocol) && IN_FIRST_LINE(flags_transport),
	"the headers of a trace are laid out a cache line apart");

struct sluice {
	struct sl_snapshot *snapshot;
	const struct sl_layer_program *layer;
	uint8_t *lines; /* one a header, and the rest of the last structure */
	const struct sl_meta **pointers;
	uint32_t n_sublayers;
	int simd;
	struct sl_matches matches;
};

/* What the parser would have found in a packet with this header. */
static void
fill_meta(struct sl_meta *meta, const struct bench_header *header, bool is_v6)
{
	uint32_t src;
	uint32_t dst;

	memset(meta, 0, sizeof(*meta));
	memcpy(&src, header->src, 4);
	memcpy(&dst, header->dst, 4);
	if (is_v6) {
		memcpy(meta->ip6_src, header->src, 16);
		memcpy(meta->ip6_dst, header->dst, 16);
		meta->present = SL_PRESENT(IP6_SRC) | SL_PRESENT(IP6_DST);
	} else {
		meta->ip4_src = be32toh(src);
		meta->ip4_dst = be32toh(dst);
		meta->present = SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST);
	}
	meta->protocol = header->protocol;
	meta->src_port = header->src_port;
	meta->dst_port = header->dst_port;
	meta->local_port = header->dst_port;
	meta->remote_port = header->src_port;
	meta->present |= SL_PRESENT(PROTOCOL) | SL_PRESENT(SRC_PORT) | SL_PRESENT(DST_PORT) |
		SL_PRESENT(LOCAL_PORT) | SL_PRESENT(REMOTE_PORT) | SL_PRESENT(FLAGS_TRANSPORT);
}

static int
fill_lines(struct sluice *sluice, const struct bench_trace *trace, bool is_v6)
{
	struct sl_meta meta;

	sluice->lines = aligned_alloc(LINE, trace->n * LINE + sizeof(struct sl_meta));
	sluice->pointers = calloc(trace->n, sizeof(*sluice->pointers));
	if (sluice->lines == NULL || sluice->pointers == NULL)
		return -1;
	for (size_t i = 0; i < trace->n; i++) {
		fill_meta(&meta, &trace->list[i], is_v6);
		memcpy(sluice->lines + i * LINE, &meta, LINE);
		sluice->pointers[i] = (const struct sl_meta *)(void *)(sluice->lines + i * LINE);
	}
	memset(sluice->lines + trace->n * LINE, 0, sizeof(struct sl_meta));
	return 0;
}

static void
release(void *state)
{
	struct sluice *sluice = state;

	if (sluice == NULL)
		return;
	sl_matches_fini(&sluice->matches);
	sl_snapshot_free(sluice->snapshot);
	free(sluice->pointers);
	free(sluice->lines);
	free(sluice);
}

static int
build(const struct bench_case *given, const char *variant, void **state, struct sl_error *err)
{
	struct sl_policy *policy = NULL;
	struct sluice *sluice;
	int rc = 0;

	(void)variant;
	sluice = calloc(1, sizeof(*sluice));
	if (sluice == NULL || fill_lines(sluice, given->trace, given->rules->is_v6) != 0 ||
		sl_matches_init(&sluice->matches) != 0)
		rc = sl_error_set(err, SL_ERR_NO_MEMORY, "sluice", "not enough memory");
	if (rc == 0)
		rc = bench_policy_make(
			given->rules, given->rules->n, given->n_sublayers, &policy, err);
	if (rc == 0)
		rc = bench_policy_compile(policy, &sluice->snapshot, err);
	sl_policy_free(policy); /* the snapshot keeps what it needs of it */
	if (rc != 0) {
		release(sluice);
		return rc;
	}
	sluice->layer = sluice->snapshot->layers[bench_policy_layer(given->rules)->id];
	sluice->n_sublayers = given->n_sublayers;
	sluice->simd = given->simd;
	*state = sluice;
	return 0;
}

static void
classify(void *state, size_t first, uint32_t n)
{
	struct sluice *sluice = state;

	/* A match a sublayer at most, of which there are few: a batch always fits. */
	if (sluice->simd == BENCH_SIMD_BEST)
		sl_classify_run(sluice->layer, &sluice->pointers[first], n, &sluice->matches);
	else
		sl_classify_run_as((enum sl_simd)sluice->simd, sluice->layer,
			&sluice->pointers[first], n, &sluice->matches);
}

/* Ranks go up sublayer by sublayer, and in each by the rules' places. */
static void
answers(const void *state, uint32_t n, uint32_t out[])
{
	const struct sluice *sluice = state;
	const struct sl_layer_program *layer = sluice->layer;

	for (uint32_t i = 0; i < n * sluice->n_sublayers; i++)
		out[i] = BENCH_NO_RULE;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t m = sluice->matches.start[i]; m < sluice->matches.start[i + 1]; m++) {
			uint32_t rank = sluice->matches.ranks[m];
			uint32_t s = layer->hot[rank].sublayer;

			out[i * sluice->n_sublayers + s] =
				(rank - layer->sublayers[s].first) * sluice->n_sublayers + s;
		}
	}
}

static void
facts(const void *state, struct bench_engine_facts *out)
{
	const struct sluice *sluice = state;

	*out = (struct bench_engine_facts){.build_s = (double)sluice->snapshot->build_ns / 1e9,
		.memory = sluice->layer->memory_bytes};
	snprintf(out->chosen, sizeof(out->chosen), "%s",
		sl_simd_name(sluice->simd == BENCH_SIMD_BEST ? sl_simd_best()
							     : (enum sl_simd)sluice->simd));
}

const struct bench_engine_ops bench_engine_sluice = {
	.name = "sluice",
	.build = build,
	.classify = classify,
	.answers = answers,
	.facts = facts,
	.free = release,
};
