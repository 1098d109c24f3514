/* SPDX-License-Identifier: MIT */
/* fold: what is alike is one row, nothing is lost, and rows and lines agree. */
#include "viewer/screen/fold.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GROUPS = 7, MANY = 5000 };

static uint32_t group_of(const void *arg, uint32_t id)
{
	(void)arg;
	return id % GROUPS;
}

/* One of them weighs more than all others together. */
static uint64_t weight_of(const void *arg, uint32_t id)
{
	(void)arg;
	return id == 8 ? 1000000 : 1;
}

static const struct fold_by by = {
	.groups = GROUPS, .least = 8, .alone = 4, .group = group_of, .weight = weight_of
};

static struct fold folded(size_t count)
{
	struct fold fold = { 0 };
	uint32_t *ids = malloc((count + 1) * sizeof(*ids));

	for (size_t i = 0; i < count; i++)
		ids[i] = (uint32_t)i;
	assert_int_equal(fold_make(&fold, ids, count, &by, NULL), 0);
	return fold;
}

/* Every id is seen once when all is open, and in a line of its own group. */
static void assert_whole(struct fold *fold)
{
	uint8_t *seen = calloc(fold->count + 1, 1);
	size_t ids = 0;

	fold_show_all(fold, true);
	for (size_t row = 0; row < fold->rows; row++) {
		const struct fold_row at = fold_at(fold, row);

		assert_true(at.id < fold->count);
		if (at.several) {
			assert_true(at.open);
			continue;
		}
		assert_int_equal(seen[at.id]++, 0);
		ids++;
		assert_int_equal(at.below, at.line->count > 1);
		if (at.below)
			assert_int_equal(at.id % GROUPS,
					 fold->ids[at.line->first] % GROUPS);
	}
	assert_int_equal(ids, fold->count);
	fold_show_all(fold, false);
	free(seen);
}

static void test_nothing(void **state)
{
	struct fold fold = folded(0);

	(void)state;
	assert_int_equal(fold.rows, 0);
	fold_show_all(&fold, true);
	assert_int_equal(fold.rows, 0);
	fold_free(&fold);
	fold_free(&fold);
}

static void test_few_stay_as_they_are(void **state)
{
	struct fold fold = folded(GROUPS * 7);

	(void)state;
	assert_int_equal(fold.rows, GROUPS * 7);
	for (size_t row = 0; row < fold.rows; row++)
		assert_int_equal(fold_at(&fold, row).id, row);
	assert_whole(&fold);
	fold_free(&fold);
}

static void test_many(void **state)
{
	struct fold fold = folded(MANY);
	size_t several = 0, alone = 0;

	(void)state;
	for (size_t row = 0; row < fold.rows; row++) {
		const struct fold_row at = fold_at(&fold, row);

		several += at.several;
		alone += at.id == 8 && !at.several;
		if (!at.several)
			assert_true(at.id % GROUPS == 0 || at.id == 8);
	}
	assert_int_equal(several, GROUPS - 1);
	assert_int_equal(alone, 1); /* the heavy one */
	assert_int_equal(fold.rows, several + alone + (MANY + GROUPS - 1) / GROUPS);
	assert_int_equal(fold_at(&fold, 1).id, 1); /* where the first of them was */
	assert_whole(&fold);
	fold_free(&fold);
}

static void test_opens_and_closes(void **state)
{
	struct fold fold = folded(MANY);
	const size_t rows = fold.rows;
	const uint32_t members = fold_at(&fold, 2).line->count;

	(void)state;
	assert_true(fold_at(&fold, 2).several);
	assert_int_equal(fold_toggle(&fold, 2), 2);
	assert_int_equal(fold.rows, rows + members);
	assert_true(fold_at(&fold, 3).below);
	assert_int_equal(fold_at(&fold, 3).id, fold_at(&fold, 2).id);
	assert_int_equal(fold_toggle(&fold, 2 + members), 2); /* from its last member */
	assert_int_equal(fold.rows, rows);
	assert_whole(&fold);
	fold_free(&fold);
}

static bool stop(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	(void)arg, (void)phase, (void)done, (void)total;
	return true;
}

static void test_stopped(void **state)
{
	struct fold fold = { 0 };
	const struct progress progress = { .report = stop };
	uint32_t *ids = calloc(MANY, sizeof(*ids));

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		ids[i] = MANY - 1 - i;
	assert_int_equal(fold_make(&fold, ids, MANY, &by, &progress), -ECANCELED);
	assert_int_equal(fold.rows, MANY);
	assert_int_equal(fold_at(&fold, 0).id, MANY - 1);
	fold_free(&fold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_few_stay_as_they_are),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_opens_and_closes),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
