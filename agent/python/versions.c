/* SPDX-License-Identifier: MIT */
/*
 * versions - the per-version tables behind struct layout, before any experiment.
 *
 * Offsets are written for a release build with a 16-byte PyObject head; what
 * lies in a Python object moves by (head - 16) in builds whose head is larger
 * (Py_TRACE_REFS up to 3.12).  Structures that are no objects don't move.
 *
 * A new version of CPython: a row here where it differs, one in frame_layout.c, in
 * fields.c and names_table.c where a C type's fields moved; and VERSIONS_NEWEST.
 *
 * Sources, per field: Include/object.h and Include/cpython/object.h (types,
 * which never moved from 3.6 to 3.15), Include/cpython/unicodeobject.h,
 * Objects/dict-common.h and pycore_dict.h (keys), Include/setobject.h,
 * Include/cpython/longintrepr.h, pycore_object.h (managed dicts),
 * Include/refcount.h (immortality), Python/sysmodule.c:_PySys_GetSizeOf,
 * Include/internal/pycore_obmalloc.h.
 */
#include "agent/python/versions.h"

#define NONE LAYOUT_NONE

/* What changes from version to version; a row holds until the next one. */
struct version_row {
	uint32_t since; /* 0x0306 = 3.6 */
	uint16_t str_ascii, str_compact, str_utf8_length, str_utf8, str_wstr,
		str_wstr_length;
	uint8_t str_kind_shift, str_ready_bit, str_intern_bits;
	uint16_t keys_log2_size, keys_log2_index, keys_kind, keys_nentries, keys_indices;
	uint16_t values_items;
	bool long_tagged, long_zero_digit, type_dict_in_interp;
	enum layout_size_rule size_rule;
	enum layout_managed managed;
	uint64_t immortal_mask, immortal_value;
};

/* sizeof(PyTypeObject), for what getsizeof says of static types. */
struct type_size_row {
	uint32_t since;
	uint16_t size;
};

static const struct type_size_row type_size_rows[] = {
	{ 0x0306, 400 }, { 0x0308, 416 }, { 0x0309, 408 },
	{ 0x030c, 416 }, { 0x030f, 424 },
};

/*
 * Versions whose PyObject_VisitManagedDict always visits the dict of an instance, and
 * leaves inline values to it (gh-130327; Objects/dictobject.c); before, the values
 * were the instance's even when a dict showed them.  Distributions have it in older
 * releases, too: where code can be run, it is asked (probe_embedded.c).
 */
struct version_span {
	uint32_t since, until;
};

static const struct version_span dict_owns_embedded[] = {
	{ 0x030d0d, 0x030e00 },
	{ 0x030e04, UINT32_MAX },
};

#define STR_OLD 48, 72, 48, 56, 40, 64, 2, 7, 2
#define STR_312 40, 56, 40, 48, NONE, NONE, 2, 0xff, 2
#define KEYS_OLD NONE, NONE, NONE, 32, 40
#define KEYS_311 8, 9, 10, 24, 32
#define MORTAL 0, 0
/* deep-frozen objects start with 999999999 (pycore_global_objects.h) and are counted */
#define FROZEN_311 UINT64_MAX, 900000000ULL
#define IMMORTAL_312 0xffffffffULL, 0x80000000ULL

static const struct version_row version_rows[] = {
	{ 0x0306, STR_OLD, KEYS_OLD, 0, false, false, false, LAYOUT_PREFIX_TRACKABLE,
	  LAYOUT_MANAGED_NONE, MORTAL },
	{ 0x030b, STR_OLD, KEYS_311, 0, false, true, false, LAYOUT_PREFIX_FLAGS,
	  LAYOUT_MANAGED_311, FROZEN_311 },
	{ 0x030c, STR_312, KEYS_311, 0, true, true, true, LAYOUT_PREFIX_FLAGS,
	  LAYOUT_MANAGED_312, IMMORTAL_312 },
	{ 0x030d, STR_312, KEYS_311, 8, true, true, true, LAYOUT_PREFIX_NOT_STATIC,
	  LAYOUT_MANAGED_313, IMMORTAL_312 },
};

/* What is so from one version on, up to another. */
struct version_fact {
	size_t offset; /* of a bool of struct layout */
	uint16_t since, until;
};

#define FACT(field, since, until) \
	{ \
		offsetof(struct layout, field), since, until \
	}
