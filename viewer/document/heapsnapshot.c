/* SPDX-License-Identifier: MIT */
/*
 * heapsnapshot - one process as a .heapsnapshot, which Chrome's and Edge's DevTools
 * (Memory, Load) and memlab open.
 *
 * Python in their terms: an object's class is its type; a str is a string, ints and
 * floats are numbers, functions and classes closures (as JavaScript's classes are);
 * attributes and dict entries with str keys are properties, list items elements, closure
 * and local variables context; references to types, to keys and all unlabelled ones are
 * internal.  Native memory (native_node.h) is a native node below its owners; bytes of it
 * that an owner's own size counts are moved to it, so that each byte is there once.  The
 * virtual root, the groups below it, threads and frames are the viewer's own, so that
 * what they compute as dominators and retained sizes is what the analysis says; below
 * "(unreachable)" is what the viewer calls garbage.
 *
 * Ids are stable_id's: two exports of a process can be compared.
 *
 * Limits of those programs are kept: sizes beyond 4 GiB are shown as 4 GiB - 1; texts are
 * cut at 200 bytes, and once all texts together reach 400 MB objects go by their types'
 * names, strs as objects, lest they look like duplicates.  They need some 250 bytes of
 * memory for each object: beyond 20 million objects few machines will open the file.
 *
 * The rules of the format that are not obvious (what the loader of Chrome DevTools,
 * HeapSnapshotLoader.ts and HeapSnapshot.ts, and memlab's HeapParser.ts demand): this
 * order of the members; no space before colons; only unsigned 32-bit decimals in the
 * arrays; the root first; roots below synthetic nodes only, else sizes are moved around;
 * an empty array for every *_fields announced; a retainer that is not weak for every
 * node.  So there is one node more than in the heap, the root, which holds "(GC roots)";
 * then come the synthetic nodes, then the objects, then native memory.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "formats/export/intern.h"
#include "formats/export/json.h"
#include "viewer/document/chrome_name.h"
#include "viewer/document/document.h"
#include "viewer/document/stable_id.h"
#include "viewer/model/native_node.h"

enum {
	FIELDS = 7, /* of a node */
	TEXTS_MAX_BYTES = 400 << 20,
};

/* Indexes into node_types and edge_types of the head. */
enum node_type {
	NODE_STRING = 2,
	NODE_OBJECT = 3,
	NODE_CODE = 4,
	NODE_CLOSURE = 5,
	NODE_NUMBER = 7,
	NODE_NATIVE = 8,
	NODE_SYNTHETIC = 9
};
enum edge_type {
	EDGE_CONTEXT,
	EDGE_ELEMENT,
	EDGE_PROPERTY,
	EDGE_INTERNAL,
	EDGE_WEAK = 6
};

struct heapsnapshot {
	const struct heap *heap;
	const struct progress *progress;
	struct json json;
	struct intern texts;
	struct stable_id ids;
	struct chrome_name names;
	struct text text; /* being made */
	/* numbers of texts that are there, plus 1: */
	uint32_t *of_type; /* by type id, of its name */
	uint32_t *of_name; /* by string id, of a reference that has that name */
	uint32_t natives;  /* native nodes that are written */
	uint8_t *owned;	   /* of each: 1 = an object owns it */
	uint64_t homeless; /* those that none owns */
	int err;	   /* 0 or -ENOMEM, sticky */
};

typedef void heapsnapshot_edge_fn(struct heapsnapshot *e, uint32_t from, uint32_t slot,
				  uint32_t to, bool weak);

/* ---- the graph ---- */

/* Number of a node in the file. */
static uint64_t heapsnapshot_number(const struct heap *heap, uint32_t node)
{
	const uint32_t synthetics = heap_native_base(heap) - heap->objects;

	if (heap_is_object(heap, node))
		return 1 + (uint64_t)synthetics + node;
	return heap_is_native(heap, node) ? 1 + (uint64_t)node :
					    1 + (uint64_t)node - heap->objects;
}

