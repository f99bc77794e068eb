/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CALLOUT_ELF_H
#define CALLOUT_ELF_H

/*
 * A look at a file before the dynamic loader maps it: a shared object of this machine with all its
 * segments inside the file.  The loader itself does not check the latter, and a page beyond the end of
 * a file is fatal to whoever touches it.
 *
 * Threads. Any; no state.
 */

#include "base/sl_error.h"

#include <stdint.h>

/* `size` is the file's. 0, or PLUGIN_REFUSED with `where` = `path`. */
int
sl_callout_elf_check(int fd, uint64_t size, const char *path, struct sl_error *err) SL_MUST_CHECK;

#endif
