/* SPDX-License-Identifier: MIT */
/*
 * name - whole, cut, or by the last steps (name.h).
 *
 * A third of what is kept of a long name is its beginning: it says where one is (module,
 * thread), the rest what it is.
 */
#include "viewer/name/name.h"

#include <assert.h>
#include <string.h>

#include "formats/text/escape.h"
#include "viewer/name/describe.h"
#include "viewer/name/hops.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define LOCAL " local "
#define CLOSURE " closure " /* a coroutine's, by its frame */
#define CALL " = "	    /* of a coroutine, and what follows */

enum {
	NAME_HOPS = 6,
	NAME_STEPS = 4,
	NAME_ENDS = 8 /* below that there is no room for two ends */
};

size_t name_length(const char *text)
{
	size_t count = 0, size = strlen(text), len;

	for (size_t at = 0; at < size; at += len, count++)
		escape_decode(text + at, size - at, &len);
	return count;
}

/* The byte at which that many characters end. */
static size_t name_offset(const char *text, size_t characters)
{
	size_t size = strlen(text), at = 0, len;

	for (; characters && at < size; characters--) {
		escape_decode(text + at, size - at, &len);
		at += len;
	}
	return at;
}

void name_cut(struct text *out, const char *text, size_t width)
{
	size_t length = name_length(text), head = width / 3;

	assert(width > 0);
	if (length <= width) {
		text_add(out, text);
		return;
	}
	if (width < NAME_ENDS)
		head = width > 1 ? width - 1 : 0;
	text_add_bytes(out, text, name_offset(text, head));
	text_add(out, ELLIPSIS);
	text_add(out, text + name_offset(text, length - (width - head - 1)));
}

void name_full(struct text *out, const struct analysis *a, uint32_t node)
{
	size_t before = text_len(out);

	assert(node < a->heap->nodes);
	describe_path(out, a, node);
	if (text_len(out) == before)
		describe_node(out, a->heap, node);
}

void name_type(struct text *out, const struct heap *heap, uint32_t type)
{
	size_t size;
	const char *name = heap_string(heap, heap_type(heap, type)->name, &size);
	/* "f.<locals>.C" is C, too; what ends in a point is shown as it is */
	const char *point = size ? memrchr(name, '.', size - 1) : NULL;

	if (point)
		size -= (size_t)(point + 1 - name);
	text_escape(out, point ? point + 1 : name, size, 100, 0);
}

void name_kind(struct text *out, const struct heap *heap, uint32_t node, size_t limit)
{
	if (node >= heap->objects)
		return;
	name_type(out, heap, heap_type_of(heap, node));
	size_t before = text_len(out);
	text_add(out, " ");
	describe_value(out, heap, node, limit);
	if (text_len(out) == before + 1) { /* no value: no space */
		struct text whole = { 0 };

		text_add_bytes(&whole, text_get(out), before);
		text_clear(out);
		text_add(out, text_get(&whole));
		text_free(&whole);
	}
}

/* The step from holder to node, over a dict between them. False: there is none. */
static bool name_step_write(struct text *out, const struct analysis *a, uint32_t holder,
			    uint32_t node)
{
	const struct heap *heap = a->heap;
	uint32_t parent = analysis_parent(a, node);
	uint32_t chain[3] = { holder, node, 0 };
	struct hops hops = { .heap = heap, .chain = chain, .count = 2 };
	uint32_t slot = heap_slot(heap, holder, node);
	size_t before = text_len(out);

	if (slot == HEAP_NONE && parent != HEAP_NONE &&
	    heap_slot(heap, holder, parent) != HEAP_NONE) {
		chain[1] = parent;
		chain[2] = node;
		hops.count = 3;
		if (hops_write(out, &hops) == 2)
			return true;
		return false;
	}
	if (slot == HEAP_NONE)
		return false;
	if (holder < heap->objects && hops_write(out, &hops))
		return true;
	describe_edge(out, heap, holder, slot);
	return text_len(out) > before;
}

/* What a step's text is without its holder before it: "rows" of " = gen() > rows". */
static void name_step_alone(struct text *out, const char *step)
{
	for (const char *into; (into = strstr(step, HOPS_INTO));)
		step = into + sizeof(HOPS_INTO) - 1;
	text_add(out, step + (step[0] == '.' || step[0] == ' '));
}

