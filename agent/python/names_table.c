/* SPDX-License-Identifier: MIT */
/*
 * names_table - which C field of which type holds what: see names_table.h.
 *
 * Where Python code sees the field as an attribute, that is its name; else it is the
 * name in the C structure.  Sources: the struct definitions of the type's own file in
 * Modules/ or Objects/, 3.6 to 3.15.
 */
#include "agent/python/names_table.h"

#include <stddef.h>
#include <string.h>

#include "agent/python/row_index.h"
#include "agent/python/versions.h"

#define ALL 0x0306, 0x0400
#define SINCE(minor) (0x0300 | (minor)), 0x0400
#define UNTIL(minor) 0x0306, (0x0300 | (minor))
#define FROM_TO(from, to) (0x0300 | (from)), (0x0300 | (to))
#define FUTURES "_asyncio.Future|_asyncio.Task"
#define CTYPES_METATYPES \
	"_ctypes.PyCArrayType|_ctypes.PyCFuncPtrType|_ctypes.PyCPointerType|" \
	"_ctypes.PyCSimpleType|_ctypes.PyCStructType|_ctypes.UnionType|" \
	"_ctypes.CType_Type"

static const struct names_row names_table[] = {
	/* Modules/_asynciomodule.c */
	{ FUTURES, UNTIL(7),
	  "_loop@16 _callbacks@24 _exception@32 _result@40 "
	  "_source_traceback@48",
	  NULL },
	{ FUTURES, SINCE(7),
	  "_loop@16 callback0@24 context0@32 _callbacks@40 "
	  "_exception@48",
	  NULL },
	{ FUTURES, FROM_TO(7, 10), "_result@56 _source_traceback@64", NULL },
	{ FUTURES, FROM_TO(9, 10), "_cancel_message@72", NULL },
	{ FUTURES, SINCE(10),
	  "exception_tb@56 _result@64 _source_traceback@72 "
	  "_cancel_message@80",
	  NULL },
	{ FUTURES, FROM_TO(11, 13), "cancelled_exc@120", NULL },
	{ FUTURES, FROM_TO(13, 14), "cancelled_exc@104", NULL },
	{ "_asyncio.Task", UNTIL(7), "_fut_waiter@88 _coro@96", NULL },
	{ "_asyncio.Task", FROM_TO(7, 8), "_fut_waiter@104 _coro@112 context@120", NULL },
	{ "_asyncio.Task", FROM_TO(8, 9),
	  "_fut_waiter@104 _coro@112 name@120 "
	  "context@128",
	  NULL },
	{ "_asyncio.Task", FROM_TO(9, 10),
	  "_fut_waiter@144 _coro@152 name@160 "
	  "context@168",
	  NULL },
	{ "_asyncio.Task", FROM_TO(10, 11),
	  "_fut_waiter@152 _coro@160 name@168 "
	  "context@176",
	  NULL },
	{ "_asyncio.Task", FROM_TO(11, 13),
	  "_fut_waiter@128 _coro@136 name@144 "
	  "context@152",
	  NULL },
	{ "_asyncio.Task", FROM_TO(13, 14),
	  "_fut_waiter@112 _coro@120 name@128 "
	  "context@136",
	  NULL },
	{ FUTURES, SINCE(14), "awaited_by@96", NULL },
	{ "_asyncio.Task", SINCE(14),
	  "_fut_waiter@120 _coro@128 name@136 "
	  "context@144",
	  NULL },
	{ "_asyncio.FutureIter", ALL, "future@16", NULL },
	{ "TaskWakeupMethWrapper", UNTIL(10), "task@16", NULL },
	{ "TaskStepMethWrapper", ALL, "task@16 arg@24", NULL },
	{ "_asyncio.TaskStepMethWrapper", ALL, "task@16 arg@24", NULL },
	{ "_RunningLoopHolder", ALL, "!loop@16", NULL },
	/* Python/context.c, Python/hamt.c */
	{ "Context|_contextvars.Context", ALL, "ctx_prev@16 ctx_vars@24", NULL },
	{ "ContextVar|_contextvars.ContextVar", ALL, "name@16 default@24", NULL },
	{ "Token|_contextvars.Token", ALL, "context@16 var@24 old_value@32", NULL },
	{ "hamt", ALL, "root@16", NULL },
	{ "hamt_array_node|hamt_bitmap_node|hamt_collision_node", ALL, "", "{}" },
	{ "items|keys|values", SINCE(7), "hamt@16", NULL },
	/* Modules/_functoolsmodule.c */
	{ "functools._lru_cache_wrapper", UNTIL(7),
	  "maxsize@64 func@72 cache@88 "
	  "cache_info_type@96",
	  "{}" },
	{ "functools._lru_cache_wrapper", SINCE(7), "cache@72 func@88", "{}" },
	{ "functools._lru_cache_wrapper", FROM_TO(7, 10), "cache_info_type@112", NULL },
	{ "functools._lru_cache_wrapper", SINCE(10),
	  "kwd_mark@112 "
	  "lru_list_elem_type@120 cache_info_type@128",
	  NULL },
	{ "functools._lru_list_elem", ALL, "~prev@16 ~next@24 !key@40 !result@48", NULL },
	{ "functools.KeyWrapper", ALL, "cmp@16", NULL },
	/* Modules/itertoolsmodule.c */
	{ "itertools._grouper", ALL, "parent@16 tgtkey@24", NULL },
	{ "itertools.groupby", ALL,
	  "it@16 keyfunc@24 tgtkey@32 currkey@40 "
	  "currvalue@48",
	  NULL },
	{ "itertools._tee", ALL, "dataobj@16", NULL },
	{ "itertools._tee_dataobject", ALL, "it@16 nextlink@32", "[]" },
	{ "itertools.accumulate", ALL, "total@16 it@24 binop@32 initial@40", NULL },
	{ "itertools.batched|itertools.islice", ALL, "it@16", NULL },
	{ "itertools.chain", ALL, "source@16 active@24", NULL },
	{ "itertools.combinations|itertools.combinations_with_replacement", ALL,
	  "pool@16 result@32", NULL },
	{ "itertools.compress", ALL, "data@16 selectors@24", NULL },
	{ "itertools.count", ALL, "count@24 step@32", NULL },
	{ "itertools.cycle", ALL, "it@16 saved@24", NULL },
	{ "itertools.dropwhile|itertools.filterfalse|itertools.starmap|"
	  "itertools.takewhile",
	  ALL, "func@16 it@24", NULL },
	{ "itertools.pairwise", ALL, "it@16 old@24 result@32", NULL },
	{ "itertools.permutations", ALL, "pool@16 result@40", NULL },
	{ "itertools.product", ALL, "pools@16 result@32", NULL },
	{ "itertools.repeat", ALL, "element@16", NULL },
	{ "itertools.zip_longest", ALL, "ittuple@32 result@40 fillvalue@48", NULL },
	/* Modules/_collectionsmodule.c, Objects/odictobject.c */
	{ "_collections._deque_iterator|_collections._deque_reverse_iterator|"
	  "collections._deque_iterator|collections._deque_reverse_iterator",
	  ALL, "deque@32", NULL },
	{ "odict_iterator", ALL, "odict@24 current@48 result@56", NULL },
	/* Objects/: iterators and descriptors */
	{ "bytes_iterator|bytearray_iterator|str_iterator|str_ascii_iterator|"
	  "iterator|reversed|list_reverseiterator|unicode_ascii_iterator",
	  ALL, "sequence@24", NULL },
	{ "memory_iterator", ALL, "it_seq@32 it_fmt@40", NULL },
	{ "set_iterator", ALL, "set@16", NULL },
	{ "dict_itemiterator", ALL, "result@40", NULL },
	{ "dict_reversekeyiterator|dict_reversevalueiterator|"
	  "dict_reverseitemiterator",
	  ALL, "dict@16 result@40", NULL },
	{ "line_iterator|positions_iterator", ALL, "!code@16", NULL },
	{ "formatteriterator|fieldnameiterator", ALL, "!str@16 ~markup@24", NULL },
	{ "callable_iterator", ALL, "callable@16 sentinel@24", NULL },
	{ "enumerate", ALL, "iterator@24 result@32 index@40", NULL },
	{ "filter", ALL, "function@16 iterator@24", NULL },
	{ "map", ALL, "iterators@16 function@24", NULL },
	{ "zip", ALL, "iterators@24 result@32", NULL },
	{ "array.arrayiterator|arrayiterator", ALL, "array@24", NULL },
	{ "property", SINCE(10), "__name__@48", NULL },
	{ "async_generator_asend", ALL, "generator@16 value@24", NULL },
	{ "async_generator_athrow", ALL, "generator@16 args@24", NULL },
	{ "async_generator_wrapped_value", ALL, "value@16", NULL },
	{ "anext_awaitable", ALL, "wrapped@16 default_value@24", NULL },
	{ "memoryview", ALL, "managed_buffer@24", NULL },
	{ "managedbuffer", ALL, "obj@40", NULL },
	{ "pickle.PickleBuffer", ALL, "obj@24", NULL },
	{ "generic_alias_iterator", ALL, "alias@16", NULL },
	{ "types.GenericAlias", ALL, "__parameters__@32", NULL },
	{ "typing.Union", SINCE(14),
	  "__args__@16 hashable_args@24 unhashable_args@32 "
	  "__parameters__@40",
	  NULL },
	{ "types.UnionType|types.Union|typing.Union", UNTIL(14),
	  "__args__@16 "
	  "__parameters__@24",
	  NULL },
	{ "PyCapsule", SINCE(13), "", "context" },
	{ "module", ALL, "", "state" },
	/* Include/cpython/code.h: _PyCoCached, made when asked for */
	{ "code", FROM_TO(12, 13),
	  "!_co_code@152>0 !co_varnames@152>8 "
	  "!co_cellvars@152>16 !co_freevars@152>24",
	  NULL },
	{ "code", SINCE(13),
	  "!_co_code@160>0 !co_varnames@160>8 "
	  "!co_cellvars@160>16 !co_freevars@160>24",
	  NULL },
	/* Objects/typevarobject.c */
	{ "typing.TypeVar", SINCE(12),
	  "__bound__@24 evaluate_bound@32 "
	  "__constraints__@40 evaluate_constraints@48 __default__@56 "
	  "evaluate_default@64",
	  NULL },
	{ "typing.ParamSpec", SINCE(12),
	  "__bound__@24 __default__@32 "
	  "evaluate_default@40",
	  NULL },
	{ "typing.TypeVarTuple", SINCE(15),
	  "__bound__@24 __default__@32 "
	  "evaluate_default@40",
	  NULL },
	{ "typing.TypeVarTuple", FROM_TO(12, 15), "__default__@24 evaluate_default@32",
	  NULL },
	{ "typing.TypeAliasType", SINCE(15),
	  "__type_params__@32 compute_value@40 "
	  "__value__@48 __module__@56",
	  NULL },
	{ "typing.TypeAliasType", FROM_TO(12, 15),
	  "__type_params__@24 compute_value@32 "
	  "__value__@40 __module__@48",
	  NULL },
	/* Modules/_io */
	{ "_io.IncrementalNewlineDecoder", ALL, "decoder@16 errors@24", NULL },
	{ "_io.StringIO", FROM_TO(12, 14), "decoder@120 readnl@128 writenl@136", NULL },
	{ "_io.StringIO", SINCE(14), "!accum@56>0 decoder@72 readnl@80 writenl@88",
	  NULL },
	{ "_io.TextIOWrapper", ALL,
	  "buffer@32 encoder@48 decoder@56 readnl@64 errors@72 "
	  "decoded_chars@120 pending_bytes@136 snapshot@152 raw@168",
	  NULL },
	{ "_io._BytesIOBuffer", ALL, "source@16", NULL },
	/* Modules: the others */
	{ "_abc._abc_data", SINCE(9),
	  "_abc_registry@16 _abc_cache@24 "
	  "_abc_negative_cache@32",
	  NULL },
	{ "_csv.Dialect", ALL, "!lineterminator@40", NULL },
	{ "_csv.reader", ALL, "input_iter@16 fields@32", NULL },
	{ "_csv.writer", ALL, "write@16 error_obj@64", NULL },
	{ "_json.Scanner", ALL, "memo@64", NULL },
	{ "_pickle.Pickler", UNTIL(8), "persistent_id@24 write@48", "memo" },
	{ "_pickle.Pickler", FROM_TO(8, 13),
	  "persistent_id@24 reducer_override@48 "
	  "write@56",
	  "memo" },
	{ "_pickle.Pickler", SINCE(14), "write@56", NULL },
	{ "_pickle.Pickler", SINCE(13),
	  "persistent_id@24 reducer_override@40 "
	  "write@48",
	  "memo" },
	{ "_pickle.Unpickler", UNTIL(8),
	  "stack@16 persistent_load@48 read@184 "
	  "readline@192 peek@200",
	  "memo" },
	{ "_pickle.Unpickler", FROM_TO(8, 13),
	  "stack@16 persistent_load@48 "
	  "read@184 readinto@192 readline@200 peek@208 buffers@216",
	  "memo" },
	{ "_pickle.Unpickler", SINCE(13),
	  "stack@16 persistent_load@48 read@176 "
	  "readinto@184 readline@192 peek@200 buffers@208",
	  "memo" },
	{ "_pickle.PicklerMemoProxy", ALL, "pickler@16", NULL },
	{ "_pickle.UnpicklerMemoProxy", ALL, "unpickler@16", NULL },
	{ "_pickle.Pdata", ALL, "", "[]" },
	{ "_queue.SimpleQueue", UNTIL(13), "items@32", NULL },
	{ "_queue.SimpleQueue", SINCE(13), "", "[]" },
	{ "_struct.Struct", SINCE(10), "format@40", NULL },
	{ "unpack_iterator|_struct.unpack_iterator", ALL, "struct@16 buffer@32", NULL },
	{ "_thread._localdummy", ALL, "~localdict@16", NULL },
	{ "_thread._local", UNTIL(13), "!key@16 args@24 kw@32 dummies@48", NULL },
	{ "_thread._local", SINCE(13),
	  "args@16 kw@24 localdicts@40 "
	  "thread_watchdogs@48",
	  NULL },
	{ "decimal.Context", SINCE(13), "traps@64 flags@72", NULL },
	{ "decimal.ContextManager", ALL, "!local@16 !global@24", NULL },
	{ "operator.attrgetter", ALL, "attrs@24", NULL },
	{ "operator.itemgetter", ALL, "items@24", NULL },
	{ "operator.methodcaller", ALL,
	  "!name@16 args@24 kwds@32 vectorcall_args@40 "
	  "vectorcall_kwnames@48",
	  NULL },
	{ "re.Match|_sre.SRE_Match", ALL, "!regs@32", NULL },
	{ "_sre.SRE_Scanner", UNTIL(10), "!string@56", NULL },
	{ "re.Pattern", SINCE(10), "groupindex@32 indexgroup@40", NULL },
	{ "pyexpat.xmlparser", ALL, "", "handler" },
	{ "_ssl._SSLSocket", UNTIL(10), "!context@32 !owner@48 !server_hostname@56",
	  NULL },
	{ "ssl.SSLContext|_ssl._SSLContext", ALL, "sni_callback@40", NULL },
	{ "posix.ScandirIterator", UNTIL(13), "!object@72 !cleanup@80", NULL },
	{ "posix.ScandirIterator", SINCE(13), "!object@88 !cleanup@96", NULL },
	{ "select.poll", ALL, "!dict@16", NULL },
	/* _obj is a member; its size is not set (Modules/_ctypes/_ctypes.c, byref) */
	{ "CArgObject|_ctypes.CArgObject", ALL, "", NULL },
	{ "zlib.Compress|zlib.Decompress", ALL,
	  "!unused_data@128 !unconsumed_tail@136 "
	  "!zdict@152",
	  NULL },
	{ "zoneinfo.ZoneInfo", UNTIL(12),
	  "!std_utcoff@96 !std_dstoff@104 "
	  "!std_tzname@112 !dst_utcoff@128 !dst_dstoff@136 !dst_tzname@144",
	  NULL },
	/* Modules/_sqlite */
	{ "sqlite3.Connection", UNTIL(10),
	  "!isolation_level@48 !cache@80 !statements@88 "
	  "!cursors@96",
	  NULL },
	{ "sqlite3.Connection", UNTIL(8), "!function_pinboard@128 !collations@136",
	  NULL },
	{ "sqlite3.Connection", FROM_TO(8, 10), "!collations@152", NULL },
	{ "sqlite3.Cursor", UNTIL(10), "!statement@72 !next_row@96", NULL },
	{ "sqlite3.Cursor", UNTIL(8), "!row_cast_map@32", NULL },
	{ "sqlite3.Statement", UNTIL(10), "!sql@32", NULL },
	{ "sqlite3.Cache", UNTIL(10), "!mapping@24 ~factory@32 ~first@40 ~last@48",
	  NULL },
	{ "sqlite3Node", UNTIL(10), "!key@16 !data@24 ~prev@40 ~next@48", NULL },
	{ "sqlite3.Connection", FROM_TO(10, 11),
	  "isolation_level@48 cache@80 "
	  "statements@88 cursors@96 collations@152",
	  NULL },
	{ "sqlite3.Connection", FROM_TO(11, 12),
	  "statement_cache@64 cursors@72 "
	  "blobs@80",
	  NULL },
	{ "sqlite3.Connection", SINCE(12),
	  "statement_cache@72 cursors@80 "
	  "blobs@88",
	  NULL },
	{ "sqlite3.Cursor", FROM_TO(10, 11), "statement@72 next_row@96", NULL },
	{ "sqlite3.Cursor", SINCE(11), "statement@72", NULL },
	{ "lazy_import", SINCE(15), "builtins@16 from@24 attr@32 code@40", NULL },
	{ "sqlite3.Row", ALL, "!data@16 !description@24", NULL },
	{ "sqlite3.Statement", FROM_TO(10, 11), "sql@32", NULL },
	{ "sqlite3.Cache", FROM_TO(10, 11), "mapping@24 factory@32 first@40 last@48",
	  NULL },
	{ "sqlite3.Node", FROM_TO(10, 11), "key@16 data@24", NULL },
	/* Modules/_elementtree.c */
	{ "xml.etree.ElementTree.Element", ALL, "tag@16 text@24 tail@32 attrib@40>0",
	  "[]" },
	{ "_elementtree._element_iterator", ALL, "root_element@40 sought_tag@48",
	  "parent" },
	{ "xml.etree.ElementTree.TreeBuilder", UNTIL(8),
	  "root@16 this@24 last@32 "
	  "data@40 stack@48 element_factory@64 events_append@72 start_event@80 "
	  "end_event@88 start_ns_event@96 end_ns_event@104",
	  NULL },
	{ "xml.etree.ElementTree.TreeBuilder", SINCE(8),
	  "root@16 this@24 last@32 "
	  "last_for_tail@40 data@48 stack@56 element_factory@72 comment_factory@80 "
	  "pi_factory@88 events_append@96 start_event@104 end_event@112 "
	  "start_ns_event@120 end_ns_event@128 comment_event@136 pi_event@144",
	  NULL },
	{ "xml.etree.ElementTree.XMLParser", UNTIL(8),
	  "target@24 entity@32 "
	  "names@40 handle_start@48 handle_data@56 handle_end@64 handle_comment@72 "
	  "handle_pi@80 handle_doctype@88 handle_close@96",
	  NULL },
	{ "xml.etree.ElementTree.XMLParser", SINCE(8),
	  "target@24 entity@32 "
	  "names@40 handle_start_ns@48 handle_end_ns@56 handle_start@64 "
	  "handle_data@72 handle_end@80 handle_comment@88 handle_pi@96 "
	  "handle_doctype@104 handle_close@112",
	  NULL },
	/* numpy, not of the standard library: ndarraytypes.h, ufuncobject.h; the types
	 * take no part in garbage collection.  "numpy2.": those of numpy 2 */
	{ "numpy.ndarray|numpy2.ndarray", ALL, "!base@48 !dtype@56 !mem_handler@88",
	  "[]" },
	{ "numpy.dtype", ALL,
	  "!type@16 !base@40>0 !shape@40>8 !fields@48 !names@56 "
	  "!metadata@72",
	  NULL },
	{ "numpy2.dtype", ALL,
	  "!type@16 !metadata@56 !base@88>0 !shape@88>8 "
	  "!fields@96 !names@104",
	  NULL },
	{ "numpy.ufunc|numpy2.ufunc", ALL,
	  "!obj@96 !userloops@104 "
	  "!identity_value@208 !_loops@224",
	  NULL },
	/* numpy.f2py's functions and modules, fortranobject.h */
	{ "fortran", ALL, "!dict@32", NULL },
	/* cffi, _cffi_backend.c: CTypeDescrObject */
	{ "_cffi_backend.CType", ALL, "!ct_unique_key@56", NULL },
	/* Cython's functions, whose tp_traverse forgets the annotations (0.29) */
	{ "cython_function_or_method|fused_cython_function|"
	  "_cython_0_29_32.cython_function_or_method",
	  ALL, "!__annotations__@176", NULL },
	/* Modules/_ctypes; what lies in the memory of the values is not counted */
	{ "_ctypes._CData", ALL, "", NULL },
	{ "_ctypes.CField", ALL, "proto@40", NULL },
	{ "_ctypes.CThunkObject", ALL, "converters@80 callable@88 restype@96", NULL },
	{ "_ctypes.DictRemover", ALL, "key@16 dict@24", NULL },
	{ "_ctypes.PyCFuncPtr|_ctypes.CFuncPtr", ALL,
	  "thunk@96 callable@104 "
	  "converters@112 argtypes@120 restype@128 checker@136 errcheck@144",
	  NULL },
	{ CTYPES_METATYPES, UNTIL(13),
	  "_type_@264>96 _argtypes_@264>128 "
	  "converters@264>136 _restype_@264>144 checker@264>152",
	  NULL },
	{ CTYPES_METATYPES, SINCE(14),
	  "_type_@1000 _argtypes_@1032 converters@1040 "
	  "_restype_@1048 checker@1056 pointer_type@1064 module@1072",
	  NULL },
	{ CTYPES_METATYPES, FROM_TO(13, 14),
	  "_type_@984 _argtypes_@1016 "
	  "converters@1024 _restype_@1032 checker@1040 module@1048",
	  NULL },
};

