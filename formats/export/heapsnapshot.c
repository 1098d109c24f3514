/* SPDX-License-Identifier: MIT */
/*
 * heapsnapshot - one process as a .heapsnapshot, which Chrome's and Edge's
 * DevTools (Memory, Load) and memlab open.
 *
 * Python in their terms: an object's class is its type; a str is a string with its
 * preview as the name; ints and floats are numbers, functions closures; attributes and
 * dict entries with str keys are properties, list items elements, closure variables
 * context; references to types, to keys and all unlabelled ones are internal.  Roots hang
 * below synthetic nodes by kind, and what no root reaches below "(unreachable)".
 *
 * Limits of those programs are kept: sizes beyond 4 GiB are shown as 4 GiB - 1; texts are
 * cut at 200 bytes, and once all texts together reach 400 MB objects go by their types'
 * names.  They need some 250 bytes of memory for each object: beyond 20 million objects
 * few machines will open the file.  This export needs about 50 bytes an object and 6 a
 * reference.
 *
 * Four passes over the input.
 *
 * The format wants all nodes, each with the number of its edges, then all edges in the
 * order of the nodes, then all texts.  So: pass 1 numbers the objects and finds the keys
 * of dicts; pass 2 gathers the graph, the roots, and what keys look like, after which it
 * is known what is reachable; pass 3 writes nodes, pass 4 edges.
 *
 * The rules of the format that are not obvious (what the loader of Chrome DevTools,
 * HeapSnapshotLoader.ts and HeapSnapshot.ts, and memlab's HeapParser.ts demand): this
 * order of the members; no space before colons; only unsigned 32-bit decimals in the
 * arrays; the root first; roots below synthetic nodes only, else sizes are moved around;
 * an empty array for every *_fields announced; a retainer that is not weak for every
 * node.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/core/words.h"
#include "formats/export/exporter.h"
#include "formats/export/heapgraph.h"
#include "formats/export/passes.h"
#include "formats/text/print.h"

enum {
	FIELDS = 7, /* of a node */
	NAME_MAX_BYTES = HEAPGRAPH_NAME_MAX,
	TEXTS_MAX_BYTES = 400 << 20,
};

/* Indexes into node_types and edge_types of the head. */
enum node_type {
	NODE_STRING = 2,
	NODE_OBJECT = 3,
	NODE_CODE = 4,
	NODE_CLOSURE = 5,
	NODE_NUMBER = 7,
	NODE_SYNTHETIC = 9
};
enum edge_type {
	EDGE_CONTEXT,
	EDGE_ELEMENT,
	EDGE_PROPERTY,
	EDGE_INTERNAL,
	EDGE_WEAK = 6
};

/* The synthetic nodes, which come before the objects. */
enum {
	SYNTHETIC_ROOT,
	SYNTHETIC_ROOTS,
	SYNTHETIC_UNREACHABLE,
	SYNTHETIC_KINDS,
	SYNTHETIC_COUNT = SYNTHETIC_KINDS + SNAP_ROOT_KIND_COUNT
};

/* ---- pass 3: nodes ---- */

static void heapsnapshot_put_number(struct heapsnapshot *e, uint64_t value)
{
	json_u64(&e->json, value > UINT32_MAX ? UINT32_MAX : value);
}

static void heapsnapshot_put_node(struct heapsnapshot *e, enum node_type type,
				  uint32_t name, uint64_t id, uint64_t size,
				  uint64_t edges)
{
	heapsnapshot_put_number(e, type);
	heapsnapshot_put_number(e, name);
	heapsnapshot_put_number(e, 2 * id + 1);
	heapsnapshot_put_number(e, size);
	heapsnapshot_put_number(e, edges);
	heapsnapshot_put_number(e, 0);
	heapsnapshot_put_number(e, 0);
	putc_unlocked('\n', e->json.file);
}

static int heapsnapshot_put_synthetic(struct heapsnapshot *e, uint32_t number,
				      const char *name, uint64_t edges)
{
	const uint32_t text = intern_add(&e->texts, name, strlen(name));

	heapsnapshot_put_node(e, NODE_SYNTHETIC, text, number, 0, edges);
	return text == INTERN_FAILED ? -ENOMEM : 0;
}

