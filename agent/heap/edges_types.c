// SPDX-License-Identifier: MIT
/*
 * edges_types - the references of type objects.
 *
 * type_traverse reports some of them (never on static types: it aborts the
 * process); the names, the slots tuple, the shared keys of instances and the
 * subclasses are read here.  Objects/typeobject.c, Include/cpython/object.h.
 */
#include "agent/heap/dicts.h"
#include "agent/heap/edges.h"
#include "agent/heap/instances.h"
#include "agent/heap/tables.h"

/* Fields of a type object in label order; those up to HEAP_FIRST in every type. */
enum {
	FIELD_BASE, FIELD_BASES, FIELD_MRO, FIELD_DICT, FIELD_CACHE, FIELD_SUBCLASSES,
	FIELD_NAME, FIELD_QUALNAME, FIELD_SLOTS, FIELD_MODULE, FIELD_COUNT,
	FIELD_HEAP_FIRST = FIELD_NAME,
};

struct type_shapes {
	uint32_t fixed;
};

static const char *const field_names[FIELD_COUNT] = {
	"__base__", "__bases__", "__mro__", NULL, "tp_cache", "__subclasses__",
	"__name__", "__qualname__", "__slots__", "__module__",
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

/* The names that instances share, owned by the class's key table. */
static void cached_key_refs(struct walk *w, uint64_t keys)
{
	struct dict_table t;

	if (!keys)
		return;
	dict_keys_table(w->lay, keys, &t);
	for (uint64_t i = 0; i < t.nentries; i++) {
		uint64_t key = peek64(t.entries + i * t.stride);

		if (key)
			walk_ref(w, key);
	}
}

static uint32_t shape_of_types(struct walk *w, struct walk_type *type)
{
	struct snap_label labels[FIELD_COUNT + 64];
	struct type_shapes *shapes = type->edges_data;
	uint32_t n = 0;

	if (shapes)
		return shapes->fixed;
	shapes = arena_alloc(w->arena, sizeof(*shapes));
	if (!shapes)
		return 0;
	for (; n < FIELD_COUNT; n++)
		labels[n] = (struct snap_label){
			.kind = field_names[n] ? SNAP_LABEL_ATTR : SNAP_LABEL_DICT,
			.name = field_names[n] ? walk_cstring(w, field_names[n]) : 0 };
	for (uint32_t i = 0; i < type->nslots && i < 64; i++)
		labels[n++] = (struct snap_label){ type->slots[i].kind,
						   type->slots[i].name };
	shapes->fixed = walk_shape(w, labels, n, SNAP_TAIL_OTHER);
	type->edges_data = shapes;
	return shapes->fixed;
}

uint32_t edges_of_type(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	bool heap = !is_static_type(w, obj);
	uint32_t shape = shape_of_types(w, type);

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
	for (uint32_t i = 0; i < type->nslots && i < 64; i++)
		walk_ref(w, heap ? peek64(obj + type->slots[i].offset) : 0);
	if (!heap)
		return shape;
	cached_key_refs(w, peek64(obj + lay->ht_cached_keys));
	walk_traverse(w, type, obj);
	return shape;
}
