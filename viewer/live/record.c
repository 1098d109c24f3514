/* SPDX-License-Identifier: MIT */
#include "viewer/live/record.h"

#include <errno.h>
#include <stdlib.h>

#include "viewer/analysis/growth.h"
#include "viewer/text/text.h"
#include "viewer/report/growth_text.h"

void record_types(struct history *h, const struct heap *heap, uint64_t pid)
{
	struct text name = { 0 };

	history_begin(h, pid);
	for (uint32_t i = 1; i <= heap->types; i++) {
		const struct heap_type *type = heap_type(heap, i);
		size_t size;
		const char *raw = heap_string(heap, type->name, &size);
		if (!type->count)
			continue;
		text_clear(&name);
		text_escape(&name, raw, size, 200, 0);
		history_add(h, pid, text_get(&name), type->count, type->size);
	}
	history_end(h, pid);
	text_free(&name);
}

static int record_by_size(const void *pa, const void *pb, void *arg)
{
	const struct signature *s = arg;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	if (s[a].size != s[b].size)
		return s[a].size < s[b].size ? 1 : -1;
	return (a > b) - (a < b);
}

static void record_add_paths(struct history *h, const struct analysis *analysis,
			     const struct growth *growth, const uint32_t *order, size_t n,
			     uint64_t pid)
{
	const struct signature *s = growth->signature.data;
	struct text name = { 0 };

	history_begin(h, pid);
	for (size_t i = 0; i < n && i < RECORD_MAX_PATHS; i++) {
		text_clear(&name);
		growth_path(&name, analysis, growth, order[i]);
		history_add(h, pid, text_get(&name), s[order[i]].count, s[order[i]].size);
	}
	history_end(h, pid);
	text_free(&name);
}

/* By places, which have the same names in every snapshot, as none knows of the next. */
int record_paths(struct history *h, const struct analysis *analysis, uint64_t pid,
		 const struct progress *progress)
{
	struct growth growth = { 0 };
	int err = growth_build_places(analysis, progress, &growth);
	size_t all = err ? 0 : VEC_COUNT(growth.signature, struct signature), n = 0;
	uint32_t *order = err ? NULL : malloc((all + 1) * sizeof(*order));

	if (!err && !order)
		err = -ENOMEM;
	for (uint32_t i = 1; i < all && !err; i++)
		if (VEC(growth.signature, struct signature)[i].count)
			order[n++] = i;
	if (!err) {
		qsort_r(order, n, sizeof(*order), record_by_size, growth.signature.data);
		record_add_paths(h, analysis, &growth, order, n, pid);
	}
	free(order);
	growth_free(&growth);
	return err;
}
