/* SPDX-License-Identifier: MIT */
/*
 * sizes - see sizes.h.
 *
 * sys.getsizeof(o) is o.__sizeof__() plus a prefix for the gc header and the
 * words before it (Python/sysmodule.c:_PySys_GetSizeOf).  The method's owner
 * along the mro decides: object and the builtin containers have a formula here;
 * another C method is called directly (ml_meth), which reads the object only,
 * with the allocator of sizes_call.c; a method written in Python is never
 * called: object's formula stands in and the size is marked approximate.
 *
 * Sources: *_sizeof in Objects/{typeobject,longobject,unicodeobject,listobject,
 * dictobject,odictobject,setobject,bytearrayobject}.c and
 * Modules/_collectionsmodule.c, 3.6 to 3.15.
 */
#include "agent/heap/object/sizes.h"

#include <string.h>

#include "agent/heap/core/dicts.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/object/sizes_call.h"
#include "agent/heap/core/tables.h"
#include "agent/heap/object/types.h"

enum { DEQUE_BLOCK = 64, DEQUE_BLOCK_BYTES = 66 * 8, ODICT_NODE = 32 };

/* Memory outside of the object itself that its size counts. */
static void outer(struct walk *w, uint64_t addr, uint64_t bytes)
{
	if (!addr || !bytes)
		return;
	w->outer += bytes;
	memory_live(w, addr, bytes);
}

uint64_t sizes_object(struct walk *w, struct walk_type *type, uint64_t obj)
{
	if (!type->itemsize)
		return type->basicsize;
	return type->basicsize + type->itemsize * peek64(obj + w->lay->head);
}

/*
 * Where the method may not be called: only of types known to have one does the
 * word after the head count items; in others (generators, code) it is a pointer.
 */
static uint64_t size_approx(struct walk *w, struct walk_type *type, uint64_t obj)
{
	if (type->kind == SNAP_KIND_TUPLE || type->kind == SNAP_KIND_BYTES ||
	    type->kind == SNAP_KIND_INT)
		return type->basicsize + type->itemsize * instance_items(w, type, obj);
	return type->basicsize;
}

static uint64_t size_int(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t n = instance_items(w, type, obj);
	uint64_t base = w->lay->long_tagged ? type->basicsize : w->lay->long_digits;

	if (!n && w->lay->long_zero_digit)
		n = 1;
	return base + n * 4;
}

static uint64_t size_list(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t bytes = peek64(obj + w->lay->list_allocated) * 8;

	outer(w, peek64(obj + w->lay->list_items), bytes);
	return type->basicsize + bytes;
}

static uint64_t size_dict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint64_t keys = peek64(obj + lay->dict_keys),
		 values = peek64(obj + lay->dict_values);
	uint64_t size = type->basicsize, bytes;

	if (values) {
		bytes = lay->keys_kind == 0xffff ?
			dict_usable(peek64(keys + 8)) * 8 :
			(peek64(keys + 16) + peek64(keys + lay->keys_nentries)) * 8;
		size += bytes;
		if (lay->managed != LAYOUT_MANAGED_313 || !peek8(values + 2))
			outer(w, values, bytes);
		else
			w->outer += bytes; /* inside of the instance */
	}
	if (peek64(keys) == 1) {
		bytes = dict_keys_size(lay, keys);
		outer(w, keys, bytes);
		size += bytes;
	}
	return size;
}

static uint64_t size_odict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	/* od_first, od_last, od_fast_nodes, od_fast_nodes_size */
	uint64_t at = obj + w->lay->dict_values + 8, size = size_dict(w, type, obj);
	uint64_t fast = 8 * peek64(at + 24), nodes = 0;

	if (peek64(at))
		nodes = ODICT_NODE * peek64(obj + w->lay->dict_used);
	outer(w, peek64(at + 16), fast);
	w->outer += nodes;
	return size + fast + nodes;
}

static uint64_t size_set(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t table = peek64(obj + w->lay->set_table);
	uint64_t bytes = (peek64(obj + w->lay->set_mask) + 1) * 16;

	if (table == obj + w->lay->set_small)
		return type->basicsize;
	outer(w, table, bytes);
	return type->basicsize + bytes;
}

static uint64_t size_str_extra(struct walk *w, uint64_t obj, uint32_t state,
			       uint64_t length, uint64_t data)
{
	const struct layout *lay = w->lay;
	bool ascii =
		(state >> lay->str_ascii_bit & 1) && (state >> lay->str_compact_bit & 1);
	bool ready = lay->str_ready_bit == 0xff || (state >> lay->str_ready_bit & 1);
	uint64_t extra = 0, p;

	if (lay->str_wstr != 0xffff && (p = peek64(obj + lay->str_wstr)) &&
	    (!ready || p != data)) {
		extra = ((ascii ? length : peek64(obj + lay->str_wstr_length)) + 1) * 4;
		outer(w, p, extra);
	}
	if (!ascii && (p = peek64(obj + lay->str_utf8)) && p != data) {
		uint64_t bytes = peek64(obj + lay->str_utf8_length) + 1;

		outer(w, p, bytes);
		extra += bytes;
	}
	return extra;
}

