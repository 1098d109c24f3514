/* SPDX-License-Identifier: MIT */
/*
 * row_index - finds the rows of a constant table that are about a type, by its tp_name.
 *
 * The tables have hundreds of rows, and are asked about every class of every type's
 * bases.  An index is made once in a process, by whoever needs it first.
 */
#ifndef PYMEM_AGENT_PYTHON_ROW_INDEX_H
#define PYMEM_AGENT_PYTHON_ROW_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROW_INDEX_HEADS = 256, ROW_INDEX_LINKS = 1024, ROW_INDEX_NONE = UINT16_MAX };

struct row_index_link {
	uint32_t hash;
	uint16_t row, next; /* next: index of a link + 1 */
};

/* Starts as all zeros; static. */
struct row_index {
	_Atomic(int) state; /* 0 nothing yet, 1 somebody makes it, 2 ready */
	uint16_t heads[ROW_INDEX_HEADS], count;
	struct row_index_link links[ROW_INDEX_LINKS];
};

/* True when the caller is the one who must add all rows, in their order, and then call
 * row_index_made.  Any thread. */
bool row_index_claim(struct row_index *index);
void row_index_add(struct row_index *index, const char *type, size_t size, size_t row);
void row_index_made(struct row_index *index);
/* Can it be asked?  Not while another thread makes it: then the table is searched. */
bool row_index_ready(const struct row_index *index);
/* The first row from `from` on that may be about this type: some others share its hash;
 * ROW_INDEX_NONE: there is none. */
size_t row_index_find(const struct row_index *index, const char *type, size_t from);

#endif
