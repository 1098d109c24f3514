/* SPDX-License-Identifier: MIT */
/*
 * spawn - a second thread, or a second process, of the copy, made without libc; and
 * another program beside the process itself.
 *
 * The copy has one thread, whose libc state is that of a thread of the captured
 * process; pthread_create would allocate and lock there.  So: the raw clone system
 * call.  What is spawned shares the memory, the descriptors and the thread pointer of
 * its maker, so one of the two at most may use thread-local storage (errno, the
 * interpreter's current thread state) at a time; system calls (agent/base/sys.h),
 * memcpy and computing are free.
 */
#ifndef PYMEM_AGENT_SNAP_SPAWN_H
#define PYMEM_AGENT_SNAP_SPAWN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spawned {
	_Atomic(uint32_t) alive; /* the kernel's: 0 once the thread uses no memory */
};

/*
 * Runs run(arg) on a thread of this process, in stack_size bytes at stack (both
 * multiples of 16), with all signals blocked but those a fault raises.  It ends when
 * run returns, or with the process; *thread must stay until then.  0, or a negative
 * errno: no thread.
 */
int spawn_thread(struct spawned *thread, void *stack, size_t stack_size,
		 void (*run)(void *), void *arg);

/*
 * Waits until the thread, whose run must be about to return, touches no memory any more
 * (set_tid_address(2)): its stack may be unmapped then.
 */
void spawn_join(struct spawned *thread);

/*
 * Runs run(arg) in a process of its own that shares our memory and goes on using our
 * stack, and meanwhile suspends the caller (clone(2), CLONE_VFORK); it must not return
 * to anything but the end of run.  A child of ours, which sends SIGCHLD; its signal
 * handlers and mask start as copies of ours.  Returns its pid once it has let go of the
 * memory, or a negative errno.
 */
int spawn_process(void (*run)(void *), void *arg);

/*
 * Runs run(arg) in a process of its own, with a copy of our memory as it is now; it
 * must not return.  A child of ours, which sends SIGCHLD; its signal handlers and mask
 * start as copies of ours.  Returns its pid, or a negative errno.
 */
int spawn_copy(void (*run)(void *), void *arg);

/*
 * As spawn_process, for run to become another program: the descriptors, folder and umask
 * are copies of ours.
 */
int spawn_program(void (*run)(void *), void *arg);

/*
 * Runs run(arg) in a process of its own, on the stack_size bytes at stack (both multiples
 * of 16), all signals blocked; it shares memory and descriptors with us and must not
 * return.  No signal comes at its end, and wait(2) sees it with __WALL or __WCLONE alone;
 * its children are nothing to us.  (Who becomes another program sends SIGCHLD after all:
 * execve(2); so that is a child of it.)  apart: with a copy of memory and descriptors
 * instead.  Its pid or a negative errno.
 */
int spawn_keeper(bool apart, void *stack, size_t stack_size, void (*run)(void *),
		 void *arg);

/* Does a seccomp filter judge this process's system calls? */
bool spawn_confined(void);

/* Sleeps while *word == value; may return early. */
void spawn_futex_wait(const _Atomic(uint32_t) *word, uint32_t value);
void spawn_futex_wake(const _Atomic(uint32_t) *word);

#endif
