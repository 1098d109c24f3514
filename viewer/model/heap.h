/* SPDX-License-Identifier: MIT */
/*
 * heap - one process's snapshot as arrays: the model everything else reads.
 *
 * Nodes.  Objects have ids 0 .. objects-1 in ascending address order; after
 * them come the synthetic nodes objects .. nodes-1: the virtual root, the root
 * groups, the threads and their frames, and at last the memory that objects own outside
 * of themselves (native_node.h).  32 bits name any node.
 *
 * Sizes.  An object has its size (heap_size: what sys.getsizeof says) and its native
 * bytes (heap_native: what it alone owns outside); heap_shallow is both.  With
 * python_only the native ones count for nothing.
 *
 * Addresses are not stored: a bitmap (one bit per 8 bytes of object memory)
 * with ranks gives address -> id, and select on it id -> address (addrmap.h).
 *
 * Edges.  Forward CSR: the references of object o are the entries
 * target[heap_row(o) .. heap_row(o + 1)), in shape order, so that the label of
 * each follows from the object's shape and the position.  An entry >= nodes is
 * no edge of the graph: HEAP_ABSENT (NULL slot), HEAP_DANGLING (referent not in
 * the snapshot), HEAP_WEAK (a weak reference; its target is in a side table).
 * Types flagged SNAP_TYPE_OWNED give each instance one more edge, to the type
 * object; it is implicit (heap_type_edge).
 *
 * What is equal for many objects - type, shape, flags - is interned as a
 * "class" so that an object costs 4 (class) + 2 (size) + 1 (refcount) + 4 (row)
 * bytes and 4 per reference.  The few sizes and counts that need more bits are in
 * side tables.
 *
 * Lifetime: loaded by load.h (or mapped from a sidecar), then constant, except
 * that analysis/reach.c appends the members of the last root groups once
 * (heap_adopt).  Read-only use from several threads is fine, but for heap_slot and
 * what calls it (paths): it keeps where large nodes' references are (slots.h).
 */
#ifndef PYMEM_VIEWER_MODEL_HEAP_H
#define PYMEM_VIEWER_MODEL_HEAP_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/sink.h"
#include "viewer/model/addrmap.h"
#include "viewer/model/slots.h"
#include "viewer/model/vec.h"

#define HEAP_ABSENT UINT32_MAX
#define HEAP_DANGLING (UINT32_MAX - 1)
#define HEAP_WEAK (UINT32_MAX - 2)
#define HEAP_NONE UINT32_MAX /* "no node" in every other place */
#define HEAP_MAX_NODES (UINT32_MAX - 16)

/* Synthetic nodes: what they are. GROUP_* in the order they are searched. */
enum heap_synth_kind {
	HEAP_SYNTH_ROOT = 0,	 /* virtual root */
	HEAP_SYNTH_MODULES,	 /* (modules) */
	HEAP_SYNTH_THREADS,	 /* (threads) -> thread -> frame -> locals */
	HEAP_SYNTH_INTERPRETER,	 /* (interpreter) */
	HEAP_SYNTH_ATEXIT,	 /* (atexit) */
	HEAP_SYNTH_STATIC_TYPES, /* (static types) */
	HEAP_SYNTH_C_STATIC,	 /* (C statics) */
	HEAP_SYNTH_OTHER,	 /* (other roots) */
	HEAP_SYNTH_INTERNED,	 /* (interned strings) */
	HEAP_SYNTH_IMMORTAL,	 /* (immortal): not reached from the above */
	HEAP_SYNTH_UNKNOWN,	 /* (C code we can't see into): surplus of
					 * references */
	HEAP_SYNTH_GARBAGE,	 /* (unreachable garbage) */
	HEAP_SYNTH_GROUP_COUNT,	 /* groups are the nodes objects + kind */
	HEAP_SYNTH_THREAD = HEAP_SYNTH_GROUP_COUNT,
	HEAP_SYNTH_FRAME,
	HEAP_SYNTH_NATIVE, /* memory outside of objects (native_node.h) */
};

