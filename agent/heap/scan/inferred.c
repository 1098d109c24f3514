/* SPDX-License-Identifier: MIT */
/* inferred - see inferred.h. */
#include "agent/heap/scan/inferred.h"

#include <string.h>

#include "agent/base/page.h"
#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/core/types.h"
#include "agent/heap/extension/candidates.h"
#include "agent/heap/extension/protocol.h"
#include "agent/heap/extension/state.h"
#include "agent/heap/memory/malloc_idle.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/scan/handles.h"
#include "agent/heap/scan/leads.h"
#include "agent/heap/scan/owners.h"
#include "agent/heap/scan/surplus.h"
#include "agent/heap/scan/unowned.h"

enum {
	INFERRED_QUEUE = 1 << 14,
	INFERRED_STRUCTURE = 1024, /* bytes beyond which a chunk may be a buffer */
	INFERRED_STATE = 64 << 10, /* ... but may be a structure with arrays in it */
	INFERRED_TAG = 7,	   /* bits of a pointer that C++ keeps notes in */
	INFERRED_NEAR = 16,	   /* bytes of a head before what pointers lead to */
	INFERRED_INSIDE = 1024,
	INFERRED_ALIKE = 3,
	INFERRED_HEAD = 128,
	INFERRED_TAIL = 320,	 /* ... and of its ends, which may be a structure's */
	INFERRED_LEFT = 1 << 20, /* bytes that nobody has */
	INFERRED_UNCOUNTED = 8, /* one part in so many that a size leaves out is little */
};

/* chunks.owner: a number of owners.h, and whether it was reached in the step that is
 * being made. */
#define INFERRED_FRESH (1u << 30)
#define INFERRED_NUMBER (INFERRED_FRESH - 1)
#define INFERRED_DIRECT (CHUNKS_IDLE - 1) /* an object points to it, whose isn't said */

struct inferred_item {
	struct lead lead;
	uint32_t owner;
};

struct inferred_queue {
	struct inferred_item *list;
	uint32_t count, capacity;
};

struct inferred {
	struct walk *w;
	struct chunks *c;
	struct owners owners;
	uint32_t now;	  /* the owner whose way we go */
	bool any;	  /* ... leads anywhere */
	uint32_t objects; /* owners that are such; libraries follow */
	struct inferred_queue queue, next;
	struct inferred_queue ranked[OWNERS_RANKS];
	struct inferred_queue doubtful;	 /* for the end */
	bool last;			 /* which has come */
	struct inferred_queue variables; /* leads of libraries, which have them last */
	struct inferred_queue put_off;	 /* leads that are not taken before the end */
	/* of the chunk that is looked at */
	uint64_t from, leads;
	bool far_leads;
	uint8_t inside[INFERRED_INSIDE]; /* how many lead so far into others */
	uint64_t known, known_bytes, idle, idle_bytes;
	uint64_t alone_bytes, shared_bytes, left_bytes;
	struct unowned *unowned;
};

/* ---- what is known ---- */

static void inferred_claim(struct walk *w, void *arg, uint64_t addr, uint32_t number)
{
	struct inferred *inf = arg;

	if (inf->c->owner[number] == CHUNKS_IDLE) {
		inf->idle++;
		inf->idle_bytes += chunks_size(addr);
	} else if (leads_chunk_known(w, addr, chunks_usable(addr))) {
		inf->c->owner[number] = CHUNKS_KNOWN;
		inf->known++;
		inf->known_bytes += chunks_size(addr) - surplus_tell(w, addr);
	}
}

/* ---- who may own anything ---- */

static void inferred_touch(struct walk *w, void *arg, const struct lead *lead)
{
	struct inferred *inf = arg;

	(void)w;
	inf->any = true;
	if (lead->number != LEADS_BLOCK)
		inf->c->owner[lead->number] = INFERRED_DIRECT;
}

static void inferred_note(struct walk *w, void *arg, const struct lead *lead)
{
	(void)w;
	(void)lead;
	((struct inferred *)arg)->any = true;
}

/*
 * Visits what the buffers that an object was told to have lead to: one may be a structure
 * which has more.  Not what it exports: that is data, and rests of what was there.
 */
