/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_update.h"

#include "bench_policy.h"
#include "classifier/sl_classify.h"

#include <stdio.h>
#include <string.h>

#define CHECK_HEADERS 20000u              /* answers compared with the plain scan's ... */
#define CHECK_RULES   UINT64_C(200000000) /* ... as long as that looks at no more rules */

static bool
matches_prefix(const uint8_t address[16], const uint8_t prefix[16], uint32_t len)
{
	uint8_t rest = (uint8_t) ~(0xff >> len % 8);

	return memcmp(address, prefix, len / 8) == 0 &&
		(len % 8 == 0 || (address[len / 8] & rest) == prefix[len / 8]);
}

static bool
matches(const struct bench_rule *rule, const struct bench_header *header)
{
	return (!rule->has_protocol || rule->protocol == header->protocol) &&
		header->src_port >= rule->src_port[0] && header->src_port <= rule->src_port[1] &&
		header->dst_port >= rule->dst_port[0] && header->dst_port <= rule->dst_port[1] &&
		matches_prefix(header->src, rule->src, rule->src_len) &&
		matches_prefix(header->dst, rule->dst, rule->dst_len);
}

/* True when the answer is the first rule that is in and matches. */
static bool
is_right(const struct update_run *run, const struct sl_layer_program *layer, size_t header,
	const struct sl_matches *found, uint32_t place)
{
	size_t expected = 0;
	char key[40];

	while (expected < run->rules.n &&
		((run->updater.is_out && expected == run->updater.out_rule) ||
			!matches(&run->rules.list[expected], &run->trace.list[header])))
		expected++;
	if (found->start[place] == found->start[place + 1])
		return expected == run->rules.n;
	snprintf(key, sizeof(key), "rule-%zu", expected);
	return strcmp(layer->filters[found->ranks[found->start[place]]].object->object.key, key) ==
		0;
}

/* Compares what is in force with the plain scan. */
static int
check(struct update_run *run, struct sl_error *err)
{
	const struct sl_layer_program *layer;
	struct sl_matches found;
	struct sl_view view;
	size_t n_all =
		SL_MIN(SL_MIN(run->trace.n, (size_t)CHECK_HEADERS), CHECK_RULES / run->rules.n);

	if (sl_matches_init(&found) != 0)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	sl_control_view_get(run->updater.control, &view);
	layer = view.snapshot->layers[bench_policy_layer(&run->rules)->id];
	for (size_t at = 0; at < n_all; at += run->burst) {
		uint32_t n = (uint32_t)SL_MIN(n_all - at, (size_t)run->burst);

		sl_classify_run(layer, &run->metas.list[at], n, &found);
		for (uint32_t i = 0; i < n; i++)
			run->n_wrong += !is_right(run, layer, at + i, &found, i);
	}
	sl_control_view_put(run->updater.control, &view);
	sl_matches_fini(&found);
	return 0;
}

int
update_check(struct update_run *run, struct sl_error *err)
{
	struct bench_update_times times;
	int rc = 0;

	for (int i = 0; rc == 0 && i < 2; i++) {
		rc = bench_updater_step(&run->updater, &times, err);
		if (rc == 0)
			rc = check(run, err);
	}
	return rc;
}
