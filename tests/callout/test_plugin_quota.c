/* SPDX-License-Identifier: BSD-3-Clause */
#include "mock_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WRITE SLUICE_RIGHT_ACTION_WRITE
#define BEGIN SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4
#define DATA  SLUICE_LAYER_STREAM_PACKET_V4

enum {
	FLOWS,
	USED_UP,
	NO_ROOM
};

static const uint8_t frame[2000];
static const struct sluice_metadata meta;

/* A plugin with a filter at either layer. */
struct fixture {
	struct mock mock;
	struct sluice_filter begin;
	struct sluice_filter data;
};

static void
start(struct fixture *f, uint32_t action, const char *bytes)
{
	mock_init(&f->mock, &sluice_callout);
	assert_int_equal(
		mock_add_at(&f->mock, &f->begin, BEGIN, SLUICE_ACTION_CALLOUT_UNKNOWN, bytes), 0);
	assert_int_equal(mock_add_at(&f->mock, &f->data, DATA, action, NULL), 0);
}

static void
stop(struct fixture *f)
{
	mock_delete(&f->mock, &f->begin);
	mock_delete(&f->mock, &f->data);
	mock_fini(&f->mock);
}

/* What is said when a flow of that protocol is established. */
static struct sluice_classify_out
open_flow(struct fixture *f, uint8_t protocol, uint32_t rights)
{
	struct sluice_value values[SLUICE_FIELDS_MAX] = {{0}};
	struct sluice_classify_out out;
	const int index = f->mock.host.field_index(f->begin.layer, SLUICE_FIELD_IP_PROTOCOL);

	values[index] = (struct sluice_value){.type = SLUICE_TYPE_UINT8, .number = protocol};
	f->mock.values = values;
	mock_frame(&f->mock, frame, 60);
	out = mock_classify(&f->mock, &f->begin, &meta, rights, 0);
	f->mock.values = NULL;
	return out;
}

static void
establish(struct fixture *f, uint8_t protocol)
{
	const struct sluice_classify_out out = open_flow(f, protocol, WRITE);

	assert_int_equal(out.action, SLUICE_ACTION_CONTINUE);
	assert_int_equal(out.rights, WRITE);
}

static struct sluice_classify_out
send(struct fixture *f, uint32_t length, uint32_t rights)
{
	mock_frame(&f->mock, frame, length);
	return mock_classify(&f->mock, &f->data, &meta, rights, 0);
}

static void
test_used_up(void **state)
{
	struct sluice_classify_out out;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 2500}");
	establish(&f, 6);
	assert_int_equal(f.mock.flow_layer, DATA);
	assert_int_equal(f.mock.counters[FLOWS], 1);
	out = send(&f, 1000, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_PERMIT);
	assert_int_equal(out.rights, WRITE);
	assert_int_equal(send(&f, 1000, WRITE).action, SLUICE_ACTION_PERMIT);
	assert_int_equal(f.mock.n_aborts, 0);
	out = send(&f, 501, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_BLOCK);
	assert_int_equal(out.rights, 0);
	assert_int_equal(f.mock.n_aborts, 1);
	/* What came with it in one burst is blocked as well, however small it is. */
	assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(f.mock.counters[USED_UP], 2);
	stop(&f);
}

static void
test_to_the_last_byte(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 120}");
	establish(&f, 6);
	assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_PERMIT);
	assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_PERMIT);
	assert_true(f.mock.flow_context != 0);
	assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_BLOCK);
	stop(&f);
}

static void
test_layer_by_protocol(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 1}");
	establish(&f, 17);
	assert_int_equal(f.mock.flow_layer, SLUICE_LAYER_DATAGRAM_DATA_V4);
	mock_delete(&f.mock, &f.begin);
	f.mock.flow_context = 0;
	assert_int_equal(mock_add_at(&f.mock, &f.begin, SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6,
				 SLUICE_ACTION_CALLOUT_UNKNOWN, "{\"bytes\": 5}"),
		0);
	establish(&f, 6);
	assert_int_equal(f.mock.flow_layer, SLUICE_LAYER_STREAM_PACKET_V6);
	f.mock.flow_context = 0;
	establish(&f, 58);
	assert_int_equal(f.mock.flow_layer, SLUICE_LAYER_DATAGRAM_DATA_V6);
	stop(&f);
}

/* The first filter that matches a flow says how much it has. */
static void
test_first_match_counts(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 100}");
	establish(&f, 6);
	establish(&f, 6);
	assert_int_equal(f.mock.counters[FLOWS], 1);
	assert_int_equal(f.mock.n_aborts, 0);
	assert_int_equal(f.mock.flow_context, 101);
	stop(&f);
}

