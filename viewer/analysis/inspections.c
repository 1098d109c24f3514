/* SPDX-License-Identifier: MIT */
/* inspections - the table and what each row looks for (inspections.h). */
#include "viewer/analysis/inspections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/duplicates.h"
#include "viewer/analysis/ended_threads.h"
#include "viewer/analysis/holder.h"
#include "viewer/analysis/kin.h"
#include "viewer/analysis/room.h"
#include "viewer/analysis/tasks.h"
#include "viewer/analysis/weak_dict.h"
#include "viewer/model/attribute.h"

#define PART_OF_ALL 200u /* of all bytes is worth saying */
enum { STEPS_UP = 64, STRINGS_SAMPLE = 2000 };

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

enum {
	CACHE_ENTRIES = 256,
	CACHE_LARGE = 16, /* entries that are enough where they are large */
	CACHE_BYTES = 1 << 20,
	CACHE_SAMPLE = 64 /* entries */
};

static void inspections_visit_cache(struct analysis *a, uint32_t wrapper,
				    struct inspection_sum *sum)
{
	const uint64_t bytes = analysis_retained(a, wrapper);
	const uint32_t cache = inspections_cache_of(
		a->heap, wrapper, bytes >= CACHE_BYTES ? CACHE_LARGE : CACHE_ENTRIES);

	if (cache != HEAP_NONE && !inspections_cache_bounded(a->heap, cache))
		inspection_sum_add(sum, wrapper, bytes);
}

/* In a staticmethod there is no self, and a classmethod's class stays in any case. */
static bool inspections_is_static(const struct analysis *a, uint32_t wrapper)
{
	const uint32_t holder = analysis_parent(a, wrapper);

	return holder < a->heap->objects &&
		kin_is(a->heap, heap_type_of(a->heap, holder),
		       "builtins.staticmethod builtins.classmethod");
}

/* The class that has it: what all caches of the class keep is below that.  Or itself. */
static uint32_t inspections_class_of(const struct analysis *a, uint32_t wrapper)
{
	uint32_t at = wrapper;

	for (int i = 0; i < STEPS_UP && at < a->heap->objects; i++) {
		if (heap_kind(a->heap, at) == SNAP_KIND_TYPE)
			return at;
		at = analysis_idom(a, at);
	}
	return wrapper;
}

/* Whether a cache keeps the self of a call, which nothing else does: that of a service
 * that lives anyway, or a class (__new__), it doesn't.  A key is a tuple of arguments. */
static bool inspections_keeps_self(const struct analysis *a, uint32_t wrapper,
				   uint32_t cache)
{
	const struct heap *heap = a->heap;
	const uint32_t above = inspections_class_of(a, wrapper);
	struct heap_span refs = heap_refs(heap, cache);
	const uint32_t step = 2 * (refs.count / 2 / CACHE_SAMPLE + 1);

	for (uint32_t i = 0; i < refs.count; i += step) {
		const uint32_t key = refs.target[i];

		if (key >= heap->objects || heap_kind(heap, key) != SNAP_KIND_TUPLE ||
		    !heap_refs(heap, key).count)
			continue;
		const uint32_t self = heap_refs(heap, key).target[0];
		if (self < heap->objects && heap_kind(heap, self) != SNAP_KIND_TYPE &&
		    analysis_is_below(a, self, above))
			return true;
	}
	return false;
}

/* Those of methods: each entry keeps its self, bounded or not. */
static void inspections_visit_method_cache(struct analysis *a, uint32_t wrapper,
					   struct inspection_sum *sum)
{
	const uint32_t cache = inspections_cache_of(a->heap, wrapper, 1);

	if (cache != HEAP_NONE && !inspections_is_static(a, wrapper) &&
	    inspections_is_method(a->heap, attribute_of(a->heap, wrapper, "func")) &&
	    inspections_keeps_self(a, wrapper, cache))
		inspection_sum_add(sum, wrapper, analysis_retained(a, wrapper));
}

/* ---- exceptions ---- */

/* One that is handled right now is held by its thread, or by a frame of it; a traceback
 * that an exception keeps, or another one, is counted with that. */
static void inspections_visit_exception(struct analysis *a, uint32_t node,
					struct inspection_sum *sum)
{
	const bool is_trace = heap_kind(a->heap, node) == SNAP_KIND_TRACEBACK;
	const uint32_t trace =
		is_trace ? node : attribute_of(a->heap, node, "__traceback__");
	const uint32_t holder = analysis_parent(a, node);

