/* SPDX-License-Identifier: MIT */
/*
 * The dominator tree: what goes when something goes.  Rows are made as one
 * expands them; a node with very many children shows the largest and a row that
 * adds more.  `i` turns the same tree into an icicle (icicle.h).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/report/describe.h"
#include "viewer/screen/app.h"
#include "viewer/screen/icicle.h"
#include "viewer/text/human.h"

enum { CHILDREN_AT_ONCE = 200, MAX_INDENT = 24 };

struct tree_row {
	uint32_t node;
	uint32_t more; /* > 0: a row that stands for that many further children */
	uint16_t depth;
	bool expanded, leaf;
};

struct tree_view {
	struct view view;
	struct grid grid;
	struct tree_row *rows;
	size_t count, capacity;
	struct icicle icicle;
	bool as_icicle;
	struct text text;
};

enum { COL_OBJECT, COL_RETAINED, COL_SHARE, COL_OBJECTS, COL_SIZE };

static const struct column columns[] = {
	[COL_OBJECT] = { "object", "Object", CELL_TEXT, false },
	[COL_RETAINED] = { "retained", "Retained", CELL_BYTES, false },
	[COL_SHARE] = { "share", "Share", CELL_RATIO, false },
	[COL_OBJECTS] = { "objects", "Objects", CELL_COUNT, false },
	[COL_SIZE] = { "size", "Size", CELL_BYTES, false },
};

static struct tree_view *view_tree_self(struct view *view)
{
	return (struct tree_view *)view;
}

static struct analysis *view_tree_analysis_of(const struct tree_view *v)
{
	return v->view.page->process->analysis;
}

static size_t view_tree_rows(void *arg)
{
	return ((struct tree_view *)arg)->count;
}

static void view_tree_text(struct tree_view *v, const struct tree_row *row,
			   struct grid_cell *ret)
{
	const struct heap *heap = v->view.page->process->heap;
	bool ascii = v->view.page->app->surface.ascii;
	char n[HUMAN_SIZE];
	text_clear(&v->text);
	if (row->more) {
		text_printf(&v->text, "  ... %s more", human_count(n, row->more));
	} else {
		text_add(&v->text,
			 row->leaf	       ? "  " :
				 row->expanded ? (ascii ? "- " : "\xe2\x96\xbe ") :
						 (ascii ? "+ " : "\xe2\x96\xb8 "));
		describe_node(&v->text, heap, row->node);
		if (heap_is_object(heap, row->node)) {
			text_add(&v->text, " ");
			describe_value(&v->text, heap, row->node, 60);
		}
	}
	ret->text = text_get(&v->text);
	ret->size = text_len(&v->text);
	ret->indent = row->depth < MAX_INDENT ? row->depth : MAX_INDENT;
	ret->style = !row->more && !heap_is_object(heap, row->node) ? STYLE_ROOT :
								      STYLE_NORMAL;
}

static double view_tree_share_of(const struct analysis *a, uint32_t node)
{
	uint64_t all = analysis_retained(a, heap_root(a->heap));
	return all ? (double)analysis_retained(a, node) / (double)all : 0;
}

static void view_tree_cell(void *arg, size_t index, size_t column, struct grid_cell *ret)
{
	struct tree_view *v = arg;
	const struct tree_row *row = &v->rows[index];
	const struct analysis *a = view_tree_analysis_of(v);
	if (column == COL_OBJECT) {
		view_tree_text(v, row, ret);
		return;
	}
	ret->unknown = row->more > 0;
	if (ret->unknown)
		return;
	switch (column) {
	case COL_RETAINED:
		ret->u64 = analysis_retained(a, row->node);
		break;
	case COL_SHARE:
		ret->ratio = view_tree_share_of(a, row->node);
		break;
	case COL_OBJECTS:
		ret->u64 = analysis_retained_count(a, row->node);
		break;
	case COL_SIZE:
		ret->u64 = heap_size(a->heap, row->node);
		break;
	default:
		break;
	}
}

static const struct grid_source source = { view_tree_rows, view_tree_cell, NULL };

