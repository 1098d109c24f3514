/* SPDX-License-Identifier: MIT */
/*
 * memory - reads another process's memory: the one place that does.  (What a core file
 * has of one is read through it as well, by a function.)
 *
 * Through /proc/PID/task/TID/mem where that opens.  Its mode is 0600, so that a tracer
 * of another user needs CAP_DAC_READ_SEARCH beside CAP_SYS_PTRACE; without, the memory is
 * read by process_vm_readv(2), which asks for nothing but the right to trace
 * (mm/process_vm_access.c: PTRACE_MODE_ATTACH_REALCREDS), and what that doesn't read
 * because it is mapped for execution only, by PTRACE_PEEKDATA, if we trace the thread.
 *
 * Either way a memory is bound to the address space it was opened on: after an exec by
 * the target reads return nothing, never the new program's memory.  The file is so by
 * itself (fs/proc/base.c mem_rw, mmget_not_zero); with the call, the open list of
 * mappings, which is bound in the same way (fs/proc/task_mmu.c m_start) and which
 * everybody may open who may trace, is asked after each read.
 */
#ifndef PYMEM_LOADER_TARGET_MEMORY_H
#define PYMEM_LOADER_TARGET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes from addr on that there are, at most size, into buf: their number. */
typedef size_t memory_image_fn(uint64_t addr, void *buf, size_t size);

struct memory {
	int fd;			/* its mem, or its maps; -1 = closed */
	bool calls;		/* fd is its maps: read by calls */
	pid_t pid, tid;		/* only for calls */
	memory_image_fn *image; /* no process at all: a core file's memory */
};

#define MEMORY_CLOSED ((struct memory){ .fd = -1 })

/* 0 or a negative errno, and then it is closed; needs the right to trace. */
int memory_open(pid_t pid, pid_t tid, struct memory *ret);
/* As memory_open without the file: for tests, and where it doesn't open. */
int memory_open_calls(pid_t pid, pid_t tid, struct memory *ret);
/* Closes it, if it's open. */
void memory_close(struct memory *memory);
bool memory_is_open(const struct memory *memory);
/* All of it or false. */
bool memory_read(const struct memory *memory, uint64_t addr, void *buf, size_t size);
/* As much as is readable from addr on: bytes read, 0 if none. */
size_t memory_read_some(const struct memory *memory, uint64_t addr, void *buf,
			size_t size);
bool memory_read_u64(const struct memory *memory, uint64_t addr, uint64_t *ret);
bool memory_read_u32(const struct memory *memory, uint64_t addr, uint32_t *ret);
/* A C string cut to size - 1 bytes; false if its first byte can't be read. */
bool memory_read_string(const struct memory *memory, uint64_t addr, char *buf,
			size_t size);

#endif
