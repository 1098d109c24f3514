/* SPDX-License-Identifier: MIT */
/* Invariant kept by surface_put(): a cell with ch == 0 always follows a wide
 * character; overwriting either half blanks the other. */
#include "viewer/screen/surface.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text/print.h"
#include "viewer/screen/glyph.h"

static struct surface_cell *surface_at(const struct surface *s, int y, int x)
{
	assert(y >= 0 && y < s->height && x >= 0 && x < s->width);
	return &s->cells[(size_t)y * (size_t)s->width + (size_t)x];
}

int surface_resize(struct surface *s, int width, int height)
{
	if (width < 1)
		width = 1;
	if (height < 1)
		height = 1;
	struct surface_cell *cells =
		calloc((size_t)width * (size_t)height, sizeof(*cells));
	if (!cells)
		return -1;
	free(s->cells);
	s->cells = cells;
	s->width = width;
	s->height = height;
	surface_clear(s);
	return 0;
}

void surface_deinit(struct surface *s)
{
	free(s->cells);
	s->cells = NULL;
}

void surface_clear(struct surface *s)
{
	for (int i = 0; i < s->width * s->height; i++)
		s->cells[i] = (struct surface_cell){ .ch = ' ' };
}

/* Blanks the other half of a wide character that is about to be cut. */
static void surface_unpair(struct surface *s, int y, int x)
{
	if (surface_at(s, y, x)->ch == 0 && x > 0)
		surface_at(s, y, x - 1)->ch = ' ';
	if (x + 1 < s->width && surface_at(s, y, x + 1)->ch == 0)
		surface_at(s, y, x + 1)->ch = ' ';
}

static void surface_put(struct surface *s, int y, int x, enum style style, uint32_t c,
			int columns)
{
	assert(columns == 1 || columns == 2);
	if (y < 0 || y >= s->height || x < 0 || x + columns > s->width)
		return;
	for (int i = 0; i < columns; i++) {
		surface_unpair(s, y, x + i);
		*surface_at(s, y, x + i) =
			(struct surface_cell){ .ch = ' ', .style = (uint8_t)style };
	}
	surface_at(s, y, x)->ch = c;
	if (columns == 2)
		surface_at(s, y, x + 1)->ch = 0;
}

static int surface_put_glyph(struct surface *s, int y, int x, enum style style,
			     const struct glyph *g)
{
	assert(g->nchars > 0 && g->columns > 0);
	if (g->nchars == 1) {
		surface_put(s, y, x, style, g->chars[0], g->columns);
		return g->columns;
	}
	for (int i = 0; i < g->nchars; i++)
		surface_put(s, y, x + i, style, g->chars[i], 1);
	return g->columns;
}

static void surface_put_ellipsis(struct surface *s, int y, int x, enum style style)
{
	surface_put(s, y, x, style, s->ascii ? '~' : 0x2026, 1);
}

int surface_text(struct surface *s, int y, int x, int width, enum style style,
		 const char *text, size_t size)
{
	if (width > s->width - x)
		width = s->width - x;
	if (width <= 0)
		return 0;
	bool fits = glyph_columns(text, size, s->ascii, width) <= width;
	int room = fits ? width : width - 1, used = 0;
	for (size_t i = 0; i < size;) {
		struct glyph g = glyph_next(text + i, size - i, s->ascii);
		if (used + g.columns > room)
			break;
		used += surface_put_glyph(s, y, x + used, style, &g);
		i += g.bytes;
	}
	if (!fits)
		surface_put_ellipsis(s, y, x + used++, style);
	return used;
}

int surface_puts(struct surface *s, int y, int x, int width, enum style style,
		 const char *text)
{
	return surface_text(s, y, x, width, style, text, strlen(text));
}

enum { MIDDLE_HEAD = 4 }; /* columns of what begins a text, or its middle stays */

static void surface_right_text(struct surface *s, int y, int x, int width,
			       enum style style, const char *text, size_t size)
{
	int columns = glyph_columns(text, size, s->ascii, 1 << 20);

	if (columns <= width) {
		surface_text(s, y, x, width, style, text, size);
		return;
	}
	if (width <= 0)
		return;
	surface_put_ellipsis(s, y, x, style);
	size_t skip = 0;
	while (columns > width - 1 && skip < size) {
		struct glyph g = glyph_next(text + skip, size - skip, s->ascii);
		columns -= g.columns;
		skip += g.bytes;
	}
	surface_text(s, y, x + width - columns, columns, style, text + skip, size - skip);
}

