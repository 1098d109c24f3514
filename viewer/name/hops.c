/* SPDX-License-Identifier: MIT */
/*
 * hops - the rules, one function each, in a table (hops.h).
 *
 * Which parameter a default belongs to is known where the snapshot has the number of the
 * function's parameters, where the code object tells its variables' kinds (CPython 3.14:
 * Objects/codeobject.c, CO_FAST_ARG_*), or where it has no variables beyond the ones with
 * defaults; else the default is told by its place.
 */
#include "viewer/name/hops.h"

#include <assert.h>
#include <string.h>

#include "viewer/analysis/context_var.h"
#include "viewer/analysis/kin.h"
#include "viewer/analysis/tasks.h"
#include "viewer/name/calls.h"
#include "viewer/name/describe.h"

#define NAME_LIMIT 200

enum { KIND_ARG_POS = 0x02, KIND_ARG_VAR = 0x08, KIND_LOCAL = 0x20 };

void hops_label(const struct hops *h, uint32_t at, struct heap_label *ret)
{
	assert(at + 1 < h->count);
	if (h->here && at == h->at) {
		*ret = *h->here;
		return;
	}
	heap_label(h->heap, h->chain[at],
		   heap_slot(h->heap, h->chain[at], h->chain[at + 1]), ret);
}

static bool hops_is_attr(const struct hops *h, uint32_t at, const char *name)
{
	struct heap_label label;

	if (at + 1 >= h->count || h->chain[at] >= h->heap->objects)
		return false;
	hops_label(h, at, &label);
	return label.kind == SNAP_LABEL_ATTR &&
		!strcmp(heap_string(h->heap, label.name, NULL), name);
}

static bool hops_identifier(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned c = (unsigned char)text[i];
		bool letter = c == '_' || c >= 0x80 || (c | 32) - 'a' < 26;

		if (!letter && (!i || c - '0' >= 10))
			return false;
	}
	return size > 0;
}

/* The text of the str key, an identifier, that the edge at `at` goes through. */
static bool hops_key(const struct hops *h, uint32_t at, struct heap_value *ret)
{
	struct heap_label label;
	size_t size;

	if (at + 1 >= h->count || h->chain[at] >= h->heap->objects)
		return false;
	hops_label(h, at, &label);
	if (label.kind != SNAP_LABEL_VALUE)
		return false;
	if (label.key < h->heap->objects) {
		if (!heap_value(h->heap, label.key, ret) || ret->kind != SNAP_VALUE_STR)
			return false;
	} else {
		ret->text = heap_string(h->heap, label.name, &size);
		ret->size = (uint32_t)size;
	}
	return hops_identifier(ret->text, ret->size);
}

static void hops_add_key(struct text *out, const char *before,
			 const struct heap_value *key, const char *after)
{
	text_add(out, before);
	text_escape(out, key->text, key->size, NAME_LIMIT, 0);
	text_add(out, after);
}

/* obj -> __dict__ -> value of an identifier key: ".key". */
static uint32_t hops_dict(struct text *out, const struct hops *h)
{
	struct heap_label label;
	struct heap_value key;

	hops_label(h, h->at, &label);
	if ((label.kind != SNAP_LABEL_DICT && !hops_is_attr(h, h->at, "__dict__")) ||
	    !hops_key(h, h->at + 1, &key))
		return 0;
	hops_add_key(out, ".", &key, "");
	return 2;
}

/* function.__closure__, its cell, the cell's contents. */
static uint32_t hops_closure(struct text *out, const struct hops *h)
{
	struct heap_label label;
	const bool contents = hops_is_attr(h, h->at, "cell_contents");
	const uint32_t cell = contents ? h->at - 1 : h->at + 1;

	if ((contents ? h->at == 0 : !hops_is_attr(h, h->at, "__closure__")) ||
	    cell + 1 >= h->count || h->chain[cell] >= h->heap->objects)
		return 0;
	hops_label(h, cell, &label);
	if (label.kind != SNAP_LABEL_CELL)
		return 0;
	if (contents)
		return 1;
	text_add(out, HOPS_INTO "closure ");
	describe_string(out, h->heap, label.name);
	return 2;
}

/* Keyword-only defaults, and what a functools.partial adds. */
static uint32_t hops_keyword(struct text *out, const struct hops *h)
{
	struct heap_value key;

	if ((!hops_is_attr(h, h->at, "__kwdefaults__") &&
	     !hops_is_attr(h, h->at, "keywords")) ||
	    !hops_key(h, h->at + 1, &key))
		return 0;
	hops_add_key(out, "(", &key, "=\xe2\x80\xa6)");
	return 2;
}

