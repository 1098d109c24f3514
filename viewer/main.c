/* SPDX-License-Identifier: MIT */
/*
 * pymem-view - looks at snapshots: on a terminal through the screens, otherwise
 * as reports on stdout.  Only here and in options.c is anything said on stderr.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "formats/core/reader.h"
#include "formats/text/print.h"
#include "formats/rights/rights.h"
#include "formats/rights/sandbox.h"
#include "formats/rights/standard_fds.h"
#include "viewer/document/document.h"
#include "viewer/export.h"
#include "viewer/files/clerk.h"
#include "viewer/files/ending.h"
#include "viewer/files/files.h"
#include "viewer/fleet/merge.h"
#include "viewer/fleet/metrics.h"
#include "viewer/graph/draw_ahead.h"
#include "viewer/graph/graph.h"
#include "viewer/mcp/server.h"
#include "viewer/meter.h"
#include "viewer/options.h"
#include "viewer/query/dump.h"
#include "viewer/query/gate.h"
#include "viewer/query/shell.h"
#include "viewer/render/render.h"
#include "viewer/together.h"
#include "viewer/report/table.h"
#include "viewer/text/text.h"
#include "viewer/workspace.h"

enum { EXIT_FAILED = 1, EXIT_WRONG = 2, EXIT_PARTIAL = 3, EXIT_GATE = 4 };

/* Bytes that model and analysis need for a raw byte of a snapshot, at most (regular
 * objects of one byte a column; 5 to 9 are measured). */
enum { MEMORY_OF_RAW = 16 };

/* The line that says how far it is: one terminal, one line. */
static struct meter main_meter;

static void main_complain(const char *file, const char *what)
{
	struct text text = { 0 };

	meter_wipe(&main_meter);
	text_escape(&text, file, strlen(file), 0, 0);
	print_format(stderr, "pymem-view: %s: %s\n", text_get(&text), what);
	text_free(&text);
}

/* ---- rights ---- */

/* Leak checkers trace the process at its end. */
#if defined(__SANITIZE_ADDRESS__)
static const bool checked_for_leaks = true;
#else
static const bool checked_for_leaks = false;
#endif

/* `g` starts a program of the desktop's to show the picture; root starts none. */
static bool main_may_start_programs(const struct options *o)
{
	return !rights_ours()->more && !o->exporter && !o->report && !o->mcp &&
		!o->merge && !o->graph &&
		(getenv("DISPLAY") || getenv("WAYLAND_DISPLAY"));
}

/* What may have to start dot is made while it may; root starts none. */
static int main_draw_ahead(const struct options *o)
{
	return o->graph && !rights_ours()->more ? draw_ahead_start(!checked_for_leaks) :
						  0;
}

/*
 * Before any byte of a snapshot is read: rights beyond the user's own go to a clerk, and
 * most system calls.  arg: struct options.  0 or a negative errno: nothing may be read.
 */
