/* SPDX-License-Identifier: MIT */
/*
 * growth - places that hold more objects than before, by path signature.
 *
 * Only the topmost place that grew is listed: what hangs below each of its new
 * objects grew with it.  New places of one type below one holder (800 modules that
 * sys.modules had not before) are one row, unless one of them is half of it.  Where
 * there are snapshots between the two, those places come first that grew in every step:
 * growth that goes on, not noise.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "viewer/analysis/account.h"
#include "viewer/report/common.h"
#include "viewer/report/growth_text.h"
#include "viewer/text/human.h"

/* Of what no object has: the least change that is told, in bytes, and as a part of how
 * much resident memory changed. */
enum { UNHELD_LEAST = 1 << 20, UNHELD_PART = 20 };

static const struct column columns[] = {
	{ "path", "Path", CELL_TEXT, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "count_diff", "Count diff", CELL_COUNT_DIFF, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "size", "Size", CELL_BYTES, true },
	{ "size_diff", "Size diff", CELL_BYTES_DIFF, true },
	{ "total", "With all below", CELL_BYTES, true },
	{ "total_diff", "Growth", CELL_BYTES_DIFF, false },
	{ "per_hour", "Per hour", CELL_BYTES_DIFF, false },
	{ "steps", "Grew in", CELL_TEXT, true },
	{ "steps_grown", "Steps", CELL_COUNT, false },
	{ "within", "Within", CELL_TEXT, true },
};

#define MAX_STEPS 64
enum { GROWTH_LIKE = 4 }; /* new places that are worth one row */

void growth_path(struct text *out, const struct analysis *a, const struct growth *growth,
		 uint32_t index)
{
	const struct signature *s = VEC(growth->signature, struct signature);
	uint32_t chain[MAX_STEPS], count = 0, at = index;

	while (at && count < MAX_STEPS) {
		chain[count++] = at;
		at = s[at].parent;
	}
	if (at)
		text_add(out, "... ");
	describe_signature(out, a, growth, chain, count);
}

struct grown {
	int64_t total_diff, size_diff, count_diff;
	uint64_t total, size, count;
	uint32_t index;
	uint32_t leader; /* index of the row that this one is in */
	uint32_t within; /* the row of the nearest place above it, from 1; 0: none */
	uint32_t parent, type;
	uint32_t like;	/* more places in the row; UINT32_MAX: this is in another */
	bool fresh;	/* the place is new */
	bool always;	/* it grew in every step, */
	uint32_t steps; /* in so many, */
	uint64_t grew;	/* in these, where there are no more than bits */
};

/* The signatures of all snapshots, oldest first. */
struct growth_series {
	struct growth *at;
	uint32_t count; /* at least 2 */
	uint64_t ns;	/* from the first to the last; 0: not known */
};

