/* SPDX-License-Identifier: MIT */
/* room - see room.h. */
#include "viewer/analysis/room.h"

#define SPARSE 8u /* a table with room for so many times its items is nearly empty */

/* Items that a dict's table of so many bytes has room for: 2^n places of 1 to 8 bytes,
 * two thirds as many entries of 24 (Objects/dictobject.c, 3.6 and later). */
static uint64_t room_dict_room(uint64_t size)
{
	for (unsigned n = 3; n < 48; n++) {
		uint64_t places = 1ull << n, entries = places / 3 * 2;
		unsigned width = n < 8 ? 1 : n < 16 ? 2 : n < 32 ? 4 : 8;

		if (places * width + entries * 24 > size)
			return n > 3 ? places / 3 : 0;
	}
	return 0;
}

/* To two digits: how large a header is, isn't known to the byte. */
static uint64_t room_round(uint64_t n)
{
	uint64_t unit = 1;

	while (n / unit >= 100)
		unit *= 10;
	return n / unit * unit;
}

static uint64_t room_capacity(const struct heap *heap, uint32_t node)
{
	uint64_t size = heap_size(heap, node);

	switch (heap_kind(heap, node)) {
	case SNAP_KIND_LIST:
		return size / 8;
	case SNAP_KIND_DICT:
		return room_dict_room(size);
	case SNAP_KIND_SET:
		return size / 16 / 5 *
			3; /* filled to three fifths, Objects/setobject.c */
	default:
		return 0;
	}
}

bool room_unused(const struct heap *heap, uint32_t container, uint64_t *capacity_ret,
		 uint64_t *items_ret)
{
	struct heap_span refs = heap_refs(heap, container);
	uint64_t items = 0, capacity = room_round(room_capacity(heap, container));

	if (!capacity)
		return false;
	for (uint32_t i = 0; i < refs.count; i++)
		items += refs.target[i] != HEAP_ABSENT;
	if (heap_kind(heap, container) == SNAP_KIND_DICT)
		items /= 2;
	*items_ret = items;
	*capacity_ret = capacity;
	return capacity / SPARSE > items;
}