/* A synthetic node: node id = objects + index. */
struct heap_synth {
	uint32_t kind;	       /* enum heap_synth_kind */
	uint32_t ref;	       /* thread or frame id (1-based as in the snapshot), else
				 * 0 */
	uint32_t first, count; /* its entries in synth_target / synth_label */
};

struct heap_synth_label {
	uint8_t kind;  /* enum snap_root_kind */
	uint8_t flags; /* enum snap_root_flags */
	uint16_t pad;
	uint32_t name; /* string id */
};

enum heap_native_flags {
	HEAP_NATIVE_COUNTED = 1,  /* its bytes are in its owner's size already */
	HEAP_NATIVE_FILE = 2,	  /* it lies in a mapped file */
	HEAP_NATIVE_SHARED = 4,	  /* ... in shared memory */
	HEAP_NATIVE_INFERRED = 8, /* found by following pointers, not told */
	HEAP_NATIVE_JOINT = 16,	  /* others that aren't known own it too */
};

/* A native node: node id = heap_native_base + index. */
struct heap_native {
	uint64_t size;	   /* bytes allocated; of a mapped file, those resident */
	uint64_t resident; /* of these at most so many are in memory, or swapped out */
	uint32_t source;   /* string id: how it was found */
	uint32_t owner;	   /* an object that holds it, HEAP_NONE: none in the snapshot */
	uint32_t owners;   /* so many do */
	uint32_t flags;	   /* enum heap_native_flags */
};

/* What of an object isn't in memory (absent.h). */
struct heap_untouched {
	uint32_t object, pad;
	uint64_t bytes;
};

struct heap_class {
	uint32_t type, shape, flags; /* ids; enum snap_object_flags */
	uint32_t weak;		     /* 1: some of its references are weak */
};

struct heap_type {
	uint32_t name;	/* string id */
	uint32_t flags; /* enum snap_type_flags */
	uint32_t kind;	/* enum snap_kind */
	uint32_t node;	/* the type object, HEAP_NONE when not in the snapshot */
	uint64_t addr, basicsize, itemsize;
	uint64_t count, size; /* of its objects, bytes */
	uint32_t namesake;  /* the first type of its qualified name and kind: itself, but
			       * of classes that a program makes again and again */
	uint32_t namesakes; /* of the first: how many types there are of its name */
};

struct heap_shape {
	uint32_t first, nfixed; /* entries of labels */
	uint32_t tail;		/* enum snap_tail */
};

struct heap_big {
	uint64_t value;
	uint32_t id, pad;
};

struct heap_fact {
	uint32_t key, text; /* offsets in fact_text; both NUL-terminated */
	uint32_t size, kind;
	uint64_t u64;
};

/* One array per line; all are plain data without pointers, so that the sidecar
 * can store and map them as they are (heap_arrays below must list each). */
struct heap {
	/* counts; in the sidecar's header too */
	uint32_t objects, nodes;
	uint32_t types, shapes, strings, threads, frames; /* highest ids; tables have +1
							   * entries */
	uint32_t complete;				  /* END was seen */
	uint64_t slots;					  /* entries of target */
	uint64_t edges; /* strong edges between objects, type edges included */
	uint64_t weak_edges;
	uint64_t dangling; /* references to what isn't in the snapshot */
	uint64_t dropped;  /* objects dropped: address met before, or impossible */
	uint64_t size;	   /* bytes of all objects */
	uint64_t references_counted;   /* sum of refcounts of objects that aren't
					 * immortal, but for None, True, False */
	uint64_t references_explained; /* of those, met by a found reference */
	uint64_t values;	       /* previews */

