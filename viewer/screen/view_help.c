/* SPDX-License-Identifier: MIT */
/* All keys, as a list that can be searched like any other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/screen/app.h"

struct help_view {
	struct view view;
	struct grid grid;
};

static const struct column columns[] = {
	{ "key", "Key", CELL_TEXT, false },
	{ "does", "What it does", CELL_TEXT, false },
};

/* A NULL text makes a heading. */
static const struct {
	const char *key, *text;
} lines[] = {
	{ "Moving", NULL },
	{ "up down  w s  k j", "one row" },
	{ "PgUp PgDn", "one screen" },
	{ "H Home  G End", "top, bottom" },
	{ "left right  a d  h l",
	  "previous, next page: one page a process, then comparisons" },
	{ "1 ... 9  Tab", "the screens of a page" },
	{ "Enter, click", "open what the cursor is on: type, object, suspect" },
	{ "Backspace, Esc", "back" },
	{ "Lists", NULL },
	{ "/", "search as you type; n next, N previous" },
	{ "\\", "filter as you type; Esc shows all again" },
	{ "< >, click on a title", "sort by the column left, right" },
	{ "I", "invert the order" },
	{ "Object", NULL },
	{ "Tab", "next of: path, refers to, referred to by, keeps alive" },
	{ "Space, Enter", "open or close a row of several that are alike" },
	{ "p", "the object that holds this one" },
	{ "o", "references in their own order, or largest first" },
	{ "t", "all instances of its type" },
	{ "Dominators", NULL },
	{ "Space + -", "expand, collapse" },
	{ "*", "follow the heaviest branch" },
	{ "i", "tree, or icicle; there: arrows choose, + - zoom" },
	{ "Growth of what arrives", NULL },
	{ "Space", "also what never changed, or not; + - mark what just changed" },
	{ "Everywhere", NULL },
	{ "g", "draw a graph of what the cursor is on" },
	{ "@", "open the object at an address" },
	{ ":", "a command: go, type, report, graph, save-display, q" },
	{ "R", "make the screen again" },
	{ "Esc", "stop long work; leave a prompt; drop the filter; go back" },
	{ "?", "this help, and back" },
	{ "q", "quit" },
	{ "Words", NULL },
	{ "size", "the object alone, as sys.getsizeof says" },
	{ "retained", "what would be freed if it were gone, for nothing else keeps it" },
	{ "dominator", "the nearest object through which every path from a root goes" },
	{ "root", "what is alive by itself: modules, threads' locals, the interpreter" },
};

static size_t view_help_rows(void *arg)
{
	(void)arg;
	return sizeof(lines) / sizeof(*lines);
}

static const char *view_help_heading(void *arg, size_t row)
{
	(void)arg;
	return lines[row].text ? NULL : lines[row].key;
}

static void view_help_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	(void)arg;
	ret->text = column == 0 ? lines[row].key : lines[row].text ? lines[row].text : "";
	ret->size = strlen(ret->text);
	ret->style = column == 0 ? STYLE_KEY : STYLE_NORMAL;
}

static const struct grid_source source = {
	.rows = view_help_rows,
	.cell = view_help_cell,
	.heading = view_help_heading,
};

static int view_help_load(struct view *view)
{
	struct help_view *v = (struct help_view *)view;

	view->grid = &v->grid;
	return grid_refresh(&v->grid, NULL);
}

static void view_help_draw(struct view *view, struct surface *s, struct rect r)
{
	grid_draw(&((struct help_view *)view)->grid, s, r);
}

static void view_help_destroy(struct view *view)
{
	grid_deinit(&((struct help_view *)view)->grid);
	free(view);
}

static const struct view_ops ops = { .load = view_help_load,
				     .draw = view_help_draw,
				     .destroy = view_help_destroy };

struct view *view_help_create(struct page *page, const void *unused)
{
	(void)unused;
	struct help_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	snprintf(v->view.crumb, sizeof(v->view.crumb), "Help");
	grid_init(&v->grid, &source, v, columns, 2);
	v->grid.fixed_order = true;
	return &v->view;
}
