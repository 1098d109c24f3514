/* SPDX-License-Identifier: MIT */
/*
 * One object (or a thread, a frame, a group of roots): what it is, why it is
 * alive, what it refers to, who refers to it, what goes with it.
 *
 * The list has four parts under headings; its rows are computed from the
 * object's arrays when seen, so an object with ten million references opens as
 * fast as any.  The keys of a dict are told by the labels of its values; they
 * get rows of their own only where the label cannot name them.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/sharing.h"
#include "viewer/model/native_node.h"
#include "viewer/model/site.h"
#include "viewer/name/calls.h"
#include "viewer/name/describe.h"
#include "viewer/name/name.h"
#include "viewer/name/way.h"
#include "viewer/screen/app.h"
#include "viewer/screen/rank.h"
#include "viewer/text/human.h"

enum part { PART_PATH, PART_FIELDS, PART_REFERRERS, PART_DOMINATED, PART_COUNT };

enum { MAX_PATH = 256, SITE_CALLERS = 12, NAME_WIDTH = 100 };

struct object_view {
	struct view view;
	struct grid grid;
	uint32_t node;
	struct way way;	 /* to it, from a root */
	uint32_t *slots; /* fields shown: slot; beyond those, native memory; HEAP_NONE:
			  * the type edge */
	size_t nslots;
	bool by_weight;	     /* fields largest first */
	uint32_t *referrers; /* distinct, a copy */
	size_t nreferrers;
	struct heap_span dominated;
	char heading[PART_COUNT][96];
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

static size_t view_object_part_rows(const struct object_view *v, enum part part)
{
	switch (part) {
	case PART_PATH:
		return way_rows(&v->way);
	case PART_FIELDS:
		return v->nslots;
	case PART_REFERRERS:
		return v->nreferrers;
	case PART_DOMINATED:
		return v->dominated.count;
	default:
		return 0;
	}
}

/* The part a row belongs to; *index_ret: in it, SIZE_MAX for its heading. */
static enum part view_object_part_of(const struct object_view *v, size_t row,
				     size_t *index_ret)
{
	for (int part = 0; part < PART_COUNT; part++) {
		size_t n = view_object_part_rows(v, (enum part)part) + 1;
		if (row < n) {
			*index_ret = row == 0 ? SIZE_MAX : row - 1;
			return (enum part)part;
		}
		row -= n;
	}
	*index_ret = SIZE_MAX;
	return PART_COUNT;
}

static size_t view_object_rows(void *arg)
{
	const struct object_view *v = arg;
	size_t n = 0;

	for (int part = 0; part < PART_COUNT; part++)
		n += view_object_part_rows(v, (enum part)part) + 1;
	return n;
}

static const char *view_object_heading(void *arg, size_t row)
{
	const struct object_view *v = arg;
	size_t index;
	enum part part = view_object_part_of(v, row, &index);

	return part < PART_COUNT && index == SIZE_MAX ? v->heading[part] : NULL;
}

static const struct heap *view_object_heap_of(const struct object_view *v)
{
	return v->view.page->process->heap;
}

/* How many native nodes the object holds. */
static uint32_t view_object_natives(const struct object_view *v)
{
	const struct heap *heap = view_object_heap_of(v);
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	size_t count = VEC_COUNT(heap->native_edge, uint64_t), first, n = 0;

	if (!count || heap->python_only || !heap_is_object(heap, v->node))
		return 0;
	first = native_node_first(heap, v->node);
	while (first + n < count && edge[first + n] >> 32 == v->node)
		n++;
	return (uint32_t)n;
}

/* What a field leads to. */
static uint32_t view_object_field(const struct object_view *v, uint32_t slot, bool *weak)
{
	const struct heap *heap = view_object_heap_of(v);
	uint32_t fields = heap_refs(heap, v->node).count;

	if (slot == HEAP_NONE)
		return heap_type_edge(heap, v->node);
	if (slot < fields)
		return heap_target(heap, v->node, slot, weak);
	return heap_native_base(heap) +
		(uint32_t)VEC(heap->native_edge,
			      uint64_t)[native_node_first(heap, v->node) + slot - fields];
}

