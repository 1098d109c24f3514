/* SPDX-License-Identifier: MIT */
/*
 * style - what a piece of screen means, and how that looks.
 *
 * Screens name a meaning; the table in style.c says how it looks in colour and
 * how without (NO_COLOR, monochrome).  Nothing is told by colour alone.
 */
#ifndef PYMEM_VIEWER_SCREEN_STYLE_H
#define PYMEM_VIEWER_SCREEN_STYLE_H

#include <stdbool.h>
#include <stdint.h>

enum style {
	STYLE_NORMAL,
	STYLE_TITLE, /* top line */
	STYLE_CRUMB, /* current place in the top line */
	STYLE_TAB,
	STYLE_TAB_ON,
	STYLE_HEAD,
	STYLE_HEAD_SORT, /* column titles */
	STYLE_CURSOR,	 /* the selected row */
	STYLE_DIM,	 /* less important */
	STYLE_STRONG,	 /* headings inside a screen */
	STYLE_KEY,
	STYLE_KEY_TEXT, /* bottom key bar */
	STYLE_STATUS,	/* message line */
	STYLE_PROMPT,
	STYLE_ERROR,
	STYLE_WARN,
	STYLE_MATCH, /* found by search */
	STYLE_TYPE,  /* type names */
	STYLE_VALUE, /* previews of target data */
	STYLE_LABEL, /* .attribute, ['key'] */
	STYLE_ROOT,  /* module, thread, frame */
	STYLE_BAR,   /* share bars */
	STYLE_MORE,
	STYLE_LESS, /* grew, shrank */
	STYLE_PART1,
	STYLE_PART2,
	STYLE_PART3,
	STYLE_PART4,
	STYLE_PART5,
	STYLE_PART6,
	STYLE_PART7, /* pieces of a whole: budget, icicles */
	STYLE_COUNT
};

enum look_flags {
	LOOK_BOLD = 1,
	LOOK_DIM = 2,
	LOOK_REVERSE = 4,
	LOOK_UNDERLINE = 8,
};

/* fg, bg: 0-7 as in ANSI, -1 = the terminal's own. */
struct look {
	int8_t fg, bg;
	uint8_t flags; /* enum look_flags */
};

/* How style looks. selected: as part of the selected row. */
struct look style_look(enum style style, bool selected, bool color);

#endif
