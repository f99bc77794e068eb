/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/make.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Coming, being found and going; ids; what a table takes. */

static void
test_limits(void **state)
{
	struct sl_flow_config config;
	struct sl_flow_table *table = NULL;

	(void)state;
	make_config(&config, 0);
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), -EINVAL);
	config.max = (1u << 27) + 1;
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), -EINVAL);
	config.max = 1;
	assert_int_equal(sl_flow_table_new(&config, 64, MAKE_START_NS, &table), -EINVAL);
	config.timeout_ms[SL_FLOW_UDP] = 0;
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), -EINVAL);
	config.timeout_ms[SL_FLOW_UDP] = 604800001;
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), -EINVAL);
	assert_null(table);
	config.timeout_ms[SL_FLOW_UDP] = 604800000;
	assert_int_equal(sl_flow_table_new(&config, 63, MAKE_START_NS, &table), 0);
	assert_int_equal(sl_flow_table_max(table), 1);
	sl_flow_table_free(table);
	sl_flow_table_free(NULL);
}

static void
test_add_find_remove(void **state)
{
	struct sl_flow_table *table = make_table(100);
	struct sl_flow_key key;
	struct sl_flow *flow, *other;

	(void)state;
	make_key(&key, 7);
	assert_null(make_find(table, &key));
	flow = make_add(table, 7, SL_FLOW_UDP, MAKE_START_NS + 5 * MAKE_MS);
	assert_non_null(flow);
	assert_memory_equal(&flow->key, &key, sizeof(key));
	assert_int_equal(flow->class, SL_FLOW_UDP);
	assert_int_equal(flow->flags, 0);
	assert_int_equal(flow->last_ms, 5);
	assert_int_equal(flow->serial & 1, 1);
	assert_int_equal(flow->packets[0] + flow->packets[1] + flow->bytes[0] + flow->bytes[1], 0);
	assert_int_equal(sl_flow_since_ns(table, flow), MAKE_START_NS);
	assert_ptr_equal(make_find(table, &key), flow);
	other = make_add(table, 8, SL_FLOW_UDP, MAKE_START_NS);
	assert_ptr_not_equal(other, flow);
	assert_ptr_equal(make_find(table, &key), flow);
	assert_int_equal(sl_flow_table_count(table), 2);
	sl_flow_remove(table, flow);
	assert_null(make_find(table, &key));
	assert_int_equal(sl_flow_table_count(table), 1);
	make_key(&key, 8);
	assert_ptr_equal(make_find(table, &key), other);
	sl_flow_table_free(table);
}

/* Many at once go as one by one: every count up to a burst, out of a table as full as it gets. */
static void
test_remove_all(void **state)
{
	enum {
		FLOWS = 4000
	};
	struct sl_flow_table *table = make_table(FLOWS);
	struct sl_flow *flows[64];
	struct sl_flow_key key;
	uint32_t next = 0, n;

	(void)state;
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_non_null(make_add(table, i, SL_FLOW_UDP, MAKE_START_NS));
	sl_flow_remove_all(table, flows, 0);
	for (n = 1; next + n <= FLOWS; n = n % 64 + 1) {
		for (uint32_t i = 0; i < n; i++) {
			make_key(&key, next + i);
			flows[i] = make_find(table, &key);
			assert_non_null(flows[i]);
		}
		sl_flow_remove_all(table, flows, n);
		for (uint32_t i = 0; i < n; i++) {
			make_key(&key, next + i);
			assert_null(make_find(table, &key));
			assert_int_equal(flows[i]->serial & 1, 0);
		}
		next += n;
		assert_int_equal(sl_flow_table_count(table), FLOWS - next);
	}
	/* Those that stay are found, and there is room for as many. */
	for (uint32_t i = next; i < FLOWS; i++) {
		make_key(&key, i);
		assert_non_null(make_find(table, &key));
	}
	for (uint32_t i = 0; i < next; i++)
		assert_non_null(make_add(table, i, SL_FLOW_UDP, MAKE_START_NS));
	sl_flow_table_free(table);
}

