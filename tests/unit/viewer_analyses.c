/* SPDX-License-Identifier: MIT */
/* Duplicates, waste, the budget, suspects and growth, on heaps with known answers. */
#include "tests/unit/viewer_make.h"

#include <stdio.h>

#include "viewer/analysis/budget.h"
#include "viewer/analysis/duplicates.h"
#include "viewer/analysis/growth.h"
#include "viewer/live/record.h"
#include "viewer/analysis/suspects.h"
#include "viewer/analysis/waste.h"
#include "viewer/name/way.h"
#include "viewer/report/growth_text.h"
#include "viewer/report/suspect_text.h"

enum { BASE = 0x10000 };

static uint64_t addr(uint32_t i)
{
	return BASE + 64ull * i;
}

struct world {
	struct make m;
	uint32_t str, dict, list, set, tuple, module, thing, pairs, index, elements,
		dict_edge;
};

static void define(struct world *w)
{
	static const struct snap_label edge[] = { { SNAP_LABEL_DICT, 0 } };

	make_begin(&w->m);
	w->str = make_type(&w->m, "builtins.str", 1 << 20, SNAP_KIND_STR, 0);
	w->dict =
		make_type(&w->m, "builtins.dict", 2 << 20, SNAP_KIND_DICT, SNAP_TYPE_GC);
	w->list =
		make_type(&w->m, "builtins.list", 3 << 20, SNAP_KIND_LIST, SNAP_TYPE_GC);
	w->set = make_type(&w->m, "builtins.set", 4 << 20, SNAP_KIND_SET, SNAP_TYPE_GC);
	w->tuple = make_type(&w->m, "builtins.tuple", 5 << 20, SNAP_KIND_TUPLE,
			     SNAP_TYPE_GC);
	w->module = make_type(&w->m, "builtins.module", 6 << 20, SNAP_KIND_MODULE, 0);
	w->thing = make_type(&w->m, "app.Thing", 7 << 20, SNAP_KIND_OBJECT,
			     SNAP_TYPE_PYTHON);
	w->pairs = make_shape(&w->m, NULL, 0, SNAP_TAIL_PAIRS);
	w->index = make_shape(&w->m, NULL, 0, SNAP_TAIL_INDEX);
	w->elements = make_shape(&w->m, NULL, 0, SNAP_TAIL_ELEMENT);
	w->dict_edge = make_shape(&w->m, edge, 1, SNAP_TAIL_OTHER);
}

/* ---- duplicates ---- */

static const struct duplicate *find(const struct vec *found, uint32_t example)
{
	for (size_t i = 0; i < VEC_COUNT(*found, struct duplicate); i++)
		if (VEC(*found, struct duplicate)[i].example == example)
			return VEC(*found, struct duplicate) + i;
	return NULL;
}

static void test_duplicates(void **state)
{
	struct world w = { 0 };
	struct vec found = { 0 };
	uint64_t pair[] = { addr(0), addr(3) }, same[] = { addr(1), addr(3) };
	uint64_t other[] = { addr(3), addr(0) };

	(void)state;
	define(&w);
	make_str(&w.m, addr(0), w.str, "twice");
	make_str(&w.m, addr(1), w.str, "twice");
	make_str(&w.m, addr(2), w.str, "Twice");
	make_str(&w.m, addr(3), w.str, "");
	make_object(&w.m, addr(4), w.tuple, w.index, 56, 1, pair, 2);
	make_object(&w.m, addr(5), w.tuple, w.index, 56, 1, same, 2); /* equal values */
	make_object(&w.m, addr(6), w.tuple, w.index, 56, 1, other, 2);
	make_object(&w.m, addr(7), w.tuple, w.index, 40, 1, NULL, 0); /* empty: never */
	make_object(&w.m, addr(8), w.tuple, w.index, 40, 1, NULL, 0);
	struct heap *heap = make_end(&w.m);
	assert_int_equal(duplicates_find(heap, NULL, &found), 0);
	assert_int_equal(VEC_COUNT(found, struct duplicate), 2);
	const struct duplicate *text = find(&found, 0), *tuple = find(&found, 4);
	assert_true(text && text->count == 2 && text->wasted == 54 && text->size == 108);
	assert_true(tuple && tuple->count == 2 && tuple->wasted == 56);
	vec_free(&found);
	heap_destroy(heap);
}

