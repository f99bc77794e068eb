/* SPDX-License-Identifier: BSD-3-Clause */
/* The events that packets leave behind which do not leave themselves. */
#include "helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRANSPORT SLUICE_LAYER_INBOUND_TRANSPORT_V4

static void
get_event(struct fixture *fixture, const struct packet *packet, struct sl_event *event)
{
	struct sl_outcome outcome;

	fixture_run(fixture, PATH_IN, &packet->frame, 1, &outcome);
	assert_true(sl_ring_get(fixture->events, event));
}

static uint64_t
id_of(const struct fixture *fixture, const char *key)
{
	return sl_policy_find(fixture->policy, SL_OBJECT_FILTER, key)->id;
}

static void
test_drop_by_filter(void **state)
{
	struct fixture fixture;
	struct packet packet;
	struct sl_event event;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_all(&fixture, TRANSPORT, "soft", "system", SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, TRANSPORT, "stop", "firewall", SLUICE_ACTION_BLOCK);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	get_event(&fixture, &packet, &event);
	assert_int_equal(event.type, SL_EVENT_CLASSIFY_DROP);
	assert_int_equal(event.time_ns, 1000000000);
	assert_int_equal(event.revision, 7);
	assert_int_equal(event.reason, SL_REASON_FILTER);
	assert_int_equal(event.has_layer, 1);
	assert_int_equal(event.layer, TRANSPORT);
	assert_int_equal(event.filter_id, id_of(&fixture, "stop"));
	assert_int_equal(event.worker, 3);
	assert_int_equal(event.direction, SLUICE_DIRECTION_INBOUND);
	assert_int_equal(event.dst_port, 80);
	assert_int_equal(event.is_veto, 0);
	assert_int_equal(event.is_monitor, 0);
	assert_int_equal(event.n_decisions, 2);
	assert_int_equal(event.decisions[0].filter_id, id_of(&fixture, "soft"));
	assert_int_equal(event.decisions[0].returned, SLUICE_ACTION_PERMIT);
	assert_int_equal(event.decisions[0].effect, SL_EFFECT_DECIDED);
	assert_int_equal(event.decisions[0].is_hard, 0);
	assert_int_equal(event.decisions[0].sublayer_weight, 65535);
	assert_int_equal(event.decisions[1].filter_id, id_of(&fixture, "stop"));
	assert_int_equal(event.decisions[1].returned, SLUICE_ACTION_BLOCK);
	assert_int_equal(event.decisions[1].effect, SL_EFFECT_OVERRODE);
	assert_int_equal(event.decisions[1].is_hard, 1);
	assert_false(sl_ring_get(fixture.events, &event));
	fixture_fini(&fixture);
}

