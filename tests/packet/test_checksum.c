/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums of TCP segments: right, wrong, and not to be told. */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOP   0x0a000001u
#define FINAL 0x0a0000feu

static const uint8_t hop6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t final6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0xfe};

#define PADDING 3u

/* A packet and padding behind it, in memory of just its size, so that sanitizers see a byte too many. */
struct copy {
	struct sl_frame frame;
	struct sl_meta meta;
	uint8_t *bytes;
};

static void
copy_init(struct copy *copy, const struct sl_build *build)
{
	const uint32_t length = build->len + PADDING;

	copy->bytes = malloc(length);
	assert_non_null(copy->bytes);
	memcpy(copy->bytes, build->bytes, build->len);
	memset(copy->bytes + build->len, 0xaa, PADDING);
	copy->frame = (struct sl_frame){copy->bytes, length, length, NULL, 0};
	workbench_parse_build(SL_LINK_ETHERNET, build, &copy->meta);
	assert_int_equal(copy->meta.reason, SL_REASON_NONE);
}

static bool
is_corrupt(const struct sl_build *build)
{
	struct copy copy;
	bool is;

	copy_init(&copy, build);
	is = sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta);
	free(copy.bytes);
	return is;
}

/* Every byte of the segment counts, and none behind it. */
static void
check_sample(const char *name)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample(name, SLUICE_DIRECTION_INBOUND, &meta);
	struct copy copy;
	uint32_t end;

	copy_init(&copy, build);
	assert_false(sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta));
	end = copy.meta.l4_offset + copy.meta.l4_len + copy.meta.payload_len;
	for (uint32_t i = copy.meta.l4_offset; i < copy.frame.length; i++) {
		copy.bytes[i] ^= 0x10;
		assert_int_equal(sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta), i < end);
		copy.bytes[i] ^= 0x10;
	}
	free(copy.bytes);
}

static void
samples(void **state)
{
	(void)state;
	check_sample("tcp");
	check_sample("tcp_syn_options");
	check_sample("tcp_ip6");
	check_sample("tcp_timestamps");
}

/* With what the caller does not present, and what a device says. */
static void
what_cannot_be_told(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("tcp", SLUICE_DIRECTION_INBOUND, &meta);
	struct copy copy;

	(void)state;
	copy_init(&copy, build);
	copy.bytes[copy.meta.l4_offset + 16] ^= 1;
	assert_true(sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta));
	copy.frame.flags = SL_FRAME_CHECKED;
	assert_false(sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta));
	copy.frame.flags = 0;
	for (uint32_t n = copy.meta.l4_offset; n < copy.meta.l4_offset + copy.meta.l4_len; n++) {
		copy.frame.contiguous = n;
		assert_false(sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta));
	}
	copy.frame.flags = SL_FRAME_CORRUPT;
	assert_true(sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta));
	/* Bytes that are there know better than a device. */
	copy.frame.contiguous = copy.frame.length;
	copy.bytes[copy.meta.l4_offset + 16] ^= 1;
	assert_false(sl_packet_tcp_is_corrupt(&copy.frame, &copy.meta));
	free(copy.bytes);
}

static void
put_checksum(struct sl_build *build, const uint8_t *ip)
{
	uint8_t *tcp = build->bytes + build->l4_at;
	uint16_t checksum;

	tcp[16] = tcp[17] = 0;
	checksum = sl_build_transport_checksum(ip, 6, tcp, build->len - build->l4_at);
	tcp[16] = (uint8_t)(checksum >> 8);
	tcp[17] = (uint8_t)checksum;
}

/* A source route of two addresses: that behind the pointer's end counts while the pointer is not there. */
static void
check_route4(uint8_t kind, uint8_t pointer, bool is_under_way)
{
	const uint8_t option[12] = {1, kind, 11, pointer, 10, 0, 0, 9, FINAL >> 24, 0, 0, 0xfe};
	uint8_t bytes[128], ip[60];
	struct sl_build build;

	sl_build_init(&build, bytes, sizeof(bytes));
	sample_ethernet(&build);
	sl_build_ip4(&build, 0x0a000002, HOP);
	sl_build_ip4_options(&build, option, sizeof(option));
	sl_build_tcp(&build, 1, 2, 3, 4, 4);
	sl_build_bytes(&build, "odd", 3);
	assert_true(sl_build_finish(&build) > 0);
	assert_int_equal(is_corrupt(&build), is_under_way);
	memcpy(ip, bytes + build.ip_at, sizeof(ip));
	memcpy(ip + 16, option + 8, 4);
	put_checksum(&build, ip);
	assert_int_equal(is_corrupt(&build), !is_under_way);
}

static void
source_routes(void **state)
{
	(void)state;
	check_route4(131, 4, true);
	check_route4(137, 8, true);
	check_route4(131, 12, false);
	check_route4(7, 4, false); /* record route is none */
}

static void
start6(struct sl_build *build, uint8_t *bytes, uint32_t size)
{
	sl_build_init(build, bytes, size);
	sample_ethernet(build);
	sl_build_ip6(build, hop6, hop6);
}

/* The checksum is right for `other` in the place of the header's address at `at`, and only for that. */
static void
check_ends6(struct sl_build *build, uint32_t at, const uint8_t *other, bool is_other)
{
	uint8_t ip[40];

	sl_build_tcp(build, 1, 2, 3, 4, 1);
	assert_true(sl_build_finish(build) > 0);
	assert_int_equal(is_corrupt(build), is_other);
	memcpy(ip, build->bytes + build->ip_at, sizeof(ip));
	memcpy(ip + at, other, 16);
	put_checksum(build, ip);
	assert_int_equal(is_corrupt(build), !is_other);
}

static void
check_route6(uint8_t type, uint8_t left, bool is_other)
{
	uint8_t bytes[256], body[22] = {type, left};
	struct sl_build build;

	memcpy(body + 6, final6, sizeof(final6));
	start6(&build, bytes, sizeof(bytes));
	sl_build_ip6_extension(&build, 60, NULL, 0);
	sl_build_ip6_extension(&build, 43, body, sizeof(body));
	check_ends6(&build, 24, final6, is_other);
}

static void
routing_headers(void **state)
{
	(void)state;
	check_route6(2, 1, true);
	check_route6(4, 1, true);
	check_route6(4, 0, false);
	check_route6(3, 1, false);
}

static void
home_addresses(void **state)
{
	uint8_t bytes[256], body[22] = {0, 1, 1, 0, 201, 16};
	struct sl_build build;

	(void)state;
	memcpy(body + 6, final6, sizeof(final6));
	start6(&build, bytes, sizeof(bytes));
	sl_build_ip6_extension(&build, 60, body, sizeof(body));
	check_ends6(&build, 8, final6, true);
	body[4] = 200;
	start6(&build, bytes, sizeof(bytes));
	sl_build_ip6_extension(&build, 60, body, sizeof(body));
	check_ends6(&build, 8, final6, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples),
		cmocka_unit_test(what_cannot_be_told),
		cmocka_unit_test(source_routes),
		cmocka_unit_test(routing_headers),
		cmocka_unit_test(home_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
