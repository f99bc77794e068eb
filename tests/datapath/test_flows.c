/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/sl_datapath.h"

#include "datapath/lab.h"
#include "datapath/leave.h"

#include <rte_mempool.h>
#include <rte_ring.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DATAGRAMS 300u
#define PARTS     3u
#define PART      800u
#define FRAMES    (DATAGRAMS * PARTS)

/* Needs whole datagrams: ports of the transport layer. */
static const char no_2003[] =
	"{\"filters\": [{\"key\": \"no-2003\", \"name\": \"n\", \"layer\": "
	"\"outbound_transport_v4\","
	"\"conditions\": [{\"field\": \"ip_remote_port\", \"match\": \"equal\", \"value\": 2003}],"
	"\"action\": \"block\"}]}";

static uint32_t
fragment(uint32_t i, uint8_t *frame)
{
	return lab_fragment(i, PARTS, PART, frame);
}

/* Of every datagram the last fragment is missing. */
static uint32_t
unfinished(uint32_t i, uint8_t *frame)
{
	return lab_fragment(i / (PARTS - 1) * PARTS + i % (PARTS - 1), PARTS, PART, frame);
}

static uint32_t
short_packet(uint32_t i, uint8_t *frame)
{
	return lab_udp(i, 100, frame);
}

static void
make_flows(struct sl_flow_config *flows)
{
	LAB_CHECK(sl_flow_config_init(flows) == 0);
	flows->max = 4096;
	flows->fragments.per_source = flows->fragments.datagrams;
}

/* What comes in is the capture "in", what goes out the capture "out". */
static struct sl_datapath *
file_link(uint32_t n, lab_packet_fn *packet, const char *in_options,
	const struct sl_flow_config *flows, const struct sl_snapshot *snapshot)
{
	struct sl_datapath *datapath;
	const struct sl_plane *plane;
	char inside[256], outside[256];
	struct sl_error err = {0};

	lab_write_pcap(lab_path("in.pcap"), n, packet);
	lab_write_pcap(lab_path("none.pcap"), 0, packet);
	snprintf(inside, sizeof(inside), "pcap:rx=%s,tx=/dev/null%s", lab_path("in.pcap"),
		in_options);
	snprintf(outside, sizeof(outside), "pcap:rx=%s,tx=%s", lab_path("none.pcap"),
		in_options[0] == '\0' ? lab_path("out.pcap") : "/dev/null");
	datapath = lab_datapath_of_flows(inside, outside, 1, flows);
	plane = sl_datapath_plane(datapath);
	LAB_CHECK(plane->ops->publish(plane->ctx, snapshot) == NULL);
	LAB_CHECK(sl_datapath_start(datapath, &err) == 0);
	return datapath;
}

/* Waits, 10 s at most, until `is_so`. */
typedef bool state_fn(struct sl_datapath *datapath);

static void
await(struct sl_datapath *datapath, state_fn *is_so)
{
	const struct timespec step = {.tv_nsec = 1000000};

	for (int i = 0; i < 10000 && !is_so(datapath); i++)
		nanosleep(&step, NULL);
	LAB_CHECK(is_so(datapath));
}

static void
free_all(struct sl_datapath *datapath, struct sl_snapshot *snapshot)
{
	LAB_EQUAL(lab_buffers(), 0);
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
}

/* --- Experiments. --- */

static void
fragments_leave_as_they_came(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 1, NULL);
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	struct sl_counters sum;

	make_flows(&flows);
	flows.fragments.reassemble = SL_FRAGMENT_REASSEMBLE_ALWAYS;
	datapath = file_link(FRAMES, fragment, "", &flows, snapshot);
	lab_await_received(datapath, FRAMES);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][0].tx_packets, FRAMES);
	LAB_EQUAL(sum.links[0][0].dropped, 0);
	LAB_EQUAL(sum.flows.fragments, FRAMES);
	LAB_EQUAL(sum.flows.datagrams, DATAGRAMS);
	free_all(datapath, snapshot);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), FRAMES, fragment, NULL), FRAMES);
}

static bool
is_not_to_2003(uint32_t i)
{
	return i / PARTS % 5 != 3;
}

static void
blocked_datagrams_leave_nothing(void)
{
	struct sl_snapshot *snapshot = lab_compile(no_2003, 1, NULL);
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	struct sl_counters sum;

	make_flows(&flows);
	datapath = file_link(FRAMES, fragment, "", &flows, snapshot);
	lab_await_received(datapath, FRAMES);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][0].dropped, FRAMES / 5);
	LAB_EQUAL(sum.links[0][0].tx_packets, FRAMES - FRAMES / 5);
	LAB_EQUAL(sum.reasons[SL_REASON_FILTER], FRAMES / 5);
	free_all(datapath, snapshot);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), FRAMES, fragment, is_not_to_2003),
		FRAMES - FRAMES / 5);
}

