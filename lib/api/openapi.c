/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

/* The contract, as the file openapi.json beside this one; SL_API_OPENAPI is its path at build time. */

extern const char api_openapi_start[];
extern const char api_openapi_end[];

__asm__(".pushsection .rodata\n"
	".global api_openapi_start\n"
	".hidden api_openapi_start\n"
	"api_openapi_start:\n"
	".incbin \"" SL_API_OPENAPI "\"\n"
	".global api_openapi_end\n"
	".hidden api_openapi_end\n"
	"api_openapi_end:\n"
	".popsection\n");

void
api_openapi_get(struct api_request *request, struct api_reply *reply)
{
	(void)request;
	reply->status = 200;
	reply->text = api_openapi_start;
	reply->text_len = (size_t)(api_openapi_end - api_openapi_start);
}
