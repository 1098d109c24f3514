/* SPDX-License-Identifier: MIT */
/*
 * strings - names in the snapshot: each text once, as UTF-8 (surrogates kept, as
 * WTF-8 does), and the reading of str objects of every kind.
 */
#include <string.h>

#include "agent/heap/core/tables.h"

enum { STRING_MAX = 4000 }; /* longer names are cut: they are labels, not values */

uint64_t table_hash(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ size, v;

	for (; size >= 8; size -= 8, p += 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	v = 0;
	memcpy(&v, p, size);
	h = (h ^ v) * 0xc4ceb9fe1a85ec53ULL;
	h ^= h >> 29;
	return h ? h : 1;
}

bool table_reserve(struct walk *w, struct table *table)
{
	struct table_slot *old = table->slots, *slots;
	uint32_t capacity = table->capacity ? table->capacity * 2 : 1024;

	if (table->count < table->capacity - table->capacity / 3)
		return true;
	slots = arena_map(w->arena, capacity * sizeof(*slots));
	if (!slots)
		return walk_check(w, -12 /* ENOMEM */);
	for (uint32_t i = 0; i < table->capacity; i++) {
		uint32_t at = (uint32_t)old[i].hash & (capacity - 1);

		if (!old[i].hash)
			continue;
		while (slots[at].hash)
			at = (at + 1) & (capacity - 1);
		slots[at] = old[i];
	}
	if (old)
		arena_unmap(w->arena, old, table->capacity * sizeof(*old));
	table->slots = slots;
	table->capacity = capacity;
	return true;
}

struct table_slot *table_find(struct table *table, uint64_t hash, table_same_fn *same,
			      const void *key, size_t size)
{
	uint32_t at = (uint32_t)hash & (table->capacity - 1);

	while (table->slots[at].hash) {
		if (table->slots[at].hash == hash && same(&table->slots[at], key, size))
			break;
		at = (at + 1) & (table->capacity - 1);
	}
	return &table->slots[at];
}

static bool same_text(const struct table_slot *slot, const void *key, size_t size)
{
	return slot->size == size && !memcmp(peek_ptr(slot->key), key, size);
}

uint32_t walk_string(struct walk *w, const char *text, size_t size)
{
	struct walk_tables *t = w->tables;
	struct table_slot *slot;
	uint64_t hash;
	char *copy;

	if (!size)
		return 0;
	if (size > STRING_MAX) { /* not in the middle of a character */
		for (size = STRING_MAX;
		     size && ((unsigned char)text[size] & 0xc0) == 0x80;)
			size--;
	}
	if (!table_reserve(w, &t->strings))
		return 0;
	hash = table_hash(text, size);
	slot = table_find(&t->strings, hash, same_text, text, size);
	if (slot->hash)
		return slot->id;
	copy = arena_alloc(w->arena, size + 1);
	if (!copy) {
		walk_check(w, -12);
		return 0;
	}
	memcpy(copy, text, size);
	*slot = (struct table_slot){ hash, (uintptr_t)copy, (uint32_t)size,
				     ++t->next_string };
	t->strings.count++;
	WALK_SEND(w, string, slot->id, copy, size);
	return slot->id;
}

uint32_t walk_cstring(struct walk *w, const char *text)
{
	return walk_string(w, text, strlen(text));
}

bool walk_str_data(const struct walk *w, uint64_t obj, uint64_t *length_ret,
		   uint32_t *kind_ret, uint64_t *data_ret)
{
	const struct layout *lay = w->lay;
	uint32_t state = peek32(obj + lay->str_state);
	uint32_t kind = state >> lay->str_kind_shift & 7;

	*length_ret = peek64(obj + lay->str_length);
	*kind_ret = kind;
	if (kind != 1 && kind != 2 && kind != 4)
		return false; /* a legacy string that was never made ready (<= 3.11) */
	if (state >> lay->str_compact_bit & 1)
		*data_ret = obj +
			(state >> lay->str_ascii_bit & 1 ? lay->str_ascii_size :
							   lay->str_compact_size);
	else
		*data_ret = peek64(obj + lay->str_full_size - 8);
	return *data_ret != 0;
}

static uint32_t char_at(uint64_t data, uint32_t kind, uint64_t i)
{
	return kind == 1  ? peek8(data + i) :
		kind == 2 ? peek16(data + i * 2) :
			    peek32(data + i * 4);
}

/* Encodes one code point; returns its bytes (0: not a code point). */
static unsigned utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	if (c > 0x10ffff)
		return 0;
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

size_t walk_str_text(struct walk *w, uint64_t obj, char *buf, size_t size)
{
	uint64_t length, data;
	size_t used = 0;
	uint32_t kind;
	char one[4];

	buf[0] = 0;
	if (!obj || !(peek64(walk_typeof(w, obj) + w->lay->tp_flags) >> 28 & 1) ||
	    !walk_str_data(w, obj, &length, &kind, &data))
		return 0;
	for (uint64_t i = 0; i < length; i++) {
		unsigned n = utf8_put(one, char_at(data, kind, i));

		if (!n || used + n >= size)
			break;
		memcpy(buf + used, one, n);
		used += n;
	}
	buf[used] = 0;
	return used;
}

uint32_t walk_string_of(struct walk *w, uint64_t obj)
{
	char *buf = w->tables->scratch;
	size_t size = walk_str_text(w, obj, buf, sizeof(w->tables->scratch));

	return walk_string(w, buf, size);
}
