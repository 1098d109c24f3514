/* SPDX-License-Identifier: MIT */
/* native - see native.h. */
#include "agent/heap/extension/native.h"

#include "agent/heap/core/events.h"
#include "agent/heap/extension/state.h"

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

	if (!data || !length || length >= CPU_ADDRESS_END)
		return;
	if (flags & SNAP_BUFFER_OWNER)
		marks_take(&w->marks, data & ~7ull);
	EVENTS_SEND(w, buffer, &event);
}

void native_emit_buffer(struct walk *w, uint64_t obj, uint64_t data, uint64_t length,
			uint64_t owner, uint32_t flags)
{
	native_emit(w, obj, data, length, owner, w->specialists->buffer, flags);
}

uint32_t native_counted(const struct walk_type *type)
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

	native_emit_buffer(w, obj, peek64(base + 16), peek64(base + 8), 0,
			   SNAP_BUFFER_OWNER | native_counted(type));
}

/* ob_size, ob_item, allocated, ob_descr -> {char typecode; int itemsize; ...}:
 * Modules/arraymodule.c. */
static void native_array(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t base = obj + w->lay->head, descr = peek64(base + 24);
	uint32_t itemsize = 0;

	if (peek_safe(descr + 4, &itemsize, sizeof(itemsize)) && itemsize <= 16)
		native_emit_buffer(w, obj, peek64(base + 8), peek64(base + 16) * itemsize,
				   0, SNAP_BUFFER_OWNER | native_counted(type));
}

/* ob_size, mbuf, hash, flags, exports, Py_buffer view: Include/memoryobject.h. */
static void native_memoryview(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t view = obj + 56 + object_extra(w->lay);

	(void)type;
	if (!(peek32(obj + 40 + object_extra(w->lay)) & 1)) /* not released */
		native_emit_buffer(w, obj, peek64(view), peek64(view + 16),
				   peek64(view + 8), SNAP_BUFFER_VIEW);
}

/* data, size: Modules/mmapmodule.c. */
static void native_mmap(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t base = obj + w->lay->head;

	(void)type;
	native_emit_buffer(w, obj, peek64(base), peek64(base + 8), 0, SNAP_BUFFER_OWNER);
}

/* b_ptr, b_needsfree, b_base, b_size, ...: Modules/_ctypes/ctypes.h. */
static void native_ctypes(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t base = obj + w->lay->head, data = peek64(base),
		 owner = peek64(base + 16);
	bool inside = data >= obj && data < obj + type->basicsize;

	if (peek32(base + 8) && !inside)
		native_emit_buffer(w, obj, data, peek64(base + 24), 0, SNAP_BUFFER_OWNER);
	else if (!inside)
		native_emit_buffer(w, obj, data, peek64(base + 24), owner,
				   SNAP_BUFFER_VIEW);
}

/* 3.15+: the bytes are an object, which tells of itself. */
static void native_plan_bytearray(struct walk *w, struct walk_type *type)
{
	if (w->lay->bytearray_in_bytes)
		type->native = NULL;
}

const struct specialist native_specialists[] = {
	{ .name = "bytearray",
	  .native = native_bytearray,
	  .plan = native_plan_bytearray },
	{ .name = "array.array", .native = native_array },
	{ .name = "memoryview", .native = native_memoryview },
	{ .name = "mmap.mmap", .native = native_mmap },
	{ .name = "_ctypes._CData",
	  .native = native_ctypes,
	  .memory = SPECIALIST_STRUCTURE },
	/* a semaphore, for which malloc gives more than it needs */
	{ .name = "_thread.lock", .memory = SPECIALIST_FLAT },
	{ .name = "_thread.RLock", .memory = SPECIALIST_FLAT },
	/* bytes and characters, or what was in the memory before */
	{ .name = "_io.BufferedReader", .memory = SPECIALIST_FLAT },
	{ .name = "_io.BufferedWriter", .memory = SPECIALIST_FLAT },
	{ .name = "_io.BufferedRandom", .memory = SPECIALIST_FLAT },
	{ .name = "_io.StringIO", .memory = SPECIALIST_FLAT },
	{ .name = "_csv.reader", .memory = SPECIALIST_FLAT },
	{ .name = "_csv.writer", .memory = SPECIALIST_FLAT },
	/* their bytes are in the object itself, or in a bytes object they refer to */
	{ .name = "bytes" },
	{ .name = "_io.BytesIO" },
	{ .name = "_io._BytesIOBuffer" },
	{ .name = "managedbuffer" },
	{ .name = "pickle.PickleBuffer" },
	{ .name = "_pickle.PickleBuffer" },
	{ .name = NULL },
};
