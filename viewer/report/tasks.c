/* SPDX-License-Identifier: MIT */
/*
 * tasks - asyncio's tasks and greenlets: what each is in and waits for
 * (analysis/tasks.h).
 *
 * Those that stand at the same lines are one row with one of them as an example; each
 * has its own where all rows are asked for, rows with some text, or (--object) those
 * that are in a row with one.
 */
#include <errno.h>
#include <string.h>

#include "viewer/analysis/greenlets.h"
#include "viewer/analysis/kin.h"
#include "viewer/analysis/tasks.h"
#include "viewer/model/attribute.h"
#include "viewer/name/calls.h"
#include "viewer/name/hops.h"
#include "viewer/name/name.h"
#include "viewer/report/common.h"
#include "viewer/text/human.h"

static const struct column columns[] = {
	{ "alike_retained", "All these", CELL_BYTES, false },
	{ "alike", "Alike", CELL_COUNT, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "task", "Task", CELL_TEXT, false },
	{ "state", "State", CELL_TEXT, false },
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

/* "task fetch-3", "Future", "_GatheringFuture of 3", "Event shop.closed", "timer" */
static void report_tasks_awaited(struct text *out, const struct analysis *analysis,
				 const struct task *t, uint32_t node)
{
	const struct heap *heap = analysis->heap;
	char count[HUMAN_SIZE];
	uint32_t children;

	if (report_tasks_is_task(heap, node)) {
		hops_add_task(out, heap, node);
		return;
	}
	const uint32_t at = t->waits == node && !t->greenlet ?
		tasks_waits_at(heap, t->node) :
		HEAP_NONE;
	const bool timer = kin_is(heap, heap_type_of(heap, at == HEAP_NONE ? node : at),
				  "asyncio.events.TimerHandle");
	if (timer) {
		text_add(out, "timer");
		return;
	}
	node = at == HEAP_NONE ? node : at;
	name_type(out, heap, heap_type_of(heap, node));
	children = attribute_of(heap, node, "_children");
	if (children >= heap->objects)
		children = attribute_of(heap, node, "_tasks"); /* a TaskGroup's */
	if (children < heap->objects)
		text_printf(out, " of %s",
			    human_count(count, heap_refs(heap, children).count));
	/* What only its own call has (a future, a timer) has no name worth the room. */
	else if ((t->greenlet || at != HEAP_NONE) &&
		 !kin_is(heap, heap_type_of(heap, node), GREENLETS_WATCHERS) &&
		 !analysis_is_below(analysis, node, t->node)) {
		text_add(out, " ");
		name_brief(out, analysis, node, 0);
	}
}

static void report_tasks_name(struct text *out, const struct heap *heap,
			      const struct task *t)
{
	if (t->greenlet)
		name_kind(out, heap, t->node, 40);
	else
		hops_add_task(out, heap, t->node);
}

static uint32_t report_tasks_waits(const struct task *t)
{
	return t->waits;
}

static uint32_t report_tasks_by(const struct task *t)
{
	return t->by;
}

/* What a task waits for, or is awaited by; of several the first, and whether
 * that is so of all. */
static void report_tasks_other(struct row *row, struct text *scratch,
			       const struct analysis *analysis, const struct task *t,
			       uint64_t count, uint32_t (*other)(const struct task *))
{
	struct text another = { 0 };
	bool differ = false;

	text_clear(scratch);
	if (other(t) != HEAP_NONE)
		report_tasks_awaited(scratch, analysis, t, other(t));
	for (uint64_t i = 1; i < count && !differ; i++) {
		text_clear(&another);
		if (other(t + i) != HEAP_NONE)
			report_tasks_awaited(&another, analysis, t + i, other(t + i));
		differ = strcmp(text_get(&another), text_get(scratch)) != 0;
	}
	text_free(&another);
	if (!text_len(scratch) && !differ) {
		row_unknown(row);
		return;
	}
	if (differ)
		text_add(scratch, text_len(scratch) ? ", not all" : "differs");
	row_text(row, text_get(scratch));
}

/* One task; or `count` that are alike and begin there. */
static int report_tasks_row(const struct analysis *analysis, const struct task *t,
			    uint64_t count, struct text *scratch, struct table *table)
{
	const struct heap *heap = analysis->heap;
	struct row row;

	row_begin(&row, table, t->node, heap_type_of(heap, t->node));
	row_u64(&row, t->group_retained);
	row_u64(&row, t->group_count);
	row_u64(&row, t->retained);
	text_clear(scratch);
	text_add(scratch, count > 1 ? "e.g. " : "");
	report_tasks_name(scratch, heap, t);
	row_text(&row, text_get(scratch));
	row_text(&row, report_tasks_states[t->state]);
	report_tasks_other(&row, scratch, analysis, t, count, report_tasks_waits);
	report_tasks_other(&row, scratch, analysis, t, count, report_tasks_by);
	text_clear(scratch);
	calls_stack(scratch, heap, t->node);
	row_text(&row, text_get(scratch));
	row_type(&row, scratch, heap, heap_type_of(heap, t->node));
	row_address(&row, heap, t->node);
	return row_end(&row);
}

/* The tasks that stand where the one at an address does become all there are. */
static int report_tasks_narrow(const struct heap *heap, uint64_t object,
			       struct vec *tasks)
{
	struct task *t = tasks->data;
	size_t count = VEC_COUNT(*tasks, struct task), i = 0;

	while (i < count && heap_address(heap, t[i].node) != object)
		i++;
	if (i == count)
		return -ENOENT;
	while (i && t[i - 1].group == t[i].group)
		i--;
	memmove(t, t + i, t[i].group_count * sizeof(*t));
	tasks->size = t->group_count * sizeof(*t);
	return 0;
}

static int report_tasks_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	const bool each = params->all || params->filter || params->object;
	struct vec tasks = { 0 };
	struct text scratch = { 0 };
	int err = tasks_find(context->analysis, context->progress, &tasks);
	const struct task *t = tasks.data;
	uint64_t count;

	if (!err && !tasks.size)
		table->error = "the process has no asyncio tasks and no greenlets";
	else if (!err && params->object &&
		 report_tasks_narrow(context->heap, params->object, &tasks))
		table->error = "no task or greenlet at that address";
	for (size_t i = 0; i < VEC_COUNT(tasks, struct task) && !err && !table->error;
	     i += count) {
		count = each ? 1 : t[i].group_count;
		err = report_tasks_row(context->analysis, t + i, count, &scratch, table);
	}
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
