/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_SIMD_H
#define SL_CLASSIFIER_SIMD_H

/* The forms of the packet-time code, one for each instruction set; see classify_form_run.inc. */

#include "classifier/program.h"
#include "classifier/sl_classify.h"

/* sl_program_run and sl_program_run_without. */
typedef uint32_t sl_form_fn(const struct sl_program *program, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out);
typedef uint32_t sl_form_without_fn(const struct sl_program *program, const uint64_t *dead,
	const struct sl_meta *meta, uint32_t *places, uint32_t n_max);

sl_form_fn sl_classify_portable;
sl_form_without_fn sl_classify_portable_without;
#ifdef __x86_64__
sl_form_fn sl_classify_avx2;
sl_form_without_fn sl_classify_avx2_without;
sl_form_fn sl_classify_avx512;
sl_form_without_fn sl_classify_avx512_without;
#endif

/* sl_program_run in one form. */
uint32_t sl_program_run_as(enum sl_simd simd, const struct sl_program *program,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out);

#endif
