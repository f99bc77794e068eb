/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_engine.h"
#include "bench_make.h"
#include "bench_median.h"
#include "bench_traffic.h"
#include "bench_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Made rule sets and traces: the same for a seed, as many as asked for, and what they say they are. */

static void
make(enum bench_kind kind, uint32_t n, bool is_v6, uint64_t seed, struct bench_rules *rules)
{
	const struct bench_make_spec spec = {kind, n, is_v6, seed};
	struct sl_error err;

	assert_int_equal(bench_make(&spec, rules, &err), 0);
	assert_int_equal(rules->n, n);
	assert_int_equal(rules->is_v6, is_v6);
}

static bool
are_equal(const struct bench_rules *a, const struct bench_rules *b)
{
	return a->n == b->n && memcmp(a->list, b->list, a->n * sizeof(*a->list)) == 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bench_rule));
}

static void
assert_tail_is_zero(const uint8_t address[16], uint32_t len)
{
	for (uint32_t bit = len; bit < 128; bit++)
		assert_int_equal(address[bit / 8] >> (7 - bit % 8) & 1, 0);
}

static void
test_same_seed(void **state)
{
	(void)state;
	for (int kind = 0; kind < BENCH_KIND_COUNT; kind++) {
		for (int is_v6 = 0; is_v6 < 2; is_v6++) {
			struct bench_rules one, same, other;

			make((enum bench_kind)kind, 500, is_v6, 7, &one);
			make((enum bench_kind)kind, 500, is_v6, 7, &same);
			make((enum bench_kind)kind, 500, is_v6, 8, &other);
			assert_true(are_equal(&one, &same));
			assert_false(are_equal(&one, &other));
			bench_rules_fini(&one);
			bench_rules_fini(&same);
			bench_rules_fini(&other);
		}
	}
}

/* These rules are published by their seed: they must never change. */
static void
test_known_rules(void **state)
{
	struct bench_rules rules;
	uint64_t sum = 0;

	(void)state;
	make(BENCH_KIND_FW, 1000, false, 1, &rules);
	for (size_t i = 0; i < rules.n * sizeof(*rules.list); i++)
		sum = sum * 31 + ((const uint8_t *)rules.list)[i];
	assert_int_equal(sum, UINT64_C(0xe2f0861b14df80bd));
	bench_rules_fini(&rules);
}

static void
test_no_duplicates(void **state)
{
	(void)state;
	for (int kind = 0; kind < BENCH_KIND_COUNT; kind++) {
		for (int is_v6 = 0; is_v6 < 2; is_v6++) {
			struct bench_rules rules;

			make((enum bench_kind)kind, 30000, is_v6, 1, &rules);
			qsort(rules.list, rules.n, sizeof(*rules.list), by_bytes);
			for (size_t i = 1; i < rules.n; i++)
				assert_true(by_bytes(&rules.list[i - 1], &rules.list[i]) < 0);
			bench_rules_fini(&rules);
		}
	}
}

/* Shares that make a kind what it is, in percent of the rules. */
struct shares {
	uint32_t any_src, any_dst, host_src, host_dst, any_dst_port, range_dst_port, any_protocol;
};

static struct shares
shares_of(const struct bench_rules *rules)
{
	uint32_t bits = rules->is_v6 ? 128 : 32;
	struct shares n = {0};

	for (size_t i = 0; i < rules->n; i++) {
		const struct bench_rule *rule = &rules->list[i];
		bool any_port = rule->dst_port[0] == 0 && rule->dst_port[1] == 65535;

		assert_tail_is_zero(rule->src, rule->src_len);
		assert_tail_is_zero(rule->dst, rule->dst_len);
		assert_true(rule->src_len <= bits && rule->dst_len <= bits);
		assert_true(rule->src_port[0] <= rule->src_port[1]);
		assert_true(rule->dst_port[0] <= rule->dst_port[1]);
		/* Nothing matches everything, or nearly. */
		assert_true(rule->src_len > 0 || rule->dst_len > 0 ||
			rule->dst_port[0] == rule->dst_port[1]);
		n.any_src += rule->src_len == 0;
		n.any_dst += rule->dst_len == 0;
		n.host_src += rule->src_len == bits;
		n.host_dst += rule->dst_len == bits;
		n.any_dst_port += any_port;
		n.range_dst_port += !any_port && rule->dst_port[0] != rule->dst_port[1];
		n.any_protocol += !rule->has_protocol;
	}
	for (size_t i = 0; i < sizeof(n) / sizeof(uint32_t); i++)
		((uint32_t *)&n)[i] = (uint32_t)(((uint32_t *)&n)[i] * 100 / rules->n);
	return n;
}

