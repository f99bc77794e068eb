/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/sl_datapath.h"

#include "datapath/lab.h"

#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

#define PACKETS 5000u

static uint32_t
short_packet(uint32_t i, uint8_t *frame)
{
	return lab_udp(i, 18 + i % 400, frame);
}

/* From 8,000 to 9,000 bytes: five buffers each. */
static uint32_t
jumbo_packet(uint32_t i, uint8_t *frame)
{
	return lab_udp(i, 8000 + i % 958, frame);
}

static void
device(char text[256], const char *rx, const char *tx)
{
	snprintf(text, 256, "pcap:rx=%s,tx=%s", lab_path(rx), lab_path(tx));
}

/* A link between two pairs of files, "in" and "out"; what goes in at "in" is `packet`, nothing goes in at "out". */
static struct sl_datapath *
file_link(uint32_t n, lab_packet_fn *packet)
{
	char inside[256], outside[256];

	lab_write_pcap(lab_path("in.pcap"), n, packet);
	lab_write_pcap(lab_path("none.pcap"), 0, packet);
	device(inside, "in.pcap", "back.pcap");
	device(outside, "none.pcap", "out.pcap");
	return lab_datapath(inside, outside, 1);
}

static void
start(struct sl_datapath *datapath)
{
	struct sl_error err = {0};

	LAB_CHECK(sl_datapath_start(datapath, &err) == 0);
}

static const struct sl_snapshot *
publish(struct sl_datapath *datapath, const struct sl_snapshot *snapshot)
{
	const struct sl_plane *plane = sl_datapath_plane(datapath);

	return plane->ops->publish(plane->ctx, snapshot);
}

/* --- Experiments; each runs in a process of its own. --- */

static void
everything_passes_unchanged(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 7, NULL);
	struct sl_datapath *datapath = file_link(PACKETS, short_packet);
	const struct sl_plane *plane = sl_datapath_plane(datapath);
	struct sl_worker_info worker;
	struct sl_port_info port;
	struct sl_counters sum;

	LAB_CHECK(publish(datapath, snapshot) == NULL);
	start(datapath);
	lab_await_received(datapath, PACKETS);
	sl_datapath_stop(datapath);
	LAB_EQUAL(lab_buffers(), 0);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][SLUICE_DIRECTION_OUTBOUND].rx_packets, PACKETS);
	LAB_EQUAL(sum.links[0][SLUICE_DIRECTION_OUTBOUND].tx_packets, PACKETS);
	LAB_EQUAL(sum.links[0][SLUICE_DIRECTION_OUTBOUND].tx_bytes,
		sum.links[0][SLUICE_DIRECTION_OUTBOUND].rx_bytes);
	LAB_EQUAL(sum.links[0][SLUICE_DIRECTION_OUTBOUND].dropped, 0);
	LAB_EQUAL(sum.links[0][SLUICE_DIRECTION_INBOUND].rx_packets, 0);
	LAB_CHECK(sum.worker.busy_cycles > 0 && sum.worker.bursts > 0);
	plane->ops->worker_info(plane->ctx, 0, &worker);
	LAB_EQUAL(worker.revision, 7);
	LAB_CHECK(!worker.is_running && worker.is_adaptive);
	plane->ops->port_info(plane->ctx, 0, &port);
	LAB_CHECK(strcmp(port.name, "lab.inside") == 0 && strcmp(port.driver, "net_pcap") == 0);
	LAB_EQUAL(port.rx_packets, PACKETS);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), PACKETS, short_packet, NULL), PACKETS);
	LAB_EQUAL(lab_compare_pcap(lab_path("back.pcap"), 0, short_packet, NULL), 0);
}

static bool
is_not_to_2003(uint32_t i)
{
	return i % 5 != 3;
}

