/* SPDX-License-Identifier: MIT */
/*
 * keys - what the keys of dicts look like, by address.
 *
 * An edge's label shows the key, but the key's own object may come later in the snapshot.
 * So a first pass collects the addresses of all keys, a second their types and previews;
 * then labels can be written.  Memory: 40 bytes and the preview for each different key
 * object, and a hash table of 16 bytes per entry.
 */
#ifndef PYMEM_FORMATS_EXPORT_KEYS_H
#define PYMEM_FORMATS_EXPORT_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/sink.h"

struct key {
	uint64_t addr;
	uint64_t text;	 /* offset in keys.text */
	uint64_t length; /* as snap_value's */
	uint32_t size;
	uint32_t type; /* type id, 0 = no such object in the snapshot */
	uint8_t kind;  /* enum snap_value_kind, 0 = no preview */
};

struct keys {
	struct key *keys;
	size_t count, capacity;
	uint64_t *slots; /* index + 1, 0 = free; a power of two of them */
	size_t mask;
	char *text;
	size_t text_size, text_capacity;
};

/* All zeros is empty.  Adding and describing return false when out of memory. */
void keys_deinit(struct keys *keys);
bool keys_add(struct keys *keys, uint64_t addr);
/* NULL when it is no key. Valid until the next keys_add. */
struct key *keys_find(const struct keys *keys, uint64_t addr);
bool keys_describe(struct keys *keys, struct key *key, const struct snap_value *value);

#endif
