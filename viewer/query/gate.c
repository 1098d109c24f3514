/* SPDX-License-Identifier: MIT */
/* gate - conditions that fail a build (gate.h). */
#include "viewer/query/gate.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/text/print.h"
#include "viewer/query/answer.h"
#include "viewer/render/cell.h"
#include "viewer/text/human.h"

struct verdict {
	enum gate_result result;
	struct text why; /* one sentence, printable */
};

struct gate {
	struct engine *engine;
	char *pattern; /* of the last growth(), or NULL */
	bool counts;   /* that was growth_count() */
};

/* ---- growth() ---- */

static void gate_sum(sqlite3_context *context, sqlite3_value **argv, const char *sql)
{
	struct gate *gate = sqlite3_user_data(context);
	const char *pattern = (const char *)sqlite3_value_text(argv[0]);
	sqlite3_stmt *statement = NULL;

	if (gate->engine->catalog.count < 2) {
		sqlite3_result_error(context,
				     "growth needs an older snapshot: --compare OLD", -1);
		return;
	}
	free(gate->pattern);
	gate->counts = false;
	gate->pattern = strdup(pattern ? pattern : "*");
	if (!gate->pattern ||
	    sqlite3_prepare_v2(gate->engine->db, sql, -1, &statement, NULL) !=
		    SQLITE_OK) {
		sqlite3_result_error_nomem(context);
		return;
	}
	sqlite3_bind_text(statement, 1, gate->pattern, -1, SQLITE_STATIC);
	const int rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		sqlite3_result_int64(context, sqlite3_column_int64(statement, 0));
	else
		sqlite3_result_error_code(context, rc);
	sqlite3_finalize(statement);
}

#define GATE_NEWEST \
	" FROM growth WHERE snapshot = (SELECT max(snapshot) FROM snapshot)" \
	" AND path GLOB ?1"

/* A place's growth has that of the places below it, so those below another that matches
 * are left out. */
static const char gate_growth_sql[] =
	"WITH RECURSIVE place AS MATERIALIZED (SELECT path, total_diff, within,"
	" path GLOB ?1 AS matches FROM growth"
	" WHERE snapshot = (SELECT max(snapshot) FROM snapshot)),"
	" covered(path) AS (SELECT path FROM place WHERE matches UNION"
	" SELECT p.path FROM covered c JOIN place p ON p.within = c.path)"
	" SELECT sum(total_diff) FROM place WHERE matches"
	" AND (within IS NULL OR within NOT IN (SELECT path FROM covered))";

static void gate_growth(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	gate_sum(context, argv, gate_growth_sql);
}

static void gate_growth_count(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct gate *gate = sqlite3_user_data(context);

	(void)argc;
	gate_sum(context, argv, "SELECT sum(count_diff)" GATE_NEWEST);
	gate->counts = true;
}

/* The place that grew most among those of the pattern, by what was asked. */
static void gate_name_place(struct gate *gate, struct text *why)
{
	static const char by_bytes[] =
		"SELECT path, total_diff, count_diff, type" GATE_NEWEST
		" ORDER BY total_diff DESC LIMIT 1",
			  by_count[] =
				  "SELECT path, total_diff, count_diff, type" GATE_NEWEST
				  " ORDER BY count_diff DESC LIMIT 1";
	char buf[HUMAN_SIZE];
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(gate->engine->db, gate->counts ? by_count : by_bytes, -1,
			       &statement, NULL) != SQLITE_OK)
		return;
	sqlite3_bind_text(statement, 1, gate->pattern, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_ROW) {
		const int64_t more = sqlite3_column_int64(statement, 2);

		text_printf(why, "%s grew by %s",
			    (const char *)sqlite3_column_text(statement, 0),
			    human_bytes(buf, sqlite3_column_int64(statement, 1)));
		if (more) /* it is not the same one that is larger */
			text_printf(why, " (%s %s)", human_count_diff(buf, more),
				    (const char *)sqlite3_column_text(statement, 3));
	}
	sqlite3_finalize(statement);
}

/* ---- a condition as SQL ---- */

/* The factor of a unit at text, its length in *size_ret; 0: there is none. */
static uint64_t gate_unit(const char *text, size_t *size_ret)
{
	static const char letters[] = "KMGT";
	const char *letter =
		text[0] ? strchr(letters, toupper((unsigned char)text[0])) : NULL;
	size_t size = 1;

	if (!letter)
		return 0;
	if (text[size] == 'i')
		size++;
	if (text[size] == 'B' || text[size] == 'b')
		size++;
	else if (size == 2)
		return 0;
	if (isalnum((unsigned char)text[size]) || text[size] == '_')
		return 0;
	*size_ret = size;
	return 1ull << (10 * (letter - letters + 1));
}

/* A query, and for each of its bytes which place of the condition it is for. */
struct gate_query {
	const char *condition;
	struct text sql;
	struct vec origin; /* uint32_t */
};