void name_step(struct text *out, const struct analysis *a, uint32_t holder, uint32_t node)
{
	struct text step = { 0 };

	assert(holder < a->heap->nodes && node < a->heap->nodes);
	if (name_step_write(&step, a, holder, node))
		name_step_alone(out, text_get(&step));
	else if (node < a->heap->objects)
		name_type(out, a->heap, heap_type_of(a->heap, node));
	else
		describe_node(out, a->heap, node);
	text_free(&step);
}

/* Whether a chain is one step, which is written: what follows it has no words (from a
 * closure's cell to its contents). */
static bool name_is_step(struct text *step, const struct heap *heap,
			 const uint32_t *chain, uint32_t count)
{
	struct hops hops = { .heap = heap, .chain = chain, .count = count };
	size_t length = 0;

	text_clear(step);
	while (hops.at + 1 < count) {
		const uint32_t taken = hops_write(step, &hops);

		if (!taken || (length && text_len(step) > length))
			return false;
		length = text_len(step);
		hops.at += taken;
	}
	return length > 0;
}

/* What refers to a node on its path, by what is one step in Python (hops.h), and how:
 * ".data", "['a']". */
static uint32_t name_owner(struct text *step, const struct analysis *a, uint32_t node)
{
	uint32_t chain[NAME_HOPS + 1], above = 0;

	chain[NAME_HOPS] = node;
	for (uint32_t n = node; above < NAME_HOPS; above++) {
		n = analysis_parent(a, n);
		if (n == HEAP_NONE || n == heap_root(a->heap))
			break;
		chain[NAME_HOPS - above - 1] = n;
	}
	for (; above > 1; above--) {
		const uint32_t *from = chain + NAME_HOPS - above;

		if (*from < a->heap->objects &&
		    name_is_step(step, a->heap, from, above + 1))
			return *from;
	}
	text_clear(step);
	return above && name_step_write(step, a, chain[NAME_HOPS - 1], node) ?
		chain[NAME_HOPS - 1] :
		HEAP_NONE;
}

/* The name that a module or class has for an object, "fib"; nothing where neither has
 * it. */
static void name_given(struct text *out, const struct analysis *a, uint32_t node)
{
	struct text step = { 0 };
	const uint32_t owner = name_owner(&step, a, node);

	if (owner < a->heap->objects && text_get(&step)[0] == '.' &&
	    (heap_kind(a->heap, owner) == SNAP_KIND_MODULE ||
	     heap_kind(a->heap, owner) == SNAP_KIND_TYPE))
		text_add(out, text_get(&step) + 1);
	text_free(&step);
}

/* Appends a module's name, "shop.cache". */
static void name_module(struct text *out, const struct analysis *a, uint32_t node)
{
	static const char word[] = "module ";
	struct text text = { 0 };
	const char *name;

	name_full(&text, a, node);
	name = text_get(&text);
	text_add(out,
		 strncmp(name, word, sizeof(word) - 1) ? name : name + sizeof(word) - 1);
	text_free(&text);
}

/* Appends what an owner is called where its path has no room: "Session", "cache", "f". */
static void name_owner_text(struct text *out, const struct analysis *a, uint32_t owner)
{
	const struct heap *heap = a->heap;
	struct text text = { 0 };
	const char *last;
	unsigned kind;

	if (owner >= heap->objects) {
		const bool frame = !heap_is_native(heap, owner) &&
			heap_synth(heap, owner)->kind == HEAP_SYNTH_FRAME;

		if (frame) /* without its file */
			describe_string(
				out, heap,
				VEC(heap->frame,
				    struct snap_frame)[heap_synth(heap, owner)->ref]
					.function);
		else
			describe_node(out, heap, owner);
		return;
	}
	kind = heap_kind(heap, owner);
	if (kind == SNAP_KIND_MODULE)
		name_module(&text, a, owner);
	else if (kind == SNAP_KIND_TYPE || kind == SNAP_KIND_FUNCTION)
		describe_value(&text, heap, owner, 0);
	if (!text_len(&text))
		name_given(&text, a, owner);
	last = text_len(&text) > 1 ? memrchr(text_get(&text), '.', text_len(&text) - 1) :
				     NULL;
	if (text_len(&text))
		text_add(out, last ? last + 1 : text_get(&text));
	else
		name_type(out, heap, heap_type_of(heap, owner));
	text_free(&text);
}

