/* SPDX-License-Identifier: MIT */
/*
 * The analysis against two oracles, on random graphs: Lengauer and Tarjan's
 * algorithm (simple version), and the definition itself: what can't be reached
 * any more once a node is taken out.
 */
#include "tests/unit/viewer_make.h"

#include <errno.h>

#include "viewer/analysis/analysis.h"

#define MAX_NODES 2100

static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(rng_state >> 33) % below;
}

static uint64_t address(uint32_t i)
{
	/* scattered over chunks, 8-byte aligned only */
	return 0x10000000 + (uint64_t)i * 4104;
}

/* ---- random heaps ---- */

struct shape_of_graph {
	uint32_t objects, degree, roots, types;
	bool owned, weak, shuffled, chain;
};

static void random_object(struct make *m, const struct shape_of_graph *g, uint32_t i,
			  uint32_t weak_shape)
{
	uint64_t refs[64];
	uint32_t n = rng(2 * g->degree + 1);

	for (uint32_t r = 0; r < n; r++) {
		uint32_t to = g->chain && rng(4) ? i + 1 + rng(3) : rng(g->objects);

		refs[r] = to < g->objects && rng(20) ? address(to) : 0;
		if (rng(50) == 0)
			refs[r] = address(g->objects + rng(100)); /* dangling */
	}
	make_object(m, address(i), 1 + rng(g->types),
		    g->weak && rng(3) == 0 ? weak_shape : 0, 1 + rng(100), rng(4), refs,
		    n);
}

static struct heap *random_heap(const struct shape_of_graph *g)
{
	static const struct snap_label fixed[] = { { SNAP_LABEL_WEAK, 0 } };
	uint32_t order[MAX_NODES];
	struct make m;

