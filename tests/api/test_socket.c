/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char folder[64];
	char path[160];
	struct sl_api api;
};

static int
setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->folder, sizeof(place->folder), "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof(place->path), "%s/api.sock", place->folder);
	place->api.socket_fd = -1;
	place->api.socket_path = place->path;
	place->api.config.socket_mode = 0660;
	*state = place;
	return 0;
}

static int
teardown(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	assert_int_equal(rmdir(place->folder), 0);
	free(place);
	return 0;
}

typedef int address_fn(int fd, const struct sockaddr *address, socklen_t size);

/* Binds or connects a new socket. */
static int
open_other(const char *path, int type, address_fn *fn)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type, 0);

	assert_in_range(strlen(path), 1, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(fn(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
check_refused(struct place *place, enum sl_err code)
{
	struct sl_error err;

	assert_true(api_socket_open(&place->api, &err) < 0);
	assert_int_equal(err.code, code);
	assert_false(place->api.socket_is_ours);
	api_socket_unlink(&place->api);
	api_socket_close(&place->api);
}

static void
check_serves(struct place *place)
{
	struct sl_error err;
	struct stat st;

	assert_int_equal(api_socket_open(&place->api, &err), 0);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	close(open_other(place->path, SOCK_STREAM, connect));
	api_socket_unlink(&place->api);
	assert_int_equal(stat(place->path, &st), -1);
	api_socket_close(&place->api);
}

static void
test_new(void **state)
{
	check_serves(*state);
	/* And once more, because closing is forgetting. */
	check_serves(*state);
}

static void
test_dead(void **state)
{
	struct place *place = *state;

	close(open_other(place->path, SOCK_STREAM, bind));
	check_serves(place);
}

static void
test_living(void **state)
{
	struct place *place = *state;
	struct stat st;
	int fd = open_other(place->path, SOCK_STREAM, bind);

	assert_int_equal(listen(fd, 1), 0);
	check_refused(place, SL_ERR_ALREADY_EXISTS);
	close(fd);
	unlink(place->path);
	/* Another protocol is no sign of death. */
	fd = open_other(place->path, SOCK_DGRAM, bind);
	check_refused(place, SL_ERR_ALREADY_EXISTS);
	assert_int_equal(stat(place->path, &st), 0);
	close(fd);
}

static void
test_no_socket(void **state)
{
	struct place *place = *state;
	FILE *file = fopen(place->path, "w");

	assert_non_null(file);
	fclose(file);
	check_refused(place, SL_ERR_ALREADY_EXISTS);
	unlink(place->path);
	/* A link is not followed. */
	assert_int_equal(symlink("/dev/null", place->path), 0);
	check_refused(place, SL_ERR_ALREADY_EXISTS);
}

static void
test_not_ours(void **state)
{
	struct place *place = *state;
	struct sl_error err;
	struct stat st;
	int fd;

	assert_int_equal(api_socket_open(&place->api, &err), 0);
	assert_int_equal(unlink(place->path), 0);
	fd = open_other(place->path, SOCK_STREAM, bind);
	api_socket_unlink(&place->api);
	assert_int_equal(stat(place->path, &st), 0);
	api_socket_close(&place->api);
	close(fd);
}

static void
test_folder(void **state)
{
	struct place *place = *state;
	char made[96];
	struct stat st;

	snprintf(made, sizeof(made), "%s/made", place->folder);
	snprintf(place->path, sizeof(place->path), "%s/api.sock", made);
	check_serves(place);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(rmdir(made), 0);

	snprintf(place->path, sizeof(place->path), "%s/a/b/api.sock", place->folder);
	check_refused(place, SL_ERR_IO);
}

static void
test_configuration(void **state)
{
	struct place *place = *state;
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	place->api.socket_path = path;
	check_refused(place, SL_ERR_CONFIGURATION);
	place->api.socket_path = place->path;
	place->api.config.socket_group = "no-such-group-here";
	check_refused(place, SL_ERR_CONFIGURATION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_living, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configuration, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