/* The node that an object refers to by that attribute; HEAP_NONE: none. */
static uint32_t hops_attribute(const struct heap *heap, uint32_t object, const char *name)
{
	struct heap_span refs = heap_refs(heap, object);
	struct heap_label label;

	for (uint32_t slot = 0; slot < refs.count && slot < 64; slot++) {
		heap_label(heap, object, slot, &label);
		if (label.kind == SNAP_LABEL_ATTR &&
		    !strcmp(heap_string(heap, label.name, NULL), name))
			return refs.target[slot] < heap->objects ? refs.target[slot] :
								   HEAP_NONE;
	}
	return HEAP_NONE;
}

/* How many of a code object's variables are positional parameters; 0: not known. */
static uint64_t hops_parameters(const struct heap *heap, uint32_t function, uint32_t code,
				uint32_t names, uint64_t defaults)
{
	const uint32_t kinds = hops_attribute(heap, code, "co_localspluskinds");
	const uint32_t all = heap_refs(heap, names).count;
	struct heap_value v;
	uint64_t count = 0;

	if (heap_value(heap, function, &v) && v.kind == SNAP_VALUE_NAME && v.hash)
		return v.hash;
	if (kinds != HEAP_NONE && heap_value(heap, kinds, &v) && v.size == v.length)
		for (uint32_t i = 0; i < v.size; i++)
			count +=
				(v.text[i] & KIND_ARG_POS) && !(v.text[i] & KIND_ARG_VAR);
	return count ? count : all == defaults ? all : 0;
}

static uint32_t hops_default(struct text *out, const struct hops *h)
{
	const struct heap *heap = h->heap;
	struct heap_label label;
	struct heap_value name;

	if (!hops_is_attr(h, h->at, "__defaults__") || h->at + 2 >= h->count)
		return 0;
	hops_label(h, h->at + 1, &label);
	uint32_t code = hops_attribute(heap, h->chain[h->at], "__code__");
	if (label.kind != SNAP_LABEL_INDEX || code == HEAP_NONE)
		return 0;
	uint32_t names = hops_attribute(heap, code, "co_localsplusnames");
	if (names == HEAP_NONE)
		names = hops_attribute(heap, code, "co_varnames");
	if (names == HEAP_NONE)
		return 0;
	uint64_t defaults = heap_refs(heap, h->chain[h->at + 1]).count;
	uint64_t parameters =
		hops_parameters(heap, h->chain[h->at], code, names, defaults);
	uint64_t index = parameters - defaults + label.index;
	struct heap_span span = heap_refs(heap, names);

	if (parameters < defaults || index >= span.count ||
	    !heap_value(heap, span.target[index], &name))
		return 0;
	hops_add_key(out, "(", &name, "=\xe2\x80\xa6)");
	return 2;
}

/* The thread whose state, or its state's dict, has that object; 0: none. */
static uint32_t hops_thread_of(const struct heap *heap, uint32_t marker)
{
	for (uint32_t t = 1; t <= heap->threads; t++) {
		struct heap_span refs =
			heap_refs(heap, heap->objects + HEAP_SYNTH_GROUP_COUNT + t - 1);

		for (uint32_t i = 0; i < refs.count; i++)
			if (refs.target[i] == marker ||
			    (refs.target[i] < heap->objects &&
			     heap_kind(heap, refs.target[i]) == SNAP_KIND_DICT &&
			     heap_slot(heap, refs.target[i], marker) != HEAP_NONE))
				return t;
	}
	return 0;
}

/* What marks a thread in a threading.local's table: the key, or what it weakly refers to;
 * 0: not known. */
static uint32_t hops_marker(const struct heap *heap, uint32_t key)
{
	bool weak = false;

	if (heap_kind(heap, key) != SNAP_KIND_WEAKREF)
		return key;
	for (uint32_t i = 0; i < heap_refs(heap, key).count; i++) {
		const uint32_t marker = heap_target(heap, key, i, &weak);

		if (weak && marker < heap->objects)
			return marker;
	}
	return 0;
}

/* "(thread reader-3)": whose data chain[h->at + 2] is. */
static void hops_add_thread(struct text *out, const struct hops *h)
{
	struct heap_label label;
	uint32_t marker, thread;

	hops_label(h, h->at + 1, &label);
	if (label.kind != SNAP_LABEL_VALUE || label.key >= h->heap->objects)
		return;
	marker = hops_marker(h->heap, label.key);
	thread = marker ? hops_thread_of(h->heap, marker) : 0;
	if (!thread)
		return;
	text_add(out, "(");
	describe_thread(out, h->heap, thread);
	text_add(out, ")");
}

/* threading.local (Modules/_threadmodule.c): a dict of the attributes by what marks the
 * thread (3.13+; its state has the mark), or by a weak reference to it (its state's dict
 * has it).  A path may end at one thread's dict, or at all of them. */
