/* SPDX-License-Identifier: MIT */
/*
 * elf_module - the dynamic symbols of a module as it lies in the target's memory.
 *
 * Memory, not files: what is mapped is what would run, whether its file was
 * replaced by an upgrade, lies in another mount namespace, or never existed.
 * Section headers aren't mapped, so only exported symbols are seen; that is all
 * a dlopen needs.  Layout: elf(5), gABI; DT_GNU_HASH as the GNU linkers make it.
 */
#ifndef PYMEM_LOADER_TARGET_ELF_MODULE_H
#define PYMEM_LOADER_TARGET_ELF_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "loader/target/memory.h"

struct elf {
	struct memory mem; /* not owned */
	uint64_t base;	   /* address of the ELF header */
	uint64_t bias;	   /* run time address - file address */
	uint64_t end;	   /* end of the last PT_LOAD, absolute */
	uint16_t type, machine;
	uint64_t symtab, strtab, strsize;
	uint64_t hash, gnu_hash; /* absolute, 0 = absent */
	uint64_t dynamic;	 /* absolute, 0 = a static program */
	uint64_t debug;		 /* DT_DEBUG: struct r_debug, 0 = absent */
	bool interpreter;	 /* has PT_INTERP */
	char soname[64];	 /* "" = none */
};

struct elf_symbol {
	uint64_t addr; /* absolute */
	uint64_t size;
	uint8_t type; /* STT_* */
};

/* False if there's no 64-bit little-endian ELF header at base or it is malformed. */
bool elf_module_open(const struct memory *mem, uint64_t base, struct elf *ret);
/* A defined dynamic symbol by name, any version. */
bool elf_module_symbol(const struct elf *elf, const char *name, struct elf_symbol *ret);
/* Its address, or 0. */
uint64_t elf_module_address(const struct elf *elf, const char *name);

#endif
