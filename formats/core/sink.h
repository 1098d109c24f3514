/* SPDX-License-Identifier: MIT */
/*
 * sink - the vocabulary of a snapshot, as a sequence of events.
 *
 * Whoever produces a snapshot (the agent's heap walk, a generator in the
 * tests, the reader of a saved file) calls the functions of a struct snap_sink;
 * whoever consumes one (the writer, the viewer's heap model, an export, a unit
 * test) implements them.  So the walk can feed the writer or a test directly,
 * and a file read back gives the same events in the same order.
 *
 * Order of events, for one process:
 *
 *	fact*                           who and what: pid, python version, ...
 *	( string* type* shape* object value? ... )*
 *	thread* frame* root*            anywhere, thread before frame before root
 *	map* buffer* chunks* shared* absent* site* trace* line* size_check*
 *	error* progress*
 *	fact*                           totals, timings
 *	end                             exactly once; its absence = truncated
 *
 * Only rule besides: an id (string, type, shape, thread, frame, site) is defined
 * before it is used.  Ids of strings, types, shapes, threads, frames and
 * sites are dense, start at 1 (strings: id 0 is the empty string; others: 0 = none)
 * and are handed out by the producer in increasing order.
 *
 * A producer that looks for it sends an object and its value by `whole`, in one event.
 *
 * Pointers in an event are valid only during the call.  Every function returns
 * 0 to go on, or a negative errno to stop; the producer then stops and passes
 * that value on.  A NULL function pointer means "not interested".
 *
 * Saved and read back, the events of each kind come in the order they were sent,
 * but kinds may be interleaved differently: definitions move ahead of what uses
 * them, and a value stays right behind its object.
 *
 * Addresses are those of the target, 8 bytes, never dereferenced by consumers.
 * Sizes are bytes.  Text from the target is bytes, meant as UTF-8, possibly
 * with encoded surrogates (WTF-8) and never trusted.
 */
#ifndef PYMEM_FORMATS_CORE_SINK_H
#define PYMEM_FORMATS_CORE_SINK_H

#include <stddef.h>
#include <stdint.h>

/* Limits of what a snapshot stores. */
enum {
	/* bytes of a string, a fact or a value's preview; the writer cuts longer strings
	 * and facts, refuses longer previews */
	SNAP_TEXT_MAX = 65536,
	SNAP_KEY_MAX = 255,	/* bytes of a fact's key */
	SNAP_SHAPE_MAX = 65535, /* fixed labels of a shape */
	/* characters of a preview: unless asked for others, and at most */
	SNAP_PREVIEW = 64,
	SNAP_PREVIEW_MAX = 4096,
};

/*
 * What an edge is, as a Python programmer would say it.  On disk: never
 * renumber.  `name` is the label's string id where the kind has one.
 */
enum snap_label_kind {
	/* a reference nothing more is known about; name may say what */
	SNAP_LABEL_OTHER = 0,
	/* .name: attribute, slot or C member; name is an identifier */
	SNAP_LABEL_ATTR = 1,
	SNAP_LABEL_KEY = 2, /* a key of a dict */
	/* the value of the dict key that precedes it: ['key']; with a name, of the key
	 * of that name, which the dict does not hold itself (instances share their keys
	 * through the class) */
	SNAP_LABEL_VALUE = 3,
	SNAP_LABEL_INDEX = 4, /* [i], i counted from the start of the tail */
	/* a member of a set or another unordered container */
	SNAP_LABEL_ELEMENT = 5,
	SNAP_LABEL_LOCAL = 6, /* local variable `name` of a frame */
	SNAP_LABEL_CELL = 7,  /* closure variable `name` */
	SNAP_LABEL_TYPE = 8,  /* __class__ */
	/* a weak reference: not owned, keeps nothing alive */
	SNAP_LABEL_WEAK = 9,
	SNAP_LABEL_STACK = 10, /* a temporary on a frame's value stack */
	SNAP_LABEL_DICT = 11,  /* the instance's __dict__: .__dict__ */
	SNAP_LABEL_KIND_COUNT
};

