/* SPDX-License-Identifier: MIT */
/*
 * agent_bytes - see agent_bytes.h.  PYMEM_AGENT_INSIDE names the file when this is built.
 */
__asm__(".section .rodata\n"
	".balign 16\n"
	".global agent_bytes\n"
	".hidden agent_bytes\n"
	"agent_bytes:\n"
	".incbin \"" PYMEM_AGENT_INSIDE "\"\n"
	".global agent_bytes_end\n"
	".hidden agent_bytes_end\n"
	"agent_bytes_end:\n"
	".byte 0\n"
	".previous\n");
