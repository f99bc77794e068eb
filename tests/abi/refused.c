/* SPDX-License-Identifier: BSD-3-Clause */

/* Plugins that a host must refuse: one object for each way of being wrong, chosen by a macro. */

#include <sluice/sluice_callout.h>

#ifndef VERSION
#define VERSION SLUICE_ABI_VERSION
#endif
#ifndef SIZE
#define SIZE sizeof(struct sluice_callout)
#endif
#ifndef METADATA_SIZE
#define METADATA_SIZE sizeof(struct sluice_metadata)
#endif
#ifndef NAME
#define NAME "refused"
#endif

#if defined(NO_SYMBOL)
#define EXPORTED some_other_symbol
#else
#define EXPORTED sluice_callout
#endif

#if defined(UNDEFINED)
void defined_nowhere(void);
#endif

#if defined(TINY)

__attribute__((visibility("default"))) extern const uint32_t sluice_callout;
const uint32_t sluice_callout = SLUICE_ABI_VERSION;

#else

__attribute__((unused)) static void
refused_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	(void)in;
#if defined(UNDEFINED)
	defined_nowhere();
#endif
	out->action = SLUICE_ACTION_PERMIT;
}

__attribute__((visibility("default"))) extern const struct sluice_callout EXPORTED;
const struct sluice_callout EXPORTED = {
	.abi_version = VERSION,
	.size = SIZE,
	.classify_in_size = sizeof(struct sluice_classify_in),
	.metadata_size = METADATA_SIZE,
	.filter_size = sizeof(struct sluice_filter),
	.name = NAME,
#if !defined(NO_CLASSIFY)
	.classify = refused_classify,
#endif
};

#endif