static void inferred_pass(struct inferred *inf, uint64_t obj, leads_fn *visit)
{
	struct walk *w = inf->w;
	const uint64_t end = obj + candidates_body(w, types_of(w, obj), obj);

	if (protocol_is_data(w, types_of(w, obj)))
		return;
	for (uint64_t at = obj + w->lay->head; at + 8 <= end; at += 8) {
		const uint64_t word = peek64(at);
		uint32_t number;

		if (chunks_find(inf->c, word, &number) == word && word &&
		    inf->c->owner[number] == CHUNKS_KNOWN &&
		    chunks_usable(word) <= INFERRED_STRUCTURE &&
		    !marks_test(&w->marks, word))
			leads_scan(w, inf->c, word, chunks_usable(word), visit, inf);
	}
}

/* Candidates that point to a chunk or a block become owners. */
static void inferred_gather(struct inferred *inf)
{
	struct walk *w = inf->w;
	const struct candidates *list = w->specialists->candidates;

	for (uint32_t i = 0; list && i < list->count && !w->err; i++) {
		const uint64_t obj = list->list[i].obj;

		candidates_later(w, &list->list[i]);
		inf->any = false;
		leads_scan_object(w, inf->c, obj, inferred_touch, inf);
		if (!inf->any)
			inferred_pass(inf, obj, inferred_note);
		if (inf->any && !owners_add_object(w, &inf->owners, obj))
			return;
	}
}

/* ---- going the ways ---- */

static void inferred_push_to(struct inferred *inf, struct inferred_queue *q,
			     const struct lead *lead)
{
	if (q->count == q->capacity) {
		const uint32_t capacity = q->capacity ? 2 * q->capacity : INFERRED_QUEUE;
		struct inferred_item *list =
			arena_map(inf->w->arena, capacity * sizeof(*list));

		if (!list)
			return; /* what it leads to stays nobody's */
		if (q->list) {
			memcpy(list, q->list, q->count * sizeof(*list));
			arena_unmap(inf->w->arena, q->list, q->capacity * sizeof(*list));
		}
		q->list = list;
		q->capacity = capacity;
	}
	q->list[q->count++] = (struct inferred_item){ *lead, inf->now };
}

/* The owner `now` is as near to a chunk as `other` is. Returns the group's number. */
static uint32_t inferred_join(struct inferred *inf, uint32_t other)
{
	struct owner *o = &inf->owners.list[other];

	if (o->sharers) {
		o->sharers += o->last != inf->now;
		o->last = inf->now;
		return other;
	}
	return owners_add(inf->w, &inf->owners,
			  &(struct owner){ .obj = o->obj,
					   .sharers = 2,
					   .last = inf->now,
					   .library = o->library,
					   .level = o->level });
}

static void inferred_count(struct owner *o, uint64_t addr, uint64_t size)
{
	if (!o->first)
		o->first = addr;
	o->bytes += size;
	o->chunks++;
}

/* How many owners there are of an object's type; libraries and groups of them: 0. */
static uint32_t inferred_like(struct inferred *inf, uint32_t number)
{
	const uint64_t obj = inf->owners.list[number].obj;

	return obj ? types_of(inf->w, obj)->owners : 0;
}

/*
 * The owner `now` is as near to a chunk as another one: whose is it?  What there are
 * fewer of has it, as a connection of which there are many statements; those that are
 * alike, or as few, share it.
 */
static uint32_t inferred_nearest(struct inferred *inf, uint32_t other)
{
	const uint32_t mine = inferred_like(inf, inf->now);
	const uint32_t others = inferred_like(inf, other);

	if (mine == others)
		return inferred_join(inf, other);
	return mine < others ? inf->now : other;
}

/*
 * A chunk of the owner `now` leads to where another object's begins.  Where that one
 * knows its object (C++ that Python's object stands for, as torch's tensors: either keeps
 * the other, which a low bit tells), whoever leads to the one keeps the other.
 */
static void inferred_keeps(struct inferred *inf, const struct lead *lead, uint32_t number)
{
	const struct owner *mine = &inf->owners.list[inf->now];
	const struct owner *other = &inf->owners.list[number];

	if (number == inf->now || !mine->obj || mine->sharers || !other->obj ||
	    other->sharers || lead->inside > INFERRED_NEAR ||
	    lead->size > INFERRED_STRUCTURE)
		return;
	for (uint64_t at = lead->addr; at + 8 <= lead->addr + lead->size; at += 8)
		if ((peek64(at) & ~(uint64_t)INFERRED_TAG) == other->obj) {
			candidates_held(inf->w, mine->obj, other->obj);
			return;
		}
}

