/* SPDX-License-Identifier: MIT */
/*
 * pages - see pages.h.
 *
 * PAGEMAP_SCAN (Linux 6.7, fs/proc/task_mmu.c) tells regions of pages and passes over
 * what has no page tables.  Before it, /proc/self/pagemap has 8 bytes a page
 * (Documentation/admin-guide/mm/pagemap.rst): bit 63 present, bit 62 swapped.  A guard
 * page is a marker in the page table, which both show as swapped (PAGE_IS_GUARD says
 * more in Linux 6.16, but needs to be asked for).  Bit 61: of a file, or shared
 * memory; bit 56, from Linux 4.2 on: mapped by this process alone.
 *
 * A page that was only read is the kernel's page of zeros: present, but no memory, and
 * like one that a fork left to share.  PAGEMAP_SCAN tells it (PAGE_IS_PFNZERO); not the
 * huge one before Linux 6.17, but until then that has bit 61 in pagemap, which nothing
 * else of anonymous memory has.  Without PAGEMAP_SCAN the small one is what was shared
 * before there was a copy to share with, and is zeros.
 */
#include "agent/base/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/cpu.h"
#include "agent/base/page.h"
#include "agent/base/peek.h"
#include "agent/base/sys.h"

enum {
	PAGES_LEAF_SHIFT = 30, /* bytes of address space in a leaf */
	PAGES_LEAF_WORDS = 1 << (PAGES_LEAF_SHIFT - 12 - 6), /* of the smallest pages */
	PAGES_DIRECTORY = 1 << (CPU_ADDRESS_BITS - PAGES_LEAF_SHIFT),
	PAGES_CHUNK = 512,	 /* entries of pagemap, or regions, at a time */
	PAGES_WHOLE = 4 << 18,	 /* pages; longer ranges are not read entry by entry */
	PAGES_FORKED = 64 << 18, /* the same, outside of a pause */
};

struct pages_leaf {
	uint64_t present[PAGES_LEAF_WORDS], out[PAGES_LEAF_WORDS];
};

/* <linux/fs.h>, from Linux 6.7 on. */
struct pages_region {
	uint64_t start, end, categories;
};
struct pages_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
enum {
	PAGES_IS_PRESENT = 1 << 3,
	PAGES_IS_SWAPPED = 1 << 4,
	PAGES_IS_ZERO = 1 << 5,
	PAGES_IS_HUGE = 1 << 6,
	PAGES_HUGE = 2 << 20 /* the least bytes of a huge page */
};
/* Bits of an entry of pagemap. */
#define PAGES_HERE (1ULL << 63)
#define PAGES_FILE (1ULL << 61)
#define PAGES_ALONE (1ULL << 56)
#define PAGES_IOCTL_SCAN _IOWR('f', 16, struct pages_scan_arg)

static int pages_fd = -1;
static struct stat pages_file; /* what pages_fd was when it was opened */

/* Raw: fstat's symbol is newer than the C library that the agent has to run with. */
static bool pages_identity(struct stat *ret)
{
#ifdef SYS_newfstatat
	return syscall(SYS_newfstatat, pages_fd, "", ret, AT_EMPTY_PATH) == 0;
#else
	return syscall(SYS_fstat, pages_fd, ret) == 0;
#endif
}

void pages_prepare(void)
{
	if (pages_fd >= 0)
		return;
	pages_fd = PEEK_IN_IMAGE ? -1 : sys_open_own("pagemap", O_RDONLY);
	if (pages_fd >= 0 && !pages_identity(&pages_file))
		pages_file = (struct stat){ .st_ino = 0 };
}

int pages_init(struct pages *pages, struct arena *arena)
{
	*pages = (struct pages){ .arena = arena };
	pages->directory = arena_map(arena, PAGES_DIRECTORY * sizeof(*pages->directory));
	return pages->directory ? 0 : -ENOMEM;
}

static uint64_t pages_word(uint64_t page)
{
	return page / 64 % PAGES_LEAF_WORDS;
}

static struct pages_leaf *pages_leaf(const struct pages *pages, uint64_t page)
{
	return pages->directory[page >> (PAGES_LEAF_SHIFT - page_shift())];
}

/* Page numbers [page, end). */
static bool pages_note(struct pages *pages, uint64_t page, uint64_t end, bool out)
{
	while (page < end) {
		struct pages_leaf *leaf = pages_leaf(pages, page);
		const uint64_t stop = (page | 63) + 1 < end ? (page | 63) + 1 : end;
		const uint64_t bits = ~0ULL >> (64 - (stop - page)) << page % 64;

		if (!leaf) {
			leaf = arena_map(pages->arena, sizeof(*leaf));
			if (!leaf)
				return false;
			pages->directory[page >> (PAGES_LEAF_SHIFT - page_shift())] =
				leaf;
		}
		(out ? leaf->out : leaf->present)[pages_word(page)] |= bits;
		pages->out += out ? (uint32_t)(stop - page) : 0;
		page = stop;
	}
	return true;
}

