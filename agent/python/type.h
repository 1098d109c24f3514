/* SPDX-License-Identifier: MIT */
/*
 * type - type objects, read from memory: their dict, bases, attributes and names
 * (Include/cpython/object.h, Objects/typeobject.c).
 */
#ifndef PYMEM_AGENT_PYTHON_TYPE_H
#define PYMEM_AGENT_PYTHON_TYPE_H

#include "agent/python/cpython.h"
#include "agent/python/object.h"

static inline bool type_is_heap(const struct layout *lay, uint64_t type)
{
	return object_type_has(lay, type, TYPE_HEAP) != 0;
}

/* Made by a class statement: a heap type with the deallocator of those. */
static inline bool type_is_python(const struct layout *lay, uint64_t type)
{
	return type_is_heap(lay, type) &&
		peek64(type + lay->tp_dealloc) == lay->subtype_dealloc;
}

/* As told by its tp_traverse: a class that may have any name. */
static inline bool type_is_traversed_as_python(const struct layout *lay, uint64_t type)
{
	return type_is_heap(lay, type) &&
		peek64(type + lay->tp_traverse) == lay->subtype_traverse;
}

/* tp_name: "module.Name" unless a class statement made it; NUL-terminated. */
static inline const char *type_c_name(const struct layout *lay, uint64_t type)
{
	return peek_text(peek64(type + lay->tp_name));
}

/* ... copied, cut to size-1 bytes; false when there is none. */
bool type_name(const struct layout *lay, uint64_t type, char *buf, size_t size);

/* Static builtin types of 3.12+ keep their dict in the interpreter. 0 = none. */
uint64_t type_dict(const struct layout *lay, uint64_t type);
/* ... and tp_subclasses: the dict or list of weak references; 0 = none. */
uint64_t type_subclasses(const struct layout *lay, uint64_t type);
bool type_is_subtype(const struct layout *lay, uint64_t type, uint64_t base);

/* Addresses of two slots of a type. */
struct type_slots {
	uint64_t make, dealloc; /* tp_new, tp_dealloc */
};
/*
 * The slots of a static type, in the process itself, where no layout was probed: the head
 * of objects is the one with which the type has the name that it must have.  False: with
 * none.
 */
bool type_find_slots(uint64_t type, const char *name, struct type_slots *ret);

/* A name looked up along tp_mro, by the address of its interned str; 0 = nowhere.
 * *owner_ret is the class that has it. Runs no Python code. */
uint64_t type_lookup(const struct cpython *py, uint64_t type, uint64_t name,
		     uint64_t *owner_ret);

/* A method of C code, looked up by the tables of the type and its bases (tp_methods,
 * tp_base), without a dict: address of its PyMethodDef; 0 = nowhere.  *owner_ret is the
 * type in whose table it stands. */
uint64_t type_c_method(const struct cpython *py, uint64_t type, const char *name,
		       uint64_t *owner_ret);

#endif
