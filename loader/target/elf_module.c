/* SPDX-License-Identifier: MIT */
/* elf_module - see elf_module.h.  Every count and address comes from the target. */
#include "loader/target/elf_module.h"

#include <assert.h>
#include <elf.h>
#include <string.h>

#include "loader/target/memory.h"

#define PHDR_MAX 64
#define DYNAMIC_MAX 512
#define TABLE_MAX (1u << 22) /* entries of a hash table */
#define CHAIN_MAX (1u << 16) /* symbols that share a bucket, or a circle of them */

/* glibc relocates d_ptr in place, the vdso and musl don't: both forms occur. */
static uint64_t elf_module_absolute(const struct elf *e, uint64_t value)
{
	return !value || value >= e->base ? value : value + e->bias;
}

static void elf_module_read_dynamic(struct elf *e)
{
	Elf64_Dyn list[DYNAMIC_MAX];
	size_t count = memory_read_some(&e->mem, e->dynamic, list, sizeof(list)) /
		sizeof(list[0]);
	uint64_t soname = 0;

	for (size_t i = 0; i < count && list[i].d_tag != DT_NULL; i++) {
		const Elf64_Dyn *d = &list[i];
		switch (d->d_tag) {
		case DT_SYMTAB:
			e->symtab = elf_module_absolute(e, d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			e->strtab = elf_module_absolute(e, d->d_un.d_ptr);
			break;
		case DT_STRSZ:
			e->strsize = d->d_un.d_val;
			break;
		case DT_HASH:
			e->hash = elf_module_absolute(e, d->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			e->gnu_hash = elf_module_absolute(e, d->d_un.d_ptr);
			break;
		case DT_SONAME:
			soname = d->d_un.d_val;
			break;
		case DT_DEBUG:
			e->debug = d->d_un.d_ptr;
			break;
		default:
			break;
		}
	}
	if (soname && e->strtab && soname < e->strsize)
		memory_read_string(&e->mem, e->strtab + soname, e->soname,
				   sizeof(e->soname));
}

bool elf_module_open(const struct memory *mem, uint64_t base, struct elf *ret)
{
	Elf64_Ehdr h;
	Elf64_Phdr ph[PHDR_MAX];
	struct elf e = { .mem = *mem, .base = base };

	if (!memory_read(mem, base, &h, sizeof(h)) ||
	    memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_phentsize != sizeof(ph[0]) ||
	    !h.e_phnum || h.e_phnum > PHDR_MAX ||
	    !memory_read(mem, base + h.e_phoff, ph, h.e_phnum * sizeof(ph[0])))
		return false;
	e.type = h.e_type;
	e.machine = h.e_machine;
	uint64_t first = UINT64_MAX, high = 0;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		/* the header is at file offset 0, so in the segment that maps it */
		if (!ph[i].p_offset && first == UINT64_MAX)
			first = ph[i].p_vaddr;
		if (ph[i].p_vaddr + ph[i].p_memsz > high)
			high = ph[i].p_vaddr + ph[i].p_memsz;
	}
	if (first == UINT64_MAX)
		return false;
	e.bias = base - first;
	e.end = high + e.bias;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			e.dynamic = ph[i].p_vaddr + e.bias;
		if (ph[i].p_type == PT_INTERP)
			e.interpreter = true;
	}
	if (e.dynamic)
		elf_module_read_dynamic(&e);
	*ret = e;
	return true;
}

/* Is symbol `index` a definition of `name`? */
static bool elf_module_match(const struct elf *e, uint32_t index, const char *name,
			     struct elf_symbol *ret)
{
	Elf64_Sym s;
	char text[128];
	size_t length = strlen(name) + 1;

	if (!memory_read(&e->mem, e->symtab + (uint64_t)index * sizeof(s), &s,
			 sizeof(s)) ||
	    s.st_shndx == SHN_UNDEF || !s.st_value || s.st_name >= e->strsize ||
	    length > sizeof(text) ||
	    !memory_read(&e->mem, e->strtab + s.st_name, text, length) ||
	    memcmp(text, name, length))
		return false;
	*ret = (struct elf_symbol){ .addr = s.st_value + e->bias,
				    .size = s.st_size,
				    .type = ELF64_ST_TYPE(s.st_info) };
	return true;
}

static bool elf_module_gnu_lookup(const struct elf *e, const char *name,
				  struct elf_symbol *ret)
{
	uint32_t head[4]; /* nbuckets, symoffset, bloom words, bloom shift */

	if (!memory_read(&e->mem, e->gnu_hash, head, sizeof(head)) || !head[0] ||
	    head[0] > TABLE_MAX || head[2] > TABLE_MAX)
		return false;
	uint32_t h = 5381;
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		h = h * 33 + *p;
	uint64_t buckets = e->gnu_hash + 16 + (uint64_t)head[2] * 8;
	uint64_t chains = buckets + (uint64_t)head[0] * 4;
	uint32_t index, value;
	if (!memory_read_u32(&e->mem, buckets + (h % head[0]) * 4, &index) ||
	    index < head[1])
		return false;
	for (uint32_t n = 0; n < CHAIN_MAX; n++, index++) {
		if (!memory_read_u32(&e->mem, chains + (uint64_t)(index - head[1]) * 4,
				     &value))
			return false;
		if ((value | 1) == (h | 1) && elf_module_match(e, index, name, ret))
			return true;
		if (value & 1)
			return false;
	}
	return false;
}

static bool elf_module_sysv_lookup(const struct elf *e, const char *name,
				   struct elf_symbol *ret)
{
	uint32_t head[2]; /* nbuckets, nchains */

	if (!memory_read(&e->mem, e->hash, head, sizeof(head)) || !head[0])
		return false;
	uint32_t h = 0;
	for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
		h = (h << 4) + *p;
		uint32_t g = h & 0xf0000000;
		h = (h ^ g >> 24) & ~g;
	}
	uint32_t index;
	uint64_t buckets = e->hash + 8, chains = buckets + (uint64_t)head[0] * 4;
	if (!memory_read_u32(&e->mem, buckets + (h % head[0]) * 4, &index))
		return false;
	for (uint32_t n = 0; index && index < head[1] && n < CHAIN_MAX; n++) {
		if (elf_module_match(e, index, name, ret))
			return true;
		if (!memory_read_u32(&e->mem, chains + (uint64_t)index * 4, &index))
			return false;
	}
	return false;
}

bool elf_module_symbol(const struct elf *elf, const char *name, struct elf_symbol *ret)
{
	assert(memory_is_open(&elf->mem));
	if (!elf->symtab || !elf->strtab)
		return false;
	if (elf->gnu_hash)
		return elf_module_gnu_lookup(elf, name, ret);
	return elf->hash && elf_module_sysv_lookup(elf, name, ret);
}

uint64_t elf_module_address(const struct elf *elf, const char *name)
{
	struct elf_symbol s;

	return elf_module_symbol(elf, name, &s) ? s.addr : 0;
}
