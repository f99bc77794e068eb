/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/simd.h"

#include "classifier/finds_run.h"
#include "classifier/program.h"
#include "classifier/tables.h"
#include "classifier/tables_squeeze.h"

/* Classification for any processor. */

#include "classifier/lanes_run.h"

#define SL_CLASSIFY_FORM    sl_classify_portable
#define SL_CLASSIFY_WITHOUT sl_classify_portable_without
#include "classifier/classify_form_run.inc"

#include "classifier/tables_lanes_run.h"

#define SL_TABLES_FORM sl_tables_portable
#include "classifier/tables_form_run.inc"
