/* SPDX-License-Identifier: MIT */
/*
 * errors - what could not be walked, and why; sizes - our sizes compared with
 * the interpreter's own answer, by type.
 */
#include "viewer/report/common.h"

static const struct column error_columns[] = {
	{ "address", "Address", CELL_ADDRESS, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "text", "Why", CELL_TEXT, false },
};

static int report_errors_run(const struct report_context *context,
			     const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	const struct snap_error *error = heap->error.data;
	struct text scratch = { 0 };
	int err = 0;

	(void)params;
	for (size_t i = 0; i < VEC_COUNT(heap->error, struct snap_error) && !err; i++) {
		struct row row;

		row_begin(&row, table, heap_find(heap, error[i].addr), error[i].type);
		if (error[i].addr)
			row_u64(&row, error[i].addr);
		else
			row_unknown(&row);
		row_type(&row, &scratch, heap, error[i].type);
		row_string(&row, &scratch, heap, error[i].text);
		err = row_end(&row);
	}
	text_free(&scratch);
	return err;
}

const struct report report_errors = {
	.name = "errors",
	.title = "What could not be walked",
	.limit = 100,
	.columns = error_columns,
	.ncolumns = COUNT_OF(error_columns),
	.run = report_errors_run,
};

static const struct column size_columns[] = {
	{ "type", "Type", CELL_TEXT, false },
	{ "checked", "Checked", CELL_COUNT, false },
	{ "mismatched", "Different", CELL_COUNT, false },
	{ "ours", "pymem", CELL_BYTES, false },
	{ "theirs", "The interpreter's", CELL_BYTES, false },
};

static int report_sizes_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	const struct snap_size_check *check = heap->size_check.data;
	struct text scratch = { 0 };
	int err = 0;

	(void)params;
	for (size_t i = 0;
	     i < VEC_COUNT(heap->size_check, struct snap_size_check) && !err; i++) {
		struct row row;

		row_begin(&row, table, HEAP_NONE, check[i].type);
		row_type(&row, &scratch, heap, check[i].type);
		row_u64(&row, check[i].checked);
		row_u64(&row, check[i].mismatched);
		row_u64(&row, check[i].ours);
		row_u64(&row, check[i].theirs);
		err = row_end(&row);
	}
	if (!err && !heap->size_check.size)
		table->error = "no sizes were checked at the capture";
	text_free(&scratch);
	return err;
}

const struct report report_sizes = {
	.name = "sizes",
	.title = "Sizes compared with the interpreter's",
	.limit = 100,
	.columns = size_columns,
	.ncolumns = COUNT_OF(size_columns),
	.run = report_sizes_run,
};
