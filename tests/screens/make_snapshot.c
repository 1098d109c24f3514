/* SPDX-License-Identifier: MIT */
/*
 * make_snapshot - small snapshots whose every byte is known, for the screens'
 * golden tests.
 *
 *	make_snapshot KIND FILE
 *
 * KIND: `shop`  a service that keeps 60 sessions in a module's dict
 *	 `later` the same with 90 sessions and another kind of object
 *	 `other` another process (pid 77), small
 *	 `hostile` names and values meant to break a terminal
 *	 `cut`   shop without its last blocks
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/core/writer.h"

enum { MAX_REFS = 256, MAX_OBJECTS = 4000 };

enum type {
	T_TYPE = 1,
	T_STR,
	T_INT,
	T_DICT,
	T_LIST,
	T_MODULE,
	T_TUPLE,
	T_BYTEARRAY,
	T_SESSION,
	T_USER,
	T_EXTRA,
	T_ODD1,
	T_ODD2,
	T_ODD3,
	T_ODD4,
	T_ODD5,
	T_COUNT
};
enum shape { S_LIST = 1, S_DICT, S_MODULE, S_SESSION, S_USER };

struct object {
	uint64_t addr, size, refcount, refs[MAX_REFS];
	uint32_t type, shape, nrefs, flags;
	char value[80];
	uint64_t length;
};

static struct {
	struct snap_sink *sink;
	struct object object[MAX_OBJECTS];
	int objects;
	uint32_t strings;
	uint64_t next;
	uint64_t limit; /* bytes to write, for `cut` */
} g;

static char long_name[10001];

static const char *const type_names[T_COUNT] = {
	[T_TYPE] = "builtins.type",
	[T_STR] = "builtins.str",
	[T_INT] = "builtins.int",
	[T_DICT] = "builtins.dict",
	[T_LIST] = "builtins.list",
	[T_MODULE] = "builtins.module",
	[T_TUPLE] = "builtins.tuple",
	[T_BYTEARRAY] = "builtins.bytearray",
	[T_SESSION] = "shop.models.Session",
	[T_USER] = "shop.models.User",
	[T_EXTRA] = "shop.audit.Record",
	[T_ODD1] = "__main__.\033[2J\033[1;1Hgone",
	[T_ODD2] = "__main__.\u202eesrever\u2066x",
	[T_ODD3] = "__main__.\u5e83\u3044\u578b\U0001f40d",
	[T_ODD4] = "__main__.e\u0301\u200b\u200d\xff\xc3",
	[T_ODD5] = long_name,
};

static void check(int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "make_snapshot: %s: %s\n", what, strerror(-err));
	exit(1);
}

static uint32_t string(const char *text)
{
	check(g.sink->ops->string(g.sink, ++g.strings, text, strlen(text)), "string");
	return g.strings;
}

static void fact(const char *key, uint64_t value)
{
	struct snap_fact f = { .key = key, .kind = SNAP_FACT_U64, .u64 = value };
	check(g.sink->ops->fact(g.sink, &f), "fact");
}

static void fact_text(const char *key, const char *text)
{
	struct snap_fact f = {
		.key = key, .kind = SNAP_FACT_TEXT, .text = text, .size = strlen(text)
	};
	check(g.sink->ops->fact(g.sink, &f), "fact");
}

/* ---- the object graph, built first ---- */

static struct object *new_object(enum type type, uint64_t size)
{
	struct object *o = &g.object[g.objects++];
	if (g.objects > MAX_OBJECTS)
		check(-ENOMEM, "objects");
	*o = (struct object){ .addr = g.next, .size = size, .type = type };
	g.next += (size + 15) & ~15ull;
	return o;
}

static void refer(struct object *from, struct object *to)
{
	if (from->nrefs == MAX_REFS)
		check(-ENOMEM, "references");
	from->refs[from->nrefs++] = to->addr;
	to->refcount++;
}

static struct object *str(const char *text)
{
	struct object *o = new_object(T_STR, 49 + strlen(text));
	snprintf(o->value, sizeof(o->value), "%s", text);
	o->length = strlen(text);
	return o;
}