/* Thousands of values, some equal: the same groups as counting one by one. */
static void test_many_duplicates(void **state)
{
	struct world w = { 0 };
	struct vec found = { 0 };
	uint64_t wasted = 0;
	char text[32];

	(void)state;
	define(&w);
	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "value %u", i % 1700);
		make_str(&w.m, addr(i), w.str, text);
	}
	struct heap *heap = make_end(&w.m);
	assert_int_equal(duplicates_find(heap, NULL, &found), 0);
	assert_int_equal(VEC_COUNT(found, struct duplicate), 1700);
	for (size_t i = 0; i < VEC_COUNT(found, struct duplicate); i++) {
		const struct duplicate *d = VEC(found, struct duplicate) + i;

		assert_int_equal(d->count, d->example < 1600 ? 3 : 2);
		wasted += d->wasted;
	}
	uint64_t expected = 0;
	for (uint32_t i = 1700; i < 5000; i++)
		expected +=
			49 + (uint64_t)snprintf(text, sizeof(text), "value %u", i % 1700);
	assert_int_equal(wasted, expected);
	vec_free(&found);
	heap_destroy(heap);
}

/* ---- waste ---- */

static const struct waste *waste_of(const struct vec *found, enum waste_kind kind)
{
	for (size_t i = 0; i < VEC_COUNT(*found, struct waste); i++)
		if (VEC(*found, struct waste)[i].kind == kind)
			return VEC(*found, struct waste) + i;
	return NULL;
}

static void test_waste(void **state)
{
	struct world w = { 0 };
	struct vec found = { 0 };
	uint64_t one[] = { addr(0), addr(0) }, dict[] = { addr(2) };

	(void)state;
	define(&w); /* basicsize 16, and 16 for the collector's header */
	make_str(&w.m, addr(0), w.str, "k");
	/* emptied */
	make_object(&w.m, addr(1), w.dict, w.pairs, 32 + 4000, 1, NULL, 0);
	make_object(&w.m, addr(2), w.dict, w.pairs, 32 + 4000, 1, one, 2);
	make_object(&w.m, addr(3), w.list, w.index, 32 + 8 * 10, 1, one, 2);
	make_object(&w.m, addr(4), w.list, w.index, 32 + 8 * 2, 1, one, 2); /* full */
	make_object(&w.m, addr(5), w.set, w.elements, 32 + 16 * 1024, 1, one, 1);
	make_object(&w.m, addr(6), w.thing, w.dict_edge, 48, 1, dict, 1);
	struct heap *heap = make_end(&w.m);
	assert_int_equal(waste_find(heap, NULL, &found), 0);
	assert_int_equal(VEC_COUNT(found, struct waste), 5);
	assert_int_equal(waste_of(&found, WASTE_EMPTY_DICT)->wasted, 4000);
	assert_int_equal(waste_of(&found, WASTE_SPARSE_DICT)->wasted,
			 4000 - 40 - 8 - 5 * 24);
	assert_int_equal(waste_of(&found, WASTE_SPARSE_LIST)->wasted, 64);
	assert_int_equal(waste_of(&found, WASTE_SPARSE_LIST)->count, 1);
	assert_int_equal(waste_of(&found, WASTE_SPARSE_SET)->wasted, 16 * 1024);
	assert_int_equal(waste_of(&found, WASTE_INSTANCE_DICT)->wasted, 32 + 4000 - 8);
	vec_free(&found);
	heap_destroy(heap);
}

