/* SPDX-License-Identifier: MIT */
/*
 * profile - places as stacks (profile.h).
 *
 * Places with enough below them become frames; what the others have is their nearest such
 * holder's.  Then samples that are still too small move up, each to what the place above
 * has of its type; at the root all are kept.
 */
#include "viewer/document/profile.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/describe.h"
#include "viewer/name/hops.h"
#include "viewer/name/name.h"

/* Of the heap's bytes and of its objects: stacks with less of each are folded.  Bytes
 * are in few places, objects in many. */
#define FOLDED_BYTES 10000u
#define FOLDED_OBJECTS 2000u

struct maker {
	struct profile *p;
	const struct heap *heap;
	struct growth places;
	struct vec frame_of; /* u32 per place */
	struct vec leaf_of;  /* u32 per type: text + 1, 0 = not yet */
	struct vec count_of; /* u64 per place: objects of it and of all below */
	struct text scratch;
	struct profile_value enough; /* of any of these */
};

/* ---- what is enough ---- */

/* A power of two: the same for two heaps of nearly one size, whose difference is looked
 * at. */
static uint64_t profile_share(uint64_t whole, uint64_t parts)
{
	uint64_t share = whole / parts;

	while (share & (share - 1))
		share &= share - 1;
	return share ? share : 1;
}

static bool profile_is_enough(const struct maker *m, const struct profile_value *value)
{
	return value->count >= m->enough.count || value->shallow >= m->enough.shallow ||
		value->retained >= m->enough.retained;
}

/* Native memory is in no object: it counts as none. */
static uint64_t profile_objects(const struct maker *m, const struct signature *s)
{
	return heap_is_native(m->heap, s->example) ? 0 : s->count;
}

static int profile_count_all(struct maker *m)
{
	const struct signature *const s = VEC(m->places.signature, struct signature);
	const size_t count = VEC_COUNT(m->places.signature, struct signature);

	if (vec_alloc(&m->count_of, count * sizeof(uint64_t)))
		return -ENOMEM;
	uint64_t *const below = m->count_of.data;
	for (size_t i = 0; i < count; i++)
		below[i] = profile_objects(m, &s[i]);
	for (size_t i = count; i-- > 1;)
		below[s[i].parent] += below[i];
	return 0;
}

/* ---- steps ---- */

/* The name of a thread without its number: threads made for a job are one place. */
static void profile_add_thread(struct text *out, const struct heap *heap, uint32_t thread)
{
	struct text name = { 0 };
	bool in_number = false;

	describe_thread(&name, heap, thread);
	for (const char *c = text_get(&name); *c; c++) {
		const bool digit = *c >= '0' && *c <= '9';

		if (!digit || !in_number)
			text_add_bytes(out, digit ? "N" : c, 1);
		in_number = digit;
	}
	text_free(&name);
}

/* What a root group, thread or frame has: its name in there, or its type. */
static void profile_step_of_root(struct text *out, const struct heap *heap,
				 uint32_t holder, uint32_t node)
{
	struct heap_label label;

	heap_label(heap, holder, heap_slot(heap, holder, node), &label);
	if (heap_synth(heap, holder)->kind >= HEAP_SYNTH_GROUP_COUNT)
		text_add(out, HOPS_INTO);
	if (label.root_kind == SNAP_ROOT_STACK)
		text_add(out, "temporary");
	else if (label.name)
		describe_string(out, heap, label.name);
	else if (label.root_kind == SNAP_ROOT_EXCEPTION)
		text_add(out, "exception");
	else
		describe_type(out, heap, heap_type_of(heap, node));
}

static void profile_step_of_synth(struct text *out, const struct heap *heap,
				  uint32_t node)
{
	const struct heap_synth *const s = heap_synth(heap, node);

	switch (s->kind) {
	case HEAP_SYNTH_ROOT:
		text_add(out, "(GC roots)");
		break;
	case HEAP_SYNTH_THREAD:
		profile_add_thread(out, heap, s->ref);
		break;
	case HEAP_SYNTH_FRAME:
		text_add(out, HOPS_INTO);
		describe_function(out, heap, s->ref);
		break;
	default:
		text_add(out, heap_group_name(s->kind));
	}
}