static uint64_t heapsnapshot_roots_of_kind(const struct heapsnapshot *e, unsigned kind)
{
	uint64_t n = 0;

	assert(kind < SNAP_ROOT_KIND_COUNT);
	for (size_t i = 0; i < e->nroots; i++)
		n += e->roots[i].kind == kind;
	return n;
}

static int heapsnapshot_put_synthetics(struct heapsnapshot *e)
{
	int err = heapsnapshot_put_synthetic(e, SYNTHETIC_ROOT, "", 1);

	if (err == 0)
		err = heapsnapshot_put_synthetic(e, SYNTHETIC_ROOTS, "(GC roots)",
						 1 + SNAP_ROOT_KIND_COUNT);
	if (err == 0)
		err = heapsnapshot_put_synthetic(e, SYNTHETIC_UNREACHABLE,
						 "(unreachable)", e->unreachable);
	for (unsigned kind = 0; kind < SNAP_ROOT_KIND_COUNT && err == 0; kind++)
		err = heapsnapshot_put_synthetic(e, SYNTHETIC_KINDS + kind,
						 words_roots[kind].group,
						 heapsnapshot_roots_of_kind(e, kind));
	return err;
}

static enum node_type heapsnapshot_node_type(const struct snap_type *type)
{
	switch (type ? type->kind : SNAP_KIND_OBJECT) {
	case SNAP_KIND_STR:
		return NODE_STRING;
	case SNAP_KIND_INT:
	case SNAP_KIND_FLOAT:
		return NODE_NUMBER;
	case SNAP_KIND_FUNCTION:
		return NODE_CLOSURE;
	case SNAP_KIND_CODE:
		return NODE_CODE;
	default:
		return NODE_OBJECT;
	}
}

/* At most NAME_MAX_BYTES, not cutting a UTF-8 sequence. */
static uint32_t heapsnapshot_add_text(struct heapsnapshot *e, const char *text,
				      size_t size)
{
	if (size > NAME_MAX_BYTES) {
		size = NAME_MAX_BYTES;
		while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80)
			size--;
	}
	return intern_add(&e->texts, text, size);
}

static uint32_t heapsnapshot_add_type_name(struct heapsnapshot *e, uint32_t type)
{
	const struct snap_type *const t = tables_find_type(&e->tables, type);
	size_t size;
	const char *const text = tables_text(&e->tables, t ? t->name : 0, &size);

	return heapsnapshot_add_text(e, text, size);
}

/* Writes the node that waited for its value, which may be its name. */
static int heapsnapshot_finish_node(struct heapsnapshot *e,
				    const struct snap_value *value)
{
	const struct snap_type *const type = tables_find_type(&e->tables, e->object.type);
	const enum node_type kind = heapsnapshot_node_type(type);
	const bool named = value && value->size > 0 &&
		e->texts.text_size < TEXTS_MAX_BYTES &&
		((kind == NODE_STRING && value->kind == SNAP_VALUE_STR) ||
		 (kind == NODE_NUMBER && value->kind == SNAP_VALUE_INT) ||
		 value->kind == SNAP_VALUE_NAME) &&
		kind != NODE_OBJECT;
	const uint32_t number = e->current - 1;
	uint32_t name;

	if (!e->pending)
		return 0;
	e->pending = false;
	name = named ? heapsnapshot_add_text(e, value->text, value->size) :
		       heapsnapshot_add_type_name(e, e->object.type);
	heapsnapshot_put_node(e, kind, name, number + (uint64_t)SYNTHETIC_COUNT,
			      e->object.size,
			      e->first_edge[number + 1] - e->first_edge[number]);
	return name == INTERN_FAILED ? -ENOMEM : ferror(e->json.file) ? -EIO : 0;
}

static int heapsnapshot_node_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct heapsnapshot *const e = heapsnapshot_of(sink);
	const int err = heapsnapshot_finish_node(e, NULL);

	if (err || !heapgraph_is_next(e, o))
		return err;
	e->object = *o;
	e->pending = true;
	return 0;
}

