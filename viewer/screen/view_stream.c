/* SPDX-License-Identifier: MIT */
/* A snapshot while it arrives: how far it is, and the types counted so far. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/live/feed.h"
#include "viewer/text/human.h"
#include "viewer/text/text.h"
#include "viewer/screen/app.h"

struct stream_view {
	struct view view;
	struct grid grid;
	uint32_t *types; /* ids seen so far */
	size_t count, capacity;
	struct text text;
};

static const struct column columns[] = {
	{ "type", "Type", CELL_TEXT, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "size", "Size", CELL_BYTES, false },
};

static const struct heap *view_stream_peek(const struct stream_view *v)
{
	const struct incoming *in = v->view.page->incoming;

	return in && in->loader ? loader_peek(in->loader, NULL, NULL) : NULL;
}

static size_t view_stream_rows(void *arg)
{
	return ((struct stream_view *)arg)->count;
}

static void view_stream_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	struct stream_view *v = arg;
	const struct heap *heap = view_stream_peek(v);

	if (!heap)
		return;
	const struct heap_type *type = heap_type(heap, v->types[row]);
	if (column == 0) {
		size_t size;
		const char *name = heap_string(heap, type->name, &size);
		text_clear(&v->text);
		text_escape(&v->text, name, size, 400, 0);
		ret->text = text_get(&v->text);
		ret->size = text_len(&v->text);
	} else {
		ret->u64 = column == 1 ? type->count : type->size;
	}
}

static const struct grid_source source = {
	.rows = view_stream_rows,
	.cell = view_stream_cell,
};

/* Takes the types there are now. */
static void view_stream_refresh(struct stream_view *v)
{
	const struct heap *heap = view_stream_peek(v);
	size_t n = heap ? VEC_COUNT(heap->type, struct heap_type) : 0;

	v->count = 0;
	if (n > v->capacity) {
		uint32_t *types = realloc(v->types, n * 2 * sizeof(*types));
		if (!types)
			return;
		v->types = types;
		v->capacity = n * 2;
	}
	double largest = 0;
	for (uint32_t i = 1; i < n; i++) {
		if (!heap_type(heap, i)->count)
			continue;
		v->types[v->count++] = i;
		double size = (double)heap_type(heap, i)->size;
		largest = size > largest ? size : largest;
	}
	v->grid.bar_total = largest;
	grid_refresh(&v->grid, NULL);
}

static int view_stream_load(struct view *view)
{
	struct stream_view *v = (struct stream_view *)view;

	view->grid = &v->grid;
	v->grid.sort = 2;
	v->grid.descending = true;
	view_stream_refresh(v);
	return 0;
}

static void view_stream_draw(struct view *view, struct surface *s, struct rect r)
{
	struct stream_view *v = (struct stream_view *)view;
	const struct incoming *in = view->page->incoming;
	char a[HUMAN_SIZE], b[HUMAN_SIZE], c[HUMAN_SIZE];
	uint64_t objects = 0, bytes = 0;

	view_stream_refresh(v);
	if (in && in->loader)
		loader_peek(in->loader, &objects, &bytes);
	surface_printf(s, r.y, r.x + 1, r.width - 2, STYLE_STRONG,
		       "Arriving: %s objects of %s, snapshot %s%s%s",
		       human_count(a, objects), human_bytes_u64(b, bytes),
		       human_bytes_u64(c, in ? in->bytes : 0),
		       in && in->phase[0] ? "  " : "", in ? in->phase : "");
	if (in && in->estimate)
		surface_bar(s, r.y + 1, r.x + 1, r.width - 2, STYLE_BAR,
			    (double)in->done / (double)in->estimate);
	struct rect list = { r.y + 2, r.x, r.height - 2, r.width };
	grid_draw(&v->grid, s, list);
}

static void view_stream_destroy(struct view *view)
{
	struct stream_view *v = (struct stream_view *)view;

	grid_deinit(&v->grid);
	text_free(&v->text);
	free(v->types);
	free(v);
}

static const struct view_ops ops = { .load = view_stream_load,
				     .draw = view_stream_draw,
				     .destroy = view_stream_destroy };

struct view *view_stream_create(struct page *page, const void *unused)
{
	(void)unused;
	struct stream_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	grid_init(&v->grid, &source, v, columns, 3);
	v->grid.bar = 2;
	v->grid.empty = "nothing counted yet";
	return &v->view;
}
