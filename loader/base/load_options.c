/* SPDX-License-Identifier: MIT */
/*
 * load_options - see load_options.h.
 *
 * One table describes every option: letter, long name, argument, help text;
 * getopt's own tables are made from it, so that none of the three can lack an
 * entry that the others have.
 */
#include "loader/base/load_options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "formats/core/sink.h"
#include "formats/text/print.h"

/* Long-only options; the others are their letter. */
enum option_code {
	OPT_NAME = 256,
	OPT_SNAPSHOT,
	OPT_SUMMARY,
	OPT_PROFILE,
	OPT_LEAK_CHECK,
	OPT_HTML,
	OPT_UPLOAD,
	OPT_NO_UPLOAD,
	OPT_METHOD,
	OPT_NO_FORK,
	OPT_DRY_RUN,
	OPT_MAX_PAUSE,
	OPT_MAX_MEMORY,
	OPT_TIMEOUT,
	OPT_GIL_TIMEOUT,
	OPT_VALUES,
	OPT_NO_VALUES,
	OPT_PROBES,
	OPT_CORE,
	OPT_SYSROOT,
	OPT_KEEP_AGENT,
	OPT_CHILDREN,
	OPT_EVERY,
	OPT_COUNT,
	OPT_JSON,
	OPT_VERSION,
};

struct option_row {
	int code;
	const char *name, *argument, *help; /* code 0: a headline */
};

static const struct option_row option_rows[] = {
	{ 0, NULL, NULL, "Output" },
	{ 'f', "output-file", "FILE", "write to FILE; \"-\" is standard output" },
	{ 'q', "quiet", NULL, "capture only: no viewer, no report, no progress" },
	{ 'd', "debug", NULL, "log every step, with times, on standard error" },
	{ OPT_JSON, "json", NULL, "print the capture report as one JSON object" },
	{ OPT_SNAPSHOT, "snapshot", "FILE",
	  "compare with this older snapshot (diff pages)" },
	{ OPT_SUMMARY, "summary", NULL, "write a summary, a line of JSON, instead" },
	{ OPT_PROFILE, "profile", NULL, "write a profile for go tool pprof instead" },
	{ OPT_HTML, "html", "FILE", "write a page of the capture, to mail" },
	{ 's', "show-references", "N", "draw the references of the N biggest types" },
	{ OPT_NAME, "show-specific-references", "NAME",
	  "(or -ss NAME) the same for a type; repeatable" },
	{ OPT_UPLOAD, "upload", "COMMAND", "run COMMAND for every finished file" },
	{ OPT_NO_UPLOAD, "no-upload", NULL,
	  "upload nothing (nothing is unless --upload)" },
	{ 0, NULL, NULL, "Capture" },
	{ OPT_CHILDREN, "children", NULL, "and the processes that these have started" },
	{ OPT_METHOD, "method", "HOW", "auto (default), agent or external" },
	{ OPT_NO_FORK, "no-fork", NULL, "walk in the process itself, paused meanwhile" },
	{ OPT_NO_VALUES, "no-values", NULL, "leave all values (previews) out" },
	{ OPT_VALUES, "values", "N", "characters of a preview (default 64)" },
	{ OPT_PROBES, "probes", "FILE", "more native memory probes" },
	{ OPT_KEEP_AGENT, "keep-agent", NULL,
	  "leave the agent loaded for the next capture" },
	{ 'e', "exec", "FILE", "the target's python binary (checked, not needed)" },
	{ OPT_EVERY, "every", "TIME", "capture again and again: 60s, 10m, 1h" },
	{ OPT_LEAK_CHECK, "leak-check", "N",
	  "with a COMMAND: say what grew at each of N marks" },
	{ OPT_COUNT, "count", "N", "with --every: stop after N captures" },
	{ 0, NULL, NULL, "After a crash" },
	{ OPT_CORE, "core", "FILE", "read a core file instead of a process" },
	{ OPT_SYSROOT, "sysroot", "DIR", "where its program and libraries are" },
	{ 0, NULL, NULL, "Safety" },
	{ OPT_DRY_RUN, "dry-run", NULL, "say what would be done, touch nothing" },
	{ OPT_MAX_PAUSE, "max-pause", "MS", "refuse when a longer pause is predicted" },
	{ OPT_MAX_MEMORY, "max-memory", "SIZE",
	  "refuse, or stop, when the copy needs more" },
	{ OPT_TIMEOUT, "timeout", "S", "give up after S seconds (default 600)" },
	{ OPT_GIL_TIMEOUT, "gil-timeout", "S", "wait S seconds for the GIL (default 5)" },
	{ 0, NULL, NULL, "Other" },
	{ 'h', "help", NULL, "show this help" },
	{ OPT_VERSION, "version", NULL, "show the version" },
};
_Static_assert(SNAP_PREVIEW == 64, "--values says its default");
enum { ROWS = sizeof(option_rows) / sizeof(*option_rows) };

