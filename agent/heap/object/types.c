/* SPDX-License-Identifier: MIT */
/*
 * types - one record per Python type, made when its first instance is met.
 *
 * The record holds all that can be decided once: name, kind, how big an instance
 * is, where its references are.  So the sweep spends nothing on it per object.
 */
#include "agent/heap/object/types.h"

#include <errno.h>
#include <string.h>

#include "agent/heap/core/dicts.h"
#include "agent/heap/object/edges.h"
#include "agent/heap/object/sizes.h"
#include "agent/heap/core/tables.h"

enum { NAME_MAX = 1024, MRO_MAX = 4096 };

/* ---- what an instance is, by its nearest builtin base ---- */

struct kind_row {
	size_t symbol; /* offset in struct cpython_symbols */
	uint8_t kind;
};

#define KIND(field, kind) \
	{ \
		offsetof(struct cpython_symbols, field), kind \
	}
static const struct kind_row kind_rows[] = {
	KIND(bool_type, SNAP_KIND_BOOL),
	KIND(long_type, SNAP_KIND_INT),
	KIND(float_type, SNAP_KIND_FLOAT),
	KIND(unicode_type, SNAP_KIND_STR),
	KIND(bytes_type, SNAP_KIND_BYTES),
	KIND(bytearray_type, SNAP_KIND_BYTEARRAY),
	KIND(tuple_type, SNAP_KIND_TUPLE),
	KIND(list_type, SNAP_KIND_LIST),
	KIND(dict_type, SNAP_KIND_DICT),
	KIND(set_type, SNAP_KIND_SET),
	KIND(frozenset_type, SNAP_KIND_SET),
	KIND(type_type, SNAP_KIND_TYPE),
	KIND(module_type, SNAP_KIND_MODULE),
	KIND(function_type, SNAP_KIND_FUNCTION),
	KIND(method_type, SNAP_KIND_METHOD),
	KIND(code_type, SNAP_KIND_CODE),
	KIND(frame_type, SNAP_KIND_FRAME),
	KIND(gen_type, SNAP_KIND_GENERATOR),
	KIND(coro_type, SNAP_KIND_GENERATOR),
	KIND(async_gen_type, SNAP_KIND_GENERATOR),
	KIND(cell_type, SNAP_KIND_CELL),
	KIND(weakref_type, SNAP_KIND_WEAKREF),
	KIND(weakproxy_type, SNAP_KIND_WEAKREF),
	KIND(weakcallable_type, SNAP_KIND_WEAKREF),
	KIND(cfunction_type, SNAP_KIND_BUILTIN),
	KIND(base_exception, SNAP_KIND_EXCEPTION),
	KIND(traceback_type, SNAP_KIND_TRACEBACK),
	KIND(memoryview_type, SNAP_KIND_MEMORYVIEW),
};

/* base_exception is a variable that holds the type; the others are the types. */
static uint64_t kind_address(const struct walk *w, const struct kind_row *row)
{
	uint64_t addr;

	memcpy(&addr, (const char *)&w->py->sym + row->symbol, sizeof(addr));
	if (row->kind == SNAP_KIND_EXCEPTION && addr)
		addr = peek64(addr);
	return addr;
}

static uint8_t kind_of(const struct walk *w, uint64_t type, bool *exact_ret)
{
	*exact_ret = false;
	for (uint64_t c = type; c; c = peek64(c + w->lay->tp_base)) {
		for (size_t i = 0; i < sizeof(kind_rows) / sizeof(kind_rows[0]); i++) {
			if (kind_address(w, &kind_rows[i]) != c)
				continue;
			*exact_ret = c == type;
			return kind_rows[i].kind;
		}
		if (!strcmp(peek_ptr(peek64(c + w->lay->tp_name)), "collections.deque"))
			return SNAP_KIND_DEQUE;
	}
	if (type == walk_typeof(w, CPYTHON_ADDR(w->py, none)))
		return SNAP_KIND_NONE;
	return SNAP_KIND_OBJECT;
}

/* ---- attributes of types, without the interpreter ---- */

