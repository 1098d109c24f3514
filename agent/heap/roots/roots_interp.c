/* SPDX-License-Identifier: MIT */
/* roots_interp - the state of one interpreter: see roots.h. */
#include "agent/heap/roots/roots_interp.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/roots/modules.h"
#include "agent/python/dict.h"
#include "agent/python/frame_layout.h"
#include "agent/python/type.h"

enum { ATEXIT_MAX = 1 << 20 };

static bool roots_interp_is_module(struct walk *w, uint64_t obj)
{
	return obj && sound_object(w, obj) &&
		type_is_subtype(w->lay, object_type(w->lay, obj),
				CPYTHON_ADDR(w->py, module_type));
}

static bool roots_interp_is_modules(struct walk *w, uint64_t word)
{
	return sound_exact(w, word, CPYTHON_ADDR(w->py, dict_type)) &&
		!context_is_interned(w, word) &&
		roots_interp_is_module(w, dict_get(w->lay, word, "sys")) &&
		roots_interp_is_module(w, dict_get(w->lay, word, "builtins"));
}

/*
 * sys.modules may also be a value somewhere in sys.__dict__, but in the state
 * itself the first such dict is the interpreter's own (3.6-3.15).
 */
void roots_interp_find(struct walk *w, struct interp *interp)
{
	for (uint64_t at = interp->state; at + 8 <= interp->state + interp->size;
	     at += 8) {
		uint64_t word = peek64(at);

		if (roots_interp_is_modules(w, word)) {
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

static void roots_interp_known(struct walk *w, const struct interp *interp,
			       struct known *known)
{
	uint64_t sys = modules_get(w, interp, "sys");
	uint64_t builtins = modules_get(w, interp, "builtins");

	memset(known, 0, KNOWN * sizeof(*known));
	known[0] = (struct known){ interp->modules, "sys.modules" };
	known[1] = (struct known){ sys ? peek64(sys + w->lay->head) : 0, "sys.__dict__" };
	known[2] = (struct known){ builtins ? peek64(builtins + w->lay->head) : 0,
				   "builtins.__dict__" };
	known[3] = (struct known){ modules_get(w, interp, "_frozen_importlib"),
				   "importlib" };
	known[4] = (struct known){ modules_value(w, interp, "builtins", "__import__"),
				   "__import__" };
	known[5] =
		(struct known){ modules_value(w, interp, "gc", "garbage"), "gc.garbage" };
	known[6] = (struct known){ modules_value(w, interp, "gc", "callbacks"),
				   "gc.callbacks" };
	known[8] = (struct known){ modules_value(w, interp, "_warnings", "filters"),
				   "warnings filters" };
	known[9] = (struct known){ modules_value(w, interp, "_warnings", "_onceregistry"),
				   "warnings once registry" };
	known[7] = (struct known){ CPYTHON_ADDR(w->py, none), "None" };
}

/* [codec search path] [search cache] [error handlers] */
static bool roots_interp_is_codecs(struct walk *w, uint64_t at)
{
	uint64_t dict_type = CPYTHON_ADDR(w->py, dict_type);

	return sound_exact(w, peek64(at), CPYTHON_ADDR(w->py, list_type)) &&
		sound_exact(w, peek64(at + 8), dict_type) &&
		sound_exact(w, peek64(at + 16), dict_type) &&
		dict_get(w->lay, peek64(at + 16), "strict");
}

/*
 * An entry of the type attribute cache: u32 version, name (owned), value
 * (borrowed).  Objects/typeobject.c; in the interpreter since 3.10.
 */
static bool roots_interp_is_cache(struct walk *w, uint64_t at, uint64_t state)
{
	uint64_t before, after;

	if (at < state + 8 || !w->lay->type_cache_in_state)
		return false;
	before = peek64(at - 8);
	if (w->lay->free_threaded) /* the upper half counts the changes of the entry */
		before = (uint32_t)before;
	after = peek64(at + 8);
	return before > 0 && before < 1ull << 32 &&
		sound_exact(w, peek64(at), CPYTHON_ADDR(w->py, unicode_type)) &&
		(!after || sound_object(w, after));
}

/*
 * 3.10-3.13: an array of pointers to {func, args, kwargs}, its length and its
 * capacity (32, growing by 16).  Include/internal/pycore_atexit.h.
 */
static uint32_t roots_interp_count_atexit(struct walk *w, uint64_t at)
{
	uint64_t array = peek64(at);
	uint32_t n = peek32(at + 8), capacity = peek32(at + 12);

	if (!n || n > capacity || capacity > ATEXIT_MAX || capacity % 16 ||
	    capacity < 32 || !peek_plausible(array) ||
	    !ranges_readable(w, array, 8ull * capacity))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t entry = peek64(array + 8ull * i);

		if (!entry)
			continue;
		if (!peek_plausible(entry) || !ranges_readable(w, entry, 24) ||
		    !sound_object(w, peek64(entry)) ||
		    !sound_exact(w, peek64(entry + 8), CPYTHON_ADDR(w->py, tuple_type)))
			return 0;
	}
	return n;
}

static void roots_interp_emit_atexit(struct walk *w, uint64_t at, uint32_t n)
{
	uint64_t array = peek64(at);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t entry = peek64(array + 8ull * i), kwargs;

		if (!entry)
			continue;
		events_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0, strings_add_text(w, "function"),
			    peek64(entry));
		events_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0,
			    strings_add_text(w, "arguments"), peek64(entry + 8));
		kwargs = peek64(entry + 16);
		if (kwargs && sound_object(w, kwargs))
			events_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0,
				    strings_add_text(w, "keyword arguments"), kwargs);
	}
}

