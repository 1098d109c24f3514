/* SPDX-License-Identifier: MIT */
/*
 * safepoint - may this stopped thread be made to call dlopen, here and now?
 *
 * A thread stopped anywhere may be inside malloc (which glibc runs without a
 * lock as long as there is one thread: re-entry corrupts the heap), inside the
 * dynamic loader, or in a signal handler that interrupted either.  The rules, in
 * order:
 *  1. not in ld.so, not in the vdso, not in 32-bit code;
 *  2. no lock of the dynamic loader held by anybody (a constructor that waits
 *     for the GIL holds it, and our dlopen would wait for both);
 *  3. no signal frame on the stack (a word that is the C library's restorer);
 *  4. not in a restartable sequence: the kernel would forget it;
 *  5. in the C library: only in a wait that malloc never makes, or if neither
 *     the place nor any return address on the stack lies in the allocator or in
 *     thread creation;
 *  6. elsewhere: glibc's malloc never calls out, so it can't be below; allowed
 *     unless the code is itself an allocator.
 */
#ifndef PYMEM_LOADER_INJECT_SAFEPOINT_H
#define PYMEM_LOADER_INJECT_SAFEPOINT_H

#include "loader/inject/tracee.h"

enum safepoint {
	SAFE,
	UNSAFE_LOADER,	  /* in ld.so, or its lock is held */
	UNSAFE_ALLOCATOR, /* in malloc or thread creation, or may be */
	UNSAFE_SIGNAL,	  /* in a signal handler */
	UNSAFE_RSEQ,	  /* in a restartable sequence */
	UNSAFE_GIL,	  /* safe, but a thread holds the GIL (for the external method) */
	UNSAFE_ARENA,	  /* safe, but it would get a malloc arena */
	UNSAFE_FILTER, /* safe, but not what its seccomp filter allows (borrow.permit) */
	UNSAFE_PLACE,  /* vdso, our own code, foreign mode, unreadable stack */
};

/* For a call of dlopen. The tracee is saved. */
enum safepoint safepoint_call(const struct tracee *tracee);
/* For a bare system call (the external method's clone): only restartable sequences
 * matter. */
enum safepoint safepoint_syscall(const struct tracee *tracee);
/* For malloc alone, in a copy: rules 3, 5, 6; loader locks are looked at apart. */
enum safepoint safepoint_allocator(const struct tracee *tracee);
/* "in the dynamic loader", ... */
const char *safepoint_name(enum safepoint point);

#endif
