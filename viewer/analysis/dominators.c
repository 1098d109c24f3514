/* SPDX-License-Identifier: MIT */
/*
 * dominators - Semi-NCA over the heap's graph (dominators.h).
 *
 * Phases and what they hold, bytes per node (E' = edges that aren't tree edges):
 *	search	number, vertex, parent		12
 *	preds	+ row, predecessors		16 + 4 E'; number is freed after
 *	semi	+ anc/label pairs		20 + 4 E'; semi takes row's place
 *	nca	parent becomes idom in place	12
 * Predecessors along tree edges tell nothing (the parent is the first candidate
 * anyway), so they are left out: about half of a Python heap's edges.
 *
 * label holds the least semidominator *number* on the path from a node up to,
 * not including, anc; Semi-NCA needs no vertex there, which saves a lookup.
 */
#include "viewer/analysis/dominators.h"

#include <assert.h>
#include <errno.h>

struct entry {
	uint32_t node, next;
}; /* depth-first stack */
struct link {
	uint32_t anc, label;
};

struct work {
	const struct heap *heap;
	const struct progress *progress;
	struct vec number;		/* u32 per node; HEAP_NONE = not reached */
	struct vec vertex, parent;	/* u32 per number */
	struct vec row_base, row, pred; /* row[v]: end of v's predecessors; once v is
					 * done, its semidominator */
	struct vec link;
	struct vec stack;
	uint32_t count;
};

/* ---- depth-first search ---- */

static void dominators_discover(struct work *w, uint32_t node, uint32_t parent)
{
	VEC(w->number, uint32_t)[node] = w->count;
	VEC(w->vertex, uint32_t)[w->count] = node;
	VEC(w->parent, uint32_t)[w->count] = parent;
	w->count++;
}

/* Next unvisited successor of the stack's top; HEAP_NONE = none left. */
static uint32_t dominators_next_successor(struct work *w, struct entry *top)
{
	const struct heap *heap = w->heap;
	const uint32_t *number = VEC(w->number, uint32_t);
	struct heap_span refs = heap_refs(heap, top->node);
	uint32_t i = top->next;

	for (; i < refs.count; i++) {
		uint32_t to = refs.target[i];

		if (to < heap->nodes && number[to] == HEAP_NONE) {
			top->next = i + 1;
			return to;
		}
	}
	top->next = i;
	uint32_t type = heap_type_edge(heap, top->node);
	return type < heap->nodes && number[type] == HEAP_NONE ? type : HEAP_NONE;
}

