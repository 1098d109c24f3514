/* SPDX-License-Identifier: MIT */
/*
 * fields - what C types hold that tp_members does not tell: names for what
 * tp_traverse reports, and references that it keeps silent about.
 *
 * Offsets are for a 16-byte object head.  A row that a build might not have is
 * marked CHECK: what lies there must prove to be an object.  Sources: the struct
 * definitions in Include/ and Objects/ or Modules/ of the type's own file,
 * versions 3.6 to 3.15.
 */
#include <string.h>

#include "agent/heap/object/edges.h"

struct field_row {
	const char *type;      /* tp_name */
	uint16_t since, until; /* 0x0306 <= version < until */
	uint16_t offset;
	uint8_t kind, flags, gate;
	const char *name;
};

#define ALL 0x0306, 0x0400
#define ATTR SNAP_LABEL_ATTR, 0, 0
#define HIDDEN SNAP_LABEL_ATTR, WALK_SLOT_CHECK, 0
#define WEAK SNAP_LABEL_WEAK, WALK_SLOT_CHECK, 0

static const struct field_row field_rows[] = {
	{ "function", 0x0306, 0x030a, 16, ATTR, "__code__" },
	{ "function", 0x0306, 0x030a, 24, ATTR, "__globals__" },
	{ "function", 0x0306, 0x030a, 32, ATTR, "__defaults__" },
	{ "function", 0x0306, 0x030a, 40, ATTR, "__kwdefaults__" },
	{ "function", 0x0306, 0x030a, 48, ATTR, "__closure__" },
	{ "function", 0x0306, 0x030a, 56, ATTR, "__doc__" },
	{ "function", 0x0306, 0x030a, 64, ATTR, "__name__" },
	{ "function", 0x0306, 0x030a, 88, ATTR, "__module__" },
	{ "function", 0x0306, 0x030a, 96, ATTR, "__annotations__" },
	{ "function", 0x0306, 0x030a, 104, ATTR, "__qualname__" },
	{ "function", 0x030a, 0x0400, 16, ATTR, "__globals__" },
	{ "function", 0x030a, 0x0400, 24, ATTR, "__builtins__" },
	{ "function", 0x030a, 0x0400, 32, ATTR, "__name__" },
	{ "function", 0x030a, 0x0400, 40, ATTR, "__qualname__" },
	{ "function", 0x030a, 0x0400, 48, ATTR, "__code__" },
	{ "function", 0x030a, 0x0400, 56, ATTR, "__defaults__" },
	{ "function", 0x030a, 0x0400, 64, ATTR, "__kwdefaults__" },
	{ "function", 0x030a, 0x0400, 72, ATTR, "__closure__" },
	{ "function", 0x030a, 0x0400, 80, ATTR, "__doc__" },
	{ "function", 0x030a, 0x0400, 104, ATTR, "__module__" },
	{ "function", 0x030a, 0x0400, 112, ATTR, "__annotations__" },
	{ "function", 0x030c, 0x030e, 120, ATTR, "__type_params__" },
	{ "function", 0x030e, 0x0400, 120, ATTR, "__annotate__" },
	{ "function", 0x030e, 0x0400, 128, ATTR, "__type_params__" },
	{ "cell", ALL, 16, ATTR, "cell_contents" },
	{ "method", ALL, 16, ATTR, "__func__" },
	{ "method", ALL, 24, ATTR, "__self__" },
	{ "builtin_function_or_method", ALL, 24, ATTR, "__self__" },
	{ "builtin_function_or_method", ALL, 32, ATTR, "__module__" },
	{ "builtin_method", 0x0309, 0x0400, 56, ATTR, "__objclass__" },
	{ "method-wrapper", ALL, 16, ATTR, "__objclass__" },
	{ "method-wrapper", ALL, 24, ATTR, "__self__" },
	{ "mappingproxy", ALL, 16, ATTR, "mapping" },
	{ "weakref", ALL, 16, WEAK, NULL },
	{ "weakref", ALL, 24, ATTR, "__callback__" },
	{ "weakref.ReferenceType", ALL, 16, WEAK, NULL },
	{ "weakref.ReferenceType", ALL, 24, ATTR, "__callback__" },
	{ "weakproxy", ALL, 16, WEAK, NULL },
	{ "weakproxy", ALL, 24, ATTR, "__callback__" },
	{ "weakref.ProxyType", ALL, 16, WEAK, NULL },
	{ "weakref.ProxyType", ALL, 24, ATTR, "__callback__" },
	{ "weakcallableproxy", ALL, 16, WEAK, NULL },
	{ "weakcallableproxy", ALL, 24, ATTR, "__callback__" },
	{ "weakref.CallableProxyType", ALL, 16, WEAK, NULL },
	{ "weakref.CallableProxyType", ALL, 24, ATTR, "__callback__" },
	{ "module", ALL, 48, HIDDEN, "__name__" },
	{ "method_descriptor", ALL, 32, HIDDEN, "__qualname__" },
	{ "member_descriptor", ALL, 32, HIDDEN, "__qualname__" },
	{ "getset_descriptor", ALL, 32, HIDDEN, "__qualname__" },
	{ "wrapper_descriptor", ALL, 32, HIDDEN, "__qualname__" },
	{ "classmethod_descriptor", ALL, 32, HIDDEN, "__qualname__" },
	{ "code", 0x030b, 0x0400, 96, HIDDEN, "co_localsplusnames" },
	{ "code", 0x030b, 0x0400, 104, HIDDEN, "co_localspluskinds" },
	{ "code", 0x030b, 0x030c, 152, HIDDEN, "co_code" },
	{ "range", ALL, 40, HIDDEN, "length" },
	{ "longrange_iterator", ALL, 16, HIDDEN, "index" },
	{ "longrange_iterator", ALL, 24, HIDDEN, "start" },
	{ "longrange_iterator", ALL, 32, HIDDEN, "step" },
	{ "longrange_iterator", ALL, 40, HIDDEN, "len" },
	{ "traceback", ALL, 16, ATTR, "tb_next" },
	{ "BaseException", 0x0306, 0x030b, 24, ATTR, "args" },
	{ "BaseException", 0x0306, 0x030b, 32, ATTR, "__traceback__" },
	{ "BaseException", 0x0306, 0x030b, 40, ATTR, "__context__" },
	{ "BaseException", 0x0306, 0x030b, 48, ATTR, "__cause__" },
	{ "BaseException", 0x030b, 0x0400, 24, ATTR, "args" },
	{ "BaseException", 0x030b, 0x0400, 32, ATTR, "__notes__" },
	{ "BaseException", 0x030b, 0x0400, 40, ATTR, "__traceback__" },
	{ "BaseException", 0x030b, 0x0400, 48, ATTR, "__context__" },
	{ "BaseException", 0x030b, 0x0400, 56, ATTR, "__cause__" },
	{ "dict_keys", ALL, 16, ATTR, "mapping" },
	{ "dict_values", ALL, 16, ATTR, "mapping" },
	{ "dict_items", ALL, 16, ATTR, "mapping" },
	{ "dict_keyiterator", ALL, 16, ATTR, "dict" },
	{ "dict_valueiterator", ALL, 16, ATTR, "dict" },
	{ "dict_itemiterator", ALL, 16, ATTR, "dict" },
	{ "list_iterator", ALL, 24, ATTR, "list" },
	{ "tuple_iterator", ALL, 24, ATTR, "tuple" },
	{ "coroutine_wrapper", ALL, 16, ATTR, "coroutine" },
	{ "moduledef", ALL, 32, HIDDEN, "m_copy" },
	{ "_abc_data", 0x0307, 0x0309, 16, HIDDEN, "_abc_registry" },
	{ "_abc_data", 0x0307, 0x0309, 24, HIDDEN, "_abc_cache" },
	{ "_abc_data", 0x0307, 0x0309, 32, HIDDEN, "_abc_negative_cache" },
	{ "_io.BytesIO", ALL, 16, HIDDEN, "buf" },
	{ "_io.StringIO", 0x0306, 0x030c, 64, HIDDEN, "accum" },
	{ "_io.StringIO", 0x0306, 0x030c, 88, HIDDEN, "readnl" },
	{ "_sre.SRE_Pattern", 0x0306, 0x0307, 32, HIDDEN, "groupindex" },
	{ "_sre.SRE_Pattern", 0x0306, 0x0307, 40, HIDDEN, "indexgroup" },
	{ "re.Pattern", 0x0307, 0x030a, 32, HIDDEN, "groupindex" },
	{ "re.Pattern", 0x0307, 0x030a, 40, HIDDEN, "indexgroup" },
	{ "Struct", 0x0306, 0x030a, 40, HIDDEN, "format" },
	{ "_struct.Struct", 0x0306, 0x030a, 40, HIDDEN, "format" },
	{ "datetime.datetime", ALL, 40, SNAP_LABEL_ATTR, WALK_SLOT_CHECK | WALK_SLOT_GATE,
	  24, "tzinfo" },
	{ "datetime.time", ALL, 32, SNAP_LABEL_ATTR, WALK_SLOT_CHECK | WALK_SLOT_GATE, 24,
	  "tzinfo" },
	{ "datetime.timezone", ALL, 16, HIDDEN, "offset" },
	{ "datetime.timezone", ALL, 24, HIDDEN, "name" },
	{ "decimal.Context", 0x0306, 0x030d, 64, HIDDEN, "traps" },
	{ "decimal.Context", 0x0306, 0x030d, 72, HIDDEN, "flags" },
};

