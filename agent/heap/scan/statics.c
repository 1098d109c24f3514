/* SPDX-License-Identifier: MIT */
/*
 * statics - C variables that hold Python objects.
 *
 * Every aligned word of the writable data of every loaded program and library
 * that is the address of an object by all tests (walk_is_object) becomes a root
 * named after the library, marked conservative: it looks like a reference and is
 * not proven.  Left out are the bodies of objects that lie there themselves, and
 * what roots.c has read exactly: interpreter states and the type cache.
 */
#include "agent/heap/scan/statics.h"

#include <string.h>

#include "agent/heap/scan/elf_names.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/roots/roots.h"
#include "agent/heap/scan/sweep.h"

/*
 * Immortal objects need no holder.  The interpreter's tables point to its own
 * static types without counting, but for the variables PyExc_X up to 3.10
 * (Objects/exceptions.c); an extension's variable owns what it holds.
 */
static bool worth_a_root(const struct walk *w, uint64_t obj, bool own)
{
	const struct layout *lay = w->lay;

	if (own && (peek64(walk_typeof(w, obj) + lay->tp_flags) >> 31 & 1)) {
		uint64_t flags = peek64(obj + lay->tp_flags); /* heap type, exception */

		return (flags >> 9 & 1) ||
			((flags >> 30 & 1) && !cpython_since(w->py, 11));
	}
	return !lay->immortal_mask ||
		(peek64(obj + lay->refcnt) & lay->immortal_mask) < lay->immortal_value;
}

bool statics_good(struct walk *w, uint64_t addr)
{
	if (marks_test(&w->marks, addr))
		return true;
	return walk_is_object(w, addr) &&
		(w->options->in_copy || ranges_is_tracked(w, addr));
}

/* Bytes of a known object at addr, whose references were emitted; 0: none there. */
static uint64_t body(struct walk *w, uint64_t addr)
{
	const struct walk_type *type;
	uint64_t items;

	if (!marks_test(&w->marks, addr) || !walk_readable(w, addr, w->lay->head + 8u))
		return 0;
	if (peek64(walk_typeof(w, addr) + w->lay->tp_flags) >> 31 & 1)
		return w->lay->type_size;
	type = walk_type(w, walk_typeof(w, addr));
	items = type->itemsize ? instance_items(w, type, addr) * type->itemsize : 0;
	return (type->basicsize + items + 7) & ~7ULL;
}

/*
 * An object that is itself a C variable (small integers up to 3.8, PyModuleDef)
 * begins with one reference that stands for the variable; types: roots.c.
 */
static void static_object(struct walk *w, uint64_t obj, const struct elf_names *names)
{
	if (!(peek64(walk_typeof(w, obj) + w->lay->tp_flags) >> 31 & 1) &&
	    worth_a_root(w, obj, true))
		walk_root(w, SNAP_ROOT_C_STATIC, 0, 0, 0, elf_names_of(w, names, obj),
			  obj);
}

/*
 * Py_TRACE_REFS up to 3.12: objects begin with the links of the list of all objects,
 * whose head is a variable (Objects/object.c, refchain).  They hold nothing alive.
 */
static bool is_trace_link(struct walk *w, uint64_t at)
{
	const uint64_t next = peek64(at), prev = peek64(at + 8);

	return marks_in_range(next) && marks_in_range(prev) &&
		walk_readable(w, next, 16) && walk_readable(w, prev, 16) &&
		peek64(next + 8) == at && peek64(prev) == at;
}

static void scan_range(struct walk *w, const struct walk_range *r,
		       const struct elf_names *names, bool own)
{
	for (uint64_t at = r->start; at < r->end && !w->err;) {
		uint64_t word, skip = roots_skip(w, at);

		if (!skip && (skip = body(w, at))) {
			static_object(w, at, names);
			skip += at;
		}
		if (skip) {
			at = skip;
			continue;
		}
		if (w->lay->refcnt && at + 16 <= r->end && is_trace_link(w, at)) {
			at += 16;
			continue;
		}
		word = peek64(at);
		at += 8;
		if (!marks_in_range(word) || word < 0x10000 || !statics_good(w, word))
			continue;
		if (own && roots_is_freelist(w, at - 8, r->start, r->end))
			continue;
		if (worth_a_root(w, word, own))
			walk_root(w, SNAP_ROOT_C_STATIC, SNAP_ROOT_CONSERVATIVE, 0, 0,
				  elf_names_of(w, names, at - 8), word);
		else
			walk_mark(w, word);
	}
}

void statics_scan(struct walk *w)
{
	const struct walk_range *python =
		walk_range_of(w, CPYTHON_ADDR(w->py, type_type));
	const struct walk_range *agent = walk_range_of(w, (uintptr_t)&walk_position);
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
			elf_names_load(w, &names, image, path);
		loaded = path;
		scan_range(w, r, &names, !strcmp(path, python_path));
	}
	sweep_run(w);
	w->checked = false;
}
