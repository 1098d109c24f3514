/* SPDX-License-Identifier: MIT */
/*
 * peek - reads of the interpreter's memory, by address: the one way to it.
 *
 * peekNN, peek_bytes, peek_words and peek_text read directly: the address must be
 * known to be good (an object that the interpreter holds).  peek_safe never faults.
 *
 * The sources of the walk are compiled twice.  In the agent a peek is a plain load:
 * the memory is our own.  With PEEK_IMAGE it is a look-up in an image (peek_image.h):
 * pieces of another process's memory, recorded or mapped, in which what is missing
 * reads as zeros; no function of the target can be called there (python/call.h).
 */
#ifndef PYMEM_AGENT_BASE_PEEK_H
#define PYMEM_AGENT_BASE_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/cpu.h"

#ifdef PEEK_IMAGE
#include "agent/base/peek_image.h"

enum { PEEK_IN_IMAGE = 1 };

/* The word of `size` bytes at addr; 0 where it is missing. */
uint64_t peek_image_word(uint64_t addr, unsigned size);
/* A piece that may be read without asking for it (peek_image_keep); none: of size 0. */
extern struct peek_segment peek_image_kept;
/* size bytes at addr, in place; zeros where one of them is missing. */
const void *peek_image_bytes(uint64_t addr, uint64_t size);
/* The NUL-terminated text at addr, in place; "" where it is missing. */
const char *peek_image_text(uint64_t addr);

#define PEEK_DEFINE(bits) \
	static inline uint##bits##_t peek##bits(uint64_t addr) \
	{ \
		const uint64_t at = addr - peek_image_kept.start; \
		uint##bits##_t v; \
		if (__builtin_expect(at >= peek_image_kept.size || \
					     peek_image_kept.size - at < sizeof(v), \
				     0)) \
			return (uint##bits##_t)peek_image_word(addr, sizeof(v)); \
		__builtin_memcpy(&v, peek_image_kept.bytes + at, sizeof(v)); \
		return v; \
	}
#else
enum { PEEK_IN_IMAGE = 0 };

#define PEEK_DEFINE(bits) \
	static inline uint##bits##_t peek##bits(uint64_t addr) \
	{ \
		uint##bits##_t v; \
		__builtin_memcpy(&v, (const void *)(uintptr_t)addr, sizeof(v)); \
		return v; \
	}
#endif
PEEK_DEFINE(8)
PEEK_DEFINE(16)
PEEK_DEFINE(32)
PEEK_DEFINE(64)

/* size bytes at addr, in place; valid as long as they are there. */
static inline const char *peek_bytes(uint64_t addr, uint64_t size)
{
#ifdef PEEK_IMAGE
	return peek_image_bytes(addr, size);
#else
	(void)size;
	return (const char *)(uintptr_t)addr;
#endif
}

/* n words at addr, which is a multiple of 8, in place. */
static inline const uint64_t *peek_words(uint64_t addr, uint64_t n)
{
	return (const uint64_t *)(const void *)peek_bytes(addr, 8 * n);
}

/* A NUL-terminated string at addr, in place. */
static inline const char *peek_text(uint64_t addr)
{
#ifdef PEEK_IMAGE
	return peek_image_text(addr);
#else
	return (const char *)(uintptr_t)addr;
#endif
}

/* Asks the CPU to have the memory at addr at hand soon; any address will do. */
static inline void peek_ahead(uint64_t addr)
{
#ifdef PEEK_IMAGE
	(void)addr;
#else
	__builtin_prefetch((const void *)(uintptr_t)addr);
#endif
}

/* Could be a pointer at all: user space, not the first page, 4-byte aligned. */
static inline bool peek_plausible(uint64_t addr)
{
	return addr >= 0x10000 && addr < CPU_ADDRESS_END && (addr & 3) == 0;
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
