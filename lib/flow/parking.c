/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/parking.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint32_t
sl_parking_held_max(const struct sl_pend_config *config)
{
	const uint64_t all = (uint64_t)config->max * config->packets;

	if (config->frames != 0 && config->frames < all)
		return config->frames;
	return (uint32_t)SL_MIN(all, (uint64_t)UINT32_MAX);
}

static uint32_t
power_of_two(uint32_t n)
{
	uint32_t power = 1;

	while (power < n && power < 1u << 31)
		power *= 2;
	return power;
}

/* Written, so that no page is missing at packet time. */
static void *
make_array(size_t n, size_t size)
{
	void *array = malloc(SL_MAX(n * size, 1u));

	if (array != NULL)
		memset(array, 0, n * size);
	return array;
}

static int
make_room(struct sl_parking *parking)
{
	const size_t n_frames = (size_t)parking->max * parking->n_packets;

	parking->places = make_array(parking->max, sizeof(*parking->places));
	parking->frames = make_array(n_frames, sizeof(*parking->frames));
	parking->chains = make_array(parking->n_chains, sizeof(*parking->chains));
	if (parking->places == NULL || parking->frames == NULL || parking->chains == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < parking->max; i++)
		parking->places[i].next = i + 1 < parking->max ? i + 1 : PARKING_NONE;
	memset(parking->chains, 0xff, parking->n_chains * sizeof(*parking->chains));
	return 0;
}

int
sl_parking_new(const struct sl_pend_config *config, struct sl_parking **out)
{
	struct sl_parking *parking;

	if (config->max == 0 || config->packets > SL_PARKED_FRAMES_MAX)
		return -EINVAL;
	parking = calloc(1, sizeof(*parking));
	if (parking == NULL)
		return -ENOMEM;
	parking->max = config->max;
	parking->n_packets = config->packets;
	parking->n_bytes = config->bytes;
	parking->held_max = sl_parking_held_max(config);
	parking->timeout_ms = config->timeout_ms;
	parking->n_chains = power_of_two(config->max);
	parking->oldest = PARKING_NONE;
	parking->youngest = PARKING_NONE;
	if (make_room(parking) != 0) {
		sl_parking_free(parking);
		return -ENOMEM;
	}
	*out = parking;
	return 0;
}

void
sl_parking_free(struct sl_parking *parking)
{
	if (parking == NULL)
		return;
	free(parking->places);
	free(parking->frames);
	free(parking->chains);
	free(parking);
}

uint32_t
sl_parking_count(const struct sl_parking *parking)
{
	return __atomic_load_n(&parking->n, __ATOMIC_RELAXED);
}

uint32_t
sl_parking_held(const struct sl_parking *parking)
{
	return __atomic_load_n(&parking->n_held, __ATOMIC_RELAXED);
}