/*
 * 3.9-3.11: strings of the interpreter's own identifiers: a count, then a pointer
 * to an array of str (Include/internal/pycore_unicodeobject.h, unicode_ids).
 */
static bool roots_interp_emit_identifiers(struct walk *w, uint64_t at)
{
	uint64_t n = peek64(at), array = peek64(at + 8), found = 0;

	if (n < 16 || n > 1 << 16 || !w->lay->identifiers_in_state ||
	    !peek_plausible(array) || !ranges_readable(w, array, 8 * n))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t word = peek64(array + 8 * i);

		if (word && !sound_exact(w, word, CPYTHON_ADDR(w->py, unicode_type)))
			return false;
		found += word != 0;
	}
	if (found < 16)
		return false;
	for (uint64_t i = 0; i < n; i++)
		events_root(w, SNAP_ROOT_INTERPRETER, 0, 0, 0,
			    strings_add_text(w, "identifiers"), peek64(array + 8 * i));
	return true;
}

/* 3.14+: a list of (function, args, kwargs) tuples. */
static bool roots_interp_is_atexit(struct walk *w, uint64_t word)
{
	uint64_t tuple_type = CPYTHON_ADDR(w->py, tuple_type), items, n;

	if (!w->lay->atexit_list || w->lay->unknown & LAYOUT_LIST ||
	    !sound_exact(w, word, CPYTHON_ADDR(w->py, list_type)))
		return false;
	n = peek64(word + w->lay->head);
	items = peek64(word + w->lay->list_items);
	if (!n || n > ATEXIT_MAX || !ranges_readable(w, items, 8 * n))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t item = peek64(items + 8 * i);

		if (!sound_exact(w, item, tuple_type) ||
		    peek64(item + w->lay->head) != 3 ||
		    !sound_exact(w, peek64(item + w->lay->tuple_items + 8), tuple_type))
			return false;
	}
	return true;
}

/*
 * An array of free objects kept for reuse: list, dict, tuple...  The slots beyond
 * its current fill still point to objects that live again; nothing is owned.  Known
 * by its neighbours: several words around that point to objects of one such type.
 */
bool roots_interp_is_freelist(struct walk *w, uint64_t at, uint64_t start, uint64_t end)
{
	const struct cpython *py = w->py;
	uint64_t type = object_type(w->lay, peek64(at));
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
		    ranges_readable(w, word, 32) && object_type(w->lay, word) == type)
			same++;
	}
	return same >= 6; /* the fork handlers are three lists in a row */
}

/* A subinterpreter has dicts of its own for static types: tp_dict, tp_subclasses. */
static void roots_interp_sub_type(struct walk *w, uint64_t type, uint64_t at)
{
	uint64_t dict = peek64(at), subclasses = peek64(at + 8);
	char text[128];
	uint32_t name;

	if (type_dict(w->lay, type) == dict ||
	    !type_name(w->lay, type, text, sizeof(text)))
		return;
	name = strings_add_text(w, text);
	events_root(w, SNAP_ROOT_STATIC_TYPE, 0, 0, 0, name, dict);
	if (sound_exact(w, subclasses, CPYTHON_ADDR(w->py, dict_type)))
		events_root(w, SNAP_ROOT_STATIC_TYPE, 0, 0, 0, name, subclasses);
}

