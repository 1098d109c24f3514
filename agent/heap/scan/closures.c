/* SPDX-License-Identifier: MIT */
/*
 * closures - a function's closure is a tuple of cells; its items are labelled
 * with the names of the code's free variables.
 *
 * A tuple does not know that it is a closure.  So tuples that begin with a cell
 * are put off during the sweeps, and written when their function is; those that
 * no function claims are written last, as plain tuples.
 */
#include "agent/heap/scan/closures.h"

#include "agent/heap/core/shapes.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/core/types.h"
#include "agent/heap/scan/emit.h"
#include "agent/python/frame_layout.h"

enum { CLOSURE_CACHE = 512, CELLS_MAX = 256 };

struct closure_shape {
	uint64_t code;
	uint32_t shape, n;
};

struct closures {
	bool last; /* those that no function claimed are due */
	struct closure_shape cache[CLOSURE_CACHE];
};

static bool closures_looks_like(const struct walk *w, uint64_t tuple)
{
	uint64_t first;

	if (!peek64(tuple + w->lay->head))
		return false;
	first = peek64(tuple + w->lay->tuple_items);
	return first && object_type(w->lay, first) == CPYTHON_ADDR(w->py, cell_type);
}

/* Names of the free variables of a code object, in the closure's order. */
static uint32_t closures_names(struct walk *w, uint64_t code, struct snap_label *labels)
{
	const struct layout *lay = w->lay;
	const struct frame_layout *frames = w->py->frames;
	const uint64_t base = code + object_extra(lay);
	uint64_t names = 0, kinds = 0;
	uint32_t n = 0;

	if (!frames)
		return 0;
	if (frames->co_names != FRAME_NONE) {
		names = peek64(base + frames->co_names);
		kinds = peek64(base + frames->co_kinds);
		if (!object_is_exact(lay, kinds, CPYTHON_ADDR(w->py, bytes_type)))
			return 0;
	} else {
		names = peek64(base + frames->co_freevars);
	}
	if (!object_is_exact(lay, names, CPYTHON_ADDR(w->py, tuple_type)))
		return 0;
	for (uint64_t i = 0; i < object_size(lay, names) && n < CELLS_MAX; i++) {
		if (kinds && !(peek8(kinds + lay->bytes_data + i) & FRAME_KIND_FREE))
			continue;
		labels[n++] = (struct snap_label){
			SNAP_LABEL_CELL,
			strings_add_object(w, object_tuple_item(lay, names, i))
		};
	}
	return n;
}

static const struct closure_shape *closures_shape(struct walk *w, struct closures *c,
						  uint64_t code)
{
	struct closure_shape *shape = &c->cache[(code >> 4) % CLOSURE_CACHE];
	struct snap_label labels[CELLS_MAX];

	if (shape->code != code) {
		shape->n = closures_names(w, code, labels);
		shape->shape = shapes_add(w, labels, shape->n, SNAP_TAIL_INDEX);
		shape->code = code;
	}
	return shape;
}

void closures_emit(struct walk *w, uint64_t function)
{
	struct closures *c = w->closures;
	const struct closure_shape *shape;
	uint64_t tuple, code;

	if (!c || !w->py->frames) /* not proven: where a function has its code */
		return;
	tuple = peek64(function + w->lay->fn_closure);
	if (!object_is_exact(w->lay, tuple, CPYTHON_ADDR(w->py, tuple_type)) ||
	    !closures_looks_like(w, tuple))
		return;
	code = peek64(function + w->lay->fn_code);
	if (!object_is_exact(w->lay, code, CPYTHON_ADDR(w->py, code_type)))
		return;
	shape = closures_shape(w, c, code);
	if (shape->n != peek64(tuple + w->lay->head) || !marks_set_done(&w->marks, tuple))
		return;
	emit_shaped(w, types_of(w, tuple), tuple, shape->shape);
}

void closures_last(struct walk *w, bool last)
{
	if (!w->closures)
		w->closures = context_alloc(w, sizeof(*w->closures));
	if (w->closures)
		w->closures->last = last;
}

bool closures_put_off(const struct walk *w, uint64_t obj)
{
	return w->closures && !w->closures->last && closures_looks_like(w, obj);
}
