/* SPDX-License-Identifier: MIT */
/*
 * process - what /proc says of one process or thread.
 *
 * Field meanings: proc(5), fs/proc/array.c.  Nothing here stops or changes the
 * process; everything read may be old by the time it is looked at.
 */
#ifndef PYMEM_LOADER_TARGET_PROCESS_H
#define PYMEM_LOADER_TARGET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/base/load_error.h"

struct process {
	pid_t pid;  /* as asked for, in our pid namespace */
	pid_t tgid; /* != pid when a thread's id was given */
	pid_t ppid;
	pid_t tracer;  /* 0 = none, or one that our pid namespace can't see */
	char comm[32]; /* raw bytes of the target's choice */
	char state;    /* R S D T t Z X I of the leader */
	uid_t uid[4];  /* real, effective, saved, filesystem */
	gid_t gid[4];
	pid_t nspid[8];	 /* ids from our namespace inwards */
	int nspid_count; /* >= 1 */
	int seccomp;	 /* 0, 1 strict, 2 filter */
	bool no_new_privs;
	bool kthread;
	unsigned threads;
	uint64_t starttime; /* clock ticks after boot: with pid, an identity */
	pid_t live_tid;	    /* a thread that still runs (pid if it does), 0 = none */
};

/*
 * Reads /proc/PID/{stat,status}.  0, or -1 with LOAD_E_GONE (no such process),
 * LOAD_E_PERMISSION (hidden from us) or LOAD_E_SYSTEM.
 */
int process_read(pid_t pid, struct process *ret, struct load_error *err);

/* Innermost pid: what the process itself calls itself. */
pid_t process_inner_pid(const struct process *process);

/*
 * Reads a /proc text file whole into a malloc'ed, NUL-terminated buffer, at
 * most `limit` bytes.  NULL with errno set.  The caller frees.
 */
char *process_read_text(const char *path, size_t limit, size_t *size_ret);
/*
 * The same of /proc/PID/NAME.  Where the first thread has ended and others live on, what
 * there is to read of the process (memory, files, names) is there by one of those alone.
 */
char *process_read_own(pid_t pid, const char *name, size_t limit, size_t *size_ret);
/* The number by which to look for it: pid, or that of a thread that lives. */
pid_t process_live(pid_t pid);
/* The number after "Key:" in a status text, in the given base; fallback if absent. */
uint64_t process_text_field(const char *status, const char *key, int base,
			    uint64_t fallback);
/* State letter of one thread from /proc/PID/task/TID/stat; 0 = gone. */
char process_thread_state(pid_t pid, pid_t tid);
/*
 * The number by which a thread knows itself: the last of NSpid (proc_pid_status(5)).
 * 0 = the thread is gone, or a negative errno: it may live, but can't be looked at.
 */
pid_t process_thread_inner(pid_t pid, pid_t tid);
/* Name (comm) of any pid into buf, "?" if it can't be read. Returns buf. */
const char *process_name(pid_t pid, char *buf, size_t size);

#endif
