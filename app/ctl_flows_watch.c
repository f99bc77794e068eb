/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_flows.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* flows --watch: the list again and again, each time behind a line about all flows. */

#define CLEAR "\033[H\033[J"

struct round {
	json_t *list;
	struct ctl_answer stats;
};

/* Flows opened and ended since the start of the daemon. */
struct totals {
	uint64_t opened;
	uint64_t ended;
};

static uint64_t
sum_of(const json_t *counts)
{
	const json_t *value;
	const char *name;
	uint64_t sum = 0;

	json_object_foreach((json_t *)(uintptr_t)counts, name, value)
		sum += (uint64_t)json_integer_value(value);
	return sum;
}

static struct totals
totals_of(const json_t *stats)
{
	const json_t *counters = json_object_get(stats, "counters");

	return (struct totals){
		.opened = sum_of(json_object_get(counters, "opened")),
		.ended = sum_of(json_object_get(counters, "ended")),
	};
}

/* "133 of 262144 flows, 2 wait for callouts; 5 opened and 3 ended since" */
static void
show_totals(const struct ctl *ctl, const json_t *stats, const struct totals *before)
{
	const json_t *pend = json_object_get(json_object_get(stats, "counters"), "pend");
	const struct totals now = totals_of(stats);

	fputs(ctl->is_terminal ? CLEAR : "", stdout);
	ctl_printf("%s of %s flows, %s wait for callouts", ctl_text(stats, "flows"),
		ctl_text(stats, "max"), ctl_text(pend, "waiting"));
	if (before != NULL)
		ctl_printf("; %" PRIu64 " opened and %" PRIu64 " ended since",
			now.opened - before->opened, now.ended - before->ended);
	putchar('\n');
}

static void
show_round(const struct ctl *ctl, const struct round *round, const struct totals *before)
{
	if (ctl->json) {
		json_object_set(round->list, "stats", round->stats.json);
		ctl_print_json(ctl, round->list);
	} else {
		show_totals(ctl, round->stats.json, before);
		ctl_flows_show_list(ctl, round->list);
		if (!ctl->is_terminal)
			putchar('\n');
	}
	fflush(stdout);
}

static int
ask(struct ctl *ctl, const char *path, size_t n_max, struct round *round)
{
	int rc = ctl_list_first(ctl, path, n_max, &round->list);

	if (rc == CTL_OK)
		rc = ctl_get(ctl, "/v1/flows/stats", &round->stats);
	return rc;
}

static void
wait_for(uint32_t interval_ms)
{
	struct timespec left = {
		.tv_sec = interval_ms / 1000, .tv_nsec = interval_ms % 1000 * 1000000};

	while (nanosleep(&left, &left) != 0)
		;
}

int
ctl_flows_watch(struct ctl *ctl, const char *path, size_t n_max, uint32_t interval_ms)
{
	struct totals before;
	bool is_first = true;
	int rc = CTL_OK;

	while (rc == CTL_OK) {
		struct round round = {0};

		if (!is_first)
			wait_for(interval_ms);
		rc = ask(ctl, path, n_max, &round);
		if (rc == CTL_OK) {
			show_round(ctl, &round, is_first ? NULL : &before);
			before = totals_of(round.stats.json);
			is_first = false;
		}
		json_decref(round.list);
		ctl_answer_fini(&round.stats);
	}
	return rc;
}
