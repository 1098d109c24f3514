/* SPDX-License-Identifier: MIT */
/* malloc_arena - see malloc_arena.h. */
#include "loader/target/malloc_arena.h"

#include "loader/cpu/cpu.h"
#include "loader/target/memory.h"

#define TLS_REACH 16384 /* static TLS of all libraries is below that as a rule */
#define HEAP_MAX ((uint64_t)64 << 20)
#define HEAP_INFO_MAX 256
#define STATE_WORDS 300 /* more than sizeof(struct malloc_state) / 8 = 275 */
#define EMPTY_BINS 16

/* A list head is (fd, bk); an empty one points two words before itself, twice. */
static bool malloc_arena_is_arena(const struct memory *mem, uint64_t addr)
{
	uint64_t word[STATE_WORDS];
	unsigned empty = 0;

	if (!memory_read(mem, addr, word, sizeof(word)))
		return false;
	for (unsigned i = 2; i + 1 < STATE_WORDS; i++)
		empty += word[i] == addr + (i - 2) * 8 && word[i + 1] == word[i];
	return empty >= EMPTY_BINS;
}

static bool malloc_arena_may_be_arena(const struct target *t, uint64_t addr)
{
	const struct elf *libc = &t->libc->elf;

	return addr % 8 == 0 &&
		((addr >= libc->base && addr < libc->end) ||
		 (addr > HEAP_MAX && addr % HEAP_MAX < HEAP_INFO_MAX));
}

bool malloc_arena_present(const struct target *t, const struct memory *mem,
			  uint64_t thread_pointer)
{
	uint64_t word[TLS_REACH / 8];
	size_t reach = TLS_REACH;

	if (t->libc_kind != LIBC_GLIBC || thread_pointer < TLS_REACH)
		return true;
	for (int i = 0; i < t->module_count; i++)
		if (t->modules[i].allocator)
			return true;
	while (reach >= 1024 &&
	       !memory_read(mem, thread_pointer - (cpu_tls_below ? reach : 0), word,
			    reach))
		reach /= 2; /* a short stack's mapping may begin there */
	for (size_t i = reach / 8; reach >= 1024 && i-- > 0;)
		if (malloc_arena_may_be_arena(t, word[i]) &&
		    malloc_arena_is_arena(mem, word[i]))
			return true;
	return reach < 1024;
}
