/* SPDX-License-Identifier: MIT */
/* roots - see roots.h */
#include "agent/heap/roots/roots.h"

#include <string.h>

#include "agent/heap/frames/frames.h"
#include "agent/heap/core/walk_internal.h"

enum { THREADS_MAX = 1 << 20, INTERNED_SAMPLE = 32 };

/* Bytes of PyInterpreterState, by minor version; the smallest known. */
static const uint32_t interp_sizes[] = {
	[6] = 120,     [7] = 2568,    [8] = 2720,    [9] = 5656,
	[10] = 113528, [11] = 107752, [12] = 383552, [13] = 194968,
};

typedef uint64_t interp_fn(void);
typedef uint64_t next_fn(uint64_t);

static uint64_t call0(void *fn)
{
	interp_fn *typed;

	memcpy(&typed, &fn, sizeof(fn));
	return typed();
}

static uint64_t call1(void *fn, uint64_t arg)
{
	next_fn *typed;

	memcpy(&typed, &fn, sizeof(fn));
	return typed(arg);
}

/* 3.13+: _PyRuntime begins with _Py_DebugOffsets, whose 7th word is that size. */
static uint64_t interp_size(struct walk *w)
{
	uint64_t runtime = CPYTHON_ADDR(w->py, runtime), size;
	unsigned minor = w->py->version >> 8 & 0xff;

	if (runtime && memcmp(peek_ptr(runtime), "xdebugpy", 8) == 0) {
		size = peek64(runtime + 48);
		if (size > 4096 && size < 1 << 24)
			return size;
	}
	if (minor < sizeof(interp_sizes) / sizeof(*interp_sizes))
		return interp_sizes[minor];
	return 4096;
}

static uint64_t interp_id(struct walk *w, uint64_t state)
{
	if (!w->py->sym.interp_id)
		return 0;
	return call1(w->py->sym.interp_id, state);
}

static void find_interps(struct walk *w, struct roots *roots)
{
	uint64_t state = call0(w->py->sym.interp_head), size = interp_size(w);

	while (state && roots->count < ROOTS_INTERPS) {
		struct roots_interp *interp = &roots->interps[roots->count++];

		interp->state = state;
		interp->id = interp_id(w, state);
		interp->size = size;
		while (interp->size > 8 && !walk_readable(w, state, interp->size))
			interp->size /= 2;
		state = call1(w->py->sym.interp_next, state);
	}
}

/* Counts the thread states, and keeps them when there is room for them. */
static void list_threads(struct walk *w, struct roots *roots, uint32_t capacity)
{
	roots->tstate_count = 0;
	for (uint32_t i = 0; i < roots->count; i++) {
		uint64_t tstate =
			call1(w->py->sym.interp_threads, roots->interps[i].state);

		while (tstate && roots->tstate_count < THREADS_MAX) {
			if (roots->tstate_count < capacity)
				roots->tstates[roots->tstate_count] = tstate;
			roots->tstate_count++;
			tstate = call1(w->py->sym.tstate_next, tstate);
		}
	}
}

static void find_threads(struct walk *w, struct roots *roots)
{
	uint32_t n;

	list_threads(w, roots, 0);
	n = roots->tstate_count;
	roots->tstates = arena_map(w->arena, (n + 1) * sizeof(*roots->tstates));
	if (roots->tstates)
		list_threads(w, roots, n);
	if (!roots->tstates || roots->tstate_count > n) /* none, or a new one just now */
		roots->tstate_count = roots->tstates ? n : 0;
}

/* ---- modules ---- */

uint64_t roots_module(struct walk *w, const struct roots_interp *interp, const char *name)
{
	uint64_t module = interp->modules ? walk_dict_get(w, interp->modules, name) : 0;

	if (!module ||
	    !walk_is_subtype(w, walk_typeof(w, module), CPYTHON_ADDR(w->py, module_type)))
		return 0;
	return module;
}

uint64_t roots_module_value(struct walk *w, const struct roots_interp *interp,
			    const char *module, const char *name)
{
	uint64_t addr = roots_module(w, interp, module);
	uint64_t dict = addr ? peek64(addr + w->lay->head) : 0; /* md_dict */

	return dict ? walk_dict_get(w, dict, name) : 0;
}

