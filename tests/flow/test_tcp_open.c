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

/* Opening: RFC 9293 section 3.5, RFC 7323, RFC 7413, and what is no opening. */

/* RFC 9293 figure 6, then data; the opener inside, and outside. */
static void
test_three_segments(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0  1000 = syn_sent", "< SA 300 101 0  1000 = syn_recv",
		"> A  101 301 0  1000 = established!", "> PA 101 301 50 1000 = established",
		"< A  301 151 0  1000 = established");
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "< S  100 -   0  1000 = syn_sent", "> SA 300 101 0  1000 = syn_recv",
		"< A  101 301 50 1000 = established!");
}

static void
test_classes(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S 100 - 0 1000 = syn_sent");
	assert_int_equal(script.step.class, SL_FLOW_TCP_SYN);
	SCRIPT_PLAY(&script, "< SA 300 101 0 1000 = syn_recv");
	assert_int_equal(script.step.class, SL_FLOW_TCP_SYN);
	SCRIPT_PLAY(&script, "> A 101 301 0 1000 = established!");
	assert_int_equal(script.step.class, SL_FLOW_TCP_ESTABLISHED);
	assert_int_equal(script.step.end, SL_FLOW_END_NONE);
}

/* RFC 9293 figure 7. */
static void
test_simultaneous_open(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000/7 = syn_sent",
		"< S  300 -   0 1000/7 = syn_sent2", "> SA 100 301 0 1000/7 = syn_sent2",
		"< SA 300 101 0 1000/7 = established!", "> A  101 301 0 1000   = established",
		"< A  301 101 9 1000   = established");
	/* One SYN-ACK is lost before it comes here: the acknowledgement of the other does as well. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< S  300 -   0 1000 = syn_sent2",
		"> SA 100 301 0 1000 = syn_sent2", "> SA 100 301 0 1000 = syn_sent2",
		"< A  301 101 0 1000 = established!");
	/* A late SYN behind the same side's SYN-ACK. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv",
		"> SA 100 301 0 1000 tcp_bad_state", "< S  300 -   0 1000 = syn_sent2",
		"> SA 100 301 0 1000 = established!");
}

/* Four segments, and five: what a host that does not combine its SYN with its ACK makes of figure 6. */
static void
test_split_handshake(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< A  300 101 0 1000 tcp_bad_state",
		"< S  300 -   0 1000 = syn_sent2", "> SA 100 301 0 1000 = syn_sent2",
		"< A  301 101 0 1000 = established!", "< PA 301 101 9 1000 = established");
}

/* RFC 9293 figure 8: an old SYN is answered, which the opener resets. */
static void
test_old_duplicate_syn(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	/* Seen near the host that listens. */
	SCRIPT_PLAY(&script, "< S  90  -   0 1000 = syn_sent", "> SA 300 91  0 1000 = syn_recv",
		"< R  91  -   0 0    = closed", "< S  100 -   0 1000 reopens",
		"> SA 400 101 0 1000 = syn_recv", "< A  101 401 0 1000 = established!");
	/* Near the opener: the answer acknowledges what it has not sent. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< SA 300 91  0 1000 tcp_bad_ack",
		"< SA 400 101 0 1000 = syn_recv", "> A  101 401 0 1000 = established!");
}

/* RFC 9293 figure 9: the opener has forgotten a connection that its peer still has. */
static void
test_half_open_is_recovered(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	/* The filter knows only the new opening. */
	SCRIPT_PLAY(&script, "> S  400 -   0 1000 = syn_sent", "< A  300 100 0 1000 = syn_sent",
		"> R  100 -   0 0    = syn_sent", "> S  400 -   0 1000 = syn_sent",
		"< SA 900 401 0 1000 = syn_recv", "> A  401 901 0 1000 = established!");
	/* It knows the old connection. */
	script = SCRIPT_STRICT;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "> S  400 -   0 1000 = established",
		"< A  301 101 0 1000 = established", "> R  101 -   0 0    = closed",
		"> S  400 -   0 1000 reopens", "< SA 900 401 0 1000 = syn_recv");
}

/* RFC 9293 figures 10 and 11: data, or an old SYN, meets a host that has no such connection. */
static void
test_data_to_a_host_that_forgot(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	script_establish(&script, OUT);
	SCRIPT_PLAY(&script, "< A  301 101 10 1000 = established", "> R  101 -   0  0    = closed");
	assert_int_equal(script.step.class, SL_FLOW_TCP_RST);
	assert_int_equal(script.step.end, SL_FLOW_END_RST);
}

static void
test_repeated_opening(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000/7 = syn_sent", "> S  100 -   0 1000   = syn_sent",
		"< SA 300 101 0 1000/7 = syn_recv", "> S  100 -   0 1000/7 = syn_recv",
		"< SA 300 101 0 1000/7 = syn_recv", "> A  101 301 0 8      = established!",
		"< SA 300 101 0 1000/7 = established", "> A  101 301 0 8      = established",
		"< A  301 101 1024 8   = established", "< A  1325 101 3 8     tcp_out_of_window");
	/* Given up and tried anew, before anybody answered. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "> S  900 -   0 1000 = syn_sent",
		"< SA 300 102 0 1000 tcp_bad_ack", "< SA 300 901 0 1000 = syn_recv",
		"> A  901 301 0 1000 = established!");
	/* The first is refused, late. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "> S  900 -   0 1000 = syn_sent",
		"< RA 0 102 0 0 tcp_rst_out_of_window", "< RA 0 101 0 0 = syn_sent",
		"< SA 300 901 0 1000 = syn_recv");
	/* The first is answered after all. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "> S  900 -   0 1000 = syn_sent",
		"< SA 300 101 0 1000 = syn_recv", "> A  101 301 0 1000 = established!");
}

/* A server with SYN cookies answers a repeated SYN with another number; either may be the one that arrives. */
static void
test_two_answers(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv",
		"< SA 777 101 0 1000 = syn_recv", "< SA 888 102 0 1000 tcp_bad_ack",
		"> A  101 302 0 1000 tcp_bad_ack", "> A  101 778 0 1000 = established!",
		"< A  778 101 1000 1000 = established");
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv",
		"< SA 9777 101 0 1000 = syn_recv", "> A  101 301 0 1000 = established!",
		"< A  301 101 1000 1000 = established", "< A  1301 101 3 1000 tcp_out_of_window",
		"> A  101 9778 0 1000 tcp_bad_ack", "> A  101 1301 0 1000 = established");
}

