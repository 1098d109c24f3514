/* SPDX-License-Identifier: MIT */
/*
 * path - a chain of holders as one expression (describe.h).
 *
 * The head says where it begins (module, thread and frame, ...), then each step adds a
 * suffix; what is one step in Python is one here (hops.h).  A run of equal suffixes (a
 * linked list) is written once with its length.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/reach.h"
#include "viewer/name/describe.h"
#include "viewer/name/hops.h"
#include "viewer/text/human.h"

#define HEAD_NODES \
	250u		   /* of a longer path, these many from each end are looked
				 * at */
#define SHOWN_SEGMENTS 24u /* of the result, these many from each end */

struct path {
	const struct heap *heap;
	const uint32_t *chain;
	uint32_t count, at; /* at: node reached so far */
	bool more;	    /* steps follow that are in no chain */
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
		text_fail(&p->text);
}

/* Begins a NUL-terminated text after those there are. */
static size_t path_segment_begin(struct path *p)
{
	size_t begin = p->text.buf.size;

	/* text_add drops the NUL it finds at the end: give it one to drop */
	if (begin && vec_append(&p->text.buf, "", 1))
		text_fail(&p->text);
	return begin;
}

static void path_add_native(struct path *p, uint32_t node)
{
	size_t begin = path_segment_begin(p);

	text_add(&p->text, " -> ");
	describe_node(&p->text, p->heap, node);
	path_segment_end(p, begin);
	p->at++;
}

static void path_add_edge(struct path *p)
{
	const struct heap *heap = p->heap;
	const struct hops hops = { heap, p->chain, p->count, p->at };
	struct heap_label label;

	if (heap_is_native(heap, p->chain[p->at + 1])) {
		path_add_native(p, p->chain[p->at + 1]);
		return;
	}
	size_t begin = path_segment_begin(p);
	uint32_t taken = hops_write(&p->text, &hops);
	if (!taken) {
		size_t before = p->text.buf.size;

		hops_label(&hops, p->at, &label);
		describe_label(&p->text, heap, &label);
		if (p->text.buf.size == before) {
			text_add(&p->text, " -> ");
			describe_node(&p->text, heap, p->chain[p->at + 1]);
		}
		taken = 1;
	}
	path_segment_end(p, begin);
	p->at += taken;
}

/* ---- where a path begins ---- */

static void path_head_frame(struct path *p, uint32_t frame_node, uint32_t object)
{
	const struct heap *heap = p->heap;
	struct heap_label label;

	heap_label(heap, frame_node, heap_slot(heap, frame_node, object), &label);
	describe_frame(&p->text, heap, heap_synth(heap, frame_node)->ref);
	text_add(&p->text, HOPS_INTO);
	if (label.root_kind == SNAP_ROOT_STACK)
		text_add(&p->text, "temporary");
	else if (label.root_kind == SNAP_ROOT_FRAME && label.name) {
		text_add(&p->text, "its ");
		describe_string(&p->text, heap, label.name);
	} else if (label.name)
		describe_string(&p->text, heap, label.name);
	else
		text_add(&p->text, "reference");
}

static uint32_t path_frame_thread(const struct heap *heap, uint32_t frame_node)
{
	return VEC(heap->frame, struct snap_frame)[heap_synth(heap, frame_node)->ref]
		.thread;
}

static void path_head_state(struct path *p, uint32_t thread_node, uint32_t object)
{
	const struct heap *heap = p->heap;
	struct heap_label label;

	heap_label(heap, thread_node, heap_slot(heap, thread_node, object), &label);
	if (label.name)
		describe_string(&p->text, heap, label.name);
	else
		text_add(&p->text,
			 label.root_kind == SNAP_ROOT_EXCEPTION ? "exception" : "state");
}

