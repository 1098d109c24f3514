/* SPDX-License-Identifier: MIT */
/*
 * start - the one contract between pymem-load and libpymemagent.so: the start
 * configuration and the control messages.  Both sides are built from one tree,
 * but an agent kept from an earlier capture may be older: magic, version and
 * size are checked first.
 *
 * How a capture starts
 *  - Injected: the loader makes the channels in the target, finds the block
 *    `pymem_start_block` in the agent's file image by its magic (it lies in the
 *    section .pymem_start), fills it in, writes the image into a memfd and has
 *    the target dlopen it.  The constructor sees configured == 1.
 *  - Kept (--keep-agent): the loader calls the one exported function,
 *    pymem_agent_start(const struct pymem_start *), in the target.
 *  - Environment (LD_PRELOAD, or plain dlopen): PYMEM_* variables; no block
 *    (agent/trigger/config.h).
 *  - Control socket: an agent configured with PYMEM_CONTROL=DIR listens on
 *    DIR/<pid>.sock (pid as the process itself sees it: the innermost NSpid),
 *    SOCK_SEQPACKET.  DIR is 0700 and the agent's user's; only that user and
 *    root are answered (SO_PEERCRED).  The client connects, checks in the same
 *    way that the peer's pid is the one it means, and sends one packet: a whole
 *    struct pymem_start (magic, version, size, nonce, flags NO_FORK, NO_VALUES, and
 *    the limits count; fds and stack in it don't) with two or three fds by
 *    SCM_RIGHTS: control (a SOCK_SEQPACKET socket, or the writing end of a pipe),
 *    stream, and command if control is a pipe.  The answer is one packet of four
 *    bytes: an int32, 0 or a negative errno as pymem_agent_start gives it.  On 0
 *    everything else comes over the channels, as after an injection.
 *
 * Channels.  control: SOCK_SEQPACKET both ways, one message a packet (or two
 * O_DIRECT pipes, control_fd to write and command_fd to read).  stream: the
 * snapshot's bytes, SOCK_STREAM or a pipe.  The loader has moved the target's
 * ends to fd numbers >= 1000 where the limit allows, CLOEXEC.  The agent closes
 * them when the job ends.
 */
#ifndef PYMEM_AGENT_START_H
#define PYMEM_AGENT_START_H

#include <stdint.h>

#define PYMEM_START_MAGIC "\x89PYMEM-START\r\n\x1a" /* 16 bytes with the NUL */
#define PYMEM_START_VERSION 3u
#define PYMEM_AGENT_EXPORT "pymem_agent_start"

enum pymem_start_flags {
	PYMEM_START_NO_FORK = 1u << 0, /* walk in place with the GIL held */
	PYMEM_START_NO_VALUES = 1u << 1,
	/* external: we are already in a frozen copy: no thread, no GIL; walk on the
	 * calling thread, then _exit */
	PYMEM_START_EXTERNAL = 1u << 2,
	PYMEM_START_KEEP = 1u << 3, /* stay loaded (informational) */
	/* external: no thread held the GIL at the clone */
	PYMEM_START_CONSISTENT = 1u << 4,
};

/* All integers little endian host order; no padding holes. */
struct pymem_start {
	char magic[16];
	uint32_t version, size;
	uint32_t configured; /* 0 in the file; 1 once the loader filled it in */
	uint32_t flags;	     /* enum pymem_start_flags */
	uint64_t nonce;	     /* returned in every message */
	int32_t control_fd, command_fd, stream_fd;
	uint32_t loader_pid;	  /* informational; in the loader's pid namespace */
	uint32_t gil_timeout_ms;  /* 0 = 5000 */
	uint32_t child_timeout_s; /* watchdog of the copy, 0 = 600 */
	uint32_t value_limit;	  /* characters of a preview, 0 = SNAP_PREVIEW */
	uint32_t sample_limit;	  /* objects of the size check, 0 = 10000 */
	/* bytes the copy may dirty, 0 = no limit of its own */
	uint64_t max_memory;
	uint64_t seed; /* random: key of content hashes, never stored */
	/* how long the hijacked thread was stopped so far */
	uint64_t stopped_ns;
	/* memory for the worker's stack, mapped by the loader so that it can be unmapped
	 * after; 0 = agent maps */
	uint64_t stack_addr, stack_size;
	/* a target that sees no /proc: memory in it where the loader puts a uint64_t
	 * length and as many bytes of the text of its /proc/PID/maps before the thread
	 * it borrowed goes on; 0 = the agent reads its own */
	uint64_t maps_addr, maps_size;
	/* where the agent puts, as an int32_t and before it returns, the number of the
	 * thread it made, as the target counts; 0 = nowhere */
	uint64_t tid_addr;
	/* number of the borrowed thread in the /proc that the target sees; 0 = as the
	 * target itself counts (external: not known) */
	uint32_t borrowed_tid;
	uint32_t reserved; /* 0 */
	/* the agent's own, which it removes once it is loaded, as the target sees it;
	 * "" = none */
	char file[64];
	/* NUL-separated qualified type names whose tp_traverse crashed or hung in an
	 * earlier try; "" ends the list */
	char skip_types[1024];
	/* text of --probes, NUL-terminated; "" = built-in ones only */
	char probes[16384];
};

