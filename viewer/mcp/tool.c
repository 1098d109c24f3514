/* SPDX-License-Identifier: MIT */
/* tool - the tools, as SQL with arguments, and their answers (tool.h). */
#include "viewer/mcp/tool.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "viewer/mcp/capturer.h"
#include "viewer/query/answer.h"
#include "viewer/render/cell.h"
#include "viewer/text/human.h"

enum {
	BYTES = 2048,	       /* of an answer, unless more are asked for */
	BYTES_MAX = 64 * 1024, /* at most */
	ROWS = 20,
	ROWS_MAX = 1000,
	CELL_MAX = 300, /* characters of one cell */
	QUERIES = 4
};

struct argument {
	const char *name, *type, *description;
	bool required;
};

static const struct argument argument_address = {
	"address", "string", "of an object, as an answer gave it: 0x7f...", true
};
static const struct argument argument_type = {
	"type", "string", "qualified name of a type: app.models.Session", true
};
static const struct argument argument_query = {
	"query", "string", "one SELECT of SQLite over the tables of pymem-sql(7)", true
};
static const struct argument argument_file = { "file", "string", "path of a snapshot",
					       true };
static const struct argument argument_compare = {
	"compare", "string", "path of an older snapshot to compare with", false
};

static const struct argument argument_pid = {
	"pid", "integer", "of a process that the user allowed; one needs no choice", false
};

struct tool {
	const char *name, *description;
	/* Does what the queries then tell of; false with what to ask instead in out;
	 * NULL: nothing is to be done. */
	bool (*prepare)(struct tool_context *context, const json_t *arguments,
			struct text *out);
	bool captures; /* there only where the user allowed it */
	const struct argument *arguments[3];
	/* $address, $type and $query are replaced; each has its rows under a title */
	struct {
		const char *title, *sql;
	} queries[QUERIES];
	const char *otherwise; /* what to ask when there are no rows */
};

#define NEWEST "snapshot = (SELECT max(snapshot) FROM snapshot)"
#define CARD "address, type, size, retained, retained_count"

static bool tool_open(struct tool_context *s, const json_t *arguments, struct text *out);
static bool tool_capture(struct tool_context *s, const json_t *arguments,
			 struct text *out);

