/* SPDX-License-Identifier: MIT */
/* allocator_text - what a process's malloc is called, and what can be done about what it
 * keeps. */
#ifndef PYMEM_VIEWER_REPORT_ALLOCATOR_TEXT_H
#define PYMEM_VIEWER_REPORT_ALLOCATOR_TEXT_H

#include "viewer/report/report.h"

/* "malloc" (the C library's, or not known), "jemalloc", "tcmalloc" or "mimalloc". */
const char *allocator_text_name(const struct heap *heap);
/* How its free memory is given back, a few words: "malloc_trim(0), MALLOC_ARENA_MAX". */
const char *allocator_text_means(const struct heap *heap);
/* Notes below the budget: another malloc's figures, or why its free memory isn't known.
 * 0 or -ENOMEM. */
int allocator_text_note(struct table *table, const struct heap *heap);

#endif
