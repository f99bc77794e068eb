/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FILTER(key, sublayer)                                    \
	"{'key':'" key "','name':'N','sublayer':'" sublayer "'," \
	"'layer':'inbound_transport_v4','action':'block'}"

/* The events after `since`; asserts how many there are. */
static void
read_events(struct fixture *f, uint64_t since, struct sl_event_entry *entries, uint32_t n)
{
	struct sl_event_entry all[100];
	uint64_t first, last, lost;

	assert_int_equal(sl_control_events(f->control, since, all, 100, &first, &last, &lost), n);
	memcpy(entries, all, n * sizeof(*entries));
	assert_int_equal(lost, 0);
}

static void
test_events_get_their_names(void **state)
{
	struct fixture *f = *state;
	struct sl_event_entry entries[2];
	uint64_t id;

	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("no", "firewall")), 0);
	id = fixture_filter(f, "no")->object.id;
	assert_true(fake_plane_event(f->fake, 0, 2, id));
	assert_true(fake_plane_event(f->fake, 1, 2, 0));
	read_events(f, 0, entries, 2);
	assert_int_equal(entries[0].id, 1);
	assert_string_equal(entries[0].filter, "no");
	assert_string_equal(entries[0].sublayer, "firewall");
	assert_string_equal(entries[0].decisions[0], "no");
	assert_string_equal(entries[0].decision_sublayers[0], "firewall");
	assert_int_equal(entries[1].id, 2);
	assert_string_equal(entries[1].filter, "");
	read_events(f, 2, entries, 0);
}

/* The event is still in the ring when the filter that made it is deleted. */
static void
test_events_outlive_their_filter(void **state)
{
	struct fixture *f = *state;
	struct sl_event_entry entries[1];
	uint64_t id;

	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("gone", "firewall")), 0);
	id = fixture_filter(f, "gone")->object.id;
	assert_true(fake_plane_event(f->fake, 0, 2, id));
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "gone"), 0);
	read_events(f, 0, entries, 1);
	assert_string_equal(entries[0].filter, "gone");
	assert_string_equal(entries[0].sublayer, "firewall");
}

/* An update keeps the run-time id: the revision says which filter it was. */
static void
test_events_are_named_by_their_revision(void **state)
{
	struct fixture *f = *state;
	struct sl_event_entry entries[2];
	uint64_t id;

	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("moved", "firewall")), 0);
	id = fixture_filter(f, "moved")->object.id;
	assert_true(fake_plane_event(f->fake, 0, 2, id));
	/* Made by a worker that has the new revision while the commit is waiting for the others. */
	assert_true(fake_plane_event(f->fake, 0, 3, id));
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("moved", "antispoof")), 0);
	read_events(f, 0, entries, 2);
	assert_string_equal(entries[0].sublayer, "firewall");
	assert_string_equal(entries[1].sublayer, "antispoof");
}

static void
test_events_can_be_switched_off(void **state)
{
	struct fixture *f = *state;
	struct sl_event_entry entries[1];

	assert_true(sl_control_events_enabled(f->control));
	assert_true(fake_plane_event(f->fake, 0, 1, 0));
	sl_control_set_events_enabled(f->control, false);
	assert_false(sl_control_events_enabled(f->control));
	assert_true(fake_plane_event(f->fake, 0, 1, 0));
	read_events(f, 0, entries, 1);
	sl_control_set_events_enabled(f->control, true);
	read_events(f, 1, entries, 0);
	assert_true(fake_plane_event(f->fake, 0, 1, 0));
	sl_control_tick(f->control);
	read_events(f, 1, entries, 1);
}

static void
test_lost_events_are_counted(void **state)
{
	struct fixture *f = *state;
	const struct sl_plane *plane = sl_control_plane(f->control);
	uint64_t first, last, lost;
	uint64_t n_refused = 0;
	uint64_t n_made = 0;

	while (n_refused < 5) {
		bool is_made = fake_plane_event(f->fake, 1, 1, 0);

		n_made += is_made;
		n_refused += !is_made;
	}
	sl_counter_add(&plane->ops->counters(plane->ctx, 0)->worker.events_suppressed, 7);
	sl_control_events(f->control, 0, NULL, 0, &first, &last, &lost);
	assert_int_equal(lost, 12);
	assert_int_equal(last, n_made);
	/* The log holds 64. */
	assert_int_equal(first, n_made - 63);
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_booted, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_events_get_their_names),
		BOOTED(test_events_outlive_their_filter),
		BOOTED(test_events_are_named_by_their_revision),
		BOOTED(test_events_can_be_switched_off),
		BOOTED(test_lost_events_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