static int by_growth(const void *a, const void *b)
{
	const struct grown *x = a, *y = b;

	if (x->always != y->always)
		return x->always ? -1 : 1;
	if (x->total_diff != y->total_diff)
		return x->total_diff > y->total_diff ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int64_t report_growth_count_diff(const struct signature *s,
					const struct growth *old)
{
	const struct signature *before = growth_find(old, s->hash);

	return (int64_t)(s->count - (before ? before->count : 0));
}

/* In how many steps of the series a place grew, and in which. */
static uint32_t report_growth_steps(const struct growth_series *series, uint64_t hash,
				    uint64_t *grew_ret)
{
	uint64_t last = 0;
	uint32_t steps = 0;

	for (uint32_t k = 0; k < series->count; k++) {
		const struct signature *s = growth_find(&series->at[k], hash);
		const uint64_t total = s ? s->total : 0;

		if (k && total > last) {
			steps++;
			*grew_ret |= UINT64_C(1) << (k - 1) % 64;
		}
		last = total;
	}
	return steps;
}

static int report_growth_find_grown(const struct growth_series *series, struct vec *ret)
{
	const struct growth *fresh = &series->at[series->count - 1], *old = series->at;
	const struct signature *s = fresh->signature.data;
	int err = 0;

	for (uint32_t i = 1; i < VEC_COUNT(fresh->signature, struct signature) && !err;
	     i++) {
		const struct signature *before = growth_find(old, s[i].hash);
		struct grown g = {
			.index = i,
			.leader = i,
			.parent = s[i].parent,
			.type = s[i].type,
			.fresh = !before || !before->count,
			.total = s[i].total,
			.size = s[i].size,
			.count = s[i].count,
			.count_diff = report_growth_count_diff(&s[i], old),
			.size_diff = (int64_t)(s[i].size - (before ? before->size : 0)),
			.total_diff =
				(int64_t)(s[i].total - (before ? before->total : 0)),
		};
		bool object = s[i].count > 0;
		/* same count, but one of them grew in place (a list's or dict's table) */
		bool grew = g.count_diff > 0 || (g.count_diff == 0 && g.size_diff > 0);

		if (!object || !grew ||
		    (s[i].parent && report_growth_count_diff(&s[s[i].parent], old) > 0))
			continue;
		g.steps = report_growth_steps(series, s[i].hash, &g.grew);
		err = vec_append(ret, &g, sizeof(g));
	}
	return err;
}

/* ---- like rows ---- */

static int report_growth_by_place(const void *a, const void *b)
{
	const struct grown *x = a, *y = b;

	if (x->fresh != y->fresh)
		return x->fresh ? -1 : 1;
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->total_diff != y->total_diff)
		return x->total_diff > y->total_diff ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Makes the first of so many rows, the largest first, that of all; but those that are
 * half of what is left stay by themselves; steps: of the series. */
static void report_growth_join(struct grown *g, size_t count, uint32_t steps)
{
	int64_t sum = 0;

	assert(count > 0 && steps > 0);
	for (size_t i = 0; i < count; i++)
		sum += g[i].total_diff;
	for (; count >= GROWTH_LIKE && 2 * g->total_diff >= sum; g++, count--)
		sum -= g->total_diff;
	if (count < GROWTH_LIKE)
		return;
	g->like = (uint32_t)count - 1;
	for (size_t i = 1; i < count; i++) {
		g->total_diff += g[i].total_diff;
		g->size_diff += g[i].size_diff;
		g->count_diff += g[i].count_diff;
		g->total += g[i].total;
		g->size += g[i].size;
		g->count += g[i].count;
		g->grew |= g[i].grew;
		g->steps = g->steps > g[i].steps ? g->steps : g[i].steps;
		g[i].like = UINT32_MAX;
		g[i].leader = g->index;
	}
	if (steps <= 64)
		g->steps = (uint32_t)__builtin_popcountll(g->grew);
}

/* Finds which rows lie below others; leader: of each signature, 0 where it is in none. */
static int report_growth_nest(struct vec *grown, const struct growth *fresh,
			      const uint32_t *leader)
{
	const struct signature *s = fresh->signature.data;
	struct grown *g = grown->data;
	const size_t count = VEC_COUNT(*grown, struct grown);
	uint32_t *number = calloc(VEC_COUNT(fresh->signature, struct signature) + 1,
				  sizeof(*number));

	if (!number)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		number[g[i].index] = (uint32_t)i + 1;
	for (size_t i = 0; i < count; i++) {
		uint32_t at = s[g[i].index].parent;

		while (at && !leader[at])
			at = s[at].parent;
		g[i].within = at ? number[leader[at]] : 0;
	}
	free(number);
	return 0;
}

/* Joins like rows, and puts all in order; steps: of the series. */
static int report_growth_order(struct vec *grown, const struct growth *fresh,
			       uint32_t steps)
{
	struct grown *g = grown->data;
	size_t count = VEC_COUNT(*grown, struct grown), kept = 0;
	uint32_t *leader = calloc(VEC_COUNT(fresh->signature, struct signature) + 1,
				  sizeof(*leader));
	int err;

	if (!leader || !count) {
		free(leader);
		return count ? -ENOMEM : 0;
	}
	qsort(g, count, sizeof(*g), report_growth_by_place);
	for (size_t i = 0, n; i < count && g[i].fresh; i += n) {
		for (n = 1; i + n < count && g[i + n].fresh &&
		     g[i + n].parent == g[i].parent && g[i + n].type == g[i].type;
		     n++)
			;
		report_growth_join(&g[i], n, steps);
	}
	for (size_t i = 0; i < count; i++) {
		leader[g[i].index] = g[i].leader;
		if (g[i].like != UINT32_MAX) {
			g[kept] = g[i];
			g[kept].always = g[kept].steps == steps;
			kept++;
		}
	}
	grown->size = kept * sizeof(*g);
	qsort(g, kept, sizeof(*g), by_growth);
	err = report_growth_nest(grown, fresh, leader);
	free(leader);
	return err;
}

static int64_t report_growth_per_hour(const struct growth_series *series, int64_t bytes)
{
	return (int64_t)((double)bytes * 3600e9 / (double)series->ns);
}

static void report_growth_put_path(const struct report_context *c,
				   const struct growth *fresh, const struct grown *g,
				   struct text *scratch, struct row *row)
{
	char buf[HUMAN_SIZE];

	text_clear(scratch);
	growth_path(scratch, c->analysis, fresh, g->index);
	if (g->like)
		text_printf(scratch, " and %s like it", human_count(buf, g->like));
	row_text(row, text_get(scratch));
}

/* The row of one of all that grew. */
static int report_growth_add_row(const struct report_context *c,
				 const struct growth_series *series,
				 const struct grown *all, const struct grown *g,
				 struct text *scratch, struct table *table)
{
	const struct growth *fresh = &series->at[series->count - 1];
	const struct signature *s = VEC(fresh->signature, struct signature) + g->index;
	struct row row;

	row_begin(&row, table, s->example, s->type);
	report_growth_put_path(c, fresh, g, scratch, &row);
	if (heap_is_native(c->heap, s->example)) {
		text_clear(scratch);
		describe_native_kind(scratch, c->heap, s->example);
		row_text(&row, text_get(scratch));
	} else {
		row_type(&row, scratch, c->heap, s->type);
	}
	row_i64(&row, g->count_diff);
	row_u64(&row, g->count);
	row_u64(&row, g->size);
	row_i64(&row, g->size_diff);
	row_u64(&row, g->total);
	row_i64(&row, g->total_diff);
	if (series->ns)
		row_i64(&row, report_growth_per_hour(series, g->total_diff));
	else
		row_unknown(&row);
	text_clear(scratch);
	text_printf(scratch, "%u of %u step%s", g->steps, series->count - 1,
		    series->count == 2 ? "" : "s");
	row_text(&row, text_get(scratch));
	row_u64(&row, g->steps);
	if (g->within)
		report_growth_put_path(c, fresh, &all[g->within - 1], scratch, &row);
	else
		row_unknown(&row);
	return row_end(&row);
}

/* "all objects: +1.20 MiB in 5.0 min, +14.4 MiB an hour (3 snapshots)" */
static int report_growth_say_all(const struct report_context *c,
				 const struct growth_series *series, struct table *table)
{
	const int64_t bytes =
		(int64_t)(analysis_total(c->analysis) - analysis_total(c->old_analysis));
	const double seconds = (double)series->ns / 1e9;
	char all[HUMAN_SIZE], hour[HUMAN_SIZE], count[HUMAN_SIZE];

	if (!series->ns)
		return table_note(table, "all objects: %s", human_bytes_diff(all, bytes));
	human_bytes_diff(hour, report_growth_per_hour(series, bytes));
	return table_note(table, "all objects: %s in %.*f %s, %s an hour (%s snapshots)",
			  human_bytes_diff(all, bytes), 1,
			  seconds < 120		 ? seconds :
				  seconds < 7200 ? seconds / 60 :
						   seconds / 3600,
			  seconds < 120		 ? "s" :
				  seconds < 7200 ? "min" :
						   "h",
			  hour, human_count(count, series->count));
}

/* What the process has that is no object's, where it changed by a megabyte, and by a
 * twentieth of what resident memory did. */
static void report_growth_unheld(struct text *out, const struct account *old,
				 const struct account *now)
{
	const int64_t all = (int64_t)(now->rss - old->rss);
	const int64_t least = (all < 0 ? -all : all) / UNHELD_PART;
	const struct {
		int64_t bytes;
		const char *what;
	} parts[] = {
		{ (int64_t)(now->free - old->free), "free in the allocators" },
		{ (int64_t)(now->unexplained - old->unexplained),
		  "C allocations, unexplained" },
		{ (int64_t)(now->shared - old->shared), "shared memory" },
	};
	char buf[HUMAN_SIZE];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const int64_t size =
			parts[i].bytes < 0 ? -parts[i].bytes : parts[i].bytes;

		if (size < UNHELD_LEAST || size < least)
			continue;
		text_add(out, text_len(out) ? ", " : ": ");
		text_printf(out, "%s %s", human_bytes_diff(buf, parts[i].bytes),
			    parts[i].what);
	}
}