	make_begin(&m);
	uint32_t weak_shape = make_shape(&m, fixed, 1, SNAP_TAIL_INDEX);
	for (uint32_t t = 0; t < g->types; t++)
		make_type(&m, "t", address(t), SNAP_KIND_OBJECT,
			  g->owned && t % 2 ? SNAP_TYPE_OWNED : 0);
	for (uint32_t i = 0; i < g->objects; i++)
		order[i] = i;
	for (uint32_t i = g->objects; g->shuffled && i-- > 1;) {
		uint32_t j = rng(i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (uint32_t i = 0; i < g->objects; i++)
		random_object(&m, g, order[i], weak_shape);
	for (uint32_t i = 0; i < g->roots; i++)
		make_root(&m, rng(2) ? SNAP_ROOT_MODULE : SNAP_ROOT_INTERPRETER, "r", 0,
			  0, address(rng(g->objects)));
	return make_end(&m);
}

/* ---- the graph, plain ---- */

struct plain {
	uint32_t n, root;
	uint32_t *first, *to;
};

static void plain_edges(const struct heap *heap, uint32_t node, struct plain *g,
			uint32_t *count)
{
	struct heap_span refs = heap_refs(heap, node);

	for (uint32_t i = 0; i < refs.count; i++) {
		bool weak;
		uint32_t to = heap_target(heap, node, i, &weak);

		if (to != HEAP_NONE && !weak)
			g->to[(*count)++] = to;
	}
	if (heap_type_edge(heap, node) != HEAP_NONE)
		g->to[(*count)++] = heap_type_edge(heap, node);
}

static void plain_make(const struct heap *heap, struct plain *g)
{
	uint32_t count = 0;

	g->n = heap->nodes;
	g->root = heap_root(heap);
	g->first = calloc(g->n + 1, sizeof(uint32_t));
	g->to = calloc(heap->slots + g->n + VEC_COUNT(heap->synth_target, uint32_t) + 1,
		       sizeof(uint32_t));
	for (uint32_t v = 0; v < g->n; v++) {
		g->first[v] = count;
		plain_edges(heap, v, g, &count);
	}
	g->first[g->n] = count;
}

static void plain_free(struct plain *g)
{
	free(g->first);
	free(g->to);
}

/* Marks what is reachable without node `without`; returns how many. */
static uint32_t reach(const struct plain *g, uint32_t without, uint8_t *seen)
{
	static uint32_t stack[MAX_NODES * 2];
	uint32_t depth = 0, count = 0;

	memset(seen, 0, g->n);
	if (g->root == without)
		return 0;
	seen[g->root] = 1;
	stack[depth++] = g->root;
	while (depth) {
		uint32_t v = stack[--depth];

		count++;
		for (uint32_t e = g->first[v]; e < g->first[v + 1]; e++)
			if (!seen[g->to[e]] && g->to[e] != without) {
				seen[g->to[e]] = 1;
				stack[depth++] = g->to[e];
			}
	}
	return count;
}

/* ---- Lengauer and Tarjan, as in the paper's simple version ---- */

struct lt {
	uint32_t n, *vertex, *number, *parent, *semi, *label, *anc, *dom, *bucket, *next;
};

static void lt_dfs(struct lt *t, const struct plain *g)
{
	uint32_t stack[MAX_NODES], at[MAX_NODES], depth = 0;

	for (uint32_t v = 0; v < g->n; v++)
		t->number[v] = UINT32_MAX;
	t->number[g->root] = t->n;
	t->vertex[t->n++] = g->root;
	stack[depth] = g->root;
	at[depth++] = g->first[g->root];
	while (depth) {
		uint32_t v = stack[depth - 1];

		if (at[depth - 1] == g->first[v + 1]) {
			depth--;
			continue;
		}
		uint32_t w = g->to[at[depth - 1]++];
		if (t->number[w] != UINT32_MAX)
			continue;
		t->number[w] = t->n;
		t->parent[w] = v;
		t->vertex[t->n++] = w;
		stack[depth] = w;
		at[depth++] = g->first[w];
	}
}

static uint32_t lt_eval(struct lt *t, uint32_t v)
{
	uint32_t path[MAX_NODES], n = 0;

	if (t->anc[v] == UINT32_MAX)
		return t->label[v];
	for (uint32_t u = v; t->anc[t->anc[u]] != UINT32_MAX; u = t->anc[u])
		path[n++] = u;
	while (n--) {
		uint32_t u = path[n], a = t->anc[u];

		if (t->semi[t->label[a]] < t->semi[t->label[u]])
			t->label[u] = t->label[a];
		t->anc[u] = t->anc[a];
	}
	return t->label[v];
}

static void lt_vertex(struct lt *t, const struct plain *g, uint32_t i)
{
	uint32_t w = t->vertex[i], p = t->parent[w];

	for (uint32_t v = 0; v < g->n; v++)
		for (uint32_t e = g->first[v]; e < g->first[v + 1]; e++)
			if (g->to[e] == w && t->number[v] != UINT32_MAX) {
				uint32_t u = lt_eval(t, v);

				if (t->semi[u] < t->semi[w])
					t->semi[w] = t->semi[u];
			}
	uint32_t s = t->vertex[t->semi[w]];
	t->next[w] = t->bucket[s];
	t->bucket[s] = w;
	t->anc[w] = p;
	while (t->bucket[p] != UINT32_MAX) {
		uint32_t v = t->bucket[p], u;

		t->bucket[p] = t->next[v];
		u = lt_eval(t, v);
		t->dom[v] = t->semi[u] < t->semi[v] ? u : p;
	}
}

static void lt_run(const struct plain *g, uint32_t *idom)
{
	uint32_t *memory = malloc(9 * (size_t)g->n * sizeof(uint32_t));
	struct lt t = { 0 };

	uint32_t **arrays[] = { &t.vertex, &t.number, &t.parent, &t.semi, &t.label,
				&t.anc,	   &t.bucket, &t.next,	 &t.dom };
	for (size_t i = 0; i < 9; i++)
		*arrays[i] = memory + i * g->n;
	t.n = 0;
	lt_dfs(&t, g);
	for (uint32_t v = 0; v < g->n; v++) {
		t.semi[v] = t.number[v];
		t.label[v] = v;
		t.anc[v] = t.bucket[v] = UINT32_MAX;
	}
	for (uint32_t i = t.n; i-- > 1;)
		lt_vertex(&t, g, i);
	idom[g->root] = HEAP_NONE;
	for (uint32_t i = 1; i < t.n; i++) {
		uint32_t w = t.vertex[i];

		if (t.dom[w] != t.vertex[t.semi[w]])
			t.dom[w] = t.dom[t.dom[w]];
		idom[w] = t.dom[w];
	}
	free(memory);
}

/* ---- comparison ---- */

static void compare_retained(const struct heap *heap, const struct analysis *a,
			     const struct plain *g)
{
	uint8_t *seen = malloc(g->n);

	for (uint32_t v = 0; v < g->n; v++) {
		uint64_t size = 0;
		uint32_t count = 0;

		reach(g, v, seen);
		for (uint32_t w = 0; w < g->n; w++) {
			if (seen[w])
				continue;
			size += heap_size(heap, w);
			count += w < heap->objects;
		}
		assert_int_equal(analysis_retained(a, v), size);
		assert_int_equal(analysis_retained_count(a, v), count);
	}
	free(seen);
}

static void compare_types(const struct heap *heap, const struct analysis *a)
{
	for (uint32_t t = 1; t <= heap->types; t++) {
		uint64_t sum = 0, count = 0;

		for (uint32_t o = 0; o < heap->objects; o++) {
			uint32_t d = analysis_idom(a, o);

			if (heap_type_of(heap, o) != t)
				continue;
			while (d != HEAP_NONE && heap_type_of(heap, d) != t)
				d = analysis_idom(a, d);
			if (d == HEAP_NONE) {
				sum += analysis_retained(a, o);
				count += analysis_retained_count(a, o);
			}
		}
		assert_int_equal(VEC(a->type, struct analysis_type)[t].retained, sum);
		assert_int_equal(VEC(a->type, struct analysis_type)[t].retained_count,
				 count);
	}
}

/* Each node's holder really refers to it, and following holders ends at the root. */
static void compare_paths(const struct heap *heap, const struct analysis *a,
			  const struct plain *g)
{
	for (uint32_t v = 0; v < g->n; v++) {
		uint32_t steps = 0, found = v == g->root, p = analysis_parent(a, v);

		for (uint32_t e = found ? 0 : g->first[p]; !found && e < g->first[p + 1];
		     e++)
			found = g->to[e] == v;
		assert_true(found);
		for (uint32_t n = v; n != g->root; n = analysis_parent(a, n))
			assert_true(++steps <= heap->nodes);
	}
}

static void check_graph(const struct shape_of_graph *shape)
{
	struct heap *heap = random_heap(shape);
	struct analysis *a = NULL;
	struct plain g;
	uint32_t *idom;

	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	plain_make(heap, &g);
	idom = malloc(g.n * sizeof(*idom));
	uint8_t *seen = malloc(g.n);
	assert_int_equal(reach(&g, UINT32_MAX, seen), g.n); /* everybody has a home */
	free(seen);
	lt_run(&g, idom);
	for (uint32_t v = 0; v < g.n; v++)
		assert_int_equal(analysis_idom(a, v), idom[v]);
	compare_retained(heap, a, &g);
	compare_types(heap, a);
	compare_paths(heap, a, &g);
	free(idom);
	plain_free(&g);
	analysis_destroy(a);
	heap_destroy(heap);
}

static void test_small(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 3000; seed++) {
		rng_state = seed;
		struct shape_of_graph g = {
			.objects = 1 + rng(30),
			.degree = 1 + rng(3),
			.roots = rng(4),
			.types = 1 + rng(4),
			.owned = rng(2),
			.weak = rng(2),
			.shuffled = rng(2),
			.chain = rng(2),
		};
		check_graph(&g);
	}
}

static void test_large(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 8; seed++) {
		rng_state = seed * 77;
		struct shape_of_graph g = {
			.objects = 500 + rng(1500),
			.degree = 1 + rng(3),
			.roots = 1 + rng(20),
			.types = 1 + rng(20),
			.owned = seed & 1,
			.weak = seed & 2,
			.shuffled = seed & 4,
			.chain = seed % 3 == 0,
		};
		check_graph(&g);
	}
}

