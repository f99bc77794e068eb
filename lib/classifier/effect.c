/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_arbitrate.h"

static const char *const names[SL_EFFECT_COUNT] = {
	[SL_EFFECT_CONTINUED] = "continued",
	[SL_EFFECT_SKIPPED] = "skipped",
	[SL_EFFECT_DECIDED] = "decided",
	[SL_EFFECT_OVERRODE] = "overrode",
	[SL_EFFECT_HARDENED] = "hardened",
	[SL_EFFECT_AGREED] = "agreed",
	[SL_EFFECT_IGNORED] = "ignored",
	[SL_EFFECT_VETOED] = "vetoed",
	[SL_EFFECT_ABSORBED] = "absorbed",
};

const char *
sl_effect_name(enum sl_effect effect)
{
	return (unsigned int)effect < SL_EFFECT_COUNT ? names[effect] : "unknown";
}