/* "resident memory: +86.9 MiB: +86.8 MiB free in the allocators" */
static int report_growth_say_resident(const struct report_context *c,
				      struct text *scratch, struct table *table)
{
	struct account old, now;
	char buf[HUMAN_SIZE];
	int err = account_make(c->old, &old);

	if (!err)
		err = account_make(c->heap, &now);
	if (err || !old.rss || !now.rss)
		return err;
	text_clear(scratch);
	report_growth_unheld(scratch, &old, &now);
	return table_note(table, "resident memory: %s%s",
			  human_bytes_diff(buf, (int64_t)(now.rss - old.rss)),
			  text_get(scratch));
}

/* Frees with report_growth_free, after a failure too. */
static int report_growth_build(const struct report_context *c,
			       struct growth_series *series)
{
	const uint64_t from = heap_fact_u64(c->old, "time_ns", 0);
	const uint64_t to = heap_fact_u64(c->heap, "time_ns", 0);
	const struct analysis **analysis =
		calloc(c->between_count + 2, sizeof(*analysis));
	int err;

	*series = (struct growth_series){
		.count = c->between_count + 2,
		.at = calloc(c->between_count + 2, sizeof(struct growth)),
		.ns = from && to > from ? to - from : 0,
	};
	if (!series->at || !analysis) {
		free(analysis);
		return -ENOMEM;
	}
	for (uint32_t k = 0; k < series->count; k++)
		analysis[k] = k == 0	       ? c->old_analysis :
			k == series->count - 1 ? c->analysis :
						 c->between[k - 1];
	err = growth_build_all(analysis, series->count, c->progress, series->at);
	free(analysis);
	return err;
}

