/* SPDX-License-Identifier: MIT */
/* strings - see strings.h. */
#include "agent/heap/core/strings.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/table.h"
#include "agent/python/str.h"

enum { STRINGS_MAX = 4000 }; /* longer names are cut: they are labels, not values */

struct strings {
	struct table table;
	uint32_t next;
	char scratch[4096];
};

int strings_begin(struct walk *w)
{
	w->strings = arena_alloc(w->arena, sizeof(*w->strings));
	return w->strings ? 0 : -ENOMEM;
}

uint32_t strings_add(struct walk *w, const char *text, size_t size)
{
	struct strings *strings = w->strings;
	struct table_slot *slot;
	uint64_t hash;
	char *copy;

	if (!size)
		return 0;
	if (size > STRINGS_MAX) { /* not in the middle of a character */
		for (size = STRINGS_MAX;
		     size && ((unsigned char)text[size] & 0xc0) == 0x80;)
			size--;
	}
	if (!table_reserve(&strings->table, w->arena)) {
		context_check(w, -ENOMEM);
		return 0;
	}
	hash = table_hash(text, size);
	slot = table_find(&strings->table, hash, text, size);
	if (slot->hash)
		return slot->id;
	copy = context_alloc(w, size + 1);
	if (!copy)
		return 0;
	memcpy(copy, text, size);
	*slot = (struct table_slot){ hash, (uintptr_t)copy, (uint32_t)size,
				     ++strings->next };
	strings->table.count++;
	EVENTS_SEND(w, string, slot->id, copy, size);
	return slot->id;
}

uint32_t strings_add_text(struct walk *w, const char *text)
{
	return strings_add(w, text, strlen(text));
}

uint32_t strings_add_object(struct walk *w, uint64_t obj)
{
	char *buf = w->strings->scratch;
	size_t size = str_text(w->lay, obj, buf, sizeof(w->strings->scratch));

	return strings_add(w, buf, size);
}
