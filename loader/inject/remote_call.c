/* SPDX-License-Identifier: MIT */
/* remote_call - see remote_call.h. */
#include "loader/inject/remote_call.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader/base/clock.h"
#include "loader/inject/remote_run.h"
#include "loader/target/memory.h"

#define SYSCALL_TIMEOUT_NS 2000000000ull

/*
 * Is [start, end) one stretch of writable memory of the stack that sp is in?
 * Reading it first keeps a write from running into another mapping.
 */
static bool remote_stack_has(const struct tracee *t, uint64_t start, uint64_t end)
{
	uint8_t probe[CPU_FRAME_MAX + 4096];
	const struct map *m = maps_find(&t->helper->target->maps, end);
	struct maps fresh = { 0 };
	bool good = false;
	if (end - start > sizeof(probe))
		return false;
	if (!m || !m->w) { /* a stack made since we looked */
		if (maps_read(t->pid, t->tid, &fresh))
			return false;
		m = maps_find(&fresh, end);
	}
	/* a growing main stack may reach below what its mapping was then */
	if (m && m->w && !m->shared && (start >= m->start || !strcmp(m->path, "[stack]")))
		good = tracee_read(t, start, probe, (size_t)(end - start));
	maps_free(&fresh);
	return good;
}

static void remote_place_frame(struct remote *r, uint64_t top)
{
	struct tracee *t = r->tracee;
	uint8_t buf[CPU_FRAME_MAX];
	uint64_t addr;
	size_t size = cpu_frame_build(&t->state, top, t->helper->target->calls.restorer,
				      buf, &addr);
	if (!size || !remote_stack_has(t, addr - 64, top) ||
	    !tracee_write(t, addr, buf, size))
		return;
	r->frame = addr;
	r->context = cpu_frame_context(addr);
}

void remote_init(struct remote *r, struct tracee *t)
{
	*r = (struct remote){ .tracee = t };
	remote_place_frame(r, cpu_sp(&t->state.regs) - cpu_red_zone());
	if (!r->frame)
		helper_log(t->helper, "no room for an emergency frame on the stack of %d",
			   t->tid);
}

void remote_init_copy(struct remote *r, struct tracee *copy, uint64_t exit_word)
{
	*r = (struct remote){ .tracee = copy, .frame = exit_word, .copy = true };
}

int remote_lost(struct remote *r, enum tracee_event event, struct load_error *err)
{
	struct tracee *t = r->tracee;
	if (event == TRACEE_ENDED)
		return load_fail(err, LOAD_E_GONE, 0, "process %d ended meanwhile",
				 t->pid);
	if (event == TRACEE_EXEC) {
		t->saved = false; /* nothing of what was saved exists any more */
		return load_fail(err, LOAD_E_GONE, 0,
				 "process %d started another program meanwhile", t->pid);
	}
	if (event == TRACEE_TIMEOUT)
		return load_fail(err, LOAD_E_TIMEOUT, 0,
				 "a call made in process %d didn't return in time; it is "
				 "left to finish",
				 t->pid);
	return load_fail(err, LOAD_E_SYSTEM, 0,
			 "thread %d of process %d stopped unexpectedly", t->tid, t->pid);
}

/* Runs to the next system call stop; other stops are gone through. */
static int remote_to_syscall_stop(struct remote *r, uint64_t deadline, bool *cloned,
				  struct load_error *err)
{
	for (;;) {
		int error = tracee_resume(r->tracee, PTRACE_SYSCALL);
		if (error)
			return remote_lost(r, TRACEE_ENDED, err);
		enum tracee_event event = tracee_wait(r->tracee, deadline);
		if (event == TRACEE_SYSCALL)
			return 0;
		if (event == TRACEE_CLONE && cloned)
			*cloned = true;
		else if (event != TRACEE_STOP)
			return remote_lost(r, event, err);
		if (event == TRACEE_STOP && clock_now() >= deadline) /* no end of them */
			return remote_lost(r, TRACEE_TIMEOUT, err);
	}
}

