/* SPDX-License-Identifier: MIT */
/* cause - how the rules are applied (cause.h). */
#include "viewer/report/cause.h"

#include <string.h>

#include "viewer/analysis/ended_threads.h"
#include "viewer/analysis/kin.h"
#include "viewer/analysis/tasks.h"
#include "viewer/analysis/weak_dict.h"
#include "viewer/model/attribute.h"
#include "viewer/name/describe.h"
#include "viewer/name/hops.h"
#include "viewer/report/allocator_text.h"
#include "viewer/report/chunks_text.h"
#include "viewer/report/suspect_members.h"
#include "viewer/report/suspect_text.h"

enum {
	CAUSE_STEPS = 64,
	CAUSE_MEMBERS = 4096, /* that are looked at */
	CAUSE_CLASSES = 200   /* so many are no module's own */
};

struct cause_path {
	const struct analysis *a;
	const struct suspect *s;
	uint32_t node; /* where the members are seen, HEAP_NONE: nowhere */
	uint32_t step[CAUSE_STEPS], count; /* from it up to */
	/* the innermost module, class, function, frame or event loop, or the group */
	uint32_t space;
};

/* How a loop is found (a frame, a threading.local) tells nothing. */
static bool cause_is_loop(const struct heap *heap, uint32_t node)
{
	const struct hops hops = { .heap = heap, .chain = &node, .count = 1 };

	return node < heap->objects && hops_is_loop(&hops);
}

static bool cause_is_space(const struct heap *heap, uint32_t node)
{
	if (node >= heap->objects)
		return node != heap_root(heap) && !heap_is_native(heap, node);
	return heap_kind(heap, node) == SNAP_KIND_MODULE ||
		heap_kind(heap, node) == SNAP_KIND_TYPE ||
		heap_kind(heap, node) == SNAP_KIND_FUNCTION;
}

static void cause_walk_up(struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	uint32_t at = p->node;

	p->count = 0;
	p->space = HEAP_NONE;
	while (at != HEAP_NONE && at != heap_root(heap) && p->space == HEAP_NONE) {
		if (p->count < CAUSE_STEPS)
			p->step[p->count++] = at;
		/* a class that is a suspect itself is reached from its module */
		if ((at != p->node && cause_is_space(heap, at)) ||
		    cause_is_loop(heap, at))
			p->space = at;
		at = analysis_parent(p->a, at);
	}
	if (p->space == HEAP_NONE && p->count)
		p->space = p->step[p->count - 1];
}

/* Timers of asyncio (Lib/asyncio/events.py) that nobody waits for any more. */
static bool cause_is_cancelled(const struct heap *heap, uint32_t timer)
{
	return attribute_true(heap, timer, "_cancelled");
}

static bool cause_is_traced(const struct heap *heap, uint32_t exception)
{
	const uint32_t trace = attribute_of(heap, exception, "__traceback__");

	return trace < heap->objects && heap_kind(heap, trace) == SNAP_KIND_TRACEBACK;
}

/* Forms of suspects of which most members are such. */
static const struct {
	enum cause_form form;
	const char *types;
	bool (*is)(const struct heap *, uint32_t member);
} cause_states[] = {
	{ CAUSE_CANCELLED, "asyncio.events.Handle", cause_is_cancelled },
	{ CAUSE_DONE,
	  "_asyncio.Task asyncio.tasks.Task greenlet.greenlet _greenlet.greenlet",
	  tasks_has_ended },
	{ CAUSE_ENDED, "threading.Thread", ended_threads_is_gone },
	{ CAUSE_TRACED, "builtins.BaseException", cause_is_traced },
};

/* One that is looked at where the members aren't seen in one place. */
static uint32_t cause_example(const struct cause_path *p)
{
	const uint32_t node = p->s->inside_steps ? p->s->inside[0] :
		p->s->chain			 ? p->s->point :
						   p->s->top;

	return node < p->a->heap->objects &&
			heap_namesake_of(p->a->heap, node) == p->s->member_type ?
		node :
		HEAP_NONE;
}

