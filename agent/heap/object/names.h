/* SPDX-License-Identifier: MIT */
/*
 * names - labels for what only tp_traverse tells of C types.
 *
 * tp_traverse reports addresses without names.  Two ways to one:
 *
 *	a table	    (python/names_table.h) says what a C field of a type is called.
 *		    A name is used only when the word in that field is one that
 *		    tp_traverse just reported: a layout that differs costs a name, and
 *		    never makes or loses a reference.  Rows marked '!' are different:
 *		    references that tp_traverse keeps silent about (or a type without one
 *		    has); what lies there must prove to be an object.  '~': the same,
 *		    but not owned, so shown as weak
 *	learning    what is left is looked for in the object's own fields.  A field that
 *		    held it gives the label "+40" (kind OTHER) for all instances: not a
 *		    name, but the same field is the same field, and a debugger or the
 *		    type's source tells which
 *
 *	guessing    instances of C types that take no part in garbage collection have no
 *		    tp_traverse to ask, and do hold references.  Their fields that hold
 *		    an object, by all tests, are taken for references, and named "+40?";
 *		    not where the table knows the type, nor in those of the standard
 *		    library, which it knows all
 *
 * What no fixed field holds is called by the table's last column: items, elements, or
 * a text.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_NAMES_H
#define PYMEM_AGENT_HEAP_OBJECT_NAMES_H

#include "agent/heap/core/context.h"

/*
 * Gives references of w->refs[known..] their place among the slots, which begin at
 * `first`; the others keep their order.
 */
void names_claim(struct walk *w, const struct walk_type *type, uint64_t obj,
		 uint32_t first, uint32_t known);
/* Adds slots for fields that hold w->refs[known..]; true when the object's references
 * must be listed again. */
bool names_learn(struct walk *w, struct walk_type *type, uint64_t obj, uint32_t known);
/* Is this a C type whose instances' fields must be guessed? */
bool names_must_guess(struct walk *w, const struct walk_type *type);
/* Adds slots for fields of obj that hold objects; true when there were new ones. */
bool names_guess(struct walk *w, struct walk_type *type, uint64_t obj);
/* The shape of an object like `shape`, with n more references called type->rest. */
uint32_t names_rest_shape(struct walk *w, const struct walk_type *type, uint32_t shape,
			  uint32_t fixed, uint32_t n);

#endif
