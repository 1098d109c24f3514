/* SPDX-License-Identifier: MIT */
/*
 * walk - see walk.h.  Phases of walk_run, in order, all on one thread:
 *
 *	1 list	    scan/enumerate.h: every object on the collector's lists is queued
 *	2 roots	    roots/: interpreters, modules, threads, frames
 *	3 sweep	    scan/sweep.h: address-ordered passes; each object is emitted once
 *	4 statics   scan/statics.h: conservative scan of writable segments; sweep again
 *	5 leftovers scan/leftovers.h: blocks of the allocators that look like objects
 *	6 owners    scan/inferred.h: whose malloc's chunks are
 *	7 traces    memory/traces.h: who allocated, where tracemalloc is tracing
 *	8 facts	    memory/: smaps, allocators
 *	9 check	    scan/sizecheck.h: in the copy only
 */
#include "agent/heap/walk.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/core/shapes.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/core/types.h"
#include "agent/heap/extension/registry.h"
#include "agent/heap/frames/data_stack.h"
#include "agent/heap/frames/frame_edges.h"
#include "agent/heap/memory/allocators.h"
#include "agent/heap/memory/memory.h"
#include "agent/heap/memory/absent.h"
#include "agent/heap/memory/shared.h"
#include "agent/heap/memory/traces.h"
#include "agent/heap/object/edges.h"
#include "agent/heap/object/plan.h"
#include "agent/heap/object/values.h"
#include "agent/heap/roots/roots.h"
#include "agent/heap/scan/emit.h"
#include "agent/heap/scan/enumerate.h"
#include "agent/heap/scan/inferred.h"
#include "agent/heap/scan/leftovers.h"
#include "agent/heap/scan/shallow.h"
#include "agent/heap/scan/sizecheck.h"
#include "agent/heap/scan/statics.h"
#include "agent/heap/scan/sweep.h"
#include "agent/python/allocator.h"
#include "agent/python/call.h"
#include "agent/python/versions.h"

static uint64_t walk_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What interpreter this is, for the reader. */
static void walk_identity(struct walk *w)
{
	const struct cpython *py = w->py;
	char text[32];
	int n = snprintf(text, sizeof(text), "%u.%u.%u", py->version >> 16,
			 py->version >> 8 & 0xff, py->version & 0xff);

	events_fact_text(w, "python.version", text, (size_t)n);
	events_fact_text(w, "python.build", py->version_text, strlen(py->version_text));
	events_fact_u64(w, "python.interpreters", py->lay.gc_count);
	events_fact_u64(w, "python.gc_header", py->lay.gc_head);
	if (py->lay.free_threaded)
		events_fact_text(w, "gil", "none", 4);
	else if (w->options->gil_holder == 1)
		events_fact_text(w, "gil", "unknown", 7);
	else
		events_fact_text(w, "gil", w->options->gil_holder ? "held" : "free", 4);
}

static int walk_add_text(char *buf, size_t size, int n, const char *before,
			 const char *text)
{
	if ((size_t)n >= size)
		return n;
	return n + snprintf(buf + n, size - (size_t)n, "%s%s", n ? before : "", text);
}

/* What of a version that the tables don't know was not proven; "" = nothing. */
static void walk_left_out(const struct walk *w, char *buf, size_t size)
{
	static const struct {
		uint32_t part;
		const char *name;
	} parts[] = {
		{ LAYOUT_STR, "str" },	 { LAYOUT_DICT, "dict" }, { LAYOUT_INT, "int" },
		{ LAYOUT_LIST, "list" }, { LAYOUT_SET, "set" },
	};
	const char *before = ", insides of "; /* their attributes are unknown too */
	int n = 0;

	buf[0] = 0;
	if (!w->py->frames)
		n = walk_add_text(buf, size, n, "", "frames");
	if (w->lay->attributes_unknown)
		n = walk_add_text(buf, size, n, ", ", "names of attributes");
	if (w->lay->unknown & LAYOUT_HEADER)
		n = walk_add_text(buf, size, n, ", ",
				  "what the collector knows and its sizes");
	else if (w->lay->unknown & LAYOUT_LISTS)
		n = walk_add_text(buf, size, n, ", ", "the collector's generations");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!(w->lay->unknown & parts[i].part))
			continue;
		n = walk_add_text(buf, size, n, before, parts[i].name);
		before = ", ";
	}
}

/* ... and by which tables it is read. */
static void walk_say_newer(struct walk *w)
{
	const uint32_t tables = versions_tables(w->py);
	char left_out[103], text[10];
	const int n =
		snprintf(text, sizeof(text), "%u.%u", tables >> 16, tables >> 8 & 0xff);

	walk_left_out(w, left_out, sizeof(left_out));
	events_fact_text(w, "python.tables", text, (size_t)n);
	if (*left_out)
		events_fact_text(w, "python.left_out", left_out, strlen(left_out));
	snprintf(w->stats.doubt, sizeof(w->stats.doubt),
		 "CPython newer than pymem's tables: read by those of %s as far as "
		 "probes prove; left out: %s",
		 text, *left_out ? left_out : "nothing");
	events_error(w, 0, NULL, w->stats.doubt);
}