/* What pagemap has of a page; 0: it doesn't tell. */
static uint64_t pages_entry(uint64_t page)
{
	uint64_t entry;

	return syscall(SYS_pread64, pages_fd, &entry, 8, page * 8) == 8 ? entry : 0;
}

/* Notes a region of huge pages, but for the huge page of zeros. */
static bool pages_note_huge(struct pages *pages, uint64_t start, uint64_t end)
{
	while (start < end) {
		const uint64_t next = (start | (PAGES_HUGE - 1)) + 1,
			       stop = next < end ? next : end;

		if (!(pages_entry(start >> page_shift()) & PAGES_FILE) &&
		    !pages_note(pages, start >> page_shift(), stop >> page_shift(),
				false))
			return false;
		start = stop;
	}
	return true;
}

/* Takes a region that PAGEMAP_SCAN tells; false: no memory. */
typedef bool pages_region_fn(struct pages *pages, const struct pages_region *region);

static bool pages_take_region(struct pages *pages, const struct pages_region *r)
{
	if (r->categories & PAGES_IS_ZERO)
		return true;
	if (r->categories & PAGES_IS_HUGE)
		return pages_note_huge(pages, r->start, r->end);
	return pages_note(pages, r->start >> page_shift(), r->end >> page_shift(),
			  !(r->categories & PAGES_IS_PRESENT));
}

/* So that the page of zeros isn't taken for a shared one: before pages_take_shared, as
 * pages may be written to, but don't become that one, in between. */
static bool pages_take_zero(struct pages *pages, const struct pages_region *r)
{
	return pages_note(pages, r->start >> page_shift(), r->end >> page_shift(), true);
}

/* Regions with any of the categories. 1: done, 0: memory ran out, or a negative errno. */
static int pages_scan_regions(struct pages *pages, uint64_t start, uint64_t end,
			      uint64_t categories, pages_region_fn *take)
{
	struct pages_region regions[PAGES_CHUNK];
	struct pages_scan_arg arg = {
		.size = sizeof(arg),
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = PAGES_CHUNK,
		.category_anyof_mask = categories,
		.return_mask = PAGES_IS_PRESENT | PAGES_IS_SWAPPED | PAGES_IS_ZERO |
			PAGES_IS_HUGE,
	};

	while (start < end) {
		long n;

		arg.start = start;
		n = syscall(SYS_ioctl, pages_fd, PAGES_IOCTL_SCAN, &arg);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (long i = 0; i < n; i++)
			if (!take(pages, &regions[i]))
				return 0;
		if (arg.walk_end <= start)
			return -EIO;
		start = arg.walk_end;
	}
	return 1;
}

/* Takes what pagemap has of a page; false: no memory. */
typedef bool pages_entry_fn(struct pages *pages, uint64_t page, uint64_t entry);

static bool pages_read_entries(struct pages *pages, uint64_t page, uint64_t end,
			       pages_entry_fn *take)
{
	uint64_t entries[PAGES_CHUNK];

	while (page < end) {
		const uint64_t want = end - page < PAGES_CHUNK ? end - page : PAGES_CHUNK;
		const long n =
			syscall(SYS_pread64, pages_fd, entries, want * 8, page * 8);

		if (n < 8 || n % 8)
			return false;
		for (long i = 0; i < n / 8; i++, page++)
			if (!take(pages, page, entries[i]))
				return false;
	}
	return true;
}

/* Of a page that can be read. */
static bool pages_is_zeros(uint64_t page)
{
	const uint64_t *const word = (const uint64_t *)(uintptr_t)(page << page_shift());

	for (size_t i = 0; i < page_size() / sizeof(*word); i++)
		if (word[i])
			return false;
	return true;
}

/* Is it there, or out in the swap? */
static bool pages_take_state(struct pages *pages, uint64_t page, uint64_t entry)
{
	const bool zero = entry & PAGES_HERE &&
		(entry & PAGES_FILE ||
		 (pages->forked &&
		  pages_state(pages->forked, page << page_shift()) == PAGES_PRESENT &&
		  pages_is_zeros(page)));

	return !(entry >> 62) || zero ||
		pages_note(pages, page, page + 1, !(entry >> 63));
}