static void profile_step_merged(struct text *out, const struct heap_label *label)
{
	text_add(out,
		 label->kind == SNAP_LABEL_KEY		   ? ".keys()" :
			 label->kind == SNAP_LABEL_ELEMENT ? "{element}" :
							     "[*]");
}

/* The key of a __dict__ is an attribute of what has the __dict__. */
static void profile_step_attribute(struct text *out, const struct heap *heap,
				   const struct heap_label *label)
{
	struct heap_value key;

	text_add(out, ".");
	if (label->name)
		describe_string(out, heap, label->name);
	else if (label->key < heap->objects && heap_value(heap, label->key, &key))
		text_escape(out, key.text, key.size, PROFILE_NAME, 0);
}

static bool profile_is_dict(const struct maker *m, const struct signature *s)
{
	const uint32_t holder = analysis_parent(m->p->analysis, s->example);
	struct heap_label label;

	if (s->example >= m->heap->objects || holder >= m->heap->objects)
		return false;
	heap_label(m->heap, holder, heap_slot(m->heap, holder, s->example), &label);
	return label.kind == SNAP_LABEL_DICT;
}

/* Appends the step to a place; nothing where it adds no frame. */
static void profile_add_step(const struct maker *m, const struct signature *s,
			     struct text *out)
{
	const struct signature *const all = VEC(m->places.signature, struct signature);
	const uint32_t node = s->example;
	const uint32_t holder = analysis_parent(m->p->analysis, node);
	struct heap_label label;

	if (heap_is_native(m->heap, node))
		return;
	if (node >= m->heap->objects) {
		profile_step_of_synth(out, m->heap, node);
		return;
	}
	if (holder >= m->heap->objects) {
		profile_step_of_root(out, m->heap, holder, node);
		return;
	}
	heap_label(m->heap, holder, heap_slot(m->heap, holder, node), &label);
	if (label.kind == SNAP_LABEL_DICT)
		return;
	if (s->merged)
		profile_step_merged(out, &label);
	else if (label.kind == SNAP_LABEL_VALUE && profile_is_dict(m, &all[s->parent]))
		profile_step_attribute(out, m->heap, &label);
	else
		describe_label(out, m->heap, &label);
	if (!text_len(out)) {
		text_add(out, " -> ");
		describe_type(out, m->heap, heap_type_of(m->heap, node));
	}
}

/* ---- frames and samples by what they are of ---- */

static uint32_t profile_take_text(struct maker *m)
{
	const uint32_t n =
		intern_add(&m->p->text, text_get(&m->scratch), text_len(&m->scratch));
	const bool failed = m->scratch.err;

	text_clear(&m->scratch);
	return failed ? INTERN_FAILED : n;
}

static size_t profile_hash(uint32_t a, uint32_t b)
{
	uint64_t hash = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15ull;

	return (size_t)(hash ^ hash >> 31);
}

/* Both arrays begin with the two numbers they are found by. */
static uint32_t *profile_slot(const struct profile *p, const struct vec *rows,
			      size_t width, uint32_t a, uint32_t b)
{
	uint32_t *const slots = p->slot.data;
	const size_t mask = VEC_COUNT(p->slot, uint32_t) - 1;
	size_t i = profile_hash(a, b) & mask;

	for (; slots[i]; i = (i + 1) & mask) {
		const uint32_t *const key =
			(const void *)((const char *)rows->data + (slots[i] - 1) * width);

		if (key[0] == a && key[1] == b)
			break;
	}
	return &slots[i];
}

