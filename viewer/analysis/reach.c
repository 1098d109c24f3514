/* SPDX-License-Identifier: MIT */
/*
 * reach - breadth-first search from the roots (reach.h).
 *
 * The queue is the order of discovery, at most one entry per node.  Edges of
 * lower priority wait in queues of their own as (node, holder) pairs and are looked at
 * only when those before are empty; by then the node may have a better holder.  So a
 * queue that the program keeps is named by the module or object that keeps it, not by
 * a local variable of the standard library's thread that serves it.
 */
#include "viewer/analysis/reach.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "viewer/analysis/definer.h"
#include "viewer/analysis/garbage.h"

enum reach_wait { WAIT_LIBRARY, WAIT_LOW, WAITS };

struct reach {
	struct heap *heap;
	const struct progress *progress;
	uint32_t *parent;
	struct vec queue; /* u32 nodes, filled once, never shifted */
	uint32_t head, tail;
	struct waiting {
		struct vec pair; /* u32 pairs node, holder */
		size_t head;
	} wait[WAITS];
	uint64_t next_report;
};

static bool reach_low_group(uint32_t kind)
{
	switch (kind) {
	case HEAP_SYNTH_INTERPRETER:
	case HEAP_SYNTH_STATIC_TYPES:
	case HEAP_SYNTH_C_STATIC:
	case HEAP_SYNTH_OTHER:
	case HEAP_SYNTH_INTERNED:
	case HEAP_SYNTH_ATEXIT:
		return true;
	default:
		return false;
	}
}

static bool reach_low_object(const struct heap *heap, uint32_t node)
{
	unsigned kind = node < heap->objects ? heap_kind(heap, node) : SNAP_KIND_OBJECT;

	return kind == SNAP_KIND_FRAME || kind == SNAP_KIND_TRACEBACK;
}

static int reach_push_wait(struct reach *r, enum reach_wait wait, uint32_t node,
			   uint32_t holder)
{
	uint32_t pair[2] = { node, holder };

	return vec_append(&r->wait[wait].pair, pair, sizeof(pair));
}

bool reach_is_library(const struct heap *heap, uint32_t frame_node)
{
	const struct heap_synth *s = heap_synth(heap, frame_node);
	const char *file;

	if (s->kind != HEAP_SYNTH_FRAME)
		return false;
	file = heap_string(heap, VEC(heap->frame, struct snap_frame)[s->ref].file, NULL);
	if (!strncmp(file, "<frozen ", 8))
		return true;
	return strstr(file, "/lib/python3") && !strstr(file, "-packages/");
}

static void reach_push(struct reach *r, uint32_t node, uint32_t holder)
{
	assert(r->tail < r->heap->nodes);
	assert(r->parent[node] == HEAP_NONE);
	r->parent[node] = holder;
	VEC(r->queue, uint32_t)[r->tail++] = node;
}

/* A temporary, a word that only looks like a reference, or a hook: a thread's asyncio has
 * its event loop there, which more is known by. */
static bool reach_low_label(const struct heap *heap, const struct heap_synth_label *label)
{
	return label->kind == SNAP_ROOT_STACK || label->flags & SNAP_ROOT_CONSERVATIVE ||
		(label->kind == SNAP_ROOT_THREAD &&
		 strstr(heap_string(heap, label->name, NULL), " hook"));
}

/*
 * Of several modules that hold the same thing at the same distance (it was imported
 * from one into others), one with a plain name is what a reader knows: 0; one in a
 * package: 1; one that is private, or in a private package: 2.
 */
static int reach_module_rank(const struct heap *heap,
			     const struct heap_synth_label *label)
{
	const char *name = heap_string(heap, label->name, NULL);

	if (!strcmp(name, "__main__"))
		return 0;
	if (*name == '_' || strstr(name, "._"))
		return 2;
	return strchr(name, '.') != NULL;
}

/* The modules in the order of their ranks; none is left for reach_visit_synth. */
static void reach_visit_modules(struct reach *r, uint32_t node)
{
	const struct heap *heap = r->heap;
	const struct heap_synth *s = heap_synth(heap, node);
	const struct heap_synth_label *label =
		VEC(heap->synth_label, struct heap_synth_label) + s->first;
	struct heap_span refs = heap_refs(heap, node);

	for (int rank = 0; rank <= 2; rank++)
		for (uint32_t i = 0; i < refs.count; i++) {
			uint32_t to = refs.target[i];

			if (to < heap->nodes && r->parent[to] == HEAP_NONE &&
			    reach_module_rank(heap, &label[i]) == rank)
				reach_push(r, to, node);
		}
}

