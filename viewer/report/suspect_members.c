/* SPDX-License-Identifier: MIT */
/* suspect_members - see suspect_members.h. */
#include "viewer/report/suspect_members.h"

#include <string.h>

#include "viewer/analysis/room.h"
#include "viewer/name/describe.h"
#include "viewer/name/hops.h"
#include "viewer/text/human.h"

#define NAME_LIMIT 100

/* ---- what callbacks call ---- */

struct callee {
	uint32_t function, self_type; /* node; type id, 0: it isn't bound */
};

static uint32_t suspect_members_attribute(const struct heap *heap, uint32_t object,
					  const char *name)
{
	struct heap_span refs = heap_refs(heap, object);
	struct heap_label label;

	for (uint32_t slot = 0; slot < refs.count; slot++) {
		heap_label(heap, object, slot, &label);
		if (label.kind == SNAP_LABEL_ATTR && refs.target[slot] < heap->objects &&
		    !strcmp(heap_string(heap, label.name, NULL), name))
			return refs.target[slot];
	}
	return HEAP_NONE;
}

/* An entry of atexit's is a tuple since 3.14 (Modules/atexitmodule.c): the callable is
 * its first. */
static bool suspect_members_callee(const struct heap *heap, uint32_t node, bool atexit,
				   struct callee *ret)
{
	if (atexit && node < heap->objects && heap_kind(heap, node) == SNAP_KIND_TUPLE &&
	    heap_refs(heap, node).count == 3)
		node = heap_refs(heap, node).target[0];
	*ret = (struct callee){ .function = node };
	if (node >= heap->objects)
		return false;
	if (heap_kind(heap, node) == SNAP_KIND_FUNCTION)
		return true;
	if (heap_kind(heap, node) != SNAP_KIND_METHOD)
		return false;
	uint32_t self = suspect_members_attribute(heap, node, "__self__");
	ret->function = suspect_members_attribute(heap, node, "__func__");
	ret->self_type = self != HEAP_NONE ? heap_type_of(heap, self) : 0;
	return ret->self_type && ret->function != HEAP_NONE;
}

static void suspect_members_callee_text(struct text *out, const struct heap *heap,
					const struct callee *callee)
{
	struct heap_value name;
	const char *last;

	if (!heap_value(heap, callee->function, &name) || !name.size) {
		describe_type(out, heap, heap_type_of(heap, callee->function));
		return;
	}
	last = memrchr(name.text, '.', name.size);
	last = last ? last + 1 : name.text;
	if (callee->self_type) {
		describe_short_type(out, heap, callee->self_type);
		text_add(out, ".");
	}
	text_escape(out, last, name.size - (size_t)(last - name.text), NAME_LIMIT, 0);
}

/* Whether two are one function, or made by one def: by its name. */
static bool suspect_members_same_callee(const struct heap *heap, const struct callee *a,
					const struct callee *b)
{
	struct heap_value x, y;

	if (a->self_type != b->self_type)
		return false;
	return a->function == b->function ||
		(heap_value(heap, a->function, &x) && heap_value(heap, b->function, &y) &&
		 x.size && x.size == y.size && !memcmp(x.text, y.text, x.size));
}

/* What most of the container's members of the suspect's type call. */
static void suspect_members_calls(struct text *out, const struct analysis *a,
				  const struct suspect *s)
{
	const struct heap *heap = a->heap;
	uint32_t at = s->holder != HEAP_NONE ? s->holder : s->point;
	uint32_t atexit_group = heap_group(heap, HEAP_SYNTH_ATEXIT);
	struct heap_span refs = heap_refs(heap, at);
	bool atexit = at == atexit_group || analysis_parent(a, at) == atexit_group;
	struct callee first = { 0 }, callee;
	uint64_t all = 0, alike = 0;
	char buf[HUMAN_SIZE];

	for (uint32_t i = 0; i < refs.count; i++) {
		if (refs.target[i] >= heap->objects ||
		    heap_namesake_of(heap, refs.target[i]) != s->member_type ||
		    !suspect_members_callee(heap, refs.target[i], atexit, &callee))
			continue;
		if (!all++)
			first = callee;
		alike += suspect_members_same_callee(heap, &callee, &first);
	}
	if (!all)
		return;
	text_add(out, alike == all ? " " : ", ");
	if (alike < all)
		text_printf(out, "%s of them ", human_count(buf, alike));
	suspect_members_callee_text(out, heap, &first);
}

