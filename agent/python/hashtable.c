/* SPDX-License-Identifier: MIT */
/* hashtable - see hashtable.h. */
#include "agent/python/hashtable.h"

#include <string.h>

#include "agent/base/peek.h"

enum {
	HASHTABLE_LEAST = 16,	   /* buckets, a power of two (HASHTABLE_MIN_SIZE) */
	HASHTABLE_LOG2_MOST = 40,  /* of the buckets: more than there is memory for */
	HASHTABLE_HEAD = 7,	   /* words that are looked at */
	HASHTABLE_ENTRY_HEAD = 16, /* next, hash */
	HASHTABLE_STEP = 256,	   /* buckets read at once */
};

static bool hashtable_buckets_sane(uint64_t n)
{
	return n >= HASHTABLE_LEAST && n <= 1ULL << HASHTABLE_LOG2_MOST && !(n & (n - 1));
}

bool hashtable_may_be(uint64_t first, uint64_t second)
{
	return hashtable_buckets_sane(first) || hashtable_buckets_sane(second);
}

static bool hashtable_sane(const struct hashtable *table)
{
	return hashtable_buckets_sane(table->nbuckets) &&
		table->entries <= table->nbuckets && peek_plausible(table->buckets) &&
		!(table->buckets & 7);
}

bool hashtable_read(uint64_t addr, struct hashtable *ret)
{
	uint64_t head[HASHTABLE_HEAD];

	if (!peek_plausible(addr) || addr & 7 || !peek_safe(addr, head, sizeof(head)))
		return false;
	/* num_buckets, entries, buckets, key_size, data_size, hash, compare */
	*ret = (struct hashtable){ .addr = addr,
				   .nbuckets = head[0],
				   .entries = head[1],
				   .buckets = head[2],
				   .in_entry = true,
				   .code = { head[5], head[6], head[5] } };
	if (head[3] && head[3] <= HASHTABLE_SIDE && head[4] <= HASHTABLE_SIDE) {
		ret->key_size = (uint32_t)head[3];
		ret->data_size = (uint32_t)head[4];
		return hashtable_sane(ret);
	}
	/* nentries, nbuckets, buckets, get_entry, hash, compare, ... */
	*ret = (struct hashtable){ .addr = addr,
				   .entries = head[0],
				   .nbuckets = head[1],
				   .buckets = head[2],
				   .key_size = 8,
				   .data_size = 8,
				   .code = { head[3], head[4], head[5] } };
	return hashtable_sane(ret);
}

/* The entry at `at`; 0, or the address of the next one. False: can't be read. */
static bool hashtable_entry_at(const struct hashtable *table, uint64_t at,
			       uint64_t *next_ret, struct hashtable_entry *ret)
{
	uint8_t raw[HASHTABLE_ENTRY_HEAD + 2 * HASHTABLE_SIDE];

	if (!peek_safe(at, raw,
		       HASHTABLE_ENTRY_HEAD + table->key_size + table->data_size))
		return false;
	*ret = (struct hashtable_entry){ 0 };
	*next_ret = hashtable_word(raw);
	memcpy(ret->key, raw + HASHTABLE_ENTRY_HEAD, table->key_size);
	memcpy(ret->data, raw + HASHTABLE_ENTRY_HEAD + table->key_size, table->data_size);
	return true;
}

/* The entries of one bucket; false: stop. */
static bool hashtable_bucket(const struct hashtable *table, uint64_t at, uint64_t *done,
			     hashtable_visit_fn *visit, void *arg)
{
	struct hashtable_entry entry;

	while (at && *done < table->entries) {
		if (!hashtable_entry_at(table, at, &at, &entry))
			return true;
		++*done;
		if (!visit(arg, table, &entry))
			return false;
	}
	return *done < table->entries;
}

uint64_t hashtable_each(const struct hashtable *table, hashtable_visit_fn *visit,
			void *arg)
{
	uint64_t heads[HASHTABLE_STEP], done = 0;

	for (uint64_t at = 0; at < table->nbuckets && done < table->entries;) {
		const uint64_t left = table->nbuckets - at;
		const uint64_t n = left < HASHTABLE_STEP ? left : HASHTABLE_STEP;

		if (!peek_safe(table->buckets + at * 8, heads, n * 8))
			break;
		for (uint64_t i = 0; i < n; i++)
			if (heads[i] &&
			    !hashtable_bucket(table, heads[i], &done, visit, arg))
				return done;
		at += n;
	}
	return done;
}