static uint32_t view_object_row_node(const struct object_view *v, size_t row)
{
	size_t i;
	enum part part = view_object_part_of(v, row, &i);

	if (i == SIZE_MAX)
		return HEAP_NONE;
	switch (part) {
	case PART_PATH:
		return way_node(&v->way, i);
	case PART_FIELDS:
		return view_object_field(v, v->slots[i], NULL);
	case PART_REFERRERS:
		return v->referrers[i];
	case PART_DOMINATED:
		return v->dominated.target[i];
	default:
		return HEAP_NONE;
	}
}

static void view_object_edge_text(struct object_view *v, size_t row)
{
	const struct heap *heap = view_object_heap_of(v);
	size_t i;
	enum part part = view_object_part_of(v, row, &i);
	bool weak = false;

	if (part == PART_PATH)
		way_text(&v->text, heap, &v->way, i);
	else if (part == PART_FIELDS) {
		uint32_t to = view_object_field(v, v->slots[i], &weak);
		if (to != HEAP_NONE && heap_is_native(heap, to))
			describe_step(&v->text, heap, v->node, to);
		else
			describe_edge(&v->text, heap, v->node, v->slots[i]);
	} else if (part == PART_REFERRERS) {
		uint32_t slot = heap_slot(heap, v->referrers[i], v->node);
		describe_step(&v->text, heap, v->referrers[i], v->node);
		if (slot != HEAP_NONE)
			heap_target(heap, v->referrers[i], slot, &weak);
	} else if (part == PART_DOMINATED) {
		uint32_t slot = heap_slot(heap, v->node, v->dominated.target[i]);
		if (slot != HEAP_NONE || heap_is_native(heap, v->dominated.target[i]))
			describe_step(&v->text, heap, v->node, v->dominated.target[i]);
		else
			text_add(&v->text, "(indirectly)");
	}
	if (weak)
		text_add(&v->text, " (weak)");
}

/* Whether a row's reference doesn't say what its object is called: it isn't the object
 * shown that has the reference. */
static bool view_object_far(const struct object_view *v, size_t row, uint32_t node)
{
	const struct heap *heap = view_object_heap_of(v);
	size_t i;
	enum part part = view_object_part_of(v, row, &i);

	return part == PART_REFERRERS ||
		(part == PART_DOMINATED && heap_slot(heap, v->node, node) == HEAP_NONE);
}

static void view_object_text(struct object_view *v, size_t row, uint32_t node)
{
	const struct heap *heap = view_object_heap_of(v);
	const struct analysis *a = v->view.page->process->analysis;

	if (node == HEAP_NONE) {
		text_add(&v->text, "not in the snapshot");
		return;
	}
	if (a && heap_is_object(heap, node) && view_object_far(v, row, node)) {
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

static void view_object_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	struct object_view *v = arg;
	const struct analysis *a = v->view.page->process->analysis;
	uint32_t node = view_object_row_node(v, row);

	switch (column) {
	case COL_EDGE:
	case COL_OBJECT:
		text_clear(&v->text);
		if (column == COL_EDGE)
			view_object_edge_text(v, row);
		else
			view_object_text(v, row, node);
		ret->text = text_get(&v->text);
		ret->size = text_len(&v->text);
		ret->style = column == COL_EDGE ? STYLE_LABEL :
			node != HEAP_NONE &&
				!heap_is_object(view_object_heap_of(v), node) ?
						  STYLE_ROOT :
						  STYLE_NORMAL;
		break;
	case COL_SIZE:
		ret->unknown = node == HEAP_NONE ||
			(!heap_is_object(view_object_heap_of(v), node) &&
			 !heap_is_native(view_object_heap_of(v), node));
		ret->u64 = ret->unknown ? 0 : heap_shallow(view_object_heap_of(v), node);
		break;
	case COL_RETAINED:
		ret->unknown = !a || node == HEAP_NONE;
		ret->u64 = ret->unknown ? 0 : analysis_retained(a, node);
		break;
	case COL_ADDRESS:
		ret->unknown = node == HEAP_NONE ||
			!heap_is_object(view_object_heap_of(v), node);
		ret->u64 = ret->unknown ? 0 : heap_address(view_object_heap_of(v), node);
		break;
	default:
		break;
	}
}

static const struct grid_source source = { view_object_rows, view_object_cell,
					   view_object_heading };

/* A key whose value's label names it needs no row: those with a known value. */
static bool view_object_hidden_key(const struct heap *heap, uint32_t node, uint32_t slot)
{
	struct heap_label label;
	struct heap_value value;

	heap_label(heap, node, slot, &label);
	if (label.kind != SNAP_LABEL_KEY)
		return false;
	uint32_t key = heap_target(heap, node, slot, NULL);
	return key != HEAP_NONE && heap_is_object(heap, key) &&
		heap_value(heap, key, &value);
}

static int view_object_make_fields(struct object_view *v, const struct progress *progress)
{
	const struct heap *heap = view_object_heap_of(v);
	struct heap_span refs = heap_refs(heap, v->node);

	free(v->slots);
	v->nslots = 0;
	uint32_t natives = view_object_natives(v);
	v->slots = malloc(((size_t)refs.count + natives + 1) * sizeof(*v->slots));
	if (!v->slots)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < refs.count; slot++) {
		if (refs.target[slot] != HEAP_ABSENT &&
		    !view_object_hidden_key(heap, v->node, slot))
			v->slots[v->nslots++] = slot;
		if (slot % PROGRESS_EVERY == 0 &&
		    progress_step(progress, "reading references", slot, refs.count))
			return -ECANCELED;
	}
	for (uint32_t i = 0; i < natives; i++)
		v->slots[v->nslots++] = refs.count + i;
	if (heap_type_edge(heap, v->node) != HEAP_NONE)
		v->slots[v->nslots++] = HEAP_NONE;
	return 0;
}