int remote_clone(struct remote *r, int64_t *ret, uint64_t *exit_word_ret,
		 struct load_error *err)
{
	struct tracee *t = r->tracee;
	uint64_t leave = t->helper->target->calls.exit, word = r->frame - 16;
	const long clone_options = t->options | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK;
	if (!r->frame || !leave || !tracee_write(t, word, &leave, sizeof(leave)))
		return load_fail(err, LOAD_E_UNSUPPORTED, 0,
				 "a copy of process %d can't be made safely: no room on "
				 "its stack, or no _exit in its C library",
				 t->pid);
	if (ptrace(PTRACE_SETOPTIONS, t->tid, NULL, (void *)clone_options))
		return load_fail(err, LOAD_E_SYSTEM, errno, "PTRACE_SETOPTIONS: %s",
				 strerror(errno));
	t->clone_child = 0;
	int status = remote_sys(r, ret, err, SYS_clone, 0, word);
	if (t->stopped)
		ptrace(PTRACE_SETOPTIONS, t->tid, NULL, (void *)t->options);
	*exit_word_ret = word;
	if (status)
		return -1;
	if (*ret < 0)
		return load_fail(err, LOAD_E_CALL, (int)-*ret,
				 "process %d can't be copied: clone failed: %s", t->pid,
				 strerror((int)-*ret));
	if (!t->clone_child)
		return load_fail(err, LOAD_E_SYSTEM, 0, "the copy isn't traced");
	return 0;
}

int remote_syscall(struct remote *r, long nr, const uint64_t arg[6], int64_t *ret,
		   struct load_error *err)
{
	struct tracee *t = r->tracee;
	struct user_regs_struct regs = t->state.regs;
	uint64_t deadline = clock_now() + SYSCALL_TIMEOUT_NS;
	uint64_t sp = r->frame ? r->frame : cpu_sp(&regs) - cpu_red_zone() - 8;
	bool cloned = false;
	cpu_set_syscall(&regs, t->helper->target->calls.gadget, sp, nr, arg);
	r->syscalls++;
	if (tracee_redirect(t, &regs))
		return remote_lost(r, TRACEE_ENDED, err);
	helper_point(t->helper, "syscall-set");
	if (remote_to_syscall_stop(r, deadline, &cloned, err))
		return -1;
	helper_point(t->helper, "syscall-entry");
	if (remote_to_syscall_stop(r, deadline, &cloned, err))
		return -1;
	helper_point(t->helper, "syscall-exit");
	if (cpu_get_regs(t->tid, &regs))
		return remote_lost(r, TRACEE_ENDED, err);
	*ret = cpu_syscall_result(&regs);
	return 0;
}

/* A result that is an error of the target's kernel, told in words. */
static int remote_check(int64_t result, const char *what, struct load_error *err)
{
	if (result >= 0 || result < -4095)
		return 0;
	return load_fail(err, LOAD_E_CALL, (int)-result, "%s failed in the target: %s",
			 what, strerror((int)-result));
}

/* Nothing depends on them but how an overflow of the worker's stack would end. */
static int remote_protect_guards(struct remote *r, uint64_t page, struct load_error *err)
{
	const uint64_t guard[2] = { r->region, r->worker + r->worker_size };
	for (int i = 0; i < (r->worker_size ? 2 : 1); i++) {
		const struct cpu_op op = { SYS_mprotect,
					   { guard[i], page, PROT_NONE },
					   0 };
		if (remote_later(r, &op, err))
			return -1;
	}
	return 0;
}

static int remote_map_stub(struct remote *r, uint64_t stub, uint64_t page,
			   struct load_error *err)
{
	int64_t ret;
	size_t size, marker;
	const uint8_t *code = cpu_stub(&size, &marker);
	if (remote_sys(r, &ret, err, SYS_mmap, stub, page, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ull, 0) ||
	    remote_check(ret, "mapping executable memory", err))
		return -1;
	if (!tracee_poke(r->tracee, stub, code, size))
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the call stub could not be written: %s",
				 strerror(errno));
	r->stub = stub;
	return 0;
}

/* Where the parts of a mapped region are; its stub may not be there yet. */
static uint64_t remote_lay_out(struct remote *r, uint64_t region, uint64_t worker_size,
			       uint64_t call_size)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	r->region = region;
	r->worker = worker_size ? region + page : region;
	r->worker_size = worker_size;
	uint64_t call_part = worker_size ? r->worker + worker_size + page : region;
	uint64_t stub = call_part + call_size + (worker_size ? 0 : page);
	r->region_size = stub + page - region;
	r->bottom = stub - call_size / 2;
	r->top = stub;
	return stub;
}

