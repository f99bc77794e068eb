/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

#define V4      "inbound_transport_v4"
#define V6      "inbound_transport_v6"
#define MAC     "inbound_mac_frame_ethernet"
#define VSWITCH "ingress_vswitch_ethernet"

static const enum sl_match matches[] = {SL_MATCH_EQUAL, SL_MATCH_NOT_EQUAL, SL_MATCH_GREATER,
	SL_MATCH_LESS, SL_MATCH_GREATER_OR_EQUAL, SL_MATCH_LESS_OR_EQUAL, SL_MATCH_RANGE,
	SL_MATCH_FLAGS_ALL_SET, SL_MATCH_FLAGS_ANY_SET, SL_MATCH_FLAGS_NONE_SET,
	SL_MATCH_EQUAL_CASE_INSENSITIVE, SL_MATCH_SUFFIX, SL_MATCH_NOT_SUFFIX, SL_MATCH_IN_SET,
	SL_MATCH_NOT_IN_SET};

/* A value of the type that would be right for any field of it. */
static void
fill_value(struct sl_condition *condition, enum sluice_data_type range_type)
{
	condition->value.range_type = range_type;
	if (condition->value.type == SLUICE_TYPE_BYTE_BLOB ||
		condition->value.type == SLUICE_TYPE_SET) {
		condition->value.text = make_text("abc");
		condition->value.text_len = 3;
	}
}

/* What becomes of a condition: SL_ERR_OK, or the code of its one fault. */
static enum sl_err
outcome(const char *layer, enum sluice_field field, enum sl_match match, enum sluice_data_type type,
	enum sluice_data_type range_type)
{
	struct sl_filter *filter = make_filter("f", layer, SLUICE_ACTION_BLOCK);
	struct sl_problems problems = {0};
	enum sl_err code = SL_ERR_OK;

	fill_value(make_condition(filter, field, match, type), range_type);
	if (!sl_object_finish(&filter->object, "", &problems)) {
		assert_int_equal(problems.n_total, 1);
		code = problems.list[0].code;
	}
	sl_problems_fini(&problems);
	sl_object_put(&filter->object);
	return code;
}

/* Fields of every kind, and what may be done with them: WFP section 2.2 as a table. */
struct kind {
	const char *layer;
	enum sluice_field field;
	enum sluice_data_type single; /* the field's type */
	enum sluice_data_type mask;   /* prefix type, or the single type again */
	bool is_ordered;
	bool has_range;
	bool has_flags;
	bool has_suffix;
	bool has_sets;
};

static const struct kind kinds[] = {
	{V4, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, SLUICE_TYPE_UINT8, true, true, true,
		false, true},
	{V4, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, SLUICE_TYPE_UINT16, true, true, true,
		false, true},
	{V4, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, SLUICE_TYPE_UINT32, true, true, true, false,
		true},
	{V4, SLUICE_FIELD_IP_LOCAL_INTERFACE, SLUICE_TYPE_UINT64, SLUICE_TYPE_UINT64, true, true,
		true, false, false},
	{V4, SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_TYPE_UINT32, SLUICE_TYPE_V4_ADDR_MASK, true,
		true, false, false, true},
	{V6, SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_TYPE_BYTE_ARRAY16, SLUICE_TYPE_V6_ADDR_MASK,
		true, true, false, false, true},
	{MAC, SLUICE_FIELD_MAC_REMOTE_ADDRESS, SLUICE_TYPE_BYTE_ARRAY6, SLUICE_TYPE_BYTE_ARRAY6,
		false, false, false, false, true},
	{VSWITCH, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SLUICE_TYPE_BYTE_BLOB,
		SLUICE_TYPE_BYTE_BLOB, true, false, false, true, false},
};

static bool
is_allowed(const struct kind *kind, enum sl_match match)
{
	switch (match) {
	case SL_MATCH_EQUAL:
	case SL_MATCH_NOT_EQUAL:
		return true;
	case SL_MATCH_GREATER:
	case SL_MATCH_LESS:
	case SL_MATCH_GREATER_OR_EQUAL:
	case SL_MATCH_LESS_OR_EQUAL:
		return kind->is_ordered;
	case SL_MATCH_RANGE:
		return kind->has_range;
	case SL_MATCH_FLAGS_ALL_SET:
	case SL_MATCH_FLAGS_ANY_SET:
	case SL_MATCH_FLAGS_NONE_SET:
		return kind->has_flags;
	case SL_MATCH_SUFFIX:
	case SL_MATCH_NOT_SUFFIX:
		return kind->has_suffix;
	case SL_MATCH_IN_SET:
	case SL_MATCH_NOT_IN_SET:
		return kind->has_sets;
	default:
		return false;
	}
}

