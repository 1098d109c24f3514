/* SPDX-License-Identifier: MIT */
/*
 * probe_gc - finds the garbage collector's lists by what they look like.
 *
 * Each generation is { gc head {next, prev}, int threshold, int count }: three
 * list heads at a fixed stride, each consistent (next->prev == head, prev->next
 * == head), then the permanent generation (3.7+).  Where the triple lies differs
 * by version and even by distribution (Debian's 3.13 aligns heads to 4), so we
 * search: in libpython's data (3.6), _PyRuntime (3.7, 3.8) or the interpreter
 * state (3.9+).  The walk proves the find once more: a known object must turn up.
 * Of a CPython that is newer than the tables neither lists nor headers need be found: the
 * walk then goes without (LAYOUT_LISTS: heap/scan/rings.c; LAYOUT_HEADER: what roots lead
 * to), and says so.
 *
 * Sources: Modules/gcmodule.c, Python/gc.c, pycore_gc.h, pycore_interp*.h;
 * in 3.8+ the low bits of links hold flags, hence the masks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/page.h"
#include "agent/base/peek.h"
#include "agent/python/interpreters.h"
#include "agent/python/lookup.h"
#include "agent/python/object.h"
#include "agent/python/probe.h"
#include "agent/python/type_flags.h"
#include "agent/python/versions.h"

enum {
	SEARCH_MAX = 1 << 20, /* bytes of an interpreter or runtime we search */
	SEARCH_STEP = 1 << 14,
	TRIPLE_MAX = 3 * 48 + 16,
};

#define LINK(word) ((word) & ~3ULL)

/* A list head (or member) whose neighbours agree that it is one. */
static bool probe_gc_linked(uint64_t at, uint64_t next, uint64_t prev)
{
	uint64_t back, forth;

	next = LINK(next);
	prev = LINK(prev);
	if (!peek_plausible(next) || !peek_plausible(prev))
		return false;
	if ((next == at) != (prev == at))
		return false;
	return peek_safe64(next + 8, &back) && LINK(back) == at &&
		peek_safe64(prev, &forth) && LINK(forth) == at;
}

static bool probe_gc_linked_at(uint64_t at)
{
	uint64_t link[2];

	return peek_safe(at, link, sizeof(link)) && probe_gc_linked(at, link[0], link[1]);
}

/*
 * Bytes of the gc header of an object that is tracked: its links must be sound.  Those
 * of a shorter one come first: what a longer one has in their place is no pair of links
 * ({next, prev, refs}, the last a small number, before 3.8).
 */