/* A word of an object or chunk of the owner `now`. */
static void inferred_take(struct walk *w, void *arg, const struct lead *lead)
{
	struct inferred *inf = arg;
	uint32_t value, group;

	if (lead->number == LEADS_BLOCK) { /* the first one to come has it */
		marks_take(&w->marks, lead->addr);
		inferred_count(&inf->owners.list[inf->now], lead->addr, lead->size);
		inferred_push_to(inf, &inf->next, lead);
		return;
	}
	value = inf->c->owner[lead->number];
	if (value == CHUNKS_NOBODY || value == INFERRED_DIRECT) {
		inf->c->owner[lead->number] = inf->now | INFERRED_FRESH;
		inferred_push_to(inf, &inf->next, lead);
	} else if (value & INFERRED_FRESH && (value & INFERRED_NUMBER) != inf->now) {
		group = inferred_nearest(inf, value & INFERRED_NUMBER);
		if (group)
			inf->c->owner[lead->number] = group | INFERRED_FRESH;
	} else if (!(value & INFERRED_FRESH)) {
		inferred_keeps(inf, lead, value);
	}
}

/*
 * A word of a chunk of the owner `now`.  Most pointers lead to the beginning of what they
 * point to, or 8 or 16 behind it (an allocator's own head, a base class), or to where
 * that was aligned; where others do, several like that are together, as in an array of
 * links.  One alone is put off.
 */
static void inferred_meet(struct walk *w, void *arg, const struct lead *lead)
{
	struct inferred *inf = arg;

	if (inf->last || lead->inside <= INFERRED_NEAR || leads_is_aligned(lead) ||
	    inf->inside[lead->inside / 8 % INFERRED_INSIDE] >= INFERRED_ALIKE)
		inferred_take(w, arg, lead);
	else if (lead->number != LEADS_BLOCK &&
		 (inf->c->owner[lead->number] == CHUNKS_NOBODY ||
		  inf->c->owner[lead->number] == INFERRED_DIRECT))
		inferred_push_to(inf, &inf->put_off, lead);
}

/* At the end: a word that is where a chunk begins which nobody has, to the byte. */
static void inferred_meet_exact(struct walk *w, void *arg, const struct lead *lead)
{
	if (lead->number != LEADS_BLOCK && !lead->inside)
		inferred_take(w, arg, lead);
}

/* Whose the item is by now; what was reached next to it later is no longer so near. */
static uint32_t inferred_settle(struct inferred *inf, const struct inferred_item *item)
{
	if (item->lead.number == LEADS_BLOCK)
		return item->owner;
	inf->c->owner[item->lead.number] &= ~INFERRED_FRESH;
	return inf->c->owner[item->lead.number] & INFERRED_NUMBER;
}

static void inferred_tally(struct walk *w, void *arg, const struct lead *lead)
{
	struct inferred *inf = arg;
	uint8_t *const alike = &inf->inside[lead->inside / 8 % INFERRED_INSIDE];

	(void)w;
	if (lead->addr == inf->from)
		return; /* its own parts */
	inf->leads++;
	if (lead->inside > INFERRED_NEAR) {
		inf->far_leads = true;
		*alike += *alike < INFERRED_ALIKE;
	}
}

/*
 * A larger chunk with few pointers among much else is a buffer, or has one in it: what
 * looks like pointers there may be what its memory held before.  Of such only the edges
 * are followed, where there may be a head or links; the rest, where it has more of them,
 * last of all, when only what nobody has is left to find; so are pointers to where such a
 * chunk begins in what may be a large structure (the state of a compressor).
 */
static void inferred_scan(struct inferred *inf, const struct lead *lead)
{
	struct walk *w = inf->w;
	uint64_t words;

	if (inf->far_leads)
		memset(inf->inside, 0, sizeof(inf->inside));
	inf->far_leads = false;
	inf->leads = 0;
	inf->from = lead->addr;
	leads_scan(w, inf->c, lead->addr, lead->size, inferred_tally, inf);
	words = lead->size <= INFERRED_STRUCTURE ? 0 :
						   leads_words(w, lead->addr, lead->size);
	if (!inf->leads)
		return;
	if (inf->leads * 5 >= words || (inf->last && inf->leads * 32 >= words)) {
		leads_scan(w, inf->c, lead->addr, lead->size, inferred_meet, inf);
		return;
	}
	leads_scan(w, inf->c, lead->addr, INFERRED_HEAD, inferred_meet, inf);
	leads_scan(w, inf->c, lead->addr + lead->size - INFERRED_TAIL, INFERRED_TAIL,
		   inferred_meet, inf);
	if (inf->last && lead->size <= INFERRED_STATE)
		leads_scan(w, inf->c, lead->addr, lead->size, inferred_meet_exact, inf);
	else if (!inf->last && (inf->leads * 32 >= words || lead->size <= INFERRED_STATE))
		inferred_push_to(inf, &inf->doubtful, lead);
}

