/* SPDX-License-Identifier: MIT */
/* roots_interp - the state of one interpreter: see roots.h */
#include <string.h>

#include "agent/python/frame_layout.h"
#include "agent/heap/roots/roots.h"
#include "agent/heap/core/walk_internal.h"

enum { ATEXIT_MAX = 1 << 20 };

/* An object of exactly this type, by a doubtful word? */
static bool is_exact(struct walk *w, uint64_t word, uint64_t type)
{
	return peek_plausible(word) && (word & 7) == 0 && walk_readable(w, word, 32) &&
		walk_typeof(w, word) == type && walk_is_object(w, word);
}

static bool is_module(struct walk *w, uint64_t obj)
{
	return obj && walk_is_object(w, obj) &&
		walk_is_subtype(w, walk_typeof(w, obj), CPYTHON_ADDR(w->py, module_type));
}

static bool is_sys_modules(struct walk *w, uint64_t word)
{
	return is_exact(w, word, CPYTHON_ADDR(w->py, dict_type)) &&
		!walk_is_interned(w, word) &&
		is_module(w, walk_dict_get(w, word, "sys")) &&
		is_module(w, walk_dict_get(w, word, "builtins"));
}

/*
 * sys.modules may also be a value somewhere in sys.__dict__, but in the state
 * itself the first such dict is the interpreter's own (3.6-3.15).
 */
void roots_interp_find(struct walk *w, struct roots_interp *interp)
{
	for (uint64_t at = interp->state; at + 8 <= interp->state + interp->size;
	     at += 8) {
		uint64_t word = peek64(at);

		if (is_sys_modules(w, word)) {
			interp->modules = word;
			return;
		}
	}
}

/* ---- names of what is found ---- */

struct known { /* objects whose role follows from a module's dict */
	uint64_t addr;
	const char *name;
};

enum { KNOWN = 10 };

static void find_known(struct walk *w, const struct roots_interp *interp,
		       struct known *known)
{
	uint64_t sys = roots_module(w, interp, "sys");
	uint64_t builtins = roots_module(w, interp, "builtins");

	memset(known, 0, KNOWN * sizeof(*known));
	known[0] = (struct known){ interp->modules, "sys.modules" };
	known[1] = (struct known){ sys ? peek64(sys + w->lay->head) : 0, "sys.__dict__" };
	known[2] = (struct known){ builtins ? peek64(builtins + w->lay->head) : 0,
				   "builtins.__dict__" };
	known[3] = (struct known){ roots_module(w, interp, "_frozen_importlib"),
				   "importlib" };
	known[4] =
		(struct known){ roots_module_value(w, interp, "builtins", "__import__"),
				"__import__" };
	known[5] = (struct known){ roots_module_value(w, interp, "gc", "garbage"),
				   "gc.garbage" };
	known[6] = (struct known){ roots_module_value(w, interp, "gc", "callbacks"),
				   "gc.callbacks" };
	known[8] = (struct known){ roots_module_value(w, interp, "_warnings", "filters"),
				   "warnings filters" };
	known[9] = (struct known){ roots_module_value(w, interp, "_warnings",
						      "_onceregistry"),
				   "warnings once registry" };
	known[7] = (struct known){ CPYTHON_ADDR(w->py, none), "None" };
}

/* [codec search path] [search cache] [error handlers] */
static bool is_codecs(struct walk *w, uint64_t at)
{
	uint64_t dict_type = CPYTHON_ADDR(w->py, dict_type);

	return is_exact(w, peek64(at), CPYTHON_ADDR(w->py, list_type)) &&
		is_exact(w, peek64(at + 8), dict_type) &&
		is_exact(w, peek64(at + 16), dict_type) &&
		walk_dict_get(w, peek64(at + 16), "strict");
}

/*
 * An entry of the type attribute cache: u32 version, name (owned), value
 * (borrowed).  Objects/typeobject.c; in the interpreter since 3.10.
 */
static bool is_type_cache(struct walk *w, uint64_t at, uint64_t state)
{
	uint64_t before, after;

	if (at < state + 8 || !cpython_since(w->py, 10))
		return false;
	before = peek64(at - 8);
	after = peek64(at + 8);
	return before > 0 && before < 1ull << 32 &&
		is_exact(w, peek64(at), CPYTHON_ADDR(w->py, unicode_type)) &&
		(!after || walk_is_object(w, after));
}

/*
 * 3.10-3.13: an array of pointers to {func, args, kwargs}, its length and its
 * capacity (32, growing by 16).  Include/internal/pycore_atexit.h.
 */
