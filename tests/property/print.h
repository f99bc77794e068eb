/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_PRINT_H
#define TESTS_PROPERTY_PRINT_H

/* What a filter and a packet are, on standard error, for reports. */

#include "classifier/sl_meta.h"
#include "policy/sl_object.h"

void print_filter(const struct sl_filter *filter);
void print_meta(const struct sl_layer *layer, const struct sl_meta *meta);

#endif
