/* SPDX-License-Identifier: MIT */
/* numpy - see numpy.h */
#include "agent/heap/extension/numpy.h"

#include <string.h>

#include "agent/heap/extension/native.h"
#include "agent/heap/roots/roots.h"
#include "agent/heap/object/values.h"
#include "agent/heap/core/walk_internal.h"

enum { NDIM_MAX = 64, OWNDATA = 4, TYPE_OBJECT = 17, DEPTH_MAX = 8, PLACES = 256 };

/* Where in an array's element its objects are. */
struct places {
	uint64_t descr; /* the dtype these are of, 0 = none yet */
	uint32_t count;
	uint64_t at[PLACES];
};

struct numpy {
	uint32_t source; /* string id of "numpy" */
	bool elsize64;
	struct places places; /* of the last dtype with objects */
};

struct array {
	uint64_t low, length; /* bytes between the outermost elements */
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
		roots_module_value(w, &roots->interps[0], "numpy", "__version__") :
		0;
	if (text)
		walk_str_text(w, text, version, sizeof(version));
	numpy->elsize64 =
		version[0] != '\0' && version[0] != '0' && strncmp(version, "1.", 2) != 0;
	return numpy;
}

bool numpy_is_2(struct walk *w)
{
	const struct numpy *numpy = numpy_of(w);

	return numpy && numpy->elsize64;
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
	high = ret->low +
		(numpy->elsize64 ? peek64(ret->descr + w->lay->head + 24u) :
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

/* Fields of a dtype: see numpy.h; numpy 2 has longer ones. */
static uint64_t elsize_of(const struct walk *w, const struct numpy *numpy, uint64_t descr)
{
	uint64_t at = descr + w->lay->head - 16u;

	return numpy->elsize64 ? peek64(at + 40) : peek32(at + 32);
}

static uint64_t subarray_of(const struct walk *w, const struct numpy *numpy,
			    uint64_t descr)
{
	return peek64(descr + w->lay->head - 16u + (numpy->elsize64 ? 88 : 40));
}

static uint64_t fields_of(const struct walk *w, const struct numpy *numpy, uint64_t descr)
{
	return peek64(descr + w->lay->head - 16u + (numpy->elsize64 ? 96 : 48));
}

static void add_places(struct walk *w, struct numpy *numpy, uint64_t descr, uint64_t at,
		       int depth);

/* {name: (dtype, offset) or (dtype, offset, title)}; a title is a second key. */
static void add_fields(struct walk *w, struct numpy *numpy, uint64_t fields, uint64_t at,
		       int depth)
{
	struct walk_dict_iter iter;
	uint64_t key, value, offset, seen = 0;

	if (!walk_is_object(w, fields) || !walk_dict_begin(w, fields, &iter))
		return;
	while (walk_dict_next(&iter, &key, &value)) {
		uint64_t items = value + w->lay->tuple_items;

		if (value == seen ||
		    walk_typeof(w, value) != CPYTHON_ADDR(w->py, tuple_type) ||
		    peek64(value + w->lay->head) < 2 ||
		    !values_u64(w, peek64(items + 8), &offset))
			continue;
		seen = value;
		add_places(w, numpy, peek64(items), at + offset, depth + 1);
	}
}

static void add_places(struct walk *w, struct numpy *numpy, uint64_t descr, uint64_t at,
		       int depth)
{
	struct places *places = &numpy->places;
	uint64_t size = elsize_of(w, numpy, descr), part, sub;

	if (depth > DEPTH_MAX || places->count == PLACES)
		return;
	if (peek32(descr + w->lay->head + 12u) == TYPE_OBJECT) {
		places->at[places->count++] = at;
		return;
	}
	sub = subarray_of(w, numpy, descr);
	if (sub && walk_readable(w, sub, 8) && walk_is_object(w, peek64(sub))) {
		part = elsize_of(w, numpy, peek64(sub));
		for (uint64_t i = 0; part && i + part <= size && i / part < PLACES;
		     i += part)
			add_places(w, numpy, peek64(sub), at + i, depth + 1);
	} else if (fields_of(w, numpy, descr)) {
		add_fields(w, numpy, fields_of(w, numpy, descr), at, depth);
	}
}

/* May elements of this dtype hold objects? NPY_ITEM_REFCOUNT is bit 0 of its flags. */
static bool holds_objects(const struct walk *w, const struct numpy *numpy, uint64_t descr)
{
	uint64_t at = descr + w->lay->head - 16u;

	return (numpy->elsize64 ? peek64(at + 32) : peek8(at + 27)) & 1;
}

static void elements(struct walk *w, struct numpy *numpy, const struct array *array)
{
	uint64_t size = elsize_of(w, numpy, array->descr);
	struct places *places = &numpy->places;

	if (!(array->flags & OWNDATA) || !size ||
	    !holds_objects(w, numpy, array->descr) ||
	    !walk_readable(w, array->low, array->length))
		return;
	if (places->descr != array->descr) {
		places->count = 0;
		places->descr = array->descr;
		add_places(w, numpy, array->descr, 0, 0);
	}
	for (uint64_t at = 0; at + size <= array->length && !w->err; at += size)
		for (uint32_t i = 0; i < places->count; i++)
			if (places->at[i] + 8 <= size)
				walk_ref(w, peek64(array->low + at + places->at[i]));
}

static uint32_t numpy_edges(struct walk *w, struct walk_type *type, uint64_t obj)
{
	walk_edges_fn *others;
	struct numpy *numpy = numpy_of(w);
	struct array array;
	uint32_t shape;

	memcpy(&others, &type->edges_data, sizeof(others));
	shape = others(w, type, obj); /* base, dtype ...: names_table.c */
	if (numpy && read_array(w, obj, &array))
		elements(w, numpy, &array);
	return shape;
}

void numpy_edges_hook(struct walk *w, struct walk_type *type)
{
	(void)w;
	memcpy(&type->edges_data, &type->edges, sizeof(type->edges_data));
	type->edges = numpy_edges;
}
