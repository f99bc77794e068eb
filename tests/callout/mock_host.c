/* SPDX-License-Identifier: BSD-3-Clause */
#include "mock_host.h"

#include "callout/json_scan.h"
#include "policy/sl_layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MOCK_WORKERS 4

static void
mock_log(const struct sluice_host *host, int level, const char *text)
{
	struct mock *mock = (struct mock *)(uintptr_t)host;

	assert_in_range(level, 0, 4);
	snprintf(mock->logged, sizeof(mock->logged), "%s", text);
}

static void
mock_refuse(const struct sluice_host *host, const char *text)
{
	struct mock *mock = (struct mock *)(uintptr_t)host;

	assert_true(strlen(text) < 256);
	snprintf(mock->refusal, sizeof(mock->refusal), "%s", text);
}

static int
mock_field_index(uint32_t layer, uint32_t field)
{
	const struct sl_layer *about =
		layer < SLUICE_LAYER_COUNT ? sl_layer_by_id((enum sluice_layer)layer) : NULL;

	for (int i = 0; about != NULL && i < about->n_fields; i++) {
		if (about->fields[i].field == field)
			return i;
	}
	return -2;
}

static uint32_t
mock_packet_length(const struct sluice_packet *packet)
{
	return packet->mock->length;
}

static uint32_t
mock_packet_read(const struct sluice_packet *packet, uint32_t offset, void *to, uint32_t length)
{
	const struct mock *mock = packet->mock;

	if (offset >= mock->readable)
		return 0;
	if (length > mock->readable - offset)
		length = mock->readable - offset;
	memcpy(to, mock->frame + offset, length);
	return length;
}

static int
mock_packet_reply(struct sluice_packet *packet, const void *frame, uint32_t length)
{
	struct mock *mock = packet->mock;

	assert_in_range(length, 14, 1514);
	if (mock->reply_rc != 0)
		return mock->reply_rc;
	mock->n_replies++;
	mock->reply_length = length;
	memcpy(mock->reply, frame, length);
	return 0;
}

static void
mock_count(struct sluice_packet *packet, uint32_t counter, uint64_t n)
{
	assert_in_range(counter, 0, 15);
	if (packet != NULL)
		packet->mock->counters[counter] += n;
}

static int
mock_flow_associate(struct sluice_packet *packet, uint32_t layer, uint64_t context)
{
	struct mock *mock = packet->mock;

	assert_true(context != 0);
	if (mock->associate_rc != 0)
		return mock->associate_rc;
	if (mock->flow_context != 0)
		return -17;
	mock->flow_layer = layer;
	mock->flow_context = context;
	return 0;
}

static int
mock_flow_remove(struct sluice_packet *packet, uint32_t layer)
{
	struct mock *mock = packet->mock;
	const uint64_t context = mock->flow_context;

	if (context == 0 || mock->flow_layer != layer)
		return -2;
	mock->flow_context = 0;
	mock->n_gone++;
	mock->callout->flow_delete(mock->instance, 0, layer, context);
	return 0;
}

static int
mock_flow_abort(struct sluice_packet *packet)
{
	packet->mock->n_aborts++;
	return 0;
}

static int
mock_pend(struct sluice_packet *packet, uint64_t *token)
{
	struct mock *mock = packet->mock;

	if (mock->token == 0)
		return -1;
	if (mock->pend_rc != 0)
		return mock->pend_rc;
	mock->n_pends++;
	*token = mock->token;
	return 0;
}

/* Any thread: cmocka's assertions are for the test's own. */
static int
mock_complete(const struct sluice_host *host, uint64_t token, uint64_t answer)
{
	struct mock *mock = (struct mock *)(uintptr_t)host;
	int rc;

	pthread_mutex_lock(&mock->lock);
	rc = mock->complete_rc;
	if (rc != 0) {
		mock->n_completions_refused++;
	} else {
		if (mock->n_completions < MOCK_COMPLETIONS)
			mock->completions[mock->n_completions] =
				(struct mock_completion){.token = token, .answer = answer};
		mock->n_completions++;
	}
	pthread_cond_broadcast(&mock->completed);
	pthread_mutex_unlock(&mock->lock);
	return rc;
}

