/* SPDX-License-Identifier: MIT */
/* indexed - a snapshot with the indexes that queries ask for (indexed.h). */
#include "viewer/query/indexed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/describe.h"

enum { SCANS = 2 /* questions that are answered without an index */ };

/* ---- names ---- */

static int indexed_by_name(const void *x, const void *y, void *arg)
{
	const struct indexed *ix = arg;
	uint32_t m = *(const uint32_t *)x, n = *(const uint32_t *)y;
	int by = strcmp(indexed_type_name(ix, m), indexed_type_name(ix, n));

	return by ? by : m < n ? -1 : m > n;
}

static int indexed_add_names(struct indexed *ix)
{
	const struct heap *heap = ix->heap;
	struct text one = { 0 };
	int err = 0;

	for (uint32_t t = 0; t <= heap->types && !err; t++) {
		text_clear(&one);
		describe_type(&one, heap, t);
		err = one.err;
		if (!err)
			err = vec_push_u32(&ix->name, (uint32_t)ix->names.buf.size);
		if (!err)
			err = vec_append(&ix->names.buf, text_get(&one),
					 strlen(text_get(&one)) + 1);
	}
	text_free(&one);
	return err;
}

static int indexed_add_ranks(struct indexed *ix)
{
	size_t types = (size_t)ix->heap->types + 1;
	struct vec sorted = { 0 };
	int err = vec_alloc(&ix->rank, types * 4);

	for (uint32_t t = 0; t < types && !err; t++)
		err = vec_push_u32(&sorted, t);
	if (!err)
		qsort_r(sorted.data, types, 4, indexed_by_name, ix);
	for (size_t i = 0; i < types && !err; i++) {
		uint32_t type = VEC(sorted, uint32_t)[i];
		size_t n = VEC_COUNT(ix->ranked, uint32_t);

		if (!n ||
		    strcmp(indexed_type_name(ix, VEC(ix->ranked, uint32_t)[n - 1]),
			   indexed_type_name(ix, type)))
			err = vec_push_u32(&ix->ranked, type);
		if (!err)
			VEC(ix->rank, uint32_t)
		[type] = (uint32_t)VEC_COUNT(ix->ranked, uint32_t) - 1;
	}
	vec_free(&sorted);
	return err;
}

int indexed_open(struct indexed *ix, struct process *process,
		 const struct progress *progress)
{
	assert(process->analysis);
	*ix = (struct indexed){ .process = process,
				.heap = process->heap,
				.analysis = process->analysis,
				.progress = progress };
	for (int rule = 0; rule < INDEXED_STAGES; rule++)
		stage_init(&ix->stage[rule], ix->heap,
			   rule == STAGE_HELD ? VEC(ix->analysis->idom, uint32_t) :
						VEC(ix->analysis->bfs_parent, uint32_t),
			   (enum stage_rule)rule);
	int err = indexed_add_names(ix);

	return err ? err : indexed_add_ranks(ix);
}

void indexed_free(struct indexed *ix)
{
	struct vec *vecs[] = { &ix->name, &ix->names.buf, &ix->rank, &ix->ranked };

	for (size_t i = 0; i < sizeof(vecs) / sizeof(vecs[0]); i++)
		vec_free(vecs[i]);
	typed_free(&ix->typed);
	sources_free(&ix->sources);
	for (int rule = 0; rule < INDEXED_STAGES; rule++)
		stage_free(&ix->stage[rule]);
	vec_free(&ix->address);
	growth_free(&ix->growth);
}

const char *indexed_type_name(const struct indexed *ix, uint32_t type)
{
	assert(type < VEC_COUNT(ix->name, uint32_t));
	return VEC(ix->names.buf, const char) + VEC(ix->name, uint32_t)[type];
}

void indexed_list_addresses(struct indexed *ix)
{
	const uint32_t objects = ix->heap->objects;

	if (!ix->address.size && objects &&
	    !vec_alloc(&ix->address, objects * sizeof(uint64_t)))
		addrmap_list(&ix->heap->addrs, ix->address.data, objects);
}

uint64_t indexed_address(struct indexed *ix, uint32_t object)
{
	const uint32_t i = object % INDEXED_ADDRESSES;

	assert(object < ix->heap->objects);
	if (ix->address.size)
		return VEC(ix->address, uint64_t)[object];
	if (ix->recent[i].node != object + 1) {
		ix->recent[i].node = object + 1;
		ix->recent[i].address = heap_address(ix->heap, object);
	}
	return ix->recent[i].address;
}

