/* SPDX-License-Identifier: MIT */
/*
 * sys_note - the list of system calls that the agent may make, in its own file.
 */
#ifndef PYMEM_AGENT_BASE_SYS_NOTE_H
#define PYMEM_AGENT_BASE_SYS_NOTE_H

/*
 * Notes in the agent's file (section pymem_calls, never loaded) that it may make a
 * call: the loader reads there which ones a seccomp filter must not refuse.
 */
#define sys_note(nr) \
	__asm__(".pushsection pymem_calls,\"\",%%progbits\n\t.long %c0\n\t.popsection" \
		: \
		: "i"(nr))

#endif