/*
 * 3.12+: the state of a static type: {type, ints, tp_dict, tp_subclasses,
 * tp_weaklist}.  In the main interpreter these are references of the type.
 * Returns its words, 0: it isn't.
 */
static uint32_t roots_interp_static_type(struct walk *w, uint64_t at, uint64_t left)
{
	uint64_t type = peek64(at), dict_type = CPYTHON_ADDR(w->py, dict_type);

	if (!w->lay->type_dict_in_interp || left < 56 ||
	    !(object_is_type(w->lay, type)) || (type_is_heap(w->lay, type)) ||
	    peek64(at + 8) >> 33)
		return 0;
	for (uint32_t i = 2; i < 4; i++)
		if (sound_exact(w, peek64(at + 8 * i), dict_type)) {
			roots_interp_sub_type(w, type, at + 8 * i);
			return i + 3;
		}
	return 0;
}

/* 3.13+: the cache of functions by version, {function, code}, owns nothing. */
static uint32_t roots_interp_version_cache(struct walk *w, uint64_t at)
{
	uint64_t type = object_type(w->lay, peek64(at));

	return w->lay->version_cache &&
		(type == CPYTHON_ADDR(w->py, function_type) ||
		 type == CPYTHON_ADDR(w->py, code_type));
}

/* ---- the scan ---- */

/* End of a part of the state that is somebody else's, a thread state inside the
 * interpreter's (3.11+); 0: at is in none. */
static uint64_t roots_interp_foreign(struct walk *w, uint64_t at)
{
	const struct interps *interps = w->interps;
	const uint64_t size = w->py->frames ? w->py->frames->ts_size : 0;

	for (uint32_t i = 0; i < interps->tstate_count; i++)
		if (at >= interps->tstates[i] && at < interps->tstates[i] + size)
			return interps->tstates[i] + size;
	return 0;
}

static void roots_interp_root(struct walk *w, const struct interp *interp, uint8_t flags,
			      const char *name, uint64_t target)
{
	events_root(w, SNAP_ROOT_INTERPRETER, flags, 0, 0, interps_name(w, interp, name),
		    target);
}

/* Emits what starts at `at`, and returns how many words it took. */
static uint32_t roots_interp_emit_word(struct walk *w, const struct interp *interp,
				       struct known *known, uint64_t at)
{
	uint64_t word = peek64(at), left = interp->state + interp->size - at;
	uint32_t n = left >= 24 ? roots_interp_count_atexit(w, at) : 0;

	if (n) {
		roots_interp_emit_atexit(w, at, n);
		return 2;
	}
	if (left >= 16 && roots_interp_emit_identifiers(w, at))
		return 2;
	if (!peek_plausible(word) || (word & 7) || !sound_object(w, word) ||
	    context_is_interned(w, word))
		return 1;
	n = roots_interp_static_type(w, at, left) + roots_interp_version_cache(w, at);
	if (n)
		return n;
	if (left >= 24 && roots_interp_is_codecs(w, at)) {
		roots_interp_root(w, interp, 0, "codec search path", word);
		roots_interp_root(w, interp, 0, "codec search cache", peek64(at + 8));
		roots_interp_root(w, interp, 0, "codec error handlers", peek64(at + 16));
		return 3;
	}
	if (left >= 16 && roots_interp_is_cache(w, at, interp->state)) {
		roots_interp_root(w, interp, 0, "type attribute cache", word);
		return 2;
	}
	for (int i = 0; i < KNOWN; i++)
		if (known[i].addr == word) {
			known[i].addr = word == CPYTHON_ADDR(w->py, none) ? word : 0;
			roots_interp_root(w, interp, 0, known[i].name, word);
			return 1;
		}
	if (roots_interp_is_freelist(w, at, interp->state, interp->state + interp->size))
		return 1;
	if (roots_interp_is_atexit(w, word))
		events_root(w, SNAP_ROOT_ATEXIT, 0, 0, 0,
			    strings_add_text(w, "callbacks"), word);
	else
		roots_interp_root(w, interp, SNAP_ROOT_CONSERVATIVE, "interpreter", word);
	return 1;
}

void roots_interp_emit(struct walk *w, const struct interp *interp)
{
	uint64_t end = interp->state + interp->size, at = interp->state;
	struct known known[KNOWN];

	roots_interp_known(w, interp, known);
	while (at + 8 <= end && !w->err) {
		uint64_t skip = roots_interp_foreign(w, at);

		if (skip)
			at = skip;
		else
			at += 8ull * roots_interp_emit_word(w, interp, known, at);
	}
}