static int profile_slots_grow(struct profile *p, const struct vec *rows, size_t width)
{
	const size_t count = rows->size / width;
	size_t slots = 1024;

	while (slots < 4 * count)
		slots *= 2;
	vec_free(&p->slot);
	if (vec_alloc(&p->slot, slots * sizeof(uint32_t)))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const uint32_t *const key =
			(const void *)((const char *)rows->data + i * width);

		*profile_slot(p, rows, width, key[0], key[1]) = (uint32_t)i + 1;
	}
	return 0;
}

/* The number of the row with the same two first members, which is appended if there is
 * none. */
static int profile_find(struct profile *p, struct vec *rows, const void *row,
			size_t width, uint32_t *ret)
{
	const uint32_t *const key = row;

	if (2 * (rows->size / width + 1) > VEC_COUNT(p->slot, uint32_t) &&
	    profile_slots_grow(p, rows, width))
		return -ENOMEM;
	uint32_t *const slot = profile_slot(p, rows, width, key[0], key[1]);
	if (!*slot) {
		if (vec_append(rows, row, width))
			return -ENOMEM;
		*slot = (uint32_t)(rows->size / width);
	}
	*ret = *slot - 1;
	return 0;
}

static void profile_value_add(struct profile_value *to, const struct profile_value *from)
{
	to->count += from->count;
	to->shallow += from->shallow;
	to->retained += from->retained;
}

int profile_add_sample(struct profile *p, uint32_t frame, uint32_t leaf,
		       const struct profile_value *value)
{
	const struct profile_sample fresh = { .frame = frame, .leaf = leaf };
	uint32_t at = 0;
	const int err = profile_find(p, &p->sample, &fresh, sizeof(fresh), &at);

	if (!err)
		profile_value_add(&VEC(p->sample, struct profile_sample)[at].value,
				  value);
	return err;
}

/* ---- from places ---- */

static int profile_enter(struct maker *m, uint32_t place, uint32_t *ret)
{
	const struct signature *const s =
		&VEC(m->places.signature, struct signature)[place];
	const uint32_t parent = place ? VEC(m->frame_of, uint32_t)[s->parent] : 0;
	const uint32_t depth =
		place ? VEC(m->p->frame, struct profile_frame)[parent].depth + 1 : 0;
	struct profile_frame frame = { .parent = parent, .depth = depth };
	/* the objects' bytes are no more than all bytes */
	const struct profile_value below = { VEC(m->count_of, uint64_t)[place], s->total,
					     s->total };

	*ret = parent;
	if (depth >= PROFILE_DEPTH || (place && !profile_is_enough(m, &below)))
		return 0;
	profile_add_step(m, s, &m->scratch);
	if (!text_len(&m->scratch))
		return m->scratch.err;
	frame.step = profile_take_text(m);
	if (frame.step == INTERN_FAILED)
		return -ENOMEM;
	return profile_find(m->p, &m->p->frame, &frame, sizeof(frame), ret);
}

/* What a place's objects are. */
static uint32_t profile_leaf_of(struct maker *m, const struct signature *s)
{
	uint32_t *const known = &VEC(m->leaf_of, uint32_t)[s->type];

	if (s->type && *known)
		return *known - 1;
	text_add(&m->scratch, "<"); /* a class is a place by the same name */
	if (s->type)
		describe_type(&m->scratch, m->heap, s->type);
	else
		describe_native_kind(&m->scratch, m->heap, s->example);
	text_add(&m->scratch, ">");
	const uint32_t text = profile_take_text(m);
	if (text != INTERN_FAILED)
		*known = text + 1;
	return text;
}

static int profile_enter_all(struct maker *m)
{
	const size_t count = VEC_COUNT(m->places.signature, struct signature);
	int err = vec_alloc(&m->frame_of, count * sizeof(uint32_t));

	for (uint32_t i = 0; i < count && !err; i++)
		err = profile_enter(m, i, &VEC(m->frame_of, uint32_t)[i]);
	vec_free(&m->p->slot);
	return err;
}

