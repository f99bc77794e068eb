/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CALLOUT_ADVISER_H
#define TEST_CALLOUT_ADVISER_H

/*
 * A program that is asked, played by the test itself: it listens on a socket in a directory of its own, and every step
 * waits as long as MOCK_PATIENCE_S before the test fails.
 */

#include <stddef.h>

struct adviser_program {
	char dir[64];
	char path[108];
	int listener; /* -1: nobody listens */
	int fd;       /* the connection; -1: none */
	size_t n_in;
	char in[16384];
	char line[1024]; /* the last one */
};

/* Finds a place for the socket; nobody listens yet. */
void adviser_init(struct adviser_program *program);
void adviser_fini(struct adviser_program *program);
void adviser_listen(struct adviser_program *program);
/* No more connections; the one there is stays. */
void adviser_close_listener(struct adviser_program *program);
void adviser_accept(struct adviser_program *program);
void adviser_hang_up(struct adviser_program *program);
/* The other side has hung up, whatever else it said before. */
void adviser_expect_end(struct adviser_program *program);
/* The next line, without its newline: program->line. */
void adviser_read(struct adviser_program *program);
/* Nothing has been said that has not been read. */
void adviser_expect_silence(struct adviser_program *program);
void adviser_say(struct adviser_program *program, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
