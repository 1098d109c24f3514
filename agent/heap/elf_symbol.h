/* SPDX-License-Identifier: MIT */
/*
 * elf_symbol - finds a function in a library of this process by reading the
 * library's dynamic symbol table in memory.  dlsym would take the dynamic loader's
 * lock, which in a forked copy nobody may ever release.
 */
#ifndef PYMEM_AGENT_HEAP_ELF_SYMBOL_H
#define PYMEM_AGENT_HEAP_ELF_SYMBOL_H

#include <stdint.h>

struct walk;

/*
 * Address of the function `symbol` defined by the first mapped file whose name
 * (without directories) begins with `library`; 0 = not found.
 */
uint64_t elf_symbol(struct walk *w, const char *library, const char *symbol);

#endif