void surface_right(struct surface *s, int y, int x, int width, enum style style,
		   const char *text)
{
	int columns = glyph_columns(text, strlen(text), s->ascii, 1 << 20);

	if (columns <= width)
		x += width - columns;
	surface_right_text(s, y, x, columns <= width ? columns : width, style, text,
			   strlen(text));
}

void surface_middle_text(struct surface *s, int y, int x, int width, enum style style,
			 const char *text, size_t size)
{
	/* what something is reached by ends with what tells most */
	const int head = width / 3;
	int columns = glyph_columns(text, size, s->ascii, 1 << 20), used = 0;
	struct glyph g;
	size_t at = 0;

	if (columns <= width || head < MIDDLE_HEAD) {
		surface_text(s, y, x, width, style, text, size);
		return;
	}
	for (; at < size; at += g.bytes, used += g.columns, columns -= g.columns) {
		g = glyph_next(text + at, size - at, s->ascii);
		if (used + g.columns > head)
			break;
	}
	surface_text(s, y, x, used, style, text, at);
	surface_put_ellipsis(s, y, x + used++, style);
	for (; at < size && columns > width - used; at += g.bytes, columns -= g.columns)
		g = glyph_next(text + at, size - at, s->ascii);
	surface_text(s, y, x + used, width - used, style, text + at, size - at);
}

int surface_printf(struct surface *s, int y, int x, int width, enum style style,
		   const char *format, ...)
{
	char buf[1024];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	if (n < 0)
		return 0;
	return surface_text(s, y, x, width, style, buf, strlen(buf));
}

/* Bytes of text that fill one line: up to the last space that leaves half of it full. */
static size_t surface_line_break(const struct surface *s, const char *text, size_t size,
				 int width)
{
	size_t at = 0, space = 0;
	int used = 0;

	while (at < size) {
		struct glyph g = glyph_next(text + at, size - at, s->ascii);
		if (used + g.columns > width)
			return space ? space : at ? at : g.bytes;
		used += g.columns;
		at += g.bytes;
		if (text[at - 1] == ' ' && used > width / 2)
			space = at;
	}
	return size;
}

int surface_wrap(struct surface *s, struct rect r, enum style style, const char *text,
		 size_t size)
{
	int line = 0;

	for (size_t at = 0; at < size && line < r.height; line++) {
		size_t n = surface_line_break(s, text + at, size - at, r.width);
		if (line == r.height - 1)
			n = size - at;
		surface_text(s, r.y + line, r.x, r.width, style, text + at, n);
		at += n;
	}
	return line;
}

void surface_fill(struct surface *s, int y, int x, int width, enum style style,
		  uint32_t c)
{
	for (int i = 0; i < width; i++)
		surface_put(s, y, x + i, style, c, 1);
}

void surface_restyle(struct surface *s, int y, int x, int width, enum style style)
{
	for (int i = 0; i < width; i++)
		if (y >= 0 && y < s->height && x + i >= 0 && x + i < s->width)
			surface_at(s, y, x + i)->style = (uint8_t)style;
}

void surface_select(struct surface *s, int y, int x, int width)
{
	for (int i = 0; i < width; i++)
		if (y >= 0 && y < s->height && x + i >= 0 && x + i < s->width)
			surface_at(s, y, x + i)->selected = true;
}

void surface_bar(struct surface *s, int y, int x, int width, enum style style,
		 double share)
{
	if (!(share > 0) || width <= 0)
		return;
	if (share > 1)
		share = 1;
	if (s->ascii) {
		int n = (int)(share * width + 0.5);
		surface_fill(s, y, x, n < 1 ? 1 : n, style, '#');
		return;
	}
	int eighths = (int)(share * width * 8 + 0.5);
	if (eighths < 1)
		eighths = 1;
	surface_fill(s, y, x, eighths / 8, style, 0x2588);
	if (eighths % 8)
		surface_put(s, y, x + eighths / 8, style,
			    0x2590u - (uint32_t)(eighths % 8), 1);
}

