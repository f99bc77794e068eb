/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

/*
 * Automatic weights (WFP section 3.3): numbers worked out by hand, and the properties that authors
 * rely on, tried on random filters.
 */

#define V4 "inbound_transport_v4"
#define V6 "inbound_transport_v6"

/* Where the slots of a v4 transport layer stand. */
#define REMOTE_ADDRESS 54
#define LOCAL_ADDRESS  48
#define REMOTE_PORT    45
#define LOCAL_PORT     42
#define PROTOCOL       39
#define INTERFACE      36
#define VLAN           30
#define FLAGS          27
#define OTHERS         24

static uint64_t
at(uint64_t code, unsigned int shift)
{
	return code << shift;
}

/* The filter's weight; the filter is dropped. Checks that the parts told to explain add up. */
static uint64_t
weigh(struct sl_filter *filter)
{
	struct sl_weight_part parts[32];
	uint32_t n = 99;
	uint64_t sum = 0;
	uint64_t weight;

	finish(&filter->object);
	weight = sl_weight_auto(filter, parts, &n);
	assert_true(weight == sl_weight_auto(filter, NULL, NULL));
	assert_true(n <= 32);
	for (uint32_t i = 0; i < n; i++) {
		assert_non_null(sl_field_name(parts[i].field));
		assert_true(parts[i].code > 0);
		sum += at(parts[i].code, parts[i].shift);
	}
	assert_true(sum == weight);
	sl_object_put(&filter->object);
	return weight;
}

static struct sl_filter *
filter_at(const char *layer)
{
	return make_filter("f", layer, SLUICE_ACTION_BLOCK);
}

/*
 * Values seen in net events of WFP, where they fit our slots: no conditions weigh nothing; an exact
 * address counts its 32 bits at the top; an exact port and protocol count 7 each; NOT_EQUAL counts
 * 1.
 */
static void
test_observed(void **state)
{
	struct sl_filter *filter = filter_at(V4);

	(void)state;
	assert_int_equal(weigh(filter), 0);

	filter = filter_at("outbound_transport_v4");
	make_number(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32,
		0x08080808);
	filter->weight_kind = SL_WEIGHT_RANGE;
	filter->weight = 15;
	finish(&filter->object);
	assert_true(filter->effective_weight == 0xf800000000000000);
	sl_object_put(&filter->object);

	filter = filter_at(V4);
	make_number(filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 53);
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 17);
	filter->weight_kind = SL_WEIGHT_RANGE;
	filter->weight = 3;
	finish(&filter->object);
	assert_true(filter->effective_weight == (at(3, 60) | at(7, REMOTE_PORT) | at(7, PROTOCOL)));
	sl_object_put(&filter->object);

	filter = filter_at(V4);
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_UINT8, 17);
	assert_true(weigh(filter) == at(1, PROTOCOL));
}

static void
test_v4_addresses(void **state)
{
	struct sl_filter *filter;

	(void)state;
	for (unsigned int len = 0; len <= 32; len++) {
		filter = filter_at(V4);
		make_v4_prefix(
			filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a000000, len);
		assert_true(weigh(filter) == at(len, REMOTE_ADDRESS));
		filter = filter_at(V4);
		make_range(filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_TYPE_UINT32, 0,
			((uint64_t)1 << (32 - len)) - 1);
		assert_true(weigh(filter) == at(len, LOCAL_ADDRESS));
	}
	/* A range of 257 addresses needs 9 bits. */
	filter = filter_at(V4);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_TYPE_UINT32, 10, 266);
	assert_true(weigh(filter) == at(23, LOCAL_ADDRESS));
	filter = filter_at(V4);
	make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_NOT_EQUAL, 0x0a000000, 24);
	assert_true(weigh(filter) == at(1, REMOTE_ADDRESS));
	filter = filter_at(V4);
	make_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
	assert_true(weigh(filter) == at(1, REMOTE_ADDRESS));
	filter = filter_at(V4);
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "s");
	assert_true(weigh(filter) == at(1, REMOTE_ADDRESS));
}

