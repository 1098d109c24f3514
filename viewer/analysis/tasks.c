/* SPDX-License-Identifier: MIT */
/*
 * tasks - see tasks.h.  Attribute names are those of Modules/_asynciomodule.c and
 * Lib/asyncio/tasks.py, which agree since 3.6 but for the finished coroutine: a task
 * keeps it, without its frame.
 */
#include "viewer/analysis/tasks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/awaiters.h"
#include "viewer/analysis/greenlets.h"
#include "viewer/analysis/kin.h"
#include "viewer/model/attribute.h"

#define TASKS_TYPES "_asyncio.Task asyncio.tasks.Task"
#define GREENLET_TYPES "greenlet.greenlet _greenlet.greenlet"

/* What stands between a coroutine and the next: by type, the attribute that leads on. */
static const struct {
	const char *type, *attribute;
} tasks_between[] = {
	{ "builtins.coroutine_wrapper", "coroutine" },
	{ "builtins.async_generator_asend", "generator" },
	{ "builtins.async_generator_athrow", "generator" },
	{ "builtins.anext_awaitable", "wrapped" },
};

/* The node that an object's last value on the stack, or that of its frame, is. */
static uint32_t tasks_stack_top(const struct heap *heap, uint32_t node)
{
	struct heap_span refs = heap_refs(heap, node);
	uint32_t top = HEAP_NONE, frame = HEAP_NONE;
	struct heap_label label;

	for (uint32_t slot = 0; slot < refs.count; slot++) {
		if (refs.target[slot] >= heap->objects)
			continue;
		heap_label(heap, node, slot, &label);
		if (label.kind == SNAP_LABEL_STACK)
			top = refs.target[slot];
		else if (heap_kind(heap, refs.target[slot]) == SNAP_KIND_FRAME &&
			 heap_kind(heap, node) == SNAP_KIND_GENERATOR)
			frame = refs.target[slot];
	}
	return top == HEAP_NONE && frame != HEAP_NONE ? tasks_stack_top(heap, frame) :
							top;
}

/* What a coroutine awaits: another one, or HEAP_NONE. */
static uint32_t tasks_next(const struct heap *heap, uint32_t node)
{
	uint32_t at = tasks_stack_top(heap, node);

	for (int steps = 0; steps < 4 && at < heap->objects; steps++) {
		const char *type = heap_type_name(heap, heap_type_of(heap, at));
		size_t i = 0, known = sizeof(tasks_between) / sizeof(tasks_between[0]);

		if (heap_kind(heap, at) == SNAP_KIND_GENERATOR)
			return at;
		while (i < known && strcmp(type, tasks_between[i].type) != 0)
			i++;
		if (i == known)
			return HEAP_NONE;
		at = attribute_of(heap, at, tasks_between[i].attribute);
	}
	return HEAP_NONE;
}

static void tasks_reverse(uint32_t *calls, uint32_t count)
{
	for (uint32_t i = 0; i < count / 2; i++) {
		const uint32_t other = calls[count - 1 - i];

		calls[count - 1 - i] = calls[i];
		calls[i] = other;
	}
}

/* A greenlet's calls.  It keeps the frames that it was in: since CPython 3.11 they are no
 * objects, and their code is among its own references, outermost first; before, it has
 * the innermost, which has the others. */
static uint32_t tasks_frames(const struct heap *heap, uint32_t greenlet, uint32_t *ret)
{
	struct heap_span refs = heap_refs(heap, greenlet);
	uint32_t count = 0, frame = HEAP_NONE;
	struct heap_label label;

	for (uint32_t i = 0; i < refs.count && count < TASKS_STACK; i++) {
		if (refs.target[i] >= heap->objects)
			continue;
		heap_label(heap, greenlet, i, &label);
		if (label.kind == SNAP_LABEL_STACK || label.kind == SNAP_LABEL_LOCAL)
			continue; /* what the calls have */
		if (heap_kind(heap, refs.target[i]) == SNAP_KIND_CODE)
			ret[count++] = refs.target[i];
		else if (heap_kind(heap, refs.target[i]) == SNAP_KIND_FRAME)
			frame = refs.target[i];
	}
	if (count)
		return count;
	while (frame < heap->objects && count < TASKS_STACK &&
	       heap_kind(heap, frame) == SNAP_KIND_FRAME) {
		ret[count++] = frame;
		frame = attribute_of(heap, frame, "f_back");
	}
	tasks_reverse(ret, count);
	return count;
}

