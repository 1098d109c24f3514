/* SPDX-License-Identifier: MIT */
/*
 * The instances of a type, or those of a suspect (analysis/suspects.h) that is a group,
 * largest retained first.  All of them are there,
 * however many: the list is their ids, and cells are made when seen.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/crowd.h"
#include "viewer/analysis/suspect_member.h"
#include "viewer/name/describe.h"
#include "viewer/screen/app.h"
#include "viewer/screen/rank.h"
#include "viewer/text/human.h"

struct instances_view {
	struct view view;
	struct grid grid;
	uint32_t type;
	bool group;	/* only the members of a suspect that point holds */
	uint32_t point; /* or HEAP_NONE */
	uint32_t *ids;
	size_t count;
	uint64_t size;	  /* bytes of these themselves */
	struct text text; /* of the cell asked for last */
};

enum {
	COL_VALUE,
	COL_HELD,
	COL_SIZE,
	COL_RETAINED,
	COL_OBJECTS,
	COL_REFCOUNT,
	COL_ADDRESS
};

static const struct column columns[] = {
	[COL_VALUE] = { "value", "Value", CELL_TEXT, false },
	[COL_HELD] = { "held", "Held by", CELL_TEXT, false },
	[COL_SIZE] = { "size", "Size", CELL_BYTES, false },
	[COL_RETAINED] = { "retained", "Retained", CELL_BYTES, false },
	[COL_OBJECTS] = { "objects", "Objects", CELL_COUNT, false },
	[COL_REFCOUNT] = { "refcount", "Refs", CELL_COUNT, false },
	[COL_ADDRESS] = { "address", "Address", CELL_ADDRESS, false },
};

static struct instances_view *view_instances_self(struct view *view)
{
	return (struct instances_view *)view;
}

static size_t view_instances_rows(void *arg)
{
	return ((struct instances_view *)arg)->count;
}

static void view_instances_text_cell(struct instances_view *v, uint32_t id, size_t column,
				     struct grid_cell *ret)
{
	const struct process *p = v->view.page->process;

	text_clear(&v->text);
	if (column == COL_VALUE) {
		describe_value(&v->text, p->heap, id, 80);
		ret->style = STYLE_VALUE;
		if (text_len(&v->text) == 0) {
			text_printf(&v->text, "%s", "");
			ret->unknown = true;
		}
	} else if (p->analysis) {
		describe_path(&v->text, p->analysis, id);
		ret->style = STYLE_LABEL;
		ret->keep_ends = true;
	} else {
		ret->unknown = true;
	}
	ret->text = text_get(&v->text);
	ret->size = text_len(&v->text);
}

static void view_instances_cell(void *arg, size_t row, size_t column,
				struct grid_cell *ret)
{
	struct instances_view *v = arg;
	const struct process *p = v->view.page->process;
	uint32_t id = v->ids[row];

	switch (column) {
	case COL_VALUE:
	case COL_HELD:
		view_instances_text_cell(v, id, column, ret);
		break;
	case COL_SIZE:
		ret->u64 = heap_shallow(p->heap, id);
		break;
	case COL_RETAINED:
		ret->unknown = !p->analysis;
		ret->u64 = p->analysis ? analysis_retained(p->analysis, id) : 0;
		break;
	case COL_OBJECTS:
		ret->unknown = !p->analysis;
		ret->u64 = p->analysis ? analysis_retained_count(p->analysis, id) : 0;
		break;
	case COL_REFCOUNT:
		ret->unknown = heap_class_of(p->heap, id)->flags & SNAP_OBJ_IMMORTAL;
		ret->u64 = heap_refcount(p->heap, id);
		break;
	case COL_ADDRESS:
		ret->u64 = heap_address(p->heap, id);
		break;
	default:
		break;
	}
}

static const struct grid_source source = {
	.rows = view_instances_rows,
	.cell = view_instances_cell,
};

static uint64_t view_instances_weight(const void *arg, uint32_t id)
{
	const struct process *p = arg;

	return p->analysis ? analysis_retained(p->analysis, id) :
			     heap_shallow(p->heap, id);
}

static bool view_instances_shows(const struct instances_view *v,
				 const struct crowd *crowd, uint32_t id)
{
	const struct analysis *a = v->view.page->process->analysis;

	return heap_type_of(v->view.page->process->heap, id) == v->type &&
		(!v->group || !a ||
		 (suspect_member_is(a, v->point, id) &&
		  (!crowd->a || crowd_has(crowd, id))));
}

