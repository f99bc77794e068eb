/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_OBJECT_H
#define SL_POLICY_OBJECT_H

/*
 * Policy objects: providers, sublayers, provider contexts, sets, callouts and filters (WFP
 * section 5.1).
 *
 * Objects are immutable once they are part of a policy and shared by reference count between policy
 * revisions; a change is a new object under the same key.  References between objects are keys.
 *
 * Threads. Control threads.  References may be taken and dropped on any of them (the counts are
 *          atomic): whoever made an object for a change drops its own beside the writer's.
 */

#include "base/sl_compiler.h"
#include "base/sl_error.h"
#include "policy/sl_layer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_object_type {
	SL_OBJECT_PROVIDER,
	SL_OBJECT_SUBLAYER,
	SL_OBJECT_PROVIDER_CONTEXT,
	SL_OBJECT_SET,
	SL_OBJECT_CALLOUT,
	SL_OBJECT_FILTER,
	SL_OBJECT_TYPE_COUNT
};

/* How long an object lives (WFP section 5.4). */
enum sl_lifetime {
	SL_LIFETIME_STATIC,     /* until the daemon stops */
	SL_LIFETIME_PERSISTENT, /* until deleted */
	SL_LIFETIME_DYNAMIC,    /* with its session */
	SL_LIFETIME_BUILTIN     /* always */
};

/* Who put the object into the policy. */
enum sl_origin {
	SL_ORIGIN_API,   /* a REST call */
	SL_ORIGIN_FILE,  /* a policy file of the configuration: re-read on SIGHUP */
	SL_ORIGIN_ENGINE /* built in */
};

struct sl_object {
	enum sl_object_type type;
	enum sl_lifetime lifetime;
	enum sl_origin origin;
	uint32_t n_refs;
	uint64_t id; /* run-time id, given when it enters a policy, in creation order; from 1 */
	char *key;   /* unique within the type; made by sl_object_finish when NULL */
	char *name;  /* display name, required */
	char *description;   /* or NULL */
	char *provider;      /* key, or NULL */
	char *provider_data; /* opaque text of the owner, at most 64 KiB, or NULL */
};

struct sl_provider {
	struct sl_object object;
	char *service_name; /* owner unit, or NULL */
};

struct sl_sublayer {
	struct sl_object object;
	uint16_t weight; /* higher is evaluated earlier */
};

/* Type GENERAL (a JSON document for a callout). */
struct sl_provider_context {
	struct sl_object object;
	char *data; /* compact JSON text, NUL-terminated */
	size_t data_len;
};

enum sl_set_type {
	SL_SET_V4_PREFIX,
	SL_SET_V6_PREFIX,
	SL_SET_MAC,
	SL_SET_UINT8,
	SL_SET_UINT16,
	SL_SET_UINT32,
	SL_SET_TYPE_COUNT
};

/* One element as a closed interval, both ends as 16-byte big-endian numbers. */
struct sl_set_range {
	uint8_t low[16];
	uint8_t high[16];
};

struct sl_set {
	struct sl_object object;
	enum sl_set_type set_type;
	/* As given; sorted by (low, high) and without exact duplicates after finish. */
	struct sl_set_range *elements;
	size_t n_elements;
	/* The same values, sorted, disjoint and not adjacent; made by finish. */
	struct sl_set_range *ranges;
	size_t n_ranges;
};

struct sl_callout_object {
	struct sl_object object;
	const struct sl_layer *layer;
	char *plugin; /* name of the plugin that provides the functions */
};

/* FWP_MATCH_TYPE (WFP section 2.2), and the two matches against sets. */
enum sl_match {
	SL_MATCH_EQUAL,
	SL_MATCH_GREATER,
	SL_MATCH_LESS,
	SL_MATCH_GREATER_OR_EQUAL,
	SL_MATCH_LESS_OR_EQUAL,
	SL_MATCH_RANGE,
	SL_MATCH_FLAGS_ALL_SET,
	SL_MATCH_FLAGS_ANY_SET,
	SL_MATCH_FLAGS_NONE_SET,
	SL_MATCH_EQUAL_CASE_INSENSITIVE, /* known, refused: no field is a Unicode string */
	SL_MATCH_NOT_EQUAL,
	SL_MATCH_SUFFIX, /* FWP_MATCH_PREFIX, which is a suffix match */
	SL_MATCH_NOT_SUFFIX,
	SL_MATCH_IN_SET,
	SL_MATCH_NOT_IN_SET,
	SL_MATCH_COUNT
};

/*
 * A condition's value.  Scalars of every integer width are `low.number`; byte arrays `low.bytes`.
 *   V4_ADDR_MASK  low.number address, high.number mask (host order)
 *   V6_ADDR_MASK  low.bytes address, prefix_len
 *   RANGE         low and high, of the type `range_type`
 *   BYTE_BLOB     text, text_len (owned)
 *   SET           text = key of the set (owned)
 *   EMPTY         nothing
 */
struct sl_condition_value {
	enum sluice_data_type type;
	enum sluice_data_type range_type; /* RANGE only: the single type of both ends */
	union sl_scalar {
		uint64_t number;
		uint8_t bytes[16];
	} low, high;
	uint8_t prefix_len;
	char *text;
	size_t text_len;
};

