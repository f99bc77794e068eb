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
#include <unistd.h>

/*
 * The listening socket: its folder is made when missing (0750), a dead socket file is replaced, a living
 * one is refused, and nobody can connect before mode and group are set.
 */

static int
fail(struct sl_error *err, const char *path, const char *what)
{
	enum sl_err code = errno == EACCES || errno == EPERM ? SL_ERR_PERMISSION : SL_ERR_IO;

	return sl_error_set(err, code, path, "%s: %s", what, strerror(errno));
}

static int
make_folder(const char *path, struct sl_error *err)
{
	char *copy = strdup(path);
	const char *folder;
	int rc = 0;

	if (copy == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, path, "not enough memory");
	folder = dirname(copy);
	if (mkdir(folder, 0750) != 0 && errno != EEXIST)
		rc = fail(err, path, "cannot make the folder of the socket");
	free(copy);
	return rc;
}

/* Removes a socket file that nobody listens on. */
static int
clear_path(const char *path, const struct sockaddr_un *address, struct sl_error *err)
{
	struct stat st;
	int fd;
	int answered;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : fail(err, path, "cannot look at the socket");
	if (!S_ISSOCK(st.st_mode))
		return sl_error_set(
			err, SL_ERR_ALREADY_EXISTS, path, "the path exists and is not a socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(err, path, "cannot make a socket");
	answered = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		errno == EAGAIN;
	close(fd);
	if (answered)
		return sl_error_set(err, SL_ERR_ALREADY_EXISTS, path,
			"another process is serving this socket; stop it or choose another path");
	if (unlink(path) != 0)
		return fail(err, path, "cannot remove the old socket");
	return 0;
}

static int
set_access(const struct sl_api *api, struct sl_error *err)
{
	const struct group *group;

	if (api->config.socket_group != NULL) {
		group = getgrnam(api->config.socket_group);
		if (group == NULL)
			return sl_error_set(err, SL_ERR_CONFIGURATION, "/api/group",
				"there is no group \"%s\"", api->config.socket_group);
		if (chown(api->socket_path, (uid_t)-1, group->gr_gid) != 0)
			return fail(err, api->socket_path, "cannot give the socket to its group");
	}
	if (chmod(api->socket_path, api->config.socket_mode) != 0)
		return fail(err, api->socket_path, "cannot set the mode of the socket");
	return 0;
}

int
api_socket_open(struct sl_api *api, struct sl_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int bound;
	int rc;

	if (strlen(api->socket_path) >= sizeof(address.sun_path))
		return sl_error_set(err, SL_ERR_CONFIGURATION, "/api/socket",
			"the path is longer than %zu characters", sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, api->socket_path, strlen(api->socket_path) + 1);
	rc = make_folder(api->socket_path, err);
	if (rc == 0)
		rc = clear_path(api->socket_path, &address, err);
	if (rc != 0)
		return rc;
	api->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (api->socket_fd < 0)
		return fail(err, api->socket_path, "cannot make a socket");
	mask = umask(0777);
	bound = bind(api->socket_fd, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (bound != 0)
		return fail(err, api->socket_path, "cannot bind the socket");
	api->socket_is_ours = true;
	rc = set_access(api, err);
	if (rc != 0)
		return rc;
	if (listen(api->socket_fd, 1024) != 0)
		return fail(err, api->socket_path, "cannot listen on the socket");
	return 0;
}

void
api_socket_close(struct sl_api *api)
{
	if (api->socket_fd >= 0)
		close(api->socket_fd);
	if (api->socket_is_ours)
		unlink(api->socket_path);
}
