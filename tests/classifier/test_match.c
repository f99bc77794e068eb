/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

/*
 * WFP sections 2.2 to 2.4, match by match: one filter with one condition, one packet, and whether
 * it matches.  Both engines must give the expected answer.
 */

#define V4   "inbound_transport_v4"
#define V6   "inbound_transport_v6"
#define MAC  "inbound_mac_frame_ethernet"
#define PORT "ingress_vswitch_ethernet"

/* True when the filter, which is taken over, matches the packet at its layer. */
static bool
matches(struct sl_filter *filter, const struct sl_meta *meta, struct sl_object *set)
{
	const enum sluice_layer id = filter->layer->id;
	struct sl_policy *policy = sl_policy_new();
	struct sl_snapshot *snapshot;
	struct sl_matches list;
	uint32_t n;

	assert_non_null(policy);
	if (set != NULL)
		add(policy, set);
	add(policy, &filter->object);
	snapshot = rig_compile(policy, NULL);
	assert_int_equal(sl_matches_init(&list), 0);
	n = rig_classify(snapshot->layers[id], meta, &list);
	sl_matches_fini(&list);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
	return n == 1;
}

static struct sl_filter *
block_at(const char *layer)
{
	return make_filter("f", layer, SLUICE_ACTION_BLOCK);
}

/* --- Numbers. --- */

static bool
port_matches(enum sl_match match, uint64_t value, uint16_t port)
{
	struct sl_filter *filter = block_at(V4);
	struct sl_meta meta;

	rig_meta(&meta);
	meta.local_port = port;
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, match, SLUICE_TYPE_UINT16, value);
	return matches(filter, &meta, NULL);
}

static void
test_order(void **state)
{
	(void)state;
	for (uint16_t port = 79; port <= 81; port++) {
		assert_int_equal(port_matches(SL_MATCH_EQUAL, 80, port), port == 80);
		assert_int_equal(port_matches(SL_MATCH_NOT_EQUAL, 80, port), port != 80);
		assert_int_equal(port_matches(SL_MATCH_GREATER, 80, port), port > 80);
		assert_int_equal(port_matches(SL_MATCH_GREATER_OR_EQUAL, 80, port), port >= 80);
		assert_int_equal(port_matches(SL_MATCH_LESS, 80, port), port < 80);
		assert_int_equal(port_matches(SL_MATCH_LESS_OR_EQUAL, 80, port), port <= 80);
	}
	assert_false(port_matches(SL_MATCH_GREATER, 65535, 65535));
	assert_false(port_matches(SL_MATCH_LESS, 0, 0));
	assert_true(port_matches(SL_MATCH_GREATER_OR_EQUAL, 0, 0));
	assert_true(port_matches(SL_MATCH_LESS_OR_EQUAL, 65535, 65535));
}

static void
test_flags(void **state)
{
	(void)state;
	assert_true(port_matches(SL_MATCH_FLAGS_ALL_SET, 0x0006, 0x0007));
	assert_true(port_matches(SL_MATCH_FLAGS_ALL_SET, 0x0006, 0x0006));
	assert_false(port_matches(SL_MATCH_FLAGS_ALL_SET, 0x0006, 0x0004));
	assert_false(port_matches(SL_MATCH_FLAGS_ALL_SET, 0x0006, 0x0008));
	assert_true(port_matches(SL_MATCH_FLAGS_ALL_SET, 0, 0));
	assert_true(port_matches(SL_MATCH_FLAGS_ANY_SET, 0x0006, 0x0004));
	assert_true(port_matches(SL_MATCH_FLAGS_ANY_SET, 0x0006, 0xffff));
	assert_false(port_matches(SL_MATCH_FLAGS_ANY_SET, 0x0006, 0xfff9));
	assert_false(port_matches(SL_MATCH_FLAGS_ANY_SET, 0, 0xffff));
	assert_true(port_matches(SL_MATCH_FLAGS_NONE_SET, 0x0006, 0xfff9));
	assert_true(port_matches(SL_MATCH_FLAGS_NONE_SET, 0x0006, 0));
	assert_false(port_matches(SL_MATCH_FLAGS_NONE_SET, 0x0006, 0x0002));
	assert_true(port_matches(SL_MATCH_FLAGS_NONE_SET, 0, 0xffff));
}

