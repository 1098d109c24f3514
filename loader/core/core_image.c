/* SPDX-License-Identifier: MIT */
/* core_image - see core_image.h. */
#include "loader/core/core_image.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/base/peek_image.h"
#include "formats/text/print.h"
#include "loader/core/build_id.h"

enum {
	CORE_IMAGE_PAGE = 4096,
	CORE_IMAGE_NEAR = 64,
	CORE_IMAGE_JOINS = 1024,      /* reads across pieces that are kept */
	CORE_IMAGE_JOINED = 64 << 20, /* ... and their bytes */
	CORE_IMAGE_MISSES = 1 << 26,  /* words, and one more for each byte of the core */
	CORE_IMAGE_HEAP_GAP = 64 << 20, /* at most from the program to its heap */
};

struct core_piece {
	uint64_t start, end;
	const unsigned char *bytes;
};

struct core_joined {
	uint64_t start, size;
	unsigned char *bytes;
};

struct core_mapped_file {
	const char *path;
	unsigned char *bytes; /* NULL: there is none */
	uint64_t size;
};

static struct {
	const struct core_file *core;
	struct core_piece *pieces;
	size_t count, last;
	struct core_joined joins[CORE_IMAGE_JOINS];
	size_t join_count;
	uint64_t joined;
	struct core_mapped_file *files;
	size_t file_count;
	struct core_image_counts counts;
	uint64_t misses; /* words that were read and aren't there */
	jmp_buf *lost;
} core_image;

/* ---- reading ---- */

static const struct core_piece *core_image_find(uint64_t addr)
{
	size_t low = 0, high = core_image.count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (core_image.pieces[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == core_image.count || addr < core_image.pieces[low].start)
		return NULL;
	core_image.last = low;
	return &core_image.pieces[low];
}

/* As much as there is, piece by piece. */
static size_t core_image_copy(uint64_t addr, void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		const struct core_piece *p = core_image_find(addr + done);

		if (!p)
			break;
		const uint64_t there = p->end - (addr + done);
		const size_t n = size - done < there ? size - done : (size_t)there;
		memcpy((char *)buf + done, p->bytes + (addr + done - p->start), n);
		done += n;
	}
	return done;
}

/* A read that goes over the end of a piece into the next one: joined, and kept. */
static const unsigned char *core_image_join(uint64_t addr, uint64_t size)
{
	struct core_joined *j;

	for (size_t i = 0; i < core_image.join_count; i++) {
		j = &core_image.joins[i];
		if (addr >= j->start && addr - j->start <= j->size &&
		    size <= j->size - (addr - j->start))
			return j->bytes + (addr - j->start);
	}
	if (core_image.join_count == CORE_IMAGE_JOINS || size > CORE_IMAGE_JOINED ||
	    size + 8 > CORE_IMAGE_JOINED - core_image.joined)
		return NULL;
	j = &core_image.joins[core_image.join_count];
	*j = (struct core_joined){ .start = addr & ~7ull, .size = size + (addr & 7) };
	j->bytes = malloc(j->size);
	if (!j->bytes || core_image_copy(j->start, j->bytes, j->size) != j->size) {
		free(j->bytes);
		return NULL;
	}
	core_image.join_count++;
	core_image.joined += j->size;
	return j->bytes + (addr & 7);
}

static const unsigned char *core_image_missed(uint64_t size)
{
	const uint64_t limit = CORE_IMAGE_MISSES + core_image.core->size,
		       words = 1 + size / 8;

	if (words <= limit - core_image.misses) {
		core_image.misses += words;
	} else if (core_image.lost) {
		jmp_buf *const lost = core_image.lost;

		core_image.lost = NULL;
		longjmp(*lost, 1);
	}
	return NULL;
}

void core_image_lost_at(jmp_buf *lost)
{
	core_image.lost = lost;
}

const unsigned char *core_image_source(uint64_t addr, uint64_t size, uint64_t *more_ret)
{
	const unsigned char *bytes;
	const struct core_piece *p = &core_image.pieces[core_image.last];

	if (addr < p->start || addr >= p->end)
		p = core_image_find(addr);
	if (!p)
		return core_image_missed(size);
	peek_image_keep(&(struct peek_segment){ p->start, p->end - p->start, p->bytes });
	*more_ret = p->end - addr;
	if (size <= *more_ret)
		return p->bytes + (addr - p->start);
	*more_ret = size;
	bytes = p + 1 < core_image.pieces + core_image.count && p[1].start == p->end ?
		core_image_join(addr, size) :
		NULL;
	return bytes ? bytes : core_image_missed(size);
}

struct memory core_image_memory(void)
{
	return (struct memory){ .fd = -1, .image = core_image_copy };
}

const struct core_image_counts *core_image_counted(void)
{
	return &core_image.counts;
}

/* ---- files ---- */

static void core_image_note_absent(const char *path, uint32_t *count)
{
	++*count;
	if (!core_image.counts.example[0])
		snprintf(core_image.counts.example, sizeof(core_image.counts.example),
			 "%s", path);
}

