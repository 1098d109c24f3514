/* SPDX-License-Identifier: MIT */
/*
 * relay - see relay.h.
 *
 * One producer, one consumer.  `filled` counts the chunks handed over, `emptied` those
 * replayed; each is written by one side only, and is what the other side sleeps on, once
 * it has looked for some time: up to that of a chunk, but less each time that looking did
 * not help, as where the other side waits for the CPU that we look with.  A side says
 * that it is about to sleep, then looks again; the other changes its count, then looks
 * whether somebody sleeps (all sequentially consistent, so one of them sees the other).
 *
 * A record is a header, the event's struct, and the bytes it points to, which the
 * consumer's copy of the struct is made to point to again.
 */
#include "agent/snap/relay.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "agent/base/cpu.h"
#include "agent/base/invariant.h"
#include "agent/snap/spawn.h"

enum {
	RELAY_CHUNKS = 4,
	RELAY_CHUNK = 256 << 10, /* bytes; at 100 a record, 2,600 objects */
	RELAY_SPINS_MAX = 20000, /* some 300 us; waking a sleeping CPU costs 100 */
	RELAY_SPINS_MIN = 32,
	RELAY_STACK = 256 << 10, /* zstd's level 1 needs a few KiB */
};

struct relay_chunk {
	uint32_t used;
	char data[RELAY_CHUNK] __attribute__((aligned(64)));
};

struct relay_head {
	uint32_t event; /* enum relay_event */
	uint32_t size;	/* of the record, header included */
};

/* Counts chunks; `awaited`: the other side sleeps on it, or is about to, having looked
 * `spins` times. */
struct relay_clock {
	_Atomic(uint32_t) count, awaited;
	uint32_t spins;
};

struct relay {
	struct snap_sink sink;
	struct snap_sink *to;
	struct relay_chunk *chunks;
	struct relay_chunk *filling; /* the producer's */
	struct relay_clock filled, emptied;
	_Atomic(int) err;     /* of the sink; sticky */
	_Atomic(bool) ending; /* the chunks handed over are the last ones */
	struct spawned consumer;
};

struct relay_string { /* the arguments of snap_sink_ops.string */
	uint32_t id;
	size_t size;
};

struct relay_whole { /* ... of snap_sink_ops.whole */
	struct snap_object object;
	struct snap_value value; /* kind 0: none */
};

/* clang-format off */
#define RELAY_PLAIN_EVENTS(X) \
	X(type) X(thread) X(frame) X(root) X(map) X(buffer) X(chunks) X(shared) \
	X(absent) X(site) X(trace) X(line) X(size_check) X(error) X(progress)
/* clang-format on */

enum relay_event {
	RELAY_object,
	RELAY_value,
	RELAY_whole,
	RELAY_fact,
	RELAY_string,
	RELAY_shape,
#define X(name) RELAY_##name,
	RELAY_PLAIN_EVENTS(X)
#undef X
		RELAY_EVENT_COUNT
};

/* ---- clocks ---- */

static void relay_clock_init(struct relay_clock *clock)
{
	clock->spins = RELAY_SPINS_MAX;
}

static void relay_clock_await(struct relay_clock *clock, uint32_t value)
{
	for (uint32_t i = 0; i < clock->spins; i++) {
		if (atomic_load_explicit(&clock->count, memory_order_acquire) != value) {
			if (clock->spins < RELAY_SPINS_MAX)
				clock->spins *= 2;
			return;
		}
		cpu_pause();
	}
	if (clock->spins > RELAY_SPINS_MIN)
		clock->spins /= 4;
	atomic_store(&clock->awaited, 1);
	if (atomic_load(&clock->count) == value)
		spawn_futex_wait(&clock->count, value);
	atomic_store(&clock->awaited, 0);
}

static void relay_clock_tick(struct relay_clock *clock)
{
	atomic_fetch_add(&clock->count, 1);
	if (atomic_load(&clock->awaited))
		spawn_futex_wake(&clock->count);
}

