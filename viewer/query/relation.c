/* SPDX-License-Identifier: MIT */
/*
 * relation - virtual tables over the model (relation.h).
 *
 * A plan travels from xBestIndex to xFilter in idxNum: a bit for each key that is
 * given, then the order, its direction, and whether a LIMIT follows the keys' values.
 */
#include "viewer/query/relation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/describe.h"

enum {
	PLAN_ORDER_SHIFT = 16, /* index + 1 */
	PLAN_ORDER_MASK = 7,
	PLAN_DESCENDING = 1 << 20,
	PLAN_LIMIT = 1 << 21,
	PLAN_SNAPSHOT = 1 << 22, /* before the keys' */
};

struct relation_table {
	sqlite3_vtab base;
	const struct relation *relation;
	struct catalog *catalog;
};

/* What SQLite is given with each module. */
struct relation_module {
	const struct relation *relation;
	struct relation *owned; /* a report's */
	struct catalog *catalog;
};

static int relation_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
			    sqlite3_vtab **ret, char **err)
{
	const struct relation_module *module = aux;
	struct relation_table *table = sqlite3_malloc(sizeof(*table));
	char *sql = sqlite3_mprintf("CREATE TABLE x(%s)", module->relation->columns);
	int rc = table && sql ? sqlite3_declare_vtab(db, sql) : SQLITE_NOMEM;

	(void)argc;
	(void)argv;
	(void)err;
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		sqlite3_free(table);
		return rc;
	}
	*table = (struct relation_table){ .relation = module->relation,
					  .catalog = module->catalog };
	sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
	*ret = &table->base;
	return SQLITE_OK;
}

static int relation_disconnect(sqlite3_vtab *vtab)
{
	sqlite3_free(vtab);
	return SQLITE_OK;
}

/* ---- planning ---- */

static bool relation_fits(const struct relation_key *key, int column, int op)
{
	if (key->column != column)
		return false;
	switch (key->compare) {
	case RELATION_EQ:
		return op == SQLITE_INDEX_CONSTRAINT_EQ;
	case RELATION_AT_LEAST:
		return op == SQLITE_INDEX_CONSTRAINT_GE ||
			op == SQLITE_INDEX_CONSTRAINT_GT;
	default:
		return op == SQLITE_INDEX_CONSTRAINT_LE ||
			op == SQLITE_INDEX_CONSTRAINT_LT;
	}
}

/* The usable constraint that gives a key; -1: none, -2: one that isn't usable here. */
static int relation_constraint(const sqlite3_index_info *info,
			       const struct relation_key *key)
{
	int found = -1;

	for (int i = 0; i < info->nConstraint; i++) {
		if (!relation_fits(key, info->aConstraint[i].iColumn,
				   info->aConstraint[i].op))
			continue;
		if (info->aConstraint[i].usable)
			return i;
		found = -2;
	}
	return found;
}

struct relation_plan {
	int bits, arguments, consumed;
	double rows;
	bool one_snapshot;
};

static void relation_use(sqlite3_index_info *info, struct relation_plan *plan, int i,
			 int bit, bool exact)
{
	info->aConstraintUsage[i].argvIndex = ++plan->arguments;
	info->aConstraintUsage[i].omit = exact;
	plan->bits |= bit;
	plan->consumed += exact;
}

/* SQLITE_OK, or why the plan can't be. */
static int relation_plan_keys(const struct relation_table *t, sqlite3_index_info *info,
			      struct relation_plan *plan)
{
	static const struct relation_key snapshot = { 0, RELATION_EQ, false, false, 0 };
	const struct relation *r = t->relation;
	int i = relation_constraint(info, &snapshot);

	if (i >= 0) {
		relation_use(info, plan, i, PLAN_SNAPSHOT, true);
		plan->rows /= t->catalog->count ? t->catalog->count : 1;
		plan->one_snapshot = true;
	}
	for (int k = 0; k < r->nkeys; k++) {
		const struct relation_key *key = &r->keys[k];

		i = relation_constraint(info, key);
		if (i == -2 && key->argument)
			return SQLITE_CONSTRAINT;
		if (i < 0)
			continue;
		int op = info->aConstraint[i].op;
		relation_use(info, plan, i, 1 << k,
			     op == SQLITE_INDEX_CONSTRAINT_EQ ||
				     op == SQLITE_INDEX_CONSTRAINT_GE ||
				     op == SQLITE_INDEX_CONSTRAINT_LE);
		plan->rows = key->share > 0 ? plan->rows * key->share :
			key->argument	    ? plan->rows :
					      1;
	}
	return SQLITE_OK;
}

