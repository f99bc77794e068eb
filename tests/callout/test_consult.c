/* SPDX-License-Identifier: BSD-3-Clause */

/* What the workers of consult share: the ring of questions, and answers that are remembered. */
#include "callout/plugins/consult_memory.h"
#include "callout/plugins/consult_ring.h"
#include "sdk/sluice_types.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define THREADS 3u
#define EACH    20000u

/* --- The ring. --- */

static struct consult_ring ring;

static void
test_ring_until_full(void **state)
{
	struct consult_question question = {0};
	uint64_t token = 0;

	(void)state;
	for (uint64_t round = 0; round < 5; round++) {
		assert_false(consult_ring_get(&ring, &question));
		for (uint64_t i = 0; i < CONSULT_RING_SIZE; i++) {
			question.token = round * CONSULT_RING_SIZE + i;
			assert_true(consult_ring_put(&ring, &question));
		}
		assert_false(consult_ring_put(&ring, &question));
		for (uint64_t i = 0; i < CONSULT_RING_SIZE; i++) {
			assert_true(consult_ring_get(&ring, &question));
			assert_int_equal(question.token, token++);
		}
	}
}

/* A question all of whose numbers say the same. */
static struct consult_question
question_of(uint32_t thread, uint32_t number)
{
	return (struct consult_question){.token = number,
		.filter = ~(uint64_t)number,
		.link = thread,
		.local_port = (uint16_t)number,
		.remote_address = {[15] = (uint8_t)number}};
}

static void *
put_all(void *arg)
{
	const uint32_t thread = *(const uint32_t *)arg;

	for (uint32_t i = 0; i < EACH; i++) {
		const struct consult_question question = question_of(thread, i);

		while (!consult_ring_put(&ring, &question))
			sched_yield();
	}
	return NULL;
}

static void
test_ring_of_many(void **state)
{
	static const uint32_t numbers[THREADS] = {0, 1, 2};
	uint64_t next[THREADS] = {0};
	struct consult_question question;
	pthread_t threads[THREADS];
	uint32_t n_bad = 0;

	(void)state;
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, put_all, (void *)(uintptr_t)&numbers[i]),
			0);
	for (uint32_t n = 0; n < THREADS * EACH;) {
		if (!consult_ring_get(&ring, &question)) {
			sched_yield();
			continue;
		}
		n++;
		n_bad += question.link >= THREADS || question.token != next[question.link]++ ||
			question.filter != ~question.token ||
			question.local_port != (uint16_t)question.token ||
			question.remote_address[15] != (uint8_t)question.token;
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(n_bad, 0);
}

/* --- Memory. --- */

static struct consult_memory memory;

static const struct consult_question connection = {
	.layer = SLUICE_LAYER_ALE_AUTH_CONNECT_V4,
	.protocol = 6,
	.has_ports = 1,
	.is_outbound = 1,
	.local_port = 40000,
	.remote_port = 443,
	.local_address = {10, 0, 0, 2},
	.remote_address = {192, 0, 2, 7},
};

static bool
is_same(const struct consult_question *a, const struct consult_question *b)
{
	struct consult_key keys[2];

	consult_key_of(a, &keys[0]);
	consult_key_of(b, &keys[1]);
	return memcmp(&keys[0], &keys[1], sizeof(keys[0])) == 0;
}

static void
test_what_makes_a_key(void **state)
{
	struct consult_question a = connection;
	struct consult_question b = connection;

	(void)state;
	/* Whose it was and when does not matter, nor does the opener's port. */
	b.token = 1;
	b.filter = 2;
	b.link = 3;
	b.timeout_ms = 4;
	b.local_port = 40001;
	assert_true(is_same(&a, &b));
	b.remote_port = 444;
	assert_false(is_same(&a, &b));
	/* Towards us the service is here. */
	a.is_outbound = b.is_outbound = 0;
	assert_false(is_same(&a, &b));
	b.local_port = a.local_port;
	assert_true(is_same(&a, &b));
	/* ICMP has no ports: type and code both count. */
	a.protocol = b.protocol = 1;
	assert_false(is_same(&a, &b));
}

