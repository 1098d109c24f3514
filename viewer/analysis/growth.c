/* SPDX-License-Identifier: MIT */
/*
 * growth - objects by path signature (growth.h).
 *
 * One walk over the tree of shortest paths, holders before what they hold.  A
 * holder's references are gone through once, so that the label of each child is
 * known without looking for it.
 */
#include "viewer/analysis/growth.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "viewer/model/native_node.h"

#define FOLD_STEPS 4
#define ROUNDS 16 /* a large dict in a large dict takes one more */

/* Where a dict is large in one of the snapshots that are compared. */
struct wide {
	struct vec hash; /* u64 hashes of signatures, a power of two; 0: free */
	size_t count;
};

struct builder {
	const struct analysis *a;
	const struct heap *heap;
	const struct progress *progress;
	struct growth *growth;
	struct vec queue;     /* u32 nodes */
	struct vec of;	      /* u32 per node: index of its signature + 1; 0 = not
				 * yet */
	struct vec type_hash; /* u64 per type */
	struct wide *wide;    /* NULL where literal */
	bool literal;	      /* keys are labels where a program's text has them */
};

static uint64_t growth_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 31;
}

static uint64_t growth_hash_bytes(uint64_t hash, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return growth_mix(hash, size);
}

static uint64_t growth_hash_string(const struct heap *heap, uint64_t hash,
				   uint32_t string)
{
	size_t size;
	const char *text = heap_string(heap, string, &size);

	return growth_hash_bytes(hash, text, size);
}

/* Threads made for a job have a number in their names; their places are the same. */
static uint64_t growth_hash_numbered(const struct heap *heap, uint64_t hash,
				     uint32_t string)
{
	const char *text = heap_string(heap, string, NULL);
	bool in_number = false;

	for (; *text; text++) {
		bool digit = *text >= '0' && *text <= '9';

		if (!digit || !in_number)
			hash = growth_hash_bytes(hash, digit ? "0" : text, 1);
		in_number = digit;
	}
	return hash;
}

/* ---- where dicts are large ---- */

static uint64_t *growth_wide_slot(const struct wide *wide, uint64_t hash)
{
	uint64_t *table = wide->hash.data;
	size_t mask = VEC_COUNT(wide->hash, uint64_t) - 1, i = (hash >> 20) & mask;

	while (table[i] && table[i] != hash)
		i = (i + 1) & mask;
	return &table[i];
}

static bool growth_wide_has(const struct wide *wide, uint64_t hash)
{
	return wide->count && *growth_wide_slot(wide, hash | 1);
}

static int growth_wide_add(struct wide *wide, uint64_t hash)
{
	const size_t slots = VEC_COUNT(wide->hash, uint64_t);
	struct wide larger = { .count = wide->count };

	if (2 * (wide->count + 1) > slots) {
		if (vec_alloc(&larger.hash, (slots ? 2 * slots : 1024) * sizeof(hash)))
			return -ENOMEM;
		for (size_t i = 0; i < slots; i++) {
			const uint64_t old = VEC(wide->hash, uint64_t)[i];

			if (old)
				*growth_wide_slot(&larger, old) = old;
		}
		vec_free(&wide->hash);
		*wide = larger;
	}
	uint64_t *slot = growth_wide_slot(wide, hash | 1);
	wide->count += !*slot;
	*slot = hash | 1;
	return 0;
}

/* ---- labels ---- */

static bool growth_namespace(const struct builder *b, uint32_t dict)
{
	const struct heap *heap = b->heap;
	uint32_t parent = analysis_parent(b->a, dict);
	struct heap_label label;

	if (parent >= heap->objects || heap_kind(heap, parent) == SNAP_KIND_DICT ||
	    heap_kind(heap, parent) == SNAP_KIND_LIST)
		return false;
	heap_label(heap, parent, heap_slot(heap, parent, dict), &label);
	return label.kind == SNAP_LABEL_DICT;
}