/* The one column that rows are to be ordered by, snapshots aside; -1: none or several. */
static int relation_wanted_order(sqlite3_index_info *info,
				 const struct relation_plan *plan, bool *desc)
{
	bool grouped = sqlite3_vtab_distinct(info) == 1;
	int column = -1, first = 0;

	for (int i = 0; i < info->nOrderBy; i++) {
		const int c = info->aOrderBy[i].iColumn;

		if (c == 0 &&
		    (plan->one_snapshot || grouped ||
		     (first == i && !info->aOrderBy[i].desc))) {
			first = i + 1;
			continue;
		}
		if (column >= 0 || c < 0)
			return -1;
		column = c;
		*desc = info->aOrderBy[i].desc;
		/* rows come snapshot by snapshot */
		if (i == 0 && info->nOrderBy == 1 && !plan->one_snapshot)
			return -1;
	}
	return column;
}

static void relation_plan_order(const struct relation_table *t, sqlite3_index_info *info,
				struct relation_plan *plan)
{
	const struct relation *r = t->relation;
	bool desc = false;
	int column = relation_wanted_order(info, plan, &desc);

	for (int o = 0; o < r->norders && column >= 0; o++) {
		if (r->orders[o].column != column ||
		    (r->orders[o].descending_only && !desc))
			continue;
		plan->bits |= (o + 1) << PLAN_ORDER_SHIFT | (desc ? PLAN_DESCENDING : 0);
		info->orderByConsumed = 1;
	}
}

static void relation_plan_limit(sqlite3_index_info *info, struct relation_plan *plan)
{
	int limit = -1, conditions = 0;

	for (int i = 0; i < info->nConstraint; i++) {
		const int op = info->aConstraint[i].op;

		if (op == SQLITE_INDEX_CONSTRAINT_OFFSET)
			return;
		if (op == SQLITE_INDEX_CONSTRAINT_LIMIT)
			limit = info->aConstraint[i].usable ? i : -1;
		else
			conditions++;
	}
	/* SQLite would throw rows away that were counted */
	if (limit < 0 || conditions != plan->consumed ||
	    (info->nOrderBy && !info->orderByConsumed))
		return;
	info->aConstraintUsage[limit].argvIndex = ++plan->arguments;
	plan->bits |= PLAN_LIMIT;
}

static int relation_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
	const struct relation_table *t = (struct relation_table *)vtab;
	struct relation_plan plan = { .rows = t->relation->rows,
				      .one_snapshot = t->catalog->count <= 1 };

	if (plan.rows <= 0 && t->catalog->count)
		plan.rows = t->catalog->snapshot[0].heap->objects;
	plan.rows *= t->catalog->count;
	const int rc = relation_plan_keys(t, info, &plan);
	if (rc != SQLITE_OK)
		return rc;
	relation_plan_order(t, info, &plan);
	relation_plan_limit(info, &plan);
	info->idxNum = plan.bits;
	info->estimatedRows = plan.rows < 1 ? 1 : (sqlite3_int64)plan.rows;
	info->estimatedCost = plan.rows + 2;
	return SQLITE_OK;
}

/* ---- cursors ---- */

