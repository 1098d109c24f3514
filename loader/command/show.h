/* SPDX-License-Identifier: MIT */
/* show - pymem-view on a finished snapshot: on the terminal, or as text. */
#ifndef PYMEM_LOADER_COMMAND_SHOW_H
#define PYMEM_LOADER_COMMAND_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Standard input and output are a terminal that can be drawn on. */
bool show_interactive(void);
/*
 * Runs the viewer on the terminal and waits for it.  compare: older snapshot or NULL.
 * memory: bytes that the processes captured have in memory; without an older snapshot,
 * of which that is not known, the viewer is told what may come of so much.
 */
int show_viewer(const char *viewer, const char *file, const char *compare,
		uint64_t memory);
/*
 * Has the viewer write a page about the snapshot into a file (--export html).  0, or the
 * viewer's exit status, which has said why (127: it could not be run).
 */
int show_page(const char *viewer, const char *file, const char *compare,
	      const char *page);
/*
 * Has the viewer write an export of the snapshot in the descriptor `snapshot`, which is
 * at its start, to the descriptor out.  As show_page.
 */
/* The viewer's report of growth over count files, in time order. Exit status. */
int show_growth(const char *viewer, const char *const *files, size_t count);
int show_export(const char *viewer, const char *format, int snapshot, const char *compare,
		int out);
/*
 * Has the viewer answer a query about snapshots (count of them) on the descriptor out.
 * As show_page.
 */
int show_query(const char *viewer, const char *query, const char *const *files,
	       size_t count, int out);
/*
 * Prints the overview, and with compare the differences, as text on standard
 * output.  0, or the viewer's exit status (127: it could not be run).
 */
int show_reports(const char *viewer, const char *file, const char *compare,
		 uint64_t memory);

#endif
