/* SPDX-License-Identifier: MIT */
/* suspects - where memory accumulates, in one sentence each (analysis/suspects.h). */
#include "viewer/analysis/context_var.h"
#include "viewer/analysis/suspects.h"
#include "viewer/model/absent.h"
#include "viewer/name/hops.h"
#include "viewer/report/allocator_text.h"
#include "viewer/report/cause.h"
#include "viewer/report/chunks_text.h"
#include "viewer/report/common.h"
#include "viewer/report/suspect_members.h"
#include "viewer/report/suspect_text.h"
#include "viewer/text/human.h"

#include <string.h>

#define NAME_LIMIT 200

static const struct column columns[] = {
	{ "path", "Path", CELL_TEXT, true },
	{ "type", "Type", CELL_TEXT, true },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "share", "Share", CELL_RATIO, false },
	{ "kind", "Kind", CELL_TEXT, true },
	{ "address", "Address", CELL_ADDRESS, false },
	{ "member_type", "Of", CELL_TEXT, true },
	{ "member_count", "Count", CELL_COUNT, true },
	{ "member_retained", "Retained by those", CELL_BYTES, true },
	{ "text", "What", CELL_TEXT, false },
	{ "reached", "Reached from", CELL_TEXT, true },
	{ "cause", "Usual cause", CELL_TEXT, true },
	{ "remedy", "What to do", CELL_TEXT, true },
	{ "still_shared", "Shared by fork", CELL_BYTES, true },
	{ "usual", "In every process", CELL_BOOL, true },
};

/* "local variables of f (file.py) in 1,000 frames" */
static void report_suspects_frames_path(struct text *out, const struct heap *heap,
					const struct suspect *s)
{
	const struct snap_frame *frame =
		VEC(heap->frame, struct snap_frame) + heap_synth(heap, s->point)->ref;
	char buf[HUMAN_SIZE];

	text_add(out, "local variables of ");
	if (s->frames == 1) {
		describe_frame(out, heap, heap_synth(heap, s->point)->ref);
		text_add(out, " of ");
		describe_thread(out, heap, frame->thread);
		return;
	}
	describe_function(out, heap, heap_synth(heap, s->point)->ref);
	text_printf(out, " in %s frames", human_count(buf, s->frames));
}

static const struct {
	const char *kind, *what;
} report_suspects_unheld_words[] = {
	[SUSPECT_FREE] = { "free", "free memory that the allocators keep" },
	[SUSPECT_UNEXPLAINED] = { "unexplained",
				  "C allocations that no object is known to own" },
	[SUSPECT_SHARED] = { "shared", "shared memory" },
};

/* What isn't held by an object, and what can be done. */
static void report_suspects_unheld(struct text *out, const struct heap *heap,
				   const struct suspect *s)
{
	struct text kinds = { 0 }, owners = { 0 };

	text_add(out, report_suspects_unheld_words[s->memory].what);
	if (s->memory == SUSPECT_FREE)
		text_printf(out,
			    ": no leak, but it won't go back by itself (%s, workers "
			    "that end after so many requests)",
			    s->pymalloc ? "the work of the peak in a child process" :
					  allocator_text_means(heap));
	if (s->memory == SUSPECT_SHARED)
		text_add(out, ": see the report maps");
	if (s->memory == SUSPECT_UNEXPLAINED) {
		chunks_text_kinds(&kinds, heap);
		chunks_text_owners(&owners, heap);
		if (text_len(&kinds))
			text_printf(out, ": %s", text_get(&kinds));
		if (text_len(&owners))
			text_printf(out, "; likely owners: %s", text_get(&owners));
	}
	text_free(&kinds);
	text_free(&owners);
}

