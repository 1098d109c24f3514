/* SPDX-License-Identifier: MIT */
/*
 * position - where the walk is: written all the time by the walk, read by the crash
 * handler and the watchdog (async-signal-safe, plain loads).
 */
#ifndef PYMEM_AGENT_HEAP_CORE_POSITION_H
#define PYMEM_AGENT_HEAP_CORE_POSITION_H

#include <stdint.h>

struct walk_position {
	volatile uint64_t object;	/* being traversed, 0 = none */
	const char *volatile type_name; /* its qualified name, NUL-terminated, ours */
	const char *volatile phase;	/* static text */
	volatile uint64_t objects, edges;
};
extern struct walk_position walk_position;

/* Before code of the target is called for an object, and after. */
static inline void position_enter(uint64_t obj, const char *type_name)
{
	walk_position.type_name = type_name;
	walk_position.object = obj;
}

static inline void position_leave(void)
{
	walk_position.object = 0;
}

#endif