static int view_object_compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint64_t view_object_retained_of(const void *arg, uint32_t node)
{
	return analysis_retained(arg, node);
}

static int view_object_make_referrers(struct object_view *v, struct analysis *a,
				      const struct progress *progress)
{
	struct heap_span back;
	int err = analysis_referrers(a, v->node, progress, &back);

	if (err)
		return err;
	free(v->referrers);
	v->nreferrers = 0;
	v->referrers = malloc(((size_t)back.count + 1) * sizeof(*v->referrers));
	if (!v->referrers)
		return -ENOMEM;
	if (back.count)
		memcpy(v->referrers, back.target, back.count * sizeof(*v->referrers));
	qsort(v->referrers, back.count, sizeof(*v->referrers), view_object_compare_ids);
	for (uint32_t i = 0; i < back.count; i++)
		if (i == 0 || v->referrers[i] != v->referrers[v->nreferrers - 1])
			v->referrers[v->nreferrers++] = v->referrers[i];
	return rank_ids(v->referrers, v->nreferrers, view_object_retained_of, a,
			progress);
}

static int view_object_make_way(struct object_view *v, const struct analysis *a)
{
	way_free(&v->way);
	return way_make(&v->way, a, v->node, MAX_PATH);
}

static void view_object_make_headings(struct object_view *v)
{
	char n[HUMAN_SIZE], left[HUMAN_SIZE];

	if (v->node == heap_root(view_object_heap_of(v)))
		snprintf(v->heading[PART_PATH], 96,
			 "Path from a root: all roots are below this one");
	else if (!way_length(&v->way))
		snprintf(v->heading[PART_PATH], 96, "Path from a root: not known");
	else if (v->way.left_out)
		snprintf(v->heading[PART_PATH], 96,
			 "Path from a root (%s steps, %s in the middle left out)",
			 human_count(n, way_length(&v->way)),
			 human_count(left, v->way.left_out));
	else if (way_length(&v->way) > way_rows(&v->way))
		snprintf(v->heading[PART_PATH], 96,
			 "Path from a root: why it is alive (%s steps)",
			 human_count(n, way_length(&v->way)));
	else
		snprintf(v->heading[PART_PATH], 96, "Path from a root: why it is alive");
	snprintf(v->heading[PART_FIELDS], 96, "Refers to (%s)%s",
		 human_count(n, v->nslots), v->by_weight ? ", largest first" : "");
	snprintf(v->heading[PART_REFERRERS], 96, "Referred to by (%s)",
		 human_count(n, v->nreferrers));
	snprintf(v->heading[PART_DOMINATED], 96, "Keeps alive, nothing else does (%s)",
		 human_count(n, v->dominated.count));
}

static int view_object_analyse(struct object_view *v, const struct progress *progress)
{
	struct page *page = v->view.page;
	int err = workspace_analyse(&page->app->workspace, page->process, progress);
	struct analysis *a = page->process->analysis;

	if (err)
		return err;
	err = view_object_make_way(v, a);
	if (!err)
		err = view_object_make_referrers(v, a, progress);
	if (!err)
		err = analysis_children(a, v->node, progress, &v->dominated);
	return err;
}

