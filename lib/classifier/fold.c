/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/layer.h"

#include <errno.h>
#include <stdlib.h>

bool
sl_snapshot_wants_fold(const struct sl_snapshot *snapshot, enum sluice_layer *layer)
{
	(void)snapshot;
	(void)layer;
	return false;
}

int
sl_layer_fold(const struct sl_layer_program *layer, const struct sl_compile_host *host,
	const struct sl_layer_program **folded, struct sl_error *err)
{
	const struct sl_compile_tick tick = {.host = host, .total = layer->n_filters};
	struct sl_layer_program *copy;
	int rc = sl_layer_copy(layer, &copy, err);

	if (rc != 0)
		return rc;
	rc = sl_layer_compile(copy, &tick, err);
	if (rc != 0) {
		sl_layer_put(copy);
		return rc;
	}
	*folded = copy;
	return 0;
}

int
sl_snapshot_with_fold(const struct sl_snapshot *current, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, struct sl_snapshot **out, struct sl_error *err)
{
	const enum sluice_layer id = from->layer->id;
	struct sl_snapshot *snapshot;

	if (current->layers[id] != from)
		return sl_error_set(err, SL_ERR_BUSY, NULL,
			"the filters of %s have changed meanwhile", from->layer->name);
	snapshot = malloc(sizeof(*snapshot));
	if (snapshot == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory for a snapshot");
	*snapshot = *current;
	snapshot->layers[id] = folded;
	snapshot->memory_bytes += folded->memory_bytes - from->memory_bytes;
	for (uint32_t i = 0; i < SLUICE_LAYER_COUNT; i++) {
		if (snapshot->layers[i] != NULL)
			sl_layer_get(snapshot->layers[i]);
	}
	*out = snapshot;
	return 0;
}
