/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FLOW_PARKING_H
#define FLOW_PARKING_H

/* What is behind sl_parking.h. Places have numbers; PARKING_NONE is no place. */

#include "flow/sl_parking.h"

#define PARKING_NONE UINT32_MAX

struct sl_parking {
	struct sl_parked *places; /* max */
	struct sl_frame *frames;  /* n_packets a place */
	uint32_t *chains;         /* of places, by id */
	uint32_t n_chains;        /* a power of two */
	uint32_t max;
	uint32_t n_packets; /* of one flow, at most */
	uint32_t n_bytes;
	uint32_t held_max; /* frames of all flows together */
	uint32_t timeout_ms;

	uint32_t n;      /* relaxed; operations */
	uint32_t n_held; /* relaxed; frames */
	uint32_t free;   /* a free place */
	uint32_t oldest;
	uint32_t youngest;
};

#endif