/* (threads) -> thread -> [frame ->] object. Returns the object's position. */
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
	} else if (heap_synth(heap, node)->kind == HEAP_SYNTH_FRAME) {
		thread = path_frame_thread(heap, node);
	}
	if (thread && thread <= heap->threads &&
	    (i + 1 < p->count || heap_synth(heap, node)->kind != HEAP_SYNTH_THREAD)) {
		describe_thread(&p->text, heap, thread);
		text_add(&p->text, HOPS_INTO);
	}
	if (i + 1 >= p->count)
		describe_node(&p->text, heap, node);
	else if (heap_synth(heap, node)->kind == HEAP_SYNTH_FRAME)
		path_head_frame(p, node, p->chain[i + 1]);
	else
		path_head_state(p, node, p->chain[i + 1]);
	return i + 1;
}

static void path_head_group(struct path *p, uint32_t group, uint32_t object)
{
	static const char *const words[HEAP_SYNTH_GROUP_COUNT] = {
		[HEAP_SYNTH_MODULES] = "", /* alone: "module " (below) */
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
	if (kind == HEAP_SYNTH_MODULES && p->chain[p->count - 1] == object && !p->more)
		text_add(&p->text, "module ");
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

/* A path that begins at a task or an event loop. */
static void path_add_machinery(struct path *p)
{
	const struct hops hops = { p->heap, p->chain, p->count, 0 };
	size_t begin = path_segment_begin(p);

	if (hops_is_task(&hops)) {
		hops_add_call_of_task(&p->text, &hops);
		p->at = 1;
	} else {
		text_add(&p->text, "event loop ");
		describe_short_type(&p->text, p->heap,
				    heap_type_of(p->heap, p->chain[0]));
	}
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

/* Whether a chain begins with what the program's author has named: a module's variable,
 * or one of a function that isn't the standard library's. */
static bool path_is_own(const struct heap *heap, const uint32_t *chain, uint32_t count)
{
	for (uint32_t i = 0; i < count && chain[i] >= heap->objects; i++) {
		const uint32_t kind = heap_synth(heap, chain[i])->kind;

		if (kind == HEAP_SYNTH_MODULES ||
		    (kind == HEAP_SYNTH_FRAME && !reach_is_library(heap, chain[i])))
			return true;
	}
	return chain[0] < heap->objects;
}

/*
 * Where a path that leads through the machinery of asyncio begins for its reader: at the
 * last task or event loop on it, however that was come by (a timer's callback, a hook of
 * the thread, a local variable of the library); else at its first node.
 */
static uint32_t path_beginning(const struct heap *heap, const uint32_t *chain,
			       uint32_t count)
{
	struct hops hops = { heap, chain, count, 0 };

	if (path_is_own(heap, chain, count))
		return 0;
	for (uint32_t i = count; i-- > 1;) {
		hops.at = i;
		if (hops_is_task(&hops) || hops_is_loop(&hops))
			return i;
	}
	return 0;
}

/* The same along any chain of nodes (chain[0] a group, or any node to start from). */
static void describe_chain(struct text *out, const struct heap *heap,
			   const uint32_t *chain, uint32_t count)
{
	const uint32_t from = count ? path_beginning(heap, chain, count) : 0;
	struct path p = { .heap = heap, .chain = chain + from, .count = count - from };

	if (!count)
		return;
	path_borrow(&p);
	if (from)
		path_add_machinery(&p);
	else
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
			p.more = i > 0;
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

void describe_steps(struct text *out, const struct heap *heap, const uint32_t *nodes,
		    uint32_t length)
{
	char buf[HUMAN_SIZE];

	if (length <= 2 * HEAD_NODES) {
		describe_chain(out, heap, nodes, length);
		return;
	}
	describe_chain(out, heap, nodes, HEAD_NODES);
	text_printf(out, " ... (%s more steps) ... ",
		    human_count(buf, length - 2 * HEAD_NODES));
	describe_chain(out, heap, nodes + length - HEAD_NODES, HEAD_NODES);
}

void describe_path(struct text *out, const struct analysis *a, uint32_t node)
{
	uint32_t *nodes = malloc(2 * HEAD_NODES * sizeof(*nodes)), length;

	assert(node < a->heap->nodes);
	if (!nodes) {
		text_fail(out);
		return;
	}
	length = analysis_path(a, node, nodes, 2 * HEAD_NODES);
	if (length > 2 * HEAD_NODES)
		path_describe_long(out, a, node, length, nodes);
	else
		describe_chain(out, a->heap, nodes, length);
	free(nodes);
}
