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

/* ob_gc_bits, in builds without a GIL (Include/internal/pycore_gc.h). */
enum object_gc_bits {
	OBJECT_GC_TRACKED = 1,
	OBJECT_GC_FROZEN = 8,
	OBJECT_GC_DEFERRED = 64, /* its count says nothing but to the collector */
};

static inline uint8_t object_gc_bits(const struct layout *lay, uint64_t obj)
{
	return peek8(obj + lay->gc_bits);
}

/* What an object's reference count is. */
enum object_count {
	OBJECT_COUNTED,
	OBJECT_IMMORTAL, /* not counted at all */
	OBJECT_DEFERRED, /* not all of it: threads and frames have parts of their own */
};

/*
 * The same in a build without a GIL (Include/refcount.h, Objects/object.c): what the
 * owning thread counted, and what the others did, by 4, with two bits of state below;
 * that may be negative, as only the sum counts.  Merged: the first part is 0.
 */
static inline enum object_count object_count_split(const struct layout *lay, uint64_t obj,
						   uint64_t *ret)
{
	const uint32_t local = peek32(obj + lay->refcnt_local);

	*ret = local + (uint64_t)((int64_t)peek64(obj + lay->refcnt) >> 2);
	if (local == UINT32_MAX)
		return OBJECT_IMMORTAL;
	return object_gc_bits(lay, obj) & OBJECT_GC_DEFERRED ? OBJECT_DEFERRED :
							       OBJECT_COUNTED;
}

/* ... in a build with one; by the word that has it. */
static inline enum object_count object_count_word(const struct layout *lay, uint64_t word,
						  uint64_t *ret)
{
	if (lay->immortal_mask && (word & lay->immortal_mask) >= lay->immortal_value)
		return OBJECT_IMMORTAL;
	*ret = word & lay->refcnt_mask;
	return OBJECT_COUNTED;
}

static inline enum object_count object_count_whole(const struct layout *lay, uint64_t obj,
						   uint64_t *ret)
{
	return object_count_word(lay, peek64(obj + lay->refcnt), ret);
}

/* obj's reference count in *ret; without a meaning unless it is OBJECT_COUNTED. */
static inline enum object_count object_count(const struct layout *lay, uint64_t obj,
					     uint64_t *ret)
{
	return __builtin_expect(lay->free_threaded, 0) ?
		object_count_split(lay, obj, ret) :
		object_count_whole(lay, obj, ret);
}

/* Bytes by which an object's head is longer than usual (Py_TRACE_REFS, no GIL). */
static inline uint32_t object_extra(const struct layout *lay)
{
	return lay->head - 16u;
}

#endif
