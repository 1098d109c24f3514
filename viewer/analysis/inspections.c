/* SPDX-License-Identifier: MIT */
/* inspections - the table and what each row looks for (inspections.h). */
#include "viewer/analysis/inspections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/duplicates.h"
#include "viewer/analysis/kin.h"
#include "viewer/analysis/room.h"
#include "viewer/analysis/tasks.h"
#include "viewer/model/attribute.h"

#define PART_OF_ALL 200u /* of all bytes is worth saying */
enum { STEPS_UP = 64 };

static void inspections_count(struct inspection_sum *sum, uint32_t node, uint64_t bytes)
{
	sum->count++;
	sum->bytes += bytes;
	if (sum->count == 1 || bytes > sum->worst_bytes) {
		sum->worst = node;
		sum->worst_bytes = bytes;
	}
}

static bool inspections_kept_by(const struct analysis *a, uint32_t node, uint32_t keeper)
{
	for (int i = 0; i < STEPS_UP && node < a->heap->objects; i++) {
		node = analysis_idom(a, node);
		if (node == keeper)
			return true;
	}
	return false;
}

/* Whether something of the same sort keeps it: that one counts. */
static bool inspections_kept_by_kin(const struct analysis *a, uint32_t node,
				    const unsigned char *types)
{
	for (int i = 0; i < STEPS_UP; i++) {
		node = analysis_idom(a, node);
		if (node >= a->heap->objects)
			return false;
		if (types[heap_type_of(a->heap, node)])
			return true;
	}
	return false;
}

/* ---- every object of some types ---- */

typedef void inspections_visit(struct analysis *, uint32_t node, struct inspection_sum *);

/* names: as of kin_is; nested ones are passed over. */
static int inspections_each(struct analysis *a, const struct progress *progress,
			    const char *names, inspections_visit *visit,
			    struct inspection_sum *sum)
{
	struct vec types = { 0 };
	int err = kin_find(a->heap, names, &types);
	bool any = false;

	for (uint32_t t = 1; t <= a->heap->types && !err; t++)
		any |= VEC(types, unsigned char)[t];
	for (uint32_t o = 0; o < a->heap->objects && any && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "inspections", o, a->heap->objects);
		if (VEC(types, unsigned char)[heap_type_of(a->heap, o)] &&
		    !inspections_kept_by_kin(a, o, types.data))
			visit(a, o, sum);
	}
	vec_free(&types);
	return err;
}

/* ---- functools.lru_cache (Modules/_functoolsmodule.c) ---- */

/* A bounded cache has its results in the links of a list. */
static bool inspections_cache_bounded(const struct heap *heap, uint32_t cache)
{
	struct heap_span refs = heap_refs(heap, cache);

	for (uint32_t i = 1; i < refs.count; i += 2)
		if (refs.target[i] < heap->objects)
			return strstr(
				heap_type_name(heap, heap_type_of(heap, refs.target[i])),
				"lru_list_elem");
	return true;
}

/* The cache of a wrapper, where it has as many entries as that. */
static uint32_t inspections_cache_of(const struct heap *heap, uint32_t wrapper,
				     uint32_t entries)
{
	const uint32_t cache = attribute_of(heap, wrapper, "cache");

	return cache < heap->objects && heap_kind(heap, cache) == SNAP_KIND_DICT &&
			heap_refs(heap, cache).count / 2 >= entries ?
		cache :
		HEAP_NONE;
}

/* "Class.name": defined in a class, not in a function. */
static bool inspections_is_method(const struct heap *heap, uint32_t function)
{
	struct heap_value name;

	if (function >= heap->objects || !heap_value(heap, function, &name))
		return false;
	const char *point = memrchr(name.text, '.', name.size);
	return point && point > name.text && point[-1] != '>';
}

enum { CACHE_ENTRIES = 256 };

