/* SPDX-License-Identifier: MIT */
/* suspect_merge - see suspect_merge.h. */
#include "viewer/analysis/suspect_merge.h"

#include <assert.h>
#include <errno.h>

#define FEW_MEMBERS 10u	 /* fewer make no index */
#define MOST_MEMBERS 10u /* one in so many members may be held elsewhere too, or one */

/* Those that were merged with another. */
static void suspect_merge_take_out(struct vec *suspects)
{
	struct suspect *s = suspects->data;
	const size_t count = VEC_COUNT(*suspects, struct suspect);
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!s[i].merged)
			s[kept++] = s[i];
	suspects->size = kept * sizeof(*s);
}

/* A container whose members are a suspect of their own, being held elsewhere too, belongs
 * to that. */
static void suspect_merge_holders(struct vec *suspects)
{
	struct suspect *s = suspects->data;
	const size_t count = VEC_COUNT(*suspects, struct suspect);

	for (size_t i = 0; i < count; i++) {
		struct suspect *with = NULL;

		for (size_t j = 0; j < count && !s[i].group && !with; j++)
			if (j != i && s[j].holder == s[i].point)
				with = &s[j];
		if (with)
			with->retained += s[i].retained;
		s[i].merged = with != NULL;
	}
	suspect_merge_take_out(suspects);
}

/* The interpreter's table of interned strings belongs to those that are never freed. */
static void suspect_merge_interned(const struct analysis *a, struct vec *suspects)
{
	const struct heap *heap = a->heap;
	struct suspect *s = suspects->data, *strings = NULL;
	size_t count = VEC_COUNT(*suspects, struct suspect);

	for (size_t i = 0; i < count; i++)
		if (s[i].point == heap_group(heap, HEAP_SYNTH_IMMORTAL) &&
		    heap_type(heap, s[i].member_type)->kind == SNAP_KIND_STR)
			strings = &s[i];
	for (size_t i = 0; i < count && strings; i++)
		if (s[i].point < heap->objects &&
		    analysis_parent(a, s[i].point) ==
			    heap_group(heap, HEAP_SYNTH_INTERNED)) {
			strings->retained += s[i].retained;
			s[i] = s[count - 1];
			suspects->size -= sizeof(*s);
			return;
		}
}

/* ---- several indexes of the same members ---- */

/* A container that has a tenth of the members is named with the one they hang below. */
static void suspect_merge_note_index(struct suspect *s, uint32_t node, uint64_t members)
{
	uint32_t at = s->also_number;

	if (10 * members < s->member_count)
		return;
	s->also_all++;
	while (at && members > s->also_count[at - 1])
		at--;
	if (at == SUSPECT_ALSO)
		return;
	if (s->also_number < SUSPECT_ALSO)
		s->also_number++;
	for (uint32_t i = s->also_number - 1; i > at; i--) {
		s->also[i] = s->also[i - 1];
		s->also_count[i] = s->also_count[i - 1];
	}
	s->also[at] = node;
	s->also_count[at] = members;
}

/* The container whose members these are, or HEAP_NONE. */
static uint32_t suspect_merge_container(const struct suspect *s)
{
	return !s->group ? s->holder : s->frames || s->by_variable ? HEAP_NONE : s->point;
}

/* member: a byte per object, 0 before and after. */
static void suspect_merge_find_indexes(const struct heap *heap, struct suspect *s,
				       unsigned char *member)
{
	const uint32_t container = suspect_merge_container(s);
	struct heap_span refs = heap_refs(heap, container);

	for (uint32_t i = 0; i < refs.count; i++)
		if (refs.target[i] < heap->objects &&
		    heap_namesake_of(heap, refs.target[i]) == s->member_type)
			member[refs.target[i]] = 1;
	for (uint32_t o = 0; o < heap->objects; o++) {
		struct heap_span to = heap_refs(heap, o);
		uint64_t count = 0;

		if (o == container || to.count < FEW_MEMBERS)
			continue;
		for (uint32_t i = 0; i < to.count; i++)
			count += to.target[i] < heap->objects && member[to.target[i]];
		if (count >= FEW_MEMBERS)
			suspect_merge_note_index(s, o, count);
	}
	for (uint32_t i = 0; i < refs.count; i++)
		if (refs.target[i] < heap->objects)
			member[refs.target[i]] = 0;
}

/* A suspect that is nothing but an index of another's members belongs to that. */
static void suspect_merge_index(struct vec *suspects, size_t with)
{
	struct suspect *s = suspects->data;

	assert(with < VEC_COUNT(*suspects, struct suspect));
	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect); i++)
		for (uint32_t k = 0; k < s[with].also_number && i != with; k++)
			if (s[i].point == s[with].also[k] && !s[i].group &&
			    s[i].memory == SUSPECT_HELD && s[i].holder == HEAP_NONE) {
				s[with].retained += s[i].retained;
				s[i].merged = true;
			}
}