static bool core_image_map_file(struct core_mapped_file *f, int fd)
{
	const off_t size = lseek(fd, 0, SEEK_END);
	void *mem = MAP_FAILED;

	if (size > 0)
		mem = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (mem == MAP_FAILED)
		return false;
	f->bytes = mem;
	f->size = (uint64_t)size;
	return true;
}

/* Where the core has the beginning of a file in memory; 0 = nowhere. */
static uint64_t core_image_base(const char *path)
{
	const struct core_file *core = core_image.core;

	for (size_t i = 0; i < core->mapped_count; i++)
		if (!core->mapped[i].offset && !strcmp(core->mapped[i].path, path))
			return core->mapped[i].start;
	return 0;
}

/* Is it the file that was mapped?  Counts what it finds. */
static bool core_image_verified(const struct core_mapped_file *f)
{
	struct build_id there = { 0 }, here = { 0 };
	const struct memory memory = core_image_memory();
	const uint64_t base = core_image_base(f->path);

	if (base)
		build_id_of_memory(&memory, base, &there);
	build_id_of_file(f->bytes, f->size, &here);
	if (there.size && !build_id_equal(&there, &here)) {
		core_image_note_absent(f->path, &core_image.counts.different);
		return false;
	}
	core_image.counts.unverified += !there.size;
	return true;
}

static void core_image_open(struct core_mapped_file *f, core_image_open_fn *open,
			    void *arg)
{
	const int fd = open ? open(arg, f->path) : -ENOENT;

	if (fd == -ENOEXEC)
		return;
	if (fd < 0 || !core_image_map_file(f, fd)) {
		core_image_note_absent(f->path, &core_image.counts.absent);
		return;
	}
	if (core_image_verified(f)) {
		core_image.counts.files++;
		return;
	}
	munmap(f->bytes, f->size);
	f->bytes = NULL;
}

/* The file of a path, asked for once: its mappings come one after another. */
static const struct core_mapped_file *core_image_file(const char *path,
						      core_image_open_fn *open, void *arg)
{
	struct core_mapped_file *f;

	for (size_t i = core_image.file_count, n = 0; i-- && n < CORE_IMAGE_NEAR; n++)
		if (!strcmp(core_image.files[i].path, path))
			return &core_image.files[i];
	f = &core_image.files[core_image.file_count++];
	*f = (struct core_mapped_file){ .path = path };
	if (path[0] == '/' && strncmp(path, "/dev/", 5) && strncmp(path, "/memfd:", 7) &&
	    strncmp(path, "/SYSV", 5))
		core_image_open(f, open, arg);
	return f;
}

/* ---- pieces ---- */

static void core_image_add(uint64_t start, uint64_t end, const unsigned char *bytes)
{
	if (start < end)
		core_image.pieces[core_image.count++] =
			(struct core_piece){ start, end, bytes };
}

