/* SPDX-License-Identifier: MIT */
/*
 * tcmalloc - what gperftools' tcmalloc says of itself by MallocExtension
 * (gperftools/malloc_extension_c.h; src/tcmalloc.cc, GetNumericProperty and DumpStats).
 *
 * By its numbers: what is given out, what its page heap keeps, what that gave back.  What
 * is neither lies in the caches: of threads, of transfer, of the central lists.  By its
 * text: how many blocks of each size the caches have; of those given out it counts bytes
 * only.
 *
 * Runs in a process apart: the buffer and the stack are that one's own.
 */
#include "agent/heap/memory/tcmalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/heap/memory/malloc_figures.h"

enum { TCMALLOC_TEXT = 64 << 10 }; /* with room for 10,000 bytes it tells more */

static uint64_t tcmalloc_number(const struct malloc_figures *m, const char *name)
{
	union {
		uint64_t at;
		int (*fn)(const char *name, size_t *value);
	} u = { m->function[0] };
	size_t value = 0;

	return u.fn(name, &value) ? value : MALLOC_FIGURES_UNKNOWN;
}

static void tcmalloc_version(struct malloc_figures *m)
{
	union {
		uint64_t at;
		const char *(*fn)(int *major, int *minor, const char **patch);
	} u = { m->function[2] };
	const char *patch, *text = m->function[2] ? u.fn(NULL, NULL, &patch) : NULL;

	/* "gperftools 2.10" */
	if (text)
		snprintf(m->version, sizeof(m->version), "%s", text);
}

/* "class   3 [       32 bytes ] :      141 objs;" */
static void tcmalloc_class(struct malloc_figures *m, const char *line)
{
	const char *size = strchr(line, '['), *count = size ? strchr(size, ':') : NULL;

	if (!count)
		return;
	malloc_figures_add(m, strtoull(size + 1, NULL, 10), 0,
			   strtoull(count + 1, NULL, 10));
}

static void tcmalloc_text(struct malloc_figures *m)
{
	static char text[TCMALLOC_TEXT];
	union {
		uint64_t at;
		void (*fn)(char *buf, int size);
	} u = { m->function[1] };
	char *line = text, *end;

	if (!m->function[1])
		return;
	u.fn(text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!strncmp(line, "class ", 6))
			tcmalloc_class(m, line);
	}
	for (uint32_t i = 0; i < m->classes; i++)
		m->class_[i].used = MALLOC_FIGURES_UNKNOWN;
}

void tcmalloc_ask(void *figures)
{
	struct malloc_figures *const m = figures;
	uint64_t heap, physical, known;

	tcmalloc_version(m);
	m->used_bytes = tcmalloc_number(m, "generic.current_allocated_bytes");
	m->idle_bytes = tcmalloc_number(m, "tcmalloc.pageheap_free_bytes");
	m->retained_bytes = tcmalloc_number(m, "tcmalloc.pageheap_unmapped_bytes");
	heap = tcmalloc_number(m, "generic.heap_size");
	physical = tcmalloc_number(m, "generic.total_physical_bytes");
	if (m->used_bytes == MALLOC_FIGURES_UNKNOWN ||
	    m->idle_bytes == MALLOC_FIGURES_UNKNOWN ||
	    m->retained_bytes == MALLOC_FIGURES_UNKNOWN || heap == MALLOC_FIGURES_UNKNOWN)
		return;
	known = m->used_bytes + m->idle_bytes + m->retained_bytes;
	m->free_bytes = heap > known ? heap - known : 0;
	/* what is neither the heap nor given back */
	if (physical != MALLOC_FIGURES_UNKNOWN && physical + m->retained_bytes >= heap)
		m->own_bytes = physical + m->retained_bytes - heap;
	m->known = true;
	tcmalloc_text(m);
}
