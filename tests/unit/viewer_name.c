/* SPDX-License-Identifier: MIT */
/*
 * Names: what is one step in Python is one in a name; two lengths; a cut in the middle;
 * children that are alike taken together.
 */
#include "tests/unit/viewer_make.h"

#include "viewer/name/alike.h"
#include "viewer/name/describe.h"
#include "viewer/name/name.h"

#define INTO " \xe2\x80\xba "
#define DOTS "\xe2\x80\xa6"

static uint64_t addr(unsigned i)
{
	return 0x7f0000000010 + 64ull * i;
}

/* Objects by number; each refers to what its row says, with the labels of its shape. */
enum {
	MODULE,
	DICT,
	KEY_F,
	FUNCTION,
	KWDEFAULTS,
	KEY_ACC,
	ACC,
	CLOSURE,
	CELL,
	SEEN,
	KEY_GEN,
	GENERATOR,
	ROWS,
	KEY_TASK,
	TASK,
	CORO,
	BUF,
	TASK_NAME,
	KEY_LOCAL,
	LOCAL,
	DUMMIES,
	WEAKREF,
	VALUES,
	KEY_X,
	X,
	KEY_LIST,
	LIST,
	DEFAULTS,
	DEFAULT,
	CODE,
	NAMES,
	KEY_Y,
	ITEM
};
enum { ITEMS = 100 };

struct world {
	struct make m;
	uint32_t type[SNAP_KIND_COUNT], pairs, index;
	struct snap_label label[64];
};

static uint32_t type_of(struct world *w, const char *name, unsigned kind)
{
	if (kind == SNAP_KIND_OBJECT)
		return make_type(&w->m, name, addr(900 + w->m.types), kind, 0);
	if (!w->type[kind])
		w->type[kind] = make_type(&w->m, name, 0x1000 * (kind + 1), kind, 0);
	return w->type[kind];
}

static void put(struct world *w, unsigned i, uint32_t type, uint32_t shape,
		const unsigned *to, unsigned n)
{
	uint64_t refs[8 + ITEMS];

	for (unsigned k = 0; k < n; k++)
		refs[k] = addr(to[k]);
	make_object(&w->m, addr(i), type, shape, 100 + i, 1, refs, n);
}

