/* SPDX-License-Identifier: MIT */
/* chrome_name - see chrome_name.h. */
#include "viewer/document/chrome_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/core/words.h"
#include "formats/text/escape.h"
#include "viewer/name/describe.h"

enum { CHROME_NAME_BYTES = 200, CHROME_NAME_KEY = 64 };

static int chrome_name_compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int chrome_name_init(struct chrome_name *c, const struct heap *heap)
{
	*c = (struct chrome_name){ .heap = heap };
	c->classes = malloc(((size_t)heap->types + 1) * sizeof(*c->classes));
	if (!c->classes)
		return -ENOMEM;
	for (uint32_t t = 1; t <= heap->types; t++)
		if (heap_type(heap, t)->node < heap->objects)
			c->classes[c->count++] =
				(uint64_t)heap_type(heap, t)->node << 32 | t;
	qsort(c->classes, c->count, sizeof(*c->classes), chrome_name_compare);
	return 0;
}

void chrome_name_free(struct chrome_name *c)
{
	free(c->classes);
	*c = (struct chrome_name){ 0 };
}

/* Type id of a class; 0 when the snapshot knows it as an object only. */
static uint32_t chrome_name_class(const struct chrome_name *c, uint32_t object)
{
	size_t lo = 0, hi = c->count;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (c->classes[mid] >> 32 < object)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->count && c->classes[lo] >> 32 == object ?
		(uint32_t)c->classes[lo] :
		0;
}

/* Appends at most CHROME_NAME_BYTES, whole characters; returns how many. */
static size_t chrome_name_cut(struct text *out, const char *text, size_t size)
{
	if (size > CHROME_NAME_BYTES) {
		size = CHROME_NAME_BYTES;
		while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80)
			size--;
	}
	text_add_bytes(out, text, size);
	return size;
}

static uint64_t chrome_name_hash(const char *text, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return hash;
}

/* An unknown part is told by its hash; with no hash known the object by its address. */
static void chrome_name_str(struct text *out, const struct heap *heap, uint32_t object)
{
	struct heap_value v = { 0 };
	const bool known = heap_value(heap, object, &v) && v.kind == SNAP_VALUE_STR;
	const bool whole = known && !v.hash && (v.size || !v.length);
	const size_t shown = known ? chrome_name_cut(out, v.text, v.size) : 0;

	if (whole && shown == v.size)
		return;
	text_add(out, shown ? "... (" : "str (");
	if (known)
		text_printf(out, "%" PRIu64 " characters, ", v.length);
	if (known && (v.hash || whole))
		text_printf(out, "hash %016" PRIx64 ")",
			    v.hash ? v.hash : chrome_name_hash(v.text, v.size));
	else
		text_printf(out, "at 0x%" PRIx64 ")", heap_address(heap, object));
}

void chrome_name_type(struct text *out, const struct heap *heap, uint32_t type)
{
	size_t size;
	const char *const text = heap_string(heap, heap_type(heap, type)->name, &size);

	chrome_name_cut(out, text, size);
}

/* The value, or the type where none is known. */
static void chrome_name_value(struct text *out, const struct heap *heap, uint32_t object)
{
	const size_t before = text_len(out);

	describe_value(out, heap, object, CHROME_NAME_BYTES);
	if (text_len(out) == before)
		chrome_name_type(out, heap, heap_type_of(heap, object));
}

bool chrome_name_is_type(const struct heap *heap, uint32_t node)
{
	static const bool own[SNAP_KIND_COUNT] = {
		[SNAP_KIND_STR] = true,	   [SNAP_KIND_TYPE] = true,
		[SNAP_KIND_MODULE] = true, [SNAP_KIND_INT] = true,
		[SNAP_KIND_FLOAT] = true,  [SNAP_KIND_FUNCTION] = true,
		[SNAP_KIND_CODE] = true,
	};

	return heap_is_object(heap, node) && !own[heap_kind(heap, node)];
}

static void chrome_name_of_class(struct text *out, const struct chrome_name *c,
				 uint32_t object)
{
	const uint32_t type = chrome_name_class(c, object);

	if (type)
		chrome_name_type(out, c->heap, type);
	else
		chrome_name_value(out, c->heap, object);
}

static void chrome_name_module(struct text *out, const struct heap *heap, uint32_t object)
{
	struct heap_value v;

	if (!heap_value(heap, object, &v) || !v.size) {
		chrome_name_type(out, heap, heap_type_of(heap, object));
		return;
	}
	text_add(out, "module ");
	chrome_name_cut(out, v.text, v.size);
}

static void chrome_name_object(struct text *out, const struct chrome_name *c,
			       uint32_t object)
{
	if (chrome_name_is_type(c->heap, object)) {
		chrome_name_type(out, c->heap, heap_type_of(c->heap, object));
		return;
	}
	switch (heap_kind(c->heap, object)) {
	case SNAP_KIND_STR:
		chrome_name_str(out, c->heap, object);
		break;
	case SNAP_KIND_TYPE:
		chrome_name_of_class(out, c, object);
		break;
	case SNAP_KIND_MODULE:
		chrome_name_module(out, c->heap, object);
		break;
	default:
		chrome_name_value(out, c->heap, object);
	}
}

static void chrome_name_frame(struct text *out, const struct heap *heap, uint32_t frame)
{
	const struct snap_frame *const f = &VEC(heap->frame, struct snap_frame)[frame];

	describe_frame(out, heap, frame);
	if (f->thread && f->thread <= heap->threads) {
		text_add(out, " of ");
		describe_thread(out, heap, f->thread);
	}
}

void chrome_name_node(struct text *out, const struct chrome_name *c, uint32_t node)
{
	if (heap_is_object(c->heap, node)) {
		chrome_name_object(out, c, node);
	} else if (heap_is_native(c->heap, node)) {
		describe_native_kind(out, c->heap, node);
	} else if (heap_synth(c->heap, node)->kind == HEAP_SYNTH_FRAME) {
		chrome_name_frame(out, c->heap, heap_synth(c->heap, node)->ref);
	} else if (node == heap_root(c->heap)) {
		text_add(out, "(GC roots)");
	} else if (node == heap_group(c->heap, HEAP_SYNTH_GARBAGE)) {
		text_add(out, "(unreachable)");
	} else {
		describe_node(out, c->heap, node);
	}
}

static void chrome_name_key(struct text *out, const struct heap *heap, uint32_t key)
{
	const size_t before = text_len(out);

	if (heap_kind(heap, key) == SNAP_KIND_STR)
		chrome_name_str(out, heap, key);
	else
		describe_value(out, heap, key, CHROME_NAME_KEY);
	if (text_len(out) == before && heap_kind(heap, key) != SNAP_KIND_STR)
		text_printf(out, "value of key 0x%" PRIx64, heap_address(heap, key));
}

void chrome_name_edge(struct text *out, const struct heap *heap,
		      const struct heap_label *label)
{
	size_t size;
	const char *text;

	if (label->kind == SNAP_LABEL_VALUE && !label->name &&
	    label->key < heap->objects) {
		chrome_name_key(out, heap, label->key);
		return;
	}
	text = heap_string(heap, label->name, &size);
	if (!size && words_labels[label->kind].edge) {
		text = words_labels[label->kind].edge;
		size = strlen(text);
	}
	chrome_name_cut(out, text, size);
}
