/* SPDX-License-Identifier: MIT */
/*
 * The heap model: events in any order give the same arrays; labels, paths,
 * values, surplus, roots; and its sidecar, whole and damaged.
 */
#include "tests/unit/viewer_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "viewer/analysis/analysis.h"
#include "viewer/model/sidecar.h"
#include "viewer/name/describe.h"

enum { A = 0x7f0000000010, OBJECTS = 12 };
static const uint64_t far = 0x600000000000;

static uint64_t addr(unsigned i)
{
	return i < 6 ? A + 64ull * i : far + 8ull * i;
}

/*
 * module m (0) -.__dict__-> dict (1) -['STORE']-> list (3) -[0]-> instance (4)
 * -.__dict__-> split dict (5) -name user-> str (6); key str 'STORE' is 2.
 * 7 weakly refers to 4; 8 is held by a thread's local; 9 has a hidden reference;
 * 10 <-> 11 are garbage.
 */
struct world {
	struct make m;
	uint32_t str, dict, list, module, thing, dict_edge, pairs, index, split, weak;
};

static void define(struct world *w)
{
	static const struct snap_label dict_edge[] = { { SNAP_LABEL_DICT, 0 } };
	static const struct snap_label weak[] = { { SNAP_LABEL_WEAK, 0 } };

	make_begin(&w->m);
	w->str = make_type(&w->m, "builtins.str", 0x1000, SNAP_KIND_STR, 0);
	w->dict = make_type(&w->m, "builtins.dict", 0x2000, SNAP_KIND_DICT, SNAP_TYPE_GC);
	w->list = make_type(&w->m, "builtins.list", 0x3000, SNAP_KIND_LIST, SNAP_TYPE_GC);
	w->module = make_type(&w->m, "builtins.module", 0x4000, SNAP_KIND_MODULE, 0);
	w->thing =
		make_type(&w->m, "app.Thing", addr(9), SNAP_KIND_OBJECT, SNAP_TYPE_OWNED);
	w->dict_edge = make_shape(&w->m, dict_edge, 1, SNAP_TAIL_OTHER);
	w->pairs = make_shape(&w->m, NULL, 0, SNAP_TAIL_PAIRS);
	w->index = make_shape(&w->m, NULL, 0, SNAP_TAIL_INDEX);
	struct snap_label split[] = { { SNAP_LABEL_VALUE, make_string(&w->m, "user") } };
	w->split = make_shape(&w->m, split, 1, SNAP_TAIL_OTHER);
	w->weak = make_shape(&w->m, weak, 1, SNAP_TAIL_OTHER);
}

static void add(struct world *w, unsigned i)
{
	const uint64_t to[][2] = {
		[0] = { addr(1) },   [1] = { addr(2), addr(3) }, [3] = { addr(4), 0 },
		[4] = { addr(5) },   [5] = { addr(6) },		 [7] = { addr(4) },
		[10] = { addr(11) }, [11] = { addr(10) },
	};

	switch (i) {
	case 0:
		make_object(&w->m, addr(0), w->module, w->dict_edge, 72, 1, to[0], 1);
		break;
	case 1:
		make_object(&w->m, addr(1), w->dict, w->pairs, 232, 1, to[1], 2);
		break;
	case 2:
		make_str(&w->m, addr(2), w->str, "STORE");
		break;
	case 3:
		make_object(&w->m, addr(3), w->list, w->index, 5ull << 32, 1, to[3], 2);
		break;
	case 4:
		make_object(&w->m, addr(4), w->thing, w->dict_edge, 48, 1, to[4], 1);
		break;
	case 5:
		make_object(&w->m, addr(5), w->dict, w->split, 104, 1, to[5], 1);
		break;
	case 6:
		make_str(&w->m, addr(6), w->str, "Eve \033[2J");
		break;
	case 7:
		make_object(&w->m, addr(7), w->thing, w->weak, 72, 1, to[7], 1);
		break;
	case 8:
		make_object(&w->m, addr(8), w->list, w->index, 56, 1, NULL, 0);
		break;
	case 9:
		make_object(&w->m, addr(9), w->thing, 0, 1000, 9, NULL, 0);
		break;
	case 10:
		make_object(&w->m, addr(10), w->list, w->index, 64, 1, to[10], 1);
		break;
	default:
		make_object(&w->m, addr(11), w->list, w->index, 64, 1, to[11], 1);
		break;
	}
}

static struct heap *make_world(const unsigned *order)
{
	struct world w = { 0 };

