/* SPDX-License-Identifier: MIT */
/*
 * config - the PYMEM_* environment, read once.
 *
 *	PYMEM_OUTPUT=PATH	where snapshots go; %p pid, %t UTC time
 *				(YYYYMMDDHHMMSS), %% a percent sign; a folder, a named
 *				pipe, a socket or a device
 *				that is there; "....summary": summaries instead of
 *				snapshots, which pymem-view makes
 *	PYMEM_VIEW=PATH		pymem-view, where it isn't beside the agent or in PATH
 *	PYMEM_KEEP=N		only the newest N files of this process are kept
 *	PYMEM_KEEP_BYTES=2G	... and so many that they take no more than this
 *	PYMEM_SOCKET=PATH	a unix socket somebody listens on (pymem-view --listen)
 *	PYMEM_SIGNAL=1		take one on signal 39 (SIGRTMIN+5), which programs don't
 *				use; or on the one named: USR2, RTMIN+7, 50
 *	PYMEM_INTERVAL=60s	... every so often (ms s m h; a plain number is seconds)
 *	PYMEM_RSS_LIMIT=2G	... when resident memory crosses this, or 80% of the
 *				memory limit of the control group or machine
 *	PYMEM_AT_EXIT=1		... before the interpreter tears down
 *	PYMEM_LIMIT=90%		... when so much of a limit is used: of the control
 *				group, RLIMIT_AS or RLIMIT_DATA
 *	PYMEM_PRESSURE=1	... when the kernel says that memory is short; or, for
 *				memory.pressure, when tasks waited so long: 150ms/2s
 *	PYMEM_GROWTH=100M/10m	... when resident memory grew so much in such a time
 *	PYMEM_MEMORY_ERROR=1	... on MemoryError (also PYMEM_ON_MEMORY_ERROR)
 *	PYMEM_COOLDOWN=300s	the least time between two for the same one of these
 *				five causes
 *	PYMEM_RESERVE=16M	memory held for the capture; 0 = none
 *	PYMEM_SNAPSHOTS=N	at most N in all
 *	PYMEM_CONTROL=DIR	listen in DIR for pymem-load (start.h, "Control socket")
 *	PYMEM_VALUES=0		names and types, but no previews of values; N from 2 on:
 *				previews of so many characters
 *
 * Nothing is read later than the constructor: the application may change its
 * environment.
 */
#ifndef PYMEM_AGENT_TRIGGER_CONFIG_H
#define PYMEM_AGENT_TRIGGER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trigger_config {
	char output[1024];    /* absolute pattern; "" = no files */
	char viewer[1024];    /* absolute; "" = pymem-view where it is */
	char socket[108];     /* absolute; "" = none */
	char control[88];     /* absolute directory; "" = no control socket */
	int signal;	      /* 0 = none */
	uint64_t interval_ns; /* 0 = none */
	uint64_t rss_bytes;   /* 0 = none, or see rss_percent */
	uint32_t rss_percent;
	uint32_t limit_percent;		  /* 0 = none */
	uint64_t stall_ns, window_ns;	  /* of memory.pressure; 0 = no PYMEM_PRESSURE */
	uint64_t growth_bytes, growth_ns; /* 0 = none */
	uint64_t cooldown_ns;
	uint64_t reserve_bytes; /* if reserve_set; else by the limit (manner.h) */
	bool reserve_set;
	uint32_t snapshots;  /* 0 = any number */
	uint64_t keep_bytes; /* 0 = all */
	uint32_t keep;	     /* 0 = all */
	uint32_t values;     /* characters of a preview, 0 = none */
	bool summary;	     /* output ends in .summary: such files, made by pymem-view */
	bool at_exit, memory_error;
	bool marked; /* PYMEM_MARK: pymem-load --leak-check runs the program */
};

/*
 * 1: something is asked for; 0: no PYMEM_ variable of ours is set; -1: a mistake,
 * err is one sentence about it.  err is also set (and 1 or 0 returned) when a
 * PYMEM_ variable is not known.  Allocates nothing.
 */
int config_read(char *const *env, struct trigger_config *ret, char *err, size_t err_size);

/* Is this one of the signals that programs use themselves, and that end a process which
 * doesn't handle it? */
bool config_signal_is_borrowed(int sig);

enum { CONFIG_KEEP_MAX = 64 };

#endif
