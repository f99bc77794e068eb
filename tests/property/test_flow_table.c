/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of flows beside a model of it: an array with a row a key, looked through from end to end.
 *
 * Tables are small and keys few, so that tables are full, under pressure and emptied again many times over.
 * Every answer of the table is compared with what the model says; what is named as due or as a victim must
 * be one that the model would name, and when all work has been done none may be left.
 */

#include "flow/make.h"
#include "property/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STEPS    1000000u
#define TABLES   20u
#define KEYS     600u
#define BATCH    64u
#define TICK_MS  64u
#define LAG_MS   40000u
#define SWEEP_MS 4096u /* a turn of the sweep */
#define CALLOUTS 3u
#define LAYERS   3u
#define STOCK    64u /* contexts, see make_config */

/* What the model knows of a key. */
struct row {
	struct sl_flow *flow; /* NULL: there is none */
	uint64_t id;
	uint64_t last_ms; /* since the start */
	uint64_t packets[2];
	uint64_t bytes[2];
	uint64_t contexts[CALLOUTS][LAYERS]; /* values; 0: none */
	uint32_t flags;
	enum sl_flow_class class;
	bool is_named;
};

struct model {
	struct random random;
	struct sl_flow_config config;
	struct sl_flow_table *table;
	struct row rows[KEYS];
	uint64_t now_ms;    /* since the start */
	uint64_t worked_ms; /* when all work that was due had been done */
	uint32_t count;
	uint32_t n_contexts;
	/* What has been met, so that a run that met nothing is noticed. */
	uint32_t n_full, n_due, n_victims, n_pressed, n_replaced;
};

static char callouts[CALLOUTS];

static uint64_t
now_ns(const struct model *model)
{
	/* Anywhere in the millisecond. */
	return MAKE_START_NS + model->now_ms * MAKE_MS + model->now_ms * 7919 % MAKE_MS;
}

static uint32_t
pressure_of(const struct model *model)
{
	uint32_t max = model->config.max, quarter = max / 4;
	uint32_t n_free = max - model->count;

	if (quarter == 0 || n_free >= quarter)
		return 16;
	return n_free == 0 ? 1 : (n_free * 16 + quarter - 1) / quarter;
}

static bool
is_over(const struct model *model, const struct row *row)
{
	uint64_t timeout = model->config.timeout_ms[row->class];
	bool is_safe =
		row->class == SL_FLOW_TCP_ESTABLISHED && (row->flags & SL_FLOW_MIDSTREAM) == 0;

	if (!is_safe && pressure_of(model) < 16)
		timeout = SL_MAX(timeout * pressure_of(model) / 16, 1);
	return model->now_ms - row->last_ms >= timeout;
}

static bool
is_embryonic(const struct row *row)
{
	bool is_answered = row->flags & SL_FLOW_REPLIED;

	if (row->class == SL_FLOW_TCP_SYN)
		return true;
	if (row->class == SL_FLOW_TCP_ESTABLISHED)
		return (row->flags & SL_FLOW_MIDSTREAM) && !is_answered;
	return row->class >= SL_FLOW_UDP && row->class <= SL_FLOW_MULTICAST && !is_answered;
}

static struct row *
any_row(struct model *model)
{
	return &model->rows[random_below(&model->random, KEYS)];
}

static uint32_t
key_number(const struct model *model, const struct row *row)
{
	return (uint32_t)(row - model->rows);
}

static struct row *
row_of(struct model *model, const struct sl_flow *flow)
{
	uint32_t number;

	memcpy(&number, flow->key.remote, sizeof(number));
	assert_true(number < KEYS);
	assert_ptr_equal(model->rows[number].flow, flow);
	return &model->rows[number];
}

static enum sl_flow_class
any_class(struct model *model)
{
	return random_below(&model->random, SL_FLOW_CLASS_COUNT);
}

/* --- Steps. --- */

