/* SPDX-License-Identifier: MIT */
/*
 * progress_line - one line on the terminal (standard error) that says how far the
 * captures are; rewritten in place, wiped before anything else is printed.
 * Silent when standard error is no terminal.  Also the log of --debug.
 */
#ifndef PYMEM_LOADER_COMMAND_PROGRESS_LINE_H
#define PYMEM_LOADER_COMMAND_PROGRESS_LINE_H

#include <stdbool.h>
#include <stdint.h>

/* quiet: no line; debug: log lines are printed (and the line isn't drawn). */
void progress_line_open(bool quiet, bool debug);
/* Draws: label = "1234" or "2 of 3"; phase: printable. */
void progress_line_show(const char *label, const char *phase, uint64_t objects,
			uint64_t bytes);
/* Wipes the line; further calls draw it again. */
void progress_line_wipe(void);
/* Stops drawing for good (the viewer has the terminal now). */
void progress_line_mute(void);
/* Draws again after progress_line_mute. */
void progress_line_unmute(void);
/* A line of --debug with the time since progress_line_open; arg: a label or NULL. */
void progress_line_log(void *arg, const char *line);

#endif