	struct addrmap addrs;
	struct vec klass;     /* u32 per object: index in classes */
	struct vec size16;    /* u16 per object; UINT16_MAX = look in size_big */
	struct vec refcount8; /* u8 per object; UINT8_MAX = look in refcount_big */
	struct vec row_base;  /* u64 per 65536 objects */
	struct vec row;	      /* u32 per object + 1: offset from its base */
	struct vec target;    /* u32 per slot */
	struct vec held_slot; /* u64, ascending: slots of references that were inferred */
	struct vec surplus_id; /* u32, ascending: objects whose refcount differs from the
				 * number of references found; and by how much: */
	struct vec surplus_by; /* int64_t */
	struct vec size_big, refcount_big; /* struct heap_big, ascending id */
	struct vec weak_slot;		   /* u64, ascending */
	struct vec weak_target;		   /* u32 */
	struct vec value_block;		   /* u64 per 64 objects + 1: offset in value_data
				 * (values.h) */
	struct vec value_data;
	struct vec classes;	 /* struct heap_class */
	struct vec type;	 /* struct heap_type, [0] unused */
	struct vec shape;	 /* struct heap_shape, [0] predefined */
	struct vec label;	 /* struct snap_label */
	struct vec string;	 /* u32 per string + 1: offset in text; [0] = "" */
	struct vec text;	 /* string bytes, each followed by NUL */
	struct vec thread;	 /* struct snap_thread, [0] unused */
	struct vec frame;	 /* struct snap_frame, [0] unused */
	struct vec synth;	 /* struct heap_synth */
	struct vec synth_target; /* u32 */
	struct vec synth_label;	 /* struct heap_synth_label */
	struct vec map;		 /* struct snap_map */
	struct vec buffer;	 /* struct snap_buffer */
	struct vec chunks;	 /* struct snap_chunks */
	struct vec shared;	 /* struct snap_shared */
	struct vec absent;	 /* struct snap_absent, ascending, apart */
	struct vec untouched;	 /* struct heap_untouched, ascending */
	const struct heap
		*forked_from;	/* its parent's, where that is looked at too (set by
					 * the workspace); not owned */
	struct vec site;	/* struct snap_site, [0] unused; empty: there are none */
	struct vec trace;	/* struct snap_trace, by domain and address (site.h) */
	struct vec line;	/* struct snap_line, by object and call (line.h) */
	struct vec native;	/* struct heap_native */
	struct vec native_edge; /* u64, ascending: object << 32 | index in native */
	struct vec size_check;	/* struct snap_size_check */
	struct vec error;	/* struct snap_error */
	struct vec fact;	/* struct heap_fact */
	struct vec fact_text;	/* bytes */

	struct slots slot; /* heap_slot's */
	uint64_t serial;   /* from heap_create: no other heap of this program has it */

	bool python_only; /* native nodes count for nothing */
	void *file;	  /* sidecar mapping the vecs point into, or NULL */
	size_t file_size;
};

struct heap *heap_create(void);	      /* NULL: out of memory */
void heap_destroy(struct heap *heap); /* NULL is fine */

/* ---- objects (node < objects) ---- */

/* Of enum snap_kind: the built-in ones that have elements. */
static inline bool heap_kind_is_container(unsigned kind)
{
	return kind == SNAP_KIND_LIST || kind == SNAP_KIND_TUPLE ||
		kind == SNAP_KIND_SET || kind == SNAP_KIND_DICT ||
		kind == SNAP_KIND_DEQUE;
}

static inline bool heap_is_object(const struct heap *heap, uint32_t node)
{
	return node < heap->objects;
}

static inline uint64_t heap_row(const struct heap *heap, uint32_t object)
{
	return VEC(heap->row_base, uint64_t)[object >> 16] +
		VEC(heap->row, uint32_t)[object];
}

static inline const struct heap_class *heap_class_of(const struct heap *heap,
						     uint32_t object)
{
	assert(object < heap->objects);
	return &VEC(heap->classes, struct heap_class)[VEC(heap->klass, uint32_t)[object]];
}

/* Type id of a node; 0 for synthetic ones. */
static inline uint32_t heap_type_of(const struct heap *heap, uint32_t node)
{
	return node < heap->objects ? heap_class_of(heap, node)->type : 0;
}

static inline const struct heap_type *heap_type(const struct heap *heap, uint32_t type)
{
	return &VEC(heap->type, struct heap_type)[type];
}

