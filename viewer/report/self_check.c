/* SPDX-License-Identifier: MIT */
/* self_check - see self_check.h. */
#include "viewer/report/self_check.h"

#include "viewer/report/common.h"
#include "viewer/text/human.h"

/* References that must be explained: what C code holds is never found. */
#define SELF_CHECK_ENOUGH 0.99

void self_check_sizes(const struct heap *heap, uint64_t *checked, uint64_t *different)
{
	const struct snap_size_check *check = heap->size_check.data;

	*checked = *different = 0;
	for (size_t i = 0; i < VEC_COUNT(heap->size_check, struct snap_size_check); i++) {
		*checked += check[i].checked;
		*different += check[i].mismatched;
	}
}

static void self_check_add(struct text *failed, uint64_t count, const char *what)
{
	char buf[HUMAN_SIZE];

	if (count)
		text_printf(failed, "%s%s %s", text_len(failed) ? ", " : "",
			    human_count(buf, count), what);
}

/* Errors that are an object's; others are of the process. */
static uint64_t self_check_objects(const struct heap *heap)
{
	const struct snap_error *const error = heap->error.data;
	uint64_t objects = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->error, struct snap_error); i++)
		objects += error[i].addr != 0;
	return objects;
}

static void self_check_failures(struct text *failed, const struct heap *heap,
				uint64_t different, double share)
{
	const uint64_t objects = self_check_objects(heap);
	char buf[HUMAN_SIZE];

	if (!heap->complete)
		text_add(failed, "the snapshot is truncated");
	self_check_add(failed, different, "sizes differ (report sizes)");
	self_check_add(failed, objects, "objects not walked (report errors)");
	self_check_add(failed, VEC_COUNT(heap->error, struct snap_error) - objects,
		       "facts that could not be read (report errors)");
	self_check_add(failed, heap->dangling, "references to unknown objects");
	self_check_add(failed, heap->dropped, "objects dropped");
	if (heap->references_counted && share < SELF_CHECK_ENOUGH)
		text_printf(failed, "%sonly %s of references (report hidden)",
			    text_len(failed) ? ", " : "", human_share(buf, share));
}

void self_check_text(struct text *out, const struct heap *heap)
{
	const double share =
		ratio_of(heap->references_explained, heap->references_counted);
	struct text failed = { 0 };
	uint64_t checked, different;
	char buf[HUMAN_SIZE];

	self_check_sizes(heap, &checked, &different);
	self_check_failures(&failed, heap, different, share);
	text_add(out,
		 text_len(&failed)			     ? "NOT passed: " :
			 heap->references_counted || checked ? "passed" :
							       "not done");
	if (text_len(&failed)) {
		text_add(out, text_get(&failed));
	} else {
		if (heap->references_counted)
			text_printf(out, ", %s of references", human_share(buf, share));
		if (checked)
			text_printf(out, ", %s sizes", human_count(buf, checked));
	}
	text_free(&failed);
}