/* ---- budget ---- */

static void check_budget(uint64_t heap_rss, uint64_t native)
{
	static const uint64_t owned = 1000;
	struct world w = { 0 };
	struct budget budget;
	uint64_t sum = 0, clipped = 0, rounding = 0;

	define(&w);
	make_object(&w.m, addr(0), w.list, w.index, 3000, 1, NULL, 0);
	struct snap_map maps[] = {
		{ .start = BASE, .class_ = SNAP_MAP_HEAP, .rss = heap_rss, .swap = 5 },
		{ .start = 1, .class_ = SNAP_MAP_FILE, .rss = 7000 },
		{ .start = 2, .class_ = SNAP_MAP_STACK, .rss = 400 },
	};
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(w.m.sink->ops->map(w.m.sink, &maps[i]), 0);
	struct snap_buffer buffers[] = {
		{ .object = addr(0), .length = native, .flags = SNAP_BUFFER_OWNER },
		{ .object = addr(0),
		  .length = owned,
		  .flags = SNAP_BUFFER_OWNER | SNAP_BUFFER_COUNTED },
		{ .object = addr(0), .length = native, .flags = SNAP_BUFFER_VIEW },
	};
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(w.m.sink->ops->buffer(w.m.sink, &buffers[i]), 0);
	make_fact(&w.m, "malloc.free_bytes", 100);
	make_fact(&w.m, "malloc.known_chunks", 10);
	make_fact(&w.m, "malloc.known_bytes", 3000 + native + 70);
	make_fact(&w.m, "memory.large_object_bytes", 3000);
	struct heap *heap = make_end(&w.m);
	assert_int_equal(budget_make(heap, &budget), 0);
	for (size_t i = 0; i < VEC_COUNT(budget.entries, struct budget_entry); i++) {
		sum += VEC(budget.entries, struct budget_entry)[i].size;
		clipped += VEC(budget.entries, struct budget_entry)[i].clipped;
		if (VEC(budget.entries, struct budget_entry)[i].item == BUDGET_ROUNDING)
			rounding = VEC(budget.entries, struct budget_entry)[i].size;
	}
	assert_int_equal(budget.rss, heap_rss + 7400);
	assert_int_equal(sum, budget.rss);
	assert_int_equal(budget.swap, 5);
	uint64_t claimed = 3000 + native + 100;
	assert_int_equal(clipped, claimed > heap_rss ? claimed - heap_rss : 0);
	/* 10 chunks: 70 bytes more than their users asked for */
	assert_int_equal(rounding, claimed + 70 <= heap_rss ? 70 : 0);
	budget_free(&budget);
	heap_destroy(heap);
}

static void test_budget(void **state)
{
	(void)state;
	check_budget(10000, 2000);
	check_budget(10000, 1 << 20); /* a buffer that was never touched */
	check_budget(1000, 0);	      /* swapped out */
	check_budget(0, 0);
}

/* ---- suspects and growth ---- */

/* module m.ITEMS = [Thing, ...], its things linked by .next too when chained. */
static struct heap *make_items(uint32_t count, bool chained)
{
	struct world w = { 0 };
	uint64_t *refs = calloc(count, sizeof(*refs));
	uint64_t dict[] = { addr(1) }, item[] = { addr(2), addr(3) };

	define(&w);
	struct snap_label next[] = { { SNAP_LABEL_ATTR, make_string(&w.m, "next") } };
	uint32_t link = make_shape(&w.m, next, 1, SNAP_TAIL_OTHER);
	make_object(&w.m, addr(0), w.module, w.dict_edge, 72, 1, dict, 1);
	make_object(&w.m, addr(1), w.dict, w.pairs, 232, 1, item, 2);
	make_str(&w.m, addr(2), w.str, "ITEMS");
	for (uint32_t i = 0; i < count; i++)
		refs[i] = addr(4 + i);
	if (chained)
		make_object(&w.m, addr(3), w.list, w.index, 64, 1, refs, 1);
	else
		make_object(&w.m, addr(3), w.list, w.index, 56 + 8 * count, 1, refs,
			    count);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t to = chained && i + 1 < count ? addr(5 + i) : 0;

