/* SPDX-License-Identifier: MIT */
/*
 * suspects - where memory accumulates (suspects.h).
 *
 * A chain of like nodes (a linked list) keeps nearly all of its memory at every
 * step; its accumulation point is its first link, not the last of a thousand
 * steps: runs whose types repeat with a period of up to three are cut there.
 */
#include "viewer/analysis/suspects.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/branched.h"
#include "viewer/analysis/context_var.h"
#include "viewer/analysis/crowd.h"
#include "viewer/analysis/holder.h"
#include "viewer/analysis/inside.h"
#include "viewer/analysis/linked.h"
#include "viewer/analysis/suspect_group.h"
#include "viewer/analysis/sharing.h"
#include "viewer/analysis/suspect_merge.h"
#include "viewer/analysis/suspects_internal.h"
#include "viewer/analysis/unheld.h"
#include "viewer/analysis/usual.h"
#include "viewer/analysis/weight.h"

#define DROP_RATIO 0.7
#define MINOR_PART 5u /* of the threshold: what is named after the suspects */
#define MAX_STEPS 1000u
#define RUN_STEPS 24u /* so many equal steps make a chain */
#define SAMPLES 10000u
#define FEW_MEMBERS 10u /* so few have no holder of their own */
#define MOST_OTHERS 10u /* one in so many may lie elsewhere */
#define ELEMENT_STEPS 8u
#define MOST_NAMED 3u /* so many containers of a dict may be told apart by their keys */

static bool suspects_synthetic(const struct heap *heap, uint32_t node)
{
	return node >= heap->objects;
}

/* ---- single ---- */

/* A namespace: its children have names of their own, they are no elements. */
static bool suspects_named_parts(const struct finder *f, uint32_t node)
{
	uint32_t parent = analysis_parent(f->a, node);
	struct heap_label label;

	if (node >= f->heap->objects)
		return false;
	switch (heap_kind(f->heap, node)) {
	case SNAP_KIND_MODULE:
	case SNAP_KIND_TYPE:
	case SNAP_KIND_FRAME:
	case SNAP_KIND_GENERATOR: /* a coroutine, too: its local variables */
		return true;
	case SNAP_KIND_DICT:
		if (parent >= f->heap->objects)
			return false;
		heap_label(f->heap, parent, heap_slot(f->heap, parent, node), &label);
		return label.kind == SNAP_LABEL_DICT;
	default:
		return false;
	}
}

/* A module's variables are no link of a list of dicts. */
static bool suspects_alike(const struct finder *f, uint32_t a, uint32_t b)
{
	return heap_namesake_of(f->heap, a) == heap_namesake_of(f->heap, b) &&
		suspects_named_parts(f, a) == suspects_named_parts(f, b);
}

/* First step of the run of like types that the walk ends with; length when there is
 * none. */
static uint32_t suspects_run_start(const struct finder *f, const uint32_t *walk,
				   uint32_t length)
{
	for (uint32_t period = 1; period <= 3; period++) {
		uint32_t i = length;

		while (i > period && suspects_alike(f, walk[i - 1], walk[i - 1 - period]))
			i--;
		if (length - i >= RUN_STEPS)
			return i - period;
	}
	return length;
}

/* Objects of the point's type on the way down from it, largest child after child. */
static int suspects_count_chain(struct finder *f, struct suspect *s)
{
	struct heap_span children = { 0 };
	int err = 0;

	s->member_type = heap_namesake_of(f->heap, s->point);
	for (uint32_t node = s->point;; node = children.target[0]) {
		if (heap_namesake_of(f->heap, node) == s->member_type) {
			s->member_count++;
			s->member_retained += heap_shallow(f->heap, node);
		}
		err = weight_children(&f->weights, node, &children);
		if (err || !children.count)
			return err;
	}
}

