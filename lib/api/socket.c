/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/*
 * The listening socket: its folder is made when missing (0750), a dead socket file is replaced, a living
 * one is refused, and nobody can connect before mode and group are set.
 *
 * Between looking at the old socket and listening on the new one the folder is locked, so that of two
 * daemons that start at the same moment one sees the other.
 */

#define NO_GROUP      ((gid_t)-1)
#define LOCK_ATTEMPTS 200 /* 5 ms apart */

static int
fail(struct sl_error *err, const char *path, const char *what)
{
	enum sl_err code = errno == EACCES || errno == EPERM ? SL_ERR_PERMISSION : SL_ERR_IO;

	return sl_error_set(err, code, path, "%s: %s", what, strerror(errno));
}

static int
find_group(const struct sl_api *api, gid_t *gid, struct sl_error *err)
{
	const struct group *group;

	*gid = NO_GROUP;
	if (api->config.socket_group == NULL)
		return 0;
	group = getgrnam(api->config.socket_group);
	if (group == NULL)
		return sl_error_set(err, SL_ERR_CONFIGURATION, "/api/group",
			"there is no group \"%s\"", api->config.socket_group);
	*gid = group->gr_gid;
	return 0;
}

/* A folder that we make is the group's as well: it could not reach the socket otherwise. */
static int
make_folder(const char *folder, gid_t gid, const char *path, struct sl_error *err)
{
	if (mkdir(folder, 0750) != 0)
		return errno == EEXIST ? 0
				       : fail(err, path, "cannot make the folder of the socket");
	if (chown(folder, (uid_t)-1, gid) != 0)
		return fail(err, path, "cannot give the folder of the socket to its group");
	return 0;
}

static int
lock_folder(const char *folder, const char *path, int *fd, struct sl_error *err)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	*fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return fail(err, path, "cannot open the folder of the socket");
	for (int i = 0; i < LOCK_ATTEMPTS; i++) {
		if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	close(*fd);
	*fd = -1;
	return sl_error_set(err, SL_ERR_BUSY, path, "another process has locked the folder");
}

/* Removes a socket file that nobody listens on. */
static int
clear_path(const char *path, const struct sockaddr_un *address, struct sl_error *err)
{
	struct stat st;
	bool is_dead;
	int fd;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : fail(err, path, "cannot look at the socket");
	if (!S_ISSOCK(st.st_mode))
		return sl_error_set(
			err, SL_ERR_ALREADY_EXISTS, path, "the path exists and is not a socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(err, path, "cannot make a socket");
	/* Whoever is too busy to answer, or speaks another protocol, lives. */
	is_dead = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		errno == ECONNREFUSED;
	close(fd);
	if (!is_dead)
		return sl_error_set(err, SL_ERR_ALREADY_EXISTS, path,
			"another process is serving this socket; stop it or choose another path");
	if (unlink(path) != 0)
		return fail(err, path, "cannot remove the old socket");
	return 0;
}

static int
remember(struct sl_api *api, struct sl_error *err)
{
	struct stat st;

	if (lstat(api->socket_path, &st) != 0)
		return fail(err, api->socket_path, "cannot look at the socket");
	api->socket_dev = st.st_dev;
	api->socket_ino = st.st_ino;
	api->socket_is_ours = true;
	return 0;
}

static int
bind_socket(struct sl_api *api, const struct sockaddr_un *address, struct sl_error *err)
{
	mode_t mask;
	int bound;

	api->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (api->socket_fd < 0)
		return fail(err, api->socket_path, "cannot make a socket");
	mask = umask(0777);
	bound = bind(api->socket_fd, (const struct sockaddr *)address, sizeof(*address));
	umask(mask);
	if (bound != 0)
		return fail(err, api->socket_path, "cannot bind the socket");
	return remember(api, err);
}

static int
serve(struct sl_api *api, const struct sockaddr_un *address, gid_t gid, struct sl_error *err)
{
	int rc = clear_path(api->socket_path, address, err);

	if (rc == 0)
		rc = bind_socket(api, address, err);
	if (rc != 0)
		return rc;
	if (chown(api->socket_path, (uid_t)-1, gid) != 0)
		return fail(err, api->socket_path, "cannot give the socket to its group");
	if (chmod(api->socket_path, api->config.socket_mode) != 0)
		return fail(err, api->socket_path, "cannot set the mode of the socket");
	if (listen(api->socket_fd, 1024) != 0)
		return fail(err, api->socket_path, "cannot listen on the socket");
	return 0;
}

static int
open_in(struct sl_api *api, const char *folder, const struct sockaddr_un *address,
	struct sl_error *err)
{
	gid_t gid;
	int fd;
	int rc = find_group(api, &gid, err);

	if (rc == 0)
		rc = make_folder(folder, gid, api->socket_path, err);
	if (rc == 0)
		rc = lock_folder(folder, api->socket_path, &fd, err);
	if (rc != 0)
		return rc;
	rc = serve(api, address, gid, err);
	close(fd);
	return rc;
}

int
api_socket_open(struct sl_api *api, struct sl_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *copy;
	int rc;

	if (strlen(api->socket_path) >= sizeof(address.sun_path))
		return sl_error_set(err, SL_ERR_CONFIGURATION, "/api/socket",
			"the path is longer than %zu characters", sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, api->socket_path, strlen(api->socket_path) + 1);
	copy = strdup(api->socket_path);
	if (copy == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, api->socket_path, "not enough memory");
	rc = open_in(api, dirname(copy), &address, err);
	free(copy);
	return rc;
}

void
api_socket_unlink(struct sl_api *api)
{
	struct stat st;

	if (api->socket_is_ours && lstat(api->socket_path, &st) == 0 &&
		st.st_dev == api->socket_dev && st.st_ino == api->socket_ino)
		unlink(api->socket_path);
	api->socket_is_ours = false;
}

void
api_socket_close(struct sl_api *api)
{
	if (api->socket_fd >= 0)
		close(api->socket_fd);
	api->socket_fd = -1;
}
