/* SPDX-License-Identifier: BSD-3-Clause */
#include "consult_link.h"

#include <sluice/sluice_callout.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_SIZE 384u                                    /* more than a question has */
#define OUT_SIZE  ((size_t)CONSULT_IN_FLIGHT * LINE_SIZE) /* that wait to be sent */
#define IN_SIZE   4096u /* bytes of answers; no line may be longer */
#define READS_MAX 16    /* at a time; then it is another's turn */
/* ns after a failure until the next attempt; it doubles with each. */
#define BACKOFF_MIN   UINT64_C(10000000)
#define BACKOFF_MAX   UINT64_C(1000000000)
#define EXPIRY_PERIOD UINT64_C(5000000) /* ns between looks for answers that are overdue */
#define MS            UINT64_C(1000000)
#define NO_ROOM       (-105)

enum slot_state {
	SLOT_FREE,
	SLOT_ASKED,
	SLOT_SETTLED /* the host had no room for the answer: it is given again */
};

/* A question in flight. */
struct slot {
	uint64_t token;
	uint64_t id; /* on the wire; its remainder by CONSULT_IN_FLIGHT is the slot's place */
	uint64_t deadline_ns;
	enum slot_state state;
	enum consult_verdict verdict;
};

struct consult_link {
	struct consult_desk *desk;
	uint32_t number;
	int fd; /* -1: not connected */
	uint64_t retry_ns;
	uint64_t backoff_ns;
	uint64_t expiry_ns; /* of the next look */
	uint32_t n_settled;
	uint32_t n_free;
	uint16_t free[CONSULT_IN_FLIGHT];
	struct slot slots[CONSULT_IN_FLIGHT];
	size_t n_out;
	size_t n_in;
	char out[OUT_SIZE];
	char in[IN_SIZE];
	char path[CONSULT_PATH_SIZE];
};

/* --- Slots. --- */

static void
settle(struct consult_link *link, struct slot *slot, enum consult_verdict verdict)
{
	const struct sluice_host *host = link->desk->host;
	const int rc = host->complete(host, slot->token, consult_answer(link->number, verdict));

	slot->verdict = verdict;
	link->n_settled -= slot->state == SLOT_SETTLED;
	slot->state = rc == NO_ROOM ? SLOT_SETTLED : SLOT_FREE;
	link->n_settled += slot->state == SLOT_SETTLED;
	if (slot->state == SLOT_FREE)
		link->free[link->n_free++] = (uint16_t)(slot - link->slots);
}

/* Settles what is asked and due by then. */
static void
give_up(struct consult_link *link, uint64_t until_ns)
{
	for (uint32_t i = 0; link->n_free < CONSULT_IN_FLIGHT && i < CONSULT_IN_FLIGHT; i++) {
		if (link->slots[i].state == SLOT_ASKED && link->slots[i].deadline_ns <= until_ns)
			settle(link, &link->slots[i], CONSULT_UNREACHABLE);
	}
}

static void
settle_again(struct consult_link *link)
{
	for (uint32_t i = 0; link->n_settled > 0 && i < CONSULT_IN_FLIGHT; i++) {
		if (link->slots[i].state == SLOT_SETTLED)
			settle(link, &link->slots[i], link->slots[i].verdict);
	}
}

/* --- The socket. --- */

static void
disconnect(struct consult_link *link, uint64_t now_ns)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->n_out = 0;
	link->n_in = 0;
	link->retry_ns = now_ns + link->backoff_ns;
	link->backoff_ns *= 2;
	if (link->backoff_ns > BACKOFF_MAX)
		link->backoff_ns = BACKOFF_MAX;
	give_up(link, UINT64_MAX);
}

/* A unix socket is connected at once or not at all. */
static void
try_connect(struct consult_link *link, uint64_t now_ns)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (link->fd >= 0 || now_ns < link->retry_ns)
		return;
	memcpy(address.sun_path, link->path, sizeof(address.sun_path));
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0 ||
		connect(link->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		disconnect(link, now_ns);
}

