/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Torn policies: no packet is judged by layers of two revisions, at full speed and in memory.
 *
 * Two policies are published in turn.  Every packet crosses two layers:
 *
 *              first layer permits    second layer permits
 *   policy A   ALWAYS  X  TAG_A       ALWAYS  Y  TAG_A
 *   policy B   ALWAYS  Y  TAG_B       ALWAYS  X  TAG_B
 *
 * X or Y passes: judged by both policies (torn).  NEVER passes: by none (open).  ALWAYS does not: lost.  A tag
 * that does not fit the snapshot the burst used, or tags of both in one burst: torn.  A snapshot older than the
 * last publication that had returned when the burst began: stale.
 *
 * A mutant that updates the policy in place, layer by layer, must be caught by the same eyes; the thread
 * sanitizer, which finds nothing in the first race, sees the mutant as well.
 */

#include "datapath/lab.h"
#include "pipeline/sl_pipeline.h"

#include <rte_rcu_qsbr.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COMMITS 2000u
#define PACKETS 1000000u /* each reader judges at least that many */
#define READERS 2u
#define BURST   30u
#define SECONDS 20u /* the mutant must be caught by then */

enum class {
	ALWAYS,
	X,
	Y,
	TAG_A,
	TAG_B,
	NEVER,
	CLASS_COUNT
};

struct findings {
	uint64_t packets;
	uint64_t torn;
	uint64_t open;
	uint64_t lost;
	uint64_t stale;
};

struct race {
	const struct sl_snapshot *snapshot; /* release/acquire */
	uint64_t returned;                  /* revision of the last publication that has returned */
	bool is_over;
	uint32_t n_ready;
	struct rte_rcu_qsbr *rcu;
};

struct reader {
	struct race *race;
	uint32_t index;
	struct sl_pipeline *pipeline;
	struct sl_counters *counters;
	uint8_t bytes[BURST][128];
	struct sl_frame frames[BURST];
	struct findings findings;
};

static const char *const names[CLASS_COUNT] = {
	"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"};

/* A policy document that permits two lists of classes at the two layers and blocks the rest. */
static struct sl_snapshot *
compile(const enum class first[3], const enum class second[3], uint64_t revision)
{
	static const char *const layers[] = {"inbound_ippacket_v4", "inbound_transport_v4"};
	const enum class *lists[] = {first, second};
	char text[4096];
	size_t len = (size_t)snprintf(text, sizeof(text), "{\"filters\": [");

	for (int layer = 0; layer < 2; layer++) {
		for (int i = 0; i < 3; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
				"{\"key\": \"p%d-%d\", \"name\": \"p\", \"layer\": \"%s\", "
				"\"weight\": {\"range\": 9},"
				"\"conditions\": [{\"field\": \"ip_remote_address\", \"match\": "
				"\"equal\","
				"\"value\": \"%s\"}], \"action\": \"permit\"},",
				layer, i, layers[layer], names[lists[layer][i]]);
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"{\"key\": \"b%d\", \"name\": \"b\", \"layer\": \"%s\", \"weight\": "
			"{\"range\": 1},"
			"\"action\": \"block\"}%s",
			layer, layers[layer], layer == 0 ? "," : "]}");
	}
	return lab_compile(text, revision, NULL);
}

/* Odd revisions are policy A, even ones policy B. */
static struct sl_snapshot *
compile_revision(uint64_t revision)
{
	static const enum class a1[] = {ALWAYS, X, TAG_A}, a2[] = {ALWAYS, Y, TAG_A};
	static const enum class b1[] = {ALWAYS, Y, TAG_B}, b2[] = {ALWAYS, X, TAG_B};

	return revision % 2 == 1 ? compile(a1, a2, revision) : compile(b1, b2, revision);
}

/* --- Readers: what a worker does, without ports. --- */

