/* SPDX-License-Identifier: MIT */
/*
 * edges - the references of an object, labelled.
 *
 * The exact builtin containers have a walker each.  Everything else is put
 * together from three parts, in the order of the shape's labels:
 *
 *	slots	    members and __slots__ of the class and its bases (tp_members), and
 *		    what fields.c knows of C types
 *	attributes  the instance's __dict__, or the values kept outside of one
 *	tail	    the builtin base's items (class C(dict), class C(list) ...), and
 *		    what tp_traverse reports beyond all these
 */
#include <errno.h>
#include <string.h>

#include "agent/heap/core/dicts.h"
#include "agent/heap/object/edges.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/object/names.h"
#include "agent/heap/core/tables.h"

enum { SLOTS_USUAL = 512, LINEAGE_USUAL = 64, LINEAGE_MAX = 100000 };
enum { T_OBJECT = 6, T_OBJECT_EX = 16, RELATIVE_OFFSET = 8 };

/* ---- exact builtin containers ---- */

static uint32_t edges_leaf(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)w, (void)type, (void)obj;
	return 0;
}

static void refs_in_place(struct walk *w, uint64_t items, uint64_t n)
{
	if (n > UINT32_MAX)
		n = UINT32_MAX;
	w->refs_direct = (const uint64_t *)(uintptr_t)items;
	w->nrefs = (uint32_t)n;
	if (w->marking_off)
		return;
	for (uint64_t i = 0; i < n; i++)
		if (w->refs_direct[i])
			walk_mark(w, w->refs_direct[i]);
}

static uint32_t edges_tuple(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	refs_in_place(w, obj + w->lay->tuple_items, peek64(obj + w->lay->head));
	return w->shape_index;
}

static uint32_t edges_list(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	refs_in_place(w, peek64(obj + w->lay->list_items), peek64(obj + w->lay->head));
	return w->shape_index;
}

static void set_items(struct walk *w, uint64_t obj)
{
	uint64_t entry = peek64(obj + w->lay->set_table);
	uint64_t end = entry + (peek64(obj + w->lay->set_mask) + 1) * 16;

	for (; entry < end; entry += 16) {
		uint64_t key = peek64(entry);

		/* a deleted entry holds the dummy, with the hash no object has */
		if (key && peek64(entry + 8) != UINT64_MAX)
			walk_ref(w, key);
	}
}

static uint32_t edges_set(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	set_items(w, obj);
	return w->shape_element;
}

/* Entries {key, value} are pairs already: sent in place, deleted ones as absent. */
static void dict_pairs_in_place(struct walk *w, const struct dict_table *t)
{
	refs_in_place(w, t->entries, t->nentries * 2);
}

static void dict_pairs(struct walk *w, const struct dict_table *t)
{
	uint64_t entry = t->entries, end = entry + t->nentries * t->stride;

	for (; entry < end; entry += t->stride) {
		uint64_t key = peek64(entry), value = peek64(entry + 8);

		if (!key || !value)
			continue;
		walk_ref(w, key);
		walk_ref(w, value);
	}
}

/* The shape of a split dict: values labelled with the shared keys' names. */
static uint32_t split_shape(struct walk *w, const struct dict_table *t)
{
	struct keys_shape *cached = &w->tables->keys[(t->keys >> 4) % TABLES_KEYS_CACHE];
	struct snap_label *labels;
	uint32_t n = (uint32_t)t->nentries;

	if (cached->keys == t->keys && cached->nentries == n)
		return cached->shape;
	labels = arena_alloc(w->arena, (n + 1) * sizeof(*labels));
	if (!labels) {
		walk_check(w, -ENOMEM);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t key = peek64(t->entries + (uint64_t)i * t->stride);

		labels[i] = (struct snap_label){ SNAP_LABEL_VALUE,
						 key ? walk_string_of(w, key) : 0 };
		if (key)
			walk_mark(w, key); /* the class owns it; kept if it is no more */
	}
	cached->shape = walk_shape(w, labels, n, SNAP_TAIL_OTHER);
	cached->keys = t->keys;
	cached->nentries = n;
	return cached->shape;
}

