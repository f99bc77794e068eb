/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A daemon that is stopped or stuck says nothing at all; the largest policy takes a second. */
#define ANSWER_TIMEOUT_S 60L

#define PAGE 1000 /* objects asked for at a time */

/* --- What went wrong. --- */

/* Who may use the socket, for a user who may not. */
static int
tell_no_permission(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		ctl_fail("no permission to reach the socket %s as user %u", path,
			(unsigned int)geteuid());
	else
		ctl_fail("no permission to use the socket %s (mode %04o, owner %u, group %u) as "
			 "user %u",
			path, (unsigned int)(st.st_mode & 07777), (unsigned int)st.st_uid,
			(unsigned int)st.st_gid, (unsigned int)geteuid());
	return CTL_UNREACHABLE;
}

static int
tell_no_connection(struct ctl *ctl, CURLcode code, const char *details)
{
	long number = 0;

	curl_easy_getinfo(ctl->curl, CURLINFO_OS_ERRNO, &number);
	if (code != CURLE_COULDNT_CONNECT)
		ctl_fail("the daemon at %s did not answer: %s", ctl->socket,
			details[0] != '\0' ? details : curl_easy_strerror(code));
	else if (number == ENOENT)
		ctl_fail("there is no socket %s; is sluiced running?", ctl->socket);
	else if (number == ECONNREFUSED)
		ctl_fail("nobody listens at %s; is sluiced running?", ctl->socket);
	else if (number == EACCES || number == EPERM)
		return tell_no_permission(ctl->socket);
	else
		ctl_fail("the socket %s cannot be connected to: %s", ctl->socket,
			number != 0 ? strerror((int)number) : curl_easy_strerror(code));
	return CTL_UNREACHABLE;
}

/* What stands in the way, or which faults a document has: each on a line of its own. */
static void
tell_details(const json_t *problem)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(problem, "errors"), i, item) {
		const char *pointer = ctl_text(item, "pointer");

		if (pointer[0] != '\0')
			ctl_fail_more("%s: %s", pointer, ctl_text(item, "detail"));
	}
	json_array_foreach(json_object_get(problem, "referrers"), i, item) {
		if (json_is_string(item))
			ctl_fail_more("referred to by %s", json_string_value(item));
	}
}

static int
tell_refusal(const struct ctl *ctl, const struct ctl_answer *answer)
{
	const char *detail = json_string_value(json_object_get(answer->json, "detail"));

	if (ctl->json && answer->json != NULL) {
		ctl_print_json(ctl, answer->json);
		return CTL_REFUSED;
	}
	if (detail == NULL) {
		ctl_fail("the daemon answered with HTTP status %ld and no explanation",
			answer->status);
		return CTL_REFUSED;
	}
	ctl_fail("%s (%s)", detail, ctl_text(answer->json, "code"));
	tell_details(answer->json);
	return CTL_REFUSED;
}

/* --- One request. --- */

static size_t
receive(char *bytes, size_t size, size_t n, void *ctx)
{
	struct ctl_answer *answer = ctx;
	char *body = realloc(answer->body, answer->len + size * n + 1);

	if (body == NULL)
		return 0;
	memcpy(body + answer->len, bytes, size * n);
	answer->body = body;
	answer->len += size * n;
	body[answer->len] = '\0';
	return size * n;
}

