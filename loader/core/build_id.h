/* SPDX-License-Identifier: MIT */
/* build_id - the number that linkers give to what they make (NT_GNU_BUILD_ID). */
#ifndef PYMEM_LOADER_CORE_BUILD_ID_H
#define PYMEM_LOADER_CORE_BUILD_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/target/memory.h"

struct build_id {
	size_t size; /* 0 = there is none */
	unsigned char bytes[64];
};

/* Of an ELF file in memory as it lies on the disk. */
void build_id_of_file(const unsigned char *bytes, uint64_t size, struct build_id *ret);
/* Of one that is mapped at base in a process. */
void build_id_of_memory(const struct memory *memory, uint64_t base, struct build_id *ret);
bool build_id_equal(const struct build_id *a, const struct build_id *b);

#endif
