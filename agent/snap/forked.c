/* SPDX-License-Identifier: MIT */
/* forked - see forked.h. */
#include "agent/snap/forked.h"

#include <string.h>

#include "agent/base/page.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"

enum { FORKED_MAPS = 1 << 22 }; /* bytes of /proc/self/maps at most */

/* "start-end perms ...": a private mapping that can be written; true: noted. */
static bool forked_line(struct pages *pages, const char *line)
{
	uint64_t start, end;

	if (!phrase_parse_hex(&line, &start) || *line++ != '-' ||
	    !phrase_parse_hex(&line, &end) || strncmp(line, " rw", 3) != 0 ||
	    line[4] != 'p')
		return true;
	return pages_scan_forked(pages, start, end);
}

/* Does the kernel say of a page that is ours alone that it is? */
static bool forked_told(struct pages *pages, uint64_t page)
{
	*(volatile char *)(uintptr_t)page = 1;
	return pages_scan_forked(pages, page, page + page_size()) &&
		pages_state(pages, page) != PAGES_PRESENT;
}

static bool forked_scan(struct arena *arena, struct pages *pages)
{
	char *const maps = arena_map(arena, FORKED_MAPS);
	long n;

	if (!maps || pages_init(pages, arena) < 0 ||
	    !forked_told(pages, page_floor((uintptr_t)maps)))
		return false;
	n = sys_read_own("maps", maps, FORKED_MAPS);
	if (n <= 0)
		return false;
	for (char *line = maps, *next; *line; line = next) {
		next = strchr(line, '\n');
		if (!next)
			break; /* cut off: what isn't known isn't shared */
		*next++ = '\0';
		forked_line(pages, line);
	}
	arena_unmap(arena, maps, FORKED_MAPS);
	return true;
}

void forked_note(struct job *job)
{
	struct arena arena;
	struct pages *pages;

	arena_init(&arena, 0);
	pages = arena_alloc(&arena, sizeof(*pages));
	if (pages && forked_scan(&arena, pages)) {
		job->forked = pages;
		job->forked_arena = arena;
		pages->arena = NULL; /* nothing is added */
	} else {
		arena_release(&arena);
	}
	pages_close(); /* the copy opens its own */
}

void forked_forget(struct job *job)
{
	if (job->forked)
		arena_release(&job->forked_arena);
	job->forked = NULL;
}