#define NEVER 0x0400
#define ALWAYS 0x0306
static const struct version_fact version_facts[] = {
	/* Objects/typeobject.c: bpo-35810; PyType_Ready fills in object as tp_base, and
	 * counted that up to 3.9 */
	FACT(counted_by_heap_types, 0x0308, NEVER),
	FACT(static_base_borrowed, 0x030a, NEVER),
	/* Objects/exceptions.c */
	FACT(exceptions_counted, ALWAYS, 0x030b),
	/* Include/refcount.h */
	FACT(refcnt_split, 0x030e, NEVER),
	/* Include/object.h, Py_TPFLAGS_MANAGED_WEAKREF */
	FACT(weakref_prefix, 0x030c, NEVER),
	/* Objects/longobject.c, Objects/bytearrayobject.c */
	FACT(ints_from_freelist, 0x030e, NEVER),
	FACT(bytearray_in_bytes, 0x030f, NEVER),
	/* Modules/_functoolsmodule.c */
	FACT(lru_ring, 0x0307, NEVER),
	/* Objects/unicodeobject.c, Objects/typeobject.c, pycore_unicodeobject.h */
	FACT(interned_in_state, 0x030c, NEVER),
	FACT(type_cache_in_state, 0x030a, NEVER),
	FACT(identifiers_in_state, ALWAYS, 0x030c),
	/* Modules/atexitmodule.c, pycore_function.h */
	FACT(atexit_list, 0x030e, NEVER),
	/* pycore_moduleobject.h */
	FACT(module_state_first, 0x030f, NEVER),
	FACT(version_cache, 0x030c, NEVER),
	/* Modules/gcmodule.c, pycore_gc.h */
	FACT(lists_in_state, 0x0309, NEVER),
	FACT(gc_permanent, 0x0307, NEVER),
};

/*
 * Bytes of PyInterpreterState, the smallest known of a minor version.  3.13+ tell it
 * themselves (debug_offsets.h).
 */
struct version_size {
	uint16_t since;
	uint32_t size;
};

static const struct version_size interp_sizes[] = {
	{ 0x0306, 120 },    { 0x0307, 2568 },	{ 0x0308, 2720 },
	{ 0x0309, 5656 },   { 0x030a, 113528 }, { 0x030b, 107752 },
	{ 0x030c, 383552 }, { 0x030d, 194968 }, { 0x030e, 4096 },
};

static const struct version_row *versions_row(uint32_t version)
{
	const struct version_row *row = version_rows;

	for (size_t i = 0; i < sizeof(version_rows) / sizeof(version_rows[0]); i++)
		if (version_rows[i].since <= version >> 8)
			row = &version_rows[i];
	return row;
}

static void versions_fill_type(struct layout *lay, uint16_t d)
{
	lay->tp_name = 24 + d;
	lay->tp_basicsize = 32 + d;
	lay->tp_itemsize = 40 + d;
	lay->tp_dealloc = 48 + d;
	lay->tp_as_buffer = 160 + d;
	lay->tp_flags = 168 + d;
	lay->tp_traverse = 184 + d;
	lay->tp_weaklistoffset = 208 + d;
	lay->tp_methods = 232 + d;
	lay->tp_members = 240 + d;
	lay->tp_base = 256 + d;
	lay->tp_dict = 264 + d;
	lay->tp_dictoffset = 288 + d;
	lay->tp_new = 312 + d;
	lay->tp_is_gc = 328 + d;
	lay->tp_bases = 336 + d;
	lay->tp_mro = 344 + d;
	lay->tp_cache = 352 + d;
	lay->tp_subclasses = 360 + d;
}

static void versions_fill_str(struct layout *lay, const struct version_row *row,
			      uint16_t d)
{
	lay->str_length = 16 + d;
	lay->str_hash = 24 + d;
	lay->str_state = 32 + d;
	lay->str_ascii_size = row->str_ascii + d;
	lay->str_compact_size = row->str_compact + d;
	lay->str_full_size = row->str_compact + d + 8;
	lay->str_utf8_length = row->str_utf8_length + d;
	lay->str_utf8 = row->str_utf8 + d;
	lay->str_wstr = row->str_wstr == NONE ? NONE : row->str_wstr + d;
	lay->str_wstr_length = row->str_wstr == NONE ? NONE : row->str_wstr_length + d;
	lay->str_kind_shift = row->str_kind_shift;
	lay->str_compact_bit = row->str_kind_shift + 3;
	lay->str_ascii_bit = row->str_kind_shift + 4;
	lay->str_ready_bit = row->str_ready_bit;
	lay->str_intern_bits = row->str_intern_bits;
}

