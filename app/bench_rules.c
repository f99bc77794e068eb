/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_rules.h"

#include "base/sl_addr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LINE_MAX_LEN 512

/* Lines of a file that may be compressed. */
struct lines {
	gzFile file;
	const char *path;
	size_t number;
	char text[LINE_MAX_LEN];
};

static int
lines_open(struct lines *lines, const char *path, struct sl_error *err)
{
	memset(lines, 0, sizeof(*lines));
	lines->path = path;
	lines->file = gzopen(path, "rb");
	if (lines->file == NULL)
		return sl_error_set(err, SL_ERR_IO, path, "cannot open: %s", strerror(errno));
	gzbuffer(lines->file, 1 << 17);
	return 0;
}

/* The next line that is not empty; false at the end. */
static bool
lines_next(struct lines *lines)
{
	while (gzgets(lines->file, lines->text, sizeof(lines->text)) != NULL) {
		lines->number++;
		if (lines->text[strspn(lines->text, " \t\r\n")] != '\0')
			return true;
	}
	return false;
}

static int
line_fault(const struct lines *lines, struct sl_error *err, const char *wanted)
{
	char where[160];

	snprintf(where, sizeof(where), "%.120s:%zu", lines->path, lines->number);
	return sl_error_set(err, SL_ERR_SYNTAX, where, "not %s", wanted);
}

