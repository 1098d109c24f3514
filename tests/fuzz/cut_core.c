/* SPDX-License-Identifier: MIT */
/*
 * cut_core CORE OUT PAGES ROOT: what a core's reader looks at first, so many pages, as a
 * core of its own: a seed for fuzz_core that a walk gets somewhere in.
 *
 * The linker puts us between the reader and the image (--wrap): each page that is read
 * is noted, in the order in which they come; those of the program's and the libraries'
 * files too.  The rest of the memory stays in the headers, with no bytes.  Notes are
 * copied.  To be made of a core of a bare system (chroot, no environment): what was in
 * the process is in the seed.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/peek_image.h"
#include "loader/core/core_walk.h"

enum { CUT_PAGE = 4096, CUT_PAGES = 1 << 16, CUT_LOADS = 1 << 14 };

static struct {
	uint64_t page[CUT_PAGES];
	unsigned char *bytes[CUT_PAGES];
	size_t count, most;
	const unsigned char *core;
	size_t size;
} cut;

const unsigned char *__real_core_image_source(uint64_t addr, uint64_t size,
					      uint64_t *more_ret);
const unsigned char *__wrap_core_image_source(uint64_t addr, uint64_t size,
					      uint64_t *more_ret);
struct memory __real_core_image_memory(void);
struct memory __wrap_core_image_memory(void);

static __attribute__((noreturn)) void cut_die(const char *what)
{
	fprintf(stderr, "cut_core: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A page that is asked for, unless it is known, or isn't there. */
static void cut_note(uint64_t page)
{
	const struct memory memory = __real_core_image_memory();

	for (size_t i = cut.count; i--;)
		if (cut.page[i] == page)
			return;
	if (cut.count == cut.most)
		return;
	cut.bytes[cut.count] = malloc(CUT_PAGE);
	if (!cut.bytes[cut.count])
		cut_die("memory");
	if (memory.image(page, cut.bytes[cut.count], CUT_PAGE) == CUT_PAGE)
		cut.page[cut.count++] = page;
	else
		free(cut.bytes[cut.count]);
}

static void cut_note_all(uint64_t addr, uint64_t size)
{
	for (uint64_t page = addr & ~(CUT_PAGE - 1ull); page < addr + size;
	     page += CUT_PAGE)
		cut_note(page);
}

const unsigned char *__wrap_core_image_source(uint64_t addr, uint64_t size,
					      uint64_t *more_ret)
{
	const unsigned char *const bytes = __real_core_image_source(addr, size, more_ret);

	peek_image_keep(NULL); /* every read is to be seen */
	cut_note_all(addr, size < CUT_PAGE ? size : CUT_PAGE);
	if (bytes && *more_ret > CUT_PAGE) /* so that it asks again for the next page */
		*more_ret = size > CUT_PAGE ? size : CUT_PAGE - addr % CUT_PAGE;
	if (bytes && *more_ret < size)
		*more_ret = size;
	return bytes;
}

static size_t cut_copy(uint64_t addr, void *buf, size_t size)
{
	cut_note_all(addr, size);
	return __real_core_image_memory().image(addr, buf, size);
}

struct memory __wrap_core_image_memory(void)
{
	return (struct memory){ .fd = -1, .image = cut_copy };
}

/* arg: the folder that was its root. */
static int cut_open(void *arg, const char *path)
{
	char below[4096];
	const int n = snprintf(below, sizeof(below), "%s%s", (const char *)arg, path);
	const int fd = n < (int)sizeof(below) ? open(below, O_RDONLY | O_CLOEXEC) : -1;

	return fd < 0 ? -errno : fd;
}

static int cut_take(void *arg, const void *data, size_t size)
{
	(void)arg, (void)data, (void)size;
	return 0;
}

static const unsigned char *cut_page_at(uint64_t page)
{
	for (size_t i = 0; i < cut.count; i++)
		if (cut.page[i] == page)
			return cut.bytes[i];
	return NULL;
}

