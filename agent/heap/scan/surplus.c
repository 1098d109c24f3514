/* SPDX-License-Identifier: MIT */
/* surplus - see surplus.h. */
#include "agent/heap/scan/surplus.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/core/types.h"
#include "agent/heap/extension/protocol.h"
#include "agent/heap/memory/chunks.h"
#include "agent/heap/object/size_plan.h"

enum {
	SURPLUS_BEFORE = 48, /* bytes of a block before its object, at most */
	SURPLUS_LEAST = 512, /* malloc's rounding, and room that realloc left, is less */
	SURPLUS_PART = 8,    /* ... than one part in so many of the block */
};

/* The object that begins in the chunk's first words; 0: none. */
static uint64_t surplus_object(const struct walk *w, uint64_t addr)
{
	for (uint64_t at = addr; at <= addr + SURPLUS_BEFORE; at += 8)
		if (marks_test(&w->marks, at))
			return at;
	return 0;
}

/* As sys.getsizeof would say. */
static uint64_t surplus_size(struct walk *w, struct walk_type *type, uint64_t obj)
{
	if (type->fixed_size)
		return type->fixed_size;
	return type->size(w, type, obj) +
		(type->prefix_asks ? size_plan_prefix(w, type, obj) : type->prefix);
}

uint64_t surplus_tell(struct walk *w, uint64_t addr)
{
	const uint64_t usable = chunks_usable(addr), obj = surplus_object(w, addr);
	struct walk_type *type = obj ? types_of(w, obj) : NULL;
	struct snap_buffer event = { .object = obj, .chunks = 1 };
	uint64_t size;

	if (!type || type->kind != SNAP_KIND_OBJECT || type->known_native ||
	    (!type->fixed_size && !type->size) || protocol_is_data(w, type))
		return 0;
	size = surplus_size(w, type, obj);
	if (size >= usable || usable - size < SURPLUS_LEAST ||
	    (usable - size) * SURPLUS_PART < usable)
		return 0;
	event.data = addr + size;
	event.length = usable - size;
	event.source = strings_add_text(w, "malloc");
	event.flags = SNAP_BUFFER_OWNER;
	EVENTS_SEND(w, buffer, &event);
	return event.length;
}
