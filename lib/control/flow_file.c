/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include "base/sl_siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Flows in a file, from one life of the daemon to the next: a head and records, as they are in memory.
 *
 * A file that is not exactly what this program writes is refused whole: its length, the sizes and the order of bytes in
 * its head, and a checksum over everything are looked at before the first flow is taken.
 */

#define MAGIC_BYTES                                     \
	{                                               \
		'S', 'L', 'F', 'L', 'O', 'W', 'S', '\n' \
	}
#define VERSION  1u
#define ORDER    0x01020304u /* reads differently where bytes are in another order */
#define CHUNK    256u
#define MODE     0600
#define PATH_END ".new"

struct head {
	char magic[8];
	uint32_t version;
	uint32_t order;
	uint32_t record_size;
	uint32_t key_size;
	uint64_t written_ns; /* since 1970-01-01 UTC */
	uint64_t n;
	uint64_t checksum; /* of everything but itself */
};

static int
fail_io(struct sl_error *err, const char *path, const char *what)
{
	return sl_error_set(err, SL_ERR_IO, path, "%s: %s", what, strerror(errno));
}

static int
fail_file(struct sl_error *err, const char *path, const char *why)
{
	return sl_error_set(err, SL_ERR_CONFIGURATION, path, "%s", why);
}

/* The checksum so far is the key for what follows. No secret is needed against accidents. */
static uint64_t
sum_up(uint64_t sum, const void *data, size_t size)
{
	const uint64_t key[2] = {sum, VERSION};

	return sl_siphash(key, data, size);
}