static int profile_sample_all(struct maker *m)
{
	const struct signature *const s = VEC(m->places.signature, struct signature);
	int err = 0;

	for (size_t i = 0; i < VEC_COUNT(m->places.signature, struct signature) && !err;
	     i++) {
		const struct profile_value value = { profile_objects(m, &s[i]),
						     s[i].shallow, s[i].size };
		const uint32_t leaf = s[i].count ? profile_leaf_of(m, &s[i]) : 0;

		if (leaf == INTERN_FAILED)
			err = -ENOMEM;
		else if (s[i].count)
			err = profile_add_sample(m->p, VEC(m->frame_of, uint32_t)[i],
						 leaf, &value);
	}
	return err;
}

/* ---- small ones ---- */

/* The samples of each frame: index + 1 of the first, and of the next after each. */
struct lists {
	struct vec head, next;
};

static int profile_list(const struct profile *p, struct lists *l, uint32_t sample)
{
	const uint32_t frame = VEC(p->sample, struct profile_sample)[sample].frame;
	const int err = vec_push_u32(&l->next, VEC(l->head, uint32_t)[frame]);

	VEC(l->head, uint32_t)[frame] = sample + 1;
	return err;
}

/* It joins what the place above has of its type. */
static int profile_move_up(struct profile *p, struct lists *l, uint32_t sample)
{
	const uint32_t before = (uint32_t)profile_samples(p);
	struct profile_sample *const at = VEC(p->sample, struct profile_sample) + sample;
	const struct profile_sample moved = *at;
	const uint32_t parent = VEC(p->frame, struct profile_frame)[moved.frame].parent;

	at->value = (struct profile_value){ 0 };
	const int err = profile_add_sample(p, parent, moved.leaf, &moved.value);

	if (err || profile_samples(p) == before)
		return err;
	return profile_list(p, l, before);
}

/* What is left: no small ones but at the root. */
static void profile_drop_moved(struct profile *p)
{
	struct profile_sample *const s = VEC(p->sample, struct profile_sample);
	size_t kept = 0;

	for (size_t i = 0; i < profile_samples(p); i++)
		if (s[i].value.count || s[i].value.shallow || s[i].value.retained)
			s[kept++] = s[i];
	p->sample.size = kept * sizeof(*s);
}

/*
 * What a place has too little of goes to the place above, by type, and on from there.  So
 * a type's sum over all stacks doesn't depend on what is small: the difference of two
 * profiles tells of it what is true.
 */
static int profile_fold(struct maker *m)
{
	struct profile *const p = m->p;
	struct lists l = { 0 };
	int err = vec_alloc(&l.head, profile_frames(p) * sizeof(uint32_t));

	for (uint32_t i = 0; i < profile_samples(p) && !err; i++)
		err = profile_list(p, &l, i);
	for (uint32_t f = profile_frames(p); f-- > 1 && !err;)
		for (uint32_t i = VEC(l.head, uint32_t)[f]; i && !err;
		     i = VEC(l.next, uint32_t)[i - 1])
			if (!profile_is_enough(
				    m,
				    &VEC(p->sample, struct profile_sample)[i - 1].value))
				err = profile_move_up(p, &l, i - 1);
	vec_free(&l.head);
	vec_free(&l.next);
	vec_free(&p->slot);
	if (!err)
		profile_drop_moved(p);
	return err;
}

/* ---- the order of the tree ---- */

/* Positions of frames in a walk of the tree; the caller frees them. NULL: no memory. */
static uint32_t *profile_positions(const struct profile *p)
{
	const struct profile_frame *const frame = VEC(p->frame, struct profile_frame);
	const uint32_t count = profile_frames(p);
	uint32_t *const at = calloc(2 * (size_t)count, sizeof(*at)),
			*const size = at ? at + count : NULL;

	for (uint32_t f = at ? count : 0; f-- > 1;)
		size[frame[f].parent] += size[f] + 1;
	/* from here on size is where the next child begins, before its parent's end */
	for (uint32_t f = 1; at && f < count; f++) {
		const uint32_t below = size[f], parent = frame[f].parent;

		at[f] = at[parent] + size[parent] - below;
		size[parent] -= below + 1;
	}
	return at;
}