static bool
range_matches(uint16_t low, uint16_t high, uint16_t port)
{
	struct sl_filter *filter = block_at(V4);
	struct sl_meta meta;

	rig_meta(&meta);
	meta.local_port = port;
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, low, high);
	return matches(filter, &meta, NULL);
}

static void
test_range(void **state)
{
	(void)state;
	assert_false(range_matches(80, 90, 79));
	assert_true(range_matches(80, 90, 80));
	assert_true(range_matches(80, 90, 90));
	assert_false(range_matches(80, 90, 91));
	assert_true(range_matches(80, 80, 80));
	assert_true(range_matches(0, 65535, 0));
	assert_true(range_matches(0, 65535, 65535));
}

static bool
luid_matches(enum sl_match match, uint64_t value, uint64_t luid)
{
	struct sl_filter *filter = block_at(V4);
	struct sl_meta meta;

	rig_meta(&meta);
	meta.ports.arrival_luid = luid;
	make_number(filter, SLUICE_FIELD_IP_LOCAL_INTERFACE, match, SLUICE_TYPE_UINT64, value);
	return matches(filter, &meta, NULL);
}

static void
test_64_bits(void **state)
{
	const uint64_t value = 0x123456789abcdef0;

	(void)state;
	assert_true(luid_matches(SL_MATCH_EQUAL, value, value));
	assert_false(luid_matches(SL_MATCH_EQUAL, value, value ^ 1));
	assert_false(luid_matches(SL_MATCH_EQUAL, value, value ^ (uint64_t)1 << 40));
	assert_true(luid_matches(SL_MATCH_GREATER, value, value + 1));
	assert_false(luid_matches(SL_MATCH_GREATER, value, value));
	assert_true(luid_matches(SL_MATCH_GREATER, value, UINT64_MAX));
	assert_true(luid_matches(SL_MATCH_LESS, value, 0x12345678ffffffff - 0x80000000));
	assert_false(luid_matches(SL_MATCH_LESS, value, 0x1234567900000000));
	assert_true(luid_matches(SL_MATCH_FLAGS_ALL_SET, (uint64_t)1 << 60, value));
}

/* --- Addresses. --- */

static bool
v4_matches(enum sl_match match, uint32_t address, unsigned int len, uint32_t source)
{
	struct sl_filter *filter = block_at(V4);
	struct sl_meta meta;

	rig_meta(&meta);
	meta.ip4_src = source;
	make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, match, address, len);
	return matches(filter, &meta, NULL);
}

static void
test_v4_prefix(void **state)
{
	(void)state;
	assert_true(v4_matches(SL_MATCH_EQUAL, 0x0a000000, 8, 0x0a000000));
	assert_true(v4_matches(SL_MATCH_EQUAL, 0x0a000000, 8, 0x0affffff));
	assert_false(v4_matches(SL_MATCH_EQUAL, 0x0a000000, 8, 0x0b000000));
	assert_false(v4_matches(SL_MATCH_EQUAL, 0x0a000000, 8, 0x09ffffff));
	assert_true(v4_matches(SL_MATCH_EQUAL, 0x0a000001, 32, 0x0a000001));
	assert_false(v4_matches(SL_MATCH_EQUAL, 0x0a000001, 32, 0x0a000000));
	assert_true(v4_matches(SL_MATCH_EQUAL, 0, 0, 0xffffffff));
	assert_true(v4_matches(SL_MATCH_NOT_EQUAL, 0x0a000000, 8, 0x0b000000));
	assert_false(v4_matches(SL_MATCH_NOT_EQUAL, 0x0a000000, 8, 0x0a800000));
	assert_false(v4_matches(SL_MATCH_NOT_EQUAL, 0, 0, 1));
}

/* fe80::1 with its last byte replaced, and the byte before when `high` is not 0. */
static void
v6_address(uint8_t to[16], uint8_t high, uint8_t low)
{
	memset(to, 0, 16);
	to[0] = 0xfe;
	to[1] = 0x80;
	to[14] = high;
	to[15] = low;
}