static uint32_t hops_thread_local(struct text *out, const struct hops *h)
{
	struct heap_value key;

	if ((!hops_is_attr(h, h->at, "dummies") &&
	     !hops_is_attr(h, h->at, "localdicts")) ||
	    !kin_is(h->heap, heap_type_of(h->heap, h->chain[h->at]), "_thread._local"))
		return 0;
	if (h->at + 2 >= h->count) {
		text_add(out, "(of all threads)");
		return 1;
	}
	if (!hops_key(h, h->at + 2, &key)) {
		hops_add_thread(out, h);
		return 2;
	}
	hops_add_key(out, ".", &key, "");
	hops_add_thread(out, h);
	return 3;
}

static void hops_add_call(struct text *out, const struct heap *heap, uint32_t generator)
{
	struct heap_value name;

	if (heap_value(heap, generator, &name) && name.size)
		text_escape(out, name.text, name.size, NAME_LIMIT, 0);
	else
		describe_type(out, heap, heap_type_of(heap, generator));
	text_add(out, "()");
	calls_line(out, heap, generator, 0);
}

/* A frame's, generator's or coroutine's variable; the call was named before, unless it
 * is what the path begins with.  Up to 3.10 a generator has it by its frame. */
static uint32_t hops_local(struct text *out, const struct hops *h)
{
	const struct heap *heap = h->heap;
	const uint32_t from = h->chain[h->at];
	const bool call =
		from < heap->objects && heap_kind(heap, from) == SNAP_KIND_GENERATOR;
	const bool frame = call && h->at + 2 < h->count &&
		h->chain[h->at + 1] < heap->objects &&
		heap_kind(heap, h->chain[h->at + 1]) == SNAP_KIND_FRAME;
	struct heap_label label;

	hops_label(h, h->at + frame, &label);
	if (label.kind != SNAP_LABEL_LOCAL || from >= heap->objects)
		return 0;
	if (call && (!h->at || !hops_is_attr(h, h->at - 1, "_coro"))) {
		text_add(out, " = ");
		hops_add_call(out, heap, from);
	}
	text_add(out, HOPS_INTO);
	describe_string(out, heap, label.name);
	return 1 + frame;
}

/* "task fetch-3" */
void hops_add_task(struct text *out, const struct heap *heap, uint32_t task)
{
	static const char *const attributes[] = { "name", "_name", "task_name" };
	struct heap_value name;

	text_add(out, "task ");
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		uint32_t node = hops_attribute(heap, task, attributes[i]);

		/* a task nobody has named has a number until it is asked (3.12) */
		if (node != HEAP_NONE && heap_value(heap, node, &name) && name.size &&
		    (name.kind == SNAP_VALUE_STR || name.kind == SNAP_VALUE_INT)) {
			text_add(out, name.kind == SNAP_VALUE_INT ? "Task-" : "");
			text_escape(out, name.text, name.size, NAME_LIMIT, 0);
			return;
		}
	}
	describe_type(out, heap, heap_type_of(heap, task));
}

bool hops_is_task(const struct hops *h)
{
	return h->at + 1 < h->count && h->chain[h->at + 1] < h->heap->objects &&
		heap_kind(h->heap, h->chain[h->at + 1]) == SNAP_KIND_GENERATOR &&
		hops_is_attr(h, h->at, "_coro");
}

bool hops_names_task(const struct hops *h)
{
	const uint32_t type = heap_type_of(h->heap, h->chain[h->at]);

	/* their classes are called so, and it's quicker to see */
	return type && strstr(heap_type_name(h->heap, type), "Task") &&
		tasks_is_task(h->heap, h->chain[h->at]);
}

bool hops_is_loop(const struct hops *h)
{
	const uint32_t type = heap_type_of(h->heap, h->chain[h->at]);

	/* their classes are called so, and it's quicker to see */
	return type && strstr(heap_type_name(h->heap, type), "Loop") &&
		kin_is(h->heap, type,
		       "asyncio.events.AbstractEventLoop uvloop.Loop "
		       "uvloop.loop.Loop");
}

/* "task fetch-3 > child()" */
void hops_add_call_of_task(struct text *out, const struct hops *h)
{
	if (!h->example) {
		hops_add_task(out, h->heap, h->chain[h->at]);
		text_add(out, HOPS_INTO);
	}
	hops_add_call(out, h->heap, h->chain[h->at + 1]);
}

/* asyncio's task (Modules/_asynciomodule.c, Lib/asyncio/tasks.py): its name, then the
 * coroutine it runs. */
static uint32_t hops_task(struct text *out, const struct hops *h)
{
	if (!hops_is_task(h))
		return 0;
	text_add(out, h->example ? HOPS_INTO : " = ");
	hops_add_call_of_task(out, h);
	return 1;
}

