/* SPDX-License-Identifier: MIT */
/* ended_threads - see ended_threads.h. */
#include "viewer/analysis/ended_threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/kin.h"
#include "viewer/model/attribute.h"

#define ENDED_THREADS_LOWEST (1ull << 32) /* of an ident that is an address */
enum { ENDED_THREADS_ALIGN = 16 };

static bool ended_threads_number(const struct heap *heap, uint32_t node, uint64_t *ret)
{
	struct heap_value value;
	char digits[24] = "";

	if (node >= heap->objects || !heap_value(heap, node, &value) ||
	    value.kind != SNAP_VALUE_INT || value.size >= sizeof(digits))
		return false;
	memcpy(digits, value.text, value.size);
	*ret = strtoull(digits, NULL, 0);
	return true;
}

static bool ended_threads_runs(const struct heap *heap, uint64_t ident)
{
	for (uint32_t t = 1; t <= heap->threads; t++)
		if (VEC(heap->thread, struct snap_thread)[t].ident == ident)
			return true;
	return false;
}

/* ---- Thread objects ---- */

bool ended_threads_is_gone(const struct heap *heap, uint32_t thread)
{
	uint64_t ident;

	return heap->threads &&
		ended_threads_number(heap, attribute_of(heap, thread, "_ident"),
				     &ident) &&
		!ended_threads_runs(heap, ident);
}

/* threading._active, HEAP_NONE: not known. */
static uint32_t ended_threads_active(const struct heap *heap)
{
	struct heap_value name;

	for (uint32_t o = 0; o < heap->objects; o++)
		if (heap_kind(heap, o) == SNAP_KIND_MODULE &&
		    heap_value(heap, o, &name) && name.size == 9 &&
		    !memcmp(name.text, "threading", 9))
			return attribute_of(heap, o, "_active");
	return HEAP_NONE;
}

static bool ended_threads_has(const struct heap *heap, uint32_t active, uint32_t thread)
{
	struct heap_span refs = heap_refs(heap, active);

	for (uint32_t i = 0; i < refs.count; i++)
		if (refs.target[i] == thread)
			return true;
	return false;
}

int ended_threads_look(struct analysis *a, const struct progress *progress,
		       struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	const uint32_t active = ended_threads_active(heap);
	struct vec types = { 0 };
	uint64_t ident;
	int err = kin_find(heap, "threading.Thread", &types);

	for (uint32_t o = 0; o < heap->objects && !err && heap->threads; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "threads", o, heap->objects);
		if (err || !VEC(types, unsigned char)[heap_type_of(heap, o)] ||
		    !ended_threads_number(heap, attribute_of(heap, o, "_ident"), &ident))
			continue;
		if (active < heap->objects ? !ended_threads_has(heap, active, o) :
					     !ended_threads_runs(heap, ident))
			inspection_sum_add(sum, o, analysis_retained(a, o));
	}
	vec_free(&types);
	return err;
}

/* ---- dicts by thread ---- */

bool ended_threads_is_dict(const struct heap *heap, uint32_t type)
{
	return heap_type(heap, type)->kind == SNAP_KIND_DICT;
}

/* The ident that an entry's value is found by; 0: it is no such entry. */
static uint64_t ended_threads_key(const struct heap *heap, uint32_t dict, uint32_t slot)
{
	struct heap_label label;
	uint64_t ident = 0;

	heap_label(heap, dict, slot, &label);
	if (label.kind != SNAP_LABEL_VALUE ||
	    !ended_threads_number(heap, label.key, &ident) ||
	    ident < ENDED_THREADS_LOWEST || ident % ENDED_THREADS_ALIGN)
		return 0;
	return ident;
}

void ended_threads_visit_dict(struct analysis *a, uint32_t dict,
			      struct inspection_sum *sum)
{
	const struct heap *heap = a->heap;
	struct heap_span refs = heap_refs(heap, dict);
	struct heap_label label;
	uint64_t ended = 0, bytes = 0;
	bool running = false;

	for (uint32_t i = 0; i < refs.count; i++) {
		heap_label(heap, dict, i, &label);
		if (label.kind == SNAP_LABEL_KEY)
			continue;
		const uint64_t ident = ended_threads_key(heap, dict, i);

		if (!ident)
			return;
		if (ended_threads_runs(heap, ident)) {
			running = true;
		} else if (refs.target[i] < heap->objects) {
			ended++;
			bytes += analysis_idom(a, refs.target[i]) == dict ?
				analysis_retained(a, refs.target[i]) :
				0;
		}
	}
	if (!running || !ended)
		return;
	inspection_sum_add(sum, dict, bytes);
	sum->count += ended - 1;
}
