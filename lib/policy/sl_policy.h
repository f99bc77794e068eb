/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_POLICY_H
#define SL_POLICY_POLICY_H

/*
 * A policy: one complete, consistent set of objects.
 *
 * A change is made on a clone, checked, and swapped in whole by the owner, or thrown away; the
 * clone shares the objects.  A new policy holds the built-in sublayers: system (65535), antispoof
 * (61440), firewall (36864), universal (32768, the default) and inspection (0) (WFP section 5.1).
 *
 * Limits: 65,536 sublayers (TOO_MANY_SUBLAYERS), 100,000 callouts (TOO_MANY_CALLOUTS), 4,000,000
 * filters (TOO_MANY_FILTERS), 65,536 of every other type (TOO_LARGE).
 *
 * Cost. A clone shares what it is made of, and copies the few hundred bytes around what is changed in
 *       it: cloning, finding, adding, replacing, removing and telling differences are microseconds,
 *       however large the policy.
 *
 * Threads. One writer for each policy.  A policy that nobody writes to may be read, and cloned, by
 *          several control threads; clones may be changed and freed on different threads.
 */

#include "policy/sl_object.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_POLICY_SUBLAYERS_MAX 65536u
#define SL_POLICY_CALLOUTS_MAX  100000u
#define SL_POLICY_FILTERS_MAX   4000000u
#define SL_POLICY_OBJECTS_MAX   65536u

struct sl_policy; /* opaque */

/* NULL: out of memory. */
struct sl_policy *sl_policy_new(void);
struct sl_policy *sl_policy_clone(const struct sl_policy *policy);
void sl_policy_free(struct sl_policy *policy);

/* Borrowed; NULL when absent. */
struct sl_object *
sl_policy_find(const struct sl_policy *policy, enum sl_object_type type, const char *key);
/* By run-time id. Ids are unique within a type. */
struct sl_object *
sl_policy_find_id(const struct sl_policy *policy, enum sl_object_type type, uint64_t id);
size_t sl_policy_len(const struct sl_policy *policy, enum sl_object_type type);
/*
 * The object with the next run-time id after `id`, borrowed; NULL: there is none.  All objects in
 * creation order: begin with 0, go on with the id of each.
 */
struct sl_object *
sl_policy_next(const struct sl_policy *policy, enum sl_object_type type, uint64_t id);
/*
 * All objects of a type in creation order as an array, valid until the next change of this policy.  It
 * is made at the first call, in linear time, and may then be NULL with `*n` 0 for want of memory:
 * whoever must not miss an object walks with sl_policy_next.
 */
struct sl_object *const *
sl_policy_list(const struct sl_policy *policy, enum sl_object_type type, size_t *n);

/*
 * One difference: `before` NULL: the object is new; `after` NULL: it is gone; both: it was replaced and
 * kept its run-time id.  Non-zero stops and is returned.
 */
typedef int
sl_policy_diff_fn(void *ctx, const struct sl_object *before, const struct sl_object *after);
/*
 * Calls `fn` for every object of a type that differs between two revisions, by ascending run-time id.
 * An object that was removed and made anew under the same key is two differences, the removal first.
 * Costs what is different when one was made from a clone of the other, or both from one.
 */
int sl_policy_diff(const struct sl_policy *before, const struct sl_policy *after,
	enum sl_object_type type, sl_policy_diff_fn *fn, void *ctx);
/* True when there is no difference. */
bool sl_policy_is_same(
	const struct sl_policy *before, const struct sl_policy *after, enum sl_object_type type);

/*
 * Adds a finished object (see sl_object_finish) that is in no policy yet, taking over the caller's
 * reference when it returns 0.  Errors: ALREADY_EXISTS, the limits, NO_MEMORY.  References are
 * checked by sl_policy_check.
 */
int sl_policy_add(
	struct sl_policy *policy, struct sl_object *object, struct sl_error *err) SL_MUST_CHECK;
