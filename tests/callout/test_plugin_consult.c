/* SPDX-License-Identifier: BSD-3-Clause */

/* consult with programs that answer, do not, and say other things. */
#include "adviser.h"
#include "callout/plugins/consult_asker.h"
#include "mock_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WRITE       SLUICE_RIGHT_ACTION_WRITE
#define CONNECT     SLUICE_LAYER_ALE_AUTH_CONNECT_V4
#define ACCEPT6     SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6
#define TERMINATING SLUICE_ACTION_CALLOUT_TERMINATING
#define SECOND      UINT64_C(1000000000)
#define START       (UINT64_C(1767323045) * SECOND)

enum {
	ASKED,
	PERMITTED,
	BLOCKED,
	REMEMBERED,
	UNREACHABLE,
	FULL,
	UNASKED,
	MALFORMED,
	LATE
};

struct fixture {
	struct mock mock;
	struct adviser_program program;
	struct sluice_filter filter;
	struct sluice_value values[SLUICE_FIELDS_MAX];
	struct sluice_metadata meta;
	uint64_t token; /* of the flow that was asked about last */
	char data[300];
};

static const uint8_t local6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t remote6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};

static int
set_up(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	mock_init(&f->mock, &sluice_callout);
	adviser_init(&f->program);
	f->mock.values = f->values;
	f->meta.time_ns = START;
	f->token = 100;
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	mock_fini(&f->mock);
	adviser_fini(&f->program);
	return 0;
}

static void
set(struct fixture *f, enum sluice_field field, uint32_t type, uint64_t number)
{
	const int index = f->mock.host.field_index(f->filter.layer, field);

	assert_in_range(index, 0, SLUICE_FIELDS_MAX - 1);
	f->values[index] = (struct sluice_value){.type = type, .number = number};
}

static void
set_address(struct fixture *f, enum sluice_field field, const uint8_t bytes[16])
{
	const int index = f->mock.host.field_index(f->filter.layer, field);

	assert_in_range(index, 0, SLUICE_FIELDS_MAX - 1);
	f->values[index] =
		(struct sluice_value){.type = SLUICE_TYPE_BYTE_ARRAY16, .size = 16, .bytes = bytes};
}

static void
set_ports(struct fixture *f, uint16_t local, uint16_t remote)
{
	set(f, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, local);
	set(f, SLUICE_FIELD_IP_REMOTE_PORT, SLUICE_TYPE_UINT16, remote);
}

/* A filter at a layer with more members than the socket, and the values of a flow there. */
static void
add(struct fixture *f, uint32_t layer, const char *members)
{
	snprintf(f->data, sizeof(f->data), "{\"socket\": \"%s\"%s}", f->program.path, members);
	assert_int_equal(mock_add_at(&f->mock, &f->filter, layer, TERMINATING, f->data), 0);
	f->filter.id = 17;
	set(f, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 6);
	set(f, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, 0);
	set_ports(f, 40000, 443);
	if (layer == ACCEPT6) {
		set_address(f, SLUICE_FIELD_IP_LOCAL_ADDRESS, local6);
		set_address(f, SLUICE_FIELD_IP_REMOTE_ADDRESS, remote6);
		return;
	}
	set(f, SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_TYPE_UINT32, 0x0a000002);
	set(f, SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_TYPE_UINT32, 0xc0000207);
}

/* The same with a program that listens and is connected. */
static void
start(struct fixture *f, const char *members)
{
	adviser_listen(&f->program);
	add(f, CONNECT, members);
	adviser_accept(&f->program);
}

static struct sluice_classify_out
classify(struct fixture *f, const struct sluice_filter *filter)
{
	return mock_classify(&f->mock, filter, &f->meta, WRITE, 0);
}

static void
assert_out(struct sluice_classify_out out, uint32_t action, uint32_t rights, uint32_t flags)
{
	assert_int_equal(out.action, action);
	assert_int_equal(out.rights, rights);
	assert_int_equal(out.flags, flags);
}

static void
assert_permit(struct sluice_classify_out out)
{
	assert_out(out, SLUICE_ACTION_PERMIT, WRITE, 0);
}

static void
assert_block(struct sluice_classify_out out)
{
	assert_out(out, SLUICE_ACTION_BLOCK, 0, 0);
}