static void
v6_meta(struct sl_meta *meta, const uint8_t source[16])
{
	sl_meta_setup(meta, SLUICE_DIRECTION_INBOUND, rig_ports());
	meta->ip_version = 6;
	memcpy(meta->ip6_src, source, 16);
	meta->present |= SL_PRESENT(IP6_SRC) | SL_PRESENT(IP6_DST);
}

static bool
v6_matches(enum sl_match match, uint8_t len, const uint8_t source[16])
{
	struct sl_filter *filter = block_at(V6);
	struct sl_meta meta;
	uint8_t address[16];

	v6_meta(&meta, source);
	v6_address(address, 0, 0);
	make_v6_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, match, address, len);
	return matches(filter, &meta, NULL);
}

static void
test_v6_prefix(void **state)
{
	uint8_t near[16];
	uint8_t far[16];

	(void)state;
	v6_address(near, 0x12, 0x34);
	v6_address(far, 0, 1);
	far[7] = 1;
	assert_true(v6_matches(SL_MATCH_EQUAL, 10, far));
	assert_true(v6_matches(SL_MATCH_EQUAL, 63, far));
	assert_false(v6_matches(SL_MATCH_EQUAL, 64, far));
	assert_true(v6_matches(SL_MATCH_EQUAL, 64, near));
	assert_true(v6_matches(SL_MATCH_EQUAL, 115, near));
	assert_false(v6_matches(SL_MATCH_EQUAL, 116, near));
	assert_true(v6_matches(SL_MATCH_NOT_EQUAL, 128, near));
	assert_false(v6_matches(SL_MATCH_NOT_EQUAL, 64, near));
	assert_true(v6_matches(SL_MATCH_EQUAL, 0, far));
}

static bool
v6_scalar_matches(enum sl_match match, const uint8_t value[16], const uint8_t source[16])
{
	struct sl_filter *filter = block_at(V6);
	struct sl_meta meta;

	v6_meta(&meta, source);
	memcpy(make_condition(
		       filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, match, SLUICE_TYPE_BYTE_ARRAY16)
			->value.low.bytes,
		value, 16);
	return matches(filter, &meta, NULL);
}

static bool
v6_range_matches(const uint8_t low[16], const uint8_t high[16], const uint8_t source[16])
{
	struct sl_filter *filter = block_at(V6);
	struct sl_condition *condition = make_condition(
		filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_RANGE, SLUICE_TYPE_RANGE);
	struct sl_meta meta;

	v6_meta(&meta, source);
	condition->value.range_type = SLUICE_TYPE_BYTE_ARRAY16;
	memcpy(condition->value.low.bytes, low, 16);
	memcpy(condition->value.high.bytes, high, 16);
	return matches(filter, &meta, NULL);
}

static void
test_v6_order(void **state)
{
	uint8_t a[16];
	uint8_t b[16];
	uint8_t c[16];

	(void)state;
	v6_address(a, 0, 0xff);
	v6_address(b, 1, 0);
	v6_address(c, 1, 1);
	assert_true(v6_scalar_matches(SL_MATCH_EQUAL, a, a));
	assert_false(v6_scalar_matches(SL_MATCH_EQUAL, a, b));
	assert_true(v6_scalar_matches(SL_MATCH_GREATER, a, b));
	assert_false(v6_scalar_matches(SL_MATCH_GREATER, b, a));
	assert_true(v6_scalar_matches(SL_MATCH_LESS_OR_EQUAL, b, a));
	assert_false(v6_scalar_matches(SL_MATCH_LESS, a, a));
	assert_true(v6_range_matches(a, c, b));
	assert_false(v6_range_matches(a, b, c));
	a[3] = 1; /* the range's words no longer end at multiples */
	assert_true(v6_range_matches(b, a, c));
	assert_false(v6_range_matches(c, a, b));
}

static void
test_mac(void **state)
{
	static const uint8_t value[6] = {2, 0, 0, 0, 0, 9};

	(void)state;
	for (int equal = 0; equal < 2; equal++) {
		struct sl_filter *filter = block_at(MAC);
		const enum sl_match match = equal ? SL_MATCH_EQUAL : SL_MATCH_NOT_EQUAL;
		struct sl_meta meta;

		rig_meta(&meta);
		memcpy(meta.mac_dst, value, 6);
		meta.present |= SL_PRESENT(MAC_DST);
		memcpy(make_condition(filter, SLUICE_FIELD_MAC_LOCAL_ADDRESS, match,
			       SLUICE_TYPE_BYTE_ARRAY6)
				->value.low.bytes,
			value, 6);
		meta.mac_dst[0] ^= equal ? 0 : 1;
		assert_true(matches(filter, &meta, NULL));
	}
}

