/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DOCUMENT_CONDITION_H
#define SL_DOCUMENT_CONDITION_H

/* Conditions of filters.  Private to the room. */

#include "document/reader.h"

/*
 * Reads the array of conditions into `filter`, whose layer is read before (NULL when that failed: then
 * only the form is checked).  Faulty ones leave an empty condition in their place.
 */
sl_document_member_fn sl_document_read_conditions;
/* New reference, NULL when out of memory. */
json_t *
sl_document_write_condition(const struct sl_layer *layer, const struct sl_condition *condition);

#endif
