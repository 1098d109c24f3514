/* SPDX-License-Identifier: MIT */
/*
 * screen - the interactive viewer, as one call.
 *
 * Opens the given snapshots (with progress, Esc cancels), or follows a live
 * stream, or listens for streams on a socket, and lets a person walk through
 * them until q.  Draws on the terminal; with a script, on a surface in memory,
 * so that it needs no terminal at all.
 */
#ifndef PYMEM_VIEWER_SCREEN_SCREEN_H
#define PYMEM_VIEWER_SCREEN_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

enum screen_color {
	SCREEN_COLOR_AUTO, /* colour unless NO_COLOR is set or the terminal has none */
	SCREEN_COLOR_NEVER,
	SCREEN_COLOR_ALWAYS,
};

enum screen_charset {
	SCREEN_CHARSET_AUTO, /* what the locale says */
	SCREEN_CHARSET_ASCII,
	SCREEN_CHARSET_UTF8,
};

/* Zeroed members are the defaults, but live_fd: -1 = none. */
struct screen_options {
	char *const *files; /* snapshots to open; "-" = stdin */
	size_t nfiles;
	const char *compare;   /* older snapshot to compare with, or NULL */
	int live_fd;	       /* stream to follow; closed at its end */
	const char *live_name; /* the file it is also written to, or NULL */
	const char *listen; /* path of the unix socket to make and listen on, or NULL */
	const char *save;   /* folder in which what comes there is kept, or NULL */
	const char *script; /* file of keys and :commands ("-" = stdin), or NULL */
	int width, height;  /* of the script's screen; 0 = 80x24 */
	enum screen_color color;
	enum screen_charset charset;
	bool no_mouse;
	bool sidecar;	  /* write the index also where opening was quick */
	bool no_sidecar;  /* don't use or write the index beside the snapshot */
	const char *type; /* start at this type's instances, or NULL */
	/* Called once the terminal is there and before any snapshot is read: gives up
	 * rights.  Negative: it goes no further.  NULL = there are none to give up. */
	int (*confine)(const void *arg);
	const void *confine_arg;
	bool python_only;      /* sizes without native memory */
	const char *graph_dir; /* where `g` writes; NULL = the current directory */
};

/*
 * Runs until the user quits or the script ends.  A live stream or a listener without a
 * terminal is told as lines of text on stdout (live/follow_text.h).  Returns the
 * program's exit code: 0, 1 (failed, or an :assert of the script did not hold: said on
 * stderr), 3 (a snapshot was truncated).  Calls setlocale; leaves the terminal
 * as it was.  Not reentrant.
 */
int screen_run(const struct screen_options *options);

/* True when a terminal to draw on can be had (stdout is one and TERM is usable). */
bool screen_possible(void);

#endif
