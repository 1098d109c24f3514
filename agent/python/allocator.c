/* SPDX-License-Identifier: MIT */
/* allocator - see allocator.h. */
#include "agent/python/allocator.h"

#include <string.h>

enum { DOMAIN_RAW, DOMAIN_MEM, DOMAIN_OBJ, SCRATCH = 4096, HEADER = 16 };

typedef void set_fn(int domain, struct allocator_ex *allocator);

static set_fn *allocator_setter(void *symbol)
{
	union {
		void *p;
		set_fn *fn;
	} u = { symbol };

	return u.fn;
}

/* ---- for the length of one call: a scratch buffer, then the arena ---- */

static _Alignas(16) char scratch[SCRATCH];
static size_t scratch_used;
static struct arena *overflow;
static const uint64_t OURS = 0x70796d656d206d65ULL; /* marks our blocks */

static void *allocator_bump(void *ctx, size_t size)
{
	uint64_t *head;

	(void)ctx;
	if (size > SIZE_MAX / 2)
		return NULL;
	size = ((size ? size : 1) + HEADER + 15) & ~(size_t)15;
	if (size <= SCRATCH - scratch_used) {
		head = (uint64_t *)(void *)(scratch + scratch_used);
		scratch_used += size;
	} else {
		head = arena_alloc(overflow, size);
		if (!head)
			return NULL;
	}
	head[0] = size - HEADER; /* usable bytes, for realloc */
	head[1] = OURS;
	return head + HEADER / 8;
}

static void *allocator_bump_zeroed(void *ctx, size_t n, size_t size)
{
	void *mem;

	if (size && n > SIZE_MAX / 2 / size)
		return NULL;
	mem = allocator_bump(ctx, n * size);
	if (mem)
		memset(mem, 0, n * size);
	return mem;
}

static void *allocator_bump_again(void *ctx, void *ptr, size_t size)
{
	void *mem = allocator_bump(ctx, size);
	size_t old;

	if (!ptr || !mem)
		return mem;
	old = (size_t)((uint64_t *)ptr)[-(HEADER / 8)];
	memcpy(mem, ptr, old < size ? old : size);
	return mem;
}

/*
 * A block that is grown may have come from the old allocator: its size is
 * unknown, so ours are told by a word before them and others are refused: "no
 * memory", which the caller copes with; the copy ends soon anyway.
 */
static void *allocator_marked_again(void *ctx, void *ptr, size_t size)
{
	const uint64_t *head = (const uint64_t *)ptr - HEADER / 8;

	if (ptr && head[1] != OURS)
		return NULL;
	return allocator_bump_again(ctx, ptr, size);
}

static void allocator_bump_free(void *ctx, void *ptr)
{
	(void)ctx, (void)ptr; /* whatever it was, nobody needs it back */
}

static const struct allocator_ex ours = { NULL, allocator_bump, allocator_bump_zeroed,
					  allocator_marked_again, allocator_bump_free };

void allocator_enter(const struct cpython *py, struct allocator_swap *swap,
		     struct arena *arena)
{
	struct allocator_ex mine = ours;

	swap->active = py->sym.get_allocator && py->sym.set_allocator;
	if (!swap->active)
		return;
	overflow = arena;
	scratch_used = 0;
	allocator_setter(py->sym.get_allocator)(DOMAIN_OBJ, &swap->old);
	allocator_setter(py->sym.set_allocator)(DOMAIN_OBJ, &mine);
}

void allocator_leave(const struct cpython *py, struct allocator_swap *swap)
{
	if (swap->active)
		allocator_setter(py->sym.set_allocator)(DOMAIN_OBJ, &swap->old);
}

void allocator_replace(const struct cpython *py, struct arena *arena)
{
	struct allocator_ex mine = ours;

	if (!py->sym.set_allocator)
		return;
	overflow = arena;
	scratch_used = 0;
	for (int domain = DOMAIN_RAW; domain <= DOMAIN_OBJ; domain++)
		allocator_setter(py->sym.set_allocator)(domain, &mine);
}