static int view_tree_insert(struct tree_view *v, size_t at, const struct tree_row *new,
			    size_t n)
{
	assert(at <= v->count);
	if (v->count + n > v->capacity) {
		size_t capacity = (v->count + n) * 2;
		struct tree_row *more = realloc(v->rows, capacity * sizeof(*more));
		if (!more)
			return -ENOMEM;
		v->rows = more;
		v->capacity = capacity;
	}
	memmove(v->rows + at + n, v->rows + at, (v->count - at) * sizeof(*v->rows));
	memcpy(v->rows + at, new, n * sizeof(*new));
	v->count += n;
	return 0;
}

/* Children without the groups that hold nothing (the last ones). */
static int view_tree_children_of(struct tree_view *v, uint32_t node,
				 struct heap_span *ret)
{
	struct analysis *a = view_tree_analysis_of(v);
	int err = analysis_children(a, node, &v->view.page->app->progress, ret);
	while (!err && ret->count) {
		uint32_t last = ret->target[ret->count - 1];
		if (heap_is_object(a->heap, last) || analysis_retained_count(a, last))
			break;
		ret->count--;
	}
	return err;
}

/* Inserts children [from, from + CHILDREN_AT_ONCE) of node at row `at`. */
static int view_tree_insert_children(struct tree_view *v, size_t at, uint32_t node,
				     uint32_t from, uint16_t depth)
{
	struct tree_row new[CHILDREN_AT_ONCE + 1];
	struct heap_span children, grand;
	size_t n = 0;
	int err = view_tree_children_of(v, node, &children);
	if (err)
		return err;
	while (from < children.count && n < CHILDREN_AT_ONCE) {
		uint32_t child = children.target[from++];
		err = view_tree_children_of(v, child, &grand);
		if (err)
			return err;
		new[n++] = (struct tree_row){ .node = child,
					      .depth = depth,
					      .leaf = grand.count == 0 };
	}
	if (from < children.count)
		new[n++] = (struct tree_row){ .node = node,
					      .more = children.count - from,
					      .depth = depth };
	return view_tree_insert(v, at, new, n);
}

static void view_tree_fold(struct tree_view *v, size_t at)
{
	size_t end = at + 1;
	assert(at < v->count);
	while (end < v->count && v->rows[end].depth > v->rows[at].depth)
		end++;
	memmove(v->rows + at + 1, v->rows + end, (v->count - end) * sizeof(*v->rows));
	v->count -= end - at - 1;
	v->rows[at].expanded = false;
}

static int view_tree_unfold(struct tree_view *v, size_t at)
{
	struct tree_row *row = &v->rows[at];
	assert(at < v->count);
	if (row->more) { /* replace this row with what it stands for */
		struct heap_span children;
		struct tree_row was = *row;
		int err = view_tree_children_of(v, was.node, &children);
		if (err)
			return err;
		memmove(row, row + 1, (v->count - at - 1) * sizeof(*row));
		v->count--;
		return view_tree_insert_children(v, at, was.node,
						 children.count - was.more, was.depth);
	}
	if (row->expanded || row->leaf)
		return 0;
	row->expanded = true;
	return view_tree_insert_children(v, at + 1, row->node, 0,
					 (uint16_t)(row->depth + 1));
}

static int view_tree_load(struct view *view)
{
	struct tree_view *v = view_tree_self(view);
	struct app *app = view->page->app;
	int err = workspace_analyse(&app->workspace, view->page->process, &app->progress);
	if (err)
		return err;
	v->count = 0;
	struct tree_row top = { .node = heap_root(view->page->process->heap) };
	err = view_tree_insert(v, 0, &top, 1);
	if (!err)
		err = view_tree_unfold(v, 0);
	if (!err)
		err = icicle_init(&v->icicle, view_tree_analysis_of(v), &app->progress);
	view->grid = v->as_icicle ? NULL : &v->grid;
	v->grid.fixed_order = true;
	return err ? err : grid_refresh(&v->grid, NULL);
}

static void view_tree_draw(struct view *view, struct surface *s, struct rect r)
{
	struct tree_view *v = view_tree_self(view);
	if (v->as_icicle)
		icicle_draw(&v->icicle, s, r);
	else
		grid_draw(&v->grid, s, r);
}

static void view_tree_changed(struct tree_view *v, int err)
{
	if (err)
		app_say(v->view.page->app, STYLE_WARN,
			err == -ECANCELED ? "stopped" : "out of memory");
	grid_refresh(&v->grid, NULL);
}