static void remote_need_frame(struct remote *r)
{
	if (r->frame)
		return; /* else our own stack holds it from here on */
	remote_place_frame(r, r->top);
	r->top = r->frame ? r->frame : r->top;
}

int remote_map(struct remote *r, uint64_t worker_size, uint64_t call_size,
	       struct load_error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = remote_lay_out(r, 0, worker_size, call_size) + page;
	int64_t ret;
	r->region = r->region_size = 0;
	if (remote_sys(r, &ret, err, SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ull, 0) ||
	    remote_check(ret, "mmap", err))
		return -1;
	uint64_t stub = remote_lay_out(r, (uint64_t)ret, worker_size, call_size);
	remote_need_frame(r);
	return remote_map_stub(r, stub, page, err) ||
			remote_protect_guards(r, page, err) ?
		-1 :
		0;
}

bool remote_adopt(struct remote *r, uint64_t region, uint64_t size)
{
	uint8_t there[CPU_STUB_MAX];
	size_t code_size, marker;
	const uint8_t *code = cpu_stub(&code_size, &marker);
	uint64_t stub = remote_lay_out(r, region, REMOTE_WORKER_STACK, REMOTE_CALL_STACK);
	if (r->region_size != size || !tracee_read(r->tracee, stub, there, code_size) ||
	    memcmp(there, code, code_size)) {
		r->region = r->region_size = r->worker_size = 0;
		return false;
	}
	r->stub = stub;
	remote_need_frame(r);
	return true;
}

int remote_unmap(struct remote *r, struct load_error *err)
{
	int64_t ret;
	if (!r->region)
		return 0;
	if (r->frame - r->region < r->region_size)
		r->frame = 0; /* the pages under it go: the window is this one call */
	if (remote_sys(r, &ret, err, SYS_munmap, r->region, r->region_size) ||
	    remote_check(ret, "munmap", err))
		return -1;
	r->region = r->region_size = r->stub = 0;
	return 0;
}

uint64_t remote_push(struct remote *r, const void *data, size_t size)
{
	uint64_t addr = (r->top - size) & ~(uint64_t)15;
	if (addr < r->bottom || !tracee_write(r->tracee, addr, data, size))
		return 0;
	r->top = addr;
	return addr;
}

int remote_call_start(struct remote *r, uint64_t function, const uint64_t arg[4],
		      struct load_error *err)
{
	struct tracee *t = r->tracee;
	struct user_regs_struct regs = t->state.regs;
	struct cpu_call call = { .function = function, .spins = 1 };
	memcpy(call.arg, arg, sizeof(call.arg));
	uint64_t top = r->top;
	r->block = remote_push(r, &call, sizeof(call));
	uint64_t stack = r->top - 64;
	r->top = top; /* the block is dead once the call has returned */
	r->inside = false;
	if (!r->block)
		return load_fail(err, LOAD_E_SYSTEM, 0,
				 "the call block could not be written");
	cpu_set_call(&regs, r->stub, stack, r->block, 0, r->context,
		     t->helper->target->calls.errno_location);
	r->calls++;
	if (tracee_redirect(t, &regs))
		return remote_lost(r, TRACEE_ENDED, err);
	helper_point(t->helper, "call-set");
	if (tracee_resume(t, PTRACE_SYSCALL))
		return remote_lost(r, TRACEE_ENDED, err);
	helper_point(t->helper, "call-running");
	return 0;
}

int remote_crashed(struct remote *r, struct load_error *err)
{
	struct user_regs_struct regs = { 0 };
	cpu_get_regs(r->tracee->tid, &regs);
	return load_fail(err, LOAD_E_CALL, 0,
			 "the injected call crashed at %#llx; the thread was put back, "
			 "but the library it was in may be left in disorder",
			 (unsigned long long)cpu_pc(&regs));
}