static void
blocked_packets_are_counted(void)
{
	struct sl_snapshot *snapshot =
		lab_compile("{\"filters\": [{\"key\": \"no-2003\", \"name\": \"n\", \"layer\": "
			    "\"outbound_transport_v4\","
			    "\"conditions\": [{\"field\": \"ip_remote_port\", \"match\": "
			    "\"equal\", \"value\": 2003}],"
			    "\"action\": \"block\"}]}",
			1, NULL);
	struct sl_datapath *datapath = file_link(PACKETS, short_packet);
	const struct sl_plane *plane = sl_datapath_plane(datapath);
	struct sl_filter_counter filter = {0};
	struct sl_counters sum;

	LAB_CHECK(publish(datapath, snapshot) == NULL);
	start(datapath);
	lab_await_received(datapath, PACKETS);
	sl_datapath_stop(datapath);
	LAB_EQUAL(lab_buffers(), 0);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][0].dropped, PACKETS / 5);
	LAB_EQUAL(sum.links[0][0].tx_packets, PACKETS - PACKETS / 5);
	LAB_EQUAL(sum.reasons[SL_REASON_FILTER], PACKETS / 5);
	sl_counters_sum_filter(plane->ops->counters(plane->ctx, 0), 0, &filter);
	LAB_EQUAL(filter.packets, PACKETS / 5);
	LAB_CHECK(filter.last_hit_ns > 1600000000ull * 1000000000ull);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), PACKETS, short_packet, is_not_to_2003),
		PACKETS - PACKETS / 5);
}

static void
nothing_passes_without_policy(void)
{
	struct sl_datapath *datapath = file_link(PACKETS, short_packet);
	struct sl_counters sum;

	start(datapath);
	lab_await_received(datapath, PACKETS);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][0].tx_packets, 0);
	LAB_EQUAL(sum.links[0][0].dropped, PACKETS);
	LAB_EQUAL(sum.reasons[SL_REASON_NO_POLICY], PACKETS);
	LAB_EQUAL(lab_buffers(), 0);
	sl_datapath_free(datapath);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), 0, short_packet, NULL), 0);
}

static void
jumbo_frames_pass_unchanged(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 1, NULL);
	struct sl_datapath *datapath = file_link(200, jumbo_packet);

	LAB_CHECK(publish(datapath, snapshot) == NULL);
	start(datapath);
	lab_await_received(datapath, 200);
	sl_datapath_stop(datapath);
	LAB_EQUAL(lab_buffers(), 0);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), 200, jumbo_packet, NULL), 200);
}

/* 1,400 to 1,599 bytes of UDP payload: some longer than the MTU allows. */
static uint32_t
around_mtu(uint32_t i, uint8_t *frame)
{
	return lab_udp(i, 1400 + i % 200, frame);
}

static bool
fits_mtu(uint32_t i)
{
	return 1400 + i % 200 + 28 <= 1500;
}

static void
frames_beyond_the_mtu_are_dropped_by_name(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 1, NULL);
	struct sl_link_config link = {.name = "lab", .mtu = 1500};
	struct sl_datapath_config config = {
		.program = "lab", .n_links = 1, .links = &link, .n_workers = 1, .megabytes = 128};
	struct sl_datapath *datapath;
	struct sl_counters sum;
	struct sl_error err;

	lab_write_pcap(lab_path("in.pcap"), 400, around_mtu);
	lab_write_pcap(lab_path("none.pcap"), 0, around_mtu);
	device(link.inside, "in.pcap", "back.pcap");
	device(link.outside, "none.pcap", "out.pcap");
	LAB_CHECK(sl_datapath_new(&config, &datapath, &err) == 0);
	LAB_CHECK(publish(datapath, snapshot) == NULL);
	start(datapath);
	lab_await_received(datapath, 400);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.reasons[SL_REASON_TX_TOO_LONG], 400 - 2 * 73);
	LAB_EQUAL(sum.links[0][0].dropped, 400 - 2 * 73);
	LAB_EQUAL(lab_buffers(), 0);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), 400, around_mtu, fits_mtu), 2 * 73);
}