/* Every byte of the key tells flows apart. */
static void
test_key_bytes(void **state)
{
	struct sl_flow_table *table = make_table(200);
	struct sl_flow_key key, base;
	uint64_t hash, other;

	(void)state;
	make_key(&base, 1);
	assert_int_equal(base.ip_version, 6);
	make_add(table, 1, SL_FLOW_UDP, MAKE_START_NS);
	sl_flow_hash(table, &base, 1, &hash);
	for (size_t i = 0; i < sizeof(key); i++) {
		key = base;
		((uint8_t *)&key)[i] ^= 0x20;
		assert_null(make_find(table, &key));
		sl_flow_hash(table, &key, 1, &other);
		/* An unknown version is hashed like IPv6, and only 4 as IPv4. */
		assert_true(hash != other);
	}
	sl_flow_table_free(table);
}

/* Up to the last place, and no further; a place that gets free is used again. */
static void
test_full(void **state)
{
	enum {
		MAX = 5000
	};
	struct sl_flow_table *table = make_table(MAX);
	struct sl_flow_key key;

	(void)state;
	for (uint32_t i = 0; i < MAX; i++)
		assert_non_null(make_add(table, i, SL_FLOW_UDP, MAKE_START_NS));
	assert_null(make_add(table, MAX, SL_FLOW_UDP, MAKE_START_NS));
	for (uint32_t i = 0; i < MAX; i++) {
		make_key(&key, i);
		assert_non_null(make_find(table, &key));
		assert_memory_equal(&make_find(table, &key)->key, &key, sizeof(key));
	}
	for (uint32_t i = 0; i < MAX; i += 2) {
		make_key(&key, i);
		sl_flow_remove(table, make_find(table, &key));
	}
	for (uint32_t i = MAX; i < MAX + MAX / 2; i++)
		assert_non_null(make_add(table, i, SL_FLOW_UDP, MAKE_START_NS));
	assert_null(make_add(table, 2 * MAX, SL_FLOW_UDP, MAKE_START_NS));
	for (uint32_t i = 0; i < MAX + MAX / 2; i++) {
		make_key(&key, i);
		assert_int_equal(make_find(table, &key) != NULL, i >= MAX || i % 2 == 1);
	}
	assert_int_equal(sl_flow_table_count(table), MAX);
	sl_flow_table_free(table);
}

/* Full to the last place, each flow takes the place of another: in three hundred thousand none is refused. */
static void
test_churn(void **state)
{
	enum {
		MAX = 100000
	};
	struct sl_flow_table *table = make_table(MAX);
	struct sl_flow_key key;

	(void)state;
	for (uint32_t i = 0; i < 4 * MAX; i++) {
		if (i >= MAX) {
			make_key(&key, i - MAX);
			sl_flow_remove(table, make_find(table, &key));
		}
		assert_non_null(make_add(table, i, SL_FLOW_UDP, MAKE_START_NS));
	}
	for (uint32_t i = 0; i < 4 * MAX; i++) {
		make_key(&key, i);
		assert_int_equal(make_find(table, &key) != NULL, i >= 3 * MAX);
	}
	sl_flow_table_free(table);
}

/* A batch finds each key by itself: there, not there, and the same one twice. */
static void
test_batch(void **state)
{
	struct sl_flow_table *table = make_table(1000);
	struct sl_flow_key keys[64];
	struct sl_flow *flows[64];
	uint64_t hashes[64];

	(void)state;
	for (uint32_t i = 0; i < 1000; i += 3)
		make_add(table, i, SL_FLOW_TCP_SYN, MAKE_START_NS);
	for (uint32_t from = 0; from < 1000; from += 61) {
		for (uint32_t i = 0; i < 64; i++)
			make_key(&keys[i], i == 63 ? from : from + i);
		for (uint32_t n = 0; n <= 64; n += n < 60 ? 7 : 1) {
			memset(flows, 0xff, sizeof(flows));
			sl_flow_hash(table, keys, n, hashes);
			sl_flow_find(table, keys, hashes, n, flows);
			for (uint32_t i = 0; i < n; i++)
				assert_ptr_equal(flows[i], make_find(table, &keys[i]));
		}
		assert_int_equal(flows[1] != NULL, (from + 1) % 3 == 0);
		assert_ptr_equal(flows[63], flows[0]);
	}
	sl_flow_table_free(table);
}