/* Which type an object is of, where all those of one name are one. */
static inline uint32_t heap_namesake_of(const struct heap *heap, uint32_t node)
{
	return heap_type(heap, heap_type_of(heap, node))->namesake;
}

/* enum snap_kind of an object. */
static inline unsigned heap_kind(const struct heap *heap, uint32_t object)
{
	return heap_type(heap, heap_class_of(heap, object)->type)->kind;
}

/* For heap_size and heap_refcount: where the small field overflows. */
uint64_t heap_size_slow(const struct heap *heap, uint32_t object);
uint64_t heap_refcount_slow(const struct heap *heap, uint32_t object);

/* Shallow size in bytes (sys.getsizeof, but see within.h); 0 for synthetic nodes. */
static inline uint64_t heap_size(const struct heap *heap, uint32_t node)
{
	if (node >= heap->objects)
		return 0;
	uint16_t size = VEC(heap->size16, uint16_t)[node];
	return size != UINT16_MAX ? size : heap_size_slow(heap, node);
}

/* While the heap is built: takes so many bytes from an object's size, from its type's and
 * from the sum of all. */
void heap_shrink(struct heap *heap, uint32_t object, uint64_t by);

/* The first native node; heap->nodes when there is none. */
static inline uint32_t heap_native_base(const struct heap *heap)
{
	return heap->nodes - (uint32_t)VEC_COUNT(heap->native, struct heap_native);
}
static inline bool heap_is_native(const struct heap *heap, uint32_t node)
{
	return node < heap->nodes && node >= heap_native_base(heap);
}
/* node must be a native one. */
static inline const struct heap_native *heap_native_at(const struct heap *heap,
						       uint32_t node)
{
	return VEC(heap->native, struct heap_native) + (node - heap_native_base(heap));
}

uint64_t heap_native_slow(const struct heap *heap, uint32_t node); /* for heap_native */

/* Bytes outside of an object that it alone owns and that aren't in its size; of a native
 * node, its own. 0 with python_only. */
static inline uint64_t heap_native(const struct heap *heap, uint32_t node)
{
	return heap->native.size && !heap->python_only ? heap_native_slow(heap, node) : 0;
}

/* An object's bytes, wherever they are; of a native node, its own. */
static inline uint64_t heap_shallow(const struct heap *heap, uint32_t node)
{
	return heap_size(heap, node) + heap_native(heap, node);
}

/* 0 for immortal objects and synthetic nodes. */
static inline uint64_t heap_refcount(const struct heap *heap, uint32_t node)
{
	if (node >= heap->objects)
		return 0;
	uint8_t count = VEC(heap->refcount8, uint8_t)[node];
	return count != UINT8_MAX ? count : heap_refcount_slow(heap, node);
}

/* References found missing (> 0: more references than found; < 0: fewer). */
int64_t heap_surplus(const struct heap *heap, uint32_t object);
/* Address of a node; 0 for synthetic ones. */
uint64_t heap_address(const struct heap *heap, uint32_t node);
/* Whether all that an object's size counts lies from its address on. */
bool heap_in_line(const struct heap *heap, uint32_t object);
/* Object at exactly this address, or HEAP_NONE. */
uint32_t heap_find(const struct heap *heap, uint64_t address);

/* ---- edges ---- */

struct heap_span {
	const uint32_t *target;
	uint32_t count;
};

/* The explicit references of any node; entries >= heap->nodes are no edges. */
static inline struct heap_span heap_refs(const struct heap *heap, uint32_t node)
{
	if (node < heap->objects) {
		uint64_t row = heap_row(heap, node);
		return (struct heap_span){ VEC(heap->target, uint32_t) + row,
					   (uint32_t)(heap_row(heap, node + 1) - row) };
	}
	const struct heap_synth *s =
		&VEC(heap->synth, struct heap_synth)[node - heap->objects];
	return (struct heap_span){ VEC(heap->synth_target, uint32_t) + s->first,
				   s->count };
}

