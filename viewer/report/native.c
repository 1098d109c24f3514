/* SPDX-License-Identifier: MIT */
/*
 * native - memory outside of objects that objects own or look at.
 *
 * An owner's bytes count once; views of the same memory are listed with their
 * owner and add nothing.  "counted": the bytes are in the object's own size.
 */
#include <stdlib.h>

#include "viewer/model/native_node.h"
#include "viewer/report/common.h"
#include "viewer/text/human.h"

static const struct column columns[] = {
	{ "address", "Address", CELL_ADDRESS, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "size", "Native size", CELL_BYTES, false },
	{ "role", "Role", CELL_TEXT, false },
	{ "counted", "In object's size", CELL_BOOL, false },
	{ "source", "Found by", CELL_TEXT, false },
	{ "data", "Data", CELL_ADDRESS, true },
	{ "owner", "Owner", CELL_ADDRESS, false },
	{ "path", "Path", CELL_TEXT, false },
};

static int report_native_by_length(const void *a, const void *b)
{
	const struct snap_buffer *const *x = a, *const *y = b;
	int view_x = !!((*x)->flags & SNAP_BUFFER_VIEW),
	    view_y = !!((*y)->flags & SNAP_BUFFER_VIEW);

	if (view_x != view_y)
		return view_x - view_y;
	if ((*x)->length != (*y)->length)
		return (*x)->length > (*y)->length ? -1 : 1;
	return (*x)->object < (*y)->object ? -1 : (*x)->object > (*y)->object;
}

static int report_native_add_row(const struct report_context *c,
				 const struct snap_buffer *b, struct text *scratch,
				 struct table *table)
{
	const struct heap *heap = c->heap;
	uint32_t node = heap_find(heap, b->object);
	struct row row;

	row_begin(&row, table, node, node != HEAP_NONE ? heap_type_of(heap, node) : 0);
	row_u64(&row, b->object);
	if (node != HEAP_NONE)
		row_node(&row, scratch, heap, node);
	else
		row_unknown(&row);
	row_u64(&row, b->length);
	row_text(&row,
		 b->flags & SNAP_BUFFER_OWNER	     ? "owner" :
			 b->flags & SNAP_BUFFER_VIEW ? "view" :
						       "holder");
	row_u64(&row, !!(b->flags & SNAP_BUFFER_COUNTED));
	row_string(&row, scratch, heap, b->source);
	row_u64(&row, b->data);
	if (b->owner)
		row_u64(&row, b->owner);
	else
		row_unknown(&row);
	if (node != HEAP_NONE)
		row_path(&row, scratch, c->analysis, node);
	else
		row_unknown(&row);
	return row_end(&row);
}

static int report_native_run(const struct report_context *context,
			     const struct report_params *params, struct table *table)
{
	const struct snap_buffer *buffers = context->heap->buffer.data;
	size_t count = VEC_COUNT(context->heap->buffer, struct snap_buffer);
	struct text scratch = { 0 };
	struct vec order = { 0 };
	char buf[HUMAN_SIZE];
	int err = 0;

	(void)params;
	for (size_t i = 0; i < count && !err; i++) {
		const struct snap_buffer *b = &buffers[i];

		err = vec_append(&order, &b, sizeof(b));
	}
	if (!err && count)
		qsort(order.data, count, sizeof(struct snap_buffer *),
		      report_native_by_length);
	for (size_t i = 0; i < count && !err; i++)
		err = report_native_add_row(context,
					    VEC(order, const struct snap_buffer *)[i],
					    &scratch, table);
	if (!err)
		err = table_note(table, "owned outside of objects' sizes: %s",
				 human_bytes_u64(buf, native_node_total(context->heap)));
	vec_free(&order);
	text_free(&scratch);
	return err;
}

const struct report report_native = {
	.name = "native",
	.title = "Native memory",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_native_run,
};
