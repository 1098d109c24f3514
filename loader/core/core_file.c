/* SPDX-License-Identifier: MIT */
/* core_file - see core_file.h. */
#include "loader/core/core_file.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loader/core/core_unpack.h"
#include "loader/cpu/machine.h"

enum {
	CORE_FILE_SEGMENTS = 1 << 20,
	CORE_FILE_MAPPED = 1 << 20,
	CORE_FILE_PATH = 4096,
	CORE_FILE_AUX = 512,
};

/* Offsets in 64-bit notes (linux/elfcore.h; the same for all 64-bit processors). */
enum {
	PRSTATUS_SIGNAL = 12, /* u16 */
	PRSTATUS_PID = 32,
	PRSTATUS_SIZE = 112, /* up to the registers */
	PRPSINFO_UID = 16,
	PRPSINFO_PID = 24,
	PRPSINFO_COMMAND = 56,
	PRPSINFO_SIZE = 136,
};

static int core_file_fail(char error[512], const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int core_file_fail(char error[512], const char *name, const char *format, ...)
{
	va_list args;
	const int n = snprintf(error, 512, "%.300s ", name);

	va_start(args, format);
	vsnprintf(error + n, 512 - (size_t)n, format, args);
	va_end(args);
	return -1;
}

static bool core_file_has(const struct core_file *core, uint64_t offset, uint64_t size)
{
	return offset <= core->size && size <= core->size - offset;
}

static uint32_t core_file_u32(const unsigned char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint64_t core_file_u64(const unsigned char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* ---- notes ---- */

static void core_file_take_status(struct core_file *core, const unsigned char *at,
				  size_t size)
{
	uint16_t sig;

	if (size < PRSTATUS_SIZE)
		return;
	memcpy(&sig, at + PRSTATUS_SIGNAL, sizeof(sig));
	if (!core->threads++) { /* the first is the thread that the signal ended */
		core->signal = sig;
		core->pid =
			core->pid ? core->pid : (pid_t)core_file_u32(at + PRSTATUS_PID);
	}
}

static void core_file_take_process(struct core_file *core, const unsigned char *at,
				   size_t size)
{
	if (size < PRPSINFO_SIZE)
		return;
	core->uid = core_file_u32(at + PRPSINFO_UID);
	core->uid_known = true;
	core->pid = (pid_t)core_file_u32(at + PRPSINFO_PID);
	memcpy(core->command, at + PRPSINFO_COMMAND, sizeof(core->command) - 1);
	for (size_t n = strlen(core->command); n && core->command[n - 1] == ' ';)
		core->command[--n] = 0;
}

static void core_file_take_vector(struct core_file *core, const unsigned char *at,
				  size_t size)
{
	for (size_t i = 0; i < CORE_FILE_AUX && (i + 1) * 16 <= size; i++) {
		const uint64_t key = core_file_u64(at + i * 16),
			       value = core_file_u64(at + i * 16 + 8);

		if (key == AT_ENTRY)
			core->entry = value;
		else if (key == AT_SYSINFO_EHDR)
			core->vdso = value;
		else if (key == AT_EXECFN)
			core->file_name = value;
	}
}

/* count, page size, count times (start, end, offset in pages), then the names. */
static void core_file_take_mapped(struct core_file *core, const unsigned char *at,
				  size_t size)
{
	const uint64_t count = size >= 16 ? core_file_u64(at) : 0,
		       page = count ? core_file_u64(at + 8) : 0;

	if (!count || count > CORE_FILE_MAPPED || count > (size - 16) / 24 ||
	    page > 1 << 24 || core->mapped)
		return;
	const char *name = (const char *)at + 16 + 24 * count,
		   *const end = (const char *)at + size;
	core->mapped = calloc(count, sizeof(*core->mapped));
	for (uint64_t i = 0; i < count && core->mapped; i++) {
		const char *nul = memchr(name, 0, (size_t)(end - name));
		const unsigned char *row = at + 16 + 24 * i;

		if (!nul || nul - name >= CORE_FILE_PATH)
			return;
		core->mapped[core->mapped_count++] =
			(struct core_mapped){ .start = core_file_u64(row),
					      .end = core_file_u64(row + 8),
					      .offset = core_file_u64(row + 16) * page,
					      .path = name };
		name = nul + 1;
	}
}

typedef void core_file_note_fn(struct core_file *core, const unsigned char *at,
			       size_t size);

static const struct {
	uint32_t type;
	core_file_note_fn *take;
} core_file_notes[] = {
	{ NT_PRSTATUS, core_file_take_status },
	{ NT_PRPSINFO, core_file_take_process },
	{ NT_AUXV, core_file_take_vector },
	{ NT_FILE, core_file_take_mapped },
};

static void core_file_read_notes(struct core_file *core, uint64_t offset, uint64_t size)
{
	const uint64_t end = offset + size;

	while (end - offset >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr head;

		memcpy(&head, core->bytes + offset, sizeof(head));
		offset += sizeof(head);
		const uint64_t name = ((uint64_t)head.n_namesz + 3) & ~3ull,
			       body = ((uint64_t)head.n_descsz + 3) & ~3ull;
		if (name > end - offset || head.n_descsz > end - offset - name)
			return;
		const unsigned char *at = core->bytes + offset + name;
		const bool ours =
			head.n_namesz == 5 && !memcmp(core->bytes + offset, "CORE", 5);
		for (size_t i = 0;
		     ours && i < sizeof(core_file_notes) / sizeof(*core_file_notes); i++)
			if (core_file_notes[i].type == head.n_type)
				core_file_notes[i].take(core, at, head.n_descsz);
		if (body > end - offset - name)
			return;
		offset += name + body;
	}
}

/* ---- segments ---- */

static void core_file_take_load(struct core_file *core, const Elf64_Phdr *ph)
{
	struct core_load load = { .start = ph->p_vaddr,
				  .end = ph->p_vaddr + ph->p_memsz,
				  .r = ph->p_flags & PF_R,
				  .w = ph->p_flags & PF_W,
				  .x = ph->p_flags & PF_X };
	uint64_t want = ph->p_filesz;

	if (!ph->p_memsz)
		return;
	if (load.end < load.start || ph->p_memsz > (uint64_t)1 << 56) {
		core->left_out++;
		return;
	}
	if (want > ph->p_memsz)
		want = ph->p_memsz;
	if (ph->p_offset < core->size)
		load.have = want < core->size - ph->p_offset ? want :
							       core->size - ph->p_offset;
	core->missing += want - load.have;
	load.told = want;
	load.bytes = load.have ? core->bytes + ph->p_offset : NULL;
	core->loads[core->load_count++] = load;
}

static int core_file_compare(const void *a, const void *b)
{
	const struct core_load *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* The first segment that ends beyond addr; load_count: none. */
static size_t core_file_after(const struct core_file *core, uint64_t addr)
{
	size_t low = 0, high = core->load_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (core->loads[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * gdb leaves the headers of mappings out that can be had from their files as a whole:
 * they are segments all the same, of which the core has nothing.
 */
static int core_file_add_mapped(struct core_file *core)
{
	const size_t room = core->load_count + core->mapped_count,
		     sorted = core->load_count;
	struct core_load *loads = realloc(core->loads, room * sizeof(*loads));
	size_t count = sorted;

	if (!loads)
		return -1;
	core->loads = loads;
	for (size_t i = 0; i < core->mapped_count; i++) {
		const struct core_mapped *m = &core->mapped[i];
		const size_t next = core_file_after(core, m->start);

		if (m->end <= m->start || (next < sorted && loads[next].start < m->end) ||
		    (i && m->start < m[-1].end))
			continue;
		loads[count++] =
			(struct core_load){ .start = m->start, .end = m->end, .r = true };
	}
	core->load_count = count;
	qsort(loads, count, sizeof(*loads), core_file_compare);
	return 0;
}

static int core_file_compare_mapped(const void *a, const void *b)
{
	const struct core_mapped *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Ascending and apart: of two that overlap the first is believed. */
static void core_file_sort(struct core_file *core)
{
	size_t out = 0;

	qsort(core->loads, core->load_count, sizeof(*core->loads), core_file_compare);
	for (size_t i = 0; i < core->load_count; i++) {
		if (out && core->loads[i].start < core->loads[out - 1].end)
			core->left_out++;
		else
			core->loads[out++] = core->loads[i];
	}
	core->load_count = out;
	if (core->mapped)
		qsort(core->mapped, core->mapped_count, sizeof(*core->mapped),
		      core_file_compare_mapped);
}

/* How many program headers: more than 65,534 stand in the first section's header. */
static uint64_t core_file_headers(const struct core_file *core, const Elf64_Ehdr *h)
{
	Elf64_Shdr first;

	if (h->e_phnum != PN_XNUM)
		return h->e_phnum;
	if (!core_file_has(core, h->e_shoff, sizeof(first)))
		return 0;
	memcpy(&first, core->bytes + h->e_shoff, sizeof(first));
	return first.sh_info;
}

static int core_file_check(const struct core_file *core, const char *name, Elf64_Ehdr *h,
			   char error[512])
{
	if (core->size < sizeof(*h))
		return core_file_fail(error, name, "is no core file: it's too short");
	memcpy(h, core->bytes, sizeof(*h));
	if (memcmp(h->e_ident, ELFMAG, SELFMAG))
		return core_file_fail(error, name, "is no core file: it isn't ELF");
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		return core_file_fail(error, name,
				      "is of a 32-bit or big-endian program; only "
				      "64-bit little-endian ones are supported");
	if (h->e_type != ET_CORE)
		return core_file_fail(error, name,
				      "is an ELF file, but no core: a program or "
				      "library is named by --exec or found by --sysroot");
	char remedy[96];
	if (machine_is_other(h->e_machine))
		return core_file_fail(error, name, "is of another processor: %s",
				      machine_remedy(h->e_machine, remedy));
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return core_file_fail(error, name, "is damaged: its program headers");
	return 0;
}

int core_file_parse(const char *name, struct core_file *core, char error[512])
{
	Elf64_Ehdr h;
	Elf64_Phdr ph;

	assert(core->bytes && !core->loads);
	if (core_file_check(core, name, &h, error) < 0)
		return -1;
	const uint64_t count = core_file_headers(core, &h);
	if (!count || count > CORE_FILE_SEGMENTS ||
	    !core_file_has(core, h.e_phoff, count * sizeof(ph)))
		return core_file_fail(error, name,
				      "is cut off in its headers: nothing can be read");
	core->loads = calloc(count, sizeof(*core->loads));
	if (!core->loads)
		return core_file_fail(error, name, "can't be read: out of memory");
	for (uint64_t i = 0; i < count; i++) {
		memcpy(&ph, core->bytes + h.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD)
			core_file_take_load(core, &ph);
		else if (ph.p_type == PT_NOTE &&
			 core_file_has(core, ph.p_offset, ph.p_filesz))
			core_file_read_notes(core, ph.p_offset, ph.p_filesz);
	}
	core_file_sort(core);
	if (!core->load_count)
		return core_file_fail(error, name, "has no memory of a process in it");
	if (core_file_add_mapped(core) < 0)
		return core_file_fail(error, name, "can't be read: out of memory");
	return 0;
}

static int core_file_map(int fd, const char *name, struct core_file *core,
			 char error[512])
{
	const off_t size = lseek(fd, 0, SEEK_END);

	if (size <= 0)
		return core_file_fail(error, name, "is empty");
	void *mem = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		return core_file_fail(error, name, "can't be mapped: %s",
				      strerror(errno));
	core->bytes = mem;
	core->size = (uint64_t)size;
	core->sparse = lseek(fd, 0, SEEK_HOLE) < size; /* there is one after the end */
	core->fd = fd;
	return 0;
}

int core_file_open(int fd, int scratch, const char *name, struct core_file *ret,
		   char error[512])
{
	const char *const packed = core_unpack_kind(fd);
	char why[256];

	*ret = (struct core_file){ .bytes = NULL };
	if (packed && core_unpack(fd, scratch, why) < 0)
		return core_file_fail(error, name, "can't be unpacked (%s): %s", packed,
				      why);
	if (core_file_map(packed ? scratch : fd, name, ret, error) < 0)
		return -1;
	if (core_file_parse(name, ret, error) == 0)
		return 0;
	core_file_close(ret);
	return -1;
}

void core_file_close(struct core_file *core)
{
	free(core->loads);
	free(core->mapped);
	if (core->bytes)
		munmap((void *)(uintptr_t)core->bytes, core->size);
	*core = (struct core_file){ .bytes = NULL };
}