static const struct core_mapped *core_image_mapped_at(uint64_t addr)
{
	const struct core_file *core = core_image.core;

	size_t low = 0, high = core->mapped_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (core->mapped[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < core->mapped_count && addr >= core->mapped[low].start ?
		&core->mapped[low] :
		NULL;
}

/* What the core has of its segments; read to find what the files are. */
static void core_image_add_loads(void)
{
	const struct core_file *core = core_image.core;

	for (size_t i = 0; i < core->load_count; i++)
		core_image_add(core->loads[i].start,
			       core->loads[i].start + core->loads[i].have,
			       core->loads[i].bytes);
}

static int core_image_compare(const void *a, const void *b)
{
	const struct core_piece *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* The rest of segments that files were mapped to, from those. */
static void core_image_add_files(core_image_open_fn *open, void *arg)
{
	const struct core_file *core = core_image.core;
	size_t count = core_image.count; /* reads go to what is sorted meanwhile */

	for (size_t i = 0; i < core->load_count; i++) {
		const struct core_load *load = &core->loads[i];
		const uint64_t from = load->start + load->told; /* not what is cut off */
		const struct core_mapped *m =
			from < load->end ? core_image_mapped_at(from) : NULL;
		if (!m || m->end <= from)
			continue;
		const struct core_mapped_file *f = core_image_file(m->path, open, arg);
		const uint64_t offset = m->offset + (from - m->start);
		if (!f->bytes || offset >= f->size)
			continue;
		uint64_t end = load->end < m->end ? load->end : m->end;
		if (end - from > f->size - offset)
			end = from + (f->size - offset);
		if (from < end)
			core_image.pieces[count++] =
				(struct core_piece){ from, end, f->bytes + offset };
	}
	core_image.count = count;
	qsort(core_image.pieces, count, sizeof(*core_image.pieces), core_image_compare);
}

int core_image_begin(const struct core_file *core, core_image_open_fn *open, void *arg)
{
	assert(core->load_count && !core_image.pieces);
	core_image.core = core;
	core_image.pieces = calloc(2 * core->load_count + 1, sizeof(*core_image.pieces));
	core_image.files = calloc(core->mapped_count + 1, sizeof(*core_image.files));
	if (!core_image.pieces || !core_image.files) {
		core_image_end();
		return -ENOMEM;
	}
	core_image_add_loads();
	core_image_add_files(open, arg);
	core_image.last = 0;
	return 0;
}

void core_image_end(void)
{
	for (size_t i = 0; i < core_image.file_count; i++)
		if (core_image.files[i].bytes)
			munmap(core_image.files[i].bytes, core_image.files[i].size);
	for (size_t i = 0; i < core_image.join_count; i++)
		free(core_image.joins[i].bytes);
	free(core_image.files);
	free(core_image.pieces);
	peek_image_keep(NULL);
	memset(&core_image, 0, sizeof(core_image));
}

bool core_image_is_program(const char *path)
{
	const struct core_mapped *program =
		core_image.core ? core_image_mapped_at(core_image.core->entry) : NULL;

	return program && !strcmp(program->path, path);
}

/* ---- mappings ---- */

/* The heap: the first anonymous memory that is written, apart from the program and
 * soon after it (fs/binfmt_elf.c set_brk, arch_randomize_brk). */
static uint64_t core_image_heap(void)
{
	const struct core_file *core = core_image.core;
	const struct core_mapped *program = core_image_mapped_at(core->entry);
	uint64_t end = 0;

	if (!program)
		return 0;
	for (size_t i = 0; i < core->mapped_count; i++)
		if (!strcmp(core->mapped[i].path, program->path) &&
		    core->mapped[i].end > end)
			end = core->mapped[i].end;
	for (size_t i = 0; i < core->load_count; i++) {
		const struct core_load *load = &core->loads[i];

		if (load->start < end || core_image_mapped_at(load->start))
			continue;
		if (load->start == end)
			end = load->end; /* bss */
		else
			return load->start - end < CORE_IMAGE_HEAP_GAP && load->w ?
				load->start :
				0;
	}
	return 0;
}

static const char *core_image_name(const struct core_load *load, uint64_t heap)
{
	const struct core_file *core = core_image.core;

	if (core->vdso && load->start == core->vdso)
		return "[vdso]";
	if (heap && load->start == heap)
		return "[heap]";
	if (core->file_name >= load->start && core->file_name < load->end)
		return "[stack]";
	return "";
}

/* Pages that are no holes: the kernel leaves one for each page that wasn't in memory
 * (fs/coredump.c dump_user_range), and so do we for zeros when we unpack. */
static uint64_t core_image_resident_of_holes(const struct core_load *load)
{
	const int fd = core_image.core->fd;
	off_t at = load->bytes - core_image.core->bytes, end = at + (off_t)load->have,
	      next;
	uint64_t sum = 0;

	for (; at < end; at = next) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 || at >= end)
			break;
		next = lseek(fd, at, SEEK_HOLE);
		if (next <= at || next > end)
			next = end;
		sum += (uint64_t)(next - at);
	}
	return sum;
}

static uint64_t core_image_resident(const struct core_load *load)
{
	uint64_t sum = 0;

	if (!load->have || core_image.core->sparse)
		return load->have ? core_image_resident_of_holes(load) : 0;
	for (uint64_t at = 0; at < load->have; at += CORE_IMAGE_PAGE) {
		const unsigned char *p = load->bytes + at;
		const uint64_t n = load->have - at < CORE_IMAGE_PAGE ? load->have - at :
								       CORE_IMAGE_PAGE;

		if (*p || memcmp(p, p + 1, n - 1))
			sum += CORE_IMAGE_PAGE;
	}
	return sum;
}

static void core_image_put(FILE *out, const struct core_load *load, uint64_t heap,
			   bool resident)
{
	const struct core_mapped *m = core_image_mapped_at(load->start);
	const uint64_t rss = resident ? core_image_resident(load) >> 10 : 0;

	print_format(out, "%lx-%lx %c%c%cp %08lx 00:00 %d %s\n",
		     (unsigned long)load->start, (unsigned long)load->end,
		     load->r ? 'r' : '-', load->w ? 'w' : '-', load->x ? 'x' : '-',
		     (unsigned long)(m ? m->offset + (load->start - m->start) : 0), !!m,
		     m ? m->path : core_image_name(load, heap));
	if (resident)
		print_format(out,
			     "Rss: %lu kB\nPss: %lu kB\nPrivate_Dirty: %lu kB\n"
			     "Anonymous: %lu kB\n",
			     (unsigned long)rss, (unsigned long)rss, (unsigned long)rss,
			     (unsigned long)rss);
}

char *core_image_maps(bool resident)
{
	const struct core_file *core = core_image.core;
	const uint64_t heap = core_image_heap();
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; out && i < core->load_count; i++)
		core_image_put(out, &core->loads[i], heap, resident);
	if (!out || fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
