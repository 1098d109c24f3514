/* SPDX-License-Identifier: MIT */
/*
 * tracee - stops one thread of a target and sets it free again, exactly as it
 * was.  All of it runs in a helper process (helper.h); every wait is bounded.
 *
 * Rules kept (ptrace(2); kernel/ptrace.c, kernel/signal.c):
 *  - PTRACE_SEIZE + PTRACE_INTERRUPT: no SIGSTOP is sent, none can be lost.
 *  - A thread is saved and restored only at a PTRACE_EVENT_STOP, where the
 *    kernel has yet to decide about restarting the interrupted system call: what
 *    is saved there holds the restart code, and giving it back restarts exactly.
 *    Where it has decided by then, what runs there makes the call again: the thread is
 *    led into it, and detached by the next signal or the helper's end.  To be detached
 *    at a stop is an interruption to the kernel, which would decide once more; and that
 *    is what a call is left to that any interruption ends (epoll_wait): signals which do
 *    nothing come only to who is traced.
 *  - PTRACE_O_EXITKILL is never set on the target, no breakpoint is ever set.
 *  - A wait that would be gone on with by a call (restart_syscall(2), or the same one)
 *    which the seccomp filter forbids ends with EINTR instead, as by any signal.
 *  - A signal that arrives meanwhile is kept and sent again before the detach, with
 *    what came with it (sigqueue); but whoever called kill() for it remains unnamed.
 */
#ifndef PYMEM_LOADER_INJECT_TRACEE_H
#define PYMEM_LOADER_INJECT_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/cpu/cpu.h"
#include "loader/inject/helper.h"
#include "loader/target/seccomp.h"

/* All but faults are blocked while a thread isn't its own, and a signal of a program's
 * can't be pending twice: one each of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP. */
#define TRACEE_HELD_MAX 8
/* A thread on its way to an event stop only has to get a CPU: on a loaded machine that
 * may take a while, and nothing is gained by giving up. */
#define TRACEE_BACK_MS 10000

struct tracee {
	struct helper *helper;
	pid_t pid, tid;
	struct memory mem;
	long options; /* PTRACE_O_* now set */
	bool attached;
	bool stopped;		/* in a ptrace stop now */
	bool at_event;		/* and that is a PTRACE_EVENT_STOP */
	int request;		/* by which it was resumed */
	bool saved;		/* state holds what it must get back */
	bool changed;		/* its registers aren't its own at the moment */
	bool masked;		/* nor is its signal mask */
	bool rewound;		/* its call ended in EINTR, but is made again */
	bool group_stop;	/* it was stopped (SIGSTOP, Ctrl-Z) when we came */
	int stop_signal;	/* of the last event stop: SIGTRAP, or of a group stop */
	bool ended;		/* it has exited or been killed */
	int end_status;		/* its wait status then */
	bool pass_signals;	/* a copy: its signals are its own, deliver them */
	struct seccomp seccomp; /* the filters that judge it */
	pid_t clone_child;	/* from PTRACE_EVENT_CLONE */
	struct cpu_wait
		before; /* if cpu_forgets_call: what it was in when it was seized, */
	uint64_t slept; /* and how often it had gone to sleep */
	uint64_t stops; /* ptrace stops since then */
	struct cpu_state state;
	siginfo_t held[TRACEE_HELD_MAX]; /* signals to send again */
	int held_count;
	unsigned resumes;    /* how often it had to get a CPU for us */
	uint64_t stopped_at; /* ns */
	uint64_t stopped_ns; /* sum of all stops */
};

/* Why tracee_wait came back. */
enum tracee_event {
	TRACEE_STOP,	/* PTRACE_EVENT_STOP */
	TRACEE_SYSCALL, /* entry or exit of a system call */
	TRACEE_CLONE,	/* PTRACE_EVENT_CLONE: clone_child is set */
	TRACEE_FAULT,	/* a synchronous signal (SIGSEGV...) hit our own call */
	TRACEE_EXEC,	/* the program was replaced */
	TRACEE_ENDED,
	TRACEE_TIMEOUT,
};

/*
 * Seizes a thread and stops it within timeout_ms (more if it has no CPU).  0; or -1:
 * LOAD_E_GONE, LOAD_E_PERMISSION/LOAD_E_TRACED, LOAD_E_STATE (it doesn't answer:
 * uninterruptible sleep), and then it may stay attached until tracee_abandon or
 * the end of this process.
 */
int tracee_seize(struct tracee *tracee, struct helper *helper, pid_t tid,
		 unsigned timeout_ms, struct load_error *err);
/* Saves everything needed to give it back. At an EVENT_STOP; changes nothing. */
int tracee_save(struct tracee *tracee, struct load_error *err);
/*
 * Gives a saved thread registers of ours and (once) blocks its signals, in this
 * order: with the registers leading to an emergency frame, dying in between
 * leaves nothing blocked.  0 or -errno.
 */
int tracee_redirect(struct tracee *tracee, const struct cpu_regs *regs);
/*
 * Puts a saved thread back to how it was and lets it go.  Always detaches what
 * can be detached; -1 only if something could not be put back.
 */
int tracee_release(struct tracee *tracee, struct load_error *err);

/* Resumes with a ptrace request (PTRACE_CONT, PTRACE_SYSCALL). 0 or -errno. */
int tracee_resume(struct tracee *tracee, int request);
/* Waits for the next event that matters, until the deadline (clock_now clock). */
enum tracee_event tracee_wait(struct tracee *tracee, uint64_t deadline);
/* To a PTRACE_EVENT_STOP: from another ptrace stop without running user code, or out
 * of running.  0, -ETIMEDOUT, -ESRCH (it is gone). */
int tracee_to_event_stop(struct tracee *tracee, unsigned timeout_ms);

/* All size bytes, or false. */
bool tracee_read(const struct tracee *tracee, uint64_t addr, void *buf, size_t size);
/* Ordinary writable memory. */
bool tracee_write(const struct tracee *tracee, uint64_t addr, const void *buf,
		  size_t size);
/* Any private memory, also read-only and executable (PTRACE_POKEDATA). */
bool tracee_poke(const struct tracee *tracee, uint64_t addr, const void *buf,
		 size_t size);

#endif
