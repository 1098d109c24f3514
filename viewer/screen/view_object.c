/* SPDX-License-Identifier: MIT */
/*
 * One object (or a thread, a frame, a group of roots): what it is, why it is
 * alive, what it refers to, who refers to it, what goes with it.
 *
 * What a row of the list (object_list.h) says is computed from the object's arrays when
 * seen, so an object with ten million references opens as fast as any.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/alike.h"
#include "viewer/name/describe.h"
#include "viewer/name/name.h"
#include "viewer/screen/app.h"
#include "viewer/screen/object_head.h"
#include "viewer/screen/object_list.h"
#include "viewer/text/human.h"

enum { NAME_WIDTH = 100 };

struct object_view {
	struct view view;
	struct grid grid;
	struct object_list list;
	char heading[OBJECT_PART_COUNT][96];
	struct text text;
};

enum { COL_EDGE, COL_OBJECT, COL_RETAINED, COL_SIZE, COL_ADDRESS };

static const struct column columns[] = {
	[COL_EDGE] = { "reference", "Reference", CELL_TEXT, false },
	[COL_OBJECT] = { "object", "Object", CELL_TEXT, false },
	[COL_RETAINED] = { "retained", "Retained", CELL_BYTES, false },
	[COL_SIZE] = { "size", "Size", CELL_BYTES, false },
	[COL_ADDRESS] = { "address", "Address", CELL_ADDRESS, false },
};

static struct object_view *view_object_self(struct view *view)
{
	return (struct object_view *)view;
}

static size_t view_object_rows(void *arg)
{
	const struct object_view *v = arg;

	return object_list_rows(&v->list);
}

static const char *view_object_heading(void *arg, size_t row)
{
	const struct object_view *v = arg;
	const struct object_place at = object_list_place(&v->list, row);

	return at.part < OBJECT_PART_COUNT && at.index == SIZE_MAX ? v->heading[at.part] :
								     NULL;
}

static const struct heap *view_object_heap_of(const struct object_view *v)
{
	return v->view.page->process->heap;
}

static bool view_object_field_text(struct object_view *v, uint32_t slot)
{
	const struct heap *heap = view_object_heap_of(v);
	bool weak = false;
	const uint32_t to = object_list_field(&v->list, slot, &weak);

	if (to != HEAP_NONE && heap_is_native(heap, to))
		describe_step(&v->text, heap, v->list.node, to);
	else
		describe_edge(&v->text, heap, v->list.node, slot);
	return weak;
}

static void view_object_edge_text(struct object_view *v, const struct object_place *at)
{
	const struct heap *heap = view_object_heap_of(v);
	const uint32_t id = at->row.id;
	uint32_t slot;
	bool weak = false;

	if (at->part == OBJECT_PART_PATH) {
		way_text(&v->text, heap, &v->list.way, at->index);
	} else if (at->part == OBJECT_PART_FIELDS) {
		weak = view_object_field_text(v, id);
	} else if (at->part == OBJECT_PART_REFERRERS) {
		slot = heap_slot(heap, id, v->list.node);
		describe_step(&v->text, heap, id, v->list.node);
		if (slot != HEAP_NONE)
			heap_target(heap, id, slot, &weak);
	} else if (heap_slot(heap, v->list.node, id) != HEAP_NONE ||
		   heap_is_native(heap, id)) {
		describe_step(&v->text, heap, v->list.node, id);
	} else {
		text_add(&v->text, "(indirectly)");
	}
	if (weak)
		text_add(&v->text, " (weak)");
	if (at->row.several)
		text_add(&v->text, " \xe2\x80\xa6");
}

/* Whether a row's reference doesn't say what its object is called: it isn't the object
 * shown that has the reference. */
static bool view_object_far(const struct object_view *v, enum object_part part,
			    uint32_t node)
{
	return part == OBJECT_PART_REFERRERS ||
		(part == OBJECT_PART_DOMINATED &&
		 heap_slot(view_object_heap_of(v), v->list.node, node) == HEAP_NONE);
}

