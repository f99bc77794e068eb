/* SPDX-License-Identifier: BSD-3-Clause */
#include "history.h"
#include "print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * Policies that change: thousands of random steps, and after each one the program in force holds the
 * filters of the policy in their order, and every form answers as the reference does about packets
 * aimed at what has changed and at what has not.  Snapshots of earlier steps stay in use for a while
 * and must go on answering as they did.
 *
 * On a difference the fewest steps that still make it are shown.  SLUICE_SEED repeats a run.
 */

#define LAG         3  /* commits for which a replaced snapshot is still used */
#define AIMS_MAX    48 /* packets of one check */
#define MEMORIES    6  /* packets whose answers are remembered for the lag */
#define REPLAYS_MAX 600

struct plan {
	const char *name;
	uint32_t n_start; /* filters to start from */
	uint32_t n_steps;
	uint32_t n_packets;   /* per step and layer */
	uint32_t order_every; /* commits between looks at the whole order */
	uint32_t layer;
	bool is_calm;              /* filters alone change, and every commit tells which */
	uint32_t callout_percent;  /* how many filters may continue */
	uint32_t n_conditions_max; /* of a filter */
};

/* A snapshot that was replaced, and what it said. */
struct memory {
	struct sl_snapshot *snapshot;
	struct sl_meta *metas;
	uint64_t answers[MEMORIES];
};

struct run {
	const struct plan *plan;
	struct duel duel;
	struct generator g;
	struct generator other;
	struct history history;
	struct random random; /* of steps; packets have the generators' */
	struct step *steps;
	uint32_t n_steps;
	uint32_t n_steps_max;
	uint32_t n_to_join;
	bool *present; /* by filter */
	uint32_t n_present;
	struct sl_meta *metas;
	struct memory memories[LAG];
	uint32_t n_commits;
	/* The difference, when there was one. */
	const struct sl_layer *bad_layer;
	const char *fault;
	const struct sl_meta *bad_meta; /* NULL: the order is wrong */
};

/* --- Making steps. --- */

static void
push(struct run *run, struct step step)
{
	if (run->n_steps == run->n_steps_max) {
		run->n_steps_max = 2 * run->n_steps_max + 64;
		run->steps = must(realloc(run->steps, run->n_steps_max * sizeof(*run->steps)));
	}
	run->steps[run->n_steps++] = step;
}

static uint32_t
n_filters_max(const struct plan *plan)
{
	return 2 * plan->n_start + 48;
}

static void
set_present(struct run *run, uint32_t number, bool is_present)
{
	run->n_present += is_present - run->present[number];
	run->present[number] = is_present;
}

/* A filter that is there, or one that is not, when some try finds one. */
static uint32_t
any_filter(struct run *run, bool is_present)
{
	const uint32_t n = n_filters_max(run->plan);
	uint32_t number = random_below(&run->random, n);

	for (uint32_t i = 0; i < 40 && run->present[number] != is_present; i++)
		number = random_below(&run->random, n);
	return number;
}

/* Steps by their share of a thousand; the others add and delete. */
static enum step_kind
any_kind(struct run *run)
{
	static const struct {
		enum step_kind kind;
		uint16_t share;
		uint16_t share_when_calm;
	} shares[] = {{STEP_SUBLAYER, 10, 0}, {STEP_SET, 5, 0}, {STEP_BIND, 5, 0},
		{STEP_FOLD_BEGIN, 30, 4}, {STEP_FOLD_END, 30, 4}, {STEP_WEIGHT, 70, 70},
		{STEP_BACK, 120, 120}};
	const uint32_t bound = run->plan->n_start + 16;
	uint32_t dice = random_below(&run->random, 1000);

	for (uint32_t i = 0; i < SL_ARRAY_LEN(shares); i++) {
		const uint32_t share =
			run->plan->is_calm ? shares[i].share_when_calm : shares[i].share;

		if (dice < share)
			return shares[i].kind;
		dice -= share;
	}
	/* The number of filters swings around where it started. */
	if (random_below(&run->random, 2 * bound) < run->n_present)
		return STEP_DELETE;
	return STEP_PUT;
}

/* Now and then many steps are committed together. */
static bool
any_joined(struct run *run)
{
	if (run->n_to_join == 0 && random_below(&run->random, 400) == 0)
		run->n_to_join = random_below(&run->random, 200);
	if (run->n_to_join > 0)
		return --run->n_to_join > 0;
	return random_chance(&run->random, 25);
}

