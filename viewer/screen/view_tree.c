/* SPDX-License-Identifier: MIT */
/*
 * The dominator tree: what goes when something goes.  Rows are made as one
 * expands them; children that are alike are one row that opens into them
 * (alike.h); of very many rows the largest are shown and one that adds more.
 * `i` turns the same tree into an icicle (icicle.h).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/alike.h"
#include "viewer/name/describe.h"
#include "viewer/name/name.h"
#include "viewer/screen/app.h"
#include "viewer/screen/fold.h"
#include "viewer/screen/icicle.h"
#include "viewer/text/human.h"

enum { CHILDREN_AT_ONCE = 200, MAX_INDENT = 24, NAME_WIDTH = 64 };

struct tree_row {
	struct alike alike; /* count 1: a node; more: several that are alike */
	uint32_t holder;    /* of those, and of `more` */
	uint32_t more;	    /* > 0: stands for that many further lines, or members of
			     * alike */
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

static bool view_tree_is_node(const struct tree_row *row)
{
	return !row->more && row->alike.count == 1;
}

static void view_tree_text(struct tree_view *v, const struct tree_row *row,
			   struct grid_cell *ret)
{
	const struct analysis *a = view_tree_analysis_of(v);
	bool ascii = v->view.page->app->surface.ascii;
	char n[HUMAN_SIZE];

	text_clear(&v->text);
	if (row->more) {
		text_printf(&v->text, "  ... %s more", human_count(n, row->more));
	} else {
		text_add(&v->text, row->leaf ? "  " : fold_mark(ascii, row->expanded));
		alike_text(&v->text, a->heap, &row->alike);
	}
	if (view_tree_is_node(row)) {
		name_short(&v->text, a, row->alike.node, NAME_WIDTH);
		text_add(&v->text, "  ");
		alike_kind(&v->text, a->heap, &row->alike, 60);
	}
	ret->text = text_get(&v->text);
	ret->size = text_len(&v->text);
	ret->indent = row->depth < MAX_INDENT ? row->depth : MAX_INDENT;
	ret->style = view_tree_is_node(row) && !heap_is_object(a->heap, row->alike.node) ?
		STYLE_ROOT :
		STYLE_NORMAL;
}

static double view_tree_share_of(const struct analysis *a, uint64_t retained)
{
	uint64_t all = analysis_retained(a, heap_root(a->heap));

	return all ? (double)retained / (double)all : 0;
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
		ret->u64 = row->alike.retained;
		break;
	case COL_SHARE:
		ret->ratio = view_tree_share_of(a, row->alike.retained);
		break;
	case COL_OBJECTS:
		ret->u64 = row->alike.objects;
		break;
	case COL_SIZE:
		ret->u64 = row->alike.size;
		break;
	default:
		break;
	}
}

static const struct grid_source source = {
	.rows = view_tree_rows,
	.cell = view_tree_cell,
};

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

/* A row's lines, without the groups that hold nothing. */
static int view_tree_lines(struct tree_view *v, const struct tree_row *row,
			   struct vec *ret)
{
	struct analysis *a = view_tree_analysis_of(v);
	struct progress *progress = &v->view.page->app->progress;
	int err = row->alike.count ?
		alike_open(a, row->holder, &row->alike, progress, ret) :
		alike_children(a, row->holder, progress, ret);

	while (!err && ret->size) {
		const struct alike *last =
			(const struct alike *)((const char *)ret->data + ret->size) - 1;
		if (heap_is_object(a->heap, last->node) || last->objects)
			break;
		ret->size -= sizeof(*last);
	}
	return err;
}

