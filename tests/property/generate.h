/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_GENERATE_H
#define TESTS_PROPERTY_GENERATE_H

/*
 * Random policies and packets that meet: conditions draw on few values, so that filters overlap
 * deeply, and packets draw on the ends of the conditions' ranges and the values beside them.
 */

#include "classifier/sl_classify.h"
#include "policy/sl_policy.h"
#include "random.h"

#include <stddef.h>

#define CORNERS_MAX 256
#define SETS_MAX    24
#define BLOBS_MAX   12

/* Values of a slot that some condition names or just misses, as 16-byte big-endian numbers. */
struct corners {
	uint8_t list[CORNERS_MAX][16];
	uint32_t n;
};

struct generator {
	struct random random;
	const struct sl_layer *layer;
	struct sl_policy *policy;
	struct corners corners[SL_SLOT_COUNT];
	uint32_t n_sublayers;
	uint32_t n_sets;
	enum sl_set_type set_types[SETS_MAX];
	uint32_t n_filters;
	uint32_t n_conditions_max; /* of one filter */
	uint32_t callout_percent;
	const struct sl_layer_field *popular[4]; /* fields that most conditions are on */
	uint32_t popular_percent;
	bool distinct_weights;
	struct sl_blob blobs[BLOBS_MAX];
	char blob_bytes[BLOBS_MAX][24];
};

/* The i-th working layer, counted around. */
const struct sl_layer *generator_layer(uint32_t i);

/* A new policy with sublayers, sets and a callout, without filters. Its random state stays. */
void generator_begin(struct generator *g, const struct sl_layer *layer);
/* Adds a random filter to the policy. */
void generator_add_filter(struct generator *g);
/* A finished filter that is in no policy. The caller's reference. */
struct sl_filter *generator_filter(struct generator *g);
void generator_end(struct generator *g);

/* A random packet for the layer. */
void generator_meta(struct generator *g, struct sl_meta *meta);

struct sl_snapshot *
generator_compile(const struct sl_policy *policy, const struct sl_snapshot *previous);

/* What a filter and a packet are, on standard error, for reports. */
void print_filter(const struct sl_filter *filter);
void print_meta(const struct sl_layer *layer, const struct sl_meta *meta);

#endif
