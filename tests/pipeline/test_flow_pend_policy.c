/* SPDX-License-Identifier: BSD-3-Clause */
/* The policy that is in force when the answer comes decides; what cannot be held; many that wait and one that does not. */
#include "pend_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- The policy is swapped while a flow waits. --- */

static void
test_blocked_meanwhile(void **state)
{
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &dns_out);
	fixture_remove(&fixture, "connect");
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	/* Waiting, it is not judged by it, neither for a packet nor without one. */
	expect_held(&fixture, &dns_out);
	expect_dropped(&fixture, &dns_in, SL_REASON_FLOW_PENDED);
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(counted(&fixture)->pend_ended, 0);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FILTER), 3);
	assert_string_equal(fixture_key(&fixture, &pend_release(&fixture, 0)->outcome), "no");
	assert_string_equal(fixture_key(&fixture, &pend_release(&fixture, 2)->outcome), "no");
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 3);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(flows_live(&fixture), 0);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

static void
test_permitted_meanwhile(void **state)
{
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	fixture_remove(&fixture, "connect");
	fixture_add_all(&fixture, CONNECT, "yes", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	pend_answer(&fixture, BLOCK);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 1);
	assert_int_equal(mock_n_calls, 1);
	flow_only(&fixture, &view);
	assert_int_equal(view.revision, fixture.snapshot->revision);
	expect_passed(&fixture, &dns_in);
	assert_int_equal(counted(&fixture)->reauthorized, 0);
	fixture_fini(&fixture);
}

/* A filter of more weight decides before the callout is asked again. */
static void
test_callout_and_new_block(void **state)
{
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.reauth = SL_FLOW_REAUTH_SWEEP;
	pend_start_with(&fixture, &config, SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED);
	expect_held(&fixture, &web);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	for (uint32_t i = 0; i < 100; i++)
		pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(counted(&fixture)->pend_ended, 0);
	fixture.now_ns += 30001ull * 1000000;
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FILTER), 1);
	assert_int_equal(fixture.counters->reasons[SL_REASON_PEND_TIMEOUT], 0);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* Blocked where it is established: that ends the flow, and what is behind the first packet with it. */
static void
test_blocked_when_established(void **state)
{
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	block_all(&fixture, ESTABLISHED, "no");
	fixture_commit(&fixture);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &dns_out);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FILTER), 2);
	assert_int_equal(pend_release(&fixture, 1)->outcome.layer, ESTABLISHED);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->pended, 1);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* --- Nothing is held. --- */

static void
start_holding_nothing(struct fixture *fixture, uint32_t flags)
{
	struct sl_flow_config config;

	flow_config(&config);
	config.pend.packets = 0;
	pend_start_with(fixture, &config, flags);
	fixture_add_mock(fixture, ESTABLISHED, "established", "system",
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	fixture_commit(fixture);
}

static void
test_unseen_datagrams(void **state)
{
	struct fixture fixture;
	struct sl_flow_view view;
	struct sl_event event;

	(void)state;
	start_holding_nothing(&fixture, 0);
	expect_dropped(&fixture, &dns_out, SL_REASON_FLOW_PENDED);
	assert_true(sl_ring_get(fixture.events, &event));
	assert_int_equal(event.reason, SL_REASON_FLOW_PENDED);
	assert_true(event.flow_id == mock_token);
	expect_dropped(&fixture, &dns_out, SL_REASON_FLOW_PENDED);
	assert_int_equal(mock_n_calls, 1);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(mock_n_calls, 2);
	assert_false(mock_calls[1].has_packet);
	assert_int_equal(mock_calls[1].reason, SLUICE_REAUTHORIZE_CLASSIFY_COMPLETION);
	assert_int_equal(mock_calls[1].answer, PERMIT);
	assert_true(mock_calls[1].flow == mock_token);
	flow_only(&fixture, &view);
	assert_int_equal(view.flags & (SL_FLOW_PENDED | SL_FLOW_ESTABLISHED), 0);
	assert_int_equal(counted(&fixture)->opened[SLUICE_DIRECTION_OUTBOUND], 1);
	/* The next packet establishes it, once. */
	expect_passed(&fixture, &dns_out);
	assert_int_equal(mock_calls[2].layer, ESTABLISHED);
	expect_passed(&fixture, &dns_out);
	expect_passed(&fixture, &dns_in);
	assert_int_equal(mock_n_calls, 3);
	assert_int_equal(counted(&fixture)->established, 1);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

static void
test_unseen_connections(void **state)
{
	struct fixture fixture;
	struct shape reply = web;

	(void)state;
	start_holding_nothing(&fixture, 0);
	expect_dropped(&fixture, &web, SL_REASON_FLOW_PENDED);
	pend_answer(&fixture, PERMIT);
	reply.is_inbound = true;
	reply.flags = SYN | ACK;
	reply.seq = 5000;
	reply.ack = web.seq + 1;
	expect_passed(&fixture, &web);
	expect_passed(&fixture, &reply);
	assert_int_equal(mock_n_calls, 2);
	fixture_fini(&fixture);
}

static void
test_unseen_blocked(void **state)
{
	struct fixture fixture;

	(void)state;
	start_holding_nothing(&fixture, 0);
	expect_dropped(&fixture, &dns_out, SL_REASON_FLOW_PENDED);
	pend_answer(&fixture, BLOCK);
	assert_int_equal(flows_live(&fixture), 0);
	/* The packet has been counted when it was dropped. */
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 0);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FLOW_PENDED], 1);
	assert_int_equal(counted(&fixture)->blocked, 1);
	expect_quiet(&fixture);
	expect_dropped(&fixture, &dns_out, SL_REASON_FLOW_PENDED);
	assert_int_equal(counted(&fixture)->pended, 2);
	fixture_fini(&fixture);
}

