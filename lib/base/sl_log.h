/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

/*
 * Log lines on standard error: "<6>sluiced: text", with the syslog priority prefix when standard
 * error is a journal (JOURNAL_STREAM is set) and a time stamp otherwise.
 *
 * Threads. Any control thread; one line is one write, so that lines never mix.  Never at packet time.
 */

#include "base/sl_compiler.h"

enum sl_log_level {
	SL_LOG_ERROR,
	SL_LOG_WARNING,
	SL_LOG_NOTICE,
	SL_LOG_INFO,
	SL_LOG_DEBUG
};

/* Sets the program's name (borrowed, must outlive the process) and the most talkative level shown. */
void sl_log_setup(const char *program, enum sl_log_level level);
void sl_log_write(enum sl_log_level level, const char *format, ...) SL_PRINTF(2, 3);

#define sl_log_error(...)   sl_log_write(SL_LOG_ERROR, __VA_ARGS__)
#define sl_log_warning(...) sl_log_write(SL_LOG_WARNING, __VA_ARGS__)
#define sl_log_notice(...)  sl_log_write(SL_LOG_NOTICE, __VA_ARGS__)
#define sl_log_info(...)    sl_log_write(SL_LOG_INFO, __VA_ARGS__)
#define sl_log_debug(...)   sl_log_write(SL_LOG_DEBUG, __VA_ARGS__)

#endif
