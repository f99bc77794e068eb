/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_POLICY_H
#define APP_BENCH_POLICY_H

/*
 * A rule set as a policy: each rule a filter at the inbound transport layer in one sublayer; source is
 * remote, destination local; earlier rules weigh more; actions alternate block and permit.
 */

#include "bench_rules.h"
#include "classifier/sl_snapshot.h"

const struct sl_layer *bench_policy_layer(const struct bench_rules *rules);
/* The policy of the first `n` rules. 0 and `*out`, which the caller frees. */
int bench_policy_make(const struct bench_rules *rules, size_t n, struct sl_policy **out,
	struct sl_error *err) SL_MUST_CHECK;
/* The whole set, compiled; ranks are the rules' places. */
int bench_policy_compile(const struct bench_rules *rules, struct sl_snapshot **out,
	struct sl_error *err) SL_MUST_CHECK;
/* A policy, compiled with counters 0 .. n - 1 and no callouts. */
int bench_policy_compile_policy(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, struct sl_snapshot **out,
	struct sl_error *err) SL_MUST_CHECK;

#endif
