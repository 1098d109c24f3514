/* SPDX-License-Identifier: MIT */
/* plan - see plan.h. */
#include "agent/heap/object/plan.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/specialist.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/object/size_plan.h"
#include "agent/python/dict.h"
#include "agent/python/str.h"
#include "agent/python/type.h"

enum { PLAN_NAME_MAX = 1024, PLAN_KEYS_MAX = 64 };

struct plan { /* interned str objects, 0 = unknown */
	uint64_t name_sizeof, name_module, name_del;
};

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
static uint64_t plan_kind_address(const struct walk *w, const struct kind_row *row)
{
	uint64_t addr;

	memcpy(&addr, (const char *)&w->py->sym + row->symbol, sizeof(addr));
	if (row->kind == SNAP_KIND_EXCEPTION && addr)
		addr = peek64(addr);
	return addr;
}

static uint8_t plan_kind(const struct walk *w, const struct walk_type *t, bool *exact_ret)
{
	const uint64_t type = t->addr;

	*exact_ret = false;
	for (uint64_t c = type; c; c = peek64(c + w->lay->tp_base)) {
		for (size_t i = 0; i < sizeof(kind_rows) / sizeof(kind_rows[0]); i++) {
			if (plan_kind_address(w, &kind_rows[i]) != c)
				continue;
			*exact_ret = c == type;
			return kind_rows[i].kind;
		}
		if (t->special_base == c && t->specialist && t->specialist->kind)
			return t->specialist->kind;
	}
	if (type == object_type(w->lay, CPYTHON_ADDR(w->py, none)))
		return SNAP_KIND_NONE;
	return SNAP_KIND_OBJECT;
}

/* ---- names ---- */

/*
 * A class may make __module__ a property of its instances, when these are classes
 * (zope.interface's InterfaceClass): then its first function tells where it was made.
 */
static uint64_t plan_module_of_functions(const struct walk *w, uint64_t dict)
{
	struct dict_iter iter;
	uint64_t key, value;

	if (!dict || !dict_begin(w->lay, dict, &iter))
		return 0;
	while (dict_next(&iter, &key, &value))
		if (object_type(w->lay, value) == CPYTHON_ADDR(w->py, function_type) &&
		    peek64(value + w->lay->fn_module))
			return peek64(value + w->lay->fn_module);
	return 0;
}

