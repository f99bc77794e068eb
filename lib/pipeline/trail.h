/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_TRAIL_H
#define SL_PIPELINE_TRAIL_H

/*
 * Trails: which way the packets of a flow take, kept beside the flow table, and only where somebody asks for it.
 *
 * Paths.   By which path the flow's packets of each direction come.  Where a zone has several links a packet by another
 *          one than before has its flow judged anew (WFP sections 2.7 and 7.5), and who has no packet in hand learns the
 *          flow's interfaces.  2 bytes a flow.
 * Headers. What precedes the IP header of packets of each direction: of TCP, while `flows.reject` is on, for resets
 *          that no packet asks for.  46 bytes a flow.
 * Cost.    A packet that just goes with its flow looks at the paths where its zone has several links, and otherwise
 *          at nothing here.
 * Threads. sl_trails_init and sl_trails_fini: control thread.  The rest is packet time, the worker of the flows.
 */

#include "pipeline/sl_pipeline.h"

#include <stdbool.h>
#include <stdint.h>

struct sl_burst; /* pipeline.h */

/* Ethernet and two tags, which is what the keys of flows tell apart. */
#define SL_TRAIL_HEADER_MAX 22u

struct sl_trail_header {
	uint8_t n; /* its bytes, and 1; 0: none is known */
	uint8_t bytes[SL_TRAIL_HEADER_MAX];
};

/* All by enum sluice_direction. */
struct sl_trails {
	const struct sl_path *paths; /* the pipeline's */
	uint32_t n_paths;
	const struct sl_path
		*zones[2][256]; /* the paths of the zone's one link; NULL: several links */
	uint8_t (*last)[2];     /* by flow: index of the path, and 1; 0: unknown; or NULL */
	struct sl_trail_header (*headers)[2]; /* by flow; or NULL */
};

/* --- Control thread. --- */

/* `paths` are borrowed. 0 or -ENOMEM; then, too, sl_trails_fini frees what there is. */
int sl_trails_init(struct sl_trails *trails, const struct sl_flow_config *config,
	const struct sl_path *paths, uint32_t n_paths) SL_MUST_CHECK;
void sl_trails_fini(struct sl_trails *trails);

/* --- Packet time. `flow` is the index of one, see sl_flow_index. --- */

/* True when packets may come to the flows of this path by another link than it is. */
static inline bool
sl_trails_part(const struct sl_trails *trails, const struct sl_path *path)
{
	return trails->zones[path->direction][path->flow_zone] == NULL;
}

/* A place of the table has a new flow. */
static inline void
sl_trail_begin(struct sl_trails *trails, uint32_t flow)
{
	if (trails->last != NULL)
		trails->last[flow][0] = trails->last[flow][1] = 0;
	if (trails->headers != NULL)
		trails->headers[flow][0].n = trails->headers[flow][1].n = 0;
}

/* Notes how a packet of the flow looks; `has_header`: of TCP. */
void sl_trail_note(struct sl_trails *trails, uint32_t flow, const struct sl_burst *burst,
	uint32_t packet, bool has_header);
/*
 * True when packets of the flow came by another link so far: those of that direction or, before there were any, those of
 * the other one.
 */
bool sl_trail_parts(const struct sl_trails *trails, uint32_t flow, const struct sl_path *path);
/* The path of the flow's packets of a direction, in zone `zone`; NULL: it is not known. */
const struct sl_path *sl_trail_path(const struct sl_trails *trails, uint32_t flow, uint8_t zone,
	enum sluice_direction direction);
/*
 * Writes the link-layer header of a packet of a direction: as it was seen or, before there were any, as that of an answer to
 * the other one.  Returns its bytes, which for links without headers are 0; -1: it is not known.
 */
int sl_trail_header(const struct sl_trails *trails, uint32_t flow, enum sluice_direction direction,
	uint8_t bytes[SL_TRAIL_HEADER_MAX]);

#endif