static int relation_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **ret)
{
	const struct relation_table *t = (struct relation_table *)vtab;
	struct relation_cursor *c = calloc(1, sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	c->relation = t->relation;
	c->catalog = t->catalog;
	for (int k = 0; k < t->relation->nkeys; k++)
		c->functional |= t->relation->keys[k].argument;
	*ret = &c->base;
	return SQLITE_OK;
}

static void relation_forget(struct relation_cursor *c)
{
	for (int k = 0; k < RELATION_KEYS; k++) {
		free(c->texts[k]);
		c->texts[k] = NULL;
	}
	if (c->table.columns)
		table_free(&c->table);
	c->table.columns = NULL;
	c->ids.size = 0;
}

static int relation_close(sqlite3_vtab_cursor *cursor)
{
	struct relation_cursor *c = (struct relation_cursor *)cursor;

	relation_forget(c);
	vec_free(&c->ids);
	text_free(&c->scratch);
	free(c);
	return SQLITE_OK;
}

/* An address may be written as text: '0x7f...'. */
static bool relation_number(sqlite3_value *value, int64_t *ret)
{
	const char *text;
	char *end;
	double real;

	switch (sqlite3_value_type(value)) {
	case SQLITE_INTEGER:
		*ret = sqlite3_value_int64(value);
		return true;
	case SQLITE_FLOAT:
		real = sqlite3_value_double(value);
		if (!(real >= -9e15 && real <= 9e15))
			return false;
		*ret = (int64_t)real;
		return (double)*ret == real;
	case SQLITE_TEXT:
		text = (const char *)sqlite3_value_text(value);
		errno = 0;
		*ret = text ? (int64_t)strtoull(text, &end, 0) : 0;
		return text && *text >= '0' && *text <= '9' && !*end && !errno;
	default:
		return false;
	}
}

static int relation_take_argument(struct relation_cursor *c, int k, sqlite3_value *value)
{
	struct relation_argument *a = &c->argument[k];
	const char *text;

	*a = (struct relation_argument){ .given = true };
	a->is_number = relation_number(value, &a->number);
	if (sqlite3_value_type(value) != SQLITE_TEXT)
		return SQLITE_OK;
	text = (const char *)sqlite3_value_text(value);
	c->texts[k] = text ? strdup(text) : NULL;
	a->text = c->texts[k];
	a->is_text = a->text != NULL;
	return a->text ? SQLITE_OK : SQLITE_NOMEM;
}

static int relation_fail(struct relation_cursor *c, int err)
{
	sqlite3_vtab *vtab = c->base.pVtab;

	if (err == -ENOMEM)
		return SQLITE_NOMEM;
	if (err == -ECANCELED)
		return SQLITE_INTERRUPT;
	sqlite3_free(vtab->zErrMsg);
	vtab->zErrMsg = sqlite3_mprintf("%s: %s", c->relation->name,
					c->message ? c->message : strerror(-err));
	return SQLITE_ERROR;
}

static int relation_select(struct relation_cursor *c)
{
	c->ids.size = 0;
	c->listed = false;
	c->first = c->count = c->at = c->slot = c->part = c->parts = 0;
	return c->relation->select(c);
}

/* The next part that has rows, if there is one. */
static int relation_refill(struct relation_cursor *c)
{
	int err = 0;

	while (c->part < c->parts && !err) {
		c->ids.size = 0;
		c->first = c->count = c->at = c->slot = 0;
		err = c->relation->refill(c);
		if (c->count)
			break;
	}
	return err;
}

/* To the next row from `at` and `slot` on, in this snapshot or the next ones. */
static int relation_settle(struct relation_cursor *c)
{
	while (c->snapshot < c->snapshot_end) {
		for (; c->at < c->count; c->at++, c->slot = 0) {
			if (!c->relation->settle)
				return SQLITE_OK;
			c->relation->settle(c);
			if (c->slots)
				return SQLITE_OK;
		}
		int err = relation_refill(c);
		if (!err && c->at < c->count)
			continue;
		if (!err && ++c->snapshot >= c->snapshot_end)
			break;
		err = err ? err : relation_select(c);
		if (err)
			return relation_fail(c, err);
	}
	return SQLITE_OK;
}

static int relation_filter(sqlite3_vtab_cursor *cursor, int plan, const char *unused,
			   int argc, sqlite3_value **argv)
{
	struct relation_cursor *c = (struct relation_cursor *)cursor;
	int64_t snapshot = 0;
	int at = 0;

	(void)unused;
	(void)argc;
	relation_forget(c);
	memset(c->argument, 0, sizeof(c->argument));
	c->message = NULL;
	c->snapshot = UINT32_MAX; /* relation_settle goes to the next */
	c->snapshot_end = c->catalog->count;
	c->order = (plan >> PLAN_ORDER_SHIFT & PLAN_ORDER_MASK) - 1;
	c->descending = plan & PLAN_DESCENDING;
	c->limit = 0;
	c->at = c->count = 0;
	if (plan & PLAN_SNAPSHOT) {
		bool good = relation_number(argv[at++], &snapshot) && snapshot >= 0 &&
			snapshot < c->catalog->count;
		c->snapshot = good ? (uint32_t)snapshot - 1 : c->snapshot_end;
		c->snapshot_end = good ? (uint32_t)snapshot + 1 : 0;
	}
	for (int k = 0; k < c->relation->nkeys; k++)
		if (plan & 1 << k) {
			const int rc = relation_take_argument(c, k, argv[at++]);
			if (rc != SQLITE_OK)
				return rc;
		}
	if (plan & PLAN_LIMIT && sqlite3_value_int64(argv[at]) > 0)
		c->limit = (uint64_t)sqlite3_value_int64(argv[at++]);
	assert(at <= argc || argc == 0);
	for (int k = 0; k < c->relation->nkeys; k++)
		if (c->relation->keys[k].required && !c->argument[k].given) {
			c->message = "it needs an argument, as path(ADDRESS) does";
			return relation_fail(c, -EINVAL);
		}
	if (!c->snapshot_end)
		return SQLITE_OK;
	c->snapshot++;
	const int err = relation_select(c);
	return err ? relation_fail(c, err) : relation_settle(c);
}

static int relation_next(sqlite3_vtab_cursor *cursor)
{
	struct relation_cursor *c = (struct relation_cursor *)cursor;

	if (c->relation->settle)
		c->slot++;
	else
		c->at++;
	return c->at < c->count && !c->relation->settle ? SQLITE_OK : relation_settle(c);
}

static int relation_eof(sqlite3_vtab_cursor *cursor)
{
	const struct relation_cursor *c = (struct relation_cursor *)cursor;

	return c->snapshot >= c->snapshot_end;
}

/* False: the column isn't an argument's. */
static bool relation_put_argument(const struct relation_cursor *c,
				  sqlite3_context *context, int column)
{
	for (int k = 0; k < c->relation->nkeys; k++) {
		const struct relation_key *key = &c->relation->keys[k];

		if (!key->argument || key->column != column)
			continue;
		if (c->argument[k].is_text)
			sqlite3_result_text(context, c->argument[k].text, -1,
					    SQLITE_TRANSIENT);
		else if (c->argument[k].is_number)
			sqlite3_result_int64(context, c->argument[k].number);
		return true;
	}
	return false;
}

static int relation_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context,
			   int column)
{
	struct relation_cursor *c = (struct relation_cursor *)cursor;

	if (column == 0) {
		sqlite3_result_int64(context, c->snapshot);
		return SQLITE_OK;
	}
	if (c->functional && relation_put_argument(c, context, column))
		return SQLITE_OK;
	c->relation->column(c, context, column);
	return SQLITE_OK;
}

