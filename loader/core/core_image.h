/* SPDX-License-Identifier: MIT */
/*
 * core_image - the memory of the process of which a core is, as the walk reads it.
 *
 * What the core has, and where it has nothing of a mapped file (kernels leave out what
 * can be had again: core(5), coredump_filter) that file's bytes.  A file is asked for by
 * its path from whoever may open it (core_image_open_fn), and is believed to be the one
 * that was mapped if its build-id is that which the core has in memory; where the core
 * has none, by the name alone, and that is counted.
 */
#ifndef PYMEM_LOADER_CORE_CORE_IMAGE_H
#define PYMEM_LOADER_CORE_CORE_IMAGE_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/core_file.h"
#include "loader/target/memory.h"

/* A descriptor of the file at a path as the core names it, or a negative errno: -ENOEXEC:
 * it is no program or library, which nobody here needs. */
typedef int core_image_open_fn(void *arg, const char *path);

struct core_image_counts {
	uint32_t files;	     /* that were read */
	uint32_t absent;     /* not found, or not readable */
	uint32_t different;  /* other build-id: not read */
	uint32_t unverified; /* read, though nothing shows that it is the same */
	char example[256];   /* a path of the absent or different ones, "" = none */
};

/*
 * Makes the image of a core.  There is one at a time: what reads it (peek_image, memory)
 * is told a function only.  0 or -ENOMEM.
 */
int core_image_begin(const struct core_file *core, core_image_open_fn *open, void *arg);
void core_image_end(void);
const struct core_image_counts *core_image_counted(void);
/*
 * Where to jump when far more is read that isn't there than a core of this size explains:
 * its counts and addresses can't be true, and loops over them would not end.  NULL:
 * nowhere.
 */
void core_image_lost_at(jmp_buf *lost);
/* Is it the path of the program that was run? */
bool core_image_is_program(const char *path);

/* A peek_source_fn (agent/base/peek_image.h). */
const unsigned char *core_image_source(uint64_t addr, uint64_t size, uint64_t *more_ret);
/* The same for struct memory. */
struct memory core_image_memory(void);
/*
 * Mappings as /proc/PID/maps lists them, with the names that the core tells; resident:
 * as smaps, where "Rss" is what the core has that isn't zeros.  Owned by the caller;
 * NULL: no memory.
 */
char *core_image_maps(bool resident);

#endif
