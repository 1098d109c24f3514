/* SPDX-License-Identifier: MIT */
/*
 * pages - which pages of our own anonymous memory are there, asked of the kernel once.
 *
 * For a copy: nothing changes there but by ourselves.  Reading a page that was never
 * touched makes page tables for it, reading one that is swapped out brings it back,
 * and reading a guard page (MADV_GUARD_INSTALL, which no list of mappings shows) is
 * fatal; asking about each page alone costs a system call a page.
 */
#ifndef PYMEM_AGENT_BASE_PAGES_H
#define PYMEM_AGENT_BASE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"

enum pages_state {
	PAGES_ABSENT,  /* never written to: reads as zeros; the kernel's page of zeros,
			* which a page that was only read is, takes no memory either */
	PAGES_PRESENT, /* in memory: can be read, without a fault */
	PAGES_OUT,     /* swapped out, or a guard page: the kernel must be asked */
};

struct pages {
	struct arena *arena;
	struct pages_leaf **directory; /* one per GiB */
	uint32_t out;		       /* pages that are PAGES_OUT, in all */
	/* What pages_scan_forked noted before the copy was made, or NULL: on kernels that
	 * don't tell the page of zeros, those of zeros among them are taken for it. */
	const struct pages *forked;
};

/*
 * Opens /proc/self/pagemap; keeps it.  In a process that is no longer dumpable only
 * root may, so a copy calls this before it becomes that.  May be called again.
 */
void pages_prepare(void);
/* 0 or -ENOMEM. Everything belongs to the arena. */
int pages_init(struct pages *pages, struct arena *arena);
/*
 * Notes the pages of [start, end), one anonymous mapping.  False when the kernel doesn't
 * tell, or memory ran out: then nothing is known of that range and it must not be
 * asked about.
 */
bool pages_scan(struct pages *pages, uint64_t start, uint64_t end);
/*
 * Notes as PAGES_PRESENT the pages of [start, end) that are no file's and that another
 * process has mapped too: a fork left them to share, and neither has written to them
 * since.  True when the kernel tells; before Linux 6.7 the page of zeros is among them.
 */
bool pages_scan_forked(struct pages *pages, uint64_t start, uint64_t end);
/* The first page of [addr, end) that isn't PAGES_PRESENT; end: none. */
uint64_t pages_next_absent(const struct pages *pages, uint64_t addr, uint64_t end);
/* Closes what pages_prepare opened. */
void pages_close(void);
/* Of an address in a range that was scanned. */
enum pages_state pages_state(const struct pages *pages, uint64_t addr);
/* The first page of [addr, end), which was scanned, that is PAGES_OUT or PAGES_PRESENT:
 * addr or the page's address; end: none. */
uint64_t pages_next_out(const struct pages *pages, uint64_t addr, uint64_t end);
uint64_t pages_next_present(const struct pages *pages, uint64_t addr, uint64_t end);
/* Bytes in pages of [addr, end), which was scanned, that are PAGES_PRESENT. */
uint64_t pages_present_bytes(const struct pages *pages, uint64_t addr, uint64_t end);

#endif
