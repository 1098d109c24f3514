/* SPDX-License-Identifier: MIT */
/*
 * walk_internal - what the parts of the heap walk share: struct walk, the small
 * calls by which a part adds roots, references, names and types, and the hooks
 * by which the specialists (frames, values, native memory) join in.
 *
 * Phases of walk_run, in order, all on one thread:
 *
 *	1 list	    enumerate.c: every object on the collector's lists is marked
 *	2 roots	    roots_walk(): interpreters, modules, threads, frames
 *	3 sweep	    sweep.c: address-ordered passes over mark & ~done; each object is
 *		    emitted once: walk_emit() -> edges, size, sink->object, hooks
 *	4 statics   statics.c: conservative scan of writable segments; sweep again
 *	5 facts	    memory_facts(): smaps, allocators; threads' names ...
 *	6 check	    sizecheck_run(): in the copy only
 *
 * Rules for every part: no call into the interpreter before phase 5 but for
 * tp_traverse, tp_is_gc and C types' __sizeof__ (sizes_call.c); no write to memory
 * that isn't ours; addresses are uint64_t; doubtful addresses go through
 * walk_is_object() or peek_safe() first.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_WALK_INTERNAL_H
#define PYMEM_AGENT_HEAP_CORE_WALK_INTERNAL_H

#include "agent/python/cpython_internal.h"
#include "agent/base/pages.h"
#include "agent/base/peek.h"
#include "agent/heap/core/marks.h"
#include "agent/heap/walk.h"

struct walk;
struct walk_type;

/* Appends obj's references with walk_ref(); returns the shape id. */
typedef uint32_t walk_edges_fn(struct walk *w, struct walk_type *type, uint64_t obj);
/* Bytes as obj.__sizeof__() would say (the getsizeof prefix is added by the caller). */
typedef uint64_t walk_size_fn(struct walk *w, struct walk_type *type, uint64_t obj);
/* Called right after obj was emitted. */
typedef void walk_object_fn(struct walk *w, struct walk_type *type, uint64_t obj);

/* A reference at a fixed offset of each instance: a slot or a C member. */
struct walk_slot {
	uint32_t offset;
	uint16_t via;  /* not 0: offset of a pointer to the block that has it */
	uint8_t kind;  /* enum snap_label_kind */
	uint8_t flags; /* enum walk_slot_flags */
	uint8_t gate;  /* with WALK_SLOT_GATE: offset of a byte, 0 = slot unused */
	uint32_t name; /* string id */
};
enum walk_slot_flags {
	WALK_SLOT_CHECK = 1,	 /* may hold something else: walk_is_object() first */
	WALK_SLOT_GATE = 2,	 /* only there when the byte at `gate` is not 0 */
	WALK_SLOT_TRAVERSED = 4, /* a name for what tp_traverse tells, if it does */
};

/* One Python type, as the walk needs it; made when first seen, kept to the end. */
struct walk_type {
	uint64_t addr;
	uint32_t id;	       /* in the snapshot */
	uint32_t name;	       /* string id of the qualified name */
	const char *name_text; /* NUL-terminated, ours */
	uint32_t flags;	       /* enum snap_type_flags */
	uint8_t kind;	       /* enum snap_kind */
	bool exact;	       /* the builtin type itself, not a subclass */
	uint64_t tp_flags;
	uint64_t basicsize, itemsize;
	uint64_t traverse, is_gc; /* addresses of C functions, 0 = none */
	uint64_t native_base;	  /* nearest base that has a C layout of its own */
	walk_edges_fn *edges;
	walk_size_fn *size;
	walk_object_fn *values;	 /* NULL = none; set by values_type_hook() */
	walk_object_fn *native;	 /* NULL = none; set by native_type_hook() */
	uint32_t prefix;	 /* bytes sys.getsizeof adds */
	bool prefix_asks;	 /* ... only if tp_is_gc agrees (<= 3.10), or for
				 * heap types among type objects */
	bool size_approx;	 /* __sizeof__ could not be used: SNAP_OBJ_SIZE_APPROX */
	bool opaque;		 /* do not traverse: on the skip list */
	bool traverse_always;	 /* whatever tp_is_gc says */
	bool guess;		 /* fields that hold objects are taken for references */
	struct walk_slot *slots; /* members and slots, base first */
	uint32_t nslots;
	int64_t dictoffset;    /* 0 = none; negative: from the end */
	bool managed_dict;     /* 3.11+ flag */
	bool inline_values;    /* 3.11/3.12: with managed_dict; 3.13+: own flag */
	uint64_t cached_keys;  /* ht_cached_keys, 0 = none */
	uint32_t nkeys;	       /* names in cached_keys */
	uint32_t shape;	       /* of the slots with a tail fitting the base */
	uint32_t shape_dict;   /* ... with the DICT label after them */
	uint32_t shape_values; /* ... with the names of cached_keys after that */
	uint8_t tail;	       /* enum snap_tail */
	uint8_t learned;       /* slots that names.c added */
	uint32_t rest;	       /* string id: what else tp_traverse tells; 0 = unknown */
	void *size_method;     /* struct PyMethodDef of a C __sizeof__ */
	uint64_t size_owner;   /* ... the class that defines it */
	void *values_data, *native_data, *edges_data; /* of the hooks' owners */
	uint64_t count, bytes;
};

