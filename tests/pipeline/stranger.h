/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PIPELINE_STRANGER_H
#define TESTS_PIPELINE_STRANGER_H

/* A callout that pends nothing, by whose host a test answers for another one. */

#include "sdk/sluice_callout.h"

static const struct sluice_host *stranger_host;

static int
stranger_load(const struct sluice_host *host, void **instance)
{
	stranger_host = host;
	*instance = NULL;
	return 0;
}

static void
stranger_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	(void)in;
	(void)out;
}

static const struct sluice_callout stranger = {
	.abi_version = SLUICE_ABI_VERSION,
	.size = sizeof(struct sluice_callout),
	.classify_in_size = sizeof(struct sluice_classify_in),
	.metadata_size = sizeof(struct sluice_metadata),
	.filter_size = sizeof(struct sluice_filter),
	.name = "stranger",
	.version = "1",
	.description = "answers for others",
	.load = stranger_load,
	.classify = stranger_classify,
};

#endif
