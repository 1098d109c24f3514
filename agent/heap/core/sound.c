/* SPDX-License-Identifier: MIT */
/* sound - see sound.h. */
#include "agent/heap/core/sound.h"

#include "agent/heap/core/mimalloc.h"
#include "agent/heap/core/ranges.h"
#include "agent/python/dict.h"
#include "agent/python/integer.h"
#include "agent/python/str.h"
#include "agent/python/type.h"

/* Readable, private, and word aligned. */
static bool sound_place(struct walk *w, uint64_t addr, uint64_t size)
{
	const struct walk_range *r = marks_in_range(addr) ? ranges_of(w, addr) : NULL;

	/* the first two words of an object are no zeros */
	return r && !(r->perms & 8) && ranges_hold(w, addr, 16) &&
		ranges_readable(w, addr, size);
}

/*
 * The same in two parts, and what lies before them: the owning thread's number, which is
 * the address of its descriptor, or 0; a lock's byte (Include/object.h).
 */
static bool sound_counts(struct walk *w, uint64_t obj)
{
	const uint64_t owner = peek64(obj);
	uint64_t count;

	if ((owner && (!peek_plausible(owner) || owner & 7)) ||
	    peek8(obj + w->lay->gc_bits - 1u) > 3)
		return false;
	switch (object_count(w->lay, obj, &count)) {
	case OBJECT_COUNTED:
		return count && count < 1ULL << 40;
	case OBJECT_DEFERRED:
		return object_gc_bits(w->lay, obj) & OBJECT_GC_TRACKED;
	case OBJECT_IMMORTAL:
		break;
	}
	return true;
}

/*
 * A count that a living object can have.  Freed memory begins with a pointer of
 * the allocator's: a small number too where the program is linked at a fixed
 * address.
 */
static bool sound_refcount(struct walk *w, uint64_t obj)
{
	uint64_t refcnt;

	if (w->lay->free_threaded)
		return sound_counts(w, obj);
	refcnt = peek64(obj + w->lay->refcnt);
	/* of a version that the tables don't know either may be so */
	if (w->lay->refcnt_split || (w->lay->newer && refcnt >> 48))
		return (uint32_t)refcnt && !(refcnt >> 32 & 0xffff) &&
			(refcnt < 0x10000 || !ranges_readable(w, refcnt, 1));
	return refcnt && refcnt < 1ULL << 40 &&
		(refcnt < 0x10000 || refcnt == 0xffffffff ||
		 !ranges_readable(w, refcnt, 1));
}

/* The gc header is soundly linked; or off the lists, if that may be. */
static bool sound_gc(struct walk *w, uint64_t obj, bool tracked)
{
	const struct layout *lay = w->lay;
	uint64_t g = obj - lay->gc_head, next, prev;

	if (lay->free_threaded)
		return (!tracked || (object_gc_bits(lay, obj) & OBJECT_GC_TRACKED) ||
			object_count(lay, obj, &next) == OBJECT_IMMORTAL) &&
			mimalloc_holds_collected(w, obj);
	if (lay->unknown & LAYOUT_HEADER)
		return true; /* nothing tells */
	if (!ranges_readable(w, g, 16))
		return false;
	next = peek64(g) & ~3ULL;
	prev = peek64(g + 8) & ~3ULL;
	if (!next || (lay->gc_head != 16 && (int64_t)peek64(g + 16) == -2))
		return !tracked; /* -2: 3.6, 3.7: untracked, links stale */
	return ranges_hold(w, next, 16) && ranges_hold(w, prev, 16) &&
		(peek64(next + 8) & ~3ULL) == g && (peek64(prev) & ~3ULL) == g;
}

static bool sound_type(struct walk *w, uint64_t type)
{
	const struct layout *lay = w->lay;
	uint64_t meta, flags;

	if (type == CPYTHON_ADDR(w->py, type_type))
		return true;
	if (!sound_place(w, type, lay->type_size))
		return false;
	meta = peek64(type + lay->type);
	if (meta != CPYTHON_ADDR(w->py, type_type)) {
		if (!sound_place(w, meta, lay->type_size) || meta == type)
			return false;
		if (!object_type_has(lay, meta, TYPE_TYPE_SUBCLASS))
			return false;
	}
	flags = peek64(type + lay->tp_flags);
	if (!sound_refcount(w, type) || ((flags & TYPE_HEAP) && !sound_gc(w, type, true)))
		return false; /* classes are tracked as long as they live */
	return (flags & TYPE_READY) && peek64(type + lay->tp_basicsize) >= lay->head &&
		peek64(type + lay->tp_basicsize) < 1 << 20;
}

