/* SPDX-License-Identifier: MIT */
/* context_var - see context_var.h. */
#include "viewer/analysis/context_var.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SHARE_OF_MEMBERS 0.7
#define STEPS_UP 12    /* from a value to the member that retains it */
#define TRIE_DEPTH 8   /* five bits of a 32-bit hash a level, collisions below */
#define ATTRIBUTES 64u /* references that are looked through for one */

struct variable {
	uint32_t node, value; /* the ContextVar, the largest value */
	uint64_t count, retained;
};

static const char *context_var_type(const struct heap *heap, uint32_t type)
{
	const char *name = heap_type_name(heap, type), *point = strrchr(name, '.');

	return point ? point + 1 : name;
}

static bool context_var_is(const struct heap *heap, uint32_t node, const char *type)
{
	return node < heap->objects &&
		!strcmp(context_var_type(heap, heap_type_of(heap, node)), type);
}

static bool context_var_is_node(const struct heap *heap, uint32_t node)
{
	return context_var_is(heap, node, "hamt_bitmap_node") ||
		context_var_is(heap, node, "hamt_array_node") ||
		context_var_is(heap, node, "hamt_collision_node");
}

bool context_var_is_trie(const struct heap *heap, uint32_t node)
{
	return context_var_is(heap, node, "hamt") || context_var_is_node(heap, node);
}

/* The key behind the value at *i, which goes on to the next; HEAP_NONE: a node below. */
static uint32_t context_var_next(const struct heap *heap, struct heap_span refs,
				 uint32_t *i)
{
	uint32_t at = (*i)++;

	assert(at < refs.count);
	if (context_var_is_node(heap, refs.target[at]) || at + 1 >= refs.count ||
	    !context_var_is(heap, refs.target[at + 1], "ContextVar"))
		return HEAP_NONE;
	return refs.target[(*i)++];
}

uint32_t context_var_of(const struct heap *heap, uint32_t trie_node, uint32_t value)
{
	if (!context_var_is_node(heap, trie_node))
		return HEAP_NONE;
	struct heap_span refs = heap_refs(heap, trie_node);
	for (uint32_t i = 0; i < refs.count;) {
		uint32_t at = refs.target[i];
		uint32_t key = context_var_next(heap, refs, &i);

		if (at == value && key != HEAP_NONE)
			return key;
	}
	return HEAP_NONE;
}

static uint32_t context_var_attribute(const struct heap *heap, uint32_t object,
				      const char *name)
{
	struct heap_span refs = { 0 };
	struct heap_label label;

	if (object < heap->objects)
		refs = heap_refs(heap, object);
	for (uint32_t slot = 0; slot < refs.count && slot < ATTRIBUTES; slot++) {
		heap_label(heap, object, slot, &label);
		if (label.name && refs.target[slot] < heap->objects &&
		    !strcmp(heap_string(heap, label.name, NULL), name))
			return refs.target[slot];
	}
	return HEAP_NONE;
}

uint32_t context_var_name(const struct heap *heap, uint32_t variable)
{
	return context_var_attribute(heap, variable, "name");
}

/* ---- suspects ---- */

/* Whether one of the suspect's members retains the node. */
static bool context_var_below(const struct analysis *a, uint32_t node, uint32_t type)
{
	for (int i = 0; i < STEPS_UP && node < a->heap->objects; i++) {
		if (heap_type_of(a->heap, node) == type)
			return true;
		node = analysis_idom(a, node);
	}
	return false;
}

static int context_var_add(const struct analysis *a, struct vec *variables, uint32_t key,
			   uint32_t value)
{
	struct variable *v = variables->data, fresh = { .node = key, .value = value };
	size_t count = VEC_COUNT(*variables, struct variable), i = 0;

	while (i < count && v[i].node != key)
		i++;
	if (i == count && vec_append(variables, &fresh, sizeof(fresh)))
		return -ENOMEM;
	v = (struct variable *)variables->data + i;
	v->count++;
	v->retained += analysis_retained(a, value);
	if (analysis_retained(a, value) > analysis_retained(a, v->value))
		v->value = value;
	return 0;
}

static int context_var_collect(const struct analysis *a, uint32_t type,
			       struct vec *variables)
{
	const struct heap *heap = a->heap;
	int err = 0;

	for (uint32_t o = 0; o < heap->objects && !err; o++) {
		if (!context_var_is_node(heap, o) || !context_var_below(a, o, type))
			continue;
		struct heap_span refs = heap_refs(heap, o);
		for (uint32_t i = 0; i < refs.count && !err;) {
			uint32_t value = refs.target[i];
			uint32_t key = context_var_next(heap, refs, &i);

			if (key != HEAP_NONE && value < heap->objects &&
			    analysis_idom(a, value) == o)
				err = context_var_add(a, variables, key, value);
		}
	}
	return err;
}

/* Whether the trie has a value of that type for the variable. */
static bool context_var_has(const struct heap *heap, uint32_t node, uint32_t variable,
			    uint32_t type, int depth)
{
	if (depth > TRIE_DEPTH || !context_var_is_trie(heap, node))
		return false;
	struct heap_span refs = heap_refs(heap, node);
	for (uint32_t i = 0; i < refs.count;) {
		uint32_t at = refs.target[i];
		uint32_t key = context_var_next(heap, refs, &i);

		if (key == variable && at < heap->objects)
			return heap_type_of(heap, at) == type;
		if (key == HEAP_NONE &&
		    context_var_has(heap, at, variable, type, depth + 1))
			return true;
	}
	return false;
}

static void context_var_count_tasks(const struct heap *heap, struct suspect *s)
{
	static const char *const names[] = { "context", "_context" };

	for (uint32_t o = 0; o < heap->objects; o++) {
		if (!context_var_is(heap, o, "Task"))
			continue;
		for (size_t i = 0; i < 2; i++) {
			uint32_t context = context_var_attribute(heap, o, names[i]);
			uint32_t trie = context_var_attribute(heap, context, "ctx_vars");

			if (!context_var_has(heap, trie, s->variable, s->member_type, 0))
				continue;
			s->tasks++;
			s->task = o;
			break;
		}
	}
}

int context_var_explain(const struct analysis *analysis, struct suspect *s)
{
	static const char *const holders[] = { "hamt", "Context", "Task", "TimerHandle",
					       "Handle" };
	const char *type = context_var_type(analysis->heap, s->member_type);
	struct vec variables = { 0 };
	struct variable best = { 0 };
	bool may = false;
	int err;

	for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++)
		may |= !strcmp(type, holders[i]);
	if (!may || s->memory != SUSPECT_HELD || s->chain)
		return 0;
	err = context_var_collect(analysis, s->member_type, &variables);
	for (size_t i = 0; i < VEC_COUNT(variables, struct variable) && !err; i++)
		if (VEC(variables, struct variable)[i].retained > best.retained)
			best = VEC(variables, struct variable)[i];
	vec_free(&variables);
	if ((double)best.retained < SHARE_OF_MEMBERS * (double)s->member_retained ||
	    !best.count || err)
		return err;
	s->by_variable = true;
	s->variable = best.node;
	s->top = best.value;
	s->member_type = heap_type_of(analysis->heap, best.value);
	s->member_count = best.count;
	s->member_retained = best.retained;
	context_var_count_tasks(analysis->heap, s);
	return 0;
}