static bool cause_most_are(const struct cause_path *p, enum cause_form form)
{
	const struct heap *heap = p->a->heap;
	struct heap_span refs = { 0 };
	uint64_t all = 0, such = 0;
	size_t i = 0;

	while (cause_states[i].form != form)
		i++;
	if (!kin_is(heap, p->s->member_type, cause_states[i].types))
		return false;
	if (p->node < heap->objects && !p->s->chain)
		refs = heap_refs(heap, p->node);
	for (uint32_t k = 0; k < refs.count && all < CAUSE_MEMBERS; k++) {
		const uint32_t member = refs.target[k];

		if (member >= heap->objects ||
		    heap_namesake_of(heap, member) != p->s->member_type)
			continue;
		all++;
		such += cause_states[i].is(heap, member);
	}
	const uint32_t example = all ? HEAP_NONE : cause_example(p);
	return example != HEAP_NONE ? cause_states[i].is(heap, example) : 2 * such > all;
}

/* Do most of weakref.finalize's callbacks, in its registry, keep what they wait for? */
static bool cause_is_finalizer(const struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	uint64_t all = 0, such = 0;

	if (p->node >= heap->objects ||
	    !kin_is(heap, p->s->member_type, "weakref.finalize._Info"))
		return false;
	const struct heap_span refs = heap_refs(heap, p->node);
	for (uint32_t k = 0; k < refs.count && all < CAUSE_MEMBERS; k++) {
		if (refs.target[k] >= heap->objects ||
		    heap_namesake_of(heap, refs.target[k]) != p->s->member_type)
			continue;
		const uint32_t ref = attribute_of(heap, refs.target[k], "weakref");

		all++;
		such += ref < heap->objects && weak_dict_keeps(p->a, p->node, ref);
	}
	return 2 * such > all;
}

/* What an object has in an attribute, so called by its type. */
static const struct {
	enum cause_form form;
	const char *types, *attribute;
} cause_parts[] = {
	{ CAUSE_CALLBACKS, "_asyncio.Future asyncio.futures.Future", "_callbacks" },
	{ CAUSE_WAITERS,
	  "asyncio.locks.Lock asyncio.locks.Semaphore asyncio.locks.Condition "
	  "asyncio.locks.Event",
	  "_waiters" },
	{ CAUSE_UNSENT, "asyncio.transports.BaseTransport", "_buffer" },
	{ CAUSE_UNSENT, "tornado.iostream.BaseIOStream", "_write_buffer" },
	{ CAUSE_UNSENT, "twisted.internet.abstract.FileDescriptor", "_tempDataBuffer" },
	{ CAUSE_UNSENT, "asyncore.dispatcher_with_send", "out_buffer" },
	{ CAUSE_UNSENT, "asynchat.async_chat", "producer_fifo" },
	{ CAUSE_UNREAD, "asyncio.streams.StreamReader aiohttp.streams.StreamReader",
	  "_buffer" },
	{ CAUSE_UNREAD, "tornado.iostream.BaseIOStream", "_read_buffer" },
	{ CAUSE_QUERIES, "django.db.backends.base.base.BaseDatabaseWrapper",
	  "queries_log" },
	{ CAUSE_VIEWS, "numpy.ndarray", "base" },
};

static bool cause_has_part(const struct heap *heap, enum cause_form form, uint32_t node,
			   uint32_t part)
{
	if (node >= heap->objects)
		return false;
	for (size_t i = 0; i < sizeof(cause_parts) / sizeof(cause_parts[0]); i++)
		if (cause_parts[i].form == form &&
		    kin_is(heap, heap_type_of(heap, node), cause_parts[i].types) &&
		    attribute_of(heap, node, cause_parts[i].attribute) == part)
			return true;
	return false;
}