uint64_t relation_position(const struct relation_cursor *c)
{
	return (uint64_t)c->at + c->slot;
}

static int relation_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret)
{
	const struct relation_cursor *c = (struct relation_cursor *)cursor;

	*ret = (sqlite3_int64)((uint64_t)c->snapshot << RELATION_KEY_BITS |
			       (c->relation->key ? c->relation->key(c) : relation_id(c)));
	return SQLITE_OK;
}

static const sqlite3_module relation_methods = {
	.iVersion = 0,
	.xConnect = relation_connect,
	.xBestIndex = relation_best_index,
	.xDisconnect = relation_disconnect,
	.xDestroy = relation_disconnect,
	.xOpen = relation_open,
	.xClose = relation_close,
	.xFilter = relation_filter,
	.xNext = relation_next,
	.xEof = relation_eof,
	.xColumn = relation_column,
	.xRowid = relation_rowid,
};

/* ---- values ---- */

uint32_t relation_node(const struct relation_cursor *c,
		       const struct relation_argument *argument)
{
	if (!argument->given || !argument->is_number)
		return HEAP_NONE;
	return heap_find(relation_indexed(c)->heap, (uint64_t)argument->number);
}

void relation_put_text(struct relation_cursor *c, sqlite3_context *context)
{
	if (c->scratch.err)
		sqlite3_result_error_nomem(context);
	else if (text_len(&c->scratch))
		sqlite3_result_text(context, text_get(&c->scratch),
				    (int)text_len(&c->scratch), SQLITE_TRANSIENT);
}

void relation_put_count(sqlite3_context *context, uint64_t value)
{
	if (value <= INT64_MAX)
		sqlite3_result_int64(context, (sqlite3_int64)value);
	else
		sqlite3_result_double(context, (double)value);
}

void relation_put_node(const struct relation_cursor *c, sqlite3_context *context,
		       uint32_t node)
{
	if (node < relation_indexed(c)->heap->objects)
		relation_put_count(context, indexed_address(relation_indexed(c), node));
}

void relation_put_string(struct relation_cursor *c, sqlite3_context *context,
			 uint32_t string)
{
	size_t size;
	const char *text = heap_string(relation_indexed(c)->heap, string, &size);

	text_clear(&c->scratch);
	text_escape(&c->scratch, text, size, 0, 0);
	relation_put_text(c, context);
}

/* ---- registering ---- */

static void relation_module_free(void *arg)
{
	struct relation_module *module = arg;

	if (module->owned) {
		free((char *)(uintptr_t)module->owned->name);
		free((char *)(uintptr_t)module->owned->columns);
	}
	free(module->owned);
	free(module);
}

int relation_register(sqlite3 *db, struct catalog *catalog,
		      const struct relation *relation, struct relation *owned)
{
	struct relation_module *module = malloc(sizeof(*module));

	if (!module)
		return SQLITE_NOMEM;
	*module = (struct relation_module){ relation, owned, catalog };
	return sqlite3_create_module_v2(db, relation->name, &relation_methods, module,
					relation_module_free);
}
