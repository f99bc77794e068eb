/* SPDX-License-Identifier: BSD-3-Clause */
#include "duel.h"

#include "print.h"

#include <stdio.h>
#include <string.h>

void
duel_init(struct duel *duel, const char *shape)
{
	*duel = (struct duel){.seed = random_seed(), .shape = shape};
	if (sl_matches_init(&duel->compiled) != 0 || sl_matches_init(&duel->reference) != 0)
		die("duel", "out of memory");
}

void
duel_fini(struct duel *duel)
{
	sl_matches_fini(&duel->compiled);
	sl_matches_fini(&duel->reference);
}

/* --- Comparing. --- */

static uint32_t
list_len(const struct sl_matches *matches, uint32_t i)
{
	return matches->start[i + 1] - matches->start[i];
}

/* How many packets from the first on have the same lists by both engines, of `n`. */
static uint32_t
count_equal(const struct duel *duel, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t len = list_len(&duel->compiled, i);

		if (len != list_len(&duel->reference, i) ||
			memcmp(duel->compiled.ranks + duel->compiled.start[i],
				duel->reference.ranks + duel->reference.start[i],
				len * sizeof(uint32_t)) != 0)
			return i;
	}
	return n;
}

/* True when no list is longer than the program says. */
static bool
fits(const struct sl_layer_program *layer, const struct sl_matches *matches, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (list_len(matches, i) > layer->matches_max)
			return false;
	}
	return true;
}

uint32_t
duel_run(struct duel *duel, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		const uint32_t left = n - done;
		uint32_t both = sl_reference_run(layer, metas + done, left, &duel->reference);

		if (!fits(layer, &duel->reference, both))
			die(duel->shape, "a match list is longer than matches_max says");
		for (enum sl_simd simd = 0; simd < SL_SIMD_COUNT; simd++) {
			uint32_t by_form;
			uint32_t equal;

			if (!sl_simd_has(simd))
				continue;
			by_form = sl_classify_run_as(
				simd, layer, metas + done, left, &duel->compiled);
			both = SL_MIN(both, by_form);
			equal = count_equal(duel, both);
			if (equal < both || both == 0)
				return done + equal;
			duel->n_runs += both;
		}
		duel->n_matches += duel->reference.start[both];
		done += both;
	}
	duel->n_packets += n;
	return n;
}

/* --- Shrinking. --- */

/* A difference to keep: one packet, or a batch when the packet alone does not show it. */
struct quarry {
	const struct sl_meta *const *metas;
	uint32_t n;
};

static bool
differs(struct duel *duel, const struct generator *g, const struct sl_policy *policy,
	const struct quarry *quarry)
{
	struct sl_snapshot *snapshot = generator_compile(policy, NULL);
	const struct sl_layer_program *layer = snapshot->layers[g->layer->id];
	const bool is_different =
		layer != NULL && duel_run(duel, layer, quarry->metas, quarry->n) < quarry->n;

	sl_snapshot_free(snapshot);
	return is_different;
}

/* Tries without filters [from, from + n). */
static bool
shrink_step(
	struct duel *duel, struct generator *g, const struct quarry *quarry, size_t from, size_t n)
{
	struct sl_policy *smaller = must(sl_policy_clone(g->policy));
	struct sl_object *const *filters;
	size_t n_filters;

	filters = sl_policy_list(g->policy, SL_OBJECT_FILTER, &n_filters);
	for (size_t i = from; i < from + n && i < n_filters; i++)
		sl_policy_remove(smaller, SL_OBJECT_FILTER, filters[i]->key);
	if (!differs(duel, g, smaller, quarry)) {
		sl_policy_free(smaller);
		return false;
	}
	sl_policy_free(g->policy);
	g->policy = smaller;
	return true;
}

static void
shrink(struct duel *duel, struct generator *g, const struct quarry *quarry)
{
	for (size_t n = sl_policy_len(g->policy, SL_OBJECT_FILTER); n > 0; n /= 2) {
		size_t from = 0;

		while (from < sl_policy_len(g->policy, SL_OBJECT_FILTER)) {
			if (!shrink_step(duel, g, quarry, from, n))
				from += n;
		}
	}
}

/* --- Telling. --- */

static void
print_list(const char *engine, const struct sl_layer_program *layer,
	const struct sl_matches *matches, uint32_t i)
{
	fprintf(stderr, "%s:", engine);
	for (uint32_t at = matches->start[i]; at < matches->start[i + 1]; at++)
		fprintf(stderr, " %s", layer->filters[matches->ranks[at]].object->object.key);
	fprintf(stderr, "\n");
}

/* What every form says about packet `i` of a batch that is short enough to be done in one go. */
static void
print_answers(struct duel *duel, const struct sl_layer_program *layer, const struct quarry *quarry,
	uint32_t i)
{
	for (enum sl_simd simd = 0; simd < SL_SIMD_COUNT; simd++) {
		if (sl_simd_has(simd) &&
			sl_classify_run_as(simd, layer, quarry->metas, quarry->n, &duel->compiled) >
				i)
			print_list(sl_simd_name(simd), layer, &duel->compiled, i);
	}
	if (sl_reference_run(layer, quarry->metas, quarry->n, &duel->reference) > i)
		print_list("reference", layer, &duel->reference, i);
}

void
duel_print(struct duel *duel, const struct sl_layer_program *layer, const struct sl_meta *meta)
{
	const struct quarry quarry = {.metas = &meta, .n = 1};

	print_answers(duel, layer, &quarry, 0);
}

static void
print_quarry(struct duel *duel, struct generator *g, const struct quarry *quarry)
{
	struct sl_snapshot *snapshot = generator_compile(g->policy, NULL);
	const struct sl_layer_program *layer = snapshot->layers[g->layer->id];
	const uint32_t bad = duel_run(duel, layer, quarry->metas, quarry->n);
	size_t n;
	struct sl_object *const *filters = sl_policy_list(g->policy, SL_OBJECT_FILTER, &n);

	for (size_t i = 0; i < n && i < 100; i++)
		print_filter(sl_filter_of(filters[i]));
	fprintf(stderr, "%zu filters; packet %u of a batch of %u\n", n, bad, quarry->n);
	if (bad < quarry->n) {
		print_meta(g->layer, quarry->metas[bad]);
		print_answers(duel, layer, quarry, bad);
	}
	sl_snapshot_free(snapshot);
}

void
duel_report(struct duel *duel, struct generator *g, const struct sl_meta *const metas[], uint32_t n,
	uint32_t bad)
{
	struct quarry quarry = {.metas = metas + bad, .n = 1};

	fprintf(stderr,
		"engines differ at %s, shape \"%s\", %zu filters; SLUICE_SEED=%llu repeats it\n",
		g->layer->name, duel->shape, sl_policy_len(g->policy, SL_OBJECT_FILTER),
		(unsigned long long)duel->seed);
	if (!differs(duel, g, g->policy, &quarry))
		quarry = (struct quarry){.metas = metas, .n = n};
	if (!differs(duel, g, g->policy, &quarry)) {
		fprintf(stderr, "... not when the policy is compiled from nothing\n");
		print_meta(g->layer, metas[bad]);
		return;
	}
	shrink(duel, g, &quarry);
	print_quarry(duel, g, &quarry);
}
