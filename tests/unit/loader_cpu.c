/* SPDX-License-Identifier: MIT */
/* Registers, emergency frame and code patterns of this processor; seccomp filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "loader/inject/agent_image.h"
#include "loader/cpu/cpu.h"
#include "loader/target/filter.h"

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
	assert_int_equal(uc.uc_mcontext.gregs[REG_RBX], s.regs.rbx);
	assert_int_equal(uc.uc_mcontext.gregs[REG_RSP], s.regs.rsp);
	assert_int_equal(uc.uc_mcontext.gregs[REG_R15], s.regs.r15);
	assert_int_equal(uc.uc_mcontext.gregs[REG_EFL], s.regs.eflags);
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
		s.regs.orig_rax = SYS_read;
		s.regs.rax = (unsigned long long)cases[i].rax;
		assert_true(cpu_frame_build(&s, 1 << 20, 1, buf, &addr) > 0);
		memcpy(&uc, buf + 8, offsetof(ucontext_t, __fpregs_mem));
		assert_int_equal(uc.uc_mcontext.gregs[REG_RIP],
				 (long long)s.regs.rip + cases[i].ip);
		assert_int_equal(uc.uc_mcontext.gregs[REG_RAX],
				 cases[i].ax == -1 ? SYS_read : cases[i].ax);
	}
	/* in user code a result that looks like a restart is just a number */
	uint8_t buf[CPU_FRAME_MAX];
	uint64_t addr;
	ucontext_t uc;
	s.regs.orig_rax = (unsigned long long)-1;
	s.regs.rax = (unsigned long long)-512;
	assert_true(cpu_frame_build(&s, 1 << 20, 1, buf, &addr) > 0);
	memcpy(&uc, buf + 8, offsetof(ucontext_t, __fpregs_mem));
	assert_int_equal(uc.uc_mcontext.gregs[REG_RIP], s.regs.rip);
	assert_int_equal(uc.uc_mcontext.gregs[REG_RAX], -512);
}

static void a_wait_is_rewound(void **unused)
{
	(void)unused;
	struct user_regs_struct r = { .rip = 1000,
				      .orig_rax = SYS_epoll_wait,
				      .rax = (unsigned long long)-EINTR };
	assert_int_equal(cpu_syscall(&r), SYS_epoll_wait);
	cpu_rewind_syscall(&r);
	assert_int_equal(r.rip, 998);
	assert_int_equal(r.rax, SYS_epoll_wait);
	assert_int_equal(cpu_syscall(&r), -1);
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
	assert_true(cpu_after_call(relative, 6));
	assert_true(cpu_after_call(by_register, 4));
	assert_true(cpu_after_call(by_memory, 7));
	assert_true(cpu_after_call(extended, 4));
	assert_false(cpu_after_call(nothing, 8));
	assert_false(cpu_after_call(jump, 8));
	assert_false(cpu_after_call(relative, 0));
}

static void loads_are_recognised(void **unused)
{
	(void)unused;
	struct cpu_load l;
	const uint8_t direct[32] = { 0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0xc3 };
	const uint8_t table[32] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8b, 0x05,
				    0xf0, 0xff, 0xff, 0xff, 0x48, 0x8b, 0x80,
				    0x40, 0x02, 0,    0,    0xc3 };
	const uint8_t address[32] = { 0x48, 0x8d, 0x05, 1,    0, 0,
				      0,    0x48, 0x8b, 0x40, 8, 0xc3 };
	const uint8_t other[32] = { 0x48, 0x83, 0xec, 0x08, 0xe8, 1, 2, 3, 4, 0xc3 };
	assert_true(cpu_loaded_variable(direct, 32, 1000, &l));
	assert_true(l.address == 1000 + 7 + 16 && !l.indirect && l.offset == 0);
	assert_true(cpu_loaded_variable(table, 32, 1000, &l));
	assert_true(l.address == 1000 + 11 - 16 && l.indirect && l.offset == 0x240);
	assert_true(cpu_loaded_variable(address, 32, 1000, &l));
	assert_true(l.address == 1000 + 7 + 1 && !l.indirect && l.offset == 8);
	assert_false(cpu_loaded_variable(other, 32, 1000, &l));
}

static void gadgets_are_found(void **unused)
{
	(void)unused;
	const uint8_t code[] = { 0x90, 0x0f, 0x05, 0x90, 0x0f, 0x05, 0xc3, 0x48, 0xc7,
				 0xc0, 0x0f, 0,	   0,	 0,    0x0f, 0x05, 0x90 };
	assert_int_equal(cpu_find_gadget(code, sizeof(code)), 4);
	assert_int_equal(cpu_find_gadget(code, 6), (size_t)-1);
	assert_int_equal(cpu_find_restorer(code, sizeof(code), 0), 7);
	assert_int_equal(cpu_find_restorer(code, sizeof(code), 8), (size_t)-1);
}

