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
#include <string.h>
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

/* Every third page of the first half is touched; [800, 810) is guarded, if it can be. */
static char *make_memory(bool *guarded_ret)
{
	char *mem = mmap(NULL, COUNT * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	madvise(mem, COUNT * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < COUNT / 2; i += 3)
		mem[(unsigned)i * PAGE] = 1;
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

static void test_states(void **state)
{
	struct arena arena;
	struct pages pages;
	bool guarded;
	char *mem = make_memory(&guarded);

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(pages_init(&pages, &arena), 0);
	assert_true(pages_scan(&pages, (uintptr_t)mem, (uintptr_t)mem + COUNT * PAGE));
	check_pages(&pages, mem, guarded);
	arena_release(&arena);
	munmap(mem, COUNT * PAGE);
}

/* ioctl fails from here on, as on a kernel without PAGEMAP_SCAN. */
/* Of a forked process: what was written to before is shared, what was only read isn't. */
static void check_forked(bool zeros)
{
	struct arena arena;
	struct pages pages;
	char *const mem = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t start = (uintptr_t)mem, end = start + 8 * PAGE;
	int go[2];

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(pipe(go), 0);
	madvise(mem, 8 * PAGE, MADV_NOHUGEPAGE);
	for (unsigned i = 0; i < 6; i += 2)
		mem[i * PAGE] = 1;
	for (unsigned i = 1; i < 6; i += 2)
		(void)*(volatile char *)(mem + i * PAGE);
	const pid_t child = fork();
	if (!child) {
		char byte;

		close(go[1]);
		_exit((int)read(go[0], &byte, 1));
	}
	assert_true(child > 0);
	mem[2 * PAGE] = 2; /* its own since */
	arena_init(&arena, 0);
	assert_int_equal(pages_init(&pages, &arena), 0);
	assert_true(pages_scan_forked(&pages, start, end));
	for (unsigned i = 0; i < 8; i++) {
		const bool shared = i == 0 || i == 4 || (zeros && i < 6 && i % 2);

		assert_int_equal(pages_state(&pages, start + i * PAGE),
				 shared ? PAGES_PRESENT : PAGES_ABSENT);
	}
	assert_true(pages.zeros == zeros);
	close(go[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(go[0]);
	munmap(mem, 8 * PAGE);
	arena_release(&arena);
}

static bool scan_is_there(void)
{
	char name[65];
	unsigned major = 0, minor = 0;
	struct utsname u;

	assert_int_equal(uname(&u), 0);
	memcpy(name, u.release, sizeof(name));
	assert_int_equal(sscanf(name, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 7);
}

static void test_forked(void **state)
{
	(void)state;
	check_forked(!scan_is_there());
}

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
	check_forked(true);
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
		cmocka_unit_test(test_states), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_old_kernel), /* last: there is no way back */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