/* "__main__.Foo.Bar", "builtins.str": __module__ + "." + __qualname__, natively. */
static size_t plan_qualified_name(struct walk *w, uint64_t type, char *buf, size_t size)
{
	const char *name = type_c_name(w->lay, type);
	size_t n = 0, length;

	if (type_is_heap(w->lay, type)) {
		uint64_t module = dict_get_interned(w->lay, type_dict(w->lay, type),
						    w->plan->name_module);

		if (!module) /* C code may have used a key that is not interned */
			module = dict_get(w->lay, type_dict(w->lay, type), "__module__");
		n = str_text(w->lay, module, buf, size / 2);
		if (!n && module) {
			module = plan_module_of_functions(w, type_dict(w->lay, type));
			n = str_text(w->lay, module, buf, size / 2);
		}
		if (n)
			buf[n++] = '.';
		length = str_text(w->lay, peek64(type + w->lay->ht_qualname), buf + n,
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

static void plan_name(struct walk *w, struct walk_type *t)
{
	char buf[PLAN_NAME_MAX], *copy;
	size_t size = plan_qualified_name(w, t->addr, buf, sizeof(buf));

	t->name = strings_add(w, buf, size);
	t->name_text = "?";
	copy = context_alloc(w, size + 1);
	if (copy) {
		memcpy(copy, buf, size + 1);
		t->name_text = copy;
	}
}

static bool plan_on_skip_list(const struct walk *w, const char *name)
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
static bool plan_is_python_layer(const struct walk *w, uint64_t type)
{
	const struct layout *lay = w->lay;

	return type_is_python(lay, type) &&
		(type_is_traversed_as_python(lay, type) ||
		 !object_type_has(lay, type, TYPE_HAVE_GC));
}

static uint64_t plan_native_base(const struct walk *w, uint64_t type)
{
	while (plan_is_python_layer(w, type) && peek64(type + w->lay->tp_base))
		type = peek64(type + w->lay->tp_base);
	return type;
}

/*
 * Does every instance hold a counted reference to its type?  From 3.8 all
 * instances of heap types do (bpo-35810); before, only those that
 * PyType_GenericAlloc made, as subtype_dealloc expects.
 */
static bool plan_owns_type(const struct walk *w, const struct walk_type *t)
{
	if (!(t->tp_flags & TYPE_HEAP))
		return false;
	return w->lay->counted_by_heap_types ||
		peek64(t->addr + w->lay->tp_dealloc) == w->lay->subtype_dealloc;
}

static void plan_flags(struct walk *w, struct walk_type *t)
{
	uint64_t owner;

	if (t->tp_flags & TYPE_HEAP)
		t->flags |= SNAP_TYPE_HEAP;
	if (t->tp_flags & TYPE_HAVE_GC)
		t->flags |= SNAP_TYPE_GC;
	if (plan_is_python_layer(w, t->addr))
		t->flags |= SNAP_TYPE_PYTHON;
	if (plan_owns_type(w, t))
		t->flags |= SNAP_TYPE_OWNED;
	if (type_lookup(w->py, t->addr, w->plan->name_del, &owner))
		t->flags |= SNAP_TYPE_HAS_DEL;
	t->opaque = plan_on_skip_list(w, t->name_text);
	if (t->opaque)
		t->flags |= SNAP_TYPE_OPAQUE;
}

/* Where attributes live; the names a class keeps for all of its instances. */
static void plan_attributes(struct walk *w, struct walk_type *t)
{
	const struct layout *lay = w->lay;
	struct dict_table table;

	if (lay->attributes_unknown && (t->flags & SNAP_TYPE_HEAP))
		return;
	t->managed_dict =
		lay->managed != LAYOUT_MANAGED_NONE && (t->tp_flags & TYPE_MANAGED_DICT);
	t->inline_values = lay->managed == LAYOUT_MANAGED_313 ?
		(t->tp_flags & TYPE_INLINE_VALUES) != 0 :
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
	t->nkeys =
		table.nentries > PLAN_KEYS_MAX ? PLAN_KEYS_MAX : (uint32_t)table.nentries;
}

void plan_type(struct walk *w, struct walk_type *t)
{
	const struct layout *lay = w->lay;
	const uint64_t type = t->addr;

	t->tp_flags = peek64(type + lay->tp_flags);
	t->basicsize = peek64(type + lay->tp_basicsize);
	t->itemsize = peek64(type + lay->tp_itemsize);
	t->traverse = peek64(type + lay->tp_traverse);
	t->is_gc = peek64(type + lay->tp_is_gc);
	t->native_base = plan_native_base(w, type);
	t->kind = plan_kind(w, t, &t->exact);
	plan_name(w, t);
	plan_flags(w, t);
	plan_attributes(w, t);
	size_plan(w, t, w->plan->name_sizeof);
}

void plan_send(struct walk *w, const struct walk_type *t)
{
	struct snap_type event = { .id = t->id,
				   .name = t->name,
				   .addr = t->addr,
				   .flags = t->flags,
				   .kind = t->kind,
				   .basicsize = t->basicsize,
				   .itemsize = t->itemsize };

	EVENTS_SEND(w, type, &event);
}

int plan_begin(struct walk *w)
{
	const struct layout *lay = w->lay;
	struct plan *plan = arena_alloc(w->arena, sizeof(*plan));

	if (!plan)
		return -ENOMEM;
	w->plan = plan;
	plan->name_sizeof = dict_key_object(
		lay, type_dict(lay, CPYTHON_ADDR(w->py, object_type)), "__sizeof__");
	plan->name_module = dict_key_object(
		lay, type_dict(lay, CPYTHON_ADDR(w->py, type_type)), "__module__");
	plan->name_del = dict_key_object(
		lay, type_dict(lay, CPYTHON_ADDR(w->py, gen_type)), "__del__");
	return 0;
}
