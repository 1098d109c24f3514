/* SPDX-License-Identifier: MIT */
/* native - see native.h */
#include "agent/heap/extension/native.h"

#include <string.h>

#include "agent/heap/extension/greenlet.h"
#include "agent/heap/extension/numpy.h"
#include "agent/heap/extension/probes.h"
#include "agent/heap/core/walk_internal.h"

enum {
	WAITING = 1 << 20,	/* objects that may wait for a call */
	PYBUF_FULL_RO = 0x011c, /* PyBUF_INDIRECT | PyBUF_FORMAT, Include/object.h */
};

/* Py_buffer (Include/pybuffer.h, object.h before 3.11). */
struct py_buffer {
	uint64_t buf, obj, len, itemsize;
	int32_t readonly, ndim;
	uint64_t format, shape, strides, suboffsets, internal;
};

struct waiting {
	uint64_t obj;
	struct walk_type *type;
};

struct native {
	uint32_t source; /* string id of "buffer" */
	struct waiting *waiting;
	uint32_t count;
};

typedef int getbuffer_fn(uint64_t obj, struct py_buffer *view, int flags);
typedef void clear_fn(void);

static uint64_t extra(const struct walk *w)
{
	return w->lay->head - 16u;
}

void native_emit(struct walk *w, uint64_t obj, uint64_t data, uint64_t length,
		 uint64_t owner, uint32_t source, uint32_t flags)
{
	struct snap_buffer event = {
		.object = obj,
		.data = data,
		.length = length,
		.owner = owner,
		.source = source,
		.flags = flags,
	};

	if (data && length && length < 1ull << 47)
		WALK_SEND(w, buffer, &event);
}

static void emit(struct walk *w, uint64_t obj, uint64_t data, uint64_t length,
		 uint64_t owner, uint32_t flags)
{
	const struct native *native = w->native;

	native_emit(w, obj, data, length, owner, native->source, flags);
}

static uint32_t counted(const struct walk_type *type)
{
	return type->size_approx || (type->flags & SNAP_TYPE_APPROX) ?
		0 :
		SNAP_BUFFER_COUNTED;
}

/* ---- layouts ---- */

/* ob_size, ob_alloc, ob_bytes, ob_start, ob_exports: Objects/bytearrayobject.c.
 * 3.15 keeps the bytes in a bytes object, which is an object by itself. */
static void native_bytearray(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t base = obj + w->lay->head;

	emit(w, obj, peek64(base + 16), peek64(base + 8), 0,
	     SNAP_BUFFER_OWNER | counted(type));
}

/* ob_size, ob_item, allocated, ob_descr -> {char typecode; int itemsize; ...}:
 * Modules/arraymodule.c. */
static void native_array(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t base = obj + w->lay->head, descr = peek64(base + 24);
	uint32_t itemsize = 0;

	if (peek_safe(descr + 4, &itemsize, sizeof(itemsize)) && itemsize <= 16)
		emit(w, obj, peek64(base + 8), peek64(base + 16) * itemsize, 0,
		     SNAP_BUFFER_OWNER | counted(type));
}

/* ob_size, mbuf, hash, flags, exports, Py_buffer view: Include/memoryobject.h. */
static void native_memoryview(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t view = obj + 56 + extra(w);

	(void)type;
	if (!(peek32(obj + 40 + extra(w)) & 1)) /* not released */
		emit(w, obj, peek64(view), peek64(view + 16), peek64(view + 8),
		     SNAP_BUFFER_VIEW);
}

/* data, size: Modules/mmapmodule.c. */
static void native_mmap(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t base = obj + w->lay->head;

	(void)type;
	emit(w, obj, peek64(base), peek64(base + 8), 0, SNAP_BUFFER_OWNER);
}

/* b_ptr, b_needsfree, b_base, b_size, ...: Modules/_ctypes/ctypes.h. */
static void native_ctypes(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t base = obj + w->lay->head, data = peek64(base),
		 owner = peek64(base + 16);
	bool inside = data >= obj && data < obj + type->basicsize;

	if (peek32(base + 8) && !inside)
		emit(w, obj, data, peek64(base + 24), 0, SNAP_BUFFER_OWNER);
	else if (!inside)
		emit(w, obj, data, peek64(base + 24), owner, SNAP_BUFFER_VIEW);
}

/* ---- the buffer protocol ---- */

static void native_wait(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct native *native = w->native;

	if (!native->waiting)
		native->waiting = arena_map(w->arena, WAITING * sizeof(*native->waiting));
	if (native->waiting && native->count < WAITING)
		native->waiting[native->count++] = (struct waiting){ obj, type };
}

static uint64_t getbuffer_of(const struct walk *w, uint64_t type)
{
	uint64_t procs = peek64(type + w->lay->tp_as_buffer);

	return procs ? peek64(procs) : 0;
}

