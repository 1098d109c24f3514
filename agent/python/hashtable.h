/* SPDX-License-Identifier: MIT */
/*
 * hashtable - the hash table that CPython's own C code keeps its notes in.
 *
 * Of two kinds, which the words that follow the table's head tell apart without asking
 * for a version (Modules/hashtable.h, Include/internal/pycore_hashtable.h):
 *
 *	up to 3.8   an entry has its key and its data in itself, one after the other,
 *	            packed; the table says how large they are
 *	from 3.9 on an entry has two words, the key and the value
 *
 * Entries are a list for each bucket.  Threads without the GIL may change some tables
 * (tracemalloc's) while they are read in place: all reads are safe ones, and end.
 */
#ifndef PYMEM_AGENT_PYTHON_HASHTABLE_H
#define PYMEM_AGENT_PYTHON_HASHTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HASHTABLE_CODE = 3, HASHTABLE_SIDE = 16 };

struct hashtable {
	uint64_t addr;
	uint64_t entries, nbuckets;
	uint64_t buckets;	       /* address of their heads */
	uint32_t key_size, data_size;  /* bytes, of what entries have in themselves */
	bool in_entry;		       /* ... or two words, key and value */
	uint64_t code[HASHTABLE_CODE]; /* what must be addresses of functions */
};

struct hashtable_entry {
	uint8_t key[HASHTABLE_SIDE], data[HASHTABLE_SIDE]; /* the rest is 0 */
};

/* False: stop. */
typedef bool hashtable_visit_fn(void *arg, const struct hashtable *table,
				const struct hashtable_entry *entry);

/* Can these be the first two words of one?  For a cheap look before hashtable_read. */
bool hashtable_may_be(uint64_t first, uint64_t second);

/*
 * Is there, by its numbers, a table at addr?  Whether code[] are functions is for the
 * caller to check.  Never faults.
 */
bool hashtable_read(uint64_t addr, struct hashtable *ret);

/*
 * Calls visit for each entry; returns how many there were, which is fewer than
 * table->entries when the table was being changed, or is damaged.  Never faults, ends.
 */
uint64_t hashtable_each(const struct hashtable *table, hashtable_visit_fn *visit,
			void *arg);

/* The first word of a key or of data. */
static inline uint64_t hashtable_word(const uint8_t *side)
{
	uint64_t v;

	__builtin_memcpy(&v, side, sizeof(v));
	return v;
}

#endif
