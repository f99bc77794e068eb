/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK 65536

/* The rest of a file; false: reading failed, or no memory (errno). */
static bool
read_all(FILE *file, char **text, size_t *len)
{
	size_t size = 0;

	*text = NULL;
	*len = 0;
	do {
		if (*len + CHUNK + 1 > size) {
			char *longer = realloc(*text, size = size * 2 + CHUNK + 1);

			if (longer == NULL)
				return false;
			*text = longer;
		}
		*len += fread(*text + *len, 1, CHUNK, file);
	} while (!feof(file) && !ferror(file));
	(*text)[*len] = '\0';
	return !ferror(file);
}

int
ctl_read_file(const char *path, char **text, size_t *len)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "r");
	bool is_read;

	if (file == NULL)
		return ctl_fail("%s: %s", path, strerror(errno));
	is_read = read_all(file, text, len);
	if (!is_read) {
		ctl_fail("%s: %s", is_stdin ? "standard input" : path, strerror(errno));
		free(*text);
		*text = NULL;
	}
	if (!is_stdin)
		fclose(file);
	return is_read ? CTL_OK : CTL_USAGE;
}

static char *
hex_of(const uint8_t *bytes, size_t n)
{
	char *hex = malloc(2 * n + 1);

	for (size_t i = 0; hex != NULL && i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	return hex;
}

static int
read_frame(pcap_t *pcap, const char *path, uint64_t n, char **hex)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;

	if (pcap_datalink(pcap) != DLT_EN10MB)
		return ctl_fail("%s: link type %s; only Ethernet can be explained", path,
			pcap_datalink_val_to_name(pcap_datalink(pcap)));
	for (uint64_t i = 1; i <= n; i++) {
		int rc = pcap_next_ex(pcap, &header, &bytes);

		if (rc == PCAP_ERROR)
			return ctl_fail("%s: %s", path, pcap_geterr(pcap));
		if (rc != 1)
			return ctl_fail("%s: has %" PRIu64 " packets; there is no packet %" PRIu64,
				path, i - 1, n);
	}
	if (header->caplen < header->len)
		return ctl_fail("%s: packet %" PRIu64 " was captured with %u of its %u bytes", path,
			n, header->caplen, header->len);
	*hex = hex_of(bytes, header->caplen);
	return *hex != NULL ? CTL_OK : ctl_fail("not enough memory");
}

int
ctl_read_frame(const char *path, uint64_t n, char **hex)
{
	char fault[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, fault);
	int rc;

	if (pcap == NULL)
		return ctl_fail("%s", strstr(fault, path) != NULL ? fault : "not a capture");
	rc = read_frame(pcap, path, n, hex);
	pcap_close(pcap);
	return rc;
}
