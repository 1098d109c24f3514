/* SPDX-License-Identifier: MIT */
/* Decoding is strict (escape.h): a byte that does not fit is shown alone as \xNN and the
 * next byte starts afresh, so the output is the same whatever precedes. */
#include "viewer/screen/glyph.h"

#include <assert.h>
#include <string.h>
#include <wchar.h>

#include "formats/text/escape.h"

struct range {
	uint32_t first, last;
};

/* Strong right-to-left letters and every character that directs text. */
static const struct range rtl[] = {
	{ 0x0590, 0x08ff },   { 0x200e, 0x200f },   { 0x202a, 0x202e },
	{ 0x2066, 0x2069 },   { 0xfb1d, 0xfdff },   { 0xfe70, 0xfeff },
	{ 0x10800, 0x10fff }, { 0x1e800, 0x1efff },
};

/* What ASCII terminals get for the symbols the viewer itself and people use. */
static const struct {
	uint32_t c;
	const char *text;
} transcribed[] = {
	{ 0x2026, "..." }, { 0x2192, "->" }, { 0x2190, "<-" }, { 0x203a, ">" },
	{ 0x00d7, "x" },   { 0x2265, ">=" }, { 0x2264, "<=" }, { 0x00b5, "u" },
	{ 0x2013, "-" },   { 0x2014, "-" },  { 0x2212, "-" },  { 0x00b7, "." },
	{ 0x2018, "'" },   { 0x2019, "'" },  { 0x201c, "\"" }, { 0x201d, "\"" },
	{ 0x2502, "|" },   { 0x2500, "-" },  { 0x2588, "#" },  { 0x25b8, ">" },
	{ 0x25be, "v" },   { 0x251c, "|" },  { 0x2514, "`" },  { 0x2191, "^" },
	{ 0x2193, "v" },   { 0x2022, "*" },
};

static bool glyph_in_ranges(uint32_t c, const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= r[i].first && c <= r[i].last)
			return true;
	return false;
}

int glyph_width(uint32_t c)
{
	if (c >= 0x20 && c < 0x7f)
		return 1;
	if (c < 0xa1 || c == 0xad || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (glyph_in_ranges(c, rtl, sizeof(rtl) / sizeof(*rtl)))
		return 0;
	if ((c >= 0xe000 && c <= 0xf8ff) || c >= 0xf0000)
		return 0; /* private use: any width at all */
	if (c >= 0x1f1e6 && c <= 0x1f1ff)
		return 0; /* regional indicators join into flags */
	if (c >= 0x1f3fb && c <= 0x1f3ff)
		return 0; /* skin tones join with what precedes */
	int w = wcwidth((wchar_t)c);
	return w == 1 || w == 2 ? w : 0;
}

static void glyph_append(struct glyph *g, uint32_t c)
{
	g->chars[g->nchars++] = c;
	g->columns++;
}

/* c, or where it is -1 the byte, spelled out. */
static void glyph_spell(struct glyph *g, int32_t c, char byte)
{
	char text[ESCAPE_MAX];

	g->escaped = true;
	escape_write(text, c, (unsigned char)byte);
	for (const char *p = text; *p; p++)
		glyph_append(g, (unsigned char)*p);
}

static bool glyph_transcribe(struct glyph *g, uint32_t c)
{
	for (size_t i = 0; i < sizeof(transcribed) / sizeof(*transcribed); i++) {
		if (transcribed[i].c != c)
			continue;
		for (const char *p = transcribed[i].text; *p; p++)
			glyph_append(g, (unsigned char)*p);
		return true;
	}
	return false;
}

struct glyph glyph_next(const char *text, size_t size, bool ascii)
{
	struct glyph g = { .bytes = 1 };
	size_t len;
	const int32_t c = escape_decode(text, size, &len);

	assert(size > 0);
	g.bytes = (uint8_t)len;
	if (c >= 0x20 && c < 0x7f) {
		glyph_append(&g, (uint32_t)c);
		return g;
	}
	if (c >= 0 && ascii && glyph_transcribe(&g, (uint32_t)c))
		return g;
	const int width = ascii || !escape_printable(c) ? 0 : glyph_width((uint32_t)c);
	if (width == 0) {
		glyph_spell(&g, c, text[0]);
		return g;
	}
	g.chars[g.nchars++] = (uint32_t)c;
	g.columns = (uint8_t)width;
	return g;
}

int glyph_columns(const char *text, size_t size, bool ascii, int limit)
{
	int columns = 0;

	for (size_t at = 0; at < size && columns <= limit;) {
		struct glyph g = glyph_next(text + at, size - at, ascii);
		columns += g.columns;
		at += g.bytes;
	}
	return columns;
}

int glyph_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}
