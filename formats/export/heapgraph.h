/* SPDX-License-Identifier: MIT */
/*
 * heapgraph - the graph of one process, for heapsnapshot: numbers of objects, edges,
 * roots, reachability.  Not for anybody else.
 */
#ifndef PYMEM_FORMATS_EXPORT_HEAPGRAPH_H
#define PYMEM_FORMATS_EXPORT_HEAPGRAPH_H

#include <stdbool.h>

#include "formats/export/intern.h"
#include "formats/export/json.h"
#include "formats/export/keys.h"
#include "formats/core/sink.h"
#include "formats/export/tables.h"

#define HEAPGRAPH_WEAK 0x80000000u /* set in an edge: the reference is weak */
#define HEAPGRAPH_OBJECTS_MAX 0x7fffff00u
#define HEAPGRAPH_NAME_MAX 200 /* bytes of a root's name */

struct heapgraph_root {
	uint32_t object, name; /* ordinal; text number */
	uint8_t kind;
};

struct heapsnapshot {
	struct snap_sink sink;
	const struct snap_sink_ops *ops;
	uint32_t wanted;    /* process */
	uint32_t processes; /* in the snapshot; of the one looked for: */
	uint64_t pid;	    /* 0: the first */
	bool found;
	struct tables tables;
	struct keys keys;
	struct ordinals objects;
	struct intern texts;

	uint64_t *first_edge; /* by object; one more at the end */
	uint32_t *edges;      /* target; the highest bit: weak */
	size_t nedges, edges_capacity;
	uint8_t *reached;
	uint32_t *queue;
	struct heapgraph_root *roots;
	size_t nroots, roots_capacity;
	uint32_t unreachable; /* objects no root reaches */

	struct json json;
	uint32_t current; /* ordinal of the object whose node is not written yet */
	bool pending;
	struct snap_object object; /* that object; without references */
};

static inline struct heapsnapshot *heapsnapshot_of(struct snap_sink *sink)
{
	return (struct heapsnapshot *)sink;
}

/* The sinks of the passes that gather: first number, then gather. */
extern const struct snap_sink_ops heapgraph_number_ops, heapgraph_gather_ops;

/* References whose object is in the snapshot, and the one to the type if it is owned. */
typedef int heapgraph_edge_fn(struct heapsnapshot *e, uint32_t target,
			      struct snap_label label, uint32_t index, uint64_t key);
int heapgraph_each_edge(struct heapsnapshot *e, const struct snap_object *o,
			heapgraph_edge_fn *found);
/* Counts objects as they come again.  False when the object repeats an address: only the
 * first one counts. */
bool heapgraph_is_next(struct heapsnapshot *e, const struct snap_object *o);
/*
 * Marks objects 1 that a root reaches, 2 where an edge from "(unreachable)" is needed. Of
 * unreachable groups, that edge leads to the member that comes first in the snapshot.
 * 0 or -ENOMEM.
 */
int heapgraph_find_reachable(struct heapsnapshot *e);
/* Frees what e owns. */
void heapgraph_deinit(struct heapsnapshot *e);

#endif
