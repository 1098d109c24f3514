/* SPDX-License-Identifier: MIT */
/* Cells and characters: whatever the bytes are, the grid stays a grid. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "viewer/screen/glyph.h"
#include "viewer/screen/keys.h"
#include "viewer/screen/prompt.h"
#include "viewer/screen/surface.h"

static uint32_t seed = 12345;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static void text_of(const char *bytes, size_t size, bool ascii, char *out)
{
	size_t n = 0;
	for (size_t at = 0; at < size;) {
		struct glyph g = glyph_next(bytes + at, size - at, ascii);
		for (int i = 0; i < g.nchars; i++)
			n += (size_t)glyph_encode(g.chars[i], out + n);
		at += g.bytes;
	}
	out[n] = 0;
}

static void assert_glyphs(const char *bytes, bool ascii, const char *expected)
{
	char out[400];
	text_of(bytes, strlen(bytes), ascii, out);
	assert_string_equal(out, expected);
}

static void test_glyphs_spelled_out(void **state)
{
	(void)state;
	assert_glyphs("plain text ~", false, "plain text ~");
	assert_glyphs("\033[2J\n\t\r\x7f", false, "\\x1b[2J\\n\\t\\r\\x7f");
	assert_glyphs("\xff\xc3(\xed\xa0\x80\xc0\x80", false,
		      "\\xff\\xc3(\\ud800\\xc0\\x80");
	assert_glyphs("\u202e\u2066\u200b\ufeff\u00ad\xc2\x85", false,
		      "\\u202e\\u2066\\u200b\\ufeff\\xad\\x85");
	assert_glyphs("\u05d0\u0627", false,
		      "\\u05d0\\u0627"); /* right to left letters */
	assert_glyphs("e\u0301", false, "e\\u0301");
	assert_glyphs("\U0001f1e9\U0001f3fb\ue000\U000f0000", false,
		      "\\U0001f1e9\\U0001f3fb\\ue000\\U000f0000");
	assert_glyphs("\u00e9\u5e83\U0001f40d", false, "\u00e9\u5e83\U0001f40d");
	assert_glyphs("\u00e9\u2192\u5e83", true, "\\xe9->\\u5e83");
}

static void test_glyph_columns(void **state)
{
	(void)state;
	assert_int_equal(glyph_columns("\u5e83x", 4, false, 100), 3);
	assert_int_equal(glyph_columns("\033", 1, false, 100), 4);
	assert_int_equal(glyph_width(0x5e83), 2);
	assert_int_equal(glyph_width(0x301), 0);
	assert_int_equal(glyph_width('a'), 1);
}

/* Every cell is one column; a wide character owns the next cell; nothing else is 0. */
static void assert_grid(const struct surface *s)
{
	for (int y = 0; y < s->height; y++) {
		const struct surface_cell *row = &s->cells[y * s->width];
		for (int x = 0; x < s->width; x++) {
			if (row[x].ch == 0) {
				assert_true(x > 0);
				assert_int_equal(glyph_width(row[x - 1].ch), 2);
				continue;
			}
			assert_true(glyph_width(row[x].ch) > 0);
			if (glyph_width(row[x].ch) == 2)
				assert_true(x + 1 < s->width && row[x + 1].ch == 0);
		}
	}
}

static void random_text(char *buf, size_t size)
{
	static const char *const pieces[] = {
		"a",	  "\u5e83",  "\U0001f40d", "\033", "\xff",
		"\u202e", "e\u0301", "\xe5\xb9",   " ",
	};
	buf[0] = 0;
	while (strlen(buf) + 8 < size && rnd(30))
		strcat(buf, pieces[rnd(sizeof(pieces) / sizeof(*pieces))]);
}

static void test_surface_survives_any_text(void **state)
{
	(void)state;
	struct surface s = { 0 };
	assert_int_equal(surface_resize(&s, 23, 7), 0);
	for (int i = 0; i < 20000; i++) {
		char text[200];
		random_text(text, sizeof(text));
		int y = (int)rnd(9) - 1, x = (int)rnd(27) - 2, width = (int)rnd(30) - 2;
		if (x >= 0 && y >= 0 && y < s.height) {
			int used = surface_text(&s, y, x, width, STYLE_NORMAL, text,
						strlen(text));
			assert_true(used <= (width > 0 ? width : 0));
		}
		surface_fill(&s, (int)rnd(9) - 1, (int)rnd(27) - 2, (int)rnd(5),
			     STYLE_BAR, '#');
		if (i % 100 == 0) {
			surface_right(&s, 2, 3, (int)rnd(20), STYLE_NORMAL, text);
			struct rect r = { 1, 1, 3, 1 + (int)rnd(20) };
			surface_wrap(&s, r, STYLE_NORMAL, text, strlen(text));
		}
		assert_grid(&s);
	}
	surface_deinit(&s);
}

static void assert_row(const struct surface *s, int y, const char *expected)
{
	char row[500];
	surface_row(s, y, row, sizeof(row));
	assert_string_equal(row, expected);
}

