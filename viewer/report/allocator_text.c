/* SPDX-License-Identifier: MIT */
/* allocator_text - see allocator_text.h. */
#include "viewer/report/allocator_text.h"

#include <string.h>

#include "viewer/report/common.h"
#include "viewer/text/human.h"

static const struct {
	const char *name, *means;
} allocator_texts[] = {
	/* the first is the C library's */
	{ "malloc", "malloc_trim(0), MALLOC_ARENA_MAX" },
	{ "jemalloc",
	  "jemalloc: MALLOC_CONF=background_thread:true,dirty_decay_ms:1000" },
	{ "tcmalloc",
	  "tcmalloc: TCMALLOC_RELEASE_RATE=10, MallocExtension_ReleaseFreeMemory()" },
	{ "mimalloc", "mimalloc: MIMALLOC_PURGE_DELAY=0, mi_collect(true)" },
};

static size_t allocator_text_find(const struct heap *heap)
{
	const char *name = heap_fact_text(heap, "malloc.allocator", NULL);
	size_t i = name ? COUNT_OF(allocator_texts) - 1 : 0;

	while (i && strcmp(name, allocator_texts[i].name) != 0)
		i--;
	return i;
}

const char *allocator_text_name(const struct heap *heap)
{
	return allocator_texts[allocator_text_find(heap)].name;
}

const char *allocator_text_means(const struct heap *heap)
{
	return allocator_texts[allocator_text_find(heap)].means;
}

/* "its name", and the version that it told */
static void allocator_text_version(struct text *out, const struct heap *heap)
{
	size_t size = 0;
	const char *version = heap_fact_text(heap, "malloc.version", &size);

	text_add(out, allocator_text_name(heap));
	if (!version || !size)
		return;
	text_add(out, " (");
	text_escape(out, version, size, 40, 0);
	text_add(out, ")");
}

static void allocator_text_bytes(struct text *out, const struct heap *heap,
				 const char *fact, const char *before, const char *after)
{
	const uint64_t bytes = heap_fact_u64(heap, fact, UINT64_MAX);
	char buf[HUMAN_SIZE];

	if (bytes != UINT64_MAX)
		text_printf(out, "%s%s%s", before, human_bytes_u64(buf, bytes), after);
}

/* What is known of an allocator that isn't the C library's. */
static void allocator_text_known(struct text *out, const struct heap *heap)
{
	text_add(out, "malloc is ");
	allocator_text_version(out, heap);
	text_add(out, ":");
	allocator_text_bytes(out, heap, "malloc.used_bytes", " ", " allocated");
	allocator_text_bytes(out, heap, "malloc.cached_bytes", " (", " of it in caches)");
	allocator_text_bytes(out, heap, "malloc.free_bytes", ", ",
			     " free in pages in use or in caches");
	allocator_text_bytes(out, heap, "malloc.idle_bytes", ", ", " whole free pages");
	allocator_text_bytes(out, heap, "malloc.retained_bytes", ", ",
			     " of addresses whose memory it gave back");
	text_add(out, "; by size: the report allocators");
}

static void allocator_text_unknown(struct text *out, const struct heap *heap)
{
	size_t size = 0;
	const char *why = heap_fact_text(heap, "malloc.note", &size);

	text_add(out, "malloc's free memory isn't known: ");
	if (why) {
		allocator_text_version(out, heap);
		text_add(out, ": ");
		text_escape(out, why, size, 0, 0);
		text_add(out, "; ");
	}
	text_add(out, "it is in the unexplained part");
}

int allocator_text_note(struct table *table, const struct heap *heap)
{
	const bool known = heap_fact_u64(heap, "malloc.known", 0);
	struct text out = { 0 };
	int err = 0;

	if (!known)
		allocator_text_unknown(&out, heap);
	else if (heap_fact_text(heap, "malloc.allocator", NULL))
		allocator_text_known(&out, heap);
	if (text_len(&out))
		err = table_note(table, "%s", text_get(&out));
	err = err ? err : out.err;
	text_free(&out);
	return err;
}
