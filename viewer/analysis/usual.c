/* SPDX-License-Identifier: MIT */
/* usual - see usual.h. */
#include "viewer/analysis/usual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/reach.h"
#include "viewer/model/attribute.h"

enum {
	USUAL_ODD = 4,	 /* one module of so many may be made at run time */
	USUAL_TIMES = 6, /* so much more than their code modules are */
	USUAL_CODE = 368 /* bytes of a code object, 3.11 to 3.13, that has its bytecode */
};

/* Of all code objects.  Up to 3.10 what is most of them is in bytes of their own, which
 * a code object's size doesn't count: there they are taken to be as large as later. */
static uint64_t usual_code(const struct heap *heap)
{
	uint64_t sum = 0, count = 0;

	for (uint32_t t = 1; t <= heap->types; t++)
		if (heap_type(heap, t)->kind == SNAP_KIND_CODE) {
			sum += heap_type(heap, t)->size;
			count += heap_type(heap, t)->count;
		}
	return sum > count * USUAL_CODE ? sum : count * USUAL_CODE;
}

/* ---- modules ---- */

struct usual_origin {
	const char *text; /* not terminated, in the heap; its beginning */
	uint32_t size;
	uint64_t length, hash; /* of the whole, where it is longer */
};

static int usual_compare(const void *a, const void *b)
{
	const struct usual_origin *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->size ? memcmp(x->text, y->text, x->size) : 0;
}

static bool usual_builtin(const struct usual_origin *o)
{
	return (o->size == 8 && !memcmp(o->text, "built-in", 8)) ||
		(o->size == 6 && !memcmp(o->text, "frozen", 6));
}

static bool usual_is_module(const struct heap *heap, uint32_t module, const char *name)
{
	struct heap_value value;

	return heap_value(heap, module, &value) && value.size == strlen(name) &&
		!memcmp(value.text, name, value.size);
}

/* Those of a file, sorted, that are more than one in each interpreter. */
static uint32_t usual_copies(const struct usual_origin *o, size_t n,
			     uint32_t interpreters)
{
	uint32_t copies = 0, same = 1;

	for (size_t i = 1; i < n; i++) {
		same = usual_compare(&o[i - 1], &o[i]) ? 1 : same + 1;
		copies += same > interpreters;
	}
	return copies;
}

/* Of those in sys.modules how many were not imported, or from a file that another one of
 * the interpreter is from too: __spec__ (PEP 451) says where from. */
static int usual_odd_modules(const struct heap *heap, uint32_t *odd, uint32_t *count)
{
	const struct heap_synth *s =
		heap_synth(heap, heap_group(heap, HEAP_SYNTH_MODULES));
	struct vec origins = { 0 };
	uint32_t interpreters = 0;
	int err = 0;

	*odd = *count = 0;
	for (uint32_t i = 0; i < s->count && !err; i++) {
		const uint32_t node = VEC(heap->synth_target, uint32_t)[s->first + i];
		struct heap_value value = { 0 };

		if (node >= heap->objects || heap_kind(heap, node) != SNAP_KIND_MODULE)
			continue;
		const uint32_t spec = attribute_of(heap, node, "__spec__");
		const uint32_t origin = attribute_of(heap, spec, "origin");

		(*count)++;
		interpreters += usual_is_module(heap, node, "builtins");
		*odd += spec >= heap->objects || heap_kind(heap, spec) == SNAP_KIND_NONE;
		if (origin < heap->objects && heap_value(heap, origin, &value)) {
			struct usual_origin o = { value.text, value.size, value.length,
						  value.hash };

			err = usual_builtin(&o) ? 0 : vec_append(&origins, &o, sizeof(o));
		}
	}
	const struct usual_origin *o = origins.data;
	const size_t n = VEC_COUNT(origins, struct usual_origin);
	if (n)
		qsort(origins.data, n, sizeof(*o), usual_compare);
	*odd += usual_copies(o, n, interpreters ? interpreters : 1);
	vec_free(&origins);
	return err;
}