static void ask(struct walk *w, const struct waiting *waiting, clear_fn *clear)
{
	uint64_t address = getbuffer_of(w, waiting->type->addr);
	struct py_buffer view = { 0 };
	getbuffer_fn *getbuffer;
	uint64_t size;
	uint32_t flags = SNAP_BUFFER_OWNER;

	memcpy(&getbuffer, &address, sizeof(getbuffer));
	walk_position.object = waiting->obj;
	walk_position.type_name = waiting->type->name_text;
	if (getbuffer(waiting->obj, &view, PYBUF_FULL_RO) < 0) {
		clear();
		return;
	}
	size = waiting->type->size ? waiting->type->size(w, waiting->type, waiting->obj) :
				     0;
	if (view.obj && view.obj != waiting->obj)
		flags = SNAP_BUFFER_VIEW;
	else if (size >= view.len)
		flags |= SNAP_BUFFER_COUNTED;
	emit(w, waiting->obj, view.buf, view.len, flags & SNAP_BUFFER_VIEW ? view.obj : 0,
	     flags);
}

void native_finish(struct walk *w)
{
	const struct native *native = w->native;
	clear_fn *clear;

	probes_finish(w);
	if (!native || !native->count || !w->options->in_copy || !w->py->sym.err_clear)
		return;
	memcpy(&clear, &w->py->sym.err_clear, sizeof(clear));
	for (uint32_t i = 0; i < native->count && !w->err; i++)
		ask(w, &native->waiting[i], clear);
	walk_position.object = 0;
	walk_position.type_name = "";
}

/* ---- which type has what ---- */

static const struct layout_row {
	const char *name;
	walk_object_fn *fn;
	void (*hook)(struct walk *, struct walk_type *); /* once a type, or NULL */
} layouts[] = {
	{ "bytearray", native_bytearray, NULL },
	{ "array.array", native_array, NULL },
	{ "memoryview", native_memoryview, NULL },
	{ "mmap.mmap", native_mmap, NULL },
	{ "_ctypes._CData", native_ctypes, NULL },
	{ "numpy.ndarray", numpy_native, numpy_edges_hook },
	{ "greenlet.greenlet", NULL, greenlet_edges_hook },
	/* their bytes are in the object itself, or in a bytes object they refer to */
	{ "bytes", NULL, NULL },
	{ "_io.BytesIO", NULL, NULL },
	{ "_io._BytesIOBuffer", NULL, NULL },
	{ "managedbuffer", NULL, NULL },
	{ "pickle.PickleBuffer", NULL, NULL },
	{ "_pickle.PickleBuffer", NULL, NULL },
};

/* Made by a class statement: a heap type with the deallocator of those. */
static bool is_python(const struct walk *w, uint64_t type)
{
	return (peek64(type + w->lay->tp_flags) >> 9 & 1) &&
		peek64(type + w->lay->tp_dealloc) == w->lay->subtype_dealloc;
}

/* tp_name of a type: "module.Name" unless a class statement made it. */
static bool type_name(const struct walk *w, uint64_t type, char *buf, size_t size)
{
	return walk_tp_name(w, type, buf, size);
}

/* Looks the base chain up; NULL: nothing is known of the type. */
static const struct layout_row *find_layout(struct walk *w, const struct walk_type *type)
{
	char name[64];

	for (uint64_t t = type->addr; t; t = peek64(t + w->lay->tp_base)) {
		if (is_python(w, t) || !type_name(w, t, name, sizeof(name)))
			continue;
		for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
			if (!strcmp(name, layouts[i].name))
				return &layouts[i];
	}
	return NULL;
}

/* Is bf_getbuffer that of a C type, not a __buffer__ method in Python? */
static bool buffer_in_c(struct walk *w, const struct walk_type *type)
{
	uint64_t fn = getbuffer_of(w, type->addr), t = type->addr;

	while (t && is_python(w, t))
		t = peek64(t + w->lay->tp_base);
	return fn && t && getbuffer_of(w, t) == fn;
}

void native_type_hook(struct walk *w, struct walk_type *type)
{
	struct native *native = w->native;
	const struct layout_row *row;

	if (!native) {
		native = arena_alloc(w->arena, sizeof(*native));
		if (!native)
			return;
		w->native = native;
		native->source = walk_cstring(w, "buffer");
		probes_begin(w);
	}
	if (type->opaque || probes_type_hook(w, type))
		return;
	row = find_layout(w, type);
	if (row) {
		if (row->hook)
			row->hook(w, type);
		if (row->fn != native_bytearray || !cpython_since(w->py, 15))
			type->native = row->fn;
		return;
	}
	if (w->options->in_copy && buffer_in_c(w, type))
		type->native = native_wait;
}
