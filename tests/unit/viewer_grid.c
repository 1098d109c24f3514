/* SPDX-License-Identifier: MIT */
/* Lists: sorting, filtering, searching, headings, and any keys in any order. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "viewer/screen/grid.h"
#include "viewer/screen/rank.h"

/* Rows: name "row N", number N * 7 % 100; every tenth row a heading when asked for. */
struct rows {
	size_t count;
	bool headings;
	char text[32];
};

static size_t rows(void *arg)
{
	return ((struct rows *)arg)->count;
}

static void cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	struct rows *r = arg;
	snprintf(r->text, sizeof(r->text), "row %zu", row);
	ret->text = r->text;
	ret->size = strlen(r->text);
	if (column == 1)
		ret->u64 = row * 7 % 100;
	if (column == 2)
		ret->i64 = 50 - (int64_t)row;
}

static const char *heading(void *arg, size_t row)
{
	return ((struct rows *)arg)->headings && row % 10 == 0 ? "heading" : NULL;
}

static const struct grid_source source = { .rows = rows,
					   .cell = cell,
					   .heading = heading };
static const struct column columns[] = {
	{ "name", "Name", CELL_TEXT, false },
	{ "number", "Number", CELL_COUNT, false },
	{ "diff", "Diff", CELL_BYTES_DIFF, false },
};

static void press(struct grid *g, uint32_t key)
{
	grid_event(g, &(struct event){ .key = key }, NULL);
}

static void test_sort(void **state)
{
	(void)state;
	struct rows r = { .count = 100 };
	struct grid g;
	grid_init(&g, &source, &r, columns, 3);
	assert_int_equal(grid_refresh(&g, NULL), 0);
	assert_int_equal(grid_row(&g), 0);
	press(&g, '>'); /* by name */
	press(&g, '>'); /* by number, largest first */
	assert_int_equal(g.sort, 1);
	assert_true(g.descending);
	for (size_t i = 1; i < g.shown; i++)
		assert_true(g.order[i - 1] * 7 % 100 >= g.order[i] * 7 % 100);
	press(&g, 'I');
	for (size_t i = 1; i < g.shown; i++)
		assert_true(g.order[i - 1] * 7 % 100 <= g.order[i] * 7 % 100);
	press(&g, '>');
	assert_int_equal(g.order[0], 0);   /* + 50 */
	assert_int_equal(g.order[99], 99); /* - 49 */
	press(&g, '<');
	press(&g, '<');
	assert_int_equal(g.sort, 0);
	assert_int_equal(g.order[1], 1); /* "row 1" after "row 0" */
	assert_int_equal(g.order[2], 10);
	grid_deinit(&g);
}

static void test_filter_and_find(void **state)
{
	(void)state;
	struct rows r = { .count = 1000 };
	struct grid g;
	grid_init(&g, &source, &r, columns, 3);
	grid_refresh(&g, NULL);
	assert_int_equal(grid_filter(&g, "ROW 99", NULL), 0);
	assert_int_equal(g.shown, 11); /* 99, 990 ... 999 */
	press(&g, KEY_IS_END);
	assert_int_equal(grid_row(&g), 999);
	assert_int_equal(grid_filter(&g, "nothing", NULL), 0);
	assert_int_equal(g.shown, 0);
	assert_true(grid_row(&g) == SIZE_MAX);
	press(&g, KEY_IS_DOWN);
	grid_filter(&g, "", NULL);
	assert_int_equal(g.shown, 1000);
	strcpy(g.search, "row 77");
	assert_true(grid_find(&g, 0, 1, true, NULL));
	assert_int_equal(grid_row(&g), 77);
	assert_true(grid_find(&g, g.cursor, 1, false, NULL));
	assert_int_equal(grid_row(&g), 770);
	assert_true(grid_find(&g, g.cursor, -1, false, NULL));
	assert_int_equal(grid_row(&g), 77);
	assert_true(grid_find(&g, g.cursor, -1, false, NULL));
	assert_int_equal(grid_row(&g), 779); /* around the end */
	strcpy(g.search, "absent");
	assert_false(grid_find(&g, 0, 1, true, NULL));
	grid_deinit(&g);
}