/* The native memory an object owns; of the group of what nobody is known to own, that. */
static uint64_t heapsnapshot_each_native(struct heapsnapshot *e, uint32_t node,
					 heapsnapshot_edge_fn *found)
{
	const uint64_t *const edge = VEC(e->heap->native_edge, uint64_t);
	const size_t count = VEC_COUNT(e->heap->native_edge, uint64_t);
	const uint32_t base = heap_native_base(e->heap);
	uint64_t n = 0;

	if (!e->natives)
		return 0;
	if (node == heap_group(e->heap, HEAP_SYNTH_UNKNOWN)) {
		for (uint32_t i = 0; found && i < e->natives; i++)
			if (!e->owned[i])
				found(e, node, HEAP_NONE, base + i, false);
		return e->homeless;
	}
	if (!heap_is_object(e->heap, node))
		return 0;
	for (size_t i = native_node_first(e->heap, node);
	     i < count && edge[i] >> 32 == node; i++, n++)
		if (found)
			found(e, node, HEAP_NONE, base + (uint32_t)edge[i], false);
	return n;
}

/* Calls found (if any) for all references of a node but a native one; returns how many
 * there are. */
static uint64_t heapsnapshot_each_edge(struct heapsnapshot *e, uint32_t node,
				       heapsnapshot_edge_fn *found)
{
	const struct heap_span refs = heap_refs(e->heap, node);
	const uint32_t type = heap_type_edge(e->heap, node);
	uint64_t n = 0;

	for (uint32_t i = 0; i < refs.count; i++) {
		bool weak = false;
		const uint32_t to = refs.target[i] < e->heap->nodes ?
			refs.target[i] :
			refs.target[i] == HEAP_WEAK ?
			heap_target(e->heap, node, i, &weak) :
			HEAP_NONE;

		if (to >= e->heap->nodes)
			continue;
		n++;
		if (found)
			found(e, node, i, to, weak);
	}
	if (type < e->heap->nodes) {
		n++;
		if (found)
			found(e, node, HEAP_NONE, type, false);
	}
	return n + heapsnapshot_each_native(e, node, found);
}

/* Which of the native nodes an object owns. */
static int heapsnapshot_find_owned(struct heapsnapshot *e)
{
	const uint64_t *const edge = VEC(e->heap->native_edge, uint64_t);

	e->natives =
		e->heap->python_only ? 0 : e->heap->nodes - heap_native_base(e->heap);
	e->owned = calloc((size_t)e->natives + 1, 1);
	if (!e->owned)
		return -ENOMEM;
	e->homeless = e->natives;
	for (size_t i = 0; e->natives && i < VEC_COUNT(e->heap->native_edge, uint64_t);
	     i++) {
		const uint32_t n = (uint32_t)edge[i];

		e->homeless -= !e->owned[n];
		e->owned[n] = 1;
	}
	return 0;
}

/* Bytes of a node that no other node of the file has. */
static uint64_t heapsnapshot_self_size(const struct heapsnapshot *e, uint32_t node)
{
	if (heap_is_native(e->heap, node))
		return native_node_own(e->heap, node);
	return heap_size(e->heap, node) -
		(e->natives && heap_is_object(e->heap, node) ?
			 native_node_inside(e->heap, node) :
			 0);
}

/* ---- nodes ---- */

static void heapsnapshot_put_number(struct heapsnapshot *e, uint64_t value)
{
	json_u64(&e->json, value > UINT32_MAX ? UINT32_MAX : value);
}

static void heapsnapshot_put_node(struct heapsnapshot *e, enum node_type type,
				  uint32_t name, uint32_t id, uint64_t size,
				  uint64_t edges)
{
	heapsnapshot_put_number(e, type);
	heapsnapshot_put_number(e, name);
	heapsnapshot_put_number(e, id);
	heapsnapshot_put_number(e, size);
	heapsnapshot_put_number(e, edges);
	heapsnapshot_put_number(e, 0);
	heapsnapshot_put_number(e, 0);
	json_put_ascii(&e->json, "\n");
}

static enum node_type heapsnapshot_object_type(unsigned kind)
{
	switch (kind) {
	case SNAP_KIND_STR:
		return NODE_STRING;
	case SNAP_KIND_INT:
	case SNAP_KIND_FLOAT:
		return NODE_NUMBER;
	case SNAP_KIND_FUNCTION:
	case SNAP_KIND_TYPE:
		return NODE_CLOSURE;
	case SNAP_KIND_CODE:
		return NODE_CODE;
	default:
		return NODE_OBJECT;
	}
}