static void
test_unseen_overdue(void **state)
{
	struct fixture fixture;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		start_holding_nothing(
			&fixture, i == 0 ? 0 : SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED);
		expect_dropped(&fixture, &dns_out, SL_REASON_FLOW_PENDED);
		fixture.now_ns += 30001ull * 1000000;
		pend_tick(&fixture, SL_MODE_INLINE);
		assert_int_equal(flows_live(&fixture), i);
		assert_int_equal(mock_n_calls, 1);
		expect_quiet(&fixture);
		fixture_fini(&fixture);
	}
}

/* A question to a group that nothing is held of: nobody can say whom it was for. */
static void
test_unseen_multicast(void **state)
{
	const struct shape mdns = {.remote = MDNS_GROUP, .local_port = 5353, .remote_port = 5353};
	const struct shape heard = {.is_inbound = true, .local_port = 5353, .remote_port = 5353};
	struct fixture fixture;

	(void)state;
	start_holding_nothing(&fixture, 0);
	fixture_remove(&fixture, "accept");
	block_all(&fixture, ACCEPT, "no");
	fixture_commit(&fixture);
	expect_dropped(&fixture, &mdns, SL_REASON_FLOW_PENDED);
	expect_dropped(&fixture, &heard, SL_REASON_FILTER);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(flows_live(&fixture), 0);
	expect_dropped(&fixture, &heard, SL_REASON_FILTER);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* With its packet it is judged as one. */
static void
test_multicast(void **state)
{
	const struct shape mdns = {.remote = MDNS_GROUP, .local_port = 5353, .remote_port = 5353};
	const struct shape heard = {.is_inbound = true, .local_port = 5353, .remote_port = 5353};
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	fixture_remove(&fixture, "accept");
	block_all(&fixture, ACCEPT, "no");
	fixture_commit(&fixture);
	expect_held(&fixture, &mdns);
	expect_held(&fixture, &mdns);
	expect_dropped(&fixture, &heard, SL_REASON_FILTER);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 2);
	expect_passed(&fixture, &heard);
	fixture_fini(&fixture);
}

/* A frame whose bytes are gone behind the burst cannot be judged later. */
static void
test_copies(void **state)
{
	struct packet *packet;
	struct sl_outcome outcome;
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	packet = pend_make(&dns_out);
	packet->frame.flags = SL_FRAME_COPY;
	fixture_run(&fixture, PATH_OUT, &packet->frame, 1, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.reason, SL_REASON_FLOW_PENDED);
	/* One that can be held is what the flow is judged by. */
	expect_held(&fixture, &dns_out);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 1);
	assert_true(mock_calls[1].has_packet);
	fixture_fini(&fixture);
}

