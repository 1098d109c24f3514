/* SPDX-License-Identifier: MIT */
/* heapgraph - the passes that gather, and what is reachable; see heapgraph.h. */
#include "formats/export/heapgraph.h"

#include <errno.h>
#include <stdlib.h>

/* ---- definitions ---- */

static int heapgraph_take_string(struct snap_sink *sink, uint32_t id, const char *text,
				 size_t size)
{
	return tables_string(&heapsnapshot_of(sink)->tables, id, text, size);
}

static int heapgraph_take_type(struct snap_sink *sink, const struct snap_type *type)
{
	return tables_type(&heapsnapshot_of(sink)->tables, type);
}

static int heapgraph_take_shape(struct snap_sink *sink, const struct snap_shape *shape)
{
	return tables_shape(&heapsnapshot_of(sink)->tables, shape);
}

/* ---- pass 1: numbers ---- */

static int heapgraph_number_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct heapsnapshot *const e = heapsnapshot_of(sink);

	if (ordinals_add(&e->objects, o->addr) >= HEAPGRAPH_OBJECTS_MAX)
		return -EOVERFLOW;
	for (uint32_t i = 0; i < o->nrefs; i++)
		if (o->refs[i] &&
		    tables_label(&e->tables, o->shape, i).kind == SNAP_LABEL_KEY &&
		    !keys_add(&e->keys, o->refs[i]))
			return -ENOMEM;
	return 0;
}

const struct snap_sink_ops heapgraph_number_ops = {
	.shape = heapgraph_take_shape,
	.object = heapgraph_number_object,
};

/* ---- pass 2: the graph ---- */

int heapgraph_each_edge(struct heapsnapshot *e, const struct snap_object *o,
			heapgraph_edge_fn *found)
{
	const struct snap_type *const type = tables_find_type(&e->tables, o->type);
	const uint32_t nfixed = o->shape ? e->tables.shapes[o->shape - 1].nfixed : 0;
	uint64_t key = 0;
	uint32_t target;
	int err = 0;

	for (uint32_t i = 0; i < o->nrefs && err == 0; i++) {
		const struct snap_label label = tables_label(&e->tables, o->shape, i);

		if (label.kind == SNAP_LABEL_KEY)
			key = o->refs[i];
		target = o->refs[i] ? ordinals_find(&e->objects, o->refs[i]) :
				      ORDINALS_NONE;
		if (target != ORDINALS_NONE)
			err = found(e, target, label, i < nfixed ? i : i - nfixed, key);
	}
	if (err == 0 && type && type->flags & SNAP_TYPE_OWNED) {
		target = ordinals_find(&e->objects, type->addr);
		if (target != ORDINALS_NONE)
			err = found(e, target, (struct snap_label){ SNAP_LABEL_TYPE, 0 },
				    0, 0);
	}
	return err;
}

static int heapgraph_gather_edge(struct heapsnapshot *e, uint32_t target,
				 struct snap_label label, uint32_t index, uint64_t key)
{
	(void)index;
	(void)key;
	if (e->nedges == e->edges_capacity) {
		const size_t capacity =
			e->edges_capacity ? e->edges_capacity * 3 / 2 : 65536;
		uint32_t *const edges = realloc(e->edges, capacity * sizeof(*edges));

		if (!edges)
			return -ENOMEM;
		e->edges = edges;
		e->edges_capacity = capacity;
	}
	e->edges[e->nedges++] =
		target | (label.kind == SNAP_LABEL_WEAK ? HEAPGRAPH_WEAK : 0);
	return 0;
}

bool heapgraph_is_next(struct heapsnapshot *e, const struct snap_object *o)
{
	if (e->current >= e->objects.count || e->objects.addrs[e->current] != o->addr)
		return false;
	e->current++;
	return true;
}

