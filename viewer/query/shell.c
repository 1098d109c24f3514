/* SPDX-License-Identifier: MIT */
/* shell - queries and their answers on streams (shell.h). */
#include "viewer/query/shell.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text/print.h"
#include "viewer/query/answer.h"
#include "viewer/query/relations.h"
#include "viewer/text/human.h"

enum { BATCH = 5000 /* rows printed at once */ };

enum { SHELL_FAILED = 1, SHELL_WRONG = 2 };

static int shell_complain(const struct engine *engine)
{
	progress_wipe(engine->options.progress);
	print_format(stderr, "pymem-view: --sql: %s\n", engine->problem);
	return engine_was_wrong(engine) ? SHELL_WRONG : SHELL_FAILED;
}

/* Prints the rows of an answer.  0, or the exit code after having said why. */
static int shell_print(struct answer *answer, const struct renderer *renderer,
		       uint64_t limit, FILE *out)
{
	const char *incomplete = engine_incomplete(answer->engine);
	int err = 0;

	do {
		const uint64_t before = answer->rows;
		struct table table = { 0 };
		const uint64_t left = limit ? limit - before : BATCH;

		err = answer_next(answer, left < BATCH ? left : BATCH, &table);
		progress_wipe(answer->engine->options.progress);
		table.whole = !limit;
		if (!err || table.rows)
			renderer->rows(out, &table, before, incomplete);
		table_free(&table);
	} while (!err && answer->more && (!limit || answer->rows < limit) &&
		 !ferror(out));
	if (!err || answer->rows)
		renderer->rows_end(out, answer->rows);
	if (!err && answer->more && renderer == &render_text) {
		char count[HUMAN_SIZE];

		print_format(out, "there are more than %s rows: --limit N, --all\n",
			     human_count(count, answer->rows));
	}
	return err ? shell_complain(answer->engine) : 0;
}

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t shell_interrupted;

static void shell_on_interrupt(int sig)
{
	(void)sig;
	shell_interrupted = 1;
}

static bool shell_stops(void *inner, const char *phase, uint64_t done, uint64_t total)
{
	return shell_interrupted || progress_step(inner, phase, done, total) != 0;
}

static void shell_wipes(void *inner)
{
	progress_wipe(inner);
}

/* ---- running ---- */

static int shell_run_all(struct engine *engine, const char *sql,
			 const struct renderer *renderer, uint64_t limit, FILE *out)
{
	int code = 0;
	bool first = true;

	engine->text = sql;
	while (!code && *sql) {
		struct answer answer;
		const int found = answer_open(&answer, engine, sql, &sql);

		if (found < 0)
			code = shell_complain(engine);
		if (found > 0) {
			if (!first && renderer == &render_text)
				print_lines(out, "\n");
			code = shell_print(&answer, renderer, limit, out);
			first = false;
		}
		answer_close(&answer);
	}
	engine->text = NULL;
	return code;
}

/* The first Ctrl-C stops the query; the second ends the program: what SQLite does inside
 * of a function, or a pipe that nobody reads, stops for nothing else. */
