/* SPDX-License-Identifier: MIT */
/*
 * remote_run - a function call and system calls made by a borrowed thread in one go.
 *
 * A system call that is made by itself stops the thread twice, a traced dlopen stops
 * it at each of its thirty system calls; and every stop costs two changes of thread,
 * each of which waits for a CPU where many want one.  Here the thread runs the stub
 * (cpu.h) freely: it makes the call, then the list of system calls, notes that it is
 * done, and waits in the marker, over and over for about a quarter of a second of its CPU
 * time (as often as this machine makes system calls in that time: helper.h, call_ns).
 * We look at the note now and then and stop it there, by PTRACE_INTERRUPT: so it is at
 * an event stop at once, where the next thing can be asked of it or everything be put
 * back.
 *
 * If we are late (no CPU, or dead), the rounds end and it goes home through the
 * emergency frame, as from everywhere else.  That is seen by its program counter, and
 * its registers are then its own: nothing is put back.
 */
#ifndef PYMEM_LOADER_INJECT_REMOTE_RUN_H
#define PYMEM_LOADER_INJECT_REMOTE_RUN_H

#include "loader/inject/remote.h"

#define REMOTE_OPS_MAX 8

/*
 * Calls function with up to four arguments (0: no call), then makes `count` system
 * calls, whose results are put into ops.  The region must be mapped.  0, or -1 with
 * *err: LOAD_E_TIMEOUT, LOAD_E_GONE, LOAD_E_CALL (it crashed).  Not for copies.
 */
int remote_run(struct remote *remote, uint64_t function, const uint64_t arg[4],
	       struct cpu_op *ops, unsigned count, unsigned timeout_ms, uint64_t *ret,
	       struct load_error *err);
/*
 * Some system calls, one after the other: in one go where that is possible.  Results
 * in ops; -1 with *err only if they could not be run.
 */
int remote_run_batch(struct remote *remote, struct cpu_op *ops, unsigned count,
		     struct load_error *err);
/*
 * A system call that may as well be made later: with the next run or batch, after it;
 * its result is of no interest.  remote_run_flush makes those that still wait.
 */
int remote_run_later(struct remote *remote, const struct cpu_op *op,
		     struct load_error *err);
int remote_run_flush(struct remote *remote, struct load_error *err);

#endif
