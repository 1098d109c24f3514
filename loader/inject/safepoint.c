/* SPDX-License-Identifier: MIT */
/* safepoint - see safepoint.h. */
#include "loader/inject/safepoint.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/ptrace.h>

#include "loader/cpu/code.h"
#include "loader/target/calls.h"
#include "loader/target/memory.h"
#include "loader/target/threads.h"

#define SCAN_BYTES 65536

/* What it may return to: the link register first, if there is one, then the stack. */
struct stack {
	uint64_t words[1 + SCAN_BYTES / 8];
	size_t count; /* 0: the stack can't be read */
};

static void safepoint_read_stack(const struct tracee *t, struct stack *s)
{
	uint64_t sp = cpu_sp(&t->state.regs) & ~(uint64_t)7;

	s->count = memory_read_some(&t->mem, sp, s->words + 1, SCAN_BYTES) / 8;
	s->count += s->count > 0;
	s->words[0] = cpu_link(&t->state.regs);
	for (size_t i = 0; i < s->count; i++)
		s->words[i] = code_address(s->words[i]);
}

static bool safepoint_has_signal_frame(const struct target_calls *c,
				       const struct stack *s)
{
	for (size_t i = 0; i < s->count; i++)
		for (int k = 0; k < c->restorer_count; k++)
			if (s->words[i] == c->restorers[k])
				return true;
	return false;
}

static bool safepoint_in_unsafe(const struct target_calls *c, uint64_t addr)
{
	for (int i = 0; i < c->unsafe_count; i++)
		if (range_has(c->unsafe[i], addr))
			return true;
	return false;
}

/* Does code at addr follow a call? What can't be looked at is taken for one. */
static bool safepoint_is_return_address(const struct target *target, uint64_t addr)
{
	if (!range_has(target->code_range, addr))
		return true;
	return code_after_call(target->code, (size_t)(addr - target->code_range.start));
}

static bool safepoint_returns_to_unsafe(const struct target *target,
					const struct stack *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (safepoint_in_unsafe(&target->calls, s->words[i]) &&
		    safepoint_is_return_address(target, s->words[i]))
			return true;
	return false;
}

/* Only where no loader lock is known: any frame of ld.so counts. */
static bool safepoint_returns_to_loader(const struct target *target,
					const struct stack *s)
{
	if (target->calls.loader_lock_count)
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (range_has(target->calls.loader_code, s->words[i]) &&
		    safepoint_is_return_address(target, s->words[i]))
			return true;
	return false;
}

/*
 * linux/rseq.h: struct rseq has rseq_cs at 8; struct rseq_cs start_ip at 8,
 * post_commit_offset at 16.
 */
static bool safepoint_in_rseq(const struct tracee *t)
{
	struct __ptrace_rseq_configuration conf;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, (void *)sizeof(conf), &conf) !=
		    (long)sizeof(conf) ||
	    !conf.rseq_abi_pointer)
		return false;
	uint64_t section, range[2], pc = cpu_pc(&t->state.regs);
	if (!memory_read_u64(&t->mem, conf.rseq_abi_pointer + 8, &section) || !section)
		return false;
	if (!memory_read(&t->mem, section + 8, range, sizeof(range)))
		return true;
	return pc - range[0] < range[1];
}

enum safepoint safepoint_syscall(const struct tracee *t)
{
	if (cpu_foreign_mode(&t->state.regs))
		return UNSAFE_PLACE;
	return safepoint_in_rseq(t) ? UNSAFE_RSEQ : SAFE;
}

/* In a wait that the allocator and the thread library's locks never use? */
static bool safepoint_in_plain_wait(const struct tracee *t)
{
	long nr = cpu_syscall(&t->state.regs);

	if (nr < 0)
		return false;
	unsigned long long arg[6];
	for (int i = 0; i < 6; i++)
		arg[i] = cpu_syscall_arg(&t->state.regs, i);
	enum thread_rank rank = threads_rank(
		nr, arg, false,
		calls_waits_cancellable(t->helper->target, cpu_pc(&t->state.regs)));
	return rank == THREAD_WAITS_CONDITION || rank == THREAD_WAITS_INPUT ||
		rank == THREAD_INTERRUPTED;
}

static enum safepoint safepoint_judge_place(const struct tracee *t, const struct stack *s)
{
	const struct target *target = t->helper->target;
	uint64_t pc = cpu_pc(&t->state.regs);

	assert(s->count);
	if (safepoint_has_signal_frame(&target->calls, s))
		return UNSAFE_SIGNAL;
	if (safepoint_in_unsafe(&target->calls, pc))
		return UNSAFE_ALLOCATOR;
	if (!range_has(target->libc->text, pc))
		return SAFE;
	if (safepoint_in_plain_wait(t) || !safepoint_returns_to_unsafe(target, s))
		return SAFE;
	return UNSAFE_ALLOCATOR;
}

enum safepoint safepoint_allocator(const struct tracee *t)
{
	struct stack s;

	safepoint_read_stack(t, &s);
	return s.count ? safepoint_judge_place(t, &s) : UNSAFE_PLACE;
}

enum safepoint safepoint_call(const struct tracee *t)
{
	const struct target *target = t->helper->target;
	uint64_t pc = cpu_pc(&t->state.regs);
	struct stack s;

	if (cpu_foreign_mode(&t->state.regs) || range_has(target->vdso, pc) ||
	    range_has(target->calls.kept, pc))
		return UNSAFE_PLACE;
	if (range_has(target->calls.loader_code, pc))
		return UNSAFE_LOADER;
	if (calls_loader_busy(target, &t->mem))
		return UNSAFE_LOADER;
	safepoint_read_stack(t, &s);
	if (!s.count)
		return UNSAFE_PLACE;
	enum safepoint point = safepoint_judge_place(t, &s);
	if (point == SAFE && safepoint_returns_to_loader(target, &s))
		point = UNSAFE_LOADER;
	if (point == SAFE && safepoint_in_rseq(t))
		point = UNSAFE_RSEQ;
	return point;
}

const char *safepoint_name(enum safepoint point)
{
	static const char *const names[] = {
		[SAFE] = "safe",
		[UNSAFE_LOADER] = "in the dynamic loader, or its lock is held",
		[UNSAFE_ALLOCATOR] = "in the memory allocator",
		[UNSAFE_SIGNAL] = "in a signal handler",
		[UNSAFE_RSEQ] = "in a restartable sequence",
		[UNSAFE_GIL] = "at an instant when a thread holds the GIL",
		[UNSAFE_ARENA] = "without a malloc arena, which stays once made",
		[UNSAFE_FILTER] = "where its seccomp filter forbids what is to be done",
		[UNSAFE_PLACE] = "at a place that can't be judged",
	};

	assert((size_t)point < sizeof(names) / sizeof(*names));
	return names[point];
}
