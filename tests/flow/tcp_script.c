/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp_script.h"

#include "base/sl_compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SYN 2u
#define FIN 1u

/* One line taken apart. */
struct line {
	char direction;
	char flags[8];
	char seq[16];
	char ack[16];
	unsigned payload;
	char window[24];
	char result[48];
	char state[24];
};

static uint8_t
flags_of(const char *text)
{
	static const char letters[] = "FSRPAU";
	uint8_t flags = 0;

	for (; *text != '\0'; text++) {
		const char *letter = strchr(letters, *text);

		if (letter != NULL)
			flags |= (uint8_t)(1u << (letter - letters));
		else
			assert_int_equal(*text, '0');
	}
	return flags;
}

static void
segment_of(const struct line *line, struct sl_tcp_segment *segment)
{
	const char *scale = strchr(line->window, '/');

	*segment = (struct sl_tcp_segment){
		.seq = (uint32_t)strtoul(line->seq, NULL, 0),
		.ack = line->ack[0] == '-' ? 0 : (uint32_t)strtoul(line->ack, NULL, 0),
		.payload = line->payload,
		.length = line->payload,
		.window = (uint16_t)strtoul(line->window, NULL, 10),
		.flags = flags_of(line->flags),
		.scale = scale == NULL ? 0xff : (uint8_t)strtoul(scale + 1, NULL, 10),
		.has_timestamps = strchr(line->window, 't') != NULL,
	};
	segment->length += (segment->flags & SYN) != 0;
	segment->length += (segment->flags & FIN) != 0;
}

static void
advance(struct script *script)
{
	if (script->is_open)
		sl_tcp_next(&script->tcp, &script->segment, script->direction, script->mode,
			&script->step);
	else
		sl_tcp_open(&script->tcp, &script->segment, script->direction, script->midstream,
			&script->step);
}

/* What came of a segment, in the words of a script. */
static void
describe(const struct script *script, char *text, size_t size)
{
	if (script->step.reason != SL_REASON_NONE)
		snprintf(text, size, "%s", sl_reason_name(script->step.reason));
	else if (script->step.is_reopening)
		snprintf(text, size, "reopens");
	else
		snprintf(text, size, "= %s%s", sl_tcp_state_name(script->tcp.state),
			script->step.is_established ? "!" : "");
}

static void
play(struct script *script, const char *text)
{
	const struct sl_tcp before = script->tcp;
	struct line line = {0};
	char wanted[80], got[80];
	int n = sscanf(text, " %c %7s %15s %15s %u %23s %47s %23s", &line.direction, line.flags,
		line.seq, line.ack, &line.payload, line.window, line.result, line.state);

	if (n < 7)
		fail_msg("\"%s\": not a line of a script", text);
	segment_of(&line, &script->segment);
	script->direction =
		line.direction == '>' ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND;
	advance(script);
	snprintf(wanted, sizeof(wanted), n > 7 ? "%s %s" : "%s", line.result, line.state);
	describe(script, got, sizeof(got));
	if (strcmp(wanted, got) != 0)
		fail_msg("\"%s\": is %s (was %s)", text, got, sl_tcp_state_name(before.state));
	if (script->is_open && (script->step.reason != SL_REASON_NONE || script->step.is_reopening))
		assert_memory_equal(&before, &script->tcp, sizeof(before));
	if (script->step.is_reopening) {
		sl_tcp_open(&script->tcp, &script->segment, script->direction, script->midstream,
			&script->step);
		assert_int_equal(script->step.reason, SL_REASON_NONE);
	}
	script->is_open = script->is_open || script->step.reason == SL_REASON_NONE;
}

void
script_play(struct script *script, const char *const lines[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		play(script, lines[i]);
}

void
script_establish(struct script *script, enum sluice_direction opener)
{
	if (opener == SLUICE_DIRECTION_OUTBOUND)
		SCRIPT_PLAY(script, "> S  100 -   0 1000 = syn_sent",
			"< SA 300 101 0 1000 = syn_recv", "> A  101 301 0 1000 = established!");
	else
		SCRIPT_PLAY(script, "< S  100 -   0 1000 = syn_sent",
			"> SA 300 101 0 1000 = syn_recv", "< A  101 301 0 1000 = established!");
}
