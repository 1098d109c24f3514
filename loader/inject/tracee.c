/* SPDX-License-Identifier: MIT */
/* tracee - see tracee.h. */
#include "loader/inject/tracee.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loader/base/clock.h"
#include "loader/target/diagnose.h"
#include "loader/target/memory.h"
#include "loader/target/threads.h"

#define SIGNAL_BIT(n) (1ull << ((n)-1))
/*
 * Faults of our own call.  Were they blocked, the kernel would reset the
 * program's handler to the default to deliver them (force_sig_info_to_task).
 */
#define FAULT_SIGNALS \
	(SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | \
	 SIGNAL_BIT(SIGFPE))
/* They do nothing to a program that has no handler, but wake it while it is traced. */
#define IDLE_SIGNALS \
	(SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH) | \
	 SIGNAL_BIT(SIGCONT))
#define KERNEL_SIGSET 8
#define TRACEE_RUNNING_MAX 8
#define TRACEE_ENTERED_MS 200

/* The text of a thread's status, or NULL; to be freed. */
static char *tracee_status(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	return process_read_text(path, 65536, NULL);
}

static bool tracee_is_handled(pid_t tid, int sig)
{
	char *status = tracee_status(tid);
	const uint64_t handled = status ? process_text_field(status, "SigCgt", 16, 0) : 0;

	free(status);
	return handled & SIGNAL_BIT(sig);
}

/* ---- threads that run on, attached until a signal or our end ---- */

static struct {
	struct running {
		pid_t tid;
		struct cpu_regs call; /* lead to the call that it was let go in */
	} thread[TRACEE_RUNNING_MAX];
	int count;
} running;

/* Lets it run, with no events of its own but signals. */
static void tracee_let_run(struct tracee *t)
{
	if (running.count == TRACEE_RUNNING_MAX ||
	    ptrace(PTRACE_SETOPTIONS, t->tid, NULL, (void *)PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_CONT, t->tid, NULL, NULL))
		return;
	running.thread[running.count++] = (struct running){ t->tid, t->state.regs };
	t->attached = t->stopped = false;
}

/* One that is about to be handled: the kernel knows what it interrupts, if a call. */
static void tracee_pass_handled(const struct running *r, int sig)
{
	struct cpu_regs now, call = r->call;

	if (cpu_get_regs(r->tid, &now) == 0 && cpu_is_before(&now, &call) &&
	    cpu_ends_by_handler(&call)) {
		cpu_interrupt_syscall(&call);
		cpu_set_regs(r->tid, &call);
	}
	ptrace(PTRACE_DETACH, r->tid, NULL, (void *)(long)sig);
}

/* False: it is no longer attached. */
static bool tracee_serve(const struct running *r)
{
	int status = 0;
	const pid_t got = waitpid(r->tid, &status, __WALL | WNOHANG);
	const int sig = WSTOPSIG(status);

	if (!got)
		return true;
	if (got < 0 || !WIFSTOPPED(status))
		return false;
	if (status >> 16) /* stopped with the others: SIGSTOP */
		return ptrace(PTRACE_DETACH, r->tid, NULL, NULL), false;
	if (sig == (SIGTRAP | 0x80))
		return ptrace(PTRACE_CONT, r->tid, NULL, NULL) == 0;
	if (!tracee_is_handled(r->tid, sig)) /* to the entry of the call once more */
		return ptrace(PTRACE_SYSCALL, r->tid, NULL, (void *)(long)sig) == 0;
	tracee_pass_handled(r, sig);
	return false;
}

static void tracee_serve_running(void)
{
	for (int i = running.count - 1; i >= 0; i--)
		if (!tracee_serve(&running.thread[i]))
			running.thread[i] = running.thread[--running.count];
}

/* Whether it is one of those, and now no more. */
static bool tracee_take_running(pid_t tid)
{
	tracee_serve_running();
	for (int i = 0; i < running.count; i++)
		if (running.thread[i].tid == tid) {
			running.thread[i] = running.thread[--running.count];
			return true;
		}
	return false;
}

