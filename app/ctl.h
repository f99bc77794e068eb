/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_CTL_H
#define APP_CTL_H

/*
 * sluicectl: what its commands share.
 *
 * A command is one function.  It reads its arguments with argp, talks to the daemon with ctl_call or
 * ctl_list, and prints either the daemon's JSON or something for people.  Its return value is the
 * program's exit status.
 */

#include "base/sl_compiler.h"

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_SOCKET_DEFAULT "/run/sluice/api.sock"

/* Exit statuses, which scripts rely on. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1,    /* the daemon said no, or (status) is not ready */
	CTL_USAGE = 2,      /* wrong arguments, or a file that cannot be read */
	CTL_UNREACHABLE = 3 /* no daemon at the socket */
};

struct ctl {
	const char *socket;
	bool json;        /* -j */
	bool is_terminal; /* standard output is one */
	void *curl;       /* connection, kept between calls */
};

/* --- Talking to the daemon (ctl_http.c). --- */

struct ctl_request {
	const char *method;       /* "GET" */
	const char *path;         /* "/v1/filters?stats=1", encoded */
	const char *body;         /* or NULL */
	size_t len;               /* bytes of it */
	const char *content_type; /* NULL: application/json */
	bool quiet;               /* do not print a refusal */
};

struct ctl_answer {
	long status;  /* HTTP */
	char *body;   /* NUL-terminated, owned */
	size_t len;   /* without the NUL */
	json_t *json; /* the body as JSON, owned; NULL when it is none */
};

/*
 * One request.  CTL_OK: a 2xx answer.  Otherwise what went wrong has been printed: on standard error,
 * or, when the daemon refused and -j was given, its problem document on standard output.
 * `answer` is to be freed in every case.
 */
int ctl_call(struct ctl *ctl, const struct ctl_request *request, struct ctl_answer *answer);
int ctl_get(struct ctl *ctl, const char *path, struct ctl_answer *answer);
void ctl_answer_fini(struct ctl_answer *answer);
/*
 * All pages of a list of objects or layers: `path` may have a query.  `*list` is {"items": [...], "next_cursor": null, "total":
 * n}, to be released with json_decref.  Fails as ctl_call does.
 */
int ctl_list(struct ctl *ctl, const char *path, json_t **list);
/* The same for the first `n_max` (at least 1); "next_cursor" tells whether there are more. */
int ctl_list_first(struct ctl *ctl, const char *path, size_t n_max, json_t **list);
/* "/v1/TYPE", "/v1/TYPE/KEY" with the key encoded. To be freed. */
char *ctl_path(const char *type, const char *key);
/* Adds "?name=value" or "&name=value", encoded, to a path made by ctl_path. Nothing when `value` is NULL. */
void ctl_path_add(char **path, const char *name, const char *value);
void ctl_disconnect(struct ctl *ctl);

/* Shows an answer or a list to people. */
typedef void ctl_show_fn(const struct ctl *ctl, const json_t *json, void *ctx);
/* ctl_call, and then the answer: as JSON with -j or when `show` is NULL. */
int
ctl_call_and_show(struct ctl *ctl, const struct ctl_request *request, ctl_show_fn *show, void *ctx);
/* The same with ctl_list. */
int ctl_list_and_show(struct ctl *ctl, const char *path, ctl_show_fn *show, void *ctx);

/* --- Input (ctl_input.c). --- */

/* A whole file, or standard input for "-". CTL_OK and `*text` to be freed, or CTL_USAGE, told. */
int ctl_read_file(const char *path, char **text, size_t *len);
/* Frame `n` (from 1) of a capture, as hexadecimal. CTL_OK and `*hex` to be freed, or CTL_USAGE, told. */
int ctl_read_frame(const char *path, uint64_t n, char **hex);

/* --- Output (ctl_print.c). --- */

/*
 * "sluicectl: ..." on standard error. Returns CTL_USAGE.  Here and below, control characters in what is
 * printed become question marks: text from elsewhere must not drive the terminal.
 */
int ctl_fail(const char *format, ...) SL_PRINTF(1, 2);
/* One more line of it, indented. */
void ctl_fail_more(const char *format, ...) SL_PRINTF(1, 2);
/* JSON on standard output, one line with -j, indented otherwise. */
void ctl_print_json(const struct ctl *ctl, const json_t *json);
void ctl_print_text(const char *text);
void ctl_printf(const char *format, ...) SL_PRINTF(1, 2);
/* The same and a line end. */
void ctl_line(const char *format, ...) SL_PRINTF(1, 2);

/* A member as text: strings as they are, numbers, "yes" and "no"; "-" when absent or null. */
const char *ctl_text(const json_t *json, const char *member);
/* An integer member, or a string of digits; 0 when absent. */
uint64_t ctl_number(const json_t *json, const char *member);
/* "2026-01-02 03:04:05" of an RFC 3339 text member; `absent` when null. */
const char *ctl_time(const json_t *json, const char *member, const char *absent);

#define CTL_COLUMNS_MAX 12

/* A table: cells are added row by row; columns whose title begins with '>' are set to the right. */
struct ctl_table {
	const char *titles[CTL_COLUMNS_MAX];
	size_t n_columns;
	char **cells;
	size_t n_cells;
};

/* Titles end in NULL. */
void ctl_table_init(struct ctl_table *table, ...);
void ctl_table_add(struct ctl_table *table, const char *text);
void ctl_table_addf(struct ctl_table *table, const char *format, ...) SL_PRINTF(2, 3);
/* Prints and empties it. Nothing but `if_empty` when there are no rows. */
void ctl_table_print(struct ctl_table *table, const struct ctl *ctl, const char *if_empty);

/* --- Commands. --- */

typedef int ctl_command_fn(struct ctl *ctl, int argc, char **argv);

struct ctl_command {
	const char *name;
	const char *help; /* a few words */
	ctl_command_fn *run;
};

ctl_command_fn ctl_apply, ctl_delete, ctl_events, ctl_explain, ctl_filters, ctl_flows,
	ctl_get_command, ctl_layers, ctl_links, ctl_mode, ctl_plugins, ctl_ports, ctl_put,
	ctl_stats, ctl_status, ctl_version;

/*
 * Parses a command's arguments.  `input` is the command's; -s and -j are taken wherever they stand.
 * Does not return when help was asked for or the arguments are wrong.
 */
void ctl_parse(struct ctl *ctl, const struct argp *argp, int argc, char **argv, void *input);
/* The same for a command with no options and at most `n_max` arguments, which go into `args`. */
int ctl_parse_args(struct ctl *ctl, const char *args_doc, const char *doc, int argc, char **argv,
	int n_min, int n_max, const char **args);

#endif
