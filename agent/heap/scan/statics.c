/* SPDX-License-Identifier: MIT */
/*
 * statics - C variables that hold Python objects.
 *
 * Every aligned word of the writable data of every loaded program and library
 * that is the address of an object by all tests (walk_is_object) becomes a root
 * named after the library, marked conservative: it looks like a reference and is
 * not proven.  Left out are the bodies of objects that lie there themselves, and
 * what roots.c has read exactly: interpreter states and the type cache.  The table of
 * signal handlers (signals.h) is read as what it is.  An extension's word that is the
 * address of a str's characters is taken for the str: who keeps them (numpy its
 * docstrings) must hold it.
 */
#include "agent/heap/scan/statics.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/position.h"
#include "agent/heap/core/queue.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/types.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/roots/roots.h"
#include "agent/heap/roots/roots_interp.h"
#include "agent/heap/scan/elf_names.h"
#include "agent/heap/scan/signals.h"
#include "agent/heap/scan/sweep.h"
#include "agent/python/type.h"

/*
 * Immortal objects need no holder.  The interpreter's tables point to its own
 * static types without counting, but for the variables PyExc_X up to 3.10
 * (Objects/exceptions.c); an extension's variable owns what it holds.
 */
static bool statics_worth_a_root(const struct walk *w, uint64_t obj, bool own)
{
	const struct layout *lay = w->lay;
	uint64_t count;

	if (own && object_is_type(lay, obj))
		return type_is_heap(lay, obj) ||
			(lay->exceptions_counted &&
			 object_type_has(lay, obj, TYPE_EXCEPTION_SUBCLASS));
	return object_count(lay, obj, &count) != OBJECT_IMMORTAL;
}

/* Bytes of a known object at addr, whose references were emitted; 0: none there. */
static uint64_t statics_body(struct walk *w, uint64_t addr)
{
	const struct walk_type *type;

	if (!marks_test(&w->marks, addr) || !ranges_readable(w, addr, w->lay->head + 8u))
		return 0;
	if (object_is_type(w->lay, addr))
		return w->lay->type_size;
	type = types_of(w, addr);
	return (instances_body(w, type, addr) + 7) & ~7ULL;
}

/*
 * An object that is itself a C variable (small integers up to 3.8, PyModuleDef)
 * begins with one reference that stands for the variable; types: roots.c.
 */
static void statics_object(struct walk *w, uint64_t obj, struct elf_names *names)
{
	if (!(object_is_type(w->lay, obj)) && statics_worth_a_root(w, obj, true))
		events_root(w, SNAP_ROOT_C_STATIC, 0, 0, 0, elf_names_of(w, names, obj),
			    obj);
}

/*
 * Py_TRACE_REFS up to 3.12: objects begin with the links of the list of all objects,
 * whose head is a variable (Objects/object.c, refchain).  They hold nothing alive.
 */
static bool statics_is_trace_link(struct walk *w, uint64_t at)
{
	const uint64_t next = peek64(at), prev = peek64(at + 8);

	return marks_in_range(next) && marks_in_range(prev) &&
		ranges_readable(w, next, 16) && ranges_readable(w, prev, 16) &&
		peek64(next + 8) == at && peek64(prev) == at;
}

/* The str, of ASCII alone, whose characters begin at addr; 0: none.  In a copy only. */
static uint64_t statics_str_of(struct walk *w, uint64_t addr)
{
	const struct layout *lay = w->lay;
	const uint64_t obj = addr - lay->str_ascii_size;

	if (!w->options->in_copy || lay->unknown & LAYOUT_STR || obj & 7 ||
	    !marks_in_range(obj) || !ranges_readable(w, obj, lay->str_ascii_size) ||
	    object_type(lay, obj) != CPYTHON_ADDR(w->py, unicode_type) ||
	    (peek32(obj + lay->str_state) & w->str_ascii) != w->str_ascii)
		return 0;
	return sound_to_follow(w, obj) ? obj : 0;
}

static void statics_scan_range(struct walk *w, const struct walk_range *r,
			       struct elf_names *names, bool own)
{
	uint64_t clear = r->start; /* nothing to skip before it */

	for (uint64_t at = r->start; at < r->end && !w->err;) {
		uint64_t word, skip = 0;

		if (at >= clear)
			skip = roots_skip(w, at, &clear);
		if (!skip && (skip = statics_body(w, at))) {
			statics_object(w, at, names);
			skip += at;
		}
		if (skip) {
			at = skip;
			continue;
		}
		if (w->lay->refcnt && !w->lay->free_threaded && at + 16 <= r->end &&
		    statics_is_trace_link(w, at)) {
			at += 16;
			continue;
		}
		if (own && (skip = signals_table(w, at, r->end))) {
			at = skip;
			continue;
		}
		word = peek64(at);
		at += 8;
		if (!marks_in_range(word) || word < 0x10000)
			continue;
		if (!sound_to_follow(w, word) &&
		    (own || !(word = statics_str_of(w, word))))
			continue;
		if (own && roots_interp_is_freelist(w, at - 8, r->start, r->end))
			continue;
		if (statics_worth_a_root(w, word, own))
			events_root(w, SNAP_ROOT_C_STATIC, SNAP_ROOT_CONSERVATIVE, 0, 0,
				    elf_names_of(w, names, at - 8), word);
		else
			queue_add(w, word);
	}
}

void statics_scan(struct walk *w)
{
	const struct walk_range *python = ranges_of(w, CPYTHON_ADDR(w->py, type_type));
	const struct walk_range *agent = ranges_of(w, (uintptr_t)&walk_position);
	const char *path = "", *python_path = "", *agent_path = "", *loaded = NULL;
	struct elf_names names = { 0 };
	uint64_t image = 0;

	/* type objects lie in data; bss has no name, the mapping before it does */
	for (uint32_t i = 0; i < w->nranges; i++) {
		if (w->ranges[i].path[0])
			path = w->ranges[i].path;
		if (&w->ranges[i] == python)
			python_path = path;
		if (&w->ranges[i] == agent)
			agent_path = path;
	}
	w->checked = true;
	for (uint32_t i = 0; i < w->nranges && !w->err; i++) {
		const struct walk_range *r = &w->ranges[i];

		if (r->path[0]) {
			path = r->path;
			if (!r->offset)
				image = r->start;
		}
		if (!r->image || (r->perms & 3) != 3 || !strcmp(path, agent_path))
			continue; /* our own tables know many objects, too */
		if (loaded != path && (!loaded || strcmp(loaded, path)))
			elf_names_begin(&names, image, path);
		loaded = path;
		statics_scan_range(w, r, &names, !strcmp(path, python_path));
	}
	sweep_run(w);
	w->checked = false;
}
