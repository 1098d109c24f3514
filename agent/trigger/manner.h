/* SPDX-License-Identifier: MIT */
/*
 * manner - how a snapshot is taken of our own accord, by the memory that is left: the
 * smallest rest under a limit of the control groups or of the machine, and what is held
 * in reserve for it (snap/reserve.h).
 *
 *	copy	    a copy walks while the program runs on
 *	still	    a copy walks, and the interpreter stands still until it has ended
 *	in place    no copy: the process walks itself, standing still
 *	summary	    no walk: a list of what the collector tracks (heap/scan/shallow.h)
 *
 * What each needs was measured, of heaps of 11 to 360 MiB (3.12): the copy 10 MiB and a
 * twenty-fourth of what is resident, and its page tables; in place 8 MiB and a
 * fortieth.  A copy costs what the program writes meanwhile as well, so it stands still
 * where there isn't twice as much.
 */
#ifndef PYMEM_AGENT_TRIGGER_MANNER_H
#define PYMEM_AGENT_TRIGGER_MANNER_H

#include <stdint.h>

#include "agent/trigger/config.h"

enum manner { MANNER_COPY, MANNER_STILL, MANNER_IN_PLACE, MANNER_SUMMARY };

/* As facts and notices call it. */
const char *manner_name(enum manner manner);
/* The first from `from` on for which there is room now; *room_ret: bytes of that. */
enum manner manner_choose(enum manner from, uint64_t *room_ret);
/* The same for so much room and resident memory, in bytes. */
enum manner manner_for(enum manner from, uint64_t room, uint64_t resident);

/*
 * Takes what is to be held in reserve, if there is room for four times as much: when the
 * process starts, and again after a capture.  Does nothing where it is held already.
 */
void manner_reserve(const struct trigger_config *config);
/* How much that is under a limit of so many bytes, unless PYMEM_RESERVE says. */
uint64_t manner_reserve_size(const struct trigger_config *config, uint64_t limit);

#endif