/* Publishes 1,000 times, every tenth time nothing, while packets come in without end. */
static void
no_packet_is_lost_while_policies_are_swapped(void)
{
	struct sl_snapshot *snapshots[2] = {lab_compile("{}", 1, NULL), lab_compile("{}", 2, NULL)};
	const struct timespec pause = {.tv_nsec = 100000};
	char inside[256];
	struct sl_datapath *datapath;
	const struct sl_snapshot *current = NULL;
	const struct sl_link_counter *link;
	uint32_t buffers;
	struct sl_counters sum;

	lab_write_pcap(lab_path("in.pcap"), 256, short_packet);
	snprintf(inside, sizeof(inside), "pcap:rx=%s,infinite_rx=1", lab_path("in.pcap"));
	datapath = lab_datapath(inside, "null:no-rx=1", 1);
	/* This device keeps its packets in buffers for as long as it lives. */
	buffers = lab_buffers();
	start(datapath);
	for (uint32_t i = 0; i < 1000; i++) {
		const struct sl_snapshot *next = i % 10 == 9 ? NULL : snapshots[i % 2];

		LAB_CHECK(publish(datapath, next) == current);
		current = next;
		sl_datapath_tick(datapath);
		nanosleep(&pause, NULL);
	}
	LAB_CHECK(publish(datapath, NULL) == current);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	link = &sum.links[0][SLUICE_DIRECTION_OUTBOUND];
	LAB_CHECK(link->tx_packets > 100000);
	LAB_CHECK(sum.reasons[SL_REASON_NO_POLICY] > 0);
	LAB_EQUAL(link->rx_packets, link->tx_packets + sum.reasons[SL_REASON_NO_POLICY]);
	LAB_EQUAL(link->dropped, sum.reasons[SL_REASON_NO_POLICY]);
	LAB_EQUAL(lab_buffers(), buffers);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshots[0]);
	sl_snapshot_free(snapshots[1]);
}

static void
modes_are_obeyed(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 1, NULL);
	struct sl_datapath *datapath = file_link(PACKETS, short_packet);
	const struct sl_plane *plane = sl_datapath_plane(datapath);
	struct sl_counters sum;

	LAB_CHECK(publish(datapath, snapshot) == NULL);
	plane->ops->set_mode(plane->ctx, SL_MODE_BLOCK);
	start(datapath);
	lab_await_received(datapath, PACKETS);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.reasons[SL_REASON_MODE_BLOCK], PACKETS);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
}

/* A callout that blocks and answers with the frame's first 60 bytes. */
static void
echo_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	const struct sluice_host *host = in->callout;
	uint8_t frame[60];

	if (host->packet_read(in->packet, 0, frame, sizeof(frame)) == sizeof(frame))
		host->packet_reply(in->packet, frame, sizeof(frame));
	out->action = SLUICE_ACTION_BLOCK;
	out->rights = 0;
}

static int
echo_load(const struct sluice_host *host, void **callout)
{
	/* Handed back to classify, which only reads it. */
	*callout = (void *)(uintptr_t)host;
	return 0;
}

static uint32_t
reply_packet(uint32_t i, uint8_t *frame)
{
	short_packet(i, frame);
	return 60;
}