static void test_surface_clips(void **state)
{
	(void)state;
	struct surface s = { 0 };
	surface_resize(&s, 10, 6);
	surface_puts(&s, 0, 0, 10, STYLE_NORMAL, "0123456789");
	surface_puts(&s, 1, 0, 10, STYLE_NORMAL, "0123456789a");
	surface_puts(&s, 2, 0, 4, STYLE_NORMAL, "\u5e83\u5e83\u5e83");
	surface_right(&s, 3, 0, 10, STYLE_NORMAL, "right");
	surface_right(&s, 4, 0, 5, STYLE_NORMAL, "/a/long/path");
	assert_row(&s, 0, "0123456789");
	assert_row(&s, 1, "012345678\u2026");
	assert_row(&s, 2, "\u5e83\u2026");
	assert_row(&s, 3, "     right");
	assert_row(&s, 4, "\u2026path");
	surface_deinit(&s);
}

static void test_surface_bars(void **state)
{
	(void)state;
	struct surface s = { 0 };
	surface_resize(&s, 8, 5);
	surface_bar(&s, 0, 0, 8, STYLE_BAR, 0.5);
	surface_bar(&s, 1, 0, 8, STYLE_BAR, 0.0001);
	surface_bar(&s, 2, 0, 8, STYLE_BAR, 0);
	surface_bar(&s, 3, 0, 8, STYLE_BAR, 17);
	double values[] = { 0, 1, 4, 8 };
	surface_spark(&s, 4, 0, 8, STYLE_BAR, values, 4);
	assert_row(&s, 0, "\u2588\u2588\u2588\u2588");
	assert_row(&s, 1, "\u258f");
	assert_row(&s, 2, "");
	assert_row(&s, 3, "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588");
	assert_row(&s, 4, "\u2581\u2581\u2584\u2588");
	s.ascii = true;
	surface_clear(&s);
	surface_bar(&s, 0, 0, 8, STYLE_BAR, 0.5);
	assert_row(&s, 0, "####");
	surface_deinit(&s);
}

static void test_surface_wraps(void **state)
{
	(void)state;
	struct surface s = { 0 };
	surface_resize(&s, 12, 3);
	struct rect r = { 0, 1, 2, 10 };
	const char *text = "one two three four five";
	assert_int_equal(surface_wrap(&s, r, STYLE_NORMAL, text, strlen(text)), 2);
	assert_row(&s, 0, " one two");
	assert_row(&s, 1, " three fou\u2026");
	surface_deinit(&s);
}

static void test_keys(void **state)
{
	(void)state;
	const char *line = "j<Enter>\u00e9<lt>g<nonsense>";
	const uint32_t expected[] = { 'j', KEY_IS_ENTER, 0xe9, '<', 'g', KEY_IS_NONE };
	uint32_t key;
	for (size_t i = 0; i < 6; i++) {
		assert_true(key_parse(&line, &key));
		assert_int_equal(key, expected[i]);
	}
	assert_false(key_parse(&line, &key));
	line = "<"; /* no name: the character itself */
	assert_true(key_parse(&line, &key));
	assert_int_equal(key, '<');
	static const char *const same[] = { "w", "k", "<Up>" };
	for (size_t i = 0; i < 3; i++) {
		line = same[i];
		key_parse(&line, &key);
		assert_int_equal(key_as_motion(key), KEY_IS_UP);
	}
	assert_int_equal(key_as_motion('G'), KEY_IS_END);
	assert_int_equal(key_as_motion('H'), KEY_IS_HOME);
	assert_int_equal(key_as_motion('d'), KEY_IS_RIGHT);
	assert_int_equal(key_as_motion('h'), KEY_IS_LEFT);
}

static enum prompt_result press(struct prompt *p, uint32_t key)
{
	return prompt_event(p, &(struct event){ .key = key });
}

static void test_prompt(void **state)
{
	(void)state;
	struct prompt p = { 0 };
	prompt_open(&p, PROMPT_SEARCH, "");
	assert_int_equal(press(&p, 'a'), PROMPT_CHANGED);
	assert_int_equal(press(&p, 0x5e83), PROMPT_CHANGED);
	assert_string_equal(p.text, "a\u5e83");
	assert_int_equal(press(&p, KEY_IS_BACKSPACE), PROMPT_CHANGED);
	assert_string_equal(p.text, "a");
	assert_int_equal(press(&p, KEY_IS_UP), PROMPT_UNUSED);
	assert_int_equal(press(&p, KEY_IS_ENTER), PROMPT_ACCEPTED);
	assert_int_equal(p.kind, PROMPT_NONE);
	prompt_open(&p, PROMPT_FILTER, "x");
	assert_int_equal(press(&p, KEY_IS_BACKSPACE), PROMPT_CHANGED);
	assert_int_equal(press(&p, KEY_IS_BACKSPACE), PROMPT_CANCELLED);
	prompt_open(&p, PROMPT_COMMAND, "");
	for (int i = 0; i < 2000; i++)
		press(&p, 'y');
	assert_int_equal(strlen(p.text), sizeof(p.text) - 1);
}

int main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glyphs_spelled_out),
		cmocka_unit_test(test_glyph_columns),
		cmocka_unit_test(test_surface_survives_any_text),
		cmocka_unit_test(test_surface_clips),
		cmocka_unit_test(test_surface_bars),
		cmocka_unit_test(test_surface_wraps),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_prompt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