void load_options_help(FILE *out)
{
	print_lines(out,
		    "Usage: pymem-load [OPTION]... PID|NAME...\n"
		    "       pymem-load [OPTION]... -- COMMAND [ARGUMENT]...\n"
		    "       pymem-load [OPTION]... --core FILE\n"
		    "Snapshot the heap of running CPython processes, or start a command\n"
		    "that can take its own snapshots.\n");
	for (int i = 0; i < ROWS; i++) {
		const struct option_row *row = &option_rows[i];
		char left[64];

		if (row->code == 0) {
			print_format(out, "\n%s:\n", row->help);
			continue;
		}
		if (row->code < 256)
			snprintf(left, sizeof(left), "-%c, --%s", row->code, row->name);
		else
			snprintf(left, sizeof(left), "    --%s", row->name);
		if (row->argument) {
			strcat(left, " ");
			strcat(left, row->argument);
		}
		print_format(out,
			     strlen(left) > 27 ? "  %s\n  %-28s%s\n" : "  %-28s%.0s%s\n",
			     left, "", row->help);
	}
	print_lines(out,
		    "\nSIZE is bytes, or has one of the suffixes K, M, G, T.\n"
		    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 partial result.\n");
}

int load_options_size(const char *text, uint64_t *ret)
{
	static const char suffix[] = "KMGT";
	char *end;

	errno = 0;
	const double v = strtod(text, &end);
	if (end == text || errno || !isfinite(v) || v < 0)
		return -1;
	double scale = 1;
	if (*end) {
		const char c = *end >= 'a' && *end <= 'z' ? (char)(*end - 32) : *end;
		const char *at = strchr(suffix, c);

		if (!at)
			return -1;
		for (const char *s = suffix; s <= at; s++)
			scale *= 1024;
		end++;
		if (*end == 'i')
			end++;
		if (*end == 'B' || *end == 'b')
			end++;
		if (*end)
			return -1;
	}
	if (v * scale >= 9.2e18)
		return -1;
	*ret = (uint64_t)(v * scale);
	return 0;
}

int load_options_time(const char *text, uint64_t *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {
		{ "", 1e9 },   { "s", 1e9 },	{ "ms", 1e6 },
		{ "m", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
	};
	char *end;

	errno = 0;
	const double v = strtod(text, &end);
	if (end == text || errno || !isfinite(v) || v < 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (v * units[i].ns >= 9.2e18)
			return -1;
		*ret = (uint64_t)(v * units[i].ns);
		return 0;
	}
	return -1;
}

static int load_options_wrong(char error[512], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int load_options_wrong(char error[512], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, 512, format, args);
	va_end(args);
	return -1;
}

static int load_options_parse_count(const char *what, const char *text, uint64_t min,
				    uint64_t max, uint64_t *ret, char error[512])
{
	char *end;

	errno = 0;
	const unsigned long long v = strtoull(text, &end, 10);
	if (end == text || *end || errno || *text == '-' || v < min || v > max)
		return load_options_wrong(
			error, "%s wants a whole number from %llu to %llu, not '%s'",
			what, (unsigned long long)min, (unsigned long long)max, text);
	*ret = v;
	return 0;
}

static int load_options_parse_time(const char *what, const char *text, uint64_t *ret,
				   char error[512])
{
	if (load_options_time(text, ret) < 0 || *ret == 0)
		return load_options_wrong(
			error, "%s wants a time such as 5, 500ms or 2m, not '%s'", what,
			text);
	return 0;
}

/* A number is a process id, everything else the name of a process. */
static int load_options_parse_pid(struct load_options *o, const char *text,
				  char error[512])
{
	char *end;

	errno = 0;
	const long v = strtol(text, &end, 10);
	if (*text && (end == text || *end) && *text != '-') {
		o->wanted[o->wanted_count++] = text;
		return 0;
	}
	if (*end || errno || v < 1 || v > 1 << 30)
		return load_options_wrong(error, "'%s' is not a process id", text);
	pid_t *pids = (pid_t *)(uintptr_t)o->pids;
	for (size_t i = 0; i < o->pid_count; i++) {
		if (pids[i] == (pid_t)v)
			return load_options_wrong(error, "process %ld is named twice", v);
	}
	pids[o->pid_count++] = (pid_t)v;
	return 0;
}

static int load_options_parse_method(const char *text, enum load_method *ret,
				     char error[512])
{
	static const char *const names[] = { "auto", "agent", "external" };

	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum load_method)i;
			return 0;
		}
	}
	return load_options_wrong(error, "--method is auto, agent or external, not '%s'",
				  text);
}

