/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_DOCUMENT_HELPER_H
#define TEST_DOCUMENT_HELPER_H

/* What the tests of this room share: documents are written with ' for ", so that they can be read. */

#include "base/sl_buf.h"
#include "document/sl_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses; every ' stands for a ". */
static inline json_t *
json_of(const char *text)
{
	char *copy = strdup(text);
	struct sl_error err = {0};
	json_t *json = NULL;

	assert_non_null(copy);
	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	if (sl_json_load(copy, strlen(copy), 0, &json, &err) != 0)
		fail_msg("%s in %s", err.text, copy);
	free(copy);
	return json;
}

/* "code pointer\n" for each fault, in order. The caller frees. */
static inline char *
faults_text(const struct sl_problems *problems)
{
	struct sl_buf buf = {0};

	for (size_t i = 0; i < problems->n; i++) {
		assert_true(problems->list[i].detail[0] != '\0');
		sl_buf_printf(&buf, "%s %s\n", sl_err_name(problems->list[i].code),
			problems->list[i].pointer);
	}
	return sl_buf_take(&buf);
}

/* Reads a document into a new policy; NULL, and the faults as text, when it has some. */
static inline struct sl_policy *
policy_of(const json_t *json, enum sl_lifetime lifetime, char **faults)
{
	struct sl_problems problems = {0};
	struct sl_policy *policy = sl_policy_new();

	assert_non_null(policy);
	if (!sl_document_read(policy, json, lifetime, SL_ORIGIN_API, &problems)) {
		assert_true(problems.n_total > 0);
		sl_policy_free(policy);
		policy = NULL;
	} else {
		assert_int_equal(problems.n_total, 0);
	}
	*faults = faults_text(&problems);
	sl_problems_fini(&problems);
	return policy;
}

/* Checks that the document has exactly these faults ("" for none). */
static inline void
expect_faults(const char *document, const char *expected)
{
	json_t *json = json_of(document);
	char *faults;
	struct sl_policy *policy = policy_of(json, SL_LIFETIME_STATIC, &faults);

	if (strcmp(faults, expected) != 0)
		fail_msg("document:\n%s\nexpected:\n%sfound:\n%s", document, expected, faults);
	assert_true((policy != NULL) == (expected[0] == '\0'));
	free(faults);
	sl_policy_free(policy);
	json_decref(json);
}

#endif