/* Number of the text that was made; it is empty again. */
static uint32_t heapsnapshot_take_text(struct heapsnapshot *e)
{
	const uint32_t n = intern_add(&e->texts, text_get(&e->text), text_len(&e->text));

	if (n == INTERN_FAILED || e->text.err)
		e->err = -ENOMEM;
	text_clear(&e->text);
	return n;
}

/* Number of a type's name. */
static uint32_t heapsnapshot_type_text(struct heapsnapshot *e, uint32_t type)
{
	if (!e->of_type[type]) {
		chrome_name_type(&e->text, e->heap, type);
		e->of_type[type] = heapsnapshot_take_text(e) + 1;
	}
	return e->of_type[type] - 1;
}

static uint32_t heapsnapshot_id(struct heapsnapshot *e, uint32_t node)
{
	const struct heap *const heap = e->heap;

	if (heap_is_object(heap, node))
		return stable_id_object(&e->ids, heap, node);
	if (!heap_is_native(heap, node) && node < heap->objects + HEAP_SYNTH_GROUP_COUNT)
		return 2 * (node - heap->objects) + 3;
	if (heap_is_native(heap, node)) {
		const uint32_t owner = heap_native_at(heap, node)->owner;

		return stable_id_other(&e->ids, text_get(&e->text), text_len(&e->text),
				       owner < heap->objects ? heap_address(heap, owner) :
							       0);
	}
	return stable_id_other(&e->ids, text_get(&e->text), text_len(&e->text),
			       heap_synth(heap, node)->kind);
}

static void heapsnapshot_write_node(struct heapsnapshot *e, uint32_t node)
{
	const struct heap *const heap = e->heap;
	const bool object = heap_is_object(heap, node),
		   full = e->texts.text_size >= TEXTS_MAX_BYTES;
	enum node_type type = heap_is_native(heap, node) ? NODE_NATIVE : NODE_SYNTHETIC;
	uint32_t name, id;

	if (object)
		type = full ? NODE_OBJECT :
			      heapsnapshot_object_type(heap_kind(heap, node));
	if (object && (full || chrome_name_is_type(heap, node))) {
		name = heapsnapshot_type_text(e, heap_type_of(heap, node));
		id = heapsnapshot_id(e, node);
	} else {
		chrome_name_node(&e->text, &e->names, node);
		id = heapsnapshot_id(e, node);
		name = heapsnapshot_take_text(e);
	}
	heapsnapshot_put_node(
		e, type, name, id, heapsnapshot_self_size(e, node),
		heap_is_native(heap, node) ? 0 : heapsnapshot_each_edge(e, node, NULL));
}

/* ---- edges ---- */

static void heapsnapshot_put_edge(struct heapsnapshot *e, enum edge_type type,
				  uint64_t name, uint64_t number)
{
	heapsnapshot_put_number(e, type);
	heapsnapshot_put_number(e, name);
	heapsnapshot_put_number(e, number * FIELDS);
	json_put_ascii(&e->json, "\n");
}

static enum edge_type heapsnapshot_edge_type(const struct heapsnapshot *e, uint32_t from,
					     const struct heap_label *label)
{
	static const enum edge_type types[SNAP_LABEL_KIND_COUNT] = {
		[SNAP_LABEL_OTHER] = EDGE_INTERNAL, [SNAP_LABEL_ATTR] = EDGE_PROPERTY,
		[SNAP_LABEL_KEY] = EDGE_INTERNAL,   [SNAP_LABEL_VALUE] = EDGE_PROPERTY,
		[SNAP_LABEL_INDEX] = EDGE_ELEMENT,  [SNAP_LABEL_ELEMENT] = EDGE_ELEMENT,
		[SNAP_LABEL_LOCAL] = EDGE_CONTEXT,  [SNAP_LABEL_CELL] = EDGE_CONTEXT,
		[SNAP_LABEL_TYPE] = EDGE_INTERNAL,  [SNAP_LABEL_WEAK] = EDGE_WEAK,
		[SNAP_LABEL_STACK] = EDGE_INTERNAL, [SNAP_LABEL_DICT] = EDGE_INTERNAL,
	};

	assert(label->kind < SNAP_LABEL_KIND_COUNT);
	if (from >= e->heap->objects)
		return label->root_kind == SNAP_ROOT_LOCAL ? EDGE_CONTEXT : EDGE_INTERNAL;
	if (label->kind == SNAP_LABEL_VALUE && !label->name &&
	    (label->key >= e->heap->objects ||
	     heap_kind(e->heap, label->key) != SNAP_KIND_STR))
		return EDGE_INTERNAL;
	return types[label->kind];
}

