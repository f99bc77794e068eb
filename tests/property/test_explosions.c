/* SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"
#include "duel.h"
#include "packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * Rule sets that make trees explode: what overlaps everywhere and is divided by nothing.  Each must
 * compile within a budget of memory, answer as the reference does, and be refused, with need and
 * have and without a trace, when there is not enough memory for it.
 */

#define BYTES_PER_FILTER 2048u
#define BYTES_MORE       (4u << 20)
#define WORK             15000000u /* filters that the reference tries for one rule set */
#define PACKETS_MAX      3000u
#define BATCH            64u

/* The fields of a transport layer that rule sets are made of. */
struct fields {
	const struct sl_layer_field *src;
	const struct sl_layer_field *dst;
	const struct sl_layer_field *src_port;
	const struct sl_layer_field *dst_port;
	const struct sl_layer_field *protocol;
};

typedef void explosion_fn(struct generator *g, const struct fields *f, uint32_t n);

static struct fields
fields_of(const struct sl_layer *layer)
{
	return (struct fields){
		.src = sl_layer_field_by_id(layer, SLUICE_FIELD_IP_REMOTE_ADDRESS, NULL),
		.dst = sl_layer_field_by_id(layer, SLUICE_FIELD_IP_LOCAL_ADDRESS, NULL),
		.src_port = sl_layer_field_by_id(layer, SLUICE_FIELD_IP_REMOTE_PORT, NULL),
		.dst_port = sl_layer_field_by_id(layer, SLUICE_FIELD_IP_LOCAL_PORT, NULL),
		.protocol = sl_layer_field_by_id(layer, SLUICE_FIELD_IP_PROTOCOL, NULL)};
}

static struct sl_filter *
new_filter(struct generator *g)
{
	return draft_new(g, 0, random_next(&g->random));
}

/* --- Rule sets. --- */

/* Overlapping ranges of ports, times the same of the other side, times prefixes. */
static void
cross_product(struct generator *g, const struct fields *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t x = i % 20, y = i / 20 % 20, z = i / 400;
		struct sl_filter *filter = new_filter(g);

		draft_when(filter, cond_range(f->src_port, x * 1000, x * 2000 + 20000));
		draft_when(filter, cond_range(f->dst_port, y * 1111, 65535 - y * 555));
		draft_when(filter,
			cond_prefix(f->src, (u128)z << (field_bits(g, f->src) - 8), 2 + z % 7));
		draft_add(g, filter);
	}
}

/* Every length of one side with every length of the other, down a few paths. */
static void
nested_pairs(struct generator *g, const struct fields *f, uint32_t n)
{
	const uint32_t bits = field_bits(g, f->src);
	const u128 paths[2] = {u128_random(&g->random, bits), ~(u128)0 / 3};

	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);

		draft_when(filter, cond_prefix(f->src, paths[i % 2], i / 2 % (bits + 1)));
		draft_when(filter,
			cond_prefix(f->dst, paths[i / 2 % 2], i / 2 / (bits + 1) % (bits + 1)));
		draft_add(g, filter);
	}
}

/* The same ladder of lengths on both sides. */
static void
ladders(struct generator *g, const struct fields *f, uint32_t n)
{
	const uint32_t bits = field_bits(g, f->src);

	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = draft_new(g, 0, i % 7);

		draft_when(filter, cond_prefix(f->src, ~(u128)0, i % bits + 1));
		draft_when(filter, cond_prefix(f->dst, 0, i / bits % bits + 1));
		draft_add(g, filter);
	}
}

/*
 * Turns of a sequence in which every word of five bits stands once (de Bruijn): whichever bits are
 * looked at, half of the filters have them set.
 */