static void versions_fill_containers(struct layout *lay, const struct version_row *row,
				     uint16_t d)
{
	lay->list_items = 24 + d;
	lay->list_allocated = 32 + d;
	lay->set_mask = 32 + d;
	lay->set_table = 40 + d;
	lay->set_small = 64 + d;
	lay->dict_used = 16 + d;
	lay->dict_keys = 32 + d;
	lay->dict_values = 40 + d;
	lay->values_items = row->values_items;
	lay->keys_log2_size = row->keys_log2_size;
	lay->keys_log2_index = row->keys_log2_index;
	lay->keys_kind = row->keys_kind;
	lay->keys_nentries = row->keys_nentries;
	lay->keys_indices = row->keys_indices;
	lay->long_tagged = row->long_tagged;
	lay->long_digits = 24 + d;
	lay->long_zero_digit = row->long_zero_digit;
}

static bool versions_in_spans(uint32_t version, const struct version_span *spans,
			      size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (version >= spans[i].since && version < spans[i].until)
			return true;
	return false;
}

static void versions_fill_facts(struct layout *lay, uint32_t version)
{
	const uint32_t minor = version >> 8;

	for (size_t i = 0; i < sizeof(version_facts) / sizeof(version_facts[0]); i++) {
		const struct version_fact *fact = &version_facts[i];
		bool *const field = (bool *)(void *)((char *)lay + fact->offset);

		*field = minor >= fact->since && minor < fact->until;
	}
	for (size_t i = 0; i < sizeof(interp_sizes) / sizeof(interp_sizes[0]); i++)
		if (interp_sizes[i].since <= minor)
			lay->interp_size = interp_sizes[i].size;
	lay->pool_size = minor >= 0x030a ? 16384 : 4096;
	lay->arena_size = minor >= 0x030a ? 1 << 20 : 1 << 18;
}

void versions_fill(struct layout *lay, uint32_t version, uint16_t head)
{
	const struct version_row *row = versions_row(version);
	uint16_t d = (uint16_t)(head - 16);

	lay->head = head;
	lay->type = (uint16_t)(head - 8);
	lay->refcnt = (uint16_t)(head - 16);
	lay->managed_dict = 24;
	versions_fill_type(lay, d);
	for (size_t i = 0; i < sizeof(type_size_rows) / sizeof(type_size_rows[0]); i++)
		if (type_size_rows[i].since <= version >> 8)
			lay->type_size = type_size_rows[i].size + d;
	versions_fill_str(lay, row, d);
	versions_fill_containers(lay, row, d);
	lay->dict_owns_embedded = versions_in_spans(
		version, dict_owns_embedded,
		sizeof(dict_owns_embedded) / sizeof(dict_owns_embedded[0]));
	lay->size_rule = row->size_rule;
	lay->managed = row->managed;
	lay->type_dict_in_interp = row->type_dict_in_interp;
	lay->immortal_mask = row->immortal_mask;
	lay->immortal_value = row->immortal_value;
	lay->refcnt_mask = row->since >= 0x030c ? 0xffffffffULL : UINT64_MAX;
	versions_fill_facts(lay, version);
}

/*
 * Py_GIL_DISABLED: Include/object.h (the head), Include/internal/pycore_object.h
 * (MANAGED_DICT_OFFSET), Include/cpython/unicodeobject.h (3.14: the interned state is a
 * byte of its own).
 */
void versions_fill_free_threaded(struct layout *lay, uint32_t version)
{
	lay->free_threaded = true;
	lay->gc_bits = 11;
	lay->refcnt_local = 12;
	lay->managed_dict = 8;
	lay->immortal_mask = 0;
	lay->refcnt_split = false;
	lay->refcnt_mask = UINT64_MAX;
	if (version >> 8 < 0x030e)
		return;
	lay->str_intern_bits = 8;
	lay->str_kind_shift = 8;
	lay->str_compact_bit = 11;
	lay->str_ascii_bit = 12;
}

/* ---- which of the tables an interpreter gets ---- */

static uint32_t versions_newest(const struct cpython *py)
{
	return py->known ? py->known : VERSIONS_NEWEST;
}

bool versions_known(const struct cpython *py)
{
	return py->version >> 8 <= versions_newest(py) && !py->distrusted;
}

uint32_t versions_tables(const struct cpython *py)
{
	return versions_known(py) || py->distrusted ? py->version :
						      versions_newest(py) << 8 | 0xff;
}
