/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * defer: a callout that puts decisions off until a packet in the capture tells it what to say, so that a replay has
 * them at times of its own.
 *
 * At ale_auth_connect and ale_auth_recv_accept it pends.  Elsewhere a packet that it is shown gives its source port
 * as the answer to everything that was put off before: 1 permits, 2 absorbs, anything else blocks.
 * For one worker.
 */

#include <sluice/sluice_callout.h>

#include <stdbool.h>
#include <stdlib.h>

#define TOKENS_MAX 4096u

enum counter {
	COUNTER_PENDED,
	COUNTER_NOT_PENDED, /* the host did not let it */
	COUNTER_JUDGED,     /* answers that came back */
	COUNTER_NO_PACKET   /* of them, for a flow without a packet */
};

static const char *const counter_names[] = {
	"pended", "not_pended", "judged_again", "no_packet", NULL};

struct defer {
	const struct sluice_host *host;
	uint32_t n_tokens;
	uint64_t tokens[TOKENS_MAX];
};

static void
answer_all(struct defer *defer, const struct sluice_classify_in *in)
{
	const int port = defer->host->field_index(in->layer, SLUICE_FIELD_IP_REMOTE_PORT);

	for (uint32_t i = 0; port >= 0 && i < defer->n_tokens; i++)
		defer->host->complete(defer->host, defer->tokens[i], in->values[port].number);
	defer->n_tokens = 0;
}

static void
absorb(struct sluice_classify_out *out)
{
	out->action = SLUICE_ACTION_BLOCK;
	out->flags |= SLUICE_CLASSIFY_OUT_FLAG_ABSORB;
	out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
}

static void
put_off(struct defer *defer, const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	uint64_t token;

	if (defer->n_tokens < TOKENS_MAX && defer->host->pend(in->packet, &token) == 0) {
		defer->tokens[defer->n_tokens++] = token;
		defer->host->count(in->packet, COUNTER_PENDED, 1);
		absorb(out);
		return;
	}
	defer->host->count(in->packet, COUNTER_NOT_PENDED, 1);
	out->action = SLUICE_ACTION_BLOCK;
}

static void
judge(const struct defer *defer, const struct sluice_classify_in *in,
	struct sluice_classify_out *out)
{
	defer->host->count(in->packet, COUNTER_JUDGED, 1);
	if (in->packet == NULL)
		defer->host->count(in->packet, COUNTER_NO_PACKET, 1);
	if (in->meta->completion == 1)
		out->action = SLUICE_ACTION_PERMIT;
	else if (in->meta->completion == 2)
		absorb(out);
	else
		out->action = SLUICE_ACTION_BLOCK;
}

static void
defer_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	struct defer *defer = in->callout;

	if (in->filter->action == SLUICE_ACTION_CALLOUT_INSPECTION) {
		answer_all(defer, in);
		out->action = SLUICE_ACTION_CONTINUE;
	} else if ((in->meta->valid & SLUICE_METADATA_COMPLETION) != 0) {
		judge(defer, in, out);
	} else {
		put_off(defer, in, out);
	}
}

static int
defer_load(const struct sluice_host *host, void **callout)
{
	struct defer *defer = calloc(1, sizeof(*defer));

	if (defer == NULL)
		return -1;
	defer->host = host;
	*callout = defer;
	return 0;
}

static void
defer_unload(void *callout)
{
	free(callout);
}

SLUICE_CALLOUT_DEFINE(.name = "defer", .version = "1.0",
	.description = "puts decisions off until a packet tells it", .load = defer_load,
	.unload = defer_unload, .classify = defer_classify, .counters = counter_names);
