/* SPDX-License-Identifier: MIT */
/*
 * chunks_text - C allocations that no object owns, in words (chunks_text.h).
 *
 * Objects of a type are likely owners of a kind of allocations when each could have as
 * many of them: 600 allocations and 200 objects.  Those are named first, then the types
 * with the most objects whose insides nobody told.
 */
#include "viewer/report/chunks_text.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/name/describe.h"
#include "viewer/text/human.h"

enum {
	CHUNKS_TEXT_KINDS = 3, /* shown */
	CHUNKS_TEXT_OWNERS = 5,
	CHUNKS_TEXT_LEAST = 10, /* a kind is at least one in so many of all bytes */
	CHUNKS_TEXT_MANY = 8,	/* objects of which a count means something */
	CHUNKS_TEXT_EACH = 64,	/* allocations that one object may have */
};

/* ---- kinds ---- */

static uint64_t chunks_text_sum(const struct heap *heap)
{
	const struct snap_chunks *c = heap->chunks.data;
	uint64_t sum = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->chunks, struct snap_chunks); i++)
		sum += c[i].bytes;
	return sum;
}

/* "10,000 of 1,008 bytes, std::vtable, held by variables of libfoo.so" */
static void chunks_text_kind(struct text *out, const struct heap *heap,
			     const struct snap_chunks *c)
{
	char count[HUMAN_SIZE], size[HUMAN_SIZE];

	text_printf(out, "%s of %s%s bytes", human_count(count, c->count),
		    c->count * (uint64_t)c->size == c->bytes ? "" : "up to ",
		    human_count(size, c->size));
	if (c->name) {
		text_add(out, " that begin with ");
		describe_string(out, heap, c->name);
	}
	if (c->holder) {
		text_add(out, " held by variables of ");
		describe_string(out, heap, c->holder);
	}
}

void chunks_text_kinds(struct text *out, const struct heap *heap)
{
	const struct snap_chunks *c = heap->chunks.data;
	const uint64_t least = chunks_text_sum(heap) / CHUNKS_TEXT_LEAST;
	unsigned shown = 0;

	for (size_t i = 0;
	     i < VEC_COUNT(heap->chunks, struct snap_chunks) && shown < CHUNKS_TEXT_KINDS;
	     i++) {
		if (c[i].bytes < least || !c[i].bytes)
			continue;
		text_add(out, shown++ ? ", " : "");
		chunks_text_kind(out, heap, &c[i]);
	}
}

/* ---- likely owners ---- */

/* Modules whose types keep all they have in what is walked. */
static bool chunks_text_known(const char *name)
{
	static const char *const modules[] = {
		"builtins.",
		"functools.",
		"_functools.",
		"operator.",
		"_operator.",
		"itertools.",
		"collections.",
		"_collections.",
		"_thread.",
		"weakref.",
		"_weakref.",
		"_abc.",
		"types.",
		"_asyncio.",
		"asyncio.",
		"_contextvars.",
		"contextvars.",
		"datetime.",
		"_random.",
		"_struct.",
		"posix.",
		"os.",
		"time.",
		"sys.",
		"_frozen_importlib",
		"importlib.",
		"enum.",
		"_warnings.",
		"_ctypes.",
		"_io.",
		"Token.",
		"re.",
		"_json.",
		"numpy.",
	};

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (!strncmp(name, modules[i], strlen(modules[i])))
			return true;
	/* Cython's closures are fields alone */
	return !strchr(name, '.') || strstr(name, ".__pyx_");
}

struct chunks_text_owner {
	const struct heap_type *type;
	uint32_t id;
	bool fits; /* its objects may each have as many of a kind */
};

static bool chunks_text_fits(const struct heap *heap, uint64_t objects)
{
	const struct snap_chunks *c = heap->chunks.data;
	const uint64_t least = chunks_text_sum(heap) / CHUNKS_TEXT_LEAST;

	if (objects < CHUNKS_TEXT_MANY)
		return false;
	for (size_t i = 0; i < VEC_COUNT(heap->chunks, struct snap_chunks); i++) {
		const uint64_t each = (c[i].count + objects / 2) / objects;
		const uint64_t want = each * objects;
		const uint64_t apart =
			want > c[i].count ? want - c[i].count : c[i].count - want;

		if (c[i].bytes >= least && each && each <= CHUNKS_TEXT_EACH &&
		    apart * 50 <= objects)
			return true;
	}
	return false;
}

static int chunks_text_by_rank(const void *a, const void *b)
{
	const struct chunks_text_owner *x = a, *y = b;

	if (x->fits != y->fits)
		return x->fits ? -1 : 1;
	if (x->type->count != y->type->count)
		return x->type->count > y->type->count ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* tracemalloc has two allocations for each block it knows (Python/tracemalloc.c). */
bool chunks_text_traces(const struct heap *heap)
{
	return chunks_text_fits(heap, heap_fact_u64(heap, "tracemalloc.traces", 0));
}

static bool chunks_text_tracing(struct text *out, const struct heap *heap)
{
	const uint64_t traces = heap_fact_u64(heap, "tracemalloc.traces", 0);
	char buf[HUMAN_SIZE];

	if (!chunks_text_traces(heap))
		return false;
	text_printf(out, "tracemalloc itself, which is tracing %s blocks",
		    human_count(buf, traces));
	return true;
}

void chunks_text_owners(struct text *out, const struct heap *heap)
{
	struct vec likely = { 0 };
	char buf[HUMAN_SIZE];
	size_t count;

	if (chunks_text_tracing(out, heap))
		return;
	for (uint32_t t = 1; t <= heap->types; t++) {
		struct chunks_text_owner o = { heap_type(heap, t), t, false };

		if (!o.type->count || o.type->kind != SNAP_KIND_OBJECT ||
		    (o.type->flags & SNAP_TYPE_PYTHON) ||
		    chunks_text_known(heap_type_name(heap, t)))
			continue;
		o.fits = chunks_text_fits(heap, o.type->count);
		if (vec_append(&likely, &o, sizeof(o)))
			break;
	}
	count = VEC_COUNT(likely, struct chunks_text_owner);
	if (count)
		qsort(likely.data, count, sizeof(struct chunks_text_owner),
		      chunks_text_by_rank);
	for (size_t i = 0; i < count && i < CHUNKS_TEXT_OWNERS; i++) {
		const struct chunks_text_owner *o =
			VEC(likely, struct chunks_text_owner) + i;

		text_printf(out, "%s%s ", i ? ", " : "",
			    human_count(buf, o->type->count));
		describe_string(out, heap, o->type->name);
	}
	vec_free(&likely);
}