/* What most of a node's children are, by type; those that retain `most` are left out. */
static int suspects_find_members(struct finder *f, struct suspect *s, uint64_t most)
{
	struct vec sums = { 0 };
	struct heap_span children;
	int err = weight_children(&f->weights, s->point, &children);

	if (!err)
		err = vec_alloc(&sums,
				((size_t)f->heap->types + 1) * 2 * sizeof(uint64_t));
	if (err)
		return err;
	uint64_t *sum = sums.data;
	for (uint32_t i = 0; i < children.count; i++) {
		uint32_t type = heap_namesake_of(f->heap, children.target[i]);
		uint64_t retained = weight_of(&f->weights, children.target[i]);

		if (retained >= most || heap_is_native(f->heap, children.target[i]))
			continue;
		sum[2 * type] += retained;
		sum[2 * type + 1]++;
	}
	for (uint32_t t = 1; t <= f->heap->types; t++)
		if (sum[2 * t] > s->member_retained) {
			s->member_retained = sum[2 * t];
			s->member_count = sum[2 * t + 1];
			s->member_type = t;
		}
	vec_free(&sums);
	s->chain = s->member_type &&
		linked_in_a_list(f->a, s->point, children, s->member_type);
	return 0;
}

/* Of the point's children those that the holder has are the members. */
static int suspects_count_crowd(struct finder *f, struct suspect *s)
{
	struct crowd crowd = { 0 };
	struct heap_span children;
	uint64_t count = 0, retained = 0;
	int err = weight_children(&f->weights, s->point, &children);

	if (!err)
		err = crowd_begin(&crowd, f->a, s->holder);
	for (uint32_t i = 0; i < children.count && !err; i++)
		if (heap_namesake_of(f->heap, children.target[i]) == s->member_type &&
		    crowd_has(&crowd, children.target[i])) {
			count++;
			retained += weight_of(&f->weights, children.target[i]);
		}
	crowd_end(&crowd);
	if (!err) {
		s->member_count = count;
		s->member_retained = retained;
	}
	return err;
}

/* The element of the holder that a member's shortest path goes through. */
static uint32_t suspects_element(const struct finder *f, const struct suspect *s,
				 uint32_t member)
{
	for (uint32_t i = 0; i < ELEMENT_STEPS && member != HEAP_NONE; i++) {
		const uint32_t above = analysis_parent(f->a, member);

		if (above == s->holder)
			return member < f->heap->objects ? member : HEAP_NONE;
		member = above;
	}
	return HEAP_NONE;
}

/*
 * The members are parts of the holder's elements, one or a few in each (what else refers
 * to them keeps an element from retaining them): then the elements are the members.
 */
static bool suspects_find_elements(struct finder *f, struct suspect *s,
				   struct heap_span children)
{
	const struct heap_span refs = s->holder < f->heap->objects ?
		heap_refs(f->heap, s->holder) :
		(struct heap_span){ 0 };
	const uint32_t stride = children.count / SAMPLES + 1;
	uint32_t type = 0, seen = 0, other = 0;
	uint64_t count = 0;

	for (uint32_t i = 0; i < children.count; i += stride) {
		if (heap_namesake_of(f->heap, children.target[i]) != s->member_type)
			continue;
		const uint32_t element = suspects_element(f, s, children.target[i]);
		const uint32_t its =
			element == HEAP_NONE ? 0 : heap_namesake_of(f->heap, element);

		type = type ? type : its;
		seen++;
		other += element == children.target[i] || !its || its != type;
	}
	for (uint32_t i = 0; i < refs.count; i++)
		count += refs.target[i] < f->heap->objects &&
			heap_namesake_of(f->heap, refs.target[i]) == type;
	if (!type || MOST_OTHERS * other > seen || count < FEW_MEMBERS ||
	    2 * count < s->member_count)
		return false;
	s->member_type = type;
	s->member_count = count;
	return true;
}

