/* SPDX-License-Identifier: MIT */
/* awaiters - see awaiters.h. */
#include "viewer/analysis/awaiters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/kin.h"
#include "viewer/model/attribute.h"

enum { AWAITERS_SEEN = 64 /* objects that a callback is followed through */ };

/* A future and the task that waits for it. */
struct awaited {
	uint32_t future, by;
};

struct awaiters {
	const struct heap *heap;
	const struct vec *tasks; /* struct task, by node */
	struct vec awaited;	 /* struct awaited, by future */
};

/* Where a callback is followed: from objects of such types, by these attributes; all
 * references where none is named. */
static const struct {
	const char *types, *attributes;
} awaiters_steps[] = {
	{ "builtins.function", "__closure__" },
	{ "builtins.method", "__self__" },
	{ "builtins.cell builtins.tuple builtins.list collections.deque", "" },
	{ "functools.partial", "func args" },
	{ "asyncio.taskgroups.TaskGroup", "_on_completed_fut" },
	{ "asyncio.tasks._AsCompletedIterator", "_done" },
	{ "asyncio.queues.Queue", "_getters" },
};

static int awaiters_by_future(const void *a, const void *b)
{
	const struct awaited *x = a, *y = b;

	if (x->future != y->future)
		return x->future < y->future ? -1 : 1;
	return x->by < y->by ? -1 : x->by > y->by;
}

static int awaiters_compare(const void *a, const void *b)
{
	const struct awaited *x = a, *y = b;

	return x->future < y->future ? -1 : x->future > y->future;
}

/* The task that waits for a future, HEAP_NONE: none does. */
static uint32_t awaiters_of_future(const struct awaiters *s, uint32_t future)
{
	const struct awaited key = { .future = future };
	const struct awaited *at = !s->awaited.size ?
		NULL :
		bsearch(&key, s->awaited.data, VEC_COUNT(s->awaited, struct awaited),
			sizeof(struct awaited), awaiters_compare);

	return at ? at->by : HEAP_NONE;
}

/* ---- from a task's callbacks ---- */

struct search {
	const struct awaiters *s;
	uint32_t seen[AWAITERS_SEEN], count;
};

static void awaiters_meet(struct search *q, uint32_t node)
{
	if (node >= q->s->heap->objects || q->count == AWAITERS_SEEN)
		return;
	for (uint32_t i = 0; i < q->count; i++)
		if (q->seen[i] == node)
			return;
	q->seen[q->count++] = node;
}

static void awaiters_meet_attributes(struct search *q, uint32_t node, const char *names)
{
	char name[32];

	for (size_t n; *names; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		if (n >= sizeof(name))
			continue;
		memcpy(name, names, n);
		name[n] = '\0';
		awaiters_meet(q, attribute_of(q->s->heap, node, name));
	}
}

static void awaiters_follow(struct search *q, uint32_t node)
{
	const struct heap *heap = q->s->heap;
	const size_t steps = sizeof(awaiters_steps) / sizeof(awaiters_steps[0]);
	size_t i = 0;

	while (i < steps &&
	       !kin_is(heap, heap_type_of(heap, node), awaiters_steps[i].types))
		i++;
	if (i == steps)
		return;
	awaiters_meet_attributes(q, node, awaiters_steps[i].attributes);
	if (*awaiters_steps[i].attributes)
		return;
	struct heap_span refs = heap_refs(heap, node);
	for (uint32_t k = 0; k < refs.count && k < AWAITERS_SEEN; k++)
		awaiters_meet(q, refs.target[k]);
}

/* The task that a callback of this one wakes; HEAP_NONE: none is known. */
static uint32_t awaiters_by_callbacks(const struct awaiters *s, uint32_t task)
{
	struct search q = { .s = s };

	awaiters_meet_attributes(&q, task, "callback0 _callbacks");
	for (uint32_t i = 0; i < q.count; i++) {
		const uint32_t by = awaiters_of_future(s, q.seen[i]);

		if (by != HEAP_NONE && by != task)
			return by;
		awaiters_follow(&q, q.seen[i]);
	}
	return HEAP_NONE;
}

/* ---- what CPython 3.14 notes ---- */

static uint32_t awaiters_noted_one(const struct awaiters *s, uint32_t node)
{
	return tasks_at(s->tasks, node) ? node : awaiters_of_future(s, node);
}

/* A task, a future, or a set of such. */
static uint32_t awaiters_noted(const struct awaiters *s, uint32_t task)
{
	uint32_t at = attribute_of(s->heap, task, "awaited_by"), by = HEAP_NONE;

	if (at >= s->heap->objects)
		at = attribute_of(s->heap, task, "_Future__asyncio_awaited_by");
	if (at >= s->heap->objects)
		return HEAP_NONE;
	if (heap_kind(s->heap, at) != SNAP_KIND_SET)
		return awaiters_noted_one(s, at);
	struct heap_span refs = heap_refs(s->heap, at);
	for (uint32_t i = 0; i < refs.count && by == HEAP_NONE; i++)
		by = awaiters_noted_one(s, refs.target[i]);
	return by;
}

/* ---- what a task waits for ---- */

static int awaiters_add(struct awaiters *s, uint32_t future, uint32_t by)
{
	const struct awaited one = { future, by };

	return future < s->heap->objects ? vec_append(&s->awaited, &one, sizeof(one)) : 0;
}

/* What it waits for, and of asyncio.gather's future those that are gathered. */
static int awaiters_add_task(struct awaiters *s, const struct task *t)
{
	const struct heap *heap = s->heap;
	int err = awaiters_add(s, t->waits, t->node);
	const uint32_t children =
		err ? HEAP_NONE : attribute_of(heap, t->waits, "_children");
	struct heap_span refs = { 0 };

	if (children < heap->objects && heap_kind(heap, children) == SNAP_KIND_LIST)
		refs = heap_refs(heap, children);
	for (uint32_t i = 0; i < refs.count && !err; i++)
		err = awaiters_add(s, refs.target[i], t->node);
	return err;
}

int awaiters_find(const struct heap *heap, const struct vec *tasks)
{
	struct awaiters s = { .heap = heap, .tasks = tasks };
	struct task *t = tasks->data;
	const size_t count = VEC_COUNT(*tasks, struct task);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		if (t[i].waits != HEAP_NONE)
			err = awaiters_add_task(&s, &t[i]);
	if (s.awaited.size)
		qsort(s.awaited.data, VEC_COUNT(s.awaited, struct awaited),
		      sizeof(struct awaited), awaiters_by_future);
	for (size_t i = 0; i < count && !err; i++) {
		t[i].by = awaiters_of_future(&s, t[i].node);
		if (t[i].by == HEAP_NONE)
			t[i].by = awaiters_noted(&s, t[i].node);
		if (t[i].by == HEAP_NONE)
			t[i].by = awaiters_by_callbacks(&s, t[i].node);
	}
	vec_free(&s.awaited);
	return err;
}
