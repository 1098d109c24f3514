/* SPDX-License-Identifier: MIT */
/* stage - see stage.h. */
#include "viewer/query/stage.h"

#include <assert.h>
#include <errno.h>

enum {
	EVERY = 16,	/* steps between two nodes whose values are kept */
	ALONE = 200000, /* steps that are climbed before anything is kept */
	UNKNOWN = UINT32_MAX,
	GROUP = 512 /* nodes that are counted together */
};

void stage_init(struct stage *s, const struct heap *heap, const uint32_t *parent,
		enum stage_rule rule)
{
	*s = (struct stage){ .heap = heap, .parent = parent, .rule = rule };
}

void stage_free(struct stage *s)
{
	vec_free(&s->kept);
	vec_free(&s->before);
	vec_free(&s->value);
}

/* Whether the value of a node doesn't follow from its parent's. */
static bool stage_begins(const struct stage *s, uint32_t node)
{
	const uint32_t parent = s->parent[node], objects = s->heap->objects;

	if (parent == HEAP_NONE)
		return true;
	if (s->rule == STAGE_TOP)
		return node >= objects || parent >= objects;
	return s->rule == STAGE_HELD && node >= objects && !heap_is_native(s->heap, node);
}

static uint32_t stage_first(const struct stage *s, uint32_t node)
{
	return s->rule == STAGE_DEPTH ? 0 : node;
}

static bool stage_keeps(const struct stage *s, uint32_t node)
{
	return VEC(s->kept, uint64_t)[node / 64] >> (node % 64) & 1;
}

static uint32_t *stage_at(const struct stage *s, uint32_t node)
{
	const uint64_t *const word = VEC(s->kept, uint64_t);
	uint32_t place = VEC(s->before, uint32_t)[node / GROUP];

	assert(stage_keeps(s, node));
	for (uint32_t w = node / GROUP * (GROUP / 64); w < node / 64; w++)
		place += (uint32_t)__builtin_popcountll(word[w]);
	place += (uint32_t)__builtin_popcountll(word[node / 64] &
						((1ull << node % 64) - 1));
	return &VEC(s->value, uint32_t)[place];
}

/* ---- keeping ---- */

/* Levels modulo EVERY, 1 at the top, from which it follows which nodes are kept. */
static int stage_level(const struct stage *s, uint8_t *level,
		       const struct progress *progress)
{
	for (uint32_t n = 0; n < s->heap->nodes; n++) {
		uint32_t steps = 0, at = n;

		if (n % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(progress, "paths", n, s->heap->nodes))
			return -ECANCELED;
		for (; !level[at] && !stage_begins(s, at); steps++)
			at = s->parent[at];
		if (!level[at])
			level[at] = 1;
		const uint32_t base = level[at] - 1u;
		for (uint32_t up = n; up != at; up = s->parent[up], steps--)
			level[up] = (uint8_t)((base + steps) % EVERY + 1);
	}
	return 0;
}

static int stage_mark(struct stage *s, const uint8_t *level)
{
	const uint32_t nodes = s->heap->nodes;
	uint32_t kept = 0;
	int err = vec_alloc(&s->kept, ((size_t)nodes / 64 + 1) * 8);

	if (!err)
		err = vec_alloc(&s->before, ((size_t)nodes / GROUP + 1) * 4);
	for (uint32_t n = 0; n < nodes && !err; n++) {
		if (n % GROUP == 0)
			VEC(s->before, uint32_t)[n / GROUP] = kept;
		if (level[n] != 1 || stage_begins(s, n))
			continue;
		VEC(s->kept, uint64_t)[n / 64] |= 1ull << n % 64;
		kept++;
	}
	if (!err)
		err = vec_alloc(&s->value, ((size_t)kept + 1) * 4);
	for (uint32_t i = 0; i < kept && !err; i++)
		VEC(s->value, uint32_t)[i] = UNKNOWN;
	return err;
}

/* Up to a node whose value is known, and once more to write those on the way. */
static void stage_fill(struct stage *s, uint32_t node)
{
	uint32_t at = node, steps = 0, base = UNKNOWN;

	while (base == UNKNOWN) {
		if (stage_begins(s, at)) {
			base = stage_first(s, at);
			break;
		}
		if (stage_keeps(s, at) && *stage_at(s, at) != UNKNOWN) {
			base = *stage_at(s, at);
			break;
		}
		at = s->parent[at];
		steps++;
	}
	for (uint32_t up = node; up != at; up = s->parent[up], steps--)
		if (stage_keeps(s, up))
			*stage_at(s, up) = s->rule == STAGE_DEPTH ? base + steps : base;
}

static int stage_build(struct stage *s, const struct progress *progress)
{
	struct vec level = { 0 };
	int err = vec_alloc(&level, s->heap->nodes);

	if (!err)
		err = stage_level(s, level.data, progress);
	if (!err)
		err = stage_mark(s, level.data);
	vec_free(&level);
	for (uint32_t n = 0; n < s->heap->nodes && !err; n++)
		if (stage_keeps(s, n))
			stage_fill(s, n);
	if (err)
		stage_free(s);
	return err;
}

/* ---- asking ---- */

static int stage_climb(struct stage *s, uint32_t node, const struct progress *progress,
		       uint32_t *ret)
{
	uint32_t at = node, steps = 0;

	for (; !s->kept.size && s->climbed < ALONE; s->climbed++, steps++) {
		if (stage_begins(s, at)) {
			*ret = stage_first(s, at) + (s->rule == STAGE_DEPTH ? steps : 0);
			return 0;
		}
		at = s->parent[at];
	}
	const int err = s->kept.size ? 0 : stage_build(s, progress);
	if (err)
		return err;
	for (; !stage_begins(s, at) && !stage_keeps(s, at); steps++)
		at = s->parent[at];
	*ret = stage_begins(s, at) ? stage_first(s, at) : *stage_at(s, at);
	*ret += s->rule == STAGE_DEPTH ? steps : 0;
	return 0;
}

int stage_find(struct stage *s, uint32_t node, const struct progress *progress,
	       uint32_t *ret)
{
	assert(node < s->heap->nodes);
	if (stage_begins(s, node)) {
		*ret = stage_first(s, node);
		return 0;
	}
	const uint32_t parent = s->parent[node], i = parent % STAGE_RECENT;
	if (s->recent[i].parent == parent + 1) {
		*ret = s->recent[i].value;
		return 0;
	}
	const int err = stage_climb(s, node, progress, ret);
	if (!err) {
		s->recent[i].parent = parent + 1;
		s->recent[i].value = *ret;
	}
	return err;
}
