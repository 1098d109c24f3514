/* SPDX-License-Identifier: MIT */
/*
 * roots - what keeps objects alive from outside the heap, by name.
 *
 * Interpreter states are not read at fixed offsets: they change with every micro
 * release.  Every aligned word of the state is looked at; what looks like an
 * object is a root, and what it is called follows from what it is: the dict that
 * holds the modules "sys" and "builtins" is sys.modules, the dict of the module
 * sys is sysdict, a list followed by two dicts the second of which has a key
 * "strict" is the codec registry, and so on.  What fits no pattern is a
 * CONSERVATIVE root called "interpreter".  Sources of the patterns:
 * Include/internal/pycore_{interp,interp_structs,import,atexit,typeobject}.h.
 *
 * Thread states are read by a table of offsets (frame_layout.c), each checked;
 * their other words are CONSERVATIVE roots called "thread state".
 */
#ifndef PYMEM_AGENT_HEAP_ROOTS_ROOTS_H
#define PYMEM_AGENT_HEAP_ROOTS_ROOTS_H

#include <stdbool.h>
#include <stdint.h>

struct walk;

enum { ROOTS_INTERPS = 256 };

/* One interpreter, as far as others need to know it. */
struct roots_interp {
	uint64_t state; /* PyInterpreterState */
	uint64_t id;
	uint64_t modules; /* the dict sys.modules; 0 = not found */
	uint64_t size;	  /* bytes of the state we look at */
};

struct roots {
	struct roots_interp interps[ROOTS_INTERPS];
	uint32_t count;
	uint64_t *tstates; /* thread states of all interpreters */
	uint32_t tstate_count;
	uint64_t cache_start, cache_end; /* the static type cache, <= 3.9 */
};

/* roots_interp.c: finds sys.modules, then emits the interpreter's own roots. */
void roots_interp_find(struct walk *w, struct roots_interp *interp);
void roots_interp_emit(struct walk *w, const struct roots_interp *interp);

/* threads.c: emits the threads of an interpreter with their frames and roots. */
void roots_threads(struct walk *w, const struct roots_interp *interp);

/* A module of that interpreter by its name in sys.modules; 0 = none. */
uint64_t roots_module(struct walk *w, const struct roots_interp *interp,
		      const char *name);
/* ... and a value of its dict. */
uint64_t roots_module_value(struct walk *w, const struct roots_interp *interp,
			    const char *module, const char *name);

/* roots_image.c: what the static variables of the interpreter own: the table of
 * interned strings (<= 3.11) and the type attribute cache (<= 3.9). */
void roots_image(struct walk *w);

/* Emits the root of the table of interned strings, once. */
void roots_interned(struct walk *w, uint64_t dict);

/* roots_interp.c: is the word at `at` (an object) in an array of free objects? The
 * array does not go beyond [start, end). */
bool roots_is_freelist(struct walk *w, uint64_t at, uint64_t start, uint64_t end);

/* If addr lies in what was read exactly (an interpreter's state, the type cache),
 * the end of that; else 0. */
uint64_t roots_skip(const struct walk *w, uint64_t addr);

/* Is this dict the table of interned strings: every value is its own key? */
bool roots_is_interned(struct walk *w, uint64_t dict);

#endif