/* A doubly linked ring of which both ends are held: what an lru_cache is. */
static void test_ring(void **state)
{
	const uint32_t n = 200000;
	struct make m;
	struct analysis *a = NULL;

	(void)state;
	make_begin(&m);
	make_type(&m, "t", 0, SNAP_KIND_OBJECT, 0);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t refs[2] = { address((i + 1) % n), address((i + n - 1) % n) };

		make_object(&m, address(i), 1, 0, 10, 2, refs, 2);
	}
	make_root(&m, SNAP_ROOT_MODULE, "m", 0, 0, address(0));
	struct heap *heap = make_end(&m);
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	assert_int_equal(analysis_retained(a, 0), 10ull * n);
	assert_int_equal(analysis_idom(a, n / 2), 0);
	analysis_destroy(a);
	heap_destroy(heap);
}

static void test_children(void **state)
{
	struct shape_of_graph g = { .objects = 300, .degree = 2, .roots = 5, .types = 3 };
	struct heap_span children;
	struct analysis *a = NULL;
	uint32_t total = 0;

	(void)state;
	rng_state = 5;
	struct heap *heap = random_heap(&g);
	assert_int_equal(analysis_run(heap, NULL, &a), 0);
	for (uint32_t v = 0; v < heap->nodes; v++) {
		assert_int_equal(analysis_children(a, v, NULL, &children), 0);
		for (uint32_t i = 0; i < children.count; i++) {
			assert_int_equal(analysis_idom(a, children.target[i]), v);
			if (i)
				assert_true(
					analysis_retained(a, children.target[i - 1]) >=
					analysis_retained(a, children.target[i]));
		}
		total += children.count;
	}
	assert_int_equal(total, heap->nodes - 1);
	for (uint32_t v = 0; v < heap->nodes; v += 7) {
		struct heap_span from;
		uint32_t expected = 0;

		for (uint32_t u = 0; u < heap->nodes; u++) {
			uint32_t refs = heap_refs(heap, u).count, i = 0;

			while (i < refs && heap_target(heap, u, i, NULL) != v)
				i++;
			expected += i < refs || heap_type_edge(heap, u) == v;
		}
		assert_int_equal(analysis_referrers(a, v, NULL, &from), 0);
		assert_int_equal(from.count, expected);
	}
	analysis_destroy(a);
	heap_destroy(heap);
}

struct canceller {
	int left;
};

static bool cancel(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	(void)phase;
	(void)done;
	(void)total;
	return ((struct canceller *)arg)->left-- == 0;
}

static void test_cancel(void **state)
{
	(void)state;
	for (int at = 0; at < 100; at++) {
		struct shape_of_graph g = {
			.objects = 300, .degree = 2, .roots = 5, .types = 3
		};
		struct canceller c = { at };
		struct progress progress = { .report = cancel, .arg = &c };
		struct analysis *a = NULL;

		rng_state = 9;
		struct heap *heap = random_heap(&g);
		int err = analysis_run(heap, &progress, &a);
		assert_true(err == 0 || err == -ECANCELED);
		if (err) /* and again, whole */
			assert_int_equal(analysis_run(heap, NULL, &a), 0);
		analysis_destroy(a);
		heap_destroy(heap);
		if (!err)
			return;
	}
	fail_msg("never finished");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),  cmocka_unit_test(test_large),
		cmocka_unit_test(test_ring),   cmocka_unit_test(test_children),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
