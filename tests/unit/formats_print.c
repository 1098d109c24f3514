/* SPDX-License-Identifier: MIT */
/* escape and print: what a text that isn't ours may do to a terminal or a JSON parser. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/text/escape.h"
#include "formats/text/print.h"
#include "formats/text/repr.h"

#define EVIL "\x1b]0;x\x07\r\n\xc2\x9b\xe2\x80\xae\xff\\"
#define EVIL_ESCAPED "\\x1b]0;x\\x07\\r\\n\\x9b\\u202e\\xff\\"

static void copy_is(const char *src, size_t size, size_t capacity, const char *expected)
{
	char buf[128];

	assert_string_equal(escape_copy(buf, capacity, src, size), expected);
}

static void copy_escapes_what_hides(void **state)
{
	(void)state;
	copy_is("plain", 5, 128, "plain");
	copy_is("nul\0in", 6, 128, "nul\\x00in");
	copy_is(EVIL, sizeof(EVIL) - 1, 128, EVIL_ESCAPED);
	copy_is(EVIL_ESCAPED, sizeof(EVIL_ESCAPED) - 1, 128, EVIL_ESCAPED);
	copy_is("\xed\xa0\x80", 3, 128, "\\ud800");
	copy_is("\xc0\xaf", 2, 128, "\\xc0\\xaf");
	copy_is("\xf3\xa0\x80\x81", 4, 128, "\\U000e0001");
	copy_is("\xc3\xa9\xf0\x9f\x98\x80", 6, 128, "\xc3\xa9\xf0\x9f\x98\x80");
}

static void copy_cuts_whole_characters(void **state)
{
	(void)state;
	copy_is("ab\xc3\xa9", 4, 4, "ab");
	copy_is("ab\xc3\xa9", 4, 5, "ab\xc3\xa9");
	copy_is("a\x01", 2, 4, "a");
	copy_is("abc", 3, 1, "");
}

/* What a call of print wrote. */
static char *written(FILE *file, char **text)
{
	fclose(file);
	return *text;
}

/* The same format must give the same with printf, where no string is escaped. */
#define SAME(...) \
	do { \
		char *got = NULL, expected[400]; \
		size_t got_size; \
		FILE *stream = open_memstream(&got, &got_size); \
		print_format(stream, __VA_ARGS__); \
		snprintf(expected, sizeof(expected), __VA_ARGS__); \
		assert_string_equal(written(stream, &got), expected); \
		free(got); \
	} while (0)

static void formats_are_those_of_printf(void **state)
{
	(void)state;
	SAME("nothing %% to do");
	SAME("%d %i %u %x %X %o", -1, INT32_MIN, UINT32_MAX, 0xbeefu, 0xBEEFu, 8u);
	SAME("%ld %lu %lld %llu", INT64_MIN, UINT64_MAX, -5LL, 5ULL);
	SAME("%zu %zd %jd %ju %td", SIZE_MAX, (ssize_t)-1, INTMAX_MIN, UINTMAX_MAX,
	     (ptrdiff_t)-3);
	SAME("%5d|%-5d|%05d|%+d|% d|%#x|%.3d|%8.3d", 42, 42, 42, 42, 42, 42u, 7, 7);
	SAME("%*d|%-*d|%.*d|%*s", 6, 1, 6, 2, 3, 3, -4, "x");
	SAME("%f %.0f %8.3f %e %g %a", 1.5, 2.5, 3.14159, 1e300, 1e-5, 0.5);
	SAME("%s|%8s|%-8s|%.2s|%.*s|%8.2s|%-28s%.0s", "one", "two", "three", "four", 3,
	     "fives", "six", "left", "gone");
	SAME("%c%c%3c%-3c|", 'a', 'b', 'c', 'd');
	SAME("\r%s\033[K", "the format's own bytes are let through");
	SAME("%hd %hhd %hu", (short)-2, (signed char)-3, (unsigned short)65535);
	SAME("%f", 1e300);
}

#define PRINTS(expected, ...) \
	do { \
		char *got = NULL; \
		size_t got_size; \
		FILE *stream = open_memstream(&got, &got_size); \
		print_format(stream, __VA_ARGS__); \
		assert_string_equal(written(stream, &got), expected); \
		free(got); \
	} while (0)

