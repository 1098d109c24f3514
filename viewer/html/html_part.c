/* SPDX-License-Identifier: MIT */
/*
 * html_part - from top to bottom: the answer, what changed, suspects, inspections, the
 * map, the budget, tables, the objects named, the overview (html_part.h).
 *
 * Who has a card is settled first, by the largest dominators, so that all can link to
 * them.
 */
#include "viewer/html/html_part.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "viewer/analysis/suspects.h"
#include "viewer/html/chart.h"
#include "viewer/html/html_suspect.h"
#include "viewer/html/markup.h"
#include "viewer/name/name.h"
#include "viewer/html/sheet.h"
#include "viewer/report/common.h"
#include "viewer/report/doubts.h"
#include "viewer/render/cell.h"
#include "viewer/text/human.h"

enum { LEAST_BLOCKS = 60, LARGEST = 12, LEAST_CARDS = 4, HTML_PART_FINDINGS = 20 };

/* Reports shown as tables, after the map; rows of each for a page of one process. */
static const struct {
	const char *report;
	size_t rows;
} sheets[] = {
	{ "types", 100 },      { "packages", 60 }, { "sites", 60 },
	{ "dominators", 100 }, { "threads", 60 },
};

static const struct {
	const char *report;
	size_t rows;
} changes[] = { { "growth", 60 }, { "site_growth", 40 }, { "diff", 60 } };

static size_t html_part_rows(const struct html_part *s, size_t rows)
{
	return rows / s->of > 10 ? rows / s->of : 10;
}

/* "4242: python3 shop.py" */
void html_part_title(struct text *out, const struct process *p)
{
	size_t size = 0;
	const char *command = heap_fact_text(p->heap, "cmdline", &size);

	text_printf(out, "process %" PRIu64, process_pid(p));
	if (command && size) {
		text_add(out, ": ");
		text_escape(out, command, size, 120, 0);
	}
}

/* When it was taken, in UTC; nothing where that isn't known. */
static void html_part_time(struct text *out, const char *before, const struct heap *heap)
{
	const uint64_t ns = heap_fact_u64(heap, "time_ns", 0);
	char buf[HUMAN_SIZE];

	if (ns)
		text_printf(out, "%s%s UTC", before, human_time(buf, ns));
}

/* One line: what it is, how large; and what is wrong with it. */
static void html_part_answer(struct html_part *s)
{
	const struct heap *heap = s->process->heap;
	char count[HUMAN_SIZE], size[HUMAN_SIZE], resident[HUMAN_SIZE];
	const char *python = heap_fact_text(heap, "python.version", NULL);
	struct text line = { 0 };

	text_add(&line, "Python ");
	text_escape(&line, python ? python : "?", python ? strlen(python) : 1, 40, 0);
	html_part_time(&line, ", ", heap);
	text_printf(&line, ": %s objects, %s", human_count(count, heap->objects),
		    human_bytes_u64(size, heap->size));
	if (heap_rss(heap))
		text_printf(&line, "; %s resident",
			    human_bytes_u64(resident, heap_rss(heap)));
	markup_element(s->out, "p class=lead", text_get(&line));
	if (s->process->problem[0])
		markup_element(s->out, "p class=warn", s->process->problem);
	for (size_t at = 0; doubts_next(&line, heap, &at);)
		markup_element(s->out, "p class=warn", text_get(&line));
	if (!heap_fact_u64(heap, "values", 1))
		markup_element(s->out, "p class=note",
			       "The snapshot holds no values, only their kinds.");
	text_free(&line);
}

static void html_part_fact(struct text *out, const char *name, const char *value)
{
	text_add(out, "<div>");
	markup_element(out, "dt", name);
	markup_element(out, "dd", value);
	text_add(out, "</div>\n");
}

/* The overview's row, as figures. */
static int html_part_overview(struct html_part *s)
{
	const struct report *report = report_find("overview");
	const struct report_params params = { 0 };
	struct table table = { 0 };
	char buf[CELL_TEXT_SIZE];
	int err = report_run(report, &s->context, &params, &table);

	text_add(s->out, "<dl class=facts>\n");
	for (size_t c = 0; c < table.ncolumns && table.rows && !err; c++) {
		struct text cut = { 0 };

		if (table.columns[c].hidden || table_cell(&table, 0, c)->unknown)
			continue;
		name_cut(&cut, cell_human(&table, 0, c, buf), 200);
		html_part_fact(s->out, table.columns[c].title, text_get(&cut));
		text_free(&cut);
	}
	text_add(s->out, "</dl>\n");
	table_free(&table);
	return err ? err : s->out->err;
}

