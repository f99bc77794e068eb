/* SPDX-License-Identifier: BSD-3-Clause */
/* Which frames have a ring of their own: the program beside the parser, and each frame in just one ring. */
#include "datapath/opening.h"

#include "classic_bpf.h"
#include "packet/sl_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINK 14u

static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
static const uint8_t hosts[2][16] = {{0x20, 1, [15] = 1}, {0x20, 1, [15] = 2}};

/* A frame without tags, as a packet socket's filter sees it. */
static bool
is_taken(bool is_wanted, const uint8_t *bytes, uint32_t length)
{
	struct sock_filter program[OPENING_PROGRAM_MAX];
	const uint32_t n = opening_program(is_wanted, program);
	const struct classic_bpf_frame frame = {.bytes = bytes,
		.length = length,
		.net = LINK,
		.protocol = (uint16_t)(bytes[12] << 8 | bytes[13])};
	uint32_t answer;

	assert_in_range(n, 1, OPENING_PROGRAM_MAX);
	answer = classic_bpf_run(program, n, &frame);
	assert_true(answer == 0 || answer == UINT32_MAX);
	return answer != 0;
}

/* However short the frame is, one ring takes it. */
static bool
is_opening(const uint8_t *bytes, uint32_t length)
{
	const bool is = is_taken(true, bytes, length);

	assert_int_not_equal(is, is_taken(false, bytes, length));
	return is;
}

static void
start(struct sl_build *build, uint8_t *bytes, uint32_t size, uint8_t ip_version)
{
	sl_build_init(build, bytes, size);
	sl_build_ethernet(build, macs[0], macs[1]);
	if (ip_version == 4)
		sl_build_ip4(build, 0x0a000001, 0x0a000002);
	else
		sl_build_ip6(build, hosts[0], hosts[1]);
}

static uint32_t
make_tcp(uint8_t *bytes, uint32_t size, uint8_t ip_version, uint8_t n_options, uint8_t flags)
{
	static const uint8_t options[40] = {1, 1, 1, 1};
	struct sl_build build;

	start(&build, bytes, size, ip_version);
	if (n_options > 0)
		sl_build_ip4_options(&build, options, n_options);
	sl_build_tcp(&build, 1, 2, 3, 4, flags);
	sl_build_bytes(&build, "early", 5);
	return sl_build_finish(&build);
}

/* Every combination of flags, in every length that the headers before can have. */
static void
flags_tell(void **state)
{
	uint8_t bytes[256];

	(void)state;
	for (uint32_t flags = 0; flags < 256; flags++) {
		const bool is = (flags & 0x12) == 0x02;
		uint32_t length = make_tcp(bytes, sizeof(bytes), 6, 0, (uint8_t)flags);

		assert_int_equal(is_opening(bytes, length), is);
		for (uint8_t n_options = 0; n_options <= 40; n_options = (uint8_t)(n_options + 4)) {
			length = make_tcp(bytes, sizeof(bytes), 4, n_options, (uint8_t)flags);
			assert_int_equal(is_opening(bytes, length), is);
		}
	}
}

/* A cut frame is an opening while its flags are there. */
static void
cut_frames_are_taken_once(void **state)
{
	uint8_t bytes[256], cut[256];

	(void)state;
	for (uint32_t n_options = 0; n_options <= 40; n_options += 20) {
		const uint32_t length = make_tcp(bytes, sizeof(bytes), 4, (uint8_t)n_options, 0x02);

		for (uint32_t n = LINK; n <= length; n++) {
			memcpy(cut, bytes, n);
			memset(cut + n, 0xff, sizeof(cut) - n);
			assert_int_equal(is_opening(cut, n), n >= LINK + 20 + n_options + 14);
		}
	}
	for (uint32_t n = LINK; n <= make_tcp(bytes, sizeof(bytes), 6, 0, 0x02); n++)
		assert_int_equal(is_opening(bytes, n), n >= LINK + 40 + 14);
}

static void
others_are_the_rest(void **state)
{
	uint8_t bytes[256];
	struct sl_build build;
	uint32_t length;

	(void)state;
	start(&build, bytes, sizeof(bytes), 4);
	sl_build_udp(&build, 2, 2);
	sl_build_bytes(&build, "\2\2\2\2\2\2\2\2\2\2\2\2", 12);
	assert_false(is_opening(bytes, sl_build_finish(&build)));
	start(&build, bytes, sizeof(bytes), 6);
	sl_build_ip6_extension(&build, 60, NULL, 0);
	sl_build_tcp(&build, 1, 2, 3, 4, 0x02);
	assert_false(is_opening(bytes, sl_build_finish(&build)));
	/* Fragments stay together. */
	length = make_tcp(bytes, sizeof(bytes), 4, 0, 0x02);
	bytes[LINK + 6] = 0x20;
	assert_false(is_opening(bytes, length));
	bytes[LINK + 6] = 0x40; /* do not fragment */
	assert_true(is_opening(bytes, length));
	bytes[LINK + 7] = 1;
	assert_false(is_opening(bytes, length));
	/* What the header says of its own length is not believed: it may lie beyond the frame. */
	bytes[LINK + 7] = 0;
	bytes[LINK] = 0x4f;
	assert_false(is_opening(bytes, LINK + 20 + 20));
	/* Neither type. */
	bytes[12] = 0x88;
	assert_false(is_opening(bytes, length));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_tell),
		cmocka_unit_test(cut_frames_are_taken_once),
		cmocka_unit_test(others_are_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