/* "ContextVar last_seen in 40 tasks, e.g. session-11", "... in contexts of app.jobs" */
static void report_suspects_variable(struct text *out, const struct analysis *a,
				     const struct suspect *s)
{
	const uint32_t holder = s->holder != HEAP_NONE ? s->holder : s->point;
	const struct heap *const heap = a->heap;
	uint32_t name = context_var_name(heap, s->variable);
	struct heap_value value;
	char buf[HUMAN_SIZE];

	text_add(out, "ContextVar ");
	if (name != HEAP_NONE && heap_value(heap, name, &value))
		text_escape(out, value.text, value.size, NAME_LIMIT, 0);
	if (!s->tasks && holder < heap->objects) {
		text_add(out, " in contexts of ");
		describe_path(out, a, holder);
	}
	if (!s->tasks)
		return;
	text_printf(out, " in %s task%s, e.g. ", human_count(buf, s->tasks),
		    s->tasks == 1 ? "" : "s");
	hops_add_task(out, heap, s->task);
}

/* "module cache.STORE['sessions']" */
static void suspect_path(struct text *out, const struct analysis *a,
			 const struct suspect *s)
{
	if (s->memory != SUSPECT_HELD) {
		text_add(out, report_suspects_unheld_words[s->memory].what);
		return;
	}
	if (s->by_variable) {
		report_suspects_variable(out, a, s);
		return;
	}
	if (s->frames) {
		report_suspects_frames_path(out, a->heap, s);
		return;
	}
	if (s->point == heap_group(a->heap, HEAP_SYNTH_MODULES)) {
		text_add(out, "sys.modules");
		return;
	}
	if (s->point == heap_group(a->heap, HEAP_SYNTH_IMMORTAL) && s->member_type &&
	    heap_type(a->heap, s->member_type)->kind == SNAP_KIND_STR) {
		text_add(out, "strings that stay for ever (interned and immortal)");
		return;
	}
	if (s->point != HEAP_NONE) {
		describe_path(out, a, suspect_node(s));
		return;
	}
	text_add(out, "no common holder, e.g. ");
	describe_path(out, a, s->top);
}

/* Whether the path, which has no name for its last step, says already what is there. */
static bool suspect_path_tells(const struct text *out, const struct heap *heap,
			       uint32_t node)
{
	struct text end = { 0 };
	bool tells;

	text_add(&end, " -> ");
	describe_node(&end, heap, node);
	tells = text_len(out) >= text_len(&end) &&
		!strcmp(text_get(out) + text_len(out) - text_len(&end), text_get(&end));
	text_free(&end);
	return tells;
}

/* Other containers that have the members. */
static void report_suspects_also(struct text *out, const struct analysis *a,
				 const struct suspect *s)
{
	char buf[HUMAN_SIZE];

	for (uint32_t i = 0; i < s->also_number; i++) {
		text_add(out, i ? ", " : ", also in ");
		describe_path(out, a, s->also[i]);
		if (s->also_count[i] < s->member_count)
			text_printf(out, " (%s of them)",
				    human_count(buf, s->also_count[i]));
	}
	if (s->also_all > s->also_number)
		text_printf(out, " and %s more",
			    human_count(buf, s->also_all - s->also_number));
}

void suspect_text(struct text *out, const struct analysis *a, const struct suspect *s)
{
	const struct heap *heap = a->heap;

	if (s->memory != SUSPECT_HELD) {
		report_suspects_unheld(out, heap, s);
		return;
	}
	if (s->point == HEAP_NONE) {
		suspect_members_text(out, a, s);
		text_add(out, " with ");
		suspect_path(out, a, s);
		suspect_members_inside(out, heap, s);
		return;
	}
	suspect_path(out, a, s);
	if (!s->group && !s->by_variable && s->point < heap->objects &&
	    !(s->tree && heap_namesake_of(heap, s->point) == s->member_type) &&
	    !suspect_path_tells(out, heap, suspect_node(s))) {
		text_add(out, " -> ");
		describe_short_type(out, heap, heap_type_of(heap, suspect_node(s)));
	}
	if (!s->group && !s->chain && !s->by_variable &&
	    suspect_members_native(out, heap, s)) {
		suspect_members_shared(out, s);
		return;
	}
	if (s->member_type && s->member_count) {
		text_add(out,
			 s->chain	 ? " -> chain of " :
				 s->tree ? " -> tree of " :
					   " -> ");
		suspect_members_text(out, a, s);
	}
	if (!s->group && !s->chain && !s->by_variable)
		suspect_members_room(out, heap, suspect_node(s), s);
	report_suspects_also(out, a, s);
	if (s->holder != HEAP_NONE && !s->also_number) {
		text_add(out, ", shared below ");
		describe_path(out, a, s->point);
	}
	suspect_members_inside(out, heap, s);
	suspect_members_shared(out, s);
}

