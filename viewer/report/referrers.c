/* SPDX-License-Identifier: MIT */
/*
 * referrers, referents - the neighbours of one object (--object), with the
 * edge's label.  Weak references are listed and marked.
 */
#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "address", "Address", CELL_ADDRESS, false },
	{ "edge", "Edge", CELL_TEXT, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "value", "Value", CELL_TEXT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "weak", "Weak", CELL_BOOL, false },
	{ "path", "Path", CELL_TEXT, true },
};

struct edge {
	uint32_t from, slot, to;
};

static int report_referrers_add_row(const struct report_context *c, struct edge edge,
				    uint32_t shown, struct text *scratch,
				    struct table *table)
{
	const struct heap *heap = c->heap;
	bool weak = false;
	struct row row;

	if (edge.slot != HEAP_NONE)
		heap_target(heap, edge.from, edge.slot, &weak);
	row_begin(&row, table, shown, heap_type_of(heap, shown));
	row_address(&row, heap, shown);
	text_clear(scratch);
	if (heap_is_native(heap, edge.to))
		describe_step(scratch, heap, edge.from, edge.to);
	else
		describe_edge(scratch, heap, edge.from, edge.slot);
	row_text(&row, text_get(scratch));
	row_node(&row, scratch, heap, shown);
	row_value(&row, scratch, heap, shown);
	row_u64(&row, heap_shallow(heap, shown));
	row_u64(&row, analysis_retained(c->analysis, shown));
	row_u64(&row, weak);
	row_path(&row, scratch, c->analysis, shown);
	return row_end(&row);
}

static int report_referrers_run(const struct report_context *context,
				const struct report_params *params, struct table *table)
{
	uint32_t node = params_node(context->heap, params, table);
	struct text scratch = { 0 };
	struct heap_span from;
	int err;

	if (node == HEAP_NONE)
		return 0;
	err = analysis_referrers(context->analysis, node, context->progress, &from);
	for (uint32_t i = 0; i < from.count && !err; i++) {
		struct edge edge = { from.target[i], 0, node };

		if (params->limit && !params->filter && !params->sort &&
		    i >= params->limit)
			break;
		edge.slot = heap_slot(context->heap, edge.from, node);
		err = report_referrers_add_row(context, edge, edge.from, &scratch, table);
	}
	if (!err && !params->filter)
		table->total = from.count;
	text_free(&scratch);
	return err;
}

static int report_referents_run(const struct report_context *context,
				const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	uint32_t node = params_node(heap, params, table), type;
	struct text scratch = { 0 };
	int err = 0;

	if (node == HEAP_NONE)
		return 0;
	struct heap_span refs = heap_refs(heap, node);
	for (uint32_t i = 0; i < refs.count && !err; i++) {
		struct edge edge = { node, i, heap_target(heap, node, i, NULL) };

		if (params->limit && !params->filter && !params->sort &&
		    i >= params->limit)
			break;
		if (edge.to != HEAP_NONE)
			err = report_referrers_add_row(context, edge, edge.to, &scratch,
						       table);
	}
	type = heap_type_edge(heap, node);
	if (!err && type < heap->nodes)
		err = report_referrers_add_row(context,
					       (struct edge){ node, HEAP_NONE, type },
					       type, &scratch, table);
	text_free(&scratch);
	return err;
}

const struct report report_referrers = {
	.name = "referrers",
	.title = "Referrers",
	.needs = NEEDS_ANALYSIS | NEEDS_NODE,
	.limit = 40,
	.limit_data = 1000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_referrers_run,
};

const struct report report_referents = {
	.name = "referents",
	.title = "Referents",
	.needs = NEEDS_ANALYSIS | NEEDS_NODE,
	.limit = 40,
	.limit_data = 1000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_referents_run,
};
