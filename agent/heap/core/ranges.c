/* SPDX-License-Identifier: MIT */
/*
 * ranges - see ranges.h.  /proc/thread-self/maps is read with raw system calls into the
 * arena.  What we map ourselves later is not in the list, so our tables are never
 * taken for Python's.
 */
#include "agent/heap/core/ranges.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/page.h"
#include "agent/base/phrase.h"
#include "agent/base/sys.h"
#include "agent/heap/core/elf.h"

enum {
	RANGES_FIRST = 1 << 18,
	RANGES_MAX = 1 << 28,
	RANGES_PAGES_OK = 8192,
	RANGES_GUARD_PAGES = 64
};

/* The text that the loader gave us; NULL when there's none. */
static char *ranges_given(struct walk *w, size_t *capacity_ret)
{
	const size_t size = w->options->maps_size;
	char *buf = size ? arena_map(w->arena, size + 1) : NULL;

	if (buf)
		memcpy(buf, w->options->maps, size);
	*capacity_ret = size + 1;
	return buf;
}

/* The whole file in arena memory, NUL-terminated; NULL when it can't be read. */
static char *ranges_read_maps(struct walk *w, size_t *capacity_ret)
{
	if (w->options->maps_first)
		return ranges_given(w, capacity_ret);
	for (size_t capacity = RANGES_FIRST; capacity <= RANGES_MAX; capacity *= 2) {
		const int fd = PEEK_IN_IMAGE ? -1 : sys_open_own("maps", O_RDONLY);
		char *buf = arena_map(w->arena, capacity);
		size_t size = 0;
		long n = 0;

		if (fd < 0)
			return ranges_given(w, capacity_ret);
		if (!buf)
			return NULL;
		while (size < capacity - 1 &&
		       (n = syscall(SYS_read, fd, buf + size, capacity - 1 - size)) > 0)
			size += (size_t)n;
		syscall(SYS_close, fd);
		*capacity_ret = capacity;
		if (size < capacity - 1)
			return buf;
		arena_unmap(w->arena, buf, capacity);
	}
	return NULL;
}

/* One line "start-end perms offset dev inode   path"; the path stays in the buffer. */
static void ranges_parse(char *line, struct walk_range *r)
{
	const char *p = line;

	phrase_parse_hex(&p, &r->start);
	p++;
	phrase_parse_hex(&p, &r->end);
	for (p++, r->perms = 0; *p && *p != ' '; p++)
		r->perms |= *p == 'r' ? 1 :
			*p == 'w'     ? 2 :
			*p == 'x'     ? 4 :
			*p == 's'     ? 8 :
					0;
	p += *p == ' ';
	phrase_parse_hex(&p, &r->offset);
	for (int field = 0; field < 2 && *p; field++)
		for (p += *p == ' '; *p && *p != ' '; p++)
			;
	while (*p == ' ')
		p++;
	r->path = p;
	r->file = p[0] == '/';
	r->image = r->file && !(r->perms & 8);
	r->special = !strncmp(p, "[v", 2) || !strncmp(p, "/dev/", 5) || !(r->perms & 1);
}

/*
 * The anonymous end of a library's data: writable, right after its file mapping.
 * Memory that the program mapped itself may follow without a gap, and the kernel
 * shows both as one: then the range is split.  Returns how many ranges there are.
 */
static uint32_t ranges_mark_bss(struct walk *w, struct walk_range *r, uint32_t index)
{
	const struct walk_range *first = r - 1;
	uint64_t end = 0;

	if (!index || r->path[0] || first->end != r->start || !first->image ||
	    (r->perms & 3) != 3 || !(first->perms & 2))
		return 1;
	while (first > w->ranges && first->offset && !strcmp(first[-1].path, first->path))
		first--;
	if (!first->offset)
		end = elf_image_end(first->start);
	if (end <= r->start)
		return 1;
	r->image = true;
	if (end >= r->end)
		return 1;
	r[1] = r[0];
	r[1].image = false;
	r[0].end = r[1].start = end;
	return 2;
}

