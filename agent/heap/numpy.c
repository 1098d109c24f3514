/* SPDX-License-Identifier: MIT */
/* numpy - see numpy.h */
#include "agent/heap/numpy.h"

#include <string.h>

#include "agent/heap/native.h"
#include "agent/heap/roots.h"
#include "agent/heap/walk_internal.h"

enum { NDIM_MAX = 64, OWNDATA = 4, TYPE_OBJECT = 17 };

struct numpy {
	uint32_t source;	/* string id of "numpy" */
	bool elsize64;
	uint32_t shape;		/* of plain arrays: base, dtype, items */
};

struct array {
	uint64_t low, length;	/* bytes between the outermost elements */
	uint64_t base, descr;
	uint32_t flags;
};

static struct numpy *numpy_of(struct walk *w)
{
	struct numpy *numpy = w->numpy;
	const struct roots *roots = w->roots;
	char version[16] = "";
	uint64_t text;

	if (numpy)
		return numpy;
	numpy = arena_alloc(w->arena, sizeof(*numpy));
	if (!numpy)
		return NULL;
	w->numpy = numpy;
	numpy->source = walk_cstring(w, "numpy");
	text = roots && roots->count ?
		roots_module_value(w, &roots->interps[0], "numpy", "__version__") : 0;
	if (text)
		walk_str_text(w, text, version, sizeof(version));
	numpy->elsize64 = version[0] != '\0' && version[0] != '0' &&
		strncmp(version, "1.", 2) != 0;
	return numpy;
}

/*
 * A view may start in the middle and step backwards: its bytes are those between
 * the outermost elements.  False: no elements, or nothing we understand.
 */
static bool read_array(struct walk *w, uint64_t obj, struct array *ret)
{
	const struct numpy *numpy = numpy_of(w);
	uint64_t at = obj + w->lay->head - 16u;
	uint64_t dims = peek64(at + 32), strides = peek64(at + 40), high;
	uint32_t nd = peek32(at + 24);

	ret->low = peek64(at + 16);
	ret->base = peek64(at + 48);
	ret->descr = peek64(at + 56);
	ret->flags = peek32(at + 64);
	ret->length = 0;
	if (!numpy || nd > NDIM_MAX || !walk_is_object(w, ret->descr) ||
	    (nd &&
	     (!walk_readable(w, dims, 8 * nd) || !walk_readable(w, strides, 8 * nd))))
		return false;
	high = ret->low + (numpy->elsize64 ? peek64(ret->descr + w->lay->head + 24u) :
			   peek32(ret->descr + w->lay->head + 16u));
	for (uint32_t i = 0; i < nd; i++) {
		int64_t n = (int64_t)peek64(dims + 8 * i);
		int64_t step = (int64_t)peek64(strides + 8 * i);

		if (n <= 0)
			return false;
		if (step < 0)
			ret->low += (uint64_t)((n - 1) * step);
		else
			high += (uint64_t)((n - 1) * step);
	}
	ret->length = high - ret->low;
	return true;
}

void numpy_native(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct numpy *numpy = numpy_of(w);
	struct array array;
	uint32_t flags = SNAP_BUFFER_OWNER;

	if (!read_array(w, obj, &array))
		return;
	if (!type->size_approx && !(type->flags & SNAP_TYPE_APPROX))
		flags |= SNAP_BUFFER_COUNTED;
	if (array.flags & OWNDATA)
		native_emit(w, obj, array.low, array.length, 0, numpy->source, flags);
	else
		native_emit(w, obj, array.low, array.length, array.base, numpy->source,
			    SNAP_BUFFER_VIEW);
}

/* ---- references ---- */

static void elements(struct walk *w, const struct array *array)
{
	uint64_t n = array->length / 8;

	if (peek32(array->descr + w->lay->head + 12u) != TYPE_OBJECT ||
	    !(array->flags & OWNDATA) || !walk_readable(w, array->low, array->length))
		return;
	for (uint64_t i = 0; i < n; i++)
		walk_ref(w, peek64(array->low + 8 * i));
}

static uint32_t plain_shape(struct walk *w, struct numpy *numpy)
{
	struct snap_label labels[2];

	if (!numpy->shape) {
		labels[0] =
			(struct snap_label){ SNAP_LABEL_ATTR, walk_cstring(w, "base") };
		labels[1] =
			(struct snap_label){ SNAP_LABEL_ATTR, walk_cstring(w, "dtype") };
		numpy->shape = walk_shape(w, labels, 2, SNAP_TAIL_INDEX);
	}
	return numpy->shape;
}

static uint32_t numpy_edges(struct walk *w, struct walk_type *type, uint64_t obj)
{
	walk_edges_fn *others;
	struct numpy *numpy = numpy_of(w);
	struct array array;
	uint32_t shape;
	bool known;

	memcpy(&others, &type->edges_data, sizeof(others));
	shape = others(w, type, obj);
	if (!numpy)
		return shape;
	known = read_array(w, obj, &array);
	if (!w->nrefs)
		shape = plain_shape(w, numpy);
	walk_ref(w, array.base);
	walk_ref(w, array.descr);
	if (known)
		elements(w, &array);
	return shape;
}

void numpy_edges_hook(struct walk *w, struct walk_type *type)
{
	(void)w;
	memcpy(&type->edges_data, &type->edges, sizeof(type->edges_data));
	type->edges = numpy_edges;
}
