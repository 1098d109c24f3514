/* SPDX-License-Identifier: MIT */
/* memory - see memory.h. */
#include "agent/heap/memory/memory.h"

#include <string.h>
#include <unistd.h>

#include "agent/base/page.h"
#include "agent/base/phrase.h"
#include "agent/heap/core/events.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/memory/procfs.h"

enum {
	GRAIN_SHIFT = MEMORY_GRAIN_SHIFT,
	LEAF_SHIFT = 30, /* address space of one leaf of the page bitmap */
	LEAF_WORDS = 1 << (LEAF_SHIFT - GRAIN_SHIFT - 6),
	LEAVES = 1 << (CPU_ADDRESS_BITS - LEAF_SHIFT),
	SMAPS_BUFFER = 64 * 1024,
	THREAD_TOP = 256 * 1024, /* a stack ends with descriptor and TLS */
	PAGEMAP_CHUNK = 512,	 /* pages asked about at once */
};
#define OWN_MAPS "smaps of the target not readable: its copy's, without file pages"

/* ---- reading smaps ---- */

static struct memory_map *memory_add_map(struct walk *w, struct memory *memory)
{
	if (memory->count == memory->capacity) {
		size_t capacity = memory->capacity ? memory->capacity * 2 : 512;
		struct memory_map *maps = arena_alloc(w->arena, capacity * sizeof(*maps));

		if (!maps)
			return NULL;
		if (memory->count)
			memcpy(maps, memory->maps, memory->count * sizeof(*maps));
		memory->maps = maps; /* the old table stays in the arena */
		memory->capacity = capacity;
	}
	return &memory->maps[memory->count++];
}

static bool memory_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static uint8_t memory_class(const char *name, uint8_t perms)
{
	if (strcmp(name, "[heap]") == 0)
		return SNAP_MAP_HEAP;
	if (memory_starts_with(name, "[stack"))
		return SNAP_MAP_STACK;
	if (strstr(name, "libpymemagent"))
		return SNAP_MAP_AGENT;
	if (memory_starts_with(name, "[v") || memory_starts_with(name, "[uprobes"))
		return SNAP_MAP_SPECIAL;
	if (perms & 8)
		return SNAP_MAP_SHARED;
	if (!*name || memory_starts_with(name, "[anon"))
		return SNAP_MAP_ANON;
	return SNAP_MAP_FILE;
}

/* "start-end perms offset dev inode   path" */
static void memory_parse_head(struct walk *w, struct memory_map *map, const char *line)
{
	static const char letters[] = "rwxs";

	memset(map, 0, sizeof(*map));
	phrase_parse_hex(&line, &map->start);
	line += *line == '-';
	phrase_parse_hex(&line, &map->end);
	line += *line == ' ';
	for (unsigned i = 0; i < 4 && *line; i++, line++)
		if (*line == letters[i])
			map->perms |= (uint8_t)(1u << i);
	line += *line == ' ';
	phrase_parse_hex(&line, &map->offset);
	for (int fields = 0; fields < 2; fields++) {
		while (*line == ' ')
			line++;
		while (*line && *line != ' ')
			line++;
	}
	while (*line == ' ')
		line++;
	map->name = strings_add_text(w, line);
	map->class_ = memory_class(line, map->perms);
}

static void memory_parse_field(struct memory_map *map, char *line)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
		{ "Rss:", offsetof(struct memory_map, rss) },
		{ "Pss:", offsetof(struct memory_map, pss) },
		{ "Private_Dirty:", offsetof(struct memory_map, private_dirty) },
		{ "Shared_Dirty:", offsetof(struct memory_map, shared_dirty) },
		{ "Anonymous:", offsetof(struct memory_map, anonymous) },
		{ "Swap:", offsetof(struct memory_map, swap) },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		uint64_t value = 0;
		const char *pos;

		if (!memory_starts_with(line, fields[i].name))
			continue;
		for (pos = line + strlen(fields[i].name); *pos == ' '; pos++)
			;
		phrase_parse_u64(&pos, &value);
		value *= 1024;
		memcpy((char *)map + fields[i].offset, &value, sizeof(value));
		return;
	}
}