/* --- Texts. --- */

static bool
name_matches(enum sl_match match, const char *value, const char *name)
{
	struct sl_filter *filter = block_at(PORT);
	const struct sl_blob blob = {(const uint8_t *)name, (uint32_t)strlen(name)};
	struct sl_meta meta;

	rig_meta(&meta);
	meta.ports.arrival_name = &blob;
	make_blob(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, match, value);
	return matches(filter, &meta, NULL);
}

static void
test_texts(void **state)
{
	(void)state;
	assert_true(name_matches(SL_MATCH_EQUAL, "abc", "abc"));
	assert_false(name_matches(SL_MATCH_EQUAL, "abc", "abcd"));
	assert_true(name_matches(SL_MATCH_NOT_EQUAL, "abc", "abd"));
	assert_true(name_matches(SL_MATCH_GREATER, "abc", "abcd"));
	assert_true(name_matches(SL_MATCH_GREATER, "abc", "abd"));
	assert_false(name_matches(SL_MATCH_GREATER, "abc", "ab"));
	assert_true(name_matches(SL_MATCH_LESS, "abc", ""));
	assert_true(name_matches(SL_MATCH_LESS_OR_EQUAL, "abc", "abc"));
	assert_true(name_matches(SL_MATCH_GREATER_OR_EQUAL, "abc", "b"));
	assert_true(name_matches(SL_MATCH_SUFFIX, "bc", "abc"));
	assert_true(name_matches(SL_MATCH_SUFFIX, "abc", "abc"));
	assert_false(name_matches(SL_MATCH_SUFFIX, "ab", "abc"));
	assert_false(name_matches(SL_MATCH_SUFFIX, "xabc", "abc"));
	assert_true(name_matches(SL_MATCH_NOT_SUFFIX, "ab", "abc"));
	assert_false(name_matches(SL_MATCH_NOT_SUFFIX, "bc", "abc"));
}

/* --- Sets. --- */

/* A v4 set of 10.0.0.0/24, 10.0.2.0/24 and so on: `n` prefixes. */
static struct sl_object *
make_v4_set(uint32_t n)
{
	struct sl_object *object = make_object(SL_OBJECT_SET, "set");
	struct sl_set *set = sl_set_of(object);

	set->set_type = SL_SET_V4_PREFIX;
	for (uint32_t i = 0; i < n; i++)
		make_element(set, 0x0a000000u + i * 512, 0x0a0000ffu + i * 512);
	return object;
}

static bool
set_matches(enum sl_match match, uint32_t n, uint32_t source)
{
	struct sl_filter *filter = block_at(V4);
	struct sl_meta meta;

	rig_meta(&meta);
	meta.ip4_src = source;
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, match, "set");
	return matches(filter, &meta, make_v4_set(n));
}

static void
test_sets(void **state)
{
	/* Few ranges become boxes, some a table, many a table with an index. */
	static const uint32_t sizes[] = {1, 3, 16, 17, 63, 64, 1000};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(sizes); i++) {
		const uint32_t n = sizes[i];
		const uint32_t last = 0x0a000000u + (n - 1) * 512;

		assert_true(set_matches(SL_MATCH_IN_SET, n, 0x0a000000));
		assert_true(set_matches(SL_MATCH_IN_SET, n, last + 255));
		assert_false(set_matches(SL_MATCH_IN_SET, n, last + 256));
		assert_false(set_matches(SL_MATCH_IN_SET, n, 0x09ffffff));
		assert_true(set_matches(SL_MATCH_NOT_IN_SET, n, last + 256));
		assert_true(set_matches(SL_MATCH_NOT_IN_SET, n, 0x09ffffff));
		assert_false(set_matches(SL_MATCH_NOT_IN_SET, n, last));
		assert_true(set_matches(SL_MATCH_NOT_IN_SET, n, 0));
		assert_true(set_matches(SL_MATCH_NOT_IN_SET, n, UINT32_MAX));
	}
	assert_false(set_matches(SL_MATCH_IN_SET, 0, 0x0a000000));
	assert_true(set_matches(SL_MATCH_NOT_IN_SET, 0, 0x0a000000));
}