static int heapsnapshot_node_value(struct snap_sink *sink, const struct snap_value *v)
{
	struct heapsnapshot *const e = heapsnapshot_of(sink);

	return e->pending && v->addr == e->object.addr ? heapsnapshot_finish_node(e, v) :
							 0;
}

static const struct snap_sink_ops node_ops = { .object = heapsnapshot_node_object,
					       .value = heapsnapshot_node_value };

/* ---- pass 4: edges ---- */

static void heapsnapshot_put_edge(struct heapsnapshot *e, enum edge_type type,
				  uint64_t name, uint64_t node)
{
	assert(node < e->objects.count + (uint64_t)SYNTHETIC_COUNT);
	heapsnapshot_put_number(e, type);
	heapsnapshot_put_number(e, name);
	heapsnapshot_put_number(e, node * FIELDS);
	putc_unlocked('\n', e->json.file);
}

/* A dict key as the name of a property; false when it is no str or its text is unknown.
 */
static bool heapsnapshot_key_name(struct heapsnapshot *e, uint64_t addr, uint32_t *ret)
{
	const struct key *const key = keys_find(&e->keys, addr);

	if (!key || key->kind != SNAP_VALUE_STR || (key->size == 0 && key->length > 0))
		return false;
	*ret = heapsnapshot_add_text(e, e->keys.text + key->text, key->size);
	return true;
}

/* Name of an internal edge to the value of a key that is no str. */
static uint32_t heapsnapshot_other_key_name(struct heapsnapshot *e, uint64_t addr)
{
	const struct key *const key = keys_find(&e->keys, addr);
	char text[64];
	int size;

	if (key && key->kind == SNAP_VALUE_INT && key->size > 0)
		return heapsnapshot_add_text(e, e->keys.text + key->text, key->size);
	size = snprintf(text, sizeof(text), "value of key @%u",
			SYNTHETIC_COUNT + ordinals_find(&e->objects, addr));
	return intern_add(&e->texts, text, (size_t)size);
}

static int heapsnapshot_write_edge(struct heapsnapshot *e, uint32_t target,
				   struct snap_label label, uint32_t index, uint64_t key)
{
	static const enum edge_type types[SNAP_LABEL_KIND_COUNT] = {
		[SNAP_LABEL_OTHER] = EDGE_INTERNAL, [SNAP_LABEL_ATTR] = EDGE_PROPERTY,
		[SNAP_LABEL_KEY] = EDGE_INTERNAL,   [SNAP_LABEL_VALUE] = EDGE_PROPERTY,
		[SNAP_LABEL_INDEX] = EDGE_ELEMENT,  [SNAP_LABEL_ELEMENT] = EDGE_ELEMENT,
		[SNAP_LABEL_LOCAL] = EDGE_CONTEXT,  [SNAP_LABEL_CELL] = EDGE_CONTEXT,
		[SNAP_LABEL_TYPE] = EDGE_INTERNAL,  [SNAP_LABEL_WEAK] = EDGE_WEAK,
		[SNAP_LABEL_STACK] = EDGE_INTERNAL, [SNAP_LABEL_DICT] = EDGE_INTERNAL,
	};
	const uint64_t node = (uint64_t)target + SYNTHETIC_COUNT;
	enum edge_type type = types[label.kind];
	uint32_t name;
	size_t size;

	assert(label.kind < SNAP_LABEL_KIND_COUNT);
	assert(target < e->objects.count);
	if (type == EDGE_ELEMENT) {
		heapsnapshot_put_edge(e, type, index, node);
		return 0;
	}
	if (label.kind == SNAP_LABEL_VALUE && !label.name) {
		if (!heapsnapshot_key_name(e, key, &name)) {
			type = EDGE_INTERNAL;
			name = heapsnapshot_other_key_name(e, key);
		}
	} else {
		const char *text = tables_text(&e->tables, label.name, &size);

		if (size == 0 && words_labels[label.kind].edge) {
			text = words_labels[label.kind].edge;
			size = strlen(text);
		}
		name = heapsnapshot_add_text(e, text, size);
	}
	heapsnapshot_put_edge(e, type, name, node);
	return name == INTERN_FAILED ? -ENOMEM : ferror(e->json.file) ? -EIO : 0;
}

