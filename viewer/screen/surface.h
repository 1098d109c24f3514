/* SPDX-License-Identifier: MIT */
/*
 * surface - a grid of cells that every screen draws on.
 *
 * A cell holds one character of width 1 or 2 (the cell right of a wide one
 * belongs to it) and a style.  All drawing is clipped to the surface; text goes
 * through glyph.h, so whatever its bytes are, the grid stays a grid.  Backends
 * (terminal.h) show a surface; tests save it as text.
 */
#ifndef PYMEM_VIEWER_SCREEN_SURFACE_H
#define PYMEM_VIEWER_SCREEN_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "viewer/screen/style.h"

struct surface_cell {
	uint32_t ch;   /* 0 = right half of the wide character before */
	uint8_t style; /* enum style */
	bool selected;
};

struct surface {
	int width, height;
	bool ascii, color;
	struct surface_cell *cells; /* height rows of width */
};

struct rect {
	int y, x, height, width;
};

/* 0, or -1 when out of memory (then the old size stays). Clears. */
int surface_resize(struct surface *s, int width, int height);
void surface_deinit(struct surface *s);
void surface_clear(struct surface *s);

/*
 * Draws text (any bytes, size of them) in at most width columns; when it does
 * not fit, it ends with an ellipsis.  Returns the columns used.
 */
int surface_text(struct surface *s, int y, int x, int width, enum style style,
		 const char *text, size_t size);
/* As surface_text, of a C string. */
int surface_puts(struct surface *s, int y, int x, int width, enum style style,
		 const char *text);
/* As surface_puts, but flush right in width columns, and the start is cut off when
 * needed. */
void surface_right(struct surface *s, int y, int x, int width, enum style style,
		   const char *text);
/* As surface_text, but when too long the middle is left out. */
void surface_middle_text(struct surface *s, int y, int x, int width, enum style style,
			 const char *text, size_t size);
int surface_printf(struct surface *s, int y, int x, int width, enum style style,
		   const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Breaks text into lines within r, at spaces where there are some; returns the lines
 * used. What does not fit ends with an ellipsis. */
int surface_wrap(struct surface *s, struct rect r, enum style style, const char *text,
		 size_t size);

/* Fills width cells with c. */
void surface_fill(struct surface *s, int y, int x, int width, enum style style,
		  uint32_t c);
/* Changes the style of cells without touching their characters. */
void surface_restyle(struct surface *s, int y, int x, int width, enum style style);
/* Marks a row of cells as the selected one. */
void surface_select(struct surface *s, int y, int x, int width);

/*
 * A bar of `share` (0..1) of width columns: eighth blocks, or # in ASCII.  A
 * share above 0 shows at least the smallest step.
 */
void surface_bar(struct surface *s, int y, int x, int width, enum style style,
		 double share);
/* A sparkline of n values, the last `width` of them, each between their least and
 * greatest. */
void surface_spark(struct surface *s, int y, int x, int width, enum style style,
		   const double *values, size_t n);

/* An empty box with a border; the inside is cleared. */
void surface_box(struct surface *s, struct rect r, enum style style);

/* One row as UTF-8, trailing blanks cut, with NUL; returns its length. size: bytes of
 * buf. */
size_t surface_row(const struct surface *s, int y, char *buf, size_t size);
/* True when some row contains text. */
bool surface_contains(const struct surface *s, const char *text);
/* Writes all rows, one line each. */
void surface_dump(const struct surface *s, FILE *out);
/*
 * Writes one character a cell telling how it looks: '.' plain; else a letter
 * for the colours and flags, explained by lines "letter = fg/bg flags" below.
 */
void surface_dump_looks(const struct surface *s, FILE *out);

#endif
