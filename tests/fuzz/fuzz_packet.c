/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target of the parser.
 *
 * Input.   Three bytes choose link type, direction and how much of the frame is contiguous; the rest is
 *          the frame.  Whatever it is, the workbench's rules must hold.
 * Mutator. Starts from the samples by itself, so that no corpus is needed, and now and then sets the
 *          checksum of what looks like an IPv4 header: few bytes that change at random keep it right.
 */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_SIZE 3u
#define IP_AT        14u
#define SAMPLE_MAX   8192u /* no sample is longer, but those with jumbo in their names */

/* What libFuzzer calls, and what it lends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t length, contiguous;
	enum sl_link_type link;
	struct sl_meta meta;
	const char *fault;

	if (size < CONTROL_SIZE)
		return -1;
	link = data[0] % SL_LINK_COUNT;
	length = contiguous = (uint32_t)(size - CONTROL_SIZE);
	if (data[0] & 0x80)
		contiguous = (data[1] | (uint32_t)data[2] << 8) % (length + 1);
	fault = workbench_parse(
		link, data[0] >> 2 & 1, data + CONTROL_SIZE, contiguous, length, &meta);
	if (fault != NULL) {
		fprintf(stderr, "rule broken: %s\n", fault);
		abort();
	}
	return 0;
}

static size_t
put_sample(uint8_t *data, size_t size_max, unsigned int seed)
{
	const struct sample *sample;
	struct sl_build build;
	uint32_t n = 0;

	while (sample_get(n) != NULL)
		n++;
	sample = sample_get(seed % n);
	sl_build_init(&build, data + CONTROL_SIZE, (uint32_t)(size_max - CONTROL_SIZE));
	if (strstr(sample->name, "jumbo") != NULL)
		sample = sample_get(0);
	sample->make(&build);
	data[0] = (uint8_t)sample->link;
	data[1] = data[2] = 0;
	return CONTROL_SIZE + build.len;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed)
{
	if (size_max >= CONTROL_SIZE + SAMPLE_MAX &&
		(size < CONTROL_SIZE + IP_AT || seed % 64 == 0))
		size = put_sample(data, size_max, seed / 64);
	size = LLVMFuzzerMutate(data, size, size_max);
	if (seed % 2 == 0 && size >= CONTROL_SIZE + IP_AT + 60 &&
		data[CONTROL_SIZE + IP_AT] >> 4 == 4)
		sl_build_ip4_checksum(data + CONTROL_SIZE + IP_AT);
	return size;
}
