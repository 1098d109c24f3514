/* SPDX-License-Identifier: MIT */
/*
 * frame_edges - the references of frame objects, generators, coroutines and
 * asynchronous generators, labelled with the names of their variables.
 *
 * Replaces tp_traverse for these types (it hides the variables of executing
 * generators, and everything of a frame object whose frame still runs), and so
 * must name every owned field itself.  A subclass can't exist: none of these types
 * may be inherited from.
 */
#include "agent/heap/frames/frame_edges.h"

#include "agent/heap/core/references.h"
#include "agent/heap/core/shapes.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/frames/frames.h"

enum { FRAME_EDGES_LABELS = 16 };

/* Collects references and, when the shape isn't known yet, their labels. */
struct edges {
	struct walk *w;
	uint64_t obj; /* its fields' base: address + extra */
	bool named;   /* the shape is known: no labels needed */
	struct snap_label labels[FRAME_EDGES_LABELS];
	uint32_t count;
};

static void frame_edges_add(struct edges *e, uint8_t kind, const char *name,
			    uint64_t target)
{
	references_add(e->w, target);
	if (!e->named && e->count < FRAME_EDGES_LABELS) {
		e->labels[e->count].kind = kind;
		e->labels[e->count].name = strings_add_text(e->w, name);
		e->count++;
	}
}

static void frame_edges_field(struct edges *e, uint8_t kind, const char *name,
			      uint16_t offset)
{
	if (offset != FRAME_NONE)
		frame_edges_add(e, kind, name, peek64(e->obj + offset));
}

/* A field of a frame struct: may be tagged, and then maybe not counted. */
static void frame_edges_tagged(struct edges *e, uint8_t kind, const char *name,
			       uint64_t addr)
{
	frame_edges_add(e, kind, name, frames_reference(e->w, addr));
}

/* Variables, then the value stack if its depth is known. */
static void frame_edges_variables(struct edges *e, uint64_t frame,
				  const struct frame_code *info)
{
	uint64_t items = frames_items(e->w, frame);
	uint32_t depth = 0;

	for (uint32_t i = 0; i < info->count; i++)
		references_add(e->w, frames_reference(e->w, items + 8ull * i));
	if (frames_stack_depth(e->w, frame, info, &depth))
		for (uint32_t i = 0; i < depth; i++)
			references_add(
				e->w,
				frames_reference(e->w, items + 8ull * (info->count + i)));
}

/* The shape: collected labels, the variables', STACK for the rest. */
static uint32_t frame_edges_shape(struct edges *e, const struct frame_code *info)
{
	uint32_t n = e->count + info->count;
	struct snap_label small[128], *labels = small;

	if (n > 128)
		labels = arena_alloc(e->w->arena, n * sizeof(*labels));
	if (!labels)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		labels[i] = i < e->count ? e->labels[i] : info->labels[i - e->count];
	return shapes_add(e->w, labels, n, SNAP_TAIL_STACK);
}

static uint32_t frame_edges_finish(struct edges *e, const struct frame_code *info,
				   uint32_t *cached)
{
	if (!*cached)
		*cached = frame_edges_shape(e, info);
	return *cached;
}

/* ---- frame objects ---- */

static uint32_t frame_edges_of_frame_old(struct walk *w, struct walk_type *type,
					 uint64_t obj)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	struct edges e = { .w = w, .obj = obj + frames->extra };
	uint64_t code = frames_frame_code(w, obj);
	struct frame_code *info;

	(void)type;
	if (!code)
		return 0;
	info = frames_code(w, code);
	e.named = info->frame_shape != 0;
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_back", lay->fo_back);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_code", lay->f_code);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_builtins", lay->fo_builtins);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_globals", lay->fo_globals);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_locals", lay->f_locals);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_trace", lay->fo_trace);
	if (lay->fo_excs != FRAME_NONE) {
		frame_edges_field(&e, SNAP_LABEL_OTHER, "handled exception type",
				  lay->fo_excs);
		frame_edges_field(&e, SNAP_LABEL_OTHER, "handled exception",
				  lay->fo_excs + 8);
		frame_edges_field(&e, SNAP_LABEL_OTHER, "handled exception traceback",
				  lay->fo_excs + 16);
	}
	frames_tell_line(w, obj, 0, obj, info);
	frame_edges_variables(&e, obj, info);
	return frame_edges_finish(&e, info, &info->frame_shape);
}

static uint32_t frame_edges_of_frame(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	struct edges e = { .w = w, .obj = obj + frames->extra };
	uint64_t frame = peek64(e.obj + lay->fo_frame), code;
	struct frame_code *info;

	(void)type;
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_back", lay->fo_back);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "f_trace", lay->fo_trace);
	frame_edges_field(&e, SNAP_LABEL_OTHER, "extra locals", lay->fo_extra);
	frame_edges_field(&e, SNAP_LABEL_OTHER, "locals cache", lay->fo_cache);
	frame_edges_field(&e, SNAP_LABEL_OTHER, "overwritten locals",
			  lay->fo_overwritten);
	if (frame != e.obj + lay->fo_data ||
	    peek8(frame + lay->f_owner) != lay->owner_object ||
	    !(code = frames_frame_code(w, frame)))
		return shapes_add(w, e.labels, e.count, SNAP_TAIL_OTHER);
	info = frames_code(w, code);
	frame_edges_tagged(&e, SNAP_LABEL_ATTR, "f_code", frame + lay->f_code);
	frame_edges_tagged(&e, SNAP_LABEL_OTHER, "function", frame + lay->f_func);
	frame_edges_add(&e, SNAP_LABEL_ATTR, "f_locals", peek64(frame + lay->f_locals));
	frames_tell_line(w, obj, 0, frame, info);
	frame_edges_variables(&e, frame, info);
	return frame_edges_finish(&e, info, &info->frame_shape);
}

