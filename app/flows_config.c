/* SPDX-License-Identifier: BSD-3-Clause */
#include "flows_config.h"

#include "config_reader.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define FLOWS_MAX     (1u << 27)
#define TIMEOUT_MAX_S 604800u /* a week */
#define FRAGMENTS_MAX (1u << 20)
#define PEND_MAX      65536u
#define PEND_PACKETS  64u
#define PEND_KB       1024u

static const char *const timeout_names[] = {
	[SL_FLOW_TCP_SYN] = "tcp_syn",
	[SL_FLOW_TCP_ESTABLISHED] = "tcp_established",
	[SL_FLOW_TCP_FIN] = "tcp_fin",
	[SL_FLOW_TCP_TIME_WAIT] = "tcp_time_wait",
	[SL_FLOW_TCP_RST] = "tcp_rst",
	[SL_FLOW_UDP] = "udp",
	[SL_FLOW_ICMP] = "icmp",
	[SL_FLOW_SCTP] = "sctp",
	[SL_FLOW_OTHER] = "other",
	[SL_FLOW_MULTICAST] = "multicast",
	[SL_FLOW_ENDED] = "ended",
};
_Static_assert(SL_ARRAY_LEN(timeout_names) == SL_FLOW_CLASS_COUNT, "a class without a name");

static void
read_timeouts(const struct config_reader *outer, uint32_t timeout_ms[SL_FLOW_CLASS_COUNT])
{
	struct config_reader reader = config_enter(outer, "timeouts");

	config_check_members(&reader,
		"tcp_syn tcp_established tcp_fin tcp_time_wait tcp_rst udp icmp sctp other "
		"multicast ended");
	for (unsigned int i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		timeout_ms[i] =
			config_seconds(&reader, timeout_names[i], 1, TIMEOUT_MAX_S, timeout_ms[i]);
}

static void
read_fragments(const struct config_reader *outer, struct sl_fragment_config *fragments)
{
	static const char *const reassemble[] = {[SL_FRAGMENT_REASSEMBLE_AUTO] = "auto",
		[SL_FRAGMENT_REASSEMBLE_ALWAYS] = "always",
		[SL_FRAGMENT_REASSEMBLE_NEVER] = "never"};
	struct config_reader reader = config_enter(outer, "fragments");

	config_check_members(&reader, "reassemble datagrams held per_source timeout megabytes");
	fragments->reassemble = (enum sl_fragment_reassemble)config_name(
		&reader, "reassemble", reassemble, SL_ARRAY_LEN(reassemble), fragments->reassemble);
	fragments->datagrams = (uint32_t)config_number(
		&reader, "datagrams", 1, FRAGMENTS_MAX, fragments->datagrams);
	fragments->held =
		(uint32_t)config_number(&reader, "held", 1, FRAGMENTS_MAX, fragments->held);
	fragments->per_source = (uint32_t)config_number(
		&reader, "per_source", 1, FRAGMENTS_MAX, fragments->per_source);
	fragments->timeout_ms = config_seconds(&reader, "timeout", 1, 300, fragments->timeout_ms);
	fragments->bytes = config_number(&reader, "megabytes", 1, 4096, fragments->bytes >> 20)
		<< 20;
}

static void
read_pend(const struct config_reader *outer, struct sl_pend_config *pend)
{
	struct config_reader reader = config_enter(outer, "pend");

	config_check_members(&reader, "max packets kilobytes timeout");
	pend->max = (uint32_t)config_number(&reader, "max", 0, PEND_MAX, pend->max);
	pend->packets = (uint32_t)config_number(&reader, "packets", 0, PEND_PACKETS, pend->packets);
	pend->bytes = (uint32_t)config_number(&reader, "kilobytes", 0, PEND_KB, pend->bytes >> 10)
		<< 10;
	pend->timeout_ms = config_seconds(&reader, "timeout", 1, 300, pend->timeout_ms);
}

static void
read_names(const struct config_reader *reader, struct sl_flow_config *config)
{
	static const char *const enforce[] = {[SL_FLOW_ENFORCE_AUTO] = "auto",
		[SL_FLOW_ENFORCE_ALWAYS] = "always",
		[SL_FLOW_ENFORCE_NEVER] = "never"};
	static const char *const on_full[] = {[SL_FLOW_FULL_BLOCK] = "block",
		[SL_FLOW_FULL_PERMIT_UNTRACKED] = "permit_untracked"};
	static const char *const tcp[] = {
		[SL_FLOW_TCP_STRICT] = "strict", [SL_FLOW_TCP_LOOSE] = "loose"};
	static const char *const tcp_checksum[] = {[SL_FLOW_CHECKSUM_CONTROL] = "control",
		[SL_FLOW_CHECKSUM_ALL] = "all",
		[SL_FLOW_CHECKSUM_IGNORE] = "ignore"};
	static const char *const midstream[] = {
		[SL_FLOW_MIDSTREAM_ADOPT] = "adopt", [SL_FLOW_MIDSTREAM_DROP] = "drop"};
	static const char *const icmp_errors[] = {
		[SL_FLOW_ICMP_RELATED] = "related", [SL_FLOW_ICMP_ANY] = "any"};
	static const char *const reauth[] = {
		[SL_FLOW_REAUTH_LAZY] = "lazy", [SL_FLOW_REAUTH_SWEEP] = "sweep"};
	static const char *const multicast[] = {
		[SL_FLOW_MULTICAST_ALLOW] = "allow", [SL_FLOW_MULTICAST_DENY] = "deny"};

#define READ(member)                  \
	config->member = config_name( \
		reader, #member, member, (unsigned int)SL_ARRAY_LEN(member), config->member)
	READ(enforce);
	READ(on_full);
	READ(tcp);
	READ(tcp_checksum);
	READ(midstream);
	READ(icmp_errors);
	READ(reauth);
	READ(multicast);
#undef READ
}

static const char *
read_save(const struct config_reader *reader)
{
	const char *save = config_text(reader, "save", NULL);

	if (save != NULL && (save[0] != '/' || strlen(save) > PATH_MAX - 16))
		config_fault(reader, SL_ERR_INVALID_PARAMETER, "save",
			"\"%.160s\" is not an absolute path of a file", save);
	return save;
}

int
app_flows_config_read(const json_t *json, const char *pointer, struct sl_flow_config *config,
	const char **save, struct sl_problems *problems)
{
	struct config_reader reader = {.json = json, .problems = problems};
	size_t n_before = problems->n_total;
	const char *path;

	snprintf(reader.pointer, sizeof(reader.pointer), "%s", pointer);
	if (json != NULL && !json_is_object(json)) {
		config_fault(&reader, SL_ERR_TYPE_MISMATCH, "", "is %s; expected an object",
			config_type_name(json));
		return -EINVAL;
	}
	config_check_members(&reader,
		"max contexts enforce on_full tcp tcp_checksum midstream icmp_errors reauth "
		"multicast reject events save timeouts fragments pend");
	config->max = (uint32_t)config_number(&reader, "max", 0, FLOWS_MAX, config->max);
	config->contexts =
		(uint32_t)config_number(&reader, "contexts", 0, FLOWS_MAX, config->contexts);
	read_names(&reader, config);
	config->reject = config_bool(&reader, "reject", config->reject);
	config->events = config_bool(&reader, "events", config->events);
	read_timeouts(&reader, config->timeout_ms);
	read_fragments(&reader, &config->fragments);
	read_pend(&reader, &config->pend);
	path = read_save(&reader);
	if (save != NULL)
		*save = path;
	return problems->n_total == n_before ? 0 : -EINVAL;
}
