/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * consult: asks a program on this machine whether a connection may be opened, and holds it until there is an answer.
 *
 * At ale_auth_connect and ale_auth_recv_accept.  The filter's provider context says whom to ask:
 *   {"socket": PATH,                a unix stream socket that the program listens on; absolute, at most 107 bytes
 *    "on_unreachable": "block",     or "permit": what is done without an answer; "block" unless given
 *    "timeout_ms": N,               10 .. 300,000, 5,000 unless given: an answer that takes longer is none
 *    "cache_seconds": N}            0 .. 3,600, 0 unless given: how long an answer holds for the same two hosts,
 *                                   protocol, direction and port of the service (consult_memory.h)
 * Filters with the same socket share a connection, on which up to 1,024 questions wait for an answer; up to 64 programs
 * are asked.  What is said on it is in consult_link.h.  Whoever may put a socket at that path decides.
 *
 * A flow is asked about once, when it is opened.  When the policy changes, a flow that was let in stays so: it is not
 * being opened.  Where a decision cannot be put off - in the middle of a connection whose beginning was not seen, or
 * behind somebody else who has put it off - nobody can be asked, and on_unreachable decides; of several filters that
 * match a flow the first one asks.  When the time of the host is over before ours, the filter is as one whose callout
 * is not registered.
 *
 * Without the right to decide it does nothing, and asks nobody.  A filter with the action callout_unknown goes on to the
 * next filter in place of permitting.
 */

#include "consult_asker.h"
#include "consult_memory.h"
#include "verdict.h"

#include <sluice/sluice_callout.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_MEMBER     (-2)
#define NO_ROOM       (-105)
#define TIMEOUT_MIN   10
#define TIMEOUT_MAX   300000
#define TIMEOUT_USUAL 5000
#define CACHE_MAX     3600
#define SECOND        UINT64_C(1000000000)

enum counter {
	COUNTER_ASKED,
	COUNTER_PERMITTED, /* by an answer, new or remembered */
	COUNTER_BLOCKED,
	COUNTER_REMEMBERED,  /* of these two */
	COUNTER_UNREACHABLE, /* flows that on_unreachable decided about: no answer */
	COUNTER_FULL,        /* the same, for want of room */
	COUNTER_UNASKED,     /* the same, where a decision cannot be put off */
	COUNTER_MALFORMED,   /* lines that are no answer */
	COUNTER_LATE         /* answers that nobody waited for any more */
};

static const char *const counter_names[] = {"asked", "permitted", "blocked", "remembered",
	"unreachable", "full", "unasked", "malformed", "late", NULL};

enum field {
	FIELD_LOCAL_ADDRESS,
	FIELD_REMOTE_ADDRESS,
	FIELD_LOCAL_PORT,
	FIELD_REMOTE_PORT,
	FIELD_PROTOCOL,
	FIELD_FLAGS,
	FIELD_REASON,
	FIELD_COUNT
};

#define LAYER_COUNT 4

/* One layer's fields: their places in the values. */
struct fields {
	uint32_t layer;
	int at[FIELD_COUNT];
};

struct consult {
	struct consult_asker asker;
	const struct sluice_host *host;
	struct fields fields[LAYER_COUNT];
};

/* What a filter says. */
struct adviser {
	const struct fields *fields;
	uint32_t link;
	uint32_t timeout_ms;
	bool permits_unreachable;
	uint64_t cache_ns;
	struct consult_memory *memory; /* NULL: nothing is remembered */
};

/* --- Packet time: what is asked. --- */

static void
get_address(const struct sluice_value *value, uint8_t to[16])
{
	memset(to, 0, 16);
	if (value->type == SLUICE_TYPE_BYTE_ARRAY16) {
		memcpy(to, value->bytes, 16);
		return;
	}
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value->number >> (24 - 8 * i));
}

static void
get_question(const struct sluice_classify_in *in, const struct adviser *adviser,
	struct consult_question *question)
{
	const int *at = adviser->fields->at;
	const struct sluice_value *values = in->values;

	*question = (struct consult_question){
		.filter = in->filter->id,
		.link = adviser->link,
		.timeout_ms = adviser->timeout_ms,
		.layer = in->layer,
		.protocol = (uint8_t)values[at[FIELD_PROTOCOL]].number,
		.has_ports = values[at[FIELD_LOCAL_PORT]].type != SLUICE_TYPE_EMPTY &&
			values[at[FIELD_REMOTE_PORT]].type != SLUICE_TYPE_EMPTY,
		.is_outbound = in->layer == SLUICE_LAYER_ALE_AUTH_CONNECT_V4 ||
			in->layer == SLUICE_LAYER_ALE_AUTH_CONNECT_V6,
		.local_port = (uint16_t)values[at[FIELD_LOCAL_PORT]].number,
		.remote_port = (uint16_t)values[at[FIELD_REMOTE_PORT]].number,
	};
	get_address(&values[at[FIELD_LOCAL_ADDRESS]], question->local_address);
	get_address(&values[at[FIELD_REMOTE_ADDRESS]], question->remote_address);
}

