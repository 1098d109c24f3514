/* SPDX-License-Identifier: MIT */
/* intern - an open-addressing hash table of numbers; see intern.h. */
#include "formats/export/intern.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A table of slots twice as long as `capacity`, all free; NULL when out of memory. */
static uint32_t *intern_new_slots(size_t capacity, size_t *mask_ret)
{
	uint32_t *const slots = calloc(2 * capacity, sizeof(*slots));

	assert((capacity & (capacity - 1)) == 0);
	if (slots)
		*mask_ret = 2 * capacity - 1;
	return slots;
}

void intern_deinit(struct intern *in)
{
	free(in->text);
	free(in->ends);
	free(in->slots);
	*in = (struct intern){ 0 };
}

const char *intern_text(const struct intern *in, uint32_t number, size_t *size_ret)
{
	const uint64_t begin = number ? in->ends[number - 1] : 0;

	assert(number < in->count);
	*size_ret = (size_t)(in->ends[number] - begin);
	return in->text + begin;
}

static uint64_t intern_hash_text(const char *text, size_t size)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		h = (h ^ (uint8_t)text[i]) * 0x100000001b3;
	return h ^ h >> 29;
}

static size_t intern_text_slot(const struct intern *in, const char *text, size_t size)
{
	size_t slot = (size_t)intern_hash_text(text, size) & in->mask, have;

	for (; in->slots[slot]; slot = (slot + 1) & in->mask) {
		const char *const other = intern_text(in, in->slots[slot] - 1, &have);

		if (have == size && memcmp(other, text, size) == 0)
			break;
	}
	return slot;
}

static bool intern_grow_texts(struct intern *in)
{
	const size_t capacity = in->capacity ? 2 * in->capacity : 1024;
	uint64_t *const ends = realloc(in->ends, capacity * sizeof(*ends));
	uint32_t *slots;
	size_t size;

	assert(in->count == in->capacity);
	if (!ends)
		return false;
	in->ends = ends;
	slots = intern_new_slots(capacity, &in->mask);
	if (!slots)
		return false;
	free(in->slots);
	in->slots = slots;
	in->capacity = capacity;
	for (uint32_t i = 0; i < in->count; i++) {
		const char *const text = intern_text(in, i, &size);

		in->slots[intern_text_slot(in, text, size)] = i + 1;
	}
	return true;
}

static bool intern_keep_text(struct intern *in, const char *text, size_t size)
{
	if (in->text_size + size + 1 > in->text_capacity) {
		const size_t capacity = 2 * (in->text_size + size) + 4096;
		char *const grown = realloc(in->text, capacity);

		if (!grown)
			return false;
		in->text = grown;
		in->text_capacity = capacity;
	}
	memcpy(in->text + in->text_size, text, size);
	in->text_size += size;
	return true;
}

uint32_t intern_add(struct intern *in, const char *text, size_t size)
{
	size_t slot;

	if (in->count == in->capacity && !intern_grow_texts(in))
		return INTERN_FAILED;
	slot = intern_text_slot(in, text, size);
	if (in->slots[slot])
		return in->slots[slot] - 1;
	if (in->count >= INTERN_FAILED - 1 || !intern_keep_text(in, text, size))
		return INTERN_FAILED;
	in->ends[in->count] = in->text_size;
	in->slots[slot] = (uint32_t)++in->count;
	return (uint32_t)in->count - 1;
}
