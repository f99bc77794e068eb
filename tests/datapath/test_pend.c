/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets whose flows wait for a callout keep their buffers, and give them back. */
#include "datapath/lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define FLOWS   600u /* a packet each */
#define PAYLOAD 100u

static const char ask[] =
	"{\"callouts\": [{\"key\": \"later\", \"name\": \"l\", \"plugin\": \"later\", \"layer\": "
	"\"ale_auth_connect_v4\"}], \"filters\": [{\"key\": \"ask\", \"name\": \"a\", \"layer\": "
	"\"ale_auth_connect_v4\", \"action\": {\"type\": \"callout_terminating\", \"callout\": "
	"\"later\"}}]}";

/* --- A callout that puts every decision off; the answer is its action. --- */

static const struct sluice_host *host;
static uint64_t tokens[FLOWS]; /* the worker's, until the counter has been read */
static uint32_t n_tokens;

static void
later_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	if ((in->meta->valid & SLUICE_METADATA_COMPLETION) != 0) {
		out->action = (uint32_t)in->meta->completion;
		return;
	}
	out->action = SLUICE_ACTION_BLOCK;
	out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
	if (n_tokens < FLOWS && host->pend(in->packet, &tokens[n_tokens]) == 0) {
		out->flags |= SLUICE_CLASSIFY_OUT_FLAG_ABSORB;
		__atomic_store_n(&n_tokens, n_tokens + 1, __ATOMIC_RELEASE);
	}
}

static int
later_load(const struct sluice_host *lent, void **instance)
{
	host = lent;
	*instance = NULL;
	return 0;
}

static const struct sluice_callout later = {
	.abi_version = SLUICE_ABI_VERSION,
	.size = sizeof(struct sluice_callout),
	.classify_in_size = sizeof(struct sluice_classify_in),
	.metadata_size = sizeof(struct sluice_metadata),
	.filter_size = sizeof(struct sluice_filter),
	.name = "later",
	.version = "1",
	.description = "puts decisions off",
	.load = later_load,
	.classify = later_classify,
};

/* --- An experiment. --- */

struct scene {
	struct sl_callout_registry *registry;
	struct sl_snapshot *snapshot;
	struct sl_datapath *datapath;
	struct sl_flow_config flows;
};

static uint32_t
packet(uint32_t i, uint8_t *frame)
{
	return lab_udp(i, PAYLOAD, frame);
}

/* Of several buffers. */
static uint32_t
long_packet(uint32_t i, uint8_t *frame)
{
	return lab_udp(i, 5000, frame);
}

static void
prepare(struct scene *scene)
{
	struct sl_error err;

	memset(scene, 0, sizeof(*scene));
	LAB_CHECK(sl_callout_registry_new(1, &scene->registry) == 0);
	LAB_CHECK(sl_callout_register(scene->registry, &later, &err) == 0);
	LAB_CHECK(sl_flow_config_init(&scene->flows) == 0);
	scene->flows.max = 4096;
	n_tokens = 0;
}

static void
start(struct scene *scene, lab_packet_fn *make)
{
	const struct sl_plane *plane;
	struct sl_error err = {0};
	char inside[256], outside[256];

	lab_write_pcap(lab_path("in.pcap"), FLOWS, make);
	lab_write_pcap(lab_path("none.pcap"), 0, make);
	snprintf(inside, sizeof(inside), "pcap:rx=%s,tx=/dev/null", lab_path("in.pcap"));
	snprintf(outside, sizeof(outside), "pcap:rx=%s,tx=%s", lab_path("none.pcap"),
		lab_path("out.pcap"));
	scene->snapshot = lab_compile(ask, 1, scene->registry);
	scene->datapath =
		lab_datapath_of_callouts(inside, outside, 1, &scene->flows, scene->registry);
	plane = sl_datapath_plane(scene->datapath);
	LAB_CHECK(plane->ops->publish(plane->ctx, scene->snapshot) == NULL);
	LAB_CHECK(sl_datapath_start(scene->datapath, &err) == 0);
	lab_await_received(scene->datapath, FLOWS);
}

static void
stop(struct scene *scene, struct sl_counters *sum)
{
	sl_datapath_stop(scene->datapath);
	lab_sum(scene->datapath, sum);
	LAB_EQUAL(sum->flows.pended, sum->flows.pend_ended);
	LAB_EQUAL(sl_callout_contexts(sl_callout_plugin(scene->registry, "later")), 0);
	LAB_EQUAL(sum->links[0][0].tx_packets + sum->links[0][0].dropped, FLOWS);
	LAB_EQUAL(lab_buffers(), 0);
}

