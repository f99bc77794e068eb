/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp_script.h"

#include "base/sl_compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IN  SLUICE_DIRECTION_INBOUND
#define OUT SLUICE_DIRECTION_OUTBOUND

/* Windows, acknowledgements, flags: what a live connection may carry. */

static void
test_windows_bind_both_sides(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> PA 101 301 1000 1000 = established",
		"> PA 1101 301 3 1000 tcp_out_of_window", "< A  301 1101 0 500 = established",
		"> PA 1101 301 500 1000 = established",
		/* Taken back (RFC 9293 3.8.6): what was offered once may be on its way. */
		"< A  301 1101 0 100 = established", "> PA 1601 301 3 1000 tcp_out_of_window",
		"< A  301 1601 900 1000 = established", "< A  1201 1601 103 1000 tcp_out_of_window",
		"< PA 1201 1601 100 1000 = established");
}

static void
test_retransmission(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 101 301 500 1000 = established",
		"> A 601 301 500 1000 = established", "> A 101 301 500 1000 = established",
		"> A 101 301 1000 1000 = established", "< A 301 1101 0 1000 = established",
		/* Its acknowledgement is lost behind the filter. */
		"> A 101 301 1000 1000 = established", "> A 601 301 500 1000 = established",
		/* Older than any window, which is 1,024 at most. */
		"> A 10 301 60 1000 tcp_out_of_window",
		"> A 4294967000 301 60 1000 tcp_out_of_window");
}

/* Segments that the filter has not seen, or sees late. */
static void
test_loss_and_reordering(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 601 301 500 1000 = established",
		"> A 101 301 500 1000 = established", "< A 301 1101 0 1000 = established",
		"< A 301 601 0 1000 = established", "< A 301 101 0 1000 = established",
		"> A 1601 301 100 1000 = established", "< A 301 1101 0 1000 = established",
		"< A 301 1701 0 1000 = established");
}

/* RFC 9293 3.8.4: a sequence number before the next, without data or with a byte. */
static void
test_keep_alive(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 100 301 0 1000 = established", "< A 301 101 0 1000 = established",
		"> A 100 301 1 1000 = established", "< A 300 101 0 1000 = established",
		"< A 300 101 1 1000 = established", "> A 101 301 0 1000 = established");
}

/* RFC 9293 3.8.6.1: a byte that the window has no room for. */
static void
test_probe_of_a_closed_window(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 101 301 1000 1000 = established",
		"< A 301 1101 0 0 = established", "> A 1101 301 1 1000 = established",
		"< A 301 1101 0 0 = established", "> A 1100 301 0 1000 = established",
		"> A 1101 301 1 1000 = established", "< A 301 1102 0 0 = established",
		"> A 1102 301 1 1000 = established", "> A 1102 301 4 1000 tcp_out_of_window",
		"> FA 1102 301 1 1000 = fin_wait", "< A 301 1104 0 1000 = close_wait");
}

static void
test_acknowledgements(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 101 302 0 1000 tcp_bad_ack", "> A 101 302 10 1000 tcp_bad_ack",
		"< A 301 102 0 1000 tcp_bad_ack", "< A 301 101 1000 1000 = established",
		"> A 101 1301 0 1000 = established", "> A 101 1302 0 1000 tcp_bad_ack",
		/* Old ones: as far as two windows, rounded up to 1,024 each. */
		"> A 101 301 0 1000 = established", "> A 101 4294966000 0 1000 tcp_bad_ack",
		"> A 101 2147484900 0 1000 tcp_bad_ack");
}

/* A forged acknowledgement moves nothing: what it would have made right stays wrong. */
static void
test_dropped_segments_teach_nothing(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 101 5000 0 65535 tcp_bad_ack",
		"> A 9000 301 0 65535 tcp_out_of_window", "< A 1301 101 3 1000 tcp_out_of_window",
		"< A 301 101 0 1000 = established");
}

static void
test_wrap_around(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  4294967290 - 0 65535/2 = syn_sent",
		"< SA 4294967295 4294967291 0 65535/2 = syn_recv",
		"> A  4294967291 0 0 50000 = established!",
		"> A  4294967291 0 1460 50000 = established",
		"< A  0 1455 1460 50000 = established", "> A  1455 1460 0 50000 = established",
		"> A  1455 4294967200 0 50000 = established",
		"< A  4294967295 1455 1 50000 = established",
		"< A  2147483000 1455 1 50000 tcp_out_of_window");
	/* A long way: four gigabytes and more, 256 MiB a step. */
	for (uint32_t i = 0, at = 1455; i < 40; i++, at += 1u << 28) {
		struct sl_tcp_segment data = {.seq = at,
			.ack = 1460,
			.payload = 1000,
			.length = 1000,
			.flags = 0x10,
			.window = 1};
		struct sl_tcp_segment ack = {
			.seq = 1460, .ack = at + 1000, .flags = 0x10, .window = 65535};

		script.tcp.side[OUT].limit = at + 4000;
		script.tcp.side[OUT].end = at;
		sl_tcp_next(&script.tcp, &data, OUT, SL_FLOW_TCP_STRICT, &script.step);
		assert_int_equal(script.step.reason, SL_REASON_NONE);
		sl_tcp_next(&script.tcp, &ack, IN, SL_FLOW_TCP_STRICT, &script.step);
		assert_int_equal(script.step.reason, SL_REASON_NONE);
		assert_int_equal(script.tcp.side[OUT].limit, at + 1000 + (65535u << 2));
	}
}

