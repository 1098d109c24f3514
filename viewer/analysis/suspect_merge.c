/* SPDX-License-Identifier: MIT */
/* suspect_merge - see suspect_merge.h. */
#include "viewer/analysis/suspect_merge.h"

/* A container whose members are a suspect of their own, being held elsewhere too, belongs
 * to that. */
static void suspect_merge_holders(struct vec *suspects)
{
	struct suspect *s = suspects->data;
	size_t count = VEC_COUNT(*suspects, struct suspect), kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct suspect *with = NULL;

		for (size_t j = 0; j < count && !s[i].group && !with; j++)
			if (j != i && s[j].holder == s[i].point)
				with = &s[j];
		if (with)
			with->retained += s[i].retained;
		s[i].merged = with != NULL;
	}
	for (size_t i = 0; i < count; i++)
		if (!s[i].merged)
			s[kept++] = s[i];
	suspects->size = kept * sizeof(*s);
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

void suspect_merge(const struct analysis *analysis, struct vec *suspects)
{
	suspect_merge_holders(suspects);
	suspect_merge_interned(analysis, suspects);
}