const char *suspect_none(struct text *scratch, const struct heap *heap)
{
	const struct heap_synth *modules =
		heap_synth(heap, heap_group(heap, HEAP_SYNTH_MODULES));
	char count[HUMAN_SIZE], size[HUMAN_SIZE];

	text_clear(scratch);
	text_printf(scratch,
		    "nothing stands out: these %s of objects are what a Python process "
		    "of %s modules consists of",
		    human_bytes_u64(size, heap->size - absent_of_objects(heap)),
		    human_count(count, modules->count));
	return text_get(scratch);
}

double suspect_share(const struct analysis *a, const struct suspect *s)
{
	const struct heap *heap = a->heap;

	if (s->memory != SUSPECT_HELD)
		return ratio_of(s->retained, heap_rss(heap));
	return ratio_of(s->retained, analysis_total(a) - absent_total(heap));
}

static const char *report_suspects_kind(const struct heap *heap, const struct suspect *s)
{
	if (s->memory != SUSPECT_HELD)
		return report_suspects_unheld_words[s->memory].kind;
	if (s->point < heap->nodes && heap_is_native(heap, s->point))
		return "native";
	return s->frames ? "frames" : s->chain ? "chain" : s->group ? "group" : "single";
}

static int report_suspects_add_row(const struct report_context *c,
				   const struct suspect *s, struct text *scratch,
				   struct table *table)
{
	const struct heap *heap = c->heap;
	uint32_t node = suspect_node(s);
	uint32_t type = s->group  ? s->member_type :
		node == HEAP_NONE ? 0 :
				    heap_type_of(heap, node);
	struct row row;

	row_begin(&row, table, node, type);
	text_clear(scratch);
	suspect_path(scratch, c->analysis, s);
	row_text(&row, text_get(scratch));
	row_type(&row, scratch, heap, type);
	row_u64(&row, s->retained);
	row_ratio(&row, suspect_share(c->analysis, s));
	row_text(&row, report_suspects_kind(heap, s));
	row_address(&row, heap, node);
	row_type(&row, scratch, heap, s->member_type);
	row_u64(&row, s->member_count);
	row_u64(&row, s->member_retained);
	text_clear(scratch);
	text_add(scratch, s->usual ? "usual: " : "");
	suspect_text(scratch, c->analysis, s);
	row_text(&row, text_get(scratch));
	text_clear(scratch);
	cause_reached(scratch, c->analysis, s);
	row_text(&row, text_get(scratch));
	row_text(&row, cause_of(c->analysis, s)->usual);
	row_text(&row, cause_of(c->analysis, s)->remedy);
	if (s->own)
		row_u64(&row, s->still_shared);
	else
		row_unknown(&row);
	row_u64(&row, s->usual);
	return row_end(&row);
}

static int report_suspects_run(const struct report_context *context,
			       const struct report_params *params, struct table *table)
{
	struct vec suspects = { 0 };
	struct text scratch = { 0 };
	int err = suspects_find(context->analysis, SUSPECTS_THRESHOLD, context->progress,
				&suspects);

	(void)params;
	for (size_t i = 0; i < VEC_COUNT(suspects, struct suspect) && !err; i++)
		err = report_suspects_add_row(context, VEC(suspects, struct suspect) + i,
					      &scratch, table);
	if (!err && !suspects.size)
		err = table_note(table, "%s", suspect_none(&scratch, context->heap));
	vec_free(&suspects);
	text_free(&scratch);
	return err;
}

const struct report report_suspects = {
	.name = "suspects",
	.title = "Leak suspects",
	.needs = NEEDS_ANALYSIS,
	.limit = 20,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_suspects_run,
};
