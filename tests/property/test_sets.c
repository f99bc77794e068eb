/* SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"
#include "duel.h"
#include "packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * Sets of up to a million elements that several filters share.  The reference goes through all
 * elements for every condition, so that it judges a few packets; many more are judged by what the
 * policy room says about the set, which bisects.
 *
 * Every filter has one condition on a set, and a range of ports.
 */

#define FILTERS 8u
#define BATCH   SL_BATCH_MAX

/* What is tried: elements, of which type, at which layer. */
struct trial {
	const char *name;
	const char *layer;
	enum sl_set_type type;
	uint32_t n_elements;
	enum sluice_field fields[2];
	enum sluice_field port;
	uint32_t n_reference; /* packets that the reference judges */
};

struct run {
	const struct trial *trial;
	struct generator g;
	struct duel duel;
	const struct sl_set *set;
	struct sl_meta *metas;
};

static const struct sl_layer_field *
field_by_id(const struct run *run, enum sluice_field field)
{
	return must((void *)(uintptr_t)sl_layer_field_by_id(run->g.layer, field, NULL));
}

/* Elements of all lengths, few of them short, that leave gaps and touch each other. */
static void
add_set(struct run *run)
{
	struct sl_object *object = generator_object(SL_OBJECT_SET, "huge", 0);
	struct sl_set *set = sl_set_of(object);
	struct random *random = &run->g.random;
	const uint32_t bits = field_bits(&run->g, field_by_id(run, run->trial->fields[0]));
	const uint32_t n = (uint32_t)(run->trial->n_elements / RANDOM_SLOWNESS) + 1;

	set->set_type = run->trial->type;
	set->n_elements = n;
	set->elements = must(calloc(n, sizeof(*set->elements)));
	for (uint32_t i = 0; i < n; i++) {
		const u128 any = (u128)random_next(random) << 64 | random_next(random);
		const u128 host = run->trial->type == SL_SET_MAC || bits < 32
			? 0
			: u128_max(random_below(random, random_chance(random, 2) ? 10 : 3));
		const u128 low = (any >> (128 - bits)) & ~host;

		u128_to_bytes(low, set->elements[i].low, 16);
		u128_to_bytes(low | host, set->elements[i].high, 16);
	}
	generator_add(&run->g, object);
	run->set = set;
}

static void
add_filters(struct run *run, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = draft_new(&run->g, 0, 1000 - i);

		draft_when(filter,
			cond_set(field_by_id(run, run->trial->fields[i / 2 % 2]),
				i % 2 == 0 ? SL_MATCH_IN_SET : SL_MATCH_NOT_IN_SET, "huge0"));
		draft_when(
			filter, cond_range(field_by_id(run, run->trial->port), i * 100, i * 150));
		if (i % 3 == 0)
			draft_callout(filter, SLUICE_ACTION_CALLOUT_INSPECTION);
		draft_add(&run->g, filter);
	}
}

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

/* --- The second opinion. --- */

static u128
value_of(const struct sl_meta *meta, enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];

	if (info->kind == SL_SLOT_KIND_BYTES)
		return u128_of_bytes((const uint8_t *)meta + info->offset, info->size);
	return sl_meta_number(meta, slot);
}

static bool
matches(const struct run *run, const struct sl_filter *filter, const struct sl_meta *meta)
{
	const struct sl_condition *in_set = &filter->conditions[0];
	const struct sl_condition *range = &filter->conditions[1];
	const enum sl_slot slot = sl_meta_slot(filter->layer, in_set->field);
	const enum sl_slot port = sl_meta_slot(filter->layer, range->field);
	uint8_t number[16];

	if (!sl_meta_has(meta, slot) || !sl_meta_has(meta, port))
		return false;
	u128_to_bytes(value_of(meta, slot), number, 16);
	return sl_set_contains(run->set, number) == (in_set->match == SL_MATCH_IN_SET) &&
		value_of(meta, port) >= range->value.low.number &&
		value_of(meta, port) <= range->value.high.number;
}

/* True when the list of packet `i` is that of the second opinion. */
static bool
is_right(const struct run *run, const struct targets *targets, uint32_t i)
{
	const struct sl_matches *out = &run->duel.compiled;
	uint32_t at = out->start[i];

	for (uint32_t t = 0; t < targets->n; t++) {
		const uint32_t rank = targets->ranks[t];
		const struct sl_filter *filter = targets->program->filters[rank].object;

		if (!matches(run, filter, &run->metas[i]))
			continue;
		if (at == out->start[i + 1] || out->ranks[at++] != rank)
			return false;
		if (!sl_action_is_callout(filter->action))
			break;
	}
	return at == out->start[i + 1];
}