static void gate_add(struct gate_query *query, const char *at, const char *bytes,
		     size_t size)
{
	text_add_bytes(&query->sql, bytes, size);
	for (size_t i = 0; i < size && !query->sql.err; i++)
		if (vec_push_u32(&query->origin, (uint32_t)(at - query->condition)))
			query->sql.err = -ENOMEM;
}

/* "text" becomes 'text'; returns what follows it. */
static const char *gate_copy_quoted(const char *at, struct gate_query *query)
{
	const char quote = *at;

	gate_add(query, at, "'", 1);
	for (at++; *at && (*at != quote || at[1] == quote); at++) {
		at += *at == quote;
		gate_add(query, at, at, 1);
		if (*at == '\'')
			gate_add(query, at, "'", 1);
	}
	gate_add(query, at, "'", 1);
	return *at ? at + 1 : at;
}

static const char *gate_copy_number(const char *at, struct gate_query *query)
{
	const size_t digits = strspn(at, "0123456789.");
	size_t unit = 0;
	const uint64_t factor = gate_unit(at + digits, &unit);
	char times[32];

	gate_add(query, at, "(", factor != 0);
	for (size_t i = 0; i < digits; i++)
		gate_add(query, at + i, at + i, 1);
	if (factor)
		gate_add(query, at + digits, times,
			 (size_t)snprintf(times, sizeof(times), "*%llu)",
					  (unsigned long long)factor));
	return at + digits + unit;
}

/* What makes an expression a query. */
static const char gate_wrapping[] = "SELECT (";

/* What follows spaces and comments. */
static const char *gate_skip(const char *at)
{
	while (true) {
		const char *const before = at;

		at += strspn(at, " \t\r\n\f");
		if (!strncmp(at, "--", 2))
			at += strcspn(at, "\n");
		else if (!strncmp(at, "/*", 2) && strstr(at + 2, "*/"))
			at = strstr(at + 2, "*/") + 2;
		if (at == before)
			return at;
	}
}

/* Returns whether it was wrapped. */
static bool gate_translate(struct gate_query *query)
{
	const char *at = gate_skip(query->condition);
	const bool select = !strncasecmp(at, "select", 6) || !strncasecmp(at, "with", 4);
	bool word = false;

	gate_add(query, at, gate_wrapping, select ? 0 : strlen(gate_wrapping));
	while (*at) {
		if (*at == '"' || *at == '\'') {
			at = gate_copy_quoted(at, query);
		} else if (!word && isdigit((unsigned char)*at)) {
			at = gate_copy_number(at, query);
		} else {
			word = isalnum((unsigned char)*at) || *at == '_';
			gate_add(query, at, at, 1);
			at++;
			continue;
		}
		word = false;
	}
	gate_add(query, at, ")", !select);
	if (vec_push_u32(&query->origin, (uint32_t)(at - query->condition)))
		query->sql.err = -ENOMEM; /* the place where the text ends */
	return !select;
}

/* ---- judging ---- */

/* "key value, key value" of a row. */
static void gate_describe_row(const struct table *table, struct text *why)
{
	char buf[CELL_TEXT_SIZE];

	for (size_t c = 0; c < table->ncolumns; c++)
		text_printf(why, "%s%s %s", c ? ", " : "", table->columns[c].title,
			    cell_human(table, 0, c, buf));
}

static bool gate_is_true(const struct table *table, const struct answer *answer)
{
	const struct cell *cell = table_cell(table, 0, 0);

	if (cell->unknown)
		return false;
	if (answer->columns[0].type == CELL_TEXT)
		return atof(table_text(table, cell)) != 0;
	return answer->columns[0].type == CELL_REAL ? cell->ratio != 0 : cell->u64 != 0;
}

static void gate_wrong(struct gate *gate, struct verdict *verdict)
{
	verdict->result = GATE_WRONG;
	text_add(&verdict->why, gate->engine->problem);
}

/* What follows the first statement would be judged by nobody. */
static void gate_refuse(struct verdict *verdict)
{
	verdict->result = GATE_WRONG;
	text_add(&verdict->why,
		 "it is more than one statement: give each condition a --fail-if of its "
		 "own");
}

static void gate_decide(struct gate *gate, const char *condition, bool select,
			struct answer *answer, struct verdict *verdict)
{
	struct table table = { 0 };

	if (answer_next(answer, 1, &table)) {
		gate_wrong(gate, verdict);
	} else if (table.rows && (select || gate_is_true(&table, answer))) {
		verdict->result = GATE_FAILED;
		if (gate->pattern)
			gate_name_place(gate, &verdict->why);
		else if (select)
			gate_describe_row(&table, &verdict->why);
		if (!text_len(&verdict->why))
			text_printf(&verdict->why, "it is so: %s", condition);
	}
	table_free(&table);
}

static void gate_judge_one(struct gate *gate, const char *condition,
			   struct verdict *verdict)
{
	struct gate_query query = { .condition = condition };
	struct engine *const e = gate->engine;
	struct answer answer;
	const char *tail;

