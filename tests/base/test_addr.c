/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_v4_texts(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t addr;
	} rows[] = {
		{"0.0.0.0", 0, 0},
		{"255.255.255.255", 0, 0xffffffff},
		{"192.0.2.1", 0, 0xc0000201},
		{"192.0.2.01", -EINVAL, 0},
		{"192.0.2.256", -EINVAL, 0},
		{"192.0.2.1000", -EINVAL, 0},
		{"192.0.2", -EINVAL, 0},
		{"192.0.2.", -EINVAL, 0},
		{"192.0.2.1.", -EINVAL, 0},
		{" 192.0.2.1", -EINVAL, 0},
		{"192.0.2.1 ", -EINVAL, 0},
		{"192.0.2.+1", -EINVAL, 0},
		{"0x7f.0.0.1", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		uint32_t addr = 0x01020304;

		assert_int_equal(sl_addr_parse_v4(rows[i].text, &addr), rows[i].rc);
		assert_int_equal(addr, rows[i].rc == 0 ? rows[i].addr : 0x01020304);
	}
}

static void
test_v4_prefixes(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t addr;
		uint8_t len;
	} rows[] = {
		{"10.0.0.0/8", 0, 0x0a000000, 8},
		{"10.1.2.3/8", 0, 0x0a010203, 8},
		{"10.1.2.3", 0, 0x0a010203, 32},
		{"0.0.0.0/0", 0, 0, 0},
		{"10.0.0.0/255.255.0.0", 0, 0x0a000000, 16},
		{"10.0.0.0/0.0.0.0", 0, 0x0a000000, 0},
		{"10.0.0.0/255.0.255.0", -ERANGE, 0, 0},
		{"10.0.0.0/0.0.0.255", -ERANGE, 0, 0},
		{"10.0.0.0/33", -ERANGE, 0, 0},
		{"10.0.0.0/08", -EINVAL, 0, 0},
		{"10.0.0.0/", -EINVAL, 0, 0},
		{"10.0.0.0/8/8", -EINVAL, 0, 0},
		{"10.0.0.0/-1", -EINVAL, 0, 0},
		{"10.0.0.0/4294967304", -EINVAL, 0, 0},
		{"/8", -EINVAL, 0, 0},
		{"10.0.0.0000000000000000000/8", -EINVAL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		uint32_t addr = 0;
		uint8_t len = 0;

		assert_int_equal(sl_addr_parse_prefix_v4(rows[i].text, &addr, &len), rows[i].rc);
		assert_int_equal(addr, rows[i].addr);
		assert_int_equal(len, rows[i].len);
	}
}

static void
test_v6_prefixes(void **state)
{
	uint8_t addr[16] = {0};
	uint8_t len = 77;

	(void)state;
	assert_int_equal(sl_addr_parse_prefix_v6("2001:db8::/32", addr, &len), 0);
	assert_int_equal(len, 32);
	assert_int_equal(addr[0], 0x20);
	assert_int_equal(addr[3], 0xb8);
	assert_int_equal(sl_addr_parse_prefix_v6("::1", addr, &len), 0);
	assert_int_equal(len, 128);
	assert_int_equal(addr[15], 1);
	assert_int_equal(sl_addr_parse_prefix_v6("::/129", addr, &len), -ERANGE);
	assert_int_equal(sl_addr_parse_prefix_v6("fe80::1%eth0/64", addr, &len), -EINVAL);
	assert_int_equal(sl_addr_parse_prefix_v6("2001:db8::/", addr, &len), -EINVAL);
	assert_int_equal(sl_addr_parse_prefix_v6("1.2.3.4", addr, &len), -EINVAL);
	assert_int_equal(addr[15], 1);
	assert_int_equal(len, 128);
}

