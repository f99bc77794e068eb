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

/* Connections that are picked up without their handshake, and LOOSE. */

#define ADOPT                                                                    \
	(struct script)                                                          \
	{                                                                        \
		.mode = SL_FLOW_TCP_STRICT, .midstream = SL_FLOW_MIDSTREAM_ADOPT \
	}

static void
test_drop(void **state)
{
	struct script script = SCRIPT_STRICT;

	(void)state;
	SCRIPT_PLAY(&script, "> A  100 300 0 1000 tcp_no_connection",
		"> PA 100 300 9 1000 tcp_no_connection", "> FA 100 300 0 1000 tcp_no_connection",
		"< SA 100 300 0 1000 tcp_no_connection", "> R  100 - 0 0 tcp_no_connection",
		"> RA 100 300 0 0 tcp_no_connection", "> F  100 - 0 1000 tcp_bad_flags",
		"> 0  100 - 0 1000 tcp_bad_flags", "> S  100 - 0 1000 = syn_sent");
}

static void
test_adopt_each_kind(void **state)
{
	struct script script = ADOPT;

	(void)state;
	SCRIPT_PLAY(&script, "> R  100 - 0 0 tcp_no_connection",
		"> RA 100 300 0 0 tcp_no_connection", "> A  100 300 0 1000 = established!");
	assert_int_equal(script.step.class, SL_FLOW_TCP_ESTABLISHED);
	script = ADOPT;
	SCRIPT_PLAY(&script, "> PA 100 300 9 1000 = established!");
	script = ADOPT;
	SCRIPT_PLAY(&script, "> FA 100 300 9 1000 = fin_wait!", "< A 300 110 0 1000 = close_wait");
	script = ADOPT;
	SCRIPT_PLAY(&script, "< SA 300 101 0 1000/7 = syn_recv", "> A  101 300 0 8 tcp_bad_ack",
		"> A  101 302 0 8 tcp_bad_ack", "> A  101 301 0 8 = established!",
		"< A  301 101 1024 8 = established");
}

/* Without a scale in the SYN-ACK there is none. */
static void
test_adopted_answer_tells_the_scale(void **state)
{
	struct script script = ADOPT;

	(void)state;
	SCRIPT_PLAY(&script, "< SA 300 101 0 1000 = syn_recv",
		"> A  101 301 0 65535 = established!", "> A  101 301 1003 65535 tcp_out_of_window",
		"> A  101 301 1000 65535 = established", "< A  301 1101 65000 10 = established",
		"< A  65301 1101 538 10 tcp_out_of_window");
}

/* Either side may be far ahead of what the other has shown. */
static void
test_adopted_windows_are_wide(void **state)
{
	struct script script = ADOPT;

	(void)state;
	SCRIPT_PLAY(&script, "> A 100000 300 1000 10 = established!",
		/* Sent before it was picked up, and acknowledged now. */
		"> A 101000 90300 0 10 = established", "< A 60300 50000 1000 10 = established",
		"< A 90300 101000 1000 10 = established",
		"< A 90300 101000 100000 10 = established", "> A 40000 300 1000 10 = established",
		"> A 3000000000 300 10 10 tcp_out_of_window",
		"< A 2500000000 101000 10 10 tcp_out_of_window",
		"< A 190300 1200000000 0 10 tcp_bad_ack");
}

static void
test_adopted_reset(void **state)
{
	struct script script = ADOPT;

	(void)state;
	SCRIPT_PLAY(&script, "> A 1000 300 10 10 = established!",
		"< R 299 - 0 0 tcp_rst_out_of_window", "< R 500 - 0 0 = established",
		"> R 800 - 0 0 = established", "< R 300 - 0 0 = closed");
	script = ADOPT;
	SCRIPT_PLAY(&script, "> A 1000 300 10 10 = established!", "< A 300 1005 0 10 = established",
		"> R 1004 - 0 0 tcp_rst_out_of_window", "> R 1005 - 0 0 = closed");
}