static int main_confine(const void *arg)
{
	const struct options *const o = arg;
	const size_t n = o->screen.nfiles;
	const char **const inputs = calloc(n + 2, sizeof(*inputs));
	struct clerk_orders orders = { .inputs = inputs,
				       .output = o->output,
				       .consume = o->consume,
				       .listen = o->screen.listen,
				       .script = o->screen.script };

	if (!inputs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		inputs[orders.count++] = o->screen.files[i];
	if (o->screen.compare)
		inputs[orders.count++] = o->screen.compare;
	int err = main_draw_ahead(o);
	if (!err && !checked_for_leaks)
		err = clerk_start(&orders);
	if (!err && !checked_for_leaks && !main_may_start_programs(o))
		(void)sandbox_enter(SANDBOX_VIEWER); /* a kernel may have none */
	free(inputs);
	return err;
}

static int main_confined(const struct options *o)
{
	const int err = main_confine(o);

	if (err)
		print_format(stderr,
			     "pymem-view: cannot give up the rights of root: %s\n",
			     strerror(-err));
	return err;
}

/* ---- reports ---- */

static int main_say_error(const struct process *process, int err)
{
	main_complain(process->file, workspace_error(err));
	return EXIT_FAILED;
}

/* Whether it is a failure that there's no such type or object. */
static bool main_asked_for_one(const struct report *report,
			       const struct report_params *params)
{
	return report->needs & NEEDS_NODE || params->type;
}

/* --object @ID, as an address. */
static int main_find_object(const struct heap *heap, const struct options *o,
			    struct report_params *params)
{
	uint32_t node = HEAP_NONE;
	const int err = o->devtools_id ?
		heapsnapshot_object(heap, (uint32_t)o->devtools_id, &node) :
		0;

	if (o->devtools_id)
		params->object =
			node == HEAP_NONE ? UINT64_MAX : heap_address(heap, node);
	return err;
}

/* ---- the rows of a report, as they come ---- */

enum { PRINTING_ROWS = 5000 /* in memory at once */ };

struct printing {
	const struct renderer *renderer;
	const struct report *report;
	const struct process *process;
	unsigned index;
	uint64_t rows; /* put already */
	bool begun;
};

static void main_put_rows(struct printing *p, const struct table *table)
{
	meter_wipe(&main_meter);
	if (!p->begun)
		p->renderer->head(stdout, p->report, p->process, p->index, table);
	p->begun = true;
	p->renderer->body(stdout, p->report, table, p->rows);
	p->rows += table->rows;
}

static int main_put_batch(void *arg, const struct table *table)
{
	main_put_rows(arg, table);
	return ferror(stdout) ? -EIO : 0;
}

static void main_put_last(struct printing *p, const struct table *table)
{
	main_put_rows(p, table);
	p->renderer->tail(stdout, p->report, table, p->rows);
}

/* What is filtered, or sorted by text, must be there as a whole. */
static bool main_prints_batches(const struct report *report,
				const struct report_params *params)
{
	const char *const sort =
		params->sort ? params->sort + (params->sort[0] == '-') : NULL;

	for (size_t c = 0; sort && c < report->ncolumns; c++)
		if (!strcmp(report->columns[c].key, sort) &&
		    report->columns[c].type == CELL_TEXT)
			return false;
	return !params->filter;
}

static int main_print_report(struct workspace *workspace, const struct report *report,
			     const struct options *o, const struct renderer *renderer,
			     const struct progress *progress, bool blank)
{
	struct report_params params = o->params;
	uint32_t shown = 0;
	int code = 0;

	if (!params.limit && renderer != &render_text) {
		params.limit = report->limit_data;
		params.all |= !report->limit_data;
	}
	renderer->begin(stdout, report);
	for (uint32_t i = 0; i < workspace->count; i++) {
		struct process *process = workspace->process[i];
		struct report_context context;
		struct table table = { 0 };
		/* of a series only the newest is compared */
		if (report->needs & NEEDS_OLD && !process->old &&
		    renderer == &render_text && workspace_compares(workspace))
			continue;
		struct printing printing = { renderer,	    report, process,
					     shown + blank, 0,	    0 };
		const struct report_batch batch = { PRINTING_ROWS, main_put_batch,
						    &printing };
		int err =
			workspace_context(workspace, process, report, progress, &context);

		params.batch = main_prints_batches(report, &params) ? &batch : NULL;
		if (!err)
			err = main_find_object(process->heap, o, &params);
		if (!err)
			err = report_run(report, &context, &params, &table);
		/* said once: on standard error; a document must have it too */
		const bool failed =
			!err && table.error && main_asked_for_one(report, &params);

		if (err)
			code = main_say_error(process, err);
		else if (!failed || renderer != &render_text)
			main_put_last(&printing, &table);
		shown += printing.begun;
		if (failed) {
			main_complain(process->file, table.error);
			code = EXIT_FAILED;
		}
		table_free(&table);
	}
	renderer->end(stdout, report);
	return code;
}

static int main_print_reports(struct workspace *workspace, const struct options *o,
			      const struct progress *progress)
{
	static const char *const plain[] = { "overview", "types", NULL };
	static const char *const compared[] = { "growth", "overview", "types", "diff",
						NULL };
	const char *const *shown = workspace_compares(workspace) ? compared : plain;
	const struct renderer *renderer = renderer_find(o->format ? o->format : "text");
	int code = 0;

	if (o->report)
		return main_print_report(workspace, o->report, o, renderer, progress,
					 false);
	if (renderer != &render_text) /* one document */
		return main_print_report(workspace, report_find("overview"), o, renderer,
					 progress, false);
	meter_wipe(&main_meter);
	together_print(stdout, workspace);
	for (size_t i = 0; shown[i] && !code; i++)
		code = main_print_report(workspace, report_find(shown[i]), o, renderer,
					 progress, i > 0);
	return code;
}

/* ---- queries ---- */

enum { SQL_LIMIT = 1000 /* rows for people */ };

static int main_judge(struct engine *engine, const struct options *o)
{
	static const int codes[] = {
		[GATE_PASSED] = 0, [GATE_FAILED] = EXIT_GATE, [GATE_WRONG] = EXIT_WRONG
	};

	return codes[gate_judge(engine, o->fail_if, o->nfail_if,
				o->format && !strcmp(o->format, "junit"), stdout)];
}

static int main_answer(struct engine *engine, const struct options *o)
{
	const struct renderer *renderer = renderer_find(o->format ? o->format : "text");
	const bool prompt = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	uint64_t limit = o->params.limit;

	if (!limit && !o->params.all && renderer == &render_text)
		limit = SQL_LIMIT;
	return o->sql ? shell_run(engine, o->sql, renderer, limit, stdout) :
			shell_loop(engine, renderer, limit, stdin, stdout, prompt);
}

static int main_query(struct workspace *workspace, const struct options *o,
		      const struct progress *progress)
{
	const struct engine_options options = { .timeout_ns = o->sql_timeout_ns,
						.memory = o->sql_memory,
						.progress = progress };
	struct engine engine;
	int code = EXIT_FAILED;

	if (engine_open(&engine, workspace, &options))
		main_complain(o->screen.files[0], engine.problem);
	else if (o->to_sqlite && dump_write(&engine, o->output))
		main_complain(o->output, engine.problem);
	else
		code = o->to_sqlite ? 0 :
			o->nfail_if ? main_judge(&engine, o) :
				      main_answer(&engine, o);
	engine_close(&engine);
	return code;
}

static bool main_queries(const struct options *o)
{
	return o->sql || o->sql_shell || o->nfail_if || o->to_sqlite;
}

/* ---- an assistant's tool ---- */

/* Before the rights go. */
static int main_allow_capture(const struct options *o)
{
	pid_t wrong;
	const int err = o->ncapture ? capturer_start(o->capture, o->ncapture, &wrong) : 0;

	if (err && wrong)
		print_format(stderr,
			     "pymem-view: --allow-capture %ld: there is no such "
			     "process\n",
			     (long)wrong);
	else if (err)
		print_format(stderr, "pymem-view: cannot capture: %s\n", strerror(-err));
	return err;
}

static int main_serve(const struct options *o)
{
	struct tool_context context;
	char err[512] = "";
	int code = 0;

	if (main_allow_capture(o) || main_confined(o))
		return EXIT_FAILED;
	tool_context_init(&context);
	context.values = o->values;
	context.workspace.no_sidecar = o->screen.no_sidecar;
	for (size_t i = 0; i < o->screen.nfiles && !code; i++)
		if (tool_context_add(&context, o->screen.files[i], false, err,
				     sizeof(err))) {
			main_complain(o->screen.files[i], err);
			code = EXIT_FAILED;
		}
	if (!code && o->screen.compare &&
	    tool_context_add(&context, o->screen.compare, true, err, sizeof(err))) {
		main_complain(o->screen.compare, err);
		code = EXIT_FAILED;
	}
	signal(SIGPIPE, SIG_IGN); /* a client that is gone ends it, quietly */
	if (!code)
		server_run(&context, stdin, stdout);
	tool_context_close(&context);
	return code;
}

/* ---- many processes ---- */

enum { MERGE_LIMIT = 40 /* rows for people */ };

static int main_put_merged(const struct options *o, const json_t *list)
{
	const struct renderer *const renderer =
		renderer_find(o->format ? o->format : "text");
	struct table table = { 0 };
	char problem[100] = "";
	int err = renderer ? merge_table(list, &table) : metrics_write(stdout, list);

	if (!err && renderer)
		err = table_arrange(&table, &o->params,
				    o->params.all		     ? 0 :
					    o->params.limit	     ? o->params.limit :
					    renderer == &render_text ? MERGE_LIMIT :
								       0);
	if (!err && renderer) {
		table.whole = o->params.all;
		merge_incomplete(list, problem, sizeof(problem));
		renderer->rows(stdout, &table, 0, problem);
		renderer->rows_end(stdout, table.rows);
		if (renderer == &render_text && table.rows < table.total)
			print_format(stdout, "%zu of %zu rows: --limit N, --all\n",
				     table.rows, table.total);
	}
	table_free(&table);
	if (err)
		print_format(stderr, "pymem-view: %s\n", strerror(-err));
	return err ? EXIT_FAILED : problem[0] ? EXIT_PARTIAL : 0;
}

static int main_merge(const struct options *o)
{
	json_t *const list = json_array();
	char err[512];
	int code = 0, put;

	if (main_confined(o))
		return EXIT_FAILED;
	for (size_t i = 0; i < o->screen.nfiles; i++)
		if (merge_read(list, o->screen.files[i], err, sizeof(err))) {
			main_complain(o->screen.files[i], err);
			code = EXIT_PARTIAL;
		}
	put = json_array_size(list) ? main_put_merged(o, list) : EXIT_FAILED;
	json_decref(list);
	if (fflush(stdout) || ferror(stdout)) {
		print_format(stderr, "pymem-view: cannot write: %s\n", strerror(errno));
		put = EXIT_FAILED;
	}
	return put ? put : code;
}

/* ---- graph, export ---- */

/* The process asked for with --pid, else the first; NULL: there's none of that pid. */
static struct process *main_process_to_draw(struct workspace *workspace, uint64_t pid)
{
	if (!pid)
		return workspace->process[0];
	for (uint32_t i = 0; i < workspace->count; i++)
		if (process_pid(workspace->process[i]) == pid)
			return workspace->process[i];
	return NULL;
}

static int main_draw(struct workspace *workspace, const struct options *o,
		     const struct progress *progress)
{
	struct process *process = main_process_to_draw(workspace, o->pid);
	char err[256] = "";

	if (!process) {
		main_complain(o->screen.files[0],
			      "there is no process of that --pid in it");
		return EXIT_FAILED;
	}
	const int code = workspace_analyse(workspace, process, progress);
	if (code)
		return main_say_error(process, code);
	if (graph_command(process->analysis, o->graph, o->of, o->depth, o->output,
			  progress, err, sizeof(err))) {
		main_complain(o->output, err);
		return EXIT_FAILED;
	}
	return 0;
}

static int main_export(const struct options *o)
{
	struct export e = { .exporter = o->exporter,
			    .input = o->screen.files[0],
			    .output = o->output };
	const bool seen = isatty(STDERR_FILENO) &&
		(strcmp(e.output, "-") != 0 || !isatty(STDOUT_FILENO));
	const struct progress progress = { meter_report, &main_meter, meter_wipe };
	struct snap_problem problem = { 0 };
	uint32_t incomplete;

	if (main_confined(o))
		return EXIT_FAILED;
	if (strcmp(e.input, "-") != 0 && (clerk_works() || files_is_special(e.input))) {
		/* the exporters open by name: they are given what the clerk opened, or a
		 * pipe */
		const int fd = files_open(e.input, 0);
		if (fd < 0 || dup2(fd, STDIN_FILENO) < 0) {
			main_complain(e.input, files_error(errno));
			return EXIT_FAILED;
		}
		close(fd);
		e.input = "-";
	}
	clock_gettime(CLOCK_MONOTONIC, &main_meter.began);
	const int rc = export_run(&e, seen ? &progress : NULL, &incomplete, &problem);
	meter_wipe(&main_meter);
	if (rc) {
		main_complain(problem.code == SNAP_E_SINK ? e.output : o->screen.files[0],
			      problem.text);
		return EXIT_FAILED;
	}
	if (!incomplete)
		return 0;
	char what[sizeof(problem.text) + 80];
	snprintf(what, sizeof(what), "INCOMPLETE: %s",
		 problem.text[0] ? problem.text : "the snapshot is truncated");
	main_complain(o->screen.files[0], what);
	return EXIT_PARTIAL;
}

/* The process for a document of one; NULL after having said why. */
static struct process *main_process_of_document(struct workspace *workspace,
						const struct options *o,
						const struct progress *progress)
{
	struct process *const process = main_process_to_draw(workspace, o->pid);
	int err;

	if (!process) {
		main_complain(o->screen.files[0],
			      "there is no process of that pid in it");
		return NULL;
	}
	progress_wipe(progress);
	if (!o->pid && workspace->count > 1)
		print_format(
			stderr,
			"pymem-view: it holds %u processes and the format one: this is "
			"the first, --pid N chooses another\n",
			workspace->count);
	err = workspace_analyse(workspace, process, progress);
	if (err)
		main_say_error(process, err);
	return err ? NULL : process;
}

static int main_write_document(struct workspace *workspace, const struct options *o,
			       const struct progress *progress)
{
	struct snap_problem problem = { 0 };
	struct process *process = NULL;

	if (o->document->write_process) {
		process = main_process_of_document(workspace, o, progress);
		if (!process)
			return EXIT_FAILED;
	}
	if (!document_run(o->document, o->output, workspace, process, progress, &problem))
		return 0;
	main_complain(problem.code == SNAP_E_SINK ? o->output : o->screen.files[0],
		      problem.text);
	return EXIT_FAILED;
}

/* ---- all ---- */

static int main_open_all(struct workspace *workspace, const struct options *o,
			 const struct progress *progress)
{
	char err[512] = "";
	int code = 0;

	for (size_t i = 0; i < o->screen.nfiles; i++)
		if (workspace_open(workspace, o->screen.files[i], false, progress, err,
				   sizeof(err))) {
			main_complain(o->screen.files[i], err);
			code = EXIT_FAILED;
		}
	if (o->screen.compare &&
	    workspace_open(workspace, o->screen.compare, true, progress, err,
			   sizeof(err))) {
		main_complain(o->screen.compare, err);
		return EXIT_FAILED;
	}
	workspace_pair(workspace);
	if (!main_queries(o))
		workspace_pair_series(workspace);
	return workspace->count ? (code ? EXIT_PARTIAL : 0) : EXIT_FAILED;
}

/* Sentences about incomplete processes; of more only the number is told. */
enum { INCOMPLETE_SAID = 10 };

static int main_say_incomplete(struct process *const *processes, uint32_t count)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct process *p = processes[i];
		char what[400];

		if (p->heap->complete && !p->problem[0])
			continue;
		if (++found > INCOMPLETE_SAID)
			continue;
		snprintf(what, sizeof(what), "INCOMPLETE: %s",
			 p->problem[0] ? p->problem : "the snapshot is truncated");
		main_complain(p->file, what);
	}
	if (found > INCOMPLETE_SAID)
		print_format(stderr, "pymem-view: %u more processes are INCOMPLETE\n",
			     found - INCOMPLETE_SAID);
	return found ? EXIT_PARTIAL : 0;
}

