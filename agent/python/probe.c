/* SPDX-License-Identifier: MIT */
/*
 * probe - experiments on the running interpreter that confirm or correct the
 * tables.  Each must come out right, or nothing is walked.
 *
 * Nothing is allocated and nothing of the interpreter's is changed: objects
 * that exist anyway serve as samples (type names, sys.modules, ModuleSpec, which
 * importlib has loaded in every CPython since 3.4).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/peek.h"
#include "agent/python/frame_layout.h"
#include "agent/python/fields.h"
#include "agent/python/interpreters.h"
#include "agent/python/lookup.h"
#include "agent/python/moved.h"
#include "agent/python/probe.h"
#include "agent/python/proof.h"
#include "agent/python/type_flags.h"
#include "agent/python/versions.h"

static int probe_refuse(const struct cpython *py, char *err, size_t err_size,
			const char *what)
{
	snprintf(err, err_size,
		 "the memory layout of this CPython (%u.%u.%u) is not understood: "
		 "%s",
		 py->version >> 16, py->version >> 8 & 0xff, py->version & 0xff, what);
	return -ENOTSUP;
}

enum { PROBE_HEAD = 16, PROBE_HEAD_LONG = 32 };

/* sizeof(PyObject): type(type) is type, so its ob_type points to itself. */
static uint16_t probe_head(const struct cpython *py)
{
	uint64_t type = CPYTHON_ADDR(py, type_type), word;

	if (peek_safe64(type + 8, &word) && word == type)
		return PROBE_HEAD;
	if (peek_safe64(type + 24, &word) && word == type)
		return PROBE_HEAD_LONG;
	return 0;
}

/* The type's C name, the flags and sizes of a few types everybody knows. */
static const char *probe_types(struct cpython *py)
{
	struct layout *lay = &py->lay;
	uint64_t name, basic, flags;
	char text[8];

	if (!peek_safe64(CPYTHON_ADDR(py, type_type) + lay->tp_name, &name) ||
	    !peek_safe_text(name, text, sizeof(text)) || strcmp(text, "type"))
		return "the name of type";
	if (!peek_safe64(CPYTHON_ADDR(py, unicode_type) + lay->tp_flags, &flags) ||
	    !(flags & TYPE_STR_SUBCLASS))
		return "the flags of str";
	/* moved_find looks where these lie in a CPython that is newer than the tables */
	if (!lay->newer &&
	    (!peek_safe64(CPYTHON_ADDR(py, list_type) + lay->tp_basicsize, &basic) ||
	     basic != lay->list_allocated + 8u))
		return "the size of a list";
	if (!lay->newer &&
	    (!peek_safe64(CPYTHON_ADDR(py, dict_type) + lay->tp_basicsize, &basic) ||
	     basic != lay->dict_values + 8u))
		return "the size of a dict";
	if (!lay->newer &&
	    (!peek_safe64(CPYTHON_ADDR(py, unicode_type) + lay->tp_basicsize, &basic) ||
	     basic != lay->str_full_size))
		return "the size of a str";
	if (!peek_safe64(CPYTHON_ADDR(py, tuple_type) + lay->tp_basicsize, &basic) ||
	    basic < lay->head + 8u || basic > lay->head + 64u)
		return "the size of a tuple";
	lay->tuple_items = (uint16_t)basic;
	if (!peek_safe64(CPYTHON_ADDR(py, bytes_type) + lay->tp_basicsize, &basic) ||
	    basic < lay->head + 9u || basic > lay->head + 64u)
		return "the size of a bytes";
	lay->bytes_data = (uint16_t)(basic - 1);
	if (!lay->newer &&
	    (!peek_safe64(CPYTHON_ADDR(py, long_type) + lay->tp_basicsize, &basic) ||
	     (basic != lay->long_digits && basic != lay->long_digits + 4u)))
		return "the size of an int";
	return NULL;
}