/* While it runs, what is held is neither sent nor dropped; a stop lets it go. */
static void
a_stop_leaves_no_fragment_behind(void)
{
	struct sl_snapshot *snapshot = lab_compile(no_2003, 1, NULL);
	const uint32_t n = DATAGRAMS * (PARTS - 1);
	const struct sl_plane *plane;
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	struct sl_counters sum;

	make_flows(&flows);
	datapath = file_link(n, unfinished, "", &flows, snapshot);
	plane = sl_datapath_plane(datapath);
	lab_await_received(datapath, n);
	plane->ops->synchronize(plane->ctx);
	LAB_EQUAL(sl_fragments_held(plane->ops->fragments(plane->ctx, 0)), n);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][0].tx_packets + sum.links[0][0].dropped, 0);
	sl_datapath_stop(datapath);
	LAB_EQUAL(sl_fragments_held(plane->ops->fragments(plane->ctx, 0)), 0);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][0].tx_packets, 0);
	LAB_EQUAL(sum.links[0][0].dropped, n);
	free_all(datapath, snapshot);
}

static bool
nothing_is_held(struct sl_datapath *datapath)
{
	const struct sl_plane *plane = sl_datapath_plane(datapath);

	return sl_fragments_held(plane->ops->fragments(plane->ctx, 0)) == 0;
}

static bool
no_flow_is_left(struct sl_datapath *datapath)
{
	const struct sl_plane *plane = sl_datapath_plane(datapath);

	return sl_flow_table_count(plane->ops->flows(plane->ctx, 0)) == 0;
}

/* Nothing comes any more, and still fragments and flows get old. */
static void
an_idle_worker_lets_time_pass(void)
{
	struct sl_snapshot *snapshot = lab_compile(no_2003, 1, NULL);
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	struct sl_counters sum;

	make_flows(&flows);
	flows.fragments.timeout_ms = 100;
	datapath = file_link(10 * (PARTS - 1), unfinished, "", &flows, snapshot);
	lab_await_received(datapath, 10 * (PARTS - 1));
	await(datapath, nothing_is_held);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.reasons[SL_REASON_FRAG_TIMEOUT], 10 * (PARTS - 1));
	LAB_EQUAL(sum.links[0][0].dropped, 10 * (PARTS - 1));
	sl_datapath_stop(datapath);
	free_all(datapath, snapshot);
}

static void
idle_flows_end(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 1, NULL);
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	struct sl_counters sum;

	make_flows(&flows);
	flows.timeout_ms[SL_FLOW_UDP] = 100;
	datapath = file_link(50, short_packet, "", &flows, snapshot);
	lab_await_received(datapath, 50);
	await(datapath, no_flow_is_left);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.flows.opened[SLUICE_DIRECTION_OUTBOUND], 50);
	LAB_EQUAL(sum.flows.ended[SL_FLOW_END_IDLE], 50);
	free_all(datapath, snapshot);
}

static bool
one_flow_was_killed(struct sl_datapath *datapath)
{
	struct sl_counters sum;

	lab_sum(datapath, &sum);
	return sum.flows.ended[SL_FLOW_END_ADMIN] == 1;
}

static bool
five_flows_are_there(struct sl_datapath *datapath)
{
	const struct sl_plane *plane = sl_datapath_plane(datapath);

	return sl_flow_table_count(plane->ops->flows(plane->ctx, 0)) >= 5;
}

/* Flows are listed and killed while the worker is busy. */
static void
commands_are_obeyed(void)
{
	struct sl_snapshot *snapshot = lab_compile("{}", 1, NULL);
	struct sl_flow_command kill = {.type = SL_FLOW_COMMAND_KILL};
	const struct sl_plane *plane;
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	struct sl_flow_view view;
	uint32_t at = 0;

	make_flows(&flows);
	datapath = file_link(5, short_packet, ",infinite_rx=1", &flows, snapshot);
	plane = sl_datapath_plane(datapath);
	await(datapath, five_flows_are_there);
	LAB_EQUAL(sl_flow_list(plane->ops->flows(plane->ctx, 0), &at, &view, 1), 1);
	LAB_EQUAL(view.key.protocol, 17);
	LAB_EQUAL(sl_datapath_flow_owner(datapath, &view.key), 0);
	view.key.domain = 1u << 24;
	LAB_EQUAL(sl_datapath_flow_owner(datapath, &view.key), SL_DATAPATH_NO_WORKER);
	kill.id = view.id;
	LAB_CHECK(plane->ops->flow_command(plane->ctx, 0, &kill));
	await(datapath, one_flow_was_killed);
	sl_datapath_stop(datapath);
	/* The endless capture keeps buffers of its own. */
	sl_datapath_free(datapath);
	sl_snapshot_free(snapshot);
}

