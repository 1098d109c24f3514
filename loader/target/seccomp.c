/* SPDX-License-Identifier: MIT */
/* seccomp - see seccomp.h. */
#include "loader/target/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILTERS_MAX 32
#define PROGRAM_MAX 4096 /* BPF_MAXINSNS */

#if defined __x86_64__
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "name this processor's AUDIT_ARCH here"
#endif

#define THREAD_FLAGS \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
	 CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define CALL(call, ...) \
	{ \
		SYS_##call, #call, \
		{ \
			__VA_ARGS__ \
		} \
	}

/* The bare copy: clone and, at the end, wait4; the rest runs in the copy. */
static const struct seccomp_call copy_calls[] = {
	CALL(clone, 0),
	CALL(wait4, 1, 0, 0),
	CALL(rt_sigreturn, 0),
	CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull,
	     0),
};

/* What the borrowed thread, dlopen, the worker and its own copy do. */
static const struct seccomp_call agent_calls[] = {
	CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull,
	     0),
	CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull, 0),
	CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 3, 0),
	CALL(mprotect, 4096, 4096, PROT_NONE),
	CALL(mprotect, 4096, 4096, PROT_READ),
	CALL(munmap, 4096, 4096),
	CALL(memfd_create, 4096, 1),
	CALL(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, 4096),
	CALL(fcntl, 3, F_DUPFD_CLOEXEC, 1000),
	CALL(close, 3),
	CALL(rt_sigreturn, 0),
	CALL(openat, (uint64_t)AT_FDCWD, 4096, O_RDONLY | O_CLOEXEC),
	CALL(read, 3, 4096, 832),
	CALL(pread64, 3, 4096, 784, 64),
	CALL(fstat, 3, 4096),
	CALL(newfstatat, 3, 4096, 4096, 0x1000),
	CALL(brk, 0),
	CALL(madvise, 4096, 4096, 4),
	CALL(clone, THREAD_FLAGS),
	CALL(clone3, 4096, 88),
	CALL(clone, CLONE_UNTRACED),
	CALL(set_robust_list, 4096, 24),
	CALL(rseq, 4096, 32, 0, 0x53053053),
	CALL(rt_sigprocmask, 2, 4096, 0, 8),
	CALL(rt_sigaction, SIGSEGV, 4096, 4096, 8),
	CALL(prctl, 15, 4096),
	CALL(prctl, 1, 9),
	CALL(gettid, 0),
	CALL(getpid, 0),
	CALL(getppid, 0),
	CALL(sched_setaffinity, 0, 128, 4096),
	CALL(sched_setscheduler, 0, 0, 4096),
	CALL(setpriority, 0, 0, 19),
	CALL(futex, 4096, 128, 0),
	CALL(poll, 4096, 1, 100),
	CALL(write, 3, 4096, 100),
	CALL(sendto, 3, 4096, 100, MSG_NOSIGNAL),
	CALL(wait4, 1, 4096, 0x80000000u),
	CALL(close_range, 3, ~0u, 0),
	CALL(clock_nanosleep, 0, 0, 4096),
	CALL(sigaltstack, 4096, 0),
	CALL(exit, 0),
	CALL(exit_group, 0),
};

/* ---- the filter machine ---- */

static bool load_word(const struct seccomp_data *data, uint32_t at, uint32_t *ret)
{
	if (at % 4 || at > sizeof(*data) - 4)
		return false;
	memcpy(ret, (const char *)data + at, 4);
	return true;
}

static bool alu(uint16_t op, uint32_t operand, uint32_t *a)
{
	switch (op) {
	case BPF_ADD:
		*a += operand;
		return true;
	case BPF_SUB:
		*a -= operand;
		return true;
	case BPF_MUL:
		*a *= operand;
		return true;
	case BPF_DIV:
		*a = operand ? *a / operand : 0;
		return operand != 0;
	case BPF_OR:
		*a |= operand;
		return true;
	case BPF_AND:
		*a &= operand;
		return true;
	case BPF_XOR:
		*a ^= operand;
		return true;
	case BPF_LSH:
		*a = operand < 32 ? *a << operand : 0;
		return true;
	case BPF_RSH:
		*a = operand < 32 ? *a >> operand : 0;
		return true;
	case BPF_NEG:
		*a = 0u - *a;
		return true;
	default:
		return false;
	}
}

static bool jump_taken(uint16_t op, uint32_t a, uint32_t operand)
{
	switch (op) {
	case BPF_JEQ:
		return a == operand;
	case BPF_JGT:
		return a > operand;
	case BPF_JGE:
		return a >= operand;
	default:
		return (a & operand) != 0; /* BPF_JSET */
	}
}