static bool
connect_once(struct ctl *ctl)
{
	if (ctl->curl != NULL)
		return true;
	ctl->curl = curl_easy_init();
	if (ctl->curl == NULL)
		return false;
	curl_easy_setopt(ctl->curl, CURLOPT_UNIX_SOCKET_PATH, ctl->socket);
	curl_easy_setopt(ctl->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(ctl->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(ctl->curl, CURLOPT_TIMEOUT, ANSWER_TIMEOUT_S);
	curl_easy_setopt(ctl->curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(ctl->curl, CURLOPT_USERAGENT, "sluicectl/" SLUICE_VERSION);
	return true;
}

static CURLcode
perform(struct ctl *ctl, const struct ctl_request *request, const char *url,
	struct ctl_answer *answer)
{
	struct curl_slist *headers = NULL;
	char type[128];
	CURLcode code;

	snprintf(type, sizeof(type), "Content-Type: %s",
		request->content_type != NULL ? request->content_type : "application/json");
	if (request->body != NULL)
		headers = curl_slist_append(headers, type);
	curl_easy_setopt(ctl->curl, CURLOPT_HTTPGET, 1L);
	if (request->body != NULL) {
		curl_easy_setopt(ctl->curl, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(ctl->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len);
	}
	curl_easy_setopt(ctl->curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(ctl->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(ctl->curl, CURLOPT_URL, url);
	curl_easy_setopt(ctl->curl, CURLOPT_WRITEDATA, answer);
	code = curl_easy_perform(ctl->curl);
	curl_easy_getinfo(ctl->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_slist_free_all(headers);
	return code;
}

int
ctl_call(struct ctl *ctl, const struct ctl_request *request, struct ctl_answer *answer)
{
	char details[CURL_ERROR_SIZE] = "";
	char *url = NULL;
	CURLcode code;

	*answer = (struct ctl_answer){0};
	if (strlen(ctl->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		ctl_fail("the socket's path %s is too long", ctl->socket);
		return CTL_UNREACHABLE;
	}
	if (!connect_once(ctl) || asprintf(&url, "http://sluice%s", request->path) < 0) {
		ctl_fail("not enough memory");
		return CTL_UNREACHABLE;
	}
	curl_easy_setopt(ctl->curl, CURLOPT_ERRORBUFFER, details);
	code = perform(ctl, request, url, answer);
	curl_easy_setopt(ctl->curl, CURLOPT_ERRORBUFFER, NULL);
	free(url);
	if (code == CURLE_URL_MALFORMAT)
		return ctl_fail("%s is no path of a resource", request->path);
	if (code != CURLE_OK)
		return tell_no_connection(ctl, code, details);
	answer->json = json_loadb(
		answer->body != NULL ? answer->body : "", answer->len, JSON_DECODE_ANY, NULL);
	if (answer->status >= 200 && answer->status < 300)
		return CTL_OK;
	return request->quiet ? CTL_REFUSED : tell_refusal(ctl, answer);
}

int
ctl_get(struct ctl *ctl, const char *path, struct ctl_answer *answer)
{
	return ctl_call(ctl, &(struct ctl_request){.method = "GET", .path = path}, answer);
}

void
ctl_answer_fini(struct ctl_answer *answer)
{
	json_decref(answer->json);
	free(answer->body);
	*answer = (struct ctl_answer){0};
}

void
ctl_disconnect(struct ctl *ctl)
{
	curl_easy_cleanup(ctl->curl);
	ctl->curl = NULL;
}

/* --- Lists. --- */

static int
add_page(struct ctl *ctl, const char *path, const char *cursor, size_t n_max, json_t *items,
	json_t **next)
{
	struct ctl_answer answer;
	char *page = strdup(path);
	char limit[16];
	int rc;

	snprintf(limit, sizeof(limit), "%zu", SL_MIN(n_max, (size_t)PAGE));
	ctl_path_add(&page, "limit", limit);
	ctl_path_add(&page, "cursor", cursor);
	if (page == NULL) {
		ctl_fail("not enough memory");
		return CTL_UNREACHABLE;
	}
	rc = ctl_get(ctl, page, &answer);
	if (rc == CTL_OK) {
		json_array_extend(items, json_object_get(answer.json, "items"));
		*next = json_incref(json_object_get(answer.json, "next_cursor"));
	}
	ctl_answer_fini(&answer);
	free(page);
	return rc;
}

int
ctl_list_first(struct ctl *ctl, const char *path, size_t n_max, json_t **list)
{
	json_t *items = json_array();
	json_t *next = NULL;
	int rc;

	do {
		json_t *cursor = next;

		next = NULL;
		rc = add_page(ctl, path, json_string_value(cursor), n_max - json_array_size(items),
			items, &next);
		json_decref(cursor);
	} while (rc == CTL_OK && json_is_string(next) && json_array_size(items) < n_max);
	if (rc == CTL_OK)
		*list = json_pack("{s:O, s:O?, s:I}", "items", items, "next_cursor", next, "total",
			(json_int_t)json_array_size(items));
	json_decref(next);
	json_decref(items);
	return rc;
}

int
ctl_list(struct ctl *ctl, const char *path, json_t **list)
{
	return ctl_list_first(ctl, path, SIZE_MAX, list);
}

/* --- Paths. --- */

char *
ctl_path(const char *type, const char *key)
{
	char *encoded = key != NULL ? curl_easy_escape(NULL, key, 0) : NULL;
	char *path = NULL;

	if (key == NULL ? asprintf(&path, "/v1/%s", type) < 0
			: encoded == NULL || asprintf(&path, "/v1/%s/%s", type, encoded) < 0)
		path = NULL;
	curl_free(encoded);
	return path;
}

void
ctl_path_add(char **path, const char *name, const char *value)
{
	char *encoded, *longer = NULL;

	if (value == NULL || *path == NULL)
		return;
	encoded = curl_easy_escape(NULL, value, 0);
	if (encoded == NULL ||
		asprintf(&longer, "%s%c%s=%s", *path, strchr(*path, '?') != NULL ? '&' : '?', name,
			encoded) < 0)
		longer = NULL;
	curl_free(encoded);
	free(*path);
	*path = longer;
}

/* --- Calls whose answer is shown. --- */

int
ctl_call_and_show(struct ctl *ctl, const struct ctl_request *request, ctl_show_fn *show, void *ctx)
{
	struct ctl_answer answer;
	int rc = ctl_call(ctl, request, &answer);

	if (rc == CTL_OK && answer.json != NULL && show != NULL && !ctl->json)
		show(ctl, answer.json, ctx);
	else if (rc == CTL_OK && answer.json != NULL)
		ctl_print_json(ctl, answer.json);
	else if (rc == CTL_OK && answer.body != NULL)
		fwrite(answer.body, 1, answer.len, stdout);
	ctl_answer_fini(&answer);
	return rc;
}

int
ctl_list_and_show(struct ctl *ctl, const char *path, ctl_show_fn *show, void *ctx)
{
	json_t *list;
	int rc = ctl_list(ctl, path, &list);

	if (rc != CTL_OK)
		return rc;
	if (ctl->json)
		ctl_print_json(ctl, list);
	else
		show(ctl, list, ctx);
	json_decref(list);
	return CTL_OK;
}
