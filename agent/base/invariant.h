/* SPDX-License-Identifier: MIT */
/*
 * invariant - what must hold in the agent, whatever the process does: checked in builds
 * for tests only (CMake's PYMEM_FAULTS), nothing in a release, where a mistake of ours
 * must not end somebody's process.
 *
 * Where one fails: a line on stderr, then a trap; in a copy the watchdog reports it as a
 * crash of the copy.  System calls only, so fit for every thread and for the copy.
 */
#ifndef PYMEM_AGENT_BASE_INVARIANT_H
#define PYMEM_AGENT_BASE_INVARIANT_H

#ifdef PYMEM_INVARIANTS
#include <string.h>

#include "agent/base/sys.h"

__attribute__((noreturn, cold)) static inline void invariant_failed(const char *sentence)
{
	sys_write(2, sentence, strlen(sentence));
	__builtin_trap();
}

#define INVARIANT_TEXT(x) #x
#define INVARIANT_LINE(x) INVARIANT_TEXT(x)
#define INVARIANT(condition) \
	((condition) ? (void)0 : \
		       invariant_failed("pymem: " __FILE__ ":" INVARIANT_LINE( \
			       __LINE__) ": not so: " #condition "\n"))
#else
#define INVARIANT(condition) ((void)sizeof(!(condition)))
#endif

#endif