/* Ranges of readable memory when the walk began, ascending. */
struct walk_range {
	uint64_t start, end;
	uint64_t offset;
	uint8_t perms; /* r=1 w=2 x=4 s=8 */
	bool file;     /* backed by a file */
	bool image;    /* part of a program or library: private file mapping or its bss */
	bool special;  /* [vvar], [vsyscall], device: never read */
	bool scanned;  /* struct walk.pages knows its pages */
	const char *path; /* NUL-terminated, ours; "" = anonymous */
};

enum { WALK_PAGES_OK = 8192, WALK_RANGE_CACHE = 1024, WALK_INTERNED = 8 };

struct walk {
	const struct cpython *py;
	const struct layout *lay; /* = &py->lay */
	struct arena *arena;
	const struct walk_options *options;
	struct snap_sink *sink;
	struct walk_stats stats;
	uint64_t reported; /* objects at the last progress event */
	int err;	   /* first failure, negative errno; once set, stop soon */

	struct marks marks;
	struct marks frozen; /* marks only: objects of the permanent generation */

	/* references of the object being emitted */
	uint64_t *refs;
	uint32_t nrefs, refs_capacity;
	const uint64_t *refs_direct; /* set by an edges function instead of appending:
				      * nrefs references in place (a list's items) */

	/* depth-first mode: newly marked objects */
	bool depth_first;
	bool checked;	    /* references are doubtful: walk_is_object() each */
	bool marking_off;   /* ... so walk_ref() must not mark them yet */
	bool closures_last; /* tuples of cells that no function claimed are due */
	uint64_t *stack;
	uint32_t nstack, stack_capacity;

	uint64_t outer; /* bytes of the object's size that lie elsewhere (item arrays) */

	struct walk_range *ranges;
	uint32_t nranges, last_range;
	uint32_t range_cache[WALK_RANGE_CACHE]; /* by address >> 21: the first range that
						 * ends beyond an address there */
	struct pages pages;			/* of the ranges that are `scanned` */
	uint64_t *pages_ok; /* elsewhere: WALK_PAGES_OK page numbers found readable */

	struct walk_tables *tables;	  /* strings.c, shapes.c, types.c: interning */
	uint32_t next_thread, next_frame; /* ids handed out so far */
	uint32_t shape_index, shape_pairs, shape_element, shape_other;

	uint64_t interned[WALK_INTERNED]; /* dicts of interned strings: their references
					   * are not counted (roots.c finds them, one of
					   * each interpreter in 3.13+); 0 = none */
	struct walk_type *type_type;	  /* of PyType_Type */
	void *closures, *statics;	  /* private to their parts */
	void *roots, *frames, *values, *native, *numpy, *greenlet, *probes, *memory,
		*sizecheck;
};

/* ---- marking ---- */

/* Depth-first mode (the last sweeps): remembers a newly marked object. */
void walk_push(struct walk *w, uint64_t addr);