		make_object(&w.m, addr(4 + i), w.thing, link, 48, 1, &to, 1);
	}
	make_root(&w.m, SNAP_ROOT_MODULE, "m", 0, 0, addr(0));
	free(refs);
	return make_end(&w.m);
}

static void check_suspect(bool chained, const char *expected)
{
	struct heap *heap = make_items(3000, chained);
	struct vec found = { 0 };
	struct text text = { 0 };
	struct analysis *a = NULL;

	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	assert_int_equal(suspects_find(a, SUSPECTS_THRESHOLD, NULL, &found), 0);
	assert_int_equal(VEC_COUNT(found, struct suspect), 1);
	suspect_text(&text, a, VEC(found, struct suspect));
	assert_string_equal(text_get(&text), expected);
	text_free(&text);
	vec_free(&found);
	analysis_destroy(a);
	heap_destroy(heap);
}

/* Memory that two objects share, which nothing holds alone: it is no object, and too
 * small to be a suspect of the first rank. */
static void test_shared_memory_without_a_holder(void **state)
{
	struct world w = { 0 };
	uint64_t sharers[] = { addr(2), addr(3) };
	struct vec found = { 0 };
	struct analysis *a = NULL;

	(void)state;
	define(&w);
	make_object(&w.m, addr(0), w.list, w.index, 100000, 1, NULL, 0);
	make_root(&w.m, SNAP_ROOT_MODULE, "whole", 0, 0, addr(0));
	for (int i = 0; i < 2; i++) {
		const struct snap_buffer buffer = { .object = sharers[i],
						    .data = addr(100),
						    .length = 6000,
						    .flags = SNAP_BUFFER_OWNER };

		make_object(&w.m, sharers[i], w.thing, 0, 48, 1, NULL, 0);
		make_root(&w.m, SNAP_ROOT_MODULE, i ? "b" : "a", 0, 0, sharers[i]);
		assert_int_equal(w.m.sink->ops->buffer(w.m.sink, &buffer), 0);
	}
	struct heap *heap = make_end(&w.m);
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	assert_int_equal(suspects_find(a, SUSPECTS_THRESHOLD, NULL, &found), 0);
	const struct suspect *const s = found.data;
	assert_int_equal(VEC_COUNT(found, struct suspect), 2);
	assert_int_equal(s[0].retained, 100000);
	assert_true(heap_is_native(heap, s[1].point));
	assert_int_equal(s[1].retained, 6000);
	vec_free(&found);
	analysis_destroy(a);
	heap_destroy(heap);
}

static void test_suspects(void **state)
{
	(void)state;
	check_suspect(false, "m.ITEMS -> list -> 3,000 Thing");
	/* the list of one is where it begins, not the thousandth link */
	check_suspect(true, "m.ITEMS[0] -> Thing -> chain of 3,000 Thing");
}