/* Splits a load into what is kept and what isn't; returns how many headers there are. */
static size_t cut_split(const Elf64_Phdr *load, Elf64_Phdr *ret, size_t count)
{
	const uint64_t end = load->p_vaddr + load->p_memsz;
	bool kept = false;

	for (uint64_t at = load->p_vaddr; at < end; at += CUT_PAGE) {
		const bool here = cut_page_at(at);

		if (at == load->p_vaddr || here != kept) {
			if (++count == CUT_LOADS)
				cut_die("too many pieces");
			ret[count - 1] = *load;
			ret[count - 1].p_vaddr = at;
			ret[count - 1].p_memsz = ret[count - 1].p_filesz = 0;
			kept = here;
		}
		ret[count - 1].p_memsz += CUT_PAGE;
		ret[count - 1].p_filesz += here ? CUT_PAGE : 0;
	}
	return count;
}

static void cut_write(const char *path)
{
	Elf64_Ehdr head;
	const Elf64_Phdr *const old = (const void *)(cut.core + sizeof(head));
	Elf64_Phdr *const new = calloc(CUT_LOADS, sizeof(*new));
	FILE *const out = fopen(path, "wb");
	size_t count = 0;

	if (!out || !new)
		cut_die(path);
	memcpy(&head, cut.core, sizeof(head));
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (old[i].p_type == PT_NOTE)
			new[count++] = old[i];
		else if (old[i].p_type == PT_LOAD)
			count = cut_split(&old[i], new, count);
	}
	uint64_t offset = sizeof(head) + count * sizeof(*new);
	const uint64_t notes = new[0].p_offset;
	for (size_t i = 0; i < count; i++) {
		new[i].p_offset = offset;
		offset += new[i].p_filesz;
	}
	head.e_phoff = sizeof(head);
	head.e_phnum = (uint16_t)count;
	head.e_shoff = head.e_shnum = head.e_shstrndx = 0;
	fwrite(&head, sizeof(head), 1, out);
	fwrite(new, sizeof(*new), count, out);
	for (size_t i = 0; i < count; i++) {
		if (new[i].p_type == PT_NOTE)
			fwrite(cut.core + notes, 1, new[i].p_filesz, out);
		for (uint64_t at = 0; new[i].p_type == PT_LOAD &&at < new[i].p_filesz;
		     at += CUT_PAGE)
			fwrite(cut_page_at(new[i].p_vaddr + at), 1, CUT_PAGE, out);
	}
	if (fclose(out))
		cut_die(path);
	free(new);
}

int main(int argc, char **argv)
{
	struct core_walk_result result = { .pid = 0 };
	struct core_walk_options options = { .name = "core",
					     .open = cut_open,
					     .scratch = -1 };
	struct stat st;

	if (argc != 5)
		return fprintf(stderr, "usage: cut_core CORE OUT PAGES ROOT\n"), 2;
	options.open_arg = argv[4];
	cut.most = strtoul(argv[3], NULL, 10);
	if (cut.most > CUT_PAGES)
		cut.most = CUT_PAGES;
	options.fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	options.smaps_fd = memfd_create("smaps", MFD_CLOEXEC);
	if (options.fd < 0 || fstat(options.fd, &st) < 0 || options.smaps_fd < 0)
		cut_die(argv[1]);
	cut.size = (size_t)st.st_size;
	cut.core = mmap(NULL, cut.size, PROT_READ, MAP_PRIVATE, options.fd, 0);
	if (cut.core == MAP_FAILED)
		cut_die(argv[1]);
	if (core_walk_run(&options, cut_take, NULL, &result))
		return fprintf(stderr, "cut_core: %s\n", result.error), 1;
	cut_write(argv[2]);
	printf("%zu pages of a core of %llu objects\n", cut.count,
	       (unsigned long long)result.objects);
	return 0;
}
