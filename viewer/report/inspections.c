/* SPDX-License-Identifier: MIT */
/* inspections - known ways of wasting memory that are true of this process
 * (analysis/inspections.h). */
#include "viewer/analysis/inspections.h"
#include "viewer/analysis/tasks.h"
#include "viewer/name/calls.h"
#include "viewer/name/hops.h"
#include "viewer/name/name.h"
#include "viewer/report/common.h"
#include "viewer/report/inspection_text.h"
#include "viewer/text/human.h"

enum { REPORT_INSPECTIONS_VALUE = 40 }; /* characters of a greenlet's value */

static const struct column columns[] = {
	{ "bytes", "Bytes", CELL_BYTES, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "what", "What", CELL_TEXT, false },
	{ "worst", "Largest", CELL_TEXT, false },
	{ "remedy", "What to do", CELL_TEXT, false },
	{ "key", "Inspection", CELL_TEXT, true },
	{ "address", "Address", CELL_ADDRESS, true },
};

static const char *report_inspections_title(const struct finding *f)
{
	return f->sum.count == 1 && f->inspection->single ? f->inspection->single :
							    f->inspection->title;
}

/* The largest: of tasks and greenlets where they wait, which those counted have in
 * common, of others how they are held. */
static void report_inspections_worst(struct text *out, const struct analysis *a,
				     const struct finding *f)
{
	const uint32_t worst = f->sum.worst;

	if (!f->inspection->calls) {
		describe_path(out, a, worst);
		return;
	}
	if (tasks_is_task(a->heap, worst))
		hops_add_task(out, a->heap, worst);
	else
		name_kind(out, a->heap, worst, REPORT_INSPECTIONS_VALUE);
	text_add(out, HOPS_INTO);
	calls_stack(out, a->heap, worst);
}

void inspection_text(struct text *out, const struct analysis *a, const struct finding *f)
{
	char buf[HUMAN_SIZE];

	text_printf(out, "%s, ", human_bytes_u64(buf, f->sum.bytes));
	text_printf(out, "%s %s: ", human_count(buf, f->sum.count),
		    report_inspections_title(f));
	report_inspections_worst(out, a, f);
}

static int report_inspections_row(const struct report_context *c, const struct finding *f,
				  struct text *scratch, struct table *table)
{
	const uint32_t worst = f->sum.worst;
	struct row row;

	row_begin(&row, table, worst, heap_type_of(c->heap, worst));
	row_u64(&row, f->sum.bytes);
	row_u64(&row, f->sum.count);
	row_text(&row, report_inspections_title(f));
	text_clear(scratch);
	report_inspections_worst(scratch, c->analysis, f);
	row_text(&row, text_get(scratch));
	row_text(&row, f->inspection->remedy);
	row_text(&row, f->inspection->key);
	row_address(&row, c->heap, worst);
	return row_end(&row);
}

static int report_inspections_run(const struct report_context *context,
				  const struct report_params *params, struct table *table)
{
	struct vec found = { 0 };
	struct text scratch = { 0 };
	int err = inspections_find(context->analysis, context->progress, &found);

	(void)params;
	for (size_t i = 0; i < VEC_COUNT(found, struct finding) && !err; i++)
		err = report_inspections_row(context, VEC(found, struct finding) + i,
					     &scratch, table);
	vec_free(&found);
	text_free(&scratch);
	return err;
}

const struct report report_inspections = {
	.name = "inspections",
	.title = "Known ways of wasting memory",
	.needs = NEEDS_ANALYSIS,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_inspections_run,
};
