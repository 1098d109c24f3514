/* SPDX-License-Identifier: MIT */
/* numpy - see numpy.h. */
#include "agent/heap/extension/numpy.h"

#include <string.h>

#include "agent/heap/core/interps.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/extension/native.h"
#include "agent/heap/extension/state.h"
#include "agent/heap/roots/modules.h"
#include "agent/python/dict.h"
#include "agent/python/integer.h"
#include "agent/python/str.h"

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
	struct numpy *numpy = w->specialists->numpy;
	const struct interps *interps = w->interps;
	char version[16] = "";
	uint64_t text;

	if (numpy)
		return numpy;
	numpy = arena_alloc(w->arena, sizeof(*numpy));
	if (!numpy)
		return NULL;
	w->specialists->numpy = numpy;
	numpy->source = strings_add_text(w, "numpy");
	text = interps && interps->count ?
		modules_value(w, &interps->list[0], "numpy", "__version__") :
		0;
	if (text)
		str_text(w->lay, text, version, sizeof(version));
	numpy->elsize64 =
		version[0] != '\0' && version[0] != '0' && strncmp(version, "1.", 2) != 0;
	return numpy;
}

static bool numpy_is_2(struct walk *w)
{
	const struct numpy *numpy = numpy_of(w);

	return numpy && numpy->elsize64;
}

/*
 * A view may start in the middle and step backwards: its bytes are those between
 * the outermost elements.  False: no elements, or nothing we understand.
 */
static bool numpy_read(struct walk *w, uint64_t obj, struct array *ret)
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
	if (!numpy || nd > NDIM_MAX || !sound_object(w, ret->descr) ||
	    (nd &&
	     (!ranges_readable(w, dims, 8 * nd) || !ranges_readable(w, strides, 8 * nd))))
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

static void numpy_native(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct numpy *numpy = numpy_of(w);
	struct array array;
	const uint32_t flags = SNAP_BUFFER_OWNER | native_counted(type);

	if (!numpy_read(w, obj, &array))
		return;
	if (array.flags & OWNDATA)
		native_emit(w, obj, array.low, array.length, 0, numpy->source, flags);
	else
		native_emit(w, obj, array.low, array.length, array.base, numpy->source,
			    SNAP_BUFFER_VIEW);
}

/* ---- references ---- */

/* Fields of a dtype: see numpy.h; numpy 2 has longer ones. */
static uint64_t numpy_elsize(const struct walk *w, const struct numpy *numpy,
			     uint64_t descr)
{
	uint64_t at = descr + w->lay->head - 16u;

	return numpy->elsize64 ? peek64(at + 40) : peek32(at + 32);
}

static uint64_t numpy_subarray(const struct walk *w, const struct numpy *numpy,
			       uint64_t descr)
{
	return peek64(descr + w->lay->head - 16u + (numpy->elsize64 ? 88 : 40));
}

static uint64_t numpy_fields(const struct walk *w, const struct numpy *numpy,
			     uint64_t descr)
{
	return peek64(descr + w->lay->head - 16u + (numpy->elsize64 ? 96 : 48));
}

static void numpy_add_places(struct walk *w, struct numpy *numpy, uint64_t descr,
			     uint64_t at, int depth);

/* {name: (dtype, offset) or (dtype, offset, title)}; a title is a second key. */
static void numpy_add_fields(struct walk *w, struct numpy *numpy, uint64_t fields,
			     uint64_t at, int depth)
{
	struct dict_iter iter;
	uint64_t key, value, offset, seen = 0;

	if (!sound_object(w, fields) || !dict_begin(w->lay, fields, &iter))
		return;
	while (dict_next(&iter, &key, &value)) {
		uint64_t items = value + w->lay->tuple_items;

		if (value == seen ||
		    object_type(w->lay, value) != CPYTHON_ADDR(w->py, tuple_type) ||
		    peek64(value + w->lay->head) < 2 ||
		    !integer_u64(w->lay, CPYTHON_ADDR(w->py, long_type),
				 peek64(items + 8), &offset))
			continue;
		seen = value;
		numpy_add_places(w, numpy, peek64(items), at + offset, depth + 1);
	}
}

