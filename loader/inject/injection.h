/* SPDX-License-Identifier: MIT */
/* injection - what is to be brought into a process, and what is there then. */
#ifndef PYMEM_LOADER_INJECT_INJECTION_H
#define PYMEM_LOADER_INJECT_INJECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/start.h"

/* Of an injection; outlives it. */
struct inject_options {
	const void *agent; /* bytes of libpymemagent.so */
	size_t agent_size;
	struct pymem_start start; /* flags, limits, probes; inject fills the rest in */
	unsigned stop_timeout_ms; /* 0 = 200 */
	unsigned call_timeout_ms; /* 0 = 3000 */
	unsigned safe_point_ms;	  /* wall time to look for a safe point, 0 = 1000 */
	bool any_process;	  /* tests: the target needn't be a CPython */
	bool unfiltered; /* a copy may run without the process's seccomp filter */
	int cancel_fd; /* a pipe: a byte in it = give up, two = leave all be; 0 = none */
	void (*log)(void *arg, const char *line); /* --debug; may be NULL; no newline */
	void *log_arg;
};

/* The limits above, or what 0 stands for; in ms. */
static inline unsigned injection_stop_ms(const struct inject_options *o)
{
	return o->stop_timeout_ms ? o->stop_timeout_ms : 200;
}
static inline unsigned injection_call_ms(const struct inject_options *o)
{
	return o->call_timeout_ms ? o->call_timeout_ms : 3000;
}
static inline unsigned injection_safe_ms(const struct inject_options *o)
{
	return o->safe_point_ms ? o->safe_point_ms : 1000;
}

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

#endif