static struct step
make_step(struct run *run)
{
	struct step step = {.kind = (uint8_t)any_kind(run),
		.is_joined = any_joined(run),
		.has_changes = run->plan->is_calm || random_chance(&run->random, 85),
		.seed = random_next(&run->random) | 1u << 20};

	switch ((enum step_kind)step.kind) {
	case STEP_PUT:
		step.number = any_filter(run, random_chance(&run->random, 30));
		set_present(run, step.number, true);
		break;
	case STEP_BACK:
		step.number = any_filter(run, false);
		set_present(run, step.number, true);
		break;
	case STEP_DELETE:
		step.number = any_filter(run, true);
		set_present(run, step.number, false);
		break;
	default:
		step.number = random_below(&run->random, n_filters_max(run->plan));
	}
	return step;
}

/* --- Checking. --- */

static bool
packets_agree(struct run *run, const struct sl_layer_program *program, uint32_t n)
{
	const struct sl_meta *metas[AIMS_MAX];
	uint32_t bad;

	for (uint32_t i = 0; i < n; i++)
		metas[i] = &run->metas[i];
	bad = duel_run(&run->duel, program, metas, n);
	if (bad == n)
		return true;
	run->bad_layer = program->layer;
	run->bad_meta = metas[bad];
	run->fault = "the engines differ";
	return false;
}

static void
turn_to_object(struct generator *g, const struct sl_filter *filter, struct sl_meta *meta)
{
	const struct sl_filter_run as_run = {.object = filter};

	packet_turn(g, &as_run, 97, meta);
}

/* Packets for a layer: every second one for the filter that the last step was about. */
static bool
check_layer(struct run *run, struct generator *g, const struct sl_filter *changed)
{
	const struct sl_layer_program *program = run->history.snapshot->layers[g->layer->id];
	const uint32_t n = run->plan->n_packets;
	struct targets targets;

	if (program == NULL)
		return true;
	targets_init(&targets, program);
	for (uint32_t i = 0; i < n; i++) {
		if (targets.n > 0)
			packet_aim(g, &targets, &run->metas[i]);
		else
			generator_meta(g, &run->metas[i]);
		if (i % 2 == 0 && changed != NULL && changed->layer == g->layer)
			turn_to_object(g, changed, &run->metas[i]);
	}
	targets_fini(&targets);
	return packets_agree(run, program, n);
}

static bool
order_holds(struct run *run, const struct sl_layer *layer)
{
	run->bad_layer = layer;
	run->bad_meta = NULL;
	return history_is_in_order(&run->history, layer, &run->fault);
}

static bool
check_order(struct run *run)
{
	return order_holds(run, run->g.layer) && order_holds(run, run->other.layer);
}

/* --- Snapshots that were replaced. --- */

/* One number for what the first layer says about a packet: which filters, in which order. */
static uint64_t
answer(struct run *run, const struct sl_snapshot *snapshot, const struct sl_meta *meta)
{
	const struct sl_layer_program *program = snapshot->layers[run->g.layer->id];
	struct sl_matches *out = &run->duel.compiled;
	uint64_t sum = 1469598103934665603u;

	if (program == NULL || sl_classify_run(program, &meta, 1, out) != 1)
		return 0;
	for (uint32_t i = 0; i < out->start[1]; i++) {
		const struct sl_filter_run *filter = &program->filters[out->ranks[i]];

		sum = (sum ^ filter->id) * 1099511628211u;
		sum = (sum ^ filter->weight) * 1099511628211u;
		sum = (sum ^ filter->object->raw_context) * 1099511628211u;
	}
	return sum;
}

static void
remember(struct run *run, struct sl_snapshot *old)
{
	struct memory *memory = &run->memories[run->n_commits % LAG];

	sl_snapshot_free(memory->snapshot);
	memory->snapshot = old;
	for (uint32_t i = 0; i < MEMORIES && old != NULL; i++) {
		memory->metas[i] = run->metas[i];
		memory->answers[i] = answer(run, old, &memory->metas[i]);
	}
}

static bool
memories_hold(struct run *run)
{
	for (uint32_t at = 0; at < LAG; at++) {
		const struct memory *memory = &run->memories[at];

		for (uint32_t i = 0; i < MEMORIES && memory->snapshot != NULL; i++) {
			if (answer(run, memory->snapshot, &memory->metas[i]) == memory->answers[i])
				continue;
			run->bad_layer = run->g.layer;
			run->bad_meta = &memory->metas[i];
			run->fault = "a replaced snapshot answers otherwise than it did";
			return false;
		}
	}
	return true;
}

static void
forget(struct run *run)
{
	for (uint32_t at = 0; at < LAG; at++) {
		sl_snapshot_free(run->memories[at].snapshot);
		run->memories[at].snapshot = NULL;
	}
}

