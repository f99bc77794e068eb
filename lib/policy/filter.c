/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT_RANGE_MAX   15u
#define WEIGHT_RANGE_SHIFT 60

#define FLAGS_KNOWN                                          \
	(SL_FILTER_BOOTTIME | SL_FILTER_CLEAR_ACTION_RIGHT | \
		SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED | SL_FILTER_DISABLED | SL_FILTER_INDEXED)

static void
check_flags(const struct sl_filter *filter, struct sl_faults *faults)
{
	if ((filter->flags & ~FLAGS_KNOWN) != 0)
		sl_fault_add(faults, SL_ERR_INVALID_FLAGS, "/flags",
			"unknown flags 0x%x; allowed are persistent, clear_action_right, "
			"permit_if_callout_unregistered and indexed",
			filter->flags & ~FLAGS_KNOWN);
	if ((filter->flags & SL_FILTER_DISABLED) != 0)
		sl_fault_add(faults, SL_ERR_INVALID_FLAGS, "/flags",
			"\"disabled\" is only told, never set");
	if ((filter->flags & SL_FILTER_BOOTTIME) == 0)
		return;
	if (filter->object.lifetime == SL_LIFETIME_PERSISTENT)
		sl_fault_add(faults, SL_ERR_INVALID_FLAGS, "/flags",
			"\"boottime\" and \"persistent\" exclude each other");
	else
		sl_fault_add(faults, SL_ERR_INVALID_FLAGS, "/flags",
			"\"boottime\" filters do not exist yet; until a policy is in force every "
			"packet is blocked");
}

static void
check_weight(const struct sl_filter *filter, struct sl_faults *faults)
{
	switch (filter->weight_kind) {
	case SL_WEIGHT_AUTO:
	case SL_WEIGHT_EXACT:
		return;
	case SL_WEIGHT_RANGE:
		if (filter->weight > WEIGHT_RANGE_MAX)
			sl_fault_add(faults, SL_ERR_INVALID_WEIGHT, "/weight",
				"weight range %llu; it is 0 to %u",
				(unsigned long long)filter->weight, WEIGHT_RANGE_MAX);
		return;
	}
	sl_fault_add(faults, SL_ERR_INVALID_WEIGHT, "/weight",
		"a weight is automatic, a range 0 to %u, or an exact 64-bit number",
		WEIGHT_RANGE_MAX);
}

static void
check_callout(const struct sl_filter *filter, struct sl_faults *faults)
{
	const char *action = sl_action_name(filter->action);

	if (sl_action_is_callout(filter->action)) {
		if (filter->callout == NULL)
			sl_fault_add(faults, SL_ERR_NULL_POINTER, "/action/callout",
				"the callout is missing; action \"%s\" names one", action);
	} else if (filter->callout != NULL) {
		sl_fault_add(faults, SL_ERR_INVALID_PARAMETER, "/action/callout",
			"action \"%s\" calls no callout, yet \"%.64s\" is named", action,
			filter->callout);
	}
	if ((filter->flags & SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED) != 0 &&
		filter->action != SLUICE_ACTION_CALLOUT_TERMINATING &&
		filter->action != SLUICE_ACTION_CALLOUT_UNKNOWN)
		sl_fault_add(faults, SL_ERR_INVALID_FLAGS, "/flags",
			"\"permit_if_callout_unregistered\" goes with callout_terminating and "
			"callout_unknown only, not with \"%s\"",
			action);
}

static void
check_action(const struct sl_filter *filter, struct sl_faults *faults)
{
	const char *name = sl_action_name(filter->action);

	if (filter->action != SLUICE_ACTION_BLOCK && filter->action != SLUICE_ACTION_PERMIT &&
		!sl_action_is_callout(filter->action)) {
		sl_fault_add(faults, SL_ERR_INVALID_ACTION_TYPE, "/action",
			"\"%s\" is not an action of a filter; use permit, block, "
			"callout_terminating, callout_inspection or callout_unknown",
			name != NULL ? name : "unknown");
		return;
	}
	check_callout(filter, faults);
	if (filter->sublayer != NULL && strcmp(filter->sublayer, SL_SUBLAYER_INSPECTION) == 0 &&
		filter->action != SLUICE_ACTION_CALLOUT_INSPECTION)
		sl_fault_add(faults, SL_ERR_ACTION_INCOMPATIBLE_WITH_SUBLAYER, "/action",
			"sublayer \"%s\" takes callout_inspection only, not \"%s\"",
			SL_SUBLAYER_INSPECTION, name);
}

/* WFP keeps the two contexts in one union. */
static void
check_context(const struct sl_filter *filter, struct sl_faults *faults)
{
	if (filter->provider_context != NULL && filter->raw_context != 0)
		sl_fault_add(faults, SL_ERR_INVALID_PARAMETER, "/provider_context",
			"raw_context and provider_context exclude each other; %llu and \"%.64s\" "
			"are given",
			(unsigned long long)filter->raw_context, filter->provider_context);
}

static void
check_conditions(struct sl_filter *filter, struct sl_faults *faults)
{
	char member[48];

	if (filter->conditions == NULL && filter->n_conditions > 0) {
		sl_fault_add(
			faults, SL_ERR_NULL_POINTER, "/conditions", "the conditions are missing");
		return;
	}
	for (size_t i = 0; i < filter->n_conditions; i++) {
		snprintf(member, sizeof(member), "/conditions/%zu", i);
		sl_condition_finish(filter->layer, &filter->conditions[i], member, faults);
	}
}

static uint64_t
effective_weight(const struct sl_filter *filter)
{
	if (filter->weight_kind == SL_WEIGHT_EXACT)
		return filter->weight;
	if (filter->weight_kind == SL_WEIGHT_RANGE)
		return filter->weight << WEIGHT_RANGE_SHIFT | sl_weight_auto(filter, NULL, NULL);
	return sl_weight_auto(filter, NULL, NULL);
}

void
sl_filter_finish(struct sl_filter *filter, struct sl_faults *faults)
{
	check_flags(filter, faults);
	if (sl_layer_check(filter->layer, faults))
		check_conditions(filter, faults);
	check_weight(filter, faults);
	check_action(filter, faults);
	check_context(filter, faults);
	if (filter->sublayer == NULL) {
		filter->sublayer = strdup(SL_SUBLAYER_UNIVERSAL);
		if (filter->sublayer == NULL)
			sl_fault_add_no_memory(faults);
	}
	if (faults->n == 0)
		filter->effective_weight = effective_weight(filter);
}