/* Whether the keys of a dict are labels. */
static int growth_keys(struct builder *b, uint32_t dict, bool *ret)
{
	struct signature *place = (struct signature *)b->growth->signature.data +
		VEC(b->of, uint32_t)[dict] - 1;
	const bool large = heap_refs(b->heap, dict).count > 2 * GROWTH_SMALL_DICT;

	*ret = true;
	if (b->literal || (large && growth_namespace(b, dict)))
		return 0;
	if (large || growth_wide_has(b->wide, place->hash)) {
		*ret = false;
		return growth_wide_add(b->wide, place->hash);
	}
	place->keyed = 1;
	return 0;
}

/* Whether a key may be a label. */
static bool growth_names(const struct builder *b, uint32_t key)
{
	return key < b->heap->objects &&
		(!b->literal || heap_class_of(b->heap, key)->flags & SNAP_OBJ_INTERNED);
}

static uint64_t growth_hash_label(const struct builder *b, const struct heap_label *label,
				  bool keys, uint32_t *merged)
{
	const struct heap *heap = b->heap;
	struct heap_value v;
	uint64_t hash = growth_mix(label->kind, 1);

	*merged = label->kind == SNAP_LABEL_INDEX || label->kind == SNAP_LABEL_KEY ||
		label->kind == SNAP_LABEL_ELEMENT ||
		(label->kind == SNAP_LABEL_VALUE && !label->name);
	if (label->kind == SNAP_LABEL_VALUE && keys && growth_names(b, label->key) &&
	    heap_value(heap, label->key, &v) && v.size) {
		*merged = 0;
		return growth_hash_bytes(hash, v.text, v.size);
	}
	return label->name ? growth_hash_string(heap, hash, label->name) : hash;
}

static uint64_t growth_hash_synth(const struct heap *heap, uint32_t node)
{
	const struct heap_synth *s = heap_synth(heap, node);
	uint64_t hash = growth_mix(s->kind, 2);

	if (s->kind == HEAP_SYNTH_THREAD)
		return growth_hash_numbered(
			heap, hash, VEC(heap->thread, struct snap_thread)[s->ref].name);
	if (s->kind == HEAP_SYNTH_FRAME) {
		const struct snap_frame *f = &VEC(heap->frame, struct snap_frame)[s->ref];

		return growth_hash_string(
			heap, growth_hash_string(heap, hash, f->function), f->file);
	}
	return hash;
}

/* ---- signatures ---- */

static uint32_t *growth_slot_of(const struct growth *g, uint64_t hash)
{
	uint32_t *table = g->table.data;
	size_t mask = VEC_COUNT(g->table, uint32_t) - 1, i = (hash >> 20) & mask;

	while (table[i] && VEC(g->signature, struct signature)[table[i] - 1].hash != hash)
		i = (i + 1) & mask;
	return &table[i];
}

static int growth_table_grow(struct growth *g)
{
	size_t count = VEC_COUNT(g->signature, struct signature);
	size_t slots = VEC_COUNT(g->table, uint32_t) * 4;
	struct vec old = g->table;

	g->table = (struct vec){ 0 };
	if (vec_alloc(&g->table, (slots ? slots : 16384) * sizeof(uint32_t))) {
		g->table = old;
		return -ENOMEM;
	}
	vec_free(&old);
	for (uint32_t i = 0; i < count; i++)
		*growth_slot_of(g, VEC(g->signature, struct signature)[i].hash) = i + 1;
	return 0;
}

const struct signature *growth_find(const struct growth *growth, uint64_t hash)
{
	uint32_t at = growth->table.size ? *growth_slot_of(growth, hash) : 0;

	return at ? VEC(growth->signature, struct signature) + at - 1 : NULL;
}

/* A step that repeats one up to four above, it and its holder's, is the same place in a
 * longer chain. */
static uint32_t growth_fold(const struct builder *b, uint32_t parent, uint64_t label,
			    uint32_t type)
{
	const struct signature *s = b->growth->signature.data;

	const struct signature *holder = &s[parent];

	for (int i = 0; i < FOLD_STEPS && parent; i++, parent = s[parent].parent)
		if (s[parent].label == label && s[parent].type == type &&
		    s[s[parent].parent].type == holder->type &&
		    s[s[parent].parent].label == holder->label &&
		    s[parent].example < b->heap->objects)
			return parent;
	return UINT32_MAX;
}

