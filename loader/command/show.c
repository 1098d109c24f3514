/* SPDX-License-Identifier: MIT */
/* show - see show.h. */
#include "loader/command/show.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/base/foreground.h"

/* The viewer counts 16 bytes for a raw byte; a heap has no more of those than bytes. */
enum { MEMORY_OF_HEAP = 16 };

bool show_interactive(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
		strcmp(term, "dumb") != 0;
}

/* in, out: what become its standard input and output, or -1: ours. */
static int show_run_on(const char *const *argv, int in, int out, bool has_terminal)
{
	int status = -1;

	fflush(stdout);
	const pid_t pid = fork();
	if (pid == 0) {
		foreground_default_signals();
		if ((in >= 0 && dup2(in, STDIN_FILENO) < 0) ||
		    (out >= 0 && dup2(out, STDOUT_FILENO) < 0))
			_exit(127);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid > 0)
		foreground_attend(pid, has_terminal, &status);
	return pid > 0 && status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

static int show_run(const char *const *argv)
{
	return show_run_on(argv, -1, -1, false);
}

/* "--max-memory=BYTES" for the viewer: what a heap of this size can unfold to. */
static const char *show_limit(char buf[48], uint64_t memory)
{
	snprintf(buf, 48, "--max-memory=%" PRIu64,
		 (UINT64_C(512) << 20) + MEMORY_OF_HEAP * memory);
	return buf;
}

int show_viewer(const char *viewer, const char *file, const char *compare,
		uint64_t memory)
{
	char limit[48];
	const char *const plain[] = { viewer, show_limit(limit, memory), "--", file,
				      NULL };
	const char *const diff[] = { viewer, "--compare", compare, "--", file, NULL };

	return show_run_on(compare ? diff : plain, -1, -1, true);
}

int show_page(const char *viewer, const char *file, const char *compare, const char *page)
{
	const char *const plain[] = { viewer, "--export", "html", "-o",
				      page,   "--",	  file,	  NULL };
	const char *const diff[] = { viewer,	  "--export", "html", "-o", page,
				     "--compare", compare,    "--",   file, NULL };

	return show_run(compare ? diff : plain);
}

int show_export(const char *viewer, const char *format, int snapshot, const char *compare,
		int out)
{
	const char *const plain[] = { viewer, "--export", format, "-o",
				      "-",    "--",	  "-",	  NULL };
	const char *const diff[] = { viewer,	  "--export", format, "-o", "-",
				     "--compare", compare,    "--",   "-",  NULL };

	return show_run_on(compare ? diff : plain, snapshot, out, false);
}

/* Runs these words, and behind them the files. */
static int show_files(const char *const *words, size_t n, const char *const *files,
		      size_t count, int out)
{
	const char **const argv = calloc(n + count + 1, sizeof(*argv));
	int status = 127;

	if (argv) {
		memcpy(argv, words, n * sizeof(*words));
		memcpy(argv + n, files, count * sizeof(*files));
		status = show_run_on(argv, -1, out, false);
	}
	free(argv);
	return status;
}

int show_query(const char *viewer, const char *query, const char *const *files,
	       size_t count, int out)
{
	const char *const words[] = { viewer,  "--no-sidecar", "--all",
				      "--sql", query,	       "--" };

	return show_files(words, sizeof(words) / sizeof(words[0]), files, count, out);
}

int show_growth(const char *viewer, const char *const *files, size_t count)
{
	const char *const words[] = { viewer,	 "--no-sidecar", "--report", "growth",
				      "--limit", "15",		 "--" };

	return show_files(words, sizeof(words) / sizeof(words[0]), files, count, -1);
}

int show_reports(const char *viewer, const char *file, const char *compare,
		 uint64_t memory)
{
	char limit[48];
	/* One run: overview (with the first suspects), types, and differences. */
	const char *const plain[] = { viewer,	 "--format", "text",
				      "--limit", "15",	     show_limit(limit, memory),
				      "--",	 file,	     NULL };
	const char *const diff[] = { viewer,	  "--format", "text", "--limit", "15",
				     "--compare", compare,    "--",   file,	 NULL };

	return show_run(compare ? diff : plain);
}