static int usual_modules(const struct heap *heap, bool *ret)
{
	uint32_t odd, count;
	const int err = usual_odd_modules(heap, &odd, &count);

	*ret = !err && odd < count / USUAL_ODD;
	return err;
}

/* ---- what is the program's own ---- */

/* A module that is neither the interpreter's nor installed: __main__, or one from a file
 * elsewhere. */
static bool usual_is_own_module(const struct heap *heap, uint32_t module)
{
	const uint32_t spec = attribute_of(heap, module, "__spec__");
	struct heap_value value;

	if (heap_kind(heap, module) != SNAP_KIND_MODULE)
		return false;
	if (usual_is_module(heap, module, "__main__"))
		return true;
	const uint32_t origin = attribute_of(heap, spec, "origin");
	return origin < heap->objects && heap_kind(heap, origin) == SNAP_KIND_STR &&
		heap_value(heap, origin, &value) && value.size && value.text[0] == '/' &&
		!memmem(value.text, value.size, "/lib/python", 11);
}

/* Is a node reached from a variable of the program, in a module or a call? */
static bool usual_is_own(const struct analysis *a, uint32_t node)
{
	const struct heap *heap = a->heap;
	uint32_t below = HEAP_NONE;

	while (node < heap->objects) {
		below = node;
		node = analysis_parent(a, node);
	}
	if (below == HEAP_NONE || node >= heap->nodes || heap_is_native(heap, node))
		return false;
	const struct heap_synth *s = heap_synth(heap, node);
	return s->kind == HEAP_SYNTH_MODULES ?
		usual_is_own_module(heap, below) :
		s->kind == HEAP_SYNTH_FRAME && !reach_is_library(heap, node);
}

/* ---- all ---- */

/* Of a type that modules consist of. */
static bool usual_part(const struct heap *heap, uint32_t type)
{
	switch (heap_type(heap, type)->kind) {
	case SNAP_KIND_DICT:
	case SNAP_KIND_TYPE:
	case SNAP_KIND_FUNCTION:
	case SNAP_KIND_CODE:
	case SNAP_KIND_MODULE:
	case SNAP_KIND_STR:
	case SNAP_KIND_BYTES:
	case SNAP_KIND_TUPLE:
		return true;
	default:
		return false;
	}
}

/* sys.modules itself, where modules are most of what it keeps. */
static bool usual_is_sys_modules(const struct heap *heap, const struct suspect *s)
{
	return !s->group && s->member_type &&
		heap_type(heap, s->member_type)->kind == SNAP_KIND_MODULE;
}

int usual_mark(const struct analysis *a, uint64_t tenth, struct vec *suspects)
{
	const struct heap *heap = a->heap;
	const uint32_t modules = heap_group(heap, HEAP_SYNTH_MODULES),
		       interned = heap_group(heap, HEAP_SYNTH_INTERNED),
		       immortal = heap_group(heap, HEAP_SYNTH_IMMORTAL);
	const uint64_t code = usual_code(heap);
	int err = 0;

	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect) && !err; i++) {
		struct suspect *s = (struct suspect *)suspects->data + i;

		if (s->memory != SUSPECT_HELD || s->by_variable)
			continue;
		if (s->point == modules || usual_is_sys_modules(heap, s))
			err = usual_modules(heap, &s->usual);
		else if (s->point == HEAP_NONE)
			s->usual = usual_part(heap, s->member_type) &&
				s->retained < USUAL_TIMES * code;
		else if (s->point == immortal ||
			 (s->point < heap->nodes &&
			  analysis_parent(a, s->point) == interned))
			s->usual = s->retained < code;
		else
			s->usual = s->retained < tenth && s->retained < USUAL_BYTES &&
				!usual_is_own(a, suspect_node(s));
	}
	return err;
}