uint32_t tasks_stack(const struct heap *heap, uint32_t task, uint32_t *ret)
{
	uint32_t at = attribute_of(heap, task, "_coro"), count = 0;

	assert(task < heap->nodes);
	if (at >= heap->objects)
		return tasks_frames(heap, task, ret);
	while (at < heap->objects && count < TASKS_STACK &&
	       heap_kind(heap, at) == SNAP_KIND_GENERATOR) {
		for (uint32_t i = 0; i < count; i++)
			if (ret[i] == at)
				return count;
		ret[count++] = at;
		at = tasks_next(heap, at);
	}
	assert(count <= TASKS_STACK);
	return count;
}

/* A greenlet's calls are its code objects, whose lines are the greenlet's own. */
const struct snap_line *tasks_line(const struct heap *heap, uint32_t task,
				   const uint32_t *stack, uint32_t i)
{
	return heap_kind(heap, stack[i]) == SNAP_KIND_CODE ? line_of(heap, task, i) :
							     line_of(heap, stack[i], 0);
}

/* A local variable of a suspended call; HEAP_NONE: it has none of that name. */
static uint32_t tasks_local(const struct heap *heap, uint32_t call, const char *name)
{
	struct heap_span refs = heap_refs(heap, call);
	uint32_t frame = HEAP_NONE;
	struct heap_label label;

	for (uint32_t slot = 0; slot < refs.count; slot++) {
		if (refs.target[slot] >= heap->objects)
			continue;
		heap_label(heap, call, slot, &label);
		if (label.kind == SNAP_LABEL_LOCAL && label.name &&
		    !strcmp(heap_string(heap, label.name, NULL), name))
			return refs.target[slot];
		if (heap_kind(heap, refs.target[slot]) == SNAP_KIND_FRAME &&
		    heap_kind(heap, call) == SNAP_KIND_GENERATOR)
			frame = refs.target[slot];
	}
	return frame == HEAP_NONE ? HEAP_NONE : tasks_local(heap, frame, name);
}

/* What asyncio's own coroutines wait for the sake of: by the name of their variable. */
static const struct {
	const char *local, *types;
} tasks_sakes[] = {
	{ "self",
	  "asyncio.queues.Queue asyncio.locks.Lock asyncio.locks.Event "
	  "asyncio.locks.Condition asyncio.locks.Semaphore asyncio.locks.Barrier "
	  "asyncio.streams.StreamReader asyncio.streams.FlowControlMixin "
	  "asyncio.taskgroups.TaskGroup asyncio.base_events.Server" },
	{ "h", "asyncio.events.TimerHandle" }, /* sleep's */
};

uint32_t tasks_waits_at(const struct heap *heap, uint32_t task)
{
	uint32_t stack[TASKS_STACK];
	const uint32_t depth = tasks_stack(heap, task, stack);

	if (!depth || !tasks_is_task(heap, task))
		return HEAP_NONE;
	for (size_t i = 0; i < sizeof(tasks_sakes) / sizeof(tasks_sakes[0]); i++) {
		const uint32_t at =
			tasks_local(heap, stack[depth - 1], tasks_sakes[i].local);

		if (at < heap->objects &&
		    kin_is(heap, heap_type_of(heap, at), tasks_sakes[i].types))
			return at;
	}
	return HEAP_NONE;
}

bool tasks_is_task(const struct heap *heap, uint32_t node)
{
	const uint32_t coroutine = attribute_of(heap, node, "_coro");

	return coroutine < heap->objects &&
		heap_kind(heap, coroutine) == SNAP_KIND_GENERATOR;
}

/* Whether a coroutine still has a frame: then it has variables, or its function. */
static bool tasks_alive(const struct heap *heap, uint32_t coroutine)
{
	struct heap_span refs = heap_refs(heap, coroutine);
	struct heap_label label;

	for (uint32_t slot = 0; slot < refs.count; slot++) {
		if (refs.target[slot] >= heap->objects)
			continue;
		const unsigned kind = heap_kind(heap, refs.target[slot]);

		heap_label(heap, coroutine, slot, &label);
		if (label.kind == SNAP_LABEL_LOCAL || label.kind == SNAP_LABEL_STACK ||
		    kind == SNAP_KIND_FRAME || kind == SNAP_KIND_FUNCTION)
			return true;
	}
	return false;
}