	free(gate->pattern);
	gate->pattern = NULL;
	const bool wrapped = gate_translate(&query);
	e->text = text_get(&query.sql); /* columns are counted in the condition */
	e->wrote = condition;
	e->origin = query.sql.err ? NULL : VEC(query.origin, uint32_t);
	/* an empty condition is "SELECT ()": wrong, too */
	const int found = answer_open(&answer, e, e->text, &tail);
	if (found < 0)
		gate_wrong(gate, verdict);
	else if (engine_has_more(e, tail))
		gate_refuse(verdict);
	else if (found > 0)
		gate_decide(gate, condition, !wrapped, &answer, verdict);
	answer_close(&answer);
	e->text = e->wrote = NULL;
	e->origin = NULL;
	text_free(&query.sql);
	vec_free(&query.origin);
}

/* ---- saying it ---- */

static void gate_put_xml(FILE *out, const char *text)
{
	struct text escaped = { 0 };

	for (; *text; text++)
		switch (*text) {
		case '&':
			text_add(&escaped, "&amp;");
			break;
		case '<':
			text_add(&escaped, "&lt;");
			break;
		case '>':
			text_add(&escaped, "&gt;");
			break;
		case '"':
			text_add(&escaped, "&quot;");
			break;
		default:
			text_add_bytes(&escaped, text, 1);
		}
	print_format(out, "%s", text_get(&escaped));
	text_free(&escaped);
}

static void gate_put_case(FILE *out, const char *condition, const struct verdict *verdict,
			  const char *incomplete)
{
	print_lines(out, "  <testcase classname=\"pymem\" name=\"");
	gate_put_xml(out, condition);
	if (verdict->result == GATE_PASSED && incomplete[0]) {
		print_lines(out, "\">\n    <system-out>as far as the snapshot goes: ");
		gate_put_xml(out, incomplete);
		print_lines(out, "</system-out>\n  </testcase>\n");
		return;
	}
	if (verdict->result == GATE_PASSED) {
		print_lines(out, "\"/>\n");
		return;
	}
	print_format(out, "\">\n    <%s message=\"",
		     verdict->result == GATE_FAILED ? "failure" : "error");
	gate_put_xml(out, text_get(&verdict->why));
	print_lines(out, "\"/>\n  </testcase>\n");
}

static void gate_put_junit(FILE *out, const char *const *conditions,
			   const struct verdict *verdicts, size_t count,
			   const char *incomplete)
{
	size_t failed = 0, wrong = 0;

	for (size_t i = 0; i < count; i++) {
		failed += verdicts[i].result == GATE_FAILED;
		wrong += verdicts[i].result == GATE_WRONG;
	}
	print_lines(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	print_format(out,
		     "<testsuite name=\"pymem\" tests=\"%zu\" failures=\"%zu\" "
		     "errors=\"%zu\">\n",
		     count, failed, wrong);
	for (size_t i = 0; i < count; i++)
		gate_put_case(out, conditions[i], &verdicts[i], incomplete);
	print_lines(out, "</testsuite>\n");
}

static void gate_put_line(FILE *out, const char *condition, const struct verdict *verdict,
			  const char *incomplete)
{
	if (verdict->result == GATE_PASSED && incomplete[0])
		print_format(out, "passed as far as the snapshot goes (%s): %s\n",
			     incomplete, condition);
	else if (verdict->result == GATE_PASSED)
		print_format(out, "passed: %s\n", condition);
	else if (verdict->result == GATE_FAILED)
		print_format(out, "FAILED: %s: %s\n", condition, text_get(&verdict->why));
}

enum gate_result gate_judge(struct engine *engine, const char *const *conditions,
			    size_t count, bool junit, FILE *out)
{
	struct gate gate = { .engine = engine };
	struct verdict *verdicts = calloc(count + 1, sizeof(*verdicts));
	enum gate_result worst = verdicts ? GATE_PASSED : GATE_WRONG;
	const char *incomplete = engine_incomplete(engine);

	assert(engine->open && count > 0);
	sqlite3_create_function(engine->db, "growth", 1, SQLITE_UTF8, &gate, gate_growth,
				NULL, NULL);
	sqlite3_create_function(engine->db, "growth_count", 1, SQLITE_UTF8, &gate,
				gate_growth_count, NULL, NULL);
	for (size_t i = 0; i < count && verdicts; i++) {
		gate_judge_one(&gate, conditions[i], &verdicts[i]);
		progress_wipe(engine->options.progress);
		if (verdicts[i].result > worst)
			worst = verdicts[i].result;
		if (!junit)
			gate_put_line(out, conditions[i], &verdicts[i], incomplete);
		if (verdicts[i].result == GATE_WRONG)
			print_format(stderr, "pymem-view: --fail-if %s: %s\n",
				     conditions[i], text_get(&verdicts[i].why));
	}
	if (junit && verdicts)
		gate_put_junit(out, conditions, verdicts, count, incomplete);
	for (size_t i = 0; i < count && verdicts; i++)
		text_free(&verdicts[i].why);
	free(verdicts);
	free(gate.pattern);
	return worst;
}