/* How the references after the fixed ones are labelled.  On disk. */
enum snap_tail {
	SNAP_TAIL_OTHER = 0,   /* each SNAP_LABEL_OTHER */
	SNAP_TAIL_INDEX = 1,   /* [0], [1], ... */
	SNAP_TAIL_PAIRS = 2,   /* key, value, key, value, ... */
	SNAP_TAIL_ELEMENT = 3, /* each SNAP_LABEL_ELEMENT */
	SNAP_TAIL_WEAK = 4,    /* each SNAP_LABEL_WEAK */
	SNAP_TAIL_STACK = 5,   /* each SNAP_LABEL_STACK */
	SNAP_TAIL_COUNT
};

struct snap_label {
	uint8_t kind;  /* enum snap_label_kind */
	uint32_t name; /* string id, 0 when the kind has no name */
};

/*
 * A shape says how the references of an object are labelled: reference i has
 * label fixed[i] for i < nfixed, then the tail's.  A reference that is absent
 * (NULL slot) is sent as address 0 so that positions stay true; it is no edge.
 * Shape 0 is predefined: nfixed 0, tail OTHER.
 */
struct snap_shape {
	uint32_t id;
	uint32_t nfixed;
	const struct snap_label *fixed;
	uint8_t tail; /* enum snap_tail */
};

/* What the object's layout is, by its nearest builtin base.  On disk. */
enum snap_kind {
	SNAP_KIND_OBJECT = 0, /* none of the below */
	SNAP_KIND_INT = 1,
	SNAP_KIND_BOOL = 2,
	SNAP_KIND_FLOAT = 3,
	SNAP_KIND_STR = 4,
	SNAP_KIND_BYTES = 5,
	SNAP_KIND_BYTEARRAY = 6,
	SNAP_KIND_TUPLE = 7,
	SNAP_KIND_LIST = 8,
	SNAP_KIND_DICT = 9,
	SNAP_KIND_SET = 10, /* set and frozenset */
	SNAP_KIND_TYPE = 11,
	SNAP_KIND_MODULE = 12,
	SNAP_KIND_FUNCTION = 13,
	SNAP_KIND_METHOD = 14,
	SNAP_KIND_CODE = 15,
	SNAP_KIND_FRAME = 16,
	SNAP_KIND_GENERATOR = 17, /* generator, coroutine, async generator */
	SNAP_KIND_CELL = 18,
	SNAP_KIND_WEAKREF = 19,
	SNAP_KIND_BUILTIN = 20,
	SNAP_KIND_NONE = 21,
	SNAP_KIND_EXCEPTION = 22,
	SNAP_KIND_TRACEBACK = 23,
	SNAP_KIND_DEQUE = 24,
	SNAP_KIND_MEMORYVIEW = 25,
	SNAP_KIND_COUNT
};

/* On disk. */
enum snap_type_flags {
	/* created at run time; instances own a reference to it */
	SNAP_TYPE_HEAP = 1u << 0,
	SNAP_TYPE_GC = 1u << 1, /* instances take part in garbage collection */
	/* __sizeof__ is Python code: sizes are the base formula */
	SNAP_TYPE_APPROX = 1u << 2,
	/* tp_traverse skipped: it crashed or hung in a first try */
	SNAP_TYPE_OPAQUE = 1u << 3,
	/* made by a class statement (or type()) in Python */
	SNAP_TYPE_PYTHON = 1u << 4,
	SNAP_TYPE_HAS_DEL = 1u << 5, /* defines __del__ */
	/* each instance holds a counted reference to the type: consumers add one TYPE
	 * edge per object */
	SNAP_TYPE_OWNED = 1u << 6,
};

struct snap_type {
	uint32_t id;
	/* string id: module-qualified, `__main__.Foo`, `builtins.str` */
	uint32_t name;
	uint64_t addr;	/* of the type object */
	uint32_t flags; /* enum snap_type_flags */
	uint8_t kind;	/* enum snap_kind */
	uint64_t basicsize, itemsize;
};

