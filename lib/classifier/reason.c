/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_reason.h"

struct entry {
	const char *name;
	const char *meaning;
	enum sl_reason_kind kind;
};

static const struct entry entries[SL_REASON_COUNT] = {
#define X(name, text, kind, meaning) {text, meaning, SL_REASON_KIND_##kind},
#include "classifier/sl_reason.def"
#undef X
};

/* What is shown for a number outside the list, which would be a mistake of ours. */
static const struct entry unknown = {"unknown", "a reason without a name", SL_REASON_KIND_POLICY};

static const struct entry *
entry_of(enum sl_reason reason)
{
	return (unsigned int)reason < SL_REASON_COUNT ? &entries[reason] : &unknown;
}

const char *
sl_reason_name(enum sl_reason reason)
{
	return entry_of(reason)->name;
}

const char *
sl_reason_meaning(enum sl_reason reason)
{
	return entry_of(reason)->meaning;
}

enum sl_reason_kind
sl_reason_kind(enum sl_reason reason)
{
	return entry_of(reason)->kind;
}
