/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_SIMD_H
#define SL_CLASSIFIER_SIMD_H

/* The forms of the packet-time code, one for each instruction set; see classify_form_run.inc. */

#include "classifier/sl_classify.h"

sl_classify_fn sl_classify_portable;
#ifdef __x86_64__
sl_classify_fn sl_classify_avx2;
sl_classify_fn sl_classify_avx512;
#endif

#endif
