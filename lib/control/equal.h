/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_EQUAL_H
#define CONTROL_EQUAL_H

/* Whether two objects say the same. Private to the room. */

#include "policy/sl_object.h"

#include <stdbool.h>

/*
 * True when two finished objects of one key would be written alike: every member that a document can
 * give, the lifetime included.  Run-time ids and origins do not count: they are not what it says but
 * when and by whom it was said.
 */
bool sl_control_object_equal(const struct sl_object *a, const struct sl_object *b);

#endif
