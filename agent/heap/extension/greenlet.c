/* SPDX-License-Identifier: MIT */
/* greenlet - see greenlet.h. */
#include "agent/heap/extension/greenlet.h"

#include "agent/heap/core/interps.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/core/shapes.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/extension/native.h"
#include "agent/heap/extension/state.h"
#include "agent/heap/frames/data_stack.h"
#include "agent/heap/frames/frames.h"

enum {
	STATE_WORDS = 96, /* of the C++ state looked at */
	STATE_BYTES = 64, /* of a state that is behind a pointer: at least readable */
	STATE_HEAD = 4,	  /* words before the first member of a state */
	FIELDS_MAX = 256, /* bytes of the object in which that pointer is */
	CHUNKS_MAX = 4096,
	LABELS_MAX = 4096,
	SAVED_MAX = 1 << 20, /* bytes of a saved C stack that are looked at */
};

struct greenlet {
	uint32_t source; /* string id */
	uint64_t last;	 /* the one whose references were told last */
	bool has_frames; /* ... of its own: where they lie */
	struct data_stack frames;
	struct snap_label labels[LABELS_MAX];
};

struct collect {
	struct walk *w;
	struct snap_label *labels;
	uint32_t count, calls;
	uint64_t greenlet;
};

/* What one looks for in the state: from `at` on, so many words. */
typedef bool greenlet_find_fn(struct walk *w, uint64_t at, uint64_t words,
			      struct data_stack *ret);

/* ---- finding the data stack ---- */

/* A stack that a thread runs on now is that thread's. */
static bool greenlet_in_use(struct walk *w, uint64_t chunk)
{
	const struct frame_layout *lay = w->frames->lay;
	const struct interps *interps = w->interps;

	for (uint32_t i = 0; interps && i < interps->tstate_count; i++)
		for (uint64_t at = 16; at + 8 <= lay->ts_size; at += 8)
			if (peek64(interps->tstates[i] + at) == chunk)
				return true;
	return false;
}

static bool greenlet_find_stack(struct walk *w, uint64_t start, uint64_t words,
				struct data_stack *ret)
{
	for (uint64_t i = 0; i + 3 <= words; i++)
		if (data_stack_at(w, start + 8 * i, ret))
			return !greenlet_in_use(w, ret->chunk);
	return false;
}

/* {start, stop, copy, saved}: greenlet's StackState (1.x: the object's own fields). */
static bool greenlet_find_saved(struct walk *w, uint64_t start, uint64_t words,
				struct data_stack *ret)
{
	for (uint64_t i = 0; i + 4 <= words; i++) {
		const uint64_t at = start + 8 * i;

		if (!ranges_readable(w, at, 32))
			return false;
		const uint64_t low = peek64(at), high = peek64(at + 8),
			       copy = peek64(at + 16), saved = peek64(at + 24);

		if (!peek_plausible(low) || !peek_plausible(copy) || (copy & 15) ||
		    low >= high || high >= CPU_ADDRESS_END || !saved ||
		    saved > high - low || (copy >= low && copy < high) ||
		    !ranges_readable(w, copy, saved))
			continue;
		/* a stack is aligned as its words are, wherever the copy begins */
		ret->chunk = copy + (-low & 7);
		ret->top = copy + (saved < SAVED_MAX ? saved : SAVED_MAX);
		return true;
	}
	return false;
}

/*
 * Words of the state that are looked at, 0: it is none of this greenlet's.  A state has
 * the address of its greenlet, behind what is looked for or, since greenlet 3, in its
 * head; its first word is that of its C++ class, with which the next state begins.
 */
static uint64_t greenlet_state_words(struct walk *w, uint64_t state, uint64_t obj)
{
	uint64_t self = 0;

	for (uint64_t i = 1; i < STATE_WORDS; i++) {
		if (!ranges_readable(w, state + 8 * i, 8) ||
		    peek64(state + 8 * i) == peek64(state))
			return self ? i : 0;
		if (!self && peek64(state + 8 * i) == obj)
			self = i;
		if (self >= STATE_HEAD)
			return self;
	}
	return self ? STATE_WORDS : 0;
}