/* The first packet of a flow, whose decision may be put off. */
static struct sluice_classify_out
open_flow(struct fixture *f, const struct sluice_filter *filter)
{
	struct sluice_classify_out out;

	f->mock.token = ++f->token;
	f->meta.valid = SLUICE_METADATA_COMPLETION_HANDLE;
	out = classify(f, filter);
	f->mock.token = 0;
	f->meta.valid = 0;
	return out;
}

static void
ask(struct fixture *f)
{
	const uint64_t n = f->mock.counters[ASKED];

	assert_out(
		open_flow(f, &f->filter), SLUICE_ACTION_BLOCK, 0, SLUICE_CLASSIFY_OUT_FLAG_ABSORB);
	assert_int_equal(f->mock.counters[ASKED], n + 1);
}

/* The flow is judged again, as the host does when it has that answer. */
static struct sluice_classify_out
judge(struct fixture *f, const struct sluice_filter *filter, uint64_t answer)
{
	struct sluice_classify_out out;

	f->meta.valid = SLUICE_METADATA_COMPLETION;
	f->meta.completion = answer;
	set(f, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, SLUICE_CONDITION_FLAG_IS_REAUTHORIZE);
	set(f, SLUICE_FIELD_REAUTHORIZE_REASON, SLUICE_TYPE_UINT32,
		SLUICE_REAUTHORIZE_CLASSIFY_COMPLETION);
	out = classify(f, filter);
	set(f, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, 0);
	set(f, SLUICE_FIELD_REAUTHORIZE_REASON, SLUICE_TYPE_EMPTY, 0);
	f->meta.valid = 0;
	return out;
}

/* The same with the answer that was given to a token, when that many have been given. */
static struct sluice_classify_out
judge_token(struct fixture *f, uint64_t token, uint32_t n)
{
	mock_await(&f->mock, n);
	return judge(f, &f->filter, mock_answer_to(&f->mock, token));
}

static struct sluice_classify_out
judge_nth(struct fixture *f, uint32_t n)
{
	return judge_token(f, f->token, n);
}

/* The id that the last line asks for an answer with. */
static const char *
id_of(struct fixture *f)
{
	static char id[24];

	assert_int_equal(sscanf(f->program.line, "{\"id\": \"%20[0-9]\"", id), 1);
	return id;
}

static void
read_and_say(struct fixture *f, const char *verdict)
{
	adviser_read(&f->program);
	adviser_say(&f->program, "{\"id\": \"%s\", \"verdict\": \"%s\"}\n", id_of(f), verdict);
}

/* --- Asked and answered. --- */

static void
test_permit_and_block(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, 1));
	ask(f);
	read_and_say(f, "block");
	assert_block(judge_nth(f, 2));
	assert_int_equal(f->mock.n_pends, 2);
	assert_int_equal(f->mock.counters[PERMITTED], 1);
	assert_int_equal(f->mock.counters[BLOCKED], 1);
	assert_int_equal(f->mock.counters[UNREACHABLE], 0);
	mock_delete(&f->mock, &f->filter);
}

static void
expect_line(struct fixture *f, const char *rest)
{
	char line[512];

	ask(f);
	adviser_read(&f->program);
	snprintf(line, sizeof(line), "{\"id\": \"%s\", \"flow\": \"%llu\", \"filter\": \"17\", %s}",
		id_of(f), (unsigned long long)f->token, rest);
	assert_string_equal(f->program.line, line);
}

static void
test_what_is_asked(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	expect_line(f,
		"\"layer\": \"ale_auth_connect_v4\", \"protocol\": 6, \"local_address\": "
		"\"10.0.0.2\", "
		"\"remote_address\": \"192.0.2.7\", \"local_port\": 40000, \"remote_port\": 443");
	set(f, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 1);
	set_ports(f, 8, 0);
	expect_line(f,
		"\"layer\": \"ale_auth_connect_v4\", \"protocol\": 1, \"local_address\": "
		"\"10.0.0.2\", "
		"\"remote_address\": \"192.0.2.7\", \"icmp_type\": 8, \"icmp_code\": 0");
	set(f, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 47);
	set(f, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_EMPTY, 0);
	set(f, SLUICE_FIELD_IP_REMOTE_PORT, SLUICE_TYPE_EMPTY, 0);
	expect_line(f,
		"\"layer\": \"ale_auth_connect_v4\", \"protocol\": 47, \"local_address\": "
		"\"10.0.0.2\", "
		"\"remote_address\": \"192.0.2.7\"");
	mock_delete(&f->mock, &f->filter);
}

