/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

void
api_policy_get(struct api_request *request, struct api_reply *reply)
{
	const char *provider = api_request_query(request, "provider");
	struct sl_buf text = {0};
	struct sl_view view;

	sl_control_view_get(request->control, &view);
	if (provider != NULL && sl_policy_find(view.policy, SL_OBJECT_PROVIDER, provider) == NULL)
		api_reply_problem(reply, SL_ERR_PROVIDER_NOT_FOUND,
			"there is no provider \"%.100s\"", provider);
	else
		sl_document_write_text(view.policy, provider, false, &text);
	sl_control_view_put(request->control, &view);
	if (reply->status == 0)
		api_reply_buf(reply, 200, &text, NULL);
}

void
api_policy_put(struct api_request *request, struct api_reply *reply)
{
	struct sl_edit_policy edit = {
		.lifetime = SL_LIFETIME_PERSISTENT,
		.origin = SL_ORIGIN_API,
		.provider = api_request_query(request, "provider"),
	};
	struct sl_problems problems = {0};
	struct sl_commit_report report = {0};
	uint64_t if_revision;
	bool is_dry_run;

	edit.document = api_request_json(request, reply);
	if (edit.document == NULL || !api_request_flag(request, "dry_run", &is_dry_run, reply) ||
		!api_request_if_match(request, &if_revision, reply))
		return;
	if (sl_control_change(request->control, sl_control_edit_policy, &edit,
		    is_dry_run ? SL_CHANGE_DRY_RUN : 0, if_revision, &problems, &report) != 0)
		api_reply_problems(reply, &problems, true);
	else
		api_reply_json(reply, 200, api_report_json(&report, is_dry_run));
	sl_problems_fini(&problems);
	sl_commit_report_fini(&report);
}
