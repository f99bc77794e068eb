/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Publish and reclaim: four readers classify while a writer commits single filters and whole
 * policies, a second control thread folds layers, and replaced snapshots are freed after their
 * grace period.
 *
 * Every packet has a class, and the answer about it carries the version at which its class last
 * changed: a match list is right for exactly the revision of the snapshot it was made with, and that
 * revision must have been in force during the call.  A snapshot about to be freed is poisoned.
 *
 * Readers that skip their part, and a writer that skips the grace period, must be caught: by the
 * poison, by a crash, or by the thread sanitizer, which must find nothing in the first race.  They
 * run in processes of their own.
 */

#include "classifier/sl_classify.h"
#include "policy/make.h"

#include <rte_rcu_qsbr.h>

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READERS  4u
#define CLASSES  48u
#define FILLERS  200u
#define LAG      4u /* replaced snapshots that wait for their grace period */
#define COMMITS  2000u
#define SECONDS  60u /* a mutant is caught by then */
#define LAYER    "inbound_transport_v4"
#define POISON   UINT64_MAX
#define POISONED 3 /* exit status of a process that found what a mutant does */

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SLOWNESS 10u
#else
#define SLOWNESS 1u
#endif

enum mutant {
	MUTANT_NONE,
	MUTANT_READER, /* readers do not tell when they are done with a snapshot */
	MUTANT_WRITER, /* snapshots are freed at once */
	MUTANT_COUNT
};

static const char *const mutant_names[] = {"none", "reader", "writer"};

/* What is right at a version. */
struct truth {
	uint32_t whole;           /* version of the last whole policy */
	uint32_t owners[CLASSES]; /* by class: version of its filter; 0: it has none */
};

struct race {
	enum mutant mutant;
	const struct sl_snapshot *snapshot; /* release/acquire */
	struct truth *truths;               /* by version, written before it is announced */
	uint64_t n_versions;
	uint64_t announced; /* the newest version that may be in force */
	uint64_t returned;  /* the newest one whose publication has returned */
	bool is_over;
	uint32_t n_ready;
	struct rte_rcu_qsbr *rcu;
	struct sl_meta *metas; /* by class */
};

struct reader {
	struct race *race;
	uint32_t index;
	struct sl_matches matches;
	uint64_t n_packets;
	uint64_t n_wrong;
	uint64_t n_stale;
	uint64_t n_freed;
};

struct retired {
	struct sl_snapshot *snapshot;
	uint64_t token;
};

/* The control thread that folds, one layer at a time. */
struct folder {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct sl_layer_program *from; /* wanted or done when not NULL */
	const struct sl_layer_program *folded;
	bool is_done;
	bool is_over;
};

struct writer {
	struct race *race;
	struct sl_policy *policy;
	const struct sl_layer *layer;
	struct retired retired[LAG];
	uint32_t n_retired;
	uint32_t oldest;
	struct folder folder;
	uint32_t n_folded;
};

/* --- Policies. --- */

static void
check(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "publish: %s\n", what);
	_exit(1);
}

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	(void)ctx;
	(void)err;
	*binding = (struct sl_filter_binding){.counter = (uint32_t)filter->object.id};
	return 0;
}

static const struct sl_compile_host host = {.bind = bind};

static struct sl_filter *
new_filter(const char *prefix, uint32_t number, uint64_t weight, uint64_t version)
{
	char key[32];
	struct sl_filter *filter;

	snprintf(key, sizeof(key), "%s%u", prefix, number);
	filter = make_filter(key, LAYER, SLUICE_ACTION_PERMIT);
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = weight;
	filter->raw_context = version;
	return filter;
}

/* The filter of a class. They differ in what they test, so that more than one structure is used. */
static struct sl_filter *
class_filter(uint32_t class, uint64_t version)
{
	struct sl_filter *filter = new_filter("class", class, 100 + version % 50, version);

	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16,
		1000 + class);
	if (class % 4 == 0)
		make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_IN_SET, "ports");
	if (class % 4 == 1)
		make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0xc0000200,
			24 + version % 8);
	if (class % 4 == 2)
		make_number(filter, SLUICE_FIELD_X_TCP_FLAGS, SL_MATCH_FLAGS_ANY_SET,
			SLUICE_TYPE_UINT8, 0x12);
	return filter;
}