/* Is the container such a part of what is right above it, or most of each member in
 * such a part of it, a __dict__ between or not? */
static bool cause_is_part(const struct cause_path *p, enum cause_form form)
{
	const struct heap *heap = p->a->heap;
	const struct suspect *s = p->s;

	for (uint32_t k = 1; k < p->count && k <= 2; k++)
		if (cause_has_part(heap, form, p->step[k], p->node))
			return true;
	for (uint32_t i = 0; i < s->inside_steps; i++)
		for (uint32_t k = i + 1; k < s->inside_steps && k <= i + 2; k++)
			if (cause_has_part(heap, form, s->inside[i], s->inside[k]))
				return true;
	return false;
}

/* Does the first member's array span less than half of the one that it is a view of? */
static bool cause_is_view(const struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	const struct snap_buffer *b = heap->buffer.data;
	const struct suspect *s = p->s;

	if (!cause_is_part(p, CAUSE_VIEWS))
		return false;
	for (size_t i = 0; i < VEC_COUNT(heap->buffer, struct snap_buffer); i++)
		for (uint32_t k = 0; k + 1 < s->inside_steps; k++)
			if (b[i].flags & SNAP_BUFFER_VIEW &&
			    s->inside[k] < heap->objects &&
			    b[i].object == heap_address(heap, s->inside[k]))
				return heap_shallow(heap, s->inside[k + 1]) / 2 >=
					b[i].length;
	return false;
}

static bool cause_is_exception(const struct heap *heap, uint32_t node)
{
	return node < heap->objects && heap_kind(heap, node) == SNAP_KIND_EXCEPTION;
}

static bool cause_is_context(const struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	const uint32_t first = p->s->point;

	return p->s->chain && cause_is_exception(heap, first) &&
		(cause_is_exception(heap, attribute_of(heap, first, "__context__")) ||
		 cause_is_exception(heap, attribute_of(heap, first, "__cause__")));
}

/* Classes among the variables of a module, so few that it defines or imports them. */
static bool cause_is_defined(const struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	uint32_t node = p->node;

	if (!p->s->member_type || p->s->member_count > CAUSE_CLASSES ||
	    heap_type(heap, p->s->member_type)->kind != SNAP_KIND_TYPE)
		return false;
	if (node < heap->objects && heap_kind(heap, node) == SNAP_KIND_DICT)
		node = analysis_parent(p->a, node);
	return node < heap->objects && heap_kind(heap, node) == SNAP_KIND_MODULE;
}

/* Is the point a module, or its dict: its variables, not what somebody collects? */
static bool cause_is_namespace(const struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	uint32_t node = p->node;

	if (node < heap->objects && heap_kind(heap, node) == SNAP_KIND_DICT)
		node = analysis_parent(p->a, node);
	return node < heap->objects && heap_kind(heap, node) == SNAP_KIND_MODULE &&
		attribute_of(heap, node, "__name__") < heap->objects;
}

/* The innermost weak dictionary on the path: do most of its entries keep themselves? */
static bool cause_is_self_held(const struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	uint64_t entries;
	uint32_t i = 0;

	while (i < p->count &&
	       (p->step[i] >= heap->objects ||
		!kin_is(heap, heap_type_of(heap, p->step[i]), WEAK_DICT_TYPES)))
		i++;
	return i < p->count &&
		2 * weak_dict_self_held(p->a, p->step[i], CAUSE_MEMBERS, &entries) >
		entries;
}

/* Is the object such a class, or derived from one? */
static bool cause_is_class(const struct heap *heap, uint32_t node, const char *types)
{
	for (uint32_t t = 1; heap_kind(heap, node) == SNAP_KIND_TYPE && t <= heap->types;
	     t++)
		if (heap_type(heap, t)->node == node)
			return kin_is(heap, t, types);
	return false;
}

