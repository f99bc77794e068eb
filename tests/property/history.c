/* SPDX-License-Identifier: BSD-3-Clause */
#include "history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A filter as the latest revision had it. */
struct seen {
	const struct sl_filter *object; /* NULL: it was not in force */
	uint32_t counter;
	uint64_t stamp;
};

void
history_begin(struct history *history, struct generator *g, struct generator *other,
	uint32_t n_filters_max)
{
	*history = (struct history){.g = g, .other = other, .n_filters_max = n_filters_max};
	history->committed = must(sl_policy_clone(g->policy));
	history->seeds = must(calloc(n_filters_max, sizeof(*history->seeds)));
	history->counters = must(calloc(n_filters_max, sizeof(*history->counters)));
	history->seen = must(calloc(n_filters_max, sizeof(*history->seen)));
}

static void
fold_forget(struct fold *fold)
{
	sl_layer_put(fold->from);
	sl_layer_put(fold->folded);
	*fold = (struct fold){0};
}

void
history_end(struct history *history)
{
	for (uint32_t i = 0; i < HISTORY_FOLDS; i++)
		fold_forget(&history->folds[i]);
	sl_snapshot_free(history->snapshot);
	sl_policy_free(history->committed);
	free(history->seeds);
	free(history->counters);
	free(history->seen);
}

struct generator *
history_generator(struct history *history, uint32_t number, uint64_t seed)
{
	/* A replacement may belong to another layer than what it replaces. */
	return (number % 8 == 7) != (seed % 32 == 5) ? history->other : history->g;
}

/* --- Edits. --- */

static const char *
key_of(char text[32], const char *prefix, uint32_t number)
{
	snprintf(text, 32, "%s%u", prefix, number);
	return text;
}

static void
touch(struct history *history, uint32_t number)
{
	for (uint32_t i = 0; i < history->n_touched; i++) {
		if (history->touched[i] == number)
			return;
	}
	if (history->n_touched < HISTORY_TOUCH)
		history->touched[history->n_touched++] = number;
	else
		history->others_changed = true;
}

static void
put_object(struct history *history, struct sl_object *object)
{
	struct sl_error err = {0};

	if (sl_policy_put(history->g->policy, object, &err) != 0)
		die("sl_policy_put", err.text);
}

static void
put_filter(struct history *history, uint32_t number, uint64_t seed, const uint64_t *weight)
{
	struct generator *g = history_generator(history, number, seed);
	struct sl_filter *filter = generator_filter_as(g, number, seed);

	if (weight != NULL) {
		struct sl_problems problems = {0};

		filter->weight_kind = SL_WEIGHT_EXACT;
		filter->weight = *weight;
		if (!sl_object_finish(&filter->object, "", &problems))
			die("sl_object_finish", problems.list[0].detail);
		sl_problems_fini(&problems);
	}
	/* As when the service of a filter's provider does not run. */
	if (seed % 16 == 0)
		filter->flags |= SL_FILTER_DISABLED;
	put_object(history, &filter->object);
	history->seeds[number] = seed;
	touch(history, number);
}

static void
delete_filter(struct history *history, uint32_t number)
{
	char key[32];

	sl_policy_remove(history->g->policy, SL_OBJECT_FILTER, key_of(key, "filter", number));
	touch(history, number);
}

static bool
has_filter(const struct history *history, uint32_t number)
{
	char key[32];

	return sl_policy_find(
		       history->g->policy, SL_OBJECT_FILTER, key_of(key, "filter", number)) != NULL;
}

static void
put_sublayer(struct history *history, uint32_t number, uint64_t seed)
{
	struct sl_object *object =
		generator_object(SL_OBJECT_SUBLAYER, "sublayer", number % history->g->n_sublayers);
	struct sl_problems problems = {0};

	sl_sublayer_of(object)->weight = (uint16_t)(1 + seed % 12);
	if (!sl_object_finish(object, "", &problems))
		die("sl_object_finish", problems.list[0].detail);
	sl_problems_fini(&problems);
	put_object(history, object);
	history->others_changed = true;
	history->sublayers_moved = true;
}

static void
put_set(struct history *history, uint32_t number, uint64_t seed)
{
	struct generator *g = history->g;

	if (g->n_sets == 0)
		return;
	put_object(history, generator_set_as(g, number % g->n_sets, seed));
	history->others_changed = true;
}