	define(&w);
	make_fact(&w.m, "pid", 42);
	for (unsigned i = 0; i < OBJECTS; i++)
		add(&w, order ? order[i] : i);
	add(&w, 3);		      /* met twice: dropped */
	make_fact(&w.m, "pid", 4242); /* the later fact wins */
	uint32_t thread = make_thread(&w.m, "Main");
	uint32_t frame = make_frame(&w.m, thread, "f", "/srv/app/file.py", 12);
	make_root(&w.m, SNAP_ROOT_MODULE, "m", 0, 0, addr(0));
	make_root(&w.m, SNAP_ROOT_LOCAL, "x", thread, frame, addr(8));
	make_root(&w.m, SNAP_ROOT_THREAD, "weak", thread, 0, addr(7));
	return make_end(&w.m);
}

static void check_world(const struct heap *heap)
{
	uint32_t id[OBJECTS];
	bool weak;

	assert_int_equal(heap->objects, OBJECTS);
	assert_int_equal(heap->dropped, 1);
	assert_int_equal(heap_fact_u64(heap, "pid", 0), 4242);
	for (unsigned i = 0; i < OBJECTS; i++) {
		id[i] = heap_find(heap, addr(i));
		assert_true(id[i] < OBJECTS);
		assert_int_equal(heap_address(heap, id[i]), addr(i));
		assert_int_equal(heap_find(heap, addr(i) + 4), HEAP_NONE);
	}
	for (unsigned i = 1; i < OBJECTS; i++) /* ascending */
		assert_true(heap_address(heap, i - 1) < heap_address(heap, i));
	assert_int_equal(heap_size(heap, id[3]), 5ull << 32);
	assert_int_equal(heap_target(heap, id[7], 0, &weak), id[4]);
	assert_true(weak);
	assert_int_equal(heap_target(heap, id[3], 1, NULL), HEAP_NONE);
	assert_int_equal(heap_slot(heap, id[3], id[4]), 0);
	assert_int_equal(heap_type_edge(heap, id[4]), id[9]);
	assert_int_equal(heap->weak_edges, 1);
	/* thing's refcount 9: three instances, nothing else found */
	assert_int_equal(heap_surplus(heap, id[9]), 6);
	assert_int_equal(heap_surplus(heap, id[4]), 0);
	assert_int_equal(heap_surplus(heap, id[8]), 0);
}

static void check_path(const struct analysis *a, unsigned i, const char *expected)
{
	struct text text = { 0 };

	describe_path(&text, a, heap_find(a->heap, addr(i)));
	assert_string_equal(text_get(&text), expected);
	text_free(&text);
}

static void check_paths(const struct analysis *a)
{
	check_path(a, 0, "module m");
	check_path(a, 1, "m.__dict__");
	check_path(a, 3, "m.STORE");
	check_path(a, 4, "m.STORE[0]");
	check_path(a, 6, "m.STORE[0].user");
	check_path(a, 8, "thread Main \xe2\x80\xba f (file.py:12) \xe2\x80\xba x");
	check_path(a, 7, "thread Main \xe2\x80\xba weak");
	check_path(a, 10, "unreachable builtins.list");
	check_path(a, 11, "unreachable builtins.list[0]");
}

static void test_orders(void **state)
{
	unsigned order[OBJECTS], seed = 7;

	(void)state;
	for (unsigned i = 0; i < OBJECTS; i++)
		order[i] = i;
	for (unsigned round = 0; round < 200; round++) {
		struct heap *heap = make_world(round ? order : NULL);
		struct analysis *a = NULL;

		check_world(heap);
		assert_int_equal(analysis_run(heap, NULL, &a), 0);
		check_paths(a);
		analysis_destroy(a);
		heap_destroy(heap);
		for (unsigned i = OBJECTS; i-- > 1;) {
			seed = seed * 1664525 + 1013904223;
			unsigned j = (seed >> 16) % (i + 1), swap = order[i];

			order[i] = order[j];
			order[j] = swap;
		}
	}
}

static void test_values(void **state)
{
	struct heap *heap = make_world(NULL);
	struct text text = { 0 };
	struct heap_value v;

	(void)state;
	describe_value(&text, heap, heap_find(heap, addr(6)), 0);
	assert_string_equal(text_get(&text), "'Eve \\x1b[2J'");
	text_clear(&text);
	describe_value(&text, heap, heap_find(heap, addr(1)), 0);
	assert_string_equal(text_get(&text), "{1 item}");
	assert_false(heap_value(heap, heap_find(heap, addr(4)), &v));
	assert_false(heap_value(heap, HEAP_NONE, &v));
	text_free(&text);
	heap_destroy(heap);
}