static void
add_fillers(struct sl_policy *policy)
{
	for (uint32_t i = 0; i < FILLERS; i++) {
		struct sl_filter *filter = new_filter("filler", i, 200 + i, 0);

		make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL,
			0x0a000000 + (i << 8), 16 + i % 16);
		make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, i * 10, 60000);
		add(policy, &filter->object);
	}
}

/* A policy with everything new in it. */
static struct sl_policy *
whole_policy(uint64_t version)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_set *set = sl_set_of(make_object(SL_OBJECT_SET, "ports"));
	struct sl_filter *first = new_filter("first", 0, 1000000, version);

	assert_non_null(policy);
	set->set_type = SL_SET_UINT16;
	make_element(set, 40000, 40000 + version % 100);
	add(policy, &set->object);
	first->action = SLUICE_ACTION_CALLOUT_INSPECTION;
	first->callout = make_text("callout");
	add(policy, &first->object);
	add_fillers(policy);
	for (uint32_t class = 0; class < CLASSES; class ++)
		add(policy, &class_filter(class, version)->object);
	add(policy, &new_filter("last", 0, 0, 0)->object);
	return policy;
}

static struct sl_meta *
class_metas(void)
{
	static const struct sl_meta_ports ports = {.arrival_index = 2, .nexthop_index = 1};
	struct sl_meta *metas = aligned_alloc(SL_CACHE_LINE, CLASSES * sizeof(*metas));

	assert_non_null(metas);
	for (uint32_t class = 0; class < CLASSES; class ++) {
		struct sl_meta *meta = &metas[class];

		sl_meta_setup(meta, SLUICE_DIRECTION_INBOUND, &ports);
		meta->ip4_src = 0xc0000200;
		meta->src_port = meta->remote_port = 40000;
		meta->dst_port = meta->local_port = (uint16_t)(1000 + class);
		meta->tcp_flags = 0x02;
		meta->present |= SL_PRESENT(IP4_SRC) | SL_PRESENT(SRC_PORT) | SL_PRESENT(DST_PORT) |
			SL_PRESENT(LOCAL_PORT) | SL_PRESENT(REMOTE_PORT) | SL_PRESENT(TCP_FLAGS);
	}
	return metas;
}

/* --- Readers. --- */

static bool
is_right(const struct reader *reader, const struct sl_layer_program *program, uint64_t revision,
	uint32_t class)
{
	const struct truth *truth = &reader->race->truths[revision];
	const uint32_t *ranks = reader->matches.ranks + reader->matches.start[class];

	return reader->matches.start[class + 1] - reader->matches.start[class] == 2 &&
		program->filters[ranks[0]].object->raw_context == truth->whole &&
		program->filters[ranks[1]].object->raw_context == truth->owners[class];
}

/* One batch, the answers to it, and whether the snapshot was in force. */
static void
classify(struct reader *reader, uint64_t returned, const struct sl_snapshot *snapshot)
{
	struct race *race = reader->race;
	const struct sl_layer_program *program = snapshot->layers[sl_layer_find(LAYER)->id];
	const uint64_t revision = snapshot->revision;
	const enum sl_simd simd = (enum sl_simd)(reader->n_packets / CLASSES % SL_SIMD_COUNT);
	const struct sl_meta *metas[CLASSES];
	uint64_t announced;

	if (revision >= race->n_versions) {
		__atomic_add_fetch(&reader->n_freed, 1, __ATOMIC_RELAXED);
		return;
	}
	for (uint32_t class = 0; class < CLASSES; class ++)
		metas[class] = &race->metas[class];
	if (sl_classify_run_as(sl_simd_has(simd) ? simd : SL_SIMD_PORTABLE, program, metas, CLASSES,
		    &reader->matches) != CLASSES) {
		reader->n_wrong++;
		return;
	}
	for (uint32_t class = 0; class < CLASSES; class ++)
		reader->n_wrong += !is_right(reader, program, revision, class);
	announced = __atomic_load_n(&race->announced, __ATOMIC_ACQUIRE);
	reader->n_stale += revision < returned || revision > announced;
	__atomic_add_fetch(&reader->n_freed, snapshot->revision != revision, __ATOMIC_RELAXED);
	reader->n_packets += CLASSES;
}