/* Many blocks of which little is in memory, each of them small. */
static void test_suspects_mostly_untouched(void **state)
{
	enum { THINGS = 1000, BLOCK = 65536, TOUCHED = 4096 };
	struct world w = { 0 };
	uint64_t refs[THINGS];
	struct vec found = { 0 };
	struct analysis *a = NULL;

	(void)state;
	define(&w);
	make_fact(&w.m, "absent.known", 1);
	const struct snap_map map = { .start = 0x10000000,
				      .end = 0x10000000 + 2ull * BLOCK * THINGS,
				      .perms = 3,
				      .rss = THINGS * TOUCHED,
				      .anonymous = THINGS * TOUCHED };
	assert_int_equal(w.m.sink->ops->map(w.m.sink, &map), 0);
	for (uint32_t i = 0; i < THINGS; i++) {
		const uint64_t data = 0x10000000 + 2ull * BLOCK * i;
		const struct snap_buffer buffer = { .object = addr(1 + i),
						    .data = data,
						    .length = BLOCK,
						    .flags = SNAP_BUFFER_OWNER };
		const struct snap_absent absent = { data + TOUCHED, BLOCK - TOUCHED };

		refs[i] = addr(1 + i);
		make_object(&w.m, refs[i], w.thing, 0, 48, 1, NULL, 0);
		assert_int_equal(w.m.sink->ops->buffer(w.m.sink, &buffer), 0);
		assert_int_equal(w.m.sink->ops->absent(w.m.sink, &absent), 0);
	}
	make_object(&w.m, addr(0), w.list, w.index, 8056, 1, refs, THINGS);
	make_root(&w.m, SNAP_ROOT_MODULE, "m", 0, 0, addr(0));
	struct heap *heap = make_end(&w.m);
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	assert_int_equal(suspects_find(a, SUSPECTS_THRESHOLD, NULL, &found), 0);
	const struct suspect *const s = found.data;
	assert_int_equal(VEC_COUNT(found, struct suspect), 1);
	const uint64_t each = heap_native_at(heap, heap_native_base(heap))->resident;
	assert_in_range(each, TOUCHED - 1, TOUCHED); /* a share, rounded */
	assert_int_equal(s->retained, 8056 + THINGS * (48 + each));
	assert_true(suspect_share(a, s) == 1);
	vec_free(&found);
	analysis_destroy(a);
	heap_destroy(heap);
}

static void check_way(const struct analysis *a, size_t most, size_t rows,
		      const char *expected)
{
	const struct heap *heap = a->heap;
	const uint32_t last = heap_find(heap, addr(4 + 2999));
	struct text text = { 0 };
	struct way way;

	assert_int_equal(way_make(&way, a, last, most), 0);
	assert_int_equal(way_rows(&way), rows);
	assert_int_equal(way_length(&way), 3004);
	assert_int_equal(way_node(&way, rows - 1), last);
	assert_false(heap_is_object(heap, way_node(&way, 0)));
	for (size_t i = 0; i < rows; i++) {
		text_add(&text, way.left_out && i == way.gap ? "|... " : "|");
		way_text(&text, heap, &way, i);
	}
	assert_string_equal(text_get(&text), expected);
	text_free(&text);
	way_free(&way);
}

/* A linked list is one row, and the root is always there. */
static void test_way(void **state)
{
	struct heap *heap = make_items(3000, true);
	struct analysis *a = NULL;

	(void)state;
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	check_way(a, 16, 6, "||m|.__dict__|['ITEMS']|[0]|(.next x 2,999)");
	check_way(a, 3, 3, "||... [0]|(.next x 2,999)");
	analysis_destroy(a);
	heap_destroy(heap);
}

static void check_growth(bool chained, const char *path)
{
	struct heap *heap = make_items(3000, chained);
	struct growth growth = { 0 };
	struct text text = { 0 };
	struct analysis *a = NULL;
	uint64_t objects = 0, most = 0;
	uint32_t largest = 0;

	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	assert_int_equal(
		growth_build_all((const struct analysis *const *)&a, 1, NULL, &growth),
		0);
	const struct signature *s = growth.signature.data;
	uint32_t count = (uint32_t)VEC_COUNT(growth.signature, struct signature);
	for (uint32_t i = 0; i < count; i++) {
		objects += s[i].count;
		if (s[i].count > most) {
			most = s[i].count;
			largest = i;
		}
		assert_ptr_equal(growth_find(&growth, s[i].hash), &s[i]);
	}
	assert_int_equal(objects, heap->objects);
	assert_true(most >= 2998);
	assert_true(count < 40);
	growth_path(&text, a, &growth, largest);
	assert_string_equal(text_get(&text), path);
	text_free(&text);
	growth_free(&growth);
	analysis_destroy(a);
	heap_destroy(heap);
}

