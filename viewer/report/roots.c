/* SPDX-License-Identifier: MIT */
/* roots - what holds everything: the groups, threads and frames, with what they
 * retain. */
#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "group", "Group", CELL_TEXT, false },
	{ "roots", "Roots", CELL_COUNT, false },
	{ "borrowed", "Borrowed", CELL_COUNT, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "count", "Objects", CELL_COUNT, false },
	{ "share", "Share", CELL_RATIO, false },
};

static uint64_t report_roots_count_borrowed(const struct heap *heap,
					    const struct heap_synth *s)
{
	const struct heap_synth_label *label =
		VEC(heap->synth_label, struct heap_synth_label);
	uint64_t count = 0;

	for (uint32_t i = 0; i < s->count; i++)
		count += label[s->first + i].flags & SNAP_ROOT_BORROWED;
	return count;
}

static int report_roots_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	struct text scratch = { 0 };
	int err = 0;

	(void)params;
	for (uint32_t n = heap_root(heap) + 1; n < heap->nodes && !err; n++) {
		const struct heap_synth *s = heap_synth(heap, n);
		struct row row;

		if ((!s->count && s->kind < HEAP_SYNTH_GROUP_COUNT) ||
		    s->kind == HEAP_SYNTH_NATIVE)
			continue;
		row_begin(&row, table, n, 0);
		row_node(&row, &scratch, heap, n);
		row_u64(&row, s->count);
		row_u64(&row, report_roots_count_borrowed(heap, s));
		row_u64(&row, analysis_retained(context->analysis, n));
		row_u64(&row, analysis_retained_count(context->analysis, n));
		row_ratio(&row,
			  ratio_of(analysis_retained(context->analysis, n),
				   analysis_total(context->analysis)));
		err = row_end(&row);
	}
	if (!err)
		err = table_note(table,
				 "an object held from two groups is retained by neither");
	text_free(&scratch);
	return err;
}

const struct report report_roots = {
	.name = "roots",
	.title = "Roots",
	.needs = NEEDS_ANALYSIS,
	.limit = 100,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_roots_run,
};