/* Who most of the members' shortest paths go through, when that isn't the point. */
static int suspects_find_member_holder(struct finder *f, struct suspect *s)
{
	struct sample sample = { 0 };
	struct heap_span children;
	int err = weight_children(&f->weights, s->point, &children);
	uint32_t stride = children.count / SAMPLES + 1;

	if (!err)
		err = sample_begin(&sample);
	for (uint32_t i = 0; i < children.count && !err && s->member_type; i += stride)
		if (heap_namesake_of(f->heap, children.target[i]) == s->member_type &&
		    !sample_add(f->a, &sample, children.target[i]))
			break;
	if (!err && sample.nodes >= FEW_MEMBERS)
		s->holder = sample_deepest(f->a, &sample);
	if (s->holder == s->point)
		s->holder = HEAP_NONE;
	sample_end(&sample);
	if (err || s->holder == HEAP_NONE || suspects_find_elements(f, s, children))
		return err;
	return suspects_count_crowd(f, s);
}

static int suspects_add_chain(struct finder *f, uint32_t top, uint32_t point)
{
	struct suspect s = { .chain = true,
			     .point = point,
			     .top = top,
			     .retained = weight_of(&f->weights, point),
			     .holder = HEAP_NONE };
	int err = suspects_count_chain(f, &s);

	return err ? err : vec_append(f->ret, &s, sizeof(s));
}

/* A few at the top of many of their class: all of them are the members. */
static int suspects_find_tree(struct finder *f, struct suspect *s)
{
	uint64_t count;
	const int err = branched_count(f->a, s->point, s->member_type, s->member_count,
				       f->progress, &count);

	s->tree = !err && count;
	if (s->tree)
		s->member_count = count;
	return err;
}

/* A list's head has its attributes in a dict of its own, up to 3.10: it is the head. */
static uint32_t suspects_head(const struct finder *f, uint32_t point)
{
	const uint32_t head = analysis_idom(f->a, point);
	const uint32_t slot =
		head < f->heap->objects ? heap_slot(f->heap, head, point) : HEAP_NONE;
	struct heap_label label;

	if (slot == HEAP_NONE)
		return point;
	heap_label(f->heap, head, slot, &label);
	return label.kind == SNAP_LABEL_DICT ? head : point;
}

/* retained: by point, without what goes on alone: children that retain `most`. */
static int suspects_add_single(struct finder *f, uint32_t top, uint32_t point,
			       uint64_t retained, uint64_t most)
{
	struct suspect s = {
		.point = point, .top = top, .retained = retained, .holder = HEAP_NONE
	};
	int err = suspects_find_members(f, &s, most);

	if (s.chain)
		s.point = suspects_head(f, s.point);
	if (!err && !s.chain)
		err = suspects_find_tree(f, &s);
	if (!err && !s.chain && !s.tree)
		err = suspects_find_member_holder(f, &s);
	return err ? err : vec_append(f->ret, &s, sizeof(s));
}

/* The type of what retains most in each of these containers, if it is the same; 0. */
static int suspects_contents(const struct finder *f, const uint32_t *node, uint32_t count,
			     uint32_t *ret)
{
	struct heap_span parts;

	*ret = 0;
	for (uint32_t i = 0; i < count; i++) {
		const int err = analysis_children(f->a, node[i], f->progress, &parts);
		const uint32_t type = !err && parts.count ?
			heap_namesake_of(f->heap, parts.target[0]) :
			0;

		if (err || !type || (i && type != *ret)) {
			*ret = 0;
			return err;
		}
		*ret = type;
	}
	return 0;
}

/* *ret: whether the first `big` children are like elements of a container. */
static int suspects_elements(const struct finder *f, uint32_t node,
			     struct heap_span children, uint32_t big, bool *ret)
{
	const struct heap *heap = f->heap;
	/* native memory has no elements */
	unsigned kind = node < heap->objects ? heap_kind(heap, node) : SNAP_KIND_OBJECT;
	uint32_t type = big ? heap_namesake_of(heap, children.target[0]) : 0,
		 contents = 0;
	int err = 0;