/* The state is behind a pointer (greenlet 2 on), or in the object itself. */
static bool greenlet_find(struct walk *w, const struct walk_type *type, uint64_t obj,
			  greenlet_find_fn *find, struct data_stack *ret)
{
	for (uint64_t at = w->lay->head; at + 8 <= type->basicsize && at < FIELDS_MAX;
	     at += 8) {
		uint64_t state = peek64(obj + at);

		if (peek_plausible(state) && (state & 7) == 0 &&
		    ranges_readable(w, state, STATE_BYTES) &&
		    !marks_test(&w->marks, state) &&
		    find(w, state, greenlet_state_words(w, state, obj), ret))
			return true;
	}
	return find(w, obj + w->lay->head, (type->basicsize - w->lay->head) / 8, ret);
}

/* ---- what its frames hold ---- */

static void greenlet_add(struct collect *c, uint8_t kind, uint32_t name, uint64_t target)
{
	if (!target || c->count == LABELS_MAX)
		return;
	references_add(c->w, target);
	c->labels[c->count].kind = kind;
	c->labels[c->count].name = name;
	c->count++;
}

static void greenlet_add_stack(struct collect *c, uint64_t frame,
			       const struct frame_code *info)
{
	uint64_t stack = frames_items(c->w, frame) + 8ull * info->count;
	uint32_t depth = info->stacksize;
	bool known = frames_stack_depth(c->w, frame, info, &depth);

	for (uint32_t i = 0; i < depth; i++) {
		uint64_t target = frames_reference(c->w, stack + 8ull * i);

		if (known || (target && sound_object(c->w, target)))
			greenlet_add(c, SNAP_LABEL_STACK, 0, target);
	}
}

static void greenlet_add_frame(struct collect *c, uint64_t frame, struct frame_code *info)
{
	const struct frame_layout *lay = c->w->frames->lay;
	uint64_t items = frames_items(c->w, frame);

	if (c->count < LABELS_MAX)
		frames_tell_line(c->w, c->greenlet, c->calls++, frame, info);
	greenlet_add(c, SNAP_LABEL_OTHER, strings_add_text(c->w, "code"),
		     frames_reference(c->w, frame + lay->f_code));
	greenlet_add(c, SNAP_LABEL_OTHER, strings_add_text(c->w, "function"),
		     frames_reference(c->w, frame + lay->f_func));
	greenlet_add(c, SNAP_LABEL_OTHER, strings_add_text(c->w, "f_locals"),
		     peek64(frame + lay->f_locals));
	greenlet_add(c, SNAP_LABEL_ATTR, strings_add_text(c->w, "gr_frame"),
		     peek64(frame + lay->f_object));
	for (uint32_t i = 0; i < info->count; i++)
		greenlet_add(c, info->labels[i].kind, info->labels[i].name,
			     frames_reference(c->w, items + 8ull * i));
	greenlet_add_stack(c, frame, info);
}

/* Frames of one chunk, from its start to top; each must be one. */
static void greenlet_add_frames(struct collect *c, uint64_t chunk, uint64_t top)
{
	const struct frame_layout *lay = c->w->frames->lay;
	uint64_t at = chunk + DATA_STACK_HEAD;

	/* the first word of the first chunk is left unused */
	if (at + 16 < top &&
	    !frames_is_code(c->w, frames_reference(c->w, at + lay->f_code)))
		at += 8;
	while (at + lay->f_items < top) {
		uint64_t code = frames_reference(c->w, at + lay->f_code);
		struct frame_code *info;

		if (!frames_is_code(c->w, code))
			return;
		info = frames_code(c->w, code);
		if (peek8(at + lay->f_owner) == 0 && frames_frame_code(c->w, at))
			greenlet_add_frame(c, at, info);
		at += lay->f_items + 8ull * (info->count + info->stacksize);
	}
}

