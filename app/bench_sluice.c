/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_engine.h"
#include "bench_metas.h"
#include "bench_policy.h"

#include "classifier/sl_classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our own engine, as a worker uses it: metadata in, match lists out. */

struct sluice {
	struct sl_snapshot *snapshot;
	const struct sl_layer_program *layer;
	struct bench_metas metas;
	uint32_t n_sublayers;
	int simd;
	struct sl_matches matches;
};

static void
release(void *state)
{
	struct sluice *sluice = state;

	if (sluice == NULL)
		return;
	sl_matches_fini(&sluice->matches);
	sl_snapshot_free(sluice->snapshot);
	bench_metas_fini(&sluice->metas);
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
	if (sluice == NULL ||
		bench_metas_init(&sluice->metas, given->trace, given->rules->is_v6) != 0 ||
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
		sl_classify_run(sluice->layer, &sluice->metas.list[first], n, &sluice->matches);
	else
		sl_classify_run_as((enum sl_simd)sluice->simd, sluice->layer,
			&sluice->metas.list[first], n, &sluice->matches);
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