static uint32_t edges_dict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct dict_table t;
	uint32_t shape;

	(void)type;
	dict_table(w->lay, obj, &t);
	if (!t.values) {
		if (t.stride == 16)
			dict_pairs_in_place(w, &t);
		else
			dict_pairs(w, &t);
		return walk_is_interned(w, obj) ? walk_shape(w, NULL, 0, SNAP_TAIL_WEAK) :
						  w->shape_pairs;
	}
	if (t.embedded && !w->lay->dict_owns_embedded) /* the instance shows them */
		return w->shape_pairs;
	shape = split_shape(w, &t);
	for (uint64_t i = 0; i < t.nentries; i++)
		walk_ref(w, peek64(t.values + i * 8));
	return shape;
}

/* An OrderedDict's nodes own a reference to each key besides the table's. */
static void odict_nodes(struct walk *w, uint64_t obj)
{
	uint64_t limit = peek64(obj + w->lay->dict_used);
	uint64_t node = peek64(obj + w->lay->dict_values + 8); /* od_first */

	for (; node && limit; node = peek64(node + 16), limit--) {
		walk_ref(w, peek64(node));
		walk_ref(w, 0);
	}
}

/* ---- everything else ---- */

uint64_t edges_slot(struct walk *w, const struct walk_slot *slot, uint64_t obj)
{
	uint64_t block = obj;

	if (slot->via) {
		block = peek64(obj + slot->via);
		if (!peek_plausible(block) || (block & 7) ||
		    !walk_readable(w, block + slot->offset, 8))
			return 0;
	}
	return peek64(block + slot->offset);
}

static void slot_refs(struct walk *w, const struct walk_type *type, uint64_t obj)
{
	for (uint32_t i = 0; i < type->nslots; i++) {
		const struct walk_slot *slot = &type->slots[i];
		uint64_t ref;

		ref = slot->flags & WALK_SLOT_TRAVERSED ? 0 : edges_slot(w, slot, obj);
		if ((slot->flags & WALK_SLOT_GATE) && !peek8(obj + slot->gate))
			ref = 0;
		if (ref && (slot->flags & WALK_SLOT_CHECK) && !walk_is_object(w, ref))
			ref = 0;
		walk_ref(w, ref);
	}
}

/* The items of the builtin base. True when these are all there is. */
static bool base_refs(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct dict_table t;
	uint64_t items;

	switch (type->kind) {
	case SNAP_KIND_DICT:
		dict_table(w->lay, obj, &t);
		if (!t.values)
			dict_pairs(w, &t);
		break;
	case SNAP_KIND_LIST:
	case SNAP_KIND_TUPLE:
		if (type->tail != SNAP_TAIL_INDEX)
			break; /* a struct sequence */
		items = type->kind == SNAP_KIND_TUPLE ? obj + w->lay->tuple_items :
							peek64(obj + w->lay->list_items);
		for (uint64_t n = peek64(obj + w->lay->head); n; n--, items += 8)
			walk_ref(w, peek64(items));
		break;
	case SNAP_KIND_SET:
		set_items(w, obj);
		break;
	default:
		break;
	}
	if (type->native_base == CPYTHON_ADDR(w->py, odict_type))
		odict_nodes(w, obj);
	return !type->traverse;
}

/* Slots and attributes, in the order of the labels. */
static uint32_t own_refs(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t dict, values;
	uint32_t n;

	slot_refs(w, type, obj);
	if (!type->dictoffset && !type->managed_dict)
		return type->shape;
	dict = instance_attributes(w, type, obj, &values, &n);
	if (!values && !dict)
		return type->shape;
	walk_ref(w, dict);
	if (!values)
		return type->shape_dict;
	for (uint32_t i = 0; i < type->nkeys; i++)
		walk_ref(w, i < n ? peek64(values + i * 8ULL) : 0);
	return type->shape_values;
}