static size_t view_object_first_field(const struct object_view *v)
{
	return v->nslots ? way_rows(&v->way) + 2 : 0;
}

static int view_object_load(struct view *view)
{
	struct object_view *v = view_object_self(view);
	const struct progress *progress = &view->page->app->progress;
	int err = view_object_make_fields(v, progress);

	if (err)
		return err;
	err = view_object_analyse(v, progress);
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

static void view_object_add_flags(struct text *t, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ SNAP_OBJ_IMMORTAL, "immortal" },
		{ SNAP_OBJ_DEFERRED, "count deferred" },
		{ SNAP_OBJ_STATIC, "static" },
		{ SNAP_OBJ_INTERNED, "interned" },
		{ SNAP_OBJ_FROZEN, "frozen" },
		{ SNAP_OBJ_OPAQUE, "references not all known" },
		{ SNAP_OBJ_SIZE_APPROX, "size approximate" },
	};

	if (flags & SNAP_OBJ_DEFERRED)
		flags &= ~(uint32_t)SNAP_OBJ_IMMORTAL;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (flags & names[i].flag)
			text_printf(t, "  %s", names[i].name);
}

/* Where a fork left something to share. */
static const char *const view_object_places[SHARING_PLACES] = {
	[SHARING_UNKNOWN] = "",
	[SHARING_PRIVATE] = "  private",
	[SHARING_COPIED] = "  private: written to since the fork",
	[SHARING_SHARED] = "  shared since a fork",
	[SHARING_PARENT] = "  shared with the parent",
	[SHARING_SIBLINGS] = "  shared with siblings",
};

static void view_object_numbers_line(struct object_view *v, struct text *t)
{
	const struct heap *heap = view_object_heap_of(v);
	const struct analysis *a = v->view.page->process->analysis;
	char x[HUMAN_SIZE];

	if (heap_is_object(heap, v->node))
		text_printf(t, "size %s", human_bytes_u64(x, heap_size(heap, v->node)));
	if (heap_native(heap, v->node))
		text_printf(t, "%snative %s", text_len(t) ? "  " : "",
			    human_bytes_u64(x, heap_native(heap, v->node)));
	if (a) {
		text_printf(t, "%sretains %s", text_len(t) ? "  " : "",
			    human_bytes_u64(x, analysis_retained(a, v->node)));
		text_printf(t, " in %s objects",
			    human_count(x, analysis_retained_count(a, v->node)));
	}
	if (!heap_is_object(heap, v->node))
		return;
	uint32_t flags = heap_class_of(heap, v->node)->flags;
	int64_t surplus = heap_surplus(heap, v->node);
	if (!(flags & SNAP_OBJ_IMMORTAL))
		text_printf(t, "  refcount %s",
			    human_count(x, heap_refcount(heap, v->node)));
	if (surplus > 0)
		text_printf(t, " (%s from outside Python objects)",
			    human_count(x, (uint64_t)surplus));
	view_object_add_flags(t, flags);
	if (sharing_total(heap))
		text_add(t, view_object_places[sharing_of(heap, v->node)]);
}

/* Lines used above the list. */
static int view_object_draw_header(struct object_view *v, struct surface *s,
				   struct rect r)
{
	const struct heap *heap = view_object_heap_of(v);
	const struct analysis *a = v->view.page->process->analysis;
	int y = r.y, x;

	text_clear(&v->text);
	describe_node(&v->text, heap, v->node);
	x = r.x + 1 +
		surface_puts(s, y, r.x + 1, r.width - 22, STYLE_STRONG,
			     text_get(&v->text));
	if (heap_is_object(heap, v->node))
		surface_printf(s, y, x + 1, r.width - x - 2, STYLE_DIM, "at 0x%" PRIx64,
			       heap_address(heap, v->node));
	y++;
	text_clear(&v->text);
	if (heap_is_object(heap, v->node))
		describe_value(&v->text, heap, v->node, 400);
	if (text_len(&v->text))
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_VALUE,
			     text_get(&v->text));
	text_clear(&v->text);
	view_object_numbers_line(v, &v->text);
	surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_NORMAL, text_get(&v->text));
	text_clear(&v->text);
	calls_where(&v->text, heap, v->node);
	if (text_len(&v->text) && r.height > 12)
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_DIM, text_get(&v->text));
	if (site_of(heap, v->node) && r.height > 12) {
		text_clear(&v->text);
		text_add(&v->text, "allocated at ");
		describe_callers(&v->text, heap, site_of(heap, v->node), SITE_CALLERS);
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_DIM, text_get(&v->text));
	}
	if (a && r.height > 12) {
		text_clear(&v->text);
		describe_path(&v->text, a, v->node);
		struct rect lines = { y, r.x + 1, 2, r.width - 2 };
		y += surface_wrap(s, lines, STYLE_LABEL, text_get(&v->text),
				  text_len(&v->text));
	}
	return y - r.y;
}