static int load_options_parse_pause(const char *text, uint64_t *ret_ns, char error[512])
{
	char *end;
	const double ms = strtod(text, &end);

	if (end == text || *end || !(ms > 0 && ms < 1e9))
		return load_options_wrong(
			error, "--max-pause wants milliseconds, not '%s'", text);
	*ret_ns = (uint64_t)(ms * 1e6);
	return 0;
}

/* Where the text of an option goes that is kept as it is; NULL: it's another. */
static const char **load_options_text(struct load_options *o, int code)
{
	switch (code) {
	case 'f':
		return &o->output;
	case 'e':
		return &o->exec;
	case OPT_SNAPSHOT:
		return &o->snapshot;
	case OPT_HTML:
		return &o->html;
	case OPT_UPLOAD:
		return &o->upload;
	case OPT_PROBES:
		return &o->probes;
	case OPT_CORE:
		return &o->core;
	case OPT_SYSROOT:
		return &o->sysroot;
	default:
		return NULL;
	}
}

/* The same of a flag. */
static bool *load_options_flag(struct load_options *o, int code)
{
	switch (code) {
	case 'q':
		return &o->quiet;
	case 'd':
		return &o->debug;
	case OPT_JSON:
		return &o->json;
	case OPT_CHILDREN:
		return &o->children;
	case OPT_NO_UPLOAD:
		return &o->no_upload;
	case OPT_NO_FORK:
		return &o->no_fork;
	case OPT_NO_VALUES:
		return &o->no_values;
	case OPT_KEEP_AGENT:
		return &o->keep_agent;
	case OPT_DRY_RUN:
		return &o->dry_run;
	default:
		return NULL;
	}
}

/* Options that are only a flag or a string. */
static bool load_options_take_plain(struct load_options *o, int code, const char *arg)
{
	const char **const text = load_options_text(o, code);
	bool *const flag = load_options_flag(o, code);

	if (text)
		*text = arg;
	if (flag)
		*flag = true;
	if (code == OPT_SUMMARY || code == OPT_PROFILE)
		o->as = code == OPT_SUMMARY ? "summary" : "pprof";
	return text || flag || code == OPT_SUMMARY || code == OPT_PROFILE;
}