/* Is it shared with another process? */
static bool pages_take_shared(struct pages *pages, uint64_t page, uint64_t entry)
{
	return (entry & (PAGES_HERE | PAGES_FILE | PAGES_ALONE)) != PAGES_HERE ||
		pages_state(pages, page << page_shift()) == PAGES_OUT ||
		pages_note(pages, page, page + 1, false);
}

bool pages_scan(struct pages *pages, uint64_t start, uint64_t end)
{
	int done;

	pages_prepare();
	if (pages_fd < 0 || start >= end || end > CPU_ADDRESS_END)
		return false;
	done = pages_scan_regions(pages, start, end, PAGES_IS_PRESENT | PAGES_IS_SWAPPED,
				  pages_take_region);
	return done < 0 ? end - start <= (uint64_t)PAGES_WHOLE << page_shift() &&
			pages_read_entries(pages, start >> page_shift(),
					   end >> page_shift(), pages_take_state) :
			  done > 0;
}

enum pages_state pages_state(const struct pages *pages, uint64_t addr)
{
	const uint64_t page = addr >> page_shift();
	const struct pages_leaf *leaf = pages_leaf(pages, page);

	if (!leaf)
		return PAGES_ABSENT;
	if (leaf->present[pages_word(page)] >> page % 64 & 1)
		return PAGES_PRESENT;
	return leaf->out[pages_word(page)] >> page % 64 & 1 ? PAGES_OUT : PAGES_ABSENT;
}

/* The first address from addr on whose page's bit is set in one of a leaf's bitmaps. */
static uint64_t pages_next(const struct pages *pages, size_t bitmap, uint64_t addr,
			   uint64_t end)
{
	while (addr < end) {
		const uint64_t page = addr >> page_shift();
		const struct pages_leaf *leaf = pages_leaf(pages, page);
		uint64_t bits;

		if (!leaf) {
			addr = ((addr >> PAGES_LEAF_SHIFT) + 1) << PAGES_LEAF_SHIFT;
			continue;
		}
		memcpy(&bits, (const char *)leaf + bitmap + pages_word(page) * 8, 8);
		bits >>= page % 64;
		if (bits & 1)
			return addr;
		addr = (bits ? page + (unsigned)__builtin_ctzll(bits) : (page | 63) + 1)
			<< page_shift();
	}
	return end;
}

uint64_t pages_next_out(const struct pages *pages, uint64_t addr, uint64_t end)
{
	return pages->out ?
		pages_next(pages, offsetof(struct pages_leaf, out), addr, end) :
		end;
}

uint64_t pages_next_present(const struct pages *pages, uint64_t addr, uint64_t end)
{
	return pages_next(pages, offsetof(struct pages_leaf, present), addr, end);
}

uint64_t pages_present_bytes(const struct pages *pages, uint64_t addr, uint64_t end)
{
	uint64_t page = addr >> page_shift(), count = 0;

	end >>= page_shift();
	while (page < end) {
		const struct pages_leaf *leaf = pages_leaf(pages, page);
		const uint64_t stop = (page | 63) + 1 < end ? (page | 63) + 1 : end;

		if (!leaf) {
			page = ((page << page_shift() >> PAGES_LEAF_SHIFT) + 1)
				<< (PAGES_LEAF_SHIFT - page_shift());
			continue;
		}
		count += (unsigned)__builtin_popcountll(leaf->present[pages_word(page)] &
							~0ULL >> (64 - (stop - page))
									<< page % 64);
		page = stop;
	}
	return count << page_shift();
}

/* In the target's own process the application may have closed it, and have a file of
 * its own under that number by now. */
void pages_close(void)
{
	struct stat now;

	if (pages_fd >= 0 && pages_identity(&now) && pages_file.st_ino &&
	    now.st_ino == pages_file.st_ino && now.st_dev == pages_file.st_dev)
		syscall(SYS_close, pages_fd);
	pages_fd = -1;
}

bool pages_scan_forked(struct pages *pages, uint64_t start, uint64_t end)
{
	const uint64_t page = start >> page_shift(), stop = end >> page_shift();

	if (stop - page > PAGES_FORKED || end > CPU_ADDRESS_END)
		return false;
	pages_prepare();
	pages_scan_regions(pages, start, end, PAGES_IS_ZERO, pages_take_zero);
	return pages_read_entries(pages, page, stop, pages_take_shared);
}

uint64_t pages_next_absent(const struct pages *pages, uint64_t addr, uint64_t end)
{
	while (addr < end && pages_state(pages, addr) == PAGES_PRESENT)
		addr += page_size();
	return addr < end ? addr : end;
}