static void view_object_draw(struct view *view, struct surface *s, struct rect r)
{
	struct object_view *v = view_object_self(view);
	int used = view_object_draw_header(v, s, r);
	struct rect list = { r.y + used, r.x, r.height - used, r.width };

	grid_draw(&v->grid, s, list);
}

static uint64_t view_object_slot_weight(const void *arg, uint32_t slot)
{
	const struct object_view *v = arg;
	const struct heap *heap = view_object_heap_of(v);
	uint32_t node = view_object_field(v, slot, NULL);
	const struct analysis *a = v->view.page->process->analysis;

	return node == HEAP_NONE ? 0 :
		a		 ? analysis_retained(a, node) :
				   heap_shallow(heap, node);
}

/* Fields in their own order, or largest first. */
static void view_object_toggle_order(struct object_view *v)
{
	const struct progress *progress = &v->view.page->app->progress;

	v->by_weight = !v->by_weight;
	int err = v->by_weight ?
		rank_ids(v->slots, v->nslots, view_object_slot_weight, v, progress) :
		view_object_make_fields(v, progress);
	if (err)
		app_say(v->view.page->app, STYLE_WARN, "stopped");
	view_object_make_headings(v);
	grid_refresh(&v->grid, progress);
	grid_go_to(&v->grid, view_object_first_field(v));
}

/* The first row of the next part that has one. */
static void view_object_next_part(struct object_view *v, int step)
{
	size_t index, row = grid_row(&v->grid), at = 0;
	int part = row == SIZE_MAX ? 0 : (int)view_object_part_of(v, row, &index);

	for (int i = 0; i < PART_COUNT; i++) {
		part = (part + step + PART_COUNT) % PART_COUNT;
		if (view_object_part_rows(v, (enum part)part))
			break;
	}
	for (int p = 0; p < part; p++)
		at += view_object_part_rows(v, (enum part)p) + 1;
	grid_go_to(&v->grid, at + 1);
}

static bool view_object_event(struct view *view, const struct event *e)
{
	struct object_view *v = view_object_self(view);

	switch (e->key) {
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
		page_open_type(view->page, heap_type_of(view_object_heap_of(v), v->node));
		return true;
	case 'p':
		if (view->page->process->analysis)
			page_open_node(
				view->page,
				analysis_parent(view->page->process->analysis, v->node));
		return true;
	default:
		return false;
	}
}

static void view_object_enter(struct view *view)
{
	struct object_view *v = view_object_self(view);
	size_t row = grid_row(&v->grid);
	uint32_t node = row == SIZE_MAX ? HEAP_NONE : view_object_row_node(v, row);

	if (node != HEAP_NONE && node != v->node)
		page_open_node(view->page, node);
}

/* The object of the screen, not the row's: what `g` draws. */
static struct row_ref view_object_subject(struct view *view)
{
	struct object_view *v = view_object_self(view);

	return (struct row_ref){ v->node, heap_type_of(view_object_heap_of(v), v->node) };
}

static void view_object_destroy(struct view *view)
{
	struct object_view *v = view_object_self(view);

	grid_deinit(&v->grid);
	text_free(&v->text);
	way_free(&v->way);
	free(v->slots);
	free(v->referrers);
	free(v);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ KEY_IS_TAB, "Tab", "section" },
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
	v->node = node;
	describe_node(&v->text, heap, node);
	char address[24] = "";
	if (heap_is_object(heap, node))
		snprintf(address, sizeof(address), " 0x%" PRIx64,
			 heap_address(heap, node));
	view_name(&v->view, text_get(&v->text), address);
	grid_init(&v->grid, &source, v, columns, sizeof(columns) / sizeof(*columns));
	return &v->view;
}