static uint32_t edges_object(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint32_t shape, known, fixed;
	bool again = true;

	do {
		w->nrefs = 0;
		shape = own_refs(w, type, obj);
		fixed = w->nrefs;
		if (base_refs(w, type, obj)) {
			if (type->guess && names_guess(w, type, obj))
				continue;
			return shape;
		}
		known = w->nrefs;
		walk_traverse(w, type, obj);
		names_claim(w, type, obj, 0, known);
		again = (w->nrefs > known && names_learn(w, type, obj, known)) ||
			(type->guess && names_guess(w, type, obj));
	} while (again);
	if (w->nrefs > known && type->rest && known == fixed)
		return names_rest_shape(w, type, shape, known, w->nrefs - known);
	return shape;
}

/* A weak reference: the referent is not owned, the callback is. */
static uint32_t edges_weakref(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t target = peek64(obj + w->lay->head);
	uint32_t shape = edges_object(w, type, obj);

	/* slot 0 is wr_object, see fields.c; a dead one points to None */
	if (type->nslots && target == CPYTHON_ADDR(w->py, none))
		w->refs[0] = 0;
	return shape;
}

/*
 * functools.lru_cache: the wrapper's ring of elements owns each of them, and each
 * owns its key and result (names.c); the wrapper's tp_traverse tells of these as its
 * own.  The wrapper begins with the ring's root, an element itself: {head, prev,
 * next, ...} (_functoolsmodule.c).
 */
static uint32_t lru_links(struct walk *w, uint64_t obj, bool contents)
{
	uint32_t head = w->lay->head, n = 0;
	uint64_t link = peek64(obj + head + 8), before = obj;

	for (; link && link != obj && walk_readable(w, link, head + 40u) &&
	     peek64(link + head) == before && !w->err;
	     n++) {
		walk_ref(w, link);
		if (contents) {
			walk_ref(w, peek64(link + head + 24));
			walk_ref(w, peek64(link + head + 32));
			walk_ref(w, walk_typeof(w, link));
		}
		before = link;
		link = peek64(link + head + 8);
	}
	return n;
}

static uint32_t edges_lru_cache(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint32_t shape = own_refs(w, type, obj), known = w->nrefs, links, rest;

	links = lru_links(w, obj, true);
	rest = w->nrefs;
	walk_traverse(w, type, obj);
	names_claim(w, type, obj, 0, rest);
	if (w->err)
		return shape;
	for (uint32_t i = 0; i < links; i++) /* drops what the elements own */
		w->refs[known + i] = w->refs[known + 4 * i];
	memmove(&w->refs[known + links], &w->refs[rest],
		(w->nrefs - rest) * sizeof(w->refs[0]));
	w->nrefs -= rest - known - links;
	return shape;
}

/* ---- the plan of a type ---- */

/* The slots of a type while they are collected. */
struct slot_list {
	struct walk_slot *slots;
	uint32_t n, capacity;
};

static void add_slot(struct slot_list *list, struct walk_slot slot)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->slots[i].offset == slot.offset &&
		    list->slots[i].via == slot.via)
			return;
	if (list->n < list->capacity)
		list->slots[list->n++] = slot;
}

/* Object members of one class: __slots__, or a C type's tp_members. */
static void add_members(struct walk *w, struct walk_type *type, uint64_t class_,
			struct slot_list *list)
{
	uint64_t member = peek64(class_ + w->lay->tp_members);

	for (; member && peek64(member); member += 40) {
		uint32_t kind = peek32(member + 8);
		uint64_t offset = peek64(member + 16);
		const char *name = peek_ptr(peek64(member));

		if ((kind != T_OBJECT && kind != T_OBJECT_EX) ||
		    offset > type->basicsize + 8192 ||
		    (type->dictoffset > 0 && offset == (uint64_t)type->dictoffset) ||
		    (peek32(member + 24) & RELATIVE_OFFSET))
			continue;
		add_slot(list,
			 (struct walk_slot){ .offset = (uint32_t)offset,
					     .kind = SNAP_LABEL_ATTR,
					     .name = walk_cstring(w, name) });
	}
}

