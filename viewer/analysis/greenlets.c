/* SPDX-License-Identifier: MIT */
/* greenlets - see greenlets.h. */
#include "viewer/analysis/greenlets.h"

#include <errno.h>
#include <string.h>

#include "viewer/analysis/kin.h"

enum { GREENLETS_DEPTH = 3 /* __dict__, list, tuple */ };

/* What a type is to us, as a byte per type id; of what a type derives from the first. */
enum greenlets_role {
	GREENLETS_OTHER,
	GREENLETS_HUB,
	GREENLETS_HOLDER,
	GREENLETS_BUILTIN, /* a greenlet's switch, perhaps */
	GREENLETS_METHOD,  /* a Waiter's, perhaps */
	GREENLETS_WAITER,
	GREENLETS_WATCHER,
	GREENLETS_AWAITED
};

/* The names under which gevent 1.3 and later, compiled or not, have them. */
static const struct {
	enum greenlets_role role;
	const char *kin;
} greenlets_roles[] = {
	{ GREENLETS_HUB, "gevent.hub.Hub" },
	{ GREENLETS_HOLDER,
	  "builtins.list builtins.tuple builtins.dict collections.deque" },
	{ GREENLETS_BUILTIN, "builtins.builtin_function_or_method" },
	{ GREENLETS_METHOD, "builtins.method" },
	{ GREENLETS_WAITER,
	  "gevent._gevent_c_waiter.Waiter gevent._waiter.Waiter "
	  "gevent.__waiter.Waiter" },
	{ GREENLETS_WATCHER, GREENLETS_WATCHERS },
	{ GREENLETS_AWAITED,
	  "gevent._gevent_c_abstract_linkable.AbstractLinkable "
	  "gevent._abstract_linkable.AbstractLinkable "
	  "gevent.__abstract_linkable.AbstractLinkable gevent._event._AbstractLinkable "
	  "gevent._gevent_cgreenlet.Greenlet gevent._greenlet.Greenlet "
	  "gevent.greenlet.Greenlet gevent._gevent_cqueue.SimpleQueue "
	  "gevent._gevent_cqueue.Queue gevent._gevent_cqueue.Channel "
	  "gevent._queue.SimpleQueue gevent._queue.Queue gevent._queue.Channel "
	  "gevent.queue.SimpleQueue gevent.queue.Queue gevent.queue.Channel" },
};

struct greenlets {
	const struct heap *heap;
	const struct vec *tasks; /* struct task, by node */
	struct vec roles;	 /* unsigned char by type id */
};

static int greenlets_find_roles(struct greenlets *s)
{
	const size_t count = sizeof(greenlets_roles) / sizeof(greenlets_roles[0]);

	if (vec_alloc(&s->roles, (size_t)s->heap->types + 1))
		return -ENOMEM;
	for (uint32_t t = 1; t <= s->heap->types; t++)
		for (size_t i = count; i-- > 0 && heap_type(s->heap, t)->count;)
			if (kin_is(s->heap, t, greenlets_roles[i].kin))
				VEC(s->roles, unsigned char)
	[t] = (unsigned char)greenlets_roles[i].role;
	return 0;
}

static enum greenlets_role greenlets_role(const struct greenlets *s, uint32_t node)
{
	return node < s->heap->objects ?
		VEC(s->roles, unsigned char)[heap_type_of(s->heap, node)] :
		GREENLETS_OTHER;
}

/* The greenlet that a node is, if it is suspended; NULL: it isn't. */
static struct task *greenlets_suspended(const struct greenlets *s, uint32_t node)
{
	struct task *t = tasks_at(s->tasks, node);

	return t && t->greenlet && t->state == TASK_WAITING &&
			greenlets_role(s, node) != GREENLETS_HUB ?
		t :
		NULL;
}

static bool greenlets_is_switch(const struct heap *heap, uint32_t node)
{
	struct heap_value value;

	return heap_value(heap, node, &value) && value.size == 6 &&
		!memcmp(value.text, "switch", 6);
}

/* The greenlet that is waked by a callback or Waiter; NULL: none is known. */
static struct task *greenlets_waked(const struct greenlets *s, uint32_t node)
{
	const enum greenlets_role role = greenlets_role(s, node);
	const struct heap_span refs = heap_refs(s->heap, node);
	struct task *found = NULL;

	if (role == GREENLETS_BUILTIN && !greenlets_is_switch(s->heap, node))
		return NULL;
	for (uint32_t i = 0; i < refs.count && !found; i++)
		if (role == GREENLETS_BUILTIN || role == GREENLETS_WAITER)
			found = greenlets_suspended(s, refs.target[i]);
		else if (greenlets_role(s, refs.target[i]) == GREENLETS_WAITER)
			found = greenlets_waked(s, refs.target[i]);
	return found;
}

/* Whatever `by` has in a node of its own wakes. */
static void greenlets_look_into(struct greenlets *s, uint32_t by, uint32_t node,
				int depth)
{
	const struct heap_span refs = heap_refs(s->heap, node);
	struct heap_label label;

	for (uint32_t i = 0; i < refs.count; i++) {
		const enum greenlets_role role = greenlets_role(s, refs.target[i]);
		struct task *t = NULL;

		if (role != GREENLETS_HOLDER && role != GREENLETS_BUILTIN &&
		    role != GREENLETS_METHOD && role != GREENLETS_WAITER)
			continue;
		heap_label(s->heap, node, i, &label);
		if (label.kind == SNAP_LABEL_STACK || label.kind == SNAP_LABEL_LOCAL)
			continue; /* a greenlet's calls have them */
		if (role != GREENLETS_HOLDER)
			t = greenlets_waked(s, refs.target[i]);
		else if (depth < GREENLETS_DEPTH)
			greenlets_look_into(s, by, refs.target[i], depth + 1);
		if (t && t->node != by &&
		    (t->waits == HEAP_NONE ||
		     greenlets_role(s, t->waits) == GREENLETS_WATCHER))
			t->waits = by;
	}
}

int greenlets_find(const struct heap *heap, const struct progress *progress,
		   const struct vec *tasks)
{
	struct greenlets s = { .heap = heap, .tasks = tasks };
	bool any = false;
	int err = 0;

	for (size_t i = 0; i < VEC_COUNT(*tasks, struct task); i++)
		any |= VEC(*tasks, struct task)[i].greenlet;
	if (any)
		err = greenlets_find_roles(&s);
	for (uint32_t o = 0; o < heap->objects && any && !err; o++) {
		const enum greenlets_role role = greenlets_role(&s, o);

		if (o % PROGRESS_EVERY == 0)
			err = progress_step(progress, "greenlets", o, heap->objects);
		if (!err && (role == GREENLETS_WATCHER || role == GREENLETS_AWAITED))
			greenlets_look_into(&s, o, o, 0);
	}
	vec_free(&s.roles);
	return err;
}
