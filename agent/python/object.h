/* SPDX-License-Identifier: MIT */
/*
 * object - the head of an object, read from memory.
 *
 * For addresses that are known to be objects; doubtful ones are tested first.
 */
#ifndef PYMEM_AGENT_PYTHON_OBJECT_H
#define PYMEM_AGENT_PYTHON_OBJECT_H

#include "agent/base/peek.h"
#include "agent/python/layout.h"
#include "agent/python/type_flags.h"

/* ob_type. */
static inline uint64_t object_type(const struct layout *lay, uint64_t obj)
{
	return peek64(obj + lay->type);
}

/* ob_size of a variable-size object; the same word in others is theirs. */
static inline uint64_t object_size(const struct layout *lay, uint64_t obj)
{
	return peek64(obj + lay->head);
}

/* tp_flags of the type object `type`, those of `flags`. */
static inline uint64_t object_type_has(const struct layout *lay, uint64_t type,
				       uint64_t flags)
{
	return peek64(type + lay->tp_flags) & flags;
}

/* The same of obj's own type. */
static inline bool object_has(const struct layout *lay, uint64_t obj, uint64_t flags)
{
	return object_type_has(lay, object_type(lay, obj), flags) != 0;
}

/* Is obj, 0 or an object, one whose type is `type` itself? */
static inline bool object_is_exact(const struct layout *lay, uint64_t obj, uint64_t type)
{
	return obj && object_type(lay, obj) == type;
}

/* Is obj, an object, a type object? */
static inline bool object_is_type(const struct layout *lay, uint64_t obj)
{
	return object_has(lay, obj, TYPE_TYPE_SUBCLASS);
}

/* i-th item of a tuple. */
static inline uint64_t object_tuple_item(const struct layout *lay, uint64_t tuple,
					 uint64_t i)
{
	return peek64(tuple + lay->tuple_items + 8 * i);
}

/* Bytes by which an object's head is longer than usual (Py_TRACE_REFS). */
static inline uint32_t object_extra(const struct layout *lay)
{
	return lay->head - 16u;
}

#endif