static void
test_v6_addresses(void **state)
{
	static const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8};
	struct sl_filter *filter;
	struct sl_condition *condition;

	(void)state;
	for (unsigned int len = 0; len <= 128; len++) {
		filter = filter_at(V6);
		make_v6_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, address,
			(uint8_t)len);
		assert_true(weigh(filter) == at(len, 52));
	}
	filter = filter_at(V6);
	make_condition(
		filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_EQUAL, SLUICE_TYPE_BYTE_ARRAY16);
	assert_true(weigh(filter) == at(128, 44));
	filter = filter_at(V6);
	condition = make_condition(
		filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_RANGE, SLUICE_TYPE_RANGE);
	condition->value.range_type = SLUICE_TYPE_BYTE_ARRAY16;
	memset(condition->value.high.bytes, 0xff, 16);
	assert_int_equal(weigh(filter), 0); /* all addresses */
	filter = filter_at(V6);
	condition = make_condition(
		filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_RANGE, SLUICE_TYPE_RANGE);
	condition->value.range_type = SLUICE_TYPE_BYTE_ARRAY16;
	memset(condition->value.high.bytes + 8, 0xff, 8);
	assert_true(weigh(filter) == at(64, 44)); /* ::/64 written as a range */
}

/* Every row of spec(c) for fields that are no addresses. */
static void
test_plain_codes(void **state)
{
	static const struct {
		enum sl_match match;
		uint64_t code;
	} rows[] = {
		{SL_MATCH_EQUAL, 7},
		{SL_MATCH_NOT_EQUAL, 1},
		{SL_MATCH_GREATER, 2},
		{SL_MATCH_LESS, 2},
		{SL_MATCH_GREATER_OR_EQUAL, 2},
		{SL_MATCH_LESS_OR_EQUAL, 2},
		{SL_MATCH_FLAGS_ALL_SET, 5},
		{SL_MATCH_FLAGS_ANY_SET, 3},
		{SL_MATCH_FLAGS_NONE_SET, 2},
	};
	static const struct {
		uint64_t high;
		uint64_t code;
	} ranges[] = {
		{100, 4}, {115, 4}, {116, 3}, {355, 3}, {356, 2}, {4195, 2}, {4196, 1}, {65535, 1}};
	struct sl_filter *filter;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		filter = filter_at(V4);
		make_number(filter, SLUICE_FIELD_FLAGS, rows[i].match, SLUICE_TYPE_UINT32, 32);
		assert_true(weigh(filter) == at(rows[i].code, FLAGS));
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(ranges); i++) {
		filter = filter_at(V4);
		make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 100,
			ranges[i].high);
		assert_true(weigh(filter) == at(ranges[i].code, LOCAL_PORT));
	}
	filter = filter_at(V4);
	make_set_condition(filter, SLUICE_FIELD_X_VLAN_VID, SL_MATCH_IN_SET, "s");
	make_set_condition(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_NOT_IN_SET, "s");
	assert_true(weigh(filter) == (at(2, VLAN) | at(1, PROTOCOL)));
	filter = filter_at("ingress_vswitch_ethernet");
	make_blob(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SL_MATCH_SUFFIX, "0");
	assert_true(weigh(filter) == at(6, 60 - 6 * 3));
	filter = filter_at("ingress_vswitch_ethernet");
	make_blob(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SL_MATCH_NOT_SUFFIX, "0");
	assert_true(weigh(filter) == at(1, 60 - 6 * 3));
}

/* Alternatives count as the weakest; what has no slot adds up to 7 at most. */
static void
test_groups(void **state)
{
	struct sl_filter *filter = filter_at(V4);

	(void)state;
	make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a000000, 24);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 80);
	make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0b000000, 8);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 8000, 8999);
	assert_true(weigh(filter) == (at(8, REMOTE_ADDRESS) | at(2, LOCAL_PORT)));

	filter = filter_at(V4);
	make_number(filter, SLUICE_FIELD_X_TTL, SL_MATCH_LESS, SLUICE_TYPE_UINT8, 5);
	make_number(filter, SLUICE_FIELD_X_DSCP, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_UINT8, 0);
	assert_true(weigh(filter) == at(3, OTHERS));
	filter = filter_at(V4);
	make_number(filter, SLUICE_FIELD_X_TTL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 5);
	make_number(filter, SLUICE_FIELD_X_DSCP, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 0);
	make_number(filter, SLUICE_FIELD_X_TCP_FLAGS, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 2);
	assert_true(weigh(filter) == at(7, OTHERS));
}

