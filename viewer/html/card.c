/* SPDX-License-Identifier: MIT */
/* card - choosing, finding neighbours, writing (card.h). */
#include "viewer/html/card.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "viewer/html/markup.h"
#include "viewer/model/site.h"
#include "viewer/name/alike.h"
#include "viewer/name/calls.h"
#include "viewer/name/describe.h"
#include "viewer/name/name.h"
#include "viewer/name/way.h"
#include "viewer/text/human.h"

enum { NAME_WIDTH = 200, KIND_WIDTH = 120, STEP_WIDTH = 80, CARD_CALLERS = 12 };

static uint32_t card_index(const struct card_set *set, uint32_t node)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->node[i] == node)
			return i;
	return CARD_MAX;
}

bool card_set_has(const struct card_set *set, uint32_t node)
{
	return card_index(set, node) < CARD_MAX;
}

void card_set_add(struct card_set *set, uint32_t node)
{
	if (node < set->analysis->heap->objects && set->count < set->most &&
	    !card_set_has(set, node))
		set->node[set->count++] = node;
}

void card_id(struct text *out, const struct card_set *set, uint32_t node)
{
	text_printf(out, "o%" PRIu32 "-%" PRIx64, set->process,
		    heap_address(set->analysis->heap, node));
}

/* Keeps the CARD_NEIGHBOURS that retain most, largest first. */
static void card_offer(struct card_set *set, uint32_t card, uint32_t from)
{
	uint32_t *kept = set->referrer[card];
	uint32_t count = set->referrers[card]++;
	uint32_t at = count < CARD_NEIGHBOURS ? count : CARD_NEIGHBOURS - 1;

	if (count >= CARD_NEIGHBOURS &&
	    analysis_retained(set->analysis, from) <=
		    analysis_retained(set->analysis, kept[at])) {
		return;
	}
	for (; at &&
	     analysis_retained(set->analysis, kept[at - 1]) <
		     analysis_retained(set->analysis, from);
	     at--)
		kept[at] = kept[at - 1];
	kept[at] = from;
}

static int card_find_referrers(struct card_set *set, const struct progress *progress)
{
	const struct heap *heap = set->analysis->heap;
	struct vec wanted = { 0 }; /* bit per object */

	if (!set->count)
		return 0;
	if (vec_alloc(&wanted, heap->objects / 8 + 1))
		return -ENOMEM;
	unsigned char *bits = wanted.data;
	for (uint32_t i = 0; i < set->count; i++)
		bits[set->node[i] / 8] |= (unsigned char)(1u << set->node[i] % 8);
	for (uint32_t n = 0; n < heap->nodes; n++) {
		struct heap_span refs = { 0 };

		if (!heap_is_native(heap, n))
			refs = heap_refs(heap, n);
		if (n % PROGRESS_EVERY == 0 &&
		    progress_step(progress, "finding referrers", n, heap->nodes)) {
			vec_free(&wanted);
			return -ECANCELED;
		}
		for (uint32_t i = 0; i < refs.count; i++) {
			uint32_t to = refs.target[i];

			if (to < heap->objects && bits[to / 8] & 1u << to % 8 &&
			    heap_slot(heap, n, to) == i)
				card_offer(set, card_index(set, to), n);
		}
	}
	vec_free(&wanted);
	return 0;
}

/* ---- writing ---- */

static void card_link(struct text *out, const struct card_set *set, uint32_t node,
		      const char *shown)
{
	bool card = card_set_has(set, node);

	if (card) {
		text_add(out, "<a href=\"#");
		card_id(out, set, node);
		text_add(out, "\">");
	}
	markup_element(out, "code", shown);
	text_add(out, card ? "</a>" : "");
}

/* "<li><code>name</code> kind <span>12 KiB</span></li>" */
static void card_item(struct text *out, const struct card_set *set, uint32_t node,
		      const char *shown)
{
	const struct analysis *a = set->analysis;
	struct text kind = { 0 };
	char size[HUMAN_SIZE];

	text_add(out, "<li>");
	card_link(out, set, node, shown);
	name_kind(&kind, a->heap, node, KIND_WIDTH);
	text_add(out, " ");
	markup_add(out, text_get(&kind));
	text_printf(out, " <span class=size>%s</span></li>\n",
		    human_bytes_u64(size, analysis_retained(a, node)));
	text_free(&kind);
}

static void card_way(struct text *out, const struct card_set *set, const struct way *way)
{
	const struct analysis *a = set->analysis;
	const size_t count = way_rows(way);
	struct text step = { 0 };
	char buf[HUMAN_SIZE];

	for (size_t i = 0; i < count; i++) {
		const struct way_row *row = VEC(way->row, struct way_row) + i;

		text_clear(&step);
		if (way->left_out && i == way->gap)
			text_printf(out, "<li>(%s more steps)</li>",
				    human_count(buf, way->left_out));
		if (row->times > 1)
			way_text(&step, a->heap, way, i);
		else if (i)
			name_step(&step, a, VEC(way->node, uint32_t)[row->at - 1],
				  way_node(way, i));
		else
			name_short(&step, a, way_node(way, i), STEP_WIDTH);
		card_item(out, set, way_node(way, i), text_get(&step));
	}
	text_free(&step);
}

