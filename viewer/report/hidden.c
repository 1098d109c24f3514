/* SPDX-License-Identifier: MIT */
/*
 * hidden - references that were counted but not found, by type.
 *
 * If every reference were found, an object's would add up to its refcount; what
 * is left over is held by C code nobody can see into.  A type whose surplus
 * grows from snapshot to snapshot is leaked by an extension.  missing: found
 * more references than counted (a root that is borrowed, or a count in flux).
 */
#include <errno.h>
#include <stdlib.h>

#include "viewer/report/common.h"
#include "viewer/text/human.h"

static const struct column columns[] = {
	{ "type", "Type", CELL_TEXT, false },
	{ "surplus", "Hidden references", CELL_COUNT, false },
	{ "count", "Objects with some", CELL_COUNT, false },
	{ "only", "Held only so", CELL_COUNT, false },
	{ "retained", "Retained by those", CELL_BYTES, false },
	{ "share", "Share of all hidden", CELL_RATIO, false },
	{ "missing", "Found too many", CELL_COUNT, false },
	{ "example", "Example", CELL_ADDRESS, false },
};

struct sum {
	uint64_t surplus, count, only, retained, missing, best;
	uint32_t type, example;
};

static int report_hidden_by_surplus(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	if (x->surplus != y->surplus)
		return x->surplus > y->surplus ? -1 : 1;
	if (x->missing != y->missing)
		return x->missing > y->missing ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static void report_hidden_add_object(const struct report_context *c, struct sum *sum,
				     uint32_t object, int64_t by)
{
	uint32_t unknown = heap_group(c->heap, HEAP_SYNTH_UNKNOWN);

	sum->type = heap_type_of(c->heap, object);
	if (by < 0) {
		sum->missing += -(uint64_t)by;
		return;
	}
	sum->surplus += (uint64_t)by;
	sum->count++;
	if ((uint64_t)by > sum->best) {
		sum->best = (uint64_t)by;
		sum->example = object;
	}
	if (analysis_parent(c->analysis, object) == unknown) {
		sum->only++;
		sum->retained += analysis_retained(c->analysis, object);
	}
}

static int report_hidden_add_row(const struct report_context *c, const struct sum *sum,
				 uint64_t total, struct text *scratch,
				 struct table *table)
{
	struct row row;

	row_begin(&row, table, sum->count ? sum->example : HEAP_NONE, sum->type);
	row_type(&row, scratch, c->heap, sum->type);
	row_u64(&row, sum->surplus);
	row_u64(&row, sum->count);
	row_u64(&row, sum->only);
	row_u64(&row, sum->retained);
	row_ratio(&row, ratio_of(sum->surplus, total));
	row_u64(&row, sum->missing);
	if (sum->count)
		row_address(&row, c->heap, sum->example);
	else
		row_unknown(&row);
	return row_end(&row);
}

static int report_hidden_run(const struct report_context *context,
			     const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	const uint32_t *id = VEC(heap->surplus_id, uint32_t);
	const int64_t *by = VEC(heap->surplus_by, int64_t);
	struct text scratch = { 0 };
	struct vec sums = { 0 };
	uint64_t total = 0;
	char share[HUMAN_SIZE];

	(void)params;
	if (vec_alloc(&sums, ((size_t)heap->types + 1) * sizeof(struct sum)))
		return -ENOMEM;
	struct sum *sum = sums.data;
	for (size_t i = 0; i < VEC_COUNT(heap->surplus_id, uint32_t); i++) {
		report_hidden_add_object(context, &sum[heap_type_of(heap, id[i])], id[i],
					 by[i]);
		total += by[i] > 0 ? (uint64_t)by[i] : 0;
	}
	qsort(sum, (size_t)heap->types + 1, sizeof(*sum), report_hidden_by_surplus);
	int err = 0;
	for (uint32_t t = 0; t <= heap->types && !err; t++)
		if (sum[t].surplus || sum[t].missing)
			err = report_hidden_add_row(context, &sum[t], total, &scratch,
						    table);
	if (!err)
		err = table_note(table,
				 "%s of %llu counted references are explained "
				 "(but for None, True, False)",
				 human_share(share,
					     ratio_of(heap->references_explained,
						      heap->references_counted)),
				 (unsigned long long)heap->references_counted);
	vec_free(&sums);
	text_free(&scratch);
	return err;
}

const struct report report_hidden = {
	.name = "hidden",
	.title = "Hidden references",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_hidden_run,
};
