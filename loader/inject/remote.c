/* SPDX-License-Identifier: MIT */
/* remote - see remote.h. */
#include "loader/inject/remote.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "loader/base/clock.h"
#include "loader/target/maps.h"

#define SYSCALL_TIMEOUT_NS 2000000000ull

/*
 * Is [start, end) one stretch of writable memory of the stack that sp is in?
 * Reading it first keeps a write from running into another mapping.
 */
static bool remote_stack_has(const struct tracee *t, uint64_t start, uint64_t end)
{
	uint8_t probe[CPU_FRAME_MAX + CPU_EXIT_MAX + 4096];
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

void remote_place_frame(struct remote *r, uint64_t top)
{
	struct tracee *t = r->tracee;
	uint8_t buf[CPU_FRAME_MAX];
	uint64_t addr;
	size_t size = cpu_frame_build(&t->state, top, t->helper->target->calls.restorer,
				      buf, &addr);

	assert(!r->copy);
	if (!size || !remote_stack_has(t, addr - CPU_EXIT_MAX, top) ||
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

void remote_init_copy(struct remote *r, struct tracee *copy, uint64_t exit_frame)
{
	*r = (struct remote){ .tracee = copy, .frame = exit_frame, .copy = true };
}

int remote_lost(struct remote *r, enum tracee_event event, struct load_error *err)
{
	struct tracee *t = r->tracee;
	const char *const copy = r->copy ? "the copy of " : "";
	const pid_t pid = t->helper->target->pid;

	if (event == TRACEE_ENDED)
		return load_fail(err, LOAD_E_GONE, 0, "%sprocess %d ended meanwhile",
				 copy, pid);
	if (event == TRACEE_EXEC) {
		t->saved = false; /* nothing of what was saved exists any more */
		return load_fail(err, LOAD_E_GONE, 0,
				 "%sprocess %d started another program meanwhile", copy,
				 pid);
	}
	if (event == TRACEE_TIMEOUT)
		return load_fail(err, LOAD_E_TIMEOUT, 0,
				 "a call made in %sprocess %d didn't return in time%s",
				 copy, pid, r->copy ? "" : "; it is left to finish");
	return load_fail(err, LOAD_E_SYSTEM, 0,
			 "thread %d of %sprocess %d stopped unexpectedly", t->tid, copy,
			 pid);
}

int remote_crashed(struct remote *r, struct load_error *err)
{
	struct cpu_regs regs = { 0 };

	cpu_get_regs(r->tracee->tid, &regs);
	return load_fail(err, LOAD_E_CALL, 0,
			 "the injected call crashed at %#llx; the thread was put back, "
			 "but the library it was in may be left in disorder",
			 (unsigned long long)cpu_pc(&regs));
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

int remote_syscall(struct remote *r, long nr, const uint64_t arg[6], int64_t *ret,
		   struct load_error *err)
{
	struct tracee *t = r->tracee;
	struct cpu_regs regs = t->state.regs;
	uint64_t deadline = clock_now() + SYSCALL_TIMEOUT_NS;
	const uint64_t free_stack = (cpu_sp(&regs) - cpu_red_zone() - 8) & ~(uint64_t)15;
	const struct target_calls *calls = &t->helper->target->calls;
	bool cloned = false;

	assert(t->saved && nr >= 0);
	cpu_set_syscall(&regs, calls->gadget, r->frame ? r->frame : free_stack,
			calls->restorer, nr, arg);
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

int remote_clone(struct remote *r, int64_t *ret, uint64_t *exit_frame_ret,
		 struct load_error *err)
{
	struct tracee *t = r->tracee;
	const uint64_t leave = t->helper->target->calls.exit;
	uint8_t frame[CPU_EXIT_MAX];
	uint64_t at = 0;
	const size_t size = cpu_exit_build(r->frame, leave, frame, &at);
	const long clone_options = t->options | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK;

	assert(!r->copy);
	if (!r->frame || !leave || !tracee_write(t, at, frame, size))
		return load_fail(err, LOAD_E_UNSUPPORTED, 0,
				 "a copy of process %d can't be made safely: no room on "
				 "its stack, or no _exit in its C library",
				 t->pid);
	if (ptrace(PTRACE_SETOPTIONS, t->tid, NULL, (void *)clone_options))
		return load_fail(err, LOAD_E_SYSTEM, errno, "PTRACE_SETOPTIONS: %s",
				 strerror(errno));
	t->clone_child = 0;
	int status = remote_sys(r, ret, err, SYS_clone, REMOTE_COPY_SIGNAL, at);
	if (t->stopped)
		ptrace(PTRACE_SETOPTIONS, t->tid, NULL, (void *)t->options);
	*exit_frame_ret = at;
	if (status)
		return -1;
	if (*ret < 0)
		return load_fail(err, LOAD_E_CALL, (int)-*ret,
				 "process %d can't be copied: clone failed: %s%s", t->pid,
				 strerror((int)-*ret),
				 *ret == -EAGAIN ?
					 "; is a limit of tasks reached (pids.max, "
					 "ulimit -u)?" :
					 "");
	if (!t->clone_child)
		return load_fail(err, LOAD_E_SYSTEM, 0, "the copy isn't traced");
	return 0;
}

uint64_t remote_push(struct remote *r, const void *data, size_t size)
{
	uint64_t addr = (r->top - size) & ~(uint64_t)15;

	assert(r->top >= r->bottom);
	if (addr < r->bottom || !tracee_write(r->tracee, addr, data, size))
		return 0;
	r->top = addr;
	return addr;
}
