/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Listing flows while their worker goes on: one thread opens, counts and ends flows as fast as it can, two others list
 * all of them over and over and look at single ones.
 *
 * What a reader gets must be one flow: the key that a number makes, counters that never were ahead of each other by
 * more than a packet, and a place where that flow can have been.  Flows that stay are in every list, once.
 */

#include "flow/make.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PLACES  256u
#define STAYING 100u
#define KEYS    2000u
#define LISTS   20000u /* that each reader makes */
#define READERS 2u
#define LENGTH  100u /* bytes of each packet */

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SLOWNESS 10u
#else
#define SLOWNESS 1u
#endif

struct race {
	struct sl_flow_table *table;
	uint32_t n_reading; /* relaxed: readers that are not done */
};

struct reader {
	struct race *race;
	uint64_t n_views;
	uint64_t n_wrong;   /* views that are no flow that ever was */
	uint64_t n_missing; /* flows that stay, and were not in a list once */
	uint64_t n_single;  /* flows seen again by id */
};

static uint32_t
number_of(const struct sl_flow_key *key)
{
	uint32_t number;

	memcpy(&number, key->remote, sizeof(number));
	return number;
}

/* --- The worker. --- */

static void
count(struct sl_flow_table *table, struct sl_flow *flow, uint64_t now_ns)
{
	sl_flow_count(flow, SLUICE_DIRECTION_INBOUND, LENGTH, sl_flow_clock(table, now_ns));
	sl_flow_count(flow, SLUICE_DIRECTION_OUTBOUND, LENGTH, sl_flow_clock(table, now_ns));
}

/* Flow i of a list that comes round: its key's flow ends if there is one, and is opened otherwise. */
static void
turn(struct sl_flow_table *table, uint32_t i, uint64_t now_ns)
{
	uint32_t number = STAYING + i * 7919 % (KEYS - STAYING);
	struct sl_flow_key key;
	struct sl_flow *flow;

	make_key(&key, number);
	flow = make_find(table, &key);
	if (flow != NULL) {
		sl_flow_set_end(flow, SL_FLOW_END_FIN);
		sl_flow_remove(table, flow);
		return;
	}
	flow = make_add(table, number, SL_FLOW_TCP_SYN, now_ns);
	if (flow == NULL) {
		flow = sl_flow_victim(table);
		if (flow != NULL) {
			assert_true(number_of(&flow->key) >= STAYING);
			sl_flow_remove(table, flow);
		}
		return;
	}
	sl_flow_about(table, flow)->filter_id = number;
	sl_flow_set_flags(flow, SL_FLOW_OUTBOUND, 0);
	count(table, flow, now_ns);
	if (i % 3 == 0)
		sl_flow_set_class(table, flow, SL_FLOW_TCP_FIN, now_ns);
}

static void
work(struct race *race, struct sl_flow *staying[STAYING])
{
	struct sl_flow *due[8];
	uint64_t now_ns = MAKE_START_NS;

	for (uint32_t i = 0; __atomic_load_n(&race->n_reading, __ATOMIC_RELAXED) > 0; i++) {
		turn(race->table, i, now_ns);
		count(race->table, staying[i % STAYING], now_ns);
		/* Slowly enough for those that stay. */
		now_ns += 1000;
		assert_int_equal(sl_flow_due(race->table, now_ns, 8, due, 0), 0);
	}
}

/* --- Readers. --- */

static bool
is_right(const struct sl_flow_table *table, const struct sl_flow_view *view)
{
	struct sl_flow_key key;

	if (number_of(&view->key) >= KEYS)
		return false;
	make_key(&key, number_of(&view->key));
	if (memcmp(&key, &view->key, sizeof(key)) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		if (view->bytes[i] % LENGTH != 0 || view->bytes[i] / LENGTH + 1 < view->packets[i])
			return false;
	return view->id != 0 && sl_flow_id_worker(view->id) == 0 &&
		view->class < SL_FLOW_CLASS_COUNT && view->end < SL_FLOW_END_COUNT &&
		view->since_ns <= view->last_ns + 62500000 && view->over_ns > view->last_ns &&
		sl_flow_table_count(table) <= PLACES;
}

static void
list(struct reader *reader, uint32_t page)
{
	const struct sl_flow_table *table = reader->race->table;
	struct sl_flow_view views[32], again;
	uint8_t seen[STAYING] = {0};
	uint32_t at = 0;

	while (at != SL_FLOW_LIST_END) {
		uint32_t n = sl_flow_list(table, &at, views, page);

		for (uint32_t i = 0; i < n; i++) {
			uint32_t number = number_of(&views[i].key);

			reader->n_views++;
			reader->n_wrong += !is_right(table, &views[i]);
			if (number < STAYING)
				seen[number]++;
			if (!sl_flow_view(table, views[i].id, &again))
				continue;
			reader->n_single++;
			reader->n_wrong += number_of(&again.key) != number;
		}
	}
	for (uint32_t i = 0; i < STAYING; i++)
		reader->n_missing += seen[i] != 1;
}

static void *
read_all(void *arg)
{
	struct reader *reader = arg;

	for (uint32_t i = 0; i < LISTS / SLOWNESS; i++)
		list(reader, 1 + i % 32);
	__atomic_fetch_sub(&reader->race->n_reading, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void
test_lists(void **state)
{
	struct race race = {.table = make_table(PLACES), .n_reading = READERS};
	struct reader readers[READERS] = {0};
	struct sl_flow *staying[STAYING];
	pthread_t threads[READERS];

	(void)state;
	for (uint32_t i = 0; i < STAYING; i++)
		staying[i] = make_add(race.table, i, SL_FLOW_TCP_ESTABLISHED, MAKE_START_NS);
	for (uint32_t i = 0; i < READERS; i++) {
		readers[i].race = &race;
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
	}
	work(&race, staying);
	for (uint32_t i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		print_message("reader %u: %llu views, %llu of them again by id\n", i,
			(unsigned long long)readers[i].n_views,
			(unsigned long long)readers[i].n_single);
		assert_int_equal(readers[i].n_wrong, 0);
		assert_int_equal(readers[i].n_missing, 0);
		assert_true(readers[i].n_views > LISTS / SLOWNESS * STAYING);
	}
	sl_flow_table_free(race.table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
