/* SPDX-License-Identifier: MIT */
/* Registers, emergency frame and code patterns of aarch64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "loader/cpu/code.h"
#include "loader/cpu/cpu.h"

enum { SVC = 0xd4000001, RET = 0xd65f03c0, NOP = 0xd503201f, FRAME_HEAD = 128 };

/* Registers that can be told from each other; plain vectors, or SVE's of that length. */
static void state_fill(struct cpu_state *s, unsigned length)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < 31; i++)
		s->regs.general.regs[i] = 0x1000 + i;
	s->regs.general.sp = 0x7ffffff000;
	s->regs.general.pc = 0x123450;
	s->regs.general.pstate = 0x80000c00;
	s->regs.call = -1;
	s->sigmask = 0x14;
	uint8_t *vector = s->xstate + (length ? 16 : 0);
	const size_t step = length ? length : 16;
	for (unsigned i = 0; i < 32; i++)
		memset(vector + i * step, (int)(i + 1), step);
	s->xstate_size = 528;
	if (!length)
		return;
	s->xstate_size = (16 + length * 32 + length * 2 + length / 8 + 15) / 16 * 16 + 16;
	const struct {
		uint32_t size, max_size;
		uint16_t length, max_length, flags, reserved;
	} header = { (uint32_t)s->xstate_size,
		     (uint32_t)s->xstate_size,
		     (uint16_t)length,
		     (uint16_t)length,
		     1,
		     0 };
	memcpy(s->xstate, &header, sizeof(header));
}

static uint32_t frame_word(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* The C library knows the same layout. */
static void frame_holds_the_state(void **unused)
{
	(void)unused;
	static struct cpu_state s;
	static uint8_t buf[CPU_FRAME_MAX];
	const uint64_t top = 0x7fff12345678;
	uint64_t addr;
	state_fill(&s, 0);
	const size_t size = cpu_frame_build(&s, top, 0xabcdef, buf, &addr);
	assert_true(size > 592 + 528 && size <= CPU_FRAME_MAX);
	assert_true(addr + size <= top);
	assert_int_equal(addr % 16, 0);
	assert_int_equal(cpu_frame_context(addr), addr);
	const uint8_t *uc = buf + FRAME_HEAD;
	unsigned long long x7, sp, pc, pstate;
	memcpy(&x7, uc + offsetof(ucontext_t, uc_mcontext.regs[7]), 8);
	memcpy(&sp, uc + offsetof(ucontext_t, uc_mcontext.sp), 8);
	memcpy(&pc, uc + offsetof(ucontext_t, uc_mcontext.pc), 8);
	memcpy(&pstate, uc + offsetof(ucontext_t, uc_mcontext.pstate), 8);
	assert_int_equal(x7, 0x1007);
	assert_int_equal(sp, s.regs.general.sp);
	assert_int_equal(pc, s.regs.general.pc);
	assert_int_equal(pstate, s.regs.general.pstate);
	sigset_t mask;
	memcpy(&mask, uc + offsetof(ucontext_t, uc_sigmask), 8);
	assert_true(sigismember(&mask, 3) && sigismember(&mask, 5));
	const uint8_t *records = uc + offsetof(ucontext_t, uc_mcontext.__reserved);
	assert_int_equal(frame_word(records), 0x46508001);
	assert_int_equal(frame_word(records + 4), 528);
	assert_int_equal(records[16 + 5 * 16], 6); /* v5 */
	assert_int_equal(frame_word(records + 528), 0);
	assert_int_equal(frame_word(records + 532), 0);
}

/* Short vectors fit into the frame, long ones lie behind it. */
static void frame_holds_long_vectors(void **unused)
{
	(void)unused;
	static struct cpu_state s;
	static uint8_t buf[CPU_FRAME_MAX];
	static const unsigned lengths[] = { 16, 32, 64, 128, 256 };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		uint64_t addr, data;
		state_fill(&s, lengths[i]);
		const size_t size = cpu_frame_build(&s, 1 << 20, 1, buf, &addr);
		assert_true(size && addr + size <= 1 << 20);
		const uint8_t *at = buf + 592 + 528;
		assert_int_equal(buf[592 + 16 + 5 * 16], 6);
		if (frame_word(at) == 0x45585401) {
			memcpy(&data, at + 8, sizeof(data));
			assert_int_equal(frame_word(at + 32), 0);
			assert_int_equal(data, addr + (uint64_t)(at - buf) + 48);
			assert_int_equal(data + frame_word(at + 16), addr + size);
			at += 48;
		} else {
			assert_true(size <= 592 + 4096);
		}
		assert_int_equal(frame_word(at), 0x53564501);
		assert_int_equal(frame_word(at + 8) & 0xffff, lengths[i]);
		assert_int_equal(at[16 + 31 * lengths[i]], 32);
		const uint8_t *end = at + frame_word(at + 4);
		assert_int_equal(frame_word(end), 0);
		assert_int_equal(end + 16 - buf, size);
	}
}

