/* SPDX-License-Identifier: MIT */
#include "viewer/screen/icicle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/name.h"
#include "viewer/text/human.h"

enum { ICICLE_LEGEND_FROM = 12 /* rows, the legend's included */ };

int icicle_init(struct icicle *ic, struct analysis *analysis,
		const struct progress *progress)
{
	if (!ic->blocks)
		ic->blocks = calloc(ICICLE_MAX_BLOCKS, sizeof(*ic->blocks));
	if (!ic->blocks)
		return -ENOMEM;
	ic->analysis = analysis;
	ic->progress = progress;
	ic->zoom[0] = (struct icicle_block){
		.alike = alike_single(analysis, heap_root(analysis->heap)), .parent = -1
	};
	ic->depth = 1;
	ic->count = ic->chosen = 0;
	ic->width = 0;
	struct heap_span span;
	return analysis_children(analysis, heap_root(analysis->heap), progress, &span);
}

void icicle_deinit(struct icicle *ic)
{
	free(ic->blocks);
	ic->blocks = NULL;
	text_free(&ic->text);
}

static void icicle_add(struct icicle *ic, struct icicle_block block)
{
	if (ic->count < ICICLE_MAX_BLOCKS)
		ic->blocks[ic->count++] = block;
}

static bool icicle_same(const struct icicle_block *x, const struct icicle_block *y)
{
	return x->alike.count && x->alike.count == y->alike.count &&
		x->alike.node == y->alike.node;
}

/* Puts a block's lines below it.  Widths are cut from the exact shares, so that
 * a parent's children never reach beyond it. */
static void icicle_hang_lines(struct icicle *ic, int parent, const struct vec *lines)
{
	const struct icicle_block p = ic->blocks[parent];
	size_t count = VEC_COUNT(*lines, struct alike);
	const struct alike *line = lines->data;
	double all = (double)p.alike.retained, before = 0;

	for (size_t i = 0; i < count && all > 0; i++) {
		double mine = (double)line[i].retained;
		struct icicle_block b = { .alike = line[i],
					  .holder = p.alike.count > 1 ? p.holder :
									p.alike.node,
					  .level = (int16_t)(p.level + 1),
					  .parent = (int16_t)parent };
		if (mine / all * p.width < 1) { /* largest first: so are all others */
			b.alike = (struct alike){ 0 };
			b.others = (uint32_t)(count - i);
			for (mine = 0; i < count; i++)
				mine += (double)line[i].retained;
		}
		b.x = (int16_t)(p.x + (int)(before / all * p.width));
		b.width = (int16_t)(p.x + (int)((before + mine) / all * p.width) - b.x);
		if (b.width > 0)
			icicle_add(ic, b);
		before += mine;
	}
}

static void icicle_hang(struct icicle *ic, int parent)
{
	const struct icicle_block p = ic->blocks[parent];
	struct vec lines = { 0 };

	if (p.alike.count && p.level + 1 < ic->rows && ic->count < ICICLE_MAX_BLOCKS &&
	    !alike_open(ic->analysis, p.holder, &p.alike, ic->progress, &lines))
		icicle_hang_lines(ic, parent, &lines);
	vec_free(&lines);
}

static void icicle_lay_out(struct icicle *ic, int rows, int width)
{
	struct icicle_block top = ic->zoom[ic->depth - 1];

	if (icicle_same(&ic->laid, &top) && ic->rows == rows && ic->width == width &&
	    ic->count)
		return;
	struct icicle_block chosen = { 0 };
	if (ic->count)
		chosen = ic->blocks[ic->chosen];
	ic->rows = rows < ICICLE_MAX_LEVELS ? rows : ICICLE_MAX_LEVELS;
	ic->width = width;
	ic->laid = top;
	ic->count = 0;
	top.level = top.x = 0;
	top.width = (int16_t)width;
	top.parent = -1;
	icicle_add(ic, top);
	for (int i = 0; i < ic->count; i++)
		icicle_hang(ic, i);
	ic->chosen = 0;
	for (int i = 0; i < ic->count; i++)
		if (icicle_same(&ic->blocks[i], &chosen))
			ic->chosen = i;
}

/* width: characters there are for its name and size. */
static void icicle_block_text(struct icicle *ic, const struct icicle_block *b, int width)
{
	char n[HUMAN_SIZE];

	text_clear(&ic->text);
	if (!b->alike.count) {
		text_printf(&ic->text, "%s others", human_count(n, b->others));
		return;
	}
	const char *size = human_bytes_u64(n, b->alike.retained);
	const int left = width - (int)strlen(size) - 1;
	const bool both = left > 4; /* else the name alone */
	const size_t room = (size_t)(both ? left : width > 1 ? width : 1);
	if (b->alike.count > 1)
		alike_brief(&ic->text, ic->analysis->heap, &b->alike, room);
	else
		name_short(&ic->text, ic->analysis, b->alike.node, room);
	if (both)
		text_printf(&ic->text, " %s", size);
}

/* Neighbours get different styles; the same block keeps its own. */
static enum style icicle_block_style(const struct icicle_block *b, int index)
{
	static const enum style styles[] = { STYLE_PART1, STYLE_PART2, STYLE_PART3,
					     STYLE_PART4 };

