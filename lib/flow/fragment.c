/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/fragment.h"

#include <errno.h>
#include <sys/mman.h>

#define DATAGRAMS_MAX (1u << 20)
#define HELD_MAX      (1u << 24)
#define BYTES_MAX     ((uint64_t)1 << 40)

/* Memory is one piece, cut from front to back; in the first round nothing is there and it is measured. */
struct arena {
	uint8_t *memory; /* NULL: measuring */
	size_t at;
};

static void *
cut(struct arena *arena, size_t n, size_t size)
{
	size_t at = arena->at;

	arena->at += (n * size + SL_CACHE_LINE - 1) & ~(size_t)(SL_CACHE_LINE - 1);
	return arena->memory == NULL ? NULL : arena->memory + at;
}

/* Buckets for n entries: at least twice as many. */
static uint32_t
bucket_mask(uint32_t n)
{
	uint32_t buckets = 1;

	while (buckets < 2 * n)
		buckets *= 2;
	return buckets - 1;
}

struct sizes {
	uint32_t n_datagrams; /* also the complete ones, and those that have just departed */
	uint32_t n_fragments; /* also those that have been let go and not been fetched */
	size_t n_chunks;
	uint32_t datagram_mask;
	uint32_t fragment_mask;
};

/* What sl_fragments_new cuts. */
struct parts {
	struct sl_fragments *fragments;
	struct sl_datagram *datagrams;
	struct sl_source *sources;
	struct sl_fragment *slots;
	struct sl_batch *batches; /* as many as fragments: each has one at least */
	struct sl_chunk *chunks;
	struct sl_datagram_chain *by_key;
	struct sl_source_chain *by_source;
	struct sl_fragment_chain *by_start;
};

static void
measure(const struct sl_fragment_config *config, struct sizes *sizes)
{
	sizes->n_datagrams = config->datagrams + SL_COMPLETE_MAX + SL_RESTING_MIN;
	sizes->n_fragments = config->held + SL_UNFETCHED_MAX;
	sizes->n_chunks = (config->bytes + sizeof(struct sl_chunk) - 1) / sizeof(struct sl_chunk);
	sizes->datagram_mask = bucket_mask(config->datagrams);
	sizes->fragment_mask = bucket_mask(config->held);
}

static void
cut_parts(struct arena *arena, const struct sizes *sizes, struct parts *parts)
{
	size_t n_buckets = (size_t)sizes->datagram_mask + 1;

	parts->fragments = cut(arena, 1, sizeof(*parts->fragments));
	parts->datagrams = cut(arena, sizes->n_datagrams, sizeof(*parts->datagrams));
	parts->sources = cut(arena, sizes->n_datagrams, sizeof(*parts->sources));
	parts->slots = cut(arena, sizes->n_fragments, sizeof(*parts->slots));
	parts->batches = cut(arena, sizes->n_fragments, sizeof(*parts->batches));
	parts->chunks = cut(arena, sizes->n_chunks, sizeof(*parts->chunks));
	parts->by_key = cut(arena, n_buckets, sizeof(*parts->by_key));
	parts->by_source = cut(arena, n_buckets, sizeof(*parts->by_source));
	parts->by_start = cut(arena, (size_t)sizes->fragment_mask + 1, sizeof(*parts->by_start));
}

/* Everything else is right as zeros. */
static void
init_lists(struct sl_fragments *fragments)
{
	TAILQ_INIT(&fragments->waiting);
	TAILQ_INIT(&fragments->ended);
	TAILQ_INIT(&fragments->free_datagrams);
	STAILQ_INIT(&fragments->leaving);
	STAILQ_INIT(&fragments->free_batches);
	STAILQ_INIT(&fragments->free_fragments);
	STAILQ_INIT(&fragments->free_chunks);
	LIST_INIT(&fragments->free_sources);
}

static void
fill_lists(struct sl_fragments *fragments, const struct sizes *sizes, const struct parts *parts)
{
	for (uint32_t i = 0; i < sizes->n_datagrams; i++) {
		TAILQ_INSERT_TAIL(&fragments->free_datagrams, &parts->datagrams[i], by_age);
		LIST_INSERT_HEAD(&fragments->free_sources, &parts->sources[i], chain);
	}
	for (uint32_t i = 0; i < sizes->n_fragments; i++) {
		STAILQ_INSERT_TAIL(&fragments->free_fragments, &parts->slots[i], next);
		STAILQ_INSERT_TAIL(&fragments->free_batches, &parts->batches[i], next);
	}
	for (size_t i = 0; i < sizes->n_chunks; i++)
		STAILQ_INSERT_TAIL(&fragments->free_chunks, &parts->chunks[i], next);
	fragments->n_chunks_free = (uint32_t)sizes->n_chunks;
}

static bool
is_valid(const struct sl_fragment_config *config)
{
	return config->datagrams > 0 && config->datagrams <= DATAGRAMS_MAX && config->held > 0 &&
		config->held <= HELD_MAX && config->per_source > 0 && config->timeout_ms > 0 &&
		config->bytes > 0 && config->bytes <= BYTES_MAX;
}

int
sl_fragments_new(const struct sl_fragment_config *config, const uint64_t hash_key[2],
	struct sl_fragments **out)
{
	struct arena arena = {0};
	struct sizes sizes;
	struct parts parts;

	if (!is_valid(config))
		return -EINVAL;
	measure(config, &sizes);
	cut_parts(&arena, &sizes, &parts);
	arena.memory = mmap(NULL, arena.at, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (arena.memory == MAP_FAILED)
		return -ENOMEM;
	arena.at = 0;
	cut_parts(&arena, &sizes, &parts);
	parts.fragments->config = *config;
	parts.fragments->timeout_ns = config->timeout_ms * (uint64_t)1000000;
	parts.fragments->hash_key[0] = hash_key[0];
	parts.fragments->hash_key[1] = hash_key[1];
	parts.fragments->datagram_mask = sizes.datagram_mask;
	parts.fragments->fragment_mask = sizes.fragment_mask;
	parts.fragments->by_key = parts.by_key;
	parts.fragments->by_source = parts.by_source;
	parts.fragments->by_start = parts.by_start;
	parts.fragments->size = arena.at;
	init_lists(parts.fragments);
	fill_lists(parts.fragments, &sizes, &parts);
	*out = parts.fragments;
	return 0;
}

void
sl_fragments_free(struct sl_fragments *fragments)
{
	if (fragments != NULL)
		(void)munmap(fragments, fragments->size);
}

uint32_t
sl_fragments_datagrams(const struct sl_fragments *fragments)
{
	return __atomic_load_n(&fragments->n_waiting, __ATOMIC_RELAXED);
}

uint32_t
sl_fragments_held(const struct sl_fragments *fragments)
{
	return __atomic_load_n(&fragments->n_held, __ATOMIC_RELAXED);
}