static int heapsnapshot_edge_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct heapsnapshot *const e = heapsnapshot_of(sink);

	return heapgraph_is_next(e, o) ?
		heapgraph_each_edge(e, o, heapsnapshot_write_edge) :
		0;
}

static const struct snap_sink_ops edge_ops = { .object = heapsnapshot_edge_object };

/* Edges of the synthetic nodes, in their order; as many as put_synthetics said. */
static void heapsnapshot_put_synthetic_edges(struct heapsnapshot *e)
{
	uint32_t element = 0;

	heapsnapshot_put_edge(e, EDGE_ELEMENT, 1, SYNTHETIC_ROOTS);
	for (unsigned i = SYNTHETIC_UNREACHABLE; i < SYNTHETIC_COUNT; i++)
		heapsnapshot_put_edge(e, EDGE_ELEMENT, i, i);
	for (uint32_t i = 0; i < e->objects.count; i++)
		if (e->reached[i] == 2)
			heapsnapshot_put_edge(e, EDGE_ELEMENT, ++element,
					      i + (uint64_t)SYNTHETIC_COUNT);
	for (unsigned kind = 0; kind < SNAP_ROOT_KIND_COUNT; kind++)
		for (size_t i = 0; i < e->nroots; i++)
			if (e->roots[i].kind == kind)
				heapsnapshot_put_edge(e, EDGE_INTERNAL, e->roots[i].name,
						      e->roots[i].object +
							      (uint64_t)SYNTHETIC_COUNT);
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
	print_format(
		e->json.file,
		"\"node_count\":%llu,\"edge_count\":%llu,\"trace_function_count\":0},\n"
		"\"nodes\":[",
		(unsigned long long)nodes, (unsigned long long)edges);
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
		putc_unlocked('\n', e->json.file);
	}
	json_put_ascii(&e->json, "]}\n");
}

/* ---- passes ---- */

static struct snap_sink *heapsnapshot_begin(void *arg, uint32_t ordinal)
{
	static const struct snap_sink_ops nothing;
	struct heapsnapshot *const e = arg;

	e->sink.ops = ordinal == e->wanted ? e->ops : &nothing;
	if (ordinal == e->wanted) {
		e->found = true;
		e->current = 0;
		e->pending = false;
		if (e->ops == &heapgraph_number_ops || e->ops == &heapgraph_gather_ops)
			tables_deinit(&e->tables);
	}
	return &e->sink;
}

static int heapsnapshot_fail(struct snap_problem *problem, enum snap_error_code code,
			     int err, const char *text)
{
	*problem = (struct snap_problem){ .code = code, .sys = err };
	snprintf(problem->text, sizeof(problem->text), "%s", text);
	return -1;
}

static int heapsnapshot_pass(struct heapsnapshot *e, int fd,
			     const struct snap_sink_ops *ops,
			     struct snap_problem *problem)
{
	static const struct snap_parser_ops parser_ops = { .begin = heapsnapshot_begin };

	e->ops = ops;
	if (passes_read(fd, &parser_ops, e, problem) != 0)
		return -1;
	/* What comes later was laid out for exactly these objects. */
	if (ops != &heapgraph_number_ops && e->current != e->objects.count)
		return heapsnapshot_fail(problem, SNAP_E_IO, 0,
					 "the input changed while it was read");
	return 0;
}

static int heapsnapshot_gather(struct heapsnapshot *e, int fd,
			       struct snap_problem *problem)
{
	if (heapsnapshot_pass(e, fd, &heapgraph_number_ops, problem) != 0)
		return -1;
	if (!e->found)
		return heapsnapshot_fail(problem, SNAP_E_LIMIT, 0,
					 "the snapshot has no such process");
	e->first_edge = malloc((e->objects.count + 1) * sizeof(*e->first_edge));
	if (!e->first_edge)
		return heapsnapshot_fail(problem, SNAP_E_NOMEM, ENOMEM, "out of memory");
	if (heapsnapshot_pass(e, fd, &heapgraph_gather_ops, problem) != 0)
		return -1;
	e->first_edge[e->objects.count] = e->nedges;
	if (heapgraph_find_reachable(e) != 0)
		return heapsnapshot_fail(problem, SNAP_E_NOMEM, ENOMEM, "out of memory");
	return 0;
}

