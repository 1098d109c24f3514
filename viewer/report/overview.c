/* SPDX-License-Identifier: MIT */
/* overview - one row: what this process is, how large, how well understood. */
#include "viewer/analysis/sharing.h"
#include "viewer/analysis/suspects.h"
#include "viewer/model/absent.h"
#include "viewer/model/native_node.h"
#include "viewer/report/account_text.h"
#include "viewer/report/cause.h"
#include "viewer/report/common.h"
#include "viewer/report/doubts.h"
#include "viewer/report/inspection_text.h"
#include "viewer/report/self_check.h"
#include "viewer/report/suspect_text.h"
#include "viewer/text/human.h"

#include <stdio.h>
#include <string.h>

enum { OVERVIEW_ABSENT_PART = 10 /* of all: from a tenth on it is told */ };

static const struct column columns[] = {
	{ "memory", "Memory", CELL_TEXT, false },
	{ "pid", "Process", CELL_ID, true },
	{ "python", "Python, in full", CELL_TEXT, true },
	{ "python_version", "Python", CELL_TEXT, false },
	{ "command", "Command", CELL_TEXT, false },
	{ "complete", "Complete", CELL_BOOL, false },
	{ "objects", "Objects", CELL_COUNT, false },
	{ "edges", "References between them", CELL_COUNT, true },
	{ "self_check", "Self-check", CELL_TEXT, false },
	{ "size", "Size of all objects", CELL_BYTES, false },
	{ "rss", "Resident memory", CELL_BYTES, false },
	{ "references_counted", "References counted", CELL_COUNT, true },
	{ "references_explained", "References explained", CELL_COUNT, true },
	{ "explained_share", "Share explained", CELL_RATIO, true },
	{ "native_size", "Memory they own outside", CELL_BYTES, false },
	{ "unknown_retained", "Kept alive only by C code we can't see into", CELL_BYTES,
	  false },
	{ "garbage_retained", "Unreachable garbage", CELL_BYTES, false },
	{ "types", "Types", CELL_COUNT, false },
	{ "threads", "Threads", CELL_COUNT, false },
	{ "weak_edges", "Weak references", CELL_COUNT, true },
	{ "dangling", "References to unknown objects", CELL_COUNT, true },
	{ "dropped", "Objects dropped", CELL_COUNT, true },
	{ "errors", "Objects not walked", CELL_COUNT, true },
	{ "sizes_checked", "Sizes checked", CELL_COUNT, true },
	{ "sizes_mismatched", "Sizes that differ", CELL_COUNT, true },
	{ "gil_held_ns", "GIL held", CELL_NS, false },
	{ "walk_ns", "Walk", CELL_NS, false },
	{ "fork_shared", "Still shared since a fork", CELL_BYTES, true },
	{ "private", "Its own memory", CELL_BYTES, true },
	{ "shared", "Shared with other processes", CELL_BYTES, true },
	{ "pss", "Its part, shared memory divided", CELL_BYTES, true },
};

static void report_overview_row_fact_text(struct row *row, struct text *scratch,
					  const struct heap *heap, const char *key)
{
	size_t size = 0;
	const char *text = heap_fact_text(heap, key, &size);

	if (text)
		row_raw(row, scratch, text, size);
	else
		row_unknown(row);
}

static void report_overview_row_fact(struct row *row, const struct heap *heap,
				     const char *key)
{
	uint64_t value = heap_fact_u64(heap, key, UINT64_MAX);

	if (value == UINT64_MAX)
		row_unknown(row);
	else
		row_u64(row, value);
}

static void report_overview_row_shared(struct row *row, const struct heap *heap)
{
	const uint64_t rss = heap_fact_u64(heap, "memory.rss", 0);
	const uint64_t own = heap_fact_u64(heap, "memory.private", UINT64_MAX);

	if (rss >= own)
		row_u64(row, rss - own);
	else
		row_unknown(row);
}

/* "3.12.1", without how it was built. */
static void report_overview_row_version(struct row *row, struct text *scratch,
					const struct heap *heap)
{
	size_t size = 0;
	const char *text = heap_fact_text(heap, "python.version", &size);
	const char *space = text ? memchr(text, ' ', size) : NULL;

	if (text)
		row_raw(row, scratch, text, space ? (size_t)(space - text) : size);
	else
		row_unknown(row);
}

static void report_overview_row_checks(struct row *row, const struct heap *heap)
{
	uint64_t checked, mismatched;

	self_check_sizes(heap, &checked, &mismatched);
	row_u64(row, checked);
	row_u64(row, mismatched);
}

static void report_overview_row_counts(struct row *row, struct text *scratch,
				       const struct report_context *c)
{
	const struct heap *heap = c->heap;
	const struct analysis *a = c->analysis;
	uint64_t rss = heap_rss(heap);

	row_u64(row, heap->objects);
	row_u64(row, heap->edges);
	text_clear(scratch);
	self_check_text(scratch, heap);
	row_text(row, text_get(scratch));
	row_u64(row, heap->size);
	if (rss)
		row_u64(row, rss);
	else
		row_unknown(row);
	row_u64(row, heap->references_counted);
	row_u64(row, heap->references_explained);
	row_ratio(row, ratio_of(heap->references_explained, heap->references_counted));
	row_u64(row, native_node_total(heap));
	row_u64(row, analysis_retained(a, heap_group(heap, HEAP_SYNTH_UNKNOWN)));
	row_u64(row, analysis_retained(a, heap_group(heap, HEAP_SYNTH_GARBAGE)));
	row_u64(row, heap->types);
	row_u64(row, heap->threads);
	row_u64(row, heap->weak_edges);
	row_u64(row, heap->dangling);
	row_u64(row, heap->dropped);
	row_u64(row, VEC_COUNT(heap->error, struct snap_error));
}

