/* SPDX-License-Identifier: MIT */
/*
 * inject - brings the agent into a process and takes it out again, harming
 * nothing.  The only door between the command (main, receive, report) and the
 * ptrace machinery below.
 *
 * Every function bounds its own time, leaves the target running whatever
 * happens, and returns 0 or -1 with *err filled: a code, one sentence that
 * names cause and remedy.
 */
#ifndef PYMEM_LOADER_INJECT_INJECT_H
#define PYMEM_LOADER_INJECT_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/start.h"
#include "loader/base/load_error.h"

struct inject_options {
	const void *agent; /* bytes of libpymemagent.so */
	size_t agent_size;
	struct pymem_start start; /* flags, limits, probes; inject fills the rest in */
	unsigned stop_timeout_ms; /* 0 = 200 */
	unsigned call_timeout_ms; /* 0 = 3000 */
	unsigned safe_point_ms;	  /* wall time to look for a safe point, 0 = 1000 */
	bool any_process;	  /* tests: the target needn't be a CPython */
	int cancel_fd; /* a pipe: a byte in it = give up, two = leave all be; 0 = none */
	void (*log)(void *arg, const char *line); /* --debug; may be NULL; no newline */
	void *log_arg;
};

/* An agent (or a frozen copy) in a target, with our ends of its channels. */
struct injection {
	pid_t pid;
	int pidfd;	/* -1 if the kernel has none */
	int control_fd; /* our end: read messages */
	int command_fd; /* our end: write PYMEM_MSG_CANCEL (may equal control_fd:
				 * a socket then; a pipe if they differ) */
	int stream_fd;	/* our end: read the snapshot */
	uint64_t nonce;
	uint64_t handle;     /* dlopen handle in the target, 0 = unknown */
	bool reused;	     /* an agent that an earlier capture kept runs again */
	uint32_t worker_tid; /* as the target counts (= HELLO.b); 0 = none was seen */
	uint64_t stack_addr, stack_size; /* mapped in the target for the worker */
	uint64_t stopped_ns; /* total time the hijacked thread was not its own */
	pid_t copy_pid;	     /* external: the frozen copy, else 0 */
	uint64_t fork_ns;    /* external: the pause */
	bool consistent;     /* external: no thread held the GIL */
	void *priv;	     /* inject's own */
};

/*
 * Method agent: safe point, remote dlopen (or call of a kept agent), channels.  When it
 * returns the target runs freely and the agent's HELLO is on its way.  The
 * injection holds a lock on the process until inject_close.
 */
int inject_agent(pid_t pid, const struct inject_options *options, struct injection *ret,
		 struct load_error *err);
/*
 * Method external: one raw clone in the target, the agent runs in the copy, traced by a
 * helper process of ours until the copy ends (or inject_close).
 */
int inject_external(pid_t pid, const struct inject_options *options,
		    struct injection *ret, struct load_error *err);
/*
 * Method agent, after DONE: waits for the worker thread to be gone, second short stop,
 * dlclose, munmap of the stack, verification from /proc.  `keep`: only the
 * stack is unmapped.  External: kills and reaps the copy without a trace.
 * Adds to injection->stopped_ns.
 */
int inject_eject(struct injection *injection, const struct inject_options *options,
		 bool keep, struct load_error *err);
/*
 * Takes out an agent that an earlier injection left loaded (`keep`): one short
 * stop, dlclose, verification.  0 also when there is none; never while a job runs.
 */
int inject_remove(pid_t pid, const struct inject_options *options,
		  struct load_error *err);
/* Closes our ends and frees; does not touch the target. */
void inject_close(struct injection *injection);

#endif