static void
put16(uint8_t *at, uint32_t number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

/* Makes a UDP packet with 200 bytes of payload, untagged IPv4, the first or the second part of itself. */
static void
cut(struct packet *packet, uint32_t part, uint8_t id)
{
	uint8_t *ip = packet->bytes + 14;
	const uint32_t first = 104, whole = 208;
	const uint32_t n = part == 0 ? first : whole - first;
	uint32_t sum = 0;

	if (part == 1)
		memmove(ip + 20, ip + 20 + first, n);
	put16(ip + 2, 20 + n);
	put16(ip + 4, id);
	put16(ip + 6, part == 0 ? 0x2000 : first / 8);
	put16(ip + 10, 0);
	for (uint32_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum);
	packet->frame.length = packet->frame.contiguous = 14 + 20 + n;
}

/* A datagram of two fragments: they are dropped, and the next ones find the flow. */
static void
test_fragments(void **state)
{
	struct packet *parts[2];
	struct sl_flow_config config;
	struct sl_outcome outcomes[2];
	struct sl_frame frames[2];
	struct fixture fixture;
	struct shape shape = dns_out;

	(void)state;
	flow_config(&config);
	config.fragments.reassemble = SL_FRAGMENT_REASSEMBLE_ALWAYS;
	pend_start_with(&fixture, &config, 0);
	shape.payload = 200;
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 2; i++) {
			parts[i] = pend_make(&shape);
			cut(parts[i], i, (uint8_t)(round + 1));
			frames[i] = parts[i]->frame;
		}
		fixture_run(&fixture, PATH_OUT, frames, 2, outcomes);
		assert_int_equal(outcomes[0].action, SL_OUTCOME_HELD);
		assert_int_equal(outcomes[1].action, SL_OUTCOME_HELD);
		if (round == 0) {
			assert_int_equal(
				expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FLOW_PENDED),
				2);
			assert_int_equal(fixture.counters->reasons[SL_REASON_FLOW_PENDED], 2);
			pend_answer(&fixture, PERMIT);
		}
	}
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 2);
	assert_int_equal(mock_n_calls, 2);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* --- Many. --- */

/* A full table gives up flows without an answer, and none that waits. */
static void
test_full_table(void **state)
{
	struct shape shape = dns_out, guest = dns_in;
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.max = 8;
	pend_start_with(&fixture, &config, 0);
	fixture_remove(&fixture, "accept");
	fixture_commit(&fixture);
	for (uint16_t i = 0; i < 6; i++) {
		shape.local_port = (uint16_t)(5000 + i);
		expect_held(&fixture, &shape);
	}
	for (uint16_t i = 0; i < 20; i++) {
		guest.local_port = (uint16_t)(6000 + i);
		expect_passed(&fixture, &guest);
	}
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_EVICTED], 18);
	assert_int_equal(counted(&fixture)->pend_ended, 0);
	for (uint16_t i = 6; i < 8; i++) {
		shape.local_port = (uint16_t)(5000 + i);
		expect_held(&fixture, &shape);
	}
	expect_dropped(&fixture, &guest, SL_REASON_FLOW_TABLE_FULL);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 1);
	expect_passed(&fixture, &guest);
	assert_int_equal(counted(&fixture)->pend_ended, 1);
	fixture_fini(&fixture);
}

/* 10,000 flows wait for ever; a connection that was there, and one that nobody asks about, do not notice. */
static void
test_many_wait(void **state)
{
	struct shape shape = dns_out,
		     honest = {.is_inbound = true, .local_port = 22, .remote_port = 7777};
	struct sl_flow_config config;
	struct fixture fixture;
	struct sl_outcome outcome;
	uint32_t n_held = 0;

	(void)state;
	flow_config(&config);
	config.max = 10100;
	config.pend.max = 10000;
	config.pend.packets = 2;
	config.pend.timeout_ms = 300000;
	pend_start_with(&fixture, &config, 0);
	fixture_remove(&fixture, "accept");
	fixture_commit(&fixture);
	for (uint32_t i = 0; i < 10400; i++) {
		shape.local_port = (uint16_t)(1024 + i);
		outcome = pend_send(&fixture, &shape, SL_MODE_INLINE);
		n_held += outcome.action == SL_OUTCOME_HELD;
		if (i % 16 == 0) {
			pass_time(&fixture, SECOND / 4);
			expect_passed(&fixture, &honest);
			honest.is_inbound = !honest.is_inbound;
		}
	}
	assert_int_equal(n_held, 10000);
	assert_int_equal(flows_live(&fixture), 10001);
	honest.remote_port++;
	honest.is_inbound = true;
	expect_passed(&fixture, &honest);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocked_meanwhile),
		cmocka_unit_test(test_permitted_meanwhile),
		cmocka_unit_test(test_callout_and_new_block),
		cmocka_unit_test(test_blocked_when_established),
		cmocka_unit_test(test_unseen_datagrams),
		cmocka_unit_test(test_unseen_connections),
		cmocka_unit_test(test_unseen_blocked),
		cmocka_unit_test(test_unseen_overdue),
		cmocka_unit_test(test_unseen_multicast),
		cmocka_unit_test(test_multicast),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_many_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