/* The more important field decides, whatever the others say. */
static void
test_importance(void **state)
{
	struct sl_filter *address = filter_at(V4);
	struct sl_filter *others = filter_at(V4);

	(void)state;
	make_v4_prefix(address, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a000000, 1);
	make_number(others, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, 1);
	make_number(others, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	make_number(others, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 80);
	make_number(others, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 80);
	assert_true(weigh(address) > weigh(others));
}

/* Where packets have no local end, the source has the remote end's place and the destination the local one's. */
static void
test_source_before_destination(void **state)
{
	static const char *const layers[] = {
		"ipforward_v4", "ingress_vswitch_transport_v4", "egress_vswitch_transport_v4"};
	struct sl_filter *filter;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(layers); i++) {
		filter = filter_at(layers[i]);
		make_v4_prefix(
			filter, SLUICE_FIELD_IP_SOURCE_ADDRESS, SL_MATCH_EQUAL, 0x0a000000, 8);
		make_v4_prefix(filter, SLUICE_FIELD_IP_DESTINATION_ADDRESS, SL_MATCH_EQUAL,
			0x0b000000, 24);
		assert_true(weigh(filter) == (at(8, REMOTE_ADDRESS) | at(24, LOCAL_ADDRESS)));
	}
	filter = filter_at("egress_vswitch_transport_v4");
	make_number(filter, SLUICE_FIELD_IP_SOURCE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 53);
	make_number(filter, SLUICE_FIELD_IP_DESTINATION_PORT, SL_MATCH_NOT_EQUAL,
		SLUICE_TYPE_UINT16, 53);
	assert_true(weigh(filter) == (at(7, REMOTE_PORT) | at(1, LOCAL_PORT)));
}

/* --- Properties, on random filters. --- */

struct random {
	uint64_t state;
};

static uint32_t
next(struct random *random, uint32_t below)
{
	random->state = random->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random->state >> 33) % below;
}

/* A random condition that is right for the field. */
static void
add_random_condition(
	struct random *random, struct sl_filter *filter, const struct sl_layer_field *field)
{
	static const enum sl_match plain[] = {SL_MATCH_EQUAL, SL_MATCH_NOT_EQUAL, SL_MATCH_GREATER,
		SL_MATCH_LESS_OR_EQUAL, SL_MATCH_FLAGS_ALL_SET, SL_MATCH_FLAGS_ANY_SET,
		SL_MATCH_FLAGS_NONE_SET};
	bool is_address = sl_field_is_address(field->field);
	uint8_t bytes[16] = {0};
	uint32_t choice = next(random, 10);

