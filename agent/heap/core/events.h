/* SPDX-License-Identifier: MIT */
/* events - what the walk tells its sink. */
#ifndef PYMEM_AGENT_HEAP_CORE_EVENTS_H
#define PYMEM_AGENT_HEAP_CORE_EVENTS_H

#include "agent/heap/core/context.h"

/* Sends an event, if the sink wants it; true when the walk should go on. */
#define EVENTS_SEND(w, event, ...) \
	((w)->sink->ops->event ? \
		 context_check((w), (w)->sink->ops->event((w)->sink, __VA_ARGS__)) : \
		 !(w)->err)

typedef int events_whole_fn(struct snap_sink *sink, const struct snap_object *object,
			    const struct snap_value *value);

/* What takes an object with its value: the sink, or for one that takes them by
 * themselves a function that calls both; NULL: it takes neither. */
events_whole_fn *events_taker(const struct snap_sink *sink);

/* Sends an object and its value, NULL: none. */
static inline bool events_whole(struct walk *w, const struct snap_object *object,
				const struct snap_value *value)
{
	return w->whole ? context_check(w, w->whole(w->sink, object, value)) : !w->err;
}

/* Queues target and emits a root; target 0 is ignored. */
void events_root(struct walk *w, uint8_t kind, uint8_t flags, uint32_t thread,
		 uint32_t frame, uint32_t name, uint64_t target);
/* An error event: what could not be walked, and why (a literal or our own text). */
void events_error(struct walk *w, uint64_t obj, const struct walk_type *type,
		  const char *text);
void events_fact_u64(struct walk *w, const char *key, uint64_t value);
void events_fact_text(struct walk *w, const char *key, const char *text, size_t size);
/* A part of the walk begins; static text. */
void events_phase(struct walk *w, const char *phase);
/* How far it is. */
void events_progress(struct walk *w);

#endif