static void
replies_leave_by_the_port_of_arrival(void)
{
	static const struct sluice_callout echo = {
		.abi_version = SLUICE_ABI_VERSION,
		.size = sizeof(struct sluice_callout),
		.classify_in_size = sizeof(struct sluice_classify_in),
		.metadata_size = sizeof(struct sluice_metadata),
		.filter_size = sizeof(struct sluice_filter),
		.name = "echo",
		.version = "1",
		.description = "answers with what it saw",
		.load = echo_load,
		.classify = echo_classify,
	};
	struct sl_callout_registry *registry;
	struct sl_snapshot *snapshot;
	struct sl_datapath *datapath;
	struct sl_counters sum;
	struct sl_error err;

	LAB_CHECK(sl_callout_registry_new(1, &registry) == 0);
	LAB_CHECK(sl_callout_register(registry, &echo, &err) == 0);
	snapshot = lab_compile(
		"{\"callouts\": [{\"key\": \"echo\", \"name\": \"e\", \"layer\": "
		"\"outbound_transport_v4\","
		"\"plugin\": \"echo\"}],"
		"\"filters\": [{\"key\": \"f\", \"name\": \"f\", \"layer\": "
		"\"outbound_transport_v4\","
		"\"action\": {\"type\": \"callout_terminating\", \"callout\": \"echo\"}}]}",
		1, registry);
	datapath = file_link(100, short_packet);
	LAB_CHECK(publish(datapath, snapshot) == NULL);
	start(datapath);
	lab_await_received(datapath, 100);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.worker.replies_sent, 100);
	LAB_EQUAL(sum.worker.replies_refused, 0);
	LAB_EQUAL(sum.links[0][0].dropped, 100);
	LAB_EQUAL(lab_buffers(), 0);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
	sl_callout_registry_free(registry);
	LAB_EQUAL(lab_compare_pcap(lab_path("back.pcap"), 100, reply_packet, NULL), 100);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), 0, short_packet, NULL), 0);
}

/* Two workers on one link of one queue, and on two CPUs or fewer. */
static void
workers_beyond_the_queues_stay_idle(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 1, NULL);
	struct sl_datapath *datapath;
	const struct sl_plane *plane;
	struct sl_link_info link;
	char inside[256], outside[256];

	lab_write_pcap(lab_path("in.pcap"), PACKETS, short_packet);
	lab_write_pcap(lab_path("none.pcap"), 0, short_packet);
	device(inside, "in.pcap", "back.pcap");
	device(outside, "none.pcap", "out.pcap");
	datapath = lab_datapath(inside, outside, 5);
	plane = sl_datapath_plane(datapath);
	LAB_EQUAL(plane->ops->n_workers(plane->ctx), 5);
	plane->ops->link_info(plane->ctx, 0, &link);
	LAB_EQUAL(link.workers, 1);
	LAB_CHECK(publish(datapath, snapshot) == NULL);
	start(datapath);
	lab_await_received(datapath, PACKETS);
	sl_datapath_stop(datapath);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), PACKETS, short_packet, NULL), PACKETS);
}

static void
stopping_and_freeing_twice_is_harmless(void)
{
	struct sl_datapath *datapath = lab_datapath("null:", "null:", 1);
	struct sl_datapath_config config = {0};
	struct sl_error err;

	start(datapath);
	start(datapath);
	sl_datapath_stop(datapath);
	sl_datapath_stop(datapath);
	sl_datapath_tick(datapath);
	sl_datapath_free(datapath);
	sl_datapath_free(NULL);
	/* DPDK starts only once: the second datapath of a process is refused in words. */
	config.n_links = 1;
	config.links = &(struct sl_link_config){.name = "l", .inside = "null:", .outside = "null:"};
	config.megabytes = 64;
	LAB_CHECK(sl_datapath_new(&config, &datapath, &err) != 0);
	LAB_CHECK(strstr(err.text, "only once") != NULL);
}

/* --- Refusals. --- */

static int
try_link(const char *inside, const char *outside, uint32_t megabytes, struct sl_error *err)
{
	struct sl_link_config link = {.name = "lab"};
	struct sl_datapath_config config = {.program = "lab",
		.n_links = 1,
		.links = &link,
		.n_workers = 1,
		.megabytes = megabytes};
	struct sl_datapath *datapath;

	*err = (struct sl_error){0};
	snprintf(link.inside, sizeof(link.inside), "%s", inside);
	snprintf(link.outside, sizeof(link.outside), "%s", outside);
	return sl_datapath_new(&config, &datapath, err);
}

