/* SPDX-License-Identifier: MIT */
/* keys - an open-addressing hash table over an array; see keys.h. */
#include "formats/export/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void keys_deinit(struct keys *k)
{
	free(k->keys);
	free(k->slots);
	free(k->text);
	*k = (struct keys){ 0 };
}

static size_t keys_slot_of(const struct keys *k, uint64_t addr)
{
	size_t slot = (size_t)((addr >> 3) * 0x9e3779b97f4a7c15u >> 20) & k->mask;

	while (k->slots[slot] && k->keys[k->slots[slot] - 1].addr != addr)
		slot = (slot + 1) & k->mask;
	return slot;
}

struct key *keys_find(const struct keys *k, uint64_t addr)
{
	size_t slot;

	if (k->count == 0)
		return NULL;
	slot = keys_slot_of(k, addr);
	return k->slots[slot] ? &k->keys[k->slots[slot] - 1] : NULL;
}

/* Room for one more, the table at most half full. */
static bool keys_grow(struct keys *k)
{
	const size_t capacity = k->capacity ? 2 * k->capacity : 512;
	struct key *const keys = realloc(k->keys, capacity * sizeof(*keys));
	uint64_t *slots;

	assert(k->count == k->capacity);
	if (!keys)
		return false;
	k->keys = keys;
	slots = calloc(2 * capacity, sizeof(*slots));
	if (!slots)
		return false;
	free(k->slots);
	k->slots = slots;
	k->mask = 2 * capacity - 1;
	k->capacity = capacity;
	for (size_t i = 0; i < k->count; i++)
		k->slots[keys_slot_of(k, k->keys[i].addr)] = i + 1;
	return true;
}

bool keys_add(struct keys *k, uint64_t addr)
{
	size_t slot;

	if (k->count == k->capacity && !keys_grow(k))
		return false;
	slot = keys_slot_of(k, addr);
	if (k->slots[slot])
		return true;
	k->keys[k->count] = (struct key){ .addr = addr };
	k->slots[slot] = ++k->count;
	return true;
}

bool keys_describe(struct keys *k, struct key *key, const struct snap_value *value)
{
	assert(key >= k->keys && key < k->keys + k->count);
	if (k->text_size + value->size > k->text_capacity) {
		const size_t capacity = 2 * (k->text_size + value->size) + 4096;
		char *const text = realloc(k->text, capacity);

		if (!text)
			return false;
		k->text = text;
		k->text_capacity = capacity;
	}
	if (value->size > 0)
		memcpy(k->text + k->text_size, value->text, value->size);
	key->text = k->text_size;
	key->kind = value->kind;
	key->length = value->length;
	key->size = value->size;
	k->text_size += value->size;
	return true;
}