/* All that is decided of a type, room by room. */
static void walk_plan(struct walk *w, struct walk_type *type)
{
	registry_find(w, type);
	plan_type(w, type);
	if (!frame_edges_plan(w, type))
		edges_plan(w, type);
	values_plan(w, type);
	registry_plan(w, type);
	/* what precedes an instance, and what of it is shared, is not known either */
	type->size_approx |= w->lay->attributes_unknown ||
		(w->lay->unknown & LAYOUT_HEADER && type->tp_flags & TYPE_HAVE_GC);
	emit_plan(w, type);
	plan_send(w, type);
}

static const struct walk_hooks walk_hooks = { walk_plan, registry_alias };

int walk_begin(struct walk *w, const struct cpython *py, struct arena *arena,
	       const struct walk_options *options, struct snap_sink *sink)
{
	int rc;

	*w = (struct walk){ .py = py,
			    .lay = &py->lay,
			    .arena = arena,
			    .options = options,
			    .sink = sink,
			    .whole = events_taker(sink),
			    .hooks = &walk_hooks,
			    .str_ascii = 1u << py->lay.str_compact_bit |
				    1u << py->lay.str_ascii_bit,
			    .str_interned = (1u << py->lay.str_intern_bits) - 1 };
	if ((rc = marks_init(&w->marks, w->arena)) < 0 ||
	    (rc = marks_init(&w->frozen, w->arena)) < 0 || (rc = ranges_read(w)) < 0 ||
	    (rc = strings_begin(w)) < 0 || (rc = types_begin(w)) < 0 ||
	    (rc = plan_begin(w)) < 0 || (rc = shapes_begin(w)) < 0)
		return rc;
	references_make_room(w);
	return w->err;
}

static void walk_phases(struct walk *w)
{
	events_phase(w, "listing objects");
	enumerate_lists(w);
	types_get(w, CPYTHON_ADDR(w->py, type_type));
	memory_begin(w);
	events_phase(w, "finding roots");
	roots_walk(w);
	if (w->lay->newer)
		walk_say_newer(w);
	events_phase(w, "walking objects");
	sweep_run(w);
	events_phase(w, "searching C variables");
	statics_scan(w);
	events_phase(w, "searching allocated blocks");
	leftovers_scan(w);
	events_phase(w, "asking for native memory");
	registry_finish(w);
	roots_static_types(w);
	events_phase(w, "following pointers to native memory");
	inferred_run(w);
	events_phase(w, "reading tracemalloc's tables");
	traces_emit(w);
	events_phase(w, "gathering memory facts");
	if (memory_facts(w)) {
		(w->lay->free_threaded ? mimalloc_facts : pymalloc_facts)(w);
		malloc_facts(w);
		shared_emit(w);
		absent_emit(w);
		data_stack_facts(w);
	}
	if (w->options->in_copy) {
		events_phase(w, "checking sizes");
		sizecheck_run(w);
	}
}

static void walk_summary(struct walk *w)
{
	events_phase(w, "listing types");
	shallow_list(w);
}

int walk_run(const struct cpython *py, struct arena *arena,
	     const struct walk_options *options, struct snap_sink *sink,
	     struct walk_stats *ret, char *err, size_t err_size)
{
	struct walk *w = arena_alloc(arena, sizeof(*w));
	uint64_t began = walk_now_ns();
	int rc;

	if (!w || !py->probed) {
		snprintf(err, err_size,
			 w ? "the interpreter was not examined" :
			     "no memory for the walk");
		return w ? -EINVAL : -ENOMEM;
	}
	if (!options->in_copy && call_possible() && py->lay.unknown & LAYOUT_HEADER) {
		snprintf(err, err_size,
			 "the garbage collector's header of this CPython (%.40s) is not "
			 "understood: it can only be walked in a copy",
			 py->version_text);
		return -ENOTSUP;
	}
	if (options->in_copy && call_possible())
		allocator_replace(py, arena);
	rc = walk_begin(w, py, arena, options, sink);
	if (rc < 0) {
		snprintf(err, err_size,
			 rc == -ENOMEM ? "no memory for the walk's tables" :
					 "/proc/self/maps can't be read");
		return rc;
	}
	walk_identity(w);
	if (options->summary)
		walk_summary(w);
	else
		walk_phases(w);
	if (w->marks.failed && !w->err)
		w->err = -ENOMEM;
	w->stats.walk_ns = walk_now_ns() - began;
	w->stats.arena_bytes = arena->mapped;
	*ret = w->stats;
	if (w->err)
		snprintf(err, err_size, "the walk stopped: %s",
			 w->err == -ENOMEM ? "no memory" :
				 w->err == -ETIMEDOUT ?
					     "its reader took nothing for too long" :
					     "the snapshot could not be written");
	return w->err;
}
