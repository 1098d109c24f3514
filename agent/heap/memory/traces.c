/* SPDX-License-Identifier: MIT */
/* traces - see traces.h. */
#include "agent/heap/memory/traces.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/core/table.h"
#include "agent/python/hashtable.h"

enum {
	TRACES_HEAD = 12,  /* bytes of a traceback before its frames */
	TRACES_FRAME = 12, /* of a frame */
	TRACES_DEPTH = 65535,
	TRACES_TRIES = 16,  /* entries that may be unreadable before a table is none */
	TRACES_TABLES = 16, /* tables remembered, so that none is read twice */
};

struct traces_frame {
	uint64_t file;
	uint32_t line;
} __attribute__((packed));
_Static_assert(sizeof(struct traces_frame) == TRACES_FRAME, "as the interpreter has it");

/* What a site is found by. */
struct traces_place {
	uint32_t caller, file, line;
};

struct traces {
	struct walk *w;
	struct table stacks; /* address of a traceback -> site, by key */
	struct table files;  /* address of a str -> string id, by key */
	struct table sites;  /* struct traces_place -> id */
	uint32_t next;	     /* sites handed out */
	uint32_t deepest;    /* frames */
	uint64_t count, bytes, missing;
	uint64_t seen[TRACES_TABLES];
	unsigned nseen;
	uint32_t domain; /* of the table being read */
	unsigned tries, good;
};

/* ---- tracebacks ---- */

/* String id of a file's name in *ret; false: it is no str. */
static bool traces_file(struct traces *t, uint64_t file, uint32_t *ret)
{
	struct walk *w = t->w;
	struct table_slot *slot;

	if (!table_reserve(&t->files, w->arena))
		return context_check(w, -ENOMEM);
	slot = table_find_key(&t->files, file);
	if (!slot->hash) {
		if (!sound_exact(w, file, CPYTHON_ADDR(w->py, unicode_type)))
			return false;
		*slot = (struct table_slot){ .hash = file,
					     .id = strings_add_object(w, file) };
		t->files.count++;
	}
	*ret = slot->id;
	return true;
}

/* The site of this place, which is sent when it is new; 0: no memory. */
static uint32_t traces_site(struct traces *t, const struct traces_place *place)
{
	const uint64_t hash = table_hash(place, sizeof(*place));
	struct walk *w = t->w;
	struct table_slot *slot;
	struct traces_place *copy;

	if (!table_reserve(&t->sites, w->arena)) {
		context_check(w, -ENOMEM);
		return 0;
	}
	slot = table_find(&t->sites, hash, place, sizeof(*place));
	if (slot->hash)
		return slot->id;
	copy = context_alloc(w, sizeof(*copy));
	if (!copy)
		return 0;
	*copy = *place;
	*slot = (struct table_slot){ hash, (uintptr_t)copy, sizeof(*copy), ++t->next };
	t->sites.count++;
	EVENTS_SEND(w, site,
		    &(struct snap_site){ .id = slot->id,
					 .caller = place->caller,
					 .file = place->file,
					 .line = place->line });
	return slot->id;
}

/* Frames that the traceback at addr has; 0: there is none. */
static uint32_t traces_frames(uint64_t addr, bool old)
{
	uint8_t head[TRACES_HEAD];
	uint16_t kept, total;
	uint32_t n;

	if (!peek_plausible(addr) || !peek_safe(addr, head, sizeof(head)))
		return 0;
	memcpy(&n, head + 8, 4);
	memcpy(&kept, head + 8, 2);
	memcpy(&total, head + 10, 2);
	if (old)
		return n <= TRACES_DEPTH ? n : 0;
	return kept <= total ? kept : 0;
}

/* Its site, made of its frames, the outermost first; 0: can't be read. */
static uint32_t traces_stack_new(struct traces *t, uint64_t addr, bool old)
{
	const uint32_t n = traces_frames(addr, old);
	struct traces_place place = { 0 };
	struct traces_frame frame;

	for (uint32_t i = n; i-- > 0;) {
		if (!peek_safe(addr + TRACES_HEAD + (uint64_t)i * TRACES_FRAME, &frame,
			       sizeof(frame)) ||
		    !traces_file(t, frame.file, &place.file))
			return 0;
		place.line = frame.line;
		place.caller = traces_site(t, &place);
		if (!place.caller)
			return 0;
	}
	if (n > t->deepest)
		t->deepest = n;
	return place.caller;
}

static uint32_t traces_stack(struct traces *t, uint64_t addr, bool old)
{
	struct table_slot *slot;
	uint32_t site;

	if (!addr || !table_reserve(&t->stacks, t->w->arena))
		return 0;
	slot = table_find_key(&t->stacks, addr);
	if (slot->hash)
		return slot->id;
	site = traces_stack_new(t, addr, old);
	*slot = (struct table_slot){ .hash = addr, .id = site };
	t->stacks.count++;
	return site;
}

/* ---- tables ---- */

/* Of a core it isn't known what may be executed. */
static bool traces_is_code(struct walk *w, uint64_t addr)
{
	const struct walk_range *r = ranges_of(w, addr);

	return r && r->image && !(r->perms & 2);
}

static bool traces_table(struct walk *w, uint64_t addr, struct hashtable *ret)
{
	if (!hashtable_read(addr, ret) || !ret->entries)
		return false;
	for (int i = 0; i < HASHTABLE_CODE; i++)
		if (!traces_is_code(w, ret->code[i]))
			return false;
	return true;
}

