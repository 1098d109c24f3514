/* SPDX-License-Identifier: MIT */
/*
 * arena - see arena.h.
 *
 * Chunks form a list; each begins with its header.  arena_map'ed tables are
 * chunks of their own, so that one release finds everything.
 */
#include "agent/base/arena.h"

#include <sys/mman.h>

#include "agent/base/page.h"
#include "agent/base/peek.h"

enum { ARENA_CHUNK = 1 << 20, ARENA_ALIGN = 16, ARENA_HEAD = 4096 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;				   /* of the mapping, header included */
	char pad[ARENA_HEAD - 2 * sizeof(void *)]; /* tables start on a page, or near */
};

void arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){ .limit = limit };
}

static struct arena_chunk *arena_chunk_new(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = page_ceiling(size);
	if (arena->limit && (size > arena->limit || arena->mapped > arena->limit - size))
		return NULL;
	chunk = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (chunk == MAP_FAILED)
		return NULL;
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->mapped += size;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;
	void *mem;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (size > ARENA_CHUNK / 4)
		return arena_map(arena, size);
	if (size > (size_t)(arena->end - arena->pos)) {
		chunk = arena_chunk_new(arena, ARENA_CHUNK);
		if (!chunk)
			return NULL;
		arena->pos = (char *)(chunk + 1);
		arena->end = (char *)chunk + chunk->size;
	}
	mem = arena->pos;
	arena->pos += size;
	return mem;
}

void *arena_map(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;

	if (size > SIZE_MAX / 2)
		return NULL;
	chunk = arena_chunk_new(arena, size + sizeof(*chunk));
	return chunk ? chunk + 1 : NULL;
}

void arena_unmap(struct arena *arena, void *mem, size_t size)
{
	struct arena_chunk **link, *chunk;

	(void)size;
	if (!mem)
		return;
	chunk = (struct arena_chunk *)mem - 1;
	for (link = &arena->chunks; *link && *link != chunk; link = &(*link)->next)
		;
	if (!*link)
		return;
	*link = chunk->next;
	arena->mapped -= chunk->size;
	munmap(chunk, chunk->size);
	peek_forget();
}

void arena_release(struct arena *arena)
{
	struct arena_chunk *chunk, *next;

	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		munmap(chunk, chunk->size);
	}
	arena_init(arena, arena->limit);
}
