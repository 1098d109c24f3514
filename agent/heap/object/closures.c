/* SPDX-License-Identifier: MIT */
/*
 * closures - a function's closure is a tuple of cells; its items are labelled
 * with the names of the code's free variables.
 *
 * A tuple does not know that it is a closure.  So tuples that begin with a cell
 * are put off during the sweeps, and written when their function is; those that
 * no function claims are written last, as plain tuples.
 */
#include <errno.h>

#include "agent/heap/object/edges.h"
#include "agent/heap/scan/sweep.h"
#include "agent/heap/core/tables.h"

enum { CLOSURE_CACHE = 512, CELLS_MAX = 256, KIND_FREE = 0x80 };

struct closure_shape {
	uint64_t code;
	uint32_t shape, n;
};

struct closures {
	uint32_t at_code, at_closure; /* offsets in a function */
	uint32_t freevars;	      /* offset in a code object, <= 3.10 */
	uint32_t names, kinds;	      /* ... 3.11+ */
	struct closure_shape cache[CLOSURE_CACHE];
};

static struct closures *closures_of(struct walk *w)
{
	struct closures *c = w->closures;
	uint32_t d = w->lay->head - 16u;

	if (c)
		return c;
	c = w->closures = arena_alloc(w->arena, sizeof(*c));
	if (!c) {
		walk_check(w, -ENOMEM);
		return NULL;
	}
	c->at_code = (cpython_since(w->py, 10) ? 48 : 16) + d;
	c->at_closure = (cpython_since(w->py, 10) ? 72 : 48) + d;
	if (cpython_since(w->py, 11)) {
		c->names = 96 + d;
		c->kinds = 104 + d;
	} else {
		c->freevars = cpython_member_offset(w->py, CPYTHON_ADDR(w->py, code_type),
						    "co_freevars");
	}
	return c;
}

bool closures_looks_like(const struct walk *w, uint64_t tuple)
{
	uint64_t first;

	if (!peek64(tuple + w->lay->head))
		return false;
	first = peek64(tuple + w->lay->tuple_items);
	return first && walk_typeof(w, first) == CPYTHON_ADDR(w->py, cell_type);
}

static bool is_exact(struct walk *w, uint64_t obj, uint64_t type)
{
	return obj && walk_typeof(w, obj) == type;
}

/* Names of the free variables of a code object, in the closure's order. */
static uint32_t free_names(struct walk *w, const struct closures *c, uint64_t code,
			   struct snap_label *labels)
{
	uint64_t tuple = CPYTHON_ADDR(w->py, tuple_type),
		 bytes = CPYTHON_ADDR(w->py, bytes_type);
	uint64_t names = 0, kinds = 0;
	uint32_t n = 0;

	if (c->names) {
		names = peek64(code + c->names);
		kinds = peek64(code + c->kinds);
		if (!is_exact(w, kinds, bytes))
			return 0;
	} else if (c->freevars) {
		names = peek64(code + c->freevars);
	}
	if (!is_exact(w, names, tuple))
		return 0;
	for (uint64_t i = 0; i < peek64(names + w->lay->head) && n < CELLS_MAX; i++) {
		uint64_t name = peek64(names + w->lay->tuple_items + i * 8);

		if (kinds && !(peek8(kinds + w->lay->bytes_data + i) & KIND_FREE))
			continue;
		labels[n++] =
			(struct snap_label){ SNAP_LABEL_CELL, walk_string_of(w, name) };
	}
	return n;
}

static const struct closure_shape *shape_of(struct walk *w, struct closures *c,
					    uint64_t code)
{
	struct closure_shape *shape = &c->cache[(code >> 4) % CLOSURE_CACHE];
	struct snap_label labels[CELLS_MAX];

	if (shape->code != code) {
		shape->n = free_names(w, c, code, labels);
		shape->shape = walk_shape(w, labels, shape->n, SNAP_TAIL_INDEX);
		shape->code = code;
	}
	return shape;
}

void closures_emit(struct walk *w, uint64_t function)
{
	struct closures *c = closures_of(w);
	const struct closure_shape *shape;
	uint64_t tuple, code;

	if (!c)
		return;
	tuple = peek64(function + c->at_closure);
	if (!is_exact(w, tuple, CPYTHON_ADDR(w->py, tuple_type)) ||
	    !closures_looks_like(w, tuple))
		return;
	code = peek64(function + c->at_code);
	if (!is_exact(w, code, CPYTHON_ADDR(w->py, code_type)))
		return;
	shape = shape_of(w, c, code);
	if (shape->n != peek64(tuple + w->lay->head) || !marks_set_done(&w->marks, tuple))
		return;
	sweep_emit_shaped(w, tuple, shape->shape);
}
