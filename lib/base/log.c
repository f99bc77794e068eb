/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_log.h"

#include "base/sl_clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

/*
 * The one process-wide setting: there is one standard error.  Atomic, so that a change of level
 * while others log is harmless.
 */
static _Atomic(const char *) log_program = "sluice";
static atomic_int log_level = SL_LOG_NOTICE;

/* syslog's numbers: 3 error, 4 warning, 5 notice, 6 info, 7 debug. */
static int
syslog_priority(enum sl_log_level level)
{
	return 3 + (int)level;
}

void
sl_log_setup(const char *program, enum sl_log_level level)
{
	atomic_store(&log_program, program);
	atomic_store(&log_level, (int)level);
}

static size_t
write_prefix(char *line, size_t size, enum sl_log_level level)
{
	const char *program = atomic_load(&log_program);
	char now[SL_TIME_TEXT_MAX];

	if (getenv("JOURNAL_STREAM") != NULL)
		return (size_t)snprintf(line, size, "<%d>%.64s: ", syslog_priority(level), program);
	sl_time_format(sl_clock_now(&sl_clock_system), now);
	return (size_t)snprintf(line, size, "%s %.64s: ", now, program);
}

/* Texts from clients may hold line ends or terminal escapes, which must not forge other lines. */
static void
mask_control_characters(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void
sl_log_write(enum sl_log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;
	size_t len;
	ssize_t written;

	if ((int)level > atomic_load(&log_level))
		return;
	len = write_prefix(line, sizeof(line), level);
	va_start(args, format);
	vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	mask_control_characters(line);
	len = strlen(line);
	line[len++] = '\n';
	/* A lost log line has nobody to be told to. */
	written = write(STDERR_FILENO, line, len);
	(void)written;
}