static void inspections_visit_cache(struct analysis *a, uint32_t wrapper,
				    struct inspection_sum *sum)
{
	const uint32_t cache = inspections_cache_of(a->heap, wrapper, CACHE_ENTRIES);

	if (cache != HEAP_NONE && !inspections_cache_bounded(a->heap, cache))
		inspections_count(sum, wrapper, analysis_retained(a, wrapper));
}

/* Those of methods: each entry keeps its self, bounded or not. */
static void inspections_visit_method_cache(struct analysis *a, uint32_t wrapper,
					   struct inspection_sum *sum)
{
	if (inspections_cache_of(a->heap, wrapper, 1) != HEAP_NONE &&
	    inspections_is_method(a->heap, attribute_of(a->heap, wrapper, "func")))
		inspections_count(sum, wrapper, analysis_retained(a, wrapper));
}

#define CACHES "functools._lru_cache_wrapper"

static int inspections_caches(struct analysis *a, const struct progress *progress,
			      struct inspection_sum *sum)
{
	return inspections_each(a, progress, CACHES, inspections_visit_cache, sum);
}

static int inspections_method_caches(struct analysis *a, const struct progress *progress,
				     struct inspection_sum *sum)
{
	return inspections_each(a, progress, CACHES, inspections_visit_method_cache, sum);
}

/* ---- exceptions ---- */

/* One that is handled right now is held by its thread, or by a frame of it. */
static void inspections_visit_exception(struct analysis *a, uint32_t node,
					struct inspection_sum *sum)
{
	const uint32_t trace = attribute_of(a->heap, node, "__traceback__");
	const uint32_t holder = analysis_parent(a, node);

	if (trace < a->heap->objects &&
	    heap_kind(a->heap, trace) == SNAP_KIND_TRACEBACK && holder < a->heap->objects)
		inspections_count(sum, node, analysis_retained(a, node));
}

static int inspections_exceptions(struct analysis *a, const struct progress *progress,
				  struct inspection_sum *sum)
{
	return inspections_each(a, progress, "builtins.BaseException",
				inspections_visit_exception, sum);
}

/* ---- asyncio ---- */

enum { TASKS_ALIKE = 100 };

/* The largest groups that wait at the same place, and tasks that are done but kept. */
static int inspections_tasks_of(struct analysis *a, const struct progress *progress,
				enum task_state state, uint64_t alike,
				struct inspection_sum *sum)
{
	struct vec tasks = { 0 };
	int err = tasks_find(a, progress, &tasks);

	for (size_t i = 0; i < VEC_COUNT(tasks, struct task) && !err; i++) {
		const struct task *t = VEC(tasks, struct task) + i;

		if (t->state == state && t->group_count >= alike)
			inspections_count(sum, t->node, t->retained);
	}
	vec_free(&tasks);
	return err;
}

static int inspections_tasks(struct analysis *a, const struct progress *progress,
			     struct inspection_sum *sum)
{
	return inspections_tasks_of(a, progress, TASK_WAITING, TASKS_ALIKE, sum);
}

static void inspections_visit_timer(struct analysis *a, uint32_t node,
				    struct inspection_sum *sum)
{
	if (attribute_true(a->heap, node, "_cancelled"))
		inspections_count(sum, node, analysis_retained(a, node));
}

static int inspections_timers(struct analysis *a, const struct progress *progress,
			      struct inspection_sum *sum)
{
	return inspections_each(a, progress, "asyncio.events.TimerHandle",
				inspections_visit_timer, sum);
}

/* ---- futures ---- */

static void inspections_visit_future(struct analysis *a, uint32_t node,
				     struct inspection_sum *sum)
{
	const uint32_t state = attribute_of(a->heap, node, "_state");
	struct heap_value value;

	if (state < a->heap->objects && heap_value(a->heap, state, &value) &&
	    value.size == 8 && !memcmp(value.text, "FINISHED", 8))
		inspections_count(sum, node, analysis_retained(a, node));
}

