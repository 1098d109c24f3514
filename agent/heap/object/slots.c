/* SPDX-License-Identifier: MIT */
/* slots - see slots.h. */
#include "agent/heap/object/slots.h"

#include <string.h>

#include "agent/heap/core/shapes.h"
#include "agent/heap/core/strings.h"
#include "agent/python/dict.h"
#include "agent/python/fields.h"
#include "agent/python/names_table.h"
#include "agent/python/type.h"

enum { SLOTS_USUAL = 512, SLOTS_LINEAGE_USUAL = 64, SLOTS_LINEAGE_MAX = 100000 };

/* struct PyMemberDef {name, int type, offset, int flags, doc}, in all versions. */
enum {
	SLOTS_MEMBER = 40,
	SLOTS_MEMBER_TYPE = 8,
	SLOTS_MEMBER_OFFSET = 16,
	SLOTS_MEMBER_FLAGS = 24,
	SLOTS_OBJECT = 6,	   /* T_OBJECT */
	SLOTS_OBJECT_EX = 16,	   /* T_OBJECT_EX */
	SLOTS_RELATIVE = 8,	   /* Py_RELATIVE_OFFSET */
	SLOTS_OFFSET_SLACK = 8192, /* members of metaclasses lie behind the basic size */
};

_Static_assert((int)FIELD_CHECK == (int)WALK_SLOT_CHECK &&
		       (int)FIELD_GATE == (int)WALK_SLOT_GATE,
	       "the tables' flags are those of slots");

/* The slots of a type while they are collected. */
struct slot_list {
	struct walk_slot *slots;
	uint32_t n, capacity;
};

static void slots_add(struct slot_list *list, struct walk_slot slot)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->slots[i].offset == slot.offset &&
		    list->slots[i].via == slot.via)
			return;
	if (list->n < list->capacity)
		list->slots[list->n++] = slot;
}

/* ---- from the type object ---- */

/* Object members of one class: __slots__, or a C type's tp_members. */
static void slots_add_members(struct walk *w, struct walk_type *type, uint64_t class_,
			      struct slot_list *list)
{
	uint64_t member = peek64(class_ + w->lay->tp_members);

	for (; member && peek64(member); member += SLOTS_MEMBER) {
		uint32_t kind = peek32(member + SLOTS_MEMBER_TYPE);
		uint64_t offset = peek64(member + SLOTS_MEMBER_OFFSET);
		const char *name = peek_text(peek64(member));

		if ((kind != SLOTS_OBJECT && kind != SLOTS_OBJECT_EX) ||
		    offset > type->basicsize + SLOTS_OFFSET_SLACK ||
		    (type->dictoffset > 0 && offset == (uint64_t)type->dictoffset) ||
		    (peek32(member + SLOTS_MEMBER_FLAGS) & SLOTS_RELATIVE))
			continue;
		slots_add(list,
			  (struct walk_slot){ .offset = (uint32_t)offset,
					      .kind = SNAP_LABEL_ATTR,
					      .name = strings_add_text(w, name) });
	}
}

/* ---- from the tables ---- */

static void slots_add_fields(struct walk *w, const char *name, struct slot_list *list)
{
	const uint32_t extra = object_extra(w->lay);
	const struct field_row *row = NULL;

	while ((row = fields_next(w->py, name, row)))
		slots_add(list,
			  (struct walk_slot){
				  .offset = row->offset + extra,
				  .kind = row->kind,
				  .flags = row->flags |
					  (w->lay->newer ? WALK_SLOT_CHECK : 0),
				  .gate = row->gate ? (uint8_t)(row->gate + extra) : 0,
				  .name = row->name ? strings_add_text(w, row->name) : 0,
			  });
}

static struct walk_slot slots_of_field(struct walk *w, const struct names_field *field)
{
	const uint32_t extra = object_extra(w->lay);
	const bool doubtful = field->hidden || field->borrowed;

	return (struct walk_slot){
		.offset = field->offset + (field->via ? 0 : extra),
		.via = field->via ? (uint16_t)(field->via + extra) : 0,
		.kind = field->borrowed ? SNAP_LABEL_WEAK : SNAP_LABEL_ATTR,
		.flags = doubtful ? WALK_SLOT_CHECK : WALK_SLOT_TRAVERSED,
		.name = strings_add(w, field->name, field->size),
	};
}

static void slots_set_rest(struct walk *w, struct walk_type *type, const char *rest)
{
	if (type->tail != SNAP_TAIL_OTHER)
		return;
	if (!strcmp(rest, "[]"))
		type->tail = SNAP_TAIL_INDEX;
	else if (!strcmp(rest, "{}"))
		type->tail = SNAP_TAIL_ELEMENT;
	else
		type->rest = strings_add_text(w, rest);
}

static void slots_add_names(struct walk *w, struct walk_type *type, const char *name,
			    struct slot_list *list)
{
	const struct names_row *row = NULL;
	struct names_field field;

