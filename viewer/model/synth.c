/* SPDX-License-Identifier: MIT */
/*
 * synth - the nodes above the objects: root, groups, threads, frames.
 *
 * Each root of the snapshot becomes an edge from the node that holds it: its
 * frame, its thread, or its kind's group.  The virtual root has an edge to each
 * group, (threads) to each thread, a thread to its frames (outermost last).
 * Borrowed roots hold what they show (a static type, a frame's globals), but for
 * interned strings, which the interpreter drops when nobody else holds them;
 * borrowed ones don't count in refcounts.  A conservative root is believed only
 * where the object has a reference that nothing else explains; so is a word of a C
 * stack that an object (a greenlet) has saved.
 *
 * Two passes over the edges: count per node (and judge), then fill.
 */
#include <assert.h>
#include <errno.h>

#include "viewer/model/held.h"
#include "viewer/model/load_internal.h"

struct synth {
	struct heap *heap;
	uint32_t *indegree;
	bool fill;
};

static void synth_add_edge(struct synth *s, uint32_t from, uint32_t to,
			   struct heap_synth_label label)
{
	struct heap *heap = s->heap;
	struct heap_synth *node =
		VEC(heap->synth, struct heap_synth) + (from - heap->objects);

	if (s->fill) {
		uint32_t at = node->first + node->count;

		VEC(heap->synth_target, uint32_t)[at] = to;
		VEC(heap->synth_label, struct heap_synth_label)[at] = label;
	}
	node->count++;
}

static uint32_t synth_thread_node(const struct heap *heap, uint32_t thread)
{
	return heap->objects + HEAP_SYNTH_GROUP_COUNT + thread - 1;
}

static uint32_t synth_frame_node(const struct heap *heap, uint32_t frame)
{
	return heap->objects + HEAP_SYNTH_GROUP_COUNT + heap->threads + frame - 1;
}

static uint32_t synth_holder(const struct heap *heap, const struct snap_root *root)
{
	static const uint8_t group[SNAP_ROOT_KIND_COUNT] = {
		[SNAP_ROOT_OTHER] = HEAP_SYNTH_OTHER,
		[SNAP_ROOT_MODULE] = HEAP_SYNTH_MODULES,
		[SNAP_ROOT_INTERPRETER] = HEAP_SYNTH_INTERPRETER,
		[SNAP_ROOT_STATIC_TYPE] = HEAP_SYNTH_STATIC_TYPES,
		[SNAP_ROOT_INTERNED] = HEAP_SYNTH_INTERNED,
		[SNAP_ROOT_THREAD] = HEAP_SYNTH_THREADS,
		[SNAP_ROOT_LOCAL] = HEAP_SYNTH_THREADS,
		[SNAP_ROOT_STACK] = HEAP_SYNTH_THREADS,
		[SNAP_ROOT_FRAME] = HEAP_SYNTH_THREADS,
		[SNAP_ROOT_EXCEPTION] = HEAP_SYNTH_THREADS,
		[SNAP_ROOT_C_STATIC] = HEAP_SYNTH_C_STATIC,
		[SNAP_ROOT_ATEXIT] = HEAP_SYNTH_ATEXIT,
	};
	uint8_t g =
		root->kind < SNAP_ROOT_KIND_COUNT ? group[root->kind] : HEAP_SYNTH_OTHER;

	if (root->frame && root->frame <= heap->frames)
		return synth_frame_node(heap, root->frame);
	if (g == HEAP_SYNTH_THREADS && root->thread && root->thread <= heap->threads)
		return synth_thread_node(heap, root->thread);
	return heap->objects + g;
}

/*
 * Kinds with a free list in the interpreter's state (Objects/listobject.c,
 * tupleobject.c, dictobject.c, floatobject.c, genobject.c, frameobject.c): it keeps
 * the addresses of objects that were handed out since, so that an unnamed word there
 * says nothing about them, and believing it would explain leaks away.
 */
static bool synth_has_free_list(unsigned kind)
{
	return kind == SNAP_KIND_LIST || kind == SNAP_KIND_TUPLE ||
		kind == SNAP_KIND_DICT || kind == SNAP_KIND_FLOAT ||
		kind == SNAP_KIND_FRAME || kind == SNAP_KIND_GENERATOR;
}

/*
 * Counts the reference a root stands for. False: a conservative root that is
 * none, since the object's other references explain its whole refcount (a stale
 * word in a C structure, say); it must not hold anything.
 */
static bool synth_count_root(struct synth *s, const struct snap_root *root,
			     uint32_t object)
{
	const struct heap *heap = s->heap;

	if (root->flags & SNAP_ROOT_BORROWED)
		return true;
	if (root->flags & SNAP_ROOT_CONSERVATIVE && root->kind == SNAP_ROOT_INTERPRETER &&
	    synth_has_free_list(heap_kind(heap, object)))
		return false;
	if (root->flags & SNAP_ROOT_CONSERVATIVE &&
	    !(heap_class_of(heap, object)->flags & SNAP_OBJ_IMMORTAL) &&
	    heap_refcount(heap, object) <= s->indegree[object])
		return false;
	s->indegree[object]++;
	return true;
}

