/* SPDX-License-Identifier: MIT */
/* size_plan - see size_plan.h. */
#include "agent/heap/object/size_plan.h"

#include <string.h>

#include "agent/heap/core/specialist.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/object/size_call.h"
#include "agent/heap/object/sizes.h"
#include "agent/python/call.h"
#include "agent/python/type.h"

/*
 * Where the method may not be called: only of types known to have one does the
 * word after the head count items; in others (generators, code) it is a pointer.
 */
static uint64_t size_plan_approx(struct walk *w, struct walk_type *type, uint64_t obj)
{
	if (type->kind == SNAP_KIND_TUPLE || type->kind == SNAP_KIND_BYTES ||
	    type->kind == SNAP_KIND_INT)
		return instances_body(w, type, obj);
	return type->basicsize;
}

struct size_row {
	size_t symbol; /* of the class that owns __sizeof__ */
	walk_size_fn *size;
	uint32_t part; /* of the layout, by which it counts: enum layout_parts */
};

#define SIZE(field, fn, part) \
	{ \
		offsetof(struct cpython_symbols, field), fn, part \
	}
static const struct size_row size_rows[] = {
	SIZE(object_type, sizes_object, 0),
	SIZE(long_type, sizes_int, LAYOUT_INT),
	SIZE(unicode_type, sizes_str, LAYOUT_STR),
	SIZE(list_type, sizes_list, LAYOUT_LIST),
	SIZE(dict_type, sizes_dict, LAYOUT_DICT),
	SIZE(odict_type, sizes_odict, LAYOUT_DICT),
	SIZE(set_type, sizes_set, LAYOUT_SET),
	SIZE(frozenset_type, sizes_set, LAYOUT_SET),
	SIZE(type_type, sizes_type, LAYOUT_DICT),
	SIZE(bytearray_type, sizes_bytearray, 0),
};

static walk_size_fn *size_plan_formula(const struct walk *w, const struct walk_type *type,
				       uint64_t owner)
{
	const struct specialist *special = type->specialist;

	for (size_t i = 0; i < sizeof(size_rows) / sizeof(size_rows[0]); i++) {
		uint64_t addr;

		memcpy(&addr, (const char *)&w->py->sym + size_rows[i].symbol,
		       sizeof(addr));
		if (addr == owner && !(w->lay->unknown & size_rows[i].part) &&
		    !(size_rows[i].size == sizes_bytearray && w->lay->bytearray_in_bytes))
			return size_rows[i].size;
	}
	return special && type->special_base == owner ? special->size : NULL;
}

static void size_plan_set_prefix(struct walk *w, struct walk_type *type)
{
	const struct layout *lay = w->lay;
	const bool gc = type->tp_flags & TYPE_HAVE_GC;
	const bool weakref =
		lay->weakref_prefix && (type->tp_flags & TYPE_MANAGED_WEAKREF);

	type->prefix = gc ? lay->gc_head : 0;
	if (lay->size_rule == LAYOUT_PREFIX_TRACKABLE) {
		type->prefix_asks = gc && type->is_gc;
		return;
	}
	if ((type->tp_flags & TYPE_MANAGED_DICT) || weakref)
		type->prefix += 16;
	type->prefix_asks = lay->size_rule == LAYOUT_PREFIX_NOT_STATIC &&
		type->addr == CPYTHON_ADDR(w->py, type_type);
}

/* Of type objects tp_is_gc says just that (type_is_gc, Objects/typeobject.c). */
uint32_t size_plan_prefix(const struct walk *w, const struct walk_type *type,
			  uint64_t obj)
{
	if (!type->prefix_asks)
		return type->prefix;
	if (w->lay->size_rule == LAYOUT_PREFIX_TRACKABLE && type->kind != SNAP_KIND_TYPE)
		return call_is_gc(type->is_gc, obj) ? type->prefix : 0;
	return type_is_heap(w->lay, obj) ? type->prefix : 0;
}

void size_plan(struct walk *w, struct walk_type *type, uint64_t name_sizeof)
{
	uint64_t owner = 0, method, def = 0;

	size_plan_set_prefix(w, type);
	type->size = sizes_object;
	method = type_lookup(w->py, type->addr, name_sizeof, &owner);
	if (!method && w->lay->unknown & LAYOUT_DICT) /* C types tell it without one */
		method = def = type_c_method(w->py, type->addr, "__sizeof__", &owner);
	if (method) {
		walk_size_fn *formula = size_plan_formula(w, type, owner);

		if (formula) {
			type->size = formula;
			return;
		}
		if (!def)
			def = size_call_definition(w, method);
		if (size_call_plan(w, type, def, owner))
			return;
	}
	type->size = size_plan_approx;
	type->size_approx = true;
	type->flags |= SNAP_TYPE_APPROX;
}
