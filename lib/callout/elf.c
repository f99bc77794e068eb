/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/elf.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define SEGMENTS_MAX 64

static int
not_an_object(const char *path, struct sl_error *err, const char *what)
{
	return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path, "%s", what);
}

static int
check_header(const Elf64_Ehdr *header, const char *path, struct sl_error *err)
{
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return not_an_object(
			path, err, "not a shared object: it does not begin as an ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
		header->e_machine != EM_X86_64)
		return not_an_object(path, err, "a shared object for another machine than x86-64");
	if (header->e_type != ET_DYN)
		return not_an_object(path, err, "an ELF file, but not a shared object");
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
		header->e_phnum > SEGMENTS_MAX)
		return not_an_object(
			path, err, "a shared object with an impossible program header");
	return 0;
}

/* Where a segment ends in the file; past any file when the sum does not fit. */
static uint64_t
segment_end(const Elf64_Phdr *segment)
{
	uint64_t end;

	if (__builtin_add_overflow(segment->p_offset, segment->p_filesz, &end))
		return UINT64_MAX;
	return end;
}

int
sl_callout_elf_check(int fd, uint64_t size, const char *path, struct sl_error *err)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	bool has_dynamic = false;
	Elf64_Ehdr header;
	uint64_t need = 0;
	ssize_t want;
	int rc;

	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return not_an_object(path, err, "not a shared object: shorter than an ELF header");
	rc = check_header(&header, path, err);
	if (rc != 0)
		return rc;
	want = (ssize_t)(header.e_phnum * sizeof(segments[0]));
	if (header.e_phoff > size ||
		pread(fd, segments, (size_t)want, (off_t)header.e_phoff) != want)
		return not_an_object(
			path, err, "a truncated shared object: its program header is missing");
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		if (segments[i].p_type == PT_DYNAMIC)
			has_dynamic = true;
		if (segments[i].p_type == PT_LOAD || segments[i].p_type == PT_DYNAMIC)
			need = SL_MAX(need, segment_end(&segments[i]));
	}
	if (!has_dynamic)
		return not_an_object(path, err, "an ELF file without anything to link");
	if (need > size)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"a truncated shared object: it needs %llu bytes and has %llu",
			(unsigned long long)need, (unsigned long long)size);
	return 0;
}
