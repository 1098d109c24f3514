/* SPDX-License-Identifier: MIT */
/*
 * dominators - what keeps most alive: the nodes with the largest retained
 * sizes, or, with --object, those one object dominates; synthetic holders
 * (threads, frames) included, the root groups not.
 */
#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "address", "Address", CELL_ADDRESS, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "native", "Native", CELL_BYTES, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "share", "Share", CELL_RATIO, false },
	{ "count", "Objects", CELL_COUNT, false },
	{ "depth", "Depth", CELL_COUNT, false },
	{ "path", "Path", CELL_TEXT, false },
};

static int report_dominators_add_row(const struct report_context *c, uint32_t node,
				     struct text *scratch, struct table *table)
{
	struct row row;

	row_begin(&row, table, node, heap_type_of(c->heap, node));
	row_address(&row, c->heap, node);
	row_node(&row, scratch, c->heap, node);
	row_u64(&row, heap_size(c->heap, node));
	row_u64(&row, heap_native(c->heap, node));
	row_u64(&row, analysis_retained(c->analysis, node));
	row_ratio(&row,
		  ratio_of(analysis_retained(c->analysis, node),
			   analysis_total(c->analysis)));
	row_u64(&row, analysis_retained_count(c->analysis, node));
	row_u64(&row, analysis_depth(c->analysis, node));
	row_path(&row, scratch, c->analysis, node);
	return row_end(&row);
}

static int report_dominators_offer_all(const struct report_context *c, struct top *top)
{
	const struct heap *heap = c->heap;
	int err = 0;

	for (uint32_t n = 0; n < heap->nodes && !err; n++) {
		if (n >= heap->objects &&
		    heap_synth(heap, n)->kind < HEAP_SYNTH_GROUP_COUNT)
			continue;
		err = top_offer(top, analysis_retained(c->analysis, n), n);
	}
	return err;
}

static int report_dominators_offer_children(const struct report_context *c, uint32_t node,
					    struct top *top)
{
	struct heap_span children;
	int err = analysis_children(c->analysis, node, c->progress, &children);

	for (uint32_t i = 0; i < children.count && !err; i++)
		err = top_offer(top, analysis_retained(c->analysis, children.target[i]),
				children.target[i]);
	return err;
}

static int report_dominators_run(const struct report_context *context,
				 const struct report_params *params, struct table *table)
{
	struct top top = { .limit = params->filter ? 0 : params->limit };
	struct text scratch = { 0 };
	uint32_t node = HEAP_NONE;
	int err;

	if (params->object &&
	    (node = params_node(context->heap, params, table)) == HEAP_NONE)
		return 0;
	err = node == HEAP_NONE ? report_dominators_offer_all(context, &top) :
				  report_dominators_offer_children(context, node, &top);
	top_sort(&top);
	for (size_t i = 0; i < VEC_COUNT(top.heap, struct top_entry) && !err; i++)
		err = report_dominators_add_row(
			context, VEC(top.heap, struct top_entry)[i].id, &scratch, table);
	table->total = top.offered;
	top_free(&top);
	text_free(&scratch);
	return err;
}

const struct report report_dominators = {
	.name = "dominators",
	.title = "Dominators",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.limit_data = 1000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_dominators_run,
};