static int inspections_futures(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	int err = inspections_each(a, progress, "concurrent.futures._base.Future",
				   inspections_visit_future, sum);

	return err ? err : inspections_tasks_of(a, progress, TASK_DONE, 1, sum);
}

/* ---- logging ---- */

static void inspections_visit_any(struct analysis *a, uint32_t node,
				  struct inspection_sum *sum)
{
	inspections_count(sum, node, analysis_retained(a, node));
}

static int inspections_loggers(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	return inspections_each(a, progress, "logging.Logger", inspections_visit_any,
				sum);
}

static int inspections_handlers(struct analysis *a, const struct progress *progress,
				struct inspection_sum *sum)
{
	return inspections_each(a, progress, "logging.Handler", inspections_visit_any,
				sum);
}

/* ---- garbage ---- */

static int inspections_garbage(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	const uint32_t group = heap_group(a->heap, HEAP_SYNTH_GARBAGE);
	struct heap_span members;
	int err = analysis_children(a, group, progress, &members);

	for (uint32_t i = 0; i < members.count && !err; i++)
		inspections_count(sum, members.target[i],
				  analysis_retained(a, members.target[i]));
	return err;
}

static int inspections_finalizers(struct analysis *a, const struct progress *progress,
				  struct inspection_sum *sum)
{
	const uint32_t group = heap_group(a->heap, HEAP_SYNTH_GARBAGE);
	const struct heap *heap = a->heap;
	int err = 0;

	for (uint32_t o = 0; o < heap->objects && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "inspections", o, heap->objects);
		if (heap_type(heap, heap_type_of(heap, o))->flags & SNAP_TYPE_HAS_DEL &&
		    inspections_kept_by(a, o, group))
			inspections_count(sum, o, analysis_retained(a, o));
	}
	return err;
}

/* ---- threads that have ended ---- */

/* Lib/threading.py: an ended one says so itself (up to 3.12), or no thread of the
 * snapshot has its ident (one that has not begun has none). */
static void inspections_visit_thread(struct analysis *a, uint32_t node,
				     struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	const uint32_t ident = attribute_of(heap, node, "_ident");
	struct heap_value value;
	char number[24] = "";

	if (ident >= heap->objects || !heap_value(heap, ident, &value) ||
	    value.kind != SNAP_VALUE_INT || value.size >= sizeof(number))
		return;
	memcpy(number, value.text, value.size);
	for (uint32_t t = 1; t <= heap->threads; t++)
		if (VEC(heap->thread, struct snap_thread)[t].ident ==
		    strtoull(number, NULL, 0))
			return;
	inspections_count(sum, node, analysis_retained(a, node));
}

static int inspections_threads(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	return !a->heap->threads ? 0 :
				   inspections_each(a, progress, "threading.Thread",
						    inspections_visit_thread, sum);
}

/* ---- classes ---- */

enum { CLASSES_ALIKE = 20 };

static int inspections_by_name(const void *a, const void *b, void *arg)
{
	const struct heap *heap = *(const struct heap **)arg;

	return strcmp(heap_type_name(heap, *(const uint32_t *)a),
		      heap_type_name(heap, *(const uint32_t *)b));
}

/* Classes of a Python program that have their whole name in common with many others. */
static int inspections_classes(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	struct vec types = { 0 };
	int err = 0;

	(void)progress;
	for (uint32_t t = 1; t <= heap->types && !err; t++)
		if (heap_type(heap, t)->flags & SNAP_TYPE_PYTHON &&
		    heap_type(heap, t)->node < heap->objects)
			err = vec_push_u32(&types, t);
	const uint32_t *type = types.data;
	size_t count = VEC_COUNT(types, uint32_t), end;
	if (count && !err)
		qsort_r(types.data, count, sizeof(uint32_t), inspections_by_name, &heap);
	for (size_t i = 0; i < count && !err; i = end) {
		for (end = i + 1; end < count; end++)
			if (strcmp(heap_type_name(heap, type[i]),
				   heap_type_name(heap, type[end])) != 0)
				break;
		for (size_t k = i; k < end && end - i >= CLASSES_ALIKE; k++)
			inspections_count(
				sum, heap_type(heap, type[k])->node,
				analysis_retained(a, heap_type(heap, type[k])->node));
	}
	vec_free(&types);
	return err;
}

