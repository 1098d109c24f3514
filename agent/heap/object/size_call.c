/* SPDX-License-Identifier: MIT */
/*
 * size_call - a C type's own __sizeof__, called directly.
 *
 * The method is the function of a method descriptor: no attribute lookup (which
 * would replace entries of the type cache), no bytecode, and in CPython's own
 * types pure arithmetic.  Its result is an int: small ones exist for ever, a
 * bigger one is allocated.  In the copy every allocator of the interpreter has
 * been replaced by our arena for good (allocator.c), so that costs neither a
 * lock nor a page of the target's.  In place, under the GIL, the object
 * allocator is replaced for the length of the call, and only functions of the
 * interpreter and its own extension modules are called.
 */
#include "agent/heap/object/size_call.h"

#include <string.h>

#include "agent/heap/core/position.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/object/sizes.h"
#include "agent/python/allocator.h"
#include "agent/python/call.h"
#include "agent/python/integer.h"

enum {
	SIZE_CALL_FLAGS = 0x008f, /* METH_* that say how arguments are passed */
	SIZE_CALL_NOARGS = 0x0004,
	SIZE_CALL_FAST = 0x0282,
	SIZE_CALL_METHOD = 24, /* PyMethodDescrObject.d_method, from a 16-byte head + 0 */
};

/* An int result of a few digits, without the API. */
static uint64_t size_call_int(const struct walk *w, uint64_t obj)
{
	struct integer d = integer_digits(w->lay, obj);
	uint64_t value = 0;

	if (d.negative)
		return 0;
	for (uint64_t i = d.count < 3 ? d.count : 3; i-- > 0;)
		value = value << 30 | peek32(d.data + i * 4);
	return value;
}

/*
 * Gives the reference to the result back, as Py_DECREF would: a cached small int
 * would count one too many for ever.  A new int is left to the arena.
 */
static void size_call_give_back(const struct walk *w, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint16_t at = lay->refcnt;
	uint64_t count;
	uint32_t low;

	if (object_count(lay, obj, &count) != OBJECT_COUNTED || count < 2)
		return;
	if (lay->free_threaded) { /* ints that are not our thread's are immortal */
		at = lay->refcnt_local;
		count = peek32(obj + at);
		if (!count)
			return;
	}
	low = (uint32_t)count - 1;
	if (!lay->free_threaded && lay->refcnt_mask == UINT64_MAX) {
		count--;
		memcpy((void *)(uintptr_t)(obj + lay->refcnt), &count, sizeof(count));
	} else {
		memcpy((void *)(uintptr_t)(obj + at), &low, sizeof(low));
	}
}

static uint64_t size_call(struct walk *w, struct walk_type *type, uint64_t obj)
{
	union {
		uint64_t p;
		uint64_t (*noargs)(uint64_t, uint64_t);
		uint64_t (*fast)(uint64_t, uint64_t, const uint64_t *, uint64_t,
				 uint64_t);
	} fn;
	uint64_t def = type->size_method, result, size;
	uint32_t flags = peek32(def + 16);
	struct allocator_swap swap;

	fn.p = peek64(def + 8);
	position_enter(obj, type->name_text);
	if (!w->options->in_copy)
		allocator_enter(w->py, &swap, w->arena);
	result = flags & 0x200 ? fn.fast(obj, type->size_owner, NULL, 0, 0) :
				 fn.noargs(obj, 0);
	size = result ? size_call_int(w, result) : 0;
	if (result)
		size_call_give_back(w, result);
	if (!w->options->in_copy)
		allocator_leave(w->py, &swap);
	position_leave();
	return size ? size : sizes_object(w, type, obj);
}

/* In place only functions that ship with the interpreter are trusted to be pure. */
static bool size_call_trusted(struct walk *w, uint64_t fn)
{
	if (!call_possible())
		return false;
	if (!ranges_of(w, fn))
		return false;
	if (w->options->in_copy)
		return true;
	/* a result that isn't freed by the rules would stay on the list of objects, for
	 * a fatal error */
	if (w->lay->counts_objects)
		return false;
	return ranges_ship_with_python(w, fn) && !w->lay->ints_from_freelist;
}

uint64_t size_call_definition(const struct walk *w, uint64_t method)
{
	if (!method ||
	    object_type(w->lay, method) != CPYTHON_ADDR(w->py, method_descr_type))
		return 0;
	return peek64(method + w->lay->head + SIZE_CALL_METHOD);
}

bool size_call_plan(struct walk *w, struct walk_type *type, uint64_t def, uint64_t owner)
{
	uint32_t flags;

	if (!def || !ranges_readable(w, def, 32) || w->lay->unknown & LAYOUT_INT)
		return false; /* none, or its answer could not be read */
	flags = peek32(def + 16);
	if ((flags & SIZE_CALL_FLAGS) != SIZE_CALL_NOARGS &&
	    (flags & SIZE_CALL_FAST) != SIZE_CALL_FAST)
		return false;
	if (!size_call_trusted(w, peek64(def + 8)) || type->opaque)
		return false;
	type->size_method = def;
	type->size_owner = owner;
	type->size = size_call;
	return true;
}
