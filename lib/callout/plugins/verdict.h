/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_VERDICT_H
#define PLUGINS_VERDICT_H

/* How a callout that lets through or blocks says so by the rules (WFP section 6.3). Packet time. */

#include <sluice/sluice_callout.h>

/* Under callout_unknown the next filter is asked instead. */
static inline void
verdict_permit(const struct sluice_filter *filter, struct sluice_classify_out *out)
{
	if (filter->action == SLUICE_ACTION_CALLOUT_UNKNOWN) {
		out->action = SLUICE_ACTION_CONTINUE;
		return;
	}
	out->action = SLUICE_ACTION_PERMIT;
	if ((filter->flags & SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0)
		out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
}

/* Nobody below undoes it. `flags` are those of the answer. */
static inline void
verdict_block(struct sluice_classify_out *out, uint32_t flags)
{
	out->action = SLUICE_ACTION_BLOCK;
	out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
	out->flags = flags;
}

#endif
