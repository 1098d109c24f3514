/* SPDX-License-Identifier: MIT */
/*
 * deque - collections.deque: a chain of blocks of 64 items
 * (Modules/_collectionsmodule.c: ob_size, leftblock, rightblock, leftindex; a block
 * is {leftlink, data[64], rightlink}).
 */
#include "agent/heap/extension/deque.h"

#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/memory/memory.h"

enum {
	DEQUE_BLOCK = 64,
	DEQUE_BLOCK_BYTES = 66 * 8,
	DEQUE_ITEMS_MAX = 1 << 26, /* of a damaged one, whose blocks may form a circle */
};

static uint64_t deque_size(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t left = peek64(obj + w->lay->head + 24), n = peek64(obj + w->lay->head);
	uint64_t bytes = (left + n + DEQUE_BLOCK - 1) / DEQUE_BLOCK * DEQUE_BLOCK_BYTES;

	w->outer += bytes;
	for (uint64_t block = peek64(obj + w->lay->head + 8), i = 0;
	     block && i < bytes / DEQUE_BLOCK_BYTES; i++) {
		memory_live(w, block, DEQUE_BLOCK_BYTES);
		block = peek64(block + DEQUE_BLOCK_BYTES - 8);
	}
	return type->basicsize + bytes;
}

/* The items, from the left. */
static void deque_items(struct walk *w, uint64_t obj)
{
	const uint16_t head = w->lay->head;
	uint64_t block = peek64(obj + head + 8), at = peek64(obj + head + 24);
	uint64_t n = peek64(obj + head);

	for (n = n < DEQUE_ITEMS_MAX ? n : 0; n && at < DEQUE_BLOCK && !w->err; n--) {
		if (!ranges_readable(w, block, DEQUE_BLOCK_BYTES))
			return;
		references_add(w, peek64(block + 8 + at * 8));
		if (++at == DEQUE_BLOCK) {
			block = peek64(block + DEQUE_BLOCK_BYTES - 8);
			at = 0;
		}
	}
}

const struct specialist deque_specialists[] = {
	{ .name = "collections.deque",
	  .kind = SNAP_KIND_DEQUE,
	  .size = deque_size,
	  .untold = deque_items },
	{ .name = NULL },
};
