/* SPDX-License-Identifier: MIT */
/*
 * keys - what arrives from a keyboard, a mouse or a script, as one number.
 *
 * Printable keys are their code point.  The rest lies above Unicode.
 */
#ifndef PYMEM_VIEWER_SCREEN_KEYS_H
#define PYMEM_VIEWER_SCREEN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key {
	KEY_IS_NONE = 0, /* nothing came in time */
	KEY_IS_ESC = 0x1b,
	KEY_IS_TAB = 0x09,
	KEY_IS_ENTER = 0x0a,
	KEY_IS_REDRAW = 0x0c, /* ^L */
	KEY_IS_BACKSPACE = 0x110000,
	KEY_IS_UP,
	KEY_IS_DOWN,
	KEY_IS_LEFT,
	KEY_IS_RIGHT,
	KEY_IS_PAGE_UP,
	KEY_IS_PAGE_DOWN,
	KEY_IS_HOME,
	KEY_IS_END,
	KEY_IS_BACKTAB,
	KEY_IS_DELETE,
	KEY_IS_F1,
	KEY_IS_F2,
	KEY_IS_F3,
	KEY_IS_F4,
	KEY_IS_F5,
	KEY_IS_F6,
	KEY_IS_F7,
	KEY_IS_F8,
	KEY_IS_F9,
	KEY_IS_F10,
	KEY_IS_CLICK,
	KEY_IS_WHEEL_UP,
	KEY_IS_WHEEL_DOWN,
	KEY_IS_RESIZE,	/* the size changed */
	KEY_IS_COMMAND, /* a script's :command; text in the event */
	KEY_IS_EOF,	/* no more input will come */
};

struct event {
	uint32_t key;	  /* enum key or a code point */
	int y, x;	  /* of the mouse */
	bool twice;	  /* a double click */
	const char *text; /* KEY_IS_COMMAND: without the colon; until the next read */
};

/*
 * The keys of a script line: plain characters, or <Name> (<Enter>, <Down>, <Esc>, <lt>,
 * <F1>, ...).  Reads one key at *text, which moves on; false at the end of the
 * line.  An unknown name gives KEY_IS_NONE and moves behind it.
 */
bool key_parse(const char **text, uint32_t *ret);

/*
 * Moving is the same everywhere: arrows, wasd, hjkl.  Gives KEY_IS_UP.._RIGHT,
 * PAGE_*, HOME (also H), END (also G) for the keys that mean them; others
 * unchanged.
 */
uint32_t key_as_motion(uint32_t key);

#endif
