/* SPDX-License-Identifier: MIT */
/*
 * trigger_capture - one snapshot of our own accord: opens the destination, runs the
 * capture, adds what only the process knows after the copy's END, and commits.
 *
 * A walk that crashed in some type's tp_traverse is repeated once without that
 * type.  What goes wrong is one line on stderr: the application runs on.
 */
#ifndef PYMEM_AGENT_TRIGGER_TRIGGER_CAPTURE_H
#define PYMEM_AGENT_TRIGGER_TRIGGER_CAPTURE_H

#include "agent/snap/job.h"
#include "agent/trigger/allowance.h"
#include "agent/trigger/config.h"

struct trigger_cause {
	const char *why; /* recorded as the fact "trigger" */
	enum job_context context;
	void (*waiting)(struct job *c); /* called while the copy walks; NULL = not */
	bool stand_still;		/* job.h */
	bool hurried; /* the program waits and wants to go on: not for its summary */
	enum allowance_cause cause;
};

/*
 * Takes one on the calling thread and waits for it to be on the disk, as the memory that
 * is left allows (manner.h); what failed for want of it is tried again in the next
 * manner.  0, -EBUSY when another capture runs, -EDQUOT when its cause may not
 * now (allowance.h), -EIO when it failed.
 */
int trigger_capture_take(const struct trigger_config *config,
			 const struct trigger_cause *how);

/* In a child the application forked: drops what its parent's capture had open. */
void trigger_capture_forget(void);

/* At exit of the process: the copy dies with it, and what it wrote is of no use. */
void trigger_capture_exit(void);

#endif
