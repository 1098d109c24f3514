/* SPDX-License-Identifier: MIT */
/*
 * initial_stack - what the kernel laid on the stack of a program before it began.
 *
 * The auxiliary vector and the environment, from /proc/PID where those files open (mode
 * 0400), else from the target's memory: who may trace without being the owner learns
 * from /proc/PID/stat where they lie (fs/proc/array.c do_task_stat; a program may set
 * these places by prctl(2), so that nothing but what is well-formed is believed).
 */
#ifndef PYMEM_LOADER_TARGET_INITIAL_STACK_H
#define PYMEM_LOADER_TARGET_INITIAL_STACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/target/memory.h"

/* A value of the auxiliary vector (AT_*); 0 = it has none, or can't be read. */
uint64_t initial_stack_auxv(pid_t pid, pid_t tid, const struct memory *memory,
			    uint64_t key);
/* The same from the memory alone. */
uint64_t initial_stack_auxv_in_memory(pid_t pid, pid_t tid, const struct memory *memory,
				      uint64_t key);
/*
 * The environment as it was given, NAME=VALUE with a 0 after each; the program's own
 * changes aren't in it.  To be freed; NULL = can't be read.
 */
char *initial_stack_environment(pid_t pid, pid_t tid, size_t *size_ret);
/* The same from the memory alone. */
char *initial_stack_environment_in_memory(pid_t pid, pid_t tid, size_t *size_ret);

#endif