/* How many edges lead from chain[at] to its attribute of that name; 0: these don't. */
static uint32_t hops_attr_edges(const struct hops *h, uint32_t at, const char *name)
{
	struct heap_label label;
	struct heap_value key;

	if (hops_is_attr(h, at, name))
		return 1;
	if (at + 2 >= h->count || h->chain[at] >= h->heap->objects)
		return 0;
	hops_label(h, at, &label);
	return (label.kind == SNAP_LABEL_DICT || hops_is_attr(h, at, "__dict__")) &&
			hops_key(h, at + 1, &key) && key.size == strlen(name) &&
			!memcmp(key.text, name, key.size) ?
		2 :
		0;
}

/* The edges from chain[at] to an item of a list or deque that it has. */
static uint32_t hops_item_edges(const struct hops *h, uint32_t at, const char *name)
{
	const uint32_t edges = hops_attr_edges(h, at, name);
	struct heap_label label;

	if (!edges || at + edges + 1 >= h->count)
		return 0;
	hops_label(h, at + edges, &label);
	return label.kind == SNAP_LABEL_INDEX ? edges + 1 : 0;
}

/* " > timer Timeout._on_timeout", of what will be called. */
static void hops_add_callback(struct text *out, const struct heap *heap, const char *what,
			      uint32_t callback)
{
	struct heap_value name;

	text_add(out, HOPS_INTO);
	text_add(out, what);
	if (callback < heap->objects && heap_value(heap, callback, &name) && name.size) {
		text_add(out, " ");
		text_escape(out, name.text, name.size, NAME_LIMIT, 0);
	}
}

/* What an event loop will call, at a time or soon (Lib/asyncio/base_events.py). */
static uint32_t hops_timer(struct text *out, const struct hops *h)
{
	const uint32_t timer = hops_item_edges(h, h->at, "_scheduled");
	const uint32_t edges = timer ? timer : hops_item_edges(h, h->at, "_ready");

	if (!edges || !hops_is_loop(h))
		return 0;
	hops_add_callback(out, h->heap, timer ? "timer" : "soon",
			  hops_attribute(h->heap, h->chain[h->at + edges], "_callback"));
	return edges;
}

/* What a future calls when it is done: the first has a place of its own, others are in a
 * list, with their contexts.  A task's wakeup is the task that waits. */
static uint32_t hops_done(struct text *out, const struct hops *h)
{
	uint32_t edges = hops_attr_edges(h, h->at, "callback0");
	struct hops next = *h;

	if (!edges && (edges = hops_item_edges(h, h->at, "_callbacks")))
		edges++;
	if (!edges || h->at + edges >= h->count)
		return 0;
	next.at = h->at + edges;
	if (next.at + 1 < h->count && hops_is_attr(h, next.at, "__self__")) {
		next.at++;
		if (hops_names_task(&next)) {
			text_add(out, HOPS_INTO "waiter");
			/* else that step says which */
			if (!h->example && !hops_is_task(&next)) {
				text_add(out, " = ");
				hops_add_task(out, h->heap, h->chain[next.at]);
			}
			return edges + 1;
		}
	}
	hops_add_callback(out, h->heap, "done callback", h->chain[h->at + edges]);
	return edges;
}

/* A Context's variable, over the trie that has it (analysis/context_var.h). */
static uint32_t hops_context(struct text *out, const struct hops *h)
{
	const bool context = hops_is_attr(h, h->at, "ctx_vars");
	uint32_t at = h->at + context;
	struct heap_value value;

	if (!context && !context_var_is_trie(h->heap, h->chain[h->at]))
		return 0;
	while (at + 1 < h->count && at + 1 < h->at + HOPS_LONGEST &&
	       context_var_is_trie(h->heap, h->chain[at + 1]))
		at++;
	if (at + 1 >= h->count)
		return 0;
	uint32_t variable = context_var_of(h->heap, h->chain[at], h->chain[at + 1]);
	uint32_t name =
		variable == HEAP_NONE ? HEAP_NONE : context_var_name(h->heap, variable);
	if (name == HEAP_NONE || !heap_value(h->heap, name, &value))
		return 0;
	hops_add_key(out, "[ContextVar ", &value, "]");
	return at + 1 - h->at;
}

/* An event loop's timers, and futures' callbacks, may lie in an instance's __dict__: they
 * come before what that is called in general. */
static uint32_t (*const rules[])(struct text *, const struct hops *) = {
	hops_timer,   hops_done, hops_dict,	    hops_closure, hops_keyword,
	hops_default, hops_task, hops_thread_local, hops_local,	  hops_context,
};

uint32_t hops_write(struct text *out, const struct hops *hops)
{
	struct heap_label here;
	struct hops h = *hops;

	assert(h.at + 1 < h.count);
	hops_label(hops, h.at, &here);
	h.here = &here; /* each rule asks for it */
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		uint32_t taken = rules[i](out, &h);

		assert(taken <= HOPS_LONGEST);
		if (taken)
			return taken;
	}
	return 0;
}
