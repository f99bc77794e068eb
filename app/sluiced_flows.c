/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluiced_flows.h"

#include "base/sl_log.h"

#include <inttypes.h>

#define NS_PER_MS UINT64_C(1000000)

/* No flow outlives the longest time-out. */
static uint64_t
longest_ns(const struct sl_flow_config *config)
{
	uint64_t longest_ms = 0;

	for (unsigned int i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		longest_ms = SL_MAX(longest_ms, (uint64_t)config->timeout_ms[i]);
	return longest_ms * NS_PER_MS;
}

void
sluiced_flows_load(
	struct sl_control *control, const char *path, const struct sl_flow_config *config)
{
	struct sl_flow_kept kept;
	struct sl_error err = {0};
	int rc;

	if (path == NULL)
		return;
	rc = sl_control_flows_load(control, path, longest_ns(config), &kept, &err);
	if (rc == 0)
		sl_log_notice("flows of %s: %" PRIu64 " taken, %" PRIu64 " too old, %" PRIu64
			      " without room",
			path, kept.n_loaded, kept.n_stale, kept.n_refused);
	else if (err.code == SL_ERR_NOT_FOUND)
		sl_log_notice("flows: no file %s: connections begin anew", path);
	else
		sl_log_warning("flows: %s %s: connections begin anew", err.where, err.text);
}

void
sluiced_flows_save(struct sl_control *control, const char *path)
{
	struct sl_error err = {0};
	uint64_t n;

	if (path == NULL)
		return;
	if (sl_control_flows_save(control, path, &n, &err) == 0)
		sl_log_notice("flows: %" PRIu64 " written to %s", n, path);
	else
		sl_log_error("flows are not kept: %s %s", err.where, err.text);
}
