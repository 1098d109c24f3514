/* SPDX-License-Identifier: MIT */
/*
 * context - struct walk: what all parts of one heap walk share, and a pointer to the
 * state of each room, which only that room looks into.
 *
 * Rules for every part: no call into the interpreter before all objects have been
 * written but for tp_traverse, tp_is_gc and C types' __sizeof__ (python/call.h,
 * object/size_call.c); no write to memory that isn't ours; addresses are uint64_t,
 * and what lies there is read by peek.h alone; doubtful addresses go through
 * sound_object() or peek_safe() first.  One thread.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_CONTEXT_H
#define PYMEM_AGENT_HEAP_CORE_CONTEXT_H

#include <errno.h>

#include "agent/base/arena.h"
#include "agent/base/pages.h"
#include "agent/heap/core/marks.h"
#include "agent/heap/core/options.h"
#include "agent/python/cpython.h"
#include "agent/python/object.h"
#include "formats/core/sink.h"

struct walk;
struct walk_type;
struct specialist;

/* Appends obj's references with references_add(); returns the shape id. */
typedef uint32_t walk_edges_fn(struct walk *w, struct walk_type *type, uint64_t obj);
/* Bytes as obj.__sizeof__() would say (the getsizeof prefix is added by the caller). */
typedef uint64_t walk_size_fn(struct walk *w, struct walk_type *type, uint64_t obj);
/* Called right after obj was emitted. */
typedef void walk_object_fn(struct walk *w, struct walk_type *type, uint64_t obj);

/* What the emission asks of each object's type, as bits. */
enum walk_traits {
	WALK_TRAIT_HEADER = 1,	/* each instance has a collector's header */
	WALK_TRAIT_TYPE = 2,	/* type objects: heap types have one */
	WALK_TRAIT_STR = 4,	/* may be interned */
	WALK_TRAIT_CLOSURE = 8, /* exactly tuple: may be a function's closure */
	WALK_TRAIT_FUNCTION = 16,
};

/* What the type table asks of the rooms above it. */
struct walk_hooks {
	/* Fills in all of a new type's record but addr and id. */
	void (*plan)(struct walk *w, struct walk_type *type);
	/* By which name fields.h and names_table.h know the C type called `name`: that,
	 * or another one put in buf. */
	const char *(*alias)(struct walk *w, const char *name, char *buf, size_t size);
};

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
	WALK_SLOT_CHECK = 1,	 /* may hold something else: sound_object() first */
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
	walk_object_fn *emit;	  /* writes an instance */
	walk_edges_fn *edges;	  /* NULL = there are no references */
	walk_edges_fn *others;	  /* what edges was before a specialist added to it */
	walk_size_fn *size;
	walk_object_fn *values;		     /* NULL = none */
	walk_object_fn *native;		     /* NULL = none */
	walk_object_fn *known_native;	     /* extension/candidates.c: what that was */
	const struct specialist *specialist; /* of it or of a base; NULL = none */
	uint64_t special_base;		     /* ... the type that it is of */
	uint32_t prefix;		     /* bytes sys.getsizeof adds */
	bool prefix_asks;	 /* ... only if tp_is_gc agrees (<= 3.10), or for
				 * heap types among type objects */
	bool size_approx;	 /* __sizeof__ could not be used: SNAP_OBJ_SIZE_APPROX */
	bool opaque;		 /* do not traverse: on the skip list */
	bool traverse_always;	 /* whatever tp_is_gc says */
	bool searched;		 /* options.scan_unknown: counted */
	bool complete;		 /* slots and tail tell all: no tp_traverse needed */
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
	uint8_t learned;       /* slots that learning and guessing added */
	uint32_t rest;	       /* string id: what else tp_traverse tells; 0 = unknown */
	uint64_t size_method;  /* struct PyMethodDef of a C __sizeof__, 0 = not called */
	uint64_t size_owner;   /* ... the class that defines it */
	struct type_shapes *type_shapes; /* of metatypes: object/edges_types.c */
	struct probe *probe;		 /* extension/probes.c */
	/* scan/emit.h */
	uint8_t traits;	       /* enum walk_traits */
	uint16_t object_flags; /* enum snap_object_flags of every instance */
	uint64_t fixed_size;   /* what size() always says, and the prefix; 0 = ask them */
	uint64_t lead;	       /* bytes of an instance's memory before its address */
	uint64_t inside_max;   /* ... and most in all: size() may have counted anything */
	uint64_t count;	       /* instances that names.c has looked at */
	uint8_t rank;	       /* ... among the types of its library */
	uint32_t owners;       /* ... that may own native memory: scan/inferred.c */
};