/* ---- weak dictionaries ---- */

/* Of the table, entries whose weakly held side is kept by the table itself. */
static void inspections_visit_weak(struct analysis *a, uint32_t node,
				   struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	const uint32_t table = attribute_of(heap, node, "data");
	struct heap_span refs = { 0 };
	bool weak;

	if (table < heap->objects)
		refs = heap_refs(heap, table);
	for (uint32_t i = 0; i < refs.count; i++) {
		const uint32_t ref = refs.target[i];

		if (ref >= heap->objects || heap_kind(heap, ref) != SNAP_KIND_WEAKREF)
			continue;
		for (uint32_t k = 0; k < heap_refs(heap, ref).count; k++) {
			const uint32_t to = heap_target(heap, ref, k, &weak);

			if (!weak || to >= heap->objects ||
			    !inspections_kept_by(a, to, table))
				continue;
			if (!sum->count || sum->worst != node) {
				sum->worst = node;
				sum->bytes += analysis_retained(a, table);
			}
			sum->count++;
			break;
		}
	}
}

static int inspections_weak(struct analysis *a, const struct progress *progress,
			    struct inspection_sum *sum)
{
	return inspections_each(a, progress,
				"weakref.WeakKeyDictionary weakref.WeakValueDictionary",
				inspections_visit_weak, sum);
}

/* ---- containers, strings, arrays, ORMs ---- */

static int inspections_emptied(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	uint64_t capacity, items;
	int err = 0;

	for (uint32_t o = 0; o < heap->objects && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "inspections", o, heap->objects);
		if (heap_size(heap, o) >= INSPECTIONS_BYTES / 4 &&
		    room_unused(heap, o, &capacity, &items))
			inspections_count(sum, o, heap_size(heap, o));
	}
	return err;
}

/* What could be saved: more than a twentieth of all is much. */
static int inspections_strings(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	struct vec found = { 0 };
	int err = duplicates_find(heap, progress, &found);

	for (size_t i = 0; i < VEC_COUNT(found, struct duplicate) && !err; i++) {
		const struct duplicate *d = VEC(found, struct duplicate) + i;

		if (heap_kind(heap, d->example) != SNAP_KIND_STR)
			continue;
		inspections_count(sum, d->example, d->wasted);
		sum->count += d->count - 2;
	}
	vec_free(&found);
	if (20 * sum->bytes < heap->size)
		sum->count = 0;
	return err;
}

/* Arrays that nothing but a view of them keeps. */
static void inspections_visit_view(struct analysis *a, uint32_t view,
				   struct inspection_sum *sum)
{
	const uint32_t base = attribute_of(a->heap, view, "base");

	if (base < a->heap->objects && analysis_idom(a, base) == view &&
	    heap_shallow(a->heap, base) > 8 * heap_shallow(a->heap, view))
		inspections_count(sum, view, analysis_retained(a, base));
}

static int inspections_views(struct analysis *a, const struct progress *progress,
			     struct inspection_sum *sum)
{
	return inspections_each(a, progress, "numpy.ndarray", inspections_visit_view,
				sum);
}

static int inspections_orms(struct analysis *a, const struct progress *progress,
			    struct inspection_sum *sum)
{
	return inspections_each(a, progress,
				"sqlalchemy.orm.session.Session "
				"django.db.models.query.QuerySet "
				"peewee.BaseModelSelect pony.orm.core.SessionCache",
				inspections_visit_any, sum);
}

/* ---- the table ---- */