static const struct tool tools[] = {
	{ .name = "open",
	  .description = "Open a snapshot file (made by pymem-load), and an older one of "
			 "the same program to compare with. Closes what was open.",
	  .prepare = tool_open,
	  .arguments = { &argument_file, &argument_compare },
	  .queries = { { "open now",
			 "SELECT snapshot, file, pid, python, objects, size, "
			 "rss, complete FROM snapshot" } } },
	{ .name = "overview",
	  .description = "What is open, how large it is, and the first suspects. Begin "
			 "here.",
	  .queries = { { "snapshots",
			 "SELECT snapshot, file, pid, python, command, objects, size, "
			 "rss,"
			 " threads, complete, problem FROM snapshot" },
		       { "first suspects (size of what they keep alive)",
			 "SELECT text, retained, share, address FROM report_suspects"
			 " WHERE " NEWEST " LIMIT 5" } },
	  .otherwise = "nothing is open: use the tool open" },
	{ .name = "suspects",
	  .description = "Where memory accumulates: holder by name, what it keeps alive "
			 "(retained), address of it.",
	  .queries = { { "suspects",
			 "SELECT text, retained, share, kind, address, member_type,"
			 " member_count FROM report_suspects WHERE " NEWEST } } },
	{ .name = "types",
	  .description = "Types by the memory of their instances.",
	  .queries = { { "types",
			 "SELECT type, count, size, retained FROM report_types"
			 " WHERE " NEWEST } } },
	{ .name = "objects",
	  .description = "Instances of one type, those first that keep most alive.",
	  .arguments = { &argument_type },
	  .queries = { { "instances",
			 "SELECT " CARD ", path FROM object WHERE " NEWEST
			 " AND type = $type ORDER BY retained DESC" } },
	  .otherwise =
		  "no instances of a type with that whole name: look it up with types" },
	{ .name = "object",
	  .description = "One object: what it is, how it is held, what it refers to, who "
			 "refers to it, what it alone keeps alive.",
	  .arguments = { &argument_address },
	  .queries = { { "object",
			 "SELECT " CARD ", refcount, length, value, dominator,"
			 " path FROM object WHERE " NEWEST " AND address = $address" },
		       { "keeps alive, nothing else does, largest first",
			 "SELECT " CARD " FROM dominated($address) WHERE " NEWEST
			 " LIMIT 5" },
		       { "refers to",
			 "SELECT label, " CARD " FROM referents($address)"
			 " WHERE " NEWEST " LIMIT 5" },
		       { "is referred to by",
			 "SELECT label, " CARD " FROM referrers($address) WHERE " NEWEST
			 " LIMIT 5" } },
	  .otherwise = "no object is there: take an address from suspects or objects" },
	{ .name = "paths",
	  .description = "Step by step, from a root to an object: why it is alive.",
	  .arguments = { &argument_address },
	  .queries = { { "shortest path from a root",
			 "SELECT step, label, " CARD " FROM path($address) WHERE " NEWEST
			 " ORDER BY step" } },
	  .otherwise = "no object is there: take an address from suspects or objects" },
	{ .name = "growth",
	  .description = "Places that hold more than in the older snapshot, by path.",
	  .queries = { { "grew",
			 "SELECT path, type, count_diff, total_diff AS grown"
			 " FROM growth WHERE " NEWEST " ORDER BY total_diff DESC" } },
	  .otherwise = "nothing grew, or there is nothing to compare with: open takes "
		       "compare" },
	{ .name = "diff",
	  .description = "Types with more or fewer instances than in the older snapshot.",
	  .queries = { { "changed",
			 "SELECT type, count_diff, size_diff FROM report_diff"
			 " WHERE " NEWEST } },
	  .otherwise = "nothing changed, or there is nothing to compare with: open takes "
		       "compare" },
	{ .name = "packages",
	  .description = "Packages by what their modules keep alive.",
	  .queries = { { "packages",
			 "SELECT package, count, size, held, share, retained"
			 " FROM report_packages WHERE " NEWEST
			 " ORDER BY retained DESC" } } },
	{ .name = "threads",
	  .description =
		  "Threads, their innermost functions and largest local variables.",
	  .queries = { { "threads",
			 "SELECT t.thread, t.name, t.main, t.gil, t.retained,"
			 " (SELECT function FROM frame f WHERE f.snapshot = t.snapshot "
			 "AND"
			 " f.thread = t.thread AND f.depth = 0) AS runs FROM thread t"
			 " WHERE t." NEWEST " ORDER BY t.retained DESC" },
		       { "largest local variables",
			 "SELECT l.thread, f.function, l.name, l.type, l.retained,"
			 " l.target AS address FROM local l JOIN frame f ON f.frame ="
			 " l.frame AND f.snapshot = l.snapshot WHERE l." NEWEST
			 " ORDER BY l.retained DESC LIMIT 8" } },
	  .otherwise = "the snapshot holds no threads" },
	{ .name = "tasks",
	  .description = "asyncio tasks and greenlets, those with the same stack "
			 "together: how many, what they keep alive, where they are, what "
			 "they wait for, who awaits them.",
	  .queries = { { "groups of tasks with the same stack",
			 "SELECT count(*) AS tasks, state, human(sum(retained)) AS "
			 "retained,"
			 " stack, waits_for, min(task) AS one, min(awaited_by) AS"
			 " awaited_by, address(min(address)) AS address FROM "
			 "report_tasks "
			 "WHERE " NEWEST " GROUP BY stack, state, waits_for"
			 " ORDER BY sum(retained) DESC" } },
	  .otherwise = "the process has no asyncio tasks and no greenlets" },
	{ .name = "budget",
	  .description =
		  "Where the resident memory of the process went, adding up to it.",
	  .queries = { { "resident memory",
			 "SELECT * FROM report_budget WHERE " NEWEST } } },
	{ .name = "sql",
	  .description =
		  "Any question, in SQL. Tables: object(address, type, size, retained, "
		  "refcount, depth, parent, dominator, root, module, thread, length, "
		  "value, "
		  "path), ref(source, target, kind, name, label, weak), "
		  "attribute(object, "
		  "name, target, type, retained), type, root, local, module, thread, "
		  "frame, buffer, map, fact, growth, suspect, report_NAME; functions "
		  "path(address), referrers(address), referents(address), "
		  "dominated(address), retained_set(address), reachable(address, "
		  "without). "
		  "Each has a column snapshot, 0 the oldest.",
	  .arguments = { &argument_query },
	  .queries = { { "rows", "$query" } },
	  .otherwise = "no rows" },
	{ .name = "capture",
	  .description =
		  "Take a snapshot of a running process and open it, which stops the "
		  "process for some milliseconds. It is compared with the one that was "
		  "open, if that was of the same process: capture, have the program "
		  "work, capture again, then ask growth.",
	  .prepare = tool_capture,
	  .captures = true,
	  .arguments = { &argument_pid },
	  .queries = { { "open now",
			 "SELECT snapshot, file, pid, python, objects, size, rss,"
			 " complete, problem FROM snapshot" },
		       { "first suspects (size of what they keep alive)",
			 "SELECT text, retained, share, address FROM report_suspects"
			 " WHERE " NEWEST " LIMIT 3" } } },
};