static void test_headings_are_jumped_over(void **state)
{
	(void)state;
	struct rows r = { .count = 35, .headings = true };
	struct grid g;
	grid_init(&g, &source, &r, columns, 3);
	g.fixed_order = true;
	grid_refresh(&g, NULL);
	assert_int_equal(grid_row(&g), 1);
	for (int i = 0; i < 9; i++)
		press(&g, KEY_IS_DOWN);
	assert_int_equal(grid_row(&g), 11);
	press(&g, KEY_IS_UP);
	assert_int_equal(grid_row(&g), 9);
	press(&g, KEY_IS_HOME);
	assert_int_equal(grid_row(&g), 1);
	press(&g, KEY_IS_END);
	assert_int_equal(grid_row(&g), 34);
	grid_go_to(&g, 20);
	assert_int_equal(grid_row(&g), 21);
	grid_deinit(&g);
}

static bool cancel(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)phase;
	(void)done;
	(void)total;
	return true;
}

static void test_cancel_shows_all(void **state)
{
	(void)state;
	struct rows r = { .count = 200000 };
	struct progress progress = { .report = cancel };
	struct grid g;
	grid_init(&g, &source, &r, columns, 3);
	grid_refresh(&g, NULL);
	assert_int_not_equal(grid_filter(&g, "row 5", &progress), 0);
	assert_int_equal(g.shown, 200000);
	assert_null(g.order);
	assert_string_equal(g.filter, "");
	grid_deinit(&g);
}

/* Any keys, sizes and clicks: the cursor stays on a row and on the screen. */
static void test_any_keys(void **state)
{
	(void)state;
	static const uint32_t keys[] = {
		KEY_IS_UP,
		KEY_IS_DOWN,
		KEY_IS_PAGE_UP,
		KEY_IS_PAGE_DOWN,
		KEY_IS_HOME,
		KEY_IS_END,
		'<',
		'>',
		'I',
		KEY_IS_WHEEL_UP,
		KEY_IS_WHEEL_DOWN,
		KEY_IS_CLICK,
	};
	struct rows r = { .count = 57, .headings = true };
	struct surface s = { 0 };
	struct grid g;
	uint32_t seed = 1;
	grid_init(&g, &source, &r, columns, 3);
	grid_refresh(&g, NULL);
	for (int i = 0; i < 5000; i++) {
		seed = seed * 1664525u + 1013904223u;
		uint32_t random = seed >> 8;
		if (i % 50 == 0) {
			assert_int_equal(surface_resize(&s, 20 + (int)(random % 80),
							2 + (int)(random % 30)),
					 0);
			r.count = random % 60;
			g.fixed_order = random % 3 == 0;
			r.headings = g.fixed_order;
			grid_refresh(&g, NULL);
		}
		struct event e = { .key = keys[random % 12],
				   .x = (int)(random % 60),
				   .y = (int)(random / 60 % 30) };
		grid_event(&g, &e, NULL);
		grid_draw(&g, &s, (struct rect){ 0, 0, s.height, s.width });
		if (g.shown == 0)
			continue;
		assert_true(g.cursor < g.shown);
		if (g.body.height > 0) {
			assert_true(g.cursor >= g.top);
			assert_true(g.cursor < g.top + (size_t)g.body.height);
		}
	}
	surface_deinit(&s);
	grid_deinit(&g);
}

static uint64_t weight(const void *arg, uint32_t id)
{
	return ((const uint64_t *)arg)[id];
}

static void test_rank(void **state)
{
	(void)state;
	enum { N = 50000 };
	uint64_t *weights = malloc(N * sizeof(*weights));
	uint32_t *ids = malloc(N * sizeof(*ids));
	uint64_t x = 88172645463325252u;
	for (uint32_t i = 0; i < N; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		weights[i] = i % 5 ? x >> (x % 64) : i % 40;
		ids[i] = i;
	}
	weights[7] = UINT64_MAX;
	assert_int_equal(rank_ids(ids, N, weight, weights, NULL), 0);
	assert_int_equal(ids[0], 7);
	for (uint32_t i = 1; i < N; i++) {
		uint64_t a = weights[ids[i - 1]], b = weights[ids[i]];
		assert_true(a > b || (a == b && ids[i - 1] < ids[i]));
	}
	free(weights);
	free(ids);
}

int main(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_filter_and_find),
		cmocka_unit_test(test_headings_are_jumped_over),
		cmocka_unit_test(test_cancel_shows_all),
		cmocka_unit_test(test_any_keys),
		cmocka_unit_test(test_rank),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