/* On disk. */
enum snap_object_flags {
	SNAP_OBJ_GC_TRACKED = 1u << 0,	/* on a garbage collector list */
	SNAP_OBJ_IMMORTAL = 1u << 1,	/* refcount is not a count; stored as 0 */
	SNAP_OBJ_SIZE_APPROX = 1u << 2, /* size could not be computed exactly */
	SNAP_OBJ_OPAQUE = 1u << 3,	/* its references are not all known */
	/* lies in a program or library's data, not on the heap */
	SNAP_OBJ_STATIC = 1u << 4,
	SNAP_OBJ_INTERNED = 1u << 5, /* interned str */
	/* in the permanent generation (gc.freeze) */
	SNAP_OBJ_FROZEN = 1u << 6,
	/* with SNAP_OBJ_IMMORTAL: it isn't, but its count is kept in several places, of
	 * which the object is one (free-threaded CPython: deferred, per-thread) */
	SNAP_OBJ_DEFERRED = 1u << 7,
};

struct snap_object {
	uint64_t addr;
	uint64_t size;	   /* what sys.getsizeof would say */
	uint64_t refcount; /* 0 when immortal */
	uint32_t type;	   /* type id */
	uint32_t shape;	   /* shape id */
	uint32_t flags;	   /* enum snap_object_flags */
	uint32_t nrefs;	   /* entries of refs, absent ones (0) included */
	/* addresses of the referents, in shape order; the reference to the own type is
	 * not among them */
	const uint64_t *refs;
};

/* On disk. */
enum snap_value_kind {
	SNAP_VALUE_STR = 1,   /* text: UTF-8 (WTF-8), whole characters */
	SNAP_VALUE_BYTES = 2, /* text: raw bytes (bytes, bytearray) */
	SNAP_VALUE_INT = 3,   /* text: decimal, or 0x... beyond 64 bits */
	SNAP_VALUE_FLOAT = 4, /* text: 8 bytes, IEEE 754 little endian */
	SNAP_VALUE_BOOL = 5,  /* text: one byte, 0 or 1 */
	/* text: what a function, code, module, type is called */
	SNAP_VALUE_NAME = 6,
};

/* A preview of an object's value; follows the object event of the same address. */
struct snap_value {
	uint64_t addr;
	uint8_t kind; /* enum snap_value_kind */
	/* of the whole value: characters, bytes, or bits for an int */
	uint64_t length;
	/* of the whole content, equal contents of one process have equal hashes; 0 when
	 * text holds the whole value */
	uint64_t hash;
	uint32_t size; /* bytes of text; 0 with --no-values */
	const char *text;
};

/* On disk. */
enum snap_root_kind {
	SNAP_ROOT_OTHER = 0,
	SNAP_ROOT_MODULE = 1, /* name = its key in sys.modules */
	/* name = what field: sys.modules, builtins, codecs, ... */
	SNAP_ROOT_INTERPRETER = 2,
	SNAP_ROOT_STATIC_TYPE = 3, /* name = the type's name */
	/* the interned strings' table, where it is an object */
	SNAP_ROOT_INTERNED = 4,
	SNAP_ROOT_THREAD = 5, /* held by a thread state; name = field */
	/* local variable `name` of frame; frame has no frame object holding it, or is
	 * running */
	SNAP_ROOT_LOCAL = 6,
	SNAP_ROOT_STACK = 7, /* on the value stack of frame */
	/* function, code, globals, frame object of a running frame; name = which */
	SNAP_ROOT_FRAME = 8,
	/* pending or handled exception of a thread */
	SNAP_ROOT_EXCEPTION = 9,
	/* found in the writable data of a library; name = library (and symbol when
	 * known) */
	SNAP_ROOT_C_STATIC = 10,
	SNAP_ROOT_ATEXIT = 11,
	SNAP_ROOT_KIND_COUNT
};

