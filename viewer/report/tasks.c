/* SPDX-License-Identifier: MIT */
/* tasks - asyncio's tasks and greenlets: what each is in and waits for
 * (analysis/tasks.h). */
#include "viewer/analysis/tasks.h"
#include "viewer/model/attribute.h"
#include "viewer/name/calls.h"
#include "viewer/name/hops.h"
#include "viewer/name/name.h"
#include "viewer/report/common.h"
#include "viewer/text/human.h"

enum { REPORT_TASKS_GROUPS = 10 /* in the sentences below the rows */ };

static const struct column columns[] = {
	{ "retained", "Retained", CELL_BYTES, false },
	{ "task", "Task", CELL_TEXT, false },
	{ "state", "State", CELL_TEXT, false },
	{ "alike", "Alike", CELL_COUNT, false },
	{ "alike_retained", "All these", CELL_BYTES, false },
	{ "waits_for", "Waits for", CELL_TEXT, false },
	{ "awaited_by", "Awaited by", CELL_TEXT, false },
	{ "stack", "In", CELL_TEXT, false },
	{ "type", "Type", CELL_TEXT, true },
	{ "address", "Address", CELL_ADDRESS, true },
};

static const char *const report_tasks_states[] = {
	[TASK_WAITING] = "waiting",
	[TASK_READY] = "ready",
	[TASK_DONE] = "done",
};

static bool report_tasks_is_task(const struct heap *heap, uint32_t node)
{
	return attribute_of(heap, node, "_coro") != HEAP_NONE;
}

/* "task fetch-3", "Future", "_GatheringFuture of 3" */
static void report_tasks_awaited(struct text *out, const struct heap *heap, uint32_t node)
{
	char count[HUMAN_SIZE];
	uint32_t children;

	if (report_tasks_is_task(heap, node)) {
		hops_add_task(out, heap, node);
		return;
	}
	name_type(out, heap, heap_type_of(heap, node));
	children = attribute_of(heap, node, "_children");
	if (children < heap->objects)
		text_printf(out, " of %s",
			    human_count(count, heap_refs(heap, children).count));
}

static void report_tasks_name(struct text *out, const struct heap *heap,
			      const struct task *t)
{
	if (t->greenlet)
		name_kind(out, heap, t->node, 40);
	else
		hops_add_task(out, heap, t->node);
}

static void report_tasks_other(struct row *row, struct text *scratch,
			       const struct heap *heap, uint32_t node)
{
	text_clear(scratch);
	if (node == HEAP_NONE) {
		row_unknown(row);
		return;
	}
	report_tasks_awaited(scratch, heap, node);
	row_text(row, text_get(scratch));
}

static int report_tasks_row(const struct heap *heap, const struct task *t,
			    struct text *scratch, struct table *table)
{
	struct row row;

	row_begin(&row, table, t->node, heap_type_of(heap, t->node));
	row_u64(&row, t->retained);
	text_clear(scratch);
	report_tasks_name(scratch, heap, t);
	row_text(&row, text_get(scratch));
	row_text(&row, report_tasks_states[t->state]);
	row_u64(&row, t->group_count);
	row_u64(&row, t->group_retained);
	report_tasks_other(&row, scratch, heap, t->waits);
	report_tasks_other(&row, scratch, heap, t->by);
	text_clear(scratch);
	calls_stack(scratch, heap, t->node);
	row_text(&row, text_get(scratch));
	row_type(&row, scratch, heap, heap_type_of(heap, t->node));
	row_address(&row, heap, t->node);
	return row_end(&row);
}

/* "40 are waiting, 3.1 MiB: main() (app.py:12) > Queue.get() (queues.py:158)" for each
 * group of several. */
static int report_tasks_groups(const struct heap *heap, const struct vec *tasks,
			       struct text *scratch, struct table *table)
{
	const struct task *t = tasks->data;
	char count[HUMAN_SIZE], size[HUMAN_SIZE];
	size_t said = 0;
	int err = 0;

	for (size_t i = 0;
	     i < VEC_COUNT(*tasks, struct task) && !err && said < REPORT_TASKS_GROUPS;
	     i += t[i].group_count) {
		if (t[i].group_count == 1)
			continue;
		text_clear(scratch);
		calls_stack(scratch, heap, t[i].node);
		if (!text_len(scratch))
			report_tasks_name(scratch, heap, &t[i]);
		err = table_note(
			table, "%s are %s, %s: %s", human_count(count, t[i].group_count),
			report_tasks_states[t[i].state],
			human_bytes_u64(size, t[i].group_retained), text_get(scratch));
		said++;
	}
	return err;
}

static int report_tasks_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	struct vec tasks = { 0 };
	struct text scratch = { 0 };
	int err = tasks_find(context->analysis, context->progress, &tasks);

	(void)params;
	for (size_t i = 0; i < VEC_COUNT(tasks, struct task) && !err; i++)
		err = report_tasks_row(context->heap, VEC(tasks, struct task) + i,
				       &scratch, table);
	if (!err)
		err = report_tasks_groups(context->heap, &tasks, &scratch, table);
	if (!err && !tasks.size)
		table->error = "the process has no asyncio tasks and no greenlets";
	vec_free(&tasks);
	text_free(&scratch);
	return err;
}

const struct report report_tasks = {
	.name = "tasks",
	.title = "Tasks and greenlets",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_tasks_run,
};