void
mock_init(struct mock *mock, const struct sluice_callout *callout)
{
	memset(mock, 0, sizeof(*mock));
	mock->packet.mock = mock;
	mock->callout = callout;
	mock->host = (struct sluice_host){
		.abi_version = SLUICE_ABI_VERSION,
		.size = sizeof(mock->host),
		.version = "test",
		.n_workers_max = MOCK_WORKERS,
		.log = mock_log,
		.refuse = mock_refuse,
		.json_integer = sl_callout_json_integer,
		.json_strict = sl_callout_json_strict,
		.field_index = mock_field_index,
		.packet_length = mock_packet_length,
		.packet_read = mock_packet_read,
		.packet_reply = mock_packet_reply,
		.count = mock_count,
		.flow_associate = mock_flow_associate,
		.flow_remove = mock_flow_remove,
		.flow_abort = mock_flow_abort,
		.pend = mock_pend,
		.complete = mock_complete,
		.json_string = sl_callout_json_string,
	};
	assert_int_equal(pthread_mutex_init(&mock->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&mock->completed, NULL), 0);
	if (callout->load != NULL)
		assert_int_equal(callout->load(&mock->host, &mock->instance), 0);
}

void
mock_fini(struct mock *mock)
{
	if (mock->callout->unload != NULL)
		mock->callout->unload(mock->instance);
	pthread_cond_destroy(&mock->completed);
	pthread_mutex_destroy(&mock->lock);
}

int
mock_add(struct mock *mock, struct sluice_filter *filter, uint32_t action, const char *data)
{
	return mock_add_at(mock, filter, SLUICE_LAYER_INBOUND_TRANSPORT_V4, action, data);
}

int
mock_add_at(struct mock *mock, struct sluice_filter *filter, uint32_t layer, uint32_t action,
	const char *data)
{
	*filter = (struct sluice_filter){
		.key = "under-test",
		.id = 1,
		.layer = layer,
		.action = action,
		.provider_context = data,
		.provider_context_len = data != NULL ? strlen(data) : 0,
	};
	mock->refusal[0] = '\0';
	return mock->callout->notify(mock->instance, SLUICE_NOTIFY_ADD_FILTER, filter);
}

void
mock_delete(struct mock *mock, struct sluice_filter *filter)
{
	mock->callout->notify(mock->instance, SLUICE_NOTIFY_DELETE_FILTER, filter);
}

void
mock_frame(struct mock *mock, const uint8_t *frame, uint32_t length)
{
	mock->frame = frame;
	mock->readable = length;
	mock->length = length;
}

static struct sluice_classify_out
classify(struct mock *mock, const struct sluice_filter *filter, const struct sluice_metadata *meta,
	struct sluice_packet *packet, uint32_t rights, uint32_t worker)
{
	struct sluice_classify_out out = {.action = SLUICE_ACTION_UNTOUCHED, .rights = rights};
	const struct sluice_classify_in in = {
		.size = sizeof(in),
		.layer = filter->layer,
		.worker = worker,
		.meta = meta,
		.packet = packet,
		.values = mock->values,
		.flow_context = mock->flow_layer == filter->layer ? mock->flow_context : 0,
		.filter = filter,
		.callout = mock->instance,
	};

	mock->callout->classify(&in, &out);
	return out;
}

struct sluice_classify_out
mock_classify(struct mock *mock, const struct sluice_filter *filter,
	const struct sluice_metadata *meta, uint32_t rights, uint32_t worker)
{
	return classify(mock, filter, meta, &mock->packet, rights, worker);
}

struct sluice_classify_out
mock_classify_flow(struct mock *mock, const struct sluice_filter *filter,
	const struct sluice_metadata *meta, uint32_t rights)
{
	return classify(mock, filter, meta, NULL, rights, 0);
}

void
mock_refuse_completions(struct mock *mock, int rc)
{
	pthread_mutex_lock(&mock->lock);
	mock->complete_rc = rc;
	pthread_mutex_unlock(&mock->lock);
}

static void
await(struct mock *mock, const uint32_t *number, uint32_t wanted)
{
	struct timespec end;
	int rc = 0;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &end), 0);
	end.tv_sec += MOCK_PATIENCE_S;
	pthread_mutex_lock(&mock->lock);
	while (*number < wanted && rc == 0)
		rc = pthread_cond_timedwait(&mock->completed, &mock->lock, &end);
	pthread_mutex_unlock(&mock->lock);
	assert_int_equal(rc, 0);
}

void
mock_await(struct mock *mock, uint32_t n_completions)
{
	await(mock, &mock->n_completions, n_completions);
}

void
mock_await_refused(struct mock *mock, uint32_t n_refused)
{
	await(mock, &mock->n_completions_refused, n_refused);
}

uint64_t
mock_answer_to(struct mock *mock, uint64_t token)
{
	uint64_t answer = 0;
	uint32_t n = 0;

	pthread_mutex_lock(&mock->lock);
	for (uint32_t i = 0; i < mock->n_completions && i < MOCK_COMPLETIONS; i++) {
		if (mock->completions[i].token != token)
			continue;
		answer = mock->completions[i].answer;
		n++;
	}
	pthread_mutex_unlock(&mock->lock);
	assert_int_equal(n, 1);
	return answer;
}
