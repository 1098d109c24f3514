/* SPDX-License-Identifier: MIT */
/* candidates - see candidates.h. */
#include "viewer/name/candidates.h"

#include <string.h>
#include <strings.h>

#include "viewer/name/describe.h"
#include "viewer/text/human.h"

enum { CANDIDATES_SHOWN = 6 };

/* The best ones, best first. */
struct candidates {
	uint32_t type[CANDIDATES_SHOWN];
	uint32_t count;
	uint64_t found, equal; /* names, and those whose last part it is */
};

static bool candidates_is_last_part(const char *own, const char *name)
{
	const char *const dot = strrchr(own, '.');

	return !strcasecmp(dot ? dot + 1 : own, name);
}

static bool candidates_better(const struct heap *heap, const char *name, uint32_t a,
			      uint32_t b)
{
	const bool x = candidates_is_last_part(heap_type_name(heap, a), name);
	const bool y = candidates_is_last_part(heap_type_name(heap, b), name);

	return x != y ? x : heap_type(heap, a)->count > heap_type(heap, b)->count;
}

/* A class that was made again and again is one candidate. */
static bool candidates_known(const struct candidates *c, const struct heap *heap,
			     uint32_t type)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (!strcmp(heap_type_name(heap, c->type[i]), heap_type_name(heap, type)))
			return true;
	return false;
}

static void candidates_offer(struct candidates *c, const struct heap *heap,
			     const char *name, uint32_t type)
{
	uint32_t at = c->count;

	c->found++;
	c->equal += candidates_is_last_part(heap_type_name(heap, type), name);
	while (at && candidates_better(heap, name, type, c->type[at - 1]))
		at--;
	if (at == CANDIDATES_SHOWN)
		return;
	if (c->count < CANDIDATES_SHOWN)
		c->count++;
	memmove(c->type + at + 1, c->type + at, (c->count - at - 1) * sizeof(c->type[0]));
	c->type[at] = type;
}

void candidates_text(struct text *out, const struct heap *heap, const char *name)
{
	struct candidates c = { .count = 0 };
	char buf[HUMAN_SIZE];

	for (uint32_t t = 1; t <= heap->types && *name; t++)
		if (strcasestr(heap_type_name(heap, t), name) &&
		    !candidates_known(&c, heap, t))
			candidates_offer(&c, heap, name, t);
	text_add(out,
		 c.equal > 1 ? "several types end in that name" :
			       "no type of that name in the snapshot");
	for (uint32_t i = 0; i < c.count; i++) {
		text_add(out, i ? ", " : "; there are: ");
		describe_type(out, heap, c.type[i]);
		text_printf(out, " (%s)",
			    human_count(buf, heap_type(heap, c.type[i])->count));
	}
	if (c.found > c.count)
		text_printf(out, " and %s more", human_count(buf, c.found - c.count));
}