static int view_instances_collect(struct instances_view *v, const struct crowd *crowd,
				  const struct progress *progress)
{
	const struct heap *heap = v->view.page->process->heap;
	uint64_t most = heap_type(heap, v->type)->count;

	v->ids = malloc((most + 1) * sizeof(*v->ids));
	if (!v->ids)
		return -ENOMEM;
	for (uint32_t id = 0; id < heap->objects && v->count < most; id++) {
		if (view_instances_shows(v, crowd, id)) {
			v->ids[v->count++] = id;
			v->size += heap_size(heap, id);
		}
		if (id % PROGRESS_EVERY == 0) {
			int err = progress_step(progress, "collecting instances", id,
						heap->objects);
			if (err)
				return err;
		}
	}
	return rank_ids(v->ids, v->count, view_instances_weight, v->view.page->process,
			progress);
}

/* Of a group that an object holds, what that one has. */
static int view_instances_find(struct instances_view *v, const struct progress *progress)
{
	const struct process *p = v->view.page->process;
	struct crowd crowd = { 0 };
	int err = 0;

	if (v->group && p->analysis && v->point < p->heap->objects)
		err = crowd_begin(&crowd, p->analysis, v->point);
	if (!err)
		err = view_instances_collect(v, &crowd, progress);
	crowd_end(&crowd);
	return err;
}

static int view_instances_load(struct view *view)
{
	struct instances_view *v = view_instances_self(view);
	struct app *app = view->page->app;

	free(v->ids);
	v->ids = NULL;
	v->count = 0;
	v->size = 0;
	int err = workspace_analyse(&app->workspace, view->page->process, &app->progress);
	if (err == -ENOMEM)
		return err; /* stopped: shown without what is retained */
	err = view_instances_find(v, &app->progress);
	if (err)
		return err;
	view->grid = &v->grid;
	return grid_refresh(&v->grid, &app->progress);
}

static void view_instances_draw(struct view *view, struct surface *s, struct rect r)
{
	struct instances_view *v = view_instances_self(view);
	const struct heap *heap = view->page->process->heap;
	char count[HUMAN_SIZE], size[HUMAN_SIZE];

	text_clear(&v->text);
	text_escape(&v->text, heap_type_name(heap, v->type),
		    strlen(heap_type_name(heap, v->type)), 200, 0);
	text_printf(&v->text, ": %s %s, %s", human_count(count, v->count),
		    v->group ? "in the group" : "objects",
		    human_bytes_u64(size, v->size));
	surface_puts(s, r.y, r.x + 1, r.width - 2, STYLE_STRONG, text_get(&v->text));
	struct rect list = { r.y + 1, r.x, r.height - 1, r.width };
	grid_draw(&v->grid, s, list);
}

static struct row_ref view_instances_subject(struct view *view)
{
	struct instances_view *v = view_instances_self(view);
	size_t row = grid_row(&v->grid);

	return (struct row_ref){ row == SIZE_MAX ? HEAP_NONE : v->ids[row], v->type };
}

static void view_instances_enter(struct view *view)
{
	page_open_node(view->page, view_instances_subject(view).node);
}

static void view_instances_destroy(struct view *view)
{
	struct instances_view *v = view_instances_self(view);

	grid_deinit(&v->grid);
	text_free(&v->text);
	free(v->ids);
	free(v);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_instances_load,
	.draw = view_instances_draw,
	.enter = view_instances_enter,
	.subject = view_instances_subject,
	.destroy = view_instances_destroy,
	.hints = hints,
};

struct view *view_instances_create(struct page *page, uint32_t type)
{
	struct instances_view *v = calloc(1, sizeof(*v));

	assert(type > 0 && type <= page->process->heap->types);
	if (!v)
		return NULL;
	const char *name = heap_type_name(page->process->heap, type);
	v->view = (struct view){ .ops = &ops, .page = page };
	v->type = type;
	text_escape(&v->text, name, strlen(name), 100, 0);
	view_name(&v->view, text_get(&v->text), "");
	grid_init(&v->grid, &source, v, columns, sizeof(columns) / sizeof(*columns));
	v->grid.bar = COL_RETAINED;
	return &v->view;
}

struct view *view_instances_of_group(struct page *page, uint32_t type, uint32_t point)
{
	struct view *view = view_instances_create(page, type);

	if (view) {
		view_instances_self(view)->group = true;
		view_instances_self(view)->point = point;
	}
	return view;
}
