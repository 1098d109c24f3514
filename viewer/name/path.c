/* SPDX-License-Identifier: MIT */
/*
 * path - a chain of holders as one expression (describe.h).
 *
 * The head says where it begins (module, thread and frame, ...), then each step adds a
 * suffix; what is one step in Python is one here (hops.h).  A run of equal suffixes (a
 * linked list) is written once with its length.  A long path goes on from where one
 * through the same nodes has been written before (waypoint.h).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/reach.h"
#include "viewer/name/describe.h"
#include "viewer/name/hops.h"
#include "viewer/name/waypoint.h"
#include "viewer/text/human.h"

struct path {
	const struct heap *heap;
	const uint32_t *chain;
	uint32_t count, at; /* at: node reached so far */
	bool more;	    /* steps follow that are in no chain */
	struct vec segment; /* struct segment: the last ones */
	struct text text;   /* their texts */
	/* and those before them, where the path is long; ways is NULL elsewhere */
	struct waypoints *ways;
	uint32_t before;    /* the last of those, plus 1 */
	uint32_t rank;	    /* how many they are */
	uint32_t next;	    /* at which node there may be a waypoint again */
	bool own;	    /* path_is_own */
	uint32_t kept_rank; /* plus 1: the segment of which the text is kept, too, */
	uint32_t kept_text; /* and where */
};

struct segment {
	size_t text;
	uint64_t times;
};

/* These buffers are kept from path to path: reports ask for a million of them. */
static _Thread_local struct {
	struct vec segment, nodes;
	struct text text;
} spare;

enum { SPARE_MOST = 1 << 20 /* bytes; larger ones are given back */ };

static void path_borrow(struct path *p)
{
	p->segment = spare.segment;
	p->text = spare.text;
	memset(&spare.segment, 0, sizeof(spare.segment));
	memset(&spare.text, 0, sizeof(spare.text));
	p->segment.size = 0;
	text_clear(&p->text);
}