static void synth_add_roots(struct synth *s, struct vec *roots, bool conservative)
{
	struct heap *heap = s->heap;
	struct snap_root *root = roots->data;

	for (size_t i = 0; i < VEC_COUNT(*roots, struct snap_root); i++) {
		struct heap_synth_label label = { .kind = root[i].kind,
						  .flags = root[i].flags,
						  .name = root[i].name };
		uint32_t object;

		if (!root[i].target || held_is(heap, &root[i]) ||
		    conservative != !!(root[i].flags & SNAP_ROOT_CONSERVATIVE))
			continue;
		object = heap_find(heap, root[i].target);
		if (object == HEAP_NONE) {
			heap->dangling += s->fill;
			continue;
		}
		if (!s->fill && !synth_count_root(s, &root[i], object)) {
			root[i].target = 0;
			continue;
		}
		if (root[i].kind == SNAP_ROOT_INTERNED &&
		    root[i].flags & SNAP_ROOT_BORROWED)
			continue;
		synth_add_edge(s, synth_holder(heap, &root[i]), object, label);
	}
}

/* ---- words of C stacks ---- */

/* From which reference on those of a class are words of a saved C stack; UINT32_MAX:
 * none (frames and generators know how deep their stacks are). */
static uint32_t synth_first_word(const struct heap *heap, const struct heap_class *klass)
{
	const struct heap_shape *shape =
		VEC(heap->shape, struct heap_shape) + klass->shape;

	return shape->tail == SNAP_TAIL_STACK &&
			heap_type(heap, klass->type)->kind == SNAP_KIND_OBJECT ?
		shape->nfixed :
		UINT32_MAX;
}

static bool synth_has_words(const struct heap *heap)
{
	const struct heap_class *klass = heap->classes.data;

	for (size_t i = 0; i < VEC_COUNT(heap->classes, struct heap_class); i++)
		if (synth_first_word(heap, &klass[i]) != UINT32_MAX)
			return true;
	return false;
}

/* Those that an object's count leaves no room for are no references. */
static void synth_judge_words(struct synth *s, uint32_t object, uint32_t first)
{
	struct heap *heap = s->heap;
	uint32_t *target = heap->target.data;

	for (uint64_t at = heap_row(heap, object) + first;
	     at < heap_row(heap, object + 1); at++) {
		const uint32_t to = target[at];

		if (to >= heap->objects ||
		    heap_class_of(heap, to)->flags & SNAP_OBJ_IMMORTAL ||
		    heap_refcount(heap, to) >= s->indegree[to])
			continue;
		target[at] = HEAP_ABSENT;
		s->indegree[to]--;
		heap->edges--;
	}
}

static void synth_judge_all_words(struct synth *s)
{
	struct heap *heap = s->heap;

	if (!synth_has_words(heap))
		return;
	for (uint32_t o = 0; o < heap->objects; o++) {
		const uint32_t first = synth_first_word(heap, heap_class_of(heap, o));

		if (first != UINT32_MAX)
			synth_judge_words(s, o, first);
	}
}

/* ---- all edges ---- */

static void synth_add_edges(struct synth *s, struct vec *roots)
{
	struct heap *heap = s->heap;
	const struct heap_synth_label none = { 0 };

	for (uint32_t g = 1; g < HEAP_SYNTH_GROUP_COUNT; g++)
		synth_add_edge(s, heap->objects, heap->objects + g, none);
	for (uint32_t t = 1; t <= heap->threads; t++)
		synth_add_edge(s, heap->objects + HEAP_SYNTH_THREADS,
			       synth_thread_node(heap, t), none);
	for (uint32_t f = 1; f <= heap->frames; f++) {
		uint32_t thread = VEC(heap->frame, struct snap_frame)[f].thread;

		synth_add_edge(s,
			       thread && thread <= heap->threads ?
				       synth_thread_node(heap, thread) :
				       heap->objects + HEAP_SYNTH_THREADS,
			       synth_frame_node(heap, f), none);
	}
	synth_add_roots(s, roots, false);
	if (!s->fill)
		synth_judge_all_words(s);
	synth_add_roots(s, roots, true);
}

static int synth_make_nodes(struct heap *heap)
{
	struct heap_synth *node;

	if (vec_alloc(&heap->synth,
		      (heap->nodes - heap->objects) * sizeof(struct heap_synth)))
		return -ENOMEM;
	node = heap->synth.data;
	assert(heap_native_base(heap) >= heap->objects + HEAP_SYNTH_GROUP_COUNT);
	for (uint32_t g = 0; g < HEAP_SYNTH_GROUP_COUNT; g++)
		node[g].kind = g;
	for (uint32_t t = 1; t <= heap->threads; t++)
		node[synth_thread_node(heap, t) - heap->objects] =
			(struct heap_synth){ .kind = HEAP_SYNTH_THREAD, .ref = t };
	for (uint32_t f = 1; f <= heap->frames; f++)
		node[synth_frame_node(heap, f) - heap->objects] =
			(struct heap_synth){ .kind = HEAP_SYNTH_FRAME, .ref = f };
	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++)
		node[n - heap->objects].kind = HEAP_SYNTH_NATIVE;
	return 0;
}

int build_synth(struct loader *loader, uint32_t *indegree)
{
	struct heap *heap = loader->heap;
	struct synth s = { .heap = heap, .indegree = indegree };
	uint64_t total = 0;

	if (synth_make_nodes(heap))
		return -ENOMEM;
	synth_add_edges(&s, &loader->roots);
	for (uint32_t i = 0; i < heap->nodes - heap->objects; i++) {
		struct heap_synth *node = VEC(heap->synth, struct heap_synth) + i;

		node->first = (uint32_t)total;
		total += node->count;
		node->count = 0;
	}
	if (total > UINT32_MAX ||
	    vec_alloc(&heap->synth_target, total * sizeof(uint32_t)) ||
	    vec_alloc(&heap->synth_label, total * sizeof(struct heap_synth_label)))
		return -ENOMEM;
	s.fill = true;
	synth_add_edges(&s, &loader->roots);
	return 0;
}
