/* SPDX-License-Identifier: BSD-3-Clause */
#include "helper.h"

/* Elements of sets: as intervals, and as texts again. */

static struct sl_object *
read_set(const char *type, const char *elements, char **faults)
{
	struct sl_problems problems = {0};
	struct sl_buf text = {0};
	struct sl_object *object;
	json_t *json;

	sl_buf_printf(&text, "{'name': 'n', 'type': '%s', 'elements': %s}", type, elements);
	json = json_of(sl_buf_text(&text));
	sl_buf_fini(&text);
	object = sl_document_read_object(
		SL_OBJECT_SET, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems);
	*faults = faults_text(&problems);
	sl_problems_fini(&problems);
	json_decref(json);
	return object;
}

static char *
written_elements(const struct sl_object *object)
{
	json_t *json = sl_document_write_elements(sl_set_of(object));
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	for (char *at = text; *at != '\0'; at++)
		if (*at == '"')
			*at = '\'';
	json_decref(json);
	return text;
}

static void
test_elements(void **state)
{
	static const struct {
		const char *type;
		const char *elements;
		const char *result; /* as written back, sorted, or the faults */
	} rows[] = {
		{"v4_prefix", "[]", "[]"},
		{"v4_prefix", "['192.0.2.0/24', '10.0.0.1', '0.0.0.0/0', '10.0.0.1/32']",
			"['0.0.0.0/0','10.0.0.1','192.0.2.0/24']"},
		{"v4_prefix", "['192.0.2.77/24']", "['192.0.2.0/24']"},
		{"v4_prefix", "['10.0.0.0-10.255.255.255']", "type_mismatch /elements/0\n"},
		{"v6_prefix", "['::/128', '::8/125', '8000::/1']", "['::','::8/125','8000::/1']"},
		{"v4_prefix", "['10.0.0.0/33', '::1', 1, null]",
			"invalid_net_mask /elements/0\ntype_mismatch /elements/1\n"
			"type_mismatch /elements/2\ntype_mismatch /elements/3\n"},
		{"v6_prefix", "['2001:db8::/32', '::1', '::/0', 'fe80::/127']",
			"['::/0','::1','2001:db8::/32','fe80::/127']"},
		{"v6_prefix", "['10.0.0.1']", "type_mismatch /elements/0\n"},
		{"mac", "['02:00:00:00:00:02', '02-00-00-00-00-01']",
			"['02:00:00:00:00:01','02:00:00:00:00:02']"},
		{"mac", "['02:00:00:00:00']", "type_mismatch /elements/0\n"},
		{"uint8", "[255, '0', '7-9', 255]", "[0,'7-9',255]"},
		{"uint8", "[256, '256', '1-256', -1, 1.0, '-1', '1-', 'x']",
			"out_of_bounds /elements/0\nout_of_bounds /elements/1\n"
			"out_of_bounds /elements/2\nout_of_bounds /elements/3\n"
			"type_mismatch /elements/4\ntype_mismatch /elements/5\n"
			"type_mismatch /elements/6\ntype_mismatch /elements/7\n"},
		{"uint16", "['65535', '80-90']", "['80-90',65535]"},
		{"uint16", "['90-80']", "invalid_range /elements/0\n"},
		{"uint32", "[4294967295]", "[4294967295]"},
		{"uint32", "[4294967296]", "out_of_bounds /elements/0\n"},
		{"uint64", "[1]", "invalid_enumerator /type\n"},
		{"uint16", "{}", "type_mismatch /elements\n"},
		{"uint16", "null", "type_mismatch /elements\n"},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		char *faults, *result;
		struct sl_object *object = read_set(rows[i].type, rows[i].elements, &faults);

		result = object != NULL ? written_elements(object) : strdup(faults);
		assert_string_equal(result, rows[i].result);
		free(result);
		free(faults);
		sl_object_put(object);
	}
}

static void
test_type_is_required(void **state)
{
	(void)state;
	expect_faults("{'sets': [{'name': 'n'}]}", "null_pointer /sets/0/type\n");
	expect_faults("{'sets': [{'elements': [1]}]}",
		"null_pointer /sets/0/type\nnull_display_name /sets/0/name\n");
	expect_faults("{'sets': [{'name': 'n', 'type': 4}]}", "type_mismatch /sets/0/type\n");
	expect_faults("{'sets': [{'name': 'n', 'type': 'mac'}]}", "");
}

/* Values stand at the end of the 16 bytes, most significant byte first. */
static void
test_values_are_found(void **state)
{
	static const struct {
		const char *type;
		const char *elements;
		uint8_t inside[16];
		uint8_t outside[16];
	} rows[] = {
		{"v4_prefix", "['192.0.2.0/24']", {[12] = 192, 0, 2, 77}, {[12] = 192, 0, 3, 0}},
		{"v6_prefix", "['2001:db8::/32']", {0x20, 1, 0x0d, 0xb8, [15] = 1},
			{0x20, 1, 0x0d, 0xb9}},
		{"mac", "['02:00:00:00:00:01']", {[10] = 2, [15] = 1}, {[10] = 2, [15] = 2}},
		{"uint16", "['80-90']", {[15] = 90}, {[15] = 91}},
		{"uint32", "[65536]", {[13] = 1}, {[14] = 1}},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		char *faults;
		struct sl_object *object = read_set(rows[i].type, rows[i].elements, &faults);

		assert_string_equal(faults, "");
		assert_true(sl_set_contains(sl_set_of(object), rows[i].inside));
		assert_false(sl_set_contains(sl_set_of(object), rows[i].outside));
		free(faults);
		sl_object_put(object);
	}
}

/* Elements can be added to those that are there. */
static void
test_reading_adds(void **state)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_SET);
	struct sl_problems problems = {0};
	json_t *first = json_of("[1, 2]"), *second = json_of("[3, 'x', 4]");
	char *faults;

	(void)state;
	sl_set_of(object)->set_type = SL_SET_UINT8;
	assert_true(sl_document_read_elements(sl_set_of(object), first, "/a", &problems));
	assert_false(sl_document_read_elements(sl_set_of(object), second, "/b", &problems));
	assert_int_equal(sl_set_of(object)->n_elements, 4);
	faults = faults_text(&problems);
	assert_string_equal(faults, "type_mismatch /b/1\n");
	free(faults);
	sl_problems_fini(&problems);
	json_decref(first);
	json_decref(second);
	sl_object_put(object);
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
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_type_is_required),
		cmocka_unit_test(test_values_are_found),
		cmocka_unit_test(test_reading_adds),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