/* RFC 5952: each text on the right is the one canonical spelling. */
static void
test_v6_canonical_text(void **state)
{
	static const char *const rows[][2] = {
		{"0:0:0:0:0:0:0:0", "::"},
		{"0:0:0:0:0:0:0:1", "::1"},
		{"1:0:0:0:0:0:0:0", "1::"},
		{"2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
		{"fe80::0123:4567", "fe80::123:4567"},
		{"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
		{"::192.0.2.1", "::c000:201"},
		{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
		{"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		uint8_t addr[16], again[16];
		char text[SL_V6_TEXT_MAX];

		assert_int_equal(sl_addr_parse_v6(rows[i][0], addr), 0);
		assert_string_equal(sl_addr_format_v6(addr, text), rows[i][1]);
		assert_int_equal(sl_addr_parse_v6(text, again), 0);
		assert_memory_equal(addr, again, 16);
	}
}

/* Every pattern of zero and non-zero groups reads back as it was written. */
static void
test_v6_round_trip_of_all_zero_patterns(void **state)
{
	(void)state;
	for (unsigned int pattern = 0; pattern < 256; pattern++) {
		uint8_t addr[16] = {0}, again[16];
		char text[SL_V6_TEXT_MAX];

		for (int i = 0; i < 8; i++)
			if (pattern >> i & 1)
				addr[2 * i] = addr[2 * i + 1] = 0xff;
		assert_int_equal(sl_addr_parse_v6(sl_addr_format_v6(addr, text), again), 0);
		assert_memory_equal(addr, again, 16);
	}
}

static void
test_mac_texts(void **state)
{
	uint8_t mac[6];
	char text[SL_MAC_TEXT_MAX];

	(void)state;
	assert_int_equal(sl_addr_parse_mac("AA:bb:00:11:22:ff", mac), 0);
	assert_string_equal(sl_addr_format_mac(mac, text), "aa:bb:00:11:22:ff");
	assert_int_equal(sl_addr_parse_mac("aa-bb-cc-dd-ee-01", mac), 0);
	assert_string_equal(sl_addr_format_mac(mac, text), "aa:bb:cc:dd:ee:01");
	assert_int_equal(sl_addr_parse_mac("aa:bb-cc:dd:ee:01", mac), -EINVAL);
	assert_int_equal(sl_addr_parse_mac("aa:bb:cc:dd:ee", mac), -EINVAL);
	assert_int_equal(sl_addr_parse_mac("aa:bb:cc:dd:ee:0g", mac), -EINVAL);
	assert_int_equal(sl_addr_parse_mac("aa:bb:cc:dd:ee:011", mac), -EINVAL);
	assert_int_equal(sl_addr_parse_mac("", mac), -EINVAL);
	assert_string_equal(sl_addr_format_mac(mac, text), "aa:bb:cc:dd:ee:01");
}

static void
test_match_v6_bit_by_bit(void **state)
{
	uint8_t a[16] = {0};

	(void)state;
	for (unsigned int bit = 0; bit < 128; bit++) {
		uint8_t b[16] = {0};

		b[bit / 8] = (uint8_t)(0x80 >> bit % 8);
		assert_true(sl_addr_match_v6(a, b, bit));
		assert_false(sl_addr_match_v6(a, b, bit + 1));
	}
	assert_true(sl_addr_match_v6(a, a, 128));
}

static void
test_masks_v4(void **state)
{
	(void)state;
	assert_int_equal(sl_addr_mask_v4(0), 0);
	assert_int_equal(sl_addr_mask_v4(1), 0x80000000);
	assert_int_equal(sl_addr_mask_v4(32), 0xffffffff);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4_texts),
		cmocka_unit_test(test_v4_prefixes),
		cmocka_unit_test(test_v6_prefixes),
		cmocka_unit_test(test_v6_canonical_text),
		cmocka_unit_test(test_v6_round_trip_of_all_zero_patterns),
		cmocka_unit_test(test_mac_texts),
		cmocka_unit_test(test_match_v6_bit_by_bit),
		cmocka_unit_test(test_masks_v4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
