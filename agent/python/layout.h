/* SPDX-License-Identifier: MIT */
/*
 * layout - where the fields of CPython's structures are, in this interpreter.
 *
 * Filled by cpython_probe() from the tables of versions.c.  Then experiments on the
 * running interpreter find what distributions and micro releases change (the object's
 * head, the collector's lists, the fields of a class, where attributes lie), check
 * the sizes of the builtin types, and refuse what doesn't fit.  The rest is believed
 * by its version.  A version that is newer than the tables is read by the newest they
 * know, as far as that is proven (proof.h): layout.newer says so.
 * Offsets are bytes from the object's address unless said otherwise.
 *
 * Source of the offsets: Include/ and Include/internal/ of python/cpython
 * 3.6-3.15 (object.h, cpython/{object,unicodeobject,dictobject,code}.h,
 * pycore_{gc,dict,object,typeobject,interp}.h).
 */
#ifndef PYMEM_AGENT_PYTHON_LAYOUT_H
#define PYMEM_AGENT_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpython;

enum {
	LAYOUT_HEADS = 4,
	LAYOUT_INTERPS = 256, /* interpreters looked at, here and by the walk's roots */
	LAYOUT_NONE = 0xffff, /* there is no such field */
};

/* The collector's lists of one interpreter (3.6-3.8: of the process). */
struct layout_gc {
	uint64_t heads[LAYOUT_HEADS]; /* addresses of the list heads; 0 = no such list */
	uint64_t interp;	      /* PyInterpreterState; 0 = all of them */
};

/* What sys.getsizeof adds to __sizeof__. */
enum layout_size_rule {
	LAYOUT_PREFIX_TRACKABLE,  /* <= 3.10: gc header if tp_is_gc agrees */
	LAYOUT_PREFIX_FLAGS,	  /* 3.11, 3.12: by type flags alone */
	LAYOUT_PREFIX_NOT_STATIC, /* 3.13+: as before, but none for static types */
};

/* Where instance attributes live. */
enum layout_managed {
	LAYOUT_MANAGED_NONE, /* <= 3.10: tp_dictoffset only */
	LAYOUT_MANAGED_311,  /* values pointer at -32, dict pointer at -24 */
	LAYOUT_MANAGED_312,  /* one word at -24: dict, or values with bit 0 set */
	LAYOUT_MANAGED_313,  /* dict pointer at -24, values inside the object */
};

/* What may lie where nobody has seen it yet, as bits: parts of objects by their kind, and
 * what the collector keeps. */
enum layout_parts {
	LAYOUT_STR = 1,
	LAYOUT_DICT = 2,
	LAYOUT_INT = 4,
	LAYOUT_LIST = 8,
	LAYOUT_SET = 16,
	LAYOUT_LISTS = 32,  /* where the collector's lists begin (probe_gc.c) */
	LAYOUT_HEADER = 64, /* what the collector has before an object */
};

