/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: the bytes of fragments, and which parts of a datagram are there. */
#include "flow/fragment.h"

#include <string.h>

uint32_t
sl_datagram_chunks_for(const struct sl_datagram *datagram, uint32_t n)
{
	uint32_t left = 0;

	if (datagram->n_chunks > 0)
		left = SL_CHUNK_BYTES - datagram->chunk_used;
	return n <= left ? 0 : (n - left + SL_CHUNK_BYTES - 1) / SL_CHUNK_BYTES;
}

/* The chunk that takes the next byte. */
static struct sl_chunk *
open_chunk(struct sl_fragments *fragments, struct sl_datagram *datagram)
{
	struct sl_chunk *chunk = datagram->last_chunk;

	if (datagram->n_chunks > 0 && datagram->chunk_used < SL_CHUNK_BYTES)
		return chunk;
	chunk = STAILQ_FIRST(&fragments->free_chunks);
	STAILQ_REMOVE_HEAD(&fragments->free_chunks, next);
	fragments->n_chunks_free--;
	STAILQ_INSERT_TAIL(&datagram->chunks, chunk, next);
	datagram->n_chunks++;
	datagram->last_chunk = chunk;
	datagram->chunk_used = 0;
	return chunk;
}

void
sl_datagram_put(struct sl_fragments *fragments, struct sl_datagram *datagram, const uint8_t *bytes,
	uint32_t n, struct sl_spot *spot)
{
	struct sl_chunk *chunk;
	uint32_t step;

	*spot = (struct sl_spot){0};
	for (uint32_t done = 0; done < n; done += step) {
		chunk = open_chunk(fragments, datagram);
		if (done == 0)
			*spot = (struct sl_spot){chunk, datagram->chunk_used};
		step = SL_MIN(n - done, SL_CHUNK_BYTES - datagram->chunk_used);
		memcpy(chunk->bytes + datagram->chunk_used, bytes + done, step);
		datagram->chunk_used += step;
	}
}

/* How many of n bytes are together at the spot. */
static uint32_t
together(struct sl_spot spot, uint32_t n)
{
	return SL_MIN(n, SL_CHUNK_BYTES - spot.at);
}

static void
go_on(struct sl_spot *spot)
{
	spot->chunk = STAILQ_NEXT(spot->chunk, next);
	spot->at = 0;
}

void
sl_spot_get(struct sl_spot spot, uint8_t *bytes, uint32_t n)
{
	uint32_t step;

	for (uint32_t done = 0; done < n; done += step) {
		if (spot.at == SL_CHUNK_BYTES)
			go_on(&spot);
		step = together(spot, n - done);
		memcpy(bytes + done, spot.chunk->bytes + spot.at, step);
		spot.at += step;
	}
}

bool
sl_spot_equals(struct sl_spot spot, const uint8_t *bytes, uint32_t n)
{
	uint32_t step;

	for (uint32_t done = 0; done < n; done += step) {
		if (spot.at == SL_CHUNK_BYTES)
			go_on(&spot);
		step = together(spot, n - done);
		if (memcmp(bytes + done, spot.chunk->bytes + spot.at, step) != 0)
			return false;
		spot.at += step;
	}
	return true;
}

/* The bits of word `word` that stand for units from .. end - 1, which have some there. */
static uint64_t
bits_of_word(uint32_t word, uint32_t from, uint32_t end)
{
	uint64_t bits = ~(uint64_t)0;

	if (from > word * 64)
		bits <<= from - word * 64;
	if (end < word * 64 + 64)
		bits &= ~(uint64_t)0 >> (word * 64 + 64 - end);
	return bits;
}

bool
sl_datagram_has_any(const struct sl_datagram *datagram, uint32_t from, uint32_t end)
{
	uint32_t first = from / SL_UNIT_BYTES, behind = (end + SL_UNIT_BYTES - 1) / SL_UNIT_BYTES;

	for (uint32_t word = first / 64; word * 64 < behind; word++) {
		if ((datagram->units[word] & bits_of_word(word, first, behind)) != 0)
			return true;
	}
	return false;
}

void
sl_datagram_mark(struct sl_datagram *datagram, uint32_t from, uint32_t end)
{
	uint32_t first = from / SL_UNIT_BYTES, behind = (end + SL_UNIT_BYTES - 1) / SL_UNIT_BYTES;

	for (uint32_t word = first / 64; word * 64 < behind; word++)
		datagram->units[word] |= bits_of_word(word, first, behind);
}
