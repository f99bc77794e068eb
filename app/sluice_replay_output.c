/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include "base/sl_buf.h"
#include "base/sl_clock.h"
#include "metadata_json.h"

#include <errno.h>
#include <string.h>

#define NS_PER_S    1000000000
#define NS_PER_US   1000
#define SNAPLEN_MAX 262144

static int
open_text(FILE **file, const char *path)
{
	if (path == NULL)
		return 0;
	*file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	if (*file == NULL)
		return replay_fail("%s: %s", path, strerror(errno));
	return 0;
}

/*
 * What left is written with the link type and the times of the input: nanoseconds only where the input
 * had them, because not every reader knows them.
 */
static int
open_permitted(struct replay_output *output, const struct replay_input *input)
{
	const char *path = output->options->permitted;
	bool is_nano = false;

	if (path == NULL)
		return 0;
	for (uint32_t i = 0; i < input->n; i++) {
		is_nano |= input->captures[i].is_nano;
		if (input->captures[i].datalink != input->captures[0].datalink)
			return replay_fail("--permitted: %s and %s have different link types",
				input->captures[0].path, input->captures[i].path);
	}
	output->is_nano = is_nano;
	output->dead = pcap_open_dead_with_tstamp_precision(input->captures[0].datalink,
		SNAPLEN_MAX, is_nano ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO);
	if (output->dead == NULL)
		return replay_fail("%s: out of memory", path);
	output->permitted = pcap_dump_open(output->dead, path);
	if (output->permitted == NULL)
		return replay_fail("%s", pcap_geterr(output->dead));
	return 0;
}

int
replay_output_open(struct replay_output *output, const struct replay_options *options,
	const struct app_policy *policy, const struct replay_input *input)
{
	*output = (struct replay_output){.options = options, .policy = policy};
	if (open_text(&output->verdicts, options->verdicts) != 0 ||
		open_text(&output->metadata, options->metadata) != 0 ||
		open_text(&output->events, options->events) != 0)
		return -1;
	return open_permitted(output, input);
}

static void
print_name(FILE *file, const char *member, const char *name)
{
	if (name == NULL)
		fprintf(file, ",\"%s\":null", member);
	else
		fprintf(file, ",\"%s\":\"%s\"", member, name);
}

/* Names need no escapes: they are keys of objects and our own words. */
static void
print_verdict(struct replay_output *output, const struct replay_packet *packet,
	const struct sl_outcome *outcome)
{
	static const char *const verdicts[] = {
		[SL_VERDICT_BLOCK] = "block",
		[SL_VERDICT_PERMIT] = "permit",
		[SL_VERDICT_ABSORB] = "absorb",
	};
	const struct sl_layer *layer =
		outcome->has_layer ? sl_layer_by_id((enum sluice_layer)outcome->layer) : NULL;
	const struct sl_filter *filter =
		layer == NULL ? NULL : app_policy_filter(output->policy, layer->id, outcome->rank);
	const char *reason = outcome->reason == SL_REASON_NONE
		? NULL
		: sl_reason_name((enum sl_reason)outcome->reason);
	char time[SL_TIME_TEXT_MAX];

	fprintf(output->verdicts,
		"{\"n\":%llu,\"time\":\"%s\",\"direction\":\"%s\",\"verdict\":\"%s\"",
		(unsigned long long)packet->n, sl_time_format(packet->time_ns, time),
		packet->direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound",
		verdicts[outcome->action]);
	print_name(output->verdicts, "layer", layer == NULL ? NULL : layer->name);
	print_name(output->verdicts, "sublayer", filter == NULL ? NULL : filter->sublayer);
	print_name(output->verdicts, "filter", filter == NULL ? NULL : filter->object.key);
	print_name(output->verdicts, "reason", reason);
	fputs("}\n", output->verdicts);
}

static void
dump(struct replay_output *output, struct pcap_pkthdr header, const uint8_t *bytes)
{
	if (!output->is_nano)
		header.ts.tv_usec /= NS_PER_US;
	pcap_dump((u_char *)output->permitted, &header, bytes);
}

static void
count(struct replay_output *output, const struct sl_outcome *outcome)
{
	if (outcome->action == SL_VERDICT_PERMIT)
		output->n_permitted++;
	else if (outcome->action == SL_VERDICT_ABSORB)
		output->n_absorbed++;
	else
		output->n_blocked++;
	output->reasons[outcome->reason]++;
}

