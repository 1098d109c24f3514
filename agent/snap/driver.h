/* SPDX-License-Identifier: MIT */
/*
 * driver - one capture: a snapshot of the process we are in, from HELLO to DONE.
 *
 *	driver_run	bind the interpreter, say hello
 *	  gil_with	find a moment when the heap is whole (gil.c)
 *	    copy_make	... and clone there: that is the whole pause
 *	  copy_life_begin  in the copy: close, watch, walk, stream, exit
 *	  copy_wait	reap the copy, obey CANCEL, say how it ended
 *
 * In place (PYMEM_START_NO_FORK) the walk itself runs at that moment, with the
 * GIL held.  It then trusts every tp_traverse as much as the interpreter's own
 * collector does, which calls them all: there is no copy to lose.
 *
 * Nothing here allocates from the target's allocators.
 */
#ifndef PYMEM_AGENT_SNAP_DRIVER_H
#define PYMEM_AGENT_SNAP_DRIVER_H

#include "agent/snap/job.h"

/* The whole capture; every outcome is told through the control channel.  0, or -1 when
 * there is no whole snapshot in the stream.  On the thread the job's context says; with
 * JOB_EXTERNAL it does not return but when it has failed. */
int driver_run(struct job *job);

#endif
