/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_flow_policy.h"

#include "bench_flow_frames.h"
#include "bench_make.h"
#include "bench_policy.h"

#include <stdlib.h>
#include <string.h>

#define SEED     1u
#define SWITCHED 0u /* counter of the filter that comes and goes; the others have the next ones */

static int
bind_filter(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	uint32_t *next = ctx;

	(void)err;
	*binding = (struct sl_filter_binding){.counter = SWITCHED};
	if (filter->action == SLUICE_ACTION_PERMIT)
		binding->counter = ++*next;
	return 0;
}

static int
add_switched(struct bench_flow_policy *policy, struct sl_error *err)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);
	struct sl_condition *condition = calloc(1, sizeof(*condition));
	struct sl_filter *filter;

	if (object == NULL || condition == NULL) {
		free(condition);
		sl_object_put(object);
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	}
	condition->field = SLUICE_FIELD_IP_REMOTE_ADDRESS;
	condition->match = SL_MATCH_EQUAL;
	condition->value.type = SLUICE_TYPE_V4_ADDR_MASK;
	condition->value.low.number = BENCH_FLOW_SWITCHED;
	condition->value.high.number = UINT32_C(0xffffff00);
	filter = sl_filter_of(object);
	object->key = strdup("switched");
	object->name = strdup("Comes and goes");
	filter->layer = sl_layer_by_id(SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
	filter->sublayer = strdup("bench-0");
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = UINT32_MAX;
	filter->action = SLUICE_ACTION_BLOCK;
	filter->conditions = condition;
	filter->n_conditions = 1;
	policy->switched = filter;
	return bench_policy_add(policy->policies[1], object, err);
}

static int
compile(struct bench_flow_policy *policy, const struct sl_changes *changes,
	struct sl_snapshot **snapshot, struct sl_error *err)
{
	uint32_t next = SWITCHED;
	const struct sl_compile_host host = {.bind = bind_filter, .ctx = &next};

	return sl_snapshot_compile(policy->policies[policy->revision % 2], policy->revision,
		changes == NULL ? NULL : policy->snapshot, changes, &host, snapshot, err);
}

int
bench_flow_policy_init(struct bench_flow_policy *policy, uint32_t n, struct sl_error *err)
{
	const struct bench_make_spec spec = {.kind = BENCH_KIND_ACL, .n = n, .seed = SEED};
	int rc;

	*policy = (struct bench_flow_policy){.revision = 2};
	rc = bench_make(&spec, &policy->rules, err);
	if (rc == 0)
		rc = bench_policy_make_at(&policy->rules, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4,
			SLUICE_ACTION_PERMIT, &policy->policies[0], err);
	if (rc == 0) {
		policy->policies[1] = sl_policy_clone(policy->policies[0]);
		rc = policy->policies[1] != NULL
			? add_switched(policy, err)
			: sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	}
	if (rc == 0)
		rc = compile(policy, NULL, &policy->snapshot, err);
	if (rc != 0)
		bench_flow_policy_fini(policy);
	return rc;
}

void
bench_flow_policy_fini(struct bench_flow_policy *policy)
{
	sl_snapshot_free(policy->snapshot);
	sl_policy_free(policy->policies[1]);
	sl_policy_free(policy->policies[0]);
	bench_rules_fini(&policy->rules);
	memset(policy, 0, sizeof(*policy));
}

int
bench_flow_policy_switch(
	struct bench_flow_policy *policy, struct sl_snapshot **old, struct sl_error *err)
{
	const bool is_in = policy->revision % 2 != 0;
	const struct sl_filter_change change = {
		.old = is_in ? policy->switched : NULL, .now = is_in ? NULL : policy->switched};
	const struct sl_changes changes = {.filters = &change, .n = 1};
	struct sl_snapshot *snapshot;
	int rc;

	policy->revision++;
	rc = compile(policy, &changes, &snapshot, err);
	if (rc != 0) {
		policy->revision--;
		return rc;
	}
	*old = policy->snapshot;
	policy->snapshot = snapshot;
	return 0;
}
