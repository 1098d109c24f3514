/* SPDX-License-Identifier: MIT */
/*
 * name - whole, cut, or by the last step (name.h).
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
	if (width < NAME_NARROW)
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
	struct hops hops = { heap, chain, 2, 0, NULL };
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

void name_last(struct text *out, const struct analysis *a, uint32_t node)
{
	uint32_t parent = analysis_parent(a, node), above;
	struct text step = { 0 };

	if (parent == HEAP_NONE || parent == heap_root(a->heap)) {
		name_full(out, a, node);
		return;
	}
	above = analysis_parent(a, parent);
	if (above != HEAP_NONE && name_step_write(&step, a, above, node)) {
		name_step_alone(out, text_get(&step));
	} else {
		name_step(&step, a, parent, node);
		if (!strcmp(text_get(&step), "__dict__")) { /* there are so many */
			name_full(out, a, parent);
			text_add(out, ".");
		}
		text_add(out, text_get(&step));
	}
	text_free(&step);
}

void name_short(struct text *out, const struct analysis *a, uint32_t node, size_t width)
{
	struct text whole = { 0 };
	uint32_t parent = analysis_parent(a, node);

	name_full(&whole, a, node);
	if (width < NAME_NARROW && name_length(text_get(&whole)) > width &&
	    parent != HEAP_NONE && parent != heap_root(a->heap)) {
		text_clear(&whole);
		name_last(&whole, a, node);
	}
	name_cut(out, text_get(&whole), width);
	text_free(&whole);
}