/* In lines of their own: from where it is reached, its usual cause, what to do. */
static int report_overview_add_why(const struct analysis *a, const struct suspect *s,
				   struct text *scratch, struct table *table)
{
	const struct cause *cause = cause_of(a, s);
	int err = 0;

	text_clear(scratch);
	cause_reached(scratch, a, s);
	if (text_len(scratch))
		err = table_note(table, "  reached from: %s", text_get(scratch));
	if (!err)
		err = table_note(table, "  usual cause:  %s", cause->usual);
	return err ? err : table_note(table, "  what to do:   %s", cause->remedy);
}

static int report_overview_add_suspects(const struct report_context *c,
					struct text *scratch, struct table *table)
{
	struct vec suspects = { 0 };
	char buf[HUMAN_SIZE], head[sizeof("suspect 18446744073709551615")];
	int err = suspects_find(c->analysis, SUSPECTS_THRESHOLD, c->progress, &suspects);

	if (!err && !suspects.size)
		err = table_note(table, "suspects: %s", suspect_none(scratch, c->heap));
	for (size_t i = 0; i < VEC_COUNT(suspects, struct suspect) && i < 3 && !err;
	     i++) {
		const struct suspect *s = VEC(suspects, struct suspect) + i;

		text_clear(scratch);
		suspect_text(scratch, c->analysis, s);
		if (s->usual) /* they are the last ones */
			snprintf(head, sizeof(head), "usual");
		else
			snprintf(head, sizeof(head), "suspect %zu", i + 1);
		err = table_note(table, "%s: %s (%.1f %%): %s", head,
				 human_bytes_u64(buf, s->retained),
				 100 * suspect_share(c->analysis, s), text_get(scratch));
		if (!err && !s->usual)
			err = report_overview_add_why(c->analysis, s, scratch, table);
	}
	vec_free(&suspects);
	return err;
}

static int report_overview_add_findings(const struct report_context *c,
					struct text *scratch, struct table *table)
{
	struct vec found = { 0 };
	int err = inspections_find(c->analysis, c->progress, &found);

	for (size_t i = 0; i < VEC_COUNT(found, struct finding) && !err; i++) {
		const struct finding *f = VEC(found, struct finding) + i;

		text_clear(scratch);
		inspection_text(scratch, c->analysis, f);
		err = table_note(table, "also: %s", text_get(scratch));
		if (!err)
			err = table_note(table, "  what to do:   %s",
					 f->inspection->remedy);
	}
	vec_free(&found);
	return err;
}

/* What the capture itself was not sure of. */
static int report_overview_add_doubts(const struct heap *heap, struct text *scratch,
				      struct table *table)
{
	size_t at = 0;
	int err = 0;

	while (!err && doubts_next(scratch, heap, &at))
		err = table_note(table, "%s", text_get(scratch));
	return err;
}

/* What takes no memory, where it is much of what objects have. */
static int report_overview_add_absent(const struct report_context *c, struct table *table)
{
	const uint64_t absent = absent_total(c->heap);
	char buf[HUMAN_SIZE];

	return absent * OVERVIEW_ABSENT_PART < analysis_total(c->analysis) ?
		0 :
		table_note(table,
			   "not in memory: %s of what objects have, never written to or "
			   "given back (report budget)",
			   human_bytes_u64(buf, absent));
}

static void report_overview_row_account(struct row *row, struct text *scratch,
					const struct account *account,
					const struct heap *heap)
{
	text_clear(scratch);
	account_text(scratch, heap, account);
	if (account->rss)
		row_text(row, text_get(scratch));
	else
		row_unknown(row);
}

static int report_overview_run(const struct report_context *context,
			       const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	struct text scratch = { 0 };
	struct account account;
	char buf[HUMAN_SIZE];
	struct row row;
	int err = account_make(heap, &account);

	(void)params;
	if (err)
		return err;
	row_begin(&row, table, HEAP_NONE, 0);
	report_overview_row_account(&row, &scratch, &account, heap);
	report_overview_row_fact(&row, heap, "pid");
	report_overview_row_fact_text(&row, &scratch, heap, "python.version");
	report_overview_row_version(&row, &scratch, heap);
	report_overview_row_fact_text(&row, &scratch, heap, "cmdline");
	row_u64(&row, heap->complete);
	report_overview_row_counts(&row, &scratch, context);
	report_overview_row_checks(&row, heap);
	report_overview_row_fact(&row, heap, "gil_held_ns");
	report_overview_row_fact(&row, heap, "walk_ns");
	report_overview_row_fact(&row, heap, "shared.bytes");
	report_overview_row_fact(&row, heap, "memory.private");
	report_overview_row_shared(&row, heap);
	report_overview_row_fact(&row, heap, "memory.pss");
	err = row_end(&row);
	if (!err && sharing_total(heap))
		err = table_note(table,
				 "fork: %s are still shared with other processes "
				 "(copy-on-write)",
				 human_bytes_u64(buf, sharing_total(heap)));
	if (!err)
		err = report_overview_add_absent(context, table);
	if (!err)
		err = report_overview_add_suspects(context, &scratch, table);
	if (!err)
		err = report_overview_add_findings(context, &scratch, table);
	if (!err)
		err = report_overview_add_doubts(heap, &scratch, table);
	text_free(&scratch);
	return err;
}

const struct report report_overview = {
	.name = "overview",
	.title = "Overview",
	.needs = NEEDS_ANALYSIS,
	.single = true,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_overview_run,
};