/* By identity of the key: for names that are interned in any case. */
static uint64_t dict_get_interned(const struct walk *w, uint64_t dict, uint64_t name)
{
	struct dict_table t;

	if (!dict || !name)
		return 0;
	dict_table(w->lay, dict, &t);
	for (uint64_t i = 0; i < t.nentries; i++) {
		uint64_t at = t.entries + i * t.stride;

		if (peek64(at) == name)
			return t.values ? peek64(t.values + i * 8) : peek64(at + 8);
	}
	return 0;
}

uint64_t types_lookup(const struct walk *w, uint64_t type, uint64_t name,
		      uint64_t *owner_ret)
{
	uint64_t mro = peek64(type + w->lay->tp_mro), n;

	if (!mro || walk_typeof(w, mro) != CPYTHON_ADDR(w->py, tuple_type))
		return 0;
	n = peek64(mro + w->lay->head);
	for (uint64_t i = 0; i < n && i < MRO_MAX; i++) {
		uint64_t class_ = peek64(mro + w->lay->tuple_items + i * 8);
		uint64_t found = dict_get_interned(w, walk_type_dict(w, class_), name);

		if (found) {
			*owner_ret = class_;
			return found;
		}
	}
	return 0;
}

/* The interned str under which a dict keeps `text`: the key object itself. */
static uint64_t key_object(struct walk *w, uint64_t dict, const char *text)
{
	struct walk_dict_iter iter;
	uint64_t key, value;
	char buf[64];

	if (!walk_dict_begin(w, dict, &iter))
		return 0;
	while (walk_dict_next(&iter, &key, &value))
		if (walk_str_text(w, key, buf, sizeof(buf)) && !strcmp(buf, text))
			return key;
	return 0;
}

/* ---- names ---- */

static bool is_heap(const struct walk *w, uint64_t type)
{
	return peek64(type + w->lay->tp_flags) >> 9 & 1;
}

/*
 * A class may make __module__ a property of its instances, when these are classes
 * (zope.interface's InterfaceClass): then its first function tells where it was made.
 */
static uint64_t module_of_functions(const struct walk *w, uint64_t dict)
{
	uint64_t at = (cpython_since(w->py, 10) ? 104u : 88u) + w->lay->head - 16u;
	struct walk_dict_iter iter;
	uint64_t key, value;

	if (!dict || !walk_dict_begin(w, dict, &iter))
		return 0;
	while (walk_dict_next(&iter, &key, &value))
		if (walk_typeof(w, value) == CPYTHON_ADDR(w->py, function_type) &&
		    peek64(value + at))
			return peek64(value + at);
	return 0;
}

/* "__main__.Foo.Bar", "builtins.str": __module__ + "." + __qualname__, natively. */
static size_t qualified_name(struct walk *w, uint64_t type, char *buf, size_t size)
{
	const char *name = peek_ptr(peek64(type + w->lay->tp_name));
	size_t n = 0, length;

	if (is_heap(w, type)) {
		uint64_t module = dict_get_interned(w, walk_type_dict(w, type),
						    w->tables->name_module);

		if (!module) /* C code may have used a key that is not interned */
			module = walk_dict_get(w, walk_type_dict(w, type), "__module__");
		n = walk_str_text(w, module, buf, size / 2);
		if (!n && module) {
			module = module_of_functions(w, walk_type_dict(w, type));
			n = walk_str_text(w, module, buf, size / 2);
		}
		if (n)
			buf[n++] = '.';
		length = walk_str_text(w, peek64(type + w->lay->ht_qualname), buf + n,
				       size - n);
		if (length)
			return n + length;
	} else if (!strchr(name, '.')) {
		memcpy(buf, "builtins.", 9);
		n = 9;
	}
	length = strnlen(name, size - n - 1);
	memcpy(buf + n, name, length);
	buf[n + length] = 0;
	return n + length;
}

static void set_name(struct walk *w, struct walk_type *t)
{
	char buf[NAME_MAX], *copy;
	size_t size = qualified_name(w, t->addr, buf, sizeof(buf));

	t->name = walk_string(w, buf, size);
	copy = arena_alloc(w->arena, size + 1);
	if (copy) {
		memcpy(copy, buf, size + 1);
		t->name_text = copy;
	} else {
		walk_check(w, -ENOMEM);
	}
}

