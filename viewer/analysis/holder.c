/* SPDX-License-Identifier: MIT */
/* holder - the deepest node on most of some nodes' shortest paths (holder.h). */
#include "viewer/analysis/holder.h"

#include <assert.h>

#define SHARE_OF_PATHS 0.8

struct seen {
	uint32_t node, count, depth;
};

int sample_begin(struct sample *sample)
{
	return vec_alloc(&sample->table, (1u << 18) * sizeof(struct seen));
}

void sample_end(struct sample *sample)
{
	vec_free(&sample->table);
}

static struct seen *holder_seen_slot(struct vec *table, uint32_t node)
{
	struct seen *slots = table->data;
	size_t mask = VEC_COUNT(*table, struct seen) - 1;
	size_t i = (node * 0x9e3779b97f4a7c15ull >> 32) & mask;

	while (slots[i].count && slots[i].node != node)
		i = (i + 1) & mask;
	return &slots[i];
}

bool sample_add(const struct analysis *a, struct sample *sample, uint32_t node)
{
	uint32_t path[64];
	uint32_t length = analysis_path(a, node, path, 64);
	uint32_t kept = length < 64 ? length : 64, skipped = length - kept;

	assert(node < a->heap->nodes);
	if (sample->used + kept > VEC_COUNT(sample->table, struct seen) / 2)
		return false;
	for (uint32_t i = 0; i + 1 < kept; i++) {
		struct seen *slot = holder_seen_slot(&sample->table, path[i]);

		if (!slot->count) {
			sample->used++;
			slot->node = path[i];
			slot->depth = skipped + i;
		}
		slot->count++;
	}
	sample->nodes++;
	return true;
}

/* Objects, and the groups whose members nobody else holds. */
static bool holder_may_hold(const struct heap *heap, uint32_t node)
{
	uint32_t kind =
		node >= heap->objects ? heap_synth(heap, node)->kind : HEAP_SYNTH_ROOT;

	return node < heap->objects || kind == HEAP_SYNTH_UNKNOWN ||
		kind == HEAP_SYNTH_GARBAGE || kind == HEAP_SYNTH_ATEXIT ||
		kind == HEAP_SYNTH_IMMORTAL;
}

uint32_t sample_deepest(const struct analysis *a, const struct sample *sample)
{
	uint32_t depth = 0, holder = HEAP_NONE;

	for (size_t i = 0; i < VEC_COUNT(sample->table, struct seen); i++) {
		const struct seen *seen = VEC(sample->table, struct seen) + i;

		if (seen->count && seen->depth >= depth &&
		    (double)seen->count >= SHARE_OF_PATHS * (double)sample->nodes &&
		    holder_may_hold(a->heap, seen->node)) {
			depth = seen->depth;
			holder = seen->node;
		}
	}
	return holder;
}