/* The root of what iterparse reads, or what is below it.  Since 3.8 its iterator is of a
 * class of its own (Lib/xml/etree/ElementTree.py). */
static bool cause_is_parsed(const struct cause_path *p)
{
	const struct heap *heap = p->a->heap;
	bool reader = false;

	if (!kin_is(heap, p->s->member_type,
		    "xml.etree.ElementTree.Element lxml.etree._Element"))
		return false;
	for (uint32_t i = 0; i < p->count && !reader; i++) {
		const uint32_t at = p->step[i];

		reader = at < heap->objects &&
			(kin_is(heap, heap_type_of(heap, at),
				"xml.etree.ElementTree.XMLParser "
				"xml.etree.ElementTree.TreeBuilder "
				"xml.etree.ElementTree.XMLPullParser "
				"xml.etree.ElementTree._IterParseIterator "
				"lxml.etree.iterparse lxml.etree.XMLPullParser") ||
			 cause_is_class(heap, at,
					"xml.etree.ElementTree.iterparse.<locals>."
					"IterParseIterator"));
	}
	return reader;
}

/* Forms that take more to see. */
static bool (*const cause_forms[])(const struct cause_path *) = {
	[CAUSE_VIEWS] = cause_is_view,		[CAUSE_SELF_HELD] = cause_is_self_held,
	[CAUSE_FINALIZER] = cause_is_finalizer, [CAUSE_CONTEXT] = cause_is_context,
	[CAUSE_DEFINED] = cause_is_defined,	[CAUSE_PARSED] = cause_is_parsed,
	[CAUSE_NAMESPACE] = cause_is_namespace,
};

static bool cause_has_form(const struct cause_path *p, enum cause_form form)
{
	const struct suspect *s = p->s;
	const struct heap *heap = p->a->heap;

	switch (form) {
	case CAUSE_USUAL:
		return s->usual;
	case CAUSE_VARIABLE:
		return s->by_variable;
	case CAUSE_RECURSION:
		return s->frames > 1;
	case CAUSE_CALL:
		return s->frames == 1;
	case CAUSE_WRAPPED:
		return s->chain && s->member_type &&
			heap_type(heap, s->member_type)->kind == SNAP_KIND_FUNCTION;
	case CAUSE_CALLBACKS:
	case CAUSE_WAITERS:
	case CAUSE_UNSENT:
	case CAUSE_UNREAD:
	case CAUSE_QUERIES:
		return cause_is_part(p, form);
	case CAUSE_CHAIN:
		return s->chain;
	case CAUSE_TREE:
		return s->tree;
	case CAUSE_NATIVE:
		return s->point < heap->nodes && heap_is_native(heap, s->point);
	case CAUSE_SCATTERED:
		return s->point == HEAP_NONE;
	case CAUSE_CANCELLED:
	case CAUSE_DONE:
	case CAUSE_ENDED:
	case CAUSE_TRACED:
		return cause_most_are(p, form);
	case CAUSE_EMPTIED:
		return !s->group && !s->chain && !s->by_variable &&
			suspect_members_emptied(heap, p->node, s);
	case CAUSE_VIEWS:
	case CAUSE_SELF_HELD:
	case CAUSE_FINALIZER:
	case CAUSE_CONTEXT:
	case CAUSE_DEFINED:
	case CAUSE_PARSED:
	case CAUSE_NAMESPACE:
		return cause_forms[form](p);
	}
	return false;
}

static bool cause_step_fits(const struct heap *heap, uint32_t at,
			    const struct cause *rule)
{
	if (rule->where == CAUSE_ROOT)
		return at >= heap->objects && !heap_is_native(heap, at) &&
			heap_synth(heap, at)->kind == rule->value;
	if (at >= heap->objects)
		return false;
	if (rule->where == CAUSE_PATH_KIND)
		return heap_kind(heap, at) == rule->value;
	return kin_is(heap, heap_type_of(heap, at), rule->types);
}

