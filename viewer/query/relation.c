/* SPDX-License-Identifier: MIT */
/*
 * relation - virtual tables over the model (relation.h).
 *
 * A plan travels from xBestIndex to xFilter in idxNum: a bit for each key that is
 * given, then the order, its direction, whether a LIMIT follows the keys' values, and
 * whether a bound is itself excluded.
 *
 * A key finds the rows that SQLite would find without it, whatever it is compared with.
 * Numbers: the value alone decides (relation_compare), since all but numbers become one
 * before they are compared with a column of numbers, if they can.  Text: rows are found
 * by what is text, in the collation BINARY; of the rest SQLite decides.
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
	PLAN_ABOVE = 1 << 23,	 /* > rather than >= */
	PLAN_BELOW = 1 << 24,
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
	case RELATION_EQ_TEXT:
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
static int relation_constraint(sqlite3_index_info *info, const struct relation_key *key)
{
	int found = -1;

	for (int i = 0; i < info->nConstraint; i++) {
		if (!relation_fits(key, info->aConstraint[i].iColumn,
				   info->aConstraint[i].op))
			continue;
		if (key->compare == RELATION_EQ_TEXT &&
		    sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0)
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

/* What SQLite needn't look at again is consumed.  A bound that isn't known yet may be the
 * first of several, (address, size) > (...): SQLite looks, and asks without saying so. */
static void relation_use(sqlite3_index_info *info, struct relation_plan *plan, int i,
			 enum relation_compare compare, int bit)
{
	const int op = info->aConstraint[i].op;
	sqlite3_value *value = NULL;
	const bool known = sqlite3_vtab_rhs_value(info, i, &value) == SQLITE_OK && value;
	const bool exact = compare != RELATION_EQ_TEXT ||
		(known && sqlite3_value_type(value) == SQLITE_TEXT);

	info->aConstraintUsage[i].argvIndex = ++plan->arguments;
	info->aConstraintUsage[i].omit = exact;
	plan->bits |= bit;
	plan->bits |= op == SQLITE_INDEX_CONSTRAINT_GT ? PLAN_ABOVE :
		op == SQLITE_INDEX_CONSTRAINT_LT       ? PLAN_BELOW :
							 0;
	plan->consumed += exact && (known || compare == RELATION_EQ);
}

/* SQLITE_OK, or why the plan can't be. */
static int relation_plan_keys(const struct relation_table *t, sqlite3_index_info *info,
			      struct relation_plan *plan)
{
	static const struct relation_key snapshot = { 0, RELATION_EQ, false, false, 0 };
	const struct relation *r = t->relation;
	int i = relation_constraint(info, &snapshot);

	if (i >= 0) {
		relation_use(info, plan, i, RELATION_EQ, PLAN_SNAPSHOT);
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
		relation_use(info, plan, i, key->compare, 1 << k);
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

/* An address may be written as text: '0x7f...'.  SQLite knows no such numbers. */
static bool relation_take_hex(struct relation_argument *a, const char *text)
{
	char *end;

	if (text[0] != '0' || (text[1] | 0x20) != 'x')
		return false;
	errno = 0;
	const unsigned long long number = strtoull(text, &end, 16);
	if (*end || end == text + 2 || errno || number > INT64_MAX)
		return false;
	a->number = (int64_t)number;
	return true;
}

static void relation_take_real(struct relation_argument *a, double real)
{
	const bool fits = real >= -0x1p63 && real < 0x1p63;

	a->real = real;
	if (fits)
		a->number = (int64_t)real;
	a->is_number = fits && (double)a->number == real;
	a->is_real = !a->is_number;
}

static void relation_take_number(struct relation_argument *a, sqlite3_value *value)
{
	switch (sqlite3_value_type(value)) {
	case SQLITE_INTEGER:
		a->number = sqlite3_value_int64(value);
		a->is_number = true;
		break;
	case SQLITE_FLOAT:
		relation_take_real(a, sqlite3_value_double(value));
		break;
	default:
		break;
	}
}

/*
 * The number that a text is, as SQLite compares it with numbers: all of it, but for
 * spaces around.  Not by sqlite3_value_numeric_type, which changes an argument in place,
 * and of a copy (sqlite3_value_dup) reads the connection that it hasn't: 3.53 crashed.
 */
static void relation_take_text(struct relation_argument *a, const char *text)
{
	static const char spaces[] = " \t\n\v\f\r", digits[] = "0123456789";
	const char *const start = text + strspn(text, spaces);
	const char *at = start + (*start == '-' || *start == '+');
	const size_t whole = strspn(at, digits);
	const bool point = at[whole] == '.';
	const size_t part = point ? strspn(at + whole + 1, digits) : 0;

	at += whole + point + part;
	const char *e = at + ((*at | 0x20) == 'e');
	e += e > at && (*e == '-' || *e == '+');
	const size_t power = e > at ? strspn(e, digits) : 0;
	at = power ? e + power : at;
	if ((!whole && !part) || at[strspn(at, spaces)])
		return;
	errno = 0;
	a->number = strtoll(start, NULL, 10);
	a->is_number = !point && !power && !errno;
	if (!a->is_number)
		relation_take_real(a, strtod(start, NULL));
}

/* *text_ret: an owned copy, or NULL. */
static int relation_take_value(struct relation_argument *a, sqlite3_value *value,
			       char **text_ret)
{
	const int type = sqlite3_value_type(value);

	*text_ret = NULL;
	*a = (struct relation_argument){ .given = true, .is_null = type == SQLITE_NULL };
	if (type != SQLITE_TEXT) {
		relation_take_number(a, value);
		return SQLITE_OK;
	}
	const char *const text = (const char *)sqlite3_value_text(value);
	*text_ret = text ? strdup(text) : NULL;
	a->text = *text_ret;
	if (!a->text)
		return SQLITE_NOMEM;
	/* no text of ours has a NUL */
	a->is_text = (size_t)sqlite3_value_bytes(value) == strlen(a->text);
	if (a->is_text)
		relation_take_text(a, a->text);
	if (a->is_text && !a->is_number)
		a->is_number = relation_take_hex(a, a->text);
	return SQLITE_OK;
}

static int relation_take_argument(struct relation_cursor *c, int plan, int k,
				  sqlite3_value *value)
{
	const enum relation_compare compare = c->relation->keys[k].compare;
	struct relation_argument *a = &c->argument[k];
	const int rc = relation_take_value(a, value, &c->texts[k]);

	a->strict = (compare == RELATION_AT_LEAST && plan & PLAN_ABOVE) ||
		(compare == RELATION_AT_MOST && plan & PLAN_BELOW);
	if (compare == RELATION_EQ_TEXT && !a->text && !a->is_null)
		a->given = false; /* SQLite decides */
	return rc;
}

/* False: there is no such snapshot. */
static bool relation_take_snapshot(struct relation_cursor *c, sqlite3_value *value,
				   int *rc_ret)
{
	struct relation_argument a;
	char *text;

	*rc_ret = relation_take_value(&a, value, &text);
	free(text);
	if (!a.is_number || a.number < 0 || a.number >= c->catalog->count)
		return false;
	c->snapshot = (uint32_t)a.number - 1;
	c->snapshot_end = (uint32_t)a.number + 1;
	return true;
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
	int at = 0, rc = SQLITE_OK;

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
	if (plan & PLAN_SNAPSHOT && !relation_take_snapshot(c, argv[at++], &rc)) {
		c->snapshot = c->snapshot_end;
		c->snapshot_end = 0;
	}
	for (int k = 0; k < c->relation->nkeys && rc == SQLITE_OK; k++)
		if (plan & 1 << k)
			rc = relation_take_argument(c, plan, k, argv[at++]);
	if (rc != SQLITE_OK)
		return rc;
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

static int relation_compare_real(double value, double real)
{
	return value < real ? -1 : value > real;
}

int relation_compare(uint64_t value, const struct relation_argument *a)
{
	const bool is_real = value > INT64_MAX; /* as relation_put_count gives it */
	const int64_t number = (int64_t)value;

	assert(!a->is_null);
	if (a->is_number)
		return is_real || number > a->number ? 1 : number < a->number ? -1 : 0;
	if (!a->is_real)
		return -1;
	if (is_real)
		return relation_compare_real((double)value, a->real);
	if (a->real >= 0x1p63 || a->real < -0x1p63)
		return a->real < 0 ? 1 : -1;
	/* it has a fraction: with that cut off it is nearer to 0 */
	const int64_t whole = (int64_t)a->real;
	return number != whole ? (number < whole ? -1 : 1) : a->real > 0 ? -1 : 1;
}

uint32_t relation_node(const struct relation_cursor *c,
		       const struct relation_argument *argument)
{
	if (!argument->given || !argument->is_number || argument->number < 0)
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
