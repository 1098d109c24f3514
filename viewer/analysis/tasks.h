/* SPDX-License-Identifier: MIT */
/*
 * tasks - what waits: asyncio's tasks (and what derives from them, eager ones too) and
 * greenlets (gevent's), each with the calls it is in.
 *
 * A task's stack goes from its coroutine to what that awaits, and so on: a coroutine
 * keeps what it awaits as the last value on its stack (the frame does, up to CPython
 * 3.10).  Who awaits a task: awaiters.h; what a greenlet waits for: greenlets.h.  Tasks
 * whose stacks stand at the same lines are a group.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_TASKS_H
#define PYMEM_VIEWER_ANALYSIS_TASKS_H

#include <stdlib.h>

#include "viewer/analysis/analysis.h"
#include "viewer/model/line.h"

enum { TASKS_STACK = 32 /* calls of one task that are told */ };

enum task_state {
	TASK_WAITING, /* for what `waits` is, when that is known */
	TASK_READY,   /* to run, or running, or not yet begun */
	TASK_DONE,    /* but kept */
};

struct task {
	uint32_t node;	/* the task or greenlet */
	uint32_t waits; /* what it waits for (a future, an event), HEAP_NONE: not known */
	uint32_t by;	/* the task that awaits it, HEAP_NONE: none is known */
	enum task_state state;
	bool greenlet;
	uint64_t group;	      /* equal for those that have the same stack and state */
	uint64_t group_count; /* tasks in the group */
	uint64_t group_retained;
	uint64_t retained; /* bytes, with those of its coroutine */
};

/* For qsort and bsearch: struct tasks by node. */
static inline int tasks_by_node(const void *a, const void *b)
{
	const struct task *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

/* The task that a node is, of struct tasks sorted by node; NULL: it is none.  Here, as
 * what tasks_find asks (awaiters, greenlets) needs it too. */
static inline struct task *tasks_at(const struct vec *tasks, uint32_t node)
{
	const struct task key = { .node = node };

	return !tasks->size ? NULL :
			      bsearch(&key, tasks->data, VEC_COUNT(*tasks, struct task),
				      sizeof(struct task), tasks_by_node);
}

/* Appends struct task to ret: the group that retains most first, in it the task that
 * does. 0, -ENOMEM, -ECANCELED. */
int tasks_find(struct analysis *analysis, const struct progress *progress,
	       struct vec *ret);
/* The calls a task or greenlet is in, outermost first: coroutines, generators, frames.
 * Returns how many, at most TASKS_STACK. */
uint32_t tasks_stack(const struct heap *heap, uint32_t task, uint32_t *ret);
/* The line that a call of such a stack stands at; NULL: not known. */
const struct snap_line *tasks_line(const struct heap *heap, uint32_t task,
				   const uint32_t *stack, uint32_t i);
/* What has the future that a task waits for: the queue, lock, event, stream... whose
 * coroutine it is in, the timer of asyncio.sleep; HEAP_NONE: not known. */
uint32_t tasks_waits_at(const struct heap *heap, uint32_t task);
/* Whether a task's coroutine, or a greenlet, has ended. */
bool tasks_has_ended(const struct heap *heap, uint32_t task);
/* Whether a node is an asyncio task with a coroutine. */
bool tasks_is_task(const struct heap *heap, uint32_t node);

#endif
