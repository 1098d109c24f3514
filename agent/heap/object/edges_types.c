/* SPDX-License-Identifier: MIT */
/*
 * edges_types - the references of type objects.
 *
 * type_traverse reports some of them (never on static types: it aborts the
 * process); the names, the slots tuple, the shared keys of instances and the
 * subclasses are read here.  Objects/typeobject.c, Include/cpython/object.h.
 */
#include "agent/heap/object/edges_types.h"

#include "agent/heap/core/references.h"
#include "agent/heap/core/shapes.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/object/names.h"
#include "agent/python/dict.h"
#include "agent/python/type.h"

/* Fields of a type object in label order; those up to HEAP_FIRST in every type. */
enum {
	FIELD_BASE,
	FIELD_BASES,
	FIELD_MRO,
	FIELD_DICT,
	FIELD_CACHE,
	FIELD_SUBCLASSES,
	FIELD_NAME,
	FIELD_QUALNAME,
	FIELD_SLOTS,
	FIELD_MODULE,
	FIELD_COUNT,
	FIELD_HEAP_FIRST = FIELD_NAME,
};

enum { SLOTS_SHOWN = 64, KEYS_SHOWN = 128 };

/* Of the types of one metatype: by how many names their instances share. */
struct type_shapes {
	uint32_t shape[KEYS_SHOWN + 1]; /* 0 = not made yet */
	uint32_t borrows;		/* of static types that do not own __base__ */
};

static const char *const field_names[FIELD_COUNT] = {
	"__base__",	  "__bases__", "__mro__",      NULL,	    "tp_cache",
	"__subclasses__", "__name__",  "__qualname__", "__slots__", "__module__",
};

static bool edges_types_static(const struct walk *w, uint64_t type)
{
	return !type_is_heap(w->lay, type);
}

/* The names that instances share, owned by the class's key table: how many. */
static uint32_t edges_types_keys(struct walk *w, uint64_t keys)
{
	struct dict_table t;
	uint32_t n = 0;

	if (!keys || w->lay->unknown & LAYOUT_DICT)
		return 0;
	dict_keys_table(w->lay, keys, &t);
	for (uint64_t i = 0; i < t.nentries; i++) {
		uint64_t key = peek64(t.entries + i * t.stride);

		if (key) {
			references_add(w, key);
			n++;
		}
	}
	return n;
}

static uint32_t edges_types_make_shape(struct walk *w, const struct walk_type *type,
				       uint32_t keys, bool borrows)
{
	struct snap_label labels[FIELD_COUNT + SLOTS_SHOWN + KEYS_SHOWN];
	uint32_t n = 0, shared = strings_add_text(w, "shared attribute name");

	for (; n < FIELD_COUNT; n++)
		labels[n] = (struct snap_label){
			.kind = field_names[n] ? SNAP_LABEL_ATTR : SNAP_LABEL_DICT,
			.name = field_names[n] ? strings_add_text(w, field_names[n]) : 0
		};
	if (borrows)
		labels[FIELD_BASE].kind = SNAP_LABEL_WEAK;
	for (uint32_t i = 0; i < type->nslots && i < SLOTS_SHOWN; i++)
		labels[n++] =
			(struct snap_label){ type->slots[i].kind, type->slots[i].name };
	while (keys--)
		labels[n++] = (struct snap_label){ SNAP_LABEL_OTHER, shared };
	return shapes_add(w, labels, n, SNAP_TAIL_OTHER);
}

/*
 * A static type's tp_base is a C initialiser, which counts nothing; PyType_Ready fills
 * in object where there is none, and counted that up to 3.9 (Objects/typeobject.c).
 */
static bool edges_types_borrows(const struct walk *w, uint64_t type)
{
	return edges_types_static(w, type) &&
		(w->lay->static_base_borrowed ||
		 peek64(type + w->lay->tp_base) != CPYTHON_ADDR(w->py, object_type));
}

static uint32_t edges_types_shape(struct walk *w, struct walk_type *type, uint32_t keys,
				  bool borrows)
{
	struct type_shapes *shapes = type->type_shapes;
	uint32_t *shape;

	if (!shapes)
		shapes = type->type_shapes = context_alloc(w, sizeof(*shapes));
	if (!shapes)
		return 0;
	if (keys > KEYS_SHOWN)
		keys = KEYS_SHOWN;
	shape = borrows ? &shapes->borrows : &shapes->shape[keys];
	if (!*shape)
		*shape = edges_types_make_shape(w, type, borrows ? 0 : keys, borrows);
	return *shape;
}

/* Fields that a metatype's own slots tell of: the class's, when it is a heap type. */
static void edges_types_slots(struct walk *w, const struct walk_type *type, uint64_t obj)
{
	for (uint32_t i = 0; i < type->nslots && i < SLOTS_SHOWN; i++) {
		const struct walk_slot *slot = &type->slots[i];

		references_add(w,
			       edges_types_static(w, obj) || slot->flags ?
				       0 :
				       references_slot(w, slot, obj));
	}
}

uint32_t edges_types_of(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	const bool heap = !edges_types_static(w, obj);
	const bool named = heap && lay->ht_name; /* where the names are, is known */
	uint32_t keys, known;

again:
	w->nrefs = 0;
	references_add(w, peek64(obj + lay->tp_base));
	references_add(w, peek64(obj + lay->tp_bases));
	references_add(w, peek64(obj + lay->tp_mro));
	references_add(w, type_dict(lay, obj));
	references_add(w, peek64(obj + lay->tp_cache));
	references_add(w, type_subclasses(lay, obj));
	references_add(w, named ? peek64(obj + lay->ht_name) : 0);
	references_add(w, named ? peek64(obj + lay->ht_qualname) : 0);
	references_add(w, named ? peek64(obj + lay->ht_slots) : 0);
	references_add(w, heap && lay->ht_module ? peek64(obj + lay->ht_module) : 0);
	edges_types_slots(w, type, obj);
	if (!heap)
		return edges_types_shape(w, type, 0, edges_types_borrows(w, obj));
	keys = edges_types_keys(w, peek64(obj + lay->ht_cached_keys));
	known = w->nrefs;
	references_traverse(w, type, obj);
	names_claim(w, type, obj, FIELD_COUNT, known);
	if (w->nrefs > known && type->nslots < SLOTS_SHOWN - 8 &&
	    names_learn(w, type, obj, known)) {
		type->type_shapes = NULL; /* shapes of fewer slots */
		goto again;
	}
	return edges_types_shape(w, type, keys, false);
}