static void view_object_several_text(struct object_view *v, const struct fold_row *row,
				     uint32_t node)
{
	const struct heap *heap = view_object_heap_of(v);
	const struct alike alike = { .type = heap_namesake_of(heap, node),
				     .count = row->line->count };

	text_add(&v->text, fold_mark(v->view.page->app->surface.ascii, row->open));
	alike_text(&v->text, heap, &alike);
}

static void view_object_text(struct object_view *v, const struct object_place *at,
			     uint32_t node)
{
	const struct heap *heap = view_object_heap_of(v);
	const struct analysis *a = v->view.page->process->analysis;

	if (node == HEAP_NONE) {
		text_add(&v->text, "not in the snapshot");
		return;
	}
	if (at->row.several) {
		view_object_several_text(v, &at->row, node);
		return;
	}
	if (a && heap_is_object(heap, node) && view_object_far(v, at->part, node)) {
		name_short(&v->text, a, node, NAME_WIDTH);
		text_add(&v->text, "  ");
		name_kind(&v->text, heap, node, 60);
		return;
	}
	describe_node(&v->text, heap, node);
	if (!heap_is_object(heap, node))
		return;
	text_add(&v->text, " ");
	describe_value(&v->text, heap, node, 60);
}

static void view_object_text_cell(struct object_view *v, const struct object_place *at,
				  uint32_t node, size_t column, struct grid_cell *ret)
{
	text_clear(&v->text);
	if (column == COL_EDGE)
		view_object_edge_text(v, at);
	else
		view_object_text(v, at, node);
	ret->text = text_get(&v->text);
	ret->size = text_len(&v->text);
	ret->indent = column == COL_EDGE && at->row.below ? 2 : 0;
	ret->style = column == COL_EDGE ? STYLE_LABEL :
		node != HEAP_NONE && !heap_is_object(view_object_heap_of(v), node) ?
					  STYLE_ROOT :
					  STYLE_NORMAL;
}

/* The numbers of several: known where what each keeps alive is no part of another's. */
static void view_object_several_cell(const struct object_place *at, size_t column,
				     struct grid_cell *ret)
{
	ret->unknown = column == COL_ADDRESS ||
		(column == COL_RETAINED && at->row.line->overlap);
	ret->u64 = column == COL_RETAINED ? at->row.line->retained : at->row.line->size;
}

static void view_object_number_cell(const struct object_view *v, uint32_t node,
				    size_t column, struct grid_cell *ret)
{
	const struct heap *heap = view_object_heap_of(v);
	const struct analysis *a = v->view.page->process->analysis;
	const bool object = node != HEAP_NONE && heap_is_object(heap, node);

	switch (column) {
	case COL_SIZE:
		ret->unknown =
			!object && (node == HEAP_NONE || !heap_is_native(heap, node));
		ret->u64 = ret->unknown ? 0 : heap_shallow(heap, node);
		break;
	case COL_RETAINED:
		ret->unknown = !a || node == HEAP_NONE;
		ret->u64 = ret->unknown ? 0 : analysis_retained(a, node);
		break;
	default:
		ret->unknown = !object;
		ret->u64 = object ? heap_address(heap, node) : 0;
		break;
	}
}

static void view_object_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	struct object_view *v = arg;
	const struct object_place at = object_list_place(&v->list, row);
	const uint32_t node = object_list_target(&v->list, &at);

	if (column == COL_EDGE || column == COL_OBJECT)
		view_object_text_cell(v, &at, node, column, ret);
	else if (at.row.several)
		view_object_several_cell(&at, column, ret);
	else
		view_object_number_cell(v, node, column, ret);
}

static size_t view_object_unfolded(void *arg)
{
	const struct object_view *v = arg;

	return object_list_unfolded(&v->list);
}

static void view_object_unfold(void *arg, bool all)
{
	struct object_view *v = arg;

	object_list_unfold(&v->list, all);
}