enum snap_root_flags {
	/* does not count in the refcount (e.g. interned dict keys) */
	SNAP_ROOT_BORROWED = 1u << 0,
	/* looks like a reference; not proven */
	SNAP_ROOT_CONSERVATIVE = 1u << 1,
};

struct snap_root {
	uint8_t kind;		/* enum snap_root_kind */
	uint8_t flags;		/* enum snap_root_flags */
	uint32_t thread, frame; /* ids, 0 = none */
	uint32_t name;		/* string id */
	uint64_t target;
};

enum snap_thread_flags { SNAP_THREAD_MAIN = 1, SNAP_THREAD_GIL = 2 /* held the GIL */ };

struct snap_thread {
	uint32_t id;
	uint32_t name;	      /* threading's name if known, else the kernel's */
	uint64_t native_id;   /* kernel tid, 0 = unknown */
	uint64_t ident;	      /* threading.get_ident() */
	uint64_t interpreter; /* interpreter id */
	uint32_t flags;
};

struct snap_frame {
	uint32_t id, thread;
	uint32_t depth;		 /* 0 = innermost (running now) */
	uint32_t function, file; /* string ids */
	uint32_t line;		 /* 0 = unknown */
	uint64_t code;		 /* address of the code object */
	/* address of the frame object, 0 = exists on the data stack only */
	uint64_t object;
};

/* On disk. */
enum snap_map_class {
	SNAP_MAP_HEAP = 0,
	SNAP_MAP_ANON = 1,
	SNAP_MAP_STACK = 2,
	SNAP_MAP_FILE = 3,
	SNAP_MAP_SHARED = 4,
	SNAP_MAP_SPECIAL = 5,
	SNAP_MAP_AGENT = 6, /* ours */
};

/* One mapping of the target. */
struct snap_map {
	uint64_t start, end, offset;
	uint32_t name;	/* string id: path, [heap], ... */
	uint8_t class_; /* enum snap_map_class */
	uint8_t perms;	/* r=1 w=2 x=4 s=8 */
	uint64_t rss, pss, private_dirty, anonymous, swap; /* bytes */
	/* resident bytes in pages that hold a live object or a part of one */
	uint64_t live;
	/* bytes of objects and their item arrays that lie here */
	uint64_t object_bytes;
};

enum snap_buffer_flags {
	SNAP_BUFFER_OWNER = 1,
	SNAP_BUFFER_VIEW = 2,
	SNAP_BUFFER_COUNTED = 4, /* its bytes are in the object's own size already */
	/* found by following pointers from the object, not told by it */
	SNAP_BUFFER_INFERRED = 8,
};

/* Native memory an object exports or holds. */
struct snap_buffer {
	uint64_t object;       /* who holds it */
	uint64_t data, length; /* address, bytes */
	uint64_t owner;	       /* views: the object that owns the memory, 0 = unknown */
	uint32_t source;       /* string id: "buffer", the probe's name, or "malloc" */
	uint32_t flags;
	/* allocations that length is the sum of, data being the first; 0 = not known */
	uint64_t chunks;
	/* objects that hold it alike, of which `object` is one; 0 and 1: it alone */
	uint64_t sharers;
};

/* Allocations in use of the C library that no object is known to own, of one kind. */
struct snap_chunks {
	uint32_t name;	 /* string id: what their first word points to, a symbol or
			* `library+0x10`; 0 = nothing of that sort */
	uint32_t holder; /* string id: the library whose variables lead to them; 0 = no
			  * variable does */
	uint64_t size;	 /* of the largest: they are more than half as large */
	uint64_t count, bytes;
	uint64_t example; /* address of one of them */
};

/* Pages in memory that another process than this and its copy had mapped too, not
 * written since by either: what a fork left to share. */
struct snap_shared {
	uint64_t start, length; /* address, bytes */
};

/* Pages of private memory that aren't there: never written to, or given back. They read
 * as zeros and take no memory, neither resident nor swapped out. */
struct snap_absent {
	uint64_t start, length; /* address, bytes */
};