static void report_growth_free(struct growth_series *series)
{
	for (uint32_t k = 0; k < series->count && series->at; k++)
		growth_free(&series->at[k]);
	free(series->at);
}

static int report_growth_run(const struct report_context *context,
			     const struct report_params *params, struct table *table)
{
	struct growth_series series;
	struct vec grown = { 0 };
	struct text scratch = { 0 };
	bool truncated = false;
	int err = report_growth_build(context, &series);

	(void)params;
	if (!err)
		err = report_growth_find_grown(&series, &grown);
	if (!err)
		err = report_growth_order(&grown, &series.at[series.count - 1],
					  series.count - 1);
	for (size_t i = 0; i < VEC_COUNT(grown, struct grown) && !err; i++)
		err = report_growth_add_row(context, &series, grown.data,
					    VEC(grown, struct grown) + i, &scratch,
					    table);
	if (!err)
		err = report_growth_say_all(context, &series, table);
	if (!err)
		err = report_growth_say_resident(context, &scratch, table);
	for (uint32_t k = 0; k < series.count && series.at; k++)
		truncated |= series.at[k].truncated;
	if (!err && truncated)
		err = table_note(table,
				 "too many different paths: some are counted where their "
				 "holder is");
	report_growth_free(&series);
	vec_free(&grown);
	text_free(&scratch);
	return err;
}

const struct report report_growth = {
	.name = "growth",
	.title = "What grew, by path",
	.needs = NEEDS_ANALYSIS | NEEDS_OLD,
	.limit = 40,
	.limit_data = 10000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_growth_run,
};
