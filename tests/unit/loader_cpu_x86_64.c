/* SPDX-License-Identifier: MIT */
/* Registers, emergency frame and code patterns of x86-64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "loader/cpu/code.h"
#include "loader/cpu/cpu.h"

/* State of a real, stopped child. */
static void read_state(struct cpu_state *state)
{
	pid_t pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	memset(state, 0, sizeof(*state));
	assert_int_equal(cpu_save(pid, state), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void frame_holds_the_state(void **unused)
{
	(void)unused;
	static struct cpu_state s;
	uint8_t buf[CPU_FRAME_MAX];
	uint64_t addr, top = 0x7fff12345678, pretcode;
	read_state(&s);
	s.sigmask = 0x1234;
	size_t size = cpu_frame_build(&s, top, 0xabcdef, buf, &addr);
	assert_true(size > 512 && size <= CPU_FRAME_MAX);
	assert_true(addr + size <= top);
	assert_int_equal(addr % 64, 0);
	memcpy(&pretcode, buf, 8);
	assert_int_equal(pretcode, 0xabcdef);
	assert_int_equal(cpu_frame_context(addr), addr + 8);
	/* the C library knows the same layout */
	ucontext_t uc;
	memcpy(&uc, buf + 8, offsetof(ucontext_t, __fpregs_mem));
	assert_int_equal(uc.uc_mcontext.gregs[REG_RBX], s.regs.general.rbx);
	assert_int_equal(uc.uc_mcontext.gregs[REG_RSP], s.regs.general.rsp);
	assert_int_equal(uc.uc_mcontext.gregs[REG_R15], s.regs.general.r15);
	assert_int_equal(uc.uc_mcontext.gregs[REG_EFL], s.regs.general.eflags);
	assert_true(sigismember(&uc.uc_sigmask, 3) && sigismember(&uc.uc_sigmask, 5));
	uint64_t fp = (uint64_t)(uintptr_t)uc.uc_mcontext.fpregs;
	assert_int_equal(fp % 64, 0);
	assert_true(fp > addr && fp + 512 < addr + size);
	uint32_t magic1, magic2, xstate_size;
	const uint8_t *area = buf + (fp - addr);
	memcpy(&magic1, area + 464, 4);
	memcpy(&xstate_size, area + 464 + 16, 4);
	assert_int_equal(magic1, 0x46505853);
	assert_true(xstate_size >= 576 && fp + xstate_size + 4 <= addr + size);
	memcpy(&magic2, area + xstate_size, 4);
	assert_int_equal(magic2, 0x46505845);
	assert_memory_equal(area, s.xstate, 464);
	assert_memory_equal(area + 512, s.xstate + 512, xstate_size - 512);
}

static void restarts_are_told_to_the_frame(void **unused)
{
	(void)unused;
	static const struct {
		long rax;
		long ip, ax; /* changes: ip relative, ax absolute (-1 = orig_rax) */
	} cases[] = {
		{ -512, -2, -1 },    { -513, -2, -1 }, { -514, -2, -1 },
		{ -516, 0, -EINTR }, { 17, 0, 17 },    { -EINTR, 0, -EINTR },
	};
	static struct cpu_state s;
	read_state(&s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buf[CPU_FRAME_MAX];
		uint64_t addr;
		ucontext_t uc;
		s.regs.general.orig_rax = SYS_read;
		s.regs.general.rax = (unsigned long long)cases[i].rax;
		assert_true(cpu_frame_build(&s, 1 << 20, 1, buf, &addr) > 0);
		memcpy(&uc, buf + 8, offsetof(ucontext_t, __fpregs_mem));
		assert_int_equal(uc.uc_mcontext.gregs[REG_RIP],
				 (long long)s.regs.general.rip + cases[i].ip);
		assert_int_equal(uc.uc_mcontext.gregs[REG_RAX],
				 cases[i].ax == -1 ? SYS_read : cases[i].ax);
	}
	/* in user code a result that looks like a restart is just a number */
	uint8_t buf[CPU_FRAME_MAX];
	uint64_t addr;
	ucontext_t uc;
	s.regs.general.orig_rax = (unsigned long long)-1;
	s.regs.general.rax = (unsigned long long)-512;
	assert_true(cpu_frame_build(&s, 1 << 20, 1, buf, &addr) > 0);
	memcpy(&uc, buf + 8, offsetof(ucontext_t, __fpregs_mem));
	assert_int_equal(uc.uc_mcontext.gregs[REG_RIP], s.regs.general.rip);
	assert_int_equal(uc.uc_mcontext.gregs[REG_RAX], -512);
}

static void a_wait_is_rewound(void **unused)
{
	(void)unused;
	struct cpu_regs r = { { .rip = 1000,
				.orig_rax = SYS_epoll_wait,
				.rax = (unsigned long long)-EINTR } };
	assert_int_equal(cpu_syscall(&r), SYS_epoll_wait);
	assert_true(cpu_rewind_syscall(&r));
	/* -ERESTARTNOHAND: the kernel makes it EINTR for a handler, else calls again */
	assert_int_equal(r.general.rip, 1000);
	assert_int_equal(r.general.rax, -514);
	assert_int_equal(cpu_restart_call(&r), SYS_epoll_wait);
}

static void calls_are_recognised(void **unused)
{
	(void)unused;
	const uint8_t relative[] = { 0x90, 0xe8, 1, 2, 3, 4 };
	const uint8_t by_register[] = { 0x90, 0x90, 0xff, 0xd0 };
	const uint8_t by_memory[] = { 0x90, 0xff, 0x15, 1, 2, 3, 4 };
	const uint8_t extended[] = { 0x90, 0x41, 0xff, 0xd5 };
	const uint8_t nothing[] = { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 };
	const uint8_t jump[] = { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0 };
	assert_true(code_after_call(relative, 6));
	assert_true(code_after_call(by_register, 4));
	assert_true(code_after_call(by_memory, 7));
	assert_true(code_after_call(extended, 4));
	assert_false(code_after_call(nothing, 8));
	assert_false(code_after_call(jump, 8));
	assert_false(code_after_call(relative, 0));
}

static void loads_are_recognised(void **unused)
{
	(void)unused;
	struct code_load l;
	const uint8_t direct[32] = { 0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0xc3 };
	const uint8_t table[32] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8b, 0x05,
				    0xf0, 0xff, 0xff, 0xff, 0x48, 0x8b, 0x80,
				    0x40, 0x02, 0,    0,    0xc3 };
	const uint8_t address[32] = { 0x48, 0x8d, 0x05, 1,    0, 0,
				      0,    0x48, 0x8b, 0x40, 8, 0xc3 };
	const uint8_t other[32] = { 0x48, 0x83, 0xec, 0x08, 0xe8, 1, 2, 3, 4, 0xc3 };
	assert_true(code_loaded_variable(direct, 32, 1000, &l));
	assert_true(l.address == 1000 + 7 + 16 && !l.indirect && l.offset == 0);
	assert_true(code_loaded_variable(table, 32, 1000, &l));
	assert_true(l.address == 1000 + 11 - 16 && l.indirect && l.offset == 0x240);
	assert_true(code_loaded_variable(address, 32, 1000, &l));
	assert_true(l.address == 1000 + 7 + 1 && !l.indirect && l.offset == 8);
	assert_false(code_loaded_variable(other, 32, 1000, &l));
}

static void gadgets_are_found(void **unused)
{
	(void)unused;
	const uint8_t code[] = { 0x90, 0x0f, 0x05, 0x90, 0x0f, 0x05, 0xc3, 0x48, 0xc7,
				 0xc0, 0x0f, 0,	   0,	 0,    0x0f, 0x05, 0x90 };
	assert_int_equal(code_find_gadget(code, sizeof(code)), 4);
	assert_int_equal(code_find_gadget(code, 6), (size_t)-1);
	assert_int_equal(code_find_restorer(code, sizeof(code), 0), 7);
	assert_int_equal(code_find_restorer(code, sizeof(code), 8), (size_t)-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_holds_the_state),
		cmocka_unit_test(restarts_are_told_to_the_frame),
		cmocka_unit_test(a_wait_is_rewound),
		cmocka_unit_test(calls_are_recognised),
		cmocka_unit_test(loads_are_recognised),
		cmocka_unit_test(gadgets_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