static void test_growth(void **state)
{
	(void)state;
	check_growth(false, "m.ITEMS[*]");
	check_growth(true, "m.ITEMS[*](.next x 2)");
}

/* m.BOX, a dict in which a dict of so many things is the one item */
static struct heap *make_box(uint32_t count)
{
	struct world w = { 0 };
	uint64_t *refs = calloc(2 * (size_t)count, sizeof(*refs));
	uint64_t dict[] = { addr(1) }, box[] = { addr(2), addr(3) };
	uint64_t inner[] = { addr(4), addr(5) };
	char text[32];

	define(&w);
	make_object(&w.m, addr(0), w.module, w.dict_edge, 72, 1, dict, 1);
	make_object(&w.m, addr(1), w.dict, w.pairs, 232, 1, box, 2);
	make_str(&w.m, addr(2), w.str, "BOX");
	make_object(&w.m, addr(3), w.dict, w.pairs, 232, 1, inner, 2);
	make_str(&w.m, addr(4), w.str, "in");
	for (uint32_t i = 0; i < 2 * count; i++)
		refs[i] = addr(6 + i);
	make_object(&w.m, addr(5), w.dict, w.pairs, 232, 1, refs, 2 * count);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "key %u", i);
		make_str(&w.m, addr(6 + 2 * i), w.str, text);
		make_object(&w.m, addr(7 + 2 * i), w.thing, 0, 48, 1, NULL, 0);
	}
	make_root(&w.m, SNAP_ROOT_MODULE, "m", 0, 0, addr(0));
	free(refs);
	return make_end(&w.m);
}

/* How many things a dict of `before` items, which has `after` now, has more by places. */
static void check_grown(uint32_t before, uint32_t after, const char *path)
{
	struct heap *heap[] = { make_box(before), make_box(after) };
	struct analysis *a[2] = { 0 };
	struct growth growth[2];
	struct text text = { 0 };
	uint32_t found = 0;

	assert_int_equal(analysis_run(heap[0], NULL, &a[0]), 0);
	assert_int_equal(analysis_run(heap[1], NULL, &a[1]), 0);
	assert_int_equal(
		growth_build_all((const struct analysis *const *)a, 2, NULL, growth), 0);
	const struct signature *s = growth[1].signature.data;
	for (uint32_t i = 0; i < VEC_COUNT(growth[1].signature, struct signature); i++) {
		text_clear(&text);
		growth_path(&text, a[1], &growth[1], i);
		if (strcmp(text_get(&text), path) != 0)
			continue;
		const struct signature *old = growth_find(&growth[0], s[i].hash);
		found++;
		assert_non_null(old);
		assert_int_equal((int64_t)(s[i].count - old->count),
				 strstr(path, "[*]") ? (int64_t)after - before : 0);
	}
	assert_int_equal(found, 1);
	text_free(&text);
	for (int i = 0; i < 2; i++) {
		growth_free(&growth[i]);
		analysis_destroy(a[i]);
		heap_destroy(heap[i]);
	}
}

/* A process that is watched: what grew is in the series it was in before. */
static void check_recorded(uint32_t before, uint32_t after)
{
	struct heap *heap[] = { make_box(before), make_box(after) };
	struct history history = { 0 };
	double grown = 0;

	for (int i = 0; i < 2; i++) {
		struct analysis *a = NULL;

		assert_int_equal(analysis_run(heap[i], NULL, &a), 0);
		assert_int_equal(record_paths(&history, a, 1, NULL), 0);
		analysis_destroy(a);
		heap_destroy(heap[i]);
	}
	for (size_t i = 0; i < history.count; i++) {
		const double its = series_growth(history.series[i], false);

		assert_true(after > before ? its >= 0 : its <= 0);
		grown += its;
	}
	/* with the keys */
	assert_int_equal((int64_t)grown, 2 * ((int64_t)after - before));
	history_free(&history);
}

