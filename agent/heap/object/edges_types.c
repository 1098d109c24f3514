/* SPDX-License-Identifier: MIT */
/*
 * edges_types - the references of type objects.
 *
 * type_traverse reports some of them (never on static types: it aborts the
 * process); the names, the slots tuple, the shared keys of instances and the
 * subclasses are read here.  Objects/typeobject.c, Include/cpython/object.h.
 */
#include <errno.h>

#include "agent/heap/core/dicts.h"
#include "agent/heap/object/edges.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/object/names.h"
#include "agent/heap/core/tables.h"

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

/* An entry of the interpreter's array for static builtin types, or 0 (3.12+). */
static uint64_t static_entry(const struct walk *w, uint64_t type)
{
	const struct layout *lay = w->lay;
	uint64_t index = peek64(type + lay->tp_subclasses), at;

	if (!lay->static_types || !index || index > 65535)
		return 0;
	at = lay->static_types + (index - 1) * lay->static_stride;
	return peek64(at) == type ? at : 0;
}

static bool is_static_type(const struct walk *w, uint64_t type)
{
	return !(peek64(type + w->lay->tp_flags) >> 9 & 1);
}

uint64_t walk_type_dict(const struct walk *w, uint64_t type)
{
	uint64_t dict = peek64(type + w->lay->tp_dict), entry;

	if (dict || !is_static_type(w, type))
		return dict;
	entry = static_entry(w, type);
	return entry ? peek64(entry + w->lay->static_dict) : 0;
}

static uint64_t subclasses(const struct walk *w, uint64_t type)
{
	uint64_t word = peek64(type + w->lay->tp_subclasses), entry;

	if (word > 65535)
		return word;
	entry = is_static_type(w, type) ? static_entry(w, type) : 0;
	return entry ? peek64(entry + w->lay->static_subclasses) : 0;
}

/* The names that instances share, owned by the class's key table: how many. */
static uint32_t cached_key_refs(struct walk *w, uint64_t keys)
{
	struct dict_table t;
	uint32_t n = 0;

	if (!keys)
		return 0;
	dict_keys_table(w->lay, keys, &t);
	for (uint64_t i = 0; i < t.nentries; i++) {
		uint64_t key = peek64(t.entries + i * t.stride);

		if (key) {
			walk_ref(w, key);
			n++;
		}
	}
	return n;
}

static uint32_t make_shape(struct walk *w, const struct walk_type *type, uint32_t keys,
			   bool borrows)
{
	struct snap_label labels[FIELD_COUNT + SLOTS_SHOWN + KEYS_SHOWN];
	uint32_t n = 0, shared = walk_cstring(w, "shared attribute name");

	for (; n < FIELD_COUNT; n++)
		labels[n] = (struct snap_label){
			.kind = field_names[n] ? SNAP_LABEL_ATTR : SNAP_LABEL_DICT,
			.name = field_names[n] ? walk_cstring(w, field_names[n]) : 0
		};
	if (borrows)
		labels[FIELD_BASE].kind = SNAP_LABEL_WEAK;
	for (uint32_t i = 0; i < type->nslots && i < SLOTS_SHOWN; i++)
		labels[n++] =
			(struct snap_label){ type->slots[i].kind, type->slots[i].name };
	while (keys--)
		labels[n++] = (struct snap_label){ SNAP_LABEL_OTHER, shared };
	return walk_shape(w, labels, n, SNAP_TAIL_OTHER);
}

/*
 * A static type's tp_base is a C initialiser, which counts nothing; PyType_Ready fills
 * in object where there is none, and counted that up to 3.9 (Objects/typeobject.c).
 */
static bool borrows_base(const struct walk *w, uint64_t type)
{
	return is_static_type(w, type) &&
		(cpython_since(w->py, 10) ||
		 peek64(type + w->lay->tp_base) != CPYTHON_ADDR(w->py, object_type));
}

static uint32_t shape_of_types(struct walk *w, struct walk_type *type, uint32_t keys,
			       bool borrows)
{
	struct type_shapes *shapes = type->edges_data;
	uint32_t *shape;

	if (!shapes)
		shapes = type->edges_data = arena_alloc(w->arena, sizeof(*shapes));
	if (!shapes) {
		walk_check(w, -ENOMEM);
		return 0;
	}
	if (keys > KEYS_SHOWN)
		keys = KEYS_SHOWN;
	shape = borrows ? &shapes->borrows : &shapes->shape[keys];
	if (!*shape)
		*shape = make_shape(w, type, borrows ? 0 : keys, borrows);
	return *shape;
}

/* Fields that a metatype's own slots tell of: the class's, when it is a heap type. */
static void slot_refs(struct walk *w, const struct walk_type *type, uint64_t obj)
{
	for (uint32_t i = 0; i < type->nslots && i < SLOTS_SHOWN; i++) {
		const struct walk_slot *slot = &type->slots[i];

		walk_ref(w,
			 is_static_type(w, obj) || slot->flags ?
				 0 :
				 edges_slot(w, slot, obj));
	}
}

uint32_t edges_of_type(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	bool heap = !is_static_type(w, obj);
	uint32_t keys, known;

again:
	w->nrefs = 0;
	walk_ref(w, peek64(obj + lay->tp_base));
	walk_ref(w, peek64(obj + lay->tp_bases));
	walk_ref(w, peek64(obj + lay->tp_mro));
	walk_ref(w, walk_type_dict(w, obj));
	walk_ref(w, peek64(obj + lay->tp_cache));
	walk_ref(w, subclasses(w, obj));
	walk_ref(w, heap ? peek64(obj + lay->ht_name) : 0);
	walk_ref(w, heap ? peek64(obj + lay->ht_qualname) : 0);
	walk_ref(w, heap ? peek64(obj + lay->ht_slots) : 0);
	walk_ref(w, heap && lay->ht_module ? peek64(obj + lay->ht_module) : 0);
	slot_refs(w, type, obj);
	if (!heap)
		return shape_of_types(w, type, 0, borrows_base(w, obj));
	keys = cached_key_refs(w, peek64(obj + lay->ht_cached_keys));
	known = w->nrefs;
	walk_traverse(w, type, obj);
	names_claim(w, type, obj, FIELD_COUNT, known);
	if (w->nrefs > known && type->nslots < SLOTS_SHOWN - 8 &&
	    names_learn(w, type, obj, known)) {
		type->edges_data = NULL; /* shapes of fewer slots */
		goto again;
	}
	return shape_of_types(w, type, keys, false);
}