static bool tasks_something(const struct heap *heap, uint32_t node)
{
	return node < heap->objects && heap_kind(heap, node) != SNAP_KIND_NONE;
}

static uint64_t tasks_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 31;
}

/* What stands for a call in a group: the code that it runs. */
static uint32_t tasks_code(const struct heap *heap, uint32_t call)
{
	struct heap_span refs = heap_refs(heap, call);

	if (heap_kind(heap, call) == SNAP_KIND_CODE)
		return call;
	for (uint32_t i = 0; i < refs.count; i++)
		if (refs.target[i] < heap->objects &&
		    heap_kind(heap, refs.target[i]) == SNAP_KIND_CODE)
			return refs.target[i];
	return call;
}

/* What gevent's greenlets have as _exc_info once they have ended: three times None, or an
 * exception; before, an empty tuple (src/gevent/greenlet.py). */
static bool tasks_is_outcome(const struct heap *heap, uint32_t node)
{
	struct heap_span refs = { 0 };

	if (heap_kind(heap, node) == SNAP_KIND_TUPLE)
		refs = heap_refs(heap, node);
	if (refs.count != 3 || refs.target[0] >= heap->objects ||
	    refs.target[1] >= heap->objects)
		return false;
	return heap_kind(heap, refs.target[0]) == SNAP_KIND_NONE ?
		heap_kind(heap, refs.target[1]) == SNAP_KIND_NONE :
		heap_kind(heap, refs.target[0]) == SNAP_KIND_TYPE &&
			heap_kind(heap, refs.target[1]) == SNAP_KIND_EXCEPTION;
}

/* What a greenlet of gevent's has for a start event once it has begun. */
static bool tasks_is_dummy(const struct heap *heap, uint32_t node)
{
	return node < heap->objects &&
		strstr(heap_type_name(heap, heap_type_of(heap, node)), "._dummy_event");
}

/*
 * A greenlet that is suspended has a stack, but for one that is in C code alone.  One
 * that runs is held by its thread, in C.  One that has not begun has the function that it
 * will call; gevent's don't, but have had their start_event changed for a dummy since
 * they began, or were killed before, and an outcome since they ended: in C fields without
 * a name, or in attributes (not compiled).
 */
static enum task_state tasks_greenlet_state(const struct heap *heap, uint32_t node,
					    uint32_t depth)
{
	struct heap_span refs = heap_refs(heap, node);
	const uint32_t event = attribute_of(heap, node, "_start_event"),
		       info = attribute_of(heap, node, "_exc_info");
	bool function = false, dummy = tasks_is_dummy(heap, event),
	     outcome = info != HEAP_NONE && tasks_is_outcome(heap, info);

	if (depth)
		return TASK_WAITING;
	for (uint32_t i = 0; i < refs.count; i++) {
		if (refs.target[i] >= heap->objects)
			continue;
		const unsigned kind = heap_kind(heap, refs.target[i]);

		function |= kind == SNAP_KIND_FUNCTION || kind == SNAP_KIND_METHOD ||
			kind == SNAP_KIND_BUILTIN;
		outcome |= tasks_is_outcome(heap, refs.target[i]);
		dummy |= tasks_is_dummy(heap, refs.target[i]);
	}
	/* it runs while no other does, and ends with its thread */
	if (heap_surplus(heap, node) > 0 ||
	    kin_is(heap, heap_type_of(heap, node), "gevent.hub.Hub"))
		return TASK_READY;
	const bool gevents =
		kin_is(heap, heap_type_of(heap, node),
		       "gevent._gevent_cgreenlet.Greenlet gevent._greenlet.Greenlet "
		       "gevent.greenlet.Greenlet");
	if (gevents && dummy)
		return outcome ? TASK_DONE : TASK_WAITING;
	return gevents || function ? TASK_READY : TASK_DONE;
}