static void
edit(struct history *history, const struct step *step)
{
	const uint64_t weight = step->seed % 7 == 0 ? step->seed : step->seed % 20;

	switch ((enum step_kind)step->kind) {
	case STEP_PUT:
		put_filter(history, step->number, step->seed, NULL);
		break;
	case STEP_DELETE:
		delete_filter(history, step->number);
		break;
	case STEP_BACK:
		if (!has_filter(history, step->number) && history->seeds[step->number] != 0)
			put_filter(history, step->number, history->seeds[step->number], NULL);
		break;
	case STEP_WEIGHT:
		if (has_filter(history, step->number))
			put_filter(history, step->number, history->seeds[step->number], &weight);
		break;
	case STEP_SUBLAYER:
		put_sublayer(history, step->number, step->seed);
		break;
	case STEP_SET:
		put_set(history, step->number, step->seed);
		break;
	case STEP_BIND:
		history->binding++;
		history->others_changed = true;
		break;
	default:
		break;
	}
}

/* --- Commits. --- */

static uint32_t
number_of(const struct sl_filter *filter)
{
	return (uint32_t)strtoul(filter->object.key + strlen("filter"), NULL, 10);
}

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	struct history *history = ctx;
	const uint32_t number = number_of(filter);

	(void)err;
	history->counters[number] = number * 4 + history->binding % 4;
	*binding = (struct sl_filter_binding){.counter = history->counters[number]};
	return 0;
}

static const struct sl_filter *
find_filter(const struct sl_policy *policy, uint32_t number)
{
	char key[32];
	const struct sl_object *object =
		sl_policy_find(policy, SL_OBJECT_FILTER, key_of(key, "filter", number));

	return object == NULL ? NULL : sl_filter_of(object);
}

/* What the touched filters were and are; a filter that is as it was has not changed. */
static void
list_changes(
	const struct history *history, struct sl_filter_change *list, struct sl_changes *changes)
{
	*changes = (struct sl_changes){.filters = list, .others = history->others_changed};
	for (uint32_t i = 0; i < history->n_touched; i++) {
		const struct sl_filter *old = find_filter(history->committed, history->touched[i]);
		const struct sl_filter *now = find_filter(history->g->policy, history->touched[i]);

		if (old != now)
			list[changes->n++] = (struct sl_filter_change){old, now};
	}
}

/*
 * A filter whose object and binding are those of the revision before keeps its stamp, unless sublayers have
 * changed places; any other gets one above all there were.
 */
static void
check_stamps(const struct history *history, const struct sl_layer_program *program,
	const struct seen *before, uint64_t last, struct seen *now)
{
	struct sl_filter_walk walk = {.layer = program};
	uint32_t rank;

	while (sl_filter_walk_next(&walk, &rank)) {
		const struct sl_filter_run *run = &program->filters[rank];
		const struct seen *old = &before[number_of(run->object)];
		const bool is_same =
			old->object == run->object && old->counter == run->binding.counter;

		if (is_same ? run->stamp != old->stamp && !history->sublayers_moved
			    : run->stamp <= last)
			die("a filter's stamp", run->object->object.key);
		if (is_same && run->stamp != old->stamp && run->stamp <= last)
			die("a filter's new stamp", run->object->object.key);
		now[number_of(run->object)] =
			(struct seen){run->object, run->binding.counter, run->stamp};
	}
}

static void
check_snapshot(struct history *history, const struct sl_snapshot *old)
{
	const struct sl_snapshot *now = history->snapshot;
	struct seen *seen = must(calloc(history->n_filters_max, sizeof(*seen)));

	if (old == NULL)
		memset(history->seen, 0, history->n_filters_max * sizeof(*seen));
	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++) {
		const bool is_same = old != NULL && old->layers[id] == now->layers[id];

		if (now->generations[id] != (is_same ? old->generations[id] : now->revision))
			die("generation of", sl_layer_by_id((enum sluice_layer)id)->name);
		if (now->layers[id] != NULL)
			check_stamps(history, now->layers[id], history->seen,
				old == NULL ? 0 : old->stamp, seen);
	}
	free(history->seen);
	history->seen = seen;
}

static struct sl_snapshot *
commit(struct history *history, bool has_changes)
{
	const struct sl_compile_host host = {.bind = bind, .ctx = history};
	struct sl_filter_change list[HISTORY_TOUCH];
	struct sl_changes changes;
	struct sl_snapshot *old = history->snapshot;
	struct sl_error err = {0};

	list_changes(history, list, &changes);
	if (sl_snapshot_compile(history->g->policy, old == NULL ? 1 : old->revision + 1, old,
		    has_changes && old != NULL ? &changes : NULL, &host, &history->snapshot,
		    &err) != 0)
		die("sl_snapshot_compile", err.text);
	sl_policy_free(history->committed);
	history->committed = must(sl_policy_clone(history->g->policy));
	check_snapshot(history, old);
	history->n_touched = 0;
	history->others_changed = false;
	history->sublayers_moved = false;
	return old;
}

/* --- Folds. --- */

