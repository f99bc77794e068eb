/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_PROGRESS_H
#define CONTROL_PROGRESS_H

/*
 * What a thread that builds is doing, for those who ask.  Private to the room.
 *
 * Threads. One thread tells, any may ask at any time; what they see belongs together but for a moment.
 */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	_Atomic uint32_t phase;    /* enum sl_build_phase */
	_Atomic uint64_t start_ns; /* monotonic; when it left idleness */
	_Atomic size_t n_done;
	_Atomic size_t n_total;
};

/* Enters a phase: enum sl_build_phase. */
void sl_control_progress_enter(struct progress *progress, uint32_t phase);
void sl_control_progress_tick(struct progress *progress, size_t n_done, size_t n_total);

#endif
