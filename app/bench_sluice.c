/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_engine.h"
#include "bench_policy.h"

#include "classifier/sl_classify.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Our own engine, as a worker uses it: metadata in, match lists out. */

struct sluice {
	struct sl_snapshot *snapshot;
	const struct sl_layer_program *layer;
	struct sl_meta *metas; /* one a header */
	const struct sl_meta **pointers;
	struct sl_matches matches;
};

/* What the parser would have found in a packet with this header. */
static void
fill_meta(struct sl_meta *meta, const struct bench_header *header, bool is_v6)
{
	uint32_t src;
	uint32_t dst;

	memcpy(&src, header->src, 4);
	memcpy(&dst, header->dst, 4);
	meta->ip_version = is_v6 ? 6 : 4;
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
	meta->present |= SL_PRESENT_PORTS | SL_PRESENT(PROTOCOL) | SL_PRESENT(SRC_PORT) |
		SL_PRESENT(DST_PORT) | SL_PRESENT(LOCAL_PORT) | SL_PRESENT(REMOTE_PORT) |
		SL_PRESENT(FLAGS_TRANSPORT);
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
	free(sluice->metas);
	free(sluice);
}

static int
build(const struct bench_rules *rules, const struct bench_trace *trace, void **state,
	struct sl_error *err)
{
	struct sluice *sluice = calloc(1, sizeof(*sluice));
	struct sl_meta_ports ports = {0};
	int rc = 0;

	if (sluice != NULL) {
		sluice->metas = aligned_alloc(SL_CACHE_LINE, trace->n * sizeof(*sluice->metas));
		sluice->pointers = calloc(trace->n, sizeof(*sluice->pointers));
	}
	if (sluice == NULL || sluice->metas == NULL || sluice->pointers == NULL ||
		sl_matches_init(&sluice->matches) != 0)
		rc = sl_error_set(err, SL_ERR_NO_MEMORY, "sluice", "not enough memory");
	if (rc == 0)
		rc = bench_policy_compile(rules, &sluice->snapshot, err);
	if (rc != 0) {
		release(sluice);
		return rc;
	}
	sluice->layer = sluice->snapshot->layers[bench_policy_layer(rules)->id];
	for (size_t i = 0; i < trace->n; i++) {
		sl_meta_setup(&sluice->metas[i], SLUICE_DIRECTION_INBOUND, &ports);
		fill_meta(&sluice->metas[i], &trace->list[i], rules->is_v6);
		sluice->pointers[i] = &sluice->metas[i];
	}
	*state = sluice;
	return 0;
}

static void
classify(void *state, size_t first, uint32_t n, uint32_t answers[])
{
	struct sluice *sluice = state;

	/* One sublayer and no callouts: at most one match a packet, so a batch always fits. */
	sl_classify_run(sluice->layer, &sluice->pointers[first], n, &sluice->matches);
	for (uint32_t i = 0; i < n; i++)
		answers[i] = sluice->matches.start[i] < sluice->matches.start[i + 1]
			? sluice->matches.ranks[sluice->matches.start[i]]
			: BENCH_NO_RULE;
}

static size_t
memory(const void *state)
{
	return ((const struct sluice *)state)->layer->memory_bytes;
}

const struct bench_engine_ops bench_engine_sluice = {"sluice", build, classify, memory, release};