static int growth_intern(struct builder *b, const struct signature *s, uint32_t *ret)
{
	struct growth *g = b->growth;
	size_t count = VEC_COUNT(g->signature, struct signature);
	int err = 0;

	if (2 * (count + 1) > VEC_COUNT(g->table, uint32_t))
		err = growth_table_grow(g);
	if (err)
		return err;
	uint32_t *slot = growth_slot_of(g, s->hash);
	if (!*slot && count >= GROWTH_MAX_SIGNATURES) {
		g->truncated = true;
		*ret = s->parent;
		return 0;
	}
	if (!*slot) {
		if (vec_append(&g->signature, s, sizeof(*s)))
			return -ENOMEM;
		*slot = (uint32_t)count + 1;
	}
	*ret = *slot - 1;
	return 0;
}

/* Bytes that are a node's own. */
static uint64_t growth_size(const struct heap *heap, uint32_t node)
{
	if (heap_is_native(heap, node))
		return native_node_own(heap, node);
	return heap_size(heap, node) -
		(heap->native.size && !heap->python_only && node < heap->objects ?
			 native_node_inside(heap, node) :
			 0);
}

static int growth_place(struct builder *b, uint32_t node, uint32_t parent, uint64_t label,
			uint32_t merged)
{
	uint32_t type = heap_type_of(b->heap, node), at;
	struct signature s = { .label = label,
			       .parent = parent,
			       .type = type,
			       .example = node,
			       .merged = merged != 0 };
	int err = 0;

	at = node < b->heap->objects ? growth_fold(b, parent, label, type) : UINT32_MAX;
	if (at == UINT32_MAX) {
		s.hash = growth_mix(
			growth_mix(
				VEC(b->growth->signature, struct signature)[parent].hash,
				label),
			VEC(b->type_hash, uint64_t)[type]);
		err = growth_intern(b, &s, &at);
	}
	if (err)
		return err;
	struct signature *found = (struct signature *)b->growth->signature.data + at;
	if (node < b->heap->objects || heap_is_native(b->heap, node)) {
		found->count++;
		found->size += growth_size(b->heap, node);
		found->shallow += heap_size(b->heap, node);
	}
	VEC(b->of, uint32_t)[node] = at + 1;
	return vec_push_u32(&b->queue, node);
}

/* ---- the walk ---- */

static bool growth_is_child(const struct builder *b, uint32_t node, uint32_t to)
{
	return to < b->heap->nodes && analysis_parent(b->a, to) == node &&
		!VEC(b->of, uint32_t)[to];
}

static int growth_visit(struct builder *b, uint32_t node)
{
	const struct heap *heap = b->heap;
	struct heap_span refs = heap_refs(heap, node);
	uint32_t parent = VEC(b->of, uint32_t)[node] - 1,
		 type = heap_type_edge(heap, node), merged;
	bool keys = false;
	int err = 0;

	if (node < heap->objects && heap_kind(heap, node) == SNAP_KIND_DICT)
		err = growth_keys(b, node, &keys);
	for (uint32_t i = 0; i < refs.count && !err; i++) {
		struct heap_label label;
		uint32_t to = refs.target[i];

		if (!growth_is_child(b, node, to))
			continue;
		heap_label(heap, node, i, &label);
		uint64_t hash = growth_hash_label(b, &label, keys, &merged);
		if (node >= heap->objects)
			hash = growth_mix(hash, label.root_kind);
		if (to >= heap->objects)
			hash = growth_hash_synth(heap, to);
		err = growth_place(b, to, parent, hash, merged);
	}
	if (!err && growth_is_child(b, node, type))
		err = growth_place(b, type, parent, growth_mix(SNAP_LABEL_TYPE, 1), 0);
	return err;
}

/* Native memory, also what no object or several are known to own: below the one that has
 * it on its shortest path, a place for each source. */
