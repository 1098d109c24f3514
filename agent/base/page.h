/* SPDX-License-Identifier: MIT */
/*
 * page - how big the kernel's pages are: 4 KiB to 64 KiB, by CPU and kernel.
 *
 * From the auxiliary vector, which needs no system call and no lock.
 */
#ifndef PYMEM_AGENT_BASE_PAGE_H
#define PYMEM_AGENT_BASE_PAGE_H

#include <stdint.h>

/* log2 of a page's bytes. Any thread, async-signal-safe. */
unsigned page_shift(void);

static inline uint64_t page_size(void)
{
	return 1ULL << page_shift();
}

/* The start of addr's page, and the first one at or above addr. */
static inline uint64_t page_floor(uint64_t addr)
{
	return addr & ~(page_size() - 1);
}

static inline uint64_t page_ceiling(uint64_t addr)
{
	return (addr + page_size() - 1) & ~(page_size() - 1);
}

#endif
