/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_GENERATE_H
#define TESTS_PROPERTY_GENERATE_H

/*
 * Random policies and packets that meet: conditions draw on few values, so that filters overlap
 * deeply, and packets draw on the ends of the conditions' ranges and the values beside them.
 */

#include "classifier/sl_classify.h"
#include "number.h"
#include "policy/sl_policy.h"

#include <stddef.h>

#define CORNERS_MAX 256
#define SETS_MAX    24
#define BLOBS_MAX   12
#define TEXTS_MAX   1024 /* more than two of every packet of a batch */

/* Values of a slot that some condition names or just misses. */
struct corners {
	u128 list[CORNERS_MAX];
	uint32_t n;
};

/* A text of a packet. */
struct text {
	struct sl_blob blob;
	char bytes[48];
};

struct generator {
	struct random random;
	const struct sl_layer *layer;
	struct sl_policy *policy;
	struct corners corners[SL_SLOT_COUNT];
	bool is_frozen; /* corners stay as they are: filters no longer depend on earlier ones */
	enum sl_slot slots[SL_SLOT_COUNT]; /* that the layer's fields mean */
	uint32_t n_slots;
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
	struct text texts[TEXTS_MAX]; /* of packets, used in turn */
	uint32_t n_texts;
};

/* Ends the test program with a word about why; the pointer, when it is not NULL. */
_Noreturn void die(const char *what, const char *text);
void *must(void *pointer);

/* Layers that take filters. */
uint32_t generator_n_layers(void);
/* The i-th working layer, counted around. */
const struct sl_layer *generator_layer(uint32_t i);

/* The key of the callout that every policy has. */
#define CALLOUT_KEY "callout"

/* A new policy with sublayers, sets and a callout, without filters. Its random state stays. */
void generator_begin(struct generator *g, const struct sl_layer *layer);
/* Adds sublayers until there are `n`; they are "sublayer0" and so on. */
void generator_sublayers(struct generator *g, uint32_t n);
/* Finishes an object and adds it to the policy. */
void generator_add(struct generator *g, struct sl_object *object);
/* A new object called `prefix` and a number. */
struct sl_object *generator_object(enum sl_object_type type, const char *prefix, uint32_t number);
/* Adds a random filter to the policy. */
void generator_add_filter(struct generator *g);
/* A finished filter that is in no policy. The caller's reference. */
struct sl_filter *generator_filter(struct generator *g);
/* The same, as the key "filterNUMBER" and a seed alone make it, once the generator is frozen. */
struct sl_filter *generator_filter_as(struct generator *g, uint32_t number, uint64_t seed);
/* A finished set that may take the place of "setNUMBER", as the seed makes it. */
struct sl_object *generator_set_as(struct generator *g, uint32_t number, uint64_t seed);
/* Makes filters and packets of another layer for the same policy, which stays the first one's. */
void
generator_other(const struct generator *g, const struct sl_layer *layer, struct generator *other);
void generator_end(struct generator *g);

struct sl_snapshot *
generator_compile(const struct sl_policy *policy, const struct sl_snapshot *previous);

#endif