/* One frame per class in turn, from the outside; the class is the last octet of the source address. */
static void
make_frames(struct reader *reader)
{
	for (uint32_t i = 0; i < BURST; i++) {
		uint8_t *ip = reader->bytes[i] + 14;
		uint32_t len = lab_udp(i, 20, reader->bytes[i]);
		uint32_t class_octet = i % CLASS_COUNT + 1, sum;

		/* RFC 1624: the checksum follows the change of one 16-bit word. */
		sum = (uint16_t) ~(ip[10] << 8 | ip[11]) + (uint16_t) ~(ip[14] << 8 | ip[15]) +
			class_octet;
		ip[14] = 0;
		ip[15] = (uint8_t)class_octet;
		sum = (sum & 0xffff) + (sum >> 16);
		sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
		reader->frames[i] = (struct sl_frame){
			.bytes = reader->bytes[i], .contiguous = len, .length = len};
	}
}

static void
judge(struct findings *findings, const struct sl_outcome outcomes[BURST], bool check_tags,
	bool is_a)
{
	for (uint32_t i = 0; i < BURST; i++) {
		bool passed = outcomes[i].action == SL_VERDICT_PERMIT;

		switch ((enum class)(i % CLASS_COUNT)) {
		case ALWAYS:
			findings->lost += !passed;
			break;
		case X:
		case Y:
			sl_counter_add(&findings->torn, passed);
			break;
		case TAG_A:
			sl_counter_add(&findings->torn, check_tags && passed != is_a);
			break;
		case TAG_B:
			sl_counter_add(&findings->torn, check_tags && passed == is_a);
			break;
		default:
			findings->open += passed;
		}
	}
	findings->packets += BURST;
}

static void *
read_bursts(void *arg)
{
	struct reader *reader = arg;
	struct race *race = reader->race;
	struct sl_outcome outcomes[BURST];

	rte_rcu_qsbr_thread_register(race->rcu, reader->index);
	rte_rcu_qsbr_thread_online(race->rcu, reader->index);
	__atomic_add_fetch(&race->n_ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&race->is_over, __ATOMIC_RELAXED) ||
		reader->findings.packets < PACKETS) {
		uint64_t returned = __atomic_load_n(&race->returned, __ATOMIC_ACQUIRE);
		const struct sl_snapshot *snapshot =
			__atomic_load_n(&race->snapshot, __ATOMIC_ACQUIRE);
		uint64_t revision = snapshot->revision;

		sl_pipeline_run(reader->pipeline, snapshot, SL_MODE_INLINE, 0, reader->frames,
			BURST, 1, outcomes);
		reader->findings.stale += revision < returned;
		/* Revision 0 is the mutant's: which policy it is depends on when one looks. */
		judge(&reader->findings, outcomes, revision != 0, revision % 2 == 1);
		rte_rcu_qsbr_quiescent(race->rcu, reader->index);
	}
	rte_rcu_qsbr_thread_offline(race->rcu, reader->index);
	rte_rcu_qsbr_thread_unregister(race->rcu, reader->index);
	return NULL;
}

/* --- Publishers. --- */

static void
wait_for_readers(struct race *race)
{
	const struct timespec step = {.tv_nsec = 20000};
	uint64_t token = rte_rcu_qsbr_start(race->rcu);

	while (rte_rcu_qsbr_check(race->rcu, token, false) != 1)
		nanosleep(&step, NULL);
}

/* As the management core does it: a new snapshot, one pointer, a grace period, the old one freed. */
static void
publish_whole(struct race *race)
{
	for (uint64_t revision = 2; revision < 2 + COMMITS; revision++) {
		struct sl_snapshot *next = compile_revision(revision);
		const struct sl_snapshot *old =
			__atomic_exchange_n(&race->snapshot, next, __ATOMIC_ACQ_REL);

		wait_for_readers(race);
		__atomic_store_n(&race->returned, revision, __ATOMIC_RELEASE);
		sl_snapshot_free((struct sl_snapshot *)(uintptr_t)old);
	}
}

static uint64_t
count_torn(const struct reader readers[READERS])
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < READERS; i++)
		n += __atomic_load_n(&readers[i].findings.torn, __ATOMIC_RELAXED);
	return n;
}

/* The mutant: one snapshot whose layers are replaced one by one, so that every layer is read anew. */
static void
publish_in_place(struct sl_snapshot *shared, struct sl_snapshot *const policies[2],
	const struct reader readers[READERS])
{
	time_t end = time(NULL) + SECONDS;

	for (uint32_t i = 0; count_torn(readers) < 10 && time(NULL) < end; i++) {
		for (uint32_t layer = 0; layer < SLUICE_LAYER_COUNT; layer++) {
			if (shared->layers[layer] != NULL)
				__atomic_store_n(&shared->layers[layer],
					policies[i % 2]->layers[layer], __ATOMIC_RELEASE);
		}
		sched_yield();
	}
}

