/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/lab.h"

#include "document/sl_document.h"

#include <pcap/pcap.h>
#include <rte_mempool.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define FRAME_MAX 16384

static char folder[64];

static void
make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/sluice-lab-XXXXXX");
	LAB_CHECK(mkdtemp(folder) != NULL);
}

static void
remove_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	LAB_CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			LAB_CHECK(unlink(lab_path(entry->d_name)) == 0);
	}
	closedir(dir);
	LAB_CHECK(rmdir(folder) == 0);
}

bool
lab_run(lab_experiment_fn *experiment)
{
	int status;
	pid_t pid;

	/* The folder goes even when the experiment ends by a signal. */
	make_folder();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		experiment();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = -1;
	remove_folder();
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const char *
lab_path(const char *name)
{
	static char paths[8][320];
	static unsigned int next;
	char *path = paths[next++ % SL_ARRAY_LEN(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

/* --- Captures. --- */

static uint16_t
ip_checksum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void
put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint32_t
lab_udp(uint32_t i, uint32_t payload, uint8_t *frame)
{
	static const uint8_t start[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0,
		0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
	uint8_t *ip = frame + 14, *udp = ip + 20;

	memcpy(frame, start, sizeof(start));
	put16(ip + 2, 28 + payload);
	put16(ip + 4, i);
	put16(ip + 10, 0);
	put16(ip + 10, ip_checksum(ip));
	put16(udp, 1000 + i % 1000);
	put16(udp + 2, 2000 + i % 5);
	put16(udp + 4, 8 + payload);
	put16(udp + 6, 0);
	for (uint32_t at = 0; at < payload; at++)
		udp[8 + at] = (uint8_t)(i + at * 7);
	return 42 + payload;
}

uint32_t
lab_fragment(uint32_t i, uint32_t n_parts, uint32_t part, uint8_t *frame)
{
	static uint8_t whole[FRAME_MAX];
	uint32_t datagram = i / n_parts, at = i % n_parts * part, more = i % n_parts + 1 < n_parts;
	uint8_t *ip = frame + 14;

	lab_udp(datagram, n_parts * part - 8, whole);
	memcpy(frame, whole, 34);
	memcpy(frame + 34, whole + 34 + at, part);
	put16(ip + 2, 20 + part);
	put16(ip + 6, more << 13 | at / 8);
	put16(ip + 10, 0);
	put16(ip + 10, ip_checksum(ip));
	return 34 + part;
}

void
lab_write_pcap(const char *path, uint32_t n, lab_packet_fn *packet)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FRAME_MAX);
	pcap_dumper_t *dumper = pcap_dump_open(pcap, path);
	static uint8_t frame[FRAME_MAX];

	LAB_CHECK(dumper != NULL);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = packet(i, frame);
		struct pcap_pkthdr header = {.ts = {.tv_sec = i}, .caplen = len, .len = len};

		pcap_dump((u_char *)dumper, &header, frame);
	}
	pcap_dump_close(dumper);
	pcap_close(pcap);
}

int
lab_compare_pcap(const char *path, uint32_t n, lab_packet_fn *packet, lab_wanted_fn *wanted)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, error);
	static uint8_t frame[FRAME_MAX];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int n_equal = 0;

	LAB_CHECK(pcap != NULL);
	for (uint32_t i = 0; i < n && n_equal >= 0; i++) {
		uint32_t len = packet(i, frame);

		if (wanted != NULL && !wanted(i))
			continue;
		if (pcap_next_ex(pcap, &header, &bytes) == 1 && header->caplen == len &&
			memcmp(bytes, frame, len) == 0)
			n_equal++;
		else
			n_equal = -1;
	}
	if (n_equal >= 0 && pcap_next_ex(pcap, &header, &bytes) == 1)
		n_equal = -1;
	pcap_close(pcap);
	return n_equal;
}

/* --- Datapaths. --- */

