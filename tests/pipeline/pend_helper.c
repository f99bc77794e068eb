/* SPDX-License-Identifier: BSD-3-Clause */
#include "pend_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct packet pend_pool[PEND_POOL];
static uint32_t n_pool;

const struct shape web = {
	.protocol = 6, .local_port = 40000, .remote_port = 80, .seq = 1000, .flags = SYN};
const struct shape dns_out = {.local_port = 4000, .remote_port = 53};
const struct shape dns_in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};

struct packet *
pend_make(const struct shape *shape)
{
	struct packet *packet = &pend_pool[n_pool++ % PEND_POOL];

	shape_build(packet, shape);
	packet->frame.owner = packet;
	return packet;
}

struct sl_outcome
pend_send(struct fixture *fixture, const struct shape *shape, enum sl_mode mode)
{
	struct packet *packet = pend_make(shape);
	struct sl_outcome outcome;

	sl_pipeline_run(fixture->pipeline, fixture->snapshot, mode,
		shape->is_inbound ? PATH_IN : PATH_OUT, &packet->frame, 1, fixture->now_ns,
		&outcome);
	assert_int_equal(fixture->n_differences, 0);
	return outcome;
}

void
expect_held(struct fixture *fixture, const struct shape *shape)
{
	struct sl_outcome outcome = pend_send(fixture, shape, SL_MODE_INLINE);

	assert_int_equal(outcome.action, SL_OUTCOME_HELD);
	assert_int_equal(outcome.reason, SL_REASON_NONE);
}

void
expect_dropped(struct fixture *fixture, const struct shape *shape, enum sl_reason reason)
{
	struct sl_outcome outcome = pend_send(fixture, shape, SL_MODE_INLINE);

	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.reason, reason);
}

void
expect_passed(struct fixture *fixture, const struct shape *shape)
{
	struct sl_outcome outcome = pend_send(fixture, shape, SL_MODE_INLINE);

	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	assert_int_equal(outcome.reason, SL_REASON_NONE);
}

void
pend_tick(struct fixture *fixture, enum sl_mode mode)
{
	sl_pipeline_tick(fixture->pipeline, fixture->snapshot, mode, fixture->now_ns);
}

uint32_t
expect_released(struct fixture *fixture, uint8_t action, enum sl_reason reason)
{
	const struct sl_release *releases;
	uint32_t n;

	releases = sl_pipeline_releases(fixture->pipeline, &n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(releases[i].outcome.action, action);
		assert_int_equal(releases[i].outcome.reason, reason);
	}
	return n;
}

const struct sl_release *
pend_release(struct fixture *fixture, uint32_t i)
{
	const struct sl_release *releases;
	uint32_t n;

	releases = sl_pipeline_releases(fixture->pipeline, &n);
	assert_true(i < n);
	return &releases[i];
}

void
pend_answer(struct fixture *fixture, uint64_t what)
{
	assert_int_equal(mock_complete(mock_token, what), 0);
	pend_tick(fixture, SL_MODE_INLINE);
}

void
expect_quiet(struct fixture *fixture)
{
	assert_true(counted(fixture)->pended == counted(fixture)->pend_ended);
	assert_int_equal(sl_callout_contexts(sl_callout_plugin(fixture->registry, "mock")), 0);
}

static void
add_pending(struct fixture *fixture, enum sluice_layer layer, const char *key, uint32_t flags)
{
	struct sl_filter *filter = fixture_filter(layer, key, "system");

	filter->flags |= flags;
	fixture_add_mock_filter(
		fixture, filter, SLUICE_ACTION_CALLOUT_TERMINATING, MOCK_PEND | BLOCK);
}

void
pend_start_with(struct fixture *fixture, const struct sl_flow_config *config, uint32_t flags)
{
	fixture_init_flows(fixture, SL_ENGINE_CHECK, 0, config);
	add_pending(fixture, CONNECT, "connect", flags);
	add_pending(fixture, ACCEPT, "accept", flags);
	add_pending(fixture, SLUICE_LAYER_ALE_AUTH_CONNECT_V6, "connect6", flags);
	add_pending(fixture, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6, "accept6", flags);
	fixture_compile(fixture);
	mock_reset();
	n_pool = 0;
}

void
pend_start(struct fixture *fixture)
{
	struct sl_flow_config config;

	flow_config(&config);
	pend_start_with(fixture, &config, 0);
}
