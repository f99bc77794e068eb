/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/memory.h"

#include "packet/sl_packet.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_ROOM (RTE_PKTMBUF_HEADROOM + SL_PACKET_WINDOW)
/* A buffer with its headers and what the pool spends on it. */
#define BUFFER_COST (BUFFER_ROOM + sizeof(struct rte_mbuf) + 128)
#define BUFFERS_MAX 32768u
#define CACHE_SIZE  256u

/* Megabytes of free hugepages of all sizes. */
static uint64_t
free_hugepages(void)
{
	static const char folder[] = "/sys/kernel/mm/hugepages";
	DIR *dir = opendir(folder);
	struct dirent *entry;
	uint64_t kilobytes = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		unsigned long long size, n;
		char path[320];
		FILE *file;

		if (sscanf(entry->d_name, "hugepages-%llukB", &size) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, entry->d_name);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fscanf(file, "%llu", &n) == 1)
			kilobytes += size * n;
		fclose(file);
	}
	closedir(dir);
	return kilobytes / 1024;
}

/* Megabytes the kernel could give without swapping; UINT64_MAX when it does not say. */
static uint64_t
available_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t megabytes = UINT64_MAX;
	unsigned long long kilobytes;
	char line[128];

	if (file == NULL)
		return megabytes;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
			megabytes = kilobytes / 1024;
	}
	fclose(file);
	return megabytes;
}

int
memory_check(uint32_t megabytes, bool hugepages, struct sl_error *err)
{
	uint64_t have = hugepages ? free_hugepages() : available_memory();

	if (have >= megabytes)
		return 0;
	return sl_error_set(err, SL_ERR_NO_MEMORY, "/memory",
		"%u MB %sare needed, %" PRIu64 " MB are free%s", megabytes,
		hugepages ? "of hugepages " : "", have,
		hugepages ? "; reserve more, or set \"hugepages\": false" : "");
}

/* What caches of lcores may hold back is not to be had by anyone else. */
static uint32_t
in_caches(void)
{
	return rte_lcore_count() * CACHE_SIZE * 3 / 2;
}

uint32_t
memory_pool_spare(const struct rte_mempool *pool, uint32_t n_min)
{
	n_min += in_caches();
	return pool->size > n_min ? pool->size - n_min : 0;
}

int
memory_pool_new(uint32_t index, uint32_t n_links, uint32_t n_min, uint32_t n_max,
	uint32_t megabytes, struct rte_mempool **out, struct sl_error *err)
{
	uint64_t share = (uint64_t)megabytes * 1024 * 1024 / 2 / n_links / BUFFER_COST;
	uint64_t need;
	char name[RTE_MEMPOOL_NAMESIZE];

	n_min += in_caches();
	need = (uint64_t)n_min * n_links * BUFFER_COST * 2 / 1024 / 1024 + 1;
	if (share < n_min)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "/memory/megabytes",
			"%u links need at least %" PRIu64 " MB, the configuration gives %u MB",
			n_links, need, megabytes);
	snprintf(name, sizeof(name), "sluice-link-%u", index);
	share = SL_MIN(share, (uint64_t)(n_max > 0 ? n_max : BUFFERS_MAX));
	*out = rte_pktmbuf_pool_create(
		name, (unsigned int)share - 1, CACHE_SIZE, 0, BUFFER_ROOM, SOCKET_ID_ANY);
	if (*out != NULL)
		return 0;
	return sl_error_set(err, SL_ERR_NO_MEMORY, "/memory/megabytes",
		"no memory for the packet buffers of %u links in %u MB: %s", n_links, megabytes,
		rte_strerror(rte_errno));
}