static void *
read_bursts(void *arg)
{
	struct reader *reader = arg;
	struct race *race = reader->race;
	const bool is_mutant = race->mutant == MUTANT_READER;

	rte_rcu_qsbr_thread_register(race->rcu, reader->index);
	if (!is_mutant)
		rte_rcu_qsbr_thread_online(race->rcu, reader->index);
	__atomic_add_fetch(&race->n_ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&race->is_over, __ATOMIC_RELAXED)) {
		const uint64_t returned = __atomic_load_n(&race->returned, __ATOMIC_ACQUIRE);
		const struct sl_snapshot *snapshot =
			__atomic_load_n(&race->snapshot, __ATOMIC_ACQUIRE);

		/* A mutant holds on to what it has, for its fault to show. */
		if (race->mutant != MUTANT_NONE)
			sched_yield();
		classify(reader, returned, snapshot);
		if (!is_mutant)
			rte_rcu_qsbr_quiescent(race->rcu, reader->index);
	}
	if (!is_mutant)
		rte_rcu_qsbr_thread_offline(race->rcu, reader->index);
	rte_rcu_qsbr_thread_unregister(race->rcu, reader->index);
	return NULL;
}

/* --- Reclaiming. --- */

/* Frees the oldest replaced snapshot once no reader can have it, or, when told to, waits for that. */
static bool
reclaim(struct writer *writer, bool must_wait)
{
	const struct timespec step = {.tv_nsec = 20000};
	struct retired *retired = &writer->retired[writer->oldest];

	if (writer->n_retired == 0)
		return false;
	while (writer->race->mutant != MUTANT_WRITER &&
		rte_rcu_qsbr_check(writer->race->rcu, retired->token, false) != 1) {
		if (!must_wait)
			return false;
		nanosleep(&step, NULL);
	}
	retired->snapshot->revision = POISON;
	sl_snapshot_free(retired->snapshot);
	writer->oldest = (writer->oldest + 1) % LAG;
	writer->n_retired--;
	return true;
}

static void
publish(struct writer *writer, struct sl_snapshot *next)
{
	struct race *race = writer->race;
	struct sl_snapshot *old = (struct sl_snapshot *)(uintptr_t)__atomic_exchange_n(
		&race->snapshot, next, __ATOMIC_ACQ_REL);

	__atomic_store_n(&race->returned, next->revision, __ATOMIC_RELEASE);
	if (writer->n_retired == LAG)
		reclaim(writer, true);
	writer->retired[(writer->oldest + writer->n_retired++) % LAG] =
		(struct retired){old, rte_rcu_qsbr_start(race->rcu)};
	while (reclaim(writer, false))
		;
}

/* --- Folding. --- */

static void *
fold_layers(void *arg)
{
	struct folder *folder = arg;
	struct sl_error err = {0};

	pthread_mutex_lock(&folder->lock);
	while (!folder->is_over) {
		const struct sl_layer_program *from = folder->from;

		if (from == NULL || folder->is_done) {
			pthread_cond_wait(&folder->changed, &folder->lock);
			continue;
		}
		pthread_mutex_unlock(&folder->lock);
		check(sl_layer_fold(from, &host, &folder->folded, &err) == 0, err.text);
		pthread_mutex_lock(&folder->lock);
		folder->is_done = true;
	}
	pthread_mutex_unlock(&folder->lock);
	return NULL;
}

static void
take_fold(struct writer *writer)
{
	struct folder *folder = &writer->folder;
	struct sl_snapshot *next;
	struct sl_error err = {0};

	if (sl_snapshot_with_fold(
		    writer->race->snapshot, folder->from, folder->folded, &next, &err) == 0) {
		writer->n_folded++;
		publish(writer, next);
	} else {
		check(err.code == SL_ERR_BUSY, err.text);
	}
	sl_layer_put(folder->from);
	sl_layer_put(folder->folded);
	folder->from = NULL;
	folder->is_done = false;
}

/* Takes up a fold that is done, and asks for the next. */
static void
mind_folds(struct writer *writer, bool wants_fold)
{
	struct folder *folder = &writer->folder;

	pthread_mutex_lock(&folder->lock);
	if (folder->from != NULL && folder->is_done)
		take_fold(writer);
	if (folder->from == NULL && wants_fold) {
		folder->from = sl_layer_get(writer->race->snapshot->layers[writer->layer->id]);
		pthread_cond_signal(&folder->changed);
	}
	pthread_mutex_unlock(&folder->lock);
}

/* --- Commits. --- */

