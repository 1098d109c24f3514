/* SPDX-License-Identifier: MIT */
/* thread_start - see thread_start.h. */
#include "agent/heap/roots/thread_start.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/python/object.h"

enum { THREAD_START_NEAR = 16 << 10, THREAD_START_STEP = 1024 };

static const char *const thread_start_names[] = { "start function", "start arguments",
						  "start keywords" };

static bool thread_start_is_of(struct walk *w, uint64_t addr, uint64_t type)
{
	return sound_to_follow(w, addr) && object_type(w->lay, addr) == type;
}

static bool thread_start_is_record(struct walk *w, uint64_t addr, uint64_t tstate,
				   uint64_t state)
{
	uint64_t owner, keywords;

	if (addr % 8 || !peek_plausible(addr) || !ranges_readable(w, addr, 32))
		return false;
	owner = peek64(addr);
	keywords = peek64(addr + 24);
	return (owner == tstate || owner == state) &&
		thread_start_is_of(w, peek64(addr + 16),
				   CPYTHON_ADDR(w->py, tuple_type)) &&
		(!keywords ||
		 thread_start_is_of(w, keywords, CPYTHON_ADDR(w->py, dict_type))) &&
		sound_to_follow(w, peek64(addr + 8));
}

void thread_start_emit(struct walk *w, const struct interp *interp, uint64_t tstate,
		       uint64_t ident, uint32_t thread)
{
	uint64_t at = ident & ~7ull;

	if (!ident || !peek_plausible(ident))
		return;
	for (uint64_t n = 0; n < THREAD_START_NEAR; n += 8) {
		at -= 8;
		if (n % THREAD_START_STEP == 0 &&
		    !ranges_readable(w, at + 8 - THREAD_START_STEP, THREAD_START_STEP))
			return;
		const uint64_t record = peek64(at);

		if (!thread_start_is_record(w, record, tstate, interp->state))
			continue;
		for (uint64_t i = 0; i < 3; i++) {
			const uint64_t word = peek64(record + 8 + 8 * i);

			if (word)
				events_root(w, SNAP_ROOT_THREAD, SNAP_ROOT_CONSERVATIVE,
					    thread, 0,
					    strings_add_text(w, thread_start_names[i]),
					    word);
		}
		return;
	}
}