/* --- EMPTY. --- */

/* Every way to ask about an absent VLAN tag; only EQUAL EMPTY is told yes. */
static void
test_absent(void **state)
{
	static const enum sl_match all[] = {SL_MATCH_EQUAL, SL_MATCH_NOT_EQUAL, SL_MATCH_GREATER,
		SL_MATCH_LESS, SL_MATCH_GREATER_OR_EQUAL, SL_MATCH_LESS_OR_EQUAL,
		SL_MATCH_FLAGS_ALL_SET, SL_MATCH_FLAGS_ANY_SET, SL_MATCH_FLAGS_NONE_SET};
	struct sl_meta meta;
	struct sl_filter *filter;

	(void)state;
	rig_meta(&meta);
	for (size_t i = 0; i < SL_ARRAY_LEN(all); i++) {
		for (int value = 0; value < 2; value++) {
			filter = block_at(MAC);
			make_number(filter, SLUICE_FIELD_VLAN_ID, all[i], SLUICE_TYPE_UINT16,
				(uint64_t)value * 100);
			meta.vlan_tci = (uint16_t)(value * 100); /* left over: not looked at */
			assert_false(matches(filter, &meta, NULL));
		}
	}
	filter = block_at(MAC);
	make_range(filter, SLUICE_FIELD_VLAN_ID, SLUICE_TYPE_UINT16, 0, 65535);
	assert_false(matches(filter, &meta, NULL));
	filter = block_at(MAC);
	make_condition(filter, SLUICE_FIELD_VLAN_ID, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_EMPTY);
	assert_false(matches(filter, &meta, NULL));
	filter = block_at(MAC);
	make_condition(filter, SLUICE_FIELD_VLAN_ID, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
	assert_true(matches(filter, &meta, NULL));
}

static void
test_absent_texts_and_sets(void **state)
{
	struct sl_meta meta;
	struct sl_filter *filter;

	(void)state;
	rig_meta(&meta);
	meta.present &= ~(SL_PRESENT(ARRIVAL_NAME) | SL_PRESENT(IP4_SRC));
	meta.ports.arrival_name = NULL;
	filter = block_at(PORT);
	make_blob(filter, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SL_MATCH_NOT_SUFFIX, "x");
	assert_false(matches(filter, &meta, NULL));
	filter = block_at(V4);
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_NOT_IN_SET, "set");
	assert_false(matches(filter, &meta, make_v4_set(1)));
	filter = block_at(V4);
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_NOT_IN_SET, "set");
	assert_false(matches(filter, &meta, make_v4_set(100)));
}

static void
test_present(void **state)
{
	struct sl_meta meta;
	struct sl_filter *filter;

	(void)state;
	rig_meta(&meta);
	filter = block_at(V4);
	make_condition(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_EMPTY);
	assert_true(matches(filter, &meta, NULL));
	filter = block_at(V4);
	make_condition(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
	assert_false(matches(filter, &meta, NULL));
	/* EMPTY or 80: alternatives of one field. */
	for (int present = 0; present < 2; present++) {
		filter = block_at(V4);
		make_condition(
			filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY);
		make_number(
			filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 80);
		meta.local_port = present ? 80 : 443;
		meta.present &= ~(present ? 0 : SL_PRESENT(LOCAL_PORT));
		assert_true(matches(filter, &meta, NULL));
		meta.present |= SL_PRESENT(LOCAL_PORT);
	}
}

/* --- Structure (section 2.3). --- */

static void
test_alternatives_in_any_order(void **state)
{
	struct sl_filter *filter = block_at(V4);
	struct sl_meta meta;

	(void)state;
	rig_meta(&meta);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 22);
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 80);
	assert_true(matches(filter, &meta, NULL));
}

