/* SPDX-License-Identifier: MIT */
/*
 * paths - how an object is held: the steps of a shortest path from its root, equal ones
 * that follow each other in one row (way.h).
 *
 * With --object, that object's; with --type, those of the instances that retain
 * most (--limit of them, default 5).
 */
#include <string.h>

#include "viewer/model/site.h"
#include "viewer/name/calls.h"
#include "viewer/name/way.h"
#include "viewer/report/common.h"

#define MAX_ROWS 1000u
#define INSTANCES 5
#define CALLERS 12u

static const struct column columns[] = {
	{ "object", "Object", CELL_ADDRESS, false },
	{ "step", "Step", CELL_COUNT, false },
	{ "edge", "Edge", CELL_TEXT, false },
	{ "address", "Address", CELL_ADDRESS, true },
	{ "type", "Type", CELL_TEXT, false },
	{ "value", "Value", CELL_TEXT, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "dominator", "Dominator", CELL_BOOL, false },
	{ "path", "Path", CELL_TEXT, false },
};

static bool report_paths_dominates(const struct analysis *a, uint32_t holder,
				   uint32_t node)
{
	for (uint32_t steps = 0; node != HEAP_NONE && steps < a->heap->nodes; steps++) {
		if (node == holder)
			return true;
		node = analysis_idom(a, node);
	}
	return false;
}

static int report_paths_add_step(const struct report_context *c, const struct way *way,
				 size_t i, uint32_t object, struct text *scratch,
				 struct table *table)
{
	const struct heap *heap = c->heap;
	const uint32_t node = way_node(way, i);
	struct row row;

	row_begin(&row, table, node, heap_type_of(heap, node));
	row_address(&row, heap, object);
	row_u64(&row, VEC(way->row, struct way_row)[i].at);
	text_clear(scratch);
	way_text(scratch, heap, way, i);
	row_text(&row, text_get(scratch));
	row_address(&row, heap, node);
	row_node(&row, scratch, heap, node);
	row_value(&row, scratch, heap, node);
	row_u64(&row, analysis_retained(c->analysis, node));
	row_u64(&row, report_paths_dominates(c->analysis, node, object));
	if (node == object)
		row_path(&row, scratch, c->analysis, node);
	else
		row_text(&row, "");
	return row_end(&row);
}

static int report_paths_add_steps(const struct report_context *c, uint32_t object,
				  struct text *scratch, struct table *table)
{
	struct way way;
	int err = way_make(&way, c->analysis, object, MAX_ROWS);

	for (size_t i = 0; i < way_rows(&way) && !err; i++)
		err = report_paths_add_step(c, &way, i, object, scratch, table);
	if (!err && way.left_out)
		err = table_note(table, "%u steps in the middle are left out",
				 way.left_out);
	way_free(&way);
	return err;
}

static int report_paths_add_path(const struct report_context *c, uint32_t object,
				 struct text *scratch, struct table *table)
{
	int err = report_paths_add_steps(c, object, scratch, table);

	if (!err && site_of(c->heap, object)) {
		text_clear(scratch);
		describe_callers(scratch, c->heap, site_of(c->heap, object), CALLERS);
		err = table_note(table, "allocated at %s", text_get(scratch));
	}
	if (!err) {
		text_clear(scratch);
		calls_where(scratch, c->heap, object);
		if (text_len(scratch))
			err = table_note(table, "it %s", text_get(scratch));
	}
	return err;
}

static int report_paths_add_instances(const struct report_context *c,
				      const struct report_params *params, uint32_t type,
				      struct text *scratch, struct table *table)
{
	struct top top = { .limit = params->limit ? params->limit : INSTANCES };
	const char *name = heap_type_name(c->heap, type);
	int err = 0;

	for (uint32_t o = 0; o < c->heap->objects && !err; o++)
		if (!strcmp(heap_type_name(c->heap, heap_type_of(c->heap, o)), name))
			err = top_offer(&top, analysis_retained(c->analysis, o), o);
	top_sort(&top);
	for (size_t i = 0; i < VEC_COUNT(top.heap, struct top_entry) && !err; i++)
		err = report_paths_add_path(c, VEC(top.heap, struct top_entry)[i].id,
					    scratch, table);
	top_free(&top);
	return err;
}

static int report_paths_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	struct text scratch = { 0 };
	uint32_t node, type;
	int err = 0;

	if (params->object) {
		node = params_node(context->heap, params, table);
		if (node != HEAP_NONE)
			err = report_paths_add_path(context, node, &scratch, table);
	} else if (params->type) {
		type = params_type(context->heap, params, table);
		if (type)
			err = report_paths_add_instances(context, params, type, &scratch,
							 table);
	} else {
		table->error = "name an object with --object or a type with --type";
	}
	text_free(&scratch);
	return err;
}

const struct report report_paths = {
	.name = "paths",
	.title = "Paths to roots",
	.needs = NEEDS_ANALYSIS | NEEDS_NODE,
	.rows_are_steps = true,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_paths_run,
};
