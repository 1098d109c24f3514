/* SPDX-License-Identifier: MIT */
/* elf - see elf.h. */
#include "agent/heap/core/elf.h"

#include <elf.h>
#include <string.h>

#include "agent/base/page.h"
#include "agent/heap/core/context.h"

enum { SEGMENTS_MAX = 64, DYNAMIC_MAX = 256, SYMBOLS_MAX = 1 << 22 };

static const char *elf_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static uint64_t elf_find_library(struct walk *w, const char *library)
{
	for (uint32_t i = 0; i < w->nranges; i++)
		if (w->ranges[i].offset == 0 && w->ranges[i].file &&
		    !strncmp(elf_file_name(w->ranges[i].path), library, strlen(library)))
			return w->ranges[i].start;
	return 0;
}

static uint64_t elf_find_dynamic(uint64_t image, struct elf_tables *tables)
{
	uint64_t dynamic = 0;
	Elf64_Ehdr head;
	Elf64_Phdr segment;

	if (!peek_safe(image, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) ||
	    head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phnum > SEGMENTS_MAX ||
	    head.e_phentsize != sizeof(segment))
		return 0;
	tables->base = image;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (!peek_safe(image + head.e_phoff + i * sizeof(segment), &segment,
			       sizeof(segment)))
			return 0;
		if (segment.p_type == PT_LOAD && segment.p_offset == 0)
			tables->base = image - segment.p_vaddr;
		if (segment.p_type == PT_DYNAMIC)
			dynamic = segment.p_vaddr;
	}
	return dynamic ? tables->base + dynamic : 0;
}

/* ld.so stores addresses in the table in place; elsewhere they are offsets. */
static uint64_t elf_relocated(const struct elf_tables *tables, uint64_t value)
{
	return value < tables->base ? tables->base + value : value;
}

static bool elf_take_dynamic(uint64_t dynamic, struct elf_tables *tables)
{
	Elf64_Dyn entry;

	for (int i = 0; i < DYNAMIC_MAX; i++) {
		if (!peek_safe(dynamic + (unsigned)i * sizeof(entry), &entry,
			       sizeof(entry)))
			return false;
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_SYMTAB)
			tables->symbols = elf_relocated(tables, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_STRTAB)
			tables->strings = elf_relocated(tables, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_GNU_HASH)
			tables->gnu_hash = elf_relocated(tables, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_HASH)
			tables->hash = elf_relocated(tables, entry.d_un.d_ptr);
	}
	return tables->symbols && tables->strings && (tables->gnu_hash || tables->hash);
}

/* The hash tables know how many symbols there are: GNU's by its last chain. */
static uint32_t elf_count(const struct elf_tables *tables)
{
	uint32_t head[4], last = 0, bucket, link = 0;
	uint64_t buckets, chains;

	if (tables->hash)
		return peek_safe(tables->hash, head, 8) ? head[1] : 0;
	if (!peek_safe(tables->gnu_hash, head, sizeof(head)))
		return 0;
	buckets = tables->gnu_hash + 16 + 8ull * head[2];
	chains = buckets + 4ull * head[0];
	for (uint32_t i = 0; i < head[0] && i < SYMBOLS_MAX; i++)
		if (peek_safe(buckets + 4ull * i, &bucket, 4) && bucket > last)
			last = bucket;
	if (last < head[1])
		return 0;
	while (last < SYMBOLS_MAX &&
	       peek_safe(chains + 4ull * (last - head[1]), &link, 4) && !(link & 1))
		last++;
	return last + 1;
}

/* What the file mapped at start ends with is zeros up to the end of a page. */
uint64_t elf_image_end(uint64_t start)
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
	return end ? page_ceiling(bias + end) : 0;
}

bool elf_read_tables(uint64_t image, struct elf_tables *ret)
{
	uint64_t dynamic;

	*ret = (struct elf_tables){ 0 };
	dynamic = elf_find_dynamic(image, ret);
	if (!dynamic || !elf_take_dynamic(dynamic, ret))
		return false;
	ret->count = elf_count(ret);
	return true;
}

uint64_t elf_function(uint64_t image, const char *symbol)
{
	size_t size = strlen(symbol) + 1;
	struct elf_tables tables;
	char name[256];
	Elf64_Sym sym;

	if (!image || size > sizeof(name) || !elf_read_tables(image, &tables))
		return 0;
	for (uint32_t i = 0; i < tables.count; i++)
		if (peek_safe(tables.symbols + i * sizeof(sym), &sym, sizeof(sym)) &&
		    sym.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(sym.st_info) == STT_FUNC &&
		    peek_safe(tables.strings + sym.st_name, name, size) &&
		    !memcmp(name, symbol, size))
			return tables.base + sym.st_value;
	return 0;
}

uint64_t elf_look_up(struct walk *w, const char *library, const char *symbol)
{
	return elf_function(elf_find_library(w, library), symbol);
}