static void add_row(struct walk *w, const struct field_row *row, struct walk_slot *slots,
		    uint32_t *n)
{
	uint32_t shift = w->lay->head - 16u;

	for (uint32_t i = 0; i < *n; i++)
		if (slots[i].offset == row->offset + shift && !slots[i].via)
			return;
	slots[(*n)++] = (struct walk_slot){
		.offset = row->offset + shift,
		.kind = row->kind,
		.flags = row->flags,
		.gate = row->gate ? (uint8_t)(row->gate + shift) : 0,
		.name = row->name ? walk_cstring(w, row->name) : 0,
	};
}

void fields_add(struct walk *w, struct walk_type *type, uint64_t base,
		struct walk_slot *slots, uint32_t *nslots, uint32_t capacity)
{
	uint16_t version = (uint16_t)(w->py->version >> 8);
	const char *name = peek_ptr(peek64(base + w->lay->tp_name));

	(void)type;
	/* a class made by a class statement may have any name */
	if ((peek64(base + w->lay->tp_flags) >> 9 & 1) &&
	    peek64(base + w->lay->tp_traverse) == w->lay->subtype_traverse)
		return;
	for (size_t i = 0; i < sizeof(field_rows) / sizeof(field_rows[0]); i++) {
		const struct field_row *row = &field_rows[i];

		if (version >= row->since && version < row->until && *nslots < capacity &&
		    !strcmp(row->type, name))
			add_row(w, row, slots, nslots);
	}
}