static struct object *number(int value)
{
	struct object *o = new_object(T_INT, 28);
	snprintf(o->value, sizeof(o->value), "%d", value);
	o->length = 16;
	return o;
}

static void put(struct object *dict, const char *key, struct object *value)
{
	struct object *name = str(key);

	/* as names in a program's text are */
	name->flags = SNAP_OBJ_INTERNED;
	refer(dict, name);
	refer(dict, value);
}

static struct object *dict(void)
{
	struct object *o = new_object(T_DICT, 232);
	o->shape = S_DICT;
	return o;
}

static struct object *module(const char *name, struct object **dict_ret)
{
	struct object *o = new_object(T_MODULE, 72);
	o->shape = S_MODULE;
	*dict_ret = dict();
	refer(o, *dict_ret);
	put(*dict_ret, "__name__", str(name));
	return o;
}

static struct object *session(int i)
{
	char text[64];
	struct object *s = new_object(T_SESSION, 56), *user = new_object(T_USER, 48);
	s->shape = S_SESSION;
	user->shape = S_USER;
	snprintf(text, sizeof(text), "token-%04d-%040d", i, i * 7919);
	refer(s, str(text));
	refer(s, user);
	struct object *cart = new_object(T_LIST, 88);
	cart->shape = S_LIST;
	for (int k = 0; k < i % 4; k++)
		refer(cart, number(100 * i + k));
	refer(s, cart);
	snprintf(text, sizeof(text), "user%d@example.org", i % 7);
	refer(user, str(text));
	return s;
}

struct process {
	struct object *modules[3];
	const char *names[3];
	int nmodules;
	struct object *locals[2];
	struct object *buffer;
};

static void shop(struct process *p, int sessions, int records)
{
	struct object *cache, *app, *store = dict(), *list = new_object(T_LIST, 56 + 800);
	list->shape = S_LIST;
	p->modules[0] = module("shop.cache", &cache);
	p->names[0] = "shop.cache";
	p->modules[1] = module("shop.app", &app);
	p->names[1] = "shop.app";
	p->nmodules = 2;
	put(cache, "STORE", store);
	put(store, "sessions", list);
	for (int i = 0; i < sessions; i++)
		refer(list, session(i));
	p->buffer = new_object(T_BYTEARRAY, 57);
	put(app, "BUFFER", p->buffer);
	put(app, "TIMEOUT", number(30));
	struct object *log = new_object(T_LIST, 120);
	log->shape = S_LIST;
	put(app, "LOG", log);
	for (int i = 0; i < records; i++)
		refer(log, new_object(T_EXTRA, 4096));
	p->locals[0] = new_object(T_TUPLE, 56);
	refer(p->locals[0], store);
	refer(p->locals[0], str("GET /cart"));
	p->locals[1] = str("a local text");
}

static void hostile(struct process *p)
{
	static const char *const values[] = {
		"\033]0;owned\007",
		"\u202e gnp.exe",
		"\u5e83\u3044 \U0001f40d \uac00",
		"e\u0301e\u0301\u200b|",
		"\xff\xfe\xc3(",
		"tab\tnew\nline\r\x7f",
	};
	struct object *d, *list = new_object(T_LIST, 200);
	list->shape = S_LIST;
	p->modules[0] = module("odd\033[31m.module", &d);
	p->names[0] = "odd\033[31m.module";
	p->nmodules = 1;
	put(d, "THINGS\n\033[5m", list);
	for (int i = 0; i < 6; i++) {
		refer(list, str(values[i]));
		put(d, values[i], str(values[i]));
	}
	for (int type = T_ODD1; type <= T_ODD5; type++)
		for (int i = 0; i < 3; i++)
			refer(list, new_object((enum type)type, 100 * (unsigned)type));
}

static void other(struct process *p)
{
	struct object *d;
	p->modules[0] = module("worker", &d);
	p->names[0] = "worker";
	p->nmodules = 1;
	put(d, "QUEUE", new_object(T_LIST, 56));
}

/* ---- sending ---- */

