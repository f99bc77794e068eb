/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <string.h>

static json_t *
texts_json(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		api_append(&list, json_string(texts[i]));
	return list;
}

json_t *
api_report_json(const struct sl_commit_report *report, bool is_dry_run)
{
	json_t *lints = json_array();

	for (size_t i = 0; i < report->n_lints; i++)
		api_append(&lints,
			json_pack("{s:s, s:s}", "code", report->lints[i].code, "detail",
				report->lints[i].detail));
	return json_pack("{s:b, s:o, s:{s:o, s:o, s:o}, s:{s:I, s:I, s:I, s:I, s:I}, s:o}",
		"dry_run", is_dry_run, "revision", api_u64_json(report->revision), "diff", "added",
		texts_json(report->added, report->n_added), "removed",
		texts_json(report->removed, report->n_removed), "changed",
		texts_json(report->changed, report->n_changed), "compile", "filters",
		(json_int_t)report->n_filters, "bytes", (json_int_t)report->compiled_bytes,
		"check_ns", (json_int_t)report->check_ns, "compile_ns",
		(json_int_t)report->compile_ns, "publish_ns", (json_int_t)report->publish_ns,
		"lint", lints);
}

bool
api_commit(struct api_request *request, sl_control_edit_fn *edit, void *ctx, bool in_body,
	bool *is_dry_run, struct api_reply *reply)
{
	struct sl_problems problems = {0};
	struct sl_commit_report report = {0};
	uint64_t if_revision;
	int rc;

	if (!api_request_flag(request, "dry_run", is_dry_run, reply) ||
		!api_request_if_match(request, &if_revision, reply))
		return false;
	rc = sl_control_change(request->control, edit, ctx, *is_dry_run ? SL_CHANGE_DRY_RUN : 0,
		if_revision, &problems, *is_dry_run ? &report : NULL);
	if (rc != 0)
		api_reply_problems(reply, &problems, in_body);
	else if (*is_dry_run)
		api_reply_json(reply, 200, api_report_json(&report, true));
	sl_problems_fini(&problems);
	sl_commit_report_fini(&report);
	return rc == 0;
}