/* --- Playing. --- */

static void
begin(struct run *run)
{
	run->g.random.state = run->duel.seed + run->plan->n_start * 31 + run->plan->layer;
	generator_begin(&run->g, generator_layer(run->plan->layer));
	generator_sublayers(&run->g, 8);
	run->g.callout_percent = run->plan->callout_percent;
	run->g.n_conditions_max = run->plan->n_conditions_max;
	/* So that conditions have values to meet at, whichever filters there are. */
	for (uint32_t i = 0; i < 60; i++)
		sl_object_put(&generator_filter(&run->g)->object);
	run->g.is_frozen = true;
	generator_other(&run->g, generator_layer(run->plan->layer + 5), &run->other);
	history_begin(&run->history, &run->g, &run->other, n_filters_max(run->plan));
}

static void
end(struct run *run)
{
	forget(run);
	history_end(&run->history);
	generator_end(&run->g);
}

static const struct sl_filter *
filter_of_step(const struct run *run, const struct step *step)
{
	char key[32];
	const struct sl_object *object;

	if (step->kind > STEP_WEIGHT)
		return NULL;
	snprintf(key, sizeof(key), "filter%u", step->number);
	object = sl_policy_find(run->g.policy, SL_OBJECT_FILTER, key);
	return object == NULL ? NULL : sl_filter_of(object);
}

/* Plays a step and checks what it led to. */
static bool
play_and_check(struct run *run, const struct step *step)
{
	const struct sl_filter *before = filter_of_step(run, step);
	const struct sl_filter *changed;
	struct sl_snapshot *old;
	bool is_right;

	if (before != NULL)
		sl_object_get(&before->object);
	if (history_play(&run->history, step, &old)) {
		run->n_commits++;
		if (old != NULL)
			remember(run, old);
		changed = filter_of_step(run, step);
		if (changed == NULL)
			changed = before;
		is_right = (run->n_commits % run->plan->order_every != 0 || check_order(run)) &&
			check_layer(run, &run->g, changed) &&
			check_layer(run, &run->other, changed) && memories_hold(run);
	} else {
		is_right = true;
	}
	if (before != NULL)
		sl_object_put((struct sl_object *)(uintptr_t)&before->object);
	return is_right;
}

/* --- Shrinking. --- */

/* Plays the steps that are kept; true when the same thing goes wrong at some commit. */
static bool
goes_wrong(struct run *run, const bool *kept)
{
	const struct sl_meta *meta = run->bad_meta;
	const struct sl_layer *layer = run->bad_layer;
	bool is_wrong = false;

	begin(run);
	for (uint32_t i = 0; i < run->n_steps && !is_wrong; i++) {
		struct sl_snapshot *old;
		const struct sl_layer_program *program;

		if (!kept[i] || !history_play(&run->history, &run->steps[i], &old))
			continue;
		sl_snapshot_free(old);
		program = run->history.snapshot->layers[layer->id];
		if (meta == NULL)
			is_wrong = !order_holds(run, layer);
		else if (program != NULL)
			is_wrong = duel_run(&run->duel, program, &meta, 1) == 0;
	}
	run->bad_meta = meta;
	run->bad_layer = layer;
	if (!is_wrong)
		end(run);
	return is_wrong;
}

/* Leaves out steps as long as it goes wrong; the history is left as the last such play ended. */
static void
shrink(struct run *run, bool *kept)
{
	uint32_t n_replays = 0;

	for (uint32_t n = (run->n_steps + 1) / 2; n > 0; n /= 2) {
		for (uint32_t from = 0; from < run->n_steps && n_replays < REPLAYS_MAX; from += n) {
			const uint32_t len = SL_MIN(n, run->n_steps - from);
			bool *tried;

			if (memchr(kept + from, true, len) == NULL)
				continue;
			tried = must(malloc(run->n_steps));
			memcpy(tried, kept, run->n_steps);
			memset(tried + from, false, len);
			n_replays++;
			if (goes_wrong(run, tried)) {
				memcpy(kept, tried, run->n_steps);
				end(run);
			}
			free(tried);
		}
	}
}

static void
print_end(struct run *run)
{
	const struct sl_layer_program *program = run->history.snapshot->layers[run->bad_layer->id];
	uint32_t n;
	const struct sl_filter **order = history_order(&run->history, run->bad_layer, &n);

	fprintf(stderr, "filters at %s:\n", run->bad_layer->name);
	for (uint32_t i = 0; i < n && i < 60; i++)
		print_filter(order[i]);
	free(order);
	if (run->bad_meta != NULL && program != NULL) {
		print_meta(run->bad_layer, run->bad_meta);
		duel_print(&run->duel, program, run->bad_meta);
	}
}

