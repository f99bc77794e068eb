/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Flows in a file, from one life to the next. */

#define SECOND  UINT64_C(1000000000)
#define NOW     (1000 * SECOND)
#define HOUR_NS (3600 * SECOND)
#define N       600u /* more than are written at once */

struct place {
	struct fixture *f;
	char folder[32];
	char path[64];
};

static int
set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	void *fixture;

	if (place == NULL || fixture_set_up_booted(&fixture) != 0)
		return -1;
	place->f = fixture;
	place->f->now_ns = NOW;
	strcpy(place->folder, "/tmp/sluice-flows-XXXXXX");
	if (mkdtemp(place->folder) == NULL)
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/flows", place->folder);
	*state = place;
	return fake_plane_keep_flows(place->f->fake, 4096, NOW) ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct place *place = *state;
	void *fixture = place->f;

	unlink(place->path);
	/* Not empty when something was left behind. */
	assert_int_equal(rmdir(place->folder), 0);
	free(place);
	return fixture_tear_down(&fixture);
}

static void
add_flows(struct place *place, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_flow_table *table = fake_plane_flows(place->f->fake, i % 2);
		struct sl_flow_key key = {.local = {192, 0, 2, 1},
			.remote = {198, 51, 100, 9},
			.local_port = (uint16_t)i,
			.remote_port = 80,
			.protocol = 6,
			.ip_version = 4};
		struct sl_flow *flow;
		uint64_t hash;

		sl_flow_hash(table, &key, 1, &hash);
		flow = sl_flow_add(table, &key, hash, SL_FLOW_TCP_ESTABLISHED, NOW);
		assert_non_null(flow);
		flow->flags |= SL_FLOW_OUTBOUND | SL_FLOW_ESTABLISHED;
		flow->generation = 5;
		flow->tcp.state = SL_TCP_ESTABLISHED;
		flow->tcp.side[0].end = 1000 + i;
		sl_flow_count(flow, SLUICE_DIRECTION_INBOUND, 60, sl_flow_clock(table, NOW));
	}
}

/* Writes `n` flows; the tables are new and empty afterwards. */
static void
save(struct place *place, uint32_t n)
{
	struct sl_error err;
	uint64_t n_saved;

	add_flows(place, n);
	assert_int_equal(sl_control_flows_save(place->f->control, place->path, &n_saved, &err), 0);
	assert_int_equal(n_saved, n);
	assert_true(fake_plane_keep_flows(place->f->fake, 4096, NOW));
}

static uint64_t
count(struct place *place)
{
	struct sl_flow_stats stats;

	sl_control_flow_stats(place->f->control, &stats);
	return stats.n;
}

static void
assert_refused(struct place *place, enum sl_err code, const char *words)
{
	struct sl_flow_kept kept;
	struct sl_error err;

	assert_true(
		sl_control_flows_load(place->f->control, place->path, HOUR_NS, &kept, &err) < 0);
	assert_int_equal(err.code, code);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, err.text);
	assert_int_equal(count(place), 0);
}

