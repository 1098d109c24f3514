/* SPDX-License-Identifier: MIT */
/* registry - see registry.h. */
#include "agent/heap/extension/registry.h"

#include <string.h>

#include "agent/heap/core/strings.h"
#include "agent/heap/extension/candidates.h"
#include "agent/heap/extension/deque.h"
#include "agent/heap/extension/dict_types.h"
#include "agent/heap/extension/fortran.h"
#include "agent/heap/extension/greenlet.h"
#include "agent/heap/extension/lru_cache.h"
#include "agent/heap/extension/native.h"
#include "agent/heap/extension/numpy.h"
#include "agent/heap/extension/probes.h"
#include "agent/heap/extension/protocol.h"
#include "agent/heap/extension/state.h"
#include "agent/python/type.h"

static const struct specialist *const registry[] = {
	native_specialists,  deque_specialists,	   dict_types_specialists,
	numpy_specialists,   greenlet_specialists, lru_cache_specialists,
	fortran_specialists,
};

enum { REGISTRY_COUNT = sizeof(registry) / sizeof(registry[0]) };

static const struct specialist *registry_by_name(const char *name)
{
	for (size_t i = 0; i < REGISTRY_COUNT; i++)
		for (const struct specialist *s = registry[i]; s->name; s++)
			if (!strcmp(name, s->name))
				return s;
	return NULL;
}

/* Makes the specialists' state, when the first type is met. */
static void registry_begin(struct walk *w)
{
	w->specialists = context_alloc(w, sizeof(*w->specialists));
	if (!w->specialists)
		return;
	w->specialists->buffer = strings_add_text(w, "buffer");
	probes_begin(w);
}

void registry_find(struct walk *w, struct walk_type *type)
{
	const struct layout *lay = w->lay;
	char name[64];

	for (uint64_t t = type->addr; t; t = peek64(t + lay->tp_base)) {
		if (type_is_python(lay, t) || !type_name(lay, t, name, sizeof(name)))
			continue;
		type->specialist = registry_by_name(name);
		type->special_base = t;
		if (type->specialist)
			return;
	}
	type->special_base = 0;
}

void registry_plan(struct walk *w, struct walk_type *type)
{
	const struct specialist *special = type->specialist;

	if (!w->specialists)
		registry_begin(w);
	if (!w->specialists)
		return;
	if (!type->opaque && !probes_plan(w, type)) {
		if (special)
			type->native = special->native;
		else
			protocol_plan(w, type);
	}
	if (special && special->plan)
		special->plan(w, type);
	candidates_plan(w, type);
}

const char *registry_alias(struct walk *w, const char *name, char *buf, size_t size)
{
	for (size_t i = 0; i < REGISTRY_COUNT && w->specialists; i++)
		for (const struct specialist *s = registry[i]; s->name; s++)
			if (s->names)
				name = s->names(w, name, buf, size);
	return name;
}

void registry_finish(struct walk *w)
{
	if (!w->options->in_copy || !w->specialists)
		return;
	probes_finish(w);
	protocol_finish(w);
}
