/* SPDX-License-Identifier: MIT */
/*
 * elf_names - what the variable at an address of a program or library is called.
 *
 * Names come from the dynamic symbol table, which lies in memory, and from .symtab,
 * which has the static variables too but must be read from the file: only if that
 * begins like the mapped one, and if it was not stripped.  An address no symbol covers
 * is named by its offset, as `nm` and a debugger count: "lib.so+0x1f40".  ELF: the
 * System V ABI, "Object Files".
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_ELF_NAMES_H
#define PYMEM_AGENT_HEAP_SCAN_ELF_NAMES_H

#include <stdint.h>

#include "agent/heap/core/elf.h"

struct walk;

/* A variable: [start, end) and where its name is; names are NUL-terminated. */
struct elf_variable {
	uint64_t start, end;
	uint64_t reach; /* the highest end of it and of those before it */
	uint64_t name;
	bool ours; /* the name is in memory that we read it into */
};

/* The variables of one library at a time, read when a name is asked for; starts as all
 * zeros. */
struct elf_names {
	const char *library; /* its file's name, without directories */
	const char *path;    /* to open, when it wasn't read yet; else NULL */
	uint64_t base;
	struct elf_variable *rows; /* by start */
	uint32_t count, capacity;
};

/* Makes names those of the file that is mapped from image on.  path, to open: stays
 * valid. */
void elf_names_begin(struct elf_names *names, uint64_t image, const char *path);
/* String id of "library:variable", "library:variable+8" or "library+0x1f40". */
uint32_t elf_names_of(struct walk *w, struct elf_names *names, uint64_t addr);

#endif
