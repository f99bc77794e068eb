/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_COMPILER_H
#define SL_BASE_COMPILER_H

/* Compiler vocabulary used everywhere; nothing here generates code by itself. */

#include <stddef.h>
#include <stdint.h>

#define SL_MUST_CHECK                  __attribute__((warn_unused_result))
#define SL_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define SL_LIKELY(x)                   __builtin_expect(!!(x), 1)
#define SL_UNLIKELY(x)                 __builtin_expect(!!(x), 0)
#define SL_ALWAYS_INLINE               inline __attribute__((always_inline))
#define SL_NOINLINE                    __attribute__((noinline))
#define SL_CACHE_LINE                  64
#define SL_CACHE_ALIGNED               __attribute__((aligned(SL_CACHE_LINE)))
#define SL_ARRAY_LEN(a)                (sizeof(a) / sizeof((a)[0]))
#define SL_MIN(a, b)                   ((a) < (b) ? (a) : (b))
#define SL_MAX(a, b)                   ((a) > (b) ? (a) : (b))

/* The structure that holds `member` at `ptr`. */
#define SL_CONTAINER_OF(ptr, type, member) \
	((type *)(uintptr_t)((const char *)(ptr)-offsetof(type, member)))

#endif