/* A row's lines from the one of that index on, at most CHILDREN_AT_ONCE, at row `at`. */
static int view_tree_insert_lines(struct tree_view *v, size_t at, struct tree_row of,
				  size_t from, uint16_t depth)
{
	struct tree_row new[CHILDREN_AT_ONCE + 1];
	struct vec lines = { 0 };
	struct heap_span below;
	size_t n = 0;
	bool members = of.alike.count > 1;
	uint32_t holder = members || of.more ? of.holder : of.alike.node;
	int err = view_tree_lines(v, &of, &lines);

	for (; from < VEC_COUNT(lines, struct alike) && n < CHILDREN_AT_ONCE && !err;
	     from++) {
		const struct alike line = VEC(lines, struct alike)[from];
		err = analysis_children(view_tree_analysis_of(v), line.node,
					&v->view.page->app->progress, &below);
		new[n++] = (struct tree_row){ .alike = line,
					      .holder = holder,
					      .depth = depth,
					      .leaf = !below.count && line.count == 1 };
	}
	if (!err && from < VEC_COUNT(lines, struct alike)) {
		of.holder = holder;
		of.more = (uint32_t)(VEC_COUNT(lines, struct alike) - from);
		of.depth = depth;
		of.expanded = false;
		if (!members)
			of.alike.count = 0;
		new[n++] = of;
	}
	if (!err)
		err = view_tree_insert(v, at, new, n);
	vec_free(&lines);
	return err;
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
		struct tree_row was = *row;
		struct vec lines = { 0 };
		int err = view_tree_lines(v, &was, &lines);
		size_t count = VEC_COUNT(lines, struct alike);
		vec_free(&lines);
		if (err)
			return err;
		memmove(row, row + 1, (v->count - at - 1) * sizeof(*row));
		v->count--;
		return view_tree_insert_lines(v, at, was, count - was.more, was.depth);
	}
	if (row->expanded || row->leaf)
		return 0;
	row->expanded = true;
	return view_tree_insert_lines(v, at + 1, *row, 0, (uint16_t)(row->depth + 1));
}

static int view_tree_load(struct view *view)
{
	struct tree_view *v = view_tree_self(view);
	struct app *app = view->page->app;
	int err = workspace_analyse(&app->workspace, view->page->process, &app->progress);

	if (err)
		return err;
	v->count = 0;
	struct tree_row top = { .alike = alike_single(
					view_tree_analysis_of(v),
					heap_root(view->page->process->heap)) };
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
		if (v->rows[at + 1].alike.retained < v->rows[at].alike.retained / 2 ||
		    v->rows[at + 1].alike.count > 1)
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

static const struct view_ops icicle_ops, tree_ops;

static bool view_tree_event(struct view *view, const struct event *e)
{
	struct tree_view *v = view_tree_self(view);

	if (e->key == 'i') {
		v->as_icicle = !v->as_icicle;
		view->grid = v->as_icicle ? NULL : &v->grid;
		view->ops = v->as_icicle ? &icicle_ops : &tree_ops;
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
				       v->rows[at].alike.node;
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
	if (view_tree_is_node(&v->rows[at]))
		page_open_node(view->page, v->rows[at].alike.node);
	else if (v->rows[at].expanded)
		view_tree_fold(v, at), view_tree_changed(v, 0);
	else
		view_tree_changed(v, view_tree_unfold(v, at));
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

static const struct hint icicle_hints[] = {
	{ '+', "+", "zoom in" }, { '-', "-", "out" }, { KEY_IS_ENTER, "Enter", "open" },
	{ 'i', "i", "tree" },	 { 0, NULL, NULL },
};

#define VIEW_TREE_OPS(its_hints) \
	{ \
		.load = view_tree_load, .draw = view_tree_draw, \
		.event = view_tree_event, .enter = view_tree_enter, \
		.subject = view_tree_subject, .destroy = view_tree_destroy, \
		.hints = (its_hints) \
	}
static const struct view_ops tree_ops = VIEW_TREE_OPS(hints);
static const struct view_ops icicle_ops = VIEW_TREE_OPS(icicle_hints);

struct view *view_tree_create(struct page *page, const void *unused)
{
	(void)unused;
	struct tree_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &tree_ops, .page = page };
	grid_init(&v->grid, &source, v, columns, sizeof(columns) / sizeof(*columns));
	v->grid.bar = COL_SHARE;
	v->grid.bar_total = 1;
	return &v->view;
}
