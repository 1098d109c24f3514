/* SPDX-License-Identifier: MIT */
/*
 * heap - a made-up Python process, sent as events.
 *
 * A skeleton (None, types, modules, two threads with frames) and as many units as asked
 * for: records in dicts, instances with attributes, nodes of an LRU ring, a linked list,
 * closures.  The units are held by lists, dicts and objects whose addresses are known
 * from the start, but which are sent last, when their contents and counts are known; so
 * references go forward and back, as in a real walk.  Addresses imitate pymalloc: pools
 * of one size class, in arenas.  Reference counts are exactly the references sent.
 */
#ifndef PYMEM_TESTS_GEN_HEAP_H
#define PYMEM_TESTS_GEN_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/sink.h"

enum gen_leak {
	GEN_LEAK_NONE,
	GEN_LEAK_MODULE,
	GEN_LEAK_LRU,
	GEN_LEAK_CLOSURE,
	GEN_LEAK_COUNT
};
extern const char *const gen_leak_names[GEN_LEAK_COUNT];

struct gen_options {
	uint64_t objects; /* about so many, at least some 700 */
	uint64_t seed;
	uint32_t pid;
	enum gen_leak leak;    /* who holds the leaked objects */
	uint32_t leak_percent; /* of all objects, 0 = 30 when a leak is planted */
	uint32_t types;	       /* classes of records; 0 = 20 */
	uint32_t string_size;  /* longest text */
	bool no_values;
};

/* Sends the whole process, END included. The sink's first nonzero result, or 0. */
int gen_heap(struct snap_sink *sink, const struct gen_options *given);

/* ---- inside: what units.c builds with ---- */

/* A container sent at the end. */
struct gen_list {
	uint64_t addr;
	uint64_t *items;
	size_t count, capacity;
};

/* An object of the skeleton: its address is known, its count grows. */
enum gen_hub {
	HUB_NONE,
	HUB_TRUE,
	HUB_APP,
	HUB_CACHE,
	HUB_SYS,
	HUB_APP_DICT,
	HUB_CACHE_DICT,
	HUB_SYS_DICT,
	HUB_MODULES,
	HUB_CODE,
	HUB_ROOT_NODE,
	HUB_HANDLER,
	HUB_COUNT
};

enum gen_type {
	T_TYPE = 1,
	T_STR,
	T_INT,
	T_FLOAT,
	T_DICT,
	T_LIST,
	T_TUPLE,
	T_NONE,
	T_BOOL,
	T_MODULE,
	T_FUNCTION,
	T_CELL,
	T_CODE,
	T_LRU_NODE,
	T_SESSION,
	T_WEAKREF,
	T_FIRST_CLASS /* app.models.Class0, ... */
};

enum gen_shape {
	S_LIST = 1,
	S_DICT,
	S_NODE,
	S_SESSION,
	S_FUNCTION,
	S_CELL,
	S_MODULE,
	S_WEAK,
	S_CLASS
};

struct gen {
	struct snap_sink *sink;
	const struct gen_options *options;
	int err;
	uint64_t random;
	uint64_t objects;
	uint32_t strings; /* ids given */
	uint32_t types;

	uint64_t pool[64], pool_end[64], next_pool, next_large;
	uint64_t hub[HUB_COUNT];
	uint64_t hub_count[HUB_COUNT];
	uint64_t *type_addr;  /* by type id */
	uint64_t *type_count; /* instances */
	uint64_t small_int[256], small_int_count[256];
	uint64_t key[16], key_count[16]; /* interned strings that are dict keys */

	struct gen_list rows, people, sessions, callbacks, ring, kept;
	uint64_t ring_prev, chain;
	uint64_t unit; /* how many units so far */
};

uint64_t gen_random(struct gen *g, uint64_t below);
/* Address for an object of `size` bytes. */
uint64_t gen_alloc(struct gen *g, uint64_t size);
/* Sends an object. */
void gen_object(struct gen *g, uint64_t addr, uint32_t type, uint32_t shape,
		uint64_t size, uint64_t refcount, const uint64_t *refs, uint32_t nrefs);
/* A new str with some text, sent with its value; an int; a float. */
uint64_t gen_str(struct gen *g, const char *text);
uint64_t gen_int(struct gen *g, uint64_t number);
uint64_t gen_float(struct gen *g, double number);
/* The addresses of hubs, small ints and keys, counting the reference. */
uint64_t gen_hub(struct gen *g, enum gen_hub hub);
uint64_t gen_key(struct gen *g, unsigned key);
void gen_append(struct gen *g, struct gen_list *list, uint64_t item);

/* units.c: sends one more unit of a kind chosen at random, or a leaked session. */
void gen_unit(struct gen *g);
void gen_session(struct gen *g);
/* Ends the ring of LRU nodes that gen_unit builds. */
void gen_close_ring(struct gen *g);

extern const char *const gen_keys[16];

#endif