static int profile_compare(const void *a, const void *b, void *arg)
{
	const struct profile_sample *const x = a, *const y = b;
	const uint32_t *const at = arg;

	if (x->frame != y->frame)
		return at[x->frame] < at[y->frame] ? -1 : 1;
	return x->leaf < y->leaf ? -1 : x->leaf > y->leaf;
}

int profile_sort(struct profile *p)
{
	uint32_t *const at = profile_positions(p);

	if (!at)
		return -ENOMEM;
	if (profile_samples(p))
		qsort_r(p->sample.data, profile_samples(p), sizeof(struct profile_sample),
			profile_compare, at);
	free(at);
	return 0;
}

int profile_make(struct analysis *analysis, const struct progress *progress,
		 struct profile *ret)
{
	struct maker m = {
		.p = ret,
		.heap = analysis->heap,
		.enough = { profile_share(analysis->heap->objects, FOLDED_OBJECTS),
			    profile_share(analysis->heap->size, FOLDED_BYTES),
			    profile_share(analysis_total(analysis), FOLDED_BYTES) }
	};
	int err;

	*ret = (struct profile){ .analysis = analysis };
	err = growth_build_places(analysis, progress, &m.places);
	if (!err)
		err = vec_alloc(&m.leaf_of,
				((size_t)m.heap->types + 1) * sizeof(uint32_t));
	if (!err)
		err = profile_count_all(&m);
	if (!err)
		err = profile_enter_all(&m);
	if (!err)
		err = profile_sample_all(&m);
	if (!err)
		err = profile_fold(&m);
	if (!err)
		err = profile_sort(ret);
	growth_free(&m.places);
	vec_free(&m.frame_of);
	vec_free(&m.leaf_of);
	vec_free(&m.count_of);
	text_free(&m.scratch);
	return err;
}

void profile_free(struct profile *p)
{
	intern_deinit(&p->text);
	vec_free(&p->frame);
	vec_free(&p->sample);
	vec_free(&p->slot);
}

/* ---- names ---- */

uint32_t profile_stack(const struct profile *p, const struct profile_sample *sample,
		       uint32_t *ret)
{
	const struct profile_frame *const frame = VEC(p->frame, struct profile_frame);
	const uint32_t depth = frame[sample->frame].depth;

	assert(depth < PROFILE_DEPTH);
	for (uint32_t f = sample->frame, i = depth + 1; i-- > 0; f = frame[f].parent)
		ret[i] = f;
	return depth + 1;
}

void profile_leaf(struct text *out, const struct profile *p, uint32_t leaf)
{
	size_t size;
	const char *const text = intern_text(&p->text, leaf, &size);

	text_add_bytes(out, text, size);
}

void profile_step(struct text *out, const struct profile *p, uint32_t frame)
{
	profile_leaf(out, p, VEC(p->frame, struct profile_frame)[frame].step);
}

/* From the module, thread or root on: the groups' names are frames of their own, and
 * are only in the names of what has none without them. */
void profile_name(struct text *out, const struct profile *p, uint32_t frame)
{
	const struct profile_sample sample = { .frame = frame };
	uint32_t stack[PROFILE_DEPTH];
	const uint32_t count = profile_stack(p, &sample, stack);
	struct text whole = { 0 };

	if (p->of == PROFILE_OF_SITES) { /* a line is one thing, however it was called */
		profile_step(out, p, frame);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		profile_step(&whole, p, stack[i]);
		if (i + 1 == count || i > 1)
			continue;
		if (!strcmp(text_get(&whole), heap_group_name(HEAP_SYNTH_MODULES)) ||
		    !strcmp(text_get(&whole), heap_group_name(HEAP_SYNTH_THREADS)) || !i)
			text_clear(&whole);
		else
			text_add(&whole, " ");
	}
	name_cut(out, text_get(&whole), PROFILE_NAME);
	text_free(&whole);
}
