/* SPDX-License-Identifier: MIT */
/* options - pymem-view's command line (options.h). */
#include "viewer/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text/print.h"
#include "viewer/export.h"
#include "viewer/graph/graph.h"
#include "viewer/render/render.h"

enum {
	OPT_REPORT = 256,
	OPT_FORMAT,
	OPT_LIMIT,
	OPT_ALL,
	OPT_SORT,
	OPT_FILTER,
	OPT_TYPE,
	OPT_OBJECT,
	OPT_COMPARE,
	OPT_GRAPH,
	OPT_OF,
	OPT_PID,
	OPT_DEPTH,
	OPT_EXPORT,
	OPT_CONSUME,
	OPT_LISTEN,
	OPT_LIVE_FD,
	OPT_SCRIPT,
	OPT_SCREEN_SIZE,
	OPT_COLOR,
	OPT_ASCII,
	OPT_UTF8,
	OPT_NO_MOUSE,
	OPT_SIDECAR,
	OPT_NO_SIDECAR,
	OPT_CURRENCY,
	OPT_MAX_MEMORY,
	OPT_SQL,
	OPT_SQL_SHELL,
	OPT_SQL_TIMEOUT,
	OPT_SQL_MEMORY,
	OPT_FAIL_IF,
	OPT_MERGE,
	OPT_MCP,
	OPT_VALUES,
	OPT_ALLOW_CAPTURE,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "sort", required_argument, NULL, OPT_SORT },
	{ "filter", required_argument, NULL, OPT_FILTER },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "object", required_argument, NULL, OPT_OBJECT },
	{ "compare", required_argument, NULL, OPT_COMPARE },
	{ "graph", required_argument, NULL, OPT_GRAPH },
	{ "of", required_argument, NULL, OPT_OF },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "depth", required_argument, NULL, OPT_DEPTH },
	{ "export", required_argument, NULL, OPT_EXPORT },
	{ "output", required_argument, NULL, 'o' },
	{ "consume", no_argument, NULL, OPT_CONSUME },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "live-fd", required_argument, NULL, OPT_LIVE_FD },
	{ "script", required_argument, NULL, OPT_SCRIPT },
	{ "screen-size", required_argument, NULL, OPT_SCREEN_SIZE },
	{ "size", required_argument, NULL, OPT_CURRENCY },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "ascii", no_argument, NULL, OPT_ASCII },
	{ "utf8", no_argument, NULL, OPT_UTF8 },
	{ "no-mouse", no_argument, NULL, OPT_NO_MOUSE },
	{ "sidecar", no_argument, NULL, OPT_SIDECAR },
	{ "no-sidecar", no_argument, NULL, OPT_NO_SIDECAR },
	{ "max-memory", required_argument, NULL, OPT_MAX_MEMORY },
	{ "sql", required_argument, NULL, OPT_SQL },
	{ "sql-shell", no_argument, NULL, OPT_SQL_SHELL },
	{ "sql-timeout", required_argument, NULL, OPT_SQL_TIMEOUT },
	{ "merge", no_argument, NULL, OPT_MERGE },
	{ "mcp", no_argument, NULL, OPT_MCP },
	{ "values", no_argument, NULL, OPT_VALUES },
	{ "allow-capture", required_argument, NULL, OPT_ALLOW_CAPTURE },
	{ "fail-if", required_argument, NULL, OPT_FAIL_IF },
	{ "sql-memory", required_argument, NULL, OPT_SQL_MEMORY },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const char usage[] =
	"usage: pymem-view [options] FILE...          (- = standard input)\n"
	"       pymem-view [options] --listen SOCKET\n"
	"\n"
	"Shows snapshots made by pymem-load: on a terminal interactively, else as text.\n"
	"\n"
	"  --report NAME        print one report instead:\n";