/* ---- waiting ---- */

/*
 * The next wait status of the thread, or 0 at the deadline, -1 = no such child.
 * A thread that replaces the program takes over the process's number: it's then
 * waited for under that.
 */
static int tracee_next_status(struct tracee *t, uint64_t deadline, int *status)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD); /* blocked in the helper: none gets lost */
	for (;;) {
		tracee_serve_running();
		pid_t got = waitpid(t->tid, status, __WALL | WNOHANG);

		if (got == t->tid)
			return 1;
		if (got < 0 && errno == ECHILD && t->tid != t->pid)
			t->tid = t->pid;
		else if (got < 0 && errno != EINTR)
			return -1;
		uint64_t now = clock_now();
		if (now >= deadline)
			return 0;
		uint64_t left = deadline - now;
		if (left > 20000000)
			left = 20000000; /* SIGCHLD isn't queued: look again anyway */
		struct timespec ts = { 0, (long)left };
		sigtimedwait(&chld, NULL, &ts);
	}
}

static bool tracee_is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE ||
		sig == SIGTRAP;
}

/* A signal that the kernel made for what the thread itself just did? */
static bool tracee_is_own_fault(const struct tracee *t, int sig)
{
	siginfo_t info;

	if (!tracee_is_fault(sig) || ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info))
		return false;
	return info.si_code > 0;
}

static void tracee_hold(struct tracee *t, int sig)
{
	siginfo_t info;

	helper_log(t->helper, "thread %d: signal %d arrived, kept for later", t->tid,
		   sig);
	for (int i = 0; i < t->held_count; i++)
		if (t->held[i].si_signo == sig)
			return; /* as the kernel drops one that is pending already */
	if (ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info))
		info = (siginfo_t){ .si_code = SI_TKILL };
	info.si_signo = sig;
	if (t->held_count < TRACEE_HELD_MAX)
		t->held[t->held_count++] = info;
}

/* One stop of the tracee: an event, or -1 = of no interest, go on waiting. */
static int tracee_classify(struct tracee *t, int status, int *resume_signal)
{
	*resume_signal = 0;
	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		t->ended = true;
		t->end_status = status;
		t->attached = t->stopped = false;
		return TRACEE_ENDED;
	}
	t->stopped = true;
	t->stops++;
	t->at_event = status >> 16 == PTRACE_EVENT_STOP;
	int sig = WSTOPSIG(status), event = status >> 16;
	switch (event) {
	case PTRACE_EVENT_STOP:
		t->stop_signal = sig;
		return TRACEE_STOP;
	case PTRACE_EVENT_EXEC:
		return TRACEE_EXEC;
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK: {
		unsigned long child = 0;

		ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &child);
		t->clone_child = (pid_t)child;
		return TRACEE_CLONE;
	}
	default:
		break;
	}
	if (sig == (SIGTRAP | 0x80))
		return TRACEE_SYSCALL;
	if (t->pass_signals || !t->changed) {
		*resume_signal = sig;
		return -1;
	}
	if (tracee_is_own_fault(t, sig))
		return TRACEE_FAULT;
	tracee_hold(t, sig);
	return -1;
}

/* How to go on after something of no interest: as it was running before. */
enum tracee_event tracee_wait(struct tracee *t, uint64_t deadline)
{
	for (;;) {
		int status, sig;
		int got = tracee_next_status(t, deadline, &status);

		if (!got)
			return TRACEE_TIMEOUT;
		if (got < 0) {
			t->ended = true;
			t->attached = t->stopped = false;
			return TRACEE_ENDED;
		}
		int event = tracee_classify(t, status, &sig);
		if (event >= 0)
			return (enum tracee_event)event;
		t->stopped = false;
		ptrace(t->request, t->tid, NULL, (void *)(long)sig);
		if (clock_now() >= deadline) /* signals may come without end */
			return TRACEE_TIMEOUT;
	}
}