static void
report(struct run *run)
{
	bool *kept = must(malloc(run->n_steps));

	fprintf(stderr, "history \"%s\", step %u, %s: %s; SLUICE_SEED=%llu repeats it\n",
		run->plan->name, run->n_steps, run->bad_layer->name, run->fault,
		(unsigned long long)run->duel.seed);
	forget(run);
	end(run);
	memset(kept, true, run->n_steps);
	if (!goes_wrong(run, kept)) {
		fprintf(stderr, "... only among other packets or snapshots\n");
		fail();
	}
	end(run);
	shrink(run, kept);
	for (uint32_t i = 0; i < run->n_steps; i++) {
		if (kept[i])
			print_step(&run->steps[i]);
	}
	assert_true(goes_wrong(run, kept));
	print_end(run);
	free(kept);
	fail();
}

/* --- Histories. --- */

static void
start_from(struct run *run)
{
	for (uint32_t i = 0; i < run->plan->n_start; i++) {
		push(run,
			(struct step){.kind = STEP_PUT,
				.is_joined = i + 1 < run->plan->n_start,
				.number = i,
				.seed = random_next(&run->random)});
		set_present(run, i, true);
	}
}

static struct sl_meta *
new_metas(uint32_t n)
{
	return must(aligned_alloc(SL_CACHE_LINE, n * sizeof(struct sl_meta)));
}

static void
play_all(struct run *run)
{
	const uint32_t n_steps = run->plan->n_start + (uint32_t)random_amount(run->plan->n_steps);
	uint32_t at = 0;

	start_from(run);
	while (at < n_steps) {
		if (at == run->n_steps)
			push(run, make_step(run));
		if (!play_and_check(run, &run->steps[at++])) {
			run->n_steps = at;
			report(run);
		}
	}
}

static void
run_plan(const struct plan *plan)
{
	struct run *run = must(calloc(1, sizeof(*run)));

	run->plan = plan;
	duel_init(&run->duel, plan->name);
	run->random.state = run->duel.seed ^ plan->n_start ^ (uint64_t)plan->layer << 32;
	run->present = must(calloc(n_filters_max(plan), sizeof(*run->present)));
	run->metas = new_metas(AIMS_MAX);
	for (uint32_t i = 0; i < LAG; i++)
		run->memories[i].metas = new_metas(MEMORIES);
	begin(run);
	play_all(run);
	print_message("%s: %u commits, %u of %u folds taken up, %llu packets\n", plan->name,
		run->n_commits, run->history.n_folded, run->history.n_begun,
		(unsigned long long)run->duel.n_packets);
	assert_true(run->history.n_folded > 0 || run->history.n_begun < 50);
	end(run);
	for (uint32_t i = 0; i < LAG; i++)
		free(run->memories[i].metas);
	duel_fini(&run->duel);
	free(run->steps);
	free(run->present);
	free(run->metas);
	free(run);
}

static void
test_from_nothing(void **state)
{
	static const struct plan plans[] = {
		{"from nothing, transport v4", 0, 10000, 32, 1, 8, false, 30, 5},
		{"from nothing, forward v6", 0, 4000, 32, 1, 7, false, 0, 5},
		{"from nothing, link", 0, 4000, 32, 1, 30, false, 60, 5},
	};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(plans); i++)
		run_plan(&plans[i]);
}

static void
test_from_hundred(void **state)
{
	static const struct plan plans[] = {
		{"from 100, transport v4", 100, 5000, 24, 4, 8, false, 20, 5},
		{"from 100, filters alone, transport v6", 100, 10000, 24, 4, 10, true, 0, 5},
		{"from 100, filters alone, callouts", 100, 5000, 24, 4, 9, true, 60, 3},
		{"from 100, filters alone, link", 100, 5000, 24, 4, 30, true, 10, 30},
	};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(plans); i++)
		run_plan(&plans[i]);
}

static void
test_from_thousands(void **state)
{
	static const struct plan plans[] = {
		{"from 5,000", 5000, 500, 6, 16, 8, false, 5, 5},
		{"from 5,000, filters alone", 5000, 10000, 4, 64, 11, true, 5, 5},
		/* More matches than a list of matches has room for. */
		{"from 3,000, long lists", 3000, 1000, 48, 64, 8, true, 95, 1},
	};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(plans); i++)
		run_plan(&plans[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_nothing),
		cmocka_unit_test(test_from_hundred),
		cmocka_unit_test(test_from_thousands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