struct sl_condition {
	enum sluice_field field;
	enum sl_match match;
	struct sl_condition_value value;
};

enum sl_weight_kind {
	SL_WEIGHT_AUTO,  /* EMPTY */
	SL_WEIGHT_RANGE, /* UINT8 0..15 */
	SL_WEIGHT_EXACT  /* UINT64 */
};

/* Filter flags (WFP section 3.2). PERSISTENT is the object's lifetime. */
#define SL_FILTER_BOOTTIME                       0x02u /* known, refused: none exist yet */
#define SL_FILTER_CLEAR_ACTION_RIGHT             0x08u
#define SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED 0x10u
#define SL_FILTER_DISABLED                       0x20u /* output only */
#define SL_FILTER_INDEXED                        0x40u /* accepted and ignored */

struct sl_filter {
	struct sl_object object;
	const struct sl_layer *layer;
	char *sublayer; /* key; finish puts the layer's default, "universal", when NULL */
	enum sl_weight_kind weight_kind;
	uint64_t weight;           /* RANGE: 0..15; EXACT: the weight */
	uint64_t effective_weight; /* by finish (WFP section 3.3) */
	struct sl_condition *conditions;
	size_t n_conditions;
	enum sluice_action action;
	char *callout;  /* key, for callout actions */
	uint32_t flags; /* SL_FILTER_* */
	uint64_t raw_context;
	char *provider_context; /* key, or NULL */
};

/* A zeroed object of `type` with one reference, lifetime STATIC, origin API. NULL: no memory. */
struct sl_object *sl_object_new(enum sl_object_type type);
struct sl_object *sl_object_get(const struct sl_object *object);
/* Drops a reference; frees with the last one. NULL is allowed. */
void sl_object_put(struct sl_object *object);

/*
 * Checks everything that can be checked without other objects, fills derived members (key, default
 * sublayer, effective weight, set ranges) and normalises (address bits beyond the prefix are
 * cleared).  Every fault is added to `problems` with a pointer below `pointer`, for example
 * "/filters/3/conditions/0/value".  Returns true when there was no fault.
 *
 * Conditions are checked in the order field, match, type, match against type, value (WFP section
 * 2.2); only the first fault of a condition is reported.  A layer of NULL is LAYER_NOT_FOUND, a
 * field of NONE CONDITION_NOT_FOUND: a reader that has reported the name it could not find need not
 * finish the object.  Elements of v4_prefix and v6_prefix sets must be prefixes, those of mac sets
 * single addresses.
 */
bool sl_object_finish(
	struct sl_object *object, const char *pointer, struct sl_problems *problems) SL_MUST_CHECK;

/* "filters", and "filter"; "/filters" is the member of the policy document. */
const char *sl_object_type_plural(enum sl_object_type type);
const char *sl_object_type_name(enum sl_object_type type);
/* FILTER_NOT_FOUND and so on. */
enum sl_err sl_object_type_not_found(enum sl_object_type type);

const char *sl_match_name(enum sl_match match);
bool sl_match_find(const char *name, enum sl_match *match);
const char *sl_set_type_name(enum sl_set_type type);
bool sl_set_type_find(const char *name, enum sl_set_type *type);
/* The set type that can be matched against a field of `type` at that layer; false: none can. */
bool sl_set_type_of_field(const struct sl_layer_field *field, enum sl_set_type *type);
/* True when `value` (16-byte big-endian) is in the set: binary search over `ranges`. */
bool sl_set_contains(const struct sl_set *set, const uint8_t value[16]);

/* True for CALLOUT_TERMINATING, CALLOUT_INSPECTION, CALLOUT_UNKNOWN. */
bool sl_action_is_callout(enum sluice_action action);

/* One contribution to an automatic weight, for explain; they add up to it. */
struct sl_weight_part {
	enum sluice_field field;
	uint8_t code;
	uint8_t shift; /* of the code in the 60-bit number */
};

/*
 * The automatic weight of a filter, below 2^60 (WFP section 3.3).  `parts` may be NULL; otherwise
 * it receives up to 32 contributions and `*n_parts` how many.
 */
uint64_t
sl_weight_auto(const struct sl_filter *filter, struct sl_weight_part *parts, uint32_t *n_parts);

static inline struct sl_filter *
sl_filter_of(const struct sl_object *object)
{
	return SL_CONTAINER_OF(object, struct sl_filter, object);
}

static inline struct sl_sublayer *
sl_sublayer_of(const struct sl_object *object)
{
	return SL_CONTAINER_OF(object, struct sl_sublayer, object);
}

static inline struct sl_provider *
sl_provider_of(const struct sl_object *object)
{
	return SL_CONTAINER_OF(object, struct sl_provider, object);
}

static inline struct sl_provider_context *
sl_provider_context_of(const struct sl_object *object)
{
	return SL_CONTAINER_OF(object, struct sl_provider_context, object);
}

static inline struct sl_set *
sl_set_of(const struct sl_object *object)
{
	return SL_CONTAINER_OF(object, struct sl_set, object);
}

static inline struct sl_callout_object *
sl_callout_object_of(const struct sl_object *object)
{
	return SL_CONTAINER_OF(object, struct sl_callout_object, object);
}

#endif