void surface_spark(struct surface *s, int y, int x, int width, enum style style,
		   const double *values, size_t n)
{
	static const char levels[] = "_.-=+*#@";

	if (width <= 0)
		return;
	size_t first = n > (size_t)width ? n - (size_t)width : 0;
	double max = n > first ? values[first] : 0, min = max;
	for (size_t i = first; i < n; i++) {
		max = values[i] > max ? values[i] : max;
		min = values[i] < min ? values[i] : min;
	}
	for (size_t i = first; i < n; i++) {
		int level =
			max > min ? (int)((values[i] - min) / (max - min) * 7.999) : 0;
		uint32_t c = s->ascii ? (unsigned char)levels[level] :
					0x2581u + (uint32_t)level;
		surface_put(s, y, x + (int)(i - first), style, c, 1);
	}
}

void surface_box(struct surface *s, struct rect r, enum style style)
{
	uint32_t h = s->ascii ? '-' : 0x2500, v = s->ascii ? '|' : 0x2502;

	for (int y = r.y; y < r.y + r.height; y++)
		surface_fill(s, y, r.x, r.width, style, ' ');
	surface_fill(s, r.y, r.x, r.width, style, h);
	surface_fill(s, r.y + r.height - 1, r.x, r.width, style, h);
	for (int y = r.y; y < r.y + r.height; y++) {
		bool edge = y == r.y || y == r.y + r.height - 1;
		bool top = y == r.y;
		uint32_t left = s->ascii ? '+' : top ? 0x250c : 0x2514;
		uint32_t right = s->ascii ? '+' : top ? 0x2510 : 0x2518;
		surface_put(s, y, r.x, style, edge ? left : v, 1);
		surface_put(s, y, r.x + r.width - 1, style, edge ? right : v, 1);
	}
}

size_t surface_row(const struct surface *s, int y, char *buf, size_t size)
{
	size_t n = 0, end = 0;

	for (int x = 0; x < s->width && n + 5 <= size; x++) {
		uint32_t c = surface_at(s, y, x)->ch;
		if (c == 0)
			continue;
		n += (size_t)glyph_encode(c, buf + n);
		if (c != ' ')
			end = n;
	}
	buf[end] = 0;
	return end;
}

bool surface_contains(const struct surface *s, const char *text)
{
	size_t size = (size_t)s->width * 4 + 5;
	char *row = malloc(size);
	bool found = false;

	for (int y = 0; row && y < s->height && !found; y++) {
		surface_row(s, y, row, size);
		found = strstr(row, text) != NULL;
	}
	free(row);
	return found;
}

void surface_dump(const struct surface *s, FILE *out)
{
	size_t size = (size_t)s->width * 4 + 5;
	char *row = malloc(size);

	for (int y = 0; row && y < s->height; y++) {
		surface_row(s, y, row, size);
		print_format(out, "%s\n", row);
	}
	free(row);
}

static bool surface_plain(struct look l)
{
	return l.fg < 0 && l.bg < 0 && l.flags == 0;
}

static bool surface_same(struct look a, struct look b)
{
	return a.fg == b.fg && a.bg == b.bg && a.flags == b.flags;
}

/* The letter of a look, given out in order of appearance. */
static char surface_letter_of(struct look look, struct look *seen, int *nseen, int limit)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	if (surface_plain(look))
		return '.';
	int i = 0;
	while (i < *nseen && !surface_same(seen[i], look))
		i++;
	if (i == *nseen) {
		if (i == limit)
			return '?';
		seen[(*nseen)++] = look;
	}
	return letters[i];
}

void surface_dump_looks(const struct surface *s, FILE *out)
{
	struct look seen[52];
	int nseen = 0;

	for (int y = 0; y < s->height; y++) {
		for (int x = 0; x < s->width; x++) {
			const struct surface_cell *c = surface_at(s, y, x);
			struct look look =
				style_look((enum style)c->style, c->selected, s->color);
			print_format(out, "%c",
				     surface_letter_of(look, seen, &nseen, 52));
		}
		print_lines(out, "\n");
	}
	static const char *const names[] = { "own",  "black",	"red",	"green", "yellow",
					     "blue", "magenta", "cyan", "white" };
	for (int i = 0; i < nseen; i++)
		print_format(out, "%c = %s/%s%s%s%s%s\n",
			     surface_letter_of(seen[i], seen, &nseen, 52),
			     names[seen[i].fg + 1], names[seen[i].bg + 1],
			     seen[i].flags & LOOK_BOLD ? " bold" : "",
			     seen[i].flags & LOOK_DIM ? " dim" : "",
			     seen[i].flags & LOOK_REVERSE ? " reverse" : "",
			     seen[i].flags & LOOK_UNDERLINE ? " underline" : "");
}
