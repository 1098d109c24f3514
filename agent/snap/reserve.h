/* SPDX-License-Identifier: MIT */
/*
 * reserve - memory that the process holds for its next capture.
 *
 * Where a limit is all used up nothing can be had for the copy's tables, at the very
 * moment for which the capture was asked.  So pages are taken while there are some, and
 * written to, which makes them count; the capture gives them back just before the clone,
 * with the GIL held, and what it needs takes their place.
 *
 * One thread at a time: who captures, or begins.
 */
#ifndef PYMEM_AGENT_SNAP_RESERVE_H
#define PYMEM_AGENT_SNAP_RESERVE_H

#include <stdint.h>

/* Takes so many bytes, unless some are held. 0 or a negative errno. */
int reserve_take(uint64_t size);
/* Bytes that are held. */
uint64_t reserve_held(void);
/* Gives them back. */
void reserve_release(void);

#endif