/* {size, traceback} of an entry, wherever the table keeps it. */
static bool traces_of(const struct hashtable *table, const struct hashtable_entry *entry,
		      uint64_t ret[2])
{
	if (!table->in_entry)
		return peek_plausible(hashtable_word(entry->data)) &&
			peek_safe(hashtable_word(entry->data), ret, 16);
	memcpy(ret, entry->data, 16);
	return true;
}

/* A table of traces has traces: of the first entries one is, by its first file. */
static bool traces_try(void *arg, const struct hashtable *table,
		       const struct hashtable_entry *entry)
{
	struct traces *t = arg;
	struct traces_frame frame;
	uint64_t trace[2];

	if (traces_of(table, entry, trace) && traces_frames(trace[1], table->in_entry) &&
	    peek_safe(trace[1] + TRACES_HEAD, &frame, sizeof(frame)) &&
	    sound_exact(t->w, frame.file, CPYTHON_ADDR(t->w->py, unicode_type)))
		t->good++;
	return !t->good && ++t->tries < TRACES_TRIES;
}

static bool traces_proven(struct traces *t, const struct hashtable *table)
{
	if (table->in_entry && (table->key_size < 8 || table->data_size != 16))
		return false;
	t->tries = t->good = 0;
	hashtable_each(table, traces_try, t);
	return t->good;
}

static bool traces_send(void *arg, const struct hashtable *table,
			const struct hashtable_entry *entry)
{
	struct traces *t = arg;
	struct snap_trace event = { .addr = hashtable_word(entry->key),
				    .domain = t->domain };
	uint64_t trace[2];

	if (!traces_of(table, entry, trace)) {
		t->missing++;
		return true;
	}
	if (table->key_size > 8)
		memcpy(&event.domain, entry->key + 8, sizeof(event.domain));
	event.size = trace[0];
	event.site = traces_stack(t, trace[1], table->in_entry);
	t->count++;
	t->bytes += event.size;
	return EVENTS_SEND(t->w, trace, &event);
}

static void traces_send_table(struct traces *t, const struct hashtable *table,
			      uint32_t domain)
{
	uint64_t done;

	for (unsigned i = 0; i < t->nseen; i++)
		if (t->seen[i] == table->addr)
			return;
	if (t->nseen < TRACES_TABLES)
		t->seen[t->nseen++] = table->addr;
	t->domain = domain;
	done = hashtable_each(table, traces_send, t);
	if (!t->w->err)
		t->missing += table->entries - done;
}

/* An entry of the table of domains. */
static bool traces_domain(void *arg, const struct hashtable *table,
			  const struct hashtable_entry *entry)
{
	struct traces *t = arg;
	const uint64_t domain = hashtable_word(entry->key);
	struct hashtable traces;

	(void)table;
	if (domain > UINT32_MAX)
		return false;
	if (traces_table(t->w, hashtable_word(entry->data), &traces) &&
	    traces_proven(t, &traces))
		traces_send_table(t, &traces, (uint32_t)domain);
	return !t->w->err;
}

/* In a copy what the maps hold stays: a look spares asking the kernel for each pointer
 * among the variables. */
static bool traces_may_be_table(const struct walk *w, uint64_t addr)
{
	return !w->options->in_copy || hashtable_may_be(peek64(addr), peek64(addr + 8));
}

/* A word of the interpreter's variables. */
static void traces_word(struct traces *t, uint64_t word)
{
	struct hashtable table;

	/* most lead to objects, which are no tables */
	if (!marks_in_range(word) || marks_test(&t->w->marks, word) ||
	    !ranges_hold(t->w, word, 64) || !traces_may_be_table(t->w, word) ||
	    !traces_table(t->w, word, &table))
		return;
	if (traces_proven(t, &table))
		traces_send_table(t, &table, 0);
	else if (table.data_size == 8)
		hashtable_each(&table, traces_domain, t);
}

static void traces_facts(struct traces *t)
{
	if (!t->nseen)
		return;
	events_fact_u64(t->w, "tracemalloc.traces", t->count);
	events_fact_u64(t->w, "tracemalloc.bytes", t->bytes);
	events_fact_u64(t->w, "tracemalloc.frames", t->deepest);
	if (!t->missing)
		return;
	events_fact_u64(t->w, "tracemalloc.missing", t->missing);
	events_error(
		t->w, 0, NULL,
		"some of tracemalloc's traces could not be read: the table was being "
		"changed");
}

void traces_emit(struct walk *w)
{
	const struct walk_range *python = ranges_of(w, CPYTHON_ADDR(w->py, type_type));
	const char *path = "", *python_path = "";
	struct traces t = { .w = w };

	/* bss has no name, the mapping before it does */
	for (uint32_t i = 0; i < w->nranges; i++) {
		if (w->ranges[i].path[0])
			path = w->ranges[i].path;
		if (&w->ranges[i] == python)
			python_path = path;
	}
	for (uint32_t i = 0; i < w->nranges && !w->err; i++) {
		const struct walk_range *r = &w->ranges[i];

		if (r->path[0])
			path = r->path;
		if (!r->image || (r->perms & 3) != 3 || strcmp(path, python_path))
			continue;
		for (uint64_t at = r->start; at + 8 <= r->end && !w->err; at += 8)
			traces_word(&t, peek64(at));
	}
	traces_facts(&t);
}