static void test_recorded_growth(void **state)
{
	(void)state;
	check_recorded(50, 150);
	check_recorded(150, 50);
}

/* Above GROWTH_SMALL_DICT keys are no labels: of no snapshot that is compared. */
static void test_growth_past_the_limit(void **state)
{
	(void)state;
	check_grown(50, 150, "m.BOX['in'][*]");
	check_grown(150, 50, "m.BOX['in'][*]");
	check_grown(100, 150, "m.BOX['in'][*]");
	check_grown(50, 60, "m.BOX['in']['key 7']");
}

static void check_growth_sums(struct heap *heap, uint64_t shallow, uint64_t size)
{
	struct growth growth = { 0 };
	struct analysis *a = NULL;
	uint64_t shallow_sum = 0, size_sum = 0;

	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	assert_int_equal(
		growth_build_all((const struct analysis *const *)&a, 1, NULL, &growth),
		0);
	const struct signature *const s = growth.signature.data;
	for (size_t i = 0; i < VEC_COUNT(growth.signature, struct signature); i++) {
		size_sum += s[i].size;
		shallow_sum += s[i].shallow;
	}
	assert_int_equal(shallow_sum, shallow);
	assert_int_equal(size_sum, size);
	assert_int_equal(s[0].total, size);
	assert_int_equal(analysis_total(a), size);
	growth_free(&growth);
	analysis_destroy(a);
	heap_destroy(heap);
}

/* Whoever owns memory, and how many do: each byte is in one place. */
static void test_growth_of_native_memory(void **state)
{
	enum { OWNER = SNAP_BUFFER_OWNER, COUNTED = OWNER | SNAP_BUFFER_COUNTED };
	const struct snap_buffer buffers[] = {
		{ .object = addr(0), .data = addr(100), .length = 5000, .flags = OWNER },
		{ .object = addr(0), .data = addr(300), .length = 6000, .flags = OWNER },
		{ .object = addr(1), .data = addr(300), .length = 6000, .flags = OWNER },
		{ .object = addr(0),
		  .data = addr(500),
		  .length = 7000,
		  .flags = OWNER,
		  .sharers = 3 },
		/* whose owner isn't in the snapshot */
		{ .object = 77, .data = addr(700), .length = 8000, .flags = OWNER },
		/* together more than the size that counts them */
		{ .object = addr(2),
		  .data = addr(900),
		  .length = 9000,
		  .flags = COUNTED },
		{ .object = addr(2),
		  .data = addr(1100),
		  .length = 9000,
		  .flags = COUNTED | SNAP_BUFFER_INFERRED },
		{ .object = addr(1),
		  .data = addr(1300),
		  .length = 5000,
		  .flags = COUNTED,
		  .sharers = 2 },
	};
	const uint64_t sizes[] = { 48, 5100, 10000 };
	struct world w = { 0 };

	(void)state;
	define(&w);
	for (unsigned i = 0; i < 3; i++) {
		make_object(&w.m, addr(i), w.thing, 0, sizes[i], 1, NULL, 0);
		make_root(&w.m, SNAP_ROOT_MODULE, "m", 0, 0, addr(i));
	}
	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
		assert_int_equal(w.m.sink->ops->buffer(w.m.sink, &buffers[i]), 0);
	check_growth_sums(make_end(&w.m), 15148, 15148 + 5000 + 6000 + 7000 + 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_many_duplicates),
		cmocka_unit_test(test_waste),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_suspects),
		cmocka_unit_test(test_shared_memory_without_a_holder),
		cmocka_unit_test(test_suspects_mostly_untouched),
		cmocka_unit_test(test_way),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_growth_past_the_limit),
		cmocka_unit_test(test_recorded_growth),
		cmocka_unit_test(test_growth_of_native_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
