/* SPDX-License-Identifier: MIT */
/* type - see type.h. */
#include "agent/python/type.h"

#include <string.h>

#include "agent/python/dict.h"
#include "agent/python/versions.h"

enum {
	TYPE_MRO_MAX = 4096,
	TYPE_INDEX_MAX = 65535,
	TYPE_METHODS_MAX = 1024,
	TYPE_METHOD_NAME = 32,
};

bool type_name(const struct layout *lay, uint64_t type, char *buf, size_t size)
{
	uint64_t at = peek64(type + lay->tp_name);
	const char *name = at ? peek_text(at) : "";
	size_t n = strlen(name);

	if (n >= size)
		n = size - 1;
	memcpy(buf, name, n);
	buf[n] = 0;
	return at != 0;
}

/* An entry of the interpreter's array for static builtin types, or 0 (3.12+): in
 * these tp_subclasses is the index, 1 for the first. */
static uint64_t type_static_entry(const struct layout *lay, uint64_t type)
{
	uint64_t index = peek64(type + lay->tp_subclasses), at;

	if (!lay->static_types || !index || index > TYPE_INDEX_MAX)
		return 0;
	at = lay->static_types + (index - 1) * lay->static_stride;
	return peek64(at) == type ? at : 0;
}

uint64_t type_dict(const struct layout *lay, uint64_t type)
{
	uint64_t dict = peek64(type + lay->tp_dict), entry;

	if (dict || type_is_heap(lay, type))
		return dict;
	entry = type_static_entry(lay, type);
	return entry ? peek64(entry + lay->static_dict) : 0;
}

uint64_t type_subclasses(const struct layout *lay, uint64_t type)
{
	uint64_t word = peek64(type + lay->tp_subclasses), entry;

	if (word > TYPE_INDEX_MAX)
		return word;
	entry = type_is_heap(lay, type) ? 0 : type_static_entry(lay, type);
	return entry ? peek64(entry + lay->static_subclasses) : 0;
}

bool type_is_subtype(const struct layout *lay, uint64_t type, uint64_t base)
{
	for (; type; type = peek64(type + lay->tp_base))
		if (type == base)
			return true;
	return false;
}

uint64_t type_lookup(const struct cpython *py, uint64_t type, uint64_t name,
		     uint64_t *owner_ret)
{
	const struct layout *lay = &py->lay;
	uint64_t mro = peek64(type + lay->tp_mro), n;

	if (!object_is_exact(lay, mro, CPYTHON_ADDR(py, tuple_type)))
		return 0;
	n = object_size(lay, mro);
	for (uint64_t i = 0; i < n && i < TYPE_MRO_MAX; i++) {
		uint64_t class_ = object_tuple_item(lay, mro, i);
		uint64_t found = dict_get_interned(lay, type_dict(lay, class_), name);

		if (found) {
			*owner_ret = class_;
			return found;
		}
	}
	return 0;
}

uint64_t type_c_method(const struct cpython *py, uint64_t type, const char *name,
		       uint64_t *owner_ret)
{
	uint64_t def, text;
	char found[TYPE_METHOD_NAME];

	for (int n = 0; type && n < TYPE_MRO_MAX; n++) {
		def = peek64(type + py->lay.tp_methods);
		for (int i = 0; def && i < TYPE_METHODS_MAX; i++, def += 32) {
			if (!peek_safe64(def, &text) || !text)
				break;
			if (!peek_safe_text(text, found, sizeof(found)) ||
			    strcmp(found, name) != 0)
				continue;
			*owner_ret = type;
			return def;
		}
		type = peek64(type + py->lay.tp_base);
	}
	return 0;
}

bool type_find_slots(uint64_t type, const char *name, struct type_slots *ret)
{
	static const uint16_t heads[] = { 16, 32 };
	static struct layout lay;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint64_t found;
		char text[64];

		versions_fill(&lay, VERSIONS_NEWEST << 8, heads[i]);
		if (!peek_safe64(type + lay.tp_name, &found) ||
		    !peek_safe_text(found, text, sizeof(text)) || strcmp(text, name) != 0)
			continue;
		*ret = (struct type_slots){ type + lay.tp_new, type + lay.tp_dealloc };
		return true;
	}
	return false;
}
