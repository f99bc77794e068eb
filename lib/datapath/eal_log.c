/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/eal_log.h"

#include "base/sl_log.h"
#include "datapath/eal.h"

#include <rte_log.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The newest error, for messages that must say why DPDK refused. One per process, as DPDK's log is. */
static _Thread_local char last_error[256];
static pthread_once_t opened = PTHREAD_ONCE_INIT;
static FILE *stream;

static ssize_t
take_lines(void *cookie, const char *text, size_t size)
{
	int level = rte_log_cur_msg_loglevel();
	size_t len = size;

	(void)cookie;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (len == 0)
		return (ssize_t)size;
	/* Those that follow the first say only that it failed. */
	if (level <= (int)RTE_LOG_ERR && last_error[0] == '\0')
		snprintf(last_error, sizeof(last_error), "%.*s", (int)len, text);
	sl_log_debug("dpdk: %.*s", (int)len, text);
	return (ssize_t)size;
}

static void
open_stream(void)
{
	stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take_lines});
	if (stream == NULL)
		return;
	/* One message, one write: buffered by line. */
	setvbuf(stream, NULL, _IOLBF, 4096);
	rte_openlog_stream(stream);
}

int
eal_log_open(void)
{
	pthread_once(&opened, open_stream);
	return stream != NULL ? 0 : -ENOMEM;
}

const char *
eal_last_error(void)
{
	return last_error;
}

void
eal_clear_error(void)
{
	last_error[0] = '\0';
}