static void send_types(void)
{
	static const uint8_t kinds[T_COUNT] = {
		[T_TYPE] = SNAP_KIND_TYPE,   [T_STR] = SNAP_KIND_STR,
		[T_INT] = SNAP_KIND_INT,     [T_DICT] = SNAP_KIND_DICT,
		[T_LIST] = SNAP_KIND_LIST,   [T_MODULE] = SNAP_KIND_MODULE,
		[T_TUPLE] = SNAP_KIND_TUPLE, [T_BYTEARRAY] = SNAP_KIND_BYTEARRAY,
	};
	for (uint32_t i = 1; i < T_COUNT; i++) {
		bool python = i >= T_SESSION;
		struct snap_type t = {
			.id = i,
			.name = string(type_names[i]),
			.addr = 0x600000 + i * 0x400ull,
			.flags = SNAP_TYPE_GC |
				(python ? SNAP_TYPE_PYTHON | SNAP_TYPE_HEAP : 0),
			.kind = kinds[i],
			.basicsize = 32,
		};
		check(g.sink->ops->type(g.sink, &t), "type");
	}
}

static void send_shape(enum shape id, const struct snap_label *fixed, uint32_t n,
		       uint8_t tail)
{
	struct snap_shape s = { .id = id, .nfixed = n, .fixed = fixed, .tail = tail };
	check(g.sink->ops->shape(g.sink, &s), "shape");
}

static void send_shapes(void)
{
	struct snap_label attrs[3] = { { SNAP_LABEL_ATTR, string("token") },
				       { SNAP_LABEL_ATTR, string("user") },
				       { SNAP_LABEL_ATTR, string("cart") } };
	struct snap_label email = { SNAP_LABEL_ATTR, string("email") };
	struct snap_label own = { SNAP_LABEL_DICT, 0 };
	send_shape(S_LIST, NULL, 0, SNAP_TAIL_INDEX);
	send_shape(S_DICT, NULL, 0, SNAP_TAIL_PAIRS);
	send_shape(S_MODULE, &own, 1, SNAP_TAIL_OTHER);
	send_shape(S_SESSION, attrs, 3, SNAP_TAIL_OTHER);
	send_shape(S_USER, &email, 1, SNAP_TAIL_OTHER);
}

static void send_object(const struct object *o)
{
	struct snap_object e = {
		.flags = o->flags,
		.addr = o->addr,
		.size = o->size,
		.refcount = o->refcount,
		.type = o->type,
		.shape = o->shape,
		.nrefs = o->nrefs,
		.refs = o->refs,
	};
	check(g.sink->ops->object(g.sink, &e), "object");
	if (o->type != T_STR && o->type != T_INT)
		return;
	struct snap_value v = {
		.addr = o->addr,
		.kind = o->type == T_STR ? SNAP_VALUE_STR : SNAP_VALUE_INT,
		.length = o->length,
		.size = (uint32_t)strlen(o->value),
		.text = o->value,
	};
	check(g.sink->ops->value(g.sink, &v), "value");
}

static void send_root(uint8_t kind, const char *name, uint32_t frame,
		      struct object *target)
{
	struct snap_root r = { .kind = kind,
			       .thread = frame ? 1 : 0,
			       .frame = frame,
			       .name = string(name),
			       .target = target->addr };
	target->refcount++;
	check(g.sink->ops->root(g.sink, &r), "root");
}

static void send_threads(void)
{
	struct snap_thread t = { .id = 1,
				 .name = string("MainThread"),
				 .native_id = 4242,
				 .ident = 0x7f00,
				 .flags = SNAP_THREAD_MAIN | SNAP_THREAD_GIL };
	check(g.sink->ops->thread(g.sink, &t), "thread");
	static const char *const functions[] = { "handle", "serve" };
	for (uint32_t i = 0; i < 2; i++) {
		struct snap_frame f = { .id = i + 1,
					.thread = 1,
					.depth = i,
					.function = string(functions[i]),
					.file = string("/srv/shop/app.py"),
					.line = 40 - 20 * i };
		check(g.sink->ops->frame(g.sink, &f), "frame");
	}
}