static int dominators_search(struct work *w)
{
	uint32_t root = heap_root(w->heap);
	struct entry top = { root, 0 };
	uint32_t *number = VEC(w->number, uint32_t);
	int err = 0;

	for (uint32_t n = 0; n < w->heap->nodes; n++)
		number[n] = HEAP_NONE;
	dominators_discover(w, root, 0);
	if (vec_append(&w->stack, &top, sizeof(top)))
		return -ENOMEM;
	while (w->stack.size && !err) {
		struct entry *at =
			(struct entry *)(void *)((char *)w->stack.data + w->stack.size) -
			1;
		uint32_t to = dominators_next_successor(w, at);

		if (to == HEAP_NONE) {
			w->stack.size -= sizeof(struct entry);
			continue;
		}
		dominators_discover(w, to, number[at->node]);
		top.node = to;
		err = vec_append(&w->stack, &top, sizeof(top));
		if (!err && w->count % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(w->progress, "depth-first search", w->count,
					    w->heap->nodes);
	}
	vec_free(&w->stack);
	return err;
}

/* ---- predecessors, in numbers ---- */

static void dominators_pred_edge(struct work *w, uint32_t from, uint32_t to, bool fill)
{
	uint32_t v = VEC(w->number, uint32_t)[to];
	uint32_t *row = VEC(w->row, uint32_t);

	if (v == from || VEC(w->parent, uint32_t)[v] == from)
		return;
	if (fill) {
		uint64_t base = VEC(w->row_base, uint64_t)[v >> 16];

		VEC(w->pred, uint32_t)[base + row[v]] = from;
	}
	row[v]++;
}

static int dominators_pred_pass(struct work *w, bool fill)
{
	const struct heap *heap = w->heap;

	for (uint32_t n = 0; n < heap->nodes; n++) {
		uint32_t from = VEC(w->number, uint32_t)[n];
		uint32_t type = heap_type_edge(heap, n);

		if (from == HEAP_NONE)
			continue;
		if (n % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(w->progress, "predecessors",
				  n / 2 + (fill ? heap->nodes / 2 : 0), heap->nodes))
			return -ECANCELED;
		struct heap_span refs = heap_refs(heap, n);
		for (uint32_t i = 0; i < refs.count; i++)
			if (refs.target[i] < heap->nodes)
				dominators_pred_edge(w, from, refs.target[i], fill);
		if (type < heap->nodes)
			dominators_pred_edge(w, from, type, fill);
	}
	return 0;
}

/* Counts become offsets relative to their block's base. */
static int dominators_make_rows(struct work *w, uint64_t *total_ret)
{
	uint32_t *row = VEC(w->row, uint32_t);
	uint64_t sum = 0, base = 0;

	for (uint32_t v = 0; v <= w->count; v++) {
		uint32_t count = v < w->count ? row[v] : 0;

		if ((v & 0xffff) == 0) {
			base = sum;
			VEC(w->row_base, uint64_t)[v >> 16] = base;
		}
		if (sum - base > UINT32_MAX)
			return -EFBIG;
		row[v] = (uint32_t)(sum - base);
		sum += count;
	}
	*total_ret = sum;
	return 0;
}

/* After filling, row[v] is the end of v's, which is the begin of v + 1's. */
static int dominators_predecessors(struct work *w)
{
	uint64_t total;
	int err;

	if (vec_alloc(&w->row, ((size_t)w->count + 1) * sizeof(uint32_t)) ||
	    vec_alloc(&w->row_base, (((size_t)w->count >> 16) + 1) * sizeof(uint64_t)))
		return -ENOMEM;
	err = dominators_pred_pass(w, false);
	if (!err)
		err = dominators_make_rows(w, &total);
	if (!err)
		err = vec_alloc(&w->pred, total * sizeof(uint32_t));
	return err ? err : dominators_pred_pass(w, true);
}

static inline uint64_t dominators_pred_end(const struct work *w, uint32_t v)
{
	return VEC(w->row_base, uint64_t)[v >> 16] + VEC(w->row, uint32_t)[v];
}

/* ---- semidominators ---- */

/*
 * Least label on the path from u up, among numbers > v.  Compresses the path:
 * each node on it gets the top's ancestor and the least label above it.
 */
static int dominators_eval(struct work *w, uint32_t u, uint32_t v, uint32_t *ret)
{
	struct link *link = w->link.data;
	uint32_t top = u;

	w->stack.size = 0;
	while (link[top].anc > v) {
		if (vec_push_u32(&w->stack, top))
			return -ENOMEM;
		top = link[top].anc;
	}
	uint32_t anc = link[top].anc, least = link[top].label;
	for (size_t i = VEC_COUNT(w->stack, uint32_t); i-- > 0;) {
		struct link *at = &link[VEC(w->stack, uint32_t)[i]];

		if (at->label < least)
			least = at->label;
		at->label = least;
		at->anc = anc;
	}
	*ret = link[u].label;
	return 0;
}

static int dominators_semidominators(struct work *w)
{
	const uint32_t *parent = VEC(w->parent, uint32_t), *pred = VEC(w->pred, uint32_t);
	struct link *link = w->link.data;
	uint32_t *semi = w->row.data; /* v's end of predecessors is read before it
					 * goes */

	for (uint32_t v = w->count; v-- > 1;) {
		uint32_t least = parent[v], candidate;
		uint64_t i = dominators_pred_end(w, v - 1),
			 end = dominators_pred_end(w, v);

		for (; i < end; i++) {
			candidate = pred[i];
			if (candidate > v && dominators_eval(w, candidate, v, &candidate))
				return -ENOMEM;
			if (candidate < least)
				least = candidate;
		}
		semi[v] = least;
		link[v] = (struct link){ parent[v], least };
		if (v % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(w->progress, "dominators", w->count - v, w->count))
			return -ECANCELED;
	}
	return 0;
}

/* parent becomes idom: the nearest ancestor not below the semidominator. */
static void dominators_nearest_ancestors(struct work *w)
{
	uint32_t *idom = w->parent.data;
	const uint32_t *semi = w->row.data;

	for (uint32_t v = 1; v < w->count; v++) {
		uint32_t d = idom[v];

		while (d > semi[v])
			d = idom[d];
		idom[v] = d;
	}
}

static int dominators_compute(struct work *w)
{
	size_t bytes = w->heap->nodes * sizeof(uint32_t);
	int err;

	if (vec_alloc(&w->number, bytes) || vec_alloc(&w->vertex, bytes) ||
	    vec_alloc(&w->parent, bytes))
		return -ENOMEM;
	err = dominators_search(w);
	if (!err)
		err = dominators_predecessors(w);
	vec_free(&w->number);
	if (err)
		return err;
	if (vec_alloc(&w->link, w->count * sizeof(struct link)))
		return -ENOMEM;
	err = dominators_semidominators(w);
	vec_free(&w->link);
	vec_free(&w->pred);
	if (!err)
		dominators_nearest_ancestors(w);
	return err;
}

int dominators_run(const struct heap *heap, const struct progress *progress,
		   struct dominators *ret)
{
	struct work w = { .heap = heap, .progress = progress };
	int err = dominators_compute(&w);

	*ret = (struct dominators){ 0 };
	if (!err) {
		ret->count = w.count;
		vec_move(&ret->vertex, &w.vertex);
		vec_move(&ret->idom, &w.parent);
		assert(VEC_COUNT(ret->idom, uint32_t) >= ret->count);
	}
	struct vec *vecs[] = { &w.number, &w.vertex, &w.parent, &w.row_base,
			       &w.row,	  &w.pred,   &w.link,	&w.stack };
	for (size_t i = 0; i < sizeof(vecs) / sizeof(vecs[0]); i++)
		vec_free(vecs[i]);
	return err;
}

void dominators_free(struct dominators *dominators)
{
	vec_free(&dominators->vertex);
	vec_free(&dominators->idom);
}