/*
 * At the entry of a system call in a copy: a wait for a lock of the C library (the
 * GIL's mutex, malloc's...: futex(2) FUTEX_WAIT without a time limit, for the value 2
 * as glibc's lll_lock_wait does, or for a negative one as musl's __lock does).
 * Whoever held it did not come along into the copy, so nobody will ever release it: we
 * do.  The larger the heap, the likelier: a thread that meets the fork with the GIL's
 * mutex in its hands waits in a page fault until the fork is over.
 *
 * In a pthread_mutex_t the owner's number goes too, since pthread_mutex_lock asserts
 * that a free mutex has none; it stands behind lock and count, before the number of
 * users and the kind (struct __pthread_mutex_s, 64-bit).
 */
static void remote_open_orphaned_lock(struct remote *r,
				      const struct user_regs_struct *regs)
{
	const bool musl = r->tracee->helper->target->libc_kind == LIBC_MUSL;
	const uint64_t lock = cpu_syscall_arg(regs, 0);
	const int32_t seen = (int32_t)cpu_syscall_arg(regs, 2);
	/* musl (src/thread/__lock.c): the holder is worth INT_MIN + 1, each waiter 1 */
	const int32_t unlocked = musl ? seen - (INT_MIN + 1) : 0;
	int32_t mutex[5];
	const uint64_t op = cpu_syscall_arg(regs, 1) & ~(uint64_t)FUTEX_PRIVATE_FLAG;
	if (cpu_syscall(regs) != SYS_futex || op != FUTEX_WAIT ||
	    cpu_syscall_arg(regs, 3) || (musl ? seen >= 0 : seen != 2))
		return;
	helper_log(r->tracee->helper, "the copy opens a lock that nobody holds any more");
	tracee_write(r->tracee, lock, &unlocked, sizeof(unlocked));
	if (!musl && tracee_read(r->tracee, lock, mutex, sizeof(mutex)) && mutex[2] > 0 &&
	    mutex[3] >= 0 && mutex[3] < 1 << 20 && (uint32_t)mutex[4] < 1 << 10)
		tracee_write(r->tracee, lock + 2 * sizeof(*mutex), &unlocked,
			     sizeof(unlocked));
}

/* At a system call stop: is it the exit of the stub's marker? */
static bool remote_at_marker(struct remote *r)
{
	size_t size, marker;
	struct user_regs_struct regs;
	r->inside = !r->inside;
	if (cpu_get_regs(r->tracee->tid, &regs))
		return false;
	if (r->inside) {
		remote_open_orphaned_lock(r, &regs);
		return false;
	}
	cpu_stub(&size, &marker);
	return cpu_pc(&regs) == r->stub + marker;
}

int remote_call_poll(struct remote *r, uint64_t deadline, uint64_t *ret,
		     struct load_error *err)
{
	for (;;) {
		enum tracee_event event = tracee_wait(r->tracee, deadline);
		if (event == TRACEE_TIMEOUT)
			return 0;
		helper_point(r->tracee->helper, "call-stop");
		if (event == TRACEE_FAULT)
			return remote_crashed(r, err);
		if (event == TRACEE_SYSCALL && remote_at_marker(r))
			break;
		if (event != TRACEE_SYSCALL && event != TRACEE_STOP &&
		    event != TRACEE_CLONE)
			return remote_lost(r, event, err);
		if (tracee_resume(r->tracee, PTRACE_SYSCALL))
			return remote_lost(r, TRACEE_ENDED, err);
		if (clock_now() >= deadline)
			return 0;
	}
	uint64_t from = r->block + offsetof(struct cpu_call, result);
	if (!tracee_read(r->tracee, from, ret, sizeof(*ret)))
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the call's result can't be read");
	return 1;
}

int remote_call(struct remote *r, uint64_t function, const uint64_t arg[4],
		unsigned timeout_ms, uint64_t *ret, struct load_error *err)
{
	uint64_t deadline = clock_now() + (uint64_t)timeout_ms * 1000000;
	if (!r->copy)
		return remote_run(r, function, arg, NULL, 0, timeout_ms, ret, err);
	if (remote_call_start(r, function, arg, err))
		return -1;
	int got = remote_call_poll(r, deadline, ret, err);
	if (!got)
		return remote_lost(r, TRACEE_TIMEOUT, err);
	return got > 0 ? 0 : -1;
}