static const struct inspection inspections_table[] = {
	{ "unbounded_cache", "functools caches without a maxsize",
	  "give lru_cache a maxsize", 1, inspections_caches },
	{ "method_cache", "functools caches on methods, which keep each self",
	  "cache in the object: functools.cached_property, or a dict of its own", 1,
	  inspections_method_caches },
	{ "kept_exceptions", "exceptions kept with the frames of their traceback",
	  "keep str(e) or traceback.format_exc(), or e.with_traceback(None)", 1,
	  inspections_exceptions },
	{ "waiting_tasks", "tasks and greenlets that wait, 100 or more alike",
	  "see the report tasks; timeouts, a limit (semaphore), cancel what nobody needs",
	  TASKS_ALIKE, inspections_tasks },
	{ "cancelled_timers", "cancelled timers that stay until their time comes",
	  "fewer or shorter timeouts; one timer for many deadlines", 100,
	  inspections_timers },
	{ "kept_futures", "futures and tasks that are done, but kept",
	  "drop them once their result was read", 100, inspections_futures },
	{ "loggers", "loggers, which logging keeps for ever",
	  "one a module, what differs in extra or a LoggerAdapter", 1000,
	  inspections_loggers },
	{ "handlers", "logging handlers",
	  "make handlers once; removeHandler() and close()", 50, inspections_handlers },
	{ "garbage", "objects of garbage that hasn't been collected",
	  "gc.enable(), gc.collect() at quiet moments; break the cycles", 1,
	  inspections_garbage },
	{ "finalizers", "objects with __del__ in garbage",
	  "close() or a context manager instead of __del__; weakref.finalize", 1,
	  inspections_finalizers },
	{ "ended_threads", "Thread objects whose thread has ended",
	  "drop them after join(); keep results elsewhere", 1, inspections_threads },
	{ "made_classes", "classes of one name with many, made at run time",
	  "make a class once, or cache it by what it is made from", CLASSES_ALIKE,
	  inspections_classes },
	{ "weak_cycles", "entries of weak dicts that keep themselves alive",
	  "let values refer to keys weakly, or delete entries", 1, inspections_weak },
	{ "emptied", "emptied containers that keep their room",
	  "make a new one (dict(d), list(l)) or clear() it", 1, inspections_emptied },
	{ "equal_strings", "strings equal to another (what could be saved)",
	  "sys.intern where few differ, or an enum, category or id instead of text", 1000,
	  inspections_strings },
	{ "array_views", "arrays that only a view of them keeps",
	  "copy the part that is needed: view.copy()", 1, inspections_views },
	{ "orm", "ORM sessions and results, with all they loaded",
	  "end sessions with the request; expunge_all(), yield_per(), iterator()", 1,
	  inspections_orms },
};

static int inspections_by_bytes(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->sum.bytes != y->sum.bytes)
		return x->sum.bytes > y->sum.bytes ? -1 : 1;
	return x->inspection < y->inspection ? -1 : x->inspection > y->inspection;
}

int inspections_find(struct analysis *analysis, const struct progress *progress,
		     struct vec *ret)
{
	const uint64_t part = analysis->heap->size / PART_OF_ALL;
	const uint64_t least = part > INSPECTIONS_BYTES ? part : INSPECTIONS_BYTES;
	int err = 0;

	for (size_t i = 0;
	     i < sizeof(inspections_table) / sizeof(inspections_table[0]) && !err; i++) {
		struct finding f = { .inspection = &inspections_table[i],
				     .sum.worst = HEAP_NONE };

		err = f.inspection->look(analysis, progress, &f.sum);
		if (!err && f.sum.bytes >= least && f.sum.count >= f.inspection->least)
			err = vec_append(ret, &f, sizeof(f));
	}
	if (ret->size)
		qsort(ret->data, VEC_COUNT(*ret, struct finding), sizeof(struct finding),
		      inspections_by_bytes);
	return err;
}
