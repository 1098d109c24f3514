/* SPDX-License-Identifier: MIT */
/* Escaping of hostile text, and numbers for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/text/escape.h"
#include "viewer/text/human.h"
#include "viewer/text/text.h"

static void check_escape(const char *bytes, size_t size, size_t limit,
			 const char *expected)
{
	struct text text = { 0 };

	text_escape(&text, bytes, size, limit, '\'');
	assert_int_equal(text.err, 0);
	assert_string_equal(text_get(&text), expected);
	assert_int_equal(text_len(&text), strlen(expected));
	text_free(&text);
}

#define ESCAPES(bytes, expected) check_escape(bytes, sizeof(bytes) - 1, 0, expected)

static void test_escape(void **state)
{
	(void)state;
	ESCAPES("", "");
	ESCAPES("plain", "plain");
	ESCAPES("a\\b'c\"d", "a\\\\b\\'c\"d");
	ESCAPES("\033[31mred\a", "\\x1b[31mred\\x07");
	ESCAPES("\n\r\t\0z", "\\n\\r\\t\\x00z");
	ESCAPES("\x7f\xc2\x80\xc2\x9b", "\\x7f\\x80\\x9b");
	ESCAPES("caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80",
		"caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80");
	ESCAPES("\xe2\x80\xae"
		"evil",
		"\\u202eevil");
	ESCAPES("\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf", "\\u2066\\u200b\\ufeff");
	ESCAPES("\xed\xa0\x80", "\\ud800");		     /* WTF-8 surrogate */
	ESCAPES("\xff\xfe\xc0\xaf", "\\xff\\xfe\\xc0\\xaf"); /* overlong */
	ESCAPES("\xe4\xb8", "\\xe4\\xb8");		     /* cut */
	ESCAPES("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	ESCAPES("\xf3\xa0\x80\x81", "\\U000e0001");	     /* language tag */
	ESCAPES("\xef\xbf\xbf", "\\uffff");
}

static void test_limit(void **state)
{
	(void)state;
	check_escape("abcdef", 6, 3, "abc...");
	check_escape("abc", 3, 3, "abc");
	check_escape("\xc3\xa9\xc3\xa9\xc3\xa9", 6, 2, "\xc3\xa9\xc3\xa9...");
	check_escape("\n\n\n", 3, 1, "\\n...");
}

/* Whatever comes in, what goes out is valid, printable UTF-8. */
static void test_random(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char bytes[24];
		struct text text = { 0 };
		size_t size = round % sizeof(bytes), len;

		for (size_t i = 0; i < size; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (char)(seed >> 24);
		}
		text_escape(&text, bytes, size, 0, 0);
		const char *out = text_get(&text);
		for (size_t at = 0; at < text_len(&text); at += len)
			assert_true(escape_printable(
				escape_decode(out + at, text_len(&text) - at, &len)));
		text_free(&text);
	}
}

static void test_bytes(void **state)
{
	char buf[HUMAN_SIZE];

	(void)state;
	assert_string_equal(human_bytes(buf, 0), "0 B");
	assert_string_equal(human_bytes(buf, 1023), "1023 B");
	assert_string_equal(human_bytes(buf, 1024), "1.00 KiB");
	assert_string_equal(human_bytes(buf, 1048575), "1.00 MiB");
	assert_string_equal(human_bytes(buf, 1046804), "1.00 MiB"); /* 1022.27 KiB */
	assert_string_equal(human_bytes(buf, 1023994), "999.99 KiB");
	assert_string_equal(human_bytes(buf, 5ll << 20), "5.00 MiB");
	assert_string_equal(human_bytes(buf, -(5ll << 20)), "-5.00 MiB");
	assert_string_equal(human_bytes(buf, 3ll << 30), "3.00 GiB");
	assert_string_equal(human_bytes(buf, 2ll << 40), "2.00 TiB");
	assert_string_equal(human_bytes(buf, 2ll << 50), "2.00 PiB");
	assert_string_equal(human_bytes_u64(buf, UINT64_MAX), "16.00 EiB");
	assert_string_equal(human_bytes(buf, INT64_MIN), "-8.00 EiB");
	assert_string_equal(human_bytes_diff(buf, 0), "0 B");
	assert_string_equal(human_bytes_diff(buf, 3), "+3 B");
	assert_string_equal(human_bytes_diff(buf, -2048), "-2.00 KiB");
}

static void test_counts(void **state)
{
	char buf[HUMAN_SIZE];

	(void)state;
	assert_string_equal(human_count(buf, 0), "0");
	assert_string_equal(human_count(buf, 999), "999");
	assert_string_equal(human_count(buf, 1000), "1,000");
	assert_string_equal(human_count(buf, 1204331), "1,204,331");
	assert_string_equal(human_count(buf, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(human_count_diff(buf, -1204331), "-1,204,331");
	assert_string_equal(human_count_diff(buf, 7), "+7");
	assert_string_equal(human_count_diff(buf, 0), "0");
	assert_string_equal(human_ns(buf, 7920000), "7.92 ms");
	assert_string_equal(human_ns(buf, 12), "12 ns");
	assert_string_equal(human_share(buf, 0.1234), "12.3 %");
	assert_string_equal(human_share(buf, 1), "100.0 %");
	assert_string_equal(human_share(buf, 0.99992), "99.9920 %");
	assert_string_equal(human_share(buf, 0.99999999), "99.9999 %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_random), cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