static void
test_what_is_asked_of_ipv6(void **state)
{
	struct fixture *f = *state;

	adviser_listen(&f->program);
	add(f, ACCEPT6, "");
	adviser_accept(&f->program);
	expect_line(f,
		"\"layer\": \"ale_auth_recv_accept_v6\", \"protocol\": 6, "
		"\"local_address\": \"2001:db8::1\", \"remote_address\": \"2001:db8::2\", "
		"\"local_port\": 40000, \"remote_port\": 443");
	set(f, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 58);
	set_ports(f, 128, 0);
	expect_line(f,
		"\"layer\": \"ale_auth_recv_accept_v6\", \"protocol\": 58, "
		"\"local_address\": \"2001:db8::1\", \"remote_address\": \"2001:db8::2\", "
		"\"icmp_type\": 128, \"icmp_code\": 0");
	mock_delete(&f->mock, &f->filter);
}

/* Answers come in any order, in pieces, and several at a time. */
static void
test_answers_in_any_order(void **state)
{
	struct fixture *f = *state;
	char ids[3][24];

	start(f, "");
	for (int i = 0; i < 3; i++) {
		ask(f);
		adviser_read(&f->program);
		snprintf(ids[i], sizeof(ids[i]), "%s", id_of(f));
	}
	adviser_say(&f->program, "{\"verdict\":\"block\",\"id\":\"%s\"}\n { \"id\" : \"%s\" , ",
		ids[2], ids[0]);
	mock_await(&f->mock, 1);
	adviser_say(&f->program,
		"\"verdict\":\"permit\" }\r\n{\"id\":\"%s\",\"verdict\":\"permit\"}\n", ids[1]);
	assert_block(judge_token(f, f->token, 3));
	assert_permit(judge_token(f, f->token - 1, 3));
	assert_permit(judge_token(f, f->token - 2, 3));
	assert_int_equal(f->mock.counters[MALFORMED], 0);
	mock_delete(&f->mock, &f->filter);
}

static void
test_filter_decides_how(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	f->filter.flags = SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT;
	ask(f);
	read_and_say(f, "permit");
	assert_out(judge_nth(f, 1), SLUICE_ACTION_PERMIT, 0, 0);
	f->filter.action = SLUICE_ACTION_CALLOUT_UNKNOWN;
	assert_out(judge_nth(f, 1), SLUICE_ACTION_CONTINUE, WRITE, 0);
	/* Without the right nobody is asked. */
	f->meta.valid = SLUICE_METADATA_COMPLETION_HANDLE;
	f->mock.token = 1;
	assert_out(
		mock_classify(&f->mock, &f->filter, &f->meta, 0, 0), SLUICE_ACTION_UNTOUCHED, 0, 0);
	assert_int_equal(f->mock.n_pends, 1);
	mock_delete(&f->mock, &f->filter);
}

/* --- Nobody to answer. --- */

static void
test_nobody_listens(void **state)
{
	struct fixture *f = *state;

	add(f, CONNECT, "");
	ask(f);
	assert_block(judge_nth(f, 1));
	mock_delete(&f->mock, &f->filter);
	add(f, CONNECT, ", \"on_unreachable\": \"permit\"");
	ask(f);
	assert_permit(judge_nth(f, 2));
	assert_int_equal(f->mock.counters[UNREACHABLE], 2);
	assert_int_equal(f->mock.counters[PERMITTED] + f->mock.counters[BLOCKED], 0);
	/* It is tried again until somebody does. */
	adviser_listen(&f->program);
	adviser_accept(&f->program);
	ask(f);
	read_and_say(f, "block");
	assert_block(judge_nth(f, 3));
	mock_delete(&f->mock, &f->filter);
}

static void
test_program_dies(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	ask(f);
	ask(f);
	adviser_read(&f->program);
	adviser_hang_up(&f->program);
	assert_block(judge_token(f, f->token, 2));
	assert_block(judge_token(f, f->token - 1, 2));
	assert_int_equal(f->mock.counters[UNREACHABLE], 2);
	adviser_accept(&f->program);
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, 3));
	mock_delete(&f->mock, &f->filter);
}

