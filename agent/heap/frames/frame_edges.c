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
#include "agent/heap/frames/frames_internal.h"

enum { LABELS_MAX = 16 };

/* Collects references and, when the shape isn't known yet, their labels. */
struct edges {
	struct walk *w;
	uint64_t obj; /* its fields' base: address + extra */
	bool named;   /* the shape is known: no labels needed */
	struct snap_label labels[LABELS_MAX];
	uint32_t count;
};

static void edge(struct edges *e, uint8_t kind, const char *name, uint64_t target)
{
	walk_ref(e->w, target);
	if (!e->named && e->count < LABELS_MAX) {
		e->labels[e->count].kind = kind;
		e->labels[e->count].name = walk_cstring(e->w, name);
		e->count++;
	}
}

static void field(struct edges *e, uint8_t kind, const char *name, uint16_t offset)
{
	if (offset != FRAME_NONE)
		edge(e, kind, name, peek64(e->obj + offset));
}

/* A field of a frame struct: may be tagged, and then maybe not counted. */
static void tagged(struct edges *e, uint8_t kind, const char *name, uint64_t addr)
{
	edge(e, kind, name, frames_reference(e->w, addr));
}

/* Variables, then the value stack if its depth is known. */
static void variables(struct edges *e, uint64_t frame, const struct frame_code *info)
{
	uint64_t items = frames_items(e->w, frame);
	uint32_t depth = 0;

	for (uint32_t i = 0; i < info->count; i++)
		walk_ref(e->w, frames_reference(e->w, items + 8ull * i));
	if (frames_stack_depth(e->w, frame, info, &depth))
		for (uint32_t i = 0; i < depth; i++)
			walk_ref(
				e->w,
				frames_reference(e->w, items + 8ull * (info->count + i)));
}

/* The shape: collected labels, the variables', STACK for the rest. */
static uint32_t shape_with(struct edges *e, const struct frame_code *info)
{
	uint32_t n = e->count + info->count;
	struct snap_label small[128], *labels = small;

	if (n > 128)
		labels = arena_alloc(e->w->arena, n * sizeof(*labels));
	if (!labels)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		labels[i] = i < e->count ? e->labels[i] : info->labels[i - e->count];
	return walk_shape(e->w, labels, n, SNAP_TAIL_STACK);
}

static uint32_t finish(struct edges *e, const struct frame_code *info, uint32_t *cached)
{
	if (!*cached)
		*cached = shape_with(e, info);
	return *cached;
}

/* ---- frame objects ---- */

static uint32_t frame_edges_old(struct walk *w, struct walk_type *type, uint64_t obj)
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
	field(&e, SNAP_LABEL_ATTR, "f_back", lay->fo_back);
	field(&e, SNAP_LABEL_ATTR, "f_code", lay->f_code);
	field(&e, SNAP_LABEL_ATTR, "f_builtins", lay->fo_builtins);
	field(&e, SNAP_LABEL_ATTR, "f_globals", lay->fo_globals);
	field(&e, SNAP_LABEL_ATTR, "f_locals", lay->f_locals);
	field(&e, SNAP_LABEL_ATTR, "f_trace", lay->fo_trace);
	if (lay->fo_excs != FRAME_NONE) {
		field(&e, SNAP_LABEL_OTHER, "handled exception type", lay->fo_excs);
		field(&e, SNAP_LABEL_OTHER, "handled exception", lay->fo_excs + 8);
		field(&e, SNAP_LABEL_OTHER, "handled exception traceback",
		      lay->fo_excs + 16);
	}
	variables(&e, obj, info);
	return finish(&e, info, &info->frame_shape);
}

