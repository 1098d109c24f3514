/* SPDX-License-Identifier: MIT */
/*
 * path - a chain of holders as one expression (describe.h).
 *
 * The head says where it begins (module, local variable, thread, ...), then each
 * edge adds a suffix.  The hop through an instance's or module's __dict__ to
 * the value of an identifier key is one attribute; a closure's tuple and cell are
 * "closure x".  A run of equal suffixes (a
 * linked list) is written once with its length.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/report/describe.h"
#include "viewer/text/human.h"

#define HEAD_NODES \
	250u		   /* of a longer path, these many from each end are looked
				 * at */
#define SHOWN_SEGMENTS 24u /* of the result, these many from each end */

struct path {
	const struct heap *heap;
	const uint32_t *chain;
	uint32_t count, at; /* at: node reached so far */
	struct vec segment; /* struct segment */
	struct text text;   /* their texts */
};

struct segment {
	size_t text;
	uint64_t times;
};

/* Both buffers are kept from path to path: reports ask for a million of them. */
static _Thread_local struct {
	struct vec segment;
	struct text text;
} spare;

static void path_borrow(struct path *p)
{
	p->segment = spare.segment;
	p->text = spare.text;
	memset(&spare, 0, sizeof(spare));
	p->segment.size = 0;
	text_clear(&p->text);
}

static void path_give_back(struct path *p)
{
	vec_free(&spare.segment);
	text_free(&spare.text);
	spare.segment = p->segment;
	spare.text = p->text;
}

static void path_segment_end(struct path *p, size_t begin)
{
	size_t count = VEC_COUNT(p->segment, struct segment);
	struct segment *last =
		count ? (struct segment *)p->segment.data + count - 1 : NULL;
	const char *text = VEC(p->text.buf, const char);
	struct segment fresh = { begin, 1 };

	assert(p->text.err || begin <= p->text.buf.size);
	if (p->text.err || begin >= p->text.buf.size)
		return;
	if (count > 1 && !strcmp(text + last->text, text + begin)) {
		last->times++;
		p->text.buf.size = begin;
		return;
	}
	if (vec_append(&p->segment, &fresh, sizeof(fresh)))
		p->text.err = -1;
}

/* Begins a NUL-terminated text after those there are. */
static size_t path_segment_begin(struct path *p)
{
	size_t begin = p->text.buf.size;

	/* text_add drops the NUL it finds at the end: give it one to drop */
	if (begin && vec_append(&p->text.buf, "", 1))
		p->text.err = -1;
	return begin;
}

static bool path_identifier(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned c = (unsigned char)text[i];
		bool letter = c == '_' || c >= 0x80 || (c | 32) - 'a' < 26;

		if (!letter && (!i || c - '0' >= 10))
			return false;
	}
	return size > 0;
}

/* Whether the edge chain[at] -> chain[at + 1] leads to the instance's dict. */
static bool path_is_dict_edge(const struct heap *heap, const struct heap_label *label)
{
	return label->kind == SNAP_LABEL_DICT ||
		(label->kind == SNAP_LABEL_ATTR &&
		 !strcmp(heap_string(heap, label->name, NULL), "__dict__"));
}

/* The text of a str key. */
static bool path_key_text(const struct heap *heap, const struct heap_label *label,
			  struct heap_value *ret)
{
	size_t size;

	if (label->key < heap->objects)
		return heap_value(heap, label->key, ret) && ret->kind == SNAP_VALUE_STR;
	ret->text = heap_string(heap, label->name, &size);
	ret->size = (uint32_t)size;
	return size > 0;
}

/* obj -> __dict__ -> value of an identifier key: ".key". False: not that. */
static bool path_collapse_dict(struct path *p, const struct heap_label *label)
{
	const struct heap *heap = p->heap;
	struct heap_label next;
	struct heap_value key;

	if (p->at + 2 >= p->count || !path_is_dict_edge(heap, label))
		return false;
	uint32_t dict = p->chain[p->at + 1];
	heap_label(heap, dict, heap_slot(heap, dict, p->chain[p->at + 2]), &next);
	if (next.kind != SNAP_LABEL_VALUE || !path_key_text(heap, &next, &key) ||
	    !path_identifier(key.text, key.size))
		return false;
	size_t begin = path_segment_begin(p);
	text_add(&p->text, ".");
	text_escape(&p->text, key.text, key.size, 200, 0);
	path_segment_end(p, begin);
	p->at += 2;
	return true;
}