/* Queues an address that the interpreter surely holds as an object. Cheap. */
static inline void walk_mark(struct walk *w, uint64_t addr)
{
	if (marks_set(&w->marks, addr) && __builtin_expect(w->depth_first, 0))
		walk_push(w, addr);
}

/* Is addr readable for size bytes, by the maps read when the walk began? */
bool walk_readable(struct walk *w, uint64_t addr, uint64_t size);
/*
 * ... and may there be something else than zeros?  False also for a page that was never
 * touched, so that looking for something leaves no page tables behind.
 */
bool walk_there(struct walk *w, uint64_t addr, uint64_t size);
/* Is a page of our memory that can be read there, as far as it is known? */
bool walk_page_there(struct walk *w, uint64_t addr);
/* Copies a C string that may be anywhere, cut to size-1 bytes; false: not readable. */
bool walk_text(struct walk *w, uint64_t addr, char *buf, size_t size);
/* The range that holds addr, or NULL. */
const struct walk_range *walk_range_of(struct walk *w, uint64_t addr);
/*
 * Is this doubtful word the address of an object?  Aligned, in private readable
 * memory, sane refcount, its type a type by its own type, and for gc types a
 * consistent gc header.  Never faults.  May rarely say yes to stale memory.
 */
bool walk_is_object(struct walk *w, uint64_t addr);

/* Is this dict a table of interned strings? */
static inline bool walk_is_interned(const struct walk *w, uint64_t dict)
{
	for (int i = 0; i < WALK_INTERNED && w->interned[i]; i++)
		if (w->interned[i] == dict)
			return true;
	return false;
}

static inline uint64_t walk_typeof(const struct walk *w, uint64_t obj)
{
	return peek64(obj + w->lay->type);
}

/* ---- references of the object being emitted, in shape order ---- */

/* Room for more; when there is none, w->err is -ENOMEM. */
void walk_refs_grow(struct walk *w);

static inline void walk_ref(struct walk *w, uint64_t target)
{
	if (__builtin_expect(w->nrefs == w->refs_capacity, 0))
		walk_refs_grow(w);
	if (target && !w->marking_off)
		walk_mark(w, target);
	if (w->nrefs < w->refs_capacity)
		w->refs[w->nrefs++] = target;
}

/*
 * References of obj that its own tp_traverse reports, appended by walk_ref,
 * but for those equal (as a multiset) to what is in w->refs already and to the
 * type when the instance owns it.  Obeys tp_is_gc and the skip list.
 */
void walk_traverse(struct walk *w, struct walk_type *type, uint64_t obj);

/* ---- names ---- */

/* String id; text need not be terminated; 0 for the empty string. */
uint32_t walk_string(struct walk *w, const char *text, size_t size);
uint32_t walk_cstring(struct walk *w, const char *text);
/* ... of a str object (any kind) as WTF-8; 0 when obj is no str. */
uint32_t walk_string_of(struct walk *w, uint64_t obj);
/* The same text without interning, cut at size-1 bytes on a character boundary,
 * NUL-terminated; returns its length, 0 when obj is no str. */
size_t walk_str_text(struct walk *w, uint64_t obj, char *buf, size_t size);
/* Length in characters, item size 1/2/4 and data address of a str; false: no data. */
bool walk_str_data(const struct walk *w, uint64_t obj, uint64_t *length_ret,
		   uint32_t *kind_ret, uint64_t *data_ret);

/* ---- shapes and types ---- */

/* Shape id of these labels; equal shapes share one. */
uint32_t walk_shape(struct walk *w, const struct snap_label *fixed, uint32_t nfixed,
		    uint8_t tail);
/* The record of a type, made (and its strings, shapes, type event emitted) when
 * first seen; the type object is marked.  Never NULL: on failure w->err is set
 * and a type without edges is returned. */
struct walk_type *walk_type_slow(struct walk *w, uint64_t type);
struct walk_type *walk_type(struct walk *w, uint64_t type);
/* Iterates the records in order of id; NULL beyond the last. */
struct walk_type *walk_type_by_id(struct walk *w, uint32_t id);