/* The start block is found by its magic, wherever the linker put it. */
static void start_block_is_filled(void **unused)
{
	(void)unused;
	static struct {
		char before[100];
		struct pymem_start block;
		char after[100];
	} file;
	struct inject_options options = { .agent = &file, .agent_size = sizeof(file) };
	struct agent_image image;
	struct load_error err;
	assert_int_equal(agent_image_init(&image, &options, &err), -1);
	memcpy(file.block.magic, PYMEM_START_MAGIC, 16);
	memcpy(file.before + 3, PYMEM_START_MAGIC,
	       16); /* the magic alone isn't the block */
	file.block.version = PYMEM_START_VERSION;
	file.block.size = sizeof(struct pymem_start);
	assert_int_equal(agent_image_init(&image, &options, &err), 0);
	struct pymem_start start = { .nonce = 77, .control_fd = 1003 };
	agent_image_configure(&image, &start);
	struct pymem_start got;
	memcpy(&got, (char *)image.data + image.block, sizeof(got));
	assert_int_equal(got.configured, 1);
	assert_int_equal(got.nonce, 77);
	assert_int_equal(got.control_fd, 1003);
	assert_int_equal(file.block.configured, 0); /* a copy was filled in */
	agent_image_free(&image);
}

/* What is never mapped of a library isn't brought into the target. */
static void image_is_cut(void **unused)
{
	(void)unused;
	static struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		struct pymem_start block;
		char symbols[5000];
	} file;
	struct inject_options options = { .agent = &file, .agent_size = sizeof(file) };
	struct agent_image image;
	struct load_error err;
	memcpy(file.header.e_ident, ELFMAG, SELFMAG);
	file.header.e_ident[EI_CLASS] = ELFCLASS64;
	file.header.e_phoff = sizeof(file.header);
	file.header.e_phentsize = sizeof(file.segment);
	file.header.e_phnum = 1;
	file.header.e_shoff = offsetof(typeof(file), symbols) + 100;
	file.header.e_shnum = 7;
	file.segment.p_type = PT_LOAD;
	file.segment.p_filesz = offsetof(typeof(file), symbols);
	memcpy(file.block.magic, PYMEM_START_MAGIC, 16);
	file.block.version = PYMEM_START_VERSION;
	file.block.size = sizeof(struct pymem_start);
	assert_int_equal(agent_image_init(&image, &options, &err), 0);
	assert_int_equal(image.size, offsetof(typeof(file), symbols));
	assert_int_equal(((Elf64_Ehdr *)image.data)->e_shnum, 0);
	agent_image_free(&image);
	file.segment.p_filesz = sizeof(file) + 1; /* nonsense: taken as it is */
	assert_int_equal(agent_image_init(&image, &options, &err), 0);
	assert_int_equal(image.size, sizeof(file));
	assert_int_equal(((Elf64_Ehdr *)image.data)->e_shnum, 7);
	agent_image_free(&image);
}

/* ---- seccomp ---- */

#define LOAD_NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static uint32_t run(const struct sock_filter *code, size_t count, int nr, uint64_t arg0)
{
	struct seccomp_data data = { .nr = nr,
				     .arch = AUDIT_ARCH_X86_64,
				     .args = { arg0 } };
	return filter_run(code, count, &data);
}

static void filters_are_run(void **unused)
{
	(void)unused;
	const struct sock_filter deny[] = {
		LOAD_NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 319, 0, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)
	};
	assert_int_equal(run(deny, 4, 319, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(deny, 4, 318, 0), SECCOMP_RET_ALLOW);
	const struct sock_filter by_arg[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_LDX | BPF_IMM, 0xff),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 3),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8),
		BPF_STMT(BPF_RET | BPF_A, 0)
	};
	assert_int_equal(run(by_arg, 9, 0, 0x12345), 0x123);
	const struct sock_filter jumps[] = {
		LOAD_NR,   BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		RETURN(1), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 10, 1, 0),
		RETURN(2), RETURN(3)
	};
	assert_int_equal(run(jumps, 6, 9, 0), 2);
	assert_int_equal(run(jumps, 6, 10, 0), 3);
}