static uint32_t atexit_count(struct walk *w, uint64_t at)
{
	uint64_t array = peek64(at);
	uint32_t n = peek32(at + 8), capacity = peek32(at + 12);

	if (!n || n > capacity || capacity > ATEXIT_MAX || capacity % 16 ||
	    capacity < 32 || !peek_plausible(array) ||
	    !walk_readable(w, array, 8ull * capacity))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t entry = peek64(array + 8ull * i);

		if (!entry)
			continue;
		if (!peek_plausible(entry) || !walk_readable(w, entry, 24) ||
		    !walk_is_object(w, peek64(entry)) ||
		    !is_exact(w, peek64(entry + 8), CPYTHON_ADDR(w->py, tuple_type)))
			return 0;
	}
	return n;
}

static void emit_atexit(struct walk *w, uint64_t at, uint32_t n)
{
	uint64_t array = peek64(at);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t entry = peek64(array + 8ull * i), kwargs;

		if (!entry)
			continue;
		walk_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0, walk_cstring(w, "function"),
			  peek64(entry));
		walk_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0, walk_cstring(w, "arguments"),
			  peek64(entry + 8));
		kwargs = peek64(entry + 16);
		if (kwargs && walk_is_object(w, kwargs))
			walk_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0,
				  walk_cstring(w, "keyword arguments"), kwargs);
	}
}

/*
 * 3.9-3.11: strings of the interpreter's own identifiers: a count, then a pointer
 * to an array of str (Include/internal/pycore_unicodeobject.h, unicode_ids).
 */
static bool emit_identifiers(struct walk *w, uint64_t at)
{
	uint64_t n = peek64(at), array = peek64(at + 8), found = 0;

	if (n < 16 || n > 1 << 16 || cpython_since(w->py, 12) || !peek_plausible(array) ||
	    !walk_readable(w, array, 8 * n))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t word = peek64(array + 8 * i);

		if (word && !is_exact(w, word, CPYTHON_ADDR(w->py, unicode_type)))
			return false;
		found += word != 0;
	}
	if (found < 16)
		return false;
	for (uint64_t i = 0; i < n; i++)
		walk_root(w, SNAP_ROOT_INTERPRETER, 0, 0, 0,
			  walk_cstring(w, "identifiers"), peek64(array + 8 * i));
	return true;
}

/* 3.14+: a list of (function, args, kwargs) tuples. */
static bool is_atexit_list(struct walk *w, uint64_t word)
{
	uint64_t tuple_type = CPYTHON_ADDR(w->py, tuple_type), items, n;

	if (!cpython_since(w->py, 14) ||
	    !is_exact(w, word, CPYTHON_ADDR(w->py, list_type)))
		return false;
	n = peek64(word + w->lay->head);
	items = peek64(word + w->lay->list_items);
	if (!n || n > ATEXIT_MAX || !walk_readable(w, items, 8 * n))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t item = peek64(items + 8 * i);

		if (!is_exact(w, item, tuple_type) || peek64(item + w->lay->head) != 3 ||
		    !is_exact(w, peek64(item + w->lay->tuple_items + 8), tuple_type))
			return false;
	}
	return true;
}

/*
 * An array of free objects kept for reuse: list, dict, tuple...  The slots beyond
 * its current fill still point to objects that live again; nothing is owned.  Known
 * by its neighbours: several words around that point to objects of one such type.
 */
bool roots_is_freelist(struct walk *w, uint64_t at, uint64_t start, uint64_t end)
{
	const struct cpython *py = w->py;
	uint64_t type = walk_typeof(w, peek64(at));
	int same = 0;

	if (type != CPYTHON_ADDR(py, list_type) && type != CPYTHON_ADDR(py, dict_type) &&
	    type != CPYTHON_ADDR(py, tuple_type) &&
	    type != CPYTHON_ADDR(py, frame_type) &&
	    type != CPYTHON_ADDR(py, method_type) &&
	    type != CPYTHON_ADDR(py, cfunction_type))
		return false;
	for (uint64_t near = at - 64; near <= at + 64; near += 8) {
		uint64_t word;

		if (near == at || near < start || near + 8 > end)
			continue;
		word = peek64(near);
		if (peek_plausible(word) && (word & 7) == 0 &&
		    walk_readable(w, word, 32) && walk_typeof(w, word) == type)
			same++;
	}
	return same >= 6; /* the fork handlers are three lists in a row */
}

/* A subinterpreter has dicts of its own for static types: tp_dict, tp_subclasses. */
static void sub_type(struct walk *w, uint64_t type, uint64_t at)
{
	uint64_t dict = peek64(at), subclasses = peek64(at + 8);
	char text[128];
	uint32_t name;

	if (walk_type_dict(w, type) == dict || !walk_tp_name(w, type, text, sizeof(text)))
		return;
	name = walk_cstring(w, text);
	walk_root(w, SNAP_ROOT_STATIC_TYPE, 0, 0, 0, name, dict);
	if (is_exact(w, subclasses, CPYTHON_ADDR(w->py, dict_type)))
		walk_root(w, SNAP_ROOT_STATIC_TYPE, 0, 0, 0, name, subclasses);
}

