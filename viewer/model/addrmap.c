/* SPDX-License-Identifier: MIT */
/*
 * addrmap - addresses to dense ids and back (addrmap.h).
 *
 * The number of a chunk is found through an open-addressing hash of its
 * address >> 20; consecutive lookups mostly stay in one chunk, which `last`
 * remembers.  References may point anywhere (a damaged or hostile file), so a
 * chunk without a single object is possible; it costs 19 KiB of mapping, of
 * which only touched pages exist.
 */
#include "viewer/model/addrmap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define GRANULE_MASK ((1u << ADDRMAP_GRANULE_BITS) - 1)

static uint32_t addrmap_hash_slot(uint64_t number, size_t slots)
{
	return (uint32_t)((number * 0x9e3779b97f4a7c15ull) >> 32) & (uint32_t)(slots - 1);
}

static void addrmap_hash_put(struct vec *hash, const struct addrmap_chunk *chunks,
			     uint32_t chunk)
{
	size_t slots = VEC_COUNT(*hash, uint32_t);
	uint32_t *table = VEC(*hash, uint32_t);
	uint32_t slot = addrmap_hash_slot(chunks[chunk].number, slots);

	while (table[slot])
		slot = (slot + 1) & (uint32_t)(slots - 1);
	table[slot] = chunk;
}

static int addrmap_hash_grow(struct addrmap *map, size_t slots)
{
	struct vec bigger = { 0 };

	if (vec_alloc(&bigger, slots * sizeof(uint32_t)))
		return -ENOMEM;
	for (uint32_t c = 1; c < VEC_COUNT(map->chunks, struct addrmap_chunk); c++)
		addrmap_hash_put(&bigger, VEC(map->chunks, struct addrmap_chunk), c);
	vec_move(&map->hash, &bigger);
	return 0;
}

static uint32_t addrmap_chunk_find(const struct addrmap *map, uint64_t number)
{
	size_t slots = VEC_COUNT(map->hash, uint32_t);
	const uint32_t *table = VEC(map->hash, uint32_t);

	if (!slots)
		return 0;
	uint32_t slot = addrmap_hash_slot(number, slots);
	while (table[slot] &&
	       VEC(map->chunks, struct addrmap_chunk)[table[slot]].number != number)
		slot = (slot + 1) & (uint32_t)(slots - 1);
	return table[slot];
}

static uint32_t addrmap_chunk_add(struct addrmap *map, uint64_t number, int *err)
{
	struct addrmap_chunk chunk = { .number = number };
	size_t count = VEC_COUNT(map->chunks, struct addrmap_chunk);

	if (count >= ADDRMAP_MAX_CHUNKS)
		return 0;
	if (count == 0) { /* number 0 is "none" */
		if (vec_append(&map->chunks, NULL, sizeof(chunk)) ||
		    vec_append(&map->lines, NULL,
			       ADDRMAP_LINES * sizeof(struct addrmap_line)))
			goto nomem;
		count = 1;
	}
	if (2 * (count + 1) > VEC_COUNT(map->hash, uint32_t) &&
	    addrmap_hash_grow(map,
			      count < 512 ? 2048 : 4 * VEC_COUNT(map->hash, uint32_t)))
		goto nomem;
	if (vec_reserve(&map->lines, ADDRMAP_LINES * sizeof(struct addrmap_line)) ||
	    vec_append(&map->chunks, &chunk, sizeof(chunk)))
		goto nomem;
	/* fresh mapping is zero already: leave untouched pages untouched */
	map->lines.size += ADDRMAP_LINES * sizeof(struct addrmap_line);
	addrmap_hash_put(&map->hash, VEC(map->chunks, struct addrmap_chunk),
			 (uint32_t)count);
	return (uint32_t)count;
nomem:
	*err = -ENOMEM;
	return 0;
}

uint64_t addrmap_pack(struct addrmap *map, uint64_t address, int *err)
{
	uint64_t number = address >> ADDRMAP_CHUNK_SHIFT;
	uint32_t granule = (uint32_t)(address >> 3) & GRANULE_MASK;

	if (address & 7 || !address)
		return 0;
	if (map->last &&
	    VEC(map->chunks, struct addrmap_chunk)[map->last].number == number)
		return (uint64_t)map->last << ADDRMAP_GRANULE_BITS | granule;
	uint32_t chunk = addrmap_chunk_find(map, number);
	if (!chunk)
		chunk = addrmap_chunk_add(map, number, err);
	if (!chunk)
		return 0;
	map->last = chunk;
	return (uint64_t)chunk << ADDRMAP_GRANULE_BITS | granule;
}

static struct addrmap_line *addrmap_line_of(const struct addrmap *map, uint64_t packed,
					    uint32_t *bit)
{
	uint32_t granule = packed & GRANULE_MASK;

	*bit = granule % ADDRMAP_LINE_BITS;
	return VEC(map->lines, struct addrmap_line) +
		(packed >> ADDRMAP_GRANULE_BITS) * ADDRMAP_LINES +
		granule / ADDRMAP_LINE_BITS;
}

bool addrmap_set(struct addrmap *map, uint64_t packed)
{
	uint32_t bit;
	struct addrmap_line *line = addrmap_line_of(map, packed, &bit);
	uint64_t mask = 1ull << (bit & 63);

	assert(packed != 0);
	if (line->bits[bit >> 6] & mask)
		return false;
	line->bits[bit >> 6] |= mask;
	return true;
}