static void
leave(struct scene *scene)
{
	sl_datapath_free(scene->datapath);
	sl_snapshot_free(scene->snapshot);
	/* Bindings are forgotten with the registry. */
	sl_callout_registry_free(scene->registry);
}

/* Waits, 10 s at most, until so many flows no longer wait. */
static void
await_ended(struct scene *scene, uint64_t n)
{
	const struct timespec step = {.tv_nsec = 1000000};
	static struct sl_counters sum;

	for (int i = 0; i < 10000 && sum.flows.pend_ended < n; i++) {
		nanosleep(&step, NULL);
		lab_sum(scene->datapath, &sum);
	}
	LAB_EQUAL(sum.flows.pend_ended, n);
}

static void
packets_leave_with_their_answers(void)
{
	static struct sl_counters sum;
	struct scene scene;

	prepare(&scene);
	start(&scene, packet);
	LAB_EQUAL(__atomic_load_n(&n_tokens, __ATOMIC_ACQUIRE), FLOWS);
	/* What the worker's own cache of buffers keeps is in use, too. */
	LAB_CHECK(lab_buffers() >= FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++)
		LAB_EQUAL(host->complete(host, tokens[i], SLUICE_ACTION_PERMIT), 0);
	await_ended(&scene, FLOWS);
	stop(&scene, &sum);
	LAB_EQUAL(sum.links[0][0].tx_packets, FLOWS);
	LAB_EQUAL(sum.flows.completed, FLOWS);
	LAB_EQUAL(lab_compare_pcap(lab_path("out.pcap"), FLOWS, packet, NULL), FLOWS);
	leave(&scene);
}

static void
packets_are_dropped_with_their_answers(void)
{
	static struct sl_counters sum;
	struct scene scene;

	prepare(&scene);
	start(&scene, packet);
	for (uint32_t i = 0; i < FLOWS; i++)
		LAB_EQUAL(host->complete(host, tokens[i], SLUICE_ACTION_BLOCK), 0);
	await_ended(&scene, FLOWS);
	stop(&scene, &sum);
	LAB_EQUAL(sum.links[0][0].tx_packets, 0);
	LAB_EQUAL(sum.reasons[SL_REASON_FILTER], FLOWS);
	leave(&scene);
}

static void
a_stop_leaves_no_packet_behind(void)
{
	static struct sl_counters sum;
	struct scene scene;

	prepare(&scene);
	start(&scene, packet);
	lab_sum(scene.datapath, &sum);
	LAB_EQUAL(sum.links[0][0].tx_packets + sum.links[0][0].dropped, 0);
	stop(&scene, &sum);
	LAB_EQUAL(sum.links[0][0].dropped, FLOWS);
	LAB_EQUAL(sum.reasons[SL_REASON_FLOW_PENDED], FLOWS);
	leave(&scene);
}

/* Their bytes are put together for the burst alone: they are dropped, and their flows wait all the same. */
static void
packets_of_several_buffers_are_not_held(void)
{
	static struct sl_counters sum;
	struct scene scene;

	prepare(&scene);
	start(&scene, long_packet);
	lab_sum(scene.datapath, &sum);
	LAB_EQUAL(sum.links[0][0].dropped, FLOWS);
	LAB_EQUAL(sum.reasons[SL_REASON_FLOW_PENDED], FLOWS);
	LAB_EQUAL(sum.flows.pended, FLOWS);
	LAB_EQUAL(sum.flows.pend_ended, 0);
	stop(&scene, &sum);
	leave(&scene);
}

/* Buffers are bounded for all flows together: what is beyond is dropped. */
static void
buffers_are_bounded(void)
{
	static struct sl_counters sum;
	struct scene scene;

	prepare(&scene);
	scene.flows.pend.frames = 250;
	start(&scene, packet);
	lab_sum(scene.datapath, &sum);
	LAB_EQUAL(sum.links[0][0].dropped, FLOWS - 250);
	LAB_EQUAL(sum.flows.pended, FLOWS);
	stop(&scene, &sum);
	leave(&scene);
}

#define EXPERIMENT(name)                      \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		assert_true(lab_run(name));   \
	}

EXPERIMENT(packets_leave_with_their_answers)
EXPERIMENT(packets_are_dropped_with_their_answers)
EXPERIMENT(a_stop_leaves_no_packet_behind)
EXPERIMENT(packets_of_several_buffers_are_not_held)
EXPERIMENT(buffers_are_bounded)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_leave_with_their_answers),
		cmocka_unit_test(test_packets_are_dropped_with_their_answers),
		cmocka_unit_test(test_a_stop_leaves_no_packet_behind),
		cmocka_unit_test(test_packets_of_several_buffers_are_not_held),
		cmocka_unit_test(test_buffers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
