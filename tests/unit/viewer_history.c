/* SPDX-License-Identifier: MIT */
/* Samples of several processes, thinning, names that come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "viewer/live/history.h"

static const struct series *find(const struct history *h, uint64_t pid, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->series[i]->pid == pid && strcmp(h->series[i]->name, name) == 0)
			return h->series[i];
	return NULL;
}

static void test_series_are_apart(void **state)
{
	(void)state;
	struct history h = { 0 };
	for (uint64_t i = 0; i < 5; i++) {
		history_begin(&h, 1);
		history_add(&h, 1, "a", 10 + i, 100 * i);
		if (i >= 3)
			history_add(&h, 1, "late", 7, 70);
		if (i != 4)
			history_add(&h, 1, "gone", 5, 50);
		history_end(&h, 1);
	}
	history_begin(&h, 2);
	history_add(&h, 2, "a", 1, 1);
	history_add(&h, 2, "a", 2, 2);
	history_end(&h, 2);
	const struct series *a = find(&h, 1, "a"), *late = find(&h, 1, "late");
	assert_int_equal(a->samples, 5);
	assert_true(series_growth(a, true) == 400 && series_growth(a, false) == 4);
	assert_int_equal(late->samples, 5);
	assert_true(late->count[2] == 0 && late->count[3] == 7);
	assert_true(series_growth(late, true) == 70);
	assert_true(series_growth(find(&h, 1, "gone"), false) == -5);
	assert_int_equal(find(&h, 2, "a")->samples, 1);
	assert_true(find(&h, 2, "a")->count[0] == 3); /* added twice */
	history_free(&h);
}

static void test_thinning_keeps_the_ends(void **state)
{
	(void)state;
	struct history h = { 0 };
	for (uint64_t i = 0; i < 1000; i++) {
		history_begin(&h, 9);
		history_add(&h, 9, "x", i, i * 2);
		history_end(&h, 9);
		const struct series *s = find(&h, 9, "x");
		assert_true(s->samples <= HISTORY_SAMPLES);
		assert_true(s->count[0] == 0);
		assert_true(s->count[s->samples - 1] == (double)i);
		for (uint32_t k = 1; k < s->samples; k++)
			assert_true(s->count[k] > s->count[k - 1]);
	}
	assert_true(series_growth(find(&h, 9, "x"), true) == 1998);
	history_free(&h);
}

static void test_many_names(void **state)
{
	(void)state;
	struct history h = { 0 };
	char name[32];
	history_begin(&h, 1);
	for (int i = 0; i < HISTORY_MAX_SERIES + 10; i++) {
		snprintf(name, sizeof(name), "type %d", i);
		int err = history_add(&h, 1, name, 1, (uint64_t)i);
		assert_int_equal(err == 0, i < HISTORY_MAX_SERIES);
	}
	history_end(&h, 1);
	assert_int_equal(h.count, HISTORY_MAX_SERIES);
	assert_int_equal(h.refused, 10);
	assert_true(find(&h, 1, "type 777")->bytes[0] == 777);
	history_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_series_are_apart),
		cmocka_unit_test(test_thinning_keeps_the_ends),
		cmocka_unit_test(test_many_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
