/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_flow_config.h"

#include "base/sl_compiler.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define SECOND 1000u /* ms */

static const struct sl_flow_config defaults = {
	.max = 262144,
	.contexts = 65536,
	.enforce = SL_FLOW_ENFORCE_AUTO,
	.on_full = SL_FLOW_FULL_BLOCK,
	.tcp = SL_FLOW_TCP_STRICT,
	.tcp_checksum = SL_FLOW_CHECKSUM_CONTROL,
	.midstream = SL_FLOW_MIDSTREAM_ADOPT,
	.icmp_errors = SL_FLOW_ICMP_RELATED,
	.reauth = SL_FLOW_REAUTH_LAZY,
	.multicast = SL_FLOW_MULTICAST_ALLOW,
	.timeout_ms =
		{
			[SL_FLOW_TCP_SYN] = 30 * SECOND,
			[SL_FLOW_TCP_ESTABLISHED] = 3600 * SECOND,
			[SL_FLOW_TCP_FIN] = 30 * SECOND,
			[SL_FLOW_TCP_TIME_WAIT] = 30 * SECOND,
			[SL_FLOW_TCP_RST] = 5 * SECOND,
			[SL_FLOW_UDP] = 60 * SECOND,
			[SL_FLOW_ICMP] = 60 * SECOND,
			[SL_FLOW_SCTP] = 60 * SECOND,
			[SL_FLOW_OTHER] = 60 * SECOND,
			[SL_FLOW_MULTICAST] = 4 * SECOND,
			[SL_FLOW_ENDED] = 30 * SECOND,
		},
	.fragments =
		{
			.reassemble = SL_FRAGMENT_REASSEMBLE_AUTO,
			.datagrams = 4096,
			.held = 8192,
			.per_source = 64,
			.timeout_ms = 30 * SECOND,
			.bytes = 16u << 20,
		},
	.pend = {.max = 1024, .packets = 8, .bytes = 16384, .timeout_ms = 30 * SECOND},
};

int
sl_flow_config_init(struct sl_flow_config *config)
{
	*config = defaults;
	if (getrandom(config->hash_key, sizeof(config->hash_key), 0) !=
		(ssize_t)sizeof(config->hash_key))
		return -EIO;
	return 0;
}

static uint64_t
divide(uint64_t number, uint32_t n)
{
	return number / n + (number % n != 0);
}

void
sl_flow_config_share(
	const struct sl_flow_config *config, uint32_t n_workers, struct sl_flow_config *share)
{
	uint32_t n = SL_MAX(n_workers, 1u);

	*share = *config;
	share->max = (uint32_t)divide(config->max, n);
	share->contexts = (uint32_t)divide(config->contexts, n);
	share->pend.max = (uint32_t)divide(config->pend.max, n);
	share->pend.frames = (uint32_t)divide(config->pend.frames, n);
	share->fragments.datagrams = (uint32_t)divide(config->fragments.datagrams, n);
	share->fragments.held = (uint32_t)divide(config->fragments.held, n);
	share->fragments.bytes = divide(config->fragments.bytes, n);
	/* All fragments between two hosts meet at one worker, so a source may need its whole number there. */
	share->fragments.per_source =
		SL_MIN(config->fragments.per_source, share->fragments.datagrams);
}