static void
remove_row(struct model *model, struct row *row)
{
	struct sl_flow_context context;
	uint32_t n = 0, n_taken = 0;

	for (uint32_t i = 0; i < CALLOUTS * LAYERS; i++)
		n += row->contexts[i / LAYERS][i % LAYERS] != 0;
	while (sl_flow_context_take_any(model->table, row->flow, &context)) {
		uint32_t callout = (uint32_t)((char *)context.callout - callouts);

		assert_int_equal(context.value, row->contexts[callout][context.layer]);
		n_taken++;
	}
	assert_int_equal(n, n_taken);
	model->n_contexts -= n;
	sl_flow_remove(model->table, row->flow);
	model->count--;
	assert_null(sl_flow_by_id(model->table, row->id));
	memset(row, 0, sizeof(*row));
}

static void
step_add(struct model *model)
{
	struct row *row = any_row(model);
	enum sl_flow_class class = any_class(model);
	struct sl_flow *flow;

	if (row->flow != NULL) {
		remove_row(model, row);
		model->n_replaced++;
	}
	flow = make_add(model->table, key_number(model, row), class, now_ns(model));
	assert_int_equal(flow == NULL, model->count == model->config.max);
	if (flow == NULL) {
		model->n_full++;
		return;
	}
	for (uint32_t i = 0; i < KEYS; i++)
		assert_ptr_not_equal(model->rows[i].flow, flow);
	*row = (struct row){.flow = flow,
		.id = sl_flow_id(model->table, flow),
		.last_ms = model->now_ms,
		.class = class};
	model->count++;
}

static void
step_remove(struct model *model)
{
	struct row *row = any_row(model);

	if (row->flow != NULL)
		remove_row(model, row);
}

static void
step_count(struct model *model)
{
	struct row *row = any_row(model);
	uint32_t direction = random_below(&model->random, 2);
	uint32_t length = 60 + random_below(&model->random, 1400);

	if (row->flow == NULL || row->is_named)
		return;
	sl_flow_count(row->flow, direction, length, sl_flow_clock(model->table, now_ns(model)));
	row->packets[direction]++;
	row->bytes[direction] += length;
	row->last_ms = model->now_ms;
}

static void
step_change(struct model *model)
{
	static const uint32_t flags[] = {SL_FLOW_REPLIED, SL_FLOW_MIDSTREAM, SL_FLOW_ESTABLISHED};
	struct row *row = any_row(model);
	uint32_t flag = flags[random_below(&model->random, 3)];

	if (row->flow == NULL)
		return;
	/* A flow that is embryonic may cease to be so without a word; the other way only with a class. */
	if (flag != SL_FLOW_MIDSTREAM && !row->is_named) {
		sl_flow_set_flags(row->flow, flag, 0);
		row->flags |= flag;
	}
	if (random_chance(&model->random, 50))
		return;
	if (flag == SL_FLOW_MIDSTREAM) {
		sl_flow_set_flags(row->flow, flag, SL_FLOW_REPLIED);
		row->flags = (row->flags | flag) & ~(uint32_t)SL_FLOW_REPLIED;
	}
	row->class = any_class(model);
	row->last_ms = model->now_ms;
	row->is_named = false;
	sl_flow_set_class(model->table, row->flow, row->class, now_ns(model));
}

static void
step_find(struct model *model)
{
	uint32_t n = 1 + random_below(&model->random, BATCH);
	struct sl_flow_key keys[BATCH];
	struct sl_flow *flows[BATCH];
	struct row *rows[BATCH];
	uint64_t hashes[BATCH];

	for (uint32_t i = 0; i < n; i++) {
		rows[i] = any_row(model);
		make_key(&keys[i], key_number(model, rows[i]));
	}
	sl_flow_hash(model->table, keys, n, hashes);
	sl_flow_find(model->table, keys, hashes, n, flows);
	for (uint32_t i = 0; i < n; i++) {
		const struct row *row = rows[i];

		assert_ptr_equal(flows[i], row->flow);
		if (row->flow == NULL)
			continue;
		assert_memory_equal(&row->flow->key, &keys[i], sizeof(keys[i]));
		assert_memory_equal(row->flow->packets, row->packets, sizeof(row->packets));
		assert_memory_equal(row->flow->bytes, row->bytes, sizeof(row->bytes));
		assert_int_equal(row->flow->class, row->class);
		assert_int_equal(row->flow->flags & ~SL_FLOW_HAS_CONTEXTS, row->flags);
		assert_int_equal(sl_flow_is_over(model->table, row->flow, now_ns(model)),
			is_over(model, row));
		assert_ptr_equal(sl_flow_by_id(model->table, row->id), row->flow);
	}
}