static int card_path(struct text *out, const struct card_set *set, uint32_t node)
{
	struct way way;
	int err = way_make(&way, set->analysis, node, CARD_STEPS);

	text_add(out, "<h5>The way it is held</h5><ol class=path>");
	card_way(out, set, &way);
	text_add(out, "</ol>\n");
	way_free(&way);
	return err;
}

/* What it keeps alive, alike ones together. */
static int card_members(struct text *out, const struct card_set *set, uint32_t node,
			const struct progress *progress)
{
	struct vec lines = { 0 };
	struct text name = { 0 };
	char buf[HUMAN_SIZE];
	int err = alike_children(set->analysis, node, progress, &lines);
	size_t count = VEC_COUNT(lines, struct alike);

	if (!err && count)
		text_add(out, "<h5>What it keeps alive</h5><ul>");
	for (size_t i = 0; i < count && i < CARD_NEIGHBOURS && !err; i++) {
		const struct alike *line = VEC(lines, struct alike) + i;

		text_clear(&name);
		if (line->count == 1) {
			name_step(&name, set->analysis, node, line->node);
			card_item(out, set, line->node, text_get(&name));
			continue;
		}
		alike_text(&name, set->analysis->heap, line);
		text_add(out, "<li>");
		markup_add(out, text_get(&name));
		text_printf(out, " <span class=size>%s</span></li>\n",
			    human_bytes_u64(buf, line->retained));
	}
	if (!err && count > CARD_NEIGHBOURS)
		text_printf(out, "<li>and %s more</li>",
			    human_count(buf, count - CARD_NEIGHBOURS));
	if (!err && count)
		text_add(out, "</ul>\n");
	vec_free(&lines);
	text_free(&name);
	return err;
}

static void card_referrers(struct text *out, const struct card_set *set, uint32_t card)
{
	struct text name = { 0 };
	char buf[HUMAN_SIZE];
	uint32_t count = set->referrers[card];

	text_add(out, "<h5>What refers to it</h5><ul>");
	for (uint32_t i = 0; i < count && i < CARD_NEIGHBOURS; i++) {
		text_clear(&name);
		name_short(&name, set->analysis, set->referrer[card][i], STEP_WIDTH);
		card_item(out, set, set->referrer[card][i], text_get(&name));
	}
	if (count > CARD_NEIGHBOURS)
		text_printf(out, "<li>and %s more</li>",
			    human_count(buf, count - CARD_NEIGHBOURS));
	text_add(out, count ? "</ul>\n" : "<li>nothing that was found</li></ul>\n");
	text_free(&name);
}

/* Where it was allocated, if that is known. */
static void card_site(struct text *out, const struct heap *heap, uint32_t node)
{
	struct text line = { 0 };

	if (!site_of(heap, node))
		return;
	text_add(&line, "Allocated at ");
	describe_callers(&line, heap, site_of(heap, node), CARD_CALLERS);
	markup_element(out, "p", text_get(&line));
	text_free(&line);
}

/* The line it stands at, of what is suspended. */
static void card_line(struct text *out, const struct heap *heap, uint32_t node)
{
	struct text line = { 0 };

	calls_where(&line, heap, node);
	if (text_len(&line)) {
		text_add(out, "<p>It ");
		markup_add(out, text_get(&line));
		text_add(out, "</p>\n");
	}
	text_free(&line);
}

static int card_write(struct text *out, const struct card_set *set, uint32_t card,
		      const struct progress *progress)
{
	const struct analysis *a = set->analysis;
	uint32_t node = set->node[card];
	struct text name = { 0 }, kind = { 0 };
	char own[HUMAN_SIZE], all[HUMAN_SIZE], count[HUMAN_SIZE], objects[HUMAN_SIZE];

	assert(node < a->heap->objects);
	name_short(&name, a, node, NAME_WIDTH);
	name_kind(&kind, a->heap, node, KIND_WIDTH);
	text_add(out, "<details class=card id=\"");
	card_id(out, set, node);
	text_add(out, "\"><summary>");
	markup_element(out, "code", text_get(&name));
	text_add(out, " ");
	markup_add(out, text_get(&kind));
	text_printf(out, " <span class=size>%s</span></summary>\n",
		    human_bytes_u64(all, analysis_retained(a, node)));
	text_printf(out,
		    "<p>At 0x%" PRIx64 ", %s of its own; it keeps %s alive in %s "
		    "objects, itself included; its reference count is %s.</p>\n",
		    heap_address(a->heap, node),
		    human_bytes_u64(own, heap_size(a->heap, node)), all,
		    human_count(objects, analysis_retained_count(a, node)),
		    human_count(count, heap_refcount(a->heap, node)));
	card_line(out, a->heap, node);
	card_site(out, a->heap, node);
	int err = card_path(out, set, node);
	if (!err)
		err = card_members(out, set, node, progress);
	card_referrers(out, set, card);
	text_add(out, "</details>\n");
	text_free(&name);
	text_free(&kind);
	return err;
}

int card_set_write(struct text *out, struct card_set *set,
		   const struct progress *progress)
{
	int err = card_find_referrers(set, progress);

	for (uint32_t i = 0; i < set->count && !err; i++)
		err = card_write(out, set, i, progress);
	return err ? err : out->err;
}
