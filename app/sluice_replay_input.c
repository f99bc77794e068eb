/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include "base/sl_addr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_NANO   0xa1b23c4du /* pcap with nanoseconds, as the writer saw it or swapped */
#define MAGIC_PCAPNG 0x0a0d0d0au
#define NS_PER_S     1000000000ull

static const struct {
	int datalink;
	enum sl_link_type link_type;
} link_types[] = {
	{DLT_EN10MB, SL_LINK_ETHERNET},
	{DLT_RAW, SL_LINK_IP},
	{12, SL_LINK_IP},
	{101, SL_LINK_IP}, /* LINKTYPE_RAW, where libpcap does not translate it */
	{DLT_IPV4, SL_LINK_IP},
	{DLT_IPV6, SL_LINK_IP},
	{DLT_LINUX_SLL, SL_LINK_SLL},
	{DLT_LINUX_SLL2, SL_LINK_SLL2},
};

static int
find_link_type(struct replay_capture *capture)
{
	const char *name;

	capture->datalink = pcap_datalink(capture->pcap);
	for (size_t i = 0; i < SL_ARRAY_LEN(link_types); i++) {
		if (link_types[i].datalink == capture->datalink) {
			capture->link_type = link_types[i].link_type;
			return 0;
		}
	}
	name = pcap_datalink_val_to_name(capture->datalink);
	return replay_fail("%s: link type %s (%d) is not supported: Ethernet, raw IP and Linux "
			   "cooked captures are",
		capture->path, name == NULL ? "unknown" : name, capture->datalink);
}

/* True when the file's own times may have nanoseconds; what cannot be told is taken not to. */
static bool
has_nanoseconds(const char *path)
{
	uint32_t magic = 0;
	FILE *file;

	if (strcmp(path, "-") == 0)
		return false;
	file = fopen(path, "rb");
	if (file == NULL)
		return false;
	if (fread(&magic, sizeof(magic), 1, file) != 1)
		magic = 0;
	fclose(file);
	return magic == MAGIC_NANO || magic == __builtin_bswap32(MAGIC_NANO) ||
		magic == MAGIC_PCAPNG;
}

/* Reads ahead; libpcap keeps the packet until the next read of the same capture. */
static void
read_ahead(struct replay_input *input, struct replay_capture *capture)
{
	int rc = pcap_next_ex(capture->pcap, &capture->header, &capture->data);

	if (rc == 1)
		return;
	capture->header = NULL;
	if (rc == PCAP_ERROR_BREAK)
		return;
	replay_fail("%s: %s", capture->path, pcap_geterr(capture->pcap));
	input->is_broken = true;
}

static int
open_capture(struct replay_input *input, const char *path, enum sluice_direction direction)
{
	struct replay_capture *capture = &input->captures[input->n];
	char fault[PCAP_ERRBUF_SIZE] = "";

	if (path == NULL)
		return 0;
	capture->path = path;
	capture->direction = direction;
	capture->is_nano = has_nanoseconds(path);
	capture->pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, fault);
	if (capture->pcap == NULL)
		/* libpcap names the file when it cannot be opened, and does not otherwise. */
		return strncmp(fault, path, strlen(path)) == 0 ? replay_fail("%s", fault)
							       : replay_fail("%s: %s", path, fault);
	input->n++;
	if (find_link_type(capture) != 0)
		return -1;
	read_ahead(input, capture);
	return 0;
}

int
replay_input_open(struct replay_input *input, const struct replay_options *options)
{
	static const struct sl_meta_ports no_ports;

	memset(input, 0, sizeof(*input));
	input->options = options;
	input->by_source = options->in != NULL;
	sl_meta_setup(&input->meta, SLUICE_DIRECTION_INBOUND, &no_ports);
	if (open_capture(input, options->in, SLUICE_DIRECTION_INBOUND) != 0 ||
		open_capture(input, options->inside_pcap, SLUICE_DIRECTION_OUTBOUND) != 0 ||
		open_capture(input, options->outside_pcap, SLUICE_DIRECTION_INBOUND) != 0)
		return -1;
	return 0;
}

