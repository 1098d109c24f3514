/* SPDX-License-Identifier: MIT */
/*
 * hops - runs of edges that a Python programmer knows as one step.
 *
 *	x.__dict__['a']                       x.a
 *	f.__closure__[0].cell_contents        f > closure a
 *	f.__kwdefaults__['a'], __defaults__   f(a=...)
 *	partial.keywords['a']                 partial(a=...)
 *	local.dummies[<weakref>]['a']         local.a(thread NAME)  (threading.local)
 *	local.dummies                         local(of all threads)
 *	coroutine -> its local variable       = f() (file.py:12) > a
 *	context.ctx_vars.root... -> value     context[ContextVar NAME]
 *	task._coro                            = task NAME > f() (file.py:12)
 *	future.callback0, _callbacks[i][0]    future > done callback f
 *	future.callback0.__self__             future > waiter = task NAME
 *	loop._scheduled[i], _ready[i]         loop > timer f, loop > soon f
 *
 * A path through a task or an event loop begins there (path.c): how the loop came by it
 * tells a reader nothing.
 *
 * A rule looks at the labels ahead and says how many edges it took; none: the edge is
 * written by itself (path.c).
 */
#ifndef PYMEM_VIEWER_NAME_HOPS_H
#define PYMEM_VIEWER_NAME_HOPS_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

/* Between what holds and what it holds, where that is another frame or coroutine. */
#define HOPS_INTO " \xe2\x80\xba "

/* A chain of nodes, each of which refers to the next; `at` is where one is. */
struct hops {
	const struct heap *heap;
	const uint32_t *chain;
	uint32_t count, at;
	const struct heap_label *here; /* of the edge at `at`; NULL: not asked for yet */
	bool example;		       /* of many: a task's own name says nothing */
};

/* A step takes no more edges than these, and looks no farther ahead. */
enum { HOPS_LONGEST = 12 };

/* Appends the step that begins at chain[at], escaped; returns the edges it took, 0 when
 * it is none of these. */
uint32_t hops_write(struct text *out, const struct hops *hops);
/* "task fetch-3". */
void hops_add_task(struct text *out, const struct heap *heap, uint32_t task);
/* Whether the step that begins at chain[at] leads from a task to its coroutine, and both
 * as one, "task fetch-3 > child()". */
bool hops_is_task(const struct hops *hops);
void hops_add_call_of_task(struct text *out, const struct hops *hops);
/* Whether chain[at] is a task with a coroutine, wherever the path goes from there. */
bool hops_names_task(const struct hops *hops);
/* Whether chain[at] is an event loop. */
bool hops_is_loop(const struct hops *hops);
/* The label of the edge chain[at] -> chain[at + 1]. */
void hops_label(const struct hops *hops, uint32_t at, struct heap_label *ret);

#endif
