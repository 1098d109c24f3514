/* SPDX-License-Identifier: MIT */
/*
 * packages - one walk over the dominator tree, with the nearest package on a stack and a
 * count of open objects for each (packages.h).
 *
 * A class's module is the longest beginning of its name that is a module's name; where
 * the module is gone, what is before the last point.
 */
#include "viewer/analysis/packages.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	uint32_t package; /* index + 1, 0 = free */
};

/* In a module's name, before the interpreter's number: they are one package's. */
#define OTHER_INTERPRETER " (interpreter "

struct maker {
	struct packages *packages;
	struct analysis *analysis;
	bool modules;
	uint32_t builtins;  /* its index */
	struct vec table;   /* struct slot: packages by name */
	struct vec loaded;  /* u32: string ids of modules' names, sorted by text */
	struct vec of_type; /* u32 per type: package */
	struct vec place;   /* struct place, sorted by node */
	struct vec open;    /* u32 per package: objects of its that are open */
};

/* A module, its dict, a class: of another package than its type says. */
struct place {
	uint32_t node, package;
};

struct step {
	uint32_t node, next, package; /* next: child to go on with; package: nearest */
};

void packages_free(struct packages *packages)
{
	vec_free(&packages->all);
	vec_free(&packages->names);
}

static uint64_t packages_hash(const char *name, size_t size)
{
	uint64_t hash = 14695981039346656037ull;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)name[i]) * 1099511628211ull;
	return hash;
}

static void packages_insert(struct maker *m, uint32_t index)
{
	struct slot *slots = m->table.data;
	const size_t mask = VEC_COUNT(m->table, struct slot) - 1;
	const char *name =
		packages_name(m->packages, VEC(m->packages->all, struct package) + index);
	size_t at = packages_hash(name, strlen(name)) & mask;

	while (slots[at].package)
		at = (at + 1) & mask;
	slots[at].package = index + 1;
}

static int packages_grow(struct maker *m)
{
	size_t slots = VEC_COUNT(m->table, struct slot);

	vec_free(&m->table);
	if (vec_alloc(&m->table, (slots ? slots * 2 : 512) * sizeof(struct slot)))
		return -ENOMEM;
	for (uint32_t i = 0; i < VEC_COUNT(m->packages->all, struct package); i++)
		packages_insert(m, i);
	return 0;
}

/* The package of that name, made when there is none; -ENOMEM. */
static int packages_find(struct maker *m, const char *name, size_t size, uint32_t *ret)
{
	size_t count = VEC_COUNT(m->packages->all, struct package);
	struct package fresh = { .name = m->packages->names.size, .node = HEAP_NONE };

	if (2 * (count + 1) > VEC_COUNT(m->table, struct slot) && packages_grow(m))
		return -ENOMEM;
	const struct slot *slots = m->table.data;
	const size_t mask = VEC_COUNT(m->table, struct slot) - 1;
	size_t at = packages_hash(name, size) & mask;
	for (; slots[at].package; at = (at + 1) & mask) {
		const char *there = packages_name(m->packages,
						  VEC(m->packages->all, struct package) +
							  slots[at].package - 1);

		if (!strncmp(there, name, size) && !there[size]) {
			*ret = slots[at].package - 1;
			return 0;
		}
	}
	if (vec_append(&m->packages->names, name, size) ||
	    vec_append(&m->packages->names, "", 1) ||
	    vec_append(&m->packages->all, &fresh, sizeof(fresh)))
		return -ENOMEM;
	*ret = (uint32_t)count;
	packages_insert(m, *ret);
	return 0;
}

static int packages_compare_names(const void *x, const void *y, void *arg)
{
	return strcmp(heap_string(arg, *(const uint32_t *)x, NULL),
		      heap_string(arg, *(const uint32_t *)y, NULL));
}

static int packages_list_modules(struct maker *m)
{
	const struct heap *heap = m->analysis->heap;
	const struct heap_synth *s =
		heap_synth(heap, heap_group(heap, HEAP_SYNTH_MODULES));
	int err = 0;

	for (uint32_t i = 0; i < s->count && !err; i++)
		err = vec_append(
			&m->loaded,
			&VEC(heap->synth_label, struct heap_synth_label)[s->first + i]
				 .name,
			sizeof(uint32_t));
	if (!err && m->loaded.size)
		qsort_r(m->loaded.data, VEC_COUNT(m->loaded, uint32_t), sizeof(uint32_t),
			packages_compare_names, (struct heap *)(uintptr_t)heap);
	return err;
}