uint32_t seccomp_run(const struct sock_filter *code, size_t count,
		     const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = { 0 };
	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *f = &code[pc];
		const uint16_t op = BPF_OP(f->code);
		const uint32_t operand = BPF_SRC(f->code) == BPF_X ? x : f->k;
		uint32_t *to = BPF_CLASS(f->code) == BPF_LDX ? &x : &a;
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
		case BPF_LDX:
			if (BPF_MODE(f->code) == BPF_IMM)
				*to = f->k;
			else if (BPF_MODE(f->code) == BPF_LEN)
				*to = sizeof(*data);
			else if (BPF_MODE(f->code) == BPF_MEM && f->k < BPF_MEMWORDS)
				*to = memory[f->k];
			else if (BPF_MODE(f->code) != BPF_ABS ||
				 !load_word(data, f->k, to))
				return SECCOMP_RET_KILL_PROCESS;
			break;
		case BPF_ST:
		case BPF_STX:
			if (f->k >= BPF_MEMWORDS)
				return SECCOMP_RET_KILL_PROCESS;
			memory[f->k] = BPF_CLASS(f->code) == BPF_ST ? a : x;
			break;
		case BPF_ALU:
			if (!alu(op, operand, &a))
				return SECCOMP_RET_KILL_PROCESS;
			break;
		case BPF_JMP:
			if (op == BPF_JA)
				pc += f->k;
			else
				pc += jump_taken(op, a, operand) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* ---- judging ---- */

static bool is_fatal(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ERRNO:
		return false;
	default: /* kill, SIGSYS, or a supervisor whose answer nobody knows */
		return true;
	}
}

static const char *find_fatal(const struct sock_filter *code, size_t count,
			      const struct seccomp_call *calls, size_t call_count)
{
	for (size_t i = 0; i < call_count; i++) {
		struct seccomp_data data = { .nr = (int)calls[i].nr, .arch = OUR_ARCH };
		memcpy(data.args, calls[i].arg, sizeof(data.args));
		if (is_fatal(seccomp_run(code, count, &data)))
			return calls[i].name;
	}
	return NULL;
}

enum seccomp_verdict seccomp_judge(pid_t tid, const struct process *process, bool agent,
				   const char **culprit)
{
	const struct seccomp_call *calls = agent ? agent_calls : copy_calls;
	size_t call_count = agent ? sizeof(agent_calls) / sizeof(agent_calls[0]) :
				    sizeof(copy_calls) / sizeof(copy_calls[0]);
	*culprit = NULL;
	if (!process->seccomp)
		return SECCOMP_FINE;
	if (process->seccomp == 1) { /* strict: read, write, exit and sigreturn only */
		*culprit = calls[0].name;
		return SECCOMP_KILLS;
	}
	for (uintptr_t i = 0; i < FILTERS_MAX; i++) {
		struct sock_filter code[PROGRAM_MAX];
		long count = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)i, NULL);
		if (count < 0 && errno == ENOENT)
			return SECCOMP_FINE;
		if (count < 0 || count > PROGRAM_MAX ||
		    ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)i, code) != count)
			return SECCOMP_UNREADABLE;
		*culprit = find_fatal(code, (size_t)count, calls, call_count);
		if (*culprit)
			return SECCOMP_KILLS;
	}
	return SECCOMP_UNREADABLE;
}

/* Number of filters around a process; kernels before 5.9 don't tell: 0. */
static uint64_t filter_count(const char *path, int *mode)
{
	char *status = proc_read(path, 65536, NULL);
	uint64_t count = status ? proc_field(status, "Seccomp_filters", 10, 0) : 0;
	*mode = status ? (int)proc_field(status, "Seccomp", 10, 0) : 0;
	free(status);
	return count;
}

bool seccomp_is_container(const struct process *process)
{
	static const char *const runtimes[] = { "docker",	"kubepods", "libpod",
						"containerd",	"crio",	    "/lxc",
						"machine.slice" };
	char path[64];
	int ours, theirs;
	snprintf(path, sizeof(path), "/proc/%d/status", process->pid);
	uint64_t their_count = filter_count(path, &theirs);
	uint64_t our_count = filter_count("/proc/self/status", &ours);
	if (ours == 2 && their_count && their_count == our_count)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", process->pid);
	char *cgroup = proc_read(path, 65536, NULL);
	bool known = false;
	for (size_t i = 0; cgroup && i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		known |= strstr(cgroup, runtimes[i]) != NULL;
	free(cgroup);
	/* a runtime alone puts one filter; a second one is the program's own */
	return known && their_count <= 1;
}