static void
test_ids(void **state)
{
	struct sl_flow_config config;
	struct sl_flow_table *table;
	struct sl_flow *flow;
	uint64_t id, later;

	(void)state;
	make_config(&config, 10);
	assert_int_equal(sl_flow_table_new(&config, 63, MAKE_START_NS, &table), 0);
	flow = make_add(table, 1, SL_FLOW_UDP, MAKE_START_NS);
	id = sl_flow_id(table, flow);
	assert_true(id != 0);
	assert_int_equal(sl_flow_id_worker(id), 63);
	assert_ptr_equal(sl_flow_by_id(table, id), flow);
	assert_null(sl_flow_by_id(table, 0));
	assert_null(sl_flow_by_id(table, UINT64_MAX));
	assert_null(sl_flow_by_id(table, id + 1));
	sl_flow_remove(table, flow);
	assert_null(sl_flow_by_id(table, id));
	/* The place is used again, under another id. */
	assert_ptr_equal(make_add(table, 2, SL_FLOW_UDP, MAKE_START_NS), flow);
	later = sl_flow_id(table, flow);
	assert_true(later != id);
	assert_null(sl_flow_by_id(table, id));
	assert_ptr_equal(sl_flow_by_id(table, later), flow);
	/* Serials come round without an id of 0. */
	sl_flow_remove(table, flow);
	flow->serial = UINT32_MAX - 1;
	flow = make_add(table, 3, SL_FLOW_UDP, MAKE_START_NS);
	assert_int_equal(flow->serial, UINT32_MAX);
	sl_flow_remove(table, flow);
	flow = make_add(table, 3, SL_FLOW_UDP, MAKE_START_NS);
	assert_true((flow->serial & 1) == 1 && flow->serial >> 1 != 0);
	sl_flow_table_free(table);
}

/* What is stated of memory holds for the tables that it is stated for. */
static void
test_bytes(void **state)
{
	struct sl_flow_table *table = make_table(1000000);

	(void)state;
	assert_true(sl_flow_table_bytes(table) <= 160u * 1000000);
	sl_flow_table_free(table);
}

static void
test_sweep(void **state)
{
	struct sl_flow_table *table = make_table(100);
	struct sl_flow *flows[10];
	uint32_t at = 0, seen[40] = {0}, n;

	(void)state;
	assert_int_equal(sl_flow_sweep(table, &at, 10, flows, 10), 0);
	for (uint32_t i = 0; i < 40; i++)
		make_add(table, i, SL_FLOW_UDP, MAKE_START_NS);
	for (uint32_t i = 0; i < 40; i += 4) {
		struct sl_flow_key key;

		make_key(&key, i);
		sl_flow_remove(table, make_find(table, &key));
	}
	/* Five rounds of 8 places each are one turn. */
	for (uint32_t round = 0; round < 5; round++) {
		n = sl_flow_sweep(table, &at, 8, flows, 10);
		assert_int_equal(n, 6);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t number;

			memcpy(&number, flows[i]->key.remote, sizeof(number));
			seen[number]++;
		}
	}
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(seen[i], i % 4 != 0);
	assert_int_equal(sl_flow_sweep(table, &at, 8, flows, 2), 2);
	assert_int_equal(sl_flow_sweep(table, &at, 1000, flows, 10), 10);
	sl_flow_table_free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_add_find_remove),
		cmocka_unit_test(test_remove_all),
		cmocka_unit_test(test_key_bytes),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