static void path_edge_label(const struct path *p, uint32_t at, struct heap_label *ret)
{
	heap_label(p->heap, p->chain[at],
		   heap_slot(p->heap, p->chain[at], p->chain[at + 1]), ret);
}

/*
 * function.__closure__, its cell, the cell's contents: "closure x" says it all.
 * True for the first and the last of the three.
 */
static bool path_part_of_closure(const struct path *p, const struct heap_label *label)
{
	const char *name = heap_string(p->heap, label->name, NULL);
	struct heap_label other;

	if (label->kind != SNAP_LABEL_ATTR)
		return false;
	if (!strcmp(name, "__closure__") && p->at + 2 < p->count) {
		path_edge_label(p, p->at + 1, &other);
		return other.kind == SNAP_LABEL_CELL;
	}
	if (!strcmp(name, "cell_contents") && p->at > 0) {
		path_edge_label(p, p->at - 1, &other);
		return other.kind == SNAP_LABEL_CELL;
	}
	return false;
}

static void path_add_edge(struct path *p)
{
	const struct heap *heap = p->heap;
	uint32_t from = p->chain[p->at], to = p->chain[p->at + 1];
	struct heap_label label;

	heap_label(heap, from, heap_slot(heap, from, to), &label);
	if (path_collapse_dict(p, &label))
		return;
	if (path_part_of_closure(p, &label)) {
		p->at++;
		return;
	}
	size_t begin = path_segment_begin(p);
	size_t before = p->text.buf.size;
	describe_label(&p->text, heap, &label);
	if (p->text.buf.size == before) {
		text_add(&p->text, " -> ");
		describe_node(&p->text, heap, to);
	}
	path_segment_end(p, begin);
	p->at++;
}

/* ---- where a path begins ---- */

static void path_head_frame(struct path *p, uint32_t frame_node, uint32_t object)
{
	const struct heap *heap = p->heap;
	struct heap_label label;

	heap_label(heap, frame_node, heap_slot(heap, frame_node, object), &label);
	if (label.root_kind == SNAP_ROOT_LOCAL)
		text_add(&p->text, "local ");
	if (label.root_kind == SNAP_ROOT_STACK)
		text_add(&p->text, "temporary");
	else if (label.name)
		describe_string(&p->text, heap, label.name);
	else
		text_add(&p->text, "reference");
	text_add(&p->text, label.root_kind == SNAP_ROOT_FRAME ? " of " : " in ");
	describe_frame(&p->text, heap, heap_synth(heap, frame_node)->ref);
}

static uint32_t path_frame_thread(const struct heap *heap, uint32_t frame_node)
{
	return VEC(heap->frame, struct snap_frame)[heap_synth(heap, frame_node)->ref]
		.thread;
}

/* (threads) -> thread -> [frame ->] object. Returns nodes used up, the object's
 * position. */
static uint32_t path_head_thread(struct path *p, uint32_t i)
{
	const struct heap *heap = p->heap;
	uint32_t node = p->chain[i], thread = 0;

	if (heap_synth(heap, node)->kind == HEAP_SYNTH_THREADS && i + 1 < p->count)
		node = p->chain[++i];
	if (node < heap->objects)
		return i;
	if (heap_synth(heap, node)->kind == HEAP_SYNTH_THREAD) {
		thread = heap_synth(heap, node)->ref;
		if (i + 1 < p->count && p->chain[i + 1] >= heap->objects)
			node = p->chain[++i];
	}
	if (i + 1 >= p->count) {
		describe_node(&p->text, heap, node);
	} else if (heap_synth(heap, node)->kind == HEAP_SYNTH_FRAME) {
		path_head_frame(p, node, p->chain[i + 1]);
		if (!thread)
			thread = path_frame_thread(heap, node);
	} else {
		struct heap_label label;

		heap_label(heap, node, heap_slot(heap, node, p->chain[i + 1]), &label);
		if (label.name)
			describe_string(&p->text, heap, label.name);
		else
			text_add(&p->text,
				 label.root_kind == SNAP_ROOT_EXCEPTION ? "exception" :
									  "state");
	}
	if (thread && thread <= heap->threads && i + 1 < p->count) {
		text_add(&p->text, " of ");
		describe_thread(&p->text, heap, thread);
	}
	return i + 1;
}

