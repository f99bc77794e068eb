/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_write.h"

#include "base/sl_addr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint32_t
v4_of(const uint8_t address[16])
{
	return (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 |
		address[3];
}

static const char *
address_text(const uint8_t address[16], bool is_v6, char text[SL_V6_TEXT_MAX])
{
	return is_v6 ? sl_addr_format_v6(address, text) : sl_addr_format_v4(v4_of(address), text);
}

static void
write_rule(FILE *file, const struct bench_rule *rule, bool is_v6)
{
	char src[SL_V6_TEXT_MAX];
	char dst[SL_V6_TEXT_MAX];

	/* The last column is of TCP flags, which no rule here asks for. */
	fprintf(file, "@%s/%u\t%s/%u\t%u : %u\t%u : %u\t0x%02X/0x%02X\t0x0000/0x0000\t\n",
		address_text(rule->src, is_v6, src), rule->src_len,
		address_text(rule->dst, is_v6, dst), rule->dst_len, rule->src_port[0],
		rule->src_port[1], rule->dst_port[0], rule->dst_port[1],
		rule->has_protocol ? rule->protocol : 0u, rule->has_protocol ? 0xffu : 0u);
}

static void
write_header(FILE *file, const struct bench_header *header, bool is_v6)
{
	char src[SL_V6_TEXT_MAX];
	char dst[SL_V6_TEXT_MAX];

	if (is_v6)
		fprintf(file, "%s\t%s", sl_addr_format_v6(header->src, src),
			sl_addr_format_v6(header->dst, dst));
	else
		fprintf(file, "%u\t%u", v4_of(header->src), v4_of(header->dst));
	fprintf(file, "\t%u\t%u\t%u\n", header->src_port, header->dst_port, header->protocol);
}

static int
open_file(const char *path, FILE **file, struct sl_error *err)
{
	*file = fopen(path, "w");
	if (*file != NULL)
		return 0;
	return sl_error_set(err, SL_ERR_IO, path, "cannot write: %s", strerror(errno));
}

static int
close_file(const char *path, FILE *file, struct sl_error *err)
{
	bool is_written = fflush(file) == 0 && !ferror(file);

	if (fclose(file) == 0 && is_written)
		return 0;
	return sl_error_set(err, SL_ERR_IO, path, "cannot write: %s", strerror(errno));
}

int
bench_rules_write(const char *path, const struct bench_rules *rules, struct sl_error *err)
{
	FILE *file;
	int rc = open_file(path, &file, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < rules->n; i++)
		write_rule(file, &rules->list[i], rules->is_v6);
	return close_file(path, file, err);
}

int
bench_trace_write(
	const char *path, const struct bench_trace *trace, bool is_v6, struct sl_error *err)
{
	FILE *file;
	int rc = open_file(path, &file, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < trace->n; i++)
		write_header(file, &trace->list[i], is_v6);
	return close_file(path, file, err);
}
