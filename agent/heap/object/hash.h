/* SPDX-License-Identifier: MIT */
/*
 * hash - a keyed 64-bit hash of contents.
 *
 * Groups duplicates without storing them: equal contents of one capture have
 * equal hashes, and without the key (random, never stored) a hash says nothing
 * about the content.  Built from 64 x 64 -> 128 bit multiplications whose halves
 * are folded together, 32 bytes a step; not for hash tables under attack.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_HASH_H
#define PYMEM_AGENT_HEAP_OBJECT_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Hash of `size` bytes under `seed`.  Never 0: 0 means "no hash" in a snapshot. */
uint64_t hash_content(uint64_t seed, const void *data, size_t size);

#endif