static void test_empty(void **state)
{
	struct analysis *a = NULL;
	struct make m;

	(void)state;
	make_begin(&m);
	struct heap *heap = make_end(&m);
	assert_int_equal(heap->objects, 0);
	assert_int_equal(heap_find(heap, 0x1000), HEAP_NONE);
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	assert_int_equal(analysis_retained(a, heap_root(heap)), 0);
	analysis_destroy(a);
	heap_destroy(heap);
}

/* Ids out of order, undefined ones: the loader says so and takes no harm. */
static void test_protocol(void **state)
{
	struct snap_object o = { .addr = 16, .type = 5 };
	struct snap_type type = { .id = 3 };
	struct make m;

	(void)state;
	make_begin(&m);
	assert_int_equal(m.sink->ops->object(m.sink, &o), -EPROTO);
	assert_int_equal(m.sink->ops->type(m.sink, &type), -EPROTO);
	assert_int_equal(m.sink->ops->string(m.sink, 2, "x", 1), -EPROTO);
	heap_destroy(make_end(&m));
}

/* Object memory beyond 32 GiB: packed addresses need more than 32 bits. */
static void test_wide(void **state)
{
	const unsigned n = 40000;
	struct make m;

	(void)state;
	make_begin(&m);
	uint32_t type = make_type(&m, "t", 0, SNAP_KIND_OBJECT, 0);
	for (unsigned i = 0; i < n; i++) {
		uint64_t to = ((uint64_t)(i * 7919u % n) + 1) << 21;

		make_object(&m, ((uint64_t)i + 1) << 21, type, 0, 16, 1, &to, 1);
	}
	struct heap *heap = make_end(&m);
	assert_int_equal(heap->edges, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(heap_target(heap, i, 0, NULL), i * 7919u % n);
	heap_destroy(heap);
}

/* ---- sidecar ---- */

static char directory[] = "/tmp/pymem-sidecar-XXXXXX";
static char snapshot[64], sidecar[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(snapshot, sizeof(snapshot), "%s/s", directory);
	snprintf(sidecar, sizeof(sidecar), "%s/s.pmx", directory);
	FILE *f = fopen(snapshot, "w");
	return !f || fputs("the snapshot", f) < 0 || fclose(f);
}

static int teardown(void **state)
{
	(void)state;
	unlink(snapshot);
	unlink(sidecar);
	return rmdir(directory);
}

static void save(void)
{
	struct sidecar_process p = { .heap = make_world(NULL), .problem = "why" };

	assert_int_equal(analysis_run(p.heap, NULL, &p.analysis), 0);
	assert_int_equal(sidecar_save(snapshot, &p, 1), 0);
	analysis_destroy(p.analysis);
	heap_destroy(p.heap);
}

enum { WITHIN = 70000 }; /* objects before the owner: more than a block of rows */

static uint64_t within(uint32_t i)
{
	return 0x7f0000000010 + 64ull * i;
}

static void hold(struct make *m, uint32_t owner, uint32_t target)
{
	char name[24];
	struct snap_root root = { .kind = SNAP_ROOT_OTHER,
				  .flags = SNAP_ROOT_CONSERVATIVE,
				  .target = within(target) };

	snprintf(name, sizeof(name), "0x%llx", (unsigned long long)within(owner));
	root.name = make_string(m, name);
	assert_int_equal(m->sink->ops->root(m->sink, &root), 0);
}

/* What an object's memory holds is its reference where the target's count has room for
 * it, behind its own, and moves no other object's. */
static void test_held(void **state)
{
	struct make m;
	struct snap_label fixed[] = { { SNAP_LABEL_ATTR, 0 }, { SNAP_LABEL_WEAK, 0 } };
	const uint64_t refs[] = { within(WITHIN + 1), within(WITHIN + 1) };
	const uint64_t to_weak[] = { 0, within(WITHIN + 2) };

	(void)state;
	make_begin(&m);
	fixed[0].name = make_string(&m, "a");
	uint32_t type = make_type(&m, "x.T", 0x1000, SNAP_KIND_OBJECT, 0);
	uint32_t shape = make_shape(&m, fixed, 2, SNAP_TAIL_OTHER);

	for (uint32_t i = 0; i < WITHIN; i++)
		make_object(&m, within(i), type, 0, 16, 1, NULL, 0);
	make_object(&m, within(WITHIN), type, shape, 16, 1, refs, 1);
	make_object(&m, within(WITHIN + 1), type, 0, 16, 1, NULL, 0);
	make_object(&m, within(WITHIN + 2), type, 0, 16, 2, NULL, 0);
	make_object(&m, within(WITHIN + 3), type, shape, 16, 1, to_weak, 2);
	make_root(&m, SNAP_ROOT_MODULE, "m", 0, 0, within(WITHIN));
	hold(&m, WITHIN, WITHIN + 1); /* has one reference, and that is known */
	hold(&m, WITHIN, WITHIN + 2);
	hold(&m, 5, WITHIN + 2);
	hold(&m, 6, WITHIN + 2);      /* its count is reached */
	hold(&m, WITHIN + 9, WITHIN); /* no such object */
	struct heap *heap = make_end(&m);
	struct heap_span own = heap_refs(heap, WITHIN);

	assert_int_equal(own.count, 3); /* the second label's is absent */
	assert_int_equal(own.target[0], WITHIN + 1);
	assert_int_equal(own.target[1], HEAP_ABSENT);
	assert_int_equal(own.target[2], WITHIN + 2);
	assert_int_equal(heap_refs(heap, 5).count, 1);
	assert_int_equal(heap_refs(heap, 6).count, 0);
	assert_int_equal(heap_surplus(heap, WITHIN + 2), 0);
	bool weak = false;
	assert_int_equal(heap_target(heap, WITHIN + 3, 1, &weak), WITHIN + 2);
	assert_true(weak);
	assert_int_equal(heap->edges, 3);
	heap_destroy(heap);
}

static void test_sidecar(void **state)
{
	struct sidecar_process *found;
	struct stat st;

	(void)state;
	assert_int_equal(sidecar_open(snapshot, &found), 0);
	save();
	assert_int_equal(stat(sidecar, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sidecar_open(snapshot, &found), 1);
	assert_string_equal(found->problem, "why");
	check_world(found->heap);
	check_paths(found->analysis);
	analysis_destroy(found->analysis);
	heap_destroy(found->heap);
	free(found);
	assert_int_equal(chmod(sidecar, 0622), 0); /* others may write it: not
							 * trusted */
	assert_int_equal(sidecar_open(snapshot, &found), 0);
	assert_int_equal(chmod(sidecar, 0600), 0);
	assert_int_equal(truncate(snapshot, 3), 0); /* another snapshot */
	assert_int_equal(sidecar_open(snapshot, &found), 0);
}

/* Looks at everything a viewer would look at. */
static void use(const struct sidecar_process *p)
{
	struct text text = { 0 };

	for (uint32_t n = 0; n < p->heap->nodes; n++) {
		struct heap_span refs = heap_refs(p->heap, n);

		text_clear(&text);
		describe_node(&text, p->heap, n);
		describe_value(&text, p->heap, n, 20);
		describe_path(&text, p->analysis, n);
		heap_address(p->heap, n);
		heap_size(p->heap, n);
		for (uint32_t i = 0; i < refs.count; i++)
			describe_edge(&text, p->heap, n, i);
		analysis_depth(p->analysis, n);
	}
	heap_find(p->heap, addr(3));
	heap_fact_u64(p->heap, "pid", 0);
	heap_type_find(p->heap, "Thing");
	text_free(&text);
}

/* 1: opened and used; 0: refused. */
static unsigned try_sidecar(void)
{
	struct sidecar_process *found;

	if (!sidecar_open(snapshot, &found))
		return 0;
	use(found);
	analysis_destroy(found->analysis);
	heap_destroy(found->heap);
	free(found);
	return 1;
}

/* Bytes all over the file, wrong in different ways: refused, or used unharmed. */
static void test_damage(void **state)
{
	const unsigned char flips[] = { 0xff, 0x01, 0x80, 0x10 };
	unsigned opened = 0, tried = 0;
	off_t size, at = 0;
	int fd;

	(void)state;
	save();
	fd = open(sidecar, O_RDWR);
	assert_true(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	for (unsigned i = 0; at < size; i++) {
		unsigned char byte, bad;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		bad = byte ^ flips[i % 4];
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		opened += try_sidecar();
		tried++;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		at += byte ? 1 : size / 1000 + 1; /* zeroes abound */
	}
	close(fd);
	assert_true(opened > 0 && tried - opened > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders), cmocka_unit_test(test_values),
		cmocka_unit_test(test_empty),  cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_wide),   cmocka_unit_test(test_sidecar),
		cmocka_unit_test(test_held),   cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