/*
 * Replaces the object of the same type and key, or adds it.  A replacement keeps the run-time id of
 * the old one, so that its place among equals stays.  BUILTIN_OBJECT when the old one is built in.
 */
int sl_policy_put(
	struct sl_policy *policy, struct sl_object *object, struct sl_error *err) SL_MUST_CHECK;
/*
 * Removes. Errors: not found, BUILTIN_OBJECT, IN_USE (the text names up to 10 referrers).
 */
int sl_policy_delete(struct sl_policy *policy, enum sl_object_type type, const char *key,
	struct sl_error *err) SL_MUST_CHECK;
/*
 * Removes without asking about references; for whole-policy edits that sl_policy_check follows.
 * Does nothing when there is no such object or it is built in.  Want of memory is reported by
 * sl_policy_check.
 */
void sl_policy_remove(struct sl_policy *policy, enum sl_object_type type, const char *key);
/* True for objects to remove. Must not change the policy. */
typedef bool sl_policy_choose_fn(void *ctx, const struct sl_object *object);
/* The same for every object that `fn` chooses (NULL: all), in one pass. Built-in objects stay. */
void sl_policy_remove_if(
	struct sl_policy *policy, enum sl_object_type type, sl_policy_choose_fn *fn, void *ctx);

/* Calls `fn` for every object that refers to this one, until it returns false. Linear. */
typedef bool sl_policy_referrer_fn(void *ctx, const struct sl_object *referrer);
void sl_policy_referrers(const struct sl_policy *policy, enum sl_object_type type, const char *key,
	sl_policy_referrer_fn *fn, void *ctx);

/*
 * Where an object stands in the document being applied, for problem pointers: returns a pointer
 * such as "/filters/3", or NULL to use "/filters/KEY".  `ctx` is the caller's.
 */
typedef const char *sl_policy_pointer_fn(void *ctx, const struct sl_object *object);

/*
 * Checks all references: they exist, layers agree (callout's and filter's: INCOMPATIBLE_LAYER), set
 * types fit fields (TYPE_MISMATCH), lifetimes allow them (LIFETIME_MISMATCH, WFP section 5.4).  A
 * persistent object may refer to its own provider's and to nobody's objects, not to another
 * provider's. Every fault goes into `problems`. True when there was none.
 */
bool sl_policy_check(const struct sl_policy *policy, sl_policy_pointer_fn *pointer, void *ctx,
	struct sl_problems *problems) SL_MUST_CHECK;

/*
 * The same for the references of one object: enough when the rest was whole before, and nothing refers
 * to what the object may have replaced.
 */
bool sl_policy_check_object(const struct sl_policy *policy, const struct sl_object *object,
	sl_policy_pointer_fn *pointer, void *ctx, struct sl_problems *problems) SL_MUST_CHECK;

/*
 * Something that is legal and looks wrong:
 *   tie_conflict         two filters of one sublayer and weight overlap and act differently
 *   tautology            conditions on one field that hold for every value of it
 *   never_match          a filter that no packet can match
 *   sublayer_weight_tie  two sublayers of one weight
 *   shadowed             an earlier filter of the sublayer decides everything that this one matches
 *   ipv4_only            flows are denied by default over IPv4, and no filter looks at those over IPv6
 * What cannot be seen cheaply is not reported: sets, flags and texts count as overlapping, a filter
 * is compared with a bounded number of its neighbours, and shadowing is found when the conditions
 * are equal or the earlier filter has none.
 */
struct sl_lint {
	const char *code;
	const struct sl_object *object;
	char detail[300];
};
typedef void sl_policy_lint_fn(void *ctx, const struct sl_lint *lint);
/* Reports at most 1,000 findings, fewer when memory is short. Cheap: n log n. */
void sl_policy_lint(const struct sl_policy *policy, sl_policy_lint_fn *fn, void *ctx);

#endif
