/* SPDX-License-Identifier: MIT */
/* attribute - see attribute.h. */
#include "viewer/model/attribute.h"

#include <string.h>

enum { ATTRIBUTE_FIRST = 256 };

/* Whether the label is that of the str key. */
static bool attribute_is_key(const struct heap *heap, const struct heap_label *label,
			     const char *key, size_t size)
{
	struct heap_value value;
	size_t named;

	if (label->kind != SNAP_LABEL_VALUE)
		return false;
	if (label->key < heap->objects)
		return heap_value(heap, label->key, &value) &&
			value.kind == SNAP_VALUE_STR && value.size == size &&
			!memcmp(value.text, key, size);
	const char *text = heap_string(heap, label->name, &named);
	return label->name && named == size && !memcmp(text, key, size);
}

static uint32_t attribute_in(const struct heap *heap, uint32_t dict, const char *key)
{
	struct heap_span refs = { 0 };
	struct heap_label label;
	const size_t size = strlen(key);

	if (dict < heap->objects && heap_kind(heap, dict) == SNAP_KIND_DICT)
		refs = heap_refs(heap, dict);
	for (uint32_t slot = 0; slot < refs.count; slot++) {
		if (refs.target[slot] >= heap->objects)
			continue;
		heap_label(heap, dict, slot, &label);
		if (attribute_is_key(heap, &label, key, size))
			return refs.target[slot];
	}
	return HEAP_NONE;
}

uint32_t attribute_of(const struct heap *heap, uint32_t node, const char *name)
{
	struct heap_span refs = { 0 };
	struct heap_label label;
	uint32_t dict = HEAP_NONE;

	if (node < heap->objects)
		refs = heap_refs(heap, node);
	for (uint32_t slot = 0; slot < refs.count && slot < ATTRIBUTE_FIRST; slot++) {
		const uint32_t to = refs.target[slot];

		if (to >= heap->objects)
			continue;
		heap_label(heap, node, slot, &label);
		if (label.kind == SNAP_LABEL_ATTR && label.name &&
		    !strcmp(heap_string(heap, label.name, NULL), name))
			return to;
		if (label.kind == SNAP_LABEL_DICT)
			dict = to;
	}
	return attribute_in(heap, dict, name);
}

bool attribute_true(const struct heap *heap, uint32_t node, const char *name)
{
	const uint32_t at = attribute_of(heap, node, name);
	struct heap_value value;

	return at != HEAP_NONE && heap_value(heap, at, &value) &&
		value.kind == SNAP_VALUE_BOOL && value.size && value.text[0];
}
