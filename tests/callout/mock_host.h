/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CALLOUT_MOCK_HOST_H
#define TEST_CALLOUT_MOCK_HOST_H

/* A host for one plugin under test: one packet at a time, everything that is asked of it is kept. */

#include "sdk/sluice_callout.h"

#include <stdint.h>

#define MOCK_REPLY_SIZE 1600u

/* The plugin that the test is linked with. */
extern const struct sluice_callout sluice_callout;

struct sluice_packet {
	struct mock *mock;
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
	/* The packet's values; NULL: none. The first field is the protocol. */
	const struct sluice_value *values;
	/* The packet's flow, which has at most one context. */
	uint32_t flow_layer; /* of the context */
	uint64_t flow_context;
	int associate_rc; /* what flow_associate returns; 0: as it is */
	uint32_t n_gone;  /* calls of flow_delete */
	uint32_t n_aborts;
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

#endif
