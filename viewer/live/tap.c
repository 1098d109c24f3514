/* SPDX-License-Identifier: MIT */
#include "viewer/live/tap.h"

#include <assert.h>

static struct snap_sink *tap_next(struct snap_sink *sink)
{
	return ((struct tap *)sink)->next;
}

/* One function per event that only passes it on. */
#define TAP_PASS(event, type) \
	static int tap_pass_##event(struct snap_sink *sink, const struct type *x) \
	{ \
		struct snap_sink *next = tap_next(sink); \
		return next->ops->event ? next->ops->event(next, x) : 0; \
	}
TAP_PASS(fact, snap_fact)
TAP_PASS(type, snap_type)
TAP_PASS(shape, snap_shape)
TAP_PASS(object, snap_object)
TAP_PASS(value, snap_value)
TAP_PASS(thread, snap_thread)
TAP_PASS(frame, snap_frame)
TAP_PASS(root, snap_root)
TAP_PASS(map, snap_map)
TAP_PASS(buffer, snap_buffer)
TAP_PASS(chunks, snap_chunks)
TAP_PASS(shared, snap_shared)
TAP_PASS(absent, snap_absent)
TAP_PASS(site, snap_site)
TAP_PASS(trace, snap_trace)
TAP_PASS(line, snap_line)
TAP_PASS(size_check, snap_size_check)
TAP_PASS(error, snap_error)
#undef TAP_PASS

static int tap_pass_string(struct snap_sink *sink, uint32_t id, const char *text,
			   size_t size)
{
	struct snap_sink *next = tap_next(sink);

	return next->ops->string ? next->ops->string(next, id, text, size) : 0;
}

static int tap_pass_progress(struct snap_sink *sink, const struct snap_progress *p)
{
	struct tap *tap = (struct tap *)sink;
	struct snap_sink *next = tap->next;

	tap->progress(tap->arg, p);
	return next->ops->progress ? next->ops->progress(next, p) : 0;
}

static int tap_pass_end(struct snap_sink *sink)
{
	struct snap_sink *next = tap_next(sink);

	return next->ops->end ? next->ops->end(next) : 0;
}

static const struct snap_sink_ops ops = {
	.fact = tap_pass_fact,
	.string = tap_pass_string,
	.type = tap_pass_type,
	.shape = tap_pass_shape,
	.object = tap_pass_object,
	.value = tap_pass_value,
	.thread = tap_pass_thread,
	.frame = tap_pass_frame,
	.root = tap_pass_root,
	.map = tap_pass_map,
	.buffer = tap_pass_buffer,
	.chunks = tap_pass_chunks,
	.shared = tap_pass_shared,
	.absent = tap_pass_absent,
	.site = tap_pass_site,
	.trace = tap_pass_trace,
	.line = tap_pass_line,
	.size_check = tap_pass_size_check,
	.error = tap_pass_error,
	.progress = tap_pass_progress,
	.end = tap_pass_end,
};

void tap_init(struct tap *tap, struct snap_sink *next,
	      void (*progress)(void *arg, const struct snap_progress *), void *arg)
{
	assert(next && progress);
	*tap = (struct tap){
		.sink = { &ops }, .next = next, .progress = progress, .arg = arg
	};
}