static void
clear_tail(uint8_t address[16], uint8_t len)
{
	for (unsigned int bit = len; bit < 128; bit++)
		address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

static bool
parse_prefix(const char *text, bool is_v6, uint8_t address[16], uint8_t *len)
{
	uint32_t v4;

	memset(address, 0, 16);
	if (is_v6) {
		if (sl_addr_parse_prefix_v6(text, address, len) != 0)
			return false;
	} else {
		if (sl_addr_parse_prefix_v4(text, &v4, len) != 0)
			return false;
		for (int i = 0; i < 4; i++)
			address[i] = (uint8_t)(v4 >> (24 - 8 * i));
	}
	clear_tail(address, *len);
	return true;
}

static bool
parse_rule(const char *text, bool is_v6, struct bench_rule *rule)
{
	char src[64];
	char dst[64];
	unsigned int ports[4];
	unsigned int protocol;
	unsigned int mask;

	if (sscanf(text, "@%63s %63s %u : %u %u : %u %x/%x", src, dst, &ports[0], &ports[1],
		    &ports[2], &ports[3], &protocol, &mask) != 8)
		return false;
	for (int i = 0; i < 4; i++)
		if (ports[i] > 65535)
			return false;
	if (ports[0] > ports[1] || ports[2] > ports[3] || protocol > 255 ||
		(mask != 0 && mask != 0xff))
		return false;
	rule->has_protocol = mask == 0xff;
	rule->protocol = (uint8_t)protocol;
	for (int i = 0; i < 2; i++) {
		rule->src_port[i] = (uint16_t)ports[i];
		rule->dst_port[i] = (uint16_t)ports[2 + i];
	}
	return parse_prefix(src, is_v6, rule->src, &rule->src_len) &&
		parse_prefix(dst, is_v6, rule->dst, &rule->dst_len);
}

/* Makes room for one more element. */
static bool
grow(void **list, size_t n, size_t *size, size_t element)
{
	void *larger;

	if (n < *size)
		return true;
	*size = *size == 0 ? 1024 : *size * 2;
	larger = realloc(*list, *size * element);
	if (larger == NULL)
		return false;
	*list = larger;
	return true;
}

int
bench_rules_load(const char *path, struct bench_rules *rules, struct sl_error *err)
{
	struct lines lines;
	void *list = NULL;
	size_t size = 0;
	int rc = lines_open(&lines, path, err);

	memset(rules, 0, sizeof(*rules));
	if (rc != 0)
		return rc;
	while (rc == 0 && lines_next(&lines)) {
		if (rules->n == 0)
			rules->is_v6 = memchr(lines.text, ':', strcspn(lines.text, "/")) != NULL;
		if (!grow(&list, rules->n, &size, sizeof(*rules->list)))
			rc = sl_error_set(
				err, SL_ERR_NO_MEMORY, path, "not enough memory for the rules");
		else if (!parse_rule(
				 lines.text, rules->is_v6, (struct bench_rule *)list + rules->n))
			rc = line_fault(&lines, err,
				"a ClassBench rule: @SRC/LEN DST/LEN LOW : HIGH LOW : HIGH "
				"PROTOCOL/MASK ...");
		else
			rules->n++;
	}
	gzclose(lines.file);
	rules->list = list;
	if (rc == 0 && rules->n == 0)
		rc = sl_error_set(err, SL_ERR_SYNTAX, path, "the file has no rules");
	if (rc != 0)
		bench_rules_fini(rules);
	return rc;
}

void
bench_rules_fini(struct bench_rules *rules)
{
	free(rules->list);
	memset(rules, 0, sizeof(*rules));
}

static bool
is_default(const struct bench_rule *rule)
{
	return rule->src_len + rule->dst_len <= 2 && !rule->has_protocol &&
		rule->src_port[0] == 0 && rule->src_port[1] == 65535 && rule->dst_port[0] == 0 &&
		rule->dst_port[1] == 65535;
}

size_t
bench_rules_drop_default(struct bench_rules *rules)
{
	size_t kept = 0;
	size_t n = rules->n;

	for (size_t i = 0; i < n; i++)
		if (!is_default(&rules->list[i]))
			rules->list[kept++] = rules->list[i];
	rules->n = kept;
	return n - kept;
}

/* A decimal number that fits `n_bytes` (at most 8) to bytes, network order. */
static bool
parse_decimal(const char **at, uint8_t *bytes, size_t n_bytes)
{
	const char *text = *at + strspn(*at, " \t");
	char *end;
	uint64_t number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (end == text || *text == '-' || errno != 0 ||
		(n_bytes < 8 && number >> (8 * n_bytes) != 0))
		return false;
	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = (uint8_t)(number >> (8 * (n_bytes - 1 - i)));
	*at = end;
	return true;
}

/*
 * An IPv6 address of a trace: either as usual, with colons, or as the generator of IPv6 traces writes it,
 * the high 64 bits in decimal, unless they are zero, and right behind them the low 64 bits, in exactly 20
 * decimal digits when there is anything before them.
 */
static bool
parse_address_v6(const char **at, uint8_t address[16])
{
	const char *text = *at + strspn(*at, " \t");
	size_t len = strcspn(text, " \t\r\n");
	char copy[64];
	const char *half = copy;
	char low[21];

	if (len == 0 || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*at = text + len;
	if (strchr(copy, ':') != NULL)
		return sl_addr_parse_v6(copy, address) == 0;
	if (strspn(copy, "0123456789") != len)
		return false;
	memset(address, 0, 16);
	if (len <= 20)
		return parse_decimal(&half, address + 8, 8);
	memcpy(low, copy + len - 20, sizeof(low));
	copy[len - 20] = '\0';
	if (!parse_decimal(&half, address, 8))
		return false;
	half = low;
	return parse_decimal(&half, address + 8, 8);
}

static bool
parse_address(const char **at, bool is_v6, uint8_t address[16])
{
	return is_v6 ? parse_address_v6(at, address) : parse_decimal(at, address, 4);
}

static bool
parse_header(const char *text, bool is_v6, struct bench_header *header)
{
	uint8_t port[2][2];

	memset(header, 0, sizeof(*header));
	if (!parse_address(&text, is_v6, header->src) ||
		!parse_address(&text, is_v6, header->dst) || !parse_decimal(&text, port[0], 2) ||
		!parse_decimal(&text, port[1], 2) || !parse_decimal(&text, &header->protocol, 1))
		return false;
	header->src_port = (uint16_t)(port[0][0] << 8 | port[0][1]);
	header->dst_port = (uint16_t)(port[1][0] << 8 | port[1][1]);
	return true;
}

int
bench_trace_load(const char *path, bool is_v6, struct bench_trace *trace, struct sl_error *err)
{
	struct lines lines;
	void *list = NULL;
	size_t size = 0;
	int rc = lines_open(&lines, path, err);

	memset(trace, 0, sizeof(*trace));
	if (rc != 0)
		return rc;
	while (rc == 0 && lines_next(&lines)) {
		if (!grow(&list, trace->n, &size, sizeof(*trace->list)))
			rc = sl_error_set(
				err, SL_ERR_NO_MEMORY, path, "not enough memory for the trace");
		else if (!parse_header(lines.text, is_v6, (struct bench_header *)list + trace->n))
			rc = line_fault(&lines, err,
				"a ClassBench header: SRC DST SPORT DPORT PROTOCOL ...");
		else
			trace->n++;
	}
	gzclose(lines.file);
	trace->list = list;
	if (rc == 0 && trace->n == 0)
		rc = sl_error_set(err, SL_ERR_SYNTAX, path, "the file has no headers");
	if (rc != 0)
		bench_trace_fini(trace);
	return rc;
}

void
bench_trace_fini(struct bench_trace *trace)
{
	free(trace->list);
	memset(trace, 0, sizeof(*trace));
}