static void
what_the_machine_lacks_is_named(void)
{
	struct sl_error err;

	LAB_CHECK(try_link("null:", "af_packet:nosuchiface0", 64, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_PORT_NOT_FOUND);
	LAB_CHECK(strcmp(err.where, "/links/0/outside") == 0);
	LAB_CHECK(strstr(err.text, "nosuchiface0") != NULL);

	LAB_CHECK(try_link("pcap:rx=/nonexistent/a.pcap", "null:", 64, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_PORT_NOT_FOUND);
	LAB_CHECK(strstr(err.text, "/nonexistent/a.pcap") != NULL);

	LAB_CHECK(try_link("pci:ffff:ff:1f.7", "null:", 64, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_PORT_NOT_FOUND);

	LAB_CHECK(try_link("af_packet:lo", "af_packet:lo", 64, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_CONFIGURATION);
	LAB_CHECK(strstr(err.text, "lab.inside") != NULL);

	LAB_CHECK(try_link("null:", "null:", 1u << 30, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_NO_MEMORY);
	LAB_CHECK(strstr(err.text, "are needed") != NULL && strstr(err.text, "are free") != NULL);
}

static void
too_little_memory_for_the_buffers_is_named(void)
{
	struct sl_error err;

	LAB_CHECK(try_link("null:", "null:", 8, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_NO_MEMORY);
	LAB_CHECK(strstr(err.text, "need at least") != NULL);
}

static void
what_dpdk_refuses_is_passed_on(void)
{
	struct sl_error err;

	LAB_CHECK(try_link("vdev:net_nosuchdriver0", "null:", 64, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_PORT_FAILED);
	LAB_CHECK(strstr(err.text, "net_nosuchdriver0") != NULL);
}

static void
a_missing_capability_is_named(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	struct sl_error err;

	LAB_CHECK(syscall(SYS_capset, &header, data) == 0);
	LAB_CHECK(try_link("af_packet:lo", "null:", 64, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_PERMISSION);
	LAB_CHECK(strstr(err.text, "CAP_NET_RAW") != NULL);
	LAB_CHECK(try_link("null:", "af_xdp:lo", 64, &err) < 0);
	LAB_EQUAL(err.code, SL_ERR_PERMISSION);
	LAB_CHECK(strstr(err.text, "CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_SYS_ADMIN") !=
		NULL);
}

#define EXPERIMENT(name)                      \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		assert_true(lab_run(name));   \
	}

EXPERIMENT(everything_passes_unchanged)
EXPERIMENT(blocked_packets_are_counted)
EXPERIMENT(nothing_passes_without_policy)
EXPERIMENT(jumbo_frames_pass_unchanged)
EXPERIMENT(frames_beyond_the_mtu_are_dropped_by_name)
EXPERIMENT(no_packet_is_lost_while_policies_are_swapped)
EXPERIMENT(modes_are_obeyed)
EXPERIMENT(replies_leave_by_the_port_of_arrival)
EXPERIMENT(workers_beyond_the_queues_stay_idle)
EXPERIMENT(stopping_and_freeing_twice_is_harmless)
EXPERIMENT(what_the_machine_lacks_is_named)
EXPERIMENT(too_little_memory_for_the_buffers_is_named)
EXPERIMENT(what_dpdk_refuses_is_passed_on)
EXPERIMENT(a_missing_capability_is_named)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_passes_unchanged),
		cmocka_unit_test(test_blocked_packets_are_counted),
		cmocka_unit_test(test_nothing_passes_without_policy),
		cmocka_unit_test(test_jumbo_frames_pass_unchanged),
		cmocka_unit_test(test_frames_beyond_the_mtu_are_dropped_by_name),
		cmocka_unit_test(test_no_packet_is_lost_while_policies_are_swapped),
		cmocka_unit_test(test_modes_are_obeyed),
		cmocka_unit_test(test_replies_leave_by_the_port_of_arrival),
		cmocka_unit_test(test_workers_beyond_the_queues_stay_idle),
		cmocka_unit_test(test_stopping_and_freeing_twice_is_harmless),
		cmocka_unit_test(test_what_the_machine_lacks_is_named),
		cmocka_unit_test(test_too_little_memory_for_the_buffers_is_named),
		cmocka_unit_test(test_what_dpdk_refuses_is_passed_on),
		cmocka_unit_test(test_a_missing_capability_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