static int load_options_take(struct load_options *o, int code, const char *arg,
			     char error[512])
{
	uint64_t v = 0;

	if (load_options_take_plain(o, code, arg))
		return 0;
	switch (code) {
	case 's':
		if (load_options_parse_count("--show-references", arg, 0, 1000, &v,
					     error) < 0)
			return -1;
		o->references = (unsigned)v;
		return 0;
	case OPT_NAME:
		if (o->name_count == OPTIONS_NAMES_MAX)
			return load_options_wrong(error,
						  "more than %d names given with -ss",
						  OPTIONS_NAMES_MAX);
		o->names[o->name_count++] = arg;
		return 0;
	case OPT_METHOD:
		return load_options_parse_method(arg, &o->method, error);
	case OPT_VALUES:
		if (load_options_parse_count("--values", arg, 0, SNAP_PREVIEW_MAX, &v,
					     error) < 0)
			return -1;
		o->value_limit = (uint32_t)v;
		o->no_values = v == 0;
		return 0;
	case OPT_MAX_PAUSE:
		return load_options_parse_pause(arg, &o->max_pause_ns, error);
	case OPT_MAX_MEMORY:
		if (load_options_size(arg, &o->max_memory) < 0 || o->max_memory == 0)
			return load_options_wrong(
				error, "--max-memory wants a size such as 200M, not '%s'",
				arg);
		return 0;
	case OPT_TIMEOUT:
		return load_options_parse_time("--timeout", arg, &o->timeout_ns, error);
	case OPT_GIL_TIMEOUT:
		return load_options_parse_time("--gil-timeout", arg, &o->gil_timeout_ns,
					       error);
	case OPT_EVERY:
		return load_options_parse_time("--every", arg, &o->every_ns, error);
	case OPT_LEAK_CHECK:
		return load_options_parse_count("--leak-check", arg, 2, 1000,
						&o->leak_check, error);
	case OPT_COUNT:
		return load_options_parse_count("--count", arg, 1, UINT64_MAX, &o->count,
						error);
	default:
		return load_options_wrong(error, "unknown option");
	}
}

/* What getopt_long needs, made from the table. */
static void load_options_make_getopt(char shorts[64], struct option longs[ROWS + 1])
{
	size_t s = 0, l = 0;

	shorts[s++] = '-'; /* operands come in order, as "option" 1 */
	shorts[s++] = ':'; /* a missing argument is told apart */
	for (int i = 0; i < ROWS; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->code == 0)
			continue;
		longs[l++] =
			(struct option){ row->name,
					 row->argument ? required_argument : no_argument,
					 NULL, row->code };
		if (row->code < 256) {
			shorts[s++] = (char)row->code;
			if (row->argument)
				shorts[s++] = ':';
		}
	}
	shorts[s] = '\0';
	longs[l] = (struct option){ 0 };
}

/*
 * -ss NAME, -ss=NAME and -ssNAME become the long option (-s takes a number, so
 * none of them means anything else).  Stops at "--".
 */
static int load_options_spell_out(int argc, char **argv, struct load_options *o)
{
	static const char name[] = "--show-specific-references";

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strncmp(argv[i], "-ss", 3) != 0)
			continue;
		const char *rest = argv[i] + 3 + (argv[i][3] == '=');
		char *text = NULL;
		if (asprintf(&text, *rest ? "%s=%s" : "%s%s", name, rest) < 0)
			return -1;
		o->spelled[o->spelled_count++] = text;
		argv[i] = text;
	}
	return 0;
}

/* What an option means nothing for. */
enum { NOT_FOR_COMMAND = 1, NOT_FOR_CORE = 2, NOT_FOR_EITHER = 3 };