static uint32_t relay_clock_read(struct relay_clock *clock)
{
	return atomic_load(&clock->count);
}

/* ---- the consumer ---- */

/* What is for `whole`, to a sink that may lack it. */
static int relay_both(struct snap_sink *to, const struct snap_object *o,
		      const struct snap_value *v)
{
	int err;

	if (to->ops->whole)
		return to->ops->whole(to, o, v);
	err = to->ops->object(to, o);
	return err || !v ? err : to->ops->value(to, v);
}

static int relay_replay_object(struct snap_sink *to, void *event)
{
	struct snap_object *const o = event;

	o->refs = (const uint64_t *)(o + 1);
	return to->ops->object(to, o);
}

static int relay_replay_value(struct snap_sink *to, void *event)
{
	struct snap_value *const v = event;

	v->text = (const char *)(v + 1);
	return to->ops->value(to, v);
}

static int relay_replay_whole(struct snap_sink *to, void *event)
{
	struct relay_whole *const both = event;
	struct snap_object *const o = &both->object;
	struct snap_value *const v = both->value.kind ? &both->value : NULL;

	o->refs = (const uint64_t *)(both + 1);
	both->value.text = (const char *)(o->refs + o->nrefs);
	return relay_both(to, o, v);
}

static int relay_replay_fact(struct snap_sink *to, void *event)
{
	struct snap_fact *const f = event;

	f->text = (const char *)(f + 1);
	f->key = f->text + f->size;
	return to->ops->fact(to, f);
}

static int relay_replay_string(struct snap_sink *to, void *event)
{
	const struct relay_string *const s = event;

	return to->ops->string(to, s->id, (const char *)(s + 1), s->size);
}

static int relay_replay_shape(struct snap_sink *to, void *event)
{
	struct snap_shape *const s = event;

	s->fixed = (const struct snap_label *)(s + 1);
	return to->ops->shape(to, s);
}

#define X(name) \
	static int relay_replay_##name(struct snap_sink *to, void *event) \
	{ \
		return to->ops->name(to, event); \
	}
RELAY_PLAIN_EVENTS(X)
#undef X

static int (*const relay_replays[RELAY_EVENT_COUNT])(struct snap_sink *, void *) = {
	[RELAY_object] = relay_replay_object,
	[RELAY_value] = relay_replay_value,
	[RELAY_whole] = relay_replay_whole,
	[RELAY_fact] = relay_replay_fact,
	[RELAY_string] = relay_replay_string,
	[RELAY_shape] = relay_replay_shape,
#define X(name) [RELAY_##name] = relay_replay_##name,
	RELAY_PLAIN_EVENTS(X)
#undef X
};

static int relay_replay(struct snap_sink *to, struct relay_chunk *chunk)
{
	uint32_t at = 0;
	int rc = 0;

	while (at < chunk->used && rc == 0) {
		const struct relay_head *const head = (const void *)(chunk->data + at);

		INVARIANT(head->event < RELAY_EVENT_COUNT && head->size);
		rc = relay_replays[head->event](to, chunk->data + at + sizeof(*head));
		at += head->size;
	}
	return rc;
}

/* The second thread. */
static void relay_consume(void *arg)
{
	struct relay *const r = arg;

	for (;;) {
		const uint32_t mine = relay_clock_read(&r->emptied);
		int rc;

		while (relay_clock_read(&r->filled) == mine)
			relay_clock_await(&r->filled, mine);
		if (atomic_load(&r->ending))
			return;
		if (!atomic_load(&r->err)) {
			rc = relay_replay(r->to, &r->chunks[mine % RELAY_CHUNKS]);
			if (rc)
				atomic_store(&r->err, rc);
		}
		relay_clock_tick(&r->emptied);
	}
}

/* ---- the producer ---- */