/* Goes down the heaviest child as long as it holds at least half. */
static void view_tree_follow(struct tree_view *v, size_t at)
{
	int err = 0;
	for (int steps = 0; steps < 64 && !err; steps++) {
		err = view_tree_unfold(v, at);
		if (err || at + 1 >= v->count ||
		    v->rows[at + 1].depth <= v->rows[at].depth || v->rows[at + 1].more)
			break;
		uint64_t mine =
			analysis_retained(view_tree_analysis_of(v), v->rows[at].node);
		uint64_t child =
			analysis_retained(view_tree_analysis_of(v), v->rows[at + 1].node);
		if (child < mine / 2)
			break;
		at++;
	}
	view_tree_changed(v, err);
	grid_go_to(&v->grid, at);
}

static void view_tree_to_parent(struct tree_view *v, size_t at)
{
	size_t up = at;
	while (up > 0 && v->rows[up].depth >= v->rows[at].depth)
		up--;
	grid_go_to(&v->grid, up);
}

static bool view_tree_key(struct tree_view *v, const struct event *e)
{
	size_t at = v->grid.filter[0] ? SIZE_MAX : grid_row(&v->grid);
	if (at == SIZE_MAX)
		return false;
	struct tree_row *row = &v->rows[at];
	switch (e->key) {
	case ' ':
		if (row->expanded)
			view_tree_fold(v, at), view_tree_changed(v, 0);
		else
			view_tree_changed(v, view_tree_unfold(v, at));
		return true;
	case '+':
	case '=':
		view_tree_changed(v, view_tree_unfold(v, at));
		return true;
	case '-':
		if (row->expanded)
			view_tree_fold(v, at), view_tree_changed(v, 0);
		else
			view_tree_to_parent(v, at);
		return true;
	case '*':
		view_tree_follow(v, at);
		return true;
	default:
		return false;
	}
}

static bool view_tree_event(struct view *view, const struct event *e)
{
	struct tree_view *v = view_tree_self(view);
	if (e->key == 'i') {
		v->as_icicle = !v->as_icicle;
		view->grid = v->as_icicle ? NULL : &v->grid;
		return true;
	}
	if (!v->as_icicle)
		return view_tree_key(v, e);
	if (e->key == KEY_IS_ENTER ||
	    (e->key == KEY_IS_CLICK && icicle_chosen(&v->icicle, e->y, e->x))) {
		page_open_node(view->page, icicle_node(&v->icicle));
		return true;
	}
	return icicle_event(&v->icicle, e);
}

static struct row_ref view_tree_subject(struct view *view)
{
	struct tree_view *v = view_tree_self(view);
	struct row_ref none = { HEAP_NONE, 0 };
	if (view->error || !view->loaded)
		return none;
	size_t at = grid_row(&v->grid);
	uint32_t node = v->as_icicle ? icicle_node(&v->icicle) :
		at == SIZE_MAX	     ? HEAP_NONE :
				       v->rows[at].node;
	if (node == HEAP_NONE)
		return none;
	return (struct row_ref){ node, heap_type_of(view->page->process->heap, node) };
}

static void view_tree_enter(struct view *view)
{
	struct tree_view *v = view_tree_self(view);
	size_t at = grid_row(&v->grid);
	if (at == SIZE_MAX)
		return;
	if (v->rows[at].more)
		view_tree_changed(v, view_tree_unfold(v, at));
	else
		page_open_node(view->page, v->rows[at].node);
}

static void view_tree_destroy(struct view *view)
{
	struct tree_view *v = view_tree_self(view);
	grid_deinit(&v->grid);
	icicle_deinit(&v->icicle);
	text_free(&v->text);
	free(v->rows);
	free(v);
}

static const struct hint hints[] = {
	{ ' ', "Space", "expand" },
	{ '*', "*", "follow" },
	{ KEY_IS_ENTER, "Enter", "open" },
	{ 'i', "i", "icicle" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_tree_load,
	.draw = view_tree_draw,
	.event = view_tree_event,
	.enter = view_tree_enter,
	.subject = view_tree_subject,
	.destroy = view_tree_destroy,
	.hints = hints,
};

struct view *view_tree_create(struct page *page, const void *unused)
{
	(void)unused;
	struct tree_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	grid_init(&v->grid, &source, v, columns, sizeof(columns) / sizeof(*columns));
	v->grid.bar = COL_SHARE;
	v->grid.bar_total = 1;
	return &v->view;
}
