/* SPDX-License-Identifier: MIT */
/*
 * calls - the calls that are suspended in objects, with the lines at which they stand.
 *
 *	main() (app.py:12) > Queue.get() (queues.py:158)	(with U+203A)
 *
 * All output is escaped.
 */
#ifndef PYMEM_VIEWER_NAME_CALLS_H
#define PYMEM_VIEWER_NAME_CALLS_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

/* Appends " (queues.py:158)", the line at which a node's call stands (line.h); nothing
 * when it isn't known. */
void calls_line(struct text *out, const struct heap *heap, uint32_t node, uint32_t call);
/* Appends the calls that a task or greenlet is in, outermost first (tasks_stack). */
void calls_stack(struct text *out, const struct heap *heap, uint32_t task);
/* Appends where a coroutine, generator, frame, task or greenlet stands, a sentence
 * without its subject: "stands at /srv/app.py:12"; nothing for other nodes. */
void calls_where(struct text *out, const struct heap *heap, uint32_t node);

#endif