/* A class with its bases, itself first, and a bound of its members. */
struct lineage {
	uint64_t *chain;
	uint32_t depth, members;
};

static void measure(const struct walk *w, const struct walk_type *type,
		    struct lineage *ret)
{
	for (uint64_t c = type->addr; c && ret->depth < LINEAGE_MAX;
	     c = peek64(c + w->lay->tp_base), ret->depth++)
		for (uint64_t m = peek64(c + w->lay->tp_members); m && peek64(m); m += 40)
			ret->members++;
}

/* Base first, so that a subclass's labels begin like its base's. */
static void collect_from(struct walk *w, struct walk_type *type, struct lineage *from,
			 struct slot_list *list)
{
	uint32_t depth = 0;

	for (uint64_t c = type->addr; c && depth < from->depth;
	     c = peek64(c + w->lay->tp_base))
		from->chain[depth++] = c;
	while (depth-- > 0) {
		uint64_t class_ = from->chain[depth];

		if (class_ == CPYTHON_ADDR(w->py, type_type))
			continue;
		fields_add(w, type, class_, list->slots, &list->n, list->capacity);
		add_members(w, type, class_, list);
		names_add(w, type, class_, list->slots, &list->n, list->capacity);
	}
}

/* Nearly all types fit what lies on the stack; what is larger stays in the arena. */
static void collect_slots(struct walk *w, struct walk_type *type)
{
	struct walk_slot slots[SLOTS_USUAL];
	uint64_t chain[LINEAGE_USUAL];
	struct lineage from = { .chain = chain };
	struct slot_list list = { slots, 0, SLOTS_USUAL };

	measure(w, type, &from);
	if (from.depth > LINEAGE_USUAL)
		from.chain = arena_alloc(w->arena, from.depth * sizeof(*chain));
	if (from.members > SLOTS_USUAL / 2) {
		list.capacity = from.members + SLOTS_USUAL;
		if (list.capacity > SNAP_SHAPE_MAX / 2)
			list.capacity = SNAP_SHAPE_MAX / 2;
		list.slots = arena_alloc(w->arena, list.capacity * sizeof(*slots));
	}
	if (from.chain && list.slots) {
		collect_from(w, type, &from, &list);
		type->slots = arena_alloc(w->arena, (list.n + 1) * sizeof(*slots));
	}
	if (!type->slots) {
		walk_check(w, -ENOMEM);
		return;
	}
	memcpy(type->slots, list.slots, list.n * sizeof(*slots));
	type->nslots = list.n;
}

/* Struct sequences (time.struct_time): members name items of the tuple itself. */
static void fold_structseq(struct walk *w, struct walk_type *type)
{
	uint32_t last = 0, first = w->lay->tuple_items;
	struct walk_slot *slots;

	for (uint32_t i = 0; i < type->nslots; i++)
		if (type->slots[i].offset >= first && type->slots[i].offset >= last)
			last = type->slots[i].offset;
	if (!last)
		return;
	slots = arena_alloc(w->arena, ((last - first) / 8 + 1) * sizeof(*slots));
	if (!slots) {
		walk_check(w, -ENOMEM);
		return;
	}
	for (uint32_t at = first; at <= last; at += 8) {
		struct walk_slot *slot = &slots[(at - first) / 8];

		*slot = (struct walk_slot){ .offset = at, .kind = SNAP_LABEL_OTHER };
		for (uint32_t i = 0; i < type->nslots; i++)
			if (type->slots[i].offset == at)
				*slot = type->slots[i];
	}
	type->slots = slots;
	type->nslots = (last - first) / 8 + 1;
	type->tail = SNAP_TAIL_OTHER;
}