	for (size_t i = 0; i < 16; i++)
		bytes[i] = (uint8_t)next(random, 256);
	if (field->type == SLUICE_TYPE_BYTE_BLOB) {
		make_blob(filter, field->field, choice < 5 ? SL_MATCH_SUFFIX : SL_MATCH_NOT_EQUAL,
			"eth0");
	} else if (choice == 0) {
		make_condition(filter, field->field, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
	} else if (field->type == SLUICE_TYPE_BYTE_ARRAY6) {
		make_condition(filter, field->field, plain[choice % 2], field->type);
	} else if (field->type == SLUICE_TYPE_BYTE_ARRAY16) {
		make_v6_prefix(
			filter, field->field, plain[choice % 2], bytes, (uint8_t)next(random, 129));
	} else if (is_address && choice < 6) {
		make_v4_prefix(filter, field->field, plain[choice % 2], next(random, 1u << 31),
			next(random, 33));
	} else if (choice < 8 && !is_address) {
		make_number(filter, field->field, plain[next(random, SL_ARRAY_LEN(plain))],
			field->type, next(random, 200));
	} else {
		uint32_t low = next(random, 100);

		make_range(filter, field->field, field->type, low, low + next(random, 150));
	}
}

static const struct sl_layer_field *
random_field(struct random *random, const struct sl_layer *layer)
{
	const struct sl_layer_field *field;

	do
		field = &layer->fields[next(random, layer->n_fields)];
	while (!field->available);
	return field;
}

static const struct sl_layer *
random_layer(struct random *random)
{
	uint32_t n;
	const struct sl_layer *const *list = sl_layer_list(&n);
	const struct sl_layer *layer;

	do
		layer = list[next(random, n)];
	while (layer->status != SL_LAYER_WORKING);
	return layer;
}

static bool
has_field(const struct sl_filter *filter, enum sluice_field field)
{
	for (size_t i = 0; i < filter->n_conditions; i++)
		if (filter->conditions[i].field == field)
			return true;
	return false;
}

static void
shuffle(struct random *random, struct sl_filter *filter)
{
	for (size_t i = filter->n_conditions; i > 1; i--) {
		size_t k = next(random, (uint32_t)i);
		struct sl_condition kept = filter->conditions[i - 1];

		filter->conditions[i - 1] = filter->conditions[k];
		filter->conditions[k] = kept;
	}
}

static uint64_t
weight_of(struct sl_filter *filter)
{
	finish(&filter->object);
	/* (e) */
	assert_true(filter->effective_weight < (uint64_t)1 << 60);
	return filter->effective_weight;
}

/*
 * (c) order does not matter; (b) a further field never makes lighter; (d) an alternative never
 * heavier.
 */
static void
check_one_filter(struct random *random)
{
	const struct sl_layer *layer = random_layer(random);
	struct sl_filter *filter = filter_at(layer->name);
	const struct sl_layer_field *field;
	uint64_t before;
	uint64_t after;

	for (uint32_t i = next(random, 8); i > 0; i--)
		add_random_condition(random, filter, random_field(random, layer));
	before = weight_of(filter);
	shuffle(random, filter);
	assert_true(weight_of(filter) == before);

	field = random_field(random, layer);
	if (has_field(filter, field->field)) {
		add_random_condition(random, filter, field);
		after = weight_of(filter);
		assert_true(after <= before);
	} else {
		add_random_condition(random, filter, field);
		after = weight_of(filter);
		assert_true(after >= before);
	}
	sl_object_put(&filter->object);
}

/* (a) of two filters that differ in the length of one prefix, the longer is strictly heavier. */
static void
check_prefixes(struct random *random)
{
	const struct sl_layer *layer = random_layer(random);
	const struct sl_layer_field *field = random_field(random, layer);
	uint32_t bits = layer->ip_version == 4 ? 32 : 128;
	uint8_t address[16] = {0};
	struct sl_filter *filter;
	struct sl_condition *condition;
	uint32_t lengths[2];
	uint64_t weights[2];

	if (!sl_field_is_address(field->field))
		return;
	lengths[0] = next(random, bits);
	lengths[1] = lengths[0] + 1 + next(random, bits - lengths[0]);
	filter = filter_at(layer->name);
	if (bits == 32)
		make_v4_prefix(filter, field->field, SL_MATCH_EQUAL, 0, 0);
	else
		make_v6_prefix(filter, field->field, SL_MATCH_EQUAL, address, 0);
	for (uint32_t i = next(random, 6); i > 0; i--) {
		const struct sl_layer_field *other = random_field(random, layer);

		if (other->field != field->field)
			add_random_condition(random, filter, other);
	}
	condition = &filter->conditions[0];
	for (int i = 0; i < 2; i++) {
		condition->value.prefix_len = (uint8_t)lengths[i];
		if (bits == 32)
			condition->value.high.number =
				lengths[i] == 0 ? 0 : UINT32_MAX << (32 - lengths[i]);
		weights[i] = weight_of(filter);
	}
	assert_true(weights[1] > weights[0]);
	sl_object_put(&filter->object);
}

static void
test_properties(void **state)
{
	const char *given = getenv("SLUICE_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20240229;
	struct random random = {.state = seed};

	(void)state;
	print_message("seed %llu (SLUICE_SEED sets it)\n", (unsigned long long)seed);
	for (int i = 0; i < 20000; i++) {
		check_one_filter(&random);
		check_prefixes(&random);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_observed),
		cmocka_unit_test(test_v4_addresses),
		cmocka_unit_test(test_v6_addresses),
		cmocka_unit_test(test_plain_codes),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_importance),
		cmocka_unit_test(test_source_before_destination),
		cmocka_unit_test(test_properties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
