/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real packets, cut at every byte and mutated, through the parser.
 *
 * Reads every pcap and pcapng below $SLUICE_CAPTURES/files; without it, the samples stand in for
 * captures.  Each packet is parsed cut after each of its bytes, both as a frame that ends there and as
 * a capture of a longer one, and then with random mutations; each result must obey the workbench's
 * rules.  Under a sanitizer the bytes behind a cut are poisoned, so that one byte read too far is
 * reported.  $SLUICE_SEED repeats a run's mutations.
 */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <pcap/pcap.h>

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n)   ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

#define PACKET_MAX     262144u
#define MUTANTS        16u /* of each packet */
#define RULES_EVERY    7u  /* cuts: all are parsed, every so many judged by the rules */
#define LINK_TYPE_SLL2 276

struct run {
	uint8_t *bytes; /* PACKET_MAX, aligned as the sanitizer wants it */
	uint64_t seed;
	uint64_t n_packets;
	uint64_t n_parses;
	uint64_t n_captures;
	bool is_failed;
};

/* xorshift64*: repeatable and good enough to place faults. */
static uint32_t
draw(struct run *run, uint32_t n)
{
	run->seed ^= run->seed >> 12;
	run->seed ^= run->seed << 25;
	run->seed ^= run->seed >> 27;
	return (uint32_t)(run->seed * 0x2545f4914f6cdd1d >> 33) % n;
}

static void
parse(struct run *run, enum sl_link_type link, uint32_t contiguous, uint32_t length)
{
	struct sl_frame frame = {.bytes = run->bytes, .contiguous = contiguous, .length = length};
	struct sl_meta meta, *metas = &meta;
	const char *fault;

	workbench_meta(&meta, run->n_parses++ % 2);
	sl_packet_parse(link, &frame, 1, &metas);
	fault = workbench_fault(link, &frame, &meta);
	if (fault != NULL) {
		fprintf(stderr, "packet %llu, %u of %u bytes: %s\n",
			(unsigned long long)run->n_packets, contiguous, length, fault);
		run->is_failed = true;
	}
}

/* From the whole packet down to nothing; what was cut off stays poisoned. */
static void
cut(struct run *run, enum sl_link_type link, uint32_t len)
{
	for (uint32_t at = len + 1; at-- > 0;) {
		ASAN_POISON_MEMORY_REGION(run->bytes + at, len - at + 1);
		parse(run, link, at, at);
		parse(run, link, at, len);
	}
	ASAN_UNPOISON_MEMORY_REGION(run->bytes, PACKET_MAX);
}

/* One to four bytes changed, most of them in the headers; sometimes the end as well. */
static void
mutate(struct run *run, enum sl_link_type link, const uint8_t *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < MUTANTS && len > 0; i++) {
		uint32_t n = 1 + draw(run, 4), end = len;

		memcpy(run->bytes, bytes, len);
		while (n-- > 0) {
			uint32_t at = draw(run, draw(run, 4) == 0 ? len : SL_MIN(len, 96));

			run->bytes[at] = draw(run, 2) == 0 ? (uint8_t)draw(run, 256)
							   : run->bytes[at] ^ (1u << draw(run, 8));
		}
		if (draw(run, 4) == 0)
			end = draw(run, len + 1);
		ASAN_POISON_MEMORY_REGION(run->bytes + end, PACKET_MAX - end);
		parse(run, link, end, end);
		ASAN_UNPOISON_MEMORY_REGION(run->bytes, PACKET_MAX);
	}
}

static void
take_packet(struct run *run, enum sl_link_type link, const uint8_t *bytes, uint32_t len)
{
	if (len >= PACKET_MAX)
		return;
	run->n_packets++;
	memcpy(run->bytes, bytes, len);
	cut(run, link, len);
	mutate(run, link, bytes, len);
}

/* Link types that the parser does not know are tried as Ethernet: bytes are bytes. */
static enum sl_link_type
link_type(int datalink)
{
	switch (datalink) {
	case DLT_RAW:
		return SL_LINK_IP;
	case DLT_LINUX_SLL:
		return SL_LINK_SLL;
	case LINK_TYPE_SLL2:
		return SL_LINK_SLL2;
	default:
		return SL_LINK_ETHERNET;
	}
}

static void
take_capture(struct run *run, const char *path)
{
	char fault[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	pcap_t *pcap = pcap_open_offline(path, fault);

	if (pcap == NULL) {
		fprintf(stderr, "%s: %s\n", path, fault);
		return;
	}
	while (pcap_next_ex(pcap, &header, &bytes) == 1)
		take_packet(run, link_type(pcap_datalink(pcap)), bytes, header->caplen);
	pcap_close(pcap);
	run->n_captures++;
	if (run->is_failed)
		fprintf(stderr, "in %s\n", path);
}

/* Every file below the folder; what is no capture is named and passed over. */
static void
take_captures(struct run *run, const char *captures)
{
	char folder[4096];
	char *const roots[] = {folder, NULL};
	FTSENT *entry;
	FTS *walk;

	snprintf(folder, sizeof(folder), "%s/files", captures);
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (walk != NULL && !run->is_failed && (entry = fts_read(walk)) != NULL)
		if (entry->fts_info == FTS_F)
			take_capture(run, entry->fts_path);
	if (walk != NULL)
		fts_close(walk);
	if (run->n_captures == 0) {
		fprintf(stderr, "%s: no captures\n", folder);
		run->is_failed = true;
	}
}

static void
take_samples(struct run *run)
{
	uint8_t *bytes = malloc(WORKBENCH_FRAME_MAX);
	const struct sample *sample;
	struct sl_build build;

	for (uint32_t i = 0; bytes != NULL && (sample = sample_get(i)) != NULL; i++) {
		sl_build_init(&build, bytes, WORKBENCH_FRAME_MAX);
		sample->make(&build);
		/* The jumbogram alone would take as long as all others. */
		take_packet(run, sample->link, bytes, SL_MIN(build.len, 16384));
	}
	free(bytes);
}

static uint64_t
choose_seed(void)
{
	const char *text = getenv("SLUICE_SEED");
	struct timespec now;

	if (text != NULL)
		return strtoull(text, NULL, 0) | 1;
	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec * 1000000007 ^ (uint64_t)now.tv_nsec) | 1;
}

int
main(void)
{
	const char *captures = getenv("SLUICE_CAPTURES");
	struct run run = {.seed = choose_seed()};
	uint64_t seed = run.seed;

	run.bytes = aligned_alloc(64, PACKET_MAX);
	if (run.bytes == NULL)
		return 1;
	if (captures != NULL)
		take_captures(&run, captures);
	else
		take_samples(&run);
	free(run.bytes);
	printf("%llu captures, %llu packets, %llu parses, SLUICE_SEED=%llu\n",
		(unsigned long long)run.n_captures, (unsigned long long)run.n_packets,
		(unsigned long long)run.n_parses, (unsigned long long)seed);
	return run.is_failed ? 1 : 0;
}
