/* SPDX-License-Identifier: BSD-3-Clause */

/* Usage: test_refusals DIRECTORY_OF_REFUSED_OBJECTS DIRECTORY_OF_PLUGINS */

#include "callout/sl_callout.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *objects_dir;
static const char *plugins_dir;

/* A registry and an empty directory. */
struct fixture {
	struct sl_callout_registry *registry;
	char dir[32];
	struct sl_error err;
};

static int
setup(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){0};
	strcpy(fixture.dir, "/tmp/sluice-abi-XXXXXX");
	assert_non_null(mkdtemp(fixture.dir));
	assert_int_equal(sl_callout_registry_new(1, &fixture.registry), 0);
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	struct dirent *entry;
	DIR *dir = opendir(f->dir);

	sl_callout_registry_free(f->registry);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) != 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
	assert_int_equal(rmdir(f->dir), 0);
	return 0;
}

/* --- Files. --- */

/* "DIR/NAME"; several may be in use at a time. */
static const char *
path_of(const char *dir, const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, PATH_MAX, "%s/%s", dir, name);
	return path;
}

/* The bytes of a file, to be freed. */
static uint8_t *
read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	uint8_t *bytes;

	if (fd < 0 || fstat(fd, &st) != 0)
		fail_msg("%s: %s", path, strerror(errno));
	*size = (size_t)st.st_size;
	bytes = malloc(*size);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, *size), *size);
	close(fd);
	return bytes;
}

