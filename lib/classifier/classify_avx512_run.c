/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/simd.h"

#include "classifier/finds_run.h"
#include "classifier/program.h"
#include "classifier/tables.h"
#include "classifier/tables_squeeze.h"

/* Classification for processors with AVX-512. */

#ifdef __x86_64__

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(                                                        \
	__attribute__((target("avx2,bmi,bmi2,avx512f,avx512vl,avx512dq,avx512bw"))), \
	apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,avx512f,avx512vl,avx512dq,avx512bw")
#endif

#define SL_LANES_AVX512
#include "classifier/lanes_run.h"

#define SL_CLASSIFY_FORM    sl_classify_avx512
#define SL_CLASSIFY_WITHOUT sl_classify_avx512_without
#include "classifier/classify_form_run.inc"

#include "classifier/tables_lanes_run.h"

#define SL_TABLES_FORM sl_tables_avx512
#include "classifier/tables_form_run.inc"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