/* 0: the question is on its way. */
static enum consult_verdict
put_off(struct consult *consult, const struct sluice_classify_in *in,
	struct consult_question *question)
{
	int rc;

	if (in->packet == NULL || (in->meta->valid & SLUICE_METADATA_COMPLETION_HANDLE) == 0)
		return CONSULT_UNASKED;
	rc = consult->host->pend(in->packet, &question->token);
	if (rc != 0)
		return rc == NO_ROOM ? CONSULT_FULL : CONSULT_UNASKED;
	/* A flow that is then not absorbed was not put off. */
	if (!consult_ring_put(&consult->asker.ring, question))
		return CONSULT_FULL;
	consult->host->count(in->packet, COUNTER_ASKED, 1);
	return (enum consult_verdict)0;
}

/* --- Packet time: what is known. --- */

static enum consult_verdict
take_answer(const struct sluice_classify_in *in, const struct adviser *adviser,
	const struct consult_question *question)
{
	const uint64_t answer = in->meta->completion;
	const enum consult_verdict verdict = consult_answer_verdict(answer);
	struct consult_key key;

	if (consult_answer_link(answer) != adviser->link)
		return CONSULT_UNASKED;
	if (adviser->memory != NULL && (verdict == CONSULT_PERMIT || verdict == CONSULT_BLOCK)) {
		consult_key_of(question, &key);
		consult_memory_put(adviser->memory, &key, verdict, in->meta->time_ns);
	}
	return verdict;
}

static enum consult_verdict
remember(const struct consult *consult, const struct sluice_classify_in *in,
	const struct adviser *adviser, const struct consult_question *question)
{
	enum consult_verdict verdict;
	struct consult_key key;

	if (adviser->memory == NULL)
		return (enum consult_verdict)0;
	consult_key_of(question, &key);
	verdict = consult_memory_get(adviser->memory, &key, in->meta->time_ns, adviser->cache_ns);
	if (verdict != 0)
		consult->host->count(in->packet, COUNTER_REMEMBERED, 1);
	return verdict;
}

/* 0: the flow is put off. */
static enum consult_verdict
judge(struct consult *consult, const struct sluice_classify_in *in, const struct adviser *adviser)
{
	struct consult_question question;
	enum consult_verdict verdict;

	get_question(in, adviser, &question);
	if ((in->meta->valid & SLUICE_METADATA_COMPLETION) != 0)
		return take_answer(in, adviser, &question);
	verdict = remember(consult, in, adviser, &question);
	return verdict != 0 ? verdict : put_off(consult, in, &question);
}

/* Judged anew for another reason than that it is being opened. */
static bool
is_let_in(const struct sluice_classify_in *in, const struct adviser *adviser)
{
	const uint64_t opening =
		SLUICE_REAUTHORIZE_CLASSIFY_COMPLETION | SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION;
	const int *at = adviser->fields->at;

	return (in->values[at[FIELD_FLAGS]].number & SLUICE_CONDITION_FLAG_IS_REAUTHORIZE) != 0 &&
		(in->values[at[FIELD_REASON]].number & opening) == 0;
}

/* --- Packet time: what is answered. --- */

static enum counter
counter_of(enum consult_verdict verdict)
{
	switch (verdict) {
	case CONSULT_PERMIT:
		return COUNTER_PERMITTED;
	case CONSULT_BLOCK:
		return COUNTER_BLOCKED;
	case CONSULT_FULL:
		return COUNTER_FULL;
	case CONSULT_UNASKED:
		return COUNTER_UNASKED;
	default:
		return COUNTER_UNREACHABLE;
	}
}

static void
count_tally(const struct sluice_host *host, const struct sluice_classify_in *in,
	_Atomic uint64_t *tally, enum counter counter)
{
	if (in->packet != NULL && atomic_load_explicit(tally, memory_order_relaxed) != 0)
		host->count(in->packet, counter,
			atomic_exchange_explicit(tally, 0, memory_order_relaxed));
}