static void malformed_filters_kill(void **unused)
{
	(void)unused;
	const struct sock_filter outside[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096),
					       RETURN(SECCOMP_RET_ALLOW) };
	const struct sock_filter no_end[] = { LOAD_NR };
	const struct sock_filter far[] = { BPF_JUMP(BPF_JMP | BPF_JA, 1000000, 0, 0),
					   RETURN(SECCOMP_RET_ALLOW) };
	const struct sock_filter memory[] = { BPF_STMT(BPF_ST, 1000),
					      RETURN(SECCOMP_RET_ALLOW) };
	const struct sock_filter zero[] = { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
					    RETURN(SECCOMP_RET_ALLOW) };
	assert_int_equal(run(outside, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(no_end, 1, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(far, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(memory, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(zero, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

static void worst_answers_are_found(void **unused)
{
	(void)unused;
	const struct sock_filter one[] = { /* kills 319, asks about 400, refuses 56 */
					   LOAD_NR,
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 319, 3, 0),
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 400, 3, 0),
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 56, 3, 0),
					   RETURN(SECCOMP_RET_ALLOW),
					   RETURN(SECCOMP_RET_KILL_PROCESS),
					   RETURN(SECCOMP_RET_USER_NOTIF),
					   RETURN(SECCOMP_RET_ERRNO | 1)
	};
	assert_int_equal(filter_worst(one, 8, 0, 1023), FILTER_ENDS);
	assert_int_equal(filter_worst(one, 8, 320, 1023), FILTER_WAITS);
	assert_int_equal(filter_worst(one, 8, 0, 318), FILTER_REFUSES);
	assert_int_equal(filter_worst(one, 8, 57, 318), FILTER_ALLOWS);
	assert_true(filter_refuses(one, 8, 56));
	assert_false(filter_refuses(one, 8, 57));
	const struct sock_filter other_abi[] = {
		/* x32, as libseccomp asks for it */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		LOAD_NR,
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS)
	};
	assert_int_equal(filter_worst(other_abi, 6, 0, 1023), FILTER_ALLOWS);
	const struct sock_filter by_arg[] = {
		/* mmap of writable code */
		LOAD_NR,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | 1),
		RETURN(SECCOMP_RET_ALLOW)
	};
	assert_int_equal(filter_worst(by_arg, 7, 9, 9), FILTER_REFUSES);
	assert_int_equal(filter_worst(by_arg, 7, 0, 8), FILTER_ALLOWS);
	assert_false(filter_refuses(by_arg, 7, 9));
	const struct sock_filter older[] = { RETURN(SECCOMP_RET_ERRNO | ENOSYS) };
	assert_int_equal(filter_worst(older, 1, 0, 1023), FILTER_REFUSES);
	assert_false(filter_refuses(older, 1, 435));
}

enum { RANDOM_CODE = 16, RANDOM_CALLS = 32 };

static struct sock_filter random_instruction(int at)
{
	static const uint32_t actions[] = { SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 1,
					    SECCOMP_RET_USER_NOTIF,
					    SECCOMP_RET_KILL_PROCESS };
	static const uint16_t jumps[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	static const uint16_t alus[] = { BPF_ADD, BPF_SUB, BPF_AND, BPF_OR, BPF_RSH,
					 BPF_LSH, BPF_XOR, BPF_NEG, BPF_DIV };
	const uint16_t x = lrand48() % 8 ? BPF_K : BPF_X;
	const uint32_t k = (uint32_t)lrand48() % 24;
	const uint8_t far = (uint8_t)(lrand48() % (RANDOM_CODE - at)),
		      near = (uint8_t)(lrand48() % (RANDOM_CODE - at));
	switch (at == RANDOM_CODE - 1 ? 0 : lrand48() % 6) {
	case 0:
		return (struct sock_filter)RETURN(actions[lrand48() % 4]);
	case 1:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, k % 8 * 4);
	case 2:
		return (struct sock_filter)BPF_STMT(BPF_ALU | alus[lrand48() % 9] | x,
						    k + 1);
	case 3:
		return (struct sock_filter)BPF_STMT(
			BPF_MISC | (k % 2 ? BPF_TAX : BPF_TXA), 0);
	default:
		return (struct sock_filter)BPF_JUMP(BPF_JMP | jumps[lrand48() % 4] | x, k,
						    far, near);
	}
}

/* The interval machine never answers better than a run does. */
static void no_run_is_worse_than_the_worst(void **unused)
{
	(void)unused;
	srand48(12);
	for (int round = 0; round < 20000; round++) {
		struct sock_filter code[RANDOM_CODE];
		for (int i = 0; i < RANDOM_CODE; i++)
			code[i] = random_instruction(i);
		const enum filter_effect worst =
			filter_worst(code, RANDOM_CODE, 0, RANDOM_CALLS - 1);
		for (int nr = 0; nr < RANDOM_CALLS; nr++)
			assert_true(filter_effect(run(code, RANDOM_CODE, nr,
						      (uint64_t)lrand48())) <= worst);
	}
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
		cmocka_unit_test(start_block_is_filled),
		cmocka_unit_test(image_is_cut),
		cmocka_unit_test(filters_are_run),
		cmocka_unit_test(malformed_filters_kill),
		cmocka_unit_test(worst_answers_are_found),
		cmocka_unit_test(no_run_is_worse_than_the_worst),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