	if (!b->alike.count)
		return STYLE_DIM;
	return styles[(unsigned)index % 4];
}

static void icicle_draw_block(struct icicle *ic, struct surface *s, int i, bool chosen)
{
	const struct icicle_block *b = &ic->blocks[i];
	int y = ic->y + b->level, x = ic->x + b->x;

	surface_fill(s, y, x, b->width, icicle_block_style(b, i), ' ');
	icicle_block_text(ic, b, b->width - 1);
	/* One cell stays free so that neighbours can be told apart without colour. */
	if (b->width > 2)
		surface_puts(s, y, x, b->width - 1, icicle_block_style(b, i),
			     text_get(&ic->text));
	surface_fill(s, y, x + b->width - 1, 1, icicle_block_style(b, i), '|');
	if (chosen)
		surface_select(s, y, x, b->width);
}

void icicle_draw(struct icicle *ic, struct surface *s, struct rect r)
{
	if (r.height < 3)
		return;
	if (r.height >= ICICLE_LEGEND_FROM) {
		r.height--;
		surface_puts(s, r.y + r.height, r.x + 1, r.width - 2, STYLE_DIM,
			     "below each: what it keeps alive, as wide as it is large; "
			     "| ends a block; + zooms in, - out");
	}
	icicle_lay_out(ic, r.height - 2, r.width);
	ic->y = r.y;
	ic->x = r.x;
	for (int i = 0; i < ic->count; i++)
		icicle_draw_block(ic, s, i, i == ic->chosen);
	icicle_block_text(ic, &ic->blocks[ic->chosen], 1000);
	if (ic->blocks[ic->chosen].alike.count) {
		text_add(&ic->text,
			 ic->blocks[ic->chosen].alike.count > 1 ? "  e.g. " : "  ");
		if (ic->blocks[ic->chosen].alike.count > 1)
			name_full(&ic->text, ic->analysis,
				  ic->blocks[ic->chosen].alike.node);
		alike_kind(&ic->text, ic->analysis->heap, &ic->blocks[ic->chosen].alike,
			   60);
	}
	struct rect below = { r.y + r.height - 2, r.x + 1, 2, r.width - 2 };
	surface_wrap(s, below, STYLE_LABEL, text_get(&ic->text), text_len(&ic->text));
}

/* The block of the level nearest to column x; -1 = none. */
static int icicle_nearest(const struct icicle *ic, int level, int x)
{
	int best = -1, distance = 1 << 20;

	for (int i = 0; i < ic->count; i++) {
		const struct icicle_block *b = &ic->blocks[i];
		int d = x < b->x	     ? b->x - x :
			x >= b->x + b->width ? x - b->x - b->width + 1 :
					       0;
		if (b->level == level && d < distance) {
			best = i;
			distance = d;
		}
	}
	return best;
}

static int icicle_sibling(const struct icicle *ic, int step)
{
	int i = ic->chosen + step;
	bool same = i >= 0 && i < ic->count &&
		ic->blocks[i].level == ic->blocks[ic->chosen].level;

	return same ? i : ic->chosen;
}

static int icicle_below(const struct icicle *ic)
{
	for (int i = ic->chosen + 1; i < ic->count; i++)
		if (ic->blocks[i].parent == ic->chosen)
			return i;
	return ic->chosen;
}

static void icicle_zoom_in(struct icicle *ic)
{
	const struct icicle_block *b = &ic->blocks[ic->chosen];

	if (!b->alike.count || ic->depth == ICICLE_MAX_ZOOM ||
	    icicle_same(b, &ic->zoom[ic->depth - 1]))
		return;
	ic->zoom[ic->depth++] = *b;
}

bool icicle_event(struct icicle *ic, const struct event *e)
{
	if (!ic->count)
		return false;
	switch (e->key) {
	case KEY_IS_LEFT:
		ic->chosen = icicle_sibling(ic, -1);
		return true;
	case KEY_IS_RIGHT:
		ic->chosen = icicle_sibling(ic, 1);
		return true;
	case KEY_IS_UP:
	case 'w':
	case 'k':
		if (ic->blocks[ic->chosen].parent >= 0)
			ic->chosen = ic->blocks[ic->chosen].parent;
		return true;
	case KEY_IS_DOWN:
	case 's':
	case 'j':
		ic->chosen = icicle_below(ic);
		return true;
	case 'H':
		ic->chosen = 0;
		return true;
	case '+':
	case '=':
	case ' ':
		icicle_zoom_in(ic);
		return true;
	case '-':
		if (ic->depth > 1)
			ic->depth--;
		return true;
	case KEY_IS_CLICK: {
		int i = icicle_nearest(ic, e->y - ic->y, e->x - ic->x);
		if (i >= 0)
			ic->chosen = i;
		return i >= 0;
	}
	default:
		return false;
	}
}

bool icicle_chosen(const struct icicle *ic, int y, int x)
{
	return ic->count && icicle_nearest(ic, y - ic->y, x - ic->x) == ic->chosen;
}

uint32_t icicle_node(const struct icicle *ic)
{
	assert(ic->count == 0 || ic->chosen < ic->count);
	const struct icicle_block *b = &ic->blocks[ic->chosen];
	return ic->count && b->alike.count ? b->alike.node : HEAP_NONE;
}