static const struct grid_source source = {
	.rows = view_object_rows,
	.cell = view_object_cell,
	.heading = view_object_heading,
	.unfolded = view_object_unfolded,
	.unfold = view_object_unfold,
};

static void view_object_make_headings(struct object_view *v)
{
	char n[HUMAN_SIZE], left[HUMAN_SIZE];

	if (v->list.node == heap_root(view_object_heap_of(v)))
		snprintf(v->heading[OBJECT_PART_PATH], 96,
			 "Path from a root: all roots are below this one");
	else if (!way_length(&v->list.way))
		snprintf(v->heading[OBJECT_PART_PATH], 96, "Path from a root: not known");
	else if (v->list.way.left_out)
		snprintf(v->heading[OBJECT_PART_PATH], 96,
			 "Path from a root (%s steps, %s in the middle left out)",
			 human_count(n, way_length(&v->list.way)),
			 human_count(left, v->list.way.left_out));
	else if (way_length(&v->list.way) > way_rows(&v->list.way))
		snprintf(v->heading[OBJECT_PART_PATH], 96,
			 "Path from a root: why it is alive (%s steps)",
			 human_count(n, way_length(&v->list.way)));
	else
		snprintf(v->heading[OBJECT_PART_PATH], 96,
			 "Path from a root: why it is alive");
	snprintf(v->heading[OBJECT_PART_FIELDS], 96, "Refers to (%s)%s",
		 human_count(n, v->list.fold[OBJECT_PART_FIELDS].count),
		 v->list.by_weight ? ", largest first" : "");
	snprintf(v->heading[OBJECT_PART_REFERRERS], 96, "Referred to by (%s)",
		 human_count(n, v->list.fold[OBJECT_PART_REFERRERS].count));
	snprintf(v->heading[OBJECT_PART_DOMINATED], 96,
		 "Keeps alive, nothing else does (%s)",
		 human_count(n, v->list.fold[OBJECT_PART_DOMINATED].count));
}

static size_t view_object_first_field(const struct object_view *v)
{
	return v->list.fold[OBJECT_PART_FIELDS].rows ? way_rows(&v->list.way) + 2 : 0;
}

static int view_object_load(struct view *view)
{
	struct object_view *v = view_object_self(view);
	const struct progress *progress = &view->page->app->progress;
	struct workspace *const w = &view->page->app->workspace;
	const int analysed = workspace_analyse(w, view->page->process, progress);
	int err = analysed == -ECANCELED ? 0 : analysed;

	if (!err)
		err = object_list_make_fields(&v->list, progress);
	if (!err && !analysed)
		err = object_list_make_rest(&v->list, progress);
	if (err && err != -ECANCELED) /* stopped: without what needs the analysis */
		return err;
	view_object_make_headings(v);
	view->grid = &v->grid;
	v->grid.fixed_order = true;
	err = grid_refresh(&v->grid, progress);
	grid_go_to(&v->grid, view_object_first_field(v));
	v->grid.top = 0;
	return err;
}

static void view_object_draw(struct view *view, struct surface *s, struct rect r)
{
	struct object_view *v = view_object_self(view);
	const struct process *p = view->page->process;
	const int used = object_head_draw(p, v->list.node, s, r, &v->text);
	struct rect list = { r.y + used, r.x, r.height - used, r.width };

	grid_draw(&v->grid, s, list);
}

/* Fields in their own order, or largest first. */
static void view_object_toggle_order(struct object_view *v)
{
	const struct progress *progress = &v->view.page->app->progress;

	v->list.by_weight = !v->list.by_weight;
	if (object_list_make_fields(&v->list, progress))
		app_say(v->view.page->app, STYLE_WARN, "stopped");
	view_object_make_headings(v);
	grid_refresh(&v->grid, progress);
	grid_go_to(&v->grid, view_object_first_field(v));
}