static void strings_are_escaped(void **state)
{
	const char *volatile none = NULL;
	char *text = NULL, *wide = malloc(20001);
	size_t size;

	(void)state;
	PRINTS("a " EVIL_ESCAPED ".\n", "a %s.\n", EVIL);
	PRINTS("\\x1b|\\n", "%c|%c", 27, '\n');
	PRINTS("  \xc3\xa9|\xc3\xa9  |\\x1b|", "%3s|%-3s|%3s|", "\xc3\xa9", "\xc3\xa9",
	       "\x1b");
	PRINTS("(null)", "%s", none);
	PRINTS("\\xc3", "%.1s", "\xc3\xa9"); /* a cut character is none */
	memset(wide, 27, 20000);
	wide[20000] = '\0';
	FILE *f = open_memstream(&text, &size);
	print_format(f, "%s", wide);
	assert_int_equal(strlen(written(f, &text)), 80000);
	assert_null(strchr(text, 27));
	free(text);
	free(wide);
}

static void lines_keep_their_ends(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	print_lines(f, "two\nlines\n" EVIL);
	assert_string_equal(written(f, &text),
			    "two\nlines\n\\x1b]0;x\\x07\\r\n\\x9b\\u202e\\xff\\");
	free(text);
}

/* As Python says repr() of each: limits of forms, of digits, powers of two. */
static void floats_are_those_of_python(void **state)
{
	static const struct {
		double value;
		const char *repr;
	} floats[] = {
		{ 0.0, "0.0" },
		{ -0.0, "-0.0" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1e-4, "0.0001" },
		{ 1e-5, "1e-05" },
		{ 999999999999999.9, "999999999999999.9" },
		{ 1e15, "1000000000000000.0" },
		{ 9999999999999998.0, "9999999999999998.0" },
		{ 1e16, "1e+16" },
		{ -25270595453107684.0, "-2.5270595453107684e+16" },
		{ 123456789012345680.0, "1.2345678901234568e+17" },
		{ 0x1p-1017, "7.120236347223045e-307" },
		{ -0x1p-957, "-8.209073602596753e-289" },
		{ 0x1p-44, "5.684341886080802e-14" },
		{ 0x1p-1022, "2.2250738585072014e-308" },
		{ 0x1p-1074, "5e-324" },
		{ -2.5e-320, "-2.5e-320" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ INFINITY, "inf" },
		{ -INFINITY, "-inf" },
		{ NAN, "nan" },
	};
	char text[REPR_FLOAT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
		repr_float(text, floats[i].value);
		assert_string_equal(text, floats[i].repr);
	}
}

static void json_is(const char *s, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	print_json(f, s, strlen(s));
	assert_string_equal(written(f, &text), expected);
	free(text);
}

static void json_is_ascii_and_unicode(void **state)
{
	(void)state;
	json_is("a\"\\\n", "\"a\\\"\\\\\\u000a\"");
	json_is("\xc3\xa9", "\"\\u00e9\"");
	json_is("\xf0\x9f\x98\x80", "\"\\ud83d\\ude00\"");
	json_is("\xff"
		"a",
		"\"\\ufffda\"");
	json_is("\xed\xa0\x80", "\"\\ufffd\"");
	json_is("\xe2\x80\xae\x7f", "\"\\u202e\\u007f\"");
}

/* Whatever comes in, what goes out is printable UTF-8, and then stays as it is. */
static void any_bytes(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char bytes[24], once[300], twice[300];
		const size_t size = (size_t)round % sizeof(bytes);

		for (size_t i = 0; i < size; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (char)(seed >> 24);
		}
		escape_copy(once, sizeof(once), bytes, size);
		for (size_t at = 0, len; once[at]; at += len)
			assert_true(escape_printable(
				escape_decode(once + at, strlen(once + at), &len)));
		escape_copy(twice, sizeof(twice), once, strlen(once));
		assert_string_equal(once, twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_escapes_what_hides),
		cmocka_unit_test(copy_cuts_whole_characters),
		cmocka_unit_test(formats_are_those_of_printf),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(lines_keep_their_ends),
		cmocka_unit_test(floats_are_those_of_python),
		cmocka_unit_test(json_is_ascii_and_unicode),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