/* The first word of the interpreter's state that is what is looked for; 0: none. */
static uint64_t probe_in_state(struct cpython *py,
			       bool (*is_it)(struct cpython *py, uint64_t word))
{
	const uint64_t interp = interpreters_main(py);
	uint64_t words[64];

	for (uint64_t at = 0; at < 256 << 10; at += sizeof(words)) {
		if (!peek_safe(interp + at, words, sizeof(words)))
			break;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (is_it(py, words[i]))
				return words[i];
	}
	return 0;
}

/*
 * sys.modules as a field of the interpreter.  PyImport_GetModuleDict goes through the
 * current thread state and crashes when there is none: in 3.6-3.11 that is the
 * whole process between two holders of the GIL, later each thread without one.
 */
static bool probe_is_modules(struct cpython *py, uint64_t word)
{
	return peek_plausible(word) && lookup_kind(py, word, TYPE_DICT_SUBCLASS) &&
		lookup_dict(py, word, "builtins") &&
		lookup_dict(py, word, "_frozen_importlib");
}

static uint64_t probe_current_modules(struct cpython *py)
{
	return interpreters_current(py) ? interpreters_modules(py) :
					  probe_in_state(py, probe_is_modules);
}

/* sys.modules, and in it dicts, modules and strings as we believe they are. */
static const char *probe_modules(struct cpython *py, uint64_t *spec_ret)
{
	const struct layout *lay = &py->lay;
	uint64_t modules = probe_current_modules(py), importlib, dict, spec;

	if (!lookup_kind(py, modules, TYPE_DICT_SUBCLASS))
		return "sys.modules is no dict";
	py->lay.known_tracked = modules;
	importlib = lookup_dict(py, modules, "_frozen_importlib");
	if (!importlib)
		importlib = lookup_dict(py, modules, "importlib._bootstrap");
	if (!importlib || !peek_safe64(importlib + lay->head, &dict) ||
	    !lookup_kind(py, dict, TYPE_DICT_SUBCLASS))
		return "importlib's module can't be read";
	spec = lookup_dict(py, dict, "ModuleSpec");
	if (!spec || !lookup_kind(py, spec, TYPE_TYPE_SUBCLASS))
		return "importlib's ModuleSpec can't be read";
	*spec_ret = spec;
	return NULL;
}

static bool probe_is_kept(struct cpython *py, uint64_t word)
{
	return lookup_exact(py, word, CPYTHON_ADDR(py, dict_type)) &&
		probe_gc_keeps(py, word);
}

/*
 * Where no dict can be read, nothing tells sys.modules: one that the interpreter's state
 * holds, and the collector keeps, does as well where one is needed that is on its lists.
 */
static const char *probe_kept(struct cpython *py)
{
	const uint64_t kept = probe_in_state(py, probe_is_kept);

	if (!kept)
		return "no object that the garbage collector keeps was found";
	py->lay.known_tracked = kept;
	return NULL;
}

/*
 * Builds that keep a list of all objects (Py_TRACE_REFS) or a sum of all reference
 * counts (Py_REF_DEBUG) have functions in sys that tell of it (Python/sysmodule.c).
 */
static void probe_debug(struct cpython *py)
{
	static const char *const names[] = { "getobjects", "gettotalrefcount" };
	uint64_t sys = lookup_dict(py, py->lay.known_tracked, "sys"), dict;

	py->lay.counts_objects = py->lay.unknown & LAYOUT_DICT; /* perhaps */
	if (!sys || !peek_safe64(sys + py->lay.head, &dict) ||
	    !lookup_kind(py, dict, TYPE_DICT_SUBCLASS))
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		py->lay.counts_objects |= lookup_dict(py, dict, names[i]) != 0;
}

/*
 * 3.12+: tp_dict of a static builtin type is kept in an array in the
 * interpreter, tp_subclasses holds its index + 1.  The array is found by
 * content: an entry begins with the type and has its dict 16 or 24 bytes on.
 * (pycore_typeobject.h: static_builtin_state, managed_static_type_state)
 */
