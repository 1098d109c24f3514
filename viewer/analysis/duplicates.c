/* SPDX-License-Identifier: MIT */
/*
 * duplicates - equal values stored more than once (duplicates.h).
 *
 * One entry of 16 bytes per candidate: a 64-bit digest of type, length and
 * content, and the id.  Sorted by digest, equal neighbours are duplicates; 64 bits
 * make a false match among 10^8 values a matter of 10^-4.
 */
#include "viewer/analysis/duplicates.h"

#include <errno.h>
#include <string.h>

#include "viewer/model/values.h"

#define TUPLE_MAX 64u

struct entry {
	uint64_t digest;
	uint32_t id, pad;
};

static uint64_t duplicates_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

static uint64_t duplicates_digest_bytes(uint64_t hash, const char *text, size_t size)
{
	uint64_t word;

	for (; size >= 8; size -= 8, text += 8) {
		memcpy(&word, text, 8);
		hash = duplicates_mix(hash, word);
	}
	word = 0;
	memcpy(&word, text, size);
	return duplicates_mix(hash, word ^ (uint64_t)size << 56);
}

static uint64_t duplicates_digest_value(uint32_t type, const struct heap_value *v)
{
	uint64_t hash = duplicates_mix(type, v->length << 8 | v->kind);

	return v->hash ? duplicates_mix(hash, v->hash) :
			 duplicates_digest_bytes(hash, v->text, v->size);
}

static int duplicates_add(struct vec *entries, uint64_t digest, uint32_t id)
{
	struct entry entry = { digest, id, 0 };

	return vec_append(entries, &entry, sizeof(entry));
}

static bool duplicates_heap_made(const struct heap *heap, uint32_t object)
{
	return !(heap_class_of(heap, object)->flags & SNAP_OBJ_STATIC);
}

/* strs: no bytes. */
static int duplicates_add_values(const struct heap *heap, bool strs, struct vec *entries)
{
	struct values_cursor cursor = { 0 };
	struct heap_value v;
	uint32_t object;
	int err = 0;

	while (!err && values_next(heap, &cursor, &object, &v)) {
		if ((v.kind != SNAP_VALUE_STR && (strs || v.kind != SNAP_VALUE_BYTES)) ||
		    (!v.hash && !v.size && v.length) ||
		    !duplicates_heap_made(heap, object))
			continue;
		err = duplicates_add(
			entries, duplicates_digest_value(heap_type_of(heap, object), &v),
			object);
	}
	return err;
}

static uint64_t duplicates_digest_tuple(const struct heap *heap, uint32_t object,
					struct heap_span refs)
{
	uint64_t hash = duplicates_mix(heap_type_of(heap, object), refs.count);
	struct heap_value v;

	for (uint32_t i = 0; i < refs.count; i++) {
		uint32_t to = refs.target[i];

		if (to < heap->objects && heap_value(heap, to, &v) &&
		    v.kind != SNAP_VALUE_NAME && (v.hash || v.size || !v.length))
			hash = duplicates_mix(
				hash,
				duplicates_digest_value(heap_type_of(heap, to), &v));
		else if (to < heap->objects)
			hash = duplicates_mix(hash, 1ull << 40 | to);
		else
			/* unknown: equal to none */
			hash = duplicates_mix(hash, 1ull << 41 | object);
	}
	return hash;
}

static int duplicates_add_tuples(const struct heap *heap, const struct progress *progress,
				 struct vec *entries)
{
	for (uint32_t o = 0; o < heap->objects; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(progress, "duplicates", o, heap->objects))
			return -ECANCELED;
		if (heap_kind(heap, o) != SNAP_KIND_TUPLE ||
		    !duplicates_heap_made(heap, o))
			continue;
		struct heap_span refs = heap_refs(heap, o);
		if (!refs.count || refs.count > TUPLE_MAX)
			continue;
		if (duplicates_add(entries, duplicates_digest_tuple(heap, o, refs), o))
			return -ENOMEM;
	}
	return 0;
}

/* Least significant digit first, 11 bits a pass over the upper 44, ids stay ascending. */
static int duplicates_sort_entries(struct vec *entries)
{
	size_t count = VEC_COUNT(*entries, struct entry);
	struct vec other = { 0 };
	uint32_t at[2048];

	if (count > UINT32_MAX || vec_alloc(&other, entries->size))
		return -ENOMEM;
	struct entry *from = entries->data, *to = other.data;
	for (unsigned shift = 20; shift < 64; shift += 11) {
		uint32_t sum = 0;

		memset(at, 0, sizeof(at));
		for (size_t i = 0; i < count; i++)
			at[from[i].digest >> shift & 2047]++;
		for (size_t i = 0; i < 2048; i++) {
			uint32_t n = at[i];

			at[i] = sum;
			sum += n;
		}
		for (size_t i = 0; i < count; i++)
			to[at[from[i].digest >> shift & 2047]++] = from[i];
		struct entry *swap = from;
		from = to;
		to = swap;
	}
	vec_free(&other); /* an even number of passes ends where it began */
	return 0;
}

/* Neighbours agree in 44 bits; the few with different low bits are told apart here. */
static int duplicates_add_group(const struct heap *heap, struct entry *e, size_t count,
				struct vec *ret)
{
	for (size_t i = 0; i < count; i++) {
		struct duplicate d = { .example = e[i].id };
		uint64_t largest = 0;

		if (e[i].pad)
			continue;
		for (size_t j = i; j < count; j++) {
			uint64_t size = heap_size(heap, e[j].id);

			if (e[j].pad || e[j].digest != e[i].digest)
				continue;
			e[j].pad = 1;
			d.last = e[j].id;
			d.count++;
			d.size += size;
			largest = size > largest ? size : largest;
		}
		d.wasted = d.size - largest;
		if (d.count > 1 && vec_append(ret, &d, sizeof(d)))
			return -ENOMEM;
		if (d.count == count)
			break;
	}
	return 0;
}

static int duplicates_find_groups(const struct heap *heap, struct vec *entries,
				  struct vec *ret)
{
	struct entry *e = entries->data;
	size_t count = VEC_COUNT(*entries, struct entry), end;

	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1;
		     end < count && e[end].digest >> 20 == e[i].digest >> 20;)
			end++;
		if (end - i > 1 && duplicates_add_group(heap, e + i, end - i, ret))
			return -ENOMEM;
	}
	return 0;
}

static int duplicates_find_of(const struct heap *heap, bool strs,
			      const struct progress *progress, struct vec *ret)
{
	struct vec entries = { 0 };
	int err = progress_step(progress, "duplicates", 0, heap->objects);

	if (!err)
		err = duplicates_add_values(heap, strs, &entries);
	if (!err && !strs)
		err = duplicates_add_tuples(heap, progress, &entries);
	if (!err && entries.size)
		err = duplicates_sort_entries(&entries);
	if (!err && entries.size)
		err = duplicates_find_groups(heap, &entries, ret);
	vec_free(&entries);
	return err;
}

int duplicates_find(const struct heap *heap, const struct progress *progress,
		    struct vec *ret)
{
	return duplicates_find_of(heap, false, progress, ret);
}

int duplicates_find_strs(const struct heap *heap, const struct progress *progress,
			 struct vec *ret)
{
	return duplicates_find_of(heap, true, progress, ret);
}
