/* SPDX-License-Identifier: MIT */
/*
 * greenlets - what a greenlet of gevent's waits for.
 *
 * Whatever will wake it has its `switch`, or the Waiter that has the greenlet: an event,
 * lock or other greenlet in its list of links, a queue in its getters or putters, a
 * watcher of the loop (timer, io) as its callback.  So it is looked for from there: in
 * gevent's own objects, in what these have in lists, deques, tuples and dicts
 * (src/gevent/_abstract_linkable.py, _queue.py, _waiter.py, _hub_primitives.py).  Not in
 * loops and hubs, which have those that will run next.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_GREENLETS_H
#define PYMEM_VIEWER_ANALYSIS_GREENLETS_H

#include "viewer/analysis/tasks.h"

/* A greenlet's timer, io...: the types of its loop's watchers. */
#define GREENLETS_WATCHERS "gevent.libev.corecext.watcher gevent._ffi.watcher.watcher"

/* Sets `waits` of those struct tasks that are suspended greenlets; they are sorted by
 * node.  Of several, what is more than a watcher.  0, -ENOMEM, or the negative value of
 * progress. */
int greenlets_find(const struct heap *heap, const struct progress *progress,
		   const struct vec *tasks);

#endif
