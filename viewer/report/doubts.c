/* SPDX-License-Identifier: MIT */
/* doubts - one function for each kind (doubts.h). */
#include "viewer/report/doubts.h"

/* A CPython that the walk had no tables of. */
static bool doubts_newer(struct text *text, const struct heap *heap)
{
	size_t size = 0;
	const char *tables = heap_fact_text(heap, "python.tables", &size), *left_out;

	if (!tables)
		return false;
	text_add(text,
		 "this CPython is newer than the tables of the pymem that took "
		 "the snapshot: read by those of ");
	text_escape(text, tables, size, 16, 0);
	left_out = heap_fact_text(heap, "python.left_out", &size);
	text_add(text, left_out ? ", left out: " : ", nothing was left out");
	text_escape(text, left_out ? left_out : "", left_out ? size : 0, 160, 0);
	return true;
}

static bool doubts_running(struct text *text, const struct heap *heap)
{
	const uint64_t running = heap_fact_u64(heap, "interpreters.not_stopped", 0);

	text_printf(text,
		    "%llu of the process's interpreters could not be held still: what "
		    "they were changing at that moment may be wrong here",
		    (unsigned long long)running);
	return running;
}

static bool doubts_inconsistent(struct text *text, const struct heap *heap)
{
	text_add(text,
		 "a thread held the GIL when the process was copied: what it was "
		 "changing at that moment may be wrong here");
	return !heap_fact_u64(heap, "consistent", 1);
}

static bool doubts_summary(struct text *text, const struct heap *heap)
{
	text_add(text,
		 "only a summary: types and sizes of what the garbage collector tracks "
		 "and of what only one such object holds, without references; there was "
		 "no memory for more");
	return heap_fact_u64(heap, "walk.summary", 0);
}

static bool doubts_truncated(struct text *text, const struct heap *heap)
{
	text_add(text,
		 "the snapshot is truncated: objects and roots are missing, "
		 "so what is called unreachable may not be");
	return !heap->complete;
}

static bool (*const doubts_table[])(struct text *, const struct heap *) = {
	doubts_newer,	doubts_running,	  doubts_inconsistent,
	doubts_summary, doubts_truncated,
};

bool doubts_next(struct text *text, const struct heap *heap, size_t *at)
{
	while (*at < sizeof(doubts_table) / sizeof(doubts_table[0])) {
		text_clear(text);
		if (doubts_table[(*at)++](text, heap))
			return true;
	}
	return false;
}
