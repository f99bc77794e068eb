/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_POLICY_H
#define APP_BENCH_POLICY_H

/*
 * A rule set as a policy: each rule a filter at the inbound transport layer; source is remote,
 * destination local; earlier rules weigh more; actions alternate block and permit.  Rule i is "rule-I"
 * in sublayer i % n_sublayers, and sublayers come in that order.
 */

#include "bench_rules.h"
#include "classifier/sl_snapshot.h"

const struct sl_layer *bench_policy_layer(const struct bench_rules *rules);
/* The filter of one rule, not finished; the caller's reference. NULL: out of memory. */
struct sl_object *
bench_policy_filter(const struct bench_rules *rules, size_t i, uint32_t n_sublayers);
/* Finishes an object and adds it, whatever happens taking the reference over. */
int bench_policy_add(
	struct sl_policy *policy, struct sl_object *object, struct sl_error *err) SL_MUST_CHECK;
/* Adds the sublayers and the first `n` rules to a policy; on a fault it has some of them. */
int bench_policy_fill(struct sl_policy *policy, const struct bench_rules *rules, size_t n,
	uint32_t n_sublayers, struct sl_error *err) SL_MUST_CHECK;
/* A policy of these alone. 0 and `*out`, which the caller frees. */
int bench_policy_make(const struct bench_rules *rules, size_t n, uint32_t n_sublayers,
	struct sl_policy **out, struct sl_error *err) SL_MUST_CHECK;
/* All rules at another layer that has the same fields, with one action. */
int bench_policy_make_at(const struct bench_rules *rules, enum sluice_layer layer,
	enum sluice_action action, struct sl_policy **out, struct sl_error *err) SL_MUST_CHECK;
/* Compiles with counters 0 .. n - 1 and no callouts. */
int bench_policy_compile(const struct sl_policy *policy, struct sl_snapshot **out,
	struct sl_error *err) SL_MUST_CHECK;

#endif