/* An answer that comes when its time is over changes nothing. */
static void
test_answer_takes_too_long(void **state)
{
	struct fixture *f = *state;

	start(f, ", \"timeout_ms\": 10");
	ask(f);
	adviser_read(&f->program);
	assert_block(judge_nth(f, 1));
	assert_int_equal(f->mock.counters[UNREACHABLE], 1);
	adviser_say(&f->program, "{\"id\": \"%s\", \"verdict\": \"permit\"}\n", id_of(f));
	ask(f);
	mock_await(&f->mock, 2);
	classify(f, &f->filter);
	assert_int_equal(f->mock.counters[LATE], 1);
	assert_int_equal(f->mock.n_completions, 2);
	mock_delete(&f->mock, &f->filter);
}

/* A second answer to a question, and one to none that was asked. */
static void
test_answers_to_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	ask(f);
	adviser_read(&f->program);
	for (int i = 0; i < 2; i++)
		adviser_say(&f->program, "{\"id\": \"%s\", \"verdict\": \"permit\"}\n", id_of(f));
	adviser_say(&f->program, "{\"id\": \"18446744073709551615\", \"verdict\": \"block\"}\n");
	ask(f);
	read_and_say(f, "block");
	assert_block(judge_nth(f, 2));
	assert_int_equal(f->mock.counters[LATE], 2);
	assert_int_equal(f->mock.n_completions, 2);
	mock_delete(&f->mock, &f->filter);
}

/* What is no answer is counted; when it says what it is about, that is decided as without one. */
static void
test_malformed(void **state)
{
	static const char *const lines[] = {"", "permit", "{\"id\": 1, \"verdict\": \"permit\"}",
		"{\"id\": \"\", \"verdict\": \"permit\"}",
		"{\"id\": \"01\", \"verdict\": \"permit\"}",
		"{\"id\": \"1x\", \"verdict\": \"permit\"}",
		"{\"id\": \"-1\", \"verdict\": \"permit\"}",
		"{\"id\": \"18446744073709551616\", \"verdict\": \"permit\"}",
		"{\"verdict\": \"permit\"}", "{\"id\": \"1\"", "[{}]"};
	static const char *const verdicts[] = {"\"verdict\": \"allow\"", "\"verdict\": \"\"",
		"\"verdict\": true", "\"verdict\": \"permit\", \"for\": 5", "\"permit\": 1",
		"\"verdict\": \"permit\", \"verdict\": \"permit\"",
		"\"verdict\": \"permit and some more\""};
	const uint32_t n_lines = sizeof(lines) / sizeof(lines[0]);
	const uint32_t n_verdicts = sizeof(verdicts) / sizeof(verdicts[0]);
	struct fixture *f = *state;

	start(f, "");
	for (uint32_t i = 0; i < n_lines; i++)
		adviser_say(&f->program, "%s\n", lines[i]);
	for (uint32_t i = 0; i < n_verdicts; i++) {
		ask(f);
		adviser_read(&f->program);
		adviser_say(&f->program, "{\"id\": \"%s\", %s}\n", id_of(f), verdicts[i]);
		assert_block(judge_nth(f, i + 1));
	}
	assert_int_equal(f->mock.counters[MALFORMED], n_lines + n_verdicts);
	assert_int_equal(f->mock.counters[UNREACHABLE], n_verdicts);
	/* The connection is as good as before. */
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, n_verdicts + 1));
	mock_delete(&f->mock, &f->filter);
}

/* A line without an end, and one with a NUL in it. */
static void
test_no_line_at_all(void **state)
{
	struct fixture *f = *state;
	char garbage[5000];

	start(f, "");
	ask(f);
	adviser_read(&f->program);
	adviser_say(&f->program, "{\"id\": \"%s\", \"verdict\": \"permit\"}%cx\n", id_of(f), 0);
	memset(garbage, ' ', sizeof(garbage));
	garbage[sizeof(garbage) - 1] = '\0';
	adviser_say(&f->program, "%s", garbage);
	assert_block(judge_nth(f, 1));
	assert_int_equal(f->mock.counters[MALFORMED], 2);
	assert_int_equal(f->mock.counters[UNREACHABLE], 1);
	adviser_hang_up(&f->program);
	adviser_accept(&f->program);
	mock_delete(&f->mock, &f->filter);
}

