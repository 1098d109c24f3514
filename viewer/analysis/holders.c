/* SPDX-License-Identifier: MIT */
/* holders - a trie of types, found by (step above, type) in a hash table (holders.h). */
#include "viewer/analysis/holders.h"

#include <assert.h>
#include <errno.h>

/* Passing over equal types ends after so many nodes: a list of a million is one step. */
enum { CLIMB = 64 };

struct trie {
	struct vec *nodes; /* struct holders */
	struct vec table;  /* u32 index, 0 = free; a power of two, twice HOLDERS_MAX */
};

static uint64_t holders_key(const struct heap *heap, uint32_t node)
{
	return node < heap->objects ? heap_type_of(heap, node) :
				      1ull << 32 | heap_synth(heap, node)->kind;
}

static bool holders_is(const struct holders *h, uint32_t parent, uint64_t key)
{
	return h->parent == parent && key == (h->type ? h->type : 1ull << 32 | h->kind);
}

/* The step below parent; parent when there is no room.  -ENOMEM in *err. */
static uint32_t holders_step(struct trie *t, uint32_t parent, uint64_t key, int *err)
{
	uint32_t *table = t->table.data;
	const uint32_t mask = (uint32_t)VEC_COUNT(t->table, uint32_t) - 1;
	uint64_t hash = ((uint64_t)parent << 33 ^ key) * 0x9e3779b97f4a7c15ull;
	uint32_t at = (uint32_t)(hash >> 32) & mask;
	size_t count = VEC_COUNT(*t->nodes, struct holders);
	struct holders fresh = { .parent = parent };

	for (; table[at]; at = (at + 1) & mask)
		if (holders_is(VEC(*t->nodes, struct holders) + table[at], parent, key))
			return table[at];
	if (count >= HOLDERS_MAX)
		return parent;
	fresh.type = key >> 32 ? 0 : (uint32_t)key;
	fresh.kind = key >> 32 ? (uint32_t)key : 0;
	*err = vec_append(t->nodes, &fresh, sizeof(fresh));
	if (*err)
		return parent;
	table[at] = (uint32_t)count;
	return table[at];
}

static int holders_add(struct trie *t, const struct analysis *a, uint32_t object)
{
	const struct heap *heap = a->heap;
	const uint64_t size = heap_size(heap, object);
	uint32_t at = 0, node = object;
	uint64_t key = holders_key(heap, node);
	int err = 0;

	for (unsigned depth = 0; depth < HOLDERS_DEPTH && !err; depth++) {
		at = holders_step(t, at, key, &err);
		struct holders *h = (struct holders *)t->nodes->data + at;

		h->size += size;
		h->count++;
		if (node >= heap->objects)
			break;
		uint64_t last = key;
		for (unsigned i = 0; i < CLIMB && key == last && node < heap->objects;
		     i++) {
			node = analysis_idom(a, node);
			key = holders_key(heap, node);
		}
		if (key == last || node == heap_root(heap))
			break;
	}
	return err;
}

int holders_build(const struct analysis *a, const struct progress *progress,
		  struct vec *ret)
{
	const struct heap *heap = a->heap;
	struct holders all = { .size = heap->size, .count = heap->objects };
	struct trie t = { .nodes = ret };
	int err;

	assert(ret->size == 0);
	err = vec_append(ret, &all, sizeof(all));
	if (!err)
		err = vec_alloc(&t.table, 2ull * HOLDERS_MAX * sizeof(uint32_t));
	for (uint32_t n = 0; n < heap->objects && !err; n++) {
		if (n % PROGRESS_EVERY == 0 &&
		    progress_step(progress, "by type", n, heap->objects))
			err = -ECANCELED;
		else
			err = holders_add(&t, a, n);
	}
	vec_free(&t.table);
	return err;
}