static int heapsnapshot_write_all(struct heapsnapshot *e, int fd,
				  struct snap_problem *problem)
{
	const uint64_t nodes = e->objects.count + (uint64_t)SYNTHETIC_COUNT;
	const uint64_t edges =
		e->nedges + e->nroots + e->unreachable + 2 + SNAP_ROOT_KIND_COUNT;

	assert(e->first_edge && e->reached);
	if (nodes * FIELDS > UINT32_MAX || edges * 3 > UINT32_MAX)
		return heapsnapshot_fail(
			problem, SNAP_E_LIMIT, 0,
			"too many objects or references for a .heapsnapshot");
	heapsnapshot_put_head(e, nodes, edges);
	if (heapsnapshot_put_synthetics(e) != 0)
		return heapsnapshot_fail(problem, SNAP_E_NOMEM, ENOMEM, "out of memory");
	if (heapsnapshot_pass(e, fd, &node_ops, problem) != 0)
		return -1;
	if (heapsnapshot_finish_node(e, NULL) != 0)
		return heapsnapshot_fail(problem, SNAP_E_NOMEM, ENOMEM, "out of memory");
	json_put_ascii(&e->json, "],\n\"edges\":[");
	e->json.comma = false;
	heapsnapshot_put_synthetic_edges(e);
	if (heapsnapshot_pass(e, fd, &edge_ops, problem) != 0)
		return -1;
	heapsnapshot_put_texts(e);
	return 0;
}

/* ---- which process ---- */

static int heapsnapshot_on_fact(struct snap_sink *sink, const struct snap_fact *fact)
{
	struct heapsnapshot *const e = (struct heapsnapshot *)sink;

	if (!e->found && fact->kind != SNAP_FACT_TEXT && fact->u64 == e->pid &&
	    strcmp(fact->key, "pid") == 0) {
		e->found = true;
		e->wanted = e->processes - 1;
	}
	return 0;
}

static struct snap_sink *heapsnapshot_count(void *arg, uint32_t ordinal)
{
	static const struct snap_sink_ops facts = { .fact = heapsnapshot_on_fact };
	struct heapsnapshot *const e = arg;

	e->processes = ordinal + 1;
	e->sink.ops = &facts;
	return &e->sink;
}

static int heapsnapshot_find(struct heapsnapshot *e, int fd, struct snap_problem *problem)
{
	static const struct snap_parser_ops parser_ops = { .begin = heapsnapshot_count };

	if (passes_read(fd, &parser_ops, e, problem) != 0)
		return -1;
	if (e->pid && !e->found)
		return heapsnapshot_fail(problem, SNAP_E_LIMIT, 0,
					 "there is no process of that pid in it");
	e->found = false;
	return 0;
}

static int heapsnapshot_export(const char *path, uint64_t pid, FILE *out,
			       uint32_t *processes_ret, struct snap_problem *problem)
{
	struct heapsnapshot e = { .pid = pid, .json.file = out };
	const int fd = passes_open(path, problem);
	int result;

	if (fd < 0)
		return -1;
	result = heapsnapshot_find(&e, fd, problem);
	*processes_ret = e.processes;
	if (result == 0)
		result = heapsnapshot_gather(&e, fd, problem);
	if (result == 0)
		result = heapsnapshot_write_all(&e, fd, problem);
	if (result == 0 || problem->code == SNAP_E_SINK)
		result = passes_blame(out, problem) != 0 ? -1 : result;
	close(fd);
	heapgraph_deinit(&e);
	return result;
}

const struct exporter exporter_heapsnapshot = {
	.name = "heapsnapshot",
	.title = "a process for Chrome's DevTools and memlab",
	.one_process = true,
	.run = heapsnapshot_export,
};
