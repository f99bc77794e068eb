/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline/park.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
make_metas(struct sl_park *park)
{
	const size_t size = SL_PIPELINE_BURST_MAX * sizeof(*park->metas);

	park->metas = aligned_alloc(SL_CACHE_LINE, size);
	if (park->metas == NULL)
		return -ENOMEM;
	memset(park->metas, 0, size);
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++)
		park->meta_list[i] = &park->metas[i];
	return 0;
}

static void
destroy(struct sl_park *park)
{
	sl_parking_free(park->table);
	free(park->metas);
	free(park);
}

int
sl_park_new(const struct sl_pipeline_options *options, struct sl_park **out)
{
	const struct sl_flow_config *flows = options->flows;
	struct sl_park *park;
	int rc;

	*out = NULL;
	if (options->completions == NULL || flows == NULL || flows->max == 0 ||
		flows->pend.max == 0)
		return 0;
	park = calloc(1, sizeof(*park));
	if (park == NULL)
		return -ENOMEM;
	park->completions = options->completions;
	rc = make_metas(park);
	if (rc == 0)
		rc = sl_parking_new(&flows->pend, &park->table);
	if (rc != 0) {
		destroy(park);
		return rc;
	}
	*out = park;
	return 0;
}

void
sl_park_free(struct sl_pipeline *pipeline)
{
	struct sl_park *park = pipeline->park;
	const struct sl_parked *parked;
	uint32_t at = 0, work = UINT32_MAX;

	if (park == NULL)
		return;
	while ((parked = sl_parking_next(park->table, NULL, &at, &work)) != NULL)
		sl_callout_pend_ended(&pipeline->env, parked->by);
	destroy(park);
	pipeline->park = NULL;
}
