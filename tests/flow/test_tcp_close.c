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

/* Closing: FIN both ways (RFC 9293 3.6), half-close, and the next connection with the same ports. */

/* RFC 9293 figure 12. */
static void
test_normal_close(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> FA 101 301 0 1000 = fin_wait");
	assert_int_equal(script.step.class, SL_FLOW_TCP_FIN);
	assert_int_equal(script.step.end, SL_FLOW_END_NONE);
	SCRIPT_PLAY(&script, "< A 301 102 0 1000 = close_wait");
	assert_int_equal(script.step.class, SL_FLOW_TCP_FIN);
	SCRIPT_PLAY(&script, "< FA 301 102 0 1000 = last_ack");
	assert_int_equal(script.step.class, SL_FLOW_TCP_FIN);
	assert_int_equal(script.step.end, SL_FLOW_END_FIN);
	SCRIPT_PLAY(&script, "> A 102 302 0 1000 = time_wait");
	assert_int_equal(script.step.class, SL_FLOW_TCP_TIME_WAIT);
	assert_int_equal(script.step.end, SL_FLOW_END_FIN);
	/* The last acknowledgement is lost. */
	SCRIPT_PLAY(&script, "< FA 301 102 0 1000 = time_wait", "> A  102 302 0 1000 = time_wait",
		"< A  302 103 0 1000 tcp_bad_ack", "< A  302 102 5 1000 tcp_bad_state");
}

/* RFC 9293 figure 13. */
static void
test_simultaneous_close(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> FA 101 301 0 1000 = fin_wait", "< FA 301 101 0 1000 = last_ack",
		"> A  102 302 0 1000 = last_ack", "< A  302 102 0 1000 = time_wait");
}

static void
test_three_segments_close(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, IN);
	SCRIPT_PLAY(&script, "< FPA 101 301 10 1000 = fin_wait", "> FA  301 112 20 1000 = last_ack",
		"< A   112 322 0 1000 = time_wait");
}

/* FIN with the handshake's last segment, and FIN before it from a server that has nothing to say. */
static void
test_close_with_the_handshake(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv",
		"> FA 101 301 5 1000 = fin_wait!", "< A  301 107 0 1000 = close_wait");
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv",
		"< FA 301 101 0 1000 = syn_recv", "> A  101 301 0 1000 = fin_wait!",
		"> A  101 302 0 1000 = close_wait");
}

/* A lost FIN, one that overtakes data, one that comes again with data. */
static void
test_fin_out_of_order(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> FA 201 301 0 1000 = fin_wait", "< A  301 101 0 1000 = fin_wait",
		"> A  101 301 100 1000 = fin_wait", "> FA 101 301 100 1000 = fin_wait",
		"< A  301 201 0 1000 = fin_wait", "< A  301 202 0 1000 = close_wait",
		"> FA 201 301 0 1000 = close_wait",
		/* Behind its own end, and an end before what was sent. */
		"> A  202 301 5 1000 tcp_bad_state", "> FA 150 301 0 1000 tcp_bad_state",
		"> FA 202 301 0 1000 tcp_bad_state", "< A  301 203 0 1000 tcp_bad_ack");
}

/* One side is done, the other sends for long: not the short time-out of a connection that ends. */
static void
test_half_close(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> FA 101 301 0 1000 = fin_wait",
		/* Sent before the FIN arrived: that shows nothing. */
		"< A  301 101 10 1000 = fin_wait", "> A  102 311 0 1000 = fin_wait",
		"< A  311 102 0 1000 = close_wait");
	assert_int_equal(script.step.class, SL_FLOW_TCP_FIN);
	SCRIPT_PLAY(&script, "< A 311 102 500 1000 = close_wait");
	assert_int_equal(script.step.class, SL_FLOW_TCP_ESTABLISHED);
	SCRIPT_PLAY(&script, "> A 102 811 0 1000 = close_wait");
	assert_int_equal(script.step.class, SL_FLOW_TCP_ESTABLISHED);
	SCRIPT_PLAY(&script, "< FA 811 102 0 1000 = last_ack");
	assert_int_equal(script.step.class, SL_FLOW_TCP_FIN);
	SCRIPT_PLAY(&script, "> A 102 812 0 1000 = time_wait");
	assert_int_equal(script.step.class, SL_FLOW_TCP_TIME_WAIT);
}

static void
close_both(struct script *script)
{
	script_establish(script, OUT);
	SCRIPT_PLAY(script, "> FA 101 301 0 1000 = fin_wait", "< FA 301 102 0 1000 = last_ack",
		"> A  102 302 0 1000 = time_wait");
}

