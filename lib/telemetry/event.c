/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry/sl_event.h"

#define NS_PER_SECOND 1000000000u

const char *
sl_event_type_name(enum sl_event_type type)
{
	static const char *const names[] = {
		[SL_EVENT_CLASSIFY_DROP] = "classify_drop",
		[SL_EVENT_CLASSIFY_DROP_MAC] = "classify_drop_mac",
		[SL_EVENT_PARSER_DROP] = "parser_drop",
		[SL_EVENT_CLASSIFY_ALLOW] = "classify_allow",
		[SL_EVENT_FLOW_NEW] = "flow_new",
		[SL_EVENT_FLOW_ESTABLISHED] = "flow_established",
		[SL_EVENT_FLOW_CLOSED] = "flow_closed",
	};

	_Static_assert(SL_ARRAY_LEN(names) == SL_EVENT_TYPE_COUNT, "a type without a name");
	return (unsigned int)type < SL_EVENT_TYPE_COUNT ? names[type] : "unknown";
}

bool
sl_event_is_of_flow(const struct sl_event *event)
{
	return event->type == SL_EVENT_FLOW_NEW || event->type == SL_EVENT_FLOW_ESTABLISHED ||
		event->type == SL_EVENT_FLOW_CLOSED;
}

uint64_t
sl_event_duration_ms(const struct sl_event *event)
{
	/* The beginning is told to the sixteenth of a second, and may seem to be later. */
	return event->time_ns > event->flow_since_ns
		? (event->time_ns - event->flow_since_ns) / 1000000u
		: 0;
}

void
sl_event_limit_init(struct sl_event_limit *limit, uint64_t rate, uint64_t burst)
{
	limit->interval_ns = rate == 0 ? 0 : NS_PER_SECOND / rate;
	burst = SL_MAX(burst, 1);
	if (limit->interval_ns != 0)
		burst = SL_MIN(burst, UINT64_MAX / limit->interval_ns);
	limit->credit_max_ns = burst * limit->interval_ns;
	limit->credit_ns = limit->credit_max_ns;
	limit->last_ns = 0;
}
