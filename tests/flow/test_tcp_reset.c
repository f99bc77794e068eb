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
		cmocka_unit_test(test_blind_resets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
