/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_OBJECT_PRIVATE_H
#define SL_POLICY_OBJECT_PRIVATE_H

/* What the files that check objects share. Private to the room. */

#include "base/sl_error.h"
#include "policy/sl_object.h"

/* The key of the sublayer that filters without one go to, and of the one for inspection only. */
#define SL_SUBLAYER_UNIVERSAL  "universal"
#define SL_SUBLAYER_INSPECTION "inspection"

/* Where faults of one object go. */
struct sl_faults {
	struct sl_problems *problems;
	const char *pointer; /* of the object in its document */
	size_t n;            /* faults of this object */
};

/* Adds a fault at `member` ("/weight", "" for the object itself) below the object's pointer. */
void sl_fault_add(struct sl_faults *faults, enum sl_err code, const char *member,
	const char *format, ...) SL_PRINTF(4, 5);
void sl_fault_add_no_memory(struct sl_faults *faults);

/* Checks and derives, as sl_object_finish, what only this type of object has. */
void sl_filter_finish(struct sl_filter *filter, struct sl_faults *faults);
void sl_set_finish(struct sl_set *set, struct sl_faults *faults);
/* Refuses a layer that takes no filters and callouts; false when it was refused or is missing. */
bool sl_layer_check(const struct sl_layer *layer, struct sl_faults *faults);

/* Checks and normalises one condition; `member` is its place, "/conditions/0". */
void sl_condition_finish(const struct sl_layer *layer, struct sl_condition *condition,
	const char *member, struct sl_faults *faults);

#endif
