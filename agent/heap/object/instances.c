/* SPDX-License-Identifier: MIT */
/*
 * instances - see instances.h.
 *
 *	<= 3.10	a dict pointer at tp_dictoffset; negative: counted from the end
 *	3.11	MANAGED_DICT: values pointer at -32, dict pointer at -24
 *	3.12	MANAGED_DICT: one word at -24, bit 0 set: values at word + 1, else dict
 *	3.13+	MANAGED_DICT: dict at -24; INLINE_VALUES: a header {capacity, size,
 *		embedded, valid} and the values after the basic size.  While a dict
 *		shows these, the instance reports them to the collector in 3.13, the
 *		dict does from 3.14 on (gh-130327)
 */
#include "agent/heap/object/instances.h"

#include <string.h>

#include "agent/heap/core/types.h"
#include "agent/python/dict.h"
#include "agent/python/integer.h"
#include "agent/python/str.h"

/* Items of a variable-size object: |ob_size|, an int's digits. */
static uint64_t instances_items(const struct walk *w, const struct walk_type *type,
				uint64_t obj)
{
	uint64_t word;
	int64_t n;

	if (!type->itemsize)
		return 0;
	word = object_size(w->lay, obj);
	if (type->tp_flags & TYPE_INT_SUBCLASS)
		return w->lay->unknown & LAYOUT_INT ? 1 : integer_count(w->lay, word);
	n = (int64_t)word;
	return n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
}

uint64_t instances_body(const struct walk *w, const struct walk_type *type, uint64_t obj)
{
	return type->basicsize + type->itemsize * instances_items(w, type, obj);
}

/* i-th name of a class's shared keys equals text? */
static uint64_t instances_value(struct walk *w, const struct walk_type *type,
				uint64_t values, uint32_t n, const char *name)
{
	struct dict_table t;
	char text[256];

	dict_keys_table(w->lay, type->cached_keys, &t);
	for (uint32_t i = 0; i < n && i < t.nentries; i++) {
		uint64_t key = peek64(t.entries + (uint64_t)i * t.stride);
		uint64_t value = peek64(values + i * 8ULL);

		if (key && value && str_text(w->lay, key, text, sizeof(text)) &&
		    !strcmp(text, name))
			return value;
	}
	return 0;
}

uint64_t instances_attribute(struct walk *w, uint64_t obj, const char *name)
{
	struct walk_type *type = types_of(w, obj);
	uint64_t values, dict, found = 0;
	uint32_t n;

	dict = instances_attributes(w, type, obj, &values, &n);
	if (values && type->cached_keys)
		found = instances_value(w, type, values, n, name);
	return found || !dict ? found : dict_get(w->lay, dict, name);
}
