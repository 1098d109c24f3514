/* SPDX-License-Identifier: MIT */
/* definer - each module's dict is looked through once (definer.h). */
#include "viewer/analysis/definer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The object of a class that owns its instances' references: one made by Python code. */
struct class_object {
	uint32_t node, type;
};

static int definer_by_node(const void *a, const void *b)
{
	const struct class_object *x = a, *y = b;

	return (x->node > y->node) - (x->node < y->node);
}

static int definer_find_classes(const struct heap *heap, struct vec *ret)
{
	for (uint32_t t = 1; t <= heap->types; t++) {
		const struct heap_type *type = heap_type(heap, t);
		const struct class_object class = { type->node, t };

		if (type->node != HEAP_NONE && type->flags & SNAP_TYPE_OWNED &&
		    vec_append(ret, &class, sizeof(class)))
			return -ENOMEM;
	}
	if (ret->size)
		qsort(ret->data, VEC_COUNT(*ret, struct class_object),
		      sizeof(struct class_object), definer_by_node);
	return 0;
}

/* Whether a class is named "module.name". */
static bool definer_names(const struct heap *heap, const struct vec *classes,
			  uint32_t object, const char *module)
{
	const struct class_object key = { object, 0 };
	const struct class_object *found = classes->size ?
		bsearch(&key, classes->data, VEC_COUNT(*classes, struct class_object),
			sizeof(key), definer_by_node) :
		NULL;
	const char *name = found ? heap_type_name(heap, found->type) : "";
	const char *dot = strrchr(name, '.');
	const size_t length = strlen(module);

	return dot && (size_t)(dot - name) == length && !strncmp(name, module, length);
}

/* A dict that is reached as that of a module. */
static bool definer_is_namespace(const struct heap *heap, const uint32_t *parent,
				 uint32_t node)
{
	return node < heap->objects && heap_kind(heap, node) == SNAP_KIND_DICT &&
		parent[node] < heap->objects &&
		heap_kind(heap, parent[node]) == SNAP_KIND_MODULE &&
		parent[parent[node]] == heap_group(heap, HEAP_SYNTH_MODULES);
}

static void definer_take(const struct heap *heap, const struct vec *classes,
			 uint32_t *parent, uint32_t dict, const char *module)
{
	const struct heap_span refs = heap_refs(heap, dict);

	for (uint32_t i = 0; i < refs.count; i++) {
		const uint32_t to = refs.target[i];

		if (to >= heap->objects || parent[to] == dict ||
		    !definer_is_namespace(heap, parent, parent[to]))
			continue;
		if (heap_kind(heap, to) == SNAP_KIND_FUNCTION ?
			    heap_slot(heap, to, dict) != HEAP_NONE :
			    definer_names(heap, classes, to, module))
			parent[to] = dict;
	}
}

/* The instance of a class that a node is, or whose attributes it is a dict of. */
static bool definer_is_of(const struct heap *heap, const uint32_t *parent, uint32_t node,
			  uint32_t type)
{
	if (node < heap->objects && heap_kind(heap, node) == SNAP_KIND_DICT)
		node = parent[node];
	return node < heap->objects && heap_class_of(heap, node)->type == type;
}

static bool definer_is_below(const uint32_t *parent, uint32_t node, uint32_t above)
{
	while (node != HEAP_NONE && node != above)
		node = parent[node];
	return node == above;
}

/* What an instance holds, and its class too. */
static void definer_take_shared(const struct heap *heap, const struct class_object *class,
				uint32_t *parent)
{
	const struct heap_span own = heap_refs(heap, class->node);

	for (uint32_t i = 0; i < own.count; i++) {
		const uint32_t dict = own.target[i];

		if (dict >= heap->objects || parent[dict] != class->node ||
		    heap_kind(heap, dict) != SNAP_KIND_DICT)
			continue;
		const struct heap_span refs = heap_refs(heap, dict);
		for (uint32_t k = 0; k < refs.count; k++)
			if (refs.target[k] < heap->objects &&
			    definer_is_of(heap, parent, parent[refs.target[k]],
					  class->type) &&
			    !definer_is_below(parent, dict, refs.target[k]))
				parent[refs.target[k]] = dict;
	}
}

int definer_prefer(const struct heap *heap, uint32_t *parent)
{
	const uint32_t group = heap_group(heap, HEAP_SYNTH_MODULES);
	const struct heap_synth *s = heap_synth(heap, group);
	const struct heap_synth_label *label =
		VEC(heap->synth_label, struct heap_synth_label) + s->first;
	const struct heap_span modules = heap_refs(heap, group);
	struct vec classes = { 0 };
	int err = definer_find_classes(heap, &classes);

	assert(parent);
	for (uint32_t i = 0; i < modules.count && !err; i++) {
		const uint32_t module = modules.target[i];

		if (module >= heap->objects || parent[module] != group)
			continue;
		const struct heap_span refs = heap_refs(heap, module);
		for (uint32_t k = 0; k < refs.count; k++)
			if (refs.target[k] < heap->objects &&
			    parent[refs.target[k]] == module &&
			    definer_is_namespace(heap, parent, refs.target[k]))
				definer_take(heap, &classes, parent, refs.target[k],
					     heap_string(heap, label[i].name, NULL));
	}
	for (size_t i = 0; i < VEC_COUNT(classes, struct class_object) && !err; i++)
		definer_take_shared(heap, VEC(classes, struct class_object) + i, parent);
	vec_free(&classes);
	return err;
}
