/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_acl_build.h"
#include "bench_median.h"

#include "base/sl_clock.h"
#include "classifier/sl_classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * DPDK's rte_acl at its best: the set is built with several limits of size, and for each length of bursts
 * every method this CPU has is tried on every build; what was fastest is taken.  Needs EAL memory.
 */

#define TRIALS     7                 /* of each method on each build; their median counts */
#define TRIAL_NS   UINT64_C(4000000) /* length of one */
#define WARM_UP_NS UINT64_C(1000000) /* before it: the others took the caches */
#define RULES_FOR_ALL \
	20000 /* larger sets are built with the default limit alone: each takes long */

static const struct {
	const char *name;
	enum rte_acl_classify_alg alg;
	enum sl_simd simd; /* the instruction set it stands beside */
} methods[] = {
	{"scalar", RTE_ACL_CLASSIFY_SCALAR, SL_SIMD_PORTABLE},
	{"sse", RTE_ACL_CLASSIFY_SSE, SL_SIMD_PORTABLE},
	{"avx2", RTE_ACL_CLASSIFY_AVX2, SL_SIMD_AVX2},
	{"avx512x16", RTE_ACL_CLASSIFY_AVX512X16, SL_SIMD_AVX512},
	{"avx512x32", RTE_ACL_CLASSIFY_AVX512X32, SL_SIMD_AVX512},
};

static const char *const method_names[] = {"scalar", "sse", "avx2", "avx512x16", "avx512x32", NULL};

#define N_METHODS SL_ARRAY_LEN(methods)

/* 0 is the builder's default. */
static const size_t sizes[] = {0, (size_t)64 << 20, (size_t)512 << 20};

struct acl {
	struct bench_acl_context contexts[SL_ARRAY_LEN(sizes)];
	size_t n_contexts;
	bool may[N_METHODS]; /* methods to choose from */
	size_t context;      /* chosen */
	size_t method;       /* chosen */
	uint32_t n_sublayers;
	uint32_t n_categories;
	struct bench_acl_key *keys;
	const uint8_t **pointers;
	size_t n_headers;
	uint32_t found[BENCH_BURST_MAX * BENCH_SUBLAYERS_MAX];
};

static void
release(void *state)
{
	struct acl *acl = state;

	if (acl == NULL)
		return;
	for (size_t i = 0; i < acl->n_contexts; i++)
		rte_acl_free(acl->contexts[i].ctx);
	free(acl->pointers);
	free(acl->keys);
	free(acl);
}

static int
fill_keys(struct acl *acl, const struct bench_trace *trace)
{
	acl->keys = calloc(trace->n, sizeof(*acl->keys));
	acl->pointers = calloc(trace->n, sizeof(*acl->pointers));
	if (acl->keys == NULL || acl->pointers == NULL)
		return -1;
	acl->n_headers = trace->n;
	for (size_t i = 0; i < trace->n; i++) {
		bench_acl_fill_key(&acl->keys[i], &trace->list[i]);
		acl->pointers[i] = (const uint8_t *)&acl->keys[i];
	}
	return 0;
}

/* Which methods to try: one that was named, else what the form of the others allows. */
static void
choose_methods(struct acl *acl, const struct bench_case *given, const char *variant)
{
	for (size_t m = 0; m < N_METHODS; m++) {
		if (variant != NULL)
			acl->may[m] = strcmp(variant, methods[m].name) == 0;
		else
			acl->may[m] = given->simd == BENCH_SIMD_BEST ||
				(int)methods[m].simd <= given->simd;
	}
}

/* Leaves out what this CPU has not. */
static int
keep_runnable(struct acl *acl, struct sl_error *err)
{
	size_t n = 0;

	for (size_t m = 0; m < N_METHODS; m++) {
		if (acl->may[m])
			acl->may[m] =
				rte_acl_set_ctx_classify(acl->contexts[0].ctx, methods[m].alg) == 0;
		if (acl->may[m] && n++ == 0)
			acl->method = m;
	}
	if (n > 0)
		return 0;
	return sl_error_set(
		err, SL_ERR_INVALID_PARAMETER, "rte_acl", "this CPU cannot run the method");
}

static int
build_contexts(struct acl *acl, const struct bench_case *given, struct sl_error *err)
{
	size_t n_sizes = given->rules->n > RULES_FOR_ALL ? 1 : SL_ARRAY_LEN(sizes);
	int rc = 0;

	for (size_t i = 0; i < n_sizes; i++) {
		int failed = bench_acl_build(given, sizes[i], &acl->contexts[acl->n_contexts]);

		if (failed == 0)
			acl->n_contexts++;
		else
			rc = failed;
	}
	if (acl->n_contexts > 0)
		return 0;
	return sl_error_set(err, SL_ERR_NO_MEMORY, "rte_acl", "cannot build: %s", strerror(-rc));
}

