/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

/* The contract: openapi.json beside this file, made an array by embed.py. */

void
api_openapi_get(struct api_request *request, struct api_reply *reply)
{
	(void)request;
	reply->status = 200;
	reply->text = api_openapi_text;
	reply->text_len = api_openapi_len;
}