static void path_give_back(struct path *p)
{
	vec_free(&spare.segment);
	text_free(&spare.text);
	if (p->segment.capacity > SPARE_MOST)
		vec_free(&p->segment);
	if (p->text.buf.capacity > SPARE_MOST)
		text_free(&p->text);
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
	if (p->rank + count > 1 && last && !strcmp(text + last->text, text + begin)) {
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
	const struct hops hops = {
		.heap = heap, .chain = p->chain, .count = p->count, .at = p->at
	};
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
		text_add(&p->text, label.inferred ? HOPS_INTO : "");
		describe_label(&p->text, heap, &label);
		if (p->text.buf.size == before || label.inferred) {
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
		[HEAP_SYNTH_UNKNOWN] = ("C code" HOPS_INTO),
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
	const struct hops hops = { .heap = p->heap,
				   .chain = p->chain,
				   .count = p->count };
	size_t begin = path_segment_begin(p);

	if (hops_is_task(&hops)) {
		hops_add_call_of_task(&p->text, &hops);
		p->at = 1;
	} else if (hops_names_task(&hops)) {
		hops_add_task(&p->text, p->heap, p->chain[0]);
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

static void path_write_segment(struct text *out, const char *text, uint64_t times)
{
	char buf[HUMAN_SIZE];

	if (times > 1)
		text_printf(out, "(%s x %s)", text, human_count(buf, times));
	else
		text_add(out, text);
}

/* Those of the kept segments whose ranks are first to last; of those after last, it is
 * the last or WAYPOINT_SHOWN - 1. */
static void path_write_kept(const struct path *p, struct text *out, uint32_t first,
			    uint32_t last)
{
	const struct waypoint_segment *const all =
		VEC(p->ways->segment, struct waypoint_segment);
	uint32_t list[2 * WAYPOINT_SHOWN], count = 0, at = p->before;

	if (all[at - 1].rank > last)
		at = all[at - 1].head;
	assert(all[at - 1].rank == last && last - first < 2 * WAYPOINT_SHOWN);
	for (; at && all[at - 1].rank >= first; at = all[at - 1].before)
		list[count++] = at - 1;
	while (count--)
		path_write_segment(out,
				   VEC(p->ways->text, const char) + all[list[count]].text,
				   all[list[count]].times);
}

/* The segments with ranks from first on, up to but without end. */
static void path_write_some(const struct path *p, struct text *out, uint32_t first,
			    uint32_t end)
{
	const struct segment *const s = VEC(p->segment, struct segment);

	if (first < p->rank && first < end)
		path_write_kept(p, out, first, (end < p->rank ? end : p->rank) - 1);
	for (uint32_t i = first > p->rank ? first : p->rank; i < end; i++)
		path_write_segment(out,
				   VEC(p->text.buf, const char) + s[i - p->rank].text,
				   s[i - p->rank].times);
}

static void path_write_segments(const struct path *p, struct text *out)
{
	const uint32_t count = p->rank + (uint32_t)VEC_COUNT(p->segment, struct segment);
	char buf[HUMAN_SIZE];

	if (count <= 2 * WAYPOINT_SHOWN) {
		path_write_some(p, out, 0, count);
		return;
	}
	path_write_some(p, out, 0, WAYPOINT_SHOWN);
	text_printf(out, " ... (%s more steps) ...",
		    human_count(buf, count - 2 * WAYPOINT_SHOWN));
	path_write_some(p, out, count - WAYPOINT_SHOWN, count);
}

/* A module of asyncio: what its variables hold (3.12 to 3.15: a policy's event loop) is
 * machinery too. */
static bool path_is_asyncio(const struct heap *heap, const uint32_t *chain)
{
	struct heap_label label;
	const char *name;

	heap_label(heap, chain[0], heap_slot(heap, chain[0], chain[1]), &label);
	name = heap_string(heap, label.name, NULL);
	name += *name == '_'; /* or its part in C */
	return !strncmp(name, "asyncio", 7) && (!name[7] || name[7] == '.');
}

/* Whether a chain begins with what the program's author has named: a module's variable,
 * or one of a function that isn't the standard library's. */
static bool path_is_own(const struct heap *heap, const uint32_t *chain, uint32_t count)
{
	for (uint32_t i = 0; i < count && chain[i] >= heap->objects; i++) {
		const uint32_t kind = heap_synth(heap, chain[i])->kind;

		if ((kind == HEAP_SYNTH_MODULES &&
		     (i + 1 == count || !path_is_asyncio(heap, chain + i))) ||
		    (kind == HEAP_SYNTH_FRAME && !reach_is_library(heap, chain[i])))
			return true;
	}
	return chain[0] < heap->objects;
}

/* The last task or event loop on a chain behind `from`; `from`: there is none. */
static uint32_t path_last_machinery(const struct heap *heap, const uint32_t *chain,
				    uint32_t count, uint32_t from)
{
	struct hops hops = { .heap = heap, .chain = chain, .count = count };

	for (uint32_t i = count; i-- > from + 1;) {
		hops.at = i;
		if (hops_names_task(&hops) || hops_is_loop(&hops))
			return i;
	}
	return from;
}

/* The last event loop on a chain behind `from` that leads on; `from`: there is none. */
static uint32_t path_last_loop(const struct heap *heap, const uint32_t *chain,
			       uint32_t count, uint32_t from)
{
	struct hops hops = { .heap = heap, .chain = chain, .count = count };

	for (uint32_t i = count; i-- > from + 1;) {
		hops.at = i;
		if (i + 1 < count && hops_is_loop(&hops))
			return i;
	}
	return from;
}

/*
 * A path that leads through the machinery of asyncio begins for its reader at the last
 * task or event loop on it, however that was come by (a timer's callback, a hook of the
 * thread, a local variable of the library); else at its first node.  What the program has
 * named is of use up to an event loop only (`TASKS[0]._loop`): that has all tasks.
 */
static uint32_t path_first(const struct path *p, uint32_t from)
{
	if (!p->own)
		return path_last_machinery(p->heap, p->chain, p->count, from);
	const uint32_t loop = path_last_loop(p->heap, p->chain, p->count, from);

	return loop == from ? from :
			      path_last_machinery(p->heap, p->chain, p->count, loop - 1);
}

static void path_begin(struct path *p)
{
	const uint32_t from = path_first(p, 0);

	p->chain += from;
	p->count -= from;
	p->next = from ? 0 : WAYPOINT_EVERY;
	if (from)
		path_add_machinery(p);
	else
		path_add_head(p);
}

/* ---- long paths ---- */

/* All segments but the last are kept: others go on from them. */
static int path_keep_segments(struct path *p)
{
	const size_t count = VEC_COUNT(p->segment, struct segment);
	struct segment *const s = VEC(p->segment, struct segment);
	char *const text = VEC(p->text.buf, char);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		if (p->kept_rank != p->rank + 1)
			err = waypoint_keep_text(p->ways, text + s[i].text,
						 &p->kept_text);
		p->kept_rank = p->rank + 1;
		if (i + 1 == count || err)
			break;
		const struct waypoint_segment kept = { .text = p->kept_text,
						       .rank = p->rank,
						       .times = s[i].times };
		err = waypoint_keep_segment(p->ways, kept, &p->before);
		p->rank++;
	}
	p->text.buf.size = strlen(text + s[count - 1].text) + 1;
	memmove(text, text + s[count - 1].text, p->text.buf.size);
	s[0] = (struct segment){ 0, s[count - 1].times };
	p->segment.size = sizeof(*s);
	return err;
}

/* After each step: what was written so far may be of use to others. */
static void path_leave_waypoint(struct path *p)
{
	struct waypoint w = { .own = p->own, .back = p->at < 2 ? (uint8_t)p->at : 2 };

	if (!p->ways || p->at < p->next || p->at + HOPS_LONGEST >= p->count ||
	    p->text.err || !p->segment.size)
		return;
	w.node = p->chain[p->at + HOPS_LONGEST];
	p->next = p->at + WAYPOINT_EVERY;
	if (!waypoint_has_room(p->ways) || waypoint_find(p->ways, w.node))
		return;
	if (path_keep_segments(p)) {
		text_fail(&p->text);
		return;
	}
	w.last = (struct waypoint_segment){
		.before = p->before,
		.text = p->kept_text,
		.rank = p->rank,
		.times = VEC(p->segment, struct segment)[0].times
	};
	if (waypoint_add(p->ways, &w))
		text_fail(&p->text);
}

/* Goes on from a waypoint, whose step ended at chain[at]. */
static void path_resume(struct path *p, const struct waypoint *w, uint32_t at)
{
	const size_t begin = path_segment_begin(p);

	p->own = w->own;
	p->at = at;
	p->next = at + WAYPOINT_EVERY;
	text_add(&p->text, VEC(p->ways->text, const char) + w->last.text);
	path_segment_end(p, begin);
	if (!p->segment.size)
		return;
	VEC(p->segment, struct segment)[0].times = w->last.times;
	p->before = w->last.before;
	p->rank = w->last.rank;
	p->kept_rank = w->last.rank + 1;
	p->kept_text = w->last.text;
}

/*
 * Appends the nodes from a node up to the first waypoint, and those that its last step
 * and the ones after it lie between; or up to the root.  Returns the waypoint, NULL: the
 * root.
 */
static const struct waypoint *path_climb(const struct analysis *a, uint32_t node,
					 const struct waypoints *ways, struct vec *nodes,
					 int *err)
{
	const uint32_t root = heap_root(a->heap);
	const struct waypoint *found = NULL;
	uint32_t left = a->heap->nodes;

	for (uint32_t n = node; n != HEAP_NONE && n != root && left && !*err;
	     n = analysis_parent(a, n), left--) {
		*err = vec_push_u32(nodes, n);
		if (ways && !found && (found = waypoint_find(ways, n)))
			left = (uint32_t)HOPS_LONGEST + found->back + 1;
	}
	uint32_t *const list = VEC(*nodes, uint32_t);
	for (size_t i = 0, j = VEC_COUNT(*nodes, uint32_t); i + 1 < j; i++) {
		const uint32_t n = list[i];

		list[i] = list[--j];
		list[j] = n;
	}
	return found;
}

static void path_describe_rest(struct path *p, struct text *out)
{
	while (p->at + 1 < p->count && !p->text.err) {
		path_add_edge(p);
		path_leave_waypoint(p);
	}
	if (p->text.err)
		text_fail(out);
	path_write_segments(p, out);
}

/* Along any chain of nodes: nodes[0] a group, or any node to start from. */
void describe_steps(struct text *out, const struct heap *heap, const uint32_t *nodes,
		    uint32_t length)
{
	struct path p = { .heap = heap, .chain = nodes, .count = length };

	if (!length)
		return;
	path_borrow(&p);
	p.own = path_is_own(heap, nodes, length);
	path_begin(&p);
	path_describe_rest(&p, out);
	path_give_back(&p);
}

/* From a waypoint on, or from the beginning. */
static void path_describe(struct path *p, struct text *out, const struct waypoint *from)
{
	path_borrow(p);
	p->own = from ? from->own : path_is_own(p->heap, p->chain, p->count);
	if (from && path_first(p, from->back) == from->back)
		path_resume(p, from, from->back);
	else
		path_begin(p);
	path_describe_rest(p, out);
	path_give_back(p);
}

void describe_path(struct text *out, const struct analysis *a, uint32_t node)
{
	struct path p = { .heap = a->heap, .ways = a->kept };
	struct vec nodes = spare.nodes;
	int err = 0;

	assert(node < a->heap->nodes);
	spare.nodes = (struct vec){ 0 };
	nodes.size = 0;
	const struct waypoint *from = path_climb(a, node, p.ways, &nodes, &err);
	p.chain = VEC(nodes, uint32_t);
	p.count = (uint32_t)VEC_COUNT(nodes, uint32_t);
	if (p.count > WAYPOINT_LOOK && !p.ways)
		p.ways = waypoint_all(a);
	if (err)
		text_fail(out);
	else if (p.count)
		path_describe(&p, out, from);
	if (nodes.capacity > SPARE_MOST)
		vec_free(&nodes);
	spare.nodes = nodes;
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

/* Whether a step leads from a closure's cell, which is called as its variable already, to
 * what is in it. */
static bool path_is_from_cell(const struct path *p, const struct analysis *a)
{
	const uint32_t cell = p->chain[p->at], closure = analysis_parent(a, cell);
	struct heap_label label;

	if (cell >= p->heap->objects || heap_kind(p->heap, cell) != SNAP_KIND_CELL ||
	    closure >= p->heap->objects)
		return false;
	heap_label(p->heap, closure, heap_slot(p->heap, closure, cell), &label);
	return label.kind == SNAP_LABEL_CELL;
}

static void path_signature_step(struct path *p, const struct analysis *a,
				const struct signature *s)
{
	struct heap_label label;

	if (path_is_from_cell(p, a)) {
		p->at++;
		return;
	}

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
		path_signature_step(&p, a, &s[chain[i]]);
		if (p.at == 2)
			i--; /* the hop through __dict__ took both */
	}
	path_write_segments(&p, out);
	path_give_back(&p);
}
