/* SPDX-License-Identifier: MIT */
/*
 * code - what a processor's instructions look like, as far as they are looked for in a
 * target; one file a processor implements it, code_PROCESSOR.c.
 */
#ifndef PYMEM_LOADER_CPU_CODE_H
#define PYMEM_LOADER_CPU_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First `syscall; return` in code, or (size_t)-1. */
size_t code_find_gadget(const uint8_t *code, size_t size);
/* First rt_sigreturn trampoline at or after `from`, or (size_t)-1. */
size_t code_find_restorer(const uint8_t *code, size_t size, size_t from);
/*
 * For a function at addr that just loads a variable and returns it: where that
 * is, namely at (indirect ? *(uint64_t *)address : address) + offset.
 */
struct code_load {
	uint64_t address;
	bool indirect;
	int64_t offset;
};
bool code_loaded_variable(const uint8_t *code, size_t size, uint64_t addr,
			  struct code_load *ret);
/* Does a call instruction end at code + offset? */
bool code_after_call(const uint8_t *code, size_t offset);
/*
 * Does the system call of musl's __syscall_cp_asm (src/thread/PROCESSOR/syscall_cp.s) end
 * at code + offset?  A wait that a thread may be cancelled in holds no lock of musl's.
 */
bool code_after_cancellable(const uint8_t *code, size_t size, size_t offset);
/* A word of the stack, if it is a return address: without what the processor adds. */
uint64_t code_address(uint64_t word);

#endif
