/* SPDX-License-Identifier: MIT */
/* queue - see queue.h. */
#include "agent/heap/core/queue.h"

#include <string.h>

enum { QUEUE_FIRST = 4096 };

void queue_push(struct walk *w, uint64_t addr)
{
	if (w->nstack == w->stack_capacity) {
		uint32_t capacity =
			w->stack_capacity ? w->stack_capacity * 2 : QUEUE_FIRST;
		uint64_t *bigger = arena_map(w->arena, capacity * sizeof(*bigger));

		if (!bigger) {
			context_check(w, -ENOMEM);
			return;
		}
		if (w->stack) {
			memcpy(bigger, w->stack, w->nstack * sizeof(*bigger));
			arena_unmap(w->arena, w->stack,
				    w->stack_capacity * sizeof(*bigger));
		}
		w->stack = bigger;
		w->stack_capacity = capacity;
	}
	w->stack[w->nstack++] = addr;
}
