/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/make.h"

#include "base/sl_siphash.h"
#include "flow/bucket_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t hash_key[2] = {0x0123456789abcdef, 0xfedcba9876543210};

/* What the hash is by definition: that of base, of the bytes that can differ. */
static uint64_t
hash_simply(const struct sl_flow_key *key)
{
	uint8_t bytes[20];

	if (key->ip_version != 4)
		return sl_siphash(hash_key, key, sizeof(*key));
	memcpy(bytes, key->local, 4);
	memcpy(bytes + 4, key->remote, 4);
	memcpy(bytes + 8, &key->local_port, 12);
	return sl_siphash(hash_key, bytes, sizeof(bytes));
}

static void
test_forms(void **state)
{
	struct sl_flow_key keys[64];
	uint64_t hashes[65];
	flow_hash_fn *hash;

	(void)state;
	for (uint32_t f = 0; (hash = flow_hash_form(f)) != NULL; f++)
		for (uint32_t n = 0; n <= 64; n++) {
			for (uint32_t i = 0; i < 64; i++)
				make_key(&keys[i], (n * 64 + i) * (n % 2 + 1) + i / 7);
			memset(hashes, 0, sizeof(hashes));
			hash(hash_key, keys, n, hashes);
			for (uint32_t i = 0; i < n; i++)
				assert_int_equal(hashes[i], hash_simply(&keys[i]));
			assert_int_equal(hashes[n], 0);
		}
	for (uint32_t i = 0; i < 1000; i++) {
		make_key(&keys[0], i);
		assert_int_equal(flow_hash_one(hash_key, &keys[0]), hash_simply(&keys[0]));
	}
}

static void
test_best(void **state)
{
	(void)state;
	assert_non_null(flow_hash_form(0));
	assert_non_null(flow_hash_best());
}

/*
 * 2^20 keys that differ in few bits, as those of one server's clients do, in 2^16 first and second buckets: 16 a
 * bucket on average.  By Poisson a bucket with more than 48 is seen in one of 400,000 tables, and an empty
 * one in one of 68.
 */
static void
test_spread(void **state)
{
	enum {
		N = 1 << 20,
		BUCKETS = 1 << 16
	};
	struct sl_flow_table table = {.n_buckets = BUCKETS};
	uint16_t *counts = calloc(2 * BUCKETS, sizeof(*counts));
	uint32_t tags[256] = {0}, n_same_tag = 0;
	struct sl_flow_key key = {.ip_version = 4, .protocol = 6};

	(void)state;
	assert_non_null(counts);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t first, second;
		uint64_t hash;

		key.remote[3] = (uint8_t)i;
		key.remote_port = (uint16_t)(i >> 8);
		key.local[3] = (uint8_t)(i >> 16);
		hash = flow_hash_one(hash_key, &key);
		first = flow_bucket_first(&table, hash);
		second = flow_bucket_second(&table, hash, first);
		assert_true(first < BUCKETS && second < BUCKETS && first != second);
		counts[first]++;
		counts[BUCKETS + second]++;
		tags[flow_tag(hash)]++;
		n_same_tag += first % 256 == flow_tag(hash);
	}
	for (uint32_t i = 0; i < 2 * BUCKETS; i++)
		assert_in_range(counts[i], 1, 48);
	/* A tag each 4096 times, give or take eight times the square root; 0 is counted with 1. */
	assert_int_equal(tags[0], 0);
	assert_in_range(tags[1], 8192 - 8 * 91, 8192 + 8 * 91);
	for (uint32_t i = 2; i < 256; i++)
		assert_in_range(tags[i], 4096 - 8 * 64, 4096 + 8 * 64);
	/* Tags tell nothing that the bucket does not tell already. */
	assert_in_range(n_same_tag, 4096 - 8 * 64, 4096 + 8 * 64);
	free(counts);
}

/* No two of 2^20 keys have the same hash, and no bit of it stands still. */
static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
test_distinct(void **state)
{
	enum {
		N = 1 << 20
	};
	uint64_t *hashes = calloc(N, sizeof(*hashes));
	uint64_t any = 0, all = UINT64_MAX;
	struct sl_flow_key key;

	(void)state;
	assert_non_null(hashes);
	for (uint32_t i = 0; i < N; i++) {
		make_key(&key, i);
		hashes[i] = flow_hash_one(hash_key, &key);
		any |= hashes[i];
		all &= hashes[i];
	}
	qsort(hashes, N, sizeof(*hashes), compare);
	for (uint32_t i = 1; i < N; i++)
		assert_true(hashes[i] != hashes[i - 1]);
	assert_true(any == UINT64_MAX && all == 0);
	free(hashes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_best),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_distinct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
