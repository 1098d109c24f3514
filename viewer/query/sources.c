/* SPDX-License-Identifier: MIT */
/* sources - see sources.h. */
#include "viewer/query/sources.h"

#include <assert.h>
#include <errno.h>

#include "viewer/query/gap.h"

enum { BLOCK = 128 };

void sources_free(struct sources *s)
{
	vec_free(&s->begin);
	vec_free(&s->bytes);
}

/* The node that entry `slot` of n's references leads to, HEAP_NONE: none. */
static inline uint32_t sources_referent(const struct heap *heap, uint32_t n, uint32_t to,
					uint32_t slot)
{
	if (to < heap->nodes)
		return to;
	return to == HEAP_WEAK ? heap_target(heap, n, slot, NULL) : HEAP_NONE;
}

/* One pass over all references.  bytes NULL: at[block + 1] grows by what a reference
 * takes; else at[block] moves over what is written. */
static int sources_pass(const struct heap *heap, uint64_t *at, uint32_t *last,
			uint8_t *bytes, const struct progress *progress)
{
	for (uint32_t n = 0; n < heap->nodes; n++) {
		const struct heap_span refs = heap_refs(heap, n);

		if (n % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(progress, "referrers",
				  (bytes ? heap->nodes : 0ull) / 2 + n / 2, heap->nodes))
			return -ECANCELED;
		for (uint32_t i = 0; i < refs.count; i++) {
			const uint32_t to = sources_referent(heap, n, refs.target[i], i);
			const uint32_t block = to / BLOCK;

			if (to == HEAP_NONE)
				continue;
			if (bytes) {
				uint8_t *const end =
					gap_put(bytes + at[block], n - last[block]);
				*end = (uint8_t)(to % BLOCK);
				at[block] = (uint64_t)(end + 1 - bytes);
			} else {
				at[block + 1] += gap_size(n - last[block]) + 1;
			}
			last[block] = n;
		}
	}
	return 0;
}

int sources_build(struct sources *s, const struct heap *heap,
		  const struct progress *progress)
{
	const size_t blocks = (size_t)heap->nodes / BLOCK + 1;
	struct vec last = { 0 };
	int err = vec_alloc(&last, blocks * 4);

	assert(!sources_is_built(s));
	if (!err)
		err = vec_alloc(&s->begin, (blocks + 1) * 8);
	uint64_t *const begin = VEC(s->begin, uint64_t);
	if (!err)
		err = sources_pass(heap, begin, last.data, NULL, progress);
	for (size_t b = 0; b < blocks && !err; b++) {
		begin[b + 1] += begin[b];
		VEC(last, uint32_t)[b] = 0;
	}
	if (!err && begin[blocks])
		err = vec_alloc(&s->bytes, begin[blocks]);
	if (!err && begin[blocks])
		err = sources_pass(heap, begin, last.data, s->bytes.data, progress);
	vec_free(&last);
	if (err) {
		sources_free(s);
		return err;
	}
	for (size_t b = blocks; b > 0 && s->bytes.size; b--) /* each is its end now */
		begin[b] = begin[b - 1];
	begin[0] = 0;
	return 0;
}

int sources_list(const struct sources *s, uint32_t node, struct vec *ret)
{
	const uint64_t *const begin = VEC(s->begin, uint64_t) + node / BLOCK;
	const uint8_t *const bytes = s->bytes.data,
			     *at = bytes + begin[0], *const end = bytes + begin[1];
	uint32_t source = 0, last = HEAP_NONE;
	int err = 0;

	while (at < end && !err) {
		source += gap_get(&at);
		if (*at++ != node % BLOCK || source == last)
			continue;
		last = source;
		err = vec_push_u32(ret, source);
	}
	return err;
}
