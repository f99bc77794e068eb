/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_classify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
sl_matches_init(struct sl_matches *matches)
{
	memset(matches, 0, sizeof(*matches));
	matches->ranks = calloc(SL_MATCHES_MAX, sizeof(*matches->ranks));
	if (matches->ranks == NULL)
		return -ENOMEM;
	matches->capacity = SL_MATCHES_MAX;
	return 0;
}

void
sl_matches_fini(struct sl_matches *matches)
{
	if (matches == NULL)
		return;
	free(matches->ranks);
	memset(matches, 0, sizeof(*matches));
}