static void
consult_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	const struct adviser *adviser = (const struct adviser *)(uintptr_t)in->filter->context;
	struct consult *consult = in->callout;
	struct consult_tally *tally = &consult->asker.desk.tally;
	enum consult_verdict verdict;

	if ((out->rights & SLUICE_RIGHT_ACTION_WRITE) == 0)
		return;
	count_tally(consult->host, in, &tally->malformed, COUNTER_MALFORMED);
	count_tally(consult->host, in, &tally->late, COUNTER_LATE);
	if (is_let_in(in, adviser)) {
		verdict_permit(in->filter, out);
		return;
	}
	verdict = judge(consult, in, adviser);
	if (verdict == 0) {
		verdict_block(out, SLUICE_CLASSIFY_OUT_FLAG_ABSORB);
		return;
	}
	consult->host->count(in->packet, counter_of(verdict), 1);
	if (verdict == CONSULT_PERMIT || (verdict != CONSULT_BLOCK && adviser->permits_unreachable))
		verdict_permit(in->filter, out);
	else
		verdict_block(out, 0);
}

/* --- Control thread: what a provider context says. --- */

struct settings {
	char socket[CONSULT_PATH_SIZE];
	bool permits_unreachable;
	int64_t timeout_ms;
	int64_t cache_s;
};

static int
refuse(const struct sluice_host *host, const char *text)
{
	host->refuse(host, text);
	return -1;
}

static int
check_members(const struct sluice_host *host, const char *data)
{
	static const char *const members[] = {
		"socket", "on_unreachable", "timeout_ms", "cache_seconds", NULL};
	char other[64];
	char text[220];

	if (data == NULL)
		return refuse(host,
			"it needs a provider context with data such as {\"socket\": "
			"\"/run/judge.sock\"}");
	switch (host->json_strict(data, members, other, sizeof(other))) {
	case 0:
		return 0;
	case NO_MEMBER:
		snprintf(text, sizeof(text),
			"the provider context's data has a member \"%s\"; it may have \"socket\", "
			"\"on_unreachable\", \"timeout_ms\" and \"cache_seconds\"",
			other);
		return refuse(host, text);
	default:
		return refuse(host, "the provider context's data is not a JSON object");
	}
}

static int
read_socket(const struct sluice_host *host, const char *data, char *path)
{
	char text[120];

	if (host->json_string(data, "socket", path, CONSULT_PATH_SIZE) == 0 && path[0] == '/')
		return 0;
	snprintf(text, sizeof(text),
		"\"socket\" must be the absolute path of a unix socket, at most %zu bytes",
		CONSULT_PATH_SIZE - 1);
	return refuse(host, text);
}

static int
read_on_unreachable(const struct sluice_host *host, const char *data, bool *permits)
{
	char text[8] = "";
	const int rc = host->json_string(data, "on_unreachable", text, sizeof(text));

	*permits = rc == 0 && strcmp(text, "permit") == 0;
	if (rc == NO_MEMBER || *permits || (rc == 0 && strcmp(text, "block") == 0))
		return 0;
	return refuse(host, "\"on_unreachable\" must be \"block\" or \"permit\"");
}

static int
read_number(const struct sluice_host *host, const char *data, const char *member, int64_t min,
	int64_t max, int64_t *value)
{
	char text[160];
	const int rc = host->json_integer(data, member, min, max, value);

	if (rc == 0 || rc == NO_MEMBER)
		return 0;
	snprintf(text, sizeof(text), "\"%s\" must be an integer from %lld to %lld", member,
		(long long)min, (long long)max);
	return refuse(host, text);
}

static int
read_settings(const struct sluice_host *host, const char *data, struct settings *settings)
{
	*settings = (struct settings){.timeout_ms = TIMEOUT_USUAL};
	if (check_members(host, data) != 0 || read_socket(host, data, settings->socket) != 0 ||
		read_on_unreachable(host, data, &settings->permits_unreachable) != 0 ||
		read_number(host, data, "timeout_ms", TIMEOUT_MIN, TIMEOUT_MAX,
			&settings->timeout_ms) != 0)
		return -1;
	return read_number(host, data, "cache_seconds", 0, CACHE_MAX, &settings->cache_s);
}

/* --- Control thread: filters. --- */

static void
free_adviser(struct adviser *adviser)
{
	if (adviser != NULL)
		free(adviser->memory);
	free(adviser);
}

static struct adviser *
new_adviser(const struct settings *settings, const struct fields *fields)
{
	struct adviser *adviser = calloc(1, sizeof(*adviser));

	if (adviser == NULL)
		return NULL;
	adviser->fields = fields;
	adviser->timeout_ms = (uint32_t)settings->timeout_ms;
	adviser->permits_unreachable = settings->permits_unreachable;
	adviser->cache_ns = (uint64_t)settings->cache_s * SECOND;
	if (settings->cache_s == 0)
		return adviser;
	adviser->memory =
		aligned_alloc(_Alignof(struct consult_memory), sizeof(struct consult_memory));
	if (adviser->memory == NULL) {
		free(adviser);
		return NULL;
	}
	memset(adviser->memory, 0, sizeof(*adviser->memory));
	return adviser;
}

