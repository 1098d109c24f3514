/* SPDX-License-Identifier: MIT */
/*
 * peek - reads of the interpreter's memory, by address.
 *
 * peekNN read directly: the address must be known to be good (an object that
 * the interpreter holds).  peek_safe never faults: it asks the kernel to copy.
 */
#ifndef PYMEM_AGENT_BASE_PEEK_H
#define PYMEM_AGENT_BASE_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEEK_DEFINE(bits) \
	static inline uint##bits##_t peek##bits(uint64_t addr) \
	{ \
		uint##bits##_t v; \
		__builtin_memcpy(&v, (const void *)(uintptr_t)addr, sizeof(v)); \
		return v; \
	}
PEEK_DEFINE(8)
PEEK_DEFINE(16)
PEEK_DEFINE(32)
PEEK_DEFINE(64)

static inline const char *peek_ptr(uint64_t addr)
{
	return (const char *)(uintptr_t)addr;
}

/* Could be a pointer at all: user space, not the first page, 4-byte aligned. */
static inline bool peek_plausible(uint64_t addr)
{
	return addr >= 0x10000 && addr < (1ULL << 47) && (addr & 3) == 0;
}

/*
 * Copies size bytes at addr into buf; false when any of them can't be read.
 * process_vm_readv on ourselves, /proc/self/mem where that is forbidden
 * (seccomp).  Any thread, async-signal-safe.
 */
bool peek_safe(uint64_t addr, void *buf, size_t size);
/* From now on this process has one thread only (it is a copy): reads need not be
 * atomic with the check, and must not make the kernel copy pages. */
void peek_be_alone(void);
/* Memory that could be read can't be any more (our own, unmapped); cheap. */
void peek_forget(void);
/* One word; false as above, *ret unchanged. */
bool peek_safe64(uint64_t addr, uint64_t *ret);
/* Copies a NUL-terminated string of at most size-1 bytes; false: not readable. */
bool peek_safe_text(uint64_t addr, char *buf, size_t size);

#endif