static void path_head_group(struct path *p, uint32_t group, uint32_t object)
{
	static const char *const words[HEAP_SYNTH_GROUP_COUNT] = {
		[HEAP_SYNTH_MODULES] = "module ",
		[HEAP_SYNTH_INTERPRETER] = "interpreter ",
		[HEAP_SYNTH_ATEXIT] = "atexit ",
		[HEAP_SYNTH_STATIC_TYPES] = "type ",
		[HEAP_SYNTH_C_STATIC] = "C static ",
		[HEAP_SYNTH_OTHER] = "root ",
		[HEAP_SYNTH_INTERNED] = "interned ",
		[HEAP_SYNTH_IMMORTAL] = "immortal ",
		[HEAP_SYNTH_UNKNOWN] = "unknown C reference to ",
		[HEAP_SYNTH_GARBAGE] = "unreachable ",
	};
	const struct heap *heap = p->heap;
	uint32_t kind = heap_synth(heap, group)->kind;
	struct heap_label label;

	heap_label(heap, group, heap_slot(heap, group, object), &label);
	text_add(&p->text,
		 kind < HEAP_SYNTH_GROUP_COUNT && words[kind] ? words[kind] : "");
	if (label.name)
		describe_string(&p->text, heap, label.name);
	else
		describe_node(&p->text, heap, object);
}

static void path_add_head(struct path *p)
{
	const struct heap *heap = p->heap;
	size_t begin = path_segment_begin(p);
	uint32_t i = 0, node = p->chain[0];

	if (node == heap_root(heap) && p->count > 1)
		node = p->chain[++i];
	if (node < heap->objects || i + 1 >= p->count) {
		describe_node(&p->text, heap, node);
	} else if (heap_synth(heap, node)->kind == HEAP_SYNTH_THREADS ||
		   heap_synth(heap, node)->kind >= HEAP_SYNTH_GROUP_COUNT) {
		i = path_head_thread(p, i);
	} else {
		path_head_group(p, node, p->chain[++i]);
	}
	p->at = i;
	path_segment_end(p, begin);
}

/* The head of an object held by a synthetic node: found from the top. */
static void path_head_of(struct path *p, const struct analysis *a, uint32_t object)
{
	uint32_t nodes[8];
	uint32_t length = analysis_path(a, object, nodes, 8);

	if (length > 8)
		length = 8;
	p->chain = nodes;
	p->count = length;
	path_add_head(p);
	while (p->at + 1 < p->count && !p->text.err)
		path_add_edge(p);
	p->chain = NULL;
}

/* ---- putting it together ---- */

static void path_write_segments(struct path *p, struct text *out, uint64_t left_out)
{
	size_t count = VEC_COUNT(p->segment, struct segment);
	const struct segment *s = p->segment.data;
	char buf[HUMAN_SIZE];

	for (size_t i = 0; i < count; i++) {
		const char *text = VEC(p->text.buf, const char) + s[i].text;

		if (count > 2 * SHOWN_SEGMENTS && i == SHOWN_SEGMENTS) {
			i = count - SHOWN_SEGMENTS;
			text_printf(
				out, " ... (%s more steps) ...",
				human_count(buf, left_out + count - 2 * SHOWN_SEGMENTS));
		}
		if (s[i].times > 1)
			text_printf(out, "(%s x %s)", text, human_count(buf, s[i].times));
		else
			text_add(out, text);
	}
}