static int heapgraph_gather_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct heapsnapshot *const e = heapsnapshot_of(sink);
	struct key *const key = keys_find(&e->keys, o->addr);

	if (!heapgraph_is_next(e, o))
		return 0;
	if (key)
		key->type = o->type;
	e->first_edge[e->current - 1] = e->nedges;
	return heapgraph_each_edge(e, o, heapgraph_gather_edge);
}

static int heapgraph_gather_value(struct snap_sink *sink, const struct snap_value *v)
{
	struct heapsnapshot *const e = heapsnapshot_of(sink);
	struct key *const key = keys_find(&e->keys, v->addr);

	return key && !keys_describe(&e->keys, key, v) ? -ENOMEM : 0;
}

static int heapgraph_gather_root(struct snap_sink *sink, const struct snap_root *r)
{
	struct heapsnapshot *const e = heapsnapshot_of(sink);
	const uint32_t object = ordinals_find(&e->objects, r->target);
	size_t size;
	const char *const text = tables_text(&e->tables, r->name, &size);

	if (object == ORDINALS_NONE)
		return 0;
	if (e->nroots == e->roots_capacity) {
		const size_t capacity = 2 * e->nroots + 1024;
		struct heapgraph_root *const roots =
			realloc(e->roots, capacity * sizeof(*roots));

		if (!roots)
			return -ENOMEM;
		e->roots = roots;
		e->roots_capacity = capacity;
	}
	e->roots[e->nroots] = (struct heapgraph_root){
		object,
		intern_add(&e->texts, text,
			   size < HEAPGRAPH_NAME_MAX ? size : HEAPGRAPH_NAME_MAX),
		r->kind,
	};
	return e->roots[e->nroots++].name == INTERN_FAILED ? -ENOMEM : 0;
}

const struct snap_sink_ops heapgraph_gather_ops = {
	.string = heapgraph_take_string,
	.type = heapgraph_take_type,
	.shape = heapgraph_take_shape,
	.object = heapgraph_gather_object,
	.value = heapgraph_gather_value,
	.root = heapgraph_gather_root,
};

/* ---- between: what is reachable ---- */

static size_t heapgraph_reach(struct heapsnapshot *e, uint32_t object, size_t queued)
{
	if (!e->reached[object]) {
		e->reached[object] = 1;
		e->queue[queued++] = object;
	}
	return queued;
}

/* Everything reachable from what is queued. */
static size_t heapgraph_flood(struct heapsnapshot *e, size_t next, size_t queued)
{
	for (; next < queued; next++) {
		const uint32_t object = e->queue[next];

		for (uint64_t i = e->first_edge[object]; i < e->first_edge[object + 1];
		     i++)
			if (!(e->edges[i] & HEAPGRAPH_WEAK))
				queued = heapgraph_reach(e, e->edges[i], queued);
	}
	return queued;
}

int heapgraph_find_reachable(struct heapsnapshot *e)
{
	const size_t n = e->objects.count;
	size_t queued = 0;

	e->reached = calloc(n + 1, 1);
	e->queue = malloc((n + 1) * sizeof(*e->queue));
	if (!e->reached || !e->queue)
		return -ENOMEM;
	for (size_t i = 0; i < e->nroots; i++)
		queued = heapgraph_reach(e, e->roots[i].object, queued);
	queued = heapgraph_flood(e, 0, queued);
	for (uint32_t i = 0; i < n; i++) {
		if (e->reached[i])
			continue;
		e->unreachable++;
		queued = heapgraph_flood(e, queued, heapgraph_reach(e, i, queued));
		e->reached[i] = 2;
	}
	free(e->queue);
	e->queue = NULL;
	return 0;
}

void heapgraph_deinit(struct heapsnapshot *e)
{
	tables_deinit(&e->tables);
	keys_deinit(&e->keys);
	ordinals_deinit(&e->objects);
	intern_deinit(&e->texts);
	free(e->first_edge);
	free(e->edges);
	free(e->reached);
	free(e->queue);
	free(e->roots);
}
