/* SPDX-License-Identifier: MIT */
/* row_index - see row_index.h. */
#include "agent/python/row_index.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

/* FNV-1a. */
static uint32_t row_index_hash(const char *type, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)type[i]) * 16777619u;
	return hash;
}

bool row_index_claim(struct row_index *index)
{
	int none = 0;

	return atomic_load(&index->state) == 0 &&
		atomic_compare_exchange_strong(&index->state, &none, 1);
}

void row_index_add(struct row_index *index, const char *type, size_t size, size_t row)
{
	const uint32_t hash = row_index_hash(type, size);
	uint16_t *last = &index->heads[hash % ROW_INDEX_HEADS];

	assert(index->count < ROW_INDEX_LINKS && row < ROW_INDEX_NONE);
	while (*last)
		last = &index->links[*last - 1].next;
	index->links[index->count] =
		(struct row_index_link){ .hash = hash, .row = (uint16_t)row };
	*last = ++index->count;
}

void row_index_made(struct row_index *index)
{
	atomic_store(&index->state, 2);
}

bool row_index_ready(const struct row_index *index)
{
	return atomic_load(&index->state) == 2;
}

size_t row_index_find(const struct row_index *index, const char *type, size_t from)
{
	const uint32_t hash = row_index_hash(type, strlen(type));
	uint16_t at = index->heads[hash % ROW_INDEX_HEADS];

	for (; at; at = index->links[at - 1].next) {
		const struct row_index_link *link = &index->links[at - 1];

		if (link->hash == hash && link->row >= from)
			return link->row;
	}
	return ROW_INDEX_NONE;
}