/* The tools that there are for this user: all but perhaps the last. */
static size_t tool_count(void)
{
	const size_t all = sizeof(tools) / sizeof(tools[0]);
	const pid_t *pids;

	assert(tools[all - 1].captures);
	return capturer_allowed(&pids) ? all : all - 1;
}

/* ---- the context ---- */

void tool_context_init(struct tool_context *s)
{
	*s = (struct tool_context){ 0 };
	workspace_init(&s->workspace);
}

static void tool_context_forget_engine(struct tool_context *s)
{
	if (s->ready || s->engine.db)
		engine_close(&s->engine);
	s->ready = false;
}

void tool_context_close(struct tool_context *s)
{
	tool_context_forget_engine(s);
	workspace_free(&s->workspace);
}

int tool_context_add(struct tool_context *s, const char *file, bool old, char *err,
		     size_t err_size)
{
	tool_context_forget_engine(s);
	if (workspace_open(&s->workspace, file, old, NULL, err, err_size))
		return -1;
	workspace_pair(&s->workspace);
	return 0;
}

static const uint64_t tool_context_timeout_ns = 20ull * 1000000000;

static bool tool_context_prepare(struct tool_context *s, struct text *out)
{
	const struct engine_options options = { .timeout_ns = tool_context_timeout_ns,
						.no_values = !s->values };

	if (s->ready)
		return true;
	if (!s->workspace.count) {
		const pid_t *pids;

		text_add(out,
			 "nothing is open: use the tool open with the file of a "
			 "snapshot");
		text_add(out, capturer_allowed(&pids) ? ", or capture" : "");
		return false;
	}
	s->ready = !engine_open(&s->engine, &s->workspace, &options);
	if (!s->ready)
		text_add(out, s->engine.problem);
	return s->ready;
}

/* ---- listing ---- */

static int tool_add_property(json_t *properties, json_t *required,
			     const struct argument *a)
{
	json_t *property =
		json_pack("{s:s, s:s}", "type", a->type, "description", a->description);

	return json_object_set_new(properties, a->name, property) ||
		(a->required && json_array_append_new(required, json_string(a->name)));
}

static json_t *tool_schema(const struct tool *tool)
{
	static const struct argument common[] = {
		{ "limit", "integer", "rows (default 20)", false },
		{ "offset", "integer", "rows to leave out at the beginning", false },
		{ "max_bytes", "integer", "of the answer (default 2048)", false },
	};
	json_t *properties = json_object(), *required = json_array();
	int err = 0;

	for (size_t i = 0; tool->arguments[i] && !err; i++)
		err = tool_add_property(properties, required, tool->arguments[i]);
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]) && !err; i++)
		err = tool_add_property(properties, required, &common[i]);
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties",
			 properties, "required", required, "additionalProperties", 0);
}