/* An option that was given, and goes with a living process alone. NULL: none was. */
static const char *load_options_misplaced(const struct load_options *o, int what)
{
	const struct {
		bool given;
		int what;
		const char *name;
	} rows[] = {
		{ o->snapshot, NOT_FOR_COMMAND, "--snapshot" },
		{ o->html, NOT_FOR_COMMAND, "--html" },
		{ o->json, NOT_FOR_COMMAND, "--json" },
		{ o->exec, NOT_FOR_COMMAND, "--exec" },
		{ o->references, NOT_FOR_EITHER, "--show-references" },
		{ o->name_count, NOT_FOR_EITHER, "--show-specific-references" },
		{ o->dry_run, NOT_FOR_EITHER, "--dry-run" },
		{ o->children, NOT_FOR_EITHER, "--children" },
		{ o->keep_agent, NOT_FOR_EITHER, "--keep-agent" },
		{ o->no_fork, NOT_FOR_EITHER, "--no-fork" },
		{ o->method != LOAD_METHOD_AUTO, NOT_FOR_EITHER, "--method" },
		{ o->max_pause_ns, NOT_FOR_EITHER, "--max-pause" },
		{ o->max_memory, NOT_FOR_EITHER, "--max-memory" },
		{ o->probes, NOT_FOR_EITHER, "--probes" },
		{ o->count, NOT_FOR_EITHER, "--count" },
		{ o->every_ns, NOT_FOR_CORE, "--every" },
		{ o->upload, NOT_FOR_CORE, "--upload" },
		{ o->as, NOT_FOR_CORE, "--summary (or --profile)" },
		{ o->leak_check, NOT_FOR_CORE, "--leak-check" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].given && rows[i].what & what)
			return rows[i].name;
	return NULL;
}

/* Rules of what is written in the snapshot's place. */
static int load_options_check_as(const struct load_options *o, char error[512])
{
	const bool draws = o->references || o->name_count || o->html;

	if (o->as && draws)
		return load_options_wrong(
			error, "--summary and --profile keep no snapshot to draw from");
	if (o->as && o->json && !o->output)
		return load_options_wrong(
			error, "--json wants standard output: name a file with -f");
	if (o->leak_check && !o->command)
		return load_options_wrong(error, "--leak-check goes with a command");
	if (o->leak_check && (o->as || o->output || o->upload))
		return load_options_wrong(
			error,
			"--leak-check keeps no file: no -f, --summary, --profile, "
			"--upload");
	return 0;
}

/* What can't be made from standard output. */
static int load_options_check_output(const struct load_options *o, char error[512])
{
	if (o->output ? strcmp(o->output, "-") != 0 : !o->as || o->command)
		return 0;
	if (o->upload)
		return load_options_wrong(error,
					  "--upload takes a finished file, and this goes "
					  "to standard output: "
					  "name one with -f FILE");
	if (!o->output)
		return 0;
	if (o->json)
		return load_options_wrong(error,
					  "--json and -f - both want standard output");
	if (o->references || o->name_count)
		return load_options_wrong(
			error, "-s and -ss draw from a file: name one with -f FILE");
	if (o->html)
		return load_options_wrong(
			error, "--html is made from a file: name one with -f FILE");
	return 0;
}

static int load_options_check_core(const struct load_options *o, char error[512])
{
	if (!o->core)
		return load_options_wrong(error, "--sysroot goes with --core");
	if (o->command || o->pid_count || o->wanted_count)
		return load_options_wrong(
			error, "--core takes the place of process ids and commands");
	if (load_options_misplaced(o, NOT_FOR_CORE))
		return load_options_wrong(error,
					  "%s goes with a process, not with --core",
					  load_options_misplaced(o, NOT_FOR_CORE));
	return load_options_check_output(o, error);
}