static void
check_batch(struct run *run, const struct targets *targets, const struct sl_meta *const metas[])
{
	for (enum sl_simd simd = 0; simd < SL_SIMD_COUNT; simd++) {
		if (!sl_simd_has(simd))
			continue;
		assert_int_equal(sl_classify_run_as(
					 simd, targets->program, metas, BATCH, &run->duel.compiled),
			BATCH);
		for (uint32_t i = 0; i < BATCH; i++) {
			if (is_right(run, targets, i))
				continue;
			fprintf(stderr, "%s: packet %u of a batch, form %s; SLUICE_SEED=%llu\n",
				run->trial->name, i, sl_simd_name(simd),
				(unsigned long long)run->duel.seed);
			duel_print(&run->duel, targets->program, &run->metas[i]);
			fail();
		}
	}
}

static void
check_answers(struct run *run, const struct sl_layer_program *program)
{
	const uint64_t n_batches = random_amount(400);
	const struct sl_meta *metas[BATCH];
	struct targets targets;

	targets_init(&targets, program);
	for (uint64_t b = 0; b < n_batches; b++) {
		const uint32_t n_reference = b == 0 ? run->trial->n_reference : 0;

		for (uint32_t i = 0; i < BATCH; i++) {
			metas[i] = &run->metas[i];
			packet_aim(&run->g, &targets, &run->metas[i]);
		}
		check_batch(run, &targets, metas);
		if (n_reference > 0)
			assert_int_equal(
				duel_run(&run->duel, program, metas, n_reference), n_reference);
	}
	targets_fini(&targets);
}

/* --- Trials. --- */

static void
try(const struct trial *trial)
{
	struct run *run = must(calloc(1, sizeof(*run)));
	struct sl_snapshot *one;
	struct sl_snapshot *all;
	const struct sl_layer_program *program;
	size_t bytes_of_one;

	run->trial = trial;
	duel_init(&run->duel, trial->name);
	run->g.random.state = run->duel.seed;
	run->metas = must(aligned_alloc(SL_CACHE_LINE, BATCH * sizeof(*run->metas)));
	generator_begin(&run->g, sl_layer_find(trial->layer));
	add_set(run);
	add_filters(run, 1);
	one = generator_compile(run->g.policy, NULL);
	bytes_of_one = bytes_of(one->layers[run->g.layer->id]);
	add_filters(run, FILTERS - 1);
	all = generator_compile(run->g.policy, one);
	sl_snapshot_free(one);
	program = all->layers[run->g.layer->id];
	print_message("%s: %zu bytes for one filter, %zu for %u\n", trial->name, bytes_of_one,
		bytes_of(program), program->n_filters);
	/* A set is compiled once, whoever names it. */
	assert_true(bytes_of(program) <= bytes_of_one + bytes_of_one / 4 + 65536);
	check_answers(run, program);
	sl_snapshot_free(all);
	generator_end(&run->g);
	duel_fini(&run->duel);
	free(run->metas);
	free(run);
}

static void
test_sets(void **state)
{
	static const struct trial trials[] = {
		{"a million IPv4 prefixes", "inbound_transport_v4", SL_SET_V4_PREFIX, 1000000,
			{SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_FIELD_IP_LOCAL_ADDRESS},
			SLUICE_FIELD_IP_LOCAL_PORT, 24},
		{"100,000 IPv4 prefixes", "outbound_transport_v4", SL_SET_V4_PREFIX, 100000,
			{SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_FIELD_IP_LOCAL_ADDRESS},
			SLUICE_FIELD_IP_REMOTE_PORT, 128},
		{"100,000 IPv6 prefixes", "inbound_transport_v6", SL_SET_V6_PREFIX, 100000,
			{SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_FIELD_IP_REMOTE_ADDRESS},
			SLUICE_FIELD_IP_LOCAL_PORT, 128},
		{"100,000 MAC addresses", "inbound_mac_frame_ethernet", SL_SET_MAC, 100000,
			{SLUICE_FIELD_MAC_REMOTE_ADDRESS, SLUICE_FIELD_MAC_LOCAL_ADDRESS},
			SLUICE_FIELD_ETHER_TYPE, 128},
		{"30,000 ports", "inbound_transport_v4", SL_SET_UINT16, 30000,
			{SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_FIELD_IP_LOCAL_PORT},
			SLUICE_FIELD_IP_REMOTE_PORT, 256},
	};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(trials); i++)
		try(&trials[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sets)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