static bool memory_is_head(const char *line)
{
	return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

static int memory_read_maps(struct walk *w, struct memory *memory, uint32_t pid)
{
	char *buf = arena_map(w->arena, SMAPS_BUFFER);
	int fd = PEEK_IN_IMAGE && w->options->smaps_fd ? w->options->smaps_fd :
							 procfs_open_file(pid, "smaps");
	struct memory_map *map = NULL;
	struct procfs file;
	char *line;

	if (!buf || fd < 0)
		return fd < 0 ? fd : -ENOMEM;
	memory->pid = pid;
	procfs_init(&file, fd, buf, SMAPS_BUFFER);
	while ((line = procfs_line(&file))) {
		if (!memory_is_head(line)) {
			if (map)
				memory_parse_field(map, line);
			continue;
		}
		map = memory_add_map(w, memory);
		if (!map)
			break;
		memory_parse_head(w, map, line);
	}
	close(fd);
	arena_unmap(w->arena, buf, SMAPS_BUFFER);
	return memory->count ? 0 : -EIO;
}

/* Resident bytes of [start, end) in the copy; UINT64_MAX: the kernel didn't tell. */
static uint64_t memory_copied_rss(struct walk *w, uint64_t start, uint64_t end)
{
	uint64_t rss = 0;

	for (uint32_t i = 0; i < w->nranges && w->ranges[i].start < end; i++) {
		const struct walk_range *r = &w->ranges[i];

		if (r->end <= start)
			continue;
		if (!r->scanned)
			return UINT64_MAX;
		rss += pages_present_bytes(&w->pages, r->start > start ? r->start : start,
					   r->end < end ? r->end : end);
	}
	return rss;
}

/* What the target has taken since the copy was made doesn't count. */
static void memory_as_copied(struct walk *w, struct memory *memory)
{
	for (size_t i = 0; i < memory->count; i++) {
		struct memory_map *map = &memory->maps[i];
		uint64_t rss;

		if (map->class_ != SNAP_MAP_ANON && map->class_ != SNAP_MAP_HEAP)
			continue;
		rss = memory_copied_rss(w, map->start, map->end);
		map->rss = rss < map->rss ? rss : map->rss;
		map->anonymous = rss < map->anonymous ? rss : map->anonymous;
	}
}

void memory_begin(struct walk *w)
{
	struct memory *memory = arena_alloc(w->arena, sizeof(*memory));
	uint32_t pid = procfs_target(w->options);

	if (!memory)
		return;
	memory->copied = w->options->in_copy;
	memory->leaves = arena_map(w->arena, LEAVES * sizeof(*memory->leaves));
	if (memory_read_maps(w, memory, pid) < 0 && pid)
		memory_read_maps(w, memory, 0);
	if (memory->copied && memory->pid)
		memory_as_copied(w, memory);
	if (memory->leaves)
		w->memory = memory;
}

/* ---- while sweeping ---- */

static struct memory_map *memory_search(struct memory *memory, uint64_t addr)
{
	size_t low = 0, high = memory->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (memory->maps[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < memory->count && memory->maps[low].start <= addr)
		return &memory->maps[low];
	return NULL;
}

static struct memory_map *memory_find_cached(struct memory *memory, uint64_t addr)
{
	struct memory_map **slot = &memory->cache[(addr >> 21) % MEMORY_CACHE];
	struct memory_map *map = *slot;

	if (map && addr >= map->start && addr < map->end)
		return map;
	map = memory_search(memory, addr);
	if (map)
		*slot = map;
	return map;
}

/* The mapping that holds addr, or NULL. */
static struct memory_map *memory_find(struct walk *w, uint64_t addr)
{
	return w->memory ? memory_find_cached(w->memory, addr) : NULL;
}

void memory_note_stack(struct walk *w, uint64_t addr)
{
	struct memory_map *map = memory_find(w, addr);

	if (map && map->class_ == SNAP_MAP_ANON && map->end - addr < THREAD_TOP)
		map->class_ = SNAP_MAP_STACK;
}

static void memory_mark_pages(struct walk *w, struct memory *memory, uint64_t first,
			      uint64_t last)
{
	for (uint64_t page = first; page <= last; page++) {
		uint64_t leaf = page >> (LEAF_SHIFT - GRAIN_SHIFT);

		if (leaf >= LEAVES)
			return;
		if (!memory->leaves[leaf])
			memory->leaves[leaf] = arena_map(w->arena, LEAF_WORDS * 8);
		if (!memory->leaves[leaf])
			return;
		memory->leaves[leaf][page / 64 % LEAF_WORDS] |= 1ull << page % 64;
	}
}

/* Marks the pages, and finds the mapping that has the first of them. */
static struct memory_map *memory_note(struct walk *w, struct memory *memory,
				      uint64_t addr, uint64_t size)
{
	struct memory_map *map = memory_find_cached(memory, addr);

	memory_mark_pages(w, memory, addr >> GRAIN_SHIFT,
			  (addr + size - 1) >> GRAIN_SHIFT);
	return map ? map : &memory->nowhere;
}

void memory_live_elsewhere(struct walk *w, uint64_t addr, uint64_t size)
{
	struct memory *memory = w->memory;
	const uint64_t page = addr >> GRAIN_SHIFT;
	uint64_t *bytes;

	if (!size)
		return;
	bytes = memory_note(w, memory, addr, size)->object_bytes;
	bytes[size <= MEMORY_SMALL] += size;
	memory->pages[page % MEMORY_PAGES] = (struct memory_page){ page, bytes };
}

uint64_t *memory_live_in(struct walk *w, uint64_t addr, uint64_t size)
{
	struct memory *memory = w->memory;

	return memory && size ? memory_note(w, memory, addr, size)->object_bytes : NULL;
}

/* ---- afterwards ---- */

static bool memory_grain_live(const struct memory *memory, uint64_t page)
{
	uint64_t leaf = page >> (LEAF_SHIFT - GRAIN_SHIFT);

	return leaf < LEAVES && memory->leaves[leaf] &&
		memory->leaves[leaf][page / 64 % LEAF_WORDS] >> page % 64 & 1;
}

uint64_t memory_skip(struct walk *w, uint64_t addr)
{
	const struct memory *memory = w->memory;

	while (addr >> LEAF_SHIFT < LEAVES && !memory->leaves[addr >> LEAF_SHIFT])
		addr = ((addr >> LEAF_SHIFT) + 1) << LEAF_SHIFT;
	return addr;
}

bool memory_page_live(struct walk *w, uint64_t addr, uint64_t size)
{
	for (uint64_t at = addr; at < addr + size; at += 1u << GRAIN_SHIFT)
		if (memory_grain_live(w->memory, at >> GRAIN_SHIFT))
			return true;
	return false;
}

/* Does the page, of 1 << shift bytes, hold a live object? */
static bool memory_holds_live(const struct memory *memory, uint64_t page, unsigned shift)
{
	const uint64_t first = page << shift >> GRAIN_SHIFT;

	for (uint64_t i = 0; i < 1ull << (shift - GRAIN_SHIFT); i++)
		if (memory_grain_live(memory, first + i))
			return true;
	return false;
}

/* Live pages of [page, end) that are in memory; pagemap < 0: all are. */
static uint64_t memory_count_live(const struct memory *memory, int pagemap, uint64_t page,
				  uint64_t end)
{
	const unsigned shift = page_shift();
	uint64_t info[PAGEMAP_CHUNK], live = 0;

	while (page < end) {
		uint64_t n = end - page < PAGEMAP_CHUNK ? end - page : PAGEMAP_CHUNK;
		ssize_t got = -1;

		if (!memory->leaves[page >> (LEAF_SHIFT - shift)]) {
			page = (page | ((1u << (LEAF_SHIFT - shift)) - 1)) + 1;
			continue;
		}
		if (pagemap >= 0)
			got = pread(pagemap, info, n * 8, (off_t)(page * 8));
		for (uint64_t i = 0; i < n; i++)
			if (memory_holds_live(memory, page + i, shift) &&
			    ((ssize_t)(i * 8) >= got || info[i] >> 63))
				live++;
		page += n;
	}
	return live;
}

/*
 * Undoes what the copy's existence did to the counts of the parent: each
 * anonymous page shared by n is shared by n + 1 now, so pss is A/(n+1), not A/n.
 */
static void memory_without_copy(const struct memory *memory, const struct memory_map *map,
				uint64_t *pss, uint64_t *private_dirty)
{
	uint64_t files =
		map->rss - (map->anonymous < map->rss ? map->anonymous : map->rss);
	uint64_t anon = map->rss - files, now, then;

	*pss = map->pss;
	*private_dirty = map->private_dirty;
	if (!memory->copied || !anon || files * 8 > map->rss || map->pss >= anon)
		return;
	now = map->pss;
	then = (uint64_t)((unsigned __int128)anon * now / (anon - now));
	if (then > map->rss)
		then = map->rss;
	*pss = then;
	if (then * 50 >= map->rss * 49)
		*private_dirty += map->shared_dirty;
}

static void memory_emit_map(struct walk *w, struct memory *memory, struct memory_map *map,
			    int pagemap)
{
	struct snap_map event = {
		.start = map->start,
		.end = map->end,
		.offset = map->offset,
		.name = map->name,
		.class_ = map->class_,
		.perms = map->perms,
		.rss = map->rss,
		.anonymous = map->anonymous,
		.swap = map->swap,
		.object_bytes = map->object_bytes[0] + map->object_bytes[1],
	};

	memory_without_copy(memory, map, &event.pss, &event.private_dirty);
	if (map->end <= CPU_ADDRESS_END)
		event.live =
			memory_count_live(
				memory, map->rss == map->end - map->start ? -1 : pagemap,
				map->start >> page_shift(), map->end >> page_shift())
			<< page_shift();
	if (event.live > map->rss)
		event.live = map->rss;
	EVENTS_SEND(w, map, &event);
}

/* Objects' bytes in memory that is no file's, and which of them are small pieces. */
static void memory_object_facts(struct walk *w, const struct memory *memory)
{
	uint64_t small = 0, large = 0;

	for (size_t i = 0; i < memory->count; i++) {
		const struct memory_map *map = &memory->maps[i];

		if (map->class_ == SNAP_MAP_ANON || map->class_ == SNAP_MAP_HEAP) {
			large += map->object_bytes[0];
			small += map->object_bytes[1];
		}
	}
	events_fact_u64(w, "memory.small_object_bytes", small);
	events_fact_u64(w, "memory.large_object_bytes", large);
}

bool memory_facts(struct walk *w)
{
	struct memory *memory = w->memory;
	uint64_t rss = 0, swap = 0, objects = 0;
	int pagemap;

	if (!memory || !memory->count) {
		events_error(w, 0, NULL,
			     "the mappings could not be read: /proc/PID/smaps");
		return false;
	}
	pagemap = procfs_open_file(memory->pid, "pagemap");
	for (size_t i = 0; i < memory->count && !w->err; i++) {
		struct memory_map *map = &memory->maps[i];

		memory_emit_map(w, memory, map, pagemap);
		rss += map->rss;
		swap += map->swap;
		objects += map->object_bytes[0] + map->object_bytes[1];
	}
	if (pagemap >= 0)
		close(pagemap);
	if (memory->copied && !memory->pid)
		events_fact_text(w, "memory.note", OWN_MAPS, sizeof(OWN_MAPS) - 1);
	events_fact_u64(w, "memory.rss", rss);
	events_fact_u64(w, "memory.swap", swap);
	events_fact_u64(w, "memory.object_bytes", objects);
	memory_object_facts(w, memory);
	events_fact_u64(w, "memory.unmapped_object_bytes",
			memory->nowhere.object_bytes[0] +
				memory->nowhere.object_bytes[1]);
	return true;
}