static void
test_adopted_close(void **state)
{
	struct script script = ADOPT;

	(void)state;
	/* The FIN has passed before: it comes again after it was acknowledged. */
	SCRIPT_PLAY(&script, "> A  1000 300 0 10 = established!", "< FA 299 1000 0 10 = close_wait",
		"> FA 1000 300 0 10 = last_ack", "< A  300 1001 0 10 = time_wait");
}

/* LOOSE: everything passes, and only what fits has an effect. */
static void
test_loose(void **state)
{
	struct script script = {.mode = SL_FLOW_TCP_LOOSE};

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "> SA 100 301 0 1000 = syn_sent",
		"< SA 300 999 0 1000 = syn_sent", "< SA 300 101 0 1000 = syn_recv",
		"> A  101 999 0 1000 = syn_recv", "> A  101 301 0 1000 = established!",
		"< 0  301 101 0 1000 = established", "< SF 301 101 0 1000 = established",
		"< R  99999 - 0 0 = established", "< FA 99999 101 0 1000 = established",
		"> A  101 99999 0 1000 = established", "< A  301 101 9 1000 = established",
		"< FA 310 101 0 1000 = fin_wait", "> FA 101 311 0 1000 = last_ack",
		"< A  311 102 0 1000 = time_wait", "> S  9000 - 0 1000 reopens");
}

/* LOOSE where only one direction passes: the opener's, then the answerer's. */
static void
test_loose_one_way(void **state)
{
	struct script script = {.mode = SL_FLOW_TCP_LOOSE};

	(void)state;
	SCRIPT_PLAY(&script, "> S  100 -   0 1000 = syn_sent", "> A  999 301 0 1000 = syn_sent",
		"> A  101 301 0 1000 = established!", "> A  101 301 1000 1000 = established",
		"> A  1101 90000 1000 1000 = established",
		/* Nobody knows these numbers. */
		"> FA 3000000000 301 0 1000 = established",
		"< A  3000000000 301 0 1000 = established", "> FA 2101 95000 0 1000 = fin_wait",
		"> A  2102 95001 0 1000 = fin_wait");
	script = (struct script){.mode = SL_FLOW_TCP_LOOSE, .midstream = SL_FLOW_MIDSTREAM_ADOPT};
	SCRIPT_PLAY(&script, "< SA 300 101 0 1000 = syn_recv",
		"< A  301 1101 500 1000 = established!", "< FA 801 1101 0 1000 = fin_wait");
}

/* More than any window, of which no acknowledgement is seen. */
static void
test_loose_one_way_for_long(void **state)
{
	struct script script = {.mode = SL_FLOW_TCP_LOOSE};
	struct sl_tcp_segment data = {.seq = 101, .ack = 301, .flags = 16, .scale = 0xff};

	(void)state;
	SCRIPT_PLAY(&script, "> S 100 - 0 1000 = syn_sent", "> A 101 301 0 1000 = established!");
	data.payload = data.length = 60000;
	for (uint64_t sent = 0; sent < (3ull << 30); sent += data.length, data.seq += data.length)
		sl_tcp_next(&script.tcp, &data, OUT, SL_FLOW_TCP_LOOSE, &script.step);
	data.flags = 17;
	data.length += 1;
	sl_tcp_next(&script.tcp, &data, OUT, SL_FLOW_TCP_LOOSE, &script.step);
	assert_int_equal(script.tcp.state, SL_TCP_FIN_WAIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_adopt_each_kind),
		cmocka_unit_test(test_adopted_answer_tells_the_scale),
		cmocka_unit_test(test_adopted_windows_are_wide),
		cmocka_unit_test(test_adopted_reset),
		cmocka_unit_test(test_adopted_close),
		cmocka_unit_test(test_loose),
		cmocka_unit_test(test_loose_one_way),
		cmocka_unit_test(test_loose_one_way_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