/* The same along any chain of nodes (chain[0] a group, or any node to start from). */
static void describe_chain(struct text *out, const struct heap *heap,
			   const uint32_t *chain, uint32_t count)
{
	struct path p = { .heap = heap, .chain = chain, .count = count };

	if (!count)
		return;
	path_borrow(&p);
	path_add_head(&p);
	while (p.at + 1 < p.count && !p.text.err)
		path_add_edge(&p);
	path_write_segments(&p, out, 0);
	path_give_back(&p);
}

/* A place that stands for many: its label without key or index. */
static void path_add_merged(struct path *p, const struct heap_label *label)
{
	size_t begin = path_segment_begin(p);

	text_add(&p->text,
		 label->kind == SNAP_LABEL_KEY		   ? ".keys()" :
			 label->kind == SNAP_LABEL_ELEMENT ? "{element}" :
							     "[*]");
	path_segment_end(p, begin);
	p->at++;
}

static void path_signature_step(struct path *p, const struct signature *s)
{
	struct heap_label label;

	heap_label(p->heap, p->chain[p->at],
		   heap_slot(p->heap, p->chain[p->at], p->chain[p->at + 1]), &label);
	if (s->merged)
		path_add_merged(p, &label);
	else
		path_add_edge(p);
}

void describe_signature(struct text *out, const struct analysis *a,
			const struct growth *growth, const uint32_t *chain,
			uint32_t count)
{
	const struct signature *s = VEC(growth->signature, struct signature);
	struct path p = { .heap = a->heap };

	path_borrow(&p);
	/* each step has an example of its own; so has its holder */
	for (uint32_t i = count; i-- > 0;) {
		uint32_t nodes[3] = { 0, s[chain[i]].example, 0 };

		nodes[0] = analysis_parent(a, nodes[1]);
		p.chain = nodes;
		p.count = 2;
		p.at = 0;
		if (nodes[0] == HEAP_NONE || (nodes[1] >= p.heap->objects && i))
			continue;
		if (nodes[0] >= p.heap->objects || i == count - 1) {
			path_head_of(&p, a, nodes[1]);
			continue;
		}
		if (i > 0 && !s[chain[i]].merged && !s[chain[i - 1]].merged) {
			uint32_t next = s[chain[i - 1]].example;

			if (analysis_parent(a, next) == nodes[1]) {
				nodes[2] = next;
				p.count = 3;
			}
		}
		path_signature_step(&p, &s[chain[i]]);
		if (p.at == 2)
			i--; /* the hop through __dict__ took both */
	}
	path_write_segments(&p, out, 0);
	path_give_back(&p);
}

/* A path longer than 2 * HEAD_NODES: its two ends. */
static void path_describe_long(struct text *out, const struct analysis *a, uint32_t node,
			       uint32_t length, uint32_t *nodes)
{
	uint32_t at = node, root = heap_root(a->heap);
	char buf[HUMAN_SIZE];

	for (uint32_t i = length; i-- > HEAD_NODES && at != root;)
		at = analysis_parent(a, at);
	analysis_path(a, at, nodes, HEAD_NODES);
	describe_chain(out, a->heap, nodes, HEAD_NODES);
	text_printf(out, " ... (%s more steps) ... ",
		    human_count(buf, length - 2 * HEAD_NODES));
	analysis_path(a, node, nodes, HEAD_NODES);
	describe_chain(out, a->heap, nodes, HEAD_NODES);
}

void describe_path(struct text *out, const struct analysis *a, uint32_t node)
{
	uint32_t *nodes = malloc(2 * HEAD_NODES * sizeof(*nodes)), length;

	assert(node < a->heap->nodes);
	if (!nodes)
		return;
	length = analysis_path(a, node, nodes, 2 * HEAD_NODES);
	if (length > 2 * HEAD_NODES)
		path_describe_long(out, a, node, length, nodes);
	else
		describe_chain(out, a->heap, nodes, length);
	free(nodes);
}