static int
build(const struct bench_case *given, const char *variant, void **state, struct sl_error *err)
{
	struct acl *acl = calloc(1, sizeof(*acl));
	int rc;

	if (acl == NULL || fill_keys(acl, given->trace) != 0) {
		release(acl);
		return sl_error_set(err, SL_ERR_NO_MEMORY, "rte_acl", "not enough memory");
	}
	acl->n_sublayers = given->n_sublayers;
	acl->n_categories = bench_acl_categories(given);
	choose_methods(acl, given, variant);
	rc = build_contexts(acl, given, err);
	if (rc == 0)
		rc = keep_runnable(acl, err);
	if (rc != 0) {
		release(acl);
		return rc;
	}
	*state = acl;
	return 0;
}

static void
classify(void *state, size_t first, uint32_t n)
{
	struct acl *acl = state;

	rte_acl_classify(acl->contexts[acl->context].ctx, acl->pointers + first, acl->found, n,
		acl->n_categories);
}

/* Lookups a nanosecond of what is chosen, over `ns`. */
static double
rate_over(struct acl *acl, uint32_t burst, uint64_t ns, size_t *at)
{
	uint64_t start = sl_clock_monotonic_ns();
	uint64_t lookups = 0;
	uint64_t now;

	do {
		for (int i = 0; i < 8; i++) {
			uint32_t n = (uint32_t)SL_MIN((size_t)burst, acl->n_headers - *at);

			classify(acl, *at, n);
			*at = *at + n == acl->n_headers ? 0 : *at + n;
			lookups += n;
		}
		now = sl_clock_monotonic_ns();
	} while (now - start < ns);
	return (double)lookups / (double)(now - start);
}

static double
try_chosen(struct acl *acl, uint32_t burst, size_t *at)
{
	rte_acl_set_ctx_classify(acl->contexts[acl->context].ctx, methods[acl->method].alg);
	(void)rate_over(acl, burst, WARM_UP_NS, at);
	return rate_over(acl, burst, TRIAL_NS, at);
}

/* Trials go round, so that a neighbour's load hits every method alike. */
static void
tune(void *state, uint32_t burst)
{
	struct acl *acl = state;
	double rates[SL_ARRAY_LEN(sizes)][N_METHODS][TRIALS] = {0};
	size_t best_context = 0;
	size_t best_method = acl->method;
	double best = 0;
	size_t at = 0;

	for (size_t trial = 0; trial < TRIALS; trial++)
		for (acl->context = 0; acl->context < acl->n_contexts; acl->context++)
			for (acl->method = 0; acl->method < N_METHODS; acl->method++)
				if (acl->may[acl->method])
					rates[acl->context][acl->method][trial] =
						try_chosen(acl, burst, &at);
	for (size_t c = 0; c < acl->n_contexts; c++) {
		for (size_t m = 0; m < N_METHODS; m++) {
			double rate = bench_median(rates[c][m], TRIALS);

			if (rate > best) {
				best = rate;
				best_context = c;
				best_method = m;
			}
		}
	}
	acl->context = best_context;
	acl->method = best_method;
	rte_acl_set_ctx_classify(acl->contexts[best_context].ctx, methods[best_method].alg);
}

static void
answers(const void *state, uint32_t n, uint32_t out[])
{
	const struct acl *acl = state;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t s = 0; s < acl->n_sublayers; s++) {
			uint32_t found = acl->found[i * acl->n_categories + s];

			*out++ = found == 0 ? BENCH_NO_RULE : found - 1;
		}
	}
}

static void
facts(const void *state, struct bench_engine_facts *out)
{
	const struct acl *acl = state;
	const struct bench_acl_context *context = &acl->contexts[acl->context];

	*out = (struct bench_engine_facts){.build_s = context->build_s, .memory = context->memory};
	snprintf(out->chosen, sizeof(out->chosen), "%s, max_size %zu MB", methods[acl->method].name,
		context->max_size >> 20);
}

const struct bench_engine_ops bench_engine_acl = {
	.name = "rte_acl",
	.variants = method_names,
	.build = build,
	.tune = tune,
	.classify = classify,
	.answers = answers,
	.facts = facts,
	.free = release,
};