/* The first range that ends beyond addr; nranges: none. */
static uint32_t ranges_search(const struct walk *w, uint64_t addr)
{
	uint32_t lo = 0, hi = w->nranges;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (w->ranges[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct walk_range *ranges_other(struct walk *w, uint64_t addr)
{
	uint32_t *cached = &w->range_cache[(addr >> 16) % WALK_RANGE_CACHE], at = *cached;

	if ((at < w->nranges && w->ranges[at].end <= addr) ||
	    (at && w->ranges[at - 1].end > addr))
		*cached = at = ranges_search(w, addr);
	if (at == w->nranges || addr < w->ranges[at].start)
		return NULL;
	w->last_range = at;
	return &w->ranges[at];
}

/* What the kernel says of the pages of anonymous memory: for a copy. */
static int ranges_scan(struct walk *w)
{
	int rc = pages_init(&w->pages, w->arena);

	w->pages.forked = w->options->forked;
	for (uint32_t i = 0; i < w->nranges && !rc; i++) {
		struct walk_range *r = &w->ranges[i];

		if (!r->file && !r->special && (r->perms & 9) == 1)
			r->scanned = pages_scan(&w->pages, r->start, r->end);
	}
	return rc;
}

int ranges_read(struct walk *w)
{
	size_t capacity = 0, lines = 0;
	char *buf = ranges_read_maps(w, &capacity), *next;

	if (!buf)
		return -EIO;
	for (const char *p = buf; *p; p++)
		lines += *p == '\n';
	w->ranges = arena_map(w->arena, (2 * lines + 1) * sizeof(*w->ranges));
	w->pages_ok = arena_map(w->arena, RANGES_PAGES_OK * sizeof(*w->pages_ok));
	if (!w->ranges || !w->pages_ok)
		return -ENOMEM;
	for (char *p = buf; *p && w->nranges < 2 * lines; p = next) {
		next = strchr(p, '\n');
		if (!next)
			break;
		*next++ = 0;
		ranges_parse(p, &w->ranges[w->nranges]);
		w->nranges += ranges_mark_bss(w, &w->ranges[w->nranges], w->nranges);
	}
	if (!w->nranges)
		return -EIO;
	return w->options->in_copy && !PEEK_IN_IMAGE ? ranges_scan(w) : 0;
}

/*
 * In place other threads run that don't hold the GIL: memory that is no object's
 * may be unmapped since the maps were read, and the doubtful word looked at now
 * would kill the target.  So the kernel is asked.  (Not for images: they stay.)
 */
static bool ranges_still_there(uint64_t addr, uint64_t end)
{
	char byte;

	for (; addr < end; addr = page_floor(addr) + page_size())
		if (!peek_safe(addr, &byte, 1))
			return false;
	return true;
}

/* A page that nothing is known of: the kernel is asked, once. */
static bool ranges_page_ok(struct walk *w, uint64_t addr)
{
	const uint64_t page = addr >> page_shift();
	uint64_t *slot = &w->pages_ok[page % RANGES_PAGES_OK];
	char byte;

	if (*slot == page)
		return true;
	if (!peek_safe(addr, &byte, 1))
		return false;
	*slot = page;
	return true;
}

/*
 * In a copy nothing changes, but a mapping may have guard pages in it that the maps do
 * not show (MADV_GUARD_INSTALL, the stacks of glibc 2.42): pages that are neither there
 * nor untouched are asked about.  What is longer than some pages is asked at its ends.
 */
static bool ranges_no_guard(struct walk *w, const struct walk_range *r, uint64_t addr,
			    uint64_t end)
{
	const bool ends = end - addr > (uint64_t)RANGES_GUARD_PAGES << page_shift();
	uint64_t at = addr;

	for (;;) {
		if (r->scanned && !ends)
			at = pages_next_out(&w->pages, at, end);
		if (at >= end)
			return true;
		if ((!r->scanned || pages_state(&w->pages, at) == PAGES_OUT) &&
		    !ranges_page_ok(w, at))
			return false;
		if (!ends)
			at = page_floor(at) + page_size();
		else
			at = at == end - 1 ? end : end - 1;
	}
}

/* The same of a part of one range. */
static bool ranges_part_readable(struct walk *w, const struct walk_range *r,
				 uint64_t addr, uint64_t end)
{
	if (r->image || (r->scanned && !w->pages.out))
		return true;
	return w->options->in_copy ? ranges_no_guard(w, r, addr, end) :
				     ranges_still_there(addr, end);
}

bool ranges_readable_slowly(struct walk *w, uint64_t addr, uint64_t size)
{
	const struct walk_range *r;
	uint64_t end = addr + size;

	if (end < addr)
		return false;
	while ((r = ranges_of(w, addr)) && !r->special) {
		if (!ranges_part_readable(w, r, addr, end < r->end ? end : r->end))
			return false;
		if (end <= r->end)
			return true;
		addr = r->end; /* goes on in the next mapping */
	}
	return false;
}

static bool ranges_page_holds(struct walk *w, uint64_t addr)
{
	const struct walk_range *r = ranges_of(w, addr);

	return r && (!r->scanned || pages_state(&w->pages, addr) != PAGES_ABSENT);
}

bool ranges_hold_slowly(struct walk *w, uint64_t addr, uint64_t size)
{
	return ranges_page_holds(w, addr) && ranges_page_holds(w, addr + size - 1) &&
		ranges_readable(w, addr, size);
}

bool ranges_text(struct walk *w, uint64_t addr, char *buf, size_t size)
{
	const struct walk_range *r = ranges_of(w, addr);
	const char *text;
	size_t most;

	if (!r || r->special)
		return false;
	if (!r->image)
		return peek_safe_text(addr, buf, size);
	most = r->end - addr < size ? r->end - addr : size;
	text = peek_bytes(addr, most);
	most = strnlen(text, most);
	if (most == size)
		most--;
	memcpy(buf, text, most);
	buf[most] = 0;
	return true;
}

bool ranges_ship_with_python(struct walk *w, uint64_t code)
{
	const struct walk_range *range = ranges_of(w, code), *python;

	if (!range)
		return false;
	if (strstr(range->path, "/lib-dynload/"))
		return true;
	python = ranges_of(w, CPYTHON_ADDR(w->py, get_version));
	return python && !strcmp(python->path, range->path);
}
