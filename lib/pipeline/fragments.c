/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline/fragments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
make_room(struct sl_reassembly *reassembly)
{
	reassembly->meta = aligned_alloc(SL_CACHE_LINE, sizeof(*reassembly->meta));
	reassembly->buffer = malloc(SL_DATAGRAM_BUFFER);
	if (reassembly->meta == NULL || reassembly->buffer == NULL)
		return -ENOMEM;
	/* So that no page is missing at packet time. */
	memset(reassembly->meta, 0, sizeof(*reassembly->meta));
	memset(reassembly->buffer, 0, SL_DATAGRAM_BUFFER);
	return 0;
}

int
sl_reassembly_new(const struct sl_pipeline_options *options, struct sl_reassembly **out)
{
	const struct sl_flow_config *flows = options->flows;
	struct sl_reassembly *reassembly;
	int rc;

	*out = NULL;
	if (flows == NULL || flows->fragments.reassemble == SL_FRAGMENT_REASSEMBLE_NEVER)
		return 0;
	reassembly = calloc(1, sizeof(*reassembly));
	if (reassembly == NULL)
		return -ENOMEM;
	reassembly->reassemble = flows->fragments.reassemble;
	/* Flow state needs the whole length of a TCP segment. */
	if (flows->enforce == SL_FLOW_ENFORCE_ALWAYS)
		reassembly->reassemble = SL_FRAGMENT_REASSEMBLE_ALWAYS;
	reassembly->owner = options->owner;
	reassembly->owner_ctx = options->owner_ctx;
	rc = sl_fragments_new(&flows->fragments, flows->hash_key, &reassembly->table);
	if (rc == 0)
		rc = make_room(reassembly);
	if (rc != 0) {
		sl_reassembly_free(reassembly);
		return rc;
	}
	*out = reassembly;
	return 0;
}

void
sl_reassembly_free(struct sl_reassembly *reassembly)
{
	if (reassembly == NULL)
		return;
	sl_fragments_free(reassembly->table);
	free(reassembly->meta);
	free(reassembly->buffer);
	free(reassembly);
}

const struct sl_fragments *
sl_pipeline_fragments(const struct sl_pipeline *pipeline)
{
	return pipeline->reassembly == NULL ? NULL : pipeline->reassembly->table;
}
