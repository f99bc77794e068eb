/* SPDX-License-Identifier: BSD-3-Clause */
#include "adviser.h"
#include "mock_host.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

void
adviser_init(struct adviser_program *program)
{
	const char *tmp = getenv("TMPDIR");

	memset(program, 0, sizeof(*program));
	program->listener = -1;
	program->fd = -1;
	snprintf(program->dir, sizeof(program->dir), "%s/adviser-XXXXXX",
		tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(program->dir));
	snprintf(program->path, sizeof(program->path), "%s/s", program->dir);
}

void
adviser_fini(struct adviser_program *program)
{
	adviser_hang_up(program);
	adviser_close_listener(program);
	assert_int_equal(rmdir(program->dir), 0);
}

void
adviser_listen(struct adviser_program *program)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, program->path, sizeof(address.sun_path));
	program->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(program->listener >= 0);
	assert_int_equal(
		bind(program->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(program->listener, 4), 0);
}

void
adviser_close_listener(struct adviser_program *program)
{
	if (program->listener < 0)
		return;
	unlink(program->path);
	close(program->listener);
	program->listener = -1;
}

static void
await_input(int fd)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};

	assert_true(fd >= 0);
	assert_int_equal(poll(&wanted, 1, MOCK_PATIENCE_S * 1000), 1);
}

void
adviser_accept(struct adviser_program *program)
{
	assert_int_equal(program->fd, -1);
	await_input(program->listener);
	program->fd = accept(program->listener, NULL, NULL);
	assert_true(program->fd >= 0);
	program->n_in = 0;
}

void
adviser_hang_up(struct adviser_program *program)
{
	if (program->fd >= 0)
		close(program->fd);
	program->fd = -1;
}

void
adviser_expect_end(struct adviser_program *program)
{
	ssize_t n;

	do {
		await_input(program->fd);
		n = recv(program->fd, program->in, sizeof(program->in), 0);
		assert_true(n >= 0);
	} while (n > 0);
	program->n_in = 0;
}

void
adviser_read(struct adviser_program *program)
{
	char *newline;
	size_t length;
	ssize_t n;

	while ((newline = memchr(program->in, '\n', program->n_in)) == NULL) {
		assert_in_range(program->n_in, 0, sizeof(program->in) - 1);
		await_input(program->fd);
		n = recv(program->fd, program->in + program->n_in,
			sizeof(program->in) - program->n_in, 0);
		assert_true(n > 0);
		program->n_in += (size_t)n;
	}
	length = (size_t)(newline - program->in);
	assert_in_range(length, 1, sizeof(program->line) - 1);
	memcpy(program->line, program->in, length);
	program->line[length] = '\0';
	program->n_in -= length + 1;
	memmove(program->in, newline + 1, program->n_in);
}

void
adviser_expect_silence(struct adviser_program *program)
{
	struct pollfd wanted = {.fd = program->fd, .events = POLLIN};

	assert_int_equal(program->n_in, 0);
	assert_int_equal(poll(&wanted, 1, 0), 0);
}

void
adviser_say(struct adviser_program *program, const char *format, ...)
{
	char text[8192];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert_in_range(length, 1, sizeof(text) - 1);
	assert_int_equal(send(program->fd, text, (size_t)length, MSG_NOSIGNAL), length);
}
