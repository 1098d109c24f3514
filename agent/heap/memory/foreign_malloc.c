/* SPDX-License-Identifier: MIT */
/* foreign_malloc - see foreign_malloc.h. */
#include "agent/heap/memory/foreign_malloc.h"

#include <stdio.h>
#include <string.h>

#include "agent/heap/core/elf.h"
#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/jemalloc.h"
#include "agent/heap/memory/malloc_figures.h"
#include "agent/heap/memory/mimalloc_library.h"
#include "agent/heap/memory/tcmalloc.h"

/* An allocator, and the functions that are looked for; the first one tells it. */
struct foreign_malloc_kind {
	const char *name;
	const char *functions[3];
	void (*ask)(void *arg);					/* by calls, apart */
	void (*read)(struct walk *w, struct malloc_figures *m); /* ... or here */
};

static const struct foreign_malloc_kind foreign_malloc_kinds[] = {
	{ "jemalloc", { "mallctl", NULL, NULL }, jemalloc_ask, NULL },
	{ "tcmalloc",
	  { "MallocExtension_GetNumericProperty", "MallocExtension_GetStats",
	    "tc_version" },
	  tcmalloc_ask,
	  NULL },
	{ "mimalloc",
	  { "mi_heap_visit_blocks", NULL, NULL },
	  NULL,
	  mimalloc_library_read },
};

/* ---- which one ---- */

/* Where the file that has malloc's code is mapped; 0: the C library, or not known. */
static uint64_t foreign_malloc_image(struct walk *w)
{
	const uint64_t at = w->options->malloc_at;
	const struct walk_range *code = at ? ranges_of(w, at) : NULL, *r;
	const char *name;

	if (!code || !code->file)
		return 0;
	name = strrchr(code->path, '/');
	name = name ? name + 1 : code->path;
	if (!strncmp(name, "libc.", 5) || !strncmp(name, "libc-", 5) ||
	    !strncmp(name, "ld-", 3))
		return 0;
	for (r = code; r >= w->ranges && !strcmp(r->path, code->path); r--)
		if (r->offset == 0)
			return r->start;
	return 0;
}

static const struct foreign_malloc_kind *foreign_malloc_find(struct walk *w,
							     struct malloc_figures *m)
{
	const uint64_t image = foreign_malloc_image(w);
	const size_t count =
		sizeof(foreign_malloc_kinds) / sizeof(foreign_malloc_kinds[0]);

	for (size_t i = 0; image && i < count; i++) {
		const struct foreign_malloc_kind *kind = &foreign_malloc_kinds[i];

		m->function[0] = elf_function(image, kind->functions[0]);
		if (!m->function[0])
			continue;
		for (unsigned f = 1; f < 3 && kind->functions[f]; f++)
			m->function[f] = elf_function(image, kind->functions[f]);
		return kind;
	}
	return NULL;
}

/* ---- what it says ---- */

/* Why nothing is known of it; NULL: it is. */
static const char *foreign_malloc_get(struct walk *w,
				      const struct foreign_malloc_kind *kind,
				      struct malloc_figures *m)
{
	int rc = 0;

	if (!w->options->in_copy)
		return "it is asked in a copy of the process only";
	if (kind->read)
		kind->read(w, m);
	else if (w->options->apart)
		rc = w->options->apart(kind->ask, m, sizeof(*m));
	else
		return "it is asked in a copy that the process itself made only";
	if (rc == -ETIMEDOUT)
		return "it didn't answer: a lock of its own was held when the copy was "
		       "made";
	if (rc == -EFAULT)
		return "it crashed when it was asked";
	if (rc)
		return "no process could be made to ask it in";
	return m->known ? NULL : "its own figures can't be had";
}

static void foreign_malloc_fact(struct walk *w, const char *key, uint64_t value)
{
	if (value != MALLOC_FIGURES_UNKNOWN)
		events_fact_u64(w, key, value);
}

static void foreign_malloc_class_fact(struct walk *w, uint64_t size, const char *what,
				      uint64_t value)
{
	char key[64];

	snprintf(key, sizeof(key), "malloc.class.%llu.%s", (unsigned long long)size,
		 what);
	foreign_malloc_fact(w, key, value);
}

static void foreign_malloc_emit(struct walk *w, const struct malloc_figures *m)
{
	foreign_malloc_fact(w, "malloc.used_chunks", m->used);
	foreign_malloc_fact(w, "malloc.used_bytes", m->used_bytes);
	foreign_malloc_fact(w, "malloc.cached_bytes", m->cached_bytes);
	foreign_malloc_fact(w, "malloc.free_bytes", m->free_bytes);
	foreign_malloc_fact(w, "malloc.idle_bytes", m->idle_bytes);
	foreign_malloc_fact(w, "malloc.own_bytes", m->own_bytes);
	foreign_malloc_fact(w, "malloc.retained_bytes", m->retained_bytes);
	for (uint32_t i = 0; i < m->classes; i++) {
		const struct malloc_figures_class *class_ = &m->class_[i];

		if (!class_->used && !class_->free)
			continue;
		foreign_malloc_class_fact(w, class_->size, "used", class_->used);
		foreign_malloc_class_fact(w, class_->size, "free", class_->free);
	}
}

bool foreign_malloc_facts(struct walk *w)
{
	struct malloc_figures *m = context_alloc(w, sizeof(*m));
	const struct foreign_malloc_kind *kind = m ? foreign_malloc_find(w, m) : NULL;
	const char *why;

	if (!kind)
		return false;
	m->used = m->used_bytes = m->cached_bytes = MALLOC_FIGURES_UNKNOWN;
	m->free_bytes = m->idle_bytes = m->own_bytes = MALLOC_FIGURES_UNKNOWN;
	m->retained_bytes = MALLOC_FIGURES_UNKNOWN;
	why = foreign_malloc_get(w, kind, m);
	events_fact_text(w, "malloc.allocator", kind->name, strlen(kind->name));
	if (m->version[0])
		events_fact_text(w, "malloc.version", m->version, strlen(m->version));
	events_fact_u64(w, "malloc.known", !why);
	if (why)
		events_fact_text(w, "malloc.note", why, strlen(why));
	else
		foreign_malloc_emit(w, m);
	return true;
}