static void
test_no_room(void **state)
{
	struct sluice_classify_out out;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 100}");
	f.mock.associate_rc = -105;
	out = open_flow(&f, 6, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_BLOCK);
	assert_int_equal(out.rights, 0);
	assert_int_equal(f.mock.counters[NO_ROOM], 1);
	assert_int_equal(f.mock.counters[FLOWS], 0);
	stop(&f);
}

/* Without the right nothing is said and nothing is spent. */
static void
test_without_the_right(void **state)
{
	struct sluice_classify_out out;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 60}");
	establish(&f, 6);
	out = send(&f, 1000, 0);
	assert_int_equal(out.action, SLUICE_ACTION_UNTOUCHED);
	assert_int_equal(out.rights, 0);
	assert_int_equal(f.mock.n_aborts, 0);
	assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_PERMIT);
	f.mock.flow_context = 0;
	assert_int_equal(open_flow(&f, 6, 0).action, SLUICE_ACTION_UNTOUCHED);
	assert_true(f.mock.flow_context == 0);
	stop(&f);
}

/* Datagrams would open a flow with a quota of its own: theirs is kept and blocked. */
static void
test_datagrams_are_not_ended(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 100}");
	mock_delete(&f.mock, &f.data);
	assert_int_equal(mock_add_at(&f.mock, &f.data, SLUICE_LAYER_DATAGRAM_DATA_V4,
				 SLUICE_ACTION_CALLOUT_TERMINATING, NULL),
		0);
	establish(&f, 17);
	assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_PERMIT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(f.mock.n_aborts, 0);
	assert_int_equal(f.mock.counters[USED_UP], 3);
	stop(&f);
}

static void
test_filter_decides_how(void **state)
{
	struct sluice_classify_out out;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_ACTION_CALLOUT_UNKNOWN, "{\"bytes\": 100}");
	establish(&f, 6);
	out = send(&f, 60, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_CONTINUE);
	assert_int_equal(out.rights, WRITE);
	assert_int_equal(send(&f, 60, WRITE).action, SLUICE_ACTION_BLOCK);
	f.mock.flow_context = 1000;
	f.data.action = SLUICE_ACTION_CALLOUT_TERMINATING;
	f.data.flags = SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT;
	out = send(&f, 60, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_PERMIT);
	assert_int_equal(out.rights, 0);
	stop(&f);
}

static void
test_refusals(void **state)
{
	static const struct {
		uint32_t layer;
		uint32_t action;
		const char *data;
		const char *words;
	} bad[] = {
		{BEGIN, SLUICE_ACTION_CALLOUT_UNKNOWN, NULL,
			"it needs a provider context with data such as {\"bytes\": 1000000}"},
		{BEGIN, SLUICE_ACTION_CALLOUT_UNKNOWN, "{}",
			"\"bytes\" must be an integer from 1 to 1000000000000000"},
		{BEGIN, SLUICE_ACTION_CALLOUT_UNKNOWN, "{\"bytes\": 0}",
			"\"bytes\" must be an integer from 1 to 1000000000000000"},
		{BEGIN, SLUICE_ACTION_CALLOUT_UNKNOWN, "{\"bytes\": 1000000000000001}",
			"\"bytes\" must be an integer from 1 to 1000000000000000"},
		{BEGIN, SLUICE_ACTION_CALLOUT_UNKNOWN, "{\"bites\": 1}",
			"the provider context's data has a member \"bites\"; it may have "
			"\"bytes\""},
		{BEGIN, SLUICE_ACTION_CALLOUT_UNKNOWN, "7",
			"the provider context's data is not a JSON object"},
		{BEGIN, SLUICE_ACTION_CALLOUT_INSPECTION, "{\"bytes\": 1}",
			"a quota that cannot block is none; use the action callout_unknown or "
			"callout_terminating"},
		{DATA, SLUICE_ACTION_CALLOUT_INSPECTION, NULL,
			"a quota that cannot block is none; use the action callout_unknown or "
			"callout_terminating"},
		{DATA, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bytes\": 1}",
			"the filter at ale_flow_established says how much; here no provider "
			"context "
			"is needed"},
		{SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_TERMINATING, NULL,
			"it works at ale_flow_established, stream_packet and datagram_data alone"},
	};
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(
			mock_add_at(&mock, &filter, bad[i].layer, bad[i].action, bad[i].data), 0);
		assert_string_equal(mock.refusal, bad[i].words);
	}
	mock_fini(&mock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_used_up),
		cmocka_unit_test(test_to_the_last_byte),
		cmocka_unit_test(test_layer_by_protocol),
		cmocka_unit_test(test_first_match_counts),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_without_the_right),
		cmocka_unit_test(test_datagrams_are_not_ended),
		cmocka_unit_test(test_filter_decides_how),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
