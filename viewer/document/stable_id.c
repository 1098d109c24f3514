/* SPDX-License-Identifier: MIT */
/* stable_id - see stable_id.h. */
#include "viewer/document/stable_id.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* hash: of name and number, 0: a free slot; last: from which the last number came. */
struct stable_other {
	uint64_t hash, last;
};

static uint64_t stable_id_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93ull;
	return hash ^ hash >> 32;
}

static uint64_t stable_id_text(const char *text, size_t size)
{
	uint64_t hash = size;

	for (size_t i = 0; i < size; i++)
		hash = stable_id_mix(hash, (unsigned char)text[i]);
	return hash;
}

/* Of a table with at least one slot free for each that is used. */
static size_t stable_id_slots(size_t used)
{
	size_t slots = 1024;

	while (slots < 2 * used)
		slots *= 2;
	return slots;
}

int stable_id_init(struct stable_id *s, const struct heap *heap)
{
	const size_t slots = stable_id_slots((size_t)heap->nodes + STABLE_ID_RESERVED);
	const size_t others = stable_id_slots(heap->nodes - heap->objects);

	*s = (struct stable_id){ .mask = slots - 1, .other_mask = others - 1 };
	s->type = malloc(((size_t)heap->types + 1) * sizeof(*s->type));
	if (!s->type || vec_alloc(&s->taken, slots * 4) ||
	    vec_alloc(&s->other, others * sizeof(struct stable_other)) ||
	    vec_alloc(&s->address, heap->objects * 8ul))
		return -ENOMEM;
	addrmap_list(&heap->addrs, s->address.data, heap->objects);
	s->type[0] = 0;
	for (uint32_t t = 1; t <= heap->types; t++) {
		size_t size;
		const char *name = heap_string(heap, heap_type(heap, t)->name, &size);

		s->type[t] = stable_id_text(name, size);
	}
	return 0;
}

void stable_id_free(struct stable_id *s)
{
	vec_free(&s->taken);
	vec_free(&s->other);
	free(s->type);
	vec_free(&s->address);
	*s = (struct stable_id){ 0 };
}

/* True if the number was free; it is taken now. */
static bool stable_id_take(struct stable_id *s, uint32_t id)
{
	uint32_t *const taken = VEC(s->taken, uint32_t);
	size_t slot = stable_id_mix(1, id) & s->mask;

	while (taken[slot]) {
		if (taken[slot] == id)
			return false;
		slot = (slot + 1) & s->mask;
	}
	taken[slot] = id;
	return true;
}

/* *hash: where to begin; the number's own afterwards. */
static uint32_t stable_id_of_hash(struct stable_id *s, uint64_t *hash)
{
	uint32_t id;

	assert(s->taken.size);
	do {
		*hash = stable_id_mix(*hash, 1);
		id = (uint32_t)*hash | 1;
	} while (id < 2 * STABLE_ID_RESERVED || !stable_id_take(s, id));
	return id;
}

uint32_t stable_id_object(struct stable_id *s, const struct heap *heap, uint32_t object)
{
	uint64_t hash = stable_id_mix(s->type[heap_type_of(heap, object)],
				      VEC(s->address, uint64_t)[object]);

	return stable_id_of_hash(s, &hash);
}

static struct stable_other *stable_id_place(struct stable_id *s, uint64_t hash)
{
	struct stable_other *const other = s->other.data;
	size_t slot = hash & s->other_mask;

	while (other[slot].hash && other[slot].hash != hash)
		slot = (slot + 1) & s->other_mask;
	return &other[slot];
}

uint32_t stable_id_other(struct stable_id *s, const char *name, size_t size,
			 uint64_t number)
{
	uint64_t hash = stable_id_mix(stable_id_text(name, size), number);
	struct stable_other *const other = stable_id_place(s, hash ? hash : 1);

	if (!other->hash)
		*other = (struct stable_other){ hash ? hash : 1, hash };
	return stable_id_of_hash(s, &other->last);
}
