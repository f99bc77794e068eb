/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_H
#define APP_BENCH_H

/* sluice-bench: a command a file, and what they share. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Commands get what stands behind their name (argv[0] is the name); they return the exit status. */
int bench_classify(int argc, char **argv);
int bench_datapath(int argc, char **argv);
int bench_flows(int argc, char **argv);
int bench_generate(int argc, char **argv);
int bench_update(int argc, char **argv);

/* "verify 40 %" on a terminal; nothing elsewhere. */
void bench_progress(const char *what, size_t done, size_t total);
/* An option's integer in [min, max]; false: the fault was printed. */
bool bench_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out);
bool
bench_number32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out);
/* Writes a result; NULL path: nothing. 0, or 1 and the fault was printed. */
int bench_write_json(const char *path, const json_t *json);

#endif
