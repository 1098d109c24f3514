/* SPDX-License-Identifier: MIT */
/*
 * limit - PYMEM_RSS_LIMIT and PYMEM_LIMIT: a snapshot when memory crosses a line.
 *
 * PYMEM_RSS_LIMIT: resident memory against the size asked for, or a share of the smallest
 * memory limit over us (room.h).  PYMEM_LIMIT: the share of each limit that there is,
 * against what is used of it, by whomever: the smallest limit of the control groups,
 * RLIMIT_AS, RLIMIT_DATA.  The line of a memory limit is crossed earlier when the room
 * that is left under it would no longer hold the copy's own memory (32 MiB and an eighth
 * of what is resident).
 * Once per crossing: it counts again after memory fell a tenth below the line.
 *
 * There is no event for this that needs no privilege, so it is looked at: as
 * often as the distance to the line divided by 1 GiB/s, which is as fast as a
 * process can fill memory, but at least every 2 s and at most every 20 ms.
 *
 * While the copy walks, an application that goes on filling memory could be
 * killed, and the copy first; and a garbage collection of its own writes to every
 * object and so copies every page.  So the interpreter stands still while the copy
 * walks (a pause of the walk, for a snapshot that is whole) when at the rate of the
 * last looks the room would be gone within four times the walk (4 ns a byte); or
 * from when half of the room that there was at the fork is gone; or in a second
 * try, after a first copy was killed.
 */
#ifndef PYMEM_AGENT_TRIGGER_LIMIT_H
#define PYMEM_AGENT_TRIGGER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/snap/job.h"
#include "agent/trigger/allowance.h"
#include "agent/trigger/config.h"

/* Once, before the others. Reads how much memory there is. */
void limit_begin(const struct trigger_config *config);
/* Is any line set at all? */
bool limit_active(void);
/* Nanoseconds until the next look. */
uint64_t limit_due(uint64_t now);
/* Looks, if it is time. The name of the line that was crossed, once per crossing, and its
 * cause; or NULL. */
const char *limit_crossed(enum allowance_cause *cause_ret);
/* Nanoseconds until somebody should look again who saw so many bytes to a line. */
uint64_t limit_wait(uint64_t distance);
/* No snapshot was allowed for what the last look saw: it is asked for again. */
void limit_refused(void);
/* After limit_crossed, and whenever a trigger says that memory is short: is there a race
 * with memory? See above. */
bool limit_hurries(void);
/* For trigger_cause.waiting: see above. */
void limit_waiting(struct job *job);

#endif