/* Number of what a reference is called. */
static uint32_t heapsnapshot_edge_text(struct heapsnapshot *e,
				       const struct heap_label *label)
{
	size_t size = 0;
	uint32_t number = e->of_name[label->name];

	if (number)
		return number - 1;
	chrome_name_edge(&e->text, e->heap, label);
	number = heapsnapshot_take_text(e);
	if (label->name && heap_string(e->heap, label->name, &size) && size)
		e->of_name[label->name] = number + 1;
	return number;
}

static void heapsnapshot_write_edge(struct heapsnapshot *e, uint32_t from, uint32_t slot,
				    uint32_t to, bool weak)
{
	const uint64_t number = heapsnapshot_number(e->heap, to);
	struct heap_label label;
	enum edge_type type;

	if (heap_is_native(e->heap, to)) {
		text_add(&e->text, "native memory");
		heapsnapshot_put_edge(e, EDGE_INTERNAL, heapsnapshot_take_text(e),
				      number);
		return;
	}
	heap_label(e->heap, from, slot, &label);
	type = heapsnapshot_edge_type(e, from, &label);
	if (weak)
		type = EDGE_WEAK;
	if (type == EDGE_ELEMENT) {
		heapsnapshot_put_edge(e, type,
				      label.kind == SNAP_LABEL_INDEX ? label.index : slot,
				      number);
		return;
	}
	heapsnapshot_put_edge(e, type, heapsnapshot_edge_text(e, &label), number);
}

/* ---- the file ---- */

static const char head[] =
	"{\"snapshot\":{\"meta\":{\n"
	"\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\","
	"\"trace_node_id\",\"detachedness\"],\n"
	"\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\","
	"\"closure\","
	"\"regexp\",\"number\",\"native\",\"synthetic\",\"concatenated string\","
	"\"sliced string\",\"symbol\",\"bigint\",\"object shape\"],"
	"\"string\",\"number\",\"number\",\"number\",\"number\",\"number\"],\n"
	"\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\n"
	"\"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\","
	"\"shortcut\",\"weak\"],\"string_or_number\",\"node\"],\n"
	"\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\","
	"\"script_id\",\"line\",\"column\"],\n"
	"\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\","
	"\"children\"],\n"
	"\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],\n"
	"\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]},\n";

static void heapsnapshot_put_head(struct heapsnapshot *e, uint64_t nodes, uint64_t edges)
{
	json_put_ascii(&e->json, head);
	json_put_ascii(&e->json, "\"node_count\":");
	json_put_u64(&e->json, nodes);
	json_put_ascii(&e->json, ",\"edge_count\":");
	json_put_u64(&e->json, edges);
	json_put_ascii(&e->json, ",\"trace_function_count\":0},\n\"nodes\":[");
}

static void heapsnapshot_put_texts(struct heapsnapshot *e)
{
	size_t size;

	json_put_ascii(&e->json,
		       "],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n"
		       "\"samples\":[],\n\"locations\":[],\n\"strings\":[");
	e->json.comma = false;
	for (uint32_t i = 0; i < e->texts.count; i++) {
		const char *const text = intern_text(&e->texts, i, &size);

		json_text(&e->json, text, size);
		json_put_ascii(&e->json, "\n");
	}
	json_put_ascii(&e->json, "]}\n");
}

/* Calls visit for every node, in the order of the file; phase is shown. 0, -ENOMEM,
 * -ECANCELED. */
