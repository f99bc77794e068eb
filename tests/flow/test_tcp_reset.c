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

/* RST (RFC 9293 3.5.2, RFC 5961 section 3, RFC 1337). */

static void
test_exact(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "< R 301 - 0 0 = closed");
	assert_int_equal(script.step.class, SL_FLOW_TCP_RST);
	assert_int_equal(script.step.end, SL_FLOW_END_RST);
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	/* Its acknowledgement is not looked at: hosts do not either. */
	SCRIPT_PLAY(&script, "< RA 301 77777 0 0 = closed");
}

static void
test_in_window_changes_nothing(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "< R 302 - 0 0 = established", "> A 101 301 0 1000 = established",
		"< R 1301 - 0 0 = established", "< R 1304 - 0 0 tcp_rst_out_of_window",
		"< R 300 - 0 0 tcp_rst_out_of_window", "< R 0 - 0 0 tcp_rst_out_of_window",
		"< RA 0 101 0 0 tcp_rst_out_of_window",
		"< R 2147483949 - 0 0 tcp_rst_out_of_window",
		/* The answer to the challenge. */
		"< R 301 - 0 0 = closed");
}

/* The receiver may have had all that was sent, or only what it has acknowledged. */
static void
test_two_numbers_are_exact(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 101 301 500 1000 = established",
		"< A 301 201 0 1000 = established", "> R 200 - 0 0 tcp_rst_out_of_window",
		"> R 300 - 0 0 = established", "> R 601 - 0 0 = closed");
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 101 301 500 1000 = established",
		"< A 301 201 0 1000 = established", "> R 201 - 0 0 = closed");
}

/* An acknowledgement that comes late takes nothing back. */
static void
test_old_acknowledgement(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> A 101 301 500 1000 = established",
		"< A 301 401 0 1000 = established", "< A 301 201 0 1000 = established",
		"> R 201 - 0 0 tcp_rst_out_of_window", "> R 400 - 0 0 tcp_rst_out_of_window",
		"> R 401 - 0 0 = closed");
}

static void
test_after_fin(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> FA 101 301 0 1000 = fin_wait", "< A  301 102 50 1000 = close_wait",
		"> R  102 - 0 0 = closed");
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	/* With the number of the FIN itself. */
	SCRIPT_PLAY(&script, "> FA 101 301 0 1000 = fin_wait", "< A  301 102 50 1000 = close_wait",
		"> R  100 - 0 0 tcp_rst_out_of_window", "> R  101 - 0 0 = closed");
}

static void
test_time_wait_stays(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> FA 101 301 0 1000 = fin_wait", "< FA 301 102 0 1000 = last_ack",
		"> A  102 302 0 1000 = time_wait", "< R  302 - 0 0 = time_wait",
		"> R  102 - 0 0 = time_wait", "> R  5000 - 0 0 tcp_rst_out_of_window");
	assert_int_equal(script.step.end, SL_FLOW_END_FIN);
}

/* What was on its way when the reset came passes, and opens nothing again. */
static void
test_behind_a_reset(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "< R  301 - 0 0 = closed", "> A  101 301 500 1000 = closed",
		"> FA 601 301 0 1000 = closed", "< R  301 - 0 0 = closed",
		"< A  9000 101 0 1000 tcp_out_of_window", "< A  301 9000 0 1000 tcp_bad_ack",
		"< SA 9000 101 0 1000 tcp_out_of_window", "> S  70 - 0 1000 reopens");
	assert_int_equal(script.tcp.state, SL_TCP_SYN_SENT);
}

static void
test_in_the_handshake(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "< S  100 - 0 1000 = syn_sent", "> SA 300 101 0 1000 = syn_recv",
		"< R  102 - 0 0 = syn_recv", "< R  2000 - 0 0 tcp_rst_out_of_window",
		"> R  301 - 0 0 = closed");
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "< S  100 - 0 1000 = syn_sent", "> S  300 - 0 1000 = syn_sent2",
		"< RA 0 300 0 0 tcp_rst_out_of_window", "< RA 0 302 0 0 tcp_rst_out_of_window",
		"< RA 0 301 0 0 = closed");
}

/* Plays a reset that is to be sent; true when the connection is over. */
static bool
is_over_by(struct sl_tcp tcp, enum sluice_direction direction, const struct sl_tcp_segment *reset)
{
	struct sl_tcp_step step;

	sl_tcp_next(&tcp, reset, direction, SL_FLOW_TCP_STRICT, &step);
	return step.reason == SL_REASON_NONE && tcp.state == SL_TCP_CLOSED;
}