/* Whether a step from such an owner is no name: more of the way is needed. */
static bool name_is_unnamed(const struct heap *heap, uint32_t owner, const char *step)
{
	const unsigned kind =
		owner < heap->objects ? heap_kind(heap, owner) : SNAP_KIND_OBJECT;

	return (step[0] == '[' && kind != SNAP_KIND_OBJECT) || kind == SNAP_KIND_CELL ||
		kind == SNAP_KIND_METHOD;
}

/* "sessions[3]" of "shop.cache.STORE['sessions'][3]": up to the first step that is a
 * name. A cell is called as what is in it. */
static void name_brief_step(struct text *out, const struct analysis *a, uint32_t node)
{
	struct text step = { 0 }, below = { 0 };
	uint32_t owner = node;

	for (unsigned i = 0; i < NAME_STEPS; i++) {
		text_clear(&step);
		owner = name_owner(&step, a, node);
		if (owner == HEAP_NONE)
			break;
		const bool more = name_is_unnamed(a->heap, owner, text_get(&step));
		if (owner >= a->heap->objects ||
		    heap_kind(a->heap, owner) != SNAP_KIND_CELL) {
			text_add(&step, text_get(&below));
			text_clear(&below);
			text_add(&below, text_get(&step));
		}
		node = owner;
		if (!more)
			break;
	}
	const char *const whole = text_get(&below);
	if (owner == HEAP_NONE) {
		name_owner_text(out, a, node);
	} else if (!strncmp(whole, CALL, sizeof(CALL) - 1)) {
		text_add(out, whole + sizeof(CALL) - 1);
	} else {
		const size_t local = !strncmp(whole, LOCAL, sizeof(LOCAL) - 1) ?
			sizeof(LOCAL) - 1 :
			!strncmp(whole, CLOSURE, sizeof(CLOSURE) - 1) ? 1 :
									0;

		name_owner_text(out, a, owner);
		if (local || (owner >= a->heap->objects && !strchr(" .[(", *whole)))
			text_add(out, HOPS_INTO);
		text_add(out, whole + local);
	}
	text_free(&step);
	text_free(&below);
}

/* Where that is still too long: the last step alone. A module without the word, an
 * element without its container, a name without what has it, but for names that all
 * modules and classes have. */
static void name_bare(struct text *name, const struct analysis *a, uint32_t node)
{
	struct text step = { 0 };
	const uint32_t owner = name_owner(&step, a, node);
	const char *own = text_get(&step);
	const char *const word = strrchr(own, ' ');

	if (word && !strpbrk(own, "[(.'\"")) /* " local x", "closure x" */
		own = word + 1;
	else if (own[0] == '.' && strncmp(own, ".__", 3) != 0)
		own++;
	if (heap_kind(a->heap, node) == SNAP_KIND_MODULE) {
		text_clear(name);
		name_module(name, a, node);
	} else if (owner != HEAP_NONE && *own && !strchr(" .(", *own)) {
		text_clear(name);
		text_add(name, own);
	}
	text_free(&step);
}

void name_brief(struct text *out, const struct analysis *a, uint32_t node, size_t width)
{
	const bool object = node < a->heap->objects;
	struct text whole = { 0 };

	name_full(&whole, a, node);
	if (name_length(text_get(&whole)) > width &&
	    (!object || heap_kind(a->heap, node) != SNAP_KIND_MODULE)) {
		text_clear(&whole);
		if (object)
			name_brief_step(&whole, a, node);
		else
			describe_node(&whole, a->heap, node);
	}
	if (width && name_length(text_get(&whole)) > width && object)
		name_bare(&whole, a, node);
	if (width)
		name_cut(out, text_get(&whole), width);
	else
		text_add(out, text_get(&whole));
	text_free(&whole);
}

void name_short(struct text *out, const struct analysis *a, uint32_t node, size_t width)
{
	struct text whole = { 0 };

	if (width < NAME_NARROW) {
		name_brief(out, a, node, width);
		return;
	}
	name_full(&whole, a, node);
	name_cut(out, text_get(&whole), width);
	text_free(&whole);
}