/* The implicit edge to the type object, or HEAP_NONE. */
static inline uint32_t heap_type_edge(const struct heap *heap, uint32_t node)
{
	if (node >= heap->objects)
		return HEAP_NONE;
	const struct heap_type *type = heap_type(heap, heap_class_of(heap, node)->type);
	return type->flags & SNAP_TYPE_OWNED ? type->node : HEAP_NONE;
}

/* Node behind entry `slot` of a node's references: also weak ones; HEAP_NONE for absent
 * and dangling entries. *weak_ret may be NULL. */
uint32_t heap_target(const struct heap *heap, uint32_t node, uint32_t slot,
		     bool *weak_ret);

/* The label of an edge, resolved. */
struct heap_label {
	uint8_t kind;	   /* enum snap_label_kind; synthetic parents: 0 */
	uint8_t root_kind; /* enum snap_root_kind, synthetic parents only */
	uint8_t flags;	   /* enum snap_root_flags, synthetic parents only */
	bool inferred;	/* found in the object's memory, not told by its type (held.h) */
	uint32_t name;	/* string id, 0 = none */
	uint32_t key;	/* VALUE: node of the key object; HEAP_NONE: name is the key (a
		       * split dict: the class owns the keys) or it is unknown */
	uint64_t index; /* INDEX: position */
};
/* slot HEAP_NONE: the type edge. */
void heap_label(const struct heap *heap, uint32_t node, uint32_t slot,
		struct heap_label *ret);
/* First slot of `from` that refers to `to`; HEAP_NONE = none, or only the type edge
 * does. */
uint32_t heap_slot(const struct heap *heap, uint32_t from, uint32_t to);
/* The same from `slot` on, which is one of its slots. */
uint32_t heap_slot_after(const struct heap *heap, uint32_t from, uint32_t slot,
			 uint32_t to);

/* ---- text ---- */

/* String by id: NUL-terminated, raw target bytes (escape before showing). size_ret may
 * be NULL. */
const char *heap_string(const struct heap *heap, uint32_t id, size_t *size_ret);
/* Raw name of a type id; "" for 0. */
const char *heap_type_name(const struct heap *heap, uint32_t type);
/* Type id by exact qualified name or, failing that, by last part: of types that have
 * instances, or of all where none has, only one may end in it; of equal names the one
 * with most instances. 0 = none. */
uint32_t heap_type_find(const struct heap *heap, const char *name);

/* ---- values: previews ---- */

struct heap_value {
	uint8_t kind; /* enum snap_value_kind, 0 = no value known */
	uint64_t length, hash;
	uint32_t size;
	const char *text; /* not terminated */
};
/* False when the object has none. */
bool heap_value(const struct heap *heap, uint32_t object, struct heap_value *ret);

/* ---- facts ---- */

/* Newest fact of that key: its number, or `otherwise`. */
uint64_t heap_fact_u64(const struct heap *heap, const char *key, uint64_t otherwise);
/* Newest text fact, raw bytes, NUL-terminated; NULL when there is none. */
const char *heap_fact_text(const struct heap *heap, const char *key, size_t *size_ret);
/* Resident memory in bytes, by the maps, else by the fact "rss"; 0 = unknown. */
uint64_t heap_rss(const struct heap *heap);

/* ---- synthetic nodes ---- */

static inline uint32_t heap_root(const struct heap *heap)
{
	return heap->objects;
}
static inline uint32_t heap_group(const struct heap *heap, enum heap_synth_kind group)
{
	return heap->objects + group;
}
static inline const struct heap_synth *heap_synth(const struct heap *heap, uint32_t node)
{
	return &VEC(heap->synth, struct heap_synth)[node - heap->objects];
}
/* "(modules)", ... for the groups; "" for threads and frames. */
const char *heap_group_name(enum heap_synth_kind group);
/* Makes ids the members of a group that has none yet. 0 or -ENOMEM. */
int heap_adopt(struct heap *heap, enum heap_synth_kind group, const uint32_t *ids,
	       uint32_t count);

#endif
