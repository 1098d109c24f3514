/* SPDX-License-Identifier: MIT */
#include "viewer/live/tap.h"

static struct snap_sink *next_of(struct snap_sink *sink)
{
	return ((struct tap *)sink)->next;
}

/* One function per event that only passes it on. */
#define PASS(event, type) \
	static int pass_##event(struct snap_sink *sink, const struct type *x) \
	{ \
		struct snap_sink *next = next_of(sink); \
		return next->ops->event ? next->ops->event(next, x) : 0; \
	}
PASS(fact, snap_fact)
PASS(type, snap_type)
PASS(shape, snap_shape)
PASS(object, snap_object)
PASS(value, snap_value)
PASS(thread, snap_thread)
PASS(frame, snap_frame)
PASS(root, snap_root)
PASS(map, snap_map)
PASS(buffer, snap_buffer)
PASS(size_check, snap_size_check)
PASS(error, snap_error)
#undef PASS

static int pass_string(struct snap_sink *sink, uint32_t id, const char *text, size_t size)
{
	struct snap_sink *next = next_of(sink);
	return next->ops->string ? next->ops->string(next, id, text, size) : 0;
}

static int pass_progress(struct snap_sink *sink, const struct snap_progress *p)
{
	struct tap *tap = (struct tap *)sink;
	struct snap_sink *next = tap->next;
	tap->progress(tap->arg, p);
	return next->ops->progress ? next->ops->progress(next, p) : 0;
}

static int pass_end(struct snap_sink *sink)
{
	struct snap_sink *next = next_of(sink);
	return next->ops->end ? next->ops->end(next) : 0;
}

static const struct snap_sink_ops ops = {
	.fact = pass_fact,
	.string = pass_string,
	.type = pass_type,
	.shape = pass_shape,
	.object = pass_object,
	.value = pass_value,
	.thread = pass_thread,
	.frame = pass_frame,
	.root = pass_root,
	.map = pass_map,
	.buffer = pass_buffer,
	.size_check = pass_size_check,
	.error = pass_error,
	.progress = pass_progress,
	.end = pass_end,
};

void tap_init(struct tap *tap, struct snap_sink *next,
	      void (*progress)(void *arg, const struct snap_progress *), void *arg)
{
	*tap = (struct tap){
		.sink = { &ops }, .next = next, .progress = progress, .arg = arg
	};
}