	if (trace < a->heap->objects &&
	    heap_kind(a->heap, trace) == SNAP_KIND_TRACEBACK && holder < a->heap->objects)
		inspection_sum_add(sum, node, analysis_retained(a, node));
}

/* ---- asyncio ---- */

enum { TASKS_ALIKE = 100 };

/* The groups that are in that state, of as many alike, or single ones. */
static int inspections_tasks_of(struct analysis *a, const struct progress *progress,
				enum task_state state, uint64_t alike,
				struct inspection_sum *sum)
{
	struct vec tasks = { 0 };
	int err = tasks_find(a, progress, &tasks);

	for (size_t i = 0; i < VEC_COUNT(tasks, struct task) && !err; i++) {
		const struct task *t = VEC(tasks, struct task) + i;

		if (t->state == state && t->group_count >= alike)
			inspection_sum_add(sum, t->node, t->retained);
		if (sum->count == 1) /* one of the largest group, which comes first */
			sum->worst_bytes = alike > 1 ? UINT64_MAX : sum->worst_bytes;
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
		inspection_sum_add(sum, node, analysis_retained(a, node));
}

/* ---- futures ---- */

static void inspections_visit_future(struct analysis *a, uint32_t node,
				     struct inspection_sum *sum)
{
	const uint32_t state = attribute_of(a->heap, node, "_state");
	struct heap_value value;

	if (state < a->heap->objects && heap_value(a->heap, state, &value) &&
	    value.size == 8 && !memcmp(value.text, "FINISHED", 8))
		inspection_sum_add(sum, node, analysis_retained(a, node));
}

static int inspections_futures(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	return inspections_tasks_of(a, progress, TASK_DONE, 1, sum);
}

/* ---- logging ---- */

static void inspections_visit_any(struct analysis *a, uint32_t node,
				  struct inspection_sum *sum)
{
	inspection_sum_add(sum, node, analysis_retained(a, node));
}

/* ---- garbage ---- */

/* The largest of the type that has most of the bytes: what the rest is like. */
static int inspections_typical(struct analysis *a, struct heap_span members,
			       struct inspection_sum *sum)
{
	struct vec sums = { 0 };
	uint32_t most = 0;
	int err = vec_alloc(&sums, ((size_t)a->heap->types + 1) * sizeof(uint64_t));

	if (err)
		return err;
	uint64_t *bytes = sums.data;
	for (uint32_t i = 0; i < members.count; i++) {
		const uint32_t type = heap_type_of(a->heap, members.target[i]);

		bytes[type] += analysis_retained(a, members.target[i]);
		if (bytes[type] > bytes[most])
			most = type;
	}
	vec_free(&sums);
	sum->worst_bytes = 0;
	for (uint32_t i = 0; i < members.count; i++)
		if (heap_type_of(a->heap, members.target[i]) == most &&
		    analysis_retained(a, members.target[i]) > sum->worst_bytes) {
			sum->worst = members.target[i];
			sum->worst_bytes = analysis_retained(a, sum->worst);
		}
	return 0;
}

static int inspections_garbage(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	const uint32_t group = heap_group(a->heap, HEAP_SYNTH_GARBAGE);
	struct heap_span members;
	int err = analysis_children(a, group, progress, &members);

	for (uint32_t i = 0; i < members.count && !err; i++)
		inspection_sum_add(sum, members.target[i],
				   analysis_retained(a, members.target[i]));
	return err ? err : inspections_typical(a, members, sum);
}

static bool inspections_has_finalizer(const struct heap *heap, uint32_t type)
{
	return heap_type(heap, type)->flags & SNAP_TYPE_HAS_DEL;
}

static void inspections_visit_finalizer(struct analysis *a, uint32_t node,
					struct inspection_sum *sum)
{
	if (analysis_is_below(a, node, heap_group(a->heap, HEAP_SYNTH_GARBAGE)))
		inspection_sum_add(sum, node, analysis_retained(a, node));
}

/* ---- classes ---- */

enum { CLASSES_ALIKE = 20 };

static int inspections_by_name(const void *a, const void *b, void *arg)
{
	const struct heap *heap = *(const struct heap **)arg;

	return strcmp(heap_type_name(heap, *(const uint32_t *)a),
		      heap_type_name(heap, *(const uint32_t *)b));
}

/* Whether one object holds most of them: not where modules make one each when they are
 * imported (Django's lazy()), which then stay. */
static bool inspections_classes_collected(const struct analysis *a, const uint32_t *types,
					  size_t count)
{
	struct sample sample = { 0 };
	bool room = !sample_begin(&sample);

	for (size_t i = 0; i < count && room; i++)
		room = sample_add(a, &sample, heap_type(a->heap, types[i])->node);
	const uint32_t place = room ? sample_deepest(a, &sample) : HEAP_NONE;
	sample_end(&sample);
	return !room || place != HEAP_NONE;
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
		if (end - i < CLASSES_ALIKE ||
		    !inspections_classes_collected(a, type + i, end - i))
			continue;
		for (size_t k = i; k < end; k++)
			inspection_sum_add(
				sum, heap_type(heap, type[k])->node,
				analysis_retained(a, heap_type(heap, type[k])->node));
	}
	vec_free(&types);
	return err;
}