/* Of classes that a program makes again and again: of how many the members are. */
static void suspect_members_namesakes(struct text *out, const struct heap *heap,
				      const struct suspect *s)
{
	const struct heap_span refs = heap_refs(heap, suspect_node(s));
	struct vec seen = { 0 };
	uint32_t namesakes = 0;
	char buf[HUMAN_SIZE];

	if (heap_type(heap, s->member_type)->namesakes < 2 ||
	    vec_alloc(&seen, heap->types + (size_t)1))
		return;
	for (uint32_t i = 0; i < refs.count; i++) {
		const uint32_t type = heap_type_of(heap, refs.target[i]);

		if (heap_namesake_of(heap, refs.target[i]) != s->member_type)
			continue;
		namesakes += !VEC(seen, unsigned char)[type];
		VEC(seen, unsigned char)[type] = 1;
	}
	vec_free(&seen);
	if (namesakes > 1)
		text_printf(out, " (of %s classes of that name)",
			    human_count(buf, namesakes));
}

/* What the container is full of. */
static void suspect_members_contents(struct text *out, const struct heap *heap,
				     const struct suspect *s)
{
	char buf[HUMAN_SIZE];

	if (!s->content_type)
		return;
	text_printf(out, " of %s%s ", s->content_exact ? "" : "some ",
		    human_count(buf, s->content_each));
	describe_short_type(out, heap, s->content_type);
	text_add(out, s->inside_steps ? "" : " each");
}

void suspect_members_text(struct text *out, const struct analysis *analysis,
			  const struct suspect *s)
{
	char buf[HUMAN_SIZE];

	text_add(out, human_count(buf, s->member_count));
	text_add(out, " ");
	describe_short_type(out, analysis->heap, s->member_type);
	suspect_members_namesakes(out, analysis->heap, s);
	if (s->point < heap_native_base(analysis->heap) && !s->frames && !s->by_variable)
		suspect_members_calls(out, analysis, s);
	if (!s->inside_steps)
		suspect_members_contents(out, analysis->heap, s);
	if (s->elsewhere)
		text_printf(out, " and %s that something else holds, too",
			    human_count(buf, s->elsewhere));
}

/* ---- where the members have their memory ---- */

/* " -> frame risky()": a frame is known by its function. */
static void suspect_members_reached(struct text *out, const struct heap *heap,
				    uint32_t node)
{
	struct heap_value name;
	uint32_t code;

	text_add(out, " -> ");
	describe_short_type(out, heap, heap_type_of(heap, node));
	if (heap_kind(heap, node) != SNAP_KIND_FRAME)
		return;
	code = suspect_members_attribute(heap, node, "f_code");
	if (code == HEAP_NONE || !heap_value(heap, code, &name) || !name.size)
		return;
	text_add(out, " ");
	text_escape(out, name.text, name.size, NAME_LIMIT, 0);
	text_add(out, "()");
}

/* One step of the way: how it is called and what it leads to; how many edges it is. */
static uint32_t suspect_members_step(struct text *out, const struct heap *heap,
				     const struct hops *hops)
{
	struct heap_label label;
	uint32_t taken = hops_write(out, hops);

	if (!taken) {
		hops_label(hops, hops->at, &label);
		describe_label(out, heap, &label);
		taken = 1;
	}
	suspect_members_reached(out, heap, hops->chain[hops->at + taken]);
	return taken;
}

/* Where the first step's words begin: after "in" stands what it is in already. */
static size_t suspect_members_start(const char *step)
{
	const size_t into = sizeof(HOPS_INTO) - 1;

	return !strncmp(step, HOPS_INTO, into) ? into : step[0] == ' ';
}

/* Equal steps (a traceback's) are written once. */
void suspect_members_inside(struct text *out, const struct heap *heap,
			    const struct suspect *s)
{
	struct hops hops = { .heap = heap,
			     .chain = s->inside,
			     .count = s->inside_steps,
			     .example = true };
	struct text step = { 0 }, last = { 0 };
	uint32_t times = 1;
	char buf[HUMAN_SIZE];

	if (s->inside_steps < 2)
		return;
	text_add(out, ", most of each in ");
	while (hops.at + 1 < hops.count) {
		text_clear(&step);
		hops.at += suspect_members_step(&step, heap, &hops);
		if (!strcmp(text_get(&step), text_get(&last))) {
			times++;
			continue;
		}
		if (times > 1)
			text_printf(out, " (%s times)", human_count(buf, times));
		text_add(out,
			 text_get(&step) +
				 (text_len(&last) ?
					  0 :
					  suspect_members_start(text_get(&step))));
		times = 1;
		text_clear(&last);
		text_add(&last, text_get(&step));
	}
	suspect_members_contents(out, heap, s);
	text_free(&step);
	text_free(&last);
}

/* ---- what the suspect's object owns itself ---- */