static int html_part_changes(struct html_part *s)
{
	int err = 0;

	if (!s->context.old)
		return 0;
	text_add(s->out, "<h3>What changed");
	html_part_time(s->out, " since ", s->process->old->heap);
	text_add(s->out, "</h3>\n");
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]) && !err; i++)
		err = sheet_add(s->out, &s->context, changes[i].report,
				html_part_rows(s, changes[i].rows), &s->cards);
	return err;
}

static int html_part_suspects(struct html_part *s)
{
	struct analysis *a = s->process->analysis;
	struct vec suspects = { 0 };
	int err = suspects_find(a, SUSPECTS_THRESHOLD, s->progress, &suspects);

	if (!err) {
		text_add(s->out,
			 "<section class=suspects><h3>Where memory accumulates"
			 "</h3>\n");
		err = html_suspect_add(s->out, a, &suspects, &s->cards);
		text_add(s->out, "</section>\n");
	}
	vec_free(&suspects);
	return err;
}

/* Known ways of wasting memory, if there are any. */
static int html_part_findings(struct html_part *s)
{
	return sheet_add(s->out, &s->context, "inspections", HTML_PART_FINDINGS,
			 &s->cards);
}

/* Cards for the largest objects, so that tables and map can link to them. */
static int html_part_largest(struct html_part *s)
{
	const struct report_params params = { .limit = LARGEST };
	struct table table = { 0 };
	int err = report_run(report_find("dominators"), &s->context, &params, &table);

	for (size_t r = 0; r < table.rows && !err; r++)
		if (table_ref(&table, r)->node != HEAP_NONE)
			card_set_add(&s->cards, table_ref(&table, r)->node);
	table_free(&table);
	return err;
}

/* The map: a picture, and the data by which the script makes a better one. */
static int html_part_map(struct html_part *s)
{
	uint32_t most = CHART_NODES / 2 / s->of;
	struct chart holder = { 0 }, type = { 0 };
	int err = chart_by_holder(&holder, s->process->analysis,
				  heap_root(s->process->heap),
				  most > LEAST_BLOCKS ? most : LEAST_BLOCKS, s->progress);

	if (!err)
		err = chart_by_type(&type, s->process->analysis,
				    most > LEAST_BLOCKS ? most : LEAST_BLOCKS,
				    s->progress);
	if (!err) {
		text_printf(s->out,
			    "<section class=map id=\"map%" PRIu32 "\"><h3>The map</h3>"
			    "<p class=note>Each block keeps alive what is below it; its "
			    "width is how much that is.</p><div class=chart>",
			    s->number);
		chart_svg(s->out, &holder);
		text_add(s->out, "</div><script type=\"application/json\">{\"holder\":");
		chart_json(s->out, &holder, &s->cards);
		text_add(s->out, ",\"type\":");
		chart_json(s->out, &type, NULL);
		text_add(s->out, "}</script></section>\n");
		err = s->out->err;
	}
	chart_free(&holder);
	chart_free(&type);
	return err;
}

static int html_part_sheets(struct html_part *s)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(sheets) / sizeof(sheets[0]) && !err; i++)
		err = sheet_add(s->out, &s->context, sheets[i].report,
				html_part_rows(s, sheets[i].rows), &s->cards);
	return err;
}

static int html_part_cards(struct html_part *s)
{
	text_add(s->out, "<section class=cards><h3>Objects named above</h3>\n");
	int err = card_set_write(s->out, &s->cards, s->progress);
	text_add(s->out, "</section>\n");
	return err;
}

int html_part_write(struct html_part *s)
{
	static int (*const parts[])(struct html_part *) = {
		html_part_largest,  html_part_changes, html_part_suspects,
		html_part_findings, html_part_map,     html_budget_add,
		html_part_sheets,   html_part_cards,   html_part_overview,
	};
	struct text title = { 0 };
	int err = workspace_context(s->workspace, s->process, report_find("suspects"),
				    s->progress, &s->context);

	if (!err && s->process->old)
		err = workspace_context(s->workspace, s->process, report_find("growth"),
					s->progress, &s->context);
	if (err)
		return err;
	s->cards = (struct card_set){ .analysis = s->process->analysis,
				      .process = s->number,
				      .most = CARD_MAX / s->of > LEAST_CARDS ?
					      CARD_MAX / s->of :
					      LEAST_CARDS };
	html_part_title(&title, s->process);
	text_printf(s->out, "<section class=process id=\"p%" PRIu32 "\" data-title=\"",
		    s->number);
	markup_add(s->out, text_get(&title));
	text_add(s->out, "\">");
	markup_element(s->out, "h2", text_get(&title));
	html_part_answer(s);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++)
		err = parts[i](s);
	text_add(s->out, "</section>\n");
	text_free(&title);
	return err ? err : s->out->err;
}
