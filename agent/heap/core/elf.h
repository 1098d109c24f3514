/* SPDX-License-Identifier: MIT */
/*
 * elf - finds a function in a library of this process by reading the
 * library's dynamic symbol table in memory.  dlsym would take the dynamic loader's
 * lock, which in a forked copy nobody may ever release.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_ELF_H
#define PYMEM_AGENT_HEAP_CORE_ELF_H

#include <stdbool.h>
#include <stdint.h>

struct walk;

/* The dynamic symbols of a mapped file: addresses in this process. */
struct elf_tables {
	uint64_t base;		   /* load bias: address minus st_value */
	uint64_t symbols, strings; /* Elf64_Sym[count], text */
	uint64_t gnu_hash, hash;   /* 0 = there is none */
	uint32_t count;
};

/* Reads where the tables of the ELF file mapped at image are; false: there are none. */
bool elf_read_tables(uint64_t image, struct elf_tables *ret);

/* Address of the function `symbol` that the file mapped at image defines; 0 = none. */
uint64_t elf_function(uint64_t image, const char *symbol);

/*
 * Address of the function `symbol` defined by the first mapped file whose name
 * (without directories) begins with `library`; 0 = not found.
 */
uint64_t elf_look_up(struct walk *w, const char *library, const char *symbol);

/* Where the image mapped at `start` ends by its program headers, 0 = unknown. */
uint64_t elf_image_end(uint64_t start);

#endif
