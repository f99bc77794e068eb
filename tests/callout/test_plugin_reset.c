/* SPDX-License-Identifier: BSD-3-Clause */
#include "bytes.h"
#include "mock_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define START  (UINT64_C(1767323045) * SECOND)
#define WRITE  SLUICE_RIGHT_ACTION_WRITE

enum {
	BLOCKED,
	TCP_RESETS,
	ICMP_UNREACHABLES,
	RATE_LIMITED,
	QUEUE_FULL,
	UNANSWERED
};

/* The question or answer of a vector by its name. */
static const char *
vector(const char *name, int which)
{
	static const struct {
		const char *name;
		const char *texts[2];
	} vectors[] = {
#define X(name, l2_size, question, answer) {#name, {question, answer}},
#include "answer_vectors.def"
#undef X
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		if (strcmp(vectors[i].name, name) == 0)
			return vectors[i].texts[which];
	}
	fail_msg("no vector %s", name);
	return "";
}

/* Offers a vector's packet at a time. */
static struct sluice_classify_out
offer(struct mock *mock, const struct sluice_filter *filter, const char *name, uint64_t now_ns,
	uint32_t rights)
{
	const struct sluice_metadata meta = {
		.valid = SLUICE_METADATA_L2_HEADER_SIZE,
		.l2_header_size = 14,
		.time_ns = now_ns,
	};
	static uint8_t frame[2000];

	mock_frame(mock, frame, bytes_of_hex(vector(name, 0), frame, sizeof(frame)));
	return mock_classify(mock, filter, &meta, rights, 0);
}

static void
start(struct mock *mock, struct sluice_filter *filter, const char *data)
{
	mock_init(mock, &sluice_callout);
	assert_int_equal(mock_add(mock, filter, SLUICE_ACTION_CALLOUT_TERMINATING, data), 0);
}

static void
stop(struct mock *mock, struct sluice_filter *filter)
{
	mock_delete(mock, filter);
	mock_fini(mock);
}

static void
assert_replied(const struct mock *mock, const char *name)
{
	uint8_t expected[2000];
	uint32_t n = bytes_of_hex(vector(name, 1), expected, sizeof(expected));

	assert_int_equal(mock->reply_length, n);
	assert_memory_equal(mock->reply, expected, n);
}

static void
test_answers(void **state)
{
	static const char *const names[] = {"tcp4_syn", "tcp6_ack", "udp4_big", "udp6_big"};
	struct sluice_classify_out out;
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	start(&mock, &filter, NULL);
	for (uint32_t i = 0; i < 4; i++) {
		out = offer(&mock, &filter, names[i], START, WRITE);
		assert_int_equal(out.action, SLUICE_ACTION_BLOCK);
		assert_int_equal(out.rights, 0);
		assert_int_equal(out.flags, 0);
		assert_int_equal(mock.n_replies, i + 1);
		assert_replied(&mock, names[i]);
	}
	assert_int_equal(mock.counters[BLOCKED], 4);
	assert_int_equal(mock.counters[TCP_RESETS], 2);
	assert_int_equal(mock.counters[ICMP_UNREACHABLES], 2);
	stop(&mock, &filter);
}

