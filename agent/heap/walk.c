/* SPDX-License-Identifier: MIT */
/*
 * walk - see walk.h and, for how the parts work together, walk_internal.h.
 */
#include "agent/heap/walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/python/allocator.h"
#include "agent/heap/scan/enumerate.h"
#include "agent/heap/scan/leftovers.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/scan/statics.h"
#include "agent/heap/scan/sweep.h"
#include "agent/heap/core/tables.h"
#include "agent/heap/object/types.h"

struct walk_position walk_position;

static void walk_phase(struct walk *w, const char *phase)
{
	struct snap_progress event = { .phase = walk_cstring(w, phase),
				       .objects = w->stats.objects,
				       .edges = w->stats.edges };

	walk_position.phase = phase;
	WALK_SEND(w, progress, &event);
}

void walk_root(struct walk *w, uint8_t kind, uint8_t flags, uint32_t thread,
	       uint32_t frame, uint32_t name, uint64_t target)
{
	struct snap_root event = { .kind = kind,
				   .flags = flags,
				   .thread = thread,
				   .frame = frame,
				   .name = name,
				   .target = target };

	if (!target)
		return;
	walk_mark(w, target);
	WALK_SEND(w, root, &event);
}

void walk_error(struct walk *w, uint64_t obj, struct walk_type *type, const char *text)
{
	struct snap_error event = { .addr = obj,
				    .type = type ? type->id : 0,
				    .text = walk_cstring(w, text) };

	WALK_SEND(w, error, &event);
}

void walk_fact_u64(struct walk *w, const char *key, uint64_t value)
{
	struct snap_fact fact = { .key = key, .kind = SNAP_FACT_U64, .u64 = value };

	WALK_SEND(w, fact, &fact);
}

void walk_fact_text(struct walk *w, const char *key, const char *text, size_t size)
{
	struct snap_fact fact = {
		.key = key, .kind = SNAP_FACT_TEXT, .text = text, .size = size
	};

	WALK_SEND(w, fact, &fact);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What interpreter this is, for the reader. */
static void send_identity(struct walk *w)
{
	const struct cpython *py = w->py;
	char text[32];
	int n = snprintf(text, sizeof(text), "%u.%u.%u", py->version >> 16,
			 py->version >> 8 & 0xff, py->version & 0xff);

	walk_fact_text(w, "python.version", text, (size_t)n);
	walk_fact_text(w, "python.build", py->version_text, strlen(py->version_text));
	walk_fact_u64(w, "python.interpreters", py->lay.gc_count);
	walk_fact_u64(w, "python.gc_header", py->lay.gc_head);
	if (w->options->gil_holder == 1)
		walk_fact_text(w, "gil", "unknown", 7);
	else
		walk_fact_text(w, "gil", w->options->gil_holder ? "held" : "free", 4);
}

static int set_up(struct walk *w)
{
	int rc;

	if ((rc = marks_init(&w->marks, w->arena)) < 0 ||
	    (rc = marks_init(&w->frozen, w->arena)) < 0 || (rc = ranges_read(w)) < 0 ||
	    (rc = tables_init(w)) < 0)
		return rc;
	walk_refs_grow(w);
	return w->err;
}

static void walk_phases(struct walk *w)
{
	walk_phase(w, "listing objects");
	enumerate_lists(w);
	walk_type(w, CPYTHON_ADDR(w->py, type_type));
	memory_begin(w);
	walk_phase(w, "finding roots");
	roots_walk(w);
	walk_phase(w, "walking objects");
	sweep_run(w);
	walk_phase(w, "searching C variables");
	statics_scan(w);
	walk_phase(w, "searching allocated blocks");
	leftovers_scan(w);
	walk_phase(w, "asking for native memory");
	native_finish(w);
	roots_static_types(w);
	walk_phase(w, "gathering memory facts");
	memory_facts(w);
	if (w->options->in_copy) {
		walk_phase(w, "checking sizes");
		sizecheck_run(w);
	}
}

int walk_run(const struct cpython *py, struct arena *arena,
	     const struct walk_options *options, struct snap_sink *sink,
	     struct walk_stats *ret, char *err, size_t err_size)
{
	struct walk *w = arena_alloc(arena, sizeof(*w));
	uint64_t began = now_ns();
	int rc;

	if (!w || !py->probed) {
		snprintf(err, err_size,
			 w ? "the interpreter was not examined" :
			     "no memory for the walk");
		return w ? -EINVAL : -ENOMEM;
	}
	*w = (struct walk){ .py = py,
			    .lay = &py->lay,
			    .arena = arena,
			    .options = options,
			    .sink = sink };
	if (options->in_copy)
		allocator_replace(py, arena);
	rc = set_up(w);
	if (rc < 0) {
		snprintf(err, err_size,
			 rc == -ENOMEM ? "no memory for the walk's tables" :
					 "/proc/self/maps can't be read");
		return rc;
	}
	send_identity(w);
	walk_phases(w);
	if (w->marks.failed && !w->err)
		w->err = -ENOMEM;
	w->stats.walk_ns = now_ns() - began;
	w->stats.arena_bytes = arena->mapped;
	*ret = w->stats;
	if (w->err)
		snprintf(err, err_size, "the walk stopped: %s",
			 w->err == -ENOMEM ? "no memory" :
					     "the snapshot could not be written");
	return w->err;
}
