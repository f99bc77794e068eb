/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_appliance.h"

#include "base/sl_clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int
measure(const struct bench_appliance *appliance, bench_appliance_fn *fn, void *ctx, int output)
{
	struct sl_link_config link = {
		.name = "bench", .inside = "vdev:" BENCH_APPLIANCE_INSIDE ",no-rx=1"};
	struct sl_datapath_config config = {
		.program = "sluice-bench",
		.n_links = 1,
		.links = &link,
		.n_workers = 1,
		.megabytes = appliance->megabytes,
		.buffers = appliance->buffers,
		.poll = SL_POLL_BUSY,
		.event_rate = SL_EVENT_RATE_USUAL, /* nobody reads them, as where no client does */
		.flows = appliance->flows,
	};
	struct sl_datapath *datapath = NULL;
	struct sl_error err = {0};
	int rc;

	if (appliance->outside != NULL)
		snprintf(link.outside, sizeof(link.outside), "%s", appliance->outside);
	else
		snprintf(link.outside, sizeof(link.outside),
			"vdev:net_pcap0,rx_pcap=%s,infinite_rx=1", appliance->pcap);
	rc = sl_datapath_new(&config, &datapath, &err);
	if (rc == 0)
		rc = sl_datapath_start(datapath, &err);
	if (rc == 0)
		rc = fn(ctx, sl_datapath_plane(datapath), output, &err);
	sl_datapath_free(datapath);
	if (rc != 0)
		fprintf(stderr, "sluice-bench: %s: %s\n", err.where, err.text);
	return rc == 0 ? 0 : 1;
}

/* Reads so many bytes; false: there were fewer. */
static bool
collect(int input, char *bytes, size_t size)
{
	ssize_t n = 1;

	while (size > 0 && n > 0) {
		n = read(input, bytes, size);
		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		}
	}
	return size == 0;
}

int
bench_appliance_run(const struct bench_appliance *appliance, bench_appliance_fn *fn, void *ctx,
	void *figures, size_t size)
{
	bool has_all = false;
	int ends[2];
	pid_t child;
	int status = 1;

	if (pipe(ends) != 0)
		return 1;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		_exit(measure(appliance, fn, ctx, ends[1]));
	}
	close(ends[1]);
	if (child > 0) {
		has_all = collect(ends[0], figures, size);
		waitpid(child, &status, 0);
	}
	close(ends[0]);
	return has_all && status == 0 ? 0 : 1;
}

static uint64_t
received(const struct sl_plane *plane)
{
	const struct sl_counters *counters = plane->ops->counters(plane->ctx, 0);

	return sl_counter_read(&counters->links[0][SLUICE_DIRECTION_INBOUND].rx_packets);
}

double
bench_appliance_rate(const struct sl_plane *plane, uint32_t ms)
{
	uint64_t start = sl_clock_monotonic_ns();
	uint64_t before = received(plane);

	usleep(ms * 1000);
	return (double)(received(plane) - before) * 1e9 / (double)(sl_clock_monotonic_ns() - start);
}

int
bench_appliance_report(int output, const void *figures, size_t size, struct sl_error *err)
{
	if (write(output, figures, size) == (ssize_t)size)
		return 0;
	return sl_error_set(err, SL_ERR_IO, "", "cannot report: %s", strerror(errno));
}