static inline struct relay *relay_of(struct snap_sink *sink)
{
	return (struct relay *)sink;
}

/* Waits until no more than `most` chunks are with the consumer. */
static void relay_await(struct relay *r, uint32_t most)
{
	const uint32_t filled = relay_clock_read(&r->filled);
	uint32_t emptied;

	while (filled - (emptied = relay_clock_read(&r->emptied)) > most)
		relay_clock_await(&r->emptied, emptied);
}

/* The chunk is the consumer's from here on; another one is taken. */
static int relay_pass_on(struct relay *r)
{
	if (r->filling->used) {
		relay_clock_tick(&r->filled);
		relay_await(r, RELAY_CHUNKS - 1);
		r->filling = &r->chunks[relay_clock_read(&r->filled) % RELAY_CHUNKS];
		r->filling->used = 0;
	}
	return atomic_load_explicit(&r->err, memory_order_relaxed);
}

int relay_drain(struct relay *r)
{
	relay_pass_on(r);
	relay_await(r, 0);
	return atomic_load(&r->err);
}

void relay_stop(struct relay *r)
{
	INVARIANT(!atomic_load(&r->ending));
	relay_drain(r);
	atomic_store(&r->ending, true);
	relay_clock_tick(
		&r->filled); /* no chunk: it has nothing left to do but to see that */
	spawn_join(&r->consumer);
}

/* Room for a record of that many bytes after its header; NULL: it fits no chunk, and
 * the consumer is idle now. */
static inline void *relay_room(struct relay *r, enum relay_event event, size_t size,
			       int *err_ret)
{
	const size_t all = (sizeof(struct relay_head) + size + 7) & ~(size_t)7;
	struct relay_head *head;

	*err_ret = 0;
	if (__builtin_expect(all > RELAY_CHUNK - r->filling->used, 0)) {
		if (all > RELAY_CHUNK / 2) {
			*err_ret = relay_drain(r);
			return NULL;
		}
		*err_ret = relay_pass_on(r);
	}
	INVARIANT(all <= RELAY_CHUNK - r->filling->used);
	head = (struct relay_head *)(r->filling->data + r->filling->used);
	*head = (struct relay_head){ .event = event, .size = (uint32_t)all };
	r->filling->used += (uint32_t)all;
	return head + 1;
}

static int relay_on_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct relay *const r = relay_of(sink);
	const size_t refs = (size_t)o->nrefs * sizeof(*o->refs);
	int err;
	char *const p = relay_room(r, RELAY_object, sizeof(*o) + refs, &err);

	if (__builtin_expect(!p, 0))
		return err ? err : r->to->ops->object(r->to, o);
	memcpy(p, o, sizeof(*o));
	if (refs)
		memcpy(p + sizeof(*o), o->refs, refs);
	return err;
}

static int relay_on_value(struct snap_sink *sink, const struct snap_value *v)
{
	struct relay *const r = relay_of(sink);
	int err;
	char *const p = relay_room(r, RELAY_value, sizeof(*v) + v->size, &err);

	if (!p)
		return err ? err : r->to->ops->value(r->to, v);
	memcpy(p, v, sizeof(*v));
	if (v->size)
		memcpy(p + sizeof(*v), v->text, v->size);
	return err;
}

static int relay_on_whole(struct snap_sink *sink, const struct snap_object *o,
			  const struct snap_value *v)
{
	struct relay *const r = relay_of(sink);
	const size_t refs = (size_t)o->nrefs * sizeof(*o->refs);
	struct relay_whole *both;
	int err;

	both = relay_room(r, RELAY_whole, sizeof(*both) + refs + (v ? v->size : 0), &err);
	if (__builtin_expect(!both, 0))
		return err ? err : relay_both(r->to, o, v);
	both->object = *o;
	if (refs)
		memcpy(both + 1, o->refs, refs);
	if (!v) {
		both->value.kind = 0;
		return err;
	}
	both->value = *v;
	if (v->size)
		memcpy((char *)(both + 1) + refs, v->text, v->size);
	return err;
}

