/* SPDX-License-Identifier: MIT */
/*
 * site, trace - where memory was allocated, in snapshots of processes that tracemalloc
 * was tracing in (model/site.h).  Both are arrays of the heap, read whole.
 */
#include <errno.h>

#include "viewer/model/site.h"
#include "viewer/query/node.h"

static int relation_site_select(struct relation_cursor *c)
{
	c->first = 1;
	c->count = site_count(relation_indexed(c)->heap);
	return 0;
}

static void relation_site_column(struct relation_cursor *c, sqlite3_context *context,
				 int column)
{
	const struct snap_site *s = site_at(relation_indexed(c)->heap, relation_id(c));

	switch (column) {
	case 1:
		relation_put_count(context, s->id);
		break;
	case 2:
		if (s->caller)
			relation_put_count(context, s->caller);
		break;
	case 3:
		relation_put_string(c, context, s->file);
		break;
	default:
		if (s->line)
			relation_put_count(context, s->line);
	}
}

const struct relation relation_site = {
	.name = "site",
	.title = "lines that allocated, and the sites that called them",
	.columns = "snapshot INTEGER, site INTEGER, caller INTEGER, file TEXT, "
		   "line ID",
	.rows = 5000,
	.select = relation_site_select,
	.column = relation_site_column,
};

static int relation_site_traces(struct relation_cursor *c)
{
	const size_t count =
		VEC_COUNT(relation_indexed(c)->heap->trace, struct snap_trace);

	if (count > UINT32_MAX) {
		c->message = "too many traces for a table";
		return -EINVAL;
	}
	c->count = (uint32_t)count;
	return 0;
}

static void relation_site_trace(struct relation_cursor *c, sqlite3_context *context,
				int column)
{
	const struct snap_trace *t =
		&VEC(relation_indexed(c)->heap->trace, struct snap_trace)[relation_id(c)];

	switch (column) {
	case 1:
		relation_put_count(context, t->addr);
		break;
	case 2:
		relation_put_count(context, t->size);
		break;
	case 3:
		if (t->site)
			relation_put_count(context, t->site);
		break;
	default:
		relation_put_count(context, t->domain);
	}
}

const struct relation relation_trace = {
	.name = "trace",
	.title = "blocks of memory that tracemalloc knows the site of",
	.columns = "snapshot INTEGER, address ADDRESS, size BYTES, site INTEGER, "
		   "domain INTEGER",
	.rows = 100000,
	.select = relation_site_traces,
	.column = relation_site_trace,
};