static void
test_reopening_from_time_wait(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	close_both(&script);
	SCRIPT_PLAY(&script,
		/* The opening again, an old one. */
		"> S  100 - 0 1000 = time_wait", "> S  90  - 0 1000 = time_wait",
		"> S  102 - 0 1000 = time_wait", "> S  103 - 0 1000 reopens",
		"< SA 900 104 0 1000 = syn_recv", "> A  104 901 0 1000 = established!");
	assert_int_equal(script.step.class, SL_FLOW_TCP_ESTABLISHED);
	/* From the other side. */
	script = SCRIPT_STRICT;
	close_both(&script);
	SCRIPT_PLAY(&script, "< S 303 - 0 1000 reopens", "> SA 105 304 0 1000 = syn_recv");
	/* With timestamps the host can tell old from new (RFC 6191). */
	script = SCRIPT_STRICT;
	close_both(&script);
	SCRIPT_PLAY(&script, "> S 50 - 0 1000t reopens");
	/* A host that takes an older number all the same. */
	script = SCRIPT_STRICT;
	close_both(&script);
	SCRIPT_PLAY(&script, "> S  4000000000 - 0 1000 = time_wait",
		"< SA 9000 99 0 1000 tcp_out_of_window", "< SA 9000 4000000001 0 1000 = syn_recv",
		"> A  4000000001 9001 0 1000 = established!");
}

/* The one that closed last is free as soon as its FIN is acknowledged. */
static void
test_reopening_from_last_ack(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "< FA 301 101 0 1000 = fin_wait", "> A  101 302 0 1000 = close_wait",
		"> FA 101 302 0 1000 = last_ack", "> S  200 - 0 1000 = last_ack",
		"< S  400 - 0 1000 reopens");
}

/* RFC 5961 section 4: a SYN does not touch a live connection; the host challenges it. */
static void
test_syn_on_a_live_connection(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> S  400  - 0 1000 = established",
		"< A  301 101 0 1000 = established", "< S  5000 - 0 1000 = established",
		"> A  101 301 0 1000 = established", "> A  101 301 9 1000 = established",
		/* The repeated opening, and its answer, out of a long queue. */
		"> S  100  - 0 1000 = established", "< SA 300 101 0 1000 = established",
		"< A  301 110 0 1000 = established", "> FA 110 301 0 1000 = fin_wait",
		"> S  9000 - 0 1000 = fin_wait", "< A  301 111 0 1000 = close_wait",
		"> S  9000 - 0 1000 = close_wait");
}

/* Both hosts were switched off and on; the filter was not. */
static void
test_both_hosts_forgot(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> S  70000000 - 0 1000/7 = established",
		"< SA 99000 5 0 1000/7 tcp_out_of_window",
		"> SA 99000 70000001 0 1000/7 tcp_out_of_window",
		"< SA 99000 70000001 0 1000/7 = syn_recv", "> A  70000001 99000 0 8 tcp_bad_ack",
		"> A  70000001 99001 0 8 = established!",
		"< A  99001 70000001 1024 8 = established",
		"> A  70000001 100025 9 8 = established");
	/* Near the numbers in use: an old SYN, and an answer out of the past. */
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> S  100 - 0 1000/7 = established",
		"< SA 99000 101 0 1000/7 tcp_out_of_window");
	/* The SYN is refused. */
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> S  70000000 - 0 1000/7 = established",
		"< RA 0 70000002 0 0 tcp_rst_out_of_window",
		"> RA 0 70000001 0 0 tcp_rst_out_of_window", "< RA 0 70000001 0 0 = closed");
	/* Whoever goes on at the old connection has sent no such SYN. */
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> S  70000000 - 0 1000/7 = established",
		"> A  101 301 0 1000 = established",
		"< SA 99000 70000001 0 1000/7 tcp_out_of_window",
		"< RA 0 70000001 0 0 tcp_rst_out_of_window");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normal_close),
		cmocka_unit_test(test_simultaneous_close),
		cmocka_unit_test(test_three_segments_close),
		cmocka_unit_test(test_close_with_the_handshake),
		cmocka_unit_test(test_fin_out_of_order),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_reopening_from_time_wait),
		cmocka_unit_test(test_reopening_from_last_ack),
		cmocka_unit_test(test_syn_on_a_live_connection),
		cmocka_unit_test(test_both_hosts_forgot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
