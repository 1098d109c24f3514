/* SPDX-License-Identifier: MIT */
/*
 * viewer_process - pymem-view, run beside the program: it makes of a snapshot the summary
 * that PYMEM_OUTPUT=....summary asks for, and removes the snapshot then (--consume).
 *
 * The snapshot is on the disk by then and the copy has ended, so that the two don't need
 * memory at the same time.  Where there is no room for it either, the snapshot stays.
 *
 * The program notices nothing: no SIGCHLD comes and no wait(2) of its own finds anything
 * (clone(2), "__WCLONE").  As whoever becomes another program sends SIGCHLD, whatever it
 * was made with, that is a grandchild, made as posix_spawn(3) makes one, and a keeper
 * lies between them: a process in our memory that waits for it and does nothing else; in
 * a copy of it, which is given back at once, where a seccomp filter might kill it.
 *
 * pymem-view has a session of its own, so that a terminal's signals don't end it; of the
 * program's descriptors only the standard error; none of its environment but where
 * libraries are; nice 19; and it is the first to be killed for want of memory.  Its data
 * are limited to seven eighths of what there is room for.
 *
 * One at a time: viewer_process_start is guarded by busy_claim().  Any thread may ask
 * whether it runs, and wait.
 */
#ifndef PYMEM_AGENT_TRIGGER_VIEWER_PROCESS_H
#define PYMEM_AGENT_TRIGGER_VIEWER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Finds the program: the one that is named ("": none is), else beside the agent, as the
 * build and the packages lay them, else in PATH of env.  When the agent is loaded: the
 * program may change its folder later.  False: there is none.
 */
bool viewer_process_find(const char *named, char *const *env);

/* Bytes that it needs for a snapshot of so many objects, about. */
uint64_t viewer_process_need(uint64_t objects);

/*
 * Starts it; room: bytes that it may have.  0, -EBUSY: the one before still runs,
 * -ENOENT: none was found, or what the kernel said of making it.
 */
int viewer_process_start(const char *snapshot, const char *summary, uint64_t room);
/* Does one run? */
bool viewer_process_runs(void);
/* Waits until it has ended, two minutes at most: then it goes on alone, and false. */
bool viewer_process_await(void);
/* In a child the application forked: it is the parent's. */
void viewer_process_forget(void);

#endif
