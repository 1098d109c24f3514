/* SPDX-License-Identifier: MIT */
/*
 * kin - see kin.h.  A type object has its __mro__ among its references; each class in it
 * is known by its qualified name.
 */
#include "viewer/analysis/kin.h"

#include <errno.h>
#include <string.h>

#include "viewer/model/attribute.h"

static bool kin_among(const char *name, size_t size, const char *names)
{
	for (size_t n; *names; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		if (n == size && !memcmp(names, name, size))
			return true;
	}
	return false;
}

bool kin_is(const struct heap *heap, uint32_t type, const char *names)
{
	const char *own = heap_type_name(heap, type);
	struct heap_span bases = { 0 };
	struct heap_value value;

	if (!type)
		return false;
	if (kin_among(own, strlen(own), names))
		return true;
	uint32_t mro = heap_type(heap, type)->node;
	if (mro < heap->objects)
		mro = attribute_of(heap, mro, "__mro__");
	if (mro < heap->objects)
		bases = heap_refs(heap, mro);
	for (uint32_t i = 0; i < bases.count; i++)
		if (bases.target[i] < heap->objects &&
		    heap_value(heap, bases.target[i], &value) &&
		    kin_among(value.text, value.size, names))
			return true;
	return false;
}

int kin_find(const struct heap *heap, const char *names, struct vec *ret)
{
	if (vec_alloc(ret, (size_t)heap->types + 1))
		return -ENOMEM;
	for (uint32_t t = 1; t <= heap->types; t++)
		if (heap_type(heap, t)->count)
			VEC(*ret, unsigned char)[t] = kin_is(heap, t, names);
	return 0;
}