static void
fold_begin(struct history *history, uint32_t number)
{
	const struct sl_compile_host host = {.bind = NULL};
	struct fold *fold = &history->folds[number % HISTORY_FOLDS];
	const struct generator *g = history_generator(history, number, 0);
	const struct sl_layer_program *from =
		history->snapshot == NULL ? NULL : history->snapshot->layers[g->layer->id];
	struct sl_error err = {0};

	if (fold->from != NULL || from == NULL)
		return;
	fold->from = sl_layer_get(from);
	if (sl_layer_fold(from, &host, &fold->folded, &err) != 0)
		die("sl_layer_fold", err.text);
	history->n_begun++;
}

/* The snapshot that was in force before, or NULL when the fold was of no use. */
static struct sl_snapshot *
fold_end(struct history *history, uint32_t number)
{
	struct fold *fold = &history->folds[number % HISTORY_FOLDS];
	struct sl_snapshot *old = NULL;
	struct sl_snapshot *next;
	struct sl_error err = {0};
	int rc;

	if (fold->from == NULL || history->snapshot == NULL)
		return NULL;
	rc = sl_snapshot_with_fold(history->snapshot, fold->from, fold->folded, &next, &err);
	if (rc == 0) {
		if (next->revision != history->snapshot->revision)
			die("sl_snapshot_with_fold", "the revision has changed");
		old = history->snapshot;
		history->snapshot = next;
		history->n_folded++;
	} else if (err.code != SL_ERR_BUSY) {
		die("sl_snapshot_with_fold", err.text);
	}
	fold_forget(fold);
	return old;
}

bool
history_play(struct history *history, const struct step *step, struct sl_snapshot **old)
{
	*old = NULL;
	if (step->kind == STEP_FOLD_BEGIN) {
		fold_begin(history, step->number);
		return false;
	}
	if (step->kind == STEP_FOLD_END) {
		*old = fold_end(history, step->number);
		return *old != NULL;
	}
	edit(history, step);
	if (step->is_joined)
		return false;
	*old = commit(history, step->has_changes);
	return true;
}

/* --- What a program should hold. --- */

struct placed {
	const struct sl_filter *filter;
	const struct sl_sublayer *sublayer;
};

static int
compare(const void *a, const void *b)
{
	const struct placed *x = a;
	const struct placed *y = b;

	if (x->sublayer->weight != y->sublayer->weight)
		return x->sublayer->weight > y->sublayer->weight ? -1 : 1;
	if (x->sublayer != y->sublayer)
		return x->sublayer->object.id < y->sublayer->object.id ? -1 : 1;
	if (x->filter->effective_weight != y->filter->effective_weight)
		return x->filter->effective_weight > y->filter->effective_weight ? -1 : 1;
	return x->filter->object.id < y->filter->object.id ? -1 : 1;
}

const struct sl_filter **
history_order(const struct history *history, const struct sl_layer *layer, uint32_t *n)
{
	const struct sl_policy *policy = history->committed;
	size_t n_all;
	struct sl_object *const *all = sl_policy_list(policy, SL_OBJECT_FILTER, &n_all);
	struct placed *placed = must(calloc(n_all + 1, sizeof(*placed)));
	const struct sl_filter **list = must(calloc(n_all + 1, sizeof(*list)));

	*n = 0;
	for (size_t i = 0; i < n_all; i++) {
		const struct sl_filter *filter = sl_filter_of(all[i]);

		if (filter->layer != layer || (filter->flags & SL_FILTER_DISABLED) != 0)
			continue;
		placed[(*n)++] = (struct placed){filter,
			sl_sublayer_of(
				sl_policy_find(policy, SL_OBJECT_SUBLAYER, filter->sublayer))};
	}
	qsort(placed, *n, sizeof(*placed), compare);
	for (uint32_t i = 0; i < *n; i++)
		list[i] = placed[i].filter;
	free(placed);
	return list;
}

/* NULL, or what is wrong with a filter's entry. */
static const char *
check_entry(const struct history *history, const struct sl_layer_program *program, uint32_t rank,
	const struct sl_filter *filter)
{
	const struct sl_filter_run *run = &program->filters[rank];
	const struct sl_filter_hot *hot = &program->hot[rank];
	const uint32_t rights =
		SL_FILTER_CLEAR_ACTION_RIGHT | SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED;

	if (run->object != filter)
		return "another filter stands in its place";
	if (run->id != filter->object.id || run->weight != filter->effective_weight)
		return "its id or weight is not the filter's";
	if (hot->counter != history->counters[number_of(filter)] ||
		run->binding.counter != hot->counter)
		return "its binding is not what the host said last";
	if ((hot->flags & ~(SL_HOT_ASKS_REASSEMBLED | SL_HOT_ASKS_PACKET)) !=
			(filter->flags & rights) ||
		(hot->action > SL_HOT_PERMIT) != sl_action_is_callout(filter->action) ||
		(hot->action == SL_HOT_PERMIT) != (filter->action == SLUICE_ACTION_PERMIT))
		return "its action or flags are not the filter's";
	if (hot->sublayer >= program->n_sublayers ||
		program->sublayers[hot->sublayer].object !=
			sl_sublayer_of(sl_policy_find(
				history->committed, SL_OBJECT_SUBLAYER, filter->sublayer)))
		return "its sublayer is not the filter's";
	return NULL;
}

