/* SPDX-License-Identifier: MIT */
/*
 * ranges - the mappings of this process when the walk began, and the test
 * whether a doubtful word is the address of an object.
 *
 * /proc/self/maps is read with raw system calls into the arena.  What we map
 * ourselves later is not in the list, so our tables are never taken for Python's.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/heap/core/ranges.h"
#include "agent/heap/core/tables.h"

enum { MAPS_FIRST = 1 << 18, MAPS_MAX = 1 << 28, PAGE = 4096, GUARD_SPAN = 64 * PAGE };

/* The text that the loader gave us; NULL when there's none. */
static char *given_maps(struct walk *w, size_t *capacity_ret)
{
	const size_t size = w->options->maps_size;
	char *buf = size ? arena_map(w->arena, size + 1) : NULL;

	if (buf)
		memcpy(buf, w->options->maps, size);
	*capacity_ret = size + 1;
	return buf;
}

/* The whole file in arena memory, NUL-terminated; NULL when it can't be read. */
static char *read_maps(struct walk *w, size_t *capacity_ret)
{
	if (w->options->maps_first)
		return given_maps(w, capacity_ret);
	for (size_t capacity = MAPS_FIRST; capacity <= MAPS_MAX; capacity *= 2) {
		long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps",
				  O_RDONLY | O_CLOEXEC);
		char *buf = arena_map(w->arena, capacity);
		size_t size = 0;
		long n = 0;

		if (fd < 0)
			return given_maps(w, capacity_ret);
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

static const char *read_hex(const char *p, uint64_t *ret)
{
	uint64_t v = 0;

	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			v = v << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			v = v << 4 | (uint64_t)(*p - 'a' + 10);
		else
			break;
	}
	*ret = v;
	return p;
}

