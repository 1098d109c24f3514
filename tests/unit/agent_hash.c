/* SPDX-License-Identifier: MIT */
/* The content hash: depends on every byte, on the length and on the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/heap/object/hash.h"

enum { LONGEST = 200 };

static void test_every_byte(void **state)
{
	unsigned char a[LONGEST], b[LONGEST];

	(void)state;
	for (size_t n = 1; n < LONGEST; n++) {
		memset(a, 'x', n);
		for (size_t i = 0; i < n; i++) {
			memcpy(b, a, n);
			b[i] ^= 1;
			assert_int_not_equal(hash_content(7, a, n),
					     hash_content(7, b, n));
		}
	}
}

static void test_length_and_key(void **state)
{
	static const unsigned char zeros[LONGEST];

	(void)state;
	for (size_t n = 0; n + 1 < LONGEST; n++) {
		assert_int_not_equal(hash_content(1, zeros, n),
				     hash_content(1, zeros, n + 1));
		assert_int_not_equal(hash_content(1, zeros, n),
				     hash_content(2, zeros, n));
		assert_int_not_equal(hash_content(1, zeros, n), 0);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return (x > y) - (x < y);
}

/* Numbers in text, as in real heaps: no two of many have the same hash. */
static void test_no_collisions(void **state)
{
	enum { N = 200000 };
	uint64_t *hashes = malloc(N * sizeof(*hashes));
	char text[32];

	(void)state;
	assert_non_null(hashes);
	for (int i = 0; i < N; i++) {
		size_t n = 0;

		for (int v = i; v || !n; v /= 10)
			text[n++] = (char)('0' + v % 10);
		hashes[i] = hash_content(99, text, n);
	}
	qsort(hashes, N, sizeof(*hashes), compare);
	for (int i = 1; i < N; i++)
		assert_int_not_equal(hashes[i - 1], hashes[i]);
	free(hashes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_length_and_key),
		cmocka_unit_test(test_no_collisions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