/* tp_name of a type that instances were met of, cut to size-1 bytes. */
static inline bool walk_tp_name(const struct walk *w, uint64_t type, char *buf,
				size_t size)
{
	const char *name = peek_ptr(peek64(type + w->lay->tp_name));
	size_t n = name ? __builtin_strlen(name) : 0;

	if (n >= size)
		n = size - 1;
	__builtin_memcpy(buf, name ? name : "", n);
	buf[n] = 0;
	return name != NULL;
}

/* Static builtin types of 3.12+ keep their dict in the interpreter. 0 = none. */
uint64_t walk_type_dict(const struct walk *w, uint64_t type);
bool walk_is_subtype(const struct walk *w, uint64_t type, uint64_t base);

/* ---- dicts, without the API ---- */

struct walk_dict_iter {
	uint64_t entry, end, stride; /* entry: address of the next key pointer */
	uint64_t values;	     /* split table: address of values[0]; else 0 */
	uint64_t index;
};
/* Prepares to go over a dict (or subclass); false when it isn't one. */
bool walk_dict_begin(const struct walk *w, uint64_t dict, struct walk_dict_iter *iter);
/* Next pair with a value; false at the end. Insertion order (table order). */
bool walk_dict_next(struct walk_dict_iter *iter, uint64_t *key_ret, uint64_t *value_ret);
/* Value of a str key, 0 = absent. Linear. */
uint64_t walk_dict_get(const struct walk *w, uint64_t dict, const char *key);
/* The attribute of a Python instance (values, managed or plain dict), 0 = absent. */
uint64_t walk_attr(struct walk *w, uint64_t obj, const char *name);

/* ---- emitting ---- */

/* Marks target and emits a root; target 0 is ignored. */
void walk_root(struct walk *w, uint8_t kind, uint8_t flags, uint32_t thread,
	       uint32_t frame, uint32_t name, uint64_t target);
/* An error event: what could not be walked, and why (a literal or our own text). */
void walk_error(struct walk *w, uint64_t obj, struct walk_type *type, const char *text);
void walk_fact_u64(struct walk *w, const char *key, uint64_t value);
void walk_fact_text(struct walk *w, const char *key, const char *text, size_t size);
/* Remembers the sink's answer; true when the walk should go on. */
static inline bool walk_check(struct walk *w, int rc)
{
	if (__builtin_expect(rc < 0 && !w->err, 0))
		w->err = rc;
	return !w->err;
}
#define WALK_SEND(w, event, ...) \
	((w)->sink->ops->event ? \
		 walk_check((w), (w)->sink->ops->event((w)->sink, __VA_ARGS__)) : \
		 !(w)->err)

/* ---- the specialists ---- */

/* roots.c: emits threads, frames and roots, marking what they hold. Phase 2. */
void roots_walk(struct walk *w);
/* frames.c: sets type->edges (and size if needed) of frame, generator, coroutine and
 * async generator types and their subclasses; called once per type, before the
 * type is used. True when it took the type. */
bool frames_type_hook(struct walk *w, struct walk_type *type);
/* values.c: sets type->values where instances get a preview. */
void values_type_hook(struct walk *w, struct walk_type *type);
/* native.c: sets type->native where instances may hold native memory. */
void native_type_hook(struct walk *w, struct walk_type *type);
/* native.c: asks those that had to wait for the end of the sweeps. Phase 5, first. */
void native_finish(struct walk *w);
/* roots.c: a root for each static type, once all types are known. Phase 5, first. */
void roots_static_types(struct walk *w);
/* memory.c: called for each object with the bytes it occupies: its address and
 * size, and separate item arrays or tables (addr, size). Inline fast path is theirs. */
void memory_live(struct walk *w, uint64_t addr, uint64_t size);
/* memory.c: before phase 3 (allocate tables) and in phase 5 (emit maps and facts). */
void memory_begin(struct walk *w);
void memory_facts(struct walk *w);
/* sizecheck.c: sees each emitted object (sampling), and compares in phase 6. */
void sizecheck_sample(struct walk *w, struct walk_type *type, uint64_t obj,
		      uint64_t size);
void sizecheck_run(struct walk *w);

#endif
