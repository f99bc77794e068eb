/* SPDX-License-Identifier: BSD-3-Clause */
#include "helper.h"

#include <dirent.h>

/* What config/ ships: the samples can be read, and the schema says what the reader does. */

static json_t *
load(const char *path)
{
	struct sl_error err = {0};
	json_t *json = NULL;

	if (sl_json_load_file(path, 0, &json, &err) != 0)
		fail_msg("%s: %s", err.where, err.text);
	return json;
}

static void
expect_readable(const char *path)
{
	json_t *json = load(path), *first, *second;
	struct sl_policy *policy, *again;
	char *faults;

	assert_true(json_is_string(json_object_get(json, "description")));
	policy = policy_of(json, SL_LIFETIME_STATIC, &faults);
	if (policy == NULL)
		fail_msg("%s:\n%s", path, faults);
	free(faults);
	assert_true(sl_policy_len(policy, SL_OBJECT_FILTER) > 0);

	first = sl_document_write(policy, NULL, false);
	again = policy_of(first, SL_LIFETIME_PERSISTENT, &faults);
	assert_string_equal(faults, "");
	free(faults);
	second = sl_document_write(again, NULL, false);
	assert_true(json_equal(first, second));
	sl_policy_free(again);
	sl_policy_free(policy);
	json_decref(first);
	json_decref(second);
	json_decref(json);
}

static void
test_samples(void **state)
{
	DIR *dir = opendir(CONFIG_DIR "/samples");
	const struct dirent *entry;
	int n_read = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[1024];

		if (strstr(entry->d_name, ".json") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/samples/%s", CONFIG_DIR, entry->d_name);
		expect_readable(path);
		n_read++;
	}
	closedir(dir);
	assert_true(n_read >= 3);
}

static const json_t *
definition(const json_t *schema, const char *name)
{
	const json_t *found = json_object_get(json_object_get(schema, "$defs"), name);

	assert_non_null(found);
	return found;
}

/* Takes `name` out of the list; it must be in it. */
static void
take(json_t *list, const char *name)
{
	const json_t *element;
	size_t i;

	json_array_foreach(list, i, element) {
		if (strcmp(json_string_value(element), name) != 0)
			continue;
		json_array_remove(list, i);
		return;
	}
	fail_msg("the schema does not know \"%s\"", name);
}

static void
expect_empty(const json_t *list)
{
	if (json_array_size(list) > 0)
		fail_msg("the schema has \"%s\", which does not exist",
			json_string_value(json_array_get(list, 0)));
}

static void
test_schema_names_layers(void **state)
{
	json_t *schema = load(CONFIG_DIR "/policy.schema.json");
	json_t *names = json_deep_copy(json_object_get(definition(schema, "layer"), "enum"));
	uint32_t n;
	const struct sl_layer *const *layers = sl_layer_list(&n);

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		if (layers[i]->status != SL_LAYER_MEANINGLESS)
			take(names, layers[i]->name);
	expect_empty(names);
	json_decref(names);
	json_decref(schema);
}

static bool
is_available_somewhere(enum sluice_field field)
{
	uint32_t n;
	const struct sl_layer *const *layers = sl_layer_list(&n);

	for (uint32_t i = 0; i < n; i++)
		if (layers[i]->status != SL_LAYER_MEANINGLESS &&
			sl_layer_field_find(layers[i], sl_field_name(field), NULL) != NULL)
			return true;
	return false;
}

static void
test_schema_names_fields(void **state)
{
	json_t *schema = load(CONFIG_DIR "/policy.schema.json");
	json_t *names = json_deep_copy(json_object_get(definition(schema, "field"), "enum"));

	(void)state;
	for (int field = SLUICE_FIELD_NONE + 1; field < SLUICE_FIELD_COUNT; field++)
		if (is_available_somewhere((enum sluice_field)field))
			take(names, sl_field_name((enum sluice_field)field));
	expect_empty(names);
	json_decref(names);
	json_decref(schema);
}

static void
test_schema_names_matches(void **state)
{
	json_t *schema = load(CONFIG_DIR "/policy.schema.json");
	const json_t *properties = json_object_get(definition(schema, "condition"), "properties");
	json_t *names =
		json_deep_copy(json_object_get(json_object_get(properties, "match"), "enum"));

	(void)state;
	/* WFP's match for Unicode strings is known, but there is no field for it. */
	for (int match = 0; match < SL_MATCH_COUNT; match++)
		if (match != SL_MATCH_EQUAL_CASE_INSENSITIVE)
			take(names, sl_match_name((enum sl_match)match));
	expect_empty(names);
	json_decref(names);
	json_decref(schema);
}

/* The faults of an object whose only member is an object: no member's usual form. */
static char *
faults_of_member(enum sl_object_type type, const char *name)
{
	struct sl_problems problems = {0};
	json_t *json = json_pack("{s:{s:i}}", name, "impossible", 1);
	char *faults;

	sl_object_put(sl_document_read_object(
		type, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems));
	faults = faults_text(&problems);
	sl_problems_fini(&problems);
	json_decref(json);
	return faults;
}

/* The text "allowed are a, b, c" that the reader answers to an unknown member. */
static char *
allowed_members(enum sl_object_type type)
{
	struct sl_problems problems = {0};
	json_t *json = json_pack("{s:i}", "impossible", 1);
	const char *list;
	char *copy;

	sl_object_put(sl_document_read_object(
		type, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems));
	assert_int_equal(problems.list[0].code, SL_ERR_RESERVED);
	list = strstr(problems.list[0].detail, "allowed are ");
	assert_non_null(list);
	copy = strdup(list + strlen("allowed are "));
	sl_problems_fini(&problems);
	json_decref(json);
	return copy;
}

static void
test_schema_names_members(void **state)
{
	json_t *schema = load(CONFIG_DIR "/policy.schema.json");

	(void)state;
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		enum sl_object_type type = (enum sl_object_type)t;
		json_t *properties = json_object_get(
			definition(schema, sl_object_type_name(type)), "properties");
		char *allowed = allowed_members(type), *rest = NULL;
		const char *name;
		json_t *value;

		json_object_foreach(properties, name, value) {
			char *faults = faults_of_member(type, name);

			if (strstr(faults, "reserved /") != NULL &&
				strstr(faults, "impossible") == NULL)
				fail_msg("the schema allows \"%s\" of a %s", name,
					sl_object_type_name(type));
			free(faults);
		}
		for (char *each = strtok_r(allowed, ", ", &rest); each != NULL;
			each = strtok_r(NULL, ", ", &rest))
			if (json_object_get(properties, each) == NULL &&
				!(type == SL_OBJECT_PROVIDER && strcmp(each, "provider") == 0))
				fail_msg("the schema does not know \"%s\" of a %s", each,
					sl_object_type_name(type));
		free(allowed);
	}
	json_decref(schema);
}

static int
set_up(void **state)
{
	(void)state;
	sl_document_setup();
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_schema_names_layers),
		cmocka_unit_test(test_schema_names_fields),
		cmocka_unit_test(test_schema_names_matches),
		cmocka_unit_test(test_schema_names_members),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
