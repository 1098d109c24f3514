/* SPDX-License-Identifier: MIT */
/*
 * sizecheck - our sizes against the interpreter's own answer.
 *
 * While sweeping a sample is kept.  There is room for twice the wanted number;
 * when it is full, half of it is thrown away at random and from then on half as
 * many objects are taken: every 2^level-th on average, at random distances, so
 * most objects cost one decrement, and the sample has from one to two times the
 * wanted number (all objects when there are fewer).  They are taken in runs of
 * neighbours: asking writes to an object (its reference count), so each page that
 * holds one costs the copy a page of its own, 40 MB for 10,000 scattered ones.
 *
 * After the sweeps, in the copy only, each one's size is asked of
 * _PySys_GetSizeOf, which calls __sizeof__; types whose __sizeof__ is Python code
 * are left out.  That call replaces entries of the type attribute cache, which
 * own their names, so it must not come before all objects have been written.
 */
#include "agent/heap/scan/sizecheck.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/position.h"
#include "agent/heap/core/types.h"
#include "agent/python/call.h"
#include "agent/python/object.h"
#include "agent/python/type_flags.h"

enum { RUN = 32 }; /* objects of a run; some 64 bytes each: half a page */

struct sample {
	uint64_t obj, size;
	struct walk_type *type;
};

struct sizecheck {
	struct sample *samples;
	uint32_t count, capacity;
	uint32_t level;
	uint32_t run; /* taken of the present run */
	uint64_t random;
};

struct tally {
	uint64_t checked, mismatched, ours, theirs;
};

static struct sizecheck sizecheck_off; /* nothing is sampled */

static uint64_t sizecheck_random(struct sizecheck *check)
{
	uint64_t x = check->random += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static struct sizecheck *sizecheck_begin(struct walk *w)
{
	uint32_t limit =
		w->options->sample_limit ? w->options->sample_limit : WALK_SAMPLE_LIMIT;
	struct sizecheck *check = NULL;

	if (call_possible() && w->options->in_copy && w->py->sym.sizeof_object)
		check = arena_alloc(w->arena, sizeof(*check));
	if (check) {
		check->samples =
			arena_map(w->arena, 2ull * limit * sizeof(*check->samples));
		check->capacity = 2 * limit;
		check->random = w->options->seed;
	}
	w->sizecheck = check && check->samples ? check : &sizecheck_off;
	return w->sizecheck;
}

static void sizecheck_halve(struct sizecheck *check)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < check->count; i += RUN) {
		const uint32_t left = check->count - i, n = left < RUN ? left : RUN;

		if (!(sizecheck_random(check) >> 63))
			continue;
		memmove(&check->samples[kept], &check->samples[i],
			n * sizeof(*check->samples));
		kept += n;
	}
	check->count = kept;
	check->run = 0;
	check->level++;
}

void sizecheck_take(struct walk *w, struct walk_type *type, uint64_t obj, uint64_t size)
{
	struct sizecheck *check = w->sizecheck;

	if (!check)
		check = sizecheck_begin(w);
	if (check == &sizecheck_off) {
		w->sample_skip = INT64_MAX;
		return;
	}
	if (check->count == check->capacity)
		sizecheck_halve(check);
	check->samples[check->count++] =
		(struct sample){ .obj = obj, .size = size, .type = type };
	w->sample_skip = 0; /* the next one too */
	if (!check->level || ++check->run < RUN)
		return;
	/* runs to skip, uniform in [0, 2^(level + 1) - 2]: 2^level - 1 on average */
	check->run = 0;
	w->sample_skip =
		(int64_t)(RUN * (sizecheck_random(check) % ((2ull << check->level) - 1)));
}

/* ---- afterwards ---- */

static bool sizecheck_askable(const struct walk_type *type)
{
	return !(type->flags & (SNAP_TYPE_APPROX | SNAP_TYPE_OPAQUE)) &&
		!type->size_approx;
}

/*
 * One reference more for a str: asking about one object replaces cache entries, and some
 * of these hold the last reference to a name that is in the sample too.  Builds with
 * Py_TRACE_REFS end the process when an object dies twice.  Immortal counts stay, and
 * all others': a BytesIO asks whether it alone has its bytes (Modules/_io/bytesio.c).
 */
static void sizecheck_keep_alive(const struct walk *w, uint64_t obj)
{
	const uint16_t at = w->lay->free_threaded ? w->lay->refcnt_local : w->lay->refcnt;
	uint32_t count = peek32(obj + at);

	if (count >= 1u << 30)
		return;
	count++;
	memcpy((void *)(uintptr_t)(obj + at), &count, sizeof(count));
}

static void sizecheck_compare(struct walk *w, const struct sizecheck *check,
			      struct tally *tallies, uint32_t types)
{
	for (uint32_t i = 0; i < check->count; i++)
		if (sizecheck_askable(check->samples[i].type) &&
		    object_has(w->lay, check->samples[i].obj, TYPE_STR_SUBCLASS))
			sizecheck_keep_alive(w, check->samples[i].obj);
	for (uint32_t i = 0; i < check->count; i++) {
		const struct sample *sample = &check->samples[i];
		struct tally *tally = &tallies[sample->type->id];
		uint64_t theirs;

		if (!sizecheck_askable(sample->type) || sample->type->id > types)
			continue;
		position_enter(sample->obj, sample->type->name_text);
		theirs = call_word_of(w->py->sym.sizeof_object, sample->obj);
		if (theirs == (uint64_t)-1) {
			call_nothing(w->py->sym.err_clear);
			continue;
		}
		tally->checked++;
		if (theirs == sample->size)
			continue;
		tally->mismatched++;
		tally->ours += sample->size;
		tally->theirs += theirs;
	}
	position_enter(0, "");
}

void sizecheck_run(struct walk *w)
{
	const struct sizecheck *check = w->sizecheck;
	uint64_t checked = 0, mismatched = 0;
	struct walk_type *type;
	struct tally *tallies;
	uint32_t types = 0;

	if (!check || check == &sizecheck_off || !w->py->sym.err_clear)
		return;
	while (types_by_id(w, types + 1))
		types++;
	tallies = arena_map(w->arena, (types + 1ull) * sizeof(*tallies));
	if (!tallies)
		return;
	sizecheck_compare(w, check, tallies, types);
	for (uint32_t id = 1; (type = types_by_id(w, id)) && !w->err; id++) {
		const struct tally *tally = &tallies[id];
		struct snap_size_check event = {
			.type = id,
			.checked = tally->checked,
			.mismatched = tally->mismatched,
			.ours = tally->ours,
			.theirs = tally->theirs,
		};

		checked += tally->checked;
		mismatched += tally->mismatched;
		if (tally->checked && id <= types)
			EVENTS_SEND(w, size_check, &event);
	}
	events_fact_u64(w, "size_check.checked", checked);
	events_fact_u64(w, "size_check.mismatched", mismatched);
}