static int
add_adviser(struct consult *consult, struct sluice_filter *filter, const struct settings *settings,
	const struct fields *fields)
{
	struct adviser *adviser = new_adviser(settings, fields);
	const int rc = adviser != NULL
		? consult_asker_join(&consult->asker, settings->socket, &adviser->link)
		: ENOMEM;

	if (rc == 0) {
		filter->context = (uint64_t)(uintptr_t)adviser;
		return 0;
	}
	free_adviser(adviser);
	if (rc == EMFILE)
		return refuse(consult->host, "64 programs are asked already, which is the limit");
	return refuse(consult->host,
		rc == ENOMEM ? "not enough memory" : "the thread that asks cannot be started");
}

static int
add_filter(struct consult *consult, struct sluice_filter *filter)
{
	const struct fields *fields = NULL;
	struct settings settings;

	if (filter->action == SLUICE_ACTION_CALLOUT_INSPECTION)
		return refuse(consult->host,
			"an answer that cannot block is none; use the action callout_terminating "
			"or "
			"callout_unknown");
	for (int i = 0; i < LAYER_COUNT; i++) {
		if (consult->fields[i].layer == filter->layer)
			fields = &consult->fields[i];
	}
	if (fields == NULL)
		return refuse(consult->host,
			"it works at ale_auth_connect and ale_auth_recv_accept alone, where "
			"connections "
			"are opened");
	if (read_settings(consult->host, filter->provider_context, &settings) != 0)
		return -1;
	return add_adviser(consult, filter, &settings, fields);
}

static int
consult_notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	struct consult *consult = callout;
	struct adviser *adviser;

	if (type == SLUICE_NOTIFY_ADD_FILTER)
		return add_filter(consult, filter);
	if (type != SLUICE_NOTIFY_DELETE_FILTER)
		return 0;
	adviser = (struct adviser *)(uintptr_t)filter->context;
	consult_asker_leave(&consult->asker, adviser->link);
	free_adviser(adviser);
	return 0;
}

/* --- Control thread: life. --- */

static bool
find_fields(struct consult *consult)
{
	static const uint32_t layers[LAYER_COUNT] = {SLUICE_LAYER_ALE_AUTH_CONNECT_V4,
		SLUICE_LAYER_ALE_AUTH_CONNECT_V6, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4,
		SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6};
	static const uint32_t fields[FIELD_COUNT] = {
		[FIELD_LOCAL_ADDRESS] = SLUICE_FIELD_IP_LOCAL_ADDRESS,
		[FIELD_REMOTE_ADDRESS] = SLUICE_FIELD_IP_REMOTE_ADDRESS,
		[FIELD_LOCAL_PORT] = SLUICE_FIELD_IP_LOCAL_PORT,
		[FIELD_REMOTE_PORT] = SLUICE_FIELD_IP_REMOTE_PORT,
		[FIELD_PROTOCOL] = SLUICE_FIELD_IP_PROTOCOL,
		[FIELD_FLAGS] = SLUICE_FIELD_FLAGS,
		[FIELD_REASON] = SLUICE_FIELD_REAUTHORIZE_REASON,
	};
	int lowest = 0;

	for (int i = 0; i < LAYER_COUNT; i++) {
		consult->fields[i].layer = layers[i];
		for (int f = 0; f < FIELD_COUNT; f++) {
			consult->fields[i].at[f] = consult->host->field_index(layers[i], fields[f]);
			if (consult->fields[i].at[f] < lowest)
				lowest = consult->fields[i].at[f];
		}
	}
	return lowest == 0;
}

static int
consult_load(const struct sluice_host *host, void **callout)
{
	struct consult *consult = aligned_alloc(_Alignof(struct consult), sizeof(struct consult));

	if (consult == NULL)
		return refuse(host, "not enough memory");
	memset(consult, 0, sizeof(*consult));
	consult->host = host;
	if (!find_fields(consult)) {
		free(consult);
		return refuse(host, "connections are opened without addresses or ports here");
	}
	if (consult_asker_init(&consult->asker, host) != 0) {
		free(consult);
		return refuse(host, "a lock cannot be made");
	}
	*callout = consult;
	return 0;
}

static void
consult_unload(void *callout)
{
	struct consult *consult = callout;

	consult_asker_fini(&consult->asker);
	free(consult);
}

SLUICE_CALLOUT_DEFINE(.name = "consult", .version = "1.0",
	.description = "asks a program whether a connection may be opened", .load = consult_load,
	.unload = consult_unload, .classify = consult_classify, .notify = consult_notify,
	.counters = counter_names);
