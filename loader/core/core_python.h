/* SPDX-License-Identifier: MIT */
/*
 * core_python - the interpreter in a core's memory: its symbols, and the states of its
 * interpreters and threads.
 *
 * Symbols come from the dynamic symbol tables of the files that were mapped
 * (target/python, target/elf_module).  CPython's functions that list interpreters can't
 * be called; the lists they go along are followed instead, from where they begin:
 * a word of _PyRuntime (3.7+; 3.13+ says which), of the interpreter's data in 3.6.
 */
#ifndef PYMEM_LOADER_CORE_CORE_PYTHON_H
#define PYMEM_LOADER_CORE_CORE_PYTHON_H

#include "agent/python/cpython.h"
#include "agent/python/interpreters.h"
#include "loader/target/maps.h"

struct core_python {
	struct cpython py;
	struct interpreters_image interps;
	char path[4096]; /* of the program or library that it is */
};

/*
 * Looks in the image that core_image has, whose mappings are `maps`.  0, or -1 with a
 * sentence in error.
 */
int core_python_find(const struct maps *maps, const char *name, struct core_python *ret,
		     char error[512]);

#endif
