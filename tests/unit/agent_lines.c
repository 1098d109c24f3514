/* SPDX-License-Identifier: MIT */
/* Lines from bytecode positions, in the three encodings CPython had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/python/lines.h"

static void test_lnotab(void **state)
{
	/* offsets 0-5: line 10, 6-49: 11, 50-: back to 9 (a signed step) */
	static const unsigned char table[] = { 6, 1, 44, 0xfe };

	(void)state;
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 4, 10, 0), 10);
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 4, 10, 5), 10);
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 4, 10, 6), 11);
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 4, 10, 49), 11);
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 4, 10, 50), 9);
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 4, 10, 9999), 9);
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 4, 10, -1), 10);
	assert_int_equal(lines_lookup(LINES_LNOTAB, NULL, 0, 10, 7), 10);
	/* an odd byte at the end is no pair */
	assert_int_equal(lines_lookup(LINES_LNOTAB, table, 3, 10, 50), 11);
}

static void test_310(void **state)
{
	/* 0-3: line 5, 4-7: none, 8-11: line 7 */
	static const unsigned char table[] = { 4, 0, 4, 0x80, 4, 2 };

	(void)state;
	assert_int_equal(lines_lookup(LINES_310, table, 6, 5, 0), 5);
	assert_int_equal(lines_lookup(LINES_310, table, 6, 5, 3), 5);
	assert_int_equal(lines_lookup(LINES_310, table, 6, 5, 4), 0);
	assert_int_equal(lines_lookup(LINES_310, table, 6, 5, 8), 7);
	assert_int_equal(lines_lookup(LINES_310, table, 6, 5, 11), 7);
	assert_int_equal(lines_lookup(LINES_310, table, 6, 5, 12), 0);
	assert_int_equal(lines_lookup(LINES_310, table, 6, 5, -1), 5);
}

static unsigned char entry(unsigned kind, unsigned units)
{
	return (unsigned char)(0x80 | kind << 3 | (units - 1));
}

static void test_locations(void **state)
{
	const unsigned char table[] = {
		entry(3, 2),
		0x21, /* 0-3: line 20, short form */
		entry(11, 1),
		4,
		9,	      /* 4-5: line 21 */
		entry(15, 1), /* 6-7: no line */
		entry(13, 8),
		(200 & 63) | 64,
		200 >> 6, /* 8-23: +100 */
		entry(14, 1),
		5 << 1 | 1,
		1,
		2,
		3, /* 24-25: -5, long form */
	};
	const size_t n = sizeof(table);

	(void)state;
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 0), 20);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 3), 20);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 4), 21);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 6), 0);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 8), 121);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 23), 121);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 24), 116);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, 26), 0);
	assert_int_equal(lines_lookup(LINES_LOCATIONS, table, n, 20, -1), 20);
}

/* Damaged tables must not be read beyond their end. */
static void test_truncated(void **state)
{
	static const unsigned char table[] = { 0xe8, 0x7f, 0x7f, 0x7f };

	(void)state;
	for (size_t n = 0; n <= sizeof(table); n++)
		for (int format = LINES_LNOTAB; format <= LINES_LOCATIONS; format++)
			lines_lookup((enum line_format)format, table, n, 1, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lnotab),
		cmocka_unit_test(test_310),
		cmocka_unit_test(test_locations),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