static void greenlet_add_chunks(struct collect *c, struct data_stack stack)
{
	int n = 0;

	do
		greenlet_add_frames(c, stack.chunk, stack.top);
	while (++n < CHUNKS_MAX && data_stack_previous(c->w, &stack));
}

/* ---- what its C code holds ---- */

/*
 * Words of the saved C stack that lead to objects: those that C code, which waits in it,
 * holds, with others that it only looked at.  No labels: the shape's tail says so, and
 * who reads believes one where the object's count has room for it.
 */
static void greenlet_add_saved(struct walk *w, const struct data_stack *saved)
{
	for (uint64_t at = saved->chunk; at + 8 <= saved->top; at += 8) {
		const uint64_t word = peek64(at);
		uint64_t count;

		if (w->nrefs < LABELS_MAX && sound_object(w, word) &&
		    object_count(w->lay, word, &count) == OBJECT_COUNTED)
			references_add(w, word);
	}
}

/* The labels of what was reported before are not at hand: name the dict. */
static void greenlet_label(struct walk *w, struct collect *c)
{
	for (; c->count < w->nrefs; c->count++) {
		uint64_t target = w->refs[c->count];
		bool dict = target &&
			object_type(w->lay, target) == CPYTHON_ADDR(w->py, dict_type);

		c->labels[c->count].kind = dict ? SNAP_LABEL_DICT : SNAP_LABEL_OTHER;
		c->labels[c->count].name = 0;
	}
}

/* Kept for greenlet_native, which is asked of the same greenlet next. */
static bool greenlet_find_frames(struct walk *w, const struct walk_type *type,
				 uint64_t obj)
{
	struct greenlet *const g = w->specialists->greenlet;

	g->last = obj;
	g->has_frames = w->frames && !w->frames->lay->frame_is_object &&
		greenlet_find(w, type, obj, greenlet_find_stack, &g->frames);
	return g->has_frames;
}

static uint32_t greenlet_edges(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct snap_label *labels = w->specialists->greenlet->labels;
	struct collect c = { .w = w, .labels = labels, .greenlet = obj };
	struct data_stack saved;
	uint32_t shape;

	shape = type->others(w, type, obj);
	const bool frames = greenlet_find_frames(w, type, obj);
	const bool code = greenlet_find(w, type, obj, greenlet_find_saved, &saved);
	if (w->nrefs > LABELS_MAX / 2 || (!frames && !code))
		return shape;
	greenlet_label(w, &c);
	if (frames)
		greenlet_add_chunks(&c, w->specialists->greenlet->frames);
	if (code)
		greenlet_add_saved(w, &saved);
	return shapes_add(w, labels, c.count, code ? SNAP_TAIL_STACK : SNAP_TAIL_OTHER);
}

/* What is resident of its chunks. */
static void greenlet_native(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct greenlet *const g = w->specialists->greenlet;
	struct data_stack stack = g->frames;
	int n = 0;

	(void)type;
	if (g->last != obj || !g->has_frames)
		return;
	do
		native_emit(w, obj, stack.chunk, data_stack_resident(w, &stack), 0,
			    g->source, SNAP_BUFFER_OWNER);
	while (++n < CHUNKS_MAX && data_stack_previous(w, &stack));
}

static void greenlet_plan(struct walk *w, struct walk_type *type)
{
	if (type->opaque || type->probe)
		return;
	/* tp_is_gc says no of a greenlet that runs or waits, only so that it is not
	 * collected; it has its gc header, and its tp_traverse reads no stack */
	type->traverse_always = true;
	if (!w->specialists->greenlet)
		w->specialists->greenlet =
			arena_alloc(w->arena, sizeof(*w->specialists->greenlet));
	if (!w->specialists->greenlet)
		return;
	w->specialists->greenlet->source = strings_add_text(w, "frame");
	type->others = type->edges;
	type->edges = greenlet_edges;
	type->native = greenlet_native;
}

const struct specialist greenlet_specialists[] = {
	{ .name = "greenlet.greenlet", .plan = greenlet_plan },
	{ .name = NULL },
};
