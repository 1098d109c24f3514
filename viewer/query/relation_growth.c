/* SPDX-License-Identifier: MIT */
/*
 * same_path(A, B, ...) - places that hold objects in each of the snapshots named, by
 * their paths (analysis/growth.h): addresses change between processes and are used
 * again in one, paths stay.  Without arguments: in all snapshots.  A place has a row in
 * every one of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/growth.h"
#include "viewer/query/node.h"
#include "viewer/report/common.h"
#include "viewer/report/growth_text.h"

enum {
	COLUMN_PATH = 1,
	COLUMN_TYPE,
	COLUMN_COUNT,
	COLUMN_SIZE,
	COLUMN_TOTAL,
	COLUMN_EXAMPLE,
	COLUMN_SIGNATURE,
	COLUMN_FIRST_ARGUMENT,
	ARGUMENTS = 8
};

#define ARGUMENT(n) \
	{ \
		COLUMN_FIRST_ARGUMENT + (n), RELATION_EQ, true, false, 0 \
	}
static const struct relation_key keys[ARGUMENTS] = {
	ARGUMENT(0), ARGUMENT(1), ARGUMENT(2), ARGUMENT(3),
	ARGUMENT(4), ARGUMENT(5), ARGUMENT(6), ARGUMENT(7),
};

/* Whether a snapshot is one of those named. */
static bool relation_growth_named(const struct relation_cursor *c, uint32_t snapshot)
{
	bool any = false;

	for (int k = 0; k < ARGUMENTS; k++) {
		const struct relation_argument *a = &c->argument[k];

		any |= a->given;
		if (a->given && a->is_number && a->number == (int64_t)snapshot)
			return true;
	}
	return !any;
}

/* Leaves of ids those that the other snapshots have, too. */
static void relation_growth_intersect(struct vec *ids, const struct growth *of,
				      const struct growth *with)
{
	uint32_t *id = VEC(*ids, uint32_t);
	size_t kept = 0, count = VEC_COUNT(*ids, uint32_t);

	for (size_t i = 0; i < count; i++)
		if (growth_find(with, VEC(of->signature, struct signature)[id[i]].hash))
			id[kept++] = id[i];
	ids->size = kept * 4;
}

/* Makes the places of all snapshots, which are named alike. */
static int relation_growth_make(struct catalog *catalog)
{
	const size_t count = catalog->count;
	const struct analysis **analysis = calloc(count, sizeof(*analysis));
	struct growth *made = calloc(count, sizeof(*made));
	int err = analysis && made ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !err; i++)
		analysis[i] = catalog->snapshot[i].analysis;
	if (!err)
		err = growth_build_all(analysis, count, catalog->snapshot->progress,
				       made);
	for (size_t i = 0; i < count && made; i++) {
		if (err)
			growth_free(&made[i]);
		else
			catalog->snapshot[i].growth = made[i];
	}
	free(analysis);
	free(made);
	return err;
}

static int relation_growth_of(struct relation_cursor *c, uint32_t snapshot,
			      struct growth **ret)
{
	*ret = &c->catalog->snapshot[snapshot].growth;
	return (*ret)->signature.size ? 0 : relation_growth_make(c->catalog);
}

static int relation_growth_select(struct relation_cursor *c)
{
	struct growth *own, *other;
	int err;

	if (!relation_growth_named(c, c->snapshot))
		return 0;
	err = relation_growth_of(c, c->snapshot, &own);
	const uint32_t count =
		err ? 0 : (uint32_t)VEC_COUNT(own->signature, struct signature);
	for (uint32_t i = 1; i < count && !err; i++)
		err = vec_push_u32(&c->ids, i);
	for (uint32_t s = 0; s < c->catalog->count && !err; s++) {
		if (s == c->snapshot || !relation_growth_named(c, s))
			continue;
		err = relation_growth_of(c, s, &other);
		if (!err)
			relation_growth_intersect(&c->ids, own, other);
	}
	c->listed = true;
	c->count = (uint32_t)VEC_COUNT(c->ids, uint32_t);
	return err;
}

static void relation_growth_put_path(struct relation_cursor *c, sqlite3_context *context)
{
	const struct indexed *ix = relation_indexed(c);

	text_clear(&c->scratch);
	growth_path(&c->scratch, ix->analysis, &ix->growth, relation_id(c));
	relation_put_text(c, context);
}

static void relation_growth_column(struct relation_cursor *c, sqlite3_context *context,
				   int column)
{
	const struct indexed *ix = relation_indexed(c);
	const struct signature *s =
		VEC(ix->growth.signature, struct signature) + relation_id(c);

	switch (column) {
	case COLUMN_PATH:
		relation_growth_put_path(c, context);
		break;
	case COLUMN_TYPE:
		sqlite3_result_text(context, indexed_type_name(ix, s->type), -1,
				    SQLITE_STATIC);
		break;
	case COLUMN_COUNT:
		relation_put_count(context, s->count);
		break;
	case COLUMN_SIZE:
		relation_put_count(context, s->size);
		break;
	case COLUMN_TOTAL:
		relation_put_count(context, s->total);
		break;
	case COLUMN_EXAMPLE:
		relation_put_node(c, context, s->example);
		break;
	case COLUMN_SIGNATURE:
		sqlite3_result_int64(context, (sqlite3_int64)s->hash);
		break;
	default:
		break;
	}
}

const struct relation relation_same_path = {
	.name = "same_path",
	.title = "same_path(SNAPSHOT, ...): places that all of these snapshots have",
	.columns = "snapshot INTEGER, path TEXT, type TEXT, count INTEGER, size BYTES, "
		   "total BYTES, example ADDRESS, signature INTEGER, "
		   "s1 INTEGER HIDDEN, s2 INTEGER HIDDEN, s3 INTEGER HIDDEN, "
		   "s4 INTEGER HIDDEN, s5 INTEGER HIDDEN, s6 INTEGER HIDDEN, "
		   "s7 INTEGER HIDDEN, s8 INTEGER HIDDEN",
	.keys = keys,
	.nkeys = ARGUMENTS,
	.rows = 5000,
	.select = relation_growth_select,
	.column = relation_growth_column,
	.key = relation_position,
};
