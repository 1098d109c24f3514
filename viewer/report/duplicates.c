/* SPDX-License-Identifier: MIT */
/* duplicates - equal strings, bytes and tuples, most wasteful first. */
#include "viewer/analysis/duplicates.h"
#include "viewer/report/common.h"
#include "viewer/text/human.h"

static const struct column columns[] = {
	{ "type", "Type", CELL_TEXT, false },
	{ "value", "Value", CELL_TEXT, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "wasted", "Wasted", CELL_BYTES, false },
	{ "address", "Example", CELL_ADDRESS, false },
	{ "path", "Path", CELL_TEXT, false },
};

static int report_duplicates_add_row(const struct report_context *c,
				     const struct duplicate *d, struct text *scratch,
				     struct table *table)
{
	const struct heap *heap = c->heap;
	struct row row;

	row_begin(&row, table, d->example, heap_type_of(heap, d->example));
	row_node(&row, scratch, heap, d->example);
	row_value(&row, scratch, heap, d->example);
	row_u64(&row, d->count);
	row_u64(&row, d->size);
	row_u64(&row, d->wasted);
	row_address(&row, heap, d->example);
	row_path(&row, scratch, c->analysis, d->example);
	return row_end(&row);
}

static int report_duplicates_run(const struct report_context *context,
				 const struct report_params *params, struct table *table)
{
	struct top top = { .limit = params->filter ? 0 : params->limit };
	struct vec found = { 0 };
	struct text scratch = { 0 };
	uint64_t wasted = 0;
	char buf[HUMAN_SIZE];
	int err = duplicates_find(context->heap, context->progress, &found);
	const struct duplicate *d = found.data;

	for (size_t i = 0; i < VEC_COUNT(found, struct duplicate) && !err; i++) {
		wasted += d[i].wasted;
		err = top_offer(&top, d[i].wasted, (uint32_t)i);
	}
	top_sort(&top);
	for (size_t i = 0; i < VEC_COUNT(top.heap, struct top_entry) && !err; i++)
		err = report_duplicates_add_row(context,
						&d[VEC(top.heap, struct top_entry)[i].id],
						&scratch, table);
	table->total = top.offered;
	if (!err)
		err = table_note(table, "wasted by all duplicates: %s",
				 human_bytes_u64(buf, wasted));
	top_free(&top);
	vec_free(&found);
	text_free(&scratch);
	return err;
}

const struct report report_duplicates = {
	.name = "duplicates",
	.title = "Duplicates",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.limit_data = 1000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_duplicates_run,
};