static void
test_kinds(void **state)
{
	(void)state;
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct bench_rules rules;
		struct shares acl, fw, ipc;

		make(BENCH_KIND_ACL, 10000, is_v6, 3, &rules);
		acl = shares_of(&rules);
		bench_rules_fini(&rules);
		make(BENCH_KIND_FW, 10000, is_v6, 3, &rules);
		fw = shares_of(&rules);
		bench_rules_fini(&rules);
		make(BENCH_KIND_IPC, 10000, is_v6, 3, &rules);
		ipc = shares_of(&rules);
		bench_rules_fini(&rules);
		assert_in_range(acl.any_src, 30, 50);
		assert_in_range(acl.host_dst, 55, 75);
		assert_true(acl.any_dst < 5);
		assert_in_range(fw.any_src, 25, 45);
		assert_in_range(fw.any_dst, 12, 30);
		assert_true(fw.range_dst_port > acl.range_dst_port);
		assert_true(ipc.any_src < 10 && ipc.any_dst < 10);
		assert_in_range(ipc.host_src, 25, 50);
		assert_in_range(ipc.any_protocol, 20, 40);
	}
}

/* --- Files. --- */

static void
test_files(void **state)
{
	char path[] = "/tmp/test_bench_make.XXXXXX";
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	close(file);
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		const struct bench_traffic_spec spec = {BENCH_TRAFFIC_CORNER, 1000, 0, 1};
		struct bench_rules rules, read_rules;
		struct bench_trace trace, read_trace;
		struct sl_error err;

		make(BENCH_KIND_FW, 2000, is_v6, 5, &rules);
		assert_int_equal(bench_traffic_make(&rules, &spec, &trace, &err), 0);
		assert_int_equal(bench_rules_write(path, &rules, &err), 0);
		assert_int_equal(bench_rules_load(path, &read_rules, &err), 0);
		assert_int_equal(read_rules.is_v6, is_v6);
		assert_true(are_equal(&rules, &read_rules));
		assert_int_equal(bench_trace_write(path, &trace, is_v6, &err), 0);
		assert_int_equal(bench_trace_load(path, is_v6, &read_trace, &err), 0);
		assert_int_equal(read_trace.n, trace.n);
		for (size_t i = 0; i < trace.n; i++) {
			const struct bench_header *a = &trace.list[i];
			const struct bench_header *b = &read_trace.list[i];

			assert_memory_equal(a->src, b->src, 16);
			assert_memory_equal(a->dst, b->dst, 16);
			assert_int_equal(a->src_port, b->src_port);
			assert_int_equal(a->dst_port, b->dst_port);
			assert_int_equal(a->protocol, b->protocol);
		}
		bench_trace_fini(&read_trace);
		bench_rules_fini(&read_rules);
		bench_trace_fini(&trace);
		bench_rules_fini(&rules);
	}
	unlink(path);
}

static void
test_file_faults(void **state)
{
	struct bench_rules rules;
	struct sl_error err;

	(void)state;
	make(BENCH_KIND_ACL, 10, false, 1, &rules);
	assert_int_not_equal(bench_rules_write("/nonexistent/x.rules", &rules, &err), 0);
	assert_string_equal(err.where, "/nonexistent/x.rules");
	bench_rules_fini(&rules);
	assert_int_not_equal(bench_rules_load("/nonexistent/x.rules", &rules, &err), 0);
	assert_string_equal(err.where, "/nonexistent/x.rules");
}

/* --- Traffic. --- */

