/* SPDX-License-Identifier: MIT */
/* interps - the interpreters that the walk looks at, and their thread states. */
#ifndef PYMEM_AGENT_HEAP_CORE_INTERPS_H
#define PYMEM_AGENT_HEAP_CORE_INTERPS_H

#include "agent/heap/core/context.h"

/* One interpreter, as far as others need to know it. */
struct interp {
	uint64_t state; /* PyInterpreterState */
	uint64_t id;
	uint64_t modules; /* the dict sys.modules; 0 = not found (yet: roots) */
	uint64_t size;	  /* bytes of the state we look at */
};

struct interps {
	struct interp list[LAYOUT_INTERPS];
	uint32_t count;
	uint64_t *tstates; /* thread states of all interpreters */
	uint32_t tstate_count;
};

/* The string id of a str's text, or of a text, and of which interpreter it is unless that
 * is the main one: "app (interpreter 2)". */
uint32_t interps_name_object(struct walk *w, const struct interp *interp, uint64_t str);
uint32_t interps_name(struct walk *w, const struct interp *interp, const char *text);

/* Fills w->interps; on failure w->err is set and there are none. */
void interps_find(struct walk *w);

#endif