static bool on_skip_list(const struct walk *w, const char *name)
{
	const char *skip = w->options->skip_types;

	for (; skip && *skip; skip += strlen(skip) + 1)
		if (!strcmp(skip, name))
			return true;
	return false;
}

/* ---- making a record ---- */

/*
 * Made by a class statement, or at least without C code of its own: such a layer
 * adds slots and a __dict__ and nothing else.
 */
static bool is_python_layer(const struct walk *w, uint64_t type)
{
	const struct layout *lay = w->lay;
	uint64_t flags = peek64(type + lay->tp_flags);

	return (flags >> 9 & 1) &&
		peek64(type + lay->tp_dealloc) == lay->subtype_dealloc &&
		(peek64(type + lay->tp_traverse) == lay->subtype_traverse ||
		 !(flags >> 14 & 1));
}

static uint64_t native_base(const struct walk *w, uint64_t type)
{
	while (is_python_layer(w, type) && peek64(type + w->lay->tp_base))
		type = peek64(type + w->lay->tp_base);
	return type;
}

/*
 * Does every instance hold a counted reference to its type?  From 3.8 all
 * instances of heap types do (bpo-35810); before, only those that
 * PyType_GenericAlloc made, as subtype_dealloc expects.
 */
static bool owns_type(const struct walk *w, const struct walk_type *t)
{
	if (!(t->tp_flags >> 9 & 1))
		return false;
	return cpython_since(w->py, 8) ||
		peek64(t->addr + w->lay->tp_dealloc) == w->lay->subtype_dealloc;
}

static void set_flags(struct walk *w, struct walk_type *t)
{
	uint64_t owner;

	if (t->tp_flags >> 9 & 1)
		t->flags |= SNAP_TYPE_HEAP;
	if (t->tp_flags >> 14 & 1)
		t->flags |= SNAP_TYPE_GC;
	if (is_python_layer(w, t->addr))
		t->flags |= SNAP_TYPE_PYTHON;
	if (owns_type(w, t))
		t->flags |= SNAP_TYPE_OWNED;
	if (types_lookup(w, t->addr, w->tables->name_del, &owner))
		t->flags |= SNAP_TYPE_HAS_DEL;
	t->opaque = on_skip_list(w, t->name_text);
	if (t->opaque)
		t->flags |= SNAP_TYPE_OPAQUE;
}

/* Where attributes live; the names a class keeps for all of its instances. */
static void set_attributes(struct walk *w, struct walk_type *t)
{
	const struct layout *lay = w->lay;
	struct dict_table table;

	t->managed_dict = lay->managed != LAYOUT_MANAGED_NONE && (t->tp_flags >> 4 & 1);
	t->inline_values = lay->managed == LAYOUT_MANAGED_313 ? t->tp_flags >> 2 & 1 :
								t->managed_dict;
	t->dictoffset = t->managed_dict || t->kind == SNAP_KIND_TYPE ?
		0 :
		(int64_t)peek64(t->addr + lay->tp_dictoffset);
	if (!(t->flags & SNAP_TYPE_HEAP))
		return;
	t->cached_keys = peek64(t->addr + lay->ht_cached_keys);
	if (!t->cached_keys)
		return;
	dict_keys_table(lay, t->cached_keys, &table);
	t->nkeys = table.nentries > 64 ? 64 : (uint32_t)table.nentries;
}

static void send_type(struct walk *w, const struct walk_type *t)
{
	struct snap_type event = { .id = t->id,
				   .name = t->name,
				   .addr = t->addr,
				   .flags = t->flags,
				   .kind = t->kind,
				   .basicsize = t->basicsize,
				   .itemsize = t->itemsize };

	WALK_SEND(w, type, &event);
}

