/* SPDX-License-Identifier: MIT */
/* interned - see interned.h. */
#include "agent/heap/roots/interned.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/python/dict.h"

enum { INTERNED_SAMPLE = 32 };

bool interned_is(struct walk *w, uint64_t dict)
{
	struct dict_iter iter;
	uint64_t key, value;
	int n = 0;

	if (!dict_begin(w->lay, dict, &iter) ||
	    peek64(dict + w->lay->dict_used) < 4 * INTERNED_SAMPLE)
		return false;
	while (n < INTERNED_SAMPLE && dict_next(&iter, &key, &value)) {
		if (key != value ||
		    object_type(w->lay, key) != CPYTHON_ADDR(w->py, unicode_type))
			return false;
		n++;
	}
	return n == INTERNED_SAMPLE;
}

void interned_emit(struct walk *w, uint64_t dict)
{
	int i = 0;

	while (i < WALK_INTERNED && w->interned[i] && w->interned[i] != dict)
		i++;
	if (i == WALK_INTERNED || w->interned[i] == dict)
		return;
	w->interned[i] = dict;
	events_root(w, SNAP_ROOT_INTERNED, 0, 0, 0, strings_add_text(w, "strings"), dict);
}

/* 3.12+: in the interpreter's state, or (3.12) the runtime's. */
void interned_find_in_state(struct walk *w, uint64_t start, uint64_t size)
{
	uint64_t dict_type = CPYTHON_ADDR(w->py, dict_type);

	for (uint64_t at = start; at + 8 <= start + size; at += 8) {
		uint64_t word = peek64(at);

		if (sound_exact(w, word, dict_type) && interned_is(w, word)) {
			interned_emit(w, word);
			return;
		}
	}
}