	*ret = false;
	for (uint32_t i = 1; i < big; i++)
		if (heap_namesake_of(heap, children.target[i]) != type)
			return 0;
	if (big < 2 || !type)
		return 0;
	*ret = (heap_kind_is_container(kind) && kind != SNAP_KIND_DICT) ||
		heap_type(heap, type)->kind == SNAP_KIND_OBJECT;
	if (!*ret && kind == SNAP_KIND_DICT && big > MOST_NAMED) {
		err = suspects_contents(f, children.target, big, &contents);
		*ret = contents != 0;
	}
	return err;
}

/* From how many bytes on a child is worth a line of its own. */
static uint64_t suspects_goes_on(const struct finder *f, uint32_t node)
{
	return suspects_named_parts(f, node) ? f->minor : f->threshold;
}

/* No child keeps 70 %: those that pass the threshold go on alone. */
static int suspects_split(struct finder *f, uint32_t top, uint32_t node)
{
	struct heap_span children;
	int err = weight_children(&f->weights, node, &children);

	uint64_t rest = weight_of(&f->weights, node), least = suspects_goes_on(f, node);
	uint32_t big = 0;
	bool own = false, elements = false;

	if (err)
		return err;
	for (; big < children.count &&
	     weight_of(&f->weights, children.target[big]) >= least;
	     big++) {
		if (heap_is_native(f->heap, children.target[big]))
			own = true; /* no part that could go on alone */
		else
			rest -= weight_of(&f->weights, children.target[big]);
	}
	if (least == f->minor && !big && !own &&
	    rest < f->threshold) /* every larger module is such */
		return 0;
	if (least != f->minor && !own)
		err = suspects_elements(f, node, children, big, &elements);
	if (err || elements)
		return err ?
			err :
			suspects_add_single(f, top, node, weight_of(&f->weights, node),
					    UINT64_MAX);
	for (uint32_t i = 0; i < big; i++)
		if (!heap_is_native(f->heap, children.target[i]) &&
		    vec_push_u32(&f->todo, children.target[i]))
			return -ENOMEM;
	return big && rest < f->threshold ?
		0 :
		suspects_add_single(f, top, node, rest, big ? least : UINT64_MAX);
}

/* The walk goes on with a node's first child; what else is large below it goes on alone,
 * later. */
static int suspects_push_siblings(struct finder *f, uint32_t node)
{
	struct heap_span children;
	int err = weight_children(&f->weights, node, &children);
	uint64_t least = suspects_goes_on(f, node);

	for (uint32_t i = 1; i < children.count && !err &&
	     weight_of(&f->weights, children.target[i]) >= least;
	     i++)
		if (!heap_is_native(f->heap, children.target[i]))
			err = vec_push_u32(&f->todo, children.target[i]);
	return err;
}

static int suspects_walk_down(struct finder *f, uint32_t top)
{
	uint32_t walk[MAX_STEPS], length = 0, node = top;
	struct heap_span children;

	for (;;) {
		int err = weight_children(&f->weights, node, &children);

		if (err)
			return err;
		walk[length++] = node;
		if (!children.count || length == MAX_STEPS ||
		    heap_is_native(f->heap, children.target[0]))
			break;
		uint64_t kept = weight_of(&f->weights, children.target[0]);
		if ((double)kept < DROP_RATIO * (double)weight_of(&f->weights, node))
			break;
		/* a long chain loses a little at every step */
		if (2 * kept < weight_of(&f->weights, top))
			break;
		node = children.target[0];
	}
	uint32_t start = suspects_run_start(f, walk, length);
	for (uint32_t i = 0; i + 1 < length && i < start; i++)
		if (suspects_push_siblings(f, walk[i]))
			return -ENOMEM;
	if (start < length)
		return suspects_add_chain(f, top, walk[start]);
	return suspects_split(f, top, node);
}