static const char usage_rest[] =
	"  --format FORMAT      text (default), json, csv, openmetrics\n"
	"  --limit N, --all     rows to print\n"
	"  --sort COLUMN        sort by a column's key; -COLUMN reverses\n"
	"  --filter TEXT        only rows with TEXT in them\n"
	"  --type NAME          only this type; or: paths of its largest instances\n"
	"  --object ADDRESS     only this object: paths, referrers, referents, "
	"dominators;\n"
	"                       or @ID, as DevTools shows it of a .heapsnapshot\n"
	"  --compare OLD        compare with an older snapshot (several of one process "
	"are\n"
	"                       compared by themselves)\n"
	"  --size all|python    with the memory that objects own outside of them, or "
	"without\n"
	"  --sql QUERY          ask in SQL: pymem-sql(7) has tables and examples\n"
	"  --sql-shell          queries from standard input, one after another\n"
	"  --fail-if CONDITION  exit with 4 if it holds: growth(\"app.*\") > 1MB, or "
	"SQL\n"
	"    --sql-timeout SEC  stop a query after this long (default: never)\n"
	"    --sql-memory SIZE  for sorting and grouping (default 256M)\n"
	"  --merge              the files are summaries (--export summary): what grows "
	"in\n"
	"                       many processes\n"
	"  --mcp                serve an assistant (Model Context Protocol on stdin and\n"
	"                       stdout); --values lets it see previews of values\n"
	"    --allow-capture PID  and capture this process (may be repeated)\n"
	"  --graph KIND         draw refs, backrefs, dominators or treemap\n"
	"    --of NAME|ADDRESS  of a type's largest instances, or of one object\n"
	"    --depth N          this many steps (default 3)\n"
	"    --pid N            of this process, if the file has several\n";

static const char usage_output[] =
	"  -o, --output FILE    where the graph (.png .svg .dot .pdf) or export goes;\n"
	"                       of --listen: the folder in which what comes is kept\n"
	"  --consume            remove FILE once its --export is whole\n"
	"  --listen SOCKET      show snapshots as they are sent to a unix socket\n"
	"  --script FILE        keys and :commands from FILE, no terminal needed\n"
	"  --screen-size WxH    of the script's screen (default 80x24)\n"
	"  --color WHEN         auto, always, never; NO_COLOR is heeded\n"
	"  --ascii, --utf8      characters to draw with\n"
	"  --no-mouse           leave the mouse to the terminal\n"
	"  --sidecar            write FILE.pmx, which makes re-opening fast, also where\n"
	"                       opening took less than two seconds\n"
	"  --no-sidecar         neither use nor write it\n"
	"  --max-memory SIZE    for one file or sender that unfolds to far more than its "
	"size\n"
	"  --version, -h, --help\n"
	"\n"
	"Exit code: 0 done, 1 failed, 2 usage, 3 a snapshot is incomplete, 4 --fail-if "
	"holds.\n";

static void options_print_usage(FILE *out)
{
	print_lines(out, usage);
	for (size_t i = 0; report_all[i]; i++)
		print_format(out, "      %-12s %s\n", report_all[i]->name,
			     report_all[i]->title);
	print_lines(out, usage_rest);
	for (size_t i = 0; exporter_all[i]; i++)
		print_format(out, "  %-20s %s: %s;\n", i ? "" : "--export FORMAT",
			     exporter_all[i]->name, exporter_all[i]->title);
	for (size_t i = 0; document_all[i]; i++)
		print_format(out, "  %-20s %s: %s;\n", "", document_all[i]->name,
			     document_all[i]->title);
	print_format(out, "  %-20s sqlite: the tables of --sql as a file\n", "");
	print_lines(out, usage_output);
}

static bool options_parse_u64(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	if (text[0] < '0' || text[0] > '9')
		return false;
	unsigned long long value = strtoull(text, &end, 0);
	if (errno || *end)
		return false;
	*ret = value;
	return true;
}

static bool options_number(const char *option, const char *text, uint64_t most,
			   uint64_t *ret)
{
	if (options_parse_u64(text, ret) && *ret <= most)
		return true;
	print_format(stderr, "pymem-view: --%s needs a number", option);
	if (most < INT_MAX)
		print_format(stderr, " up to %u", (unsigned)most);
	print_format(stderr, ", not '%s'\n", text);
	return false;
}

