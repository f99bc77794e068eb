/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CUTS_DENSE 4096u /* up to here every byte, then every so many */
#define CUTS_STEP  1021u

static uint8_t memory[WORKBENCH_FRAME_MAX];

static uint32_t
make(const struct sample *sample)
{
	struct sl_build build;

	sl_build_init(&build, memory, sizeof(memory));
	sample->make(&build);
	assert_false(build.is_full);
	return build.len;
}

static void
test_reason_of_each(void **state)
{
	const struct sample *sample;
	struct sl_meta meta;

	(void)state;
	for (uint32_t i = 0; (sample = sample_get(i)) != NULL; i++)
		for (int direction = 0; direction < 2; direction++) {
			workbench_sample(sample->name, direction, &meta);
			if (meta.reason != sample->reason)
				fail_msg("%s: %s instead of %s", sample->name,
					sl_reason_name(meta.reason),
					sl_reason_name(sample->reason));
		}
}

static void
test_every_reason_has_a_sample(void **state)
{
	bool seen[SL_REASON_COUNT] = {false};
	const struct sample *sample;

	(void)state;
	for (uint32_t i = 0; (sample = sample_get(i)) != NULL; i++)
		seen[sample->reason] = true;
	for (int reason = 0; reason < SL_REASON_COUNT; reason++) {
		enum sl_reason_kind kind = sl_reason_kind(reason);

		if ((kind == SL_REASON_KIND_MALFORMED || kind == SL_REASON_KIND_REFUSED) &&
			!seen[reason])
			fail_msg("no sample is refused with %s", sl_reason_name(reason));
	}
}

static uint32_t
next_cut(uint32_t cut)
{
	return cut + (cut < CUTS_DENSE ? 1 : CUTS_STEP);
}

/* A frame that ends early is never taken for a whole IP packet. */
static void
test_frames_cut_at_every_byte(void **state)
{
	const struct sample *sample;
	struct sl_meta whole, meta;

	(void)state;
	for (uint32_t i = 0; (sample = sample_get(i)) != NULL; i++) {
		uint32_t len = make(sample), end;

		workbench_sample(sample->name, SLUICE_DIRECTION_INBOUND, &whole);
		end = whole.ip_version != 0 ? whole.l3_offset + whole.packet_length : 0;
		for (uint32_t cut = 0; cut < len; cut = next_cut(cut)) {
			const char *fault =
				workbench_parse(sample->link, cut % 2, memory, cut, cut, &meta);

			if (fault != NULL)
				fail_msg("%s cut at %u: %s", sample->name, cut, fault);
			if (whole.reason == SL_REASON_NONE && cut < end &&
				meta.reason == SL_REASON_NONE)
				fail_msg("%s cut at %u is accepted", sample->name, cut);
		}
	}
}

/* A capture that ends early says nothing that the whole packet does not. */
static void
test_captures_cut_at_every_byte(void **state)
{
	const struct sample *sample;
	struct sl_meta whole, meta;

	(void)state;
	for (uint32_t i = 0; (sample = sample_get(i)) != NULL; i++) {
		uint32_t len = make(sample);

		for (uint32_t cut = 0; cut < len; cut = next_cut(cut)) {
			const char *fault, *slot;

			workbench_sample(sample->name, cut % 2, &whole);
			fault = workbench_parse(sample->link, cut % 2, memory, cut, len, &meta);
			if (fault != NULL)
				fail_msg("%s seen up to %u: %s", sample->name, cut, fault);
			slot = workbench_difference(&meta, &whole);
			if (slot != NULL)
				fail_msg("%s seen up to %u: %s differs", sample->name, cut, slot);
			if (meta.reason != SL_REASON_HEADER_BEYOND_WINDOW &&
				meta.reason != whole.reason)
				fail_msg("%s seen up to %u: %s", sample->name, cut,
					sl_reason_name(meta.reason));
		}
	}
}

/* A batch gives what its packets give one by one, whatever their order. */
static void
test_batch(void **state)
{
	static uint8_t bytes[64][2200];
	struct sl_frame frames[64];
	struct sl_meta metas[64], *pointers[64], alone;
	const struct sample *sample;
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; n < 64 && (sample = sample_get(i)) != NULL; i++) {
		uint32_t len = make(sample);

		if (sample->link != SL_LINK_ETHERNET || len > sizeof(bytes[0]))
			continue;
		memcpy(bytes[n], memory, len);
		frames[n] = (struct sl_frame){.bytes = bytes[n], .contiguous = len, .length = len};
		workbench_meta(&metas[n], SLUICE_DIRECTION_OUTBOUND);
		pointers[n] = &metas[n];
		n++;
	}
	sl_packet_parse(SL_LINK_ETHERNET, frames, n, pointers);
	for (uint32_t i = 0; i < n; i++) {
		assert_null(workbench_parse(SL_LINK_ETHERNET, SLUICE_DIRECTION_OUTBOUND, bytes[i],
			frames[i].length, frames[i].length, &alone));
		assert_int_equal(alone.present, metas[i].present);
		assert_int_equal(alone.reason, metas[i].reason);
		assert_null(workbench_difference(&alone, &metas[i]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reason_of_each),
		cmocka_unit_test(test_every_reason_has_a_sample),
		cmocka_unit_test(test_frames_cut_at_every_byte),
		cmocka_unit_test(test_captures_cut_at_every_byte),
		cmocka_unit_test(test_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