/* ---- weak dictionaries ---- */

static void inspections_visit_weak(struct analysis *a, uint32_t node,
				   struct inspection_sum *sum)
{
	uint64_t entries;
	const uint64_t held = weak_dict_self_held(a, node, UINT64_MAX, &entries);

	if (!held)
		return;
	inspection_sum_add(sum, node,
			   analysis_retained(a, attribute_of(a->heap, node, "data")));
	sum->count += held - 1;
}

/* ---- containers, strings, arrays, ORMs ---- */

static bool inspections_has_room(const struct heap *heap, uint32_t type)
{
	const unsigned kind = heap_type(heap, type)->kind;

	return kind == SNAP_KIND_LIST || kind == SNAP_KIND_DICT || kind == SNAP_KIND_SET;
}

static void inspections_visit_container(struct analysis *a, uint32_t node,
					struct inspection_sum *sum)
{
	uint64_t capacity, items;

	if (heap_size(a->heap, node) >= INSPECTIONS_BYTES / 4 &&
	    room_unused(a->heap, node, &capacity, &items))
		inspection_sum_add(sum, node, heap_size(a->heap, node));
}

/* The object that holds most of them, by a sample that weighs them; HEAP_NONE: none. */
static uint32_t inspections_strings_place(const struct analysis *a,
					  const struct vec *found, uint64_t wasted)
{
	struct sample sample = { 0 };
	double due = 0;
	bool room = true;

	if (sample_begin(&sample))
		return HEAP_NONE;
	for (size_t i = 0; i < VEC_COUNT(*found, struct duplicate) && room; i++) {
		const struct duplicate *d = VEC(*found, struct duplicate) + i;

		due += (double)STRINGS_SAMPLE * (double)d->wasted / (double)wasted;
		while (due >= 1 && room) {
			due -= 1;
			room = sample_add(a, &sample, d->example) &&
				sample_add(a, &sample, d->last);
		}
	}
	const uint32_t place = sample_deepest(a, &sample);
	sample_end(&sample);
	return place < a->heap->objects ? place : HEAP_NONE;
}

/* What could be saved: more than a twentieth of all is much. */
static int inspections_strings(struct analysis *a, const struct progress *progress,
			       struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	struct vec found = { 0 };
	int err = duplicates_find_strs(heap, progress, &found);

	for (size_t i = 0; i < VEC_COUNT(found, struct duplicate) && !err; i++) {
		const struct duplicate *d = VEC(found, struct duplicate) + i;

		inspection_sum_add(sum, d->example, d->wasted);
		sum->count += d->count - 2;
	}
	if (!err && sum->bytes) {
		const uint32_t place = inspections_strings_place(a, &found, sum->bytes);

		sum->worst = place == HEAP_NONE ? sum->worst : place;
	}
	vec_free(&found);
	if (20 * sum->bytes < heap->size)
		sum->count = 0;
	return err;
}

/* Arrays that nothing but a view of them keeps, of which it spans less than half. */
static int inspections_views(struct analysis *a, const struct progress *progress,
			     struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	const struct snap_buffer *b = heap->buffer.data;
	struct vec arrays = { 0 };
	int err = kin_find(heap, "numpy.ndarray", &arrays);

	(void)progress;
	for (size_t i = 0; i < VEC_COUNT(heap->buffer, struct snap_buffer) && !err; i++) {
		const uint32_t view = b[i].flags & SNAP_BUFFER_VIEW ?
			heap_find(heap, b[i].object) :
			HEAP_NONE;

		if (view >= heap->objects ||
		    !VEC(arrays, uint8_t)[heap_type_of(heap, view)])
			continue;
		const uint32_t base = attribute_of(heap, view, "base");
		if (base < heap->objects && analysis_idom(a, base) == view &&
		    heap_shallow(heap, base) / 2 >= b[i].length)
			inspection_sum_add(sum, view,
					   analysis_retained(a, base) - b[i].length);
	}
	vec_free(&arrays);
	return err;
}