static bool sound_str(struct walk *w, uint64_t obj)
{
	uint64_t length, data;
	uint32_t kind;

	if (!ranges_readable(w, obj, w->lay->str_ascii_size + 1u) ||
	    !str_state_sound(w->lay, peek32(obj + w->lay->str_state)))
		return false;
	return !str_data(w->lay, obj, &length, &kind, &data) ||
		(length < 1ULL << 40 && ranges_readable(w, data, length * kind));
}

/* Digits of 30 bits, the highest not zero. */
static bool sound_int(struct walk *w, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint64_t word = peek64(obj + lay->head), n;
	uint32_t top;

	n = integer_count(lay, word);
	if (!n)
		return true;
	if (n > 1u << 30 || !ranges_readable(w, obj + lay->long_digits, n * 4))
		return false;
	top = peek32(obj + lay->long_digits + (n - 1) * 4);
	return top && top < 1u << 30;
}

/* Which part of the layout such objects are read by. */
static uint32_t sound_part(uint64_t flags)
{
	return flags & TYPE_STR_SUBCLASS   ? LAYOUT_STR :
		flags & TYPE_INT_SUBCLASS  ? LAYOUT_INT :
		flags & TYPE_LIST_SUBCLASS ? LAYOUT_LIST :
		flags & TYPE_DICT_SUBCLASS ? LAYOUT_DICT :
					     0;
}

/* Builtin containers have insides that must be sound before they are walked. */
static bool sound_inside(struct walk *w, uint64_t obj, uint64_t flags)
{
	const struct layout *lay = w->lay;

	if (lay->unknown & sound_part(flags))
		return true; /* nothing of it will be read */
	if (flags & TYPE_STR_SUBCLASS)
		return sound_str(w, obj);
	if (flags & TYPE_INT_SUBCLASS)
		return sound_int(w, obj);
	if (flags & (TYPE_TUPLE_SUBCLASS | TYPE_BYTES_SUBCLASS)) { /* tuple, bytes */
		uint64_t size = peek64(obj + lay->head);

		return size < 1ULL << 40 &&
			ranges_readable(
				w, obj,
				lay->head + size * (flags & TYPE_TUPLE_SUBCLASS ? 8 : 1));
	}
	if (flags & TYPE_LIST_SUBCLASS) { /* list */
		uint64_t size = peek64(obj + lay->head),
			 items = peek64(obj + lay->list_items);

		return size <= peek64(obj + lay->list_allocated) && size < 1ULL << 40 &&
			(!size || ranges_readable(w, items, size * 8));
	}
	if (flags & TYPE_DICT_SUBCLASS) { /* dict */
		uint64_t keys = peek64(obj + lay->dict_keys);

		return ranges_readable(w, keys, lay->keys_indices + 8u) &&
			peek64(keys) - 1 < 1ULL << 32 &&
			peek64(keys + lay->keys_nentries) < 1ULL << 40;
	}
	return true;
}

/*
 * Of an address that sound_object() accepted: is it proven, by its neighbours on
 * a collector's list pointing back at it (or by being a static type)?
 */
static bool sound_tracked(struct walk *w, uint64_t addr)
{
	uint64_t type = peek64(addr + w->lay->type);

	if (!object_type_has(w->lay, type, TYPE_HAVE_GC))
		return false;
	if (object_type_has(w->lay, type, TYPE_TYPE_SUBCLASS) &&
	    !type_is_heap(w->lay, addr))
		return true;
	return !(w->lay->unknown & LAYOUT_HEADER) && sound_gc(w, addr, true);
}

bool sound_object(struct walk *w, uint64_t addr)
{
	const struct layout *lay = w->lay;
	uint64_t type, flags;

	if (!sound_place(w, addr, lay->head + 8u))
		return false;
	type = peek64(addr + lay->type);
	if (!marks_in_range(type) || !sound_refcount(w, addr) || !sound_type(w, type))
		return false;
	flags = peek64(type + lay->tp_flags);
	if (!ranges_readable(w, addr, peek64(type + lay->tp_basicsize)))
		return false;
	/* a type object: static ones have no gc header */
	if ((flags & TYPE_TYPE_SUBCLASS) && !type_is_heap(lay, addr))
		return sound_type(w, addr);
	/* instances of class statements are tracked as long as they live */
	if ((flags & TYPE_HAVE_GC) && !sound_gc(w, addr, type_is_python(lay, type)))
		return false;
	return sound_inside(w, addr, flags);
}

bool sound_to_follow(struct walk *w, uint64_t addr)
{
	if (marks_test(&w->marks, addr))
		return true;
	return sound_object(w, addr) && (w->options->in_copy || sound_tracked(w, addr));
}

bool sound_exact(struct walk *w, uint64_t word, uint64_t type)
{
	return peek_plausible(word) && (word & 7) == 0 && ranges_readable(w, word, 32) &&
		object_type(w->lay, word) == type && sound_object(w, word);
}
