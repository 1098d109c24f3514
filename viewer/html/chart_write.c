/* SPDX-License-Identifier: MIT */
/*
 * chart_write - a chart as data for the script and as a picture without it.
 *
 * Widths in the picture are exact shares of a thousand; blocks too narrow to be hit are
 * left out, text is cut to what its block has room for.  A block keeps its colour, by
 * the name of its type, wherever it is.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "viewer/html/chart.h"
#include "viewer/html/markup.h"
#include "viewer/name/name.h"
#include "viewer/text/human.h"

enum { WIDTH = 1000, ROW = 22, ROWS = 16, COLOURS = 8, LETTER = 7 };

static void chart_write_open(struct text *out, const struct chart *chart, int32_t at,
			     const struct card_set *cards)
{
	const struct chart_block *b = &chart->block[at];

	text_add(out, "[");
	markup_json(out, text_get(&b->name));
	text_add(out, ",");
	markup_json(out, text_get(&b->step));
	text_add(out, ",");
	markup_json(out, text_get(&b->kind));
	text_printf(out, ",%" PRIu64 ",%" PRIu64 ",", b->retained, b->objects);
	if (cards && b->count == 1 && card_set_has(cards, b->node)) {
		text_add(out, "\"");
		card_id(out, cards, b->node);
		text_add(out, "\",[");
	} else {
		text_add(out, "0,[");
	}
}

void chart_json(struct text *out, const struct chart *chart, const struct card_set *cards)
{
	int32_t at = chart->count ? 0 : -1;

	if (at < 0)
		text_add(out, "null");
	while (at >= 0) { /* depth first */
		chart_write_open(out, chart, at, cards);
		if (chart->block[at].first_child >= 0) {
			at = chart->block[at].first_child;
			continue;
		}
		text_add(out, "]]");
		while (at > 0 && chart->block[at].next < 0) {
			at = chart->block[at].parent;
			text_add(out, "]]");
		}
		if (at == 0)
			return;
		text_add(out, ",");
		at = chart->block[at].next;
	}
}

static unsigned chart_write_colour(const char *kind)
{
	unsigned hash = 0;

	for (; *kind && *kind != ' ' && *kind != ','; kind++)
		hash = (hash * 31 + (unsigned char)*kind) % 65521;
	return hash % COLOURS;
}

/* What a box of so many letters has: as page.js writes it. */
static void chart_write_label(struct text *out, const struct chart_block *b, size_t room,
			      const char *amount)
{
	const struct text *const step = text_len(&b->step) ? &b->step : &b->name;
	const struct text *const names[] = { &b->name, &b->name, step, step };

	for (size_t i = 0; i < 4; i++) {
		text_clear(out);
		text_add(out, text_get(names[i]));
		if (i % 2 == 0)
			text_printf(out, " %s", amount);
		if (name_length(text_get(out)) <= room)
			break;
	}
}

static void chart_write_block(struct text *out, const struct chart_block *b, double x,
			      double width)
{
	char size[HUMAN_SIZE];
	const char *amount = human_bytes_u64(size, b->retained);
	const char *colour = text_len(&b->kind) ? text_get(&b->kind) : text_get(&b->name);
	const double room = width / LETTER - 1;
	struct text label = { 0 };

	text_printf(out, "<g><title>");
	markup_add(out, text_get(&b->name));
	text_add(out, " ");
	markup_add(out, text_get(&b->kind));
	text_printf(
		out, ", %s</title><rect class=c%u x=%.2f y=%u width=%.2f height=%d />",
		amount, chart_write_colour(colour), x, b->depth * ROW, width, ROW - 1);
	if (room >= 3) {
		chart_write_label(&label, b, (size_t)room, amount);
		text_printf(out, "<text x=%.2f y=%u>", x + 4, b->depth * ROW + 15);
		struct text cut = { 0 };
		name_cut(&cut, text_get(&label), (size_t)room);
		markup_add(out, text_get(&cut));
		text_add(out, "</text>");
		text_free(&cut);
	}
	text_add(out, "</g>\n");
	text_free(&label);
}

void chart_svg(struct text *out, const struct chart *chart)
{
	double *left = calloc(chart->count + 1, sizeof(*left));
	const double all = chart->count ? (double)chart->block[0].retained : 0;
	uint32_t deepest = 0;

	assert(ROWS > 0);
	if (!left || all <= 0) {
		free(left);
		return;
	}
	/* parents come first, and children of one parent in their order */
	double *used = left;
	struct text blocks = { 0 };
	for (uint32_t i = 0; i < chart->count; i++) {
		const struct chart_block *b = &chart->block[i];
		double width = (double)b->retained / all * WIDTH;
		double x = i ? used[b->parent] : 0;

		if (i)
			used[b->parent] += width;
		left[i] = x;
		if (b->depth >= ROWS || width < 1.5)
			continue;
		deepest = b->depth > deepest ? b->depth : deepest;
		chart_write_block(&blocks, b, x, width);
	}
	text_printf(out,
		    "<svg class=icicle viewBox=\"0 0 %d %u\" role=img "
		    "aria-label=\"memory by holder, as nested blocks\">\n",
		    WIDTH, (deepest + 1) * ROW);
	text_add_bytes(out, text_get(&blocks), text_len(&blocks));
	text_add(out, "</svg>\n");
	text_free(&blocks);
	free(left);
}