uint32_t indexed_rank(const struct indexed *ix, const char *name)
{
	size_t lo = 0, count = VEC_COUNT(ix->ranked, uint32_t), hi = count;
	const uint32_t *ranked = VEC(ix->ranked, uint32_t);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(indexed_type_name(ix, ranked[mid]), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < count && !strcmp(indexed_type_name(ix, ranked[lo]), name) ?
		(uint32_t)lo :
		UINT32_MAX;
}

/* ---- by type ---- */

int indexed_class_ranks(const struct indexed *ix, struct vec *ret)
{
	const struct heap_class *class = VEC(ix->heap->classes, struct heap_class);
	size_t count = VEC_COUNT(ix->heap->classes, struct heap_class);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = vec_push_u32(ret, VEC(ix->rank, uint32_t)[class[i].type]);
	return err;
}

int indexed_by_type(struct indexed *ix)
{
	struct vec of = { 0 };
	int err;

	if (typed_is_built(&ix->typed))
		return 0;
	err = indexed_class_ranks(ix, &of);
	if (!err)
		err = typed_build(&ix->typed, ix->heap, of.data, indexed_ranks(ix),
				  ix->progress);
	vec_free(&of);
	return err;
}

/* By a pass over the classes of all objects. */
static int indexed_scan_rank(struct indexed *ix, uint32_t rank, struct vec *ret)
{
	const uint32_t *klass = VEC(ix->heap->klass, uint32_t);
	struct vec of = { 0 };
	int err = indexed_class_ranks(ix, &of);

	for (uint32_t o = 0; o < ix->heap->objects && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(ix->progress, "objects of a type", o,
					    ix->heap->objects);
		if (!err && VEC(of, uint32_t)[klass[o]] == rank)
			err = vec_push_u32(ret, o);
	}
	vec_free(&of);
	return err;
}

int indexed_of_rank(struct indexed *ix, uint32_t rank, struct vec *ret)
{
	int err;

	assert(rank < indexed_ranks(ix));
	if (!typed_is_built(&ix->typed) && ix->asked_type++ < SCANS)
		return indexed_scan_rank(ix, rank, ret);
	err = indexed_by_type(ix);
	return err ? err : typed_list(&ix->typed, rank, ret);
}

/* ---- by target ---- */

/* Types made at run time are held by each of their instances. */
static int indexed_add_instances(struct indexed *ix, uint32_t node, struct vec *ret)
{
	const struct heap *heap = ix->heap;
	int err = 0;

	if (heap_kind(heap, node) != SNAP_KIND_TYPE)
		return 0;
	for (uint32_t t = 1; t <= heap->types && !err; t++) {
		const struct heap_type *type = heap_type(heap, t);
		const size_t first = VEC_COUNT(*ret, uint32_t);
		size_t kept = first;

		if (type->node != node || !(type->flags & SNAP_TYPE_OWNED))
			continue;
		err = indexed_by_type(ix);
		if (!err)
			err = typed_list(&ix->typed, VEC(ix->rank, uint32_t)[t], ret);
		uint32_t *const list = VEC(*ret, uint32_t);
		for (size_t i = first; i < VEC_COUNT(*ret, uint32_t); i++)
			if (heap_type_of(heap, list[i]) == t)
				list[kept++] = list[i];
		ret->size = kept * 4;
	}
	return err;
}

int indexed_referrers(struct indexed *ix, uint32_t node, struct vec *ret)
{
	struct heap_span span;
	int err = 0;

	assert(node < ix->heap->nodes);
	if (!sources_is_built(&ix->sources) && ix->asked_target++ < SCANS) {
		err = analysis_referrers(ix->analysis, node, ix->progress, &span);
		return err ? err : vec_append(ret, span.target, (size_t)span.count * 4);
	}
	if (!sources_is_built(&ix->sources))
		err = sources_build(&ix->sources, ix->heap, ix->progress);
	if (!err)
		err = sources_list(&ix->sources, node, ret);
	return err || node >= ix->heap->objects ? err :
						  indexed_add_instances(ix, node, ret);
}

/* ---- along shortest paths, and along dominators ---- */

int indexed_find(struct indexed *ix, enum stage_rule rule, uint32_t node, uint32_t *ret)
{
	return stage_find(&ix->stage[rule], node, ix->progress, ret);
}