static void
commit(struct writer *writer, uint64_t version, const struct sl_changes *changes)
{
	struct race *race = writer->race;
	struct sl_snapshot *next;
	struct sl_error err = {0};

	check(sl_snapshot_compile(
		      writer->policy, version, race->snapshot, changes, &host, &next, &err) == 0,
		err.text);
	__atomic_store_n(&race->announced, version, __ATOMIC_RELEASE);
	publish(writer, next);
}

static void
commit_whole(struct writer *writer, uint64_t version)
{
	struct truth *truth = &writer->race->truths[version];

	sl_policy_free(writer->policy);
	writer->policy = whole_policy(version);
	truth->whole = (uint32_t)version;
	for (uint32_t class = 0; class < CLASSES; class ++)
		truth->owners[class] = (uint32_t)version;
	commit(writer, version, NULL);
}

/* Changes a class's filter in the writer's policy and in what is right. */
static void
edit_class(struct writer *writer, uint64_t version, struct sl_filter_change *change)
{
	struct truth *truth = &writer->race->truths[version];
	const uint32_t class = (uint32_t)(version * 7 % CLASSES);
	const struct sl_object *object;
	struct sl_filter *filter;
	char key[32];

	*truth = truth[-1];
	snprintf(key, sizeof(key), "class%u", class);
	object = sl_policy_find(writer->policy, SL_OBJECT_FILTER, key);
	change->old = object == NULL ? NULL : sl_filter_of(object);
	if (version % 3 == 0 && object != NULL) {
		sl_policy_remove(writer->policy, SL_OBJECT_FILTER, key);
		truth->owners[class] = 0;
		return;
	}
	filter = class_filter(class, version);
	finish(&filter->object);
	check(sl_policy_put(writer->policy, &filter->object, NULL) == 0, "sl_policy_put");
	change->now = filter;
	truth->owners[class] = (uint32_t)version;
}

static void
commit_single(struct writer *writer, uint64_t version)
{
	struct sl_policy *before = writer->policy;
	struct sl_filter_change change = {0};
	const struct sl_changes changes = {.filters = &change, .n = 1};

	writer->policy = sl_policy_clone(before);
	check(writer->policy != NULL, "out of memory");
	edit_class(writer, version, &change);
	commit(writer, version, version % 16 == 0 ? NULL : &changes);
	/* Until now it kept what has gone. */
	sl_policy_free(before);
}

static uint64_t
count_freed(const struct reader readers[READERS])
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < READERS; i++)
		n += __atomic_load_n(&readers[i].n_freed, __ATOMIC_RELAXED);
	return n;
}

static void
commit_all(struct writer *writer, const struct reader readers[READERS])
{
	const time_t end = time(NULL) + SECONDS;

	for (uint64_t version = 2; version < writer->race->n_versions; version++) {
		if (version % 64 == 0)
			commit_whole(writer, version);
		else
			commit_single(writer, version);
		mind_folds(writer, version % 8 == 0);
		/* On a busy machine readers must come to their turn between two commits. */
		if (version % 4 == 0)
			sched_yield();
		if (writer->race->mutant != MUTANT_NONE &&
			(count_freed(readers) > 0 || time(NULL) > end))
			break;
	}
}

/* --- The race. --- */