static int main_run_reports(const struct options *o)
{
	const struct progress progress = { meter_report, &main_meter, meter_wipe };
	struct workspace workspace;
	int code, partial = 0;

	if (main_confined(o))
		return EXIT_FAILED;
	clock_gettime(CLOCK_MONOTONIC, &main_meter.began);
	workspace_init(&workspace);
	workspace.no_sidecar = o->screen.no_sidecar;
	workspace.sidecar = o->screen.sidecar;
	workspace.consume = o->consume;
	workspace.python_only = o->screen.python_only;
	code = main_open_all(&workspace, o, isatty(STDERR_FILENO) ? &progress : NULL);
	if (workspace.count && code != EXIT_FAILED) {
		partial = code;
		const struct progress *shown = isatty(STDERR_FILENO) ? &progress : NULL;
		code = o->graph		? main_draw(&workspace, o, shown) :
			o->document	? main_write_document(&workspace, o, shown) :
			main_queries(o) ? main_query(&workspace, o, shown) :
					  main_print_reports(&workspace, o, shown);
	}
	meter_wipe(&main_meter);
	const bool said = o->document && code == EXIT_FAILED;
	if (!said && (fflush(stdout) || ferror(stdout))) {
		print_format(stderr, "pymem-view: cannot write: %s\n", strerror(errno));
		code = EXIT_FAILED;
	}
	int incomplete = main_say_incomplete(workspace.process, workspace.count);
	int incomplete_old = main_say_incomplete(workspace.old, workspace.old_count);
	workspace_free(&workspace);
	return code ? code : partial ? partial : incomplete ? incomplete : incomplete_old;
}

