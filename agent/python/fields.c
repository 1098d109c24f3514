/* SPDX-License-Identifier: MIT */
/*
 * fields - see fields.h.
 *
 * Sources: the struct definitions in Include/ and Objects/ or Modules/ of the type's
 * own file, versions 3.6 to 3.15.
 */
#include "agent/python/fields.h"

#include <stddef.h>
#include <string.h>

#include "agent/python/layout.h"
#include "agent/python/row_index.h"
#include "agent/python/versions.h"
#include "formats/core/sink.h"

#define ALL 0x0306, 0x0400
#define ATTR SNAP_LABEL_ATTR, 0, 0
#define HIDDEN SNAP_LABEL_ATTR, FIELD_CHECK, 0
#define WEAK SNAP_LABEL_WEAK, FIELD_CHECK, 0

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
	{ "module", 0x0306, 0x030f, 48, HIDDEN, "__name__" },
	{ "module", 0x030f, 0x0400, 40, HIDDEN, "__name__" },
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
	{ "bytearray", 0x030f, 0x0400, 56, HIDDEN, "ob_bytes_object" },
	{ "_io.BufferedRWPair", ALL, 16, HIDDEN, "reader" },
	{ "_io.BufferedRWPair", ALL, 24, HIDDEN, "writer" },
	{ "_io.StringIO", 0x0306, 0x030c, 64, HIDDEN, "accum" },
	{ "_io.StringIO", 0x0306, 0x030c, 88, HIDDEN, "readnl" },
	{ "_io.StringIO", 0x030c, 0x030e, 56, HIDDEN, "accum" },
	{ "_sre.SRE_Pattern", 0x0306, 0x0307, 32, HIDDEN, "groupindex" },
	{ "_sre.SRE_Pattern", 0x0306, 0x0307, 40, HIDDEN, "indexgroup" },
	{ "re.Pattern", 0x0307, 0x030a, 32, HIDDEN, "groupindex" },
	{ "re.Pattern", 0x0307, 0x030a, 40, HIDDEN, "indexgroup" },
	{ "Struct", 0x0306, 0x030a, 40, HIDDEN, "format" },
	{ "_struct.Struct", 0x0306, 0x030a, 40, HIDDEN, "format" },
	{ "datetime.datetime", ALL, 40, SNAP_LABEL_ATTR, FIELD_CHECK | FIELD_GATE, 24,
	  "tzinfo" },
	{ "datetime.time", ALL, 32, SNAP_LABEL_ATTR, FIELD_CHECK | FIELD_GATE, 24,
	  "tzinfo" },
	{ "datetime.timezone", ALL, 16, HIDDEN, "offset" },
	{ "datetime.timezone", ALL, 24, HIDDEN, "name" },
	{ "decimal.Context", 0x0306, 0x030d, 64, HIDDEN, "traps" },
	{ "decimal.Context", 0x0306, 0x030d, 72, HIDDEN, "flags" },
};

static const size_t fields_count = sizeof(field_rows) / sizeof(field_rows[0]);

static bool fields_hold(const struct field_row *row, uint32_t version, const char *type)
{
	const uint32_t minor = version >> 8;

	return minor >= row->since && minor < row->until && !strcmp(row->type, type);
}

/* The first row from i on that may be about the type; fields_count: none. */
static size_t fields_find(const char *type, size_t i)
{
	static struct row_index index;

	if (row_index_claim(&index)) {
		for (size_t row = 0; row < fields_count; row++)
			row_index_add(&index, field_rows[row].type,
				      strlen(field_rows[row].type), row);
		row_index_made(&index);
	}
	if (row_index_ready(&index))
		i = row_index_find(&index, type, i);
	return i < fields_count ? i : fields_count;
}

const struct field_row *fields_next(const struct cpython *py, const char *type,
				    const struct field_row *after)
{
	const uint32_t version = versions_tables(py);
	size_t i = after ? (size_t)(after - field_rows) + 1 : 0;

	for (; (i = fields_find(type, i)) < fields_count; i++)
		if (fields_hold(&field_rows[i], version, type))
			return &field_rows[i];
	return NULL;
}

static uint16_t fields_offset(uint32_t version, const char *type, const char *name)
{
	for (size_t i = 0; i < fields_count; i++)
		if (fields_hold(&field_rows[i], version, type) && field_rows[i].name &&
		    !strcmp(field_rows[i].name, name))
			return field_rows[i].offset;
	return 0;
}

void fields_fill(struct layout *lay, uint32_t version, uint16_t head)
{
	const uint16_t d = (uint16_t)(head - 16);

	lay->fn_code = fields_offset(version, "function", "__code__") + d;
	lay->fn_defaults = fields_offset(version, "function", "__defaults__") + d;
	lay->fn_closure = fields_offset(version, "function", "__closure__") + d;
	lay->fn_qualname = fields_offset(version, "function", "__qualname__") + d;
	lay->fn_module = fields_offset(version, "function", "__module__") + d;
}
