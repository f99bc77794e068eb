/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CONTROL_FIXTURE_H
#define TESTS_CONTROL_FIXTURE_H

/*
 * A management core over a plane without devices, and short ways to change and look at its policy.
 * JSON is written with ' in place of ".
 */

#include "control/fake_plane.h"
#include "control/sl_control.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fixture {
	struct sl_clock clock; /* tells `now_ns` */
	uint64_t now_ns;
	struct sl_callout_registry *registry;
	struct fake_plane *fake;
	struct sl_control_config config;
	struct sl_control *control;
	struct sl_problems problems;    /* of the last change */
	struct sl_commit_report report; /* of the last change */
	uint32_t flags;                 /* of the next changes */
	uint64_t if_revision;
};

/* cmocka set-up: two workers that stand still, nothing in force. */
int fixture_set_up(void **state);
/* The same with an empty policy in force as revision 1. */
int fixture_set_up_booted(void **state);
int fixture_tear_down(void **state);
/* Makes the control anew after `config` was changed; nothing is in force. */
void fixture_restart(struct fixture *f);

/* --- Changes. They return what sl_control_change does. --- */

int fixture_put_policy(struct fixture *f, const char *json);
int fixture_put_part(struct fixture *f, const char *provider, const char *json);
int fixture_put(struct fixture *f, enum sl_object_type type, const char *json);
int fixture_post(struct fixture *f, enum sl_object_type type, const char *json);
int fixture_delete(struct fixture *f, enum sl_object_type type, const char *key);
int fixture_elements(
	struct fixture *f, const char *set, enum sl_elements_change change, const char *json);

/* --- Looking. --- */

/* Asserts that the last change was refused for this reason, at this place, with these words. */
void
fixture_assert_problem(struct fixture *f, enum sl_err code, const char *pointer, const char *words);
/* Asserts that the policy in force, as a document without its empty sections, is `json`. */
void fixture_assert_policy(struct fixture *f, const char *json);
/* Asserts that revision, policy and published snapshot are those of `view`. */
void fixture_assert_unchanged(struct fixture *f, const struct sl_view *view);
/* Asserts that a list of a report is `keys`, separated by blanks, in any order. */
void fixture_assert_keys(char *const *list, size_t n, const char *keys);
/* An object in force; borrowed, valid until the next change. NULL: none. */
const struct sl_object *fixture_find(struct fixture *f, enum sl_object_type type, const char *key);
const struct sl_filter *fixture_filter(struct fixture *f, const char *key);

/* A new text with " in place of '. */
char *fixture_json_text(const char *json);
json_t *fixture_json(const char *json);

#endif
