/* SPDX-License-Identifier: MIT */
/*
 * probe_embedded - does a dict that shows the inline values of an instance (3.13+) tell
 * the collector of them, or is that left to the instance (layout: dict_owns_embedded)?
 *
 * The number of the release doesn't say it: distributions take the change (gh-130327)
 * into older ones (Debian's 3.13.5-2+deb13u5).  So dict's own tp_traverse is asked of a
 * dict that isn't one, in memory of ours: it reads ma_keys, ma_values and the values, and
 * hands these to a function of ours (dict_traverse, Objects/dictobject.c).  In an image
 * there is nothing to ask: the table of releases stays (versions.c).
 */
#include <string.h>

#include "agent/base/peek.h"
#include "agent/python/call.h"
#include "agent/python/probe.h"

enum { PROBE_EMBEDDED_WORDS = 64 /* more than any of the three has */ };

struct probe_embedded {
	uint64_t value;
	bool seen;
};

static int probe_embedded_visit(void *object, void *arg)
{
	struct probe_embedded *p = arg;

	p->seen |= (uint64_t)(uintptr_t)object == p->value;
	return 0;
}

static void probe_embedded_put(void *block, uint16_t offset, uint64_t word)
{
	memcpy((unsigned char *)block + offset, &word, sizeof(word));
}

void probe_embedded(struct cpython *py)
{
	const struct layout *lay = &py->lay;
	const uint64_t type = CPYTHON_ADDR(py, dict_type);
	uint64_t dict[PROBE_EMBEDDED_WORDS] = { 0 }, keys[PROBE_EMBEDDED_WORDS] = { 0 };
	uint64_t values[PROBE_EMBEDDED_WORDS] = { 0 }, traverse;
	struct probe_embedded p = { .value = type };

	if (!call_possible() || !lay->values_items || lay->keys_kind == LAYOUT_NONE ||
	    lay->unknown & LAYOUT_DICT || lay->attributes_unknown ||
	    !peek_safe64(type + lay->tp_traverse, &traverse) || !traverse)
		return;
	probe_embedded_put(dict, (uint16_t)(lay->head - 8), type);
	probe_embedded_put(dict, lay->dict_used, 1);
	probe_embedded_put(dict, lay->dict_keys, (uint64_t)(uintptr_t)keys);
	probe_embedded_put(dict, lay->dict_values, (uint64_t)(uintptr_t)values);
	((unsigned char *)keys)[lay->keys_kind] = 2; /* DICT_KEYS_SPLIT */
	probe_embedded_put(keys, lay->keys_nentries, 1);
	memset(values, 1, 4); /* capacity, size, embedded, valid */
	probe_embedded_put(values, lay->values_items, type);
	call_traverse(traverse, (uint64_t)(uintptr_t)dict, probe_embedded_visit, &p);
	py->lay.dict_owns_embedded = p.seen;
}
