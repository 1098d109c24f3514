/* SPDX-License-Identifier: MIT */
/*
 * report_NAME - every report as a table: its columns after `snapshot`, and the arguments
 *	of       an object's address, or a type's name, for reports that are about one
 *	against  the snapshot to compare with; otherwise the one of --compare, or else the
 *	         one before
 * A report has all its rows; it is made when a query reads it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/query/relation.h"
#include "viewer/report/common.h"

/* ---- running ---- */

/* The snapshot to compare with; NULL: there is none. */
static struct process *relation_report_older(const struct relation_cursor *c,
					     const struct relation_argument *against)
{
	if (against->given)
		return against->is_number && against->number >= 0 &&
				against->number < c->catalog->count ?
			c->catalog->snapshot[against->number].process :
			NULL;
	if (relation_indexed(c)->process->old)
		return relation_indexed(c)->process->old;
	return c->snapshot ? c->catalog->snapshot[c->snapshot - 1].process : NULL;
}

static bool relation_report_takes_node(const struct report *report)
{
	return report->needs & NEEDS_NODE;
}

static int relation_report_select(struct relation_cursor *c)
{
	const struct report *report = c->relation->report;
	struct process *process = relation_indexed(c)->process;
	const struct relation_argument *of = &c->argument[0], *against = &c->argument[1];
	struct report_params params = { .all = true };
	struct report_context context;
	int err = workspace_context(c->catalog->workspace, process, report,
				    &c->catalog->progress, &context);

	if (err)
		return err;
	if (report->needs & NEEDS_OLD) {
		const struct process *old = relation_report_older(c, against);

		if (!old || old == process)
			return 0;
		context.old = old->heap;
		context.old_analysis = old->analysis;
	}
	if (of->given && of->is_number)
		params.object = (uint64_t)of->number;
	else if (of->given && of->is_text)
		params.type = of->text;
	else if (of->given)
		return 0;
	if (c->table.columns)
		table_free(&c->table);
	err = report_run(report, &context, &params, &c->table);
	c->count = err ? 0 : (uint32_t)c->table.rows;
	return err == -ENOENT ? 0 : err;
}

static void relation_report_column(struct relation_cursor *c, sqlite3_context *context,
				   int column)
{
	const struct cell *cell;

	if ((size_t)column > c->table.ncolumns)
		return;
	cell = table_cell(&c->table, relation_id(c), (size_t)column - 1);
	if (cell->unknown)
		return;
	switch (c->table.columns[column - 1].type) {
	case CELL_TEXT:
		sqlite3_result_text(context, table_text(&c->table, cell), -1,
				    SQLITE_TRANSIENT);
		break;
	case CELL_COUNT_DIFF:
	case CELL_BYTES_DIFF:
	case CELL_INTEGER:
		sqlite3_result_int64(context, cell->i64);
		break;
	case CELL_RATIO:
	case CELL_REAL:
		sqlite3_result_double(context, cell->ratio);
		break;
	default:
		relation_put_count(context, cell->u64);
	}
}

/* ---- making the relation ---- */

static const char *relation_report_type(enum cell_type type)
{
	switch (type) {
	case CELL_TEXT:
		return "TEXT";
	case CELL_BYTES:
		return "BYTES";
	case CELL_BYTES_DIFF:
		return "BYTES_DIFF";
	case CELL_COUNT_DIFF:
		return "INTEGER_DIFF";
	case CELL_REAL:
		return "REAL";
	case CELL_RATIO:
		return "RATIO";
	case CELL_ADDRESS:
		return "ADDRESS";
	case CELL_NS:
		return "NS";
	case CELL_ID:
		return "ID";
	case CELL_TIME:
		return "TIME";
	case CELL_BOOL:
		return "BOOLEAN";
	default:
		return "INTEGER";
	}
}

struct relation *relation_report_create(const struct report *report)
{
	/* both are keys of any report, so that their indexes are the same */
	struct allocation {
		struct relation relation;
		struct relation_key keys[2];
	} *made = calloc(1, sizeof(*made));
	struct text columns = { 0 };
	char *name = NULL;

	text_add(&columns, "snapshot INTEGER");
	for (size_t i = 0; i < report->ncolumns; i++)
		text_printf(&columns, ", \"%s\" %s", report->columns[i].key,
			    relation_report_type(report->columns[i].type));
	text_add(&columns, ", \"of\" HIDDEN, \"against\" INTEGER HIDDEN");
	if (!made || columns.err || asprintf(&name, "report_%s", report->name) < 0) {
		text_free(&columns);
		free(made);
		return NULL;
	}
	const int last = (int)report->ncolumns;
	made->keys[0] = (struct relation_key){ last + 1, RELATION_EQ, true,
					       relation_report_takes_node(report), 0 };
	made->keys[1] = (struct relation_key){ last + 2, RELATION_EQ, true, false, 0 };
	made->relation = (struct relation){
		.name = name,
		.title = report->title,
		.columns = strdup(text_get(&columns)),
		.keys = made->keys,
		.nkeys = 2,
		.rows = 100,
		.report = report,
		.select = relation_report_select,
		.column = relation_report_column,
		.key = relation_position,
	};
	text_free(&columns);
	assert(&made->relation == (void *)made);
	return &made->relation;
}