static void
de_bruijn(struct generator *g, const struct fields *f, uint32_t n)
{
	const uint32_t sequence = 0x077cb531;
	const uint32_t bits = field_bits(g, f->src);

	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);
		const uint32_t a = i % 32, b = i / 32 % 32;
		const uint32_t turned_a =
			sequence << a | (uint32_t)((uint64_t)sequence >> (32 - a));
		const uint32_t turned_b =
			sequence << b | (uint32_t)((uint64_t)sequence >> (32 - b));

		draft_when(filter, cond_prefix(f->src, (u128)turned_a << (bits - 32), 32 - b % 5));
		draft_when(filter, cond_prefix(f->dst, (u128)turned_b << (bits - 32), 32 - a % 5));
		if (i >= 1024)
			draft_when(filter,
				cond_range(f->dst_port, turned_a & 0xfff, 0xf000 | turned_b));
		draft_add(g, filter);
	}
}

/* Long ranges, each one further by one than the one before. */
static void
shifted_ranges(struct generator *g, const struct fields *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = draft_new(g, 0, i * 2654435761u);

		draft_when(filter, cond_range(f->dst_port, i, i + 30000));
		draft_when(filter, cond_range(f->src_port, n - i, n - i + 30000));
		draft_add(g, filter);
	}
}

/* Ranges that all begin at the bottom, or all end at the top. */
static void
half_open(struct generator *g, const struct fields *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);

		draft_when(
			filter, cond_scalar(f->dst_port, SL_MATCH_LESS_OR_EQUAL, i * 65535ull / n));
		draft_when(filter, cond_scalar(f->src_port, SL_MATCH_GREATER, i * 7919ull % 65536));
		draft_when(filter,
			cond_scalar(f->src, i % 2 == 0 ? SL_MATCH_GREATER : SL_MATCH_LESS,
				u128_random(&g->random, 128)));
		draft_add(g, filter);
	}
}

/* Pairs on the diagonal, rows with one side wild, columns with the other. */
static void
diagonal(struct generator *g, const struct fields *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);
		const uint32_t kind = i % 3;

		if (kind != 1)
			draft_when(filter, cond_scalar(f->src, SL_MATCH_EQUAL, i / 3));
		if (kind != 2)
			draft_when(filter, cond_scalar(f->dst, SL_MATCH_EQUAL, i / 3));
		draft_add(g, filter);
	}
}

/* Nothing to divide by: every filter matches everything. */
static void
all_wild(struct generator *g, const struct fields *f, uint32_t n)
{
	(void)f;
	for (uint32_t i = 0; i < n; i++)
		draft_add(g, new_filter(g));
}

/* The same, and every list is as long as the sublayer. */
static void
wild_callouts(struct generator *g, const struct fields *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);

		if (i % 4 == 0)
			draft_when(filter, cond_range(f->dst_port, i, 65535));
		draft_callout(filter, SLUICE_ACTION_CALLOUT_INSPECTION);
		draft_add(g, filter);
	}
}

/* Each filter says something about one field alone, another one than its neighbours. */
static void
one_field_each(struct generator *g, const struct fields *f, uint32_t n)
{
	const struct sl_layer_field *const fields[] = {
		f->src, f->dst, f->src_port, f->dst_port, f->protocol};

	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);
		const struct sl_layer_field *field = fields[i % SL_ARRAY_LEN(fields)];

		draft_when(filter,
			cond_scalar(field, SL_MATCH_EQUAL,
				i < n / 2 ? i : u128_random(&g->random, 128)));
		draft_add(g, filter);
	}
}

static void
all_but_one(struct generator *g, const struct fields *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);

		draft_when(filter, cond_scalar(f->src, SL_MATCH_NOT_EQUAL, i));
		draft_when(filter, cond_scalar(f->dst_port, SL_MATCH_NOT_EQUAL, i % 999));
		draft_when(filter, cond_scalar(f->protocol, SL_MATCH_EQUAL, i % 250));
		draft_add(g, filter);
	}
}

