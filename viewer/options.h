/* SPDX-License-Identifier: MIT */
/* options - pymem-view's command line. */
#ifndef PYMEM_VIEWER_OPTIONS_H
#define PYMEM_VIEWER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "viewer/export.h"
#include "viewer/mcp/capturer.h"
#include "viewer/report/report.h"
#include "viewer/screen/screen.h"

enum { OPTIONS_FAIL_IF = 100 };

struct options {
	struct screen_options screen; /* files, compare, live, listen, script, ... */
	const struct report *report;  /* NULL: none asked for */
	const char *format;	      /* "text", "json", "csv"; NULL: not given */
	struct report_params params;  /* sort may point to sort_key */
	char sort_key[64];
	const char *graph, *of; /* --graph KIND --of NAME|ADDR, or NULL */
	uint64_t pid;		/* --pid: which process of the file to draw, 0 =
					 * the first */
	unsigned depth;
	const struct exporter *exporter; /* --export FORMAT, or NULL */
	const struct document *document; /* the same, of the analysed ones */
	bool to_sqlite;			 /* --export sqlite */
	bool mcp, values;		 /* --mcp, --values */
	pid_t capture[CAPTURER_PIDS];	 /* --allow-capture */
	size_t ncapture;
	bool merge;	      /* --merge */
	uint64_t devtools_id; /* --object @ID: of a .heapsnapshot; 0: none */
	const char *output;   /* -o FILE, or NULL */
	const char *consume;  /* --consume: the file, or NULL */
	const char *sql;      /* --sql, or NULL */
	const char *fail_if[OPTIONS_FAIL_IF]; /* --fail-if, in order */
	size_t nfail_if;
	bool sql_shell;		 /* --sql-shell */
	uint64_t sql_timeout_ns; /* 0: none */
	uint64_t sql_memory;	 /* bytes, 0: the engine's */
	uint64_t max_memory;	 /* bytes, 0 = 512 MiB and what a file's size justifies */
};

/* Fills *ret; strings point into argv. True: go on. False: end with *exit_ret (0 after
 * --help
 * and --version, 2 after a usage error; both have been said). */
bool options_from_args(int argc, char **argv, struct options *ret, int *exit_ret);

#endif