static bool
is_equality(enum sl_match match)
{
	return match == SL_MATCH_EQUAL || match == SL_MATCH_NOT_EQUAL;
}

static bool
is_set_match(enum sl_match match)
{
	return match == SL_MATCH_IN_SET || match == SL_MATCH_NOT_IN_SET;
}

/* Every kind of field with every match and the forms of its own type. */
static void
test_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];

		for (size_t m = 0; m < SL_ARRAY_LEN(matches); m++) {
			enum sl_match match = matches[m];
			bool allowed = is_allowed(k, match);
			bool plain = allowed && match != SL_MATCH_RANGE && !is_set_match(match);
			enum sl_err no = SL_ERR_MATCH_TYPE_MISMATCH;

			assert_int_equal(outcome(k->layer, k->field, match, k->single, k->single),
				plain ? SL_ERR_OK : no);
			assert_int_equal(
				outcome(k->layer, k->field, match, SLUICE_TYPE_EMPTY, k->single),
				is_equality(match) ? SL_ERR_OK : no);
			assert_int_equal(
				outcome(k->layer, k->field, match, SLUICE_TYPE_RANGE, k->single),
				allowed && match == SL_MATCH_RANGE ? SL_ERR_OK : no);
			assert_int_equal(
				outcome(k->layer, k->field, match, SLUICE_TYPE_SET, k->single),
				!k->has_sets                  ? SL_ERR_TYPE_MISMATCH
					: is_set_match(match) ? SL_ERR_OK
							      : no);
			if (k->mask != k->single)
				assert_int_equal(
					outcome(k->layer, k->field, match, k->mask, k->single),
					is_equality(match) ? SL_ERR_OK : no);
		}
	}
}

/* There is no conversion between types (appendix E, row 8). */
static void
test_types(void **state)
{
	static const enum sluice_data_type types[] = {SLUICE_TYPE_UINT8, SLUICE_TYPE_UINT16,
		SLUICE_TYPE_UINT32, SLUICE_TYPE_UINT64, SLUICE_TYPE_BYTE_ARRAY16,
		SLUICE_TYPE_BYTE_ARRAY6, SLUICE_TYPE_BYTE_BLOB, SLUICE_TYPE_V4_ADDR_MASK,
		SLUICE_TYPE_V6_ADDR_MASK, SLUICE_TYPE_IP_ADDRESS};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];

		for (size_t t = 0; t < SL_ARRAY_LEN(types); t++) {
			bool fits = types[t] == k->single || types[t] == k->mask;
			enum sl_err range = types[t] != k->single ? SL_ERR_TYPE_MISMATCH
				: k->has_range                    ? SL_ERR_OK
								  : SL_ERR_MATCH_TYPE_MISMATCH;

			assert_int_equal(
				outcome(k->layer, k->field, SL_MATCH_EQUAL, types[t], types[t]),
				fits ? SL_ERR_OK : SL_ERR_TYPE_MISMATCH);
			assert_int_equal(outcome(k->layer, k->field, SL_MATCH_RANGE,
						 SLUICE_TYPE_RANGE, types[t]),
				range);
		}
	}
}

/* A fault of the field hides one of the match, that hides one of the type, and so on. */
static void
test_order_of_checks(void **state)
{
	(void)state;
	assert_int_equal(
		outcome(V4, SLUICE_FIELD_ETHER_TYPE, SL_MATCH_COUNT, SLUICE_TYPE_BYTE_BLOB, 0),
		SL_ERR_CONDITION_NOT_FOUND);
	assert_int_equal(
		outcome(V4, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_COUNT, SLUICE_TYPE_BYTE_BLOB, 0),
		SL_ERR_INVALID_ENUMERATOR);
	assert_int_equal(
		outcome(V4, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_SUFFIX, SLUICE_TYPE_BYTE_BLOB, 0),
		SL_ERR_TYPE_MISMATCH);
	assert_int_equal(outcome(V4, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_FLAGS_ALL_SET,
				 SLUICE_TYPE_UINT32, 0),
		SL_ERR_MATCH_TYPE_MISMATCH);
}