void
replay_input_close(struct replay_input *input)
{
	for (uint32_t i = 0; i < input->n; i++)
		pcap_close(input->captures[i].pcap);
}

static bool
is_inside_v4(const struct replay_options *options, uint32_t address)
{
	const struct replay_prefix *prefix;

	for (uint32_t i = 0; i < options->n_inside; i++) {
		prefix = &options->inside[i];
		if (prefix->ip_version == 4 &&
			((prefix->v4 ^ address) & sl_addr_mask_v4(prefix->len)) == 0)
			return true;
	}
	return false;
}

static bool
is_inside_v6(const struct replay_options *options, const uint8_t address[16])
{
	const struct replay_prefix *prefix;

	for (uint32_t i = 0; i < options->n_inside; i++) {
		prefix = &options->inside[i];
		if (prefix->ip_version == 6 && sl_addr_match_v6(prefix->v6, address, prefix->len))
			return true;
	}
	return false;
}

static enum sluice_direction
direction_of_source(struct replay_input *input, const struct replay_packet *packet)
{
	const struct sl_frame frame = {
		.bytes = packet->bytes,
		.contiguous = packet->header.caplen,
		.length = packet->header.len,
	};
	struct sl_meta *meta = &input->meta;
	bool is_inside = false;
	uint32_t sender;

	sl_packet_parse(packet->link_type, &frame, 1, &meta);
	if (sl_meta_has(meta, SL_SLOT_IP4_SRC))
		is_inside = is_inside_v4(input->options, meta->ip4_src);
	else if (sl_meta_has(meta, SL_SLOT_IP6_SRC))
		is_inside = is_inside_v6(input->options, meta->ip6_src);
	else if (sl_packet_arp_sender(&frame, meta, &sender))
		is_inside = is_inside_v4(input->options, sender);
	return is_inside ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND;
}

/* True when `a` was captured before `b`, whose times count nanoseconds. */
static bool
is_earlier(const struct pcap_pkthdr *a, const struct pcap_pkthdr *b)
{
	if (a->ts.tv_sec != b->ts.tv_sec)
		return a->ts.tv_sec < b->ts.tv_sec;
	return a->ts.tv_usec < b->ts.tv_usec;
}

/* The capture whose next packet is the earliest; the first of them when they are of the same time. */
static struct replay_capture *
earliest(struct replay_input *input)
{
	struct replay_capture *found = NULL, *capture;

	for (uint32_t i = 0; i < input->n; i++) {
		capture = &input->captures[i];
		if (capture->header == NULL)
			continue;
		if (found == NULL || is_earlier(capture->header, found->header))
			found = capture;
	}
	return found;
}

static int
copy_packet(struct replay_packet *packet, const struct replay_capture *capture)
{
	uint32_t size = SL_MAX(capture->header->caplen, 1);
	uint8_t *bytes;

	if (size > packet->room) {
		bytes = realloc(packet->bytes, size);
		if (bytes == NULL)
			return replay_fail("%s: out of memory", capture->path);
		packet->bytes = bytes;
		packet->room = size;
	}
	packet->header = *capture->header;
	/* A record that has more bytes than it says the packet had is taken by its bytes. */
	packet->header.len = SL_MAX(packet->header.len, packet->header.caplen);
	memcpy(packet->bytes, capture->data, packet->header.caplen);
	return 0;
}

static uint64_t
time_of(const struct pcap_pkthdr *header)
{
	return (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec;
}

uint64_t
replay_input_start_ns(struct replay_input *input)
{
	const struct replay_capture *capture = earliest(input);

	return capture == NULL ? 0 : time_of(capture->header);
}

int
replay_input_next(struct replay_input *input, struct replay_packet *packet)
{
	struct replay_capture *capture = earliest(input);

	if (input->is_broken)
		return -1;
	if (capture == NULL)
		return 0;
	if (copy_packet(packet, capture) != 0)
		return -1;
	packet->n = ++input->n_packets;
	packet->time_ns = time_of(&packet->header);
	packet->link_type = capture->link_type;
	packet->direction =
		input->by_source ? direction_of_source(input, packet) : capture->direction;
	read_ahead(input, capture);
	return 1;
}
