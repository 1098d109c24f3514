/* SPDX-License-Identifier: MIT */
/*
 * budget - where the resident memory went (analysis/budget.h); maps - the
 * mappings, and how much of each holds no live object.
 */
#include "viewer/analysis/budget.h"
#include "viewer/report/allocator_text.h"
#include "viewer/report/common.h"
#include "viewer/text/human.h"

static const struct column columns[] = {
	{ "category", "Category", CELL_TEXT, true },
	{ "title", "What", CELL_TEXT, false },
	{ "size", "Resident", CELL_BYTES, false },
	{ "share", "Share", CELL_RATIO, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "not_resident", "Not resident", CELL_BYTES, true },
};

static int report_budget_add_row(const struct budget *budget,
				 const struct budget_entry *entry, struct table *table)
{
	struct row row;

	row_begin(&row, table, HEAP_NONE, 0);
	row_text(&row, budget_key(entry));
	row_text(&row, budget_title(entry));
	row_u64(&row, entry->size);
	row_ratio(&row, ratio_of(entry->size, budget->rss));
	if (entry->count)
		row_u64(&row, entry->count);
	else
		row_unknown(&row);
	row_u64(&row, entry->clipped);
	return row_end(&row);
}

static int report_budget_run(const struct report_context *context,
			     const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	struct budget budget;
	char buf[HUMAN_SIZE];
	int err = budget_make(heap, &budget);

	(void)params;
	if (err)
		return err;
	for (size_t i = 0; i < VEC_COUNT(budget.entries, struct budget_entry) && !err;
	     i++) {
		const struct budget_entry *entry =
			VEC(budget.entries, struct budget_entry) + i;

		err = report_budget_add_row(&budget, entry, table);
		if (!err && entry->clipped)
			err = table_note(table, "%s: %s more are not resident",
					 budget_title(entry),
					 human_bytes_u64(buf, entry->clipped));
	}
	if (!budget.rss)
		table->error = "the snapshot holds no mappings";
	else if (!err)
		err = table_note(table, "resident memory: %s",
				 human_bytes_u64(buf, budget.rss));
	if (!err && budget.swap)
		err = table_note(table, "swapped out besides: %s",
				 human_bytes_u64(buf, budget.swap));
	if (!err && budget.rss)
		err = allocator_text_note(table, heap);
	budget_free(&budget);
	return err;
}

const struct report report_budget = {
	.name = "budget",
	.title = "Resident memory",
	.limit = 100,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_budget_run,
};

/* ---- maps ---- */

static const struct column map_columns[] = {
	{ "start", "Start", CELL_ADDRESS, false },
	{ "end", "End", CELL_ADDRESS, true },
	{ "perms", "Mode", CELL_TEXT, false },
	{ "class", "Class", CELL_TEXT, false },
	{ "rss", "Resident", CELL_BYTES, false },
	{ "pss", "Proportional", CELL_BYTES, true },
	{ "private_dirty", "Private dirty", CELL_BYTES, true },
	{ "swap", "Swap", CELL_BYTES, true },
	{ "live", "With live objects", CELL_BYTES, false },
	{ "idle", "Without", CELL_BYTES, false },
	{ "object_bytes", "Objects' bytes", CELL_BYTES, false },
	{ "name", "Name", CELL_TEXT, false },
};

static int report_budget_add_map(const struct heap *heap, const struct snap_map *map,
				 struct text *scratch, struct table *table)
{
	static const char *const classes[] = {
		[SNAP_MAP_HEAP] = "heap",	  [SNAP_MAP_ANON] = "anonymous",
		[SNAP_MAP_STACK] = "stack",	  [SNAP_MAP_FILE] = "file",
		[SNAP_MAP_SHARED] = "shared",	  [SNAP_MAP_SPECIAL] = "special",
		[SNAP_MAP_AGENT] = "pymem's own",
	};
	char perms[5] = { map->perms & 1 ? 'r' : '-', map->perms & 2 ? 'w' : '-',
			  map->perms & 4 ? 'x' : '-', map->perms & 8 ? 's' : 'p', '\0' };
	struct row row;

	row_begin(&row, table, HEAP_NONE, 0);
	row_u64(&row, map->start);
	row_u64(&row, map->end);
	row_text(&row, perms);
	row_text(&row, map->class_ < COUNT_OF(classes) ? classes[map->class_] : "?");
	row_u64(&row, map->rss);
	row_u64(&row, map->pss);
	row_u64(&row, map->private_dirty);
	row_u64(&row, map->swap);
	row_u64(&row, map->live);
	row_u64(&row, map->rss > map->live ? map->rss - map->live : 0);
	row_u64(&row, map->object_bytes);
	row_string(&row, scratch, heap, map->name);
	return row_end(&row);
}

static int report_maps_run(const struct report_context *context,
			   const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	struct text scratch = { 0 };
	int err = 0;

	(void)params;
	for (size_t i = 0; i < VEC_COUNT(heap->map, struct snap_map) && !err; i++)
		err = report_budget_add_map(heap, VEC(heap->map, struct snap_map) + i,
					    &scratch, table);
	if (!heap->map.size)
		table->error = "the snapshot holds no mappings";
	text_free(&scratch);
	return err;
}

const struct report report_maps = {
	.name = "maps",
	.title = "Mappings",
	.limit = 100,
	.columns = map_columns,
	.ncolumns = COUNT_OF(map_columns),
	.run = report_maps_run,
};
