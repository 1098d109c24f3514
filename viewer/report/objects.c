/* SPDX-License-Identifier: MIT */
/*
 * objects - single objects: all, or those of one type; largest first.
 *
 * --sort picks what "largest" means before the limit cuts: retained (default),
 * size, native, refcount, surplus, count or address.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "address", "Address", CELL_ADDRESS, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "native", "Native", CELL_BYTES, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "count", "Objects", CELL_COUNT, false },
	{ "refcount", "References", CELL_COUNT, false },
	{ "surplus", "Surplus", CELL_COUNT_DIFF, false },
	{ "value", "Value", CELL_TEXT, false },
	{ "path", "Path", CELL_TEXT, false },
};

enum key {
	KEY_RETAINED,
	KEY_SIZE,
	KEY_NATIVE,
	KEY_REFCOUNT,
	KEY_SURPLUS,
	KEY_COUNT,
	KEY_ADDRESS
};

static enum key report_objects_key_of(const char *sort)
{
	static const struct {
		const char *name;
		enum key key;
	} keys[] = {
		{ "size", KEY_SIZE },	      { "native", KEY_NATIVE },
		{ "refcount", KEY_REFCOUNT }, { "surplus", KEY_SURPLUS },
		{ "count", KEY_COUNT },	      { "address", KEY_ADDRESS },
	};

	for (size_t i = 0; sort && i < COUNT_OF(keys); i++)
		if (!strcmp(keys[i].name, sort + (sort[0] == '-')))
			return keys[i].key;
	return KEY_RETAINED;
}

static uint64_t report_objects_value_of(const struct report_context *c, enum key key,
					uint32_t object)
{
	int64_t surplus;

	switch (key) {
	case KEY_SIZE:
		return heap_size(c->heap, object);
	case KEY_NATIVE:
		return heap_native(c->heap, object);
	case KEY_REFCOUNT:
		return heap_refcount(c->heap, object);
	case KEY_SURPLUS:
		surplus = heap_surplus(c->heap, object);
		return surplus > 0 ? (uint64_t)surplus : 0;
	case KEY_COUNT:
		return analysis_retained_count(c->analysis, object);
	case KEY_ADDRESS:
		return object;
	default:
		return analysis_retained(c->analysis, object);
	}
}

static int select_objects(const struct report_context *c,
			  const struct report_params *params, uint32_t type,
			  struct top *top)
{
	enum key key = report_objects_key_of(params->sort);
	uint64_t flip = params->sort && params->sort[0] == '-' ? UINT64_MAX : 0;
	const char *name = heap_type_name(c->heap, type);
	int err = 0;

	for (uint32_t o = 0; o < c->heap->objects && !err; o++) {
		uint32_t t = heap_type_of(c->heap, o);

		if (type && t != type && strcmp(heap_type_name(c->heap, t), name))
			continue;
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(c->progress, "objects", o, c->heap->objects);
		if (!err)
			err = top_offer(top, report_objects_value_of(c, key, o) ^ flip,
					o);
	}
	top_sort(top);
	return err;
}

static int report_objects_add_row(const struct report_context *c, uint32_t object,
				  struct text *scratch, struct table *table)
{
	const struct heap *heap = c->heap;
	bool immortal = heap_class_of(heap, object)->flags & SNAP_OBJ_IMMORTAL;
	struct row row;

	row_begin(&row, table, object, heap_type_of(heap, object));
	row_address(&row, heap, object);
	row_node(&row, scratch, heap, object);
	row_u64(&row, heap_size(heap, object));
	row_u64(&row, heap_native(heap, object));
	row_u64(&row, analysis_retained(c->analysis, object));
	row_u64(&row, analysis_retained_count(c->analysis, object));
	if (immortal)
		row_unknown(&row);
	else
		row_u64(&row, heap_refcount(heap, object));
	row_i64(&row, heap_surplus(heap, object));
	row_value(&row, scratch, heap, object);
	row_path(&row, scratch, c->analysis, object);
	return row_end(&row);
}

static int report_objects_run(const struct report_context *context,
			      const struct report_params *params, struct table *table)
{
	struct top top = { .limit = params->filter ? 0 : params->limit };
	struct text scratch = { 0 };
	uint32_t type = 0;
	int err = 0;

	if (params->type && !(type = params_type(context->heap, params, table)))
		return 0;
	if (params->object) {
		uint32_t node = params_node(context->heap, params, table);

		if (node != HEAP_NONE)
			err = report_objects_add_row(context, node, &scratch, table);
		text_free(&scratch);
		return err;
	}
	err = select_objects(context, params, type, &top);
	for (size_t i = 0; i < VEC_COUNT(top.heap, struct top_entry) && !err; i++) {
		err = report_objects_add_row(
			context, VEC(top.heap, struct top_entry)[i].id, &scratch, table);
		if (!err)
			err = table_put_batch(table, params, top.offered);
	}
	table->total = top.offered;
	top_free(&top);
	text_free(&scratch);
	return err;
}

const struct report report_objects = {
	.name = "objects",
	.title = "Objects",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.limit_data = 1000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_objects_run,
};
