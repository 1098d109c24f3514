/* SPDX-License-Identifier: MIT */
/* units - what a heap is full of; see heap.h. */
#include "heap.h"

#include <stdio.h>

enum { KEY_ID, KEY_NAME, KEY_EMAIL, KEY_TAGS, KEY_SCORE, KEY_HANDLER };

/* {'id': int, 'name': str, 'tags': [str, ...], 'score': float} in app.ROWS */
static void record(struct gen *g)
{
	const uint64_t dict = gen_alloc(g, 232 + 16), list = gen_alloc(g, 88 + 16);
	const uint32_t ntags = (uint32_t)gen_random(g, 4);
	uint64_t tags[4], items[8];
	char text[64];

	for (uint32_t i = 0; i < ntags; i++) {
		snprintf(text, sizeof(text), "tag-%u", (unsigned)gen_random(g, 1000));
		tags[i] = gen_str(g, text);
	}
	gen_object(g, list, T_LIST, S_LIST, 56 + 8 * (uint64_t)ntags, 1, tags, ntags);
	snprintf(text, sizeof(text), "record number %llu", (unsigned long long)g->unit);
	items[0] = gen_key(g, KEY_ID);
	items[1] = gen_int(g, g->unit);
	items[2] = gen_key(g, KEY_NAME);
	items[3] = gen_str(g, text);
	items[4] = gen_key(g, KEY_TAGS);
	items[5] = list;
	items[6] = gen_key(g, KEY_SCORE);
	items[7] = gen_float(g, (double)gen_random(g, 10000) / 8);
	gen_object(g, dict, T_DICT, S_DICT, 232, 1, items, 8);
	gen_append(g, &g->rows, dict);
}

/* An instance of one of the classes: name, email, parent, score in slots */
static void person(struct gen *g)
{
	const uint32_t type =
		T_FIRST_CLASS + (uint32_t)gen_random(g, g->types - T_FIRST_CLASS + 1);
	const uint64_t self = gen_alloc(g, 64 + 16);
	uint64_t refs[4];
	char text[64];

	snprintf(text, sizeof(text), "Person %u", (unsigned)gen_random(g, 100000));
	refs[0] = gen_str(g, text);
	snprintf(text, sizeof(text), "p%u@example.com",
		 (unsigned)gen_random(g, 1u << 30));
	refs[1] = gen_random(g, 8) ? gen_str(g, text) : 0;
	refs[2] = gen_hub(g, gen_random(g, 3) ? HUB_ROOT_NODE : HUB_NONE);
	refs[3] = gen_int(g, gen_random(g, 1000));
	g->type_count[type]++;
	gen_object(g, self, type, S_CLASS, 64, 1, refs, 4);
	gen_append(g, &g->people, self);
}

/* A node of the ring in app.cache: prev, next, key, value; also a value of a dict */
static void node(struct gen *g)
{
	const uint64_t self = g->ring_prev, next = gen_alloc(g, 64 + 16);
	uint64_t refs[4];
	char text[64];

	snprintf(text, sizeof(text), "key:%llu", (unsigned long long)g->unit);
	refs[0] =
		g->ring.count ? g->ring.items[g->ring.count - 1] : g->hub[HUB_ROOT_NODE];
	refs[1] = next;
	refs[2] = gen_str(g, text);
	refs[3] = gen_hub(g, HUB_NONE);
	if (g->ring.count == 0)
		g->hub_count[HUB_ROOT_NODE]++;
	g->type_count[T_LRU_NODE]++;
	gen_object(g, self, T_LRU_NODE, S_NODE, 64, 3, refs, 4); /* neighbours, list */
	gen_append(g, &g->ring, self);
	g->ring_prev = next;
}

void gen_close_ring(struct gen *g)
{
	const uint64_t refs[4] = {
		g->ring.count ? g->ring.items[g->ring.count - 1] :
				gen_hub(g, HUB_ROOT_NODE),
		gen_hub(g, HUB_ROOT_NODE),
		gen_hub(g, HUB_NONE),
		gen_hub(g, HUB_NONE),
	};

	g->type_count[T_LRU_NODE]++;

	gen_object(g, g->ring_prev, T_LRU_NODE, S_NODE, 64, 2, refs, 4);
}

/* One more link of a long chain of tuples (value, rest) */
static void link(struct gen *g)
{
	const uint64_t self = gen_alloc(g, 56 + 16);
	const uint64_t refs[2] = { gen_int(g, g->unit),
				   g->chain ? g->chain : gen_hub(g, HUB_NONE) };

	gen_object(g, self, T_TUPLE, S_LIST, 56, 1, refs, 2);
	g->chain = self;
}

/* A function with a closure over a list */
static void closure(struct gen *g)
{
	const uint64_t function = gen_alloc(g, 144 + 16), cells = gen_alloc(g, 48 + 16);
	const uint64_t cell = gen_alloc(g, 40 + 16), list = gen_alloc(g, 72 + 16);
	const uint64_t number = gen_int(g, gen_random(g, 100000));

	gen_object(g, list, T_LIST, S_LIST, 64, 1, &number, 1);
	gen_object(g, cell, T_CELL, S_CELL, 40, 1, &list, 1);
	gen_object(g, cells, T_TUPLE, S_LIST, 48, 1, &cell, 1);
	gen_object(
		g, function, T_FUNCTION, S_FUNCTION, 144, 1,
		(uint64_t[]){ gen_hub(g, HUB_CODE), gen_hub(g, HUB_APP_DICT), cells, 0 },
		4);
	gen_append(g, &g->callbacks, function);
}

void gen_session(struct gen *g)
{
	const uint64_t self = gen_alloc(g, 56 + 16), data = gen_alloc(g, 232 + 16);
	uint64_t items[4];
	char text[64];

	snprintf(text, sizeof(text), "session-%08llx",
		 (unsigned long long)g->sessions.count);
	items[0] = gen_key(g, KEY_NAME);
	items[1] = gen_str(g, text);
	items[2] = gen_key(g, KEY_SCORE);
	items[3] = gen_float(g, (double)g->unit);
	gen_object(g, data, T_DICT, S_DICT, 232, 1, items, 4);
	g->type_count[T_SESSION]++;
	gen_object(g, self, T_SESSION, S_SESSION, 56, 1,
		   (uint64_t[]){ data, gen_hub(g, HUB_NONE) }, 2);
	gen_append(g, &g->sessions, self);
}

void gen_unit(struct gen *g)
{
	static void (*const kinds[10])(struct gen *) = {
		record, record, record, record, person,
		person, person, node,	link,	closure,
	};

	kinds[gen_random(g, 10)](g);
	g->unit++;
}