static int heapsnapshot_each_node(struct heapsnapshot *e, const char *phase,
				  void (*visit)(struct heapsnapshot *e, uint32_t node))
{
	const uint32_t base = heap_native_base(e->heap), objects = e->heap->objects;
	const uint32_t synthetics = base - objects, n = base + e->natives;
	int err = 0;

	for (uint32_t i = 0; i < n && !err && !e->err; i++) {
		visit(e, i < synthetics ? objects + i : i < base ? i - synthetics : i);
		if (i % PROGRESS_EVERY == 0)
			err = progress_step(e->progress, phase, i, n);
	}
	return e->err ? e->err : err;
}

static void heapsnapshot_write_edges(struct heapsnapshot *e, uint32_t node)
{
	if (!heap_is_native(e->heap, node))
		heapsnapshot_each_edge(e, node, heapsnapshot_write_edge);
}

static uint64_t heapsnapshot_count_edges(struct heapsnapshot *e)
{
	uint64_t edges = 1; /* of the root */

	for (uint32_t node = 0; node < heap_native_base(e->heap); node++)
		edges += heapsnapshot_each_edge(e, node, NULL);
	return edges;
}

static int heapsnapshot_write_all(struct heapsnapshot *e)
{
	const uint64_t nodes = 1 + (uint64_t)heap_native_base(e->heap) + e->natives;
	const uint64_t edges = heapsnapshot_count_edges(e);
	int err;

	if (nodes * FIELDS > UINT32_MAX || edges * 3 > UINT32_MAX)
		return -EFBIG;
	heapsnapshot_put_head(e, nodes, edges);
	heapsnapshot_put_node(e, NODE_SYNTHETIC, heapsnapshot_take_text(e), 1, 0, 1);
	err = heapsnapshot_each_node(e, "writing objects", heapsnapshot_write_node);
	if (err)
		return err;
	json_put_ascii(&e->json, "],\n\"edges\":[");
	e->json.comma = false;
	heapsnapshot_put_edge(e, EDGE_ELEMENT, 1, 1);
	err = heapsnapshot_each_node(e, "writing references", heapsnapshot_write_edges);
	if (err)
		return err;
	heapsnapshot_put_texts(e);
	return 0;
}

int heapsnapshot_object(const struct heap *heap, uint32_t id, uint32_t *ret)
{
	struct heapsnapshot e = { .heap = heap };
	const uint32_t base = heap_native_base(heap), objects = heap->objects;
	int err = stable_id_init(&e.ids, heap);

	*ret = HEAP_NONE;
	if (!err)
		err = chrome_name_init(&e.names, heap);
	/* in the order of the file: what has a number keeps it from the next */
	for (uint32_t node = objects; node < base && !err; node++) {
		chrome_name_node(&e.text, &e.names, node);
		heapsnapshot_id(&e, node);
		err = e.text.err;
		text_clear(&e.text);
	}
	for (uint32_t o = 0; o < objects && !err && *ret == HEAP_NONE; o++)
		if (heapsnapshot_id(&e, o) == id)
			*ret = o;
	stable_id_free(&e.ids);
	chrome_name_free(&e.names);
	text_free(&e.text);
	return err;
}

int heapsnapshot_write(FILE *out, struct analysis *analysis,
		       const struct progress *progress)
{
	struct heapsnapshot e = { .heap = analysis->heap,
				  .progress = progress,
				  .json.file = out };
	int err;

	static_assert(2 * HEAP_SYNTH_GROUP_COUNT + 3 < 2 * STABLE_ID_RESERVED,
		      "the groups' ids are reserved");
	e.of_type = calloc((size_t)e.heap->types + 1, sizeof(*e.of_type));
	e.of_name = calloc((size_t)e.heap->strings + 1, sizeof(*e.of_name));
	err = e.of_type && e.of_name ? stable_id_init(&e.ids, e.heap) : -ENOMEM;
	if (!err)
		err = chrome_name_init(&e.names, e.heap);
	if (!err)
		err = heapsnapshot_find_owned(&e);
	if (!err)
		err = heapsnapshot_write_all(&e);
	json_flush(&e.json);
	stable_id_free(&e.ids);
	chrome_name_free(&e.names);
	intern_deinit(&e.texts);
	text_free(&e.text);
	free(e.of_type);
	free(e.of_name);
	free(e.owned);
	return err;
}