static int suspects_find_tops(struct finder *f)
{
	for (uint32_t o = 0; o < f->heap->nodes; o++) {
		uint32_t idom = analysis_idom(f->a, o);
		struct top_node top = { .node = o };

		if (o >= f->heap->objects && !heap_is_native(f->heap, o))
			continue;

		if (idom == HEAP_NONE || !suspects_synthetic(f->heap, idom))
			continue;
		if (o % PROGRESS_EVERY == 0 &&
		    progress_step(f->progress, "suspects", o, f->heap->objects))
			return -ECANCELED;
		top.taken = weight_of(&f->weights, o) >= f->threshold;
		if (vec_append(&f->tops, &top, sizeof(top)) ||
		    (top.taken && vec_push_u32(&f->todo, o)))
			return -ENOMEM;
	}
	return 0;
}

static int suspects_find_singles(struct finder *f)
{
	while (f->todo.size) {
		uint32_t top = VEC(f->todo, uint32_t)[VEC_COUNT(f->todo, uint32_t) - 1];
		int err;

		f->todo.size -= sizeof(uint32_t);
		err = suspects_walk_down(f, top);
		if (err)
			return err;
	}
	return 0;
}

/* ---- local variables of one function, in one frame or thousands ---- */

struct local {
	uint32_t function, file, frame, type;
	uint64_t retained;
	size_t top;
};

static int suspects_by_function(const void *a, const void *b)
{
	const struct local *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* The tops that a frame holds, sorted by its function. */
static int suspects_find_locals(const struct finder *f, struct vec *ret)
{
	const struct top_node *tops = f->tops.data;

	for (size_t i = 0; i < VEC_COUNT(f->tops, struct top_node); i++) {
		uint32_t holder = analysis_parent(f->a, tops[i].node);

		if (tops[i].taken || holder == HEAP_NONE ||
		    !suspects_synthetic(f->heap, holder) ||
		    heap_synth(f->heap, holder)->kind != HEAP_SYNTH_FRAME)
			continue;
		const struct snap_frame *frame = VEC(f->heap->frame, struct snap_frame) +
			heap_synth(f->heap, holder)->ref;
		struct local local = { frame->function,
				       frame->file,
				       holder,
				       heap_namesake_of(f->heap, tops[i].node),
				       weight_of(&f->weights, tops[i].node),
				       i };
		if (vec_append(ret, &local, sizeof(local)))
			return -ENOMEM;
	}
	if (ret->size)
		qsort(ret->data, VEC_COUNT(*ret, struct local), sizeof(struct local),
		      suspects_by_function);
	return 0;
}

/* What most of the locals are, by type; sums has room for two of each type. */
static void suspects_locals_members(const struct local *local, size_t count,
				    struct suspect *s, uint64_t *sums)
{
	for (size_t i = 0; i < count; i++) {
		sums[2 * local[i].type] += local[i].retained;
		sums[2 * local[i].type + 1]++;
	}
	for (size_t i = 0; i < count; i++) {
		const uint64_t *sum = &sums[2 * local[i].type];

		if (sum[0] > s->member_retained) {
			s->member_retained = sum[0];
			s->member_count = sum[1];
			s->member_type = local[i].type;
		}
	}
	for (size_t i = 0; i < count; i++)
		memset(&sums[2 * local[i].type], 0, 2 * sizeof(*sums));
}

static int suspects_add_locals(struct finder *f, const struct local *local, size_t count,
			       uint64_t *sums)
{
	struct top_node *tops = f->tops.data;
	struct suspect s = { .group = true,
			     .frames = 1,
			     .point = local->frame,
			     .holder = HEAP_NONE,
			     .top = tops[local->top].node };
	uint64_t largest = local->retained;

	for (size_t i = 0; i < count; i++) {
		s.retained += local[i].retained;
		s.frames += i && local[i].frame != local[i - 1].frame;
		if (local[i].retained > largest) {
			largest = local[i].retained;
			s.top = tops[local[i].top].node;
			s.point = local[i].frame;
		}
	}
	if (s.retained < (s.frames > 1 ? f->minor : f->threshold))
		return 0;
	for (size_t i = 0; i < count; i++)
		tops[local[i].top].taken = true;
	suspects_locals_members(local, count, &s, sums);
	return vec_append(f->ret, &s, sizeof(s));
}

static int suspects_find_frames(struct finder *f)
{
	struct vec locals = { 0 }, sums = { 0 };
	int err = suspects_find_locals(f, &locals);
	const struct local *local = locals.data;
	size_t count = VEC_COUNT(locals, struct local), end;

	if (!err)
		err = vec_alloc(&sums,
				((size_t)f->heap->types + 1) * 2 * sizeof(uint64_t));
	for (size_t i = 0; i < count && !err; i = end) {
		for (end = i + 1;
		     end < count && local[end].function == local[i].function &&
		     local[end].file == local[i].file;
		     end++)
			;
		err = suspects_add_locals(f, local + i, end - i, sums.data);
	}
	vec_free(&locals);
	vec_free(&sums);
	return err;
}

/* ---- what is left and not small ---- */

static int suspects_find_minor(struct finder *f)
{
	const struct top_node *tops = f->tops.data;

	for (size_t i = 0; i < VEC_COUNT(f->tops, struct top_node); i++)
		if (!tops[i].taken && weight_of(&f->weights, tops[i].node) >= f->minor &&
		    vec_push_u32(&f->todo, tops[i].node))
			return -ENOMEM;
	return suspects_find_singles(f);
}

/* ---- all ---- */

/* What has no holder in common comes after the others, what every process has last. */
static int suspects_rank(const struct suspect *s)
{
	return 2 * s->usual + (s->point == HEAP_NONE && s->memory == SUSPECT_HELD);
}

static int suspects_compare(const void *a, const void *b)
{
	const struct suspect *x = a, *y = b;
	const int rank_x = suspects_rank(x), rank_y = suspects_rank(y);

	if (rank_x != rank_y)
		return rank_x - rank_y;
	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	return x->point < y->point ? -1 : x->point > y->point;
}

static bool suspects_all_usual(const struct vec *suspects)
{
	const struct suspect *s = suspects->data;

	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect); i++)
		if (!s[i].usual)
			return false;
	return true;
}