static bool
is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static bool
send_out(struct consult_link *link, uint64_t now_ns)
{
	ssize_t n;

	if (link->fd < 0 || link->n_out == 0)
		return false;
	n = send(link->fd, link->out, link->n_out, MSG_NOSIGNAL);
	if (n < 0 && !is_passing(errno))
		disconnect(link, now_ns);
	if (n <= 0)
		return false;
	link->n_out -= (size_t)n;
	memmove(link->out, link->out + n, link->n_out);
	return true;
}

/* --- Questions. --- */

static const char *
layer_name(uint32_t layer)
{
	switch (layer) {
	case SLUICE_LAYER_ALE_AUTH_CONNECT_V4:
		return "ale_auth_connect_v4";
	case SLUICE_LAYER_ALE_AUTH_CONNECT_V6:
		return "ale_auth_connect_v6";
	case SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4:
		return "ale_auth_recv_accept_v4";
	default:
		return "ale_auth_recv_accept_v6";
	}
}

/* The line of a question; its length, which is below LINE_SIZE. */
static size_t
write_line(const struct consult_question *question, uint64_t id, char line[LINE_SIZE])
{
	const bool is_v6 = question->layer == SLUICE_LAYER_ALE_AUTH_CONNECT_V6 ||
		question->layer == SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6;
	const bool is_icmp = question->protocol == (is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	char ports[80] = "";

	inet_ntop(is_v6 ? AF_INET6 : AF_INET, question->local_address, local, sizeof(local));
	inet_ntop(is_v6 ? AF_INET6 : AF_INET, question->remote_address, remote, sizeof(remote));
	if (question->has_ports)
		snprintf(ports, sizeof(ports),
			is_icmp ? ", \"icmp_type\": %u, \"icmp_code\": %u"
				: ", \"local_port\": %u, \"remote_port\": %u",
			question->local_port, question->remote_port);
	return (size_t)snprintf(line, LINE_SIZE,
		"{\"id\": \"%llu\", \"flow\": \"%llu\", \"filter\": \"%llu\", \"layer\": \"%s\", "
		"\"protocol\": %u, \"local_address\": \"%s\", \"remote_address\": \"%s\"%s}\n",
		(unsigned long long)id, (unsigned long long)question->token,
		(unsigned long long)question->filter, layer_name(question->layer),
		question->protocol, local, remote, ports);
}

/* Without a slot an answer that the host has no room for is lost; then the operation's time decides. */
static void
refuse(struct consult_link *link, uint64_t token, enum consult_verdict verdict)
{
	const struct sluice_host *host = link->desk->host;

	host->complete(host, token, consult_answer(link->number, verdict));
}

void
consult_link_ask(
	struct consult_link *link, const struct consult_question *question, uint64_t now_ns)
{
	char line[LINE_SIZE];
	struct slot *slot;
	size_t length;

	try_connect(link, now_ns);
	if (link->fd < 0) {
		refuse(link, question->token, CONSULT_UNREACHABLE);
		return;
	}
	slot = link->n_free > 0 ? &link->slots[link->free[link->n_free - 1]] : NULL;
	length = write_line(question, slot != NULL ? slot->id + CONSULT_IN_FLIGHT : 0, line);
	if (slot == NULL || length > OUT_SIZE - link->n_out) {
		refuse(link, question->token, CONSULT_FULL);
		return;
	}
	link->n_free--;
	slot->token = question->token;
	slot->id += CONSULT_IN_FLIGHT;
	slot->deadline_ns = now_ns + question->timeout_ms * MS;
	slot->state = SLOT_ASKED;
	memcpy(link->out + link->n_out, line, length);
	link->n_out += length;
}

/* --- Answers. --- */

/* The number of an id as it was written; false: it never was. */
static bool
read_id(const char *text, uint64_t *id)
{
	*id = 0;
	if (*text < '1' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (__builtin_mul_overflow(*id, 10, id) ||
			__builtin_add_overflow(*id, (uint64_t)(*text - '0'), id))
			return false;
	}
	return *text == '\0';
}

/* False: what was said is no verdict. */
static bool
read_verdict(const struct sluice_host *host, const char *line, enum consult_verdict *verdict)
{
	static const char *const members[] = {"id", "verdict", NULL};
	char text[8];

	if (host->json_strict(line, members, NULL, 0) != 0 ||
		host->json_string(line, "verdict", text, sizeof(text)) != 0)
		return false;
	*verdict = strcmp(text, "permit") == 0 ? CONSULT_PERMIT : CONSULT_BLOCK;
	return *verdict == CONSULT_PERMIT || strcmp(text, "block") == 0;
}

/* An answer without a verdict ends its question, if it says which one it is about. */
static void
take_line(struct consult_link *link, const char *line, size_t length)
{
	const struct sluice_host *host = link->desk->host;
	struct consult_tally *tally = &link->desk->tally;
	enum consult_verdict verdict = CONSULT_UNREACHABLE;
	struct slot *slot;
	char text[24];
	uint64_t id = 0;
	const bool is_named = memchr(line, '\0', length) == NULL &&
		host->json_string(line, "id", text, sizeof(text)) == 0 && read_id(text, &id);
	const bool is_good = is_named && read_verdict(host, line, &verdict);

	if (!is_good)
		atomic_fetch_add_explicit(&tally->malformed, 1, memory_order_relaxed);
	if (!is_named)
		return;
	slot = &link->slots[id % CONSULT_IN_FLIGHT];
	if (slot->id == id && slot->state == SLOT_ASKED) {
		settle(link, slot, is_good ? verdict : CONSULT_UNREACHABLE);
		if (is_good)
			link->backoff_ns = BACKOFF_MIN;
	} else if (is_good) {
		atomic_fetch_add_explicit(&tally->late, 1, memory_order_relaxed);
	}
}

static void
take_lines(struct consult_link *link)
{
	char *line = link->in;
	char *const end = link->in + link->n_in;
	char *newline;

	while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		*newline = '\0';
		take_line(link, line, (size_t)(newline - line));
		line = newline + 1;
	}
	link->n_in = (size_t)(end - line);
	memmove(link->in, line, link->n_in);
}