/* What cannot open or answer. */
static void
test_forged_answers(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0  1000 = syn_sent",
		"> SA 100 301 0  1000 tcp_bad_state", "< SA 300 999 0  1000 tcp_bad_ack",
		"< SA 300 100 0  1000 tcp_bad_ack", "< A  300 101 10 1000 tcp_bad_state",
		"< FA 300 101 0  1000 tcp_bad_state", "> A  101 301 0  1000 tcp_bad_state",
		"> PA 101 301 10 1000 tcp_bad_state", "> FA 101 301 0  1000 tcp_bad_state",
		/* A right answer alone establishes nothing. */
		"< SA 300 101 0  1000 = syn_recv", "< A  301 101 0  1000 = syn_recv",
		"> SA 100 301 0  1000 tcp_bad_state", "> A  101 300 0  1000 tcp_bad_ack",
		"> A  101 999 0  1000 tcp_bad_ack", "> A  5000 301 0 1000 tcp_out_of_window",
		"> A  101 301 0  1000 = established!");
}

/* RFC 7413: data in SYN and SYN-ACK, and from the server before the handshake is complete. */
static void
test_fast_open(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   500 1000/7 = syn_sent",
		"< SA 300 601 200 1000/7 = syn_recv", "< A  501 601 800 8      = syn_recv",
		"< A  1301 601 3 8 tcp_out_of_window", "< A  1301 601 2 8 = syn_recv",
		"> A  601 501 0   8      = established!", "> A  601 1303 90 8 = established");
	/* The server does not take the data: it comes again behind the handshake. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   500 1000 = syn_sent", "< SA 300 101 0   0    = syn_recv",
		"> A  101 301 0   1000 = established!", "< A  301 101 0   1000 = established",
		"> A  101 301 500 1000 = established");
	/* The data is left out of the repeated SYN, or comes with it only. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   500 1000 = syn_sent", "> S  100 -   0   1000 = syn_sent",
		"> S  100 -   600 1000 = syn_sent", "< SA 300 702 0   1000 tcp_bad_ack",
		"< SA 300 701 0   1000 = syn_recv");
}

/* A SYN's window is not scaled, and none is when one side did not offer it. */
static void
test_scale(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000/3   = syn_sent",
		"< SA 300 101 0 1000/4   = syn_recv", "> A  101 301 0 100      = established!",
		"> A  101 301 1000 100   = established",
		"> A  1101 301 10 100    tcp_out_of_window",
		"< A  301 1101 1000 100  = established",
		"< A  1301 1101 10 100   tcp_out_of_window",
		"> A  1101 1301 1600 100 = established",
		"> A  2701 1301 10 100   tcp_out_of_window",
		"< A  1301 2701 800 100  = established",
		"< A  2101 2701 10 100   tcp_out_of_window");
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000/3 = syn_sent", "< SA 300 101 0 1000   = syn_recv",
		"> A  101 301 0 100    = established!", "< A  301 101 1000 100 = established",
		"> A  101 1301 0 100   = established", "< A  1301 101 103 100 tcp_out_of_window");
	/* More than 14 is 14 (RFC 7323 2.3). */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000/15 = syn_sent",
		"< SA 300 101 0 1000/0  = syn_recv", "> A  101 301 0 1       = established!",
		"< A  16301 101 384 9   = established", "< A  16685 101 3 9     tcp_out_of_window");
}

static void
test_refused(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent",
		"< R  0   -   0 0    tcp_rst_out_of_window",
		"< RA 0   100 0 0    tcp_rst_out_of_window",
		"< RA 0   102 0 0    tcp_rst_out_of_window", "< RA 0   101 0 0    = closed",
		"< RA 0   101 0 0    = closed", "< RA 0   109 0 0    tcp_rst_out_of_window",
		"< SA 300 101 0 1000 tcp_bad_state", "< A  300 101 0 1000 tcp_bad_state",
		"> A  101 300 0 1000 tcp_bad_state", "> S  100 -   0 1000 reopens",
		"> R  101 -   0 0    = closed");
	/* The answer to a repeated SYN, when the listener has gone meanwhile. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv",
		"< RA 0   999 0 0    tcp_rst_out_of_window", "< RA 0   101 0 0    = closed");
	/* The opener does not want the answer. */
	script = SCRIPT_STRICT;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent",
		"> R  55  -   0 0    tcp_rst_out_of_window", "< SA 300 101 0 1000 = syn_recv",
		"> R  55  -   0 0    tcp_rst_out_of_window", "> R  101 -   0 0    = closed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_segments),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_simultaneous_open),
		cmocka_unit_test(test_split_handshake),
		cmocka_unit_test(test_old_duplicate_syn),
		cmocka_unit_test(test_half_open_is_recovered),
		cmocka_unit_test(test_data_to_a_host_that_forgot),
		cmocka_unit_test(test_repeated_opening),
		cmocka_unit_test(test_two_answers),
		cmocka_unit_test(test_forged_answers),
		cmocka_unit_test(test_fast_open),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