static void
test_excluding_alternatives_are_a_tautology(void **state)
{
	struct sl_filter *filter = block_at(V4);
	struct sl_meta meta;

	(void)state;
	rig_meta(&meta);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_UINT16, 80);
	make_number(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_NOT_EQUAL, SLUICE_TYPE_UINT16, 443);
	assert_true(matches(filter, &meta, NULL));
}

/* Mixed alternatives: a range, flags and a big set on one field. */
static void
test_mixed_alternatives(void **state)
{
	static const struct {
		uint32_t source;
		bool expected;
	} cases[] = {{0x01020304, true}, {0x0a000001, true}, {0x80000001, true},
		{0x0b000001, false}, {0x01020305, false}};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		struct sl_filter *filter = block_at(V4);
		struct sl_meta meta;

		rig_meta(&meta);
		meta.ip4_src = cases[i].source;
		make_number(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL,
			SLUICE_TYPE_UINT32, 0x01020304);
		make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "set");
		make_range(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_TYPE_UINT32, 0x80000000,
			0x90000000);
		assert_int_equal(matches(filter, &meta, make_v4_set(100)), cases[i].expected);
	}
}

/* Many alternatives on several fields: too many to be spread over boxes. */
static void
test_products(void **state)
{
	struct sl_meta meta;

	(void)state;
	for (uint16_t port = 99; port <= 141; port++) {
		struct sl_filter *filter = block_at(V4);

		rig_meta(&meta);
		meta.local_port = port;
		meta.remote_port = (uint16_t)(port * 2);
		for (uint64_t i = 0; i < 20; i++) {
			make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL,
				SLUICE_TYPE_UINT16, 100 + 2 * i);
			make_number(filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL,
				SLUICE_TYPE_UINT16, 200 + 4 * i);
		}
		assert_int_equal(
			matches(filter, &meta, NULL), port >= 100 && port <= 138 && port % 2 == 0);
	}
}

/* --- A condition on every field of every layer at once. --- */

/* Makes the packet's value of the slot the value `n`, and returns it as a condition's scalar. */
static union sl_scalar
set_slot(struct sl_meta *meta, enum sl_slot slot, uint8_t n)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];
	uint8_t *at = (uint8_t *)meta + info->offset;
	union sl_scalar scalar = {.number = 0};

	memset(at, 0, info->size);
	at[info->kind == SL_SLOT_KIND_BYTES ? info->size - 1 : 0] = n;
	meta->present |= (uint64_t)1 << slot;
	if (info->kind == SL_SLOT_KIND_BYTES)
		memcpy(scalar.bytes, at, info->size);
	else
		scalar.number = n;
	return scalar;
}

/* Slots that are the same bytes have the same value. */
static uint8_t
value_of(enum sl_slot slot)
{
	return (uint8_t)(1 + sl_slot_info[slot].offset % 199);
}

static struct sl_filter *
filter_on_all_fields(const struct sl_layer *layer, struct sl_meta *meta)
{
	struct sl_filter *filter = block_at(layer->name);

	for (uint32_t i = 0; i < layer->n_fields; i++) {
		const struct sl_layer_field *field = &layer->fields[i];
		const enum sl_slot slot = sl_meta_slot(layer, field->field);
		struct sl_condition *condition;

		if (!field->available || slot == SL_SLOT_NONE ||
			field->type == SLUICE_TYPE_BYTE_BLOB)
			continue;
		condition = make_condition(filter, field->field, SL_MATCH_EQUAL, field->type);
		/* Slots that two fields share keep one value. */
		condition->value.low = set_slot(meta, slot, value_of(slot));
	}
	return filter;
}

static void
test_every_field_counts(void **state)
{
	uint32_t n_layers;
	const struct sl_layer *const *layers = sl_layer_list(&n_layers);
	struct sl_meta meta;

	(void)state;
	for (uint32_t i = 0; i < n_layers; i++) {
		if (layers[i]->status != SL_LAYER_WORKING)
			continue;
		rig_meta(&meta);
		assert_true(matches(filter_on_all_fields(layers[i], &meta), &meta, NULL));
		for (uint32_t slot = 0; slot < SL_SLOT_COUNT; slot++) {
			struct sl_filter *filter = filter_on_all_fields(layers[i], &meta);
			bool is_used = false;

			for (size_t at = 0; at < filter->n_conditions; at++)
				is_used = is_used ||
					sl_meta_slot(layers[i], filter->conditions[at].field) ==
						slot;
			meta.present ^= is_used ? (uint64_t)1 << slot : 0;
			assert_int_equal(matches(filter, &meta, NULL), !is_used);
			if (!is_used)
				continue;
			filter = filter_on_all_fields(layers[i], &meta);
			set_slot(&meta, (enum sl_slot)slot,
				(uint8_t)(value_of((enum sl_slot)slot) + 1));
			assert_false(matches(filter, &meta, NULL));
		}
	}
}

