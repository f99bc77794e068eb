/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CALLOUT_RECORDER_H
#define TEST_CALLOUT_RECORDER_H

/* A callout that does what a test tells it to and remembers what it was asked. */

#include "policy/sl_object.h"
#include "sdk/sluice_callout.h"

#include <stdbool.h>
#include <stdint.h>

struct recorder {
	const struct sluice_host *host;
	uint32_t n_loads;
	uint32_t n_unloads;
	/* notify */
	uint32_t n_adds;
	uint32_t n_deletes;
	struct sluice_filter added; /* the last one, pointers as they were */
	struct sluice_filter deleted;
	char key[80]; /* of the last one */
	char data[200];
	uint64_t next_context; /* stored by the next ADD */
	int add_rc;
	const char *words; /* said before refusing; NULL: nothing */
	int load_rc;
	/* classify */
	struct sluice_classify_in in; /* the last one, pointers as they were */
	struct sluice_value values[SLUICE_FIELDS_MAX];
	struct sluice_metadata meta;
	struct sluice_filter filter;
	struct sluice_classify_out seen; /* `out` on entry */
	struct sluice_classify_out answer;
	void (*during)(const struct sluice_classify_in *in); /* or NULL */
	/* flow_delete */
	uint32_t n_gone;
	uint32_t gone_worker; /* of the last one */
	uint32_t gone_layer;
	uint64_t gone_context;
	uint64_t gone_sum; /* of all contexts */
};

/* The one recorder: load finds no other way to it. */
extern struct recorder recorder;

/* A descriptor of that name, after forgetting everything. */
struct sluice_callout recorder_start(const char *name);

/* A callout filter at a layer, to be freed with sl_object_put; `key` becomes its key. */
struct sl_filter *
recorder_filter(const char *key, enum sluice_layer layer, enum sluice_action action);
/* A provider context with that data. */
struct sl_provider_context *recorder_context(const char *data);

#endif