int suspects_find(struct analysis *analysis, double threshold,
		  const struct progress *progress, struct vec *ret)
{
	struct finder f = {
		.a = analysis, .heap = analysis->heap, .progress = progress, .ret = ret
	};

	assert(threshold >= 0 && threshold <= 1);
	int err = weight_find(&f.weights, analysis, progress);

	f.threshold =
		(uint64_t)(threshold * (double)weight_of(&f.weights, heap_root(f.heap)));
	f.minor = f.threshold / MINOR_PART;
	if (!err)
		err = suspects_find_tops(&f);
	if (!err)
		err = suspects_find_singles(&f);
	if (!err)
		err = suspects_find_frames(&f);
	if (!err)
		err = suspect_group_find(&f);
	if (!err)
		err = suspects_find_minor(&f);
	for (size_t i = 0; i < VEC_COUNT(*ret, struct suspect) && !err; i++)
		err = context_var_explain(analysis, (struct suspect *)ret->data + i);
	if (!err)
		err = suspect_merge(&f.weights, ret);
	if (!err)
		err = inside_of_suspects(analysis, progress, ret);
	if (!err)
		err = sharing_of_suspects(analysis, progress, ret);
	if (!err && !f.heap->python_only)
		err = unheld_find(f.heap, threshold, ret);
	if (!err)
		err = usual_mark(analysis, f.threshold, ret);
	if (!err && suspects_all_usual(ret))
		ret->size = 0;
	if (ret->size)
		qsort(ret->data, VEC_COUNT(*ret, struct suspect), sizeof(struct suspect),
		      suspects_compare);
	vec_free(&f.todo);
	weight_free(&f.weights);
	vec_free(&f.tops);
	return err;
}