static int suspect_merge_indexes(const struct analysis *a, struct vec *suspects)
{
	struct suspect *s = suspects->data;
	const size_t count = VEC_COUNT(*suspects, struct suspect);
	struct vec member = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (suspect_merge_container(&s[i]) >= a->heap->objects ||
		    s[i].memory != SUSPECT_HELD || s[i].merged)
			continue;
		if (!member.size && vec_alloc(&member, a->heap->objects))
			return -ENOMEM;
		suspect_merge_find_indexes(a->heap, &s[i], member.data);
		suspect_merge_index(suspects, i);
	}
	vec_free(&member);
	suspect_merge_take_out(suspects);
	return 0;
}

/* ---- members that something else holds as well ---- */

/* An element of the point that is like its members, and that it doesn't keep alone: what
 * its reference number i leads to, for the first time. */
static bool suspect_merge_is_member(const struct analysis *a, const struct suspect *s,
				    uint32_t node, uint32_t i)
{
	return node < a->heap->objects && node != s->point &&
		heap_namesake_of(a->heap, node) == s->member_type &&
		analysis_idom(a, node) != s->point &&
		heap_slot(a->heap, s->point, node) == i;
}

static void suspect_merge_member(struct vec *suspects, struct suspect *with,
				 uint32_t member, uint64_t retained)
{
	struct suspect *s = suspects->data;

	with->member_count++;
	with->member_retained += retained;
	with->retained += retained;
	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect); i++)
		s[i].merged |= &s[i] != with && !s[i].group && s[i].top == member;
}

/*
 * All but one of a list's elements are held by it alone; that one is in a variable too,
 * the last that was appended: it is a member like the others, and no suspect.
 */
static void suspect_merge_strays(const struct weights *weights, struct vec *suspects,
				 struct suspect *s)
{
	const struct analysis *a = weights->a;
	const struct heap_span refs = heap_refs(a->heap, s->point);
	const uint64_t most = s->member_count / MOST_MEMBERS + 1;
	uint64_t strays = 0;

	for (uint32_t i = 0; i < refs.count; i++)
		strays += suspect_merge_is_member(a, s, refs.target[i], i);
	if (strays > most && !s->also_number)
		s->elsewhere = strays;
	if (!strays || strays > most)
		return;
	for (uint32_t i = 0; i < refs.count; i++)
		if (suspect_merge_is_member(a, s, refs.target[i], i))
			suspect_merge_member(suspects, s, refs.target[i],
					     weight_of(weights, refs.target[i]));
}

static void suspect_merge_members(const struct weights *weights, struct vec *suspects)
{
	struct suspect *s = suspects->data;
	const size_t count = VEC_COUNT(*suspects, struct suspect);

	for (size_t i = 0; i < count; i++)
		if (s[i].memory == SUSPECT_HELD && !s[i].group && !s[i].chain &&
		    !s[i].by_variable && !s[i].merged && s[i].holder == HEAP_NONE &&
		    s[i].member_count > 1 && s[i].point < weights->a->heap->objects)
			suspect_merge_strays(weights, suspects, &s[i]);
	suspect_merge_take_out(suspects);
}

/* A container's members, but for those held elsewhere too. */
static bool suspect_merge_whole(const struct suspect *s)
{
	return s->memory == SUSPECT_HELD && !s->group && !s->chain && !s->tree &&
		!s->by_variable && s->member_count;
}

static void suspect_merge_half(struct suspect *s, struct suspect *half)
{
	const uint32_t other = suspect_merge_container(half);

	s->member_count += half->member_count;
	s->member_retained += half->member_retained;
	s->retained += half->retained;
	if (other != suspect_node(s))
		suspect_merge_note_index(s, other, half->member_count);
	for (uint32_t i = 0; i < half->also_number; i++)
		if (half->also[i] != suspect_node(s))
			suspect_merge_note_index(s, half->also[i], half->also_count[i]);
	half->merged = true;
}

/* Whether a group is members of a container that another container has as well. */
static bool suspect_merge_is_half(const struct suspect *s, uint32_t container,
				  uint32_t type)
{
	if (!s->group || s->member_type != type || s->merged ||
	    suspect_merge_container(s) == HEAP_NONE)
		return false;
	for (uint32_t i = 0; i < s->also_number; i++)
		if (s->also[i] == container &&
		    s->also_count[i] >= s->member_count - s->member_count / MOST_MEMBERS)
			return true;
	return suspect_merge_container(s) == container;
}

/* Members of one container that something else holds, too, are a group until here. */
static void suspect_merge_halves(struct vec *suspects)
{
	struct suspect *s = suspects->data;
	const size_t count = VEC_COUNT(*suspects, struct suspect);

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0;
		     j < count && !s[i].merged && suspect_merge_whole(&s[i]); j++)
			if (suspect_merge_is_half(&s[j], suspect_node(&s[i]),
						  s[i].member_type))
				suspect_merge_half(&s[i], &s[j]);
	suspect_merge_take_out(suspects);
}

int suspect_merge(const struct weights *weights, struct vec *suspects)
{
	int err;

	suspect_merge_holders(suspects);
	suspect_merge_interned(weights->a, suspects);
	err = suspect_merge_indexes(weights->a, suspects);
	if (!err)
		suspect_merge_halves(suspects);
	if (!err)
		suspect_merge_members(weights, suspects);
	return err;
}
