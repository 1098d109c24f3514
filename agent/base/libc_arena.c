/* SPDX-License-Identifier: MIT */
/* libc_arena - see libc_arena.h. */
#include "agent/base/libc_arena.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/base/cpu.h"
#include "agent/base/peek.h"

enum {
	ARENA_STATE_WORDS = 300, /* more than sizeof(struct malloc_state) / 8 = 275 */
	ARENA_EMPTY_BINS = 16,	 /* so many list heads must point to themselves */
	ARENA_TLS_REACH = 512,	 /* bytes of TLS looked at on each side of errno */
};

static struct {
	ptrdiff_t offset; /* of thread_arena, from the thread pointer; 0 = unknown */
	uint64_t arena;
} libc_arena;

/*
 * Is there a malloc_state at addr?  A list head is a pair of words (fd, bk) that,
 * when the list is empty, both hold the address two words before the pair.
 */
static bool libc_arena_is(uint64_t addr)
{
	uint64_t word[ARENA_STATE_WORDS];
	unsigned empty = 0;

	if (!peek_plausible(addr) || addr % 8 || !peek_safe(addr, word, sizeof(word)))
		return false;
	for (unsigned i = 2; i + 1 < ARENA_STATE_WORDS; i++) {
		if (word[i] == addr + (i - 2) * 8 && word[i + 1] == word[i])
			empty++;
	}
	return empty >= ARENA_EMPTY_BINS;
}

/* Looks for the one word of libc's TLS that points to an arena. */
static bool libc_arena_search(void)
{
	const uint64_t from = ((uint64_t)(uintptr_t)&errno & ~7ULL) - ARENA_TLS_REACH;
	uint64_t word[2 * ARENA_TLS_REACH / 8];
	unsigned found = 0;

	if (!peek_safe(from, word, sizeof(word))) { /* near the end of a mapping */
		for (unsigned i = 0; i < 2 * ARENA_TLS_REACH / 8; i++)
			if (!peek_safe64(from + i * 8, &word[i]))
				word[i] = 0;
	}
	for (unsigned i = 0; i < 2 * ARENA_TLS_REACH / 8; i++) {
		if (!libc_arena_is(word[i]))
			continue;
		found++;
		libc_arena.offset = (ptrdiff_t)(from + i * 8 - cpu_self_pointer());
		libc_arena.arena = word[i];
	}
	if (found == 1)
		return true;
	libc_arena.offset = 0;
	return false;
}

bool libc_arena_learn(void)
{
	void *volatile block;

	if (libc_arena.offset)
		return true;
	block = malloc(32); /* gives this thread its arena, if it had none */
	free(block);
	return block && libc_arena_search();
}

static uint64_t *libc_arena_word(void)
{
	return (uint64_t *)(uintptr_t)(cpu_self_pointer() + (uint64_t)libc_arena.offset);
}

void libc_arena_join(void)
{
	if (libc_arena.offset && !*libc_arena_word())
		*libc_arena_word() = libc_arena.arena;
}

void libc_arena_leave(void)
{
	if (libc_arena.offset && *libc_arena_word() == libc_arena.arena)
		*libc_arena_word() = 0;
}