static bool
receive(struct consult_link *link, uint64_t now_ns)
{
	bool is_busy = false;
	ssize_t n;

	for (int i = 0; link->fd >= 0 && i < READS_MAX; i++) {
		n = recv(link->fd, link->in + link->n_in, IN_SIZE - link->n_in, 0);
		if (n < 0 && is_passing(errno))
			return is_busy;
		is_busy = true;
		if (n <= 0) {
			disconnect(link, now_ns);
			continue;
		}
		link->n_in += (size_t)n;
		take_lines(link);
		if (link->n_in < IN_SIZE)
			continue;
		/* What has no end is no line, and where the next one begins nobody knows. */
		atomic_fetch_add_explicit(&link->desk->tally.malformed, 1, memory_order_relaxed);
		disconnect(link, now_ns);
	}
	return is_busy;
}

bool
consult_link_work(struct consult_link *link, uint64_t now_ns)
{
	bool is_busy;

	settle_again(link);
	try_connect(link, now_ns);
	is_busy = send_out(link, now_ns);
	is_busy |= receive(link, now_ns);
	if (now_ns >= link->expiry_ns) {
		link->expiry_ns = now_ns + EXPIRY_PERIOD;
		give_up(link, now_ns);
	}
	return is_busy;
}

struct pollfd
consult_link_poll(const struct consult_link *link)
{
	return (struct pollfd){
		.fd = link->fd, .events = (short)(POLLIN | (link->n_out > 0 ? POLLOUT : 0))};
}

/* --- Life. --- */

struct consult_link *
consult_link_new(struct consult_desk *desk, const char *path, uint32_t number)
{
	struct consult_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->desk = desk;
	link->number = number;
	link->fd = -1;
	link->backoff_ns = BACKOFF_MIN;
	snprintf(link->path, sizeof(link->path), "%s", path);
	for (uint32_t i = 0; i < CONSULT_IN_FLIGHT; i++) {
		link->slots[i].id = i;
		link->free[link->n_free++] = (uint16_t)(CONSULT_IN_FLIGHT - 1 - i);
	}
	return link;
}

void
consult_link_free(struct consult_link *link)
{
	disconnect(link, 0);
	free(link);
}

const char *
consult_link_path(const struct consult_link *link)
{
	return link->path;
}

uint32_t
consult_link_number(const struct consult_link *link)
{
	return link->number;
}
