/* SPDX-License-Identifier: MIT */
/*
 * progress - how long work tells how far it is, and is told to stop.
 *
 * Long functions take a struct progress (NULL: neither wanted) and call
 * progress_step every few ten thousand units.  When the callback returns true
 * they undo what they made and return -ECANCELED.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_PROGRESS_H
#define PYMEM_VIEWER_ANALYSIS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	/* phase: static text; done of total units (total 0: unknown). True: cancel. */
	bool (*report)(void *arg, const char *phase, uint64_t done, uint64_t total);
	void *arg;
	/* Before something else is printed on the terminal; may be NULL. */
	void (*wipe)(void *arg);
};

/* 0, or -ECANCELED. */
int progress_step(const struct progress *progress, const char *phase, uint64_t done,
		  uint64_t total);

/* What progress is shown goes: something else is printed next. */
void progress_wipe(const struct progress *progress);

#define PROGRESS_EVERY 65536u

#endif
