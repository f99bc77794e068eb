/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CALLOUT_MOCK_HOST_H
#define TEST_CALLOUT_MOCK_HOST_H

/* A host for one plugin under test: one packet at a time, everything that is asked of it is kept. */

#include "sdk/sluice_callout.h"

#include <pthread.h>
#include <stdint.h>

#define MOCK_REPLY_SIZE  1600u
#define MOCK_COMPLETIONS 256u
#define MOCK_PATIENCE_S  30 /* that a test waits for threads before it fails */

/* The plugin that the test is linked with. */
extern const struct sluice_callout sluice_callout;

struct sluice_packet {
	struct mock *mock;
};

struct mock_completion {
	uint64_t token;
	uint64_t answer;
};

struct mock {
	struct sluice_host host;
	const struct sluice_callout *callout;
	void *instance;
	/* The packet. */
	struct sluice_packet packet;
	const uint8_t *frame;
	uint32_t readable;
	uint32_t length;
	/* What the plugin asked for. */
	char refusal[300];
	char logged[300];
	uint64_t counters[16];
	uint32_t n_replies;
	int reply_rc; /* what packet_reply returns */
	uint32_t reply_length;
	uint8_t reply[MOCK_REPLY_SIZE];
	/* The packet's values, as the layer has them; NULL: none. */
	const struct sluice_value *values;
	/* The packet's flow, which has at most one context. */
	uint32_t flow_layer; /* of the context */
	uint64_t flow_context;
	int associate_rc; /* what flow_associate returns; 0: as it is */
	uint32_t n_gone;  /* calls of flow_delete */
	uint32_t n_aborts;
	/* Putting off: the packet's flow has this token; 0: pend says that it cannot be put off here. */
	uint64_t token;
	int pend_rc; /* what pend returns otherwise */
	uint32_t n_pends;
	/* Answers that were given, by any thread. */
	pthread_mutex_t lock;
	pthread_cond_t completed;
	uint32_t n_completions;
	int complete_rc; /* what complete returns; other than 0: and nothing is kept */
	uint32_t n_completions_refused;
	struct mock_completion completions[MOCK_COMPLETIONS]; /* the first ones */
};

/* Loads the plugin. */
void mock_init(struct mock *mock, const struct sluice_callout *callout);
void mock_fini(struct mock *mock);
/* notify(ADD) with a provider context's data, which may be NULL. */
int mock_add(struct mock *mock, struct sluice_filter *filter, uint32_t action, const char *data);
void mock_delete(struct mock *mock, struct sluice_filter *filter);
/* The same for a filter at another layer than the usual one. */
int mock_add_at(struct mock *mock, struct sluice_filter *filter, uint32_t layer, uint32_t action,
	const char *data);
void mock_frame(struct mock *mock, const uint8_t *frame, uint32_t length);
/* classify on one worker with the given metadata and rights. */
struct sluice_classify_out mock_classify(struct mock *mock, const struct sluice_filter *filter,
	const struct sluice_metadata *meta, uint32_t rights, uint32_t worker);
/* The same without a packet. */
struct sluice_classify_out mock_classify_flow(struct mock *mock, const struct sluice_filter *filter,
	const struct sluice_metadata *meta, uint32_t rights);
/* What complete returns from now on. */
void mock_refuse_completions(struct mock *mock, int rc);
/* Waits until there are that many answers, and fails the test when they do not come. */
void mock_await(struct mock *mock, uint32_t n_completions);
/* The same until complete has refused that many. */
void mock_await_refused(struct mock *mock, uint32_t n_refused);
/* The answer to a token, which must have been given exactly once. */
uint64_t mock_answer_to(struct mock *mock, uint64_t token);

#endif