/* --- No room. --- */

static void
test_too_many_in_flight(void **state)
{
	struct fixture *f = *state;
	struct consult_asker *asker = f->mock.instance;

	start(f, ", \"timeout_ms\": 300000");
	/* Also when all come at once. */
	pthread_mutex_lock(&asker->lock);
	for (uint32_t i = 0; i < CONSULT_IN_FLIGHT; i++)
		ask(f);
	pthread_mutex_unlock(&asker->lock);
	for (uint32_t i = 0; i < CONSULT_IN_FLIGHT; i++)
		adviser_read(&f->program);
	assert_int_equal(f->mock.n_completions, 0);
	ask(f);
	assert_block(judge_nth(f, 1));
	assert_int_equal(f->mock.counters[FULL], 1);
	/* One answer makes room for one question. */
	adviser_say(&f->program, "{\"id\": \"%s\", \"verdict\": \"permit\"}\n", id_of(f));
	mock_await(&f->mock, 2);
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, 3));
	mock_delete(&f->mock, &f->filter);
	mock_await(&f->mock, CONSULT_IN_FLIGHT + 2);
}

/* The thread does not get there: workers decide by themselves, and what is on its way is not lost. */
static void
test_ring_full(void **state)
{
	struct fixture *f = *state;
	struct consult_asker *asker = f->mock.instance;

	add(f, CONNECT, ", \"on_unreachable\": \"permit\"");
	pthread_mutex_lock(&asker->lock);
	for (uint32_t i = 0; i < CONSULT_RING_SIZE; i++)
		ask(f);
	assert_permit(open_flow(f, &f->filter));
	assert_int_equal(f->mock.counters[FULL], 1);
	pthread_mutex_unlock(&asker->lock);
	mock_await(&f->mock, CONSULT_RING_SIZE);
	ask(f);
	mock_await(&f->mock, CONSULT_RING_SIZE + 1);
	mock_delete(&f->mock, &f->filter);
}

static void
test_host_has_no_room(void **state)
{
	struct fixture *f = *state;

	add(f, CONNECT, "");
	f->mock.pend_rc = -105;
	assert_block(open_flow(f, &f->filter));
	assert_int_equal(f->mock.counters[FULL], 1);
	f->mock.pend_rc = -17;
	assert_block(open_flow(f, &f->filter));
	assert_int_equal(f->mock.counters[UNASKED], 1);
	assert_int_equal(f->mock.counters[ASKED], 0);
	mock_delete(&f->mock, &f->filter);
}

/* An answer that the host has no room for is given again until it has, and once. */
static void
test_answer_is_given_again(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	mock_refuse_completions(&f->mock, -105);
	ask(f);
	read_and_say(f, "permit");
	mock_await_refused(&f->mock, 3);
	/* Losing the connection does not change what was said. */
	adviser_hang_up(&f->program);
	adviser_accept(&f->program);
	mock_refuse_completions(&f->mock, 0);
	assert_permit(judge_nth(f, 1));
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, 2));
	assert_int_equal(f->mock.n_completions, 2);
	mock_delete(&f->mock, &f->filter);
}

/* A flow that has ended meanwhile is nobody's trouble. */
static void
test_token_is_gone(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	mock_refuse_completions(&f->mock, -2);
	ask(f);
	read_and_say(f, "permit");
	mock_await_refused(&f->mock, 1);
	mock_refuse_completions(&f->mock, 0);
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, 1));
	assert_int_equal(f->mock.n_completions_refused, 1);
	mock_delete(&f->mock, &f->filter);
}

/* --- Where nobody can be asked. --- */

static struct sluice_classify_out
classify_for(struct fixture *f, uint32_t reason)
{
	struct sluice_classify_out out;

	set(f, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, SLUICE_CONDITION_FLAG_IS_REAUTHORIZE);
	set(f, SLUICE_FIELD_REAUTHORIZE_REASON, SLUICE_TYPE_UINT32, reason);
	out = classify(f, &f->filter);
	set(f, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, 0);
	set(f, SLUICE_FIELD_REAUTHORIZE_REASON, SLUICE_TYPE_EMPTY, 0);
	return out;
}