int tracee_resume(struct tracee *t, int request)
{
	assert(t->stopped);
	if (ptrace(request, t->tid, NULL, NULL))
		return -errno;
	t->stopped = false;
	t->request = request;
	t->resumes++;
	return 0;
}

int tracee_to_event_stop(struct tracee *t, unsigned timeout_ms)
{
	uint64_t deadline = clock_now() + (uint64_t)timeout_ms * 1000000;

	if (t->stopped && t->at_event)
		return 0;
	if (ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) ||
	    (t->stopped && tracee_resume(t, PTRACE_CONT)))
		return -errno;
	for (;;) {
		enum tracee_event event = tracee_wait(t, deadline);

		if (event == TRACEE_STOP)
			return 0;
		if (clock_now() >= deadline)
			event = event == TRACEE_ENDED || event == TRACEE_EXEC ?
				event :
				TRACEE_TIMEOUT;
		if (event == TRACEE_TIMEOUT || event == TRACEE_ENDED ||
		    event == TRACEE_EXEC)
			return event == TRACEE_TIMEOUT ? -ETIMEDOUT : -ESRCH;
		if (tracee_resume(t, PTRACE_CONT))
			return -errno;
	}
}

/* ---- memory ---- */

bool tracee_read(const struct tracee *t, uint64_t addr, void *buf, size_t size)
{
	return memory_read(&t->mem, addr, buf, size);
}

bool tracee_poke(const struct tracee *t, uint64_t addr, const void *buf, size_t size)
{
	for (size_t done = 0; done < size; done += sizeof(long)) {
		long word;
		size_t n = size - done < sizeof(word) ? size - done : sizeof(word);

		if (n < sizeof(word)) {
			errno = 0;
			word = ptrace(PTRACE_PEEKDATA, t->tid, (void *)(addr + done),
				      NULL);
			if (errno)
				return false;
		}
		memcpy(&word, (const char *)buf + done, n);
		if (ptrace(PTRACE_POKEDATA, t->tid, (void *)(addr + done), (void *)word))
			return false;
	}
	return true;
}

bool tracee_write(const struct tracee *t, uint64_t addr, const void *buf, size_t size)
{
	struct iovec from = { (void *)(uintptr_t)buf, size };
	struct iovec to = { (void *)(uintptr_t)addr, size };

	if (syscall(SYS_process_vm_writev, t->tid, &from, 1ul, &to, 1ul, 0ul) ==
	    (long)size)
		return true;
	return tracee_poke(t, addr, buf, size);
}

/* ---- attach, save, restore, detach ---- */

static int tracee_seize_failed(struct tracee *t, int sys, struct load_error *err)
{
	struct process now;
	/* an ending thread can't be traced either (kernel/ptrace.c ptrace_attach) */
	char state = process_thread_state(t->pid, t->tid);

	if (sys == ESRCH || sys == ENOENT || !state || state == 'Z' || state == 'X')
		return load_fail(err, LOAD_E_GONE, sys,
				 "thread %d of process %d has ended", t->tid, t->pid);
	if (process_read(t->pid, &now, err))
		return -1;
	return diagnose_refusal(&now, sys, err);
}

/* One that isn't in an uninterruptible sleep only waits for a CPU: that is no refusal. */
static enum tracee_event tracee_await_first_stop(struct tracee *t, unsigned timeout_ms)
{
	const uint64_t begin = clock_now(), step = timeout_ms * 1000000ull;
	const uint64_t last = begin + TRACEE_BACK_MS * 1000000ull;
	enum tracee_event event;

	do
		event = tracee_wait(t, clock_now() + step);
	while (event == TRACEE_TIMEOUT && clock_now() < last &&
	       process_thread_state(t->pid, t->tid) == 'R');
	return event;
}