/* Puts other bytes into the file. */
static void
spoil(struct place *place, long at, const void *bytes, size_t size)
{
	FILE *file = fopen(place->path, "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void
test_flows_come_back(void **state)
{
	struct place *place = *state;
	struct sl_flow_wanted wanted = {.has = SL_FLOW_WANTS_LOCAL_PORT, .local_port = 500};
	struct sl_flow_cursor cursor = {0};
	struct sl_flow_kept kept;
	struct sl_flow_view view;
	struct sl_error err;
	struct stat info;
	bool is_end;

	save(place, N);
	assert_int_equal(stat(place->path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	place->f->now_ns += 10 * SECOND;
	assert_int_equal(
		sl_control_flows_load(place->f->control, place->path, HOUR_NS, &kept, &err), 0);
	assert_int_equal(kept.n, N);
	assert_int_equal(kept.n_loaded, N);
	assert_int_equal(kept.n_stale + kept.n_refused, 0);
	assert_int_equal(count(place), N);
	assert_int_equal(
		sl_control_flows(place->f->control, &wanted, &cursor, &view, 1, &is_end), 1);
	assert_int_equal(view.packets[SLUICE_DIRECTION_INBOUND], 1);
	assert_int_equal(view.tcp_state, SL_TCP_ESTABLISHED);
	assert_true(view.flags & SL_FLOW_IMPORTED);
	assert_true(view.flags & SL_FLOW_ESTABLISHED);
	/* The policy judges them anew. */
	assert_int_equal(view.generation, 0);
	assert_int_equal(view.filter_id, 0);
	/* What it says would be old the next time. */
	assert_int_equal(access(place->path, F_OK), -1);
}

static void
test_nothing_to_keep(void **state)
{
	struct place *place = *state;
	struct sl_flow_kept kept;
	struct sl_error err;

	save(place, 0);
	assert_int_equal(
		sl_control_flows_load(place->f->control, place->path, HOUR_NS, &kept, &err), 0);
	assert_int_equal(kept.n, 0);
	assert_refused(place, SL_ERR_NOT_FOUND, "no such file");
}

/* They are in the file, and their time was over before anybody read it. */
static void
test_stale_flows_stay_out(void **state)
{
	struct place *place = *state;
	struct sl_flow_kept kept;
	struct sl_error err;

	save(place, 10);
	place->f->now_ns += 2 * HOUR_NS;
	assert_int_equal(
		sl_control_flows_load(place->f->control, place->path, 3 * HOUR_NS, &kept, &err), 0);
	assert_int_equal(kept.n_loaded, 0);
	assert_int_equal(kept.n_stale, 10);
	assert_int_equal(count(place), 0);
}

static void
test_tables_without_room(void **state)
{
	struct place *place = *state;
	struct sl_flow_kept kept;
	struct sl_error err;

	save(place, N);
	assert_true(fake_plane_keep_flows(place->f->fake, 64, NOW));
	assert_int_equal(
		sl_control_flows_load(place->f->control, place->path, HOUR_NS, &kept, &err), 0);
	assert_int_equal(kept.n_loaded, count(place));
	assert_true(kept.n_loaded > 0 && kept.n_loaded <= 128);
	assert_int_equal(kept.n_refused, N - kept.n_loaded);
}

static void
test_old_files_are_refused(void **state)
{
	struct place *place = *state;

	save(place, 10);
	place->f->now_ns += HOUR_NS + 1;
	assert_refused(place, SL_ERR_CONFIGURATION, "older than");
}

static void
test_damaged_files_are_refused(void **state)
{
	struct place *place = *state;

	save(place, 10);
	spoil(place, -1, "\x7f", 1);
	assert_refused(place, SL_ERR_CONFIGURATION, "damaged");
}

static void
test_every_byte_counts(void **state)
{
	struct place *place = *state;
	struct stat info;

	save(place, 2);
	assert_int_equal(stat(place->path, &info), 0);
	for (long at = 0; at < info.st_size; at++) {
		FILE *file = fopen(place->path, "r");
		int byte;
		char other;

		assert_non_null(file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		byte = fgetc(file);
		fclose(file);
		other = (char)(byte ^ 0x10);
		spoil(place, at, &other, 1);
		assert_refused(place, SL_ERR_CONFIGURATION, "");
		other = (char)byte;
		spoil(place, at, &other, 1);
	}
}

static void
test_cut_and_grown_files_are_refused(void **state)
{
	struct place *place = *state;
	struct stat info;

	save(place, 10);
	assert_int_equal(stat(place->path, &info), 0);
	spoil(place, info.st_size, "x", 1);
	assert_refused(place, SL_ERR_CONFIGURATION, "damaged");
	assert_int_equal(truncate(place->path, info.st_size - 1), 0);
	assert_refused(place, SL_ERR_CONFIGURATION, "damaged");
	assert_int_equal(truncate(place->path, 10), 0);
	assert_refused(place, SL_ERR_CONFIGURATION, "too short");
	assert_int_equal(truncate(place->path, 0), 0);
	assert_refused(place, SL_ERR_CONFIGURATION, "too short");
}

static void
test_other_versions_are_refused(void **state)
{
	struct place *place = *state;

	save(place, 10);
	spoil(place, 8, "\x63", 1);
	assert_refused(place, SL_ERR_CONFIGURATION, "this version");
}

/* What was there stays when the new file cannot be written. */
static void
test_failed_saves_change_nothing(void **state)
{
	struct place *place = *state;
	struct sl_flow_kept kept;
	struct sl_error err;
	char fresh[80];
	uint64_t n;

	save(place, 3);
	snprintf(fresh, sizeof(fresh), "%s.new", place->path);
	assert_int_equal(mkdir(fresh, 0700), 0);
	assert_int_equal(sl_control_flows_save(place->f->control, place->path, &n, &err), -EIO);
	assert_int_equal(rmdir(fresh), 0);
	assert_int_equal(
		sl_control_flows_load(place->f->control, place->path, HOUR_NS, &kept, &err), 0);
	assert_int_equal(kept.n_loaded, 3);
	assert_int_equal(
		sl_control_flows_save(place->f->control, "/nonexistent/folder/flows", &n, &err),
		-EIO);
	assert_string_equal(err.where, "/nonexistent/folder/flows.new");
}

#define PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE(test_flows_come_back),
		PLACE(test_nothing_to_keep),
		PLACE(test_stale_flows_stay_out),
		PLACE(test_tables_without_room),
		PLACE(test_old_files_are_refused),
		PLACE(test_damaged_files_are_refused),
		PLACE(test_every_byte_counts),
		PLACE(test_cut_and_grown_files_are_refused),
		PLACE(test_other_versions_are_refused),
		PLACE(test_failed_saves_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
