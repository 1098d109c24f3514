/* SPDX-License-Identifier: MIT */
/*
 * sites, site_growth - which lines of the program allocated what is in memory, and which
 * have more than before (analysis/sites.h), where tracemalloc was tracing.
 */
#include "viewer/analysis/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/model/site.h"
#include "viewer/report/common.h"
#include "viewer/text/human.h"

enum { SITES_CALLERS = 12 };

static const struct column site_columns[] = {
	{ "site", "Allocated at", CELL_TEXT, false },
	{ "blocks", "Blocks", CELL_COUNT, false },
	{ "allocated", "Allocated", CELL_BYTES, false },
	{ "count", "Objects", CELL_COUNT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "file", "File", CELL_TEXT, true },
	{ "line", "Line", CELL_ID, true },
	{ "address", "Example", CELL_ADDRESS, true },
	{ "callers", "Called from", CELL_TEXT, false },
};

static const struct column growth_columns[] = {
	{ "site", "Allocated at", CELL_TEXT, false },
	{ "blocks_diff", "Blocks diff", CELL_COUNT_DIFF, false },
	{ "allocated_diff", "Growth", CELL_BYTES_DIFF, false },
	{ "blocks", "Blocks", CELL_COUNT, false },
	{ "allocated", "Allocated", CELL_BYTES, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "file", "File", CELL_TEXT, true },
	{ "line", "Line", CELL_ID, true },
	{ "callers", "Called from", CELL_TEXT, false },
};

static void report_sites_fail(struct table *table)
{
	table_fail(table,
		   "no allocation sites: tracemalloc was not tracing when the snapshot "
		   "was taken (python -X tracemalloc, or tracemalloc.start())");
}

/* The line, then, at the end of the row, how the site that asked for most was called. */
static void report_sites_line(struct row *row, struct text *scratch,
			      const struct heap *heap, const struct sites_place *p)
{
	text_clear(scratch);
	describe_line(scratch, heap, p->file, p->line);
	row_text(row, text_get(scratch));
}

static void report_sites_place(struct row *row, struct text *scratch,
			       const struct heap *heap, const struct sites_place *p)
{
	row_string(row, scratch, heap, p->file);
	if (p->line)
		row_u64(row, p->line);
	else
		row_unknown(row);
}

static void report_sites_callers(struct row *row, struct text *scratch,
				 const struct heap *heap, const struct sites_place *p)
{
	text_clear(scratch);
	if (p->site)
		describe_callers(scratch, heap, site_at(heap, p->site)->caller,
				 SITES_CALLERS);
	row_text(row, text_get(scratch));
}

static int report_sites_add(const struct heap *heap, const struct sites_place *p,
			    struct text *scratch, struct table *table)
{
	struct row row;

	row_begin(&row, table, p->node, 0);
	report_sites_line(&row, scratch, heap, p);
	row_u64(&row, p->blocks);
	row_u64(&row, p->allocated);
	row_u64(&row, p->objects);
	row_u64(&row, p->size);
	row_u64(&row, p->retained);
	report_sites_place(&row, scratch, heap, p);
	if (p->node != HEAP_NONE)
		row_address(&row, heap, p->node);
	else
		row_unknown(&row);
	report_sites_callers(&row, scratch, heap, p);
	return row_end(&row);
}

/* What the rows are not about. */
static int report_sites_note(const struct heap *heap, const struct sites *sites,
			     struct table *table)
{
	const uint64_t missing = heap_fact_u64(heap, "tracemalloc.missing", 0);
	char count[HUMAN_SIZE], size[HUMAN_SIZE];
	int err = 0;

	if (sites->unknown_objects)
		err = table_note(table,
				 "%s objects (%s) have no site: they are older than the "
				 "tracing, or were not allocated by Python's allocators",
				 human_count(count, sites->unknown_objects),
				 human_bytes_u64(size, sites->unknown_size));
	if (missing && !err)
		err = table_note(table, "%s traces could not be read",
				 human_count(count, missing));
	return err;
}

static int report_sites_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	struct text scratch = { 0 };
	struct sites sites;
	int err = sites_build(&sites, context->analysis, context->progress);

	(void)params;
	if (!err && !sites_count(&sites))
		report_sites_fail(table);
	for (size_t i = 0; i < sites_count(&sites) && !err; i++)
		err = report_sites_add(context->heap,
				       VEC(sites.place, struct sites_place) + i, &scratch,
				       table);
	if (!err && sites_count(&sites))
		err = report_sites_note(context->heap, &sites, table);
	sites_free(&sites);
	text_free(&scratch);
	return err;
}

/* ---- growth ---- */

/* A line of either snapshot, by its text. */
struct report_sites_key {
	const char *file;
	uint32_t line;
	const struct sites_place *fresh, *old; /* NULL: not there */
};

