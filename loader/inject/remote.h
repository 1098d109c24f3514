/* SPDX-License-Identifier: MIT */
/*
 * remote - makes a saved, stopped thread run system calls and function calls.
 *
 * Nothing in the target's code is overwritten.  A system call runs at a
 * `syscall; ret` of its own C library, with the stack pointer at an emergency
 * frame: if we die, `ret` goes to the C library's signal restorer, and its
 * rt_sigreturn puts back every register, the vector state and the signal mask.
 * Function calls run on a stack of our own, through a short stub on a page of
 * our own, which ends in a marker system call (where we stop it, remote_run.h) and
 * behind it in the same rt_sigreturn.  So at no instant does the target depend on us.
 *
 * The stub's page is mapped read + execute and filled by PTRACE_POKEDATA: never
 * writable and executable, as PR_SET_MDWE and its like demand.
 *
 * The region, from low to high: guard page, the agent's worker stack, guard
 * page, call stack with our data at its top, the stub's page.
 */
#ifndef PYMEM_LOADER_INJECT_REMOTE_H
#define PYMEM_LOADER_INJECT_REMOTE_H

#include "loader/inject/tracee.h"

#define REMOTE_LATER_MAX 4

struct remote {
	struct tracee *tracee;
	uint64_t frame;	  /* where the gadget returns to if we die: the emergency frame,
			   * or (in a copy) the exit frame; 0 = no room yet */
	uint64_t context; /* the emergency frame's context, 0 in a copy */
	uint64_t region, region_size; /* 0 = not mapped */
	uint64_t worker, worker_size; /* usable part of the worker's stack */
	uint64_t bottom, top;	      /* data grows down from the top; calls run below */
	uint64_t stub;		      /* 0 = not there yet */
	uint64_t block;		      /* of the call going on */
	bool copy;		      /* single-threaded and disposable */
	bool inside; /* a copy's call: between entry and exit of a system call */
	unsigned calls, syscalls;
	struct cpu_op later[REMOTE_LATER_MAX]; /* go with the next run */
	unsigned later_count;
};

/* Writes the emergency frame below the thread's stack, if that has room. */
void remote_init(struct remote *remote, struct tracee *tracee);
/*
 * Builds an emergency frame that ends below top, if there is room on that stack:
 * remote->frame and context.
 */
void remote_place_frame(struct remote *remote, uint64_t top);
/* *err for an event that ends a call (LOAD_E_GONE, LOAD_E_TIMEOUT...), or for a
 * synchronous signal in it (LOAD_E_CALL); -1. */
int remote_lost(struct remote *remote, enum tracee_event event, struct load_error *err);
int remote_crashed(struct remote *remote, struct load_error *err);
/*
 * One system call; its result (or -errno) in *ret.  -1 with *err if it could not
 * be run: the target ended, was replaced, or didn't answer within the time.
 */
int remote_syscall(struct remote *remote, long nr, const uint64_t arg[6], int64_t *ret,
		   struct load_error *err);
/* Shorthand: int64_t remote_sys(r, &ret, err, nr, args...) with up to 6 arguments. */
#define remote_sys(remote, ret, err, nr, ...) \
	remote_syscall(remote, nr, (const uint64_t[6]){ __VA_ARGS__ }, ret, err)

/* The same for a copy of the process: if we die it calls _exit, at once. */
void remote_init_copy(struct remote *remote, struct tracee *copy, uint64_t exit_frame);
/*
 * The exit signal of a copy: none, as there are 64 (kernel/signal.c do_notify_parent
 * sends valid ones only), but by this number a copy is known that died before it had a
 * name.  As with 0, only a wait with __WCLONE or __WALL sees such a child.
 */
#define REMOTE_COPY_SIGNAL 122

/*
 * A clone without flags but that signal (legal at any instruction): the copy, traced and
 * not yet run, is in tracee->clone_child; its number in the target's namespace in *ret.
 * The copy's stack pointer is *exit_frame_ret: whoever lets it go ends it.
 */
int remote_clone(struct remote *remote, int64_t *ret, uint64_t *exit_frame_ret,
		 struct load_error *err);
/* Copies data into the region; its address there, 0 if it doesn't fit. */
uint64_t remote_push(struct remote *remote, const void *data, size_t size);

#endif