struct sl_datapath *
lab_datapath(const char *inside, const char *outside, uint32_t n_workers)
{
	return lab_datapath_of_flows(inside, outside, n_workers, NULL);
}

struct sl_datapath *
lab_datapath_of_flows(const char *inside, const char *outside, uint32_t n_workers,
	const struct sl_flow_config *flows)
{
	return lab_datapath_of_callouts(inside, outside, n_workers, flows, NULL);
}

struct sl_datapath *
lab_datapath_of_callouts(const char *inside, const char *outside, uint32_t n_workers,
	const struct sl_flow_config *flows, const struct sl_callout_registry *registry)
{
	struct sl_link_config link = {.name = "lab"};
	struct sl_datapath_config config = {
		.program = "lab",
		.n_links = 1,
		.links = &link,
		.n_workers = n_workers,
		.megabytes = 128,
		.event_ring = 1024,
		.registry = registry,
	};
	struct sl_datapath *datapath;
	struct sl_error err = {0};

	if (flows != NULL)
		config.flows = *flows;
	snprintf(link.inside, sizeof(link.inside), "%s", inside);
	snprintf(link.outside, sizeof(link.outside), "%s", outside);
	if (sl_datapath_new(&config, &datapath, &err) != 0) {
		fprintf(stderr, "%s: %s\n", err.where, err.text);
		_exit(1);
	}
	return datapath;
}

void
lab_sum(struct sl_datapath *datapath, struct sl_counters *sum)
{
	const struct sl_plane *plane = sl_datapath_plane(datapath);

	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < plane->ops->n_workers(plane->ctx); i++)
		sl_counters_sum(plane->ops->counters(plane->ctx, i), sum);
}

void
lab_await_received(struct sl_datapath *datapath, uint64_t n)
{
	const struct sl_plane *plane = sl_datapath_plane(datapath);
	const struct timespec step = {.tv_nsec = 1000000};
	static struct sl_counters sum;

	for (int i = 0; i < 10000; i++) {
		lab_sum(datapath, &sum);
		if (sum.links[0][0].rx_packets + sum.links[0][1].rx_packets >= n) {
			/* They are counted before they are judged. */
			plane->ops->synchronize(plane->ctx);
			return;
		}
		nanosleep(&step, NULL);
	}
	fprintf(stderr, "only %llu of %llu packets were received\n",
		(unsigned long long)(sum.links[0][0].rx_packets + sum.links[0][1].rx_packets),
		(unsigned long long)n);
	_exit(1);
}

uint32_t
lab_buffers(void)
{
	return rte_mempool_in_use_count(rte_mempool_lookup("sluice-link-0"));
}

/* --- Policies. --- */

struct binder {
	struct sl_callout_registry *registry;
	uint32_t n_counters;
};

static int
bind_filter(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	struct binder *binder = ctx;

	(void)err;
	*binding = (struct sl_filter_binding){.counter = binder->n_counters++};
	if (filter->callout != NULL && binder->registry != NULL)
		binding->callout = sl_callout_plugin(binder->registry, filter->callout);
	return 0;
}

struct sl_snapshot *
lab_compile(const char *document, uint64_t revision, struct sl_callout_registry *registry)
{
	struct binder binder = {.registry = registry};
	struct sl_compile_host host = {.bind = bind_filter, .ctx = &binder};
	struct sl_policy *policy = sl_policy_new();
	struct sl_problems problems = {0};
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};
	json_t *json;

	LAB_CHECK(policy != NULL);
	LAB_CHECK(sl_json_load(document, strlen(document), 0, &json, &err) == 0);
	if (!sl_document_read(policy, json, SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems)) {
		fprintf(stderr, "%s: %s\n", problems.list[0].pointer, problems.list[0].detail);
		_exit(1);
	}
	json_decref(json);
	if (sl_snapshot_compile(policy, revision, NULL, NULL, &host, &snapshot, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	sl_policy_free(policy);
	return snapshot;
}