static int growth_walk_native(struct builder *b)
{
	const struct heap *heap = b->heap;
	int err = 0;

	for (uint32_t n = heap_native_base(heap);
	     n < heap->nodes && !heap->python_only && !err; n++) {
		const uint32_t of = VEC(b->of, uint32_t)[analysis_parent(b->a, n)];

		err = growth_place(b, n, of ? of - 1 : 0,
				   growth_hash_string(heap,
						      growth_mix(HEAP_SYNTH_NATIVE, 2),
						      heap_native_at(heap, n)->source),
				   0);
	}
	return err;
}

static int growth_walk(struct builder *b)
{
	uint32_t root = heap_root(b->heap);
	struct signature top = { .hash = 1, .example = root };
	int err = vec_append(&b->growth->signature, &top, sizeof(top));

	VEC(b->of, uint32_t)[root] = 1;
	if (!err)
		err = vec_push_u32(&b->queue, root);
	for (size_t i = 0; i < VEC_COUNT(b->queue, uint32_t) && !err; i++) {
		if (i % (4 * PROGRESS_EVERY) == 0)
			err = progress_step(b->progress, "path signatures", i,
					    b->heap->nodes);
		if (!err)
			err = growth_visit(b, VEC(b->queue, uint32_t)[i]);
	}
	return err ? err : growth_walk_native(b);
}

static void growth_add_totals(struct growth *g)
{
	struct signature *s = g->signature.data;
	size_t count = VEC_COUNT(g->signature, struct signature);

	for (size_t i = 0; i < count; i++)
		s[i].total = s[i].size;
	for (size_t i = count; i-- > 1;)
		s[s[i].parent].total += s[i].total;
}

static int growth_build_with(const struct analysis *analysis,
			     const struct progress *progress, struct wide *wide,
			     struct growth *ret)
{
	const struct heap *heap = analysis->heap;
	struct builder b = { .a = analysis,
			     .heap = heap,
			     .progress = progress,
			     .growth = ret,
			     .wide = wide,
			     .literal = !wide };
	int err;

	assert(analysis->heap == heap);
	*ret = (struct growth){ 0 };
	err = vec_alloc(&b.of, (size_t)heap->nodes * sizeof(uint32_t));
	if (!err)
		err = vec_alloc(&b.type_hash,
				((size_t)heap->types + 1) * sizeof(uint64_t));
	for (uint32_t t = 1; t <= heap->types && !err; t++) {
		uint64_t *hash = VEC(b.type_hash, uint64_t) + t;

		*hash = growth_hash_string(heap, 7, heap_type(heap, t)->name);
	}
	if (!err)
		err = growth_walk(&b);
	if (!err)
		growth_add_totals(ret);
	vec_free(&b.queue);
	vec_free(&b.of);
	vec_free(&b.type_hash);
	return err;
}

/* Whether keys were labels where some dict was found large after that. */
static bool growth_is_stale(const struct growth *g, const struct wide *wide)
{
	const struct signature *s = g->signature.data;

	for (size_t i = 0; i < VEC_COUNT(g->signature, struct signature); i++)
		if (s[i].keyed && growth_wide_has(wide, s[i].hash))
			return true;
	return false;
}

int growth_build_all(const struct analysis *const *analysis, size_t count,
		     const struct progress *progress, struct growth *ret)
{
	struct wide wide = { 0 };
	bool again = true;
	int err = 0;

	memset(ret, 0, count * sizeof(*ret));
	for (int round = 0; round < ROUNDS && again && !err; round++) {
		again = false;
		for (size_t i = 0; i < count && !err; i++) {
			if (round && !growth_is_stale(&ret[i], &wide))
				continue;
			growth_free(&ret[i]);
			err = growth_build_with(analysis[i], progress, &wide, &ret[i]);
			again = true;
		}
	}
	vec_free(&wide.hash);
	return err;
}

int growth_build_places(const struct analysis *analysis, const struct progress *progress,
			struct growth *ret)
{
	return growth_build_with(analysis, progress, NULL, ret);
}

void growth_free(struct growth *growth)
{
	vec_free(&growth->signature);
	vec_free(&growth->table);
}