static void
test_cannot_be_put_off(void **state)
{
	struct fixture *f = *state;

	add(f, CONNECT, "");
	/* The middle of a connection. */
	assert_block(classify_for(f, SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION));
	/* Behind another callout that has put it off. */
	assert_block(classify_for(f, SLUICE_REAUTHORIZE_CLASSIFY_COMPLETION));
	assert_block(classify(f, &f->filter));
	assert_int_equal(f->mock.counters[UNASKED], 3);
	/* Without a packet. */
	assert_block(mock_classify_flow(&f->mock, &f->filter, &f->meta, WRITE));
	mock_delete(&f->mock, &f->filter);
	add(f, CONNECT, ", \"on_unreachable\": \"permit\"");
	assert_permit(classify_for(f, SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION));
	assert_int_equal(f->mock.n_pends, 0);
	mock_delete(&f->mock, &f->filter);
}

/* A new policy does not open a connection that is open. */
static void
test_let_in_stays(void **state)
{
	struct fixture *f = *state;

	add(f, CONNECT, "");
	assert_permit(classify_for(f, SLUICE_REAUTHORIZE_POLICY_CHANGE));
	set(f, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, SLUICE_CONDITION_FLAG_IS_REAUTHORIZE);
	assert_permit(mock_classify_flow(&f->mock, &f->filter, &f->meta, WRITE));
	assert_int_equal(f->mock.n_pends, 0);
	assert_int_equal(f->mock.counters[UNASKED] + f->mock.counters[PERMITTED], 0);
	mock_delete(&f->mock, &f->filter);
}

/* An answer is judged without a packet too. */
static void
test_answer_without_packet(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	ask(f);
	read_and_say(f, "permit");
	mock_await(&f->mock, 1);
	f->meta.valid = SLUICE_METADATA_COMPLETION;
	f->meta.completion = mock_answer_to(&f->mock, f->token);
	assert_permit(mock_classify_flow(&f->mock, &f->filter, &f->meta, WRITE));
	mock_delete(&f->mock, &f->filter);
}

/* --- Several filters. --- */

static void
test_two_programs(void **state)
{
	struct fixture *f = *state;
	struct adviser_program other;
	struct sluice_filter second;
	char data[300];
	uint64_t answer;

	start(f, "");
	adviser_init(&other);
	adviser_listen(&other);
	snprintf(data, sizeof(data), "{\"socket\": \"%s\"}", other.path);
	assert_int_equal(mock_add_at(&f->mock, &second, CONNECT, TERMINATING, data), 0);
	adviser_accept(&other);
	assert_out(open_flow(f, &second), SLUICE_ACTION_BLOCK, 0, SLUICE_CLASSIFY_OUT_FLAG_ABSORB);
	adviser_read(&other);
	adviser_expect_silence(&f->program);
	adviser_say(&other, "{\"id\": \"%.*s\", \"verdict\": \"permit\"}\n",
		(int)strspn(other.line + 8, "0123456789"), other.line + 8);
	mock_await(&f->mock, 1);
	answer = mock_answer_to(&f->mock, f->token);
	assert_permit(judge(f, &second, answer));
	/* One's answer is not the other's. */
	assert_block(judge(f, &f->filter, answer));
	assert_int_equal(f->mock.counters[UNASKED], 1);
	mock_delete(&f->mock, &second);
	adviser_expect_end(&other);
	adviser_fini(&other);
	mock_delete(&f->mock, &f->filter);
}

/* Filters of one program share the connection, until the last one has gone. */
static void
test_one_program_for_two(void **state)
{
	struct fixture *f = *state;
	struct sluice_filter second;

	start(f, "");
	assert_int_equal(mock_add_at(&f->mock, &second, CONNECT, TERMINATING, f->data), 0);
	ask(f);
	mock_delete(&f->mock, &f->filter);
	adviser_read(&f->program);
	f->filter = second;
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, 1));
	/* Who is still waiting when it goes is not left alone. */
	f->token--;
	mock_delete(&f->mock, &second);
	mock_await(&f->mock, 2);
	assert_int_equal(
		consult_answer_verdict(mock_answer_to(&f->mock, f->token)), CONSULT_UNREACHABLE);
	adviser_expect_end(&f->program);
}