static uint64_t size_str(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint32_t state = peek32(obj + lay->str_state);
	uint64_t length = peek64(obj + lay->str_length), kind, data, size;

	(void)type;
	kind = state >> lay->str_kind_shift & 7;
	if (state >> lay->str_compact_bit & 1) {
		if (state >> lay->str_ascii_bit & 1) {
			size = lay->str_ascii_size + length + 1;
			if (lay->str_wstr == 0xffff)
				return size;
			data = obj + lay->str_ascii_size;
		} else {
			size = lay->str_compact_size + (length + 1) * kind;
			data = obj + lay->str_compact_size;
		}
	} else {
		size = lay->str_full_size;
		data = peek64(obj + lay->str_full_size - 8);
		if (data) {
			size += (length + 1) * kind;
			outer(w, data, (length + 1) * kind);
		}
	}
	return size + size_str_extra(w, obj, state, length, data);
}

static uint64_t size_bytearray(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t bytes = peek64(obj + w->lay->head + 8); /* ob_alloc */

	outer(w, peek64(obj + w->lay->head + 16), bytes);
	return type->basicsize + bytes;
}

static uint64_t size_deque(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t left = peek64(obj + w->lay->head + 24), n = peek64(obj + w->lay->head);
	uint64_t bytes = (left + n + DEQUE_BLOCK - 1) / DEQUE_BLOCK * DEQUE_BLOCK_BYTES;

	w->outer += bytes;
	for (uint64_t block = peek64(obj + w->lay->head + 8), i = 0;
	     block && i < bytes / DEQUE_BLOCK_BYTES; i++) {
		memory_live(w, block, DEQUE_BLOCK_BYTES);
		block = peek64(block + DEQUE_BLOCK_BYTES - 8);
	}
	return type->basicsize + bytes;
}

static uint64_t size_type(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint64_t size = lay->type_size, keys, bytes;

	(void)type;
	if (!(peek64(obj + lay->tp_flags) >> 9 & 1))
		return size;
	size = peek64(CPYTHON_ADDR(w->py, type_type) + lay->tp_basicsize);
	keys = peek64(obj + lay->ht_cached_keys);
	if (keys) {
		bytes = dict_keys_size(lay, keys);
		outer(w, keys, bytes);
		size += bytes;
	}
	return size;
}

/* ---- the plan ---- */

struct size_row {
	size_t symbol; /* of the class that owns __sizeof__ */
	walk_size_fn *size;
	uint16_t until; /* first version where it is otherwise; 0 = none yet */
};

#define SIZE(field, fn) \
	{ \
		offsetof(struct cpython_symbols, field), fn, 0 \
	}
#define SIZE_UNTIL(field, fn, until) \
	{ \
		offsetof(struct cpython_symbols, field), fn, until \
	}
static const struct size_row size_rows[] = {
	SIZE(object_type, sizes_object),
	SIZE(long_type, size_int),
	SIZE(unicode_type, size_str),
	SIZE(list_type, size_list),
	SIZE(dict_type, size_dict),
	SIZE(odict_type, size_odict),
	SIZE(set_type, size_set),
	SIZE(frozenset_type, size_set),
	SIZE(type_type, size_type),
	SIZE_UNTIL(bytearray_type, size_bytearray, 0x030f),
};

static walk_size_fn *native_size(const struct walk *w, uint64_t owner)
{
	for (size_t i = 0; i < sizeof(size_rows) / sizeof(size_rows[0]); i++) {
		uint64_t addr;

		memcpy(&addr, (const char *)&w->py->sym + size_rows[i].symbol,
		       sizeof(addr));
		if (addr == owner &&
		    (!size_rows[i].until || w->py->version >> 8 < size_rows[i].until))
			return size_rows[i].size;
	}
	if (!strcmp(peek_ptr(peek64(owner + w->lay->tp_name)), "collections.deque"))
		return size_deque;
	return NULL;
}

static void plan_prefix(struct walk *w, struct walk_type *type)
{
	const struct layout *lay = w->lay;
	bool gc = type->tp_flags >> 14 & 1, dict = type->tp_flags >> 4 & 1;
	bool weakref = cpython_since(w->py, 12) && (type->tp_flags >> 3 & 1);

	type->prefix = gc ? lay->gc_head : 0;
	if (lay->size_rule == LAYOUT_PREFIX_TRACKABLE) {
		type->prefix_asks = gc && type->is_gc;
		return;
	}
	if (dict || weakref)
		type->prefix += 16;
	type->prefix_asks = lay->size_rule == LAYOUT_PREFIX_NOT_STATIC &&
		type->addr == CPYTHON_ADDR(w->py, type_type);
}

void sizes_plan(struct walk *w, struct walk_type *type)
{
	uint64_t owner = 0, method;

	plan_prefix(w, type);
	type->size = sizes_object;
	method = types_lookup(w, type->addr, w->tables->name_sizeof, &owner);
	if (method) {
		walk_size_fn *native = native_size(w, owner);

		if (native) {
			type->size = native;
			return;
		}
		if (sizes_call_plan(w, type, method))
			return;
	}
	type->size = size_approx;
	type->size_approx = true;
	type->flags |= SNAP_TYPE_APPROX;
}