static void
step_context(struct model *model)
{
	struct row *row = any_row(model);
	uint32_t callout = random_below(&model->random, CALLOUTS);
	uint32_t layer = random_below(&model->random, LAYERS);
	uint64_t *value = &row->contexts[callout][layer];
	struct sl_flow_context context = {
		&callouts[callout], random_next(&model->random) | 1, (uint8_t)layer};
	int wanted = *value != 0 ? -EEXIST : model->n_contexts == STOCK ? -ENOSPC : 0;

	if (row->flow == NULL)
		return;
	assert_int_equal(
		sl_flow_context_get(model->table, row->flow, context.callout, (uint8_t)layer),
		*value);
	if (random_chance(&model->random, 60)) {
		assert_int_equal(sl_flow_context_add(model->table, row->flow, &context), wanted);
		if (wanted == 0) {
			*value = context.value;
			model->n_contexts++;
		}
		return;
	}
	assert_int_equal(sl_flow_context_take(model->table, row->flow, context.callout,
				 (uint8_t)layer, &context),
		*value != 0);
	if (*value != 0) {
		assert_int_equal(context.value, *value);
		*value = 0;
		model->n_contexts--;
	}
}

/* One call; the flows that it names are over, and had not been named. Returns how many. */
static uint32_t
call_due(struct model *model, uint32_t work, uint32_t n_max, bool is_removing)
{
	struct sl_flow *due[BATCH];
	uint32_t n = sl_flow_due(model->table, now_ns(model), work, due, n_max);

	assert_true(n <= SL_MIN(n_max, work));
	for (uint32_t i = 0; i < n; i++) {
		struct row *row = row_of(model, due[i]);

		assert_true(is_over(model, row));
		assert_false(row->is_named);
		row->is_named = true;
		model->n_due++;
	}
	for (uint32_t i = 0; i < n && is_removing; i++)
		remove_row(model, row_of(model, due[i]));
	return n;
}

static void
step_due(struct model *model)
{
	bool is_removing = random_chance(&model->random, 80);

	model->n_pressed += pressure_of(model) < 16;
	call_due(model, 1 + random_below(&model->random, 50),
		1 + random_below(&model->random, BATCH), is_removing);
}

/* Works until nothing is due, under pressure for a whole turn of the sweep; then nothing is over for long. */
static void
step_due_all(struct model *model)
{
	uint32_t n_idle = 0;

	if (pressure_of(model) < 16)
		model->now_ms += SWEEP_MS;
	while (n_idle < 8)
		n_idle = call_due(model, 4 * KEYS, BATCH, true) == 0 ? n_idle + 1 : 0;
	model->worked_ms = model->now_ms;
	model->now_ms -= SL_MIN(model->now_ms, TICK_MS);
	for (uint32_t i = 0; i < KEYS; i++) {
		const struct row *row = &model->rows[i];

		if (row->flow != NULL && !row->is_named && row->last_ms <= model->now_ms)
			assert_false(is_over(model, row));
	}
	model->now_ms += TICK_MS;
}

static void
step_victim(struct model *model)
{
	struct sl_flow *victim = NULL;
	struct row *row;
	uint64_t oldest = UINT64_MAX;
	uint32_t n = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		row = &model->rows[i];
		if (row->flow == NULL || row->is_named || !is_embryonic(row))
			continue;
		n++;
		/* Of time-outs beyond a wheel's reach only the arrival there is known. */
		if (row->class != SL_FLOW_TCP_ESTABLISHED)
			oldest = SL_MIN(oldest, row->last_ms);
	}
	/* A search is bounded, and puts right what it meets: after some more it meets nothing. */
	for (uint32_t i = 0; i < 1 + KEYS / 64; i++)
		victim = sl_flow_victim(model->table);
	assert_int_equal(victim == NULL, n == 0);
	if (victim == NULL)
		return;
	row = row_of(model, victim);
	assert_true(is_embryonic(row));
	/* Wheels that lag too far behind the clock do not reach as far as time-outs do. */
	if (oldest != UINT64_MAX && model->now_ms - model->worked_ms < LAG_MS)
		assert_true(row->last_ms < oldest + TICK_MS);
	model->n_victims++;
	remove_row(model, row);
}