static int reach_visit_synth(struct reach *r, uint32_t node)
{
	const struct heap *heap = r->heap;
	const struct heap_synth *s = heap_synth(heap, node);
	const struct heap_synth_label *label =
		VEC(heap->synth_label, struct heap_synth_label) + s->first;
	bool low = reach_low_group(s->kind), library = reach_is_library(heap, node);
	struct heap_span refs = heap_refs(heap, node);

	if (s->kind == HEAP_SYNTH_MODULES)
		reach_visit_modules(r, node);

	for (uint32_t i = 0; i < refs.count; i++) {
		uint32_t to = refs.target[i];

		if (to >= heap->nodes || r->parent[to] != HEAP_NONE)
			continue;
		if (low || reach_low_label(heap, &label[i]) ||
		    reach_low_object(heap, to)) {
			if (reach_push_wait(r, WAIT_LOW, to, node))
				return -ENOMEM;
		} else if (library) {
			if (reach_push_wait(r, WAIT_LIBRARY, to, node))
				return -ENOMEM;
		} else {
			reach_push(r, to, node);
		}
	}
	return 0;
}

static int reach_visit(struct reach *r, uint32_t node)
{
	const struct heap *heap = r->heap;

	if (node >= heap->objects)
		return reach_visit_synth(r, node);
	struct heap_span refs = heap_refs(heap, node);
	uint32_t type = heap_type_edge(heap, node);
	for (uint32_t i = 0; i < refs.count; i++) {
		uint32_t to = refs.target[i];

		if (to >= heap->nodes || r->parent[to] != HEAP_NONE)
			continue;
		if (!reach_low_object(heap, to))
			reach_push(r, to, node);
		else if (reach_push_wait(r, WAIT_LOW, to, node))
			return -ENOMEM;
	}
	if (type < heap->nodes && r->parent[type] == HEAP_NONE)
		return reach_push_wait(r, WAIT_LOW, type, node);
	return 0;
}

/* The next of those that wait goes on; false: none does. */
static bool reach_wake(struct reach *r)
{
	for (unsigned i = 0; i < WAITS; i++) {
		struct waiting *wait = &r->wait[i];

		while (wait->head < VEC_COUNT(wait->pair, uint32_t)) {
			const uint32_t *pair = VEC(wait->pair, uint32_t) + wait->head;

			wait->head += 2;
			if (r->parent[pair[0]] != HEAP_NONE)
				continue;
			reach_push(r, pair[0], pair[1]);
			return true;
		}
		wait->pair.size = wait->head = 0;
	}
	return false;
}

/* Until all queues are empty. */
static int reach_drain(struct reach *r)
{
	for (;;) {
		int err = 0;

		while (r->head < r->tail && !err) {
			if (r->head >= r->next_report) {
				r->next_report += 16 * PROGRESS_EVERY;
				err = progress_step(r->progress, "paths", r->head,
						    r->heap->nodes);
			}
			if (!err)
				err = reach_visit(r, VEC(r->queue, uint32_t)[r->head++]);
		}
		if (err)
			return err;
		if (!reach_wake(r))
			return 0;
	}
}

/* Makes members those of a group and searches from them. */
static int reach_adopt(struct reach *r, enum heap_synth_kind group,
		       const struct vec *members)
{
	uint32_t node = heap_group(r->heap, group);

	if (heap_adopt(r->heap, group, members->data,
		       (uint32_t)VEC_COUNT(*members, uint32_t)))
		return -ENOMEM;
	for (size_t i = 0; i < VEC_COUNT(*members, uint32_t); i++) {
		uint32_t member = VEC(*members, uint32_t)[i];

		if (r->parent[member] == HEAP_NONE)
			reach_push(r, member, node);
	}
	return reach_drain(r);
}

/* What has its count elsewhere dies all the same. */
enum { REACH_COUNTLESS = SNAP_OBJ_IMMORTAL | SNAP_OBJ_DEFERRED };

static int reach_adopt_immortal(struct reach *r)
{
	const struct heap *heap = r->heap;
	struct vec members = { 0 };
	int err = 0;

	for (uint32_t o = 0; o < heap->objects && !err; o++)
		if (r->parent[o] == HEAP_NONE &&
		    (heap_class_of(heap, o)->flags & REACH_COUNTLESS) ==
			    SNAP_OBJ_IMMORTAL)
			err = vec_push_u32(&members, o);
	if (!err)
		err = reach_adopt(r, HEAP_SYNTH_IMMORTAL, &members);
	vec_free(&members);
	return err;
}