static jmp_buf back;
static volatile uint64_t seen[4];

/* Where the frame leads: with its registers, on its stack. */
__attribute__((noreturn)) static void frame_arrive(uint64_t a, uint64_t b)
{
	uint64_t vector;

	__asm__ volatile("fmov %0, d9" : "=r"(vector));
	seen[0] = a;
	seen[1] = b;
	seen[2] = vector;
	longjmp(back, 1);
}

/* The kernel takes it. */
static void frame_is_taken(void **unused)
{
	(void)unused;
	static struct cpu_state s;
	static uint8_t buf[CPU_FRAME_MAX];
	static _Alignas(16) uint8_t stack[65536];
	uint64_t addr;
	state_fill(&s, 0);
	s.regs.general.pstate = 0;
	s.regs.general.pc = (uint64_t)(uintptr_t)frame_arrive;
	s.regs.general.sp = (uint64_t)(uintptr_t)(stack + 32768);
	s.sigmask = 1ull << (SIGUSR2 - 1);
	const uint64_t top = (uint64_t)(uintptr_t)(stack + sizeof(stack));
	const size_t size = cpu_frame_build(&s, top, 0, buf, &addr);
	memcpy((void *)(uintptr_t)addr, buf, size);
	if (!setjmp(back))
		__asm__ volatile("mov sp, %0\n\tmov x8, 139\n\tsvc 0\n\tbrk 0"
				 :
				 : "r"(addr)
				 : "x8", "memory");
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(seen[0], 0x1000);
	assert_int_equal(seen[1], 0x1001);
	assert_int_equal(seen[2], 0x0a0a0a0a0a0a0a0a);
	assert_true(sigismember(&mask, SIGUSR2));
	assert_false(sigismember(&mask, SIGUSR1));
	sigemptyset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void a_copy_leaves(void **unused)
{
	(void)unused;
	uint8_t buf[CPU_EXIT_MAX];
	uint64_t addr, pc, sp;
	const size_t size = cpu_exit_build(0x100000, 0xabc0, buf, &addr);
	assert_true(addr % 16 == 0 && addr + size <= 0x100000);
	memcpy(&pc, buf + FRAME_HEAD + offsetof(ucontext_t, uc_mcontext.pc), 8);
	memcpy(&sp, buf + FRAME_HEAD + offsetof(ucontext_t, uc_mcontext.sp), 8);
	assert_int_equal(pc, 0xabc0);
	assert_int_equal(sp, addr);
}

static struct cpu_regs regs_at(long call, bool restarts, uint64_t first)
{
	struct cpu_regs r = { .call = call, .restarts = restarts };

	r.general.pc = 1000;
	r.general.sp = 2000;
	r.general.regs[0] = first;
	r.general.regs[8] = (unsigned long long)call;
	return r;
}

/* epoll_pwait, whose descriptor the registers have lost. */
static void a_wait_is_rewound(void **unused)
{
	(void)unused;
	struct cpu_regs r = regs_at(SYS_epoll_pwait, false, (uint64_t)-EINTR);
	struct cpu_wait wait = { SYS_epoll_pwait, { 7 }, 2000, 1000 };
	assert_int_equal(cpu_syscall(&r), SYS_epoll_pwait);
	assert_int_equal(cpu_syscall_result(&r), -EINTR);
	assert_int_equal(cpu_restart_call(&r), -1);
	assert_false(cpu_rewind_syscall(&r)); /* which was it? */
	wait.sp++;
	cpu_set_wait(&r, &wait);
	assert_false(cpu_rewind_syscall(&r)); /* not that one */
	wait.sp--;
	wait.arg[3] = 1;
	cpu_set_wait(&r, &wait);
	assert_false(cpu_rewind_syscall(&r));
	wait.arg[3] = 0;
	cpu_set_wait(&r, &wait);
	assert_int_equal(cpu_syscall_arg(&r, 0), 7);
	assert_true(cpu_rewind_syscall(&r));
	assert_int_equal(r.general.pc, 996);
	assert_int_equal(r.general.regs[0], 7);
	assert_int_equal(r.general.regs[8], SYS_epoll_pwait);
	assert_int_not_equal(cpu_syscall_result(&r), -EINTR);
}

static void a_time_limit_is_kept(void **unused)
{
	(void)unused;
	struct cpu_regs r = regs_at(SYS_nanosleep, true, 7);
	struct cpu_wait wait = { SYS_nanosleep, { 7 }, 2000, 1004 };
	assert_int_equal(cpu_restart_call(&r), SYS_restart_syscall);
	cpu_keep_time_limit(&r);
	assert_int_equal(r.general.regs[8], SYS_nanosleep); /* perhaps not made yet */
	cpu_set_wait(&r, &wait);
	cpu_keep_time_limit(&r);
	assert_int_equal(r.general.regs[8], SYS_restart_syscall);
	assert_int_equal(r.general.regs[0], 7);
	/* until an instant: made again, as the kernel does */
	r = regs_at(SYS_clock_nanosleep, true, 0);
	r.general.regs[1] = TIMER_ABSTIME;
	wait = (struct cpu_wait){ SYS_clock_nanosleep, { 0, TIMER_ABSTIME }, 2000, 1004 };
	cpu_set_wait(&r, &wait);
	cpu_keep_time_limit(&r);
	assert_int_equal(cpu_restart_call(&r), SYS_clock_nanosleep);
	assert_int_equal(r.general.regs[8], SYS_clock_nanosleep);
	/* interrupted as by a signal */
	r = regs_at(SYS_read, true, 3);
	cpu_interrupt_syscall(&r);
	assert_int_equal((int64_t)r.general.regs[0], -EINTR);
	assert_int_equal(r.general.pc, 1004);
	assert_int_equal(cpu_restart_call(&r), -1);
}

static void calls_are_recognised(void **unused)
{
	(void)unused;
	const uint32_t code[] = { NOP,	      0x94000010, /* bl */
				  0xd63f0120,		  /* blr x9 */
				  0xd63f093f,		  /* blraaz x9 */
				  0xd73f0801,		  /* blraa x0, x1 */
				  0x14000010,		  /* b */
				  0xd61f0120 };		  /* br x9 */
	const uint8_t *bytes = (const uint8_t *)code;
	assert_false(code_after_call(bytes, 0));
	assert_false(code_after_call(bytes, 4));
	assert_true(code_after_call(bytes, 8));
	assert_true(code_after_call(bytes, 12));
	assert_true(code_after_call(bytes, 16));
	assert_true(code_after_call(bytes, 20));
	assert_false(code_after_call(bytes, 24));
	assert_false(code_after_call(bytes, 28));
	assert_false(code_after_call(bytes, 10));
	assert_int_equal(code_address(0x2a007fff12345678), 0x7fff12345678);
}

static bool load_found(const uint32_t *code, size_t words, struct code_load *l)
{
	return code_loaded_variable((const uint8_t *)code, words * 4, 0x10008, l);
}

static void loads_are_recognised(void **unused)
{
	(void)unused;
	struct code_load l;
	const uint32_t direct[] = { 0xd503245f, 0xb0000000, 0xf9400800, RET };
	const uint32_t table[] = { 0xf0ffffe0, 0xf9400400, 0xf9412000, RET };
	const uint32_t address[] = { 0x90000000, 0x91004000, 0xc8dffc00, RET };
	const uint32_t other[] = { 0xd2800000, RET };
	const uint32_t framed[] = { 0xa9bf7bfd, 0x910003fd, 0xb0000000,
				    0xf9400800, 0xa8c17bfd, RET };
	const uint32_t call[] = { 0xb0000000, 0x94000010, 0xf9400800, RET };
	assert_true(load_found(direct, 4, &l));
	assert_true(l.address == 0x11000 + 16 && !l.indirect);
	assert_true(load_found(table, 4, &l));
	assert_true(l.address == 0xf000 + 8 && l.indirect && l.offset == 0x240);
	assert_true(load_found(address, 4, &l));
	assert_true(l.address == 0x10000 + 16 && !l.indirect);
	assert_true(load_found(framed, 6, &l));
	assert_true(l.address == 0x11000 + 16);
	assert_false(load_found(other, 2, &l));
	assert_false(load_found(call, 4, &l));
	assert_false(load_found(direct, 3, &l));
}

static void gadgets_are_found(void **unused)
{
	(void)unused;
	const uint32_t code[] = {
		SVC, NOP, SVC,	      RET, 0xd2801588, SVC,	   RET,
		NOP, NOP, 0xd2801168, SVC, NOP,	       0x52801168, SVC
	};
	const uint8_t *bytes = (const uint8_t *)code;
	assert_int_equal(code_find_gadget(bytes, sizeof(code)), 20);
	assert_int_equal(code_find_gadget(bytes, 16), 8); /* if there is no better one */
	assert_int_equal(code_find_gadget(bytes, 12), (size_t)-1);
	assert_int_equal(code_find_restorer(bytes, sizeof(code), 0), 36);
	assert_int_equal(code_find_restorer(bytes, sizeof(code), 37), 48);
	assert_int_equal(code_find_restorer(bytes, sizeof(code), 49), (size_t)-1);
}

/* The stub itself: calls, then system calls; led to its end it leaves by the frame. */
static uint64_t sum(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	errno = EXDEV;
	return a + 10 * b + 100 * c + 1000 * d;
}

static void stub_runs(void **unused)
{
	(void)unused;
	static struct {
		struct cpu_call call;
		struct cpu_op op[2];
	} block;
	static struct cpu_state s;
	static uint8_t buf[CPU_FRAME_MAX];
	static _Alignas(16) uint8_t stack[131072];
	size_t size, marker;
	const uint8_t *code = cpu_stub(&size, &marker);
	assert_true(marker % 4 == 0 && marker < size && size <= CPU_STUB_MAX);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	memcpy(page, code, size);
	__builtin___clear_cache(page, (char *)page + size);
	assert_int_equal(mprotect(page, size, PROT_READ | PROT_EXEC), 0);
	uint64_t addr;
	state_fill(&s, 0);
	s.regs.general.pstate = 0;
	s.regs.general.pc = (uint64_t)(uintptr_t)frame_arrive;
	s.regs.general.sp = (uint64_t)(uintptr_t)(stack + 32768);
	s.sigmask = 0;
	const uint64_t top = (uint64_t)(uintptr_t)(stack + sizeof(stack));
	const size_t frame_size = cpu_frame_build(&s, top, 0, buf, &addr);
	memcpy((void *)(uintptr_t)addr, buf, frame_size);
	block.call = (struct cpu_call){ .arg = { 1, 2, 3, 4 },
					.function = (uint64_t)(uintptr_t)sum,
					.spins = 3 };
	block.op[0] = (struct cpu_op){ .nr = SYS_getpid };
	block.op[1] = (struct cpu_op){ .nr = SYS_lseek, .arg = { 12345, 0, 0 } };
	struct cpu_regs r = { .call = -1 };
	cpu_set_call(&r, (uint64_t)(uintptr_t)page, (uint64_t)(uintptr_t)(stack + 65536),
		     (uint64_t)(uintptr_t)&block, 2, addr,
		     (uint64_t)(uintptr_t)__errno_location);
	errno = EPERM;
	if (!setjmp(back))
		__asm__ volatile("ldp x19, x20, [%0, 19 * 8]\n\t"
				 "ldp x21, x22, [%0, 21 * 8]\n\t"
				 "ldr x9, [%0, 31 * 8]\n\t"
				 "ldr x10, [%0, 32 * 8]\n\t"
				 "mov sp, x9\n\tbr x10"
				 :
				 : "r"(&r.general)
				 : "x9", "x10", "x19", "x20", "x21", "x22", "memory");
	assert_int_equal(errno, EPERM);
	assert_int_equal(block.call.result, 4321);
	assert_int_equal(block.call.done, 1);
	assert_int_equal(block.op[0].result, getpid());
	assert_int_equal(block.op[1].result, -EBADF);
	assert_int_equal(seen[1], 0x1001);
	munmap(page, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_holds_the_state),
		cmocka_unit_test(frame_holds_long_vectors),
		cmocka_unit_test(frame_is_taken),
		cmocka_unit_test(a_copy_leaves),
		cmocka_unit_test(a_wait_is_rewound),
		cmocka_unit_test(a_time_limit_is_kept),
		cmocka_unit_test(calls_are_recognised),
		cmocka_unit_test(loads_are_recognised),
		cmocka_unit_test(gadgets_are_found),
		cmocka_unit_test(stub_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