	while ((row = names_table_next(w->py, name, row))) {
		type->guess = false; /* the table knows them all */
		for (const char *at = row->fields; *at;) {
			at = names_table_field(at, &field);
			slots_add(list, slots_of_field(w, &field));
		}
		if (row->rest)
			slots_set_rest(w, type, row->rest);
	}
}

/* ---- all of them ---- */

/* A class with its bases, itself first, and a bound of its members. */
struct lineage {
	uint64_t *chain;
	uint32_t depth, members;
};

static void slots_measure(const struct walk *w, const struct walk_type *type,
			  struct lineage *ret)
{
	for (uint64_t c = type->addr; c && ret->depth < SLOTS_LINEAGE_MAX;
	     c = peek64(c + w->lay->tp_base), ret->depth++)
		for (uint64_t m = peek64(c + w->lay->tp_members); m && peek64(m);
		     m += SLOTS_MEMBER)
			ret->members++;
}

/* What one class of the lineage adds. */
static void slots_add_class(struct walk *w, struct walk_type *type, uint64_t class_,
			    struct slot_list *list)
{
	/* a class made by a class statement may have any name */
	const bool known = !type_is_traversed_as_python(w->lay, class_);
	const char *name = type_c_name(w->lay, class_);
	char buf[64];

	if (known)
		slots_add_fields(w, name, list);
	slots_add_members(w, type, class_, list);
	if (known)
		slots_add_names(w, type, w->hooks->alias(w, name, buf, sizeof(buf)),
				list);
}

/* Base first, so that a subclass's labels begin like its base's. */
static void slots_collect_from(struct walk *w, struct walk_type *type,
			       struct lineage *from, struct slot_list *list)
{
	uint32_t depth = 0;

	for (uint64_t c = type->addr; c && depth < from->depth;
	     c = peek64(c + w->lay->tp_base))
		from->chain[depth++] = c;
	while (depth-- > 0) {
		uint64_t class_ = from->chain[depth];

		if (class_ == CPYTHON_ADDR(w->py, type_type))
			continue;
		slots_add_class(w, type, class_, list);
	}
}

/* Nearly all types fit what lies on the stack; what is larger stays in the arena. */
void slots_collect(struct walk *w, struct walk_type *type)
{
	struct walk_slot slots[SLOTS_USUAL];
	uint64_t chain[SLOTS_LINEAGE_USUAL];
	struct lineage from = { .chain = chain };
	struct slot_list list = { slots, 0, SLOTS_USUAL };

	slots_measure(w, type, &from);
	if (from.depth > SLOTS_LINEAGE_USUAL)
		from.chain = arena_alloc(w->arena, from.depth * sizeof(*chain));
	if (from.members > SLOTS_USUAL / 2) {
		list.capacity = from.members + SLOTS_USUAL;
		if (list.capacity > SNAP_SHAPE_MAX / 2)
			list.capacity = SNAP_SHAPE_MAX / 2;
		list.slots = arena_alloc(w->arena, list.capacity * sizeof(*slots));
	}
	if (from.chain && list.slots) {
		slots_collect_from(w, type, &from, &list);
		type->slots = arena_alloc(w->arena, (list.n + 1) * sizeof(*slots));
	}
	if (!type->slots) {
		context_check(w, -ENOMEM);
		return;
	}
	memcpy(type->slots, list.slots, list.n * sizeof(*slots));
	type->nslots = list.n;
}

/* Struct sequences (time.struct_time): members name items of the tuple itself. */
void slots_fold_structseq(struct walk *w, struct walk_type *type)
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
		context_check(w, -ENOMEM);
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

void slots_shapes(struct walk *w, struct walk_type *type)
{
	uint32_t n = type->nslots;
	struct snap_label *labels =
		arena_alloc(w->arena, (n + type->nkeys + 2) * sizeof(*labels));
	struct dict_table t;

	if (!labels) {
		context_check(w, -ENOMEM);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		labels[i] =
			(struct snap_label){ type->slots[i].kind, type->slots[i].name };
	type->shape = shapes_add(w, labels, n, type->tail);
	labels[n].kind = SNAP_LABEL_DICT;
	if (type->dictoffset || type->managed_dict)
		type->shape_dict = shapes_add(w, labels, n + 1, type->tail);
	if (!type->managed_dict || !type->cached_keys)
		return;
	dict_keys_table(w->lay, type->cached_keys, &t);
	for (uint32_t i = 0; i < type->nkeys; i++) {
		uint64_t key = peek64(t.entries + (uint64_t)i * t.stride);

		labels[n + 1 + i] =
			(struct snap_label){ SNAP_LABEL_ATTR,
					     key ? strings_add_object(w, key) : 0 };
	}
	type->shape_values = shapes_add(w, labels, n + 1 + type->nkeys, type->tail);
}
