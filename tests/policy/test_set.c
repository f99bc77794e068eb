/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

static struct sl_set *
make_set(enum sl_set_type type)
{
	struct sl_set *set = sl_set_of(make_object(SL_OBJECT_SET, "s"));

	set->set_type = type;
	return set;
}

static uint64_t
number_of(const uint8_t bytes[16])
{
	uint64_t number = 0;

	for (unsigned int i = 8; i < 16; i++)
		number = number << 8 | bytes[i];
	return number;
}

static bool
contains(const struct sl_set *set, uint64_t number)
{
	uint8_t value[16] = {0};

	for (unsigned int i = 0; i < 8; i++)
		value[15 - i] = (uint8_t)(number >> (8 * i));
	return sl_set_contains(set, value);
}

static void
test_merging(void **state)
{
	static const struct {
		uint64_t low;
		uint64_t high;
	} expected[] = {{0, 0}, {2, 5}, {10, 30}, {65000, 65535}};
	struct sl_set *set = make_set(SL_SET_UINT16);

	(void)state;
	make_element(set, 20, 30); /* overlaps */
	make_element(set, 10, 22);
	make_element(set, 12, 13); /* inside */
	make_element(set, 2, 3);
	make_element(set, 4, 5); /* follows at once */
	make_element(set, 65535, 65535);
	make_element(set, 0, 0);
	make_element(set, 65000, 65534);
	make_element(set, 20, 30); /* the same again */
	finish(&set->object);
	assert_int_equal(set->n_elements, 8);
	for (size_t i = 1; i < set->n_elements; i++)
		assert_true(memcmp(&set->elements[i - 1], &set->elements[i], 32) < 0);
	assert_int_equal(set->n_ranges, SL_ARRAY_LEN(expected));
	for (size_t i = 0; i < set->n_ranges; i++) {
		assert_int_equal(number_of(set->ranges[i].low), expected[i].low);
		assert_int_equal(number_of(set->ranges[i].high), expected[i].high);
	}
	for (uint64_t number = 0; number <= 65535; number++) {
		bool is_in = number == 0 || (number >= 2 && number <= 5) ||
			(number >= 10 && number <= 30) || number >= 65000;

		assert_int_equal(contains(set, number), is_in);
	}
	assert_false(contains(set, 65536));
	sl_object_put(&set->object);
}

static void
test_empty_set(void **state)
{
	struct sl_set *set = make_set(SL_SET_UINT8);

	(void)state;
	finish(&set->object);
	assert_int_equal(set->n_ranges, 0);
	assert_false(contains(set, 0));
	assert_false(contains(set, 255));
	sl_object_put(&set->object);
}

/* The whole of IPv6, as two halves: their ends must not wrap around. */
static void
test_v6_edges(void **state)
{
	struct sl_set *set = make_set(SL_SET_V6_PREFIX);
	uint8_t value[16] = {0};

	(void)state;
	make_element(set, 0, 0);
	memset(set->elements[0].high, 0xff, 16);
	set->elements[0].high[0] = 0x7f;
	make_element(set, 0, 0);
	memset(set->elements[1].high, 0xff, 16);
	set->elements[1].low[0] = 0x80;
	make_element(set, 0, 0);
	memset(set->elements[2].low, 0xff, 16);
	memset(set->elements[2].high, 0xff, 16);
	finish(&set->object);
	assert_int_equal(set->n_elements, 3);
	assert_int_equal(set->n_ranges, 1);
	assert_true(sl_set_contains(set, value));
	value[0] = 0x80;
	assert_true(sl_set_contains(set, value));
	memset(value, 0xff, 16);
	assert_true(sl_set_contains(set, value));
	sl_object_put(&set->object);
}

static void
test_v4_prefixes(void **state)
{
	struct sl_set *set = make_set(SL_SET_V4_PREFIX);

	(void)state;
	make_element(set, 0xc0000200, 0xc00002ff); /* 192.0.2.0/24 */
	make_element(set, 0xc0000300, 0xc00003ff); /* 192.0.3.0/24, its neighbour */
	make_element(set, 0xffffffff, 0xffffffff);
	make_element(set, 0, 0);
	finish(&set->object);
	assert_int_equal(set->n_elements, 4);
	assert_int_equal(set->n_ranges, 3);
	assert_true(contains(set, 0));
	assert_false(contains(set, 1));
	assert_false(contains(set, 0xc00001ff));
	assert_true(contains(set, 0xc0000200));
	assert_true(contains(set, 0xc00003ff));
	assert_false(contains(set, 0xc0000400));
	assert_false(contains(set, 0xfffffffe));
	assert_true(contains(set, 0xffffffff));
	sl_object_put(&set->object);
}