/* Rules between options. */
static int load_options_check(struct load_options *o, char error[512])
{
	if (o->core || o->sysroot)
		return load_options_check_core(o, error);
	const size_t targets = o->pid_count + o->wanted_count;
	if (!o->command && targets == 0)
		return load_options_wrong(error, "no process id given");
	if (o->no_upload)
		o->upload = NULL;
	if (o->command && targets > 0)
		return load_options_wrong(error,
					  "give process ids or a command, not both");
	if (o->command && !*o->command)
		return load_options_wrong(error, "no command after \"--\"");
	if (o->command && load_options_misplaced(o, NOT_FOR_COMMAND))
		return load_options_wrong(error,
					  "%s goes with process ids, not with a command",
					  load_options_misplaced(o, NOT_FOR_COMMAND));
	if (o->no_fork && o->method == LOAD_METHOD_EXTERNAL)
		return load_options_wrong(
			error,
			"--no-fork and --method=external exclude each other: "
			"that method works on a copy");
	if (load_options_check_output(o, error) < 0)
		return -1;
	if (o->count && !o->every_ns)
		return load_options_wrong(error, "--count goes with --every");
	if (o->every_ns && targets > 1)
		return load_options_wrong(error, "--every takes one process id");
	if (load_options_check_as(o, error) < 0)
		return -1;
	if (o->every_ns && !o->as && o->output && strcmp(o->output, "-") == 0)
		return load_options_wrong(
			error,
			"--every writes files: name one with -f, such as "
			"-f snap-%%n.pymem");
	return 0;
}

static int load_options_parse_all(int argc, char **argv, struct load_options *o,
				  char error[512])
{
	char shorts[64];
	struct option longs[ROWS + 1];

	load_options_make_getopt(shorts, longs);
	opterr = 0;
	optind = 0;
	for (;;) {
		const int code = getopt_long(argc, argv, shorts, longs, NULL);
		const char *said = argv[optind > 0 ? optind - 1 : 0];

		if (code == -1)
			break;
		if (code == 'h')
			return OPTIONS_HELP;
		if (code == OPT_VERSION)
			return OPTIONS_VERSION;
		if (code == ':')
			return load_options_wrong(error, "option '%s' needs an argument",
						  said);
		if (code == '?' && optopt > 0 && optopt < 256 && !strchr(shorts, optopt))
			return load_options_wrong(error, "unknown option '-%c'", optopt);
		if (code == '?')
			return load_options_wrong(
				error,
				optopt ? "option '%s' takes no argument" :
					 "unknown option '%s', or short for several",
				said);
		if ((code == 1 ? load_options_parse_pid(o, optarg, error) :
				 load_options_take(o, code, optarg, error)) < 0)
			return -1;
	}
	if (optind <= argc && optind > 0 && strcmp(argv[optind - 1], "--") == 0)
		o->command = argv + optind;
	return load_options_check(o, error);
}

enum options_verdict load_options_parse(int argc, char **argv, struct load_options *ret,
					char error[512])
{
	*ret = (struct load_options){
		.timeout_ns = 600ull * 1000000000,
		.gil_timeout_ns = 5ull * 1000000000,
	};
	ret->pids = calloc((size_t)argc + 1, sizeof(*ret->pids));
	ret->wanted = calloc((size_t)argc + 1, sizeof(*ret->wanted));
	ret->spelled = calloc((size_t)argc + 1, sizeof(*ret->spelled));
	if (!ret->pids || !ret->wanted || !ret->spelled ||
	    load_options_spell_out(argc, argv, ret) < 0) {
		load_options_wrong(error, "out of memory");
		load_options_free(ret);
		return OPTIONS_WRONG;
	}
	const int v = load_options_parse_all(argc, argv, ret, error);
	if (v == 0)
		return OPTIONS_RUN;
	load_options_free(ret);
	return v < 0 ? OPTIONS_WRONG : (enum options_verdict)v;
}

void load_options_free(struct load_options *options)
{
	for (size_t i = 0; i < options->spelled_count; i++)
		free(options->spelled[i]);
	free(options->spelled);
	free((void *)(uintptr_t)options->pids);
	free(options->wanted);
	options->pids = NULL;
	options->wanted = NULL;
	options->spelled = NULL;
	options->spelled_count = 0;
}
