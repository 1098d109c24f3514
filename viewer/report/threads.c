/* SPDX-License-Identifier: MIT */
/*
 * threads - threads, their frames, the frames' local variables, each with what
 * it alone keeps alive.  A local that other holders share retains nothing of
 * its own by the thread: its retained size is that of the object.
 */
#include "viewer/report/common.h"

#include <assert.h>

static const struct column columns[] = {
	{ "what", "What", CELL_TEXT, false },
	{ "name", "Name", CELL_TEXT, false },
	{ "thread", "Thread", CELL_TEXT, false },
	{ "depth", "Depth", CELL_COUNT, false },
	{ "file", "File", CELL_TEXT, true },
	{ "line", "Line", CELL_ID, true },
	{ "type", "Type", CELL_TEXT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "value", "Value", CELL_TEXT, false },
	{ "address", "Address", CELL_ADDRESS, true },
	{ "native_id", "Native id", CELL_ID, true },
};

struct printer {
	const struct report_context *c;
	struct text *scratch;
	struct table *table;
	uint32_t thread;
};

static void report_threads_name(struct row *row, const struct printer *p)
{
	const struct heap *heap = p->c->heap;

	if (p->thread)
		row_string(row, p->scratch, heap,
			   VEC(heap->thread, struct snap_thread)[p->thread].name);
	else
		row_unknown(row);
}

static int report_threads_row(const struct printer *p, uint32_t node)
{
	const struct heap *heap = p->c->heap;
	const struct snap_thread *t = &VEC(heap->thread, struct snap_thread)[p->thread];
	struct row row;

	row_begin(&row, p->table, node, 0);
	row_text(&row, "thread");
	row_node(&row, p->scratch, heap, node);
	report_threads_name(&row, p);
	row_unknown(&row);
	row_unknown(&row);
	row_unknown(&row);
	row_text(&row, "");
	row_u64(&row, 0);
	row_u64(&row, analysis_retained(p->c->analysis, node));
	row_text(&row,
		 t->flags & SNAP_THREAD_GIL	     ? "held the GIL" :
			 t->flags & SNAP_THREAD_MAIN ? "main" :
						       "");
	row_unknown(&row);
	if (t->native_id)
		row_u64(&row, t->native_id);
	else
		row_unknown(&row);
	return row_end(&row);
}

static int report_threads_frame_row(const struct printer *p, uint32_t node)
{
	const struct heap *heap = p->c->heap;
	const struct snap_frame *f =
		&VEC(heap->frame, struct snap_frame)[heap_synth(heap, node)->ref];
	struct row row;

	assert(heap_synth(p->c->heap, node)->kind == HEAP_SYNTH_FRAME);
	row_begin(&row, p->table, node, 0);
	row_text(&row, "frame");
	text_clear(p->scratch);
	describe_frame(p->scratch, heap, heap_synth(heap, node)->ref);
	row_text(&row, text_get(p->scratch));
	report_threads_name(&row, p);
	row_u64(&row, f->depth);
	row_string(&row, p->scratch, heap, f->file);
	if (f->line)
		row_u64(&row, f->line);
	else
		row_unknown(&row);
	row_text(&row, "");
	row_u64(&row, 0);
	row_u64(&row, analysis_retained(p->c->analysis, node));
	row_text(&row, "");
	row_unknown(&row);
	row_unknown(&row);
	return row_end(&row);
}

/* depth: of the frame, UINT32_MAX = held by the thread itself. */
static int report_threads_held_row(const struct printer *p, uint32_t holder,
				   uint32_t slot, uint32_t depth)
{
	static const char *const words[SNAP_ROOT_KIND_COUNT] = {
		[SNAP_ROOT_LOCAL] = "local",
		[SNAP_ROOT_STACK] = "temporary",
		[SNAP_ROOT_FRAME] = "frame's",
		[SNAP_ROOT_EXCEPTION] = "exception",
	};
	const struct heap *heap = p->c->heap;
	uint32_t object = heap_target(heap, holder, slot, NULL);
	struct heap_label label;
	struct row row;

	heap_label(heap, holder, slot, &label);
	row_begin(&row, p->table, object, heap_type_of(heap, object));
	row_text(&row,
		 label.root_kind < SNAP_ROOT_KIND_COUNT && words[label.root_kind] ?
			 words[label.root_kind] :
			 "held");
	row_string(&row, p->scratch, heap, label.name);
	report_threads_name(&row, p);
	if (depth == UINT32_MAX)
		row_unknown(&row);
	else
		row_u64(&row, depth);
	row_unknown(&row);
	row_unknown(&row);
	row_node(&row, p->scratch, heap, object);
	row_u64(&row, heap_size(heap, object));
	row_u64(&row, analysis_retained(p->c->analysis, object));
	row_value(&row, p->scratch, heap, object);
	row_address(&row, heap, object);
	row_unknown(&row);
	return row_end(&row);
}

static int report_threads_frame_rows(const struct printer *p, uint32_t node)
{
	const struct heap *heap = p->c->heap;
	struct heap_span refs = heap_refs(heap, node);
	uint32_t depth =
		VEC(heap->frame, struct snap_frame)[heap_synth(heap, node)->ref].depth;
	int err = report_threads_frame_row(p, node);

	for (uint32_t i = 0; i < refs.count && !err; i++)
		if (refs.target[i] < heap->objects)
			err = report_threads_held_row(p, node, i, depth);
	return err;
}

static int report_threads_rows(struct printer *p, uint32_t node)
{
	const struct heap *heap = p->c->heap;
	struct heap_span refs = heap_refs(heap, node);
	int err;

	assert(heap_synth(heap, node)->kind == HEAP_SYNTH_THREAD);
	p->thread = heap_synth(heap, node)->ref;
	err = report_threads_row(p, node);
	for (uint32_t i = 0; i < refs.count && !err; i++) {
		if (refs.target[i] < heap->objects)
			err = report_threads_held_row(p, node, i, UINT32_MAX);
		else if (refs.target[i] < heap->nodes)
			err = report_threads_frame_rows(p, refs.target[i]);
	}
	return err;
}

static int report_threads_run(const struct report_context *context,
			      const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	struct text scratch = { 0 };
	struct printer p = { context, &scratch, table, 0 };
	struct heap_span threads = heap_refs(heap, heap_group(heap, HEAP_SYNTH_THREADS));
	int err = 0;

	(void)params;
	for (uint32_t i = 0; i < threads.count && !err; i++) {
		uint32_t node = threads.target[i];

		p.thread = 0;
		if (node < heap->objects)
			err = report_threads_held_row(
				&p, heap_group(heap, HEAP_SYNTH_THREADS), i, UINT32_MAX);
		else if (heap_synth(heap, node)->kind == HEAP_SYNTH_THREAD)
			err = report_threads_rows(&p, node);
		else
			err = report_threads_frame_rows(&p, node);
	}
	if (!err && !heap->threads)
		table->error = "the snapshot holds no threads";
	text_free(&scratch);
	return err;
}

const struct report report_threads = {
	.name = "threads",
	.title = "Threads, frames and local variables",
	.needs = NEEDS_ANALYSIS,
	.limit = 200,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_threads_run,
};
