/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_updater.h"

#include "base/sl_clock.h"
#include "bench_policy.h"

#include <stdio.h>
#include <string.h>

#define SEED 1u

/* The first of the problems as a fault. */
static int
fail(struct sl_problems *problems, int rc, struct sl_error *err)
{
	if (problems->n > 0)
		sl_error_set(err, problems->list[0].code, problems->list[0].pointer, "%s",
			problems->list[0].detail);
	else
		sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	sl_problems_fini(problems);
	return rc;
}

/* An edit that puts all rules into the policy. */
static int
fill(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	const struct bench_rules *rules = ctx;
	struct sl_error err;
	int rc = bench_policy_fill(policy, rules, rules->n, 1, &err);

	if (rc != 0)
		sl_problems_add(problems, err.code, err.where, "%s", err.text);
	return rc;
}

static int
load(struct bench_updater *updater, struct sl_error *err)
{
	struct sl_problems problems = {0};
	uint64_t start = sl_clock_monotonic_ns();
	struct bench_rules rules = *updater->rules;
	int rc = sl_control_boot(updater->control, &problems);

	if (rc == 0)
		rc = sl_control_change(updater->control, fill, &rules, 0, 0, &problems, NULL);
	if (rc != 0)
		return fail(&problems, rc, err);
	updater->load_s = (double)(sl_clock_monotonic_ns() - start) / 1e9;
	return 0;
}

int
bench_updater_init(struct bench_updater *updater, const struct bench_rules *rules,
	struct bench_plane *plane, struct sl_error *err)
{
	struct sl_control_config config = {.plane = bench_plane_ops(plane)};
	int rc = 0;

	*updater = (struct bench_updater){
		.rules = rules, .plane = plane, .random = bench_random_seed(SEED)};
	if (sl_callout_registry_new(1, &updater->registry) != 0)
		rc = sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	config.registry = updater->registry;
	if (rc == 0)
		rc = sl_control_new(&config, &updater->control, err);
	if (rc == 0)
		rc = load(updater, err);
	if (rc != 0)
		bench_updater_fini(updater);
	return rc;
}

void
bench_updater_fini(struct bench_updater *updater)
{
	sl_control_free(updater->control);
	sl_callout_registry_free(updater->registry);
	memset(updater, 0, sizeof(*updater));
}

/* --- One change. --- */

/* The filter of a rule as a call would bring it. */
static struct sl_object *
make_filter(const struct bench_updater *updater, size_t rule, struct sl_problems *problems)
{
	struct sl_object *object = bench_policy_filter(updater->rules, rule, 1);

	if (object == NULL || sl_object_finish(object, "", problems))
		return object;
	sl_object_put(object);
	return NULL;
}

static int
put_back(struct bench_updater *updater, struct sl_problems *problems, uint64_t *start_ns)
{
	struct sl_edit_object edit = {
		.object = make_filter(updater, updater->out_rule, problems), .must_be_new = true};
	int rc;

	if (edit.object == NULL)
		return -1;
	*start_ns = sl_clock_monotonic_ns();
	rc = sl_control_change(updater->control, sl_control_edit_put, &edit, 0, 0, problems, NULL);
	sl_object_put(edit.object);
	return rc;
}

static int
take_out(struct bench_updater *updater, struct sl_problems *problems, uint64_t *start_ns)
{
	char key[40];
	struct sl_edit_delete edit = {.type = SL_OBJECT_FILTER, .key = key};

	updater->out_rule = bench_random_below(&updater->random, updater->rules->n);
	snprintf(key, sizeof(key), "rule-%zu", updater->out_rule);
	*start_ns = sl_clock_monotonic_ns();
	return sl_control_change(
		updater->control, sl_control_edit_delete, &edit, 0, 0, problems, NULL);
}

int
bench_updater_step(
	struct bench_updater *updater, struct bench_update_times *times, struct sl_error *err)
{
	struct sl_problems problems = {0};
	struct bench_plane_times last;
	uint64_t start_ns = 0;
	int rc = updater->is_out ? put_back(updater, &problems, &start_ns)
				 : take_out(updater, &problems, &start_ns);

	if (rc != 0)
		return fail(&problems, rc, err);
	times->call_ns = sl_clock_monotonic_ns() - start_ns;
	last = bench_plane_last(updater->plane);
	times->published_ns = last.published_ns - start_ns;
	times->in_force_ns = last.used_ns - start_ns;
	updater->is_out = !updater->is_out;
	return 0;
}
