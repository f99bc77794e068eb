/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_OVERLAY_H
#define SL_CLASSIFIER_OVERLAY_H

/*
 * Overlay: how a version of a layer differs from what its store was compiled from.
 *
 * Levels.  Level 0 is the base: the store's program.  Behind it come parts, each compiled from a
 *          few filters that were added since.  What is added goes into the smallest part that has
 *          room for it, together with everything in the parts behind, which are empty then: most
 *          changes compile the last, tiny part alone, and a bigger one is compiled the more seldom
 *          the bigger it is.
 * Dead.    What was removed stays in its program and is marked with a bit there, until its part is
 *          compiled again.
 * Keys.    Filters of all levels are brought into arbitration order by keys: from the top down the
 *          place of the filter among those of each level.  A filter of a level has its own place
 *          there, before it those of the filters that it stands before, and behind it ones.  So a
 *          part keeps its keys whatever happens to the parts behind it.
 */

#include "classifier/layer.h"

#define SL_LEVELS 4u
/* What a packet may match of a part; keeps the room that merging needs small. */
#define SL_PART_MATCHES_MAX 128u

/* One level's filters. Immutable but for the count. */
struct sl_part {
	uint32_t n_refs; /* versions; atomic */
	uint32_t n;
	uint32_t n_callouts;
	const struct sl_program *program;
	const uint64_t *keys;        /* by place */
	const uint32_t *ranks;       /* by place */
	const struct sl_span *spans; /* by place */
	struct sl_sieve *sieve;
	size_t bytes;
};

struct sl_overlay {
	struct sl_part *parts[SL_LEVELS]; /* NULL: empty; always at level 0 */
	uint64_t *dead[SL_LEVELS];        /* a bit per place; NULL: none is dead */
	uint64_t *room[SL_LEVELS];        /* where `dead` may be */
	uint32_t n_dead[SL_LEVELS];
	struct sl_screen *screen; /* NULL: there are no parts */
	uint32_t n_changes;       /* since the store was compiled */
	bool is_single;           /* one answer a packet, of one sublayer */
	size_t bytes;             /* without parts and screen */
};

/* The bits of a level in the screen. */
static inline struct sl_screen_range
sl_level_bits(uint32_t level)
{
	return level == 1 ? (struct sl_screen_range){64, 64}
			  : (struct sl_screen_range){(SL_LEVELS - 1 - level) * 32, 32};
}

/* Filters of a level, dead ones included. */
uint32_t sl_level_size(const struct sl_layer_program *layer, uint32_t level);

static inline uint32_t
sl_level_rank(const struct sl_layer_program *layer, uint32_t level, uint32_t place)
{
	return level == 0 ? place : layer->overlay->parts[level]->ranks[place];
}

/* Nothing of level 0 comes behind the filter in any other level. */
static inline uint64_t
sl_base_key(uint32_t place)
{
	return (uint64_t)place << 32 | UINT32_MAX;
}

static inline uint64_t
sl_level_key(const struct sl_layer_program *layer, uint32_t level, uint32_t place)
{
	return level == 0 ? sl_base_key(place) : layer->overlay->parts[level]->keys[place];
}

/* The next filter of a walk as its level and its place there. False: there is none. */
bool sl_walk_step(struct sl_filter_walk *walk, uint32_t *level, uint32_t *place);

static inline bool
sl_is_dead(const uint64_t *dead, uint32_t place)
{
	return dead != NULL && (dead[place / 64] >> place % 64 & 1) != 0;
}

/* --- Making one: it is written until its layer program is published. --- */

/* The overlay of a layer, or an empty one; shares the parts. NULL: no memory. */
struct sl_overlay *sl_overlay_copy(const struct sl_layer_program *layer);
/* Takes a filter of those that `layer` had when its overlay was copied out of force. */
void sl_overlay_kill(const struct sl_layer_program *layer, struct sl_overlay *overlay,
	uint32_t level, uint32_t place);
/* Puts a new part, which it takes over, at a level, and nothing behind it. 0 or -ENOMEM. */
int sl_overlay_put_part(const struct sl_layer_program *layer, struct sl_overlay *overlay,
	uint32_t level, struct sl_part *part) SL_MUST_CHECK;
/* Leaves out parts that are all dead. */
void sl_overlay_tidy(struct sl_overlay *overlay);
/* NULL is allowed. */
void sl_overlay_free(const struct sl_overlay *overlay);

/* Its size, parts included. */
size_t sl_overlay_bytes(const struct sl_overlay *overlay);

/* Nothing was added or removed that still is. */
bool sl_overlay_is_empty(const struct sl_overlay *overlay);
/* Filters of all levels but the base that are in force, and those of all that are not. */
uint32_t sl_overlay_added(const struct sl_overlay *overlay);
uint32_t sl_overlay_dead(const struct sl_overlay *overlay);

/* Packet time: sl_classify_run for a layer that has an overlay, with its programs in one form. */
uint32_t sl_overlay_run(enum sl_simd simd, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out);

#endif
