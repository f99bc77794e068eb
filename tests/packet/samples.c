/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"

#include "base/sl_compiler.h"

#include <stddef.h>

const uint8_t sample_mac[2][6] = {{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}};
const uint8_t sample_ip6[2][16] = {
	{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2},
};

const struct sample *
sample_get(uint32_t i)
{
	const struct sample_group *const groups[] = {
		&samples_link, &samples_ip4, &samples_ip6, &samples_transport, &samples_icmp};

	for (uint32_t g = 0; g < SL_ARRAY_LEN(groups); g++) {
		if (i < groups[g]->n)
			return &groups[g]->samples[i];
		i -= groups[g]->n;
	}
	return NULL;
}

void
sample_ethernet(struct sl_build *build)
{
	sl_build_ethernet(build, sample_mac[0], sample_mac[1]);
}

void
sample_ip4(struct sl_build *build)
{
	sample_ethernet(build);
	sl_build_ip4(build, SAMPLE_SRC4, SAMPLE_DST4);
}

void
sample_ip6_header(struct sl_build *build)
{
	sample_ethernet(build);
	sl_build_ip6(build, sample_ip6[0], sample_ip6[1]);
}

void
sample_payload(struct sl_build *build, uint32_t n)
{
	uint8_t *at = sl_build_append(build, n);

	for (uint32_t i = 0; at != NULL && i < n; i++)
		at[i] = (uint8_t)i;
}

void
sample_fragment4(struct sl_build *build, uint32_t offset, bool is_more)
{
	uint8_t *ip = build->bytes + build->ip_at;

	ip[6] = (uint8_t)(offset / 8 >> 8 | (is_more ? 0x20 : 0));
	ip[7] = (uint8_t)(offset / 8);
	sl_build_ip4_checksum(ip);
}

void
sample_fragment6(struct sl_build *build, uint32_t offset, bool is_more)
{
	const uint8_t body[6] = {
		(uint8_t)(offset >> 8), (uint8_t)(offset | is_more), 0, 0, 0x12, 0x34};

	sl_build_ip6_extension(build, 44, body, sizeof(body));
}

void
sample_shorten(struct sl_build *build, uint32_t len)
{
	build->len = len;
	build->protocol = 0; /* the transport header may be gone */
	sl_build_finish(build);
}
