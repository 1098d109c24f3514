/* SPDX-License-Identifier: MIT */
/* summary - from reports and a profile (summary.h). */
#include "viewer/fleet/summary.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text/print.h"
#include "viewer/document/profile.h"
#include "viewer/document/subject.h"
#include "viewer/fleet/metrics.h"

enum {
	SUMMARY_PLACE_DEPTH = 2, /* below the root and its groups */
	SUMMARY_COLUMNS = 8,
};

/* A list of rows, which a report has. */
struct section {
	const char *name; /* of the list, and of the report */
	size_t rows;	  /* at most */
	const char *const columns[SUMMARY_COLUMNS + 1];
	const char *some; /* rows with 0 there are left out, or NULL: none */
};

static const struct section sections[] = {
	{ "types", 20, { "type", "count", "size", "native", "retained" }, NULL },
	{ "suspects",
	  8,
	  { "path", "type", "retained", "share", "kind", "member_type", "member_count",
	    "text" },
	  NULL },
	{ "budget", 40, { "category", "size", "count" }, "size" },
	{ "packages", 12, { "package", "count", "size", "held", "retained" }, NULL },
	{ "growth", 12, { "path", "type", "count_diff", "total_diff" }, NULL },
};

/* ---- rows of reports ---- */

static json_t *summary_cell(const struct table *table, size_t row, size_t column)
{
	const struct cell *const cell = table_cell(table, row, column);

	assert(row < table->rows && column < table->ncolumns);
	if (cell->unknown)
		return json_null();
	switch (table->columns[column].type) {
	case CELL_TEXT:
		return json_string(table_text(table, cell));
	case CELL_COUNT_DIFF:
	case CELL_BYTES_DIFF:
	case CELL_INTEGER:
		return json_integer(cell->i64);
	case CELL_RATIO:
	case CELL_REAL:
		return json_real(cell->ratio);
	case CELL_BOOL:
		return json_boolean(cell->u64);
	default:
		return json_integer((json_int_t)cell->u64);
	}
}

static json_t *summary_row(const struct table *table, size_t row,
			   const struct section *section)
{
	json_t *const ret = json_object();

	for (size_t i = 0; section->columns[i]; i++) {
		const int column = table_column(table, section->columns[i]);

		if (column >= 0)
			json_object_set_new(ret, section->columns[i],
					    summary_cell(table, row, (size_t)column));
	}
	return ret;
}

static bool summary_wants(const struct table *table, size_t row,
			  const struct section *section)
{
	const int column = section->some ? table_column(table, section->some) : -1;

	return column < 0 || table_cell(table, row, (size_t)column)->u64;
}

static int summary_add_section(json_t *to, struct workspace *workspace,
			       struct process *process, const struct section *section,
			       const struct progress *progress)
{
	const struct report *const report = report_find(section->name);
	const struct report_params params = { .limit = section->rows };
	struct report_context context;
	struct table table = { 0 };
	json_t *const list = json_array();
	int err = workspace_context(workspace, process, report, progress, &context);

	if (!err)
		err = report_run(report, &context, &params, &table);
	for (size_t i = 0; i < table.rows && !err; i++)
		if (summary_wants(&table, i, section))
			json_array_append_new(list, summary_row(&table, i, section));
	table_free(&table);
	if (json_object_set_new(to, section->name, list))
		err = -ENOMEM;
	return err;
}

/* ---- places ---- */

struct place {
	uint32_t frame;
	uint64_t count, retained; /* what is reached through it */
};

static int summary_compare_places(const void *a, const void *b)
{
	const struct place *const x = a, *const y = b;

	if (x->retained != y->retained)
		return x->retained < y->retained ? 1 : -1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* By frame; the caller frees them. NULL: no memory. */
static struct place *summary_sum_places(const struct profile *p)
{
	const struct profile_frame *const frame = VEC(p->frame, struct profile_frame);
	const struct profile_sample *const sample = VEC(p->sample, struct profile_sample);
	struct place *const ret = calloc(profile_frames(p), sizeof(*ret));

	for (uint32_t f = 0; ret && f < profile_frames(p); f++)
		ret[f].frame = f;
	for (uint32_t i = 0; ret && i < profile_samples(p); i++) {
		ret[sample[i].frame].count += sample[i].value.count;
		ret[sample[i].frame].retained += sample[i].value.retained;
	}
	for (uint32_t f = ret ? profile_frames(p) : 0; f-- > 1;) {
		assert(frame[f].parent < f); /* parents come first */
		ret[frame[f].parent].count += ret[f].count;
		ret[frame[f].parent].retained += ret[f].retained;
	}
	return ret;
}

/* Position in the list of the nearest place above, or null: holders are larger, or come
 * first. */
static json_t *summary_place_above(const struct profile *p, const struct place *places,
				   size_t count, uint32_t frame)
{
	const struct profile_frame *const all = VEC(p->frame, struct profile_frame);

	while (all[frame].depth > SUMMARY_PLACE_DEPTH) {
		assert(all[frame].parent < frame);
		frame = all[frame].parent;
		for (size_t i = 0; i < count; i++)
			if (places[i].frame == frame)
				return json_integer((json_int_t)i);
	}
	return json_null();
}

static int summary_list_places(json_t *list, const struct profile *p,
			       struct place *places)
{
	struct text name = { 0 };
	size_t count = 0;
	int err = 0;

	for (uint32_t i = 0; i < profile_frames(p); i++)
		if (VEC(p->frame, struct profile_frame)[places[i].frame].depth >=
		    SUMMARY_PLACE_DEPTH)
			places[count++] = places[i];
	qsort(places, count, sizeof(*places), summary_compare_places);
	for (size_t i = 0; i < count && i < SUMMARY_PLACES && !err; i++) {
		text_clear(&name);
		profile_name(&name, p, places[i].frame);
		err = json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:I, s:I}", "path", text_get(&name), "in",
				  summary_place_above(p, places, i, places[i].frame),
				  "count", (json_int_t)places[i].count, "retained",
				  (json_int_t)places[i].retained));
	}
	if (name.err)
		err = -ENOMEM;
	text_free(&name);
	return err ? -ENOMEM : 0;
}

