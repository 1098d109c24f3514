/* SPDX-License-Identifier: MIT */
/* suspects - where memory accumulates, in one sentence each (analysis/suspects.h). */
#include "viewer/analysis/suspects.h"
#include "viewer/report/common.h"
#include "viewer/report/suspect_text.h"
#include "viewer/text/human.h"

static const struct column columns[] = {
	{ "path", "Path", CELL_TEXT, true },
	{ "type", "Type", CELL_TEXT, true },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "share", "Share", CELL_RATIO, false },
	{ "kind", "Kind", CELL_TEXT, true },
	{ "address", "Address", CELL_ADDRESS, false },
	{ "member_type", "Of", CELL_TEXT, true },
	{ "member_count", "Count", CELL_COUNT, true },
	{ "member_retained", "Retained by those", CELL_BYTES, true },
	{ "text", "What", CELL_TEXT, false },
};

/* Where its members are seen: what to look at first. */
static uint32_t report_suspects_node(const struct suspect *s)
{
	if (s->frames)
		return s->top;
	return s->holder != HEAP_NONE ? s->holder :
		s->point != HEAP_NONE ? s->point :
					s->top;
}

/* "local variables of f (file.py) in 1,000 frames" */
static void report_suspects_frames_path(struct text *out, const struct heap *heap,
					const struct suspect *s)
{
	const struct snap_frame *frame =
		VEC(heap->frame, struct snap_frame) + heap_synth(heap, s->point)->ref;
	char buf[HUMAN_SIZE];

	text_add(out, "local variables of ");
	if (s->frames == 1) {
		describe_frame(out, heap, heap_synth(heap, s->point)->ref);
		text_add(out, " of ");
		describe_thread(out, heap, frame->thread);
		return;
	}
	describe_function(out, heap, heap_synth(heap, s->point)->ref);
	text_printf(out, " in %s frames", human_count(buf, s->frames));
}

/* "module cache.STORE['sessions']" */
static void suspect_path(struct text *out, const struct analysis *a,
			 const struct suspect *s)
{
	if (s->frames) {
		report_suspects_frames_path(out, a->heap, s);
		return;
	}
	if (s->point != HEAP_NONE) {
		describe_path(out, a, report_suspects_node(s));
		return;
	}
	text_add(out, "no common holder, e.g. ");
	describe_path(out, a, s->top);
}

void suspect_text(struct text *out, const struct analysis *a, const struct suspect *s)
{
	const struct heap *heap = a->heap;
	char buf[HUMAN_SIZE];

	if (s->point == HEAP_NONE) {
		text_printf(out, "%s ", human_count(buf, s->member_count));
		describe_short_type(out, heap, s->member_type);
		text_add(out, " with ");
		suspect_path(out, a, s);
		return;
	}
	suspect_path(out, a, s);
	if (!s->group && s->point < heap->objects) {
		text_add(out, " -> ");
		describe_short_type(out, heap,
				    heap_type_of(heap, report_suspects_node(s)));
	}
	if (s->member_type && s->member_count) {
		text_printf(out, " -> %s%s ", s->chain ? "chain of " : "",
			    human_count(buf, s->member_count));
		describe_short_type(out, heap, s->member_type);
	}
	if (s->holder != HEAP_NONE) {
		text_add(out, ", shared below ");
		describe_path(out, a, s->point);
	}
}

static int report_suspects_add_row(const struct report_context *c,
				   const struct suspect *s, struct text *scratch,
				   struct table *table)
{
	const struct heap *heap = c->heap;
	uint32_t node = report_suspects_node(s);
	uint32_t type = s->group ? s->member_type : heap_type_of(heap, node);
	struct row row;

	row_begin(&row, table, node, type);
	text_clear(scratch);
	suspect_path(scratch, c->analysis, s);
	row_text(&row, text_get(scratch));
	row_type(&row, scratch, heap, type);
	row_u64(&row, s->retained);
	row_ratio(&row, ratio_of(s->retained, analysis_total(c->analysis)));
	row_text(&row,
		 s->frames	  ? "frames" :
			 s->chain ? "chain" :
			 s->group ? "group" :
				    "single");
	row_address(&row, heap, node);
	row_type(&row, scratch, heap, s->member_type);
	row_u64(&row, s->member_count);
	row_u64(&row, s->member_retained);
	text_clear(scratch);
	suspect_text(scratch, c->analysis, s);
	row_text(&row, text_get(scratch));
	return row_end(&row);
}

static int report_suspects_run(const struct report_context *context,
			       const struct report_params *params, struct table *table)
{
	struct vec suspects = { 0 };
	struct text scratch = { 0 };
	int err = suspects_find(context->analysis, SUSPECTS_THRESHOLD, context->progress,
				&suspects);

	(void)params;
	for (size_t i = 0; i < VEC_COUNT(suspects, struct suspect) && !err; i++)
		err = report_suspects_add_row(context, VEC(suspects, struct suspect) + i,
					      &scratch, table);
	vec_free(&suspects);
	text_free(&scratch);
	return err;
}

const struct report report_suspects = {
	.name = "suspects",
	.title = "Leak suspects",
	.needs = NEEDS_ANALYSIS,
	.limit = 20,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_suspects_run,
};