/* Sixteen alternatives in each of three fields: 4,096 boxes a filter, written out. */
static void
alternatives(struct generator *g, const struct fields *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);

		for (uint32_t k = 0; k < 16; k++) {
			draft_when(filter,
				cond_prefix(f->src, u128_random(&g->random, 128), 20 + k / 2));
			draft_when(filter,
				cond_scalar(
					f->dst_port, SL_MATCH_EQUAL, (i * 31 + k * 97) & 0xffff));
			draft_when(filter, cond_range(f->src_port, k * 4096, k * 4096 + i % 4000));
		}
		draft_add(g, filter);
	}
}

/* Ranges from anywhere to anywhere. */
static void
arbitrary(struct generator *g, const struct fields *f, uint32_t n)
{
	const struct sl_layer_field *const fields[] = {
		f->src, f->dst, f->src_port, f->dst_port, f->protocol};

	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = new_filter(g);

		for (uint32_t k = 0; k < SL_ARRAY_LEN(fields); k++) {
			const u128 a =
				(u128)random_next(&g->random) << 64 | random_next(&g->random);
			const u128 b =
				(u128)random_next(&g->random) << 64 | random_next(&g->random);

			if (random_chance(&g->random, 40))
				draft_when(filter, cond_prefix(fields[k], a, i % 129));
			else if (random_chance(&g->random, 70))
				draft_when(filter, cond_range(fields[k], a, b));
		}
		draft_add(g, filter);
	}
}

/* --- Budgets. --- */

static size_t
bytes_of(const struct sl_layer_program *program)
{
	struct sl_program_fact facts[32];
	const uint32_t n = sl_program_facts(program, facts, SL_ARRAY_LEN(facts));

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(facts[i].name, "compiled_bytes") == 0)
			return strtoull(facts[i].text, NULL, 10);
	}
	die("sl_program_facts", "there are no \"bytes\"");
}

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	(void)ctx;
	(void)err;
	*binding = (struct sl_filter_binding){.counter = (uint32_t)filter->object.id};
	return 0;
}

/* The first two numbers of a text. */
static void
numbers_in(const char *text, unsigned long long numbers[2])
{
	for (int i = 0; i < 2; i++) {
		char *end;

		text += strcspn(text, "0123456789");
		numbers[i] = strtoull(text, &end, 10);
		text = end;
	}
}

/* Users of all filters together: a refused compilation leaves none behind. */
static uint64_t
count_users(const struct sl_policy *policy)
{
	size_t n;
	struct sl_object *const *filters = sl_policy_list(policy, SL_OBJECT_FILTER, &n);
	uint64_t users = 0;

	for (size_t i = 0; i < n; i++)
		users += filters[i]->n_refs;
	return users;
}

/* With less memory a smaller form may do; otherwise there is a refusal, and nothing of it stays. */
static void
check_limit(const struct generator *g, size_t memory_max)
{
	const struct sl_compile_host host = {.bind = bind, .memory_max = memory_max};
	const uint64_t users = count_users(g->policy);
	struct sl_snapshot *out = NULL;
	struct sl_error err = {0};
	unsigned long long numbers[2];

	if (sl_snapshot_compile(g->policy, 2, NULL, NULL, &host, &out, &err) == 0) {
		assert_true(out->memory_bytes <= memory_max);
		sl_snapshot_free(out);
		return;
	}
	assert_int_equal(err.code, SL_ERR_NO_MEMORY);
	numbers_in(err.text, numbers);
	assert_true(numbers[0] > numbers[1]);
	assert_int_equal(numbers[1], memory_max);
	assert_null(out);
	assert_int_equal(count_users(g->policy), users);
}