/* At the first stop.  What can't be read is taken for forbidding everything. */
static int tracee_read_filters(struct tracee *t, struct load_error *err)
{
	if (t->helper->target->confined_softly)
		return 0;
	const int error = seccomp_open(t->pid, t->tid, &t->seccomp);
	if (!error)
		return 0;
	seccomp_close(&t->seccomp);
	t->seccomp.mode = SECCOMP_STRICT;
	tracee_save(t, NULL); /* so that it gets EINTR */
	tracee_release(t, NULL);
	return load_fail(
		err, LOAD_E_PERMISSION, -error,
		"the seccomp filter of process %d can't be read (%s): a call that "
		"it forbids might end the process",
		t->pid, strerror(-error));
}

/*
 * What it is blocked in.  If it has gone to sleep for our stops alone when it is saved,
 * it never left that call: the number is read first.
 */
static void tracee_look_before(struct tracee *t)
{
	t->stops = 0;
	t->slept = threads_sleeps(t->pid, t->tid);
	threads_wait(t->pid, t->tid, &t->before);
}

int tracee_seize(struct tracee *t, struct helper *helper, pid_t tid, unsigned timeout_ms,
		 struct load_error *err)
{
	assert(tid > 0);
	memset(t, 0, offsetof(struct tracee, state));
	t->helper = helper;
	t->pid = helper->target->pid;
	t->tid = tid;
	t->request = PTRACE_CONT;
	t->held_count = 0;
	t->resumes = 0;
	t->stopped_at = t->stopped_ns = 0;
	const int error = memory_open(t->pid, tid, &t->mem);
	if (error)
		return tracee_seize_failed(t, -error, err);
	t->options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
	const bool seized = tracee_take_running(tid);
	if (!seized && ptrace(PTRACE_SEIZE, tid, NULL, (void *)t->options)) {
		int sys = errno;

		memory_close(&t->mem);
		return tracee_seize_failed(t, sys, err);
	}
	t->attached = true;
	t->stopped_at = clock_now();
	if (cpu_forgets_call)
		tracee_look_before(t);
	/* fails if it just ended, or became the leader by an exec: the wait tells */
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	enum tracee_event event = tracee_await_first_stop(t, timeout_ms);
	if (event == TRACEE_STOP) {
		if (seized)
			ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)t->options);
		t->group_stop = t->stop_signal != SIGTRAP;
		return tracee_read_filters(t, err);
	}
	tracee_release(t, NULL); /* if it is stopped at all */
	if (event == TRACEE_TIMEOUT)
		return load_fail(
			err, LOAD_E_STATE, 0,
			"thread %d of process %d didn't stop within %u ms: it is in an "
			"uninterruptible system call (state %c)",
			tid, t->pid, timeout_ms, process_thread_state(t->pid, tid));
	return load_fail(err, LOAD_E_GONE, 0, "process %d %s meanwhile", t->pid,
			 event == TRACEE_EXEC ? "started another program" : "ended");
}

int tracee_save(struct tracee *t, struct load_error *err)
{
	int error = cpu_save(t->tid, &t->state);

	assert(t->stopped && t->at_event);
	if (error)
		return load_fail(
			err, error == -EMEDIUMTYPE ? LOAD_E_UNSUPPORTED : LOAD_E_SYSTEM,
			-error, "the registers of thread %d can't be read: %s", t->tid,
			strerror(-error));
	if (ptrace(PTRACE_GETSIGMASK, t->tid, (void *)KERNEL_SIGSET, &t->state.sigmask))
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the signal mask of thread %d can't be read: %s", t->tid,
				 strerror(errno));
	if (cpu_forgets_call && t->before.nr >= 0 &&
	    threads_sleeps(t->pid, t->tid) == t->slept + t->stops)
		cpu_set_wait(&t->state.regs, &t->before);
	t->saved = true;
	return 0;
}