/* ---- control messages: fixed head, then `text_size` bytes of text ---- */

enum pymem_msg_type {
	/* agent -> loader */
	/* worker runs. a: agent's start version, b: worker tid, c: pid as the target
	 * sees it, d: dlopen-able ("0") */
	PYMEM_MSG_HELLO = 1,
	PYMEM_MSG_PHASE = 2, /* text: what it does now ("waiting for the GIL") */
	/* a: child pid (target's view), b: gil_wait_ns, c: gil_held_ns, d: fork_ns */
	PYMEM_MSG_FORKED = 3,
	/* from the copy: a: signal (SIGALRM: it hung), b: object, c: fault address;
	 * text: qualified type name being walked ("" = none: not in an object) */
	PYMEM_MSG_CRASH = 4,
	/* from the copy: a: objects, b: edges, c: walk_ns, d: private bytes of the copy,
	 * dirty or clean, its own tables included (0 in place: there is none, or
	 * unknown); text: what isn't known of this CPython ("" = nothing) */
	PYMEM_MSG_WALKED = 5,
	PYMEM_MSG_CHILD = 6, /* copy reaped: a: wait status, as wait4 gives it */
	/* the job failed. a: enum pymem_fail; text: one sentence */
	PYMEM_MSG_FAILED = 7,
	/* job over, nothing held any more; a: gil_held_ns in place mode. The worker
	 * thread ends right after */
	PYMEM_MSG_DONE = 8,
	/* loader -> agent */
	/* stop as soon as possible: kill the copy, send DONE or FAILED */
	PYMEM_MSG_CANCEL = 64,
};

enum pymem_fail {
	/* no CPython in this process, or probes disagree */
	PYMEM_FAIL_NOT_PYTHON = 1,
	/* a CPython we refuse: the sentence says which */
	PYMEM_FAIL_UNSUPPORTED = 2,
	PYMEM_FAIL_NOT_READY = 3, /* not initialised yet, or finalizing */
	/* not obtained in time; the external method may do */
	PYMEM_FAIL_GIL = 4,
	PYMEM_FAIL_COLLECTING = 5, /* a collection ran whenever we looked */
	PYMEM_FAIL_FORK = 6,	   /* clone failed; b: errno. --no-fork may work */
	PYMEM_FAIL_MEMORY = 7,
	PYMEM_FAIL_STREAM = 8, /* channel closed or recycled by the app */
	PYMEM_FAIL_BUSY = 9,   /* another capture is running in this process */
	PYMEM_FAIL_WALK = 10,
	PYMEM_FAIL_CANCELLED = 11,
};

struct pymem_msg {
	uint32_t type;	    /* enum pymem_msg_type */
	uint32_t text_size; /* <= 3072, bytes after this head */
	uint64_t nonce;
	uint64_t a, b, c, d;
};
#define PYMEM_MSG_TEXT_MAX 3072u

/*
 * The exported entry.  Copies *start, begins the job on a new detached thread
 * and returns at once: 0, or a negative errno (-EBUSY: a job is running;
 * -EPROTO: version mismatch; -EAGAIN: no thread could be made).  The fds are the
 * agent's from then on, except after -EBUSY and -EPROTO, when it has not touched
 * them.
 */
int pymem_agent_start(const struct pymem_start *start);

#endif
