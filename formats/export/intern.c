/* SPDX-License-Identifier: MIT */
/* intern - open-addressing hash tables of numbers; see intern.h. */
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

/* ---- texts ---- */

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

/* ---- addresses ---- */

void ordinals_deinit(struct ordinals *o)
{
	free(o->addrs);
	free(o->slots);
	*o = (struct ordinals){ 0 };
}

static size_t intern_addr_slot(const struct ordinals *o, uint64_t addr)
{
	size_t slot = (size_t)((addr >> 3) * 0x9e3779b97f4a7c15u >> 16) & o->mask;

	while (o->slots[slot] && o->addrs[o->slots[slot] - 1] != addr)
		slot = (slot + 1) & o->mask;
	return slot;
}

static bool intern_grow_addrs(struct ordinals *o)
{
	const size_t capacity = o->capacity ? 2 * o->capacity : 1024;
	uint64_t *const addrs = realloc(o->addrs, capacity * sizeof(*addrs));
	uint32_t *slots;

	assert(o->count == o->capacity);
	if (!addrs)
		return false;
	o->addrs = addrs;
	slots = intern_new_slots(capacity, &o->mask);
	if (!slots)
		return false;
	free(o->slots);
	o->slots = slots;
	o->capacity = capacity;
	for (uint32_t i = 0; i < o->count; i++)
		o->slots[intern_addr_slot(o, o->addrs[i])] = i + 1;
	return true;
}

uint32_t ordinals_find(const struct ordinals *o, uint64_t addr)
{
	return o->count == 0 ? ORDINALS_NONE : o->slots[intern_addr_slot(o, addr)] - 1;
}

uint32_t ordinals_add(struct ordinals *o, uint64_t addr)
{
	size_t slot;

	if (o->count == o->capacity && !intern_grow_addrs(o))
		return ORDINALS_NONE;
	slot = intern_addr_slot(o, addr);
	if (o->slots[slot])
		return o->slots[slot] - 1;
	if (o->count >= ORDINALS_NONE - 1)
		return ORDINALS_NONE;
	o->addrs[o->count] = addr;
	o->slots[slot] = (uint32_t)++o->count;
	return (uint32_t)o->count - 1;
}