static bool cause_on_path(const struct cause_path *p, const struct cause *rule)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (cause_step_fits(p->a->heap, p->step[i], rule))
			return true;
	return false;
}

static bool cause_is_atexit(const struct heap *heap, uint32_t node)
{
	struct heap_value name;

	return node < heap->objects && heap_kind(heap, node) == SNAP_KIND_MODULE &&
		heap_value(heap, node, &name) && name.size == 6 &&
		!memcmp(name.text, "atexit", 6);
}

/* Most of each member is in such an object.  The frame of a generator (up to 3.10 an
 * object) is part of that. */
static bool cause_is_inside(const struct cause_path *p, unsigned kind)
{
	const struct heap *heap = p->a->heap;
	unsigned before = SNAP_KIND_NONE, at;

	for (uint32_t i = 0; i < p->s->inside_steps; i++, before = at) {
		at = p->s->inside[i] < heap->objects ? heap_kind(heap, p->s->inside[i]) :
						       SNAP_KIND_NONE;
		if (at == kind &&
		    (at != SNAP_KIND_FRAME || before != SNAP_KIND_GENERATOR))
			return true;
	}
	return false;
}

/* The group itself; of atexit since 3.14 its list, up to 3.9 the module, which has them
 * in its state (Modules/atexitmodule.c). */
static bool cause_is_group(const struct cause_path *p, enum heap_synth_kind kind)
{
	const struct heap *heap = p->a->heap;
	const uint32_t group = heap_group(heap, kind);

	if (p->s->point == group)
		return true;
	if (kind != HEAP_SYNTH_ATEXIT || p->node >= heap->objects)
		return false;
	return cause_is_atexit(heap, p->node) ||
		(heap_kind(heap, p->node) == SNAP_KIND_LIST &&
		 analysis_parent(p->a, p->node) == group);
}

static const char *cause_whose(const struct heap *heap, const struct suspect *s)
{
	if (s->memory == SUSPECT_FREE)
		return s->pymalloc ? "pymalloc" : allocator_text_name(heap);
	return s->memory == SUSPECT_UNEXPLAINED && chunks_text_traces(heap) ?
		"tracemalloc" :
		"";
}

/* Is the rule's what the members are, or what they, being containers, are full of? */
static bool cause_is_member(const struct cause_path *p, const struct cause *rule)
{
	const struct suspect *s = p->s;
	const uint32_t types[] = { s->member_type,
				   s->inside_steps ? 0 : s->content_type };

	for (size_t i = 0; i < 2; i++)
		if (types[i] &&
		    (rule->where == CAUSE_MEMBER_TYPE ?
			     kin_is(p->a->heap, types[i], rule->types) :
			     heap_type(p->a->heap, types[i])->kind == rule->value))
			return true;
	return false;
}

static bool cause_fits(const struct cause_path *p, const struct cause *rule)
{
	const struct heap *heap = p->a->heap;
	const struct suspect *s = p->s;
	const bool object = p->node < heap->objects;

	if (s->memory != SUSPECT_HELD || rule->where == CAUSE_MEMORY)
		return rule->where == CAUSE_MEMORY && s->memory == rule->value &&
			(!rule->types || !strcmp(cause_whose(heap, s), rule->types));
	switch (rule->where) {
	case CAUSE_MEMORY:
		return false;
	case CAUSE_FORM:
		return (!rule->types ||
			kin_is(p->a->heap, p->s->member_type, rule->types)) &&
			cause_has_form(p, rule->value);
	case CAUSE_GROUP:
		return cause_is_group(p, rule->value);
	case CAUSE_MEMBER_TYPE:
	case CAUSE_MEMBER_KIND:
		return cause_is_member(p, rule);
	case CAUSE_INSIDE_KIND:
		return cause_is_inside(p, rule->value);
	case CAUSE_PATH_TYPE:
	case CAUSE_PATH_KIND:
	case CAUSE_ROOT:
		return cause_on_path(p, rule);
	case CAUSE_NODE_TYPE:
		return object && kin_is(heap, heap_type_of(heap, p->node), rule->types);
	case CAUSE_NODE_KIND:
		return object && heap_kind(heap, p->node) == rule->value;
	case CAUSE_ANY:
		return true;
	}
	return false;
}

