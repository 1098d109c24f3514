/* SPDX-License-Identifier: MIT */
/*
 * memory - reads another process's memory through /proc/PID/task/TID/mem.
 *
 * The file is bound to the address space it was opened on: after an exec by the
 * target reads return nothing (fs/proc/base.c mem_rw, get mm_users), never the
 * new program's memory.
 */
#ifndef PYMEM_LOADER_TARGET_MEMORY_H
#define PYMEM_LOADER_TARGET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An fd (CLOEXEC) or a negative errno; needs the right to ptrace. */
int memory_open(pid_t pid, pid_t tid);
/* All of it or false. */
bool memory_read(int fd, uint64_t addr, void *buf, size_t size);
/* As much as is readable from addr on: bytes read, 0 if none. */
size_t memory_read_some(int fd, uint64_t addr, void *buf, size_t size);
bool memory_read_u64(int fd, uint64_t addr, uint64_t *ret);
bool memory_read_u32(int fd, uint64_t addr, uint32_t *ret);
/* A C string cut to size - 1 bytes; false if its first byte can't be read. */
bool memory_read_string(int fd, uint64_t addr, char *buf, size_t size);

#endif
