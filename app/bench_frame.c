/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_frame.h"

#include "packet/sl_build.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET  14u
#define SHORTEST  60u /* without the frame check sequence */
#define SNAP_LEN  65535
#define IS_TCP    6
#define IS_UDP    17
#define IS_ICMP   1
#define IS_ICMPV6 58

static void
put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The checksum of an IPv4 header (RFC 1071). */
static uint16_t
checksum(const uint8_t *header, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* That of TCP, which flows verify where connections begin and end. */
static void
put_tcp_checksum(const uint8_t *ip, uint8_t *tcp, uint32_t len)
{
	put16(tcp + 16, 0);
	put16(tcp + 16, sl_build_transport_checksum(ip, IS_TCP, tcp, len));
}

static bool
is_extension(uint8_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 50 ||
		protocol == 51 || protocol == 59 || protocol == 60 || protocol == 135;
}

static uint32_t
transport_len(uint8_t protocol)
{
	return protocol == IS_TCP ? 20 : 8;
}

static void
put_transport(uint8_t *at, const struct bench_header *header, uint8_t protocol, uint32_t len)
{
	if (protocol == IS_ICMP || protocol == IS_ICMPV6) {
		at[0] = (uint8_t)header->dst_port;
		at[1] = (uint8_t)header->src_port;
		return;
	}
	if (protocol != IS_TCP && protocol != IS_UDP)
		return;
	put16(at, header->src_port);
	put16(at + 2, header->dst_port);
	if (protocol == IS_UDP) {
		put16(at + 4, len);
		return;
	}
	at[7] = 1;     /* sequence number */
	at[12] = 0x50; /* five words */
	at[13] = 0x10; /* ACK */
	put16(at + 14, 8192);
}

static uint32_t
put_v4(uint8_t *ip, const struct bench_header *header)
{
	uint32_t payload = SHORTEST - ETHERNET - 20;

	ip[0] = 0x45;
	put16(ip + 2, 20 + payload);
	ip[6] = 0x40; /* do not fragment */
	ip[8] = 64;
	ip[9] = header->protocol;
	memcpy(ip + 12, header->src, 4);
	memcpy(ip + 16, header->dst, 4);
	put16(ip + 10, checksum(ip, 20));
	put_transport(ip + 20, header, header->protocol, payload);
	if (header->protocol == IS_TCP)
		put_tcp_checksum(ip, ip + 20, payload);
	return ETHERNET + 20 + payload;
}

static uint32_t
put_v6(uint8_t *ip, const struct bench_header *header)
{
	uint8_t protocol = is_extension(header->protocol) ? IS_UDP : header->protocol;
	uint32_t payload = transport_len(protocol);

	ip[0] = 0x60;
	put16(ip + 4, payload);
	ip[6] = protocol;
	ip[7] = 64;
	memcpy(ip + 8, header->src, 16);
	memcpy(ip + 24, header->dst, 16);
	put_transport(ip + 40, header, protocol, payload);
	if (protocol == IS_TCP)
		put_tcp_checksum(ip, ip + 40, payload);
	return ETHERNET + 40 + payload;
}

uint32_t
bench_frame_make(const struct bench_header *header, bool is_v6, uint8_t frame[BENCH_FRAME_MAX])
{
	static const uint8_t addresses[] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1};

	memset(frame, 0, BENCH_FRAME_MAX);
	memcpy(frame, addresses, sizeof(addresses));
	put16(frame + 12, is_v6 ? 0x86dd : 0x0800);
	return is_v6 ? put_v6(frame + ETHERNET, header) : put_v4(frame + ETHERNET, header);
}

void
bench_frame_open(uint8_t *frame, uint32_t len)
{
	uint8_t *tcp = frame + ETHERNET + 20;

	if (frame[ETHERNET] != 0x45 || frame[ETHERNET + 9] != IS_TCP)
		return;
	tcp[13] = 0x02; /* SYN */
	put_tcp_checksum(frame + ETHERNET, tcp, len - ETHERNET - 20);
}

int
bench_frames_write(const char *path, const struct bench_trace *trace, bool is_v6, size_t n_max,
	struct sl_error *err)
{
	pcap_t *form = pcap_open_dead(DLT_EN10MB, SNAP_LEN);
	pcap_dumper_t *file = form != NULL ? pcap_dump_open(form, path) : NULL;
	size_t n = SL_MIN(trace->n, n_max);
	int rc = 0;

	if (file == NULL) {
		rc = sl_error_set(err, SL_ERR_IO, path, "cannot write: %s",
			form != NULL ? pcap_geterr(form) : "not enough memory");
		n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t frame[BENCH_FRAME_MAX];
		uint32_t len = bench_frame_make(&trace->list[i], is_v6, frame);
		struct pcap_pkthdr head = {.caplen = len, .len = len};

		pcap_dump((unsigned char *)file, &head, frame);
	}
	if (file != NULL) {
		if (pcap_dump_flush(file) != 0)
			rc = sl_error_set(err, SL_ERR_IO, path, "cannot write");
		pcap_dump_close(file);
	}
	if (form != NULL)
		pcap_close(form);
	return rc;
}