static int summary_add_places(json_t *to, struct process *process,
			      const struct progress *progress)
{
	json_t *const list = json_array();
	struct place *places = NULL;
	struct profile profile;
	int err = profile_make(process->analysis, progress, &profile);

	if (!err) {
		places = summary_sum_places(&profile);
		err = places ? summary_list_places(list, &profile, places) : -ENOMEM;
	}
	free(places);
	profile_free(&profile);
	if (json_object_set_new(to, "places", list))
		err = -ENOMEM;
	return err;
}

/* ---- a summary ---- */

/* Who, when, and the totals. NULL: no memory. */
static json_t *summary_head(const struct process *process)
{
	const struct heap *const heap = process->heap;
	struct subject s;
	json_t *ret = NULL;

	if (!subject_of(heap, &s))
		ret = json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:b}",
				"pymem_summary", SUMMARY_SCHEMA, "host",
				text_get(&s.host), "pid", (json_int_t)s.pid, "command",
				text_get(&s.command), "python", text_get(&s.python),
				"time", text_get(&s.time), "time_ns",
				(json_int_t)s.time_ns, "time_ms",
				(json_int_t)(s.time_ns / 1000000), "complete",
				heap->complete && !process->problem[0]);
	subject_free(&s);
	if (!ret ||
	    json_object_update_new(
		    ret,
		    json_pack("{s:I, s:I, s:I, s:I}", "objects",
			      (json_int_t)heap->objects, "size", (json_int_t)heap->size,
			      "held", (json_int_t)analysis_total(process->analysis),
			      "rss", (json_int_t)heap_rss(heap)))) {
		json_decref(ret);
		return NULL;
	}
	return ret;
}

/* Of a process, which is analysed if it isn't; *ret is given back with json_decref.  0,
 * -ENOMEM or -ECANCELED. */
static int summary_make(struct workspace *workspace, struct process *process,
			const struct progress *progress, json_t **ret)
{
	int err = workspace_analyse(workspace, process, progress);
	json_t *const summary = err ? NULL : summary_head(process);

	if (!err && !summary)
		err = -ENOMEM;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !err; i++)
		if (!(report_find(sections[i].name)->needs & NEEDS_OLD) || process->old)
			err = summary_add_section(summary, workspace, process,
						  &sections[i], progress);
	if (!err)
		err = summary_add_places(summary, process, progress);
	if (err)
		json_decref(summary);
	else
		*ret = summary;
	return err;
}

/* All processes' in a list. */
static int summary_make_all(struct workspace *workspace, const struct progress *progress,
			    json_t *list)
{
	int err = list ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < workspace->count && !err; i++) {
		json_t *summary = NULL;

		err = summary_make(workspace, workspace->process[i], progress, &summary);
		if (!err && json_array_append_new(list, summary))
			err = -ENOMEM;
	}
	return err;
}

int summary_write(FILE *out, struct workspace *workspace, const struct progress *progress)
{
	json_t *const list = json_array();
	int err = summary_make_all(workspace, progress, list);

	for (size_t i = 0; i < json_array_size(list) && !err; i++) {
		/* ASCII; texts were escaped when they came into the reports */
		char *const line = json_dumps(json_array_get(list, i),
					      JSON_COMPACT | JSON_ENSURE_ASCII |
						      JSON_REAL_PRECISION(6));

		if (line)
			print_format(out, "%s\n", line);
		else
			err = -ENOMEM;
		free(line);
	}
	json_decref(list);
	return err;
}

int summary_write_metrics(FILE *out, struct workspace *workspace,
			  const struct progress *progress)
{
	json_t *const list = json_array();
	int err = summary_make_all(workspace, progress, list);

	if (!err)
		err = metrics_write(out, list);
	json_decref(list);
	return err;
}