static const size_t names_table_count = sizeof(names_table) / sizeof(names_table[0]);

static bool names_table_lists(const char *types, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = types; (at = strstr(at, name)); at++)
		if ((at == types || at[-1] == '|') && (!at[size] || at[size] == '|'))
			return true;
	return false;
}

/* The first row from i on that may be about the type; names_table_count: none. */
static size_t names_table_find(const char *type, size_t i)
{
	static struct row_index index;

	if (row_index_claim(&index)) {
		for (size_t row = 0; row < names_table_count; row++) {
			const char *at = names_table[row].types;

			for (; *at; at += *at == '|') {
				const size_t size = strcspn(at, "|");

				row_index_add(&index, at, size, row);
				at += size;
			}
		}
		row_index_made(&index);
	}
	if (row_index_ready(&index))
		i = row_index_find(&index, type, i);
	return i < names_table_count ? i : names_table_count;
}

const struct names_row *names_table_next(const struct cpython *py, const char *type,
					 const struct names_row *after)
{
	const uint32_t minor = versions_tables(py) >> 8;
	size_t i = after ? (size_t)(after - names_table) + 1 : 0;

	for (; (i = names_table_find(type, i)) < names_table_count; i++)
		if (minor >= names_table[i].since && minor < names_table[i].until &&
		    names_table_lists(names_table[i].types, type))
			return &names_table[i];
	return NULL;
}

static const char *names_table_number(const char *at, uint32_t *ret)
{
	for (*ret = 0; *at >= '0' && *at <= '9'; at++)
		*ret = *ret * 10 + (uint32_t)(*at - '0');
	return at;
}

const char *names_table_field(const char *at, struct names_field *ret)
{
	const char *end;

	*ret = (struct names_field){ .hidden = *at == '!', .borrowed = *at == '~' };
	ret->name = at + (ret->hidden || ret->borrowed);
	end = strchr(ret->name, '@');
	ret->size = (size_t)(end - ret->name);
	at = names_table_number(end + 1, &ret->offset);
	if (*at == '>') {
		ret->via = ret->offset;
		at = names_table_number(at + 1, &ret->offset);
	}
	return at + (*at == ' ');
}