/* Appendix E, row 12, and section 1.5: what is missing at which layer. */
static void
test_fields(void **state)
{
	struct sl_filter *filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);

	(void)state;
	assert_int_equal(outcome("ipforward_v4", SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_EQUAL,
				 SLUICE_TYPE_UINT32, 0),
		SL_ERR_CONDITION_NOT_FOUND);
	assert_int_equal(outcome("inbound_ippacket_v4", SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL,
				 SLUICE_TYPE_UINT8, 0),
		SL_ERR_CONDITION_NOT_FOUND);
	assert_int_equal(
		outcome(V4, SLUICE_FIELD_TUNNEL_TYPE, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, 0),
		SL_ERR_CONDITION_NOT_FOUND);
	assert_int_equal(outcome(V4, SLUICE_FIELD_NONE, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, 0),
		SL_ERR_CONDITION_NOT_FOUND);
	assert_int_equal(
		outcome(V4, (enum sluice_field)9999, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, 0),
		SL_ERR_CONDITION_NOT_FOUND);
	make_number(filter, SLUICE_FIELD_VLAN_ID, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 1);
	refuse(&filter->object, SL_ERR_CONDITION_NOT_FOUND, "/it/conditions/0/field",
		"layer \"inbound_transport_v4\" has no field \"vlan_id\"; it has ip_protocol, "
		"ip_local_address,");
}

static void
test_error_texts(void **state)
{
	struct sl_filter *filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);

	(void)state;
	make_number(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_FLAGS_ALL_SET,
		SLUICE_TYPE_UINT32, 1);
	refuse(&filter->object, SL_ERR_MATCH_TYPE_MISMATCH, "/it/conditions/0/match",
		"\"flags_all_set\" does not fit \"ip_remote_address\", which is uint32; it takes "
		"equal, greater, less, greater_or_equal, less_or_equal, range, not_equal, in_set, "
		"not_in_set");
	filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 1, 2);
	filter->conditions[0].match = SL_MATCH_EQUAL;
	refuse(&filter->object, SL_ERR_MATCH_TYPE_MISMATCH, "/it/conditions/0/match",
		"\"equal\" does not take a value of type range; on \"ip_local_port\" such a value "
		"goes with range");
	filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, 1);
	refuse(&filter->object, SL_ERR_TYPE_MISMATCH, "/it/conditions/0/value",
		"a value of type uint32 does not fit \"ip_local_port\", which is uint16");
}

/* Appendix E, row 10. */
static void
test_ranges(void **state)
{
	struct sl_filter *filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
	struct sl_condition *condition;

	(void)state;
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 10, 5);
	refuse(&filter->object, SL_ERR_INVALID_RANGE, "/it/conditions/0/value",
		"begins at 10 and ends before it, at 5");
	filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
	make_range(
		filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_TYPE_UINT32, 0x0a000002, 0x0a000001);
	refuse(&filter->object, SL_ERR_INVALID_RANGE, "/it/conditions/0/value",
		"begins at 10.0.0.2 and ends before it, at 10.0.0.1");
	filter = make_filter("f", V6, SLUICE_ACTION_BLOCK);
	condition = make_condition(
		filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_RANGE, SLUICE_TYPE_RANGE);
	condition->value.range_type = SLUICE_TYPE_BYTE_ARRAY16;
	condition->value.low.bytes[0] = 1; /* 100:: .. ::ff, which ends before it begins */
	condition->value.high.bytes[15] = 0xff;
	refuse(&filter->object, SL_ERR_INVALID_RANGE, "/it/conditions/0/value",
		"begins at 100:: and ends before it, at ::ff");
	filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 5, 5);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 0, 65535);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_INTERFACE, SLUICE_TYPE_UINT64, 0, UINT64_MAX);
	finish(&filter->object);
	sl_object_put(&filter->object);
}

static void
test_bounds(void **state)
{
	static const struct {
		const char *layer;
		enum sluice_field field;
		enum sluice_data_type type;
		uint64_t max;
	} rows[] = {
		{V4, SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8, 255},
		{V4, SLUICE_FIELD_IP_REMOTE_PORT, SLUICE_TYPE_UINT16, 65535},
		{V4, SLUICE_FIELD_FLAGS, SLUICE_TYPE_UINT32, UINT32_MAX},
		{V4, SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_TYPE_UINT32, UINT32_MAX},
		{MAC, SLUICE_FIELD_ETHER_TYPE, SLUICE_TYPE_UINT16, 65535},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct sl_filter *filter = make_filter("f", rows[i].layer, SLUICE_ACTION_BLOCK);

		make_number(filter, rows[i].field, SL_MATCH_EQUAL, rows[i].type, rows[i].max);
		finish(&filter->object);
		filter->conditions[0].value.low.number++;
		refuse(&filter->object, SL_ERR_OUT_OF_BOUNDS, "/it/conditions/0/value",
			"too large for");
		filter = make_filter("f", rows[i].layer, SLUICE_ACTION_BLOCK);
		make_range(filter, rows[i].field, rows[i].type, 0, rows[i].max + 1);
		refuse(&filter->object, SL_ERR_OUT_OF_BOUNDS, "/it/conditions/0/value",
			"too large for");
	}
}

