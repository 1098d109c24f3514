/* SPDX-License-Identifier: MIT */
/* calls - see calls.h. */
#include "viewer/name/calls.h"

#include "viewer/analysis/tasks.h"
#include "viewer/model/attribute.h"
#include "viewer/model/line.h"
#include "viewer/name/describe.h"
#include "viewer/name/hops.h"

enum { CALLS_NAME = 200 /* characters */ };

void calls_line(struct text *out, const struct heap *heap, uint32_t node, uint32_t call)
{
	const struct snap_line *line = line_of(heap, node, call);

	if (line)
		describe_place(out, heap, line->file, line->line);
}

static void calls_name(struct text *out, const struct heap *heap, uint32_t call)
{
	struct heap_value name;

	if (heap_kind(heap, call) == SNAP_KIND_FRAME)
		call = attribute_of(heap, call, "f_code");
	if (call < heap->objects && heap_value(heap, call, &name) && name.size) {
		text_escape(out, name.text, name.size, CALLS_NAME, 0);
		text_add(out, "()");
	} else if (call < heap->objects) {
		describe_node(out, heap, call);
	} else {
		text_add(out, "?");
	}
}

void calls_stack(struct text *out, const struct heap *heap, uint32_t task)
{
	uint32_t stack[TASKS_STACK], depth = tasks_stack(heap, task, stack);

	for (uint32_t i = 0; i < depth; i++) {
		const struct snap_line *line = tasks_line(heap, task, stack, i);

		text_add(out, i ? HOPS_INTO : "");
		calls_name(out, heap, stack[i]);
		if (line)
			describe_place(out, heap, line->file, line->line);
	}
	if (depth == TASKS_STACK)
		text_add(out, HOPS_INTO "...");
}

void calls_where(struct text *out, const struct heap *heap, uint32_t node)
{
	const struct snap_line *line =
		node < heap->objects ? line_of(heap, node, 0) : NULL;
	const unsigned kind =
		node < heap->objects ? heap_kind(heap, node) : SNAP_KIND_OBJECT;

	if (line && (kind == SNAP_KIND_GENERATOR || kind == SNAP_KIND_FRAME)) {
		text_add(out, "stands at ");
		describe_line(out, heap, line->file, line->line);
	} else if (line || tasks_is_task(heap, node)) {
		text_add(out, "is in ");
		calls_stack(out, heap, node);
	}
}
