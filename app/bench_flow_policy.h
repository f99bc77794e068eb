/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_FLOW_POLICY_H
#define APP_BENCH_FLOW_POLICY_H

/*
 * Policies at ale_auth_recv_accept_v4: made rules, which all permit, and one filter that comes and goes, which
 * blocks the hosts of BENCH_FLOW_SWITCHED.
 */

#include "bench_rules.h"
#include "classifier/sl_snapshot.h"

struct bench_flow_policy {
	struct bench_rules rules;
	struct sl_policy *policies[2]; /* without that filter, and with it */
	const struct sl_filter *switched;
	struct sl_snapshot *snapshot; /* the last that was compiled */
	uint64_t revision;            /* of it; odd: the filter is in it */
};

/* With n rules (from 1), compiled without the filter, as an even revision. 0 or the fault. */
int bench_flow_policy_init(
	struct bench_flow_policy *policy, uint32_t n, struct sl_error *err) SL_MUST_CHECK;
void bench_flow_policy_fini(struct bench_flow_policy *policy);
/*
 * Puts the filter in, or takes it out; `*old` is the snapshot that was there before, to be freed when nobody uses
 * it any more.
 */
int bench_flow_policy_switch(struct bench_flow_policy *policy, struct sl_snapshot **old,
	struct sl_error *err) SL_MUST_CHECK;

#endif
