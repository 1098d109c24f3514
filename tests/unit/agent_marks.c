/* SPDX-License-Identifier: MIT */
/* Units of the agent's arena and of the address bitmaps on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/cpu.h"
#include "agent/heap/core/marks.h"

static void arena_gives_zeroed_aligned_memory(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	for (size_t size = 1; size < 3000000; size = size * 3 + 1) {
		unsigned char *mem = arena_alloc(&arena, size);

		assert_non_null(mem);
		assert_int_equal(0, (uintptr_t)mem % 16);
		assert_int_equal(0, mem[0]);
		assert_int_equal(0, mem[size - 1]);
		memset(mem, 0xff, size);
	}
	arena_release(&arena);
	assert_int_equal(0, arena.mapped);
	assert_null(arena.chunks);
}

static void arena_keeps_its_limit(void **state)
{
	struct arena arena;
	void *table;

	(void)state;
	arena_init(&arena, 4 << 20);
	table = arena_map(&arena, 3 << 20);
	assert_non_null(table);
	assert_null(arena_map(&arena, 2 << 20));
	assert_null(arena_map(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	arena_unmap(&arena, table, 3 << 20);
	assert_non_null(arena_map(&arena, 2 << 20));
	assert_true(arena.mapped <= 4 << 20);
	arena_release(&arena);
}

static void marks_remember(void **state)
{
	static const uint64_t addrs[] = {
		0x1000,
		0x1008,
		0x7ff8,
		0x7ffffffffff8ULL,
		(1ULL << 26) - 8,
		1ULL << 26,
		0x555555554000ULL,
	};
	struct marks marks;
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(0, marks_init(&marks, &arena));
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		const uint64_t addr = addrs[i] & ~7ULL;

		assert_false(marks_test(&marks, addr));
		assert_true(marks_set(&marks, addr));
		assert_false(marks_set(&marks, addr));
		assert_true(marks_test(&marks, addr));
		assert_false(marks_test(&marks, addr + 8));
	}
	arena_release(&arena);
}

static void marks_refuse_what_is_no_address(void **state)
{
	static const uint64_t bad[] = {
		0, 8, 0x1001, 0x1004, CPU_ADDRESS_END, UINT64_MAX & ~7ULL
	};
	struct marks marks;
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(0, marks_init(&marks, &arena));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(marks_set(&marks, bad[i]));
		assert_false(marks_set_done(&marks, bad[i]));
		assert_false(marks_test(&marks, bad[i]));
	}
	assert_int_equal(0, marks.count);
	arena_release(&arena);
}

static void leaves_stay_in_order(void **state)
{
	struct marks marks;
	struct arena arena;
	uint64_t x = 88172645463325252ULL;

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(0, marks_init(&marks, &arena));
	for (int i = 0; i < 600; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		marks_set(&marks, (x & ((1ULL << 47) - 1) & ~7ULL) | 4096);
	}
	assert_true(marks.count > 500);
	for (uint32_t i = 1; i < marks.count; i++)
		assert_true(marks.order[i - 1] < marks.order[i]);
	assert_false(marks.failed);
	arena_release(&arena);
}

static void done_implies_marked(void **state)
{
	struct marks marks;
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(0, marks_init(&marks, &arena));
	assert_true(marks_set_done(&marks, 0x10000));
	assert_false(marks_set_done(&marks, 0x10000));
	assert_true(marks_test(&marks, 0x10000));
	assert_true(marks_set(&marks, 0x10008));
	assert_true(marks_set_done(&marks, 0x10008));
	arena_release(&arena);
}

static void running_out_of_memory_is_noticed(void **state)
{
	struct marks marks;
	struct arena arena;

	(void)state;
	arena_init(&arena, MARKS_DIRECTORY * sizeof(void *) + (3 << 20) + (1 << 16));
	assert_int_equal(0, marks_init(&marks, &arena));
	assert_true(marks_set(&marks, 0x10000));
	assert_false(marks_set(&marks, 1ULL << 30));
	assert_false(marks_set(&marks, 1ULL << 40));
	assert_true(marks.failed);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(arena_keeps_its_limit),
		cmocka_unit_test(marks_remember),
		cmocka_unit_test(marks_refuse_what_is_no_address),
		cmocka_unit_test(leaves_stay_in_order),
		cmocka_unit_test(done_implies_marked),
		cmocka_unit_test(running_out_of_memory_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