/* The dict holds the counted references; these give the modules their names. */
static void emit_modules(struct walk *w, const struct roots_interp *interp)
{
	struct walk_dict_iter iter;
	uint64_t key, value;

	if (!interp->modules || !walk_dict_begin(w, interp->modules, &iter))
		return;
	while (walk_dict_next(&iter, &key, &value) && !w->err)
		if (value != CPYTHON_ADDR(w->py, none))
			walk_root(w, SNAP_ROOT_MODULE, SNAP_ROOT_BORROWED, 0, 0,
				  walk_string_of(w, key), value);
}

/* ---- interned strings ---- */

bool roots_is_interned(struct walk *w, uint64_t dict)
{
	struct walk_dict_iter iter;
	uint64_t key, value;
	int n = 0;

	if (peek64(dict + w->lay->dict_used) < 4 * INTERNED_SAMPLE ||
	    !walk_dict_begin(w, dict, &iter))
		return false;
	while (n < INTERNED_SAMPLE && walk_dict_next(&iter, &key, &value)) {
		if (key != value ||
		    walk_typeof(w, key) != CPYTHON_ADDR(w->py, unicode_type))
			return false;
		n++;
	}
	return n == INTERNED_SAMPLE;
}

void roots_interned(struct walk *w, uint64_t dict)
{
	int i = 0;

	while (i < WALK_INTERNED && w->interned[i] && w->interned[i] != dict)
		i++;
	if (i == WALK_INTERNED || w->interned[i] == dict)
		return;
	w->interned[i] = dict;
	walk_root(w, SNAP_ROOT_INTERNED, 0, 0, 0, walk_cstring(w, "strings"), dict);
}

/* 3.12+: in the interpreter's state, or (3.12) the runtime's. */
static void find_interned_state(struct walk *w, uint64_t start, uint64_t size)
{
	uint64_t dict_type = CPYTHON_ADDR(w->py, dict_type);

	for (uint64_t at = start; at + 8 <= start + size; at += 8) {
		uint64_t word = peek64(at);

		if (peek_plausible(word) && (word & 7) == 0 &&
		    walk_readable(w, word, 64) && walk_typeof(w, word) == dict_type &&
		    walk_is_object(w, word) && roots_is_interned(w, word)) {
			roots_interned(w, word);
			return;
		}
	}
}

uint64_t roots_skip(const struct walk *w, uint64_t addr)
{
	const struct roots *roots = w->roots;

	if (!roots)
		return 0;
	if (addr >= roots->cache_start && addr < roots->cache_end)
		return roots->cache_end;
	for (uint32_t i = 0; i < roots->count; i++) {
		uint64_t state = roots->interps[i].state;

		if (addr >= state && addr < state + roots->interps[i].size)
			return (state + roots->interps[i].size + 7) & ~7ull;
	}
	return 0;
}

/* ---- types ---- */

void roots_static_types(struct walk *w)
{
	struct walk_type *type;

	for (uint32_t id = 1; (type = walk_type_by_id(w, id)) && !w->err; id++)
		if (!(type->flags & SNAP_TYPE_HEAP) && type->addr)
			walk_root(w, SNAP_ROOT_STATIC_TYPE, 0, 0, 0, type->name,
				  type->addr);
}

void roots_walk(struct walk *w)
{
	struct roots *roots = arena_alloc(w->arena, sizeof(*roots));

	if (!roots) {
		w->err = w->err ? w->err : -12;
		return;
	}
	w->roots = roots;
	if (!frames_begin(w))
		walk_error(w, 0, NULL,
			   "frames of this version are unknown: no local variables");
	find_interps(w, roots);
	find_threads(w, roots);
	if (cpython_since(w->py, 12)) {
		for (uint32_t i = 0; i < roots->count; i++)
			find_interned_state(w, roots->interps[i].state,
					    roots->interps[i].size);
	}
	roots_image(w);
	for (uint32_t i = 0; i < roots->count && !w->err; i++) {
		struct roots_interp *interp = &roots->interps[i];

		roots_interp_find(w, interp);
		if (!interp->modules)
			walk_error(w, interp->state, NULL, "sys.modules was not found");
		roots_threads(w, interp);
		roots_interp_emit(w, interp);
		emit_modules(w, interp);
	}
}