static void
step_time(struct model *model)
{
	static const uint32_t steps[] = {1, 5, 64, 1000, 10000, 100000, 4000000};
	uint32_t kind = random_below(&model->random, 100);
	uint32_t i = kind < 50 ? 0 : kind < 80 ? 1 : kind < 92 ? 2 : kind < 97 ? 3 : 4;

	if (kind == 99)
		i = random_below(&model->random, SL_ARRAY_LEN(steps));
	model->now_ms += random_below(&model->random, steps[i] + 1);
}

static void
step_list(struct model *model)
{
	struct sl_flow_view views[16];
	struct sl_flow *flows[16];
	uint32_t at = 0, total = 0;

	while (at != SL_FLOW_LIST_END) {
		uint32_t n = sl_flow_list(model->table, &at, views, 16);

		for (uint32_t i = 0; i < n; i++) {
			struct row *row = row_of(model, sl_flow_by_id(model->table, views[i].id));

			assert_int_equal(views[i].id, row->id);
			assert_memory_equal(views[i].packets, row->packets, sizeof(row->packets));
			assert_int_equal(
				views[i].last_ns / MAKE_MS - MAKE_START_NS / MAKE_MS, row->last_ms);
		}
		total += n;
	}
	assert_int_equal(total, model->count);
	at = random_below(&model->random, 1000);
	total = sl_flow_sweep(model->table, &at, 16, flows, 16);
	for (uint32_t i = 0; i < total; i++)
		row_of(model, flows[i]);
}

static void
step(struct model *model)
{
	static const struct {
		void (*step)(struct model *model);
		uint32_t weight;
	} steps[] = {{step_add, 300}, {step_remove, 20}, {step_count, 250}, {step_change, 60},
		{step_find, 60}, {step_context, 60}, {step_due, 40}, {step_due_all, 2},
		{step_victim, 25}, {step_time, 180}, {step_list, 3}};
	uint32_t choice = random_below(&model->random, 1000);

	for (uint32_t i = 0; i < SL_ARRAY_LEN(steps); i++) {
		if (choice < steps[i].weight) {
			steps[i].step(model);
			break;
		}
		choice -= steps[i].weight;
	}
	assert_int_equal(sl_flow_table_count(model->table), model->count);
	assert_int_equal(sl_flow_pressure(model->table), pressure_of(model));
}

/* Sizes from 1 on; time-outs as set out, some of them short, none beyond a wheel's reach for the embryonic. */
static void
start(struct model *model, uint32_t number, uint64_t seed)
{
	uint32_t max = number < 4 ? number + 1 : 5 + number * 31;

	memset(model, 0, sizeof(*model));
	model->random.state = seed + number;
	make_config(&model->config, max);
	model->config.hash_key[0] = random_next(&model->random);
	for (uint32_t i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		if (number % 2 == 1)
			model->config.timeout_ms[i] =
				1 + random_below(&model->random, i % 2 == 0 ? 3000 : 200000);
	assert_int_equal(
		sl_flow_table_new(&model->config, number, MAKE_START_NS, &model->table), 0);
}

static void
test_model(void **state)
{
	uint64_t n = random_amount(STEPS) / TABLES;
	struct model model;
	uint32_t n_full = 0, n_due = 0, n_victims = 0, n_pressed = 0;

	(void)state;
	for (uint32_t number = 0; number < TABLES; number++) {
		start(&model, number, random_seed());
		for (uint64_t i = 0; i < n; i++)
			step(&model);
		n_full += model.n_full;
		n_due += model.n_due;
		n_victims += model.n_victims;
		n_pressed += model.n_pressed;
		sl_flow_table_free(model.table);
	}
	print_message("steps %llu, full %u, due %u, victims %u, under pressure %u\n",
		(unsigned long long)(n * TABLES), n_full, n_due, n_victims, n_pressed);
	if (n * TABLES < 10000)
		return;
	assert_true(n_full > n / 10 && n_due > n / 10 && n_victims > n / 10 && n_pressed > n / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
