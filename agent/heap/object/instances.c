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
#include "agent/heap/core/dicts.h"
#include "agent/heap/object/instances.h"

uint64_t instance_items(const struct walk *w, const struct walk_type *type, uint64_t obj)
{
	int64_t n;

	if (!type->itemsize)
		return 0;
	if ((type->tp_flags >> 24 & 1) && w->lay->long_tagged)
		return peek64(obj + w->lay->head) >> 3;
	n = (int64_t)peek64(obj + w->lay->head);
	return n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
}

static uint64_t plain_dict(const struct walk *w, const struct walk_type *type,
			   uint64_t obj)
{
	uint64_t at = obj + (uint64_t)type->dictoffset;

	if (type->dictoffset < 0)
		at += (type->basicsize + type->itemsize * instance_items(w, type, obj) +
		       7) &
			~7ULL;
	return peek64(at);
}

uint64_t instance_attributes(const struct walk *w, const struct walk_type *type,
			     uint64_t obj, uint64_t *values_ret, uint32_t *n_ret)
{
	const struct layout *lay = w->lay;
	uint64_t word;

	*values_ret = 0;
	*n_ret = type->nkeys;
	if (!type->managed_dict)
		return type->dictoffset ? plain_dict(w, type, obj) : 0;
	word = peek64(obj - lay->managed_dict);
	switch (lay->managed) {
	case LAYOUT_MANAGED_311:
		*values_ret = word ? 0 : peek64(obj - lay->managed_dict - 8);
		return word;
	case LAYOUT_MANAGED_312:
		*values_ret = word & 1 ? word + 1 : 0;
		return word & 1 ? 0 : word;
	case LAYOUT_MANAGED_313:
		word &= ~7ULL;
		if (word && w->lay->dict_owns_embedded)
			return word;
		if (type->inline_values && peek8(obj + type->basicsize + 3)) {
			uint32_t capacity = peek8(obj + type->basicsize);

			*values_ret = obj + type->basicsize + lay->values_items;
			*n_ret = type->nkeys < capacity ? type->nkeys : capacity;
		}
		return word;
	case LAYOUT_MANAGED_NONE:
		break;
	}
	return 0;
}

/* i-th name of a class's shared keys equals text? */
static uint64_t value_by_name(struct walk *w, const struct walk_type *type,
			      uint64_t values, uint32_t n, const char *name)
{
	struct dict_table t;
	char text[256];

	dict_keys_table(w->lay, type->cached_keys, &t);
	for (uint32_t i = 0; i < n && i < t.nentries; i++) {
		uint64_t key = peek64(t.entries + (uint64_t)i * t.stride);
		uint64_t value = peek64(values + i * 8ULL);

		if (key && value && walk_str_text(w, key, text, sizeof(text)) &&
		    !__builtin_strcmp(text, name))
			return value;
	}
	return 0;
}

uint64_t walk_attr(struct walk *w, uint64_t obj, const char *name)
{
	struct walk_type *type = walk_type(w, walk_typeof(w, obj));
	uint64_t values, dict, found = 0;
	uint32_t n;

	dict = instance_attributes(w, type, obj, &values, &n);
	if (values && type->cached_keys)
		found = value_by_name(w, type, values, n, name);
	return found || !dict ? found : walk_dict_get(w, dict, name);
}