/* Unloading does not wait for anybody. */
static void
test_unload_in_flight(void **state)
{
	struct fixture *f = *state;

	start(f, ", \"timeout_ms\": 300000");
	ask(f);
	adviser_read(&f->program);
	ask(f);
	mock_delete(&f->mock, &f->filter);
	f->mock.callout->unload(f->mock.instance);
	assert_int_equal(f->mock.callout->load(&f->mock.host, &f->mock.instance), 0);
	assert_int_equal(f->mock.n_completions, 2);
	adviser_expect_end(&f->program);
}

static void
test_limit_of_programs(void **state)
{
	struct sluice_filter filters[CONSULT_LINKS_MAX];
	struct sluice_filter more;
	struct fixture *f = *state;
	char data[100];

	for (uint32_t i = 0; i < CONSULT_LINKS_MAX; i++) {
		snprintf(data, sizeof(data), "{\"socket\": \"%s/%u\"}", f->program.dir, i);
		assert_int_equal(mock_add_at(&f->mock, &filters[i], CONNECT, TERMINATING, data), 0);
	}
	assert_int_not_equal(mock_add_at(&f->mock, &more, CONNECT, TERMINATING,
				     "{\"socket\": \"/nowhere/else\"}"),
		0);
	assert_string_equal(f->mock.refusal, "64 programs are asked already, which is the limit");
	for (uint32_t i = 0; i < CONSULT_LINKS_MAX; i++)
		mock_delete(&f->mock, &filters[i]);
}

/* --- Remembered. --- */

static void
test_remembered(void **state)
{
	struct fixture *f = *state;

	start(f, ", \"cache_seconds\": 10");
	ask(f);
	read_and_say(f, "permit");
	assert_permit(judge_nth(f, 1));
	/* The next connection to the same service, from another port. */
	set_ports(f, 40001, 443);
	assert_permit(open_flow(f, &f->filter));
	f->meta.time_ns = START + 10 * SECOND;
	assert_permit(open_flow(f, &f->filter));
	assert_int_equal(f->mock.counters[REMEMBERED], 2);
	assert_int_equal(f->mock.counters[PERMITTED], 3);
	assert_int_equal(f->mock.n_pends, 1);
	/* Another service, another host, another protocol. */
	set_ports(f, 40000, 444);
	ask(f);
	set_ports(f, 40000, 443);
	set(f, SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_TYPE_UINT32, 0x0a000003);
	ask(f);
	set(f, SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_TYPE_UINT32, 0x0a000002);
	set(f, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 17);
	ask(f);
	set(f, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 6);
	f->meta.time_ns = START + 10 * SECOND + 2;
	ask(f);
	/* A clock that was set back says nothing about age. */
	f->meta.time_ns = START - SECOND;
	ask(f);
	mock_delete(&f->mock, &f->filter);
}

static void
test_blocks_are_remembered(void **state)
{
	struct fixture *f = *state;

	start(f, ", \"cache_seconds\": 10, \"on_unreachable\": \"permit\"");
	ask(f);
	read_and_say(f, "block");
	assert_block(judge_nth(f, 1));
	assert_block(open_flow(f, &f->filter));
	assert_int_equal(f->mock.counters[BLOCKED], 2);
	/* What was decided without an answer is not. */
	set_ports(f, 40000, 80);
	ask(f);
	adviser_hang_up(&f->program);
	assert_permit(judge_nth(f, 2));
	adviser_accept(&f->program);
	ask(f);
	mock_delete(&f->mock, &f->filter);
}

static void
test_nothing_is_remembered(void **state)
{
	struct fixture *f = *state;

	start(f, ", \"cache_seconds\": 0");
	for (uint32_t i = 1; i <= 2; i++) {
		ask(f);
		read_and_say(f, "permit");
		assert_permit(judge_nth(f, i));
	}
	assert_int_equal(f->mock.counters[REMEMBERED], 0);
	mock_delete(&f->mock, &f->filter);
}

/* --- Settings. --- */

#define SOCKET_WORDS "\"socket\" must be the absolute path of a unix socket, at most 107 bytes"
#define NAMES_20     "/23456789/1234567890"