#define DIFFERS(member, value)                          \
	do {                                            \
		struct consult_question b = connection; \
		b.member = (value);                     \
		assert_false(is_same(&connection, &b)); \
	} while (0)

static void
test_what_parts_keys(void **state)
{
	(void)state;
	DIFFERS(protocol, 17);
	DIFFERS(layer, SLUICE_LAYER_ALE_AUTH_CONNECT_V6);
	DIFFERS(layer, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
	DIFFERS(has_ports, 0);
	DIFFERS(local_address[0], 11);
	DIFFERS(local_address[15], 1);
	DIFFERS(remote_address[0], 193);
	DIFFERS(remote_address[15], 1);
}

static void
test_memory(void **state)
{
	struct consult_key key, other;
	struct consult_question question = connection;

	(void)state;
	consult_key_of(&question, &key);
	question.remote_port = 80;
	consult_key_of(&question, &other);
	memset(&memory, 0, sizeof(memory));
	assert_int_equal(consult_memory_get(&memory, &key, 1000, UINT64_MAX), 0);
	consult_memory_put(&memory, &key, CONSULT_PERMIT, 1000);
	consult_memory_put(&memory, &other, CONSULT_BLOCK, 1000);
	assert_int_equal(consult_memory_get(&memory, &key, 1000, 0), CONSULT_PERMIT);
	assert_int_equal(consult_memory_get(&memory, &other, 1000, 0), CONSULT_BLOCK);
	assert_int_equal(consult_memory_get(&memory, &key, 1500, 500), CONSULT_PERMIT);
	assert_int_equal(consult_memory_get(&memory, &key, 1501, 500), 0);
	assert_int_equal(consult_memory_get(&memory, &key, 998, UINT64_MAX), 0);
	/* The newest answer counts. */
	consult_memory_put(&memory, &key, CONSULT_BLOCK, 2000);
	assert_int_equal(consult_memory_get(&memory, &key, 2000, 500), CONSULT_BLOCK);
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define MEMORIES (EACH * 10)
#else
#define MEMORIES (EACH * 200) /* so many that a reader that does not look twice is caught mostly */
#endif
#define RIVALS 4u

/* Keys of one place. Those with odd numbers are permitted. */
static struct consult_key rivals[RIVALS];

static void
find_rivals(void)
{
	struct consult_question question = connection;
	uint32_t n = 0;

	for (uint32_t i = 0; n < RIVALS; i++) {
		memcpy(question.remote_address, &i, sizeof(i));
		consult_key_of(&question, &rivals[n]);
		n += consult_memory_place(&memory, &rivals[n]) ==
			consult_memory_place(&memory, &rivals[0]);
	}
}

/* Every thread goes through the rivals its own way: the number of answers that were another's. */
static void *
remember_all(void *arg)
{
	uint32_t *n_bad = arg;
	const uint32_t stride = 1 + 2 * *n_bad;
	enum consult_verdict verdict;
	uint32_t key = 0;

	*n_bad = 0;
	for (uint32_t i = 0; i < MEMORIES; i++) {
		verdict = consult_memory_get(&memory, &rivals[key], 1000, 500);
		*n_bad += verdict != 0 && (verdict == CONSULT_PERMIT) != (key % 2 == 1);
		key = (key + stride + i / 7) % RIVALS;
		consult_memory_put(
			&memory, &rivals[key], key % 2 == 1 ? CONSULT_PERMIT : CONSULT_BLOCK, 1000);
	}
	return NULL;
}

/* Nobody is ever told what was said about another. */
static void
test_memory_of_many(void **state)
{
	uint32_t n_bad[THREADS] = {0, 1, 2};
	pthread_t threads[THREADS];

	(void)state;
	memset(&memory, 0, sizeof(memory));
	find_rivals();
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, remember_all, &n_bad[i]), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(n_bad[i], 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_until_full),
		cmocka_unit_test(test_ring_of_many),
		cmocka_unit_test(test_what_makes_a_key),
		cmocka_unit_test(test_what_parts_keys),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