static int shell_execute(struct engine *engine, const char *sql,
			 const struct renderer *renderer, uint64_t limit, FILE *out)
{
	const struct progress *inner = engine->options.progress;
	struct progress asked = inner ? *inner : (struct progress){ 0 };
	const struct progress stopping = { shell_stops, &asked, shell_wipes };
	const struct sigaction action = { .sa_handler = shell_on_interrupt,
					  .sa_flags = (int)SA_RESETHAND | SA_RESTART };
	struct sigaction before;

	shell_interrupted = 0;
	sigaction(SIGINT, NULL, &before);
	if (before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
	engine->options.progress = &stopping;
	const int code = shell_run_all(engine, sql, renderer, limit, out);
	engine->options.progress = inner;
	sigaction(SIGINT, &before, NULL);
	return code;
}

int shell_run(struct engine *engine, const char *sql, const struct renderer *renderer,
	      uint64_t limit, FILE *out)
{
	if (engine_has_more(engine, sql))
		return shell_execute(engine, sql, renderer, limit, out);
	print_lines(stderr, "pymem-view: --sql: there is no statement in it\n");
	return SHELL_WRONG;
}

/* ---- the schema ---- */

static void shell_print_relation(struct engine *engine, const char *name,
				 const char *title, FILE *out)
{
	char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
	sqlite3_stmt *statement = NULL;

	print_format(out, "%-18s %s\n", name, title);
	/* prepared only: a function without its argument has columns, too */
	if (sql && sqlite3_prepare_v2(engine->db, sql, -1, &statement, NULL) == SQLITE_OK)
		for (int c = 0; c < sqlite3_column_count(statement); c++)
			print_format(out, "%s%s", c ? ", " : "    ",
				     sqlite3_column_name(statement, c));
	if (statement)
		print_lines(out, "\n");
	sqlite3_finalize(statement);
	sqlite3_free(sql);
}

/* Tables and views with their columns. */
static void shell_print_schema(struct engine *engine, FILE *out)
{
	static const struct {
		const char *name, *title;
	} views[] = { { "dominator", "objects and who keeps them alive" },
		      { "suspect", "report_suspects" },
		      { "growth", "report_growth" } };
	char name[64];

	for (size_t i = 0; relations_all[i]; i++)
		shell_print_relation(engine, relations_all[i]->name,
				     relations_all[i]->title, out);
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		shell_print_relation(engine, views[i].name, views[i].title, out);
	for (size_t i = 0; report_all[i]; i++) {
		if (!strcmp(report_all[i]->name, "objects"))
			continue;
		snprintf(name, sizeof(name), "report_%s", report_all[i]->name);
		shell_print_relation(engine, name, report_all[i]->title, out);
	}
}

/* ---- one after another ---- */

static const char shell_help[] =
	"A query ends with ; and may have several lines.  pymem-sql(7) has examples.\n"
	".tables   tables and their columns\n"
	".help     this\n"
	".quit     end (or Ctrl-D)\n";

/* Whether the line was a command; *end_ret: it ends the shell. */
static bool shell_command(struct engine *engine, const char *line, FILE *out,
			  bool *end_ret)
{
	if (line[0] != '.')
		return false;
	*end_ret = !strncmp(line, ".q", 2) || !strncmp(line, ".exit", 5);
	if (*end_ret)
		return true;
	if (!strncmp(line, ".t", 2) || !strncmp(line, ".s", 2))
		shell_print_schema(engine, out);
	else
		print_lines(out, shell_help);
	return true;
}

int shell_loop(struct engine *engine, const struct renderer *renderer, uint64_t limit,
	       FILE *in, FILE *out, bool prompt)
{
	struct text sql = { 0 };
	char *line = NULL;
	size_t capacity = 0;
	bool end = false;
	int code = 0;

	while (!end) {
		if (prompt)
			print_lines(out, text_len(&sql) ? "...> " : "sql> ");
		fflush(out);
		const ssize_t n = getline(&line, &capacity, in);
		if (n < 0)
			break;
		if (!text_len(&sql) && shell_command(engine, line, out, &end))
			continue;
		text_add_bytes(&sql, line, (size_t)n);
		if (!sqlite3_complete(text_get(&sql)))
			continue;
		const int failed =
			shell_execute(engine, text_get(&sql), renderer, limit, out);
		code = failed ? failed : code;
		text_clear(&sql);
	}
	if (!end && text_len(&sql)) { /* the last one needs no ; */
		const int failed =
			shell_execute(engine, text_get(&sql), renderer, limit, out);
		code = failed ? failed : code;
	}
	if (prompt && !end)
		print_lines(out, "\n");
	text_free(&sql);
	free(line);
	return prompt ? 0 : code;
}
