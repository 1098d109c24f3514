/* SPDX-License-Identifier: MIT */
/* heap - addresses, the skeleton, and what holds the units; see heap.h. */
#include "heap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gen_leak_names[GEN_LEAK_COUNT] = { "none", "module", "lru", "closure" };

const char *const gen_keys[16] = {
	"id",	 "name",   "email",	"tags",	    "score",	 "handler",
	"ROWS",	 "PEOPLE", "STORE",	"sessions", "CALLBACKS", "ring",
	"chain", "app",	   "app.cache", "sys",
};
enum {
	KEY_HANDLER = 5,
	KEY_ROWS,
	KEY_PEOPLE,
	KEY_STORE,
	KEY_SESSIONS,
	KEY_CALLBACKS,
	KEY_RING,
	KEY_CHAIN,
	KEY_APP,
	KEY_CACHE,
	KEY_SYS
};

enum { LIST_PART = 1000000 }; /* a list longer than this becomes a list of lists */

/* ---- tools ---- */

uint64_t gen_random(struct gen *g, uint64_t below)
{
	/* xorshift64* (Vigna 2016) */
	g->random ^= g->random >> 12;
	g->random ^= g->random << 25;
	g->random ^= g->random >> 27;
	return (g->random * 0x2545f4914f6cdd1du >> 32) % below;
}

uint64_t gen_alloc(struct gen *g, uint64_t size)
{
	const uint64_t class = (size + 15) / 16;
	uint64_t addr;

	if (size > 512) {
		addr = g->next_large;
		g->next_large += (size + 31) & ~UINT64_C(15);
		return addr;
	}
	if (g->pool[class] + class * 16 > g->pool_end[class]) {
		g->pool[class] = g->next_pool + 48;
		g->next_pool += 16384;
		g->pool_end[class] = g->next_pool;
	}
	addr = g->pool[class];
	g->pool[class] += class * 16;
	return addr;
}

