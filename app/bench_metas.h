/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_METAS_H
#define APP_BENCH_METAS_H

/*
 * A header trace as metadata, as the parser would have found it in packets with these headers.
 *
 * A worker classifies packets whose metadata its parser has just written, so that it is in the first
 * levels of the cache.  A trace of full structures, 256 bytes each, would instead be streamed in from
 * memory, four lines a header, where other engines read keys of 40 bytes.  All that rules ask for is in
 * the first line of the structure; the structures of consecutive headers therefore lie one line apart,
 * each overlapping the next three.  What stands behind the first line is then some other header's, and
 * harmless: no presence bit says that it has a value.  That way all engines read a similar number of
 * bytes a header.
 */

#include "bench_rules.h"
#include "classifier/sl_meta.h"

struct bench_metas {
	const struct sl_meta **list; /* by header */
	size_t n;
	uint8_t *lines; /* one a header, and the rest of the last structure */
};

/* 0, or -ENOMEM and nothing is left. */
int bench_metas_init(
	struct bench_metas *metas, const struct bench_trace *trace, bool is_v6) SL_MUST_CHECK;
void bench_metas_fini(struct bench_metas *metas);

#endif
