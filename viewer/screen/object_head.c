/* SPDX-License-Identifier: MIT */
/* object_head - see object_head.h. */
#include "viewer/screen/object_head.h"

#include <inttypes.h>

#include "viewer/analysis/sharing.h"
#include "viewer/model/site.h"
#include "viewer/name/calls.h"
#include "viewer/name/describe.h"
#include "viewer/text/human.h"

enum { SITE_CALLERS = 12, FEW_LINES = 12 };

static void object_head_add_flags(struct text *t, uint32_t flags)
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
static const char *const object_head_places[SHARING_PLACES] = {
	[SHARING_UNKNOWN] = "",
	[SHARING_PRIVATE] = "  private",
	[SHARING_COPIED] = "  private: written to since the fork",
	[SHARING_SHARED] = "  shared since a fork",
	[SHARING_PARENT] = "  shared with the parent",
	[SHARING_SIBLINGS] = "  shared with siblings",
};

static void object_head_counts(const struct heap *heap, uint32_t node, struct text *t)
{
	const uint32_t flags = heap_class_of(heap, node)->flags;
	const int64_t surplus = heap_surplus(heap, node);
	char x[HUMAN_SIZE];

	if (!(flags & SNAP_OBJ_IMMORTAL))
		text_printf(t, "  refcount %s",
			    human_count(x, heap_refcount(heap, node)));
	if (surplus > 0)
		text_printf(t, " (%s from outside Python objects)",
			    human_count(x, (uint64_t)surplus));
	object_head_add_flags(t, flags);
	if (sharing_total(heap))
		text_add(t, object_head_places[sharing_of(heap, node)]);
}

static void object_head_numbers(const struct process *p, uint32_t node, struct text *t)
{
	const struct heap *heap = p->heap;
	char x[HUMAN_SIZE];

	if (heap_is_object(heap, node))
		text_printf(t, "size %s", human_bytes_u64(x, heap_size(heap, node)));
	if (heap_native(heap, node))
		text_printf(t, "%snative %s", text_len(t) ? "  " : "",
			    human_bytes_u64(x, heap_native(heap, node)));
	if (p->analysis) {
		text_printf(t, "%sretains %s", text_len(t) ? "  " : "",
			    human_bytes_u64(x, analysis_retained(p->analysis, node)));
		text_printf(t, " in %s objects",
			    human_count(x, analysis_retained_count(p->analysis, node)));
	}
	if (heap_is_object(heap, node))
		object_head_counts(heap, node, t);
}

/* What is said only where there is room. */
static int object_head_draw_more(const struct process *p, uint32_t node,
				 struct surface *s, struct rect r, struct text *t)
{
	int y = r.y;

	text_clear(t);
	calls_where(t, p->heap, node);
	if (text_len(t))
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_DIM, text_get(t));
	if (site_of(p->heap, node)) {
		text_clear(t);
		text_add(t, "allocated at ");
		describe_callers(t, p->heap, site_of(p->heap, node), SITE_CALLERS);
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_DIM, text_get(t));
	}
	if (p->analysis) {
		text_clear(t);
		describe_path(t, p->analysis, node);
		const struct rect lines = { y, r.x + 1, 2, r.width - 2 };
		y += surface_wrap(s, lines, STYLE_LABEL, text_get(t), text_len(t));
	}
	return y - r.y;
}

int object_head_draw(const struct process *p, uint32_t node, struct surface *s,
		     struct rect r, struct text *t)
{
	const struct heap *heap = p->heap;
	int y = r.y, x;

	text_clear(t);
	describe_node(t, heap, node);
	x = r.x + 1 +
		surface_puts(s, y, r.x + 1, r.width - 22, STYLE_STRONG, text_get(t));
	if (heap_is_object(heap, node))
		surface_printf(s, y, x + 1, r.width - x - 2, STYLE_DIM, "at 0x%" PRIx64,
			       heap_address(heap, node));
	y++;
	text_clear(t);
	if (heap_is_object(heap, node))
		describe_value(t, heap, node, 400);
	if (text_len(t))
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_VALUE, text_get(t));
	text_clear(t);
	object_head_numbers(p, node, t);
	surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_NORMAL, text_get(t));
	if (r.height > FEW_LINES) {
		const struct rect more = { y, r.x, r.height, r.width };
		y += object_head_draw_more(p, node, s, more, t);
	}
	return y - r.y;
}
