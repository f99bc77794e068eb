/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline/trail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(2 * SL_COUNTERS_LINKS_MAX < UINT8_MAX, "the index of a path, and 1, is a byte");
_Static_assert(sizeof(struct sl_trail_header) == 23, "the price that documents tell");

/* Paths of one link have the same interfaces, whatever headers its packets have. */
static bool
note_zones(struct sl_trails *trails)
{
	bool has_several[2][256] = {{false}};
	bool any = false;

	for (uint32_t i = 0; i < trails->n_paths; i++) {
		const struct sl_path *path = &trails->paths[i];
		const struct sl_path **zone = &trails->zones[path->direction][path->flow_zone];

		if (*zone == NULL)
			*zone = path;
		else if ((*zone)->link != path->link)
			has_several[path->direction][path->flow_zone] = any = true;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (uint32_t direction = 0; direction < 2; direction++) {
			if (has_several[direction][i])
				trails->zones[direction][i] = NULL;
		}
	}
	return any;
}

/* Zeroed and touched, so that no packet waits for it. */
static void *
new_array(uint32_t n, size_t size)
{
	const size_t n_lines = (n * size + SL_CACHE_LINE - 1) / SL_CACHE_LINE;
	void *array = aligned_alloc(SL_CACHE_LINE, n_lines * SL_CACHE_LINE);

	if (array != NULL)
		memset(array, 0, n_lines * SL_CACHE_LINE);
	return array;
}

int
sl_trails_init(struct sl_trails *trails, const struct sl_flow_config *config,
	const struct sl_path *paths, uint32_t n_paths)
{
	bool has_several;

	*trails = (struct sl_trails){.paths = paths, .n_paths = n_paths};
	has_several = note_zones(trails);
	if (has_several || config->reject) {
		trails->last = new_array(config->max, sizeof(*trails->last));
		if (trails->last == NULL)
			return -ENOMEM;
	}
	if (config->reject) {
		trails->headers = new_array(config->max, sizeof(*trails->headers));
		if (trails->headers == NULL)
			return -ENOMEM;
	}
	return 0;
}

void
sl_trails_fini(struct sl_trails *trails)
{
	free(trails->headers);
	free(trails->last);
}