struct layout {
	/* PyObject, PyVarObject */
	uint16_t refcnt, type; /* of ob_refcnt, ob_type */
	uint16_t head;	       /* sizeof(PyObject) = offset of ob_size */
	uint16_t gc_head;      /* bytes of the gc header, just before the object */
	uint16_t managed_dict; /* the managed dict pointer is at object - this */
	/* a build without a GIL: no collector's lists and headers, but bits in the
	 * head; the count in two parts: refcnt's, of all threads, and the owner's */
	bool free_threaded;
	uint16_t gc_bits;      /* of ob_gc_bits, a byte; object.h */
	uint16_t refcnt_local; /* of ob_ref_local, u32 */
	/* PyTypeObject */
	uint16_t tp_name, tp_basicsize, tp_itemsize, tp_dealloc, tp_flags, tp_traverse;
	uint16_t tp_weaklistoffset, tp_methods, tp_members, tp_base, tp_dict,
		tp_dictoffset;
	uint16_t tp_new, tp_is_gc, tp_bases, tp_mro, tp_cache, tp_subclasses,
		tp_as_buffer;
	uint16_t type_size; /* sizeof(PyTypeObject) */
	/* PyHeapTypeObject */
	uint16_t ht_name, ht_slots, ht_qualname, ht_cached_keys, ht_module;
	/* containers */
	uint16_t tuple_items, list_items, list_allocated, bytes_data;
	uint16_t set_mask, set_table, set_small, set_sizeof;
	uint16_t dict_used, dict_keys, dict_values;
	uint16_t values_items; /* from what ma_values points to, to the first value */
	/* PyDictKeysObject, from its own address */
	/* LAYOUT_NONE: by dk_size (<= 3.10) */
	uint16_t keys_log2_size, keys_log2_index, keys_kind;
	uint16_t keys_nentries, keys_indices;
	/* str */
	uint16_t str_length, str_hash, str_state, str_ascii_size, str_compact_size,
		str_full_size;
	uint16_t str_utf8_length, str_utf8, str_wstr, str_wstr_length; /* LAYOUT_NONE */
	/* bit numbers in the state; ready 0xff: there is none */
	uint8_t str_kind_shift, str_compact_bit, str_ascii_bit, str_ready_bit;
	uint8_t str_intern_bits; /* width of the interned state in bit 0.. */
	/* int */
	uint16_t long_digits;
	bool long_tagged;     /* 3.12+: digit count in bits 3.. of the word at head */
	bool long_zero_digit; /* sys.getsizeof(0) counts one digit */
	/* functions (fields.c) */
	uint16_t fn_code, fn_defaults, fn_closure, fn_qualname, fn_module;
	enum layout_size_rule size_rule;
	enum layout_managed managed;
	bool dict_owns_embedded; /* the dict, not the instance, tells of inline values
				  * that both show (probe_embedded.c) */
	bool counts_objects; /* Py_TRACE_REFS or Py_REF_DEBUG: a new object is recorded */
	/* what is so from some version on, or was: versions.c */
	bool type_dict_in_interp;   /* static builtin types keep tp_dict elsewhere */
	bool counted_by_heap_types; /* ... all instances of heap types own their type */
	bool static_base_borrowed;  /* ... no static type counts its tp_base */
	bool exceptions_counted;    /* ... the variables PyExc_X own what they hold */
	bool refcnt_split;	    /* ob_refcnt is u32 count, u16 overflow, u16 flags */
	bool weakref_prefix;	    /* MANAGED_WEAKREF means a word before the object */
	bool ints_from_freelist;    /* an int that dies is kept for the next one */
	bool bytearray_in_bytes;    /* a bytearray's bytes are a bytes object */
	bool lru_ring;		    /* an lru_cache's wrapper begins with a ring's root */
	bool interned_in_state;	   /* the dicts of interned strings: no static variable */
	bool type_cache_in_state;  /* the type attribute cache is the interpreter's */
	bool identifiers_in_state; /* the interpreter's own identifiers' strings */
	bool atexit_list;	   /* callbacks of atexit are a list */
	bool module_state_first;   /* of a module: state behind its dict, with a size */
	bool version_cache;	   /* functions by version, in the interpreter */
	bool lists_in_state;	   /* each interpreter collects for itself */
	bool gc_permanent;	   /* there is a permanent generation */
	uint32_t pool_size, arena_size; /* pymalloc's */
	uint32_t interp_size;		/* bytes of PyInterpreterState at least */
	bool newer;			/* than the tables: proof.h */
	uint32_t unknown; /* enum layout_parts: neither the tables nor samples explain
			   * them; such objects are asked by tp_traverse and __sizeof__
			   * alone, and nothing else is read of them */
	bool attributes_unknown; /* where instances of classes keep their attributes was
				  * not proven: only their tp_traverse is asked */
	/* reference counts */
	/* immortal if (word & mask) >= value, value != 0 */
	uint64_t immortal_mask, immortal_value;
	uint64_t refcnt_mask;
	/* the collector */
	struct layout_gc gc[LAYOUT_INTERPS];
	uint32_t gc_count;
	uint32_t gc_unknown;	/* interpreters whose lists are not among these */
	uint64_t collecting;	/* address of the int that says one runs; 0 unknown */
	uint64_t known_tracked; /* an object that must be on one of the lists */
	/* learnt from a class made by a class statement */
	uint64_t subtype_traverse, subtype_dealloc;
	/* 3.12+: the interpreter's array for static builtin types; 0 = not found */
	uint64_t static_types; /* address of the entry of index 1 */
	uint16_t static_stride, static_dict, static_subclasses;
	uint64_t static_count;
};

/*
 * Finds out how this interpreter is laid out.  Needs the GIL, or a frozen copy;
 * reads only, through safe reads where an address is doubtful, and allocates
 * nothing.  0, or -ENOTSUP with one sentence in err when an experiment does not
 * come out as it must: then nothing may be walked; -EAGAIN: not yet, the interpreter is
 * still starting.
 */
int cpython_probe(struct cpython *py, char *err, size_t err_size);

#endif