/* The last segment that fits, of windows as large as RFC 7323 lets them be. */
static void
test_largest_window(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 - 0 65535/14 = syn_sent",
		"< SA 300 101 0 65535/14 = syn_recv", "> A  101 301 0 65535 = established!",
		"< A  301 101 0 65535 = established", "> A  1073725440 301 101 65535 = established",
		"> A  1073725440 301 104 65535 tcp_out_of_window",
		"> A  101 301 1000 65535 = established",
		"< A  301 1073725541 0 65535 = established", "< A  301 101 0 65535 = established");
}

static void
test_flags(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "< 0    301 101 0 1000 tcp_bad_flags",
		"< P    301 101 0 1000 tcp_bad_flags", "< U    301 101 0 1000 tcp_bad_flags",
		"< F    301 101 0 1000 tcp_bad_flags", "< FPU  301 101 0 1000 tcp_bad_flags",
		"< FSRPAU 301 101 0 1000 tcp_bad_flags", "< SF   301 101 0 1000 tcp_bad_flags",
		"< SFA  301 101 0 1000 tcp_bad_flags", "< SR   301 101 0 1000 tcp_bad_flags",
		"< SRA  301 101 0 1000 tcp_bad_flags", "< FR   301 101 0 1000 tcp_bad_flags",
		"< FRA  301 101 0 1000 tcp_bad_flags", "< AU   301 101 9 1000 = established",
		"< APU  310 101 9 1000 = established", "< FPAU 319 101 9 1000 = fin_wait");
}

static void
test_flags_of_first_segments(void **state)
{
	static const uint8_t valid[] = {0x02, 0x12, 0x04, 0x14, 0x10, 0x11};

	(void)state;
	for (unsigned flags = 0; flags < 64; flags++) {
		struct sl_tcp_segment segment = {
			.seq = 7, .ack = 9, .flags = (uint8_t)flags, .scale = 0xff};
		struct sl_tcp tcp;
		struct sl_tcp_step step;
		bool is_valid = memchr(valid, (int)(flags & 0x17), sizeof(valid)) != NULL;

		sl_tcp_open(&tcp, &segment, IN, SL_FLOW_MIDSTREAM_ADOPT, &step);
		assert_int_equal(step.reason == SL_REASON_TCP_BAD_FLAGS, !is_valid);
	}
}

/* RFC 5927: only what is on its way can have made an error. */
static void
test_in_flight(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S 100 - 0 1000 = syn_sent");
	assert_true(sl_tcp_is_in_flight(&script.tcp, OUT, 100));
	assert_false(sl_tcp_is_in_flight(&script.tcp, OUT, 99));
	assert_false(sl_tcp_is_in_flight(&script.tcp, OUT, 102));
	assert_false(sl_tcp_is_in_flight(&script.tcp, IN, 0));
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	SCRIPT_PLAY(
		&script, "> A 101 301 500 1000 = established", "< A 301 201 0 1000 = established");
	assert_false(sl_tcp_is_in_flight(&script.tcp, OUT, 200));
	assert_true(sl_tcp_is_in_flight(&script.tcp, OUT, 201));
	assert_true(sl_tcp_is_in_flight(&script.tcp, OUT, 600));
	assert_true(
		sl_tcp_is_in_flight(&script.tcp, OUT, 601)); /* an acknowledgement without data */
	assert_false(sl_tcp_is_in_flight(&script.tcp, OUT, 602));
	assert_true(sl_tcp_is_in_flight(&script.tcp, IN, 301));
	assert_false(sl_tcp_is_in_flight(&script.tcp, IN, 300));
}

static void
test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SL_TCP_STATE_COUNT; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(sl_tcp_state_name(i), sl_tcp_state_name(j));
	assert_string_equal(sl_tcp_state_name(SL_TCP_ESTABLISHED), "established");
	assert_string_equal(sl_tcp_state_name(SL_TCP_STATE_COUNT), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows_bind_both_sides),
		cmocka_unit_test(test_retransmission),
		cmocka_unit_test(test_loss_and_reordering),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_probe_of_a_closed_window),
		cmocka_unit_test(test_acknowledgements),
		cmocka_unit_test(test_dropped_segments_teach_nothing),
		cmocka_unit_test(test_wrap_around),
		cmocka_unit_test(test_largest_window),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_flags_of_first_segments),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