void edges_plan_shapes(struct walk *w, struct walk_type *type)
{
	uint32_t n = type->nslots;
	struct snap_label *labels =
		arena_alloc(w->arena, (n + type->nkeys + 2) * sizeof(*labels));
	struct dict_table t;

	if (!labels) {
		walk_check(w, -ENOMEM);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		labels[i] =
			(struct snap_label){ type->slots[i].kind, type->slots[i].name };
	type->shape = walk_shape(w, labels, n, type->tail);
	labels[n].kind = SNAP_LABEL_DICT;
	if (type->dictoffset || type->managed_dict)
		type->shape_dict = walk_shape(w, labels, n + 1, type->tail);
	if (!type->managed_dict || !type->cached_keys)
		return;
	dict_keys_table(w->lay, type->cached_keys, &t);
	for (uint32_t i = 0; i < type->nkeys; i++) {
		uint64_t key = peek64(t.entries + (uint64_t)i * t.stride);

		labels[n + 1 + i] =
			(struct snap_label){ SNAP_LABEL_ATTR,
					     key ? walk_string_of(w, key) : 0 };
	}
	type->shape_values = walk_shape(w, labels, n + 1 + type->nkeys, type->tail);
}

/* Bases whose references the slots and tail tell completely: no tp_traverse needed. */
static bool base_complete(struct walk *w, struct walk_type *type)
{
	const struct cpython_symbols *s = &w->py->sym;
	const void *const complete[] = {
		s->object_type,	      s->dict_type,	s->odict_type,
		s->list_type,	      s->tuple_type,	s->set_type,
		s->frozenset_type,    s->function_type, s->cell_type,
		s->method_type,	      s->weakref_type,	s->weakproxy_type,
		s->weakcallable_type,
	};

	for (size_t i = 0; i < sizeof(complete) / sizeof(complete[0]); i++)
		if (complete[i] && type->native_base == (uintptr_t)complete[i])
			return true;
	return !strcmp(type->name_text, "collections.defaultdict");
}

static void plan_tail(struct walk_type *type)
{
	switch (type->kind) {
	case SNAP_KIND_DICT:
		type->tail = SNAP_TAIL_PAIRS;
		break;
	case SNAP_KIND_LIST:
	case SNAP_KIND_TUPLE:
		type->tail = SNAP_TAIL_INDEX;
		break;
	case SNAP_KIND_SET:
		type->tail = SNAP_TAIL_ELEMENT;
		break;
	default:
		type->tail = SNAP_TAIL_OTHER;
		break;
	}
}

static walk_edges_fn *edges_exact(const struct walk_type *type)
{
	if (!type->exact)
		return NULL;
	switch (type->kind) {
	case SNAP_KIND_DICT:
		return edges_dict;
	case SNAP_KIND_LIST:
		return edges_list;
	case SNAP_KIND_TUPLE:
		return edges_tuple;
	case SNAP_KIND_SET:
		return edges_set;
	case SNAP_KIND_INT:
	case SNAP_KIND_BOOL:
	case SNAP_KIND_FLOAT:
	case SNAP_KIND_STR:
	case SNAP_KIND_BYTES:
	case SNAP_KIND_BYTEARRAY:
	case SNAP_KIND_NONE:
		return edges_leaf;
	default:
		return NULL;
	}
}

void edges_plan(struct walk *w, struct walk_type *type)
{
	type->edges = edges_exact(type);
	if (!strcmp(type->name_text, "builtins.frozendict"))
		type->edges = edges_dict; /* 3.15+: a dict's structure, then a hash */
	if (type->edges)
		return;
	plan_tail(type);
	type->guess = names_must_guess(w, type);
	collect_slots(w, type);
	if (type->kind == SNAP_KIND_TUPLE)
		fold_structseq(w, type);
	if (base_complete(w, type))
		type->traverse = 0;
	if (type->kind == SNAP_KIND_DEQUE)
		type->tail = SNAP_TAIL_INDEX;
	edges_plan_shapes(w, type);
	if (type->kind == SNAP_KIND_TYPE)
		type->edges = edges_of_type;
	else if (cpython_since(w->py, 7) &&
		 !strcmp(type->name_text, "functools._lru_cache_wrapper"))
		type->edges = edges_lru_cache;
	else if (type->kind == SNAP_KIND_WEAKREF)
		type->edges = edges_weakref;
	else
		type->edges = edges_object;
}
