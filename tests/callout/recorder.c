/* SPDX-License-Identifier: BSD-3-Clause */
#include "recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct recorder recorder;

static int
recorder_load(const struct sluice_host *host, void **callout)
{
	recorder.n_loads++;
	recorder.host = host;
	*callout = &recorder;
	if (recorder.load_rc != 0 && recorder.words != NULL)
		host->refuse(host, recorder.words);
	return recorder.load_rc;
}

static void
recorder_unload(void *callout)
{
	assert_ptr_equal(callout, &recorder);
	recorder.n_unloads++;
}

static int
recorder_notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	assert_ptr_equal(callout, &recorder);
	snprintf(recorder.key, sizeof(recorder.key), "%s", filter->key);
	if (type == SLUICE_NOTIFY_DELETE_FILTER) {
		recorder.n_deletes++;
		recorder.deleted = *filter;
		return -1;
	}
	recorder.n_adds++;
	recorder.added = *filter;
	snprintf(recorder.data, sizeof(recorder.data), "%s",
		filter->provider_context != NULL ? filter->provider_context : "");
	filter->context = recorder.next_context;
	if (recorder.add_rc != 0 && recorder.words != NULL)
		recorder.host->refuse(recorder.host, recorder.words);
	return recorder.add_rc;
}

static void
recorder_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	recorder.in = *in;
	memcpy(recorder.values, in->values, in->n_values * sizeof(recorder.values[0]));
	recorder.meta = *in->meta;
	recorder.filter = *in->filter;
	recorder.seen = *out;
	*out = recorder.answer;
	if (recorder.during != NULL)
		recorder.during(in);
}

static void
recorder_flow_delete(void *callout, uint32_t worker, uint32_t layer, uint64_t flow_context)
{
	assert_ptr_equal(callout, &recorder);
	recorder.n_gone++;
	recorder.gone_worker = worker;
	recorder.gone_layer = layer;
	recorder.gone_context = flow_context;
	recorder.gone_sum += flow_context;
}

struct sluice_callout
recorder_start(const char *name)
{
	memset(&recorder, 0, sizeof(recorder));
	return (struct sluice_callout){
		.abi_version = SLUICE_ABI_VERSION,
		.size = sizeof(struct sluice_callout),
		.classify_in_size = sizeof(struct sluice_classify_in),
		.metadata_size = sizeof(struct sluice_metadata),
		.filter_size = sizeof(struct sluice_filter),
		.name = name,
		.version = "7.1",
		.description = "remembers",
		.load = recorder_load,
		.unload = recorder_unload,
		.notify = recorder_notify,
		.classify = recorder_classify,
		.flow_delete = recorder_flow_delete,
	};
}

struct sl_filter *
recorder_filter(const char *key, enum sluice_layer layer, enum sluice_action action)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);
	struct sl_filter *filter;

	assert_non_null(object);
	object->key = strdup(key);
	object->id = 77;
	filter = sl_filter_of(object);
	filter->layer = sl_layer_by_id(layer);
	filter->action = action;
	filter->effective_weight = 1234;
	filter->raw_context = 5678;
	filter->flags = SL_FILTER_CLEAR_ACTION_RIGHT | SL_FILTER_INDEXED;
	return filter;
}

struct sl_provider_context *
recorder_context(const char *data)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_PROVIDER_CONTEXT);
	struct sl_provider_context *context;

	assert_non_null(object);
	context = sl_provider_context_of(object);
	context->data = strdup(data);
	context->data_len = strlen(data);
	return context;
}
