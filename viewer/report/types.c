/* SPDX-License-Identifier: MIT */
/*
 * types - objects by type: how many, how large, what they own outside, what would go
 * with them all.
 *
 * Types of the same name (a class made again and again) are one row.
 */
#include <errno.h>
#include <string.h>

#include "viewer/model/native_node.h"
#include "viewer/report/common.h"
#include "viewer/report/by_name.h"

static const struct column columns[] = {
	{ "type", "Type", CELL_TEXT, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "native", "Native", CELL_BYTES, false },
	{ "share", "Share", CELL_RATIO, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "approximate", "Approximate", CELL_BOOL, true },
};

static int report_types_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	struct text scratch = { 0 };
	struct by_name names = { 0 };
	const uint64_t total = native_node_heap_total(heap);
	uint32_t only = 0;
	int err = by_name_build(&names, heap, context->analysis);

	if (params->type && !(only = params_type(heap, params, table)))
		err = err ? err : -ENOENT;
	for (size_t i = 0; i < by_name_count(&names) && !err; i++) {
		const struct named_type *t = by_name_at(&names, i);
		struct row row;

		if (only &&
		    strcmp(heap_type_name(heap, only), heap_type_name(heap, t->type)))
			continue;
		row_begin(&row, table, HEAP_NONE, t->type);
		row_type(&row, &scratch, heap, t->type);
		row_u64(&row, t->count);
		row_u64(&row, t->size);
		row_u64(&row, t->native);
		row_ratio(&row, ratio_of(t->size + t->native, total));
		row_u64(&row, t->retained);
		row_u64(&row, t->approximate);
		err = row_end(&row);
	}
	by_name_free(&names);
	text_free(&scratch);
	return err == -ENOENT ? 0 : err;
}

const struct report report_types = {
	.name = "types",
	.title = "Types",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_types_run,
};