/* Bytes, or with a suffix K, M, G, T. */
static bool options_parse_size(const char *option, const char *text, uint64_t *ret)
{
	static const char suffixes[] = "KMGT";
	char digits[24];
	const size_t n = strspn(text, "0123456789");
	const char *const suffix = text[n] ? strchr(suffixes, text[n]) : NULL;
	const unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;

	if (n < sizeof(digits) && (!text[n] || (suffix && !text[n + 1]))) {
		memcpy(digits, text, n);
		digits[n] = '\0';
		if (options_parse_u64(digits, ret) && *ret > 0 &&
		    *ret <= (uint64_t)INT64_MAX >> shift) {
			*ret <<= shift;
			return true;
		}
	}
	print_format(stderr, "pymem-view: --%s wants a size such as 2G, not '%s'\n",
		     option, text);
	return false;
}

static bool options_choose_report(struct options *o, const char *name)
{
	o->report = report_find(name);
	if (o->report)
		return true;
	print_format(stderr, "pymem-view: no report '%s'; there are:", name);
	for (size_t i = 0; report_all[i]; i++)
		print_format(stderr, " %s", report_all[i]->name);
	print_lines(stderr, "\n");
	return false;
}

static bool options_choose_exporter(struct options *o, const char *name)
{
	o->exporter = exporter_find(name);
	o->document = document_find(name);
	o->to_sqlite = !strcmp(name, "sqlite");
	if (o->exporter || o->document || o->to_sqlite)
		return true;
	print_format(stderr, "pymem-view: --export must be one of:");
	for (size_t i = 0; exporter_all[i]; i++)
		print_format(stderr, " %s", exporter_all[i]->name);
	for (size_t i = 0; document_all[i]; i++)
		print_format(stderr, " %s", document_all[i]->name);
	print_lines(stderr, " sqlite\n");
	return false;
}

static bool options_choose(const char *option, const char *value,
			   const char *const *words, int *ret)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], value)) {
			*ret = i;
			return true;
		}
	print_format(stderr, "pymem-view: --%s must be one of:", option);
	for (int i = 0; words[i]; i++)
		print_format(stderr, " %s", words[i]);
	print_lines(stderr, "\n");
	return false;
}

static bool options_screen_size(struct options *o, const char *text)
{
	if (sscanf(text, "%dx%d", &o->screen.width, &o->screen.height) == 2 &&
	    o->screen.width > 0 && o->screen.height > 0 && o->screen.width <= 1000 &&
	    o->screen.height <= 1000)
		return true;
	print_format(stderr, "pymem-view: --screen-size needs WIDTHxHEIGHT, not '%s'\n",
		     text);
	return false;
}

/* Options of the interactive viewer. */
static bool options_take_screen(struct options *o, int option, const char *value)
{
	static const char *const colors[] = { "auto", "never", "always", NULL };
	static const char *const sizes[] = { "all", "python", NULL };
	uint64_t n = 0;
	int i = 0;
	bool good = true;

	switch (option) {
	case OPT_COMPARE:
		o->screen.compare = value;
		break;
	case OPT_LISTEN:
		o->screen.listen = value;
		break;
	case OPT_SCRIPT:
		o->screen.script = value;
		break;
	case OPT_ASCII:
		o->screen.charset = SCREEN_CHARSET_ASCII;
		break;
	case OPT_UTF8:
		o->screen.charset = SCREEN_CHARSET_UTF8;
		break;
	case OPT_NO_MOUSE:
		o->screen.no_mouse = true;
		break;
	case OPT_SIDECAR:
		o->screen.sidecar = true;
		break;
	case OPT_NO_SIDECAR:
		o->screen.no_sidecar = true;
		break;
	case OPT_CURRENCY:
		good = options_choose("size", value, sizes, &i);
		o->screen.python_only = i == 1;
		break;
	case OPT_SCREEN_SIZE:
		return options_screen_size(o, value);
	case OPT_MAX_MEMORY:
		return options_parse_size("max-memory", value, &o->max_memory);
	case OPT_LIVE_FD:
		good = options_number("live-fd", value, INT_MAX, &n);
		o->screen.live_fd = (int)n;
		break;
	case OPT_COLOR:
		good = options_choose("color", value, colors, &i);
		o->screen.color = (enum screen_color)i;
		break;
	default:
		return false;
	}
	return good;
}