/* The first row of the next part that has one. */
static void view_object_next_part(struct object_view *v, int step)
{
	size_t row = grid_row(&v->grid);
	int part = row == SIZE_MAX ? 0 : (int)object_list_place(&v->list, row).part;

	for (int i = 0; i < OBJECT_PART_COUNT; i++) {
		part = (part + step + OBJECT_PART_COUNT) % OBJECT_PART_COUNT;
		if (object_list_part_rows(&v->list, (enum object_part)part))
			break;
	}
	grid_go_to(&v->grid, object_list_part_first(&v->list, (enum object_part)part));
}

/* Opens or closes the line that the cursor is on; false: it isn't one of several. */
static bool view_object_toggle_line(struct object_view *v)
{
	const size_t row = grid_row(&v->grid);
	const struct object_place at = row == SIZE_MAX ?
		(struct object_place){ .part = OBJECT_PART_COUNT } :
		object_list_place(&v->list, row);

	if (at.part == OBJECT_PART_COUNT || v->grid.filter[0] ||
	    (!at.row.several && !at.row.below))
		return false;
	const size_t first = object_list_toggle(&v->list, &at);
	grid_refresh(&v->grid, &v->view.page->app->progress);
	grid_go_to(&v->grid, first);
	return true;
}

static bool view_object_event(struct view *view, const struct event *e)
{
	struct object_view *v = view_object_self(view);

	switch (e->key) {
	case ' ':
		return view_object_toggle_line(v);
	case 'o':
		view_object_toggle_order(v);
		return true;
	case KEY_IS_TAB:
		view_object_next_part(v, 1);
		return true;
	case KEY_IS_BACKTAB:
		view_object_next_part(v, -1);
		return true;
	case 't':
		page_open_type(view->page,
			       heap_type_of(view_object_heap_of(v), v->list.node));
		return true;
	case 'p':
		if (view->page->process->analysis)
			page_open_node(view->page,
				       analysis_parent(view->page->process->analysis,
						       v->list.node));
		return true;
	default:
		return false;
	}
}

static void view_object_enter(struct view *view)
{
	struct object_view *v = view_object_self(view);
	const size_t row = grid_row(&v->grid);

	if (row == SIZE_MAX)
		return;
	const struct object_place at = object_list_place(&v->list, row);
	const uint32_t node = object_list_target(&v->list, &at);
	if (at.row.several)
		view_object_toggle_line(v);
	else if (node != HEAP_NONE && node != v->list.node)
		page_open_node(view->page, node);
}

/* The object of the screen, not the row's: what `g` draws. */
static struct row_ref view_object_subject(struct view *view)
{
	struct object_view *v = view_object_self(view);

	return (struct row_ref){ v->list.node,
				 heap_type_of(view_object_heap_of(v), v->list.node) };
}

static void view_object_destroy(struct view *view)
{
	struct object_view *v = view_object_self(view);

	grid_deinit(&v->grid);
	text_free(&v->text);
	object_list_free(&v->list);
	free(v);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ KEY_IS_TAB, "Tab", "section" },
	{ ' ', "Space", "fold" },
	{ 'p', "p", "holder" },
	{ 'o', "o", "order" },
	{ 't', "t", "type" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_object_load,
	.draw = view_object_draw,
	.event = view_object_event,
	.enter = view_object_enter,
	.subject = view_object_subject,
	.destroy = view_object_destroy,
	.hints = hints,
};

struct view *view_object_create(struct page *page, uint32_t node)
{
	struct object_view *v = calloc(1, sizeof(*v));

	assert(node < page->process->heap->nodes);
	if (!v)
		return NULL;
	const struct heap *heap = page->process->heap;
	v->view = (struct view){ .ops = &ops, .page = page };
	v->list = (struct object_list){ .process = page->process, .node = node };
	describe_node(&v->text, heap, node);
	char address[24] = "";
	if (heap_is_object(heap, node))
		snprintf(address, sizeof(address), " 0x%" PRIx64,
			 heap_address(heap, node));
	view_name(&v->view, text_get(&v->text), address);
	grid_init(&v->grid, &source, v, columns, sizeof(columns) / sizeof(*columns));
	return &v->view;
}
