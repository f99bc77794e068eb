/* SPDX-License-Identifier: BSD-3-Clause */
#include "bytes.h"
#include "callout/plugins/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct vector {
	const char *name;
	uint32_t l2_size;
	const char *question;
	const char *answer;
};

static const struct vector vectors[] = {
#define X(name, l2_size, question, answer) {#name, l2_size, question, answer},
#include "answer_vectors.def"
#undef X
};

#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

/* Builds the answer from exactly `readable` bytes on the heap, so that a read beyond is a fault. */
static enum answer
build(const struct vector *vector, uint32_t readable, uint8_t *to, uint32_t *size)
{
	uint8_t bytes[2000];
	struct question question = {.l2_size = vector->l2_size, .readable = readable};
	uint8_t *heap = malloc(readable > 0 ? readable : 1);
	enum answer answer;

	assert_non_null(heap);
	question.length = bytes_of_hex(vector->question, bytes, sizeof(bytes));
	assert_true(readable <= question.length);
	memcpy(heap, bytes, readable);
	question.frame = heap;
	answer = answer_build(&question, to, size);
	free(heap);
	return answer;
}

/* Every packet is answered as an independent implementation builds the answer, or not at all. */
static void
test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		uint8_t expected[2000], got[ANSWER_SIZE];
		uint32_t size = 0,
			 want = bytes_of_hex(vectors[i].answer, expected, sizeof(expected));
		uint32_t length = (uint32_t)strlen(vectors[i].question) / 2;
		enum answer answer = build(&vectors[i], length, got, &size);

		if ((answer == ANSWER_NONE) != (want == 0) || (want != 0 && size != want) ||
			(want != 0 && memcmp(got, expected, want) != 0)) {
			print_error("%s: kind %d, %u bytes, expected %u: ", vectors[i].name, answer,
				size, want);
			for (uint32_t b = 0; answer != ANSWER_NONE && b < size; b++)
				print_error("%02x", got[b]);
			print_error("\n");
			fail();
		}
	}
}

/* Cut at every byte, no packet makes it read beyond what is there or write beyond its room. */
static void
test_cut_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		uint32_t length = (uint32_t)strlen(vectors[i].question) / 2;

		for (uint32_t cut = 0; cut <= length; cut++) {
			uint8_t *to = malloc(ANSWER_SIZE);
			uint32_t size = 0;

			assert_non_null(to);
			if (build(&vectors[i], cut, to, &size) != ANSWER_NONE)
				assert_in_range(size, 60, ANSWER_SIZE);
			free(to);
		}
	}
}

/* Random bytes behind plausible headers: nothing to compare with but the bounds. */
static void
test_noise(void **state)
{
	uint64_t random = 0x9e3779b97f4a7c15u;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		const struct vector *vector = &vectors[(size_t)round % N_VECTORS];
		uint8_t bytes[2000], to[ANSWER_SIZE];
		struct question question = {.l2_size = vector->l2_size, .frame = bytes};
		uint32_t size = 0;

		question.length = bytes_of_hex(vector->question, bytes, 200);
		for (int i = 0; i < 4; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			bytes[14 + (random >> 33) % (question.length - 14)] ^=
				(uint8_t)(random >> 24);
		}
		question.readable = question.length;
		if (answer_build(&question, to, &size) != ANSWER_NONE)
			assert_in_range(size, 60, ANSWER_SIZE);
	}
}

/* A link-layer header that leaves no room for the longest answer is not answered. */
static void
test_long_link_header(void **state)
{
	uint8_t frame[400] = {0}, to[ANSWER_SIZE];
	struct question question = {.frame = frame, .readable = 400, .length = 400, .l2_size = 300};
	uint32_t size = 0;

	(void)state;
	frame[300] = 0x45;
	assert_int_equal(answer_build(&question, to, &size), ANSWER_NONE);
	question.l2_size = 13;
	assert_int_equal(answer_build(&question, to, &size), ANSWER_NONE);
	question.l2_size = 400;
	assert_int_equal(answer_build(&question, to, &size), ANSWER_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_long_link_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