/* Workers without links keep nothing and are not told anything. */
static void
who_has_no_link_keeps_no_flows(void)
{
	struct sl_flow_command kill = {.type = SL_FLOW_COMMAND_KILL, .id = 1};
	const struct sl_plane *plane;
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	char device[2][256];

	make_flows(&flows);
	lab_write_pcap(lab_path("none.pcap"), 0, short_packet);
	for (uint32_t i = 0; i < 2; i++)
		snprintf(device[i], sizeof(device[i]), "pcap:rx=%s,tx=/dev/null",
			lab_path("none.pcap"));
	datapath = lab_datapath_of_flows(device[0], device[1], 2, &flows);
	plane = sl_datapath_plane(datapath);
	LAB_EQUAL(sl_flow_table_max(plane->ops->flows(plane->ctx, 0)), flows.max);
	LAB_CHECK(plane->ops->flows(plane->ctx, 1) == NULL);
	LAB_CHECK(plane->ops->fragments(plane->ctx, 1) == NULL);
	LAB_CHECK(!plane->ops->flow_command(plane->ctx, 1, &kill));
	sl_datapath_free(datapath);
}

/* More fragments than there are buffers: those of the queues are left alone. */
static void
held_fragments_never_take_all_buffers(void)
{
	struct sl_snapshot *snapshot = lab_compile(no_2003, 1, NULL);
	const uint32_t n = 40000;
	struct sl_flow_config flows;
	struct sl_datapath *datapath;
	struct sl_counters sum;

	make_flows(&flows);
	flows.fragments.held = 1u << 20;
	flows.fragments.datagrams = flows.fragments.per_source = 1u << 19;
	flows.fragments.bytes = 1u << 28;
	datapath = file_link(n, unfinished, "", &flows, snapshot);
	lab_await_received(datapath, n);
	sl_datapath_stop(datapath);
	lab_sum(datapath, &sum);
	LAB_EQUAL(sum.links[0][0].dropped, n);
	LAB_CHECK(sum.reasons[SL_REASON_FRAG_EVICTED] + sum.reasons[SL_REASON_FRAG_TABLE_FULL] > 0);
	free_all(datapath, snapshot);
}

/* An inbox that is full refuses packets, which are then dropped under a name; nothing gets lost between. */
static void
a_full_inbox_drops_by_name(void)
{
	struct sl_datapath *datapath = lab_datapath("null:", "null:", 1);
	struct rte_mempool *pool = rte_mempool_lookup("sluice-link-0");
	struct rte_ring *inbox = rte_ring_create("inbox", 4, SOCKET_ID_ANY, RING_F_SC_DEQ);
	static struct worker_shared shared;
	static struct worker worker = {.shared = &shared};
	struct lane lane = {.path = 5};
	struct rte_mbuf *mbuf;

	LAB_CHECK(inbox != NULL && sl_counters_new(&worker.counters) == 0);
	shared.inboxes[1] = inbox;
	lane.counter = &worker.counters->links[2][1];
	for (int i = 0; i < 10; i++) {
		mbuf = rte_pktmbuf_alloc(pool);
		LAB_CHECK(mbuf != NULL);
		leave_to_worker(&worker, &lane, mbuf, i == 0 ? SL_FRAME_VIEWED : 0, 1);
	}
	LAB_EQUAL(rte_ring_count(inbox), 3);
	LAB_EQUAL(lab_buffers(), 3);
	LAB_EQUAL(worker.counters->flows.handed_over, 3);
	LAB_EQUAL(worker.counters->reasons[SL_REASON_HANDOVER_FULL], 7);
	LAB_EQUAL(lane.counter->dropped, 7);
	for (int i = 0; rte_ring_dequeue(inbox, (void **)&mbuf) == 0; i++) {
		LAB_EQUAL(leave_tag_path(mbuf->hash.usr), 5);
		LAB_EQUAL(leave_tag_flags(mbuf->hash.usr), i == 0 ? SL_FRAME_VIEWED : 0);
		rte_pktmbuf_free(mbuf);
	}
	rte_ring_free(inbox);
	sl_counters_free(worker.counters);
	sl_datapath_free(datapath);
}

#define EXPERIMENT(name)                      \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		assert_true(lab_run(name));   \
	}

EXPERIMENT(fragments_leave_as_they_came)
EXPERIMENT(blocked_datagrams_leave_nothing)
EXPERIMENT(a_stop_leaves_no_fragment_behind)
EXPERIMENT(an_idle_worker_lets_time_pass)
EXPERIMENT(idle_flows_end)
EXPERIMENT(commands_are_obeyed)
EXPERIMENT(who_has_no_link_keeps_no_flows)
EXPERIMENT(held_fragments_never_take_all_buffers)
EXPERIMENT(a_full_inbox_drops_by_name)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fragments_leave_as_they_came),
		cmocka_unit_test(test_blocked_datagrams_leave_nothing),
		cmocka_unit_test(test_a_stop_leaves_no_fragment_behind),
		cmocka_unit_test(test_an_idle_worker_lets_time_pass),
		cmocka_unit_test(test_idle_flows_end),
		cmocka_unit_test(test_commands_are_obeyed),
		cmocka_unit_test(test_who_has_no_link_keeps_no_flows),
		cmocka_unit_test(test_held_fragments_never_take_all_buffers),
		cmocka_unit_test(test_a_full_inbox_drops_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