/* Appendix E, row 11. */
static void
test_v4_masks(void **state)
{
	static const struct {
		uint64_t mask;
		bool is_right;
	} rows[] = {
		{0, true},
		{0x80000000, true},
		{0xffffff00, true},
		{0xfffffffe, true},
		{0xffffffff, true},
		{0xff00ff00, false},
		{0x00ffffff, false},
		{1, false},
		{0x1ffffffff, false},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct sl_filter *filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
		struct sl_condition *condition;

		make_v4_prefix(
			filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a01ffff, 32);
		condition = &filter->conditions[0];
		condition->value.high.number = rows[i].mask;
		if (!rows[i].is_right) {
			refuse(&filter->object, SL_ERR_INVALID_NET_MASK, "/it/conditions/0/value",
				"not contiguous");
			continue;
		}
		finish(&filter->object);
		assert_int_equal(condition->value.low.number, 0x0a01ffff & rows[i].mask);
		sl_object_put(&filter->object);
	}
}

static void
test_v6_prefixes(void **state)
{
	static const uint8_t ones[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	(void)state;
	for (unsigned int len = 0; len <= 129; len++) {
		struct sl_filter *filter = make_filter("f", V6, SLUICE_ACTION_BLOCK);

		make_v6_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_NOT_EQUAL, ones,
			(uint8_t)len);
		if (len > 128) {
			refuse(&filter->object, SL_ERR_INVALID_NET_MASK, "/it/conditions/0/value",
				"prefix length 129");
			continue;
		}
		finish(&filter->object);
		for (unsigned int bit = 0; bit < 128; bit++) {
			uint8_t byte = filter->conditions[0].value.low.bytes[bit / 8];

			assert_int_equal(byte >> (7 - bit % 8) & 1, bit < len ? 1 : 0);
		}
		sl_object_put(&filter->object);
	}
}

static void
test_texts(void **state)
{
	struct sl_filter *filter = make_filter("f", VSWITCH, SLUICE_ACTION_BLOCK);

	(void)state;
	make_blob(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SL_MATCH_SUFFIX, "0");
	finish(&filter->object);
	filter->conditions[0].value.text_len = 0;
	refuse(&filter->object, SL_ERR_ZERO_LENGTH_ARRAY, "/it/conditions/0/value", NULL);
	filter = make_filter("f", VSWITCH, SLUICE_ACTION_BLOCK);
	make_condition(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SL_MATCH_EQUAL,
		SLUICE_TYPE_BYTE_BLOB);
	refuse(&filter->object, SL_ERR_NULL_POINTER, "/it/conditions/0/value", NULL);
	filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
	make_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, SLUICE_TYPE_SET);
	refuse(&filter->object, SL_ERR_NULL_POINTER, "/it/conditions/0/value", NULL);
	filter = make_filter("f", V4, SLUICE_ACTION_BLOCK);
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "No Key");
	refuse(&filter->object, SL_ERR_SET_NOT_FOUND, "/it/conditions/0/value", "No Key");
}

static void
test_match_names(void **state)
{
	enum sl_match match = SL_MATCH_COUNT;

	(void)state;
	assert_int_equal(SL_ARRAY_LEN(matches), SL_MATCH_COUNT);
	for (int m = 0; m < SL_MATCH_COUNT; m++) {
		const char *name = sl_match_name((enum sl_match)m);

		assert_non_null(name);
		assert_true(sl_match_find(name, &match));
		assert_int_equal(match, m);
	}
	assert_string_equal(sl_match_name(SL_MATCH_GREATER_OR_EQUAL), "greater_or_equal");
	assert_string_equal(sl_match_name(SL_MATCH_NOT_SUFFIX), "not_suffix");
	assert_null(sl_match_name(SL_MATCH_COUNT));
	assert_false(sl_match_find("prefix", &match)); /* spelt suffix here */
	assert_false(sl_match_find("", &match));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_order_of_checks),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_error_texts),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_v4_masks),
		cmocka_unit_test(test_v6_prefixes),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_match_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