#define SEND(g, event, ...) \
	((g)->err = (g)->err ? (g)->err : (g)->sink->ops->event((g)->sink, ##__VA_ARGS__))

void gen_object(struct gen *g, uint64_t addr, uint32_t type, uint32_t shape,
		uint64_t size, uint64_t refcount, const uint64_t *refs, uint32_t nrefs)
{
	const bool leaf = type == T_STR || type == T_INT || type == T_FLOAT ||
		type == T_NONE || type == T_BOOL;
	const struct snap_object o = {
		.addr = addr,
		.size = size,
		.refcount = refcount,
		.type = type,
		.shape = shape,
		.flags = leaf ? 0 : SNAP_OBJ_GC_TRACKED,
		.nrefs = nrefs,
		.refs = refs,
	};

	g->objects++;
	SEND(g, object, &o);
}

static void value(struct gen *g, uint64_t addr, uint8_t kind, uint64_t length,
		  const void *text, size_t size)
{
	if (!g->options->no_values)
		SEND(g, value,
		     &(struct snap_value){ .addr = addr,
					   .kind = kind,
					   .length = length,
					   .size = (uint32_t)size,
					   .text = text });
}

static void str_at(struct gen *g, uint64_t addr, const char *text, uint64_t refcount)
{
	const size_t size = strlen(text);

	gen_object(g, addr, T_STR, 0, 49 + size, refcount, NULL, 0);
	value(g, addr, SNAP_VALUE_STR, size, text, size);
}

uint64_t gen_str(struct gen *g, const char *text)
{
	const uint64_t addr = gen_alloc(g, 49 + strlen(text));

	str_at(g, addr, text, 1);
	return addr;
}

static void int_at(struct gen *g, uint64_t addr, uint64_t number, uint64_t refcount)
{
	char text[24];
	const int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	const uint64_t bits = number ? 64 - (uint64_t)__builtin_clzll(number) : 0;

	gen_object(g, addr, T_INT, 0, bits > 30 ? 32 : 28, refcount, NULL, 0);
	value(g, addr, SNAP_VALUE_INT, bits, text, (size_t)size);
}

uint64_t gen_int(struct gen *g, uint64_t number)
{
	uint64_t addr;

	if (number < 256) {
		g->small_int_count[number]++;
		return g->small_int[number];
	}
	addr = gen_alloc(g, 32);
	int_at(g, addr, number, 1);
	return addr;
}

uint64_t gen_float(struct gen *g, double number)
{
	const uint64_t addr = gen_alloc(g, 24);

	gen_object(g, addr, T_FLOAT, 0, 24, 1, NULL, 0);
	value(g, addr, SNAP_VALUE_FLOAT, 8, &number, 8);
	return addr;
}

uint64_t gen_hub(struct gen *g, enum gen_hub hub)
{
	g->hub_count[hub]++;
	return g->hub[hub];
}

uint64_t gen_key(struct gen *g, unsigned key)
{
	g->key_count[key]++;
	return g->key[key];
}

void gen_append(struct gen *g, struct gen_list *list, uint64_t item)
{
	if (list->count == list->capacity) {
		const size_t capacity = list->capacity ? 2 * list->capacity : 1024;
		uint64_t *const items = realloc(list->items, capacity * sizeof(*items));

		if (!items) {
			g->err = g->err ? g->err : -ENOMEM;
			return;
		}
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = item;
}

/* ---- definitions ---- */

static uint32_t string(struct gen *g, const char *text)
{
	SEND(g, string, ++g->strings, text, strlen(text));
	return g->strings;
}

static void fact_text(struct gen *g, const char *key, const char *text)
{
	SEND(g, fact,
	     &(struct snap_fact){ .key = key,
				  .kind = SNAP_FACT_TEXT,
				  .text = text,
				  .size = strlen(text) });
}

static void fact_u64(struct gen *g, const char *key, uint64_t number)
{
	SEND(g, fact,
	     &(struct snap_fact){ .key = key, .kind = SNAP_FACT_U64, .u64 = number });
}

static void facts(struct gen *g)
{
	fact_u64(g, "pid", g->options->pid);
	fact_text(g, "python.version", "3.11.7");
	fact_text(g, "command", "python3 -m app");
	fact_u64(g, "rss", g->options->objects * 90);
}

static void type(struct gen *g, const char *name, uint8_t kind, uint32_t flags,
		 uint64_t basicsize, uint64_t itemsize)
{
	const uint32_t id = ++g->types;

	g->type_addr[id] = gen_alloc(g, 1064);
	SEND(g, type,
	     &(struct snap_type){
		     .id = id,
		     .name = string(g, name),
		     .addr = g->type_addr[id],
		     .flags = flags,
		     .kind = kind,
		     .basicsize = basicsize,
		     .itemsize = itemsize,
	     });
}

static void types(struct gen *g)
{
	const uint32_t own =
		SNAP_TYPE_HEAP | SNAP_TYPE_GC | SNAP_TYPE_PYTHON | SNAP_TYPE_OWNED;
	char name[64];

	type(g, "builtins.type", SNAP_KIND_TYPE, SNAP_TYPE_GC, 928, 40);
	type(g, "builtins.str", SNAP_KIND_STR, 0, 80, 0);
	type(g, "builtins.int", SNAP_KIND_INT, 0, 24, 4);
	type(g, "builtins.float", SNAP_KIND_FLOAT, 0, 24, 0);
	type(g, "builtins.dict", SNAP_KIND_DICT, SNAP_TYPE_GC, 48, 0);
	type(g, "builtins.list", SNAP_KIND_LIST, SNAP_TYPE_GC, 40, 0);
	type(g, "builtins.tuple", SNAP_KIND_TUPLE, SNAP_TYPE_GC, 24, 8);
	type(g, "builtins.NoneType", SNAP_KIND_NONE, 0, 16, 0);
	type(g, "builtins.bool", SNAP_KIND_BOOL, 0, 24, 4);
	type(g, "builtins.module", SNAP_KIND_MODULE, SNAP_TYPE_GC, 56, 0);
	type(g, "builtins.function", SNAP_KIND_FUNCTION, SNAP_TYPE_GC, 144, 0);
	type(g, "builtins.cell", SNAP_KIND_CELL, SNAP_TYPE_GC, 24, 0);
	type(g, "builtins.code", SNAP_KIND_CODE, 0, 208, 2);
	type(g, "app.cache.Node", SNAP_KIND_OBJECT, own, 48, 0);
	type(g, "app.cache.Session", SNAP_KIND_OBJECT, own, 48, 0);
	type(g, "builtins.weakref", SNAP_KIND_WEAKREF, SNAP_TYPE_GC, 56, 0);
	for (uint32_t i = 0; i < g->options->types; i++) {
		snprintf(name, sizeof(name), "app.models.Class%u", i);
		type(g, name, SNAP_KIND_OBJECT, own, 48, 0);
	}
}

static void shape(struct gen *g, uint32_t id, uint8_t tail, uint32_t n,
		  const struct snap_label *labels)
{
	SEND(g, shape,
	     &(struct snap_shape){
		     .id = id, .nfixed = n, .fixed = labels, .tail = tail });
}

static struct snap_label label(struct gen *g, uint8_t kind, const char *name)
{
	return (struct snap_label){ kind, name ? string(g, name) : 0 };
}

#define ATTR(g, name) label(g, SNAP_LABEL_ATTR, name)

static void shapes(struct gen *g)
{
	shape(g, S_LIST, SNAP_TAIL_INDEX, 0, NULL);
	shape(g, S_DICT, SNAP_TAIL_PAIRS, 0, NULL);
	shape(g, S_NODE, SNAP_TAIL_OTHER, 4,
	      (struct snap_label[]){ ATTR(g, "prev"), ATTR(g, "next"), ATTR(g, "key"),
				     ATTR(g, "value") });
	shape(g, S_SESSION, SNAP_TAIL_OTHER, 2,
	      (struct snap_label[]){ ATTR(g, "data"), ATTR(g, "user") });
	shape(g, S_FUNCTION, SNAP_TAIL_OTHER, 4,
	      (struct snap_label[]){ ATTR(g, "__code__"), ATTR(g, "__globals__"),
				     ATTR(g, "__closure__"), ATTR(g, "__defaults__") });
	shape(g, S_CELL, SNAP_TAIL_OTHER, 1,
	      (struct snap_label[]){ label(g, SNAP_LABEL_CELL, "history") });
	shape(g, S_MODULE, SNAP_TAIL_OTHER, 1,
	      (struct snap_label[]){ label(g, SNAP_LABEL_DICT, NULL) });
	shape(g, S_WEAK, SNAP_TAIL_OTHER, 1,
	      (struct snap_label[]){ label(g, SNAP_LABEL_WEAK, NULL) });
	shape(g, S_CLASS, SNAP_TAIL_OTHER, 4,
	      (struct snap_label[]){ ATTR(g, "name"), ATTR(g, "email"), ATTR(g, "parent"),
				     ATTR(g, "score") });
}

/* Addresses of what is sent at the end. */
static void reserve(struct gen *g)
{
	static const uint16_t sizes[HUB_COUNT] = {
		[HUB_NONE] = 16,	[HUB_TRUE] = 28,      [HUB_APP] = 88,
		[HUB_CACHE] = 88,	[HUB_SYS] = 88,	      [HUB_APP_DICT] = 600,
		[HUB_CACHE_DICT] = 600, [HUB_SYS_DICT] = 600, [HUB_MODULES] = 600,
		[HUB_CODE] = 300,	[HUB_ROOT_NODE] = 80, [HUB_HANDLER] = 160,
	};

	for (int i = 0; i < HUB_COUNT; i++)
		g->hub[i] = gen_alloc(g, sizes[i]);
	for (int i = 0; i < 256; i++)
		g->small_int[i] = gen_alloc(g, 28);
	for (int i = 0; i < 16; i++)
		g->key[i] = gen_alloc(g, 49 + strlen(gen_keys[i]));
	g->rows.addr = gen_alloc(g, 72);
	g->people.addr = gen_alloc(g, 72);
	g->sessions.addr = gen_alloc(g, 72);
	g->callbacks.addr = gen_alloc(g, 72);
	g->ring.addr = gen_alloc(g, 72);
	g->ring_prev = gen_alloc(g, 80);
}

/* ---- the end ---- */

/* A list; a very long one as a list of lists. */
static void finish_list(struct gen *g, struct gen_list *list)
{
	struct gen_list parts = { .addr = list->addr };

	if (list->count <= LIST_PART) {
		gen_object(g, list->addr, T_LIST, S_LIST, 56 + 8 * list->count, 1,
			   list->items, (uint32_t)list->count);
	} else {
		for (size_t at = 0; at < list->count; at += LIST_PART) {
			const size_t left = list->count - at;
			const uint32_t n =
				(uint32_t)(left < LIST_PART ? left : LIST_PART);
			const uint64_t addr = gen_alloc(g, 72);

			gen_object(g, addr, T_LIST, S_LIST, 56 + 8 * (uint64_t)n, 1,
				   list->items + at, n);
			gen_append(g, &parts, addr);
		}
		gen_object(g, list->addr, T_LIST, S_LIST, 56 + 8 * parts.count, 1,
			   parts.items, (uint32_t)parts.count);
		free(parts.items);
	}
	free(list->items);
}

/* A dict with these pairs, the keys being the interned ones. */
static void dict(struct gen *g, enum gen_hub hub, const uint64_t *items, uint32_t n)
{
	gen_object(g, g->hub[hub], T_DICT, S_DICT, 64 + 104 + 24 * (uint64_t)n,
		   g->hub_count[hub], items, n);
}

static void module(struct gen *g, enum gen_hub module, enum gen_hub dict_hub)
{
	const uint64_t refs[1] = { gen_hub(g, dict_hub) };

	gen_object(g, g->hub[module], T_MODULE, S_MODULE, 72, g->hub_count[module], refs,
		   1);
}

/* Who holds the leaked sessions. */
static void finish_leak(struct gen *g, struct gen_list *store)
{
	switch (g->options->leak) {
	case GEN_LEAK_MODULE:
		gen_append(g, store, gen_key(g, KEY_SESSIONS));
		gen_append(g, store, g->sessions.addr);
		break;
	case GEN_LEAK_LRU:     /* the root node's value, see finish_hubs */
	case GEN_LEAK_CLOSURE: /* the handler's closure, there too */
		break;
	case GEN_LEAK_NONE:
	case GEN_LEAK_COUNT:
		return;
	}
	finish_list(g, &g->sessions);
}

static void finish_handler(struct gen *g)
{
	const bool leaks = g->options->leak == GEN_LEAK_CLOSURE;
	const uint64_t cell = gen_alloc(g, 56), cells = gen_alloc(g, 64);
	const uint64_t content = leaks ? g->sessions.addr : gen_hub(g, HUB_NONE);

	gen_object(g, cell, T_CELL, S_CELL, 40, 1, &content, 1);
	gen_object(g, cells, T_TUPLE, S_LIST, 48, 1, &cell, 1);
	gen_object(
		g, g->hub[HUB_HANDLER], T_FUNCTION, S_FUNCTION, 144,
		g->hub_count[HUB_HANDLER],
		(uint64_t[]){ gen_hub(g, HUB_CODE), gen_hub(g, HUB_APP_DICT), cells, 0 },
		4);
}

static void finish_hubs(struct gen *g, const struct gen_list *store)
{
	const bool lru = g->options->leak == GEN_LEAK_LRU;
	const uint64_t app[] = {
		gen_key(g, KEY_ROWS),	   g->rows.addr,
		gen_key(g, KEY_PEOPLE),	   g->people.addr,
		gen_key(g, KEY_CALLBACKS), g->callbacks.addr,
		gen_key(g, KEY_CHAIN),	   g->chain ? g->chain : gen_hub(g, HUB_NONE),
		gen_key(g, KEY_HANDLER),   gen_hub(g, HUB_HANDLER),
	};
	const uint64_t modules[] = {
		gen_key(g, KEY_APP),   gen_hub(g, HUB_APP), gen_key(g, KEY_CACHE),
		gen_hub(g, HUB_CACHE), gen_key(g, KEY_SYS), gen_hub(g, HUB_SYS),
	};
	const uint64_t sys[] = { gen_key(g, KEY_APP), gen_hub(g, HUB_MODULES) };
	const uint64_t root[4] = {
		g->ring_prev,
		g->ring.count ? g->ring.items[0] : g->ring_prev,
		gen_hub(g, HUB_NONE),
		lru ? g->sessions.addr : gen_hub(g, HUB_NONE),
	};

	finish_handler(g);
	gen_object(g, g->hub[HUB_CODE], T_CODE, 0, 300, g->hub_count[HUB_CODE], NULL, 0);
	g->type_count[T_LRU_NODE]++;
	gen_object(g, g->hub[HUB_ROOT_NODE], T_LRU_NODE, S_NODE, 64,
		   g->hub_count[HUB_ROOT_NODE], root, 4);
	gen_hub(g, HUB_MODULES); /* the interpreter's */
	module(g, HUB_APP, HUB_APP_DICT);
	module(g, HUB_CACHE, HUB_CACHE_DICT);
	module(g, HUB_SYS, HUB_SYS_DICT);
	dict(g, HUB_APP_DICT, app, sizeof(app) / sizeof(*app));
	dict(g, HUB_CACHE_DICT, store->items, (uint32_t)store->count);
	dict(g, HUB_SYS_DICT, sys, 2);
	dict(g, HUB_MODULES, modules, 6);
}

static void finish_leaves(struct gen *g)
{
	for (unsigned i = 0; i < 256; i++)
		int_at(g, g->small_int[i], i, g->small_int_count[i]);
	for (unsigned i = 0; i < 16; i++)
		str_at(g, g->key[i], gen_keys[i], g->key_count[i]);
	gen_object(g, g->hub[HUB_NONE], T_NONE, 0, 16, g->hub_count[HUB_NONE], NULL, 0);
	gen_object(g, g->hub[HUB_TRUE], T_BOOL, 0, 28, g->hub_count[HUB_TRUE], NULL, 0);
	for (uint32_t i = 1; i <= g->types; i++)
		gen_object(g, g->type_addr[i], T_TYPE, 0, 1064, 1 + g->type_count[i],
			   NULL, 0);
}

/* ---- threads, roots, the rest ---- */

static void root(struct gen *g, uint8_t kind, uint32_t thread, uint32_t frame,
		 const char *name, uint64_t target)
{
	SEND(g, root,
	     &(struct snap_root){ .kind = kind,
				  .thread = thread,
				  .frame = frame,
				  .name = string(g, name),
				  .target = target });
}

static void frame(struct gen *g, uint32_t id, uint32_t thread, uint32_t depth,
		  const char *function, uint32_t line)
{
	SEND(g, frame,
	     &(struct snap_frame){
		     .id = id,
		     .thread = thread,
		     .depth = depth,
		     .function = string(g, function),
		     .file = string(g, "/srv/app/main.py"),
		     .line = line,
		     .code = g->hub[HUB_CODE],
	     });
}

static void threads(struct gen *g)
{
	for (uint32_t id = 1; id <= 2; id++)
		SEND(g, thread,
		     &(struct snap_thread){
			     .id = id,
			     .name = string(g, id == 1 ? "MainThread" : "worker-1"),
			     .native_id = g->options->pid + id - 1,
			     .ident = 0x7f2200000000 + id * 0x1000,
			     .flags = id == 1 ? SNAP_THREAD_MAIN | SNAP_THREAD_GIL : 0,
		     });
	frame(g, 1, 1, 0, "handle", 42);
	frame(g, 2, 1, 1, "serve", 30);
	frame(g, 3, 1, 2, "<module>", 99);
	frame(g, 4, 2, 0, "work", 12);
}

static void roots(struct gen *g)
{
	root(g, SNAP_ROOT_INTERPRETER, 0, 0, "sys.modules", g->hub[HUB_MODULES]);
	root(g, SNAP_ROOT_MODULE, 0, 0, "app", g->hub[HUB_APP]);
	root(g, SNAP_ROOT_MODULE, 0, 0, "app.cache", g->hub[HUB_CACHE]);
	root(g, SNAP_ROOT_LOCAL, 1, 1, "handler", gen_hub(g, HUB_HANDLER));
	root(g, SNAP_ROOT_LOCAL, 2, 4, "node", gen_hub(g, HUB_ROOT_NODE));
	for (uint32_t i = 1; i < T_LRU_NODE; i++)
		root(g, SNAP_ROOT_STATIC_TYPE, 0, 0, "type", g->type_addr[i]);
	for (uint32_t i = T_LRU_NODE; i <= g->types; i++)
		root(g, SNAP_ROOT_OTHER, 0, 0, "class", g->type_addr[i]);
	for (unsigned i = 0; i < 256; i++, g->small_int_count[i - 1]++)
		root(g, SNAP_ROOT_INTERPRETER, 0, 0, "small int", g->small_int[i]);
}

static void rest(struct gen *g)
{
	const uint64_t start = 0x7f1000000000, pools = g->next_pool - start;

	SEND(g, map,
	     &(struct snap_map){
		     .start = start,
		     .end = g->next_pool,
		     .name = string(g, ""),
		     .class_ = SNAP_MAP_ANON,
		     .perms = 3,
		     .rss = pools,
		     .pss = pools,
		     .private_dirty = pools,
		     .anonymous = pools,
		     .live = pools,
		     .object_bytes = pools - pools / 10,
	     });
	SEND(g, size_check, &(struct snap_size_check){ .type = T_STR, .checked = 1000 });
	fact_u64(g, "objects", g->objects);
	SEND(g, end);
}

static bool init(struct gen *g, struct snap_sink *sink, const struct gen_options *options)
{
	const size_t types = (size_t)options->types + T_FIRST_CLASS + 1;

	*g = (struct gen){
		.sink = sink,
		.options = options,
		.next_pool = 0x7f1000000000,
		.next_large = 0x55aa00000000,
		.random = options->seed * 0x9e3779b97f4a7c15u + 0x1234567,
		.type_addr = calloc(types, sizeof(uint64_t)),
		.type_count = calloc(types, sizeof(uint64_t)),
	};
	return g->type_addr && g->type_count;
}

static void fill(struct gen *g)
{
	const uint32_t percent =
		g->options->leak == GEN_LEAK_NONE ? 0 : g->options->leak_percent;
	const uint64_t want = g->options->objects;

	while (g->err == 0 && g->objects + 400 + g->types < want) {
		if (gen_random(g, 100) < percent)
			gen_session(g);
		else
			gen_unit(g);
	}
}

int gen_heap(struct snap_sink *sink, const struct gen_options *given)
{
	struct gen_options options = *given;
	struct gen_list store = { 0 };
	struct gen g;

	options.types = options.types ? options.types : 20;
	options.leak_percent = options.leak_percent ? options.leak_percent : 30;
	if (!init(&g, sink, &options))
		return -ENOMEM;
	facts(&g);
	types(&g);
	shapes(&g);
	reserve(&g);
	fill(&g);
	gen_close_ring(&g);
	finish_leak(&g, &store);
	gen_append(&g, &store, gen_key(&g, KEY_RING));
	gen_append(&g, &store, g.ring.addr);
	finish_list(&g, &g.rows);
	finish_list(&g, &g.people);
	finish_list(&g, &g.callbacks);
	threads(&g);
	roots(&g);
	finish_hubs(&g, &store);
	finish_list(&g, &g.ring);
	finish_leaves(&g);
	rest(&g);
	free(store.items);
	free(g.type_addr);
	free(g.type_count);
	return g.err;
}