/* A terminal that is one, but that terminfo(5) knows nothing of. */
static bool main_unknown_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0 &&
		!screen_possible();
}

static void main_say_unknown_terminal(void)
{
	struct text text = { 0 };
	const char *term = getenv("TERM");

	text_escape(&text, term, strlen(term), 40, 0);
	print_format(stderr,
		     "pymem-view: no terminal '%s' is known here, so there are reports "
		     "instead "
		     "of the screen; TERM=xterm-256color may do\n",
		     text_get(&text));
	text_free(&text);
}

int main(int argc, char **argv)
{
	struct options options;
	int code;

	standard_fds_fill();
	ending_watch();
	setlocale(LC_CTYPE, "");
	rights_ours();
	if (!options_from_args(argc, argv, &options, &code))
		return code;
	options.screen.confine = main_confine;
	options.screen.confine_arg = &options;
	snap_parser_allow(options.max_memory / MEMORY_OF_RAW);
	if (options.merge)
		return main_merge(&options);
	if (options.mcp)
		return main_serve(&options);
	if (options.exporter)
		return main_export(&options);
	bool interactive = options.screen.script || options.screen.listen ||
		options.screen.live_fd >= 0;
	if (options.screen.live_fd >= 0 && !options.screen.script &&
	    main_unknown_terminal())
		return EXIT_FAILED; /* it will be given the finished file */
	const bool asked = options.report || options.format || options.graph ||
		options.document || main_queries(&options);
	if (!asked && (interactive || screen_possible())) {
		if (options.screen.live_fd >= 0 && options.screen.nfiles) {
			options.screen.live_name = options.screen.files[0];
			options.screen.nfiles = 0;
		}
		return screen_run(&options.screen);
	}
	if (!asked && main_unknown_terminal())
		main_say_unknown_terminal();
	return main_run_reports(&options);
}