static bool packages_is_module(const struct maker *m, const char *name, size_t size)
{
	size_t lo = 0, hi = VEC_COUNT(m->loaded, uint32_t);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *there = heap_string(m->analysis->heap,
						VEC(m->loaded, uint32_t)[mid], NULL);
		int order = strncmp(there, name, size);

		if (!order &&
		    (!there[size] ||
		     !strncmp(there + size, OTHER_INTERPRETER,
			      sizeof(OTHER_INTERPRETER) - 1)))
			return true;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* How much of a class's name is its module's or package's. */
static size_t packages_prefix(const struct maker *m, const char *name, size_t size)
{
	const char *point;

	if (!m->modules) {
		point = memchr(name, '.', size);
		return point ? (size_t)(point - name) : 0;
	}
	for (size_t end = size; (point = memrchr(name, '.', end));) {
		end = (size_t)(point - name);
		if (packages_is_module(m, name, end))
			return end;
	}
	point = memrchr(name, '.', size);
	return point ? (size_t)(point - name) : 0;
}

static int packages_of_types(struct maker *m)
{
	const struct heap *heap = m->analysis->heap;
	int err = vec_alloc(&m->of_type, ((size_t)heap->types + 1) * sizeof(uint32_t));

	for (uint32_t t = 1; t <= heap->types && !err; t++) {
		const struct heap_type *type = heap_type(heap, t);
		size_t size;
		const char *name = heap_string(heap, type->name, &size);
		size_t prefix = packages_prefix(m, name, size);
		uint32_t *of = (uint32_t *)m->of_type.data + t;

		*of = m->builtins;
		if (prefix)
			err = packages_find(m, name, prefix, of);
		struct place place = { type->node, *of };
		if (!err && type->node != HEAP_NONE && *of != m->builtins)
			err = vec_append(&m->place, &place, sizeof(place));
	}
	return err;
}

/* The dict of a module. */
static uint32_t packages_module_dict(const struct heap *heap, uint32_t module)
{
	struct heap_span refs = heap_refs(heap, module);

	for (uint32_t slot = 0; slot < refs.count; slot++) {
		struct heap_label label;

		heap_label(heap, module, slot, &label);
		if (refs.target[slot] < heap->objects && label.kind == SNAP_LABEL_DICT)
			return refs.target[slot];
		if (refs.target[slot] < heap->objects && label.kind == SNAP_LABEL_ATTR &&
		    !strcmp(heap_string(heap, label.name, NULL), "__dict__"))
			return refs.target[slot];
	}
	return HEAP_NONE;
}

static int packages_of_modules(struct maker *m)
{
	const struct heap *heap = m->analysis->heap;
	const struct heap_synth *s =
		heap_synth(heap, heap_group(heap, HEAP_SYNTH_MODULES));
	int err = 0;

	for (uint32_t i = 0; i < s->count && !err; i++) {
		uint32_t node = VEC(heap->synth_target, uint32_t)[s->first + i];
		uint32_t string =
			VEC(heap->synth_label, struct heap_synth_label)[s->first + i]
				.name;
		size_t size;
		const char *name = heap_string(heap, string, &size);
		const char *suffix = memmem(name, size, OTHER_INTERPRETER,
					    sizeof(OTHER_INTERPRETER) - 1);
		const char *point = m->modules ? NULL : memchr(name, '.', size);
		struct place place = { node, m->builtins };

		if (node >= heap->objects || heap_kind(heap, node) != SNAP_KIND_MODULE ||
		    !size)
			continue;
		size = suffix ? (size_t)(suffix - name) : size;
		err = packages_find(m, name, point ? (size_t)(point - name) : size,
				    &place.package);
		if (!err)
			err = vec_append(&m->place, &place, sizeof(place));
		place.node = packages_module_dict(heap, node);
		if (!err && place.node != HEAP_NONE)
			err = vec_append(&m->place, &place, sizeof(place));
	}
	return err;
}

static int packages_compare_places(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	return a->node < b->node ? -1 : a->node > b->node;
}

/* The package an object is of; that of builtins where it is of none. */
static uint32_t packages_of(const struct maker *m, uint32_t node)
{
	const struct heap *heap = m->analysis->heap;
	const struct place key = { .node = node };
	unsigned kind = node < heap->objects ? heap_kind(heap, node) : 0;
	const struct place *place = NULL;

	if (node >= heap->objects)
		return m->builtins;
	if ((kind == SNAP_KIND_TYPE || kind == SNAP_KIND_MODULE ||
	     kind == SNAP_KIND_DICT) &&
	    m->place.size)
		place = bsearch(&key, m->place.data, VEC_COUNT(m->place, struct place),
				sizeof(key), packages_compare_places);
	return place ? place->package :
		       VEC(m->of_type, uint32_t)[heap_type_of(heap, node)];
}

static void packages_enter(struct maker *m, uint32_t node, uint32_t own, uint32_t nearest)
{
	const struct analysis *a = m->analysis;
	struct package *all = m->packages->all.data;

	all[nearest].held += heap_size(a->heap, node);
	if (node >= a->heap->objects)
		return;
	struct package *p = &all[own];
	p->count++;
	p->size += heap_size(a->heap, node);
	if (p->node == HEAP_NONE ||
	    analysis_retained(a, node) > analysis_retained(a, p->node))
		p->node = node;
	if (((uint32_t *)m->open.data)[own]++ == 0)
		p->retained += analysis_retained(a, node);
}

static int packages_walk(struct maker *m, const struct progress *progress)
{
	struct analysis *a = m->analysis;
	const uint32_t *rows = a->child_row.data, *children = a->child.data;
	uint32_t root = heap_root(a->heap);
	struct vec stack = { 0 };
	struct step step = { root, rows[root], m->builtins };
	uint64_t done = 0;
	int err = vec_append(&stack, &step, sizeof(step));

	while (!err && stack.size) {
		struct step *top = (struct step *)((char *)stack.data + stack.size) - 1;

		if (top->next == rows[top->node + 1]) {
			if (top->node < a->heap->objects)
				((uint32_t *)m->open.data)[packages_of(m, top->node)]--;
			stack.size -= sizeof(step);
			continue;
		}
		uint32_t child = children[top->next++], own = packages_of(m, child);
		step = (struct step){ child, rows[child],
				      own == m->builtins ? top->package : own };
		assert(step.package < VEC_COUNT(m->packages->all, struct package));
		packages_enter(m, child, own, step.package);
		err = vec_append(&stack, &step, sizeof(step));
		if (!err && ++done % PROGRESS_EVERY == 0 &&
		    progress_step(progress, "by package", done, a->heap->nodes))
			err = -ECANCELED;
	}
	vec_free(&stack);
	return err;
}

static int packages_compare(const void *x, const void *y)
{
	const struct package *a = x, *b = y;

	if (a->held != b->held)
		return a->held > b->held ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

int packages_build(struct packages *packages, struct analysis *a, bool modules,
		   const struct progress *progress)
{
	struct maker m = { .packages = packages, .analysis = a, .modules = modules };
	struct heap_span span;
	int err = analysis_children(a, heap_root(a->heap), progress, &span);

	*packages = (struct packages){ 0 };
	if (!err)
		err = packages_find(&m, "builtins", strlen("builtins"), &m.builtins);
	if (!err)
		err = packages_list_modules(&m);
	if (!err)
		err = packages_of_types(&m);
	if (!err)
		err = packages_of_modules(&m);
	if (!err && m.place.size)
		qsort(m.place.data, VEC_COUNT(m.place, struct place),
		      sizeof(struct place), packages_compare_places);
	if (!err)
		err = vec_alloc(&m.open,
				VEC_COUNT(packages->all, struct package) *
					sizeof(uint32_t));
	if (!err)
		err = packages_walk(&m, progress);
	if (!err)
		qsort(packages->all.data, VEC_COUNT(packages->all, struct package),
		      sizeof(struct package), packages_compare);
	vec_free(&m.table);
	vec_free(&m.loaded);
	vec_free(&m.of_type);
	vec_free(&m.place);
	vec_free(&m.open);
	return err;
}