/* Resets of a direction: as many, with those numbers, each one that its receiver may take. */
static void
expect_resets(const struct sl_tcp *tcp, enum sluice_direction direction, uint32_t n,
	const uint32_t seqs[], uint32_t ack)
{
	struct sl_tcp_segment resets[2];

	assert_int_equal(sl_tcp_resets(tcp, direction, resets), n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(resets[i].seq, seqs[i]);
		assert_int_equal(resets[i].ack, ack);
		assert_int_equal(resets[i].flags, ack == 0 ? 0x04 : 0x14);
		assert_true(is_over_by(*tcp, direction, &resets[i]));
	}
}

static void
test_made_resets(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 - 7 1000 = syn_sent");
	/* With data in the SYN the receiver may have taken, or not. */
	expect_resets(&script.tcp, OUT, 2, (uint32_t[]){101, 108}, 0);
	expect_resets(&script.tcp, IN, 1, (uint32_t[]){0}, 108);
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 - 0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv");
	expect_resets(&script.tcp, OUT, 1, (uint32_t[]){101}, 301);
	expect_resets(&script.tcp, IN, 1, (uint32_t[]){301}, 101);
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	expect_resets(&script.tcp, OUT, 1, (uint32_t[]){101}, 301);
	expect_resets(&script.tcp, IN, 1, (uint32_t[]){301}, 101);
	SCRIPT_PLAY(
		&script, "> A 101 301 500 1000 = established", "< A 301 201 0 1000 = established");
	expect_resets(&script.tcp, OUT, 2, (uint32_t[]){201, 601}, 301);
	expect_resets(&script.tcp, IN, 1, (uint32_t[]){301}, 601);
	SCRIPT_PLAY(&script, "> FA 601 301 0 1000 = fin_wait", "< FA 301 602 0 1000 = last_ack");
	expect_resets(&script.tcp, OUT, 1, (uint32_t[]){602}, 302);
	expect_resets(&script.tcp, IN, 2, (uint32_t[]){301, 302}, 602);
	/* Where both have gone there is nobody to tell. */
	SCRIPT_PLAY(&script, "> A  602 302 0 1000 = time_wait");
	expect_resets(&script.tcp, OUT, 0, NULL, 0);
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "< R  301 - 0 0 = closed");
	expect_resets(&script.tcp, IN, 0, NULL, 0);
}

/* Of a connection that was picked up the receiver's number is known when it has sent something. */
static void
test_made_resets_after_pick_up(void **state)
{
	struct script script = {.mode = SL_FLOW_TCP_STRICT, .midstream = SL_FLOW_MIDSTREAM_ADOPT};

	(void)state;
	SCRIPT_PLAY(&script, "> A 1000 9000 500 1000 = established!");
	expect_resets(&script.tcp, OUT, 1, (uint32_t[]){1500}, 9000);
	expect_resets(&script.tcp, IN, 1, (uint32_t[]){9000}, 1500);
	SCRIPT_PLAY(&script, "< A 9000 1200 10 1000 = established");
	expect_resets(&script.tcp, OUT, 2, (uint32_t[]){1200, 1500}, 9010);
	expect_resets(&script.tcp, IN, 2, (uint32_t[]){9000, 9010}, 1500);
}

/* A flood of resets over the whole space of numbers: none but those in the window get through. */
static void
test_blind_resets(void **state)
{
	struct script script = SCRIPT_STRICT;
	unsigned n_passed = 0;

	(void)state;
	script_establish(&script, OUT);
	for (uint64_t seq = 5; seq < (1ull << 32); seq += 509) {
		struct sl_tcp_segment segment = {.seq = (uint32_t)seq, .flags = 4, .scale = 0xff};

		sl_tcp_next(&script.tcp, &segment, IN, SL_FLOW_TCP_STRICT, &script.step);
		n_passed += script.step.reason == SL_REASON_NONE;
		assert_int_equal(script.tcp.state, SL_TCP_ESTABLISHED);
	}
	assert_in_range(n_passed, 1, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_in_window_changes_nothing),
		cmocka_unit_test(test_two_numbers_are_exact),
		cmocka_unit_test(test_old_acknowledgement),
		cmocka_unit_test(test_after_fin),
		cmocka_unit_test(test_time_wait_stays),
		cmocka_unit_test(test_behind_a_reset),
		cmocka_unit_test(test_in_the_handshake),
		cmocka_unit_test(test_made_resets),
		cmocka_unit_test(test_made_resets_after_pick_up),
		cmocka_unit_test(test_blind_resets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
