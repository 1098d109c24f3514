/* SPDX-License-Identifier: MIT */
/* fortran - see fortran.h. */
#include "agent/heap/extension/fortran.h"

#include "agent/heap/core/references.h"
#include "agent/heap/core/shapes.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/python/dict.h"

enum {
	FORTRAN_BYTES = 24, /* {int len; FortranDataDef *defs; PyObject *dict;} */
	FORTRAN_DICT = 16,
	FORTRAN_LEAKED = 2 /* references to a name: the dict's, and that one */
};

static uint64_t fortran_leaked_name(struct walk *w, uint64_t dict)
{
	const uint64_t name = dict_get(w->lay, dict, "__name__");
	uint64_t count = 0;

	return name && sound_object(w, name) &&
			object_type(w->lay, name) == CPYTHON_ADDR(w->py, unicode_type) &&
			object_count(w->lay, name, &count) == OBJECT_COUNTED &&
			count == FORTRAN_LEAKED ?
		name :
		0;
}

static uint32_t fortran_edges(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const uint64_t dict = peek64(obj + w->lay->head + FORTRAN_DICT);

	if (!sound_object(w, dict) ||
	    object_type(w->lay, dict) != CPYTHON_ADDR(w->py, dict_type))
		return type->others(w, type, obj);
	const uint64_t name = fortran_leaked_name(w, dict);
	const struct snap_label labels[] = {
		{ SNAP_LABEL_ATTR, strings_add_text(w, "dict") },
		{ SNAP_LABEL_OTHER, name ? strings_add_text(w, "leaked by f2py") : 0 },
	};

	references_add(w, dict);
	if (name)
		references_add(w, name);
	return shapes_add(w, labels, name ? 2 : 1, SNAP_TAIL_OTHER);
}

static void fortran_plan(struct walk *w, struct walk_type *type)
{
	if (type->opaque || !type->edges ||
	    type->basicsize - w->lay->head != FORTRAN_BYTES)
		return;
	type->others = type->edges;
	type->edges = fortran_edges;
}

const struct specialist fortran_specialists[] = {
	{ .name = "fortran", .plan = fortran_plan },
	{ .name = NULL },
};
