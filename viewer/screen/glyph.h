/* SPDX-License-Identifier: MIT */
/*
 * glyph - turns bytes nobody vouches for into characters that fit cells.
 *
 * A snapshot's text is whatever the target had in memory.  What reaches a cell
 * is a printable character of width 1 or 2 whose neighbours keep their place;
 * everything else is spelled out: control characters and invalid bytes as \x1b,
 * zero-width, combining, private, unassigned and right-to-left ones as \u202e
 * (a terminal that reorders right-to-left text would mix up the columns).
 */
#ifndef PYMEM_VIEWER_SCREEN_GLYPH_H
#define PYMEM_VIEWER_SCREEN_GLYPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GLYPH_MAX 12 /* characters one source character may become */

/* One source character as cells. */
struct glyph {
	uint32_t chars[GLYPH_MAX];
	uint8_t nchars;	 /* of chars */
	uint8_t columns; /* all of them together */
	uint8_t bytes;	 /* taken from the source, >= 1 */
	bool escaped;	 /* spelled out */
};

/*
 * Decodes the character at text (size >= 1 bytes left).  ascii: only 0x20-0x7e
 * come out; a few common symbols are transcribed, the rest is spelled out.
 */
struct glyph glyph_next(const char *text, size_t size, bool ascii);

/* Columns the text would take; stops counting beyond limit. */
int glyph_columns(const char *text, size_t size, bool ascii, int limit);

/* Encodes c as UTF-8 into out (4 bytes); returns the length. */
int glyph_encode(uint32_t c, char out[4]);

/* Columns of one character that stands alone in a cell: 1 or 2; 0 = not fit for a
 * cell. */
int glyph_width(uint32_t c);

#endif