#define PUT(w, i, type, shape, ...) \
	put(w, i, type, shape, (const unsigned[]){ __VA_ARGS__ }, \
	    sizeof((const unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

static uint32_t shape_of(struct world *w, unsigned kind, const char *const *names)
{
	unsigned n = 0;

	for (; names[n]; n++)
		w->label[n] = (struct snap_label){ (uint8_t)kind,
						   make_string(&w->m, names[n]) };
	return make_shape(&w->m, w->label, n, SNAP_TAIL_OTHER);
}

#define SHAPE(w, kind, ...) shape_of(w, kind, (const char *const[]){ __VA_ARGS__, NULL })

static void make_strings(struct world *w)
{
	static const struct {
		unsigned i;
		const char *text;
	} strings[] = {
		{ KEY_F, "add" },  { KEY_ACC, "acc" },	     { KEY_GEN, "g" },
		{ KEY_TASK, "t" }, { TASK_NAME, "fetch-3" }, { KEY_LOCAL, "tl" },
		{ KEY_X, "x" },	   { KEY_LIST, "items" },    { KEY_Y, "y" },
	};
	uint32_t str = type_of(w, "builtins.str", SNAP_KIND_STR);

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		make_str(&w->m, addr(strings[i].i), str, strings[i].text);
}

static void make_function(struct world *w)
{
	uint32_t tuple = type_of(w, "builtins.tuple", SNAP_KIND_TUPLE);
	uint32_t dict = type_of(w, "builtins.dict", SNAP_KIND_DICT);
	uint32_t list = type_of(w, "builtins.list", SNAP_KIND_LIST);
	struct snap_label cell[] = { { SNAP_LABEL_CELL, make_string(&w->m, "seen") } };

	PUT(w, FUNCTION, type_of(w, "builtins.function", SNAP_KIND_FUNCTION),
	    SHAPE(w, SNAP_LABEL_ATTR, "__kwdefaults__", "__closure__", "__defaults__",
		  "__code__"),
	    KWDEFAULTS, CLOSURE, DEFAULTS, CODE);
	PUT(w, KWDEFAULTS, dict, w->pairs, KEY_ACC, ACC);
	put(w, ACC, list, w->index, NULL, 0);
	PUT(w, CLOSURE, tuple, make_shape(&w->m, cell, 1, SNAP_TAIL_OTHER), CELL);
	PUT(w, CELL, type_of(w, "builtins.cell", SNAP_KIND_CELL),
	    SHAPE(w, SNAP_LABEL_ATTR, "cell_contents"), SEEN);
	put(w, SEEN, list, w->index, NULL, 0);
	PUT(w, DEFAULTS, tuple, w->index, DEFAULT);
	put(w, DEFAULT, list, w->index, NULL, 0);
	PUT(w, CODE, type_of(w, "builtins.code", SNAP_KIND_CODE),
	    SHAPE(w, SNAP_LABEL_ATTR, "co_varnames"), NAMES);
	PUT(w, NAMES, tuple, w->index, KEY_Y);
}

static void name_it(struct world *w, unsigned i, const char *name)
{
	struct snap_value v = { .addr = addr(i),
				.kind = SNAP_VALUE_NAME,
				.length = strlen(name),
				.size = (uint32_t)strlen(name),
				.text = name };

	assert_int_equal(w->m.sink->ops->value(w->m.sink, &v), 0);
}

static void make_coroutines(struct world *w)
{
	uint32_t list = type_of(w, "builtins.list", SNAP_KIND_LIST);
	uint32_t generator = type_of(w, "builtins.coroutine", SNAP_KIND_GENERATOR);

	PUT(w, GENERATOR, generator, SHAPE(w, SNAP_LABEL_LOCAL, "rows"), ROWS);
	name_it(w, GENERATOR, "gen");
	put(w, ROWS, list, w->index, NULL, 0);
	PUT(w, TASK, type_of(w, "_asyncio.Task", SNAP_KIND_OBJECT),
	    SHAPE(w, SNAP_LABEL_ATTR, "_coro", "name"), CORO, TASK_NAME);
	PUT(w, CORO, generator, SHAPE(w, SNAP_LABEL_LOCAL, "buf"), BUF);
	name_it(w, CORO, "child");
	put(w, BUF, list, w->index, NULL, 0);
	PUT(w, LOCAL, type_of(w, "_thread._local", SNAP_KIND_OBJECT),
	    SHAPE(w, SNAP_LABEL_ATTR, "dummies"), DUMMIES);
	PUT(w, DUMMIES, type_of(w, "builtins.dict", SNAP_KIND_DICT), w->pairs, WEAKREF,
	    VALUES);
	put(w, WEAKREF, type_of(w, "weakref.ref", SNAP_KIND_WEAKREF), w->index, NULL, 0);
	PUT(w, VALUES, type_of(w, "builtins.dict", SNAP_KIND_DICT), w->pairs, KEY_X, X);
	put(w, X, list, w->index, NULL, 0);
}

static struct heap *make_world(void)
{
	struct world w = { 0 };
	unsigned items[ITEMS];

	make_begin(&w.m);
	w.pairs = make_shape(&w.m, NULL, 0, SNAP_TAIL_PAIRS);
	w.index = make_shape(&w.m, NULL, 0, SNAP_TAIL_INDEX);
	make_strings(&w);
	make_function(&w);
	make_coroutines(&w);
	PUT(&w, MODULE, type_of(&w, "builtins.module", SNAP_KIND_MODULE),
	    SHAPE(&w, SNAP_LABEL_ATTR, "__dict__"), DICT);
	PUT(&w, DICT, type_of(&w, "builtins.dict", SNAP_KIND_DICT), w.pairs, KEY_F,
	    FUNCTION, KEY_GEN, GENERATOR, KEY_TASK, TASK, KEY_LOCAL, LOCAL, KEY_LIST,
	    LIST);
	uint32_t session =
		make_type(&w.m, "shop.models.Session", 0x500000, SNAP_KIND_OBJECT, 0);
	for (unsigned i = 0; i < ITEMS; i++) {
		items[i] = ITEM + i;
		make_object(&w.m, addr(ITEM + i), session, 0, i == 7 ? 9000 : 48, 1, NULL,
			    0);
	}
	put(&w, LIST, type_of(&w, "builtins.list", SNAP_KIND_LIST), w.index, items,
	    ITEMS);
	make_root(&w.m, SNAP_ROOT_MODULE, "shop.cache", 0, 0, addr(MODULE));
	return make_end(&w.m);
}

static void check_full(const struct analysis *a, unsigned i, const char *expected)
{
	struct text text = { 0 };

	name_full(&text, a, heap_find(a->heap, addr(i)));
	assert_string_equal(text_get(&text), expected);
	text_free(&text);
}

static void check_short(const struct analysis *a, unsigned i, size_t width,
			const char *expected)
{
	struct text text = { 0 };

	name_short(&text, a, heap_find(a->heap, addr(i)), width);
	assert_string_equal(text_get(&text), expected);
	assert_true(name_length(text_get(&text)) <= width);
	text_free(&text);
}

static void check_step(const struct analysis *a, unsigned holder, unsigned i,
		       const char *expected)
{
	struct text text = { 0 };

	name_step(&text, a, heap_find(a->heap, addr(holder)),
		  heap_find(a->heap, addr(i)));
	assert_string_equal(text_get(&text), expected);
	text_free(&text);
}

static void check_cut(const char *whole, size_t width, const char *expected)
{
	struct text text = { 0 };

	name_cut(&text, whole, width);
	assert_string_equal(text_get(&text), expected);
	text_free(&text);
}

static void test_names(void **state)
{
	struct heap *heap = make_world();
	struct analysis *a = NULL;

	(void)state;
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	check_full(a, MODULE, "module shop.cache");
	check_full(a, FUNCTION, "shop.cache.add");
	check_full(a, ACC, "shop.cache.add(acc=" DOTS ")");
	check_full(a, DEFAULT, "shop.cache.add(y=" DOTS ")");
	check_full(a, SEEN, "shop.cache.add" INTO "closure seen");
	check_full(a, ROWS, "shop.cache.g = gen()" INTO "rows");
	check_full(a, BUF, "shop.cache.t = task fetch-3" INTO "child()" INTO "buf");
	check_full(a, X, "shop.cache.tl.x");
	check_full(a, ITEM + 7, "shop.cache.items[7]");
	check_short(a, ITEM + 7, 40, "shop.cache.items[7]");
	check_short(a, ITEM + 7, 18, "cache.items[7]");
	check_short(a, ITEM + 7, 8, "[7]");
	check_short(a, MODULE, 11, "shop.cache");
	check_short(a, FUNCTION, 9, "cache.add");
	check_short(a, FUNCTION, 5, "add");
	check_short(a, LIST, 8, "items");
	check_short(a, ACC, 12, "add(acc=" DOTS ")");
	check_short(a, SEEN, 19, "add" INTO "closure seen");
	check_short(a, X, 1, "x");
	check_short(a, SEEN, 9, "seen");
	check_short(a, ACC, 1, DOTS);
	check_step(a, MODULE, FUNCTION, "add");
	check_step(a, DICT, FUNCTION, "['add']");
	check_step(a, LIST, ITEM + 3, "[3]");
	check_step(a, GENERATOR, ROWS, "rows");
	check_step(a, LIST, FUNCTION, "function");
	analysis_destroy(a);
	heap_destroy(heap);
}

static void test_cut(void **state)
{
	(void)state;
	check_cut("short", 5, "short");
	check_cut("abcdefghijklmnopqrstuvwxyz", 18, "abcdef" DOTS "pqrstuvwxyz");
	check_cut("\xc3\xa9\xc3\xa9\xc3\xa9", 2, "\xc3\xa9" DOTS);
	check_cut("ab", 1, DOTS);
}

static void check_brief(const struct heap *heap, const struct alike *line, size_t width,
			const char *expected)
{
	struct text out = { 0 };

	alike_brief(&out, heap, line, width);
	assert_string_equal(text_get(&out), expected);
	text_free(&out);
}

static void test_alike(void **state)
{
	struct heap *heap = make_world();
	struct analysis *a = NULL;
	struct vec lines = { 0 }, members = { 0 };
	uint64_t retained = 0;

	(void)state;
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	uint32_t list = heap_find(heap, addr(LIST));
	assert_int_equal(alike_children(a, list, NULL, &lines), 0);
	const struct alike *line = lines.data;
	assert_int_equal(VEC_COUNT(lines, struct alike), 2);
	assert_int_equal(line[0].node, heap_find(heap, addr(ITEM + 7)));
	assert_int_equal(line[0].count, 1);
	assert_int_equal(line[1].count, ITEMS - 1);
	assert_int_equal(line[1].retained, 48 * (ITEMS - 1));
	members.size = 0;
	assert_int_equal(alike_open(a, list, &line[1], NULL, &members), 0);
	assert_int_equal(VEC_COUNT(members, struct alike), ITEMS - 1);
	check_brief(heap, &line[1], 40, "\xc3\x97 99 Session");
	check_brief(heap, &line[1], 12, "\xc3\x97 99 Session");
	check_brief(heap, &line[1], 11, "\xc3\x97 Session");
	check_brief(heap, &line[1], 5, "\xc3\x97 Se" DOTS);
	check_brief(heap, &line[1], 0, "\xc3\x97 Session");
	/* in a namespace everything keeps its name */
	lines.size = 0;
	uint32_t dict = heap_find(heap, addr(DICT));
	assert_int_equal(alike_children(a, dict, NULL, &lines), 0);
	line = lines.data;
	for (size_t i = 0; i < VEC_COUNT(lines, struct alike); i++) {
		assert_int_equal(line[i].count, 1);
		retained += line[i].retained;
	}
	assert_int_equal(retained + heap_size(heap, dict), analysis_retained(a, dict));
	vec_free(&lines);
	vec_free(&members);
	analysis_destroy(a);
	heap_destroy(heap);
}

/* ---- chains ---- */

enum { LINKS = 20, NODES = 3000, DICTS = 3100, VALUES_OF = 3200, TAIL = 3300 };

/* Nodes that refer to the next, by a __dict__ or without one, and to a value each; the
 * last one to a large list. */
static struct heap *make_chain(bool dicts)
{
	struct world w = { 0 };
	uint32_t node, dict, item, shape;

	make_begin(&w.m);
	node = make_type(&w.m, "m.Node", 0x500000, SNAP_KIND_OBJECT, 0);
	dict = make_type(&w.m, "builtins.dict", 0x600000, SNAP_KIND_DICT, 0);
	item = make_type(&w.m, "m.Item", 0x700000, SNAP_KIND_OBJECT, 0);
	shape = SHAPE(&w, SNAP_LABEL_ATTR, "next", "value");
	const uint32_t owns = SHAPE(&w, SNAP_LABEL_ATTR, "__dict__");
	for (unsigned i = 0; i < LINKS; i++) {
		const unsigned next = i + 1 < LINKS ? NODES + i + 1 : TAIL;

		if (dicts)
			PUT(&w, NODES + i, node, owns, DICTS + i);
		PUT(&w, dicts ? DICTS + i : NODES + i, dicts ? dict : node, shape, next,
		    VALUES_OF + i);
		make_object(&w.m, addr(VALUES_OF + i), item, 0, 50, 1, NULL, 0);
	}
	make_object(&w.m, addr(TAIL), item, 0, 50000, 1, NULL, 0);
	make_root(&w.m, SNAP_ROOT_MODULE, "m", 0, 0, addr(NODES));
	return make_end(&w.m);
}

static void check_chain(bool dicts)
{
	struct heap *heap = make_chain(dicts);
	struct analysis *a = NULL;
	struct vec lines = { 0 }, members = { 0 };
	struct text kind = { 0 };

	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	const uint32_t first = heap_find(heap, addr(NODES));
	struct alike one = alike_single(a, first);
	assert_int_equal(alike_find_chain(a, &one, NULL), 0);
	assert_int_equal(one.chain, LINKS);
	alike_kind(&kind, heap, &one, 10);
	assert_string_equal(text_get(&kind), "chain of 20 Node");
	/* what hangs at its end, and beside all of its links */
	assert_int_equal(alike_children(a, first, NULL, &lines), 0);
	const struct alike *line = lines.data;
	assert_int_equal(VEC_COUNT(lines, struct alike), 2);
	assert_int_equal(line[0].node,
			 heap_find(heap, addr(dicts ? DICTS + LINKS - 1 : TAIL)));
	const struct alike values = line[1];
	assert_int_equal(values.count, dicts ? LINKS - 1 : LINKS);
	assert_int_equal(alike_open(a, first, &values, NULL, &members), 0);
	assert_int_equal(VEC_COUNT(members, struct alike), values.count);
	text_free(&kind);
	vec_free(&lines);
	vec_free(&members);
	analysis_destroy(a);
	heap_destroy(heap);
}

static void test_chains(void **state)
{
	(void)state;
	check_chain(false);
	check_chain(true);
}

/* ---- long paths ---- */

enum { DEEP = 2000, DEEP_LISTS = 0, DEEP_DICTS, DEEP_TASKS, DEEP_CALLS, DEEP_WAYS };

struct deep {
	struct world w;
	uint64_t random;
	uint32_t type[DEEP_WAYS], shape[DEEP_WAYS];
	unsigned way[DEEP], parent[DEEP], children[DEEP];
};

static unsigned deep_random(struct deep *d, unsigned below)
{
	d->random = d->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(d->random >> 33) % below;
}

static void deep_types(struct deep *d)
{
	struct world *w = &d->w;

	w->pairs = make_shape(&w->m, NULL, 0, SNAP_TAIL_PAIRS);
	w->index = make_shape(&w->m, NULL, 0, SNAP_TAIL_INDEX);
	d->type[DEEP_LISTS] = type_of(w, "builtins.list", SNAP_KIND_LIST);
	d->type[DEEP_DICTS] = type_of(w, "builtins.dict", SNAP_KIND_DICT);
	d->type[DEEP_TASKS] = type_of(w, "_asyncio.Task", SNAP_KIND_OBJECT);
	d->type[DEEP_CALLS] = type_of(w, "builtins.coroutine", SNAP_KIND_GENERATOR);
	d->shape[DEEP_LISTS] = w->index;
	d->shape[DEEP_DICTS] = w->pairs;
	d->shape[DEEP_TASKS] = SHAPE(w, SNAP_LABEL_ATTR, "_coro", "__dict__", "a", "b");
	d->shape[DEEP_CALLS] = SHAPE(w, SNAP_LABEL_LOCAL, "x", "x2", "x3", "x4");
}

/* Each hangs from one of the last few: the paths are hundreds of steps long. */
static void deep_grow(struct deep *d)
{
	unsigned runs = 0;

	for (unsigned i = 0; i < DEEP; i++) {
		unsigned near = deep_random(d, 50) ? 3 : 200;

		do
			d->parent[i] =
				i ? i - 1 - deep_random(d, i < near ? i : near) : 0;
		while (d->children[d->parent[i]] == 4);
		d->children[d->parent[i]] += i > 0;
		if (!runs)
			runs = deep_random(d, 3) ? 1 : deep_random(d, 40) + 1;
		else
			runs--;
		d->way[i] = runs ? DEEP_LISTS : deep_random(d, DEEP_WAYS);
	}
}

static struct heap *deep_heap(struct deep *d, enum snap_root_kind root)
{
	make_begin(&d->w.m);
	deep_types(d);
	deep_grow(d);
	uint32_t str = type_of(&d->w, "builtins.str", SNAP_KIND_STR);
	for (unsigned i = 0; i < 4; i++)
		make_str(&d->w.m, addr(DEEP + i), str, i % 2 ? "key" : "not a name");
	for (unsigned i = 0; i < DEEP; i++) {
		unsigned to[8], n = 0;

		for (unsigned c = i + 1; c < DEEP; c++)
			if (d->parent[c] == i) {
				if (d->way[i] == DEEP_DICTS)
					to[n++] = DEEP + deep_random(d, 4);
				to[n++] = c;
			}
		put(&d->w, i, d->type[d->way[i]], d->shape[d->way[i]], to, n);
	}
	make_root(&d->w.m, root, "app", 0, 0, addr(0));
	return make_end(&d->w.m);
}

/* In whatever order they are asked for, each is what its steps alone are. */
static void deep_check(struct deep *d, enum snap_root_kind root)
{
	struct heap *heap = deep_heap(d, root);
	struct analysis *a = NULL;
	static uint32_t nodes[DEEP + 8];
	uint32_t deepest = 0;

	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	for (unsigned i = 0; i < DEEP / 2; i++) {
		const uint32_t node = heap_find(heap, addr(deep_random(d, DEEP)));
		const uint32_t length = analysis_path(a, node, nodes, DEEP + 8);
		struct text alone = { 0 }, kept = { 0 };

		assert_in_range(length, 1, DEEP + 8);
		describe_steps(&alone, heap, nodes, length);
		describe_path(&kept, a, node);
		assert_string_equal(text_get(&kept), text_get(&alone));
		deepest = length > deepest ? length : deepest;
		text_free(&alone);
		text_free(&kept);
	}
	assert_in_range(deepest, 300, DEEP);
	assert_non_null(a->kept);
	analysis_destroy(a);
	heap_destroy(heap);
}

static void test_long_paths(void **state)
{
	static struct deep d;

	(void)state;
	for (unsigned seed = 1; seed <= 4; seed++) {
		memset(&d, 0, sizeof(d));
		d.random = seed;
		deep_check(&d, seed % 2 ? SNAP_ROOT_MODULE : SNAP_ROOT_OTHER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_alike),	   cmocka_unit_test(test_chains),
		cmocka_unit_test(test_long_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