/* The page that the sweep is in: what is the same for all objects in it. */
struct walk_here {
	uint64_t from, to;
	uint64_t *live;	     /* where their bytes are counted: memory_live_in */
	uint32_t flags;	     /* enum snap_object_flags */
	uint64_t nowhere[2]; /* what `live` points to where nothing is counted */
};

/* Ranges of readable memory when the walk began, ascending. */
struct walk_range {
	uint64_t start, end;
	uint64_t offset;
	uint8_t perms; /* r=1 w=2 x=4 s=8 */
	bool file;     /* backed by a file */
	bool image;    /* part of a program or library: private file mapping or its bss */
	bool special;  /* [vvar], [vsyscall], device: never read */
	bool scanned;  /* walk.pages knows its pages */
	const char *path; /* NUL-terminated, ours; "" = anonymous */
};

enum { WALK_INTERNED = 8, WALK_RANGE_CACHE = 4096 };

struct walk {
	const struct cpython *py;
	const struct layout *lay; /* = &py->lay */
	struct arena *arena;
	const struct walk_options *options;
	struct snap_sink *sink;
	/* events.h; NULL: it takes neither */
	int (*whole)(struct snap_sink *sink, const struct snap_object *object,
		     const struct snap_value *value);
	const struct walk_hooks *hooks;
	struct walk_stats stats;
	uint64_t reported; /* objects at the last progress event of a sweep */
	int err;	   /* first failure, negative errno; once set, stop soon */

	struct marks marks;
	struct marks frozen; /* marks only: objects of the permanent generation */

	/* references.h: of the object being emitted */
	uint64_t *refs;
	uint32_t nrefs, refs_capacity;
	const uint64_t *refs_direct; /* set by an edges function instead of appending:
				      * nrefs references in place (a list's items) */
	uint64_t outer; /* bytes of the object's size that lie elsewhere (item arrays) */
	struct snap_object event; /* of the object, and of its value: here, as the walk */
	struct snap_object leaf;  /* the same of one without references: none, no shape */
	struct snap_value value;  /* is in memory anyway and a stack frame is guarded */
	const struct snap_object
		*held; /* an event that goes with its value, if one comes */
	struct walk_here here;
	/* of a str's state word: what says that it is compact ASCII, and that it is
	 * interned */
	uint32_t str_ascii, str_interned;

	/* queue.h: depth-first mode */
	bool depth_first;
	bool checked; /* references are doubtful: sound_object() each */
	uint64_t *stack;
	uint32_t nstack, stack_capacity;

	/* ranges.h */
	struct walk_range *ranges;
	uint32_t nranges, last_range;
	uint32_t range_cache[WALK_RANGE_CACHE]; /* by address >> 16: the first range that
						 * ends beyond an address there */
	struct pages pages;			/* of the ranges that are `scanned` */
	uint64_t *pages_ok; /* elsewhere: page numbers found readable */

	/* ids handed out so far, and shapes that many use */
	uint32_t next_thread, next_frame;
	uint32_t shape_index, shape_pairs, shape_element, shape_other;

	uint64_t interned[WALK_INTERNED]; /* dicts of interned strings: their references
					   * are not counted (roots finds them, one of
					   * each interpreter in 3.13+); 0 = none */

	/* each private to the room or file it is called after */
	struct mimalloc *mimalloc; /* NULL: there is a GIL, or it was not found */
	struct strings *strings;
	struct shapes *shapes;
	struct types *types;
	struct interps *interps; /* NULL until roots are looked for */
	struct memory *memory;
	struct frames *frames;
	struct roots *roots;
	struct plan *plan;
	struct values *values;
	struct specialists *specialists;
	struct closures *closures;
	struct sizecheck *sizecheck;
	int64_t sample_skip; /* objects to let pass before sizecheck takes one */
};

/* Is this dict a table of interned strings? */
static inline bool context_is_interned(const struct walk *w, uint64_t dict)
{
	for (int i = 0; i < WALK_INTERNED && w->interned[i]; i++)
		if (w->interned[i] == dict)
			return true;
	return false;
}

/* Remembers the first failure; true when the walk should go on. */
static inline bool context_check(struct walk *w, int rc)
{
	if (__builtin_expect(rc < 0 && !w->err, 0))
		w->err = rc;
	return !w->err;
}

/* Zeroed memory until the walk ends, or NULL and the failure is remembered. */
static inline void *context_alloc(struct walk *w, size_t size)
{
	void *mem = arena_alloc(w->arena, size);

	if (!mem)
		context_check(w, -ENOMEM);
	return mem;
}

#endif