/* ---- the table ---- */

#define CACHES "functools._lru_cache_wrapper"

static const struct inspection inspections_table[] = {
	{ "unbounded_cache", "functools caches without a maxsize",
	  "functools cache without a maxsize", "give lru_cache a maxsize", 1, CACHES,
	  NULL, inspections_visit_cache, NULL, false },
	{ "method_cache", "functools caches on methods, which keep each self",
	  "functools cache on a method, which keeps each self",
	  "cache in the object: functools.cached_property, or a dict of its own", 1,
	  CACHES, NULL, inspections_visit_method_cache, NULL, false },
	{ "kept_exceptions", "exceptions and tracebacks kept with their frames",
	  "exception or traceback kept with its frames",
	  "keep str(e) or traceback.format_exc(), or e.with_traceback(None)", 1,
	  "builtins.BaseException builtins.traceback", NULL, inspections_visit_exception,
	  NULL, false },
	{ "waiting_tasks", "tasks and greenlets that wait, 100 or more alike", NULL,
	  "see the report tasks; timeouts, a limit (semaphore), cancel what nobody needs",
	  TASKS_ALIKE, NULL, NULL, NULL, inspections_tasks, true },
	{ "cancelled_timers", "cancelled timers that stay until their time comes", NULL,
	  "fewer or shorter timeouts; one timer for many deadlines", 100,
	  "asyncio.events.TimerHandle", NULL, inspections_visit_timer, NULL, false },
	{ "kept_futures", "futures, tasks and greenlets that are done, but kept",
	  "future, task or greenlet that is done, but kept",
	  "drop them once their result was read", 100, "concurrent.futures._base.Future",
	  NULL, inspections_visit_future, inspections_futures, false },
	{ "loggers", "loggers, which logging keeps for ever", NULL,
	  "one a module, what differs in extra or a LoggerAdapter", 1000,
	  "logging.Logger", NULL, inspections_visit_any, NULL, false },
	{ "handlers", "logging handlers", NULL,
	  "make handlers once; removeHandler() and close()", 50, "logging.Handler", NULL,
	  inspections_visit_any, NULL, false },
	{ "garbage", "objects of garbage that hasn't been collected",
	  "object of garbage that hasn't been collected",
	  "gc.enable(), gc.collect() at quiet moments (after gc.freeze(): gc.unfreeze() "
	  "first); break the cycles",
	  1, NULL, NULL, NULL, inspections_garbage, false },
	{ "finalizers", "objects with __del__ in garbage",
	  "object with __del__ in garbage",
	  "close() or a context manager instead of __del__; weakref.finalize", 1, NULL,
	  inspections_has_finalizer, inspections_visit_finalizer, NULL, false },
	{ "ended_threads", "Thread objects whose thread has ended",
	  "Thread object whose thread has ended",
	  "drop them after join(); keep results elsewhere", 1, NULL, NULL, NULL,
	  ended_threads_look, false },
	{ "thread_entries", "entries of dicts by thread, whose thread has ended",
	  "entry of a dict by thread, whose thread has ended",
	  "threading.local, which forgets them with the thread, or delete entries", 1,
	  NULL, ended_threads_is_dict, ended_threads_visit_dict, NULL, false },
	{ "made_classes", "classes of one name with many, made at run time", NULL,
	  "make a class once, or cache it by what it is made from", CLASSES_ALIKE, NULL,
	  NULL, NULL, inspections_classes, false },
	{ "weak_cycles", "entries of weak dicts that keep themselves alive",
	  "entry of a weak dict that keeps itself alive",
	  "let values refer to keys weakly, or delete entries", 1, WEAK_DICT_TYPES, NULL,
	  inspections_visit_weak, NULL, false },
	{ "emptied", "emptied containers that keep their room",
	  "emptied container that keeps its room",
	  "make a new one (dict(d), list(l)) or clear() it", 1, NULL,
	  inspections_has_room, inspections_visit_container, NULL, false },
	{ "equal_strings", "strings equal to another (what could be saved)", NULL,
	  "sys.intern where few differ, or an enum, category or id instead of text", 1000,
	  NULL, NULL, NULL, inspections_strings, false },
	{ "array_views", "arrays that only a view of them keeps",
	  "array that only a view of it keeps",
	  "copy the part that is needed: view.copy()", 1, NULL, NULL, NULL,
	  inspections_views, false },
	{ "orm", "ORM sessions and results, with all they loaded",
	  "ORM session or result, with all it loaded",
	  "end sessions with the request; expunge_all(), yield_per(), iterator()", 1,
	  "sqlalchemy.orm.session.Session django.db.models.query.QuerySet "
	  "peewee.BaseModelSelect pony.orm.core.SessionCache",
	  NULL, inspections_visit_any, NULL, false },
};
enum { INSPECTIONS = sizeof(inspections_table) / sizeof(inspections_table[0]) };
_Static_assert(INSPECTIONS <= 32, "a bit each for what a type is looked at for");

