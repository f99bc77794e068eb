/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_REASON_H
#define SL_CLASSIFIER_REASON_H

/* Why a packet does not leave: one list for parser, arbitration, devices and every report. */

enum sl_reason {
#define X(name, text, kind, meaning) SL_REASON_##name,
#include "classifier/sl_reason.def"
#undef X
	SL_REASON_COUNT
};

enum sl_reason_kind {
	SL_REASON_KIND_POLICY,
	SL_REASON_KIND_MALFORMED,
	SL_REASON_KIND_REFUSED,
	SL_REASON_KIND_STATE,
	SL_REASON_KIND_DEVICE
};

/* Never NULL. */
const char *sl_reason_name(enum sl_reason reason);
const char *sl_reason_meaning(enum sl_reason reason);
enum sl_reason_kind sl_reason_kind(enum sl_reason reason);

#endif