/* All that the queue leads to, step by step, so that the nearest owner has it. */
static void inferred_spread(struct inferred *inf)
{
	while (inf->next.count && !inf->w->err) {
		const struct inferred_queue spare = inf->queue;

		inf->queue = inf->next;
		inf->next = spare;
		inf->next.count = 0;
		for (uint32_t i = 0; i < inf->queue.count; i++)
			inf->queue.list[i].owner =
				inferred_settle(inf, &inf->queue.list[i]);
		for (uint32_t i = 0; i < inf->queue.count && !inf->w->err; i++) {
			inf->now = inf->queue.list[i].owner;
			if (owners_is_flat(inf->w, &inf->owners.list[inf->now]))
				continue;
			inferred_scan(inf, &inf->queue.list[i].lead);
			if (!inf->last)
				leads_held(inf->w, inf->owners.list[inf->now].obj,
					   &inf->queue.list[i].lead);
		}
	}
}

/* ---- roots ---- */

static bool inferred_is_module(struct inferred *inf, uint64_t obj)
{
	return types_of(inf->w, obj)->kind == SNAP_KIND_MODULE;
}

/* Another owner of this level points to the same chunk: whose is it?  What a module and
 * objects of it point to is the module's state. */
static uint32_t inferred_decide(struct inferred *inf, uint32_t other)
{
	const struct owner *o = &inf->owners.list[other];
	const uint64_t mine = inf->owners.list[inf->now].obj;

	if (!o->sharers &&
	    (inferred_is_module(inf, o->obj) || leads_refers(inf->w, mine, o->obj)))
		return other;
	if (!o->sharers &&
	    (inferred_is_module(inf, mine) || leads_refers(inf->w, o->obj, mine)))
		return inf->now;
	return inferred_nearest(inf, other);
}

/* Where a root waits for its owner's turn. */
static void inferred_push_root(struct inferred *inf, const struct lead *lead)
{
	const uint64_t obj = inf->owners.list[inf->now].obj;

	inferred_push_to(inf, &inf->ranked[types_of(inf->w, obj)->rank], lead);
}

/* A chunk that an object of this level points to. */
static void inferred_root(struct walk *w, void *arg, const struct lead *lead)
{
	struct inferred *inf = arg;
	uint32_t value, number;

	if (lead->number == LEADS_BLOCK) {
		marks_take(&w->marks, lead->addr);
		inferred_count(&inf->owners.list[inf->now], lead->addr, lead->size);
		inferred_push_root(inf, lead);
		return;
	}
	value = inf->c->owner[lead->number];
	if (value == CHUNKS_NOBODY || value == INFERRED_DIRECT) {
		inf->c->owner[lead->number] = inf->now | INFERRED_FRESH;
		inferred_push_root(inf, lead);
		return;
	}
	number = value & INFERRED_NUMBER;
	if (!(value & INFERRED_FRESH) || number == inf->now)
		return;
	number = inferred_decide(inf, number);
	if (number)
		inf->c->owner[lead->number] = number | INFERRED_FRESH;
}

/* All roots of a level first, which ends others' ways there; then the types of which
 * there are fewest in their library, and so on. */
static void inferred_level(struct inferred *inf, uint8_t level)
{
	for (uint32_t i = 1; i <= inf->objects && !inf->w->err; i++)
		if (inf->owners.list[i].level == level) {
			inf->now = i;
			leads_scan_object(inf->w, inf->c, inf->owners.list[i].obj,
					  inferred_root, inf);
			inferred_pass(inf, inf->owners.list[i].obj, inferred_root);
		}
	for (uint32_t rank = 0; rank < OWNERS_RANKS; rank++)
		for (uint32_t i = 0; i < inf->ranked[rank].count; i++)
			inferred_settle(inf, &inf->ranked[rank].list[i]);
	for (uint32_t rank = 0; rank < OWNERS_RANKS; rank++) {
		const struct inferred_queue spare = inf->next;

		inf->next = inf->ranked[rank];
		inf->ranked[rank] = spare;
		inf->ranked[rank].count = 0;
		inferred_spread(inf);
	}
}