int
replay_output_metadata(struct replay_output *output, const struct replay_packet *packet,
	const struct sl_frame *frame, const struct sl_meta *meta)
{
	struct sl_buf buf = {0};
	int rc;

	if (output->metadata == NULL)
		return 0;
	metadata_json(&buf, packet->n, frame, meta);
	fprintf(output->metadata, "%s\n", sl_buf_text(&buf));
	rc = buf.failed ? replay_fail("out of memory") : 0;
	sl_buf_fini(&buf);
	return rc;
}

void
replay_output_verdict(struct replay_output *output, const struct replay_packet *packet,
	const struct sl_outcome *outcome)
{
	count(output, outcome);
	if (output->verdicts != NULL)
		print_verdict(output, packet, outcome);
	if (output->permitted != NULL && outcome->action == SL_VERDICT_PERMIT)
		dump(output, packet->header, packet->bytes);
}

void
replay_output_reply(struct replay_output *output, const struct replay_packet *packet,
	uint64_t now_ns, const struct sl_reply *reply)
{
	struct pcap_pkthdr header = {
		.ts = {.tv_sec = (time_t)(now_ns / NS_PER_S),
			.tv_usec = (suseconds_t)(now_ns % NS_PER_S)},
		.caplen = reply->length,
		.len = reply->length,
	};

	/* Replies are Ethernet frames. */
	if (replay_path_link_type(reply->path) != SL_LINK_ETHERNET) {
		output->n_replies_lost++;
		return;
	}
	output->n_replies++;
	if (packet != NULL)
		header.ts = packet->header.ts;
	if (output->permitted != NULL)
		dump(output, header, reply->bytes);
}

int
replay_output_events(struct replay_output *output, struct sl_ring *events)
{
	struct sl_event_entry entry;
	struct sl_buf buf = {0};
	struct sl_event event;
	bool has_failed;

	while (sl_ring_get(events, &event)) {
		entry = (struct sl_event_entry){.id = ++output->n_events, .event = event};
		sl_event_resolve(&entry, output->policy->policy);
		sl_buf_cut(&buf, 0);
		sl_event_format_json(&entry, output->options->link, &buf);
		fprintf(output->events, "%s\n", sl_buf_text(&buf));
	}
	has_failed = buf.failed;
	sl_buf_fini(&buf);
	return has_failed ? replay_fail("out of memory") : 0;
}

static int
close_text(FILE *file, const char *path)
{
	bool has_failed;

	if (file == NULL)
		return 0;
	has_failed = ferror(file) != 0;
	if ((file == stdout ? fflush(file) : fclose(file)) != 0)
		has_failed = true;
	return has_failed ? replay_fail("%s: could not be written: %s", path, strerror(errno)) : 0;
}

static int
close_permitted(struct replay_output *output)
{
	int rc = 0;

	if (output->permitted != NULL) {
		if (pcap_dump_flush(output->permitted) != 0 ||
			ferror(pcap_dump_file(output->permitted)) != 0)
			rc = replay_fail("%s: could not be written: %s", output->options->permitted,
				strerror(errno));
		pcap_dump_close(output->permitted);
	}
	if (output->dead != NULL)
		pcap_close(output->dead);
	return rc;
}

int
replay_output_close(struct replay_output *output)
{
	const struct replay_options *options = output->options;
	int rc = 0;

	rc |= close_text(output->verdicts, options->verdicts);
	rc |= close_text(output->metadata, options->metadata);
	rc |= close_text(output->events, options->events);
	rc |= close_permitted(output);
	return rc;
}

void
replay_output_summary(const struct replay_output *output)
{
	uint64_t n = output->n_permitted + output->n_blocked + output->n_absorbed;
	const char *before = " (";

	fprintf(stderr, "sluice-replay: %llu packets: %llu permitted, %llu blocked",
		(unsigned long long)n, (unsigned long long)output->n_permitted,
		(unsigned long long)output->n_blocked);
	for (unsigned int i = SL_REASON_NONE + 1; i < SL_REASON_COUNT; i++) {
		if (output->reasons[i] == 0 || i == SL_REASON_ABSORBED)
			continue;
		fprintf(stderr, "%s%s %llu", before, sl_reason_name(i),
			(unsigned long long)output->reasons[i]);
		before = ", ";
	}
	if (output->n_blocked != 0)
		fputc(')', stderr);
	if (output->n_absorbed != 0)
		fprintf(stderr, ", %llu absorbed", (unsigned long long)output->n_absorbed);
	if (output->n_replies != 0)
		fprintf(stderr, ", %llu replies", (unsigned long long)output->n_replies);
	if (output->n_replies_lost != 0)
		fprintf(stderr, ", %llu replies without a place in this link type",
			(unsigned long long)output->n_replies_lost);
	fputc('\n', stderr);
}