/* Ranges that no box over words can say exactly must not make a filter match twice. */
static void
test_crooked_alternatives(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_filter *filter = make_filter("f", V6, SLUICE_ACTION_CALLOUT_INSPECTION);
	struct sl_snapshot *snapshot;
	struct sl_matches list;
	struct sl_meta meta;
	uint8_t source[16] = {[7] = 2, [15] = 3};

	(void)state;
	add(policy, &make_callout("mock", V6)->object);
	filter->callout = make_text("mock");
	for (uint8_t i = 0; i < 3; i++) {
		struct sl_condition *condition = make_condition(
			filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_RANGE, SLUICE_TYPE_RANGE);

		/* 1:1 to 2:5, 2:7 to 3:9, and one far away, which makes boxes worth while. */
		condition->value.range_type = SLUICE_TYPE_BYTE_ARRAY16;
		condition->value.low.bytes[7] = (uint8_t)(1 + i);
		condition->value.low.bytes[15] = (uint8_t)(1 + 6 * i);
		condition->value.high.bytes[7] = (uint8_t)(2 + i);
		condition->value.high.bytes[15] = (uint8_t)(5 + 4 * i);
		condition->value.low.bytes[0] = condition->value.high.bytes[0] = i == 2 ? 0xff : 0;
	}
	add(policy, &filter->object);
	snapshot = rig_compile(policy, NULL);
	assert_int_equal(sl_matches_init(&list), 0);
	v6_meta(&meta, source);
	assert_int_equal(rig_classify(snapshot->layers[filter->layer->id], &meta, &list), 1);
	sl_matches_fini(&list);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

/* --- Near misses. --- */

static void
test_near_miss(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_filter *filter = block_at(V4);
	const struct sl_layer_program *layer;
	struct sl_snapshot *snapshot;
	struct sl_near_miss miss;
	struct sl_meta meta;

	(void)state;
	rig_meta(&meta);
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 22);
	make_number(filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 1);
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 23);
	add(policy, &filter->object);
	snapshot = rig_compile(policy, NULL);
	layer = snapshot->layers[SLUICE_LAYER_INBOUND_TRANSPORT_V4];

	assert_false(sl_reference_match(layer, 0, &meta, &miss));
	assert_int_equal(miss.field, SLUICE_FIELD_IP_LOCAL_PORT);
	assert_int_equal(miss.n_failed, 2);
	assert_int_equal(miss.n_groups, 3);
	assert_int_equal(miss.fields[0], SLUICE_FIELD_IP_LOCAL_PORT);
	assert_int_equal(miss.fields[1], SLUICE_FIELD_IP_REMOTE_PORT);
	meta.local_port = 23;
	meta.remote_port = 1;
	assert_true(sl_reference_match(layer, 0, &meta, &miss));
	assert_int_equal(miss.field, SLUICE_FIELD_NONE);
	assert_int_equal(miss.n_failed, 0);
	assert_true(sl_reference_match(layer, 0, &meta, NULL));
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_64_bits),
		cmocka_unit_test(test_v4_prefix),
		cmocka_unit_test(test_v6_prefix),
		cmocka_unit_test(test_v6_order),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_absent_texts_and_sets),
		cmocka_unit_test(test_present),
		cmocka_unit_test(test_alternatives_in_any_order),
		cmocka_unit_test(test_excluding_alternatives_are_a_tautology),
		cmocka_unit_test(test_mixed_alternatives),
		cmocka_unit_test(test_products),
		cmocka_unit_test(test_every_field_counts),
		cmocka_unit_test(test_crooked_alternatives),
		cmocka_unit_test(test_near_miss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