static bool probe_static_at(const struct cpython *py, uint64_t first, uint16_t stride)
{
	const uint64_t types[] = {
		CPYTHON_ADDR(py, type_type),
		CPYTHON_ADDR(py, long_type),
		CPYTHON_ADDR(py, dict_type),
		CPYTHON_ADDR(py, list_type),
	};
	uint64_t index, word;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!peek_safe64(types[i] + py->lay.tp_subclasses, &index) || !index ||
		    index > 65535 || !peek_safe64(first + (index - 1) * stride, &word) ||
		    word != types[i])
			return false;
	return true;
}

static bool probe_static_entry(struct cpython *py, const uint64_t *words, size_t i,
			       uint64_t at)
{
	struct layout *lay = &py->lay;
	uint64_t object = CPYTHON_ADDR(py, object_type), index;

	if (words[i] != object || !peek_safe64(object + lay->tp_subclasses, &index) ||
	    index == 0 || index > 65535)
		return false;
	for (uint16_t off = 16; off <= 24; off += 8) {
		uint16_t stride = (uint16_t)(off + 24);

		if (!lookup_exact(py, words[i + off / 8], CPYTHON_ADDR(py, dict_type)))
			continue;
		if (!probe_static_at(py, at - (index - 1) * stride, stride))
			continue; /* only looks like it */
		lay->static_dict = off;
		lay->static_subclasses = (uint16_t)(off + 8);
		lay->static_stride = stride;
		lay->static_types = at - (index - 1) * stride;
		return true;
	}
	return false;
}

static void probe_static_types(struct cpython *py)
{
	uint64_t words[1024 + 8], interp, at;

	if (!py->lay.type_dict_in_interp)
		return;
	interp = interpreters_main(py);
	for (at = interp; at < interp + (1 << 20); at += 8192) {
		if (!peek_safe(at, words, sizeof(words)))
			return;
		for (size_t i = 0; i < 1024; i++)
			if (probe_static_entry(py, words, i, at + i * 8))
				return;
	}
}

/*
 * The interpreter is still being made: Py_IsInitialized() may say otherwise (3.6), but
 * __main__ is made after importlib (Python/pylifecycle.c), whose classes we look for.
 */
static bool probe_starts(const struct cpython *py)
{
	const uint64_t modules = py->lay.known_tracked;

	return modules && lookup_dict(py, modules, "sys") &&
		!lookup_dict(py, modules, "__main__");
}

static int probe_wait(char *err, size_t err_size)
{
	snprintf(err, err_size, "the interpreter is still starting");
	return -EAGAIN;
}

static const char *probe_samples(struct cpython *py)
{
	const char *what;
	uint64_t spec;

	if (py->lay.unknown & LAYOUT_DICT)
		return probe_kept(py);
	what = probe_modules(py, &spec);
	return what ? what : probe_class_spec(py, spec);
}

int cpython_probe(struct cpython *py, char *err, size_t err_size)
{
	uint16_t head = probe_head(py);
	const char *what;
	int rc;

	py->probed = false;
	if (!head || (py->sym.ft_marker && head != PROBE_HEAD_LONG))
		return probe_refuse(py, err, err_size, "the head of an object");
	memset(&py->lay, 0, sizeof(py->lay));
	versions_fill(&py->lay, versions_tables(py), head);
	if (py->sym.ft_marker)
		versions_fill_free_threaded(&py->lay, versions_tables(py));
	fields_fill(&py->lay, versions_tables(py), head);
	py->lay.newer = !versions_known(py);
	what = probe_types(py);
	if (!what && py->lay.newer)
		moved_find(py);
	if (what || (what = probe_samples(py)))
		return probe_starts(py) ? probe_wait(err, err_size) :
					  probe_refuse(py, err, err_size, what);
	py->frames = frame_layout_of(py);
	if (py->lay.newer)
		proof_of_tables(py);
	probe_embedded(py);
	probe_debug(py);
	probe_static_types(py);
	rc = probe_gc(py, err, err_size);
	if (rc < 0)
		return rc;
	if (py->lay.unknown & LAYOUT_DICT)
		probe_class_kept(py);
	py->probed = true;
	return 0;
}