/* One by one: they are not read in the portions in which they were written. */
static uint64_t
sum_of_records(uint64_t sum, const struct sl_flow_saved saved[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = sum_up(sum, &saved[i], sizeof(saved[i]));
	return sum;
}

/* The records come first: their number is known last. */
static uint64_t
checksum_of(const struct head *head, uint64_t records)
{
	return sum_up(records, head, offsetof(struct head, checksum));
}

static struct head
make_head(uint64_t written_ns, uint64_t n, uint64_t records)
{
	struct head head = {
		.magic = MAGIC_BYTES,
		.version = VERSION,
		.order = ORDER,
		.record_size = sizeof(struct sl_flow_saved),
		.key_size = sizeof(struct sl_flow_key),
		.written_ns = written_ns,
		.n = n,
	};

	head.checksum = checksum_of(&head, records);
	return head;
}

/* --- Writing. --- */

struct writer {
	FILE *file;
	uint64_t n;
	uint64_t sum;
};

static bool
write_table(struct writer *writer, const struct sl_flow_table *table, struct sl_flow_saved *saved)
{
	uint32_t at = 0;

	while (at != SL_FLOW_LIST_END) {
		uint32_t n;

		/* Padding is written, too. */
		memset(saved, 0, CHUNK * sizeof(*saved));
		n = sl_flow_save(table, &at, saved, CHUNK);
		writer->sum = sum_of_records(writer->sum, saved, n);
		writer->n += n;
		if (fwrite(saved, sizeof(*saved), n, writer->file) != n)
			return false;
	}
	return true;
}

/* The head is written twice: what is in it is known last. */
static bool
write_all(struct sl_control *control, struct writer *writer)
{
	struct sl_flow_saved *saved = malloc(CHUNK * sizeof(*saved));
	const struct sl_plane *plane = control->plane;
	struct head head = {0};
	bool ok = saved != NULL && fwrite(&head, sizeof(head), 1, writer->file) == 1;

	for (uint32_t w = 0; w < control->workers.n && ok; w++) {
		const struct sl_flow_table *table = plane->ops->flows(plane->ctx, w);

		ok = table == NULL || write_table(writer, table, saved);
	}
	free(saved);
	head = make_head(sl_clock_now(control->clock), writer->n, writer->sum);
	return ok && fseek(writer->file, 0, SEEK_SET) == 0 &&
		fwrite(&head, sizeof(head), 1, writer->file) == 1 && fflush(writer->file) == 0 &&
		fsync(fileno(writer->file)) == 0;
}

/* What a rename did is on the disk when its folder is. */
static int
sync_folder(const char *path)
{
	char folder[PATH_MAX];
	size_t len = strlen(path);
	int rc;
	int fd;

	while (len > 0 && path[len - 1] != '/')
		len--;
	snprintf(folder, sizeof(folder), "%.*s", (int)SL_MAX(len, 1u), len > 0 ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

static int
write_file(struct sl_control *control, const char *path, uint64_t *n, struct sl_error *err)
{
	struct writer writer = {0};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, MODE);
	bool ok;

	if (fd < 0)
		return fail_io(err, path, "cannot be made");
	writer.file = fdopen(fd, "w");
	if (writer.file == NULL) {
		close(fd);
		return fail_io(err, path, "cannot be written");
	}
	ok = write_all(control, &writer);
	/* Whichever fails first tells why. */
	if (!ok) {
		fail_io(err, path, "cannot be written");
		fclose(writer.file);
		return -EIO;
	}
	*n = writer.n;
	return fclose(writer.file) == 0 ? 0 : fail_io(err, path, "cannot be written");
}

int
sl_control_flows_save(
	struct sl_control *control, const char *path, uint64_t *n, struct sl_error *err)
{
	char fresh[PATH_MAX];
	int rc;

	*n = 0;
	if (control->plane == NULL || control->plane->ops->flows == NULL)
		return 0;
	if ((size_t)snprintf(fresh, sizeof(fresh), "%s" PATH_END, path) >= sizeof(fresh))
		return sl_error_set(err, SL_ERR_IO, path, "the path is too long");
	rc = write_file(control, fresh, n, err);
	if (rc == 0 && rename(fresh, path) != 0)
		rc = fail_io(err, path, "cannot be replaced");
	if (rc == 0 && sync_folder(path) != 0)
		rc = fail_io(err, path, "its folder cannot be written out");
	if (rc != 0)
		unlink(fresh);
	return rc;
}

/* --- Reading. --- */

static bool
is_ours(const struct head *head)
{
	const struct head wanted = make_head(0, 0, 0);

	return memcmp(head->magic, wanted.magic, sizeof(head->magic)) == 0 &&
		head->version == VERSION && head->order == ORDER &&
		head->record_size == wanted.record_size && head->key_size == wanted.key_size;
}

/* True at the end of `n` records that have the head's checksum, with nothing behind. */
static bool
is_whole(FILE *file, const struct head *head, struct sl_flow_saved *saved)
{
	uint64_t sum = 0;

	for (uint64_t left = head->n; left > 0;) {
		size_t n = (size_t)SL_MIN(left, CHUNK);

		if (fread(saved, sizeof(*saved), n, file) != n)
			return false;
		sum = sum_of_records(sum, saved, n);
		left -= n;
	}
	return fgetc(file) == EOF && !ferror(file) && checksum_of(head, sum) == head->checksum;
}

static int
check_file(FILE *file, const char *path, struct head *head, struct sl_flow_saved *saved,
	uint64_t oldest_ns, struct sl_error *err)
{
	if (fread(head, sizeof(*head), 1, file) != 1)
		return fail_file(err, path, "is too short to hold flows");
	if (!is_ours(head))
		return fail_file(
			err, path, "was not written by this version on this kind of machine");
	if (!is_whole(file, head, saved))
		return fail_file(err, path, "is damaged");
	if (head->written_ns < oldest_ns)
		return fail_file(err, path, "is older than the longest time-out of a flow");
	return 0;
}

static bool
load_records(struct sl_control *control, FILE *file, uint64_t now_ns, struct sl_flow_saved *saved,
	struct sl_flow_kept *kept)
{
	const struct sl_plane *plane = control->plane;

	if (fseek(file, (long)sizeof(struct head), SEEK_SET) != 0)
		return false;
	for (uint64_t left = kept->n; left > 0;) {
		size_t n = (size_t)SL_MIN(left, CHUNK);

		if (fread(saved, sizeof(*saved), n, file) != n)
			return false;
		for (size_t i = 0; i < n; i++) {
			int rc = plane->ops->flow_load(plane->ctx, &saved[i], now_ns);

			kept->n_loaded += rc == 0;
			kept->n_stale += rc == -ESTALE;
			kept->n_refused += rc != 0 && rc != -ESTALE;
		}
		left -= n;
	}
	return true;
}

static int
load_file(struct sl_control *control, FILE *file, const char *path, uint64_t age_max_ns,
	struct sl_flow_kept *kept, struct sl_error *err)
{
	struct sl_flow_saved *saved = malloc(CHUNK * sizeof(*saved));
	uint64_t now_ns = sl_clock_now(control->clock);
	struct head head;
	int rc;

	if (saved == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, path, "not enough memory");
	rc = check_file(
		file, path, &head, saved, now_ns > age_max_ns ? now_ns - age_max_ns : 0, err);
	if (rc == 0) {
		kept->n = head.n;
		if (!load_records(control, file, now_ns, saved, kept))
			rc = fail_io(err, path, "cannot be read");
	}
	free(saved);
	return rc;
}

int
sl_control_flows_load(struct sl_control *control, const char *path, uint64_t age_max_ns,
	struct sl_flow_kept *kept, struct sl_error *err)
{
	FILE *file;
	int rc;

	*kept = (struct sl_flow_kept){0};
	if (control->plane == NULL || control->plane->ops->flow_load == NULL)
		return 0;
	file = fopen(path, "re");
	if (file == NULL && errno == ENOENT)
		return sl_error_set(err, SL_ERR_NOT_FOUND, path, "there is no such file");
	if (file == NULL)
		return fail_io(err, path, "cannot be read");
	rc = load_file(control, file, path, age_max_ns, kept, err);
	fclose(file);
	/* What it says grows old: it must not be used again after a crash. */
	if (rc == 0 && unlink(path) != 0)
		rc = fail_io(err, path, "cannot be removed");
	return rc;
}