static int report_sites_by_text(const void *a, const void *b)
{
	const struct report_sites_key *x = a, *y = b;
	const int order = strcmp(x->file, y->file);

	if (order)
		return order;
	return x->line < y->line ? -1 : x->line > y->line;
}

static int64_t report_sites_diff(const struct report_sites_key *k)
{
	return (int64_t)((k->fresh ? k->fresh->allocated : 0) -
			 (k->old ? k->old->allocated : 0));
}

static int report_sites_by_growth(const void *a, const void *b)
{
	const struct report_sites_key *x = a, *y = b;
	const int64_t dx = report_sites_diff(x), dy = report_sites_diff(y);

	if (dx != dy)
		return dx > dy ? -1 : 1;
	return report_sites_by_text(a, b);
}

static int report_sites_gather(struct vec *keys, const struct heap *heap,
			       const struct sites *sites, bool old)
{
	int err = 0;

	for (size_t i = 0; i < sites_count(sites) && !err; i++) {
		const struct sites_place *p = VEC(sites->place, struct sites_place) + i;
		const struct report_sites_key key = { heap_string(heap, p->file, NULL),
						      p->line, old ? NULL : p,
						      old ? p : NULL };

		err = vec_append(keys, &key, sizeof(key));
	}
	return err;
}

/* Lines that both snapshots have become one. */
static void report_sites_join(struct vec *keys)
{
	struct report_sites_key *k = keys->data;
	size_t kept = 0;

	if (!keys->size)
		return;
	qsort(k, VEC_COUNT(*keys, struct report_sites_key), sizeof(*k),
	      report_sites_by_text);
	for (size_t i = 0; i < VEC_COUNT(*keys, struct report_sites_key); i++) {
		if (!kept || report_sites_by_text(&k[kept - 1], &k[i])) {
			k[kept++] = k[i];
			continue;
		}
		if (k[i].fresh)
			k[kept - 1].fresh = k[i].fresh;
		else
			k[kept - 1].old = k[i].old;
	}
	keys->size = kept * sizeof(*k);
	qsort(k, kept, sizeof(*k), report_sites_by_growth);
}

static int report_sites_add_growth(const struct report_context *c,
				   const struct report_sites_key *k, struct text *scratch,
				   struct table *table)
{
	const struct sites_place *p = k->fresh ? k->fresh : k->old;
	const struct heap *heap = k->fresh ? c->heap : c->old;
	struct row row;

	row_begin(&row, table, k->fresh ? p->node : HEAP_NONE, 0);
	report_sites_line(&row, scratch, heap, p);
	row_i64(&row,
		(int64_t)((k->fresh ? p->blocks : 0) - (k->old ? k->old->blocks : 0)));
	row_i64(&row, report_sites_diff(k));
	row_u64(&row, k->fresh ? p->blocks : 0);
	row_u64(&row, k->fresh ? p->allocated : 0);
	row_u64(&row, k->fresh ? p->retained : 0);
	report_sites_place(&row, scratch, heap, p);
	report_sites_callers(&row, scratch, heap, p);
	return row_end(&row);
}

static int report_sites_grow(const struct report_context *c, const struct sites *fresh,
			     const struct sites *old, struct table *table)
{
	struct text scratch = { 0 };
	struct vec keys = { 0 };
	int err = report_sites_gather(&keys, c->heap, fresh, false);

	if (!err)
		err = report_sites_gather(&keys, c->old, old, true);
	if (!err)
		report_sites_join(&keys);
	for (size_t i = 0; i < VEC_COUNT(keys, struct report_sites_key) && !err; i++) {
		const struct report_sites_key *k = VEC(keys, struct report_sites_key) + i;

		if (report_sites_diff(k))
			err = report_sites_add_growth(c, k, &scratch, table);
	}
	vec_free(&keys);
	text_free(&scratch);
	return err;
}

static int report_site_growth_run(const struct report_context *context,
				  const struct report_params *params, struct table *table)
{
	struct sites fresh = { 0 }, old = { 0 };
	int err = sites_build(&fresh, context->analysis, context->progress);

	(void)params;
	if (!err)
		err = sites_build(&old, context->old_analysis, context->progress);
	if (!err && (!sites_count(&fresh) || !sites_count(&old)))
		report_sites_fail(table);
	else if (!err)
		err = report_sites_grow(context, &fresh, &old, table);
	sites_free(&fresh);
	sites_free(&old);
	return err;
}

const struct report report_sites = {
	.name = "sites",
	.title = "Allocation sites",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = site_columns,
	.ncolumns = COUNT_OF(site_columns),
	.run = report_sites_run,
};

const struct report report_site_growth = {
	.name = "site_growth",
	.title = "Growth by allocation site",
	.needs = NEEDS_ANALYSIS | NEEDS_OLD,
	.limit = 40,
	.columns = growth_columns,
	.ncolumns = COUNT_OF(growth_columns),
	.run = report_site_growth_run,
};
