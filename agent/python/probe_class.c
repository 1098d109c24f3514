/* SPDX-License-Identifier: MIT */
/*
 * probe_class - what classes made by a class statement have in common, whose functions
 * are static in CPython: they are learnt from one that every interpreter has.
 */
#include "agent/base/peek.h"
#include "agent/python/lookup.h"
#include "agent/python/probe.h"
#include "agent/python/type_flags.h"
#include "agent/python/versions.h"

enum {
	PROBE_CLASSES = 64,	     /* that are compared */
	PROBE_CLASSES_LEAST = 8,     /* of one kind, to learn from */
	PROBE_CLASS_NODES = 1 << 12, /* of each list that are looked at */
};

static bool probe_class_size(const struct cpython *py, uint64_t *ret)
{
	return peek_safe64(CPYTHON_ADDR(py, type_type) + py->lay.tp_basicsize, ret) &&
		*ret >= 512 && *ret <= 4096;
}

static void probe_class_names_at(struct cpython *py, uint16_t at)
{
	struct layout *lay = &py->lay;

	lay->ht_name = at;
	lay->ht_slots = (uint16_t)(at + 8);
	lay->ht_qualname = (uint16_t)(at + 16);
	lay->ht_cached_keys = (uint16_t)(at + 24);
	lay->ht_module = versions_since(py, 9) ? (uint16_t)(at + 32) : 0;
}

const char *probe_class_spec(struct cpython *py, uint64_t spec)
{
	struct layout *lay = &py->lay;
	uint64_t basic, first, third, flags;

	if (!peek_safe64(spec + lay->tp_traverse, &lay->subtype_traverse) ||
	    !peek_safe64(spec + lay->tp_dealloc, &lay->subtype_dealloc) ||
	    !peek_safe64(spec + lay->tp_flags, &flags) || !(flags & TYPE_HEAP))
		return "ModuleSpec is no class";
	if (!probe_class_size(py, &basic))
		return "the size of a type";
	for (uint16_t at = (uint16_t)(lay->tp_subclasses + 8); at + 32u <= basic;
	     at += 8) {
		if (!peek_safe64(spec + at, &first) ||
		    !peek_safe64(spec + at + 16, &third))
			break;
		if (!lookup_str_equals(py, first, "ModuleSpec") ||
		    !lookup_str_equals(py, third, "ModuleSpec"))
			continue;
		probe_class_names_at(py, at);
		return NULL;
	}
	return "the name of a class is nowhere in it";
}

/* ---- without names ---- */

struct probe_classes {
	uint32_t count;
	uint64_t type[PROBE_CLASSES], dealloc[PROBE_CLASSES], traverse[PROBE_CLASSES];
};

static void probe_class_add(const struct cpython *py, uint64_t obj,
			    struct probe_classes *ret)
{
	const struct layout *lay = &py->lay;
	const uint32_t n = ret->count;
	uint64_t flags;

	if (!lookup_exact(py, obj, CPYTHON_ADDR(py, type_type)) ||
	    !peek_safe64(obj + lay->tp_flags, &flags) || !(flags & TYPE_HEAP) ||
	    !(flags & TYPE_HAVE_GC) ||
	    !peek_safe64(obj + lay->tp_dealloc, &ret->dealloc[n]) ||
	    !peek_safe64(obj + lay->tp_traverse, &ret->traverse[n]))
		return;
	ret->type[n] = obj;
	ret->count++;
}

static void probe_class_collect(const struct cpython *py, struct probe_classes *ret)
{
	const struct layout *lay = &py->lay;

	ret->count = 0;
	if (!lay->gc_head && !lay->free_threaded)
		return;
	for (unsigned h = 0; h < LAYOUT_HEADS; h++) {
		uint64_t head = lay->gc[0].heads[h], at;

		if (!h && lay->unknown & LAYOUT_LISTS) /* from one that is on a list */
			head = lay->known_tracked - lay->gc_head;
		if (!head || !peek_safe64(head, &at))
			continue;
		at &= ~3ULL;
		for (int n = 0; at != head && n < PROBE_CLASS_NODES; n++) {
			if (ret->count == PROBE_CLASSES)
				return;
			probe_class_add(py, at + lay->gc_head, ret);
			if (!peek_safe64(at, &at))
				break;
			at &= ~3ULL;
		}
	}
}

static uint32_t probe_class_like(const struct probe_classes *c, uint32_t one)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->count; i++)
		n += c->dealloc[i] == c->dealloc[one] &&
			c->traverse[i] == c->traverse[one];
	return n;
}

/* Do all that are like this one have a str there? */
static bool probe_class_all_str(const struct cpython *py, const struct probe_classes *c,
				uint32_t one, uint16_t at)
{
	uint64_t word;

	for (uint32_t i = 0; i < c->count; i++)
		if (c->dealloc[i] == c->dealloc[one] &&
		    (!peek_safe64(c->type[i] + at, &word) ||
		     !lookup_exact(py, word, CPYTHON_ADDR(py, unicode_type))))
			return false;
	return true;
}

void probe_class_kept(struct cpython *py)
{
	struct layout *lay = &py->lay;
	struct probe_classes c;
	uint32_t most = 0, one = 0, n;
	uint64_t basic;

	probe_class_collect(py, &c);
	for (uint32_t i = 0; i < c.count; i++)
		if ((n = probe_class_like(&c, i)) > most) {
			most = n;
			one = i;
		}
	if (most < PROBE_CLASSES_LEAST || !probe_class_size(py, &basic))
		return;
	lay->subtype_dealloc = c.dealloc[one];
	lay->subtype_traverse = c.traverse[one];
	for (uint16_t at = (uint16_t)(lay->tp_subclasses + 8); at + 32u <= basic; at += 8)
		if (probe_class_all_str(py, &c, one, at) &&
		    probe_class_all_str(py, &c, one, (uint16_t)(at + 16))) {
			probe_class_names_at(py, at);
			return;
		}
}