/* Options that are numbers. */
static bool options_take_number(struct options *o, int option, const char *value)
{
	uint64_t n = 0;

	switch (option) {
	case OPT_OBJECT:
		if (value[0] != '@')
			return options_number("object", value, UINT64_MAX,
					      &o->params.object);
		o->params.object = UINT64_MAX; /* until the heap is there */
		return options_number("object", value + 1, UINT32_MAX, &o->devtools_id);
	case OPT_LIMIT:
		if (!options_number("limit", value, SIZE_MAX, &n))
			return false;
		o->params.limit = n;
		o->params.all |= n == 0;
		return true;
	case OPT_PID:
		return options_number("pid", value, UINT64_MAX, &o->pid);
	case OPT_DEPTH:
		if (!options_number("depth", value, 100, &n))
			return false;
		o->depth = (unsigned)n;
		return true;
	default:
		return false;
	}
}

static bool options_unknown(const char *what, const char *value, const char *known)
{
	print_format(stderr, "pymem-view: no %s '%s'; there are: %s\n", what, value,
		     known);
	return false;
}

static bool options_allow_capture(struct options *o, const char *value)
{
	uint64_t pid;

	if (!options_number("allow-capture", value, INT_MAX - 1, &pid))
		return false;
	if (pid == 0 || o->ncapture == CAPTURER_PIDS) {
		print_format(stderr,
			     "pymem-view: --allow-capture names a process, %d at most\n",
			     CAPTURER_PIDS);
		return false;
	}
	o->capture[o->ncapture++] = (pid_t)pid;
	return true;
}

/* Options of queries; anything else goes to the screen's. */
static bool options_take_sql(struct options *o, int option, const char *value)
{
	uint64_t n = 0;

	switch (option) {
	case OPT_SQL:
		o->sql = value;
		return true;
	case OPT_SQL_SHELL:
		o->sql_shell = true;
		return true;
	case OPT_MERGE:
		o->merge = true;
		return true;
	case OPT_MCP:
		o->mcp = true;
		return true;
	case OPT_VALUES:
		o->values = true;
		return true;
	case OPT_ALLOW_CAPTURE:
		return options_allow_capture(o, value);
	case OPT_FAIL_IF:
		if (o->nfail_if == OPTIONS_FAIL_IF) {
			print_format(stderr, "pymem-view: at most %d --fail-if\n",
				     OPTIONS_FAIL_IF);
			return false;
		}
		o->fail_if[o->nfail_if++] = value;
		return true;
	case OPT_SQL_TIMEOUT:
		if (!options_number("sql-timeout", value, 1000000000, &n))
			return false;
		o->sql_timeout_ns = n * 1000000000u;
		return true;
	case OPT_SQL_MEMORY:
		return options_parse_size("sql-memory", value, &o->sql_memory);
	default:
		return options_take_screen(o, option, value);
	}
}

/* Options of reports, graphs and exports; anything else goes to the screen's. */
static bool options_take(struct options *o, int option, const char *value)
{
	enum graph_kind kind;

	switch (option) {
	case OPT_REPORT:
		return options_choose_report(o, value);
	case OPT_SORT:
		o->params.sort = value;
		return true;
	case OPT_FILTER:
		o->params.filter = value;
		return true;
	case OPT_TYPE:
		o->params.type = o->screen.type = value;
		return true;
	case OPT_ALL:
		o->params.all = true;
		return true;
	case OPT_OF:
		o->of = value;
		return true;
	case OPT_EXPORT:
		return options_choose_exporter(o, value);
	case 'o':
		o->output = value;
		return true;
	case OPT_CONSUME:
		o->consume = "";
		return true;
	case OPT_OBJECT:
	case OPT_LIMIT:
	case OPT_PID:
	case OPT_DEPTH:
		return options_take_number(o, option, value);
	case OPT_FORMAT:
		o->format = value;
		return renderer_find(value) || !strcmp(value, "junit") ||
			!strcmp(value, document_openmetrics.name) ||
			options_unknown("format", value,
					"text json csv junit openmetrics");
	case OPT_GRAPH:
		o->graph = value;
		return graph_kind_find(value, &kind) ||
			options_unknown("graph", value,
					"refs backrefs dominators treemap");
	default:
		return options_take_sql(o, option, value);
	}
}