/* ---- addresses that ints are ---- */

static void inferred_left(struct walk *w, void *arg, uint64_t addr, uint32_t number)
{
	struct inferred *inf = arg;
	const uint32_t value = inf->c->owner[number];

	(void)w;
	if (value == CHUNKS_NOBODY || value == INFERRED_DIRECT)
		inf->left_bytes += chunks_size(addr);
}

static void inferred_handle(struct walk *w, void *arg, uint64_t obj,
			    const struct lead *lead)
{
	struct inferred *inf = arg;
	const uint32_t value = inf->c->owner[lead->number];

	if (value && value != INFERRED_DIRECT && !(value & INFERRED_FRESH))
		return; /* an object's field leads there too */
	inf->now = owners_add(w, &inf->owners,
			      &(struct owner){ .obj = obj, .level = OWNERS_LEVELS });
	if (inf->now)
		inferred_take(w, inf, lead);
}

/* What no field of an object leads to, where that is worth a look at all ints. */
static void inferred_handles(struct inferred *inf)
{
	chunks_each(inf->w, inf->c, inferred_left, inf);
	if (inf->left_bytes < INFERRED_LEFT)
		return;
	handles_each(inf->w, inf->c, inferred_handle, inf);
	inferred_spread(inf);
}

/* ---- libraries ---- */

static void inferred_library_root(struct walk *w, void *arg, const struct lead *lead)
{
	struct inferred *inf = arg;

	(void)w;
	inferred_push_to(inf, &inf->variables, lead);
	if (lead->number == LEADS_BLOCK || inf->c->owner[lead->number] != CHUNKS_NOBODY ||
	    (lead->inside > INFERRED_NEAR && !leads_is_aligned(lead)))
		return;
	inf->c->owner[lead->number] = inf->now;
	inferred_push_to(inf, &inf->next, lead);
}

/* A new library's number. */
static uint32_t inferred_library(struct inferred *inf, const char *path)
{
	const char *slash = strrchr(path, '/');

	return owners_add(
		inf->w, &inf->owners,
		&(struct owner){
			.library = strings_add_text(inf->w, slash ? slash + 1 : path),
			.level = OWNERS_LEVELS,
		});
}

/* The writable data of each program and library; bss has no name, the mapping before
 * it does. */
static void inferred_libraries(struct inferred *inf)
{
	struct walk *w = inf->w;
	const char *path = "", *last = NULL;

	for (uint32_t i = 0; i < w->nranges && !w->err; i++) {
		const struct walk_range *r = &w->ranges[i];

		if (r->path[0])
			path = r->path;
		if (!r->image || (r->perms & 3) != 3 || strstr(path, "libpymemagent"))
			continue;
		if (!last || strcmp(last, path))
			inf->now = inferred_library(inf, path);
		last = path;
		if (!inf->now)
			return;
		for (uint64_t at = r->start; at < r->end;
		     at = page_floor(at) + page_size())
			leads_scan(w, inf->c, at, page_size(), inferred_library_root,
				   inf);
	}
}

/* Their turn, with what their variables lead to otherwise: blocks that are still
 * nobody's, too. */
static void inferred_add_libraries(struct inferred *inf,
				   const struct inferred_queue *roots)
{
	const struct inferred_queue *const q = &inf->variables;

	inf->next = *roots;
	for (uint32_t i = 0; i < q->count && !inf->w->err; i++) {
		inf->now = q->list[i].owner;
		if (leads_still(inf->w, &q->list[i].lead))
			inferred_take(inf->w, inf, &q->list[i].lead);
	}
	inferred_spread(inf);
}

/* ---- the end ---- */

