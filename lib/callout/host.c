/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/json_scan.h"
#include "callout/registry.h"

#include "base/sl_log.h"
#include "policy/sl_layer.h"
#include "telemetry/sl_counters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REPLY_MIN 14u /* an Ethernet header */

/* Plugins are told numbers, not this system's errno.h. */
_Static_assert(EPERM == 1 && ENOENT == 2 && EEXIST == 17 && EINVAL == 22 && ENOBUFS == 105,
	"ABI error numbers");

/* --- Control thread. --- */

/* What a plugin says goes into logs and JSON, whose shape must not be its to change. */
static void
copy_words(char to[WORDS_MAX], const char *text)
{
	snprintf(to, WORDS_MAX, "%s", text != NULL ? text : "");
	for (char *at = to; *at != '\0'; at++) {
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	}
}

static struct sl_plugin *
plugin_of(const struct sluice_host *host)
{
	return SL_CONTAINER_OF(host, struct sl_plugin, host);
}

static void
host_log(const struct sluice_host *host, int level, const char *text)
{
	char words[WORDS_MAX];

	copy_words(words, text);
	if (level < SL_LOG_ERROR)
		level = SL_LOG_ERROR;
	if (level > SL_LOG_DEBUG)
		level = SL_LOG_DEBUG;
	sl_log_write((enum sl_log_level)level, "callout %s: %s", plugin_of(host)->name, words);
}

static void
host_refuse(const struct sluice_host *host, const char *text)
{
	copy_words(plugin_of(host)->words, text);
}

static int
host_json_integer(const char *json, const char *member, int64_t min, int64_t max, int64_t *out)
{
	return json != NULL ? sl_callout_json_integer(json, member, min, max, out) : -EINVAL;
}

static int
host_json_strict(const char *json, const char *const *allowed, char *other, size_t size)
{
	return json != NULL ? sl_callout_json_strict(json, allowed, other, size) : -EINVAL;
}

static int
host_json_string(const char *json, const char *member, char *out, size_t size)
{
	return json != NULL ? sl_callout_json_string(json, member, out, size) : -EINVAL;
}

static int
host_field_index(uint32_t layer_id, uint32_t field)
{
	const struct sl_layer *layer;

	layer = layer_id < SLUICE_LAYER_COUNT ? sl_layer_by_id((enum sluice_layer)layer_id) : NULL;
	for (int i = 0; layer != NULL && i < layer->n_fields; i++) {
		if (layer->fields[i].field == field)
			return i;
	}
	return -ENOENT;
}

/* --- Packet time. --- */

static uint32_t
host_packet_length(const struct sluice_packet *packet)
{
	return packet == NULL ? 0 : packet->env->frame->length;
}

static uint32_t
host_packet_read(const struct sluice_packet *packet, uint32_t offset, void *to, uint32_t length)
{
	const struct sl_frame *frame;
	uint32_t end;

	if (packet == NULL)
		return 0;
	frame = packet->env->frame;
	end = SL_MIN(frame->contiguous, frame->length);
	if (offset >= end)
		return 0;
	length = SL_MIN(length, end - offset);
	memcpy(to, frame->bytes + offset, length);
	return length;
}

static int
host_packet_reply(struct sluice_packet *packet, const void *bytes, uint32_t length)
{
	struct sl_callout_env *env;
	struct sl_reply *reply;

	if (packet == NULL || packet->env->is_discard)
		return -EPERM;
	env = packet->env;
	if (length < REPLY_MIN || length > SL_CALLOUT_REPLY_SIZE)
		return -EINVAL;
	if (env->replies == NULL || env->n_replies >= SL_CALLOUT_REPLIES_MAX) {
		env->n_replies_refused++;
		return -ENOBUFS;
	}
	reply = &env->replies[env->n_replies++];
	reply->is_onward = false;
	reply->packet = env->packet;
	reply->path = env->path;
	reply->length = length;
	memcpy(reply->bytes, bytes, length);
	return 0;
}

static void
host_count(struct sluice_packet *packet, uint32_t counter, uint64_t n)
{
	if (packet != NULL && counter < SL_CALLOUT_COUNTERS_MAX)
		sl_counter_add(&packet->counters->own[counter], n);
}

void
sl_callout_host_init(struct sluice_host *host, uint32_t n_workers_max)
{
	*host = (struct sluice_host){
		.abi_version = SLUICE_ABI_VERSION,
		.size = sizeof(*host),
		.version = SLUICE_VERSION,
		.n_workers_max = n_workers_max,
		.log = host_log,
		.refuse = host_refuse,
		.json_integer = host_json_integer,
		.json_strict = host_json_strict,
		.field_index = host_field_index,
		.packet_length = host_packet_length,
		.packet_read = host_packet_read,
		.packet_reply = host_packet_reply,
		.count = host_count,
		.flow_associate = sl_callout_host_flow_associate,
		.flow_remove = sl_callout_host_flow_remove,
		.flow_abort = sl_callout_host_flow_abort,
		.pend = sl_callout_host_pend,
		.complete = sl_callout_host_complete,
		.json_string = host_json_string,
	};
}