/*
 * 3.12+: the state of a static type: {type, ints, tp_dict, tp_subclasses,
 * tp_weaklist}.  In the main interpreter these are references of the type.
 * Returns its words, 0: it isn't.
 */
static uint32_t static_type_words(struct walk *w, uint64_t at, uint64_t left)
{
	uint64_t type = peek64(at), dict_type = CPYTHON_ADDR(w->py, dict_type);

	if (!cpython_since(w->py, 12) || left < 56 ||
	    !(peek64(walk_typeof(w, type) + w->lay->tp_flags) >> 31 & 1) ||
	    (peek64(type + w->lay->tp_flags) >> 9 & 1) || peek64(at + 8) >> 33)
		return 0;
	for (uint32_t i = 2; i < 4; i++)
		if (is_exact(w, peek64(at + 8 * i), dict_type)) {
			sub_type(w, type, at + 8 * i);
			return i + 3;
		}
	return 0;
}

/* 3.13+: the cache of functions by version, {function, code}, owns nothing. */
static uint32_t version_cache_words(struct walk *w, uint64_t at)
{
	uint64_t type = walk_typeof(w, peek64(at));

	return cpython_since(w->py, 12) &&
		(type == CPYTHON_ADDR(w->py, function_type) ||
		 type == CPYTHON_ADDR(w->py, code_type));
}

/* ---- the scan ---- */

/* End of a part of the state that is somebody else's: a thread state inside the
 * interpreter's (3.11+), the array of static types; 0: at is in none. */
static uint64_t foreign(struct walk *w, uint64_t at)
{
	const struct roots *roots = w->roots;
	const struct layout *lay = w->lay;
	const struct frame_layout *frame = frame_layout_of(w->py);
	uint64_t size = frame ? frame->ts_size : 0;
	uint64_t types_end = lay->static_types + lay->static_stride * lay->static_count;

	if (lay->static_types && at >= lay->static_types && at < types_end)
		return types_end;
	for (uint32_t i = 0; i < roots->tstate_count; i++)
		if (at >= roots->tstates[i] && at < roots->tstates[i] + size)
			return roots->tstates[i] + size;
	return 0;
}

static void root(struct walk *w, uint8_t flags, const char *name, uint64_t target)
{
	walk_root(w, SNAP_ROOT_INTERPRETER, flags, 0, 0, walk_cstring(w, name), target);
}

/* Emits what starts at `at`, and returns how many words it took. */
static uint32_t emit_word(struct walk *w, const struct roots_interp *interp,
			  struct known *known, uint64_t at)
{
	uint64_t word = peek64(at), left = interp->state + interp->size - at;
	uint32_t n = left >= 24 ? atexit_count(w, at) : 0;

	if (n) {
		emit_atexit(w, at, n);
		return 2;
	}
	if (left >= 16 && emit_identifiers(w, at))
		return 2;
	if (!peek_plausible(word) || (word & 7) || !walk_is_object(w, word) ||
	    walk_is_interned(w, word))
		return 1;
	n = static_type_words(w, at, left) + version_cache_words(w, at);
	if (n)
		return n;
	if (left >= 24 && is_codecs(w, at)) {
		root(w, 0, "codec search path", word);
		root(w, 0, "codec search cache", peek64(at + 8));
		root(w, 0, "codec error handlers", peek64(at + 16));
		return 3;
	}
	if (left >= 16 && is_type_cache(w, at, interp->state)) {
		root(w, 0, "type attribute cache", word);
		return 2;
	}
	for (int i = 0; i < KNOWN; i++)
		if (known[i].addr == word) {
			known[i].addr = word == CPYTHON_ADDR(w->py, none) ? word : 0;
			root(w, 0, known[i].name, word);
			return 1;
		}
	if (roots_is_freelist(w, at, interp->state, interp->state + interp->size))
		return 1;
	if (is_atexit_list(w, word))
		walk_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0, walk_cstring(w, "callbacks"),
			  word);
	else
		root(w, SNAP_ROOT_CONSERVATIVE, "interpreter", word);
	return 1;
}

void roots_interp_emit(struct walk *w, const struct roots_interp *interp)
{
	uint64_t end = interp->state + interp->size, at = interp->state;
	struct known known[KNOWN];

	find_known(w, interp, known);
	while (at + 8 <= end && !w->err) {
		uint64_t skip = foreign(w, at);

		if (skip)
			at = skip;
		else
			at += 8ull * emit_word(w, interp, known, at);
	}
}