static const char *
write_file(const struct fixture *f, const char *name, const void *bytes, size_t size, mode_t mode)
{
	const char *path = path_of(f->dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

/* A copy of one of the objects built for this test, cut to `size_max` bytes. */
static const char *
copy_object(
	const struct fixture *f, const char *object, const char *name, size_t size_max, mode_t mode)
{
	size_t size;
	uint8_t *bytes = read_file(path_of(objects_dir, object), &size);
	const char *path = write_file(f, name, bytes, SL_MIN(size, size_max), mode);

	free(bytes);
	return path;
}

/* --- What is expected. --- */

/* The file is refused with these words, and the registry is as it was. */
static void
assert_refused(struct fixture *f, const char *path, const char *words)
{
	struct sl_plugin *plugin = (struct sl_plugin *)f;
	struct sl_plugin_info info;

	assert_int_equal(sl_callout_load(f->registry, path, &plugin, &f->err), -ENOEXEC);
	assert_int_equal(f->err.code, SL_ERR_PLUGIN_REFUSED);
	assert_string_equal(f->err.where, path);
	if (strstr(f->err.text, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, f->err.text);
	assert_ptr_equal(plugin, f);
	assert_false(sl_callout_info(f->registry, 0, &info));
}

static void
assert_object_refused(struct fixture *f, const char *object, const char *words)
{
	assert_refused(f, path_of(objects_dir, object), words);
}

static void
test_objects(void **state)
{
	struct fixture *f = *state;

	assert_object_refused(f, "version.so",
		"the plugin was built for callout ABI version 99; this program has version 3");
	assert_object_refused(f, "size.so",
		"struct sluice_callout has 80 bytes in the plugin and 96 in this program, although "
		"both have callout ABI version 3");
	assert_object_refused(
		f, "metadata_size.so", "struct sluice_metadata has 96 bytes in the plugin and 112");
	assert_object_refused(
		f, "name.so", "the plugin's name is not of the form [a-z0-9][a-z0-9._-]{0,63}");
	assert_object_refused(f, "no_symbol.so", "it does not export the symbol sluice_callout");
	assert_object_refused(f, "no_classify.so", "the plugin has no classify function");
	assert_object_refused(
		f, "undefined.so", "cannot be linked: undefined symbol: defined_nowhere");
	assert_object_refused(f, "tiny.so", "its symbol sluice_callout has 4 bytes, too few");
}

static void
test_not_objects(void **state)
{
	static const char text[] = "#!/bin/sh\necho this text is longer than an ELF header is, "
				   "so it is read as one and found wanting\n";
	struct fixture *f = *state;
	const char *path;

	path = write_file(f, "text.so", text, strlen(text), 0644);
	assert_refused(f, path, "not a shared object: it does not begin as an ELF file");
	path = write_file(f, "empty.so", "", 0, 0644);
	assert_refused(f, path, "not a shared object: shorter than an ELF header");
	assert_refused(
		f, path_of(f->dir, "missing.so"), "cannot be opened: No such file or directory");
	assert_refused(f, "", "cannot be opened: No such file or directory");
	path = path_of(f->dir, "directory.so");
	assert_int_equal(mkdir(path, 0755), 0);
	assert_refused(f, path, "not a regular file");
	path = path_of(f->dir, "fifo.so");
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_refused(f, path, "not a regular file");
	assert_refused(f, "/dev/null", "not a regular file");
	assert_refused(f, "/bin/true", "cannot be linked: ");
}

/* ELF files that are not for us, made from one that is. */
static void
test_other_objects(void **state)
{
	struct fixture *f = *state;
	size_t size;
	uint8_t *bytes = read_file(path_of(objects_dir, "good.so"), &size);
	Elf64_Ehdr header, changed;

	memcpy(&header, bytes, sizeof(header));
#define CHANGED(member, value, words)                                                   \
	do {                                                                            \
		changed = header;                                                       \
		changed.member = value;                                                 \
		memcpy(bytes, &changed, sizeof(changed));                               \
		assert_refused(f, write_file(f, "other.so", bytes, size, 0644), words); \
	} while (0)
	CHANGED(e_ident[EI_CLASS], ELFCLASS32, "for another machine than x86-64");
	CHANGED(e_ident[EI_DATA], ELFDATA2MSB, "for another machine than x86-64");
	CHANGED(e_machine, EM_AARCH64, "for another machine than x86-64");
	CHANGED(e_type, ET_REL, "an ELF file, but not a shared object");
	CHANGED(e_type, ET_CORE, "an ELF file, but not a shared object");
	CHANGED(e_phnum, 0, "impossible program header");
	CHANGED(e_phnum, 65535, "impossible program header");
	CHANGED(e_phentsize, 32, "impossible program header");
	CHANGED(e_phoff, size, "its program header is missing");
	CHANGED(e_phoff, UINT64_MAX, "its program header is missing");
#undef CHANGED
	free(bytes);
}

/* Cut anywhere, an object is refused or (with all that is mapped in place) works; nobody dies of it. */
static void
test_truncated(void **state)
{
	struct fixture *f = *state;
	uint32_t n_refused = 0;
	struct stat st;

	assert_refused(f, copy_object(f, "good.so", "half.so", 6000, 0644),
		"a truncated shared object: it needs ");
	assert_int_equal(stat(path_of(objects_dir, "good.so"), &st), 0);
	for (size_t size = 0; size < (size_t)st.st_size; size += 61) {
		const char *path = copy_object(f, "good.so", "cut.so", size, 0644);
		struct sl_plugin *plugin;

		if (sl_callout_load(f->registry, path, &plugin, &f->err) == 0) {
			assert_int_equal(
				sl_callout_unpublish(f->registry, "good", &plugin, &f->err), 0);
			sl_callout_unload_finish(f->registry, plugin);
		} else {
			assert_int_equal(f->err.code, SL_ERR_PLUGIN_REFUSED);
			n_refused++;
		}
		assert_int_equal(unlink(path), 0);
	}
	assert_true(n_refused > 100);
}

static void
test_file_owner_and_mode(void **state)
{
	struct fixture *f = *state;
	const char *path;

	assert_refused(f, copy_object(f, "good.so", "world.so", SIZE_MAX, 0646),
		"its mode is 0646; plugins may be writable by their owner alone");
	assert_refused(
		f, copy_object(f, "good.so", "group.so", SIZE_MAX, 0664), "its mode is 0664");
	path = path_of(f->dir, "link.so");
	assert_int_equal(symlink(copy_object(f, "good.so", "target.so", SIZE_MAX, 0644), path), 0);
	assert_refused(f, path, "a symbolic link; plugins are not loaded through links");
	if (geteuid() == 0) {
		path = copy_object(f, "good.so", "foreign.so", SIZE_MAX, 0644);
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_refused(f, path,
			"it belongs to user 12345; plugins must belong to root or to user 0, who "
			"runs this "
			"program");
	}
	assert_int_equal(
		sl_callout_load(f->registry, path_of(f->dir, "target.so"), NULL, &f->err), 0);
}

static void
test_duplicate(void **state)
{
	struct fixture *f = *state;
	const char *first = copy_object(f, "good.so", "first.so", SIZE_MAX, 0644);
	const char *second = copy_object(f, "good.so", "second.so", SIZE_MAX, 0644);
	struct sl_plugin_info info;

	assert_int_equal(sl_callout_load(f->registry, first, NULL, &f->err), 0);
	assert_int_equal(sl_callout_load(f->registry, second, NULL, &f->err), -EEXIST);
	assert_int_equal(f->err.code, SL_ERR_ALREADY_EXISTS);
	assert_non_null(strstr(f->err.text, "a plugin of the name good is loaded already"));
	assert_non_null(strstr(f->err.text, "first.so"));
	assert_int_equal(sl_callout_load(f->registry, first, NULL, &f->err), -EEXIST);
	assert_true(sl_callout_info(f->registry, 0, &info));
	assert_int_equal(info.state, SL_PLUGIN_LOADED);
	assert_string_equal(info.path, first);
	assert_false(sl_callout_info(f->registry, 1, &info));
}

static unsigned int
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* A library that stays mapped for ever. */
static const char *
resident_library(void)
{
	static const char *const paths[] = {
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"};
	struct stat st;

	for (size_t i = 0; i < SL_ARRAY_LEN(paths); i++) {
		if (lstat(paths[i], &st) == 0 && S_ISREG(st.st_mode))
			return paths[i];
	}
	return NULL;
}

/*
 * Neither refusals nor loads keep descriptors; and a file that comes by the descriptor number of an
 * earlier one, which is still mapped, is not taken for it.
 */
static void
test_descriptors(void **state)
{
	struct fixture *f = *state;
	const char *resident = resident_library();
	unsigned int before = count_descriptors();
	struct sl_plugin_info info;
	struct sl_plugin *plugin;

	for (int i = 0; i < 50; i++) {
		assert_object_refused(f, "version.so", "version 99");
		if (resident != NULL)
			assert_refused(f, resident, "it does not export the symbol sluice_callout");
	}
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sl_callout_load(f->registry, path_of(plugins_dir, "count.so"),
					 &plugin, &f->err),
			0);
		assert_int_equal(sl_callout_load(f->registry, path_of(plugins_dir, "count.so"),
					 NULL, &f->err),
			-EEXIST);
		assert_int_equal(sl_callout_load(f->registry, path_of(plugins_dir, "reset.so"),
					 NULL, &f->err),
			0);
		assert_true(sl_callout_info(f->registry, 1, &info));
		assert_string_equal(info.name, "reset");
		assert_string_equal(info.counter_names[1], "tcp_resets");
		for (uint32_t p = 0; p < 2; p++) {
			assert_int_equal(sl_callout_unpublish(f->registry,
						 p == 0 ? "count" : "reset", &plugin, &f->err),
				0);
			sl_callout_unload_finish(f->registry, plugin);
		}
	}
	assert_int_equal(count_descriptors(), before);
}

struct faults {
	char names[16][64]; /* files, in the order reported */
	uint32_t n;
};

static void
note_fault(void *ctx, const struct sl_error *err)
{
	struct faults *faults = ctx;

	assert_true(faults->n < SL_ARRAY_LEN(faults->names));
	snprintf(faults->names[faults->n++], sizeof(faults->names[0]), "%s",
		strrchr(err->where, '/') + 1);
}

static void
test_directory(void **state)
{
	struct fixture *f = *state;
	struct faults faults = {0};
	struct sl_plugin_info info;

	copy_object(f, "good.so", "b.so", SIZE_MAX, 0644);
	copy_object(f, "good.so", "c.so", SIZE_MAX, 0644);
	copy_object(f, "version.so", "a.so", SIZE_MAX, 0644);
	copy_object(f, "evil.so", "Not A Name.so", SIZE_MAX, 0666);
	copy_object(f, "evil.so", "evil.so.disabled", SIZE_MAX, 0644);
	copy_object(f, "evil.so", ".so", SIZE_MAX, 0644);
	assert_int_equal(sl_callout_load_dir(f->registry, f->dir, note_fault, &faults, &f->err), 0);
	assert_int_equal(faults.n, 3);
	assert_string_equal(faults.names[0], "Not A Name.so");
	assert_string_equal(faults.names[1], "a.so");
	assert_string_equal(faults.names[2], "c.so");
	assert_true(sl_callout_info(f->registry, 0, &info));
	assert_string_equal(info.name, "a");
	assert_int_equal(info.state, SL_PLUGIN_REFUSED);
	assert_non_null(strstr(info.fault, "ABI version 99"));
	assert_string_equal(info.path, path_of(f->dir, "a.so"));
	assert_true(sl_callout_info(f->registry, 1, &info));
	assert_string_equal(info.name, "good");
	assert_int_equal(info.state, SL_PLUGIN_LOADED);
	assert_true(sl_callout_info(f->registry, 2, &info));
	assert_string_equal(info.name, "c");
	assert_non_null(strstr(info.fault, "loaded already"));
	assert_false(sl_callout_info(f->registry, 3, &info));
	assert_int_equal(
		sl_callout_load_dir(f->registry, path_of(f->dir, "nowhere"), NULL, NULL, &f->err),
		-EIO);
	assert_non_null(
		strstr(f->err.text, "the directory of plugins cannot be read: No such file"));
}

/* The plugins that come with the program. */
static void
test_own_plugins(void **state)
{
	static const char *const names[] = {"consult", "count", "quota", "ratelimit", "reset"};
	struct fixture *f = *state;
	struct faults faults = {0};
	struct sl_plugin_info info;

	assert_int_equal(
		sl_callout_load_dir(f->registry, plugins_dir, note_fault, &faults, &f->err), 0);
	assert_int_equal(faults.n, 0);
	for (uint32_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		assert_true(sl_callout_info(f->registry, i, &info));
		assert_string_equal(info.name, names[i]);
		assert_int_equal(info.state, SL_PLUGIN_LOADED);
		assert_true(info.n_counters >= 2);
	}
	assert_false(sl_callout_info(f->registry, SL_ARRAY_LEN(names), &info));
}

/* --- A file that is exchanged while it is being loaded. --- */

struct exchanger {
	pthread_t thread;
	atomic_bool is_done;
	char target[64], good[64], evil[64];
};

/* Puts one or the other under the same name, each time a file of its own. */
static void *
exchange(void *arg)
{
	struct exchanger *exchanger = arg;
	char other[80];

	snprintf(other, sizeof(other), "%s.new", exchanger->target);
	for (unsigned int i = 0; !atomic_load(&exchanger->is_done); i++) {
		unlink(other);
		if (link(i % 2 == 0 ? exchanger->evil : exchanger->good, other) == 0)
			rename(other, exchanger->target);
	}
	unlink(other);
	return NULL;
}

/* The evil one is writable by everybody: whatever the moment, what was checked is what runs. */
static void
test_exchanged(void **state)
{
	struct exchanger exchanger = {.is_done = false};
	struct fixture *f = *state;
	uint32_t n_loaded = 0, n_refused = 0;
	struct sl_plugin *plugin;
	struct sl_plugin_info info;

	snprintf(exchanger.good, sizeof(exchanger.good), "%s",
		copy_object(f, "good.so", "kept-good", SIZE_MAX, 0644));
	snprintf(exchanger.evil, sizeof(exchanger.evil), "%s",
		copy_object(f, "evil.so", "kept-evil", SIZE_MAX, 0666));
	snprintf(exchanger.target, sizeof(exchanger.target), "%s",
		copy_object(f, "good.so", "target.so", SIZE_MAX, 0644));
	assert_int_equal(pthread_create(&exchanger.thread, NULL, exchange, &exchanger), 0);
	for (int i = 0; i < 1000; i++) {
		if (sl_callout_load(f->registry, exchanger.target, &plugin, &f->err) != 0) {
			n_refused += strstr(f->err.text, "its mode is 0666") != NULL;
			continue;
		}
		n_loaded++;
		assert_true(sl_callout_info(f->registry, 0, &info));
		assert_string_equal(info.name, "good");
		assert_int_equal(sl_callout_unpublish(f->registry, "good", &plugin, &f->err), 0);
		sl_callout_unload_finish(f->registry, plugin);
	}
	atomic_store(&exchanger.is_done, true);
	pthread_join(exchanger.thread, NULL);
	assert_false(sl_callout_info(f->registry, 1, &info));
	assert_int_equal(n_loaded + n_refused, 1000);
	assert_true(n_loaded > 0);
	assert_true(n_refused > 0);
}

int
main(int argc, char **argv)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_objects),
		TEST(test_not_objects),
		TEST(test_other_objects),
		TEST(test_truncated),
		TEST(test_file_owner_and_mode),
		TEST(test_duplicate),
		TEST(test_descriptors),
		TEST(test_directory),
		TEST(test_own_plugins),
		TEST(test_exchanged),
	};
#undef TEST

	if (argc != 3) {
		fprintf(stderr, "usage: %s OBJECTS PLUGINS\n", argv[0]);
		return 2;
	}
	umask(022);
	objects_dir = argv[1];
	plugins_dir = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