/* What has no answer is blocked all the same. */
static void
test_silent(void **state)
{
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	start(&mock, &filter, NULL);
	assert_int_equal(
		offer(&mock, &filter, "tcp4_rst", START, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(offer(&mock, &filter, "icmp4", START, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(offer(&mock, &filter, "arp", START, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(mock.n_replies, 0);
	assert_int_equal(mock.counters[UNANSWERED], 3);
	stop(&mock, &filter);
}

/* A packet that is not ours to block is not ours to answer. */
static void
test_without_the_right(void **state)
{
	struct sluice_classify_out out;
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	start(&mock, &filter, NULL);
	out = offer(&mock, &filter, "tcp4_syn", START, 0);
	assert_int_equal(out.action, SLUICE_ACTION_UNTOUCHED);
	assert_int_equal(mock.n_replies, 0);
	assert_int_equal(mock.counters[BLOCKED], 0);
	stop(&mock, &filter);
}

static void
test_discard_twin_and_other_links(void **state)
{
	struct sluice_metadata meta = {
		.valid = SLUICE_METADATA_L2_HEADER_SIZE | SLUICE_METADATA_DISCARD_REASON,
		.l2_header_size = 14,
		.time_ns = START,
	};
	struct sluice_filter filter;
	uint8_t frame[200];
	struct mock mock;

	(void)state;
	start(&mock, &filter, NULL);
	mock_frame(&mock, frame, bytes_of_hex(vector("tcp4_syn", 0), frame, sizeof(frame)));
	assert_int_equal(
		mock_classify(&mock, &filter, &meta, WRITE, 0).action, SLUICE_ACTION_BLOCK);
	/* Not parsed as IP. */
	meta.valid = 0;
	assert_int_equal(
		mock_classify(&mock, &filter, &meta, WRITE, 0).action, SLUICE_ACTION_BLOCK);
	/* No Ethernet header to answer with. */
	meta.valid = SLUICE_METADATA_L2_HEADER_SIZE;
	meta.l2_header_size = 0;
	mock_frame(&mock, frame + 14, mock.length - 14);
	assert_int_equal(
		mock_classify(&mock, &filter, &meta, WRITE, 0).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(mock.n_replies, 0);
	assert_int_equal(mock.counters[UNANSWERED], 3);
	stop(&mock, &filter);
}

/* Errors are limited, resets are not. */
static void
test_rate_of_errors(void **state)
{
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	start(&mock, &filter, NULL);
	for (int i = 0; i < 150; i++)
		offer(&mock, &filter, "udp4", START, WRITE);
	assert_int_equal(mock.counters[ICMP_UNREACHABLES], 100);
	assert_int_equal(mock.counters[RATE_LIMITED], 50);
	offer(&mock, &filter, "udp4", START + 1000001, WRITE);
	assert_int_equal(mock.counters[ICMP_UNREACHABLES], 101);
	for (int i = 0; i < 150; i++)
		offer(&mock, &filter, "tcp4_syn", START, WRITE);
	assert_int_equal(mock.counters[TCP_RESETS], 150);
	assert_int_equal(mock.counters[BLOCKED], 301);
	stop(&mock, &filter);

	start(&mock, &filter, "{\"icmp_pps\": 3}");
	for (int i = 0; i < 5; i++)
		offer(&mock, &filter, "udp6", START, WRITE);
	assert_int_equal(mock.counters[ICMP_UNREACHABLES], 1);
	offer(&mock, &filter, "udp6", START + SECOND / 3 + 1, WRITE);
	assert_int_equal(mock.counters[ICMP_UNREACHABLES], 2);
	stop(&mock, &filter);

	start(&mock, &filter, "{\"icmp_pps\": 0}");
	offer(&mock, &filter, "udp4", START, WRITE);
	assert_int_equal(mock.n_replies, 0);
	stop(&mock, &filter);
}

static void
test_queue_full(void **state)
{
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	start(&mock, &filter, NULL);
	mock.reply_rc = -105;
	assert_int_equal(
		offer(&mock, &filter, "tcp4_syn", START, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(mock.counters[QUEUE_FULL], 1);
	assert_int_equal(mock.counters[TCP_RESETS], 0);
	stop(&mock, &filter);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *data;
		const char *words;
	} bad[] = {
		{"[]", "the provider context's data is not a JSON object"},
		{"{\"pps\":1}",
			"the provider context's data has a member \"pps\"; it may have "
			"\"icmp_pps\" alone"},
		{"{\"icmp_pps\":-1}", "\"icmp_pps\" must be an integer from 0 to 1000000"},
		{"{\"icmp_pps\":1000001}", "\"icmp_pps\" must be an integer from 0 to 1000000"},
		{"{\"icmp_pps\":\"1\"}", "\"icmp_pps\" must be an integer from 0 to 1000000"},
	};
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(
			mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING, bad[i].data),
			0);
		assert_string_equal(mock.refusal, bad[i].words);
	}
	assert_int_not_equal(mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_INSPECTION, NULL), 0);
	assert_non_null(strstr(mock.refusal, "use the action callout_terminating"));
	mock_fini(&mock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_without_the_right),
		cmocka_unit_test(test_discard_twin_and_other_links),
		cmocka_unit_test(test_rate_of_errors),
		cmocka_unit_test(test_queue_full),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