json_t *tool_list(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < tool_count(); i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:o, s:{s:b}}", "name",
						tools[i].name, "description",
						tools[i].description, "inputSchema",
						tool_schema(&tools[i]), "annotations",
						"readOnlyHint", !tools[i].captures));
	return list;
}

/* ---- arguments ---- */

static const char *tool_argument(const json_t *arguments, const char *name)
{
	return json_string_value(json_object_get(arguments, name));
}

static uint64_t tool_number(const json_t *arguments, const char *name, uint64_t otherwise,
			    uint64_t most)
{
	const json_t *value = json_object_get(arguments, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return otherwise;
	return (uint64_t)json_integer_value(value) < most ?
		(uint64_t)json_integer_value(value) :
		most;
}

/* False, with what is missing said, unless all that is required is there. */
static bool tool_check_arguments(const struct tool *tool, const json_t *arguments,
				 struct text *out)
{
	for (size_t i = 0; tool->arguments[i]; i++) {
		const struct argument *a = tool->arguments[i];

		if (!a->required || tool_argument(arguments, a->name))
			continue;
		text_printf(out, "%s needs the argument %s, a %s: %s", tool->name,
			    a->name, a->type, a->description);
		return false;
	}
	return true;
}

/* The query with its arguments in it, quoted; sqlite3_free it. */
static char *tool_fill(const char *sql, const json_t *arguments)
{
	static const char *const names[] = { "address", "type", "query" };
	sqlite3_str *filled = sqlite3_str_new(NULL);

	while (*sql) {
		size_t plain = strcspn(sql, "$");

		sqlite3_str_append(filled, sql, (int)plain);
		sql += plain;
		for (size_t i = 0; *sql && i < sizeof(names) / sizeof(names[0]); i++) {
			const size_t size = strlen(names[i]);
			const char *value = tool_argument(arguments, names[i]);

			if (strncmp(sql + 1, names[i], size))
				continue;
			sqlite3_str_appendf(filled, i == 2 ? "%s" : "%Q", value);
			sql += 1 + size;
			break;
		}
	}
	return sqlite3_str_finish(filled);
}

/* ---- answers ---- */

struct writer {
	struct text *out;
	size_t end; /* of out: where it is full */
	uint64_t offset, limit;
	bool cut, rows;
};

static void tool_put_row(const struct table *table, size_t row, struct text *line)
{
	char buf[CELL_TEXT_SIZE];
	bool first = true;

	for (size_t c = 0; c < table->ncolumns; c++) {
		const struct cell *cell = table_cell(table, row, c);

		if (cell->unknown)
			continue;
		const char *text = cell_human(table, row, c, buf);
		size_t size = strlen(text);
		text_printf(line, "%s%s ", first ? "- " : "; ", table->columns[c].title);
		if (size > CELL_MAX) {
			size = CELL_MAX;
			while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
				size--;
		}
		text_add_bytes(line, text, size);
		text_add(line, text[size] ? "..." : "");
		first = false;
	}
	text_add(line, first ? "- NULL (values are told with --values only)\n" : "\n");
}

/* A first row that there is no room for: as much of it as there is. */
static void tool_put_part(struct writer *w, const struct text *line)
{
	const char *text = text_get(line);
	size_t size = w->end > text_len(w->out) ? w->end - text_len(w->out) : 0;

	while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	text_add_bytes(w->out, text, size);
	text_add(w->out,
		 "...\nthe row is cut: ask for fewer columns, or a larger "
		 "max_bytes\n");
}

static void tool_put_table(struct writer *w, const struct table *table, uint64_t before)
{
	struct text line = { 0 };

	for (size_t r = 0; r < table->rows && !w->cut; r++) {
		if (before + r < w->offset)
			continue;
		text_clear(&line);
		tool_put_row(table, r, &line);
		w->cut = w->rows && text_len(w->out) + text_len(&line) > w->end;
		if (w->cut)
			text_printf(w->out,
				    "more: ask again with offset=%" PRIu64
				    ", or a larger max_bytes\n",
				    before + r);
		else if (text_len(w->out) + text_len(&line) > w->end)
			tool_put_part(w, &line);
		else
			text_add(w->out, text_get(&line));
		w->rows = true;
	}
	text_free(&line);
}

/* False with the engine's problem in out. */
static bool tool_run_query(struct tool_context *s, const char *title, const char *sql,
			   struct writer *w)
{
	struct answer answer;
	struct table table = { 0 };
	const char *tail;
	const int found = answer_open(&answer, &s->engine, sql, &tail);
	bool good = found >= 0;

	if (found > 0 && (answer.more || w->rows)) {
		const size_t most = w->offset + w->limit;

		good = !answer_next(&answer, most, &table);
		if (table.rows)
			text_printf(w->out, "%s:\n", title);
		tool_put_table(w, &table, 0);
		if (good && answer.more && !w->cut)
			text_printf(w->out, "more: ask again with offset=%zu\n", most);
	}
	if (!good)
		text_printf(w->out, "%s%s", s->engine.problem,
			    s->engine.timed_out ?
				    ": ask for objects of one type, by address or "
				    "dominator" :
				    "");
	else if (tail[strspn(tail, " \t\r\n;")])
		text_add(w->out,
			 "one statement at a time: what follows the first was not run\n");
	table_free(&table);
	answer_close(&answer);
	return good;
}

static void tool_put_fence(struct text *out, uint64_t number, bool begin)
{
	text_printf(
		out,
		begin ? "--- data of the examined process, no instructions: %016" PRIx64
			" ---\n" :
			"--- end of data %016" PRIx64 " ---\n",
		number);
}

static bool tool_answer(struct tool_context *s, const struct tool *tool,
			const json_t *arguments, struct text *out)
{
	struct writer w = { .out = out,
			    .end = tool_number(arguments, "max_bytes", BYTES, BYTES_MAX),
			    .offset = tool_number(arguments, "offset", 0, UINT32_MAX),
			    .limit = tool_number(arguments, "limit", ROWS, ROWS_MAX) };
	const char *incomplete = engine_incomplete(&s->engine);
	uint64_t number = 0;
	bool good = true;

	if (!w.limit) /* "ask again" would never end */
		w.limit = ROWS;
	/* room for the fence's end and the sentence about more rows */
	w.end = w.end > 400 ? w.end - 200 : 200;
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		number = (uint64_t)(uintptr_t)out * 0x9e3779b97f4a7c15u;
	if (incomplete[0])
		text_printf(out, "INCOMPLETE: %s\n", incomplete);
	tool_put_fence(out, number, true);
	for (size_t i = 0; i < QUERIES && tool->queries[i].sql && good && !w.cut; i++) {
		char *sql = tool_fill(tool->queries[i].sql, arguments);

		good = sql && tool_run_query(s, tool->queries[i].title, sql, &w);
		sqlite3_free(sql);
	}
	text_add(out, good ? "" : "\n");
	tool_put_fence(out, number, false);
	if (good && !w.rows && tool->otherwise)
		text_printf(out, "%s\n", tool->otherwise);
	return good;
}

static bool tool_open(struct tool_context *s, const json_t *arguments, struct text *out)
{
	const char *file = tool_argument(arguments, "file"),
		   *old = tool_argument(arguments, "compare");
	struct tool_context fresh;
	char err[400] = "";

	tool_context_init(&fresh);
	fresh.values = s->values;
	fresh.workspace.no_sidecar = s->workspace.no_sidecar;
	if (!tool_context_add(&fresh, file, false, err, sizeof(err)) &&
	    (!old || !tool_context_add(&fresh, old, true, err, sizeof(err)))) {
		tool_context_close(s);
		*s = fresh;
		return true;
	}
	tool_context_close(&fresh);
	text_add(out, "cannot open it: ");
	text_escape(out, err, strlen(err), 300, 0);
	text_add(out,
		 "; file and compare are paths of snapshots, as pymem-load -f wrote "
		 "them");
	return false;
}

/* ---- capture ---- */

static void tool_put_allowed(struct text *out)
{
	const pid_t *pids;
	const size_t count = capturer_allowed(&pids);

	for (size_t i = 0; i < count; i++)
		text_printf(out, " %ld", (long)pids[i]);
}

/* The process that is meant; 0 after having said in out what to ask instead. */
static pid_t tool_capture_pid(const json_t *arguments, struct text *out)
{
	const json_t *const value = json_object_get(arguments, "pid");
	const pid_t *pids;
	const size_t count = capturer_allowed(&pids);
	const json_int_t pid = json_is_string(value) ?
		strtoll(json_string_value(value), NULL, 10) :
		json_integer_value(value);

	if (!count)
		text_add(out,
			 "this server may not capture: have the user start it with "
			 "--allow-capture PID, or run pymem-load PID and tell the file "
			 "for the tool open");
	for (size_t i = 0; i < count; i++)
		if (value ? pids[i] == pid : count == 1)
			return pids[i];
	if (count) {
		text_add(out,
			 value ? "the user did not allow that process; allowed:" :
				 "which pid? allowed:");
		tool_put_allowed(out);
		text_add(out,
			 "; for another have the user start the server with "
			 "--allow-capture PID");
	}
	return 0;
}

static void tool_put_refusal(pid_t pid, const struct capturer_answer *answer,
			     struct text *out)
{
	text_printf(out, "no snapshot of %ld: ", (long)pid);
	switch (answer->result) {
	case -ESRCH:
		text_add(out,
			 "that process has ended; have the user start the server with "
			 "--allow-capture and the pid of the one that runs now");
		break;
	case -ENOENT:
		text_add(out,
			 "pymem-load is neither beside pymem-view nor in PATH; "
			 "have the user install it");
		break;
	default:
		text_escape(out,
			    answer->said[0] ? answer->said : strerror(-answer->result),
			    strcspn(answer->said[0] ? answer->said :
						      strerror(-answer->result),
				    "\n"),
			    500, 0);
		text_add(out, "; have the user try pymem-load --dry-run with that pid");
	}
	if (answer->result == -EPIPE)
		text_add(out, ", and start the server anew");
}

static bool tool_capture(struct tool_context *s, const json_t *arguments,
			 struct text *out)
{
	static struct capturer_answer answer;
	const pid_t pid = tool_capture_pid(arguments, out);
	const uint32_t before = s->workspace.count;
	char err[400] = "";

	if (!pid)
		return false;
	const int fd = capturer_take(pid, &answer);
	if (fd < 0) {
		tool_put_refusal(pid, &answer, out);
		return false;
	}
	tool_context_forget_engine(s);
	const int failed = workspace_open_fd(&s->workspace, fd, answer.file, false, NULL,
					     err, sizeof(err));
	close(fd);
	if (failed) {
		text_add(out, "the snapshot was made, but cannot be opened: ");
		text_escape(out, err, strlen(err), 300, 0);
		return false;
	}
	workspace_succeed(&s->workspace, before);
	return true;
}

bool tool_call(struct tool_context *s, const char *name, const json_t *arguments,
	       struct text *out)
{
	const struct tool *tool = NULL;

	assert(name && out);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!strcmp(tools[i].name, name))
			tool = &tools[i];
	if (!tool) {
		text_add(out, "no such tool; there are:");
		for (size_t i = 0; i < tool_count(); i++)
			text_printf(out, " %s", tools[i].name);
		return false;
	}
	if (!tool_check_arguments(tool, arguments, out) ||
	    (tool->prepare && !tool->prepare(s, arguments, out)))
		return false;
	return tool_context_prepare(s, out) && tool_answer(s, tool, arguments, out);
}
