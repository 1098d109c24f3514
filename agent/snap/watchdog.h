/* SPDX-License-Identifier: MIT */
/*
 * watchdog - catches what the walk in a copy runs into: fatal signals, and standstill.
 *
 * The walk calls tp_traverse functions of extensions nobody has read.  One that
 * crashes, or never returns, or waits for a lock whose owner does not exist in
 * the copy, must cost the copy only, and be named: the CRASH message carries the
 * object and the type being walked (walk_position).  The handlers run on a stack
 * of their own (the fault may be a stack overflow) and replace those of the
 * application (faulthandler, crash reporters), which must not run in a copy.
 *
 * The watchdog ticks twice a second.  It calls the walk hung when nothing moved
 * (object, counts, phase, bytes written) for HANG seconds in which the copy
 * was running or asleep by its own choice: time spent in a slow receiver's write,
 * runnable without a CPU (schedstat), or waiting for the kernel to give it a page (swap,
 * memory.high) does not count.
 */
#ifndef PYMEM_AGENT_SNAP_WATCHDOG_H
#define PYMEM_AGENT_SNAP_WATCHDOG_H

#include "agent/snap/job.h"

/* In the copy only: replaces the signal handlers of the whole process. */
void watchdog_install(struct job *job);
/* The walk is over: stops the watchdog. */
void watchdog_off(void);

#endif
