/* SPDX-License-Identifier: MIT */
/*
 * jemalloc - what jemalloc says of itself by mallctl (jemalloc(3), "MALLCTL NAMESPACE";
 * 5.0 on: MALLCTL_ARENAS_ALL is 4096).
 *
 *	stats.allocated	  blocks given out, by their classes' sizes, with what
 *			  threads' caches keep
 *	stats.active	  pages that have such blocks: the rest of them is free
 *	pdirty, pmuzzy	  pages kept for later; they decay (opt.dirty_decay_ms)
 *	stats.retained	  addresses kept, whose memory was given back
 *
 * Runs in a process apart: snprintf and the stack are that one's own.
 */
#include "agent/heap/memory/jemalloc.h"

#include <stdio.h>
#include <string.h>

#include "agent/heap/memory/malloc_figures.h"

typedef int jemalloc_fn(const char *name, void *old, size_t *old_size, void *fresh,
			size_t fresh_size);

static bool jemalloc_read(const struct malloc_figures *m, const char *name, void *ret,
			  size_t size)
{
	union {
		uint64_t at;
		jemalloc_fn *fn;
	} u = { m->function[0] };
	size_t got = size;

	return !u.fn(name, ret, &got, NULL, 0) && got == size;
}

/* A size_t; unknown where there is none of that name. */
static uint64_t jemalloc_size(const struct malloc_figures *m, const char *name)
{
	size_t value;

	return jemalloc_read(m, name, &value, sizeof(value)) ? value :
							       MALLOC_FIGURES_UNKNOWN;
}

static unsigned jemalloc_unsigned(const struct malloc_figures *m, const char *name)
{
	unsigned value;

	return jemalloc_read(m, name, &value, sizeof(value)) ? value : 0;
}

/* "before" i "after", a size_t; 0 where there is none of that name. */
static uint64_t jemalloc_nth(const struct malloc_figures *m, const char *before,
			     unsigned i, const char *after)
{
	char name[80];
	uint64_t value;

	snprintf(name, sizeof(name), "%s%u%s", before, i, after);
	value = jemalloc_size(m, name);
	return value == MALLOC_FIGURES_UNKNOWN ? 0 : value;
}

static void jemalloc_classes(struct malloc_figures *m)
{
	const unsigned small = jemalloc_unsigned(m, "arenas.nbins");
	const unsigned large = jemalloc_unsigned(m, "arenas.nlextents");

	m->used = 0;
	for (unsigned i = 0; i < small; i++) {
		const uint64_t used =
			jemalloc_nth(m, "stats.arenas.4096.bins.", i, ".curregs");
		const uint64_t slabs =
			jemalloc_nth(m, "stats.arenas.4096.bins.", i, ".curslabs");
		char name[80];
		uint64_t all;

		snprintf(name, sizeof(name), "arenas.bin.%u.nregs", i);
		all = slabs * jemalloc_unsigned(m, name);
		m->used += used;
		malloc_figures_add(m, jemalloc_nth(m, "arenas.bin.", i, ".size"), used,
				   all > used ? all - used : 0);
	}
	for (unsigned i = 0; i < large; i++) {
		const uint64_t used =
			jemalloc_nth(m, "stats.arenas.4096.lextents.", i, ".curlextents");

		m->used += used;
		malloc_figures_add(m, jemalloc_nth(m, "arenas.lextent.", i, ".size"),
				   used, 0);
	}
}

static void jemalloc_pages(struct malloc_figures *m)
{
	const uint64_t page = jemalloc_size(m, "arenas.page");
	const uint64_t dirty = jemalloc_size(m, "stats.arenas.4096.pdirty");
	const uint64_t muzzy = jemalloc_size(m, "stats.arenas.4096.pmuzzy");
	const uint64_t active = jemalloc_size(m, "stats.active");

	if (page == MALLOC_FIGURES_UNKNOWN || dirty == MALLOC_FIGURES_UNKNOWN ||
	    muzzy == MALLOC_FIGURES_UNKNOWN || active == MALLOC_FIGURES_UNKNOWN)
		return;
	m->idle_bytes = (dirty + muzzy) * page;
	m->free_bytes = active > m->used_bytes ? active - m->used_bytes : 0;
	m->known = true;
}

void jemalloc_ask(void *figures)
{
	struct malloc_figures *const m = figures;
	union {
		uint64_t at;
		jemalloc_fn *fn;
	} u = { m->function[0] };
	const char *version = NULL;
	uint64_t epoch = 1;

	if (jemalloc_read(m, "version", &version, sizeof(version)) && version)
		snprintf(m->version, sizeof(m->version), "%s", version);
	/* what is read from now on is what was true at that moment */
	if (u.fn("epoch", NULL, NULL, &epoch, sizeof(epoch)))
		return;
	m->used_bytes = jemalloc_size(m, "stats.allocated");
	if (m->used_bytes == MALLOC_FIGURES_UNKNOWN)
		return; /* built without statistics */
	m->cached_bytes = jemalloc_size(m, "stats.arenas.4096.tcache_bytes");
	m->own_bytes = jemalloc_size(m, "stats.metadata");
	m->retained_bytes = jemalloc_size(m, "stats.retained");
	jemalloc_classes(m);
	jemalloc_pages(m);
}
