/* SPDX-License-Identifier: MIT */
/* Pages that are there, untouched, and guarded, by both of the kernel's answers. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/arena.h"
#include "agent/base/cpu.h"
#include "agent/base/page.h"
#include "agent/base/pages.h"

enum { COUNT = 3 * 512, GUARD_INSTALL = 102 };

#define PAGE ((size_t)page_size())

/* Every third page of the first half is touched, those of [900, 1400) are read; [800,
 * 810) is guarded, if it can be. */
static char *make_memory(bool *guarded_ret)
{
	volatile char got;

	char *mem = mmap(NULL, COUNT * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	madvise(mem, COUNT * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < COUNT / 2; i += 3)
		mem[(unsigned)i * PAGE] = 1;
	for (int i = 900; i < 1400; i++)
		got = mem[(unsigned)i * PAGE];
	(void)got;
	*guarded_ret = madvise(mem + 800 * PAGE, 10 * PAGE, GUARD_INSTALL) == 0;
	return mem;
}

static bool is_touched(int i)
{
	return i < COUNT / 2 && i % 3 == 0;
}

static void check_pages(const struct pages *pages, const char *mem, bool guarded)
{
	const uint64_t start = (uintptr_t)mem, end = start + COUNT * PAGE;
	uint64_t at = start;

	for (int i = 0; i < COUNT; i++) {
		const bool out = guarded && i >= 800 && i < 810;

		assert_int_equal(pages_state(pages, start + (unsigned)i * PAGE + 8),
				 is_touched(i) ? PAGES_PRESENT :
					 out   ? PAGES_OUT :
						 PAGES_ABSENT);
	}
	for (int i = 0; i < COUNT; i++) {
		if (!is_touched(i))
			continue;
		at = pages_next_present(pages, at, end);
		assert_true(at == start + (unsigned)i * PAGE);
		at += PAGE;
	}
	assert_true(pages_next_present(pages, at, end) == end);
	assert_true(pages_next_present(pages, start + 8, end) == start + 8);
	assert_true(pages_next_out(pages, start, end) ==
		    (guarded ? start + 800 * PAGE : end));
	assert_true(pages_next_out(pages, start + 805 * PAGE + 8, end) ==
		    (guarded ? start + 805 * PAGE + 8 : end));
	assert_true(pages_next_out(pages, start + 810 * PAGE, end) == end);
}

/* As a copy does it, with what was noted before. */
static void scan(struct arena *arena, struct pages *pages, struct pages *forked,
		 uint64_t start, uint64_t end)
{
	arena_init(arena, 0);
	assert_int_equal(pages_init(pages, arena), 0);
	assert_int_equal(pages_init(forked, arena), 0);
	assert_true(pages_scan_forked(forked, start, end));
	pages->forked = forked;
	assert_true(pages_scan(pages, start, end));
}

static void test_states(void **state)
{
	struct arena arena;
	struct pages pages, forked;
	bool guarded;
	char *mem = make_memory(&guarded);
	const uint64_t start = (uintptr_t)mem, end = start + COUNT * PAGE;

	(void)state;
	scan(&arena, &pages, &forked, start, end);
	check_pages(&pages, mem, guarded);
	arena_release(&arena);
	munmap(mem, COUNT * PAGE);
}

/* What is only read, in huge pages where there are any. */
static void test_huge(void **state)
{
	/* a table of page tables' entries has 8 bytes for each page */
	const size_t huge = PAGE / 8 * PAGE, size = 16 * huge;
	char *const mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	const uint64_t start = (uintptr_t)mem, end = start + size;
	struct arena arena;
	struct pages pages, forked;
	volatile char got;

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	madvise(mem, size, MADV_HUGEPAGE);
	mem[5 * huge] = 1;
	for (size_t i = 0; i < size; i += PAGE)
		got = mem[i];
	(void)got;
	scan(&arena, &pages, &forked, start, end);
	assert_int_equal(pages_state(&pages, start + 5 * huge), PAGES_PRESENT);
	assert_true(pages_present_bytes(&pages, start, end) <= huge);
	arena_release(&arena);
	munmap(mem, size);
}

/* PAGEMAP_SCAN, without which what was only read can't be told from what is shared. */
static bool scan_is_there(void)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 7);
}

/* In a child what it hasn't written to is shared, but for what was only read. */
static void test_forked(void **state)
{
	if (!scan_is_there())
		skip();
	bool guarded;
	char *mem = make_memory(&guarded);
	const uint64_t start = (uintptr_t)mem, end = start + COUNT * PAGE;
	const pid_t child = fork();
	int status;

	(void)state;
	if (!child) {
		struct arena arena;
		struct pages forked;

		arena_init(&arena, 0);
		if (pages_init(&forked, &arena))
			_exit(1);
		pages_close(); /* that of the parent */
		mem[30 * PAGE] = 2;
		if (!pages_scan_forked(&forked, start, end) ||
		    pages_next_present(&forked, start + 30 * PAGE, end) !=
			    start + 33 * PAGE ||
		    pages_present_bytes(&forked, start, end) != (COUNT / 6 - 1) * PAGE)
			_exit(2);
		_exit(0);
	}
	assert_true(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	munmap(mem, COUNT * PAGE);
}

/* ioctl fails from here on, as on a kernel without PAGEMAP_SCAN. */
static void forbid_ioctl(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(filter) / sizeof(filter[0]), filter };

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

static void test_old_kernel(void **state)
{
	forbid_ioctl();
	test_states(state);
	test_huge(state);
}

/* What isn't known must not be taken for known. */
static void test_refused(void **state)
{
	struct arena arena;
	struct pages pages;

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(pages_init(&pages, &arena), 0);
	assert_false(pages_scan(&pages, 8 * PAGE, 8 * PAGE));
	assert_false(pages_scan(&pages, 1ULL << 46, CPU_ADDRESS_END + PAGE));
	arena_release(&arena);
	arena_init(&arena, 4096);
	assert_int_equal(pages_init(&pages, &arena), -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),	   cmocka_unit_test(test_huge),
		cmocka_unit_test(test_forked),	   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_old_kernel), /* last: there is no way back */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