/* ---- generators ---- */

enum flavour { GENERATOR, COROUTINE, ASYNC_GENERATOR };

static const struct {
	const char *frame, *code, *origin;
	uint8_t origin_kind;
} names[3] = {
	[GENERATOR] = { "gi_frame", "gi_code", NULL, 0 },
	[COROUTINE] = { "cr_frame", "cr_code", "cr_origin", SNAP_LABEL_ATTR },
	[ASYNC_GENERATOR] = { "ag_frame", "ag_code", "finalizer", SNAP_LABEL_OTHER },
};

static enum flavour frame_edges_flavour(const struct walk *w,
					const struct walk_type *type)
{
	if (type->addr == CPYTHON_ADDR(w->py, coro_type))
		return COROUTINE;
	return type->addr == CPYTHON_ADDR(w->py, async_gen_type) ? ASYNC_GENERATOR :
								   GENERATOR;
}

static void frame_edges_exception(struct edges *e, const struct frame_layout *lay)
{
	if (lay->g_exc == FRAME_NONE)
		return;
	if (lay->exc_words == 3) {
		frame_edges_field(e, SNAP_LABEL_OTHER, "handled exception type",
				  lay->g_exc);
		frame_edges_field(e, SNAP_LABEL_OTHER, "handled exception",
				  lay->g_exc + 8);
		frame_edges_field(e, SNAP_LABEL_OTHER, "handled exception traceback",
				  lay->g_exc + 16);
	} else {
		frame_edges_field(e, SNAP_LABEL_OTHER, "handled exception", lay->g_exc);
	}
}

static uint32_t frame_edges_of_generator_old(struct walk *w, struct walk_type *type,
					     uint64_t obj)
{
	struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	struct edges e = { .w = w, .obj = obj + frames->extra };
	enum flavour flavour = frame_edges_flavour(w, type);
	uint32_t *shape = &frames->generator_shape[flavour];

	e.named = *shape != 0;
	frame_edges_field(&e, SNAP_LABEL_ATTR, names[flavour].frame, lay->g_frame);
	frame_edges_field(&e, SNAP_LABEL_ATTR, names[flavour].code, lay->g_code);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "__name__", lay->g_name);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "__qualname__", lay->g_qualname);
	frame_edges_exception(&e, lay);
	if (flavour == COROUTINE)
		frame_edges_field(&e, SNAP_LABEL_ATTR, "cr_origin", lay->g_origin);
	if (flavour == ASYNC_GENERATOR)
		frame_edges_field(&e, SNAP_LABEL_OTHER, "finalizer", lay->ag_finalizer);
	if (!*shape)
		*shape = shapes_add(w, e.labels, e.count, SNAP_TAIL_OTHER);
	return *shape;
}

/* Does the generator still have a frame with variables? */
static bool frame_edges_alive(const struct frames *frames, struct walk *w, uint64_t base)
{
	const struct frame_layout *lay = frames->lay;

	if (lay->g_finished)
		return (int8_t)peek8(base + lay->g_state) < lay->g_finished;
	return frames_reference(w, base + lay->g_frame + lay->f_func) != 0;
}

static uint32_t frame_edges_of_generator(struct walk *w, struct walk_type *type,
					 uint64_t obj)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	struct edges e = { .w = w, .obj = obj + frames->extra };
	enum flavour flavour = frame_edges_flavour(w, type);
	uint64_t frame = e.obj + lay->g_frame, code = frames_frame_code(w, frame);
	bool alive = code && frame_edges_alive(frames, w, e.obj);
	struct frame_code *info = alive ? frames_code(w, code) : NULL;

	e.named = alive && info->generator_shape[flavour];
	frame_edges_field(&e, SNAP_LABEL_ATTR, "__name__", lay->g_name);
	frame_edges_field(&e, SNAP_LABEL_ATTR, "__qualname__", lay->g_qualname);
	frame_edges_exception(&e, lay);
	if (flavour != GENERATOR) /* never set in plain generators */
		frame_edges_field(&e, names[flavour].origin_kind, names[flavour].origin,
				  lay->g_origin);
	frame_edges_field(&e, SNAP_LABEL_ATTR, names[flavour].code, lay->g_code);
	if (!alive) { /* 3.12+: the code outlives the frame */
		if (code && lay->g_code == FRAME_NONE)
			frame_edges_add(&e, SNAP_LABEL_ATTR, names[flavour].code, code);
		return shapes_add(w, e.labels, e.count, SNAP_TAIL_OTHER);
	}
	frame_edges_add(&e, SNAP_LABEL_ATTR, names[flavour].code, code);
	frame_edges_tagged(&e, SNAP_LABEL_OTHER, "function", frame + lay->f_func);
	frame_edges_add(&e, SNAP_LABEL_OTHER, "f_locals", peek64(frame + lay->f_locals));
	frame_edges_add(&e, SNAP_LABEL_ATTR, names[flavour].frame,
			peek64(frame + lay->f_object));
	frames_tell_line(w, obj, 0, frame, info);
	frame_edges_variables(&e, frame, info);
	return frame_edges_finish(&e, info, &info->generator_shape[flavour]);
}

bool frame_edges_plan(struct walk *w, struct walk_type *type)
{
	const struct frames *frames = w->frames;

	if (!frames ||
	    (type->kind != SNAP_KIND_FRAME && type->kind != SNAP_KIND_GENERATOR))
		return false;
	if (type->kind == SNAP_KIND_FRAME)
		type->edges = frames->lay->frame_is_object ? frame_edges_of_frame_old :
							     frame_edges_of_frame;
	else
		type->edges = frames->lay->frame_is_object ?
			frame_edges_of_generator_old :
			frame_edges_of_generator;
	return true;
}
