/* SPDX-License-Identifier: MIT */
/* Decoding is strict (no overlong forms, no surrogates, nothing above
 * U+10FFFF): a byte that does not fit is shown alone as \xNN and the next byte
 * starts afresh, so the output is the same whatever precedes. */
#include "viewer/screen/glyph.h"

#include <string.h>
#include <wchar.h>

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

/* Strict UTF-8; returns the length, 0 when the byte at s starts no character. */
static int glyph_decode(const unsigned char *s, size_t size, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int n = s[0] < 0x80 ? 1 :
		s[0] < 0xc2 ? 0 :
		s[0] < 0xe0 ? 2 :
		s[0] < 0xf0 ? 3 :
		s[0] < 0xf5 ? 4 :
			      0;
	if (n == 0 || (size_t)n > size)
		return 0;
	uint32_t c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

static void glyph_append(struct glyph *g, uint32_t c)
{
	g->chars[g->nchars++] = c;
	g->columns++;
}

static void glyph_spell(struct glyph *g, char letter, uint32_t value, int digits)
{
	g->escaped = true;
	glyph_append(g, '\\');
	glyph_append(g, (unsigned char)letter);
	for (int i = digits - 1; i >= 0; i--)
		glyph_append(g, (unsigned char)"0123456789abcdef"[value >> (4 * i) & 15]);
}

static void glyph_spell_char(struct glyph *g, uint32_t c)
{
	static const char short_forms[][2] = { { '\n', 'n' },
					       { '\t', 't' },
					       { '\r', 'r' } };
	for (size_t i = 0; i < sizeof(short_forms) / sizeof(*short_forms); i++) {
		if (c == (unsigned char)short_forms[i][0]) {
			g->escaped = true;
			glyph_append(g, '\\');
			glyph_append(g, (unsigned char)short_forms[i][1]);
			return;
		}
	}
	if (c < 0x100)
		glyph_spell(g, 'x', c, 2);
	else if (c < 0x10000)
		glyph_spell(g, 'u', c, 4);
	else
		glyph_spell(g, 'U', c, 8);
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
	uint32_t c;
	int n = glyph_decode((const unsigned char *)text, size, &c);
	if (n == 0) {
		glyph_spell(&g, 'x', (unsigned char)text[0], 2);
		return g;
	}
	g.bytes = (uint8_t)n;
	if (c >= 0x20 && c < 0x7f) {
		glyph_append(&g, c);
		return g;
	}
	if (ascii) {
		if (!glyph_transcribe(&g, c))
			glyph_spell_char(&g, c);
		return g;
	}
	int width = glyph_width(c);
	if (width == 0) {
		glyph_spell_char(&g, c);
		return g;
	}
	g.chars[g.nchars++] = c;
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