bool suspect_members_native(struct text *out, const struct heap *heap,
			    const struct suspect *s)
{
	uint64_t own = 0, most = 0;
	uint32_t best = HEAP_NONE;
	char buf[HUMAN_SIZE];

	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		const struct heap_native *native = heap_native_at(heap, n);

		if (native->owner != s->point || native->owners > 1 ||
		    heap_kind(heap, s->point) != SNAP_KIND_OBJECT)
			continue;
		own += native->resident;
		if (native->resident >= most) {
			most = native->resident;
			best = n;
		}
	}
	if (best == HEAP_NONE || own < s->retained / 2)
		return false;
	text_printf(out, " -> %s of ", human_bytes_u64(buf, own));
	describe_native_kind(out, heap, best);
	if (heap_native_at(heap, best)->flags & HEAP_NATIVE_INFERRED)
		text_add(out, " (inferred)");
	return true;
}

/* Whether part is nearly all. */
static bool suspect_members_most(uint64_t part, uint64_t all)
{
	return part >= all - all / 10;
}

/* ", 33 MiB still shared with its parent, 46 MiB copied when written to since" */
static void suspect_members_shared_parts(struct text *out, const struct suspect *s)
{
	const struct {
		uint64_t bytes;
		const char *how;
	} parts[] = {
		{ s->with_parent, "still shared with its parent" },
		{ s->with_siblings, "shared with others that were forked from that" },
		{ s->copied, "copied when written to since" },
	};
	char buf[HUMAN_SIZE];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].bytes)
			text_printf(out, ", %s %s", human_bytes_u64(buf, parts[i].bytes),
				    parts[i].how);
}

void suspect_members_shared(struct text *out, const struct suspect *s)
{
	char buf[HUMAN_SIZE];

	if (!s->own)
		return;
	if (s->still_shared <= s->own / 10)
		text_add(out,
			 s->copied >= s->own / 2 ? ", private to this process since it "
						   "was written to (by counts of "
						   "references, or by the collector: "
						   "gc.freeze() before the fork)" :
						   ", private to this process");
	else if (suspect_members_most(s->with_parent, s->own))
		text_add(out, ", still shared with its parent");
	else if (suspect_members_most(s->with_siblings, s->own))
		text_add(out,
			 ", shared with others that were forked from its parent, which "
			 "has its own by now");
	else if (s->with_parent + s->with_siblings)
		suspect_members_shared_parts(out, s);
	else if (suspect_members_most(s->still_shared, s->own))
		text_add(out,
			 ", still shared with the process it was forked from, or "
			 "that were forked from it");
	else
		text_printf(out, ", %s of it still shared since a fork",
			    human_bytes_u64(buf, s->still_shared));
}

/* ---- room ---- */

/* Whether the container's own table is most of that, and nearly empty. */
static bool suspect_members_count_room(const struct heap *heap, uint32_t container,
				       uint64_t retained, uint64_t *capacity_ret,
				       uint64_t *items_ret)
{
	return container < heap->objects && 2 * heap_size(heap, container) >= retained &&
		room_unused(heap, container, capacity_ret, items_ret);
}

/* ... or whether most of what the members below `container` retain is tables of their
 * own that are nearly empty: what they have room for, and hold, together. */
static bool suspect_members_count_rooms(const struct heap *heap, uint32_t container,
					const struct suspect *s, uint64_t *capacity_ret,
					uint64_t *items_ret)
{
	const struct heap_span refs = heap_refs(heap, container);
	uint64_t capacity, items, empty = 0;

	*capacity_ret = *items_ret = 0;
	for (uint32_t i = 0; i < refs.count; i++) {
		if (refs.target[i] >= heap->objects ||
		    heap_namesake_of(heap, refs.target[i]) != s->member_type ||
		    !room_unused(heap, refs.target[i], &capacity, &items))
			continue;
		empty += heap_size(heap, refs.target[i]);
		*capacity_ret += capacity;
		*items_ret += items;
	}
	return 2 * empty >= s->retained;
}

bool suspect_members_emptied(const struct heap *heap, uint32_t container,
			     const struct suspect *s)
{
	uint64_t capacity, items;

	return suspect_members_count_room(heap, container, s->retained, &capacity,
					  &items) ||
		(container < heap->objects && s->member_type &&
		 suspect_members_count_rooms(heap, container, s, &capacity, &items));
}

void suspect_members_room(struct text *out, const struct heap *heap, uint32_t container,
			  const struct suspect *s)
{
	char room[HUMAN_SIZE], held[HUMAN_SIZE];
	uint64_t capacity, items;

	if (suspect_members_count_room(heap, container, s->retained, &capacity, &items))
		text_printf(out, ", capacity for about %s, holds %s",
			    human_count(room, capacity), human_count(held, items));
	else if (container < heap->objects && s->member_type &&
		 suspect_members_count_rooms(heap, container, s, &capacity, &items))
		text_printf(out,
			    ", nearly empty: together capacity for about %s, hold %s",
			    human_count(room, capacity), human_count(held, items));
}