static int relay_on_fact(struct snap_sink *sink, const struct snap_fact *f)
{
	struct relay *const r = relay_of(sink);
	const size_t key = strlen(f->key) + 1,
		     text = f->kind == SNAP_FACT_TEXT ? f->size : 0;
	int err;
	char *const p = relay_room(r, RELAY_fact, sizeof(*f) + text + key, &err);

	if (!p)
		return err ? err : r->to->ops->fact(r->to, f);
	memcpy(p, f, sizeof(*f));
	((struct snap_fact *)p)->size = text;
	if (text)
		memcpy(p + sizeof(*f), f->text, text);
	memcpy(p + sizeof(*f) + text, f->key, key);
	return err;
}

static int relay_on_string(struct snap_sink *sink, uint32_t id, const char *text,
			   size_t size)
{
	struct relay *const r = relay_of(sink);
	const struct relay_string s = { .id = id, .size = size };
	int err;
	char *const p = relay_room(r, RELAY_string, sizeof(s) + size, &err);

	if (!p)
		return err ? err : r->to->ops->string(r->to, id, text, size);
	memcpy(p, &s, sizeof(s));
	if (size)
		memcpy(p + sizeof(s), text, size);
	return err;
}

static int relay_on_shape(struct snap_sink *sink, const struct snap_shape *s)
{
	struct relay *const r = relay_of(sink);
	const size_t labels = s->nfixed * sizeof(*s->fixed);
	int err;
	char *const p = relay_room(r, RELAY_shape, sizeof(*s) + labels, &err);

	if (!p)
		return err ? err : r->to->ops->shape(r->to, s);
	memcpy(p, s, sizeof(*s));
	if (labels)
		memcpy(p + sizeof(*s), s->fixed, labels);
	return err;
}

/* Events without pointers; smaller than a chunk. */
static inline int relay_plain(struct snap_sink *sink, enum relay_event event,
			      const void *data, size_t size)
{
	int err;

	memcpy(relay_room(relay_of(sink), event, size, &err), data, size);
	return err;
}

#define X(name) \
	static int relay_on_##name(struct snap_sink *sink, \
				   const struct snap_##name *event) \
	{ \
		const int err = relay_plain(sink, RELAY_##name, event, sizeof(*event)); \
		return RELAY_##name != RELAY_progress ? err : \
							relay_pass_on(relay_of(sink)); \
	}
RELAY_PLAIN_EVENTS(X)
#undef X

static int relay_on_end(struct snap_sink *sink)
{
	struct relay *const r = relay_of(sink);
	const int err = relay_drain(r);

	return err ? err : r->to->ops->end(r->to);
}

static const struct snap_sink_ops relay_ops = { .object = relay_on_object,
						.value = relay_on_value,
						.whole = relay_on_whole,
						.fact = relay_on_fact,
						.string = relay_on_string,
						.shape = relay_on_shape,
						.end = relay_on_end,
#define X(name) .name = relay_on_##name,
						RELAY_PLAIN_EVENTS(X)
#undef X
};

struct snap_sink *relay_sink(struct relay *r)
{
	return &r->sink;
}

struct relay *relay_start(struct arena *arena, struct snap_sink *to)
{
	struct relay *const r = arena_alloc(arena, sizeof(*r));
	void *const stack = arena_map(arena, RELAY_STACK);

	if (r)
		r->chunks = arena_map(arena, RELAY_CHUNKS * sizeof(*r->chunks));
	if (!r || !stack || !r->chunks)
		return NULL;
	relay_clock_init(&r->filled);
	relay_clock_init(&r->emptied);
	r->sink.ops = &relay_ops;
	r->to = to;
	r->filling = r->chunks;
	return spawn_thread(&r->consumer, stack, RELAY_STACK, relay_consume, r) ? NULL :
										  r;
}