/* How many headers of a trace match no rule, and the most that one rule gets. */
static size_t
count_misses(const struct bench_rules *rules, const struct bench_trace *trace, size_t *most)
{
	const struct bench_case given = {rules, trace, 1, BENCH_SIMD_BEST};
	size_t *hits = calloc(rules->n, sizeof(*hits));
	size_t misses = 0;
	void *linear;
	struct sl_error err;

	assert_non_null(hits);
	assert_int_equal(bench_engine_linear.build(&given, NULL, &linear, &err), 0);
	*most = 0;
	for (size_t i = 0; i < trace->n; i++) {
		uint32_t answer;

		bench_engine_linear.classify(linear, i, 1);
		bench_engine_linear.answers(linear, 1, &answer);
		if (answer == BENCH_NO_RULE)
			misses++;
		else if (++hits[answer] > *most)
			*most = hits[answer];
	}
	bench_engine_linear.free(linear);
	free(hits);
	return misses;
}

static void
test_traffic(void **state)
{
	size_t most[3];

	(void)state;
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct bench_rules rules;

		make(BENCH_KIND_IPC, 1000, is_v6, 2, &rules);
		for (int traffic = 0; traffic < 3; traffic++) {
			struct bench_traffic_spec spec = {(enum bench_traffic)traffic, 10000, 0, 1};
			struct bench_trace trace, same;
			struct sl_error err;
			size_t misses;

			assert_int_equal(bench_traffic_make(&rules, &spec, &trace, &err), 0);
			assert_int_equal(bench_traffic_make(&rules, &spec, &same, &err), 0);
			assert_int_equal(trace.n, 10000);
			assert_memory_equal(trace.list, same.list, trace.n * sizeof(*trace.list));
			bench_trace_fini(&same);
			/* Every header is a point of some rule. */
			assert_int_equal(count_misses(&rules, &trace, &most[traffic]), 0);
			bench_trace_fini(&trace);
			spec.misses = 50;
			assert_int_equal(bench_traffic_make(&rules, &spec, &trace, &err), 0);
			misses = count_misses(&rules, &trace, &most[traffic]);
			assert_in_range(misses, 4700, 5300);
			bench_trace_fini(&trace);
		}
		/* By Zipf's law one rule of 1,000 gets a good tenth of what is not a miss. */
		assert_true(most[BENCH_TRAFFIC_ZIPF] > 400);
		assert_true(most[BENCH_TRAFFIC_ZIPF] > 2 * most[BENCH_TRAFFIC_UNIFORM]);
		bench_rules_fini(&rules);
	}
}

static void
test_no_room_for_misses(void **state)
{
	struct bench_rule everything = {.src_port = {0, 65535}, .dst_port = {0, 65535}};
	struct bench_rules rules = {&everything, 1, false};
	const struct bench_traffic_spec spec = {BENCH_TRAFFIC_UNIFORM, 100, 10, 1};
	struct bench_trace trace;
	struct sl_error err;

	(void)state;
	assert_int_not_equal(bench_traffic_make(&rules, &spec, &trace, &err), 0);
	assert_int_equal(err.code, SL_ERR_OUT_OF_BOUNDS);
	assert_int_equal(bench_rules_drop_default(&rules), 1);
	assert_int_equal(rules.n, 0);
}

/* --- Figures. --- */

static void
test_median(void **state)
{
	double values[200];
	const double few[] = {3, 1, 2, 10};

	(void)state;
	for (int i = 0; i < 200; i++)
		values[i] = 200 - i;
	assert_true(bench_median(few, 3) == 2);
	assert_true(bench_median(few, 4) == 2.5);
	assert_true(bench_median(few, 0) == 0);
	assert_true(bench_median(values, 200) == 100.5);
	bench_sort(values, 200);
	assert_true(bench_percentile(values, 200, 99) == 198);
	assert_true(bench_percentile(values, 200, 100) == 200);
	assert_true(bench_percentile(values, 200, 0) == 1);
	assert_true(bench_percentile(values, 0, 50) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed),
		cmocka_unit_test(test_known_rules),
		cmocka_unit_test(test_no_duplicates),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_file_faults),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_no_room_for_misses),
		cmocka_unit_test(test_median),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