static void inferred_account(struct walk *w, void *arg, uint64_t addr, uint32_t number)
{
	struct inferred *inf = arg;
	const uint32_t value = inf->c->owner[number];
	struct owner *owner;

	if (value >= CHUNKS_IDLE)
		return;
	if (value == CHUNKS_NOBODY || value == INFERRED_DIRECT) {
		unowned_add(w, inf->unowned, addr, 0);
		return;
	}
	owner = &inf->owners.list[value & INFERRED_NUMBER];
	if (!owner->obj) {
		unowned_add(w, inf->unowned, addr, owner->library);
		return;
	}
	inferred_count(owner, addr, chunks_size(addr));
}

/* Does the object's size, as its own C code tells it, count what was found? */
static uint32_t inferred_counted(struct inferred *inf, const struct owner *o)
{
	struct walk *w = inf->w;
	struct walk_type *type = types_of(w, o->obj);
	const uint64_t body = instances_body(w, type, o->obj);
	uint64_t size;

	if (type->fixed_size || !type->size || o->sharers)
		return 0;
	size = type->size(w, type, o->obj);
	/* a lock, or what malloc rounds up, is not in it */
	return size > body &&
			size - body + MALLOC_HEAD * o->chunks >=
				o->bytes - o->bytes / INFERRED_UNCOUNTED ?
		SNAP_BUFFER_COUNTED :
		0;
}

static void inferred_emit(struct inferred *inf)
{
	struct walk *w = inf->w;
	const uint32_t source = strings_add_text(w, "malloc");

	for (uint32_t i = 1; i <= inf->owners.count && !w->err; i++) {
		const struct owner *o = &inf->owners.list[i];
		struct snap_buffer event = {
			.object = o->obj,
			.data = o->first,
			.length = o->bytes,
			.source = source,
			.flags = SNAP_BUFFER_OWNER | SNAP_BUFFER_INFERRED,
			.chunks = o->chunks,
			.sharers = o->sharers,
		};

		if (!o->obj || !o->bytes)
			continue;
		/* who joined twice, with others in between, was counted twice */
		if (inferred_like(inf, i) && event.sharers > inferred_like(inf, i))
			event.sharers = inferred_like(inf, i);
		event.flags |= inferred_counted(inf, o);
		*(o->sharers ? &inf->shared_bytes : &inf->alone_bytes) += o->bytes;
		EVENTS_SEND(w, buffer, &event);
	}
}

static void inferred_facts(struct inferred *inf)
{
	struct walk *w = inf->w;
	const struct candidates *list = w->specialists->candidates;

	events_fact_u64(w, "malloc.cached_chunks", inf->idle);
	events_fact_u64(w, "malloc.cached_bytes", inf->idle_bytes);
	events_fact_u64(w, "malloc.known_chunks", inf->known);
	events_fact_u64(w, "malloc.known_bytes", inf->known_bytes);
	events_fact_u64(w, "malloc.inferred_bytes", inf->alone_bytes);
	events_fact_u64(w, "malloc.shared_bytes", inf->shared_bytes);
	if (list && list->full)
		events_fact_text(w, "malloc.note",
				 "more objects that may own memory than are looked at",
				 51);
}

void inferred_run(struct walk *w)
{
	struct inferred *inf;
	struct inferred_queue libraries;

	if (!w->options->in_copy || !w->specialists || w->err)
		return;
	inf = arena_map(w->arena, sizeof(*inf));
	if (!inf)
		return;
	inf->w = w;
	inf->c = chunks_make(w);
	if (inf->c)
		malloc_idle_mark(w, inf->c);
	inf->unowned = inf->c ? unowned_begin(w) : NULL;
	if (!inf->unowned)
		return;
	chunks_each(w, inf->c, inferred_claim, inf);
	inferred_gather(inf);
	if (!owners_order(w, &inf->owners))
		return;
	inf->objects = inf->owners.count;
	inferred_libraries(inf); /* wait for their turn */
	libraries = inf->next;
	inf->next = (struct inferred_queue){ 0 };
	for (uint8_t level = 0; level < OWNERS_LEVELS; level++)
		inferred_level(inf, level);
	inferred_handles(inf);
	inferred_add_libraries(inf, &libraries);
	inf->next = inf->doubtful;
	inf->last = true;
	for (uint32_t i = 0; i < inf->put_off.count; i++) {
		inf->now = inf->put_off.list[i].owner;
		inferred_take(w, inf, &inf->put_off.list[i].lead);
	}
	inferred_spread(inf);
	chunks_each(w, inf->c, inferred_account, inf);
	inferred_emit(inf);
	unowned_finish(w, inf->unowned);
	inferred_facts(inf);
}
