/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/elf.h"
#include "callout/registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDENTITY_BITS   128
#define OBJECT_NAME_MAX (IDENTITY_BITS * 2 + 32)

/*
 * The name under which the dynamic loader opens a file: through the descriptor that was checked, not by
 * its path, so that nobody can exchange the file in between.
 *
 * The loader takes an object for the same when it comes by a name it was once opened with, for as long
 * as it is mapped; which may be for ever, and then the number of the descriptor means another file.  So
 * the name also spells which file it is, in path components that the kernel skips.
 */
static void
name_object(int fd, const struct stat *st, char name[OBJECT_NAME_MAX])
{
	const uint64_t identity[] = {st->st_dev, st->st_ino};
	char *at = stpcpy(name, "/proc/self/fd");

	for (unsigned int bit = 0; bit < IDENTITY_BITS; bit++)
		at = stpcpy(at, (identity[bit / 64] >> bit % 64 & 1) != 0 ? "/." : "/");
	snprintf(at, OBJECT_NAME_MAX - (size_t)(at - name), "/%d", fd);
}

/* Who may have written it may run code in this process. */
static int
check_file(const struct stat *st, const char *path, struct sl_error *err)
{
	if (!S_ISREG(st->st_mode))
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path, "not a regular file");
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"it belongs to user %u; plugins must belong to root or to user %u, who "
			"runs this program",
			(unsigned int)st->st_uid, (unsigned int)geteuid());
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"its mode is %04o; plugins may be writable by their owner alone",
			(unsigned int)(st->st_mode & 07777));
	return 0;
}

/* An open file that may be mapped, or a negative errno. */
static int
open_file(const char *path, struct stat *st, struct sl_error *err)
{
	/* Without NONBLOCK, opening a FIFO would wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc;

	if (fd < 0 && errno == ELOOP)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"a symbolic link; plugins are not loaded through links");
	if (fd < 0)
		return sl_error_set(
			err, SL_ERR_PLUGIN_REFUSED, path, "cannot be opened: %s", strerror(errno));
	if (fstat(fd, st) != 0)
		rc = sl_error_set(err, SL_ERR_IO, path, "cannot be examined: %s", strerror(errno));
	else
		rc = check_file(st, path, err);
	if (rc == 0)
		rc = sl_callout_elf_check(fd, (uint64_t)st->st_size, path, err);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	return fd;
}

/* What the dynamic loader says, without the name under which it knows the file. */
static const char *
link_error(const char *name)
{
	const char *text = dlerror();
	size_t len = strlen(name);

	if (text == NULL)
		return "unknown reason";
	if (strncmp(text, name, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		return text + len + 2;
	return text;
}

/* Bytes of the symbol as the object's table has them. */
static size_t
symbol_size(const void *symbol)
{
	const ElfW(Sym) *entry = NULL;
	void *at = NULL;
	Dl_info info;

	if (dladdr1(symbol, &info, &at, RTLD_DL_SYMENT) == 0 || at == NULL)
		return 0;
	entry = at;
	return entry->st_size;
}

/* Maps the file and finds its descriptor. `source` has the handle even when the plugin is refused. */
static int
link_file(const char *name, const char *path, struct plugin_source *source, struct sl_error *err)
{
	void *symbol;

	source->path = path;
	source->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (source->handle == NULL)
		return sl_error_set(
			err, SL_ERR_PLUGIN_REFUSED, path, "cannot be linked: %s", link_error(name));
	symbol = dlsym(source->handle, "sluice_callout");
	if (symbol == NULL)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"not a Sluice plugin: it does not export the symbol sluice_callout");
	source->callout = symbol;
	return sl_callout_abi_check(symbol, symbol_size(symbol), path, err);
}

static int
load(struct sl_callout_registry *registry, const char *path, struct sl_plugin **out,
	struct sl_error *err)
{
	struct plugin_source source = {0};
	char name[OBJECT_NAME_MAX];
	struct stat st;
	int fd, rc;

	fd = open_file(path, &st, err);
	if (fd < 0)
		return fd;
	name_object(fd, &st, name);
	rc = link_file(name, path, &source, err);
	close(fd);
	if (rc == 0)
		rc = sl_callout_attach(registry, &source, out, err);
	if (rc != 0 && source.handle != NULL)
		dlclose(source.handle);
	return rc;
}

int
sl_callout_load(struct sl_callout_registry *registry, const char *path, struct sl_plugin **out,
	struct sl_error *err)
{
	return load(registry, path, out, err);
}

/* "/usr/lib/x/count.so" is remembered as "count": what is in a refused file cannot be asked. */
static void
note_refusal(struct sl_callout_registry *registry, const char *path, const struct sl_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *file = slash != NULL ? slash + 1 : path;
	char name[NAME_MAX_LEN + 1];
	size_t len = strlen(file) - strlen(".so");

	if (len > NAME_MAX_LEN)
		return;
	memcpy(name, file, len);
	name[len] = '\0';
	if (sl_callout_is_name(name))
		sl_callout_note_refusal(registry, name, path, err);
}

static int
is_object_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

/* Bytes, not the locale's order: the same on every machine. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int
sl_callout_load_dir(struct sl_callout_registry *registry, const char *dir,
	sl_callout_fault_fn *fault, void *ctx, struct sl_error *err)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_object_file, by_name);

	if (n < 0)
		return sl_error_set(err, SL_ERR_IO, dir,
			"the directory of plugins cannot be read: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];
		struct sl_error refusal;

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		free(entries[i]);
		if (load(registry, path, NULL, &refusal) == 0)
			continue;
		note_refusal(registry, path, &refusal);
		if (fault != NULL)
			fault(ctx, &refusal);
	}
	free(entries);
	return 0;
}
