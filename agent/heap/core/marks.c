/* SPDX-License-Identifier: MIT */
/* marks - see marks.h. */
#include "agent/heap/core/marks.h"

#include <errno.h>
#include <string.h>

int marks_init(struct marks *marks, struct arena *arena)
{
	*marks = (struct marks){ .arena = arena };
	marks->directory = arena_map(arena, MARKS_DIRECTORY * sizeof(*marks->directory));
	return marks->directory ? 0 : -ENOMEM;
}

/* Keeps `order` sorted; leaves are few (one per 64 MiB), insertion is cheap. */
static bool marks_insert(struct marks *marks, uint32_t index)
{
	uint32_t at = marks->count;

	if (marks->count == marks->capacity) {
		uint32_t capacity = marks->capacity ? marks->capacity * 2 : 256;
		uint32_t *bigger = arena_alloc(marks->arena, capacity * sizeof(*bigger));

		if (!bigger)
			return false;
		if (marks->count)
			memcpy(bigger, marks->order, marks->count * sizeof(*bigger));
		marks->order = bigger;
		marks->capacity = capacity;
	}
	for (; at > 0 && marks->order[at - 1] > index; at--)
		marks->order[at] = marks->order[at - 1];
	marks->order[at] = index;
	marks->count++;
	return true;
}

struct marks_leaf *marks_grow(struct marks *marks, uint64_t addr)
{
	uint32_t index = (uint32_t)(addr >> MARKS_LEAF_SHIFT);
	struct marks_leaf *leaf = arena_map(marks->arena, sizeof(*leaf));

	if (!leaf || !marks_insert(marks, index)) {
		marks->failed = true;
		return NULL;
	}
	marks->directory[index] = leaf;
	return leaf;
}
