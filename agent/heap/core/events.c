/* SPDX-License-Identifier: MIT */
/* events - see events.h. */
#include "agent/heap/core/events.h"

#include "agent/heap/core/position.h"
#include "agent/heap/core/queue.h"
#include "agent/heap/core/strings.h"

void events_phase(struct walk *w, const char *phase)
{
	struct snap_progress event = { .phase = strings_add_text(w, phase),
				       .objects = w->stats.objects,
				       .edges = w->stats.edges };

	walk_position.phase = phase;
	EVENTS_SEND(w, progress, &event);
}

void events_progress(struct walk *w)
{
	struct snap_progress event = { .phase = strings_add_text(w, walk_position.phase),
				       .objects = w->stats.objects,
				       .edges = w->stats.edges,
				       .done = w->stats.objects };

	walk_position.objects = w->stats.objects;
	walk_position.edges = w->stats.edges;
	EVENTS_SEND(w, progress, &event);
}

static int events_both(struct snap_sink *sink, const struct snap_object *object,
		       const struct snap_value *value)
{
	const struct snap_sink_ops *const ops = sink->ops;
	const int err = ops->object ? ops->object(sink, object) : 0;

	return err || !value || !ops->value ? err : ops->value(sink, value);
}

events_whole_fn *events_taker(const struct snap_sink *sink)
{
	const struct snap_sink_ops *const ops = sink->ops;

	return ops->whole ? ops->whole : ops->object || ops->value ? events_both : NULL;
}

void events_root(struct walk *w, uint8_t kind, uint8_t flags, uint32_t thread,
		 uint32_t frame, uint32_t name, uint64_t target)
{
	struct snap_root event = { .kind = kind,
				   .flags = flags,
				   .thread = thread,
				   .frame = frame,
				   .name = name,
				   .target = target };

	if (!target)
		return;
	queue_add(w, target);
	EVENTS_SEND(w, root, &event);
}

void events_error(struct walk *w, uint64_t obj, const struct walk_type *type,
		  const char *text)
{
	struct snap_error event = { .addr = obj,
				    .type = type ? type->id : 0,
				    .text = strings_add_text(w, text) };

	EVENTS_SEND(w, error, &event);
}

void events_fact_u64(struct walk *w, const char *key, uint64_t value)
{
	struct snap_fact fact = { .key = key, .kind = SNAP_FACT_U64, .u64 = value };

	EVENTS_SEND(w, fact, &fact);
}

void events_fact_text(struct walk *w, const char *key, const char *text, size_t size)
{
	struct snap_fact fact = {
		.key = key, .kind = SNAP_FACT_TEXT, .text = text, .size = size
	};

	EVENTS_SEND(w, fact, &fact);
}