static void numpy_add_places(struct walk *w, struct numpy *numpy, uint64_t descr,
			     uint64_t at, int depth)
{
	struct places *places = &numpy->places;
	uint64_t size = numpy_elsize(w, numpy, descr), part, sub;

	if (depth > DEPTH_MAX || places->count == PLACES)
		return;
	if (peek32(descr + w->lay->head + 12u) == TYPE_OBJECT) {
		places->at[places->count++] = at;
		return;
	}
	sub = numpy_subarray(w, numpy, descr);
	if (sub && ranges_readable(w, sub, 8) && sound_object(w, peek64(sub))) {
		part = numpy_elsize(w, numpy, peek64(sub));
		for (uint64_t i = 0; part && i + part <= size && i / part < PLACES;
		     i += part)
			numpy_add_places(w, numpy, peek64(sub), at + i, depth + 1);
	} else if (numpy_fields(w, numpy, descr)) {
		numpy_add_fields(w, numpy, numpy_fields(w, numpy, descr), at, depth);
	}
}

/* May elements of this dtype hold objects? NPY_ITEM_REFCOUNT is bit 0 of its flags. */
static bool numpy_holds_objects(const struct walk *w, const struct numpy *numpy,
				uint64_t descr)
{
	uint64_t at = descr + w->lay->head - 16u;

	return (numpy->elsize64 ? peek64(at + 32) : peek8(at + 27)) & 1;
}

static void numpy_elements(struct walk *w, struct numpy *numpy, const struct array *array)
{
	uint64_t size = numpy_elsize(w, numpy, array->descr);
	struct places *places = &numpy->places;

	if (!(array->flags & OWNDATA) || !size ||
	    !numpy_holds_objects(w, numpy, array->descr) ||
	    !ranges_readable(w, array->low, array->length))
		return;
	if (places->descr != array->descr) {
		places->count = 0;
		places->descr = array->descr;
		numpy_add_places(w, numpy, array->descr, 0, 0);
	}
	for (uint64_t at = 0; at + size <= array->length && !w->err; at += size)
		for (uint32_t i = 0; i < places->count; i++)
			if (places->at[i] + 8 <= size)
				references_add(w,
					       peek64(array->low + at + places->at[i]));
}

static uint32_t numpy_edges(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct numpy *numpy = numpy_of(w);
	struct array array;
	uint32_t shape;

	shape = type->others(w, type, obj); /* base, dtype ...: python/names_table.c */
	if (numpy && numpy_read(w, obj, &array))
		numpy_elements(w, numpy, &array);
	return shape;
}

static void numpy_plan(struct walk *w, struct walk_type *type)
{
	(void)w;
	if (type->opaque || type->probe)
		return;
	type->others = type->edges;
	type->edges = numpy_edges;
}

/* Types of numpy 2 are in the tables as "numpy2.": their fields are elsewhere. */
static const char *numpy_names(struct walk *w, const char *name, char *buf, size_t size)
{
	static const char prefix[] = "numpy.", prefix_2[] = "numpy2.";
	const size_t rest = strlen(name);

	if (strncmp(name, prefix, sizeof(prefix) - 1) || rest + 2 > size ||
	    !numpy_is_2(w))
		return name;
	memcpy(buf, prefix_2, sizeof(prefix_2) - 1);
	strcpy(buf + sizeof(prefix_2) - 1, name + sizeof(prefix) - 1);
	return buf;
}

const struct specialist numpy_specialists[] = {
	{ .name = "numpy.ndarray",
	  .native = numpy_native,
	  .plan = numpy_plan,
	  .names = numpy_names },
	{ .name = NULL },
};