/* ---- all objects once, for all rows that look at objects of some types ---- */

/* The rows that look at objects of a type: bit i for row i. */
static uint32_t inspections_of_type(const struct heap *heap, uint32_t type)
{
	uint32_t rows = 0;

	for (int i = 0; i < INSPECTIONS && heap_type(heap, type)->count; i++) {
		const struct inspection *one = &inspections_table[i];

		if (one->names ? kin_is(heap, type, one->names) :
				 one->of_type && one->of_type(heap, type))
			rows |= 1u << i;
	}
	return rows;
}

/* Whether something of a sort with a name keeps it that the row looks at too: that one
 * counts. */
static bool inspections_kept_by_kin(const struct analysis *a, uint32_t node, int row,
				    const uint32_t *types)
{
	for (int i = 0; i < STEPS_UP && inspections_table[row].names; i++) {
		node = analysis_idom(a, node);
		if (node >= a->heap->objects)
			return false;
		if (types[heap_type_of(a->heap, node)] >> row & 1)
			return true;
	}
	return false;
}

static int inspections_visit_all(struct analysis *a, const struct progress *progress,
				 const uint32_t *types, struct finding *found)
{
	const struct heap *heap = a->heap;

	for (uint32_t o = 0; o < heap->objects; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(progress, "inspections", o, heap->objects))
			return -ECANCELED;
		uint32_t rows = types[heap_type_of(heap, o)];
		for (; rows; rows &= rows - 1) {
			const int i = __builtin_ctz(rows);

			if (!inspections_kept_by_kin(a, o, i, types))
				inspections_table[i].visit(a, o, &found[i].sum);
		}
	}
	return 0;
}

static int inspections_by_bytes(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->sum.bytes != y->sum.bytes)
		return x->sum.bytes > y->sum.bytes ? -1 : 1;
	return x->inspection < y->inspection ? -1 : x->inspection > y->inspection;
}

static int inspections_look(struct analysis *a, const struct progress *progress,
			    struct finding *found)
{
	const struct heap *heap = a->heap;
	struct vec types = { 0 };
	int err = vec_alloc(&types, ((size_t)heap->types + 1) * sizeof(uint32_t)) ?
		-ENOMEM :
		0;

	for (uint32_t t = 1; t <= heap->types && !err; t++)
		VEC(types, uint32_t)[t] = inspections_of_type(heap, t);
	if (!err)
		err = inspections_visit_all(a, progress, types.data, found);
	vec_free(&types);
	for (int i = 0; i < INSPECTIONS && !err; i++)
		if (inspections_table[i].look)
			err = inspections_table[i].look(a, progress, &found[i].sum);
	return err;
}

int inspections_find(struct analysis *analysis, const struct progress *progress,
		     struct vec *ret)
{
	const uint64_t part = analysis->heap->size / PART_OF_ALL;
	const uint64_t least = part > INSPECTIONS_BYTES ? part : INSPECTIONS_BYTES;
	struct finding found[INSPECTIONS];

	for (int i = 0; i < INSPECTIONS; i++)
		found[i] = (struct finding){ .inspection = &inspections_table[i],
					     .sum.worst = HEAP_NONE };
	int err = inspections_look(analysis, progress, found);
	for (int i = 0; i < INSPECTIONS && !err; i++)
		if (found[i].sum.bytes >= least &&
		    found[i].sum.count >= inspections_table[i].least)
			err = vec_append(ret, &found[i], sizeof(found[i]));
	if (ret->size)
		qsort(ret->data, VEC_COUNT(*ret, struct finding), sizeof(struct finding),
		      inspections_by_bytes);
	return err;
}