static void
check_limits(const struct generator *g, const struct sl_snapshot *snapshot)
{
	const struct sl_compile_host host = {.bind = bind, .memory_max = 1};
	struct sl_snapshot *again = NULL;
	struct sl_error err = {0};

	assert_int_equal(
		sl_snapshot_compile(g->policy, 2, NULL, NULL, &host, &again, &err), -ENOMEM);
	check_limit(g, 1);
	check_limit(g, snapshot->memory_bytes / 2);
	check_limit(g, snapshot->memory_bytes - 1);
	/* A second time it takes as much: compiling is no game of chance. */
	again = generator_compile(g->policy, NULL);
	assert_int_equal(again->memory_bytes, snapshot->memory_bytes);
	check_limit(g, again->memory_bytes);
	sl_snapshot_free(again);
}

/* --- Runs. --- */

static void
check_answers(struct generator *g, struct duel *duel, const struct sl_layer_program *program)
{
	struct sl_meta *metas = must(aligned_alloc(SL_CACHE_LINE, BATCH * sizeof(*metas)));
	const struct sl_meta *list[BATCH];
	uint64_t left = random_amount(SL_MIN(PACKETS_MAX, WORK / program->n_filters));
	struct targets targets;

	targets_init(&targets, program);
	while (left > 0) {
		const uint32_t n = (uint32_t)SL_MIN(left, BATCH);
		uint32_t bad;

		for (uint32_t i = 0; i < n; i++) {
			list[i] = &metas[i];
			packet_aim(g, &targets, &metas[i]);
		}
		bad = duel_run(duel, program, list, n);
		if (bad < n) {
			duel_report(duel, g, list, n, bad);
			fail();
		}
		left -= n;
	}
	targets_fini(&targets);
	free(metas);
}

static void
explode(const char *name, explosion_fn *fn, const char *layer, uint32_t n)
{
	struct generator *g = must(calloc(1, sizeof(*g)));
	struct sl_snapshot *snapshot;
	const struct sl_layer_program *program;
	struct fields fields;
	struct duel duel;

	duel_init(&duel, name);
	g->random.state = duel.seed;
	generator_begin(g, sl_layer_find(layer));
	fields = fields_of(g->layer);
	fn(g, &fields, n);
	snapshot = generator_compile(g->policy, NULL);
	program = snapshot->layers[g->layer->id];
	print_message("%s, %s: %u filters, %zu bytes a filter, %llu ms\n", name, layer,
		program->n_filters, bytes_of(program) / program->n_filters,
		(unsigned long long)(snapshot->build_ns / 1000000));
	assert_int_equal(program->n_filters, n);
	assert_true(bytes_of(program) <= (size_t)BYTES_PER_FILTER * n + BYTES_MORE);
	assert_true(snapshot->memory_bytes >= bytes_of(program));
	check_answers(g, &duel, program);
	check_limits(g, snapshot);
	sl_snapshot_free(snapshot);
	generator_end(g);
	duel_fini(&duel);
	free(g);
}

static void
test_explosions(void **state)
{
	static const struct {
		const char *name;
		explosion_fn *fn;
		uint32_t n;
	} list[] = {
		{"cross product", cross_product, 10000},
		{"nested pairs", nested_pairs, 4356},
		{"ladders", ladders, 1024},
		{"de Bruijn", de_bruijn, 4096},
		{"shifted ranges", shifted_ranges, 2000},
		{"half open", half_open, 3000},
		{"diagonal", diagonal, 9000},
		{"all wild", all_wild, 10000},
		{"wild callouts", wild_callouts, 2000},
		{"one field each", one_field_each, 10000},
		{"all but one", all_but_one, 5000},
		{"alternatives", alternatives, 500},
		{"arbitrary", arbitrary, 50000},
	};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(list); i++)
		explode(list[i].name, list[i].fn,
			i % 2 == 0 ? "inbound_transport_v4" : "outbound_transport_v6", list[i].n);
	for (uint32_t i = 0; i < SL_ARRAY_LEN(list); i++)
		explode(list[i].name, list[i].fn,
			i % 2 != 0 ? "inbound_transport_v4" : "outbound_transport_v6",
			SL_MIN(list[i].n, 3000u));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_explosions)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
