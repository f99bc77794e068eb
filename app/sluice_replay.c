/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include "document/sl_document.h"

struct replay {
	struct replay_options options;
	struct replay_policies policies;
	struct replay_input input;
	struct replay_output output;
	struct replay_judge judge;
};

static int
run(struct replay *replay)
{
	struct replay_packet *packet;
	int rc = REPLAY_DONE, got;

	while (rc == REPLAY_DONE) {
		packet = replay_judge_take(&replay->judge);
		if (packet == NULL)
			return REPLAY_BAD;
		got = replay_input_next(&replay->input, packet);
		if (got <= 0) {
			replay_judge_give_back(&replay->judge, packet);
			rc = replay_judge_end(&replay->judge);
			return got < 0 ? REPLAY_BAD : rc;
		}
		rc = replay_judge_packet(&replay->judge, packet);
	}
	return rc;
}

static int
set_up(struct replay *replay)
{
	const struct replay_options *options = &replay->options;
	uint64_t start_ns;

	if (replay_policies_load(&replay->policies, options) != 0 ||
		replay_input_open(&replay->input, options) != 0)
		return -1;
	start_ns = replay_input_start_ns(&replay->input);
	if (replay_policies_schedule(&replay->policies, options, start_ns) != 0 ||
		replay_judge_init(
			&replay->judge, options, &replay->policies, &replay->output, start_ns) != 0)
		return -1;
	return replay_output_open(
		&replay->output, options, &replay->policies.list[0], &replay->input);
}

static void
tear_down(struct replay *replay)
{
	replay_input_close(&replay->input);
	replay_judge_fini(&replay->judge);
	replay_policies_free(&replay->policies);
	replay_options_fini(&replay->options);
}

int
main(int argc, char **argv)
{
	struct replay replay = {0};
	int rc;

	rc = replay_options_read(&replay.options, argc, argv);
	if (rc != 0) {
		replay_options_fini(&replay.options);
		return rc > 0 ? REPLAY_DONE : REPLAY_BAD;
	}
	sl_document_setup();
	replay.output.options = &replay.options;
	rc = set_up(&replay) == 0 ? run(&replay) : REPLAY_BAD;
	if (replay_output_close(&replay.output) != 0)
		rc = REPLAY_BAD;
	if (rc != REPLAY_BAD && !replay.options.is_quiet)
		replay_output_summary(&replay.output);
	tear_down(&replay);
	return rc;
}