static void fill(struct walk *w, struct walk_type *t, uint64_t type)
{
	const struct layout *lay = w->lay;

	t->addr = type;
	t->tp_flags = peek64(type + lay->tp_flags);
	t->basicsize = peek64(type + lay->tp_basicsize);
	t->itemsize = peek64(type + lay->tp_itemsize);
	t->traverse = peek64(type + lay->tp_traverse);
	t->is_gc = peek64(type + lay->tp_is_gc);
	t->native_base = native_base(w, type);
	t->kind = kind_of(w, type, &t->exact);
	set_name(w, t);
	set_flags(w, t);
	set_attributes(w, t);
	sizes_plan(w, t);
	if (!frames_type_hook(w, t))
		edges_plan(w, t);
	values_type_hook(w, t);
	native_type_hook(w, t);
	send_type(w, t);
}

static bool same_type(const struct table_slot *slot, const void *key, size_t size)
{
	(void)slot, (void)key, (void)size;
	return true; /* the hash is the address */
}

/* Room for one more id in by_id. */
static bool reserve_id(struct walk *w)
{
	struct walk_tables *t = w->tables;
	uint32_t capacity = t->by_id_capacity ? t->by_id_capacity * 2 : 1024;
	struct walk_type **bigger;

	if (t->next_type + 1 < t->by_id_capacity)
		return true;
	bigger = arena_map(w->arena, capacity * sizeof(*bigger));
	if (!bigger)
		return false;
	if (t->by_id)
		memcpy(bigger, t->by_id, t->by_id_capacity * sizeof(*bigger));
	t->by_id = bigger;
	t->by_id_capacity = capacity;
	return true;
}

static struct walk_type *make(struct walk *w, uint64_t type, struct table_slot *slot)
{
	struct walk_tables *tables = w->tables;
	struct walk_type *t = arena_alloc(w->arena, sizeof(*t));

	if (!t || !reserve_id(w)) {
		walk_check(w, -ENOMEM);
		return &tables->broken;
	}
	t->id = ++tables->next_type;
	tables->by_id[t->id] = t;
	*slot = (struct table_slot){ type, (uintptr_t)t, 0, t->id };
	tables->types.count++;
	walk_mark(w, type);
	fill(w, t, type);
	return t;
}

static uint32_t broken_edges(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)w, (void)type, (void)obj;
	return 0;
}

struct walk_type *walk_type_slow(struct walk *w, uint64_t type)
{
	struct walk_tables *tables = w->tables;
	struct table_slot *slot;
	struct walk_type *t;

	if (!table_reserve(w, &tables->types))
		return &tables->broken;
	/* spread the address's bits: types are 16 bytes or more apart */
	slot = table_find(&tables->types, type, same_type, NULL, 0);
	t = slot->hash ? (struct walk_type *)(uintptr_t)slot->key : make(w, type, slot);
	tables->cache[(type >> 4) & (TABLES_TYPE_CACHE - 1)] = t;
	return t;
}

struct walk_type *walk_type(struct walk *w, uint64_t type)
{
	return walk_type_fast(w, type);
}

struct walk_type *walk_type_by_id(struct walk *w, uint32_t id)
{
	return id && id <= w->tables->next_type ? w->tables->by_id[id] : NULL;
}

bool walk_is_subtype(const struct walk *w, uint64_t type, uint64_t base)
{
	for (; type; type = peek64(type + w->lay->tp_base))
		if (type == base)
			return true;
	return false;
}

int tables_init(struct walk *w)
{
	struct walk_tables *t = arena_map(w->arena, sizeof(*t));
	uint64_t object = CPYTHON_ADDR(w->py, object_type);
	struct snap_label none = { 0 };

	if (!t)
		return -ENOMEM;
	w->tables = t;
	t->broken.edges = broken_edges;
	t->broken.size = sizes_object;
	t->broken.name_text = "?";
	t->name_sizeof = key_object(w, walk_type_dict(w, object), "__sizeof__");
	t->name_module = key_object(w, walk_type_dict(w, CPYTHON_ADDR(w->py, type_type)),
				    "__module__");
	t->name_del = key_object(w, walk_type_dict(w, CPYTHON_ADDR(w->py, gen_type)),
				 "__del__");
	w->shape_index = walk_shape(w, &none, 0, SNAP_TAIL_INDEX);
	w->shape_pairs = walk_shape(w, &none, 0, SNAP_TAIL_PAIRS);
	w->shape_element = walk_shape(w, &none, 0, SNAP_TAIL_ELEMENT);
	w->shape_other = 0;
	return w->err;
}