int tracee_redirect(struct tracee *t, const struct cpu_regs *regs)
{
	int error = cpu_set_regs(t->tid, regs);

	assert(t->saved && t->stopped);
	if (error)
		return error;
	t->changed = true;
	helper_point(t->helper, "redirected");
	uint64_t all = ~0ull & ~(FAULT_SIGNALS & ~t->state.sigmask);
	if (!t->masked && ptrace(PTRACE_SETSIGMASK, t->tid, (void *)KERNEL_SIGSET, &all))
		return -errno;
	t->masked = true;
	return 0;
}

/*
 * Is a signal waiting that the thread doesn't block, and that would have come to it had
 * it not been traced? Then EINTR was due anyway.
 */
static bool tracee_signal_is_due(const struct tracee *t)
{
	uint64_t waiting = 0;

	for (int i = 0; i < t->held_count; i++)
		waiting |= SIGNAL_BIT(t->held[i].si_signo);
	char *status = tracee_status(t->tid);
	if (!status)
		return true;
	waiting |= process_text_field(status, "SigPnd", 16, 0) |
		process_text_field(status, "ShdPnd", 16, 0);
	const uint64_t handled = process_text_field(status, "SigCgt", 16, 0);
	const uint64_t ignored = process_text_field(status, "SigIgn", 16, 0);
	free(status);
	return waiting & ~t->state.sigmask & ~ignored & (handled | ~IDLE_SIGNALS);
}

/*
 * A wait without a time limit that the kernel doesn't restart (epoll_wait) is
 * started again by us, exactly.  One with a limit would get its whole time
 * again: it sees EINTR, as documented.
 */
static bool tracee_rewind_wait(struct tracee *t)
{
	long nr = cpu_syscall(&t->state.regs);
	unsigned long long arg[6];

	for (int i = 0; i < 6; i++)
		arg[i] = cpu_syscall_arg(&t->state.regs, i);
	if (nr < 0 || cpu_syscall_result(&t->state.regs) != -EINTR ||
	    !threads_endless_wait(nr, arg) || tracee_signal_is_due(t))
		return false;
	return cpu_rewind_syscall(&t->state.regs);
}

/* A wait that only a forbidden call would continue ends as by a signal. */
static bool tracee_interrupt_wait(struct tracee *t)
{
	struct cpu_regs *regs = &t->state.regs;
	const long nr = cpu_restart_call(regs);
	uint64_t arg[6];

	for (int i = 0; i < 6; i++)
		arg[i] = cpu_syscall_arg(regs, i);
	if (nr < 0 || seccomp_call(&t->seccomp, nr, cpu_pc(regs), arg) == FILTER_ALLOWS)
		return false;
	cpu_interrupt_syscall(regs);
	return true;
}

/*
 * At an event stop.  The general registers come last: as long as they lead to
 * the emergency frame, our death at any point puts everything back.  Goes on
 * after failures.
 */
static int tracee_put_back(struct tracee *t)
{
	int first = 0, error;

	if (t->changed)
		first = cpu_restore_xstate(t->tid, &t->state);
	helper_point(t->helper, "restored-xstate");
	if (t->masked &&
	    ptrace(PTRACE_SETSIGMASK, t->tid, (void *)KERNEL_SIGSET, &t->state.sigmask))
		first = first ? first : -errno;
	helper_point(t->helper, "restored-mask");
	t->rewound = tracee_rewind_wait(t);
	const bool moved = t->rewound || tracee_interrupt_wait(t);
	if (t->changed)
		cpu_keep_time_limit(&t->state.regs);
	if ((t->changed || moved) && (error = cpu_set_regs(t->tid, &t->state.regs)))
		first = first ? first : error;
	helper_point(t->helper, "restored");
	if (!first)
		t->changed = t->masked = false;
	return first;
}

/* Only a process itself may say that kill() was called, or the kernel spoke
 * (kernel/signal.c do_rt_tgsigqueueinfo). */
static void tracee_send_held(struct tracee *t)
{
	for (int i = 0; i < t->held_count; i++) {
		siginfo_t *info = &t->held[i];

		if (syscall(SYS_rt_tgsigqueueinfo, t->pid, t->tid, info->si_signo, info))
			syscall(SYS_tgkill, t->pid, t->tid, info->si_signo);
	}
	t->held_count = 0;
}