bool tasks_has_ended(const struct heap *heap, uint32_t task)
{
	const uint32_t coroutine = attribute_of(heap, task, "_coro");
	uint32_t stack[TASKS_STACK];

	if (kin_is(heap, heap_type_of(heap, task), GREENLET_TYPES))
		return tasks_greenlet_state(heap, task,
					    tasks_frames(heap, task, stack)) == TASK_DONE;
	return coroutine >= heap->objects || !tasks_alive(heap, coroutine);
}

/* What the task keeps, with its coroutine, which is often in a variable of who started
 * it as well: asyncio.run's. */
static uint64_t tasks_retained(const struct analysis *a, uint32_t task,
			       const uint32_t *stack, uint32_t depth)
{
	const uint64_t own = analysis_retained(a, task);

	if (!depth || heap_kind(a->heap, stack[0]) != SNAP_KIND_GENERATOR ||
	    analysis_is_below(a, stack[0], task) || analysis_is_below(a, task, stack[0]))
		return own;
	return own + analysis_retained(a, stack[0]);
}

static void tasks_look_at(struct analysis *a, struct task *t)
{
	const struct heap *heap = a->heap;
	uint32_t stack[TASKS_STACK], depth = tasks_stack(heap, t->node, stack);

	t->by = HEAP_NONE;
	t->retained = tasks_retained(a, t->node, stack, depth);
	t->waits = attribute_of(heap, t->node, "_fut_waiter");
	if (!tasks_something(heap, t->waits))
		t->waits = HEAP_NONE;
	t->state = t->waits != HEAP_NONE ? TASK_WAITING :
		t->greenlet		 ? tasks_greenlet_state(heap, t->node, depth) :
		depth && tasks_alive(heap, stack[0]) ? TASK_READY :
						       TASK_DONE;
	t->group = tasks_mix(t->state, heap_type_of(heap, t->node));
	for (uint32_t i = 0; i < depth; i++) {
		const struct snap_line *line = tasks_line(heap, t->node, stack, i);

		t->group = tasks_mix(t->group, tasks_code(heap, stack[i]));
		t->group = tasks_mix(t->group, line ? line->line : 0);
	}
}

/* ---- groups ---- */

static int tasks_by_group(const void *a, const void *b)
{
	const struct task *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static int tasks_by_rank(const void *a, const void *b)
{
	const struct task *x = a, *y = b;

	if (x->group_retained != y->group_retained)
		return x->group_retained > y->group_retained ? -1 : 1;
	return tasks_by_group(a, b);
}

static void tasks_make_groups(struct vec *tasks)
{
	struct task *t = tasks->data;
	size_t count = VEC_COUNT(*tasks, struct task), end;

	if (count)
		qsort(t, count, sizeof(*t), tasks_by_group);
	for (size_t i = 0; i < count; i = end) {
		uint64_t retained = 0;

		for (end = i; end < count && t[end].group == t[i].group; end++)
			retained += t[end].retained;
		for (size_t k = i; k < end; k++) {
			t[k].group_count = end - i;
			t[k].group_retained = retained;
		}
	}
	if (count)
		qsort(t, count, sizeof(*t), tasks_by_rank);
}

int tasks_find(struct analysis *analysis, const struct progress *progress,
	       struct vec *ret)
{
	const struct heap *heap = analysis->heap;
	struct vec task = { 0 }, greenlet = { 0 };
	bool any = false;
	int err = kin_find(heap, TASKS_TYPES, &task);

	if (!err)
		err = kin_find(heap, GREENLET_TYPES, &greenlet);
	for (uint32_t t = 1; t <= heap->types && !err; t++)
		any |= VEC(task, unsigned char)[t] | VEC(greenlet, unsigned char)[t];
	for (uint32_t o = 0; o < heap->objects && any && !err; o++) {
		const uint32_t type = heap_type_of(heap, o);
		struct task t = { .node = o };

		if (o % PROGRESS_EVERY == 0)
			err = progress_step(progress, "tasks", o, heap->objects);
		t.greenlet = VEC(greenlet, unsigned char)[type];
		if (err || (!t.greenlet && !VEC(task, unsigned char)[type]))
			continue;
		tasks_look_at(analysis, &t);
		err = vec_append(ret, &t, sizeof(t));
	}
	if (!err)
		err = greenlets_find(heap, progress, ret);
	if (!err)
		err = awaiters_find(heap, ret);
	if (!err)
		tasks_make_groups(ret);
	vec_free(&task);
	vec_free(&greenlet);
	return err;
}