const struct cause *cause_of(const struct analysis *analysis, const struct suspect *s)
{
	struct cause_path path = { .a = analysis, .s = s, .node = suspect_node(s) };
	const struct cause *rule = cause_table;

	cause_walk_up(&path);
	while (!cause_fits(&path, rule))
		rule++;
	return rule;
}

/* ---- from where it is reached ---- */

static const char *const cause_groups[HEAP_SYNTH_GROUP_COUNT] = {
	[HEAP_SYNTH_MODULES] = "sys.modules",
	[HEAP_SYNTH_THREADS] = "a thread",
	[HEAP_SYNTH_INTERPRETER] = "the interpreter's own state",
	[HEAP_SYNTH_ATEXIT] = "what is registered to be called at exit",
	[HEAP_SYNTH_STATIC_TYPES] = "a type of the interpreter or of an extension",
	[HEAP_SYNTH_C_STATIC] = "a static variable of C code",
	[HEAP_SYNTH_OTHER] = "the interpreter",
	[HEAP_SYNTH_INTERNED] = "the table of interned strings",
	[HEAP_SYNTH_IMMORTAL] = "nothing that is known, and never freed (immortal)",
	[HEAP_SYNTH_UNKNOWN] = "C code that can't be seen into",
	[HEAP_SYNTH_GARBAGE] =
		"nothing any more: it is garbage that hasn't been collected",
};

static void cause_reached_object(struct text *out, const struct analysis *a,
				 uint32_t node)
{
	static const struct {
		unsigned kind;
		const char *before;
	} words[] = { { SNAP_KIND_MODULE, "a variable of the module " },
		      { SNAP_KIND_TYPE, "an attribute of the class " },
		      { SNAP_KIND_FUNCTION,
			"a default, attribute or closure of the "
			"function " } };

	struct text path = { 0 };
	const char *name;

	if (cause_is_loop(a->heap, node)) {
		text_add(out, "an event loop");
		return;
	}
	describe_path(&path, a, node);
	name = text_get(&path);
	name += strncmp(name, "module ", 7) ? 0 : 7;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (heap_kind(a->heap, node) == words[i].kind) {
			text_add(out, words[i].before);
			text_add(out, name);
		}
	text_free(&path);
}

void cause_reached(struct text *out, const struct analysis *analysis,
		   const struct suspect *s)
{
	const struct heap *heap = analysis->heap;
	struct cause_path p = { .a = analysis, .s = s, .node = suspect_node(s) };

	if (s->memory != SUSPECT_HELD || s->point == HEAP_NONE || s->by_variable)
		return;
	cause_walk_up(&p);
	if (p.space < heap->objects) {
		cause_reached_object(out, analysis, p.space);
		return;
	}
	if (p.space == HEAP_NONE || heap_is_native(heap, p.space))
		return;
	const struct heap_synth *synth = heap_synth(heap, p.space);
	if (synth->kind == HEAP_SYNTH_FRAME) {
		text_add(out, "a local variable of the running call ");
		describe_frame(out, heap, synth->ref);
		text_add(out, " of ");
		describe_thread(out, heap,
				VEC(heap->frame, struct snap_frame)[synth->ref].thread);
	} else if (synth->kind == HEAP_SYNTH_THREAD) {
		text_add(out, "the state of ");
		describe_thread(out, heap, synth->ref);
	} else if (synth->kind < HEAP_SYNTH_GROUP_COUNT && cause_groups[synth->kind]) {
		text_add(out, cause_groups[synth->kind]);
	}
}