/* A place in the program that allocated, and how it was called: the frames from here
 * outwards are this site, its caller, that one's caller, ... */
struct snap_site {
	uint32_t id;
	uint32_t caller; /* site id; 0 = the outermost frame that was recorded */
	uint32_t file;	 /* string id */
	uint32_t line;	 /* 0 = unknown */
};

/* A block of memory in use of which the interpreter's tracemalloc knows who asked for
 * it. */
struct snap_trace {
	uint64_t addr, size; /* of the block, as its user has it; bytes */
	uint32_t site;	     /* site id of the innermost frame; 0 = could not be read */
	uint32_t domain;     /* 0 = Python's allocators; others are an extension's */
};

/* Where a call stands that an object holds: a suspended generator, coroutine or
 * asynchronous generator, a frame object that keeps its frame, a greenlet's calls. */
struct snap_line {
	uint64_t object;
	/* of several calls of one object (a greenlet), which: that of the how-many-th
	 * code object among its references, from 0 */
	uint32_t call;
	uint32_t file; /* string id */
	uint32_t line; /* 0 = unknown */
};

/* Sizes of a sample compared with the interpreter's own answer, per type. */
struct snap_size_check {
	uint32_t type;
	uint64_t checked, mismatched;
	uint64_t ours, theirs; /* bytes, of the mismatched ones */
};

/* Something that could not be walked, and why. */
struct snap_error {
	uint64_t addr; /* 0 = no single object */
	uint32_t type; /* type id or 0 */
	uint32_t text; /* string id */
};

struct snap_progress {
	uint32_t phase; /* string id */
	uint64_t objects, edges, done, estimate;
};

enum snap_fact_kind { SNAP_FACT_U64 = 0, SNAP_FACT_TEXT = 1 }; /* on disk */

/* Key and value; a later fact of the same key replaces the earlier. */
struct snap_fact {
	/* ASCII, e.g. "pid", "python.version", "gil_held_ns" */
	const char *key;
	uint8_t kind;
	uint64_t u64;
	const char *text; /* SNAP_FACT_TEXT: bytes, not terminated */
	size_t size;
};

struct snap_sink;

struct snap_sink_ops {
	int (*fact)(struct snap_sink *, const struct snap_fact *);
	int (*string)(struct snap_sink *, uint32_t id, const char *text, size_t size);
	int (*type)(struct snap_sink *, const struct snap_type *);
	int (*shape)(struct snap_sink *, const struct snap_shape *);
	int (*object)(struct snap_sink *, const struct snap_object *);
	int (*value)(struct snap_sink *, const struct snap_value *);
	/* An object and its value, NULL: it has none, in one event instead of these two,
	 * from those producers that look whether a sink has this. */
	int (*whole)(struct snap_sink *, const struct snap_object *,
		     const struct snap_value *);
	int (*thread)(struct snap_sink *, const struct snap_thread *);
	int (*frame)(struct snap_sink *, const struct snap_frame *);
	int (*root)(struct snap_sink *, const struct snap_root *);
	int (*map)(struct snap_sink *, const struct snap_map *);
	int (*buffer)(struct snap_sink *, const struct snap_buffer *);
	int (*chunks)(struct snap_sink *, const struct snap_chunks *);
	int (*shared)(struct snap_sink *, const struct snap_shared *);
	int (*absent)(struct snap_sink *, const struct snap_absent *);
	int (*site)(struct snap_sink *, const struct snap_site *);
	int (*trace)(struct snap_sink *, const struct snap_trace *);
	int (*line)(struct snap_sink *, const struct snap_line *);
	int (*size_check)(struct snap_sink *, const struct snap_size_check *);
	int (*error)(struct snap_sink *, const struct snap_error *);
	int (*progress)(struct snap_sink *, const struct snap_progress *);
	int (*end)(struct snap_sink *);
};

/* Embed as the first member of the consumer's own struct. */
struct snap_sink {
	const struct snap_sink_ops *ops;
};

#endif
