/* SPDX-License-Identifier: MIT */
/*
 * specialist - what is known of one C type beyond what its type object tells.
 *
 * One row of operations a type (or a few types alike), in a file of its own in
 * extension/ and listed in extension/registry.c.  A row is found by the tp_name of
 * the type or of its nearest base that has one; classes made by class statements may
 * have any name and are passed over.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_SPECIALIST_H
#define PYMEM_AGENT_HEAP_CORE_SPECIALIST_H

#include "agent/heap/core/context.h"

/* What may lie in the memory that instances have, for who looks for pointers there. */
enum specialist_memory {
	SPECIALIST_USUAL,     /* structures; data in what is exported as a buffer */
	SPECIALIST_FLAT,      /* no pointers: what seems to be one is a rest behind it */
	SPECIALIST_STRUCTURE, /* structures in what is exported, too */
};

struct specialist {
	const char *name; /* tp_name; NULL ends a list of rows */
	uint8_t kind;	  /* enum snap_kind of instances; 0 = as their bases say */
	/* of the type itself, not of its subclasses: instead of the general function;
	 * NULL = none */
	walk_edges_fn *edges;
	/* ... no tp_traverse is needed: slots and tail tell all references */
	bool complete;
	/* images, of subclasses too: adds what tp_traverse would tell beyond slots;
	 * NULL = it is searched for in the instance */
	void (*untold)(struct walk *w, uint64_t obj);
	/* where the type's own __sizeof__ is found; NULL = it is called */
	walk_size_fn *size;
	/* native memory that instances hold; NULL = none, or known otherwise */
	walk_object_fn *native;
	enum specialist_memory memory;
	/* after all else was decided for the type or a subclass: what else there is to
	 * say; NULL = nothing */
	void (*plan)(struct walk *w, struct walk_type *type);
	/* by which name the tables know the C type `name`: that or one put in buf; for
	 * all types, NULL = as it is called */
	const char *(*names)(struct walk *w, const char *name, char *buf, size_t size);
};

#endif