/* What callouts did is told without calling them again. */
static void
test_drop_by_veto(void **state)
{
	struct fixture fixture;
	struct sl_filter *filter;
	struct packet packet;
	struct sl_event event;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	filter = fixture_filter(TRANSPORT, "hard", "system");
	filter->flags = SL_FILTER_CLEAR_ACTION_RIGHT;
	fixture_add(&fixture, filter);
	fixture_add_mock(&fixture, TRANSPORT, "look", "firewall", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_add_mock(&fixture, TRANSPORT, "veto", "universal",
		SLUICE_ACTION_CALLOUT_TERMINATING, SLUICE_ACTION_BLOCK | MOCK_VETO);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	get_event(&fixture, &packet, &event);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(event.is_veto, 1);
	assert_int_equal(event.reason, SL_REASON_VETO);
	assert_int_equal(event.filter_id, id_of(&fixture, "veto"));
	assert_int_equal(event.n_decisions, 2);
	assert_int_equal(event.decisions[0].filter_id, id_of(&fixture, "hard"));
	assert_int_equal(event.decisions[0].is_hard, 1);
	assert_int_equal(event.decisions[1].effect, SL_EFFECT_VETOED);
	fixture_fini(&fixture);
}

/* More sublayers than an event has room for: the credited filter is not the one left out. */
static void
test_many_sublayers(void **state)
{
	struct fixture fixture;
	struct packet packet;
	struct sl_event event;
	char key[16];

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	for (uint16_t i = 0; i < 10; i++) {
		struct sl_sublayer *sublayer = sl_sublayer_of(sl_object_new(SL_OBJECT_SUBLAYER));
		struct sl_problems problems = {0};
		struct sl_error err;

		snprintf(key, sizeof(key), "sub%u", i);
		sublayer->object.key = strdup(key);
		sublayer->object.name = strdup(key);
		sublayer->weight = 1000 - i;
		assert_true(sl_object_finish(&sublayer->object, "", &problems));
		assert_int_equal(sl_policy_add(fixture.policy, &sublayer->object, &err), 0);
		fixture_add_all(&fixture, TRANSPORT, key, key,
			i == 9 ? SLUICE_ACTION_BLOCK : SLUICE_ACTION_PERMIT);
	}
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	get_event(&fixture, &packet, &event);
	assert_int_equal(event.n_decisions, SL_EVENT_DECISIONS_MAX);
	assert_int_equal(event.decisions[0].filter_id, id_of(&fixture, "sub0"));
	assert_int_equal(event.decisions[4].filter_id, id_of(&fixture, "sub4"));
	assert_int_equal(event.decisions[5].filter_id, id_of(&fixture, "sub9"));
	assert_int_equal(event.filter_id, id_of(&fixture, "sub9"));
	fixture_fini(&fixture);
}

static void
test_drops_below_ip(void **state)
{
	struct fixture fixture;
	struct packet packet;
	struct sl_event event;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_all(&fixture, SLUICE_LAYER_EGRESS_VSWITCH_ETHERNET, "frames", "firewall",
		SLUICE_ACTION_BLOCK);
	fixture_compile(&fixture);
	packet_arp(&packet);
	get_event(&fixture, &packet, &event);
	assert_int_equal(event.type, SL_EVENT_CLASSIFY_DROP_MAC);
	assert_int_equal(event.ether_type, 0x0806);
	assert_int_equal(event.has_macs, 1);
	packet_udp4(&packet, 80, 1);
	get_event(&fixture, &packet, &event);
	assert_int_equal(event.type, SL_EVENT_CLASSIFY_DROP_MAC);
	packet_broken4(&packet);
	get_event(&fixture, &packet, &event);
	assert_int_equal(event.type, SL_EVENT_PARSER_DROP);
	assert_int_equal(event.reason, SL_REASON_IP4_BAD_CHECKSUM);
	assert_int_equal(event.has_layer, 0);
	assert_int_equal(event.filter_id, 0);
	fixture_fini(&fixture);
}

/* A rate that is used up makes no events, and no difference to the packets. */
static void
test_rate(void **state)
{
	struct sl_outcome outcomes[20];
	struct sl_frame frames[20];
	struct fixture fixture;
	struct packet packet;
	struct sl_event event;
	uint32_t n = 0;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 5);
	fixture_add_all(&fixture, TRANSPORT, "stop", "firewall", SLUICE_ACTION_BLOCK);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	for (int i = 0; i < 20; i++)
		frames[i] = packet.frame;
	fixture_run(&fixture, PATH_IN, frames, 20, outcomes);
	while (sl_ring_get(fixture.events, &event))
		n++;
	assert_int_equal(n, 5);
	assert_int_equal(fixture.counters->worker.events_suppressed, 15);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 20);
	fixture_fini(&fixture);
}

static void
test_full_ring(void **state)
{
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct fixture fixture;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_all(&fixture, TRANSPORT, "stop", "firewall", SLUICE_ACTION_BLOCK);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++)
		frames[i] = packet.frame;
	fixture_run(&fixture, PATH_IN, frames, SL_PIPELINE_BURST_MAX, outcomes);
	fixture_run(&fixture, PATH_IN, frames, 10, outcomes);
	assert_int_equal(sl_ring_refused(fixture.events), 10);
	assert_int_equal(outcomes[9].action, SL_VERDICT_BLOCK);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_by_filter),
		cmocka_unit_test(test_drop_by_veto),
		cmocka_unit_test(test_many_sublayers),
		cmocka_unit_test(test_drops_below_ip),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_full_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