static int addrmap_by_number(const void *a, const void *b, void *arg)
{
	const struct addrmap_chunk *chunks = arg;
	uint64_t x = chunks[*(const uint32_t *)a].number,
		 y = chunks[*(const uint32_t *)b].number;

	return x < y ? -1 : x > y;
}

static uint32_t addrmap_chunk_rank(struct addrmap *map, uint32_t chunk, uint32_t rank)
{
	struct addrmap_line *line =
		VEC(map->lines, struct addrmap_line) + (size_t)chunk * ADDRMAP_LINES;

	VEC(map->chunks, struct addrmap_chunk)[chunk].rank = rank;
	for (uint32_t l = 0; l < ADDRMAP_LINES; l++, line++) {
		line->rank = rank;
		for (int w = 0; w < 7; w++)
			rank += (uint32_t)__builtin_popcountll(line->bits[w]);
	}
	return rank;
}

int addrmap_rank(struct addrmap *map)
{
	size_t chunks = VEC_COUNT(map->chunks, struct addrmap_chunk);
	uint32_t rank = 0;

	if (chunks < 2)
		return 0;
	if (vec_alloc(&map->order, (chunks - 1) * sizeof(uint32_t)))
		return -ENOMEM;
	for (uint32_t i = 1; i < chunks; i++)
		VEC(map->order, uint32_t)[i - 1] = i;
	qsort_r(map->order.data, chunks - 1, sizeof(uint32_t), addrmap_by_number,
		map->chunks.data);
	for (size_t i = 0; i < chunks - 1; i++)
		rank = addrmap_chunk_rank(map, VEC(map->order, uint32_t)[i], rank);
	vec_trim(&map->lines);
	return 0;
}

uint32_t addrmap_find(const struct addrmap *map, uint64_t address)
{
	uint32_t chunk = addrmap_chunk_find(map, address >> ADDRMAP_CHUNK_SHIFT);

	if (!chunk || address & 7)
		return UINT32_MAX;
	return addrmap_id(map,
			  (uint64_t)chunk << ADDRMAP_GRANULE_BITS |
				  ((uint32_t)(address >> 3) & GRANULE_MASK));
}

/* Position of the n-th set bit (from 0) of a line. */
static uint32_t addrmap_line_select(const struct addrmap_line *line, uint32_t n)
{
	for (uint32_t w = 0; w < 7; w++) {
		uint64_t bits = line->bits[w];
		uint32_t count = (uint32_t)__builtin_popcountll(bits);

		if (n < count) {
			while (n--)
				bits &= bits - 1;
			return 64 * w + (uint32_t)__builtin_ctzll(bits);
		}
		n -= count;
	}
	return 0;
}

uint64_t addrmap_address(const struct addrmap *map, uint32_t id)
{
	const struct addrmap_chunk *chunks = VEC(map->chunks, struct addrmap_chunk);
	const uint32_t *order = VEC(map->order, uint32_t);
	size_t lo = 0, hi = VEC_COUNT(map->order, uint32_t);

	if (!hi)
		return 0;
	while (hi - lo > 1) { /* last chunk whose rank <= id; empty chunks share
				 * ranks */
		size_t mid = lo + (hi - lo) / 2;

		if (chunks[order[mid]].rank <= id)
			lo = mid;
		else
			hi = mid;
	}
	const struct addrmap_line *lines =
		VEC(map->lines, struct addrmap_line) + (size_t)order[lo] * ADDRMAP_LINES;
	uint32_t l = 0, h = ADDRMAP_LINES;
	while (h - l > 1) {
		uint32_t mid = l + (h - l) / 2;

		if (lines[mid].rank <= id)
			l = mid;
		else
			h = mid;
	}
	uint64_t granule = l * ADDRMAP_LINE_BITS +
		addrmap_line_select(&lines[l], id - lines[l].rank);
	return chunks[order[lo]].number << ADDRMAP_CHUNK_SHIFT | granule << 3;
}

/* The addresses of a line's objects, `first` being its first granule's, from *at on. */
static void addrmap_list_line(const struct addrmap_line *line, uint64_t first,
			      uint64_t *ret, uint32_t *at, uint32_t most)
{
	for (unsigned w = 0; w < 7; w++)
		for (uint64_t bits = line->bits[w]; bits && *at < most; bits &= bits - 1)
			ret[(*at)++] =
				first + w * 512 + ((uint64_t)__builtin_ctzll(bits) << 3);
}

void addrmap_list(const struct addrmap *map, uint64_t *ret, uint32_t count)
{
	uint32_t at = 0;

	for (size_t i = 0; i < VEC_COUNT(map->order, uint32_t); i++) {
		const uint32_t chunk = VEC(map->order, uint32_t)[i];
		const uint64_t first =
			VEC(map->chunks, struct addrmap_chunk)[chunk].number
			<< ADDRMAP_CHUNK_SHIFT;

		for (uint32_t l = 0; l < ADDRMAP_LINES; l++)
			addrmap_list_line(VEC(map->lines, struct addrmap_line) +
						  (size_t)chunk * ADDRMAP_LINES + l,
					  first + l * UINT64_C(8) * ADDRMAP_LINE_BITS,
					  ret, &at, count);
	}
	assert(at == count && (!count || ret[0] == addrmap_address(map, 0)));
}