/*
 * A handled signal came before a call that is made again, and would end it: as if the
 * call had begun. False: who knows (SA_RESTART); it's kept until the call has.
 */
static bool tracee_end_call(struct tracee *t)
{
	if (!cpu_ends_by_handler(&t->state.regs))
		return false;
	cpu_interrupt_syscall(&t->state.regs);
	return cpu_set_regs(t->tid, &t->state.regs) == 0;
}

/* At the entry of a call that we have rewound: we end it, and the kernel, which has yet
 * to decide, is told that it is of those that are made again. */
static void tracee_let_kernel_restart(struct tracee *t, uint64_t deadline)
{
	struct cpu_regs regs;

	if (ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) ||
	    tracee_resume(t, PTRACE_SYSCALL) ||
	    tracee_wait(t, deadline) != TRACEE_SYSCALL || cpu_get_regs(t->tid, &regs) ||
	    cpu_syscall_result(&regs) != -EINTR)
		return;
	cpu_restart_unless_handled(&regs);
	cpu_set_regs(t->tid, &regs);
}

/* Until it waits there, has returned, or has had no processor: who looks at it next then
 * sees what it waits in. */
static void tracee_await_sleep(const struct tracee *t)
{
	const struct timespec ms = { 0, 1000000 };
	const uint64_t deadline = clock_now() + TRACEE_ENTERED_MS * 1000000ull;

	while (running.count && clock_now() < deadline &&
	       process_thread_state(t->pid, t->tid) == 'R') {
		nanosleep(&ms, NULL);
		tracee_serve_running();
	}
}

/*
 * Put back, it is to make its call again (cpu_calls_again): it is led to the entry of
 * that, from where on the kernel sees to signals, and let run.  Returns a signal to
 * detach it with; 0: that too if it's still attached.
 */
static int tracee_enter_call(struct tracee *t)
{
	const uint64_t deadline = clock_now() + TRACEE_BACK_MS * 1000000ull;
	int status, ignored, error = tracee_resume(t, PTRACE_SYSCALL);

	while (!error && tracee_next_status(t, deadline, &status) > 0) {
		const int sig = WSTOPSIG(status);
		const int event = tracee_classify(t, status, &ignored);

		if (event == TRACEE_SYSCALL && t->rewound)
			tracee_let_kernel_restart(t, deadline);
		else if (event == TRACEE_SYSCALL)
			tracee_let_run(t);
		if (event >= 0)
			break;
		const bool handled = tracee_is_handled(t->tid, sig);
		if (handled && tracee_end_call(t))
			return sig;
		if (handled)
			tracee_hold(t, sig);
		t->stopped = false;
		error = ptrace(PTRACE_SYSCALL, t->tid, NULL,
			       (void *)(long)(handled ? 0 : sig));
	}
	return 0;
}

int tracee_release(struct tracee *t, struct load_error *err)
{
	int error = 0, sig = 0;
	const bool again = t->changed && !t->pass_signals && !t->group_stop;

	if (t->attached && t->saved && t->stopped)
		error = tracee_put_back(t);
	if (t->stopped_at) {
		t->stopped_ns += clock_now() - t->stopped_at;
		t->stopped_at = 0;
	}
	if (t->attached && again && !error && cpu_calls_again(&t->state.regs))
		sig = tracee_enter_call(t);
	if (!t->ended)
		tracee_send_held(t);
	if (t->attached && ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(long)sig) == 0)
		t->attached = false;
	tracee_await_sleep(t);
	memory_close(&t->mem);
	t->stopped = t->saved = false;
	seccomp_close(&t->seccomp);
	if (error)
		return load_fail(err, LOAD_E_SYSTEM, -error,
				 "the registers of thread %d could not be put back: %s",
				 t->tid, strerror(-error));
	return 0;
}