static bool options_check_sort(struct options *o)
{
	const char *key = o->params.sort;

	if (!o->report || !key)
		return true;
	const bool reverse = key[0] == '-';
	key += reverse;
	const char *const found = report_column_key(o->report, key);
	if (found) {
		snprintf(o->sort_key, sizeof(o->sort_key), "%s%s", reverse ? "-" : "",
			 found);
		o->params.sort = o->sort_key;
		return true;
	}
	print_format(stderr,
		     "pymem-view: %s has no column '%s'; it has:", o->report->name, key);
	for (size_t c = 0; c < o->report->ncolumns; c++)
		print_format(stderr, " %s", o->report->columns[c].key);
	print_lines(stderr, "\n");
	return false;
}

static bool options_metrics(const struct options *o)
{
	return o->format && !strcmp(o->format, document_openmetrics.name);
}

/* What a query, a condition or an assistant's tool doesn't go with; NULL: nothing. */
static const char *options_wrong_query(const struct options *o, bool exports)
{
	const bool junit = o->format && !strcmp(o->format, "junit");
	const bool shown = o->graph || o->report || exports;

	if ((o->sql || o->sql_shell || o->nfail_if) && shown)
		return "--sql, --sql-shell and --fail-if exclude --graph, --report and "
		       "--export";
	if (!!o->sql + o->sql_shell + !!o->nfail_if + o->mcp > 1)
		return "--sql, --sql-shell, --fail-if and --mcp exclude each other";
	if (o->mcp && (shown || o->format || o->screen.listen || o->screen.script))
		return "--mcp excludes reports, graphs, exports and the screen";
	if ((o->values || o->ncapture) && !o->mcp)
		return "--values and --allow-capture go with --mcp";
	if (junit && !o->nfail_if)
		return "--format junit goes with --fail-if";
	if (o->merge && (shown || o->mcp || o->sql || o->sql_shell || o->nfail_if))
		return "--merge excludes reports, queries, graphs and exports";
	if (o->merge && (o->screen.listen || o->screen.script || o->screen.compare))
		return "--merge takes files of summaries only";
	if (options_metrics(o) && (shown || o->mcp || o->sql || o->sql_shell))
		return "--format openmetrics has metrics of its own: no report, no query";
	if (o->nfail_if && o->format && !junit && strcmp(o->format, "text"))
		return "--fail-if answers as text or junit";
	return NULL;
}

/* The option that asks for something else than the screen, or NULL. */
static const char *options_printing(const struct options *o)
{
	return o->graph					   ? "graph" :
		o->report				   ? "report" :
		o->exporter || o->document || o->to_sqlite ? "export" :
		o->merge				   ? "merge" :
		o->format				   ? "format" :
		o->sql					   ? "sql" :
		o->sql_shell				   ? "sql-shell" :
		o->nfail_if				   ? "fail-if" :
							     NULL;
}

static bool options_clash(const char *one, const char *other, const char *why)
{
	print_format(stderr, "pymem-view: --%s and --%s don't go together: %s\n", one,
		     other, why);
	return false;
}