/* The number of the sublayer that has a place in arbitration order, or how many there are. */
static uint32_t
sublayer_at(const struct sl_layer_program *program, uint32_t place)
{
	uint32_t s = 0;

	while (s < program->n_sublayers && program->sublayers[s].place != place)
		s++;
	return s;
}

/* NULL, or what is wrong with what is told of sublayers; `counts` has their filters and callouts. */
static const char *
check_sublayers(const struct sl_layer_program *program, const uint32_t (*counts)[2])
{
	bool has_below = false;

	for (uint32_t place = program->n_sublayers; place-- > 0;) {
		const uint32_t s = sublayer_at(program, place);
		const struct sl_sublayer_run *run = &program->sublayers[s];

		if (s == program->n_sublayers)
			return "no sublayer has a place";
		if (run->n_filters != counts[s][0] || run->n_callouts != counts[s][1])
			return "a sublayer counts its filters wrong";
		if (run->weight != run->object->weight)
			return "a sublayer's weight is not its object's";
		if (run->has_callouts != (counts[s][1] > 0) || run->has_callouts_below != has_below)
			return "a sublayer is wrong about callouts";
		has_below = has_below || run->has_callouts;
	}
	return program->has_callouts == has_below ? NULL : "the layer is wrong about callouts";
}

static const char *
check_walk(const struct history *history, const struct sl_layer_program *program,
	const struct sl_filter *const *order, uint32_t n, uint32_t (*counts)[2])
{
	struct sl_filter_walk walk = {.layer = program};
	uint32_t n_asking = 0, n_asking_packet = 0;
	const char *fault;
	uint32_t rank;

	for (uint32_t i = 0; sl_filter_walk_next(&walk, &rank); i++) {
		const struct sl_filter_hot *hot = &program->hot[rank];

		fault = i == n ? "it has more filters than the policy"
			       : check_entry(history, program, rank, order[i]);
		if (fault != NULL)
			return fault;
		counts[hot->sublayer][0]++;
		counts[hot->sublayer][1] += hot->action > SL_HOT_PERMIT;
		n_asking += (hot->flags & SL_HOT_ASKS_REASSEMBLED) != 0;
		n_asking_packet += (hot->flags & SL_HOT_ASKS_PACKET) != 0;
		if (i + 1 == n && sl_filter_walk_next(&walk, &rank))
			return "it has more filters than the policy";
		if (i + 1 == n && program->n_ask_reassembled != n_asking)
			return "it counts filters that ask for is_reassembled wrong";
		if (i + 1 == n && program->n_ask_packet != n_asking_packet)
			return "it counts filters that ask for packets wrong";
		if (i + 1 == n)
			return program->n_filters == n ? NULL : "it counts its filters wrong";
	}
	return n == 0 ? NULL : "it lacks filters";
}

bool
history_is_in_order(const struct history *history, const struct sl_layer *layer, const char **fault)
{
	const struct sl_layer_program *program = history->snapshot->layers[layer->id];
	uint32_t(*counts)[2];
	uint32_t n;
	const struct sl_filter **order = history_order(history, layer, &n);

	*fault = n > 0 ? "the layer has no program" : NULL;
	if (program != NULL) {
		counts = must(calloc(program->n_sublayers + 1, sizeof(*counts)));
		*fault = check_walk(history, program, order, n, counts);
		if (*fault == NULL)
			*fault = check_sublayers(program, (const uint32_t(*)[2])counts);
		free(counts);
	}
	free(order);
	return *fault == NULL;
}

/* --- Reports. --- */

void
print_step(const struct step *step)
{
	static const char *const names[] = {[STEP_PUT] = "put filter",
		[STEP_DELETE] = "delete filter",
		[STEP_BACK] = "put back filter",
		[STEP_WEIGHT] = "weigh filter",
		[STEP_SUBLAYER] = "weigh sublayer",
		[STEP_SET] = "fill set",
		[STEP_BIND] = "bind otherwise",
		[STEP_FOLD_BEGIN] = "begin fold",
		[STEP_FOLD_END] = "end fold"};

	fprintf(stderr, "  %s %u, seed %#llx%s\n", names[step->kind], step->number,
		(unsigned long long)step->seed,
		step->kind >= STEP_FOLD_BEGIN ? ""
			: step->is_joined     ? ", with the next"
			: step->has_changes   ? "; commit with changes"
					      : "; commit");
}
