/* SPDX-License-Identifier: MIT */
/*
 * terminal - where a surface is shown and keys come from.
 *
 * Two kinds: a real one through ncurses, and a script with a surface in memory
 * (terminal_script.c), which the tests and non-tty uses drive.  One thread.
 */
#ifndef PYMEM_VIEWER_SCREEN_TERMINAL_H
#define PYMEM_VIEWER_SCREEN_TERMINAL_H

#include <stdbool.h>

#include "viewer/screen/keys.h"
#include "viewer/screen/surface.h"

struct terminal;

struct terminal_ops {
	/* Current size in cells. */
	void (*size)(struct terminal *, int *width_ret, int *height_ret);
	/* The fd that becomes readable when a key came. */
	int (*fd)(struct terminal *);
	/* Takes one event without blocking; KEY_IS_NONE when there is none. */
	struct event (*read)(struct terminal *);
	/* True when Esc or ^C was pressed while something long runs; other keys are
	 * dropped. */
	bool (*interrupted)(struct terminal *);
	void (*show)(struct terminal *, const struct surface *);
	void (*destroy)(struct terminal *);
};

struct terminal {
	const struct terminal_ops *ops;
	bool color, utf8; /* what it can show */
	bool scripted;
};

struct screen_options;

/*
 * The real terminal (stdout and stdin, or /dev/tty when stdin is something
 * else).  NULL when there is none, with one sentence in *why.  Until destroy,
 * signals that end the program restore the terminal first.
 */
struct terminal *terminal_curses(const struct screen_options *options, const char **why);

/* Whether NO_COLOR asks for none: set, and not empty (no-color.org). */
bool terminal_no_color(void);

/* A script's. NULL when the script cannot be read (errno). */
struct terminal *terminal_script(const struct screen_options *options);
/* Changes the size of a script's screen; no effect on others. */
void terminal_script_resize(struct terminal *terminal, int width, int height);
/* The next long piece of work sees one Esc after `calls` looks at the keyboard. */
void terminal_script_interrupt(struct terminal *terminal, int calls);
/* Where the script is, for messages: line number of what was read last. */
int terminal_script_line(const struct terminal *terminal);

#endif