static void
test_refusals(void **state)
{
	static const struct {
		const char *data;
		const char *words;
	} bad[] = {
		{NULL,
			"it needs a provider context with data such as {\"socket\": "
			"\"/run/judge.sock\"}"},
		{"7", "the provider context's data is not a JSON object"},
		{"{}", SOCKET_WORDS},
		{"{\"socket\": 7}", SOCKET_WORDS},
		{"{\"socket\": \"\"}", SOCKET_WORDS},
		{"{\"socket\": \"run/judge.sock\"}", SOCKET_WORDS},
		{"{\"socket\": \"" NAMES_20 NAMES_20 NAMES_20 NAMES_20 NAMES_20 "/1234567\"}",
			SOCKET_WORDS},
		{"{\"socket\": \"/s\", \"sokcet\": 1}",
			"the provider context's data has a member \"sokcet\"; it may have "
			"\"socket\", "
			"\"on_unreachable\", \"timeout_ms\" and \"cache_seconds\""},
		{"{\"socket\": \"/s\", \"on_unreachable\": \"allow\"}",
			"\"on_unreachable\" must be \"block\" or \"permit\""},
		{"{\"socket\": \"/s\", \"on_unreachable\": true}",
			"\"on_unreachable\" must be \"block\" or \"permit\""},
		{"{\"socket\": \"/s\", \"timeout_ms\": 9}",
			"\"timeout_ms\" must be an integer from 10 to 300000"},
		{"{\"socket\": \"/s\", \"timeout_ms\": 300001}",
			"\"timeout_ms\" must be an integer from 10 to 300000"},
		{"{\"socket\": \"/s\", \"cache_seconds\": -1}",
			"\"cache_seconds\" must be an integer from 0 to 3600"},
		{"{\"socket\": \"/s\", \"cache_seconds\": 3601}",
			"\"cache_seconds\" must be an integer from 0 to 3600"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(
			mock_add_at(&f->mock, &f->filter, CONNECT, TERMINATING, bad[i].data), 0);
		assert_string_equal(f->mock.refusal, bad[i].words);
	}
	assert_int_equal(
		mock_add_at(&f->mock, &f->filter, CONNECT, TERMINATING,
			"{\"socket\": \"" NAMES_20 NAMES_20 NAMES_20 NAMES_20 NAMES_20
			"/123456\", \"on_unreachable\": \"block\", \"timeout_ms\": 300000, "
			"\"cache_seconds\": 3600}"),
		0);
	mock_delete(&f->mock, &f->filter);
}

static void
test_refused_uses(void **state)
{
	static const uint32_t elsewhere[] = {SLUICE_LAYER_INBOUND_TRANSPORT_V4,
		SLUICE_LAYER_ALE_AUTH_CONNECT_V4_DISCARD, SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6,
		SLUICE_LAYER_STREAM_PACKET_V4};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		assert_int_not_equal(mock_add_at(&f->mock, &f->filter, elsewhere[i], TERMINATING,
					     "{\"socket\": \"/s\"}"),
			0);
		assert_string_equal(f->mock.refusal,
			"it works at ale_auth_connect and ale_auth_recv_accept alone, where "
			"connections are opened");
	}
	assert_int_not_equal(mock_add_at(&f->mock, &f->filter, CONNECT,
				     SLUICE_ACTION_CALLOUT_INSPECTION, "{\"socket\": \"/s\"}"),
		0);
	assert_string_equal(f->mock.refusal,
		"an answer that cannot block is none; use the action callout_terminating or "
		"callout_unknown");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_permit_and_block),
		TEST(test_what_is_asked),
		TEST(test_what_is_asked_of_ipv6),
		TEST(test_answers_in_any_order),
		TEST(test_filter_decides_how),
		TEST(test_nobody_listens),
		TEST(test_program_dies),
		TEST(test_answer_takes_too_long),
		TEST(test_answers_to_nothing),
		TEST(test_malformed),
		TEST(test_no_line_at_all),
		TEST(test_too_many_in_flight),
		TEST(test_ring_full),
		TEST(test_host_has_no_room),
		TEST(test_answer_is_given_again),
		TEST(test_token_is_gone),
		TEST(test_cannot_be_put_off),
		TEST(test_let_in_stays),
		TEST(test_answer_without_packet),
		TEST(test_two_programs),
		TEST(test_one_program_for_two),
		TEST(test_unload_in_flight),
		TEST(test_limit_of_programs),
		TEST(test_remembered),
		TEST(test_blocks_are_remembered),
		TEST(test_nothing_is_remembered),
		TEST(test_refusals),
		TEST(test_refused_uses),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