static void send_map(uint64_t start, uint64_t size, uint64_t rss, uint8_t class_,
		     const char *name, uint64_t live, uint64_t objects)
{
	struct snap_map m = { .start = start,
			      .end = start + size,
			      .class_ = class_,
			      .perms = 3,
			      .name = string(name),
			      .rss = rss,
			      .pss = rss,
			      .private_dirty = class_ == SNAP_MAP_FILE ? 0 : rss,
			      .anonymous = class_ == SNAP_MAP_FILE ? 0 : rss,
			      .live = live,
			      .object_bytes = objects };
	check(g.sink->ops->map(g.sink, &m), "map");
}

static void send_memory(const struct process *p)
{
	uint64_t bytes = 0;
	for (int i = 0; i < g.objects; i++)
		bytes += g.object[i].size;
	send_map(0x500000, 0x100000, 0x80000, SNAP_MAP_HEAP, "[heap]", 0x1000, 0);
	send_map(0x7f1000000000, 0x100000, 0x40000, SNAP_MAP_ANON, "", 0x20000, bytes);
	send_map(0x7f2000000000, 0x200000, 0x100000, SNAP_MAP_FILE, "/usr/lib/libc.so.6",
		 0, 0);
	send_map(0x7ffd00000000, 0x21000, 0x9000, SNAP_MAP_STACK, "[stack]", 0, 0);
	if (p->buffer) {
		struct snap_buffer b = { .object = p->buffer->addr,
					 .data = 0x510000,
					 .length = 64,
					 .source = string("buffer"),
					 .flags = SNAP_BUFFER_OWNER };
		check(g.sink->ops->buffer(g.sink, &b), "buffer");
	}
}

static void send_process(const struct process *p, uint64_t pid)
{
	fact("pid", pid);
	fact_text("python.version", "3.11.7 (main)");
	send_types();
	send_shapes();
	for (int i = 0; i < p->nmodules; i++) /* counted before the objects are sent */
		send_root(SNAP_ROOT_MODULE, p->names[i], 0, p->modules[i]);
	if (p->locals[0]) {
		send_threads();
		send_root(SNAP_ROOT_LOCAL, "request", 1, p->locals[0]);
		send_root(SNAP_ROOT_LOCAL, "text", 2, p->locals[1]);
	}
	for (int i = 0; i < g.objects; i++)
		send_object(&g.object[i]);
	send_memory(p);
	fact("rss", 0x1c9000);
	fact("pymalloc.class.32.used", 91);
	fact("pymalloc.class.32.free", 36);
	fact("pymalloc.class.64.used", 123);
	check(g.sink->ops->end(g.sink), "end");
}

static int write_bytes(void *file, const void *data, size_t size)
{
	size_t take = size < g.limit ? size : (size_t)g.limit;
	g.limit -= take;
	return fwrite(data, 1, take, file) == take ? 0 : -EIO;
}

static uint64_t build(const char *kind, struct process *p)
{
	memset(long_name, 'L', sizeof(long_name) - 1);
	memcpy(long_name, "__main__.", 9);
	g.next = 0x7f1000000000;
	g.limit = UINT64_MAX;
	if (strcmp(kind, "later") == 0)
		shop(p, 90, 12);
	else if (strcmp(kind, "hostile") == 0)
		hostile(p);
	else if (strcmp(kind, "other") == 0)
		other(p);
	else
		shop(p, 60, 3);
	if (strcmp(kind, "cut") == 0)
		g.limit = 2600;
	return strcmp(kind, "other") == 0    ? 77 :
		strcmp(kind, "hostile") == 0 ? 666 :
					       4242;
}

int main(int argc, char **argv)
{
	struct process p = { 0 };
	int err = -ENOMEM;
	size_t size = (snap_writer_memory() + 63) & ~(size_t)63;
	void *memory = aligned_alloc(64, size);
	FILE *file = argc == 3 ? fopen(argv[2], "we") : NULL;
	if (!file || !memory) {
		fprintf(stderr, "usage: make_snapshot KIND FILE\n");
		return 2;
	}
	uint64_t pid = build(argv[1], &p);
	struct snap_writer *writer =
		snap_writer_init(memory, size, write_bytes, file, &err);
	if (!writer)
		check(err, "writer");
	g.sink = snap_writer_sink(writer);
	send_process(&p, pid);
	if (fclose(file) != 0)
		check(-errno, "close");
	free(memory);
	return 0;
}