static uint32_t frame_edges_new(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	struct edges e = { .w = w, .obj = obj + frames->extra };
	uint64_t frame = peek64(e.obj + lay->fo_frame), code;
	struct frame_code *info;

	(void)type;
	field(&e, SNAP_LABEL_ATTR, "f_back", lay->fo_back);
	field(&e, SNAP_LABEL_ATTR, "f_trace", lay->fo_trace);
	field(&e, SNAP_LABEL_OTHER, "extra locals", lay->fo_extra);
	field(&e, SNAP_LABEL_OTHER, "locals cache", lay->fo_cache);
	field(&e, SNAP_LABEL_OTHER, "overwritten locals", lay->fo_overwritten);
	if (frame != e.obj + lay->fo_data ||
	    peek8(frame + lay->f_owner) != lay->owner_object ||
	    !(code = frames_frame_code(w, frame)))
		return walk_shape(w, e.labels, e.count, SNAP_TAIL_OTHER);
	info = frames_code(w, code);
	tagged(&e, SNAP_LABEL_ATTR, "f_code", frame + lay->f_code);
	tagged(&e, SNAP_LABEL_OTHER, "function", frame + lay->f_func);
	edge(&e, SNAP_LABEL_ATTR, "f_locals", peek64(frame + lay->f_locals));
	variables(&e, frame, info);
	return finish(&e, info, &info->frame_shape);
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

static enum flavour flavour_of(const struct walk *w, const struct walk_type *type)
{
	if (type->addr == CPYTHON_ADDR(w->py, coro_type))
		return COROUTINE;
	return type->addr == CPYTHON_ADDR(w->py, async_gen_type) ? ASYNC_GENERATOR :
								   GENERATOR;
}

static void handled_exception(struct edges *e, const struct frame_layout *lay)
{
	if (lay->g_exc == FRAME_NONE)
		return;
	if (lay->exc_words == 3) {
		field(e, SNAP_LABEL_OTHER, "handled exception type", lay->g_exc);
		field(e, SNAP_LABEL_OTHER, "handled exception", lay->g_exc + 8);
		field(e, SNAP_LABEL_OTHER, "handled exception traceback",
		      lay->g_exc + 16);
	} else {
		field(e, SNAP_LABEL_OTHER, "handled exception", lay->g_exc);
	}
}

static uint32_t generator_edges_old(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	struct edges e = { .w = w, .obj = obj + frames->extra };
	enum flavour flavour = flavour_of(w, type);
	uint32_t *shape = &frames->generator_shape[flavour];

	e.named = *shape != 0;
	field(&e, SNAP_LABEL_ATTR, names[flavour].frame, lay->g_frame);
	field(&e, SNAP_LABEL_ATTR, names[flavour].code, lay->g_code);
	field(&e, SNAP_LABEL_ATTR, "__name__", lay->g_name);
	field(&e, SNAP_LABEL_ATTR, "__qualname__", lay->g_qualname);
	handled_exception(&e, lay);
	if (flavour == COROUTINE)
		field(&e, SNAP_LABEL_ATTR, "cr_origin", lay->g_origin);
	if (flavour == ASYNC_GENERATOR)
		field(&e, SNAP_LABEL_OTHER, "finalizer", lay->ag_finalizer);
	if (!*shape)
		*shape = walk_shape(w, e.labels, e.count, SNAP_TAIL_OTHER);
	return *shape;
}

/* Does the generator still have a frame with variables? */
static bool has_frame(const struct frames *frames, struct walk *w, uint64_t base)
{
	const struct frame_layout *lay = frames->lay;

	if (lay->g_finished)
		return (int8_t)peek8(base + lay->g_state) < lay->g_finished;
	return frames_reference(w, base + lay->g_frame + lay->f_func) != 0;
}

static uint32_t generator_edges_new(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	struct edges e = { .w = w, .obj = obj + frames->extra };
	enum flavour flavour = flavour_of(w, type);
	uint64_t frame = e.obj + lay->g_frame, code = frames_frame_code(w, frame);
	bool alive = code && has_frame(frames, w, e.obj);
	struct frame_code *info = alive ? frames_code(w, code) : NULL;

	e.named = alive && info->generator_shape[flavour];
	field(&e, SNAP_LABEL_ATTR, "__name__", lay->g_name);
	field(&e, SNAP_LABEL_ATTR, "__qualname__", lay->g_qualname);
	handled_exception(&e, lay);
	if (flavour != GENERATOR) /* never set in plain generators */
		field(&e, names[flavour].origin_kind, names[flavour].origin,
		      lay->g_origin);
	field(&e, SNAP_LABEL_ATTR, names[flavour].code, lay->g_code);
	if (!alive) { /* 3.12+: the code outlives the frame */
		if (code && lay->g_code == FRAME_NONE)
			edge(&e, SNAP_LABEL_ATTR, names[flavour].code, code);
		return walk_shape(w, e.labels, e.count, SNAP_TAIL_OTHER);
	}
	edge(&e, SNAP_LABEL_ATTR, names[flavour].code, code);
	tagged(&e, SNAP_LABEL_OTHER, "function", frame + lay->f_func);
	edge(&e, SNAP_LABEL_OTHER, "f_locals", peek64(frame + lay->f_locals));
	edge(&e, SNAP_LABEL_ATTR, names[flavour].frame, peek64(frame + lay->f_object));
	variables(&e, frame, info);
	return finish(&e, info, &info->generator_shape[flavour]);
}

bool frames_type_hook(struct walk *w, struct walk_type *type)
{
	const struct frames *frames = w->frames;

	if (!frames ||
	    (type->kind != SNAP_KIND_FRAME && type->kind != SNAP_KIND_GENERATOR))
		return false;
	if (type->kind == SNAP_KIND_FRAME)
		type->edges =
			frames->lay->frame_is_object ? frame_edges_old : frame_edges_new;
	else
		type->edges = frames->lay->frame_is_object ? generator_edges_old :
							     generator_edges_new;
	return true;
}
