/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define TEXTS 16 /* results of ctl_text and ctl_time that are valid at a time */

/* Control characters of ASCII, and those of Latin-1 in UTF-8 (C2 80 .. C2 9F). */
static bool
is_control(const char *at)
{
	unsigned char c = (unsigned char)at[0];

	return c < 0x20 || c == 0x7f ||
		(c == 0xc2 && (unsigned char)at[1] >= 0x80 && (unsigned char)at[1] < 0xa0);
}

/* Text that may come from anywhere must not drive the terminal. */
static void
print_text(FILE *file, const char *text)
{
	for (; *text != '\0'; text++) {
		if (!is_control(text)) {
			putc(*text, file);
			continue;
		}
		putc('?', file);
		if ((unsigned char)*text == 0xc2)
			text++;
	}
}

SL_PRINTF(2, 0) static void print_formatted(FILE *file, const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		return;
	print_text(file, text);
	free(text);
}

int
ctl_fail(const char *format, ...)
{
	va_list args;

	fputs("sluicectl: ", stderr);
	va_start(args, format);
	print_formatted(stderr, format, args);
	va_end(args);
	putc('\n', stderr);
	return CTL_USAGE;
}

void
ctl_fail_more(const char *format, ...)
{
	va_list args;

	fputs("  ", stderr);
	va_start(args, format);
	print_formatted(stderr, format, args);
	va_end(args);
	putc('\n', stderr);
}

void
ctl_print_json(const struct ctl *ctl, const json_t *json)
{
	json_dumpf(json, stdout, (ctl->json ? JSON_COMPACT : JSON_INDENT(2)) | JSON_ENCODE_ANY);
	putchar('\n');
}

void
ctl_print_text(const char *text)
{
	print_text(stdout, text);
}

void
ctl_printf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_formatted(stdout, format, args);
	va_end(args);
}

void
ctl_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_formatted(stdout, format, args);
	va_end(args);
	putchar('\n');
}

/* --- Members. --- */

/* A place for a result; the oldest of the last few is used again. */
static char *
text_place(void)
{
	static char texts[TEXTS][64];
	static unsigned int next;

	return texts[next++ % TEXTS];
}

const char *
ctl_text(const json_t *json, const char *member)
{
	const json_t *value = json_object_get(json, member);
	char *text;

	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		return json_string_value(value);
	case JSON_INTEGER:
		text = text_place();
		snprintf(text, 64, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return text;
	case JSON_REAL:
		text = text_place();
		snprintf(text, 64, "%g", json_real_value(value));
		return text;
	case JSON_TRUE:
		return "yes";
	case JSON_FALSE:
		return "no";
	default:
		return "-";
	}
}

uint64_t
ctl_number(const json_t *json, const char *member)
{
	const json_t *value = json_object_get(json, member);

	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	return (uint64_t)json_integer_value(value);
}

const char *
ctl_time(const json_t *json, const char *member, const char *absent)
{
	const char *time = json_string_value(json_object_get(json, member));
	char *text;

	if (time == NULL || strlen(time) < 19)
		return absent;
	text = text_place();
	snprintf(text, 64, "%.10s %.8s", time, time + 11);
	return text;
}

/* --- Tables. --- */

void
ctl_table_init(struct ctl_table *table, ...)
{
	const char *title;
	va_list args;

	*table = (struct ctl_table){0};
	va_start(args, table);
	while ((title = va_arg(args, const char *)) != NULL && table->n_columns < CTL_COLUMNS_MAX)
		table->titles[table->n_columns++] = title;
	va_end(args);
}

void
ctl_table_add(struct ctl_table *table, const char *text)
{
	char **cells = reallocarray(table->cells, table->n_cells + 1, sizeof(char *));

	if (cells == NULL)
		return;
	table->cells = cells;
	cells[table->n_cells] = strdup(text);
	if (cells[table->n_cells] != NULL)
		table->n_cells++;
}

void
ctl_table_addf(struct ctl_table *table, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) >= 0)
		ctl_table_add(table, text);
	va_end(args);
	free(text);
}

/* Columns of a terminal that a text takes; bytes that are no character count as one. */
static size_t
width_of(const char *text)
{
	size_t width = 0;
	mbstate_t state = {0};

	while (*text != '\0') {
		wchar_t wide;
		size_t n = mbrtowc(&wide, text, strlen(text), &state);

		if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
			state = (mbstate_t){0};
			n = 1;
			wide = L'?';
		}
		width += wcwidth(wide) < 0 ? 1 : (size_t)wcwidth(wide);
		text += n;
	}
	return width;
}

static void
pad(size_t n)
{
	while (n-- > 0)
		putchar(' ');
}

static void
print_row(const struct ctl_table *table, const size_t *widths, const char *const *cells)
{
	for (size_t i = 0; i < table->n_columns; i++) {
		const bool is_right = table->titles[i][0] == '>';
		const size_t space = widths[i] - width_of(cells[i]);

		if (is_right)
			pad(space);
		ctl_print_text(cells[i]);
		if (i + 1 < table->n_columns)
			pad((is_right ? 0 : space) + 2);
	}
	putchar('\n');
}

static void
print_table(const struct ctl_table *table, const struct ctl *ctl)
{
	const char *titles[CTL_COLUMNS_MAX];
	size_t widths[CTL_COLUMNS_MAX];

	for (size_t i = 0; i < table->n_columns; i++) {
		titles[i] = table->titles[i] + (table->titles[i][0] == '>');
		widths[i] = width_of(titles[i]);
	}
	for (size_t i = 0; i < table->n_cells; i++)
		widths[i % table->n_columns] =
			SL_MAX(widths[i % table->n_columns], width_of(table->cells[i]));
	if (ctl->is_terminal)
		fputs("\033[1m", stdout);
	print_row(table, widths, titles);
	if (ctl->is_terminal)
		fputs("\033[0m", stdout);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, widths, (const char *const *)&table->cells[i]);
}

void
ctl_table_print(struct ctl_table *table, const struct ctl *ctl, const char *if_empty)
{
	if (table->n_cells > 0)
		print_table(table, ctl);
	else
		puts(if_empty);
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct ctl_table){0};
}
