/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_testpmd.h"

#include "base/sl_compiler.h"
#include "bench_median.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED    2u /* figures while it gets going */
#define VALUES_MAX 64u
#define START_MS   20000 /* longest wait for a line */
#define BUFFERS    65536u

/* Rates it has printed of port 0. */
struct rates {
	double values[VALUES_MAX];
	uint32_t n;
	uint32_t n_lines;
	char text[256]; /* the line that is being read */
	size_t len;
};

static void
take_line(struct rates *rates)
{
	const char *at = strstr(rates->text, "Rx-pps:");

	/* Lines alternate between the two ports; the second has nothing to receive. */
	if (at == NULL || rates->n_lines++ % 2 != 0 || rates->n == VALUES_MAX)
		return;
	rates->values[rates->n] = strtod(at + 7, NULL);
	rates->n += rates->values[rates->n] > 0;
}

static void
take_bytes(struct rates *rates, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || rates->len == sizeof(rates->text) - 1) {
			rates->text[rates->len] = '\0';
			rates->len = 0;
			take_line(rates);
		} else {
			rates->text[rates->len++] = bytes[i];
		}
	}
}

/* Reads until so many rates are there, or nothing comes any more. */
static void
read_rates(int output, uint32_t wanted, struct rates *rates)
{
	struct pollfd ready = {.fd = output, .events = POLLIN};
	char bytes[1024];
	ssize_t n = 1;

	while (n > 0 && rates->n < wanted && poll(&ready, 1, START_MS) > 0) {
		n = read(output, bytes, sizeof(bytes));
		take_bytes(rates, bytes, n > 0 ? (size_t)n : 0);
	}
}

static void
exec_testpmd(const char *program, const char *pcap, uint32_t n_frames, const char *mode, int output)
{
	char device[512];
	char mode_arg[64];
	char prefix[64];
	char buffers[64];

	snprintf(device, sizeof(device), "--vdev=net_pcap0,rx_pcap=%s,infinite_rx=1", pcap);
	snprintf(mode_arg, sizeof(mode_arg), "--forward-mode=%s", mode);
	snprintf(buffers, sizeof(buffers), "--total-num-mbufs=%u", BUFFERS + n_frames);
	snprintf(prefix, sizeof(prefix), "--file-prefix=bench%d", (int)getpid());
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execlp(program, program, "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"1024", "-l", "0,1", prefix, device, "--vdev=net_null0,no-rx=1", "--",
		"--nb-cores=1", mode_arg, "--no-flush-rx", "--stats-period=1", buffers,
		(char *)NULL);
	_exit(127);
}

double
bench_testpmd(const char *program, const char *pcap, uint32_t n_frames, const char *mode,
	uint32_t seconds)
{
	struct rates rates = {0};
	int ends[2];
	pid_t child;

	if (pipe(ends) != 0)
		return 0;
	child = fork();
	if (child == 0)
		exec_testpmd(program, pcap, n_frames, mode, ends[1]);
	close(ends[1]);
	if (child > 0) {
		read_rates(ends[0], SL_MIN(seconds + SKIPPED, VALUES_MAX), &rates);
		kill(child, SIGINT);
		/* To the end of what it prints, so that it does not wait for a reader. */
		read_rates(ends[0], UINT32_MAX, &(struct rates){0});
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	close(ends[0]);
	return rates.n > SKIPPED ? bench_median(rates.values + SKIPPED, rates.n - SKIPPED) : 0;
}
