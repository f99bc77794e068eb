/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_metas.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64u

#define IN_FIRST_LINE(member) \
	(offsetof(struct sl_meta, member) + sizeof(((struct sl_meta *)NULL)->member) <= LINE)

_Static_assert(IN_FIRST_LINE(present) && IN_FIRST_LINE(ip4_src) && IN_FIRST_LINE(ip4_dst) &&
		IN_FIRST_LINE(ip6_src) && IN_FIRST_LINE(ip6_dst) && IN_FIRST_LINE(local_port) &&
		IN_FIRST_LINE(remote_port) && IN_FIRST_LINE(src_port) && IN_FIRST_LINE(dst_port) &&
		IN_FIRST_LINE(protocol) && IN_FIRST_LINE(flags_transport),
	"the headers of a trace are laid out a cache line apart");

/* What the parser would have found in a packet with this header. */
static void
fill_meta(struct sl_meta *meta, const struct bench_header *header, bool is_v6)
{
	uint32_t src;
	uint32_t dst;

	memset(meta, 0, sizeof(*meta));
	memcpy(&src, header->src, 4);
	memcpy(&dst, header->dst, 4);
	if (is_v6) {
		memcpy(meta->ip6_src, header->src, 16);
		memcpy(meta->ip6_dst, header->dst, 16);
		meta->present = SL_PRESENT(IP6_SRC) | SL_PRESENT(IP6_DST);
	} else {
		meta->ip4_src = be32toh(src);
		meta->ip4_dst = be32toh(dst);
		meta->present = SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST);
	}
	meta->protocol = header->protocol;
	meta->src_port = header->src_port;
	meta->dst_port = header->dst_port;
	meta->local_port = header->dst_port;
	meta->remote_port = header->src_port;
	meta->present |= SL_PRESENT(PROTOCOL) | SL_PRESENT(SRC_PORT) | SL_PRESENT(DST_PORT) |
		SL_PRESENT(LOCAL_PORT) | SL_PRESENT(REMOTE_PORT) | SL_PRESENT(FLAGS_TRANSPORT);
}

int
bench_metas_init(struct bench_metas *metas, const struct bench_trace *trace, bool is_v6)
{
	struct sl_meta meta;

	metas->n = trace->n;
	metas->lines = aligned_alloc(LINE, trace->n * LINE + sizeof(struct sl_meta));
	metas->list = calloc(trace->n, sizeof(*metas->list));
	if (metas->lines == NULL || metas->list == NULL) {
		bench_metas_fini(metas);
		return -ENOMEM;
	}
	for (size_t i = 0; i < trace->n; i++) {
		uint8_t *line = metas->lines + i * LINE;

		fill_meta(&meta, &trace->list[i], is_v6);
		memcpy(line, &meta, LINE);
		metas->list[i] = (const struct sl_meta *)(void *)line;
	}
	memset(metas->lines + trace->n * LINE, 0, sizeof(struct sl_meta));
	return 0;
}

void
bench_metas_fini(struct bench_metas *metas)
{
	free(metas->list);
	free(metas->lines);
	memset(metas, 0, sizeof(*metas));
}
