/* SPDX-License-Identifier: MIT */
/*
 * shot - one snapshot of our own accord: opens the output, runs the capture,
 * adds what only the process knows after the copy's END, and commits.
 *
 * A walk that crashed in some type's tp_traverse is repeated once without that
 * type.  What goes wrong is one line on stderr: the application runs on.
 */
#ifndef PYMEM_AGENT_TRIGGER_SHOT_H
#define PYMEM_AGENT_TRIGGER_SHOT_H

#include "agent/snap/capture.h"
#include "agent/trigger/config.h"

struct shot {
	const char *why; /* recorded as the fact "trigger" */
	enum capture_context context;
	void (*waiting)(struct capture *c); /* called while the copy walks; NULL = not */
	bool stand_still;		    /* capture.h */
};

/*
 * Takes one on the calling thread and waits for it to be on the disk.  A copy that
 * was killed (for want of memory, then) is made once more with the interpreter
 * standing still.  0, -EBUSY when another capture runs, -EIO when it failed.
 */
int shot_take(const struct trigger_config *config, const struct shot *how);

/* In a child the application forked: drops what its parent's shot had open. */
void shot_forget(void);

/* At exit of the process: the copy dies with it, and what it wrote is of no use. */
void shot_exit(void);

/* One line "pymem: sentence" on stderr. */
void shot_say(const char *sentence, const char *detail);

#endif