static int reach_adopt_unknown(struct reach *r)
{
	const struct heap *heap = r->heap;
	const uint32_t *id = VEC(heap->surplus_id, uint32_t);
	const int64_t *by = VEC(heap->surplus_by, int64_t);
	struct vec members = { 0 };
	int err = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->surplus_id, uint32_t) && !err; i++)
		if (by[i] > 0 && r->parent[id[i]] == HEAP_NONE)
			err = vec_push_u32(&members, id[i]);
	if (!err)
		err = reach_adopt(r, HEAP_SYNTH_UNKNOWN, &members);
	vec_free(&members);
	return err;
}

/*
 * Garbage: in the order in which a depth-first search among it finishes, from the last,
 * each node not reached yet lies where nothing else unreached leads to (Kosaraju's
 * observation): one node for each such group of objects.
 */
static int reach_adopt_garbage(struct reach *r)
{
	uint32_t group = heap_group(r->heap, HEAP_SYNTH_GARBAGE);
	struct vec order = { 0 }, members = { 0 };
	int err = 0;

	if (r->tail < heap_native_base(r->heap))
		err = garbage_order(r->heap, r->parent, r->progress, &order);
	for (size_t i = VEC_COUNT(order, uint32_t); i-- > 0 && !err;) {
		uint32_t node = VEC(order, uint32_t)[i];

		if (r->parent[node] != HEAP_NONE)
			continue;
		err = vec_push_u32(&members, node);
		reach_push(r, node, group);
		if (!err)
			err = reach_drain(r);
	}
	if (!err)
		err = heap_adopt(r->heap, HEAP_SYNTH_GARBAGE, members.data,
				 (uint32_t)VEC_COUNT(members, uint32_t));
	vec_free(&order);
	vec_free(&members);
	return err;
}

static int reach_search(struct reach *r)
{
	uint32_t root = heap_root(r->heap);
	int err;

	reach_push(r, root, root);
	err = reach_drain(r);
	if (!err)
		err = reach_adopt_immortal(r);
	if (!err)
		err = reach_adopt_unknown(r);
	if (!err)
		err = reach_adopt_garbage(r);
	r->parent[root] = HEAP_NONE;
	return err;
}

/* An earlier run's members would only be found again: start from none. */
static void reach_forget_groups(struct heap *heap)
{
	static const enum heap_synth_kind groups[] = {
		HEAP_SYNTH_IMMORTAL,
		HEAP_SYNTH_UNKNOWN,
		HEAP_SYNTH_GARBAGE,
	};
	struct heap_synth *synth = heap->synth.data;
	uint32_t end = 0;

	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		synth[groups[g]].count = 0;
	for (uint32_t i = 0; i < heap->nodes - heap->objects; i++)
		if (synth[i].count && synth[i].first + synth[i].count > end)
			end = synth[i].first + synth[i].count;
	heap->synth_target.size = end * sizeof(uint32_t);
	heap->synth_label.size = end * sizeof(struct heap_synth_label);
}

/* Native memory is where one of its owners is; it leads nowhere. */
static void reach_place_native(struct reach *r)
{
	const struct heap *heap = r->heap;

	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		uint32_t owner = heap_native_at(heap, n)->owner;

		r->parent[n] =
			owner != HEAP_NONE ? owner : heap_group(heap, HEAP_SYNTH_UNKNOWN);
	}
}

int reach_run(struct heap *heap, const struct progress *progress, struct vec *parent)
{
	struct reach r = { .heap = heap, .progress = progress };
	int err = -ENOMEM;

	reach_forget_groups(heap);
	if (!vec_alloc(parent, heap->nodes * sizeof(uint32_t)) &&
	    !vec_alloc(&r.queue, heap->nodes * sizeof(uint32_t))) {
		r.parent = parent->data;
		for (uint32_t n = 0; n < heap->nodes; n++)
			r.parent[n] = HEAP_NONE;
		reach_place_native(&r);
		err = reach_search(&r);
		if (!err)
			err = definer_prefer(heap, r.parent);
	}
	vec_free(&r.queue);
	for (unsigned i = 0; i < WAITS; i++)
		vec_free(&r.wait[i].pair);
	if (err)
		vec_free(parent);
	return err;
}