/* One line "start-end perms offset dev inode   path"; the path stays in the buffer. */
static void parse_line(char *line, struct walk_range *r)
{
	const char *p = read_hex(line, &r->start);

	p = read_hex(p + 1, &r->end);
	for (p++, r->perms = 0; *p && *p != ' '; p++)
		r->perms |= *p == 'r' ? 1 :
			*p == 'w'     ? 2 :
			*p == 'x'     ? 4 :
			*p == 's'     ? 8 :
					0;
	p = read_hex(p + (*p == ' '), &r->offset);
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

/* Where the image mapped at `start` ends by its program headers, 0 = unknown. */
static uint64_t image_end(uint64_t start)
{
	Elf64_Ehdr head;
	Elf64_Phdr segment;
	uint64_t bias = 0, end = 0;

	if (!peek_safe(start, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_phentsize != sizeof(segment))
		return 0;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (!peek_safe(start + head.e_phoff + i * sizeof(segment), &segment,
			       sizeof(segment)))
			return 0;
		if (segment.p_type != PT_LOAD)
			continue;
		if (segment.p_offset == 0)
			bias = start - segment.p_vaddr;
		if (segment.p_vaddr + segment.p_memsz > end)
			end = segment.p_vaddr + segment.p_memsz;
	}
	return end ? (bias + end + 4095) & ~4095ULL : 0;
}

/*
 * The anonymous end of a library's data: writable, right after its file mapping.
 * Memory that the program mapped itself may follow without a gap, and the kernel
 * shows both as one: then the range is split.  Returns how many ranges there are.
 */
static uint32_t mark_bss(struct walk *w, struct walk_range *r, uint32_t index)
{
	const struct walk_range *first = r - 1;
	uint64_t end = 0;

	if (!index || r->path[0] || first->end != r->start || !first->image ||
	    (r->perms & 3) != 3 || !(first->perms & 2))
		return 1;
	while (first > w->ranges && first->offset && !strcmp(first[-1].path, first->path))
		first--;
	if (!first->offset)
		end = image_end(first->start);
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

const struct walk_range *walk_range_of(struct walk *w, uint64_t addr)
{
	const struct walk_range *r = &w->ranges[w->last_range];
	uint32_t *cached = &w->range_cache[(addr >> 21) % WALK_RANGE_CACHE], at = *cached;

	if (addr >= r->start && addr < r->end)
		return r;
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
	char *buf = read_maps(w, &capacity), *next;

	if (!buf)
		return -EIO;
	for (const char *p = buf; *p; p++)
		lines += *p == '\n';
	w->ranges = arena_map(w->arena, (2 * lines + 1) * sizeof(*w->ranges));
	w->pages_ok = arena_map(w->arena, WALK_PAGES_OK * sizeof(*w->pages_ok));
	if (!w->ranges || !w->pages_ok)
		return -ENOMEM;
	for (char *p = buf; *p && w->nranges < 2 * lines; p = next) {
		next = strchr(p, '\n');
		if (!next)
			break;
		*next++ = 0;
		parse_line(p, &w->ranges[w->nranges]);
		w->nranges += mark_bss(w, &w->ranges[w->nranges], w->nranges);
	}
	if (!w->nranges)
		return -EIO;
	return w->options->in_copy ? ranges_scan(w) : 0;
}

/*
 * In place other threads run that don't hold the GIL: memory that is no object's
 * may be unmapped since the maps were read, and the doubtful word looked at now
 * would kill the target.  So the kernel is asked.  (Not for images: they stay.)
 */
static bool still_there(const struct walk_range *r, uint64_t addr, uint64_t end)
{
	char byte;

	if (r->image)
		return true;
	for (; addr < end; addr = (addr | 4095) + 1)
		if (!peek_safe(addr, &byte, 1))
			return false;
	return true;
}

/* A page that nothing is known of: the kernel is asked, once. */
static bool ranges_page_ok(struct walk *w, uint64_t addr)
{
	uint64_t *slot = &w->pages_ok[addr / PAGE % WALK_PAGES_OK];
	char byte;

	if (*slot == addr / PAGE)
		return true;
	if (!peek_safe(addr, &byte, 1))
		return false;
	*slot = addr / PAGE;
	return true;
}

/*
 * In a copy nothing changes, but a mapping may have guard pages in it that the maps do
 * not show (MADV_GUARD_INSTALL, the stacks of glibc 2.42): pages that are neither there
 * nor untouched are asked about.  What is longer than GUARD_SPAN is asked at its ends.
 */
static bool ranges_no_guard(struct walk *w, const struct walk_range *r, uint64_t addr,
			    uint64_t end)
{
	const bool ends = end - addr > GUARD_SPAN;
	uint64_t at = addr;

	if (r->image)
		return true;
	for (;;) {
		if (r->scanned && !ends)
			at = pages_next_out(&w->pages, at, end);
		if (at >= end)
			return true;
		if ((!r->scanned || pages_state(&w->pages, at) == PAGES_OUT) &&
		    !ranges_page_ok(w, at))
			return false;
		if (!ends)
			at = (at | (PAGE - 1)) + 1;
		else
			at = at == end - 1 ? end : end - 1;
	}
}

bool walk_readable(struct walk *w, uint64_t addr, uint64_t size)
{
	const struct walk_range *r;
	uint64_t end = addr + size;

	if (end < addr)
		return false;
	while ((r = walk_range_of(w, addr)) && !r->special) {
		const uint64_t stop = end < r->end ? end : r->end;

		if (!(w->options->in_copy ? ranges_no_guard(w, r, addr, stop) :
					    still_there(r, addr, stop)))
			return false;
		if (end <= r->end)
			return true;
		addr = r->end; /* goes on in the next mapping */
	}
	return false;
}

bool walk_page_there(struct walk *w, uint64_t addr)
{
	const struct walk_range *r = walk_range_of(w, addr);

	return r && (!r->scanned || pages_state(&w->pages, addr) != PAGES_ABSENT);
}

bool walk_there(struct walk *w, uint64_t addr, uint64_t size)
{
	return walk_page_there(w, addr) && walk_page_there(w, addr + size - 1) &&
		walk_readable(w, addr, size);
}

bool walk_text(struct walk *w, uint64_t addr, char *buf, size_t size)
{
	const struct walk_range *r = walk_range_of(w, addr);
	size_t most;

	if (!r || r->special)
		return false;
	if (!r->image)
		return peek_safe_text(addr, buf, size);
	most = r->end - addr < size ? r->end - addr : size;
	most = strnlen(peek_ptr(addr), most);
	if (most == size)
		most--;
	memcpy(buf, peek_ptr(addr), most);
	buf[most] = 0;
	return true;
}

/* Readable, private, and word aligned. */
static bool plausible(struct walk *w, uint64_t addr, uint64_t size)
{
	/* the first two words of any object are no zeros */
	return marks_in_range(addr) && walk_there(w, addr, 16) &&
		!(w->ranges[w->last_range].perms & 8) && walk_readable(w, addr, size);
}

/*
 * A count that a living object can have.  Freed memory begins with a pointer of
 * the allocator's: a small number too where the program is linked at a fixed
 * address.
 */
static bool refcount_sane(struct walk *w, uint64_t obj)
{
	uint64_t refcnt = peek64(obj + w->lay->refcnt);

	if (cpython_since(w->py, 14)) /* u32 count, u16 overflow, u16 flags */
		return (uint32_t)refcnt && !(refcnt >> 32 & 0xffff) &&
			(refcnt < 0x10000 || !walk_readable(w, refcnt, 1));
	return refcnt && refcnt < 1ULL << 40 &&
		(refcnt < 0x10000 || refcnt == 0xffffffff ||
		 !walk_readable(w, refcnt, 1));
}

/* The gc header is soundly linked; or off the lists, if that may be. */
static bool gc_sound(struct walk *w, uint64_t obj, bool tracked)
{
	const struct layout *lay = w->lay;
	uint64_t g = obj - lay->gc_head, next, prev;

	if (!walk_readable(w, g, 16))
		return false;
	next = peek64(g) & ~3ULL;
	prev = peek64(g + 8) & ~3ULL;
	if (!next || (lay->gc_head != 16 && (int64_t)peek64(g + 16) == -2))
		return !tracked; /* -2: 3.6, 3.7: untracked, links stale */
	return walk_there(w, next, 16) && walk_there(w, prev, 16) &&
		(peek64(next + 8) & ~3ULL) == g && (peek64(prev) & ~3ULL) == g;
}

static bool is_type(struct walk *w, uint64_t type)
{
	const struct layout *lay = w->lay;
	uint64_t meta, flags;

	if (type == CPYTHON_ADDR(w->py, type_type))
		return true;
	if (!plausible(w, type, lay->type_size))
		return false;
	meta = peek64(type + lay->type);
	if (meta != CPYTHON_ADDR(w->py, type_type)) {
		if (!plausible(w, meta, lay->type_size) || meta == type)
			return false;
		if (!(peek64(meta + lay->tp_flags) >> 31 & 1))
			return false;
	}
	flags = peek64(type + lay->tp_flags);
	if (!refcount_sane(w, type) || ((flags >> 9 & 1) && !gc_sound(w, type, true)))
		return false; /* classes are tracked as long as they live */
	return (flags >> 12 & 1) && peek64(type + lay->tp_basicsize) >= lay->head &&
		peek64(type + lay->tp_basicsize) < 1 << 20;
}

/* Digits of 30 bits, the highest not zero. */
static bool int_sound(struct walk *w, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint64_t word = peek64(obj + lay->head), n;
	uint32_t top;

	n = lay->long_tagged ? word >> 3 : (int64_t)word < 0 ? 0 - word : word;
	if (!n)
		return true;
	if (n > 1u << 30 || !walk_readable(w, obj + lay->long_digits, n * 4))
		return false;
	top = peek32(obj + lay->long_digits + (n - 1) * 4);
	return top && top < 1u << 30;
}

/* Builtin containers have insides that must be sound before they are walked. */
static bool inside_sound(struct walk *w, uint64_t obj, uint64_t flags)
{
	const struct layout *lay = w->lay;

	if (flags >> 28 & 1) { /* str */
		uint64_t length, data;
		uint32_t kind;

		return walk_readable(w, obj, lay->str_full_size) &&
			(!walk_str_data(w, obj, &length, &kind, &data) ||
			 (length < 1ULL << 40 && walk_readable(w, data, length * kind)));
	}
	if (flags >> 24 & 1)
		return int_sound(w, obj);
	if (flags >> 26 & 1 || flags >> 27 & 1) { /* tuple, bytes */
		uint64_t size = peek64(obj + lay->head);

		return size < 1ULL << 40 &&
			walk_readable(w, obj,
				      lay->head + size * (flags >> 26 & 1 ? 8 : 1));
	}
	if (flags >> 25 & 1) { /* list */
		uint64_t size = peek64(obj + lay->head),
			 items = peek64(obj + lay->list_items);

		return size <= peek64(obj + lay->list_allocated) && size < 1ULL << 40 &&
			(!size || walk_readable(w, items, size * 8));
	}
	if (flags >> 29 & 1) { /* dict */
		uint64_t keys = peek64(obj + lay->dict_keys);

		return walk_readable(w, keys, lay->keys_indices + 8u) &&
			peek64(keys) - 1 < 1ULL << 32 &&
			peek64(keys + lay->keys_nentries) < 1ULL << 40;
	}
	return true;
}

bool ranges_is_tracked(struct walk *w, uint64_t addr)
{
	uint64_t type = peek64(addr + w->lay->type);

	if (!(peek64(type + w->lay->tp_flags) >> 14 & 1))
		return false;
	if ((peek64(type + w->lay->tp_flags) >> 31 & 1) &&
	    !(peek64(addr + w->lay->tp_flags) >> 9 & 1))
		return true;
	return gc_sound(w, addr, true);
}

bool walk_is_object(struct walk *w, uint64_t addr)
{
	const struct layout *lay = w->lay;
	uint64_t type, flags;

	if (!plausible(w, addr, lay->head + 8u))
		return false;
	if (!refcount_sane(w, addr))
		return false;
	type = peek64(addr + lay->type);
	if (!is_type(w, type))
		return false;
	flags = peek64(type + lay->tp_flags);
	if (!walk_readable(w, addr, peek64(type + lay->tp_basicsize)))
		return false;
	if (flags >> 31 & 1) { /* a type object: static ones have no gc header */
		if (!(peek64(addr + lay->tp_flags) >> 9 & 1))
			return is_type(w, addr);
	}
	/* instances of class statements are tracked as long as they live */
	if ((flags >> 14 & 1) &&
	    !gc_sound(w, addr,
		      (flags >> 9 & 1) &&
			      peek64(type + lay->tp_dealloc) == lay->subtype_dealloc))
		return false;
	return inside_sound(w, addr, flags);
}

bool ranges_ship_with_python(struct walk *w, uint64_t code)
{
	const struct walk_range *range = walk_range_of(w, code), *python;

	if (!range)
		return false;
	if (strstr(range->path, "/lib-dynload/"))
		return true;
	python = walk_range_of(w, CPYTHON_ADDR(w->py, get_version));
	return python && !strcmp(python->path, range->path);
}