static void
race_begin(struct race *race, enum mutant mutant, uint64_t n_versions, struct writer *writer)
{
	*race = (struct race){.mutant = mutant, .n_versions = n_versions, .announced = 1};
	race->rcu = aligned_alloc(SL_CACHE_LINE, rte_rcu_qsbr_get_memsize(READERS));
	race->truths = calloc(race->n_versions, sizeof(*race->truths));
	race->metas = class_metas();
	check(race->rcu != NULL && race->truths != NULL &&
			rte_rcu_qsbr_init(race->rcu, READERS) == 0,
		"out of memory");
	*writer = (struct writer){.race = race,
		.layer = sl_layer_find(LAYER),
		.policy = whole_policy(1),
		.folder = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
	race->truths[1].whole = 1;
	for (uint32_t class = 0; class < CLASSES; class ++)
		race->truths[1].owners[class] = 1;
	check(sl_snapshot_compile(writer->policy, 1, NULL, NULL, &host,
		      (struct sl_snapshot **)(uintptr_t)&race->snapshot, NULL) == 0,
		"sl_snapshot_compile");
}

static void
race_end(struct race *race, struct writer *writer)
{
	struct folder *folder = &writer->folder;

	if (folder->from != NULL)
		sl_layer_put(folder->from);
	if (folder->is_done)
		sl_layer_put(folder->folded);
	while (reclaim(writer, true))
		;
	sl_snapshot_free((struct sl_snapshot *)(uintptr_t)race->snapshot);
	sl_policy_free(writer->policy);
	free(race->rcu);
	free(race->truths);
	free(race->metas);
}

static void
start_readers(struct race *race, struct reader readers[READERS], pthread_t threads[READERS])
{
	for (uint32_t i = 0; i < READERS; i++) {
		readers[i] = (struct reader){.race = race, .index = i};
		check(sl_matches_init(&readers[i].matches) == 0 &&
				pthread_create(&threads[i], NULL, read_bursts, &readers[i]) == 0,
			"a reader cannot start");
	}
	while (__atomic_load_n(&race->n_ready, __ATOMIC_ACQUIRE) < READERS)
		sched_yield();
}

static void
stop_folder(struct folder *folder, pthread_t thread)
{
	pthread_mutex_lock(&folder->lock);
	folder->is_over = true;
	pthread_cond_signal(&folder->changed);
	pthread_mutex_unlock(&folder->lock);
	pthread_join(thread, NULL);
}

/* Plays the race; the sum of what the readers found. */
static struct reader
play(enum mutant mutant, uint64_t n_versions)
{
	struct reader readers[READERS];
	struct race race;
	struct writer writer;
	pthread_t threads[READERS];
	pthread_t folding;
	struct reader sum = {0};

	race_begin(&race, mutant, n_versions, &writer);
	start_readers(&race, readers, threads);
	check(pthread_create(&folding, NULL, fold_layers, &writer.folder) == 0, "pthread_create");
	commit_all(&writer, readers);
	__atomic_store_n(&race.is_over, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		sum.n_packets += readers[i].n_packets;
		sum.n_wrong += readers[i].n_wrong;
		sum.n_stale += readers[i].n_stale;
		sum.n_freed += readers[i].n_freed;
		sl_matches_fini(&readers[i].matches);
	}
	stop_folder(&writer.folder, folding);
	printf("%s: %llu packets, %llu wrong, %llu stale, %llu freed; %u folds\n",
		mutant_names[mutant], (unsigned long long)sum.n_packets,
		(unsigned long long)sum.n_wrong, (unsigned long long)sum.n_stale,
		(unsigned long long)sum.n_freed, writer.n_folded);
	race_end(&race, &writer);
	return sum;
}

static void
test_answers_are_right(void **state)
{
	const struct reader sum = play(MUTANT_NONE, COMMITS / SLOWNESS);

	(void)state;
	assert_int_equal(sum.n_wrong, 0);
	assert_int_equal(sum.n_stale, 0);
	assert_int_equal(sum.n_freed, 0);
	assert_true(sum.n_packets >= READERS * COMMITS / SLOWNESS);
}

/* A mutant's process: what freed memory held is overwritten, and whatever is found ends it. */
static int
mutant_main(const char *name)
{
	enum mutant mutant = MUTANT_NONE;
	struct reader sum;

	while (mutant + 1 < MUTANT_COUNT && strcmp(mutant_names[mutant], name) != 0)
		mutant++;
	mallopt(M_PERTURB, 0xa5);
	alarm(2 * SECONDS);
	/* One that is none ends soon as well. */
	sum = play(mutant, mutant == MUTANT_NONE ? COMMITS / SLOWNESS / 8 : COMMITS);
	return sum.n_freed + sum.n_wrong > 0 ? POISONED : 0;
}

/* How the process of a mutant ends; its complaints are expected and not shown. */
static int
run_mutant(enum mutant mutant)
{
	int status;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		check(freopen("/dev/null", "w", stderr) != NULL, "freopen");
		execl("/proc/self/exe", "test_race_publish", mutant_names[mutant], (char *)NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		printf("%s: ended by signal %d\n", mutant_names[mutant], WTERMSIG(status));
	else
		printf("%s: exit status %d\n", mutant_names[mutant], WEXITSTATUS(status));
	return status;
}

static void
test_mutants_are_caught(void **state)
{
	(void)state;
	assert_int_equal(run_mutant(MUTANT_NONE), 0);
	for (enum mutant mutant = MUTANT_NONE + 1; mutant < MUTANT_COUNT; mutant++)
		assert_int_not_equal(run_mutant(mutant), 0);
}

int
main(int argc, char *argv[])
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_are_right),
		cmocka_unit_test(test_mutants_are_caught),
	};

	if (argc == 2)
		return mutant_main(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
