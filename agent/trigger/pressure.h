/* SPDX-License-Identifier: MIT */
/*
 * pressure - PYMEM_PRESSURE: a snapshot when the kernel says that memory is short.
 *
 * The kernel is asked once and then tells: no wake-ups while nothing happens, but for
 * "events".  What there is to ask depends on the control groups:
 *
 *	events	  memory.events of our group and those above it that have a limit
 *		  (memory.high or memory.max): their counts of "high", "max" and "oom"
 *		  grew, and it wasn't page cache alone that filled the group (or an "oom"
 *		  was counted).  Reading is enough.  These come late: at memory.max the
 *		  kernel kills, and from memory.high on it slows down whoever asks for
 *		  memory, the copy too.  So memory.current is looked at as well, as often
 *		  as limit.h does, for the line that a threshold has: once when it is
 *		  crossed, again after use fell a tenth below it.
 *	stall	  memory.pressure (PSI) of our group of v2, else of the machine, unless a
 *		  threshold is had (others' shortage is no news of our group then): tasks
 *		  waited for memory for so much of a window of time (150 ms of 2 s unless
 *		  PYMEM_PRESSURE says otherwise).  The file must be writable; without
 *		  privilege the window is a multiple of 2 s.
 *	threshold v1: memory.usage_in_bytes of the group with the tightest limit went over
 *		  nine tenths of it, or to where less than 32 MiB and an eighth of it are
 *		  left, which the copy needs.  Page cache, which the kernel counts, does
 *		  not count here: while only that is over, we look as often as limit.h
 *		  does.  cgroup.event_control must be writable.
 *
 * Where none of them can be had, that is said once, at the start, and what to set.
 *
 * Sources: Documentation/accounting/psi.rst, admin-guide/cgroup-v2.rst ("memory.events":
 * a change generates a file modified event, which poll tells as POLLPRI),
 * cgroup-v1/memory.rst 9.
 */
#ifndef PYMEM_AGENT_TRIGGER_PRESSURE_H
#define PYMEM_AGENT_TRIGGER_PRESSURE_H

#include <poll.h>
#include <stdbool.h>

#include "agent/trigger/allowance.h"

enum { PRESSURE_SOURCES = 8 };

/* What told of it. */
struct pressure_alarm {
	const char *name;
	enum allowance_cause cause;
};

/* Opens what there is. Once, on the thread that polls; in a forked child once more. */
void pressure_begin(const struct trigger_config *config);
bool pressure_active(void);
/* Fills in what to poll; returns how many, at most PRESSURE_SOURCES. */
unsigned pressure_poll(struct pollfd *ret);
/* After the poll of what pressure_poll gave: what told of pressure, a limit before
 * a stall, or NULL.  Nothing is heard twice. */
const struct pressure_alarm *pressure_heard(const struct pollfd *polled);
/* Nanoseconds until a look is needed, where no event tells of a line; or UINT64_MAX. */
uint64_t pressure_due(uint64_t now);
/* Looks, if it is needed and time: as pressure_heard. */
const struct pressure_alarm *pressure_seen(uint64_t now);
/* The last alarm was not served: what was seen is seen again at the next look. */
void pressure_refused(void);
/* In a forked child: closes what is the parent's. */
void pressure_forget(void);

/* ---- for tests ---- */

/* The sum of the counts of "high", "max", "oom" in a memory.events; 0 = none there. */
uint64_t pressure_events(const char *text);

#endif
