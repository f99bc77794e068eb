/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/simd.h"

#include "classifier/tables.h"

#include "classifier/overlay.h"

/* Packet time: from the interface to the form of the code that suits the processor. */

bool
sl_simd_has(enum sl_simd simd)
{
	switch (simd) {
	case SL_SIMD_PORTABLE:
		return true;
#ifdef __x86_64__
	case SL_SIMD_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
			__builtin_cpu_supports("bmi2");
	case SL_SIMD_AVX512:
		return sl_simd_has(SL_SIMD_AVX2) && __builtin_cpu_supports("avx512f") &&
			__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
			__builtin_cpu_supports("avx512bw");
#endif
	default:
		return false;
	}
}

const char *
sl_simd_name(enum sl_simd simd)
{
	switch (simd) {
	case SL_SIMD_PORTABLE:
		return "portable";
	case SL_SIMD_AVX2:
		return "avx2";
	case SL_SIMD_AVX512:
		return "avx512";
	default:
		return "unknown";
	}
}

enum sl_simd
sl_simd_best(void)
{
	enum sl_simd simd = SL_SIMD_COUNT - 1;

	while (!sl_simd_has(simd))
		simd--;
	return simd;
}

static uint32_t
run_tables(enum sl_simd simd, const struct sl_program *program, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out)
{
	switch (simd) {
#ifdef __x86_64__
	case SL_SIMD_AVX512:
		return sl_tables_avx512(program, program->tables, metas, n, out);
	case SL_SIMD_AVX2:
		return sl_tables_avx2(program, program->tables, metas, n, out);
#endif
	default:
		return sl_tables_portable(program, program->tables, metas, n, out);
	}
}

static uint32_t
run_trees(enum sl_simd simd, const struct sl_program *program, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out)
{
	switch (simd) {
#ifdef __x86_64__
	case SL_SIMD_AVX512:
		return sl_classify_avx512(program, metas, n, out);
	case SL_SIMD_AVX2:
		return sl_classify_avx2(program, metas, n, out);
#endif
	default:
		return sl_classify_portable(program, metas, n, out);
	}
}

uint32_t
sl_program_run_as(enum sl_simd simd, const struct sl_program *program,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out)
{
	return program->tables != NULL ? run_tables(simd, program, metas, n, out)
				       : run_trees(simd, program, metas, n, out);
}

uint32_t
sl_program_run(const struct sl_program *program, const struct sl_meta *const metas[], uint32_t n,
	struct sl_matches *out)
{
	return sl_program_run_as(program->simd, program, metas, n, out);
}

uint32_t
sl_program_run_without(const struct sl_program *program, const uint64_t *dead,
	const struct sl_meta *meta, uint32_t *places, uint32_t n_max)
{
	switch (program->simd) {
#ifdef __x86_64__
	case SL_SIMD_AVX512:
		return sl_classify_avx512_without(program, dead, meta, places, n_max);
	case SL_SIMD_AVX2:
		return sl_classify_avx2_without(program, dead, meta, places, n_max);
#endif
	default:
		return sl_classify_portable_without(program, dead, meta, places, n_max);
	}
}

uint32_t
sl_classify_run_as(enum sl_simd simd, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out)
{
	if (SL_UNLIKELY(layer->overlay != NULL))
		return sl_overlay_run(simd, layer, metas, n, out);
	/* The program was compiled from all filters: its places are ranks. */
	return sl_program_run_as(simd, layer->program, metas, n, out);
}

uint32_t
sl_classify_run(const struct sl_layer_program *layer, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out)
{
	return sl_classify_run_as(layer->program->simd, layer, metas, n, out);
}