static void
test_faults(void **state)
{
	static const struct {
		enum sl_set_type type;
		uint64_t low;
		uint64_t high;
		enum sl_err code;
		const char *text;
	} rows[] = {
		{SL_SET_UINT8, 0, 256, SL_ERR_OUT_OF_BOUNDS, "0 to 256 is out of bounds"},
		{SL_SET_UINT16, 65536, 65536, SL_ERR_OUT_OF_BOUNDS, NULL},
		{SL_SET_UINT32, 0, 0x100000000, SL_ERR_OUT_OF_BOUNDS, NULL},
		{SL_SET_MAC, 0, (uint64_t)1 << 48, SL_ERR_OUT_OF_BOUNDS, NULL},
		{SL_SET_UINT16, 9, 8, SL_ERR_INVALID_RANGE, "9 to 8 ends before it begins"},
		{SL_SET_MAC, 1, 2, SL_ERR_INVALID_RANGE, "00:00:00:00:00:01 to"},
		{SL_SET_V4_PREFIX, 0x0a000000, 0x0a000002, SL_ERR_INVALID_NET_MASK,
			"10.0.0.0 to 10.0.0.2 is not a prefix"},
		{SL_SET_V4_PREFIX, 0x0a000001, 0x0a000002, SL_ERR_INVALID_NET_MASK, NULL},
		{SL_SET_V6_PREFIX, 1, 2, SL_ERR_INVALID_NET_MASK, "::1 to ::2 is not a prefix"},
	};
	struct sl_set *set;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		set = make_set(rows[i].type);
		make_element(set, 0, 0);
		make_element(set, rows[i].low, rows[i].high);
		refuse(&set->object, rows[i].code, "/it/elements/1", rows[i].text);
	}
	set = make_set((enum sl_set_type)SL_SET_TYPE_COUNT);
	refuse(&set->object, SL_ERR_INVALID_ENUMERATOR, "/it/type", NULL);
	set = make_set(SL_SET_UINT8);
	set->n_elements = 1;
	refuse(&set->object, SL_ERR_NULL_POINTER, "/it/elements", NULL);
}

static void
test_type_names(void **state)
{
	static const char *const names[] = {
		"v4_prefix", "v6_prefix", "mac", "uint8", "uint16", "uint32"};
	enum sl_set_type type;

	(void)state;
	for (int t = 0; t < SL_SET_TYPE_COUNT; t++) {
		assert_string_equal(sl_set_type_name((enum sl_set_type)t), names[t]);
		assert_true(sl_set_type_find(names[t], &type));
		assert_int_equal(type, t);
	}
	assert_false(sl_set_type_find("uint64", &type));
	assert_null(sl_set_type_name(SL_SET_TYPE_COUNT));
}

static void
test_type_of_field(void **state)
{
	static const struct {
		const char *layer;
		const char *field;
		bool has_sets;
		enum sl_set_type type;
	} rows[] = {
		{"inbound_transport_v4", "ip_remote_address", true, SL_SET_V4_PREFIX},
		{"inbound_transport_v6", "ip_remote_address", true, SL_SET_V6_PREFIX},
		{"inbound_transport_v4", "ip_local_port", true, SL_SET_UINT16},
		{"inbound_transport_v4", "ip_protocol", true, SL_SET_UINT8},
		{"inbound_transport_v4", "interface_index", true, SL_SET_UINT32},
		{"inbound_transport_v4", "ip_local_interface", false, 0},
		{"inbound_mac_frame_ethernet", "mac_remote_address", true, SL_SET_MAC},
		{"ingress_vswitch_ethernet", "vswitch_source_interface_id", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		const struct sl_layer_field *field =
			sl_layer_field_find(sl_layer_find(rows[i].layer), rows[i].field, NULL);
		enum sl_set_type type = SL_SET_TYPE_COUNT;

		assert_int_equal(sl_set_type_of_field(field, &type), rows[i].has_sets);
		if (rows[i].has_sets)
			assert_int_equal(type, rows[i].type);
	}
}

/*
 * A set against the obvious way to look something up, with ranges of every kind of neighbourhood.
 */
static void
test_against_linear(void **state)
{
	uint64_t random = 12345;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct sl_set *set = make_set(SL_SET_UINT8);
		bool expected[256] = {false};

		for (int i = 0; i < round % 30; i++) {
			uint64_t low;
			uint64_t high;

			random = random * 6364136223846793005u + 1442695040888963407u;
			low = random >> 40 & 0xff;
			high = SL_MIN(low + (random >> 50 & 7), 255);
			make_element(set, low, high);
			for (uint64_t number = low; number <= high; number++)
				expected[number] = true;
		}
		finish(&set->object);
		for (uint64_t number = 0; number < 256; number++)
			assert_int_equal(contains(set, number), expected[number]);
		for (size_t i = 1; i < set->n_ranges; i++)
			assert_true(number_of(set->ranges[i - 1].high) + 1 <
				number_of(set->ranges[i].low));
		sl_object_put(&set->object);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merging),
		cmocka_unit_test(test_empty_set),
		cmocka_unit_test(test_v6_edges),
		cmocka_unit_test(test_v4_prefixes),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_type_names),
		cmocka_unit_test(test_type_of_field),
		cmocka_unit_test(test_against_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