static uint16_t probe_gc_header(uint64_t obj)
{
	static const uint16_t sizes[] = { 16, 24, 32 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (probe_gc_linked_at(obj - sizes[i]))
			return sizes[i];
	return 0;
}

bool probe_gc_keeps(const struct cpython *py, uint64_t obj)
{
	uint8_t bits;

	if (!py->lay.free_threaded)
		return probe_gc_header(obj) != 0;
	return peek_safe(obj + py->lay.gc_bits, &bits, 1) && bits & OBJECT_GC_TRACKED;
}

static uint16_t probe_gc_stride(uint16_t gc_head)
{
	return gc_head == 16 ? 24 : gc_head == 24 ? 32 : 48;
}

/* Three sound heads in a row at `at`; bytes is a copy of the memory there. */
static bool probe_gc_triple(const char *bytes, uint64_t at, uint16_t stride)
{
	uint64_t link[2];

	for (int i = 0; i < 3; i++) { /* cheap looks first: most places fail here */
		memcpy(link, bytes + i * stride, sizeof(link));
		if (!peek_plausible(LINK(link[0])) || !peek_plausible(LINK(link[1])))
			return false;
	}
	for (int i = 0; i < 3; i++) {
		memcpy(link, bytes + i * stride, sizeof(link));
		if (!probe_gc_linked(at + (uint64_t)i * stride, link[0], link[1]))
			return false;
	}
	return true;
}

/* The permanent generation follows; 3.7-3.13 have a pointer to generation 0 between. */
static uint64_t probe_gc_permanent(uint64_t head0, uint16_t stride)
{
	uint64_t end = head0 + 3ULL * stride, word;

	for (uint64_t at = end; at <= end + 32; at += 4) {
		if (!peek_safe64(at, &word))
			return 0;
		if (word == head0)
			at += 4; /* the pointer's second half is no head */
		else if (probe_gc_linked_at(at))
			return at;
	}
	return 0;
}

/* Whether the list holds something, and what it holds first is an object. */
static bool probe_gc_holds_object(const struct cpython *py, uint64_t head, bool *empty)
{
	uint64_t next, type, meta;

	*empty = false;
	if (!peek_safe64(head, &next))
		return false;
	next = LINK(next);
	if (next == head) {
		*empty = true;
		return false;
	}
	return peek_safe64(next + py->lay.gc_head + py->lay.type, &type) &&
		peek_plausible(type) && peek_safe64(type + py->lay.type, &meta) &&
		lookup_kind(py, type, TYPE_TYPE_SUBCLASS);
}

/* At least one list holds something, and what those that do hold is an object.  All
 * objects may be in the permanent generation: after gc.freeze(). */
static bool probe_gc_holds_objects(const struct cpython *py, uint64_t at, uint16_t stride)
{
	bool any = false, empty;
	uint64_t permanent;

	for (int i = 0; i < 3; i++) {
		if (probe_gc_holds_object(py, at + (uint64_t)i * stride, &empty))
			any = true;
		else if (!empty)
			return false;
	}
	if (any || !py->lay.gc_permanent)
		return any;
	permanent = probe_gc_permanent(at, stride);
	return permanent && probe_gc_holds_object(py, permanent, &empty);
}

static uint64_t probe_gc_search(const struct cpython *py, uint64_t base, uint16_t stride)
{
	char buf[SEARCH_STEP + TRIPLE_MAX];

	for (uint64_t off = 0; off < SEARCH_MAX; off += SEARCH_STEP) {
		size_t size = sizeof(buf);

		/* the last piece may end at an unmapped page */
		while (size >= 4096 && !peek_safe(base + off, buf, size))
			size = size > SEARCH_STEP ? SEARCH_STEP : size - 4096;
		if (size < 4096)
			size = page_ceiling(base + off + 1) - (base + off);
		if (size > sizeof(buf))
			size = sizeof(buf);
		if (!peek_safe(base + off, buf, size))
			return 0;
		for (size_t i = 0; i + TRIPLE_MAX <= size && i < SEARCH_STEP; i += 4)
			if (probe_gc_triple(buf + i, base + off + i, stride) &&
			    probe_gc_holds_objects(py, base + off + i, stride))
				return base + off + i;
		if (size < SEARCH_STEP)
			return 0;
	}
	return 0;
}

static void probe_gc_add(struct layout *lay, uint64_t head0, uint16_t stride,
			 uint64_t permanent, uint64_t interp)
{
	struct layout_gc *gc = &lay->gc[lay->gc_count++];

	for (unsigned i = 0; i < 3; i++)
		gc->heads[i] = head0 + i * stride;
	gc->heads[3] = permanent;
	gc->interp = interp;
}

static void probe_gc_try_collecting(struct cpython *py, uint64_t at)
{
	int value;

	if (peek_safe(at, &value, sizeof(value)) && (value == 0 || value == 1))
		py->lay.collecting = at;
}

/*
 * The int `collecting` lies just before the object pointers `garbage` and
 * `callbacks` (two lists) in 3.7-3.14; in 3.15 one word earlier.  Up to 3.12 these
 * may be NULL until somebody imports gc: then by offset (pycore_gc.h and before it
 * pycore_pymem.h, mem.h).
 */
static void probe_gc_collecting(struct cpython *py, uint64_t head0, uint16_t stride)
{
	uint64_t list = CPYTHON_ADDR(py, list_type), word[2], after;
	unsigned back = versions_since(py, 15) ? 16 : 8;

	for (uint64_t at = head0 + 72; at < head0 + 400; at += 4) {
		if (!peek_safe(at, word, sizeof(word)))
			return;
		if (!lookup_exact(py, word[0], list) || !lookup_exact(py, word[1], list))
			continue;
		probe_gc_try_collecting(py, at - back);
		return;
	}
	if (!versions_since(py, 7) || versions_since(py, 14))
		return;
	/* heads, pointer to generation 0, permanent generation, statistics */
	after = head0 + 4ULL * stride + (stride == 48 ? 16 : 8) + 72;
	if (peek_safe(after + 8, word, sizeof(word)) &&
	    (!word[0] || lookup_exact(py, word[0], list)) &&
	    (!word[1] || lookup_exact(py, word[1], list)))
		probe_gc_try_collecting(py, after);
}

/* Where to look: bases in order of likelihood, by version. */
static uint64_t probe_gc_search_all(const struct cpython *py, uint64_t interp,
				    uint16_t stride)
{
	uint64_t found, word;

	if (py->sym.gc_generation0 &&
	    peek_safe64(CPYTHON_ADDR(py, gc_generation0), &word) &&
	    probe_gc_linked_at(word))
		return word;
	if (!py->lay.lists_in_state && py->sym.runtime)
		return probe_gc_search(py, CPYTHON_ADDR(py, runtime), stride);
	found = interp ? probe_gc_search(py, interp, stride) : 0;
	if (!found && py->sym.runtime)
		found = probe_gc_search(py, CPYTHON_ADDR(py, runtime), stride);
	return found;
}

/*
 * The lists of the other interpreters (3.9 and later), which lie in their states where
 * the main one's lie in its own: known is the main one's state, head0 its first list,
 * permanent (or 0) that of gc.freeze.
 */
static void probe_gc_others(struct cpython *py, uint64_t known, uint64_t head0,
			    uint64_t permanent, uint16_t stride)
{
	struct layout *lay = &py->lay;

	for (uint64_t i = interpreters_first(py); i; i = interpreters_next(py, i)) {
		const uint64_t shift = i - known;

		if (i == known)
			continue;
		if (lay->gc_count == LAYOUT_INTERPS ||
		    !probe_gc_linked_at(head0 + shift) ||
		    !probe_gc_linked_at(head0 + shift + stride) ||
		    !probe_gc_linked_at(head0 + shift + 2 * stride))
			lay->gc_unknown++;
		else
			probe_gc_add(lay, head0 + shift, stride,
				     permanent ? permanent + shift : 0, i);
	}
}

/* The interpreters, without lists. */
static void probe_gc_interpreters(const struct cpython *py, struct layout *lay)
{
	for (uint64_t i = interpreters_first(py); i; i = interpreters_next(py, i)) {
		if (lay->gc_count < LAYOUT_INTERPS)
			lay->gc[lay->gc_count++] = (struct layout_gc){ .interp = i };
		else
			lay->gc_unknown++;
	}
}

/*
 * Without a GIL there are no lists: the collector looks at all blocks of its heaps
 * (Python/gc_free_threading.c).  Only sys.modules is tried, which is tracked.
 */
static int probe_gc_bits(struct cpython *py, char *err, size_t err_size)
{
	struct layout *lay = &py->lay;

	if (!probe_gc_keeps(py, lay->known_tracked)) {
		snprintf(err, err_size,
			 "the garbage collector's bits of this CPython (%.40s) are not "
			 "where they must be",
			 py->version_text);
		return -ENOTSUP;
	}
	probe_gc_interpreters(py, lay);
	return 0;
}

/* What a newer CPython may lack, a known one must have. */
static int probe_gc_without(struct cpython *py, uint32_t part, const char *what,
			    char *err, size_t err_size)
{
	if (!py->lay.newer) {
		snprintf(err, err_size,
			 "the garbage collector's %s of this CPython (%.40s) %s",
			 part == LAYOUT_HEADER ? "header" : "lists", py->version_text,
			 what);
		return -ENOTSUP;
	}
	py->lay.unknown |= part;
	probe_gc_interpreters(py, &py->lay);
	return 0;
}

int probe_gc(struct cpython *py, char *err, size_t err_size)
{
	struct layout *lay = &py->lay;
	uint64_t interp, head0, permanent;
	uint16_t stride;

	if (lay->free_threaded)
		return probe_gc_bits(py, err, err_size);
	if (!(lay->unknown & LAYOUT_HEADER))
		lay->gc_head = probe_gc_header(lay->known_tracked);
	if (!lay->gc_head)
		return probe_gc_without(py, LAYOUT_HEADER, "is not understood", err,
					err_size);
	stride = probe_gc_stride(lay->gc_head);
	interp = interpreters_main(py);
	head0 = lay->unknown & LAYOUT_LISTS ? 0 : probe_gc_search_all(py, interp, stride);
	if (!head0)
		return probe_gc_without(py, LAYOUT_LISTS, "were not found", err,
					err_size);
	permanent = py->lay.gc_permanent ? probe_gc_permanent(head0, stride) : 0;
	probe_gc_add(lay, head0, stride, permanent, py->lay.lists_in_state ? interp : 0);
	probe_gc_collecting(py, head0, stride);
	if (lay->lists_in_state)
		probe_gc_others(py, interp, head0, permanent, stride);
	return 0;
}

/* From 3.9 on each interpreter collects for itself, and has a word of its own. */
bool cpython_collecting(const struct cpython *py)
{
	const struct layout *lay = &py->lay;

	for (uint32_t i = 0; i < lay->gc_count && lay->collecting; i++) {
		const uint64_t at =
			lay->collecting + lay->gc[i].interp - lay->gc[0].interp;
		int value;

		if (peek_safe(at, &value, sizeof(value)) && value != 0)
			return true;
	}
	return false;
}