/* What belongs together; false after having said what doesn't. */
static bool options_check(struct options *o)
{
	const char *wrong = NULL;
	const bool exports = o->exporter || o->document || o->to_sqlite;

	if (!o->screen.nfiles && !o->screen.listen && o->screen.live_fd < 0 && !o->mcp)
		wrong = "which snapshot?  pymem-view FILE, or --help";
	else if ((o->graph || exports) && !o->output)
		wrong = "where to?  -o FILE";
	else if ((o->exporter || (o->document && o->document->write_process)) &&
		 o->screen.nfiles != 1)
		wrong = "this --export takes one file";
	else if (!!o->graph + !!o->report + exports > 1)
		return options_clash(o->graph ? "graph" : "report",
				     exports ? "export" : "report",
				     "one of them in a run");
	else if (options_wrong_query(o, exports))
		wrong = options_wrong_query(o, exports);
	else if (o->output && !o->graph && !exports && !o->screen.listen)
		wrong = "-o is for --graph, --export and --listen; a report goes to "
			"standard output";
	else if (o->graph && !o->of && strstr(o->graph, "refs"))
		wrong = "this graph needs --of NAME or ADDRESS";
	else if (o->of && !o->graph)
		wrong = "--of is for --graph; a report takes --type or --object";
	else if (o->consume &&
		 (!o->document || o->screen.nfiles != 1 || !strcmp(o->output, "-") ||
		  !strcmp(o->screen.files[0], "-")))
		wrong = "--consume goes with an --export of one analysed snapshot to a "
			"file: html, summary, heapsnapshot ...";
	else if (o->depth && !o->graph)
		wrong = "--depth is for --graph";
	else if (o->pid && !o->graph && (!o->document || !o->document->write_process))
		wrong = "--pid goes with --graph and an --export of one process";
	else if ((o->screen.listen || o->screen.script) && options_printing(o))
		return options_clash(o->screen.listen ? "listen" : "script",
				     options_printing(o), "the first is for the screen");
	else if (o->report && o->report->needs & NEEDS_OLD && !o->screen.compare &&
		 o->screen.nfiles < 2)
		wrong = "this report needs --compare OLD, or several snapshots of a "
			"process";
	else if (o->report && o->report->needs & NEEDS_NODE && !o->params.object &&
		 !(o->params.type && !strcmp(o->report->name, "paths")))
		wrong = "this report needs --object ADDRESS (paths: or --type NAME)";
	if (wrong)
		print_format(stderr, "pymem-view: %s\n", wrong);
	return !wrong && options_check_sort(o);
}

/* Exit code once what was asked for is on stdout. */
static int options_said(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	print_format(stderr, "pymem-view: cannot write: %s\n", strerror(errno));
	return 1;
}

/* What getopt_long made of it: '?' or ':'. */
static void options_say_unknown(int option, const char *said)
{
	if (option == ':')
		print_format(stderr, "pymem-view: option '%s' needs an argument\n", said);
	else if (optopt > 0 && optopt < 256 && said[1] != '-')
		print_format(stderr, "pymem-view: unknown option '-%c'\n", optopt);
	else if (optopt)
		print_format(stderr, "pymem-view: option '%s' takes no argument\n", said);
	else
		print_format(stderr,
			     "pymem-view: unknown option '%s', or short for several\n",
			     said);
	print_lines(stderr, "Try 'pymem-view --help'.\n");
}

bool options_from_args(int argc, char **argv, struct options *ret, int *exit_ret)
{
	int option;

	*ret = (struct options){ .screen = { .live_fd = -1 } };
	*exit_ret = 2;
	opterr = 0; /* it would write what it was given as it is */
	while ((option = getopt_long(argc, argv, ":o:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			options_print_usage(stdout);
			*exit_ret = options_said();
			return false;
		}
		if (option == OPT_VERSION) {
			print_lines(stdout, "pymem-view " PYMEM_VERSION "\n");
			*exit_ret = options_said();
			return false;
		}
		if (option == '?' || option == ':') {
			options_say_unknown(option, argv[optind - 1]);
			return false;
		}
		if (!options_take(ret, option, optarg))
			return false;
	}
	ret->screen.files = argv + optind;
	ret->screen.nfiles = (size_t)(argc - optind);
	if (!options_check(ret))
		return false;
	if (ret->screen.listen)
		ret->screen.save = ret->output;
	if (ret->consume) {
		ret->consume = ret->screen.files[0];
		ret->screen.no_sidecar = true;
	}
	if (options_metrics(ret) && !ret->merge) { /* an export, to standard output */
		ret->document = &document_openmetrics;
		ret->output = "-";
	}
	return true;
}