/* --- The two races. --- */

static void
start_readers(struct race *race, struct reader readers[READERS], pthread_t threads[READERS])
{
	static const struct sl_blob name = {(const uint8_t *)"port", 4};
	static const struct sl_path path = {
		.direction = SLUICE_DIRECTION_INBOUND,
		.link_type = SL_LINK_ETHERNET,
		.ports = {.arrival_name = &name,
			.nexthop_name = &name,
			.arrival_index = 2,
			.nexthop_index = 1},
	};

	race->rcu = aligned_alloc(64, rte_rcu_qsbr_get_memsize(READERS));
	LAB_CHECK(race->rcu != NULL && rte_rcu_qsbr_init(race->rcu, READERS) == 0);
	for (uint32_t i = 0; i < READERS; i++) {
		struct reader *reader = &readers[i];
		struct sl_pipeline_options options = {.worker = i, .n_paths = 1, .paths = &path};

		memset(reader, 0, sizeof(*reader));
		reader->race = race;
		reader->index = i;
		LAB_CHECK(sl_counters_new(&reader->counters) == 0);
		options.counters = reader->counters;
		LAB_CHECK(sl_pipeline_new(&options, &reader->pipeline) == 0);
		make_frames(reader);
		LAB_CHECK(pthread_create(&threads[i], NULL, read_bursts, reader) == 0);
	}
	while (__atomic_load_n(&race->n_ready, __ATOMIC_ACQUIRE) < READERS)
		sched_yield();
}

static struct findings
stop_readers(struct race *race, struct reader readers[READERS], const pthread_t threads[READERS])
{
	struct findings sum = {0};

	__atomic_store_n(&race->is_over, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < READERS; i++) {
		LAB_CHECK(pthread_join(threads[i], NULL) == 0);
		sum.packets += readers[i].findings.packets;
		sum.torn += readers[i].findings.torn;
		sum.open += readers[i].findings.open;
		sum.lost += readers[i].findings.lost;
		sum.stale += readers[i].findings.stale;
		sl_pipeline_free(readers[i].pipeline);
		sl_counters_free(readers[i].counters);
	}
	free(race->rcu);
	return sum;
}

static void
report(const char *what, const struct findings *findings)
{
	printf("%s: %llu packets, %llu torn, %llu open, %llu lost, %llu stale\n", what,
		(unsigned long long)findings->packets, (unsigned long long)findings->torn,
		(unsigned long long)findings->open, (unsigned long long)findings->lost,
		(unsigned long long)findings->stale);
}

static void
test_one_pointer_is_never_torn(void **state)
{
	static struct reader readers[READERS];
	struct race race = {.snapshot = compile_revision(1), .returned = 1};
	pthread_t threads[READERS];
	struct findings findings;

	(void)state;
	start_readers(&race, readers, threads);
	publish_whole(&race);
	findings = stop_readers(&race, readers, threads);
	sl_snapshot_free((struct sl_snapshot *)(uintptr_t)race.snapshot);
	report("one pointer", &findings);
	assert_int_equal(findings.torn, 0);
	assert_int_equal(findings.open, 0);
	assert_int_equal(findings.lost, 0);
	assert_int_equal(findings.stale, 0);
	assert_true(findings.packets >= (uint64_t)READERS * PACKETS);
}

static void
test_the_mutant_is_caught(void **state)
{
	static struct reader readers[READERS];
	struct sl_snapshot *policies[2] = {compile_revision(1), compile_revision(2)};
	struct sl_snapshot shared = *policies[0];
	struct race race = {.snapshot = &shared};
	pthread_t threads[READERS];
	struct findings findings;

	(void)state;
	shared.revision = 0;
	start_readers(&race, readers, threads);
	publish_in_place(&shared, policies, readers);
	findings = stop_readers(&race, readers, threads);
	report("layer by layer", &findings);
	assert_true(findings.torn > 0);
	sl_snapshot_free(policies[0]);
	sl_snapshot_free(policies[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_pointer_is_never_torn),
		cmocka_unit_test(test_the_mutant_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
